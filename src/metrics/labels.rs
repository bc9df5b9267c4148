//! What the series of a metric differ by, and the values that it can have.

use prometheus_client::encoding::EncodeLabelSet;

/// Defines a label: an enum, with a list of its values and the text of each.
macro_rules! label {
    ($(#[$attribute:meta])* $name:ident { $($(#[$meaning:meta])+ $value:ident = $text:literal,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$meaning])+ $value,)+
        }

        impl $name {
            /// All values.
            pub const ALL: &[Self] = &[$(Self::$value),+];

            /// Returns the value of the label.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text),+
                }
            }
        }
    };
}

pub(super) use label;

label! {
    /// Kind of the resource that a metric is about.
    ResourceKind {
        /// `GraphConnection`.
        GraphConnection = "GraphConnection",
        /// `OutboundProvisioningFlowSet`.
        OutboundProvisioningFlowSet = "OutboundProvisioningFlowSet",
        /// `ProvisioningFlow`.
        ProvisioningFlow = "ProvisioningFlow",
    }
}

label! {
    /// Result of a reconcile.
    ReconcileResult {
        /// Its plan was carried out and its status is written.
        Done = "done",
        /// It failed and will be retried.
        Failed = "failed",
    }
}

label! {
    /// Write to the cluster.
    Write {
        /// The finalizer was added.
        AddFinalizer = "add_finalizer",
        /// The finalizer and the intent to create were added.
        WriteIntent = "write_intent",
        /// The intent to create was removed.
        ClearIntent = "clear_intent",
        /// The status was written before a step, as its permit.
        StatusIntent = "status_intent",
        /// The finalizer was removed.
        RemoveFinalizer = "remove_finalizer",
        /// The status was written at the end of a reconcile.
        Status = "status",
        /// An event was published.
        Event = "event",
    }
}

label! {
    /// Source of the trigger of a reconcile.
    TriggerSource {
        /// A poll that detected a change.
        Poll = "poll",
        /// A change of a resource that this one refers to, or that refers to it.
        Related = "related",
    }
}

label! {
    /// Part of the program whose panics do not affect the other parts.
    Component {
        /// Reconcile of one resource.
        Reconcile = "reconcile",
        /// Round of the poller of one connection.
        Poller = "poller",
        /// Any other task.
        Task = "task",
    }
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
pub(super) struct PriorityLabels {
    pub(super) priority: &'static str,
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
    pub(super) const fn labels(self) -> KindLabels {
        KindLabels {
            kind: self.as_str(),
        }
    }
}
