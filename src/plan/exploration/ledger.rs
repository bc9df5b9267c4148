//! Ledger of the effects at the service, by resource. None of them may be repeated.

use std::collections::{BTreeMap, BTreeSet};

/// The effects at the service, by resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// The objects created, by the uid of the resource that they were created for.
    created: BTreeMap<String, Vec<String>>,
    /// The objects deleted by other clients.
    lost: Vec<String>,
    /// The resets that took effect, by uid and token.
    resets: BTreeMap<(String, String), u32>,
    /// The resets that were sent, by uid and token, whatever their outcome.
    left: BTreeSet<(String, String)>,
}

impl Ledger {
    /// Records an object created for a resource. Another one is only correct after another client has deleted the
    /// previous one.
    pub(super) fn created(&mut self, uid: &str, id: String) -> Result<(), String> {
        let objects = self.created.entry(uid.to_owned()).or_default();
        let twin = objects.iter().find(|object| !self.lost.contains(object));
        let verdict = twin.map_or(Ok(()), |twin| {
            Err(format!("{uid} has {twin} and created {id}"))
        });
        objects.push(id);
        verdict
    }

    pub(super) fn lost(&mut self, id: String) {
        self.lost.push(id);
    }

    pub(super) fn reset(&mut self, uid: &str, token: &str) -> Result<(), String> {
        let key = (uid.to_owned(), token.to_owned());
        let times = self.resets.entry(key).or_default();
        *times += 1;
        (*times == 1)
            .then_some(())
            .ok_or_else(|| format!("{uid} was reset {times} times for {token}"))
    }

    pub(super) fn resets(&self, uid: &str, token: &str) -> u32 {
        let key = (uid.to_owned(), token.to_owned());
        self.resets.get(&key).copied().unwrap_or_default()
    }

    /// Records that a reset was sent.
    pub(super) fn left(&mut self, uid: &str, token: &str) {
        self.left.insert((uid.to_owned(), token.to_owned()));
    }

    /// Returns whether a reset was sent.
    pub(super) fn has_left(&self, uid: &str, token: &str) -> bool {
        self.left.contains(&(uid.to_owned(), token.to_owned()))
    }

    /// Returns the resource for which the operator created the object, if any.
    pub(super) fn creator(&self, id: &str) -> Option<&str> {
        let made =
            |(_, objects): &(&String, &Vec<String>)| objects.iter().any(|object| object == id);
        self.created.iter().find(made).map(|(uid, _)| uid.as_str())
    }
}
