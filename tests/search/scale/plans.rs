//! Hot statements are answered from their indexes, whatever stands beside them in the tables.

use super::Watched;
use crate::{
    common::{Engine, Server, database::Connection},
    search::{
        roster::{Person, filler},
        seed,
    },
};
use serde_json::{Value, json};

/// People of the large organization; of the small ones; how many small ones.
fn sizes() -> (usize, usize, i64) {
    if std::env::var_os("USHER_TEST_LONG").is_some() { (40_000, 60, 1000) } else { (4000, 60, 30) }
}

/// Calls that come often, or that would hurt.
fn reads(cursor: &str, deep: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("whoami", json!({})),
        ("get_user", json!({"user": "admin@example.com"})),
        ("check_membership", json!({"user": "admin@example.com", "permission": "users:read"})),
        ("list_users", json!({})),
        ("list_users", json!({"cursor": cursor})),
        ("list_users", json!({"status": "pending"})),
        ("list_users", json!({"role": "Administrator", "status": "active"})),
        ("list_users", json!({"access_group": "Support"})),
        ("list_users", json!({"query": "wxyvq"})),
        ("list_users", json!({"query": "novak-39"})),
        ("list_users", json!({"query": "maren"})),
        ("list_users", json!({"query": "filler.example"})),
        ("list_users", json!({"query": "filler.example", "cursor": deep})),
        ("list_users", json!({"query": "nobody whatsoever"})),
        ("list_users", json!({"query": "wx"})),
        ("list_users", json!({"query": "an"})),
        ("list_access_groups", json!({})),
    ]
}

fn writes() -> Vec<(&'static str, Value)> {
    vec![
        ("invite_user", json!({"email": "new@example.com", "first_name": "New", "last_name": "Come", "access_groups": ["Support"]})),
        ("resend_invite", json!({"user": "new@example.com"})),
        ("update_user", json!({"user": "new@example.com", "first_name": "Newly"})),
        ("add_to_access_group", json!({"users": ["new@example.com"], "access_groups": ["Sales"]})),
        ("remove_from_access_group", json!({"users": ["new@example.com"], "access_groups": ["Sales"]})),
        ("deactivate_user", json!({"user": "new@example.com"})),
        ("reactivate_user", json!({"user": "new@example.com"})),
        ("update_access_group", json!({"access_group": "Sales", "description": "Sells"})),
        ("delete_access_group", json!({"access_group": "Sales"})),
    ]
}

/// One large organization among small ones; cursors into its list and into a search.
async fn large(engine: Engine) -> (Server, String, String) {
    let (many, few, organizations) = sizes();
    let server = Server::quickstart(engine).await;
    let connection = Connection::to(&server).await;
    seed::people(&connection, 1, &(0..many).map(filler).collect::<Vec<_>>()).await;
    seed::people(&connection, 1, &[Person::new("Wxyvq", "Zzkrj", "wxyvq@example.com")]).await;
    seed::organizations(&connection, organizations, few).await;
    connection.close().await;
    for name in ["Support", "Sales"] {
        server.ok("create_access_group", json!({"name": name, "permissions": ["users:read"]})).await;
    }
    let members: Vec<String> = (0..80).map(|n| filler(n * 30).email).collect();
    server.ok("add_to_access_group", json!({"users": members, "access_groups": ["Support"]})).await;
    let cursor = async |arguments: Value| {
        let mut arguments = arguments;
        for _ in 0..9 {
            arguments["cursor"] = server.ok("list_users", arguments.clone()).await["next_cursor"].clone();
        }
        arguments["cursor"].as_str().expect("a cursor").to_owned()
    };
    let deep = cursor(json!({"query": "filler.example", "limit": 100})).await;
    let cursor = cursor(json!({"limit": 100})).await;
    (server, cursor, deep)
}

/// Whether a line of SQLite's plan goes through a table from one end to the other.
fn scans_a_table(line: &str, plan: &[String]) -> bool {
    let Some(what) = line.strip_prefix("SCAN ") else { return false };
    let built = |name: &str| plan.iter().any(|line| *line == format!("CO-ROUTINE {name}") || *line == format!("MATERIALIZE {name}"));
    let name = what.split(' ').next().unwrap_or_default();
    // A list that was passed, a part of the same statement, or a search of the index within the organization's keys.
    !(what == "CONSTANT ROW"
        || built(name)
        || what.starts_with("json_each VIRTUAL TABLE")
        || what.starts_with("j VIRTUAL TABLE")
        || (what.starts_with("f VIRTUAL TABLE INDEX") && what.ends_with(":M1><")))
}

#[tokio::test]
async fn sqlite_scans_no_table() {
    let (server, cursor, deep) = large(Engine::Sqlite).await;
    let watched = Watched::over(server).await;
    let connection = Connection::to(&watched.server).await;
    for (tool, arguments) in reads(&cursor, &deep).into_iter().chain(writes()) {
        watched.statements();
        watched.server.ok(tool, arguments.clone()).await;
        let statements = watched.statements();
        assert!(!statements.is_empty());
        for statement in statements.iter().flat_map(|text| text.split(';')) {
            let rows = connection.rows(&format!("EXPLAIN QUERY PLAN {statement}")).await;
            let plan: Vec<String> = rows.iter().filter_map(|row| row["detail"].clone()).collect();
            for line in &plan {
                assert!(!scans_a_table(line, &plan), "{tool} {arguments}\n{line} in {statement}\n{plan:#?}");
            }
        }
    }
    connection.close().await;
}
