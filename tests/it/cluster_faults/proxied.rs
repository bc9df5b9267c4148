//! Requests to the API server that go wrong, and watches that do not show what is so.

use std::collections::BTreeMap;

use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Effect, Operation, Options};
use industrydata_testbed::{Proxy, ProxyEffect, Rule};
use kube::ResourceExt;
use serde_json::json;

use super::{both_are_done_once, comes_to_rest, each_create_was_announced, with_groups_at_rest};
use crate::conditions::{is_ready, known_id};
use crate::manifests::{groups, units};
use crate::test_env::TestEnv;
use crate::times;

/// An environment where the operator reaches the API server through a proxy, and the sample set is ready.
async fn open(name: &str, flags: &[&str]) -> (TestEnv, Proxy) {
    let mut env = TestEnv::set_up(name, Options::default()).await;
    let proxy = env.through_proxy().await;
    env.start_operator(flags).await;
    env.ready_sample_set().await;
    (env, proxy)
}

/// An environment where the operator leads without a lease, and the sample set is ready.
async fn alone(name: &str) -> TestEnv {
    let mut env = TestEnv::set_up(name, Options::default()).await;
    env = env.shortened(&times::ALONE);
    env.start_operator(&[]).await;
    env.ready_sample_set().await;
    env
}

/// What the API server says when it refuses.
fn refusal(code: u16, reason: &str) -> ProxyEffect {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "no",
    });
    ProxyEffect::answer(code, status.to_string())
}

/// Every way in which a write fails, or seems to.
fn failed_writes() -> [ProxyEffect; 4] {
    [
        refusal(409, "Conflict"),
        refusal(500, "InternalError"),
        ProxyEffect::DropBefore,
        ProxyEffect::ForwardThenCut,
    ]
}

fn is_new(old: &ProvisioningFlow) -> impl Fn(&ProvisioningFlow) -> bool {
    let uid = old.uid();
    move |flow| is_ready(flow) && flow.uid() != uid
}

async fn hits(env: &TestEnv, proxy: &Proxy, effect: &ProxyEffect, least: usize) {
    let hits = || proxy.hits().into_iter().filter(|hit| hit.effect == *effect);
    let enough = async || hits().count() >= least;
    env.until(&format!("{least} times {effect:?}"), enough)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_a_failed_status_write_after_a_create_leads_to_no_second_create() {
    let (env, proxy) = open("f03-status", &[]).await;
    let names = ["groups", "units"];
    let effects = failed_writes();
    for name in names {
        let path = format!("/provisioningflows/{name}/status");
        for effect in &effects {
            proxy.inject(Rule::new(effect.clone()).method("PATCH").path_part(&path));
        }
    }
    env.apply(groups("groups")).await.unwrap();
    env.apply(units("units")).await.unwrap();
    for name in names {
        env.flow_where(name, is_ready).await;
    }
    assert_eq!(proxy.hits().len(), names.len() * effects.len());
    comes_to_rest(&env).await;
    assert_eq!(env.committed(Operation::CreateFlow), 2);
    each_create_was_announced(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_an_intent_that_is_not_known_to_be_written_leads_to_no_create() {
    let (env, proxy) = open("f03-intent", &[]).await;
    let spoil = |name: &str, effect: &ProxyEffect| {
        let rule = Rule::new(effect.clone()).method("PATCH");
        proxy.inject(rule.path_part(&format!("/provisioningflows/{name}")));
    };
    let effects = failed_writes();
    for effect in &effects {
        spoil("groups", effect);
    }
    env.apply(groups("groups")).await.unwrap();
    hits(&env, &proxy, &ProxyEffect::ForwardThenCut, 1).await;
    assert_eq!(env.requests(Operation::CreateFlow), 0);
    env.flow_where("groups", is_ready).await;
    spoil("units", &ProxyEffect::Truncate(20));
    env.apply(units("units")).await.unwrap();
    hits(&env, &proxy, &ProxyEffect::Truncate(20), 1).await;
    env.flow_where("units", is_ready).await;
    comes_to_rest(&env).await;
    assert_eq!(env.committed(Operation::CreateFlow), 2);
    each_create_was_announced(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_changes_whose_events_are_lost_are_found_at_the_next_list() {
    let (env, proxy) = open("f12", &["--relist-interval", "5s"]).await;
    with_groups_at_rest(&env).await;
    let lose = async |lost: usize| {
        hits(&env, &proxy, &ProxyEffect::Swallow, lost).await;
        proxy.clear();
    };
    let swallow = || {
        Rule::new(ProxyEffect::Swallow)
            .path_part("/provisioningflows")
            .query("watch=")
    };
    proxy.inject(swallow());
    env.patch_flow("groups", json!({ "resetToken": "lost" }))
        .await;
    env.apply(units("units")).await.unwrap();
    lose(2).await;
    assert_eq!(env.committed(Operation::ResetFlow), 0);
    env.flow_where("units", is_ready).await;
    let reset = async || env.committed(Operation::ResetFlow) == 1;
    env.until("the reset", reset).await;
    comes_to_rest(&env).await;
    proxy.inject(swallow());
    env.delete_flow("groups").await;
    lose(3).await;
    env.flows_gone(&["groups"]).await;
    comes_to_rest(&env).await;
    let counts = [
        Operation::CreateFlow,
        Operation::ResetFlow,
        Operation::DeleteFlow,
    ];
    assert_eq!(counts.map(|operation| env.committed(operation)), [2, 1, 1]);
}

/// Two resources of the past, of which one was being deleted, meet two of the same names of today.
#[tokio::test(flavor = "multi_thread")]
async fn f14_an_old_list_at_start_harms_no_new_resources_of_the_same_names() {
    let mut env = alone("f14").await;
    let names = ["groups", "units"];
    env.apply_all([groups("groups"), units("units")]).await;
    let mut old = Vec::new();
    for name in names {
        old.push(env.flow_where(name, is_ready).await);
    }
    env.stop_operator().await;
    env.delete_flow("units").await;
    let past = list(&env).await;

    env.start_operator(&[]).await;
    env.flows_gone(&["units"]).await;
    env.remove_flow("groups").await;
    env.apply_all([groups("groups"), units("units")]).await;
    let mut new = Vec::new();
    for (name, old) in names.iter().zip(&old) {
        new.push(env.flow_where(name, is_new(old)).await);
    }
    comes_to_rest(&env).await;
    env.stop_operator().await;
    let (versions, before) = (of_objects(&env).await, env.simulator.journal().tally());

    let proxy = live_in(&mut env, past).await;
    let start = env.audit_position();
    env.start_operator(&[]).await;
    let refused = async || {
        let requests = env.requests_since(start);
        let is_refused = |name: &str| {
            requests.iter().any(|one| {
                one.is_write() && one.name == name && [404, 409, 422].contains(&one.code)
            })
        };
        names.iter().all(|name| is_refused(name)) || of_objects(&env).await != versions
    };
    env.until("writes that are refused", refused).await;
    // Beyond the visibility window, after which an object that is gone is made anew.
    env.flow_lists(5).await;
    assert_eq!(of_objects(&env).await, versions);
    proxy.clear();
    proxy.inject(Rule::new(ProxyEffect::CutStream).query("watch="));
    comes_to_rest(&env).await;
    for (name, new) in names.iter().zip(new) {
        let now = env.flow_where(name, is_ready).await;
        assert_eq!((now.uid(), known_id(&now)), (new.uid(), known_id(&new)));
    }
    let now = env.simulator.journal().tally();
    assert_eq!(now.committed, before.committed);
    assert_eq!(env.committed(Operation::CreateFlow), 4);
}

/// The versions of resources that stand for an object at the service. A connection counts what the cluster declares, as far
/// as it is known.
async fn of_objects(env: &TestEnv) -> BTreeMap<String, String> {
    let mut versions = env.versions().await;
    versions.retain(|name, _| !name.starts_with("GraphConnection/"));
    versions
}

/// The create of the old resource was never resolved, so any flow that came later could be its outcome.
#[tokio::test(flavor = "multi_thread")]
async fn f14_an_old_deletion_leaves_the_flow_of_a_new_resource_alone() {
    let mut env = alone("f14-deletion").await;
    let cut = Rule::new(Effect::CutBefore).on(Operation::CreateFlow);
    env.simulator.inject(cut.always());
    env.apply(groups("groups")).await.unwrap();
    let sent = || env.requests(Operation::CreateFlow);
    env.until("a create", async || sent() > 0).await;
    env.stop_operator().await;
    env.simulator.clear_rules();
    env.delete_flow("groups").await;
    let past = list(&env).await;
    env.start_operator(&[]).await;
    env.flows_gone(&["groups"]).await;
    with_groups_at_rest(&env).await;
    env.stop_operator().await;

    let _proxy = live_in(&mut env, past).await;
    let start = env.audit_position();
    env.start_operator(&[]).await;
    let lists = || env.requests(Operation::ListFlows);
    let before = lists();
    let acts = async || {
        let requests = env.requests_since(start);
        lists() > before + 5 || requests.iter().any(|one| one.name == "groups")
    };
    env.until("the operator to act", acts).await;
    assert_eq!(env.committed(Operation::DeleteFlow), 0);
    assert_eq!(env.committed(Operation::CreateFlow), 1);
}

/// All flows, as the API server lists them now.
async fn list(env: &TestEnv) -> String {
    let flows = env.flows();
    let raw = ["get", "--raw", flows.resource_url()];
    env.kubectl(&raw).await.unwrap()
}

/// Shows to an operator that is started now the flows of the past, and nothing of what has happened to them since.
async fn live_in(env: &mut TestEnv, past: String) -> Proxy {
    let proxy = env.through_proxy().await;
    let of_flows = |effect| {
        Rule::new(effect)
            .method("GET")
            .path_part("/provisioningflows")
    };
    let past = of_flows(ProxyEffect::answer(200, past)).query("limit=50");
    proxy.inject(past.always());
    proxy.inject(of_flows(ProxyEffect::Hold).query("watch="));
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_an_api_server_that_turns_requests_away_is_asked_again_later() {
    let (env, proxy) = open("f16-throttled", &[]).await;
    with_groups_at_rest(&env).await;
    let mut effect = refusal(429, "TooManyRequests");
    if let ProxyEffect::Answer { headers, .. } = &mut effect {
        headers.push(("retry-after".to_owned(), "1".to_owned()));
    }
    // All but the lease, which has a level of priority of its own in a real cluster.
    proxy.inject(
        Rule::new(effect.clone())
            .path_part("/apis/industrydata.dev")
            .always(),
    );
    proxy.inject(Rule::new(ProxyEffect::CutStream).query("watch="));
    env.patch_flow("groups", json!({ "resetToken": "throttled" }))
        .await;
    env.apply(units("units")).await.unwrap();
    hits(&env, &proxy, &effect, 6).await;
    let counts = [Operation::CreateFlow, Operation::ResetFlow];
    assert_eq!(counts.map(|operation| env.committed(operation)), [1, 0]);
    proxy.clear();
    both_are_done_once(&env).await;
    each_create_was_announced(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f20_an_operator_can_be_stopped_before_it_has_seen_everything() {
    let (mut env, proxy) = open("f20-early", &[]).await;
    env.apply_ready(groups("groups")).await;
    env.stop_operator().await;
    // The pages of a list have this size, and the question whether the kinds are known has another.
    let lists = Rule::new(ProxyEffect::Hold).query("limit=50");
    proxy.inject(lists.path_part("provisioningflows"));
    env.start_operator(&[]).await;
    hits(&env, &proxy, &ProxyEffect::Hold, 1).await;
    env.stop_operator().await;
}
