//! Tools that are built from their modules.

use industrydata_testbed::{Tool, run};

#[tokio::test]
async fn a_tool_is_built_and_runs() {
    let mut kubeconform = Tool::Kubeconform.command().await.unwrap();
    let version = run(kubeconform.arg("-v")).await.unwrap();
    assert!(!version.trim().is_empty());
}
