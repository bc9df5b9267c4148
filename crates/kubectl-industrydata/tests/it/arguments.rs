//! What is refused before anything is asked.

use crate::plugin::{CLIENT, TENANT, end, login, plugin};

/// No one listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn wrong_usage_ends_with_2_and_names_the_flag() {
    for (flags, parts) in [
        (
            &["--tenant=common"][..],
            &["--tenant", "a domain of one tenant"][..],
        ),
        (
            &["--client-id=contoso"],
            &["--client-id", "expected a GUID"],
        ),
        (&["--secret=A"], &["--secret", "the name of an object"]),
        (
            &["--client-secret-file=/nowhere"],
            &["--client-secret-file", "No such file"],
        ),
        (&["--ca-file=/dev/null"], &["--ca-file", "certificate"]),
        (&["--key=clientSecret"], &["--key", "choose another one"]),
    ] {
        end(login(NOWHERE, flags)).await.failed(2, parts);
    }
    let insecure = plugin(&["login", "--authority-endpoint", "http://login.example"]);
    let mut insecure = insecure;
    end(insecure.spawn().unwrap())
        .await
        .failed(2, &["--authority-endpoint", "must be https"]);
    let mut unknown = plugin(&["login", "--unknown"]);
    let ended = end(unknown.spawn().unwrap()).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("--unknown"), "{ended:?}");
}

#[tokio::test]
async fn yaml_without_a_tenant_is_a_matter_of_usage() {
    let mut command = plugin(&["login", "--output=yaml", "--client-id", CLIENT]);
    end(command.spawn().unwrap())
        .await
        .failed(2, &["--tenant is missing", "--connection"]);
}

#[tokio::test]
async fn help_and_version_end_well() {
    let mut help = plugin(&["login", "--help"]);
    let ended = end(help.spawn().unwrap()).await;
    assert_eq!(ended.code, Some(0));
    for part in [
        "Usage: kubectl industrydata login",
        "--create-role",
        "KUBECTL_INDUSTRYDATA_TENANT",
    ] {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }
    let mut version = plugin(&["--version"]);
    let ended = end(version.spawn().unwrap()).await;
    assert_eq!(
        ended.stdout,
        concat!("kubectl-industrydata ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[tokio::test]
async fn a_cluster_that_cannot_be_used_is_told_before_there_is_a_code() {
    let flags = [
        "login",
        "--tenant",
        TENANT,
        "--client-id",
        CLIENT,
        "--authority-endpoint",
        NOWHERE,
    ];
    let mut command = plugin(&flags);
    end(command.spawn().unwrap())
        .await
        .failed(1, &["failed to use the kubeconfig", "--context"]);
}

#[tokio::test]
async fn an_authority_that_does_not_respond_is_named_with_what_was_attempted() {
    let parts = [
        "failed to request a code for application",
        "the authority cannot be reached",
        "--authority-endpoint",
    ];
    end(login(NOWHERE, &[])).await.failed(1, &parts);
    let parts = [
        "failed to look up the id of tenant contoso.example",
        "cannot be reached",
    ];
    end(login(NOWHERE, &["--tenant=contoso.example"]))
        .await
        .failed(1, &parts);
}
