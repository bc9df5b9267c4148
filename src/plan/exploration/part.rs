//! A part of a state that is compared far more often than it changes.

use std::fmt::{self, Debug, Write as _};
use std::hash::{DefaultHasher, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A value with a digest of it.
#[derive(Debug)]
pub(super) struct Part<T> {
    value: Arc<T>,
    pub(super) digest: u64,
}

impl<T: Debug> Part<T> {
    pub(super) fn new(value: T) -> Self {
        let digest = digest(&value);
        let value = Arc::new(value);
        Self { value, digest }
    }
}

impl<T: Debug + Clone> Part<T> {
    pub(super) fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let value = Arc::make_mut(&mut self.value);
        let result = change(value);
        self.digest = digest(value);
        result
    }

    pub(super) fn into_inner(self) -> T {
        Arc::unwrap_or_clone(self.value)
    }
}

impl<T> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            digest: self.digest,
        }
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Two values have the same digest if they are written alike.
pub(super) fn digest(value: &impl Debug) -> u64 {
    let mut digest = Digest(DefaultHasher::new());
    // A hasher takes everything.
    let _ = write!(digest, "{value:?}");
    digest.0.finish()
}

struct Digest(DefaultHasher);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
