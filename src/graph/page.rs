//! Pages of a list, and the links between them.
//!
//! A link comes from the service, but a token is sent along; so it is followed only to where the
//! list already is.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::Url;

use super::{
    failure::{Failure, LinkError},
    model::Malformed,
};

/// More pages than the largest tenant could need, at any page size the service is likely to use.
const MAX_PAGES: usize = 1000;
/// The largest list held in memory, as text.
const MAX_LIST_BYTES: usize = 64 * 1024 * 1024;

/// One page: its items, and the link to the next.
#[derive(Debug)]
pub(super) struct RawPage {
    pub(super) items: Vec<Value>,
    pub(super) next: Option<String>,
    bytes: usize,
}

impl RawPage {
    /// Takes a page of so many bytes apart.
    pub(super) fn read(mut value: Value, bytes: usize) -> Result<Self, Malformed> {
        let page = value.as_object_mut().ok_or(Malformed::NotAnObject)?;
        let Some(Value::Array(items)) = page.remove("value") else {
            return Err(Malformed::Values);
        };
        let next = match page.remove("@odata.nextLink") {
            None | Some(Value::Null) => None,
            // An empty link is how some write that there is none.
            Some(Value::String(link)) => Some(link).filter(|link| !link.trim().is_empty()),
            Some(_) => return Err(Malformed::NextLink),
        };
        Ok(Self { items, next, bytes })
    }
}

/// The way through the pages of one list.
#[derive(Debug)]
pub(super) struct PageCursor {
    start: Url,
    visited: HashSet<Url>,
    bytes: usize,
}

impl PageCursor {
    pub(super) fn new(start: Url) -> Self {
        Self {
            visited: HashSet::from([start.clone()]),
            start,
            bytes: 0,
        }
    }

    /// Where the page after this one is, or `None` if this was the last.
    ///
    /// A link to a page that has been read brings nothing new, so the list ends there.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the list goes on but must not, or cannot, be followed.
    pub(super) fn next(&mut self, page: &RawPage) -> Result<Option<Url>, Failure> {
        self.bytes += page.bytes;
        if self.bytes > MAX_LIST_BYTES {
            return Err(Failure::TooLarge);
        }
        let Some(link) = &page.next else {
            return Ok(None);
        };
        self.follow(link).map_err(Failure::Link)
    }

    fn follow(&mut self, link: &str) -> Result<Option<Url>, LinkError> {
        let mut url = self.start.join(link).map_err(|_| LinkError::Unreadable)?;
        url.set_fragment(None);
        let bare = url.username().is_empty() && url.password().is_none();
        if !bare || url.origin() != self.start.origin() || path(&url) != path(&self.start) {
            return Err(LinkError::Foreign);
        }
        if self.visited.contains(&url) {
            return Ok(None);
        }
        if self.visited.len() >= MAX_PAGES {
            return Err(LinkError::TooLong);
        }
        self.visited.insert(url.clone());
        Ok(Some(url))
    }
}

/// The path as segments that can be compared: decoded, in lower case, and with `name('key')`, the
/// other spelling of `name/key`, taken apart.
fn path(url: &Url) -> Vec<String> {
    let segments = url.path_segments().into_iter().flatten();
    segments
        .map(folded)
        .flat_map(|segment| split_key(&segment))
        .collect()
}

fn folded(segment: &str) -> String {
    percent_decode_str(segment)
        .decode_utf8_lossy()
        .to_ascii_lowercase()
}

fn split_key(segment: &str) -> Vec<String> {
    let keyed = segment
        .strip_suffix("')")
        .and_then(|segment| segment.split_once("('"));
    match keyed {
        Some((name, key)) => vec![name.to_owned(), key.to_owned()],
        None => vec![segment.to_owned()],
    }
}

#[cfg(test)]
mod tests;
