//! What users do: they apply a connection and flows, and wait until all are ready.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::{StreamExt as _, pin_mut};
use industrydata_operator::api::{GraphConnection, ProvisioningFlow};
use kube::api::{Api, ApiResource, DynamicObject, Object, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::bed::{self, Bed, NAMESPACE};
use crate::process::Process;
use crate::token::{CLIENT, SECRET, TENANT};

/// How many resources are created at the same time. More do not make the API server faster.
const AT_A_TIME: usize = 32;

const CONNECTION: &str = "contoso";

/// A flow, read only as far as it tells whether it is ready.
pub type Watched = Object<Unread, Status>;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Unread {}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

/// Applies the connection, with the budget open, and waits until it is ready.
pub async fn connect(bed: &Bed, process: &mut Process) -> anyhow::Result<()> {
    bed.plane.apply(&connection()).await?;
    let api = Api::<GraphConnection>::namespaced(bed.client.clone(), NAMESPACE);
    for _ in 0..600 {
        process.check()?;
        let status = api.get(CONNECTION).await?.status;
        let conditions = status.map(|status| status.conditions).unwrap_or_default();
        if conditions
            .iter()
            .any(|one| one.type_ == "Ready" && one.status == "True")
        {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("the connection is not ready after a minute")
}

fn connection() -> String {
    let metadata = json!({ "name": CONNECTION, "namespace": NAMESPACE });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": { "clientSecret": SECRET },
    });
    let connection = json!({
        "apiVersion": "industrydata.dev/v1alpha1",
        "kind": "GraphConnection",
        "metadata": metadata,
        "spec": {
            "tenantId": TENANT,
            "clientId": CLIENT,
            "credential": { "clientSecret": { "secretKeyRef": { "name": CONNECTION, "key": "clientSecret" } } },
            "pollInterval": "60s",
            "requestBudget": { "perSecond": 1000, "burst": 1000 },
        },
    });
    format!("{secret}\n---\n{connection}\n")
}

/// Creates all flows, and returns how long that took.
pub async fn apply(bed: &Bed) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let api: Api<DynamicObject> = flows(bed.client.clone());
    let create = async |number: usize| {
        let flow = serde_json::from_value(flow(number, &bed.sets[number / 4]))?;
        let created = api.create(&PostParams::default(), &flow).await;
        created.map(drop).context("failed to create a flow")
    };
    bed::all((0..bed.flows).map(create), AT_A_TIME).await?;
    Ok(start.elapsed())
}

/// Flows as any client reads them.
pub fn flows<K>(client: Client) -> Api<K>
where
    K: kube::Resource<DynamicType = ApiResource, Scope = kube::core::DynamicResourceScope>,
{
    Api::namespaced_with(
        client,
        NAMESPACE,
        &ApiResource::erase::<ProvisioningFlow>(&()),
    )
}

/// The four types in turn.
fn flow(number: usize, set: &str) -> Value {
    let (kind, options) = match number % 4 {
        0 => (
            "administrativeUnit",
            json!({ "creationOptions": { "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false } }),
        ),
        1 => (
            "securityGroup",
            json!({ "creationOptions": { "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": false } }),
        ),
        2 => (
            "classGroup",
            json!({ "configuration": {
                "additionalAttributes": ["courseTitle", "classCode"],
                "additionalOptions": { "createTeam": true, "writeDisplayNameOnCreateOnly": false },
                "enrollmentMappings": {
                    "ownerEnrollmentMappings": [{ "code": "teacher" }],
                    "memberEnrollmentMappings": [{ "code": "student" }],
                },
            } }),
        ),
        _ => (
            "user",
            json!({
                "createUnmatchedUsers": true,
                "managementOptions": {
                    "additionalAttributes": ["userGradeLevel"],
                    "additionalOptions": { "studentAgeGroup": "minor", "allowStudentContactAssociation": false },
                },
            }),
        ),
    };
    json!({
        "apiVersion": "industrydata.dev/v1alpha1",
        "kind": "ProvisioningFlow",
        "metadata": { "name": format!("flow-{number}"), "namespace": NAMESPACE },
        "spec": { "flowSetId": set, "connectionRef": { "name": CONNECTION }, kind: options },
    })
}

/// Waits until all flows are ready.
pub async fn all_ready(bed: &Bed, process: &mut Process, patience: Duration) -> anyhow::Result<()> {
    let events = watcher(
        flows::<Watched>(bed.client.clone()),
        watcher::Config::default(),
    );
    pin_mut!(events);
    let deadline = Instant::now() + patience;
    let mut ready = HashSet::new();
    while ready.len() < bed.flows {
        let left = deadline.saturating_duration_since(Instant::now());
        anyhow::ensure!(
            !left.is_zero(),
            "{} of {} flows are ready",
            ready.len(),
            bed.flows
        );
        process.check()?;
        let event = tokio::time::timeout(left.min(Duration::from_secs(5)), events.next()).await;
        if let Ok(Some(Ok(Event::Apply(flow) | Event::InitApply(flow)))) = event
            && is_ready(&flow)
        {
            ready.insert(flow.name_any());
        }
    }
    Ok(())
}

fn is_ready(flow: &Watched) -> bool {
    let conditions = flow.status.iter().flat_map(|status| &status.conditions);
    let mut ready = conditions.filter(|one| one.type_ == "Ready");
    ready.any(|one| one.status == "True")
}
