use futures::FutureExt;

use super::*;

const LARGE: usize = SMALL_BODY + 1;

/// Returns a body that has a place, or `None` if it has to wait for one.
fn admitted(size: usize, account: &Intake, process: &Intake) -> Option<ReadBody> {
    let mut body = ReadBody::default();
    let admitted = body.admit(size, [account, process]).now_or_never();
    admitted.map(|()| body)
}

#[test]
fn an_account_reads_one_large_body_at_a_time_and_small_ones_beside_it() {
    let (account, process) = (Intake::of_account(), Intake::of_process());
    let first = admitted(LARGE, &account, &process).unwrap();
    assert!(admitted(LARGE, &account, &process).is_none());
    assert!(admitted(SMALL_BODY, &account, &process).is_some());
    drop(first);
    assert!(admitted(LARGE, &account, &process).is_some());
}

#[test]
fn large_bodies_of_all_others_delay_no_small_one() {
    let process = Intake::of_process();
    let others: Vec<Intake> = (0..20).map(|_| Intake::of_account()).collect();
    let admit = |other| admitted(LARGE, other, &process);
    let read: Vec<ReadBody> = others.iter().filter_map(admit).collect();
    assert_eq!(read.len(), PROCESS_LARGE);
    let own = Intake::of_account();
    assert!(admitted(LARGE, &own, &process).is_none());
    assert!(admitted(SMALL_BODY, &own, &process).is_some());
}

#[tokio::test]
async fn slow_bodies_of_one_account_leave_places_for_others() {
    let (slow, process) = (Intake::of_account(), Intake::of_process());
    let bodies: Vec<_> = (0..PROCESS_SMALL)
        .map_while(|_| admitted(1, &slow, &process))
        .collect();
    assert_eq!(bodies.len(), ACCOUNT_SMALL);
    let (slow, process) = (slow.clone(), process.clone());
    let waiting = tokio::spawn({
        let (slow, process) = (slow.clone(), process.clone());
        async move { ReadBody::default().admit(1, [&slow, &process]).await }
    });
    tokio::task::yield_now().await;
    assert!(admitted(1, &Intake::of_account(), &process).is_some());
    drop(bodies);
    waiting.await.unwrap();
}

#[test]
fn a_body_that_grows_keeps_its_small_place() {
    let (account, process) = (Intake::of_account(), Intake::of_process());
    let mut body = admitted(1, &account, &process).unwrap();
    let grown = body.admit(LARGE, [&account, &process]).now_or_never();
    assert!(grown.is_some());
    assert_eq!((body.small.len(), body.large.len()), (2, 2));
    let again = body.admit(MAX_BODY, [&account, &process]).now_or_never();
    assert!(again.is_some(), "no second place");
}
