use std::{error::Error, io::Write};

use clap::Parser;
use tempfile::NamedTempFile;

use super::*;

/// What the program does.
#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(flags: &[&str]) -> Result<Arguments, clap::Error> {
    let words = ["operator"].iter().chain(flags);
    Program::try_parse_from(words).map(|program| program.arguments)
}

fn settings(flags: &[&str]) -> Result<Settings, SettingsError> {
    Settings::from_arguments(arguments(flags).unwrap())
}

/// Returns the message with its causes.
fn refusal(flags: &[&str]) -> String {
    let error = settings(flags).unwrap_err();
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

#[test]
fn the_defaults_are_usable() {
    let settings = settings(&[]).unwrap();

    assert_eq!(
        settings.graph_endpoint.as_str(),
        "https://graph.microsoft.com/"
    );
    assert_eq!(
        settings.authority_endpoint.as_str(),
        "https://login.microsoftonline.com/"
    );
    assert_eq!(settings.ca_certificates, None);
    assert_eq!(settings.request_timeout, Duration::from_secs(10));
    assert_eq!(settings.visibility_window, Duration::from_secs(45));
    assert_eq!(settings.context, None);
    assert_eq!(settings.scope, WatchedNamespaces::All);
    assert_eq!(settings.selector, None);
    assert_eq!(settings.concurrency, 16);
    assert_eq!(settings.relist_interval, Duration::from_hours(1));
    assert_eq!(settings.admin_address.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.shutdown_grace, Duration::from_secs(20));
    assert_eq!(settings.log.format, LogFormat::Text);
    assert_eq!(settings.log.directives, "info");
    assert!(settings.traces().is_none());
    let lease = settings.lease.unwrap();
    assert_eq!(lease.name, "industrydata-operator");
    assert_eq!(lease.duration, Duration::from_secs(20));
    assert_eq!(lease.shards, ShardCount::ONE);
}

#[test]
fn every_flag_counts() {
    let settings = settings(&[
        "--graph-endpoint=http://127.0.0.1:9000",
        "--authority-endpoint=http://localhost:9001",
        "--request-timeout=1500ms",
        "--visibility-window=1m30s",
        "--context=kind",
        "--watch-namespace=south,north",
        "--watch-namespace=north",
        "--watch-selector=team in (a,b)",
        "--concurrency=2",
        "--relist-interval=10m",
        "--lease-namespace=system",
        "--lease-name=leader",
        "--lease-duration=1m",
        "--shards=3",
        "--admin-address=[::1]:9002",
        "--resource-metrics=false",
        "--shutdown-grace=0s",
        "--log-format=json",
        "--log-level=debug",
        "--otlp-endpoint=http://collector.monitoring:4318/base",
    ])
    .unwrap();

    assert_eq!(settings.graph_endpoint.as_str(), "http://127.0.0.1:9000/");
    assert_eq!(
        settings.authority_endpoint.as_str(),
        "http://localhost:9001/"
    );
    assert_eq!(settings.request_timeout, Duration::from_millis(1500));
    assert_eq!(settings.visibility_window, Duration::from_secs(90));
    assert_eq!(settings.context.as_deref(), Some("kind"));
    let namespaces = vec!["north".to_owned(), "south".to_owned()];
    assert_eq!(settings.scope, WatchedNamespaces::Only(namespaces));
    assert_eq!(settings.selector.unwrap().to_string(), "team in (a,b)");
    assert_eq!(settings.concurrency, 2);
    assert_eq!(settings.relist_interval, Duration::from_mins(10));
    assert_eq!(settings.admin_address.to_string(), "[::1]:9002");
    assert_eq!(settings.detail, Detail::Totals);
    assert_eq!(settings.shutdown_grace, Duration::ZERO);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.log.directives, "debug");
    assert_eq!(
        settings.otlp_endpoint.unwrap().as_str(),
        "http://collector.monitoring:4318/base"
    );
    let lease = settings.lease.unwrap();
    assert_eq!((&*lease.namespace, &*lease.name), ("system", "leader"));
    assert_eq!(lease.duration, Duration::from_mins(1));
    assert_eq!(lease.shards.get(), 3);
}

#[test]
fn every_flag_has_a_variable_of_its_name() {
    let command = <Program as clap::CommandFactory>::command();
    let flags: Vec<_> = command
        .get_arguments()
        .filter(|flag| flag.get_long() != Some("help"))
        .collect();
    assert_eq!(flags.len(), 24);

    for flag in flags {
        let name = flag.get_long().unwrap().replace('-', "_").to_uppercase();
        let variable = flag.get_env().unwrap().to_str().unwrap();
        assert_eq!(variable, format!("INDUSTRYDATA_OPERATOR_{name}"));
        assert!(flag.get_help().is_some(), "{name}");
    }
}

#[test]
fn the_program_is_described_by_its_own_words() {
    let command = <Program as clap::CommandFactory>::command();

    let about = command.get_about().unwrap().to_string();

    assert_eq!(about, "What the program does");
}

#[test]
fn values_that_cannot_be_read_are_refused_with_the_flag_and_what_is_right() {
    for (flag, value, right) in [
        (
            "--graph-endpoint",
            "graph",
            "a URL, such as `https://graph.microsoft.com`",
        ),
        (
            "--request-timeout",
            "10",
            "a duration with a unit, such as `60s` or `1m30s`",
        ),
        (
            "--request-timeout",
            "-10s",
            "a duration with a unit, such as `60s` or `1m30s`",
        ),
        (
            "--lease-duration",
            "soon",
            "a duration with a unit, such as `60s` or `1m30s`",
        ),
        ("--visibility-window", "25h", "at most `24h`"),
        (
            "--visibility-window",
            "99999999999999999999h",
            "a duration with a unit",
        ),
        (
            "--admin-address",
            ":8080",
            "an IP address and a port, such as `127.0.0.1:8080`",
        ),
        (
            "--token-scope",
            "https://graph.microsoft.com",
            "a URL with https that ends with `/.default`",
        ),
        (
            "--token-scope",
            "http://graph.microsoft.com/.default",
            "a URL with https that ends with `/.default`",
        ),
        (
            "--workload-identity-audience",
            "https://kubernetes.default.svc",
            "[possible values: api://AzureADTokenExchange,",
        ),
        ("--watch-selector", "a in b", "`key in (a,b)`"),
        ("--concurrency", "0", "non-zero"),
        ("--leader-elect", "maybe", "[possible values: true, false]"),
        ("--log-format", "xml", "[possible values: text, json]"),
    ] {
        let refusal = arguments(&[&format!("{flag}={value}")]).unwrap_err();
        let refusal = refusal.to_string();

        for part in [flag, value, right] {
            assert!(refusal.contains(part), "no {part} in {refusal}");
        }
    }
}

#[test]
fn endpoints_must_be_safe() {
    for (flags, message) in [
        (
            ["--graph-endpoint=http://graph.example"],
            "--graph-endpoint `http://graph.example/` cannot be used: must be https (http is for \
             loopback addresses only)",
        ),
        (
            ["--authority-endpoint=https://login.example/tenant"],
            "--authority-endpoint `https://login.example/tenant` cannot be used: must have no \
             path, query or fragment",
        ),
        (
            ["--graph-endpoint=https://user:hunter2@graph.example"],
            "--graph-endpoint `https://user@graph.example/` cannot be used: must not hold a user \
             name or password",
        ),
    ] {
        assert_eq!(refusal(&flags), message);
    }
}

#[test]
fn a_collector_is_reached_by_http_without_secrets_in_its_url() {
    for url in ["http://collector:4318", "https://collector/base"] {
        let settings = settings(&[&format!("--otlp-endpoint={url}")]).unwrap();
        assert!(settings.traces().is_some(), "{url}");
    }
    for (url, shown) in [
        ("grpc://collector:4317", "grpc://collector:4317"),
        ("http://user:hunter2@collector/", "http://user@collector/"),
        ("http://collector/?key=1", "http://collector/?key=1"),
    ] {
        assert_eq!(
            refusal(&[&format!("--otlp-endpoint={url}")]),
            format!(
                "--otlp-endpoint `{shown}` cannot be used; expected http or https, without a user name, a query or a \
                 fragment, such as `http://otel-collector.monitoring:4318`"
            )
        );
    }
}

#[test]
fn the_ca_file_is_read_at_the_start() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap();
    let file = file(&certificate.pem());

    let flag = format!("--ca-file={}", file.path().display());
    let settings = settings(&[&flag]).unwrap();

    let certificates = settings.transport().ca_certificates.unwrap();
    assert_eq!(certificates, certificate.pem().into_bytes());
}

#[test]
fn the_ca_file_must_hold_certificates() {
    let missing = refusal(&["--ca-file=/nowhere/ca.pem"]);
    assert!(
        missing.starts_with("failed to read --ca-file `/nowhere/ca.pem`: "),
        "got {missing}"
    );

    let empty = file("nothing to see");
    let path = empty.path().display();
    assert_eq!(
        refusal(&[&format!("--ca-file={path}")]),
        format!(
            "--ca-file `{path}` does not contain a certificate; expected at least one, in PEM \
             (`-----BEGIN CERTIFICATE-----`)"
        )
    );

    let broken = file("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n");
    let path = broken.path().display();
    let message = refusal(&[&format!("--ca-file={path}")]);
    assert!(
        message.starts_with(&format!("--ca-file `{path}` is not PEM: ")),
        "got {message}"
    );
}

#[test]
fn names_must_be_possible() {
    for (flag, value) in [
        ("--watch-namespace", "North"),
        ("--watch-namespace", "-north"),
        ("--lease-namespace", "a/b"),
        ("--lease-name", ""),
        ("--lease-name", &"a".repeat(64)),
    ] {
        assert_eq!(
            refusal(&[&format!("{flag}={value}")]),
            format!(
                "{flag} `{value}` is not a valid name; expected 1 to 63 lowercase letters, digits \
                 and `-`, with a letter or digit at either end"
            )
        );
    }
}

#[test]
fn what_is_set_to_nothing_is_not_set() {
    let settings = settings(&[
        "--watch-namespace=",
        "--watch-selector=",
        "--context=",
        "--lease-namespace=",
    ])
    .unwrap();

    assert_eq!(settings.scope, WatchedNamespaces::All);
    assert_eq!(settings.selector, None);
    assert_eq!(settings.context, None);
    assert!(!settings.lease.unwrap().namespace.is_empty());
}

#[test]
fn the_times_must_fit_together() {
    for (flags, message) in [
        (
            &["--request-timeout=0s"][..],
            "--request-timeout is 0s; expected a duration in which a request can complete, \
             such as `10s`",
        ),
        (
            &["--relist-interval=4999ms"],
            "--relist-interval is 4.999s; expected at least 5s, usually `1h`",
        ),
        (
            &["--lease-duration=2s"],
            "--lease-duration is 2s; expected whole seconds, at least 3s",
        ),
        (
            &["--lease-duration=15500ms"],
            "--lease-duration is 15.5s; expected whole seconds, at least 3s",
        ),
        (
            &["--request-timeout=12s"],
            "--lease-duration 20s guarantees the leader 12s, which must cover \
             --request-timeout 12s plus 2s in the request budget: raise the first or lower the second",
        ),
        (
            &["--visibility-window=40s"],
            "--visibility-window is 40s; expected more than 40s: --lease-duration 20s and \
             twice --request-timeout 10s",
        ),
        (
            &["--leader-elect=false", "--visibility-window=20s"],
            "--visibility-window is 20s; expected more than 20s: twice --request-timeout 10s",
        ),
    ] {
        assert_eq!(refusal(flags), message);
    }
}

#[test]
fn without_leader_election_there_is_no_lease_to_fit() {
    let flags = [
        "--leader-elect=false",
        "--request-timeout=20s",
        "--lease-duration=1s",
    ];

    assert_eq!(settings(&flags).unwrap().lease, None);
}

#[test]
fn shards_are_few_and_need_leases() {
    for flag in ["--shards=0", "--shards=17", "--shards=two"] {
        let refused = arguments(&[flag]).unwrap_err().to_string();
        assert!(
            refused.contains("expected a number from 1 to 16"),
            "{refused}"
        );
    }
    assert_eq!(
        refusal(&["--shards=2", "--leader-elect=false"]),
        "--shards is 2 and --leader-elect is false; expected --leader-elect=true, as each shard needs a lease"
    );
    assert!(settings(&["--shards=1", "--leader-elect=false"]).is_ok());
}

#[test]
fn leader_election_can_be_given_in_every_usual_way() {
    assert!(
        arguments(&["--leader-elect"])
            .unwrap()
            .election
            .leader_elect
    );
    assert!(
        arguments(&["--leader-elect=true"])
            .unwrap()
            .election
            .leader_elect
    );
    assert!(
        !arguments(&["--leader-elect=false"])
            .unwrap()
            .election
            .leader_elect
    );
    assert!(
        !arguments(&["--leader-elect", "false"])
            .unwrap()
            .election
            .leader_elect
    );
}

#[test]
fn a_pod_knows_its_namespace() {
    assert_eq!(
        pod_namespace(file("system\n").path()).as_deref(),
        Some("system")
    );
    assert_eq!(pod_namespace(file("").path()), None);
    assert_eq!(pod_namespace(Path::new("/nowhere/namespace")), None);
}

#[test]
fn the_transport_and_the_limits_follow_from_the_settings() {
    let settings = settings(&["--request-timeout=4s"]).unwrap();

    let transport = settings.transport();
    assert_eq!(transport.request_timeout, Duration::from_secs(4));
    assert_eq!(transport.connect_timeout, Duration::from_secs(2));
    assert!(transport.user_agent.starts_with("industrydata-operator/"));
    let limits = settings.limits();
    assert_eq!(limits.visibility_window, SignedDuration::from_secs(45));
    assert_eq!(limits.dependency_grace, SignedDuration::from_secs(10));
}
