//! What users of similar software have reported, each with the operator as it is installed: real control plane, default
//! times.
//!
//! The service of these environments makes a second flow of a type if it is asked to, so that whatever is sent twice shows.
//! Flows are ready at once.

mod answers;
mod deletion;
mod lists;
mod requests;
mod secrets;
mod unknown;

use std::time::Duration;

use industrydata_operator::api::{GraphConnection, ProvisioningFlow};
use industrydata_simulator::{Answer, BodyFault, Effect, Operation, Rule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use crate::test_env::{TestEnv, flow, lenient, told};

const CLIENT: &str = "66666666-7777-4888-8999-000000000000";

/// An environment with the operator running.
async fn open(name: &str) -> TestEnv {
    let mut env = prepare(name).await;
    env.start_operator(&[]).await;
    env
}

/// An environment without the operator.
async fn prepare(name: &str) -> TestEnv {
    TestEnv::set_up(name, lenient(Duration::ZERO)).await
}

/// A page that a gateway shows instead of the service, which has done nothing.
fn page(status: u16) -> Vec<Effect> {
    vec![
        Effect::Refuse(Answer::new(status)),
        Effect::Body(BodyFault::Html),
    ]
}

/// A page that a gateway shows after the service has done what it was asked for.
fn page_after_commit(status: u16) -> Vec<Effect> {
    vec![
        Effect::AnswerAfterCommit(Answer::new(status)),
        Effect::Body(BodyFault::Html),
    ]
}

/// An answer with an error, whatever its status; nothing is done.
fn error(status: u16) -> Vec<Effect> {
    vec![Effect::Refuse(Answer::new(status))]
}

/// The first request of a kind meets the first effects, the next the second, and so on.
fn meet_all(
    env: &TestEnv,
    operation: Operation,
    effects: impl IntoIterator<Item = Vec<Effect>>,
) -> usize {
    let mut count = 0;
    for (place, effects) in (0..).zip(effects) {
        for effect in effects {
            let rule = Rule::new(effect).on(operation).after(place);
            env.simulator.inject(rule);
        }
        count += 1;
    }
    count
}

/// A Secret with the password of the staff.
fn passwords(staff: &str) -> String {
    let data = json!({ "staff": staff });
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "passwords" }, "stringData": data }).to_string()
}

/// A manifest of a flow of users in a set, with a password of [`passwords`].
fn users(name: &str, set: &str) -> String {
    let password = json!({ "secretKeyRef": { "name": "passwords", "key": "staff" } });
    let configurations = json!([{ "roleGroup": "staff", "defaultPassword": password }]);
    let user = json!({
        "managementOptions": { "additionalOptions": {} },
        "creationOptions": { "configurations": configurations },
    });
    flow(
        name,
        &json!({ "flowSetRef": { "name": set }, "user": user }),
    )
}

/// Other options for a flow of security groups than those that the tests begin with.
fn other_groups() -> Value {
    let options = json!({ "createBasedOnRoleGroup": false, "createBasedOnOrgPlusRoleGroup": true });
    json!({ "securityGroup": { "creationOptions": options } })
}

/// What `Ready` says of a flow, the headline.
fn headline(flow: &ProvisioningFlow) -> Condition {
    let mut conditions = flow.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.find(|condition| condition.type_ == "Ready");
    ready.unwrap().clone()
}

/// `Ready` of a connection, as `status/reason`.
fn connection_ready(connection: &GraphConnection) -> String {
    let status = connection.status.iter();
    told(status.flat_map(|status| &status.conditions), "Ready")
}

fn requests(env: &TestEnv, operation: Operation) -> usize {
    env.simulator.journal().requests(operation)
}
