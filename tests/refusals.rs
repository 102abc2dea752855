//! What refused calls leave behind is bounded, and nothing of it is lost count of.

use crate::common::{Engine, Options, Server, database::Connection, on_both, rounds, two_nodes, until};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    task::JoinSet,
};

/// Entries of refusals in a minute: of one organization on one node, and of one actor in it.
const PER_ORGANIZATION: i64 = 60;
const PER_ACTOR: i64 = 20;
/// Rows of `security_events` in a minute and node.
const EVENTS: i64 = 1000;

/// Tables that hold the bounded evidence itself.
const EVIDENCE: [&str; 4] = ["audit_log", "audit_values", "org_heads", "security_events"];

/// Makes `times` calls, thirty-two at once; `call` is given the number of each.
async fn flood<F>(times: usize, call: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    for n in 0..times {
        if under_way.len() == 32 {
            under_way.join_next().await.expect("one of them").expect("no panic");
        }
        under_way.spawn(call(n));
    }
    under_way.join_all().await;
}

/// A refused call; it must be refused with this code.
fn refused(node: &Server, token: &str, tool: &str, arguments: &Value, code: &'static str) -> impl Future<Output = ()> + Send + use<> {
    let call = node.request(token, tool, arguments);
    async move { assert_eq!(call.await.error()["code"], code) }
}

const REFUSED: &str =
    "SELECT at, actor_kind, actor_id, target_id, action, code, repeated FROM audit_log WHERE outcome = 'refused' ORDER BY seq";

/// All refusals in the log: how often in all, and that no minute holds more entries than `nodes` may write in it.
async fn refusals_are_bounded(database: &Connection, nodes: i64) -> i64 {
    let mut by_minute: BTreeMap<(i64, Option<String>), i64> = BTreeMap::new();
    let mut sum = 0;
    for row in database.rows(REFUSED).await {
        let number = |column: &str| row[column].as_deref().and_then(|text| text.parse::<i64>().ok()).expect("a number");
        sum += number("repeated");
        let minute = number("at") / 60_000;
        *by_minute.entry((minute, None)).or_default() += 1;
        *by_minute.entry((minute, Some(row["actor_id"].clone().unwrap_or_default()))).or_default() += 1;
    }
    for ((minute, actor), entries) in by_minute {
        let bound = nodes * if actor.is_some() { PER_ACTOR } else { PER_ORGANIZATION };
        assert!(entries <= bound, "{entries} entries in minute {minute} by {actor:?}");
    }
    sum
}

async fn events_are_bounded(database: &Connection, nodes: i64) -> i64 {
    let per_minute = "SELECT max(n) FROM (SELECT count(*) AS n FROM security_events GROUP BY at / 60000) q";
    let rows = database.number(per_minute).await;
    assert!(rows <= nodes * EVENTS, "{rows} rows in a minute");
    database.number("SELECT sum(count) FROM security_events").await
}

#[tokio::test]
async fn a_refusal_is_an_entry_soon_and_its_repeats_are_one_more() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        let (_, una) = server.member("una@example.com", &[]).await;
        let (id, _) = server.member("bo@example.com", &[]).await;
        let arguments = json!({"user": id, "reason": "because"});
        refused(&server, &una, "deactivate_user", &arguments, "permission_denied").await;
        let filter = json!({"action": "users:deactivate", "outcome": "refused"});
        let event = until("the entry", async || {
            let events = server.ok("list_audit_events", filter.clone()).await;
            events["events"].as_array().and_then(|events| events.first().cloned())
        })
        .await;
        assert_eq!(
            (&event["code"], &event["repeated"], &event["tool"], &event["surface"], &event["actor"]["name"]),
            (&json!("permission_denied"), &json!(1), &json!("deactivate_user"), &json!("mcp"), &json!("Test Person"))
        );
        assert_eq!((&event["target"]["id"], &event["changes"]), (&json!(id), &json!([])));
        for _ in 0..24 {
            refused(&server, &una, "deactivate_user", &arguments, "permission_denied").await;
        }
        server.stop().await;
        let database = Connection::to(&server).await;
        assert_eq!(refusals_are_bounded(&database, 1).await, 25);
        let rows = database.rows(REFUSED).await;
        // One and its repeats; a minute that ended meanwhile makes it two of each.
        assert!((2..=4).contains(&rows.len()), "{rows:?}");
        assert!(rows.iter().all(|row| row["target_id"] == rows[0]["target_id"] && row["action"].as_deref() == Some("users:deactivate")));
        database.close().await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_refused_before_it_is_read_names_whom_it_meant() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        let (_, una) = server.member("una@example.com", &[]).await;
        let (id, _) = server.member("bo@example.com", &[]).await;
        let read_only = server.token_for("admin@example.com", &["--read-only"]).await;
        let group = server.ok("create_access_group", json!({"name": "Support"})).await["access_group"]["id"].clone();
        let calls = [
            (&read_only, "deactivate_user", json!({"user": id})),
            (&read_only, "update_user", json!({"user": "bo@example.com", "role": "User"})),
            (&read_only, "add_to_access_group", json!({"users": [id], "access_groups": ["Support"]})),
            (&read_only, "invite_user", json!({"email": "bo@example.com", "first_name": "B", "last_name": "O"})),
            (&una, "deactivate_user", json!({"user": id, "no_such": 1})),
            (&una, "remove_from_access_group", json!({"users": "bo@example.com"})),
        ];
        for (token, tool, arguments) in &calls {
            refused(&server, token, tool, arguments, "permission_denied").await;
        }
        refused(&server, &read_only, "delete_access_group", &json!({"access_group": group}), "permission_denied").await;
        refused(&server, &una, "list_audit_events", &json!({"user": id, "limit": "many"}), "permission_denied").await;
        server.stop().await;
        let database = Connection::to(&server).await;
        let as_text = if engine == Engine::Sqlite { "nullif(lower(hex(target_id)), '')" } else { "replace(target_id::text, '-', '')" };
        let told = format!("SELECT tool, target_kind, {as_text} AS id FROM audit_log WHERE outcome = 'refused'");
        let rows = database.rows(&told).await;
        assert_eq!(rows.len(), calls.len() + 2, "{engine:?}: {rows:?}");
        for row in rows {
            let tool = row["tool"].as_deref().expect("a tool");
            let expected = match tool {
                "delete_access_group" => Some(group.as_str().expect("an id").replace('-', "")),
                "list_audit_events" => None,
                _ => Some(id.replace('-', "")),
            };
            assert_eq!(row["id"], expected, "{engine:?}, {tool}");
        }
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_refusal_names_its_target_as_it_was_then_or_not_at_all() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        let (_, una) = server.member("una@example.com", &[]).await;
        let (id, _) = server.member("bo@example.com", &[]).await;
        let by_her = json!({"user": "una@example.com", "outcome": "refused"});
        let target = async |server: &Server, tool: &str| {
            until(tool, async || {
                let events = server.ok("list_audit_events", by_her.clone()).await;
                events["events"]
                    .as_array()
                    .and_then(|events| events.iter().find(|event| event["tool"] == tool))
                    .map(|event| event["target"].clone())
            })
            .await
        };
        let arguments = json!({"user": id});
        for _ in 0..2 {
            refused(&server, &una, "deactivate_user", &arguments, "permission_denied").await;
        }
        target(&server, "deactivate_user").await;
        // Its repeat is written later, when the person has another name.
        server.ok("update_user", json!({"user": id, "first_name": "Later"})).await;
        // What nobody has is told by its kind, what somebody has by its id, and no name is an empty one.
        refused(&server, &una, "resend_invite", &json!({"user": "nobody@example.com"}), "permission_denied").await;
        refused(&server, &una, "get_user", &json!({"user": "bogus"}), "permission_denied").await;
        refused(&server, &una, "delete_access_group", &json!({"access_group": "X"}), "permission_denied").await;
        let random = uuid::Uuid::from_u128(7).to_string();
        refused(&server, &una, "reactivate_user", &json!({"user": random}), "permission_denied").await;
        refused(&server, &una, "update_user", &json!({"user": "admin@example.com", "first_name": "X"}), "permission_denied").await;
        assert_eq!(target(&server, "update_user").await["name"], "First Administrator");
        for tool in ["resend_invite", "get_user"] {
            assert_eq!(target(&server, tool).await, json!({"kind": "user", "id": null, "name": null}), "{tool}");
        }
        assert_eq!(target(&server, "delete_access_group").await, json!({"kind": "access_group", "id": null, "name": null}));
        assert_eq!(target(&server, "reactivate_user").await, json!({"kind": "user", "id": random, "name": null}));
        server.stop().await;
        let database = Connection::to(&server).await;
        let names = "SELECT text FROM audit_values v JOIN audit_log l ON l.org = v.org AND l.seq = v.seq
                      WHERE l.outcome = 'refused' AND v.field = 'target.name'";
        let names: Vec<_> = database.rows(names).await.into_iter().filter_map(|mut row| row.remove("text").flatten()).collect();
        assert!(!names.iter().any(|name| name.contains("Later")), "{names:?}");
        assert_eq!(refusals_are_bounded(&database, 1).await, 7);
        database.close().await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn different_refusals_are_entries_of_their_own() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (_, una) = server.member("una@example.com", &[]).await;
        let database = Connection::to(&server).await;
        let calls = [
            ("list_users", json!({})),
            ("get_user", json!({"user": "admin@example.com"})),
            ("check_membership", json!({"user": "nobody@example.com"})),
            ("invite_user", json!({"email": "x@example.com", "first_name": "X", "last_name": "Y"})),
            ("resend_invite", json!({"user": "admin@example.com"})),
            ("update_user", json!({"user": "admin@example.com", "first_name": "X"})),
            ("deactivate_user", json!({"user": "admin@example.com"})),
            ("reactivate_user", json!({"user": "admin@example.com"})),
            ("list_access_groups", json!({})),
            ("create_access_group", json!({"name": "X"})),
            ("update_access_group", json!({"access_group": "X", "name": "Y"})),
            ("delete_access_group", json!({"access_group": "X"})),
            ("add_to_access_group", json!({"users": ["admin@example.com"], "access_groups": ["X"]})),
            ("list_audit_events", json!({})),
            ("list_mcp_tokens", json!({"user": "admin@example.com"})),
            ("revoke_mcp_token", json!({"id": "bogus"})),
            ("end_ai_access", json!({"user": "admin@example.com"})),
        ];
        for (tool, arguments) in &calls {
            refused(&server, &una, tool, arguments, "permission_denied").await;
        }
        for (tool, _) in &calls {
            until(tool, async || {
                let sql = format!("SELECT count(*) FROM audit_log WHERE tool = '{tool}' AND outcome = 'refused' AND repeated = 1");
                (database.number(&sql).await == 1).then_some(())
            })
            .await;
        }
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_refusal_that_could_not_be_written_is_written_later() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (_, una) = server.member("una@example.com", &[]).await;
        let database = Connection::to(&server).await;
        // The first lock this node asks for is that of the entry.
        let node = server.second_node(&Options::default().with("USHER_FAILPOINTS", "store.lock=error@1")).await;
        refused(&node, &una, "list_users", &json!({}), "permission_denied").await;
        until("the entry", async || (refusals_are_bounded(&database, 1).await == 1).then_some(())).await;
        database.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_users_refused_calls_is_twenty_entries_a_minute() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        let (una, token) = server.member("una@example.com", &[]).await;
        let database = Connection::to(&server).await;
        // What was gathered of earlier calls is written before the flood begins.
        server.stop().await;
        server.restart(&Options::default()).await;
        let before = database.digest(&EVIDENCE).await;
        let times = rounds(600, 100_000);
        flood(times, |n| {
            let target = if n % 2 == 0 { format!("person{n}@example.com") } else { uuid::Uuid::from_u128(n as u128).to_string() };
            refused(&server, &token, "deactivate_user", &json!({"user": target}), "permission_denied")
        })
        .await;
        server.stop().await;
        assert_eq!(refusals_are_bounded(&database, 1).await, i64::try_from(times).expect("few"));
        let others = database.rows("SELECT DISTINCT actor_id, action, code, tool FROM audit_log WHERE outcome = 'refused'").await;
        assert_eq!(others.len(), 1, "{others:?}");
        assert_eq!(others[0]["actor_id"].as_deref().map(|id| id.replace('-', "")), Some(una.replace('-', "")));
        // Nothing else was touched; so not when the token was last used, nor when its person was last seen.
        assert_eq!(database.digest(&EVIDENCE).await, before);
        database.close().await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_by_many_is_sixty_entries_a_minute_and_node_and_counts_them_all() {
    on_both(async |engine| {
        let mut nodes = two_nodes(engine, &Options::default()).await;
        let mut tokens = Vec::new();
        for n in 0..6 {
            tokens.push(nodes[0].member(&format!("person{n}@example.com"), &[]).await.1);
        }
        let database = Connection::to(&nodes[0]).await;
        let times = rounds(600, 30_000);
        flood(times, |n| {
            let arguments = json!({"user": format!("target{}@example.com", n / 12)});
            let tool = if n % 5 == 0 { "resend_invite" } else { "deactivate_user" };
            refused(&nodes[n / 6 % 2], &tokens[n % 6], tool, &arguments, "permission_denied")
        })
        .await;
        for node in &mut nodes {
            node.stop().await;
        }
        assert_eq!(refusals_are_bounded(&database, 2).await, i64::try_from(times).expect("few"));
        database.close().await;
        assert_eq!(nodes[0].verified().await["ok"], true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_with_a_dead_token_is_two_rows_a_minute() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        let (una, token) = server.member("una@example.com", &[]).await;
        server.ok("deactivate_user", json!({"user": una})).await;
        let database = Connection::to(&server).await;
        let entries = database.number("SELECT count(*) FROM audit_log").await;
        let times = rounds(600, 100_000);
        flood(times, |_| {
            let call = server.request(&token, "whoami", &json!({}));
            async move { assert_eq!(call.await.status, 401) }
        })
        .await;
        server.stop().await;
        assert_eq!(events_are_bounded(&database, 1).await, i64::try_from(times).expect("few"));
        let most = database.number("SELECT max(n) FROM (SELECT count(*) AS n FROM security_events GROUP BY at / 60000) q").await;
        assert!(most <= 2, "{most}");
        assert_eq!(database.number("SELECT count(*) FROM audit_log").await, entries, "no chain is touched");
        for row in database.rows("SELECT * FROM security_events").await {
            assert_eq!((row["kind"].as_deref(), row["surface"].as_deref()), (Some("dead_token"), Some("mcp")));
            // 32 bytes, and not the address in any spelling.
            let address = row["address"].as_deref().map(|hex| hex.trim_start_matches("\\x").to_owned()).expect("a hash");
            assert_eq!(address.len(), 64);
            let all = format!("{row:?}");
            for raw in ["127.0.0.1", "7f000001", "::1", "3132372e302e302e31"] {
                assert!(!all.contains(raw), "{all}");
            }
        }
        database.close().await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

/// One request from an address of its own in 127.0.0.0/8; the status.
async fn from_address(server: String, address: Ipv4Addr, head: String) -> u16 {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((address, 0).into()).expect("a loopback address");
    let mut stream = socket.connect(server.parse().expect("an address")).await.expect("a connection");
    let request = format!("{head}\r\nHost: {server}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_from_everywhere_are_a_thousand_rows_a_minute_and_are_all_counted() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        let database = Connection::to(&server).await;
        let listen: Arc<str> = server.address().trim_start_matches("http://").into();
        flood(2400, |n| {
            let address = Ipv4Addr::new(127, 1, u8::try_from(n % 1200 / 200).expect("small"), u8::try_from(n % 200 + 1).expect("small"));
            let web = n % 1200 % 7 == 0;
            let head = if web { "GET /invite/nonsense HTTP/1.1" } else { "POST /mcp HTTP/1.1\r\nAuthorization: Bearer usher_pat_dead" };
            let call = from_address(listen.to_string(), address, head.to_owned());
            async move { assert_eq!(call.await, if web { 404 } else { 401 }) }
        })
        .await;
        server.stop().await;
        assert_eq!(events_are_bounded(&database, 1).await, 2400);
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn requirement_18_calls_over_the_limit_are_told_when_to_come_back() {
    on_both(async |engine| {
        let mut server = Server::quickstart_with(engine, &Options::arguments(&["--calls-per-minute", "3"])).await;
        let database = Connection::to(&server).await;
        let other = server.token_for("admin@example.com", &[]).await;
        let post = async |method: &str| {
            let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
            let request = server.http.post(&server.mcp_url).bearer_auth(&server.token).header("content-type", "application/json");
            request.header("accept", "*/*").body(message.to_string()).send().await.expect("an answer")
        };
        for _ in 0..3 {
            server.ok("whoami", json!({})).await;
        }
        // Uses of tokens are written once a minute.
        let elsewhere = ["security_events", "credentials", "users"];
        let before = database.digest(&elsewhere).await;
        for (tool, arguments) in [("whoami", json!({})), ("create_access_group", json!({"name": "Late"}))] {
            let answer = server.call(&server.token, tool, arguments).await;
            assert_eq!(answer.status, 200);
            let error = answer.error();
            assert_eq!((&error["code"], error["request_id"].is_string()), (&json!("rate_limited"), true), "{tool}");
            let wait = error["retry_after_ms"].as_u64().expect("milliseconds");
            assert!((1..=20_000).contains(&wait), "{wait}");
        }
        for method in ["tools/list", "ping", "initialize", "no/such"] {
            let answer = post(method).await;
            assert_eq!(answer.status(), 429, "{method}");
            let seconds: u64 = answer.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
            assert!((1..=20).contains(&seconds), "{seconds}");
        }
        // Whatever is no tool call that could be answered is one of every other request.
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}).to_string();
        for (kind, body) in [
            ("application/json", "{".to_owned()),
            ("application/json", format!("[{call}]")),
            ("application/json", call.replace("whoami", "").replace("name", "names")),
            ("application/json", call.replace(r#""id":1,"#, "")),
            ("application/json", " ".repeat(300_000)),
            ("text/plain", call.clone()),
        ] {
            let request = server.http.post(&server.mcp_url).bearer_auth(&server.token).header("content-type", kind).body(body);
            assert_eq!(request.send().await.expect("an answer").status(), 429, "{kind}");
        }
        // A tool that there is not is a call all the same.
        assert_eq!(server.call(&server.token, "no_such_tool", json!({})).await.error()["code"], "rate_limited");
        assert_eq!(server.http.get(&server.mcp_url).bearer_auth(&server.token).send().await.expect("an answer").status(), 429);
        // Another credential, of the same person even, has a limit of its own; a dead one is 401 whatever its number.
        assert_eq!(server.call(&other, "whoami", json!({})).await.structured()["credential"]["kind"], "token");
        for _ in 0..10 {
            assert_eq!(server.call("usher_pat_dead", "whoami", json!({})).await.status, 401);
        }
        server.stop().await;
        // Nothing of it was done, and nothing of it is an entry.
        assert_eq!(database.digest(&elsewhere).await, before);
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn r_b151_a_mailbox_is_sent_three_more_mails_in_ten_minutes_whoever_asks() {
    on_both(async |engine| {
        let limits = Options::arguments(&["--resends", "3/10m,10/d", "--invites-per-day", "1000"]);
        let nodes = two_nodes(engine, &limits).await;
        let database = Connection::to(&nodes[0]).await;
        let (_, bo) = nodes[0].administrator("bo@example.com").await;
        nodes[0].ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let mut calls = JoinSet::new();
        for n in 0..100 {
            let token = if n % 3 == 0 { &bo } else { &nodes[0].token };
            calls.spawn(nodes[n % 2].request(token, "resend_invite", &json!({"user": "ana@example.com"})));
        }
        let (sent, limited): (Vec<_>, Vec<_>) =
            calls.join_all().await.into_iter().partition(|answer| answer.body["result"]["isError"] != true);
        assert_eq!((sent.len(), limited.len()), (3, 97));
        for answer in limited {
            let error = answer.error();
            assert_eq!(error["code"], "rate_limited");
            let wait = error["retry_after_ms"].as_u64().expect("milliseconds");
            assert!((1..=600_000).contains(&wait), "{wait}");
        }
        // Withdrawing and inviting back is one of them too.
        nodes[0].ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(nodes[0].refused("reactivate_user", json!({"user": "ana@example.com"})).await["code"], "rate_limited");
        // Another person's mailbox has a budget of its own.
        nodes[0].ok("invite_user", json!({"email": "cy@example.com", "first_name": "Cy", "last_name": "Ruiz"})).await;
        assert_eq!(nodes[1].ok("resend_invite", json!({"user": "cy@example.com"})).await["changed"], true);
        // Ten minutes later, which is what the clock's back end says of older links.
        assert!(database.run("UPDATE links SET sent_at = sent_at - 600000").await);
        assert_eq!(nodes[1].ok("reactivate_user", json!({"user": "ana@example.com"})).await["changed"], true);
        assert_eq!(database.number("SELECT count(*) FROM audit_log WHERE code = 'rate_limited'").await, 0);
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn r_b151_a_hundred_people_are_invited_at_once_and_two_hundred_in_a_day() {
    on_both(async |engine| {
        let server = Server::quickstart_with(engine, &Options::arguments(&["--invites-per-day", "1000"])).await;
        let (_, bo) = server.administrator("bo@example.com").await;
        let mut calls = JoinSet::new();
        // With Bo's own invite that is 201.
        for n in 0..200 {
            let arguments = json!({"email": format!("person{n}@example.com"), "first_name": "A", "last_name": "B"});
            calls.spawn(server.request(&server.token, "invite_user", &arguments));
        }
        let (sent, limited): (Vec<_>, Vec<_>) =
            calls.join_all().await.into_iter().partition(|answer| answer.body["result"]["isError"] != true);
        assert_eq!((sent.len(), limited.len()), (199, 1));
        let error = limited[0].error();
        assert_eq!(error["code"], "rate_limited");
        assert!(error["retry_after_ms"].as_u64().is_some_and(|wait| (1..=86_400_000).contains(&wait)), "{error}");
        // The inviter's share is used up; the organization's is not.
        let another = json!({"email": "another@example.com", "first_name": "A", "last_name": "B"});
        assert_eq!(server.call(&bo, "invite_user", another).await.structured()["changed"], true);
        let again = json!({"email": "person0@example.com", "first_name": "A", "last_name": "B"});
        let code = server.refused("invite_user", again).await["code"].clone();
        assert!(code == "email_already_in_use" || code == "rate_limited", "{code}");
    })
    .await;
}
