//! The number of shards, as the Lease of the first shard records it. **Pure**, like `candidate`.
//!
//! A tenant may belong to another shard once the number changes. Why two processes with different numbers never lead at
//! once, whichever shards they lead:
//!
//! * A process leads a shard only if the Lease of the first one records its own number. For the first shard, this is the
//!   Lease that it takes. For another shard, it reads the record once more after it has taken its Lease.
//! * The record changes only with the Lease of the first shard, and only while none of the others is held. The candidate
//!   first records that the number is *changing*, then waits until none of the others is held, and then records the new
//!   number. A candidate for one of the others either reads that the number is changing, and gives its Lease up, or read
//!   the old number before, and is then seen by the candidate for the first.
//! * A Lease that has not changed for its whole duration, before and after the record is *changing*, has no holder: a
//!   renewal on its way would have been too late to count for the process that sent it.

use std::collections::BTreeMap;
use std::ops::Range;

use k8s_openapi::api::coordination::v1::Lease;

use crate::shard::ShardCount;

/// Annotation of the Lease of the first shard. A single shard has none, like versions without shards.
const SHARDS: &str = "industrydata.dev/shards";

/// Its value while the number changes.
const CHANGING: &str = "changing";

/// What the Lease of the first shard records of the number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The number.
    Settled(ShardCount),
    /// The number is changing: nothing is known of the others.
    Changing,
}

/// What a candidate for any of the shards does. Places of Leases start at 0, which is the Lease of the first shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bid {
    /// It takes the Lease at this place.
    Take(usize),
    /// It takes the Lease of the first shard, to change the number of shards.
    Change,
    /// It waits: all shards are led, or by processes with another number of shards.
    Wait,
}

impl Mark {
    /// Returns what a Lease records. A record that cannot be read counts as changing.
    pub(super) fn of(lease: Option<&Lease>) -> Self {
        let annotations = lease.and_then(|lease| lease.metadata.annotations.as_ref());
        let text = annotations.and_then(|annotations| annotations.get(SHARDS));
        text.map_or(Self::Settled(ShardCount::ONE), |text| {
            text.parse().map_or(Self::Changing, Self::Settled)
        })
    }

    /// Records this in a Lease.
    pub(super) fn record(self, lease: &mut Lease) {
        let annotations = &mut lease.metadata.annotations;
        let text = match self {
            Self::Settled(ShardCount::ONE) => {
                if let Some(annotations) = annotations {
                    annotations.remove(SHARDS);
                }
                return;
            }
            Self::Settled(count) => count.to_string(),
            Self::Changing => CHANGING.to_owned(),
        };
        let annotations = annotations.get_or_insert_with(BTreeMap::new);
        annotations.insert(SHARDS.to_owned(), text);
    }

    /// Returns the places of the Leases that may be held under this record, without the first.
    pub(super) fn others(self) -> Range<usize> {
        let count = match self {
            Self::Settled(count) => count.get(),
            Self::Changing => ShardCount::MAX,
        };
        1..count.into()
    }
}

/// Returns the places of the Leases that decide a [`bid`], without the first.
pub(super) fn deciding(count: ShardCount, mark: Mark) -> Range<usize> {
    if mark == Mark::Settled(count) {
        1..count.get().into()
    } else {
        mark.others()
    }
}

/// Decides for a candidate of this number of shards. `is_free` answers for the places that are [`deciding`].
pub(super) fn bid(count: ShardCount, mark: Mark, is_free: impl Fn(usize) -> bool) -> Bid {
    let mut others = deciding(count, mark);
    if mark == Mark::Settled(count) {
        let mut places = std::iter::once(0).chain(others);
        return places
            .find(|place| is_free(*place))
            .map_or(Bid::Wait, Bid::Take);
    }
    let is_alone = others.is_empty();
    match is_free(0) && others.all(is_free) {
        // Candidates of a single shard compete for this Lease alone.
        true if is_alone => Bid::Take(0),
        true => Bid::Change,
        false => Bid::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(count: u8) -> ShardCount {
        ShardCount::new(count).unwrap()
    }

    fn settled(number: u8) -> Mark {
        Mark::Settled(count(number))
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_single_shard_has_none() {
        let mut lease = Lease::default();
        assert_eq!(Mark::of(None), settled(1));
        assert_eq!(Mark::of(Some(&lease)), settled(1));
        for mark in [settled(2), Mark::Changing, settled(16)] {
            mark.record(&mut lease);
            assert_eq!(Mark::of(Some(&lease)), mark);
        }
        settled(1).record(&mut lease);
        assert_eq!(lease.metadata.annotations, Some(BTreeMap::new()));
        assert_eq!(Mark::of(Some(&lease)), settled(1));
        for text in ["", "0", "17", "two"] {
            let text = [(SHARDS.to_owned(), text.to_owned())];
            lease.metadata.annotations = Some(text.into());
            assert_eq!(Mark::of(Some(&lease)), Mark::Changing);
        }
    }

    #[test]
    fn a_candidate_takes_the_first_free_shard_of_its_own_number() {
        for (number, free, expected) in [
            (1, &[][..], Bid::Wait),
            (1, &[0], Bid::Take(0)),
            (3, &[0, 1, 2], Bid::Take(0)),
            (3, &[2], Bid::Take(2)),
            (3, &[1, 2], Bid::Take(1)),
            (3, &[], Bid::Wait),
        ] {
            let bid = bid(count(number), settled(number), |place| {
                free.contains(&place)
            });
            assert_eq!(bid, expected, "{number} {free:?}");
        }
    }

    #[test]
    fn the_number_changes_only_while_no_shard_is_led_under_another_one() {
        let all: Vec<usize> = (0..16).collect();
        for (number, mark, free, expected) in [
            // From one shard: its Lease is the only one there is.
            (2, settled(1), &[0][..], Bid::Take(0)),
            (2, settled(1), &[1], Bid::Wait),
            // To one, and between others: all that were have to be free, and no more.
            (1, settled(2), &[0, 1], Bid::Change),
            (1, settled(2), &[0], Bid::Wait),
            (1, settled(2), &[1], Bid::Wait),
            (2, settled(3), &[0, 1, 2], Bid::Change),
            (2, settled(3), &[0, 1], Bid::Wait),
            (3, settled(2), &[0, 1], Bid::Change),
            (3, settled(2), &[1, 2], Bid::Wait),
            // A change that was not completed: whatever there may be has to be free.
            (2, Mark::Changing, &all, Bid::Change),
            (2, Mark::Changing, &all[..15], Bid::Wait),
            (1, Mark::Changing, &all[..1], Bid::Wait),
        ] {
            let bid = bid(count(number), mark, |place| free.contains(&place));
            assert_eq!(bid, expected, "{number} {mark:?} {free:?}");
        }
    }

    #[test]
    fn only_as_many_leases_are_read_as_may_be_held() {
        for (number, mark, expected) in [
            (1, settled(1), 1..1),
            (4, settled(4), 1..4),
            (4, settled(1), 1..1),
            (4, settled(2), 1..2),
            (1, settled(4), 1..4),
            (1, Mark::Changing, 1..16),
        ] {
            assert_eq!(deciding(count(number), mark), expected);
        }
    }
}
