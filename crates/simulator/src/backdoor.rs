//! Changes behind the operator's back: no token, no faults, visible at once, and on record as `control`.

use std::time::Duration;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Method, header},
};
use serde_json::Value;

use crate::{
    flow, flow_set,
    flow_type::FlowType,
    journal::{CONTROL, Entry, masked},
    problem::Problem,
    readiness::{Readiness, ReadinessScript},
    reply::Reply,
    request::Request,
    route::Operation,
    store::{Flow, FlowSet, IdCase},
    validate,
    world::{Call, World},
};

pub(crate) fn create_set(world: &mut World, body: &Value) -> Result<String, Problem> {
    let request = request(Method::POST, body);
    let reply = flow_set::create(world, &call(world, &request)?)?;
    Ok(record(world, &request, Operation::CreateSet, &reply))
}

pub(crate) fn update_set(world: &mut World, id: &str, body: &Value) -> Result<(), Problem> {
    let request = request(Method::PATCH, body);
    let reply = flow_set::update(world, &call(world, &request)?, id)?;
    record(world, &request, Operation::UpdateSet, &reply);
    Ok(())
}

pub(crate) fn delete_set(world: &mut World, id: &str) -> Result<(), Problem> {
    let request = request(Method::DELETE, &Value::Null);
    let reply = flow_set::delete(world, &call(world, &request)?, id)?;
    record(world, &request, Operation::DeleteSet, &reply);
    Ok(())
}

/// Adds a flow, even if the set has one of this type already: that is a state that a client may have to face.
pub(crate) fn create_flow(world: &mut World, set: &str, body: &Value) -> Result<String, Problem> {
    let request = request(Method::POST, body);
    let set = world.store.current().set(set, IdCase::Folded)?.id.clone();
    let flow = flow::made(world, body)?;
    world.commit(&call(world, &request)?);
    let reply =
        Reply::empty(axum::http::StatusCode::CREATED).changed_flow(&set, &flow.id, flow.kind);
    world.store.set_mut(&set, IdCase::Folded)?.flows.push(flow);
    Ok(record(world, &request, Operation::CreateFlow, &reply))
}

pub(crate) fn update_flow(world: &mut World, id: &str, body: &Value) -> Result<(), Problem> {
    let (set, kind) = whereabouts(world, id)?;
    let mut body = body.clone();
    if let Value::Object(given) = &mut body {
        given
            .entry("@odata.type")
            .or_insert_with(|| Value::from(kind.odata_type()));
    }
    let request = request(Method::PATCH, &body);
    let reply = flow::update(world, &call(world, &request)?, &set, id)?;
    record(world, &request, Operation::UpdateFlow, &reply);
    Ok(())
}

pub(crate) fn delete_flow(world: &mut World, id: &str) -> Result<(), Problem> {
    let (set, _) = whereabouts(world, id)?;
    let request = request(Method::DELETE, &Value::Null);
    let reply = flow::delete(world, &call(world, &request)?, &set, id)?;
    record(world, &request, Operation::DeleteFlow, &reply);
    Ok(())
}

/// Pins the readiness of a flow until it is reset or changed.
pub(crate) fn set_readiness(world: &mut World, id: &str, status: &str) -> Result<(), Problem> {
    let now = world.now();
    found(world, id)?.readiness = Readiness::pinned(now, status.to_owned());
    Ok(())
}

/// Starts a script for one flow, from `notReady` on.
pub(crate) fn set_script(
    world: &mut World,
    id: &str,
    script: ReadinessScript,
) -> Result<(), Problem> {
    let now = world.now();
    found(world, id)?.readiness = Readiness::started(now, script);
    Ok(())
}

/// Whether a flow has this password for a role group.
pub(crate) fn has_password(
    world: &World,
    id: &str,
    group: &str,
    password: &str,
) -> Result<bool, Problem> {
    let set = world.store.current().set_of(id).ok_or_else(no_flow)?;
    let (_, flow) = world.store.current().flow(&set.id, id, IdCase::Folded)?;
    Ok(validate::password(&flow.properties, group) == Some(password))
}

fn no_flow() -> Problem {
    Problem::not_found("the provisioning flow")
}

fn found<'a>(world: &'a mut World, id: &str) -> Result<&'a mut Flow, Problem> {
    let (set, _) = whereabouts(world, id)?;
    world.store.flow_mut(&set, id, IdCase::Folded)
}

fn whereabouts(world: &World, id: &str) -> Result<(String, FlowType), Problem> {
    let set: &FlowSet = world.store.current().set_of(id).ok_or_else(no_flow)?;
    let (set, flow) = world.store.current().flow(&set.id, id, IdCase::Folded)?;
    Ok((set.id.clone(), flow.kind))
}

fn request(method: Method, body: &Value) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Request {
        method,
        path: "/".to_owned(),
        query: None,
        headers,
        body: Bytes::from(body.to_string()),
        base: String::new(),
    }
}

fn call<'a>(world: &World, request: &'a Request) -> Result<Call<'a>, Problem> {
    Ok(Call {
        hidden_for: Duration::ZERO,
        ..world.call(request)?
    })
}

/// Records an edit and returns its object.
fn record(world: &mut World, request: &Request, operation: Operation, reply: &Reply) -> String {
    let change = reply.change.clone();
    let (set, flow) = (
        change.as_ref().and_then(|change| change.set.clone()),
        change.as_ref().and_then(|change| change.flow.clone()),
    );
    let id = flow.clone().or_else(|| set.clone()).unwrap_or_default();
    let entry = Entry {
        sequence: 0,
        time: world.now().to_string(),
        method: request.method.to_string(),
        path: request.path.clone(),
        query: None,
        operation,
        client_request_id: None,
        request_id: world.ids.guid(),
        subject: Some(CONTROL.to_owned()),
        status: Some(reply.status.as_u16()),
        retry_after: None,
        committed: true,
        set,
        flow,
        flow_type: change.and_then(|change| change.flow_type),
        faults: Vec::new(),
        batch: None,
        request: request.peek().as_ref().map(masked),
    };
    world.journal.add(entry);
    id
}
