//! Passwords of new users: whether they are sent, and when again.

use super::differences::update;
use super::*;
use crate::api::AppliedSecret;
use crate::api::DriftPolicy::{Correct, Report};
use crate::plan::{Digest, Password};

/// Returns a password from a version of a Secret, where each version has another value.
pub(super) fn password(version: &str) -> Password {
    Password {
        source: secret(version),
        digest: Digest::new([version.bytes().next().unwrap(); 32]),
    }
}

fn secret(version: &str) -> AppliedSecret {
    AppliedSecret {
        role_group: "students".to_owned(),
        name: "passwords".to_owned(),
        key: "students".to_owned(),
        uid: "passwords".to_owned(),
        resource_version: version.to_owned(),
    }
}

#[test]
fn a_missing_password_secret_comes_before_the_claim() {
    let mut input = input(flow(FlowType::User), Some(Vec::new()));
    let missing = Blocked::person(
        reason::SECRET_NOT_FOUND,
        "the Secret passwords does not exist",
    );
    input.related.passwords = Err(missing);
    let plan = plan(&input);
    assert_eq!(plan.step, None);
    assert_eq!(stalled(&plan), "True/SecretNotFound");
}

#[test]
fn a_new_password_is_sent_with_its_creation_options() {
    let mut world = owned(flow(FlowType::User));
    world.related.passwords = Ok(vec![password("1")]);
    world.reconcile();
    world.related.passwords = Ok(vec![password("2")]);
    world.reconcile();
    assert_eq!(
        world.count(UPDATE),
        2,
        "also within the window after the last update"
    );
    assert_eq!(world.status().applied_secrets, [secret("2")]);
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "True/Synced"
    );
    world.live(100);
    assert_eq!(world.count(UPDATE), 2);
    assert!(world.status().drift.is_empty());
}

#[test]
fn a_new_password_differs_in_creation_options_only_and_says_nothing_of_itself() {
    let mut resource =
        flow(FlowType::User)
            .held()
            .knowing(|status: &mut ProvisioningFlowStatus| {
                status.id = Some(id(1));
                status.applied_secrets = vec![secret("1")];
            });
    resource.spec.drift_policy = Report;
    let remote = remote_flow(1, &resource, 10);
    let mut input = input(resource, Some(vec![remote]));
    input.related.passwords = Ok(vec![password("2")]);
    let planned = plan(&input);
    assert_eq!(planned.status.drift.len(), 1);
    assert!(planned.status.drift[0].path.starts_with("creationOptions."));
    let mut correcting = (*input.resource).clone();
    correcting.spec.drift_policy = Correct;
    input.resource = std::sync::Arc::new(correcting);
    assert_eq!(update(plan(&input).step), ["creationOptions"]);
}

#[test]
fn a_secret_that_changes_around_the_password_is_no_difference() {
    let mut world = owned(flow(FlowType::User));
    world.related.passwords = Ok(vec![password("1")]);
    world.reconcile();
    world.journal.clear();
    let touched = Password {
        source: secret("2"),
        ..password("1")
    };
    world.related.passwords = Ok(vec![touched]);
    world.live(100);
    assert_eq!(
        world.journal,
        [],
        "another version of the Secret with the same value"
    );
    world.memory = crate::plan::Memory::default();
    world.live(100);
    assert_eq!(
        world.count(UPDATE),
        1,
        "a new process sends what it has not seen"
    );
}

#[test]
fn under_report_a_password_that_was_never_sent_is_no_difference() {
    let mut resource = flow(FlowType::User).annotated(annotation::REMOTE_ID, &id(1));
    resource.spec.drift_policy = Report;
    let remote = remote_flow(1, &resource, 10);
    let mut world = World::new(resource).holding(vec![remote]);
    world.related.passwords = Ok(vec![password("1")]);
    world.live(30);
    assert_eq!(
        condition_text(&world.status().conditions, SYNCED),
        "True/Synced"
    );
    world.edit(|flow| flow.with(|spec| spec.drift_policy = Correct));
    world.live(30);
    assert_eq!(
        world.count(UPDATE),
        1,
        "the values at the service are unknown"
    );
}

#[test]
fn a_missing_password_secret_stops_an_owned_flow() {
    let mut world = owned(flow(FlowType::User));
    world.related.passwords = Err(Blocked::person(reason::SECRET_NOT_FOUND, "create it"));
    world.reconcile();
    assert_eq!(
        condition_text(&world.status().conditions, STALLED),
        "True/SecretNotFound"
    );
    assert_eq!(world.journal, [Effect::Status]);
}
