//! Memory of the lists that are kept, of all accounts together.
//!
//! The last list of each collection is kept, and a new one is gathered before it is released. A list that has no room
//! fails, and its collection then keeps none. The room of an account depends on what is free: each may have up to
//! [`SHARE`] times that. One account alone may therefore have 4/5 of [`PROCESS`], two of them 4/9 each, and ten of them
//! 4/41 each, which leaves 1/41, or 2 MiB, for others. The lists that fail are those of the accounts that have most.
//!
//! # Guarantees
//!
//! * The lists of the process have less than [`PROCESS`] bytes together, by their weight (`model.rs`).
//! * An account that has less than what is free is never refused.
//!
//! # Caveats
//!
//! The list of a collection that is no longer polled counts until [`OLDEST`].

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use url::Url;

/// Memory of all lists: one list of the largest size (`client/list.rs`) and its replacement take 64 MiB, 4/5 of this.
const PROCESS: usize = 80 * 1024 * 1024;

/// How many times the free memory an account may have.
const SHARE: usize = 4;

/// Age from which a list counts as released. The longest interval between two lists of a collection is 24 h and a tenth.
const OLDEST: Duration = Duration::from_hours(27);

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
    pub(super) fn new(account: &KeptLists, process: &UsedBytes) -> Self {
        Self {
            bytes: 0,
            account: account.used.clone(),
            process: process.clone(),
        }
    }

    /// Returns the number of bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
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

/// The lists of an account that are kept, by their address.
#[derive(Debug, Default)]
pub(super) struct KeptLists {
    used: UsedBytes,
    lists: Mutex<HashMap<Url, KeptList>>,
}

#[derive(Debug)]
struct KeptList {
    since: Instant,
    _claim: Claim,
}

impl KeptLists {
    /// Records a list that replaces the one before.
    pub(super) fn replace(&self, list: Url, claim: Claim) {
        let mut lists = self.lock();
        lists.retain(|_, kept| kept.since.elapsed() < OLDEST);
        let since = Instant::now();
        lists.insert(
            list,
            KeptList {
                since,
                _claim: claim,
            },
        );
    }

    /// Records that a list failed, so that its collection keeps none.
    pub(super) fn release(&self, list: &Url) {
        self.lock().remove(list);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Url, KeptList>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn url(number: usize) -> Url {
        Url::parse(&format!("https://graph.test/{number}")).unwrap()
    }

    /// Lists until there is no room, and returns how much of it is kept.
    fn fill(account: &KeptLists, process: &UsedBytes) -> usize {
        for number in 0..1000 {
            let mut claim = Claim::new(account, process);
            if !claim.grow(MIB) {
                return number;
            }
            account.replace(url(number), claim);
        }
        unreachable!("there is a bound")
    }

    #[test]
    fn one_account_has_room_for_the_largest_list_and_its_replacement() {
        let (account, process) = (KeptLists::default(), UsedBytes::default());
        for _ in 0..3 {
            let mut claim = Claim::new(&account, &process);
            assert!(claim.grow(32 * MIB));
            account.replace(url(0), claim);
        }
        assert_eq!(fill(&KeptLists::default(), &process), 38, "4/5 of 80 - 32");
    }

    #[test]
    fn accounts_that_take_all_they_can_leave_room_for_a_small_one() {
        let process = UsedBytes::default();
        let large: Vec<KeptLists> = (0..20).map(|_| KeptLists::default()).collect();
        let kept: Vec<usize> = large.iter().map(|one| fill(one, &process)).collect();
        assert_eq!(kept[0], 64);
        assert!(kept.is_sorted_by(|one, next| one >= next), "{kept:?}");
        let small = KeptLists::default();
        let mut claim = Claim::new(&small, &process);
        assert!(claim.grow(MIB / 4), "{kept:?}");
    }

    #[test]
    fn the_account_that_has_most_fails_once_others_have_lists() {
        let process = UsedBytes::default();
        let [large, other] = [KeptLists::default(), KeptLists::default()];
        assert_eq!(fill(&large, &process), 64);
        assert_eq!(fill(&other, &process), 12, "4/5 of what is left");
        assert!(!Claim::new(&large, &process).grow(1));
        assert!(Claim::new(&other, &process).grow(1));
        for number in 0..64 {
            large.release(&url(number));
        }
        assert!(Claim::new(&large, &process).grow(32 * MIB));
    }

    #[test]
    fn what_is_dropped_replaced_or_old_is_free() {
        let (account, process) = (KeptLists::default(), UsedBytes::default());
        let used = || process.0.load(Ordering::Relaxed);
        for bytes in [3, 2] {
            let mut claim = Claim::new(&account, &process);
            claim.grow(bytes);
            account.replace(url(0), claim);
            assert_eq!(used(), bytes);
        }
        let mut claim = Claim::new(&account, &process);
        claim.grow(5);
        drop(claim);
        assert_eq!(used(), 2);
        drop(account);
        assert_eq!(used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_no_longer_read_is_free_in_the_end() {
        let (account, process) = (KeptLists::default(), UsedBytes::default());
        let keep = |number| {
            let mut claim = Claim::new(&account, &process);
            claim.grow(1);
            account.replace(url(number), claim);
            process.0.load(Ordering::Relaxed)
        };
        assert_eq!([keep(0), keep(1)], [1, 2]);
        tokio::time::advance(OLDEST).await;
        assert_eq!(keep(2), 1);
    }
}
