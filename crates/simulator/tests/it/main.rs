//! The simulator seen from outside: over HTTP, as its clients see it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod answers;
mod assertions;
mod batch;
mod behavior;
mod behavior_of_answers;
mod client;
mod contract;
mod control;
mod discovery;
mod faults;
mod hostile;
mod https;
mod identity;
mod journal;
mod program;
mod queries;
mod readiness;
mod readme;
mod refresh;
mod runs;
mod sign_in;
mod spelling;
mod tokens;
mod wire;
