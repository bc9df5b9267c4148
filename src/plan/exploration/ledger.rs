//! What the service was made to do, and for whom. Nothing in it may be repeated.

use std::collections::{BTreeMap, BTreeSet};

/// What the service was made to do, and for whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// The objects created, by the uid of the resource that they were created for.
    created: BTreeMap<String, Vec<String>>,
    /// The objects deleted by somebody else.
    lost: Vec<String>,
    /// The resets that took effect, by uid and token.
    resets: BTreeMap<(String, String), u32>,
    /// The resets that have left a process, by uid and token, whatever became of them.
    left: BTreeSet<(String, String)>,
}

impl Ledger {
    /// A resource got an object. Another one is only right after somebody else has deleted the one before.
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

    /// A reset leaves a process.
    pub(super) fn left(&mut self, uid: &str, token: &str) {
        self.left.insert((uid.to_owned(), token.to_owned()));
    }

    /// Whether a reset has left a process.
    pub(super) fn has_left(&self, uid: &str, token: &str) -> bool {
        self.left.contains(&(uid.to_owned(), token.to_owned()))
    }

    /// Whether the object was created by the operator, and for whom.
    pub(super) fn creator(&self, id: &str) -> Option<&str> {
        let made =
            |(_, objects): &(&String, &Vec<String>)| objects.iter().any(|object| object == id);
        self.created.iter().find(made).map(|(uid, _)| uid.as_str())
    }
}
