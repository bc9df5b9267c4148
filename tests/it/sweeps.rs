//! The poller against the simulator: which requests it sends for many sets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::join_all;
use industrydata_operator::{
    graph::{FlowSetId, Priority},
    plan::poll::Cadence,
    poll::{Interest, ListRequest, ListSource, News, Poller},
};
use industrydata_simulator::{
    Answer, Effect, Entry, Operation, Options, Quirk, Reception, Rule, Simulator,
};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::client::{SECRET, client};

const TIMEOUT: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_mins(1);

/// A tenant with some sets of two flows each, and a poller of it.
struct Tenant {
    simulator: Simulator,
    sets: Vec<FlowSetId>,
    poller: Arc<Poller>,
    news: Arc<Mutex<Vec<News>>>,
    stop: CancellationToken,
}

impl Tenant {
    async fn with_sets(count: usize) -> Self {
        let simulator = Simulator::start(Options::default()).await.unwrap();
        let sets: Vec<FlowSetId> = (0..count)
            .map(|number| new_set(&simulator, number))
            .collect();
        let (client, _) = client(&simulator, SECRET, TIMEOUT);
        let cadence = Cadence {
            interval: MINUTE,
            settled: true,
        };
        let interest = Arc::new(Interest {
            sets: Some(cadence),
            flows: sets
                .iter()
                .map(|set| (set.clone(), cadence))
                .collect::<BTreeMap<_, _>>(),
        });
        let news = Arc::new(Mutex::new(Vec::new()));
        let told = news.clone();
        let tell = move |one| told.lock().unwrap().push(one);
        Self {
            simulator,
            sets,
            poller: Arc::new(Poller::new(
                client,
                Span::none,
                move || interest.clone(),
                tell,
            )),
            news,
            stop: CancellationToken::new(),
        }
    }

    fn run(&self) {
        let (poller, stop) = (self.poller.clone(), self.stop.clone());
        tokio::spawn(async move { poller.run(stop).await });
    }

    /// Polls until all flows have been listed.
    async fn poll(&self) {
        self.run();
        while self.listed().is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the number of flows of each set, once all have been listed.
    fn listed(&self) -> Option<Vec<usize>> {
        let count = |set| {
            let latest = self.poller.latest_flows(set)?;
            Some(latest.outcome.as_ref().ok()?.items.len())
        };
        self.poller.latest_sets()?;
        self.sets.iter().map(count).collect()
    }

    /// Lists the flows of some sets at the same time.
    async fn list(&self, sets: &[FlowSetId], source: ListSource) -> Vec<usize> {
        let request = ListRequest {
            since: Instant::now(),
            priority: Priority::Change,
            source,
        };
        let lists = sets.iter().map(|set| self.poller.flows_since(set, request));
        let count = |list: Arc<industrydata_operator::poll::Snapshot<_>>| {
            assert!(list.began >= request.since);
            list.outcome.as_ref().unwrap().items.len()
        };
        join_all(lists).await.into_iter().map(count).collect()
    }

    /// Returns the number of sweeps, lists of sets and lists of flows so far.
    fn requests(&self) -> [usize; 3] {
        let journal = self.simulator.journal();
        let is_sweep = |entry: &Entry| {
            entry
                .query
                .as_deref()
                .is_some_and(|query| query.contains("expand"))
        };
        let sweeps = journal.count(is_sweep);
        let lists = journal.requests(Operation::ListSets) - sweeps;
        [sweeps, lists, journal.requests(Operation::ListFlows)]
    }

    /// Returns the number of batches, and of lists of flows outside of batches.
    fn calls(&self) -> [usize; 2] {
        let journal = self.simulator.journal();
        let is_alone =
            |entry: &Entry| entry.operation == Operation::ListFlows && entry.batch.is_none();
        [journal.requests(Operation::Batch), journal.count(is_alone)]
    }

    fn refuse_expand(&self) {
        self.simulator
            .configure(|behavior| behavior.query.expand = Reception::Refuse);
    }

    fn surprise_sweeps(&self, quirk: Quirk) {
        let rule = Rule::new(Effect::Quirk(quirk)).query("expand").always();
        self.simulator.inject(rule);
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn new_set(simulator: &Simulator, number: usize) -> FlowSetId {
    let set = simulator.create_set(&json!({ "displayName": format!("set {number}") }));
    let set = set.unwrap();
    for (kind, member) in [
        ("administrativeUnit", "createBasedOnOrg"),
        ("securityGroup", "createBasedOnRoleGroup"),
    ] {
        let flow = json!({
            "@odata.type": format!("#microsoft.graph.industryData.{kind}ProvisioningFlow"),
            "creationOptions": { member: true, "createBasedOnOrgPlusRoleGroup": false },
        });
        simulator.create_flow(&set, &flow).unwrap();
    }
    set.parse().unwrap()
}

#[tokio::test]
async fn one_sweep_lists_the_flows_of_all_sets() {
    let tenant = Tenant::with_sets(12).await;
    tenant
        .simulator
        .configure(|behavior| behavior.page_size = 5);
    tenant.poll().await;
    assert_eq!(tenant.listed(), Some(vec![2; 12]));
    assert_eq!(tenant.requests(), [3, 0, 0], "pages of the sweep");
}

#[tokio::test]
async fn a_single_set_is_listed_alone() {
    let tenant = Tenant::with_sets(1).await;
    tenant.poll().await;
    assert_eq!(tenant.requests(), [0, 1, 1]);
}

#[tokio::test]
async fn reconciles_that_wait_for_many_sets_share_a_sweep() {
    let tenant = Tenant::with_sets(8).await;
    assert_eq!(tenant.list(&tenant.sets, ListSource::Any).await, [2; 8]);
    assert_eq!(tenant.requests(), [1, 0, 0]);
    assert_eq!(tenant.list(&tenant.sets[..1], ListSource::Any).await, [2]);
    assert_eq!(tenant.requests(), [1, 0, 1]);
    assert_eq!(tenant.list(&tenant.sets, ListSource::Set).await, [2; 8]);
    assert_eq!(tenant.requests(), [1, 0, 9]);
}

/// A start reconciles thousands of resources one after the other, so that few of them wait at a time.
#[tokio::test]
async fn the_few_reconciles_that_wait_during_the_first_sweep_share_it() {
    let tenant = Tenant::with_sets(12).await;
    tenant
        .simulator
        .configure(|behavior| behavior.page_size = 4);
    let slow = Effect::DelayBefore(Duration::from_millis(200));
    tenant.simulator.inject(Rule::new(slow).always());
    let start = ListRequest {
        since: Instant::now(),
        priority: Priority::Change,
        source: ListSource::Any,
    };
    tenant.run();
    let (sets, flows) = tokio::join!(
        tenant.poller.sets_since(start),
        tenant.poller.flows_since(&tenant.sets[11], start)
    );
    assert_eq!(sets.outcome.as_ref().unwrap().items.len(), 12);
    assert_eq!(flows.outcome.as_ref().unwrap().items.len(), 2);
    assert_eq!(tenant.requests(), [3, 0, 0], "pages of the sweep");
    // Afterwards nobody waits for a sweep of all sets because of one.
    tenant.list(&tenant.sets[..1], ListSource::Any).await;
    assert_eq!(tenant.requests(), [3, 0, 1]);
}

#[tokio::test]
async fn where_expand_is_not_supported_each_set_is_listed_and_it_is_not_tried_again() {
    for reception in [Reception::Refuse, Reception::Ignore] {
        let tenant = Tenant::with_sets(6).await;
        tenant
            .simulator
            .configure(|behavior| behavior.query.expand = reception);
        tenant.poll().await;
        assert_eq!(tenant.listed(), Some(vec![2; 6]), "{reception:?}");
        assert_eq!(tenant.requests(), [1, 1, 6], "{reception:?}");
        tenant.list(&tenant.sets, ListSource::Any).await;
        assert_eq!(tenant.requests(), [1, 1, 12], "{reception:?}");
    }
}

#[tokio::test]
async fn without_expand_twenty_sets_are_listed_by_one_batch() {
    let tenant = Tenant::with_sets(45).await;
    tenant.refuse_expand();
    tenant.poll().await;
    assert_eq!(tenant.listed(), Some(vec![2; 45]));
    assert_eq!(tenant.requests(), [1, 1, 45]);
    assert_eq!(tenant.calls(), [3, 0], "20 + 20 + 5 sets");
}

#[tokio::test]
async fn without_expand_and_batch_each_set_is_listed_alone() {
    let tenant = Tenant::with_sets(25).await;
    tenant.refuse_expand();
    let refused = Effect::Refuse(Answer::new(404));
    let refused = Rule::new(refused).on(Operation::Batch).always();
    tenant.simulator.inject(refused);
    tenant.poll().await;
    assert_eq!(tenant.listed(), Some(vec![2; 25]));
    assert_eq!(tenant.calls(), [1, 25], "one batch is tried");
}

#[tokio::test]
async fn a_failed_batch_stands_for_the_lists_in_it() {
    let tenant = Tenant::with_sets(6).await;
    tenant.refuse_expand();
    let failure = Effect::Refuse(Answer::new(502));
    tenant
        .simulator
        .inject(Rule::new(failure).on(Operation::Batch));
    tenant.run();
    let failed = || {
        tenant.sets.iter().all(|set| {
            let latest = tenant.poller.latest_flows(set);
            latest.is_some_and(|list| list.outcome.is_err())
        })
    };
    while !failed() {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(tenant.calls(), [1, 0]);
    while tenant.listed().is_none() {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(tenant.calls(), [1, 6], "the other way was tried");
}

#[tokio::test]
async fn a_set_whose_list_fails_in_a_batch_is_listed_alone() {
    let tenant = Tenant::with_sets(6).await;
    tenant.refuse_expand();
    let failure = Rule::new(Effect::Refuse(Answer::new(500)));
    let failure = failure
        .on(Operation::ListFlows)
        .path_part(tenant.sets[3].as_str());
    tenant.simulator.inject(failure);
    tenant.poll().await;
    assert_eq!(tenant.listed(), Some(vec![2; 6]));
    assert_eq!(tenant.calls(), [1, 1]);
}

#[tokio::test]
async fn a_sweep_that_fails_delays_nothing() {
    let tenant = Tenant::with_sets(6).await;
    let failure = Rule::new(Effect::Refuse(Answer::new(500))).query("expand");
    tenant.simulator.inject(failure);
    assert_eq!(tenant.list(&tenant.sets, ListSource::Any).await, [2; 6]);
    assert_eq!(tenant.requests(), [1, 0, 6]);
}

#[tokio::test]
async fn in_an_outage_one_failed_sweep_stands_for_all_lists() {
    let tenant = Tenant::with_sets(6).await;
    let failure = Rule::new(Effect::Refuse(Answer::new(502))).always();
    for operation in [Operation::ListSets, Operation::ListFlows, Operation::Batch] {
        tenant.simulator.inject(failure.clone().on(operation));
    }
    tenant.run();
    let failed = |set| {
        let latest = tenant.poller.latest_flows(set)?;
        latest
            .outcome
            .as_ref()
            .err()
            .map(|verdict| verdict.message.clone())
    };
    while !tenant.sets.iter().all(|set| failed(set).is_some()) {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(tenant.requests(), [1, 0, 0]);
    let message = failed(&tenant.sets[0]).unwrap();
    assert!(
        message.starts_with("Could not list the flows: "),
        "{message}"
    );
    tenant.simulator.clear_rules();
    while tenant.listed().is_none() {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(tenant.requests()[0], 1, "the other way was tried");
}

#[tokio::test]
async fn a_sweep_that_lacks_flows_is_not_believed() {
    let tenant = Tenant::with_sets(6).await;
    tenant.list(&tenant.sets, ListSource::Set).await;
    tenant.surprise_sweeps(Quirk::Member("provisioningFlows".to_owned(), json!([])));
    let before = tenant.requests();
    assert_eq!(tenant.list(&tenant.sets, ListSource::Any).await, [2; 6]);
    let [sweeps, _, lists] = tenant.requests();
    assert_eq!((sweeps, lists), (before[0] + 1, before[2] + 6));
    tenant.list(&tenant.sets, ListSource::Any).await;
    assert_eq!(tenant.requests()[0], sweeps, "it pauses");
}

#[tokio::test]
async fn a_flow_that_is_gone_is_confirmed_by_the_list_of_its_set() {
    let tenant = Tenant::with_sets(6).await;
    tenant.list(&tenant.sets, ListSource::Any).await;
    let flows = tenant.poller.latest_flows(&tenant.sets[2]).unwrap();
    let flow = flows.outcome.as_ref().unwrap().items[0].id.to_string();
    tenant.simulator.delete_flow(&flow).unwrap();
    tenant.news.lock().unwrap().clear();
    let listed = tenant.list(&tenant.sets, ListSource::Any).await;
    assert_eq!(listed, [2, 2, 1, 2, 2, 2]);
    let [sweeps, _, lists] = tenant.requests();
    assert_eq!((sweeps, lists), (2, 1));
    let news = tenant.news.lock().unwrap().clone();
    assert!(
        matches!(&news[..], [News::Flows(set, _)] if *set == tenant.sets[2]),
        "{news:?}"
    );
}

#[tokio::test]
async fn flows_on_further_pages_of_a_set_are_listed_with_their_set() {
    let tenant = Tenant::with_sets(6).await;
    let more = json!("https://graph.example/more");
    tenant.surprise_sweeps(Quirk::Member(
        "provisioningFlows@odata.nextLink".to_owned(),
        more,
    ));
    assert_eq!(tenant.list(&tenant.sets, ListSource::Any).await, [2; 6]);
    assert_eq!(tenant.requests()[2], 6);
}
