//! Runs: started on demand, going for a while, carrying the flows that were ready.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    clock::later,
    odata::Item,
    problem::Problem,
    readiness::Readiness,
    render::context,
    reply::{Change, Reply},
    run_log::Run,
    world::{Call, World},
};

/// Successful starts allowed in [`WINDOW`].
const STARTS: usize = 5;
const WINDOW: Duration = Duration::from_hours(12);

pub(crate) fn list(world: &World, call: &Call<'_>) -> Reply {
    let (now, length) = (world.now(), world.behavior.run_length);
    let item = |(ordinal, run): (u64, &Run)| Item {
        ordinal,
        object: run.shown(now, length),
    };
    let items = (0..).zip(&world.runs.0).map(item).collect();
    let context = context(&call.request.base, "runs");
    Reply::json(
        StatusCode::OK,
        call.query.page(context, items, call.paging, call.request),
    )
}

pub(crate) fn get(world: &World, call: &Call<'_>, id: &str) -> Result<Reply, Problem> {
    let (_, run) = world.runs.find(id)?;
    let mut object = call
        .query
        .selected(run.shown(world.now(), world.behavior.run_length));
    let context = context(&call.request.base, "runs/$entity");
    object.insert("@odata.context".to_owned(), Value::from(context));
    Ok(Reply::json(StatusCode::OK, object))
}

pub(crate) fn activities(world: &World, call: &Call<'_>, id: &str) -> Result<Reply, Problem> {
    let (_, run) = world.runs.find(id)?;
    let (now, length) = (world.now(), world.behavior.run_length);
    let objects = (0..run.activities.len()).filter_map(|at| run.activity(at, now, length));
    let items = (0..)
        .zip(objects)
        .map(|(ordinal, object)| Item { ordinal, object })
        .collect();
    let context = context(
        &call.request.base,
        &format!("runs('{}')/activities", run.id),
    );
    Ok(Reply::json(
        StatusCode::OK,
        call.query.page(context, items, call.paging, call.request),
    ))
}

pub(crate) fn start(world: &mut World) -> Result<Reply, Problem> {
    let now = world.now();
    let recent = |run: &&Run| later(run.started, WINDOW) > now;
    let started: Vec<Timestamp> = world
        .runs
        .0
        .iter()
        .filter(recent)
        .map(|run| run.started)
        .collect();
    if started.len() >= STARTS {
        return Err(too_many_starts(&started, now));
    }
    if world.run_is_going() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "Conflict",
            "a run is in progress",
        ));
    }
    if world.behavior.run_settles_readiness {
        settle(world, now);
    }
    let names: Vec<String> = ready_flows(world, now);
    let activities = names
        .into_iter()
        .map(|name| (world.ids.guid(), name))
        .collect();
    let run = Run {
        id: world.ids.guid(),
        started: now,
        activities,
    };
    world.runs.0.push(run);
    let change = Some(Change {
        set: None,
        flow: None,
        flow_type: None,
    });
    Ok(Reply {
        change,
        ..Reply::empty(StatusCode::ACCEPTED)
    })
}

fn too_many_starts(started: &[Timestamp], now: Timestamp) -> Problem {
    let free = started.first().map_or(now, |first| later(*first, WINDOW));
    let wait = free.duration_since(now).max(SignedDuration::ZERO).as_secs();
    let seconds = u64::try_from(wait).unwrap_or_default() + 1;
    Problem::throttled(Some(crate::throttle::RetryAfter::Seconds(seconds)))
}

fn settle(world: &mut World, now: Timestamp) {
    for flow in world
        .store
        .flows_mut()
        .filter(|flow| flow.readiness.at(now) == crate::readiness::NOT_READY)
    {
        flow.readiness = Readiness::pinned(now, flow.readiness.last_word().to_owned());
    }
}

/// Names of the activities of the flows that take part: kind and set, as a flow has no name of its own.
fn ready_flows(world: &World, now: Timestamp) -> Vec<String> {
    let sets = world.store.current().sets();
    let named = sets.flat_map(|set| {
        let set_name = set
            .properties
            .get("displayName")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let ready = set
            .flows
            .iter()
            .filter(|flow| flow.readiness.at(now) == "ready");
        ready.map(move |flow| format!("{} of {set_name}", flow.kind.schema().name))
    });
    named.collect()
}

/// What the control port shows of the runs.
pub(crate) fn inside(world: &World) -> Value {
    let (now, length) = (world.now(), world.behavior.run_length);
    world
        .runs
        .0
        .iter()
        .map(|run| json!(run.shown(now, length)))
        .collect()
}
