use clap::Parser;

use super::*;
use crate::arguments::{Command, Program};

const TENANT: &str = "11111111-2222-4333-8444-555555555555";
const CLIENT: &str = "66666666-7777-4888-8999-000000000000";

fn request(flags: &[&str]) -> Request {
    let words = ["kubectl-industrydata", "login"].iter().chain(flags);
    let Command::Login(arguments) = Program::try_parse_from(words).unwrap().command;
    Request::from_arguments(*arguments).unwrap()
}

fn existing(credential: &Value) -> ExistingConnection {
    let spec = json!({ "tenantId": TENANT, "clientId": CLIENT, "credential": credential, "suspend": false });
    serde_json::from_value(spec).unwrap()
}

fn delegated(name: &str, key: &str) -> ExistingConnection {
    existing(&json!({ "refreshToken": { "secretKeyRef": { "name": name, "key": key } } }))
}

fn plan(flags: &[&str], existing: Option<&ExistingConnection>) -> Result<Plan, String> {
    Plan::new(&request(flags), existing).map_err(|error| error.to_string())
}

const BOTH: [&str; 2] = [
    "--tenant=11111111-2222-4333-8444-555555555555",
    "--client-id=66666666-7777-4888-8999-000000000000",
];

#[test]
fn names_have_defaults() {
    let token = |more: &[&str]| {
        let flags: Vec<&str> = BOTH.iter().chain(more).copied().collect();
        let KeyReference { name, key } = plan(&flags, None).unwrap().token;
        format!("{name}/{key}")
    };
    assert_eq!(token(&[]), "industrydata-refresh-token/refreshToken");
    assert_eq!(
        token(&["--connection=contoso"]),
        "contoso-refresh-token/refreshToken"
    );
    assert_eq!(token(&["--secret=a", "--key=b"]), "a/b");
}

#[test]
fn a_connection_that_exists_is_enough() {
    let found = delegated("stored", "token");
    let plan = plan(&["--connection=contoso"], Some(&found)).unwrap();
    assert_eq!(plan.tenant.as_str(), TENANT);
    assert_eq!(plan.client_id.to_string(), CLIENT);
    assert_eq!((&*plan.token.name, &*plan.token.key), ("stored", "token"));
    assert_eq!(plan.connection, ConnectionPlan::Uses("contoso".to_owned()));
}

#[test]
fn what_is_missing_or_contradicts_the_connection_is_an_error() {
    let found = delegated("stored", "token");
    for (flags, existing, expected) in [
        (&[][..], None, "--tenant is missing"),
        (&[BOTH[0]], None, "--client-id is missing"),
        (&["--connection=contoso"], None, "--tenant is missing"),
        (
            &[
                "--connection=contoso",
                "--tenant=00000000-0000-4000-8000-000000000000",
            ],
            Some(&found),
            "--tenant is 00000000-0000-4000-8000-000000000000, but GraphConnection contoso has spec.tenantId: 11111111",
        ),
        (
            &[
                "--connection=contoso",
                "--client-id=00000000-0000-4000-8000-000000000000",
            ],
            Some(&found),
            "GraphConnection contoso has spec.clientId: 66666666",
        ),
        (
            &["--connection=contoso", "--secret=other"],
            Some(&found),
            "--secret is other, but GraphConnection contoso has spec.credential.refreshToken.secretKeyRef: stored",
        ),
        (
            &["--connection=contoso", "--key=other"],
            Some(&found),
            "secretKeyRef: token",
        ),
        (
            &[BOTH[0], BOTH[1], "--key=clientSecret"],
            None,
            "choose another one",
        ),
    ] {
        let message = plan(flags, existing).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_domain_is_compared_once_its_id_is_known() {
    let found = delegated("stored", "token");
    let other = plan(
        &["--connection=contoso", "--tenant=contoso.edu"],
        Some(&found),
    )
    .unwrap();
    assert_eq!(other.tenant.as_str(), "contoso.edu");
    assert_eq!(other.same_tenant.unwrap().as_str(), TENANT);
    let same = plan(&["--connection=contoso", BOTH[0]], Some(&found)).unwrap();
    assert_eq!(same.same_tenant, None);
}

#[test]
fn another_credential_is_not_replaced() {
    let secret =
        json!({ "clientSecret": { "secretKeyRef": { "name": "contoso", "key": "clientSecret" } } });
    let found = existing(&secret);
    let flags = ["--connection=contoso", "--create-connection"];
    let plan = plan(&flags, Some(&found)).unwrap();
    assert_eq!(
        plan.connection,
        ConnectionPlan::HasOther("contoso".to_owned())
    );
    assert_eq!(plan.others(None, Uuid::nil(), false), []);
    let steps = crate::report::next_steps(&plan, false);
    assert!(steps[0].contains(r#""clientSecret":null"#), "{steps:?}");
    assert!(
        steps[0]
            .contains(r#""secretKeyRef":{"key":"refreshToken","name":"contoso-refresh-token"}"#),
        "{steps:?}"
    );
}

#[test]
fn a_client_secret_is_read_where_the_connection_has_it() {
    let reference = |name: &str| {
        existing(&json!({ "refreshToken": {
            "secretKeyRef": { "name": "stored", "key": "token" },
            "clientSecretKeyRef": { "name": name, "key": "clientSecret" },
        }}))
    };
    let found = reference("elsewhere");
    let plan = plan(&["--connection=contoso"], Some(&found)).unwrap();
    assert_eq!(plan.stored_client_secret.unwrap().name, "elsewhere");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "secret\n").unwrap();
    let flag = format!("--client-secret-file={}", file.path().display());
    for (name, uses) in [("stored", true), ("elsewhere", false)] {
        let found = reference(name);
        let plan =
            super::Plan::new(&request(&["--connection=contoso", &flag]), Some(&found)).unwrap();
        assert_eq!(plan.stored_client_secret, None);
        assert_eq!(
            matches!(plan.connection, ConnectionPlan::Uses(_)),
            uses,
            "{name}"
        );
    }
}

#[test]
fn all_objects_are_as_the_operator_needs_them() {
    let flags = [
        BOTH[0],
        BOTH[1],
        "--connection=contoso",
        "--create-connection",
        "--create-role",
        "--operator-namespace=system",
        "--operator-service-account=operator",
    ];
    let plan = plan(&flags, None).unwrap();
    let token = SecretString::from("token");
    let secret = plan.secret(Some("north"), &token, Some(&token));
    let others = plan.others(Some("north"), TENANT.parse().unwrap(), true);
    let documents = documents([&secret].into_iter().chain(&others));
    let expected = include_str!("../../tests/it/objects.yaml");
    assert_eq!(documents.expose_secret(), expected);
}
