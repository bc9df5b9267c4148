//! Users, clients and commands.

use http::StatusCode;
use industrydata_simulator::{FederatedCredential, Options, Simulator};
use industrydata_testbed::{Error, run};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ListParams};
use serde_json::Value;

use crate::support::shared;

#[tokio::test]
async fn a_client_of_the_administrator_is_answered() {
    let client = shared().await.client().await.unwrap();
    let namespaces = Api::<Namespace>::all(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    assert!(
        namespaces
            .items
            .iter()
            .any(|namespace| namespace.metadata.name.as_deref() == Some("kube-system"))
    );
    assert!(
        client
            .apiserver_version()
            .await
            .unwrap()
            .git_version
            .starts_with("v1.")
    );
}

/// The simulator is as strict as Microsoft Entra, which takes tokens from a cluster only if they are signed with RSA.
#[tokio::test]
async fn a_token_of_a_service_account_is_accepted_in_place_of_a_secret() {
    let control_plane = shared().await;
    let client = control_plane.client().await.unwrap();
    let request = http::Request::get("/openid/v1/jwks").body(Vec::new());
    let keys: Value = client.request(request.unwrap()).await.unwrap();
    let issuer = "https://kubernetes.default.svc";
    let subject = "system:serviceaccount:default:workload";
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let credential = FederatedCredential::new(issuer, subject, keys);
    simulator
        .set_federated_credentials(CLIENT, vec![credential])
        .unwrap();
    for account in ["workload", "other"] {
        let create = ["create", "serviceaccount", account];
        run(control_plane.kubectl().args(create)).await.unwrap();
    }
    for (account, audience, accepted) in [
        ("workload", "api://AzureADTokenExchange", true),
        ("workload", issuer, false),
        ("other", "api://AzureADTokenExchange", false),
    ] {
        let create = ["create", "token", account, "--audience", audience];
        let token = run(control_plane.kubectl().args(create)).await.unwrap();
        let status = exchange(&simulator, token.trim()).await;
        assert_eq!(status.is_success(), accepted, "{account} {audience}");
    }
}

const CLIENT: &str = "66666666-7777-4888-8999-000000000000";

async fn exchange(simulator: &Simulator, token: &str) -> StatusCode {
    // The first caller installs it; for all others it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = simulator.authority_endpoint();
    let url = format!("{authority}/simulator.example/oauth2/v2.0/token");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("scope", "https://graph.microsoft.com/.default"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", token),
    ];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(url).form(&form).send().await.unwrap().status()
}

#[tokio::test]
async fn kubectl_and_helm_speak_to_this_cluster() {
    let control_plane = shared().await;
    let who = [
        "auth",
        "whoami",
        "-o",
        "jsonpath={.status.userInfo.username}",
    ];
    let user = run(control_plane.kubectl().args(who)).await.unwrap();
    assert_eq!(user, control_plane.admin().user());
    assert!(
        run(control_plane.helm().args(["list", "--all-namespaces"]))
            .await
            .unwrap()
            .starts_with("NAME")
    );
}

#[tokio::test]
async fn a_failing_command_is_told_with_its_standard_error() {
    let error = run(shared().await.kubectl().args(["get", "nonsense"]))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::CommandFailed { stderr, .. } if stderr.contains("nonsense")),
        "{error}"
    );
    assert!(
        error.to_string().contains("kubectl get nonsense"),
        "{error}"
    );
}

#[tokio::test]
async fn a_service_account_may_do_what_its_roles_allow_and_nothing_else() {
    let control_plane = shared().await;
    let reader = control_plane
        .service_account("access", "reader")
        .await
        .unwrap();
    let maps = Api::<ConfigMap>::namespaced(reader.client().await.unwrap(), "access");
    let refused = maps.list(&ListParams::default()).await.unwrap_err();
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.is_forbidden()),
        "{refused}"
    );

    run(control_plane.kubectl().args([
        "create",
        "clusterrole",
        "map-reader",
        "--verb=list",
        "--resource=configmaps",
    ]))
    .await
    .unwrap();
    control_plane
        .bind_cluster_role("map-reader", "access", "reader")
        .await
        .unwrap();

    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items, []);
    let refused = maps.get("any").await.unwrap_err();
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.is_forbidden()),
        "{refused}"
    );
    let can = run(reader
        .kubectl()
        .args(["auth", "can-i", "list", "configmaps"]))
    .await
    .unwrap();
    assert_eq!(can.trim(), "yes");
}

#[tokio::test]
async fn an_account_and_a_binding_may_be_asked_for_again() {
    let control_plane = shared().await;
    for _ in 0..2 {
        control_plane
            .service_account("again", "user")
            .await
            .unwrap();
        control_plane
            .bind_cluster_role("view", "again", "user")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_role_that_is_missing_is_told() {
    let error = shared()
        .await
        .bind_cluster_role("no-such-role", "default", "user")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "failed to read ClusterRole no-such-role");
}
