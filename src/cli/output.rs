//! Results go to stdout, everything else to stderr.

use crate::config::{LogFormat, Options};
use std::{io::Write as _, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// A result, as one line of JSON or as words.
///
/// # Errors
/// Where it cannot be written: what is shown once would be lost without a word.
pub(super) fn result(json: bool, value: &serde_json::Value, words: &str) -> Result<(), String> {
    let line = if json { value.to_string() } else { words.to_owned() };
    let mut stdout = std::io::stdout();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        // Whoever closed our stdout does not want to read it.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("what was asked for is done, and its result cannot be written: {error}"))
        }
        Err(_) | Ok(()) => Ok(()),
    }
}

/// A refusal on stderr.
pub(super) fn fail(message: &str) -> ExitCode {
    drop(writeln!(std::io::stderr(), "usher: {message}"));
    ExitCode::FAILURE
}

/// A remark on stderr.
pub(super) fn remark(message: &str) {
    drop(writeln!(std::io::stderr(), "{message}"));
}

/// Logs to stderr.
pub(super) fn init_log(options: &Options) -> Result<(), String> {
    // The protocol library warns of every mistake a client makes; the client has been told, so nobody else needs to be.
    let wanted = if options.log.contains("rmcp") { options.log.clone() } else { format!("{},rmcp=error", options.log) };
    let filter = EnvFilter::try_new(wanted).map_err(|_| "--log takes error, warn, info, debug, trace or a filter".to_owned())?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match options.log_format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
