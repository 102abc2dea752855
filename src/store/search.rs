//! The text by which people are found, and its two index structures.
//!
//! Organizations of up to [`SMALL`] people scan their own key range. Larger ones read an index:
//! SQLite a contentless FTS5 table of trigrams, PostgreSQL an array of hashed (organization, 1–3-gram)
//! numbers under GIN. Either way a search never reads another organization's postings.

use super::sql::{Engine, Value};
use crate::domain::{Email, search_fold};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Up to so many people a scan is as fast as an index, and its total exact.
pub(super) const SMALL: i64 = 500;

/// Everything a person is found by, folded: both orders of the names, the address as typed and in readable
/// form, the Slack ID. Lines keep a term from matching across fields.
#[must_use]
pub fn folded(first: &str, last: &str, email: &Email, slack_id: Option<&str>) -> String {
    let mut lines = vec![search_fold(&format!("{first} {last}")), search_fold(&format!("{last} {first}")), search_fold(email.typed())];
    let readable = search_fold(&email.readable());
    if !lines.contains(&readable) {
        lines.push(readable);
    }
    if let Some(slack_id) = slack_id {
        lines.push(search_fold(slack_id));
    }
    lines.join("\n")
}

/// The hashed 1–3-grams of a folded text, each bound to the organization.
pub(super) fn grams(org: i64, folded: &str) -> Vec<i64> {
    let mut grams = BTreeSet::new();
    for line in folded.split('\n') {
        let letters: Vec<char> = line.chars().collect();
        for length in 1..=3 {
            for window in letters.windows(length) {
                grams.insert(gram(org, window));
            }
        }
    }
    grams.into_iter().collect()
}

/// The grams every hit of a folded query must have: its longest ones.
pub(super) fn query_grams(org: i64, folded: &str) -> Vec<i64> {
    let letters: Vec<char> = folded.chars().collect();
    let length = letters.len().min(3);
    let grams: BTreeSet<i64> = letters.windows(length.max(1)).map(|window| gram(org, window)).collect();
    grams.into_iter().collect()
}

fn gram(org: i64, letters: &[char]) -> i64 {
    let mut hash = Sha256::new();
    hash.update(org.to_be_bytes());
    hash.update(letters.iter().collect::<String>().as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0u8; 8];
    bytes.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(bytes)
}

/// The FTS5 phrase that matches exactly the substring.
pub(super) fn fts_phrase(folded: &str) -> String {
    format!("\"{}\"", folded.replace('"', "\"\""))
}

/// What the index needs of a new person beside the row: on SQLite nothing, on PostgreSQL the grams.
pub(super) fn entered(engine: Engine, org: i64, folded: &str) -> Value {
    match engine {
        Engine::Sqlite => Value::Int(None),
        Engine::Postgres => Value::Ints(grams(org, folded)),
    }
}

/// A change of `users` together with the index's: `$1` is the key, `$2` what [`replaced`] says, `$3` the new folded text.
macro_rules! replacing {
    (sqlite, $change:expr) => {
        concat!(
            "INSERT INTO users_fts (users_fts, rowid, folded) VALUES ('delete', $1, $2); INSERT INTO users_fts (rowid, folded) VALUES ($1, $3); ",
            $change
        )
    };
    (postgres, $change:expr) => {
        concat!("WITH index AS (UPDATE users_grams SET grams = $2 WHERE key = $1) ", $change)
    };
}
pub(super) use replacing;

/// What the index needs to replace a text: on SQLite the one that stands there now, on PostgreSQL the new one's grams.
pub(super) fn replaced(engine: Engine, org: i64, before: &str, after: &str) -> Value {
    match engine {
        Engine::Sqlite => Value::Text(Some(before.to_owned())),
        Engine::Postgres => Value::Ints(grams(org, after)),
    }
}
