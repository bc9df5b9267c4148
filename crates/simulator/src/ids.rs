//! Identifiers and secrets that the service makes.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use uuid::{Builder, Uuid};

/// A seeded source of GUIDs: the same seed gives the same ids in the same order.
#[derive(Debug)]
pub(crate) struct Ids(StdRng);

impl Ids {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn guid(&mut self) -> String {
        Builder::from_random_bytes(self.0.random())
            .into_uuid()
            .to_string()
    }
}

/// An unguessable text, never made from the seed: tokens must not repeat from run to run.
pub(crate) fn opaque() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
