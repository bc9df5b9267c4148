//! What resources are about to create or adopt, until the index shows it.

use std::collections::HashMap;

use crate::graph::model::{FlowSetId, FlowType};

use super::indexer::Name;
use super::keys::TenantKey;

/// A remote object that only one resource may create or adopt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// The flow of a type in a remote set.
    Flow(TenantKey, FlowSetId, FlowType),
    /// A remote set.
    Set(TenantKey, FlowSetId),
    /// A set of a display name, through a connection.
    Named(Name, String),
}

/// Claims, each with the uid of the resource that has it.
///
/// A resource keeps its claims until it has been reconciled to the end, or is gone: if the answer to a write is lost, the
/// write may still show.
#[derive(Debug, Default)]
pub struct Reservations {
    holders: HashMap<Claim, String>,
    claims: HashMap<String, Vec<Claim>>,
}

impl Reservations {
    /// Reserves an object, or returns `false` if another resource has reserved it.
    pub fn reserve(&mut self, claim: Claim, uid: &str) -> bool {
        let holder = self.holders.get(&claim);
        if let Some(holder) = holder {
            return holder == uid;
        }
        let claims = self.claims.entry(uid.to_owned()).or_default();
        claims.push(claim.clone());
        self.holders.insert(claim, uid.to_owned());
        true
    }

    /// Whether a resource has reserved anything.
    pub fn has(&self, uid: &str) -> bool {
        self.claims.contains_key(uid)
    }

    /// Releases everything that a resource has reserved.
    pub fn release(&mut self, uid: &str) {
        for claim in self.claims.remove(uid).into_iter().flatten() {
            self.holders.remove(&claim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_resource_has_reserved_is_refused_to_others_until_it_is_released() {
        let claim = |name: &str| Claim::Named(Name::new("schools", "contoso"), name.to_owned());
        let mut reservations = Reservations::default();
        assert!(reservations.reserve(claim("north"), "one"));
        assert!(reservations.reserve(claim("north"), "one"));
        assert!(!reservations.reserve(claim("north"), "other"));
        assert!(reservations.reserve(claim("south"), "other"));
        assert!(reservations.has("one"));
        reservations.release("one");
        assert!(!reservations.has("one"));
        assert!(reservations.reserve(claim("north"), "other"));
        reservations.release("other");
        assert!(reservations.holders.is_empty() && reservations.claims.is_empty());
    }
}
