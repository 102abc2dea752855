//! The link is a credential for seven days. It stands in the mail, and nowhere else.

use super::{A_LONG_TIME, delivered, invite, pass, taken, through};
use crate::common::{
    PASSWORD, Server,
    database::{Connection, hex},
    on_both,
    smtp::Sink,
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

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
    pub async fn beginning(server: &Server) -> Self {
        let mut copies = Self { log_from: None, places: BTreeMap::new() };
        copies.take(server, "at first").await;
        copies
    }

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

/// The 256 bits behind base 62, most significant first.
fn number(digits: &str) -> Vec<u8> {
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

/// Bytes as they are, and in every writing in which somebody might have kept them.
pub fn writings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![bytes.to_vec(), hex(bytes).into_bytes(), hex(bytes).to_uppercase().into_bytes()];
    forms.push(BASE64_STANDARD_NO_PAD.encode(bytes).into_bytes());
    forms.push(BASE64_URL_SAFE_NO_PAD.encode(bytes).into_bytes());
    // Inside something longer base64 begins at another place: leave out the letters that depend on the neighbours.
    for shift in 1..3 {
        let shifted = BASE64_STANDARD.encode([&vec![0; shift][..], bytes].concat());
        forms.push(shifted.as_bytes()[4..shifted.len() - 4].to_vec());
    }
    forms
}

/// A link's token in every form in which somebody might have kept it.
pub fn forms(token: &str) -> Vec<Vec<u8>> {
    let (locator, body) = token.split_at(6);
    assert_eq!((locator.len(), body.len()), (6, 43));
    let raw = number(body);
    // The body alone is found in the whole token, too.
    let mut forms: Vec<_> = [body.as_bytes(), &raw].into_iter().flat_map(writings).collect();
    forms.extend(writings(token.as_bytes()).into_iter().skip(1));
    forms
}

/// Where one of these is kept.
pub fn found(places: &BTreeMap<PathBuf, Vec<u8>>, forms: &[Vec<u8>]) -> Vec<String> {
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

#[tokio::test]
async fn r_b23_and_r_b25_no_token_outside_the_mail() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let options = through(&sink).with("USHER_LOG", "trace,rmcp=trace").logged_to(&log);
        let mut server = Server::quickstart_with(engine, &options).await;
        let mut copies = Copies::beginning(&server).await;
        let arguments = json!({"name": "Support", "permissions": ["users:read", "users:invite"]});
        server.ok("create_access_group", arguments).await;

        // While mail waits, and while it waits for the second time.
        sink.control(&json!([{"step": "DATA", "action": "451"}]));
        let mut results = vec![invite(&server, "ana@example.com").await];
        delivered(&server, "ana@example.com", "queued", Some("deferred")).await;
        copies.take(&server, "queued").await;
        results.push(server.ok("resend_invite", json!({"user": "ana@example.com"})).await);
        delivered(&server, "ana@example.com", "queued", Some("deferred")).await;
        copies.take(&server, "queued again").await;
        sink.heal();
        pass(&server, A_LONG_TIME).await;
        delivered(&server, "ana@example.com", "sent", None).await;
        copies.take(&server, "sent").await;

        // The walk of a person: the link, the form, a password too weak, joining, the dead link; and a damaged one.
        let mail = taken(&sink).remove(0);
        let (link, token) = (mail.link(), mail.token());
        assert_eq!(server.http.get(&link).send().await.unwrap().status(), 200);
        assert_eq!(server.http.get(format!("{link}x")).send().await.unwrap().status(), 404);
        assert_eq!(server.accept(&link, "Ana", "Ruiz", "password").await.status(), 422);
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 410);

        // What tools say of it, to an Administrator and to somebody who may invite.
        let hers = server.token_for("ana@example.com", &[]).await;
        server.ok("add_to_access_group", json!({"users": ["ana@example.com"], "access_groups": ["Support"]})).await;
        for caller in [&server.token, &hers] {
            let other = format!("{}@example.com", if caller == &hers { "bo" } else { "cy" });
            let arguments = json!({"email": other, "first_name": "B", "last_name": "C"});
            results.push(server.call(caller, "invite_user", arguments).await.structured());
            delivered(&server, &other, "sent", None).await;
            results.push(server.call(caller, "resend_invite", json!({"user": other})).await.structured());
            results.push(server.call(caller, "get_user", json!({"user": other})).await.structured());
            results.push(server.call(caller, "list_users", json!({"limit": 100})).await.structured());
        }
        results.push(server.ok("list_audit_events", json!({"limit": 100})).await);
        results.push(server.ok("whoami", json!({})).await);
        for email in ["bo@example.com", "cy@example.com"] {
            delivered(&server, email, "sent", None).await;
        }
        copies.take(&server, "joined").await;
        server.stop().await;
        let log = std::fs::read(&log).unwrap();
        assert!(log.len() > 1000 && log.windows(5).any(|line| line == b"TRACE"), "the log is on");
        let told: Vec<u8> = results.iter().flat_map(|result| result.to_string().into_bytes()).collect();
        assert!(!String::from_utf8_lossy(&told).contains("/invite/"), "no result holds a link");
        copies.places.insert("the log".into(), log);
        copies.places.insert("the results".into(), told);
        let tokens: Vec<String> = taken(&sink).iter().map(super::Taken::token).collect();
        assert_eq!(tokens.len(), 5);
        assert!(tokens.contains(&token));
        let tokens: Vec<Vec<u8>> = tokens.iter().flat_map(|token| forms(token)).collect();
        assert_eq!(found(&copies.places, &tokens), Vec::<String>::new());
        // The search finds what is there.
        for kept in [token.clone(), BASE64_STANDARD.encode(format!("/invite/{token}")), hex(&number(&token[6..]))] {
            let there = BTreeMap::from([("a file".into(), format!("\0 {kept}").into_bytes())]);
            assert!(!found(&there, &tokens).is_empty(), "{kept}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_copy_of_the_database_opens_nothing() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        let server = Server::quickstart_with(engine, &through(&sink)).await;
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "sent", None).await;
        let connection = Connection::to(&server).await;
        let row = connection.rows("SELECT hash, id FROM links WHERE kind = 'invite'").await.remove(0);
        connection.close().await;
        // Neither what is stored of the token, nor the link's id, is a way in.
        for cell in [&row["hash"], &row["id"]] {
            let cell = cell.as_deref().unwrap().trim_start_matches("\\x");
            let answer = server.http.get(format!("{}/invite/{cell}", server.address())).send().await.unwrap();
            assert_eq!(answer.status(), 404);
        }
    })
    .await;
}
