//! Decides what a candidate does next. **Pure**: Leases and times are passed in, and the write to make
//! is returned as a value.
//!
//! Why two candidates never hold the lease at once:
//!
//! * The holder counts from the moment it *sent* its last successful write. Another candidate counts
//!   from the moment it *received* the first response with that write, which is later.
//! * The holder stops a margin before the duration has elapsed; the other candidate starts only after
//!   the duration that is recorded in the Lease.
//! * The write of the other candidate succeeds only on the exact version that it read, so the holder
//!   has written nothing since. Writes of the holder that are still on their way are refused from then
//!   on.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
};
use tokio::time::Instant;

use super::{LeaseSettings, mark::Mark};

/// State of a candidate: the Lease as last observed, and until when it holds the lease.
#[derive(Debug)]
pub(super) struct Candidate {
    identity: String,
    duration: Duration,
    margin: Duration,
    record: Option<ObservedLease>,
    /// Whether `record` is our own last write and nothing was sent after it, so that the next write
    /// needs no read before it.
    is_current: bool,
    held_until: Option<Instant>,
    /// What a write records of the number of shards, or `None` to leave that as it is.
    mark: Option<Mark>,
}

/// The Lease as last observed.
#[derive(Debug)]
struct ObservedLease {
    lease: Lease,
    /// When this exact version was first observed.
    since: Instant,
}

/// Write that acquires or renews the lease.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Proposal {
    /// Creates the Lease, which does not exist yet.
    Create(Lease),
    /// Replaces the Lease, with the observed `resourceVersion` as precondition.
    Replace(Lease),
}

impl Candidate {
    pub(super) fn new(settings: &LeaseSettings) -> Self {
        Self {
            identity: settings.identity.clone(),
            duration: settings.duration,
            margin: settings.margin(),
            record: None,
            is_current: false,
            held_until: None,
            mark: None,
        }
    }

    /// Sets what the writes from now on record of the number of shards.
    pub(super) const fn set_mark(&mut self, mark: Mark) {
        self.mark = Some(mark);
    }

    /// Returns what the Lease, as last observed, records of the number of shards.
    pub(super) fn mark(&self) -> Mark {
        Mark::of(self.record.as_ref().map(|record| &record.lease))
    }

    /// Returns whether no other candidate holds the lease, as it was last observed.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        let record = self.record.as_ref();
        record.is_none_or(|record| self.has_ended(record, now))
    }

    /// Returns whether the Lease must be read before a proposal.
    pub(super) const fn must_look(&self) -> bool {
        !self.is_current
    }

    /// Returns until when the lease is held, which may be in the past, or `None` if it is not held.
    pub(super) const fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Returns the other candidate that holds the lease, or held it when it expired.
    pub(super) fn other_holder(&self) -> Option<&str> {
        let lease = &self.record.as_ref()?.lease;
        holder(lease).filter(|holder| *holder != self.identity)
    }

    /// Records the Lease that was read. `now` must not be before the response arrived.
    pub(super) fn saw(&mut self, found: Option<Lease>, now: Instant) {
        self.record = found.map(|lease| match self.record.take() {
            Some(known) if is_same(&known.lease, &lease) => known,
            _ => ObservedLease { lease, since: now },
        });
        if self.other_holder().is_some() {
            self.forfeit();
        }
    }

    /// Returns the write to make now, or `None` if another candidate holds the lease. `wall` is only
    /// written to the Lease; no decision uses it.
    pub(super) fn proposal(&mut self, now: Instant, wall: Timestamp) -> Option<Proposal> {
        self.is_current = false;
        match &self.record {
            None => Some(Proposal::Create(self.claim(Lease::default(), wall))),
            Some(record) if self.has_ended(record, now) => {
                Some(Proposal::Replace(self.claim(record.lease.clone(), wall)))
            }
            Some(_) => None,
        }
    }

    /// Records the Lease that a successful proposal, sent at `sent`, has left.
    pub(super) fn wrote(&mut self, lease: Lease, sent: Instant, now: Instant) {
        self.record = Some(ObservedLease { lease, since: now });
        self.is_current = true;
        self.held_until = Some(sent + self.duration.saturating_sub(self.margin));
    }

    /// Stops holding the lease, regardless of what the Lease contains.
    pub(super) const fn forfeit(&mut self) {
        self.held_until = None;
    }

    /// Returns the Lease without its holder, or `None` if this candidate is not the holder.
    pub(super) fn vacated(&self, wall: Timestamp) -> Option<Lease> {
        let mut lease = self.record.as_ref()?.lease.clone();
        let spec = lease.spec.as_mut()?;
        spec.holder_identity
            .take_if(|holder| *holder == self.identity)?;
        // The same values as client-go on release: no holder, and the minimum duration of 1 s.
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.acquire_time = Some(MicroTime(wall));
        spec.renew_time = Some(MicroTime(wall));
        self.record_mark(&mut lease);
        Some(lease)
    }

    fn has_ended(&self, record: &ObservedLease, now: Instant) -> bool {
        let Some(holder) = holder(&record.lease) else {
            return true;
        };
        let promised = promised(&record.lease).unwrap_or(self.duration);
        holder == self.identity || now.duration_since(record.since) >= promised
    }

    fn claim(&self, mut lease: Lease, wall: Timestamp) -> Lease {
        let is_renewal = holder(&lease) == Some(&self.identity);
        let is_new = lease.spec.is_none();
        let spec = lease.spec.get_or_insert_default();
        if !is_renewal {
            let transitions = spec.lease_transitions.unwrap_or(0);
            spec.lease_transitions = Some(if is_new {
                0
            } else {
                transitions.saturating_add(1)
            });
            spec.acquire_time = Some(MicroTime(wall));
            spec.holder_identity = Some(self.identity.clone());
        }
        spec.lease_duration_seconds = Some(whole_seconds(self.duration));
        spec.renew_time = Some(MicroTime(wall));
        self.record_mark(&mut lease);
        lease
    }

    fn record_mark(&self, lease: &mut Lease) {
        if let Some(mark) = self.mark {
            mark.record(lease);
        }
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref();
    holder.filter(|holder| !holder.is_empty())
}

/// Returns how long the holder may assume that it holds the lease after its last write.
fn promised(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Returns whether no client has written in between: every write makes a new version, even one with
/// the same content.
fn is_same(one: &Lease, other: &Lease) -> bool {
    one.metadata.resource_version == other.metadata.resource_version
        && one.metadata.uid == other.metadata.uid
}

/// Rounds up, so that no candidate acquires the lease before its holder stops.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX).max(1)
}

#[cfg(test)]
mod safety;
#[cfg(test)]
mod tests;
