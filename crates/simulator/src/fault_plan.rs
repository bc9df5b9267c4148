//! What will be done to one request, gathered from rules and from chaos.

use std::time::Duration;

use serde_json::Value;

use crate::{
    answer::{Answer, BodyFault, NextLink},
    fault::Effect,
    quirk::Quirk,
};

/// Instead of doing it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Before {
    Refuse(Answer),
    Challenge(Value),
    Cut,
}

/// Instead of telling about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum After {
    Answer(Answer),
    Cut,
}

/// Everything that will be done to a request. Of two effects of one kind, the first stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FaultPlan {
    pub(crate) delay_before: Duration,
    pub(crate) before: Option<Before>,
    pub(crate) after: Option<After>,
    pub(crate) delay_after: Duration,
    pub(crate) body: Option<BodyFault>,
    pub(crate) content_type: Option<String>,
    pub(crate) hide: Option<Duration>,
    pub(crate) next_link: Option<NextLink>,
    pub(crate) page_size: Option<usize>,
    pub(crate) empty_pages: bool,
    pub(crate) quirks: Vec<Quirk>,
    pub(crate) stale: Option<Duration>,
    pub(crate) as_of: Option<u64>,
    pub(crate) date: Option<i64>,
    /// Names of the effects, for the journal.
    pub(crate) names: Vec<String>,
}

impl FaultPlan {
    pub(crate) fn of(effects: Vec<Effect>) -> Self {
        let mut plan = Self::default();
        for effect in effects {
            plan.names.push(effect.name());
            plan.add(effect);
        }
        plan
    }

    fn add(&mut self, effect: Effect) {
        match effect {
            Effect::Refuse(answer) => _ = self.before.get_or_insert(Before::Refuse(answer)),
            Effect::ClaimsChallenge(claims) => {
                _ = self.before.get_or_insert(Before::Challenge(claims));
            }
            Effect::CutBefore => _ = self.before.get_or_insert(Before::Cut),
            Effect::AnswerAfterCommit(answer) => {
                _ = self.after.get_or_insert(After::Answer(answer));
            }
            Effect::CutAfterCommit => _ = self.after.get_or_insert(After::Cut),
            Effect::DelayBefore(delay) => self.delay_before += delay,
            Effect::DelayAfter(delay) => self.delay_after += delay,
            Effect::Body(fault) => _ = self.body.get_or_insert(fault),
            Effect::ContentType(text) => _ = self.content_type.get_or_insert(text),
            Effect::Hide(delay) => _ = self.hide.get_or_insert(delay),
            Effect::NextLink(link) => _ = self.next_link.get_or_insert(link),
            Effect::PageSize(size) => _ = self.page_size.get_or_insert(size),
            Effect::EmptyPages => self.empty_pages = true,
            Effect::Quirk(quirk) => self.quirks.push(quirk),
            Effect::Stale(age) => _ = self.stale.get_or_insert(age),
            Effect::AsOf(writes) => _ = self.as_of.get_or_insert(writes),
            Effect::Date(seconds) => _ = self.date.get_or_insert(seconds),
        }
    }
}

impl Effect {
    fn name(&self) -> String {
        match self {
            Self::Refuse(answer) => format!("refuse {}", answer.status),
            Self::AnswerAfterCommit(answer) => format!("answerAfterCommit {}", answer.status),
            Self::ClaimsChallenge(_) => "claimsChallenge".to_owned(),
            Self::CutBefore => "cutBefore".to_owned(),
            Self::CutAfterCommit => "cutAfterCommit".to_owned(),
            Self::DelayBefore(delay) => format!("delayBefore {delay:?}"),
            Self::DelayAfter(delay) => format!("delayAfter {delay:?}"),
            Self::Body(fault) => format!("body {fault:?}"),
            Self::ContentType(text) => format!("contentType {text}"),
            Self::Hide(delay) => format!("hide {delay:?}"),
            Self::NextLink(link) => format!("nextLink {link:?}"),
            Self::PageSize(size) => format!("pageSize {size}"),
            Self::EmptyPages => "emptyPages".to_owned(),
            Self::Quirk(quirk) => format!("surprise {}", quirk.summary()),
            Self::Stale(age) => format!("stale {age:?}"),
            Self::AsOf(writes) => format!("asOf {writes}"),
            Self::Date(seconds) => format!("date {seconds}"),
        }
    }
}
