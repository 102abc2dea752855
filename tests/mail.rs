//! Mail over a real SMTP server that fails at every step.
//!
//! Waiting is not slept through: [`pass`] moves the deadlines of queued mail instead, as if so much time had gone by.

mod bounces;
mod content;
mod faults;
mod letters;
mod lifecycle;
mod notices;
mod relays;
mod secrets;
mod suspended;

use crate::common::{Engine, Options, Server, smtp::Sink, until};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::Write as _, process::Stdio};

/// The sender in all these tests.
const FROM: &str = "usher@sender.example";

/// Longer than any wait between two tries, and shorter than a mail is tried for.
const A_LONG_TIME: i64 = 2 * 3_600_000;

/// Options of a server that sends through this relay.
fn through(sink: &Sink) -> Options {
    through_url(&format!("smtp://127.0.0.1:{}", sink.port))
}

fn through_url(url: &str) -> Options {
    Options::arguments(&["--smtp-url", url, "--mail-from", FROM])
}

/// Lets so many milliseconds go by for mail that waits: leases run out, the next try is due.
async fn pass(server: &Server, ms: i64) {
    let sql = format!("UPDATE outbox SET next_at = next_at - {ms}, lease_until = lease_until - {ms} WHERE state = 'queued'");
    assert!(server.tamper(&sql).await);
}

/// Makes due what waits for its next try and is in no node's hands. What one of them is sending stays its own.
async fn make_due(server: &Server) {
    let sql = format!("UPDATE outbox SET next_at = next_at - {A_LONG_TIME} WHERE state = 'queued' AND lease_until IS NULL");
    assert!(server.tamper(&sql).await);
}

async fn invite(server: &Server, email: &str) -> Value {
    server.ok("invite_user", json!({"email": email, "first_name": "Test", "last_name": "Person"})).await
}

/// What `user.delivery` says: the state, and the code of what went wrong.
async fn delivery(server: &Server, email: &str) -> (String, Option<String>) {
    let user = server.ok("get_user", json!({"user": email})).await;
    let delivery = &user["user"]["delivery"];
    (delivery["state"].as_str().expect("a state").to_owned(), delivery["error"].as_str().map(str::to_owned))
}

/// Waits until `user.delivery` says this.
async fn delivered(server: &Server, email: &str, state: &str, error: Option<&str>) {
    until(&format!("{email}: {state} {error:?}"), async || {
        let (now, why) = delivery(server, email).await;
        (now == state && why.as_deref() == error).then_some(())
    })
    .await;
}

/// A mail as the relay took it.
#[derive(Clone, Debug)]
struct Taken {
    to: Vec<String>,
    message_id: String,
    raw: Vec<u8>,
    whole: Value,
}

impl Taken {
    /// The link in its text part.
    fn link(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw);
        let unwrapped = text.replace("=\r\n", "");
        let line = unwrapped
            .lines()
            .map(str::trim)
            .find(|line| line.starts_with("http") && ["/invite/", "/link/"].iter().any(|page| line.contains(page)));
        line.expect("the link stands on a line of its own").replace("=3D", "=")
    }

    /// The secret in it.
    fn token(&self) -> String {
        self.link().rsplit('/').next().expect("a token").to_owned()
    }
}

/// The mails that the relay took, oldest first.
fn taken(sink: &Sink) -> Vec<Taken> {
    sink.mails()
        .into_iter()
        .map(|mail| Taken {
            to: mail["envelope_to"].as_array().expect("recipients").iter().map(|to| to.as_str().expect("text").to_owned()).collect(),
            message_id: mail["message_id"].as_str().expect("a Message-ID").to_owned(),
            raw: BASE64_STANDARD.decode(mail["raw"].as_str().expect("raw")).expect("base64"),
            whole: mail,
        })
        .collect()
}

/// The same by recipient; each mail has exactly one.
fn by_recipient(sink: &Sink) -> BTreeMap<String, Vec<Taken>> {
    let mut sorted: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
    for mail in taken(sink) {
        let [to] = mail.to.as_slice() else { panic!("not one recipient: {:?}", mail.to) };
        sorted.entry(to.clone()).or_default().push(mail);
    }
    sorted
}

/// How often the relay was told this, such as `RCPT`, with this in the argument.
fn told(sink: &Sink, step: &str, part: &str) -> usize {
    let lines = sink.transcript();
    let steps = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    steps.filter(|said| said["step"] == step && said["argument"].as_str().is_some_and(|argument| argument.contains(part))).count()
}

/// The mail as an independent mail program reads it.
fn read(mail: &Taken) -> Value {
    read_raw(&mail.raw)
}

fn read_raw(raw: &[u8]) -> Value {
    let python = std::env::var("USHER_TEST_PY_MCP2").expect("tests/run sets USHER_TEST_PY_MCP2");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/read_mail.py");
    let mut child =
        std::process::Command::new(python).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the reader starts");
    child.stdin.take().expect("stdin").write_all(raw).expect("it takes the mail");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the reader fails on {}", String::from_utf8_lossy(raw));
    serde_json::from_slice(&output.stdout).expect("one object")
}

/// A server of its own behind a relay of its own.
async fn server_and_sink(engine: Engine) -> (Server, Sink) {
    let sink = Sink::start(&[]).await;
    let server = Server::quickstart_with(engine, &through(&sink)).await;
    (server, sink)
}
