//! The roster as a page shows it: in several orders, page by page, forward and back.
//!
//! What a filter leaves is sorted here where it is little. Else the order's own index is walked from where the page begins, some way;
//! where that does not fill the page, all whom the filter's index has are sorted by the database. So a page costs as much as the
//! people on it, or as those whom a filter leaves; only what no index has (one or two letters on SQLite) is looked for on and on, up to
//! [`LOOKED_ON`]. Whose page it is are at most three statements, who they are is one.

mod statements;

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
/// How many people a page first looks at in its order, at most, for each that it shows.
const LOOKS: i64 = 40;
/// How many it then looks at in one statement, where no index has the filter; and how many in all.
const FURTHER: i64 = 20_000;
const LOOKED_ON: i64 = 120_000;
/// How many of the newest people are looked through for one or two letters, where no index has these: for a total, and in smaller
/// organizations for everybody. The statement knows it, too.
const NEWEST: i64 = 10_000;

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

/// Where candidates come from: a list that is known to be short, or the most telling index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Everybody,
    Status,
    Role,
    Group,
    Text,
    Newest,
    Unseen,
}

/// The index that has everybody whom a filter leaves, however many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Driver {
    Group,
    Text,
    Role,
    Unseen,
}

impl Sort {
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

    /// How many there are, where the group alone is what they have in common.
    fn members(&self) -> Option<i64> {
        let alone = self.query.is_empty() && self.status.is_none() && self.role.is_none() && self.unseen.is_none();
        self.group.filter(|_| alone).map(|(_, members)| members)
    }

    /// Whether an index has the search text: GIN has grams of one and two letters, FTS5 has not.
    fn is_indexed(&self, engine: Engine) -> bool {
        !self.query.is_empty() && (engine == Engine::Postgres || self.query.chars().count() >= 3)
    }

    /// Where to look for few, and for how many there are; nothing where that is known and they are many.
    fn source(&self, counts: &Counts, engine: Engine) -> Option<Source> {
        let administrators = self.role == Some(Role::Administrator);
        if self.is_counted() && !administrators {
            return None;
        }
        let few = |status, role| counts.of(status, role) <= FEW;
        if counts.of(None, None) <= SMALL {
            Some(Source::Everybody)
        } else if self.group.is_some_and(|(_, members)| members <= FEW) {
            Some(Source::Group)
        } else if administrators && few(None, self.role) {
            Some(Source::Role)
        } else if self.status.is_some() && few(self.status, None) {
            Some(Source::Status)
        } else if self.members().is_some() {
            None
        } else if self.is_indexed(engine) {
            Some(Source::Text)
        } else if self.group.is_some() {
            Some(Source::Group)
        } else if self.unseen.is_some() {
            Some(Source::Unseen)
        } else {
            (!self.query.is_empty()).then_some(Source::Newest)
        }
    }

    /// Whose index to ask for everybody, if there is one.
    fn driver(&self, engine: Engine) -> Option<Driver> {
        let indexed = self.is_indexed(engine);
        match self.group {
            // Of a group it is known how many that are.
            Some((_, members)) if members <= FURTHER || !indexed => Some(Driver::Group),
            Some(_) | None if indexed => Some(Driver::Text),
            Some(_) | None if self.role == Some(Role::Administrator) => Some(Driver::Role),
            Some(_) | None => self.unseen.map(|_| Driver::Unseen),
        }
    }

    /// How many to look at for a page of so many, where at least `hits` of all match.
    fn looks(&self, counts: &Counts, more: i64, hits: i64) -> i64 {
        if self.is_counted() {
            // Those of the other role stand between.
            return more + counts.of(self.status, None) - counts.of(self.status, self.role);
        }
        // Twice as many as would do if they stood evenly.
        if hits == 0 { LOOKS * more } else { 2 * more * (counts.of(self.status, None) / hits + 1) }
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

/// A roster that is read.
struct Reading<'a> {
    pool: &'a Pool,
    org: Org,
    wanted: &'a Wanted,
    counts: &'a Counts,
    now: Timestamp,
}

/// Who was found among few candidates.
#[derive(Default)]
struct Found {
    /// Nobody where there are too many to be sorted.
    places: Option<Vec<Place>>,
    /// How many fit, counted up to one more than [`FEW`].
    hits: i64,
    /// Whether these are all.
    all: bool,
}

impl Reading<'_> {
    async fn few(&self, source: Source) -> Result<Found, StoreError> {
        let engine = self.pool.engine();
        let rows = self.wanted.bind(self.pool.query(source.statement(engine)), engine, self.org, self.now).all().await?;
        let mut places = Vec::with_capacity(rows.len());
        let mut numbers = (0, 0);
        for row in &rows {
            let (key, name, email, seen): (i64, String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            if email.is_empty() {
                numbers = (key, seen);
                continue;
            }
            let worth = match self.wanted.sort.by {
                By::Created => Worth::Number(key),
                By::Name => Worth::Text(name),
                By::Email => Worth::Text(email),
                By::LastSeen => Worth::Number(seen),
            };
            places.push((worth, key));
        }
        let (candidates, hits) = numbers;
        let all = match source {
            Source::Newest => hits <= FEW && self.counts.of(None, None) <= NEWEST,
            Source::Unseen => candidates <= FEW,
            Source::Everybody | Source::Status | Source::Role | Source::Group | Source::Text => hits <= FEW,
        };
        // Nobody is soon sorted.
        Ok(Found { places: (all && (candidates <= FEW || hits == 0)).then_some(places), hits, all })
    }
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

/// Whom one statement found after a place, and where it ended, if not with the last of all.
struct Look {
    places: Vec<Place>,
    end: Option<Place>,
}

impl Reading<'_> {
    /// A mark before everybody in this order.
    fn start(&self, sort: Sort) -> Mark {
        let mut start = sort.start(self.org);
        // Who was last seen within a time stands in one stretch of this order.
        if let (By::LastSeen, Some(unseen)) = (sort.by, self.wanted.unseen) {
            let (first, last) = unseen.range(self.now);
            start.worth = Worth::Number(if sort.descending { last } else { first });
        }
        start
    }

    /// Whether nobody who stands beyond this place fits.
    fn is_past(&self, sort: Sort, (worth, _): &Place) -> bool {
        let (By::LastSeen, Some(unseen), Worth::Number(seen)) = (sort.by, self.wanted.unseen, worth) else { return false };
        let (first, last) = unseen.range(self.now);
        if sort.descending { *seen < first } else { *seen > last }
    }

    /// Runs a statement that goes on from a place: it looks at so many people, at most, for so many.
    async fn look(&self, sort: Sort, sql: &'static str, (worth, key): (&Worth, i64), looks: i64, more: i64) -> Result<Look, StoreError> {
        let (engine, low) = (self.pool.engine(), self.org.number << 32);
        let query = self.wanted.bind(self.pool.query(sql), engine, self.org, self.now);
        let query = match (sort.by, worth) {
            (By::Created, _) => query.bind(if sort.descending { low } else { low + (1 << 32) }),
            (By::LastSeen, Worth::Number(number)) => query.bind(*number),
            (By::Name | By::Email, Worth::Text(text)) => query.bind(text.as_str()),
            (By::LastSeen, Worth::Text(_)) | (By::Name | By::Email, Worth::Number(_)) => {
                return Err(StoreError::Corrupt("a mark of another order".to_owned()));
            }
        };
        let rows = query.bind(key).bind(looks).bind(more).all().await?;
        let mut look = Look { places: Vec::with_capacity(rows.len()), end: None };
        for row in &rows {
            let place = (sort.worth(row, 2)?, row.get(1)?);
            if row.get::<i64>(0)? == 0 {
                look.places.push(place);
            } else {
                look.end = Some(place);
            }
        }
        look.end = look.end.filter(|end| !self.is_past(sort, end));
        Ok(look)
    }

    /// Whom the filters leave after a mark in this order, `more` of them where there are so many. At least `hits` match in all.
    async fn after(&self, sort: Sort, mark: &Mark, hits: i64, more: i64) -> Result<Look, StoreError> {
        let engine = self.pool.engine();
        let driver = self.wanted.driver(engine);
        let here = (&mark.worth, mark.key);
        let driven = driver.map(|driver| (driver.statement(sort, engine), driver.stands_in(sort, engine)));
        if let Some((sql, true)) = driven {
            return self.look(sort, sql, here, 0, more).await;
        }
        let mut looked = self.wanted.looks(self.counts, more, hits).clamp(more, LOOKS * more);
        let wants = |found: &Look| more - i64::try_from(found.places.len()).unwrap_or(more);
        let mut found = self.look(sort, sort.walk(engine), here, looked, more).await?;
        if let (Some((sql, _)), true, true) = (driven, wants(&found) > 0, found.end.is_some()) {
            return self.look(sort, sql, here, 0, more).await;
        }
        while let (Some((worth, key)), true, true) = (&found.end, wants(&found) > 0, looked < LOOKED_ON) {
            let next = self.look(sort, sort.walk(engine), (worth, *key), FURTHER, wants(&found)).await?;
            looked += FURTHER;
            found.places.extend(next.places);
            found.end = next.end;
        }
        Ok(found)
    }

    /// The page that goes from a mark.
    async fn beside(&self, hits: i64, from: Option<&Mark>, limit: usize) -> Result<Cut, StoreError> {
        let back = from.is_some_and(|mark| mark.back);
        let sort = self.wanted.sort.towards(back);
        let start = self.start(sort);
        let mark = from.unwrap_or(&start);
        let more = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
        let Look { mut places, end } = self.after(sort, mark, hits, more).await?;
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

/// A place right beside a mark's, from which a page begins with whoever stands at the mark.
fn beside(sort: Sort, mark: &Mark, back: bool) -> Place {
    let key = if sort.descending == back { mark.key - 1 } else { mark.key + 1 };
    let worth = if sort.by == By::Created { Worth::Number(key) } else { mark.worth.clone() };
    (worth, key)
}

impl Cut {
    /// The marks of the pages before and after.
    fn marks(&self, sort: Sort, from: Option<&Mark>) -> (Option<Mark>, Option<Mark>) {
        let shown = i64::try_from(self.places.len()).unwrap_or_default();
        let mark = |around: &Around, back, at, end: Option<&Place>| {
            let (worth, key) = match around {
                Around::Nobody => return None,
                // A page on which nobody is was left by its own mark: whoever stands there is on the page to which one goes back.
                Around::Others => end.cloned().or_else(|| from.map(|from| beside(sort, from, back)))?,
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
    let reading = Reading { pool, org, wanted, counts, now };
    let known = if wanted.is_counted() { Some(counts.of(wanted.status, wanted.role)) } else { wanted.members() };
    let found = match wanted.source(counts, pool.engine()) {
        Some(source) => reading.few(source).await?,
        None => Found { hits: known.unwrap_or_default(), ..Found::default() },
    };
    let mut total = known.map_or((found.hits.min(FEW), found.all), |known| (known, true));
    let mut from = from;
    let cut = if let Some(places) = found.places {
        cut(places, wanted.sort, from, limit)
    } else {
        let mut page = reading.beside(found.hits, from, limit).await?;
        // Going back ends with the first page as it is now, and not with what is left of it.
        if from.is_some_and(|mark| mark.back) && matches!(page.before, Around::Nobody) {
            from = None;
            page = reading.beside(found.hits, None, limit).await?;
        }
        if from.is_none() && matches!(page.after, Around::Nobody) {
            total = (i64::try_from(page.places.len()).unwrap_or_default(), true);
        }
        page
    };
    let (previous, next) = cut.marks(wanted.sort, from);
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

    #[test]
    fn from_a_page_on_which_nobody_is_one_goes_back_to_whoever_stood_where_it_was_left() {
        for (by, descending) in [(By::LastSeen, false), (By::LastSeen, true), (By::Created, false), (By::Created, true)] {
            let sort = Sort { by, descending };
            let all: Vec<Place> =
                [11, 12, 21, 22, 31].map(|key| (Worth::Number(if by == By::Created { key } else { key / 10 }), key)).into();
            let empty = |before, after| Cut { places: Vec::new(), at: 2, before, after };
            let (worth, key) = all[2].clone();
            for back in [true, false] {
                let left = Mark { back, at: 2, worth: worth.clone(), key };
                let (previous, next) = empty(Around::Others, Around::Others).marks(sort, Some(&left));
                let mark = if back { next } else { previous }.expect("a way back");
                let page = cut(all.clone(), sort, Some(&mark), 1);
                assert_eq!(page.places, [all[2].clone()], "{sort:?} {back}");
            }
        }
    }
}
