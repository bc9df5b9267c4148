//! Pages of a list, and the links between them.
//!
//! A link is followed only if it has the origin and path of the list, because the token is sent with the
//! request.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;
use url::Url;

use super::{
    answer::success,
    failure::{Failure, LinkError},
    json,
    malformed::Malformed,
};

/// More pages than the largest tenant needs, at any page size that the service is likely to use:
/// 100,000 items with 100 per page.
const MAX_PAGES: usize = 1000;
/// Largest list that is read, as JSON text: eight responses of the maximum size of 8 MiB. How much of it is kept has a
/// limit of its own, in `client/list.rs`.
const MAX_LIST_BYTES: usize = 64 * 1024 * 1024;

/// One page as received: the text of its items and the link to the next page.
#[derive(Debug)]
pub(super) struct RawPage<'a> {
    pub(super) items: &'a RawValue,
    pub(super) next: Option<String>,
    bytes: usize,
}

impl<'a> RawPage<'a> {
    /// Finds the parts of a page in the body of a response.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let [items, next] = success(body, ["value", "@odata.nextLink"])?;
        let next = match json::non_null(next) {
            None => None,
            // Some services write an empty link on the last page.
            next => Some(json::text(next).ok_or(Malformed::NextLink)?)
                .filter(|link| !link.trim().is_empty()),
        };
        Ok(Self {
            items: items.ok_or(Malformed::Values)?,
            next,
            bytes: body.len(),
        })
    }
}

/// Position in the pages of one list, with the pages visited so far.
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

    /// Returns the number of pages that were requested.
    pub(super) fn pages(&self) -> usize {
        self.visited.len()
    }

    /// Returns the URL of the page after this one, or `None` if this was the last.
    ///
    /// A link to a page that has been read already ends the list.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there is another page, but its link must not, or cannot, be followed.
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

/// Returns the path as segments that can be compared: decoded, in lower case, and with `name('key')`
/// written as `name/key`.
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
