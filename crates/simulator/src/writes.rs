//! What writes of sets and of flows have in common.

use axum::http::StatusCode;
use serde_json::Value;

use crate::{
    behavior::{PatchAnswer, PatchComplex, Refusal},
    problem::Problem,
    reply::Reply,
    validate::{self, Object},
    world::{Call, World},
};

/// The answer to a successful PATCH.
pub(crate) fn updated(world: &World, object: Object) -> Reply {
    match world.behavior.patch_answer {
        PatchAnswer::NoContent => Reply::empty(StatusCode::NO_CONTENT),
        PatchAnswer::Object => Reply::json(StatusCode::OK, object),
    }
}

/// The body of a write, which is an object.
pub(crate) fn body(call: &Call<'_>) -> Result<Object, Problem> {
    match call.request.json()? {
        Value::Object(given) => Ok(given),
        _ => Err(Problem::bad_request("the body must be an object")),
    }
}

pub(crate) fn refuse_during_run(world: &World, refusal: Option<&Refusal>) -> Result<(), Problem> {
    match refusal {
        Some(refusal) if world.run_is_going() => {
            Err(Problem::refused(refusal, "a run is in progress"))
        }
        _ => Ok(()),
    }
}

/// Puts the properties that a PATCH names in the place of the old ones, or over them.
pub(crate) fn apply(kept: &mut Object, changes: Object, how: PatchComplex) {
    for (name, value) in changes {
        match how {
            PatchComplex::Replace => _ = kept.insert(name, value),
            PatchComplex::Merge => validate::merge(kept.entry(name).or_insert(Value::Null), value),
        }
    }
}
