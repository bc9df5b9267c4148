//! One reconcile of one resource.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock;
use crate::failpoint;
use crate::graph::Priority;
use crate::graph::verdict::{Certainty, Reason, Verdict};
use crate::metrics::{ReconcileResult, Write};
use crate::plan::event::Event;
use crate::plan::resource::{is_deleting, is_held, unresolved_attempt};
use crate::plan::{
    self, Action, Input, Memory, Outcome, Permit, Plan, ResourceStep, SharedStatus, Step,
};
use crate::poll::{ListRequest, ListSource};

use super::cluster::{self, Precondition};
use super::context::Context;
use super::error::{ReconcileError, settled};
use super::managed::{Connected, Located, Managed};
use super::turns::Turn;

mod observed;
mod publish;
mod reserve;

use observed::{add_created, newest, read};

/// One reconcile of one resource.
pub(super) struct Reconciliation<'a, K: Managed> {
    context: &'a Context,
    turn: &'a Turn,
    started: Instant,
    located: Located,
    input: Input<K>,
    /// Values from Secrets that a change needs, or `None` if they have not been read.
    secrets: Option<K::Secrets>,
    events: Vec<Event>,
    /// The conditions before this reconcile, which may write others on the way.
    conditions: Vec<Condition>,
    /// Why the last change failed, if it did.
    failure: Option<Verdict>,
}

impl<'a, K: Managed> Reconciliation<'a, K> {
    /// Collects everything that is known, without requests to the service.
    pub(super) async fn observe(
        seen: Arc<K>,
        context: &'a Context,
        turn: &'a Turn,
    ) -> Result<Self, ReconcileError> {
        let started = Instant::now();
        let resource = newest(seen, context).await?;
        let located = settled(Box::pin(resource.locate(context, turn)).await)?;
        let connected = located.as_ref().ok();
        let related = resource.related(connected, context).await?;
        let latest = connected.and_then(K::latest);
        let conditions = resource.status().map_or(&[][..], SharedStatus::conditions);
        let conditions = conditions.to_vec();
        let input = Input {
            status: resource.status().cloned().unwrap_or_default(),
            now: clock::now(),
            uuid: Uuid::new_v4(),
            target: located
                .as_ref()
                .map(|connected| connected.target.clone())
                .map_err(Clone::clone),
            collection: latest.map(|snapshot| read(&snapshot, started, context)),
            related,
            memory: K::cache(context).memory(&resource),
            effects: plan::Effects::default(),
            limits: context.limits,
            resource,
        };
        Ok(Self {
            context,
            turn,
            started,
            located,
            input,
            secrets: None,
            events: Vec::new(),
            conditions,
            failure: None,
        })
    }

    /// Plans the next step, and adopts everything else from the plan.
    pub(super) fn plan(&mut self) -> Plan<K> {
        self.input.now = clock::now();
        K::relate(&mut self.input, self.context);
        let mut plan = K::plan(&self.input);
        self.input.effects.outcome = None;
        self.input.status = plan.status.clone();
        self.remember(plan.memory.clone());
        self.events.append(&mut plan.events);
        plan
    }

    /// Executes one step and records its outcome for the next plan.
    ///
    /// # Guarantees
    ///
    /// A crash can happen before, during or after each step. What it leaves behind is safe, because a new process plans
    /// only from the cluster and the service:
    ///
    /// - `Refresh` and `Fetch` only read: a crash leaves nothing behind.
    /// - After `AddFinalizer`, the resource has a finalizer but no remote object; deleting the resource removes it.
    /// - After `WriteIntent`, the intent is in the cluster and the permit is lost. The next process cannot know whether
    ///   the request was sent, so it creates only after lists over the whole visibility window lack the object.
    /// - After `WriteStatus` with a reset, the status is `Sending`. The next process records `Unknown` and does not
    ///   send the request.
    /// - After a create, the intent proves that the object in the next list is ours.
    /// - After an update, the next process compares the object in a list and repeats the update if necessary.
    /// - After a delete, the finalizer is still there, so the next process verifies the deletion with a list.
    /// - After `ClearIntent` or `RemoveFinalizer`, the write is complete and there is nothing more to do.
    pub(super) async fn execute(&mut self, step: Step<K::Change>) -> Result<(), ReconcileError> {
        match step {
            Step::Refresh => self.refresh().await?,
            Step::Fetch => self.fetch().await,
            Step::Resource(step) => self.write(step).await?,
            Step::Remote(change) => self.change(change).await?,
        }
        Ok(())
    }

    /// Writes the status if it differs from the one in the cluster, and publishes the events.
    pub(super) async fn report(mut self) -> Result<(), ReconcileError> {
        let resource = self.input.resource.clone();
        let known = resource.status().cloned().unwrap_or_default();
        let gone = is_deleting(&*resource) && !is_held(&*resource);
        if known != self.input.status && !gone {
            self.reserve_adopted()?;
            self.write_status(Precondition::SameStatus, Write::Status)
                .await?;
            resource.count(&self.input.status, &self.context.metrics);
        }
        if !gone {
            self.publish_transition().await;
        }
        for event in std::mem::take(&mut self.events) {
            self.publish(&event).await;
        }
        self.log_trouble();
        // The entry of a removed resource is kept until the watch reports the removal, because the watch may still
        // contain an old version.
        K::cache(self.context).succeeded(&resource);
        self.context.index.release(&*resource);
        self.context
            .metrics
            .reconciled(K::LABEL, ReconcileResult::Done);
        Ok(())
    }

    pub(super) fn step_limit(&self) -> ReconcileError {
        ReconcileError::StepLimit {
            object: cluster::display_name(&*self.input.resource),
        }
    }

    /// Lists the collection. A list may take minutes, so it is not awaited while the operator stops.
    async fn refresh(&mut self) -> Result<(), ReconcileError> {
        let Ok(connected) = &self.located else {
            return Ok(());
        };
        // Before the first list, one that is in progress already is as good as another: the plan judges whether it is
        // fresh. So the reconciles of a start share one.
        let since = match self.input.collection {
            None => self.context.started,
            Some(_) => self.started,
        };
        let request = ListRequest {
            since,
            priority: Priority::Change,
            source: self.source(),
        };
        let listed = Box::pin(K::refresh(connected, request));
        let listed = self.context.stop.run_until_cancelled(listed);
        let snapshot = self.turn.pause(listed).await;
        let snapshot = snapshot.ok_or_else(|| ReconcileError::Stopping {
            object: cluster::display_name(&*self.input.resource),
        })?;
        self.input.collection =
            snapshot.map(|snapshot| read(&snapshot, self.started, self.context));
        Ok(())
    }

    /// Returns which list the plan may rely on. While it is uncertain whether a create took effect, only a documented
    /// one may prove that it did not.
    fn source(&self) -> ListSource {
        let Input {
            resource,
            status,
            memory,
            ..
        } = &self.input;
        let permit = memory.permit.as_ref();
        let uncertain = unresolved_attempt(&**resource, status.resolved_attempt(), permit);
        match uncertain {
            Some(_) => ListSource::Set,
            None => ListSource::Any,
        }
    }

    async fn fetch(&mut self) {
        if let (Ok(connected), Some(id)) = (&self.located, self.input.status.id()) {
            let fetched = Box::pin(K::fetch(connected, id));
            self.input.effects.fetched = Some(self.turn.pause(fetched).await);
        }
    }

    async fn write(&mut self, step: ResourceStep) -> Result<(), ReconcileError> {
        let permit = step.grants();
        if let Some(permit) = &permit
            && let Err(verdict) = self.prepare(permit).await?
        {
            let action = permit.action();
            self.input.effects.outcome = Some(Outcome::Failed(action, verdict));
            return Ok(());
        }
        match step {
            ResourceStep::WriteIntent { .. } => self.reserve()?,
            ResourceStep::WriteStatus(_) => self.reserve_adopted()?,
            _ => {}
        }
        let (client, resource) = (&self.context.cluster, &*self.input.resource);
        let (written, write) = match step {
            ResourceStep::AddFinalizer => (
                cluster::add_finalizer(client, resource).await,
                Write::AddFinalizer,
            ),
            ResourceStep::WriteIntent { attempt, .. } => (
                cluster::write_intent(client, resource, &attempt).await,
                Write::WriteIntent,
            ),
            ResourceStep::ClearIntent => (
                cluster::clear_intent(client, resource).await,
                Write::ClearIntent,
            ),
            ResourceStep::RemoveFinalizer => (
                cluster::remove_finalizer(client, resource).await,
                Write::RemoveFinalizer,
            ),
            ResourceStep::WriteStatus(_) => {
                let status = &self.input.status;
                let unchanged = Precondition::Unchanged;
                let written = cluster::write_status(client, resource, status, unchanged).await;
                (written, Write::StatusIntent)
            }
        };
        // A write whose response was lost may have succeeded: if the next reconcile finds the intent, it is this one,
        // and no request was sent for it.
        let may_be_written = !matches!(written, Err(ReconcileError::Conflict { .. }));
        if may_be_written && permit.is_some() {
            self.permit(permit);
        }
        self.wrote(written?, write);
        Ok(())
    }

    /// Checks everything that can fail before the first byte of a request is sent, so that no intent is written for a
    /// request that cannot be sent.
    async fn prepare(&mut self, permit: &Permit) -> Result<Result<(), Verdict>, ReconcileError> {
        self.read_secrets(permit.action()).await?;
        let Ok(connected) = &self.located else {
            return Ok(Ok(()));
        };
        let prepared = connected.session.client.prepare(K::operation(permit));
        if let Err(error) = self.turn.pause(Box::pin(prepared)).await {
            return Ok(Err(error.verdict()));
        }
        self.covered(connected)?;
        Ok(Ok(()))
    }

    /// Reads the Secrets that a create or an update needs, once per reconcile.
    async fn read_secrets(&mut self, action: Action) -> Result<(), ReconcileError> {
        let needed = matches!(action, Action::Create | Action::Update);
        if needed && self.secrets.is_none() {
            let secrets = self.input.resource.secrets(self.context);
            self.secrets = Some(secrets.await?);
        }
        Ok(())
    }

    fn covered(&self, connected: &Connected) -> Result<(), ReconcileError> {
        let covers = self
            .context
            .lease_guard
            .covers(connected.session.client.longest_call());
        let covers = covers && !failpoint::is_not_covered();
        covers
            .then_some(())
            .ok_or_else(|| ReconcileError::NotLeading {
                object: cluster::display_name(&*self.input.resource),
            })
    }

    /// Sends a change to the service. The permit is kept if the reconcile ends before the request is sent, so that the
    /// next reconcile of this process continues.
    async fn change(&mut self, change: K::Change) -> Result<(), ReconcileError> {
        self.read_secrets(K::action(&change)).await?;
        let Ok(connected) = &self.located else {
            return Ok(());
        };
        self.covered(connected)?;
        self.reserve()?;
        let secrets = self.secrets.take().unwrap_or_default();
        let action = K::action(&change);
        let memory = &mut self.input.memory;
        // The permit is used up before the call, not after it: if the call panics or its future is dropped, the request may
        // have been sent, and a permit that survived would allow the next reconcile to send it again.
        let used = memory.permit.take_if(|permit| permit.action() == action);
        self.input.effects.used.clone_from(&used);
        K::cache(self.context).remember(&self.input.resource, self.input.memory.clone());
        let changed = failpoint::around(Box::pin(K::change(change, connected, secrets)));
        let changed = self.turn.pause(changed).await;
        if changed.action == Action::Delete {
            // The earlier list does not reflect the effect of the request.
            self.input.collection = None;
        }
        self.input.effects.outcome = Some(match changed.outcome {
            Err(verdict) => {
                let is_refusal = verdict.reason == Reason::Forbidden;
                let turn = is_refusal.then(|| connected.session.retry_after_refusal());
                self.input.effects.turn = turn.and_then(|turn| turn.try_into().ok());
                // The request certainly never left, so the permit is still valid.
                if verdict.certainty == Certainty::NotSent && used.is_some() {
                    self.permit(used);
                }
                self.failure = Some(verdict.clone());
                Outcome::Failed(changed.action, verdict)
            }
            Ok(created) => {
                if let Some(item) = created {
                    add_created(&mut self.input.collection, item);
                }
                self.input.effects.written |=
                    matches!(changed.action, Action::Create | Action::Update);
                Outcome::Done(changed.action)
            }
        });
        Ok(())
    }

    fn permit(&mut self, permit: Option<Permit>) {
        let memory = Memory {
            permit,
            ..self.input.memory.clone()
        };
        self.remember(memory);
    }

    fn remember(&mut self, memory: Memory) {
        K::cache(self.context).remember(&self.input.resource, memory.clone());
        self.input.memory = memory;
    }

    async fn write_status(
        &mut self,
        precondition: Precondition,
        write: Write,
    ) -> Result<(), ReconcileError> {
        let (client, resource) = (&self.context.cluster, &*self.input.resource);
        let status = &self.input.status;
        let written = cluster::write_status(client, resource, status, precondition).await?;
        self.wrote(written, write);
        Ok(())
    }

    fn wrote(&mut self, written: K, write: Write) {
        let written = Arc::new(written);
        K::cache(self.context).wrote(&written);
        self.context.index.wrote(&written);
        self.context.metrics.cluster_write(K::LABEL, write);
        self.input.resource = written;
    }
}
