//! What is measured besides plain calls: revocation, a flood of refusals, start, memory, statements.

use crate::{
    http::{Connection, Target},
    measure::{Load, Model, Outcome, memory_of, quantile, run},
    server::{Place, Server, ok},
};
use serde_json::json;
use std::{
    io::{Error, Result},
    path::Path,
    time::{Duration, Instant},
};

/// Milliseconds from an answered deactivation to the first 401, and how many answers came before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revocation {
    /// One for each round, sorted.
    pub(crate) times: Vec<f64>,
    /// Calls that still went through: none is due.
    pub(crate) stale: u64,
}

impl Revocation {
    /// Milliseconds below which this share lies.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        quantile(&self.times, share)
    }

    async fn watch(&mut self, connection: &mut Connection, request: &[u8]) -> Result<()> {
        let began = Instant::now();
        loop {
            match connection.exchange(request).await?.status {
                401 => break self.times.push(began.elapsed().as_secs_f64() * 1000.0),
                200 => self.stale += 1,
                other => return Err(Error::other(format!("answered {other}"))),
            }
        }
        Ok(())
    }
}

/// Deactivates somebody again and again, and calls with their token at once, on the node that did it and on another.
pub(crate) async fn revocation(node: &Server, other: &Server, rounds: usize) -> Result<[Revocation; 2]> {
    let email = "leaver@example.com";
    node.join(email).await?;
    let [mut here, mut there] = [Revocation::default(), Revocation::default()];
    let mut administrator = Connection::new(&node.target);
    let (mut first, mut second) = (Connection::new(&node.target), Connection::new(&other.target));
    for _ in 0..rounds {
        let token = node.place().token(&node.org, email)?;
        let [a, b] = [&node.target, &other.target].map(|target| target.with_token(&token).call("whoami", "{}"));
        for (connection, request) in [(&mut first, &a), (&mut second, &b)] {
            if connection.exchange(request).await?.status != 200 {
                return Err(Error::other("a new token must let its owner in"));
            }
        }
        ok(&mut administrator, &node.target, "deactivate_user", &json!({"user": email})).await?;
        let (same, apart) = tokio::join!(here.watch(&mut first, &a), there.watch(&mut second, &b));
        same.and(apart)?;
        ok(&mut administrator, &node.target, "reactivate_user", &json!({"user": email})).await?;
    }
    for found in [&mut here, &mut there] {
        found.times.sort_by(f64::total_cmp);
    }
    Ok([here, there])
}

/// What another organization's invites took, at a steady rate, while something else went on.
#[derive(Clone, Debug)]
pub(crate) struct Flood {
    /// What went on.
    pub(crate) name: &'static str,
    /// The invites.
    pub(crate) invites: Outcome,
    /// What pressed meanwhile.
    pub(crate) pressure: Option<Outcome>,
}

/// Another organization invites at a steady rate: alone, then beside 16 connections that are refused as fast as answers come.
/// Beside as many that are let in, too: what sharing the machine costs, refused or not.
pub(crate) async fn flood(server: &Server, time: Duration) -> Result<Vec<Flood>> {
    let place = server.place();
    let new = ["org", "create", "--name", "Other", "--admin-email", "b@example.com", "--admin-first-name", "B", "--admin-last-name", "C"];
    let other = place.run(&new)?["org"].as_str().unwrap_or_default().to_owned();
    let token = place.token(&other, "b@example.com")?;
    let theirs = Target { path: format!("/mcp/{other}"), ..server.target.with_token(&token) };
    server.join("nobody@example.com").await?;
    let nobody = server.target.with_token(&place.token(&server.org, "nobody@example.com")?);
    let dead = server.target.with_token("usher_pat_0000000000000000000000000000000000000000000000000000000");
    // Its checksum is wrong, and it is looked up all the same: all four kinds of death take the same time.
    let changing = server.target.with_token("usher_pat_0000{n}000000");
    let invite = Model::new("invite_user", r#"{"email":"p{n}@example.com","first_name":"A","last_name":"B"}"#);
    let steady = Load { connections: 8, time, rate: 50 };
    let hard = Load { connections: 16, time, rate: 0 };
    let floods = [
        ("nothing", None),
        (
            "calls refused for permission, changing targets",
            Some((nobody, Model::refused("deactivate_user", r#"{"user":"x{n}@example.com"}"#, 200))),
        ),
        ("calls with a dead token", Some((dead, Model::refused("whoami", "{}", 401)))),
        ("calls with a new dead token each", Some((changing, Model::refused("whoami", "{}", 401)))),
        ("calls let in (whoami)", Some((server.target.clone(), Model::new("whoami", "{}")))),
    ];
    let mut found = Vec::new();
    for (name, flood) in floods {
        let (invites, flood) = match flood {
            None => (run(&theirs, &invite, steady, server.pid()).await?, None),
            Some((target, model)) => {
                let pid = server.pid();
                // In a thread of its own: who takes the times must not be kept waiting by what presses.
                let pressing = tokio::task::spawn_blocking(move || {
                    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(&target, &model, hard, pid))
                });
                let invites = run(&theirs, &invite, steady, pid).await?;
                (invites, Some(pressing.await.map_err(Error::other)??))
            }
        };
        found.push(Flood { name, invites, pressure: flood });
    }
    Ok(found)
}

/// People of each kind that the door is asked about, and how often about each: more tries in a row would have to wait.
const AT_THE_DOOR: usize = 40;
const TRIES_EACH: usize = 5;
/// From an answer of the door to the next question.
const REST: Duration = Duration::from_millis(10);

/// How long the door takes to answer about people of each kind: the median in milliseconds, by what is asked.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// What is asked.
    pub(crate) asked: &'static str,
    /// Known, unknown, pending and deactivated people.
    pub(crate) medians: [f64; 4],
}

/// Asks the door about known, unknown, pending and deactivated people in turn, 200 times each.
pub(crate) async fn door(server: &Server) -> Result<Vec<Door>> {
    let kinds = ["known", "unknown", "pending", "gone"];
    for n in 0..AT_THE_DOOR {
        server.join(&format!("known{n}@example.com")).await?;
        server.join(&format!("gone{n}@example.com")).await?;
        server.ok("deactivate_user", &json!({"user": format!("gone{n}@example.com")})).await?;
        let pending = json!({"email": format!("pending{n}@example.com"), "first_name": "A", "last_name": "B"});
        server.ok("invite_user", &pending).await?;
    }
    let organization = format!("/sign-in/{}", server.org);
    let forms = [
        ("a wrong password", organization.as_str(), "do=password&password=not+the+password+at+all"),
        ("a link to sign in", "/sign-in", "do=link"),
        ("a link for a new password", organization.as_str(), "do=reset"),
    ];
    let mut connection = Connection::new(&server.target);
    let mut found = Vec::new();
    for (asked, path, form) in forms {
        let mut times: [Vec<f64>; 4] = Default::default();
        for n in 0..AT_THE_DOOR * TRIES_EACH {
            for (kind, times) in kinds.iter().zip(&mut times) {
                let request = server.target.form(path, &format!("email={kind}{}%40example.com&{form}", n % AT_THE_DOOR));
                let began = Instant::now();
                let status = connection.exchange(&request).await?.status;
                times.push(began.elapsed().as_secs_f64() * 1000.0);
                if !matches!(status, 200 | 422) {
                    return Err(Error::other(format!("{asked} about {kind}: {status}")));
                }
                // What was asked for is looked at after the answer: the next answer must not be timed beside that.
                tokio::time::sleep(REST).await;
            }
        }
        let medians = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            quantile(&times, 0.5)
        });
        found.push(Door { asked, medians });
    }
    Ok(found)
}

/// A page of the roster.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    /// Which.
    pub(crate) page: &'static str,
    /// Milliseconds from the request to the whole answer: its first byte leaves when its last one is made. Median of 50.
    pub(crate) time: f64,
    /// Bytes of the page.
    pub(crate) weight: usize,
}

/// Asks for pages of the roster, one after the other.
pub(crate) async fn looks(server: &Server) -> Result<Vec<Looked>> {
    let cookies = server.browser().await?;
    let mut connection = Connection::new(&server.target);
    let mut found = Vec::new();
    for (page, path) in [
        ("newest first", "/users"),
        ("by name", "/users?sort=name"),
        ("Pending people by email", "/users?sort=email&status=pending"),
        ("last seen first", "/users?sort=-last_seen"),
        ("a search that few match, by name", "/users?sort=name&query=maria.garcia0%40"),
        ("a search that a tenth matches, by name", "/users?sort=name&query=maria"),
        ("never seen, by name", "/users?sort=name&last_seen=never"),
    ] {
        let request = server.target.page(path, &cookies);
        let (mut times, mut weight) = (Vec::new(), 0);
        for _ in 0..50 {
            let began = Instant::now();
            let reply = connection.exchange(&request).await?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
            weight = reply.body.len();
            if reply.status != 200 {
                return Err(Error::other(format!("{path}: {}", reply.status)));
            }
        }
        times.sort_by(f64::total_cmp);
        found.push(Looked { page, time: quantile(&times, 0.5), weight });
    }
    Ok(found)
}

/// Milliseconds from process start to the first answered call (several starts), and mebibytes a second later.
pub(crate) async fn starts(place: &Place, token: &str, times: usize) -> Result<(Vec<f64>, f64)> {
    let mut all = Vec::new();
    let mut memory = f64::NAN;
    for _ in 0..times {
        let server = place.start("serve", Some(token), None).await?;
        all.push(server.start.as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory = memory_of(server.pid());
        server.stop()?;
    }
    Ok((all, memory))
}

/// Statements per call, as the database library logs them: BEGIN, COMMIT and savepoints among them.
pub(crate) async fn statements(place: &Place, token: &str, log: &Path) -> Result<Vec<(&'static str, f64)>> {
    const CALLS: u32 = 50;
    let server = place.start("serve", Some(token), Some(("error,sqlx::query=debug", log))).await?;
    let calls = [
        ("whoami", "{}"),
        ("get_user", r#"{"user":"admin@example.com"}"#),
        ("list_users", r#"{"query":"garcia","limit":50}"#),
        ("invite_user", r#"{"email":"s{n}@example.com","first_name":"A","last_name":"B"}"#),
    ];
    let mut found = Vec::new();
    for (tool, arguments) in calls {
        let count = || std::fs::read_to_string(log).unwrap_or_default().matches("sqlx::query").count();
        let before = count();
        for n in 0..CALLS {
            let arguments = arguments.replace("{n}", &format!("{tool}{n}"));
            server.ok(tool, &serde_json::from_str(&arguments).map_err(Error::other)?).await?;
        }
        let lines = u32::try_from(count() - before).unwrap_or(u32::MAX);
        found.push((tool, f64::from(lines) / f64::from(CALLS)));
    }
    server.stop()?;
    Ok(found)
}
