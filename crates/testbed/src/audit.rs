//! What the API server was asked, by whom, and what it answered.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde::Deserialize;

use crate::Error;

/// What is logged: the metadata of every request, exactly once.
///
/// A watch is logged when it begins, as its end may be long in coming; every other request when it
/// has been answered. Requests with bad credentials are known only at the stage `ResponseStarted`,
/// so that stage stays for all.
pub(crate) const POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "omitStages": ["RequestReceived"],
  "rules": [
    {"level": "Metadata", "verbs": ["watch"], "omitStages": ["ResponseComplete"]},
    {"level": "Metadata"}
  ]
}"#;

/// Far above what the metadata of a request can take, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// The audit log of a control plane.
///
/// *Guarantees*: each request is one [`Entry`], and whoever has the answer to a request finds its
/// entry here, as the API server writes the entry before it ends the answer. So requests can be
/// counted exactly: take a [`Position`], do what is to be measured, and count the entries since.
///
/// *Caveats*: a watch is an entry as soon as it is accepted, with no word of what it delivered. The
/// control plane's own programs make requests too: filter by user.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
}

/// A place in the audit log, between two entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position(u64);

/// One request. What a request does not have, such as the namespace of a cluster-wide one, is an
/// empty text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Event")]
pub struct Entry {
    /// The request's unique id, also sent to the client as the header `Audit-Id`.
    pub id: String,
    /// Who asked, such as `system:serviceaccount:default:operator`.
    pub user: String,
    /// The Kubernetes verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`; the HTTP method in lower case if no resource was meant.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural name of the resource.
    pub resource: String,
    /// The subresource, such as `status`.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Path and query.
    pub uri: String,
    /// When the request came, in RFC 3339 with microseconds.
    pub received_at: String,
    /// When the entry was written, in RFC 3339 with microseconds.
    pub logged_at: String,
}

impl Entry {
    /// Whether the request meant to change something: also when it was refused, changed nothing or
    /// was a dry run.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        )
    }
}

impl Audit {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The end of the log as it is now.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the log cannot be read.
    pub fn position(&self) -> Result<Position, Error> {
        let length = std::fs::metadata(&self.path)
            .map_err(Error::file("read", &self.path))?
            .len();
        let start = length.saturating_sub(LONGEST_LINE);
        let end = complete(&self.read(start)?).len();
        Ok(Position(start + end as u64))
    }

    /// All entries after a position, oldest first; after `Position::default()`, all there are.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the log cannot be read, [`Error::AuditEvent`] if a line is not an audit
    /// event.
    pub fn since(&self, position: Position) -> Result<Vec<Entry>, Error> {
        let bytes = self.read(position.0)?;
        let text = String::from_utf8_lossy(complete(&bytes));
        text.lines().map(|line| self.parse(line)).collect()
    }

    fn read(&self, offset: u64) -> Result<Vec<u8>, Error> {
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| bytes)
        };
        read().map_err(Error::file("read", &self.path))
    }

    fn parse(&self, line: &str) -> Result<Entry, Error> {
        serde_json::from_str(line).map_err(|source| Error::AuditEvent {
            path: self.path.clone(),
            line: line.to_owned(),
            source,
        })
    }
}

/// Without the line that is still being written.
fn complete(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    &bytes[..end]
}

/// An entry as `audit.k8s.io/v1` has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(default)]
    user: User,
    verb: String,
    #[serde(default)]
    object_ref: ObjectReference,
    #[serde(default)]
    response_status: ResponseStatus,
    #[serde(default)]
    user_agent: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    request_received_timestamp: String,
    stage_timestamp: String,
}

/// Empty for a request whose credentials were refused.
#[derive(Deserialize, Default)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectReference {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self {
            id: event.audit_id,
            user: event.user.username,
            verb: event.verb,
            group: event.object_ref.api_group,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            code: event.response_status.code,
            user_agent: event.user_agent,
            uri: event.request_uri,
            received_at: event.request_received_timestamp,
            logged_at: event.stage_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"kind":"Event","auditID":"7f0c","verb":"patch","stage":"ResponseComplete","level":"Metadata",
        "requestURI":"/apis/apps/v1/namespaces/a/deployments/b/status","user":{"username":"admin"},"userAgent":"kubectl",
        "objectRef":{"resource":"deployments","namespace":"a","name":"b","apiGroup":"apps","subresource":"status"},
        "responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-05T08:00:00.000001Z",
        "stageTimestamp":"2026-01-05T08:00:00.000002Z"}"#;

    fn log(text: &str) -> (tempfile::NamedTempFile, Audit) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        let audit = Audit::new(file.path().to_owned());
        (file, audit)
    }

    #[test]
    fn an_event_becomes_an_entry() {
        let (_file, audit) = log(&format!("{}\n", EVENT.replace('\n', "")));
        let entries = audit.since(Position::default()).unwrap();
        let entry = &entries[0];
        assert!(entry.is_write());
        assert_eq!(
            (entry.group.as_str(), entry.resource.as_str()),
            ("apps", "deployments")
        );
        assert_eq!((entry.subresource.as_str(), entry.code), ("status", 200));
    }

    #[test]
    fn a_line_still_being_written_is_left_for_later() {
        let (_file, audit) = log(&format!("{}\n{{\"kind\":", EVENT.replace('\n', "")));
        assert_eq!(audit.since(Position::default()).unwrap().len(), 1);
    }

    #[test]
    fn nothing_is_found_after_the_end() {
        let (_file, audit) = log(&format!("{}\n", EVENT.replace('\n', "")));
        assert_eq!(audit.since(audit.position().unwrap()).unwrap(), []);
    }

    #[test]
    fn a_line_that_is_no_event_is_told() {
        let (_file, audit) = log("nonsense\n");
        assert!(
            audit
                .since(Position::default())
                .unwrap_err()
                .to_string()
                .contains("nonsense")
        );
    }
}
