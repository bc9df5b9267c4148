//! A flow set together with its flows, as a list of sets with `$expand` contains it.

use serde_json::value::RawValue;

use crate::graph::{json, malformed::Malformed};

use super::{Flow, FlowSet, FlowSetId, KnownProperties, Listed, SET_MEMBERS};

/// Members of a set that are kept, its flows, and the link to the next page of these.
const MEMBERS: [&str; 7] = {
    let [id, name, filter, created, modified] = SET_MEMBERS;
    [
        id,
        name,
        filter,
        created,
        modified,
        "provisioningFlows",
        "provisioningFlows@odata.nextLink",
    ]
};

/// A flow set and, unless the response lacks some of them, its flows.
#[derive(Debug)]
pub(in crate::graph) struct SweptSet {
    pub(in crate::graph) set: FlowSet,
    pub(in crate::graph) flows: Option<SweptFlows>,
}

/// The flows of a set, and the number of those that cannot be parsed.
#[derive(Debug, Default)]
pub(in crate::graph) struct SweptFlows {
    pub(in crate::graph) items: Vec<Flow>,
    pub(in crate::graph) unread: usize,
}

impl Listed for SweptSet {
    type Id = FlowSetId;

    fn parse(json: &[u8], known: &KnownProperties) -> Result<Self, Malformed> {
        // Both in one go, as the flows are most of the text.
        let [id, name, filter, created, modified, list, next] = json::members(json, MEMBERS)?;
        Ok(Self {
            set: FlowSet::of([id, name, filter, created, modified])?,
            flows: flows(list, next, known),
        })
    }

    fn id(&self) -> &FlowSetId {
        &self.set.id
    }

    fn weight(&self) -> usize {
        self.set.weight() + self.flows.as_ref().map_or(0, SweptFlows::weight)
    }
}

impl SweptFlows {
    /// Returns about how many bytes the flows take in memory.
    pub(in crate::graph) fn weight(&self) -> usize {
        self.items.iter().map(Listed::weight).sum()
    }
}

/// Returns the flows in the list of a set with a link to the next page, or `None` if the service ignored `$expand` or has
/// more of them on other pages.
fn flows(
    list: Option<&RawValue>,
    next: Option<&RawValue>,
    known: &KnownProperties,
) -> Option<SweptFlows> {
    let has_more = json::non_null(next).is_some()
        && json::text(next).is_none_or(|link| !link.trim().is_empty());
    let list = list.filter(|_| !has_more)?;
    let mut flows = SweptFlows::default();
    let add = |item: &[u8]| {
        match Flow::parse(item, known) {
            Ok(flow) => flows.items.push(flow),
            Err(_) => flows.unread += 1,
        }
        true
    };
    // A member that is not a list contains nothing about the flows.
    json::each(list, add).is_ok().then_some(flows)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(members: &Value) -> Option<(Vec<String>, usize)> {
        let mut set = json!({ "id": "north", "displayName": "North" });
        let own = set.as_object_mut().unwrap();
        own.extend(members.as_object().unwrap().clone());
        let swept =
            SweptSet::parse(set.to_string().as_bytes(), &KnownProperties::default()).unwrap();
        assert_eq!(swept.set.display_name, "North");
        let ids = |flows: &SweptFlows| flows.items.iter().map(|flow| flow.id.to_string()).collect();
        swept.flows.map(|flows| (ids(&flows), flows.unread))
    }

    #[test]
    fn flows_are_parsed_with_their_set() {
        let flows = json!([{ "id": "a" }, { "name": "without id" }, { "id": "b" }]);
        let both = Some((vec!["a".to_owned(), "b".to_owned()], 1));
        assert_eq!(parsed(&json!({ "provisioningFlows": flows })), both);
        let ended = json!({ "provisioningFlows": flows, "provisioningFlows@odata.nextLink": "" });
        assert_eq!(parsed(&ended), both);
        let none = json!({ "provisioningFlows": [] });
        assert_eq!(parsed(&none), Some((vec![], 0)));
    }

    #[test]
    fn nothing_is_known_of_flows_that_are_absent_or_not_all_there() {
        for members in [
            json!({}),
            json!({ "provisioningFlows": null }),
            json!({ "provisioningFlows": {} }),
            json!({ "provisioningFlows": [], "provisioningFlows@odata.nextLink": "https://x" }),
            json!({ "provisioningFlows": [], "provisioningFlows@odata.nextLink": 7 }),
        ] {
            assert_eq!(parsed(&members), None, "{members}");
        }
    }

    #[test]
    fn the_weight_of_a_set_includes_its_flows() {
        let weight = |flows: usize| {
            let flows = vec![json!({ "id": "a", "configuration": { "x": "y" } }); flows];
            let set = json!({ "id": "north", "provisioningFlows": flows });
            SweptSet::parse(set.to_string().as_bytes(), &KnownProperties::default())
                .unwrap()
                .weight()
        };
        let (empty, one) = (weight(0), weight(1));
        assert!(one > empty);
        assert_eq!(weight(3) - empty, 3 * (one - empty));
    }
}
