//! Ordinary users of the cluster: service accounts, and what they are allowed to do.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::Error;

/// Longer than any test, shorter than what a forgotten token should be good for.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// How long the API server may take to act on a binding. It usually takes milliseconds.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(30);
const EFFECT_INTERVAL: Duration = Duration::from_millis(10);

/// The name that the API server knows a service account by.
pub(crate) fn user_name(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// Creates a service account and its namespace, if missing, and returns a token for it.
pub(crate) async fn token(client: &Client, namespace: &str, name: &str) -> Result<String, Error> {
    ensure(
        &Api::all(client.clone()),
        &Namespace {
            metadata: named(namespace),
            ..Namespace::default()
        },
    )
    .await?;
    let accounts = Api::namespaced(client.clone(), namespace);
    ensure(
        &accounts,
        &ServiceAccount {
            metadata: named(name),
            ..ServiceAccount::default()
        },
    )
    .await?;
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await
        .map_err(Error::request(
            "request a token for",
            user_name(namespace, name),
        ))?;
    Ok(answer.status.map(|status| status.token).unwrap_or_default())
}

/// Binds a cluster role to a service account and waits until the API server acts on it.
pub(crate) async fn bind(
    client: &Client,
    role: &str,
    namespace: &str,
    name: &str,
) -> Result<(), Error> {
    let user = user_name(namespace, name);
    let rules = Api::<ClusterRole>::all(client.clone())
        .get(role)
        .await
        .map_err(Error::request("read", format!("ClusterRole {role}")))?
        .rules;
    let binding = ClusterRoleBinding {
        metadata: named(&format!("testbed:{role}:{namespace}:{name}")),
        role_ref: RoleRef {
            api_group: ClusterRole::group(&()).into_owned(),
            kind: ClusterRole::kind(&()).into_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: ServiceAccount::kind(&()).into_owned(),
            name: name.to_owned(),
            namespace: Some(namespace.to_owned()),
            ..Subject::default()
        }]),
    };
    ensure(&Api::all(client.clone()), &binding).await?;
    in_effect(client, user, None, &rules.unwrap_or_default()).await
}

/// Waits until the API server acts on rules that were granted to a user, in a namespace or in all.
pub(crate) async fn in_effect(
    client: &Client,
    user: String,
    namespace: Option<&str>,
    rules: &[PolicyRule],
) -> Result<(), Error> {
    let Some(mut permission) = rules.iter().find_map(permission) else {
        return Ok(());
    };
    permission.namespace = namespace.map(str::to_owned);
    effective(client, user, permission).await
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

/// Creates an object unless there is one of that name.
async fn ensure<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    match api.create(&PostParams::default(), object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => {
            let described = format!("{} {}", K::kind(&()), object.name_any());
            Err(Error::request("create", described)(error))
        }
    }
}

/// Something that a rule allows, to ask for. Rules for paths that are no resources have none.
fn permission(rule: &PolicyRule) -> Option<ResourceAttributes> {
    let first = |list: &Option<Vec<String>>| list.as_ref().and_then(|list| list.first().cloned());
    let resource = first(&rule.resources)?;
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
        None => (resource, None),
    };
    Some(ResourceAttributes {
        verb: rule.verbs.first().cloned(),
        group: first(&rule.api_groups),
        resource: Some(resource),
        subresource,
        name: first(&rule.resource_names),
        ..ResourceAttributes::default()
    })
}

/// The API server decides by a cache of the bindings, which is behind by some milliseconds.
async fn effective(
    client: &Client,
    user: String,
    permission: ResourceAttributes,
) -> Result<(), Error> {
    let reviews = Api::<SubjectAccessReview>::all(client.clone());
    let asked = format!(
        "{} {}",
        permission.verb.as_deref().unwrap_or_default(),
        permission.resource.as_deref().unwrap_or_default()
    );
    let spec = SubjectAccessReviewSpec {
        user: Some(user.clone()),
        resource_attributes: Some(permission),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview {
        spec,
        ..SubjectAccessReview::default()
    };
    let allowed = async {
        loop {
            let answer = reviews
                .create(&PostParams::default(), &review)
                .await
                .map_err(Error::request("review the access of", &user))?;
            if answer.status.is_some_and(|status| status.allowed) {
                return Ok(());
            }
            sleep(EFFECT_INTERVAL).await;
        }
    };
    timeout(EFFECT_TIMEOUT, allowed).await.unwrap_or_else(|_| {
        Err(Error::NotEffective {
            user: user.clone(),
            permission: asked,
            timeout: EFFECT_TIMEOUT,
        })
    })
}
