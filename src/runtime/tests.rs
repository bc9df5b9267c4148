use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::*;

const TICK: Duration = Duration::from_millis(10);

/// The only worker of the test's runtime is busy, as with a long computation.
#[tokio::test]
async fn what_is_vital_goes_on_while_all_workers_compute() {
    let vital = Vital::start().unwrap();
    let ticks = Arc::new(AtomicU32::new(0));
    let counted = ticks.clone();
    let ticking = vital.run(async move {
        loop {
            tokio::time::sleep(TICK).await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });

    thread::sleep(TICK * 100);

    let count = ticks.load(Ordering::SeqCst);
    assert!(count >= 20, "{count} ticks in a second");
    drop::<futures::future::BoxFuture<'_, ()>>(Box::pin(ticking));
}

#[tokio::test]
async fn a_vital_task_returns_its_output_and_ends_when_it_is_dropped() {
    let vital = Vital::start().unwrap();
    assert_eq!(vital.run(async { 1 }).await, 1);
    let (held, dropped) = tokio::sync::oneshot::channel::<()>();
    drop(vital.run(async move {
        let _held = held;
        pending::<()>().await;
    }));
    assert!(dropped.await.is_err());
}
