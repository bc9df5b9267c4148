//! Who owns what, across namespaces and scopes.

use std::thread;
use std::time::Instant;

use futures::FutureExt;

use super::*;

const FOREIGN: Option<&str> = Some("a resource of another namespace");

fn in_colleges<K: ResourceExt>(mut resource: K) -> K {
    let uid = format!("colleges-{}", resource.uid().unwrap());
    resource.meta_mut().namespace = Some("colleges".to_owned());
    resource.meta_mut().uid = Some(uid);
    resource
}

fn reached() -> GraphConnection {
    connection().knowing(|status: &mut crate::api::GraphConnectionStatus| status.reached = true)
}

fn owning_set() -> OutboundProvisioningFlowSet {
    flow_set().knowing(
        |status: &mut crate::api::OutboundProvisioningFlowSetStatus| {
            status.id = Some("A1".to_owned());
            status.owned = true;
        },
    )
}

fn plain_set() -> OutboundProvisioningFlowSet {
    let mut set = owning_set();
    set.status.as_mut().unwrap().owned = false;
    set
}

/// Records a flow in the set `A1`, and owns it or not.
fn recording(flow: ProvisioningFlow, owned: bool) -> ProvisioningFlow {
    flow.knowing(|status: &mut crate::api::ProvisioningFlowStatus| {
        status.id = Some("f1".to_owned());
        status.flow_set_id = Some("A1".to_owned());
        status.owned = owned;
    })
}

/// An older flow of another namespace that names the set `a1` by its id.
fn squatter() -> ProvisioningFlow {
    let mut flow = in_colleges(flow(FlowType::User));
    flow.spec.flow_set_ref = None;
    flow.spec.flow_set_id = Some("a1".to_owned());
    flow.spec.connection_ref = Some(LocalReference {
        name: "contoso".to_owned(),
    });
    flow.metadata.creation_timestamp = Some(Time(at(-60)));
    flow
}

struct Town {
    world: World,
    index: Index,
}

impl Town {
    /// With the connections and sets of both namespaces, and these flows.
    fn of(
        connections: impl IntoIterator<Item = GraphConnection>,
        sets: impl IntoIterator<Item = OutboundProvisioningFlowSet>,
        flows: impl IntoIterator<Item = ProvisioningFlow>,
    ) -> Self {
        let mut world = World::new();
        let index = world.index.clone();
        world.flows.list(&index, flows);
        world.sets.list(&index, sets);
        world.connections.list(&index, connections);
        Self { world, index }
    }

    fn owner(&self, flow: &ProvisioningFlow) -> Option<String> {
        self.index.owner_of_flow(flow)
    }
}

#[test]
fn who_cannot_reach_or_does_not_manage_or_has_not_recorded_blocks_nobody() {
    let claims = || recording(squatter(), true);
    let suspended = |mut connection: GraphConnection| {
        connection.spec.suspend = true;
        connection
    };
    let with = |change: fn(&mut ProvisioningFlow)| {
        let mut flow = claims();
        change(&mut flow);
        flow
    };
    let cases = vec![
        ("no connection", None, claims()),
        ("never reached", Some(connection()), claims()),
        ("suspended connection", Some(suspended(reached())), claims()),
        ("only declared", Some(reached()), squatter()),
        (
            "only observed",
            Some(reached()),
            recording(squatter(), false),
        ),
        (
            "under Observe",
            Some(reached()),
            with(|flow| flow.spec.management_policy = ManagementPolicy::Observe),
        ),
        (
            "suspended",
            Some(reached()),
            with(|flow| flow.spec.suspend = true),
        ),
        (
            "an attempt that was copied",
            Some(reached()),
            squatter().attempted_by("users", 0),
        ),
    ];
    for (case, connection, squatter) in cases {
        let connections = connection.map(in_colleges).into_iter().chain([reached()]);
        let own = flow(FlowType::User);
        let flows = [squatter.clone(), own.clone()];
        let mut town = Town::of(connections, [plain_set()], flows);
        assert_eq!(town.owner(&own), None, "{case}");
        let set: FlowSetId = "a1".parse().unwrap();
        assert!(town.index.reserve_flow(&own, &set, true), "{case}");

        let owned = watcher::Event::Apply(recording(own.clone(), true));
        town.world.flows.show(&town.index, &owned);
        assert_eq!(town.owner(&own), None, "{case}");
        assert_eq!(town.owner(&squatter).as_deref(), FOREIGN, "{case}");
        assert!(!town.index.reserve_flow(&squatter, &set, true), "{case}");
    }
}

#[test]
fn what_is_recorded_comes_before_an_unresolved_create_and_then_age_decides() {
    let connections = || [reached(), in_colleges(reached())];
    let (young, old) = (|| flow(FlowType::User), squatter);
    let cases = [
        (recording(young(), true), old().attempted(0), true),
        (recording(young(), true), recording(old(), true), false),
        (young().attempted(0), old().attempted(0), false),
        (young().attempted(0), recording(old(), false), true),
    ];
    for (young, old, is_young) in cases {
        let town = Town::of(connections(), [plain_set()], [young.clone(), old.clone()]);
        let owners = (town.owner(&young), town.owner(&old));
        let foreign = FOREIGN.map(str::to_owned);
        let expected = if is_young {
            (None, foreign)
        } else {
            (foreign, None)
        };
        assert_eq!(owners, expected);
    }
}

#[test]
fn two_tenants_never_conflict_and_one_is_written_in_any_case() {
    for (tenant, is_same) in [("CONTOSO.edu", true), ("fabrikam.edu", false)] {
        let mut other = in_colleges(reached());
        other.spec.tenant_id = tenant.to_owned();
        let mut set = in_colleges(owning_set());
        set.metadata.creation_timestamp = Some(Time(at(60)));
        let flows = [recording(flow(FlowType::User), true), squatter()];
        let sets = [owning_set(), set.clone()];
        let town = Town::of([reached(), other], sets, flows);
        assert_eq!(town.owner(&squatter()).is_some(), is_same, "{tenant}");
        assert_eq!(town.index.owner_of_set(&set).is_some(), is_same, "{tenant}");
    }
}

#[test]
fn a_set_of_another_namespace_has_no_room_unless_its_owner_makes_it() {
    let set: FlowSetId = "a1".parse().unwrap();
    let attempted = squatter().attempted(0);
    let connections = [reached(), in_colleges(reached())];
    let mut town = Town::of(connections, [owning_set()], [attempted.clone()]);
    let own = flow(FlowType::User);
    let colleges = ObjectRef::from_obj(&in_colleges(reached()));
    for (allowed, is_refused) in [
        ("", true),
        ("colleges-of-others, college", true),
        ("others, colleges", false),
        ("others", true),
    ] {
        let terms = owning_set().annotated(annotation::ALLOWED_NAMESPACES, allowed);
        town.world
            .sets
            .show(&town.index, &watcher::Event::Apply(terms));
        assert_eq!(
            town.index.refuses(&attempted, &set),
            is_refused,
            "{allowed}"
        );
        assert!(!town.index.refuses(&own, &set));
        // Who is refused owns nothing, and nothing is listed for it.
        assert_eq!(town.owner(&own).is_none(), is_refused, "{allowed}");
        let listed = town.index.interest_in(&colleges).flows;
        assert_eq!(listed.is_empty(), is_refused, "{allowed}");
    }
    let gone = watcher::Event::Delete(owning_set());
    town.world.sets.show(&town.index, &gone);
    assert!(!town.index.refuses(&attempted, &set));
}

#[test]
fn an_answer_to_a_write_counts_before_the_watch_shows_it() {
    let version = |flow: ProvisioningFlow, version: &str| {
        let mut flow = flow;
        flow.metadata.resource_version = Some(version.to_owned());
        flow
    };
    let (own, other) = (flow(FlowType::User), squatter());
    let sets = [plain_set()];
    let connections = [reached(), in_colleges(reached())];
    let mut town = Town::of(
        connections,
        sets,
        [version(own.clone(), "1"), other.clone()],
    );
    let written = Arc::new(version(own.clone().attempted(0), "3"));
    town.index.wrote(&written);
    assert_eq!(town.owner(&other).as_deref(), FOREIGN);

    let late = watcher::Event::Apply(version(own.clone(), "2"));
    town.world.flows.show(&town.index, &late);
    assert_eq!(town.owner(&other).as_deref(), FOREIGN, "an older version");
    town.world
        .flows
        .show(&town.index, &watcher::Event::Delete(own));
    town.index.wrote(&written);
    assert_eq!(town.owner(&other), None, "it is gone");
}

#[test]
fn of_two_that_create_or_adopt_at_the_same_time_one_goes_on() {
    let set: FlowSetId = "a1".parse().unwrap();
    let (one, other) = (flow(FlowType::User), squatter());
    let connections = [connection(), in_colleges(connection())];
    let mut town = Town::of(connections, [plain_set()], [one.clone(), other.clone()]);
    assert!(town.index.reserve_flow(&other, &set, true));
    assert!(!town.index.reserve_flow(&one, &set, true));
    town.index.release(&other);
    assert!(town.index.reserve_flow(&one, &set, true));
    let gone = watcher::Event::Delete(one.clone());
    town.world.flows.show(&town.index, &gone);
    assert!(!town.index.reserve_flow(&one, &set, true), "it is gone");
    assert!(town.index.reserve_flow(&other, &set, true));

    let namesake = |name: &str| {
        let mut set = flow_set();
        set.metadata.name = Some(name.to_owned());
        set.metadata.uid = Some(name.to_owned());
        set
    };
    let sets = [namesake("a"), namesake("b")];
    let town = Town::of([connection()], sets.clone(), []);
    assert!(town.index.reserve_set(&sets[0], None, true));
    assert!(
        !town.index.reserve_set(&sets[1], None, true),
        "the older comes first"
    );
    assert_eq!(town.index.namesake_of(&sets[1]).as_deref(), Some("a"));
}

#[test]
fn a_resource_that_has_reserved_nothing_is_released_while_questions_are_answered() {
    let index = Town::of([], [], []).index;
    let answered = index.clone();
    let question = answered.state();
    let release = thread::spawn(move || index.release(&flow(FlowType::User)));
    let deadline = Instant::now() + Duration::from_mins(1);
    while !release.is_finished() && Instant::now() < deadline {
        thread::yield_now();
    }
    assert!(release.is_finished(), "it waits until all are answered");
    drop(question);
}

#[tokio::test]
async fn scopes_see_each_other_and_wait_for_each_other() {
    let shared = SharedIndex::of(2);
    let index = |namespace| Index::new(shared.clone(), Some(namespace));
    let (schools, colleges) = (index("schools"), index("colleges"));
    for number in 1..=2 * WATCHES {
        for index in [&schools, &colleges] {
            assert!(index.ready().now_or_never().is_none(), "{number}");
        }
        [&schools, &colleges][number % 2].show();
    }
    schools.ready().await;
    colleges.ready().await;

    let (mut ours, mut theirs) = (Side::new(), Side::new());
    ours.list(&schools, [reached()]);
    theirs.list(&colleges, [in_colleges(reached())]);
    assert!(colleges.connection("schools", "contoso").is_some());
    theirs.list(&colleges, []);
    assert!(colleges.connection("schools", "contoso").is_some());
    assert!(schools.connection("colleges", "contoso").is_none());
}
