//! A stand-in for the outbound provisioning part of Microsoft Graph (beta) `industryData`, with its token endpoint.
//!
//! It serves as an independent judge: it keeps to the documented contract, answers each question that the documentation
//! leaves open by a switch, does harm on demand, and keeps a journal of everything that was asked of it.
//!
//! ```
//! # async fn example() -> Result<(), industrydata_simulator::Error> {
//! use industrydata_simulator::{Answer, Effect, Operation, Options, RetryAfter, Rule, Simulator};
//!
//! let simulator = Simulator::start(Options::default()).await?;
//! simulator.inject(Rule::new(Effect::CutAfterCommit).on(Operation::CreateFlow));
//! simulator.inject(Rule::new(Effect::Refuse(Answer::new(429).retry_after(RetryAfter::Seconds(2)))).times(3));
//! println!("{}", simulator.graph_endpoint());
//! assert_eq!(simulator.journal().sets_created(), 0);
//! # Ok(())
//! # }
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod answer;
mod application;
mod assertion;
mod auth;
mod backdoor;
mod batch;
mod behavior;
mod certificate;
mod chaos;
mod clock;
mod control;
mod control_credentials;
mod credentials;
mod denied;
mod device_codes;
mod directory;
mod discovery;
mod envelope;
mod error;
mod exchange;
mod fault;
mod fault_plan;
mod federation;
mod flow;
mod flow_set;
mod flow_type;
mod form;
mod ids;
mod issue;
mod journal;
mod jwt;
mod odata;
mod options;
mod problem;
mod quirk;
mod readiness;
mod record;
mod refresh_tokens;
mod render;
mod reply;
mod request;
mod respond;
mod role_group;
mod role_groups;
mod route;
mod run_log;
mod runs;
mod schema;
mod scopes;
mod seconds;
mod server;
mod service;
mod sign_in;
mod signer;
mod simulator;
mod simulator_credentials;
mod state;
mod store;
mod throttle;
mod tls;
mod token;
mod validate;
mod wire;
mod world;
mod writes;

pub use crate::{
    answer::{Answer, BodyFault, Form, NextLink},
    application::{Application, ClientSecret, FederatedCredential, Tenant},
    behavior::{
        Behavior, ConfigurationOrder, Limits, PatchAnswer, PatchComplex, QueryOptions, Reception,
        Refusal, ResetReadiness,
    },
    device_codes::PendingDeviceCode,
    error::Error,
    fault::{ActiveRule, Effect, Rule},
    flow_type::FlowType,
    journal::{Entry, Journal, Tally},
    options::{DEFAULT_HOSTILE_RATE, Options},
    quirk::Quirk,
    readiness::{ReadinessScript, ReadinessStep},
    refresh_tokens::Revocation,
    route::Operation,
    simulator::Simulator,
    state::{FlowState, SetState, Snapshot},
    throttle::{RateLimit, RetryAfter, RetryAfterForm},
    tls::Tls,
};
