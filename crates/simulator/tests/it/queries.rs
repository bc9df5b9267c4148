//! Query options and paging.

use industrydata_simulator::Reception;
use serde_json::{Value, json};

use crate::client::{Bench, SETS, administrative_unit, security_group};

/// Follows the links of a collection and returns the pages.
async fn pages(bench: &Bench, first: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let body = bench.get(&path).await.expect(200).json();
        pages.push(body["value"].as_array().unwrap().clone());
        next = body["@odata.nextLink"].as_str().map(|link| {
            let path = link
                .strip_prefix(&bench.simulator.graph_endpoint())
                .unwrap();
            assert!(path.contains("$skiptoken="));
            path.to_owned()
        });
    }
    pages
}

fn names(pages: &[Vec<Value>]) -> Vec<String> {
    pages
        .iter()
        .flatten()
        .map(|set| set["displayName"].as_str().unwrap().to_owned())
        .collect()
}

async fn with_sets(count: usize) -> Bench {
    let bench = Bench::new().await;
    for number in 0..count {
        bench.set(&format!("set {number}")).await;
    }
    bench
}

#[tokio::test]
async fn pages_hold_everything_once_whatever_their_size() {
    let bench = with_sets(5).await;
    for (size, expected) in [(1, 5), (2, 3), (5, 1), (100, 1)] {
        bench
            .simulator
            .configure(|behavior| behavior.page_size = size);
        let pages = pages(&bench, SETS).await;
        assert_eq!(pages.len(), expected, "page size {size}");
        assert_eq!(names(&pages), ["set 0", "set 1", "set 2", "set 3", "set 4"]);
    }
}

#[tokio::test]
async fn empty_pages_may_stand_between_others() {
    let bench = with_sets(3).await;
    bench.simulator.configure(|behavior| {
        behavior.page_size = 1;
        behavior.empty_pages = true;
    });
    let pages = pages(&bench, SETS).await;
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 0, 1, 0, 1]);
}

#[tokio::test]
async fn nothing_is_missed_when_a_set_goes_between_two_pages() {
    let bench = with_sets(3).await;
    bench.simulator.configure(|behavior| behavior.page_size = 1);
    let first = bench.get(SETS).await.json();
    let link = first["@odata.nextLink"]
        .as_str()
        .unwrap()
        .strip_prefix(&bench.simulator.graph_endpoint())
        .unwrap();
    bench
        .simulator
        .delete_set(first["value"][0]["id"].as_str().unwrap())
        .unwrap();
    assert_eq!(names(&pages(&bench, link).await), ["set 1", "set 2"]);
}

#[tokio::test]
async fn top_caps_a_page_and_skip_leaves_out_with_and_without_the_dollar() {
    let bench = with_sets(4).await;
    for query in ["$top=2&$skip=1", "top=2&skip=1", "%24top=2&%24skip=1"] {
        let pages = pages(&bench, &format!("{SETS}?{query}")).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(names(&pages), ["set 1", "set 2", "set 3"]);
    }
}

#[tokio::test]
async fn select_and_count_do_what_they_say() {
    let bench = with_sets(2).await;
    let body = bench
        .get(&format!("{SETS}?$select=id&$count=true"))
        .await
        .expect(200)
        .json();
    assert_eq!(body["@odata.count"], 2);
    let keys: Vec<&String> = body["value"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id"]);
    assert_eq!(
        bench.get(&format!("{SETS}/$count")).await.expect(200).text,
        "2"
    );
}

#[tokio::test]
async fn flows_can_be_expanded_into_their_sets() {
    let bench = Bench::new().await;
    let set = bench.set("full").await;
    bench.flow(&set, &security_group()).await;
    bench.flow(&set, &administrative_unit()).await;
    for query in ["$expand=provisioningFlows", "expand=provisioningFlows"] {
        let list = bench
            .get(&format!("{SETS}?{query}"))
            .await
            .expect(200)
            .json();
        let one = bench
            .get(&format!("{SETS}/{set}?{query}"))
            .await
            .expect(200)
            .json();
        for holder in [&list["value"][0], &one] {
            let flows = holder["provisioningFlows"].as_array().unwrap();
            assert_eq!(flows.len(), 2);
            assert!(
                flows
                    .iter()
                    .all(|flow| flow["@odata.type"].is_string()
                        && flow["readinessStatus"].is_string())
            );
        }
    }
}

#[tokio::test]
async fn an_option_is_refused_ignored_or_served_as_its_switch_says() {
    let bench = with_sets(3).await;
    let filtered = format!("{SETS}?$filter=displayName eq 'set 1'");
    bench.get(&filtered).await.expect(400);
    bench
        .simulator
        .configure(|behavior| behavior.query.filter = Reception::Ignore);
    assert_eq!(names(&pages(&bench, &filtered).await).len(), 3);
    bench
        .simulator
        .configure(|behavior| behavior.query.filter = Reception::Accept);
    assert_eq!(names(&pages(&bench, &filtered).await), ["set 1"]);
    bench
        .simulator
        .configure(|behavior| behavior.query.orderby = Reception::Accept);
    assert_eq!(
        names(&pages(&bench, &format!("{SETS}?$orderby=displayName desc")).await)[0],
        "set 2"
    );
    bench
        .simulator
        .configure(|behavior| behavior.query.expand = Reception::Refuse);
    bench
        .get(&format!("{SETS}?$expand=provisioningFlows"))
        .await
        .expect(400);
}

#[tokio::test]
async fn what_no_option_is_called_is_refused_with_a_dollar_and_ignored_without() {
    let bench = with_sets(1).await;
    bench.get(&format!("{SETS}?$colour=red")).await.expect(400);
    bench.get(&format!("{SETS}?colour=red")).await.expect(200);
    bench.get(&format!("{SETS}?$top=many")).await.expect(400);
    assert_eq!(
        bench
            .get(&format!("{SETS}?$top=0"))
            .await
            .expect(200)
            .json()["value"],
        json!([])
    );
}

#[tokio::test]
async fn pages_of_an_ordered_collection_hold_everything_once_too() {
    let bench = with_sets(3).await;
    bench.simulator.configure(|behavior| {
        behavior.page_size = 1;
        behavior.query.orderby = Reception::Accept;
    });
    let pages = pages(&bench, &format!("{SETS}?$orderby=displayName desc")).await;
    assert_eq!(names(&pages), ["set 2", "set 1", "set 0"]);
}
