//! The database itself, as somebody with a copy of it or a connection to it.

use super::Server;
use sqlx::{Column, Row, ValueRef};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// An empty PostgreSQL database of its own; a missing PostgreSQL fails.
pub async fn new() -> String {
    let admin = std::env::var("USHER_TEST_POSTGRES_URL").expect("USHER_TEST_POSTGRES_URL names a PostgreSQL: tests/run starts one");
    let name = format!("usher_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    let (base, _) = admin.rsplit_once('/').expect("an address with a database");
    let pool = sqlx::PgPool::connect(&admin).await.expect("PostgreSQL answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.expect("a new database");
    pool.close().await;
    format!("{base}/{name}")
}

/// A connection of the test's own.
pub enum Connection {
    Sqlite(sqlx::SqlitePool),
    Postgres(sqlx::PgPool),
}

/// What a row says, by column, every value as text (bytes in hexadecimal), `None` for null.
pub type Cells = BTreeMap<String, Option<String>>;

/// Bytes as two digits each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl Connection {
    /// To the database behind a server.
    pub async fn to(server: &Server) -> Self {
        if let Some(url) = server.database_url() {
            Self::Postgres(sqlx::PgPool::connect(url).await.expect("PostgreSQL answers"))
        } else {
            let file = format!("sqlite://{}", server.database_file().display());
            Self::Sqlite(sqlx::SqlitePool::connect(&file).await.expect("SQLite opens"))
        }
    }

    /// The same as one session, so that what it sets for itself holds.
    pub async fn alone(server: &Server) -> Self {
        if let Some(url) = server.database_url() {
            let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1);
            Self::Postgres(pool.connect(url).await.expect("PostgreSQL answers"))
        } else {
            let file = format!("sqlite://{}", server.database_file().display());
            let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
            Self::Sqlite(pool.connect(&file).await.expect("SQLite opens"))
        }
    }

    /// Runs one statement; whether it was let through.
    pub async fn run(&self, sql: &str) -> bool {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query(sql).execute(pool).await.is_ok(),
            Self::Postgres(pool) => sqlx::query(sql).execute(pool).await.is_ok(),
        }
    }

    /// Rows of a query. On PostgreSQL as `row_to_json` says them, so that every type has a text.
    pub async fn rows(&self, sql: &str) -> Vec<Cells> {
        match self {
            Self::Sqlite(pool) => {
                let rows = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(pool).await.expect(sql);
                rows.iter()
                    .map(|row| {
                        row.columns()
                            .iter()
                            .map(|column| {
                                let n = column.ordinal();
                                let value = row.try_get_raw(n).expect("a value");
                                let text = if value.is_null() {
                                    None
                                } else if let Ok(text) = row.try_get::<String, _>(n) {
                                    Some(text)
                                } else if let Ok(number) = row.try_get::<i64, _>(n) {
                                    Some(number.to_string())
                                } else {
                                    Some(hex(&row.try_get::<Vec<u8>, _>(n).expect("bytes")))
                                };
                                (column.name().to_owned(), text)
                            })
                            .collect()
                    })
                    .collect()
            }
            Self::Postgres(pool) => {
                let whole = format!("SELECT row_to_json(q)::text FROM ({sql}) q");
                let rows = sqlx::query(sqlx::AssertSqlSafe(whole)).fetch_all(pool).await.expect(sql);
                rows.iter()
                    .map(|row| {
                        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row.get(0)).expect("an object");
                        object
                            .into_iter()
                            .map(|(name, value)| match value {
                                serde_json::Value::Null => (name, None),
                                serde_json::Value::String(text) => (name, Some(text)),
                                other => (name, Some(other.to_string())),
                            })
                            .collect()
                    })
                    .collect()
            }
        }
    }

    /// One number.
    pub async fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql).await;
        rows.first().and_then(|row| row.values().next()).and_then(|value| value.as_deref()?.parse().ok()).expect("one number")
    }

    /// All tables, without those of the search engine and of the migrations.
    pub async fn tables(&self) -> Vec<String> {
        let sql = match self {
            Self::Sqlite(_) => {
                r"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE '%VIRTUAL%'
                                   AND name NOT LIKE 'users_fts%' AND name NOT LIKE '\_sqlx%' ESCAPE '\' ORDER BY name"
            }
            Self::Postgres(_) => {
                r"SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '\_sqlx%' ORDER BY 1"
            }
        };
        self.rows(sql).await.into_iter().filter_map(|mut row| row.remove("name").flatten()).collect()
    }

    /// Every row of every table but those named, as one text: two calls say the same exactly when nothing changed but when something
    /// was last used.
    pub async fn digest(&self, but: &[&str]) -> String {
        let mut whole = String::new();
        for table in self.tables().await {
            if but.contains(&table.as_str()) {
                continue;
            }
            let mut rows = Vec::new();
            for mut row in self.rows(&format!("SELECT * FROM {table}")).await {
                // What was used and who was seen follows by itself within a minute.
                row.retain(|column, _| !matches!(column.as_str(), "last_used_at" | "last_seen_at"));
                rows.push(format!("{row:?}"));
            }
            rows.sort();
            whole = whole + &table + "\n" + &rows.join("\n") + "\n";
        }
        whole
    }

    /// Ends it.
    pub async fn close(self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Server {
    /// The address of the PostgreSQL database, if it is one.
    pub fn database_url(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The SQLite file.
    pub fn database_file(&self) -> std::path::PathBuf {
        self.data_dir.path().join("usher.db")
    }

    /// Runs one statement on the database itself, as somebody who got hold of it; whether it was let through.
    pub async fn tamper(&self, sql: &str) -> bool {
        let connection = Connection::to(self).await;
        let done = connection.run(sql).await;
        connection.close().await;
        done
    }
}
