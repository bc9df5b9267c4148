use clap::Parser;

use super::*;
use crate::arguments::{Command, Program};
use crate::request::Request;

fn plan(credential: Option<&str>) -> Plan {
    let words = [
        "kubectl-industrydata",
        "login",
        "--connection=contoso",
        "--tenant=contoso.edu",
    ];
    let words = words
        .into_iter()
        .chain(["--client-id=66666666-7777-4888-8999-000000000000"]);
    let Command::Login(arguments) = Program::try_parse_from(words).unwrap().command;
    let request = Request::from_arguments(*arguments).unwrap();
    let existing = credential.map(|secret| {
        let reference = json!({ "name": secret, "key": "refreshToken" });
        let credential = json!({ "refreshToken": { "secretKeyRef": reference } });
        let spec = json!({ "tenantId": "contoso.edu", "credential": credential });
        serde_json::from_value(spec).unwrap()
    });
    Plan::new(&request, existing.as_ref()).unwrap()
}

fn stored(change: impl FnOnce(&mut Value)) -> StoredSecret {
    let mut secret = json!({
        "metadata": { "resourceVersion": "7", "labels": { MANAGED_BY: MANAGER } },
        "type": "Opaque",
        "data": { "refreshToken": "b2xk", "other": "a2VlcA==" },
    });
    change(&mut secret);
    serde_json::from_value(secret).unwrap()
}

fn problem(plan: &Plan, change: impl FnOnce(&mut Value)) -> String {
    let checked = stored(change).check(plan, false);
    checked.map_or_else(|obstacle| obstacle.state, |()| String::new())
}

#[test]
fn signing_in_again_works() {
    assert_eq!(problem(&plan(None), |_| ()), "");
    let without_label = |secret: &mut Value| secret["metadata"]["labels"] = json!({});
    assert_eq!(
        problem(&plan(Some("contoso-refresh-token")), without_label),
        ""
    );
}

#[test]
fn a_value_of_another_origin_is_not_replaced() {
    let of_another =
        |secret: &mut Value| secret["metadata"]["labels"] = json!({ MANAGED_BY: "Helm" });
    let state = "has a value under refreshToken that this command did not store";
    assert_eq!(problem(&plan(None), of_another), state);
    assert_eq!(stored(of_another).check(&plan(None), true), Ok(()));
    let without_key = |secret: &mut Value| {
        of_another(secret);
        secret["data"] = json!({ "other": "a2VlcA==" });
    };
    assert_eq!(problem(&plan(None), without_key), "");
}

#[test]
fn secrets_that_cannot_hold_a_token_are_refused() {
    let of_type = |secret: &mut Value| secret["type"] = json!("kubernetes.io/tls");
    assert_eq!(
        problem(&plan(None), of_type),
        "has the type kubernetes.io/tls"
    );
    let immutable = |secret: &mut Value| secret["immutable"] = json!(true);
    assert_eq!(problem(&plan(None), immutable), "is immutable");
    assert!(stored(immutable).check(&plan(None), true).is_err());
}

#[test]
fn a_patch_changes_only_what_is_new() {
    let secret = plan(None).secret(None, &SecretString::from("new"), None);
    let patch =
        json!({ "metadata": { "resourceVersion": "7" }, "data": { "refreshToken": "bmV3" } });
    assert_eq!(stored(|_| ()).patch(&secret), patch);
    let unlabelled = stored(|secret| secret["metadata"]["labels"] = json!({ "team": "a" }));
    assert_eq!(
        unlabelled.patch(&secret)["metadata"]["labels"],
        json!({ MANAGED_BY: MANAGER })
    );
}

#[test]
fn other_objects_are_changed_only_if_this_command_created_them() {
    let plan = Plan {
        operator: Some(crate::request::ServiceAccount {
            namespace: "system".to_owned(),
            name: "operator".to_owned(),
        }),
        ..plan(None)
    };
    let role = &plan.others(None, plan.client_id, false)[0];
    let mut found = role.body.clone();
    found["metadata"]["resourceVersion"] = json!("7");
    assert_eq!(change(&found, role), Ok(Change::None));
    found["rules"][0]["verbs"] = json!(["*"]);
    let patch = json!({ "metadata": { "resourceVersion": "7" }, "rules": role.body["rules"] });
    assert_eq!(change(&found, role), Ok(Change::Patch(patch)));
    found["metadata"]["labels"] = json!({});
    assert!(change(&found, role).is_err());
}
