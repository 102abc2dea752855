//! The process dies at any moment, and what was acknowledged is there once.
//!
//! Writers call the real binary until it dies: by SIGKILL at a random moment, or by itself at a random pass of a failpoint.
//! After each death it is started again on the same database, and the rows are held against what the writers were told.

mod first_start;

use crate::common::{
    Engine, Options, Server,
    database::{Cells, Connection},
    invariants, on_both,
    smtp::Sink,
    until,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Mutex;
use usher_mcp::domain::Random;

/// How many call at the same time.
const WRITERS: usize = 4;
/// After so many acknowledged calls the process is killed also where its failpoint was not met.
const ENOUGH: usize = 60;

/// Where the process dies by itself: from which pass on, because the first ones belong to its start, and among how many.
const POINTS: &[(&str, u64, u64)] = &[
    ("store.begin", 8, 40),
    ("store.statement", 60, 400),
    ("store.commit", 8, 40),
    ("store.committed", 8, 40),
    ("store.lock", 1, 40),
    ("store.audit", 1, 40),
    // Carries several transactions each time.
    ("store.batch", 8, 8),
];

fn below(random: &Random, limit: u64) -> u64 {
    u64::from_be_bytes(random.bytes()) % limit
}

/// A person as their writer was told of them.
#[derive(Clone, Debug)]
struct Person {
    id: String,
    email: String,
    first_name: String,
    status: &'static str,
    in_group: bool,
    generation: i64,
}

/// A call that was sent.
#[derive(Clone, Debug)]
struct Sent {
    tool: &'static str,
    arguments: Value,
    /// About which of the writer's people; one past the last for an invite, none for a group of its own.
    person: Option<usize>,
    keyed: bool,
}

/// One caller, and what it knows.
struct Writer {
    name: usize,
    random: Random,
    calls: usize,
    people: Vec<Person>,
    /// The group that its people enter and leave.
    group: String,
    /// Acknowledged in this round: target and tool, in order.
    told: Vec<(String, &'static str)>,
    /// The call that was under way when the process died.
    open: Option<Sent>,
}

fn plain(id: &str) -> String {
    id.replace('-', "")
}

impl Writer {
    fn next(&mut self) -> Sent {
        self.calls += 1;
        let (name, call) = (self.name, self.calls);
        let choice = below(&self.random, 10);
        let keyed = below(&self.random, 4) > 0;
        let person = if self.people.is_empty() { None } else { usize::try_from(below(&self.random, self.people.len() as u64)).ok() };
        let (tool, mut arguments, person) = match person.map(|n| (n, &self.people[n])) {
            Some((n, person)) if choice > 4 => {
                let user = person.email.as_str();
                let members = json!({"users": [user], "access_groups": [self.group]});
                let (tool, arguments) = match (choice, person.status, person.in_group) {
                    (5, "pending", _) => ("resend_invite", json!({"user": user})),
                    (6, "pending", _) => ("deactivate_user", json!({"user": user})),
                    (5 | 6, _, _) => ("reactivate_user", json!({"user": user})),
                    (7 | 8, _, false) => ("add_to_access_group", members),
                    (7 | 8, _, true) => ("remove_from_access_group", members),
                    _ => ("update_user", json!({"user": user, "first_name": format!("Call {call}")})),
                };
                (tool, arguments, Some(n))
            }
            _ if choice == 4 => {
                ("create_access_group", json!({"name": format!("Writer {name} call {call}"), "permissions": ["users:read"]}), None)
            }
            _ => {
                let groups = if choice > 1 { vec![self.group.clone()] } else { Vec::new() };
                let email = format!("writer{name}.call{call}@example.com");
                let arguments = json!({"email": email, "first_name": "Ana", "last_name": "Ruiz", "access_groups": groups});
                ("invite_user", arguments, Some(self.people.len()))
            }
        };
        if keyed {
            arguments["idempotency_key"] = json!(format!("writer {name} call {call}"));
        }
        Sent { tool, arguments, person, keyed }
    }

    /// Notes that a call holds; `answer` is what it or its repeat said, where anybody heard it.
    fn holds(&mut self, sent: &Sent, target: &str) {
        self.told.push((plain(target), sent.tool));
        let Some(n) = sent.person else { return };
        if n == self.people.len() {
            self.people.push(Person {
                id: plain(target),
                email: sent.arguments["email"].as_str().expect("an address").to_owned(),
                first_name: "Ana".to_owned(),
                status: "pending",
                in_group: sent.arguments["access_groups"] != json!([]),
                generation: 1,
            });
            return;
        }
        let person = &mut self.people[n];
        match sent.tool {
            "resend_invite" => person.generation += 1,
            "reactivate_user" => {
                person.status = "pending";
                person.generation += 1;
            }
            "deactivate_user" => person.status = "deactivated",
            "add_to_access_group" => person.in_group = true,
            "remove_from_access_group" => person.in_group = false,
            _ => sent.arguments["first_name"].as_str().expect("a name").clone_into(&mut person.first_name),
        }
    }

    /// Calls until nobody answers.
    async fn run(&mut self, caller: &Caller, acknowledged: &AtomicUsize) {
        loop {
            let sent = self.next();
            self.open = Some(sent.clone());
            let Some(answer) = caller.call(&sent).await else { return };
            assert_eq!(answer["changed"], true, "{sent:?}: {answer}");
            let target = target_of(&answer).unwrap_or_else(|| self.people[sent.person.expect("a person")].id.clone());
            self.holds(&sent, &target);
            self.open = None;
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Whom or what an answer names.
fn target_of(answer: &Value) -> Option<String> {
    answer["user"]["id"].as_str().or(answer["access_group"]["id"].as_str()).map(str::to_owned)
}

#[derive(Clone)]
struct Caller {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Caller {
    fn of(server: &Server) -> Self {
        Self { http: reqwest::Client::new(), url: server.mcp_url.clone(), token: server.token.clone() }
    }

    /// The whole answer, or nothing where the process died before it was heard.
    async fn call(&self, sent: &Sent) -> Option<Value> {
        let message =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": sent.tool, "arguments": sent.arguments}});
        let request = self.http.post(&self.url).bearer_auth(&self.token).header("content-type", "application/json");
        let response = request.header("accept", "*/*").body(message.to_string()).send().await.ok()?;
        let body: Value = serde_json::from_str(&response.text().await.ok()?).ok()?;
        let said: Value = serde_json::from_str(body["result"]["content"][0]["text"].as_str().expect("a tool's answer")).expect("JSON");
        Some(said)
    }
}

fn text(row: &Cells, column: &str) -> String {
    row[column].clone().unwrap_or_default()
}

/// Entries of the log above `mark`: target and tool, in order; and the new mark.
async fn entries(connection: &Connection, mark: i64) -> (Vec<(String, String)>, i64) {
    let rows = connection.rows(&format!("SELECT seq, target_id, tool FROM audit_log WHERE seq > {mark} ORDER BY seq")).await;
    let newest = rows.last().map_or(mark, |row| text(row, "seq").parse().expect("a number"));
    (rows.iter().map(|row| (plain(&text(row, "target_id")), text(row, "tool"))).collect(), newest)
}

/// Settles what was under way when the process died: it is there wholly or not at all, and a repeat under its key acts at most once.
async fn settle(writer: &mut Writer, server: &Server, there: &[(String, String)]) {
    let Some(sent) = writer.open.take() else { return };
    let connection = Connection::to(server).await;
    let named = match (sent.person, sent.arguments["email"].as_str(), sent.arguments["name"].as_str()) {
        (_, Some(email), _) => connection.rows(&format!("SELECT id FROM users WHERE email_key = '{email}'")).await,
        (_, _, Some(name)) => connection.rows(&format!("SELECT id FROM access_groups WHERE name = '{name}'")).await,
        (Some(n), _, _) => vec![Cells::from([("id".to_owned(), Some(writer.people[n].id.clone()))])],
        (None, None, None) => Vec::new(),
    };
    connection.close().await;
    assert!(named.len() < 2, "{sent:?}");
    let target = named.first().map(|row| plain(&text(row, "id")));
    let count =
        |entries: &[(String, String)]| entries.iter().filter(|(id, tool)| Some(id) == target.as_ref() && *tool == sent.tool).count();
    let told = writer.told.iter().filter(|(id, tool)| Some(id) == target.as_ref() && *tool == sent.tool).count();
    let happened = count(there) > told;
    if sent.keyed {
        let answer = Caller::of(server).call(&sent).await.expect("an answer");
        assert_eq!(answer["changed"], !happened, "a repeat under the same key: {sent:?}: {answer}");
        let target = target_of(&answer).or(target).expect("a target");
        writer.holds(&sent, &target);
    } else if let (true, Some(target)) = (happened, target) {
        writer.holds(&sent, &target);
    }
}

/// The log says what the writers were told, each thing once and in order; the rows are as that leaves them.
async fn compare(writers: &[Arc<Mutex<Writer>>], server: &Server, mark: i64, when: &str) -> i64 {
    let connection = Connection::to(server).await;
    let (there, newest) = entries(&connection, mark).await;
    let mut logged: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (target, tool) in there {
        logged.entry(target).or_default().push(tool);
    }
    let mut people = connection
        .rows(
            "SELECT u.id, u.status, u.first_name, u.invite_generation, u.email,
                    (SELECT count(*) FROM group_members m WHERE m.user_key = u.key) AS memberships
               FROM users u WHERE u.email LIKE 'writer%'",
        )
        .await
        .into_iter()
        .map(|row| (plain(&text(&row, "id")), row))
        .collect::<BTreeMap<_, _>>();
    connection.close().await;
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for writer in writers {
        let mut writer = writer.lock().await;
        for (target, tool) in writer.told.drain(..) {
            told.entry(target).or_default().push(tool.to_owned());
        }
        for person in &writer.people {
            let row = people.remove(&person.id).unwrap_or_else(|| panic!("{when}: {person:?} is lost"));
            assert_eq!(text(&row, "status"), person.status, "{when}: {person:?}");
            assert_eq!(text(&row, "first_name"), person.first_name, "{when}: {person:?}");
            assert_eq!(text(&row, "invite_generation"), person.generation.to_string(), "{when}: {person:?}");
            assert_eq!(text(&row, "memberships"), u8::from(person.in_group).to_string(), "{when}: {person:?}");
        }
    }
    assert!(people.is_empty(), "{when}: nobody asked for {people:?}");
    assert_eq!(logged, told, "{when}");
    newest
}

/// Waits until the database has noticed that the process is gone: what it had sent may still be carried out.
async fn forgotten(server: &Server) {
    if server.engine == Engine::Sqlite {
        return;
    }
    let connection = Connection::to(server).await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'usher'";
    until("the end of the dead process's sessions", async || (connection.number(sql).await == 0).then_some(())).await;
    connection.close().await;
}

/// One life of the process: calls from all writers until it dies; whether it died by itself.
async fn live_and_die(server: &mut Server, writers: &[Arc<Mutex<Writer>>], random: &Random, by_itself: bool) -> bool {
    let caller = Caller::of(server);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut running = tokio::task::JoinSet::new();
    for writer in writers {
        let (writer, caller, acknowledged) = (Arc::clone(writer), caller.clone(), Arc::clone(&acknowledged));
        running.spawn(async move { writer.lock().await.run(&caller, &acknowledged).await });
    }
    let enough = if by_itself { ENOUGH } else { usize::try_from(below(random, 40)).expect("small") };
    let moment = Duration::from_micros(below(random, 4000));
    let died = tokio::select! {
        () = server.ended() => true,
        () = async {
            while acknowledged.load(Ordering::SeqCst) < enough {
                tokio::task::yield_now().await;
                drop(tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await);
            }
            // Not at an answer, but at any moment between two.
            drop(tokio::time::timeout(moment, std::future::pending::<()>()).await);
        } => false,
    };
    if !died {
        server.kill().await;
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("a writer that got only the answers it may get");
    }
    forgotten(server).await;
    died
}

/// Every mail of the last generation of every Pending person's link was sent, and no link has two Message-IDs.
async fn mail_went_out(server: &mut Server, sink: &Sink, with_mail: &Options) {
    server.stop().await;
    // Mails that a dead process had taken come back when its lease runs out; nobody waits for that here.
    assert!(server.tamper("UPDATE outbox SET lease_until = NULL").await);
    server.restart(with_mail).await;
    let connection = Connection::to(server).await;
    // However long the queue is: it moves.
    let mut left = i64::MAX;
    while left > 0 {
        let next = connection.rows("SELECT attempts, error, count(*) AS n FROM outbox WHERE state = 'queued' GROUP BY 1, 2").await;
        left = until(&format!("mail goes out: {next:?}"), async || {
            let now = connection.number("SELECT count(*) FROM outbox WHERE state = 'queued'").await;
            (now < left).then_some(now)
        })
        .await;
    }
    let unsent = "SELECT count(*) FROM links l JOIN outbox b ON b.link_id = l.id WHERE l.ended_at IS NULL AND b.state <> 'sent'";
    assert_eq!(connection.number(unsent).await, 0, "a live link's mail has gone");
    let ids = |rows: Vec<Cells>| rows.iter().map(|row| plain(&text(row, "id"))).collect::<HashSet<_>>();
    let all = ids(connection.rows("SELECT id FROM outbox").await);
    let sent = ids(connection.rows("SELECT id FROM outbox WHERE state = 'sent'").await);
    connection.close().await;
    let arrived: HashSet<String> = sink
        .mails()
        .iter()
        .map(|mail| {
            let id = mail["message_id"].as_str().expect("a Message-ID");
            plain(id.trim_start_matches('<').split('@').next().expect("an id"))
        })
        .collect();
    assert!(arrived.is_subset(&all), "a Message-ID that is no link's");
    assert!(sent.is_subset(&arrived), "a mail that never arrived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9_exactly_once() {
    let rounds: u64 = if std::env::var_os("USHER_TEST_LONG").is_some() { 200 } else { 28 };
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        let relay = format!("smtp://127.0.0.1:{}", sink.port);
        let with_mail = Options::arguments(&["--smtp-url", &relay, "--mail-from", "usher@example.com"]);
        let mut server = Server::quickstart_with(engine, &with_mail).await;
        let mut writers = Vec::new();
        for name in 0..WRITERS {
            let group = format!("Group of {name}");
            server.ok("create_access_group", json!({"name": group})).await;
            let random = Random::seeded(1000 + name as u64);
            writers.push(Arc::new(Mutex::new(Writer { name, random, calls: 0, people: Vec::new(), group, told: Vec::new(), open: None })));
        }
        let connection = Connection::to(&server).await;
        let mut mark = connection.number("SELECT max(seq) FROM audit_log").await;
        connection.close().await;
        let random = Random::seeded(7);
        let mut deaths = HashSet::new();
        for round in 0..rounds {
            let (point, from, span) = POINTS[usize::try_from(round / 2).expect("small") % POINTS.len()];
            let by_itself = round % 2 == 1;
            let plan = format!("{point}=abort@{}", from + below(&random, span));
            let options = if by_itself { with_mail.clone().with("USHER_FAILPOINTS", &plan) } else { with_mail.clone() };
            let when = format!("{engine:?}, round {round}, {}", if by_itself { &plan } else { "killed" });
            if by_itself {
                server.kill().await;
                server.restart(&options).await;
            }
            let died = live_and_die(&mut server, &writers, &random, by_itself).await;
            assert!(by_itself || !died, "{when}: nothing was to end it");
            deaths.extend((by_itself && died).then_some(point));
            server.restart(&with_mail).await;
            let connection = Connection::to(&server).await;
            let (there, _) = entries(&connection, mark).await;
            connection.close().await;
            for writer in &writers {
                settle(&mut *writer.lock().await, &server, &there).await;
            }
            mark = compare(&writers, &server, mark, &when).await;
            invariants::hold(&server, &when).await;
            if round % 10 == 9 {
                assert_eq!(server.verified().await["ok"], true, "{when}");
            }
        }
        // A batch's COMMIT is SQLite's alone.
        let expected = POINTS.iter().map(|(point, ..)| *point).filter(|point| engine == Engine::Sqlite || *point != "store.batch");
        assert_eq!(deaths, expected.collect(), "it died at every point");
        mail_went_out(&mut server, &sink, &with_mail).await;
        invariants::hold(&server, "at the end").await;
        let verdict = server.verified().await;
        assert_eq!((&verdict["ok"], &verdict["entries"]), (&json!(true), &json!(mark)));
    })
    .await;
}
