//! Room for the lists in memory, of all accounts together.
//!
//! The last list of each collection is kept, and a new one is gathered before that is dropped. A list that has no room
//! fails, and its collection then keeps none. The room of an account depends on what is free: each may have up to
//! [`SHARE`] times that. One account alone may therefore have 4/5 of [`PROCESS`], two of them 4/9 each, and ten of them
//! 4/41 each, which leaves 1/41, or 2 MiB, for others. The lists that fail are those of the accounts that have most.
//!
//! # Guarantees
//!
//! * The lists of the process have less than [`PROCESS`] bytes together, by their weight (`model.rs`).
//! * An account that has less than what is free is never refused.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Memory of all lists: one list of the largest size (`client/list.rs`) and its replacement take 64 MiB, 4/5 of this.
const PROCESS: usize = 80 * 1024 * 1024;

/// How many times the free memory an account may have.
const SHARE: usize = 4;

/// Number of bytes in use, by the process or by an account. Clones share the number.
#[derive(Clone, Debug, Default)]
pub(super) struct UsedBytes(Arc<AtomicUsize>);

impl UsedBytes {
    fn add(&self, bytes: usize) -> usize {
        self.0.fetch_add(bytes, Ordering::Relaxed) + bytes
    }
}

/// Bytes of one list, which count as used until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Claim {
    bytes: usize,
    account: UsedBytes,
    process: UsedBytes,
}

impl Claim {
    pub(super) fn new(account: &UsedBytes, process: &UsedBytes) -> Self {
        Self {
            bytes: 0,
            account: account.clone(),
            process: process.clone(),
        }
    }

    /// Returns the number of bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes some of the bytes, to release them apart from the others.
    pub(super) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self {
            bytes,
            account: self.account.clone(),
            process: self.process.clone(),
        }
    }

    /// Adds bytes, and returns whether there is room for them.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        let (account, process) = (self.account.add(bytes), self.process.add(bytes));
        account <= SHARE * PROCESS.saturating_sub(process)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        for used in [&self.account, &self.process] {
            used.0.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// Room of a list, which is free again once the last copy of the list is dropped. It does not distinguish lists.
#[derive(Clone, Debug, Default)]
pub struct Room {
    claim: Arc<Claim>,
}

impl Room {
    /// Takes some of the room of a list that has no copies yet, to release it apart from the rest.
    pub(super) fn split(&mut self, bytes: usize) -> Self {
        Arc::get_mut(&mut self.claim).map_or_else(Self::default, |claim| claim.split(bytes).into())
    }
}

impl From<Claim> for Room {
    fn from(claim: Claim) -> Self {
        Self {
            claim: Arc::new(claim),
        }
    }
}

impl PartialEq for Room {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    /// Lists until there is no room, and returns the lists that are kept, of a MiB each.
    fn fill(account: &UsedBytes, process: &UsedBytes) -> Vec<Claim> {
        let lists = (0..1000).map_while(|_| {
            let mut claim = Claim::new(account, process);
            claim.grow(MIB).then_some(claim)
        });
        lists.collect()
    }

    #[test]
    fn one_account_has_room_for_the_largest_list_and_its_replacement() {
        let (account, process) = (UsedBytes::default(), UsedBytes::default());
        let mut kept = Claim::default();
        for _ in 0..3 {
            let mut claim = Claim::new(&account, &process);
            assert!(claim.grow(32 * MIB));
            kept = claim;
        }
        let left = fill(&UsedBytes::default(), &process);
        assert_eq!(left.len(), 38, "4/5 of 80 - 32");
        drop(kept);
    }

    #[test]
    fn accounts_that_take_all_they_can_leave_room_for_a_small_one() {
        let process = UsedBytes::default();
        let large: Vec<_> = (0..20)
            .map(|_| fill(&UsedBytes::default(), &process))
            .collect();
        let kept: Vec<usize> = large.iter().map(Vec::len).collect();
        assert_eq!(kept[0], 64);
        assert!(kept.is_sorted_by(|one, next| one >= next), "{kept:?}");
        let mut claim = Claim::new(&UsedBytes::default(), &process);
        assert!(claim.grow(MIB / 4), "{kept:?}");
    }

    #[test]
    fn the_account_that_has_most_fails_once_others_have_lists() {
        let process = UsedBytes::default();
        let [large, other] = [UsedBytes::default(), UsedBytes::default()];
        let most = fill(&large, &process);
        assert_eq!(most.len(), 64);
        let few = fill(&other, &process);
        assert_eq!(few.len(), 12, "4/5 of what is left");
        assert!(!Claim::new(&large, &process).grow(1));
        assert!(Claim::new(&other, &process).grow(1));
        drop(most);
        assert!(Claim::new(&large, &process).grow(32 * MIB));
    }

    #[test]
    fn room_is_free_once_the_last_copy_of_the_list_is_dropped() {
        let (account, process) = (UsedBytes::default(), UsedBytes::default());
        let used = || process.0.load(Ordering::Relaxed);
        let mut claim = Claim::new(&account, &process);
        claim.grow(5);
        let part = Room::from(claim.split(2));
        let (rest, copy) = (Room::from(claim), part.clone());
        assert_eq!(used(), 5);
        drop(part);
        assert_eq!(used(), 5);
        drop(copy);
        assert_eq!(used(), 3);
        drop(rest);
        assert_eq!((used(), account.0.load(Ordering::Relaxed)), (0, 0));
    }
}
