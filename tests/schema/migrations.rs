//! Migrations run once, tolerate newer ones, and on PostgreSQL are the owner's business.

use super::{done, refusal, usher};
use crate::common::{
    Engine, Options, Server,
    database::{self, Connection},
    on_both,
};
use serde_json::json;
use sqlx::Connection as _;
use std::collections::BTreeMap;
use tempfile::TempDir;

/// What a schema is made of, as the database itself keeps it, and which migrations made it.
async fn shape(connection: &Connection) -> String {
    let sql = match connection {
        Connection::Sqlite(_) => "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name",
        Connection::Postgres(_) => {
            "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
              WHERE table_schema = 'public' ORDER BY 1, 2"
        }
    };
    let migrations = connection.rows("SELECT * FROM _sqlx_migrations").await;
    format!("{:?}\n{migrations:?}", connection.rows(sql).await)
}

#[tokio::test]
async fn migrating_twice_is_migrating_once() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        server.link(1).await;
        server.stop().await;
        let connection = Connection::to(&server).await;
        let before = (shape(&connection).await, connection.digest(&[]).await);
        for _ in 0..2 {
            done(&usher(server.data_dir.path(), server.database_url(), &["migrate"]).await);
        }
        assert_eq!(before, (shape(&connection).await, connection.digest(&[]).await));
        connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_old_binary_works_on_a_newer_schema() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        let connection = Connection::to(&server).await;
        // What a release after this one may do: add a column that may be null or has a default, a table, an index.
        let note = match engine {
            Engine::Sqlite => {
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9001, 'expand', TRUE, x'00', 1)"
            }
            Engine::Postgres => {
                r"INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                  VALUES (9001, 'expand', TRUE, '\x00', 1)"
            }
        };
        for statement in [
            "ALTER TABLE users ADD COLUMN pronouns TEXT",
            "ALTER TABLE credentials ADD COLUMN uses BIGINT NOT NULL DEFAULT 0",
            "CREATE TABLE teams (org BIGINT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (org, name))",
            "CREATE INDEX users_by_pronouns ON users (org, pronouns)",
            note,
        ] {
            let statement = if engine == Engine::Sqlite { statement.replace("BIGINT", "INTEGER") } else { statement.to_owned() };
            assert!(connection.run(&statement).await, "{statement}");
        }
        // A node that was running goes on, one that starts comes up, and both write.
        server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        server.stop().await;
        server.restart(&Options::default()).await;
        server.ok("invite_user", json!({"email": "ben@example.com", "first_name": "Ben", "last_name": "Ode"})).await;
        server.ok("update_user", json!({"user": "ana@example.com", "first_name": "Anna"})).await;
        assert_eq!(server.ok("list_users", json!({"query": "anna"})).await["total"], 1);
        // Its `migrate` has nothing to do, and takes nothing back.
        done(&usher(server.data_dir.path(), server.database_url(), &["migrate"]).await);
        assert_eq!(connection.number("SELECT count(*) AS n FROM _sqlx_migrations WHERE version = 9001").await, 1);
        assert_eq!(connection.number("SELECT count(*) AS n FROM teams").await, 0);
        assert_eq!(server.verified().await["ok"], true);
        connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn postgres_without_its_schema_is_refused_with_what_to_run() {
    let data_dir = TempDir::new().expect("a folder");
    let url = database::new().await;
    for command in [&["serve"][..], &["org", "list"], &["doctor"]] {
        let output = usher(data_dir.path(), Some(&url), command).await;
        assert!(!output.status.success(), "{command:?}");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert!(said.contains("usher migrate"), "{command:?}: {said}");
    }
    assert!(!data_dir.path().join("keys").exists(), "keys are made only together with a database");
    done(&usher(data_dir.path(), Some(&url), &["migrate"]).await);
    done(&usher(data_dir.path(), Some(&url), &["org", "list"]).await);
}

#[tokio::test]
async fn postgres_with_an_older_schema_is_refused_with_what_to_run() {
    let mut server = Server::quickstart(Engine::Postgres).await;
    server.stop().await;
    // As if this binary were one migration ahead: the database lacks its newest.
    assert!(server.tamper("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await);
    let said = refusal(&usher(server.data_dir.path(), server.database_url(), &["serve"]).await);
    assert!(said.contains("usher migrate"), "{said}");
}

/// A role that may log in and nothing else, and the database's address for it.
async fn role(url: &str, name: &str) -> String {
    let mut owner = sqlx::PgConnection::connect(url).await.expect("PostgreSQL answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP ROLE IF EXISTS \"{name}\"; CREATE ROLE \"{name}\" LOGIN")))
        .execute(&mut owner)
        .await
        .expect("a role");
    owner.close().await.expect("it ends");
    let mut address = url::Url::parse(url).expect("an address");
    address.set_username(name).expect("a user");
    address.to_string()
}

/// By table, what the role may do, of everything that there is to be allowed.
async fn privileges(connection: &Connection, role: &str) -> BTreeMap<String, String> {
    let rows = connection
        .rows(&format!(
            "SELECT t.tablename::text AS name, string_agg(p, ' ' ORDER BY p) FILTER (WHERE has_table_privilege('{role}', t.tablename::text, p)) AS may
               FROM pg_tables t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
              WHERE t.schemaname = 'public' GROUP BY 1"
        ))
        .await;
    rows.into_iter()
        .map(|mut row| (row.remove("name").flatten().expect("a name"), row.remove("may").flatten().unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn the_serving_role_serves_and_cannot_touch_the_past() {
    let server = Server::quickstart(Engine::Postgres).await;
    let owner_url = server.database_url().expect("PostgreSQL").to_owned();
    // A name that must be quoted, for a name is text.
    let name = format!("usher serving-{}", std::process::id());
    let url = role(&owner_url, &name).await;
    let data_dir = server.data_dir.path();

    // Without grants it is told, in words that lead on.
    let said = refusal(&usher(data_dir, Some(&url), &["serve"]).await);
    assert!(said.contains("may not read usher's tables") && said.contains("usher migrate --serving-role"), "{said}");
    let said = usher(data_dir, Some(&url), &["doctor"]).await;
    assert!(String::from_utf8_lossy(&said.stdout).contains("may not read usher's tables"), "{said:?}");
    done(&usher(data_dir, Some(&owner_url), &["migrate", "--serving-role", &name]).await);
    done(&usher(data_dir, Some(&owner_url), &["migrate", "--serving-role", &name]).await);

    let connection = Connection::to(&server).await;
    for (table, may) in privileges(&connection, &name).await {
        let expected = match table.as_str() {
            "audit_log" => "INSERT SELECT",
            "audit_values" => "DELETE INSERT SELECT",
            "_sqlx_migrations" => "SELECT",
            _ => "DELETE INSERT SELECT UPDATE",
        };
        assert_eq!(may, expected, "{table}");
    }

    // All of the main job, and the background work, as that role.
    let mut node = server.second_node(&Options::arguments(&["--database-url", &url])).await;
    let invited = node.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
    let id = invited["user"]["id"].as_str().expect("an id").to_owned();
    let mail_dir = data_dir.join("mail");
    let mail = crate::common::until("the mail", async || {
        let files = std::fs::read_dir(&mail_dir).ok()?;
        files.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "eml"))
    })
    .await;
    assert!(std::fs::read_to_string(mail).expect("a mail").contains("ana@example.com"));
    node.ok("create_access_group", json!({"name": "Support", "permissions": ["users:read"]})).await;
    node.ok("add_to_access_group", json!({"users": [id.as_str()], "access_groups": ["Support"]})).await;
    node.ok("update_user", json!({"user": id.as_str(), "last_name": "Ruiz Soto"})).await;
    node.ok("delete_access_group", json!({"access_group": "Support"})).await;
    node.ok("deactivate_user", json!({"user": id.as_str()})).await;
    node.refused("resend_invite", json!({"user": id.as_str()})).await;
    let dead = node.call("usher_pat_dead", "whoami", json!({})).await;
    assert_eq!(dead.status, 401);
    node.stop().await;
    assert_eq!(connection.number("SELECT count(*) AS n FROM audit_log WHERE outcome = 'refused'").await, 1);
    assert_eq!(connection.number("SELECT count(*) AS n FROM security_events").await, 1);
    assert_eq!(server.verified().await["ok"], true);

    // The grants refuse, before any trigger is asked.
    let mut serving = sqlx::PgConnection::connect(&url).await.expect("PostgreSQL answers");
    for statement in [
        "UPDATE audit_log SET code = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log CASCADE",
        "UPDATE audit_values SET text = 'x'",
        "TRUNCATE audit_values",
        "DROP TABLE audit_log",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_log_no_change ON audit_log",
        "DELETE FROM _sqlx_migrations",
        "CREATE TABLE mine (n INT)",
        "CREATE OR REPLACE FUNCTION usher_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    ] {
        let error = sqlx::raw_sql(statement).execute(&mut serving).await.expect_err(statement);
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned);
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    }
    serving.close().await.expect("it ends");

    // `doctor` says who guards the past.
    let as_owner = usher(data_dir, Some(&owner_url), &["doctor", "--json"]).await;
    let as_role = usher(data_dir, Some(&url), &["doctor", "--json"]).await;
    for (output, guarded) in [(as_owner, false), (as_role, true)] {
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let check = said["checks"].as_array().expect("checks").iter().find(|check| check["check"] == "audit log").cloned();
        assert_eq!(check.expect("the audit log is checked")["ok"], guarded, "{said}");
    }
    connection.close().await;
}

#[tokio::test]
async fn the_owner_is_no_serving_role_and_doctor_knows_it() {
    let server = Server::quickstart(Engine::Postgres).await;
    let admin_url = server.database_url().expect("PostgreSQL").to_owned();
    let data_dir = server.data_dir.path();
    let (owner, member) = (format!("usher_owner_{}", std::process::id()), format!("usher_member_{}", std::process::id()));
    let (owner_url, member_url) = (role(&admin_url, &owner).await, role(&admin_url, &member).await);
    let mut admin = sqlx::PgConnection::connect(&admin_url).await.expect("PostgreSQL answers");
    for statement in [
        format!("GRANT {owner} TO {member}"),
        format!("ALTER ROLE {member} NOINHERIT"),
        format!("GRANT ALL ON SCHEMA public TO {owner}"),
        format!(
            "DO $$ DECLARE t record; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
               LOOP EXECUTE format('ALTER TABLE %I OWNER TO {owner}', t.tablename); END LOOP; END $$"
        ),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await.expect("it is done");
    }
    for name in [owner.as_str(), member.as_str(), "postgres"] {
        let said = refusal(&usher(data_dir, Some(&owner_url), &["migrate", "--serving-role", name]).await);
        assert!(said.contains("make a role of its own"), "{name}: {said}");
    }
    let said = refusal(&usher(data_dir, Some(&owner_url), &["migrate", "--serving-role", "nobody at all"]).await);
    assert!(said.contains("there is no such role"), "{said}");
    // It migrates as before, and nothing was taken from it.
    done(&usher(data_dir, Some(&owner_url), &["migrate"]).await);
    // Whatever was taken from it, it can take back; and so can who may act as it.
    let taken = format!("REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM {owner}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(taken)).execute(&mut admin).await.expect("it is taken");
    let granted = format!("GRANT USAGE ON SCHEMA public TO {member}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {member}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(granted)).execute(&mut admin).await.expect("it is given");
    for url in [&owner_url, &member_url] {
        let output = usher(data_dir, Some(url), &["doctor", "--json"]).await;
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let check = said["checks"].as_array().expect("checks").iter().find(|check| check["check"] == "audit log").cloned();
        assert_eq!(check.expect("the audit log is checked")["ok"], false, "{said}");
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP OWNED BY {member}, {owner} CASCADE; DROP ROLE {member}; DROP ROLE {owner}")))
        .execute(&mut admin)
        .await
        .expect("they are gone");
    admin.close().await.expect("it ends");
}

#[tokio::test]
async fn no_table_of_a_sessions_own_stands_in_for_the_log() {
    let server = Server::quickstart(Engine::Postgres).await;
    let url = server.database_url().expect("PostgreSQL");
    let mut session = sqlx::PgConnection::connect(url).await.expect("PostgreSQL answers");
    sqlx::raw_sql("CREATE TEMP TABLE audit_log AS SELECT * FROM public.audit_log; UPDATE pg_temp.audit_log SET seq = 40")
        .execute(&mut session)
        .await
        .expect("a table of its own");
    let gap = "INSERT INTO public.audit_log (org, seq, id, at, actor_kind, surface, action, outcome, detail, hash)
                 SELECT org, 41, gen_random_uuid(), at, actor_kind, surface, action, outcome, detail, hash FROM public.audit_log WHERE seq = 1";
    let error = sqlx::raw_sql(gap).execute(&mut session).await.expect_err("a gap");
    assert!(error.to_string().contains("grows by one entry at a time"), "{error}");
    // No function of the schema looks where its caller may put things.
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'usher%'
            AND NOT coalesce('search_path=pg_catalog, public, pg_temp' = ANY(proconfig), false)",
    )
    .fetch_one(&mut session)
    .await
    .expect("a number");
    assert_eq!(open, 0);
    session.close().await.expect("it ends");
}
