//! What the series of a metric differ by, and the values that it can have.

use prometheus_client::encoding::EncodeLabelSet;

/// Kind of the resource that a metric is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// `GraphConnection`.
    GraphConnection,
    /// `OutboundProvisioningFlowSet`.
    OutboundProvisioningFlowSet,
    /// `ProvisioningFlow`.
    ProvisioningFlow,
}

/// Result of a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReconcileResult {
    /// Its plan was carried out and its status is written.
    Done,
    /// It failed and will be retried.
    Failed,
}

/// Write to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    /// The finalizer was added.
    AddFinalizer,
    /// The finalizer and the intent to create were added.
    WriteIntent,
    /// The intent to create was removed.
    ClearIntent,
    /// The status was written before a step, as its permit.
    StatusIntent,
    /// The finalizer was removed.
    RemoveFinalizer,
    /// The status was written at the end of a reconcile.
    Status,
    /// An event was published.
    Event,
}

/// Source of the trigger of a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriggerSource {
    /// A poll that detected a change.
    Poll,
    /// A change of a resource that this one refers to, or that refers to it.
    Related,
}

/// Part of the program whose panics do not affect the other parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Reconcile of one resource.
    Reconcile,
    /// Round of the poller of one connection.
    Poller,
    /// Any other task.
    Task,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReconcileLabels {
    pub(super) kind: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OperationLabels {
    pub(super) operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) operation: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WriteLabels {
    pub(super) kind: &'static str,
    pub(super) write: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ComponentLabels {
    pub(super) component: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TriggerLabels {
    pub(super) kind: &'static str,
    pub(super) source: &'static str,
}

impl ResourceKind {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GraphConnection => "GraphConnection",
            Self::OutboundProvisioningFlowSet => "OutboundProvisioningFlowSet",
            Self::ProvisioningFlow => "ProvisioningFlow",
        }
    }

    pub(super) const fn labels(self) -> KindLabels {
        KindLabels {
            kind: self.as_str(),
        }
    }
}

impl ReconcileResult {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl Write {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AddFinalizer => "add_finalizer",
            Self::WriteIntent => "write_intent",
            Self::ClearIntent => "clear_intent",
            Self::StatusIntent => "status_intent",
            Self::RemoveFinalizer => "remove_finalizer",
            Self::Status => "status",
            Self::Event => "event",
        }
    }
}

impl TriggerSource {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Related => "related",
        }
    }
}

impl Component {
    /// Returns the value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reconcile => "reconcile",
            Self::Poller => "poller",
            Self::Task => "task",
        }
    }
}
