//! Whether a chain still says what was written into it.

use super::{
    canonical, chained, commitment,
    reading::{Stored, event_columns},
};
use crate::{
    authz::Org,
    keys::hex,
    store::sql::{Pool, StoreError},
};
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// What `usher audit verify` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many entries there are.
    pub entries: i64,
    /// The newest entry's hash, in hexadecimal; zeros for an empty log.
    pub head: String,
    /// The first sequence at which the log does not say what it committed to.
    pub first_bad: Option<i64>,
}

/// How many entries are checked at once.
const VERIFY_PAGE: i64 = 1000;

/// Walks the whole chain of an organization and compares it with its head row: a changed, removed,
/// swapped, inserted or re-ordered entry, a changed, missing or added text, and a cut tail are found, and the first bad
/// sequence is named. A tail is cut as far as the head row knows: whoever sets that row back too is found only by a head
/// that was kept elsewhere. An entry that cannot be read is a bad
/// one; a database that is damaged beyond that is [`StoreError::Damaged`].
///
/// Others may write meanwhile, so the head row is read after the entries and may tell of newer ones: then the walk goes
/// on. A tail is cut only where the head row told of entries before a look that found none.
pub async fn verify(pool: &Pool, org: Org) -> Result<Verdict, StoreError> {
    let mut previous = vec![0u8; 32];
    let mut expected = 1i64;
    let mut entries = 0i64;
    let mut newest = 0i64;
    let mut first_bad = None;
    // Nothing may stand before the first entry either.
    let mut from = i64::MIN;
    let mut announced = 0;
    let (seq, hash, at) = loop {
        let rows = pool
            .query(concat!(
                "SELECT ",
                event_columns!(),
                ", a.org FROM audit_log a WHERE a.org = $1 AND a.seq >= $2 ORDER BY a.seq LIMIT $3"
            ))
            .bind(org.number)
            .bind(from)
            .bind(VERIFY_PAGE)
            .all()
            .await?;
        let sequences = rows.iter().map(|row| row.get(0)).collect::<Result<Vec<i64>, _>>()?;
        let texts = sworn_texts(pool, org, sequences.clone()).await?;
        for (row, seq) in rows.iter().zip(sequences) {
            let stored = readable(Stored::read(row))?;
            // A damaged file can hold a row where the key says it is, with another key in the row itself.
            let ours = readable(row.get(18))? == Some(org.number);
            let whole = stored.as_ref().is_some_and(|entry| {
                ours && seq == expected
                    && chained(&previous, &canonical(org.id, &entry.record()))[..] == entry.hash[..]
                    && texts_hold(&entry.detail, texts.get(&seq))
            });
            if !whole && first_bad.is_none() {
                first_bad = Some(seq.min(expected));
            }
            if let Some(entry) = stored {
                newest = entry.at;
                previous = entry.hash;
            }
            entries += 1;
            expected = expected.max(seq.saturating_add(1));
            from = seq.saturating_add(1);
        }
        if rows.len() >= usize::try_from(VERIFY_PAGE).unwrap_or(usize::MAX) {
            continue;
        }
        let head = pool.query("SELECT audit_seq, audit_hash, audit_at FROM org_heads WHERE org = $1").bind(org.number).one().await?;
        let (seq, hash, at): (i64, Vec<u8>, i64) = (head.get(0)?, head.get(1)?, head.get(2)?);
        let cut = rows.is_empty() && announced >= expected;
        if seq < expected || cut {
            break (seq, hash, at);
        }
        announced = seq;
    };
    if first_bad.is_none() && (seq != expected - 1 || hash != previous) {
        first_bad = Some(seq.min(expected - 1) + i64::from(seq != expected - 1));
    }
    // The head row knows when the last entry was written; and no organization is without its first one.
    if first_bad.is_none() && (at != newest || entries == 0) {
        first_bad = Some(expected);
    }
    if first_bad.is_none() {
        let row = pool
            .query(
                "SELECT min(v.seq) FROM audit_values v
                  WHERE v.org = $1 AND NOT EXISTS (SELECT 1 FROM audit_log a WHERE a.org = v.org AND a.seq = v.seq)",
            )
            .bind(org.number)
            .one()
            .await?;
        first_bad = row.get(0)?;
    }
    Ok(Verdict { entries, head: hex(&previous), first_bad })
}

/// A row that does not read is no reason to stop: it is what is looked for.
fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(StoreError::Corrupt(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A text with everything that its entry commits to.
struct Sworn {
    field: String,
    subject: Option<Uuid>,
    salt: Vec<u8>,
    text: String,
}

/// One entry's texts by their number; `None` for one that does not read.
type EntryTexts = HashMap<i64, Option<Sworn>>;

async fn sworn_texts(pool: &Pool, org: Org, sequences: Vec<i64>) -> Result<HashMap<i64, EntryTexts>, StoreError> {
    let sql = pool.engine().either(
        "SELECT seq, n, field, subject, salt, text, org FROM audit_values WHERE org = $1 AND seq IN (SELECT value FROM json_each($2))",
        "SELECT seq, n, field, subject, salt, text, org FROM audit_values WHERE org = $1 AND seq = ANY($2)",
    );
    let mut texts: HashMap<i64, EntryTexts> = HashMap::new();
    for row in pool.query(sql).bind(org.number).bind(sequences).all().await? {
        let read = || Ok(Sworn { field: row.get(2)?, subject: row.get(3)?, salt: row.get(4)?, text: row.get(5)? });
        let ours = readable(row.get(6))? == Some(org.number);
        texts.entry(row.get(0)?).or_default().insert(row.get(1)?, readable(read())?.filter(|_| ours));
    }
    Ok(texts)
}

/// Whether the texts of an entry are those it commits to. Entries of a later release may record an
/// erasure; then a missing text of that subject is no fault.
fn texts_hold(detail: &str, texts: Option<&EntryTexts>) -> bool {
    let Ok(detail) = serde_json::from_str::<Value>(detail) else { return false };
    let Some(values) = detail["values"].as_array() else { return false };
    let kept = texts.map_or(0, HashMap::len);
    kept == values.len()
        && values.iter().zip(0i64..).all(|(value, n)| {
            texts.and_then(|texts| texts.get(&n)?.as_ref()).is_some_and(|sworn| {
                value[0].as_str() == Some(&sworn.field)
                    && value[1].as_str() == sworn.subject.map(|id| id.to_string()).as_deref()
                    && value[2].as_str() == Some(hex(&commitment(&sworn.salt, &sworn.text)).as_str())
            })
        })
}
