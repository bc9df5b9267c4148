//! The page of metrics, which scrapes share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::Instant;

/// Share of a thread's time that pages may take. Clients that are not authenticated can ask for them.
const MAX_SHARE: u32 = 20;

/// How long a page is used for each MiB of it. Each response may take 10 s, so responses in progress hold about 10 MiB
/// and one page.
const TIME_OF_A_MIB: Duration = Duration::from_secs(1);

const MIB: f64 = 1_048_576.0;

/// The latest page. The default has none.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<Option<Latest>>);

#[derive(Debug)]
struct Latest {
    page: Bytes,
    until: Instant,
}

impl Pages {
    /// Returns the latest page, or a new one from `make`.
    pub(super) fn current(&self, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        if let Some(latest) = latest.as_ref().filter(|latest| start < latest.until) {
            return latest.page.clone();
        }
        let page = make();
        let until = Instant::now() + use_for(start.elapsed(), page.len());
        *latest = Some(Latest {
            page: page.clone(),
            until,
        });
        page
    }
}

/// Returns how long a page is used.
fn use_for(cost: Duration, length: usize) -> Duration {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let size = TIME_OF_A_MIB.mul_f64(f64::from(length) / MIB);
    size.max(cost * MAX_SHARE)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_large_page_is_shared_and_then_made_again() {
        let (pages, mut made) = (Pages::default(), 0);
        let mut length = || {
            let page = pages.current(|| {
                made += 1;
                vec![0; 1 << 20].into()
            });
            assert_eq!(page.len(), 1 << 20);
            made
        };
        assert_eq!([length(), length()], [1, 1]);
        advance(TIME_OF_A_MIB).await;
        assert_eq!(length(), 2);
    }

    #[test]
    fn a_page_that_takes_long_is_used_for_long() {
        let (short, long) = (Duration::from_millis(1), Duration::from_millis(100));
        assert_eq!(use_for(short, 0), short * 20);
        assert_eq!(use_for(long, 1 << 20), long * 20);
        assert_eq!(use_for(short, 3 << 20), TIME_OF_A_MIB * 3);
    }
}
