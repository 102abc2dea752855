//! The store when a statement, the disk, a member of a batch, a connection or another process fails it.

mod clocks;
mod losses;
mod steps;

use crate::common::{Engine, Options, Server, database::Connection, inside::Inside, invariants, on_both, until};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    future::Future,
    pin::pin,
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpStream, process::Command, task::JoinSet};
use usher_mcp::{domain::Clock, service::people};

fn person(email: &str) -> Value {
    json!({"email": email, "first_name": "Ana", "last_name": "Ruiz", "idempotency_key": email})
}

/// What fails here is meant to: the log need not say it.
fn quiet() -> Options {
    Options::default().with("USHER_LOG", "off")
}

/// An answer that says that nothing happened, and nothing of how the server is made (requirement 70).
fn assert_generic(error: &Value) {
    assert!(error["code"] == "unavailable" || error["code"] == "internal", "{error}");
    assert!(error["request_id"].is_string(), "{error}");
    let text = error.to_string().to_lowercase();
    for word in ["sql", "select", "insert", "update ", "audit_log", "users", "failpoint", "/", "commit", "savepoint", "postgres"] {
        assert!(!text.contains(word), "{word}: {error}");
    }
}

/// The error of an answer that is a refusal, else nothing.
fn refusal(answer: &crate::common::Answer) -> Option<Value> {
    (answer.body["result"]["isError"] == true).then(|| answer.error())
}

/// Waits until nothing moves by itself any more: every mail lies where it belongs.
async fn at_rest(server: &Server) {
    let connection = Connection::to(server).await;
    until("the mail", async || (connection.number("SELECT count(*) FROM outbox WHERE state = 'queued'").await == 0).then_some(())).await;
    connection.close().await;
}

async fn people_there(server: &Server) -> Vec<String> {
    let connection = Connection::to(server).await;
    let rows = connection.rows("SELECT email FROM users ORDER BY email").await;
    connection.close().await;
    rows.into_iter().filter_map(|mut row| row.remove("email").flatten()).collect()
}

#[tokio::test]
async fn group_commit_a_commit_that_fails_answers_unavailable_to_its_whole_batch() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut server = Server::quickstart(Engine::Sqlite).await;
    let mut largest = 0;
    for n in 4..10 {
        let plan = quiet().with("USHER_FAILPOINTS", &format!("store.batch=error@{n}"));
        server.stop().await;
        server.restart(&plan).await;
        let mut calls = JoinSet::new();
        for call in 0..100 {
            let email = format!("run{n}.call{call}@example.com");
            let answer = server.request(&server.token, "invite_user", &person(&email));
            calls.spawn(async move { (email, answer.await) });
        }
        let answers = calls.join_all().await;
        let there = people_there(&server).await;
        let mut failed = Vec::new();
        for (email, answer) in &answers {
            if let Some(error) = refusal(answer) {
                assert_eq!(error["code"], "unavailable", "{error}");
                assert_generic(&error);
                failed.push(email);
            }
            assert_eq!(there.contains(email), refusal(answer).is_none(), "{email}");
        }
        assert!(failed.len() <= usher_mcp::store::BATCH_LIMIT, "one batch failed, no more: {}", failed.len());
        largest = largest.max(failed.len());
        invariants::hold(&server, "after a batch was lost").await;
        // The server goes on, and who tries again gets what they wanted, once.
        for email in failed {
            assert_eq!(server.ok("invite_user", person(email)).await["changed"], true);
            assert_eq!(server.ok("invite_user", person(email)).await["changed"], false);
        }
    }
    assert!(largest > 1, "a batch has several members");
    assert_eq!(server.verified().await["ok"], true);
}

/// Lets the server meet a limit on file sizes as an error and not as a signal.
const UNDER_A_LIMIT: [&str; 3] = ["bash", "-c", r#"trap '' XFSZ; exec "$0" "$@""#];

async fn limit_files(server: &Server, bytes: &str) {
    let limit = format!("--fsize={bytes}:");
    let done = Command::new("prlimit").args(["--pid", &server.pid().to_string(), &limit]).status().await.expect("prlimit runs");
    assert!(done.success());
}

#[tokio::test]
async fn group_commit_a_full_disk_answers_unavailable_and_the_server_goes_on_once_there_is_space() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let options = Options { under: UNDER_A_LIMIT.map(str::to_owned).to_vec(), ..quiet() };
    let server = Server::quickstart_with(Engine::Sqlite, &options).await;
    server.ok("invite_user", person("first@example.com")).await;
    at_rest(&server).await;
    let log = server.data_dir.path().join("usher.db-wal");
    let size = std::fs::metadata(log).expect("SQLite's log").len();
    limit_files(&server, &(size + 300_000).to_string()).await;
    let mut outcomes = Vec::new();
    for wave in 0..6 {
        let mut calls = JoinSet::new();
        for call in 0..20 {
            let email = format!("wave{wave}.call{call}@example.com");
            let answer = server.request(&server.token, "invite_user", &person(&email));
            calls.spawn(async move { (email, answer.await) });
        }
        outcomes.extend(calls.join_all().await);
    }
    let there = people_there(&server).await;
    let mut failed = Vec::new();
    for (email, answer) in &outcomes {
        if let Some(error) = refusal(answer) {
            assert_eq!(error["code"], "unavailable", "{error}");
            assert_generic(&error);
            failed.push(email);
        }
        assert_eq!(there.contains(email), refusal(answer).is_none(), "{email}");
    }
    assert!(failed.len() > 20, "the disk was full: {}", failed.len());
    assert!(failed.len() < outcomes.len(), "and not from the start");
    // Reading needs no space.
    assert_eq!(server.ok("whoami", json!({})).await["user"]["role"], "Administrator");
    limit_files(&server, "unlimited").await;
    for email in failed {
        assert_eq!(server.ok("invite_user", person(email)).await["changed"], true);
    }
    invariants::hold(&server, "after the disk was full").await;
    assert_eq!(server.verified().await["ok"], true);
}

#[tokio::test]
async fn clients_that_stall_or_vanish_hold_nobody_up_and_leave_nothing_half_done() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let address = server.address();
        let host = address.trim_start_matches("http://").to_owned();
        let path = server.mcp_url.trim_start_matches(&address).to_owned();
        let request = |email: &str| {
            let body =
                json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "invite_user", "arguments": person(email)}});
            let body = body.to_string();
            let token = &server.token;
            let length = body.len();
            format!(
                "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        let mut stalled = Vec::new();
        for n in 0..60 {
            let whole = request(&format!("client{n}@example.com"));
            let mut stream = TcpStream::connect(&host).await.expect("a connection");
            // A third stops in the middle of its request, a third never listens, a third hangs up at once.
            let sent = if n % 3 == 0 { &whole[..whole.len() / 2] } else { &whole };
            stream.write_all(sent.as_bytes()).await.expect("it is taken");
            if n % 3 < 2 {
                stalled.push(stream);
            }
            let email = format!("patient{n}@example.com");
            assert_eq!(server.ok("invite_user", person(&email)).await["changed"], true);
        }
        // Whoever hung up or did not listen has what they sent wholly or not at all; a repeat makes it whole.
        invariants::hold(&server, "among vanishing clients").await;
        for n in (0..60).filter(|n| n % 3 > 0) {
            server.ok("invite_user", person(&format!("client{n}@example.com"))).await;
        }
        drop(stalled);
        let there = people_there(&server).await;
        assert_eq!(there.len(), 1 + 60 + 40, "those who sent half a request are not among them");
        invariants::hold(&server, "at the end").await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

/// Follows `work` for so many steps, then forgets it: `None` where it was forgotten before its end.
async fn forgotten_after<F: Future>(steps: usize, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = steps;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn group_commit_a_member_that_vanishes_at_any_step_leaves_no_lock_and_nothing_half_done() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let node = Inside::silent(&server, Clock::system()).await;
        let call = node.as_administrator("invite_user").await;
        // A poll that finds its answers there already goes through several steps at once, and how often that happens is up to
        // the machine: rounds go on until the call was forgotten at four different steps, and came to its end, too.
        let (mut forgotten, mut whole, mut tries) = (BTreeSet::new(), false, 0);
        while forgotten.len() < 4 || !whole {
            let steps = tries % 12 + 1;
            tries += 1;
            assert!(tries <= 240, "{engine:?}: in 20 rounds forgotten only after {forgotten:?} steps, whole: {whole}");
            let email = format!("step{tries}@example.com");
            let params = serde_json::from_value(json!({"email": email, "first_name": "Ana", "last_name": "Ruiz"})).expect("arguments");
            match forgotten_after(steps, people::invite(&node.app, &call, &params)).await {
                Some(done) => whole |= done.is_ok(),
                None => drop(forgotten.insert(steps)),
            }
            // Another process writes at once: no lock was left behind.
            let answer = server.call(&server.token, "invite_user", person(&format!("other{tries}@example.com"))).await;
            assert_eq!(refusal(&answer), None, "{engine:?}: forgotten after {steps} steps");
            invariants::hold(&server, &format!("{engine:?}: forgotten after {steps} steps")).await;
        }
        node.stop().await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn group_commit_two_processes_at_full_speed_share_one_file() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let commits = if std::env::var_os("USHER_TEST_LONG").is_some() { 6000 } else { 1200 };
    let server = Server::quickstart(Engine::Sqlite).await;
    let other = server.second_node(&Options::default()).await;
    let left = Arc::new(AtomicUsize::new(commits));
    let mut callers = JoinSet::new();
    for (which, node) in [&server, &other].into_iter().enumerate() {
        for caller in 0..16 {
            let left = Arc::clone(&left);
            let http = node.http.clone();
            let (url, token) = (node.mcp_url.clone(), node.token.clone());
            callers.spawn(async move {
                let mut done = 0;
                while left.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    let arguments = json!({"name": format!("Process {which} caller {caller} group {done}")});
                    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                                         "params": {"name": "create_access_group", "arguments": arguments}});
                    let request = http.post(&url).bearer_auth(&token).header("content-type", "application/json").header("accept", "*/*");
                    let answer = request.body(message.to_string()).send().await.expect("an answer").text().await.expect("a body");
                    let answer: Value = serde_json::from_str(&answer).expect("JSON");
                    assert_ne!(answer["result"]["isError"], true, "{answer}");
                    done += 1;
                }
                (which, done)
            });
        }
    }
    let mut shares = [0usize; 2];
    for (which, done) in callers.join_all().await {
        shares[which] += done;
    }
    assert_eq!(shares[0] + shares[1], commits);
    assert!(shares.iter().all(|share| *share >= commits / 4), "{shares:?}");
    invariants::hold(&server, "after both wrote").await;
}

/// What `usher serve` says where it cannot start.
async fn serve(under: &[&str], arguments: &[&str]) -> Output {
    let words = [under, &[env!("CARGO_BIN_EXE_usher"), "serve", "--json", "--listen", "127.0.0.1:0"], arguments].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("USHER_LOG", "warn").kill_on_drop(true);
    command.output().await.expect("it runs")
}

/// Runs a program with the rights of a file's owner and no more, also where the test itself is root.
async fn without_privileges() -> Vec<&'static str> {
    let id = Command::new("id").arg("-u").output().await.expect("id runs");
    if id.stdout == b"0\n" { vec!["setpriv", "--bounding-set=-all", "--inh-caps=-all"] } else { Vec::new() }
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_named_at_the_start_with_what_to_do() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let data_dir = at("data");
    let mut made = Server::quickstart(Engine::Sqlite).await;
    made.stop().await;
    let keys = made.data_dir.path().join("keys").display().to_string();
    std::fs::copy(made.database_file(), at("good.db")).expect("a copy");
    let text = "This is no database. ".repeat(1000);
    std::fs::write(at("text.db"), text).expect("a file");
    std::fs::create_dir(at("folder.db")).expect("a folder");
    let mut locked = std::fs::metadata(at("good.db")).expect("a file").permissions();
    locked.set_readonly(true);
    std::fs::copy(at("good.db"), at("read-only.db")).expect("a copy");
    std::fs::set_permissions(at("read-only.db"), locked).expect("read-only");
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("postgres://postgres@{}/usher", listener.local_addr().expect("an address"))
    };
    let admin = std::env::var("USHER_TEST_POSTGRES_URL").expect("a PostgreSQL");
    let absent = format!("{}/no_such_database", admin.rsplit_once('/').expect("an address").0);
    let missing = at("no/such/folder/usher.db");
    let few = without_privileges().await;
    let none: &[&str] = &[];
    for (under, url) in [
        (none, missing.as_str()),
        (none, &at("text.db")),
        (none, &at("folder.db")),
        (few.as_slice(), &at("read-only.db")),
        (none, &nobody),
        (none, &absent),
    ] {
        let output = serve(under, &["--data-dir", &data_dir, "--key-file", &keys, "--database-url", url]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{url}: {said}");
        let place = url.rsplit('@').next().expect("a place").split('/').next_back().expect("a name");
        assert!(said.contains(place), "{url}: the place is named: {said}");
        assert!(said.contains("check that"), "{url}: and what to do: {said}");
        assert!(!said.contains("panicked") && said.lines().count() < 4, "{url}: {said}");
        assert!(output.stdout.is_empty(), "{url}");
    }
    let output = serve(&few, &["--data-dir", "/proc/usher-data"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("/proc/usher-data cannot be made"), "{said}");
}

#[tokio::test]
async fn r_b110_what_hangs_on_something_goes_with_it_through_every_connection() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let other = server.second_node(&Options::default()).await;
        let connection = Connection::to(&server).await;
        let members = "SELECT count(*) FROM group_members";
        let grants = "SELECT count(*) FROM group_permissions";
        server.ok("invite_user", person("ana@example.com")).await;
        for node in [&server, &other] {
            // More at once than one connection carries, so that none of them is left out.
            let names: Vec<String> = (0..12).map(|n| format!("Group {n}")).collect();
            for name in &names {
                node.ok("create_access_group", json!({"name": name, "permissions": ["users:read", "users:invite"]})).await;
            }
            node.ok("add_to_access_group", json!({"users": ["ana@example.com"], "access_groups": names})).await;
            assert_eq!((connection.number(members).await, connection.number(grants).await), (12, 24), "{engine:?}");
            let mut calls = JoinSet::new();
            for name in &names {
                calls.spawn(node.request(&node.token, "delete_access_group", &json!({"access_group": name})));
            }
            for answer in calls.join_all().await {
                assert_eq!(answer.structured()["changed"], true);
            }
            assert_eq!((connection.number(members).await, connection.number(grants).await), (0, 0), "{engine:?}");
        }
        if engine == Engine::Sqlite {
            assert!(connection.rows("PRAGMA foreign_key_check").await.is_empty());
        }
        connection.close().await;
        invariants::hold(&server, "after groups went").await;
    })
    .await;
}
