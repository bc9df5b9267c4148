//! For tests of what reads Secrets: an API server that has nothing else but service accounts, and a look at who is woken.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
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
    interference: Arc<Mutex<Option<Interference>>>,
}

type Interference = Box<dyn FnOnce(&FakeCluster) + Send>;

impl FakeCluster {
    pub fn client(&self) -> kube::Client {
        let cluster = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                Ok::<_, Infallible>(cluster.answer(&head, &body))
            }
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
        self.put_object(path, secret);
    }

    /// Creates or replaces an object.
    pub fn put_object(&self, path: &str, object: Value) {
        self.secrets.lock().unwrap().insert(path.to_owned(), object);
    }

    /// The object at a path.
    pub fn object(&self, path: &str) -> Value {
        self.secrets.lock().unwrap()[path].clone()
    }

    /// Before the next change is carried out, another client changes the objects.
    pub fn before_next_change(&self, change: impl FnOnce(&Self) + Send + 'static) {
        *self.interference.lock().unwrap() = Some(Box::new(change));
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

    fn answer(&self, head: &Parts, body: &[u8]) -> Response<Full<Bytes>> {
        let path = head.uri.path().to_owned();
        let recorded = match head.method {
            Method::GET => path.clone(),
            _ => format!("{} {path}", head.method),
        };
        self.requests.lock().unwrap().push(recorded);
        if head.method != Method::GET {
            self.interfere();
        }
        let refusal = *self.refusal.lock().unwrap();
        let (status, body) = match (refusal, &head.method) {
            (Some(status), _) => failure(status),
            (None, &Method::GET) => {
                let known = self.secrets.lock().unwrap().get(&path).cloned();
                known.map_or_else(|| failure(404), |object| (200, object))
            }
            (None, &Method::PATCH) => self.patch(&path, body),
            (None, _) => issue(&path, body),
        };
        let response = Response::builder().status(status);
        response.body(Full::from(body.to_string())).unwrap()
    }

    fn interfere(&self) {
        let change = self.interference.lock().unwrap().take();
        if let Some(change) = change {
            change(self);
        }
    }

    /// Merges `data`, if the version is that of the object, and increases the version.
    fn patch(&self, path: &str, body: &[u8]) -> (u16, Value) {
        let sent: Value = serde_json::from_slice(body).unwrap();
        let mut objects = self.secrets.lock().unwrap();
        let Some(object) = objects.get_mut(path) else {
            return failure(404);
        };
        let version = object["metadata"]["resourceVersion"].clone();
        if sent["metadata"]["resourceVersion"] != version {
            return failure(409);
        }
        let next: u32 = version.as_str().unwrap().parse().unwrap();
        object["metadata"]["resourceVersion"] = (next + 1).to_string().into();
        for (key, value) in sent["data"].as_object().unwrap() {
            object["data"][key] = value.clone();
        }
        (200, object.clone())
    }
}

/// Issues a token of a service account, which contains the audience.
fn issue(path: &str, body: &[u8]) -> (u16, Value) {
    let request: Value = serde_json::from_slice(body).unwrap();
    let token = format!("token for {}", request["spec"]["audiences"][0]);
    assert!(path.ends_with("/token"), "{path}");
    (201, json!({ "status": { "token": token } }))
}

fn failure(status: u16) -> (u16, Value) {
    let reason = match status {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        _ => "InternalError",
    };
    let body = json!({ "kind": "Status", "status": "Failure", "code": status, "reason": reason });
    (status, body)
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
