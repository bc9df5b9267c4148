//! A Kubernetes operator for the outbound provisioning flows of Microsoft School Data Sync.
//!
//! `ARCHITECTURE.md` describes the modules and their invariants. Dependencies point in one direction:
//!
//! ```text
//! main -> runtime -> controller, poll -> plan -> api
//!                    controller, poll -> graph
//! ```
//!
//! [`plan`] decides and is pure; [`controller`] and [`poll`] observe and act; [`graph`] is the client of the service
//! and does not depend on Kubernetes; [`api`] contains the resources that users write.

pub mod admin;
pub mod api;
pub mod clients;
pub mod clock;
pub mod controller;
pub mod failpoint;
mod failure_log;
pub mod graph;
pub mod lease;
pub mod metrics;
pub mod plan;
pub mod poll;
pub mod ready;
pub mod runtime;
pub mod settings;
mod sha256;
pub mod shard;
pub mod telemetry;
pub mod traces;
pub mod watches;
