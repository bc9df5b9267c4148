//! The four kinds of credential, each with what the simulator allows by default: applications may not write.

mod attacks;
mod kinds;
mod reasons;
mod rotation;

use industrydata_operator::api::{Access, GraphConnection};
use industrydata_simulator::{FederatedCredential, Options};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use crate::manifests::{CLIENT, flow, objects, polled, secret, types, with};
use crate::role::{self, Reach};
use crate::test_env::{TestEnv, plane};

/// What the chart is given for the Secrets and the service account of these tests.
pub const GRANTS: &str = "rbac.serviceAccountNames={sds},rbac.refreshTokenSecretNames={contoso}";

const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The certificate of the application, with a private key that is there for tests.
const CERTIFICATE: &str =
    include_str!("../../../crates/simulator/tests/it/fixtures/application-certificate.pem");
const KEY: &str = include_str!("../../../crates/simulator/tests/it/fixtures/application-key.pem");

/// An environment without the operator, whose roles are those of the chart for these credentials.
async fn set_up(name: &str) -> TestEnv {
    set_up_with(name, GRANTS).await
}

/// The same with other values of the chart.
async fn set_up_with(name: &str, values: &str) -> TestEnv {
    let plane = plane().await;
    let account = plane.service_account(name, role::ACCOUNT).await.unwrap();
    let roles = role::rendered_with(&plane, name, values).await;
    role::grant(&plane, &account, &roles).await;
    let reach = Reach::OneNamespace;
    let env = TestEnv::of(plane, name, Options::default(), account, reach).await;
    env.simulator
        .configure(|behavior| behavior.application_writes = false);
    env
}

/// The sample connection, polled each second, with this credential.
fn connection_by(credential: &Value) -> Value {
    let sample = objects(&polled("connection.yaml")).into_iter();
    let mut connections = sample.filter(|one| one["kind"] == "GraphConnection");
    let mut connection = connections.next().unwrap();
    connection["spec"]["credential"] = credential.clone();
    connection
}

/// The connection of a person whose refresh token is in the Secret `contoso`.
pub fn by_person() -> Value {
    connection_by(
        &json!({ "refreshToken": { "secretKeyRef": { "name": "contoso", "key": "refreshToken" } } }),
    )
}

fn by_certificate() -> Value {
    connection_by(&json!({ "clientCertificate": { "secretRef": { "name": "contoso-tls" } } }))
}

fn by_service_account(name: &str) -> Value {
    connection_by(&json!({ "workloadIdentity": { "serviceAccountName": name } }))
}

/// The Secret with a refresh token.
pub fn refresh_token(text: &str) -> Value {
    secret("contoso", &json!({ "refreshToken": text }))
}

/// A Secret as cert-manager creates it.
fn tls(certificate: &str, key: &str) -> Value {
    let mut secret = secret(
        "contoso-tls",
        &json!({ "tls.crt": certificate, "tls.key": key }),
    );
    secret["type"] = "kubernetes.io/tls".into();
    secret
}

/// Another certificate for the key of the tests.
fn certificate_until(year: i32) -> String {
    let mut params = CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let pair = KeyPair::from_pkcs8_pem_and_sign_algo(KEY, &PKCS_RSA_SHA256).unwrap();
    params.self_signed(&pair).unwrap().pem()
}

/// A service account that permits the operator to act for it, for an application.
fn service_account(name: &str, client_id: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
        "name": name, "annotations": { "azure.workload.identity/client-id": client_id } } })
}

/// Lets the application trust the service account of this name, by the keys of the control plane itself.
async fn trust(env: &TestEnv, name: &str) {
    let discovery = env.kubectl(&["get", "--raw", "/.well-known/openid-configuration"]);
    let discovery: Value = serde_json::from_str(&discovery.await.unwrap()).unwrap();
    let keys = env.kubectl(&["get", "--raw", "/openid/v1/jwks"]).await;
    let credential = FederatedCredential {
        issuer: discovery["issuer"].as_str().unwrap().to_owned(),
        subject: format!("system:serviceaccount:{}:{name}", env.namespace),
        audience: AUDIENCE.to_owned(),
        jwks: serde_json::from_str(&keys.unwrap()).unwrap(),
    };
    env.simulator
        .set_federated_credentials(CLIENT, vec![credential])
        .unwrap();
}

/// A set at the service with a flow of each type, which another administrator has made.
fn existing(env: &TestEnv, display_name: &str) {
    let body = json!({ "displayName": display_name });
    let set = env.simulator.create_set(&body).unwrap();
    for (member, mut body, _) in types() {
        body["@odata.type"] =
            format!("#microsoft.graph.industryData.{member}ProvisioningFlow").into();
        env.simulator.create_flow(&set, &body).unwrap();
    }
}

/// The set and the four flows, to be managed or observed.
fn four_flows(policy: &str) -> Vec<Value> {
    let policy = json!({ "managementPolicy": policy });
    let spec = json!({ "connectionRef": { "name": "contoso" }, "displayName": "District north" });
    let set = crate::manifests::object("OutboundProvisioningFlowSet", "north", &spec);
    let flows = types().map(|(member, options, _)| {
        let name = format!("north-{}", member.to_lowercase());
        with(flow(&name, &json!({ member: options })), &policy)
    });
    [with(set, &policy)].into_iter().chain(flows).collect()
}

/// The value of a key of a Secret.
async fn value(env: &TestEnv, name: &str, key: &str) -> String {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &env.namespace);
    let data = secrets.get(name).await.unwrap().data.unwrap();
    String::from_utf8(data[key].0.clone()).unwrap()
}

/// What the status states about the rights of the credential: reads and changes.
fn access(connection: &GraphConnection) -> Option<(Access, Access)> {
    let access = connection.status.as_ref()?.access.as_ref()?;
    Some((access.read, access.write))
}

/// What the operator has requested of an API resource since, as `verb resource/subresource name`.
fn requested(env: &TestEnv, since: industrydata_testbed::Position, resource: &str) -> Vec<String> {
    let entries = env.requests_since(since).into_iter();
    let mut requested: Vec<_> = entries
        .filter(|entry| entry.resource == resource)
        .map(|entry| {
            format!(
                "{} {}/{} {}",
                entry.verb, resource, entry.subresource, entry.name
            )
        })
        .collect();
    requested.sort();
    requested.dedup();
    requested
}
