use super::*;
use crate::plan::testing::{at, condition_text, start};

fn existing() -> Readiness {
    Readiness::of_existence("it is there")
}

fn standings() -> Vec<Summary> {
    vec![
        Summary::Synced {
            progress: Progress::Settled,
        },
        Summary::Synced {
            progress: Progress::stalled("ResetUnknown", "give a new token"),
        },
        Summary::reconciling("Creating", "wait"),
        Summary::Synced {
            progress: Progress::reconciling("Resetting", "wait"),
        },
        Summary::stalled("Forbidden", "grant it"),
        Summary::Unknown(Cause::new("TimedOut", "wait")),
        Summary::Suspended(Cause::new("Suspended", "off")),
    ]
}

fn types(conditions: &[Condition]) -> Vec<&str> {
    conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect()
}

#[test]
fn each_standing_has_its_conditions() {
    let expected = [
        ["True/Ready", "True/Synced", "", ""],
        ["False/ResetUnknown", "True/Synced", "", "True/ResetUnknown"],
        ["False/Creating", "False/Creating", "True/Creating", ""],
        ["Unknown/Resetting", "True/Synced", "True/Resetting", ""],
        ["False/Forbidden", "False/Forbidden", "", "True/Forbidden"],
        ["Unknown/TimedOut", "Unknown/TimedOut", "True/TimedOut", ""],
        ["Unknown/Suspended", "False/Suspended", "", ""],
    ];
    for (summary, expected) in standings().into_iter().zip(expected) {
        let conditions = render(summary, &existing(), &[], 4, start());
        let said =
            [READY, SYNCED, RECONCILING, STALLED].map(|type_| condition_text(&conditions, type_));
        assert_eq!(said, expected);
        assert!(
            conditions
                .iter()
                .all(|one| one.observed_generation == Some(4))
        );
    }
}

#[test]
fn a_transition_time_moves_only_where_a_status_flips() {
    for before in standings() {
        for after in standings() {
            let old = render(before.clone(), &existing(), &[], 1, start());
            let new = render(after.clone(), &existing(), &old, 2, at(60));
            for condition in &new {
                let same =
                    find(&old, &condition.type_).is_some_and(|old| old.status == condition.status);
                let since = if same { start() } else { at(60) };
                assert_eq!(
                    condition.last_transition_time.0, since,
                    "{before:?} {after:?}"
                );
            }
            assert!(!(is_true(&new, RECONCILING) && is_true(&new, STALLED)));
            assert!(!(is_true(&new, READY) && is_true(&new, STALLED)));
            assert!(find(&new, READY).is_some(), "{after:?}");
        }
    }
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Renders a summary after this many hours, with a deadline of a day.
fn after(hours: i64, summary: Summary, old: &[Condition], generation: i64) -> Vec<Condition> {
    let now = at(hours * 3_600);
    let summary = within(DAY, summary, old, generation, now);
    render(summary, &existing(), old, generation, now)
}

#[test]
fn work_that_has_been_in_progress_for_too_long_calls_a_person() {
    let creating = || Summary::reconciling("Creating", "wait");
    let failing = || Summary::reconciling("ServiceUnavailable", "it fails");
    let unreadable = || Summary::Unknown(Cause::new("TimedOut", "too slow"));
    let synced = || standings().remove(0);
    let begun = after(0, creating(), &[], 1);
    assert_eq!(condition_text(&begun, RECONCILING), "True/Creating");

    let later = after(23, failing(), &begun, 1);
    assert_eq!(
        condition_text(&later, RECONCILING),
        "True/ServiceUnavailable"
    );
    for (summary, reason) in [
        (failing(), "ServiceUnavailable"),
        (unreadable(), "TimedOut"),
        (standings().remove(3), "Resetting"),
    ] {
        let overdue = after(24, summary.clone(), &later, 1);
        assert_eq!(types(&overdue), [READY, SYNCED, STALLED]);
        assert_eq!(condition_text(&overdue, READY), format!("False/{reason}"));
        let message = &find(&overdue, STALLED).unwrap().message;
        assert!(message.starts_with("Overdue: "), "{message}");

        // It stays so, with the same words, until the reason or the spec changes, or all is well.
        assert_eq!(after(50, summary.clone(), &overdue, 1), overdue);
        let again = after(51, creating(), &overdue, 1);
        assert_eq!(condition_text(&again, RECONCILING), "True/Creating");
        let edited = after(51, summary, &overdue, 2);
        assert!(is_true(&edited, RECONCILING));
        let well = after(52, synced(), &overdue, 1);
        assert_eq!(types(&well), [READY, SYNCED]);
    }
}

#[test]
fn only_work_in_progress_is_ever_overdue() {
    let old = after(0, Summary::reconciling("Creating", "wait"), &[], 1);
    let settled = [0, 1, 4, 6].map(|place| standings().remove(place));
    for summary in settled {
        assert_eq!(within(DAY, summary.clone(), &old, 1, at(900_000)), summary);
    }
    // Once work has ended, other work begins from the start.
    let well = after(1, standings().remove(0), &old, 1);
    let failing = after(90, Summary::reconciling("TimedOut", "wait"), &well, 1);
    assert!(is_true(&failing, RECONCILING));
}

#[test]
fn what_others_wrote_stays_at_the_end() {
    let mut foreign = render(Summary::stalled("Odd", "odd"), &existing(), &[], 1, start());
    foreign.truncate(1);
    foreign[0].type_ = "Theirs".to_owned();
    for summary in standings() {
        let conditions = render(summary, &existing(), &foreign, 1, start());
        assert_eq!(types(&conditions).last(), Some(&"Theirs"));
    }
}

#[test]
fn a_suspended_resource_keeps_the_status_of_ready_and_names_the_suspension() {
    for (before, ready) in [
        (Summary::stalled("Failed", "look"), "False/Suspended"),
        (standings().remove(0), "True/Suspended"),
    ] {
        let old = render(before, &existing(), &[], 1, start());
        let suspended = Summary::Suspended(Cause::new("Suspended", "off"));
        let new = render(suspended, &existing(), &old, 2, at(60));
        assert_eq!(condition_text(&new, READY), ready);
        let since =
            |conditions| find(conditions, READY).map(|ready| ready.last_transition_time.clone());
        assert_eq!(since(&new), since(&old));
        assert_eq!(types(&new), [READY, SYNCED]);
        assert_eq!(
            render(Summary::Unchanged, &existing(), &new, 3, at(90)),
            new
        );
    }
}
