//! The audit log counts requests exactly.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::TryStreamExt;
use industrydata_testbed::{Account, Audit, Entry, Position};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ListParams, ObjectMeta, PostParams, WatchParams};

use crate::support::shared;

/// How often a user did what since a position.
fn counts(audit: &Audit, since: Position, user: &str) -> BTreeMap<(String, u16), usize> {
    let mut counts = BTreeMap::new();
    for entry in audit
        .since(since)
        .unwrap()
        .into_iter()
        .filter(|entry| entry.user == user)
    {
        *counts.entry((entry.verb, entry.code)).or_default() += 1;
    }
    counts
}

async fn maps_of(account: &Account) -> Api<ConfigMap> {
    Api::default_namespaced(account.client().await.unwrap())
}

fn map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

#[tokio::test]
async fn each_request_is_counted_once_as_soon_as_it_is_answered() {
    let control_plane = shared().await;
    let account = control_plane
        .service_account("audit", "counted")
        .await
        .unwrap();
    control_plane
        .bind_cluster_role("cluster-admin", "audit", "counted")
        .await
        .unwrap();
    let (audit, maps) = (control_plane.audit().unwrap(), maps_of(&account).await);

    let start = audit.position().unwrap();
    for number in 0..25 {
        maps.create(&PostParams::default(), &map(&format!("map-{number}")))
            .await
            .unwrap();
        maps.list(&ListParams::default()).await.unwrap();
        assert_eq!(
            counts(audit, start, account.user())[&("create".to_owned(), 201)],
            number + 1
        );
        assert_eq!(
            counts(audit, start, account.user())[&("list".to_owned(), 200)],
            number + 1
        );
    }
    maps.create(&PostParams::default(), &map("map-0"))
        .await
        .unwrap_err();
    assert_eq!(
        counts(audit, start, account.user())[&("create".to_owned(), 409)],
        1
    );
    assert_eq!(
        counts(audit, audit.position().unwrap(), account.user()),
        BTreeMap::new()
    );
}

#[tokio::test]
async fn an_entry_tells_what_was_asked() {
    let control_plane = shared().await;
    let account = control_plane
        .service_account("audit", "described")
        .await
        .unwrap();
    let (audit, maps) = (control_plane.audit().unwrap(), maps_of(&account).await);
    let start = audit.position().unwrap();
    maps.delete("it", &kube::api::DeleteParams::default())
        .await
        .unwrap_err();
    let entries = audit.since(start).unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry.user == account.user())
        .unwrap();
    assert!(entry.is_write());
    let Entry {
        verb,
        group,
        resource,
        namespace,
        name,
        code,
        uri,
        ..
    } = entry;
    assert_eq!(
        [verb, group, resource, namespace, name, uri],
        [
            "delete",
            "",
            "configmaps",
            "audit",
            "it",
            "/api/v1/namespaces/audit/configmaps/it?"
        ]
    );
    assert_eq!(*code, 403);
}

#[tokio::test]
async fn a_watch_is_counted_when_it_begins_and_never_again() {
    let control_plane = shared().await;
    let account = control_plane
        .service_account("audit", "watcher")
        .await
        .unwrap();
    control_plane
        .bind_cluster_role("cluster-admin", "audit", "watcher")
        .await
        .unwrap();
    let (audit, maps) = (control_plane.audit().unwrap(), maps_of(&account).await);
    let expected = BTreeMap::from([(("watch".to_owned(), 200), 1)]);

    let start = audit.position().unwrap();
    let mut events = pin!(
        maps.watch(&WatchParams::default().timeout(1), "0")
            .await
            .unwrap()
    );
    assert_eq!(counts(audit, start, account.user()), expected);
    while events.try_next().await.unwrap().is_some() {}
    assert_eq!(counts(audit, start, account.user()), expected);
}

#[tokio::test]
async fn a_request_with_bad_credentials_is_an_entry_of_nobody() {
    let control_plane = shared().await;
    let audit = control_plane.audit().unwrap();
    let account = control_plane
        .service_account("audit", "impostor")
        .await
        .unwrap();
    let mut config = account.config().await.unwrap();
    config.auth_info.token = Some("nonsense".to_owned().into());
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static("impostor"),
    ));
    let start = audit.position().unwrap();
    Client::try_from(config)
        .unwrap()
        .apiserver_version()
        .await
        .unwrap_err();
    let entries = audit.since(start).unwrap();
    let refused: Vec<_> = entries.iter().filter(|entry| entry.code == 401).collect();
    assert!(
        refused
            .iter()
            .any(|entry| entry.user.is_empty() && entry.user_agent == "impostor"),
        "{refused:?}"
    );
}
