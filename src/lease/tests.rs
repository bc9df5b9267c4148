use std::time::Duration;

use futures::FutureExt;
use tokio::time::{advance, sleep};

mod shards;

use super::{
    testing::{Cluster, DURATION, Weather},
    *,
};

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The settings that people get.
fn usual() -> LeaseSettings {
    LeaseSettings {
        namespace: "default".to_owned(),
        name: "industrydata-operator".to_owned(),
        shards: ShardCount::ONE,
        identity: "one".to_owned(),
        duration: Duration::from_secs(20),
    }
}

/// Waits until a guard covers nothing.
async fn ended(lease_guard: &LeaseGuard) {
    while lease_guard.covers(Duration::ZERO) {
        sleep(milliseconds(1)).await;
    }
}

/// Renews for a while, which must be successful.
async fn keep_for<S: LeaseStore>(elector: &mut Elector<S>, time: Duration) {
    select! {
        lost = elector.keep() => panic!("{lost}"),
        () = sleep(time) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_free_lease_is_won_at_once() {
    let cluster = Cluster::new();
    let began = Instant::now();
    let mut elector = cluster.elector("one");

    let lease_guard = elector.acquire().await.1;

    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(cluster.holder().as_deref(), Some("one"));
    assert_eq!(cluster.requests(), ["get", "create"]);
    assert!(lease_guard.covers(milliseconds(13_500)));
    assert!(!lease_guard.covers(milliseconds(13_501)));
    let metrics = elector.metrics.encode();
    assert!(
        metrics.contains("industrydata_operator_leader 1"),
        "{metrics}"
    );
}

#[tokio::test(start_paused = true)]
async fn renewals_cost_one_request_each_and_always_leave_the_steady_cover() {
    let cluster = Cluster::new();
    let mut elector = cluster.elector("one");
    let lease_guard = elector.acquire().await.1;
    let steady = elector.settings.steady_cover();
    cluster.requests();

    let watch = async {
        for _ in 0..990 {
            assert!(lease_guard.covers(steady));
            sleep(milliseconds(60)).await;
        }
    };
    select! {
        lost = elector.keep() => panic!("{lost}"),
        () = watch => {}
    }

    assert_eq!(cluster.requests(), ["replace"; 39]);
    assert_eq!(cluster.lease().spec.unwrap().lease_transitions, Some(0));
    assert_eq!(ended(&lease_guard).now_or_never(), None);
}

/// What a change at the service may take, with the usual settings, is covered at any time: when each renewal is as slow
/// as it may be, and when one of them gets no answer at all.
#[tokio::test(start_paused = true)]
async fn slow_renewals_and_one_that_is_lost_leave_the_steady_cover() {
    let request = usual().request_timeout();
    for (weather, spell) in [
        (
            Weather::Slow(request.saturating_sub(milliseconds(1))),
            Duration::from_mins(1),
        ),
        (Weather::Silent, request),
        (Weather::Refuses, milliseconds(1)),
    ] {
        let cluster = Cluster::new();
        let mut elector = cluster.elector_with(usual());
        let lease_guard = elector.acquire().await.1;
        let steady = elector.settings.steady_cover();
        let period = elector.settings.retry_period();
        let watch = async {
            loop {
                assert!(lease_guard.covers(steady), "{weather:?}");
                sleep(milliseconds(10)).await;
            }
        };
        let turns = async {
            sleep(period.saturating_sub(milliseconds(1))).await;
            cluster.turn(weather);
            sleep(spell).await;
            cluster.turn(Weather::Fine);
            sleep(Duration::from_mins(1)).await;
        };
        select! {
            lost = elector.keep() => panic!("{lost}"),
            () = watch => {}
            () = turns => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_candidate_waits_until_the_first_has_been_quiet_for_the_duration() {
    let cluster = Cluster::new();
    let mut first = cluster.elector("one");
    let held = first.acquire().await.1;
    let mut second = cluster.neighbour().elector("two");
    select! {
        lost = first.keep() => panic!("{lost}"),
        _ = second.acquire() => panic!("two leaders"),
        () = sleep(Duration::from_mins(5)) => {}
    }
    let quiet = Instant::now();

    let lease_guard = second.acquire().await.1;

    assert!(!held.covers(Duration::ZERO));
    assert!(lease_guard.covers(Duration::ZERO));
    // The last renewal was at most a period before, and was seen at most a period later; the look
    // that finds the lease free comes at most a period too late.
    let waited = quiet.elapsed();
    assert!(waited >= milliseconds(12_500), "{waited:?}");
    assert!(waited <= milliseconds(20_000), "{waited:?}");
    assert_eq!(cluster.lease().spec.unwrap().lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_old_renew_time_does_not_make_a_lease_expired() {
    let cluster = Cluster::new();
    let mut first = cluster.elector("one");
    first.acquire().await;
    cluster.edit(|lease| lease.spec.as_mut().unwrap().renew_time = None);
    let mut second = cluster.neighbour().elector("two");
    let began = Instant::now();

    second.acquire().await;

    assert_eq!(began.elapsed(), DURATION);
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_lost_before_another_can_take_it() {
    for weather in [Weather::Refuses, Weather::Silent] {
        let cluster = Cluster::new();
        let mut first = cluster.elector("one");
        let held = first.acquire().await.1;
        let mut second = cluster.neighbour().elector("two");
        cluster.turn(weather);
        let began = Instant::now();

        let (lost, ()) = tokio::join!(first.keep(), ended(&held));
        assert_eq!(lost, LeaseLost::Expired);
        assert_eq!(began.elapsed(), milliseconds(13_500), "{weather:?}");
        assert!(!held.covers(Duration::ZERO));

        second.acquire().await;
        assert!(began.elapsed() >= DURATION);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_half_the_duration_is_survived() {
    for weather in [Weather::Refuses, Weather::Silent] {
        let cluster = Cluster::new();
        let mut elector = cluster.elector("one");
        let lease_guard = elector.acquire().await.1;
        cluster.turn(weather);
        keep_for(&mut elector, DURATION / 2).await;
        cluster.turn(Weather::Fine);

        keep_for(&mut elector, Duration::from_mins(1)).await;

        assert!(
            lease_guard.covers(elector.settings.steady_cover()),
            "{weather:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_waits_for_the_cluster_to_come_back() {
    let cluster = Cluster::new();
    cluster.turn(Weather::Silent);
    let mut elector = cluster.elector("one");
    select! {
        _ = elector.acquire() => panic!("won in silence"),
        () = sleep(Duration::from_mins(5)) => {}
    }

    cluster.turn(Weather::Fine);

    assert!(elector.acquire().await.1.covers(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_made_good() {
    let cluster = Cluster::new();
    cluster.turn(Weather::LosesAnswers);
    let mut elector = cluster.elector("one");
    select! {
        _ = elector.acquire() => panic!("won without knowing"),
        () = sleep(milliseconds(1_000)) => {}
    }
    assert_eq!(cluster.holder().as_deref(), Some("one"));

    cluster.turn(Weather::Fine);
    elector.acquire().await;

    assert_eq!(cluster.requests(), ["get", "create", "get", "replace"]);
    assert_eq!(cluster.lease().spec.unwrap().lease_transitions, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_label_on_the_lease_does_not_cost_it() {
    let cluster = Cluster::new();
    let mut elector = cluster.elector("one");
    elector.acquire().await;
    cluster.edit(|lease| {
        lease
            .metadata
            .labels
            .get_or_insert_default()
            .insert("a".into(), "b".into());
    });
    cluster.requests();

    keep_for(&mut elector, milliseconds(1_600)).await;

    assert_eq!(cluster.requests(), ["replace", "get", "replace"]);
    assert!(cluster.lease().metadata.labels.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_by_hand_is_lost_at_the_next_renewal() {
    let cluster = Cluster::new();
    let mut elector = cluster.elector("one");
    let lease_guard = elector.acquire().await.1;
    cluster.edit(|lease| lease.spec.as_mut().unwrap().holder_identity = Some("two".into()));
    let began = Instant::now();

    let lost = elector.keep().await;

    assert_eq!(
        lost,
        LeaseLost::Taken {
            holder: "two".into()
        }
    );
    assert_eq!(began.elapsed(), milliseconds(1_500));
    assert!(!lease_guard.covers(Duration::ZERO));
    let metrics = elector.metrics.encode();
    assert!(
        metrics.contains("industrydata_operator_leader 0"),
        "{metrics}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_again() {
    let cluster = Cluster::new();
    let mut elector = cluster.elector("one");
    let lease_guard = elector.acquire().await.1;
    cluster.delete();

    keep_for(&mut elector, Duration::from_mins(1)).await;

    assert!(lease_guard.covers(Duration::ZERO));
    assert_eq!(cluster.holder().as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_see_a_free_lease_one_wins() {
    let cluster = Cluster::new();
    let (mut first, mut second) = (cluster.elector("one"), cluster.neighbour().elector("two"));

    let won = select! {
        biased;
        _ = async { (first.acquire().await, second.acquire().await) } => panic!("two leaders"),
        () = sleep(milliseconds(10_000)) => cluster.holder(),
    };

    assert_eq!(won.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_goes_to_the_next_within_a_period() {
    let cluster = Cluster::new();
    let mut first = cluster.elector("one");
    let held = first.acquire().await.1;
    let mut second = cluster.neighbour().elector("two");
    select! {
        _ = second.acquire() => panic!("two leaders"),
        () = sleep(milliseconds(100)) => {}
    }
    first.release().await;
    ended(&held).await;
    assert!(!held.covers(Duration::ZERO));
    assert_eq!(cluster.holder().as_deref(), Some(""));
    let released = Instant::now();

    second.acquire().await;

    assert!(released.elapsed() <= milliseconds(1_500));
    assert_eq!(cluster.holder().as_deref(), Some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_won_in_the_moment_of_giving_up_is_released() {
    let cluster = Cluster::new();
    cluster.turn(Weather::LosesAnswers);
    let mut elector = cluster.elector("one");
    assert!(elector.acquire().now_or_never().is_none());
    assert_eq!(cluster.holder().as_deref(), Some("one"));
    cluster.turn(Weather::Fine);

    elector.release().await;

    assert_eq!(cluster.holder().as_deref(), Some(""));
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_another_is_not_released() {
    let cluster = Cluster::new();
    cluster.elector("one").acquire().await;
    let mut second = cluster.neighbour().elector("two");
    assert!(second.acquire().now_or_never().is_none());

    second.release().await;

    assert_eq!(cluster.holder().as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn releasing_gives_up_in_time() {
    let cluster = Cluster::new();
    let mut elector = cluster.elector("one");
    elector.acquire().await;
    cluster.turn(Weather::Silent);
    let began = Instant::now();

    elector.release().await;

    assert!(began.elapsed() <= milliseconds(4_500));
}

#[tokio::test(start_paused = true)]
async fn a_guard_expires_without_renewals() {
    let cluster = Cluster::new();
    let mut elector = cluster.elector("one");
    let lease_guard = elector.acquire().await.1;
    let began = Instant::now();

    ended(&lease_guard).await;

    assert_eq!(began.elapsed(), milliseconds(13_500));
    assert!(!lease_guard.covers(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_does_not_revive_its_lease() {
    let cluster = Cluster::new();
    let mut elector = cluster.elector("one");
    let lease_guard = elector.acquire().await.1;
    keep_for(&mut elector, milliseconds(100)).await;
    advance(DURATION).await;

    assert_eq!(elector.keep().now_or_never(), Some(LeaseLost::Expired));

    assert_eq!(ended(&lease_guard).now_or_never(), Some(()));
    assert!(!lease_guard.covers(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_guard_without_a_lease_never_expires() {
    let lease_guard = LeaseGuard::always();

    assert!(lease_guard.covers(Duration::MAX));
    assert_eq!(ended(&lease_guard).now_or_never(), None);
}

/// Never run: the futures must be fit for `tokio::spawn`.
#[expect(dead_code, reason = "checked by the compiler only")]
fn futures_are_send(mut elector: Elector) {
    fn is_send(_: impl Send) {}
    is_send(elector.acquire());
    is_send(elector.keep());
    is_send(elector.release());
}
