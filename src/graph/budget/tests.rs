use std::sync::Arc;

use tokio::time::{advance, timeout};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn budget(per_second: f64, burst: u32, max_wait: Duration) -> Arc<Budget> {
    Arc::new(Budget::new(RateLimits {
        per_second,
        burst,
        max_wait,
    }))
}

fn rate_of(budget: &Budget) -> f64 {
    budget.lock().bucket.rate()
}

fn waiting(budget: &Budget) -> [usize; 3] {
    Priority::ALL.map(|priority| budget.lock().queue.waiting(priority))
}

fn limits(per_second: f64, burst: u32) -> RateLimits {
    RateLimits {
        per_second,
        burst,
        max_wait: SECOND,
    }
}

#[tokio::test(start_paused = true)]
async fn new_limits_keep_a_pause_and_a_rate_that_was_forced_down() {
    let budget = budget(64.0, 10, SECOND);
    budget.set_limits(limits(32.0, 5));
    assert!(
        (rate_of(&budget) - 32.0).abs() < f64::EPSILON,
        "at the ceiling"
    );
    budget.throttled(Some(60 * SECOND));
    assert!((rate_of(&budget) - 16.0).abs() < f64::EPSILON);
    for (ceiling, rate) in [(64.0, 16.0), (8.0, 8.0), (1024.0, 8.0)] {
        budget.set_limits(limits(ceiling, 5));
        assert!((rate_of(&budget) - rate).abs() < f64::EPSILON, "{ceiling}");
        assert_eq!(budget.closed_for(), 60 * SECOND);
    }
    assert!(budget.acquire(Priority::User).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn new_limits_hold_at_once() {
    let budget = budget(0.01, 100, SECOND);
    budget.set_limits(limits(0.01, 2));
    for expected in [true, true, false] {
        assert_eq!(budget.acquire(Priority::User).await.is_ok(), expected);
    }
    budget.set_limits(limits(10.0, 2));
    assert!(budget.acquire(Priority::User).await.is_ok());
    budget.set_limits(RateLimits {
        max_wait: 9 * SECOND,
        ..limits(10.0, 2)
    });
    assert_eq!(budget.max_wait(), 9 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_not_held_to_the_limits_of_before() {
    let budget = budget(0.5, 1, 10 * SECOND);
    budget.acquire(Priority::User).await.unwrap();
    let start = Instant::now();
    let waiting = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { budget.acquire(Priority::User).await }
    });
    tokio::task::yield_now().await;
    budget.set_limits(limits(100.0, 1));
    waiting.await.unwrap().unwrap();
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

/// How long it takes until the request may go, or until it is refused.
async fn time(budget: &Budget, priority: Priority) -> (Duration, Result<(), Closed>) {
    let start = Instant::now();
    let result = budget.acquire(priority).await;
    (start.elapsed(), result)
}

/// How many requests go within a time.
async fn throughput(budget: &Budget, duration: Duration) -> usize {
    let end = Instant::now() + duration;
    let mut count = 0;
    while matches!(
        timeout_at(end, budget.acquire(Priority::Poll)).await,
        Ok(Ok(()))
    ) {
        count += 1;
    }
    count
}

/// Queues a request that reports its name when it may go.
fn queue(
    budget: &Arc<Budget>,
    priority: Priority,
    name: &'static str,
    order: &Arc<Mutex<Vec<&'static str>>>,
) -> tokio::task::JoinHandle<()> {
    let (budget, order) = (Arc::clone(budget), Arc::clone(order));
    tokio::spawn(async move {
        if budget.acquire(priority).await.is_ok() {
            order.lock().unwrap().push(name);
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let budget = budget(4.0, 8, SECOND);
    for _ in 0..8 {
        assert_eq!(time(&budget, Priority::Poll).await.0, Duration::ZERO);
    }
    assert_eq!(
        time(&budget, Priority::Poll).await.0,
        Duration::from_millis(250)
    );
    assert_eq!(throughput(&budget, 100 * SECOND).await, 400);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_time_saves_up_no_more_than_a_burst() {
    let budget = budget(4.0, 8, SECOND);
    advance(Duration::from_hours(1)).await;
    assert_eq!(throughput(&budget, Duration::ZERO).await, 8);
}

#[tokio::test(start_paused = true)]
async fn odd_limits_are_made_usable() {
    for (per_second, rate) in [(f64::NAN, 0.01), (-1.0, 0.01), (f64::INFINITY, 10_000.0)] {
        let budget = budget(per_second, 0, Duration::MAX);
        assert!((rate_of(&budget) - rate).abs() < f64::EPSILON);
        assert_eq!(budget.max_wait(), MAX_WAIT);
        assert_eq!(
            time(&budget, Priority::Poll).await,
            (Duration::ZERO, Ok(()))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_higher_lane_goes_first_and_a_lane_keeps_its_order() {
    let budget = budget(1.0, 1, 60 * SECOND);
    budget.acquire(Priority::Poll).await.unwrap();
    let order = Arc::default();
    let mut tasks = Vec::new();
    for (priority, name) in [
        (Priority::Poll, "poll 1"),
        (Priority::Poll, "poll 2"),
        (Priority::Change, "change 1"),
        (Priority::User, "user 1"),
        (Priority::Change, "change 2"),
        (Priority::User, "user 2"),
    ] {
        tasks.push(queue(&budget, priority, name, &order));
        tokio::task::yield_now().await;
    }
    assert_eq!(waiting(&budget), [2, 2, 2]);
    for task in tasks {
        task.await.unwrap();
    }
    let expected = [
        "user 1", "user 2", "change 1", "change 2", "poll 1", "poll 2",
    ];
    assert_eq!(*order.lock().unwrap(), expected);
    assert_eq!(waiting(&budget), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_too_far_away_is_refused_at_once() {
    let budget = budget(1.0, 1, 2 * SECOND);
    budget.acquire(Priority::Poll).await.unwrap();
    let order = Arc::default();
    let tasks = [1, 2].map(|_| queue(&budget, Priority::Poll, "early", &order));
    tokio::task::yield_now().await;
    let refused = Err(Closed {
        remaining: 3 * SECOND,
    });
    assert_eq!(
        time(&budget, Priority::Poll).await,
        (Duration::ZERO, refused)
    );
    // There are none before it in its own priority.
    assert_eq!(time(&budget, Priority::User).await, (SECOND, Ok(())));
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_overtaken_is_refused_no_later_than_promised() {
    let budget = budget(1.0, 1, 3 * SECOND);
    budget.acquire(Priority::Poll).await.unwrap();
    let poll = tokio::spawn({
        let budget = Arc::clone(&budget);
        async move { time(&budget, Priority::Poll).await }
    });
    tokio::task::yield_now().await;
    for _ in 0..6 {
        tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { while budget.acquire(Priority::User).await.is_ok() {} }
        });
    }
    let (waited, result) = poll.await.unwrap();
    assert!(waited <= 3 * SECOND, "{waited:?}");
    assert!(result.is_err());
}

#[tokio::test(start_paused = true)]
async fn leaving_the_queue_lets_the_next_move_up() {
    let budget = budget(1.0, 1, 10 * SECOND);
    budget.acquire(Priority::User).await.unwrap();
    let order = Arc::default();
    let gone = queue(&budget, Priority::User, "gone", &order);
    tokio::task::yield_now().await;
    let stays = queue(&budget, Priority::Poll, "stays", &order);
    tokio::task::yield_now().await;
    gone.abort();
    let start = Instant::now();
    stays.await.unwrap();
    assert_eq!((start.elapsed(), order.lock().unwrap().len()), (SECOND, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pause_closes_the_budget_for_all() {
    let budget = budget(10.0, 10, SECOND);
    budget.throttled(Some(Duration::from_millis(90_500)));
    let remaining = Duration::from_millis(90_500);
    for priority in Priority::ALL {
        let refused = Err(Closed { remaining });
        assert_eq!(time(&budget, priority).await, (Duration::ZERO, refused));
    }
    advance(90 * SECOND).await;
    assert_eq!(budget.closed_for(), Duration::from_millis(500));
    assert_eq!(
        time(&budget, Priority::Poll).await,
        (Duration::from_millis(500), Ok(()))
    );
}

#[tokio::test(start_paused = true)]
async fn those_already_waiting_are_refused_when_the_pause_is_too_long() {
    let budget = budget(1.0, 1, 30 * SECOND);
    budget.acquire(Priority::Poll).await.unwrap();
    let order = Arc::default();
    let tasks = [1, 2, 3].map(|_| queue(&budget, Priority::Poll, "gone", &order));
    tokio::task::yield_now().await;
    budget.throttled(Some(60 * SECOND));
    for task in tasks {
        timeout(Duration::from_millis(1), task)
            .await
            .unwrap()
            .unwrap();
    }
    assert!(order.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_there_is_no_burst() {
    let budget = budget(10.0, 40, 30 * SECOND);
    budget.throttled(Some(20 * SECOND));
    advance(20 * SECOND).await;
    assert_eq!(throughput(&budget, Duration::from_millis(50)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn throttling_lowers_the_rate_once_an_episode_and_less_near_a_known_limit() {
    let budget = budget(32.0, 1, SECOND);
    for _ in 0..3 {
        let before = rate_of(&budget);
        for _ in 0..5 {
            budget.throttled(Some(2 * SECOND));
        }
        assert!((rate_of(&budget) - before / 2.0).abs() < 1e-9);
        advance(2 * SECOND).await;
        budget.succeeded();
    }
    while rate_of(&budget) < 7.0 {
        advance(SECOND).await;
        budget.succeeded();
    }
    let before = rate_of(&budget);
    budget.throttled(Some(2 * SECOND));
    assert!((rate_of(&budget) - 0.9 * before).abs() < 1e-9);
    // Throttled again although only one request was sent: the rate is not the reason.
    advance(2 * SECOND).await;
    budget.throttled(Some(2 * SECOND));
    assert!((rate_of(&budget) - 0.9 * before).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn good_answers_bring_the_rate_back_in_about_a_minute() {
    let budget = budget(60.0, 1, SECOND);
    budget.throttled(None);
    budget.succeeded();
    assert!(
        (rate_of(&budget) - 30.0).abs() < 1e-6,
        "an answer during the pause is no news"
    );
    let mut seconds = 0;
    while rate_of(&budget) < 60.0 {
        advance(SECOND).await;
        budget.succeeded();
        budget.succeeded();
        seconds += 1;
    }
    assert!((40..70).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn without_a_time_the_pause_doubles_until_an_answer_is_good() {
    let budget = budget(1.0, 1, SECOND);
    for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
        budget.throttled(None);
        assert_eq!(budget.closed_for(), expected * SECOND);
        advance(expected * SECOND).await;
    }
    budget.succeeded();
    budget.throttled(None);
    assert_eq!(budget.closed_for(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_believed_within_reason() {
    let budget = budget(1.0, 1, SECOND);
    budget.throttled(Some(Duration::ZERO));
    assert_eq!(budget.closed_for(), SECOND);
    budget.throttled(Some(Duration::MAX));
    assert_eq!(budget.closed_for(), Duration::from_hours(1));
    budget.throttled(Some(SECOND));
    assert_eq!(
        budget.closed_for(),
        Duration::from_hours(1),
        "never shortened"
    );
}

#[tokio::test(start_paused = true)]
async fn many_waiters_are_served_at_the_rate_and_in_order() {
    let budget = budget(100.0, 1, 60 * SECOND);
    let order: Arc<Mutex<Vec<usize>>> = Arc::default();
    let tasks: Vec<_> = (0..1000)
        .map(|number| {
            let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
            tokio::spawn(async move {
                budget.acquire(Priority::Poll).await.unwrap();
                order.lock().unwrap().push(number);
            })
        })
        .collect();
    let start = Instant::now();
    for task in tasks {
        task.await.unwrap();
    }
    // Timers are in whole milliseconds, so each turn may come up to one late.
    let elapsed = start.elapsed();
    assert!(
        (9990..=11_000).contains(&elapsed.as_millis()),
        "{elapsed:?}"
    );
    assert!(order.lock().unwrap().is_sorted());
}
