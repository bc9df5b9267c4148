//! Several shards: who leads which, and how their number changes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use k8s_openapi::api::coordination::v1::Lease;
use proptest::prelude::*;
use tokio::task::JoinSet;

use super::*;
use crate::lease::testing::{Family, settings};

/// What the Lease of the first shard records.
fn recorded(family: &Family) -> Option<String> {
    let annotations = family.of(1).lease().metadata.annotations;
    annotations.and_then(|all| all.get("industrydata.dev/shards").cloned())
}

/// Waits for a while, in which nothing is won.
async fn stands_by(elector: &mut Elector<Cluster>, time: Duration) {
    select! {
        (shard, _) = elector.acquire() => panic!("{shard} was won"),
        () = sleep(time) => {}
    }
}

/// The process ends. Its entry in the Lease stays.
fn die<S>(elector: Elector<S>) {
    drop(elector);
}

#[tokio::test(start_paused = true)]
async fn each_process_leads_a_shard_and_the_others_stand_by() {
    let family = Family::new();
    let (mut first, mut second) = (family.elector("one", 2), family.elector("two", 2));
    let mut spare = family.elector("spare", 2);

    let (one, _) = first.acquire().await;
    let (two, held) = second.acquire().await;
    assert_eq!(
        [one.to_string(), two.to_string()],
        ["shard 1 of 2", "shard 2 of 2"]
    );
    assert_eq!(recorded(&family).as_deref(), Some("2"));
    select! {
        lost = first.keep() => panic!("{lost}"),
        lost = second.keep() => panic!("{lost}"),
        () = stands_by(&mut spare, Duration::from_mins(5)) => {}
    }

    die(second);
    let dead = Instant::now();
    let taken = select! {
        lost = first.keep() => panic!("{lost}"),
        (shard, _) = spare.acquire() => shard,
    };
    assert_eq!(taken, two);
    assert!(!held.covers(Duration::ZERO));
    assert!(dead.elapsed() <= DURATION + spare.settings.retry_period() * 2);
    let metrics = spare.metrics.encode();
    assert!(
        metrics.contains("industrydata_operator_shard 2"),
        "{metrics}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_candidate_for_a_single_shard_reads_one_lease_and_one_for_three_reads_three() {
    for (shards, reads) in [(1, [1, 0, 0, 0]), (3, [1, 1, 1, 0])] {
        let family = Family::new();
        let mut leaders = Vec::new();
        for number in 0..shards {
            leaders.push(family.elector(&format!("leader-{number}"), shards));
            leaders.last_mut().unwrap().acquire().await;
        }
        let mut spare = family.elector("spare", shards);
        (1..=4).for_each(|number| drop(family.of(number).requests()));

        stands_by(&mut spare, milliseconds(1)).await;

        let read = [1, 2, 3, 4].map(|number| family.of(number).requests().len());
        assert_eq!(read, reads);
    }
}

#[tokio::test(start_paused = true)]
async fn another_number_of_shards_begins_when_the_last_process_with_the_old_one_has_ended() {
    for (before, after) in [(1, 2), (2, 1), (2, 3), (3, 2)] {
        let family = Family::new();
        let mut old = Vec::new();
        for number in 0..before {
            let mut elector = family.elector(&format!("old-{number}"), before);
            elector.acquire().await;
            old.push(elector);
        }
        let mut new = family.elector("new", after);
        // The first ends first, so that its Lease is free while others are held. None of them is renewed here, so all have
        // to end well before they expire.
        for elector in old {
            stands_by(&mut new, DURATION / 6).await;
            elector.release().await;
        }
        let released = Instant::now();
        let (shard, _) = new.acquire().await;
        assert_eq!((shard.number(), shard.count().get()), (1, after));
        assert!(released.elapsed() <= new.settings.retry_period() * 2);
        let expected = (after > 1).then(|| after.to_string());
        assert_eq!(recorded(&family), expected);
        let mut late = family.elector("late", before);
        stands_by(&mut late, milliseconds(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_with_another_number_that_was_killed_is_waited_for_as_long_as_its_lease_lasts() {
    let family = Family::new();
    let (mut first, mut second) = (family.elector("one", 2), family.elector("two", 2));
    first.acquire().await;
    let (_, held) = second.acquire().await;
    let began = Instant::now();
    first.release().await;
    die(second);

    let mut new = family.elector("new", 1);
    new.acquire().await;

    assert!(!held.covers(Duration::ZERO));
    assert!(began.elapsed() >= DURATION);
    assert!(began.elapsed() <= DURATION + new.settings.retry_period() * 2);
}

/// The candidate reads the old number, and its write arrives when the number has changed.
#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_while_the_number_changed_is_given_up() {
    let family = Family::new();
    let mut old = family.elector("old", 2);
    old.acquire().await;
    let slow = family.neighbour();
    slow.of(2).turn(Weather::Slow(milliseconds(1_000)));
    let mut late = slow.elector("late", 2);
    let mut new = family.neighbour().elector("new", 1);

    let changes = async {
        sleep(milliseconds(500)).await;
        old.release().await;
        let (shard, lease_guard) = new.acquire().await;
        assert_eq!(shard, Shard::ONLY);
        sleep(milliseconds(5_000)).await;
        lease_guard
    };
    let lease_guard = select! {
        (shard, _) = late.acquire() => panic!("{shard} was won"),
        lease_guard = changes => lease_guard,
    };

    assert!(lease_guard.covers(Duration::ZERO));
    assert_eq!(
        family.of(2).holder().as_deref(),
        Some(""),
        "it was taken and given up"
    );
    assert_eq!(recorded(&family), None);
}

/// Another process takes the Lease of the second shard between the look of the candidate that changes the number, and its
/// write.
#[tokio::test(start_paused = true)]
async fn the_number_stays_if_another_shard_was_taken_just_before_it_changed() {
    let family = Family::new();
    let mut old = family.elector("old", 2);
    old.acquire().await;
    old.release().await;
    let mut new = family.neighbour().elector("new", 1);
    new.seats[0].look().await.unwrap();
    new.look(1..2).await.unwrap();
    let before = new.seats[0].candidate.mark();
    let mut late = family.elector("late", 2);
    late.claim(1, before).await.unwrap();
    let renewals = async {
        loop {
            sleep(late.settings.retry_period()).await;
            late.claim(1, before).await.unwrap();
        }
    };

    select! {
        () = renewals => {}
        changed = new.change(before) => changed.unwrap(),
    }

    assert_eq!(new.held_until(), None);
    assert_eq!(recorded(&family).as_deref(), Some("2"));
    assert_eq!(family.of(1).holder().as_deref(), Some(""));
    assert_eq!(family.of(2).holder().as_deref(), Some("late"));
}

/// A process that died in the middle of a change leaves nothing that would let others lead next to each other.
#[tokio::test(start_paused = true)]
async fn a_change_that_was_not_completed_is_begun_again() {
    let family = Family::new();
    family.of(1).edit(|lease| Mark::Changing.record(lease));
    family.of(5).edit(|lease| {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some("of an older number".to_owned());
        spec.lease_duration_seconds = Some(15);
    });
    let mut new = family.elector("new", 2);
    let began = Instant::now();

    let (shard, _) = new.acquire().await;

    assert_eq!(shard.to_string(), "shard 1 of 2");
    assert!(began.elapsed() >= DURATION);
    assert_eq!(recorded(&family).as_deref(), Some("2"));
}

/// How a process goes on after it has led for a while.
#[derive(Clone, Copy, Debug)]
enum End {
    Release,
    Die,
    /// It does nothing for as long, and then goes on.
    Freeze,
}

/// A process, its number of shards, how long it waits before it competes, how long it leads, and how it ends.
type Life = (u8, u64, u64, End);

/// A way to a Lease on which requests and responses take their time. A request arrives even if nothing waits for it.
#[derive(Clone)]
struct Rough {
    cluster: Cluster,
    /// Milliseconds, used in turn.
    delays: Arc<Mutex<std::iter::Cycle<std::vec::IntoIter<u64>>>>,
}

impl Rough {
    async fn send<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let delay = || milliseconds(self.delays.lock().unwrap().next().unwrap());
        let (before, after) = (delay(), delay());
        let arrives = tokio::spawn(async move {
            sleep(before).await;
            request.await
        });
        let answer = arrives.await.unwrap();
        sleep(after).await;
        answer
    }
}

impl LeaseStore for Rough {
    async fn get(&self) -> kube::Result<Option<Lease>> {
        let cluster = self.cluster.clone();
        self.send(async move { cluster.get().await }).await
    }

    async fn create(&self, lease: &Lease) -> kube::Result<Lease> {
        let (cluster, lease) = (self.cluster.clone(), lease.clone());
        self.send(async move { cluster.create(&lease).await }).await
    }

    async fn replace(&self, lease: &Lease) -> kube::Result<Lease> {
        let (cluster, lease) = (self.cluster.clone(), lease.clone());
        self.send(async move { cluster.replace(&lease).await })
            .await
    }
}

/// All permissions that have been given out.
type Guards = Arc<Mutex<Vec<(Shard, LeaseGuard)>>>;

/// No two lead the same shard, or under different numbers.
fn assert_consistent(guards: &Guards) {
    let mut guards = guards.lock().unwrap();
    guards.retain(|(_, lease_guard)| lease_guard.covers(Duration::ZERO));
    let shards: Vec<Shard> = guards.iter().map(|(shard, _)| *shard).collect();
    let counts: BTreeSet<u8> = shards.iter().map(|shard| shard.count().get()).collect();
    let numbers: BTreeSet<u8> = shards.iter().map(|shard| shard.number()).collect();
    assert!(
        counts.len() <= 1 && numbers.len() == shards.len(),
        "{shards:?} are led at once"
    );
}

async fn live(rough: Vec<Rough>, name: usize, lives: Vec<Life>, guards: Guards) {
    for (life, (shards, before, term, end)) in lives.into_iter().enumerate() {
        sleep(milliseconds(before)).await;
        let shards = ShardCount::new(shards).unwrap();
        let settings = settings(&format!("{name}-{life}"), shards);
        let store = |number: u8| rough[usize::from(number) - 1].clone();
        let mut elector = Elector::with_stores(store, settings, Metrics::new());
        let acquired = timeout(Duration::from_mins(1), elector.acquire()).await;
        let Ok((shard, lease_guard)) = acquired else {
            elector.release().await;
            continue;
        };
        guards.lock().unwrap().push((shard, lease_guard));
        assert_consistent(&guards);
        let lost = timeout(milliseconds(term), elector.keep()).await;
        match end {
            _ if lost.is_ok() => {}
            End::Die => die(elector),
            End::Release => elector.release().await,
            End::Freeze => {
                sleep(milliseconds(term)).await;
                let _ = timeout(milliseconds(term), elector.keep()).await;
            }
        }
    }
}

async fn lives_together(lives: Vec<Vec<Life>>, delays: Vec<u64>) {
    let (family, guards) = (Family::new(), Guards::default());
    let delays = Arc::new(Mutex::new(delays.into_iter().cycle()));
    let rough: Vec<Rough> = (1..=ShardCount::MAX)
        .map(|number| Rough {
            cluster: family.of(number).clone(),
            delays: delays.clone(),
        })
        .collect();
    let mut processes = JoinSet::new();
    for (name, lives) in lives.into_iter().enumerate() {
        processes.spawn(live(rough.clone(), name, lives, guards.clone()));
    }
    loop {
        select! {
            ended = processes.join_next() => match ended {
                Some(ended) => ended.unwrap(),
                None => break,
            },
            () = sleep(milliseconds(50)) => assert_consistent(&guards),
        }
    }
}

fn life() -> impl Strategy<Value = Life> {
    let end = prop_oneof![Just(End::Release), Just(End::Die), Just(End::Freeze)];
    (1..=3_u8, 0..20_000_u64, 0..30_000_u64, end)
}

fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..50_u64, 2 => 0..1_000_u64, 1 => 0..5_000_u64]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn processes_with_different_numbers_of_shards_never_lead_at_once(
        lives in prop::collection::vec(prop::collection::vec(life(), 1..6), 2..6),
        delays in prop::collection::vec(delay(), 1..40),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(lives_together(lives, delays));
    }
}
