//! Lists of people: newest first, page by page, narrowed and searched.
//!
//! A page is one statement, its total included. Pages go on below the
//! last key, so that whoever is added meanwhile stands before the first page and nobody moves.

use super::{
    super::{
        search::{self, SMALL},
        sql::{Engine, Pool, Row, StoreError},
    },
    PERSON_COLUMNS, Person, read_person,
};
use crate::{
    authz::Org,
    domain::{Role, Status, Timestamp},
};

/// What a list is narrowed to, and where it goes on.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Folded search text; empty is none.
    pub query: String,
    /// Only this status.
    pub status: Option<Status>,
    /// Only this role.
    pub role: Option<Role>,
    /// Only members of the group with this key.
    pub group: Option<i64>,
    /// Only Pending people whose invite has expired, or only everybody else.
    pub invite_expired: Option<bool>,
}

/// A page of people, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its people.
    pub people: Vec<Person>,
    /// Where the next page begins, if there is one.
    pub next: Option<i64>,
    /// How many there are in all.
    pub total: i64,
    /// Whether `total` is all, or where counting stopped.
    pub total_is_exact: bool,
}

/// Up to where a total is counted that no counter keeps.
const COUNTED: i64 = 1000;
/// How many people of a large organization a search goes through one by one, at most: for a page and for the total of one or
/// two letters (SQLite), for a page of what many have (PostgreSQL).
const SCAN: i64 = 10_000;

// Placeholders of every list statement: $1 first key of the organization, $2 below which key, $3 status,
// $4 role, $5 group, $6 expired 0/1, $7 now, $8 search text, $9 limit, $10 grams or phrase, $11 organization,
// $12 how many keys to look at, at most.
macro_rules! narrowed {
    () => {
        " AND ($3 IS NULL OR u.status = $3) AND ($4 IS NULL OR u.role = $4)
          AND ($5 IS NULL OR EXISTS (SELECT 1 FROM group_members gm WHERE gm.user_key = u.key AND gm.group_key = $5))
          AND ($6 IS NULL OR $6 = (CASE WHEN u.status = 'pending' AND EXISTS (SELECT 1 FROM links x WHERE x.user_key = u.key
               AND x.kind = 'invite' AND x.generation = u.invite_generation AND x.expires_at < $7) THEN 1 ELSE 0 END)) "
    };
}
macro_rules! counters {
    () => {
        "(SELECT (CASE WHEN ($3 IS NULL OR $3 = 'pending') AND ($4 IS NULL OR $4 = 'administrator') THEN pending_administrators ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'pending') AND ($4 IS NULL OR $4 = 'user') THEN pending_users ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'active') AND ($4 IS NULL OR $4 = 'administrator') THEN active_administrators ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'active') AND ($4 IS NULL OR $4 = 'user') THEN active_users ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'deactivated') AND ($4 IS NULL OR $4 = 'administrator') THEN deactivated_administrators ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'deactivated') AND ($4 IS NULL OR $4 = 'user') THEN deactivated_users ELSE 0 END)
            FROM org_heads WHERE org = $11)"
    };
}
// A source bounds its keys from below; the page and the count each bring the one upper bound, for an index takes no more.
macro_rules! counted {
    ($source:expr, $key:literal) => {
        concat!("(SELECT count(*) FROM (SELECT 1 ", $source, narrowed!(), " AND ", $key, " < $1 + 4294967296 LIMIT 1001) counted)")
    };
}
macro_rules! page {
    ($group_id:literal, $source:expr, $key:literal, $total:expr) => {
        concat!(
            "SELECT ",
            person_columns!($group_id),
            ", ",
            $total,
            " FROM (SELECT u.* ",
            $source,
            narrowed!(),
            " AND ",
            $key,
            " < $2 ORDER BY ",
            $key,
            " DESC LIMIT $9) u",
            person_joins!(),
            "ORDER BY u.key DESC"
        )
    };
}
/// (page on SQLite, page on PostgreSQL, total): a page's rows carry the total in their last column; the third statement
/// asks for it alone.
macro_rules! list_statement {
    ($source:expr, $key:literal) => {
        list_statement!($source, $key, counted!($source, $key))
    };
    ($source:expr, $key:literal, $total:expr) => {
        (page!("hex(g.id)", $source, $key, $total), page!("g.id::text", $source, $key, $total), concat!("SELECT ", $total))
    };
}
macro_rules! all_people {
    () => {
        "FROM users u WHERE u.key > $1"
    };
}
macro_rules! by_status {
    () => {
        "FROM users u WHERE u.status = $3 AND u.key > $1"
    };
}
macro_rules! by_role {
    () => {
        "FROM users u WHERE u.role = $4 AND u.key > $1"
    };
}
macro_rules! by_group {
    () => {
        "FROM group_members m JOIN users u ON u.key = m.user_key WHERE m.group_key = $5 AND m.user_key > $1"
    };
}
macro_rules! sqlite_scan {
    () => {
        "FROM users u WHERE u.key > $1 AND instr(u.folded, $8) > 0"
    };
}
macro_rules! postgres_scan {
    () => {
        "FROM users u WHERE u.key > $1 AND strpos(u.folded, $8) > 0"
    };
}
macro_rules! newest_key {
    () => {
        "(SELECT coalesce(max(k.key), $1) FROM users k WHERE k.key > $1 AND k.key < $1 + 4294967296)"
    };
}
/// The newest $12 people below $2: what one page looks at.
macro_rules! sqlite_part {
    () => {
        concat!("FROM users u WHERE u.key > max($1, min($2, ", newest_key!(), " + 1) - $12 - 1) AND instr(u.folded, $8) > 0")
    };
}
/// The newest $12 people: what the total looks at, whatever the page.
macro_rules! sqlite_newest {
    () => {
        concat!("FROM users u WHERE u.key > max($1, ", newest_key!(), " - $12) AND instr(u.folded, $8) > 0")
    };
}
macro_rules! sqlite_index {
    () => {
        "FROM users_fts f JOIN users u ON u.key = f.rowid WHERE users_fts MATCH $10 AND f.rowid > $1"
    };
}
macro_rules! postgres_index {
    () => {
        // Bounds that no index takes: the grams are the organization's own, and of them alone the plan is to be made.
        "FROM users_grams g JOIN users u ON u.key = g.key
         WHERE g.grams @> $10 AND g.key - $1 BETWEEN 1 AND 4294967295 AND strpos(u.folded, $8) > 0"
    };
}
macro_rules! postgres_total {
    () => {
        concat!("(SELECT count(*) FROM (SELECT 1 ", postgres_index!(), narrowed!(), " LIMIT 1001) counted)")
    };
}
macro_rules! sampled {
    () => {
        // Bounds on the sample, not on the people: their keys are for the join alone.
        concat!("FROM sample s JOIN users u ON u.key = s.key WHERE s.key > $1 AND strpos(u.folded, $8) > 0", narrowed!())
    };
}
/// A search of the index whose cost has a bound. GIN knows no order, so that a page of a term that many have would fetch
/// and sort them all, and the planner cannot tell, for it takes grams for independent. So up to 1001 candidates are taken
/// first, of this organization by their grams alone. Are these all, the page is theirs. Are there more, a page is soon
/// full by going through the newest people, at most $12 of them; only where that does not fill it (the few who are left,
/// or old ones) is the index asked for all.
macro_rules! postgres_page {
    () => {
        concat!(
            "WITH sample AS MATERIALIZED (SELECT g.key FROM users_grams g WHERE g.grams @> $10 LIMIT 1001),
             near AS MATERIALIZED (SELECT u.key FROM (SELECT * FROM users n WHERE n.key > $1 AND n.key < $2 ORDER BY n.key DESC LIMIT $12) u
                WHERE (SELECT count(*) FROM sample) > 1000 AND strpos(u.folded, $8) > 0",
            narrowed!(),
            " ORDER BY u.key DESC LIMIT $9),
             page AS (SELECT key FROM near WHERE (SELECT count(*) FROM near) = $9
                UNION ALL (SELECT u.key ",
            sampled!(),
            " AND (SELECT count(*) FROM sample) <= 1000 AND s.key < $2 ORDER BY u.key DESC LIMIT $9)
                UNION ALL (SELECT u.key ",
            postgres_index!(),
            narrowed!(),
            " AND (SELECT count(*) FROM sample) > 1000 AND (SELECT count(*) FROM near) < $9 AND g.key - $2 < 0 ORDER BY u.key DESC LIMIT $9))
             SELECT ",
            person_columns!("g.id::text"),
            ", (SELECT CASE WHEN c.n > 1000 OR (SELECT count(*) FROM sample) <= 1000 THEN c.n ELSE ",
            postgres_total!(),
            " END FROM (SELECT count(*) AS n FROM (SELECT 1 ",
            sampled!(),
            " AND s.key < $1 + 4294967296 LIMIT 1001) counted) c)
             FROM page p JOIN users u ON u.key = p.key ",
            person_joins!(),
            "ORDER BY u.key DESC"
        )
    };
}

/// A page of at most `limit` people below `before`. `people` is how many the organization has.
pub async fn list(
    pool: &Pool,
    org: Org,
    filter: &Filter,
    people: i64,
    before: Option<i64>,
    limit: i64,
    now: Timestamp,
) -> Result<Page, StoreError> {
    let engine = pool.engine();
    let low = org.number << 32;
    let first = before.is_none();
    let before = before.unwrap_or(low + (1 << 32));
    let searching = !filter.query.is_empty();
    let large = people > SMALL;
    let short = filter.query.chars().count() < 3;
    let bounded = searching && large && short && engine == Engine::Sqlite;
    let counters = !searching && filter.group.is_none() && filter.invite_expired.is_none();
    let (sqlite, postgres, total) = match (searching, large, engine) {
        (true, _, Engine::Sqlite) if bounded => {
            list_statement!(sqlite_part!(), "u.key", concat!(counted!(sqlite_newest!(), "u.key"), ", ", newest_key!()))
        }
        (true, false, Engine::Sqlite) => list_statement!(sqlite_scan!(), "u.key"),
        (true, false, Engine::Postgres) => list_statement!(postgres_scan!(), "u.key"),
        (true, true, Engine::Sqlite) => list_statement!(sqlite_index!(), "f.rowid"),
        (true, true, Engine::Postgres) => ("", postgres_page!(), concat!("SELECT ", postgres_total!())),
        (false, _, _) => match (counters, filter.group, filter.status, filter.invite_expired, filter.role) {
            (false, Some(_), _, _, _) => list_statement!(by_group!(), "m.user_key"),
            (false, None, _, Some(true), _) => list_statement!(by_status!(), "u.key"),
            (false, None, _, _, _) => list_statement!(all_people!(), "u.key"),
            // There are few Administrators of any status.
            (true, _, _, _, Some(Role::Administrator)) | (true, _, None, _, Some(Role::User)) => {
                list_statement!(by_role!(), "u.key", counters!())
            }
            (true, _, Some(_), _, Some(Role::User) | None) => list_statement!(by_status!(), "u.key", counters!()),
            (true, _, None, _, None) => list_statement!(all_people!(), "u.key", counters!()),
        },
    };
    // An expired invite is a Pending person's.
    let status = filter.status.or((filter.invite_expired == Some(true)).then_some(Status::Pending));
    let bind = |sql: &'static str| {
        let query = pool
            .query(sql)
            .bind(low)
            .bind(before)
            .bind(status)
            .bind(filter.role)
            .bind(filter.group)
            .bind(filter.invite_expired.map(i64::from))
            .bind(now)
            .bind(filter.query.as_str())
            .bind(limit + 1);
        let query = match engine {
            Engine::Sqlite => query.bind(search::fts_phrase(&filter.query)),
            Engine::Postgres => query.bind(search::query_grams(org.number, &filter.query)),
        };
        query.bind(org.number).bind(SCAN)
    };
    let rows = bind(engine.either(sqlite, postgres)).all().await?;
    let (total, newest) = match rows.first() {
        Some(row) => counts(row, PERSON_COLUMNS, bounded)?,
        // Nobody on the first page is nobody at all, where all were looked at.
        None if first && !bounded => (0, None),
        None => counts(&bind(total).one().await?, 0, bounded)?,
    };
    let mut people = rows.iter().map(read_person).collect::<Result<Vec<_>, _>>()?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = people.len() > wanted;
    people.truncate(wanted);
    let lowest = newest.map(|newest| before.min(newest + 1) - SCAN);
    let next = if more { people.last().map(|person| person.key) } else { lowest.filter(|lowest| *lowest > low + 1) };
    if counters {
        return Ok(Page { people, next, total, total_is_exact: true });
    }
    let looked_at_all = newest.is_none_or(|newest| newest - low <= SCAN);
    Ok(Page { people, next, total: total.min(COUNTED), total_is_exact: total <= COUNTED && looked_at_all })
}

/// The total from `column` on, and the organization's newest key where only a part was looked at.
fn counts(row: &Row, column: usize, bounded: bool) -> Result<(i64, Option<i64>), StoreError> {
    Ok((row.get(column)?, if bounded { Some(row.get(column + 1)?) } else { None }))
}
