//! The readiness of a flow: a script of words that plays by the clock.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::later;

/// The word that every new flow answers.
pub(crate) const NOT_READY: &str = "notReady";

/// One change of readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadinessStep {
    /// Time since the step before, or since creation or reset for the first.
    #[serde(with = "crate::seconds")]
    pub after: Duration,
    /// The word from then on. Any text: the enum of the service is open.
    pub status: String,
}

/// What happens to the readiness of a flow after its creation or reset, which make it `notReady`.
///
/// An empty script changes nothing until told, see [`crate::Simulator::set_readiness`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReadinessScript(pub Vec<ReadinessStep>);

impl ReadinessScript {
    /// Nothing changes automatically.
    #[must_use]
    pub fn manual() -> Self {
        Self(Vec::new())
    }

    /// Ready after `delay`.
    #[must_use]
    pub fn ready_after(delay: Duration) -> Self {
        Self::manual().then(delay, "ready")
    }

    /// Adds a step.
    #[must_use]
    pub fn then(mut self, after: Duration, status: impl Into<String>) -> Self {
        self.0.push(ReadinessStep {
            after,
            status: status.into(),
        });
        self
    }
}

impl Default for ReadinessScript {
    fn default() -> Self {
        Self::ready_after(Duration::from_secs(3))
    }
}

/// The readiness of one flow.
#[derive(Debug, Clone)]
pub(crate) struct Readiness {
    base: String,
    since: Timestamp,
    script: ReadinessScript,
}

impl Readiness {
    /// `notReady` from now on, and then by the script.
    pub(crate) fn started(since: Timestamp, script: ReadinessScript) -> Self {
        Self {
            base: NOT_READY.to_owned(),
            since,
            script,
        }
    }

    /// One value, until it is changed.
    pub(crate) fn pinned(since: Timestamp, word: String) -> Self {
        Self {
            base: word,
            since,
            script: ReadinessScript::manual(),
        }
    }

    /// The word at a moment.
    pub(crate) fn at(&self, now: Timestamp) -> &str {
        let mut due = self.since;
        let mut word = self.base.as_str();
        for step in &self.script.0 {
            due = later(due, step.after);
            if due > now {
                break;
            }
            word = &step.status;
        }
        word
    }

    /// Whether the flow is past `notReady` or will be some day.
    pub(crate) fn last_word(&self) -> &str {
        self.script
            .0
            .last()
            .map_or(self.base.as_str(), |step| step.status.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(readiness: &Readiness, seconds: u64) -> &str {
        readiness.at(later(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds)))
    }

    #[test]
    fn a_script_plays_step_by_step() {
        let script = ReadinessScript::ready_after(Duration::from_secs(3))
            .then(Duration::from_secs(4), "expired");
        let readiness = Readiness::started(Timestamp::UNIX_EPOCH, script);
        assert_eq!(
            [
                at(&readiness, 2),
                at(&readiness, 3),
                at(&readiness, 6),
                at(&readiness, 7)
            ],
            ["notReady", "ready", "ready", "expired"]
        );
    }

    #[test]
    fn without_a_delay_a_flow_is_ready_at_once() {
        let readiness = Readiness::started(
            Timestamp::UNIX_EPOCH,
            ReadinessScript::ready_after(Duration::ZERO),
        );
        assert_eq!(at(&readiness, 0), "ready");
    }

    #[test]
    fn an_empty_script_and_a_pinned_word_stay() {
        let manual = Readiness::started(Timestamp::UNIX_EPOCH, ReadinessScript::manual());
        let pinned = Readiness::pinned(Timestamp::UNIX_EPOCH, "mothballed".to_owned());
        assert_eq!(at(&manual, 1_000_000), "notReady");
        assert_eq!(at(&pinned, 1_000_000), "mothballed");
    }
}
