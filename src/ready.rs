//! The probe whether an operator is ready, asked over the network: what `helm test` runs, in an image that holds
//! nothing but the operator.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::graph::ensure_crypto_provider;
use crate::settings::duration;

const PAUSE: Duration = Duration::from_secs(1);

/// An answer that takes longer is none: that of a ready operator takes milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Which operator is asked, and how long.
#[derive(Clone, Debug, Args)]
pub struct ReadinessProbe {
    /// Where the operator serves `/readyz`, such as `http://127.0.0.1:8080`
    pub url: Url,

    /// How long to ask again while it is not ready
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    pub within: Duration,
}

impl ReadinessProbe {
    /// Asks until the operator is ready, and gives back what it said.
    ///
    /// # Errors
    ///
    /// What was seen last, if it was not ready in time.
    pub async fn run(self) -> anyhow::Result<String> {
        ensure_crypto_provider();
        // It is in the same cluster, which no proxy leads to, and speaks plain http. A client that looks for the
        // system's authorities could not be made where there are none, as in the image.
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let client = client.timeout(ANSWER_TIMEOUT).build()?;
        let url = self.url.join("/readyz")?;
        let mut last = None;
        let asking = async {
            loop {
                match answer(&client, url.clone()).await {
                    Ok(said) => return said,
                    Err(error) => last = Some(error),
                }
                sleep(PAUSE).await;
            }
        };
        if let Ok(said) = timeout(self.within, asking).await {
            return Ok(said);
        }
        let within = self.within;
        let Some(last) = last else {
            bail!("the operator at {url} did not answer within {within:?}");
        };
        Err(last).with_context(|| format!("the operator at {url} was not ready within {within:?}"))
    }
}

async fn answer(client: &reqwest::Client, url: Url) -> anyhow::Result<String> {
    let answer = client.get(url).send().await?;
    let status = answer.status();
    let said = answer.text().await?;
    let said = said.trim();
    ensure!(status.is_success(), "it answered {status}: {said}");
    Ok(said.to_owned())
}
