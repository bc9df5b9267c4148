//! What the demo shows: flows become ready, one is reset, all go again.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use industrydata_operator::api::{
    GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow, ResetPhase, condition,
};
use industrydata_simulator::{Entry, Operation, Simulator};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::time::timeout;

use crate::cluster::{self, Cluster};
use crate::screen::Screen;
use crate::sign_in::Access;
use crate::table::{Flows, Table};

/// What takes longer is not going to happen.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often the ages in the table are told anew.
const AGES: Duration = Duration::from_secs(1);

/// The manifests, in the order in which they are applied. They are deleted in the opposite order, so that the
/// credentials are there as long as they are needed.
pub const SAMPLES: [&str; 3] = ["connection.yaml", "flow-set.yaml", "flows.yaml"];

/// How many flows the samples have: one of each type.
const FLOWS: usize = 4;

/// The flow that is reset.
const RESET: &str = "north-security-groups";

/// The value of `spec.resetToken` that it gets.
const TOKEN: &str = "demo-1";

/// The flows of the namespace as they change, and the table that shows them.
pub struct Story<'a> {
    cluster: &'a Cluster,
    simulator: &'a Simulator,
    screen: &'a Screen,
    events: BoxStream<'a, watcher::Result<Event<ProvisioningFlow>>>,
    flows: Flows,
    listed: Flows,
    table: Table,
}

impl<'a> Story<'a> {
    /// Begins to watch.
    pub fn new(cluster: &'a Cluster, simulator: &'a Simulator, screen: &'a Screen) -> Self {
        let api = Api::namespaced(cluster.client.clone(), cluster.namespace);
        Self {
            cluster,
            simulator,
            screen,
            events: watcher(api, watcher::Config::default())
                .default_backoff()
                .boxed(),
            flows: Flows::new(),
            listed: Flows::new(),
            table: Table::new(screen.clone()),
        }
    }

    /// Waits until all four flows are ready.
    pub async fn become_ready(&mut self) -> anyhow::Result<()> {
        let all = |flows: &Flows| flows.len() == FLOWS && flows.values().all(is_ready);
        self.until("the flows to become ready", all).await
    }

    /// Resets a flow, and waits until the service has taken it and calls the flow ready again.
    pub async fn reset(&mut self) -> anyhow::Result<()> {
        let patch = format!(r#"{{"spec":{{"resetToken":"{TOKEN}"}}}}"#);
        self.screen.say(format_args!(
            "\nAll are ready. Now one is reset:\n\n  kubectl patch pflow {RESET} --type merge --patch '{patch}'\n"
        ));
        let before = self.flows.get(RESET).and_then(ready_since);
        let patch = [
            "patch", "pflow", RESET, "--type", "merge", "--patch", &patch,
        ];
        self.cluster.kubectl(&patch).await?;
        self.until("the reset", |flows| {
            let flow = flows.get(RESET);
            flow.is_some_and(|flow| is_reset(flow) && ready_since(flow) != before)
        })
        .await?;
        let status = self.flows.get(RESET).and_then(|flow| flow.status.as_ref());
        let history = status.map(|status| status.readiness_history.iter());
        let words: Vec<_> = history
            .into_iter()
            .flatten()
            .map(|entry| entry.status.as_str())
            .collect();
        self.screen.say(format_args!(
            "\nThe service has taken the reset, and {RESET} has been {}.",
            words.join(", ")
        ));
        Ok(())
    }

    /// Deletes the samples, and waits until they are gone.
    pub async fn delete(&mut self) -> anyhow::Result<()> {
        for file in SAMPLES.iter().rev() {
            let path = cluster::path("deploy/samples")
                .join(file)
                .display()
                .to_string();
            self.screen
                .log(format_args!("deleting deploy/samples/{file}"));
            let arguments = ["delete", "--ignore-not-found", "--filename", &path];
            let deletion = self.cluster.kubectl(&arguments);
            tokio::pin!(deletion);
            let shown = async {
                loop {
                    tokio::select! {
                        deleted = &mut deletion => return deleted,
                        changed = step(&mut self.events, &mut self.flows, &mut self.listed) => changed?,
                    }
                    self.table.show(&self.flows);
                }
            };
            let deleted = timeout(PATIENCE, shown).await;
            deleted.with_context(|| format!("deploy/samples/{file} was not deleted in time"))??;
        }
        self.until("the flows to be gone", Flows::is_empty).await
    }

    /// Looks whether the service was asked for everything once, and has nothing any more.
    pub fn check_service(&self, access: Access) -> anyhow::Result<()> {
        let journal = self.simulator.journal();
        let sets = self.simulator.snapshot().sets;
        let flows: usize = sets.iter().map(|set| set.flows.len()).sum();
        let created = journal.committed(Operation::CreateFlow);
        let resets = journal.committed(Operation::ResetFlow);
        self.screen.say(format_args!(
            "\nThe service was asked {} times: {created} flows created, {resets} reset, {} deleted. It has {} sets \
             and {flows} flows now.",
            journal.count(|_| true),
            journal.committed(Operation::DeleteFlow),
            sets.len(),
        ));
        ensure!(
            sets.is_empty(),
            "the service still has {} sets, with {flows} flows",
            sets.len()
        );
        ensure!(
            created == FLOWS,
            "{created} flows were created, and not {FLOWS}"
        );
        let of_user = |entry: &Entry| {
            let subject = entry.subject.as_deref().unwrap_or_default();
            subject.starts_with("user:")
        };
        let writes = |entry: &&Entry| entry.operation == Operation::CreateFlow && entry.committed;
        let mut writes = journal.entries().iter().filter(writes);
        ensure!(
            writes.all(|entry| of_user(entry) == (access == Access::User)),
            "a flow was created with another access than that of the demo"
        );
        ensure!(resets == 1, "{resets} resets were made, and not one");
        Ok(())
    }

    /// Shows what happens, for ever.
    pub async fn watch(&mut self) -> anyhow::Result<()> {
        loop {
            self.next().await?;
        }
    }

    /// Shows what happens until something holds, and leaves the table as it is then.
    async fn until(&mut self, what: &str, holds: impl Fn(&Flows) -> bool) -> anyhow::Result<()> {
        self.table.show(&self.flows);
        let waiting = async {
            while !holds(&self.flows) {
                self.next().await?;
            }
            anyhow::Ok(())
        };
        let ended = timeout(PATIENCE, waiting).await;
        self.table.settle();
        let seconds = PATIENCE.as_secs();
        ended.unwrap_or_else(|_| bail!("waited {seconds} s in vain for {what}"))
    }

    async fn next(&mut self) -> anyhow::Result<()> {
        step(&mut self.events, &mut self.flows, &mut self.listed).await?;
        self.table.show(&self.flows);
        Ok(())
    }
}

/// Takes in the next change, if there is one soon.
async fn step(
    events: &mut BoxStream<'_, watcher::Result<Event<ProvisioningFlow>>>,
    flows: &mut Flows,
    listed: &mut Flows,
) -> anyhow::Result<()> {
    let Ok(event) = timeout(AGES, events.try_next()).await else {
        return Ok(());
    };
    match event {
        Ok(Some(Event::Init)) => listed.clear(),
        Ok(Some(Event::InitApply(flow))) => drop(listed.insert(flow.name_any(), flow)),
        Ok(Some(Event::InitDone)) => *flows = std::mem::take(listed),
        Ok(Some(Event::Apply(flow))) => drop(flows.insert(flow.name_any(), flow)),
        Ok(Some(Event::Delete(flow))) => drop(flows.remove(&flow.name_any())),
        Ok(None) => bail!("the watch of the flows has ended"),
        // The watch is taken up again by itself.
        Err(error) => tracing::warn!(%error, "the watch of the flows was interrupted"),
    }
    Ok(())
}

fn is_ready(flow: &ProvisioningFlow) -> bool {
    flow.status.as_ref().is_some_and(|status| {
        let ready = status
            .conditions
            .iter()
            .find(|one| one.type_ == condition::READY);
        ready.is_some_and(|ready| ready.status == "True")
            && Some(status.observed_generation) == flow.metadata.generation
    })
}

fn is_reset(flow: &ProvisioningFlow) -> bool {
    let reset = flow
        .status
        .as_ref()
        .and_then(|status| status.reset.as_ref());
    is_ready(flow)
        && reset.is_some_and(|reset| {
            reset.token.as_deref() == Some(TOKEN) && reset.phase == Some(ResetPhase::Accepted)
        })
}

/// Since when the service calls a flow ready: it moves when the flow was not ready in between.
fn ready_since(flow: &ProvisioningFlow) -> Option<Time> {
    let history = &flow.status.as_ref()?.readiness_history;
    let last = history.last().filter(|entry| entry.status == "ready")?;
    Some(last.since.clone())
}

/// What the conditions of all resources say, a line each.
pub async fn conditions(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let (client, namespace) = (&cluster.client, cluster.namespace);
    let all = ListParams::default();
    let mut lines = Vec::new();
    for one in Api::<GraphConnection>::namespaced(client.clone(), namespace)
        .list(&all)
        .await?
    {
        let conditions = one.status.as_ref().map(|status| &status.conditions);
        lines.extend(tell("GraphConnection", &one.name_any(), conditions));
    }
    let sets = Api::<OutboundProvisioningFlowSet>::namespaced(client.clone(), namespace);
    for one in sets.list(&all).await? {
        let conditions = one.status.as_ref().map(|status| &status.conditions);
        lines.extend(tell(
            "OutboundProvisioningFlowSet",
            &one.name_any(),
            conditions,
        ));
    }
    for one in Api::<ProvisioningFlow>::namespaced(client.clone(), namespace)
        .list(&all)
        .await?
    {
        let conditions = one.status.as_ref().map(|status| &status.conditions);
        lines.extend(tell("ProvisioningFlow", &one.name_any(), conditions));
    }
    Ok(lines)
}

fn tell(kind: &str, name: &str, conditions: Option<&Vec<Condition>>) -> Vec<String> {
    let Some(conditions) = conditions.filter(|conditions| !conditions.is_empty()) else {
        return vec![format!("{kind} {name} has no conditions yet")];
    };
    let line = |one: &Condition| {
        format!(
            "{kind} {name}: {}={} {}: {}",
            one.type_, one.status, one.reason, one.message
        )
    };
    conditions.iter().map(line).collect()
}
