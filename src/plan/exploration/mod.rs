//! Every order in which things can go wrong, up to a bound.
//!
//! The plans themselves are driven, not a model of them: an explored [`State`] holds a cluster, a service and the
//! operator's processes in the middle of their runs, and a [`Move`] is the smallest thing that can happen next. A search
//! visits every state that can be reached with a limited number of faults, ticks of the clock and deeds of other people.
//! In each of them must hold what may never be broken ([`Ledger`]), and from each of them everything must settle as
//! declared once the faults are over ([`settle`]).
//!
//! A tick lasts [`TICK`]: longer than a lease, shorter than the visibility window, and longer than anything can be on its
//! way to the service. Between two ticks no time passes, so all orders within one are explored.

use k8s_openapi::jiff::SignedDuration;

mod explored;
mod fate;
mod ledger;
mod moves;
mod part;
mod search;
mod settle;
mod state;
mod tests;

use explored::Explored;
use ledger::Ledger;
use moves::Move;
use search::explore;
use settle::{Rested, settle};
use state::{Process, Running, State};

/// How far the clock moves at a time.
const TICK: SignedDuration = SignedDuration::from_secs(20);

/// How the operator is broken on purpose, to see that the exploration finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// It is not.
    Sound,
    /// No intent is written before a create is sent.
    NoIntent,
    /// A create or reset whose outcome is unknown is taken for refused.
    AmbiguousIsRefusal,
    /// A list that failed is taken for one without items.
    UnreadableIsEmpty,
    /// A status is written over whatever the cluster holds.
    BlindStatus,
    /// The answer to a deletion is believed.
    UnverifiedDeletion,
    /// A permit outlives the request that it was for.
    LastingPermit,
    /// 409 after a create is taken for a refusal.
    ConflictIsRefusal,
    /// An object is recreated because lists lack it, without asking for its id.
    UnfetchedRecreation,
}

/// What is explored.
#[derive(Clone, Debug)]
struct Scenario<K: Explored> {
    /// What it is about.
    name: &'static str,
    /// How it begins.
    start: State<K>,
    /// What other people do, each once and at any time.
    deeds: Vec<Deed<K>>,
    /// How the operator is broken.
    variant: Variant,
}

/// Something that somebody else does to the cluster or at the service.
#[derive(Clone, Copy, Debug)]
struct Deed<K: Explored> {
    /// What is done.
    name: &'static str,
    /// Does it; `false`: it cannot be done now.
    act: fn(&mut State<K>) -> bool,
}
