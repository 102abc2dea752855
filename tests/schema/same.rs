//! One schema, told twice.

use crate::common::{
    Engine, Server,
    database::{Cells, Connection},
};
use std::collections::{BTreeMap, BTreeSet};

/// Search structures: the only tables that one engine has and the other has not.
const SEARCH: [&str; 6] = ["users_fts", "users_fts_config", "users_fts_data", "users_fts_docsize", "users_fts_idx", "users_grams"];
/// Where sqlx notes which migrations ran; its own, in its own types.
const MIGRATIONS: &str = "_sqlx_migrations";

/// Tables of the whole installation.
const GLOBAL: [&str; 3] = ["meta", "organizations", "security_events"];
/// Columns that carry the organization: its number, or a key with the number in its upper half.
const CARRY_THE_ORGANIZATION: [&str; 6] = ["org", "number", "key", "user_key", "group_key", "inviter_key"];
/// Columns by which one row is found that names its organization itself: unguessable, or unique by nature.
const FIND_ONE_ROW: [&str; 6] = ["id", "hash", "credential_id", "link_id", "slug", "locator"];
/// Indexes of machinery that goes through all organizations: the workers of the outbox and the sweeper.
const MACHINERY: [&str; 9] = [
    "outbox_due",
    "outbox_due_by_channel",
    "idempotency_keys_by_time",
    "links_running_out",
    "credentials_running_out",
    "credentials_of_sessions",
    "sign_in_tries_by_time",
    "spent_journeys_by_time",
    "known_browsers_by_time",
];
/// A mailbox and a browser may have accounts in several organizations (B06): these find them all.
const ACROSS: [&str; 3] = ["users_by_email_key", "credentials_by_browser", "known_browsers_by_browser"];
/// A code before the key: a list of one status or role reads its organization's key range of it.
const CODE_BEFORE_KEY: [&str; 2] = ["users_by_status", "users_by_role"];

/// A column: its kind, whether it may be null, its default.
type Column = (&'static str, bool, Option<String>);

/// Everything of a schema that both engines can say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    /// By table and column.
    columns: BTreeMap<(String, String), Column>,
    /// Primary keys and unique constraints, by table.
    unique: BTreeSet<(String, Vec<String>)>,
    /// The other indexes: name, table, columns, whether only of some rows.
    indexes: BTreeMap<String, (String, Vec<String>, bool)>,
    /// Table, columns, the table they point to, what a deletion there does.
    foreign: BTreeSet<(String, Vec<String>, String, String)>,
}

fn text(row: &Cells, name: &str) -> String {
    row[name].clone().unwrap_or_else(|| panic!("{name} of {row:?}"))
}

fn names(row: &Cells, name: &str) -> Vec<String> {
    text(row, name).split(',').map(str::to_owned).collect()
}

/// The kinds that values have; both engines' types of one kind hold the same values.
fn kind(declared: &str) -> &'static str {
    match declared {
        "INTEGER" | "bigint" => "a 64-bit number",
        "TEXT" | "text" => "a text",
        "BLOB" | "bytea" | "uuid" => "bytes",
        other => panic!("the type {other} has no like on the other engine"),
    }
}

const SQLITE_COLUMNS: &str = r#"SELECT m.name AS "table", c.name AS "column", c.type AS type, c."notnull" = 0 AS nullable, c.dflt_value AS "default"
   FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'"#;
const POSTGRES_COLUMNS: &str = r#"SELECT table_name AS "table", column_name AS "column", data_type AS type, (is_nullable = 'YES')::int AS nullable,
   column_default AS "default" FROM information_schema.columns WHERE table_schema = 'public'"#;

// A rowid's key has no index of its own, so that primary keys come from the columns.
const SQLITE_UNIQUE: &str = r#"SELECT m.name AS "table",
     (SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info(m.name) WHERE pk > 0 ORDER BY pk)) AS columns
   FROM sqlite_schema m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
   UNION SELECT m.name, (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
   FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin = 'u'"#;
const POSTGRES_UNIQUE: &str = r#"SELECT c.conrelid::regclass::text AS "table",
     (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(attnum, n)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum) AS columns
   FROM pg_constraint c WHERE c.contype IN ('p', 'u') AND c.connamespace = 'public'::regnamespace"#;

const SQLITE_INDEXES: &str = r#"SELECT i.name AS name, m.name AS "table", i.partial AS partial,
     (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) AS columns
   FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin = 'c'"#;
const POSTGRES_INDEXES: &str = r#"SELECT x.indexrelid::regclass::text AS name, x.indrelid::regclass::text AS "table", (x.indpred IS NOT NULL)::int AS partial,
     (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(x.indkey) WITH ORDINALITY k(attnum, n)
        JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum) AS columns
   FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid
  WHERE t.relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid AND c.contype IN ('p', 'u'))"#;

const SQLITE_FOREIGN: &str = r#"SELECT m.name AS "table", group_concat(f."from") AS columns, f."table" AS target, f.on_delete AS action
   FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' GROUP BY m.name, f.id"#;
const POSTGRES_FOREIGN: &str = r#"SELECT c.conrelid::regclass::text AS "table", c.confrelid::regclass::text AS target,
     CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'a' THEN 'NO ACTION' ELSE c.confdeltype::text END AS action,
     (SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(attnum, n)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum) AS columns
   FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace"#;

impl Schema {
    async fn of(server: &Server) -> Self {
        let connection = Connection::to(server).await;
        let either = |sqlite: &'static str, postgres: &'static str| match server.engine {
            Engine::Sqlite => sqlite,
            Engine::Postgres => postgres,
        };
        let shared = |row: &Cells| {
            let table = text(row, "table");
            table != MIGRATIONS && !SEARCH.contains(&table.as_str())
        };
        let mut schema = Self::default();
        for row in connection.rows(either(SQLITE_COLUMNS, POSTGRES_COLUMNS)).await.iter().filter(|row| shared(row)) {
            // PostgreSQL says the type of a text's default.
            let default = row["default"].clone().map(|default| default.trim_end_matches("::text").to_owned());
            let column = (kind(&text(row, "type")), text(row, "nullable") == "1", default);
            schema.columns.insert((text(row, "table"), text(row, "column")), column);
        }
        for row in connection.rows(either(SQLITE_UNIQUE, POSTGRES_UNIQUE)).await.iter().filter(|row| shared(row)) {
            schema.unique.insert((text(row, "table"), names(row, "columns")));
        }
        for row in connection.rows(either(SQLITE_INDEXES, POSTGRES_INDEXES)).await.iter().filter(|row| shared(row)) {
            let index = (text(row, "table"), names(row, "columns"), text(row, "partial") == "1");
            schema.indexes.insert(text(row, "name"), index);
        }
        for row in connection.rows(either(SQLITE_FOREIGN, POSTGRES_FOREIGN)).await.iter().filter(|row| shared(row)) {
            schema.foreign.insert((text(row, "table"), names(row, "columns"), text(row, "target"), text(row, "action")));
        }
        connection.close().await;
        schema
    }

    fn tables(&self) -> BTreeSet<&str> {
        self.columns.keys().map(|(table, _)| table.as_str()).collect()
    }
}

#[tokio::test]
async fn both_engines_end_in_the_same_schema() {
    let sqlite = Schema::of(&Server::quickstart(Engine::Sqlite).await).await;
    let postgres = Schema::of(&Server::quickstart(Engine::Postgres).await).await;
    assert!(sqlite.tables().contains("users"), "{:?}", sqlite.tables());
    assert_eq!(sqlite.tables(), postgres.tables());
    assert_eq!(sqlite.columns, postgres.columns);
    assert_eq!(sqlite.unique, postgres.unique);
    assert_eq!(sqlite.indexes, postgres.indexes);
    assert_eq!(sqlite.foreign, postgres.foreign);
}

#[tokio::test]
async fn every_table_and_index_leads_with_its_organization() {
    // The other engine's is the same: see above.
    let schema = Schema::of(&Server::quickstart(Engine::Sqlite).await).await;
    for table in schema.tables() {
        if GLOBAL.contains(&table) {
            continue;
        }
        let carried = |column: &&str| schema.columns.contains_key(&(table.to_owned(), (*column).to_owned()));
        assert!(CARRY_THE_ORGANIZATION.iter().any(carried), "{table} does not say whose its rows are");
    }
    for (table, columns) in &schema.unique {
        let leads = CARRY_THE_ORGANIZATION.contains(&columns[0].as_str());
        assert!(leads || GLOBAL.contains(&table.as_str()) || FIND_ONE_ROW.contains(&columns[0].as_str()), "{table} {columns:?}");
    }
    for (name, (table, columns, _)) in &schema.indexes {
        if GLOBAL.contains(&table.as_str()) || MACHINERY.contains(&name.as_str()) || ACROSS.contains(&name.as_str()) {
            continue;
        }
        let place = usize::from(CODE_BEFORE_KEY.contains(&name.as_str()));
        assert!(CARRY_THE_ORGANIZATION.contains(&columns[place].as_str()), "{name} on {table} {columns:?}");
    }
}
