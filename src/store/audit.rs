//! The audit log: one hash chain per organization, written from proofs only.
//!
//! An entry holds ids, codes, numbers and commitments. Every text that a person or a program wrote
//! (names, addresses, reasons, client names) is a row of `audit_values` with a salt of its own, and the
//! entry commits to it by SHA-256(salt ‖ text); so erasing somebody removes texts and salts, and the
//! chain still verifies.
//!
//! The canonical form of an entry is a JSON array of its columns ([`canonical`]); its hash is
//! SHA-256(previous hash ‖ canonical form), the first one's previous hash being 32 zero bytes.

mod reading;
mod verify;

pub use reading::{DayCount, Event, Filter, Listed, PerDay, Way, done_to, last_done, list, newest_done, per_day};
pub use verify::{Verdict, verify};

use super::{sql::StoreError, work::Work};
use crate::{
    authz::{Authorized, Stamp, Target, audit::ExportAuditLog},
    domain::{EntryId, OrgId, Timestamp},
    keys::hex,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A value before or after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// An id, a code or a number: stands in the entry itself.
    Plain(String),
    /// A text that somebody wrote, with the person it tells of, if one: only a commitment stands in the entry.
    Text(Option<Uuid>, String),
}

/// One field that changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// The field's name in the contract.
    pub field: &'static str,
    /// Value before.
    pub before: Said,
    /// Value after.
    pub after: Said,
}

impl Change {
    /// A field that got its first value.
    #[must_use]
    pub fn set(field: &'static str, after: Said) -> Self {
        Self { field, before: Said::Nothing, after }
    }

    /// A field that went from one code to another.
    #[must_use]
    pub fn plain(field: &'static str, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { field, before: Said::Plain(before.into()), after: Said::Plain(after.into()) }
    }
}

struct Draft {
    field: String,
    subject: Option<Uuid>,
    salt: [u8; 32],
    text: String,
}

/// SHA-256(salt ‖ text).
fn commitment(salt: &[u8], text: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(text.as_bytes()).finalize().into()
}

struct Record<'a> {
    seq: i64,
    id: Uuid,
    at: i64,
    actor_kind: &'a str,
    actor_id: Option<Uuid>,
    credential_kind: Option<&'a str>,
    credential_id: Option<Uuid>,
    surface: &'a str,
    tool: Option<&'a str>,
    action: &'a str,
    target_kind: Option<&'a str>,
    target_id: Option<Uuid>,
    outcome: &'a str,
    code: Option<&'a str>,
    repeated: i64,
    request_id: Option<Uuid>,
    detail: &'a str,
}

/// The bytes that are hashed: a JSON array without white space, columns in this order, absent ones `null`.
fn canonical(org: OrgId, r: &Record<'_>) -> Vec<u8> {
    json!([
        "usher-audit-1",
        org.as_uuid(),
        r.seq,
        r.id,
        r.at,
        r.actor_kind,
        r.actor_id,
        r.credential_kind,
        r.credential_id,
        r.surface,
        r.tool,
        r.action,
        r.target_kind,
        r.target_id,
        r.outcome,
        r.code,
        r.repeated,
        r.request_id,
        r.detail
    ])
    .to_string()
    .into_bytes()
}

fn chained(previous: &[u8], canonical: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(previous).chain_update(canonical).finalize().into()
}

/// How a call ended, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It holds.
    Done,
    /// It was refused; nothing changed.
    Refused,
    /// It was tried and given up.
    Failed,
}

impl Outcome {
    /// The word in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Everything one entry says beside the call's context.
#[derive(Debug)]
pub struct Entry {
    /// Who, by what, to whom.
    pub stamp: Stamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The error code of a refusal or failure.
    pub code: Option<&'static str>,
    /// How often, for refusals that were gathered.
    pub repeated: i64,
    /// What changed.
    pub changes: Vec<Change>,
}

impl Entry {
    /// A thing done.
    #[must_use]
    pub fn done(stamp: Stamp, changes: Vec<Change>) -> Self {
        Self { stamp, outcome: Outcome::Done, code: None, repeated: 1, changes }
    }
}

macro_rules! insert_entry {
    () => {
        "INSERT INTO audit_log (org, seq, id, at, actor_kind, actor_id, credential_kind, credential_id, surface, tool,
                                action, target_kind, target_id, outcome, code, repeated, request_id, detail, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
    };
}

#[expect(clippy::too_many_lines, reason = "the entry's columns, in the one order that is hashed")]
/// Appends one entry to the chain of the organization whose lock `work` holds.
pub(crate) async fn append(work: &mut Work, entry: Entry) -> Result<(), StoreError> {
    let Entry { stamp, outcome, code, repeated, changes } = entry;
    let mut drafts: Vec<Draft> = Vec::new();
    let mut say = |field: String, subject: Option<Uuid>, text: String, work: &Work| {
        drafts.push(Draft { field, subject, salt: work.random.bytes(), text });
        drafts.len() - 1
    };
    if let Some(name) = work.actor_name.clone() {
        say("actor.name".into(), stamp.person.map(|id| id.as_uuid()), name, work);
    }
    let target_name = match &stamp.target {
        Target::Organization | Target::Unknown(_) => None,
        Target::User { id, name } => Some((Some(id.as_uuid()), name.clone())),
        Target::AccessGroup { name, .. } => Some((None, name.clone())),
        Target::Credential { user, label, .. } => Some((Some(user.as_uuid()), label.clone())),
    };
    if let Some((subject, name)) = target_name.filter(|(_, name)| !name.is_empty()) {
        say("target.name".into(), subject, name, work);
    }
    if let Some(client) = &stamp.client {
        say("client.name".into(), stamp.person.map(|id| id.as_uuid()), client.clone(), work);
    }
    if let Some(reason) = work.context.reason.clone() {
        say("reason".into(), stamp.target.id(), reason, work);
    }
    let changes: Vec<Value> = changes
        .into_iter()
        .map(|change| {
            let mut side = |said: Said, which: &str| match said {
                Said::Nothing => Value::Null,
                Said::Plain(text) => Value::String(text),
                Said::Text(subject, text) => json!({"value": say(format!("{}.{which}", change.field), subject, text, work)}),
            };
            let before = side(change.before, "before");
            let after = side(change.after, "after");
            json!({"field": change.field, "before": before, "after": after})
        })
        .collect();
    let values: Vec<Value> = drafts.iter().map(|d| json!([d.field, d.subject, hex(&commitment(&d.salt, &d.text))])).collect();
    let detail = json!({"changes": changes, "values": values}).to_string();
    // Time in the log never goes back with the clock.
    let at = work.now.max(Timestamp::from_millis(work.head.audit_at));
    let id = EntryId::new(at, &work.random).as_uuid();
    let record = Record {
        seq: work.head.audit_seq + 1,
        id,
        at: at.as_millis(),
        actor_kind: stamp.kind.as_str(),
        actor_id: stamp.person.map(|id| id.as_uuid()),
        credential_kind: stamp.credential.map(|(kind, _)| kind.as_str()),
        credential_id: stamp.credential.map(|(_, id)| id),
        surface: stamp.surface.as_str(),
        tool: work.context.tool,
        action: stamp.action,
        target_kind: Some(stamp.target.kind()),
        target_id: stamp.target.id(),
        outcome: outcome.as_str(),
        code,
        repeated,
        request_id: Some(work.context.request_id.as_uuid()),
        detail: &detail,
    };
    let hash = chained(&work.head.audit_hash, &canonical(stamp.org.id, &record));
    if work.tx.faults().hit("store.audit").is_some() {
        return Err(StoreError::Injected);
    }
    let sql = work.tx.engine().either(
        concat!(
            insert_entry!(),
            "; INSERT INTO audit_values (org, seq, n, field, subject, salt, text)
             SELECT $1, $2, j.value ->> 'n', j.value ->> 'field', unhex(j.value ->> 'subject'), unhex(j.value ->> 'salt'), j.value ->> 'text'
               FROM json_each($20) j"
        ),
        concat!(
            "WITH entry AS (",
            insert_entry!(),
            ") INSERT INTO audit_values (org, seq, n, field, subject, salt, text)
             SELECT $1, $2, j.n, j.field, j.subject::uuid, decode(j.salt, 'hex'), j.text
               FROM json_to_recordset($20::json) AS j(n bigint, field text, subject text, salt text, text text)"
        ),
    );
    work.tx
        .query(sql)
        .bind(work.org.number)
        .bind(record.seq)
        .bind(record.id)
        .bind(record.at)
        .bind(record.actor_kind)
        .bind(record.actor_id)
        .bind(record.credential_kind)
        .bind(record.credential_id)
        .bind(record.surface)
        .bind(record.tool)
        .bind(record.action)
        .bind(record.target_kind)
        .bind(record.target_id)
        .bind(record.outcome)
        .bind(record.code)
        .bind(record.repeated)
        .bind(record.request_id)
        .bind(record.detail)
        .bind(hash)
        .bind(values_as_rows(&drafts))
        .execute()
        .await?;
    work.head.audit_seq = record.seq;
    work.head.audit_hash = hash.to_vec();
    work.head.audit_at = at.as_millis();
    work.entries.push(id);
    work.touch_head();
    Ok(())
}

/// The texts of an entry for `audit_values`, as JSON.
fn values_as_rows(drafts: &[Draft]) -> String {
    let rows: Vec<Value> = drafts
        .iter()
        .enumerate()
        .map(|(n, d)| {
            json!({"n": n, "field": d.field, "subject": d.subject.map(|s| s.simple().to_string()), "salt": hex(&d.salt), "text": d.text})
        })
        .collect();
    Value::from(rows).to_string()
}

/// Writes that entries leave, before the first of them does; the place of that entry in the chain.
pub async fn exported(work: &mut Work, proof: Authorized<ExportAuditLog>) -> Result<i64, StoreError> {
    let (action, stamp) = proof.into_parts();
    let mut changes = vec![Change::set("format", Said::Plain(action.format.as_str().to_owned()))];
    // What was typed may name anybody, so it is a text as others are.
    changes.extend(action.filters.into_iter().map(|(name, value)| Change::set(name, Said::Text(None, value))));
    append(work, Entry::done(stamp, changes)).await?;
    Ok(work.head.audit_seq)
}
