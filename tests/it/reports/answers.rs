//! An answer is believed only if it is the service's: what looks like a success or a refusal and may be neither.

use industrydata_operator::api::{ProvisioningFlow, ResetPhase};
use industrydata_simulator::{Answer, Effect, Operation};
use serde_json::json;

use super::{error, page, page_after_commit};
use crate::conditions::{headline, is_ready, ready, remote_id, reset_phase, stalled};
use crate::faults::{open, with_pairs};
use crate::manifests::{connection, names, other_groups, passwords, set, users};
use crate::oracle::assert_healed;

#[tokio::test(flavor = "multi_thread")]
async fn a_password_whose_update_is_answered_with_a_page_is_sent_again() {
    password_arrives_although("page-password", page(200)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_answered_with_an_error_under_a_success_is_sent_again() {
    password_arrives_although("error-password", error(200)).await;
}

async fn password_arrives_although(name: &str, answer: Vec<Effect>) {
    let env = open(name).await;
    let users = users("users");
    env.apply_all([connection(), passwords("Old-1"), set("north"), users])
        .await;
    let id = remote_id(&env.flow_where("users", is_ready).await);
    env.meet_all(Operation::UpdateFlow, [answer]);
    env.apply(passwords("New-2")).await.unwrap();
    let arrived = async || {
        let known = env.simulator.has_password(&id, "staff", "New-2");
        known.unwrap()
    };
    env.until("the new password", arrived).await;
    assert_healed(&env).await;
    assert_eq!(env.simulator.journal().updates(&id), 1);
}

/// Whether it had an effect is looked up.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_answered_with_a_page_is_sent_again_if_it_had_no_effect() {
    let answers = [page(200), error(200), page(204), page_after_commit(200)];
    let (env, names) = with_pairs("page-update", answers.len()).await;
    env.meet_all(Operation::UpdateFlow, answers);
    for name in &names {
        env.patch_flow(name, other_groups()).await;
    }
    // What looks like a success is trusted for a visibility window, and sent again after that.
    let arrived = async || {
        let sets = env.simulator.snapshot().sets;
        let mut flows = sets.iter().flat_map(|set| &set.flows);
        flows.all(|flow| {
            let options = &flow.resource["creationOptions"];
            options["createBasedOnOrgPlusRoleGroup"] == json!(true)
        })
    };
    env.until("the updates", arrived).await;
    assert_healed(&env).await;
}

/// Only the documented answer settles a reset: no other success, no page, no refusal in HTML.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_with_an_undocumented_answer_is_in_doubt_and_not_sent_again() {
    let answers = vec![
        page(200),
        page_after_commit(200),
        error(200),
        page(400),
        page_after_commit(403),
    ];
    let (env, names) = with_pairs("page-reset", answers.len()).await;
    let count = env.meet_all(Operation::ResetFlow, answers);
    for name in &names {
        let reset = json!({ "resetToken": "again" });
        env.patch_flow(name, reset).await;
    }
    for name in &names {
        let answered = |flow: &ProvisioningFlow| {
            let phase = reset_phase(flow);
            phase.is_some() && phase != Some(ResetPhase::Sending)
        };
        let flow = env.flow_where(name, answered).await;
        assert_eq!(reset_phase(&flow), Some(ResetPhase::Unknown), "{flow:#?}");
        env.flow_where(name, is_in_doubt).await;
    }
    env.polls(4).await;
    assert_eq!(env.requests(Operation::ResetFlow), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_reset_never_arrived_is_not_ready() {
    let (env, names) = with_pairs("lost-reset", 1).await;
    env.meet_all(Operation::ResetFlow, [vec![Effect::CutBefore]]);
    let reset = json!({ "resetToken": "again" });
    env.patch_flow(&names[0], reset).await;
    let flow = env.flow_stalled(&names[0], "ResetUnknown").await;
    assert_ne!(headline(&flow).status, "True", "{flow:#?}");
    assert_eq!(headline(&flow).reason, "ResetUnknown");
    env.polls(3).await;
    assert!(is_in_doubt(&env.flow(&names[0]).await));
    assert_eq!(env.requests(Operation::ResetFlow), 1);
}

/// Whether it is said that nobody knows what became of the reset, and nothing else.
fn is_in_doubt(flow: &ProvisioningFlow) -> bool {
    let not_ready = ["False/ResetUnknown", "Unknown/ResetUnknown"];
    stalled(flow) == "True/ResetUnknown" && not_ready.contains(&&*ready(flow))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_was_created_under_a_409_is_ours() {
    created_once_although("create-409", vec![after_commit(409)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_took_effect_is_ours_whatever_the_answer_was() {
    let answers = vec![
        after_commit(412),
        after_commit(421),
        after_commit(407),
        page_after_commit(400),
        page_after_commit(403),
        page_after_commit(404),
        page_after_commit(200),
    ];
    created_once_although("create-answers", answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_without_effect_is_sent_again_whatever_the_answer_was() {
    let answers = vec![page(201), error(200), page(400), page(202), error(409)];
    created_once_although("create-nothing", answers).await;
}

fn after_commit(status: u16) -> Vec<Effect> {
    vec![Effect::AnswerAfterCommit(Answer::new(status))]
}

/// Each flow's create is answered in one of these ways, and there is one of each in the end.
async fn created_once_although(name: &str, answers: Vec<Vec<Effect>>) {
    let env = open(name).await;
    let names = names(answers.len());
    env.meet_all(Operation::CreateFlow, answers);
    env.apply_pairs(&names).await;
    assert_healed(&env).await;
    assert_eq!(env.committed(Operation::CreateFlow), names.len());
    let told = env.events().await;
    for wrong in ["AlreadyExists", "DuplicateRemote"] {
        assert!(!told.contains(wrong), "{told}");
    }
}
