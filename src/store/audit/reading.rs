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

// Placeholders of the statements of a list: $1 organization, $2 before and $11 after which entry, $3 user, $4 action, $5 surface,
// $6 outcome, $7 client, $8 and $9 from and before which time, $10 how many.

/// Entries of a stretch that hold all filters, out of what has one of them and in its order. The stretch is of the filter's times already:
/// with the sum no index of theirs is in question, which PostgreSQL would take for the shortest way where it does not know them yet.
macro_rules! entries {
    ($from:expr, $driver:expr, $place:literal, $order:literal) => {
        concat!(
            "SELECT a.* FROM ",
            $from,
            " WHERE a.org = $1 AND ",
            $driver,
            " AND ($3 IS NULL OR a.actor_id = $3 OR a.target_id = $3) AND",
            holds!("a"),
            "AND a.at + 0 >= $8 AND a.at + 0 < $9 ORDER BY ",
            $place,
            " ",
            $order,
            " LIMIT $10"
        )
    };
}
/// The same with what is shown beside them.
macro_rules! listed {
    ($entries:expr, $order:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            ", c.label FROM (",
            $entries,
            ") a LEFT JOIN credentials c ON c.id = a.credential_id ORDER BY a.seq ",
            $order,
            " LIMIT $10"
        )
    };
}
/// The entries of a stretch that have this in this column: as places in the column's own index, where PostgreSQL would rather go along
/// the chain itself, for it takes a stretch whose ends it does not know yet for a short one.
macro_rules! within {
    (sqlite, $column:literal, $value:literal) => {
        concat!("a.seq > $11 AND a.seq < $2 AND ", $column, " = ", $value)
    };
    (postgres, $column:literal, $value:literal) => {
        concat!($column, " = ", $value, " AND (", $column, ", a.seq) > (", $value, ", $11) AND (", $column, ", a.seq) < (", $value, ", $2)")
    };
}
/// The log by one of its indexes: SQLite would rather go along the chain itself.
macro_rules! log_by {
    (sqlite, $index:literal) => {
        concat!("audit_log a INDEXED BY ", $index)
    };
    (postgres, $index:literal) => {
        "audit_log a"
    };
}
macro_rules! listed_by {
    ($engine:tt, $index:literal, $column:literal, $value:literal, $order:literal) => {
        listed!(entries!(log_by!($engine, $index), within!($engine, $column, $value), "a.seq", $order), $order)
    };
}
/// All of a stretch.
macro_rules! listed_by_chain {
    ($order:literal) => {
        listed!(entries!("audit_log a", "a.seq > $11 AND a.seq < $2", "a.seq", $order), $order)
    };
}
/// What somebody did, and what was done to them: some of each, of which the nearest are shown.
macro_rules! listed_by_user {
    ($engine:tt, $order:literal) => {
        listed!(
            concat!(
                "SELECT * FROM (",
                entries!(log_by!($engine, "audit_log_by_actor"), within!($engine, "a.actor_id", "$3"), "a.seq", $order),
                ") did UNION SELECT * FROM (",
                entries!(log_by!($engine, "audit_log_by_target"), within!($engine, "a.target_id", "$3"), "a.seq", $order),
                ") had"
            ),
            $order
        )
    };
}
macro_rules! of_client {
    () => {
        "v.org = $1 AND v.field = 'client.name' AND v.text = $7 AND v.seq > $11 AND v.seq < $2"
    };
}
/// Entry by entry, so that no plan goes through the log for those who are many.
macro_rules! listed_by_client {
    (sqlite, $order:literal) => {
        listed!(
            entries!(
                "audit_values v INDEXED BY audit_values_by_client CROSS JOIN audit_log a",
                concat!(of_client!(), " AND a.seq = v.seq"),
                "v.seq",
                $order
            ),
            $order
        )
    };
    (postgres, $order:literal) => {
        listed!(
            entries!(
                "audit_values v CROSS JOIN LATERAL (SELECT * FROM audit_log e WHERE e.org = $1 AND e.seq = v.seq LIMIT 1) a",
                of_client!(),
                "v.seq",
                $order
            ),
            $order
        )
    };
}
/// How many of a filter's next $10 entries there are, and the last of them.
macro_rules! next_of {
    ($filter:literal, $places:expr, $last:literal) => {
        concat!("SELECT CAST(", $filter, " AS BIGINT), count(*), ", $last, "(seq) FROM (", $places, ") n")
    };
}
macro_rules! places {
    ($engine:tt, $index:literal, $column:literal, $value:literal, $order:literal) => {
        concat!(
            "SELECT a.seq FROM ",
            log_by!($engine, $index),
            " WHERE a.org = $1 AND ",
            within!($engine, $column, $value),
            " ORDER BY a.seq ",
            $order,
            " LIMIT $10"
        )
    };
}
macro_rules! texts_by_client {
    (sqlite) => {
        "audit_values v INDEXED BY audit_values_by_client"
    };
    (postgres) => {
        "audit_values v"
    };
}
/// The same of every filter, by its number.
macro_rules! next_of_each {
    ($engine:tt, $last:literal, $order:literal) => {
        concat!(
            next_of!(
                "0",
                concat!(
                    "SELECT seq FROM (SELECT * FROM (",
                    places!($engine, "audit_log_by_actor", "a.actor_id", "$3", $order),
                    ") did UNION SELECT * FROM (",
                    places!($engine, "audit_log_by_target", "a.target_id", "$3", $order),
                    ") had) of_user ORDER BY seq ",
                    $order,
                    " LIMIT $10"
                ),
                $last
            ),
            " UNION ALL ",
            next_of!("1", places!($engine, "audit_log_by_action", "a.action", "$4", $order), $last),
            " UNION ALL ",
            next_of!("2", places!($engine, "audit_log_by_surface", "a.surface", "$5", $order), $last),
            " UNION ALL ",
            next_of!("3", places!($engine, "audit_log_by_outcome", "a.outcome", "$6", $order), $last),
            " UNION ALL ",
            next_of!(
                "4",
                concat!("SELECT v.seq FROM ", texts_by_client!($engine), " WHERE ", of_client!(), " ORDER BY v.seq ", $order, " LIMIT $10"),
                $last
            )
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

/// A filter with an index in the order of the chain; its number is its place in [`Driver::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Driver {
    User,
    Action,
    Surface,
    Outcome,
    Client,
}

impl Driver {
    const ALL: [Self; 5] = [Self::User, Self::Action, Self::Surface, Self::Outcome, Self::Client];
}

/// How many entries of a filter a page looks at in each round, at most, where several filters hold at once: it ends after the last.
const LOOKS: [i64; 3] = [1000, 10_000, 50_000];

/// Entries after one place in the chain and before another.
#[derive(Clone, Copy)]
struct Stretch {
    after: i64,
    before: i64,
}

impl Stretch {
    /// What of it lies beyond a place, on the way.
    fn beyond(self, way: Way, place: i64) -> Self {
        match way {
            Way::Older => Self { before: self.before.min(place), ..self },
            Way::Newer => Self { after: self.after.max(place), ..self },
        }
    }

    /// What of it lies as far as to a place, on the way.
    fn up_to(self, way: Way, place: i64) -> Self {
        match way {
            Way::Older => Self { after: self.after.max(place - 1), ..self },
            Way::Newer => Self { before: self.before.min(place + 1), ..self },
        }
    }
}

/// A list that is read.
struct Reading<'a> {
    pool: &'a Pool,
    org: Org,
    filter: &'a Filter,
    way: Way,
}

impl Filter {
    /// What there is of it that an index has.
    fn drivers(&self) -> Vec<Driver> {
        let is_given = |driver: &Driver| match driver {
            Driver::User => self.user.is_some(),
            Driver::Action => self.action.is_some(),
            Driver::Surface => self.surface.is_some(),
            Driver::Outcome => self.outcome.is_some(),
            Driver::Client => self.client.is_some(),
        };
        Driver::ALL.into_iter().filter(is_given).collect()
    }
}

impl Reading<'_> {
    /// The entries between the filter's times. The chain's times never go back, so these are one stretch of it; of several entries
    /// in one moment it may begin and end with any, for each is held to the times besides.
    async fn stretch(&self) -> Result<Stretch, StoreError> {
        let Filter { from, to, .. } = self.filter;
        let mut stretch = Stretch { after: 0, before: i64::MAX };
        if from.is_none() && to.is_none() {
            return Ok(stretch);
        }
        let sql = "SELECT (SELECT seq FROM audit_log WHERE org = $1 AND at < $2 ORDER BY at DESC LIMIT 1),
                          (SELECT seq FROM audit_log WHERE org = $1 AND at >= $3 ORDER BY at LIMIT 1)";
        let query = self.pool.query(sql).bind(self.org.number);
        let row = query.bind(from.map_or(i64::MIN, Timestamp::as_millis)).bind(to.map_or(i64::MAX, Timestamp::as_millis)).one().await?;
        stretch.after = row.get::<Option<i64>>(0)?.unwrap_or(stretch.after);
        stretch.before = row.get::<Option<i64>>(1)?.unwrap_or(stretch.before);
        Ok(stretch)
    }

    async fn rows(&self, sql: &'static str, stretch: Stretch, limit: i64) -> Result<Vec<Row>, StoreError> {
        let filter = self.filter;
        self.pool
            .query(sql)
            .bind(self.org.number)
            .bind(stretch.before)
            .bind(filter.user)
            .bind(filter.action.clone())
            .bind(filter.surface.clone())
            .bind(filter.outcome.clone())
            .bind(filter.client.clone())
            .bind(filter.from.map_or(i64::MIN, Timestamp::as_millis))
            .bind(filter.to.map_or(i64::MAX, Timestamp::as_millis))
            .bind(limit)
            .bind(stretch.after)
            .all()
            .await
    }

    /// The entries of a stretch that hold all filters, by way of one of them: at most `limit`.
    async fn of(&self, driver: Option<Driver>, stretch: Stretch, limit: i64) -> Result<Vec<Row>, StoreError> {
        macro_rules! by {
            ($index:literal, $column:literal, $value:literal) => {
                match self.way {
                    Way::Older => {
                        (listed_by!(sqlite, $index, $column, $value, "DESC"), listed_by!(postgres, $index, $column, $value, "DESC"))
                    }
                    Way::Newer => {
                        (listed_by!(sqlite, $index, $column, $value, "ASC"), listed_by!(postgres, $index, $column, $value, "ASC"))
                    }
                }
            };
        }
        let (sqlite, postgres) = match (driver, self.way) {
            // The chain itself.
            (None, Way::Older) => (listed_by_chain!("DESC"), listed_by_chain!("DESC")),
            (None, Way::Newer) => (listed_by_chain!("ASC"), listed_by_chain!("ASC")),
            (Some(Driver::Action), _) => by!("audit_log_by_action", "a.action", "$4"),
            (Some(Driver::Surface), _) => by!("audit_log_by_surface", "a.surface", "$5"),
            (Some(Driver::Outcome), _) => by!("audit_log_by_outcome", "a.outcome", "$6"),
            (Some(Driver::User), Way::Older) => (listed_by_user!(sqlite, "DESC"), listed_by_user!(postgres, "DESC")),
            (Some(Driver::User), Way::Newer) => (listed_by_user!(sqlite, "ASC"), listed_by_user!(postgres, "ASC")),
            (Some(Driver::Client), Way::Older) => (listed_by_client!(sqlite, "DESC"), listed_by_client!(postgres, "DESC")),
            (Some(Driver::Client), Way::Newer) => (listed_by_client!(sqlite, "ASC"), listed_by_client!(postgres, "ASC")),
        };
        let sql = self.pool.engine().either(sqlite, postgres);
        self.rows(sql, stretch, limit).await
    }

    /// The filter with the fewest entries in a stretch, and with the last of its next `look` entries where there may be more.
    async fn fewest(&self, drivers: &[Driver], stretch: Stretch, look: i64) -> Result<(Option<Driver>, Option<i64>), StoreError> {
        let (sqlite, postgres) = match self.way {
            Way::Older => (next_of_each!(sqlite, "min", "DESC"), next_of_each!(postgres, "min", "DESC")),
            Way::Newer => (next_of_each!(sqlite, "max", "ASC"), next_of_each!(postgres, "max", "ASC")),
        };
        let sql = self.pool.engine().either(sqlite, postgres);
        // Fewer of all that there are come before those that reach furthest.
        let mut best: Option<((bool, i64), Driver, Option<i64>)> = None;
        for row in &self.rows(sql, stretch, look).await? {
            let (number, count, last): (i64, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let driver = usize::try_from(number).ok().and_then(|number| Driver::ALL.get(number).copied());
            let Some(driver) = driver.filter(|driver| drivers.contains(driver)) else { continue };
            let last = last.filter(|_| count >= look);
            let order = match (last, self.way) {
                (None, _) => (false, count),
                (Some(last), Way::Older) => (true, last),
                (Some(last), Way::Newer) => (true, -last),
            };
            if best.as_ref().is_none_or(|(known, _, _)| order < *known) {
                best = Some((order, driver, last));
            }
        }
        Ok(best.map_or((None, None), |(_, driver, last)| (Some(driver), last)))
    }
}

/// A page of events.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Newest first.
    pub events: Vec<Event>,
    /// The entry with which looking ended, where there are fewer than asked for and it was not the last of all.
    pub stopped: Option<i64>,
}

/// A page of events that are next to a place in the chain. One filter's own index leads to them. Of several the one that has the fewest
/// does, and only so far: what hardly any entry holds together may then be on one of the next pages.
pub async fn list(pool: &Pool, org: Org, filter: &Filter, way: Way, beyond: Option<i64>, limit: i64) -> Result<Listed, StoreError> {
    let reading = Reading { pool, org, filter, way };
    let mut stretch = reading.stretch().await?;
    if let Some(beyond) = beyond {
        stretch = stretch.beyond(way, beyond);
    }
    let drivers = filter.drivers();
    let (mut rows, mut stopped) = (Vec::new(), None);
    if drivers.len() < 2 {
        rows = reading.of(drivers.first().copied(), stretch, limit).await?;
    } else {
        for look in LOOKS {
            let (driver, last) = reading.fewest(&drivers, stretch, look).await?;
            let near = last.map_or(stretch, |last| stretch.up_to(way, last));
            let wanted = limit - i64::try_from(rows.len()).unwrap_or(limit);
            rows.extend(reading.of(driver, near, wanted).await?);
            let is_full = i64::try_from(rows.len()).unwrap_or(limit) >= limit;
            stopped = last.filter(|_| !is_full);
            let Some(last) = stopped else { break };
            stretch = stretch.beyond(way, last);
        }
    }
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
    Ok(Listed { events, stopped })
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
