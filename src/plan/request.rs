//! Requests for a look at the service: any new value of either annotation, each handled and echoed once.
//!
//! Values are opaque. They are compared for equality only: a time in seconds and a time as a date have no order.

use kube::ResourceExt;

use crate::api::{HandledRequests, annotation};

use super::resource::annotated;

/// A request that was not handled yet, and what the status has to hold once it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `status.lastHandledReconcileAt`: the value of the annotation.
    pub value: String,
    /// `status.lastHandledRequests`: present while both annotations are set.
    pub handled: Option<HandledRequests>,
}

/// The request to handle next, or `None` if all were handled.
///
/// `last` is `status.lastHandledReconcileAt` and `record` is `status.lastHandledRequests`. With two new values the
/// operator's own annotation comes first; the other is pending still once the status holds what [`Request`] says.
#[must_use]
pub fn pending_request(
    resource: &impl ResourceExt,
    last: Option<&str>,
    record: Option<&HandledRequests>,
) -> Option<Request> {
    let own = annotated(resource, annotation::REQUESTED_AT);
    let flux = annotated(resource, annotation::FLUX_REQUESTED_AT);
    // Without a record, the value that was echoed last is all that is known to be handled.
    let echoed = |value: Option<&str>| {
        value
            .filter(|value| Some(*value) == last)
            .map(str::to_owned)
    };
    let before = record.cloned().unwrap_or_else(|| HandledRequests {
        requested_at: echoed(own),
        flux_requested_at: echoed(flux),
    });
    let is_new = |value: &Option<&str>, handled: &Option<String>| *value != handled.as_deref();
    let value = own
        .filter(|own| is_new(&Some(own), &before.requested_at))
        .or(flux.filter(|flux| is_new(&Some(flux), &before.flux_requested_at)))?;
    // One look answers both annotations if they hold the same value.
    let after = |annotation: Option<&str>, handled: Option<String>| {
        annotation
            .filter(|other| *other == value)
            .map(str::to_owned)
            .or(handled)
    };
    let both = own.is_some() && flux.is_some();
    Some(Request {
        value: value.to_owned(),
        handled: both.then(|| HandledRequests {
            requested_at: after(own, before.requested_at),
            flux_requested_at: after(flux, before.flux_requested_at),
        }),
    })
}

#[cfg(test)]
mod tests {
    use kube::api::{ApiResource, DynamicObject};

    use super::*;
    use crate::api::ProvisioningFlow;

    fn resource(own: Option<&str>, flux: Option<&str>) -> DynamicObject {
        let mut resource =
            DynamicObject::new("users", &ApiResource::erase::<ProvisioningFlow>(&()));
        let annotations = [
            (annotation::REQUESTED_AT, own),
            (annotation::FLUX_REQUESTED_AT, flux),
        ];
        let given = annotations
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        resource.annotations_mut().extend(given);
        resource
    }

    fn record(own: Option<&str>, flux: Option<&str>) -> HandledRequests {
        HandledRequests {
            requested_at: own.map(str::to_owned),
            flux_requested_at: flux.map(str::to_owned),
        }
    }

    /// What is echoed, run after run, until nothing is pending.
    fn echoes(
        resource: &DynamicObject,
        last: Option<&str>,
        record: Option<HandledRequests>,
    ) -> Vec<String> {
        let (mut last, mut record) = (last.map(str::to_owned), record);
        let mut echoes = Vec::new();
        while let Some(request) = pending_request(resource, last.as_deref(), record.as_ref()) {
            echoes.push(request.value.clone());
            assert!(echoes.len() < 3, "{resource:?} {echoes:?}");
            (last, record) = (Some(request.value), request.handled);
        }
        echoes
    }

    #[test]
    fn each_new_value_is_echoed_once() {
        type Pair = (Option<&'static str>, Option<&'static str>);
        type Case = (
            Pair,
            Option<&'static str>,
            Option<Pair>,
            &'static [&'static str],
        );
        let cases: &[Case] = &[
            // One annotation.
            ((None, None), None, None, &[]),
            ((None, None), Some("a"), None, &[]),
            ((Some("a"), None), None, None, &["a"]),
            ((Some("a"), None), Some("a"), None, &[]),
            ((Some("b"), None), Some("a"), None, &["b"]),
            ((Some("a"), None), Some("b"), None, &["a"]),
            (
                (None, Some("1764000000")),
                Some("2026-11-26"),
                None,
                &["1764000000"],
            ),
            ((None, Some("1764000000")), Some("1764000000"), None, &[]),
            // Both, without a record: an older value of the one must not hide a newer one of the other.
            (
                (Some("today-1"), Some("1764000000")),
                Some("today-1"),
                None,
                &["1764000000"],
            ),
            ((Some("2026"), Some("17")), Some("17"), None, &["2026"]),
            ((Some("a"), Some("b")), None, None, &["a", "b"]),
            ((Some("b"), Some("a")), Some("c"), None, &["b", "a"]),
            // Both, with a record.
            (
                (Some("a"), Some("b")),
                Some("b"),
                Some((Some("a"), Some("b"))),
                &[],
            ),
            (
                (Some("a"), Some("b")),
                Some("a"),
                Some((Some("a"), Some("b"))),
                &[],
            ),
            (
                (Some("c"), Some("b")),
                Some("b"),
                Some((Some("a"), Some("b"))),
                &["c"],
            ),
            (
                (Some("a"), Some("c")),
                Some("b"),
                Some((Some("a"), Some("b"))),
                &["c"],
            ),
            (
                (Some("c"), Some("d")),
                Some("b"),
                Some((Some("a"), Some("b"))),
                &["c", "d"],
            ),
            (
                (Some("b"), Some("b")),
                Some("b"),
                Some((Some("a"), Some("b"))),
                &["b"],
            ),
            (
                (Some("a"), Some("b")),
                Some("a"),
                Some((Some("a"), None)),
                &["b"],
            ),
            // The same value in both is one request.
            ((Some("a"), Some("a")), None, None, &["a"]),
            ((Some("a"), Some("a")), Some("a"), None, &[]),
            (
                (Some("c"), Some("c")),
                Some("b"),
                Some((Some("a"), Some("b"))),
                &["c"],
            ),
            // One of both is taken away: what is left was handled before.
            (
                (Some("a"), None),
                Some("b"),
                Some((Some("a"), Some("b"))),
                &[],
            ),
            (
                (None, Some("b")),
                Some("a"),
                Some((Some("a"), Some("b"))),
                &[],
            ),
            (
                (Some("c"), None),
                Some("b"),
                Some((Some("a"), Some("b"))),
                &["c"],
            ),
            (
                (None, Some("c")),
                Some("b"),
                Some((Some("a"), Some("b"))),
                &["c"],
            ),
        ];
        for (set, last, handled, expected) in cases {
            let handled = handled.map(|(own, flux)| record(own, flux));
            let echoed = echoes(&resource(set.0, set.1), *last, handled.clone());
            assert_eq!(echoed, *expected, "{set:?} after {last:?} {handled:?}");
        }
    }

    #[test]
    fn the_record_is_kept_only_while_both_are_set() {
        let next = |own, flux, record: Option<&HandledRequests>| {
            pending_request(&resource(own, flux), None, record)
                .unwrap()
                .handled
        };
        assert_eq!(next(Some("a"), None, None), None);
        assert_eq!(next(None, Some("a"), None), None);
        let first = next(Some("a"), Some("b"), None);
        assert_eq!(first, Some(record(Some("a"), None)));
        let second = next(Some("a"), Some("b"), first.as_ref());
        assert_eq!(second, Some(record(Some("a"), Some("b"))));
        assert_eq!(next(Some("c"), None, second.as_ref()), None);
    }
}
