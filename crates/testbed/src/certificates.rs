//! A certificate authority of our own, alive as long as one control plane.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use rsa::PrivateKey;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};

use crate::Error;

/// The shortest key that anyone accepts, because it is found the soonest.
const TOKEN_KEY_BITS: usize = 2048;

/// Signs the certificates of one control plane. Its key is never written to a file.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate with its private key, both as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The key pair that signs and checks the tokens of service accounts, as PEM.
///
/// It is RSA, as in the usual cluster: Microsoft Entra accepts no tokens that are signed by other keys.
pub(crate) struct TokenKeys {
    pub(crate) private: String,
    pub(crate) public: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, Error> {
        let wrap = failed("the certificate authority");
        let key = KeyPair::generate().map_err(&wrap)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named("industrydata-testbed", None);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = parameters.self_signed(&key).map_err(&wrap)?.pem();
        Ok(Self {
            issuer: Issuer::new(parameters, key),
            certificate,
        })
    }

    /// The authority's own certificate, for those who have to trust it.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The identity of a server on loopback.
    pub(crate) fn server(&self, name: &str) -> Result<Identity, Error> {
        let hosts = ["127.0.0.1", "localhost"].map(String::from);
        let mut parameters = CertificateParams::new(hosts).map_err(failed(name))?;
        parameters.distinguished_name = named(name, None);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(name, parameters)
    }

    /// The identity of a client: Kubernetes takes the common name for the user and the organization
    /// for the group.
    pub(crate) fn client(&self, user: &str, group: Option<&str>) -> Result<Identity, Error> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named(user, group);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(user, parameters)
    }

    fn sign(&self, subject: &str, mut parameters: CertificateParams) -> Result<Identity, Error> {
        let key = KeyPair::generate().map_err(failed(subject))?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.use_authority_key_identifier_extension = true;
        let certificate = parameters
            .signed_by(&key, &self.issuer)
            .map_err(failed(subject))?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl TokenKeys {
    pub(crate) fn new() -> Result<Self, Error> {
        let key = PrivateKey::new(&mut rand::rng(), TOKEN_KEY_BITS).map_err(no_token_key)?;
        let private = key.to_pkcs8_pem(LineEnding::LF).map_err(no_token_key)?;
        let public = key.to_public_key().to_public_key_pem(LineEnding::LF);
        Ok(Self {
            private: private.to_string(),
            public: public.map_err(no_token_key)?,
        })
    }
}

fn no_token_key(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::TokenKey {
        source: Box::new(source),
    }
}

fn named(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

fn failed(subject: &str) -> impl Fn(rcgen::Error) -> Error {
    move |source| Error::Certificate {
        subject: subject.to_owned(),
        source,
    }
}
