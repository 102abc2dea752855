//! What a call costs: its statements, and the ways they are answered.

mod plans;
mod statements;

use crate::common::{Engine, Options, Server};
use serde_json::Value;
use std::{io::Read, path::PathBuf};
use tempfile::TempDir;

/// A server whose statements can be read.
pub struct Watched {
    pub server: Server,
    log: PathBuf,
    read: std::cell::Cell<usize>,
    _folder: TempDir,
}

impl Watched {
    /// A new one that logs every statement.
    pub async fn start(engine: Engine) -> Self {
        Self::over(Server::quickstart(engine).await).await
    }

    /// The same server, started anew so that it logs every statement, and what PostgreSQL remarks.
    pub async fn over(mut server: Server) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().join("log");
        let options = Options { log: Some(log.clone()), ..Options::default() }
            .with("USHER_LOG", "warn,sqlx::query=debug,sqlx::postgres::notice=info")
            .with("USHER_LOG_FORMAT", "json");
        // Among several organizations a server that starts names none of them.
        let org = server.org.clone();
        server.stop().await;
        server.restart(&options).await;
        server.org = org;
        Self { server, log, read: std::cell::Cell::new(0), _folder: folder }
    }

    /// What was logged since the last look: targets and fields.
    pub fn news(&self) -> Vec<(String, Value)> {
        let mut text = String::new();
        std::fs::File::open(&self.log).and_then(|mut file| file.read_to_string(&mut text)).expect("the log");
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text[self.read.replace(whole)..whole]
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .map(|mut line| (line["target"].as_str().unwrap_or_default().to_owned(), line["fields"].take()))
            .collect()
    }

    /// The statements since the last look, without those that open and end transactions.
    pub fn statements(&self) -> Vec<String> {
        let ends = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA"];
        self.news()
            .into_iter()
            .filter(|(target, _)| target == "sqlx::query")
            .map(|(_, fields)| {
                let whole = fields["db.statement"].as_str().unwrap_or_default().trim();
                if whole.is_empty() { fields["summary"].as_str().unwrap_or_default().to_owned() } else { whole.to_owned() }
            })
            .filter(|statement| !ends.iter().any(|end| statement.starts_with(end)) && !is_background(statement))
            .collect()
    }
}

/// What the mail worker and the sweepers say, beside any call.
fn is_background(statement: &str) -> bool {
    [
        "SELECT CAST(unixepoch('subsec')",
        "SELECT CAST(extract(epoch FROM clock_timestamp())",
        "SELECT 1 FROM outbox",
        "UPDATE outbox SET lease_until",
        "UPDATE outbox SET state = $2, attempts",
        "SELECT b.id, o.number, o.id, o.name, o.locator",
        "UPDATE credentials SET last_used_at",
        "UPDATE users SET last_seen_at",
        "UPDATE links SET ended_at = $1, ended_as = 'expired' WHERE ended_at IS NULL AND expires_at < $1",
        "UPDATE credentials SET revoked_at = $1",
        "DELETE FROM sign_in_tries",
        "DELETE FROM spent_journeys",
        "DELETE FROM security_events",
        "DELETE FROM idempotency_keys",
    ]
    .iter()
    .any(|start| statement.starts_with(start))
}
