//! Prometheus, beside the soak: it scrapes the replicas all the time, and shows in the end what its users have seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures::future::join_all;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use industrydata_operator::clock;
use industrydata_testbed::Tool;
use industrydata_testbed::prometheus::{Answer, Case, Monitoring, Page};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::scene::{NAMESPACE, Scene};

/// The time between two scrapes. It is longer in a soak of many hours, as all pages are kept.
const INTERVAL: Duration = Duration::from_secs(5);

/// About how many times each replica is scraped at most.
const SCRAPES: u32 = 400;

/// For how long what has just happened may not be seen: a poll, and some scrapes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// The process of each replica that runs, by its number.
pub type Targets = Arc<Mutex<BTreeMap<usize, u32>>>;

pub struct Prometheus {
    monitoring: Monitoring,
    interval: Duration,
    pages: Arc<Mutex<Vec<Page>>>,
    _end: DropGuard,
}

impl Prometheus {
    /// Scrapes from now on. A soak of this length is expected.
    pub async fn start(scene: &Scene, targets: &Targets, length: Duration) -> anyhow::Result<Self> {
        // It takes a while to build, and should not fail only in the end.
        Tool::Promql.command().await?;
        let (pages, end) = (Arc::<Mutex<Vec<Page>>>::default(), CancellationToken::new());
        let interval = INTERVAL.max(length / SCRAPES);
        let scraping = scrape_all(targets.clone(), interval, pages.clone());
        tokio::spawn(end.clone().run_until_cancelled_owned(scraping));
        Ok(Self {
            monitoring: scene.monitoring().await?,
            interval,
            pages,
            _end: end.drop_guard(),
        })
    }

    /// Waits until a resource that needs a person is scraped.
    pub async fn shows_what_needs_a_person(&self) -> anyhow::Result<()> {
        let known = self.pages().len();
        let is_told = |page: &Page| page.text.lines().any(needs_a_person);
        let telling = async {
            while !self.pages()[known..].iter().any(is_told) {
                sleep(Duration::from_millis(500)).await;
            }
        };
        let told = timeout(PATIENCE.max(4 * self.interval), telling).await;
        told.context("no metric shows that a flow has failed")
    }

    /// Returns a line on the dashboards, and one for each alert that was pending or fired.
    ///
    /// # Errors
    ///
    /// The queries of panels that showed nothing at any time.
    pub async fn seen(&self) -> anyhow::Result<Vec<String>> {
        // As Grafana has it: four scrapes, so that a rate survives one that failed.
        let rate_interval = format!("{}s", 4 * self.interval.as_secs());
        let panels = self.monitoring.panels(&rate_interval);
        let answer = self.ask(panels.iter().flat_map(|panel| panel.queries.clone()));
        let answer = answer.await?;
        let mut empty = Vec::new();
        for panel in &panels {
            let shows =
                |query: &&String| answer.results.get(*query).is_none_or(|count| *count == 0);
            for query in panel.queries.iter().filter(shows) {
                let (title, dashboard) = (&panel.title, &panel.dashboard);
                empty.push(format!("the panel {title:?} of {dashboard:?}: {query}"));
            }
        }
        ensure!(
            empty.is_empty(),
            "no data over the whole soak, {} of {} panels:\n{}",
            empty.len(),
            panels.len(),
            empty.join("\n")
        );
        let scrapes = self.pages().len();
        let mut lines = vec![format!(
            "{} panels with data, of {scrapes} scrapes",
            panels.len()
        )];
        lines.extend(alerts(&answer));
        Ok(lines)
    }

    async fn ask(&self, queries: impl Iterator<Item = String>) -> anyhow::Result<Answer> {
        let pages = self.pages();
        let times = || pages.iter().map(|page| page.at);
        let (Some(begin), Some(until)) = (times().min(), times().max()) else {
            bail!("the operator was never scraped");
        };
        let case = Case {
            rules: self.monitoring.rules.clone(),
            queries: queries.collect(),
            pages,
            begin,
            until,
            step: i64::try_from(self.interval.as_secs())?,
            ..Case::default()
        };
        Ok(case.ask().await?)
    }

    fn pages(&self) -> Vec<Page> {
        let pages = self.pages.lock();
        pages.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn needs_a_person(line: &str) -> bool {
    line.starts_with("industrydata_operator_resource_state{") && line.contains(r#"state="Stalled""#)
}

/// What each alert did.
fn alerts(answer: &Answer) -> impl Iterator<Item = String> {
    let mut all: BTreeMap<&str, (bool, usize, i64)> = BTreeMap::new();
    for alert in &answer.alerts {
        let (fired, times, longest) = all.entry(&alert.name).or_default();
        *fired |= alert.fired;
        *times += 1;
        *longest = alert.until.saturating_sub(alert.since).max(*longest);
    }
    all.into_iter().map(|(name, (fired, times, longest))| {
        let state = if fired { "fired" } else { "pending" };
        format!("alert {name}: {state} ({times}), for at most {longest} s")
    })
}

async fn scrape_all(targets: Targets, every: Duration, pages: Arc<Mutex<Vec<Page>>>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // One that has ended is a target that is down, until another takes its place.
    let mut known = BTreeSet::new();
    loop {
        ticks.tick().await;
        let at = clock::now().as_second();
        let running = targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        known.extend(running.keys().copied());
        let scrapes = known.iter().map(async |number| {
            let scraping = async { scrape(running.get(number).copied()?).await.ok() };
            // A frozen one does not answer.
            let text = timeout(every * 4 / 5, scraping).await;
            page(at, *number, text.ok().flatten().unwrap_or_default())
        });
        let answers = join_all(scrapes).await;
        let mut pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.extend(answers);
    }
}

fn page(at: i64, number: usize, text: String) -> Page {
    let pod = format!("industrydata-operator-{number}");
    let labels = [
        ("job", "industrydata-operator"),
        ("namespace", NAMESPACE),
        ("pod", &pod),
        ("instance", &pod),
    ];
    Page {
        at,
        labels: labels
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        text,
    }
}

async fn scrape(process: u32) -> anyhow::Result<String> {
    let port = port(process)?.context("it does not listen yet")?;
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/metrics").header(HOST, "localhost");
    let response = sender.send_request(request.body(Empty::<Bytes>::new())?);
    let response = response.await?;
    ensure!(response.status() == StatusCode::OK);
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec())?)
}

/// The port that the kernel has chosen for a process, as `--admin-address` does not name one.
fn port(process: u32) -> std::io::Result<Option<u16>> {
    let directory = Path::new("/proc").join(process.to_string());
    let mut sockets = BTreeSet::new();
    for file in std::fs::read_dir(directory.join("fd"))? {
        let target = std::fs::read_link(file?.path())?;
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[");
        sockets.extend(
            inode
                .and_then(|rest| rest.strip_suffix(']'))
                .map(str::to_owned),
        );
    }
    let table = std::fs::read_to_string(directory.join("net/tcp"))?;
    // Of its columns the second is the local address, the fourth the state, and the tenth the inode.
    let port = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let listens = *columns.get(3)? == LISTENS && sockets.contains(*columns.get(9)?);
        let port = columns[1].split_once(':')?.1;
        listens
            .then(|| u16::from_str_radix(port, 16).ok())
            .flatten()
    };
    Ok(table.lines().find_map(port))
}
