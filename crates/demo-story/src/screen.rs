//! Where the demo tells its story: bars and tables that are redrawn on a terminal, lines elsewhere.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use industrydata_testbed::Progress;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// Without a terminal, a build tells each time that so many hundredths more are done.
const BUILD_STEP: usize = 10;

/// Standard output, as a terminal or not.
#[derive(Clone)]
pub struct Screen {
    bars: MultiProgress,
    started: Instant,
    is_live: bool,
}

impl Screen {
    /// The screen of this process.
    pub fn new() -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let is_live = io::stdout().is_terminal() && !bars.is_hidden();
        let started = Instant::now();
        Self {
            bars,
            started,
            is_live,
        }
    }

    /// Whether what was written can be redrawn.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// Writes a line, above whatever is redrawn.
    pub fn say(&self, line: impl Display) {
        // That nobody reads any more is no reason to leave things behind in a cluster.
        self.bars.suspend(|| {
            let _ = writeln!(io::stdout().lock(), "{line}");
        });
    }

    /// Writes a line with the time since the start.
    pub fn log(&self, line: impl Display) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.say(format_args!("{seconds:6.1}s  {line}"));
    }

    /// A line that can be changed, below all others. Shown on a terminal only.
    pub fn line(&self) -> ProgressBar {
        let line = ProgressBar::no_length().with_style(style("{wide_msg}"));
        self.bars.add(line)
    }

    /// Takes a line away.
    pub fn remove(&self, line: &ProgressBar) {
        self.bars.remove(line);
    }

    /// A bar for so many steps.
    pub fn steps(&self, total: u64) -> Steps {
        let bar = ProgressBar::new(total);
        bar.set_style(style("{spinner} [{bar:30}] {pos}/{len} {wide_msg}").progress_chars("=> "));
        let bar = self.bars.add(bar);
        bar.enable_steady_tick(TICK);
        Steps {
            screen: self.clone(),
            bar,
            has_begun: false,
        }
    }

    /// Something to be told how the build of the control plane goes.
    pub fn build(&self) -> impl FnMut(Progress) + Send + 'static {
        let mut build = Build {
            screen: self.clone(),
            bar: None,
            told: 0,
        };
        move |progress| build.show(&progress)
    }
}

/// The steps of something that takes a while.
pub struct Steps {
    screen: Screen,
    bar: ProgressBar,
    has_begun: bool,
}

impl Steps {
    /// The step before is done, and this one begins.
    pub fn begin(&mut self, what: &'static str) {
        if self.has_begun {
            self.bar.inc(1);
        }
        self.has_begun = true;
        self.bar.set_message(what);
        if !self.screen.is_live {
            self.screen.log(what);
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.screen.bars.remove(&self.bar);
    }
}

struct Build {
    screen: Screen,
    bar: Option<ProgressBar>,
    told: usize,
}

impl Build {
    fn show(&mut self, progress: &Progress) {
        match progress {
            Progress::Waiting => {
                self.screen
                    .log("building the control plane, once; this takes some minutes");
            }
            Progress::Resolving => self.screen.log("looking up its modules"),
            Progress::Building { done, total } => self.advance(*done, *total),
            Progress::Done => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                    self.screen.bars.remove(&bar);
                }
                self.screen.log("the control plane is built");
            }
        }
    }

    fn advance(&mut self, done: usize, total: usize) {
        let bar = self.bar.get_or_insert_with(|| packages(&self.screen));
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        let tenth = done * 100 / total.max(1) / BUILD_STEP;
        if !self.screen.is_live && tenth > self.told {
            self.told = tenth;
            self.screen.log(format_args!("{done} of {total} packages"));
        }
    }
}

fn packages(screen: &Screen) -> ProgressBar {
    let bar = ProgressBar::no_length();
    let template = "  [{bar:30}] {pos}/{len} packages, then linking  {elapsed}";
    bar.set_style(style(template).progress_chars("=> "));
    let bar = screen.bars.add(bar);
    bar.enable_steady_tick(TICK);
    bar
}

fn style(template: &str) -> ProgressStyle {
    // The templates are those above. A wrong one costs nothing but looks.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
