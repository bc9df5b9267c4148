//! Readiness probe over the network. `helm test` runs it, because the image contains no other program that could.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::graph::ensure_crypto_provider;
use crate::settings::duration;

/// Time between two requests.
const PAUSE: Duration = Duration::from_secs(1);

/// Slower responses are treated as failures: a ready operator responds within milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Probe of one operator, repeated until it is ready or the time is over.
#[derive(Clone, Debug, Args)]
pub struct ReadinessProbe {
    /// Where the operator serves `/readyz`, such as `http://127.0.0.1:8080`
    pub url: Url,

    /// How long to ask again while it is not ready
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    pub within: Duration,
}

impl ReadinessProbe {
    /// Repeats the request until the operator is ready, and returns the body of its response.
    ///
    /// # Errors
    ///
    /// The last failure, if the operator was not ready in time.
    pub async fn run(self) -> anyhow::Result<String> {
        ensure_crypto_provider();
        // The operator is in the same cluster, so no proxy is needed, and serves plain http. A client that loads the
        // certificate authorities of the system could not be built in the image, which has none.
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let client = client.timeout(ANSWER_TIMEOUT).build()?;
        let url = self.url.join("/readyz")?;
        let mut last = None;
        let polling = async {
            loop {
                match request(&client, url.clone()).await {
                    Ok(body) => return body,
                    Err(error) => last = Some(error),
                }
                sleep(PAUSE).await;
            }
        };
        if let Ok(body) = timeout(self.within, polling).await {
            return Ok(body);
        }
        let within = self.within;
        let Some(last) = last else {
            bail!("the operator at {url} did not answer within {within:?}");
        };
        Err(last).with_context(|| format!("the operator at {url} was not ready within {within:?}"))
    }
}

async fn request(client: &reqwest::Client, url: Url) -> anyhow::Result<String> {
    let response = client.get(url).send().await?;
    let status = response.status();
    let body = response.text().await?;
    let body = body.trim();
    ensure!(status.is_success(), "it answered {status}: {body}");
    Ok(body.to_owned())
}
