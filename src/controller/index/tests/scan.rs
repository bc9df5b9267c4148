//! Answers each question by a look at every resource, and compares.

use crate::api::SecretKeyReference;
use crate::plan::definition::{flow_type, passwords};

use super::*;

/// All resources there are.
pub(super) struct Scan {
    connections: Vec<Arc<GraphConnection>>,
    sets: Vec<Arc<OutboundProvisioningFlowSet>>,
    flows: Vec<Arc<ProvisioningFlow>>,
}

impl Scan {
    pub(super) fn of(world: &World) -> Self {
        Self {
            connections: world.connections.store.state(),
            sets: world.sets.store.state(),
            flows: world.flows.store.state(),
        }
    }

    /// Compares what is answered about each flow, and about one that may not be there.
    pub(super) fn compare_flows(&self, index: &Index, absent: ProvisioningFlow) {
        for flow in self.flows.iter().cloned().chain([Arc::new(absent)]) {
            assert_eq!(index.set_of(&flow), self.set_of(&flow));
            assert_eq!(index.connection_of(&flow), self.connection_of(&flow));
            assert_eq!(index.remote_set_of(&flow), self.remote_set_of(&flow));
            let place = self.place_of(&flow);
            let is_rival = |other: &&Arc<ProvisioningFlow>| {
                other.uid() != flow.uid()
                    && flow_type(&other.spec) == flow_type(&flow.spec)
                    && place.is_some()
                    && [self.remote_set_of(other), recorded_set(other)].contains(&place)
            };
            let rivals = uids(self.flows.iter().filter(is_rival));
            assert_eq!(uids(&index.rivals_of(&flow)), rivals);
            assert_eq!(index.owner_of_flow(&flow), self.owner_of_flow(&flow));
            for id in ids() {
                let access = self.access(&*flow, self.connection_of(&flow).as_deref());
                let refuses = access.is_some_and(|access| !self.allows(&flow, &access.0, &id));
                assert_eq!(index.refuses(&flow, &id), refuses);
            }
        }
    }

    /// Compares what is answered about each set, and about one that may not be there.
    pub(super) fn compare_sets(&self, index: &Index, absent: OutboundProvisioningFlowSet) {
        for set in self.sets.iter().cloned().chain([Arc::new(absent)]) {
            let refers = |flow: &&Arc<ProvisioningFlow>| {
                let reference = flow.spec.flow_set_ref.as_ref();
                is_beside(&***flow, &*set)
                    && reference.is_some_and(|reference| reference.name == set.name_any())
            };
            let flows = self.flows.iter().filter(refers);
            assert_eq!(uids(&index.flows_of(&set)), uids(flows.clone()));
            let count = FlowCount::new(
                i32::try_from(flows.clone().count()).unwrap(),
                i32::try_from(flows.filter(|flow| state::is_ready(flow)).count()).unwrap(),
            );
            assert_eq!(index.count_flows(&set), count);
            let is_same = |other: &&Arc<OutboundProvisioningFlowSet>| {
                other.uid() != set.uid()
                    && is_beside(&***other, &*set)
                    && other.spec.connection_ref == set.spec.connection_ref
                    && other.spec.display_name == set.spec.display_name
            };
            let same = self.sets.iter().filter(is_same);
            assert_eq!(uids(&index.same_named(&set)), uids(same.clone()));
            assert_eq!(index.namesake_of(&set), self.namesake_of(&set));
            let tenant = self.access(&*set, Some(&set.spec.connection_ref.name));
            let tenant = tenant.map(|access| access.0);
            for id in ids() {
                let owner = tenant
                    .as_ref()
                    .and_then(|tenant| self.owner_of_set(tenant, &id));
                let held = owner.is_some_and(|owner| owner.uid() != set.uid());
                assert_eq!(index.is_held_by_other(&set, &id), held);
            }
            let contests = |other: &&Arc<OutboundProvisioningFlowSet>| {
                let attempt = attempt_of(&***other);
                other.uid() != set.uid()
                    && self.serves(&***other, Some(&other.spec.connection_ref.name)) == tenant
                    && is_managing(other)
                    && attempt.is_some_and(|attempt| {
                        attempt.name.as_ref() == Some(&set.spec.display_name)
                    })
            };
            let contested = tenant.is_some() && self.sets.iter().any(|other| contests(&other));
            assert_eq!(index.is_contested(&set), contested);
        }
    }

    /// Compares what is answered about each connection, and about one that may not be there.
    pub(super) fn compare_connections(&self, index: &Index, absent: GraphConnection) {
        for connection in self.connections.iter().cloned().chain([Arc::new(absent)]) {
            let flows = self.flows_through(&connection);
            let sets = self.sets_through(&connection);
            assert_eq!(uids(&index.flows_through(&connection)), uids(&flows));
            assert_eq!(uids(&index.sets_through(&connection)), uids(&sets));
            let users = index.count_users(&connection);
            assert_eq!(users, sets.len() + flows.len());
            for id in ids() {
                let of_set = flows
                    .iter()
                    .filter(|flow| self.remote_set_of(flow).as_ref() == Some(&id));
                let listed = index.flows_listed(&connection, &id);
                assert_eq!(uids(&listed), uids(of_set));
                let listed = index.sets_listed(
                    &connection,
                    &[id.clone()].into(),
                    &[NAMES[0].to_owned()].into(),
                );
                let is_listed = |set: &&Arc<OutboundProvisioningFlowSet>| {
                    set.spec.display_name == NAMES[0] || id_of(set).as_ref() == Some(&id)
                };
                assert_eq!(listed.len(), sets.iter().filter(is_listed).count());
                assert_eq!(uids(&listed), uids(sets.iter().filter(is_listed)));
            }
            let interest = index.interest_in(&ObjectRef::from_obj(&*connection));
            let expected = self.interest_in(&connection);
            assert_eq!(interest.sets, expected.sets);
            assert_eq!(interest.flows, expected.flows);
        }
    }

    /// Compares what is answered about Secrets.
    pub(super) fn compare_secrets(&self, index: &Index) {
        for (namespace, name) in [
            ("schools", "a"),
            ("schools", "passwords"),
            ("colleges", "b"),
        ] {
            let secret = Name::new(namespace, name);
            let mut used = None;
            for key in ["clientSecret", "staff", "students", "another"] {
                let (connections, flows) = self.users_of_secret(&secret, key);
                let users = index.users_of_secret(&secret, key);
                assert_eq!(uids(&users.0), uids(&connections));
                assert_eq!(uids(&users.1), uids(&flows));
                self.add_use(&mut used, key, &connections, &flows);
            }
            assert_eq!(index.use_of_secret(&secret), used);
        }
    }

    fn users_of_secret(
        &self,
        secret: &Name,
        key: &str,
    ) -> (Vec<Arc<GraphConnection>>, Vec<Arc<ProvisioningFlow>>) {
        let is = |namespace: Option<String>, reference: &SecretKeyReference| {
            namespace.as_deref() == Some(&*secret.namespace)
                && reference.name == secret.name
                && reference.key == key
        };
        let connections = self.connections.iter().filter(|connection| {
            let reference = connection.spec.credential.client_secret.as_ref().unwrap();
            is(connection.namespace(), &reference.secret_key_ref)
        });
        let flows = self.flows.iter().filter(|flow| {
            passwords(&flow.spec).any(|(_, reference)| is(flow.namespace(), reference))
        });
        (connections.cloned().collect(), flows.cloned().collect())
    }

    fn add_use(
        &self,
        used: &mut Option<SecretUse>,
        key: &str,
        connections: &[Arc<GraphConnection>],
        flows: &[Arc<ProvisioningFlow>],
    ) {
        let through = flows.iter().map(|flow| {
            let name = self.connection_of(flow)?;
            let mut all = self.connections.iter();
            let is_sent = flow.spec.management_policy == ManagementPolicy::Manage
                && !flow.spec.suspend
                && !is_deleting(&**flow);
            all.find(|one| is_beside(&***one, &**flow) && one.name_any() == name)
                .filter(|_| is_sent)
        });
        for connection in connections.iter().map(Some).chain(through) {
            let used = used.get_or_insert_default();
            if let Some(connection) = connection.filter(|one| !one.spec.suspend) {
                used.keys.insert(key.to_owned());
                let interval = Duration::from(connection.spec.poll_interval);
                used.interval = Some(used.interval.map_or(interval, |one| one.min(interval)));
            }
        }
    }

    fn set_of(&self, flow: &ProvisioningFlow) -> Option<Arc<OutboundProvisioningFlowSet>> {
        let reference = flow.spec.flow_set_ref.as_ref()?;
        let is_named = |set: &&Arc<OutboundProvisioningFlowSet>| {
            is_beside(&***set, flow) && set.name_any() == reference.name
        };
        self.sets.iter().find(is_named).cloned()
    }

    fn connection_of(&self, flow: &ProvisioningFlow) -> Option<String> {
        let own = flow.spec.connection_ref.as_ref();
        let own = own.map(|reference| reference.name.clone());
        own.or_else(|| Some(self.set_of(flow)?.spec.connection_ref.name.clone()))
    }

    fn remote_set_of(&self, flow: &ProvisioningFlow) -> Option<FlowSetId> {
        let own = flow.spec.flow_set_id.clone();
        own.or_else(|| self.set_of(flow)?.status.as_ref()?.id.clone())?
            .parse()
            .ok()
    }

    /// The tenant of a connection in lower case, whether it was reached, and whether it is suspended.
    fn access(
        &self,
        beside: &impl ResourceExt,
        name: Option<&str>,
    ) -> Option<(String, bool, bool)> {
        let connection = self.connections.iter().find(|connection| {
            is_beside(&***connection, beside) && Some(&*connection.name_any()) == name
        })?;
        let reached = connection.status.as_ref().unwrap().reached;
        let tenant = connection.spec.tenant_id.to_lowercase();
        Some((tenant, reached, connection.spec.suspend))
    }

    /// The tenant in which a resource can own something.
    fn serves(&self, resource: &impl ResourceExt, connection: Option<&str>) -> Option<String> {
        let (tenant, reached, suspended) = self.access(resource, connection)?;
        (reached && (!suspended || is_deleting(resource))).then_some(tenant)
    }

    fn owner_of_set(
        &self,
        tenant: &str,
        id: &FlowSetId,
    ) -> Option<&Arc<OutboundProvisioningFlowSet>> {
        let owns = |set: &&Arc<OutboundProvisioningFlowSet>| {
            is_managing(set)
                && set.status.as_ref().unwrap().owned
                && id_of(set).as_ref() == Some(id)
                && self
                    .serves(&***set, Some(&set.spec.connection_ref.name))
                    .as_deref()
                    == Some(tenant)
        };
        self.sets
            .iter()
            .filter(owns)
            .min_by_key(|set| indexer::age(&***set))
    }

    fn allows(&self, flow: &ProvisioningFlow, tenant: &str, set: &FlowSetId) -> bool {
        self.owner_of_set(tenant, set).is_none_or(|owner| {
            let allowed = owner.annotations().get(annotation::ALLOWED_NAMESPACES);
            is_beside(&**owner, flow) || allowed.is_some_and(|all| all.contains(&namespace(flow)))
        })
    }

    fn place_of(&self, flow: &ProvisioningFlow) -> Option<FlowSetId> {
        let recorded = recorded_set(flow).filter(|_| is_deleting(flow));
        recorded.or_else(|| self.remote_set_of(flow))
    }

    /// The tenant of a resource that owns a flow of a type in a set, or may be creating it.
    fn claims(&self, flow: &ProvisioningFlow, set: &FlowSetId, creates: bool) -> Option<String> {
        let status = flow.status.as_ref().unwrap();
        let managing = flow.spec.management_policy == ManagementPolicy::Manage
            && (!flow.spec.suspend || is_deleting(flow));
        let claims = if creates {
            attempt_of(flow).is_some() && self.place_of(flow).as_ref() == Some(set)
        } else {
            status.owned && status.id.is_some() && recorded_set(flow).as_ref() == Some(set)
        };
        let tenant = self.serves(flow, self.connection_of(flow).as_deref())?;
        (managing && claims && self.allows(flow, &tenant, set)).then_some(tenant)
    }

    fn owner_of_flow(&self, flow: &ProvisioningFlow) -> Option<String> {
        let (kind, set) = (flow_type(&flow.spec)?, self.place_of(flow)?);
        let tenant = self.access(flow, self.connection_of(flow).as_deref());
        let first = |creates: bool| {
            let claims = |other: &&Arc<ProvisioningFlow>| {
                let claimed = self.claims(other, &set, creates);
                flow_type(&other.spec) == Some(kind)
                    && claimed.is_some_and(|claimed| {
                        tenant.as_ref().is_none_or(|tenant| tenant.0 == claimed)
                    })
            };
            let all = self.flows.iter().filter(claims);
            all.min_by_key(|other| indexer::age(&***other))
        };
        let owner = first(false).or_else(|| first(true))?;
        (owner.uid() != flow.uid()).then(|| display_name(&**owner, flow))
    }

    fn namesake_of(&self, set: &OutboundProvisioningFlowSet) -> Option<String> {
        let first = |must_hold: bool| {
            let is_same = |other: &&Arc<OutboundProvisioningFlowSet>| {
                let status = other.status.as_ref().unwrap();
                let owns = status.owned && status.id.is_some();
                is_beside(&***other, set)
                    && other.spec.connection_ref == set.spec.connection_ref
                    && other.spec.display_name == set.spec.display_name
                    && is_managing(other)
                    && (!must_hold || owns || attempt_of(&***other).is_some())
            };
            let all = self.sets.iter().filter(is_same);
            all.min_by_key(|other| indexer::age(&***other))
        };
        let first = first(true).or_else(|| first(false))?;
        (first.uid() != set.uid()).then(|| display_name(&**first, set))
    }

    fn sets_through(&self, connection: &GraphConnection) -> Vec<Arc<OutboundProvisioningFlowSet>> {
        let sets = self.sets.iter().filter(|set| {
            is_beside(&***set, connection) && set.spec.connection_ref.name == connection.name_any()
        });
        sets.cloned().collect()
    }

    fn flows_through(&self, connection: &GraphConnection) -> Vec<Arc<ProvisioningFlow>> {
        let name = connection.name_any();
        let flows = self.flows.iter().filter(|flow| {
            is_beside(&***flow, connection) && self.connection_of(flow).as_deref() == Some(&*name)
        });
        flows.cloned().collect()
    }

    fn interest_in(&self, connection: &GraphConnection) -> Interest {
        let known = self.connections.iter().find(|known| {
            is_beside(&***known, connection) && known.name_any() == connection.name_any()
        });
        let Some(connection) = known.filter(|known| !known.spec.suspend) else {
            return Interest::default();
        };
        let interval = Duration::from(connection.spec.poll_interval);
        let mut flows = BTreeMap::new();
        let tenant = connection.spec.tenant_id.to_lowercase();
        for flow in self.flows_through(connection) {
            let set = self.remote_set_of(&flow).filter(|_| !flow.spec.suspend);
            if let Some(set) = set.filter(|set| self.allows(&flow, &tenant, set)) {
                let cadence = cadence(&flow, interval);
                flows
                    .entry(set)
                    .and_modify(|all| *all = sooner(*all, cadence))
                    .or_insert(cadence);
            }
        }
        let settled = true;
        let sets = Some(Cadence { interval, settled });
        Interest { sets, flows }
    }
}

fn is_beside(one: &impl ResourceExt, other: &impl ResourceExt) -> bool {
    one.meta().namespace == other.meta().namespace
}

fn is_managing(set: &OutboundProvisioningFlowSet) -> bool {
    set.spec.management_policy == ManagementPolicy::Manage
        && (!set.spec.suspend || is_deleting(set))
}

fn recorded_set(flow: &ProvisioningFlow) -> Option<FlowSetId> {
    flow.status.as_ref()?.flow_set_id.as_deref()?.parse().ok()
}

/// The intent to create of a resource, if it is its own.
fn attempt_of(resource: &impl ResourceExt) -> Option<Attempt> {
    let attempt = resource.annotations().get(annotation::CREATE_ATTEMPT)?;
    let attempt = Attempt::parse(attempt).unwrap();
    (Some(&attempt.uid) == resource.meta().uid.as_ref()).then_some(attempt)
}

fn id_of(set: &OutboundProvisioningFlowSet) -> Option<FlowSetId> {
    set.status.as_ref()?.id.as_deref()?.parse().ok()
}

fn ids() -> impl Iterator<Item = FlowSetId> {
    IDS[1..3].iter().map(|id| id.parse().unwrap())
}

fn uids<'a, K: ResourceExt + 'a>(
    objects: impl IntoIterator<Item = &'a Arc<K>>,
) -> BTreeSet<Option<String>> {
    objects.into_iter().map(|object| object.uid()).collect()
}
