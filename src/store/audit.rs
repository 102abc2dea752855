//! The audit log: one hash chain per organization, written from proofs only.
//!
//! An entry holds ids, codes, numbers and commitments. Every text that a person or a program wrote
//! (names, addresses, reasons, client names) is a row of `audit_values` with a salt of its own, and the
//! entry commits to it by SHA-256(salt ‖ text); so erasing somebody removes texts and salts, and the
//! chain still verifies.
//!
//! The canonical form of an entry is a JSON array of its columns ([`canonical`]); its hash is
//! SHA-256(previous hash ‖ canonical form), the first one's previous hash being 32 zero bytes.

mod verify;

pub use verify::{Verdict, verify};

use super::{
    sql::{Pool, Row, StoreError},
    work::Work,
};
use crate::{
    authz::{Authorized, CredentialKind, Org, Stamp, Target, audit::ExportAuditLog},
    domain::{EntryId, OrgId, RequestId, Timestamp},
    keys::hex,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
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

/// Numbers of the first and the last entry of something done to this target, if there is any.
pub async fn done_to(pool: &Pool, org: Org, target: Uuid) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT min(seq), max(seq) FROM audit_log WHERE org = $1 AND target_id = $2 AND outcome = 'done'";
    let row = pool.query(sql).bind(org.number).bind(target).one().await?;
    Ok(row.get::<Option<i64>>(0)?.zip(row.get(1)?))
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

/// An entry as it is shown. Texts are as of the event, `None` where they were erased.
#[derive(Clone, Debug)]
pub struct Event {
    /// Entry id.
    pub id: EntryId,
    /// Place in the chain, from 1.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// `user`, `cli` or `system`.
    pub actor_kind: String,
    /// Who.
    pub actor_id: Option<Uuid>,
    /// Kind of credential.
    pub credential_kind: Option<String>,
    /// Which credential.
    pub credential_id: Option<Uuid>,
    /// `web`, `mcp`, `cli`, `system`.
    pub surface: String,
    /// Which tool.
    pub tool: Option<String>,
    /// What.
    pub action: String,
    /// Kind of target.
    pub target_kind: Option<String>,
    /// Which target.
    pub target_id: Option<Uuid>,
    /// `done`, `refused`, `failed`.
    pub outcome: String,
    /// Error code.
    pub code: Option<String>,
    /// How often.
    pub repeated: i64,
    /// Which request.
    pub request_id: Option<RequestId>,
    /// Changes: field, before, after.
    pub changes: Vec<(String, Option<String>, Option<String>)>,
    /// Texts by field (`actor.name`, `target.name`, `client.name`, `reason`).
    pub texts: HashMap<String, String>,
    /// The credential's label now.
    pub credential_label: Option<String>,
}

/// What a list of events is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// As actor or target.
    pub user: Option<Uuid>,
    /// Exactly this action.
    pub action: Option<String>,
    /// Exactly this surface.
    pub surface: Option<String>,
    /// Exactly this client's name.
    pub client: Option<String>,
    /// Exactly this outcome.
    pub outcome: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

macro_rules! event_columns {
    () => {
        "a.seq, a.id, a.at, a.actor_kind, a.actor_id, a.credential_kind, a.credential_id, a.surface, a.tool, a.action,
         a.target_kind, a.target_id, a.outcome, a.code, a.repeated, a.request_id, a.detail, a.hash"
    };
}
use event_columns;

/// The filters that every entry of a list holds; whose entries, and between which times, stands beside them.
macro_rules! holds {
    ($entry:literal) => {
        concat!(
            " ($4 IS NULL OR ",
            $entry,
            ".action = $4) AND ($5 IS NULL OR ",
            $entry,
            ".surface = $5) AND ($6 IS NULL OR ",
            $entry,
            ".outcome = $6) AND ($7 IS NULL OR EXISTS (SELECT 1 FROM audit_values v WHERE v.org = $1 AND v.seq = ",
            $entry,
            ".seq AND v.field = 'client.name' AND v.text = $7)) "
        )
    };
}

macro_rules! list_sql {
    ($driver:literal, $beyond:literal, $order:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            ", c.label FROM audit_log a LEFT JOIN credentials c ON c.id = a.credential_id WHERE a.org = $1 AND a.seq ",
            $beyond,
            " $2 ",
            $driver,
            " AND ",
            holds!("a"),
            " AND a.at >= $8 AND a.at < $9 ORDER BY a.seq ",
            $order,
            " LIMIT $10"
        )
    };
}

/// In which direction a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To entries before a place in the chain.
    Older,
    /// To those after it.
    Newer,
}

/// Which entries, by what narrows them most, in a direction.
macro_rules! either_way {
    ($way:expr, $driver:literal) => {
        match $way {
            Way::Older => list_sql!($driver, "<", "DESC"),
            Way::Newer => list_sql!($driver, ">", "ASC"),
        }
    };
}

/// A page of events that are next to a place in the chain, newest first.
pub async fn list(pool: &Pool, org: Org, filter: &Filter, way: Way, beyond: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
    let sql = match (&filter.user, &filter.action) {
        (Some(_), _) => either_way!(
            way,
            "AND a.seq IN (SELECT seq FROM audit_log WHERE org = $1 AND actor_id = $3
                                    UNION SELECT seq FROM audit_log WHERE org = $1 AND target_id = $3)"
        ),
        (None, Some(_)) => either_way!(way, "AND a.action = $4"),
        (None, None) => either_way!(way, ""),
    };
    let rows = pool
        .query(sql)
        .bind(org.number)
        .bind(beyond)
        .bind(filter.user)
        .bind(filter.action.clone())
        .bind(filter.surface.clone())
        .bind(filter.outcome.clone())
        .bind(filter.client.clone())
        .bind(filter.from.map_or(i64::MIN, Timestamp::as_millis))
        .bind(filter.to.map_or(i64::MAX, Timestamp::as_millis))
        .bind(limit)
        .all()
        .await?;
    let mut stored = Vec::with_capacity(rows.len());
    for row in &rows {
        stored.push((Stored::read(row)?, row.get::<Option<String>>(18)?));
    }
    let sequences: Vec<i64> = stored.iter().map(|(entry, _)| entry.seq).collect();
    let mut texts = texts_of(pool, org, sequences).await?;
    let mut events: Vec<Event> = stored
        .into_iter()
        .map(|(entry, label)| {
            let texts = texts.remove(&entry.seq).unwrap_or_default();
            entry.into_event(texts, label)
        })
        .collect();
    if way == Way::Newer {
        events.reverse();
    }
    Ok(events)
}

/// How many entries a day in UTC has, by how they came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// Days since 1 January 1970.
    pub day: i64,
    /// Refused, whoever tried.
    pub refused: i64,
    /// Otherwise through programs: MCP and the HTTP API.
    pub tools: i64,
    /// Otherwise in pages, on the host, and by the server itself.
    pub people: i64,
}

/// Entries by day, and how far they were counted.
#[derive(Clone, Debug)]
pub struct PerDay {
    /// The days that have any, oldest first.
    pub counts: Vec<DayCount>,
    /// How many entries were looked at, whether they hold the filters or not.
    pub looked_at: i64,
    /// The day of the oldest of them; none where there is none.
    pub since: Option<i64>,
}

/// Counts the newest entries of a time, at most `most` of them, by day. The times in the filter do not matter.
pub async fn per_day(pool: &Pool, org: Org, filter: &Filter, from: Timestamp, to: Timestamp, most: i64) -> Result<PerDay, StoreError> {
    // The bound comes first and the filters after it, so that a filter that hardly any entry holds costs no more.
    let sql = concat!(
        "WITH newest AS MATERIALIZED (
            SELECT seq, at, surface, outcome, action, actor_id, target_id FROM audit_log
             WHERE org = $1 AND at >= $8 AND at < $9 ORDER BY at DESC LIMIT $2)
         SELECT CAST(1 AS BIGINT), at / 86400000, count(*) FILTER (WHERE outcome = 'refused'),
                count(*) FILTER (WHERE outcome <> 'refused' AND surface IN ('mcp', 'api')),
                count(*) FILTER (WHERE outcome <> 'refused' AND surface NOT IN ('mcp', 'api'))
           FROM newest WHERE ($3 IS NULL OR actor_id = $3 OR target_id = $3) AND ",
        holds!("newest"),
        " GROUP BY at / 86400000
         UNION ALL SELECT 0, min(at) / 86400000, count(*), 0, 0 FROM newest ORDER BY 1, 2"
    );
    let rows = pool
        .query(sql)
        .bind(org.number)
        .bind(most)
        .bind(filter.user)
        .bind(filter.action.clone())
        .bind(filter.surface.clone())
        .bind(filter.outcome.clone())
        .bind(filter.client.clone())
        .bind(from)
        .bind(to)
        .all()
        .await?;
    let mut days = PerDay { counts: Vec::with_capacity(rows.len()), looked_at: 0, since: None };
    for row in &rows {
        let mut c = row.columns();
        let is_day = c.take::<i64>()? == 1;
        match c.take::<Option<i64>>()? {
            Some(day) if is_day => days.counts.push(DayCount { day, refused: c.take()?, tools: c.take()?, people: c.take()? }),
            since => (days.since, days.looked_at) = (since, c.take()?),
        }
    }
    Ok(days)
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

/// The newest entry that says `action` was done to `target`, under the lock.
pub async fn last_done(work: &mut Work, target: Uuid, action: &'static str) -> Result<Option<Event>, StoreError> {
    let org = work.org.number;
    let row = work
        .tx
        .query(concat!(
            "SELECT ",
            event_columns!(),
            " FROM audit_log a WHERE a.org = $1 AND a.target_id = $2 AND a.action = $3 AND a.outcome = 'done' ORDER BY a.seq DESC LIMIT 1"
        ))
        .bind(org)
        .bind(target)
        .bind(action)
        .optional()
        .await?;
    let Some(row) = row else { return Ok(None) };
    let entry = Stored::read(&row)?;
    let rows =
        work.tx.query("SELECT n, field, salt, text FROM audit_values WHERE org = $1 AND seq = $2").bind(org).bind(entry.seq).all().await?;
    let mut texts = HashMap::new();
    for row in &rows {
        let mut c = row.columns();
        texts.insert(c.take()?, (c.take()?, c.take()?, c.take()?));
    }
    Ok(Some(entry.into_event(texts, None)))
}

/// Entries' texts: sequence → n → (field, salt, text).
type Texts = HashMap<i64, HashMap<i64, (String, Vec<u8>, String)>>;

async fn texts_of(pool: &Pool, org: Org, sequences: Vec<i64>) -> Result<Texts, StoreError> {
    if sequences.is_empty() {
        return Ok(Texts::new());
    }
    let sql = pool.engine().either(
        "SELECT seq, n, field, salt, text FROM audit_values WHERE org = $1 AND seq IN (SELECT value FROM json_each($2))",
        "SELECT seq, n, field, salt, text FROM audit_values WHERE org = $1 AND seq = ANY($2)",
    );
    let mut texts = Texts::new();
    for row in pool.query(sql).bind(org.number).bind(sequences).all().await? {
        let mut c = row.columns();
        texts.entry(c.take()?).or_default().insert(c.take()?, (c.take()?, c.take()?, c.take()?));
    }
    Ok(texts)
}

struct Stored {
    seq: i64,
    id: Uuid,
    at: i64,
    actor_kind: String,
    actor_id: Option<Uuid>,
    credential_kind: Option<String>,
    credential_id: Option<Uuid>,
    surface: String,
    tool: Option<String>,
    action: String,
    target_kind: Option<String>,
    target_id: Option<Uuid>,
    outcome: String,
    code: Option<String>,
    repeated: i64,
    request_id: Option<Uuid>,
    detail: String,
    hash: Vec<u8>,
}

impl Stored {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let mut c = row.columns();
        Ok(Self {
            seq: c.take()?,
            id: c.take()?,
            at: c.take()?,
            actor_kind: c.take()?,
            actor_id: c.take()?,
            credential_kind: c.take()?,
            credential_id: c.take()?,
            surface: c.take()?,
            tool: c.take()?,
            action: c.take()?,
            target_kind: c.take()?,
            target_id: c.take()?,
            outcome: c.take()?,
            code: c.take()?,
            repeated: c.take()?,
            request_id: c.take()?,
            detail: c.take()?,
            hash: c.take()?,
        })
    }

    fn record(&self) -> Record<'_> {
        Record {
            seq: self.seq,
            id: self.id,
            at: self.at,
            actor_kind: &self.actor_kind,
            actor_id: self.actor_id,
            credential_kind: self.credential_kind.as_deref(),
            credential_id: self.credential_id,
            surface: &self.surface,
            tool: self.tool.as_deref(),
            action: &self.action,
            target_kind: self.target_kind.as_deref(),
            target_id: self.target_id,
            outcome: &self.outcome,
            code: self.code.as_deref(),
            repeated: self.repeated,
            request_id: self.request_id,
            detail: &self.detail,
        }
    }

    fn into_event(self, texts: HashMap<i64, (String, Vec<u8>, String)>, label: Option<String>) -> Event {
        let detail: Value = serde_json::from_str(&self.detail).unwrap_or_default();
        let said = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            other => other["value"].as_i64().and_then(|n| texts.get(&n)).map(|(_, _, text)| text.clone()),
        };
        let changes = detail["changes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|change| (change["field"].as_str().unwrap_or_default().to_owned(), said(&change["before"]), said(&change["after"])))
            .collect();
        Event {
            id: EntryId::from_uuid(self.id),
            sequence: self.seq,
            at: Timestamp::from_millis(self.at),
            actor_kind: self.actor_kind,
            actor_id: self.actor_id,
            credential_kind: self.credential_kind,
            credential_id: self.credential_id,
            surface: self.surface,
            tool: self.tool,
            action: self.action,
            target_kind: self.target_kind,
            target_id: self.target_id,
            outcome: self.outcome,
            code: self.code,
            repeated: self.repeated,
            request_id: self.request_id.map(RequestId::from_uuid),
            changes,
            texts: texts.into_values().map(|(field, _, text)| (field, text)).collect(),
            credential_label: label,
        }
    }
}

/// A credential's kind as an entry names it, read back.
#[must_use]
pub fn credential_kind(word: &str) -> Option<CredentialKind> {
    match word {
        "token" => Some(CredentialKind::Token),
        "invite_link" => Some(CredentialKind::InviteLink),
        _ => None,
    }
}
