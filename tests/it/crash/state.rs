//! What there is, in a form in which two runs can be compared.

use std::collections::{BTreeMap, BTreeSet};

use industrydata_simulator::{Journal, Operation, Snapshot};
use kube::api::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::workload::password_of;
use crate::oracle;
use crate::test_env::TestEnv;

const FLOW: &str = "ProvisioningFlow/north";
const SET: &str = "OutboundProvisioningFlowSet/north";

/// Whoever has one of these waits for a person, although nobody has made a mistake.
const HELPLESS: [&str; 5] = [
    "AlreadyExists",
    "AmbiguousCreate",
    "Conflict",
    "DuplicateRemote",
    "RemoteIdNotFound",
];

/// Whether nobody may be able to tell what became of a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The request may have left.
    MayRemain,
    /// There is no reset, or its request certainly has not left before it was sent again.
    RuledOut,
}

/// What differs from run to run. Whether it is there counts all the same.
const GENERATED: [&str; 15] = [
    "createdDateTime",
    "creationTimestamp",
    "deletionTimestamp",
    "flowSetId",
    "id",
    "industrydata.dev/create-attempt",
    "industrydata.dev/remote-id",
    "lastModifiedDateTime",
    "lastTransitionTime",
    "namespace",
    "resolvedAttempt",
    "resourceVersion",
    "set",
    "time",
    "uid",
];

/// What depends on when it was looked, who wrote last, or which answers a process has had.
const PASSING: [&str; 5] = [
    "access",
    "lastReset",
    "managedFields",
    "readinessHistory",
    "roleGroup@odata.context",
];

/// Everything that there is in the cluster and at the service, and what was done at the service.
pub struct State {
    cluster: BTreeMap<String, Value>,
    snapshot: Snapshot,
    passwords: Vec<Option<&'static str>>,
    /// How often each object was created, reset and deleted.
    pub counts: BTreeMap<String, usize>,
}

impl State {
    pub async fn of(env: &TestEnv) -> Self {
        let resources = env.resources().await.into_iter();
        let json = |(name, object)| (name, serde_json::to_value::<DynamicObject>(object).unwrap());
        let snapshot = env.simulator.snapshot();
        let flows = snapshot.sets.iter().flat_map(|set| &set.flows);
        let passwords = flows.map(|flow| password_of(&env.simulator, &flow.id));
        Self {
            cluster: resources.map(json).collect(),
            passwords: passwords.collect(),
            counts: counts(&env.simulator.journal()),
            snapshot,
        }
    }

    /// The same in all runs that end well.
    pub fn masked(&self) -> Value {
        let mut all = json!({ "cluster": self.cluster, "service": self.snapshot.sets, "passwords": self.passwords });
        mask(&mut all);
        all
    }

    /// What no run may ever show.
    pub fn wrong(&self, clean: &Self) -> Option<String> {
        for (name, object) in &self.cluster {
            let stalled = reason(object, "Stalled");
            if HELPLESS.iter().any(|reason| stalled.ends_with(reason)) {
                return Some(format!("{name} waits for a person: {stalled}"));
            }
        }
        let most = |what: &String| clean.counts.get(what).copied().unwrap_or_default();
        let surplus = self
            .counts
            .iter()
            .find(|(what, count)| **count > most(what));
        surplus.map(|(what, count)| format!("{what}: {count} times"))
    }

    /// Why this is not how a run should end; `None`: it is like the run without a fault.
    pub fn difference(&self, clean: &Self, doubt: Doubt) -> Option<String> {
        if let Some(orphan) = self.unowned() {
            return Some(orphan);
        }
        let (mut is, should) = (self.masked(), clean.masked());
        let mut counts = self.counts.clone();
        if doubt == Doubt::MayRemain && self.is_reset_in_doubt() {
            forgive(&mut is, &should);
            counts.clone_from(&clean.counts);
        }
        let mut places = Vec::new();
        compare("", &is, &should, &mut places);
        if !places.is_empty() {
            return Some(places.join("; "));
        }
        (counts != clean.counts)
            .then(|| format!("counts {counts:?}, and should count {:?}", clean.counts))
    }

    /// The one end that may differ: nobody can tell whether the reset took effect, and the operator says so.
    fn is_reset_in_doubt(&self) -> bool {
        let Some(flow) = self.cluster.get(FLOW) else {
            return false;
        };
        flow["status"]["reset"]["phase"] == "Unknown"
            && reason(flow, "Stalled") == "True/ResetUnknown"
    }

    /// Why not each remote object belongs to one resource, and each resource has its remote object.
    fn unowned(&self) -> Option<String> {
        let flows = self.of_kind("ProvisioningFlow");
        let sets = self.of_kind("OutboundProvisioningFlowSet");
        oracle::unowned(&flows, &sets, &self.snapshot)
    }

    fn of_kind<K: DeserializeOwned>(&self, kind: &str) -> Vec<K> {
        let objects = self
            .cluster
            .iter()
            .filter(|(name, _)| name.starts_with(kind));
        let typed = objects.map(|(_, one)| serde_json::from_value(one.clone()).unwrap());
        typed.collect()
    }
}

/// How often each object was created, reset and deleted. An update may be repeated.
fn counts(journal: &Journal) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in journal.entries().iter().filter(|entry| {
        let repeatable = [Operation::UpdateFlow, Operation::UpdateSet].contains(&entry.operation);
        entry.is_from_client() && entry.committed && !repeatable
    }) {
        let what = format!("{:?} {:?}", entry.operation, entry.flow_type);
        *counts.entry(what).or_default() += 1;
    }
    counts
}

/// Takes what follows from a reset in doubt from the run without a fault.
fn forgive(is: &mut Value, should: &Value) {
    let (ours, theirs) = (
        &mut is["cluster"][FLOW]["status"],
        &should["cluster"][FLOW]["status"],
    );
    ours["conditions"] = theirs["conditions"].clone();
    ours["reset"] = theirs["reset"].clone();
    is["cluster"][SET]["status"]["flows"] = should["cluster"][SET]["status"]["flows"].clone();
}

fn reason(object: &Value, type_: &str) -> String {
    let conditions = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = conditions.filter(|condition| condition["type"] == type_);
    let mut told = found.map(|one| format!("{}/{}", text(&one["status"]), text(&one["reason"])));
    told.next().unwrap_or_default()
}

/// Where two states differ.
fn compare(path: &str, is: &Value, should: &Value, places: &mut Vec<String>) {
    if is == should {
        return;
    }
    let (Value::Object(one), Value::Object(other)) = (is, should) else {
        places.push(format!("{path} is {is} and should be {should}"));
        return;
    };
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for name in names {
        compare(&format!("{path}/{name}"), &is[name], &should[name], places);
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::Object(members) => {
            members.retain(|name, _| !PASSING.contains(&name.as_str()));
            for (name, value) in members {
                if GENERATED.contains(&name.as_str()) && !value.is_null() {
                    *value = json!("*");
                } else {
                    mask(value);
                }
            }
        }
        _ => {}
    }
}
