use futures::FutureExt;

use super::*;
use crate::controller::secrets::Secrets;
use crate::controller::testing::{CREDENTIAL, FakeCluster, index, show, triggers};
use crate::controller::triggers::Receivers;
use crate::controller::turns::{Queue, Turns};
use crate::graph::{TransportSettings, unobserved};
use crate::plan::testing::connection;

const MINUTE: Duration = Duration::from_mins(1);

/// Nothing is sent to the service.
fn transport() -> Transport {
    let nowhere: url::Url = "http://127.0.0.1:9".parse().unwrap();
    let settings = TransportSettings {
        graph_endpoint: nowhere.clone(),
        authority_endpoint: nowhere,
        token_scope: "https://graph.microsoft.com/.default".to_owned(),
        assertion_audience: "https://login.microsoftonline.com".parse().unwrap(),
        ca_certificates: None,
        request_timeout: MINUTE,
        connect_timeout: MINUTE,
        user_agent: "test".to_owned(),
    };
    Transport::new(settings).unwrap()
}

fn world() -> (FakeCluster, Sessions, Receivers) {
    let (cluster, index) = (FakeCluster::default(), index());
    cluster.put(CREDENTIAL, [("clientSecret", "one")]);
    show(&index, [connection()]);
    let (triggers, woken) = triggers(&index);
    let reads = Arc::new(tokio::sync::Semaphore::new(1));
    let secrets = Arc::new(Secrets::new(cluster.client(), reads, triggers.clone()));
    // A round of each poller, in which it asks what to poll.
    let spawn: Spawn = Arc::new(|task| {
        task.now_or_never();
    });
    let credentials = Arc::new(Credentials::new(
        secrets,
        cluster.client(),
        "audience",
        spawn.clone(),
    ));
    let sessions = Sessions::new(credentials, triggers, transport(), unobserved(), spawn);
    (cluster, sessions, woken)
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_its_credential_for_deletions_and_for_an_hour() {
    let (cluster, sessions, _woken) = world();
    let queue = Queue {
        name: "contoso".into(),
        limit: 1,
    };
    let (connection, turn) = (connection(), Turns::new(1).begin("schools", &queue).await);
    sessions.open(&connection, MINUTE, &turn).await.unwrap();
    cluster.delete(CREDENTIAL);
    sessions.open(&connection, MINUTE, &turn).await.unwrap();

    tokio::time::advance(MINUTE).await;
    let blocked = sessions.open(&connection, MINUTE, &turn).await;
    assert!(matches!(blocked, Err(Unavailable::Blocked(_))));
    assert!(sessions.last(&connection).await.is_some());

    tokio::time::advance(MINUTE * 60).await;
    let blocked = sessions.open(&connection, MINUTE, &turn).await;
    assert!(matches!(blocked, Err(Unavailable::Blocked(_))));
    let slot = sessions.slot(&connection);
    assert!(slot.lock().await.is_none(), "nothing keeps the credential");
    assert!(sessions.last(&connection).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_a_complete_list_lacks_has_neither_a_session_nor_an_account() {
    let (_cluster, sessions, _woken) = world();
    let queue = Queue {
        name: "contoso".into(),
        limit: 1,
    };
    let (connection, turn) = (connection(), Turns::new(1).begin("schools", &queue).await);
    sessions.open(&connection, MINUTE, &turn).await.unwrap();
    sessions.sweep(&[Arc::new(connection.clone())]);
    assert_eq!(sessions.slots().len(), 1);
    assert_eq!(sessions.accounts().len(), 1);

    let mut again = connection.clone();
    again.metadata.uid = Some("again".to_owned());
    sessions.sweep(&[Arc::new(again)]);
    assert_eq!(sessions.slots().len(), 0);
    assert_eq!(
        sessions.accounts().len(),
        1,
        "limits and pauses are those of the name"
    );

    sessions.sweep(&[]);
    assert_eq!(sessions.accounts().len(), 0);
}
