//! Mail that comes back after the relay had taken it, as the operator passes it on.

use super::{A_LONG_TIME, delivered, delivery, invite, pass, server_and_sink, taken};
use crate::common::on_both;
use serde_json::{Value, json};

async fn failures(server: &crate::common::Server) -> Vec<Value> {
    let said = server.ok("list_audit_events", json!({"action": "mail:failed"})).await;
    said["events"].as_array().expect("events").clone()
}

#[tokio::test]
async fn a_bounce_passed_on_by_message_id_makes_that_mail_failed_once() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        let user = invite(&server, "ana@example.com").await["user"]["id"].clone();
        delivered(&server, "ana@example.com", "sent", None).await;
        let id = taken(&sink)[0].message_id.clone();
        assert!(id.starts_with('<') && id.ends_with('>'));
        let said = server.cli(&["mail", "bounced", "--message-id", &id, "--json"]).await;
        assert_eq!((said["mails"].as_array().unwrap().len(), &said["mails"][0]["changed"]), (1, &json!(true)), "{said}");
        assert_eq!((&said["mails"][0]["org"], &said["mails"][0]["user_id"]), (&json!(server.org), &user));
        assert_eq!(delivery(&server, "ana@example.com").await, ("failed".to_owned(), Some("bounced".to_owned())));
        // The same bounce again, and without its brackets, changes nothing.
        let again = server.cli(&["mail", "bounced", "--message-id", id.trim_matches(['<', '>']), "--org", &server.org, "--json"]).await;
        assert_eq!(again["mails"][0]["changed"], false);
        let events = failures(&server).await;
        assert_eq!(events.len(), 1);
        let event = &events[0];
        assert_eq!((&event["actor"]["kind"], &event["surface"]), (&json!("cli"), &json!("cli")), "{event}");
        assert_eq!((&event["outcome"], &event["code"]), (&json!("failed"), &json!("bounced")));
        assert_eq!((&event["target"]["kind"], &event["target"]["id"]), (&json!("user"), &user));
        // Its link works on: a mail program may still have shown it to somebody.
        assert_eq!(server.http.get(taken(&sink)[0].link()).send().await.unwrap().status(), 200);
        server.verified().await;
    })
    .await;
}

#[tokio::test]
async fn a_bounce_passed_on_by_address_falls_upon_the_newest_mail_alone() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        let other = ["org", "create", "--name", "Other", "--admin-email", "a@b.example", "--admin-first-name", "A"];
        server.cli(&[&other[..], &["--admin-last-name", "B", "--json"]].concat()).await;
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "sent", None).await;
        server.ok("resend_invite", json!({"user": "ana@example.com"})).await;
        delivered(&server, "ana@example.com", "sent", None).await;
        assert_eq!(taken(&sink).len(), 2);
        for changed in [true, false] {
            let said = server.cli(&["mail", "bounced", "--to", " Ana@EXAMPLE.com ", "--json"]).await;
            assert_eq!((said["mails"].as_array().unwrap().len(), &said["mails"][0]["changed"]), (1, &json!(changed)), "{said}");
        }
        assert_eq!(delivery(&server, "ana@example.com").await, ("failed".to_owned(), Some("bounced".to_owned())));
        assert_eq!(failures(&server).await.len(), 1, "the older mail stays what it became");
        // A new invite begins anew.
        server.ok("resend_invite", json!({"user": "ana@example.com"})).await;
        delivered(&server, "ana@example.com", "sent", None).await;
    })
    .await;
}

#[tokio::test]
async fn what_has_not_left_cannot_come_back() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "queued", Some("deferred")).await;
        for (arguments, part) in [
            (["--to", "ana@example.com"], "no such mail has left"),
            (["--to", "nobody@example.com"], "no such mail has left"),
            (["--to", "no address"], "`email` must have an @"),
            (["--message-id", "<x@example.com>"], "no Message-ID of usher's"),
            (["--message-id", "<01990b1c-7e1a-7000-8000-000000000000@example.com>"], "no such mail has left"),
        ] {
            let said = server.cli_refused(&[&["mail", "bounced"][..], &arguments].concat()).await;
            assert!(said.contains(part), "{said}");
        }
        sink.heal();
        pass(&server, A_LONG_TIME).await;
        delivered(&server, "ana@example.com", "sent", None).await;
        let id = taken(&sink)[0].message_id.clone();
        let said = server.cli_refused(&["mail", "bounced", "--message-id", &id, "--org", "another"]).await;
        assert!(said.contains("no such organization"), "{said}");
        assert!(failures(&server).await.is_empty());
    })
    .await;
}
