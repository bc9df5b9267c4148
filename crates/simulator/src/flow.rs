//! Provisioning flows: list, count, get, create, update, delete, reset.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    behavior::{Refusal, ResetReadiness},
    clock::later,
    flow_type::FlowType,
    odata::Item,
    problem::Problem,
    readiness::Readiness,
    render::{RoleGroups, flows_context},
    reply::Reply,
    store::Flow,
    throttle::RetryAfter,
    validate::{self, Object},
    world::{Call, World},
    writes::{apply, body, refuse_during_run, updated},
};

pub(crate) fn list(world: &World, call: &Call<'_>, set: &str) -> Result<Reply, Problem> {
    let set = world.seen(call).set(set, world.id_case())?;
    let renderer = world.renderer(call, RoleGroups::Expanded);
    let item = |flow: &Flow| Item {
        ordinal: flow.ordinal,
        object: renderer.flow(&set.id, flow),
    };
    let items = set.flows.iter().map(item).collect();
    let context = flows_context(&call.request.base, &set.id);
    Ok(Reply::json(
        StatusCode::OK,
        call.query.page(context, items, call.paging, call.request),
    ))
}

pub(crate) fn count(world: &World, call: &Call<'_>, set: &str) -> Result<Reply, Problem> {
    let set = world.seen(call).set(set, world.id_case())?;
    Ok(Reply::text(set.flows.len().to_string()))
}

pub(crate) fn get(world: &World, call: &Call<'_>, set: &str, flow: &str) -> Result<Reply, Problem> {
    let (set, flow) = world.seen(call).flow(set, flow, world.id_case())?;
    Ok(Reply::json(
        StatusCode::OK,
        entity(world, call, &set.id, flow, RoleGroups::Expanded),
    ))
}

pub(crate) fn create(world: &mut World, call: &Call<'_>, set: &str) -> Result<Reply, Problem> {
    let given = Value::Object(body(call)?);
    let set = world.store.current().set(set, world.id_case())?.id.clone();
    let mut flow = made(world, &given)?;
    let flows = &world.store.current().set(&set, world.id_case())?.flows;
    if flows.iter().any(|other| other.kind == flow.kind)
        && let Some(refusal) = &world.behavior.second_flow_of_type
    {
        return Err(second_of_type(refusal));
    }
    let now = world.commit(call);
    (flow.created, flow.modified) = (now, now);
    let answer = entity(world, call, &set, &flow, RoleGroups::Omitted);
    let reply = Reply::json(StatusCode::CREATED, answer).changed_flow(&set, &flow.id, flow.kind);
    world.store.set_mut(&set, world.id_case())?.flows.push(flow);
    Ok(reply)
}

pub(crate) fn update(
    world: &mut World,
    call: &Call<'_>,
    set: &str,
    flow: &str,
) -> Result<Reply, Problem> {
    let given = body(call)?;
    let (set, old) = world.store.current().flow(set, flow, world.id_case())?;
    let (set, mut new) = (set.id.clone(), old.clone());
    check_type(world, &given, new.kind)?;
    let changes = validate::resource(new.kind.schema(), &given, &world.behavior)?;
    let before = new.properties.clone();
    apply(&mut new.properties, changes, world.behavior.patch_complex);
    if world.behavior.omitted_password_keeps {
        validate::keep_passwords(&before, &mut new.properties);
    }
    validate::complete(new.kind.schema(), &new.properties)?;
    check_limits(world, &new.properties)?;
    new.modified = world.commit(call);
    let (id, kind) = (new.id.clone(), new.kind);
    let answer = entity(world, call, &set, &new, RoleGroups::Expanded);
    *world.store.flow_mut(&set, &id, world.id_case())? = new;
    Ok(updated(world, answer).changed_flow(&set, &id, kind))
}

pub(crate) fn delete(
    world: &mut World,
    call: &Call<'_>,
    set: &str,
    flow: &str,
) -> Result<Reply, Problem> {
    let (set, flow) = world.store.current().flow(set, flow, world.id_case())?;
    let (set, id, kind) = (set.id.clone(), flow.id.clone(), flow.kind);
    let readiness = flow.readiness.at(world.now());
    if world
        .behavior
        .undeletable_readiness
        .iter()
        .any(|refused| refused == readiness)
    {
        return Err(Problem::refused(
            &Refusal::new(409, "Conflict"),
            format!("a flow that is {readiness} stays"),
        ));
    }
    refuse_during_run(world, world.behavior.delete_during_run.as_ref())?;
    world.commit(call);
    world
        .store
        .set_mut(&set, world.id_case())?
        .flows
        .retain(|flow| flow.id != id);
    Ok(Reply::empty(StatusCode::NO_CONTENT).changed_flow(&set, &id, kind))
}

pub(crate) fn reset(
    world: &mut World,
    call: &Call<'_>,
    set: &str,
    flow: &str,
) -> Result<Reply, Problem> {
    let (set, flow) = world.store.current().flow(set, flow, world.id_case())?;
    let (set, id, kind, last) = (set.id.clone(), flow.id.clone(), flow.kind, flow.last_reset);
    refuse_during_run(world, world.behavior.reset_during_run.as_ref())?;
    check_interval(world, last)?;
    let now = world.commit(call);
    let script = world.behavior.readiness.clone();
    let restarts = world.behavior.reset_readiness == ResetReadiness::Restart;
    let flow = world.store.flow_mut(&set, &id, world.id_case())?;
    flow.last_reset = Some(now);
    if restarts {
        flow.readiness = Readiness::started(now, script);
    }
    Ok(Reply::empty(StatusCode::ACCEPTED).changed_flow(&set, &id, kind))
}

/// A flow from the body of its creation, not yet in any set.
pub(crate) fn made(world: &mut World, given: &Value) -> Result<Flow, Problem> {
    let wrong = || Problem::bad_request("Invalid OData type specified").about("@odata.type");
    let given = given.as_object().ok_or_else(wrong)?;
    let said = given.get("@odata.type").and_then(Value::as_str);
    let kind = said.and_then(FlowType::from_odata_type).ok_or_else(wrong)?;
    let properties = validate::resource(kind.schema(), given, &world.behavior)?;
    validate::complete(kind.schema(), &properties)?;
    check_limits(world, &properties)?;
    let now = world.now();
    Ok(Flow {
        id: world.ids.guid(),
        ordinal: world.store.next_ordinal(),
        kind,
        properties,
        created: now,
        modified: now,
        readiness: Readiness::started(now, world.behavior.readiness.clone()),
        last_reset: None,
    })
}

/// Refuses two flows of one type.
pub(crate) fn distinct(flows: &[Flow]) -> Result<(), Problem> {
    let repeated = |at: usize, flow: &Flow| {
        flows
            .iter()
            .skip(at + 1)
            .any(|other| other.kind == flow.kind)
    };
    if flows
        .iter()
        .enumerate()
        .any(|(at, flow)| repeated(at, flow))
    {
        return Err(second_of_type(&Refusal::new(400, "BadRequest")));
    }
    Ok(())
}

fn second_of_type(refusal: &Refusal) -> Problem {
    Problem::refused(
        refusal,
        "the set has a provisioning flow of this type already",
    )
}

fn entity(
    world: &World,
    call: &Call<'_>,
    set: &str,
    flow: &Flow,
    role_groups: RoleGroups,
) -> Object {
    let mut object = call
        .query
        .selected(world.renderer(call, role_groups).flow(set, flow));
    let context = format!("{}/$entity", flows_context(&call.request.base, set));
    object.insert("@odata.context".to_owned(), Value::from(context));
    object
}

fn check_type(world: &World, given: &Object, kind: FlowType) -> Result<(), Problem> {
    match given.get("@odata.type").and_then(Value::as_str) {
        Some(said) if FlowType::from_odata_type(said) == Some(kind) => Ok(()),
        None if !world.behavior.patch_requires_type => Ok(()),
        _ => Err(Problem::bad_request("Invalid OData type specified").about("@odata.type")),
    }
}

fn check_limits(world: &World, properties: &Object) -> Result<(), Problem> {
    let many = validate::configurations(properties).len();
    match world.behavior.limits.configurations {
        Some(most) if many > most => Err(Problem::bad_request("there are too many configurations")),
        _ => Ok(()),
    }
}

fn check_interval(world: &World, last: Option<Timestamp>) -> Result<(), Problem> {
    let now = world.now();
    let due = last.map_or(now, |last| later(last, world.behavior.reset_interval));
    if due <= now {
        return Ok(());
    }
    let wait = due.duration_since(now).as_secs_f64().ceil();
    Err(Problem::throttled(Some(RetryAfter::Decimal(wait))))
}
