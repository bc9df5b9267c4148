//! What users of similar software have reported, each with the operator as it is installed: real control plane, default
//! times.
//!
//! The service of these environments makes a second flow of a type if it is asked to, so that whatever is sent twice shows.
//! Flows are ready at once.

mod answers;
mod deletion;
mod lists;
mod requests;
mod secrets;
mod unknown;

use industrydata_simulator::{Answer, BodyFault, Effect};

/// A page that a gateway shows instead of the service, which has done nothing.
fn page(status: u16) -> Vec<Effect> {
    vec![
        Effect::Refuse(Answer::new(status)),
        Effect::Body(BodyFault::Html),
    ]
}

/// A page that a gateway shows after the service has done what it was asked for.
fn page_after_commit(status: u16) -> Vec<Effect> {
    vec![
        Effect::AnswerAfterCommit(Answer::new(status)),
        Effect::Body(BodyFault::Html),
    ]
}

/// An answer with an error, whatever its status; nothing is done.
fn error(status: u16) -> Vec<Effect> {
    vec![Effect::Refuse(Answer::new(status))]
}
