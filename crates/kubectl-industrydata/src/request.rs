//! Checked arguments: what can be known without the cluster and the authority.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use industrydata_operator::graph::{Tenant, check_endpoint};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use crate::arguments::{ClusterArguments, LoginArguments, Output};
use crate::error::UsageError;

/// Longest client secret. Those of Microsoft Entra have 40 characters.
const MAX_CLIENT_SECRET: usize = 1024;

/// What the user requests.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) tenant: Option<Tenant>,
    pub(crate) client_id: Option<Uuid>,
    pub(crate) connection: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) client_secret: Option<SecretString>,
    pub(crate) permission: Permission,
    /// Scopes instead of that of the permission, or none.
    pub(crate) scopes: Vec<String>,
    /// Whether the `GraphConnection` is to be created if it does not exist.
    pub(crate) creates_connection: bool,
    /// Account that is to be allowed to write the Secret.
    pub(crate) operator: Option<ServiceAccount>,
    /// Whether a value that this command did not store is replaced.
    pub(crate) forces: bool,
    pub(crate) output: Output,
    pub(crate) authority: Url,
    pub(crate) graph_resource: Url,
    /// Certificates (PEM, at least one) to trust in addition to the system's.
    pub(crate) ca_certificates: Option<Vec<u8>>,
    pub(crate) cluster: ClusterArguments,
}

/// A delegated permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    Read,
    ReadWrite,
}

/// The account that the operator runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceAccount {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Permission {
    /// Returns the name in Microsoft Graph.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "IndustryData-OutboundFlow.Read.All",
            Self::ReadWrite => "IndustryData-OutboundFlow.ReadWrite.All",
        }
    }

    /// Returns whether a token with this scope has the permission. The scope may be qualified with the resource.
    pub(crate) fn is_in(self, scope: &str, resource: &str) -> bool {
        let name = scope
            .strip_prefix(resource)
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(scope);
        let is = |permission: Self| name.eq_ignore_ascii_case(permission.name());
        // Who may write may read.
        is(self) || is(Self::ReadWrite)
    }
}

impl Request {
    /// Checks arguments, and reads the files that they name.
    ///
    /// # Errors
    ///
    /// [`UsageError`] with the flag, its value and what is expected.
    pub(crate) fn from_arguments(arguments: LoginArguments) -> Result<Self, UsageError> {
        let endpoint = |flag, url: &Url| {
            let checked = check_endpoint(url);
            checked.map_err(|source| UsageError::Endpoint {
                flag,
                url: without_password(url),
                source,
            })
        };
        endpoint("--authority-endpoint", &arguments.authority_endpoint)?;
        endpoint("--graph-resource", &arguments.graph_resource)?;
        let name = |flag, value: Option<String>| {
            checked(
                flag,
                value,
                is_name,
                "the name of an object, such as `contoso`",
            )
        };
        let label = |flag, value: Option<String>| {
            checked(
                flag,
                value,
                is_label,
                "the name of a namespace, such as `default`",
            )
        };
        let tenant = checked(
            "--tenant",
            arguments.tenant,
            |text| Tenant::new(text).is_ok(),
            "the id (a GUID) or a domain of one tenant",
        )?;
        let client_id = checked(
            "--client-id",
            arguments.client_id,
            |text| text.len() == 36 && Uuid::try_parse(text).is_ok(),
            "a GUID, such as `66666666-7777-4888-8999-000000000000`",
        )?;
        let key = checked(
            "--key",
            arguments.key,
            is_key,
            "letters, digits, `-`, `_` and `.`, such as `refreshToken`",
        )?;
        let operator_namespace = label("--operator-namespace", arguments.operator_namespace)?;
        let operator_name = name(
            "--operator-service-account",
            arguments.operator_service_account,
        )?;
        let operator = operator_namespace
            .zip(operator_name)
            .filter(|_| arguments.create_role);
        let scopes = arguments.scope.into_iter().map(Some);
        let scopes = scopes.map(|scope| {
            let expected = "a scope, such as `https://graph.microsoft.com/.default`";
            checked("--scope", scope, is_scope, expected).map(Option::unwrap_or_default)
        });
        let namespace = label("--namespace", arguments.cluster.namespace)?;
        Ok(Self {
            tenant: tenant.and_then(|text| Tenant::new(&text).ok()),
            client_id: client_id.and_then(|text| Uuid::try_parse(&text).ok()),
            connection: name("--connection", arguments.connection)?,
            secret: name("--secret", arguments.secret)?,
            key,
            permission: if arguments.read_only {
                Permission::Read
            } else {
                Permission::ReadWrite
            },
            scopes: scopes.collect::<Result<_, _>>()?,
            creates_connection: arguments.create_connection,
            operator: operator.map(|(namespace, name)| ServiceAccount { namespace, name }),
            forces: arguments.force,
            output: arguments.output,
            authority: arguments.authority_endpoint,
            graph_resource: arguments.graph_resource,
            ca_certificates: arguments.ca_file.as_deref().map(certificates).transpose()?,
            cluster: ClusterArguments {
                namespace,
                ..arguments.cluster
            },
            // Last, so that no secret is typed before another flag is refused.
            client_secret: match arguments.client_secret_file {
                Some(path) => Some(client_secret_file(&path)?),
                None if arguments.client_secret_stdin => Some(client_secret_stdin()?),
                None => None,
            },
        })
    }

    /// Returns the resource of the permissions, without a slash at its end.
    pub(crate) fn resource(&self) -> &str {
        self.graph_resource.as_str().trim_end_matches('/')
    }

    /// Returns the value of the parameter `scope`.
    pub(crate) fn scope(&self) -> String {
        let mut scope = "openid offline_access".to_owned();
        for one in &self.scopes {
            scope.push(' ');
            scope.push_str(one);
        }
        if self.scopes.is_empty() {
            scope.push(' ');
            scope.push_str(self.resource());
            scope.push('/');
            scope.push_str(self.permission.name());
        }
        scope
    }
}

/// An empty value is not set, as a variable of the environment may be.
fn checked(
    flag: &'static str,
    value: Option<String>,
    is_valid: impl Fn(&str) -> bool,
    expected: &'static str,
) -> Result<Option<String>, UsageError> {
    let value = value.filter(|value| !value.is_empty());
    match value {
        Some(value) if !is_valid(&value) => Err(UsageError::Value {
            flag,
            value: value.escape_debug().to_string(),
            expected,
        }),
        value => Ok(value),
    }
}

fn without_password(url: &Url) -> Url {
    let mut url = url.clone();
    // Fails only for a URL that cannot have one.
    let _ = url.set_password(None);
    url
}

fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

// A Role is named after the Secret, so there has to be room for `-writer`.
fn is_name(text: &str) -> bool {
    text.len() <= 240 && text.split('.').all(is_label)
}

fn is_key(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.len() <= 253 && text.bytes().all(is_inner) && text != "." && !text.starts_with("..")
}

// RFC 6749, 3.3, without blanks, which separate scopes.
fn is_scope(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    text.len() <= 256 && text.bytes().all(is_inner)
}

fn certificates(path: &Path) -> Result<Vec<u8>, UsageError> {
    let pem = fs::read(path).map_err(|source| UsageError::ReadFile {
        flag: "--ca-file",
        path: path.to_owned(),
        source,
    })?;
    let mut found = CertificateDer::pem_slice_iter(&pem);
    match found.next() {
        Some(Ok(_)) if found.all(|certificate| certificate.is_ok()) => Ok(pem),
        _ => Err(UsageError::Certificates(path.to_owned())),
    }
}

fn client_secret_file(path: &Path) -> Result<SecretString, UsageError> {
    let failed = |source| UsageError::ReadFile {
        flag: "--client-secret-file",
        path: path.to_owned(),
        source,
    };
    let text = fs::File::open(path)
        .and_then(read_bounded)
        .map_err(failed)?;
    client_secret(text, "--client-secret-file")
}

fn client_secret_stdin() -> Result<SecretString, UsageError> {
    let text = read_bounded(io::stdin().lock()).map_err(UsageError::Stdin)?;
    client_secret(text, "standard input")
}

/// Reads little more than is allowed, however much there is.
fn read_bounded(from: impl Read) -> io::Result<String> {
    // With its final size from the start, so that no copy is left behind.
    let mut text = String::with_capacity(MAX_CLIENT_SECRET + 8);
    from.take(MAX_CLIENT_SECRET as u64 + 3)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn client_secret(mut text: String, place: &'static str) -> Result<SecretString, UsageError> {
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    let is_one =
        !text.is_empty() && text.len() <= MAX_CLIENT_SECRET && !text.contains(char::is_control);
    let secret = SecretString::from(text);
    is_one
        .then_some(secret)
        .ok_or(UsageError::ClientSecret(place))
}

#[cfg(test)]
mod tests;
