//! The link is a credential for seven days. It stands in the mail, and nowhere else.

use super::{A_LONG_TIME, delivered, invite, pass, taken, through};
use crate::common::{
    PASSWORD, Server,
    copies::{Copies, forms, kept, number},
    database::{Connection, hex},
    on_both,
    smtp::Sink,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use std::collections::BTreeMap;
use tempfile::TempDir;

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
        assert_eq!(kept(&copies.places, &tokens), Vec::<String>::new());
        // The search finds what is there.
        for there in [token.clone(), BASE64_STANDARD.encode(format!("/invite/{token}")), hex(&number(&token[6..]))] {
            let place = BTreeMap::from([("a file".into(), format!("\0 {there}").into_bytes())]);
            assert!(!kept(&place, &tokens).is_empty(), "{there}");
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
