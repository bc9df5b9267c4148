//! A part of a state that is compared far more often than it changes.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use ring::digest::SHA256;

/// A shared value with its digest, which is computed when it is first asked for.
#[derive(Clone, Debug)]
pub(super) struct Part<T>(Arc<Inner<T>>);

#[derive(Clone, Debug)]
struct Inner<T> {
    value: T,
    digest: OnceLock<u64>,
}

impl<T> Part<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(Inner {
            value,
            digest: OnceLock::new(),
        }))
    }
}

impl<T: Debug> Part<T> {
    pub(super) fn digest(&self) -> u64 {
        *self.0.digest.get_or_init(|| digest(&self.0.value))
    }
}

impl<T: Clone> Part<T> {
    pub(super) fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let inner = Arc::make_mut(&mut self.0);
        inner.digest.take();
        change(&mut inner.value)
    }

    pub(super) fn into_inner(self) -> T {
        Arc::unwrap_or_clone(self.0).value
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

/// Two values have the same digest if they have the same debug representation.
pub(super) fn digest(value: &impl Debug) -> u64 {
    thread_local! {
        static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
    }
    TEXT.with_borrow_mut(|text| {
        text.clear();
        // A string takes everything.
        let _ = write!(text, "{value:?}");
        // Its machine code is the same in a debug build, in which a hasher of the standard library is ten times slower.
        let digest = ring::digest::digest(&SHA256, text.as_bytes());
        let (first, _) = digest
            .as_ref()
            .split_first_chunk()
            .unwrap_or((&[0; 8], &[]));
        u64::from_ne_bytes(*first)
    })
}
