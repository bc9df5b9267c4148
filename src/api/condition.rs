//! Condition types: how a resource reports its state.
//!
//! They follow [kstatus]: `Reconciling` and `Stalled` are present only while True, and never both.
//!
//! [kstatus]: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md

words! {
    /// The remote object matches the spec and is ready to work. The reason and message are the headline: those of
    /// `Stalled`, else `Suspended`, else those of `Reconciling`. Unknown while the state cannot be determined.
    READY = "Ready";
    /// The remote object exists and matches the spec.
    SYNCED = "Synced";
    /// Work is in progress; no action is required.
    RECONCILING = "Reconciling";
    /// Action by a person is required; the message contains the remedy. `Ready` is not True then.
    STALLED = "Stalled";
}

/// The values of a condition's `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// The condition cannot be determined at the moment.
    Unknown,
}

impl ConditionStatus {
    /// Returns the text of a condition's `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}
