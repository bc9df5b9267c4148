//! Tokens of service accounts, which stand for a client secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Resource;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::api::reason;
use crate::controller::object_name::ObjectName;
use crate::graph::{AssertionSource, CredentialError};
use crate::plan::Blocked;

/// Annotation of a service account with which it permits the operator to act for it, and for this application only.
///
/// Source: [Microsoft Entra Workload ID](https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html).
const CLIENT_ID: &str = "azure.workload.identity/client-id";

/// Requested lifetime of a token in seconds: the shortest that the API server grants. The token is used at once.
const LIFETIME: u32 = 600;

/// Source of the tokens of one service account for one application.
pub struct ServiceAccountTokens {
    client: kube::Client,
    namespace: String,
    name: ObjectName,
    client_id: String,
    audience: Arc<str>,
    identity: String,
}

/// The parts of a service account that are used.
#[derive(Deserialize)]
struct Account {
    metadata: AccountMetadata,
}

#[derive(Deserialize)]
struct AccountMetadata {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// The parts of the response to a token request that are used.
#[derive(Deserialize)]
struct TokenResponse {
    status: TokenStatus,
}

#[derive(Deserialize)]
struct TokenStatus {
    token: String,
}

impl ServiceAccountTokens {
    /// Creates a source, without a request.
    ///
    /// # Errors
    ///
    /// [`Blocked`] if the name is not that of a service account. In particular, an empty name is not that of the
    /// operator's own account.
    pub fn new(
        client: kube::Client,
        namespace: &str,
        name: &str,
        client_id: &str,
        audience: Arc<str>,
    ) -> Result<Self, Blocked> {
        let checked = name.parse().map_err(|error| {
            Blocked::person(
                reason::SERVICE_ACCOUNT_INVALID,
                format!("{name:?} is not the name of a ServiceAccount, and no request was sent for it: {error}; correct spec.credential.workloadIdentity.serviceAccountName"),
            )
        })?;
        Ok(Self {
            client,
            namespace: namespace.to_owned(),
            name: checked,
            client_id: client_id.to_ascii_lowercase(),
            audience,
            identity: format!("{namespace}/{name}"),
        })
    }

    async fn token(&self) -> Result<SecretString, CredentialError> {
        self.check_consent().await?;
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "audiences": [*self.audience], "expirationSeconds": LIFETIME },
        });
        let path = format!("{}/token", self.path());
        let request = Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes());
        let response: TokenResponse = self.send(request, "request a token of").await?;
        Ok(response.status.token.into())
    }

    /// Checks that the service account permits this use, for this application. A user who may create connections must
    /// not obtain the tokens of any other account of the namespace.
    async fn check_consent(&self) -> Result<(), CredentialError> {
        let request = Request::get(self.path()).body(Vec::new());
        let account: Account = self.send(request, "read").await?;
        let annotations = account.metadata.annotations.unwrap_or_default();
        let permits = annotations
            .get(CLIENT_ID)
            .is_some_and(|permitted| permitted.eq_ignore_ascii_case(&self.client_id));
        permits.then_some(()).ok_or_else(|| {
            lasting(format!(
                "the ServiceAccount {} does not permit its use for this application: set its annotation {CLIENT_ID} to spec.clientId",
                self.name
            ))
        })
    }

    fn path(&self) -> String {
        let accounts = ServiceAccount::url_path(&(), Some(&self.namespace));
        format!("{accounts}/{}", self.name)
    }

    /// Sends a request and parses the response. Errors contain no part of it.
    async fn send<T: serde::de::DeserializeOwned>(
        &self,
        request: http::Result<Request<Vec<u8>>>,
        what: &str,
    ) -> Result<T, CredentialError> {
        let name = &self.name;
        let failed = || CredentialError {
            message: format!(
                "could not {what} the ServiceAccount {name}: the API server did not answer as expected"
            ),
            is_transient: true,
        };
        let request = request.map_err(|_| failed())?;
        match self.client.request_text(request).await {
            Ok(text) => serde_json::from_str(&text).map_err(|_| failed()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Err(lasting(format!(
                "the ServiceAccount {name} does not exist: create it, with the annotation {CLIENT_ID}"
            ))),
            Err(kube::Error::Api(status)) if status.is_forbidden() => Err(lasting(format!(
                "the operator may not {what} the ServiceAccount {name}: add the name to rbac.serviceAccountNames of the chart"
            ))),
            Err(_) => Err(failed()),
        }
    }
}

impl AssertionSource for ServiceAccountTokens {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn assertion(&self) -> BoxFuture<'_, Result<SecretString, CredentialError>> {
        self.token().boxed()
    }
}

fn lasting(message: String) -> CredentialError {
    CredentialError {
        message,
        is_transient: false,
    }
}
