//! What a question costs does not depend on how many resources there are.

use std::sync::LazyLock;

use super::*;

/// Resources of one district: a connection, two sets, six flows of the sets and one that gives the id of a set.
const RESOURCES: usize = 10;
const TYPES: [FlowType; 3] = [
    FlowType::AdministrativeUnit,
    FlowType::SecurityGroup,
    FlowType::User,
];

/// Made once, as reading JSON takes longer than anything else here.
static FLOWS: LazyLock<[ProvisioningFlow; 3]> = LazyLock::new(|| TYPES.map(flow));

fn named<K: ResourceExt>(mut object: K, name: &str) -> K {
    object.meta_mut().name = Some(name.to_owned());
    object.meta_mut().uid = Some(name.to_owned());
    object
}

fn connection_of(district: usize) -> GraphConnection {
    let mut connection = named(connection(), &format!("c{district}"));
    let reference = connection.spec.credential.client_secret.as_mut().unwrap();
    reference.secret_key_ref.name = format!("secret{district}");
    connection.status.as_mut().unwrap().reached = true;
    connection
}

fn set_of(district: usize, number: usize) -> OutboundProvisioningFlowSet {
    let mut set = named(flow_set(), &format!("s{district}-{number}"));
    set.spec.connection_ref.name = format!("c{district}");
    set.spec.display_name = format!("District {district}");
    let status = set.status.as_mut().unwrap();
    status.id = Some(format!("id-{district}-{number}"));
    status.owned = true;
    set
}

fn flow_of(district: usize, number: usize) -> ProvisioningFlow {
    let mut flow = named(FLOWS[number % 3].clone(), &format!("f{district}-{number}"));
    let set = format!("s{district}-{}", number % 2);
    flow.spec.flow_set_ref = Some(LocalReference { name: set });
    let status = flow.status.as_mut().unwrap();
    status.id = Some(format!("flow-{district}-{number}"));
    status.flow_set_id = Some(format!("id-{district}-{}", number % 2));
    status.owned = number < 6;
    if number == 6 {
        flow.spec.flow_set_ref = None;
        flow.spec.flow_set_id = Some(format!("ID-{district}-0"));
        let name = format!("c{district}");
        flow.spec.connection_ref = Some(LocalReference { name });
    }
    if let Some(user) = &mut flow.spec.user {
        let options = user.creation_options.as_mut().unwrap();
        for configuration in &mut options.configurations {
            let password = configuration.default_password.as_mut().unwrap();
            password.secret_key_ref.name = format!("secret{district}");
        }
    }
    flow
}

fn world_of(resources: usize) -> World {
    let mut world = World::new();
    let (index, districts) = (world.index.clone(), resources / RESOURCES);
    // Flows come before their sets: the order in which the watches deliver is not known.
    let flows = (0..districts).flat_map(|district| (0..7).map(move |n| flow_of(district, n)));
    world.flows.list(&index, flows);
    let sets = (0..districts).flat_map(|district| (0..2).map(move |n| set_of(district, n)));
    world.sets.list(&index, sets);
    let connections = (0..districts).map(connection_of);
    world.connections.list(&index, connections);
    world
}

impl World {
    fn visited(&self) -> usize {
        let state = self.index.state();
        state.connections.visited() + state.sets.visited() + state.flows.visited()
    }

    fn visits_of(&mut self, ask: impl FnOnce(&mut Self)) -> usize {
        let before = self.visited();
        ask(self);
        self.visited() - before
    }
}

/// How many resources each question and each event comes across.
#[expect(clippy::too_many_lines, reason = "an entry for each question")]
fn visits(resources: usize) -> Vec<(&'static str, usize)> {
    let mut world = world_of(resources);
    let (connection, set, flow) = (connection_of(7), set_of(7, 1), flow_of(7, 6));
    let id: FlowSetId = "id-7-0".parse().unwrap();
    let secret = Name::new("schools", "secret7");
    let reference = ObjectRef::from_obj(&connection);
    let mut renamed = set.clone();
    renamed.status.as_mut().unwrap().id = Some("another".to_owned());

    let mut counts = Vec::new();
    let mut count = |name, ask: &dyn Fn(&Index) -> usize, answers: usize| {
        let visits = world.visits_of(|world| assert_eq!(ask(&world.index), answers, "{name}"));
        counts.push((name, visits));
    };
    let some = |answer: Option<String>| usize::from(answer.is_some());
    count(
        "connection",
        &|index| usize::from(index.connection("schools", "c7").is_some()),
        1,
    );
    count(
        "set_of",
        &|index| usize::from(index.set_of(&flow_of(7, 0)).is_some()),
        1,
    );
    count(
        "connection_of",
        &|index| some(index.connection_of(&flow_of(7, 0))),
        1,
    );
    count(
        "remote_set_of",
        &|index| usize::from(index.remote_set_of(&flow_of(7, 0)).is_some()),
        1,
    );
    count("flows_of", &|index| index.flows_of(&set).len(), 3);
    count(
        "count_flows",
        &|index| usize::try_from(index.count_flows(&set).total).unwrap(),
        3,
    );
    count(
        "sets_through",
        &|index| index.sets_through(&connection).len(),
        2,
    );
    count(
        "flows_through",
        &|index| index.flows_through(&connection).len(),
        7,
    );
    count("count_users", &|index| index.count_users(&connection), 9);
    count(
        "sets_listed",
        &|index| {
            index
                .sets_listed(&connection, &[id.clone()].into(), &BTreeSet::new())
                .len()
        },
        1,
    );
    count(
        "flows_listed",
        &|index| index.flows_listed(&connection, &id).len(),
        4,
    );
    count(
        "owner_of_flow",
        &|index| some(index.owner_of_flow(&flow)),
        1,
    );
    count(
        "refuses",
        &|index| usize::from(index.refuses(&flow, &id)),
        0,
    );
    count("flows_within", &|index| index.flows_within(&id).len(), 4);
    count("sharers_of", &|index| index.sharers_of(&set).len(), 0);
    count("owner_of_set", &|index| some(index.owner_of_set(&set)), 0);
    count(
        "is_contested",
        &|index| usize::from(index.is_contested(&set)),
        0,
    );
    count(
        "reserve_flow",
        &|index| usize::from(index.reserve_flow(&flow, &id, true)),
        0,
    );
    count(
        "reserve_set",
        &|index| usize::from(index.reserve_set(&set, Some(&id), true)),
        0,
    );
    count("rivals_of", &|index| index.rivals_of(&flow).len(), 1);
    count("namesake_of", &|index| some(index.namesake_of(&set)), 1);
    count("same_named", &|index| index.same_named(&set).len(), 1);
    count(
        "is_held_by_other",
        &|index| usize::from(index.is_held_by_other(&set, &id)),
        1,
    );
    count(
        "users_of_secret",
        &|index| index.users_of_secret(&secret, "staff").1.len(),
        2,
    );
    count(
        "use_of_secret",
        &|index| usize::from(index.use_of_secret(&secret).is_some()),
        1,
    );
    count(
        "interest_in",
        &|index| index.interest_in(&reference).flows.len(),
        2,
    );

    let index = world.index.clone();
    let mut suspended = connection.clone();
    suspended.spec.suspend = true;
    let mut allowing = set_of(7, 0);
    allowing = allowing.annotated(annotation::ALLOWED_NAMESPACES, "colleges");
    let events = [
        (
            "connection suspended",
            world.visits_of(|world| {
                let applied = watcher::Event::Apply(suspended.clone());
                world.connections.show(&index, &applied);
            }),
        ),
        (
            "set with other terms applied",
            world.visits_of(|world| {
                world
                    .sets
                    .show(&index, &watcher::Event::Apply(allowing.clone()));
            }),
        ),
        (
            "flow applied",
            world.visits_of(|world| {
                world
                    .flows
                    .show(&index, &watcher::Event::Apply(flow.clone()));
            }),
        ),
        (
            "set applied",
            world.visits_of(|world| world.sets.show(&index, &watcher::Event::Apply(set.clone()))),
        ),
        (
            "set with another id applied",
            world.visits_of(|world| {
                world
                    .sets
                    .show(&index, &watcher::Event::Apply(renamed.clone()));
            }),
        ),
        (
            "set deleted",
            world.visits_of(|world| world.sets.show(&index, &watcher::Event::Delete(renamed))),
        ),
        (
            "flow deleted",
            world.visits_of(|world| world.flows.show(&index, &watcher::Event::Delete(flow))),
        ),
    ];
    counts.extend(events);
    counts
}

#[test]
fn no_question_and_no_event_visits_more_resources_where_there_are_more() {
    let (few, many) = (visits(1_000), visits(100_000));
    println!("{many:#?}");
    assert_eq!(few, many);
    for (name, visits) in many {
        // An event derives the keys of all resources again that depend on the one that has changed.
        let derives = [
            "connection suspended",
            "reserve_flow",
            "set with another id applied",
        ];
        let bound = if derives.contains(&name) { 200 } else { 20 };
        assert!(visits <= bound, "{name} visits {visits}");
    }
}
