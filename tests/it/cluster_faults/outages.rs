//! Programs of the control plane that stop, die or refuse, on control planes that nobody else needs.

use industrydata_operator::runtime::RuntimeError;
use industrydata_simulator::{Answer, Effect, Operation, Options};
use industrydata_testbed::{ControlPlane, Hit, Program, ProgramName, Proxy, ProxyEffect, Rule};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::{both_are_done_once, comes_to_rest, each_create_was_announced, with_groups_at_rest};
use crate::conditions::is_ready;
use crate::manifests::{groups, units};
use crate::test_env::{TestEnv, start_plane};
use crate::times;

/// A control plane that is harmed, for one test at a time.
pub struct Rough {
    pub plane: Arc<ControlPlane>,
    _turn: MutexGuard<'static, ()>,
}

impl Rough {
    pub async fn take() -> Self {
        // As many as there are tests at a time on a small machine, so that none waits for another.
        static PLANES: [OnceCell<Arc<ControlPlane>>; 2] = [const { OnceCell::const_new() }; 2];
        static TURNS: [Mutex<()>; 2] = [const { Mutex::const_new(()) }; 2];
        let (plane, turn) = match TURNS[0].try_lock() {
            Ok(turn) => (&PLANES[0], turn),
            Err(_) => (&PLANES[1], TURNS[1].lock().await),
        };
        let plane = Arc::clone(plane.get_or_init(start_plane).await);
        // A test that failed may have left anything behind.
        for program in plane.programs() {
            if program.thaw().await.is_err() {
                plane.restart(program.name()).unwrap();
            }
        }
        plane.etcd().unwrap().end_no_space().await.unwrap();
        plane.ready().await.unwrap();
        Self { plane, _turn: turn }
    }

    fn program(&self, name: ProgramName) -> &Program {
        self.plane.program(name).unwrap()
    }

    pub async fn restart(&self, name: ProgramName) {
        self.plane.restart(name).unwrap();
        self.plane.ready().await.unwrap();
    }

    /// An environment where the operator leads without a lease, and the sample set is ready.
    pub async fn open(&self, name: &str) -> (TestEnv, Proxy) {
        let mut env = TestEnv::set_up_on(self.plane.clone(), name, Options::default()).await;
        env = env.shortened(&times::ALONE);
        let proxy = env.through_proxy().await;
        env.start_operator(&[]).await;
        env.ready_sample_set().await;
        (env, proxy)
    }
}

/// Applies a flow, of whose set the operator sees nothing until `harm` is done. Waits until it has tried to write its
/// intent down.
async fn harmed_before_its_intent(env: &TestEnv, proxy: &Proxy, harm: impl AsyncFnOnce()) {
    let blind = Effect::Refuse(Answer::new(500));
    let blind = Rule::new(blind).on(Operation::ListFlows);
    let blind = env.simulator.inject(blind.always());
    // Delays nothing, and tells what was asked.
    let seen = Rule::new(ProxyEffect::Delay(Duration::ZERO)).method("PATCH");
    proxy.inject(seen.path_part("/provisioningflows/groups").always());
    env.apply(groups("groups")).await.unwrap();
    let looked = async || env.requests(Operation::ListFlows) > 0;
    env.until("the look", looked).await;
    harm().await;
    env.simulator.remove_rule(blind);
    let of_intent = |hit: &Hit| !hit.path.ends_with("/status");
    let tried = async || proxy.hits().iter().any(of_intent);
    env.until("the intent", tried).await;
}

async fn one_create_in_the_end(env: &TestEnv) {
    env.flow_where("groups", is_ready).await;
    comes_to_rest(env).await;
    assert_eq!(env.requests(Operation::CreateFlow), 1);
    each_create_was_announced(env).await;
}

/// The leader ends as it cannot renew its lease, and the next leader finds the flow.
#[tokio::test(flavor = "multi_thread")]
async fn f03_an_api_server_frozen_after_a_create_leads_to_no_second_create() {
    let rough = Rough::take().await;
    let mut env = TestEnv::set_up_on(rough.plane.clone(), "f03-frozen", Options::default()).await;
    env.start_operator(&[]).await;
    env.ready_sample_set().await;
    // Shorter than the operator waits for an answer (10 s), and long enough to freeze the API server meanwhile.
    let late = Effect::DelayAfter(Duration::from_secs(8));
    env.simulator
        .inject(Rule::new(late).on(Operation::CreateFlow));
    env.apply(groups("groups")).await.unwrap();
    let created = async || env.committed(Operation::CreateFlow) == 1;
    env.until("the create", created).await;
    let server = rough.program(ProgramName::KubeApiServer);
    server.freeze().await.unwrap();
    let end = env.operator_end().await;
    server.thaw().await.unwrap();
    assert!(matches!(end, Err(RuntimeError::LeaseLost(_))), "{end:?}");
    env.start_operator(&[]).await;
    one_create_in_the_end(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_a_watch_that_is_too_old_begins_anew_and_finds_what_it_has_missed() {
    let rough = Rough::take().await;
    let (env, proxy) = rough.open("f13").await;
    with_groups_at_rest(&env).await;
    let watches = |effect| Rule::new(effect).query("watch=");
    proxy.inject(watches(ProxyEffect::Hold));
    env.patch_flow("groups", json!({ "resetToken": "unseen" }))
        .await;
    env.apply(units("units")).await.unwrap();
    let start = env.audit_position();
    rough.plane.etcd().unwrap().compact().await.unwrap();
    rough.restart(ProgramName::KubeApiServer).await;
    assert_eq!(env.committed(Operation::ResetFlow), 0);
    proxy.inject(watches(ProxyEffect::CutStream));
    proxy.clear();
    both_are_done_once(&env).await;
    let asked = env.requests_since(start);
    let asked = |verb| {
        asked
            .iter()
            .filter(|one| one.verb == verb && one.resource == "provisioningflows")
            .count()
    };
    // The end of the old API server may have been reason for one more.
    assert!((1..=2).contains(&asked("list")), "{} lists", asked("list"));
    assert!(asked("get") <= 1, "{} reads", asked("get"));
}

/// While the API server is away, the flow that vanishes at the service is not made anew, as the intent cannot be
/// written.
#[tokio::test(flavor = "multi_thread")]
async fn f16_an_api_server_that_dies_stops_changes_until_it_is_back() {
    let rough = Rough::take().await;
    let (env, _proxy) = rough.open("f16-killed").await;
    harmed_while_it_is_away(&rough, env, ProgramName::KubeApiServer).await;
}

async fn harmed_while_it_is_away(rough: &Rough, env: TestEnv, name: ProgramName) {
    let flow = env.apply_ready(groups("groups")).await;
    rough.program(name).kill();
    let id = flow.status.unwrap().id.unwrap();
    env.simulator.delete_flow(&id).unwrap();
    // Beyond the visibility window, after which an object that is gone is made anew.
    env.flow_lists(5).await;
    assert_eq!(env.requests(Operation::CreateFlow), 1);
    rough.restart(name).await;
    let created = async || env.committed(Operation::CreateFlow) == 2;
    env.until("the second create", created).await;
    env.flow_where("groups", is_ready).await;
    comes_to_rest(&env).await;
    assert_eq!(env.requests(Operation::CreateFlow), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_an_etcd_that_freezes_before_an_intent_is_written_stops_the_create() {
    let rough = Rough::take().await;
    let (env, proxy) = rough.open("f17-frozen").await;
    let etcd = rough.program(ProgramName::Etcd);
    harmed_before_its_intent(&env, &proxy, async || etcd.freeze().await.unwrap()).await;
    env.flow_lists(2).await;
    assert_eq!(env.requests(Operation::CreateFlow), 0);
    etcd.thaw().await.unwrap();
    one_create_in_the_end(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_an_etcd_that_dies_before_an_intent_is_written_stops_the_create() {
    let rough = Rough::take().await;
    let (env, proxy) = rough.open("f17-killed").await;
    let etcd = rough.program(ProgramName::Etcd);
    harmed_before_its_intent(&env, &proxy, async || etcd.kill()).await;
    env.flow_lists(2).await;
    assert_eq!(env.requests(Operation::CreateFlow), 0);
    rough.restart(ProgramName::Etcd).await;
    one_create_in_the_end(&env).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_an_etcd_that_is_full_stops_the_create_until_there_is_room() {
    let rough = Rough::take().await;
    let (env, proxy) = rough.open("f17-full").await;
    let etcd = rough.plane.etcd().unwrap();
    harmed_before_its_intent(&env, &proxy, async || {
        etcd.raise_no_space().await.unwrap();
    })
    .await;
    env.flow_lists(2).await;
    assert_eq!(env.requests(Operation::CreateFlow), 0);
    etcd.end_no_space().await.unwrap();
    one_create_in_the_end(&env).await;
}
