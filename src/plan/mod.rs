//! Decisions: what to do about a resource. All knowledge enters as a value, and all effects leave as a value.
//!
//! Plans are **pure**: they use no async, no client, no clock and no randomness. The same input gives the same plan, so
//! each decision can be tested with tables, explored exhaustively and replayed. From the rest of the program, plans use
//! only [`api`](crate::api) and the plain data of [`graph::model`](crate::graph::model) and
//! [`graph::verdict`](crate::graph::verdict).
//!
//! A controller executes plans in a loop: it observes, then plans and executes the plan's single [`Step`], each time
//! with the outcome of the previous step, until the plan has no step; then it writes the plan's status. A step that
//! must not be repeated by mistake is only planned with a [`Permit`], which a process obtains by recording its intent
//! in the cluster under a precondition.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::graph::model::Listing;
use crate::graph::verdict::Verdict;

pub mod attempt;
pub mod blocked;
pub mod compare;
pub mod conditions;
pub mod connection;
mod correct;
mod create;
pub mod credential;
pub mod definition;
mod delete;
pub mod event;
#[cfg(test)]
mod exploration;
pub mod flow;
pub mod flow_set;
mod ownership;
pub mod password;
pub mod planned;
mod planner;
pub mod poll;
pub mod request;
pub mod resource;
pub mod retry;
pub mod secret;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;

pub use attempt::Attempt;
pub use blocked::Blocked;
pub use event::{Event, EventReason};
use ownership::Ownership;
pub use password::{Digest, Password};
pub use planned::{Input, Planned, Policies, SharedStatus, Target, invalid_id};

/// Number of consecutive failed lists after which the failure is reported. One or two do not invalidate what was known
/// before: at the first pauses of 2 s and 4 s, they are usually a short outage.
pub const REPORTED_FAILURES: u32 = 3;

/// Durations on which the protocols depend. All come from the operator's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a change at the service may take to appear in a list. Longer than a request and a lease can last, so
    /// that no earlier request can still be in flight when the window ends.
    pub visibility_window: SignedDuration,
    /// How long a new resource may wait for a missing dependency before the status reports it: manifests that are
    /// applied together arrive in any order, and a status that lasts for a second is not useful.
    pub dependency_grace: SignedDuration,
}

/// The outcome of listing a collection of the service.
///
/// For each object there are three outcomes: present, absent (proved by a complete list) and unknown. Unknown never
/// leads to a change.
#[derive(Clone, Debug)]
pub enum Read<T> {
    /// A complete list.
    Known(View<T>),
    /// The list failed or is incomplete.
    Unknown(Unreadable),
}

/// A complete list and its age.
#[derive(Clone, Debug)]
pub struct View<T> {
    /// The list, with the service's time. Empty if the container does not exist.
    pub listing: Arc<Listing<T>>,
    /// Whether the object that contains the collection exists.
    pub container: Container,
    /// Local time at which the list was requested.
    pub began: Timestamp,
    /// The same moment as time since the start of this process, on the monotonic clock.
    pub uptime: SignedDuration,
    /// Whether the list was requested after the current reconcile began.
    pub fresh: bool,
}

/// Whether the object that contains a collection exists: for flows, their set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// The container exists.
    Exists,
    /// The service responds that the container does not exist, and the complete list of sets does not contain it.
    Gone,
}

/// A collection that could not be listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Why the last attempt failed.
    pub verdict: Verdict,
    /// Number of consecutive failed attempts.
    pub failures: u32,
}

/// The outcome of reading an object by its recorded id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The service has the object, whether its lists contain it or not.
    Present,
    /// The service responds that the object does not exist.
    Absent,
    /// The object could not be read.
    Unknown(Verdict),
}

/// What to do next, and what to report.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<K: Planned> {
    /// The next step, or `None` if the reconcile is complete.
    pub step: Option<Step<K::Change>>,
    /// The desired status of the resource.
    pub status: K::Status,
    /// What to remember until the next reconcile. May be lost.
    pub memory: Memory,
    /// Events that result from the outcome of the last step.
    pub events: Vec<Event>,
    /// When to reconcile again at the latest, or `None` to wait for a change.
    pub requeue_after: Option<SignedDuration>,
}

/// A single effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<Change> {
    /// List the collection again.
    Refresh,
    /// Read the object by its recorded id.
    Fetch,
    /// Write to the resource.
    Resource(ResourceStep),
    /// Change the remote object.
    Remote(Change),
}

/// A write to the resource, with its `resourceVersion` as the precondition: it fails if the observed version was stale.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceStep {
    /// Add the finalizer.
    AddFinalizer,
    /// Add the finalizer and the intent to create. A successful write grants [`Permit::Create`].
    WriteIntent {
        /// The intent to record.
        attempt: Attempt,
        /// Whether an earlier attempt is unresolved.
        repeated: bool,
    },
    /// Remove the intent to create.
    ClearIntent,
    /// Write the planned status immediately. A successful write grants the permit, if there is one.
    WriteStatus(Option<Permit>),
    /// Remove the finalizer.
    RemoveFinalizer,
}

/// Kinds of change at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create the object.
    Create,
    /// Change properties of the object.
    Update,
    /// Reset the flow.
    Reset,
    /// Delete the object.
    Delete,
}

/// A permit for one request that must not be repeated by mistake.
///
/// # Guarantees
///
/// The write of the intent grants the permit, unless that write was certainly refused. The permit is valid only for a
/// resource that contains exactly this intent, and it is used up immediately before the request is sent. A process that
/// has the permit for the intent in the resource can therefore be certain that no request was sent for it: whatever
/// ended the reconcile before the first byte, the next reconcile of the same process continues. The permit is never
/// persisted, so no other process can have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Permits one create request for this attempt.
    Create {
        /// Id of the attempt.
        attempt: Uuid,
        /// Whether earlier attempts may still be unresolved; this permit does not cover them.
        repeated: bool,
    },
    /// Permits one reset request for this token and annotation.
    Reset {
        /// The value of `spec.resetToken` in the intent.
        token: Option<String>,
        /// The value of the annotation in the intent.
        requested_at: Option<String>,
    },
}

impl Permit {
    /// Returns the action that the permit allows.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::Create { .. } => Action::Create,
            Self::Reset { .. } => Action::Reset,
        }
    }
}

impl ResourceStep {
    /// Returns the permit that the write grants, or `None` if it grants none.
    #[must_use]
    pub fn grants(&self) -> Option<Permit> {
        match self {
            Self::WriteIntent { attempt, repeated } => Some(Permit::Create {
                attempt: attempt.id,
                repeated: *repeated,
            }),
            Self::WriteStatus(permit) => permit.clone(),
            Self::AddFinalizer | Self::ClearIntent | Self::RemoveFinalizer => None,
        }
    }
}

/// The outcome of the last remote step of this reconcile.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The step succeeded. A created object is the last item of the view from then on.
    Done(Action),
    /// The step failed, or its outcome is unknown.
    Failed(Action, Verdict),
}

/// What the current reconcile has done so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// The outcome of the last remote step, reported to one plan only.
    pub outcome: Option<Outcome>,
    /// Whether this reconcile created or updated the object: its item in the view is then outdated and must not be
    /// compared.
    pub written: bool,
    /// The permit that the last request of this reconcile used up.
    pub used: Option<Permit>,
    /// How long the resource waits for its turn after a failure that it shares with others, if that is what failed.
    pub turn: Option<SignedDuration>,
    /// The result of reading the recorded id, if this reconcile has read it.
    pub fetched: Option<Fetched>,
}

/// What is remembered about a resource between reconciles. Losing it costs time, never safety.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// When the first of the consecutive complete lists without the object since the last create was requested, on the
    /// monotonic clock of this process: neither the service's clocks nor this machine's wall clock can shorten the
    /// window.
    pub absent_since: Option<SignedDuration>,
    /// The last update, until the visibility window ends.
    pub update: Option<UpdateMemory>,
    /// The last delete request.
    pub deletion: Option<DeletionMemory>,
    /// The permit that was granted and is not used up yet.
    pub permit: Option<Permit>,
    /// Digest of the properties that the service returned, and of the configuration that the status reports about them.
    pub observed: Option<u64>,
    /// Digests of the passwords.
    pub passwords: PasswordMemory,
    /// The reason of the missing dependency, and since when it has been missing.
    pub missing: Option<(&'static str, Timestamp)>,
}

/// An update that lists may not reflect yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateMemory {
    /// Local time of the response.
    pub at: Timestamp,
    /// Generation of the spec that the update sent.
    pub generation: i64,
    /// Number of consecutive updates that were accepted without visible effect.
    pub times: u32,
}

/// A delete request whose effect must be verified.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletionMemory {
    /// The id of the object.
    pub id: String,
    /// Local time of the response.
    pub at: Timestamp,
    /// Number of requests sent.
    pub times: u32,
    /// Why the last request failed, or `None` if it succeeded.
    pub failure: Option<Verdict>,
}

/// Digests of the passwords of a flow, by role group. They stay in memory: anyone who can read a status could guess a
/// short password from its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordMemory {
    /// The passwords that were last sent to the service.
    pub applied: Option<BTreeMap<String, Digest>>,
    /// The passwords that the Secrets contained when they were last read.
    pub seen: Option<BTreeMap<String, Digest>>,
}
