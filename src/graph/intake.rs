//! Bodies of responses, and how many of them may be in memory at the same time.
//!
//! A body has a place from its first byte until it has been parsed: a small one up to [`SMALL_BODY`], and then a large
//! one in addition. The process and each account have a limited number of both, so that no tenant can take all of them.
//!
//! # Memory
//!
//! The limit of the chart, 256 MiB, is meant for this at the same time:
//!
//! | | MiB |
//! |---|---|
//! | the program, TLS, connections, metrics | 40 |
//! | 5,000 flows at 8 KiB, with their entries in the index, the queues and the memory of reconciles | 40 |
//! | small bodies: 256 × 64 KiB | 16 |
//! | large bodies: 3 × 8 MiB | 24 |
//! | the lists that are kept (`kept.rs`) | 80 |
//! | pages of lists of the cluster (`controller/watch/mod.rs`) | 8 |
//! | **sum** | **208** |
//!
//! The rest is for what the allocator does not return at once. A test measures it: `tests/it/isolation/memory.rs`.
//!
//! # Guarantees
//!
//! * A small body never waits for a large one: it needs a small place only, and an account has [`ACCOUNT_SMALL`] of
//!   these, a fraction of all.
//! * There is no deadlock. Places are taken in one order: small before large, and of each the account's before the
//!   process's. What holds the last of them waits for nothing but its bytes.
//! * Every wait ends with the deadline of the request.

use std::{fmt, ops::Deref, sync::Arc};

use reqwest::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::Failure;

/// Largest body that is read. A page of Microsoft Graph is far below one megabyte.
pub(super) const MAX_BODY: usize = 8 * 1024 * 1024;

/// Largest body of a refusal that is read. An error of Microsoft Graph has less than one kilobyte.
pub(super) const MAX_ERROR_BODY: usize = SMALL_BODY;

/// Largest body for which a small place suffices: a page of 100 sets takes about 40 KiB.
const SMALL_BODY: usize = 64 * 1024;

const PROCESS_SMALL: usize = 256;
const PROCESS_LARGE: usize = 3;
/// As bodies are read within milliseconds, an account uses more than one or two of these only if its responses are
/// slow.
const ACCOUNT_SMALL: usize = 8;
const ACCOUNT_LARGE: usize = 1;

/// Places for bodies, of the process or of an account.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Intake {
    pub(super) fn of_process() -> Self {
        Self::with(PROCESS_SMALL, PROCESS_LARGE)
    }

    pub(super) fn of_account() -> Self {
        Self::with(ACCOUNT_SMALL, ACCOUNT_LARGE)
    }

    fn with(small: usize, large: usize) -> Self {
        Self {
            small: Arc::new(Semaphore::new(small)),
            large: Arc::new(Semaphore::new(large)),
        }
    }
}

/// Body of a response, with its places. It may contain anything, so `Debug` prints only its length.
#[derive(Default)]
pub(super) struct ReadBody {
    bytes: Vec<u8>,
    small: Vec<OwnedSemaphorePermit>,
    large: Vec<OwnedSemaphorePermit>,
}

impl fmt::Debug for ReadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadBody({} bytes)", self.bytes.len())
    }
}

impl Deref for ReadBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl ReadBody {
    /// Reads a body of at most `limit` bytes.
    pub(super) async fn read(
        mut response: Response,
        limit: usize,
        intakes: [&Intake; 2],
    ) -> Result<Self, Failure> {
        let mut body = Self::default();
        while let Some(chunk) = response.chunk().await? {
            let size = body.bytes.len() + chunk.len();
            if size > limit {
                return Err(Failure::TooLarge);
            }
            body.admit(size, intakes).await;
            body.bytes.extend_from_slice(&chunk);
        }
        // RFC 8259, section 8.1, allows parsers to ignore a byte order mark; serde_json does not ignore it.
        if body.bytes.starts_with(BYTE_ORDER_MARK) {
            body.bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(body)
    }

    /// Waits until there is a place for a body of this size.
    async fn admit(&mut self, size: usize, intakes: [&Intake; 2]) {
        if self.small.is_empty() {
            self.small = places(intakes.map(|intake| &intake.small)).await;
        }
        if size > SMALL_BODY && self.large.is_empty() {
            self.large = places(intakes.map(|intake| &intake.large)).await;
            // Memory is taken as it is written to, and growing by doubling would copy it.
            self.bytes.reserve_exact(MAX_BODY - self.bytes.len());
        }
    }
}

async fn places(semaphores: [&Arc<Semaphore>; 2]) -> Vec<OwnedSemaphorePermit> {
    let mut permits = Vec::with_capacity(semaphores.len());
    for semaphore in semaphores {
        // Fails only if the semaphore is closed, which it never is.
        permits.extend(Arc::clone(semaphore).acquire_owned().await);
    }
    permits
}

#[cfg(test)]
mod tests;
