//! The roster as a page shows it: in several orders, page by page, forward and back.
//!
//! What a filter leaves is sorted here where it is little; else the order's own index is walked from where the page begins, and
//! no further than [`LOOKED_AT`]. So every page has a bound, whatever stands in the tables: at most two statements for whose it is,
//! one for who they are.

use super::{
    super::{
        search::{self, SMALL},
        sql::{Engine, Pool, Query, Row, StoreError},
    },
    Counts, Person, read_person,
};
use crate::{
    authz::Org,
    domain::{DAY, Role, Status, Timestamp},
};
use std::collections::HashMap;

/// So many are sorted after they were found, and a total is counted up to there.
const FEW: i64 = 1000;
/// How many people one page of a large organization looks at, at most, where no index has the filter in this order.
const LOOKED_AT: i64 = 2000;

/// By what a roster is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// When people were first invited.
    Created,
    /// Full name, folded.
    Name,
    /// Address, folded.
    Email,
    /// When they were last seen; whoever never was counts as longest ago.
    LastSeen,
}

/// An order of the roster. Whoever is alike stands in the order of their invites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: By,
    /// From the end.
    pub descending: bool,
}

/// For how long somebody was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// Seen once, and not within 30 days.
    Month,
    /// Seen once, and not within 90 days.
    Quarter,
    /// Never seen.
    Ever,
}

impl Unseen {
    /// Every choice, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Month, Self::Quarter, Self::Ever];

    /// The word in an address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Month => "30d",
            Self::Quarter => "90d",
            Self::Ever => "never",
        }
    }

    /// The first and the last moment at which they were last seen; moment 0 is never.
    fn range(self, now: Timestamp) -> (i64, i64) {
        match self {
            Self::Month => (1, now.plus(-30 * DAY).as_millis()),
            Self::Quarter => (1, now.plus(-90 * DAY).as_millis()),
            Self::Ever => (0, 0),
        }
    }
}

/// What a roster is narrowed to, and its order.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Folded search text; empty is none.
    pub query: String,
    /// Only this status.
    pub status: Option<Status>,
    /// Only this role.
    pub role: Option<Role>,
    /// Only members of the group with this key, of which there are so many.
    pub group: Option<(i64, i64)>,
    /// Only who was not seen for so long.
    pub unseen: Option<Unseen>,
    /// The order.
    pub sort: Sort,
}

/// What somebody is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Worth {
    /// A time, or a key.
    Number(i64),
    /// A folded text.
    Text(String),
}

/// Where a page begins or ends.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// Whether the page is the one before it; else the one after.
    pub back: bool,
    /// How many people stood before it when it was made.
    pub at: i64,
    /// What the person there was sorted by.
    pub worth: Worth,
    /// Their key.
    pub key: i64,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its people in their order.
    pub people: Vec<Person>,
    /// How many stand before them.
    pub at: i64,
    /// Where the page before ends, if there is one.
    pub previous: Option<Mark>,
    /// Where the next page begins, if there is one.
    pub next: Option<Mark>,
    /// How many there are in all.
    pub total: i64,
    /// Whether `total` is all, or where counting stopped.
    pub total_is_exact: bool,
}

// Placeholders of all statements: $1 organization, $2 status, $3 role, $4 group, $5 and $6 first and last moment of having been
// seen, $7 search text, $8 phrase or grams, $9 first key of the organization; and of a walk: $10 and $11 what the mark is sorted by
// and its key, $12 how many to look at, $13 how many to find.
macro_rules! name {
    () => {
        "substr(u.folded, 1, 64)"
    };
}
macro_rules! seen {
    () => {
        "coalesce(u.last_seen_at, 0)"
    };
}
macro_rules! narrowed {
    ($position:literal) => {
        concat!(
            " AND ($2 IS NULL OR u.status = $2) AND ($3 IS NULL OR u.role = $3)
              AND ($4 IS NULL OR EXISTS (SELECT 1 FROM group_members gm WHERE gm.user_key = u.key AND gm.group_key = $4))
              AND ($5 IS NULL OR ",
            seen!(),
            " BETWEEN $5 AND $6) AND ($7 = '' OR ",
            $position,
            "(u.folded, $7) > 0) "
        )
    };
}

/// Up to 1001 candidates of a source, and who of them all filters leave: their number and the candidates' first, then
/// themselves, where no candidate was left out.
macro_rules! few {
    ($position:literal, $source:expr) => {
        concat!(
            "WITH candidate AS MATERIALIZED (SELECT ",
            $source,
            " LIMIT 1001),
             hit AS MATERIALIZED (SELECT u.key, ",
            name!(),
            " AS name, u.email_key, ",
            seen!(),
            " AS seen FROM candidate JOIN users u ON u.key = candidate.key WHERE u.key > $9",
            narrowed!($position),
            ")
             SELECT (SELECT count(*) FROM candidate), '', '', (SELECT count(*) FROM hit)
             UNION ALL SELECT hit.key, hit.name, hit.email_key, hit.seen FROM hit WHERE (SELECT count(*) FROM candidate) <= 1000"
        )
    };
    ($source:expr) => {
        (few!("instr", $source), few!("strpos", $source))
    };
}

macro_rules! of_status {
    ($status:literal) => {
        concat!("u.status = '", $status, "' AND ($2 IS NULL OR $2 = '", $status, "')")
    };
}
/// Candidates of one status by when they were last seen, in that order, so that the index is walked and not the table.
macro_rules! unseen {
    ($status:literal) => {
        concat!(
            "SELECT * FROM (SELECT u.key AS key FROM users u WHERE u.org = $1 AND ",
            of_status!($status),
            " AND ",
            seen!(),
            " BETWEEN $5 AND $6 ORDER BY ",
            seen!(),
            ", u.key LIMIT 1001) one"
        )
    };
}

/// Where candidates come from: a list that is known to be short, or the most telling index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Everybody,
    Status,
    Role,
    Group,
    Text,
    Unseen,
}

impl Source {
    fn statement(self, engine: Engine) -> &'static str {
        let (sqlite, postgres) = match self {
            Self::Everybody => few!("u.key FROM users u WHERE u.key > $9 AND u.key < $9 + 4294967296"),
            Self::Status => few!("u.key FROM users u WHERE u.status = $2 AND u.key > $9 AND u.key < $9 + 4294967296"),
            Self::Role => few!("u.key FROM users u WHERE u.role = $3 AND u.key > $9 AND u.key < $9 + 4294967296"),
            Self::Group => few!("m.user_key AS key FROM group_members m WHERE m.group_key = $4"),
            Self::Text => (
                few!("instr", "f.rowid AS key FROM users_fts f WHERE users_fts MATCH $8 AND f.rowid > $9 AND f.rowid < $9 + 4294967296"),
                few!("strpos", "g.key FROM users_grams g WHERE g.grams @> $8"),
            ),
            Self::Unseen => few!(concat!(
                "key FROM (",
                unseen!("pending"),
                " UNION ALL ",
                unseen!("active"),
                " UNION ALL ",
                unseen!("deactivated"),
                ") found"
            )),
        };
        engine.either(sqlite, postgres)
    }
}

/// The people of one status after the mark, on SQLite: those who are sorted by the same, then the others. With one condition for both
/// it would begin at the first who is sorted by the same, and all who are invited were last seen never.
macro_rules! after {
    ($by:expr, $status:literal, $after:literal, $direction:literal) => {
        concat!(
            "SELECT * FROM (SELECT u.key AS key, ",
            $by,
            " AS worth FROM users u WHERE u.org = $1 AND ",
            of_status!($status),
            " AND ",
            $by,
            " = $10 AND u.key ",
            $after,
            " $11 ORDER BY u.key ",
            $direction,
            " LIMIT $12) alike UNION ALL SELECT * FROM (SELECT u.key AS key, ",
            $by,
            " AS worth FROM users u WHERE u.org = $1 AND ",
            of_status!($status),
            " AND ",
            $by,
            " ",
            $after,
            " $10 ORDER BY ",
            $by,
            " ",
            $direction,
            ", u.key ",
            $direction,
            " LIMIT $12) further"
        )
    };
}
/// The same on PostgreSQL, which compares rows in its index. Of two conditions the first would have it walk the keys.
macro_rules! beyond {
    ($by:expr, $status:literal, $after:literal, $direction:literal) => {
        concat!(
            "SELECT * FROM (SELECT u.key AS key, ",
            $by,
            " AS worth FROM users u WHERE u.org = $1 AND ",
            of_status!($status),
            " AND (",
            $by,
            ", u.key) ",
            $after,
            " ($10, $11) ORDER BY ",
            $by,
            " ",
            $direction,
            ", u.key ",
            $direction,
            " LIMIT $12) further"
        )
    };
}
/// The same by key; $10 is the end of the organization's.
macro_rules! after_key {
    ($status:literal, $after:literal, $before:literal, $direction:literal) => {
        concat!(
            "SELECT * FROM (SELECT u.key AS key, u.key AS worth FROM users u WHERE ",
            of_status!($status),
            " AND u.key ",
            $after,
            " $11 AND u.key ",
            $before,
            " $10 ORDER BY u.key ",
            $direction,
            " LIMIT $12) further"
        )
    };
}
/// Whom the filters leave of the next $12 people: 0, key, what they are sorted by. Then where looking ended, if it did not end
/// with the last of all: 1 and the same.
macro_rules! walk {
    ($position:literal, $direction:literal, $end:literal, $pending:expr, $active:expr, $deactivated:expr) => {
        concat!(
            "WITH near AS MATERIALIZED (SELECT key, worth FROM (",
            $pending,
            " UNION ALL ",
            $active,
            " UNION ALL ",
            $deactivated,
            ") n ORDER BY worth ",
            $direction,
            ", key ",
            $direction,
            " LIMIT $12)
             SELECT CAST(0 AS BIGINT) AS kind, h.key AS key, h.worth AS worth FROM (SELECT near.key, near.worth FROM near JOIN users u ON u.key = near.key WHERE u.key > $9",
            narrowed!($position),
            "ORDER BY near.worth ",
            $direction,
            ", near.key ",
            $direction,
            " LIMIT $13) h
             UNION ALL SELECT CAST(1 AS BIGINT), e.key, e.worth FROM (SELECT key, worth FROM near ORDER BY worth ",
            $end,
            ", key ",
            $end,
            " LIMIT 1) e WHERE (SELECT count(*) FROM near) >= $12
             ORDER BY kind, worth ",
            $direction,
            ", key ",
            $direction
        )
    };
    ("strpos", rising, $by:expr) => {
        walk!(
            "strpos",
            "ASC",
            "DESC",
            beyond!($by, "pending", ">", "ASC"),
            beyond!($by, "active", ">", "ASC"),
            beyond!($by, "deactivated", ">", "ASC")
        )
    };
    ("strpos", falling, $by:expr) => {
        walk!(
            "strpos",
            "DESC",
            "ASC",
            beyond!($by, "pending", "<", "DESC"),
            beyond!($by, "active", "<", "DESC"),
            beyond!($by, "deactivated", "<", "DESC")
        )
    };
    ($position:literal, rising, $by:expr) => {
        walk!(
            $position,
            "ASC",
            "DESC",
            after!($by, "pending", ">", "ASC"),
            after!($by, "active", ">", "ASC"),
            after!($by, "deactivated", ">", "ASC")
        )
    };
    ($position:literal, falling, $by:expr) => {
        walk!(
            $position,
            "DESC",
            "ASC",
            after!($by, "pending", "<", "DESC"),
            after!($by, "active", "<", "DESC"),
            after!($by, "deactivated", "<", "DESC")
        )
    };
    ($position:literal, rising) => {
        walk!(
            $position,
            "ASC",
            "DESC",
            after_key!("pending", ">", "<", "ASC"),
            after_key!("active", ">", "<", "ASC"),
            after_key!("deactivated", ">", "<", "ASC")
        )
    };
    ($position:literal, falling) => {
        walk!(
            $position,
            "DESC",
            "ASC",
            after_key!("pending", "<", ">", "DESC"),
            after_key!("active", "<", ">", "DESC"),
            after_key!("deactivated", "<", ">", "DESC")
        )
    };
}

impl Sort {
    /// The statement that walks this order.
    fn walk(self, engine: Engine) -> &'static str {
        let (sqlite, postgres) = match (self.by, self.descending) {
            (By::Created, false) => (walk!("instr", rising), walk!("strpos", rising)),
            (By::Created, true) => (walk!("instr", falling), walk!("strpos", falling)),
            (By::Name, false) => (walk!("instr", rising, name!()), walk!("strpos", rising, concat!(name!(), " COLLATE \"C\""))),
            (By::Name, true) => (walk!("instr", falling, name!()), walk!("strpos", falling, concat!(name!(), " COLLATE \"C\""))),
            (By::Email, false) => (walk!("instr", rising, "u.email_key"), walk!("strpos", rising, "u.email_key COLLATE \"C\"")),
            (By::Email, true) => (walk!("instr", falling, "u.email_key"), walk!("strpos", falling, "u.email_key COLLATE \"C\"")),
            (By::LastSeen, false) => (walk!("instr", rising, seen!()), walk!("strpos", rising, seen!())),
            (By::LastSeen, true) => (walk!("instr", falling, seen!()), walk!("strpos", falling, seen!())),
        };
        engine.either(sqlite, postgres)
    }

    /// The order in which a walk from a mark goes.
    fn towards(self, back: bool) -> Self {
        Self { descending: self.descending != back, ..self }
    }

    /// A mark before everybody.
    fn start(self, org: Org) -> Mark {
        let (low, high) = (org.number << 32, (org.number + 1) << 32);
        let worth = match (self.by, self.descending) {
            (By::Created | By::LastSeen, false) => Worth::Number(i64::MIN),
            (By::Created | By::LastSeen, true) => Worth::Number(i64::MAX),
            (By::Name | By::Email, false) => Worth::Text(String::new()),
            // No text begins with what is no character.
            (By::Name | By::Email, true) => Worth::Text(char::MAX.to_string()),
        };
        Mark { back: false, at: 0, worth, key: if self.descending { high } else { low } }
    }

    fn worth(self, row: &Row, index: usize) -> Result<Worth, StoreError> {
        match self.by {
            By::Created | By::LastSeen => row.get(index).map(Worth::Number),
            By::Name | By::Email => row.get(index).map(Worth::Text),
        }
    }
}

/// Somebody's place in the order.
type Place = (Worth, i64);

impl Wanted {
    /// Whether the counters of the organization know how many there are.
    fn is_counted(&self) -> bool {
        self.query.is_empty() && self.group.is_none() && self.unseen.is_none()
    }

    /// Where to look for few; nothing where only the order itself leads on.
    fn source(&self, counts: &Counts, engine: Engine) -> Option<Source> {
        let administrators = self.role == Some(Role::Administrator);
        if self.is_counted() && !administrators {
            return None;
        }
        let few = |status, role| counts.of(status, role) <= FEW;
        // GIN has grams of one and two letters, FTS5 has not.
        let indexed = !self.query.is_empty() && (engine == Engine::Postgres || self.query.chars().count() >= 3);
        if counts.of(None, None) <= SMALL {
            Some(Source::Everybody)
        } else if self.group.is_some_and(|(_, members)| members <= FEW) {
            Some(Source::Group)
        } else if administrators && few(None, self.role) {
            Some(Source::Role)
        } else if self.status.is_some() && few(self.status, None) {
            Some(Source::Status)
        } else if indexed {
            Some(Source::Text)
        } else {
            self.unseen.map(|_| Source::Unseen)
        }
    }

    /// How many to look at for a page of so many, where at least `hits` of all match.
    fn looks(&self, counts: &Counts, more: i64, hits: i64) -> i64 {
        if self.is_counted() {
            // Those of the other role stand between.
            return more + counts.of(self.status, None) - counts.of(self.status, self.role);
        }
        // Twice as many as would do if they stood evenly.
        if hits == 0 { LOOKED_AT } else { 2 * more * (counts.of(self.status, None) / hits + 1) }
    }

    fn bind<'a>(&self, query: Query<'a>, engine: Engine, org: Org, now: Timestamp) -> Query<'a> {
        let seen = self.unseen.map(|unseen| unseen.range(now));
        let query = query
            .bind(org.number)
            .bind(self.status)
            .bind(self.role)
            .bind(self.group.map(|(key, _)| key))
            .bind(seen.map(|(first, _)| first))
            .bind(seen.map(|(_, last)| last))
            .bind(self.query.as_str());
        let query = match engine {
            Engine::Sqlite => query.bind(search::fts_phrase(&self.query)),
            Engine::Postgres => query.bind(search::query_grams(org.number, &self.query)),
        };
        query.bind(org.number << 32)
    }
}

/// Who was found by one look.
struct Found {
    /// Nobody where there are too many to be sorted.
    places: Option<Vec<Place>>,
    /// How many of the candidates fit.
    hits: i64,
}

async fn find(pool: &Pool, org: Org, wanted: &Wanted, source: Source, now: Timestamp) -> Result<Found, StoreError> {
    let engine = pool.engine();
    let rows = wanted.bind(pool.query(source.statement(engine)), engine, org, now).all().await?;
    let mut places = Vec::with_capacity(rows.len());
    let mut numbers = (0, 0);
    for row in &rows {
        let (key, name, email, seen): (i64, String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if email.is_empty() {
            numbers = (key, seen);
            continue;
        }
        let worth = match wanted.sort.by {
            By::Created => Worth::Number(key),
            By::Name => Worth::Text(name),
            By::Email => Worth::Text(email),
            By::LastSeen => Worth::Number(seen),
        };
        places.push((worth, key));
    }
    let (candidates, hits) = numbers;
    Ok(Found { places: (candidates <= FEW).then_some(places), hits })
}

/// Places of a page, and what stands around them.
struct Cut {
    places: Vec<Place>,
    at: i64,
    /// Whether others stand before and after; if these are further away than was looked, from where to go on.
    before: Around,
    after: Around,
}

enum Around {
    Nobody,
    Others,
    Further(Place),
}

/// A page out of all that there are.
fn cut(mut places: Vec<Place>, sort: Sort, from: Option<&Mark>, limit: usize) -> Cut {
    places.sort_unstable();
    if sort.descending {
        places.reverse();
    }
    let begins = from.map_or(0, |mark| {
        let stands_before = |place: &Place| {
            let order = (&place.0, place.1).cmp(&(&mark.worth, mark.key));
            let order = if sort.descending { order.reverse() } else { order };
            if mark.back { order.is_lt() } else { order.is_le() }
        };
        let before = places.partition_point(stands_before);
        if mark.back { before.saturating_sub(limit) } else { before }
    });
    let more = places.len() > begins + limit;
    let around = |others: bool| if others { Around::Others } else { Around::Nobody };
    let page = places.into_iter().skip(begins).take(limit).collect();
    Cut { places: page, at: i64::try_from(begins).unwrap_or_default(), before: around(begins > 0), after: around(more) }
}

/// A page by walking the order's index from the mark.
async fn walk(
    pool: &Pool,
    org: Org,
    wanted: &Wanted,
    (counts, hits): (&Counts, i64),
    from: Option<&Mark>,
    limit: usize,
    now: Timestamp,
) -> Result<Cut, StoreError> {
    let engine = pool.engine();
    let back = from.is_some_and(|mark| mark.back);
    let sort = wanted.sort.towards(back);
    let start = sort.start(org);
    let mark = from.unwrap_or(&start);
    let more = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
    let look = wanted.looks(counts, more, hits).clamp(more, LOOKED_AT.max(more));
    let query = wanted.bind(pool.query(sort.walk(engine)), engine, org, now);
    let query = match (sort.by, &mark.worth) {
        // The other end of the organization's keys.
        (By::Created, _) => query.bind(if sort.descending { org.number << 32 } else { (org.number + 1) << 32 }),
        (By::LastSeen, Worth::Number(number)) => query.bind(*number),
        (By::Name | By::Email, Worth::Text(text)) => query.bind(text.as_str()),
        (By::LastSeen, Worth::Text(_)) | (By::Name | By::Email, Worth::Number(_)) => {
            return Err(StoreError::Corrupt("a mark of another order".to_owned()));
        }
    };
    let rows = query.bind(mark.key).bind(look).bind(more).all().await?;
    let (mut places, mut end) = (Vec::new(), None);
    for row in &rows {
        let place = (sort.worth(row, 2)?, row.get(1)?);
        if row.get::<i64>(0)? == 0 {
            places.push(place);
        } else {
            end = Some(place);
        }
    }
    let onward = match (places.len() > limit, end) {
        (true, _) => Around::Others,
        (false, Some(end)) => Around::Further(end),
        (false, None) => Around::Nobody,
    };
    places.truncate(limit);
    let shown = i64::try_from(places.len()).unwrap_or_default();
    // There was somebody, or there would be no mark.
    let behind = if from.is_some() { Around::Others } else { Around::Nobody };
    if back {
        places.reverse();
        return Ok(Cut { places, at: (mark.at - shown).max(0), before: onward, after: behind });
    }
    Ok(Cut { places, at: mark.at, before: behind, after: onward })
}

/// Who stands at these keys.
async fn who(pool: &Pool, places: &[Place]) -> Result<Vec<Person>, StoreError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let sql = pool.engine().either(
        person_statement!("hex(g.id)", "u.key IN (SELECT value FROM json_each($1))"),
        person_statement!("g.id::text", "u.key = ANY($1)"),
    );
    let keys: Vec<i64> = places.iter().map(|(_, key)| *key).collect();
    let rows = pool.query(sql).bind(keys).all().await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let person = read_person(row)?;
        found.insert(person.key, person);
    }
    Ok(places.iter().filter_map(|(_, key)| found.remove(key)).collect())
}

impl Cut {
    /// The marks of the pages before and after.
    fn marks(&self, from: Option<&Mark>) -> (Option<Mark>, Option<Mark>) {
        let shown = i64::try_from(self.places.len()).unwrap_or_default();
        let here = from.map(|mark| (mark.worth.clone(), mark.key));
        let mark = |around: &Around, back, at, beside: Option<&Place>| {
            let (worth, key) = match around {
                Around::Nobody => return None,
                // A page on which nobody is has its own mark at both ends.
                Around::Others => beside.cloned().or_else(|| here.clone())?,
                Around::Further(place) => place.clone(),
            };
            Some(Mark { back, at, worth, key })
        };
        let previous = mark(&self.before, true, self.at, self.places.first());
        (previous, mark(&self.after, false, self.at + shown, self.places.last()))
    }
}

/// A page of at most `limit` people beside `from`. `counts` is how many the organization has.
pub async fn roster(
    pool: &Pool,
    org: Org,
    wanted: &Wanted,
    counts: &Counts,
    from: Option<&Mark>,
    limit: usize,
    now: Timestamp,
) -> Result<Part, StoreError> {
    let mut total = if wanted.is_counted() { (counts.of(wanted.status, wanted.role), true) } else { (0, false) };
    let (mut few, mut hits) = (None, 0);
    if let Some(source) = wanted.source(counts, pool.engine()) {
        let found = find(pool, org, wanted, source, now).await?;
        if !wanted.is_counted() {
            total = (found.hits.min(FEW), found.places.is_some());
        }
        (few, hits) = (found.places, found.hits);
    }
    let mut from = from;
    let cut = if let Some(places) = few {
        cut(places, wanted.sort, from, limit)
    } else {
        let mut page = walk(pool, org, wanted, (counts, hits), from, limit, now).await?;
        // Going back ends with the first page as it is now, and not with what is left of it.
        if from.is_some_and(|mark| mark.back) && matches!(page.before, Around::Nobody) {
            from = None;
            page = walk(pool, org, wanted, (counts, hits), None, limit, now).await?;
        }
        if from.is_none() && matches!(page.after, Around::Nobody) {
            total = (i64::try_from(page.places.len()).unwrap_or_default(), true);
        }
        page
    };
    let (previous, next) = cut.marks(from);
    Ok(Part { people: who(pool, &cut.places).await?, at: cut.at, previous, next, total: total.0, total_is_exact: total.1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(keys: &[i64]) -> Vec<Place> {
        keys.iter().map(|key| (Worth::Number(key / 10), *key)).collect()
    }

    #[test]
    fn a_page_is_cut_where_its_mark_is_in_either_order_and_direction() {
        let by = |descending| Sort { by: By::LastSeen, descending };
        let mark = |key: i64, back| Mark { back, at: 0, worth: Worth::Number(key / 10), key };
        let keys = |cut: &Cut| cut.places.iter().map(|(_, key)| *key).collect::<Vec<_>>();
        let all = [31, 12, 11, 22, 21];
        let first = cut(places(&all), by(false), None, 2);
        assert_eq!((keys(&first), first.at), (vec![11, 12], 0));
        assert!(matches!((&first.before, &first.after), (Around::Nobody, Around::Others)));
        let second = cut(places(&all), by(false), Some(&mark(12, false)), 2);
        assert_eq!((keys(&second), second.at), (vec![21, 22], 2));
        let back = cut(places(&all), by(false), Some(&mark(21, true)), 2);
        assert_eq!((keys(&back), back.at), (vec![11, 12], 0));
        let last = cut(places(&all), by(true), Some(&mark(21, false)), 2);
        assert_eq!((keys(&last), last.at), (vec![12, 11], 3));
        assert!(matches!((&last.before, &last.after), (Around::Others, Around::Nobody)));
        // Fewer than a page before the mark: the first page is whole.
        let back = cut(places(&all), by(true), Some(&mark(22, true)), 2);
        assert_eq!((keys(&back), back.at), (vec![31, 22], 0));
    }
}
