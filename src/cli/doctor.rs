//! `usher doctor`: each thing that has to be right, whether it is, and what to do where it is not. Changes nothing.

use super::{
    output,
    run::{Outcome, catalogue, closed, database_said},
};
use crate::{
    config::{Options, PublicUrl},
    domain::Clock,
    failpoint::Faults,
    http::server::CLOCK_SKEW_MS,
    keys::{Keyring, KeyringError},
    mail::Mailer,
    slack,
    store::{self, Database, Engine, MigrationState, Pool, meta},
};
use serde_json::json;
use std::{net::ToSocketAddrs, process::ExitCode};

/// How a check ended: what was found, or what to do.
type Finding = Result<String, String>;

/// What was looked at so far.
#[derive(Default)]
struct Report(Vec<(&'static str, Finding)>);

impl Report {
    fn note(&mut self, check: &'static str, finding: Finding) {
        self.0.push((check, finding));
    }

    fn is_well(&self) -> bool {
        self.0.iter().all(|(_, finding)| finding.is_ok())
    }

    fn json(&self) -> serde_json::Value {
        let checks: Vec<_> = self
            .0
            .iter()
            .map(|(check, finding)| {
                let (Ok(message) | Err(message)) = finding;
                json!({"check": check, "ok": finding.is_ok(), "message": message})
            })
            .collect();
        json!({"ok": self.is_well(), "checks": checks})
    }

    fn words(&self) -> String {
        let lines: Vec<_> = self
            .0
            .iter()
            .map(|(check, finding)| match finding {
                Ok(message) => format!("ok    {check}: {message}"),
                Err(message) => format!("MEND  {check}: {message}"),
            })
            .collect();
        lines.join("\n")
    }
}

/// Looks at everything. What needs a database is left out where there is none.
pub(super) async fn run(options: &Options) -> Outcome {
    let mut report = Report::default();
    report.note("configuration", configuration(options));
    report.note("data folder", data_folder(options));
    let mut recorded = None;
    match database(options).await {
        Err(problem) => report.note("database", Err(problem)),
        Ok((database, pool)) => {
            report.note("database", Ok(database.describe()));
            report.note("keyring", keyring(options, &pool).await);
            report.note("clock", clock(&pool).await);
            report.note("audit log", audit_log(&pool).await);
            report.note("Slack", slack_tokens(&pool).await);
            recorded = meta::get(&pool, meta::PUBLIC_URL).await.ok().flatten();
            pool.close().await;
        }
    }
    let url = options.public_url.clone().or(recorded).unwrap_or_else(|| format!("http://{}", options.listen));
    match PublicUrl::parse(&url) {
        Err(invalid) => {
            let hint = invalid.hint.unwrap_or_default();
            report.note("public URL", Err(format!("{url}: {} {hint}", invalid.message)));
        }
        Ok(url) => {
            report.note("public URL", public_url(&url));
            report.note("proxy", proxy(options, &url));
            report.note("mail", mail(options, &url).await);
        }
    }
    output::result(options.json, &report.json(), &report.words())?;
    if report.is_well() {
        return Ok(ExitCode::SUCCESS);
    }
    if !options.json {
        output::remark("What is marked MEND wants mending.");
    }
    Ok(ExitCode::FAILURE)
}

fn configuration(options: &Options) -> Finding {
    options.limits()?;
    catalogue(options)?;
    slack::api::parse_url(&options.slack_url)?;
    options.listen.to_socket_addrs().map_err(|error| format!("--listen {}: {error}; give HOST:PORT", options.listen))?;
    if let Some(file) = &options.outbound_ca {
        std::fs::metadata(file).map_err(|error| format!("--outbound-ca {}: {error}", file.display()))?;
    }
    Ok("limits, permissions and addresses are readable".to_owned())
}

fn data_folder(options: &Options) -> Finding {
    let place = options.data_dir.display();
    let found = std::fs::metadata(&options.data_dir)
        .map_err(|error| format!("{place}: {error}; `usher quickstart` makes it, --data-dir names another"))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if found.permissions().mode() & 0o077 != 0 {
            return Err(format!("{place} can be entered by others: run chmod 700 on it"));
        }
    }
    if found.is_dir() { Ok(place.to_string()) } else { Err(format!("{place} is not a folder: name another with --data-dir")) }
}

async fn database(options: &Options) -> Result<(Database, Pool), String> {
    let database = options.database()?;
    let place = database.describe();
    let state = store::migration_state(&database).await.map_err(|error| database_said(&database, &error))?;
    match (state, database.engine()) {
        (MigrationState::Ready, _) => {}
        (MigrationState::Closed, _) => return Err(closed(&place)),
        (MigrationState::Empty, Engine::Sqlite) => return Err(format!("{place} is not there yet: `usher quickstart` makes it")),
        (MigrationState::Empty, Engine::Postgres) => {
            return Err(format!("{place} has no tables of usher's yet: run `usher migrate` as its owner"));
        }
        (MigrationState::Old, Engine::Sqlite) => {
            return Err(format!("{place} is older than this version: `usher serve` brings it up to date"));
        }
        (MigrationState::Old, Engine::Postgres) => {
            return Err(format!("{place} is older than this version: run `usher migrate` as its owner"));
        }
    }
    let pool = database.open(Faults::from_env()).await.map_err(|error| database_said(&database, &error))?;
    pool.ping().await.map_err(|error| database_said(&database, &error))?;
    Ok((database, pool))
}

async fn keyring(options: &Options, pool: &Pool) -> Finding {
    let path = options.key_file();
    let known = meta::get(pool, meta::KEYRING).await.map_err(|error| error.to_string())?;
    if known.is_none() && !path.exists() {
        return Ok(format!("{} is made by the first start", path.display()));
    }
    let keyring = Keyring::read(&path).map_err(|error| error.to_string())?;
    match known {
        Some(known) if known != keyring.fingerprint() => Err(KeyringError::Foreign(path.display().to_string()).to_string()),
        Some(_) => Ok(format!("{} fits the database", path.display())),
        None => Ok(format!("{} will be this database's", path.display())),
    }
}

async fn clock(pool: &Pool) -> Finding {
    let skew = pool.clock_skew(&Clock::system()).await.map_err(|error| error.to_string())?;
    if skew <= CLOCK_SKEW_MS {
        Ok(format!("within {skew} ms of the database's"))
    } else {
        Err(format!("{skew} ms from the database's, so this node counts as not ready: set both machines by NTP"))
    }
}

async fn audit_log(pool: &Pool) -> Finding {
    if pool.owns_audit_log().await.map_err(|error| error.to_string())? {
        return Err(
            "this role owns the tables, so only triggers guard the past: run `usher migrate --serving-role ROLE` and serve as ROLE"
                .to_owned(),
        );
    }
    Ok("its past cannot be written".to_owned())
}

/// What Slack said last; `usher slack test` asks it anew.
async fn slack_tokens(pool: &Pool) -> Finding {
    let (stopped, connected) = store::slack::stopped(pool).await.map_err(|error| error.to_string())?;
    if stopped.is_empty() {
        return Ok(format!("connected workspaces: {connected}"));
    }
    let words: Vec<_> = stopped
        .iter()
        .map(|(org, stop)| {
            format!("{org}: {}, then run `usher slack connect --org {org}` with its token ({})", stop.words(), stop.as_str())
        })
        .collect();
    Err(words.join("; "))
}

fn public_url(url: &PublicUrl) -> Finding {
    if url.is_https() || url.is_loopback() { Ok(url.as_str().to_owned()) } else { Err(in_the_clear(url)) }
}

/// Usher speaks no TLS: where people come by https a proxy stands before it, and speaks for them.
fn proxy(options: &Options, url: &PublicUrl) -> Finding {
    match (url.is_https(), options.trusted_proxies.is_empty()) {
        (true, true) => Err("callers come through whatever does TLS, and all have its address, so one stranger uses up everybody's \
                             tries: name it with --trusted-proxies, such as 127.0.0.1/32"
            .to_owned()),
        (true, false) => Ok("callers are told apart by the address that it says".to_owned()),
        (false, _) => Ok("none".to_owned()),
    }
}

/// What to say of a public URL that is neither https nor loopback.
pub(super) fn in_the_clear(url: &PublicUrl) -> String {
    format!("{} sends tokens in the clear: put TLS before it and give --public-url https://…", url.as_str())
}

/// Relays turn mail away whose sender is at a host that there is not.
pub(super) fn sender(options: &Options) -> Result<(), String> {
    if options.smtp_url.is_some() && options.mail_from.is_none() {
        return Err("--smtp-url is set, but no sender: give --mail-from usher@YOUR-DOMAIN".to_owned());
    }
    Ok(())
}

async fn mail(options: &Options, url: &PublicUrl) -> Finding {
    sender(options)?;
    let mailer = Mailer::new(options.smtp_url.as_deref(), options.mail_from.as_deref(), options.mail_dir(), url.is_loopback())?;
    mailer.check().await
}
