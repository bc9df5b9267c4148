//! Sweeps: all flow sets with their flows, in one list.

use std::collections::HashMap;

use crate::graph::{
    budget::Priority,
    error::Error,
    model::{Flow, FlowSet, FlowSetId, Listing, SweptSet},
    operation::Operation,
};

use super::{Client, list::distinct};

/// All flow sets of a tenant, with the flows of each.
#[derive(Debug)]
pub struct Sweep {
    /// The sets.
    pub sets: Listing<FlowSet>,
    /// The flows by set. A set is missing if the response contains only a part of its flows, or none because the
    /// service ignores `$expand`.
    pub flows: HashMap<FlowSetId, Listing<Flow>>,
    /// Number of pages, each of which was one request.
    pub pages: usize,
}

impl Client {
    /// Lists all flow sets with their flows.
    ///
    /// It is not documented that the service supports `$expand` here: see [`Error::is_unsupported`], and [`Sweep::flows`]
    /// for a service that ignores it.
    ///
    /// # Errors
    ///
    /// If any page fails.
    pub async fn sweep(&self, priority: Priority) -> Result<Sweep, Error> {
        let mut url = self.url(&[]);
        url.set_query(Some("$expand=provisioningFlows"));
        let operation = Operation::ListFlowSetsWithFlows;
        let (swept, pages) = self.list_pages(operation, url, priority).await?;
        Ok(taken_apart(swept, pages))
    }
}

fn taken_apart(swept: Listing<SweptSet>, pages: usize) -> Sweep {
    let (date, mut room) = (swept.date, swept.room);
    let mut sets = Vec::with_capacity(swept.items.len());
    let mut flows = HashMap::with_capacity(swept.items.len());
    for SweptSet { set, flows: found } in swept.items {
        if let Some(found) = found {
            let weight = found.weight();
            let listing = Listing {
                items: distinct(found.items),
                unread: found.unread,
                date,
                room: room.split(weight),
            };
            flows.insert(set.id.clone(), listing);
        }
        sets.push(set);
    }
    let sets = Listing {
        items: sets,
        unread: swept.unread,
        date,
        room,
    };
    Sweep { sets, flows, pages }
}
