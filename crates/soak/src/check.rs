//! What has to hold whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{bail, ensure};
use industrydata_operator::api::ResetPhase;
use industrydata_simulator::{Entry, Operation};
use tokio::time::{Instant, sleep};

use crate::deeds::Deeds;
use crate::model::Model;
use crate::picture::Picture;
use crate::replicas::Replicas;
use crate::scene::Scene;
use crate::witness::Witness;

/// Within this after the last fault all is as declared. A lease (20 s) may have to end first, and then a few visibility
/// windows (45 s) one after the other: for a create that is in doubt, for its set, and for a deletion.
const PATIENCE: Duration = Duration::from_mins(5);

/// A few polls.
const POLLS: Duration = Duration::from_secs(6);

/// How long a failure is left to be tried again by itself; after that a user asks for it, as long pauses are meant.
const BEFORE_ASKING: Duration = Duration::from_secs(10);

/// Waits until all is as declared.
pub async fn settled(
    scene: &Scene,
    deeds: &Deeds<'_>,
    replicas: &mut Replicas,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut asked = start;
    loop {
        replicas.tend().await?;
        let picture = Picture::take(scene).await?;
        let left = picture.unsettled(scene, &deeds.model);
        if left.is_empty() {
            return Ok(());
        }
        let count = left.len();
        let some = || left.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        ensure!(
            start.elapsed() < PATIENCE,
            "not as declared {PATIENCE:?} after the last fault, {count} in all:\n{}",
            some()
        );
        if asked.elapsed() > BEFORE_ASKING {
            asked = Instant::now();
            picture.ask_again(deeds).await?;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Nothing is written any more, neither to the cluster nor to the service.
pub async fn at_rest(scene: &Scene) -> anyhow::Result<()> {
    let Some(audit) = scene.plane.audit() else {
        bail!("the control plane has no audit log");
    };
    // Events and sums over flows may follow what they are about.
    sleep(POLLS).await;
    let changes = || scene.simulator.count(|entry| entry.operation.is_write());
    let (position, before) = (audit.position()?, changes());
    sleep(POLLS).await;
    let (entries, after) = (audit.since(position)?, changes());
    let user = scene.account.user();
    let writes: Vec<String> = entries
        .iter()
        .filter(|entry| entry.user == user && entry.is_write())
        .filter(|entry| !["leases", "events"].contains(&entry.resource.as_str()))
        .map(|entry| format!("{} {}/{}", entry.verb, entry.resource, entry.name))
        .collect();
    ensure!(
        writes.is_empty(),
        "writes to the cluster at rest: {writes:?}"
    );
    ensure!(
        before == after,
        "{} changes at the service at rest",
        after - before
    );
    Ok(())
}

/// Nothing was done twice, and nothing that nobody asked for.
pub fn history(scene: &Scene, deeds: &Deeds<'_>, witness: &Witness) -> anyhow::Result<()> {
    let (model, seen) = (&deeds.model, witness.seen());
    let journal = scene.simulator.journal();
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut created: BTreeSet<&str> = BTreeSet::new();
    let mut flows: BTreeMap<&str, usize> = BTreeMap::new();
    let mut resets: BTreeMap<&str, usize> = BTreeMap::new();
    let changes = journal.entries().iter();
    for entry in changes.filter(|entry| entry.committed && entry.operation.is_write()) {
        let set = entry.set.as_deref().unwrap_or_default();
        let object = entry.flow.as_deref().unwrap_or(set);
        match entry.operation {
            Operation::CreateSet | Operation::CreateFlow => {
                let attempt = entry.client_request_id.as_deref().unwrap_or_default();
                let Some(uid) = seen.attempts.get(attempt) else {
                    bail!("created without an intent on record: {entry:?}");
                };
                ensure!(
                    created.insert(uid),
                    "created twice for the uid {uid}: {entry:?}"
                );
                owners.insert(object, uid);
                *flows.entry(set).or_default() += usize::from(entry.flow.is_some());
            }
            Operation::DeleteSet | Operation::DeleteFlow => {
                was_deleted(model, owners.get(object), entry)?;
                let left = flows.entry(set).or_default();
                *left = left.saturating_sub(usize::from(entry.flow.is_some()));
                let whole = entry.operation == Operation::DeleteFlow || *left == 0;
                ensure!(whole, "a set was deleted with flows in it: {entry:?}");
            }
            Operation::ResetFlow if entry.sequence > model.round => {
                let uid = owners.get(object).copied().unwrap_or_default();
                *resets.entry(uid).or_default() += 1;
            }
            _ => {}
        }
    }
    for (uid, count) in &resets {
        let tokens = model.tokens.get(*uid);
        ensure!(
            tokens.is_some(),
            "{count} resets of {uid}, which got no token"
        );
    }
    for (uid, tokens) in &model.tokens {
        let phases: Vec<Option<ResetPhase>> = tokens
            .iter()
            .map(|token| seen.resets.get(&(uid.clone(), token.clone())).copied())
            .collect();
        let accepted = count(&phases, &[ResetPhase::Accepted]);
        let unclear = count(&phases, &[ResetPhase::Unknown, ResetPhase::Sending]);
        let made = resets.get(uid.as_str()).copied().unwrap_or_default();
        ensure!(
            (accepted..=accepted + unclear).contains(&made),
            "{made} resets of the uid {uid}, with {tokens:?} of the phases {phases:?}: {}",
            owned_by(&owners, uid)
        );
    }
    Ok(())
}

fn count(phases: &[Option<ResetPhase>], wanted: &[ResetPhase]) -> usize {
    let is = |phase: &&Option<ResetPhase>| phase.is_some_and(|phase| wanted.contains(&phase));
    phases.iter().filter(is).count()
}

fn owned_by(owners: &BTreeMap<&str, &str>, uid: &str) -> String {
    let owned = owners.iter().filter(|(_, owner)| **owner == uid);
    owned.map(|(id, _)| *id).collect::<Vec<_>>().join(", ")
}

/// A user had deleted what the object was made for, before the service was asked to.
fn was_deleted(model: &Model, uid: Option<&&str>, entry: &Entry) -> anyhow::Result<()> {
    let deleted = uid.and_then(|uid| model.deleted.get(*uid));
    let in_time = deleted.is_some_and(|before| *before < entry.sequence);
    ensure!(
        in_time,
        "deleted although nobody had asked for it: {entry:?}"
    );
    Ok(())
}
