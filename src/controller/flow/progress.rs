//! Metrics of the progress of a flow, as its status shows it.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::api::{ProvisioningFlow, ProvisioningFlowStatus};
use crate::clock;
use crate::metrics::Metrics;
use crate::plan::flow::knows_readiness;

/// Updates the metrics for a change of the flow's status to `new`.
pub(super) fn count(flow: &ProvisioningFlow, new: &ProvisioningFlowStatus, metrics: &Metrics) {
    let unreported = ProvisioningFlowStatus::default();
    let known = flow.status.as_ref().unwrap_or(&unreported);
    let word = new.readiness_status.as_deref();
    let is_news = word != known.readiness_status.as_deref();
    if is_news && word.is_some_and(|word| !knows_readiness(word)) {
        metrics.unknown_readiness();
    }
    let Some(age) = age(flow, clock::now()) else {
        return;
    };
    // An adopted flow was not created for this resource: no attempt of it has an outcome.
    let is_created = new.id.is_some() && new.resolved_attempt.is_some();
    if is_created && known.resolved_attempt != new.resolved_attempt && known.id.is_none() {
        metrics.flow_created(age);
    }
    if has_been_ready(new) && !has_been_ready(known) {
        metrics.flow_became_ready(age);
    }
}

/// Returns how long ago the resource was created, or `None` if the clocks contradict each other.
fn age(flow: &ProvisioningFlow, now: Timestamp) -> Option<Duration> {
    let created = flow.creation_timestamp()?.0;
    Duration::try_from(now.duration_since(created)).ok()
}

fn has_been_ready(status: &ProvisioningFlowStatus) -> bool {
    let mut history = status.readiness_history.iter();
    history.any(|entry| entry.status.eq_ignore_ascii_case("ready"))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::SignedDuration;

    use super::*;
    use crate::api::ReadinessEntry;
    use crate::graph::model::FlowType;
    use crate::plan::testing;

    fn entry(status: &str) -> ReadinessEntry {
        ReadinessEntry {
            status: status.to_owned(),
            since: Time(clock::now()),
        }
    }

    fn status(words: &[&str], attempt: Option<&str>) -> ProvisioningFlowStatus {
        ProvisioningFlowStatus {
            id: Some("id".to_owned()),
            resolved_attempt: attempt.map(str::to_owned),
            readiness_history: words.iter().map(|word| entry(word)).collect(),
            ..ProvisioningFlowStatus::default()
        }
    }

    fn counts(metrics: &Metrics) -> [bool; 2] {
        let page = metrics.encode();
        ["creation", "ready"].map(|what| {
            page.contains(&format!(
                "industrydata_operator_flow_{what}_duration_seconds_count 1\n"
            ))
        })
    }

    #[test]
    fn creation_and_first_readiness_are_timed_once() {
        let metrics = Metrics::new();
        let mut flow = testing::flow(FlowType::User);
        flow.metadata.creation_timestamp = Some(Time(clock::now() - SignedDuration::from_secs(90)));
        let created = status(&["notReady"], Some("attempt"));
        let ready = status(&["notReady", "ready"], Some("attempt"));
        let failed = status(&["notReady", "ready", "failed"], Some("attempt"));
        let again = status(&["notReady", "ready", "failed", "ready"], Some("attempt"));

        let mut seen = Vec::new();
        for new in [created, ready, failed, again] {
            count(&flow, &new, &metrics);
            flow.status = Some(new);
            seen.push(counts(&metrics));
        }

        assert_eq!(seen, [[true, false], [true; 2], [true; 2], [true; 2]]);
        let sum = "industrydata_operator_flow_creation_duration_seconds_sum 90.";
        assert!(metrics.encode().contains(sum));
    }

    #[test]
    fn the_creation_of_an_adopted_flow_is_not_timed() {
        let metrics = Metrics::new();
        let mut flow = testing::flow(FlowType::User);
        flow.metadata.creation_timestamp = Some(Time(clock::now()));
        count(&flow, &status(&["ready"], None), &metrics);
        assert_eq!(counts(&metrics), [false, true]);
    }
}
