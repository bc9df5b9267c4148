//! Traits of all kinds: the input of their plans, and the common fields of their statuses.

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use uuid::Uuid;

use crate::api::{
    AdoptionPolicy, DeletionPolicy, Drift, DriftPolicy, GraphConnectionStatus, ManagementPolicy,
    OutboundProvisioningFlowSetStatus, ProvisioningFlowStatus, Retry,
};
use crate::graph::model::{FlowSetId, InvalidId};
use crate::graph::verdict::{Certainty, Disposition, Reason, Verdict};

use super::request::{Request, pending_request};
use super::{Blocked, Effects, Limits, Memory, Plan, Read, text};

/// How long work on a resource without a deadline of its own may be in progress: as long as the default of
/// `spec.progressDeadline`, so that in a long outage all resources report the same.
const DEADLINE: Duration = Duration::from_hours(26);

/// A kind of resource that has plans.
pub trait Planned: ResourceExt + Clone + Debug + PartialEq + Sized {
    /// Status of the resource.
    type Status: SharedStatus;
    /// Ids of remote objects. The id in a status is any text, because users may edit it.
    type Id: FromStr<Err = InvalidId>;
    /// Items of the collection that contains the remote object.
    type Item: Clone + Debug;
    /// Changes at the service that a plan can contain.
    type Change: Clone + Debug + PartialEq;
    /// Further input for the plan.
    type Related: Clone + Debug;

    /// Name of the remote object in messages.
    const NOUN: &'static str;

    /// Returns the id of an item of the collection.
    fn id_of(item: &Self::Item) -> &str;

    /// Returns the status in the cluster, or `None` if there is none yet.
    fn status(&self) -> Option<&Self::Status>;

    /// Returns the policies of the spec.
    fn policies(&self) -> Policies;

    /// Returns how long work may be in progress before action by a person is required.
    fn deadline(&self) -> Duration {
        DEADLINE
    }

    /// Returns whether the operator may write to the service for this resource.
    fn is_managed(&self) -> bool {
        self.policies().management == ManagementPolicy::Manage
    }

    /// Returns whether the status records an unresolved operation, so that a plan on a stale copy would be wrong.
    fn is_in_doubt(&self) -> bool {
        false
    }

    /// Plans the next step of the resource.
    fn plan(input: &Input<Self>) -> Plan<Self>;
}

/// What the operator may do for a resource, according to its spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// The value of `spec.managementPolicy`.
    pub management: ManagementPolicy,
    /// The value of `spec.adoptionPolicy`.
    pub adoption: AdoptionPolicy,
    /// The value of `spec.driftPolicy`.
    pub drift: DriftPolicy,
    /// The value of `spec.deletionPolicy`.
    pub deletion: DeletionPolicy,
}

/// Input of a plan: everything that is known about a resource.
#[derive(Clone, Debug)]
pub struct Input<K: Planned> {
    /// The newest version of the resource that this process has.
    pub resource: Arc<K>,
    /// The status as of the last plan of this reconcile; initially that of the resource.
    pub status: K::Status,
    /// Local time.
    pub now: Timestamp,
    /// Id for the next attempt to create.
    pub uuid: Uuid,
    /// The location of the remote object, or what blocks access to it.
    pub target: Result<Target, Blocked>,
    /// The collection that contains the remote object, or `None` if it has not been listed.
    pub collection: Option<Read<K::Item>>,
    /// Further input.
    pub related: K::Related,
    /// The memory of earlier reconciles.
    pub memory: Memory,
    /// What this reconcile has done so far.
    pub effects: Effects,
    /// Durations from the operator's settings.
    pub limits: Limits,
}

/// The location of a remote object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The remote set that contains the flow, or `None` for other kinds.
    pub set: Option<FlowSetId>,
    /// Revision of the access to the service: changes with the spec of the connection or its credential.
    pub revision: String,
}

/// Returns the verdict for an invalid id in the status, which a user must have edited.
#[must_use]
pub fn invalid_id(error: InvalidId) -> Verdict {
    Verdict {
        disposition: Disposition::User,
        certainty: Certainty::NotSent,
        reason: Reason::InvalidRequest,
        request_id: None,
        message: format!("the id in the status is invalid: {error}; correct or remove it"),
    }
}

/// The common fields of all statuses.
pub trait SharedStatus: Clone + Debug + Default + PartialEq {
    /// Returns the conditions.
    fn conditions(&self) -> &[Condition];
    /// Returns the generation that the conditions describe, or -1 before the first reconcile.
    fn observed_generation(&self) -> i64;
    /// Replaces the conditions, and the generation that they describe.
    fn set_conditions(&mut self, conditions: Vec<Condition>, generation: i64);
    /// Returns the next unhandled request for a reconciliation, or `None` if there is none.
    fn pending_request(&self, resource: &impl ResourceExt) -> Option<Request>;
    /// Records that a request was handled.
    fn set_handled(&mut self, request: Request);
    /// Returns the failures since the last success, or `None` if there are none.
    fn retry(&self) -> Option<&Retry>;
    /// Replaces the failures since the last success.
    fn set_retry(&mut self, retry: Option<Retry>);
    /// Returns the id of the remote object, or `None` if it is unknown.
    fn id(&self) -> Option<&str>;
    /// Returns whether the resource manages the remote object with this id.
    fn is_owned(&self) -> bool;
    /// Sets whether the resource manages the remote object.
    fn set_owned(&mut self, owned: bool);
    /// Sets the id of the remote object, and its creation time as the service reports it.
    fn set_object(&mut self, id: String, created: Option<String>);
    /// Returns the create attempt whose outcome is known, or `None` if there is none.
    fn resolved_attempt(&self) -> Option<Uuid>;
    /// Sets the create attempt whose outcome is known.
    fn set_resolved_attempt(&mut self, attempt: Option<Uuid>);
    /// Replaces the differences between the remote object and the spec.
    fn set_drift(&mut self, drift: Vec<Drift>);
    /// Shortens the differences to what fits into a status.
    fn cut_drift(&mut self);
    /// Returns when the service created the remote object, or `None` if that is unknown.
    fn made_at(&self) -> Option<Timestamp>;
}

macro_rules! shared_status {
    (common) => {
        fn conditions(&self) -> &[Condition] {
            &self.conditions
        }

        fn observed_generation(&self) -> i64 {
            self.observed_generation
        }

        fn set_conditions(&mut self, conditions: Vec<Condition>, generation: i64) {
            self.conditions = conditions;
            self.observed_generation = generation;
        }

        fn pending_request(&self, resource: &impl ResourceExt) -> Option<Request> {
            let last = self.last_handled_reconcile_at.as_deref();
            pending_request(resource, last, self.last_handled_requests.as_ref())
        }

        fn set_handled(&mut self, request: Request) {
            self.last_handled_reconcile_at = Some(request.value);
            self.last_handled_requests = request.handled;
        }
    };
    ($status:ty) => {
        impl SharedStatus for $status {
            shared_status!(common);

            fn retry(&self) -> Option<&Retry> {
                self.retry.as_ref()
            }

            fn set_retry(&mut self, retry: Option<Retry>) {
                self.retry = retry;
            }

            fn id(&self) -> Option<&str> {
                self.id.as_deref()
            }

            fn is_owned(&self) -> bool {
                self.owned
            }

            fn set_owned(&mut self, owned: bool) {
                self.owned = owned;
            }

            fn set_object(&mut self, id: String, created: Option<String>) {
                self.id = Some(id);
                self.created_date_time = created;
            }

            fn resolved_attempt(&self) -> Option<Uuid> {
                self.resolved_attempt.as_deref()?.parse().ok()
            }

            fn set_resolved_attempt(&mut self, attempt: Option<Uuid>) {
                self.resolved_attempt = attempt.map(|attempt| attempt.to_string());
            }

            fn set_drift(&mut self, drift: Vec<Drift>) {
                self.drift = drift;
            }

            fn cut_drift(&mut self) {
                text::cut_drift(&mut self.drift);
            }

            fn made_at(&self) -> Option<Timestamp> {
                self.created_date_time.as_deref()?.parse().ok()
            }
        }
    };
}

shared_status!(ProvisioningFlowStatus);
shared_status!(OutboundProvisioningFlowSetStatus);

/// A connection does not change anything at the service, so it has neither failures nor an id.
impl SharedStatus for GraphConnectionStatus {
    shared_status!(common);

    fn retry(&self) -> Option<&Retry> {
        None
    }

    fn set_retry(&mut self, _retry: Option<Retry>) {}

    fn id(&self) -> Option<&str> {
        None
    }

    fn is_owned(&self) -> bool {
        false
    }

    fn set_owned(&mut self, _owned: bool) {}

    fn set_object(&mut self, _id: String, _created: Option<String>) {}

    fn resolved_attempt(&self) -> Option<Uuid> {
        None
    }

    fn set_resolved_attempt(&mut self, _attempt: Option<Uuid>) {}

    fn set_drift(&mut self, _drift: Vec<Drift>) {}

    fn cut_drift(&mut self) {}

    fn made_at(&self) -> Option<Timestamp> {
        None
    }
}
