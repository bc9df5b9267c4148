//! Explored states: a cluster, a service, and the operator's processes in the middle of their reconciles.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use crate::plan::resource::is_deleting;
use crate::plan::testing::{Service, limits, start};
use crate::plan::{Effects, Input, Memory, Planned, Read, Step};

use super::part::{Part, digest};
use super::{Explored, Ledger, TICK};

/// A snapshot of the whole system.
#[derive(Clone, Debug)]
pub(super) struct State<K: Explored> {
    pub(super) now: Timestamp,
    /// The names that resources of the kind can have.
    pub(super) cluster: Vec<Slot<K>>,
    pub(super) service: Part<Service<K::Item>>,
    /// Changes whose senders have timed out, and that may still arrive until the next tick.
    pub(super) on_the_way: Vec<Part<Sent<K>>>,
    pub(super) processes: Vec<Process<K>>,
    /// The process that holds the lease.
    pub(super) leader: usize,
    /// Number of faults that may still happen.
    pub(super) faults: u8,
    /// Number of ticks that may still happen.
    pub(super) ticks: u8,
    /// Whether lists may become empty although the service has objects.
    pub(super) blanks: bool,
    /// Whether a process has ended or was replaced since the start.
    pub(super) crashed: bool,
    /// The actions of other clients that have happened.
    pub(super) done: Vec<bool>,
    pub(super) ledger: Part<Ledger>,
    /// Number of writes to the cluster.
    version: u32,
}

/// The resource with one name in the cluster.
#[derive(Clone, Debug)]
pub(super) struct Slot<K> {
    /// The resource, or `None` if it does not exist.
    pub(super) resource: Option<Part<K>>,
    /// The version before the last write, which a watch may still contain.
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
    /// Its memory of each slot, with the version that it has observed.
    pub(super) pages: Part<Vec<Page>>,
    /// The last list, as stored by its poller.
    pub(super) snapshot: Option<Part<Read<K::Item>>>,
    /// The reconcile in progress, if any.
    pub(super) run: Option<Part<Running<K>>>,
}

/// The memory of a process about one slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    uid: String,
    pub(super) memory: Memory,
    version: u32,
}

/// A reconcile before its next step.
#[derive(Clone, Debug)]
pub(super) struct Running<K: Explored> {
    pub(super) slot: usize,
    pub(super) input: Input<K>,
    /// The next step, or `None` if the report is next.
    pub(super) step: Option<Step<K::Change>>,
}

impl<K: Explored> State<K> {
    /// Creates a cluster with these resources and a number of processes, of which the first is the leader.
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
        // The service must not prevent duplicates, so that only the operator does.
        state.service.change(|service| service.strict = false);
        state.processes = vec![Process::new(state.cluster.len()); processes];
        state
    }

    /// Sets the number of faults and ticks.
    pub(super) fn allowing(mut self, faults: u8, ticks: u8) -> Self {
        (self.faults, self.ticks) = (faults, ticks);
        self
    }

    /// Allows lists to become empty although the service has objects.
    pub(super) fn blanking(mut self) -> Self {
        self.blanks = true;
        self
    }

    pub(super) fn resource(&self, slot: usize) -> Option<&K> {
        self.cluster[slot].resource.as_deref()
    }

    /// Stores a new version of a resource. A deleted resource without finalizers is removed.
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

    /// Changes a resource as a user, or returns `false` if it does not exist.
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

    /// Deletes a resource as a user.
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

    /// Returns the input of a reconcile, or `None` if the watch does not contain the resource.
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
            // The resource is read again.
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

    /// Advances the clock by one tick. Every process polls.
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

    /// Returns the same state without further faults.
    pub(super) fn calm(&self) -> Self {
        Self {
            faults: 0,
            ticks: 0,
            done: Vec::new(),
            ..self.clone()
        }
    }

    /// Returns the digest that identifies this state.
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
            pages: Part::new(vec![Page::default(); slots]),
            snapshot: None,
            run: None,
        }
    }

    fn digest(&self) -> (u64, Option<u64>, Option<u64>) {
        let snapshot = self.snapshot.as_ref().map(Part::digest);
        let run = self.run.as_ref().map(Part::digest);
        (self.pages.digest(), snapshot, run)
    }

    /// Remembers a version, so that an older one is never used as the newest.
    pub(super) fn saw(&mut self, slot: usize, resource: &K, memory: Memory) {
        self.pages.change(|pages| {
            let page = &mut pages[slot];
            page.uid = resource.uid().unwrap_or_default();
            page.memory = memory;
            page.version = page.version.max(version(resource));
        });
    }
}

impl<K: Explored> Slot<K> {
    /// Returns whether a write with this version as precondition succeeds.
    pub(super) fn is_at(&self, picture: &K) -> bool {
        let current =
            |current: &K| current.uid() == picture.uid() && version(current) == version(picture);
        self.resource.as_deref().is_some_and(current)
    }

    /// Returns whether this is the same object.
    pub(super) fn holds(&self, picture: &K) -> bool {
        let current = self.resource.as_deref();
        current.is_some_and(|current| current.uid() == picture.uid())
    }
}

/// Returns the resource version.
fn version<K: Explored>(resource: &K) -> u32 {
    let version = resource.resource_version();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}
