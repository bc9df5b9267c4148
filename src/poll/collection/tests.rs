use super::*;
use crate::graph::model::{Flow, FlowId, FlowType};
use crate::plan::testing::{flow, listed, remote_flow};
use crate::plan::{Read, View};

const SECOND: Duration = Duration::from_secs(1);

fn user_flow(number: u32) -> Flow {
    remote_flow(number, &flow(FlowType::User), 0)
}

fn snapshot(items: Vec<Flow>, began: Instant) -> Snapshot<Flow> {
    let Read::Known(View {
        listing, began: at, ..
    }) = listed::<Flow>(items, 0)
    else {
        unreachable!()
    };
    Snapshot {
        began,
        began_at: at,
        outcome: Ok(listing),
        container: Container::Exists,
        failures: 0,
    }
}

fn count(flows: &Collection<Flow>) -> usize {
    flows
        .latest()
        .unwrap()
        .outcome
        .as_ref()
        .unwrap()
        .items
        .len()
}

fn is_same(one: &Flow, other: &Flow) -> bool {
    one.id == other.id
}

fn id(flow: &Flow) -> &FlowId {
    &flow.id
}

#[tokio::test(start_paused = true)]
async fn what_a_list_shows_already_is_not_added_again() {
    let created = user_flow(1);
    for items in [vec![], vec![created.clone()]] {
        let flows = Collection::default();
        flows.replace(snapshot(items, Instant::now()), 0.5);
        flows.amend(Some(created.clone()), is_same);
        assert_eq!(count(&flows), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_began_earlier_does_not_replace_the_latest() {
    let flows = Collection::default();
    let now = Instant::now();
    flows.replace(snapshot(vec![user_flow(1)], now + SECOND), 0.5);
    let (before, latest) = flows.replace(snapshot(vec![], now), 0.5);
    assert_eq!(count(&flows), 1);
    assert!(Arc::ptr_eq(&before.unwrap(), &latest));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_is_accepted_unless_it_is_outdated_or_lacks_an_object() {
    let (one, two) = (user_flow(1), user_flow(2));
    let flows = Collection::default();
    let now = Instant::now();
    let reception = |began, items: &[Flow]| flows.reception(began, items, id);
    assert_eq!(reception(now, &[]), Reception::Accepted);

    flows.replace(snapshot(vec![one.clone()], now), 0.5);
    let later = now + SECOND;
    assert_eq!(
        reception(now, std::slice::from_ref(&one)),
        Reception::Outdated
    );
    assert_eq!(
        reception(later, &[one.clone(), two.clone()]),
        Reception::Accepted
    );
    assert_eq!(
        reception(later, std::slice::from_ref(&two)),
        Reception::Contradicted
    );

    tokio::time::advance(2 * SECOND).await;
    flows.amend(Some(two.clone()), is_same);
    assert_eq!(
        reception(later, std::slice::from_ref(&one)),
        Reception::Outdated
    );
    assert_eq!(
        reception(now + 3 * SECOND, std::slice::from_ref(&one)),
        Reception::Contradicted
    );
    assert_eq!(
        reception(now + 3 * SECOND, &[one, two]),
        Reception::Accepted
    );
}

#[tokio::test(start_paused = true)]
async fn the_spread_of_the_next_poll_is_drawn_once() {
    let flows = Collection::default();
    let cadence = Cadence {
        interval: 60 * SECOND,
        settled: true,
    };
    flows.replace(snapshot(vec![], Instant::now()), 1.0);
    assert_eq!(flows.due_in(cadence), 66 * SECOND);
    tokio::time::advance(65 * SECOND).await;
    assert_eq!(flows.due_in(cadence), SECOND);
}
