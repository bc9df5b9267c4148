//! The metrics of resources and connections, which are read at the time of a scrape.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::api::{GraphConnection, ProvisioningFlow};
use crate::graph::model::FlowType;
use crate::plan::definition::flow_type;

use super::inventory::{Inventory, Link, Sources};
use super::labels::ResourceKind;
use super::state::{ReportedReadiness, ResourceState, state};

/// Whether the metrics have series for each resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// One series for each resource, and another one for each flow.
    #[default]
    EachResource,
    /// Totals, and the series of connections, only.
    Totals,
}

/// Reads metrics from the sources.
#[derive(Debug)]
pub(super) struct Scraped {
    pub(super) sources: Sources,
    pub(super) detail: Detail,
}

/// One resource of any kind.
struct Row<'a> {
    kind: ResourceKind,
    namespace: &'a str,
    name: &'a str,
    state: ResourceState,
    reason: &'static str,
}

/// One flow.
struct FlowRow<'a> {
    namespace: &'a str,
    name: &'a str,
    set: &'a str,
    type_: &'static str,
    readiness: ReportedReadiness,
}

type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Collector for Scraped {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let inventories = self.sources.inventories();
        // Zeros would claim that there are no resources, where this process does not know.
        if inventories.is_empty() {
            return Ok(());
        }
        let mut page = ScrapedPage(encoder);
        let rows: Vec<Row<'_>> = inventories.iter().flat_map(rows).collect();
        let flows = inventories.iter().flat_map(|inventory| &inventory.flows);
        let flows: Vec<FlowRow<'_>> = flows.map(|flow| FlowRow::of(flow)).collect();
        page.resources(&rows)?;
        page.flows(&flows)?;
        page.drift(&inventories)?;
        page.links(inventories.iter().flat_map(|inventory| &inventory.links))?;
        page.expiries(inventories.iter().flat_map(|it| &it.connections))?;
        match self.detail {
            Detail::EachResource => page.each(&rows, &flows),
            Detail::Totals => Ok(()),
        }
    }
}

/// The part of a page that is read.
struct ScrapedPage<'a>(DescriptorEncoder<'a>);

impl ScrapedPage<'_> {
    fn family<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        series: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let mut family = self.0.encode_descriptor(name, help, unit, gauge)?;
        for (labels, value) in series {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn resources(&mut self, rows: &[Row<'_>]) -> fmt::Result {
        let mut states = BTreeMap::new();
        for kind in ResourceKind::ALL {
            let all = ResourceState::ALL
                .iter()
                .map(|state| ((*kind, *state), 0_u64));
            states.extend(all);
        }
        let mut stalled: BTreeMap<_, u64> = BTreeMap::new();
        for row in rows {
            *states.entry((row.kind, row.state)).or_default() += 1;
            if row.state == ResourceState::Stalled {
                *stalled.entry((row.kind, row.reason)).or_default() += 1;
            }
        }
        let states = states.into_iter().map(|((kind, state), count)| {
            ([("kind", kind.as_str()), ("state", state.as_str())], count)
        });
        self.family("resources", "Resources, by kind and state.", None, states)?;
        let stalled = stalled
            .into_iter()
            .map(|((kind, reason), count)| ([("kind", kind.as_str()), ("reason", reason)], count));
        self.family(
            "stalled_resources",
            "Resources that need action by a person, by kind and reason.",
            None,
            stalled,
        )
    }

    fn flows(&mut self, rows: &[FlowRow<'_>]) -> fmt::Result {
        let mut counts = BTreeMap::new();
        for type_ in FlowType::ALL {
            let all = ReportedReadiness::ALL.iter();
            counts.extend(all.map(|readiness| ((type_.as_str(), *readiness), 0_u64)));
        }
        for row in rows {
            *counts.entry((row.type_, row.readiness)).or_default() += 1;
        }
        let flows = counts.into_iter().map(|((type_, readiness), count)| {
            ([("type", type_), ("readiness", readiness.as_str())], count)
        });
        self.family(
            "flows",
            "ProvisioningFlow resources, by type and by the readiness that the service last reported.",
            None,
            flows,
        )
    }

    fn drift(&mut self, inventories: &[Inventory]) -> fmt::Result {
        let sets = inventories.iter().flat_map(|it| &it.sets);
        let sets = sets.filter_map(|set| set.status.as_ref());
        let sets = sets.filter(|status| !status.drift.is_empty()).count();
        let flows = inventories.iter().flat_map(|it| &it.flows);
        let flows = flows.filter_map(|flow| flow.status.as_ref());
        let flows = flows.filter(|status| !status.drift.is_empty()).count();
        let kinds = [
            (ResourceKind::OutboundProvisioningFlowSet, sets),
            (ResourceKind::ProvisioningFlow, flows),
        ];
        let kinds = kinds.map(|(kind, count)| ([("kind", kind.as_str())], count));
        self.family(
            "drifted_resources",
            "Resources whose remote object differs from the spec, by kind.",
            None,
            kinds,
        )
    }

    fn links<'i>(&mut self, links: impl Iterator<Item = &'i Link> + Clone) -> fmt::Result {
        let polled = links
            .clone()
            .filter_map(|link| Some((link, link.polled.as_ref()?)));
        let last = polled.clone().map(|(link, polled)| {
            let at = polled.at.map_or(0, Timestamp::as_second);
            (link.labels(), at)
        });
        self.family(
            "connection_last_poll_timestamp",
            "When the last complete poll of a connection began, in seconds since 1970: every list that its resources need has been read since; 0 if one never was.",
            Some(&Unit::Seconds),
            last,
        )?;
        let interval = polled.map(|(link, polled)| (link.labels(), polled.interval.as_secs_f64()));
        self.family(
            "connection_poll_interval",
            "The longest interval between polls of a list that the resources of a connection need.",
            Some(&Unit::Seconds),
            interval,
        )?;
        let rates = links.clone().map(|link| (link.labels(), link.rate));
        self.family(
            "connection_request_rate_limit",
            "Requests per second that the request budget of a connection allows; lowered while the service throttles.",
            None,
            rates,
        )?;
        let mut family = self.0.encode_descriptor(
            "connection_throttled_requests",
            "Requests of a connection that the service throttled.",
            None,
            MetricType::Counter,
        )?;
        for link in links {
            let labels = link.labels();
            ConstCounter::new(link.throttled).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn expiries<'i>(
        &mut self,
        connections: impl Iterator<Item = &'i Arc<GraphConnection>>,
    ) -> fmt::Result {
        let known = connections.filter_map(|connection| {
            let expiry = connection.status.as_ref()?.credential_expiry.as_ref()?;
            let time: Timestamp = expiry.time.parse().ok()?;
            Some((named(&connection.metadata), time.as_second()))
        });
        self.family(
            "connection_credential_expiry_timestamp",
            "When the credential of a connection expires, in seconds since 1970, if that is known.",
            Some(&Unit::Seconds),
            known,
        )
    }

    fn each(&mut self, rows: &[Row<'_>], flows: &[FlowRow<'_>]) -> fmt::Result {
        let states = rows.iter().map(|row| (row.labels(), 1_u64));
        self.family(
            "resource_state",
            "State of a resource, and its reason: always 1.",
            None,
            states,
        )?;
        let readiness = flows.iter().map(|row| (row.labels(), 1_u64));
        self.family(
            "flow_readiness",
            "Readiness of a flow that the service last reported, with its set, by the name of the resource or else the id: always 1.",
            None,
            readiness,
        )
    }
}

fn rows(inventory: &Inventory) -> impl Iterator<Item = Row<'_>> {
    use ResourceKind::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
    let connections = inventory.connections.iter().map(|one| {
        let conditions = one.status.as_ref().map(|status| &*status.conditions);
        Row::of(GraphConnection, &one.metadata, conditions)
    });
    let sets = inventory.sets.iter().map(|one| {
        let conditions = one.status.as_ref().map(|status| &*status.conditions);
        Row::of(OutboundProvisioningFlowSet, &one.metadata, conditions)
    });
    let flows = inventory.flows.iter().map(|one| {
        let conditions = one.status.as_ref().map(|status| &*status.conditions);
        Row::of(ProvisioningFlow, &one.metadata, conditions)
    });
    connections.chain(sets).chain(flows)
}

impl<'a> Row<'a> {
    fn of(kind: ResourceKind, meta: &'a ObjectMeta, conditions: Option<&'a [Condition]>) -> Self {
        let (state, reason) = state(conditions.unwrap_or_default());
        let [(_, namespace), (_, name)] = named(meta);
        Self {
            kind,
            namespace,
            name,
            state,
            reason,
        }
    }

    fn labels(&self) -> Labels<'a, 5> {
        [
            ("kind", self.kind.as_str()),
            ("namespace", self.namespace),
            ("name", self.name),
            ("state", self.state.as_str()),
            ("reason", self.reason),
        ]
    }
}

impl<'a> FlowRow<'a> {
    fn of(flow: &'a ProvisioningFlow) -> Self {
        let (spec, [(_, namespace), (_, name)]) = (&flow.spec, named(&flow.metadata));
        let reference = spec.flow_set_ref.as_ref().map(|set| set.name.as_str());
        let status = flow.status.as_ref();
        let word = status.and_then(|status| status.readiness_status.as_deref());
        Self {
            namespace,
            name,
            set: reference
                .or(spec.flow_set_id.as_deref())
                .unwrap_or_default(),
            type_: flow_type(spec).map_or("", FlowType::as_str),
            readiness: ReportedReadiness::of(word),
        }
    }

    fn labels(&self) -> Labels<'a, 5> {
        [
            ("namespace", self.namespace),
            ("name", self.name),
            ("flow_set", self.set),
            ("type", self.type_),
            ("readiness", self.readiness.as_str()),
        ]
    }
}

impl Link {
    fn labels(&self) -> Labels<'_, 2> {
        [("namespace", &self.namespace), ("name", &self.name)]
    }
}

fn named(meta: &ObjectMeta) -> Labels<'_, 2> {
    let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
    [
        ("namespace", namespace.unwrap_or_default()),
        ("name", name.unwrap_or_default()),
    ]
}
