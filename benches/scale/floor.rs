//! The bare client: what no operator can do without, and nothing else.
//!
//! It sweeps the sets once before it creates, so that it does not create what exists. Each flow is one POST and three
//! writes to the cluster: the finalizer with the intent, the id, and the readiness. It finds out about readiness by a
//! sweep each second. It checks nothing, repairs nothing, and loses what is in progress when it ends.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use futures::{StreamExt as _, pin_mut};
use industrydata_operator::api::{FINALIZER, annotation};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::apply::flows;
use crate::options::FloorArguments;

/// Requests to the service at the same time: enough for 500 a second at 200 ms.
const REMOTE: usize = 100;

/// Writes to the cluster at the same time. More do not make the API server faster.
const WRITES: usize = 32;

/// Between two sweeps while flows are not ready, and while all are.
const BUSY: Duration = Duration::from_secs(1);
const CALM: Duration = Duration::from_mins(1);

const KINDS: [&str; 4] = ["administrativeUnit", "securityGroup", "classGroup", "user"];

#[derive(Clone)]
struct Floor(Arc<Shared>);

struct Shared {
    flows: Api<DynamicObject>,
    http: reqwest::Client,
    sets: String,
    token: String,
    remote: Semaphore,
    writes: Semaphore,
    /// Names by the ids of flows that are not ready.
    waiting: Mutex<HashMap<String, String>>,
}

#[tokio::main]
pub async fn run(arguments: FloorArguments) -> anyhow::Result<()> {
    let client = Client::try_default().await?;
    let root = arguments.graph_endpoint.as_str().trim_end_matches('/');
    let floor = Floor(Arc::new(Shared {
        flows: flows(client),
        http: reqwest::Client::new(),
        sets: format!("{root}/beta/external/industryData/outboundProvisioningFlowSets"),
        token: arguments.token,
        remote: Semaphore::new(REMOTE),
        writes: Semaphore::new(WRITES),
        waiting: Mutex::default(),
    }));
    floor.sweep().await?;
    tokio::try_join!(floor.create_all(), floor.poll())?;
    Ok(())
}

impl Floor {
    async fn create_all(&self) -> anyhow::Result<()> {
        let events = watcher(self.0.flows.clone(), watcher::Config::default());
        pin_mut!(events);
        let mut known = HashSet::new();
        while let Some(event) = events.next().await {
            let (Event::Apply(flow) | Event::InitApply(flow)) = event? else {
                continue;
            };
            if known.insert(flow.name_any()) {
                let floor = self.clone();
                tokio::spawn(async move {
                    if let Err(error) = floor.create(&flow).await {
                        tracing::error!(flow = flow.name_any(), ?error, "not created");
                    }
                });
            }
        }
        Ok(())
    }

    async fn create(&self, flow: &DynamicObject) -> anyhow::Result<()> {
        let (name, spec) = (flow.name_any(), &flow.data["spec"]);
        let intent = json!({ "metadata": {
            "finalizers": [FINALIZER],
            "annotations": { annotation::CREATE_ATTEMPT: "floor" },
        } });
        self.write(&name, &intent, "").await?;
        let url = format!(
            "{}/{}/provisioningFlows",
            self.0.sets,
            text(&spec["flowSetId"])
        );
        let created = {
            let _permit = self.0.remote.acquire().await?;
            let request = self.0.http.post(url).bearer_auth(&self.0.token);
            let answer = request.json(&body(spec)?).send().await?;
            answer.error_for_status()?.json::<Value>().await?
        };
        let id = text(&created["id"]).to_owned();
        self.write(&name, &status(&id, "False"), "status").await?;
        self.waiting().insert(id, name);
        Ok(())
    }

    /// Finds out which flows have become ready, for as long as the process runs.
    async fn poll(&self) -> anyhow::Result<()> {
        let mut last = Instant::now();
        loop {
            sleep(BUSY).await;
            if self.waiting().is_empty() && last.elapsed() < CALM {
                continue;
            }
            last = Instant::now();
            for id in self.sweep().await? {
                let Some(name) = self.waiting().remove(&id) else {
                    continue;
                };
                let floor = self.clone();
                tokio::spawn(async move {
                    let written = floor.write(&name, &status(&id, "True"), "status").await;
                    if let Err(error) = written {
                        tracing::error!(name, ?error, "not written");
                    }
                });
            }
        }
    }

    /// Lists all flows of all sets, and returns the ids of those that are ready.
    async fn sweep(&self) -> anyhow::Result<Vec<String>> {
        let mut ready = Vec::new();
        let mut next = Some(format!("{}?$expand=provisioningFlows", self.0.sets));
        while let Some(url) = next.take() {
            let answer = self
                .0
                .http
                .get(url)
                .bearer_auth(&self.0.token)
                .send()
                .await?;
            let page: Value = answer.error_for_status()?.json().await?;
            let sets = page["value"].as_array().into_iter().flatten();
            let flows = sets
                .filter_map(|set| set["provisioningFlows"].as_array())
                .flatten();
            let is_ready = |flow: &&Value| flow["readinessStatus"] == "ready";
            ready.extend(
                flows
                    .filter(is_ready)
                    .map(|flow| text(&flow["id"]).to_owned()),
            );
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
        }
        Ok(ready)
    }

    async fn write(&self, name: &str, change: &Value, subresource: &str) -> anyhow::Result<()> {
        let _permit = self.0.writes.acquire().await?;
        let (how, patch) = (PatchParams::default(), Patch::Merge(change));
        match subresource {
            "status" => self.0.flows.patch_status(name, &how, &patch).await?,
            _ => self.0.flows.patch(name, &how, &patch).await?,
        };
        Ok(())
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The remote flow that a spec declares.
fn body(spec: &Value) -> anyhow::Result<Value> {
    let kind = KINDS.into_iter().find(|kind| spec[kind].is_object());
    let kind = kind.context("a flow of no kind")?;
    let mut body = spec[kind].clone();
    body["@odata.type"] = json!(format!(
        "#microsoft.graph.industryData.{kind}ProvisioningFlow"
    ));
    Ok(body)
}

fn status(id: &str, ready: &str) -> Value {
    let condition = json!({
        "type": "Ready", "status": ready, "reason": "Polled", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    json!({ "status": { "observedGeneration": 1, "id": id, "owned": true, "conditions": [condition] } })
}
