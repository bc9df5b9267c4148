//! Faults on demand: rules that say which requests something shall be done to, and what.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    answer::{Answer, BodyFault, NextLink},
    flow_type::FlowType,
    route::Operation,
    surprise::Surprise,
};

/// What is done to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Answered so, and nothing is done.
    Refuse(Answer),
    /// Done, and then answered so.
    AnswerAfterCommit(Answer),
    /// The connection is reset, and nothing is done.
    CutBefore,
    /// Done, and then the connection is reset.
    CutAfterCommit,
    /// This much later, by the machine's clock, it is done. It is done even if the client is gone by then.
    DelayBefore(#[serde(with = "crate::seconds")] Duration),
    /// Done at once, and answered this much later, by the machine's clock.
    DelayAfter(#[serde(with = "crate::seconds")] Duration),
    /// The body of the answer is spoilt.
    Body(BodyFault),
    /// The answer has this content type.
    ContentType(String),
    /// Reads do not see this write for this long, by the service's clock.
    Hide(#[serde(with = "crate::seconds")] Duration),
    /// The answer links to a false next page.
    NextLink(NextLink),
    /// Pages of this size.
    PageSize(usize),
    /// Empty pages between the others.
    EmptyPages,
    /// Something legal that a client may not expect.
    Surprise(Surprise),
    /// A read shows what there was this long ago, by the service's clock: a replica that lags behind.
    Stale(#[serde(with = "crate::seconds")] Duration),
    /// A read shows what there was after this many writes: a replica that hears of nothing more.
    AsOf(u64),
    /// The `Date` header is this many seconds ahead of the service's clock, or behind it.
    Date(i64),
}

/// Which requests, and what. Fields that are absent match everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// HTTP method.
    #[serde(default)]
    pub method: Option<String>,
    /// Path, in which `*` stands for any text. Letter case does not matter.
    #[serde(default)]
    pub path: Option<String>,
    /// Operation.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// Type of the flow that is named or created.
    #[serde(default)]
    pub flow_type: Option<FlowType>,
    /// So many matching requests are spared first.
    #[serde(default)]
    pub skip: u64,
    /// So many are hit then. None: all of them. Absent in JSON: one.
    #[serde(default = "once")]
    pub times: Option<u64>,
    /// Of those that are not spared, the first is hit, and then one in so many. Absent in JSON: 1, each.
    #[serde(default = "each")]
    pub every: u64,
    /// What is done.
    pub effect: Effect,
}

fn each() -> u64 {
    1
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn once() -> Option<u64> {
    Some(1)
}

impl Rule {
    /// Does something to the next request, of any kind.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self {
            method: None,
            path: None,
            operation: None,
            flow_type: None,
            skip: 0,
            times: once(),
            every: each(),
            effect,
        }
    }

    /// Only to this operation.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self {
            operation: Some(operation),
            ..self
        }
    }

    /// Only to this method.
    #[must_use]
    pub fn method(self, method: impl Into<String>) -> Self {
        Self {
            method: Some(method.into()),
            ..self
        }
    }

    /// Only to paths like this, in which `*` stands for any text.
    #[must_use]
    pub fn path(self, pattern: impl Into<String>) -> Self {
        Self {
            path: Some(pattern.into()),
            ..self
        }
    }

    /// Only to flows of this type.
    #[must_use]
    pub fn flow_type(self, flow_type: FlowType) -> Self {
        Self {
            flow_type: Some(flow_type),
            ..self
        }
    }

    /// Not to the first `skip` that match.
    #[must_use]
    pub fn after(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// To so many.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// To one in so many, beginning with the first that is not spared.
    #[must_use]
    pub fn every(self, every: u64) -> Self {
        Self { every, ..self }
    }

    /// To all, until the rules are cleared.
    #[must_use]
    pub fn always(self) -> Self {
        Self {
            times: None,
            ..self
        }
    }

    fn matches(&self, facts: &Facts<'_>) -> bool {
        let method = self
            .method
            .as_ref()
            .is_none_or(|method| method.eq_ignore_ascii_case(facts.method));
        let path = self
            .path
            .as_ref()
            .is_none_or(|pattern| glob(&pattern.to_lowercase(), &facts.path.to_lowercase()));
        let operation = self
            .operation
            .is_none_or(|operation| operation == facts.operation);
        let flow_type = self
            .flow_type
            .is_none_or(|kind| Some(kind) == facts.flow_type);
        method && path && operation && flow_type
    }
}

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) operation: Operation,
    pub(crate) flow_type: Option<FlowType>,
}

/// A rule in force, with its name and what is left of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveRule {
    /// Name, by which it can be removed.
    pub id: u64,
    /// Requests that it has hit.
    pub hits: u64,
    /// The rule; `skip` and `times` are what is left.
    pub rule: Rule,
}

/// All rules in force, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    active: Vec<ActiveRule>,
    made: u64,
}

impl Rules {
    pub(crate) fn inject(&mut self, rule: Rule) -> u64 {
        self.made += 1;
        self.active.push(ActiveRule {
            id: self.made,
            hits: 0,
            rule,
        });
        self.made
    }

    /// Removes the rule with this id, and returns whether it existed.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|rule| rule.id != id);
        self.active.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    pub(crate) fn active(&self) -> &[ActiveRule] {
        &self.active
    }

    /// The effects of all rules that hit this request, and uses them up.
    pub(crate) fn strike(&mut self, facts: &Facts<'_>) -> Vec<Effect> {
        let hit = |active: &mut ActiveRule| {
            active
                .rule
                .matches(facts)
                .then(|| active.strike())
                .flatten()
        };
        self.active.iter_mut().filter_map(hit).collect()
    }
}

impl ActiveRule {
    fn strike(&mut self) -> Option<Effect> {
        if self.rule.skip > 0 {
            self.rule.skip -= 1;
            return None;
        }
        match &mut self.rule.times {
            Some(0) => return None,
            Some(left) => *left -= 1,
            None => {}
        }
        self.hits += 1;
        self.rule.skip = self.rule.every.saturating_sub(1);
        Some(self.rule.effect.clone())
    }
}

/// Whether a text is like a pattern in which `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.filter_map(|at| text.get(at..))
                .any(|text| glob(rest, text))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(operation: Operation, path: &str) -> Facts<'_> {
        Facts {
            method: "POST",
            path,
            operation,
            flow_type: Some(FlowType::User),
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(glob("*/reset", "/beta/x/reset"));
        assert!(glob("/beta/*/flows*", "/beta/a/b/flows"));
        assert!(!glob("*/reset", "/beta/x/reset/y"));
    }

    #[test]
    fn a_rule_spares_some_hits_some_and_is_used_up() {
        let mut rules = Rules::default();
        rules.inject(
            Rule::new(Effect::CutBefore)
                .on(Operation::CreateFlow)
                .after(1)
                .times(2),
        );
        let hits: Vec<usize> = (0..4)
            .map(|_| rules.strike(&facts(Operation::CreateFlow, "/a")).len())
            .collect();
        assert_eq!(hits, [0, 1, 1, 0]);
        assert_eq!(rules.active()[0].hits, 2);
    }

    #[test]
    fn a_rule_can_hit_every_second_request() {
        let mut rules = Rules::default();
        rules.inject(Rule::new(Effect::CutBefore).after(1).every(2).times(2));
        let hits: Vec<usize> = (0..7)
            .map(|_| rules.strike(&facts(Operation::CreateFlow, "/a")).len())
            .collect();
        assert_eq!(hits, [0, 1, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn what_a_rule_does_not_name_does_not_matter_and_what_it_names_does() {
        let rule = Rule::new(Effect::CutBefore)
            .flow_type(FlowType::User)
            .path("*/B")
            .method("post");
        assert!(rule.matches(&facts(Operation::CreateFlow, "/a/b")));
        assert!(!rule.matches(&facts(Operation::CreateFlow, "/a/c")));
        assert!(
            !rule
                .clone()
                .flow_type(FlowType::ClassGroup)
                .matches(&facts(Operation::CreateFlow, "/a/b"))
        );
    }

    #[test]
    fn a_rule_in_json_hits_once_unless_it_says_otherwise() {
        let one: Rule = serde_json::from_str(r#"{"effect": "cutAfterCommit"}"#).unwrap();
        let all: Rule =
            serde_json::from_str(r#"{"times": null, "effect": {"delayAfter": 0.5}}"#).unwrap();
        assert_eq!((one.times, all.times), (Some(1), None));
        assert_eq!(all.effect, Effect::DelayAfter(Duration::from_millis(500)));
    }
}
