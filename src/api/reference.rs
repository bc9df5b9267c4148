//! References between resources. None has a namespace: a reference never leaves the namespace it is written in.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// Names another resource of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct LocalReference {
    /// Name of the resource, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}

/// Names one key of a Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct SecretKeyReference {
    /// Name of the Secret, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Key in the Secret's `data`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_key())]
    pub key: String,
}
