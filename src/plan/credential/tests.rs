use super::*;
use crate::api::{
    ClientCertificate, ClientSecret, Credential, LocalReference, RefreshToken, WorkloadIdentity,
};
use crate::plan::testing::{at, connection, start};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn reference(name: &str, key: &str) -> SecretKeyReference {
    SecretKeyReference {
        name: name.to_owned(),
        key: key.to_owned(),
    }
}

fn with(credential: Credential) -> GraphConnection {
    let mut connection = connection();
    connection.spec.credential = credential;
    connection
}

fn each() -> [Credential; 4] {
    let none = Credential::default;
    [
        Credential {
            client_secret: Some(ClientSecret {
                secret_key_ref: reference("a", "b"),
                expires_at: None,
            }),
            ..none()
        },
        Credential {
            client_certificate: Some(ClientCertificate {
                secret_ref: LocalReference {
                    name: "a".to_owned(),
                },
            }),
            ..none()
        },
        Credential {
            workload_identity: Some(WorkloadIdentity {
                service_account_name: "sds".to_owned(),
            }),
            ..none()
        },
        Credential {
            refresh_token: Some(RefreshToken {
                secret_key_ref: reference("a", "b"),
                client_secret_key_ref: Some(reference("c", "d")),
            }),
            ..none()
        },
    ]
}

#[test]
fn each_kind_is_kept_under_its_keys() {
    let keys = each().map(|credential| {
        let keys = secret_keys(&with(credential)).into_iter();
        keys.map(|it| format!("{}/{}", it.name, it.key))
            .collect::<Vec<_>>()
    });
    let expected: [&[&str]; 4] = [&["a/b"], &["a/tls.crt", "a/tls.key"], &[], &["a/b", "c/d"]];
    assert_eq!(keys, expected);
}

#[test]
fn none_and_several_are_no_credential() {
    let [mut two, other, ..] = each();
    two.client_certificate = other.client_certificate;
    for credential in [Credential::default(), two] {
        assert!(CredentialSource::of(&with(credential)).is_err());
    }
}

#[test]
fn access_changes_only_with_knowledge_or_with_the_credential() {
    let observed = |read, write| ObservedAccess {
        read,
        write,
        is_of_new_credential: false,
    };
    let unknown = observed(Access::Unknown, Access::Unknown);
    assert_eq!(access_status(None, unknown, start()), None);
    let allowed = observed(Access::Allowed, Access::Unknown);
    let first = access_status(None, allowed, start()).unwrap();
    assert_eq!(
        (first.read, first.write),
        (Access::Allowed, Access::Unknown)
    );
    let same = |observed| access_status(Some(&first), observed, at(60)).unwrap() == first;
    assert!(same(allowed));
    assert!(same(unknown), "a restart forgets nothing");
    let refused = observed(Access::Allowed, Access::Refused);
    let second = access_status(Some(&first), refused, at(60)).unwrap();
    assert_eq!(second.write, Access::Refused);
    assert_ne!(second.checked_at, first.checked_at);
    let renewed = ObservedAccess {
        is_of_new_credential: true,
        ..allowed
    };
    let third = access_status(Some(&second), renewed, at(90)).unwrap();
    assert_eq!(third.write, Access::Unknown);
}

#[test]
fn the_end_is_reported_once_at_each_of_its_notices() {
    let expiry = start() + DAY * 40;
    let report = |known: Option<&CredentialExpiry>, days: i32| {
        expiry_report(known, Some(expiry), start() + DAY * days)
    };
    let mut known = None;
    let mut news = Vec::new();
    for day in 0..=41 {
        let report = report(known.as_ref(), day);
        if report.is_news {
            let reported = report.status.as_ref().unwrap().reported.clone();
            news.push((day, reported.unwrap()));
        }
        known = report.status;
    }
    let expected = [(10, "30d"), (33, "7d"), (39, "1d"), (40, "expired")];
    assert_eq!(news, expected.map(|(day, text)| (day, text.to_owned())));
}

#[test]
fn the_next_report_is_when_the_next_notice_begins() {
    let next = |days: i32| expiry_report(None, Some(start() + DAY * days), start()).next;
    assert_eq!(
        [40, 30, 7, 1, 0].map(next),
        [
            Some(DAY * 10),
            Some(DAY * 23),
            Some(DAY * 6),
            Some(DAY),
            None
        ]
    );
    assert_eq!(expiry_report(None, None, start()), ExpiryReport::default());
}

#[test]
fn another_end_is_reported_again() {
    let soon = expiry_report(None, Some(start() + DAY), start());
    let later = expiry_report(soon.status.as_ref(), Some(start() + DAY * 20), start());
    assert!(later.is_news);
    let far = expiry_report(later.status.as_ref(), Some(start() + DAY * 400), start());
    assert!(!far.is_news);
    assert_eq!(expiry_remark(&far.status.unwrap()), None);
}
