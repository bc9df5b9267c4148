//! Reader of Secrets: each by its name, never a list or a watch. Only the value under a key matters, not the version of
//! the Secret that contains it.
//!
//! A value is read again once it is older than the interval between polls. Reconciles do so on demand, and
//! [`keep`](Secrets::keep) for all Secrets in use; whichever read finds a change wakes the resources that use the value.

mod body;
mod fetch;
pub(super) mod store;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kube::runtime::reflector::ObjectRef;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::api::{GraphConnection, SecretKeyReference};
use crate::failure_log::FailureLog;
use crate::plan::credential::CredentialSource;
use crate::plan::{Blocked, secret};
use crate::telemetry::with_causes;

use super::error::{ReconcileError, Unavailable};
use super::index::{Name, SecretUse};
use super::object_name::ObjectName;
use super::triggers::Triggers;

use fetch::{Contents, fetch};
use store::{Known, SecretStore};
use value::{Flaw, misnamed};
pub use value::{Value, digest_of};

/// Interval between checks for Secrets that are due. 1 s is also the shortest interval between polls.
const TICK: Duration = Duration::from_secs(1);

/// Number of Secrets that a process reads at the same time. A response has at most 4 MiB, so that these take at most
/// 16 MiB.
pub const MAX_CONCURRENT_READS: usize = 4;

/// Time until the next check of a Secret that is not read at present: everything that uses it is suspended.
const UNUSED: Duration = Duration::from_mins(5);

/// Reader of Secrets. It remembers the version and the digest of each key in use, never the value.
pub struct Secrets {
    client: kube::Client,
    triggers: Triggers,
    store: Mutex<SecretStore>,
    reads: Arc<Semaphore>,
    failures: Mutex<FailureLog>,
}

impl Secrets {
    /// Creates a reader that reads with `client`, as many at a time as `reads` permits, and reports changes to
    /// `triggers`.
    pub fn new(client: kube::Client, reads: Arc<Semaphore>, triggers: Triggers) -> Self {
        Self {
            client,
            triggers,
            store: Mutex::default(),
            reads,
            failures: Mutex::default(),
        }
    }

    /// Returns the digest of a key's value. The Secret is read only if what is known of it is older than `max_age`;
    /// without any age, it is read in any case.
    ///
    /// # Errors
    ///
    /// If the request to the cluster failed, or if a person must fix something.
    pub async fn value(
        &self,
        namespace: &str,
        reference: &SecretKeyReference,
        max_age: Duration,
    ) -> Result<Value, Unavailable> {
        let called = Instant::now();
        let object = object_name(reference)?;
        let name = Name::new(namespace, &reference.name);
        let known = || {
            let known = self.store().value(&name, &reference.key, called, max_age);
            known.map(|value| value.map_err(|flaw| flaw.blocks(reference).into()))
        };
        if let Some(known) = known() {
            return known;
        }
        let turn = self.store().turn(&name);
        let _turn = turn.lock().await;
        // Another caller may have read it in the meantime.
        if let Some(known) = known() {
            return known;
        }
        let interval = max_age.max(TICK);
        self.store().schedule(&name, called + interval);
        let keys = BTreeSet::from([reference.key.clone()]);
        match self.look(&name, &object, keys).await {
            Ok(mut contents) => {
                self.plan_next(&name, interval);
                let (_, value) = take(&mut contents, reference)?;
                Ok(value)
            }
            // Until it can be read again, what is known stays valid, for reconciles as for polls.
            Err(error) => known().unwrap_or_else(|| Err(error.into())),
        }
    }

    /// Reads the values of these keys, those of one Secret with one request.
    ///
    /// # Errors
    ///
    /// If a request to the cluster failed, or if a person must fix something.
    pub async fn read(
        &self,
        namespace: &str,
        references: &[&SecretKeyReference],
    ) -> Result<Vec<(SecretString, Value)>, Unavailable> {
        let mut contents = BTreeMap::new();
        for reference in references {
            if contents.contains_key(&reference.name) {
                continue;
            }
            let object = object_name(reference)?;
            let name = Name::new(namespace, &reference.name);
            let same = references.iter().filter(|it| it.name == reference.name);
            let keys = same.map(|it| it.key.clone()).collect();
            let turn = self.store().turn(&name);
            let _turn = turn.lock().await;
            contents.insert(&reference.name, self.look(&name, &object, keys).await?);
        }
        let value = |reference: &&SecretKeyReference| {
            let contents = contents.get_mut(&reference.name);
            let contents = contents.ok_or_else(|| Flaw::Missing.blocks(reference))?;
            Ok(take(contents, reference)?)
        };
        references.iter().map(value).collect()
    }

    /// Returns when the credential of a connection was last seen in the cluster, or `None` if it cannot be used. A
    /// service account is looked at whenever a token is needed, so it counts as seen.
    pub fn confirmed(&self, connection: &ObjectRef<GraphConnection>) -> Option<Instant> {
        let namespace = connection.namespace.as_deref().unwrap_or_default();
        let connection = self
            .triggers
            .index
            .connection(namespace, &connection.name)?;
        let source = CredentialSource::of(&connection).ok()?;
        let mut earliest = Instant::now();
        for reference in source.keys() {
            let name = Name::new(namespace, &reference.name);
            let confirmed = self.store().confirmed(&name, &reference.key)?;
            earliest = earliest.min(confirmed);
        }
        Some(earliest)
    }

    /// Reads each Secret in use again when its interval is over. Does not end.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            if AssertUnwindSafe(self.round()).catch_unwind().await.is_err() {
                self.triggers.panicked();
            }
        }
    }

    async fn round(&self) {
        let due = self.store().take_due(Instant::now());
        futures::stream::iter(due)
            .for_each_concurrent(MAX_CONCURRENT_READS, |name| async move {
                self.check(&name).await;
            })
            .await;
    }

    /// Reads a Secret that is due, unless it is not in use or has been read in the meantime.
    async fn check(&self, name: &Name) {
        let (Some(used), Ok(object)) = (self.used(name), name.name.parse()) else {
            return self.store().forget(name);
        };
        let now = Instant::now();
        let Some(interval) = used.interval.map(secret::interval) else {
            return self.store().schedule(name, now + UNUSED);
        };
        let turn = self.store().turn(name);
        let _turn = turn.lock().await;
        let valid = self.store().valid_until(name, interval);
        if let Some(valid) = valid.filter(|valid| *valid > now) {
            return self.store().schedule(name, valid);
        }
        let read = self.look(name, &object, BTreeSet::new()).await;
        self.log(read.map(drop));
        // What could not be read at all is read at the next interval; the reconciles that need it repeat more often.
        let next = self.store().valid_until(name, interval);
        let next = next.filter(|next| *next > now);
        self.store().schedule(name, next.unwrap_or(now + interval));
    }

    /// Reads the keys of a Secret that are in use, and these, records the result and wakes whom it concerns.
    async fn look(
        &self,
        name: &Name,
        object: &ObjectName,
        mut keys: BTreeSet<String>,
    ) -> Result<Contents, ReconcileError> {
        keys.extend(self.used(name).map(|used| used.keys).unwrap_or_default());
        // The semaphore is never closed.
        let _permit = self.reads.acquire().await;
        let began = Instant::now();
        let contents = fetch(&self.client, &name.namespace, object, keys).await;
        let contents = match contents {
            Ok(contents) if contents.is_refused() => {
                let failing = self.store().failed(name, began);
                let is_believed = failing.is_none_or(secret::is_refusal_believed);
                is_believed
                    .then_some(contents)
                    .ok_or_else(|| refusal(name))?
            }
            contents => contents.inspect_err(|_| {
                self.store().failed(name, began);
            })?,
        };
        let digest = |(key, value): (&String, &Result<SecretString, Flaw>)| {
            let digest = value.as_ref().map(digest_of).map_err(|flaw| *flaw);
            (key.clone(), digest)
        };
        let known = Known {
            began,
            version: contents.version.clone(),
            expiry: contents.expiry,
            digests: contents.values.iter().map(digest).collect(),
            flaws: 0,
        };
        for change in self.store().record(name, known) {
            self.triggers.secret_changed(name, &change);
        }
        Ok(contents)
    }

    fn plan_next(&self, name: &Name, interval: Duration) {
        let mut store = self.store();
        if let Some(valid) = store.valid_until(name, interval) {
            store.schedule(name, valid);
        }
    }

    fn used(&self, name: &Name) -> Option<SecretUse> {
        self.triggers.index.use_of_secret(name)
    }

    fn log(&self, read: Result<(), ReconcileError>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(()) => {
                failures.succeeded();
            }
            Err(error) => {
                if let Some(count) = failures.failed(error.class()) {
                    let error = with_causes(&error);
                    tracing::warn!(error, count, "failed to check whether a Secret has changed");
                }
            }
        }
    }

    fn store(&self) -> MutexGuard<'_, SecretStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn object_name(reference: &SecretKeyReference) -> Result<ObjectName, Blocked> {
    let name = reference.name.parse();
    name.map_err(|error| misnamed(reference, error))
}

fn refusal(name: &Name) -> ReconcileError {
    ReconcileError::Cluster {
        operation: "read",
        object: format!("Secret {}/{}", name.namespace, name.name),
        source: Box::new(kube::Error::Service("the API server refuses it".into())),
    }
}

/// Takes the value of a key out of the contents of a Secret.
fn take(
    contents: &mut Contents,
    reference: &SecretKeyReference,
) -> Result<(SecretString, Value), Blocked> {
    let found = contents.values.remove(&reference.key);
    let text = found.unwrap_or(Err(Flaw::NoKey));
    let text = text.map_err(|flaw| flaw.blocks(reference))?;
    let value = Value {
        version: contents.version.clone(),
        digest: digest_of(&text),
        expiry: contents.expiry,
    };
    Ok((text, value))
}

#[cfg(test)]
mod tests;
