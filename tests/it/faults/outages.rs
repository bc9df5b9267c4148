//! F7, F8: a service that throttles, that fails for a while, or whose answers are unusable.

use std::time::Duration;

use futures::future::join_all;
use industrydata_simulator::{Answer, BodyFault, Effect, Journal, Operation, RetryAfter, Rule};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{open, open_shortened, pace, with_pairs};
use crate::manifests::{groups_in, names, set};
use crate::oracle::assert_healed;
use crate::waiting::at;

/// A create that was throttled is looked into.
#[tokio::test(flavor = "multi_thread")]
async fn f07_a_pause_is_kept_in_every_form_of_retry_after() {
    let forms = [
        None,
        Some(RetryAfter::Seconds(2)),
        Some(RetryAfter::Decimal(2.128)),
        Some(RetryAfter::Date(3)),
    ];
    join_all((0..).zip(forms).map(|(place, form)| throttle(place, form))).await;
}

/// Throttles one request of each kind, and creates once more after they were done.
async fn throttle(place: usize, retry_after: Option<RetryAfter>) {
    let throttled = Answer {
        retry_after,
        ..Answer::new(429)
    };
    let refused = Effect::Refuse(throttled.clone());
    let made = Effect::AnswerAfterCommit(throttled);
    let env = open(&format!("f07-{place}")).await;
    env.meet(Operation::ListSets, [refused.clone()]);
    env.meet(Operation::CreateSet, [made.clone()]);
    env.meet(Operation::ListFlows, [refused.clone()]);
    env.meet(Operation::CreateFlow, [refused, made]);
    env.apply_pairs(&names(1)).await;
    assert_healed(&env).await;
    assert_eq!(env.requests(Operation::CreateSet), 1);
    assert_eq!(env.requests(Operation::CreateFlow), 2);
    assert_pauses_are_kept(&env.simulator.journal());
}

/// No request comes before the time that the service asked for, but for what was on its way by then.
pub fn assert_pauses_are_kept(journal: &Journal) {
    const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(1);
    for told in journal.entries() {
        let Some(header) = &told.retry_after else {
            continue;
        };
        let (from, to) = (
            at(&told.time) + ON_ITS_WAY,
            end_of_pause(&told.time, header),
        );
        let early = journal.count(|entry| {
            let time = at(&entry.time);
            entry.operation != Operation::Token && from < time && time < to
        });
        assert_eq!(early, 0, "in the pause {header} of {told:#?}: {journal:#?}");
    }
}

fn end_of_pause(time: &str, header: &str) -> Timestamp {
    match header.parse() {
        Ok(seconds) => at(time) + Duration::from_secs_f64(seconds),
        Err(_) => Timestamp::try_from(httpdate::parse_http_date(header).unwrap()).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_bursts_of_failures_and_unusable_answers_heal_and_lead_to_no_hurry() {
    let refusals = [500, 502, 503, 504].map(|status| Effect::Refuse(Answer::new(status)));
    let bodies = [
        BodyFault::Empty,
        BodyFault::Html,
        BodyFault::Malformed,
        BodyFault::Huge(9 << 20),
        BodyFault::Dripping(50),
    ];
    let odd = [
        Effect::CutBefore,
        Effect::ContentType("text/html".to_owned()),
    ];
    let faults = refusals
        .into_iter()
        .chain(bodies.map(Effect::Body))
        .chain(odd);
    let faults = [None].into_iter().chain(faults.map(Some));
    let paces = join_all(
        (0..)
            .zip(faults)
            .map(|(place, fault)| trouble(place, fault)),
    )
    .await;
    let (_, healthy) = paces[0];
    for (what, pace) in &paces {
        assert!(
            *pace < 2.0 * healthy,
            "{what}: {pace} requests a second, else {healthy}"
        );
    }
}

/// Makes a set and a flow while a fault strikes requests of every kind, and tells at what pace.
async fn trouble(place: usize, fault: Option<Effect>) -> (String, f64) {
    let what = format!("{fault:?}");
    let env = open_shortened(&format!("f08-{place}")).await;
    if let Some(fault) = fault {
        let twice = [fault.clone(), fault.clone()];
        env.meet(Operation::ListSets, twice.clone());
        env.meet(Operation::CreateSet, [fault.clone()]);
        env.meet(Operation::ListFlows, twice);
        env.meet(Operation::CreateFlow, [fault]);
    }
    env.apply_pairs(&names(1)).await;
    assert_healed(&env).await;
    (what, pace(&env.simulator.journal()))
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_an_outage_is_sat_out_and_pending_work_is_done_after_it() {
    let (env, _) = with_pairs("f08-outage", 2).await;
    env.polls(2).await;
    let healthy = env.simulator.journal();
    // Not 503, which also closes the request budget for longer and longer.
    let outage = Effect::Refuse(Answer::new(502));
    env.simulator.inject(Rule::new(outage).always());
    env.apply_all([set("late"), groups_in("late", "late")])
        .await;
    let meanwhile = || env.simulator.journal().since(last(&healthy));
    let tried = async || meanwhile().requests(Operation::ListSets) >= 3;
    env.until("the outage to be noticed", tried).await;
    assert!(pace(&meanwhile()) < 2.0 * pace(&healthy));
    assert_eq!(env.changes(), 4, "nothing is sent blindly");
    env.simulator.clear_rules();
    assert_healed(&env).await;
    assert_eq!(env.changes(), 6);
}

fn last(journal: &Journal) -> u64 {
    journal.entries().last().unwrap().sequence
}
