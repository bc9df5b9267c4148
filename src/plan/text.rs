//! Texts for people, kept within bounds.

use std::fmt::Display;

/// How many ids a message names.
const MAX_IDS: usize = 10;

/// The ids, of which no more than ten are named: `a, b and 7 more`.
#[must_use]
pub fn list_ids<T: Display>(ids: impl IntoIterator<Item = T>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    let (named, rest) = ids.split_at(ids.len().min(MAX_IDS));
    match rest.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// The text, cut to at most `bytes` bytes between two characters.
#[must_use]
pub fn cut_bytes(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
