//! The objects that a sign-in results in, as JSON. No IO.
//!
//! JSON rather than types, as an older operator's definitions may lack fields: the API server decides.

use industrydata_operator::graph::Tenant;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::UsageError;
use crate::request::{Request, ServiceAccount};
use crate::yaml;

/// Value of `app.kubernetes.io/managed-by`, and name of the field manager.
pub(crate) const MANAGER: &str = "kubectl-industrydata";

/// The label that contains it.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Key of the client secret in the Secret.
pub(crate) const CLIENT_SECRET_KEY: &str = "clientSecret";

const DEFAULT_KEY: &str = "refreshToken";

/// What this command uses of a `GraphConnection` that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ExistingConnection {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    credential: ExistingCredential,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExistingCredential {
    refresh_token: Option<ExistingRefreshToken>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExistingRefreshToken {
    secret_key_ref: KeyReference,
    client_secret_key_ref: Option<KeyReference>,
}

/// A key in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct KeyReference {
    pub(crate) name: String,
    pub(crate) key: String,
}

/// What is to be done, once the cluster and the arguments agree.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Tenant to sign in to.
    pub(crate) tenant: Tenant,
    /// Tenant of the `GraphConnection`, if that could be another name for the same one.
    pub(crate) same_tenant: Option<Tenant>,
    pub(crate) client_id: Uuid,
    pub(crate) token: KeyReference,
    /// Where the client secret is stored already, if it is and none was passed.
    pub(crate) stored_client_secret: Option<KeyReference>,
    pub(crate) connection: ConnectionPlan,
    pub(crate) operator: Option<ServiceAccount>,
}

/// What is done about the `GraphConnection`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionPlan {
    /// None was named.
    None,
    /// It refers to the refresh token already.
    Uses(String),
    /// It exists and has another credential.
    HasOther(String),
    /// It is missing and not to be created.
    Missing(String),
    Create(String),
}

/// An object, with what identifies it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) resource: Resource,
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// The kinds that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Secret,
    GraphConnection,
    Role,
    RoleBinding,
}

impl Resource {
    pub(crate) const fn group(self) -> &'static str {
        match self {
            Self::Secret => "",
            Self::GraphConnection => "industrydata.dev",
            Self::Role | Self::RoleBinding => "rbac.authorization.k8s.io",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::Secret | Self::Role | Self::RoleBinding => "v1",
            Self::GraphConnection => "v1alpha1",
        }
    }

    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::GraphConnection => "graphconnections",
            Self::Role => "roles",
            Self::RoleBinding => "rolebindings",
        }
    }

    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::GraphConnection => "GraphConnection",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
        }
    }

    /// Returns the name with the group, as kubectl prints it.
    pub(crate) fn singular(self) -> String {
        let kind = self.kind().to_ascii_lowercase();
        match self.group() {
            "" => kind,
            group => format!("{kind}.{group}"),
        }
    }

    /// Returns the path of the collection in a namespace.
    pub(crate) fn path(self, namespace: &str) -> String {
        let version = self.version();
        let (plural, group) = (self.plural(), self.group());
        match group {
            "" => format!("/api/{version}/namespaces/{namespace}/{plural}"),
            _ => format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}"),
        }
    }

    fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    fn object(self, name: &str, namespace: Option<&str>, rest: Value) -> Object {
        let mut body = json!({
            "apiVersion": self.api_version(),
            "kind": self.kind(),
            "metadata": { "name": name, "labels": { MANAGED_BY: MANAGER } },
        });
        if let Some(namespace) = namespace {
            body["metadata"]["namespace"] = json!(namespace);
        }
        if let (Value::Object(body), Value::Object(rest)) = (&mut body, rest) {
            body.extend(rest);
        }
        Object {
            resource: self,
            name: name.to_owned(),
            body,
        }
    }
}

impl Plan {
    /// Combines the arguments with the `GraphConnection` that they name, if it exists.
    ///
    /// # Errors
    ///
    /// [`UsageError`] if something is missing, or if both contradict each other.
    pub(crate) fn new(
        request: &Request,
        existing: Option<&ExistingConnection>,
    ) -> Result<Self, UsageError> {
        let named = request.connection.as_deref();
        let contradiction = |flag, given: &str, field, found: &str| UsageError::Contradiction {
            flag,
            given: given.to_owned(),
            connection: named.unwrap_or_default().to_owned(),
            field,
            found: found.to_owned(),
        };
        let found_tenant = existing.map(|found| Tenant::new(&found.tenant_id));
        let found_tenant = found_tenant.transpose().map_err(|_| UsageError::Missing {
            missing: "--tenant",
        })?;
        let given_tenant = request.tenant.clone();
        let tenant = given_tenant.clone().or_else(|| found_tenant.clone());
        let tenant = tenant.ok_or(UsageError::Missing {
            missing: "--tenant",
        })?;
        let is_same = |found: &Tenant| found.as_str().eq_ignore_ascii_case(tenant.as_str());
        let same_tenant = found_tenant.filter(|found| !is_same(found));
        let is_id = |tenant: &Tenant| Uuid::try_parse(tenant.as_str()).is_ok();
        if let Some(found) = same_tenant
            .as_ref()
            .filter(|found| is_id(found) && is_id(&tenant))
        {
            return Err(tenant_contradiction(&tenant, found, named));
        }
        let found_client = existing.and_then(|found| Uuid::try_parse(&found.client_id).ok());
        let client_id = match (request.client_id, found_client) {
            (Some(given), Some(found)) if given != found => {
                let (given, found) = (given.to_string(), found.to_string());
                return Err(contradiction(
                    "--client-id",
                    &given,
                    "spec.clientId",
                    &found,
                ));
            }
            (given, found) => given.or(found).ok_or(UsageError::Missing {
                missing: "--client-id",
            })?,
        };
        let credential = existing.and_then(|found| found.credential.refresh_token.as_ref());
        let reference = credential.map(|found| &found.secret_key_ref);
        let secret_field = "spec.credential.refreshToken.secretKeyRef";
        for (flag, given, found) in [
            (
                "--secret",
                &request.secret,
                reference.map(|found| &found.name),
            ),
            ("--key", &request.key, reference.map(|found| &found.key)),
        ] {
            if let (Some(given), Some(found)) = (given, found)
                && given != found
            {
                return Err(contradiction(flag, given, secret_field, found));
            }
        }
        let token = reference.cloned().unwrap_or_else(|| KeyReference {
            name: request
                .secret
                .clone()
                .unwrap_or_else(|| format!("{}-refresh-token", named.unwrap_or("industrydata"))),
            key: request
                .key
                .clone()
                .unwrap_or_else(|| DEFAULT_KEY.to_owned()),
        });
        if token.key == CLIENT_SECRET_KEY {
            return Err(UsageError::SameKey);
        }
        let stored = credential.and_then(|found| found.client_secret_key_ref.clone());
        let is_new = request.client_secret.is_some();
        let finds_client_secret = stored
            .as_ref()
            .is_some_and(|stored| stored.name == token.name && stored.key == CLIENT_SECRET_KEY);
        let is_used = credential.is_some() && (finds_client_secret || !is_new);
        Ok(Self {
            same_tenant,
            client_id,
            stored_client_secret: stored.filter(|_| !is_new),
            connection: match (named, existing, request.creates_connection) {
                (None, ..) => ConnectionPlan::None,
                (Some(name), Some(_), _) if is_used => ConnectionPlan::Uses(name.to_owned()),
                (Some(name), Some(_), _) => ConnectionPlan::HasOther(name.to_owned()),
                (Some(name), None, true) => ConnectionPlan::Create(name.to_owned()),
                (Some(name), None, false) => ConnectionPlan::Missing(name.to_owned()),
            },
            operator: request.operator.clone(),
            tenant,
            token,
        })
    }

    /// Returns the Secret with only what is new in it.
    pub(crate) fn secret(
        &self,
        namespace: Option<&str>,
        refresh_token: &SecretString,
        client_secret: Option<&SecretString>,
    ) -> Object {
        let mut data = serde_json::Map::new();
        data.insert(self.token.key.clone(), json!(refresh_token.expose_secret()));
        if let Some(secret) = client_secret {
            data.insert(CLIENT_SECRET_KEY.to_owned(), json!(secret.expose_secret()));
        }
        let rest = json!({ "type": "Opaque", "stringData": data });
        Resource::Secret.object(&self.token.name, namespace, rest)
    }

    /// Returns the objects besides the Secret, in the order in which they are written: what the operator needs before
    /// the `GraphConnection` that makes it start.
    pub(crate) fn others(
        &self,
        namespace: Option<&str>,
        tenant_id: Uuid,
        stores_client_secret: bool,
    ) -> Vec<Object> {
        let mut objects = Vec::new();
        if let Some(operator) = &self.operator {
            let name = format!("{}-writer", self.token.name);
            let rules = json!([{
                "apiGroups": [""],
                "resources": ["secrets"],
                "resourceNames": [self.token.name],
                "verbs": ["get", "patch"],
            }]);
            objects.push(Resource::Role.object(&name, namespace, json!({ "rules": rules })));
            let binding = json!({
                "roleRef": { "apiGroup": Resource::Role.group(), "kind": Resource::Role.kind(), "name": name },
                "subjects": [{
                    "kind": "ServiceAccount",
                    "name": operator.name,
                    "namespace": operator.namespace,
                }],
            });
            objects.push(Resource::RoleBinding.object(&name, namespace, binding));
        }
        if let ConnectionPlan::Create(name) = &self.connection {
            let spec = json!({
                "tenantId": tenant_id,
                "clientId": self.client_id,
                "credential": { "refreshToken": self.credential(stores_client_secret) },
            });
            let connection = Resource::GraphConnection;
            objects.push(connection.object(name, namespace, json!({ "spec": spec })));
        }
        objects
    }

    /// Returns `spec.credential.refreshToken`.
    pub(crate) fn credential(&self, stores_client_secret: bool) -> Value {
        let KeyReference { name, key } = &self.token;
        let mut credential = json!({ "secretKeyRef": { "name": name, "key": key } });
        if stores_client_secret {
            credential["clientSecretKeyRef"] = json!({ "name": name, "key": CLIENT_SECRET_KEY });
        }
        credential
    }
}

/// Returns the error for two tenants that are not the same.
pub(crate) fn tenant_contradiction(
    given: &Tenant,
    found: &Tenant,
    connection: Option<&str>,
) -> UsageError {
    UsageError::Contradiction {
        flag: "--tenant",
        given: given.to_string(),
        connection: connection.unwrap_or_default().to_owned(),
        field: "spec.tenantId",
        found: found.to_string(),
    }
}

/// Returns the objects as YAML documents.
pub(crate) fn documents<'a>(objects: impl IntoIterator<Item = &'a Object>) -> SecretString {
    let documents = objects
        .into_iter()
        .map(|object| yaml::document(&object.body));
    SecretString::from(documents.collect::<String>())
}

#[cfg(test)]
mod tests;
