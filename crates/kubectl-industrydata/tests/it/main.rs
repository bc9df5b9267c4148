//! The plugin as a process, against the simulator and against authorities that misbehave. What it does to a cluster is
//! tested in `tests/it/login.rs` of the workspace.

#[cfg(test)]
mod arguments;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod plugin;
#[cfg(test)]
mod sign_in;
