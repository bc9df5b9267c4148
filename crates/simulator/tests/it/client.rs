//! A plain client, and the bodies of the contract.

use std::time::Duration;

use industrydata_simulator::{Behavior, Options, Simulator};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

pub(crate) const TENANT: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const CLIENT: &str = "66666666-7777-4888-8999-000000000000";
pub(crate) const SECRET: &str = "simulator-secret";
pub(crate) const ROOT: &str = "/beta/external/industryData";
pub(crate) const SETS: &str = "/beta/external/industryData/outboundProvisioningFlowSets";

/// A simulator with a client that has a token.
pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

/// The bench signs in with a secret and writes, which the default does not allow.
pub(crate) fn writing() -> Options {
    Options::default().with_application_writes()
}

pub(crate) fn http() -> reqwest::Client {
    // The first caller installs it; for all others it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(writing()).await
    }

    pub(crate) async fn switched(change: impl FnOnce(&mut Behavior)) -> Self {
        let mut options = writing();
        change(&mut options.behavior);
        Self::with(options).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let simulator = Simulator::start(options).await.unwrap();
        let mut bench = Self {
            simulator,
            http: http(),
            token: String::new(),
        };
        let answer = bench.token_request(TENANT, &secret_form()).await;
        bench.token = access_token(&answer);
        bench
    }

    pub(crate) async fn token_request(&self, tenant: &str, form: &[(&str, &str)]) -> Answer {
        let url = format!(
            "{}/{tenant}/oauth2/v2.0/token",
            self.simulator.authority_endpoint()
        );
        read(self.http.post(url).form(form)).await.unwrap()
    }

    /// Sends a request and reads the answer; `Err` is a connection that broke.
    pub(crate) async fn attempt(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        let url = format!("{}{path}", self.simulator.graph_endpoint());
        let request = self.http.request(method, url).bearer_auth(&self.token);
        read(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.attempt(method, path, body).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Creates a set and says its id.
    pub(crate) async fn set(&self, name: &str) -> String {
        id(&self
            .post(SETS, &json!({ "displayName": name }))
            .await
            .expect(201))
    }

    /// Creates a flow and says its path.
    pub(crate) async fn flow(&self, set: &str, body: &Value) -> String {
        let flow = id(&self.post(&flows(set), body).await.expect(201));
        format!("{}/{flow}", flows(set))
    }

    /// A set with one flow; says the path of the flow.
    pub(crate) async fn lone_flow(&self) -> String {
        let set = self.set("lone").await;
        self.flow(&set, &security_group()).await
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.http.request(
            method,
            format!("{}{path}", self.simulator.control_endpoint()),
        );
        read(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
        .unwrap()
    }
}

pub(crate) async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Answer {
        status,
        headers,
        text: response.text().await?,
    })
}

pub(crate) fn secret_form() -> [(&'static str, &'static str); 4] {
    [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("scope", "https://graph.microsoft.com/.default"),
    ]
}

pub(crate) fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

pub(crate) fn flows(set: &str) -> String {
    format!("{SETS}/{set}/provisioningFlows")
}

pub(crate) fn access_token(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// Waits until something is so, or fails the test.
pub(crate) async fn eventually(condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap();
}

/// The last segment of a path.
pub(crate) fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

pub(crate) fn administrative_unit() -> Value {
    json!({ "@odata.type": "#microsoft.graph.industryData.administrativeUnitProvisioningFlow",
        "creationOptions": { "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false } })
}

pub(crate) fn security_group() -> Value {
    json!({ "@odata.type": "#microsoft.graph.industryData.securityGroupProvisioningFlow",
        "creationOptions": { "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": false } })
}

pub(crate) fn class_group() -> Value {
    json!({ "@odata.type": "#microsoft.graph.industryData.classGroupProvisioningFlow",
        "configuration": {
            "additionalAttributes": ["courseTitle", "classCode"],
            "additionalOptions": { "createTeam": true, "writeDisplayNameOnCreateOnly": false },
            "enrollmentMappings": {
                "ownerEnrollmentMappings": [{ "code": "teacher" }],
                "memberEnrollmentMappings": [{ "code": "student" }, { "code": "aide" }] } } })
}

pub(crate) fn user() -> Value {
    json!({ "@odata.type": "#microsoft.graph.industryData.userProvisioningFlow",
        "createUnmatchedUsers": true,
        "managementOptions": {
            "additionalAttributes": ["userGradeLevel", "userNumber"],
            "additionalOptions": { "studentAgeGroup": "minor", "allowStudentContactAssociation": false } },
        "creationOptions": { "configurations": [
            configuration("staff", "00000000-0000-4000-8000-000000000001"),
            configuration("students", "00000000-0000-4000-8000-000000000002")] } })
}

pub(crate) fn configuration(group: &str, sku: &str) -> Value {
    json!({
        "roleGroup@odata.bind": format!("https://graph.microsoft.com/beta/external/industryData/roleGroups/{group}"),
        "defaultPasswordSettings": {
            "@odata.type": "#microsoft.graph.industryData.simplePasswordSettings",
            "password": format!("secret of {group}") },
        "licenseSkus": [sku] })
}
