//! For tests of what reads Secrets: an API server that has nothing else, and a look at who is woken.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Bytes;
use kube::client::Body;
use kube::runtime::reflector;
use kube::runtime::watcher;
use serde_json::{Value, json};
use tower::service_fn;

use crate::metrics::Metrics;

use super::index::{Index, Indexed, SharedIndex};
use super::triggers::{Queues, Receivers, Switchboard, Triggers};

/// The Secret of the connection of [`plan::testing`](crate::plan::testing).
pub const CREDENTIAL: &str = "/api/v1/namespaces/schools/secrets/contoso";

/// Secrets by path, and what was requested.
#[derive(Clone, Default)]
pub struct FakeCluster {
    secrets: Arc<Mutex<BTreeMap<String, Value>>>,
    requests: Arc<Mutex<Vec<String>>>,
    refusal: Arc<Mutex<Option<u16>>>,
}

impl FakeCluster {
    pub fn client(&self) -> kube::Client {
        let cluster = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let response = cluster.answer(&request);
            async move { Ok::<_, Infallible>(response) }
        });
        kube::Client::new(service, "default")
    }

    /// Creates or replaces a Secret with text under its keys.
    pub fn put<const N: usize>(&self, path: &str, data: [(&str, &str); N]) {
        let encode = |(key, text): (&str, &str)| {
            let value = k8s_openapi::ByteString(text.as_bytes().to_vec());
            (key.to_owned(), json!(value))
        };
        let data: BTreeMap<String, Value> = data.into_iter().map(encode).collect();
        let secret = json!({ "metadata": { "uid": "1", "resourceVersion": "1" }, "data": data });
        self.secrets.lock().unwrap().insert(path.to_owned(), secret);
    }

    pub fn delete(&self, path: &str) {
        self.secrets.lock().unwrap().remove(path);
    }

    /// From now on, every request is answered with this status, or as usual.
    pub fn refuse(&self, status: Option<u16>) {
        *self.refusal.lock().unwrap() = status;
    }

    /// The paths of all requests.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests there were for a path.
    pub fn count(&self, path: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| *request == path).count()
    }

    fn answer(&self, request: &Request<Body>) -> Response<Full<Bytes>> {
        assert_eq!(request.method(), "GET");
        let path = request.uri().to_string();
        let path = path.trim_end_matches('?');
        self.requests.lock().unwrap().push(path.to_owned());
        let refusal = *self.refusal.lock().unwrap();
        let (status, body) = match self.secrets.lock().unwrap().get(path) {
            _ if refusal.is_some() => {
                let status = refusal.unwrap();
                let reason = if status == 403 {
                    "Forbidden"
                } else {
                    "InternalError"
                };
                (
                    status,
                    json!({ "kind": "Status", "status": "Failure", "code": status, "reason": reason }),
                )
            }
            Some(secret) => (200, secret.clone()),
            None => (
                404,
                json!({ "kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound" }),
            ),
        };
        let response = Response::builder().status(status);
        response.body(Full::from(body.to_string())).unwrap()
    }
}

/// Shows all objects of a kind to the index.
pub fn show<K: Indexed>(index: &Index, objects: impl IntoIterator<Item = K>) {
    let (store, mut writer) = reflector::store();
    let begun = [watcher::Event::Init];
    let listed = objects.into_iter().map(watcher::Event::InitApply);
    let events = begun.into_iter().chain(listed);
    for event in events.chain([watcher::Event::InitDone]) {
        writer.apply_watcher_event(&event);
        index.apply(&event, &store);
    }
}

/// An index of one scope, of all namespaces.
pub fn index() -> Index {
    Index::new(SharedIndex::of(1), None)
}

/// Triggers between the resources of `index`, and who is woken.
pub fn triggers(index: &Index) -> (Triggers, Receivers) {
    let (queues, woken) = Queues::open();
    let switchboard = Switchboard::default();
    switchboard.add(None, queues);
    (
        Triggers::new(index.clone(), switchboard, Metrics::new()),
        woken,
    )
}
