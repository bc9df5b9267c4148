//! Exhaustive exploration of faults, in every order, up to a bound.
//!
//! The exploration executes the plans themselves, not a model of them: an explored [`State`] contains a cluster, a
//! service and the operator's processes in the middle of their reconciles, and a [`Move`] is the smallest event that
//! can happen next. A search visits every state that can be reached with a limited number of faults, ticks of the clock
//! and actions of other clients. The invariants must hold in each of them ([`Ledger`]), and from each of them
//! everything must settle as declared once there are no more faults ([`settle`]).
//!
//! A tick lasts [`TICK`]: longer than a lease, shorter than the visibility window, and longer than a request can be in
//! flight. No time passes between two ticks, so all orders of events within a tick are explored.

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

/// Duration of one tick of the clock.
const TICK: SignedDuration = SignedDuration::from_secs(20);

/// Deliberate defects of the operator, to verify that the exploration detects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// No defect.
    Sound,
    /// No intent is written before a create is sent.
    NoIntent,
    /// A create or reset with an unknown outcome counts as refused.
    AmbiguousIsRefusal,
    /// A failed list counts as a list without items.
    UnreadableIsEmpty,
    /// A status is written without a precondition.
    BlindStatus,
    /// The response to a deletion counts as proof.
    UnverifiedDeletion,
    /// A permit is kept after its request.
    LastingPermit,
    /// A response of 409 to a create counts as a refusal.
    ConflictIsRefusal,
    /// An object is recreated because lists lack it, without a read by its id.
    UnfetchedRecreation,
}

/// A scenario to explore.
#[derive(Clone, Debug)]
struct Scenario<K: Explored> {
    /// Name of the scenario.
    name: &'static str,
    /// The initial state.
    start: State<K>,
    /// Actions of other clients, each of which happens at most once, at any time.
    deeds: Vec<Deed<K>>,
    /// The defect of the operator.
    variant: Variant,
}

/// An action of another client in the cluster or at the service.
#[derive(Clone, Copy, Debug)]
struct Deed<K: Explored> {
    /// Name of the action.
    name: &'static str,
    /// Performs the action, or returns `false` if it is not possible now.
    act: fn(&mut State<K>) -> bool,
}
