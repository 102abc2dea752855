//! Entries as they are shown: pages of them, how many a day has, and what was done to somebody last.

use super::Record;
use crate::{
    authz::Org,
    domain::{EntryId, RequestId, Timestamp},
    store::{
        sql::{Pool, Row, StoreError},
        work::Work,
    },
};
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// Numbers of the first and the last entry of something done to this target, if there is any.
pub async fn done_to(pool: &Pool, org: Org, target: Uuid) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT min(seq), max(seq) FROM audit_log WHERE org = $1 AND target_id = $2 AND outcome = 'done'";
    let row = pool.query(sql).bind(org.number).bind(target).one().await?;
    Ok(row.get::<Option<i64>>(0)?.zip(row.get(1)?))
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
pub(super) use event_columns;

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

macro_rules! last_done_sql {
    () => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM audit_log a WHERE a.org = $1 AND a.target_id = $2 AND a.action = $3 AND a.outcome = 'done' ORDER BY a.seq DESC LIMIT 1"
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

/// The newest entry that says `action` was done to `target`.
pub async fn newest_done(pool: &Pool, org: Org, target: Uuid, action: &str) -> Result<Option<Event>, StoreError> {
    let row = pool.query(last_done_sql!()).bind(org.number).bind(target).bind(action.to_owned()).optional().await?;
    let Some(row) = row else { return Ok(None) };
    let entry = Stored::read(&row)?;
    let texts = texts_of(pool, org, vec![entry.seq]).await?.remove(&entry.seq).unwrap_or_default();
    Ok(Some(entry.into_event(texts, None)))
}

/// The newest entry that says `action` was done to `target`, under the lock.
pub async fn last_done(work: &mut Work, target: Uuid, action: &'static str) -> Result<Option<Event>, StoreError> {
    let org = work.org.number;
    let row = work.tx.query(last_done_sql!()).bind(org).bind(target).bind(action).optional().await?;
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

/// An entry as its row holds it, without the texts that it commits to.
pub(super) struct Stored {
    pub(super) seq: i64,
    id: Uuid,
    pub(super) at: i64,
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
    pub(super) detail: String,
    pub(super) hash: Vec<u8>,
}

impl Stored {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
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

    pub(super) fn record(&self) -> Record<'_> {
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
