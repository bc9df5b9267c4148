//! What no tenant can do to another, and what the operator's permissions do not allow it.

mod edge;
mod many_lists;
mod memory;
mod ownership;
mod policies;
mod secrets;
mod stored;
mod turns;
mod words;
