//! `kubectl industrydata login` on a real cluster. What needs no cluster is tested in `crates/kubectl-industrydata`.

mod desk;

use industrydata_terminal::{Terminal, command};
use serde_json::json;
use tokio::process::Command;

use crate::conditions::is_ready;
use crate::generated::assert_generated;
use crate::manifests::{groups, set};
use crate::waiting::PATIENCE;
use desk::{Desk, end, plugin};

const TENANT: &str = "11111111-2222-4333-8444-555555555555";
const CLIENT: &str = "66666666-7777-4888-8999-000000000000";

/// The Secret that belongs to the connection `contoso`.
const SECRET: &str = "contoso-refresh-token";

/// What a sign-in with everything needs.
const ALL: [&str; 8] = [
    "--tenant",
    TENANT,
    "--client-id",
    CLIENT,
    "--connection",
    "contoso",
    "--create-connection",
    "--create-role",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_creates_all_that_the_operator_needs() {
    let mut desk = Desk::set_up("login").await;
    let start = desk.env.audit_position();
    let ended = desk.sign_in(&ALL).await.done();
    let created = format!(
        "secret/{SECRET} created\nrole.rbac.authorization.k8s.io/{SECRET}-writer created\n\
         rolebinding.rbac.authorization.k8s.io/{SECRET}-writer created\n\
         graphconnection.industrydata.dev/contoso created\n"
    );
    assert_eq!(ended.stdout, created);
    let token = desk.token();
    assert_eq!(desk.stored("refreshToken").await, token);
    assert!(!ended.stderr.contains(&token), "{}", ended.stderr);
    let writes = [
        format!("create secrets {SECRET}"),
        format!("create roles {SECRET}-writer"),
        format!("create rolebindings {SECRET}-writer"),
        "create graphconnections contoso".to_owned(),
    ];
    assert_eq!(desk.writes_since(start), writes);
    let connection = desk.get("gconn/contoso").await;
    let reference =
        json!({ "refreshToken": { "secretKeyRef": { "name": SECRET, "key": "refreshToken" } } });
    assert_eq!(connection["spec"]["credential"], reference);
    assert_eq!(connection["spec"]["tenantId"], TENANT);

    let operator = desk.env.account.user().to_owned();
    let granted = async || {
        desk.may(&operator, "patch", &format!("secret/{SECRET}"))
            .await
    };
    desk.env
        .until("the operator's role to have effect", granted)
        .await;
    for (verb, object) in [
        ("patch", "secret/other"),
        ("patch", "secrets"),
        ("list", "secrets"),
    ] {
        assert!(!desk.may(&operator, verb, object).await, "{verb} {object}");
    }

    desk.env.start_operator(&[]).await;
    desk.env.apply_all([set("north"), groups("groups")]).await;
    desk.env.flow_where("groups", is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_again_replaces_the_token_and_nothing_else() {
    let desk = Desk::set_up("login-again").await;
    desk.sign_in(&ALL).await.done();
    let first = desk.token();
    let change = r#"{"stringData":{"other":"kept"},"metadata":{"labels":{"team":"north"}}}"#;
    let patch = ["patch", "secret", SECRET, "--patch", change];
    desk.env.kubectl(&patch).await.unwrap();

    // The connection has everything that is needed.
    let start = desk.env.audit_position();
    let child = desk.start(&["--connection", "contoso"]);
    let code = desk.code().await;
    // A change while the person signs in is kept, too.
    let patch = [
        "patch",
        "secret",
        SECRET,
        "--patch",
        r#"{"stringData":{"late":"kept"}}"#,
    ];
    desk.env.kubectl(&patch).await.unwrap();
    desk.env.simulator.approve_device_code(&code).unwrap();
    let ended = end(child).await.done();
    assert_eq!(ended.stdout, format!("secret/{SECRET} configured\n"));
    assert_eq!(
        desk.writes_since(start),
        [format!("patch secrets {SECRET}")]
    );
    let second = desk.token();
    assert_ne!(first, second);
    assert_eq!(desk.stored("refreshToken").await, second);
    assert_eq!(
        [desk.stored("other").await, desk.stored("late").await],
        ["kept", "kept"]
    );
    let secret = desk.get(&format!("secret/{SECRET}")).await;
    assert_eq!(secret["metadata"]["labels"]["team"], "north");

    // Without the connection, and with a role that was changed by hand.
    let change =
        json!({ "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }] });
    let role = format!("{SECRET}-writer");
    let patch = [
        "patch",
        "role",
        &role,
        "--type=merge",
        "--patch",
        &change.to_string(),
    ];
    desk.env.kubectl(&patch).await.unwrap();
    let flags = [
        "--tenant",
        TENANT,
        "--client-id",
        CLIENT,
        "--secret",
        SECRET,
        "--create-role",
    ];
    let ended = desk.sign_in(&flags).await.done();
    assert!(
        ended.stdout.contains(&format!(
            "role.rbac.authorization.k8s.io/{role} configured\n"
        )),
        "{ended:?}"
    );
    assert!(
        ended.stdout.contains(&format!("{role} unchanged\n")),
        "{ended:?}"
    );
    let rules = desk.get(&format!("role/{role}")).await["rules"].clone();
    assert_eq!(rules[0]["resourceNames"], json!([SECRET]));
}

#[tokio::test(flavor = "multi_thread")]
async fn yaml_writes_nothing_and_can_be_applied() {
    let desk = Desk::set_up("login-yaml").await;
    let start = desk.env.audit_position();
    let ended = desk
        .sign_in(&[&ALL[..], &["--output", "yaml"]].concat())
        .await
        .done();
    let entries = desk.env.plane.audit().unwrap().since(start).unwrap();
    let asked = entries
        .iter()
        .filter(|entry| entry.user == desk.person.user())
        .count();
    assert_eq!(asked, 0, "nothing is asked of the cluster");
    assert_eq!(ended.stdout.matches(&desk.token()).count(), 1);
    let applied = desk.env.apply(&ended.stdout).await.unwrap();
    assert_eq!(applied.lines().count(), 4, "{applied}");
    assert_eq!(desk.stored("refreshToken").await, desk.token());

    // As it was stored by this command, the plugin replaces it.
    desk.sign_in(&["--connection", "contoso"]).await.done();
    assert_eq!(desk.stored("refreshToken").await, desk.token());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_told_before_there_is_a_code() {
    let desk = Desk::set_up("login-obstacles").await;
    let flags = ["--tenant", TENANT, "--client-id", CLIENT];
    let create = [
        "create",
        "secret",
        "generic",
        "foreign",
        "--from-literal=refreshToken=foreign",
    ];
    desk.env.kubectl(&create).await.unwrap();
    let basic = [
        "create",
        "secret",
        "generic",
        "basic",
        "--type=kubernetes.io/basic-auth",
    ];
    let basic = [&basic[..], &["--from-literal=username=a"]].concat();
    desk.env.kubectl(&basic).await.unwrap();
    let secret = |name| [&flags[..], &["--secret", name]].concat();
    let foreign = desk.run(&secret("foreign")).await;
    foreign.failed(
        1,
        &[
            "Secret foreign in namespace login-obstacles has a value under refreshToken",
            "--force",
        ],
    );
    desk.run(&secret("basic"))
        .await
        .failed(1, &["has the type kubernetes.io/basic-auth", "--secret"]);
    let role = [
        "create",
        "role",
        "industrydata-refresh-token-writer",
        "--verb=get",
        "--resource=pods",
    ];
    desk.env.kubectl(&role).await.unwrap();
    let role = desk.run(&[&flags[..], &["--create-role"]].concat()).await;
    role.failed(
        1,
        &[
            "Role industrydata-refresh-token-writer",
            "was not created by this command",
        ],
    );
    let missing = desk.run(&["--connection", "missing"]).await;
    missing.failed(2, &["--tenant is missing"]);
    assert!(
        desk.env.simulator.device_codes().is_empty(),
        "no one was asked to sign in"
    );

    let forced = [&secret("foreign")[..], &["--force"]].concat();
    assert_eq!(
        desk.sign_in(&forced).await.done().stdout,
        "secret/foreign configured\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_are_told_together_before_there_is_a_code() {
    let mut desk = Desk::set_up("login-rights").await;
    desk.person = desk
        .env
        .plane
        .service_account("login-rights", "visitor")
        .await
        .unwrap();
    let flags = ["--tenant", TENANT, "--client-id", CLIENT, "--create-role"];
    let ended = desk.run(&flags).await;
    let place = "in namespace login-rights";
    for part in [
        "create secrets",
        "patch secrets",
        "create roles",
        "create rolebindings",
    ] {
        ended.failed(1, &[&format!("{part} {place}"), "--output yaml"]);
    }
    assert!(
        desk.env.simulator.device_codes().is_empty(),
        "no one was asked to sign in"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_sign_in_writes_nothing() {
    let desk = Desk::set_up("login-cancel").await;
    let start = desk.env.audit_position();
    let child = desk.start(&ALL);
    desk.code().await;
    let pid = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
    end(child)
        .await
        .failed(130, &["Cancelled; nothing was stored."]);
    assert_eq!(desk.writes_since(start), Vec::<String>::new());
}

/// As kubectl does: `NO_PROXY` is compared with the API server.
#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_is_reached_through_a_proxy_unless_it_is_excluded() {
    let desk = Desk::set_up("login-proxy").await;
    for (excluded, code, message) in [
        ("", 1, "failed to read GraphConnection missing"),
        ("other.example,127.0.0.0/8", 2, "--tenant is missing"),
    ] {
        let mut command = desk.command(&["--connection", "missing"]);
        command.env_remove("no_proxy").env("NO_PROXY", excluded);
        // Nobody listens there.
        let child = command.env("HTTPS_PROXY", "http://127.0.0.1:9").spawn();
        end(child.unwrap()).await.failed(code, &[message]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_finds_the_plugin() {
    let desk = Desk::set_up("login-kubectl").await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kubectl-industrydata");
    std::os::unix::fs::symlink(plugin(), file).unwrap();
    let kubectl = async |arguments: &[&str]| {
        let mut command = desk.env.plane.kubectl();
        command.args(arguments).env("PATH", directory.path());
        industrydata_testbed::run(&mut command).await.unwrap()
    };
    assert!(
        kubectl(&["plugin", "list"])
            .await
            .contains("kubectl-industrydata")
    );
    let help = kubectl(&["industrydata", "login", "--help"]).await;
    assert!(help.contains("Usage: kubectl industrydata login"), "{help}");
}

/// The terminal as a person sees it, kept in a file for review.
#[tokio::test(flavor = "multi_thread")]
async fn the_screen_of_a_sign_in() {
    let desk = Desk::set_up("login-screen").await;
    let mut screens = Vec::new();
    for approves in [true, false] {
        let mut command = command(plugin());
        command.args(desk.flags(&ALL));
        command.env("KUBECONFIG", desk.person.kubeconfig_path());
        let mut terminal = Terminal::run(command).unwrap();
        let code = desk.code().await;
        let waiting = terminal.wait_for(" left, ", PATIENCE).unwrap();
        if approves {
            desk.env.simulator.approve_device_code(&code).unwrap();
        } else {
            terminal.type_keys("\u{3}").unwrap();
        }
        let exit = terminal.end(PATIENCE).unwrap();
        assert_eq!(exit, if approves { 0 } else { 130 });
        for (title, screen) in [
            ("while it waits", waiting),
            ("at the end", terminal.screen()),
        ] {
            let screen = screen
                .replace(
                    &desk.env.simulator.authority_endpoint(),
                    "http://127.0.0.1:8090",
                )
                .replace(&code, "BCDF-GHJK");
            screens.push(format!("--- {title}\n{}", without_time(&screen)));
        }
        screens.push(format!("--- exit code {exit}\n\n"));
        let output = terminal.output();
        for token in desk.env.simulator.refresh_tokens(CLIENT).unwrap() {
            assert!(!output.contains(&token));
        }
    }
    assert_generated("tests/it/login.screen.txt", &screens.concat());
}

/// The time that is left is another one each time.
fn without_time(screen: &str) -> String {
    let lines = screen.lines().map(|line| match line.split_once('(') {
        Some((start, rest)) if rest.contains(" left, ") => {
            let (_, end) = rest.split_once(" left, ").unwrap();
            format!("{start}(14:57 left, {end}\n")
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}
