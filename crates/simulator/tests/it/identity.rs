//! Certificates for https.

use industrydata_simulator::Tls;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate for loopback, and that of the authority that has signed it.
pub(crate) fn loopback() -> (Tls, String) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    // A name of its own: a certificate with the name of its issuer counts as signed by itself.
    parameters
        .distinguished_name
        .push(DnType::CommonName, "Authority of a test");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = parameters.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(parameters, key);

    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.use_authority_key_identifier_extension = true;
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    let tls = Tls {
        certificates: certificate.pem(),
        key: key.serialize_pem(),
    };
    (tls, authority)
}
