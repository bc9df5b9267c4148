//! What the network, the API server and the service do wrong.

use std::time::Duration;

use industrydata_simulator::{Answer, BodyFault, Operation, RetryAfter};
use industrydata_simulator::{Effect as ServiceEffect, Rule as ServiceRule};
use industrydata_testbed::{Proxy, ProxyEffect as Effect, Rule};
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand::{RngExt as _, rngs::StdRng};
use serde_json::json;
use tokio::time::Instant;

use crate::scene::Scene;

/// Faults, and when those that last are to end.
pub struct Harm<'a> {
    scene: &'a Scene,
    ends: Vec<(Instant, End)>,
}

#[derive(Clone, Copy)]
enum Side {
    Cluster,
    Service,
}

/// What ends.
enum End {
    Rule(Side, u64),
    Flaky(Side),
    Hostile,
    /// Of the flow with this id.
    Failure(String),
}

const OPERATIONS: [Operation; 10] = [
    Operation::ListSets,
    Operation::CreateSet,
    Operation::UpdateSet,
    Operation::DeleteSet,
    Operation::ListFlows,
    Operation::CreateFlow,
    Operation::UpdateFlow,
    Operation::DeleteFlow,
    Operation::ResetFlow,
    Operation::Token,
];

/// What the operator asks the API server for, by method and a part of the path.
const CLUSTER: [(&str, &str); 9] = [
    ("PATCH", ""),
    ("PATCH", "/status"),
    ("PATCH", "provisioningflows/"),
    ("PATCH", "provisioningflowsets/"),
    ("GET", "provisioningflows"),
    ("GET", "secrets"),
    ("GET", "leases"),
    ("PUT", "leases"),
    ("POST", "events"),
];

/// What it asks the service for.
const SERVICE: [(&str, &str); 9] = [
    ("GET", ""),
    ("GET", "/provisioningFlows"),
    ("POST", "/provisioningFlows"),
    ("POST", "FlowSets"),
    ("POST", "/reset"),
    ("POST", "/token"),
    ("PATCH", "/provisioningFlows/"),
    ("PATCH", "FlowSets/"),
    ("DELETE", ""),
];

impl<'a> Harm<'a> {
    pub fn new(scene: &'a Scene) -> Self {
        Self {
            scene,
            ends: Vec::new(),
        }
    }

    /// Makes both sides unreliable, for a while.
    pub fn flaky(&mut self, seed: u64, rate: f64) {
        for side in [Side::Cluster, Side::Service] {
            self.proxy(side).flaky(seed, rate);
            self.end_after(Duration::from_secs(5), End::Flaky(side));
        }
    }

    /// Does some harm at random, and says what.
    pub fn one(&mut self, dice: &mut StdRng) -> String {
        match dice.random_range(0..100) {
            0..25 => self.request(Side::Cluster, dice),
            25..50 => self.request(Side::Service, dice),
            50..60 => self.watches(dice),
            60..91 => self.service(dice),
            91..95 => self.failure(dice),
            95..98 => {
                let (seed, rate) = (dice.random(), dice.random_range(0.02..0.2));
                self.flaky(seed, rate);
                format!("both sides flaky at {rate:.2}")
            }
            _ => {
                self.scene.simulator.set_hostile(dice.random(), 0.1);
                self.end_after(Duration::from_secs(4), End::Hostile);
                "a hostile service".to_owned()
            }
        }
    }

    pub fn end_what_is_due(&mut self) {
        let now = Instant::now();
        let due = self.ends.extract_if(.., |(at, _)| *at <= now);
        for (_, end) in due.collect::<Vec<_>>() {
            self.end(end);
        }
    }

    pub fn end_all(&mut self) {
        for (_, end) in std::mem::take(&mut self.ends) {
            self.end(end);
        }
        for side in [Side::Cluster, Side::Service] {
            self.proxy(side).clear();
            self.proxy(side).steady();
        }
        self.scene.simulator.clear_rules();
        self.scene.simulator.set_calm();
    }

    fn end(&self, end: End) {
        match end {
            End::Rule(side, id) => self.proxy(side).remove(id),
            End::Flaky(side) => self.proxy(side).steady(),
            End::Hostile => self.scene.simulator.set_calm(),
            // It fails if the flow has been deleted.
            End::Failure(flow) => drop(self.scene.simulator.set_readiness(&flow, "ready")),
        }
    }

    fn end_after(&mut self, time: Duration, end: End) {
        self.ends.push((Instant::now() + time, end));
    }

    fn proxy(&self, side: Side) -> &'a Proxy {
        match side {
            Side::Cluster => &self.scene.cluster,
            Side::Service => &self.scene.service,
        }
    }

    /// Spoils a few requests on their way.
    fn request(&self, side: Side, dice: &mut StdRng) -> String {
        let effect = match dice.random_range(0..6) {
            0 => Effect::DropBefore,
            1 | 2 => Effect::ForwardThenCut,
            3 => Effect::Delay(Duration::from_millis(dice.random_range(100..2500))),
            4 => refusal(side, dice),
            _ => Effect::Truncate(dice.random_range(1..200)),
        };
        let requests: &[(&str, &str)] = match side {
            Side::Cluster => &CLUSTER,
            Side::Service => &SERVICE,
        };
        let mut rule = Rule::new(effect).times(dice.random_range(1..6));
        if let Some((method, path)) = requests.choose(dice) {
            rule = rule.method(*method).path_part(path);
        }
        self.proxy(side).inject(rule.clone());
        format!("{}: {rule:?}", name(side))
    }

    /// Holds, loses or cuts the watches, for a while.
    fn watches(&mut self, dice: &mut StdRng) -> String {
        let effect = match dice.random_range(0..3) {
            0 => Effect::Hold,
            1 => Effect::Swallow,
            _ => Effect::CutStream,
        };
        let kinds = [
            "provisioningflows",
            "flowsets",
            "graphconnections",
            "secrets",
            "",
        ];
        let kind = kinds.choose(dice).copied().unwrap_or_default();
        let rule = Rule::new(effect).query("watch=true").path_part(kind);
        let id = self.scene.cluster.inject(rule.clone());
        let time = Duration::from_millis(dice.random_range(500..4000));
        self.end_after(time, End::Rule(Side::Cluster, id));
        format!("for {time:?} {rule:?}")
    }

    /// Has a flow fail or expire until the next run of the service, which a person would have to see.
    pub fn failure(&mut self, dice: &mut StdRng) -> String {
        let sets = self.scene.simulator.snapshot().sets;
        let flows = sets.iter().flat_map(|set| &set.flows);
        let Some(flow) = flows.choose(dice) else {
            return "no flow that could fail".to_owned();
        };
        let word = ["failed", "expired"]
            .choose(dice)
            .copied()
            .unwrap_or("failed");
        let time = Duration::from_millis(dice.random_range(8_000..20_000));
        // It cannot fail: the flow was there just now.
        drop(self.scene.simulator.set_readiness(&flow.id, word));
        self.end_after(time, End::Failure(flow.id.clone()));
        format!("for {time:?} {word}: {}", flow.id)
    }

    /// Has the service itself do wrong, a few times.
    fn service(&self, dice: &mut StdRng) -> String {
        let operation = OPERATIONS
            .choose(dice)
            .copied()
            .unwrap_or(Operation::ListSets);
        // Also longer than the operator waits for an answer (10 s).
        let time = Duration::from_millis(dice.random_range(100..12_000));
        let effect = match dice.random_range(0..9) {
            0 => ServiceEffect::Refuse(answer(dice, &[429, 500, 502, 503, 504])),
            1 | 2 => {
                // A throttled reset is assumed not to have been carried out, and sent again.
                let all = [500, 502, 503, 504, 429];
                let possible = if operation == Operation::ResetFlow {
                    &all[..4]
                } else {
                    &all
                };
                ServiceEffect::AnswerAfterCommit(answer(dice, possible))
            }
            3 => ServiceEffect::CutBefore,
            4 => ServiceEffect::CutAfterCommit,
            5 => ServiceEffect::DelayBefore(time),
            6 => ServiceEffect::DelayAfter(time),
            7 => ServiceEffect::Hide(time),
            _ => ServiceEffect::Body(match dice.random_range(0..4) {
                0 => BodyFault::Truncated,
                1 => BodyFault::Empty,
                2 => BodyFault::Html,
                _ => BodyFault::Malformed,
            }),
        };
        let times = dice.random_range(1..4);
        let rule = ServiceRule::new(effect).on(operation).times(times);
        self.scene.simulator.inject(rule.clone());
        format!("service: {rule:?}")
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Cluster => "before the API server",
        Side::Service => "before the service",
    }
}

fn answer(dice: &mut StdRng, statuses: &[u16]) -> Answer {
    let answer = Answer::new(statuses.choose(dice).copied().unwrap_or(503));
    if answer.status == 429 {
        return answer.retry_after(RetryAfter::Decimal(dice.random_range(0.1..2.0)));
    }
    answer
}

/// What the proxy answers by itself.
fn refusal(side: Side, dice: &mut StdRng) -> Effect {
    let (status, reason) = [
        (409, "Conflict"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
    ]
    .choose(dice)
    .copied()
    .unwrap_or((503, ""));
    let body = match side {
        Side::Cluster => {
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "made by the proxy", "reason": reason, "code": status })
        }
        Side::Service => json!({ "error": { "code": reason, "message": "made by the proxy" } }),
    };
    Effect::answer(status, body.to_string())
}
