//! Writes to the cluster. Each is bounded by the client's time-outs and never repeated by it.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::{FINALIZER, annotation};
use crate::plan::Attempt;

use super::error::Error;
use super::world::namespace;

/// The name under which the cluster records what the operator has written.
pub const FIELD_MANAGER: &str = "industrydata-operator";

/// A resource that the operator writes to.
pub trait Written:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Written for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// Whether a status may be written over whatever the cluster holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The resource is the same object (its uid).
    SameObject,
    /// The resource has not changed since it was read.
    Unchanged,
}

/// Adds the finalizer, if the resource has not changed.
pub async fn hold<K: Written>(client: &Client, resource: &K) -> Result<K, Error> {
    let metadata = json!({ "finalizers": with_finalizer(resource) });
    patch_metadata(client, resource, metadata, "add the finalizer to").await
}

/// Adds the finalizer and the intent to create, if the resource has not changed.
pub async fn claim<K: Written>(
    client: &Client,
    resource: &K,
    attempt: Attempt,
) -> Result<K, Error> {
    let metadata = json!({
        "finalizers": with_finalizer(resource),
        "annotations": { annotation::CREATE_ATTEMPT: attempt.to_string() },
    });
    patch_metadata(client, resource, metadata, "write the intent to create to").await
}

/// Takes the intent to create back, if the resource has not changed.
pub async fn unclaim<K: Written>(client: &Client, resource: &K) -> Result<K, Error> {
    let metadata = json!({ "annotations": { annotation::CREATE_ATTEMPT: null } });
    patch_metadata(
        client,
        resource,
        metadata,
        "take back the intent to create from",
    )
    .await
}

/// Removes the finalizer, if the resource has not changed.
pub async fn release<K: Written>(client: &Client, resource: &K) -> Result<K, Error> {
    let mut finalizers = resource.finalizers().to_vec();
    finalizers.retain(|name| name != FINALIZER);
    let metadata = json!({ "finalizers": finalizers });
    patch_metadata(client, resource, metadata, "remove the finalizer from").await
}

/// Writes the whole status.
pub async fn write_status<K: Written, S: Serialize>(
    client: &Client,
    resource: &K,
    status: &S,
    precondition: Precondition,
) -> Result<K, Error> {
    let mut metadata = json!({ "name": resource.name_any(), "uid": resource.uid() });
    if precondition == Precondition::Unchanged {
        metadata["resourceVersion"] = json!(resource.resource_version());
    }
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": metadata,
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let api = api::<K>(client, resource);
    let written = api
        .patch_status(&resource.name_any(), &params, &Patch::Apply(patch))
        .await;
    written.map_err(|error| failure("write the status of", resource, error))
}

/// The resource as the cluster holds it now; `None` if it is gone.
pub async fn read<K: Written>(client: &Client, resource: &K) -> Result<Option<K>, Error> {
    let read = api::<K>(client, resource)
        .get_opt(&resource.name_any())
        .await;
    read.map_err(|error| failure("read", resource, error))
}

/// `Kind namespace/name`, for messages.
pub fn called<K: Written>(resource: &K) -> String {
    format!(
        "{} {}/{}",
        K::kind(&()),
        namespace(resource),
        resource.name_any()
    )
}

async fn patch_metadata<K: Written>(
    client: &Client,
    resource: &K,
    mut metadata: serde_json::Value,
    operation: &'static str,
) -> Result<K, Error> {
    metadata["resourceVersion"] = json!(resource.resource_version());
    metadata["uid"] = json!(resource.uid());
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patched = api::<K>(client, resource)
        .patch(&resource.name_any(), &params, &patch)
        .await;
    patched.map_err(|error| failure(operation, resource, error))
}

fn with_finalizer(resource: &impl ResourceExt) -> Vec<String> {
    let mut finalizers = resource.finalizers().to_vec();
    if !finalizers.iter().any(|name| name == FINALIZER) {
        finalizers.push(FINALIZER.to_owned());
    }
    finalizers
}

fn api<K: Written>(client: &Client, resource: &K) -> Api<K> {
    Api::namespaced(client.clone(), &namespace(resource))
}

/// A conflict, and an object that is gone, both say that the picture was old.
fn failure<K: Written>(operation: &'static str, resource: &K, error: kube::Error) -> Error {
    let object = called(resource);
    match error {
        kube::Error::Api(status) if [404, 409].contains(&status.code) => Error::Outdated { object },
        error => Error::Cluster {
            operation,
            object,
            source: Box::new(error),
        },
    }
}
