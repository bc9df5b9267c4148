//! A token for those that cannot obtain one.

use anyhow::Context;
use serde::Deserialize;

pub const TENANT: &str = "11111111-2222-4333-8444-555555555555";
pub const CLIENT: &str = "66666666-7777-4888-8999-000000000000";
pub const SECRET: &str = "simulator-secret";

/// A token of the simulator's application, good for an hour.
pub async fn fetch(authority: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: String,
    }
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let request = reqwest::Client::new().post(format!("{authority}/{TENANT}/oauth2/v2.0/token"));
    let answer = request.form(&form).send().await?.error_for_status();
    let answer: Answer = answer.context("failed to fetch a token")?.json().await?;
    Ok(answer.access_token)
}
