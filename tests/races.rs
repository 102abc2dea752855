//! Two processes, one organization, many calls at once.

use crate::common::{Answer, Engine, Options, PASSWORD, Server, database::Connection, on_both, rounds, two_nodes, until};
use argon2::{Argon2, PasswordHash, PasswordVerifier};
use serde_json::{Value, json};
use sqlx::Connection as _;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::task::JoinSet;

/// The code a call was refused with; `done`, or the HTTP status where it was not let in.
fn outcome(answer: &Answer) -> String {
    if answer.status != 200 {
        return answer.status.to_string();
    }
    if answer.body["result"]["isError"] == true {
        return answer.error()["code"].as_str().expect("a code").to_owned();
    }
    assert!(answer.body["result"]["structuredContent"].is_object(), "{}", answer.body);
    "done".to_owned()
}

/// The same call many times at once, in turns on both nodes.
async fn at_once(nodes: &[Server; 2], times: usize, tool: &str, arguments: impl Fn(usize) -> Value) -> Vec<Answer> {
    let mut calls = JoinSet::new();
    for n in 0..times {
        calls.spawn(nodes[n % 2].request(&nodes[0].token, tool, &arguments(n)));
    }
    calls.join_all().await
}

async fn audited(database: &Connection, action: &str) -> i64 {
    database.number(&format!("SELECT count(*) FROM audit_log WHERE action = '{action}' AND outcome = 'done'")).await
}

/// Every mail has left or was dropped.
async fn mail_is_through(database: &Connection) {
    until("the mail", async || (database.number("SELECT count(*) FROM outbox WHERE state = 'queued'").await == 0).then_some(())).await;
}

/// What the head row counts is what the rows say; each asked in one statement, because evidence is written meanwhile.
async fn counters_agree(database: &Connection) {
    for (status, role) in
        ["pending", "active", "deactivated"].iter().flat_map(|status| ["administrator", "user"].map(|role| (*status, role)))
    {
        let sql =
            format!("SELECT {status}_{role}s - (SELECT count(*) FROM users WHERE status = '{status}' AND role = '{role}') FROM org_heads");
        assert_eq!(database.number(&sql).await, 0, "{status} {role}s");
    }
    assert_eq!(database.number("SELECT audit_seq - (SELECT max(seq) FROM audit_log) FROM org_heads").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requirement_55_fifty_invites_of_one_address_on_two_nodes_have_one_winner() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let database = Connection::to(&nodes[0]).await;
        let spellings = ["Ana.Ruiz@Example.COM", "ana.ruiz@example.com", " ANA.RUIZ@example.com "];
        let answers = at_once(
            &nodes,
            50,
            "invite_user",
            |n| json!({"email": spellings[n % 3], "first_name": "Ana", "last_name": "Ruiz", "role": "Administrator"}),
        )
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| outcome(answer) == "done");
        assert_eq!((won.len(), lost.len()), (1, 49));
        let winner = won[0].structured()["user"]["id"].clone();
        for answer in lost {
            let error = answer.error();
            assert_eq!(error["code"], "email_already_in_use");
            assert_eq!(error["details"], json!({"user_id": winner, "status": "pending", "next": "resend_invite"}));
        }
        mail_is_through(&database).await;
        assert_eq!(nodes[0].mails().len(), 1);
        for table in ["links", "outbox"] {
            assert_eq!(database.number(&format!("SELECT count(*) FROM {table}")).await, 1, "{table}");
        }
        assert_eq!(database.number("SELECT count(*) FROM users WHERE email_key = 'ana.ruiz@example.com'").await, 1);
        assert_eq!(audited(&database, "users:invite").await, 1);
        counters_agree(&database).await;
        database.close().await;
        assert_eq!(nodes[0].verified().await["ok"], true);
    })
    .await;
}

/// Sends the accepting form to a node straight, as a program that took no cookie.
async fn accept(node: &Server, link: &str, first: &str, password: &str) -> (u16, String) {
    let (_, token) = link.rsplit_once('/').expect("a link");
    let place = format!("{}/invite/{token}", node.address());
    let form = [("first_name", first), ("last_name", "Ruiz"), ("password", password), ("do", "join")];
    let answer = node.http.post(place).form(&form).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a page"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_b40_twenty_accepts_of_one_link_on_two_nodes_have_one_winner() {
    on_both(async |engine| {
        let nodes = Arc::new(two_nodes(engine, &Options::default()).await);
        let database = Connection::to(&nodes[0]).await;
        nodes[0].ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let link = nodes[0].link(1).await;
        let password = |n: usize| format!("{PASSWORD}, number {n}");
        let mut calls = JoinSet::new();
        for n in 0..20 {
            let (nodes, link, password) = (Arc::clone(&nodes), link.clone(), password(n));
            calls.spawn(async move { (n, accept(&nodes[n % 2], &link, &format!("Ana {n}"), &password).await) });
        }
        let (won, lost): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().partition(|(_, (status, _))| *status == 200);
        assert_eq!((won.len(), lost.len()), (1, 19));
        for (_, (status, page)) in lost {
            assert_eq!(status, 410);
            assert!(page.contains("You have already joined"), "{page}");
        }
        let winner = won[0].0;
        let people = database.rows("SELECT status, first_name, password_hash FROM users WHERE email_key = 'ana@example.com'").await;
        assert_eq!(people.len(), 1);
        assert_eq!(people[0]["status"].as_deref(), Some("active"));
        assert_eq!(people[0]["first_name"], Some(format!("Ana {winner}")), "the names are the winner's too");
        let hash = people[0]["password_hash"].clone().expect("a password");
        let hash = PasswordHash::new(&hash).expect("a PHC string");
        let fits = |n: usize| Argon2::default().verify_password(password(n).as_bytes(), &hash).is_ok();
        assert!(fits(winner), "the password is the winner's");
        assert!(!fits((winner + 1) % 20));
        assert_eq!(audited(&database, "invite:accepted").await, 1);
        assert_eq!(database.number("SELECT count(*) FROM links WHERE ended_as = 'used'").await, 1);
        counters_agree(&database).await;
        database.close().await;
        assert_eq!(nodes[0].verified().await["ok"], true);
    })
    .await;
}

/// Makes the database itself refuse the audit entry of whoever joins, while [`no_room`] says so.
async fn prepare_no_room(database: &Connection) {
    let statements: &[&str] = match database {
        Connection::Sqlite(_) => &["CREATE TRIGGER no_room BEFORE INSERT ON audit_log
             WHEN NEW.action = 'invite:accepted' AND EXISTS (SELECT 1 FROM meta WHERE name = 'no_room')
             BEGIN SELECT RAISE(ABORT, 'no room'); END"],
        Connection::Postgres(_) => &[
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF EXISTS (SELECT 1 FROM meta WHERE name = 'no_room') THEN RAISE 'no room'; END IF;
                 RETURN NEW;
             END $$",
            "CREATE TRIGGER no_room BEFORE INSERT ON audit_log FOR EACH ROW
             WHEN (NEW.action = 'invite:accepted') EXECUTE FUNCTION no_room()",
        ],
    };
    for statement in statements {
        assert!(database.run(statement).await);
    }
}

async fn no_room(database: &Connection, on: bool) {
    let sql = if on { "INSERT INTO meta VALUES ('no_room', '')" } else { "DELETE FROM meta WHERE name = 'no_room'" };
    assert!(database.run(sql).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_b41_an_accept_that_fails_leaves_the_link_as_it_was() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let database = Connection::to(&nodes[0]).await;
        nodes[0].ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let link = nodes[0].link(1).await;
        mail_is_through(&database).await;
        prepare_no_room(&database).await;
        no_room(&database, true).await;
        let before = database.digest(&[]).await;
        for node in &nodes {
            let (status, page) = accept(node, &link, "Ana", PASSWORD).await;
            assert!((500..=599).contains(&status), "{status} {page}");
        }
        assert_eq!(database.digest(&[]).await, before, "all of it was taken back");
        no_room(&database, false).await;
        assert_eq!(accept(&nodes[0], &link, "Ana", PASSWORD).await.0, 200);
        // And what is used stays used, whatever fails later.
        no_room(&database, true).await;
        for node in &nodes {
            assert_eq!(accept(node, &link, "Eve", PASSWORD).await.0, 410);
        }
        no_room(&database, false).await;
        for node in &nodes {
            assert_eq!(accept(node, &link, "Eve", PASSWORD).await.0, 410);
        }
        assert_eq!(database.number("SELECT count(*) FROM users WHERE first_name = 'Ana' AND status = 'active'").await, 1);
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requirement_51_a_hundred_resends_at_once_leave_one_live_link() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let database = Connection::to(&nodes[0]).await;
        nodes[0].ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let first = nodes[0].link(1).await;
        let answers = at_once(&nodes, 100, "resend_invite", |_| json!({"user": "ana@example.com"})).await;
        for answer in &answers {
            assert_eq!(answer.structured()["changed"], true);
        }
        mail_is_through(&database).await;
        let count = async |filter: &str| database.number(&format!("SELECT count(*) FROM links WHERE kind = 'invite' AND {filter}")).await;
        assert_eq!(count("true").await, 101);
        assert_eq!(count("ended_as = 'superseded'").await, 100);
        assert_eq!(count("ended_at IS NULL AND generation = 101").await, 1);
        assert_eq!(database.number("SELECT invite_generation FROM users WHERE email_key = 'ana@example.com'").await, 101);
        assert_eq!(database.number("SELECT count(*) FROM audit_log WHERE action = 'users:invite' AND tool = 'resend_invite'").await, 100);
        // Of all the mails that left, exactly one holds a link that opens; on both nodes.
        let links: Vec<String> = nodes[0]
            .mails()
            .iter()
            .filter_map(|mail| mail.lines().map(str::trim).find(|line| line.contains("/invite/")).map(str::to_owned))
            .collect();
        let newest = nodes[0].link_to("ana@example.com").await;
        for node in &nodes {
            let mut open = Vec::new();
            for link in &links {
                let (_, token) = link.rsplit_once('/').expect("a link");
                let page = node.http.get(format!("{}/invite/{token}", node.address())).send().await.expect("a page");
                match page.status().as_u16() {
                    200 => open.push(link.clone()),
                    410 => assert!(page.text().await.expect("a page").contains("A newer invite was sent")),
                    other => panic!("{other}"),
                }
            }
            assert_eq!(open, std::slice::from_ref(&newest));
            let (status, page) = accept(node, &first, "Ana", PASSWORD).await;
            assert_eq!(status, 410);
            assert!(page.contains("A newer invite was sent"), "{page}");
        }
        assert_eq!(accept(&nodes[1], &newest, "Ana", PASSWORD).await.0, 200);
        counters_agree(&database).await;
        database.close().await;
        assert_eq!(nodes[0].verified().await["ok"], true);
    })
    .await;
}

/// Two Administrators, each with a token, and what each does to the other.
struct Duel {
    nodes: [Server; 2],
    database: Connection,
    tokens: [String; 2],
    ids: [String; 2],
}

/// How a round ended that did not end as it must.
type Broken = String;

impl Duel {
    async fn new(engine: Engine, options: &Options) -> Self {
        let nodes = two_nodes(engine, options).await;
        let (id, token) = nodes[0].administrator("bo@example.com").await;
        let me = nodes[0].ok("whoami", json!({})).await["user"]["id"].as_str().expect("an id").to_owned();
        let database = Connection::to(&nodes[0]).await;
        let tokens = [nodes[0].token.clone(), token];
        Self { nodes, database, tokens, ids: [me, id] }
    }

    /// Both act on each other at once; `false` is to deactivate, `true` to demote.
    async fn round(&self, n: usize, demotes: [bool; 2]) -> Result<(), Broken> {
        let mut calls = JoinSet::new();
        for (who, demote) in demotes.into_iter().enumerate() {
            let other = &self.ids[1 - who];
            let (tool, arguments) =
                if demote { ("update_user", json!({"user": other, "role": "User"})) } else { ("deactivate_user", json!({"user": other})) };
            // Sides are changed after each round.
            let call = self.nodes[(who + n) % 2].request(&self.tokens[who], tool, &arguments);
            calls.spawn(async move { (who, call.await) });
        }
        let mut outcomes = [String::new(), String::new()];
        for (who, answer) in calls.join_all().await {
            outcomes[who] = outcome(&answer);
        }
        let active = self.database.number("SELECT count(*) FROM users WHERE role = 'administrator' AND status = 'active'").await;
        if active != 1 {
            return Err(format!("{active} active Administrators after {outcomes:?}"));
        }
        let winner = match (outcomes[0].as_str(), outcomes[1].as_str()) {
            ("done", "401" | "permission_denied" | "last_administrator") => 0,
            ("401" | "permission_denied" | "last_administrator", "done") => 1,
            _ => return Err(format!("{outcomes:?}")),
        };
        self.restore(winner, demotes[winner]).await;
        Ok(())
    }

    /// The winner takes it back. A token ended by deactivation stays dead; here its row is set back by hand,
    /// because making a new one would start a process in every round.
    async fn restore(&self, winner: usize, demoted: bool) {
        let other = &self.ids[1 - winner];
        let (tool, arguments) = if demoted {
            ("update_user", json!({"user": other, "role": "Administrator"}))
        } else {
            ("reactivate_user", json!({"user": other}))
        };
        let back = self.nodes[0].call(&self.tokens[winner], tool, arguments).await;
        assert_eq!(back.structured()["changed"], true);
        assert!(self.database.run("UPDATE credentials SET revoked_at = NULL WHERE revoked_at IS NOT NULL").await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_b43_of_two_administrators_who_shut_each_other_out_one_stays() {
    on_both(async |engine| {
        let duel = Duel::new(engine, &Options::default()).await;
        for kind in [[false, false], [true, true], [true, false]] {
            for n in 0..rounds(100, 500) {
                assert_eq!(duel.round(n, kind).await, Ok(()), "round {n} of {kind:?}");
            }
            counters_agree(&duel.database).await;
        }
        assert_eq!(duel.nodes[0].verified().await["ok"], true);
        duel.database.close().await;
    })
    .await;
}

/// Shows that the test above sees it: with the lock left out, and with it the audit chain's own guard against two
/// entries of one number (which would refuse the second write too), both win and nobody is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_b43_without_the_lock_nobody_stays() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let duel = Duel::new(Engine::Postgres, &Options::default().with("USHER_FAILPOINTS", "store.lock=skip")).await;
    for guard in [
        "DROP TRIGGER audit_log_in_order ON audit_log",
        "ALTER TABLE audit_log DROP CONSTRAINT audit_log_pkey CASCADE",
        "ALTER TABLE audit_values DROP CONSTRAINT audit_values_pkey",
    ] {
        assert!(duel.database.run(guard).await, "{guard}");
    }
    let mut ended = Ok(());
    for n in 0..500 {
        ended = duel.round(n, [false, false]).await;
        if ended.is_err() {
            break;
        }
    }
    assert_eq!(ended.expect_err("500 rounds without the lock"), r#"0 active Administrators after ["done", "done"]"#);
    duel.database.close().await;
}

/// The chain's guard alone, without the lock: nobody is lost, but one of the two hears of an internal fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r_b43_without_the_lock_the_audit_chain_still_refuses() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let duel = Duel::new(Engine::Postgres, &Options::default().with("USHER_FAILPOINTS", "store.lock=skip")).await;
    let mut ended = Ok(());
    for n in 0..500 {
        ended = duel.round(n, [false, false]).await;
        if ended.is_err() {
            break;
        }
    }
    let broken = ended.expect_err("500 rounds without the lock");
    assert!(broken.contains("internal") || broken.contains("unavailable"), "{broken}");
    assert_eq!(duel.nodes[0].verified().await["ok"], true);
    duel.database.close().await;
}

/// `SQLite` has no lock that could be left out: its one writer is the file's. Even a transaction that begins
/// without it (`BEGIN DEFERRED`) cannot write on what it read before another's commit.
#[tokio::test]
async fn r_b43_sqlite_itself_refuses_a_write_on_a_stale_reading() {
    let server = Server::quickstart(Engine::Sqlite).await;
    let file = format!("sqlite://{}", server.database_file().display());
    let mut connections =
        [sqlx::SqliteConnection::connect(&file).await.expect("it opens"), sqlx::SqliteConnection::connect(&file).await.expect("it opens")];
    for connection in &mut connections {
        sqlx::query("BEGIN DEFERRED").execute(&mut *connection).await.expect("BEGIN");
        let active: i64 = sqlx::query_scalar("SELECT active_administrators FROM org_heads").fetch_one(connection).await.expect("a count");
        assert_eq!(active, 1);
    }
    let mut written = Vec::new();
    for connection in &mut connections {
        let update = sqlx::query("UPDATE org_heads SET active_administrators = 0").execute(&mut *connection).await;
        let commit = sqlx::query("COMMIT").execute(connection).await;
        written.push(update.is_ok() && commit.is_ok());
    }
    assert_eq!(written, [true, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requirement_7_no_call_in_flight_commits_after_the_deactivation() {
    on_both(async |engine| {
        let nodes = Arc::new(two_nodes(engine, &Options::default()).await);
        let permissions = json!(["users:update", "users:invite", "access_groups:create"]);
        nodes[0].ok("create_access_group", json!({"name": "Writers", "permissions": permissions})).await;
        let (id, token) = nodes[0].member("una@example.com", &["Writers"]).await;
        let database = Connection::to(&nodes[0]).await;
        let of_una = "actor_kind = 'user' AND outcome = 'done' AND surface = 'mcp'
                      AND actor_id = (SELECT id FROM users WHERE email_key = 'una@example.com')";
        let mut acknowledged = 0;
        for round in 0..rounds(20, 200) {
            let done = Arc::new(AtomicUsize::new(0));
            let mut hands = JoinSet::new();
            for hand in 0..6 {
                let (nodes, token, done) = (Arc::clone(&nodes), token.clone(), Arc::clone(&done));
                hands.spawn(async move {
                    for n in 0.. {
                        let name = format!("{round}-{hand}-{n}");
                        let (tool, arguments) = match hand % 3 {
                            0 => ("update_user", json!({"user": "una@example.com", "first_name": name})),
                            1 => ("create_access_group", json!({"name": format!("Group {name}")})),
                            _ => ("invite_user", json!({"email": format!("{name}@example.com"), "first_name": "A", "last_name": "B"})),
                        };
                        match outcome(&nodes[hand % 2].call(&token, tool, arguments).await).as_str() {
                            "done" => done.fetch_add(1, Ordering::Relaxed),
                            "401" => return,
                            other => panic!("{tool}: {other}"),
                        };
                    }
                });
            }
            until("some writes", async || (done.load(Ordering::Relaxed) >= 6).then_some(())).await;
            let ended = nodes[round % 2].call(&nodes[0].token, "deactivate_user", json!({"user": id})).await;
            assert_eq!(ended.structured()["ended"]["mcp_tokens"], 1);
            hands.join_all().await;
            let deactivated =
                database.number("SELECT max(seq) FROM audit_log WHERE action = 'users:deactivate' AND outcome = 'done'").await;
            let after = database.number(&format!("SELECT count(*) FROM audit_log WHERE seq > {deactivated} AND {of_una}")).await;
            assert_eq!(after, 0, "round {round}");
            // What was answered is there, and nothing that was not.
            acknowledged += i64::try_from(done.load(Ordering::Relaxed)).expect("few");
            assert_eq!(database.number(&format!("SELECT count(*) FROM audit_log WHERE {of_una}")).await, acknowledged, "round {round}");
            nodes[0].ok("reactivate_user", json!({"user": id})).await;
            assert!(database.run("UPDATE credentials SET revoked_at = NULL WHERE revoked_at IS NOT NULL").await);
        }
        counters_agree(&database).await;
        database.close().await;
        assert_eq!(nodes[0].verified().await["ok"], true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requirement_11_no_call_in_flight_commits_after_its_right_was_taken() {
    on_both(async |engine| {
        let nodes = Arc::new(two_nodes(engine, &Options::default()).await);
        nodes[0].ok("create_access_group", json!({"name": "Writers", "permissions": ["access_groups:create"]})).await;
        let (id, token) = nodes[0].member("una@example.com", &["Writers"]).await;
        let database = Connection::to(&nodes[0]).await;
        let takings = [
            ("remove_from_access_group", json!({"users": [id], "access_groups": ["Writers"]})),
            ("update_access_group", json!({"access_group": "Writers", "remove_permissions": ["access_groups:create"]})),
            ("update_user", json!({"user": id, "role": "User"})),
        ];
        let givings = [
            ("add_to_access_group", json!({"users": [id], "access_groups": ["Writers"]})),
            ("update_access_group", json!({"access_group": "Writers", "add_permissions": ["access_groups:create"]})),
            ("update_user", json!({"user": id, "role": "Administrator"})),
        ];
        for round in 0..rounds(9, 99) {
            // The last of the three is a demotion: for it the right has to come from the role.
            if round % 3 == 2 {
                let (tool, arguments) = takings[0].clone();
                nodes[0].ok(tool, arguments).await;
                let (tool, arguments) = givings[2].clone();
                nodes[0].ok(tool, arguments).await;
            }
            let done = Arc::new(AtomicUsize::new(0));
            let mut hands = JoinSet::new();
            for hand in 0..6 {
                let (nodes, token, done) = (Arc::clone(&nodes), token.clone(), Arc::clone(&done));
                hands.spawn(async move {
                    for n in 0.. {
                        let group = json!({"name": format!("Group {round}-{hand}-{n}")});
                        match outcome(&nodes[hand % 2].call(&token, "create_access_group", group).await).as_str() {
                            "done" => done.fetch_add(1, Ordering::Relaxed),
                            "permission_denied" => return,
                            other => panic!("{other}"),
                        };
                    }
                });
            }
            until("some writes", async || (done.load(Ordering::Relaxed) >= 6).then_some(())).await;
            let (tool, arguments) = takings[round % 3].clone();
            assert_eq!(nodes[round % 2].call(&nodes[0].token, tool, arguments).await.structured()["changed"], true);
            hands.join_all().await;
            let taken = database.number(&format!("SELECT max(seq) FROM audit_log WHERE tool = '{tool}' AND outcome = 'done'")).await;
            let after = format!("SELECT count(*) FROM audit_log WHERE seq > {taken} AND tool = 'create_access_group' AND outcome = 'done'");
            assert_eq!(database.number(&after).await, 0, "round {round}, {tool}");
            let (tool, arguments) = givings[if round % 3 == 2 { 0 } else { round % 3 }].clone();
            nodes[0].ok(tool, arguments).await;
        }
        database.close().await;
        assert_eq!(nodes[0].verified().await["ok"], true);
    })
    .await;
}
