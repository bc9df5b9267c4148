//! What plans read from a resource's metadata.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use uuid::Uuid;

use crate::api::{FINALIZER, annotation};

use super::{Attempt, Permit};

/// Whether a user asked for the resource's deletion.
pub fn is_deleting(resource: &impl ResourceExt) -> bool {
    resource.meta().deletion_timestamp.is_some()
}

/// Whether the operator holds the resource.
pub fn is_held(resource: &impl ResourceExt) -> bool {
    resource.finalizers().iter().any(|name| name == FINALIZER)
}

/// Whether a user said to let go without touching the service.
pub fn is_abandoned(resource: &impl ResourceExt) -> bool {
    annotated(resource, annotation::ABANDON) == Some("true")
}

/// The generation of the spec.
pub fn generation(resource: &impl ResourceExt) -> i64 {
    resource.meta().generation.unwrap_or_default()
}

/// When the resource was created.
pub fn created(resource: &impl ResourceExt) -> Option<Timestamp> {
    let created: &ObjectMeta = resource.meta();
    created.creation_timestamp.as_ref().map(|time| time.0)
}

/// The value of an annotation.
pub fn annotated<'a>(resource: &'a impl ResourceExt, name: &str) -> Option<&'a str> {
    resource.annotations().get(name).map(String::as_str)
}

/// The id of the remote object that the user told the operator to adopt.
pub fn adopted_id(resource: &impl ResourceExt) -> Option<&str> {
    annotated(resource, annotation::REMOTE_ID)
}

/// The last intent to create, whatever became of it.
pub fn attempt(resource: &impl ResourceExt) -> Option<Attempt> {
    Attempt::parse(annotated(resource, annotation::CREATE_ATTEMPT)?)
}

/// The intent to create that the resource carries and whose outcome is not known.
///
/// A status that names the attempt as resolved settles it, and so does the permit of a request that never left.
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
