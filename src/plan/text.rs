//! Limits for texts that people read: event notes and lists in messages.

use std::borrow::Cow;
use std::fmt::Write;

use crate::api::Drift;
use crate::graph::model::displayable;

/// Maximum length of an event note. Kubernetes rejects notes of more than 1,024 bytes; 24 bytes are left for additions
/// by clients.
pub const MAX_NOTE: usize = 1000;

/// Maximum number of ids in a message. Ten ids of 36 characters are about 400 bytes, so the remedy after them fits into
/// a note.
const MAX_IDS: usize = 10;

/// Maximum length of the message of a condition, in characters: ten ids of the maximum length of 256, the state and the
/// remedy.
pub const MAX_MESSAGE: usize = 4096;

/// Maximum number of differences in a status. With 32 of about 3 KiB (a path of up to 300 characters, and two values of
/// up to 256, of up to four bytes each), their lists of 128 KiB in total, an observed configuration of 64 KiB, four
/// conditions of up to 16 KiB and ten readiness words, a status has at most 400 KiB. Beside the largest spec of 1 MiB,
/// that is below the limit of 1.5 MiB for an object.
pub const MAX_DRIFT: usize = 32;

/// Maximum number of values that a difference names as added or removed: as many as the longest list of a spec has.
const MAX_VALUES: usize = 1000;

/// Maximum length of these values of all differences together: 1,000 ids of schools of up to 60 bytes, twice.
const MAX_VALUES_BYTES: usize = 128 * 1024;

/// Room for the number of the values that are left out: `… 1000000 more`.
const MAX_REST: usize = 32;

const ELLIPSIS: &str = "…";

/// Truncates a text to at most `max` bytes, with an ellipsis in place of the truncated end.
#[must_use]
pub fn cut_bytes(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let kept = text.floor_char_boundary(max.saturating_sub(ELLIPSIS.len()));
    Cow::Owned(format!("{}{ELLIPSIS}", &text[..kept]))
}

/// Lists the first ten ids and the number of the others: `a, b … and 7 more`.
#[must_use]
pub fn list_ids<T: AsRef<str>>(ids: impl IntoIterator<Item = T>) -> String {
    let mut ids = ids.into_iter();
    let mut text = String::new();
    for id in ids.by_ref().take(MAX_IDS) {
        if !text.is_empty() {
            text += ", ";
        }
        text += id.as_ref();
    }
    let more = ids.count();
    if more > 0 {
        let _ = write!(text, " … and {more} more");
    }
    text
}

/// Returns the message of a condition: of limited length, and without characters that hide or reorder others.
#[must_use]
pub fn message(text: &str) -> String {
    // Nearly all messages are plain ASCII, where one comparison for each byte replaces a search in a table.
    let is_plain = |byte| matches!(byte, b' '..=b'~');
    if text.len() <= MAX_MESSAGE && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    displayable(text, MAX_MESSAGE)
}

/// Keeps the first differences, and the first values that each names, and replaces the others with their number.
pub fn cut_drift(drift: &mut Vec<Drift>) {
    let mut left = MAX_VALUES_BYTES;
    for values in drift
        .iter_mut()
        .flat_map(|one| [&mut one.added, &mut one.removed])
    {
        cut_values(values, &mut left);
    }
    let Some(more) = drift.len().checked_sub(MAX_DRIFT).filter(|more| *more > 0) else {
        return;
    };
    drift.truncate(MAX_DRIFT - 1);
    drift.push(Drift {
        path: ELLIPSIS.to_owned(),
        desired: format!("{} more", more + 1),
        actual: ELLIPSIS.to_owned(),
        ..Drift::default()
    });
}

/// Keeps the first values that fit into the `left` bytes, which it counts down. What it has cut, it does not cut again.
fn cut_values(values: &mut Vec<String>, left: &mut usize) {
    let size: usize = values.iter().map(String::len).sum();
    let is_short = values.len() == 1 && values[0].starts_with(ELLIPSIS);
    if is_short || (values.len() <= MAX_VALUES && size <= *left) {
        *left = left.saturating_sub(size);
        return;
    }
    let room = left.saturating_sub(MAX_REST);
    let ends = values.iter().scan(0, |end, value| {
        *end += value.len();
        Some(*end)
    });
    let kept = ends.take_while(|end| *end <= room).count();
    let count = values.len();
    values.truncate(kept.min(MAX_VALUES - 1));
    values.push(format!("{ELLIPSIS} {} more", count - values.len()));
    let size: usize = values.iter().map(String::len).sum();
    *left = left.saturating_sub(size);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        for text in ["", "a", "1234567890", "ääääää", "学校学校", "🏫🏫🏫"] {
            for max in 3..14 {
                let cut = cut_bytes(text, max);
                assert!(cut.len() <= max, "{cut} has more than {max} bytes");
                if text.len() <= max {
                    assert_eq!(cut, text);
                } else {
                    let kept = cut.strip_suffix(ELLIPSIS).unwrap();
                    assert!(text.starts_with(kept));
                    // No character that would have fitted is removed.
                    assert!(kept.len() + ELLIPSIS.len() + 4 > max, "{cut} of {max}");
                }
            }
        }
    }

    #[test]
    fn a_note_of_the_greatest_length_is_accepted_by_kubernetes() {
        let cut = cut_bytes(&"ä".repeat(2000), MAX_NOTE).into_owned();
        assert_eq!(cut.len(), 999);
        assert!(cut.ends_with("ä…"));
    }

    #[test]
    fn a_message_is_displayable_whether_it_is_plain_or_not() {
        let long = "x".repeat(MAX_MESSAGE);
        for text in ["", "plain ~", "a\nb", "a\u{7F}b", "a\u{AD}b", "学校", &long] {
            assert_eq!(message(text), displayable(text, MAX_MESSAGE), "{text:?}");
        }
        assert!(message(&(long + "x")).ends_with("x…"));
        assert_eq!(message("a\u{7F}b"), "a\u{FFFD}b");
    }

    #[test]
    fn of_many_differences_the_first_are_shown_and_the_others_counted() {
        let drift = |count: usize| -> Vec<Drift> {
            let one = |place: usize| Drift {
                path: place.to_string(),
                ..Drift::default()
            };
            (0..count).map(one).collect()
        };
        for (count, last) in [(1, "0"), (MAX_DRIFT, "31"), (MAX_DRIFT + 1, "…")] {
            let mut cut = drift(count);
            cut_drift(&mut cut);
            assert_eq!(cut.len(), count.min(MAX_DRIFT));
            assert_eq!(cut.last().unwrap().path, last);
        }
        let mut cut = drift(10_000);
        cut_drift(&mut cut);
        assert_eq!(cut.last().unwrap().desired, "9969 more");
        let once = cut.clone();
        cut_drift(&mut cut);
        assert_eq!(cut, once);
    }

    #[test]
    fn values_are_named_up_to_the_limits_of_a_spec() {
        let values = |count: usize, length: usize| vec!["x".repeat(length); count];
        let cut = |added: Vec<String>, removed: Vec<String>| {
            let mut drift = vec![Drift {
                added,
                removed,
                ..Drift::default()
            }];
            cut_drift(&mut drift);
            let once = drift.clone();
            cut_drift(&mut drift);
            assert_eq!(drift, once, "cut once more");
            drift.remove(0)
        };
        let all = cut(values(1000, 60), values(1000, 60));
        assert_eq!(
            (all.added, all.removed),
            (values(1000, 60), values(1000, 60))
        );
        let many = cut(values(5000, 1), values(0, 0)).added;
        assert_eq!(
            (many.len(), many.last().unwrap().as_str()),
            (1000, "… 4001 more")
        );
        let long = cut(values(1000, 200), values(1000, 200));
        assert_eq!(long.added.last().unwrap(), "… 345 more");
        assert_eq!(long.removed, ["… 1000 more"]);
    }

    #[test]
    fn ten_ids_are_listed_and_the_others_counted() {
        let ids = |count: usize| list_ids((1..=count).map(|id| id.to_string()));
        assert_eq!(ids(0), "");
        assert_eq!(ids(1), "1");
        assert_eq!(ids(2), "1, 2");
        assert_eq!(ids(10), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10");
        assert_eq!(ids(11), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 … and 1 more");
        assert_eq!(ids(17), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 … and 7 more");
    }
}
