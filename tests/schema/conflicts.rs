//! Transactions that meet.

use crate::common::{Engine, Server, database::Connection, on_both};
use serde_json::json;
use tokio::task::JoinSet;

/// From now on the first `times` inserts into a table are refused as the database refuses what it cannot order.
async fn refuse(connection: &Connection, table: &str, code: &str, times: i64) {
    for statement in [
        format!("CREATE SEQUENCE refused_{table}"),
        format!(
            "CREATE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF nextval('refused_{table}') <= {times} THEN RAISE EXCEPTION 'met another' USING ERRCODE = '{code}'; END IF; RETURN NEW;
             END $$"
        ),
        format!("CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_{table}()"),
    ] {
        assert!(connection.run(&statement).await, "{statement}");
    }
}

#[tokio::test]
async fn r_b109_what_the_database_cannot_order_is_done_again_once() {
    // A sequence counts also what was rolled back. 40001: serialization failure; 40P01: deadlock.
    for (code, table) in [("40001", "outbox"), ("40P01", "audit_values"), ("40001", "users"), ("40P01", "links")] {
        let server = Server::quickstart(Engine::Postgres).await;
        let connection = Connection::to(&server).await;
        let entries = connection.number("SELECT count(*) AS n FROM audit_log").await;
        refuse(&connection, table, code, 2).await;
        let invited = server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        assert_eq!(invited["changed"], true);
        server.link(1).await;
        for (table, count) in [("users", 2), ("links WHERE kind = 'invite'", 1), ("outbox", 1), ("audit_log", entries + 1)] {
            assert_eq!(connection.number(&format!("SELECT count(*) AS n FROM {table}")).await, count, "{table} after {code}");
        }
        assert_eq!(server.mails().len(), 1);
        assert_eq!(server.verified().await["ok"], true);
        connection.close().await;
    }
}

#[tokio::test]
async fn r_b109_what_never_goes_through_is_refused_with_a_code_that_says_try_again() {
    let server = Server::quickstart(Engine::Postgres).await;
    let connection = Connection::to(&server).await;
    refuse(&connection, "outbox", "40001", 1_000_000).await;
    let before = connection.digest(&["security_events"]).await;
    let invite = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"});
    let error = server.refused("invite_user", invite).await;
    assert_eq!(error["code"], "unavailable");
    assert_eq!(before, connection.digest(&["security_events"]).await, "nothing stays");
    // Tried a bounded number of times.
    let tries = connection.number("SELECT last_value AS n FROM refused_outbox").await;
    assert!((2..=10).contains(&tries), "{tries}");
    connection.close().await;
}

#[tokio::test]
async fn r_b109_calls_that_name_the_same_people_in_another_order_all_go_through() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let node = server.second_node(&crate::common::Options::default()).await;
        let mut people = Vec::new();
        for n in 0..8 {
            let email = format!("p{n}@example.com");
            server.ok("invite_user", json!({"email": email, "first_name": "P", "last_name": "Erson"})).await;
            people.push(email);
        }
        let groups: Vec<String> = (0..4).map(|n| format!("Group {n}")).collect();
        for name in &groups {
            server.ok("create_access_group", json!({"name": name, "permissions": ["users:read"]})).await;
        }
        let mut calls = JoinSet::new();
        for n in 0..20 {
            let (mut users, mut groups) = (people.clone(), groups.clone());
            if n % 2 == 1 {
                users.reverse();
                groups.reverse();
            }
            let on = if n % 4 < 2 { &server } else { &node };
            let call = on.request(&server.token, "add_to_access_group", &json!({"users": users, "access_groups": groups}));
            calls.spawn(async move { call.await.structured()["changed"] == true });
        }
        let mut changed = 0;
        while let Some(call) = calls.join_next().await {
            changed += usize::from(call.expect("it goes through"));
        }
        assert_eq!(changed, 1, "the first one changes all, the others nothing");
        let connection = Connection::to(&server).await;
        assert_eq!(connection.number("SELECT count(*) AS n FROM group_members").await, 32);
        assert_eq!(connection.number("SELECT min(members) AS n FROM access_groups").await, 8);
        assert_eq!(connection.number("SELECT max(members) AS n FROM access_groups").await, 8);
        let entries = "SELECT count(*) AS n FROM audit_log WHERE action = 'access_groups:assign' AND outcome = 'done'";
        assert_eq!(connection.number(entries).await, 8, "one entry for a person");
        assert_eq!(connection.number("SELECT min(version) AS n FROM users WHERE status = 'pending'").await, 2);
        assert_eq!(connection.number("SELECT max(version) AS n FROM users WHERE status = 'pending'").await, 2);
        connection.close().await;
    })
    .await;
}
