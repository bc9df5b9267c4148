//! Passwords as plans know them: which one it is, never what it is.

use std::collections::BTreeMap;
use std::fmt;

use crate::api::AppliedSecret;

/// A digest of a Secret's value. It never leaves the memory of this process: that of a short password could be guessed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes a digest that was computed elsewhere.
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

/// The password of a role group, as its Secret holds it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// Where it comes from.
    pub source: AppliedSecret,
    /// Which value it is.
    pub digest: Digest,
}

/// The digests of passwords, by role group.
#[must_use]
pub fn digests(passwords: &[Password]) -> BTreeMap<String, Digest> {
    let pair = |password: &Password| (password.source.role_group.clone(), password.digest);
    passwords.iter().map(pair).collect()
}

/// Where passwords come from, as the status keeps it.
#[must_use]
pub fn sources(passwords: &[Password]) -> Vec<AppliedSecret> {
    let source = |password: &Password| password.source.clone();
    passwords.iter().map(source).collect()
}
