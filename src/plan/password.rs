//! Passwords in plans: their sources and digests, never their values.

use std::collections::BTreeMap;
use std::fmt;

use crate::api::AppliedSecret;

/// A digest of a Secret's value. It never leaves the memory of this process, because a short password could be guessed
/// from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Creates a digest from its bytes.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// The current password of a role group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// Source of the password.
    pub source: AppliedSecret,
    /// Digest of the value.
    pub digest: Digest,
}

/// Returns the digests of passwords, by role group.
#[must_use]
pub fn digests(passwords: &[Password]) -> BTreeMap<String, Digest> {
    let pair = |password: &Password| (password.source.role_group.clone(), password.digest);
    passwords.iter().map(pair).collect()
}

/// Returns the sources of passwords, as recorded in the status.
#[must_use]
pub fn sources(passwords: &[Password]) -> Vec<AppliedSecret> {
    let source = |password: &Password| password.source.clone();
    passwords.iter().map(source).collect()
}
