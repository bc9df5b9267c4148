//! The testbed against itself: real programs, built by Go on first use, whatever the environment
//! names.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy knows tests, but not the functions they share"
)]

mod access;
mod audit;
mod controllers;
mod faults;
mod lifetime;
mod prometheus;
mod proxy;
mod sources;
mod support;
mod tools;
