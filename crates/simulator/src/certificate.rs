//! Signatures of assertions that an application makes with its own certificate.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, pem::PemObject as _};
use webpki::{
    EndEntityCert,
    ring::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256_LEGACY_KEY},
};

/// Description of the key in the header of an assertion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyHint<'a> {
    /// `x5t#S256`
    pub(crate) sha256: &'a str,
    /// `x5t`
    pub(crate) sha1: &'a str,
}

impl KeyHint<'_> {
    fn names(&self, certificate: &CertificateDer<'_>) -> bool {
        let thumbprint = |algorithm| BASE64_URL_SAFE_NO_PAD.encode(digest(algorithm, certificate));
        thumbprint(&SHA256) == self.sha256 || thumbprint(&SHA1_FOR_LEGACY_USE_ONLY) == self.sha1
    }
}

/// The certificate among these, in PEM, that a header names.
pub(crate) fn named(pems: &[String], hint: KeyHint<'_>) -> Option<CertificateDer<'static>> {
    let readable = pems
        .iter()
        .filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
    readable
        .into_iter()
        .find(|certificate| hint.names(certificate))
}

/// The algorithm that a header means by this name.
pub(crate) fn algorithm(name: &str) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    match name {
        "PS256" => Some(RSA_PSS_2048_8192_SHA256_LEGACY_KEY),
        "RS256" => Some(RSA_PKCS1_2048_8192_SHA256),
        _ => None,
    }
}

/// Whether the key of a certificate has made this signature.
pub(crate) fn has_signed(
    certificate: &CertificateDer<'_>,
    algorithm: &dyn SignatureVerificationAlgorithm,
    signed: &str,
    signature: &[u8],
) -> bool {
    let certificate = EndEntityCert::try_from(certificate);
    certificate.is_ok_and(|certificate| {
        certificate
            .verify_signature(algorithm, signed.as_bytes(), signature)
            .is_ok()
    })
}
