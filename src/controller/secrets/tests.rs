//! With an API server that has nothing but Secrets, and paused time.

use std::sync::Arc;

use kube::ResourceExt;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::api::ProvisioningFlow;
use crate::controller::index::Index;
use crate::controller::testing::{CREDENTIAL, FakeCluster, index, show, triggers};
use crate::controller::triggers::Receivers;
use crate::graph::model::FlowType;
use crate::plan::testing::{connection, flow, flow_set};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const PASSWORDS: &str = "/api/v1/namespaces/schools/secrets/passwords";

struct World {
    cluster: FakeCluster,
    secrets: Arc<Secrets>,
    index: Index,
    woken: Receivers,
}

impl World {
    /// A connection with a set and a flow that has passwords, and the Secrets of both.
    fn new() -> Self {
        let cluster = FakeCluster::default();
        cluster.put(CREDENTIAL, [("clientSecret", "one")]);
        cluster.put(PASSWORDS, [("staff", "one"), ("students", "two")]);
        let index = index();
        show(&index, [connection()]);
        show(&index, [flow_set()]);
        show(&index, [flow(FlowType::User)]);
        let (triggers, woken) = triggers(&index);
        Self {
            secrets: Arc::new(Secrets::new(
                cluster.client(),
                Arc::new(Semaphore::new(MAX_CONCURRENT_READS)),
                triggers,
            )),
            cluster,
            index,
            woken,
        }
    }

    async fn value(&self, name: &str, key: &str, max_age: Duration) -> Result<Value, Unavailable> {
        let (name, key) = (name.to_owned(), key.to_owned());
        let reference = SecretKeyReference { name, key };
        self.secrets.value("schools", &reference, max_age).await
    }

    /// Reads all values, as the first reconciles do, and starts to look after them.
    async fn begin(&self) {
        for (name, key) in [
            ("contoso", "clientSecret"),
            ("passwords", "staff"),
            ("passwords", "students"),
        ] {
            self.value(name, key, MINUTE).await.unwrap();
        }
        let secrets = self.secrets.clone();
        tokio::spawn(async move { secrets.keep().await });
    }

    fn counts(&self) -> [usize; 2] {
        [CREDENTIAL, PASSWORDS].map(|path| self.cluster.count(path))
    }

    /// How many connections, sets and flows have been woken since.
    fn woken(&mut self) -> [usize; 3] {
        fn count<T>(queue: &mut UnboundedReceiver<T>) -> usize {
            std::iter::from_fn(|| queue.try_recv().ok()).count()
        }
        [
            count(&mut self.woken.connections),
            count(&mut self.woken.sets),
            count(&mut self.woken.flows),
        ]
    }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn each_secret_in_use_is_read_once_an_interval_whatever_uses_it() {
    let mut world = World::new();
    world.begin().await;
    assert_eq!(world.counts(), [1, 1], "both passwords with one request");
    pass(MINUTE * 10 + SECOND * 30).await;
    let counts = world.counts();
    assert!(
        counts.iter().all(|count| [10, 11].contains(count)),
        "{counts:?}"
    );
    assert_eq!(world.woken(), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_change_wakes_those_that_use_the_value_within_an_interval() {
    let mut world = World::new();
    world.begin().await;
    world.cluster.put(
        PASSWORDS,
        [("staff", "one"), ("students", "new"), ("another", "new")],
    );
    pass(MINUTE + SECOND * 2).await;
    assert_eq!(world.woken(), [0, 0, 1]);
    world.cluster.put(CREDENTIAL, [("clientSecret", "two")]);
    pass(MINUTE + SECOND * 2).await;
    assert_eq!(world.woken(), [1, 0, 0], "the connection tries it first");
    world.cluster.delete(CREDENTIAL);
    pass(MINUTE + SECOND * 2).await;
    assert_eq!(world.woken(), [1, 1, 1]);
    world.cluster.put(CREDENTIAL, [("clientSecret", "two")]);
    pass(SECOND * 3).await;
    assert_eq!(
        world.woken(),
        [1, 1, 1],
        "what is missing is looked for soon"
    );
}

#[tokio::test(start_paused = true)]
async fn secrets_of_a_suspended_connection_are_not_read() {
    let world = World::new();
    world.begin().await;
    let mut suspended = connection();
    suspended.spec.suspend = true;
    show(&world.index, [suspended]);
    pass(MINUTE * 60).await;
    assert_eq!(world.counts(), [1, 1]);
    world
        .value("contoso", "clientSecret", MINUTE)
        .await
        .unwrap();
    assert_eq!(world.counts(), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_nothing_refers_to_is_forgotten() {
    let world = World::new();
    world.begin().await;
    show::<ProvisioningFlow>(&world.index, []);
    pass(MINUTE * 2).await;
    assert_eq!(world.counts()[1], 1);
    let name = Name::new("schools", "passwords");
    assert_eq!(world.secrets.store().confirmed(&name, "staff"), None);
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_share_a_read_and_a_request_of_a_person_reads_again() {
    let world = World::new();
    let values = (0..20).map(|_| world.value("contoso", "clientSecret", MINUTE));
    futures::future::join_all(values).await;
    assert_eq!(world.counts(), [1, 0]);
    pass(SECOND).await;
    let values = (0..20).map(|_| world.value("contoso", "clientSecret", Duration::ZERO));
    futures::future::join_all(values).await;
    assert_eq!(world.counts(), [2, 0]);
}

#[tokio::test(start_paused = true)]
async fn while_the_api_server_fails_what_is_known_stays_and_reads_are_rare() {
    let mut world = World::new();
    world.begin().await;
    world.cluster.refuse(Some(500));
    pass(MINUTE * 10).await;
    let counts = world.counts();
    assert!(counts.iter().all(|count| *count <= 12), "{counts:?}");
    assert_eq!(world.woken(), [0; 3]);
    let connection = ObjectRef::from_obj(&connection());
    assert!(world.secrets.confirmed(&connection).is_some());
    world
        .value("contoso", "clientSecret", MINUTE)
        .await
        .unwrap();
    let before = world.counts();
    for _ in 0..20 {
        world
            .value("contoso", "clientSecret", MINUTE)
            .await
            .unwrap();
    }
    assert_eq!(
        world.counts(),
        before,
        "no caller waits for another failure"
    );
    let asked = world.value("contoso", "clientSecret", Duration::ZERO).await;
    assert!(matches!(asked, Err(Unavailable::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_failure_until_it_has_lasted_for_a_minute() {
    let mut world = World::new();
    world.begin().await;
    world.cluster.refuse(Some(403));
    pass(MINUTE + SECOND * 30).await;
    world
        .value("contoso", "clientSecret", MINUTE)
        .await
        .unwrap();
    assert_eq!(
        world.woken(),
        [0; 3],
        "the API server may just have started"
    );
    pass(MINUTE).await;
    assert_eq!(world.woken(), [1, 1, 3]);
    let value = world.value("contoso", "clientSecret", MINUTE).await;
    assert!(matches!(value, Err(Unavailable::Blocked(_))));
    world.cluster.refuse(None);
    pass(MINUTE).await;
    world
        .value("contoso", "clientSecret", MINUTE)
        .await
        .unwrap();

    let world = World::new();
    world.cluster.refuse(Some(403));
    let value = world.value("contoso", "clientSecret", MINUTE).await;
    assert!(
        matches!(value, Err(Unavailable::Blocked(_))),
        "never read before"
    );
}

#[tokio::test]
async fn what_cannot_be_the_name_of_a_secret_blocks_and_is_never_sent() {
    let world = World::new();
    world
        .cluster
        .put("/api/v1/namespaces/other/secrets/x", [("key", "canary")]);
    for name in ["../../other/secrets/x", "x?", "%2e%2e", ""] {
        let value = world.value(name, "key", MINUTE).await;
        let Err(Unavailable::Blocked(blocked)) = value else {
            panic!("{name} does not block");
        };
        assert!(
            blocked
                .cause
                .message
                .contains("is not the name of a Secret")
        );
    }
    assert_eq!(world.cluster.requests(), Vec::<String>::new());
}

#[test]
fn the_fixtures_are_named_as_expected() {
    assert_eq!(connection().namespace().as_deref(), Some("schools"));
    let keys = crate::plan::credential::secret_keys(&connection());
    let keys = keys.iter().map(|it| [&*it.name, &*it.key]);
    assert_eq!(keys.collect::<Vec<_>>(), [["contoso", "clientSecret"]]);
}
