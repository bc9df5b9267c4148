//! Which Lease, for whom, and the times that follow from its duration.

use std::{env, fs, time::Duration};

use uuid::Uuid;

/// Which Lease a candidate asks for, under which name, and for how long at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease.
    pub name: String,
    /// The name of this candidate, which no other has or ever had. See [`identity`].
    pub identity: String,
    /// How long the lease lasts when it is not renewed: as long as nobody leads after a leader has
    /// crashed. The Lease has it in whole seconds, rounded up.
    pub duration: Duration,
}

impl LeaseSettings {
    /// The least sensible [`LeaseSettings::duration`]: with less, [`LeaseSettings::retry_period`]
    /// would be a larger part of it than usual.
    pub const MIN_DURATION: Duration = Duration::from_secs(3);

    const MIN_RETRY_PERIOD: Duration = Duration::from_millis(500);

    /// The time from one try to the next, for the lease itself and for each renewal.
    ///
    /// A tenth of the duration: 2 s of the usual 20 s, as in client-go. See
    /// [`LeaseSettings::steady_cover`] for what it leaves.
    #[must_use]
    pub fn retry_period(&self) -> Duration {
        (self.duration / 10).max(Self::MIN_RETRY_PERIOD)
    }

    /// The time that the API server has to answer a request, from the wait for a connection to the
    /// last byte: 3 s of the usual 20 s.
    ///
    /// Longer than a period, so that a cluster which is slow to write costs no renewal: the next
    /// one follows at once. Short enough that a request which is lost still leaves time for others.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.retry_period() * 3 / 2
    }

    /// How much earlier the holder takes the lease for lost than it is: a tenth of the duration,
    /// for clocks that run at different rates.
    #[must_use]
    pub fn margin(&self) -> Duration {
        self.duration / 10
    }

    /// The span that a guard covers at any time while no renewal is lost, however slow each is,
    /// and when one is lost and its successor is answered within half a period. Whoever needs cover
    /// for longer may wait in vain.
    ///
    /// Just before an answer, the last renewal that counts was sent as long ago as two answers
    /// take, where the next one follows on each at once: 20 s - 2 s margin - 2 × 3 s request
    /// time-out = 12 s with the usual duration, which is what a change at the service can take. A
    /// renewal that is lost leaves 20 s - 2 s - 2 s period - 3 s = 13 s, less the time of the look
    /// and the write that follow on it.
    #[must_use]
    pub fn steady_cover(&self) -> Duration {
        let spent = self.margin() + self.request_timeout() * 2;
        self.duration.saturating_sub(spent)
    }
}

/// A new name for a candidate: that of its host, which in a cluster is that of its pod, and a random
/// UUID, which makes a restarted container another candidate than the one before.
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
            identity: "pod_1".to_owned(),
            duration,
        }
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
