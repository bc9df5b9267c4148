//! Condition types, in which a resource tells its state.
//!
//! They follow [kstatus]: `Reconciling` and `Stalled` are present only while True, and never both.
//!
//! [kstatus]: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md

words! {
    /// The remote object is as declared and ready to work. Its reason and message are the headline: those of `Stalled`,
    /// else `Suspended`, else those of `Reconciling`. Unknown while it cannot be determined.
    READY = "Ready";
    /// The remote object exists and is as declared.
    SYNCED = "Synced";
    /// Something is under way; no person is needed.
    RECONCILING = "Reconciling";
    /// A person is needed; the message says for what. `Ready` is not True then.
    STALLED = "Stalled";
}

/// The three values of a condition's `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can tell at the moment.
    Unknown,
}

impl ConditionStatus {
    /// The text in a condition's `status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}
