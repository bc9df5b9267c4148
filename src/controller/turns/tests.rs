use std::future::ready;

use futures::future::BoxFuture;
use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;

/// A reconcile that waits for its turn, or has it.
enum Waiter {
    Waiting(BoxFuture<'static, Turn>),
    Holding(Turn),
}

impl Waiter {
    fn new(turns: &Turns, namespace: &'static str) -> Self {
        Self::within(turns, namespace, "flows")
    }

    fn within(turns: &Turns, namespace: &'static str, queue: &'static str) -> Self {
        Self::limited(turns, namespace, queue, 16)
    }

    fn limited(turns: &Turns, namespace: &'static str, queue: &str, limit: usize) -> Self {
        let turns = turns.clone();
        let queue = limited_to(limit, queue);
        Self::Waiting(Box::pin(
            async move { turns.begin(namespace, &queue).await },
        ))
        .polled()
    }

    fn polled(self) -> Self {
        match self {
            Self::Waiting(mut waiting) => match waiting.as_mut().now_or_never() {
                Some(turn) => Self::Holding(turn),
                None => Self::Waiting(waiting),
            },
            holding @ Self::Holding(_) => holding,
        }
    }

    fn holds(&self) -> bool {
        matches!(self, Self::Holding(_))
    }
}

fn limited_to(limit: usize, queue: &str) -> Queue {
    Queue {
        name: queue.into(),
        limit,
    }
}

fn waiters(turns: &Turns, namespaces: &[&'static str]) -> Vec<(&'static str, Waiter)> {
    let waiter = |namespace: &&'static str| (*namespace, Waiter::new(turns, namespace));
    namespaces.iter().map(waiter).collect()
}

/// Ends the turns that are held, in order, until all are served, and returns the namespaces in the order of service.
fn served(mut waiters: Vec<(&'static str, Waiter)>) -> Vec<&'static str> {
    let mut order = Vec::new();
    while !waiters.is_empty() {
        let polled = waiters.into_iter();
        let polled = polled.map(|(namespace, waiter)| (namespace, waiter.polled()));
        let (holding, waiting): (Vec<_>, Vec<_>) = polled.partition(|(_, waiter)| waiter.holds());
        assert!(!holding.is_empty(), "no waiter is served");
        order.extend(holding.iter().map(|(namespace, _)| *namespace));
        drop(holding);
        waiters = waiting;
    }
    order
}

fn free(turns: &Turns) -> usize {
    turns.lock().free
}

#[test]
fn namespaces_take_turns_however_many_wait_in_one() {
    let turns = Turns::new(1);
    let order = served(waiters(&turns, &["a", "a", "a", "a", "b", "c", "b"]));
    assert_eq!(order, ["a", "b", "c", "a", "b", "a", "a"]);
    assert_eq!(free(&turns), 1);
    assert!(turns.lock().namespaces.is_empty());
}

#[test]
fn one_namespace_holds_at_most_half_of_the_places() {
    let turns = Turns::new(4);
    let all = waiters(&turns, &["a", "a", "a", "b"]);
    let holds: Vec<bool> = all.iter().map(|(_, waiter)| waiter.holds()).collect();
    assert_eq!(holds, [true, true, false, true]);
    assert_eq!(served(all).len(), 4);
}

#[test]
fn a_paused_turn_leaves_its_place_and_takes_another_before_those_that_have_not_begun() {
    let turns = Turns::new(1);
    let Waiter::Holding(turn) = Waiter::new(&turns, "a") else {
        unreachable!()
    };
    let (answer, answered) = oneshot::channel();
    let mut paused = Box::pin(turn.pause(answered));
    assert!(paused.as_mut().now_or_never().is_none());

    let first = Waiter::new(&turns, "a");
    let second = Waiter::new(&turns, "a");
    assert_eq!((first.holds(), second.holds()), (true, false));
    answer.send("listed").unwrap();
    assert!(paused.as_mut().now_or_never().is_none(), "no place is free");
    drop(first);

    assert!(!second.holds());
    assert_eq!(paused.as_mut().now_or_never(), Some(Ok("listed")));
    drop(paused);
    assert!(!second.polled().holds());
}

#[test]
fn what_is_ready_at_once_costs_no_place() {
    let turns = Turns::new(1);
    let Waiter::Holding(turn) = Waiter::new(&turns, "a") else {
        unreachable!()
    };
    let waiting = Waiter::new(&turns, "b");
    assert_eq!(turn.pause(ready(1)).now_or_never(), Some(1));
    assert!(!waiting.polled().holds());
}

#[test]
fn a_place_that_is_granted_to_a_waiter_that_has_gone_is_passed_on() {
    let turns = Turns::new(1);
    let first = Waiter::new(&turns, "a");
    let (gone, granted, last) = (
        Waiter::new(&turns, "b"),
        Waiter::new(&turns, "c"),
        Waiter::new(&turns, "d"),
    );
    drop(gone);
    drop(first);
    // It has been granted, and has not been polled since.
    drop(granted);
    assert!(last.polled().holds());
    assert_eq!(free(&turns), 1);
}

/// Begins a reconcile that then waits for something without end.
fn paused(turns: &Turns, namespace: &'static str, queue: &'static str) -> BoxFuture<'static, ()> {
    let turns = turns.clone();
    let mut work: BoxFuture<'static, ()> = Box::pin(async move {
        let turn = turns.begin(namespace, &limited_to(2, queue)).await;
        turn.pause(pending::<()>()).await;
    });
    assert!(work.as_mut().now_or_never().is_none());
    work
}

#[test]
fn only_so_many_reconciles_of_a_connection_and_of_a_namespace_begin() {
    let turns = Turns::with_limit(8, 3);
    let mut begun: Vec<_> = (0..2).map(|_| paused(&turns, "a", "slow")).collect();
    assert_eq!(free(&turns), 8);

    let slow = Waiter::limited(&turns, "a", "slow", 2);
    assert!(!slow.holds());
    let other = paused(&turns, "a", "other");
    let last = Waiter::within(&turns, "a", "last");
    assert!(!last.holds(), "the limit of the namespace");
    assert!(Waiter::within(&turns, "b", "slow").holds());

    drop(other);
    let last = last.polled();
    assert!(last.holds() && !slow.holds());
    drop(last);
    begun.pop();
    assert!(slow.polled().holds());
    drop(begun);
    assert!(turns.lock().namespaces.is_empty());
}

#[test]
fn the_connections_of_a_namespace_take_turns() {
    let turns = Turns::new(1);
    let names = ["one", "one", "one", "two"];
    let waiter = |queue| (queue, Waiter::within(&turns, "a", queue));
    let order = served(names.map(waiter).into());
    assert_eq!(order, ["one", "one", "two", "one"]);
}

#[test]
fn the_limit_of_a_queue_is_the_one_that_was_asked_for_last() {
    let turns = Turns::new(8);
    let first = Waiter::limited(&turns, "a", "flows", 1);
    let second = Waiter::limited(&turns, "a", "flows", 1);
    assert!(first.holds() && !second.holds());
    let third = Waiter::limited(&turns, "a", "flows", 3);
    assert!(second.polled().holds() && third.polled().holds());
}

/// The size of a reconcile that waits is what limits how many of them fit into memory.
#[test]
fn a_waiter_is_small() {
    let turns = Turns::new(1);
    let flows = limited_to(16, "flows");
    let size = std::mem::size_of_val(&turns.begin("a", &flows));
    assert!(size <= 256, "{size}");
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Begin(usize, usize),
    Pause(usize),
    Resume(usize),
    End(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0..4_usize, 0..2_usize).prop_map(|(namespace, queue)| Event::Begin(namespace, queue)),
        any::<usize>().prop_map(Event::Pause),
        any::<usize>().prop_map(Event::Resume),
        any::<usize>().prop_map(Event::End),
    ];
    prop::collection::vec(event, 0..200)
}

/// One reconcile of the model: it ends, or pauses and resumes, as the events determine.
struct Modelled {
    work: BoxFuture<'static, ()>,
    answer: Option<oneshot::Sender<()>>,
}

const NAMESPACES: [&str; 4] = ["a", "b", "c", "d"];

fn modelled(turns: &Turns, namespace: usize, queue: usize) -> Modelled {
    let (answer, answered) = oneshot::channel();
    let turns = turns.clone();
    let work = Box::pin(async move {
        let queue = limited_to(2, NAMESPACES[queue]);
        let turn = turns.begin(NAMESPACES[namespace], &queue).await;
        let _ = turn.pause(answered).await;
        pending::<()>().await;
    });
    let answer = Some(answer);
    Modelled { work, answer }
}

proptest! {
    #[test]
    fn places_are_neither_lost_nor_multiplied_and_none_is_free_while_one_may_be_had(
        events in events(),
        places in 1..5_u16,
    ) {
        let turns = Turns::with_limit(places, 3);
        let mut all: Vec<Modelled> = Vec::new();
        for event in events {
            let count = all.len().max(1);
            match event {
                Event::Begin(namespace, queue) => all.push(modelled(&turns, namespace, queue)),
                Event::Pause(place) => {
                    if let Some(one) = all.get_mut(place % count) {
                        let _ = one.work.as_mut().now_or_never();
                    }
                }
                Event::Resume(place) => {
                    if let Some(answer) = all.get_mut(place % count).and_then(|one| one.answer.take()) {
                        let _ = answer.send(());
                    }
                }
                Event::End(place) if !all.is_empty() => drop(all.swap_remove(place % count)),
                Event::End(_) => {}
            }
            let state = turns.lock();
            let held: usize = state.namespaces.values().map(|one| one.held).sum();
            prop_assert_eq!(held + state.free, usize::from(places));
            let within = |one: &NamespaceTurns| {
                let begun = one.queues.values().map(|queue| queue.begun);
                one.held <= state.share && one.begun <= 3 && begun.clone().all(|begun| begun <= 2)
                    && begun.sum::<usize>() == one.begun
            };
            prop_assert!(state.namespaces.values().all(within));
            let mut queued = state.namespaces.values().filter(|one| one.is_queued);
            prop_assert!(state.free == 0 || queued.next().is_none());
        }
        drop(all);
        prop_assert_eq!(turns.lock().free, usize::from(places));
        prop_assert!(turns.lock().order.is_empty());
    }
}
