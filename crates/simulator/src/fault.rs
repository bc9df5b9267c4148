//! Faults on demand: what can be done to a request.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    answer::{Answer, BodyFault, NextLink},
    flow_type::FlowType,
    quirk::Quirk,
    route::Operation,
};

/// What is done to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Answered so, and nothing is done.
    Refuse(Answer),
    /// Answered by 401 with these claims, which a new token has to fulfil, and nothing is done.
    ClaimsChallenge(Value),
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
    #[serde(rename = "surprise")]
    Quirk(Quirk),
    /// A read shows what there was this long ago, by the service's clock: a replica that lags behind.
    Stale(#[serde(with = "crate::seconds")] Duration),
    /// A read shows what there was after this many writes: a replica that hears of nothing more.
    AsOf(u64),
    /// The `Date` header is this many seconds ahead of the service's clock, or behind it.
    Date(i64),
}

/// Which requests, and what.
pub type Rule = industrydata_fault_rules::Rule<Effect, Operation, FlowType>;

/// A rule in force, with its name and what is left of it.
pub type ActiveRule = industrydata_fault_rules::ActiveRule<Effect, Operation, FlowType>;

/// All rules in force, oldest first.
pub(crate) type Rules = industrydata_fault_rules::Rules<Effect, Operation, FlowType>;

/// What rules look at.
pub(crate) type Facts<'a> = industrydata_fault_rules::Facts<'a, Operation, FlowType>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_in_json_hits_once_unless_it_says_otherwise() {
        let one: Rule = serde_json::from_str(r#"{"effect": "cutAfterCommit"}"#).unwrap();
        let all: Rule =
            serde_json::from_str(r#"{"times": null, "effect": {"delayAfter": 0.5}}"#).unwrap();
        assert_eq!((one.times, all.times), (Some(1), None));
        assert_eq!(all.effect, Effect::DelayAfter(Duration::from_millis(500)));
    }
}
