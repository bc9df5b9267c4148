//! Condition reasons: why a condition is as it is. A failure of the service adds those of its verdict.

words! {
    /// The remote object is as declared.
    SYNCED = "Synced";
    /// The remote object is as declared and ready.
    READY = "Ready";
    /// The service still prepares the flow.
    NOT_READY = "NotReady";
    /// The service says that the flow failed.
    FAILED = "Failed";
    /// The service says that the flow is switched off.
    DISABLED = "Disabled";
    /// The service says that the flow's time is over.
    EXPIRED = "Expired";
    /// The service returned no readiness, or a word that this version does not know.
    READINESS_UNKNOWN = "ReadinessUnknown";
    /// The flow was not ready for longer than `spec.progressDeadline`.
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded";
    /// The remote object does not exist yet.
    CREATING = "Creating";
    /// The last change of the spec has not reached the service yet.
    UPDATING = "Updating";
    /// A create was sent and nobody knows yet whether it took effect.
    CREATE_UNRESOLVED = "CreateUnresolved";
    /// Several remote objects could be the outcome of one create.
    AMBIGUOUS_CREATE = "AmbiguousCreate";
    /// A remote object exists that was not made for this resource.
    ALREADY_EXISTS = "AlreadyExists";
    /// The service has the object but leaves it out of its lists.
    UNLISTED = "Unlisted";
    /// The set shows two flows of one type.
    DUPLICATE_REMOTE = "DuplicateRemote";
    /// The object that the `remote-id` annotation names does not exist.
    REMOTE_ID_NOT_FOUND = "RemoteIdNotFound";
    /// Nothing to observe: the remote object does not exist.
    NOT_FOUND = "NotFound";
    /// An older resource declares the same remote object.
    CONFLICT = "Conflict";
    /// The remote object differs from what is declared.
    DRIFTED = "Drifted";
    /// A reset was accepted and the service has not been looked at since: `Ready` is Unknown.
    RESETTING = "Resetting";
    /// A reset was sent and nobody knows whether it took effect.
    RESET_UNKNOWN = "ResetUnknown";
    /// `spec.suspend` of the resource or of what it refers to.
    SUSPENDED = "Suspended";
    /// The flow set that is referred to does not exist, in the cluster or, for `spec.flowSetId`, at the service.
    FLOW_SET_NOT_FOUND = "FlowSetNotFound";
    /// The flow set that is referred to has no remote set yet.
    FLOW_SET_NOT_READY = "FlowSetNotReady";
    /// The connection that is referred to does not exist.
    CONNECTION_NOT_FOUND = "ConnectionNotFound";
    /// `spec.tenantId` is neither a GUID nor a domain name.
    INVALID_TENANT = "InvalidTenant";
    /// The Secret, or the key in it, does not exist or holds no text.
    SECRET_NOT_FOUND = "SecretNotFound";
    /// The remote object is being deleted.
    DELETING = "Deleting";
    /// Deletion waits for resources that still use this one.
    IN_USE = "InUse";
    /// The remote object cannot be deleted without a person's help.
    DELETION_BLOCKED = "DeletionBlocked";
}
