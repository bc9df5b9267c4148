//! Words of the service, as they are shown to people: short, and without characters that hide or reorder others.

/// Maximum length of a readiness or a date, in characters. The longest documented one has 28.
pub(super) const MAX_WORD: usize = 64;

/// Maximum length of a display name, in characters: more than the 256 that a spec can declare, so that a name that was
/// cut never equals a declared one.
pub(super) const MAX_NAME: usize = 300;

const ELLIPSIS: char = '…';

/// Characters of the category *Format* of Unicode 16, which are invisible and may change the order of others, and the
/// separators of lines and paragraphs.
const FORMAT: [(char, char); 22] = [
    ('\u{AD}', '\u{AD}'),
    ('\u{600}', '\u{605}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{6DD}', '\u{6DD}'),
    ('\u{70F}', '\u{70F}'),
    ('\u{890}', '\u{891}'),
    ('\u{8E2}', '\u{8E2}'),
    ('\u{180E}', '\u{180E}'),
    ('\u{200B}', '\u{200F}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202A}', '\u{202E}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{2066}', '\u{206F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFF9}', '\u{FFFB}'),
    ('\u{110BD}', '\u{110BD}'),
    ('\u{110CD}', '\u{110CD}'),
    ('\u{13430}', '\u{1343F}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0001}', '\u{E0001}'),
    ('\u{E0020}', '\u{E007F}'),
];

/// Returns a text with at most `max` characters, of which none is a control or format character.
///
/// Such a character is replaced, not removed: without it, an unknown word could become a known one.
#[must_use]
pub fn displayable(text: &str, max: usize) -> String {
    let plain = |c: char| {
        if is_unprintable(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let mut shown: String = text.chars().take(max).map(plain).collect();
    if text.chars().nth(max).is_some() {
        shown.pop();
        shown.push(ELLIPSIS);
    }
    shown
}

/// Returns whether a character is a control or format character.
pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || FORMAT
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_people_write_is_changed() {
        for text in [
            "ready",
            "Ōsaka 学校 🏫",
            "e\u{301}",
            "โรงเรียน",
            "a\u{A0}b",
            "",
        ] {
            assert_eq!(displayable(text, MAX_WORD), text);
        }
    }

    #[test]
    fn what_hides_or_reorders_is_replaced() {
        for c in "\0\n\u{7F}\u{9B}\u{AD}\u{200B}\u{200E}\u{200F}\u{202A}\u{202E}\u{2066}\u{2069}\u{61C}\u{FEFF}\u{2028}".chars() {
            assert_eq!(displayable(&format!("a{c}b"), 9), "a\u{FFFD}b", "{c:?}");
        }
    }

    #[test]
    fn each_replaced_character_is_one_that_rust_does_not_print() {
        let all = FORMAT.iter().flat_map(|(first, last)| *first..=*last);
        for c in all {
            assert!(c.escape_debug().to_string().starts_with("\\u{"), "{c:?}");
        }
    }

    #[test]
    fn a_long_word_is_cut_with_an_ellipsis() {
        assert_eq!(displayable("abcdef", 6), "abcdef");
        assert_eq!(displayable("abcdefg", 6), "abcde…");
        let huge = "x".repeat(4 * 1024 * 1024);
        assert_eq!(displayable(&huge, MAX_WORD).chars().count(), MAX_WORD);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_shown_in_the_same_way_again(text in any::<String>(), max in 1..80_usize) {
            let shown = displayable(&text, max);
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(!shown.contains(is_unprintable));
            prop_assert_eq!(displayable(&shown, max), shown);
        }
    }
}
