use std::sync::Arc;

use k8s_openapi::jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::select;

use super::passwords::password;
use super::*;
use crate::api::{AdoptionPolicy, DeletionPolicy, DriftPolicy, Reset, ResetPhase, Retry};
use crate::graph::model::Properties;
use crate::graph::verdict::Verdict;
use crate::plan::{Effects, Memory, Unreadable, UpdateMemory};

fn chance() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.25)
}

fn failures() -> impl Strategy<Value = Verdict> {
    select(vec![
        unavailable(),
        throttled(7),
        throttled(1_000_000_000_000),
        not_sent(),
        conflicting(),
        refused(Reason::Forbidden),
    ])
}

prop_compose! {
    fn resources()(
        kind in select(FlowType::ALL.to_vec()),
        (suspend, observe, retain, adopt, report) in (chance(), chance(), chance(), chance(), chance()),
        (held, deleting, abandoned) in (any::<bool>(), chance(), chance()),
        attempted in prop::option::of(0..40_i64),
        named in prop::option::weighted(0.2, 1..3_u32),
        token in prop::option::of("[ab]"),
        wish in prop::option::weighted(0.2, "[ab]"),
    ) -> ProvisioningFlow {
        let mut resource = flow(kind).generation(3).with(|spec| {
            spec.suspend = suspend;
            spec.reset_token = token;
            if observe { spec.management_policy = ManagementPolicy::Observe; }
            if retain { spec.deletion_policy = DeletionPolicy::Retain; }
            if adopt { spec.adoption_policy = AdoptionPolicy::IfExists; }
            if report { spec.drift_policy = DriftPolicy::Report; }
        });
        if held { resource = resource.held(); }
        if deleting { resource = resource.deleting(); }
        if abandoned { resource = resource.annotated(annotation::ABANDON, "true"); }
        if let Some(seconds) = attempted { resource = resource.attempted(seconds); }
        if let Some(number) = named { resource = resource.annotated(annotation::REMOTE_ID, &id(number)); }
        if let Some(wish) = wish { resource = resource.annotated(annotation::REQUESTED_AT, &wish); }
        resource
    }
}

prop_compose! {
    fn statuses()(
        (known, made) in (prop::option::of(1..3_u32), prop::option::of(0..40_i64)),
        set in select(vec![None, Some(SET), Some(OTHER_SET)]),
        word in prop::option::of(select(vec!["ready", "notReady", "failed", "odd"])),
        reset in prop::option::of((
            prop::option::of("[ab]"),
            select(vec![None, Some(ResetPhase::Sending), Some(ResetPhase::Accepted), Some(ResetPhase::Refused), Some(ResetPhase::Unknown)]),
        )),
        retry in prop::option::weighted(0.3, (1..9_i32, -60..600_i64)),
        generation in -1..=3_i64,
    ) -> ProvisioningFlowStatus {
        ProvisioningFlowStatus {
            observed_generation: generation,
            id: known.map(id),
            flow_set_id: set.map(str::to_owned),
            created_date_time: made.map(|seconds| at(seconds).to_string()),
            readiness_status: word.map(str::to_owned),
            reset: reset.map(|(token, phase)| Reset { token, phase, ..Reset::default() }),
            retry: retry.map(|(failures, left)| Retry {
                failures,
                not_before: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(30 + left)),
                inputs: String::new(),
            }),
            ..ProvisioningFlowStatus::default()
        }
    }
}

prop_compose! {
    fn listings()(
        flows in prop::collection::vec((1..4_u32, select(FlowType::ALL.to_vec()), 0..40_i64, select(vec!["ready", "notReady", "odd"]), chance()), 0..3),
        fresh in any::<bool>(),
        unread in prop::option::weighted(0.2, prop::option::of((failures(), 1..5_u32))),
    ) -> Option<Read<Flow>> {
        if let Some(unread) = unread {
            return unread.map(|(verdict, failures)| Read::Unknown(Unreadable { verdict, failures }));
        }
        let flows = flows.into_iter().map(|(number, kind, created, word, drifted)| {
            let mut remote = remote_flow(number, &flow(kind), created);
            remote.readiness = Some(word.to_owned());
            if drifted { remote.properties = Properties::default(); }
            remote
        });
        let mut listed = listed(flows.collect(), 30);
        if let Read::Known(view) = &mut listed { view.fresh = fresh; }
        Some(listed)
    }
}

prop_compose! {
    fn runs()(
        outcome in prop::option::of((
            select(vec![Action::Create, Action::Update, Action::Reset, Action::Delete]),
            prop::option::of(failures()),
        )),
        written in chance(),
    ) -> Effects {
        let outcome = outcome.map(|(action, verdict)| match verdict {
            Some(verdict) => Outcome::Failed(action, verdict),
            None => Outcome::Done(action),
        });
        Effects { outcome, written, ..Effects::default() }
    }
}

fn permits() -> impl Strategy<Value = Option<Permit>> {
    let reset = |token: &str| Permit::Reset {
        token: Some(token.to_owned()),
        requested_at: None,
    };
    select(vec![
        None,
        Some(Permit::Create {
            attempt: attempt(0).id,
            repeated: false,
        }),
        Some(Permit::Create {
            attempt: attempt(0).id,
            repeated: true,
        }),
        Some(reset("a")),
        Some(reset("b")),
    ])
}

fn obstacles() -> impl Strategy<Value = Option<Blocked>> {
    let obstacles = vec![
        Blocked::progress(reason::FLOW_SET_NOT_READY, "wait"),
        Blocked::person(reason::CONNECTION_NOT_FOUND, "create it"),
        Blocked::suspension(reason::SUSPENDED, "off"),
    ];
    prop::option::weighted(0.2, select(obstacles))
}

prop_compose! {
    fn observations()(
        mut resource in resources(),
        status in statuses(),
        told_before in prop::option::of(statuses()),
        collection in listings(),
        run in runs(),
        blocked in obstacles(),
        conflict in chance(),
        permit in permits(),
        passwords in select(vec![Ok(Vec::new()), Ok(vec![password("1")]), Err(Blocked::missing(reason::SECRET_NOT_FOUND, "create it"))]),
        (absent, updated, later) in (prop::option::of(0..40_i64), prop::option::of((0..40_i64, 1..4_u32, 2..4_i64)), 0..4000_i64),
    ) -> FlowInput {
        resource.status = told_before.or(Some(status.clone()));
        let mut input = input(resource, None);
        let known = input.resource.status.as_ref().unwrap().observed_generation;
        input.status = ProvisioningFlowStatus { observed_generation: known, ..status };
        input.now = at(30 + later);
        input.collection = collection;
        input.effects = run;
        if let Some(blocked) = blocked { input.target = Err(blocked); }
        if conflict { input.related.conflict = Some("older".to_owned()); }
        input.related.passwords = passwords;
        input.memory = Memory {
            absent_since: absent.map(SignedDuration::from_secs),
            permit,
            update: updated.map(|(seconds, times, generation)| UpdateMemory { at: at(seconds), generation, times }),
            ..Memory::default()
        };
        input
    }
}

/// The reconcile after one that reported `plan`.
fn next_run(input: &FlowInput, plan: &Plan<ProvisioningFlow>) -> FlowInput {
    let mut resource = (*input.resource).clone();
    resource.status = Some(plan.status.clone());
    Input {
        resource: Arc::new(resource),
        status: plan.status.clone(),
        memory: plan.memory.clone(),
        effects: Effects::default(),
        ..input.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_obeys_the_rules(input in observations()) {
        plan(&input);
    }

    #[test]
    fn a_run_that_is_over_has_nothing_to_add_when_it_is_repeated(input in observations()) {
        let input = Input { effects: Effects::default(), ..input };
        let first = plan(&input);
        if first.step.is_none() {
            let again = next_run(&input, &first);
            let second = plan(&again);
            if second.step.is_none() {
                prop_assert_eq!(&second.status.conditions, &first.status.conditions);
                let third = plan(&next_run(&again, &second));
                prop_assert_eq!(third.status, second.status);
                prop_assert!(third.events.is_empty());
            }
        }
    }

}

/// Faults, each at the next effect of a kind.
fn faults() -> impl Strategy<Value = Vec<(Effect, Fate)>> {
    let effects = vec![
        Effect::WriteIntent,
        Effect::ClearIntent,
        Effect::WriteStatus,
        Effect::Status,
        Effect::RemoveFinalizer,
        CREATE,
        UPDATE,
        RESET,
        DELETE,
    ];
    let fates = vec![
        Fate::answer_lost(),
        Fate::request_lost(),
        Fate::crash_before(),
        Fate::crash_after(),
        Fate::failed(throttled(3)),
        Fate::failed(not_sent()),
    ];
    prop::collection::vec((select(effects), select(fates)), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_flow_in_any_state_comes_to_rest(
        resource in resources(),
        status in statuses(),
        foreign in prop::option::of((1..3_u32, 0..40_i64)),
    ) {
        let mut resource = resource;
        resource.status = Some(ProvisioningFlowStatus { observed_generation: -1, ..status });
        let remote = foreign.map(|(number, created)| remote_flow(number, &resource, created));
        let mut world = World::new(resource).holding(remote.into_iter().collect());
        world.now = at(40);
        world.live(600);
        let effects = world.journal.len();
        world.live(200);
        prop_assert_eq!(world.journal.len(), effects, "{:?}", world.journal);
        prop_assert!(world.count(CREATE) <= 1);
    }

    #[test]
    fn a_life_full_of_faults_has_one_create_and_at_most_one_reset_for_each_token(
        kind in select(FlowType::ALL.to_vec()),
        faults in faults(),
        lag in 0..20_i64,
    ) {
        let mut world = World::new(flow(kind));
        world.script = faults;
        world.service.lag = k8s_openapi::jiff::SignedDuration::from_secs(lag);
        world.live(400);
        prop_assert_eq!(world.count(CREATE), 1);
        prop_assert_eq!(world.status().id.as_deref(), Some(world.service.items()[0].id.as_str()));
        prop_assert_eq!(condition_text(&world.status().conditions, SYNCED), "True/Synced");

        world.edit(|flow| flow.with(|spec| spec.reset_token = Some("a".to_owned())));
        world.live(100);
        let phase = world.status().reset.as_ref().and_then(|reset| reset.phase);
        prop_assert!(world.count(RESET) <= 1);
        prop_assert!(world.count(RESET) == 1 || phase == Some(ResetPhase::Unknown));

        world.edit(Building::deleting);
        world.live(200);
        prop_assert!(world.resource.is_none());
        prop_assert!(world.service.items().is_empty());
        prop_assert_eq!(world.count(CREATE), 1);
    }
}
