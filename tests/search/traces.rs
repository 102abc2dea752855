//! What is found follows what is true, and leaves nothing behind.

use super::{
    roster::{SMALL, filler},
    seed,
};
use crate::common::{Engine, Server, database::Connection, on_both};
use serde_json::{Value, json};
use std::collections::HashMap;

/// A server with few people, and one with many.
async fn of_both_sizes(engine: Engine) -> [Server; 2] {
    let few = Server::quickstart(engine).await;
    let many = Server::quickstart(engine).await;
    let connection = Connection::to(&many).await;
    seed::people(&connection, 1, &(0..SMALL + 5).map(filler).collect::<Vec<_>>()).await;
    connection.close().await;
    [few, many]
}

async fn found(server: &Server, query: &str) -> Vec<Value> {
    let page = server.ok("list_users", json!({"query": query})).await;
    let users = page["users"].as_array().expect("users").clone();
    assert_eq!(page["total"], users.len());
    users
}

#[tokio::test]
async fn a_renamed_person_is_found_by_the_new_name_only() {
    on_both(async |engine| {
        for server in of_both_sizes(engine).await {
            let invited = server.ok("invite_user", json!({"email": "w@example.com", "first_name": "Wxyvq", "last_name": "Zzkrj"})).await;
            let id = &invited["user"]["id"];
            for query in ["wxyvq", "zzkrj", "wx", "xyv", "zzkrj wxyvq"] {
                assert_eq!(found(&server, query).await.len(), 1, "{query}");
            }
            server.ok("update_user", json!({"user": id, "first_name": "Qqjjx", "slack_id": "U0XQZ77"})).await;
            for query in ["wxyvq", "wx", "xyv", "zzkrj wxyvq"] {
                assert_eq!(found(&server, query).await.len(), 0, "{query}");
            }
            for query in ["qqjjx", "QQ", "qjj", "zzkrj qqjjx", "u0xqz77", "xqz", "w@example.com"] {
                let people = found(&server, query).await;
                assert_eq!((people.len(), &people[0]["id"]), (1, id), "{query}");
            }
            // And back; without the Slack ID.
            server.ok("update_user", json!({"user": id, "first_name": "Wxyvq", "slack_id": "none"})).await;
            assert_eq!(found(&server, "u0xqz77").await.len(), 0);
            assert_eq!(found(&server, "qqjjx").await.len(), 0);
            assert_eq!(found(&server, "wxyvq zzk").await.len(), 1);
            // Names corrected at the first sign-in.
            let link = server.link_to("w@example.com").await;
            assert_eq!(server.accept(&link, "Hhgqv", "Zzkrj", crate::common::PASSWORD).await.status(), 200);
            assert_eq!(found(&server, "wxyvq").await.len(), 0);
            assert_eq!(found(&server, "hhgqv").await.len(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn b20_a_deactivated_person_is_still_found() {
    on_both(async |engine| {
        for server in of_both_sizes(engine).await {
            server.ok("invite_user", json!({"email": "w@example.com", "first_name": "Wxyvq", "last_name": "Zzkrj"})).await;
            server.ok("deactivate_user", json!({"user": "w@example.com"})).await;
            for query in ["wxyvq", "wx", "w@example"] {
                assert_eq!(found(&server, query).await[0]["status"], "deactivated", "{query}");
            }
            let page = server.ok("list_users", json!({"query": "wxyvq", "status": "deactivated"})).await;
            assert_eq!(page["total"], 1);
            let page = server.ok("list_users", json!({"query": "wxyvq", "status": "active"})).await;
            assert_eq!(page["total"], 0);
        }
    })
    .await;
}

/// Whether the index's own tables hold these bytes.
async fn holds(connection: &Connection, text: &str) -> bool {
    let hex = text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02X}"));
    connection.number(&format!("SELECT count(*) AS n FROM users_fts_data WHERE instr(block, x'{hex}') > 0")).await > 0
}

/// Of the trigrams of `Jvxqzk`, what must stand in the index: a term is kept without what it shares with the one before it.
const ENDS: [&str; 3] = ["xq", "qz", "zk"];

/// The ids, hashes and salts that the rows hold, by their first 16 bytes. In a hundred thousand random bytes any three
/// letters stand by chance now and then.
async fn random_values(connection: &Connection) -> HashMap<Vec<u8>, usize> {
    let mut values = HashMap::new();
    for table in connection.tables().await {
        for row in connection.rows(&format!("SELECT * FROM {table}")).await {
            for text in row.into_values().flatten() {
                let digits = text.len() >= 32 && text.len() % 2 == 0 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                if digits {
                    let bytes: Vec<u8> =
                        (0..text.len()).step_by(2).map(|n| u8::from_str_radix(&text[n..n + 2], 16).expect("digits")).collect();
                    values.insert(bytes[..16].to_vec(), bytes.len());
                }
            }
        }
    }
    values
}

/// The file with zeros wherever one of these values stands.
fn without(mut file: Vec<u8>, values: &HashMap<Vec<u8>, usize>) -> Vec<u8> {
    let mut n = 0;
    while n + 16 <= file.len() {
        let length = values.get(&file[n..n + 16]).copied().unwrap_or_default();
        let end = (n + length).min(file.len());
        file[n..end].fill(0);
        n = end.max(n + 1);
    }
    file
}

#[tokio::test]
async fn renaming_leaves_no_trigram_of_the_old_name() {
    let mut server = Server::quickstart(Engine::Sqlite).await;
    let connection = Connection::to(&server).await;
    let invite = |n: usize| json!({"email": format!("p{n}@example.com"), "first_name": "JvXqZk", "last_name": "Nobody"});
    server.ok("invite_user", invite(0)).await;
    for end in ENDS {
        assert!(holds(&connection, end).await, "{end} stands there while the name does");
    }
    server.ok("update_user", json!({"user": "p0@example.com", "first_name": "Bland"})).await;
    for end in ENDS {
        assert!(!holds(&connection, end).await, "{end}");
    }
    // Of many, of which the index has merged its pieces.
    for n in 1..60 {
        server.ok("invite_user", invite(n)).await;
    }
    assert!(holds(&connection, "xq").await);
    for n in 1..60 {
        server.ok("update_user", json!({"user": format!("p{n}@example.com"), "first_name": "Bland"})).await;
    }
    for end in ENDS {
        assert!(!holds(&connection, end).await, "{end}");
    }
    let random = random_values(&connection).await;
    connection.close().await;
    // Nor does any freed place of the file; the log keeps the name as it was written.
    server.stop().await;
    let file = without(std::fs::read(server.database_file()).expect("the file"), &random);
    let lies = |text: &[u8]| file.windows(text.len()).any(|bytes| bytes == text);
    assert!(lies(b"JvXqZk"));
    for text in [&b"jvxqzk"[..], b"jvx", b"vxq", b"xqz", b"qzk"] {
        assert!(!lies(text), "{}", String::from_utf8_lossy(text));
    }
}

#[tokio::test]
async fn renaming_leaves_no_number_of_the_old_name() {
    let server = Server::quickstart(Engine::Postgres).await;
    let connection = Connection::to(&server).await;
    let grams = "SELECT grams::text AS g FROM users_grams ORDER BY key DESC LIMIT 1";
    server.ok("invite_user", json!({"email": "w@example.com", "first_name": "Bland", "last_name": "Nobody"})).await;
    let bland = connection.rows(grams).await;
    server.ok("update_user", json!({"user": "w@example.com", "first_name": "Jvxqzk"})).await;
    assert_ne!(bland, connection.rows(grams).await);
    server.ok("update_user", json!({"user": "w@example.com", "first_name": "Bland"})).await;
    assert_eq!(bland, connection.rows(grams).await);
    connection.close().await;
}
