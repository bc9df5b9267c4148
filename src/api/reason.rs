//! Reasons of conditions. Failures of requests to the service have additional reasons, those of
//! [`graph::verdict`](crate::graph::verdict).

words! {
    /// The remote object matches the spec.
    SYNCED = "Synced";
    /// The remote object matches the spec and is ready.
    READY = "Ready";
    /// The service is still preparing the flow.
    NOT_READY = "NotReady";
    /// The service reports that the flow failed.
    FAILED = "Failed";
    /// The service reports that the flow is disabled.
    DISABLED = "Disabled";
    /// The service reports that the flow has expired.
    EXPIRED = "Expired";
    /// The service returned no readiness, or a value that this version does not recognize.
    READINESS_UNKNOWN = "ReadinessUnknown";
    /// The flow was not ready for longer than `spec.progressDeadline`.
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded";
    /// The remote object does not exist yet.
    CREATING = "Creating";
    /// The last change of the spec has not reached the service yet.
    UPDATING = "Updating";
    /// A create request was sent and its outcome is not known yet.
    CREATE_UNRESOLVED = "CreateUnresolved";
    /// Several remote objects could be the outcome of one create request.
    AMBIGUOUS_CREATE = "AmbiguousCreate";
    /// A remote object already exists that was not created for this resource.
    ALREADY_EXISTS = "AlreadyExists";
    /// The service has the object but omits it from its lists.
    UNLISTED = "Unlisted";
    /// The set contains two flows of one type.
    DUPLICATE_REMOTE = "DuplicateRemote";
    /// The object with the id in the `remote-id` annotation does not exist.
    REMOTE_ID_NOT_FOUND = "RemoteIdNotFound";
    /// The remote object to observe does not exist.
    NOT_FOUND = "NotFound";
    /// Another resource manages the same remote object, or is about to create it.
    CONFLICT = "Conflict";
    /// The remote object differs from the spec.
    DRIFTED = "Drifted";
    /// A reset is being sent, or was accepted and the flow has not been listed since: `Ready` is Unknown.
    RESETTING = "Resetting";
    /// A reset was sent and its outcome is unknown.
    RESET_UNKNOWN = "ResetUnknown";
    /// `spec.suspend` is true, on the resource or on one that it refers to.
    SUSPENDED = "Suspended";
    /// The referenced flow set does not exist, in the cluster or, for `spec.flowSetId`, at the service.
    FLOW_SET_NOT_FOUND = "FlowSetNotFound";
    /// The referenced flow set does not have a remote set yet.
    FLOW_SET_NOT_READY = "FlowSetNotReady";
    /// A resource of another namespace manages the remote set, and does not allow flows of this namespace.
    FLOW_SET_NOT_ALLOWED = "FlowSetNotAllowed";
    /// The referenced connection does not exist.
    CONNECTION_NOT_FOUND = "ConnectionNotFound";
    /// `spec.tenantId` is neither a GUID nor a domain name.
    INVALID_TENANT = "InvalidTenant";
    /// The Secret or its key does not exist, the operator may not read it, or the value is not text.
    SECRET_NOT_FOUND = "SecretNotFound";
    /// `spec.credential.workloadIdentity.serviceAccountName` is not the name of a service account.
    SERVICE_ACCOUNT_INVALID = "ServiceAccountInvalid";
    /// The certificate or its private key in the Secret cannot be used.
    INVALID_CERTIFICATE = "InvalidCertificate";
    /// The remote object is being deleted.
    DELETING = "Deleting";
    /// Deletion waits for other resources that still use this one.
    IN_USE = "InUse";
    /// The remote object cannot be deleted until a person resolves the cause.
    DELETION_BLOCKED = "DeletionBlocked";
}
