//! The typed client against the simulator, which was written from the same contract but shares no
//! code with it.

use std::{error::Error as _, iter::successors, time::Duration};

use futures::future::join_all;
use industrydata_operator::graph::{
    Account, Certainty, Client, Disposition, Error, FilterDefinition, Flow, FlowDefinition, FlowId,
    FlowSetDefinition, FlowSetId, FlowType, Passwords, Priority, RateLimits, Reason, Tenant,
    Transport, TransportSettings, unobserved,
};
use industrydata_simulator::{
    Answer, BodyFault, Effect, NextLink, Operation, Options, PatchAnswer, Quirk, RetryAfter, Rule,
    Simulator,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const TENANT: &str = "11111111-2222-4333-8444-555555555555";
const CLIENT_ID: &str = "66666666-7777-4888-8999-000000000000";
pub const SECRET: &str = "simulator-secret";
const PASSWORD: &str = "canary-password";
const TIMEOUT: Duration = Duration::from_secs(10);

/// A simulator and a client of it.
struct Remote {
    simulator: Simulator,
    client: Client,
    account: Account,
}

impl Remote {
    async fn start() -> Self {
        // The client signs in with a secret, and writes.
        let options = Options::default().with_application_writes();
        let simulator = Simulator::start(options).await.unwrap();
        let (client, account) = client(&simulator, SECRET, TIMEOUT);
        Self {
            simulator,
            client,
            account,
        }
    }

    /// With a set to put flows into.
    async fn with_set() -> (Self, FlowSetId) {
        let remote = Self::start().await;
        let set = remote
            .client
            .create_flow_set(Uuid::new_v4(), &north(None))
            .await
            .unwrap();
        (remote, set.id)
    }

    /// With a set and an administrative unit flow in it.
    async fn with_flow() -> (Self, FlowSetId, FlowId) {
        let (remote, set) = Self::with_set().await;
        let flow = remote
            .create(&set, FlowType::AdministrativeUnit)
            .await
            .unwrap();
        (remote, set, flow.id)
    }

    async fn create(&self, set: &FlowSetId, flow_type: FlowType) -> Result<Flow, Error> {
        self.client
            .create_flow(Uuid::new_v4(), set, &definition(flow_type), &passwords())
            .await
    }

    async fn list(&self, set: &FlowSetId) -> Result<Vec<Flow>, Error> {
        let listing = self.client.list_flows(set, Priority::Poll).await?;
        Ok(listing.items)
    }

    fn inject(&self, operation: Operation, effect: Effect) {
        self.simulator.inject(Rule::new(effect).on(operation));
    }
}

pub fn client(simulator: &Simulator, secret: &str, timeout: Duration) -> (Client, Account) {
    let transport = Transport::new(TransportSettings {
        graph_endpoint: simulator.graph_endpoint().parse().unwrap(),
        authority_endpoint: simulator.authority_endpoint().parse().unwrap(),
        token_scope: "https://graph.microsoft.com/.default".to_owned(),
        assertion_audience: "https://login.microsoftonline.com".parse().unwrap(),
        ca_certificates: None,
        request_timeout: timeout,
        connect_timeout: timeout,
        user_agent: "industrydata-operator/test".to_owned(),
    });
    let limits = RateLimits {
        per_second: 1000.0,
        burst: 1000,
        max_wait: Duration::from_millis(500),
    };
    let account = Account::new(Tenant::new(TENANT).unwrap(), CLIENT_ID, limits);
    let client = Client::new(
        transport.unwrap(),
        account.clone(),
        secret.into(),
        unobserved(),
    );
    (client, account)
}

fn north(filter: Option<FilterDefinition>) -> FlowSetDefinition {
    FlowSetDefinition {
        display_name: "north".to_owned(),
        filter,
    }
}

fn properties(flow_type: FlowType) -> Value {
    match flow_type {
        FlowType::AdministrativeUnit => json!({"creationOptions": {
            "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false
        }}),
        FlowType::SecurityGroup => json!({"creationOptions": {
            "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": false
        }}),
        FlowType::ClassGroup => json!({"configuration": {
            "additionalAttributes": ["courseTitle"],
            "additionalOptions": {"createTeam": true, "writeDisplayNameOnCreateOnly": false},
            "enrollmentMappings": {
                "ownerEnrollmentMappings": [{"code": "teacher"}],
                "memberEnrollmentMappings": [{"code": "student"}]
            }
        }}),
        FlowType::User => json!({
            "createUnmatchedUsers": true,
            "managementOptions": {
                "additionalAttributes": [],
                "additionalOptions": {"studentAgeGroup": null, "allowStudentContactAssociation": false}
            },
            "creationOptions": {"configurations": [
                {"roleGroup": {"id": "students"}, "licenseSkus": ["00000000-0000-4000-8000-000000000002"]}
            ]}
        }),
    }
}

fn definition(flow_type: FlowType) -> FlowDefinition {
    let Value::Object(properties) = properties(flow_type) else {
        unreachable!("an object");
    };
    FlowDefinition {
        flow_type,
        properties,
    }
}

fn passwords() -> Passwords {
    Passwords::from([("Students".to_owned(), PASSWORD.into())])
}

/// Everything about an error that could be written somewhere.
fn shown(error: &Error) -> String {
    let causes = successors(error.source(), |cause| (*cause).source()).map(ToString::to_string);
    let causes: Vec<_> = causes.collect();
    format!("{error} {error:?} {:?} {causes:?}", error.verdict())
}

#[tokio::test]
async fn every_type_of_flow_lives_its_whole_life() {
    let (remote, set) = Remote::with_set().await;
    for flow_type in FlowType::ALL {
        let made = remote.create(&set, flow_type).await.unwrap();
        assert_eq!(made.flow_type, Some(flow_type));
        assert_eq!(made.readiness.as_deref(), Some("notReady"));
        assert!(made.created_at().is_some());
    }
    let listed = remote.list(&set).await.unwrap();
    assert_eq!(listed.len(), FlowType::ALL.len());
    for flow in listed {
        let (client, id) = (&remote.client, &flow.id);
        let read = client.get_flow(&set, id, Priority::Poll).await.unwrap();
        assert_eq!(read.as_ref(), Some(&flow));
        let definition = definition(flow.flow_type.unwrap());
        client
            .update_flow(&set, id, &definition, &passwords())
            .await
            .unwrap();
        client.reset_flow(&set, id).await.unwrap();
        client.delete_flow(&set, id).await.unwrap();
        let read = client.get_flow(&set, id, Priority::Poll).await.unwrap();
        assert_eq!(read, None);
        assert!(
            client
                .delete_flow(&set, id)
                .await
                .unwrap_err()
                .is_not_found()
        );
        let journal = remote.simulator.journal();
        let counts = [journal.updates(id.as_str()), journal.resets(id.as_str())];
        assert_eq!(counts, [1, 1]);
    }
    assert!(remote.list(&set).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_set_lives_its_whole_life() {
    let remote = Remote::start().await;
    let filter = FilterDefinition {
        attribute: "orgExternalId",
        values: vec!["school-17".to_owned()],
    };
    let definition = north(Some(filter));
    let attempt = Uuid::new_v4();
    let set = remote
        .client
        .create_flow_set(attempt, &definition)
        .await
        .unwrap();
    assert_eq!(set.filter.unwrap()["in"], json!(["school-17"]));
    remote
        .client
        .update_flow_set(&set.id, &north(None))
        .await
        .unwrap();
    let read = remote
        .client
        .get_flow_set(&set.id, Priority::Poll)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((read.display_name.as_str(), read.filter), ("north", None));
    remote.client.delete_flow_set(&set.id).await.unwrap();
    let listing = remote.client.list_flow_sets(Priority::Poll).await.unwrap();
    assert!(listing.items.is_empty());
    let attempt = attempt.to_string();
    let traced = remote
        .simulator
        .count(|entry| entry.client_request_id.as_ref() == Some(&attempt));
    assert_eq!(traced, 1);
}

#[tokio::test]
async fn a_password_arrives_and_never_comes_back() {
    let (remote, set) = Remote::with_set().await;
    let flow = remote.create(&set, FlowType::User).await.unwrap();
    let arrived = remote
        .simulator
        .has_password(flow.id.as_str(), "students", PASSWORD);
    assert!(arrived.unwrap());
    let read = remote
        .client
        .get_flow(&set, &flow.id, Priority::Poll)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        read.properties.to_map()["creationOptions"]["configurations"][0]["roleGroup"]["id"],
        "students"
    );
    assert!(!format!("{flow:?} {read:?}").contains("canary"));
}

#[tokio::test]
async fn a_property_is_cleared_by_null() {
    let (remote, set) = Remote::with_set().await;
    let flow = remote.create(&set, FlowType::User).await.unwrap();
    let change = FlowDefinition {
        properties: Map::from_iter([("createUnmatchedUsers".to_owned(), Value::Null)]),
        ..definition(FlowType::User)
    };
    remote
        .client
        .update_flow(&set, &flow.id, &change, &passwords())
        .await
        .unwrap();
    let read = remote
        .client
        .get_flow(&set, &flow.id, Priority::Poll)
        .await
        .unwrap()
        .unwrap();
    let properties = read.properties.to_map();
    assert_eq!(
        properties
            .get("createUnmatchedUsers")
            .unwrap_or(&Value::Null),
        &Value::Null
    );
    assert!(
        properties["managementOptions"].is_object(),
        "what was not sent stays"
    );
}

#[tokio::test]
async fn an_update_may_be_answered_with_the_object() {
    let (remote, set, flow) = Remote::with_flow().await;
    remote
        .simulator
        .configure(|behavior| behavior.patch_answer = PatchAnswer::Object);
    let definition = definition(FlowType::AdministrativeUnit);
    remote
        .client
        .update_flow(&set, &flow, &definition, &passwords())
        .await
        .unwrap();
    remote
        .client
        .update_flow_set(&set, &north(None))
        .await
        .unwrap();
}

#[tokio::test]
async fn lists_are_complete_whatever_the_pages() {
    let (remote, set) = Remote::with_set().await;
    for flow_type in FlowType::ALL {
        remote.create(&set, flow_type).await.unwrap();
    }
    for _ in 0..4 {
        remote
            .client
            .create_flow_set(Uuid::new_v4(), &north(None))
            .await
            .unwrap();
    }
    for (page_size, empty_pages) in [(1, true), (2, false), (3, true), (100, false)] {
        remote.simulator.configure(|behavior| {
            behavior.page_size = page_size;
            behavior.empty_pages = empty_pages;
        });
        assert_eq!(remote.list(&set).await.unwrap().len(), 4);
        let listing = remote.client.list_flow_sets(Priority::Poll).await.unwrap();
        assert_eq!(listing.items.len(), 5);
    }
}

#[tokio::test]
async fn a_link_to_another_origin_is_an_error() {
    let (remote, set, _) = Remote::with_flow().await;
    let elsewhere = Simulator::start(Options::default()).await.unwrap();
    let link = NextLink::Foreign(elsewhere.graph_endpoint());
    remote.inject(Operation::ListFlows, Effect::NextLink(link));
    let error = remote.list(&set).await.unwrap_err();
    assert_eq!(
        error.verdict().reason,
        Reason::UnexpectedAnswer,
        "{error:?}"
    );
    assert!(elsewhere.journal().entries().is_empty());
}

#[tokio::test]
async fn a_list_ends_with_a_link_that_is_empty_or_leads_back() {
    let (remote, set, _) = Remote::with_flow().await;
    remote.create(&set, FlowType::User).await.unwrap();
    for link in [NextLink::Empty, NextLink::Loop] {
        let before = remote.simulator.journal().requests(Operation::ListFlows);
        for effect in [Effect::NextLink(link), Effect::PageSize(2)] {
            let rule = Rule::new(effect).on(Operation::ListFlows).always();
            remote.simulator.inject(rule);
        }
        assert_eq!(remote.list(&set).await.unwrap().len(), 2);
        remote.simulator.clear_rules();
        let after = remote.simulator.journal().requests(Operation::ListFlows);
        assert_eq!(after, before + 1);
    }
}

#[tokio::test]
async fn legal_surprises_are_taken_calmly() {
    let (remote, set, id) = Remote::with_flow().await;
    let word = "hibernating".to_owned();
    for quirk in [
        Quirk::ExtraFields,
        Quirk::LoudIds,
        Quirk::Reordered,
        Quirk::Readiness(word.clone()),
        Quirk::Missing("lastModifiedDateTime".to_owned()),
    ] {
        remote.inject(Operation::ListFlows, Effect::Quirk(quirk.clone()));
        let flow = remote.list(&set).await.unwrap().remove(0);
        assert_eq!(flow.id, id, "{quirk:?}");
        let unknown = quirk == Quirk::Readiness(word.clone());
        assert_eq!(flow.readiness.as_ref() == Some(&word), unknown);
    }
}

#[tokio::test]
async fn items_that_cannot_be_understood_are_counted_and_the_others_are_read() {
    let (remote, set, id) = Remote::with_flow().await;
    let missing = Quirk::Missing("id".to_owned());
    for (quirk, items, unread) in [(missing, 0, 1), (Quirk::Garbage, 1, 4)] {
        remote.inject(Operation::ListFlows, Effect::Quirk(quirk));
        let listing = remote
            .client
            .list_flows(&set, Priority::Poll)
            .await
            .unwrap();
        assert_eq!((listing.items.len(), listing.unread), (items, unread));
        assert!(listing.items.iter().all(|flow| flow.id == id));
    }
    remote.inject(
        Operation::ListSets,
        Effect::Quirk(Quirk::Missing("displayName".to_owned())),
    );
    let sets = remote.client.list_flow_sets(Priority::Poll).await;
    let sets = sets.unwrap();
    assert_eq!((sets.items.len(), sets.unread), (1, 0));
    assert_eq!(sets.items[0].id, set);
}

#[tokio::test]
async fn a_page_in_the_place_of_an_answer_is_no_success_of_anything() {
    let (remote, set, flow) = Remote::with_flow().await;
    let client = &remote.client;
    let unit = definition(FlowType::AdministrativeUnit);
    let changed = async |operation| match operation {
        Operation::UpdateFlow => client.update_flow(&set, &flow, &unit, &passwords()).await,
        Operation::ResetFlow => client.reset_flow(&set, &flow).await,
        Operation::UpdateSet => client.update_flow_set(&set, &north(None)).await,
        Operation::DeleteFlow => client.delete_flow(&set, &flow).await,
        _ => client.delete_flow_set(&set).await,
    };
    for operation in [
        Operation::UpdateFlow,
        Operation::ResetFlow,
        Operation::UpdateSet,
        Operation::DeleteFlow,
        Operation::DeleteSet,
    ] {
        for answer in [Answer::new(200).html(), Answer::new(200)] {
            remote.inject(operation, Effect::Refuse(answer));
            let verdict = changed(operation).await.unwrap_err().verdict();
            assert_eq!(
                (verdict.certainty, verdict.reason),
                (Certainty::Unknown, Reason::UnexpectedAnswer),
                "{operation:?}"
            );
        }
    }
    let journal = remote.simulator.journal();
    assert_eq!(journal.resets(flow.as_str()), 0);
    assert_eq!(remote.list(&set).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_mark_before_the_json_is_overlooked_everywhere() {
    let (remote, set, _) = Remote::with_flow().await;
    let mark = Rule::new(Effect::Body(BodyFault::ByteOrderMark)).always();
    remote.simulator.inject(mark);
    let (client, _) = client(&remote.simulator, SECRET, TIMEOUT);
    let listing = client.list_flows(&set, Priority::Poll).await.unwrap();
    assert_eq!(listing.items.len(), 1);
    let again = remote.create(&set, FlowType::AdministrativeUnit).await;
    let verdict = again.unwrap_err().verdict();
    assert_eq!(verdict.reason, Reason::Conflict);
    assert!(verdict.message.contains("HTTP 409, Conflict"));
}

#[tokio::test]
async fn a_refusal_of_the_authority_that_passes_is_no_refusal_of_the_credential() {
    let (remote, set) = Remote::with_set().await;
    for (answer, reason) in [
        (
            Answer::new(400).code("invalid_grant AADSTS50196"),
            Reason::ServiceUnavailable,
        ),
        (
            Answer::new(400).code("AADSTS90033"),
            Reason::ServiceUnavailable,
        ),
        (Answer::new(403).html(), Reason::UnexpectedAnswer),
    ] {
        let (client, _) = client(&remote.simulator, SECRET, TIMEOUT);
        remote.inject(Operation::Token, Effect::Refuse(answer));
        let error = client.list_flows(&set, Priority::Poll).await.unwrap_err();
        let verdict = error.verdict();
        assert_eq!(
            (verdict.disposition, verdict.certainty, verdict.reason),
            (Disposition::Retry, Certainty::NotSent, reason)
        );
    }
}

#[tokio::test]
async fn a_spoilt_list_is_an_error() {
    let (remote, set, _) = Remote::with_flow().await;
    for fault in [
        BodyFault::Truncated,
        BodyFault::Empty,
        BodyFault::Html,
        BodyFault::Malformed,
        BodyFault::Huge(9 * 1024 * 1024),
    ] {
        remote.inject(Operation::ListFlows, Effect::Body(fault.clone()));
        let verdict = remote.list(&set).await.unwrap_err().verdict();
        let spoilt = [Reason::UnexpectedAnswer, Reason::Unreachable];
        assert!(spoilt.contains(&verdict.reason), "{fault:?}: {verdict:?}");
        assert_eq!(verdict.disposition, Disposition::Retry);
    }
    assert_eq!(remote.list(&set).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_dripping_list_is_given_up_in_time() {
    let (remote, set, _) = Remote::with_flow().await;
    let timeout = Duration::from_secs(1);
    let (client, _) = client(&remote.simulator, SECRET, timeout);
    remote.inject(Operation::ListFlows, Effect::Body(BodyFault::Dripping(50)));
    let start = std::time::Instant::now();
    let error = client.list_flows(&set, Priority::Poll).await.unwrap_err();
    assert_eq!(error.verdict().reason, Reason::TimedOut);
    assert!(start.elapsed() < client.longest_call());
}

#[tokio::test]
async fn a_create_that_was_carried_out_unseen_is_unknown_and_sent_once() {
    let (remote, set) = Remote::with_set().await;
    let (client, _) = client(&remote.simulator, SECRET, Duration::from_secs(1));
    client.list_flows(&set, Priority::Poll).await.unwrap();
    for (flow_type, effect) in FlowType::ALL.into_iter().zip([
        Effect::CutAfterCommit,
        Effect::DelayAfter(Duration::from_secs(3)),
        Effect::AnswerAfterCommit(Answer::new(502)),
        Effect::Body(BodyFault::Truncated),
    ]) {
        remote.inject(Operation::CreateFlow, effect.clone());
        let result = client
            .create_flow(Uuid::new_v4(), &set, &definition(flow_type), &passwords())
            .await;
        let verdict = result.unwrap_err().verdict();
        assert_eq!(verdict.certainty, Certainty::Unknown, "{effect:?}");
    }
    let journal = remote.simulator.journal();
    assert_eq!(journal.requests(Operation::CreateFlow), 4);
    assert_eq!(journal.committed(Operation::CreateFlow), 4);
}

#[tokio::test]
async fn each_refusal_has_its_class() {
    use Certainty::{Refused, Unknown};
    let (remote, set, flow) = Remote::with_flow().await;
    for (status, certainty, reason) in [
        (400, Refused, Reason::Rejected),
        (403, Refused, Reason::Forbidden),
        (404, Refused, Reason::NotFound),
        (408, Unknown, Reason::TimedOut),
        (409, Unknown, Reason::Conflict),
        (412, Unknown, Reason::Conflict),
        (415, Refused, Reason::InvalidRequest),
        (422, Refused, Reason::Rejected),
        (423, Unknown, Reason::Locked),
        (499, Unknown, Reason::UnexpectedAnswer),
        (500, Unknown, Reason::ServiceUnavailable),
        (502, Unknown, Reason::ServiceUnavailable),
        (504, Unknown, Reason::ServiceUnavailable),
        (507, Unknown, Reason::ServiceUnavailable),
        (503, Unknown, Reason::ServiceUnavailable),
    ] {
        remote.inject(
            Operation::ResetFlow,
            Effect::Refuse(Answer::new(status).code("someCode")),
        );
        let verdict = remote
            .client
            .reset_flow(&set, &flow)
            .await
            .unwrap_err()
            .verdict();
        assert_eq!(
            (verdict.certainty, verdict.reason),
            (certainty, reason),
            "{status}"
        );
        let told =
            format!("Could not reset the flow: the service answered HTTP {status}, someCode.");
        assert!(verdict.message.starts_with(&told), "{}", verdict.message);
    }
    assert_eq!(
        remote.simulator.journal().requests(Operation::ResetFlow),
        15
    );
}

#[tokio::test]
async fn the_service_refuses_what_breaks_its_rules() {
    let (remote, set, _) = Remote::with_flow().await;
    let second = remote
        .create(&set, FlowType::AdministrativeUnit)
        .await
        .unwrap_err();
    assert_eq!(second.verdict().reason, Reason::Conflict);
    let empty = FlowDefinition {
        properties: Map::new(),
        ..definition(FlowType::ClassGroup)
    };
    let empty = remote
        .client
        .create_flow(Uuid::new_v4(), &set, &empty, &passwords())
        .await
        .unwrap_err();
    assert_eq!(empty.verdict().reason, Reason::Rejected);
    remote
        .simulator
        .configure(|behavior| behavior.application_writes = false);
    let denied = remote
        .create(&set, FlowType::User)
        .await
        .unwrap_err()
        .verdict();
    assert_eq!(
        (denied.disposition, denied.reason),
        (Disposition::User, Reason::Forbidden)
    );
}

#[tokio::test]
async fn a_pause_is_understood_in_every_form() {
    for (form, least, most) in [
        (RetryAfter::Seconds(7), 7000, 7000),
        (RetryAfter::Decimal(2.128), 2128, 2128),
        (RetryAfter::Date(30), 29_000, 30_000),
    ] {
        let (remote, set, flow) = Remote::with_flow().await;
        remote.inject(
            Operation::ListFlows,
            Effect::Refuse(Answer::new(429).retry_after(form)),
        );
        let verdict = remote.list(&set).await.unwrap_err().verdict();
        let Disposition::Throttled { after: Some(after) } = verdict.disposition else {
            panic!("{verdict:?}");
        };
        assert!(
            (least..=most).contains(&after.as_millis()),
            "{form:?}: {after:?}"
        );
        assert!(remote.account.budget().closed_for() > Duration::from_secs(1));
        let before = remote.simulator.journal().entries().len();
        let closed = remote
            .client
            .reset_flow(&set, &flow)
            .await
            .unwrap_err()
            .verdict();
        assert_eq!(
            (closed.certainty, closed.reason),
            (Certainty::NotSent, Reason::Throttled)
        );
        assert_eq!(
            remote.simulator.journal().entries().len(),
            before,
            "nothing is sent meanwhile"
        );
    }
}

#[tokio::test]
async fn a_token_that_is_no_longer_accepted_is_replaced_unseen() {
    let (remote, set, flow) = Remote::with_flow().await;
    remote.simulator.revoke_tokens();
    remote.client.reset_flow(&set, &flow).await.unwrap();
    let journal = remote.simulator.journal();
    assert_eq!(journal.requests(Operation::Token), 2);
    assert_eq!(journal.requests(Operation::ResetFlow), 2);
    assert_eq!(journal.resets(flow.as_str()), 1);
}

#[tokio::test]
async fn many_callers_need_one_token() {
    let (remote, set) = Remote::with_set().await;
    let (client, _) = client(&remote.simulator, SECRET, TIMEOUT);
    let before = remote.simulator.journal().requests(Operation::Token);
    let lists = join_all((0..50).map(|_| client.list_flows(&set, Priority::Poll))).await;
    assert!(lists.iter().all(Result::is_ok));
    assert_eq!(
        remote.simulator.journal().requests(Operation::Token),
        before + 1
    );
}

#[tokio::test]
async fn many_callers_with_a_wrong_secret_are_one_request() {
    let (remote, set) = Remote::with_set().await;
    let (client, _) = client(&remote.simulator, "canary-secret", TIMEOUT);
    let before = remote.simulator.journal().requests(Operation::Token);
    for result in join_all((0..50).map(|_| client.list_flows(&set, Priority::Poll))).await {
        let verdict = result.unwrap_err().verdict();
        assert_eq!(verdict.certainty, Certainty::NotSent);
        assert_eq!(verdict.disposition, Disposition::User);
        assert_eq!(verdict.reason, Reason::ClientSecretInvalid);
    }
    assert_eq!(
        remote.simulator.journal().requests(Operation::Token),
        before + 1
    );
}

#[tokio::test]
async fn no_error_shows_what_was_sent() {
    let (remote, set) = Remote::with_set().await;
    let short = Duration::from_secs(1);
    for effect in [
        Effect::Refuse(Answer::new(400)),
        Effect::Refuse(Answer::new(401)),
        Effect::CutBefore,
        Effect::DelayBefore(2 * short),
        Effect::Body(BodyFault::Html),
        Effect::Body(BodyFault::Truncated),
    ] {
        let (client, _) = client(&remote.simulator, SECRET, short);
        remote
            .simulator
            .inject(Rule::new(effect).on(Operation::CreateFlow).times(2));
        let user = definition(FlowType::User);
        let error = client
            .create_flow(Uuid::new_v4(), &set, &user, &passwords())
            .await
            .unwrap_err();
        remote.simulator.clear_rules();
        for flow in remote.list(&set).await.unwrap() {
            remote.client.delete_flow(&set, &flow.id).await.unwrap();
        }
        for hidden in [PASSWORD, SECRET, "Bearer", "simulator-", "<html"] {
            assert!(
                !shown(&error).contains(hidden),
                "{hidden} in {}",
                shown(&error)
            );
        }
    }
    let (client, _) = client(&remote.simulator, "canary-secret", short);
    let error = client.list_flows(&set, Priority::Poll).await.unwrap_err();
    assert!(!shown(&error).contains("canary"), "{}", shown(&error));
}
