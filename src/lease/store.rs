//! The store of the Lease: the cluster, or a fake in tests.

use std::fmt;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};

const FIELD_MANAGER: &str = "industrydata-operator-lease";

/// Store of one Lease, with compare-and-swap on `metadata.resourceVersion`.
pub trait LeaseStore {
    /// Returns the Lease, or `None` if it does not exist. The read must be linearizable: at least as
    /// new as the last write that was acknowledged to any client.
    ///
    /// # Errors
    ///
    /// Any [`kube::Error`]. Then the state of the Lease is unknown.
    fn get(&self) -> impl Future<Output = kube::Result<Option<Lease>>> + Send;

    /// Creates the Lease and returns it as stored.
    ///
    /// # Errors
    ///
    /// A 409 if it exists already. After any other error it may have been created, or may still be
    /// created later.
    fn create(&self, lease: &Lease) -> impl Future<Output = kube::Result<Lease>> + Send;

    /// Replaces the Lease and returns it as stored.
    ///
    /// # Errors
    ///
    /// A 409 if its `resourceVersion` differs from that of the stored Lease. After any other error it
    /// may have been replaced, or may still be replaced later.
    fn replace(&self, lease: &Lease) -> impl Future<Output = kube::Result<Lease>> + Send;
}

/// A Lease in the cluster.
#[derive(Clone)]
pub struct KubernetesLeases {
    api: Api<Lease>,
    name: String,
}

impl KubernetesLeases {
    /// Returns the store of the Lease of this name. It needs permission to `get`, `create` and `update`
    /// the Lease.
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
