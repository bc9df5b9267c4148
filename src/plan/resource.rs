//! Accessors for the metadata that plans use.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use uuid::Uuid;

use crate::api::{FINALIZER, annotation};

use super::{Attempt, Permit};

/// Returns whether the resource is being deleted.
pub fn is_deleting(resource: &impl ResourceExt) -> bool {
    resource.meta().deletion_timestamp.is_some()
}

/// Returns whether the resource has the operator's finalizer.
pub fn is_held(resource: &impl ResourceExt) -> bool {
    resource.finalizers().iter().any(|name| name == FINALIZER)
}

/// Returns whether a user requested to release the resource without a request to the service.
pub fn is_abandoned(resource: &impl ResourceExt) -> bool {
    annotated(resource, annotation::ABANDON) == Some("true")
}

/// Returns the generation of the spec.
pub fn generation(resource: &impl ResourceExt) -> i64 {
    resource.meta().generation.unwrap_or_default()
}

/// Returns when the resource was created.
pub fn created(resource: &impl ResourceExt) -> Option<Timestamp> {
    let created: &ObjectMeta = resource.meta();
    created.creation_timestamp.as_ref().map(|time| time.0)
}

/// Returns the value of an annotation, or `None` if it is absent.
pub fn annotated<'a>(resource: &'a impl ResourceExt, name: &str) -> Option<&'a str> {
    resource.annotations().get(name).map(String::as_str)
}

/// Returns the id of the remote object that the user wants to adopt, or `None` if the annotation is absent.
pub fn adopted_id(resource: &impl ResourceExt) -> Option<&str> {
    annotated(resource, annotation::REMOTE_ID)
}

/// Returns the last intent to create, whatever its outcome.
pub fn attempt(resource: &impl ResourceExt) -> Option<Attempt> {
    Attempt::parse(annotated(resource, annotation::CREATE_ATTEMPT)?)
}

/// Returns whether the resource has an intent to create of its own whose outcome is unknown.
pub fn is_creating(resource: &impl ResourceExt, resolved: Option<Uuid>) -> bool {
    unresolved_attempt(resource, resolved, None).is_some_and(|attempt| attempt.is_of(resource))
}

/// Returns whether the owner of a set allows flows of another namespace in it.
pub fn allows_namespace(set: &impl ResourceExt, namespace: &str) -> bool {
    let allowed = annotated(set, annotation::ALLOWED_NAMESPACES).unwrap_or_default();
    allowed
        .split(',')
        .any(|allowed| allowed.trim() == namespace)
}

/// Returns the intent to create in the resource if its outcome is unknown, also that of a resource that was backed up.
///
/// An attempt is resolved if the status records it as such, or if this process still has the permit, because then no
/// request was sent.
pub fn unresolved_attempt(
    resource: &impl ResourceExt,
    resolved: Option<Uuid>,
    permit: Option<&Permit>,
) -> Option<Attempt> {
    let attempt = attempt(resource)?;
    let unsent = matches!(
        permit,
        Some(Permit::Create { attempt: unsent, repeated: false }) if *unsent == attempt.id
    );
    (resolved != Some(attempt.id) && !unsent).then_some(attempt)
}
