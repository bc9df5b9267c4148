//! The journal and its counts.

use industrydata_simulator::{Effect, FlowType, Operation, Rule};
use reqwest::Method;

use crate::client::{Bench, CLIENT, SECRET, flows, last, read, security_group, user};

#[tokio::test]
async fn every_request_is_on_record_with_what_came_of_it() {
    let bench = Bench::new().await;
    let set = bench.set("recorded").await;
    let url = format!("{}{}", bench.simulator.graph_endpoint(), flows(&set));
    let request = bench
        .http
        .post(url)
        .bearer_auth(&bench.token)
        .header("client-request-id", "attempt-1");
    let answer = read(request.json(&security_group()))
        .await
        .unwrap()
        .expect(201);
    let journal = bench.simulator.journal();
    let entry = journal.entries().last().unwrap();
    assert_eq!(entry.operation, Operation::CreateFlow);
    assert_eq!(entry.client_request_id.as_deref(), Some("attempt-1"));
    assert_eq!(Some(entry.request_id.as_str()), answer.header("request-id"));
    assert_eq!(entry.subject, Some(format!("application:{CLIENT}")));
    assert_eq!((entry.status, entry.committed), (Some(201), true));
    assert_eq!(entry.set.as_deref(), Some(set.as_str()));
    assert_eq!(entry.flow.as_deref(), answer.json()["id"].as_str());
    assert_eq!(entry.flow_type, Some(FlowType::SecurityGroup));
    let numbers: Vec<u64> = journal
        .entries()
        .iter()
        .map(|entry| entry.sequence)
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_secret_is_ever_on_record() {
    let bench = Bench::new().await;
    let set = bench.set("discreet").await;
    bench.flow(&set, &user()).await;
    let text = bench
        .control(Method::GET, "/journal", None)
        .await
        .expect(200)
        .text;
    let state = bench
        .control(Method::GET, "/state", None)
        .await
        .expect(200)
        .text;
    for secret in [
        "secret of staff",
        "secret of students",
        SECRET,
        bench.token.as_str(),
    ] {
        assert!(!text.contains(secret) && !state.contains(secret));
    }
    assert!(text.contains("\"password\":\"***\""));
}

#[tokio::test]
async fn counts_tell_effects_from_attempts_and_clients_from_the_control_port() {
    let bench = Bench::new().await;
    let set = bench.set("counted").await;
    bench
        .simulator
        .inject(Rule::new(Effect::CutAfterCommit).on(Operation::CreateFlow));
    bench
        .attempt(Method::POST, &flows(&set), Some(&security_group()))
        .await
        .expect_err("a broken connection");
    bench
        .post(&flows(&set), &security_group())
        .await
        .expect(409);
    let flow = bench.simulator.snapshot().sets[0].flows[0].id.clone();
    bench
        .send(Method::POST, &format!("{}/{flow}/reset", flows(&set)), None)
        .await
        .expect(202);
    bench.get(&flows(&set)).await.expect(200);
    bench.simulator.create_flow(&set, &user()).unwrap();
    bench.simulator.delete_flow(&flow).unwrap();

    let journal = bench.simulator.journal();
    assert_eq!(journal.flows_created(&set, FlowType::SecurityGroup), 1);
    assert_eq!(journal.requests(Operation::CreateFlow), 2);
    assert_eq!(
        (
            journal.resets(&flow),
            journal.deletions(&flow),
            journal.lists(&set)
        ),
        (1, 0, 1)
    );
    assert_eq!(journal.flows_created(&set, FlowType::User), 0);
    let tally = journal.tally();
    assert_eq!(tally.committed[&Operation::CreateFlow], 1);
    assert_eq!(
        (tally.statuses[&0], tally.statuses[&409], tally.faults),
        (1, 1, 1)
    );
    assert_eq!(tally.objects[&flow][&Operation::ResetFlow], 1);
}

#[tokio::test]
async fn the_journal_can_be_read_on_from_where_one_was() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let before = bench.simulator.journal().entries().len() as u64;
    bench.get(&path).await.expect(200);
    let rest = bench.simulator.journal().since(before);
    assert_eq!(rest.entries().len(), 1);
    assert_eq!(rest.entries()[0].flow.as_deref(), Some(last(&path)));
}
