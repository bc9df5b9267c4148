//! Batches: the flows of several sets, with one request.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::clock;
use crate::graph::{
    answer::{Answer, Headers, success},
    body::Body,
    budget::Priority,
    error::Error,
    exchange::GraphRequest,
    failure::{Failure, is_throttling},
    json,
    malformed::Malformed,
    model::{Flow, FlowSetId, Listing},
    operation::Operation,
    page::RawPage,
};

use super::Client;

/// Largest number of requests in a batch, by the documentation of Microsoft Graph.
pub const MAX_BATCH: usize = 20;

/// Lists by set.
type Lists = HashMap<FlowSetId, Listing<Flow>>;

/// Response to one request of a batch.
#[derive(Deserialize)]
struct Part<'a> {
    id: String,
    status: u16,
    #[serde(borrow, default)]
    headers: Option<HashMap<String, &'a RawValue>>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

impl Client {
    /// Lists the flows of at most [`MAX_BATCH`] sets with one request; the budget counts each list. A set is missing from
    /// the result if its list failed or has more than one page: list it [alone](Self::list_flows).
    ///
    /// It is not documented that the service supports `$batch` for this: see [`Error::is_unsupported`].
    ///
    /// # Errors
    ///
    /// If the batch as a whole fails.
    pub async fn list_flows_of(
        &self,
        sets: &[FlowSetId],
        priority: Priority,
    ) -> Result<Lists, Error> {
        let sets = &sets[..sets.len().min(MAX_BATCH)];
        let asked = clock::now();
        let url = self.exchange.transport.graph().at(["beta", "$batch"]);
        let request = GraphRequest::new(Operation::ListFlowsOfSets, Method::POST, url, priority)
            .with_body(self.batch(sets))
            .counted(sets.len());
        let read = |answer: Answer| {
            let date = answer.headers.date.unwrap_or(asked);
            let body = answer.json()?;
            self.read_batch(&body, sets, date)
        };
        self.exchange.call(&request, read).await
    }

    fn batch(&self, sets: &[FlowSetId]) -> Body {
        let request = |(number, set): (usize, &FlowSetId)| {
            let url = self.flows(set, &[]);
            json!({
                "id": number.to_string(),
                "method": "GET",
                "url": url.path().trim_start_matches("/beta"),
                "headers": { "Prefer": "include-unknown-enum-members" },
            })
        };
        let requests: Vec<_> = sets.iter().enumerate().map(request).collect();
        Body::new(&json!({ "requests": requests }))
    }

    fn read_batch(
        &self,
        body: &[u8],
        sets: &[FlowSetId],
        date: Timestamp,
    ) -> Result<Lists, Failure> {
        let [parts] = success(body, ["responses"]).map_err(Failure::Malformed)?;
        let parts = parts.ok_or(Failure::Malformed(Malformed::Values))?;
        let mut lists = Lists::new();
        let read = |part: &[u8]| {
            if let Ok(part) = serde_json::from_slice::<Part<'_>>(part)
                && let Some(set) = part
                    .id
                    .parse()
                    .ok()
                    .and_then(|number: usize| sets.get(number))
            {
                self.heed(&part);
                let listing = self.listed(&part, date);
                lists.extend(listing.map(|listing| (set.clone(), listing)));
            }
            true
        };
        json::each(parts, read).map_err(Failure::Malformed)?;
        Ok(lists)
    }

    /// Returns the list in a response, or `None` if it failed, is not complete or has no room.
    fn listed(&self, part: &Part<'_>, date: Timestamp) -> Option<Listing<Flow>> {
        let body = part.body.filter(|_| part.status == 200)?;
        let page = RawPage::read(body.get().as_bytes()).ok()?;
        if page.next.is_some() {
            return None;
        }
        let mut gathered = self.gathered();
        gathered.add_all(page.items).ok()?;
        Some(gathered.listing(date))
    }

    /// Heeds that the service throttles a request of a batch: each has limits and a pause of its own.
    fn heed(&self, part: &Part<'_>) {
        if is_throttling(part.status) {
            let pause = part.headers().retry_after;
            self.exchange.account.budget().throttled(pause);
        }
    }
}

impl Part<'_> {
    fn headers(&self) -> Headers {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter().flatten() {
            let text = json::text(Some(value)).unwrap_or_else(|| value.get().to_owned());
            if let (true, Ok(value)) = (
                name.eq_ignore_ascii_case(RETRY_AFTER.as_str()),
                HeaderValue::try_from(text),
            ) {
                headers.insert(RETRY_AFTER, value);
            }
        }
        Headers::read(&headers)
    }
}

#[cfg(test)]
mod tests;
