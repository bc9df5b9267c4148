//! Name and owner of the Lease, and the times derived from its duration.

use std::{env, fs, time::Duration};

use uuid::Uuid;

use crate::shard::ShardCount;

/// Settings of a candidate: the Lease, its own identity, and the lease duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease of the first shard, from which those of the others are derived.
    pub name: String,
    /// Number of shards, each with a Lease.
    pub shards: ShardCount,
    /// Identity of this candidate, never reused by another one. See [`identity`].
    pub identity: String,
    /// How long the lease lasts without renewal; also the longest time without a leader after a
    /// crash. The Lease records it in whole seconds, rounded up.
    pub duration: Duration,
}

impl LeaseSettings {
    /// Minimum for [`LeaseSettings::duration`]. Below it, the minimum retry period of 500 ms would
    /// leave room for fewer than six attempts.
    pub const MIN_DURATION: Duration = Duration::from_secs(3);

    const MIN_RETRY_PERIOD: Duration = Duration::from_millis(500);

    /// Returns the name of the Lease of a shard. That of the first is the only one if there is a single shard.
    #[must_use]
    pub fn lease_name(&self, number: u8) -> String {
        if number == 1 {
            self.name.clone()
        } else {
            format!("{}-shard-{number}", self.name)
        }
    }

    /// Returns the time between two attempts to acquire or renew the lease.
    ///
    /// A tenth of the duration: 2 s of the default 20 s, the same period as in client-go. See
    /// [`LeaseSettings::steady_cover`] for the time that this leaves.
    #[must_use]
    pub fn retry_period(&self) -> Duration {
        (self.duration / 10).max(Self::MIN_RETRY_PERIOD)
    }

    /// Returns the time limit of a request, from the wait for a connection to the last byte: 3 s of
    /// the default 20 s.
    ///
    /// Longer than a period, so that slow writes cost no renewal: the next one follows at once. Short
    /// enough that a lost request leaves time for further attempts.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.retry_period() * 3 / 2
    }

    /// Returns how long before its expiry the holder treats the lease as lost: a tenth of the
    /// duration, which tolerates clocks that run at different rates.
    #[must_use]
    pub fn margin(&self) -> Duration {
        self.duration / 10
    }

    /// Returns the span that a guard covers at any time, as long as no renewal is lost, however slow
    /// each is, or if one is lost and the next is answered within half a period. A caller that needs a
    /// longer span may never be covered.
    ///
    /// In the worst case every response takes the whole request time-out and the next renewal follows
    /// at once. Just before a response, the last renewal that counts was then sent two time-outs ago:
    /// 20 s - 2 s margin - 2 × 3 s request time-out = 12 s with the default duration, which is the
    /// longest time of a change at the service. A lost renewal leaves 20 s - 2 s - 2 s period - 3 s =
    /// 13 s, less the time of the read and the write that follow it.
    #[must_use]
    pub fn steady_cover(&self) -> Duration {
        let spent = self.margin() + self.request_timeout() * 2;
        self.duration.saturating_sub(spent)
    }
}

/// Returns a new identity for a candidate: the host name, which in a cluster is the name of the pod,
/// and a random UUID, so that a restarted container is a new candidate.
#[must_use]
pub fn identity() -> String {
    format!("{}_{}", host(), Uuid::new_v4())
}

fn host() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let names = [kernel, env::var("HOSTNAME").ok()];
    let mut names = names.iter().flatten().map(|name| name.trim());
    names
        .find(|name| !name.is_empty())
        .unwrap_or("unknown-host")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasting(duration: Duration) -> LeaseSettings {
        LeaseSettings {
            namespace: "default".to_owned(),
            name: "industrydata-operator".to_owned(),
            shards: ShardCount::ONE,
            identity: "pod_1".to_owned(),
            duration,
        }
    }

    #[test]
    fn each_shard_has_a_lease_and_the_first_is_that_of_a_single_shard() {
        let names = [1, 2, 16].map(|number| lasting(Duration::from_secs(20)).lease_name(number));
        assert_eq!(
            names,
            [
                "industrydata-operator",
                "industrydata-operator-shard-2",
                "industrydata-operator-shard-16"
            ]
        );
    }

    #[test]
    fn times_follow_from_the_duration() {
        let settings = lasting(Duration::from_secs(20));

        assert_eq!(settings.retry_period(), Duration::from_secs(2));
        assert_eq!(settings.request_timeout(), Duration::from_secs(3));
        assert_eq!(settings.margin(), Duration::from_secs(2));
        assert_eq!(settings.steady_cover(), Duration::from_secs(12));
    }

    #[test]
    fn short_leases_are_not_renewed_too_often() {
        let settings = lasting(LeaseSettings::MIN_DURATION);

        assert_eq!(settings.retry_period(), Duration::from_millis(500));
        assert_eq!(settings.request_timeout(), Duration::from_millis(750));
        assert_eq!(settings.steady_cover(), Duration::from_millis(1200));
    }

    #[test]
    fn no_two_candidates_share_an_identity() {
        let (one, other) = (identity(), identity());

        assert_ne!(one, other);
        assert!(one.contains('_') && !one.starts_with('_'), "got {one}");
    }
}
