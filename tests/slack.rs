//! People's ids in Slack, over a stand-in that answers as Slack documents.

mod commands;
mod looking_up;
mod refusals;
mod secrets;

use crate::common::{
    Engine, Options, Server,
    database::Connection,
    slack::{Order, Slack},
    until,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;

/// A bot token, and the workspace that it opens.
const TOKEN: &str = "xoxb-2345678901-abcDEFghiJKL";
const TEAM: &str = "T012AB3C4";

/// What lets a server, and a command beside it, ask the stand-in.
fn towards(slack: &Slack) -> Vec<String> {
    ["--outbound-allow", "127.0.0.0/8", "--slack-url", &slack.url].map(str::to_owned).to_vec()
}

fn options(slack: &Slack) -> Options {
    Options { arguments: towards(slack), ..Options::default() }
}

/// A command of `usher slack` about an organization.
async fn usher(server: &Server, slack: &Slack, org: &str, words: &[&str]) -> std::process::Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_usher"));
    command.arg("slack").args(words).args(["--org", org, "--json"]).args(towards(slack));
    command.env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_LOG", "warn").stdin(std::process::Stdio::null());
    if let Some(url) = server.database_url() {
        command.env("USHER_DATABASE_URL", url);
    }
    command.output().await.expect("usher runs")
}

async fn done(server: &Server, slack: &Slack, words: &[&str]) -> Value {
    let output = usher(server, slack, &server.org, words).await;
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

async fn refused(server: &Server, slack: &Slack, words: &[&str]) -> String {
    let output = usher(server, slack, &server.org, words).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    said
}

/// Connects an organization by a token in a file.
async fn connect(server: &Server, slack: &Slack, org: &str, token: &str) -> Value {
    let file = server.data_dir.path().join("slack-token");
    std::fs::write(&file, format!("{token}\n")).expect("a file");
    let output = usher(server, slack, org, &["connect", "--token-file", &file.display().to_string()]).await;
    std::fs::remove_file(file).expect("it goes");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// A server that is connected to a workspace of its own.
async fn joined_up(engine: Engine) -> (Server, Slack) {
    let slack = Slack::start().await;
    slack.workspace(TOKEN, TEAM, "Acme");
    let server = Server::quickstart_with(engine, &options(&slack)).await;
    connect(&server, &slack, &server.org, TOKEN).await;
    (server, slack)
}

async fn invite(server: &Server, email: &str) -> Value {
    server.ok("invite_user", json!({"email": email, "first_name": "Ana", "last_name": "Ruiz"})).await["user"].clone()
}

async fn user(server: &Server, email: &str) -> Value {
    server.ok("get_user", json!({"user": email})).await["user"].clone()
}

/// Waits until somebody has this Slack ID.
async fn found(server: &Server, email: &str, id: &str) {
    until(&format!("{email} is {id}"), async || (user(server, email).await["slack_id"] == id).then_some(())).await;
}

/// Waits until nobody waits to be looked up, and says what became of all who did: address, state, code.
async fn at_rest(server: &Server) -> Vec<(String, String, Option<String>)> {
    let connection = Connection::to(server).await;
    let waiting = "SELECT count(*) AS n FROM outbox WHERE channel = 'slack' AND state = 'queued'";
    until("Slack", async || (connection.number(waiting).await == 0).then_some(())).await;
    let rows = look_ups(&connection).await;
    connection.close().await;
    rows
}

/// Everybody who was or is to be looked up: address, state, code.
async fn look_ups(connection: &Connection) -> Vec<(String, String, Option<String>)> {
    let sql = "SELECT u.email, b.state, b.error FROM outbox b JOIN users u ON u.key = b.user_key WHERE b.channel = 'slack'
                ORDER BY b.created_at, b.id";
    let cell = |cell: &Option<String>| cell.clone().expect("a text");
    connection.rows(sql).await.iter().map(|row| (cell(&row["email"]), cell(&row["state"]), row["error"].clone())).collect()
}

/// Lets so many milliseconds go by for what waits: leases run out, the next try is due, a hold ends.
async fn pass(server: &Server, ms: i64) {
    let rows = format!("UPDATE outbox SET next_at = next_at - {ms}, lease_until = lease_until - {ms} WHERE state = 'queued'");
    assert!(server.tamper(&rows).await && server.tamper(&format!("UPDATE slack_connections SET held_until = held_until - {ms}")).await);
}

/// The entries of the audit log with this action, newest first.
async fn log_of(server: &Server, action: &str) -> Vec<Value> {
    let events = server.ok("list_audit_events", json!({"action": action, "limit": 100})).await;
    events["events"].as_array().expect("events").clone()
}

/// Invites Ana, of whom Slack is asked; it answers as soon as what is given back is told.
async fn asked_of_ana(server: &Server, slack: &Slack) -> Arc<Notify> {
    let thinking = Arc::new(Notify::new());
    slack.order(&[Order::Silence(Arc::clone(&thinking))]);
    invite(server, "ana@example.com").await;
    until("the question", async || (slack.asked().len() == 1).then_some(())).await;
    thinking
}
