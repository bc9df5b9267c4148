//! The one integration test binary: the client against the simulator, and the controllers on a real control plane.

#[cfg(test)]
mod apart;
#[cfg(test)]
mod calm;
#[cfg(test)]
mod client;
#[cfg(test)]
mod cluster_faults;
#[cfg(test)]
mod collector;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod definitions;
#[cfg(test)]
mod endurance;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod install;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod log_assertions;
#[cfg(test)]
mod login;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod manual;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod process;
#[cfg(test)]
mod program;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod role;
#[cfg(test)]
mod shards;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod states;
#[cfg(test)]
mod style;
#[cfg(test)]
mod sweeps;
#[cfg(test)]
mod test_env;
#[cfg(test)]
mod times;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod user_errors;
#[cfg(test)]
mod waiting;
