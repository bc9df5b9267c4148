//! Puts requests on record.

use serde_json::Value;

use crate::{
    exchange::{Admitted, Line},
    flow_type::FlowType,
    journal::{Entry, masked},
    reply::Reply,
    request::Request,
    route::{Operation, Target},
    world::World,
};

/// What is known about a request when it goes on record.
pub(crate) struct Recorded<'a> {
    pub(crate) reply: &'a Reply,
    pub(crate) line: Line,
    pub(crate) subject: Option<String>,
    pub(crate) request_id: &'a str,
    pub(crate) batch: Option<&'a str>,
}

/// Adds an entry to the journal.
pub(crate) fn record(
    world: &mut World,
    request: &Request,
    admitted: &Admitted,
    known: &Recorded<'_>,
) {
    let change = known.reply.change.as_ref();
    let (set, flow) = named(world, &admitted.target);
    let operation = admitted.operation.unwrap_or(Operation::Unknown);
    let entry = Entry {
        sequence: 0,
        time: world.now().to_string(),
        method: request.method.to_string(),
        path: request.path.clone(),
        query: request.query.clone(),
        operation,
        client_request_id: request.header("client-request-id").map(str::to_owned),
        request_id: known.request_id.to_owned(),
        subject: known.subject.clone(),
        status: (known.line == Line::Answered).then_some(known.reply.status.as_u16()),
        retry_after: known.reply.header("retry-after").map(str::to_owned),
        committed: change.is_some(),
        set: change.and_then(|change| change.set.clone()).or(set),
        flow: change.and_then(|change| change.flow.clone()).or(flow),
        flow_type: change
            .and_then(|change| change.flow_type)
            .or_else(|| flow_type(world, &admitted.target, request)),
        faults: admitted.plan.names.clone(),
        batch: known.batch.map(str::to_owned),
        request: journalled_body(request, operation),
    };
    world.journal.add(entry);
}

/// Ids in a path, in the casing that the service gave them.
fn named(world: &World, target: &Target) -> (Option<String>, Option<String>) {
    let catalog = world.store.current();
    match target {
        Target::Set { set } | Target::Flows { set } | Target::FlowCount { set } => {
            let known = catalog
                .set(set, world.id_case())
                .map(|known| known.id.clone());
            (Some(known.unwrap_or_else(|_| set.clone())), None)
        }
        Target::Flow { set, flow } | Target::Reset { set, flow } => {
            let known = catalog
                .flow(set, flow, world.id_case())
                .map(|(set, flow)| (set.id.clone(), flow.id.clone()));
            let (set, flow) = known.unwrap_or_else(|_| (set.clone(), flow.clone()));
            (Some(set), Some(flow))
        }
        _ => (None, None),
    }
}

/// Token requests carry secrets and a batch's parts have entries of their own, so neither is kept.
fn journalled_body(request: &Request, operation: Operation) -> Option<Value> {
    match operation {
        Operation::Batch => None,
        operation if operation.is_of_authority() => None,
        _ => request.peek().as_ref().map(masked),
    }
}

/// The type of the flow that a request names or wants to create.
pub(crate) fn flow_type(world: &World, target: &Target, request: &Request) -> Option<FlowType> {
    match target {
        Target::Flow { set, flow } | Target::Reset { set, flow } => {
            let found = world.store.current().flow(set, flow, world.id_case());
            found.ok().map(|(_, flow)| flow.kind)
        }
        Target::Flows { .. } => {
            let body = request.peek()?;
            body.get("@odata.type")
                .and_then(Value::as_str)
                .and_then(FlowType::from_odata_type)
        }
        _ => None,
    }
}
