//! The bucket against a service that allows a certain rate.

use std::collections::VecDeque;

use super::*;

/// Time that passes between two looks at the bucket.
const STEP: Duration = Duration::from_millis(2);
const LATENCY: Duration = Duration::from_millis(50);
/// Number of requests in progress at a time.
const CONCURRENCY: usize = 256;

/// A service that allows 20 requests a second, and this number at once.
struct Service {
    allowed: Bucket,
    /// Whether it throttles everything, whatever the rate.
    fails: bool,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accepted,
    /// With the pause that the service requests, if any.
    Throttled(Option<Duration>),
}

/// What became of a request, and when its response arrives.
struct Response {
    at: Instant,
    answer: Answer,
}

struct Client {
    bucket: Bucket,
    now: Instant,
    responses: VecDeque<Response>,
    accepted: u32,
    throttled: u32,
}

const RATE: f64 = 20.0;

impl Service {
    fn of(burst: u32) -> Self {
        Self {
            allowed: Bucket::new(RATE, burst, Instant::now()),
            fails: false,
        }
    }

    /// Answers a request: accepts it, or throttles it with the whole seconds until it would accept it.
    fn answer(&mut self, now: Instant) -> Answer {
        if self.fails {
            return Answer::Throttled(None);
        }
        if self.allowed.take(now) {
            return Answer::Accepted;
        }
        let wait = self.allowed.wait(0, now).as_secs_f64().ceil();
        Answer::Throttled(Some(Duration::from_secs_f64(wait)))
    }
}

impl Client {
    fn of(per_second: f64, burst: u32) -> Self {
        let now = Instant::now();
        Self {
            bucket: Bucket::new(per_second, burst, now),
            now,
            responses: VecDeque::new(),
            accepted: 0,
            throttled: 0,
        }
    }

    /// Sends whatever the bucket permits, and returns the number of requests that the service accepted.
    fn send_for(&mut self, seconds: u64, service: &mut Service) -> u32 {
        let (before, end) = (self.accepted, self.now + Duration::from_secs(seconds));
        while self.now < end {
            while let Some(response) = self.responses.pop_front_if(|one| one.at <= self.now) {
                match response.answer {
                    Answer::Throttled(pause) => self.bucket.throttled(pause, self.now),
                    Answer::Accepted => self.bucket.succeeded(self.now),
                }
            }
            while self.responses.len() < CONCURRENCY && self.bucket.take(self.now) {
                let answer = service.answer(self.now);
                let is_accepted = answer == Answer::Accepted;
                self.accepted += u32::from(is_accepted);
                self.throttled += u32::from(!is_accepted);
                let at = self.now + LATENCY;
                self.responses.push_back(Response { at, answer });
            }
            self.now += STEP;
        }
        self.accepted - before
    }
}

#[test]
fn a_service_that_throttles_is_used_to_nine_tenths_of_what_it_allows() {
    for (per_second, burst) in [
        (20.0, 40),
        (40.0, 40),
        (100.0, 40),
        (1_000.0, 40),
        (1_000.0, 1_000),
    ] {
        // Whether the service saves up requests that were not sent or not.
        for saved in [20, 1] {
            let (mut service, mut client) = (Service::of(saved), Client::of(per_second, burst));
            client.send_for(60, &mut service);
            let accepted = client.send_for(300, &mut service);
            let share = f64::from(accepted) / (RATE * 300.0);
            assert!(share >= 0.9, "{per_second}/s, {burst}, {saved}: {share}");
        }
    }
}

#[test]
fn a_budget_far_above_what_the_service_allows_is_seldom_throttled() {
    let (mut service, mut client) = (Service::of(1), Client::of(1_000.0, 40));
    client.send_for(60, &mut service);
    client.throttled = 0;
    client.send_for(300, &mut service);
    assert!(client.throttled < 60, "{} in 300 s", client.throttled);
}

#[test]
fn after_an_outage_the_rate_is_back_within_a_minute() {
    let (mut service, mut client) = (Service::of(1_000), Client::of(RATE, 40));
    client.send_for(10, &mut service);
    service.fails = true;
    client.send_for(180, &mut service);
    assert!(client.throttled < 20, "{} in 180 s", client.throttled);
    service.fails = false;
    // The last pause is up to a minute long, too.
    client.send_for(120, &mut service);
    let accepted = client.send_for(60, &mut service);
    assert!(f64::from(accepted) >= RATE * 59.0, "{accepted} in 60 s");
}

#[test]
fn a_limit_that_the_service_has_lifted_is_forgotten_within_minutes() {
    let (mut service, mut client) = (Service::of(20), Client::of(1_000.0, 40));
    client.send_for(100, &mut service);
    assert!(
        client.bucket.rate() < 2.0 * RATE,
        "{}",
        client.bucket.rate()
    );
    service.allowed = Bucket::new(FASTEST, 10_000, client.now);
    client.send_for(600, &mut service);
    assert!(client.bucket.rate() > 999.0, "{}", client.bucket.rate());
}
