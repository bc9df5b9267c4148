//! Decides. Everything that is known of the world comes in as a value, everything that is to be done leaves as a value.
//!
//! **Pure**: no async, no client, no clock, no randomness. The same input gives the same plan, so each decision can be
//! tabulated, explored exhaustively and replayed. Of the rest of the program only [`api`](crate::api) and the plain
//! data of [`graph::model`](crate::graph::model) and [`graph::verdict`](crate::graph::verdict) are used here.
//!
//! A controller runs a plan like this: observe, then plan and execute the plan's one [`Step`] until there is none, each
//! time with the outcome of the step before; then write the plan's status. A step that must not be repeated by mistake
//! is only planned with a [`Permit`], which a run gets by writing its intent down under precondition.

use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::graph::model::Listing;
use crate::graph::verdict::Verdict;

pub mod attempt;
pub mod compare;
pub mod conditions;
pub mod connection;
mod correction;
mod creation;
pub mod definition;
mod deletion;
mod draft;
pub mod event;
#[cfg(test)]
mod exploration;
pub mod flow;
pub mod flow_set;
pub mod kind;
pub mod obstacle;
pub mod poll;
pub mod request;
pub mod resource;
pub mod retry;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;

pub use attempt::Attempt;
pub use event::Event;
pub use kind::{Kind, Observed, Place, SharedStatus};
pub use obstacle::Obstacle;

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
    Unknown(Verdict),
}

/// A complete list and how old it is.
#[derive(Clone, Debug)]
pub struct View<T> {
    /// The list, with the service's time.
    pub listing: Arc<Listing<T>>,
    /// Local time at which the list was asked for.
    pub began: Timestamp,
    /// Whether it was asked for after the present run began.
    pub fresh: bool,
}

/// What to do, and what to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<K: Kind> {
    /// The next step; none: this run is over.
    pub step: Option<Step<K::Change>>,
    /// The resource's status as it should be.
    pub status: K::Status,
    /// What to remember until the next run. May be lost.
    pub memory: Memory,
    /// What happened, from the outcome of the last step.
    pub events: Vec<Event>,
    /// When to look again, if nothing else happens before.
    pub again: Option<SignedDuration>,
}

/// One effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<Change> {
    /// List the collection freshly.
    Look,
    /// Write to the resource.
    Resource(ResourceStep),
    /// Change something at the service.
    Remote(Change),
}

/// A write to the resource, with the resource's version as precondition: it fails if the picture was old.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceStep {
    /// Add the finalizer.
    Hold,
    /// Add the finalizer and the intent to create. Gives [`Permit::Create`].
    Claim(Attempt),
    /// Take the intent to create back.
    Unclaim,
    /// Write the planned status at once. Gives [`Permit::Reset`].
    Record,
    /// Remove the finalizer.
    Release,
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

/// Allows a step that must not be repeated by mistake. It lives no longer than the run that earned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// The intent to create was written down by this run.
    Create,
    /// The intent to reset was written down by this run.
    Reset,
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
pub struct Run {
    /// What the run may do next.
    pub permit: Option<Permit>,
    /// The outcome of the last remote step, told once.
    pub outcome: Option<Outcome>,
    /// The object was created or updated by this run: what the view shows of it is not to be compared.
    pub written: bool,
}

/// What is remembered of a resource from one run to the next. Losing it costs time, never safety.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Service time of the first of the complete lists, since the last create, that all lacked the object.
    pub absent_since: Option<Timestamp>,
    /// The last update, until a list shows it.
    pub update: Option<UpdateMemory>,
}

/// An update that no list has shown yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateMemory {
    /// Local time of the answer.
    pub at: Timestamp,
    /// Generation of the spec that was sent.
    pub generation: i64,
    /// How many updates in a row were accepted without showing.
    pub times: u32,
}
