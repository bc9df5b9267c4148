//! What one namespace cannot do to another.

mod turns;
