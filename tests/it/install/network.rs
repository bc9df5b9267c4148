//! What the chart's `NetworkPolicy` allows as a whole: a connection is allowed if any one rule allows it.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{NAMESPACE, objects, of_kind, path, render};
use crate::test_env::plane;

/// Where clouds serve credentials to whoever can reach it.
const METADATA: [&str; 4] = [
    "169.254.169.254",
    "fe80::a9fe:a9fe",
    "fd00:ec2::254",
    "100.100.100.200",
];

const PRIVATE: [&str; 5] = [
    "10.0.0.7",
    "172.20.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12::1",
];

const PUBLIC: [&str; 2] = ["20.190.128.1", "2603:1056:2000::1"];

/// One end of a connection: an address, and what labels it has if it is a pod.
#[derive(Debug)]
struct Peer {
    address: IpAddr,
    namespace: Value,
    pod: Value,
}

impl Peer {
    fn outside(address: &str) -> Self {
        Self::labelled(address, Value::Null, Value::Null)
    }

    fn pod(namespace: &str, pod: Value) -> Self {
        let namespace = json!({ "kubernetes.io/metadata.name": namespace });
        Self::labelled("10.244.0.9", namespace, pod)
    }

    fn labelled(address: &str, namespace: Value, pod: Value) -> Self {
        let address = address.parse().unwrap();
        Self {
            address,
            namespace,
            pod,
        }
    }
}

/// Whether any of the rules admits a connection to or from a peer.
fn allows(rules: &Value, peers: &str, peer: &Peer, protocol: &str, port: &Value) -> bool {
    let rules = rules.as_array().unwrap();
    rules.iter().any(|rule| {
        let is_port = any(&rule["ports"], |one| {
            let protocols = one["protocol"].as_str().unwrap_or("TCP");
            assert_eq!(one["endPort"], Value::Null, "ranges of ports are not read");
            protocols == protocol && (one["port"].is_null() || one["port"] == *port)
        });
        is_port && any(&rule[peers], |one| is_meant(one, peer))
    })
}

/// Whether one of them fits, or there are none, which means all.
fn any(list: &Value, fits: impl FnMut(&Value) -> bool) -> bool {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.is_empty() || list.iter().any(fits)
}

fn is_meant(meant: &Value, peer: &Peer) -> bool {
    if let Some(block) = meant.get("ipBlock") {
        let within = |cidr: &Value| contains(cidr.as_str().unwrap(), peer.address);
        let except = block["except"].as_array().into_iter().flatten();
        return within(&block["cidr"]) && !except.into_iter().any(within);
    }
    let fits = |selector: &str, labels: &Value| selects(&meant[selector], labels);
    match (meant.get("namespaceSelector"), meant.get("podSelector")) {
        // Without a namespace, that of the policy is meant.
        (None, Some(_)) => {
            let own = json!({ "kubernetes.io/metadata.name": NAMESPACE });
            peer.namespace == own && fits("podSelector", &peer.pod)
        }
        (Some(_), None) => !peer.namespace.is_null() && fits("namespaceSelector", &peer.namespace),
        _ => fits("namespaceSelector", &peer.namespace) && fits("podSelector", &peer.pod),
    }
}

fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let among = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    labels.is_object()
        && equal
            .into_iter()
            .all(|(label, value)| labels[label] == *value)
        && among.into_iter().all(|one| {
            assert_eq!(one["operator"], "In", "no other operator is read");
            let values = one["values"].as_array().unwrap();
            values.contains(&labels[one["key"].as_str().unwrap()])
        })
}

fn contains(cidr: &str, address: IpAddr) -> bool {
    let (start, length) = cidr.split_once('/').unwrap();
    let length: u32 = length.parse().unwrap();
    match (start.parse().unwrap(), address) {
        (IpAddr::V4(start), IpAddr::V4(address)) => {
            let differ = start.to_bits() ^ address.to_bits();
            differ.checked_shr(32 - length).unwrap_or(0) == 0
        }
        (IpAddr::V6(start), IpAddr::V6(address)) => {
            let differ = start.to_bits() ^ address.to_bits();
            differ.checked_shr(128 - length).unwrap_or(0) == 0
        }
        _ => false,
    }
}

async fn policy(values: &Value) -> Value {
    let rendered = render(&*plane().await, values).await.unwrap();
    of_kind(&objects(&rendered), "NetworkPolicy")["spec"].clone()
}

/// Whether the operator may connect there by TCP.
fn reaches(policy: &Value, address: &str, port: u16) -> bool {
    let peer = Peer::outside(address);
    allows(&policy["egress"], "to", &peer, "TCP", &json!(port))
}

fn is_reached_from(policy: &Value, peer: &Peer) -> bool {
    allows(&policy["ingress"], "from", peer, "TCP", &json!("http"))
}

const COLLECTOR: &str = "http://collector.monitoring:4318";

/// Values with which installations differ in what they reach.
fn installations() -> Vec<Value> {
    let api_server = json!({ "to": [{ "ipBlock": { "cidr": "10.0.0.5/32" } }], "ports": [443] });
    vec![
        json!({}),
        json!({ "proxy": { "https": "http://proxy.example.com:3128" } }),
        json!({ "proxy": { "https": "http://proxy.example.com" } }),
        json!({ "networkPolicy": { "egress": { "apiServer": api_server } } }),
        json!({ "traces": { "endpoint": COLLECTOR } }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rule_undoes_the_exceptions_of_another() {
    for values in installations() {
        let policy = policy(&values).await;
        for port in [53, 80, 443, 3128, 5353, 6443, 8080] {
            for address in METADATA {
                let reached = reaches(&policy, address, port);
                assert!(!reached, "{values}: {address} at port {port}");
            }
        }
        for address in PRIVATE {
            assert!(!reaches(&policy, address, 443), "{values}: {address}");
        }
        for address in PUBLIC {
            assert!(reaches(&policy, address, 443), "{values}: {address}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_and_the_proxy_are_reached_where_they_are() {
    let [defaults, proxy, port_80, private, _] = installations().try_into().unwrap();
    let defaults = policy(&defaults).await;
    for address in PRIVATE.iter().chain(&PUBLIC) {
        assert!(reaches(&defaults, address, 6443), "{address}");
        for port in [80, 3128, 8080, 10250] {
            assert!(!reaches(&defaults, address, port), "{address} at {port}");
        }
    }
    assert!(reaches(&policy(&proxy).await, "10.0.0.7", 3128));
    assert!(reaches(&policy(&port_80).await, "10.0.0.7", 80));
    let private = policy(&private).await;
    assert!(reaches(&private, "10.0.0.5", 443));
    assert!(!reaches(&private, "10.0.0.6", 443));
    assert!(!reaches(&private, "10.0.0.5", 6443));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collector_of_traces_is_reached_in_the_cluster_and_only_if_there_is_one() {
    let pod = Peer::pod("monitoring", json!({ "app": "collector" }));
    let reached =
        |policy: &Value, port: u16| allows(&policy["egress"], "to", &pod, "TCP", &json!(port));
    assert!(!reached(&policy(&json!({})).await, 4318));
    let traces = |endpoint: &str| json!({ "traces": { "endpoint": endpoint } });
    for (endpoint, port) in [
        (COLLECTOR, 4318),
        ("https://collector.monitoring/base", 443),
        ("http://[fd00::1]", 80),
    ] {
        let policy = policy(&traces(endpoint)).await;
        assert!(reached(&policy, port), "{endpoint}");
        assert!(!reached(&policy, 9090), "{endpoint}");
        assert!(!reaches(&policy, "10.0.0.7", port), "{endpoint}");
    }
    let mut elsewhere = traces(COLLECTOR);
    let to = json!([{ "ipBlock": { "cidr": "10.0.0.7/32" } }]);
    elsewhere["networkPolicy"]["egress"]["collector"] = json!({ "to": to, "ports": [8318] });
    let elsewhere = policy(&elsewhere).await;
    assert!(reaches(&elsewhere, "10.0.0.7", 8318));
    assert!(!reached(&elsewhere, 4318));
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_is_asked_of_the_dns_of_the_cluster_alone() {
    let policy = policy(&json!({})).await;
    let openshift = json!({ "dns.operator.openshift.io/daemonset-dns": "default" });
    for (namespace, labels, asked) in [
        ("kube-system", json!({ "k8s-app": "kube-dns" }), true),
        ("openshift-dns", openshift, true),
        ("kube-system", json!({ "k8s-app": "other" }), false),
        ("north", json!({ "k8s-app": "kube-dns" }), false),
    ] {
        let pod = Peer::pod(namespace, labels);
        for (protocol, port) in [("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353)] {
            let allowed = allows(&policy["egress"], "to", &pod, protocol, &json!(port));
            assert_eq!(allowed, asked, "{pod:?} by {protocol} at {port}");
        }
    }
    for address in PRIVATE.iter().chain(&PUBLIC) {
        let peer = Peer::outside(address);
        let allowed = allows(&policy["egress"], "to", &peer, "UDP", &json!(53));
        assert!(!allowed, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_namespaces_that_are_named_reach_the_metrics() {
    let test = json!({ "app.kubernetes.io/name": "industrydata-operator-test", "app.kubernetes.io/instance": "industrydata-operator" });
    let node = json!([{ "ipBlock": { "cidr": "192.168.1.0/24" } }]);
    let values = |ingress: Value| json!({ "networkPolicy": { "ingress": ingress } });
    for (ingress, monitoring, node) in [
        (json!({}), false, false),
        (json!({ "namespaces": ["monitoring"] }), true, false),
        (json!({ "from": node }), false, true),
    ] {
        let policy = policy(&values(ingress.clone())).await;
        for (peer, reached) in [
            (Peer::pod(NAMESPACE, test.clone()), true),
            (Peer::pod("north", test.clone()), false),
            (Peer::pod(NAMESPACE, json!({})), false),
            (Peer::pod("north", json!({})), false),
            (Peer::pod("monitoring", json!({})), monitoring),
            (Peer::outside("192.168.1.1"), node),
            (Peer::outside("20.190.128.1"), false),
        ] {
            assert_eq!(
                is_reached_from(&policy, &peer),
                reached,
                "{ingress}: {peer:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_open_the_private_addresses_is_refused() {
    for (values, told) in [
        (
            json!({ "networkPolicy": { "egress": { "apiServer": { "ports": [443] } } } }),
            "Set networkPolicy.egress.apiServer.to to the addresses that are meant",
        ),
        (
            json!({ "proxy": { "https": "https://proxy.example.com" } }),
            "Set networkPolicy.egress.proxy.to to the addresses that are meant",
        ),
        (
            json!({ "traces": { "endpoint": "https://collector.example.com" },
                "networkPolicy": { "egress": { "collector": { "to": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }] } } } }),
            "Set networkPolicy.egress.collector.to to the addresses that are meant",
        ),
        (
            json!({ "serviceMonitor": { "enabled": true } }),
            "Set networkPolicy.ingress.namespaces to the namespace of Prometheus",
        ),
    ] {
        let said = render(&*plane().await, &values).await.expect_err(told);
        assert!(said.contains(told), "{values} is refused with: {said}");
    }
}

/// Without Helm the same policy is installed.
#[test]
fn the_manifests_have_the_policy_too() {
    let manifest = std::fs::read_to_string(path("deploy/install.yaml")).unwrap();
    let objects = objects(&manifest);
    let policy = &of_kind(&objects, "NetworkPolicy")["spec"];
    assert!(!reaches(policy, METADATA[0], 443));
    assert!(reaches(policy, PUBLIC[0], 443));
    assert!(!is_reached_from(policy, &Peer::pod("north", json!({}))));
}

#[test]
fn a_union_is_seen_through() {
    let narrow = json!({ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"] } }], "ports": [{ "port": 443 }] });
    let wide = json!({ "ports": [{ "port": 443, "protocol": "TCP" }] });
    assert!(!reaches(&json!({ "egress": [narrow] }), METADATA[0], 443));
    assert!(reaches(
        &json!({ "egress": [narrow, wide] }),
        METADATA[0],
        443
    ));
    assert!(contains("0.0.0.0/0", "255.1.1.1".parse().unwrap()));
    assert!(!contains("fe80::/10", "fec0::1".parse().unwrap()));
    assert!(contains("fe80::/10", "febf::1".parse().unwrap()));
}
