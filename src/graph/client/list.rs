//! Complete lists: all pages, each id once, and the number of items that cannot be parsed.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
};

use k8s_openapi::jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::clock;
use crate::graph::{
    answer::Answer,
    budget::Priority,
    error::Error,
    exchange::GraphRequest,
    failure::Failure,
    model::{Listing, Malformed},
    operation::Operation,
    page::{PageCursor, RawPage},
};

use super::Client;

impl Client {
    pub(super) async fn list<T>(
        &self,
        operation: Operation,
        start: Url,
        priority: Priority,
        parse: fn(Value) -> Result<T, Malformed>,
    ) -> Result<Listing<T>, Error> {
        let mut cursor = PageCursor::new(start.clone());
        let asked = clock::now();
        let (mut items, mut unread) = (Vec::new(), 0);
        let mut date = None;
        let mut next = Some(start);
        while let Some(url) = next {
            let request = GraphRequest::new(operation, Method::GET, url, priority);
            let read = |answer| read_page(answer, parse, &mut cursor);
            let page = self.exchange.call(&request, read).await?;
            items.extend(page.items);
            unread += page.unread;
            date.get_or_insert(page.date.unwrap_or(asked));
            next = page.next;
        }
        if unread > 0 {
            tracing::debug!(%operation, unread, "items of a list cannot be understood");
        }
        Ok(Listing {
            items,
            unread,
            date: date.unwrap_or(asked),
        })
    }
}

/// Page with parsed items and a checked link.
struct ParsedPage<T> {
    items: Vec<T>,
    unread: usize,
    next: Option<Url>,
    date: Option<Timestamp>,
}

fn read_page<T>(
    answer: Answer,
    parse: fn(Value) -> Result<T, Malformed>,
    cursor: &mut PageCursor,
) -> Result<ParsedPage<T>, Failure> {
    let date = answer.headers.date;
    let bytes = answer.body.as_ref().map_or(0, Vec::len);
    let page = RawPage::read(answer.json()?, bytes).map_err(Failure::Malformed)?;
    let next = cursor.next(&page)?;
    let shown = page.items.len();
    let items: Vec<T> = page.items.into_iter().flat_map(parse).collect();
    Ok(ParsedPage {
        unread: shown - items.len(),
        items,
        next,
        date,
    })
}

/// Removes duplicate ids: an object may move to a later page while the pages are being read. The last
/// occurrence is kept, because it is the most recent.
pub(super) fn distinct<T, K: Hash + Eq>(listing: Listing<T>, id: impl Fn(&T) -> K) -> Listing<T> {
    let mut places = HashMap::new();
    let mut items: Vec<T> = Vec::with_capacity(listing.items.len());
    for item in listing.items {
        match places.entry(id(&item)) {
            Entry::Occupied(place) => items[*place.get()] = item,
            Entry::Vacant(place) => {
                place.insert(items.len());
                items.push(item);
            }
        }
    }
    Listing { items, ..listing }
}
