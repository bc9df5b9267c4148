//! Nothing is harmed, and so nothing goes wrong: the operator as it is installed, while people do what they do all day.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::join_all;
use industrydata_operator::api::ProvisioningFlow;
use industrydata_simulator::{Operation, Options};
use industrydata_testbed::measured;
use kube::ResourceExt;
use kube::runtime::watcher;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::conditions::{Conditions, has_accepted, is_ready, remote_id, stalled};
use crate::manifests::{SAMPLES, flow, sample, set, types};
use crate::process::{Launch, Process};
use crate::test_env::TestEnv;
use crate::waiting::PATIENCE;

/// For how long it is watched, at least.
const CALM: Duration = Duration::from_mins(5);

/// A create each so often. With all the rest of its life, the last flow is through well before the end.
const PAUSE: Duration = Duration::from_secs(5);

/// From one thing that is done to a flow to the next.
const BETWEEN: Duration = Duration::from_secs(25);

const SETS: usize = 10;
const FLOWS: usize = 40;
const DELETED: usize = 20;

/// What happens only when something was lost.
const DOUBTS: [&str; 2] = ["CreateUnresolved", "ResetUnknown"];

#[tokio::test(flavor = "multi_thread")]
async fn five_calm_minutes_are_silent_and_fast() {
    let began = Instant::now();
    let env = TestEnv::set_up("calm", Options::default()).await;
    let audited = env.audit_position();
    let operator = start(&env).await;
    env.apply(sample("connection.yaml")).await.unwrap();
    for number in 0..SETS {
        env.apply(set(&format!("set-{number}"))).await.unwrap();
    }
    let picture = Picture::of(&env);
    let lives = (0..FLOWS).map(|number| live(&env, &picture, number));
    let lives = join_all(lives).await;
    tokio::time::sleep(CALM.saturating_sub(began.elapsed())).await;

    assert_silent(&operator);
    picture.assert_never_in_doubt();
    assert_events_are_normal(&env).await;
    assert_lease_was_kept(&env, audited);
    let journal = env.simulator.journal();
    for (operation, count) in [
        (Operation::CreateSet, SETS),
        (Operation::CreateFlow, FLOWS),
        (Operation::UpdateFlow, FLOWS),
        (Operation::ResetFlow, FLOWS),
        (Operation::DeleteFlow, DELETED),
    ] {
        let counts = [journal.requests(operation), journal.committed(operation)];
        assert_eq!(counts, [count; 2], "{operation:?}");
    }
    for life in &lives {
        assert_eq!(journal.resets(&life.id), 1, "{life:?}");
    }
    let each = |time: fn(&Life) -> Duration| lives.iter().map(time).collect();
    let deleted = lives.iter().filter_map(|life| life.deleted).collect();
    for (what, times) in [
        ("calm: create to Ready", each(|life| life.created)),
        ("calm: update to Synced", each(|life| life.updated)),
        ("calm: reset to Accepted", each(|life| life.reset)),
        ("calm: delete to gone", deleted),
    ] {
        measured(what, &distribution(times)).unwrap();
    }
    operator.stop().await;
}

/// Renewals that have to be seen: one each 2 s or 3 s. Connections have been idle between them, and for longer than a pool
/// keeps them where it serves other requests.
const RENEWALS: u64 = 45;

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_operator_renews_its_lease_without_fail() {
    let env = TestEnv::set_up("calm-lease", Options::default()).await;
    let operator = start(&env).await;
    for file in SAMPLES {
        env.apply(sample(file)).await.unwrap();
    }
    let renewed = async || renewals(&operator.get("/metrics").await.1) >= RENEWALS;
    env.until("renewals of the lease", renewed).await;
    assert_silent(&operator);
    operator.stop().await;
}

fn renewals(metrics: &str) -> u64 {
    let of_the_lease = |line: &&str| line.contains("kind=\"Lease\"");
    let line = metrics.lines().find(of_the_lease);
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_in_a_row_are_all_accepted() {
    const RESETS: usize = 10;
    let env = TestEnv::set_up("calm-resets", Options::default()).await;
    let operator = start(&env).await;
    env.apply(sample("connection.yaml")).await.unwrap();
    env.apply(set("set-0")).await.unwrap();
    let picture = Picture::of(&env);
    env.apply(declared(0)).await.unwrap();
    let id = remote_id(&picture.becomes(&name(0), is_ready).await);
    let mut pace = tokio::time::interval(Duration::from_secs(3));
    for number in 0..RESETS {
        pace.tick().await;
        reset(&env, &picture, 0, &format!("token-{number}")).await;
        let journal = env.simulator.journal();
        assert_eq!(journal.resets(&id), number + 1);
    }
    assert_eq!(env.requests(Operation::ResetFlow), RESETS);
    picture.assert_never_in_doubt();
    assert_silent(&operator);
    operator.stop().await;
}

/// With no flags but those without which there is no environment, and for what is logged.
async fn start(env: &TestEnv) -> Process {
    Launch::on(env).start().await
}

fn name(number: usize) -> String {
    format!("flow-{number}")
}

/// The manifest of a flow, which is polled as often as its connection says.
fn declared(number: usize) -> Value {
    let (member, options, _) = types()[number / SETS].clone();
    let set = format!("set-{}", number % SETS);
    let spec = json!({ "flowSetRef": { "name": set }, "pollInterval": null, member: options });
    flow(&name(number), &spec)
}

/// How long each thing took that was done to a flow.
#[derive(Debug)]
struct Life {
    id: String,
    created: Duration,
    updated: Duration,
    reset: Duration,
    deleted: Option<Duration>,
}

/// Creates a flow when its time has come, and then changes, resets and perhaps deletes it.
async fn live(env: &TestEnv, picture: &Picture, number: usize) -> Life {
    let name = name(number);
    tokio::time::sleep(PAUSE * u32::try_from(number).unwrap()).await;
    let start = Instant::now();
    env.apply(declared(number)).await.unwrap();
    let id = remote_id(&picture.becomes(&name, is_ready).await);
    let created = start.elapsed();

    tokio::time::sleep(BETWEEN).await;
    let (member, _, changed) = types()[number / SETS].clone();
    let start = Instant::now();
    env.patch_flow(&name, json!({ member: changed })).await;
    picture.becomes(&name, |flow| is_synced(flow, 2)).await;
    let updated = start.elapsed();

    tokio::time::sleep(BETWEEN).await;
    let reset = reset(env, picture, number, "again").await;
    tokio::time::sleep(BETWEEN).await;
    let deleted = if number < DELETED {
        Some(delete(env, picture, &name).await)
    } else {
        None
    };
    Life {
        id,
        created,
        updated,
        reset,
        deleted,
    }
}

async fn reset(env: &TestEnv, picture: &Picture, number: usize, token: &str) -> Duration {
    let start = Instant::now();
    let spec = json!({ "resetToken": token });
    env.patch_flow(&name(number), spec).await;
    let accepted = |flow: &_| has_accepted(flow, token);
    picture.becomes(&name(number), accepted).await;
    start.elapsed()
}

async fn delete(env: &TestEnv, picture: &Picture, name: &str) -> Duration {
    let start = Instant::now();
    env.delete_flow(name).await;
    picture.loses(name).await;
    start.elapsed()
}

/// Whether a generation of a flow has reached the service.
fn is_synced(flow: &ProvisioningFlow, generation: i64) -> bool {
    let synced = flow.condition("Synced");
    synced.is_some_and(|one| one.status == "True" && one.observed_generation >= Some(generation))
}

/// All flows as they are, and whatever was said of one on the way.
struct Picture {
    flows: watch::Receiver<BTreeMap<String, ProvisioningFlow>>,
    doubts: watch::Receiver<Vec<String>>,
    watching: tokio::task::JoinHandle<()>,
}

impl Picture {
    fn of(env: &TestEnv) -> Self {
        let (show, flows) = watch::channel(BTreeMap::new());
        let (doubt, doubts) = watch::channel(Vec::new());
        let events = watcher(env.flows(), watcher::Config::default());
        let watching = tokio::spawn(async move {
            let mut events = pin!(events);
            while let Some(event) = events.next().await {
                match event.unwrap() {
                    watcher::Event::Apply(flow) | watcher::Event::InitApply(flow) => {
                        doubt.send_modify(|doubts| doubts.extend(doubts_of(&flow)));
                        show.send_modify(|flows| _ = flows.insert(flow.name_any(), flow));
                    }
                    watcher::Event::Delete(flow) => {
                        show.send_modify(|flows| _ = flows.remove(&flow.name_any()));
                    }
                    watcher::Event::Init | watcher::Event::InitDone => {}
                }
            }
        });
        Self {
            flows,
            doubts,
            watching,
        }
    }

    /// Waits until a flow is as `condition` wants it.
    async fn becomes(
        &self,
        name: &str,
        condition: impl Fn(&ProvisioningFlow) -> bool,
    ) -> ProvisioningFlow {
        self.wait(name, |flow| flow.filter(|flow| condition(flow)).cloned())
            .await
    }

    /// Waits until a flow is gone.
    async fn loses(&self, name: &str) {
        self.wait(name, |flow| flow.is_none().then_some(())).await;
    }

    async fn wait<T>(
        &self,
        name: &str,
        wanted: impl Fn(Option<&ProvisioningFlow>) -> Option<T>,
    ) -> T {
        let mut flows = self.flows.clone();
        let waiting = async {
            loop {
                let found = wanted(flows.borrow_and_update().get(name));
                if let Some(found) = found {
                    return found;
                }
                flows.changed().await.unwrap();
                self.assert_never_in_doubt();
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, waiting).await;
        in_time.unwrap_or_else(|_| panic!("waited in vain: {:#?}", self.flows.borrow().get(name)))
    }

    fn assert_never_in_doubt(&self) {
        assert!(!self.watching.is_finished());
        assert_eq!(*self.doubts.borrow(), Vec::<String>::new());
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Whatever a flow says of something that was lost.
fn doubts_of(flow: &ProvisioningFlow) -> Vec<String> {
    let doubtful = flow
        .conditions()
        .iter()
        .filter(|one| DOUBTS.contains(&one.reason.as_str()));
    let mut doubts: Vec<String> = doubtful
        .map(|one| format!("{}: {} {}", flow.name_any(), one.type_, one.reason))
        .collect();
    if !stalled(flow).is_empty() {
        doubts.push(format!("{}: Stalled {}", flow.name_any(), stalled(flow)));
    }
    doubts
}

/// Nothing was logged that somebody would have to look at.
fn assert_silent(operator: &Process) {
    let log = operator.log();
    let is_loud = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        !matches!(line["level"].as_str(), Some("INFO" | "DEBUG" | "TRACE"))
    };
    let loud: Vec<&str> = log.lines().filter(is_loud).collect();
    assert!(loud.is_empty(), "{}", loud.join("\n"));
}

async fn assert_events_are_normal(env: &TestEnv) {
    let path = "jsonpath={range .items[*]}{.type} {.reason} {.note}{.message}{\"\\n\"}{end}";
    let events = env.kubectl(&["get", "events", "--output", path]).await;
    let events = events.unwrap();
    assert!(events.lines().count() >= FLOWS, "{events}");
    let odd = |line: &&str| {
        let doubtful = DOUBTS.iter().any(|doubt| line.contains(doubt));
        doubtful || !line.starts_with("Normal ")
    };
    let odd: Vec<&str> = events.lines().filter(odd).collect();
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

/// No write of the lease was refused, and none took so long that it was given up.
fn assert_lease_was_kept(env: &TestEnv, since: industrydata_testbed::Position) {
    let entries = env.plane.audit().unwrap().since(since).unwrap();
    let user = env.account.user();
    let writes: Vec<_> = entries
        .iter()
        .filter(|entry| entry.user == user && entry.resource == "leases" && entry.is_write())
        .collect();
    assert!(!writes.is_empty());
    let failed = writes.iter().find(|entry| entry.code >= 300);
    assert!(failed.is_none(), "{failed:#?}");
}

/// Median, ninth decile and worst.
fn distribution(mut times: Vec<Duration>) -> String {
    times.sort();
    let last = times.len() - 1;
    let [median, most, worst] = [last / 2, last * 9 / 10, last].map(|place| times[place]);
    let count = times.len();
    format!("median {median:.1?}, 90 % within {most:.1?}, worst {worst:.1?}, of {count}")
}
