//! Provisioning flow sets: list, count, get, create, update, delete.

use axum::http::StatusCode;
use serde_json::Value;

use crate::{
    behavior::Reception,
    flow,
    flow_type::NAMESPACE,
    odata::{Expand, Item},
    problem::Problem,
    render::{RoleGroups, context, flows_context},
    reply::Reply,
    schema::FLOW_SET,
    store::FlowSet,
    validate::{self, Object},
    world::{Call, World},
    writes::{apply, body, refuse_during_run, updated},
};

pub(crate) const COLLECTION: &str = "outboundProvisioningFlowSets";

pub(crate) fn list(world: &World, call: &Call<'_>) -> Reply {
    let sets = world.seen(call).sets();
    let items = sets
        .map(|set| Item {
            ordinal: set.ordinal,
            object: shown(world, call, set),
        })
        .collect();
    let context = context(&call.request.base, COLLECTION);
    Reply::json(
        StatusCode::OK,
        call.query.page(context, items, call.paging, call.request),
    )
}

pub(crate) fn count(world: &World, call: &Call<'_>) -> Reply {
    Reply::text(world.seen(call).sets().count().to_string())
}

pub(crate) fn get(world: &World, call: &Call<'_>, id: &str) -> Result<Reply, Problem> {
    let set = world.seen(call).set(id, world.id_case())?;
    Ok(Reply::json(StatusCode::OK, entity(world, call, set)))
}

pub(crate) fn create(world: &mut World, call: &Call<'_>) -> Result<Reply, Problem> {
    let given = body(call)?;
    let (given, nested) = deep_insert(world, given)?;
    let properties = checked(world, &given, None)?;
    validate::complete(&FLOW_SET, &properties)?;
    if world
        .behavior
        .limits
        .flow_sets
        .is_some_and(|most| world.store.current().sets().count() >= most)
    {
        return Err(Problem::bad_request(
            "there are too many outbound provisioning flow sets",
        ));
    }
    let flows = nested
        .iter()
        .map(|one| flow::made(world, one))
        .collect::<Result<Vec<_>, Problem>>()?;
    flow::distinct(&flows)?;
    let now = world.commit(call);
    let (id, ordinal) = (world.ids.guid(), world.store.next_ordinal());
    let set = FlowSet {
        id: id.clone(),
        ordinal,
        properties,
        created: now,
        modified: now,
        flows,
    };
    let answer = entity(world, call, &set);
    world.store.insert(set);
    Ok(Reply::json(StatusCode::CREATED, answer).changed_set(&id))
}

pub(crate) fn update(world: &mut World, call: &Call<'_>, id: &str) -> Result<Reply, Problem> {
    let given = body(call)?;
    let old = world.store.current().set(id, world.id_case())?;
    let (id, mut properties) = (old.id.clone(), old.properties.clone());
    let changes = checked(world, &given, Some(&id))?;
    apply(&mut properties, changes, world.behavior.patch_complex);
    validate::complete(&FLOW_SET, &properties)?;
    let now = world.commit(call);
    let set = world.store.set_mut(&id, world.id_case())?;
    set.properties = properties;
    set.modified = now;
    let set = set.clone();
    Ok(updated(world, entity(world, call, &set)).changed_set(&id))
}

pub(crate) fn delete(world: &mut World, call: &Call<'_>, id: &str) -> Result<Reply, Problem> {
    let set = world.store.current().set(id, world.id_case())?;
    let (id, has_flows) = (set.id.clone(), !set.flows.is_empty());
    if let (true, Some(refusal)) = (has_flows, &world.behavior.delete_set_with_flows) {
        return Err(Problem::refused(
            refusal,
            "the set still has provisioning flows",
        ));
    }
    refuse_during_run(world, world.behavior.delete_during_run.as_ref())?;
    world.commit(call);
    world.store.remove_set(&id);
    Ok(Reply::empty(StatusCode::NO_CONTENT).changed_set(&id))
}

fn entity(world: &World, call: &Call<'_>, set: &FlowSet) -> Object {
    let mut object = call.query.selected(shown(world, call, set));
    let context = format!("{}/$entity", context(&call.request.base, COLLECTION));
    object.insert("@odata.context".to_owned(), Value::from(context));
    object
}

fn shown(world: &World, call: &Call<'_>, set: &FlowSet) -> Object {
    let renderer = world.renderer(call, RoleGroups::Expanded);
    let mut object = renderer.set(set);
    if call.query.expand == Expand::ProvisioningFlows {
        let flows = set
            .flows
            .iter()
            .map(|flow| Value::Object(renderer.flow(&set.id, flow)))
            .collect();
        object.insert("provisioningFlows".to_owned(), flows);
        let context = flows_context(&call.request.base, &set.id);
        object.insert(
            "provisioningFlows@odata.context".to_owned(),
            Value::from(context),
        );
    }
    object
}

/// Parts the flows inside a set from the set.
fn deep_insert(world: &World, mut given: Object) -> Result<(Object, Vec<Value>), Problem> {
    let name = given
        .keys()
        .find(|name| name.eq_ignore_ascii_case("provisioningFlows"))
        .cloned();
    let nested = name.and_then(|name| given.remove(&name));
    match (nested, world.behavior.deep_insert) {
        (None, _) | (Some(_), Reception::Ignore) => Ok((given, Vec::new())),
        (Some(Value::Array(flows)), Reception::Accept) => Ok((given, flows)),
        (Some(_), _) => Err(
            Problem::bad_request("flows cannot be created with their set")
                .about("provisioningFlows"),
        ),
    }
}

/// The properties of a request for the set `id`, or for a new one.
fn checked(world: &World, given: &Object, id: Option<&str>) -> Result<Object, Problem> {
    let wanted = format!("{NAMESPACE}{}", FLOW_SET.name);
    let said = given.get("@odata.type").and_then(Value::as_str);
    if said.is_some_and(|said| said.trim_start_matches('#') != wanted.trim_start_matches('#')) {
        return Err(Problem::bad_request("Invalid OData type specified").about("@odata.type"));
    }
    let mut properties = validate::resource(&FLOW_SET, given, &world.behavior)?;
    check_name(world, &properties, id)?;
    check_filter(world, &mut properties, id)?;
    Ok(properties)
}

fn check_name(world: &World, properties: &Object, id: Option<&str>) -> Result<(), Problem> {
    let Some(name) = properties.get("displayName") else {
        return Ok(());
    };
    let length = name.as_str().unwrap_or_default().chars().count();
    if world
        .behavior
        .limits
        .display_name
        .is_some_and(|most| length > most)
    {
        return Err(Problem::bad_request("`displayName` is too long").about("displayName"));
    }
    let taken = others(world, id).any(|set| set.properties.get("displayName") == Some(name));
    match &world.behavior.duplicate_set_name {
        Some(refusal) if taken => {
            Err(Problem::refused(refusal, "another set has this name").about("displayName"))
        }
        _ => Ok(()),
    }
}

fn check_filter(world: &World, properties: &mut Object, id: Option<&str>) -> Result<(), Problem> {
    let schools = schools(properties).to_vec();
    if world
        .behavior
        .limits
        .filter_values
        .is_some_and(|most| schools.len() > most)
    {
        return Err(Problem::bad_request("`in` has too many values").about("in"));
    }
    if schools.is_empty() && properties.get("filter").is_some_and(Value::is_object) {
        match world.behavior.empty_filter {
            Reception::Accept => {}
            Reception::Ignore => _ = properties.insert("filter".to_owned(), Value::Null),
            Reception::Refuse => {
                return Err(Problem::bad_request("`in` must not be empty").about("in"));
            }
        }
    }
    let shared = |set: &FlowSet| {
        self::schools(&set.properties)
            .iter()
            .any(|school| schools.contains(school))
    };
    match &world.behavior.overlapping_filter {
        Some(refusal) if others(world, id).any(shared) => Err(Problem::refused(
            refusal,
            "another set selects one of these schools",
        )
        .about("filter")),
        _ => Ok(()),
    }
}

fn others<'a>(world: &'a World, id: Option<&'a str>) -> impl Iterator<Item = &'a FlowSet> {
    world
        .store
        .current()
        .sets()
        .filter(move |set| Some(set.id.as_str()) != id)
}

fn schools(properties: &Object) -> &[Value] {
    let values = properties.get("filter").and_then(|filter| filter.get("in"));
    values.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
