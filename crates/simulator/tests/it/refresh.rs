//! Refresh tokens: rotation, revocation, and whose they are. And secrets that end.

use std::time::Duration;

use industrydata_simulator::{Application, Options, Revocation, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Bench, CLIENT, SECRET, SETS, TENANT, access_token, secret_form},
    tokens::{form, number},
};

const FIRST: &str = "simulator-refresh-token";

fn fields(token: &str) -> [(&str, &str); 3] {
    [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("refresh_token", token),
    ]
}

async fn refreshed(bench: &Bench, token: &str) -> Answer {
    bench.token_request(TENANT, &fields(token)).await
}

fn next(answer: &Answer) -> String {
    answer.json()["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_use_returns_another_token_and_the_old_one_stays_unless_it_is_used_once() {
    let bench = Bench::new().await;
    let second = next(&refreshed(&bench, FIRST).await.expect(200));
    let third = next(&refreshed(&bench, FIRST).await.expect(200));
    assert!(second != FIRST && third != second);
    assert_eq!(
        bench.simulator.refresh_tokens(CLIENT).unwrap(),
        [FIRST, second.as_str(), third.as_str()]
    );
    bench
        .simulator
        .configure(|behavior| behavior.refresh_token_once = true);
    refreshed(&bench, &second).await.expect(200);
    let used = refreshed(&bench, &second).await.expect(400);
    assert_eq!(used.json()["error"], "invalid_grant");
    assert_eq!(number(&used), 70_000);
}

#[tokio::test]
async fn a_void_token_has_the_number_of_its_reason() {
    let bench = Bench::new().await;
    let path = format!("/applications/{CLIENT}/refresh-tokens");
    for (reason, expected) in [("revoked", 50_173), ("expired", 700_082)] {
        bench
            .control(Method::PUT, &path, Some(&json!(["new"])))
            .await
            .expect(204);
        let second = next(&refreshed(&bench, "new").await.expect(200));
        let revoke = format!("{path}?reason={reason}");
        bench
            .control(Method::DELETE, &revoke, None)
            .await
            .expect(204);
        for token in ["new", second.as_str()] {
            let refused = refreshed(&bench, token).await.expect(400);
            assert_eq!(refused.json()["error"], "invalid_grant");
            assert_eq!(number(&refused), expected);
        }
        let live = bench.control(Method::GET, &path, None).await.expect(200);
        assert_eq!(live.json(), json!([]));
    }
    let unknown = bench
        .control(Method::DELETE, &format!("{path}?reason=bored"), None)
        .await;
    unknown.expect(400);
    let texts = vec![FIRST.to_owned()];
    bench.simulator.set_refresh_tokens(CLIENT, texts).unwrap();
    refreshed(&bench, FIRST).await.expect(200);
    bench
        .simulator
        .revoke_refresh_tokens(CLIENT, Revocation::Revoked)
        .unwrap();
    refreshed(&bench, FIRST).await.expect(400);
}

#[tokio::test]
async fn a_token_that_is_not_used_for_90_days_expires() {
    let bench = Bench::new().await;
    bench.simulator.advance(Duration::from_hours(89 * 24));
    let second = next(&refreshed(&bench, FIRST).await.expect(200));
    bench.simulator.advance(Duration::from_hours(24));
    assert_eq!(number(&refreshed(&bench, FIRST).await.expect(400)), 700_082);
    refreshed(&bench, &second).await.expect(200);
}

#[tokio::test]
async fn a_token_belongs_to_its_application_and_its_tenant() {
    let other_client = "77777777-7777-4888-8999-000000000000";
    let other_tenant = "22222222-2222-4333-8444-555555555555";
    let application = |client_id: &str, tokens: &[&str]| Application {
        client_id: client_id.to_owned(),
        refresh_tokens: tokens.iter().map(|&token| token.to_owned()).collect(),
        ..Application::default()
    };
    let tenants = vec![
        Tenant {
            applications: vec![
                application(CLIENT, &[FIRST]),
                application(other_client, &[]),
            ],
            ..Tenant::default()
        },
        Tenant {
            id: other_tenant.to_owned(),
            domains: Vec::new(),
            applications: vec![application(CLIENT, &[])],
        },
    ];
    let bench = Bench::with(Options {
        tenants,
        ..Options::default()
    })
    .await;
    let foreign = bench.token_request(other_tenant, &fields(FIRST)).await;
    assert_eq!(number(&foreign.expect(400)), 70_000);
    let mut foreign = fields(FIRST);
    foreign[1].1 = other_client;
    let foreign = bench.token_request(TENANT, &foreign).await;
    assert_eq!(number(&foreign.expect(400)), 70_000);
    refreshed(&bench, FIRST).await.expect(200);
}

#[tokio::test]
async fn a_confidential_client_refreshes_with_its_secret_only() {
    let bench = Bench::new().await;
    let path = format!("/applications/{CLIENT}/public-client");
    bench
        .control(Method::PUT, &path, Some(&json!(false)))
        .await
        .expect(204);
    let missing = refreshed(&bench, FIRST).await.expect(401);
    assert_eq!(number(&missing), 7_000_218);
    let with = |secret| {
        let secret = [("client_secret", secret)];
        [fields(FIRST).as_slice(), &secret].concat()
    };
    let wrong = bench.token_request(TENANT, &with("wrong")).await;
    assert_eq!(number(&wrong.expect(401)), 7_000_215);
    bench.token_request(TENANT, &with(SECRET)).await.expect(200);
    bench.simulator.set_public_client(CLIENT, true).unwrap();
    refreshed(&bench, FIRST).await.expect(200);
}

#[tokio::test]
async fn a_refreshed_token_has_the_scopes_that_have_consent() {
    let mut bench = Bench::new().await;
    let read = "IndustryData-OutboundFlow.Read.All";
    let narrow = [fields(FIRST).as_slice(), &[("scope", read)]].concat();
    let answer = bench.token_request(TENANT, &narrow).await.expect(200);
    assert_eq!(answer.json()["scope"], read);
    bench.token = access_token(&answer);
    bench
        .post(SETS, &json!({ "displayName": "x" }))
        .await
        .expect(403);
    bench.simulator.set_permissions(CLIENT, Vec::new()).unwrap();
    for fields in [narrow.as_slice(), &fields(FIRST)] {
        let refused = bench.token_request(TENANT, fields).await.expect(400);
        assert_eq!(number(&refused), 65_001);
        assert_eq!(refused.json()["suberror"], "consent_required");
    }
}

#[tokio::test]
async fn a_secret_has_an_end_and_an_id_that_is_not_the_secret() {
    let bench = Bench::new().await;
    let path = format!("/applications/{CLIENT}/secrets");
    let end = bench.simulator.snapshot().now;
    let ended = json!({ "value": "ended", "id": "id of the secret", "expires": end });
    bench
        .control(Method::PUT, &path, Some(&json!([SECRET, ended])))
        .await
        .expect(204);
    bench
        .token_request(TENANT, &secret_form())
        .await
        .expect(200);
    for (secret, expected) in [("ended", 7_000_222), ("id of the secret", 7_000_215)] {
        let fields = form(&[("client_secret", secret)]);
        let refused = bench.token_request(TENANT, &fields).await.expect(401);
        assert_eq!(refused.json()["error"], "invalid_client");
        assert_eq!(number(&refused), expected);
    }
    let later = json!({ "value": "later", "expires": "2999-01-01T00:00:00Z" });
    bench
        .control(Method::PUT, &path, Some(&json!([later])))
        .await
        .expect(204);
    let fields = form(&[("client_secret", "later")]);
    bench.token_request(TENANT, &fields).await.expect(200);
    let wrong: Value = json!([{ "value": "x", "expire": "2999-01-01T00:00:00Z" }]);
    bench
        .control(Method::PUT, &path, Some(&wrong))
        .await
        .expect(422);
}
