//! The main job: apply, create, poll, mirror, reset, delete.

use crate::stage::{Stage, is_ready};

const FLOWS: [&str; 4] =
    ["north-administrative-units", "north-class-groups", "north-security-groups", "north-users"];

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_become_four_ready_flows() {
    let stage = Stage::open("samples").await;
    stage.apply_samples().await;
    for name in FLOWS {
        stage.flow_where(name, is_ready).await;
    }
}
