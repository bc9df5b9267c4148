use super::*;
use crate::shard::ShardCount;

const DURATION: Duration = Duration::from_secs(15);

fn candidate(identity: &str) -> Candidate {
    Candidate::new(&LeaseSettings {
        namespace: "default".to_owned(),
        name: "industrydata-operator".to_owned(),
        shards: ShardCount::ONE,
        identity: identity.to_owned(),
        duration: DURATION,
    })
}

/// A Lease of `other` in its second term.
fn lease(version: &str) -> Lease {
    let mut lease = Lease::default();
    lease.metadata.resource_version = Some(version.to_owned());
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some("other".to_owned());
    spec.lease_duration_seconds = Some(15);
    spec.lease_transitions = Some(1);
    spec.acquire_time = Some(MicroTime(wall(100)));
    spec.renew_time = Some(MicroTime(wall(200)));
    lease
}

fn held_by(holder: Option<&str>) -> Lease {
    let mut lease = lease("7");
    lease.spec.as_mut().unwrap().holder_identity = holder.map(str::to_owned);
    lease
}

fn wall(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn replaced(proposal: Option<Proposal>) -> Lease {
    match proposal {
        Some(Proposal::Replace(lease)) => lease,
        other => panic!("got {other:?}"),
    }
}

#[test]
fn a_missing_lease_is_created() {
    let mut candidate = candidate("me");
    let now = Instant::now();
    candidate.saw(None, now);

    let Some(Proposal::Create(lease)) = candidate.proposal(now, wall(300)) else {
        panic!("nothing created");
    };

    let spec = lease.spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some("me"));
    assert_eq!(spec.lease_duration_seconds, Some(15));
    assert_eq!(spec.lease_transitions, Some(0));
    assert_eq!(spec.acquire_time, Some(MicroTime(wall(300))));
    assert_eq!(spec.renew_time, Some(MicroTime(wall(300))));
}

#[test]
fn a_lease_that_nobody_holds_is_taken_at_once() {
    for holder in [None, Some("")] {
        let mut candidate = candidate("me");
        let now = Instant::now();
        candidate.saw(Some(held_by(holder)), now);

        let lease = replaced(candidate.proposal(now, wall(300)));

        assert_eq!(lease.metadata.resource_version.as_deref(), Some("7"));
        let spec = lease.spec.unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("me"));
        assert_eq!(spec.lease_transitions, Some(2));
        assert_eq!(spec.acquire_time, Some(MicroTime(wall(300))));
    }
}

#[test]
fn an_empty_lease_is_taken() {
    let mut candidate = candidate("me");
    let now = Instant::now();
    candidate.saw(Some(Lease::default()), now);

    let lease = replaced(candidate.proposal(now, wall(300)));

    assert_eq!(holder(&lease), Some("me"));
}

#[test]
fn another_holder_is_waited_out_from_the_first_look_at_its_last_write() {
    let first = Instant::now();
    // Seconds after the first look, the version seen then, and whether the lease is free.
    for (looks, is_free) in [
        (vec![(0, "7")], false),
        (vec![(0, "7"), (14, "7")], false),
        (vec![(0, "7"), (15, "7")], true),
        (vec![(0, "7"), (14, "8"), (15, "8")], false),
        (vec![(0, "7"), (14, "8"), (28, "8")], false),
        (vec![(0, "7"), (14, "8"), (29, "8")], true),
        (vec![(100, "7")], false),
    ] {
        let mut candidate = candidate("me");
        for (after, version) in &looks {
            candidate.saw(Some(lease(version)), first + seconds(*after));
        }
        let last = looks.last().unwrap().0;

        let proposal = candidate.proposal(first + seconds(last), wall(300));

        assert_eq!(proposal.is_some(), is_free, "{looks:?}");
    }
}

#[test]
fn the_duration_that_the_holder_promised_counts() {
    let now = Instant::now();
    for (promised, after, is_free) in [
        (Some(60), 59, false),
        (Some(60), 60, true),
        (Some(1), 1, true),
        (None, 14, false),
        (None, 15, true),
        (Some(-1), 14, false),
        (Some(i32::MAX), 100_000, false),
    ] {
        let mut lease = lease("7");
        lease.spec.as_mut().unwrap().lease_duration_seconds = promised;
        let mut candidate = candidate("me");
        candidate.saw(Some(lease), now);

        let proposal = candidate.proposal(now + seconds(after), wall(300));

        assert_eq!(proposal.is_some(), is_free, "{promised:?} after {after} s");
    }
}

#[test]
fn what_the_wall_clock_says_decides_nothing() {
    let now = Instant::now();
    for ahead in [-1_000_000, 0, 1_000_000] {
        let mut candidate = candidate("me");
        candidate.saw(Some(lease("7")), now);

        assert_eq!(candidate.proposal(now + seconds(14), wall(ahead)), None);
        assert!(candidate.proposal(now + seconds(15), wall(ahead)).is_some());
    }
}

#[test]
fn the_lease_is_held_from_the_sending_of_the_write_and_a_margin_less() {
    let mut candidate = candidate("me");
    let sent = Instant::now();
    candidate.saw(None, sent);
    assert!(candidate.proposal(sent, wall(300)).is_some());
    assert_eq!(candidate.held_until(), None);

    candidate.wrote(held_by(Some("me")), sent, sent + seconds(2));

    let until = sent + Duration::from_millis(13_500);
    assert_eq!(candidate.held_until(), Some(until));
}

#[test]
fn a_renewal_needs_no_look_and_keeps_the_term() {
    let mut candidate = candidate("me");
    let now = Instant::now();
    candidate.wrote(held_by(Some("me")), now, now);
    assert!(!candidate.must_look());

    let lease = replaced(candidate.proposal(now, wall(300)));

    let spec = lease.spec.unwrap();
    assert_eq!(spec.lease_transitions, Some(1));
    assert_eq!(spec.acquire_time, Some(MicroTime(wall(100))));
    assert_eq!(spec.renew_time, Some(MicroTime(wall(300))));
}

#[test]
fn a_write_without_an_answer_leads_to_a_look() {
    let mut candidate = candidate("me");
    let now = Instant::now();
    candidate.wrote(held_by(Some("me")), now, now);

    assert!(candidate.proposal(now, wall(300)).is_some());

    assert!(candidate.must_look());
    assert!(candidate.held_until().is_some());
}

#[test]
fn a_write_whose_answer_was_lost_is_recognized_as_ours() {
    let mut candidate = candidate("me");
    let now = Instant::now();
    candidate.saw(Some(held_by(Some("me"))), now);

    let lease = replaced(candidate.proposal(now, wall(300)));

    assert_eq!(lease.spec.unwrap().lease_transitions, Some(1));
    assert_eq!(candidate.other_holder(), None);
}

#[test]
fn a_look_that_shows_another_holder_ends_the_term() {
    let mut candidate = candidate("me");
    let now = Instant::now();
    candidate.wrote(held_by(Some("me")), now, now);

    candidate.saw(Some(lease("8")), now);

    assert_eq!(candidate.held_until(), None);
    assert_eq!(candidate.other_holder(), Some("other"));
}

#[test]
fn only_the_own_lease_is_vacated() {
    let mut candidate = candidate("me");
    let now = Instant::now();
    for lease in [None, Some(lease("7")), Some(held_by(None))] {
        candidate.saw(lease, now);
        assert_eq!(candidate.vacated(wall(300)), None);
    }
    let mut own = held_by(Some("me"));
    own.metadata.resource_version = Some("8".to_owned());
    candidate.saw(Some(own), now);

    let lease = candidate.vacated(wall(300)).unwrap();

    assert_eq!(holder(&lease), None);
    assert_eq!(lease.metadata.resource_version.as_deref(), Some("8"));
    let spec = lease.spec.unwrap();
    assert_eq!(spec.lease_duration_seconds, Some(1));
    assert_eq!(spec.lease_transitions, Some(1));
    assert_eq!(spec.renew_time, Some(MicroTime(wall(300))));
}

#[test]
fn the_recorded_duration_is_never_shorter_than_the_real_one() {
    for (milliseconds, recorded) in [(15_000, 15), (15_001, 16), (1, 1), (0, 1)] {
        let duration = Duration::from_millis(milliseconds);
        assert_eq!(whole_seconds(duration), recorded, "{milliseconds} ms");
    }
}
