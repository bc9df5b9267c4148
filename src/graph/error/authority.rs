//! Refusals of the authority: which reason each has, and what to do about it.

use crate::graph::{failure::Refusal, verdict::Reason};

use super::Class;

/// Refusals with the same cause and the same remedy.
pub struct AuthorityRefusal {
    /// Error numbers of the authority: `AADSTS` and these digits.
    pub numbers: &'static [u32],
    /// Reason in conditions and metrics.
    pub reason: Reason,
    /// Remedy, as one or two sentences.
    pub remedy: &'static str,
}

/// Refusals of a credential that have a reason of their own. From these, `docs/reference/` is generated.
///
/// Source: [Microsoft Entra authentication and authorization error
/// codes](https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
pub const AUTHORITY_REFUSALS: &[AuthorityRefusal] = &[
    AuthorityRefusal {
        numbers: &[7_000_222],
        reason: Reason::CredentialExpired,
        remedy: "The client secret has expired: create another one in the app registration, and put its value into the Secret.",
    },
    AuthorityRefusal {
        numbers: &[7_000_215],
        reason: Reason::ClientSecretInvalid,
        remedy: "The Secret must contain the value of the client secret, not its id: correct it.",
    },
    AuthorityRefusal {
        numbers: &[7_000_216, 7_000_218],
        reason: Reason::ClientSecretMissing,
        remedy: "The app registration is not a public client: set credential.refreshToken.clientSecretKeyRef, or allow public client flows in the app registration.",
    },
    AuthorityRefusal {
        numbers: &[700_016, 7_000_112],
        reason: Reason::ApplicationNotFound,
        remedy: "Check spec.clientId, and that the app registration is enabled in this tenant.",
    },
    AuthorityRefusal {
        numbers: &[90_002, 900_023, 50_034],
        reason: Reason::TenantNotFound,
        remedy: "Check spec.tenantId; it cannot be changed, so create another GraphConnection with the correct tenant.",
    },
    AuthorityRefusal {
        numbers: &[700_024],
        reason: Reason::ClockWrong,
        remedy: "The assertion is not valid yet or not any more: check the clock of the node.",
    },
    AuthorityRefusal {
        numbers: &[700_027, 700_030],
        reason: Reason::CertificateRefused,
        remedy: "Upload the certificate in the Secret to the app registration, or put the one that is there into the Secret, and check that it has not expired. For workload identity, check that the keys of the cluster's issuer are published.",
    },
    AuthorityRefusal {
        numbers: &[70_021, 700_211, 700_212, 700_213, 700_223, 700_238],
        reason: Reason::FederationRefused,
        remedy: "Add a federated credential to the app registration with the issuer of the cluster, the subject system:serviceaccount:<namespace>:<serviceAccountName> and the audience of the operator's --workload-identity-audience.",
    },
    AuthorityRefusal {
        numbers: &[
            700_082, 700_084, 50_173, 70_000, 70_008, 700_003, 70_043, 50_057, 50_133, 50_078,
        ],
        reason: Reason::SignInExpired,
        remedy: "The refresh token has expired or was revoked: sign in again with `kubectl industrydata login`.",
    },
    AuthorityRefusal {
        numbers: &[65_001, 65_004, 90_094],
        reason: Reason::ConsentRequired,
        remedy: "An administrator of the tenant must consent to the permissions of the app registration; then sign in again with `kubectl industrydata login` if the credential is a refresh token.",
    },
    AuthorityRefusal {
        numbers: &[
            53_000, 53_001, 53_002, 53_003, 53_004, 50_005, 50_072, 50_074, 50_076, 50_079, 50_158,
            530_003,
        ],
        reason: Reason::ConditionalAccess,
        remedy: "Conditional access does not admit this sign-in: adapt the policy, or sign in again with `kubectl industrydata login` and fulfil what it requires.",
    },
];

/// Codes of transient refusals of the authority, which may have the status 400.
///
/// The numbers are those that the documented list of errors describes as transient, retryable,
/// temporarily unavailable or timed out; 50196 (loop detected) and 90055 (throttled) end after a pause.
const TRANSIENT: [&str; 11] = [
    "temporarily_unavailable",
    "server_error",
    "AADSTS50087",
    "AADSTS50196",
    "AADSTS90006",
    "AADSTS90012",
    "AADSTS90024",
    "AADSTS90033",
    "AADSTS90055",
    "AADSTS90090",
    "AADSTS90091",
];

const CHECK_CREDENTIAL: &str =
    "Check tenant, client id and credential, and that the credential has not expired.";

/// Classifies a refusal that a user has to resolve.
pub(super) fn credential_refusal(refusal: &Refusal) -> Class {
    let is_this = |known: &&AuthorityRefusal| {
        let mut numbers = known.numbers.iter();
        numbers.any(|number| refusal.has_code(&format!("AADSTS{number}")))
    };
    match AUTHORITY_REFUSALS.iter().find(is_this) {
        Some(known) => Class::user(known.reason, known.remedy),
        None => Class::user(Reason::CredentialRefused, CHECK_CREDENTIAL),
    }
}

/// Returns whether a refusal ends without action by the user.
pub(super) fn is_transient(refusal: &Refusal) -> bool {
    TRANSIENT.iter().any(|code| refusal.has_code(code))
}
