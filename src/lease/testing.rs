//! A Lease in memory, and a way to it that can be disturbed.

use std::{
    future::pending,
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::core::Status;
use tokio::time::sleep;

use super::{Elector, LeaseSettings, LeaseStore};
use crate::{metrics::Metrics, shard::ShardCount};

pub(super) const DURATION: Duration = Duration::from_secs(15);

/// How the way to the cluster is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Weather {
    Fine,
    /// Requests fail at once and have no effect.
    Refuses,
    /// Requests are never answered and have no effect.
    Silent,
    /// Requests are answered after this time.
    Slow(Duration),
    /// Writes are done, but their answers are lost.
    LosesAnswers,
}

#[derive(Debug, Default)]
struct Kept {
    lease: Option<Lease>,
    version: u64,
    requests: Vec<&'static str>,
}

/// One candidate's way to the Lease.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    kept: Arc<Mutex<Kept>>,
    weather: Arc<Mutex<Weather>>,
}

impl Cluster {
    pub(super) fn new() -> Self {
        Self::sharing(Arc::default())
    }

    fn sharing(kept: Arc<Mutex<Kept>>) -> Self {
        Self {
            kept,
            weather: Arc::new(Mutex::new(Weather::Fine)),
        }
    }

    /// Another candidate's way to the same Lease.
    pub(super) fn neighbour(&self) -> Self {
        Self::sharing(self.kept.clone())
    }

    pub(super) fn turn(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }

    pub(super) fn requests(&self) -> Vec<&'static str> {
        mem::take(&mut self.kept.lock().unwrap().requests)
    }

    pub(super) fn lease(&self) -> Lease {
        self.kept.lock().unwrap().lease.clone().unwrap()
    }

    pub(super) fn holder(&self) -> Option<String> {
        self.lease().spec.unwrap().holder_identity
    }

    /// Someone else deletes the Lease.
    pub(super) fn delete(&self) {
        self.kept.lock().unwrap().lease = None;
    }

    /// Someone else writes.
    pub(super) fn edit(&self, edit: impl FnOnce(&mut Lease)) {
        let mut kept = self.kept.lock().unwrap();
        let mut lease = kept.lease.clone().unwrap_or_default();
        edit(&mut lease);
        kept.keep(lease);
    }

    pub(super) fn elector(&self, identity: &str) -> Elector<Self> {
        self.elector_with(settings(identity, ShardCount::ONE))
    }

    /// A candidate to whom this is the only Lease there is.
    pub(super) fn elector_with(&self, settings: LeaseSettings) -> Elector<Self> {
        let store = |number| match number {
            1 => self.clone(),
            _ => Self::new(),
        };
        Elector::with_stores(store, settings, Metrics::new())
    }

    async fn request<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut Kept) -> kube::Result<T>,
    ) -> kube::Result<T> {
        let weather = *self.weather.lock().unwrap();
        match weather {
            Weather::Silent => return pending().await,
            Weather::Refuses => return Err(refusal(503)),
            Weather::Slow(pause) => sleep(pause).await,
            Weather::Fine | Weather::LosesAnswers => {}
        }
        let mut kept = self.kept.lock().unwrap();
        kept.requests.push(name);
        let answer = effect(&mut kept);
        if weather == Weather::LosesAnswers && name != "get" {
            return Err(refusal(504));
        }
        answer
    }
}

/// The Leases of all shards.
#[derive(Clone, Debug)]
pub(super) struct Family(Vec<Cluster>);

impl Family {
    pub(super) fn new() -> Self {
        Self((0..ShardCount::MAX).map(|_| Cluster::new()).collect())
    }

    /// Another candidate's way to the same Leases.
    pub(super) fn neighbour(&self) -> Self {
        Self(self.0.iter().map(Cluster::neighbour).collect())
    }

    /// The way to the Lease of a shard.
    pub(super) fn of(&self, number: u8) -> &Cluster {
        &self.0[usize::from(number) - 1]
    }

    /// A candidate for one of this number of shards.
    pub(super) fn elector(&self, identity: &str, shards: u8) -> Elector<Cluster> {
        let settings = settings(identity, ShardCount::new(shards).unwrap());
        Elector::with_stores(|number| self.of(number).clone(), settings, Metrics::new())
    }
}

pub(super) fn settings(identity: &str, shards: ShardCount) -> LeaseSettings {
    LeaseSettings {
        namespace: "default".to_owned(),
        name: "industrydata-operator".to_owned(),
        shards,
        identity: identity.to_owned(),
        duration: DURATION,
    }
}

impl Kept {
    fn keep(&mut self, mut lease: Lease) -> Lease {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        lease
    }
}

impl LeaseStore for Cluster {
    async fn get(&self) -> kube::Result<Option<Lease>> {
        self.request("get", |kept| Ok(kept.lease.clone())).await
    }

    async fn create(&self, lease: &Lease) -> kube::Result<Lease> {
        self.request("create", |kept| match &kept.lease {
            None => Ok(kept.keep(lease.clone())),
            Some(_) => Err(refusal(409)),
        })
        .await
    }

    async fn replace(&self, lease: &Lease) -> kube::Result<Lease> {
        self.request("replace", |kept| match &kept.lease {
            Some(there) if there.metadata.resource_version == lease.metadata.resource_version => {
                Ok(kept.keep(lease.clone()))
            }
            _ => Err(refusal(409)),
        })
        .await
    }
}

fn refusal(code: u16) -> kube::Error {
    kube::Error::Api(Box::new(
        Status::failure("refused", "Refused").with_code(code),
    ))
}
