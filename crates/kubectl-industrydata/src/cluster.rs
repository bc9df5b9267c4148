//! Requests to the API server. Responses are read as JSON: a Secret's metadata may contain what typed clients cannot
//! parse.

use std::time::Duration;

use http::Method;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::arguments::ClusterArguments;
use crate::error::{ClusterError, Error};
use crate::objects::{ExistingConnection, MANAGER, Object, Resource};
use crate::stored::StoredSecret;

const CONNECT: Duration = Duration::from_secs(10);

/// Time limit of a request, to the last byte of the response.
const REQUEST: Duration = Duration::from_secs(30);

/// A namespace of a cluster.
pub(crate) struct Cluster {
    client: Client,
    pub(crate) namespace: String,
}

/// Whether a write has an effect, or is only checked by the API server and its admission policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Rehearse,
    Perform,
}

impl Cluster {
    /// Connects as kubectl does.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] if the kubeconfig, or a proxy, cannot be used.
    pub(crate) async fn connect(arguments: &ClusterArguments) -> Result<Self, Error> {
        let config = configuration(arguments)
            .await
            .map_err(|source| Error::Cluster {
                operation: match &arguments.context {
                    Some(context) => format!("use the context {context} of the kubeconfig"),
                    None => "use the kubeconfig; pass --kubeconfig or --context, or set KUBECONFIG"
                        .to_owned(),
                },
                source,
            })?;
        let namespace = arguments.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| Error::Cluster {
            operation: "use the credentials of the kubeconfig".to_owned(),
            source: error.into(),
        })?;
        Ok(Self { client, namespace })
    }

    /// Describes an object of the namespace.
    pub(crate) fn describe(&self, resource: Resource, name: &str) -> String {
        format!("{} {name} in namespace {}", resource.kind(), self.namespace)
    }

    /// Returns the `GraphConnection`, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] if it cannot be read.
    pub(crate) async fn connection(&self, name: &str) -> Result<Option<ExistingConnection>, Error> {
        #[derive(Deserialize)]
        struct Connection {
            spec: ExistingConnection,
        }
        let found = self
            .get::<Connection>(Resource::GraphConnection, name)
            .await?;
        Ok(found.map(|connection| connection.spec))
    }

    /// Returns the Secret, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] if it cannot be read.
    pub(crate) async fn secret(&self, name: &str) -> Result<Option<StoredSecret>, Error> {
        self.get(Resource::Secret, name).await
    }

    /// Returns an object, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] if it cannot be read.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        resource: Resource,
        name: &str,
    ) -> Result<Option<T>, Error> {
        let path = format!("{}/{name}", resource.path(&self.namespace));
        match self.request(Method::GET, &path, None).await {
            Ok(text) => {
                let parsed = serde_json::from_str(text.expose_secret());
                let parsed = parsed.map_err(|_| ClusterError::Malformed);
                parsed
                    .map(Some)
                    .map_err(|source| self.failed("read", resource, name, source))
            }
            Err(Failure::Status(404, message)) if message.contains(name) => Ok(None),
            // Of the kind itself: another message, with another remedy.
            Err(Failure::Status(404, message)) => {
                let message =
                    format!("{message}; install the operator first, or omit --connection");
                Err(self.failed("read", resource, name, ClusterError::Status(message)))
            }
            Err(failure) => Err(self.failed("read", resource, name, failure.into())),
        }
    }

    /// Asks the API server whether the user may do something in the namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] if there is no response.
    pub(crate) async fn may(
        &self,
        verb: &str,
        resource: Resource,
        name: Option<&str>,
    ) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Review {
            status: Status,
        }
        #[derive(Deserialize)]
        struct Status {
            #[serde(default)]
            allowed: bool,
        }
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": self.namespace,
                "verb": verb,
                "group": resource.group(),
                "resource": resource.plural(),
                "name": name.unwrap_or_default(),
            }},
        });
        let failed = |source| Error::Cluster {
            operation: format!(
                "ask the API server whether you may {verb} {} in namespace {}",
                resource.plural(),
                self.namespace
            ),
            source,
        };
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let text = self.request(Method::POST, path, Some(&review)).await;
        let text = text.map_err(|failure| failed(failure.into()))?;
        let review: Review = serde_json::from_str(text.expose_secret())
            .map_err(|_| failed(ClusterError::Malformed))?;
        Ok(review.status.allowed)
    }

    /// Creates an object. Returns false if one of its name exists.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] if the API server refuses it.
    pub(crate) async fn create(&self, object: &Object, write: Write) -> Result<bool, Error> {
        let path = format!(
            "{}?{}",
            object.resource.path(&self.namespace),
            write.query()
        );
        match self.request(Method::POST, &path, Some(&object.body)).await {
            Ok(_) => Ok(true),
            Err(Failure::Status(409, _)) => Ok(false),
            Err(failure) => {
                Err(self.failed("create", object.resource, &object.name, failure.into()))
            }
        }
    }

    /// Changes an object by a merge patch with a precondition. Returns false if the precondition failed.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] if the API server refuses it.
    pub(crate) async fn patch(
        &self,
        object: &Object,
        change: &Value,
        write: Write,
    ) -> Result<bool, Error> {
        let (resource, name) = (object.resource, &object.name);
        let path = format!(
            "{}/{name}?{}",
            resource.path(&self.namespace),
            write.query()
        );
        match self.request(Method::PATCH, &path, Some(change)).await {
            Ok(_) => Ok(true),
            // 404: deleted since it was read.
            Err(Failure::Status(409 | 404, _)) => Ok(false),
            Err(failure) => Err(self.failed("update", resource, name, failure.into())),
        }
    }

    fn failed(&self, verb: &str, resource: Resource, name: &str, source: ClusterError) -> Error {
        Error::Cluster {
            operation: format!("{verb} {}", self.describe(resource, name)),
            source,
        }
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<SecretString, Failure> {
        let media_type = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, media_type)
            .body(body.into_bytes())
            .map_err(|error| Failure::Client(kube::Error::HttpError(error)))?;
        let response = tokio::time::timeout(REQUEST, self.client.request_text(request)).await;
        match response {
            Ok(Ok(text)) => Ok(text.into()),
            Ok(Err(kube::Error::Api(status))) => {
                Err(Failure::Status(status.code, status.message.clone()))
            }
            Ok(Err(error)) => Err(Failure::Client(error)),
            Err(_) => Err(Failure::TimedOut),
        }
    }
}

/// Why a request has no successful response.
enum Failure {
    /// Code and message of the API server.
    Status(u16, String),
    Client(kube::Error),
    TimedOut,
}

impl From<Failure> for ClusterError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Status(_, message) => Self::Status(message),
            Failure::Client(error) => error.into(),
            Failure::TimedOut => Self::TimedOut(REQUEST.as_secs()),
        }
    }
}

impl Write {
    /// Fields that the definitions do not know are an error, not a warning: the operator would never see them.
    fn query(self) -> String {
        let dry_run = match self {
            Self::Rehearse => "&dryRun=All",
            Self::Perform => "",
        };
        format!("fieldManager={MANAGER}&fieldValidation=Strict{dry_run}")
    }
}

async fn configuration(arguments: &ClusterArguments) -> Result<Config, ClusterError> {
    let kubeconfig = match &arguments.kubeconfig {
        Some(path) => Kubeconfig::read_from(path)?,
        None => Kubeconfig::read()?,
    };
    let has_proxy = has_proxy(&kubeconfig, arguments.context.as_deref());
    let options = KubeConfigOptions {
        context: arguments.context.clone(),
        ..KubeConfigOptions::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    if !has_proxy {
        // kube compares NO_PROXY with the proxy instead of the API server.
        let found = Matcher::from_env().intercept(&config.cluster_url);
        let proxy = found.map(|proxy| proxy.uri().clone());
        config.proxy_url = proxy;
    }
    config.connect_timeout = Some(CONNECT);
    Ok(config)
}

/// Returns whether the kubeconfig has a proxy for the cluster of a context, which takes precedence over the variables.
fn has_proxy(kubeconfig: &Kubeconfig, context: Option<&str>) -> bool {
    let name = context.or(kubeconfig.current_context.as_deref());
    let context = kubeconfig
        .contexts
        .iter()
        .find(|one| Some(one.name.as_str()) == name);
    let cluster = context
        .and_then(|one| one.context.as_ref())
        .map(|one| &one.cluster);
    let named = kubeconfig
        .clusters
        .iter()
        .find(|one| Some(&one.name) == cluster);
    let cluster = named.and_then(|one| one.cluster.as_ref());
    cluster.is_some_and(|one| one.proxy_url.as_ref().is_some_and(|url| !url.is_empty()))
}
