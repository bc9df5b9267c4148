//! No tenant can hurt another.

mod memory;
mod words;
