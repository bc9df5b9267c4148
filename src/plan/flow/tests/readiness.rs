use k8s_openapi::jiff::SignedDuration;

use super::*;

fn saying(world: &mut World<ProvisioningFlow>, readiness: Option<&str>) {
    let now = world.now;
    world.service.meddle(now, |flows| {
        flows[0].readiness = readiness.map(str::to_owned);
    });
    world.poll();
    world.reconcile();
}

#[test]
fn each_word_has_its_meaning() {
    let cases = [
        (Some("ready"), "True/Ready", "", ""),
        (Some("notReady"), "False/NotReady", "True/NotReady", ""),
        (Some("disabled"), "False/Disabled", "True/Disabled", ""),
        (Some("failed"), "False/Failed", "", "True/Failed"),
        (Some("expired"), "False/Expired", "", "True/Expired"),
        (
            Some("hibernating"),
            "Unknown/ReadinessUnknown",
            "True/ReadinessUnknown",
            "",
        ),
        (
            None,
            "Unknown/ReadinessUnknown",
            "True/ReadinessUnknown",
            "",
        ),
    ];
    for (word, ready, reconciling, stalled) in cases {
        let mut world = owned(small());
        saying(&mut world, word);
        let status = world.status();
        assert_eq!(status.readiness_status.as_deref(), word);
        assert_eq!(
            condition_text(&status.conditions, SYNCED),
            "True/Synced",
            "{word:?}"
        );
        assert_eq!(condition_text(&status.conditions, READY), ready, "{word:?}");
        assert_eq!(
            condition_text(&status.conditions, RECONCILING),
            reconciling,
            "{word:?}"
        );
        assert_eq!(
            condition_text(&status.conditions, STALLED),
            stalled,
            "{word:?}"
        );
    }
}

#[test]
fn not_ready_is_stalled_after_the_deadline_and_no_list_is_needed_to_tell() {
    for word in ["notReady", "disabled"] {
        let mut world = owned(small());
        saying(&mut world, Some(word));
        let left = world.again.unwrap();
        let deadline = SignedDuration::from_hours(26);
        assert!(left <= deadline && left > deadline - SignedDuration::from_secs(1));
        world.now += left;
        world.reconcile();
        assert_eq!(
            condition_text(&world.status().conditions, STALLED),
            "True/ProgressDeadlineExceeded"
        );
        assert_eq!(condition_text(&world.status().conditions, RECONCILING), "");
        assert_eq!(world.again, None);
        saying(&mut world, Some("ready"));
        assert_eq!(condition_text(&world.status().conditions, STALLED), "");
        assert_eq!(
            condition_text(&world.status().conditions, READY),
            "True/Ready"
        );
    }
}

#[test]
fn a_deadline_that_is_exceeded_stays_exceeded_until_a_word_comes_or_the_spec_changes() {
    let exceeded = |world: &World<ProvisioningFlow>| {
        condition_text(&world.status().conditions, STALLED) == "True/ProgressDeadlineExceeded"
    };
    for word in [None, Some(""), Some("notReady"), Some("hibernating")] {
        let mut world = owned(small());
        saying(&mut world, word);
        world.now += world.again.unwrap();
        world.reconcile();
        let writes = world.journal.len();
        for _ in 0..3 {
            world.poll();
            world.reconcile();
            assert!(exceeded(&world), "{word:?}");
            world.now += SignedDuration::from_hours(27);
        }
        assert_eq!(world.journal.len(), writes, "{word:?}: nothing has changed");

        world.edit(|flow| {
            flow.with(|spec| spec.progress_deadline = std::time::Duration::from_hours(200).into())
        });
        world.reconcile();
        assert!(!exceeded(&world), "{word:?}: there is more time");
        saying(&mut world, Some("ready"));
        assert_eq!(
            condition_text(&world.status().conditions, READY),
            "True/Ready"
        );
    }
}

#[test]
fn going_from_one_unready_word_to_another_is_no_progress() {
    let mut world = owned(small());
    saying(&mut world, Some("notReady"));
    world.now += SignedDuration::from_hours(16);
    saying(&mut world, Some("disabled"));
    let left = world.again.unwrap();
    assert!(left < SignedDuration::from_hours(11), "{left:?}");
}

#[test]
fn the_history_holds_the_last_ten_words_and_only_changes() {
    let mut world = owned(small());
    for round in 0..20 {
        saying(
            &mut world,
            Some(if round % 2 == 0 { "notReady" } else { "ready" }),
        );
        let writes = world.journal.len();
        world.poll();
        world.reconcile();
        assert_eq!(
            world.journal.len(),
            writes,
            "a poll that changes nothing writes nothing"
        );
    }
    let history = &world.status().readiness_history;
    assert_eq!(history.len(), 10);
    assert_eq!(history[9].status, "ready");
    assert!(
        history
            .windows(2)
            .all(|pair| pair[0].status != pair[1].status)
    );
    assert!(
        history
            .windows(2)
            .all(|pair| pair[0].since <= pair[1].since)
    );
}

#[test]
fn the_first_ready_and_flapping_are_no_events_but_failure_and_recovery_are() {
    let mut world = owned(small());
    for word in ["notReady", "ready", "failed", "ready", "hibernating"] {
        saying(&mut world, Some(word));
    }
    assert_eq!(world.events, ["Failed", "Recovered"]);
}
