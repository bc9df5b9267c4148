//! Whether all times in a response are valid, found without building a tree of it.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::jiff::Timestamp;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

/// Returns whether the text is JSON in which each text in a member of one of these names is a valid time.
pub(super) fn are_valid(json: &[u8], names: &[&str]) -> bool {
    let mut json = serde_json::Deserializer::from_slice(json);
    let value = Checked {
        names,
        is_time: false,
    };
    value.deserialize(&mut json).is_ok() && json.end().is_ok()
}

/// A value whose texts, or those in the members with these names, are checked.
#[derive(Clone, Copy)]
struct Checked<'n> {
    names: &'n [&'n str],
    is_time: bool,
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("valid times")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let is_time = self.names.contains(&name.as_ref());
            map.next_value_seed(Self { is_time, ..self })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let item = Self {
            is_time: false,
            ..self
        };
        while list.next_element_seed(item)?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if self.is_time && text.parse::<Timestamp>().is_err() {
            return Err(E::custom("no valid time"));
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_in_the_named_members_at_any_depth() {
        let time = r#""2026-01-05T08:00:00Z""#;
        let odd = r#""9999-12-31T23:59:59Z""#;
        let cases = [
            (format!(r#"{{"a":{time},"b":{odd}}}"#), true),
            (format!(r#"{{"a":{odd}}}"#), false),
            (format!(r#"{{"x":[{{"y":{{"a":{odd}}}}}]}}"#), false),
            (
                format!(r#"{{"x":[1,-2,3.5,true,null,"a",{{"a":{time}}}]}}"#),
                true,
            ),
            (r#"{"a":7,"x":{"a":null}}"#.to_owned(), true),
            (r#"{"\u0061":"x"}"#.to_owned(), false),
            (format!(r#"{{"a":{time}}} {{"#), false),
            ("<html>".to_owned(), false),
        ];
        for (json, valid) in cases {
            assert_eq!(are_valid(json.as_bytes(), &["a"]), valid, "{json}");
        }
    }
}
