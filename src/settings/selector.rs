//! Label selectors in the syntax of `kubectl get --selector`.

use std::collections::BTreeSet;

use kube::core::{Expression, Selector};
use thiserror::Error;

/// The error of an invalid label selector.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "invalid label selector `{part}`: expected `key`, `!key`, `key=value`, `key!=value`, `key in (a,b)` or `key notin (a,b)`"
)]
pub struct InvalidSelector {
    part: String,
}

/// Parses a comma-separated list of requirements. An empty selector selects everything.
///
/// # Errors
///
/// [`InvalidSelector`] contains the first invalid requirement.
pub(super) fn parse(text: &str) -> Result<Selector, InvalidSelector> {
    let mut selector = Selector::default();
    for part in requirements(text) {
        let expression = expression(part).ok_or_else(|| InvalidSelector {
            part: part.to_owned(),
        })?;
        selector.extend(expression);
    }
    Ok(selector)
}

/// Returns the names of the labels that a selector looks at.
pub fn label_names(selector: &Selector) -> impl Iterator<Item = String> + use<> {
    selector.clone().into_iter().map(|part| match part {
        Expression::In(name, _)
        | Expression::NotIn(name, _)
        | Expression::Equal(name, _)
        | Expression::NotEqual(name, _)
        | Expression::Exists(name)
        | Expression::DoesNotExist(name) => name,
    })
}

/// Splits a selector at commas that are not in parentheses.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    let mut is_list = false;
    let parts = text.split(move |character| {
        match character {
            '(' => is_list = true,
            ')' => is_list = false,
            _ => {}
        }
        character == ',' && !is_list
    });
    let is_blank = text.trim().is_empty();
    parts.map(str::trim).filter(move |_| !is_blank)
}

fn expression(part: &str) -> Option<Expression> {
    if let Some(list) = part.strip_suffix(')') {
        return membership(list);
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Expression::NotEqual(self::key(key)?, self::value(value)?));
    }
    if let Some((key, value)) = part.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return Some(Expression::Equal(self::key(key)?, self::value(value)?));
    }
    if let Some(key) = part.strip_prefix('!') {
        return self::key(key).map(Expression::DoesNotExist);
    }
    key(part).map(Expression::Exists)
}

fn membership(list: &str) -> Option<Expression> {
    let (head, values) = list.split_once('(')?;
    let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
    let key = self::key(key)?;
    let values = values
        .split(',')
        .map(value)
        .collect::<Option<BTreeSet<_>>>()?;
    match operator {
        "in" => Some(Expression::In(key, values)),
        "notin" => Some(Expression::NotIn(key, values)),
        _ => None,
    }
}

/// `name` or `prefix/name`.
fn key(text: &str) -> Option<String> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').unwrap_or(("any", text));
    let is_key =
        !name.is_empty() && is_word(name, 63) && !prefix.is_empty() && is_word(prefix, 253);
    is_key.then(|| text.to_owned())
}

fn value(text: &str) -> Option<String> {
    let text = text.trim();
    is_word(text, 63).then(|| text.to_owned())
}

/// Returns whether a text has at most `max` letters, digits and `-_.`, with a letter or digit at
/// either end.
fn is_word(text: &str, max: usize) -> bool {
    let is_inner = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let is_end = |character: Option<char>| character.is_none_or(|end| end.is_ascii_alphanumeric());
    text.len() <= max
        && text.chars().all(is_inner)
        && is_end(text.chars().next())
        && is_end(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        for (text, expected) in [
            ("", ""),
            ("  ", ""),
            ("team=north", "team=north"),
            (" team == north ", "team=north"),
            ("team!=north", "team!=north"),
            ("team=", "team="),
            ("team", "team"),
            ("!team", "!team"),
            ("example.com/team in (a, b)", "example.com/team in (a,b)"),
            ("team notin (a)", "team notin (a)"),
            ("a=b,c in (d,e),!f", "a=b,c in (d,e),!f"),
        ] {
            assert_eq!(
                parse(text).map(|selector| selector.to_string()),
                Ok(expected.to_owned()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_labels_of_each_part_are_named() {
        let selector = parse("a=b,c!=d,e in (f),g notin (h),i,!j/k").unwrap();
        let names: Vec<String> = label_names(&selector).collect();
        assert_eq!(names, ["a", "c", "e", "g", "i", "j/k"]);
    }

    #[test]
    fn the_first_wrong_part_is_shown() {
        for (text, part) in [
            ("a=b,", ""),
            ("a=b,c d", "c d"),
            ("a in b", "a in b"),
            ("a within (b)", "a within (b)"),
            ("a in (b", "a in (b"),
            ("=b", "=b"),
            ("/a=b", "/a=b"),
            ("a=b=c", "a=b=c"),
            ("-a", "-a"),
            ("a>1", "a>1"),
        ] {
            assert_eq!(parse(text).unwrap_err().part, part, "{text:?}");
        }
    }

    #[test]
    fn the_error_says_what_would_be_right() {
        assert_eq!(
            parse("a in b").unwrap_err().to_string(),
            "invalid label selector `a in b`: expected `key`, `!key`, `key=value`, `key!=value`, \
             `key in (a,b)` or `key notin (a,b)`"
        );
    }
}
