//! Many people at once: rows as the product writes them, without a call for each.

use super::roster::Person;
use crate::common::database::{self, Connection};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use usher_mcp::{domain::Email, store::people::folded};

/// One statement brings so many.
const CHUNK: usize = 2000;

/// The hashed (organization, 1–3-gram) numbers of a folded text, as PostgreSQL keeps them.
fn grams(org: i64, folded: &str) -> BTreeSet<i64> {
    let mut grams = BTreeSet::new();
    for line in folded.split('\n') {
        let starts: Vec<usize> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
        for length in 1..=3 {
            for window in starts.windows(length + 1) {
                let digest = Sha256::new().chain_update(org.to_be_bytes()).chain_update(&line[window[0]..window[length]]).finalize();
                grams.insert(i64::from_be_bytes(digest[..8].try_into().expect("8 bytes")));
            }
        }
    }
    grams
}

fn hex(text: &str) -> String {
    database::hex(&Sha256::digest(text))
}

const SQLITE: [&str; 4] = [
    "INSERT INTO users (key, id, org, email, email_key, first_name, last_name, role, status, created_at, activated_at, folded, invite_generation)
     SELECT value ->> 'key', unhex(value ->> 'id'), $ORG, value ->> 'email', value ->> 'email_key', value ->> 'first', value ->> 'last',
            value ->> 'role', value ->> 'status', $NOW, CASE WHEN value ->> 'status' = 'pending' THEN NULL ELSE $NOW END, value ->> 'folded', 1
       FROM json_each($ROWS)",
    "INSERT INTO users_fts (rowid, folded) SELECT value ->> 'key', value ->> 'folded' FROM json_each($ROWS)",
    "INSERT INTO links (id, org, user_key, kind, generation, hash, sent_at, expires_at)
     SELECT unhex(value ->> 'link'), $ORG, value ->> 'key', 'invite', 1, unhex(value ->> 'hash'), $NOW, $NOW + 604800000 FROM json_each($ROWS)",
    "INSERT INTO outbox (id, org, user_key, link_id, state, next_at, created_at, done_at)
     SELECT unhex(value ->> 'link'), $ORG, value ->> 'key', unhex(value ->> 'link'), 'folder', $NOW, $NOW, $NOW FROM json_each($ROWS)",
];

const POSTGRES: [&str; 4] = [
    "INSERT INTO users (key, id, org, email, email_key, first_name, last_name, role, status, created_at, activated_at, folded, invite_generation)
     SELECT (value ->> 'key')::bigint, (value ->> 'id')::uuid, $ORG, value ->> 'email', value ->> 'email_key', value ->> 'first', value ->> 'last',
            value ->> 'role', value ->> 'status', $NOW, CASE WHEN value ->> 'status' = 'pending' THEN NULL ELSE $NOW END, value ->> 'folded', 1
       FROM json_array_elements($ROWS::json)",
    "INSERT INTO users_grams (key, grams)
     SELECT (value ->> 'key')::bigint, (SELECT array_agg(g::bigint) FROM json_array_elements_text(value -> 'grams') g)
       FROM json_array_elements($ROWS::json)",
    "INSERT INTO links (id, org, user_key, kind, generation, hash, sent_at, expires_at)
     SELECT (value ->> 'link')::uuid, $ORG, (value ->> 'key')::bigint, 'invite', 1, decode(value ->> 'hash', 'hex'), $NOW, $NOW + 604800000
       FROM json_array_elements($ROWS::json)",
    "INSERT INTO outbox (id, org, user_key, link_id, state, next_at, created_at, done_at)
     SELECT (value ->> 'link')::uuid, $ORG, (value ->> 'key')::bigint, (value ->> 'link')::uuid, 'folder', $NOW, $NOW, $NOW
       FROM json_array_elements($ROWS::json)",
];

/// Puts people into the organization with this number. They have no access groups.
pub async fn people(connection: &Connection, org: i64, people: &[Person]) {
    check(connection, org).await;
    let now = connection.number("SELECT max(created_at) AS n FROM organizations").await;
    let mut next = connection.number(&format!("SELECT user_seq AS n FROM org_heads WHERE org = {org}")).await;
    for chunk in people.chunks(CHUNK) {
        let mut rows = Vec::with_capacity(chunk.len());
        for person in chunk {
            next += 1;
            let email = Email::parse(&person.email).expect("an address");
            let text = folded(&person.first, &person.last, &email, None);
            let grams = if matches!(connection, Connection::Postgres(_)) { grams(org, &text) } else { BTreeSet::new() };
            rows.push(json!({
                "key": org << 32 | next, "id": &hex(&format!("user {org} {next}"))[..32], "email": person.email, "email_key": email.key(),
                "first": person.first, "last": person.last, "role": person.role.to_lowercase(), "status": person.status, "folded": text,
                "grams": grams, "link": &hex(&format!("link {org} {next}"))[..32], "hash": hex(&format!("hash {org} {next}")),
            }));
        }
        let rows = format!("'{}'", Value::from(rows).to_string().replace('\'', "''"));
        for statement in if matches!(connection, Connection::Sqlite(_)) { SQLITE } else { POSTGRES } {
            let sql = statement.replace("$ORG", &org.to_string()).replace("$NOW", &now.to_string()).replace("$ROWS", &rows);
            assert!(connection.run(&sql).await, "{statement}");
        }
    }
    let count =
        |status: &str, role: &str| format!("(SELECT count(*) FROM users WHERE org = {org} AND status = '{status}' AND role = '{role}')");
    let mut set = format!("UPDATE org_heads SET user_seq = {next}");
    for status in ["pending", "active", "deactivated"] {
        for role in ["administrator", "user"] {
            set = format!("{set}, {status}_{role}s = {}", count(status, role));
        }
    }
    assert!(connection.run(&format!("{set} WHERE org = {org}")).await);
}

/// Puts so many entries behind an organization's log, all by `actor` and alike but for their number; without their hashes.
pub async fn entries(connection: &Connection, org: i64, count: i64, actor: &str, [action, surface, outcome]: [&str; 3]) {
    let values = |id: &str, hash: &str| {
        format!(
            "SELECT {org}, n + (SELECT audit_seq FROM org_heads WHERE org = {org}), {id}, (SELECT max(at) FROM audit_log), 'user', {actor},
                    '{surface}', '{action}', '{outcome}', '{{}}', {hash}"
        )
    };
    let (rows, values) = match connection {
        Connection::Sqlite(_) => (
            format!("WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})"),
            format!("{} FROM n", values("randomblob(16)", "zeroblob(32)")),
        ),
        Connection::Postgres(_) => {
            (String::new(), format!("{} FROM generate_series(1, {count}) n", values("gen_random_uuid()", "''::bytea")))
        }
    };
    let sql =
        format!("{rows} INSERT INTO audit_log (org, seq, id, at, actor_kind, actor_id, surface, action, outcome, detail, hash) {values}");
    assert!(connection.run(&sql).await, "{sql}");
    assert!(connection.run(&format!("UPDATE org_heads SET audit_seq = audit_seq + {count} WHERE org = {org}")).await);
}

/// The number of an organization.
pub async fn number(connection: &Connection, slug: &str) -> i64 {
    connection.number(&format!("SELECT number AS n FROM organizations WHERE slug = '{slug}'")).await
}

/// What is computed here is what the product computes.
async fn check(connection: &Connection, org: i64) {
    let Connection::Postgres(_) = connection else { return };
    let sql = format!("SELECT u.folded, g.grams FROM users u JOIN users_grams g ON g.key = u.key WHERE u.org = {org} LIMIT 5");
    for row in connection.rows(&sql).await {
        let stored: BTreeSet<i64> = serde_json::from_str(row["grams"].as_deref().expect("grams")).expect("numbers");
        assert_eq!(stored, grams(org, row["folded"].as_deref().expect("a text")));
    }
}

/// More organizations, each with so many people of its own; their numbers follow the last one's.
pub async fn organizations(connection: &Connection, count: i64, people_each: usize) {
    let last = connection.number("SELECT max(number) AS n FROM organizations").await;
    let everybody: Vec<Person> = (0..people_each).map(super::roster::filler).collect();
    for number in last + 1..=last + count {
        let (id, hash) = (&hex(&format!("organization {number}"))[..32], "00".repeat(32));
        let (id, hash) = match connection {
            Connection::Sqlite(_) => (format!("x'{id}'"), format!("x'{hash}'")),
            Connection::Postgres(_) => (format!("'{id}'"), format!(r"'\x{hash}'")),
        };
        let rows = format!(
            "INSERT INTO organizations (number, id, slug, name, locator, created_at)
             SELECT {number}, {id}, 'organization-{number}', 'Organization {number}', 'L{number}', created_at FROM organizations WHERE number = 1"
        );
        assert!(connection.run(&rows).await);
        assert!(connection.run(&format!("INSERT INTO org_heads (org, audit_hash) VALUES ({number}, {hash})")).await);
        self::people(connection, number, &everybody).await;
    }
}
