//! Tenants, which are part of the URL of the authority.

use std::fmt;

use thiserror::Error;

/// Tenant, by its id (a GUID) or one of its domains.
///
/// It is validated, because it becomes part of the URL to which the secret is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(String);

/// Error for a text that is neither a GUID nor a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a tenant is a GUID or a domain name")]
pub struct InvalidTenant;

impl Tenant {
    /// Returns the tenant for a GUID or for a domain name of at least two labels.
    ///
    /// # Errors
    ///
    /// [`InvalidTenant`] for anything else, including `common`, `organizations` and `consumers`, which
    /// do not identify a single tenant.
    pub fn new(text: &str) -> Result<Self, InvalidTenant> {
        (is_guid(text) || is_domain(text))
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidTenant)
    }

    /// Returns whether it is given by its id, not by a domain name.
    #[must_use]
    pub fn is_id(&self) -> bool {
        is_guid(&self.0)
    }

    /// Returns the GUID or domain name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_a_guid_or_a_domain() {
        for text in [
            "11111111-2222-4333-8444-555555555555",
            "contoso.onmicrosoft.com",
            "a-b.example",
            "xn--bcher-kva.example",
        ] {
            assert_eq!(Tenant::new(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            ".",
            "..",
            "common",
            "organizations",
            "a..b",
            "a.b/c",
            "a.b?x",
            "-a.b",
            "a-.b",
            "a b.c",
            "bücher.example",
            "{11111111-2222-4333-8444-555555555555}",
            &format!("{}.b", "a".repeat(64)),
        ] {
            assert_eq!(Tenant::new(text), Err(InvalidTenant), "{text}");
        }
    }
}
