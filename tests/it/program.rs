//! The program as it is started: flags, kubeconfig, signals, the administration server.

use industrydata_simulator::Options;
use tokio::process::Command;

use crate::conditions::is_ready;
use crate::process::{Launch, PROGRAM};
use crate::test_env::TestEnv;

#[tokio::test(flavor = "multi_thread")]
async fn the_program_does_the_main_job_and_stops_when_told() {
    let env = TestEnv::set_up("program", Options::default()).await;
    let program = Launch::on(&env).start().await;
    assert_eq!(program.get("/livez").await.0, 200);
    env.apply_samples().await;
    env.flow_where("north-users", is_ready).await;
    assert_eq!(program.get("/readyz").await.0, 200);
    let (status, metrics) = program.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "industrydata_operator_leader 1",
        "industrydata_operator_graph_requests_total{operation=\"CreateFlow\",outcome=\"Success\"} 4\n",
        "industrydata_operator_flow_creation_duration_seconds_count 4\n",
        "industrydata_operator_resources{kind=\"OutboundProvisioningFlowSet\",state=\"Ready\"} 1\n",
        "name=\"north-users\",flow_set=\"north\",type=\"user\",readiness=\"ready\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    let shown = env
        .kubectl(&["get", "industrydata,events", "--output", "yaml"])
        .await
        .unwrap();
    for secret in ["simulator-secret", "Change-me-1", "Bearer"] {
        for (place, text) in [
            ("metrics", &metrics),
            ("the cluster", &shown),
            ("the log", &program.log()),
        ] {
            assert!(!text.contains(secret), "{secret} is in {place}");
        }
    }
    program.stop().await;
    let lease = env.kubectl(&[
        "get",
        "lease",
        "industrydata-operator",
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ]);
    assert_eq!(lease.await.unwrap(), "", "the lease is released");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_not_taken_for_the_cluster() {
    let env = TestEnv::set_up("program-proxy", Options::default()).await;
    // Nobody listens there. The service is on loopback, which no proxy can reach.
    let launch = Launch::on(&env).variable("HTTPS_PROXY", "http://127.0.0.1:9");
    let program = launch.start().await;
    env.apply_samples().await;
    env.flow_where("north-users", is_ready).await;
    program.stop().await;
}

#[tokio::test]
async fn bad_flags_are_refused_with_a_sentence_that_names_them() {
    for (flag, value, told) in [
        ("--graph-endpoint", "http://graph.example", "https"),
        ("--visibility-window", "1s", "--visibility-window"),
        ("--request-timeout", "soon", "--request-timeout"),
    ] {
        let output = Command::new(PROGRAM)
            .args(["run", flag, value])
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(text.contains(flag) && text.contains(told), "{text}");
    }
}
