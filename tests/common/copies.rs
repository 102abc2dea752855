//! What somebody finds who gets hold of everything that lies on the disk.

use super::{
    Server,
    database::{Connection, hex},
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Every file below these folders.
fn files(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, into);
        } else if let Ok(bytes) = std::fs::read(&path) {
            into.insert(path, bytes);
        }
    }
}

/// Copies of the database as it lies on the disk, its log included, and as a dump would say it.
pub struct Copies {
    /// Up to where PostgreSQL's log was copied before: one cluster serves many tests, and its log is long.
    log_from: Option<String>,
    pub places: BTreeMap<PathBuf, Vec<u8>>,
}

impl Copies {
    /// As it is before anything happens.
    pub async fn beginning(server: &Server) -> Self {
        let mut copies = Self { log_from: None, places: BTreeMap::new() };
        copies.take(server, "at first").await;
        copies
    }

    /// One more, and when it was taken.
    pub async fn take(&mut self, server: &Server, when: &str) {
        let mut found = BTreeMap::new();
        let connection = Connection::to(server).await;
        found.insert("every row".into(), connection.digest(&[]).await.into_bytes());
        files(server.data_dir.path(), &mut found);
        if server.database_url().is_some() {
            let sql = "SELECT current_setting('data_directory') AS folder, oid::text AS oid, pg_walfile_name(pg_current_wal_lsn()) AS log
                         FROM pg_database WHERE datname = current_database()";
            let row = connection.rows(sql).await.remove(0);
            let cell = |name: &str| row[name].clone().expect("a value");
            let (cluster, log_to) = (PathBuf::from(cell("folder")), cell("log"));
            let log_from = self.log_from.replace(log_to.clone()).unwrap_or_else(|| log_to.clone());
            for entry in std::fs::read_dir(cluster.join("pg_wal")).expect("the log is readable").flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if (&log_from..=&log_to).contains(&&name) {
                    found.insert(entry.path(), std::fs::read(entry.path()).expect("a piece of the log"));
                }
            }
            assert!(connection.run("CHECKPOINT").await);
            files(&cluster.join("base").join(cell("oid")), &mut found);
        }
        connection.close().await;
        assert!(found.len() > 3, "the files are readable");
        self.places.extend(found.into_iter().map(|(path, bytes)| (Path::new(when).join(path.strip_prefix("/").unwrap_or(&path)), bytes)));
    }
}

/// Bytes in the spellings in which somebody might have kept them.
pub fn spellings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![
        hex(bytes).into_bytes(),
        hex(bytes).to_uppercase().into_bytes(),
        BASE64_STANDARD_NO_PAD.encode(bytes).into_bytes(),
        BASE64_URL_SAFE_NO_PAD.encode(bytes).into_bytes(),
    ];
    // Inside something longer base64 begins at another place: leave out the letters that depend on the neighbours.
    for shift in 1..3 {
        let shifted = BASE64_STANDARD.encode([&vec![0; shift][..], bytes].concat());
        forms.push(shifted.as_bytes()[4..shifted.len() - 4].to_vec());
    }
    forms
}

/// Bytes as they are, and in the spellings in which somebody might have kept them.
pub fn writings(bytes: &[u8]) -> Vec<Vec<u8>> {
    [vec![bytes.to_vec()], spellings(bytes)].concat()
}

/// The 256 bits behind base 62, most significant first.
pub fn number(digits: &str) -> Vec<u8> {
    let mut bytes = vec![0u8; 32];
    for digit in digits.bytes() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            _ => digit - b'a' + 36,
        };
        let mut carry = u32::from(value);
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 62;
            *byte = u8::try_from(carry & 255).expect("a byte");
            carry >>= 8;
        }
    }
    bytes
}

/// A link's token in every form in which somebody might have kept it.
pub fn forms(token: &str) -> Vec<Vec<u8>> {
    let (locator, body) = token.split_at(6);
    assert_eq!((locator.len(), body.len()), (6, 43));
    // The body alone is found in the whole token, too.
    [writings(body.as_bytes()), writings(&number(body)), spellings(token.as_bytes())].concat()
}

/// Where one of these is kept.
pub fn kept(places: &BTreeMap<PathBuf, Vec<u8>>, forms: &[Vec<u8>]) -> Vec<String> {
    // The places are large: only where two bytes fit is a closer look worth its time.
    let mut begins = vec![Vec::new(); 1 << 16];
    for form in forms {
        begins[usize::from(u16::from_be_bytes([form[0], form[1]]))].push(form);
    }
    let mut hits = Vec::new();
    for (place, bytes) in places {
        for (at, pair) in bytes.windows(2).enumerate() {
            let here = &begins[usize::from(u16::from_be_bytes([pair[0], pair[1]]))];
            let hit = here.iter().find(|form| bytes[at..].starts_with(form));
            hits.extend(hit.map(|form| format!("{} in {}", String::from_utf8_lossy(form), place.display())));
        }
    }
    hits
}
