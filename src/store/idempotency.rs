//! Idempotency keys: per credential and tool, or action of a page, for 24 hours.
//!
//! A row keeps a digest of the arguments and the subject of the first call, not its answer: a repeat
//! is authorized anew and answered anew.

use super::{sql::StoreError, work::Work};
use crate::domain::{DAY, Timestamp};
use uuid::Uuid;

/// How long a key is remembered.
pub const LIFETIME: i64 = DAY;

/// By what a repeat of a write is known: it is never done a second time.
#[derive(Clone, Debug)]
pub struct Once {
    /// The tool or action that the key is for.
    pub under: &'static str,
    /// The caller's key.
    pub key: String,
    /// A keyed digest of the arguments: with other ones under the same key it is no repeat, but a mistake.
    pub digest: [u8; 32],
}

/// What a key stood for the first time.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Digest of the arguments.
    pub digest: Vec<u8>,
    /// What the call was about, in the tool's own terms (ids).
    pub subject: String,
}

/// The first call under this key, if it was within 24 hours.
pub async fn recall(work: &mut Work, credential: Uuid, once: &Once) -> Result<Option<Remembered>, StoreError> {
    let since = work.now.plus(-LIFETIME);
    let row = work
        .tx
        .query("SELECT digest, subject FROM idempotency_keys WHERE credential_id = $1 AND tool = $2 AND key = $3 AND created_at > $4")
        .bind(credential)
        .bind(once.under)
        .bind(once.key.as_str())
        .bind(since)
        .optional()
        .await?;
    row.map(|row| Ok(Remembered { digest: row.get(0)?, subject: row.get(1)? })).transpose()
}

/// Remembers a call that went through, also when nothing changed.
pub async fn remember(work: &mut Work, credential: Uuid, once: &Once, subject: &str) -> Result<(), StoreError> {
    let (org, now): (i64, Timestamp) = (work.org.number, work.now);
    work.tx
        .query(
            "INSERT INTO idempotency_keys (credential_id, tool, key, org, digest, subject, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (credential_id, tool, key) DO UPDATE SET digest = excluded.digest, subject = excluded.subject, created_at = excluded.created_at",
        )
        .bind(credential)
        .bind(once.under)
        .bind(once.key.as_str())
        .bind(org)
        .bind(once.digest)
        .bind(subject)
        .bind(now)
        .execute()
        .await?;
    Ok(())
}
