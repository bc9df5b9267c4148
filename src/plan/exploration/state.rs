//! What is explored: a cluster, a service, and the operator's processes in the middle of their runs.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use crate::plan::resource::is_deleting;
use crate::plan::testing::{Service, limits, start};
use crate::plan::{Effects, Input, Memory, Planned, Read, Step};

use super::part::{Part, digest};
use super::{Explored, Ledger, TICK};

/// Everything there is at one moment.
#[derive(Clone, Debug)]
pub(super) struct State<K: Explored> {
    pub(super) now: Timestamp,
    /// The names that resources of the kind can have.
    pub(super) cluster: Vec<Slot<K>>,
    pub(super) service: Part<Service<K::Item>>,
    /// Changes that were sent, given up, and may still arrive until the next tick.
    pub(super) on_the_way: Vec<Part<Sent<K>>>,
    pub(super) processes: Vec<Process<K>>,
    /// The process that holds the lease.
    pub(super) leader: usize,
    /// How much may still go wrong.
    pub(super) faults: u8,
    /// How often the clock may still move.
    pub(super) ticks: u8,
    /// Whether lists may become empty although there is something.
    pub(super) blanks: bool,
    /// Whether a process has ended, or was replaced, since the start.
    pub(super) crashed: bool,
    /// The deeds that have been done.
    pub(super) done: Vec<bool>,
    pub(super) ledger: Part<Ledger>,
    /// The cluster's count of writes.
    version: u32,
}

/// What the cluster holds under a name.
#[derive(Clone, Debug)]
pub(super) struct Slot<K> {
    /// The resource; none: there is none.
    pub(super) resource: Option<Part<K>>,
    /// The picture before the last write, which a watch may still show.
    pub(super) before: Option<Part<K>>,
}

/// A change that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent<K: Explored> {
    pub(super) change: K::Change,
    pub(super) uid: String,
    pub(super) token: Option<String>,
}

/// A process of the operator.
#[derive(Clone, Debug)]
pub(super) struct Process<K: Explored> {
    /// What it remembers of each slot, with the version that it has seen of it.
    pub(super) pages: Vec<Page>,
    /// The last list, as its poller keeps it.
    pub(super) snapshot: Option<Part<Read<K::Item>>>,
    /// The run that it is in the middle of.
    pub(super) run: Option<Part<Running<K>>>,
}

/// What a process remembers of one slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    uid: String,
    pub(super) memory: Memory,
    version: u32,
}

/// A run, before its next step.
#[derive(Clone, Debug)]
pub(super) struct Running<K: Explored> {
    pub(super) slot: usize,
    pub(super) input: Input<K>,
    /// The next step; none: the report is next.
    pub(super) step: Option<Step<K::Change>>,
}

impl<K: Explored> State<K> {
    /// A cluster with these resources, and as many processes as `processes`, of which the first leads.
    pub(super) fn new(resources: Vec<K>, processes: usize) -> Self {
        let mut state = Self {
            now: start(),
            cluster: Vec::new(),
            service: Part::new(Service::new()),
            on_the_way: Vec::new(),
            processes: Vec::new(),
            leader: 0,
            faults: 0,
            ticks: 0,
            blanks: false,
            crashed: false,
            done: Vec::new(),
            ledger: Part::new(Ledger::default()),
            version: 1,
        };
        for resource in resources {
            state.cluster.push(Slot {
                resource: None,
                before: None,
            });
            state.write(state.cluster.len() - 1, Some(resource));
        }
        // So that nobody but the operator sees to it that nothing is made twice.
        state.service.change(|service| service.strict = false);
        state.processes = vec![Process::new(state.cluster.len()); processes];
        state
    }

    /// With so many things that may go wrong, and so many ticks.
    pub(super) fn allowing(mut self, faults: u8, ticks: u8) -> Self {
        (self.faults, self.ticks) = (faults, ticks);
        self
    }

    /// With lists that may become empty although there is something.
    pub(super) fn blanking(mut self) -> Self {
        self.blanks = true;
        self
    }

    pub(super) fn resource(&self, slot: usize) -> Option<&K> {
        self.cluster[slot].resource.as_deref()
    }

    /// Puts a new picture of a resource in the place of the one before. One that nobody holds any more goes.
    pub(super) fn write(&mut self, slot: usize, resource: Option<K>) {
        self.version += 1;
        let version = self.version.to_string();
        let held = |resource: &K| !(is_deleting(resource) && resource.finalizers().is_empty());
        let resource = resource.filter(held).map(|mut resource| {
            resource.meta_mut().resource_version = Some(version);
            Part::new(resource)
        });
        let slot = &mut self.cluster[slot];
        slot.before = std::mem::replace(&mut slot.resource, resource);
    }

    /// Lets a user change a resource; `false`: there is none.
    pub(super) fn edit(&mut self, slot: usize, change: impl FnOnce(&mut K)) -> bool {
        let Some(old) = self.resource(slot).cloned() else {
            return false;
        };
        let mut new = old.clone();
        change(&mut new);
        if new.spec() != old.spec() || is_deleting(&new) != is_deleting(&old) {
            new.meta_mut().generation = old.meta().generation.map(|generation| generation + 1);
        }
        self.write(slot, Some(new));
        true
    }

    /// Lets a user delete a resource.
    pub(super) fn delete(&mut self, slot: usize) -> bool {
        let now = self.now;
        let deleted = self
            .resource(slot)
            .is_some_and(|resource| !is_deleting(resource));
        deleted
            && self.edit(slot, |resource| {
                resource.meta_mut().deletion_timestamp = Some(Time(now));
            })
    }

    /// What a process observes when it begins a run; none: it is shown no resource.
    pub(super) fn observe(&self, process: usize, slot: usize, stale: bool) -> Option<Input<K>> {
        let place = &self.cluster[slot];
        let page = &self.processes[process].pages[slot];
        let picture = if stale {
            &place.before
        } else {
            &place.resource
        };
        let picture = picture.as_deref();
        let mut resource = picture
            .filter(|picture| version(*picture) >= page.version)?
            .clone();
        if resource.is_in_doubt() {
            // It is read anew.
            let current = place.resource.as_deref();
            resource = current
                .filter(|current| current.uid() == resource.uid())?
                .clone();
        }
        let remembers = resource.uid().is_some_and(|uid| uid == page.uid);
        Some(Input {
            status: Planned::status(&resource).cloned().unwrap_or_default(),
            now: self.now,
            uuid: Uuid::from_u128(self.version.into()),
            target: Ok(K::target()),
            collection: self.processes[process].snapshot.as_deref().cloned(),
            related: K::related(self, slot),
            memory: if remembers {
                page.memory.clone()
            } else {
                Memory::default()
            },
            effects: Effects::default(),
            limits: limits(),
            resource: Arc::new(resource),
        })
    }

    /// Moves the clock. Every process polls.
    pub(super) fn tick(&mut self) {
        self.now += TICK;
        let now = self.now;
        self.service.change(|service| service.forget(now));
        let read = Part::new(self.service.read(self.now, false));
        for process in &mut self.processes {
            process.snapshot = Some(read.clone());
        }
    }

    pub(super) fn poll(&mut self, process: usize) {
        self.processes[process].snapshot = Some(Part::new(self.service.read(self.now, false)));
    }

    /// The same, with no more to go wrong.
    pub(super) fn calm(&self) -> Self {
        Self {
            faults: 0,
            ticks: 0,
            done: Vec::new(),
            ..self.clone()
        }
    }

    /// What tells this state from others.
    pub(super) fn digest(&self) -> u64 {
        let of = |part: &Option<Part<K>>| part.as_ref().map(Part::digest);
        let cluster = self.cluster.iter();
        let cluster: Vec<_> = cluster
            .map(|slot| (of(&slot.resource), of(&slot.before)))
            .collect();
        let processes = self.processes.iter();
        let processes: Vec<_> = processes.map(Process::digest).collect();
        let sent: Vec<u64> = self.on_the_way.iter().map(Part::digest).collect();
        let service = (self.service.digest(), sent, self.ledger.digest());
        let limits = (
            self.faults,
            self.ticks,
            self.blanks,
            self.crashed,
            &self.done,
        );
        digest(&(
            self.now,
            cluster,
            processes,
            service,
            self.leader,
            self.version,
            limits,
        ))
    }
}

impl<K: Explored> Process<K> {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            pages: vec![Page::default(); slots],
            snapshot: None,
            run: None,
        }
    }

    fn digest(&self) -> (u64, Option<u64>, Option<u64>) {
        let snapshot = self.snapshot.as_ref().map(Part::digest);
        let run = self.run.as_ref().map(Part::digest);
        (digest(&self.pages), snapshot, run)
    }

    /// Remembers a picture, so that no older one is taken for the newest.
    pub(super) fn saw(&mut self, slot: usize, resource: &K, memory: Memory) {
        let page = &mut self.pages[slot];
        page.uid = resource.uid().unwrap_or_default();
        page.memory = memory;
        page.version = page.version.max(version(resource));
    }
}

impl<K: Explored> Slot<K> {
    /// Whether a write with this picture's version as precondition succeeds.
    pub(super) fn is_at(&self, picture: &K) -> bool {
        let current =
            |current: &K| current.uid() == picture.uid() && version(current) == version(picture);
        self.resource.as_deref().is_some_and(current)
    }

    /// Whether this is the object of the picture.
    pub(super) fn holds(&self, picture: &K) -> bool {
        let current = self.resource.as_deref();
        current.is_some_and(|current| current.uid() == picture.uid())
    }
}

/// The version of a picture.
fn version<K: Explored>(resource: &K) -> u32 {
    let version = resource.resource_version();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}
