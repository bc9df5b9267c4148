//! The waiters of a budget, in order of service.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::Notify;

use super::Priority;

/// Queues of waiters, one for each priority, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    priorities: [VecDeque<Waiter>; Priority::ALL.len()],
    arrivals: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    call: Arc<Notify>,
}

/// Handle of a waiter to its place in the queue.
#[derive(Debug)]
pub(super) struct Ticket {
    priority: Priority,
    number: u64,
    call: Arc<Notify>,
}

impl Ticket {
    /// Waits until the waiter should make another attempt. A notification that came before is not lost.
    pub(super) async fn notified(&self) {
        self.call.notified().await;
    }
}

impl Queue {
    pub(super) fn enter(&mut self, priority: Priority) -> Ticket {
        let number = self.arrivals;
        self.arrivals += 1;
        let call = Arc::new(Notify::new());
        let waiter = Waiter {
            number,
            call: Arc::clone(&call),
        };
        self.priorities[priority as usize].push_back(waiter);
        Ticket {
            priority,
            number,
            call,
        }
    }

    pub(super) fn leave(&mut self, ticket: &Ticket) {
        let position = self.position(ticket);
        self.priorities[ticket.priority as usize].remove(position);
    }

    /// Returns how many waiters are served before this one.
    pub(super) fn ahead(&self, ticket: &Ticket) -> usize {
        let above: usize = self.priorities[..ticket.priority as usize]
            .iter()
            .map(VecDeque::len)
            .sum();
        above + self.position(ticket)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self, priority: Priority) -> usize {
        self.priorities[priority as usize].len()
    }

    pub(super) fn wake_first(&self) {
        if let Some(waiter) = self.priorities.iter().find_map(VecDeque::front) {
            waiter.call.notify_one();
        }
    }

    /// Returns the index of a ticket. Ticket numbers increase within a priority, so binary search works.
    fn position(&self, ticket: &Ticket) -> usize {
        let priority = &self.priorities[ticket.priority as usize];
        priority.partition_point(|waiter| waiter.number < ticket.number)
    }
}
