//! Cluster and service at one time, compared with what is declared.

use std::collections::BTreeMap;

use industrydata_operator::api::{
    OutboundProvisioningFlowSet, ProvisioningFlow, ResetPhase, condition, reason,
};
use industrydata_simulator::{FlowState, SetState};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use crate::deeds::Deeds;
use crate::model::{self, Declared, Model, TYPES};
use crate::scene::{NAMESPACE, Scene};

/// What there is. Resources by name, remote objects by id.
pub struct Picture {
    sets: BTreeMap<String, OutboundProvisioningFlowSet>,
    flows: BTreeMap<String, ProvisioningFlow>,
    remote_sets: BTreeMap<String, SetState>,
    remote_flows: BTreeMap<String, FlowState>,
}

impl Picture {
    pub async fn take(scene: &Scene) -> anyhow::Result<Self> {
        let all = ListParams::default();
        let sets = Api::<OutboundProvisioningFlowSet>::namespaced(scene.client.clone(), NAMESPACE);
        let flows = Api::<ProvisioningFlow>::namespaced(scene.client.clone(), NAMESPACE);
        let (sets, flows) = (sets.list(&all).await?, flows.list(&all).await?);
        let mut remote_sets = BTreeMap::new();
        let mut remote_flows = BTreeMap::new();
        for set in scene.simulator.snapshot().sets {
            for flow in &set.flows {
                remote_flows.insert(flow.id.to_lowercase(), flow.clone());
            }
            remote_sets.insert(set.id.to_lowercase(), set);
        }
        Ok(Self {
            sets: sets.into_iter().map(|set| (set.name_any(), set)).collect(),
            flows: flows
                .into_iter()
                .map(|flow| (flow.name_any(), flow))
                .collect(),
            remote_sets,
            remote_flows,
        })
    }

    /// What is not as declared. Empty: all is, and there is nothing else.
    pub fn unsettled(&self, scene: &Scene, model: &Model) -> Vec<String> {
        let mut left = Vec::new();
        let (mut sets, mut flows) = (self.remote_sets.clone(), self.remote_flows.clone());
        let (mut other_sets, mut other_flows) = (self.sets.clone(), self.flows.clone());
        for place in &model.sets {
            let Some(declared) = &place.declared else {
                continue;
            };
            let set = other_sets.remove(&place.name);
            let id = set.as_ref().and_then(|set| set.status.as_ref()?.id.clone());
            let remote = id.and_then(|id| sets.remove(&id.to_lowercase()));
            if let Some(what) = wrong_set(declared, &place.name, set.as_ref(), remote.as_ref()) {
                left.push(format!("{} (uid {}): {what}", place.name, declared.uid));
            }
        }
        for (number, place) in model.flows.iter().enumerate() {
            let Some(declared) = &place.declared else {
                continue;
            };
            let flow = other_flows.remove(&place.name);
            let id = flow
                .as_ref()
                .and_then(|flow| flow.status.as_ref()?.id.clone());
            let remote = id.and_then(|id| flows.remove(&id.to_lowercase()));
            let wrong = wrong_flow(declared, flow.as_ref(), remote.as_ref(), number)
                .or_else(|| wrong_password(scene, model, number, remote.as_ref()));
            if let Some(what) = wrong {
                let id = remote.map(|remote| remote.id);
                left.push(format!(
                    "{} (uid {}, id {id:?}): {what}",
                    place.name, declared.uid
                ));
            }
        }
        left.extend(
            other_sets
                .values()
                .map(|set| format!("{} is still there: {:?}", set.name_any(), set.status)),
        );
        left.extend(
            other_flows
                .values()
                .map(|flow| format!("{} is still there: {:?}", flow.name_any(), flow.status)),
        );
        left.extend(
            sets.keys()
                .map(|id| format!("the service has a set that nobody declares: {id}")),
        );
        left.extend(
            flows
                .keys()
                .map(|id| format!("the service has a flow that nobody declares: {id}")),
        );
        left
    }

    /// Asks anew for what has failed and waits for its next try.
    pub async fn ask_again(&self, deeds: &Deeds<'_>) -> anyhow::Result<()> {
        for (name, set) in &self.sets {
            if set
                .status
                .as_ref()
                .is_some_and(|status| status.retry.is_some())
            {
                deeds.ask_again(true, name).await?;
            }
        }
        for (name, flow) in &self.flows {
            if flow
                .status
                .as_ref()
                .is_some_and(|status| status.retry.is_some())
            {
                deeds.ask_again(false, name).await?;
            }
        }
        Ok(())
    }
}

fn wrong_set(
    declared: &Declared,
    name: &str,
    set: Option<&OutboundProvisioningFlowSet>,
    remote: Option<&SetState>,
) -> Option<String> {
    let Some(set) = set.filter(|set| set.uid().as_ref() == Some(&declared.uid)) else {
        return Some("the resource is gone".to_owned());
    };
    let status = set.status.clone().unwrap_or_default();
    let school = format!("school-{}", declared.variant);
    let is_as_declared = remote.is_some_and(|remote| {
        remote.display_name == model::display_name(name, declared.variant)
            && remote.resource.to_string().contains(&school)
    });
    let is_current = Some(status.observed_generation) == set.metadata.generation;
    (!is_current || told(&status.conditions) != READY || !is_as_declared)
        .then(|| format!("{} and remote {remote:?}", moods(&status.conditions)))
}

fn wrong_flow(
    declared: &Declared,
    flow: Option<&ProvisioningFlow>,
    remote: Option<&FlowState>,
    number: usize,
) -> Option<String> {
    let Some(flow) = flow.filter(|flow| flow.uid().as_ref() == Some(&declared.uid)) else {
        return Some("the resource is gone".to_owned());
    };
    let status = flow.status.clone().unwrap_or_default();
    let reset = status.reset.unwrap_or_default();
    let is_current = Some(status.observed_generation) == flow.metadata.generation;
    let mood = told(&status.conditions);
    // Who asked for a reset is told if nobody knows whether it was made.
    let stands = if reset.phase == Some(ResetPhase::Unknown) {
        mood.1 == [reason::RESET_UNKNOWN]
    } else {
        mood == READY
    };
    let phase_is_final = !matches!(reset.phase, Some(ResetPhase::Sending | ResetPhase::Refused));
    let is_as_declared = remote.is_some_and(|remote| {
        remote.flow_type == TYPES[number % 4]
            && model::is_variant(remote.flow_type, &remote.resource, declared.variant)
    });
    let is_right =
        is_current && stands && phase_is_final && reset.token == declared.token && is_as_declared;
    (!is_right).then(|| {
        format!(
            "{}, reset {:?} {:?} of {:?}, and remote {remote:?}",
            moods(&status.conditions),
            reset.token,
            reset.phase,
            declared.token
        )
    })
}

fn wrong_password(
    scene: &Scene,
    model: &Model,
    number: usize,
    remote: Option<&FlowState>,
) -> Option<String> {
    let remote = remote.filter(|remote| remote.flow_type == TYPES[3])?;
    let password = model.password(number);
    let has = scene.simulator.has_password(&remote.id, "staff", &password);
    (!has.unwrap_or_default()).then(|| "another password at the service".to_owned())
}

/// Ready, and neither under way nor stalled.
const READY: (bool, Vec<&str>) = (true, Vec::new());

/// Whether it is Ready, and the reasons why it is under way or stalled.
fn told(conditions: &[Condition]) -> (bool, Vec<&str>) {
    let is = |one: &&Condition, types: &[&str]| types.contains(&one.type_.as_str());
    let mut ready = conditions.iter().filter(|one| is(one, &[condition::READY]));
    let moving = conditions
        .iter()
        .filter(|one| is(one, &[condition::RECONCILING, condition::STALLED]));
    (
        ready.any(|one| one.status == "True"),
        moving.map(|one| one.reason.as_str()).collect(),
    )
}

fn moods(conditions: &[Condition]) -> String {
    let each = conditions
        .iter()
        .map(|one| format!("{}={} {}", one.type_, one.status, one.reason));
    each.collect::<Vec<_>>().join(", ")
}
