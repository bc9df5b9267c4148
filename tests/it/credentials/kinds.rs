//! Each kind from its manifests to four flows that are ready, under the roles of the chart.

use std::time::Duration;

use industrydata_operator::api::Access;
use industrydata_simulator::Operation;

use super::{
    CERTIFICATE, KEY, access, by_certificate, by_person, by_service_account, certificate_until,
    existing, four_flows, refresh_token, requested, service_account, set_up, set_up_with, tls,
    trust, value,
};
use crate::conditions::{headline, ready};
use crate::manifests::{CLIENT, groups_in, set};
use crate::oracle::all_ready;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_manages_flows_and_each_new_refresh_token_is_in_the_secret() {
    let mut env = set_up("credential-person").await;
    env.simulator
        .configure(|behavior| behavior.refresh_token_once = true);
    let first = vec!["canary-refresh-0".to_owned()];
    env.simulator.set_refresh_tokens(CLIENT, first).unwrap();
    let start = env.audit_position();
    env.start_operator(&[]).await;
    env.apply_all([refresh_token("canary-refresh-0"), by_person()])
        .await;
    env.apply_all(four_flows("Manage")).await;
    all_ready(&env).await;
    env.connection_where(|one| access(one) == Some((Access::Allowed, Access::Allowed)))
        .await;
    let second = value(&env, "contoso", "refreshToken").await;
    assert_ne!(second, "canary-refresh-0");
    assert_eq!(
        env.simulator.refresh_tokens(CLIENT).unwrap(),
        std::slice::from_ref(&second)
    );
    assert_eq!(env.requests(Operation::Token), 1, "one exchange suffices");

    // When the token has expired, the new refresh token is exchanged, by this process and by the next.
    for name in ["later", "restarted"] {
        env.simulator.advance(Duration::from_hours(2));
        if name == "restarted" {
            env.stop_operator().await;
            env.start_operator(&[]).await;
        }
        env.apply_all([set(name), groups_in(name, name)]).await;
        all_ready(&env).await;
    }
    let last = value(&env, "contoso", "refreshToken").await;
    assert_ne!(last, second);
    assert_eq!(env.simulator.refresh_tokens(CLIENT).unwrap(), [last]);
    let connection = env.connections().get("contoso").await.unwrap();
    assert_eq!(ready(&connection), "True/Ready");
    assert_eq!(
        headline(&connection).message,
        "the service accepts this credential"
    );
    let secrets = requested(&env, start, "secrets");
    assert_eq!(secrets, ["get secrets/ contoso", "patch secrets/ contoso"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_a_new_refresh_token_is_used_and_reported() {
    let values = "rbac.serviceAccountNames={sds}";
    let mut env = set_up_with("credential-unkept", values).await;
    env.simulator
        .configure(|behavior| behavior.refresh_token_once = true);
    let first = vec!["canary-refresh-0".to_owned()];
    env.simulator.set_refresh_tokens(CLIENT, first).unwrap();
    env.start_operator(&[]).await;
    env.apply_all([refresh_token("canary-refresh-0"), by_person()])
        .await;
    env.apply_all(four_flows("Manage")).await;
    all_ready(&env).await;
    let connection = env.connection_where(|one| {
        headline(one)
            .message
            .contains("rbac.refreshTokenSecretNames")
    });
    assert_eq!(ready(&connection.await), "True/Ready");
    env.simulator.advance(Duration::from_hours(2));
    env.apply_all([set("later"), groups_in("later", "later")])
        .await;
    all_ready(&env).await;
    assert_eq!(
        value(&env, "contoso", "refreshToken").await,
        "canary-refresh-0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_observes_flows_and_is_not_in_any_request() {
    let mut env = set_up("credential-certificate").await;
    env.simulator
        .set_certificates(CLIENT, vec![CERTIFICATE.to_owned()])
        .unwrap();
    existing(&env, "District north");
    let start = env.audit_position();
    env.start_operator(&[]).await;
    env.apply_all([tls(CERTIFICATE, KEY), by_certificate()])
        .await;
    env.apply_all(four_flows("Observe")).await;
    all_ready(&env).await;
    let known = |access| access == Some((Access::Allowed, Access::Unknown));
    env.connection_where(|one| known(access(one))).await;
    assert_eq!(
        requested(&env, start, "secrets"),
        ["get secrets/ contoso-tls"]
    );

    // Another certificate of the same application, and its end.
    let renewed = certificate_until(2100);
    env.simulator
        .set_certificates(CLIENT, vec![renewed.clone()])
        .unwrap();
    env.simulator.revoke_tokens();
    env.apply(tls(&renewed, KEY)).await.unwrap();
    let connection = env.connection_where(|one| {
        let status = one.status.as_ref();
        let expiry = status.and_then(|status| status.credential_expiry.as_ref());
        expiry.is_some_and(|expiry| expiry.time == "2100-01-01T00:00:00Z")
    });
    assert_eq!(ready(&connection.await), "True/Ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_observes_flows_without_any_secret() {
    let mut env = set_up("credential-workload").await;
    trust(&env, "sds").await;
    existing(&env, "District north");
    let start = env.audit_position();
    env.start_operator(&[]).await;
    env.apply_all([service_account("sds", CLIENT), by_service_account("sds")])
        .await;
    env.apply_all(four_flows("Observe")).await;
    all_ready(&env).await;
    let accounts = requested(&env, start, "serviceaccounts");
    let expected = [
        "create serviceaccounts/token sds",
        "get serviceaccounts/ sds",
    ];
    assert_eq!(accounts, expected);
    assert_eq!(requested(&env, start, "secrets"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_may_not_write_is_told_the_way_and_goes_on_reading() {
    let mut env = set_up("credential-readonly").await;
    existing(&env, "District east");
    env.start_operator(&[]).await;
    env.apply_all([crate::manifests::connection()]).await;
    env.apply_all([set("north"), groups_in("north", "north")])
        .await;
    let refused = |one: &_| access(one) == Some((Access::Allowed, Access::Refused));
    let connection = env.connection_where(refused).await;
    assert_eq!(ready(&connection), "True/Ready");
    let stalled = |one: &industrydata_operator::api::OutboundProvisioningFlowSet| {
        crate::conditions::stalled(one) == "True/Forbidden"
    };
    let north = env.object_where(&env.sets(), "north", stalled).await;
    for message in [headline(&connection).message, headline(&north).message] {
        for part in [
            "delegated",
            "IndustryData-OutboundFlow.ReadWrite.All",
            "kubectl industrydata login",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
    // A person signs in, and nothing else is needed.
    let token = vec!["canary-refresh-0".to_owned()];
    env.simulator.set_refresh_tokens(CLIENT, token).unwrap();
    env.apply_all([refresh_token("canary-refresh-0"), by_person()])
        .await;
    all_ready(&env).await;
    env.connection_where(|one| access(one) == Some((Access::Allowed, Access::Allowed)))
        .await;
}
