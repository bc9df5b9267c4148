//! The administration port of a running operator, which anything may reach that the network lets through.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use industrydata_simulator::Options;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::process::{Launch, Process};
use crate::test_env::TestEnv;

/// The time limit of a probe of the kubelet.
const PROBE: Duration = Duration::from_secs(1);

/// Connections that are kept open by their client, with nearly as much of a head as the operator reads.
const CONNECTIONS: usize = 3000;

/// All heads together would be 21 MiB.
const GROWTH_KIB: u64 = 8 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_unfinished_requests_cost_neither_memory_nor_a_probe() {
    let env = TestEnv::set_up("edge", Options::default()).await;
    let process = Launch::on(&env).start().await;
    let address: SocketAddr = process
        .url()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    env.until("the operator to lead", async || {
        process.get("/readyz").await.0 == 200
    })
    .await;
    let before = resident_kib(&process);

    let mut kept: Vec<TcpStream> = Vec::new();
    let head = format!(
        "GET /metrics HTTP/1.1\r\nA: {}\r\nB: ",
        "a".repeat(7 * 1024)
    );
    for number in 0..CONNECTIONS {
        // From another address than that of the probes, as a pod has one.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut connection = socket.connect(address).await.unwrap();
        // The operator may have closed it already.
        let _ = connection.write_all(head.as_bytes()).await;
        kept.push(connection.into_std().unwrap());
        if number % 100 == 0 {
            is_probed(&process).await;
        }
    }

    let after = resident_kib(&process);
    assert!(
        after < before + GROWTH_KIB,
        "from {before} to {after} KiB with {} connections",
        kept.len()
    );
    process.stop().await;
}

async fn is_probed(process: &Process) {
    let began = Instant::now();
    assert_eq!(process.get("/livez").await, (200, "alive\n".to_owned()));
    assert!(began.elapsed() < PROBE, "{:?}", began.elapsed());
}

fn resident_kib(process: &Process) -> u64 {
    let resident = &process.status()["VmRSS"];
    resident.strip_suffix(" kB").unwrap().parse().unwrap()
}
