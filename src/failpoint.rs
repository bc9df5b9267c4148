//! Failpoints for tests: abort or suspend the process between any two effects, shift its clock, or break a protocol on
//! purpose. The variable `FAILPOINTS` selects them, in the syntax of [`fail`].
//!
//! They exist only in test builds, where a dev-dependency enables the feature of `fail`. In all other builds each point
//! is an empty block. No other file uses `fail`.

use fail::{FailScenario, fail_point};

/// Activates the failpoints of `FAILPOINTS`, or returns `None` in a build without them, where `fail` would panic.
#[must_use]
pub fn set_up() -> Option<FailScenario<'static>> {
    fail::has_failpoints().then(FailScenario::setup)
}

/// Performs an effect, with the point `effect` before and after it.
pub async fn around<T>(effect: impl Future<Output = T>) -> T {
    pass();
    let outcome = effect.await;
    pass();
    outcome
}

/// `effect=7*off->1*return` aborts the process at the eighth pass; `return(freeze)` suspends it there until SIGCONT.
fn pass() {
    fail_point!("effect", |how| {
        if how.as_deref() != Some("freeze") {
            std::process::abort();
        }
        let own = std::process::id().to_string();
        let _ = std::process::Command::new("kill")
            .args(["-STOP", &own])
            .status();
        // The signal may be delivered to another thread first, and this one must not continue meanwhile.
        std::thread::sleep(std::time::Duration::from_secs(1));
    });
}

/// `no-intent=return`: an intent to create is not recorded. A test that does not detect this failpoint, or one of the
/// next two, proves nothing.
#[must_use]
pub fn skips_intents() -> bool {
    fail_point!("no-intent", |_| true);
    false
}

/// `ambiguous-is-refusal=return`: a create or reset with an unknown outcome is treated as refused.
#[must_use]
pub fn takes_doubt_for_refusal() -> bool {
    fail_point!("ambiguous-is-refusal", |_| true);
    false
}

/// `unreadable-is-empty=return`: a failed list is treated as complete and empty.
#[must_use]
pub fn takes_unreadable_for_empty() -> bool {
    fail_point!("unreadable-is-empty", |_| true);
    false
}

/// `not-covered=1*off->1*return`: the lease does not cover the second change that requires it.
#[must_use]
pub fn is_not_covered() -> bool {
    fail_point!("not-covered", |_| true);
    false
}

/// `panic-in-run=1*panic`: the next reconcile panics.
pub fn panic_in_run() {
    fail_point!("panic-in-run");
}

/// `panic-in-poller=1*panic`: the next round of a poller panics.
pub fn panic_in_poller() {
    fail_point!("panic-in-poller");
}

/// `clock=return(seconds)`: offset of the wall clock of the process from the true time.
#[must_use]
pub fn seconds_off() -> i64 {
    fail_point!("clock", |seconds| seconds
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or_default());
    0
}
