//! Rules that say which requests meet a fault, for a service that does harm and for a proxy in front of one.
//!
//! ```
//! use industrydata_fault_rules::{Facts, Rule, Rules};
//!
//! let mut rules: Rules<&str> = Rules::default();
//! rules.inject(Rule::new("cut").method("PATCH").path("*/status").after(1));
//! let facts = Facts { method: "PATCH", path: "/flows/users/status", ..Facts::default() };
//! let hits = |rules: &mut Rules<&str>| rules.apply(&facts, |_| true).count();
//! assert_eq!([hits(&mut rules), hits(&mut rules), hits(&mut rules)], [0, 1, 0]);
//! ```

use serde::{Deserialize, Serialize};

/// Which requests, and what is done to them. Fields that are absent match everything.
///
/// `O` is an operation and `T` a type of object, where requests are known by these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule<E, O = (), T = ()> {
    /// HTTP method. Letter case does not matter.
    pub method: Option<String>,
    /// Path, in which `*` stands for any text. Letter case does not matter.
    pub path: Option<String>,
    /// A part of the query.
    #[serde(skip)]
    pub query: Option<String>,
    /// Operation.
    pub operation: Option<O>,
    /// Type of the flow that is named or created.
    pub flow_type: Option<T>,
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
    pub effect: E,
}

fn each() -> u64 {
    1
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn once() -> Option<u64> {
    Some(1)
}

impl<E, O, T> Rule<E, O, T> {
    /// Does something to the next request, of any kind.
    #[must_use]
    pub fn new(effect: E) -> Self {
        Self {
            method: None,
            path: None,
            query: None,
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
    pub fn on(mut self, operation: O) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only to this method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Only to paths like this, in which `*` stands for any text.
    #[must_use]
    pub fn path(mut self, pattern: impl Into<String>) -> Self {
        self.path = Some(pattern.into());
        self
    }

    /// Only to paths that contain this.
    #[must_use]
    pub fn path_part(self, part: &str) -> Self {
        self.path(format!("*{part}*"))
    }

    /// Only to requests whose query contains this.
    #[must_use]
    pub fn query(mut self, part: &str) -> Self {
        self.query = Some(part.to_owned());
        self
    }

    /// Only to flows of this type.
    #[must_use]
    pub fn flow_type(mut self, flow_type: T) -> Self {
        self.flow_type = Some(flow_type);
        self
    }

    /// Not to the first `skip` that match.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// To so many; once by default.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// To one in so many, beginning with the first that is not spared.
    #[must_use]
    pub fn every(mut self, every: u64) -> Self {
        self.every = every;
        self
    }

    /// To all, until the rule is removed.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// Whether a request is one that the rule is for.
    pub fn matches(&self, facts: &Facts<'_, O, T>) -> bool
    where
        O: PartialEq,
        T: PartialEq,
    {
        let method = self.method.as_deref();
        let path = self.path.as_deref();
        let query = self.query.as_deref();
        let glob = |path: &str| glob(&path.to_lowercase(), &facts.path.to_lowercase());
        method.is_none_or(|method| method.eq_ignore_ascii_case(facts.method))
            && path.is_none_or(glob)
            && query.is_none_or(|part| facts.query.contains(part))
            && (self.operation.is_none() || self.operation == facts.operation)
            && (self.flow_type.is_none() || self.flow_type == facts.flow_type)
    }

    /// Counts a request that matches, and tells whether it is one to be hit.
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
        self.skip = self.every.saturating_sub(1);
        true
    }
}

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a, O = (), T = ()> {
    /// HTTP method.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// Query, without the question mark.
    pub query: &'a str,
    /// Operation, or `None` if it is not known.
    pub operation: Option<O>,
    /// Type of the flow, or `None` if it is not known.
    pub flow_type: Option<T>,
}

impl<O, T> Default for Facts<'_, O, T> {
    fn default() -> Self {
        Self {
            method: "",
            path: "",
            query: "",
            operation: None,
            flow_type: None,
        }
    }
}

/// A rule in force, with its name and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveRule<E, O = (), T = ()> {
    /// Name, by which it can be removed.
    pub id: u64,
    /// Requests that it has hit.
    pub hits: u64,
    /// The rule; `skip` and `times` are what is left.
    pub rule: Rule<E, O, T>,
}

/// All rules in force, oldest first.
#[derive(Debug)]
pub struct Rules<E, O = (), T = ()> {
    active: Vec<ActiveRule<E, O, T>>,
    made: u64,
}

impl<E, O, T> Default for Rules<E, O, T> {
    fn default() -> Self {
        Self {
            active: Vec::new(),
            made: 0,
        }
    }
}

impl<E, O, T> Rules<E, O, T> {
    /// Adds a rule, and names it.
    pub fn inject(&mut self, rule: Rule<E, O, T>) -> u64 {
        self.made += 1;
        let (id, hits) = (self.made, 0);
        self.active.push(ActiveRule { id, hits, rule });
        id
    }

    /// Removes one rule, or says that there is none of this name.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|rule| rule.id != id);
        self.active.len() < before
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.active.clear();
    }

    /// The rules in force and those that are used up.
    #[must_use]
    pub fn active(&self) -> &[ActiveRule<E, O, T>] {
        &self.active
    }

    /// The effects of the rules that hit a request, each counted as it is taken. Effects that are not `wanted` are
    /// neither counted nor given.
    pub fn apply(
        &mut self,
        facts: &Facts<'_, O, T>,
        wanted: impl Fn(&E) -> bool,
    ) -> impl Iterator<Item = E>
    where
        E: Clone,
        O: PartialEq,
        T: PartialEq,
    {
        self.active.iter_mut().filter_map(move |active| {
            let rule = &mut active.rule;
            let hits = wanted(&rule.effect) && rule.matches(facts) && rule.count();
            active.hits += u64::from(hits);
            hits.then(|| active.rule.effect.clone())
        })
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

    const FACTS: Facts<'static, u8, char> = Facts {
        method: "POST",
        path: "/a/b",
        query: "watch=1",
        operation: Some(1),
        flow_type: Some('u'),
    };

    fn hits(rule: Rule<&'static str, u8, char>, requests: usize) -> (Vec<usize>, u64) {
        let mut rules = Rules::default();
        rules.inject(rule);
        let hits = (0..requests).map(|_| rules.apply(&FACTS, |_| true).count());
        (hits.collect(), rules.active()[0].hits)
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(glob("*/reset", "/beta/x/reset"));
        assert!(glob("/beta/*/flows*", "/beta/a/b/flows"));
        assert!(!glob("*/reset", "/beta/x/reset/y"));
    }

    #[test]
    fn a_rule_spares_some_hits_some_and_is_used_up() {
        let rule = Rule::new("cut").on(1).after(1).times(2);
        assert_eq!(hits(rule, 4), (vec![0, 1, 1, 0], 2));
    }

    #[test]
    fn a_rule_can_hit_every_second_request() {
        let rule = Rule::new("cut").after(1).every(2).times(2);
        assert_eq!(hits(rule, 7), (vec![0, 1, 0, 1, 0, 0, 0], 2));
    }

    #[test]
    fn what_a_rule_does_not_name_does_not_matter_and_what_it_names_does() {
        let rule = || Rule::new("cut").flow_type('u').path("*/B").method("post");
        assert!(rule().query("watch=").matches(&FACTS));
        assert!(!rule().path("*/c").matches(&FACTS));
        assert!(!rule().flow_type('c').matches(&FACTS));
        assert!(!rule().on(2).matches(&FACTS));
        assert!(!rule().query("limit=").matches(&FACTS));
        assert!(!rule().path_part("/c").matches(&FACTS));
    }
}
