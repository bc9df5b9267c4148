//! Everything the service knows, behind one lock.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    behavior::Behavior,
    chaos::Chaos,
    clock::Clock,
    directory::Directory,
    error::Error,
    fault::Rules,
    ids::Ids,
    journal::Journal,
    odata::{Paging, Query},
    options::Options,
    problem::Problem,
    render::{Renderer, RoleGroups},
    request::Request,
    route::PathCase,
    run_log::RunLog,
    signer::Signer,
    store::{Catalog, IdCase, Lag, Store},
    throttle::Throttle,
};

/// The state of the simulator.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) behavior: Behavior,
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) signer: Signer,
    pub(crate) runs: RunLog,
    pub(crate) throttle: Throttle,
    pub(crate) journal: Journal,
    pub(crate) rules: Rules,
    pub(crate) chaos: Option<Chaos>,
}

/// One request in the hands of its handler.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    pub(crate) query: Query,
    pub(crate) paging: Paging,
    /// For how long reads are not to see what this request writes.
    pub(crate) hidden_for: Duration,
    /// How far back this request looks, if it is a read.
    pub(crate) lag: Lag,
}

impl World {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let clock = Clock::default();
        let directory = Directory::new(
            options.tenants.clone(),
            clock.now(),
            options.behavior.refresh_token_lifetime,
        );
        Ok(Self {
            clock,
            ids: Ids::seeded(options.seed),
            behavior: options.behavior.clone(),
            store: Store::default(),
            directory,
            signer: Signer::new()?,
            runs: RunLog::default(),
            throttle: Throttle::default(),
            journal: Journal::default(),
            rules: Rules::default(),
            chaos: options
                .hostile
                .then(|| Chaos::new(options.seed, options.hostile_rate)),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn id_case(&self) -> IdCase {
        if self.behavior.case_sensitive_ids {
            IdCase::Exact
        } else {
            IdCase::Folded
        }
    }

    pub(crate) fn path_case(&self) -> PathCase {
        if self.behavior.case_sensitive_paths {
            PathCase::Exact
        } else {
            PathCase::Folded
        }
    }

    /// A call without any fault.
    pub(crate) fn call<'a>(&self, request: &'a Request) -> Result<Call<'a>, Problem> {
        Ok(Call {
            request,
            query: Query::of(request, &self.behavior.query)?,
            paging: Paging {
                size: self.behavior.page_size.max(1),
                empty_pages: self.behavior.empty_pages,
            },
            hidden_for: self.behavior.visibility_delay,
            lag: Lag::default(),
        })
    }

    pub(crate) fn renderer<'a>(&'a self, call: &Call<'a>, role_groups: RoleGroups) -> Renderer<'a> {
        Renderer {
            base: &call.request.base,
            behavior: &self.behavior,
            now: self.now(),
            role_groups,
        }
    }

    /// What a read sees.
    pub(crate) fn seen(&self, call: &Call<'_>) -> &Catalog {
        self.store.visible(self.now(), call.lag)
    }

    /// To be called when a write is certain to succeed, before it happens.
    pub(crate) fn commit(&mut self, call: &Call<'_>) -> Timestamp {
        let now = self.now();
        self.store.announce_write(now, call.hidden_for);
        now
    }

    pub(crate) fn run_is_going(&self) -> bool {
        self.runs.is_running(self.now(), self.behavior.run_length)
    }
}
