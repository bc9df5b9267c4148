//! A real Kubernetes control plane for tests: etcd, kube-apiserver and kube-controller-manager on
//! loopback.
//!
//! ```no_run
//! # async fn example() -> Result<(), industrydata_testbed::Error> {
//! use industrydata_testbed::{ControlPlane, run};
//!
//! let control_plane = ControlPlane::start().await?;
//! run(control_plane.kubectl().args(["apply", "-k", "crds"])).await?;
//!
//! let operator = control_plane.service_account("system", "operator").await?;
//! control_plane.bind_cluster_role("operator", "system", "operator").await?;
//! let client = operator.client().await?;
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! The programs are built by Go on first use; see the README of this package for the environment
//! variables that choose other programs or an existing cluster.

mod account;
mod arguments;
mod audit;
mod binaries;
mod certificates;
mod control_plane;
mod error;
mod etcd;
mod existing;
mod launch;
mod measurements;
mod options;
mod paths;
mod program;
pub mod prometheus;
mod proxy;
mod reaper;
mod tools;
mod users;

pub use account::{Account, run, run_with_input};
pub use audit::{Audit, Entry, Position};
pub use control_plane::{Builder, ControlPlane};
pub use error::Error;
pub use etcd::Etcd;
pub use industrydata_fault_rules::Rule;
pub use industrydata_programs::{Progress, Source};
pub use measurements::measured;
pub use program::{Program, ProgramName};
pub use proxy::{Hit, Proxy, ProxyEffect, Upstream};
pub use tools::{Tool, published};
