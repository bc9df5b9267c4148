//! Requests for a reconciliation: each new value of either annotation is handled and echoed once.
//!
//! Values are opaque and only compared for equality: they do not have an order, as one may be a number of seconds and
//! another a date.

use kube::ResourceExt;

use crate::api::{HandledRequests, annotation};

use super::resource::annotated;

/// A request that has not been handled yet, and what the status must record once it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The value of the annotation, for `status.lastHandledReconcileAt`.
    pub value: String,
    /// The value for `status.lastHandledRequests`, or `None` unless both annotations are set.
    pub handled: Option<HandledRequests>,
}

/// Returns the request to handle next, or `None` if all were handled.
///
/// `last` is `status.lastHandledReconcileAt` and `record` is `status.lastHandledRequests`. With two new values, the
/// operator's own annotation comes first; the other one is still pending after the status records the [`Request`].
#[must_use]
pub fn pending_request(
    resource: &impl ResourceExt,
    last: Option<&str>,
    record: Option<&HandledRequests>,
) -> Option<Request> {
    let own = annotated(resource, annotation::REQUESTED_AT);
    let flux = annotated(resource, annotation::FLUX_REQUESTED_AT);
    // Without a record, only the value that was echoed last is known to be handled.
    let echoed = |value: Option<&str>| {
        value
            .filter(|value| Some(*value) == last)
            .map(str::to_owned)
    };
    let before = record.cloned().unwrap_or_else(|| HandledRequests {
        requested_at: echoed(own),
        flux_requested_at: echoed(flux),
    });
    let is_new = |value: &str, handled: &Option<String>| handled.as_deref() != Some(value);
    let value = own
        .filter(|own| is_new(own, &before.requested_at))
        .or(flux.filter(|flux| is_new(flux, &before.flux_requested_at)))?;
    // One reconciliation handles both annotations if they have the same value.
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

    /// Returns the values echoed by successive reconciles until nothing is pending.
    fn echoes(
        resource: &DynamicObject,
        last: Option<&str>,
        record: Option<HandledRequests>,
    ) -> String {
        let (mut last, mut record) = (last.map(str::to_owned), record);
        let mut echoes = Vec::new();
        while let Some(request) = pending_request(resource, last.as_deref(), record.as_ref()) {
            echoes.push(request.value.clone());
            assert!(echoes.len() < 3, "{resource:?} {echoes:?}");
            (last, record) = (Some(request.value), request.handled);
        }
        echoes.join(" ")
    }

    /// Parses a value; `-` stands for an absent one.
    fn value(text: &str) -> Option<&str> {
        (text != "-").then_some(text)
    }

    /// Parses the values of the operator's own annotation and of Flux's.
    fn pair(text: &str) -> (Option<&str>, Option<&str>) {
        let (own, flux) = text.split_once(' ').unwrap();
        (value(own), value(flux))
    }

    #[test]
    fn each_new_value_is_echoed_once() {
        // Columns: the annotations, the last echoed value, the record, and the values that are echoed next.
        let cases = [
            // A single annotation.
            ("- -", "-", "", ""),
            ("- -", "a", "", ""),
            ("a -", "-", "", "a"),
            ("a -", "a", "", ""),
            ("b -", "a", "", "b"),
            ("a -", "b", "", "a"),
            ("- 1764000000", "2026-11-26", "", "1764000000"),
            ("- 1764000000", "1764000000", "", ""),
            // Both annotations, without a record: an older value of one must not hide a newer value of the other.
            ("today-1 1764000000", "today-1", "", "1764000000"),
            ("2026 17", "17", "", "2026"),
            ("a b", "-", "", "a b"),
            ("b a", "c", "", "b a"),
            // Both annotations, with a record.
            ("a b", "b", "a b", ""),
            ("a b", "a", "a b", ""),
            ("c b", "b", "a b", "c"),
            ("a c", "b", "a b", "c"),
            ("c d", "b", "a b", "c d"),
            ("b b", "b", "a b", "b"),
            ("a b", "a", "a -", "b"),
            // The same value in both is one request.
            ("a a", "-", "", "a"),
            ("a a", "a", "", ""),
            ("c c", "b", "a b", "c"),
            // One of the two is removed: the other one was handled before.
            ("a -", "b", "a b", ""),
            ("- b", "a", "a b", ""),
            ("c -", "b", "a b", "c"),
            ("- c", "b", "a b", "c"),
        ];
        for (set, last, handled, expected) in cases {
            let (own, flux) = pair(set);
            let known = (!handled.is_empty()).then(|| pair(handled));
            let known = known.map(|(own, flux)| record(own, flux));
            let echoed = echoes(&resource(own, flux), value(last), known);
            assert_eq!(echoed, expected, "{set:?} after {last:?} and {handled:?}");
        }
    }

    #[test]
    fn the_record_is_kept_only_while_both_are_set() {
        let next = |set, record: Option<&HandledRequests>| {
            let (own, flux) = pair(set);
            pending_request(&resource(own, flux), None, record)
                .unwrap()
                .handled
        };
        assert_eq!(next("a -", None), None);
        assert_eq!(next("- a", None), None);
        let first = next("a b", None);
        assert_eq!(first, Some(record(Some("a"), None)));
        let second = next("a b", first.as_ref());
        assert_eq!(second, Some(record(Some("a"), Some("b"))));
        assert_eq!(next("c -", second.as_ref()), None);
    }
}
