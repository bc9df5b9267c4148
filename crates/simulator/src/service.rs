//! One request from admission to answer: faults, authentication, dispatch, journal.

use axum::http::StatusCode;

use crate::{
    answer::{Answer, Form},
    auth, batch, denied, discovery,
    envelope::{challenge, decorate, refusal, with_headers},
    exchange::{Admitted, Line, Outcome},
    fault::Facts,
    fault_plan::{After, Before, FaultPlan},
    flow, flow_set,
    problem::{Problem, usual_code},
    record::{Recorded, flow_type, record},
    reply::{Content, Reply},
    request::Request,
    role_groups,
    route::{Operation, Target},
    runs, sign_in,
    store::Lag,
    token,
    world::{Call, World},
};

/// Who asked, and what was made of it.
struct Performed {
    result: Result<Reply, Problem>,
    subject: Option<String>,
}

/// Finds out what a request is about and what will be done to it.
pub(crate) fn admit(world: &mut World, request: &Request) -> Admitted {
    let target = Target::of(&request.path, world.path_case());
    let operation = target.operation(&request.method);
    let facts = Facts {
        method: request.method.as_str(),
        path: &request.path,
        query: request.query.as_deref().unwrap_or_default(),
        operation: Some(operation.unwrap_or(Operation::Unknown)),
        flow_type: flow_type(world, &target, request),
    };
    let mut effects: Vec<_> = world.rules.apply(&facts, |_| true).collect();
    if let Some(chaos) = &mut world.chaos {
        effects.extend(chaos.effects(&facts));
    }
    Admitted {
        target,
        operation,
        plan: FaultPlan::of(effects),
    }
}

/// Does what the request asks for, or what the plan has for it, and puts it on record.
pub(crate) fn serve(
    world: &mut World,
    request: &Request,
    admitted: Admitted,
    batch: Option<&str>,
) -> Outcome {
    let request_id = world.ids.guid();
    let performed = decide(world, request, &admitted, &request_id);
    let mut reply = performed
        .result
        .unwrap_or_else(|problem| refusal(world, request, &request_id, &problem));
    let mut line = if admitted.plan.before == Some(Before::Cut) {
        Line::Cut
    } else {
        Line::Answered
    };
    match &admitted.plan.after {
        Some(After::Cut) => line = Line::Cut,
        Some(After::Answer(answer)) => {
            let change = reply.change.take();
            reply = Reply {
                change,
                ..given(world, request, &admitted, &request_id, answer)
            };
        }
        None => {}
    }
    if let Content::Json(body) = &mut reply.content {
        decorate(body, &admitted, request);
    }
    record(
        world,
        request,
        &admitted,
        &Recorded {
            reply: &reply,
            line,
            subject: performed.subject,
            request_id: &request_id,
            batch,
        },
    );
    let ahead = admitted.plan.date.unwrap_or_default();
    let reply = with_headers(world, request, reply, request_id, ahead);
    Outcome {
        reply,
        line,
        plan: admitted.plan,
    }
}

fn decide(
    world: &mut World,
    request: &Request,
    admitted: &Admitted,
    request_id: &str,
) -> Performed {
    let nothing = Reply::empty(StatusCode::SERVICE_UNAVAILABLE);
    match &admitted.plan.before {
        Some(Before::Cut) => Performed {
            result: Ok(nothing),
            subject: subject(world, request),
        },
        Some(Before::Refuse(answer)) => Performed {
            result: Ok(given(world, request, admitted, request_id, answer)),
            subject: subject(world, request),
        },
        Some(Before::Challenge(claims)) => Performed {
            result: Ok(challenge(world, request, request_id, claims)),
            subject: subject(world, request),
        },
        None => perform(world, request, admitted, request_id),
    }
}

fn subject(world: &World, request: &Request) -> Option<String> {
    auth::authenticate(world, request)
        .ok()
        .map(|grant| grant.subject())
}

fn perform(
    world: &mut World,
    request: &Request,
    admitted: &Admitted,
    request_id: &str,
) -> Performed {
    if let Some((reply, subject)) = authority(world, request, admitted) {
        return Performed {
            result: Ok(reply),
            subject,
        };
    }
    let grant = match auth::authenticate(world, request) {
        Ok(grant) => grant,
        Err(problem) => {
            return Performed {
                result: Err(problem),
                subject: None,
            };
        }
    };
    let subject = Some(grant.subject());
    let result = allow(world, &grant.client_id).and_then(|()| {
        let operation = admitted.operation.ok_or_else(method_not_allowed)?;
        auth::authorize(world, &grant, operation)?;
        dispatch(world, request, admitted, request_id)
    });
    Performed { result, subject }
}

/// The authority's answer, if the request is for the authority.
fn authority(
    world: &mut World,
    request: &Request,
    admitted: &Admitted,
) -> Option<(Reply, Option<String>)> {
    match (&admitted.target, admitted.operation?) {
        (Target::Token { tenant }, _) => Some(token::issue(world, request, tenant)),
        (Target::DeviceCode { tenant }, _) => Some((sign_in::start(world, request, tenant), None)),
        (Target::SignInPage, _) => Some((sign_in::page(world, request), None)),
        (Target::Endpoints { tenant }, _) => {
            Some((discovery::endpoints(world, request, tenant), None))
        }
        (Target::Keys { tenant }, _) => Some((discovery::keys(world, tenant), None)),
        (Target::Instance, _) => Some((discovery::instance(world, request), None)),
        _ => None,
    }
}

fn allow(world: &mut World, caller: &str) -> Result<(), Problem> {
    let now = world.now();
    match &world.behavior.rate_limit {
        Some(limit) => world
            .throttle
            .take(caller, limit, now)
            .map_err(Problem::throttled),
        None => Ok(()),
    }
}

fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the method is not allowed on this resource",
    )
}

fn dispatch(
    world: &mut World,
    request: &Request,
    admitted: &Admitted,
    request_id: &str,
) -> Result<Reply, Problem> {
    let call = &planned(world.call(request)?, &admitted.plan);
    match (&admitted.target, admitted.operation) {
        (Target::Set { set }, Some(Operation::GetSet)) => flow_set::get(world, call, set),
        (Target::Set { set }, Some(Operation::UpdateSet)) => flow_set::update(world, call, set),
        (Target::Set { set }, _) => flow_set::delete(world, call, set),
        (Target::Sets, Some(Operation::CreateSet)) => flow_set::create(world, call),
        (Target::Sets, _) => Ok(flow_set::list(world, call)),
        (Target::SetCount, _) => Ok(flow_set::count(world, call)),
        (Target::Flows { set }, Some(Operation::CreateFlow)) => flow::create(world, call, set),
        (Target::Flows { set }, _) => flow::list(world, call, set),
        (Target::FlowCount { set }, _) => flow::count(world, call, set),
        (Target::Flow { set, flow }, Some(Operation::GetFlow)) => flow::get(world, call, set, flow),
        (Target::Flow { set, flow }, Some(Operation::UpdateFlow)) => {
            flow::update(world, call, set, flow)
        }
        (Target::Flow { set, flow }, _) => flow::delete(world, call, set, flow),
        (Target::Reset { set, flow }, _) => flow::reset(world, call, set, flow),
        (Target::Runs, _) => Ok(runs::list(world, call)),
        (Target::Run { run }, _) => runs::get(world, call, run),
        (Target::Activities { run }, _) => runs::activities(world, call, run),
        (Target::StartRun, _) => runs::start(world),
        (Target::RoleGroups, _) => Ok(role_groups::list(call)),
        (Target::RoleGroup { group }, _) => role_groups::get(call, group),
        (Target::Batch, _) => batch::run(world, request, request_id, part),
        _ => Err(Problem::not_found("the resource")),
    }
}

/// Serves one part of a batch.
fn part(world: &mut World, request: &Request, batch: &str) -> Outcome {
    let admitted = admit(world, request);
    serve(world, request, admitted, Some(batch))
}

fn planned<'a>(mut call: Call<'a>, plan: &FaultPlan) -> Call<'a> {
    call.hidden_for = plan.hide.unwrap_or(call.hidden_for);
    call.paging.size = plan.page_size.unwrap_or(call.paging.size).max(1);
    call.paging.empty_pages |= plan.empty_pages;
    call.lag = Lag {
        age: plan.stale.unwrap_or_default(),
        writes: plan.as_of,
    };
    call
}

/// The answer that a rule has for a request.
fn given(
    world: &mut World,
    request: &Request,
    admitted: &Admitted,
    request_id: &str,
    answer: &Answer,
) -> Reply {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = match &answer.form {
        Form::Error if admitted.operation.is_some_and(Operation::is_of_authority) => {
            denied::given(world, status, answer.code.as_deref())
        }
        Form::Error => refusal(world, request, request_id, &problem(answer)),
        Form::Html => Reply::html(status),
        Form::Empty => Reply::empty(status),
        Form::Json(body) => Reply::json(status, body.clone()),
    };
    if let (Some(retry_after), None) = (answer.retry_after, reply.header("retry-after")) {
        reply = reply.with_header("retry-after", retry_after.header(world.now()));
    }
    if let Some(location) = &answer.location {
        reply = reply.with_header("location", location);
    }
    if let Some(content_type) = &answer.content_type {
        reply = reply.with_header("content-type", content_type);
    }
    reply
}

fn problem(answer: &Answer) -> Problem {
    let code = answer.code.as_deref().unwrap_or(usual_code(answer.status));
    let refusal = crate::behavior::Refusal::new(answer.status, code);
    Problem {
        retry_after: answer.retry_after,
        ..Problem::refused(&refusal, "injected by a fault rule")
    }
}
