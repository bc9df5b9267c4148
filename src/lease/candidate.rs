//! What a candidate does next. **Pure**: Leases and times come in as values, the write to make
//! goes out as one.
//!
//! Why two candidates never hold the lease at once:
//!
//! * The holder counts from the moment it *sent* its last successful write. Another counts from the
//!   moment it *received* the first answer that showed that write, which is later.
//! * The holder stops a margin before the duration is over; the other starts no earlier than the
//!   duration that the holder promised is over.
//! * The other's write succeeds only on the very version that it saw, so the holder has written
//!   nothing since. What the holder has sent and the server not yet taken is refused from then on.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
};
use tokio::time::Instant;

use super::LeaseSettings;

/// A candidate: what it knows of the Lease, and until when it holds it.
#[derive(Debug)]
pub(super) struct Candidate {
    identity: String,
    duration: Duration,
    margin: Duration,
    record: Option<ObservedLease>,
    /// The record is our own last write, and nothing was sent after it: the next write may go
    /// without a look.
    in_hand: bool,
    held_until: Option<Instant>,
}

/// The Lease as it was seen last.
#[derive(Debug)]
struct ObservedLease {
    lease: Lease,
    /// When this very version was seen first.
    since: Instant,
}

/// A write that would make the candidate the holder, or keep it so.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Proposal {
    /// There is no Lease yet.
    Create(Lease),
    /// With the `resourceVersion` that was seen, as precondition.
    Replace(Lease),
}

impl Candidate {
    pub(super) fn new(settings: &LeaseSettings) -> Self {
        Self {
            identity: settings.identity.clone(),
            duration: settings.duration,
            margin: settings.margin(),
            record: None,
            in_hand: false,
            held_until: None,
        }
    }

    /// Whether the Lease must be looked at before a proposal.
    pub(super) const fn must_look(&self) -> bool {
        !self.in_hand
    }

    /// Until when the lease is held, if it is. May be in the past.
    pub(super) const fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Who else holds the lease, or held it when it expired.
    pub(super) fn other_holder(&self) -> Option<&str> {
        let lease = &self.record.as_ref()?.lease;
        holder(lease).filter(|holder| *holder != self.identity)
    }

    /// Takes in the answer to a look. `now` is when the answer was there, or later.
    pub(super) fn saw(&mut self, found: Option<Lease>, now: Instant) {
        self.record = found.map(|lease| match self.record.take() {
            Some(known) if is_same(&known.lease, &lease) => known,
            _ => ObservedLease { lease, since: now },
        });
        if self.other_holder().is_some() {
            self.forfeit();
        }
    }

    /// The write to make now, unless another holds the lease. `wall` is what is written down; it
    /// decides nothing.
    pub(super) fn proposal(&mut self, now: Instant, wall: Timestamp) -> Option<Proposal> {
        self.in_hand = false;
        match &self.record {
            None => Some(Proposal::Create(self.claim(Lease::default(), wall))),
            Some(record) if self.is_free(record, now) => {
                Some(Proposal::Replace(self.claim(record.lease.clone(), wall)))
            }
            Some(_) => None,
        }
    }

    /// Takes in that a proposal, which was sent at `sent`, succeeded and left this Lease.
    pub(super) fn wrote(&mut self, lease: Lease, sent: Instant, now: Instant) {
        self.record = Some(ObservedLease { lease, since: now });
        self.in_hand = true;
        self.held_until = Some(sent + self.duration.saturating_sub(self.margin));
    }

    /// Gives up the claim to hold the lease, whatever the Lease says.
    pub(super) const fn forfeit(&mut self) {
        self.held_until = None;
    }

    /// The Lease without a holder, if this candidate is the one it has.
    pub(super) fn vacated(&self, wall: Timestamp) -> Option<Lease> {
        let mut lease = self.record.as_ref()?.lease.clone();
        let spec = lease.spec.as_mut()?;
        spec.holder_identity
            .take_if(|holder| *holder == self.identity)?;
        // As client-go leaves it: nobody's, and for the shortest time that there is.
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.acquire_time = Some(MicroTime(wall));
        spec.renew_time = Some(MicroTime(wall));
        Some(lease)
    }

    fn is_free(&self, record: &ObservedLease, now: Instant) -> bool {
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
        lease
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref();
    holder.filter(|holder| !holder.is_empty())
}

/// How long the holder may think that it holds the lease, after its last write.
fn promised(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Whether nobody has written in between: each write makes a new version, also one that repeats
/// what was there.
fn is_same(one: &Lease, other: &Lease) -> bool {
    one.metadata.resource_version == other.metadata.resource_version
        && one.metadata.uid == other.metadata.uid
}

/// Rounded up, so that nobody takes the lease before its holder gives up.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX).max(1)
}

#[cfg(test)]
mod safety;
#[cfg(test)]
mod tests;
