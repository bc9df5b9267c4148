//! What can be done to this program from outside, for tests: end or freeze it between any two effects, shift its clock,
//! break a protocol on purpose. The variable `FAILPOINTS` says what, in the words of [`fail`].
//!
//! Only builds for tests can do it: there `fail` has its feature as a dev-dependency. In all others each point is an
//! empty block. No other file names `fail`.

use fail::{FailScenario, fail_point};

/// Reads `FAILPOINTS`. Without the feature that would be an error.
#[must_use]
pub fn set_up() -> Option<FailScenario<'static>> {
    fail::has_failpoints().then(FailScenario::setup)
}

/// An effect, with the point `effect` before and after it.
pub async fn around<T>(effect: impl Future<Output = T>) -> T {
    pass();
    let outcome = effect.await;
    pass();
    outcome
}

/// `effect=7*off->1*return` ends the process at the eighth pass, `return(freeze)` stops it there until it is continued.
fn pass() {
    fail_point!("effect", |how| {
        if how.as_deref() != Some("freeze") {
            std::process::abort();
        }
        let own = std::process::id().to_string();
        let _ = std::process::Command::new("kill")
            .args(["-STOP", &own])
            .status();
        // The signal can reach another thread first, and this one must not go on meanwhile.
        std::thread::sleep(std::time::Duration::from_secs(1));
    });
}

/// `no-intent=return`: an intent to create is not written down. A test that does not notice this, or one of the two
/// that follow, proves nothing.
#[must_use]
pub fn skips_intents() -> bool {
    fail_point!("no-intent", |_| true);
    false
}

/// `ambiguous-is-refusal=return`: a create or reset of which nobody can tell counts as refused.
#[must_use]
pub fn takes_doubt_for_refusal() -> bool {
    fail_point!("ambiguous-is-refusal", |_| true);
    false
}

/// `unreadable-is-empty=return`: a list that failed counts as complete and empty.
#[must_use]
pub fn takes_unreadable_for_empty() -> bool {
    fail_point!("unreadable-is-empty", |_| true);
    false
}

/// `not-covered=1*off->1*return`: the lease does not cover the second change that asks for it.
#[must_use]
pub fn is_not_covered() -> bool {
    fail_point!("not-covered", |_| true);
    false
}

/// `panic-in-run=1*panic`: the next run panics.
pub fn panic_in_run() {
    fail_point!("panic-in-run");
}

/// `panic-in-poller=1*panic`: the next round of a poller panics.
pub fn panic_in_poller() {
    fail_point!("panic-in-poller");
}

/// `clock=return(seconds)`: how far the process's wall clock is from the true time.
#[must_use]
pub fn seconds_off() -> i64 {
    fail_point!("clock", |seconds| seconds
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or_default());
    0
}
