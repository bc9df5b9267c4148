//! How far the operator may go with a remote object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the operator may write to the service on behalf of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// Create, update, reset and delete as declared.
    #[default]
    Manage,
    /// Never write to the service: find the remote object and mirror it.
    Observe,
}

/// What happens to the remote object when its resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Delete the remote object too.
    #[default]
    Delete,
    /// Leave the remote object as it is.
    Retain,
}

/// What happens when the remote object exists already and was not made for this resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// Leave it alone and say so.
    #[default]
    Never,
    /// Take it over and bring it to what is declared.
    IfExists,
}

/// What happens when the remote object differs from what is declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Update the remote object.
    #[default]
    Correct,
    /// List the differences in `status.drift` and change nothing.
    Report,
}
