//! Decisions about credentials: which objects a spec names, what a credential may do, and when it expires.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::api::{
    Access, AccessStatus, CredentialExpiry, GraphConnection, SecretKeyReference, reason,
};

use super::Blocked;

/// Keys of a Secret of the type `kubernetes.io/tls`.
const CERTIFICATE: &str = "tls.crt";
const PRIVATE_KEY: &str = "tls.key";

/// How long before the end of a credential it is reported, the shortest time first.
const NOTICES: [(SignedDuration, &str); 3] = [
    (SignedDuration::from_hours(24), "1d"),
    (SignedDuration::from_hours(7 * 24), "7d"),
    (SignedDuration::from_hours(30 * 24), "30d"),
];

/// What is reported of a credential whose time is over.
const EXPIRED: &str = "expired";

/// Where the credential of a connection is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// A client secret.
    ClientSecret {
        /// Where it is kept.
        secret: SecretKeyReference,
    },
    /// A certificate.
    ClientCertificate {
        /// Where the certificate is kept.
        certificate: SecretKeyReference,
        /// Where its private key is kept, in the same Secret.
        key: SecretKeyReference,
    },
    /// A service account.
    WorkloadIdentity {
        /// Name of the service account.
        service_account: String,
    },
    /// A refresh token.
    RefreshToken {
        /// Where it is kept.
        token: SecretKeyReference,
        /// Where the client secret is kept, or `None` for a public client.
        client_secret: Option<SecretKeyReference>,
    },
}

impl CredentialSource {
    /// Returns the source that the spec of a connection names.
    ///
    /// # Errors
    ///
    /// [`Blocked`] if the spec does not name exactly one, which the schema refuses.
    pub fn of(connection: &GraphConnection) -> Result<Self, Blocked> {
        let credential = &connection.spec.credential;
        let secret = credential.client_secret.as_ref();
        let secret = secret.map(|it| Self::ClientSecret {
            secret: it.secret_key_ref.clone(),
        });
        let certificate = credential.client_certificate.as_ref().map(|it| {
            let under = |key: &str| SecretKeyReference {
                name: it.secret_ref.name.clone(),
                key: key.to_owned(),
            };
            Self::ClientCertificate {
                certificate: under(CERTIFICATE),
                key: under(PRIVATE_KEY),
            }
        });
        let workload = credential.workload_identity.as_ref();
        let workload = workload.map(|it| Self::WorkloadIdentity {
            service_account: it.service_account_name.clone(),
        });
        let token = credential.refresh_token.as_ref();
        let token = token.map(|it| Self::RefreshToken {
            token: it.secret_key_ref.clone(),
            client_secret: it.client_secret_key_ref.clone(),
        });
        let mut given = [secret, certificate, workload, token].into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(source), None) => Ok(source),
            _ => Err(Blocked::person(
                reason::SECRET_NOT_FOUND,
                "spec.credential needs exactly one member: set clientSecret, clientCertificate, workloadIdentity or refreshToken",
            )),
        }
    }

    /// Returns the keys of Secrets in which it is kept, in a fixed order.
    #[must_use]
    pub fn keys(&self) -> Vec<&SecretKeyReference> {
        match self {
            Self::ClientSecret { secret } => vec![secret],
            Self::ClientCertificate { certificate, key } => vec![certificate, key],
            Self::WorkloadIdentity { .. } => Vec::new(),
            Self::RefreshToken {
                token,
                client_secret,
            } => [token].into_iter().chain(client_secret).collect(),
        }
    }
}

/// Returns the keys of Secrets in which the credential of a connection is kept.
#[must_use]
pub fn secret_keys(connection: &GraphConnection) -> Vec<SecretKeyReference> {
    let source = CredentialSource::of(connection);
    source.map_or_else(
        |_| Vec::new(),
        |source| source.keys().into_iter().cloned().collect(),
    )
}

/// Returns when the client secret of a connection expires according to its spec.
#[must_use]
pub fn declared_expiry(connection: &GraphConnection) -> Option<Timestamp> {
    let secret = connection.spec.credential.client_secret.as_ref()?;
    secret.expires_at.as_ref()?.parse().ok()
}

/// What is known about the rights of a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservedAccess {
    /// Whether it may read.
    pub read: Access,
    /// Whether it may change anything.
    pub write: Access,
    /// Whether the credential is another one than that of the status.
    pub is_of_new_credential: bool,
}

/// Returns the status of what a credential may do. What is not known yet stays as it was, unless the credential is new.
#[must_use]
pub fn access_status(
    known: Option<&AccessStatus>,
    observed: ObservedAccess,
    now: Timestamp,
) -> Option<AccessStatus> {
    let keep = |observed_one: Access, before: fn(&AccessStatus) -> Access| match observed_one {
        Access::Unknown if !observed.is_of_new_credential => known.map_or(Access::Unknown, before),
        other => other,
    };
    let read = keep(observed.read, |before| before.read);
    let write = keep(observed.write, |before| before.write);
    match known {
        Some(known) if (known.read, known.write) == (read, write) => Some(known.clone()),
        None if (read, write) == (Access::Unknown, Access::Unknown) => None,
        _ => Some(AccessStatus {
            read,
            write,
            checked_at: now.to_string(),
        }),
    }
}

/// The end of a credential: its status, and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpiryReport {
    /// The status.
    pub status: Option<CredentialExpiry>,
    /// What has to be reported now for the first time.
    pub is_news: bool,
    /// Time until the next report, or `None` if there is none.
    pub next: Option<SignedDuration>,
}

/// Reports the end of a credential 30, 7 and 1 days ahead, and when it is over: each once.
#[must_use]
pub fn expiry_report(
    known: Option<&CredentialExpiry>,
    expiry: Option<Timestamp>,
    now: Timestamp,
) -> ExpiryReport {
    let Some(expiry) = expiry else {
        return ExpiryReport::default();
    };
    let left = expiry.duration_since(now);
    let notice = NOTICES.iter().find(|(ahead, _)| left <= *ahead);
    let reported = if left.is_positive() {
        notice.map(|(_, text)| *text)
    } else {
        Some(EXPIRED)
    };
    let longer = NOTICES.iter().rev().map(|(ahead, _)| *ahead);
    let next = longer
        .chain([SignedDuration::ZERO])
        .find(|ahead| *ahead < left)
        .map(|ahead| left - ahead);
    let status = CredentialExpiry {
        time: expiry.to_string(),
        reported: reported.map(str::to_owned),
    };
    ExpiryReport {
        is_news: status.reported.is_some() && known != Some(&status),
        status: Some(status),
        next,
    }
}

/// Returns the remark on a credential that expires soon or has expired, for messages, or `None`.
#[must_use]
pub fn expiry_remark(expiry: &CredentialExpiry) -> Option<String> {
    let time = &expiry.time;
    match expiry.reported.as_deref()? {
        EXPIRED => Some(format!("the credential expired at {time}: replace it")),
        _ => Some(format!(
            "the credential expires at {time}: replace it before"
        )),
    }
}

#[cfg(test)]
mod tests;
