//! Uses a cluster that is already there.

use std::path::Path;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use kube::config::Kubeconfig;

use crate::Error;
use crate::account::{self, Account};
use crate::binaries::Binaries;
use crate::launch::{self, Running};
use crate::reaper::Reaper;

/// Reads a kubeconfig and requests the own identity from its cluster, which also proves that it responds.
pub(crate) async fn attach(path: &Path, context: Option<String>) -> Result<Running, Error> {
    let mut kubeconfig = Kubeconfig::read_from(path).map_err(account::unusable(path))?;
    kubeconfig.current_context = context.or(kubeconfig.current_context);
    let cluster = account::current_cluster(&kubeconfig).ok_or_else(|| Error::NoCluster {
        path: path.to_owned(),
    })?;
    let directory = launch::directory()?;
    let reaper = Reaper::of(directory.path())?;
    let unnamed = Account::new(
        "admin",
        kubeconfig.clone(),
        directory.path(),
        &Binaries::Path,
    )?;
    let user = user(&unnamed.client().await?).await?;
    let admin = unnamed.named(user);
    Ok(Running {
        reaper,
        programs: Vec::new(),
        admin,
        cluster,
        directory,
    })
}

async fn user(client: &kube::Client) -> Result<String, Error> {
    let review = Api::all(client.clone())
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .map_err(Error::request(
            "ask the cluster for",
            "the user of the kubeconfig",
        ))?;
    let user = review
        .status
        .and_then(|status| status.user_info)
        .and_then(|info| info.username);
    Ok(user.unwrap_or_default())
}
