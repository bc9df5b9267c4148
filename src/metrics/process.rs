//! The usual metrics of a process, as Linux reports them. Their names have no prefix, because they are the same for all
//! programs. Elsewhere only the start time is known.

use std::fmt;
use std::fs;

use k8s_openapi::jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::clock;

/// Metrics of this process.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    started: Timestamp,
}

/// What `/proc/self/stat` contains.
#[derive(Debug, PartialEq)]
struct Usage {
    cpu_seconds: f64,
    threads: u64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Default for ProcessMetrics {
    fn default() -> Self {
        Self {
            started: clock::now(),
        }
    }
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut encode = |name, help, unit: Option<Unit>, metric: &dyn EncodeMetric| {
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor(name, help, unit.as_ref(), kind)?)
        };
        let started = ConstGauge::new(self.started.as_second());
        encode(
            "process_start_time",
            "Start time of the process, in seconds since 1970.",
            Some(Unit::Seconds),
            &started,
        )?;
        if let Some(usage) = usage() {
            encode(
                "process_cpu",
                "CPU time of the process, user and system.",
                Some(Unit::Seconds),
                &ConstCounter::new(usage.cpu_seconds),
            )?;
            encode(
                "process_resident_memory",
                "Resident memory of the process.",
                Some(Unit::Bytes),
                &ConstGauge::new(usage.resident_bytes),
            )?;
            encode(
                "process_virtual_memory",
                "Virtual memory of the process.",
                Some(Unit::Bytes),
                &ConstGauge::new(usage.virtual_bytes),
            )?;
            let threads = ConstGauge::new(usage.threads);
            encode("process_threads", "Threads of the process.", None, &threads)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is that of the directory itself.
            let open = ConstGauge::new(open.count().saturating_sub(1));
            encode("process_open_fds", "Open file descriptors.", None, &open)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let most = ConstGauge::new(most);
            encode(
                "process_max_fds",
                "Maximum number of open file descriptors.",
                None,
                &most,
            )?;
        }
        Ok(())
    }
}

fn usage() -> Option<Usage> {
    let ticks = u32::try_from(clock_ticks_per_second()).ok()?;
    let page = u64::try_from(page_size()).ok()?;
    parse(&fs::read_to_string("/proc/self/stat").ok()?, ticks, page)
}

/// Parses the line of `/proc/self/stat`; `man proc_pid_stat` has the fields. The second one, in parentheses, is the name
/// of the program, which may contain anything.
fn parse(stat: &str, ticks_per_second: u32, page_size: u64) -> Option<Usage> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // The first of these is the third of the line.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = u32::try_from(field(14)? + field(15)?).ok()?;
    Some(Usage {
        cpu_seconds: f64::from(ticks) / f64::from(ticks_per_second),
        threads: field(20)?,
        virtual_bytes: field(23)?,
        resident_bytes: field(24)? * page_size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_of_a_process_is_parsed_whatever_its_name() {
        let stat = "1 (a) R 9 (b) S 0 1 1 0 -1 4194560 5 0 0 0 250 50 0 0 20 0 7 0 99 1000000 30 0";
        let usage = Usage {
            cpu_seconds: 3.0,
            threads: 7,
            virtual_bytes: 1_000_000,
            resident_bytes: 30 * 4096,
        };
        assert_eq!(parse(stat, 100, 4096), Some(usage));
        assert_eq!(parse("1 (a) R 9", 100, 4096), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = usage().unwrap();
        assert!(usage.threads > 0 && usage.resident_bytes > 0, "{usage:?}");
    }
}
