//! Who is waiting, and in which order.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::Notify;

use super::Lane;

/// Waiters in their lanes, each lane in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: [VecDeque<Waiter>; Lane::ALL.len()],
    arrivals: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    call: Arc<Notify>,
}

/// One waiter's hold on its place.
#[derive(Debug)]
pub(super) struct Ticket {
    lane: Lane,
    number: u64,
    call: Arc<Notify>,
}

impl Ticket {
    /// Returns when the waiter should look again. A call that came before is not lost.
    pub(super) async fn called(&self) {
        self.call.notified().await;
    }
}

impl Queue {
    pub(super) fn enter(&mut self, lane: Lane) -> Ticket {
        let number = self.arrivals;
        self.arrivals += 1;
        let call = Arc::new(Notify::new());
        let waiter = Waiter {
            number,
            call: Arc::clone(&call),
        };
        self.lanes[lane as usize].push_back(waiter);
        Ticket { lane, number, call }
    }

    pub(super) fn leave(&mut self, ticket: &Ticket) {
        let position = self.position(ticket);
        self.lanes[ticket.lane as usize].remove(position);
    }

    /// How many go before this one.
    pub(super) fn ahead(&self, ticket: &Ticket) -> usize {
        let above: usize = self.lanes[..ticket.lane as usize]
            .iter()
            .map(VecDeque::len)
            .sum();
        above + self.position(ticket)
    }

    pub(super) fn waiting(&self, lane: Lane) -> usize {
        self.lanes[lane as usize].len()
    }

    pub(super) fn wake_first(&self) {
        if let Some(waiter) = self.lanes.iter().find_map(VecDeque::front) {
            waiter.call.notify_one();
        }
    }

    /// Numbers grow along a lane, so the place is found by halving.
    fn position(&self, ticket: &Ticket) -> usize {
        let lane = &self.lanes[ticket.lane as usize];
        lane.partition_point(|waiter| waiter.number < ticket.number)
    }
}
