//! Opening a database, and its migrations.

use super::{
    sql::{Engine, Inner, Pool, StoreError},
    sqlite::Writer,
};
use crate::{domain::Clock, failpoint::Faults};
use sqlx::{
    ConnectOptions, Connection, PgPool,
    migrate::{Migrate, MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Readers of one SQLite file: more than four do not read faster (measured).
const SQLITE_READERS: u32 = 4;
/// Connections of one node to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 8;
/// After how long a connection to PostgreSQL may have been lost without anybody's noticing.
const RESTED: Duration = Duration::from_secs(1);

/// Where the rows are.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// A `postgres://` address.
    Server(Box<PgConnectOptions>),
}

impl Database {
    /// Reads `--database-url`: `postgres://…` or `postgresql://…`, `sqlite:PATH` or a path; without one the
    /// file `usher.db` in `data_dir`. The error is a sentence for the operator and holds no password.
    pub fn parse(url: Option<&str>, data_dir: &Path) -> Result<Self, String> {
        match url {
            None => Ok(Self::File(data_dir.join("usher.db"))),
            // SQLite would take it for a database in memory.
            Some(url) if url.trim().is_empty() => {
                Err("--database-url is empty: leave it out for a SQLite file in the data folder".to_owned())
            }
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => PgConnectOptions::from_str(url)
                .map(|options| Self::Server(Box::new(options.application_name("usher"))))
                .map_err(|_| "--database-url is not a postgres:// address: give postgres://USER@HOST:PORT/DATABASE".to_owned()),
            Some(url) if is_not_a_path(url) => Err("--database-url takes postgres://… or the path of a SQLite file".to_owned()),
            Some(path) => {
                Ok(Self::File(PathBuf::from(path.strip_prefix("sqlite://").or_else(|| path.strip_prefix("sqlite:")).unwrap_or(path))))
            }
        }
    }

    /// Which engine it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self {
            Self::File(_) => Engine::Sqlite,
            Self::Server(_) => Engine::Postgres,
        }
    }

    /// For the operator's eyes: no user, no password.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::File(path) => format!("SQLite file {}", path.display()),
            Self::Server(options) => {
                format!("PostgreSQL at {}:{}, database {}", options.get_host(), options.get_port(), options.get_database().unwrap_or("?"))
            }
        }
    }

    /// Opens it. A SQLite file is made where it is absent; tables are not.
    pub async fn open(&self, faults: Faults) -> Result<Pool, StoreError> {
        let inner = match self {
            Self::File(path) => {
                make_private(path);
                let options = sqlite_options(path);
                let side = side_files(path);
                let writer = Arc::new(Writer::open(&options, side, faults.clone()).await?);
                let readers = SqlitePoolOptions::new()
                    .max_connections(SQLITE_READERS)
                    .acquire_timeout(Duration::from_secs(10))
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .test_before_acquire(false)
                    .connect_lazy_with(options.create_if_missing(false).pragma("query_only", "ON"));
                Inner::Sqlite { readers, writer }
            }
            Self::Server(options) => Inner::Postgres(postgres_pool(options)),
        };
        Ok(Pool::new(inner, faults))
    }
}

fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .statement_cache_capacity(200)
        // So that INSERT OR REPLACE meets the triggers that guard the audit log.
        .pragma("recursive_triggers", "ON")
        .pragma("secure_delete", "ON")
        .pragma("cache_size", "-8192")
        .pragma("temp_store", "MEMORY")
}

/// Whether it begins as an address of something else than a file.
fn is_not_a_path(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    let names_postgres = url.contains(':') && ["postgres", "postgresql"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
    names_postgres || (url.contains("://") && scheme != "sqlite")
}

/// For the owner alone, whatever the umask says.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Makes an absent database file before SQLite would make it readable for others; its log and index take its mode.
/// One that is there is not even opened: closing it again would end the locks that SQLite holds on it.
fn make_private(path: &Path) {
    // Where it cannot be made, SQLite says why.
    drop(private().create_new(true).open(path));
}

fn side_file(path: &Path, end: &str) -> Option<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    private().create(true).truncate(false).open(&name).ok()
}

fn side_files(path: &Path) -> Option<(File, File)> {
    side_file(path, "-waiting").zip(side_file(path, "-waiting"))
}

fn postgres_pool(options: &PgConnectOptions) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(Duration::from_secs(10));
    // One that has rested is asked whether it still stands before a statement is given to it; to ask each time is a round
    // trip more for every call.
    let pool = pool.test_before_acquire(false).before_acquire(|conn, meta| {
        Box::pin(async move {
            if meta.idle_for >= RESTED {
                conn.ping().await?;
            }
            Ok(true)
        })
    });
    pool.connect_lazy_with(options.clone().statement_cache_capacity(200).options([
        ("statement_timeout", "30000"),
        ("lock_timeout", "20000"),
        ("idle_in_transaction_session_timeout", "60000"),
        ("default_transaction_isolation", "read committed"),
        // A statement has one plan, whatever its values: planning the large ones takes longer than running them, and
        // guesses from values go wrong (grams of one word are not independent). Compiling takes longer still.
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
    ]))
}

/// How a database's schema stands to this binary's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// No table of usher's.
    Empty,
    /// This role may not read its tables: `usher migrate --serving-role`.
    Closed,
    /// Older than this binary: `usher migrate`.
    Old,
    /// As this binary wants it, or newer: a newer binary migrated, and migrations only add.
    Ready,
}

/// Looks without changing anything.
pub async fn migration_state(database: &Database) -> Result<MigrationState, StoreError> {
    let applied: Vec<i64> = match database {
        Database::File(path) => {
            if !path.exists() {
                return Ok(MigrationState::Empty);
            }
            let mut conn = sqlite_options(path).connect().await?;
            let applied = applied_versions(&mut conn, &SQLITE_MIGRATIONS).await;
            conn.close().await?;
            applied?
        }
        Database::Server(options) => {
            let mut conn = options.connect().await?;
            let applied = applied_versions(&mut conn, &POSTGRES_MIGRATIONS).await;
            conn.close().await?;
            match applied {
                // insufficient_privilege
                Err(StoreError::Unavailable(sqlx::Error::Database(error))) if error.code().as_deref() == Some("42501") => {
                    return Ok(MigrationState::Closed);
                }
                applied => applied?,
            }
        }
    };
    if applied.is_empty() {
        return Ok(MigrationState::Empty);
    }
    let wanted = match database {
        Database::File(_) => &SQLITE_MIGRATIONS,
        Database::Server(_) => &POSTGRES_MIGRATIONS,
    };
    let all_there = wanted.iter().all(|migration| applied.contains(&migration.version));
    Ok(if all_there { MigrationState::Ready } else { MigrationState::Old })
}

async fn applied_versions<C: Migrate>(conn: &mut C, migrator: &Migrator) -> Result<Vec<i64>, StoreError> {
    match conn.list_applied_migrations(&migrator.table_name).await {
        Ok(list) => Ok(list.into_iter().map(|migration| migration.version).collect()),
        // No table of migrations yet: undefined_table, and what SQLite says of every statement that it cannot prepare.
        Err(MigrateError::Execute(sqlx::Error::Database(error))) if matches!(error.code().as_deref(), Some("42P01" | "1")) => {
            Ok(Vec::new())
        }
        Err(error) => Err(migrate_error(error)),
    }
}

/// Brings the schema to this binary's; several processes at once take turns.
pub async fn migrate(database: &Database) -> Result<(), StoreError> {
    match database {
        Database::File(path) => {
            // Migrations of one file take turns by a lock of their own: sqlx takes none on SQLite.
            let lock = side_file(path, "-migrating");
            let lock = tokio::task::spawn_blocking(move || lock.inspect(|file| drop(file.lock()))).await.ok().flatten();
            make_private(path);
            let mut conn = sqlite_options(path).busy_timeout(Duration::from_secs(30)).connect().await?;
            let done = tolerant(&SQLITE_MIGRATIONS).run_direct(None, &mut conn, false).await;
            conn.close().await?;
            drop(lock);
            done.map_err(migrate_error)
        }
        Database::Server(options) => {
            let mut conn = options.connect().await?;
            let done = tolerant(&POSTGRES_MIGRATIONS).run_direct(None, &mut conn, false).await;
            conn.close().await?;
            done.map_err(migrate_error)
        }
    }
}

fn tolerant(migrator: &'static Migrator) -> Migrator {
    let mut migrator = Migrator { migrations: migrator.migrations.clone(), ..Migrator::DEFAULT };
    migrator.set_ignore_missing(true);
    migrator
}

/// What became of the rights that a role was to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It has them, and no others.
    Given,
    /// It is the tables' owner, or may act as the owner: what is taken from it, it takes back, and meanwhile cannot migrate.
    Owner,
    /// There is no such role.
    Nobody,
}

/// Gives a role what `serve` needs and no more: on `audit_log` INSERT and SELECT, on `audit_values` also DELETE. SQLite has
/// no roles.
pub async fn grant(database: &Database, role: &str) -> Result<Grant, StoreError> {
    match database {
        Database::File(_) => Ok(Grant::Given),
        Database::Server(options) => {
            let mut conn = options.connect().await?;
            let granted = grant_on(&mut conn, role).await;
            conn.close().await?;
            granted
        }
    }
}

async fn grant_on(conn: &mut sqlx::PgConnection, role: &str) -> Result<Grant, StoreError> {
    let owner: Option<bool> = sqlx::query_scalar(
        "SELECT pg_has_role(r.oid, c.relowner, 'MEMBER') FROM pg_roles r, pg_class c WHERE r.rolname = $1 AND c.oid = 'audit_log'::regclass",
    )
    .bind(role)
    .fetch_optional(&mut *conn)
    .await?;
    match owner {
        None => return Ok(Grant::Nobody),
        Some(true) => return Ok(Grant::Owner),
        Some(false) => {}
    }
    // The only SQL that depends on a value: a role's name can't be a parameter. PostgreSQL itself quotes it.
    let quoted: String = sqlx::query_scalar("SELECT quote_ident($1)").bind(role).fetch_one(&mut *conn).await?;
    let text = format!(
        "GRANT USAGE ON SCHEMA public TO {quoted};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted};
         GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quoted};
         REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM {quoted};
         REVOKE UPDATE, TRUNCATE ON audit_values FROM {quoted};
         REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON _sqlx_migrations FROM {quoted};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(conn).await?;
    Ok(Grant::Given)
}

fn migrate_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => StoreError::Unavailable(error),
        other => StoreError::Corrupt(other.to_string()),
    }
}

impl Pool {
    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.query("SELECT 1").one().await.map(drop)
    }

    /// The database's own clock in Unix milliseconds; on SQLite it is this machine's.
    pub async fn clock(&self) -> Result<i64, StoreError> {
        let sql = self.engine().either(
            "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        );
        self.query(sql).one().await?.get(0)
    }

    /// By how many milliseconds a clock differs from the database's.
    pub async fn clock_skew(&self, clock: &Clock) -> Result<i64, StoreError> {
        Ok((self.clock().await? - clock.now().as_millis()).abs())
    }

    /// Whether this connection may change the audit log's past: true where the server serves as the
    /// tables' owner or may act as the owner, whatever was taken from that one, so that the triggers hold alone. Always false
    /// on SQLite, which has no roles.
    pub async fn owns_audit_log(&self) -> Result<bool, StoreError> {
        match self.engine() {
            Engine::Sqlite => Ok(false),
            Engine::Postgres => {
                let sql = "SELECT pg_has_role(current_user, relowner, 'MEMBER') OR has_table_privilege(oid, 'UPDATE, DELETE, TRUNCATE')
                             FROM pg_class WHERE oid = 'audit_log'::regclass";
                self.query(sql).one().await?.get(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{Row as _, SqliteConnection};

    const PRAGMAS: [(&str, &str); 6] = [
        ("journal_mode", "wal"),
        ("synchronous", "2"), // FULL
        ("foreign_keys", "1"),
        ("secure_delete", "1"),
        ("recursive_triggers", "1"),
        ("temp_store", "2"), // in memory: no text of anybody's in a temporary file
    ];

    async fn pragma(conn: &mut SqliteConnection, name: &str) -> String {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {name}"))).fetch_one(conn).await.unwrap();
        row.try_get::<String, _>(0).unwrap_or_else(|_| row.get::<i64, _>(0).to_string())
    }

    async fn check(which: &str, conn: &mut SqliteConnection) {
        for (name, value) in PRAGMAS {
            assert_eq!(pragma(conn, name).await, value, "{name} of {which}");
        }
    }

    #[tokio::test]
    async fn r_b110_pragmas_hold_on_every_connection() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usher.db");
        let database = Database::File(path.clone());
        migrate(&database).await.unwrap();
        let pool = database.open(Faults::default()).await.unwrap();
        let Inner::Sqlite { readers, .. } = &pool.inner else { panic!("a file is SQLite's") };
        let mut held = Vec::new();
        for _ in 0..SQLITE_READERS {
            let mut reader = readers.acquire().await.unwrap();
            check("a reader", &mut reader).await;
            assert_eq!(pragma(&mut reader, "query_only").await, "1");
            held.push(reader);
        }
        let mut tx = pool.begin().await.unwrap();
        for (name, value) in PRAGMAS {
            let sql: &'static str = match name {
                "journal_mode" => "SELECT journal_mode FROM pragma_journal_mode",
                "synchronous" => "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous",
                "foreign_keys" => "SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys",
                "secure_delete" => "SELECT CAST(secure_delete AS TEXT) FROM pragma_secure_delete",
                "recursive_triggers" => "SELECT CAST(recursive_triggers AS TEXT) FROM pragma_recursive_triggers",
                _ => "SELECT CAST(temp_store AS TEXT) FROM pragma_temp_store",
            };
            let found: String = tx.query(sql).one().await.unwrap().get(0).unwrap();
            assert_eq!(found, value, "{name} of the writer");
        }
        tx.rollback().await.unwrap();
        // Migrations and the look before them.
        check("a migration", &mut sqlite_options(&path).connect().await.unwrap()).await;
        drop(held);
        pool.close().await;
    }

    #[tokio::test]
    async fn search_rows_are_overwritten_where_they_stood() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usher.db");
        migrate(&Database::File(path.clone())).await.unwrap();
        let mut conn = sqlite_options(&path).connect().await.unwrap();
        let row = sqlx::query("SELECT v FROM users_fts_config WHERE k = 'secure-delete'").fetch_one(&mut conn).await.unwrap();
        assert_eq!(row.get::<i64, _>(0), 1);
        let sql: String = sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE name = 'users_fts'").fetch_one(&mut conn).await.unwrap();
        assert!(!sql.contains("contentless_delete"), "{sql}");
    }
}
