//! A service that allows only so many requests a second: whether its pauses are kept, and how much of the rate is used.

use std::time::Duration;

use anyhow::Context as _;
use industrydata_simulator::{Entry, RateLimit, RetryAfterForm};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::bed::Bed;

/// For a request that left before the refusal of another one arrived, beyond the latency of the service.
const ON_THE_WAY: SignedDuration = SignedDuration::from_millis(100);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// Requests that the service allows in a second, and at once.
    pub per_second: f64,
    /// Requests that were answered with 429.
    pub refused: usize,
    /// Requests that were sent although the service had asked for a pause.
    pub early: usize,
    /// Share of the requests that the service allows which it got, from the first refusal to the last POST.
    pub used: f64,
}

pub fn limit(per_second: f64) -> RateLimit {
    RateLimit {
        per_second,
        burst: per_second,
        retry_after: RetryAfterForm::Seconds,
    }
}

/// Returns `None` if the service does not throttle.
pub fn measure(bed: &Bed) -> anyhow::Result<Option<Throttling>> {
    let Some(per_second) = bed.throttle else {
        return Ok(None);
    };
    let journal = bed.simulator.journal();
    let entries = journal.entries().iter().filter(|one| one.is_from_client());
    let entries: Vec<(Timestamp, &Entry)> = entries
        .map(|one| Ok((one.time.parse()?, one)))
        .collect::<anyhow::Result<_>>()?;
    let refusals = entries.iter().filter(|(_, one)| one.status == Some(429));
    let pauses = refusals
        .map(|(at, one)| Ok((*at + margin(bed.latency)?, *at + pause(one)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let is_early = |at: &Timestamp| pauses.iter().any(|(from, to)| (from..to).contains(&at));
    let last = entries.iter().rfind(|(_, one)| one.committed);
    let used = match (pauses.first(), last) {
        (Some((first, _)), Some((last, _))) => {
            let accepted = |(at, one): &&(Timestamp, &Entry)| {
                one.status != Some(429) && (first..=last).contains(&at)
            };
            let accepted = entries.iter().filter(accepted).count();
            let seconds = last.duration_since(*first).as_secs_f64();
            f64::from(u32::try_from(accepted)?) / (seconds * per_second)
        }
        _ => 1.0,
    };
    Ok(Some(Throttling {
        per_second,
        refused: pauses.len(),
        early: entries.iter().filter(|(at, _)| is_early(at)).count(),
        used,
    }))
}

fn margin(latency: Duration) -> anyhow::Result<SignedDuration> {
    Ok(SignedDuration::try_from(latency)? + ON_THE_WAY)
}

fn pause(refusal: &Entry) -> anyhow::Result<SignedDuration> {
    let seconds = refusal.retry_after.as_deref().context("no Retry-After")?;
    Ok(SignedDuration::from_secs(seconds.parse()?))
}
