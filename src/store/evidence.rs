//! Evidence of what was refused: bounded, gathered in memory, written outside the refused call.
//!
//! Refusals of somebody with a live credential become entries of their organization's audit log;
//! callers without one leave rows in `security_events`, which has no chain and takes no lock.

use super::{
    audit::{self, Entry, Outcome},
    sql::{Pool, StoreError},
    work::{Context, Work},
};
use crate::{authz::Stamp, domain::Timestamp, keys::hex};
use serde_json::json;
use uuid::Uuid;

/// An action that was refused, `count` times with the same words.
#[derive(Debug)]
pub struct RefusedAction {
    /// Who tried what on whom.
    pub stamp: Stamp,
    /// Of the first of them.
    pub context: Context,
    /// Name of the actor then.
    pub actor_name: Option<String>,
    /// With which error code, if all had the same.
    pub code: Option<&'static str>,
    /// How often.
    pub count: i64,
}

/// Writes a refusal into the chain. Evidence needs no authority: it is the one entry that is not made from a proof.
pub async fn refused(work: &mut Work, refusal: RefusedAction) -> Result<(), StoreError> {
    work.context = refusal.context;
    work.actor_name = refusal.actor_name;
    let entry = Entry { stamp: refusal.stamp, outcome: Outcome::Refused, code: refusal.code, repeated: refusal.count, changes: Vec::new() };
    audit::append(work, entry).await
}

/// A caller without a live credential.
#[derive(Clone, Debug)]
pub struct SecurityEvent {
    /// Row id.
    pub id: Uuid,
    /// When first.
    pub at: Timestamp,
    /// What: `dead_token`, `dead_link`.
    pub kind: &'static str,
    /// Where.
    pub surface: &'static str,
    /// Keyed hash of the caller's address, if known.
    pub address: Option<[u8; 32]>,
    /// How often in that minute.
    pub count: i64,
}

/// Writes gathered events in one statement, so that a flood of strangers holds no writer up.
pub async fn security_events(pool: &Pool, events: &[SecurityEvent]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = events
        .iter()
        .map(|event| {
            let address = event.address.map(|hash| hex(&hash));
            json!([event.id.simple().to_string(), event.at.as_millis(), event.kind, event.surface, address, event.count])
        })
        .collect();
    let mut tx = pool.begin().await?;
    let sql = tx.engine().either(
        "INSERT INTO security_events (id, at, kind, surface, address, count)
         SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5 FROM json_each($1)",
        "INSERT INTO security_events (id, at, kind, surface, address, count)
         SELECT (value ->> 0)::uuid, (value ->> 1)::bigint, value ->> 2, value ->> 3, decode(value ->> 4, 'hex'), (value ->> 5)::bigint
           FROM json_array_elements($1::json)",
    );
    tx.query(sql).bind(serde_json::Value::from(rows).to_string()).execute().await?;
    tx.commit().await
}

/// Takes away what is older than its time: security events before `events`, idempotency keys before `keys`.
pub async fn sweep(pool: &Pool, events: Timestamp, keys: Timestamp) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    tx.query("DELETE FROM security_events WHERE at < $1").bind(events).execute().await?;
    tx.query("DELETE FROM idempotency_keys WHERE created_at < $1").bind(keys).execute().await?;
    tx.commit().await
}

/// Marks links that have run out as ended, so that a clock set back revives nothing.
pub async fn end_expired(pool: &Pool, now: Timestamp) -> Result<u64, StoreError> {
    let mut tx = pool.begin().await?;
    let ended = tx
        .query("UPDATE links SET ended_at = $1, ended_as = 'expired' WHERE ended_at IS NULL AND expires_at < $1")
        .bind(now)
        .execute()
        .await?;
    let credentials =
        tx.query("UPDATE credentials SET revoked_at = $1 WHERE revoked_at IS NULL AND expires_at <= $1").bind(now).execute().await?;
    // A session that nobody used for too long; what began less than that ago need not be looked at.
    let idle = tx
        .query(
            "UPDATE credentials SET revoked_at = $1
              WHERE kind = 'session' AND revoked_at IS NULL AND created_at <= $2 AND coalesce(last_used_at, created_at) <= $2",
        )
        .bind(now)
        .bind(now.plus(-super::sessions::IDLE))
        .execute()
        .await?;
    tx.commit().await?;
    Ok(ended + credentials + idle)
}
