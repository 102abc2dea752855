//! The text by which people are found, and its two index structures.
//!
//! Organizations of up to [`SMALL`] people scan their own key range. Larger ones read an index:
//! SQLite a contentless FTS5 table of trigrams, PostgreSQL an array of hashed (organization, 1–3-gram)
//! numbers under GIN. Either way a search never reads another organization's postings.

use super::{
    sql::{Engine, StoreError, Tx},
    work::Work,
};
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

/// Puts a new person into the index.
pub(super) async fn enter(work: &mut Work, key: i64, folded: &str) -> Result<(), StoreError> {
    match work.tx.engine() {
        Engine::Sqlite => {
            work.tx.query("INSERT INTO users_fts (rowid, folded) VALUES ($1, $2)").bind(key).bind(folded).execute().await?;
        }
        Engine::Postgres => {
            let grams = grams(work.org.number, folded);
            work.tx.query("INSERT INTO users_grams (key, grams) VALUES ($1, $2)").bind(key).bind(grams).execute().await?;
        }
    }
    Ok(())
}

/// Replaces a person's text in the index; `before` must be what stands there now.
pub(super) async fn replace(tx: &mut Tx, org: i64, key: i64, before: &str, after: &str) -> Result<(), StoreError> {
    match tx.engine() {
        Engine::Sqlite => {
            tx.query("INSERT INTO users_fts (users_fts, rowid, folded) VALUES ('delete', $1, $2)").bind(key).bind(before).execute().await?;
            tx.query("INSERT INTO users_fts (rowid, folded) VALUES ($1, $2)").bind(key).bind(after).execute().await?;
        }
        Engine::Postgres => {
            tx.query("UPDATE users_grams SET grams = $2 WHERE key = $1").bind(key).bind(grams(org, after)).execute().await?;
        }
    }
    Ok(())
}
