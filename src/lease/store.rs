//! Where the Lease is kept.

use std::fmt;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};

const FIELD_MANAGER: &str = "industrydata-operator-lease";

/// A place where one Lease is kept, with compare-and-swap by `metadata.resourceVersion`.
pub trait LeaseStore {
    /// The Lease, unless there is none. It must be as new as the last write that was acknowledged
    /// to anyone.
    ///
    /// # Errors
    ///
    /// Any [`kube::Error`]: nothing is known.
    fn get(&self) -> impl Future<Output = kube::Result<Option<Lease>>> + Send;

    /// Adds the Lease, and returns it as it is kept.
    ///
    /// # Errors
    ///
    /// A 409 if there is one already. After any other error it may have been added, or be added
    /// later.
    fn create(&self, lease: &Lease) -> impl Future<Output = kube::Result<Lease>> + Send;

    /// Replaces the Lease, and returns it as it is kept.
    ///
    /// # Errors
    ///
    /// A 409 if its `resourceVersion` is not that of the Lease that is kept. After any other error
    /// it may have been replaced, or be replaced later.
    fn replace(&self, lease: &Lease) -> impl Future<Output = kube::Result<Lease>> + Send;
}

/// A Lease in the cluster.
#[derive(Clone)]
pub struct KubernetesLeases {
    api: Api<Lease>,
    name: String,
}

impl KubernetesLeases {
    /// The Lease of this name. Needs permission to `get`, `create` and `update` it.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
        }
    }
}

impl fmt::Debug for KubernetesLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesLeases")
            .field("path", &self.api.resource_url())
            .field("name", &self.name)
            .finish()
    }
}

impl LeaseStore for KubernetesLeases {
    async fn get(&self) -> kube::Result<Option<Lease>> {
        self.api.get_opt(&self.name).await
    }

    async fn create(&self, lease: &Lease) -> kube::Result<Lease> {
        let mut lease = lease.clone();
        lease.metadata.name = Some(self.name.clone());
        self.api.create(&parameters(), &lease).await
    }

    async fn replace(&self, lease: &Lease) -> kube::Result<Lease> {
        self.api.replace(&self.name, &parameters(), lease).await
    }
}

fn parameters() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}
