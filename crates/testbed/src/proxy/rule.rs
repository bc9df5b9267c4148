//! Rules that select faults for requests and responses.

use std::collections::BTreeMap;
use std::time::Duration;

use industrydata_fault_rules::{Rule, Rules};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// The longest delay of a [flaky](super::Proxy::flaky) proxy, in milliseconds.
const LONGEST_DELAY: u64 = 2000;

/// What is done to a request or to its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyEffect {
    /// The request is never forwarded, and its connection is cut.
    DropBefore,
    /// The request is forwarded. As soon as its answer begins, the connection is cut.
    ForwardThenCut,
    /// The request is forwarded after this time, also if the client is gone by then.
    Delay(Duration),
    /// The request is never forwarded, and answered so. See [`ProxyEffect::answer`].
    Answer {
        /// HTTP status.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// So many bytes of the answer's body arrive; then the connection is cut.
    Truncate(usize),
    /// The request is forwarded twice, one after the other, and answered with the second answer.
    Duplicate,
    /// The answer's body, also its end, is withheld as long as the rule is there. The connection
    /// stays open.
    Hold,
    /// What arrives of the answer's body as long as the rule is there is lost without a trace.
    Swallow,
    /// Answers to requests that were made before the rule are cut, in the middle of their body; what
    /// was held of them is lost.
    CutStream,
}

impl ProxyEffect {
    /// An answer in JSON.
    #[must_use]
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.into(),
        }
    }

    /// Whether it is done to an answer while it flows, also to one that has begun before the rule was made. Such a rule
    /// is in force until it is removed, whatever [`Rule::after`] and [`Rule::times`] say.
    fn lasts(&self) -> bool {
        matches!(self, Self::Hold | Self::Swallow | Self::CutStream)
    }
}

/// A request to which something was done, or to whose answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Query, without the question mark; empty if there is none.
    pub query: String,
    /// What was done.
    pub effect: ProxyEffect,
}

/// What rules look at.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Counts up.
    pub(crate) number: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
}

impl Facts {
    fn for_rules(&self) -> industrydata_fault_rules::Facts<'_> {
        industrydata_fault_rules::Facts {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            ..industrydata_fault_rules::Facts::default()
        }
    }
}

/// How an answer that flows goes on. Of several rules that match it, the one that comes last here
/// wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Course {
    Flows,
    Held,
    Swallowed,
    Cut,
}

/// The rules of a proxy, and what they did.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Rules<ProxyEffect>,
    /// The first request after each rule.
    next: BTreeMap<u64, u64>,
    requests: u64,
    chance: Option<Chance>,
    hits: Vec<Hit>,
}

/// The dice of a flaky proxy.
#[derive(Debug)]
struct Chance {
    dice: StdRng,
    rate: f64,
}

impl Faults {
    pub(crate) fn inject(&mut self, rule: Rule<ProxyEffect>) -> u64 {
        let id = self.rules.inject(rule);
        self.next.insert(id, self.requests);
        id
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.rules.remove(id);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn flaky(&mut self, seed: u64, rate: f64) {
        self.chance = Some(Chance {
            dice: StdRng::seed_from_u64(seed),
            rate: rate.clamp(0.0, 1.0),
        });
    }

    pub(crate) fn steady(&mut self) {
        self.chance = None;
    }

    pub(crate) fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// Numbers a request.
    pub(crate) fn number(&mut self) -> u64 {
        self.requests += 1;
        self.requests - 1
    }

    /// What is done to a request: what the oldest rule that hits it says, or chance.
    pub(crate) fn apply(&mut self, facts: &Facts) -> Option<ProxyEffect> {
        let facts_for_rules = facts.for_rules();
        let passes = |effect: &ProxyEffect| !effect.lasts();
        let hit = self.rules.apply(&facts_for_rules, passes).next();
        let effect = hit.or_else(|| self.chance.as_mut()?.effect())?;
        self.note(facts, effect.clone());
        Some(effect)
    }

    /// How the answer to a request goes on.
    pub(crate) fn course(&self, facts: &Facts) -> Course {
        let courses = self.rules.active().iter().filter_map(|active| {
            let course = match active.rule.effect {
                ProxyEffect::Hold => Course::Held,
                ProxyEffect::Swallow => Course::Swallowed,
                ProxyEffect::CutStream if facts.number < self.next[&active.id] => Course::Cut,
                _ => return None,
            };
            active.rule.matches(&facts.for_rules()).then_some(course)
        });
        courses.max().unwrap_or(Course::Flows)
    }

    /// Writes down what is done to the answer to a request.
    pub(crate) fn note_course(&mut self, facts: &Facts, course: Course) {
        let effect = match course {
            Course::Flows => return,
            Course::Held => ProxyEffect::Hold,
            Course::Swallowed => ProxyEffect::Swallow,
            Course::Cut => ProxyEffect::CutStream,
        };
        self.note(facts, effect);
    }

    fn note(&mut self, facts: &Facts, effect: ProxyEffect) {
        self.hits.push(Hit {
            method: facts.method.clone(),
            path: facts.path.clone(),
            query: facts.query.clone(),
            effect,
        });
    }
}

impl Chance {
    fn effect(&mut self) -> Option<ProxyEffect> {
        if !self.dice.random_bool(self.rate) {
            return None;
        }
        Some(match self.dice.random_range(0..4) {
            0 => ProxyEffect::DropBefore,
            1 => ProxyEffect::ForwardThenCut,
            2 => ProxyEffect::Delay(Duration::from_millis(
                self.dice.random_range(0..LONGEST_DELAY),
            )),
            _ => ProxyEffect::answer(503, "{}"),
        })
    }
}
