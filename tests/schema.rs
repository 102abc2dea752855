//! Both engines hold the same tables, migrations only add, and what lies on disk is nobody else's.

mod conflicts;
mod disk;
mod migrations;
mod orphans;
mod same;

use std::{path::Path, process::Output};
use tokio::process::Command;

/// A command on the host, on this data folder and database; `serve` must be one that is refused, for it is waited for.
async fn usher(data_dir: &Path, database: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(arguments).env("USHER_DATA_DIR", data_dir).env("USHER_LOG", "warn").env("USHER_LISTEN", "127.0.0.1:0").kill_on_drop(true);
    if let Some(url) = database {
        command.env("USHER_DATABASE_URL", url);
    }
    command.output().await.expect("usher runs")
}

/// What it said on stderr, having failed.
fn refusal(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it was not refused: {said}");
    assert!(output.stdout.is_empty(), "a refusal is no result");
    said
}

/// It went through.
fn done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
