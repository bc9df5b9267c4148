//! Lists: their pages, links and items.

use super::*;
use crate::clock;

fn ids<T>(listing: &Listing<T>, id: impl Fn(&T) -> String) -> Vec<String> {
    listing.items.iter().map(id).collect()
}

async fn list_flows(replies: impl IntoIterator<Item = Reply>) -> Result<Listing<Flow>, Error> {
    let server = Server::start(replies).await;
    server.client().list_flows(&set_id(), Priority::Poll).await
}

#[tokio::test]
async fn a_list_is_all_its_pages() {
    let server = Server::start([]).await;
    let link = format!(
        "{}{BASE}?$skiptoken=a",
        server.url.as_str().trim_end_matches('/')
    );
    let set = |id: &str| json!({"id": id, "displayName": "n"});
    server.then(page(&[set("1"), set("2")], Some(&link)));
    server.then(page(&[], Some("?$skiptoken=b")));
    server.then(page(&[set("3")], None));
    let listing = server
        .client()
        .list_flow_sets(Priority::Poll)
        .await
        .unwrap();
    assert_eq!(ids(&listing, |set| set.id.to_string()), ["1", "2", "3"]);
    let lines: Vec<_> = server
        .received()
        .into_iter()
        .map(|request| request.line)
        .collect();
    let queries = ["", "?$skiptoken=a", "?$skiptoken=b"];
    assert_eq!(lines, queries.map(|query| format!("GET {BASE}{query}")));
}

#[tokio::test]
async fn an_object_that_moves_between_pages_is_listed_once() {
    let mut newer = flow("A");
    newer["readinessStatus"] = "failed".into();
    let listing = list_flows([
        page(&[flow("a"), flow("b")], Some("?p")),
        page(&[newer], None),
    ])
    .await;
    let listing = listing.unwrap();
    assert_eq!(ids(&listing, |flow| flow.id.to_string()), ["A", "b"]);
    assert_eq!(listing.items[0].readiness.as_deref(), Some("failed"));
}

#[tokio::test]
async fn a_list_that_is_not_whole_is_an_error() {
    let first = page(&[flow("a")], Some("?p"));
    for second in [
        Reply::status(500),
        Reply::Cut,
        Reply::new(200, &[], "<html>"),
        Reply::json(200, &json!({"value": {"id": "a"}})),
        Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"value\":[]".to_vec()),
    ] {
        let error = list_flows([first.clone(), second.clone()])
            .await
            .unwrap_err();
        assert_ne!(error.verdict().reason, Reason::TimedOut, "{second:?}");
    }
}

#[tokio::test]
async fn a_link_elsewhere_is_refused_before_anything_is_sent_there() {
    let elsewhere = Server::start([page(&[], None)]).await;
    let link = format!("{}{}?p", elsewhere.url.as_str().trim_end_matches('/'), BASE);
    let error = list_flows([page(&[], Some(&link))]).await.unwrap_err();
    assert_eq!(error.verdict().reason, Reason::UnexpectedAnswer);
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn a_list_tells_the_time_of_its_first_page() {
    let dated = |date: &str, next: Option<&str>| {
        let body = json!({"value": [], "@odata.nextLink": next}).to_string();
        Reply::new(200, &[("date", date)], &body)
    };
    let listing = list_flows([
        dated("Mon, 23 Nov 2026 08:00:00 GMT", Some("?p")),
        dated("Mon, 23 Nov 2026 09:00:00 GMT", None),
    ])
    .await;
    assert_eq!(
        listing.unwrap().date,
        "2026-11-23T08:00:00Z".parse().unwrap()
    );
    let before = clock::now();
    let listing = list_flows([page(&[], None)]).await.unwrap();
    assert!(before <= listing.date && listing.date <= clock::now());
}

#[tokio::test]
async fn a_list_ends_with_an_empty_link_and_with_one_that_repeats() {
    for last in ["", " \t", "?p", ""] {
        let first = page(&[flow("a")], Some("?p"));
        let listing = list_flows([first, page(&[flow("b")], Some(last))]).await;
        let listing = listing.unwrap();
        assert_eq!(ids(&listing, |flow| flow.id.to_string()), ["a", "b"]);
        assert_eq!(listing.unread, 0);
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_understood_costs_itself_only() {
    let odd = [json!(7), json!(null), json!({"no": "id"}), json!({"id": 7})];
    let items = [&[flow("a")], &odd[..], &[flow("b")]].concat();
    let replies = [
        page(&items, Some("?p")),
        page(&[json!("x"), flow("c")], None),
    ];
    let server = Server::start([replies.clone(), replies].concat()).await;
    let client = server.client();
    let flows = client.list_flows(&set_id(), Priority::Poll).await.unwrap();
    assert_eq!(ids(&flows, |flow| flow.id.to_string()), ["a", "b", "c"]);
    let sets = client.list_flow_sets(Priority::Poll).await.unwrap();
    assert_eq!(ids(&sets, |set| set.id.to_string()), ["a", "b", "c"]);
    assert_eq!((flows.unread, sets.unread), (5, 5));
    assert_eq!(sets.items[0].display_name, "");
}
