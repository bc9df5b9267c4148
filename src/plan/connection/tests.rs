use super::*;
use crate::api::annotation;
use crate::api::condition::{READY, RECONCILING, STALLED, SYNCED};
use crate::graph::verdict::Reason;
use crate::plan::testing::*;
use crate::plan::{Limits, Memory, Place, Run, Step, Unreadable};

fn observed(resource: GraphConnection) -> Observed<GraphConnection> {
    Observed {
        status: resource.status.clone().unwrap_or_default(),
        resource: resource.into(),
        now: at(30),
        uuid: uuid::Uuid::nil(),
        place: Ok(Place {
            set: None,
            route: String::new(),
        }),
        collection: Some(listed(Vec::new(), 30)),
        around: Surroundings::default(),
        memory: Memory::default(),
        run: Run::default(),
        limits: Limits { ..limits() },
    }
}

/// As it is after a run that found everything in order.
fn ready() -> Observed<GraphConnection> {
    let mut observed = observed(connection().held());
    let status = GraphConnection::plan(&observed).status;
    let resource = std::sync::Arc::make_mut(&mut observed.resource);
    resource.status = Some(status.clone());
    observed.status = status;
    observed
}

fn failed(verdict: Verdict, failures: u32) -> Read<FlowSet> {
    Read::Unknown(Unreadable { verdict, failures })
}

fn said(plan: &Plan<GraphConnection>) -> [String; 4] {
    [READY, SYNCED, RECONCILING, STALLED].map(|type_| told(&plan.status.conditions, type_))
}

#[test]
fn a_connection_is_held_first() {
    let plan = GraphConnection::plan(&observed(connection()));
    assert_eq!(plan.step, Some(Step::Resource(ResourceStep::Hold)));
}

#[test]
fn a_connection_is_ready_when_the_service_can_be_read() {
    let mut unread = observed(connection().held());
    unread.collection = None;
    assert_eq!(GraphConnection::plan(&unread).step, Some(Step::Look));
    let plan = GraphConnection::plan(&observed(connection().held()));
    assert_eq!(plan.step, None);
    assert_eq!(said(&plan), ["True/Ready", "True/Synced", "", ""]);
    assert_eq!(plan.status.observed_generation, 1);
    let again = ready();
    assert_eq!(GraphConnection::plan(&again).status, again.status);
}

#[test]
fn only_the_third_failure_in_a_row_that_passes_by_itself_is_news() {
    let unchanged = ["True/Ready", "True/Synced", "", ""];
    let told = [
        "Unknown/ServiceUnavailable",
        "Unknown/ServiceUnavailable",
        "True/ServiceUnavailable",
        "",
    ];
    for (failures, expected) in [(1, unchanged), (2, unchanged), (3, told), (100, told)] {
        let mut observed = ready();
        observed.collection = Some(failed(unavailable(), failures));
        assert_eq!(
            said(&GraphConnection::plan(&observed)),
            expected,
            "{failures}"
        );
    }
    let mut new = observed(connection().held());
    new.collection = Some(failed(unavailable(), 1));
    assert_eq!(
        said(&GraphConnection::plan(&new)),
        told.map(|told| told.replace("Unknown", "False")),
        "nothing good is known"
    );
}

#[test]
fn a_failure_that_a_person_has_to_mend_is_told_at_once() {
    let mut observed = ready();
    observed.collection = Some(failed(refused(Reason::CredentialRefused), 1));
    let plan = GraphConnection::plan(&observed);
    assert_eq!(
        told(&plan.status.conditions, STALLED),
        "True/CredentialRefused"
    );
}

#[test]
fn a_suspended_connection_is_not_looked_at() {
    let mut observed = ready();
    std::sync::Arc::make_mut(&mut observed.resource)
        .spec
        .suspend = true;
    observed.collection = None;
    let plan = GraphConnection::plan(&observed);
    assert_eq!(plan.step, None);
    assert_eq!(said(&plan), ["True/Suspended", "False/Suspended", "", ""]);
}

#[test]
fn a_missing_credential_is_told() {
    let mut observed = ready();
    observed.place = Err(Obstacle::person(reason::SECRET_NOT_FOUND, "create it"));
    let plan = GraphConnection::plan(&observed);
    assert_eq!(
        told(&plan.status.conditions, STALLED),
        "True/SecretNotFound"
    );
}

#[test]
fn a_wish_for_a_look_needs_a_fresh_list() {
    let mut observed = observed(
        connection()
            .held()
            .annotated(annotation::REQUESTED_AT, "now"),
    );
    let fresh = GraphConnection::plan(&observed);
    assert_eq!(
        fresh.status.last_handled_reconcile_at.as_deref(),
        Some("now")
    );
    let Some(Read::Known(view)) = &mut observed.collection else {
        unreachable!()
    };
    view.fresh = false;
    assert_eq!(GraphConnection::plan(&observed).step, Some(Step::Look));
}

#[test]
fn a_connection_in_use_stays_whatever_else_is_wrong() {
    let mut observed = observed(connection().held().deleting());
    observed.place = Err(Obstacle::person(reason::SECRET_NOT_FOUND, "create it"));
    observed.around.users = 1;
    let plan = GraphConnection::plan(&observed);
    assert_eq!(plan.step, None);
    assert_eq!(told(&plan.status.conditions, RECONCILING), "True/InUse");
    observed.around.users = 0;
    let step = GraphConnection::plan(&observed).step;
    assert_eq!(step, Some(Step::Resource(ResourceStep::Release)));
    let gone = self::observed(connection().deleting());
    assert_eq!(GraphConnection::plan(&gone).step, None);
}
