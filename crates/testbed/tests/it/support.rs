//! What several tests need.

use std::time::Duration;

use industrydata_testbed::{Builder, ControlPlane, Source};
use tokio::sync::OnceCell;
use tokio::time::sleep;

/// Built programs only, as these tests are about the programs.
pub(crate) fn builder() -> Builder {
    ControlPlane::builder().source(Source::Built)
}

/// The control plane of all tests that need none of their own. It ends with the process.
pub(crate) async fn shared() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED
        .get_or_init(async || builder().start().await.expect("a control plane"))
        .await
}

/// Waits for something that is sure to come; the limit only keeps a broken build from waiting for
/// ever.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1200 {
        if holds().await {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("still waiting for: {what}");
}

/// Whether a process is running. One that is dead but not yet waited for by its parent is not.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .trim_start()
        .chars()
        .next();
    state.is_some_and(|state| state != 'Z' && state != 'X')
}
