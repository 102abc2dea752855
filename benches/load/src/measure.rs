//! Running calls against a target for a while, and what came of it.

use crate::http::{Connection, Target};
use std::{
    io::Result,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Numbers the calls of this process, so that no invited address comes twice.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// What is called.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// The tool.
    pub(crate) tool: String,
    /// Its arguments as JSON; `{n}` becomes the number of the call.
    pub(crate) arguments: String,
    /// The HTTP status that is due; on 200 the answer must not be an error, unless `refused`.
    pub(crate) status: u16,
    /// The answer must be a tool's refusal.
    pub(crate) refused: bool,
}

impl Model {
    /// Calls that go through.
    pub(crate) fn new(tool: &str, arguments: &str) -> Self {
        Self { tool: tool.to_owned(), arguments: arguments.to_owned(), status: 200, refused: false }
    }

    /// Calls that are refused with this status (200: as the tool's own answer).
    pub(crate) fn refused(tool: &str, arguments: &str, status: u16) -> Self {
        Self { status, refused: status == 200, ..Self::new(tool, arguments) }
    }

    fn request(&self, target: &Target) -> Vec<u8> {
        if self.arguments.contains("{n}") || target.token.contains("{n}") {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let target = target.with_token(&target.token.replace("{n}", &format!("{n:045}")));
            target.call(&self.tool, &self.arguments.replace("{n}", &n.to_string()))
        } else {
            target.call(&self.tool, &self.arguments)
        }
    }
}

/// How hard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Connections, each with one call at a time.
    pub(crate) connections: usize,
    /// For how long.
    pub(crate) time: Duration,
    /// Calls a second over all connections, whether answers come or not; 0 for as fast as answers come.
    pub(crate) rate: u32,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Answered calls a second.
    pub(crate) rate: f64,
    /// Milliseconds, median.
    pub(crate) p50: f64,
    /// Milliseconds, 99th percentile.
    pub(crate) p99: f64,
    /// Answers other than the due one.
    pub(crate) errors: u64,
    /// Milliseconds of the server's CPU time per call.
    pub(crate) cpu: f64,
    /// Cores that neither the server nor this process used, but somebody did.
    pub(crate) others: f64,
    /// All calls.
    pub(crate) calls: u64,
}

/// The value below which this share of the sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
    let index = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[index]
}

/// The median of what `of` says of each.
pub(crate) fn median<T>(all: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

/// The median of several runs, figure by figure.
pub(crate) fn medians(runs: &[Outcome]) -> Outcome {
    Outcome {
        rate: median(runs, |run| run.rate),
        p50: median(runs, |run| run.p50),
        p99: median(runs, |run| run.p99),
        errors: runs.iter().map(|run| run.errors).sum(),
        cpu: median(runs, |run| run.cpu),
        others: median(runs, |run| run.others),
        calls: runs.iter().map(|run| run.calls).sum(),
    }
}

/// Seconds of CPU time of a process: user and system.
pub(crate) fn cpu_of(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<f64> = text.rsplit(')').next().unwrap_or_default().split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // After the name and the state, which is no number: utime and stime are the 11th and 12th, in hundredths.
    fields.get(10..12).map_or(0.0, |times| (times[0] + times[1]) / 100.0)
}

/// Seconds of CPU time that all processes used.
fn cpu_of_all() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = text.lines().next().unwrap_or_default().split_whitespace().filter_map(|field| field.parse().ok()).collect();
    let idle = fields.get(3..5).map_or(0.0, |idle| idle[0] + idle[1]);
    (fields.iter().take(8).sum::<f64>() - idle) / 100.0
}

/// Mebibytes that a process occupies.
pub(crate) fn memory_of(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
}

/// Runs one load; `pid` is the server's, for its CPU time.
pub(crate) async fn run(target: &Target, model: &Model, load: Load, pid: u32) -> Result<Outcome> {
    let (server, mine, all) = (cpu_of(pid), cpu_of(std::process::id()), cpu_of_all());
    let began = Instant::now();
    let slot = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 0..load.connections {
        let (target, model, slot) = (target.clone(), model.clone(), Arc::clone(&slot));
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::new(&target);
            let (mut times, mut errors) = (Vec::new(), 0u64);
            let constant = (!model.arguments.contains("{n}")).then(|| model.request(&target));
            loop {
                let due = if load.rate == 0 {
                    Instant::now()
                } else {
                    // The time counts from when the call was due: a server that stalls is not asked less.
                    let n = slot.fetch_add(1, Ordering::Relaxed);
                    let due = began + Duration::from_secs(n) / load.rate;
                    tokio::time::sleep_until(due.into()).await;
                    due
                };
                if due.duration_since(began) >= load.time {
                    return Result::Ok((times, errors));
                }
                let fresh;
                let request = if let Some(constant) = &constant {
                    constant
                } else {
                    fresh = model.request(&target);
                    &fresh
                };
                let reply = connection.exchange(request).await?;
                let fine = reply.status == model.status && (model.status != 200 || reply.is_result() != model.refused);
                errors += u64::from(!fine);
                times.push(due.elapsed().as_secs_f64() * 1000.0);
            }
        }));
    }
    let (mut times, mut errors) = (Vec::new(), 0);
    for task in tasks {
        let (more, wrong) = task.await.map_err(std::io::Error::other)??;
        times.extend(more);
        errors += wrong;
    }
    let seconds = began.elapsed().as_secs_f64();
    let (server, mine, all) = (cpu_of(pid) - server, cpu_of(std::process::id()) - mine, cpu_of_all() - all);
    times.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 calls")]
    let calls = times.len() as f64;
    Ok(Outcome {
        rate: calls / seconds,
        p50: quantile(&times, 0.5),
        p99: quantile(&times, 0.99),
        errors,
        cpu: server * 1000.0 / calls.max(1.0),
        others: (all - server - mine).max(0.0) / seconds,
        calls: times.len() as u64,
    })
}
