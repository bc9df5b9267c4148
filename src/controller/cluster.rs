//! Writes to the cluster. Each is bounded by the client's time-outs and never retried by the client.
//!
//! The resources here lack the metadata that the operator does not use (`clients/answer_filter.rs`), so a write names
//! what it changes and never replaces an object.

use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::{Instrument, trace_span};

use crate::api::{FINALIZER, annotation};
use crate::failpoint;
use crate::plan::{Attempt, Planned};
use crate::traces::mark_failed;

use super::error::ReconcileError;
use super::index::namespace;
use super::object_name::ObjectName;

/// The field manager: the name under which the cluster records the operator's writes.
pub const FIELD_MANAGER: &str = "industrydata-operator";

/// Maximum number of attempts for one write if other clients keep changing the resource. Every conflict means that
/// another writer succeeded, so the loop makes progress; at about 10 ms per attempt, 50 take half a second. The limit
/// is generous because an outcome of a reset that cannot be recorded remains unknown indefinitely.
const MAX_CONFLICTS: u32 = 50;

/// A resource that the operator writes to.
pub trait Written:
    Planned
    + Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Written for K where
    K: Planned
        + Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// What must still hold to retry a write after the resource has changed since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// It is the same object with the same status, whatever else has changed. A different status was written by a newer
    /// decision, so it must not be overwritten.
    SameStatus,
    /// No part of the resource that a plan uses has changed since it was read.
    Unchanged,
}

/// The part of a resource to write.
enum Section {
    /// Members of the metadata.
    Metadata(Value),
    /// The status.
    Status(Value),
}

/// Adds the finalizer, unless the resource has changed in a way that affects plans.
pub async fn add_finalizer<K: Written>(client: &Client, resource: &K) -> Result<K, ReconcileError> {
    let metadata = json!({ "finalizers": with_finalizer(resource) });
    patch_metadata(client, resource, metadata, "add the finalizer to").await
}

/// Adds the finalizer and the intent to create, unless the resource has changed in a way that affects plans.
pub async fn write_intent<K: Written>(
    client: &Client,
    resource: &K,
    attempt: &Attempt,
) -> Result<K, ReconcileError> {
    if failpoint::skips_intents() {
        let mut pretended = resource.clone();
        pretended.meta_mut().finalizers = Some(with_finalizer(resource));
        let annotations = pretended.annotations_mut();
        annotations.insert(annotation::CREATE_ATTEMPT.to_owned(), attempt.to_string());
        return Ok(pretended);
    }
    let metadata = json!({
        "finalizers": with_finalizer(resource),
        "annotations": { annotation::CREATE_ATTEMPT: attempt.to_string() },
    });
    patch_metadata(client, resource, metadata, "write the intent to create to").await
}

/// Removes the intent to create, unless the resource has changed in a way that affects plans.
pub async fn clear_intent<K: Written>(client: &Client, resource: &K) -> Result<K, ReconcileError> {
    let metadata = json!({ "annotations": { annotation::CREATE_ATTEMPT: null } });
    patch_metadata(
        client,
        resource,
        metadata,
        "remove the intent to create from",
    )
    .await
}

/// Removes the finalizer, unless the resource has changed in a way that affects plans.
pub async fn remove_finalizer<K: Written>(
    client: &Client,
    resource: &K,
) -> Result<K, ReconcileError> {
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
) -> Result<K, ReconcileError> {
    let status = Section::Status(json!(status));
    persist(
        client,
        resource,
        precondition,
        &status,
        "write the status of",
    )
    .await
}

/// Writes with the `resourceVersion` on which the plan is based or, if the precondition still holds, with the newest
/// one: frequent changes by other clients, for instance of labels, must not block the operator.
///
/// The `uid` is compared here, because the API server does not compare it when a status is written.
async fn persist<K: Written>(
    client: &Client,
    resource: &K,
    precondition: Precondition,
    section: &Section,
    operation: &'static str,
) -> Result<K, ReconcileError> {
    let holds = |newest: &K| match precondition {
        Precondition::SameStatus => {
            newest.uid() == resource.uid() && newest.status() == resource.status()
        }
        Precondition::Unchanged => essence(newest) == essence(resource),
    };
    let mut base = resource.clone();
    for _ in 0..MAX_CONFLICTS {
        match send(client, &base, section, operation).await {
            Err(ReconcileError::Conflict { .. }) => {
                match read(client, resource).await?.filter(&holds) {
                    Some(newest) => base = newest,
                    None => break,
                }
            }
            written => return written,
        }
    }
    let object = display_name(resource);
    Err(ReconcileError::Conflict { object })
}

/// Returns the resource without the parts that no plan uses. Most of them the clients have removed already.
fn essence<K: Written>(resource: &K) -> K {
    let mut essence = resource.clone();
    let metadata = essence.meta_mut();
    metadata.resource_version = None;
    metadata.labels = None;
    essence
}

/// Sends one write, which succeeds only if `base` is the newest version.
async fn send<K: Written>(
    client: &Client,
    base: &K,
    section: &Section,
    operation: &'static str,
) -> Result<K, ReconcileError> {
    let span = trace_span!("patch", otel.kind = "client", operation);
    let sent = async {
        let written = patch(client, base, section).await;
        written.map_err(|error| {
            let error = failure(operation, base, error);
            mark_failed(error.class());
            error
        })
    };
    sent.instrument(span).await
}

async fn patch<K: Written>(client: &Client, base: &K, section: &Section) -> kube::Result<K> {
    let (api, name) = (api::<K>(client, base), base.name_any());
    let mut metadata = match section {
        Section::Metadata(metadata) => metadata.clone(),
        Section::Status(_) => json!({ "name": name }),
    };
    metadata["uid"] = json!(base.uid());
    metadata["resourceVersion"] = json!(base.resource_version());
    match section {
        Section::Metadata(_) => {
            let patch = Patch::Merge(json!({ "metadata": metadata }));
            let params = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            failpoint::around(api.patch(&name, &params, &patch)).await
        }
        Section::Status(status) => {
            let patch = Patch::Apply(json!({
                "apiVersion": K::api_version(&()),
                "kind": K::kind(&()),
                "metadata": metadata,
                "status": status,
            }));
            let params = PatchParams::apply(FIELD_MANAGER).force();
            failpoint::around(api.patch_status(&name, &params, &patch)).await
        }
    }
}

/// Reads the current resource from the cluster, or returns `None` if it no longer exists.
pub async fn read<K: Written>(client: &Client, resource: &K) -> Result<Option<K>, ReconcileError> {
    let read = api::<K>(client, resource)
        .get_opt(&resource.name_any())
        .await;
    read.map_err(|error| failure("read", resource, error))
}

/// Reads the labels of the resource with this name, or returns `None` if it does not exist.
pub async fn labels_of<K: Written>(
    client: &Client,
    namespace: &str,
    name: &ObjectName,
) -> Result<Option<BTreeMap<String, String>>, ReconcileError> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let found = api.get_metadata_opt(name.as_str()).await;
    let found = found.map_err(|source| ReconcileError::Cluster {
        operation: "read",
        object: format!("{} {namespace}/{name}", K::kind(&())),
        source: Box::new(source),
    })?;
    Ok(found.map(|found| found.labels().clone()))
}

/// Returns `Kind namespace/name`, for messages.
pub fn display_name<K: Written>(resource: &K) -> String {
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
    metadata: Value,
    operation: &'static str,
) -> Result<K, ReconcileError> {
    let section = Section::Metadata(metadata);
    persist(
        client,
        resource,
        Precondition::Unchanged,
        &section,
        operation,
    )
    .await
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

/// Converts an error. A conflict and a missing object both mean that the base version was stale.
fn failure<K: Written>(
    operation: &'static str,
    resource: &K,
    error: kube::Error,
) -> ReconcileError {
    let object = display_name(resource);
    match error {
        kube::Error::Api(status) if [404, 409].contains(&status.code) => {
            ReconcileError::Conflict { object }
        }
        error => ReconcileError::Cluster {
            operation,
            object,
            source: Box::new(error),
        },
    }
}
