//! Ids, validated before they become part of a URL.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use thiserror::Error;

use super::words::is_unprintable;

const MAX_ID_LEN: usize = 256;

/// Id that the service gave a flow, unique within its set.
///
/// It is kept and displayed exactly as the service (or a user) wrote it, but compared without regard to
/// ASCII case, because the service does not guarantee to return a GUID in the same case.
#[derive(Clone, Debug)]
pub struct FlowId(String);

/// Id that the service gave a flow set, compared like a [`FlowId`].
#[derive(Clone, Debug)]
pub struct FlowSetId(String);

/// Error for a text that cannot be an id.
///
/// An id becomes one segment of the path of a request. With an empty text or dots the path would denote
/// the whole collection instead of one member, so these are rejected before a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an id is 1 to {MAX_ID_LEN} printable characters without spaces and not just dots")]
pub struct InvalidId;

macro_rules! id {
    ($name:ident) => {
        impl $name {
            /// Returns the id as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// # Errors
            ///
            /// [`InvalidId`] if the text is empty, longer than 256 bytes, made of dots only, or
            /// contains a space, control or format character.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check_id(text).map(|()| Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.eq_ignore_ascii_case(&other.0)
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                folded(&self.0).cmp(folded(&other.0))
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                folded(&self.0).for_each(|byte| byte.hash(state));
            }
        }
    };
}

id!(FlowId);
id!(FlowSetId);

fn folded(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| byte.to_ascii_lowercase())
}

fn check_id(text: &str) -> Result<(), InvalidId> {
    let odd = |c: char| is_unprintable(c) || c.is_whitespace();
    let usable =
        text.len() <= MAX_ID_LEN && !text.contains(odd) && !text.bytes().all(|byte| byte == b'.');
    usable.then_some(()).ok_or(InvalidId)
}
