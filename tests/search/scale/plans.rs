//! Hot statements are answered from their indexes, whatever stands beside them in the tables.

use super::Watched;
use crate::{
    common::{Engine, Server, database::Connection},
    dashboard::roster::link,
    search::{
        roster::{Person, filler},
        seed,
    },
    signing_in::Browser,
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
        ("list_mcp_tokens", json!({})),
        ("list_mcp_tokens", json!({"user": "boss@example.com"})),
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

/// Pages that read more than who comes.
const PAGES: [&str; 4] =
    ["/audit", "/audit?user=boss%40example.com", "/audit?outcome=refused&from=2020-01-01", "/audit?action=users%3Ainvite&client=x"];

/// What narrows the log, and the index that SQLite finds those entries by. Of two filters one has few entries.
const LOG: [(&str, &str); 12] = [
    (r#"{"surface": "cli"}"#, "audit_log_by_surface"),
    (r#"{"outcome": "failed"}"#, "audit_log_by_outcome"),
    (r#"{"action": "users:invite"}"#, "audit_log_by_action"),
    (r#"{"client": "nobody"}"#, "audit_values_by_client"),
    (r#"{"user": "admin@example.com"}"#, "audit_log_by_target"),
    (r#"{"to": "2020-01-01T00:00:00Z"}"#, "audit_log_by_time"),
    (r#"{"from": "2020-01-01T00:00:00Z", "surface": "cli"}"#, "audit_log_by_surface"),
    (r#"{"user": "admin@example.com", "outcome": "failed"}"#, "audit_log_by_outcome"),
    (r#"{"user": "admin@example.com", "client": "nobody"}"#, "audit_values_by_client"),
    (r#"{"surface": "cli", "outcome": "done"}"#, "audit_log_by_surface"),
    (r#"{"action": "users:invite", "surface": "api"}"#, "audit_log_by_action"),
    (r#"{"client": "nobody", "outcome": "done"}"#, "audit_values_by_client"),
];

fn of_the_log(arguments: &str) -> Value {
    let mut arguments: Value = serde_json::from_str(arguments).expect("JSON");
    arguments["limit"] = json!(50);
    arguments
}

/// The roster's page in its orders, by what narrows it; with each the most that one part of a plan may look at. What no index has
/// in that order is bounded by a number of people, everything else by the page.
fn pages() -> Vec<(String, u64)> {
    let mut pages = Vec::new();
    for sort in ["-created", "created", "name", "-name", "email", "-email", "last_seen", "-last_seen"] {
        for (filter, most) in [
            ("", LOOKED_AT),
            ("&status=pending", LOOKED_AT),
            ("&role=Administrator", LOOKED_AT),
            ("&role=User", LOOKED_AT),
            ("&access_group=Support", LOOKED_AT),
            ("&last_seen=never", WALKED),
            ("&last_seen=90d", LOOKED_AT),
            ("&query=wxyvq", LOOKED_AT),
            ("&query=filler.example", SORTED),
            ("&query=an", SORTED),
            ("&access_group=Early", WALKED),
            ("&query=early.example", SORTED),
        ] {
            pages.push((format!("/users?sort={sort}{filter}"), most));
        }
    }
    pages
}

/// A page and those after and before it, read by `read`.
async fn around(browser: &Browser, path: &str, mut read: impl AsyncFnMut(&str)) {
    let mut at = path.to_owned();
    for rel in ["next", "next", "prev"] {
        let seen = browser.get(&at).await;
        assert_eq!(seen.status, 200, "{at}: {}", seen.html);
        read(&at).await;
        let Some(onward) = link(&seen, rel) else { return };
        at = onward;
    }
}

/// One large organization among small ones; cursors into its list and into a search.
async fn large(engine: Engine) -> (Server, String, String) {
    let (many, few, organizations) = sizes();
    let server = Server::quickstart(engine).await;
    let connection = Connection::to(&server).await;
    let early = |n| Person::new("Qzed", &format!("Early-{n}"), &format!("zed.{n}@early.example"));
    seed::people(&connection, 1, &(0..1100).map(early).collect::<Vec<_>>()).await;
    seed::people(&connection, 1, &(0..many).map(filler).collect::<Vec<_>>()).await;
    seed::people(&connection, 1, &[Person::new("Wxyvq", "Zzkrj", "wxyvq@example.com")]).await;
    seed::organizations(&connection, organizations, few).await;
    // Entries of another organization's log, and many of our own that hold next to no filter.
    let last = connection.number("SELECT max(number) AS n FROM organizations").await;
    seed::entries(&connection, last, 3000, "NULL", ["users:invite", "cli", "done"]).await;
    seed::entries(&connection, 1, 3000, "(SELECT id FROM users WHERE email_key = 'admin@example.com')", ["users:update", "api", "done"])
        .await;
    connection.close().await;
    server.administrator("boss@example.com").await;
    for name in ["Support", "Sales", "Early"] {
        server.ok("create_access_group", json!({"name": name, "permissions": ["users:read"]})).await;
    }
    let members = "INSERT INTO group_members (group_key, user_key, added_at) SELECT g.key, u.key, u.created_at
                     FROM access_groups g, users u WHERE g.name = 'Early' AND u.email_key LIKE '%early.example'";
    assert!(server.tamper(members).await);
    assert!(server.tamper("UPDATE access_groups SET members = 1100 WHERE name = 'Early'").await);
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

/// SQLite's plan of a statement, which goes through no table; `of` is what asks it.
async fn scanning_nothing(connection: &Connection, statement: &str, of: &str) -> Vec<String> {
    let rows = connection.rows(&format!("EXPLAIN QUERY PLAN {statement}")).await;
    let plan: Vec<String> = rows.iter().filter_map(|row| row["detail"].clone()).collect();
    for line in &plan {
        assert!(!scans_a_table(line, &plan), "{of}\n{line} in {statement}\n{plan:#?}");
    }
    plan
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
            scanning_nothing(&connection, statement, &format!("{tool} {arguments}")).await;
        }
    }
    for (arguments, index) in LOG {
        watched.statements();
        watched.server.ok("list_audit_events", of_the_log(arguments)).await;
        let mut plans = Vec::new();
        for statement in watched.statements() {
            let plan = scanning_nothing(&connection, &statement, arguments).await;
            // Which filter has the fewest is asked of all their indexes.
            plans.extend(plan.into_iter().filter(|_| !statement.contains("count(*)")));
        }
        assert!(plans.iter().any(|line| line.contains(index)), "{arguments}\n{plans:#?}");
    }
    let browser = Browser::in_by_password(&watched.server, "boss@example.com").await;
    for path in PAGES {
        watched.statements();
        assert_eq!(browser.get(path).await.status, 200, "{path}");
        for statement in watched.statements() {
            scanning_nothing(&connection, &statement, path).await;
        }
    }
    for (path, _) in pages() {
        watched.statements();
        around(&browser, &path, async |at| {
            let statements = watched.statements();
            assert!(statements.len() <= PAGE, "{at}: {statements:#?}");
            for statement in &statements {
                let plan = scanning_nothing(&connection, statement, at).await;
                // An order comes out of its own index, and not out of sorting the organization.
                let order = ["users_by_name", "users_by_email", "users_by_last_seen"]
                    .into_iter()
                    .zip(["sort=name", "sort=email", "sort=last_seen"])
                    .find(|(_, word)| at.replace("=-", "=").contains(word));
                if let Some((index, _)) = order.filter(|_| statement.contains(" near AS MATERIALIZED")) {
                    // Whoever has exactly that address is found by it.
                    let found = |line: &&String| line.contains(index) || line.ends_with("(org=? AND email_key=?)");
                    assert_eq!(plan.iter().filter(found).count(), 6, "{at}\n{plan:#?}");
                }
            }
        })
        .await;
    }
    connection.close().await;
}

/// Statements of a page of the roster: who looks, the counters, the groups of the menu and the one that was asked for, who is found,
/// where they stand some way on, where all of them stand, who they are.
const PAGE: usize = 8;

/// Tables of which the seed has many rows.
const MANY: [&str; 5] = ["users", "users_grams", "links", "outbox", "audit_log"];
/// More rows than a page, its total and what stands between them need.
const LOOKED_AT: u64 = 1100;

/// What a page looks at where no index has the filter in its order.
const WALKED: u64 = 2100;

/// What a page sorts that a search of many hits finds, as the tool's list does: here that may be everybody.
const SORTED: u64 = 8000;

/// The number after a word, if it stands in the line.
fn number_after(line: &str, word: &str) -> Option<u64> {
    let digits = &line[line.find(word)? + word.len()..];
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What a line of PostgreSQL's plan did that it should not: looked at more than `most` rows.
fn is_too_much(line: &str, most: u64) -> bool {
    if line.contains("(never executed)") {
        return false;
    }
    let scans = MANY.iter().any(|table| line.contains(&format!("Seq Scan on {table} ")));
    // An index of hits says how many there are before the first is looked at.
    let rows = number_after(line, "(actual rows=").zip(number_after(line, "loops=")).map_or(0, |(rows, loops)| rows * loops);
    let visited = if line.contains("Bitmap Index Scan") { 0 } else { rows };
    scans || visited > most || number_after(line, "Rows Removed by Filter: ").is_some_and(|removed| removed > most)
}

#[tokio::test]
async fn postgres_scans_no_table() {
    let (server, cursor, deep) = large(Engine::Postgres).await;
    let connection = Connection::to(&server).await;
    let database = server.database_url().and_then(|url| url.rsplit_once('/')).expect("an address").1.to_owned();
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_analyze = on",
        "auto_explain.log_timing = off",
        "auto_explain.log_level = notice",
    ] {
        assert!(connection.run(&format!("ALTER DATABASE {database} SET {setting}")).await, "{setting}");
    }
    assert!(connection.run("VACUUM ANALYZE").await);
    connection.close().await;
    let watched = Watched::over(server).await;
    for (tool, arguments) in reads(&cursor, &deep) {
        watched.news();
        // More often than it takes until the server would weigh another plan.
        for _ in 0..8 {
            watched.server.ok(tool, arguments.clone()).await;
        }
        assert!(explained(&watched, LOOKED_AT, &format!("{tool} {arguments}")) >= 8, "{tool} was explained");
    }
    for (arguments, _) in LOG {
        watched.news();
        for _ in 0..8 {
            watched.server.ok("list_audit_events", of_the_log(arguments)).await;
        }
        // What an index finds it may sort, as long as that is no more than all of this chain.
        assert!(explained(&watched, 3200, arguments) >= 8, "{arguments} was explained");
    }
    let browser = Browser::in_by_password(&watched.server, "boss@example.com").await;
    for path in PAGES {
        watched.news();
        for _ in 0..8 {
            assert_eq!(browser.get(path).await.status, 200, "{path}");
        }
        // The drawing counts the newest entries of its days, up to a number of its own.
        assert!(explained(&watched, 3200, path) >= 8, "{path} was explained");
    }
    for (path, most) in pages() {
        watched.news();
        around(&browser, &path, async |at| {
            // As above, in few rounds: each statement serves many of these pages.
            browser.get(at).await;
            assert!(explained(&watched, most, at) >= 4, "{at} was explained");
        })
        .await;
    }
}

/// How many plans were logged since the last look, none of which looked at too much.
fn explained(watched: &Watched, most: u64, what: &str) -> usize {
    let mut plans = 0;
    for (target, fields) in watched.news() {
        let text = fields["message"].as_str().unwrap_or_default();
        let (true, Some((_, said))) = (target == "sqlx::postgres::notice", text.split_once("plan:\n")) else { continue };
        let plan: Vec<&str> = said.lines().filter(|line| line.contains("(cost=") || line.contains("Rows Removed")).collect();
        if plan.first().is_some_and(|top| top.starts_with("Update") || top.starts_with("Delete")) {
            continue; // The sweepers, beside the calls.
        }
        plans += 1;
        for line in &plan {
            assert!(!is_too_much(line, most), "{what}\n{line}\n{said}");
        }
    }
    plans
}
