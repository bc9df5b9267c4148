//! Conditions, their reasons, events, and annotations.

use std::collections::BTreeMap;

use industrydata_operator::api::event::Occurrence;
use industrydata_operator::api::{FINALIZER, annotation, condition, reason};
use industrydata_operator::graph::AUTHORITY_REFUSALS;
use industrydata_operator::graph::verdict::Reason;
use industrydata_operator::plan::event::is_problem;

use super::{code, row, table};

pub fn conditions() -> String {
    let failures = Reason::ALL
        .iter()
        .map(|(reason, meaning)| (reason.as_str(), *meaning));
    let failures: Vec<(&str, &str)> = failures.collect();
    format!(
        "# Conditions and reasons

[Troubleshooting](../operations/troubleshooting.md) describes what to do about each reason.

## Conditions

`Ready` and `Synced` are always present once a resource has been reconciled. `Reconciling` and `Stalled` are present
only while they are `True`, and never both.

{}## Reasons

The reason of a condition explains its status.

{}## Reasons of failures

When a request to Microsoft Graph or to the token authority fails, the condition has one of these reasons.

{}
## Refusals of the authority

The token authority explains a refusal with a code (`AADSTS` and a number). These have a reason of their own; all others
are `CredentialRefused`. The operator repeats the request about every 30 s, and at once with another credential, so that
each heals within a minute, without a restart.

{}",
        meanings("condition", condition::ALL),
        meanings("reason", reason::ALL),
        meanings("reason", &failures),
        refusals().trim_end().to_owned() + "\n",
    )
}

pub fn events() -> String {
    let happened = Occurrence::ALL.iter().map(|(occurrence, meaning)| {
        let reason = code(occurrence.as_str());
        row([reason.as_str(), occurrence.severity().as_str(), meaning])
    });
    let failures = Reason::ALL
        .iter()
        .map(|(reason, meaning)| (reason.as_str(), *meaning));
    let problems = reason::ALL.iter().copied().chain(failures);
    let mut meanings_of = BTreeMap::<&str, Vec<&str>>::new();
    for (word, meaning) in problems.filter(|(word, _)| is_problem(word)) {
        meanings_of.entry(word).or_default().push(meaning.trim());
    }
    let problems = meanings_of
        .into_iter()
        .map(|(word, all)| row([code(word).as_str(), &all.join(" Or: ")]));
    format!(
        "# Events

The operator publishes an event when something happens, and when a problem begins or ends. Each is published once: while
nothing changes, there are no events. `kubectl describe` and `kubectl events --for` print them; the cluster keeps them for
an hour by default. To be notified of problems, use [alerts](../operations/alerts.md) rather than events.

## What happens

{}## Problems

The event of a problem is a `Warning` with the reason and message of the [condition](conditions.md) that reports it. It is
published when the condition gets this reason, not while it keeps it. If a request to the service failed, the event also
contains the `request-id` with which Microsoft's support finds it.

{}All other reasons of conditions are expected progress, for which there are no events.
",
        table(&["reason", "type", "what happened"], happened),
        table(&["reason", "meaning"], problems),
    )
}

fn refusals() -> String {
    let rows = AUTHORITY_REFUSALS.iter().map(|known| {
        let codes = known
            .numbers
            .iter()
            .map(|number| code(&format!("AADSTS{number}")));
        let codes = codes.collect::<Vec<_>>().join(" ");
        row([code(known.reason.as_str()).as_str(), &codes, known.remedy])
    });
    table(&["reason", "codes", "what to do"], rows)
}

pub fn annotations() -> String {
    format!(
        "# Annotations

{}The finalizer `{FINALIZER}` keeps a resource in the cluster until its remote object is deleted or released.
",
        meanings("annotation", annotation::ALL)
    )
}

fn meanings(of: &str, words: &[(&str, &str)]) -> String {
    let rows = words
        .iter()
        .map(|(word, meaning)| row([code(word).as_str(), meaning]));
    table(&[of, "meaning"], rows)
}
