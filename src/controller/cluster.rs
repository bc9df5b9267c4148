//! Writes to the cluster. Each is bounded by the client's time-outs and never repeated by it.

use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{FINALIZER, GROUP, annotation};
use crate::failpoint;
use crate::plan::{Attempt, Planned};

use super::error::Error;
use super::index::namespace;

/// The name under which the cluster records what the operator has written.
pub const FIELD_MANAGER: &str = "industrydata-operator";

/// How often one write is sent while others keep changing the resource in between. Each time somebody else has got on, so
/// this is no hot loop; and the outcome of a reset that could not be written down would be unknown for ever.
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

/// What must still hold for a write to be repeated where the resource has changed since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// It is the same object with the same status, whatever else has changed. Whoever wrote another status knows more.
    SameStatus,
    /// Nothing of the resource that a plan looks at has changed since it was read.
    Unchanged,
}

/// What of a resource is written.
enum Section {
    /// Members of its metadata.
    Metadata(Value),
    /// Its status.
    Status(Value),
}

/// Adds the finalizer, if nothing that matters has changed.
pub async fn add_finalizer<K: Written>(client: &Client, resource: &K) -> Result<K, Error> {
    let metadata = json!({ "finalizers": with_finalizer(resource) });
    patch_metadata(client, resource, metadata, "add the finalizer to").await
}

/// Adds the finalizer and the intent to create, if nothing that matters has changed.
pub async fn write_intent<K: Written>(
    client: &Client,
    resource: &K,
    attempt: &Attempt,
) -> Result<K, Error> {
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

/// Takes the intent to create back, if nothing that matters has changed.
pub async fn clear_intent<K: Written>(client: &Client, resource: &K) -> Result<K, Error> {
    let metadata = json!({ "annotations": { annotation::CREATE_ATTEMPT: null } });
    patch_metadata(
        client,
        resource,
        metadata,
        "take back the intent to create from",
    )
    .await
}

/// Removes the finalizer, if nothing that matters has changed.
pub async fn remove_finalizer<K: Written>(client: &Client, resource: &K) -> Result<K, Error> {
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

/// Writes with the `resourceVersion` of the picture that a plan was made from or, where what matters of it still holds,
/// of the newest: a busy writer of labels must not keep us from our work.
///
/// The `uid` is compared here, as the API server does not compare it where a status is written.
async fn persist<K: Written>(
    client: &Client,
    resource: &K,
    precondition: Precondition,
    section: &Section,
    operation: &'static str,
) -> Result<K, Error> {
    let holds = |newest: &K| match precondition {
        Precondition::SameStatus => {
            newest.uid() == resource.uid() && newest.status() == resource.status()
        }
        Precondition::Unchanged => essence(newest) == essence(resource),
    };
    let mut picture = resource.clone();
    for _ in 0..MAX_CONFLICTS {
        match send(client, &picture, section, operation).await {
            Err(Error::Conflict { .. }) => match read(client, resource).await?.filter(&holds) {
                Some(newest) => picture = newest,
                None => break,
            },
            written => return written,
        }
    }
    let object = called(resource);
    Err(Error::Conflict { object })
}

/// A resource without what no plan looks at.
fn essence<K: Written>(resource: &K) -> K {
    let mut essence = resource.clone();
    let metadata = essence.meta_mut();
    metadata.resource_version = None;
    metadata.managed_fields = None;
    metadata.labels = None;
    let is_read = |name: &String| name.starts_with(GROUP) || name == annotation::FLUX_REQUESTED_AT;
    essence.annotations_mut().retain(|name, _| is_read(name));
    essence
}

/// One write, if `picture` is the newest.
async fn send<K: Written>(
    client: &Client,
    picture: &K,
    section: &Section,
    operation: &'static str,
) -> Result<K, Error> {
    let (api, name) = (api::<K>(client, picture), picture.name_any());
    let mut metadata = match section {
        Section::Metadata(metadata) => metadata.clone(),
        Section::Status(_) => json!({ "name": name }),
    };
    metadata["uid"] = json!(picture.uid());
    metadata["resourceVersion"] = json!(picture.resource_version());
    let written = match section {
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
    };
    written.map_err(|error| failure(operation, picture, error))
}

/// The resource as the cluster holds it now; `None` if it is gone.
pub async fn read<K: Written>(client: &Client, resource: &K) -> Result<Option<K>, Error> {
    let read = api::<K>(client, resource)
        .get_opt(&resource.name_any())
        .await;
    read.map_err(|error| failure("read", resource, error))
}

/// The labels of the resource of this name, or `None` if there is none.
pub async fn labels_of<K: Written>(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, Error> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let found = api.get_metadata_opt(name).await;
    let found = found.map_err(|source| Error::Cluster {
        operation: "read",
        object: format!("{} {namespace}/{name}", K::kind(&())),
        source: Box::new(source),
    })?;
    Ok(found.map(|found| found.labels().clone()))
}

/// `Planned namespace/name`, for messages.
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
    metadata: Value,
    operation: &'static str,
) -> Result<K, Error> {
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

/// A conflict, and an object that is gone, both say that the picture was old.
fn failure<K: Written>(operation: &'static str, resource: &K, error: kube::Error) -> Error {
    let object = called(resource);
    match error {
        kube::Error::Api(status) if [404, 409].contains(&status.code) => Error::Conflict { object },
        error => Error::Cluster {
            operation,
            object,
            source: Box::new(error),
        },
    }
}
