//! Complete lists: all pages, each id once, and the number of items that cannot be parsed.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use reqwest::Method;
use serde_json::value::RawValue;
use tokio::time::timeout;
use url::Url;

use crate::clock;
use crate::graph::{
    answer::Answer,
    budget::Priority,
    error::Error,
    exchange::GraphRequest,
    failure::Failure,
    json,
    model::{KnownProperties, Listed, Listing},
    operation::Operation,
    page::{PageCursor, RawPage},
    room::Claim,
};

use super::Client;

/// Time limit of a whole list, after which it counts as failed.
///
/// 5 min are 300 pages at a second each, which is slow, and 60 at the 5 s of a service that is close to the time limit of
/// a request. Without this limit, the 1,000 pages that are followed at most would take 83 min at 5 s each, and nearly
/// three hours at 10 s. All who need the list wait for it, and it would describe the collection as it was hours before.
const LIST_TIMEOUT: Duration = Duration::from_mins(5);

/// Largest number of items in a list. A district has some hundred sets, and a set four flows.
const MAX_ITEMS: usize = 100_000;

/// Memory that the items of one list may take: 100,000 sets at about 300 bytes.
const MAX_KEPT_BYTES: usize = 32 * 1024 * 1024;

impl Client {
    /// Reads all pages, within the time limit of a list.
    pub(super) async fn list<T: Listed>(
        &self,
        operation: Operation,
        start: Url,
        priority: Priority,
    ) -> Result<Listing<T>, Error> {
        let list = self.list_pages(operation, start, priority);
        list.await.map(|(list, _)| list)
    }

    /// Like [`list`](Self::list), and returns the number of pages, too.
    pub(super) async fn list_pages<T: Listed>(
        &self,
        operation: Operation,
        start: Url,
        priority: Priority,
    ) -> Result<(Listing<T>, usize), Error> {
        in_time(operation, self.pages(operation, start, priority)).await
    }

    async fn pages<T: Listed>(
        &self,
        operation: Operation,
        start: Url,
        priority: Priority,
    ) -> Result<(Listing<T>, usize), Error> {
        let mut cursor = PageCursor::new(start.clone());
        let asked = clock::now();
        let mut list = self.gathered();
        let mut date = None;
        let mut next = Some(start);
        while let Some(url) = next {
            let request = GraphRequest::new(operation, Method::GET, url, priority);
            let read = |answer: Answer| {
                date.get_or_insert(answer.headers.date.unwrap_or(asked));
                list.read(answer, &mut cursor)
            };
            next = self.exchange.call(&request, read).await?;
        }
        if list.unread > 0 {
            tracing::debug!(%operation, unread = list.unread, "items of a list cannot be understood");
        }
        Ok((list.listing(date.unwrap_or(asked)), cursor.pages()))
    }

    /// Returns an empty list whose room counts for the account.
    pub(super) fn gathered<T: Listed>(&self) -> Gathered<T> {
        let (account, process) = (
            self.exchange.account.lists(),
            self.exchange.transport.lists(),
        );
        Gathered {
            items: Vec::new(),
            unread: 0,
            known: self.exchange.account.properties().clone(),
            claim: Claim::new(account, process),
            has_room: true,
        }
    }
}

async fn in_time<T>(
    operation: Operation,
    pages: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let overdue = |_| Err(Error::request(operation, Failure::Overdue));
    timeout(LIST_TIMEOUT, pages).await.unwrap_or_else(overdue)
}

/// Items of the pages so far.
pub(super) struct Gathered<T> {
    items: Vec<T>,
    unread: usize,
    known: KnownProperties,
    claim: Claim,
    has_room: bool,
}

impl<T: Listed> Gathered<T> {
    /// Adds the items of a page, and returns the URL of the next one.
    fn read(&mut self, answer: Answer, cursor: &mut PageCursor) -> Result<Option<Url>, Failure> {
        let body = answer.json()?;
        let page = RawPage::read(&body).map_err(Failure::Malformed)?;
        let next = cursor.next(&page)?;
        self.add_all(page.items)?;
        Ok(next)
    }

    /// Adds the items of a page.
    pub(super) fn add_all(&mut self, items: &RawValue) -> Result<(), Failure> {
        json::each(items, |item| self.add(item)).map_err(Failure::Malformed)?;
        match (self.has_room, self.is_full()) {
            (false, _) => Err(Failure::NoRoom),
            (true, true) => Err(Failure::TooLarge),
            (true, false) => Ok(()),
        }
    }

    /// Adds an item, and returns whether there is room for more.
    fn add(&mut self, item: &[u8]) -> bool {
        match T::parse(item, &self.known) {
            Ok(item) => {
                self.has_room &= self.claim.grow(item.weight());
                self.items.push(item);
            }
            Err(_) => self.unread += 1,
        }
        self.has_room && !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.items.len() > MAX_ITEMS || self.claim.bytes() > MAX_KEPT_BYTES
    }

    /// Returns the list of all items.
    pub(super) fn listing(self, date: Timestamp) -> Listing<T> {
        Listing {
            items: distinct(self.items),
            unread: self.unread,
            date,
            room: self.claim.into(),
        }
    }
}

/// Removes duplicate ids: an object may move to a later page while the pages are being read. The last
/// occurrence is kept, because it is the most recent.
pub(super) fn distinct<T: Listed>(items: Vec<T>) -> Vec<T> {
    // Nearly no list has duplicates, and to move a large one would take its memory twice.
    let ids: HashSet<_> = items.iter().map(Listed::id).collect();
    if ids.len() == items.len() {
        return items;
    }
    let mut places = HashMap::new();
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        match places.entry(item.id().clone()) {
            Entry::Occupied(place) => kept[*place.get()] = item,
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(item);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::graph::model::{Flow, FlowSet};
    use crate::graph::verdict::{Certainty, Reason};

    fn gathered<T: Listed>(item: &str, count: usize) -> (Gathered<T>, usize) {
        let mut list = Gathered {
            items: Vec::new(),
            unread: 0,
            known: KnownProperties::default(),
            claim: Claim::default(),
            has_room: true,
        };
        let added = (0..count).take_while(|_| list.add(item.as_bytes())).count();
        (list, added)
    }

    #[test]
    fn a_list_may_have_a_hundred_thousand_sets_and_no_more() {
        let set = json!({
            "@odata.type": "#microsoft.graph.industryData.outboundProvisioningFlowSet",
            "id": "0b2dca8c-4b27-4e5f-9dcb-08dd25d5cb6f",
            "displayName": "District of the North, secondary schools",
            "filter": null,
            "createdDateTime": "2026-01-05T08:00:00.1234567Z",
            "lastModifiedDateTime": "2026-01-05T08:00:00.1234567Z",
        });
        let (list, added) = gathered::<FlowSet>(&set.to_string(), 2 * MAX_ITEMS);
        assert_eq!(added, MAX_ITEMS);
        assert!(
            list.claim.bytes() < MAX_KEPT_BYTES,
            "{}",
            list.claim.bytes()
        );
    }

    #[test]
    fn a_list_of_large_items_is_refused_before_it_fills_the_memory() {
        let options = vec![1; 50_000];
        let flow = json!({ "id": "1", "creationOptions": options }).to_string();
        let (list, added) = gathered::<Flow>(&flow, MAX_ITEMS);
        assert!(list.is_full());
        // Properties are kept as text, not as a tree.
        assert!(added * flow.len() <= MAX_KEPT_BYTES, "{added}");
        let (list, _) = gathered::<Flow>(r#"{"id":"1","theirs":[1,1,1,1,1,1,1,1]}"#, 1000);
        assert!(list.claim.bytes() < 1000 * 300, "{}", list.claim.bytes());
    }

    #[test]
    fn of_ten_thousand_duplicates_the_last_is_kept() {
        let parse = |date: u32| {
            let set = json!({ "id": "SAME", "createdDateTime": date.to_string() });
            FlowSet::parse(set.to_string().as_bytes()).unwrap()
        };
        let kept = distinct((0..10_000).map(parse).collect());
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].created.as_deref(), Some("9999"));
    }

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
