//! Complete lists: all pages, each id once, and the number of items that cannot be parsed.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use tokio::time::timeout;
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

/// Time limit of a whole list, after which it counts as failed.
///
/// 5 min are 300 pages at a second each, which is slow, and 60 at the 5 s of a service that is close to the time limit of
/// a request. Without this limit, the 1,000 pages that are followed at most would take 83 min at 5 s each, and nearly
/// three hours at 10 s. All who need the list wait for it, and it would describe the collection as it was hours before.
const LIST_TIMEOUT: Duration = Duration::from_mins(5);

impl Client {
    /// Reads all pages, within the time limit of a list.
    pub(super) async fn list<T>(
        &self,
        operation: Operation,
        start: Url,
        priority: Priority,
        parse: fn(Value) -> Result<T, Malformed>,
    ) -> Result<Listing<T>, Error> {
        in_time(operation, self.pages(operation, start, priority, parse)).await
    }

    async fn pages<T>(
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

async fn in_time<T>(
    operation: Operation,
    pages: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let overdue = |_| Err(Error::request(operation, Failure::Overdue));
    timeout(LIST_TIMEOUT, pages).await.unwrap_or_else(overdue)
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

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::graph::verdict::{Certainty, Reason};

    async fn pages(count: u32, each: Duration) -> Result<u32, Error> {
        for _ in 0..count {
            sleep(each).await;
        }
        Ok(count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_many_slow_pages_fails_in_time_with_its_reason() {
        let began = Instant::now();
        let slow = in_time(Operation::ListFlows, pages(1_000, Duration::from_secs(5))).await;
        let verdict = slow.unwrap_err().verdict();
        assert_eq!(began.elapsed(), LIST_TIMEOUT);
        assert_eq!(
            (verdict.reason, verdict.certainty),
            (Reason::TimedOut, Certainty::Unknown)
        );
        let minutes = format!("not complete within {} min", LIST_TIMEOUT.as_secs() / 60);
        assert!(verdict.message.contains(&minutes), "{}", verdict.message);

        let usual = in_time(Operation::ListFlows, pages(300, Duration::from_millis(900))).await;
        assert_eq!(usual.ok(), Some(300));
    }
}
