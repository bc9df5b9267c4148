//! Resources that name what is not theirs, Secrets that change at the wrong moment, and a hostile authority.

use std::time::Duration;

use industrydata_operator::api::GraphConnection;
use industrydata_simulator::Operation;
use industrydata_testbed::{ProxyEffect, Rule};

use super::{
    CERTIFICATE, KEY, by_certificate, by_person, by_service_account, four_flows, refresh_token,
    requested, service_account, set_up, tls, trust, value,
};
use crate::conditions::{advice, headline, ready, stalled};
use crate::manifests::{CLIENT, connection, groups_in, set};
use crate::oracle::all_ready;
use crate::process::Launch;

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_requested_of_an_account_that_does_not_consent_or_is_not_granted() {
    let mut env = set_up("attack-accounts").await;
    trust(&env, "sds").await;
    let start = env.audit_position();
    env.start_operator(&[]).await;
    let other = "22222222-2222-4333-8444-555555555555";
    env.apply_all([service_account("sds", other), by_service_account("sds")])
        .await;
    let refused = |part: &'static str| {
        move |one: &GraphConnection| {
            stalled(one) == "True/CredentialUnavailable" && advice(one).contains(part)
        }
    };
    env.connection_where(refused("does not permit its use"))
        .await;
    // It consents, but the chart does not name it. The operator's own account is no exception.
    for name in ["another", crate::role::ACCOUNT] {
        env.apply_all([service_account(name, CLIENT)]).await;
        env.apply(by_service_account(name)).await.unwrap();
        env.connection_where(refused("rbac.serviceAccountNames"))
            .await;
    }
    let expected = [
        "get serviceaccounts/ another",
        "get serviceaccounts/ operator",
        "get serviceaccounts/ sds",
    ];
    assert_eq!(requested(&env, start, "serviceaccounts"), expected);
    assert_eq!(env.requests(Operation::Token), 0);
    // The audience cannot be chosen in a resource, and is not one that the API server would accept.
    let mut chosen = by_service_account("sds");
    chosen["spec"]["credential"]["workloadIdentity"]["audience"] =
        "https://kubernetes.default.svc".into();
    let error = env.apply(chosen).await.unwrap_err();
    assert!(error.contains("unknown field"), "{error}");
    let error = env.apply(by_service_account("")).await.unwrap_err();
    assert!(error.contains("serviceAccountName"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_another_namespace_cannot_be_named() {
    let mut env = set_up("attack-namespaces").await;
    env.start_operator(&[]).await;
    let start = env.audit_position();
    for name in [
        "kube-system/default",
        "../../kube-system/serviceaccounts/default",
    ] {
        let error = env.apply(by_service_account(name)).await.unwrap_err();
        assert!(
            error.contains("must be the name of a ServiceAccount"),
            "{error}"
        );
    }
    assert_eq!(
        requested(&env, start, "serviceaccounts"),
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_person_who_signs_in_during_an_exchange_wins() {
    let mut env = set_up("attack-exchange").await;
    let proxy = env.through_proxy().await;
    let tokens = ["canary-refresh-0", "canary-personal"].map(str::to_owned);
    env.simulator
        .set_refresh_tokens(CLIENT, tokens.into())
        .unwrap();
    // The write of the operator is held until the person has written.
    let held = Rule::new(ProxyEffect::Delay(Duration::from_secs(5))).method("PATCH");
    proxy.inject(held.path_part("/secrets/contoso"));
    env.start_operator(&[]).await;
    env.apply_all([refresh_token("canary-refresh-0"), by_person()])
        .await;
    env.until("an exchange", async || env.requests(Operation::Token) > 0)
        .await;
    env.apply(refresh_token("canary-personal")).await.unwrap();
    env.apply_all(four_flows("Manage")).await;
    all_ready(&env).await;
    let used = async || {
        let stored = value(&env, "contoso", "refreshToken").await;
        let mut known = env.simulator.refresh_tokens(CLIENT).unwrap().into_iter();
        stored != "canary-personal" && known.any(|token| token == stored)
    };
    env.until("the person's token to be exchanged and replaced", used)
        .await;
    assert_eq!(
        ready(&env.connections().get("contoso").await.unwrap()),
        "True/Ready"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_tenant_is_not_used() {
    let mut env = set_up("attack-tenant").await;
    env.simulator.configure(|behavior| {
        behavior.token_tenant = Some("22222222-2222-4333-8444-555555555555".to_owned());
    });
    env.start_operator(&[]).await;
    env.apply(connection()).await.unwrap();
    let refused = |one: &GraphConnection| {
        ready(one) == "False/UnexpectedAnswer" && headline(one).message.contains("another tenant")
    };
    env.connection_where(refused).await;
    assert_eq!(env.requests(Operation::ListSets), 0);
    env.simulator
        .configure(|behavior| behavior.token_tenant = None);
    env.connection_where(|one| ready(one) == "True/Ready").await;
}

/// At the level trace for all targets of the log.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_keys_are_shown_nowhere() {
    let env = set_up("attack-canary").await;
    env.simulator
        .configure(|behavior| behavior.refresh_token_once = true);
    let first = vec!["canary-refresh-0".to_owned()];
    env.simulator.set_refresh_tokens(CLIENT, first).unwrap();
    trust(&env, "sds").await;
    let operator = Launch::on(&env).flag("--log-level", "trace").start().await;
    env.apply_all([refresh_token("canary-refresh-0"), by_person()])
        .await;
    env.apply_all([set("north"), groups_in("north", "north")])
        .await;
    all_ready(&env).await;
    env.simulator.advance(Duration::from_hours(2));
    env.apply_all([set("later"), groups_in("later", "later")])
        .await;
    all_ready(&env).await;
    let rotated = value(&env, "contoso", "refreshToken").await;
    env.apply_all([service_account("sds", CLIENT), by_service_account("sds")])
        .await;
    let exchanged = env.requests(Operation::Token);
    env.simulator.revoke_tokens();
    env.until("a token for the service account", async || {
        env.requests(Operation::Token) > exchanged
    })
    .await;
    let exchanged = env.requests(Operation::Token);
    env.simulator
        .set_certificates(CLIENT, vec![CERTIFICATE.to_owned()])
        .unwrap();
    env.apply_all([tls(CERTIFICATE, KEY), by_certificate()])
        .await;
    env.until("a token for the certificate", async || {
        env.requests(Operation::Token) > exchanged
    })
    .await;
    let key = KEY.lines().nth(2).unwrap();
    let shown = env
        .kubectl(&["get", "gconn,flowset,pflow,events", "--output", "yaml"])
        .await
        .unwrap();
    let (_, metrics) = operator.get("/metrics").await;
    let log = operator.log();
    operator.stop().await;
    assert!(log.contains("hyper_util::"), "libraries log what they do");
    for text in [log, shown, metrics] {
        assert!(!text.contains("canary-refresh-0") && !text.contains(&rotated));
        // A token of a service account begins like each JSON Web Token that an API server signs.
        assert!(!text.contains("eyJhbGciOi"), "a token is shown");
        assert!(!text.contains(key), "a private key is shown");
    }
}
