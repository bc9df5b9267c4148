//! Signing in against the simulator.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use industrydata_simulator::{Answer, Effect, Operation, Rule, Simulator};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::plugin::{CLIENT, Ended, PERMISSION, TENANT, code, end, login, simulator};

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

async fn approved(simulator: &Simulator, more: &[&str]) -> Ended {
    let ended = end(login(&simulator.authority_endpoint(), more));
    tokio::pin!(ended);
    tokio::select! {
        early = &mut ended => return early,
        code = code(simulator) => simulator.approve_device_code(&code).unwrap(),
    }
    ended.await
}

/// The refresh tokens that the simulator has issued.
fn issued(simulator: &Simulator) -> Vec<String> {
    simulator.refresh_tokens(CLIENT).unwrap()
}

#[tokio::test]
async fn a_sign_in_prints_a_secret_that_contains_the_refresh_token_and_nothing_else_does() {
    let simulator = simulator().await;
    simulator.set_refresh_tokens(CLIENT, Vec::new()).unwrap();
    let ended = approved(
        &simulator,
        &["--connection=contoso", "--create-connection", "-n", "north"],
    )
    .await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let tokens = issued(&simulator);
    let [token] = &tokens[..] else {
        panic!("one token is issued, not {}", tokens.len());
    };
    let documents = documents(&ended.stdout);
    let kinds: Vec<_> = documents
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["Secret", "GraphConnection"]);
    assert_eq!(documents[0]["stringData"], json!({ "refreshToken": token }));
    assert_eq!(documents[0]["metadata"]["namespace"], "north");
    assert_eq!(ended.stdout.matches(token.as_str()).count(), 1);
    assert!(!ended.stderr.contains(token.as_str()));
    for part in [
        &format!(
            "{}/common/oauth2/deviceauth",
            simulator.authority_endpoint()
        )[..],
        "Waiting for you to sign in.",
        &format!("Signed in as administrator@simulator.example to tenant {TENANT}."),
        "contains a credential",
        "SOPS or Sealed Secrets",
    ] {
        assert!(
            ended.stderr.contains(part),
            "`{part}` is not in {}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn a_domain_stands_for_its_tenant() {
    let simulator = simulator().await;
    let flags = [
        "--tenant=simulator.example",
        "--connection=contoso",
        "--create-connection",
    ];
    let ended = approved(&simulator, &flags).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(documents(&ended.stdout)[1]["spec"]["tenantId"], TENANT);

    let ended = end(login(
        &simulator.authority_endpoint(),
        &["--tenant=other.example"],
    ))
    .await;
    ended.failed(
        1,
        &[
            "failed to look up the id of tenant other.example",
            "compare --tenant",
        ],
    );
}

#[tokio::test]
async fn a_confidential_client_signs_in_with_its_secret() {
    let simulator = simulator().await;
    let file = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{text}").unwrap();
        let flag = format!("--client-secret-file={}", file.path().display());
        (file, flag)
    };
    let (_file, flag) = file("simulator-secret");
    let ended = approved(&simulator, &[&flag]).await;
    let secret = &documents(&ended.stdout)[0];
    assert_eq!(secret["stringData"]["clientSecret"], "simulator-secret");
    assert!(!ended.stderr.contains("simulator-secret"));

    let (_file, flag) = file("a-wrong-secret");
    let ended = approved(&simulator, &[&flag]).await;
    ended.failed(
        1,
        &[
            "invalid_client (AADSTS7000215",
            "the secret's value, not its id",
        ],
    );
    assert!(!ended.stderr.contains("a-wrong-secret"));
}

#[tokio::test]
async fn a_client_secret_is_read_from_standard_input() {
    let simulator = simulator().await;
    let flags = [
        "login",
        "--output=yaml",
        "--client-secret-stdin",
        "--tenant",
        TENANT,
        "--client-id",
        CLIENT,
    ];
    let mut command = crate::plugin::plugin(&flags);
    command.env(
        "KUBECTL_INDUSTRYDATA_AUTHORITY_ENDPOINT",
        simulator.authority_endpoint(),
    );
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"simulator-secret\n").await.unwrap();
    drop(stdin);
    simulator
        .approve_device_code(&code(&simulator).await)
        .unwrap();
    let ended = end(child).await;
    assert_eq!(
        documents(&ended.stdout)[0]["stringData"]["clientSecret"],
        "simulator-secret"
    );
}

#[tokio::test]
async fn a_declined_sign_in_is_told() {
    let simulator = simulator().await;
    let child = login(&simulator.authority_endpoint(), &[]);
    simulator.deny_device_code(&code(&simulator).await).unwrap();
    end(child)
        .await
        .failed(1, &["authorization_declined", "declined in the browser"]);
}

#[tokio::test]
async fn a_code_that_is_not_used_expires() {
    let simulator = simulator().await;
    simulator.configure(|behavior| behavior.device_code_lifetime = Duration::from_secs(2));
    let ended = end(login(&simulator.authority_endpoint(), &[])).await;
    ended.failed(1, &["not used in time", "run the command again"]);
}

#[tokio::test]
async fn a_request_to_slow_down_is_honored() {
    let simulator = simulator().await;
    let slow_down = Answer::new(400).code("slow_down");
    simulator.inject(
        Rule::new(Effect::Refuse(slow_down))
            .on(Operation::Token)
            .times(1),
    );
    let child = login(&simulator.authority_endpoint(), &[]);
    simulator
        .approve_device_code(&code(&simulator).await)
        .unwrap();
    let start = Instant::now();
    assert_eq!(end(child).await.code, Some(0));
    assert_eq!(simulator.journal().requests(Operation::Token), 2);
    // 1 s as the simulator asks for, and then 5 s more.
    assert!(start.elapsed() > Duration::from_millis(6_500));
}

#[tokio::test]
async fn requests_that_fail_are_repeated() {
    let simulator = simulator().await;
    let cut = Rule::new(Effect::CutBefore).on(Operation::Token);
    let busy = Rule::new(Effect::Refuse(Answer::new(503))).on(Operation::Token);
    simulator.inject(cut.times(1));
    simulator.inject(busy.after(1).times(1));
    let ended = approved(&simulator, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(simulator.journal().requests(Operation::Token) >= 3);
}

#[tokio::test]
async fn a_missing_permission_is_named_with_how_to_consent() {
    let simulator = simulator().await;
    let read = "IndustryData-OutboundFlow.Read.All";
    simulator
        .set_permissions(CLIENT, vec![read.to_owned()])
        .unwrap();
    let child = login(&simulator.authority_endpoint(), &[]);
    // The page shows it, too.
    let _ = simulator.approve_device_code(&code(&simulator).await);
    let ended = end(child).await;
    ended.failed(
        1,
        &[
            "AADSTS65001",
            PERMISSION,
            "az ad app permission admin-consent --id",
        ],
    );

    // With another scope the authority issues a token, but not the one that is needed.
    let all = format!("--scope={}/.default", "https://graph.microsoft.com");
    let ended = approved(&simulator, &[&all]).await;
    ended.failed(
        1,
        &[
            "the token lacks the delegated permission",
            PERMISSION,
            "nothing was stored",
        ],
    );

    let ended = approved(&simulator, &["--read-only"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_token_of_another_tenant_is_refused() {
    let simulator = simulator().await;
    let other = "00000000-0000-4000-8000-000000000000";
    simulator.configure(|behavior| behavior.token_tenant = Some(other.to_owned()));
    let ended = approved(&simulator, &[]).await;
    ended.failed(
        1,
        &[
            &format!("for tenant {other} instead of {TENANT}"),
            "nothing was stored",
        ],
    );
}

#[tokio::test]
async fn unknown_tenants_and_applications_are_told_before_there_is_a_code() {
    let simulator = simulator().await;
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (flag, code, remedy) in [
        ("--tenant", "AADSTS90002", "the tenant does not exist"),
        (
            "--client-id",
            "AADSTS700016",
            "the tenant has no application with this id",
        ),
    ] {
        let ended = end(login(&simulator.authority_endpoint(), &[flag, unknown])).await;
        ended.failed(1, &["failed to request a code", code, remedy, unknown]);
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_not_public_is_told_what_to_allow() {
    let application = industrydata_simulator::Application {
        public_client: false,
        ..Default::default()
    };
    let simulator = simulator().await;
    let tenant = industrydata_simulator::Tenant {
        applications: vec![application],
        ..Default::default()
    };
    let options = industrydata_simulator::Options {
        tenants: vec![tenant],
        behavior: simulator.behavior(),
        ..Default::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let ended = approved(&simulator, &[]).await;
    ended.failed(
        1,
        &[
            "AADSTS7000218",
            "Allow public client flows",
            "--client-secret-file",
        ],
    );
}

#[tokio::test]
async fn an_interrupt_ends_at_once_and_prints_nothing() {
    let simulator = simulator().await;
    for signal in ["-INT", "-TERM"] {
        let child = login(&simulator.authority_endpoint(), &[]);
        let pid = child.id().unwrap().to_string();
        let code = code(&simulator).await;
        let sent = tokio::process::Command::new("kill")
            .args([signal, &pid])
            .status()
            .await;
        assert!(sent.unwrap().success());
        let ended = end(child).await;
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(130), ""),
            "{ended:?}"
        );
        assert!(
            ended.stderr.ends_with("Cancelled; nothing was stored.\n"),
            "{ended:?}"
        );
        simulator.deny_device_code(&code).unwrap();
    }
}
