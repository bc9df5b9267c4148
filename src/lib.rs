//! A Kubernetes operator for the outbound provisioning flows of Microsoft School Data Sync.
//!
//! `ARCHITECTURE.md` tells where what is, and what must stay true. In short, arrows point one way:
//!
//! ```text
//! main -> runtime -> controller, poll -> plan -> api
//!                    controller, poll -> graph
//! ```
//!
//! [`plan`] decides and is pure; [`controller`] and [`poll`] look and act; [`graph`] knows the service and nothing of
//! Kubernetes; [`api`] is what users write.

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
pub mod telemetry;
pub mod watches;
