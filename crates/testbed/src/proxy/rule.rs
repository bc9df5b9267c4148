//! Rules that select faults for requests and responses.

use std::time::Duration;

use http::Method;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// The longest delay of a [flaky](super::Proxy::flaky) proxy, in milliseconds.
const LONGEST_DELAY: u64 = 2000;

/// What is done to a request or to its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The request is never forwarded, and its connection is cut.
    DropBefore,
    /// The request is forwarded. As soon as its answer begins, the connection is cut.
    ForwardThenCut,
    /// The request is forwarded after this time, also if the client is gone by then.
    Delay(Duration),
    /// The request is never forwarded, and answered so. See [`Effect::answer`].
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

impl Effect {
    /// An answer in JSON.
    #[must_use]
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.into(),
        }
    }

    /// Whether it is done to an answer while it flows. Such a rule is in force until it is removed.
    fn lasts(&self) -> bool {
        matches!(self, Self::Hold | Self::Swallow | Self::CutStream)
    }
}

/// Which requests, and what is done to them.
///
/// `Hold`, `Swallow` and `CutStream` also concern answers that have begun before the rule was made;
/// they are in force until the rule is removed, whatever [`after`](Rule::after) and
/// [`times`](Rule::times) say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    effect: Effect,
    method: Option<Method>,
    path: Option<String>,
    query: Option<String>,
    skip: u64,
    times: Option<u64>,
}

impl Rule {
    /// Does something to the next request, of any kind.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self {
            effect,
            method: None,
            path: None,
            query: None,
            skip: 0,
            times: Some(1),
        }
    }

    /// Only to requests of this method, in capitals.
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        Self {
            // What cannot be a method matches no request.
            method: Some(method.parse().unwrap_or_default()),
            ..self
        }
    }

    /// Only to requests whose path contains this.
    #[must_use]
    pub fn path(self, part: &str) -> Self {
        Self {
            path: Some(part.to_owned()),
            ..self
        }
    }

    /// Only to requests whose query contains this.
    #[must_use]
    pub fn query(self, part: &str) -> Self {
        Self {
            query: Some(part.to_owned()),
            ..self
        }
    }

    /// Not to the first `skip` that match.
    #[must_use]
    pub fn after(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Applies to this many requests; once by default.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// To all, until the rule is removed.
    #[must_use]
    pub fn always(self) -> Self {
        Self {
            times: None,
            ..self
        }
    }

    fn matches(&self, facts: &Facts) -> bool {
        let contains = |text: &str, part: &Option<String>| {
            part.as_ref().is_none_or(|part| text.contains(part))
        };
        let method = self.method.as_ref();
        method.is_none_or(|method| *method == facts.method)
            && contains(&facts.path, &self.path)
            && contains(&facts.query, &self.query)
    }

    /// Counts a matching request, and returns whether the rule applies to it.
    fn count(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.times {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        true
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
    pub effect: Effect,
}

/// What rules look at.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Counts up.
    pub(crate) number: u64,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
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

/// All rules that are in force, oldest first, and what they did.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    active: Vec<Active>,
    made: u64,
    requests: u64,
    chance: Option<Chance>,
    hits: Vec<Hit>,
}

#[derive(Debug)]
struct Active {
    id: u64,
    rule: Rule,
    /// The first request after the rule.
    next: u64,
}

/// The dice of a flaky proxy.
#[derive(Debug)]
struct Chance {
    dice: StdRng,
    rate: f64,
}

impl Rules {
    pub(crate) fn inject(&mut self, rule: Rule) -> u64 {
        self.made += 1;
        self.active.push(Active {
            id: self.made,
            rule,
            next: self.requests,
        });
        self.made
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.active.retain(|active| active.id != id);
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
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
    pub(crate) fn strike(&mut self, facts: &Facts) -> Option<Effect> {
        let hit = self.active.iter_mut().find_map(|active| {
            let rule = &mut active.rule;
            let hits = !rule.effect.lasts() && rule.matches(facts) && rule.count();
            hits.then(|| rule.effect.clone())
        });
        let effect = hit.or_else(|| self.chance.as_mut()?.effect())?;
        self.note(facts, effect.clone());
        Some(effect)
    }

    /// How the answer to a request goes on.
    pub(crate) fn course(&self, facts: &Facts) -> Course {
        let courses = self.active.iter().filter_map(|active| {
            let course = match active.rule.effect {
                Effect::Hold => Course::Held,
                Effect::Swallow => Course::Swallowed,
                Effect::CutStream if facts.number < active.next => Course::Cut,
                _ => return None,
            };
            active.rule.matches(facts).then_some(course)
        });
        courses.max().unwrap_or(Course::Flows)
    }

    /// Writes down what is done to the answer to a request.
    pub(crate) fn note_course(&mut self, facts: &Facts, course: Course) {
        let effect = match course {
            Course::Flows => return,
            Course::Held => Effect::Hold,
            Course::Swallowed => Effect::Swallow,
            Course::Cut => Effect::CutStream,
        };
        self.note(facts, effect);
    }

    fn note(&mut self, facts: &Facts, effect: Effect) {
        self.hits.push(Hit {
            method: facts.method.to_string(),
            path: facts.path.clone(),
            query: facts.query.clone(),
            effect,
        });
    }
}

impl Chance {
    fn effect(&mut self) -> Option<Effect> {
        if !self.dice.random_bool(self.rate) {
            return None;
        }
        Some(match self.dice.random_range(0..4) {
            0 => Effect::DropBefore,
            1 => Effect::ForwardThenCut,
            2 => Effect::Delay(Duration::from_millis(
                self.dice.random_range(0..LONGEST_DELAY),
            )),
            _ => Effect::answer(503, "{}"),
        })
    }
}
