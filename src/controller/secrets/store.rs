//! What is known of each Secret in use, and when each is to be read again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use crate::controller::index::Name;
use crate::plan::{Digest, secret};

use super::value::{Flaw, SecretVersion, Value};

/// What is known of each Secret in use. Values are not part of it.
#[derive(Default)]
pub struct SecretStore {
    slots: HashMap<Name, SecretSlot>,
    /// When each Secret is to be read again; the earliest first.
    due: BTreeSet<(Instant, Name)>,
}

#[derive(Default)]
struct SecretSlot {
    known: Option<Known>,
    /// When the first and the last of consecutive reads that failed began.
    failed: Option<(Instant, Instant)>,
    due: Option<Instant>,
    /// Held while the Secret is being read, so that concurrent callers share one request.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The result of a read.
#[derive(Clone, Debug)]
pub struct Known {
    /// When the read began.
    pub began: Instant,
    /// Version of the Secret.
    pub version: SecretVersion,
    /// The digest of the value under each key in use, or why the value cannot be used.
    pub digests: BTreeMap<String, Result<Digest, Flaw>>,
    /// When the values expire, according to an annotation of the Secret.
    pub expiry: Option<Timestamp>,
    /// Number of consecutive reads in which a value could not be used, including this one.
    pub flaws: u32,
}

/// A difference between two reads of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The key.
    pub key: String,
    /// How its value has changed.
    pub kind: ChangeKind,
}

/// How the value under a key has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Another value can be used now.
    Replaced,
    /// The value has become usable or unusable, or cannot be used for another reason.
    Availability,
}

impl SecretStore {
    /// Returns the lock that is held while a Secret is being read.
    pub fn turn(&mut self, name: &Name) -> Arc<tokio::sync::Mutex<()>> {
        self.slot(name).turn.clone()
    }

    /// Returns the value under a key, or why it cannot be used; or `None` if a read is needed, because nothing is known
    /// or because what is known is older than `max_age`.
    ///
    /// Without any age, the read must have begun after the call. After a read that failed, what is known stays valid
    /// until another one is due, whatever its age: otherwise each caller would wait for the time limit of a request.
    pub fn value(
        &mut self,
        name: &Name,
        key: &str,
        called: Instant,
        max_age: Duration,
    ) -> Option<Result<Value, Flaw>> {
        let slot = self.slots.get(name)?;
        let known = slot.known.as_ref()?;
        let digest = *known.digests.get(key)?;
        let valid_until = known.began + secret::validity(max_age, known.flaws);
        let is_failing = slot.failed.is_some_and(|(_, last)| last + max_age > called);
        if known.began < called && valid_until <= called && (!is_failing || max_age.is_zero()) {
            return None;
        }
        let value = digest.map(|digest| Value {
            version: known.version.clone(),
            digest,
            expiry: known.expiry,
        });
        if !max_age.is_zero() && !is_failing {
            self.schedule(name, valid_until);
        }
        Some(value)
    }

    /// Returns when the value under a key was last read, if it can be used.
    pub fn confirmed(&self, name: &Name, key: &str) -> Option<Instant> {
        let known = self.slots.get(name)?.known.as_ref()?;
        known.digests.get(key)?.ok()?;
        Some(known.began)
    }

    /// Records the result of a read, and returns what has changed since the one before.
    pub fn record(&mut self, name: &Name, mut read: Known) -> Vec<KeyChange> {
        let slot = self.slot(name);
        let before = slot.known.take();
        if read.digests.values().any(Result::is_err) {
            let flaws = before.as_ref().map_or(0, |before| before.flaws);
            read.flaws = flaws.saturating_add(1);
        }
        let changes = before.map_or_else(Vec::new, |before| changes(&before, &read));
        slot.known = Some(read);
        slot.failed = None;
        changes
    }

    /// Records a read that began at this moment and failed. Returns for how long reads have failed, or `None` if there
    /// was no read before that could be used.
    pub fn failed(&mut self, name: &Name, began: Instant) -> Option<Duration> {
        let slot = self.slot(name);
        let (first, last) = slot.failed.get_or_insert((began, began));
        *last = began;
        let failing = began.duration_since(*first);
        let known = slot.known.as_ref()?;
        known.digests.values().any(Result::is_ok).then_some(failing)
    }

    /// Plans the next read for `moment`, unless an earlier one is planned.
    pub fn schedule(&mut self, name: &Name, moment: Instant) {
        let Some(slot) = self.slots.get_mut(name) else {
            return;
        };
        if slot.due.is_some_and(|due| due <= moment) {
            return;
        }
        if let Some(due) = slot.due.replace(moment) {
            self.due.remove(&(due, name.clone()));
        }
        self.due.insert((moment, name.clone()));
    }

    /// Returns until when the result of the last read is valid where the Secret is used with this interval.
    pub fn valid_until(&self, name: &Name, interval: Duration) -> Option<Instant> {
        let known = self.slots.get(name)?.known.as_ref()?;
        Some(known.began + secret::validity(interval, known.flaws))
    }

    /// Removes the Secrets that are due from the schedule, and returns them.
    pub fn take_due(&mut self, now: Instant) -> Vec<Name> {
        let mut names = Vec::new();
        while let Some((moment, name)) = self.due.pop_first() {
            if moment > now {
                self.due.insert((moment, name));
                break;
            }
            if let Some(slot) = self.slots.get_mut(&name) {
                slot.due = None;
            }
            names.push(name);
        }
        names
    }

    /// Forgets a Secret that is not in use.
    pub fn forget(&mut self, name: &Name) {
        if let Some(due) = self.slots.remove(name).and_then(|slot| slot.due) {
            self.due.remove(&(due, name.clone()));
        }
    }

    fn slot(&mut self, name: &Name) -> &mut SecretSlot {
        self.slots.entry(name.clone()).or_default()
    }
}

fn changes(before: &Known, now: &Known) -> Vec<KeyChange> {
    let change = |(key, now): (&String, &Result<Digest, Flaw>)| {
        let before = before.digests.get(key)?;
        let kind = match (before, now) {
            (before, now) if before == now => return None,
            (Ok(_), Ok(_)) => ChangeKind::Replaced,
            _ => ChangeKind::Availability,
        };
        let key = key.clone();
        Some(KeyChange { key, kind })
    };
    now.digests.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn name(name: &str) -> Name {
        Name::new("schools", name)
    }

    fn read<const N: usize>(began: Instant, digests: [(&str, Result<u8, Flaw>); N]) -> Known {
        let digest = |(key, value): (&str, Result<u8, Flaw>)| {
            (key.to_owned(), value.map(|byte| Digest::new([byte; 32])))
        };
        Known {
            began,
            version: SecretVersion::default(),
            expiry: None,
            digests: digests.into_iter().map(digest).collect(),
            flaws: 0,
        }
    }

    #[test]
    fn a_value_is_known_for_the_interval_and_read_again_on_request() {
        let (mut store, began, name) = (SecretStore::default(), Instant::now(), name("a"));
        store.record(&name, read(began, [("key", Ok(1))]));
        let mut is_known = |key: &str, after: Duration, max_age: Duration| {
            store.value(&name, key, began + after, max_age).is_some()
        };
        assert!(is_known("key", SECOND * 59, MINUTE));
        assert!(!is_known("key", MINUTE, MINUTE));
        assert!(!is_known("another", SECOND, MINUTE));
        assert!(!is_known("key", SECOND, Duration::ZERO));
        assert!(
            is_known("key", Duration::ZERO, Duration::ZERO),
            "concurrent callers share a read"
        );
    }

    #[test]
    fn a_missing_secret_is_known_for_a_second_and_then_for_longer() {
        let (mut store, began, name) = (SecretStore::default(), Instant::now(), name("a"));
        let mut known_for = || {
            store.record(&name, read(began, [("key", Err(Flaw::Missing))]));
            let mut ages = 1..100;
            let is_unknown = |seconds: &u32| {
                let now = began + SECOND * *seconds;
                store.value(&name, "key", now, MINUTE).is_none()
            };
            ages.find(is_unknown).unwrap()
        };
        let ages = [(); 8].map(|()| known_for());
        assert_eq!(ages, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn only_keys_whose_value_is_another_have_changed() {
        let (mut store, now, name) = (SecretStore::default(), Instant::now(), name("a"));
        let first = read(now, [("a", Ok(1)), ("b", Ok(1)), ("c", Ok(1))]);
        assert_eq!(store.record(&name, first), [], "nothing was known before");
        let second = read(
            now,
            [
                ("a", Ok(1)),
                ("b", Ok(2)),
                ("c", Err(Flaw::NoKey)),
                ("d", Ok(1)),
            ],
        );
        let change = |key: &str, kind| {
            let key = key.to_owned();
            KeyChange { key, kind }
        };
        let expected = [
            change("b", ChangeKind::Replaced),
            change("c", ChangeKind::Availability),
        ];
        assert_eq!(store.record(&name, second), expected);
        let third = read(now, [("c", Ok(1))]);
        let expected = [change("c", ChangeKind::Availability)];
        assert_eq!(store.record(&name, third), expected);
    }

    #[test]
    fn each_secret_is_due_once_at_the_earliest_of_its_times() {
        let (mut store, now) = (SecretStore::default(), Instant::now());
        for secret in ["a", "b", "c"] {
            store.record(&name(secret), read(now, [("key", Ok(1))]));
        }
        for (secret, seconds) in [("a", 30), ("a", 10), ("a", 20), ("b", 5), ("c", 7)] {
            store.schedule(&name(secret), now + SECOND * seconds);
        }
        store.forget(&name("c"));
        store.schedule(&name("unknown"), now);
        assert_eq!(store.take_due(now), []);
        assert_eq!(store.take_due(now + SECOND * 10), [name("b"), name("a")]);
        assert_eq!(store.take_due(now + MINUTE), []);
    }

    #[test]
    fn only_a_usable_value_confirms_a_credential() {
        let (mut store, now, name) = (SecretStore::default(), Instant::now(), name("a"));
        assert_eq!(store.confirmed(&name, "key"), None);
        store.record(&name, read(now, [("key", Ok(1))]));
        assert_eq!(store.confirmed(&name, "key"), Some(now));
        assert_eq!(store.confirmed(&name, "another"), None);
        store.record(&name, read(now, [("key", Err(Flaw::Missing))]));
        assert_eq!(store.confirmed(&name, "key"), None);
    }
}
