//! What has been asked and what came of it, in order. Entries are added and never changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{flow_type::FlowType, route::Operation};

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Position in the journal, from 1.
    pub sequence: u64,
    /// When it was decided, by the service's clock.
    pub time: String,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query, if any.
    pub query: Option<String>,
    /// What was asked for.
    pub operation: Operation,
    /// The client's own name for the request.
    pub client_request_id: Option<String>,
    /// The service's name for the request.
    pub request_id: String,
    /// Who asked: `application:<client id>`, `user:<client id>`, or `control` for the control port.
    pub subject: Option<String>,
    /// Status sent. None: the connection was cut instead.
    pub status: Option<u16>,
    /// `Retry-After` sent.
    pub retry_after: Option<String>,
    /// Whether it changed anything.
    pub committed: bool,
    /// The set that was asked about or created.
    pub set: Option<String>,
    /// The flow that was asked about or created.
    pub flow: Option<String>,
    /// Type of that flow.
    pub flow_type: Option<FlowType>,
    /// Faults and quirks that applied.
    pub faults: Vec<String>,
    /// The batch that it came in, by that entry's `requestId`.
    pub batch: Option<String>,
    /// The body that came, with passwords masked and, for token requests, left out.
    pub request: Option<Value>,
}

impl Entry {
    /// Whether it came through the service's port, not the control port.
    #[must_use]
    pub fn is_from_client(&self) -> bool {
        self.subject.as_deref() != Some(CONTROL)
    }
}

/// Subject of what the control port does.
pub(crate) const CONTROL: &str = "control";

/// Entries in order, with helpers that count what clients did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Journal(Vec<Entry>);

impl Journal {
    /// All entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Entries after the one with this sequence number.
    #[must_use]
    pub fn since(&self, sequence: u64) -> Self {
        Self(
            self.0
                .iter()
                .filter(|entry| entry.sequence > sequence)
                .cloned()
                .collect(),
        )
    }

    /// How many client requests fulfil a condition.
    pub fn count(&self, condition: impl Fn(&Entry) -> bool) -> usize {
        self.0
            .iter()
            .filter(|entry| entry.is_from_client() && condition(entry))
            .count()
    }

    /// Requests for an operation, whatever came of them.
    #[must_use]
    pub fn requests(&self, operation: Operation) -> usize {
        self.count(|entry| entry.operation == operation)
    }

    /// Times that an operation took effect.
    #[must_use]
    pub fn committed(&self, operation: Operation) -> usize {
        self.count(|entry| entry.operation == operation && entry.committed)
    }

    /// Sets created.
    #[must_use]
    pub fn sets_created(&self) -> usize {
        self.committed(Operation::CreateSet)
    }

    /// Flows of a type created in a set.
    #[must_use]
    pub fn flows_created(&self, set: &str, flow_type: FlowType) -> usize {
        self.count(|entry| {
            entry.committed
                && entry.operation == Operation::CreateFlow
                && entry.set.as_deref() == Some(set)
                && entry.flow_type == Some(flow_type)
        })
    }

    /// Resets of a flow that took effect.
    #[must_use]
    pub fn resets(&self, flow: &str) -> usize {
        self.of_flow(Operation::ResetFlow, flow)
    }

    /// Updates of a flow that took effect.
    #[must_use]
    pub fn updates(&self, flow: &str) -> usize {
        self.of_flow(Operation::UpdateFlow, flow)
    }

    /// Deletions of a flow that took effect.
    #[must_use]
    pub fn deletions(&self, flow: &str) -> usize {
        self.of_flow(Operation::DeleteFlow, flow)
    }

    /// Requests for the flows of a set.
    #[must_use]
    pub fn lists(&self, set: &str) -> usize {
        self.count(|entry| {
            entry.operation == Operation::ListFlows && entry.set.as_deref() == Some(set)
        })
    }

    /// Requests for all sets with their flows. Further pages do not count.
    #[must_use]
    pub fn sweeps(&self) -> usize {
        let is_first = |query: &str| query.contains("expand") && !query.contains("skiptoken");
        self.count(|entry| {
            let query = entry.query.as_deref();
            entry.operation == Operation::ListSets && query.is_some_and(is_first)
        })
    }

    fn of_flow(&self, operation: Operation, flow: &str) -> usize {
        self.count(|entry| {
            entry.committed && entry.operation == operation && entry.flow.as_deref() == Some(flow)
        })
    }

    /// Returns all counts that are not zero.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for entry in self.0.iter().filter(|entry| entry.is_from_client()) {
            tally.add(entry);
        }
        tally
    }

    /// Adds an entry and gives it its number.
    pub(crate) fn add(&mut self, mut entry: Entry) {
        entry.sequence = self.0.len() as u64 + 1;
        self.0.push(entry);
    }
}

/// Counts over a journal, by operation, by object and by status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Requests by operation.
    pub requests: BTreeMap<Operation, usize>,
    /// Effects by operation.
    pub committed: BTreeMap<Operation, usize>,
    /// Effects on each set and flow: id, then operation.
    pub objects: BTreeMap<String, BTreeMap<Operation, usize>>,
    /// Flows created in each set, by type.
    pub flows_created: BTreeMap<String, BTreeMap<FlowType, usize>>,
    /// Answers by status; 0 stands for a cut connection.
    pub statuses: BTreeMap<u16, usize>,
    /// Requests to which something was done.
    pub faults: usize,
}

impl Tally {
    fn add(&mut self, entry: &Entry) {
        *self.requests.entry(entry.operation).or_default() += 1;
        *self
            .statuses
            .entry(entry.status.unwrap_or_default())
            .or_default() += 1;
        self.faults += usize::from(!entry.faults.is_empty());
        if !entry.committed {
            return;
        }
        *self.committed.entry(entry.operation).or_default() += 1;
        if let Some(object) = entry.flow.as_ref().or(entry.set.as_ref()) {
            *self
                .objects
                .entry(object.clone())
                .or_default()
                .entry(entry.operation)
                .or_default() += 1;
        }
        if let (Operation::CreateFlow, Some(set), Some(kind)) =
            (entry.operation, &entry.set, entry.flow_type)
        {
            *self
                .flows_created
                .entry(set.clone())
                .or_default()
                .entry(kind)
                .or_default() += 1;
        }
    }
}

/// A body with its passwords masked, at any depth and in any casing of the name.
pub(crate) fn masked(body: &Value) -> Value {
    match body {
        Value::Array(values) => values.iter().map(masked).collect(),
        Value::Object(object) => {
            let secret = |name: &str| name.eq_ignore_ascii_case("password");
            let shown = |name: &str, value| {
                if secret(name) {
                    Value::from("***")
                } else {
                    masked(value)
                }
            };
            Value::Object(
                object
                    .iter()
                    .map(|(name, value)| (name.clone(), shown(name, value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}
