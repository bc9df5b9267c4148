//! Condition reasons: why a condition is as it is. A failure of the service adds those of its verdict.

/// The remote object is as declared.
pub const SYNCED: &str = "Synced";
/// The remote object is as declared and ready.
pub const READY: &str = "Ready";
/// The service still prepares the flow.
pub const NOT_READY: &str = "NotReady";
/// The service says that the flow failed.
pub const FAILED: &str = "Failed";
/// The service says that the flow is switched off.
pub const DISABLED: &str = "Disabled";
/// The service says that the flow's time is over.
pub const EXPIRED: &str = "Expired";
/// The service used a word for readiness that this version does not know.
pub const READINESS_UNKNOWN: &str = "ReadinessUnknown";
/// The flow was not ready for longer than `spec.progressDeadline`.
pub const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
/// The remote object does not exist yet.
pub const CREATING: &str = "Creating";
/// A create was sent and nobody knows yet whether it took effect.
pub const CREATE_UNRESOLVED: &str = "CreateUnresolved";
/// Several remote objects could be the outcome of one create.
pub const AMBIGUOUS_CREATE: &str = "AmbiguousCreate";
/// A remote object exists that was not made for this resource.
pub const ALREADY_EXISTS: &str = "AlreadyExists";
/// The set shows two flows of one type.
pub const DUPLICATE_REMOTE: &str = "DuplicateRemote";
/// The object that the `remote-id` annotation names does not exist.
pub const REMOTE_ID_NOT_FOUND: &str = "RemoteIdNotFound";
/// Nothing to observe: the remote object does not exist.
pub const NOT_FOUND: &str = "NotFound";
/// An older resource declares the same remote object.
pub const CONFLICT: &str = "Conflict";
/// The remote object differs from what is declared.
pub const DRIFTED: &str = "Drifted";
/// A reset was accepted and the service has not been looked at since.
pub const RESETTING: &str = "Resetting";
/// A reset was sent and nobody knows whether it took effect.
pub const RESET_UNKNOWN: &str = "ResetUnknown";
/// `spec.suspend` of the resource or of what it refers to.
pub const SUSPENDED: &str = "Suspended";
/// The flow set that is referred to does not exist.
pub const FLOW_SET_NOT_FOUND: &str = "FlowSetNotFound";
/// The flow set that is referred to has no remote set yet.
pub const FLOW_SET_NOT_READY: &str = "FlowSetNotReady";
/// The connection that is referred to does not exist.
pub const CONNECTION_NOT_FOUND: &str = "ConnectionNotFound";
/// `spec.tenantId` is neither a GUID nor a domain name.
pub const INVALID_TENANT: &str = "InvalidTenant";
/// The Secret, or the key in it, does not exist.
pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
/// The remote object is being deleted.
pub const DELETING: &str = "Deleting";
/// Deletion waits for resources that still use this one.
pub const IN_USE: &str = "InUse";
/// The remote object cannot be deleted without a person's help.
pub const DELETION_BLOCKED: &str = "DeletionBlocked";
