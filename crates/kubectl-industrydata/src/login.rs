//! The order of a sign-in: everything that needs no person, then the person, then the objects.

use std::io::{self, Write as _};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep_until, timeout_at};
use uuid::Uuid;

use crate::arguments::Output;
use crate::authority::{Application, Authority, ExchangeError};
use crate::cluster::{Cluster, Write};
use crate::device_code::{DeviceCode, Pace, TokenResponse, Tokens};
use crate::error::{AuthorityError, Error};
use crate::identity::{Expected, SignedIn};
use crate::objects::{self, Plan, Resource};
use crate::refusal::{RefusedRequest, SignIn};
use crate::report;
use crate::request::Request;
use crate::terminal::Terminal;
use crate::writes::{check_access, ensure, store};

/// How often the remaining time is shown.
const TICK: Duration = Duration::from_secs(1);

/// A user who has signed in, and what is still to be done.
pub(crate) struct Login {
    cluster: Option<Cluster>,
    plan: Plan,
    tenant_id: Uuid,
    client_secret: Option<SecretString>,
    signed_in: SignedIn,
}

impl Request {
    /// Checks everything, and waits for the user. Nothing is written before this returns, so it can be dropped at any
    /// time.
    ///
    /// # Errors
    ///
    /// [`Error`] with what failed and what to do.
    pub(crate) async fn sign_in(&self, terminal: &mut Terminal) -> Result<Login, Error> {
        let cluster = if self.needs_cluster() {
            Some(Cluster::connect(&self.cluster).await?)
        } else {
            None
        };
        let existing = match (&cluster, &self.connection) {
            (Some(cluster), Some(name)) => cluster.connection(name).await?,
            _ => None,
        };
        let plan = Plan::new(self, existing.as_ref())?;
        let client_secret = self.known_client_secret(cluster.as_ref(), &plan).await?;
        let sign_in = SignIn {
            tenant: plan.tenant.to_string(),
            client_id: plan.client_id,
            permission: self.permission,
            has_client_secret: client_secret.is_some(),
        };
        let authority = Authority::new(self)?;
        let tenant_id = authority.tenant_id(&plan.tenant, &sign_in).await?;
        if let Some(other) = &plan.same_tenant
            && authority.tenant_id(other, &sign_in).await? != tenant_id
        {
            let named = self.connection.as_deref();
            return Err(objects::tenant_contradiction(&plan.tenant, other, named).into());
        }
        if let Some(cluster) = cluster.as_ref().filter(|_| self.output == Output::Apply) {
            check_access(cluster, &plan).await?;
            // What the API server would refuse later, it refuses now.
            let placeholder = SecretString::from("not-a-token");
            let secret = self.client_secret.as_ref().map(|_| &placeholder);
            let secret = plan.secret(None, &placeholder, secret);
            store(cluster, &plan, &secret, self.forces, Write::Rehearse).await?;
            for object in plan.others(None, tenant_id, client_secret.is_some()) {
                ensure(cluster, &object, Write::Rehearse).await?;
            }
        }
        let scope = self.scope();
        let application = Application {
            tenant: plan.tenant.as_str(),
            client_id: plan.client_id,
            client_secret: client_secret.as_ref(),
            scope: &scope,
        };
        let code = authority.request_code(&application, &sign_in).await?;
        terminal.show_code(&code, &sign_in);
        let ask = async || authority.request_tokens(&application, &code).await;
        let tokens = wait_for_tokens(&code, &sign_in, ask, terminal).await?;
        terminal.clear();
        let expected = Expected {
            tenant_id,
            client_id: plan.client_id,
            permission: self.permission,
            resource: self.resource().to_owned(),
        };
        Ok(Login {
            signed_in: expected.check(tokens)?,
            // One that is stored elsewhere is not stored again.
            client_secret: self.client_secret.clone(),
            cluster,
            plan,
            tenant_id,
        })
    }

    /// YAML needs the cluster only for what the flags do not contain.
    fn needs_cluster(&self) -> bool {
        let is_complete = self.tenant.is_some() && self.client_id.is_some();
        self.output == Output::Apply || !is_complete && self.connection.is_some()
    }

    /// Returns the client secret that was passed, or the one that the `GraphConnection` refers to.
    async fn known_client_secret(
        &self,
        cluster: Option<&Cluster>,
        plan: &Plan,
    ) -> Result<Option<SecretString>, Error> {
        let (Some(cluster), Some(stored)) = (cluster, &plan.stored_client_secret) else {
            return Ok(self.client_secret.clone());
        };
        let secret = cluster.secret(&stored.name).await?;
        let value = secret.and_then(|secret| secret.value(&stored.key));
        let value = value.ok_or_else(|| Error::Object {
            object: cluster.describe(Resource::Secret, &stored.name),
            state: format!("has no client secret under {}", stored.key),
            remedy: "pass it with --client-secret-file".to_owned(),
        })?;
        Ok(Some(value))
    }
}

/// Asks until there are tokens, as often as the authority allows, and no longer than the code is valid.
async fn wait_for_tokens(
    code: &DeviceCode,
    sign_in: &SignIn,
    ask: impl AsyncFn() -> Result<TokenResponse, ExchangeError>,
    terminal: &mut Terminal,
) -> Result<Tokens, Error> {
    let mut pace: Pace = code.pace;
    let end = Instant::now() + pace.lifetime;
    let mut last_failure = None;
    let mut wait = pace.wait();
    loop {
        let next = Instant::now() + wait;
        if next >= end {
            show_until(end, end, terminal).await;
            break;
        }
        show_until(next, end, terminal).await;
        let Ok(response) = timeout_at(end, ask()).await else {
            break;
        };
        wait = Duration::ZERO;
        match response {
            Ok(TokenResponse::Granted(tokens)) => return Ok(*tokens),
            Ok(TokenResponse::Pending) => pace.pending(),
            Ok(TokenResponse::SlowDown) => pace.slow_down(),
            Ok(TokenResponse::Busy { after }) => {
                pace.failed();
                wait = after.unwrap_or_default();
            }
            Ok(TokenResponse::Refused(refusal)) => {
                return Err(Box::new(RefusedRequest {
                    operation: format!("sign in to tenant {}", sign_in.tenant),
                    refusal,
                    sign_in: sign_in.clone(),
                })
                .into());
            }
            Ok(TokenResponse::Malformed(problem)) => {
                return Err(AuthorityError::Malformed {
                    request: "the request for a token",
                    problem,
                }
                .into());
            }
            Err(error @ (ExchangeError::TooLarge | ExchangeError::Redirect)) => {
                return Err(no_tokens(sign_in, error));
            }
            Err(error) => {
                pace.failed();
                last_failure = Some(error);
                wait = wait.max(pace.wait());
                continue;
            }
        }
        last_failure = None;
        wait = wait.max(pace.wait());
    }
    Err(match last_failure {
        Some(error) => no_tokens(sign_in, error),
        None => AuthorityError::Expired(code.pace.minutes()).into(),
    })
}

fn no_tokens(sign_in: &SignIn, source: ExchangeError) -> Error {
    Error::Exchange {
        operation: format!("sign in to tenant {}", sign_in.tenant),
        source,
    }
}

/// Waits, and shows how much time is left.
async fn show_until(next: Instant, end: Instant, terminal: &mut Terminal) {
    loop {
        let now = Instant::now();
        if now >= next {
            return;
        }
        terminal.show_wait(end - now);
        let tick = if terminal.is_live() { now + TICK } else { next };
        sleep_until(tick.min(next)).await;
    }
}

impl Login {
    /// Writes the objects, or prints them.
    ///
    /// # Errors
    ///
    /// [`Error`] with the object that could not be written. Those before it are.
    pub(crate) async fn finish(
        self,
        request: &Request,
        terminal: &mut Terminal,
    ) -> Result<(), Error> {
        terminal.line(report::signed_in(
            self.signed_in.user.as_deref(),
            self.tenant_id,
        ));
        let stores_client_secret = self.client_secret.is_some();
        let namespace = match request.output {
            Output::Yaml => request.cluster.namespace.as_deref(),
            Output::Apply => None,
        };
        let refresh_token = &self.signed_in.refresh_token;
        let secret = self
            .plan
            .secret(namespace, refresh_token, self.client_secret.as_ref());
        let others = self
            .plan
            .others(namespace, self.tenant_id, stores_client_secret);
        if let (Output::Apply, Some(cluster)) = (request.output, &self.cluster) {
            let deed = store(cluster, &self.plan, &secret, request.forces, Write::Perform).await?;
            print(&report::deed(&secret, deed))?;
            for object in &others {
                let deed = ensure(cluster, object, Write::Perform).await?;
                print(&report::deed(object, deed))?;
            }
        } else {
            terminal.line(report::YAML_WARNING);
            let documents = objects::documents([&secret].into_iter().chain(&others));
            print(documents.expose_secret())?;
        }
        for line in report::next_steps(&self.plan, stores_client_secret) {
            terminal.line(line);
        }
        Ok(())
    }
}

fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    written.map_err(|source| Error::System {
        operation: "write to standard output",
        source,
    })
}

#[cfg(test)]
mod tests;
