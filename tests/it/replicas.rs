//! Several replicas as processes: one leads, another takes over, and nobody does again what has been done.

use std::time::{Duration, Instant};

use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Answer, Effect, FlowType, Operation, Options, Rule};
use industrydata_testbed::measured;
use serde_json::json;

use crate::conditions::{Conditions, is_ready, stalled};
use crate::log_assertions::{assert_no_overlap, assert_one_at_a_time};
use crate::manifests::{connection, groups, other_groups, set, units, with};
use crate::process::{Launch, Process};
use crate::test_env::TestEnv;

async fn open(name: &str) -> TestEnv {
    TestEnv::set_up(name, Options::default()).await
}

async fn start(env: &TestEnv, name: &str, failpoints: &str) -> Process {
    let launch = Launch::on(env).named(&format!("{name} of {}", env.namespace));
    launch.failpoints(failpoints).start().await
}

pub async fn takes_over(env: &TestEnv, replica: &mut Process) {
    one_takes_over(env, std::slice::from_mut(replica)).await;
}

fn flows_created(env: &TestEnv, kind: FlowType) -> usize {
    let is = |created: Operation| created == Operation::CreateFlow;
    env.simulator
        .count(|entry| entry.committed && is(entry.operation) && entry.flow_type == Some(kind))
}

async fn hand_over(name: &str, standing_by: usize) {
    let env = open(name).await;
    env.put(&connection()).await;
    env.put(&set("north")).await;
    let mut leader = start(&env, "first", "").await;
    takes_over(&env, &mut leader).await;
    let mut others = Vec::new();
    for number in 0..standing_by {
        others.push(start(&env, &format!("other {number}"), "").await);
    }
    env.put(&units("units")).await;
    env.flow_where("units", is_ready).await;
    for other in &mut others {
        assert!(!other.leads().await, "two lead");
        assert_eq!(other.get("/readyz").await.0, 200);
    }

    let killed = Instant::now();
    leader.kill().await;
    one_takes_over(&env, &mut others).await;
    let after_kill = killed.elapsed();
    env.put(&groups("groups")).await;
    env.flow_where("groups", is_ready).await;

    others.push(start(&env, "last", "").await);
    let leading = leading(&mut others).await.unwrap();
    let leader = others.remove(leading);
    let told = Instant::now();
    leader.stop().await;
    one_takes_over(&env, &mut others).await;
    let after_stop = told.elapsed();
    let figure = format!("{after_kill:.1?} after kill -9, {after_stop:.1?} after SIGTERM");
    measured("hand-over", &figure).unwrap();
    assert!(
        after_stop * 2 < after_kill,
        "{after_stop:?} and {after_kill:?}"
    );
    assert_eq!(env.committed(Operation::CreateFlow), 2);
    assert_eq!(env.simulator.journal().sets_created(), 1);
}

async fn leading(replicas: &mut [Process]) -> Option<usize> {
    for (number, replica) in replicas.iter_mut().enumerate() {
        if replica.leads().await {
            return Some(number);
        }
    }
    None
}

async fn one_takes_over(env: &TestEnv, replicas: &mut [Process]) {
    let replicas = tokio::sync::Mutex::new(replicas);
    let leads = async || leading(*replicas.lock().await).await.is_some();
    env.until("one to take over", leads).await;
}

/// Of two replicas, and of three.
#[tokio::test(flavor = "multi_thread")]
async fn one_replica_leads_and_sigterm_hands_over_sooner_than_death() {
    tokio::join!(hand_over("two-replicas", 1), hand_over("three-replicas", 2));
}

/// What a replica was about to do, or had just done, when it froze.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frozen {
    BeforeCreate,
    AfterCreate,
    BeforeReset,
}

/// Freezes the leader for longer than its lease, lets another take over and finish, and continues the first.
async fn zombie(name: &str, frozen: Frozen) {
    let env = open(name).await;
    env.put(&connection()).await;
    let id = env
        .simulator
        .create_set(&json!({ "displayName": name }))
        .unwrap();
    // No resource stands for the set, so that the effects of one flow are counted and no others.
    let set =
        json!({ "flowSetRef": null, "flowSetId": id, "connectionRef": { "name": "contoso" } });
    let mut resetting = set.clone();
    resetting["resetToken"] = json!("again");
    env.put(&with(units("elder"), &set)).await;
    let operator = start(&env, "preparation", "").await;
    env.flow_where("elder", is_ready).await;
    operator.stop().await;

    match frozen {
        Frozen::BeforeReset => env.put(&with(units("elder"), &resetting)).await,
        _ => env.put(&with(groups("younger"), &set)).await,
    }
    // The intent is an effect, with a point before and one after it.
    let point = if frozen == Frozen::AfterCreate { 4 } else { 3 };
    let freeze = format!("effect={}*off->1*return(freeze)", point - 1);
    let mut zombie = start(&env, "zombie", &freeze).await;
    env.until("the zombie to freeze", async || zombie.is_frozen())
        .await;
    let done = usize::from(frozen == Frozen::AfterCreate);
    assert_eq!(flows_created(&env, FlowType::SecurityGroup), done);
    let mut other = start(&env, "other", "").await;
    takes_over(&env, &mut other).await;
    let in_doubt = |flow: &ProvisioningFlow| stalled(flow) == "True/ResetUnknown";
    match frozen {
        Frozen::BeforeReset => env.flow_where("elder", in_doubt).await,
        _ => env.flow_where("younger", is_ready).await,
    };

    zombie.thaw().await;
    assert!(!zombie.wait().await.success(), "it has lost its lease");
    assert!(other.leads().await);
    let elder = |flow: &ProvisioningFlow| is_ready(flow) || in_doubt(flow);
    env.flow_where("elder", elder).await;
    let journal = env.simulator.journal();
    let created = usize::from(frozen != Frozen::BeforeReset);
    assert_eq!(flows_created(&env, FlowType::SecurityGroup), created);
    assert_eq!(flows_created(&env, FlowType::AdministrativeUnit), 1);
    assert!(journal.committed(Operation::ResetFlow) <= 1, "{frozen:?}");
    assert_no_overlap(&journal, &[zombie.log(), other.log()]);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_a_leader_that_was_frozen_does_nothing_twice_when_it_wakes() {
    tokio::join!(
        zombie("frozen-before-create", Frozen::BeforeCreate),
        zombie("frozen-after-create", Frozen::AfterCreate),
        zombie("frozen-before-reset", Frozen::BeforeReset),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f19_wrong_clocks_neither_share_the_lease_nor_stop_anything() {
    let env = open("wrong-clocks").await;
    env.put(&connection()).await;
    env.put(&set("north")).await;
    let mut ahead = start(&env, "ahead", "clock=return(3600)").await;
    takes_over(&env, &mut ahead).await;
    env.put(&units("units")).await;
    env.put(&groups("groups")).await;
    env.flow_where("units", is_ready).await;
    env.flow_where("groups", is_ready).await;

    // Times that one clock has shown are left to another, which is two hours behind.
    let mut behind = start(&env, "behind", "clock=return(-3600)").await;
    let fail = Effect::Refuse(Answer::new(500));
    env.simulator
        .inject(Rule::new(fail).on(Operation::UpdateFlow).always());
    env.put(&with(groups("groups"), &other_groups())).await;
    let waits = |flow: &ProvisioningFlow| flow.status.as_ref().unwrap().retry.is_some();
    env.flow_where("groups", waits).await;
    env.put(&with(units("units"), &json!({ "resetToken": "once" })))
        .await;
    let resets = async || env.committed(Operation::ResetFlow) == 1;
    env.until("a reset", resets).await;
    ahead.terminate().await;
    assert!(ahead.wait().await.success());
    env.simulator.clear_rules();
    takes_over(&env, &mut behind).await;
    env.flow_where("units", is_at_rest).await;
    env.flow_where("groups", is_at_rest).await;

    let mut stepping = start(&env, "stepping back", "clock=60*off->return(-3600)").await;
    behind.kill().await;
    takes_over(&env, &mut stepping).await;
    env.put(&with(units("units"), &json!({ "resetToken": "twice" })))
        .await;
    env.put(&groups("groups")).await;
    env.flow_where("units", is_at_rest).await;
    env.flow_where("groups", is_at_rest).await;
    let journal = env.simulator.journal();
    assert_eq!(journal.committed(Operation::ResetFlow), 2);
    assert_eq!(journal.committed(Operation::CreateFlow), 2);
    let logs = [ahead.log(), behind.log(), stepping.log()];
    assert_no_overlap(&journal, &logs);
    assert_one_at_a_time(&logs);
    stepping.stop().await;
}

/// Ready, and nothing is in progress.
fn is_at_rest(flow: &ProvisioningFlow) -> bool {
    is_ready(flow) && flow.condition("Reconciling").is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn f20_sigterm_during_a_create_waits_for_its_outcome() {
    let env = open("sigterm").await;
    env.put(&connection()).await;
    env.put(&set("north")).await;
    let mut first = start(&env, "first", "").await;
    takes_over(&env, &mut first).await;
    let mut second = start(&env, "second", "").await;
    // Shorter than the operator waits for an answer (10 s), and long enough to stop it meanwhile.
    let late = Effect::DelayAfter(Duration::from_secs(6));
    env.simulator
        .inject(Rule::new(late).on(Operation::CreateFlow));
    env.put(&groups("groups")).await;
    let created = async || flows_created(&env, FlowType::SecurityGroup) == 1;
    env.until("a create", created).await;
    first.terminate().await;
    assert!(first.wait().await.success());
    let known = env.flow("groups").await.status.unwrap().id;
    assert!(known.is_some(), "the first told what came of it");
    takes_over(&env, &mut second).await;
    env.flow_where("groups", is_ready).await;
    assert_eq!(env.requests(Operation::CreateFlow), 1);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f20_a_rolling_restart_under_load_makes_everything_once() {
    const SETS: usize = 6;
    let env = open("rolling").await;
    let mut connection = connection();
    connection["items"][1]["spec"]["requestBudget"] = json!({ "perSecond": 6, "burst": 6 });
    env.put(&connection).await;
    let mut old = start(&env, "replica 0", "").await;
    takes_over(&env, &mut old).await;
    let names: Vec<String> = (0..SETS)
        .map(|number| format!("district-{number}"))
        .collect();
    for name in &names {
        env.put(&set(name)).await;
        let of_set = json!({ "flowSetRef": { "name": name } });
        env.put(&with(units(&format!("{name}-u")), &of_set)).await;
        env.put(&with(groups(&format!("{name}-g")), &of_set)).await;
    }
    let created = || env.committed(Operation::CreateFlow);
    let mut logs = Vec::new();
    for number in 1..=2 {
        let mut new = start(&env, &format!("replica {number}"), "").await;
        let enough = number * SETS / 2;
        env.until("some flows", async || created() >= enough).await;
        old.terminate().await;
        assert!(old.wait().await.success());
        logs.push(old.log());
        takes_over(&env, &mut new).await;
        old = new;
    }
    for name in &names {
        env.flow_where(&format!("{name}-u"), is_ready).await;
        env.flow_where(&format!("{name}-g"), is_ready).await;
    }
    logs.push(old.log());
    let journal = env.simulator.journal();
    assert_eq!((journal.sets_created(), created()), (SETS, 2 * SETS));
    assert_no_overlap(&journal, &logs);
    assert_one_at_a_time(&logs);
    old.stop().await;
}
