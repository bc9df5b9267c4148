//! Each refusal of a credential has its own reason, and heals without a restart.

use industrydata_operator::api::GraphConnection;
use industrydata_operator::clock;
use industrydata_simulator::{Answer, ClientSecret, Effect, Operation, Rule};
use k8s_openapi::jiff::{SignedDuration, Timestamp, Unit};
use serde_json::json;

use super::{
    CERTIFICATE, KEY, by_certificate, by_person, by_service_account, connection_by, refresh_token,
    service_account, set_up, tls, trust,
};
use crate::conditions::{advice, headline, ready, stalled};
use crate::manifests::{CLIENT, connection, connection_with};
use crate::process::Launch;
use crate::test_env::TestEnv;

async fn is_told(env: &TestEnv, reason: &str, remedy: &str) {
    let expected = format!("True/{reason}");
    let told = |one: &GraphConnection| stalled(one) == expected && advice(one).contains(remedy);
    env.connection_where(told).await;
}

async fn heals(env: &TestEnv) {
    env.connection_where(|one| ready(one) == "True/Ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_client_secret_has_its_reason_and_heals() {
    let mut env = set_up("reasons-secret").await;
    let expired = ClientSecret {
        expires: Some(Timestamp::UNIX_EPOCH),
        id: Some("the-id".to_owned()),
        ..ClientSecret::from("simulator-secret")
    };
    let good = || vec![ClientSecret::from("simulator-secret")];
    env.simulator.set_secrets(CLIENT, vec![expired]).unwrap();
    env.start_operator(&[]).await;
    env.apply(connection()).await.unwrap();
    is_told(&env, "CredentialExpired", "create another one").await;
    env.apply(connection_with("the-id")).await.unwrap();
    is_told(&env, "ClientSecretInvalid", "not its id").await;
    env.simulator.set_secrets(CLIENT, good()).unwrap();
    env.apply(connection()).await.unwrap();
    heals(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_the_authority_that_needs_a_person_has_its_reason_and_heals() {
    let mut env = set_up("reasons-authority").await;
    env.start_operator(&[]).await;
    env.apply(connection()).await.unwrap();
    heals(&env).await;
    for (code, reason, remedy) in [
        ("AADSTS700016", "ApplicationNotFound", "spec.clientId"),
        ("AADSTS90002", "TenantNotFound", "spec.tenantId"),
        ("AADSTS65001", "ConsentRequired", "consent"),
        ("AADSTS53003", "ConditionalAccess", "adapt the policy"),
        ("AADSTS7000218", "ClientSecretMissing", "clientSecretKeyRef"),
        ("AADSTS123456", "CredentialRefused", "Check tenant"),
    ] {
        let answer = Answer::new(400).code(code);
        let rule = Rule::new(Effect::Refuse(answer))
            .on(Operation::Token)
            .always();
        let rule = env.simulator.inject(rule);
        env.simulator.revoke_tokens();
        is_told(&env, reason, remedy).await;
        env.simulator.remove_rule(rule);
        // A person tells the operator; without that, it takes up to five minutes.
        let secret = format!("simulator-{reason}");
        env.simulator.rotate_secret(CLIENT, &secret).unwrap();
        env.apply(connection_with(&secret)).await.unwrap();
        heals(&env).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_has_expired_or_was_revoked_is_told_and_another_one_heals() {
    let mut env = set_up("reasons-sign-in").await;
    env.start_operator(&[]).await;
    for (number, why) in [
        industrydata_simulator::Revocation::Expired,
        industrydata_simulator::Revocation::Revoked,
    ]
    .into_iter()
    .enumerate()
    {
        let text = format!("canary-refresh-{number}");
        env.simulator
            .set_refresh_tokens(CLIENT, vec![text.clone()])
            .unwrap();
        env.apply_all([refresh_token(&text), by_person()]).await;
        heals(&env).await;
        env.simulator.revoke_refresh_tokens(CLIENT, why).unwrap();
        env.simulator.revoke_tokens();
        is_told(&env, "SignInExpired", "kubectl industrydata login").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_certificate_has_its_reason_and_heals() {
    let mut env = set_up("reasons-certificate").await;
    env.start_operator(&[]).await;
    env.apply_all([tls(CERTIFICATE, KEY), by_certificate()])
        .await;
    is_told(&env, "CertificateRefused", "Upload the certificate").await;
    env.simulator
        .set_certificates(CLIENT, vec![CERTIFICATE.to_owned()])
        .unwrap();
    heals(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_that_is_not_trusted_is_told_and_trust_heals() {
    let mut env = set_up("reasons-workload").await;
    env.start_operator(&[]).await;
    env.apply_all([service_account("sds", CLIENT), by_service_account("sds")])
        .await;
    is_told(&env, "FederationRefused", "Add a federated credential").await;
    trust(&env, "sds").await;
    heals(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_expires_soon_is_told_in_message_event_and_metric() {
    let env = set_up("reasons-expiry").await;
    let operator = Launch::on(&env).start().await;
    let metric = async || {
        let (_, page) = operator.get("/metrics").await;
        let name = "industrydata_operator_connection_credential_expiry_timestamp_seconds{";
        let mut lines = page.lines().filter(|line| line.starts_with(name));
        let (_, value) = lines.next()?.rsplit_once(' ')?;
        Some(value.to_owned())
    };
    assert_eq!(metric().await, None);
    let soon = clock::now() + SignedDuration::from_hours(72);
    let soon = soon.round(Unit::Second).unwrap();
    let secret = |text: &str| json!({ "secretKeyRef": { "name": "contoso", "key": "clientSecret" }, "expiresAt": text });
    env.apply_all([
        crate::manifests::secret("contoso", &json!({ "clientSecret": "simulator-secret" })),
        connection_by(&json!({ "clientSecret": secret(&soon.to_string()) })),
    ])
    .await;
    let told = |one: &GraphConnection| {
        ready(one) == "True/Ready" && headline(one).message.contains(&soon.to_string())
    };
    env.connection_where(told).await;
    let event = async || env.events().await.contains("CredentialExpires");
    env.until("the event", event).await;
    let is_shown = async || metric().await == Some(soon.as_second().to_string());
    env.until("the metric", is_shown).await;

    let later = "2100-01-01T00:00:00Z";
    env.apply(connection_by(&json!({ "clientSecret": secret(later) })))
        .await
        .unwrap();
    let silent =
        |one: &GraphConnection| headline(one).message == "the service accepts this credential";
    env.connection_where(silent).await;
    operator.stop().await;
}
