//! What the three kinds have in common: how one is observed, and what every status has.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use uuid::Uuid;

use crate::api::{
    AdoptionPolicy, DeletionPolicy, Drift, DriftPolicy, GraphConnectionStatus, ManagementPolicy,
    OutboundProvisioningFlowSetStatus, ProvisioningFlowStatus, Retry,
};
use crate::graph::model::FlowSetId;

use super::request::{Request, pending_request};
use super::{Blocked, Effects, Limits, Memory, Plan, Read};

/// A kind of resource that stands for something at the service.
pub trait Planned: ResourceExt + Clone + Debug + PartialEq + Sized {
    /// Its status.
    type Status: SharedStatus;
    /// The members of the service's collection that its remote object is one of.
    type Item: Clone + Debug;
    /// The changes at the service that it can lead to.
    type Change: Clone + Debug + PartialEq;
    /// What else has to be known to decide.
    type Related: Clone + Debug;

    /// What people call the remote object.
    const NOUN: &'static str;

    /// The id of a member of the collection.
    fn id_of(item: &Self::Item) -> &str;

    /// The status that the cluster holds.
    fn status(&self) -> Option<&Self::Status>;

    /// What the spec says that the operator may do.
    fn policies(&self) -> Policies;

    /// Whether the operator may write to the service for this resource.
    fn is_managed(&self) -> bool {
        self.policies().management == ManagementPolicy::Manage
    }

    /// Whether the status speaks of something under way, so that an old picture of it would mislead.
    fn is_in_doubt(&self) -> bool {
        false
    }

    /// Decides.
    fn plan(input: &Input<Self>) -> Plan<Self>;
}

/// What a spec says that the operator may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// `spec.managementPolicy`
    pub management: ManagementPolicy,
    /// `spec.adoptionPolicy`
    pub adoption: AdoptionPolicy,
    /// `spec.driftPolicy`
    pub drift: DriftPolicy,
    /// `spec.deletionPolicy`
    pub deletion: DeletionPolicy,
}

/// Everything that is known when a resource is decided about.
#[derive(Clone, Debug)]
pub struct Input<K: Planned> {
    /// The resource, as new as this process knows it.
    pub resource: Arc<K>,
    /// The status as this run has it so far; at first the resource's.
    pub status: K::Status,
    /// Local time.
    pub now: Timestamp,
    /// A name for the next attempt to create.
    pub uuid: Uuid,
    /// The way to the service and where the remote object lives, or what keeps us from it.
    pub target: Result<Target, Blocked>,
    /// The collection that the remote object is a member of, if it has been listed.
    pub collection: Option<Read<K::Item>>,
    /// What else has to be known.
    pub related: K::Related,
    /// What earlier runs remembered.
    pub memory: Memory,
    /// What this run has done.
    pub effects: Effects,
    /// The operator's settings.
    pub limits: Limits,
}

/// Where a remote object lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The remote set that holds it; none for what is no flow.
    pub set: Option<FlowSetId>,
    /// Changes when the way to the service does: the connection's spec or its credential.
    pub revision: String,
}

/// What every status has.
pub trait SharedStatus: Clone + Debug + Default + PartialEq {
    /// The conditions.
    fn conditions(&self) -> &[Condition];
    /// The generation that the conditions speak of; -1 if nothing was observed yet.
    fn observed_generation(&self) -> i64;
    /// Replaces the conditions, and the generation that they speak of.
    fn set_conditions(&mut self, conditions: Vec<Condition>, generation: i64);
    /// The request for a look that is to be handled next.
    fn pending_request(&self, resource: &impl ResourceExt) -> Option<Request>;
    /// Notes that a request was handled.
    fn set_handled(&mut self, request: Request);
    /// The failures since the last success.
    fn retry(&self) -> Option<&Retry>;
    /// Replaces the failures since the last success.
    fn set_retry(&mut self, retry: Option<Retry>);
    /// The remote object's id.
    fn id(&self) -> Option<&str>;
    /// Sets the remote object's id, and when the service says that it made it.
    fn set_object(&mut self, id: String, created: Option<String>);
    /// The create attempt whose outcome is known.
    fn resolved_attempt(&self) -> Option<Uuid>;
    /// Sets the create attempt whose outcome is known.
    fn set_resolved_attempt(&mut self, attempt: Option<Uuid>);
    /// Replaces the differences between the remote object and the spec.
    fn set_drift(&mut self, drift: Vec<Drift>);
    /// When the service made the remote object.
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

            fn made_at(&self) -> Option<Timestamp> {
                self.created_date_time.as_deref()?.parse().ok()
            }
        }
    };
}

shared_status!(ProvisioningFlowStatus);
shared_status!(OutboundProvisioningFlowSetStatus);

/// A connection changes nothing at the service, so it has neither failures to count nor an id.
impl SharedStatus for GraphConnectionStatus {
    shared_status!(common);

    fn retry(&self) -> Option<&Retry> {
        None
    }

    fn set_retry(&mut self, _retry: Option<Retry>) {}

    fn id(&self) -> Option<&str> {
        None
    }

    fn set_object(&mut self, _id: String, _created: Option<String>) {}

    fn resolved_attempt(&self) -> Option<Uuid> {
        None
    }

    fn set_resolved_attempt(&mut self, _attempt: Option<Uuid>) {}

    fn set_drift(&mut self, _drift: Vec<Drift>) {}

    fn made_at(&self) -> Option<Timestamp> {
        None
    }
}
