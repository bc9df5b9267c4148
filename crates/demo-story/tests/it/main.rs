//! The demo as a person runs it, in a terminal.

#[cfg(test)]
mod delegated;
