//! Bytes changed in a copy of the file.

use super::{Server, database, verify, with_a_history};
use crate::common::{Engine, database::Connection};
use std::{ops::Range, path::Path};
use usher_mcp::store::{Database, StoreError};

/// How many places are tried in an ordinary run.
const PLACES: usize = 240;

/// Where a row's own bytes stand in the file.
struct Place {
    seq: i64,
    bytes: Range<usize>,
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).expect("hexadecimal")).collect()
}

/// Where `wanted` stands, if exactly once.
fn position(file: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut places = file.windows(wanted.len()).enumerate().filter(|(_, window)| *window == wanted).map(|(at, _)| at);
    let first = places.next()?;
    places.next().is_none().then_some(first)
}

/// The rows that lie in one piece: entries from their id to their hash, texts from their field to their end.
async fn rows(server: &Server, file: &[u8]) -> Vec<Place> {
    let connection = Connection::to(server).await;
    let entries = connection.rows("SELECT seq, hex(id) AS id, detail, hex(hash) AS hash FROM audit_log").await;
    let texts = connection.rows("SELECT seq, field, hex(subject) AS subject, hex(salt) AS salt, text FROM audit_values").await;
    connection.close().await;
    let said = |row: &crate::common::database::Cells, name: &str| row[name].clone().unwrap_or_default();
    let number = |row: &crate::common::database::Cells| said(row, "seq").parse().expect("a number");
    let mut found = Vec::new();
    for row in entries {
        // The hash stands behind the detail, and the id some way before both.
        let tail = [said(&row, "detail").as_bytes(), &unhex(&said(&row, "hash"))].concat();
        let Some(at) = position(file, &tail) else { continue };
        let before = at.saturating_sub(400);
        let Some(id) = position(&file[before..at], &unhex(&said(&row, "id"))) else { continue };
        found.push(Place { seq: number(&row), bytes: before + id..at + tail.len() });
    }
    for row in texts {
        let (subject, salt) = (unhex(&said(&row, "subject")), unhex(&said(&row, "salt")));
        let whole = [said(&row, "field").into_bytes(), subject, salt, said(&row, "text").into_bytes()].concat();
        let Some(at) = position(file, &whole) else { continue };
        found.push(Place { seq: number(&row), bytes: at..at + whole.len() });
    }
    found
}

async fn written(folder: &Path, bytes: &[u8]) -> Database {
    let path = folder.join("changed.db");
    for name in ["changed.db", "changed.db-wal", "changed.db-shm"] {
        drop(std::fs::remove_file(folder.join(name)));
    }
    tokio::fs::write(&path, bytes).await.expect("a file");
    Database::File(path)
}

/// All of the log in a file.
async fn said_by(folder: &Path, bytes: &[u8]) -> String {
    drop(written(folder, bytes).await);
    let url = format!("sqlite://{}", folder.join("changed.db").display());
    let connection = Connection::Sqlite(sqlx::SqlitePool::connect(&url).await.expect("SQLite opens"));
    let entries = connection.rows("SELECT * FROM audit_log ORDER BY seq").await;
    let texts = connection.rows("SELECT * FROM audit_values ORDER BY seq, n").await;
    connection.close().await;
    format!("{entries:?}{texts:?}")
}

#[tokio::test]
async fn requirement_68_a_byte_changed_in_a_copy_of_the_file_is_named() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = with_a_history(Engine::Sqlite).await;
    let places = rows(&server, &std::fs::read(server.database_file()).expect("the file")).await;
    // The look at the rows may have left a log beside the file: what is copied is the file at rest.
    assert_eq!(verify(&database(&server), &server.org).await.expect("a verdict").first_bad, None);
    let file = std::fs::read(server.database_file()).expect("the file");
    let folder = tempfile::TempDir::new().expect("a folder");
    assert_eq!(verify(&written(folder.path(), &file).await, &server.org).await.expect("a verdict").first_bad, None, "the copy as it is");
    assert!(places.len() > 30, "most rows lie in one piece: {}", places.len());

    let all: Vec<(i64, usize)> = places.iter().flat_map(|place| place.bytes.clone().map(|at| (place.seq, at))).collect();
    let every = if std::env::var_os("USHER_TEST_LONG").is_some() { 1 } else { all.len().div_ceil(PLACES) };
    for (n, (seq, at)) in all.into_iter().step_by(every).enumerate() {
        let mut changed = file.clone();
        changed[at] ^= 1 << (n % 8);
        let verdict = verify(&written(folder.path(), &changed).await, &server.org).await;
        let first_bad = verdict.unwrap_or_else(|error| panic!("entry {seq}, byte {at}: {error}")).first_bad;
        assert_eq!(first_bad, Some(seq), "byte {at}, bit {}", n % 8);
    }
    // The bytes before a row say where its columns lie: either that is found, or every row still says the same (a hash may be
    // stored as another type with the same bytes).
    let before_all = said_by(folder.path(), &file).await;
    for (n, place) in places.iter().enumerate().step_by(if every == 1 { 1 } else { 4 }) {
        for before in 1..20 {
            let mut changed = file.clone();
            changed[place.bytes.start - before] ^= 1 << (n % 8);
            match verify(&written(folder.path(), &changed).await, &server.org).await {
                Ok(verdict) if verdict.first_bad.is_some() => {}
                Ok(_) => {
                    let same = said_by(folder.path(), &changed).await == before_all;
                    assert!(same, "{before} bytes before a row of entry {}, bit {}", place.seq, n % 8);
                }
                Err(error) => assert!(matches!(error, StoreError::Damaged(_) | StoreError::Corrupt(_)), "{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_file_is_called_damaged() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = with_a_history(Engine::Sqlite).await;
    let connection = Connection::to(&server).await;
    let page = connection.number("SELECT rootpage FROM sqlite_master WHERE name = 'audit_log'").await;
    let size = connection.number("PRAGMA page_size").await;
    connection.close().await;
    let mut file = std::fs::read(server.database_file()).expect("the file");
    let start = usize::try_from((page - 1) * size).expect("a place");
    file[start] ^= 0x40;
    std::fs::write(server.database_file(), &file).expect("the file");
    let error = verify(&database(&server), &server.org).await.expect_err("no verdict");
    assert_eq!(error.to_string(), "the database is damaged: restore it from a backup");
}
