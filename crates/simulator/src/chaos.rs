//! Hostile mode: faults and quirks at random, as far as the contract allows them.
//!
//! What happens to a request follows from the seed, its operation, its flow type and how many of these came before.
//! Ids and times play no part, so the same client meets the same trouble in each run.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    answer::{Answer, BodyFault},
    fault::{Effect, Facts},
    flow_type::FlowType,
    quirk::Quirk,
    route::Operation,
    throttle::RetryAfter,
};

/// The dice.
#[derive(Debug)]
pub(crate) struct Chaos {
    seed: u64,
    rate: f64,
    seen: BTreeMap<(Operation, Option<FlowType>), u64>,
}

impl Chaos {
    pub(crate) fn new(seed: u64, rate: f64) -> Self {
        Self {
            seed,
            rate: rate.clamp(0.0, 1.0),
            seen: BTreeMap::new(),
        }
    }

    /// What will be done to the next request of this kind.
    pub(crate) fn effects(&mut self, facts: &Facts<'_>) -> Vec<Effect> {
        let operation = facts.operation.unwrap_or(Operation::Unknown);
        let mut dice = self.dice(operation, facts.flow_type);
        let mut effects = Vec::new();
        if dice.random_bool(self.rate) {
            effects.push(fault(&mut dice, operation));
        }
        if dice.random_bool(self.rate) {
            effects.push(quirk(&mut dice));
        }
        if operation.is_write() && dice.random_bool(self.rate) {
            effects.push(Effect::Hide(Duration::from_millis(
                dice.random_range(100..2000),
            )));
        }
        effects
    }

    fn dice(&mut self, operation: Operation, flow_type: Option<FlowType>) -> StdRng {
        let nth = self.seen.entry((operation, flow_type)).or_default();
        *nth += 1;
        let kind = flow_type.map_or(0, |kind| kind as u64 + 1);
        let mut seed = [0; 32];
        let parts = [self.seed, operation as u64, kind, *nth];
        for (place, byte) in seed
            .iter_mut()
            .zip(parts.into_iter().flat_map(u64::to_le_bytes))
        {
            *place = byte;
        }
        StdRng::from_seed(seed)
    }
}

fn fault(dice: &mut StdRng, operation: Operation) -> Effect {
    match dice.random_range(0..10) {
        0..3 => Effect::Refuse(throttled(dice)),
        3..5 => Effect::Refuse(Answer::new(server_error(dice, operation))),
        5 => Effect::AnswerAfterCommit(Answer::new(server_error(dice, operation))),
        6 => Effect::CutAfterCommit,
        7 => Effect::CutBefore,
        8 => Effect::DelayAfter(Duration::from_millis(dice.random_range(10..300))),
        _ => Effect::Body(spoilt(dice)),
    }
}

fn throttled(dice: &mut StdRng) -> Answer {
    let answer = Answer::new(429);
    match dice.random_range(0..4) {
        0 => answer.retry_after(RetryAfter::Seconds(1)),
        1 => answer.retry_after(RetryAfter::Decimal(
            f64::from(dice.random_range(100..2200)) / 1000.0,
        )),
        2 => answer.retry_after(RetryAfter::Date(2)),
        _ => answer,
    }
}

/// The codes that Microsoft's own chaos handler gives to each method.
fn server_error(dice: &mut StdRng, operation: Operation) -> u16 {
    let codes: &[u16] = if operation.is_write() {
        &[500, 502, 503, 504, 507]
    } else {
        &[500, 502, 503, 504]
    };
    codes
        .get(dice.random_range(0..codes.len()))
        .copied()
        .unwrap_or(503)
}

fn spoilt(dice: &mut StdRng) -> BodyFault {
    match dice.random_range(0..4) {
        0 => BodyFault::Truncated,
        1 => BodyFault::Empty,
        2 => BodyFault::Html,
        _ => BodyFault::Malformed,
    }
}

fn quirk(dice: &mut StdRng) -> Effect {
    match dice.random_range(0..5) {
        0 => Effect::Quirk(Quirk::ExtraFields),
        1 => Effect::Quirk(Quirk::LoudIds),
        2 => Effect::Quirk(Quirk::Reordered),
        3 => Effect::PageSize(1),
        _ => Effect::EmptyPages,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(seed: u64, rate: f64) -> Vec<Vec<Effect>> {
        let mut chaos = Chaos::new(seed, rate);
        let facts = Facts {
            method: "GET",
            path: "/",
            operation: Some(Operation::ListSets),
            ..Facts::default()
        };
        (0..100).map(|_| chaos.effects(&facts)).collect()
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(history(7, 0.3), history(7, 0.3));
        assert_ne!(history(7, 0.3), history(8, 0.3));
    }

    #[test]
    fn a_rate_of_zero_is_calm_and_one_is_not() {
        assert!(history(7, 0.0).iter().all(Vec::is_empty));
        assert!(history(7, 1.0).iter().all(|effects| effects.len() == 2));
    }

    #[test]
    fn other_requests_between_change_nothing() {
        let mut chaos = Chaos::new(7, 0.5);
        let lists = Facts {
            method: "GET",
            path: "/",
            operation: Some(Operation::ListSets),
            ..Facts::default()
        };
        let gets = Facts {
            operation: Some(Operation::GetSet),
            ..lists
        };
        let mixed: Vec<Vec<Effect>> = (0..100)
            .map(|_| {
                chaos.effects(&gets);
                chaos.effects(&lists)
            })
            .collect();
        assert_eq!(mixed, history(7, 0.5));
    }
}
