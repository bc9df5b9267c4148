//! The intent to create, as recorded in the annotation `industrydata.dev/create-attempt`.
//!
//! It is written before the request is sent and survives a lost status, so that ownership of an object that appears
//! later can be proved. It proves nothing for another resource than the one that it was written to: a copy of a manifest
//! has another uid.

use std::fmt;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use uuid::Uuid;

/// Tolerance for timestamps of the service: they have whole seconds, and the clocks of two servers may differ slightly.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// An intent to create.
///
/// The text form is `<time>/<id>/<uid>`, or `<time>/<id>/<uid>/<name>` for an object that is found by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Service time of the list that proved the object absent; for an attempt that follows an unresolved one, that of
    /// the earliest.
    pub time: Timestamp,
    /// Id of the attempt, sent as the `client-request-id` of the request.
    pub id: Uuid,
    /// The `metadata.uid` of the resource that it was written to.
    pub uid: String,
    /// The display name in the request, if the object can only be found by name. The spec may contain another name by
    /// the time the outcome is determined.
    pub name: Option<String>,
}

impl Attempt {
    /// Parses the value of the annotation, or returns `None` if a user made it invalid.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (time, rest) = text.split_once('/')?;
        let (id, rest) = rest.split_once('/')?;
        let (uid, name) = match rest.split_once('/') {
            Some((uid, name)) => (uid, Some(name.to_owned())),
            None => (rest, None),
        };
        Some(Self {
            time: time.parse().ok()?,
            id: id.parse().ok()?,
            uid: uid.to_owned(),
            name,
        })
    }

    /// Returns whether the attempt was written to this resource: a restored resource and a copy of a manifest have the
    /// attempt of another one.
    #[must_use]
    pub fn is_of(&self, resource: &impl ResourceExt) -> bool {
        resource.meta().uid.as_ref() == Some(&self.uid)
    }

    /// Returns whether an object created at `created` can be the outcome of this attempt.
    #[must_use]
    pub fn could_have_made(&self, created: Option<Timestamp>) -> bool {
        created.is_some_and(|created| self.time.duration_since(created) <= CLOCK_TOLERANCE)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.time, self.id, self.uid)?;
        self.name.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{at, attempt};

    #[test]
    fn what_is_written_can_be_read() {
        for seconds in [-3_000_000_000, 0, 7] {
            for name in [None, Some(""), Some("District north"), Some("a/b/")] {
                let name = name.map(str::to_owned);
                let attempt = Attempt {
                    name,
                    ..attempt(seconds)
                };
                assert_eq!(Attempt::parse(&attempt.to_string()), Some(attempt));
            }
        }
        assert_eq!(
            attempt(0).to_string(),
            "2026-11-23T08:00:00Z/00000000-0000-0000-0000-000000000007/users"
        );
    }

    #[test]
    fn only_an_object_of_no_earlier_date_can_be_the_outcome() {
        let attempt = attempt(10);
        let cases = [
            (Some(at(8)), false),
            (Some(at(9)), true),
            (Some(at(10)), true),
            (Some(at(100_000)), true),
            (Some(Timestamp::MAX), true),
            (Some(Timestamp::MIN), false),
            (None, false),
        ];
        for (created, expected) in cases {
            assert_eq!(attempt.could_have_made(created), expected, "{created:?}");
        }
    }
}
