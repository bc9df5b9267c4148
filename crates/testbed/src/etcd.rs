//! The database behind the API server's back.

use std::path::PathBuf;

use http::Request;
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::Error;
use crate::proxy::over;

/// The etcd of a control plane, for what cannot be done through the API server.
#[derive(Debug, Clone)]
pub struct Etcd {
    socket: PathBuf,
}

/// Numbers are texts in etcd's JSON.
#[derive(Deserialize)]
struct Status {
    header: Header,
}

#[derive(Deserialize)]
struct Header {
    revision: String,
    member_id: String,
}

impl Etcd {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Forgets all revisions but the present one.
    ///
    /// *Caveats*: the API server serves watches from a memory of its own, which goes back further. A
    /// watch that goes on from before is answered with 410 only by an API server that was started
    /// after the compaction.
    ///
    /// # Errors
    ///
    /// [`Error::Etcd`] if etcd cannot be reached or refuses, for example because nothing has been
    /// written since the last compaction.
    pub async fn compact(&self) -> Result<(), Error> {
        let Header { revision, .. } = self.status().await?;
        let body = json!({ "revision": revision, "physical": true });
        self.ask("/v3/kv/compaction", &body).await.map(|_| ())
    }

    /// Raises the alarm of a full disk: etcd answers reads and refuses writes, also after a restart.
    ///
    /// # Errors
    ///
    /// [`Error::Etcd`] if etcd cannot be reached or refuses.
    pub async fn raise_no_space(&self) -> Result<(), Error> {
        self.alarm("ACTIVATE").await
    }

    /// Ends the alarm of a full disk.
    ///
    /// # Errors
    ///
    /// [`Error::Etcd`] if etcd cannot be reached or refuses.
    pub async fn end_no_space(&self) -> Result<(), Error> {
        self.alarm("DEACTIVATE").await
    }

    async fn alarm(&self, action: &str) -> Result<(), Error> {
        let Header { member_id, .. } = self.status().await?;
        let body = json!({ "action": action, "memberID": member_id, "alarm": "NOSPACE" });
        self.ask("/v3/maintenance/alarm", &body).await.map(|_| ())
    }

    async fn status(&self) -> Result<Header, Error> {
        let path = "/v3/maintenance/status";
        let status = self.ask(path, &json!({})).await?;
        let status: Status = serde_json::from_str(&status).map_err(failed(path))?;
        Ok(status.header)
    }

    async fn ask(&self, path: &str, body: &Value) -> Result<String, Error> {
        let request = Request::post(path).header("host", "etcd");
        let request = request
            .body(Full::from(body.to_string()))
            .map_err(failed(path))?;
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(failed(path))?;
        let answer = over(stream, request).await.map_err(failed(path))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(failed(path))?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status.is_success() {
            return Ok(text);
        }
        Err(failed(path)(text))
    }
}

fn failed<E: ToString>(path: &str) -> impl FnOnce(E) -> Error {
    move |error| Error::Etcd {
        path: path.to_owned(),
        answer: error.to_string(),
    }
}
