//! One SQL text, two engines.
//!
//! A statement is a `&'static str` with `$1…` placeholders; where the engines differ,
//! [`Engine::either`] picks one of two texts, so that `grep either` lists every difference.
//! Reads run on the [`Pool`]; writes run in a [`Tx`], which is the only thing store functions
//! that change something accept.
//!
//! ```text
//! let mut tx = pool.begin().await?;              // SQLite: BEGIN IMMEDIATE, PostgreSQL: BEGIN
//! let head = heads::lock(&mut tx, org).await?;   // one writer per organization from here on
//! …                                              // facts, proof, write
//! tx.commit().await?;
//! ```

use super::{
    queue::Queues,
    sqlite::{SqliteTx, Writer},
};
use crate::failpoint::{Fault, Faults};
use sqlx::{Column as _, Decode, PgPool, Postgres, Row as _, Sqlite, SqlitePool, Type, postgres::PgRow, sqlite::SqliteRow};
use std::{net::IpAddr, sync::Arc};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

/// Which database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite inside the binary.
    Sqlite,
    /// PostgreSQL, shared by many nodes.
    Postgres,
}

impl Engine {
    /// The text for this engine, where one text can't serve both.
    pub(in crate::store) const fn either(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

/// Why a statement did not do what it was asked. Its `Display` is for the log, never for a caller.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another transaction stood in the way (serialization failure or deadlock): run the unit of work again.
    #[error("the transaction met another one")]
    Retry(#[source] sqlx::Error),
    /// A unique constraint refused the row; the text names it (PostgreSQL) or its columns (SQLite).
    #[error("unique: {0}")]
    Unique(String),
    /// The database did not answer, or not in time.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The batch this write belonged to could not be committed. Nothing of it holds.
    #[error("the commit failed: {0}")]
    Commit(String),
    /// The connection broke while COMMIT was under way: whether the write holds is not known.
    #[error("the answer to the commit was lost")]
    Unanswered(#[source] Option<sqlx::Error>),
    /// A row does not say what it must.
    #[error("a row cannot be read: {0}")]
    Corrupt(String),
    /// The file or a page of it is broken, as the engine itself says.
    #[error("the database is damaged: restore it from a backup")]
    Damaged(#[source] sqlx::Error),
    /// A failpoint.
    #[error("failpoint")]
    Injected,
}

impl StoreError {
    /// What the database itself said no with, where it is that which answered: its code and its sentence.
    #[must_use]
    pub fn refusal(&self) -> Option<(String, &str)> {
        match self {
            Self::Retry(sqlx::Error::Database(said))
            | Self::Unavailable(sqlx::Error::Database(said))
            | Self::Unanswered(Some(sqlx::Error::Database(said)))
            | Self::Damaged(sqlx::Error::Database(said)) => Some((said.code()?.into_owned(), said.message())),
            Self::Retry(_)
            | Self::Unavailable(_)
            | Self::Unanswered(_)
            | Self::Damaged(_)
            | Self::Unique(_)
            | Self::Commit(_)
            | Self::Corrupt(_)
            | Self::Injected => None,
        }
    }

    /// Whether the whole unit of work may be run again with hope.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retry(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error {
            if database.is_unique_violation() {
                let name = database.constraint().unwrap_or(database.message());
                return Self::Unique(name.to_owned());
            }
            // SQLite's result codes are numbers, of which the lower byte is the primary one; PostgreSQL's have five characters.
            match database.code().as_deref() {
                // serialization_failure, deadlock_detected
                Some("40001" | "40P01") => return Self::Retry(error),
                // data_corrupted, index_corrupted
                Some("XX001" | "XX002") => return Self::Damaged(error),
                // SQLITE_CORRUPT, SQLITE_NOTADB
                Some(code) if code.parse::<i64>().is_ok_and(|code| matches!(code & 0xff, 11 | 26)) && code.len() < 5 => {
                    return Self::Damaged(error);
                }
                Some(_) | None => {}
            }
        }
        if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnIndexOutOfBounds { .. }) {
            return Self::Corrupt(error.to_string());
        }
        Self::Unavailable(error)
    }
}

/// A bound value; the native type on both engines.
#[derive(Clone, Debug)]
pub(in crate::store) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Static(&'static str),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
    /// PostgreSQL only.
    Ints(Vec<i64>),
}

/// A text as it is bound. PostgreSQL knows no NUL and refuses the statement; on both engines it becomes a character that no text
/// of ours has, so that looking for such a text finds nothing, by whatever way it came.
fn text(text: impl Into<String>) -> String {
    let text = text.into();
    if text.contains('\0') { text.replace('\0', "\u{ffff}") } else { text }
}

macro_rules! value_from {
    ($($from:ty => |$v:ident| $into:expr;)*) => {
        $(impl From<$from> for Value { fn from($v: $from) -> Self { $into } })*
    };
}
value_from! {
    i64 => |v| Self::Int(Some(v));
    Option<i64> => |v| Self::Int(v);
    String => |v| Self::Text(Some(text(v)));
    Option<String> => |v| Self::Text(v.map(text));
    &str => |v| Self::Text(Some(text(v)));
    Option<&str> => |v| Self::Text(v.map(text));
    Vec<u8> => |v| Self::Bytes(Some(v));
    [u8; 32] => |v| Self::Bytes(Some(v.to_vec()));
    Option<[u8; 32]> => |v| Self::Bytes(v.map(|v| v.to_vec()));
    Option<Vec<u8>> => |v| Self::Bytes(v);
    Uuid => |v| Self::Uuid(Some(v));
    Option<Uuid> => |v| Self::Uuid(v);
    Vec<i64> => |v| Self::Ints(v);
    crate::domain::Timestamp => |v| Self::Int(Some(v.as_millis()));
    Option<crate::domain::Timestamp> => |v| Self::Int(v.map(crate::domain::Timestamp::as_millis));
    crate::domain::Role => |v| Self::Static(v.as_str());
    Option<crate::domain::Role> => |v| Self::Text(v.map(|v| v.as_str().to_owned()));
    crate::domain::Status => |v| Self::Static(v.as_str());
    Option<crate::domain::Status> => |v| Self::Text(v.map(|v| v.as_str().to_owned()));
}

/// A type that both engines can hand out.
pub(in crate::store) trait Cell:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}
impl<T> Cell for T where T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

/// One row; columns are read by position, in the order of the statement.
pub(in crate::store) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The column at `index`.
    pub(in crate::store) fn get<T: Cell>(&self, index: usize) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => row.try_get(index),
            Self::Postgres(row) => row.try_get(index),
        }
        .map_err(StoreError::from)
    }

    /// The column at `index`, read by `parse`; a value that `parse` does not know is a corrupt row.
    pub(in crate::store) fn parse<T>(&self, index: usize, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let text: String = self.get(index)?;
        parse(&text).ok_or_else(|| StoreError::Corrupt(format!("column {index} ({})", self.name(index))))
    }

    /// The columns one after the other.
    pub(in crate::store) fn columns(&self) -> Columns<'_> {
        Columns { row: self, next: 0 }
    }

    fn name(&self, index: usize) -> String {
        match self {
            Self::Sqlite(row) => row.try_column(index).map(|c| c.name().to_owned()),
            Self::Postgres(row) => row.try_column(index).map(|c| c.name().to_owned()),
        }
        .unwrap_or_default()
    }
}

/// Reads a row from left to right.
pub(in crate::store) struct Columns<'a> {
    row: &'a Row,
    next: usize,
}

impl Columns<'_> {
    /// The next column.
    pub(in crate::store) fn take<T: Cell>(&mut self) -> Result<T, StoreError> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// The next two columns, a person's first and last name, as one.
    pub(in crate::store) fn full_name(&mut self) -> Result<String, StoreError> {
        let (first, last): (String, String) = (self.take()?, self.take()?);
        Ok(format!("{first} {last}"))
    }

    /// The next column, read by `parse`.
    pub(in crate::store) fn parse<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let value = self.row.parse(self.next, parse)?;
        self.next += 1;
        Ok(value)
    }

    /// The next column as a time.
    pub(in crate::store) fn time(&mut self) -> Result<crate::domain::Timestamp, StoreError> {
        Ok(crate::domain::Timestamp::from_millis(self.take()?))
    }

    /// The next column as a time that may be missing.
    pub(in crate::store) fn maybe_time(&mut self) -> Result<Option<crate::domain::Timestamp>, StoreError> {
        Ok(self.take::<Option<i64>>()?.map(crate::domain::Timestamp::from_millis))
    }
}

enum Target<'a> {
    SqlitePool(&'a SqlitePool),
    PostgresPool(&'a PgPool),
    SqliteTx(&'a mut SqliteTx),
    PostgresTx(&'a mut sqlx::PgConnection),
}

/// A statement with its values, on its way to one engine.
#[must_use = "a statement does nothing until it is run"]
pub(in crate::store) struct Query<'a> {
    sql: &'static str,
    values: Vec<Value>,
    target: Target<'a>,
    faults: &'a Faults,
}

macro_rules! bound {
    ($engine:ident, $self:expr) => {{
        let mut query = sqlx::query::<$engine>($self.sql);
        for value in $self.values {
            query = match value {
                Value::Int(v) => query.bind(v),
                Value::Text(v) => query.bind(v),
                Value::Static(v) => query.bind(v),
                Value::Bytes(v) => query.bind(v),
                Value::Uuid(v) => query.bind(v),
                Value::Ints(v) => bind_ints!($engine, query, v),
            };
        }
        query
    }};
}
macro_rules! bind_ints {
    (Sqlite, $query:expr, $v:expr) => {
        $query.bind(serde_json::Value::from($v).to_string())
    };
    (Postgres, $query:expr, $v:expr) => {
        $query.bind($v)
    };
}

impl Query<'_> {
    /// Binds the next placeholder. A list of integers is a JSON text on SQLite (for `json_each`).
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// All rows.
    pub(in crate::store) async fn all(self) -> Result<Vec<Row>, StoreError> {
        let fault = self.faults.hit("store.statement");
        if fault == Some(Fault::Error) {
            return Err(StoreError::Injected);
        }
        let rows = match self.target {
            Target::SqlitePool(pool) => bound!(Sqlite, self).fetch_all(pool).await.map(sqlite_rows),
            Target::PostgresPool(pool) => bound!(Postgres, self).fetch_all(pool).await.map(postgres_rows),
            Target::SqliteTx(tx) => {
                let result = bound!(Sqlite, self).fetch_all(tx.connection()?).await;
                tx.note(result).map(sqlite_rows)
            }
            Target::PostgresTx(tx) => bound!(Postgres, self).fetch_all(tx).await.map(postgres_rows),
        }?;
        if fault == Some(Fault::Lost) {
            return Err(StoreError::Injected);
        }
        Ok(rows)
    }

    /// The first row, if there is one.
    pub(in crate::store) async fn optional(self) -> Result<Option<Row>, StoreError> {
        Ok(self.all().await?.into_iter().next())
    }

    /// The one row that must be there.
    pub(in crate::store) async fn one(self) -> Result<Row, StoreError> {
        let sql = self.sql;
        self.optional().await?.ok_or_else(|| StoreError::Corrupt(format!("no row for: {}", &sql[..sql.len().min(60)])))
    }

    /// Runs the statement; the number of rows it touched.
    pub(in crate::store) async fn execute(self) -> Result<u64, StoreError> {
        let fault = self.faults.hit("store.statement");
        if fault == Some(Fault::Error) {
            return Err(StoreError::Injected);
        }
        let touched = match self.target {
            Target::SqlitePool(pool) => bound!(Sqlite, self).execute(pool).await.map(|r| r.rows_affected()),
            Target::PostgresPool(pool) => bound!(Postgres, self).execute(pool).await.map(|r| r.rows_affected()),
            Target::SqliteTx(tx) => {
                let result = bound!(Sqlite, self).execute(tx.connection()?).await;
                tx.note(result).map(|r| r.rows_affected())
            }
            Target::PostgresTx(tx) => bound!(Postgres, self).execute(tx).await.map(|r| r.rows_affected()),
        }?;
        if fault == Some(Fault::Lost) {
            return Err(StoreError::Injected);
        }
        Ok(touched)
    }
}

fn sqlite_rows(rows: Vec<SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

fn postgres_rows(rows: Vec<PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

/// The database of one node. Clones share it.
#[derive(Clone)]
pub struct Pool {
    pub(in crate::store) inner: Inner,
    pub(in crate::store) faults: Faults,
    writers: Queues<i64>,
    bearers: Queues<[u8; 32]>,
    /// Where bearers came from who were not let in; nobody but they has a place in these.
    strangers: Queues<IpAddr>,
}

#[derive(Clone)]
pub(in crate::store) enum Inner {
    Sqlite { readers: SqlitePool, writer: Arc<Writer> },
    Postgres(PgPool),
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

impl Pool {
    pub(in crate::store) fn new(inner: Inner, faults: Faults) -> Self {
        Self { inner, faults, writers: Queues::default(), bearers: Queues::default(), strangers: Queues::default() }
    }

    /// An organization's turn to have a connection for writing; SQLite's one writer has a queue of its own.
    pub(in crate::store) async fn turn(&self, org: i64) -> Option<OwnedSemaphorePermit> {
        match self.engine() {
            Engine::Sqlite => None,
            Engine::Postgres => self.writers.turn(org).await,
        }
    }

    /// The turn of whoever shows this bearer secret, by its hash, to be looked up; held until it is known whose it is.
    pub(in crate::store) async fn bearers_turn(&self, hash: [u8; 32]) -> Option<OwnedSemaphorePermit> {
        self.bearers.turn(hash).await
    }

    /// Lets a bearer who was turned away rest, beside the answer: they are looked up less often than whoever is let in.
    pub fn bearer_rests(&self, hash: [u8; 32]) {
        drop(self.bearers.rest(hash));
    }

    /// Waits until a stranger has rested: by where they come from, whatever secret they show next. It goes on where the answer is
    /// given up.
    pub async fn stranger_rested(&self, from: IpAddr) {
        // It ends in no other way while the server runs.
        let _ = self.strangers.rest(from).await;
    }

    /// Waits behind a crowd of strangers from the same place, if there is one; what it gives is kept until it is known who comes.
    pub async fn behind_strangers(&self, from: IpAddr) -> Option<OwnedSemaphorePermit> {
        self.strangers.behind_a_crowd(&from).await
    }

    /// Which engine this is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.inner {
            Inner::Sqlite { .. } => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// The failpoints that stand in this pool.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// A read outside any transaction.
    pub(in crate::store) fn query(&self, sql: &'static str) -> Query<'_> {
        let target = match &self.inner {
            Inner::Sqlite { readers, .. } => Target::SqlitePool(readers),
            Inner::Postgres(pool) => Target::PostgresPool(pool),
        };
        Query { sql, values: Vec::new(), target, faults: &self.faults }
    }

    /// Opens a write transaction. On SQLite it waits for the one writer; on PostgreSQL writers of
    /// different organizations don't meet (see `heads::lock`).
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        if self.faults.hit("store.begin").is_some() {
            return Err(StoreError::Injected);
        }
        let inner = match &self.inner {
            Inner::Sqlite { writer, .. } => TxInner::Sqlite(writer.begin().await?),
            Inner::Postgres(pool) => TxInner::Postgres(pool.begin().await?),
        };
        Ok(Tx { inner, faults: self.faults.clone() })
    }

    /// Closes every connection; what is in flight ends first.
    pub async fn close(&self) {
        match &self.inner {
            Inner::Sqlite { readers, writer } => {
                writer.close().await;
                readers.close().await;
            }
            Inner::Postgres(pool) => pool.close().await,
        }
    }
}

enum TxInner {
    Sqlite(SqliteTx),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// A write transaction. Dropping it rolls back.
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Tx {
    inner: TxInner,
    faults: Faults,
}

impl Tx {
    /// Which engine this is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.inner {
            TxInner::Sqlite(_) => Engine::Sqlite,
            TxInner::Postgres(_) => Engine::Postgres,
        }
    }

    pub(in crate::store) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// A statement of this transaction. Private to the store, so that no write is possible around it.
    pub(in crate::store) fn query(&mut self, sql: &'static str) -> Query<'_> {
        let target = match &mut self.inner {
            TxInner::Sqlite(tx) => Target::SqliteTx(tx),
            TxInner::Postgres(tx) => Target::PostgresTx(tx),
        };
        Query { sql, values: Vec::new(), target, faults: &self.faults }
    }

    /// Makes everything of this transaction durable. When it returns an error, nothing holds, except
    /// where the connection broke during COMMIT: then it is unknown ([`StoreError::Unanswered`]).
    pub async fn commit(self) -> Result<(), StoreError> {
        let fault = self.faults.hit("store.commit");
        if fault == Some(Fault::Error) {
            return Err(StoreError::Injected);
        }
        if self.faults.hit("store.conflict").is_some() {
            return Err(StoreError::Retry(sqlx::Error::WorkerCrashed));
        }
        match self.inner {
            TxInner::Sqlite(tx) => tx.commit().await?,
            TxInner::Postgres(tx) => tx.commit().await.map_err(|error| match error {
                // PostgreSQL itself said no.
                sqlx::Error::Database(_) => error.into(),
                error => StoreError::Unanswered(Some(error)),
            })?,
        }
        if fault == Some(Fault::Lost) || self.faults.hit("store.committed").is_some() {
            return Err(StoreError::Unanswered(None));
        }
        Ok(())
    }

    /// Takes back everything of this transaction. Returns once what it had read is durable too, so
    /// that an answer never rests on a neighbour's write that might still fail.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.inner {
            TxInner::Sqlite(tx) => tx.rollback().await,
            TxInner::Postgres(tx) => Ok(tx.rollback().await?),
        }
    }
}
