//! Who may do what with a token.

use axum::http::StatusCode;

use crate::{
    directory::{Actor, Grant},
    problem::Problem,
    request::Request,
    route::Operation,
    world::World,
};

/// The grant behind a request's bearer token.
pub(crate) fn authenticate(world: &World, request: &Request) -> Result<Grant, Problem> {
    let refused =
        |why: &str| Problem::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", why);
    let header = request
        .header("authorization")
        .ok_or_else(|| refused("access token is empty"))?;
    let (scheme, token) = header
        .split_once(' ')
        .ok_or_else(|| refused("access token is malformed"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused("access token is malformed"));
    }
    let grant = world.directory.grant(token.trim(), world.now());
    grant
        .cloned()
        .ok_or_else(|| refused("access token has expired or is not valid"))
}

/// Whether a grant is enough for an operation.
pub(crate) fn authorize(world: &World, grant: &Grant, operation: Operation) -> Result<(), Problem> {
    let refused = || {
        let message = "insufficient privileges to complete the operation";
        Problem::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            message,
        )
    };
    let needed = sufficient(operation);
    let granted = grant
        .permissions
        .iter()
        .any(|name| needed.contains(&name.as_str()));
    if !needed.is_empty() && !granted {
        return Err(refused());
    }
    let writes = operation.is_write() && operation != Operation::StartRun;
    if writes && grant.actor == Actor::Application && !world.behavior.application_writes {
        return Err(refused());
    }
    Ok(())
}

/// The permissions any one of which is enough.
fn sufficient(operation: Operation) -> &'static [&'static str] {
    const READ: &[&str] = &[
        "IndustryData-OutboundFlow.Read.All",
        "IndustryData-OutboundFlow.ReadWrite.All",
    ];
    const WRITE: &[&str] = &["IndustryData-OutboundFlow.ReadWrite.All"];
    match operation {
        Operation::ListSets
        | Operation::GetSet
        | Operation::CountSets
        | Operation::ListFlows
        | Operation::GetFlow
        | Operation::CountFlows => READ,
        Operation::CreateSet
        | Operation::UpdateSet
        | Operation::DeleteSet
        | Operation::CreateFlow
        | Operation::UpdateFlow
        | Operation::DeleteFlow
        | Operation::ResetFlow => WRITE,
        Operation::ListRuns | Operation::GetRun | Operation::ListActivities => {
            &["IndustryData-Run.Read.All"]
        }
        Operation::StartRun => &["IndustryData-Run.Start"],
        Operation::ListRoleGroups => &["IndustryData.ReadBasic.All"],
        Operation::GetRoleGroup => &["IndustryData-ReferenceDefinition.Read.All"],
        Operation::Batch
        | Operation::Token
        | Operation::DeviceCode
        | Operation::SignInPage
        | Operation::Discovery
        | Operation::Unknown => &[],
    }
}
