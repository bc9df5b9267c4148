//! The one integration test binary: the client against the simulator, and the controllers on a real control plane.

mod client;
mod main_job;
mod stage;
