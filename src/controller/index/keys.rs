//! The keys by which resources are found.

use crate::api::GraphConnection;
use crate::graph::model::{FlowSetId, FlowType};

use super::indexer::Name;

/// A tenant as connections give it, in lower case. Two tenants never share an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantKey(String);

impl TenantKey {
    /// The tenant of a connection.
    pub fn of(connection: &GraphConnection) -> Self {
        Self(connection.spec.tenant_id.to_ascii_lowercase())
    }

    /// The tenant, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What connections are found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionKey {
    /// The Secret that holds the credential.
    Secret(Name),
}

/// What sets are found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetKey {
    /// The connection.
    Connection(Name),
    /// The connection and the display name.
    DisplayName(Name, String),
    /// The same, where the operator may write to the service for the resource.
    Declares(Name, String),
    /// The same, where the resource has a set or may be creating one.
    Holds(Name, String),
    /// The connection and the remote set.
    Remote(Name, FlowSetId),
    /// The remote set that the resource records, in whatever tenant.
    Records(FlowSetId),
    /// The remote set that the resource owns.
    Owns(TenantKey, FlowSetId),
    /// The display name of the set that the resource may be creating.
    Creates(TenantKey, String),
}

/// What flows are found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FlowKey {
    /// The set resource that the flow refers to.
    Set(Name),
    /// The same, where the flow is ready.
    Ready(Name),
    /// The connection, be it the flow's own or that of its set.
    Connection(Name),
    /// The connection and the remote set.
    Remote(Name, FlowSetId),
    /// The remote set, in whatever tenant.
    Within(FlowSetId),
    /// The remote flow that the resource owns; without a tenant, in whatever tenant.
    Owns(Option<TenantKey>, FlowSetId, FlowType),
    /// The remote flow that the resource may be creating; without a tenant, in whatever tenant.
    Creates(Option<TenantKey>, FlowSetId, FlowType),
    /// A Secret that holds a password.
    Secret(Name),
}

impl SetKey {
    /// Whether the resource with this key owns a remote set.
    pub fn is_ownership(&self) -> bool {
        matches!(self, Self::Owns(..))
    }
}
