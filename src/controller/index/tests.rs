use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::runtime::reflector::{self, store::Writer};
use proptest::prelude::*;

use super::*;
use crate::api::condition::READY;
use crate::api::{LocalReference, ManagementPolicy, annotation};
use crate::graph::model::FlowType;
use crate::plan::Attempt;
use crate::plan::testing::{Building, at, attempt, connection, flow, flow_set};

mod ownership;
mod scan;
mod visits;

use scan::Scan;

const NAMESPACES: [&str; 2] = ["schools", "colleges"];
const NAMES: [&str; 3] = ["a", "b", "c"];
/// The first two are the same id, and the last one cannot be an id.
const IDS: [&str; 4] = ["A1", "a1", "b2", "not usable"];
/// The first two are the same.
const TENANTS: [&str; 3] = ["contoso.edu", "Contoso.EDU", "fabrikam.edu"];

/// An index with the stores that feed it.
struct World {
    index: Index,
    connections: Side<GraphConnection>,
    sets: Side<OutboundProvisioningFlowSet>,
    flows: Side<ProvisioningFlow>,
}

struct Side<K: Indexed> {
    store: Store<K>,
    writer: Writer<K>,
}

impl<K: Indexed> Side<K> {
    fn new() -> Self {
        let (store, writer) = reflector::store();
        Self { store, writer }
    }

    fn show(&mut self, index: &Index, event: &watcher::Event<K>) {
        self.writer.apply_watcher_event(event);
        index.apply(event, &self.store);
    }

    fn list(&mut self, index: &Index, objects: impl IntoIterator<Item = K>) {
        self.show(index, &watcher::Event::Init);
        for object in objects {
            self.show(index, &watcher::Event::InitApply(object));
        }
        self.show(index, &watcher::Event::InitDone);
    }

    /// Applies, deletes or leaves out of a new list, depending on `operation`.
    fn change(&mut self, index: &Index, operation: u8, object: K) {
        match operation {
            0 => self.show(index, &watcher::Event::Delete(object)),
            1 => {
                let known = self.store.state().into_iter().map(Arc::unwrap_or_clone);
                let others: Vec<K> = known.filter(|known| known.uid() > object.uid()).collect();
                self.list(index, others.into_iter().chain([object]));
            }
            _ => self.show(index, &watcher::Event::Apply(object)),
        }
    }
}

impl World {
    fn new() -> Self {
        Self {
            index: Index::new(SharedIndex::of(1), None),
            connections: Side::new(),
            sets: Side::new(),
            flows: Side::new(),
        }
    }

    fn change(&mut self, change: &Change) {
        let operation = change.operation;
        match change.kind {
            0 => self
                .connections
                .change(&self.index, operation, change.connection()),
            1 | 2 => self.sets.change(&self.index, operation, change.set()),
            _ => self.flows.change(&self.index, operation, change.flow()),
        }
    }
}

/// One event, as numbers.
#[derive(Clone, Debug)]
struct Change {
    kind: u8,
    operation: u8,
    place: (usize, usize),
    incarnation: u8,
    picks: [usize; 4],
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (
        0..6_u8,
        0..8_u8,
        (0..NAMESPACES.len(), 0..NAMES.len()),
        0..2_u8,
        [0..24_usize, 0..24, 0..24, 0..24],
    );
    let change = change.prop_map(|(kind, operation, place, incarnation, picks)| Change {
        kind,
        operation,
        place,
        incarnation,
        picks,
    });
    prop::collection::vec(change, 1..40)
}

impl Change {
    /// Another incarnation of a name has another uid and time of creation.
    fn placed<K: ResourceExt>(&self, mut object: K) -> K {
        let (namespace, name) = (NAMESPACES[self.place.0], NAMES[self.place.1]);
        let meta = object.meta_mut();
        meta.namespace = Some(namespace.to_owned());
        meta.name = Some(name.to_owned());
        meta.uid = Some(format!("{name}-{namespace}-{}", self.incarnation));
        let age = (self.place.1 + usize::from(self.incarnation)) % 3;
        meta.creation_timestamp = Some(Time(at(i64::try_from(age).unwrap())));
        object
    }

    fn connection(&self) -> GraphConnection {
        let [suspend, secret, tenant, reached] = self.picks;
        let mut connection = self.placed(connection());
        connection.spec.tenant_id = TENANTS[tenant % 3].to_owned();
        connection.status.as_mut().unwrap().reached = reached % 4 > 0;
        connection.spec.suspend = suspend % 4 == 0;
        let reference = connection.spec.credential.client_secret.as_mut().unwrap();
        reference.secret_key_ref.name = NAMES[secret % 2].to_owned();
        connection
    }

    fn set(&self) -> OutboundProvisioningFlowSet {
        let [connection, display_name, id, policy] = self.picks;
        let mut set = self.placed(flow_set());
        set.spec.connection_ref = reference(connection % 2);
        set.spec.display_name = NAMES[display_name % 2].to_owned();
        set.status.as_mut().unwrap().id = IDS.get(id % 6).map(|&id| id.to_owned());
        set.status.as_mut().unwrap().owned = policy % 2 == 0;
        if policy % 3 == 0 {
            set.spec.management_policy = ManagementPolicy::Observe;
        }
        set.spec.suspend = id % 7 == 0;
        if policy % 5 == 0 {
            set = set.annotated(annotation::ALLOWED_NAMESPACES, "none, colleges");
        }
        self.maybe_attempted(set, id, Some(NAMES[display_name % 3].to_owned()))
    }

    /// May refer to a set, or have an id of its own, or both, or neither.
    fn flow(&self) -> ProvisioningFlow {
        let [parent, connection, kind, state] = self.picks;
        let user = kind % 3 == 0;
        let mut flow = self.placed(flow(if user {
            FlowType::User
        } else {
            FlowType::SecurityGroup
        }));
        if kind == 1 {
            flow.spec.security_group = None;
        }
        flow.spec.flow_set_ref = (parent % 4 != 0).then(|| reference(parent % 3));
        let own = (parent % 4 == 0 || parent == 1).then(|| IDS[connection % 4].to_owned());
        flow.spec.connection_ref = (own.is_some() && parent > 0).then(|| reference(kind % 2));
        flow.spec.flow_set_id = own;
        flow.spec.suspend = state % 5 == 0;
        let status = flow.status.as_mut().unwrap();
        status.observed_generation = 1;
        status.id = (state % 2 == 0).then(|| "f1".to_owned());
        status.owned = state % 4 == 0;
        status.flow_set_id = (connection % 3 > 0).then(|| IDS[connection % 4].to_owned());
        if state % 3 == 0 {
            status.conditions = vec![ready()];
        }
        if kind % 5 == 0 {
            flow.spec.management_policy = ManagementPolicy::Observe;
        }
        if kind % 7 == 0 {
            flow = flow.deleting();
        }
        self.maybe_attempted(flow, parent, None)
    }

    /// With an intent to create of its own, or of another resource, or without.
    fn maybe_attempted<K: ResourceExt>(&self, resource: K, pick: usize, name: Option<String>) -> K {
        let own = resource.uid().unwrap();
        let uid = if self.incarnation == 0 {
            own
        } else {
            "another".to_owned()
        };
        let attempt = Attempt {
            uid,
            name,
            ..attempt(0)
        };
        if pick.is_multiple_of(3) {
            resource.annotated(annotation::CREATE_ATTEMPT, &attempt.to_string())
        } else {
            resource
        }
    }
}

fn ready() -> Condition {
    Condition {
        last_transition_time: Time(at(0)),
        message: String::new(),
        observed_generation: None,
        reason: "Ready".to_owned(),
        status: "True".to_owned(),
        type_: READY.to_owned(),
    }
}

fn reference(name: usize) -> LocalReference {
    LocalReference {
        name: NAMES[name].to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_that_of_a_scan(changes in changes()) {
        let mut world = World::new();
        for change in &changes {
            world.change(change);
            let scan = Scan::of(&world);
            scan.compare_flows(&world.index, change.flow());
            scan.compare_sets(&world.index, change.set());
            scan.compare_connections(&world.index, change.connection());
            scan.compare_secrets(&world.index);
        }
    }
}

#[test]
fn a_list_is_taken_over_once_it_is_complete() {
    let mut world = World::new();
    let index = world.index.clone();
    world.connections.show(&index, &watcher::Event::Init);
    let listed = watcher::Event::InitApply(connection());
    world.connections.show(&index, &listed);
    assert!(index.connection("schools", "contoso").is_none());
    world.connections.show(&index, &watcher::Event::InitDone);
    assert!(index.connection("schools", "contoso").is_some());
    world.connections.list(&index, []);
    assert!(index.connection("schools", "contoso").is_none());
}

#[test]
fn what_a_relist_lacks_has_vanished_even_if_its_name_is_used_again() {
    let (store, mut writer) = reflector::store();
    let index = Index::new(SharedIndex::of(1), None);
    let mut list = |uids: &[(&str, &str)]| {
        let listed = uids.iter().map(|(name, uid)| {
            let mut connection = connection();
            connection.metadata.name = Some((*name).to_owned());
            connection.metadata.uid = Some((*uid).to_owned());
            watcher::Event::InitApply(connection)
        });
        let events = [watcher::Event::Init].into_iter().chain(listed);
        let mut vanished = Vec::new();
        for event in events.chain([watcher::Event::InitDone]) {
            writer.apply_watcher_event(&event);
            vanished.extend(index.apply(&event, &store));
        }
        let mut uids: Vec<_> = vanished.iter().filter_map(|one| one.uid()).collect();
        uids.sort();
        uids
    };
    let none = Vec::<String>::new();
    assert_eq!(list(&[("a", "1"), ("b", "2"), ("c", "3")]), none);
    assert_eq!(list(&[("a", "1"), ("b", "4")]), ["2", "3"]);
    assert_eq!(list(&[("a", "1"), ("b", "4")]), none);
    let known = index.connection("schools", "b").and_then(|one| one.uid());
    assert_eq!(known.as_deref(), Some("4"));
    assert!(index.connection("schools", "c").is_none());
}
