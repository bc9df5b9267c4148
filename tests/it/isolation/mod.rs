//! What one tenant, or a client without any rights, cannot do to the others.

mod edge;
mod policies;
