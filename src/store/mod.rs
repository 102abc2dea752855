//! What is kept, on SQLite or PostgreSQL.
//!
//! A file per family of tables. Reads take a [`Pool`]; everything that changes something takes a
//! [`Work`], the write transaction that holds its organization's lock, and a proof from `authz`.
//! `Tx::query` is private to this module: no other part of the program can run a statement.

pub mod audit;
pub mod credentials;
pub mod door;
pub mod evidence;
pub mod groups;
pub mod idempotency;
pub mod links;
pub mod listed;
pub mod meta;
pub mod notices;
pub mod open;
pub mod organizations;
pub mod outbox;
pub mod passwords;
pub mod people;
mod queue;
mod search;
pub mod second_factor;
pub mod sessions;
pub mod slack;
pub mod sql;
mod sqlite;
pub mod sso;
pub mod work;

pub use open::{Database, Grant, MigrationState, grant, migrate, migration_state};
pub use sql::{Engine, Pool, StoreError, Tx};
pub use sqlite::BATCH_LIMIT;
pub use work::{Context, Work};
