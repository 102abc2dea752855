//! Idempotency keys: per credential and tool, for 24 hours.
//!
//! A row keeps a digest of the arguments and the subject of the first call, not its answer: a repeat
//! is authorized anew and answered anew.

use super::{sql::StoreError, work::Work};
use crate::domain::{DAY, Timestamp};
use uuid::Uuid;

/// How long a key is remembered.
pub const LIFETIME: i64 = DAY;

/// What a key stood for the first time.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Digest of the arguments.
    pub digest: Vec<u8>,
    /// What the call was about, in the tool's own terms (ids).
    pub subject: String,
}

/// The first call under this key, if it was within 24 hours.
pub async fn recall(work: &mut Work, credential: Uuid, tool: &'static str, key: &str) -> Result<Option<Remembered>, StoreError> {
    let since = work.now.plus(-LIFETIME);
    let row = work
        .tx
        .query("SELECT digest, subject FROM idempotency_keys WHERE credential_id = $1 AND tool = $2 AND key = $3 AND created_at > $4")
        .bind(credential)
        .bind(tool)
        .bind(key)
        .bind(since)
        .optional()
        .await?;
    row.map(|row| Ok(Remembered { digest: row.get(0)?, subject: row.get(1)? })).transpose()
}

/// Remembers a call that went through, also when nothing changed.
pub async fn remember(
    work: &mut Work,
    credential: Uuid,
    tool: &'static str,
    key: &str,
    digest: [u8; 32],
    subject: &str,
) -> Result<(), StoreError> {
    let (org, now): (i64, Timestamp) = (work.org.number, work.now);
    work.tx
        .query(
            "INSERT INTO idempotency_keys (credential_id, tool, key, org, digest, subject, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (credential_id, tool, key) DO UPDATE SET digest = excluded.digest, subject = excluded.subject, created_at = excluded.created_at",
        )
        .bind(credential)
        .bind(tool)
        .bind(key)
        .bind(org)
        .bind(digest)
        .bind(subject)
        .bind(now)
        .execute()
        .await?;
    Ok(())
}
