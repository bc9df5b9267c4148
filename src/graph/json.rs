//! JSON of responses, parsed as it is read: members that are not used leave nothing behind.
//!
//! A tree of [`serde_json::Value`] takes up to 16 times the memory of its text (32 bytes for each `1,` of a list), so
//! none is built of a whole response.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use super::malformed::Malformed;

/// Members of an object by their position in the list of wanted names, or `None` for those that are absent.
pub(super) type FoundMembers<'a, const N: usize> = [Option<&'a RawValue>; N];

/// Returns the wanted members of an object. Of members with the same name, the last counts.
///
/// # Errors
///
/// [`Malformed`] if the text is not a JSON object.
pub(super) fn members<'a, const N: usize>(
    json: &'a [u8],
    names: [&str; N],
) -> Result<FoundMembers<'a, N>, Malformed> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let found = json.deserialize_map(MemberVisitor(names));
    let whole = found.and_then(|found| json.end().map(|()| found));
    whole.map_err(|error| match error.classify() {
        Category::Data => Malformed::NotAnObject,
        Category::Io | Category::Syntax | Category::Eof => Malformed::Syntax,
    })
}

/// Calls `visit` with the text of each item of a list, until it returns false.
///
/// # Errors
///
/// [`Malformed::Values`] if the text is not a list.
pub(super) fn each<'a>(
    list: &'a RawValue,
    mut visit: impl FnMut(&'a [u8]) -> bool,
) -> Result<(), Malformed> {
    let mut ended = false;
    let visitor = ItemVisitor(|item: &'a RawValue| {
        ended = !visit(item.get().as_bytes());
        !ended
    });
    let read = serde_json::Deserializer::from_str(list.get()).deserialize_seq(visitor);
    if ended {
        return Ok(());
    }
    read.map_err(|_| Malformed::Values)
}

/// Returns the text of a member, or `None` if it is not text.
pub(super) fn text(member: Option<&RawValue>) -> Option<String> {
    value(member)
}

/// Returns the value of a member, or `None` if it has another type.
pub(super) fn value<'a, T: Deserialize<'a>>(member: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(member?.get()).ok()
}

/// Returns a member unless it is null.
pub(super) fn non_null(member: Option<&RawValue>) -> Option<&RawValue> {
    member.filter(|member| member.get() != "null")
}

struct MemberVisitor<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for MemberVisitor<'_, N> {
    type Value = FoundMembers<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match self.0.iter().position(|wanted| *wanted == name) {
                Some(place) => found[place] = Some(map.next_value()?),
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }
}

struct ItemVisitor<F>(F);

impl<'de, F: FnMut(&'de RawValue) -> bool> Visitor<'de> for ItemVisitor<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element()? {
            if !(self.0)(item) {
                return Err(A::Error::custom("the rest is not read"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_name_whatever_is_between_them() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let json = format!(r#"{{"x":{deep},"b":[1, 2],"a":null,"c":"\ud800","b":"last"}} "#);
        let [a, b, c, d] = members(json.as_bytes(), ["a", "b", "c", "d"]).unwrap();
        assert_eq!((a.is_some(), d.is_some()), (true, false));
        assert!(non_null(a).is_none() && non_null(b).is_some());
        assert_eq!(text(b).as_deref(), Some("last"));
        assert_eq!(text(c), None, "half a character");
        assert_eq!(value::<u64>(b), None);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        let error = |json: &str| members(json.as_bytes(), ["a"]).unwrap_err();
        for json in ["", "<html>", "{", r#"{"a":1"#, r#"{"a":1}}"#, r#"{"a":01}"#] {
            assert_eq!(error(json), Malformed::Syntax, "{json}");
        }
        for json in ["[]", "7", "null", r#""a""#] {
            assert_eq!(error(json), Malformed::NotAnObject, "{json}");
        }
    }

    #[test]
    fn items_are_visited_one_by_one() {
        let list = |json: &'static str| members(json.as_bytes(), ["value"]).unwrap()[0].unwrap();
        let visited = |json, limit| {
            let mut items = Vec::new();
            let read = each(list(json), |item| {
                items.push(String::from_utf8_lossy(item).into_owned());
                items.len() < limit
            });
            read.map(|()| items.join(" "))
        };
        let json = r#"{"value":[7,null, {"a": [1]},"\ud800"]}"#;
        assert_eq!(visited(json, 9).unwrap(), r#"7 null {"a": [1]} "\ud800""#);
        assert_eq!(visited(json, 2).unwrap(), "7 null");
        assert_eq!(visited(r#"{"value":{}}"#, 9), Err(Malformed::Values));
    }
}
