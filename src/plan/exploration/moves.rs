//! The moves: what can happen next.

use std::sync::Arc;

use crate::graph::model::Listing;
use crate::graph::verdict::{Certainty, Reason, Verdict};
use crate::plan::testing::{check, start, steps, unavailable, unread};
use crate::plan::{Action, Container, Fetched, Planned, Read, ResourceStep, Step, View};

use super::fate::Fate;
use super::part::Part;
use super::state::Sent;
use super::{Explored, Process, Running, Scenario, State, Variant};

/// The smallest event that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// The leader begins a reconcile for a slot; if `stale`, with the version before the last write.
    Begin { slot: usize, stale: bool },
    /// A process executes its next step.
    Proceed(usize, Fate),
    /// A process ends in the middle of a reconcile, and another starts in its place.
    Crash(usize),
    /// The leader freezes until its lease expires, and another process becomes the leader.
    Usurp,
    /// From now on the service cannot be listed.
    Darken,
    /// The service can be listed again.
    Brighten,
    /// From now on, the lists of the service are empty, but claim to be complete.
    Blank,
    /// The lists are correct again.
    Fill,
    /// Time passes.
    Tick,
    /// A change arrives although its sender has timed out.
    Arrive(usize),
    /// Another client performs an action.
    Deed(usize),
}

impl Move {
    /// Returns all moves that are possible next.
    pub(super) fn all<K: Explored>(state: &State<K>, scenario: &Scenario<K>) -> Vec<Self> {
        let mut moves = Vec::new();
        let faulty = state.faults > 0;
        if state.processes[state.leader].run.is_none() {
            for slot in 0..state.cluster.len() {
                moves.push(Self::Begin { slot, stale: false });
                moves.push(Self::Begin { slot, stale: true });
            }
        }
        for (index, process) in state.processes.iter().enumerate() {
            let Some(run) = &process.run else { continue };
            let fates = Fate::of::<K>(run.step.as_ref());
            let possible = if faulty { &fates[..] } else { &fates[..1] };
            moves.extend(possible.iter().map(|fate| Self::Proceed(index, *fate)));
            if faulty {
                moves.push(Self::Crash(index));
            }
        }
        if faulty && state.processes.len() > 1 {
            moves.push(Self::Usurp);
        }
        if state.ticks > 0 {
            moves.push(Self::Tick);
        }
        match state.service.unreadable {
            Some(_) => moves.push(Self::Brighten),
            None if faulty => moves.push(Self::Darken),
            None => {}
        }
        match state.service.lists_nothing {
            true => moves.push(Self::Fill),
            false if faulty && state.blanks => moves.push(Self::Blank),
            false => {}
        }
        moves.extend((0..state.on_the_way.len()).map(Self::Arrive));
        let deeds = (0..scenario.deeds.len()).filter(|deed| !state.done[*deed]);
        moves.extend(deeds.map(Self::Deed));
        moves
    }
}

impl<K: Explored> State<K> {
    /// Performs a move, or returns `Ok(false)` if it is not possible.
    pub(super) fn apply(&mut self, next: Move, scenario: &Scenario<K>) -> Result<bool, String> {
        match next {
            Move::Begin { slot, stale } => return Ok(self.begin(slot, stale, scenario.variant)),
            Move::Proceed(process, fate) => {
                self.faults -= u8::from(fate != Fate::Works);
                self.proceed(process, fate, scenario.variant)?;
            }
            Move::Crash(process) => {
                self.faults -= 1;
                self.restart(process);
            }
            Move::Usurp => {
                self.faults -= 1;
                // A process that has lost its lease ends, so the next leader is a new process.
                self.leader = (self.leader + 1) % self.processes.len();
                self.restart(self.leader);
                self.arrivals()?;
                self.tick();
            }
            Move::Darken => {
                self.faults -= 1;
                self.be_readable(Err(unavailable()));
            }
            Move::Brighten => self.be_readable(Ok(())),
            Move::Blank => {
                self.faults -= 1;
                self.service.change(|service| service.lists_nothing = true);
            }
            Move::Fill => self.service.change(|service| service.lists_nothing = false),
            Move::Tick => {
                self.ticks -= 1;
                self.arrivals()?;
                self.tick();
            }
            Move::Arrive(index) => {
                let sent = self.on_the_way.remove(index).into_inner();
                // The response is lost.
                let _ = self.carry_out(&sent)?;
            }
            Move::Deed(deed) => {
                self.done[deed] = true;
                return Ok((scenario.deeds[deed].act)(self));
            }
        }
        Ok(true)
    }

    /// Begins a reconcile of the leader, or returns `false` if there is no resource for it.
    pub(super) fn begin(&mut self, slot: usize, stale: bool, variant: Variant) -> bool {
        let leader = self.leader;
        let Some(mut input) = self.observe(leader, slot, stale) else {
            return false;
        };
        if let Some(read) = &mut input.collection {
            misread(read, variant, self.now);
        }
        let process = &mut self.processes[leader];
        process.saw(slot, &input.resource, input.memory.clone());
        let run = Running {
            slot,
            input,
            step: None,
        };
        self.plan(leader, run);
        true
    }

    /// Plans the next step, and adopts everything else from the plan.
    fn plan(&mut self, process: usize, mut run: Running<K>) {
        let process = &mut self.processes[process];
        run.input.now = self.now;
        let plan = K::plan(&run.input);
        check(&run.input, &plan);
        run.input.effects.outcome = None;
        run.input.status = plan.status;
        run.input.memory = plan.memory.clone();
        run.step = plan.step;
        let memory = plan.memory;
        process
            .pages
            .change(|pages| pages[run.slot].memory = memory);
        process.run = Some(Part::new(run));
    }

    /// Executes the next step of a process.
    pub(super) fn proceed(
        &mut self,
        process: usize,
        fate: Fate,
        variant: Variant,
    ) -> Result<(), String> {
        let Some(run) = self.processes[process].run.take() else {
            return Ok(());
        };
        let mut run = run.into_inner();
        let goes_on = match run.step.take() {
            None => {
                self.report(&mut run, fate, variant);
                false
            }
            Some(Step::Refresh) => {
                self.look(process, &mut run, fate, variant);
                true
            }
            Some(Step::Fetch) => {
                self.fetch(&mut run, fate, variant);
                true
            }
            Some(Step::Resource(step)) => self.write_step(&mut run, &step, fate, variant),
            Some(Step::Remote(_)) if process != self.leader || fate == Fate::HeldBack => false,
            Some(Step::Remote(change)) => {
                self.change(&mut run, change, fate, variant)?;
                true
            }
        };
        if fate == Fate::ThenCrash {
            self.restart(process);
            return Ok(());
        }
        let memory = run.input.memory.clone();
        self.processes[process].saw(run.slot, &run.input.resource, memory);
        if goes_on {
            self.plan(process, run);
        }
        Ok(())
    }

    /// Sets whether the service can be listed.
    pub(super) fn be_readable(&mut self, readable: Result<(), Verdict>) {
        self.service
            .change(|service| service.unreadable = readable.err());
    }

    /// Replaces a process that ended with a new one.
    fn restart(&mut self, process: usize) {
        self.crashed = true;
        self.processes[process] = Process::new(self.cluster.len());
    }

    /// Delivers all changes in flight.
    pub(super) fn arrivals(&mut self) -> Result<(), String> {
        for sent in std::mem::take(&mut self.on_the_way) {
            // The responses are lost.
            let _ = self.carry_out(&sent)?;
        }
        Ok(())
    }

    fn report(&mut self, run: &mut Running<K>, fate: Fate, variant: Variant) {
        let picture = &run.input.resource;
        let place = &self.cluster[run.slot];
        let known = |resource: &K| Planned::status(resource).cloned().unwrap_or_default();
        let unchanged = place.resource.as_deref().map(known) == Some(known(picture));
        let allowed = place.holds(picture) && (unchanged || variant == Variant::BlindStatus);
        if known(picture) == run.input.status || !allowed || !fate.takes_place() {
            return;
        }
        let mut resource = place.resource.as_deref().cloned();
        if let Some(resource) = &mut resource {
            *resource.status_mut() = Some(run.input.status.clone());
        }
        self.write(run.slot, resource);
        if fate == Fate::Works
            && let Some(written) = self.resource(run.slot)
        {
            run.input.resource = Arc::new(written.clone());
        }
    }

    fn look(&mut self, process: usize, run: &mut Running<K>, fate: Fate, variant: Variant) {
        let mut read = if fate == Fate::Works {
            self.poll(process);
            self.service.read(self.now, true)
        } else {
            unread(unavailable())
        };
        misread(&mut read, variant, self.now);
        run.input.collection = Some(read);
    }

    fn fetch(&mut self, run: &mut Running<K>, fate: Fate, variant: Variant) {
        run.input.effects.fetched = Some(match variant {
            Variant::UnfetchedRecreation => Fetched::Absent,
            _ if fate == Fate::Works => self.service.fetch::<K>(&run.input.status),
            _ => Fetched::Unknown(unavailable()),
        });
    }

    /// Writes to the resource, and returns `false` if the reconcile has ended.
    fn write_step(
        &mut self,
        run: &mut Running<K>,
        step: &ResourceStep,
        fate: Fate,
        variant: Variant,
    ) -> bool {
        let mut resource = (*run.input.resource).clone();
        steps::write(step, &run.input.status, &mut resource);
        if variant == Variant::NoIntent && matches!(step, ResourceStep::WriteIntent { .. }) {
            run.input.resource = Arc::new(resource);
            run.input.memory.permit = step.grants();
            return true;
        }
        if !self.cluster[run.slot].is_at(&run.input.resource) {
            return false;
        }
        run.input.memory.permit = step.grants().or(run.input.memory.permit.take());
        if !fate.takes_place() {
            return false;
        }
        self.write(run.slot, Some(resource.clone()));
        let written = self.resource(run.slot).cloned();
        run.input.resource = Arc::new(written.unwrap_or(resource));
        fate == Fate::Works
    }

    fn change(
        &mut self,
        run: &mut Running<K>,
        change: K::Change,
        fate: Fate,
        variant: Variant,
    ) -> Result<(), String> {
        let action = K::action(&change);
        let permit = run.input.memory.permit.clone();
        steps::leave(&mut run.input, action);
        if variant == Variant::LastingPermit {
            run.input.memory.permit = permit;
        }
        let sent = Sent {
            change,
            uid: run.input.resource.uid().unwrap_or_default(),
            token: K::token(&run.input.status),
        };
        if fate != Fate::NotSent && action == Action::Reset {
            let token = sent.token.clone().unwrap_or_default();
            self.ledger.change(|ledger| ledger.left(&sent.uid, &token));
        }
        let mut outcome = Ok(None);
        if fate.takes_place() {
            outcome = self.carry_out(&sent)?;
        } else if fate == Fate::Late {
            self.on_the_way.push(Part::new(sent));
        }
        if let Some(verdict) = fate.answer() {
            outcome = Err(verdict);
        }
        let outcome = outcome.map_err(|verdict| misjudge(verdict, variant));
        steps::hear(&mut run.input, action, outcome);
        if variant == Variant::UnverifiedDeletion
            && action == Action::Delete
            && let Read::Known(mut view) = self.service.read(self.now, true)
        {
            Arc::make_mut(&mut view.listing).items.clear();
            run.input.collection = Some(Read::Known(view));
        }
        Ok(())
    }

    /// Applies a change at the service, and records it in the ledger.
    fn carry_out(&mut self, sent: &Sent<K>) -> Result<Result<Option<K::Item>, Verdict>, String> {
        let now = self.now;
        let outcome = self
            .service
            .change(|service| service.change::<K>(&sent.change, now));
        if let Ok(created) = &outcome {
            if let Some(item) = created {
                let id = K::id(item);
                self.ledger.change(|ledger| ledger.created(&sent.uid, id))?;
            }
            if K::action(&sent.change) == Action::Reset {
                let token = sent.token.as_deref().unwrap_or_default();
                self.ledger
                    .change(|ledger| ledger.reset(&sent.uid, token))?;
            }
        }
        Ok(outcome)
    }
}

fn misread<Item>(read: &mut Read<Item>, variant: Variant, now: k8s_openapi::jiff::Timestamp) {
    if variant == Variant::UnreadableIsEmpty && matches!(read, Read::Unknown(_)) {
        let listing = Listing::of(Vec::new(), now);
        *read = Read::Known(View {
            listing: Arc::new(listing),
            container: Container::Exists,
            began: now,
            uptime: now.duration_since(start()),
            fresh: true,
        });
    }
}

fn misjudge(mut verdict: Verdict, variant: Variant) -> Verdict {
    let conflict = verdict.reason == Reason::Conflict;
    let misjudged = match variant {
        Variant::AmbiguousIsRefusal => !conflict,
        Variant::ConflictIsRefusal => conflict,
        _ => false,
    };
    if misjudged && verdict.certainty == Certainty::Unknown {
        verdict.certainty = Certainty::Refused;
    }
    verdict
}
