use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};

use super::*;
use crate::api::{
    ClientCertificate, Credential as CredentialSpec, LocalReference,
    RefreshToken as RefreshTokenSpec, SecretKeyReference, WorkloadIdentity,
};
use crate::controller::secrets::MAX_CONCURRENT_READS;
use crate::controller::testing::{CREDENTIAL, FakeCluster, index, show, triggers};
use crate::graph::{AssertionSource, RefreshTokenStore};
use crate::plan::testing::connection;

const MINUTE: Duration = Duration::from_mins(1);
const CERTIFICATE: &str =
    include_str!("../../../crates/simulator/tests/it/fixtures/application-certificate.pem");
const KEY: &str = include_str!("../../../crates/simulator/tests/it/fixtures/application-key.pem");
const ACCOUNT: &str = "/api/v1/namespaces/schools/serviceaccounts/sds";

struct World {
    cluster: FakeCluster,
    credentials: Credentials,
    connection: GraphConnection,
}

impl World {
    fn new(spec: CredentialSpec) -> Self {
        let (cluster, index) = (FakeCluster::default(), index());
        let mut connection = connection();
        connection.spec.credential = spec;
        show(&index, [connection.clone()]);
        let (triggers, _woken) = triggers(&index);
        let reads = Arc::new(tokio::sync::Semaphore::new(MAX_CONCURRENT_READS));
        let secrets = Arc::new(Secrets::new(cluster.client(), reads, triggers));
        Self {
            credentials: Credentials::new(
                secrets,
                cluster.client(),
                "the-audience",
                Arc::new(|_| ()),
            ),
            cluster,
            connection,
        }
    }

    async fn read(&self) -> ReadCredential {
        self.credentials.read(&self.connection).await.unwrap()
    }

    async fn blocked(&self) -> Blocked {
        match self.credentials.read(&self.connection).await {
            Err(Unavailable::Blocked(blocked)) => blocked,
            Err(Unavailable::Failed(error)) => panic!("{error}"),
            Ok(_) => panic!("it can be used"),
        }
    }

    async fn confirmed(&self, max_age: Duration) -> Confirmed {
        let confirmed = self.credentials.confirm(&self.connection, max_age);
        confirmed.await.unwrap()
    }
}

fn reference(key: &str) -> SecretKeyReference {
    SecretKeyReference {
        name: "contoso".to_owned(),
        key: key.to_owned(),
    }
}

fn with_certificate() -> World {
    World::new(CredentialSpec {
        client_certificate: Some(ClientCertificate {
            secret_ref: LocalReference {
                name: "contoso".to_owned(),
            },
        }),
        ..CredentialSpec::default()
    })
}

fn with_service_account(name: &str) -> World {
    World::new(CredentialSpec {
        workload_identity: Some(WorkloadIdentity {
            service_account_name: name.to_owned(),
        }),
        ..CredentialSpec::default()
    })
}

/// A connection with a refresh token, which is in its Secret.
fn with_refresh_token() -> World {
    let world = World::new(CredentialSpec {
        refresh_token: Some(RefreshTokenSpec {
            secret_key_ref: reference("refreshToken"),
            client_secret_key_ref: None,
        }),
        ..CredentialSpec::default()
    });
    let data = [("refreshToken", "zero"), ("other", "kept")];
    world.cluster.put(CREDENTIAL, data);
    world
}

fn assertions(read: &ReadCredential) -> &Arc<dyn AssertionSource> {
    match &read.credential {
        Credential::Federated(source) => source,
        other => panic!("{other:?}"),
    }
}

fn store(read: &ReadCredential) -> &Arc<dyn RefreshTokenStore> {
    match &read.credential {
        Credential::RefreshToken(it) => &it.store,
        other => panic!("{other:?}"),
    }
}

/// Replaces the token `zero` by another one.
async fn replace(read: &ReadCredential, new: &str) -> Result<(), crate::graph::CredentialError> {
    store(read).replace(&"zero".into(), &new.into()).await
}

fn token(world: &World) -> String {
    let secret = world.cluster.object(CREDENTIAL);
    let value: k8s_openapi::ByteString =
        serde_json::from_value(secret["data"]["refreshToken"].clone()).unwrap();
    String::from_utf8(value.0).unwrap()
}

fn account(annotations: &Json) -> Json {
    json!({ "metadata": {
        "name": "sds",
        "annotations": annotations,
        "managedFields": [{ "time": "9999-12-31T23:59:59Z" }],
    } })
}

#[tokio::test]
async fn a_certificate_is_read_with_one_request_and_shows_its_end() {
    let world = with_certificate();
    let data = [("tls.crt", CERTIFICATE), ("tls.key", KEY)];
    world.cluster.put(CREDENTIAL, data);
    let read = world.read().await;
    assert!(matches!(read.credential, Credential::Certificate(_)));
    assert!(read.expiry.is_some());
    assert_eq!(world.cluster.count(CREDENTIAL), 1);
    assert!(read.identity.is(&world.confirmed(MINUTE).await));
}

#[tokio::test]
async fn an_unusable_certificate_is_reported_with_its_secret_and_without_its_content() {
    let world = with_certificate();
    let data = [("tls.crt", CERTIFICATE), ("tls.key", "canary")];
    world.cluster.put(CREDENTIAL, data);
    let blocked = world.blocked().await;
    assert_eq!(blocked.cause.reason, reason::INVALID_CERTIFICATE);
    let message = &blocked.cause.message;
    assert!(
        message.contains("contoso") && message.contains("private key"),
        "{message}"
    );
    assert!(!message.contains("canary"), "{message}");
}

#[tokio::test]
async fn a_service_account_that_consents_has_tokens_for_the_audience_of_the_operator() {
    let world = with_service_account("sds");
    let client_id = world.connection.spec.client_id.to_uppercase();
    let annotations = json!({ "azure.workload.identity/client-id": client_id });
    world.cluster.put_object(ACCOUNT, account(&annotations));
    let read = world.read().await;
    let token = assertions(&read).assertion().await.unwrap();
    assert_eq!(token.expose_secret(), "token for \"the-audience\"");
    let expected = [ACCOUNT.to_owned(), format!("POST {ACCOUNT}/token")];
    assert_eq!(world.cluster.requests(), expected);
    assert!(read.identity.is(&world.confirmed(MINUTE).await));
}

#[tokio::test]
async fn no_token_is_requested_of_an_account_that_does_not_consent() {
    let world = with_service_account("sds");
    let read = world.read().await;
    let missing = assertions(&read).assertion().await.unwrap_err();
    assert!(missing.message.contains("does not exist"), "{missing}");
    for annotations in [
        json!(null),
        json!({}),
        json!({ "azure.workload.identity/client-id": "" }),
        json!({ "azure.workload.identity/client-id": "22222222-2222-4333-8444-555555555555" }),
    ] {
        world.cluster.put_object(ACCOUNT, account(&annotations));
        let error = assertions(&read).assertion().await.unwrap_err();
        assert!(error.message.contains("does not permit"), "{error}");
        assert!(!error.is_transient);
    }
    world.cluster.refuse(Some(403));
    let error = assertions(&read).assertion().await.unwrap_err();
    assert!(
        error.message.contains("rbac.serviceAccountNames"),
        "{error}"
    );
    world.cluster.refuse(Some(500));
    assert!(
        assertions(&read)
            .assertion()
            .await
            .unwrap_err()
            .is_transient
    );
    let requests = world.cluster.requests();
    assert!(requests.iter().all(|path| path == ACCOUNT), "{requests:?}");
}

#[tokio::test]
async fn a_name_that_is_not_that_of_a_service_account_never_leaves() {
    for name in [
        "",
        "../../kube-system/serviceaccounts/admin",
        "a/token",
        "a?b",
        "A",
    ] {
        let world = with_service_account(name);
        let blocked = world.blocked().await;
        assert_eq!(blocked.cause.reason, reason::SERVICE_ACCOUNT_INVALID);
        assert_eq!(world.cluster.requests(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_rotated_refresh_token_replaces_the_one_in_its_secret_and_is_the_same_credential() {
    let world = with_refresh_token();
    let read = world.read().await;
    replace(&read, "one").await.unwrap();
    assert_eq!(token(&world), "one");
    let secret = world.cluster.object(CREDENTIAL);
    assert_eq!(
        secret["data"]["other"],
        json!(k8s_openapi::ByteString(b"kept".to_vec()))
    );
    for max_age in [MINUTE, Duration::ZERO] {
        assert!(read.identity.is(&world.confirmed(max_age).await));
    }
    world.cluster.put(CREDENTIAL, [("refreshToken", "zero")]);
    let old = world.confirmed(Duration::ZERO).await;
    assert!(!read.identity.is(&old), "what was replaced is another one");
}

#[tokio::test]
async fn a_change_of_something_else_does_not_keep_a_token_from_being_replaced() {
    let world = with_refresh_token();
    let read = world.read().await;
    world.cluster.before_next_change(|cluster| {
        let mut secret = cluster.object(CREDENTIAL);
        secret["metadata"]["resourceVersion"] = "7".into();
        cluster.put_object(CREDENTIAL, secret);
    });
    replace(&read, "one").await.unwrap();
    assert_eq!(token(&world), "one");
}

#[tokio::test]
async fn the_token_of_a_person_who_has_signed_in_again_stays() {
    let world = with_refresh_token();
    let read = world.read().await;
    world.cluster.before_next_change(|cluster| {
        cluster.put(CREDENTIAL, [("refreshToken", "personal")]);
        let mut secret = cluster.object(CREDENTIAL);
        secret["metadata"]["resourceVersion"] = "7".into();
        cluster.put_object(CREDENTIAL, secret);
    });
    replace(&read, "one").await.unwrap();
    assert_eq!(token(&world), "personal");
    assert!(!read.identity.is(&world.confirmed(Duration::ZERO).await));
}

#[tokio::test]
async fn what_keeps_a_token_from_being_replaced_is_reported_without_the_token() {
    let world = with_refresh_token();
    let read = world.read().await;
    world
        .cluster
        .before_next_change(|cluster| cluster.refuse(Some(500)));
    let error = replace(&read, "canary").await.unwrap_err();
    assert!(error.message.contains("contoso"), "{error}");
    assert!(!error.message.contains("canary"), "{error}");
}
