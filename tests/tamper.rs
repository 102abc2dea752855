//! The past of the audit log: it cannot be written, and whoever writes it all the same is found out, entry by entry.

mod bytes;
mod entries;

use crate::common::{Engine, Options, PASSWORD, Server, database::Connection, inside::Inside, on_both};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{process::Command, task::JoinSet};
use usher_mcp::{
    domain::Clock,
    failpoint::Faults,
    store::{
        Database, StoreError,
        audit::{self, Verdict},
        organizations,
    },
};

/// A server that has seen every kind of change, and has ended in order.
async fn with_a_history(engine: Engine) -> Server {
    let mut server = Server::quickstart(engine).await;
    server.ok("create_access_group", json!({"name": "Support", "description": "Who answers", "permissions": ["users:read"]})).await;
    let invited = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "access_groups": ["Support"],
                         "reason": "Ana joins", "idempotency_key": "ana"});
    server.ok("invite_user", invited).await;
    server.link(1).await;
    server.ok("resend_invite", json!({"user": "ana@example.com"})).await;
    let link = server.link(2).await;
    assert_eq!(server.accept(&link, "Anna", "Ruiz", PASSWORD).await.status(), 200);
    let token = server.token_for("ana@example.com", &[]).await;
    let refused = server.call(&token, "create_access_group", json!({"name": "Sales"})).await;
    assert_eq!(refused.error()["code"], "permission_denied");
    server.ok("update_user", json!({"user": "ana@example.com", "last_name": "Vega", "role": "Administrator", "slack_id": "U1"})).await;
    server.ok("update_user", json!({"user": "ana@example.com", "role": "User"})).await;
    let renamed = json!({"access_group": "Support", "name": "Helpers", "description": "", "add_permissions": ["users:invite"],
                         "remove_permissions": ["users:read"], "reason": "A better name"});
    server.ok("update_access_group", renamed).await;
    let members = json!({"users": ["ana@example.com"], "access_groups": ["Helpers"]});
    server.ok("remove_from_access_group", members.clone()).await;
    server.ok("add_to_access_group", members).await;
    server.ok("deactivate_user", json!({"user": "ana@example.com", "reason": "Ana leaves"})).await;
    server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;
    server.ok("delete_access_group", json!({"access_group": "Helpers"})).await;
    server.stop().await;
    server
}

/// What `usher audit verify` finds, called as it calls it.
async fn verify(database: &Database, slug: &str) -> Result<Verdict, StoreError> {
    let pool = database.open(Faults::default()).await?;
    let verdict = async {
        let organization = organizations::by_slug(&pool, slug).await?.ok_or_else(|| StoreError::Corrupt("no organization".to_owned()))?;
        audit::verify(&pool, organization.org).await
    }
    .await;
    pool.close().await;
    verdict
}

fn database(server: &Server) -> Database {
    Database::parse(server.database_url(), server.data_dir.path()).expect("a database")
}

/// Somebody who has the database itself: no trigger and no foreign key stops them.
struct Intruder {
    /// One session, so that what it set for itself holds.
    connection: Connection,
    database: Database,
    slug: String,
    last: i64,
}

impl Intruder {
    async fn with(server: &Server) -> Self {
        let connection = Connection::alone(server).await;
        let open: &[&str] = match server.engine {
            Engine::Sqlite => &[
                "PRAGMA foreign_keys = OFF",
                "DROP TRIGGER audit_log_no_update",
                "DROP TRIGGER audit_log_no_delete",
                "DROP TRIGGER audit_log_in_order",
                "DROP TRIGGER audit_values_no_update",
                "DROP TRIGGER audit_values_with_their_entry",
            ],
            Engine::Postgres => &["SET session_replication_role = replica"],
        };
        let saved = ["audit_log", "audit_values", "org_heads"].map(|table| format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}"));
        for sql in open.iter().copied().chain(saved.iter().map(String::as_str)) {
            assert!(connection.run(sql).await, "{sql}");
        }
        let last = connection.number("SELECT max(seq) FROM audit_log").await;
        Self { connection, database: database(server), slug: server.org.clone(), last }
    }

    /// Does as told; what is found then is the first bad sequence, if the log can be read at all. Everything is put back.
    async fn found(&self, statements: &[&str]) -> Result<Option<i64>, StoreError> {
        for sql in statements {
            assert!(self.connection.run(sql).await, "{sql}");
        }
        let verdict = verify(&self.database, &self.slug).await;
        for table in ["audit_log", "audit_values", "org_heads"] {
            for sql in [format!("DELETE FROM {table}"), format!("INSERT INTO {table} SELECT * FROM saved_{table}")] {
                assert!(self.connection.run(&sql).await, "{sql}");
            }
        }
        Ok(verdict?.first_bad)
    }

    async fn expect(&self, statements: &[&str], first_bad: i64) {
        assert_eq!(self.found(statements).await.expect("a log that can be read"), Some(first_bad), "{statements:?}");
    }
}

/// The columns of a table with their types, as the engine calls them.
async fn columns(connection: &Connection, table: &str) -> Vec<(String, String)> {
    let sql = match connection {
        Connection::Sqlite(_) => format!("SELECT name, lower(type) AS type FROM pragma_table_info('{table}')"),
        Connection::Postgres(_) => {
            format!(
                "SELECT column_name::text AS name, data_type::text AS type FROM information_schema.columns WHERE table_name = '{table}'"
            )
        }
    };
    let rows = connection.rows(&sql).await;
    rows.into_iter().map(|mut row| (row.remove("name").flatten().expect("a name"), row.remove("type").flatten().expect("a type"))).collect()
}

/// Another value of the same type.
fn other_value(column: &str, kind: &str) -> String {
    match kind {
        "integer" | "bigint" => format!("coalesce({column}, 0) + 1000"),
        "text" => format!("coalesce({column}, '') || 'x'"),
        "blob" if column.ends_with("hash") || column == "salt" => "zeroblob(32)".to_owned(),
        "blob" => "X'00112233445566778899aabbccddeeff'".to_owned(),
        "bytea" => "decode(repeat('00', 32), 'hex')".to_owned(),
        "uuid" => "'00112233-4455-6677-8899-aabbccddeeff'::uuid".to_owned(),
        other => panic!("{column} is of a type that nobody thought of: {other}"),
    }
}

#[tokio::test]
async fn requirement_68_the_past_of_the_audit_log_cannot_be_written() {
    on_both(async |engine| {
        let server = with_a_history(engine).await;
        let connection = Connection::alone(&server).await;
        let before = connection.digest(&[]).await;
        if engine == Engine::Sqlite {
            // As on every connection of the server: REPLACE meets the trigger against DELETE.
            assert!(connection.run("PRAGMA recursive_triggers = ON").await);
        }
        let mut refused = Vec::new();
        for table in ["audit_log", "audit_values"] {
            for (column, kind) in columns(&connection, table).await {
                refused.push(format!("UPDATE {table} SET {column} = {}", other_value(&column, &kind)));
                refused.push(format!("UPDATE {table} SET {column} = {column}"));
            }
        }
        let names: Vec<String> = columns(&connection, "audit_log").await.into_iter().map(|(name, _)| name).collect();
        let all = names.join(", ");
        // A copy of an entry in another place.
        let copy = |place: &str| {
            let fresh = if engine == Engine::Sqlite { "randomblob(16)" } else { "gen_random_uuid()" };
            let values = names.iter().map(|name| match name.as_str() {
                "seq" => place.to_owned(),
                "id" => fresh.to_owned(),
                other => other.to_owned(),
            });
            values.collect::<Vec<_>>().join(", ")
        };
        refused.push("DELETE FROM audit_log".to_owned());
        refused.push("DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log)".to_owned());
        for place in ["0", "-1", "1", "(SELECT max(seq) FROM audit_log)", "2 + (SELECT max(seq) FROM audit_log)"] {
            refused.push(format!("INSERT INTO audit_log ({all}) SELECT {} FROM audit_log WHERE seq = 2", copy(place)));
        }
        refused.push(
            "INSERT INTO audit_values (org, seq, n, field, subject, salt, text) SELECT org, seq, 99, field, subject, salt, text FROM audit_values WHERE seq = 2"
                .to_owned(),
        );
        match engine {
            Engine::Sqlite => {
                for entry in ["2", "(SELECT max(seq) FROM audit_values)"] {
                    refused.push(format!(
                        "INSERT OR REPLACE INTO audit_values SELECT org, seq, n, field, subject, salt, 'x' FROM audit_values WHERE seq = {entry}"
                    ));
                }
                refused.push("INSERT OR REPLACE INTO audit_log SELECT * FROM audit_log WHERE seq = 1".to_owned());
                // In order, but under the id of an entry that would have to go for it.
                let next = copy("1 + (SELECT max(seq) FROM audit_log)").replace("randomblob(16)", "id");
                refused.push(format!("INSERT OR REPLACE INTO audit_log ({all}) SELECT {next} FROM audit_log WHERE seq = 2"));
                refused.push("UPDATE OR REPLACE audit_log SET seq = 2 WHERE seq = 1".to_owned());
            }
            Engine::Postgres => {
                refused
                    .extend(["TRUNCATE audit_log CASCADE", "TRUNCATE audit_values", "TRUNCATE organizations CASCADE"].map(str::to_owned));
                let text = "INSERT INTO audit_values SELECT * FROM audit_values WHERE seq = (SELECT max(seq) FROM audit_values) \
                            ON CONFLICT (org, seq, n) DO UPDATE SET text = 'x'";
                refused.push(text.to_owned());
                let whole = "INSERT INTO audit_log SELECT * FROM audit_log WHERE seq = 1 ON CONFLICT (org, seq) DO UPDATE SET action = 'x'";
                refused.push(whole.to_owned());
            }
        }
        for sql in refused {
            assert!(!connection.run(&sql).await, "{sql}");
        }
        assert_eq!(connection.digest(&[]).await, before);
        connection.close().await;
        let verdict = server.verified().await;
        assert_eq!((&verdict["ok"], &verdict["first_bad"]), (&json!(true), &Value::Null), "{verdict}");
        // Texts may be taken away, as an erasure does; without one that is a fault, and named.
        assert!(server.tamper("DELETE FROM audit_values WHERE seq = 2").await);
        let verdict = server.verified().await;
        assert_eq!((&verdict["ok"], &verdict["first_bad"]), (&json!(false), &json!(2)), "{verdict}");
    })
    .await;
}

#[tokio::test]
async fn requirement_68_the_serving_role_has_no_right_to_the_past() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut server = with_a_history(Engine::Postgres).await;
    let role = format!("usher_serving_{}", std::process::id());
    assert!(server.tamper(&format!("CREATE ROLE {role} LOGIN")).await);
    assert_eq!(server.cli(&["migrate", "--serving-role", &role, "--json"]).await["ok"], true);
    let url = server.database_url().expect("an address").replace("://postgres@", &format!("://{role}@"));
    server.restart(&Options::default().with("USHER_DATABASE_URL", &url)).await;
    server.ok("create_access_group", json!({"name": "Served"})).await;
    let connection = Connection::Postgres(sqlx::PgPool::connect(&url).await.expect("the role may connect"));
    for sql in [
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log CASCADE",
        "UPDATE audit_values SET text = 'x'",
        "TRUNCATE audit_values",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_log_no_change ON audit_log",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION usher_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP TABLE audit_log CASCADE",
    ] {
        assert!(!connection.run(sql).await, "{sql}");
    }
    connection.close().await;
    assert_eq!(server.verified().await["ok"], true);
    server.stop().await;
    assert!(server.tamper(&format!("DROP OWNED BY {role}")).await && server.tamper(&format!("DROP ROLE {role}")).await);
}

#[tokio::test]
async fn requirement_68_every_changed_value_is_found_and_its_entry_named() {
    on_both(async |engine| {
        let server = with_a_history(engine).await;
        let intruder = Intruder::with(&server).await;
        assert_eq!(intruder.found(&[]).await.expect("a verdict"), None, "{engine:?}: the log as it was written");
        for table in ["audit_log", "audit_values"] {
            for (column, kind) in columns(&intruder.connection, table).await {
                for seq in 1..=intruder.last {
                    let some = format!("SELECT count(*) FROM {table} WHERE seq = {seq}");
                    if intruder.connection.number(&some).await == 0 {
                        continue;
                    }
                    // The id is unique over all entries, and so is a place.
                    let one = if table == "audit_values" { " AND n = 0" } else { "" };
                    let change = format!("UPDATE {table} SET {column} = {} WHERE seq = {seq}{one}", other_value(&column, &kind));
                    intruder.expect(&[&change], seq).await;
                }
                // What may be missing is missed where it is.
                let nullable = format!("SELECT min(seq) FROM {table} WHERE {column} IS NOT NULL");
                let seq = intruder.connection.number(&nullable).await;
                let clear = format!("UPDATE {table} SET {column} = NULL WHERE seq = {seq}");
                if intruder.connection.run(&format!("{clear} AND seq < 0")).await && intruder.may_be_null(table, &column).await {
                    intruder.expect(&[&clear], seq).await;
                }
            }
        }
        intruder.connection.close().await;
    })
    .await;
}

impl Intruder {
    async fn may_be_null(&self, table: &str, column: &str) -> bool {
        let sql = match self.connection {
            Connection::Sqlite(_) => format!("SELECT 1 - \"notnull\" FROM pragma_table_info('{table}') WHERE name = '{column}'"),
            Connection::Postgres(_) => format!(
                "SELECT count(*) FROM information_schema.columns WHERE table_name = '{table}' AND column_name = '{column}' AND is_nullable = 'YES'"
            ),
        };
        self.connection.number(&sql).await == 1
    }
}

#[tokio::test]
async fn requirement_68_removed_swapped_inserted_and_reordered_entries_are_found_and_the_first_is_named() {
    on_both(async |engine| {
        let server = with_a_history(engine).await;
        let intruder = Intruder::with(&server).await;
        let last = intruder.last;
        let names: Vec<String> = columns(&intruder.connection, "audit_log").await.into_iter().map(|(name, _)| name).collect();
        let fresh = if engine == Engine::Sqlite { "randomblob(16)" } else { "gen_random_uuid()" };
        let copied = |from: i64, to: i64| {
            let values = names.iter().map(|name| match name.as_str() {
                "seq" => to.to_string(),
                "id" => fresh.to_owned(),
                other => other.to_owned(),
            });
            let values = values.collect::<Vec<_>>().join(", ");
            format!("INSERT INTO audit_log ({}) SELECT {values} FROM audit_log WHERE seq = {from}", names.join(", "))
        };
        // Moves entries and their texts; by way of places that nobody has.
        let moved = |which: &str, by: i64| -> Vec<String> {
            ["audit_log", "audit_values"]
                .iter()
                .flat_map(|table| {
                    [
                        format!("UPDATE {table} SET seq = seq + 100000 WHERE seq {which}"),
                        format!("UPDATE {table} SET seq = seq - 100000 + {by} WHERE seq > 90000"),
                    ]
                })
                .collect()
        };
        let run = async |statements: Vec<String>, first_bad: i64| {
            let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
            intruder.expect(&statements, first_bad).await;
        };
        let gone =
            |which: &str| vec![format!("DELETE FROM audit_values WHERE seq {which}"), format!("DELETE FROM audit_log WHERE seq {which}")];
        for seq in 1..=last {
            // Removed, also with the gap closed behind it.
            run(gone(&format!("= {seq}")), seq).await;
            run([gone(&format!("= {seq}")), moved(&format!("> {seq}"), -1)].concat(), seq).await;
            // Inserted in between.
            run([moved(&format!(">= {seq}"), 1), vec![copied(if seq == 1 { 2 } else { seq - 1 }, seq)]].concat(), seq).await;
        }
        for seq in 1..last {
            let swapped = ["audit_log", "audit_values"].map(|table| {
                [
                    format!("UPDATE {table} SET seq = -1 WHERE seq = {seq}"),
                    format!("UPDATE {table} SET seq = {seq} WHERE seq = {}", seq + 1),
                    format!("UPDATE {table} SET seq = {} WHERE seq = -1", seq + 1),
                ]
            });
            run(swapped.concat(), seq).await;
        }
        // A cut tail, as far as the head row knows; a tail that grew; what stands before the beginning.
        for cut in 1..=last {
            run(gone(&format!("> {}", last - cut)), last - cut + 1).await;
        }
        // With the head set back in part, or with everything gone. A head set back whole shows against one that was kept.
        let back =
            |seq: i64| format!("UPDATE org_heads SET audit_seq = {seq}, audit_hash = (SELECT hash FROM saved_audit_log WHERE seq = {seq})");
        run([gone(&format!("> {}", last - 3)), vec![back(last - 3)]].concat(), last - 2).await;
        let nothing = if engine == Engine::Sqlite { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" };
        let empty = format!("UPDATE org_heads SET audit_seq = 0, audit_hash = {nothing}, audit_at = 0");
        run([gone("> 0"), vec![empty]].concat(), 1).await;
        run(vec![copied(last, last + 1)], last + 1).await;
        run(vec![copied(3, 0)], 0).await;
        run(vec![copied(3, -5)], -5).await;
        // The head row alone.
        run(vec!["UPDATE org_heads SET audit_seq = audit_seq + 1".to_owned()], last + 1).await;
        run(vec!["UPDATE org_heads SET audit_seq = audit_seq - 1".to_owned()], last).await;
        let (_, kind) =
            columns(&intruder.connection, "org_heads").await.into_iter().find(|(name, _)| name == "audit_hash").expect("a hash");
        run(vec![format!("UPDATE org_heads SET audit_hash = {}", other_value("audit_hash", &kind))], last).await;
        assert!(intruder.found(&["DELETE FROM org_heads"]).await.is_err(), "no head, no verdict");
        // Texts: in another order, one too many, at another entry, without an entry.
        let two = intruder.connection.number("SELECT seq FROM audit_values GROUP BY seq HAVING count(*) > 2 ORDER BY seq LIMIT 1").await;
        let places = [
            format!("UPDATE audit_values SET n = 1000 WHERE seq = {two} AND n = 0"),
            format!("UPDATE audit_values SET n = 0 WHERE seq = {two} AND n = 1"),
            format!("UPDATE audit_values SET n = 1 WHERE seq = {two} AND n = 1000"),
        ];
        run(places.to_vec(), two).await;
        let added = |seq: i64, n: &str| {
            format!(
                "INSERT INTO audit_values (org, seq, n, field, subject, salt, text)
                      SELECT org, {seq}, {n}, field, subject, salt, text FROM audit_values WHERE seq = {two} AND n = 0"
            )
        };
        run(vec![added(two, "(SELECT max(n) + 1 FROM audit_values)")], two).await;
        run(vec![added(last + 7, "0")], last + 7).await;
        run(vec![format!("UPDATE audit_values SET seq = {}, n = 500 WHERE seq = {two} AND n = 0", two + 1)], two).await;
        intruder.connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn requirement_68_an_organization_under_another_id_has_no_past() {
    on_both(async |engine| {
        let server = with_a_history(engine).await;
        let kind = if engine == Engine::Sqlite { "blob" } else { "uuid" };
        assert!(server.tamper(&format!("UPDATE organizations SET id = {}", other_value("id", kind))).await);
        assert_eq!(server.verified().await["first_bad"], 1, "{engine:?}");
    })
    .await;
}

#[tokio::test]
async fn usher_audit_verify_says_where_the_log_breaks_and_ends_with_1() {
    on_both(async |engine| {
        let server = with_a_history(engine).await;
        let run = async || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
            command.args(["audit", "verify", "--org", &server.org]).env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_LOG", "off");
            if let Some(url) = server.database_url() {
                command.env("USHER_DATABASE_URL", url);
            }
            let output = command.output().await.expect("usher runs");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let (code, said) = run().await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.starts_with("Unbroken"), "{said}");
        // A copy is verified where its keys are not.
        std::fs::remove_file(server.data_dir.path().join("keys")).expect("the keys are gone");
        assert_eq!(run().await, (code, said), "{engine:?}");
        let intruder = Intruder::with(&server).await;
        assert!(intruder.connection.run("UPDATE audit_log SET outcome = 'refused' WHERE seq = 3").await);
        intruder.connection.close().await;
        let (code, said) = run().await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("entry 3"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requirement_68_verifying_while_others_write_raises_no_alarm() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let node = Inside::silent(&server, Clock::system()).await;
        let org = organizations::by_slug(&node.app.pool, &server.org).await.expect("it reads").expect("it is there").org;
        let done = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let calls: Vec<_> = (0..150)
                .map(|n| server.request(&server.token, "create_access_group", &json!({"name": format!("Writer {writer} group {n}")})))
                .collect();
            writers.spawn(async move {
                for call in calls {
                    call.await.structured();
                }
            });
        }
        let looking = tokio::spawn({
            let done = Arc::clone(&done);
            let app = Arc::clone(&node.app);
            async move {
                let mut looks = 0;
                while !done.load(Ordering::Acquire) || looks < 10 {
                    let verdict = audit::verify(&app.pool, org).await.expect("it reads");
                    assert_eq!(verdict.first_bad, None, "{engine:?}, look {looks}: {verdict:?}");
                    looks += 1;
                }
            }
        });
        writers.join_all().await;
        done.store(true, Ordering::Release);
        looking.await.expect("no alarm");
        node.stop().await;
    })
    .await;
}
