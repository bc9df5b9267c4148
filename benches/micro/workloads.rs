//! What is measured: the decisions that are made for each flow and each poll.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use industrydata_operator::api::{FINALIZER, ProvisioningFlow, ProvisioningFlowStatus};
use industrydata_operator::graph::model::{Flow, FlowDefinition, KnownProperties, Listing};
use industrydata_operator::plan::flow::FlowRelations;
use industrydata_operator::plan::poll::ListComparison;
use industrydata_operator::plan::{
    Container, Effects, Input, Limits, Memory, Plan, Planned, Read, ResourceStep, Step, Target,
    View, compare,
};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

const SET: &str = "11111111-2222-4333-8444-08dd00000001";

/// Plans until a flow is settled, at most.
const STEPS: usize = 10;

/// Items of a full page of the service.
const PAGE: usize = 100;

/// All inputs.
pub struct Inputs {
    new: Input<ProvisioningFlow>,
    settled: Input<ProvisioningFlow>,
    definition: FlowDefinition,
    remote: Flow,
    page: Vec<Vec<u8>>,
    /// The properties of the flows in `before` and `after`, which are those of the page.
    known: KnownProperties,
    before: Vec<Flow>,
    after: Vec<Flow>,
}

/// A workload: its name, which is also that of its function, and the function.
pub type Workload = (&'static str, fn(&Inputs));

pub const ALL: [Workload; 6] = [
    ("plan_of_a_new_flow", plan_of_a_new_flow),
    ("plan_of_a_settled_flow", plan_of_a_settled_flow),
    ("comparison_of_a_flow", comparison_of_a_flow),
    ("parsing_of_a_page", parsing_of_a_page),
    ("parsing_of_an_unchanged_page", parsing_of_an_unchanged_page),
    ("comparison_of_two_lists", comparison_of_two_lists),
];

#[inline(never)]
fn plan_of_a_new_flow(inputs: &Inputs) {
    let plan = ProvisioningFlow::plan(&inputs.new);
    let is_intent = matches!(
        plan.step,
        Some(Step::Resource(ResourceStep::WriteIntent { .. }))
    );
    assert!(is_intent, "{plan:?}");
}

#[inline(never)]
fn plan_of_a_settled_flow(inputs: &Inputs) {
    let plan = ProvisioningFlow::plan(&inputs.settled);
    assert!(is_settled(&inputs.settled, &plan), "{plan:?}");
}

#[inline(never)]
fn comparison_of_a_flow(inputs: &Inputs) {
    let found = compare::flow(
        &inputs.definition.properties,
        &inputs.remote.properties.to_map(),
    );
    assert!(found.drift.is_empty(), "{found:?}");
}

#[inline(never)]
fn parsing_of_a_page(inputs: &Inputs) {
    let parse = |item: &&Vec<u8>| Flow::parse(item, &KnownProperties::default()).is_ok();
    assert_eq!(inputs.page.iter().filter(parse).count(), PAGE);
}

#[inline(never)]
fn parsing_of_an_unchanged_page(inputs: &Inputs) {
    let parse = |item: &&Vec<u8>| Flow::parse(item, &inputs.known).is_ok();
    assert_eq!(inputs.page.iter().filter(parse).count(), PAGE);
}

/// Half of the items have changed, each of which is in the result as it was and as it is.
#[inline(never)]
fn comparison_of_two_lists(inputs: &Inputs) {
    let comparison = ListComparison::new(&inputs.before, &inputs.after, |flow| &flow.id);
    assert_eq!(comparison.changed().len(), PAGE);
}

impl Inputs {
    /// # Errors
    ///
    /// If a sample does not parse.
    pub fn prepare() -> anyhow::Result<Self> {
        let pages = (0..PAGE).map(|number| remote(number, "ready").to_string().into_bytes());
        let page: Vec<Vec<u8>> = pages.collect();
        let known = KnownProperties::default();
        let flows = |word: &dyn Fn(usize) -> &'static str| {
            let flows = (0..PAGE).map(|number| remote(number, word(number)).to_string());
            flows
                .map(|json| Flow::parse(json.as_bytes(), &known))
                .collect::<Result<Vec<_>, _>>()
        };
        let before = flows(&|_| "notReady")?;
        let after = flows(&|number| if number % 2 == 0 { "ready" } else { "notReady" })?;
        let resource = resource()?;
        let definition = FlowDefinition::of(&resource.spec).context("a spec without a type")?;
        let mut new = input(resource)?;
        new.collection = Some(Read::Known(view(Vec::new())?));
        Ok(Self {
            settled: settled(&new, after[0].clone())?,
            new,
            definition,
            remote: after[0].clone(),
            page,
            known,
            before,
            after,
        })
    }
}

/// The flow as it is once nothing is left to do.
fn settled(new: &Input<ProvisioningFlow>, remote: Flow) -> anyhow::Result<Input<ProvisioningFlow>> {
    let mut input = new.clone();
    let mut resource = ProvisioningFlow::clone(&input.resource);
    resource.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    input.status.id = Some(remote.id.to_string());
    input.status.owned = true;
    input.collection = Some(Read::Known(view(vec![remote])?));
    for _ in 0..STEPS {
        resource.status = Some(input.status.clone());
        input.resource = Arc::new(resource.clone());
        let plan = ProvisioningFlow::plan(&input);
        if is_settled(&input, &plan) {
            return Ok(input);
        }
        input.status = plan.status;
        input.memory = plan.memory;
    }
    bail!("the flow does not settle")
}

fn is_settled(input: &Input<ProvisioningFlow>, plan: &Plan<ProvisioningFlow>) -> bool {
    plan.step.is_none() && Some(&plan.status) == input.resource.status.as_ref()
}

fn input(resource: ProvisioningFlow) -> anyhow::Result<Input<ProvisioningFlow>> {
    Ok(Input {
        resource: Arc::new(resource),
        status: ProvisioningFlowStatus {
            observed_generation: -1,
            ..ProvisioningFlowStatus::default()
        },
        now: now()?,
        uuid: Uuid::from_u128(7),
        target: Ok(Target {
            set: Some(SET.parse()?),
            revision: "1".to_owned(),
        }),
        collection: None,
        related: FlowRelations {
            conflict: None,
            passwords: Ok(Vec::new()),
        },
        memory: Memory::default(),
        effects: Effects::default(),
        limits: Limits {
            visibility_window: SignedDuration::from_secs(45),
            dependency_grace: SignedDuration::from_secs(5),
        },
    })
}

fn now() -> anyhow::Result<Timestamp> {
    Ok("2026-11-23T08:00:00Z".parse()?)
}

fn view(items: Vec<Flow>) -> anyhow::Result<View<Flow>> {
    let listing = Listing::of(items, now()?);
    Ok(View {
        listing: Arc::new(listing),
        container: Container::Exists,
        began: now()?,
        uptime: SignedDuration::from_mins(1),
        fresh: true,
    })
}

fn resource() -> anyhow::Result<ProvisioningFlow> {
    let metadata = json!({
        "name": "classes", "namespace": "schools", "uid": "classes", "generation": 1, "resourceVersion": "1",
        "creationTimestamp": "2026-11-23T07:59:00Z",
    });
    let spec = json!({
        "flowSetId": SET,
        "connectionRef": { "name": "contoso" },
        "classGroup": { "configuration": configuration() },
    });
    Ok(serde_json::from_value(json!({
        "apiVersion": "industrydata.dev/v1alpha1",
        "kind": "ProvisioningFlow",
        "metadata": metadata,
        "spec": spec,
    }))?)
}

/// A flow as the service returns it.
fn remote(number: usize, readiness: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.industryData.classGroupProvisioningFlow",
        "id": format!("aaaaaaaa-bbbb-4ccc-8ddd-{number:012}"),
        "createdDateTime": "2026-11-23T07:59:30Z",
        "lastModifiedDateTime": "2026-11-23T07:59:30Z",
        "readinessStatus": readiness,
        "configuration": configuration(),
    })
}

fn configuration() -> Value {
    json!({
        "additionalAttributes": ["courseTitle", "classCode"],
        "additionalOptions": { "createTeam": true, "writeDisplayNameOnCreateOnly": false },
        "enrollmentMappings": {
            "ownerEnrollmentMappings": [{ "code": "teacher" }],
            "memberEnrollmentMappings": [{ "code": "student" }],
        },
    })
}
