//! Hot statements are answered from their indexes.

use super::Watched;
use crate::common::{Engine, Server, database::Connection};
use crate::search::{
    roster::{Person, filler, walk},
    seed,
};
use serde_json::{Value, json};

/// Calls that come often, or that would hurt.
fn calls(cursor: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("whoami", json!({})),
        ("get_user", json!({"user": "admin@example.com"})),
        ("list_users", json!({})),
        ("list_users", json!({"cursor": cursor, "limit": 25})),
        ("list_users", json!({"status": "pending"})),
        ("list_users", json!({"role": "Administrator", "status": "active"})),
        ("list_users", json!({"access_group": "Support"})),
        ("list_users", json!({"invite_expired": true})),
        ("list_users", json!({"query": "wxyvq"})),
        ("list_users", json!({"query": "novak-39"})),
        ("list_users", json!({"query": "maren"})),
        ("list_users", json!({"query": "filler.example"})),
        ("list_users", json!({"query": "nobody whatsoever"})),
        ("list_users", json!({"query": "wx"})),
        ("list_users", json!({"query": "an"})),
        ("list_access_groups", json!({})),
        ("list_audit_events", json!({})),
        ("list_audit_events", json!({"user": "admin@example.com"})),
    ]
}

async fn large(engine: Engine) -> (Server, String) {
    let server = Server::quickstart(engine).await;
    let connection = Connection::to(&server).await;
    seed::people(&connection, 1, &(0..4000).map(filler).collect::<Vec<_>>()).await;
    seed::people(&connection, 1, &[Person::new("Wxyvq", "Zzkrj", "wxyvq@example.com")]).await;
    seed::organizations(&connection, 40, 60).await;
    connection.close().await;
    server.ok("create_access_group", json!({"name": "Support", "permissions": ["users:read"]})).await;
    let members: Vec<String> = (0..80).map(|n| filler(n * 30).email).collect();
    server.ok("add_to_access_group", json!({"users": members, "access_groups": ["Support"]})).await;
    let page = server.ok("list_users", json!({"limit": 25})).await;
    let cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
    assert_eq!(walk(&server, &server.token, &json!({}), 100).await.emails.len(), 4002);
    (server, cursor)
}

#[tokio::test]
async fn sqlite_scans_no_table() {
    let (server, cursor) = large(Engine::Sqlite).await;
    let watched = Watched::over(server).await;
    let connection = Connection::to(&watched.server).await;
    for (tool, arguments) in calls(&cursor) {
        watched.statements();
        watched.server.ok(tool, arguments.clone()).await;
        for statement in watched.statements() {
            let plan: Vec<String> = connection
                .rows(&format!("EXPLAIN QUERY PLAN {statement}"))
                .await
                .into_iter()
                .map(|row| row["detail"].clone().unwrap())
                .collect();
            eprintln!(
                "{tool} {arguments}\n   {}\n      {}",
                statement.split_whitespace().take(10).collect::<Vec<_>>().join(" "),
                plan.join("\n      ")
            );
        }
    }
}

#[tokio::test]
async fn postgres_scans_no_table() {
    let (server, cursor) = large(Engine::Postgres).await;
    let connection = Connection::to(&server).await;
    let name = server.database_url().unwrap().rsplit_once('/').unwrap().1.to_owned();
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_level = notice",
        "auto_explain.log_timing = off",
    ] {
        assert!(connection.run(&format!("ALTER DATABASE {name} SET {setting}")).await);
    }
    assert!(connection.run("VACUUM ANALYZE").await);
    let watched = Watched::over(server).await;
    for (tool, arguments) in calls(&cursor) {
        watched.news();
        for _ in 0..60 {
            watched.server.ok(tool, arguments.clone()).await;
        }
        let mut seen = std::collections::BTreeMap::<String, usize>::new();
        for (target, fields) in watched.news() {
            if target == "sqlx::postgres::notice" {
                let text = fields["message"].as_str().unwrap_or_default().to_owned();
                let plan = text.split_once("plan:\n").map_or("", |(_, plan)| plan);
                // drop query text
                let plan = plan.lines().skip_while(|l| !l.contains("(cost")).collect::<Vec<_>>().join("\n");
                *seen.entry(plan).or_default() += 1;
            }
        }
        eprintln!("##### {tool} {arguments}");
        for (plan, n) in seen {
            eprintln!("--- {n} times\n{plan}");
        }
    }
}
