//! One run for one resource.

use std::sync::Arc;

use kube::runtime::events::{Event as ClusterEvent, EventType};
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock;
use crate::failpoint;
use crate::graph::Lane;
use crate::metrics::{ReconcileOutcome, Write};
use crate::plan::event::{self, Event, Severity};
use crate::plan::resource::{is_deleting, is_held};
use crate::plan::{
    self, Action, Observed, Outcome, Permit, Plan, Read, ResourceStep, SharedStatus, Step, View,
};
use crate::poll::Snapshot;
use crate::telemetry::with_causes;

use super::cluster::{self, Precondition};
use super::context::Context;
use super::error::Error;
use super::remote::{Located, Remote};

/// One run for one resource.
pub(super) struct Run<'a, K: Remote> {
    context: &'a Context,
    started: Instant,
    located: Located,
    observed: Observed<K>,
    events: Vec<Event>,
}

impl<'a, K: Remote> Run<'a, K> {
    /// Gathers everything that is known, without asking the service for more than it has shown already.
    pub(super) async fn observe(seen: Arc<K>, context: &'a Context) -> Result<Self, Error> {
        let started = Instant::now();
        let resource = newest(seen, context).await?;
        let located = resource.locate(context).await?;
        let around = resource.around(context).await?;
        let latest = located.as_ref().ok().and_then(K::latest);
        let observed = Observed {
            status: resource.status().cloned().unwrap_or_default(),
            now: clock::now(),
            uuid: Uuid::new_v4(),
            place: located
                .as_ref()
                .map(|way| way.place.clone())
                .map_err(Clone::clone),
            collection: latest.map(|snapshot| read(&snapshot, started)),
            around,
            memory: K::notebook(context).memory(&resource),
            run: plan::Run::default(),
            limits: context.limits,
            resource,
        };
        Ok(Self {
            context,
            started,
            located,
            observed,
            events: Vec::new(),
        })
    }

    /// Decides, and takes over everything but the step.
    pub(super) fn plan(&mut self) -> Plan<K> {
        self.observed.now = clock::now();
        let mut plan = K::plan(&self.observed);
        self.observed.run.outcome = None;
        self.observed.status = plan.status.clone();
        self.observed.memory = plan.memory;
        self.events.append(&mut plan.events);
        K::notebook(self.context).remember(&self.observed.resource, plan.memory);
        plan
    }

    /// Carries out one step and takes its outcome into account.
    pub(super) async fn execute(&mut self, step: Step<K::Change>) -> Result<(), Error> {
        match step {
            Step::Look => self.look().await,
            Step::Resource(step) => self.write(step).await?,
            Step::Remote(change) => self.change(change).await?,
        }
        Ok(())
    }

    /// Writes the status if it differs from what the cluster holds, and publishes what happened.
    pub(super) async fn report(mut self) -> Result<(), Error> {
        let resource = self.observed.resource.clone();
        let known = resource.status().cloned().unwrap_or_default();
        let gone = is_deleting(&*resource) && !is_held(&*resource);
        if known != self.observed.status && !gone {
            self.write_status(Precondition::SameStatus, Write::Status)
                .await?;
            K::count(&known, &self.observed.status, &self.context.metrics);
            self.publish_transition(&known).await;
        }
        for event in std::mem::take(&mut self.events) {
            self.publish(event.severity, event.reason, event.message)
                .await;
        }
        if gone {
            K::notebook(self.context).forget(&resource);
        } else {
            K::notebook(self.context).succeeded(&resource);
        }
        self.context
            .metrics
            .reconciled(K::LABEL, ReconcileOutcome::Done);
        Ok(())
    }

    pub(super) fn endless(&self) -> Error {
        Error::Endless {
            object: cluster::called(&*self.observed.resource),
        }
    }

    async fn look(&mut self) {
        if let Ok(way) = &self.located {
            let snapshot = K::look(way, self.started, Lane::Change).await;
            self.observed.collection = snapshot.map(|snapshot| read(&snapshot, self.started));
        }
    }

    async fn write(&mut self, step: ResourceStep) -> Result<(), Error> {
        let (client, resource) = (&self.context.cluster, &*self.observed.resource);
        let (written, write) = match step {
            ResourceStep::Hold => (cluster::hold(client, resource).await?, Write::Hold),
            ResourceStep::Claim(attempt) => {
                self.observed.run.permit = Some(Permit::Create);
                (
                    cluster::claim(client, resource, &attempt).await?,
                    Write::Claim,
                )
            }
            ResourceStep::Unclaim => (cluster::unclaim(client, resource).await?, Write::Unclaim),
            ResourceStep::Release => (cluster::release(client, resource).await?, Write::Release),
            ResourceStep::Record => {
                self.observed.run.permit = Some(Permit::Reset);
                return self
                    .write_status(Precondition::Unchanged, Write::Record)
                    .await;
            }
        };
        self.wrote(written, write);
        Ok(())
    }

    async fn change(&mut self, change: K::Change) -> Result<(), Error> {
        self.observed.run.permit = None;
        let Ok(way) = &self.located else {
            return Ok(());
        };
        if !self
            .context
            .holding
            .covers(way.session.client.longest_call())
        {
            return Err(Error::NotLeading {
                object: cluster::called(&*self.observed.resource),
            });
        }
        let change = self.observed.resource.change(change, way, self.context);
        let changed = failpoint::around(change).await?;
        self.observed.run.outcome = Some(match changed.outcome {
            Err(verdict) => Outcome::Failed(changed.action, verdict),
            Ok(created) => {
                if let Some(item) = created {
                    show(&mut self.observed.collection, item);
                }
                self.observed.run.written |=
                    matches!(changed.action, Action::Create | Action::Update);
                Outcome::Done(changed.action)
            }
        });
        Ok(())
    }

    async fn write_status(
        &mut self,
        precondition: Precondition,
        write: Write,
    ) -> Result<(), Error> {
        let (client, resource) = (&self.context.cluster, &*self.observed.resource);
        let status = &self.observed.status;
        let written = cluster::write_status(client, resource, status, precondition).await?;
        self.wrote(written, write);
        Ok(())
    }

    fn wrote(&mut self, written: K, write: Write) {
        let written = Arc::new(written);
        K::notebook(self.context).wrote(&written);
        self.context.metrics.wrote(K::LABEL, write);
        self.observed.resource = written;
    }

    async fn publish_transition(&self, known: &K::Status) {
        let (old, new) = (known.conditions(), self.observed.status.conditions());
        if let Some((severity, reason, message)) = event::of_transition(old, new) {
            self.publish(severity, &reason, message).await;
        }
    }

    /// An event that cannot be published is no reason to repeat the run.
    async fn publish(&self, severity: Severity, reason: &str, message: String) {
        let event = ClusterEvent {
            type_: match severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: reason.to_owned(),
            note: Some(message),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let about = self.observed.resource.object_ref(&());
        let publishing = self.context.recorder.publish(&event, &about);
        match failpoint::around(publishing).await {
            Ok(()) => self.context.metrics.wrote(K::LABEL, Write::Event),
            Err(error) => tracing::warn!(error = with_causes(&error), "could not publish an event"),
        }
    }
}

/// The newest picture of a resource: from the watch, from the answer to our own last write, or, where an old picture
/// would mislead, from the cluster itself.
async fn newest<K: Remote>(seen: Arc<K>, context: &Context) -> Result<Arc<K>, Error> {
    let newest = K::notebook(context).newest(&seen);
    if !newest.is_in_doubt() {
        return Ok(newest);
    }
    let read = cluster::read(&context.cluster, &*newest).await?;
    // A resource that is gone has nothing more to do, even if the watch still shows it.
    let same = read.filter(|read| read.uid() == newest.uid());
    same.map(Arc::new).ok_or_else(|| Error::Outdated {
        object: cluster::called(&*newest),
    })
}

fn read<T: Clone>(snapshot: &Snapshot<T>, started: Instant) -> Read<T> {
    match &snapshot.outcome {
        Err(verdict) => Read::Unknown(verdict.clone()),
        Ok(listing) => Read::Known(View {
            listing: listing.clone(),
            began: snapshot.began_at,
            fresh: snapshot.began >= started,
        }),
    }
}

/// A created object is part of the list from now on.
fn show<T: Clone>(collection: &mut Option<Read<T>>, item: T) {
    if let Some(Read::Known(view)) = collection {
        Arc::make_mut(&mut view.listing).items.push(item);
    }
}
