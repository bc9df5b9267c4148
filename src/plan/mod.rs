//! Decides. Everything that is known of the world comes in as a value, everything that is to be done leaves as a value.
//!
//! **Pure**: no async, no client, no clock, no randomness. The same input gives the same plan, so each decision can be
//! tabulated, explored exhaustively and replayed. Of the rest of the program only [`api`](crate::api) and the plain
//! data of [`graph::model`](crate::graph::model) and [`graph::verdict`](crate::graph::verdict) are used here.
//!
//! A controller runs a plan like this: observe, then plan and execute the plan's one [`Step`] until there is none, each
//! time with the outcome of the step before; then write the plan's status. A step that must not be repeated by mistake
//! is only planned with a [`Permit`], which a process gets by writing its intent down under precondition.

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
#[cfg(test)]
pub(crate) mod testing;
pub mod text;

pub use attempt::Attempt;
pub use blocked::Blocked;
pub use event::Event;
use ownership::Ownership;
pub use password::{Digest, Password};
pub use planned::{Input, Planned, Policies, SharedStatus, Target};

/// A list that fails once or twice is no reason to doubt what was known before.
pub const REPORTED_FAILURES: u32 = 3;

/// Times that the protocols are built on. All come from the operator's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a change at the service may take to show in a list. Longer than a request and a lease can last, so that
    /// nothing sent earlier can still be on its way when it is over.
    pub visibility_window: SignedDuration,
    /// How long a new resource may wait for what it refers to before that is told: manifests applied together arrive in
    /// any order, and a status that lives for a second is of no use to anyone.
    pub dependency_grace: SignedDuration,
}

/// The outcome of listing a collection of the service.
///
/// With the items this makes three outcomes for each object: present, absent (proved by a complete list) and unknown.
/// Unknown never leads to a change.
#[derive(Clone, Debug)]
pub enum Read<T> {
    /// A complete list.
    Known(View<T>),
    /// Anything else.
    Unknown(Unreadable),
}

/// A complete list and how old it is.
#[derive(Clone, Debug)]
pub struct View<T> {
    /// The list, with the service's time. Empty if the container does not exist.
    pub listing: Arc<Listing<T>>,
    /// What holds the collection.
    pub container: Container,
    /// Local time at which the list was asked for.
    pub began: Timestamp,
    /// The same as the time since this process started, on a clock that nobody can set.
    pub uptime: SignedDuration,
    /// Whether it was asked for after the present run began.
    pub fresh: bool,
}

/// Whether the object that holds a collection exists: for flows, their set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// It exists.
    Exists,
    /// The service answers that it does not exist, and the complete list of sets lacks it.
    Gone,
}

/// A collection that could not be listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Why the last attempt failed.
    pub verdict: Verdict,
    /// How many attempts in a row have failed.
    pub failures: u32,
}

/// The outcome of reading an object by its recorded id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The service has it, whatever its lists show.
    Present,
    /// The service answers that it does not exist.
    Absent,
    /// Anything else.
    Unknown(Verdict),
}

/// What to do, and what to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<K: Planned> {
    /// The next step; none: this run is over.
    pub step: Option<Step<K::Change>>,
    /// The resource's status as it should be.
    pub status: K::Status,
    /// What to remember until the next run. May be lost.
    pub memory: Memory,
    /// What happened, from the outcome of the last step.
    pub events: Vec<Event>,
    /// When to reconcile again at the latest, or `None` if only a change asks for it.
    pub requeue_after: Option<SignedDuration>,
}

/// One effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<Change> {
    /// List the collection freshly.
    Refresh,
    /// Read the object by its recorded id.
    Fetch,
    /// Write to the resource.
    Resource(ResourceStep),
    /// Change something at the service.
    Remote(Change),
}

/// A write to the resource, with the resource's version as precondition: it fails if the picture was old.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceStep {
    /// Add the finalizer.
    AddFinalizer,
    /// Add the finalizer and the intent to create. Once written, it grants [`Permit::Create`].
    WriteIntent {
        /// The intent.
        attempt: Attempt,
        /// Whether an earlier attempt is unresolved.
        repeated: bool,
    },
    /// Take the intent to create back.
    ClearIntent,
    /// Write the planned status at once. Once written, it grants the permit, if there is one.
    WriteStatus(Option<Permit>),
    /// Remove the finalizer.
    RemoveFinalizer,
}

/// The kinds of change at the service.
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

/// Allows one request that must not be repeated by mistake.
///
/// The write of the intent grants it, unless that write was certainly refused, and it counts only for a resource that shows
/// this very intent. It ends when the request is about to leave. So a process that has the permit for the intent that it sees
/// knows that nothing was sent for it: whatever ended the run before the first byte, the next run of the same process goes
/// on. It is never written down, so no other process has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    /// To create once for this attempt.
    Create {
        /// Names the attempt.
        attempt: Uuid,
        /// Whether earlier attempts may still be unresolved, which this permit says nothing about.
        repeated: bool,
    },
    /// To reset once for this request.
    Reset {
        /// The value of `spec.resetToken` in the intent.
        token: Option<String>,
        /// The value of the annotation in the intent.
        requested_at: Option<String>,
    },
}

impl Permit {
    /// What it allows.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::Create { .. } => Action::Create,
            Self::Reset { .. } => Action::Reset,
        }
    }
}

impl ResourceStep {
    /// The permit that the write grants.
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

/// How the last remote step of this run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was done. A created object is part of the view from then on, as its last item.
    Done(Action),
    /// It failed, or nobody can tell.
    Failed(Action, Verdict),
}

/// What the present run has done so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// The outcome of the last remote step, told once.
    pub outcome: Option<Outcome>,
    /// The object was created or updated by this run: what the view shows of it is not to be compared.
    pub written: bool,
    /// The permit that the last request of this run has used up.
    pub used: Option<Permit>,
    /// What the service answers for the recorded id, if this run has asked.
    pub fetched: Option<Fetched>,
}

/// What is remembered of a resource from one run to the next. Losing it costs time, never safety.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// When the first of the complete lists since the last create was asked for that all lacked the object, on the steady
    /// clock of this process: neither the service's clocks nor this machine's wall clock can shorten the window.
    pub absent_since: Option<SignedDuration>,
    /// The last update, until the visibility window is over.
    pub update: Option<UpdateMemory>,
    /// The last request to delete.
    pub deletion: Option<DeletionMemory>,
    /// The permit that was granted and not used yet.
    pub permit: Option<Permit>,
    /// What is known of the passwords.
    pub passwords: PasswordMemory,
    /// The dependency that is missing, by its reason, and since when.
    pub missing: Option<(&'static str, Timestamp)>,
}

/// An update that lists may not show yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateMemory {
    /// Local time of the answer.
    pub at: Timestamp,
    /// Generation of the spec that was sent.
    pub generation: i64,
    /// How many updates in a row were accepted without showing.
    pub times: u32,
}

/// A request to delete whose effect has to be verified.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletionMemory {
    /// The object.
    pub id: String,
    /// Local time of the answer.
    pub at: Timestamp,
    /// How many requests there have been.
    pub times: u32,
    /// Why the last one failed, if it did.
    pub failure: Option<Verdict>,
}

/// What is known of the passwords of a flow, by role group. Digests stay in memory: one of a short password could be
/// guessed by whoever may read a status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordMemory {
    /// Those that the service was given last.
    pub applied: Option<BTreeMap<String, Digest>>,
    /// Those that the Secrets held at the last look.
    pub seen: Option<BTreeMap<String, Digest>>,
}
