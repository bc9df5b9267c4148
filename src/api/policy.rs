//! Policies: what the operator may do with a remote object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the operator may write to the service on behalf of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// Create, update, reset and delete the remote object as declared.
    #[default]
    Manage,
    /// Never write to the service: find the remote object and mirror it in the status.
    Observe,
}

/// What happens to the remote object when its resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Delete the remote object too.
    #[default]
    Delete,
    /// Leave the remote object unchanged.
    Retain,
}

/// What happens when the remote object already exists and was not created for this resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// Leave the remote object unchanged and report the conflict.
    #[default]
    Never,
    /// Adopt the remote object and update it to match the spec.
    IfExists,
}

/// What happens when the remote object differs from the spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Update the remote object.
    #[default]
    Correct,
    /// List the differences in `status.drift` and leave the remote object unchanged.
    Report,
}
