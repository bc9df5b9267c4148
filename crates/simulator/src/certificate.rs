//! Signatures of assertions that an application makes with its own certificate.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, pem::PemObject as _};
use webpki::{
    EndEntityCert,
    ring::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256_LEGACY_KEY},
};

use crate::{denied::Denied, jwt::Jwt};

/// Length of the signature of an RSA key of 4096 bits, the longest that Entra accepts.
const LONGEST_SIGNATURE: usize = 4096 / 8;

/// A way to sign, and how the header names the certificate with it.
struct Method {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    thumbprint: &'static str,
    hash: &'static Algorithm,
}

/// Checks that a token is signed with the key of one of these certificates, in PEM.
pub(crate) fn check(token: &Jwt, pems: &[String]) -> Result<(), Denied> {
    let wrong_key = |why| Err(Denied::client(700_027, why));
    let Some(method) = Method::named(token.header("alg")) else {
        return Err(Denied::client(
            5_002_738,
            "client assertion is signed by an unsupported algorithm",
        ));
    };
    // MSAL for Python pads it, against the standard.
    let thumbprint = token.header(method.thumbprint).trim_end_matches('=');
    if thumbprint.is_empty() {
        return wrong_key("client assertion does not name the certificate that signed it");
    }
    let names = |certificate: &CertificateDer<'_>| {
        BASE64_URL_SAFE_NO_PAD.encode(digest(method.hash, certificate)) == thumbprint
    };
    let readable = pems
        .iter()
        .filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
    let Some(certificate) = readable.into_iter().find(names) else {
        return wrong_key("the certificate that client assertion names is not registered");
    };
    if !has_signed(&certificate, method.algorithm, token) {
        return wrong_key("client assertion has an invalid signature");
    }
    Ok(())
}

impl Method {
    fn named(name: &str) -> Option<Self> {
        match name {
            "PS256" => Some(Self {
                algorithm: RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
                thumbprint: "x5t#S256",
                hash: &SHA256,
            }),
            "RS256" => Some(Self {
                algorithm: RSA_PKCS1_2048_8192_SHA256,
                thumbprint: "x5t",
                hash: &SHA1_FOR_LEGACY_USE_ONLY,
            }),
            _ => None,
        }
    }
}

fn has_signed(
    certificate: &CertificateDer<'_>,
    algorithm: &dyn SignatureVerificationAlgorithm,
    token: &Jwt,
) -> bool {
    let certificate = EndEntityCert::try_from(certificate);
    token.signature.len() <= LONGEST_SIGNATURE
        && certificate.is_ok_and(|certificate| {
            let message = token.signed.as_bytes();
            certificate
                .verify_signature(algorithm, message, &token.signature)
                .is_ok()
        })
}
