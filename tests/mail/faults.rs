//! What a relay may do to a mail, and that none is lost by it.

use super::{A_LONG_TIME, by_recipient, delivered, delivery, invite, pass, server_and_sink, taken, through, through_url, told};
use crate::common::{Server, on_both, smtp::Sink, until};
use serde_json::json;
use std::collections::BTreeSet;
use tokio::net::TcpListener;

const STEPS: [&str; 5] = ["EHLO", "MAIL", "RCPT", "DATA", "DOT"];

/// What `user.delivery` says after this fault at this step.
fn expected(step: &str, action: &str) -> (&'static str, Option<&'static str>) {
    match (step, action) {
        (_, "slow") => ("sent", None),
        (_, "421" | "451") => ("queued", Some("deferred")),
        // A relay that refuses everybody has not refused this mail.
        ("EHLO" | "MAIL", "550") => ("queued", Some("refused")),
        (_, "550") => ("failed", Some("rejected")),
        ("EHLO", _) => ("queued", Some("unreachable")),
        (_, _) => ("queued", Some("cut_off")),
    }
}

#[tokio::test]
async fn r_b94_a_fault_at_any_step_loses_no_mail_and_keeps_its_message_id() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        let mut failed = Vec::new();
        let mut people = Vec::new();
        for step in STEPS {
            for action in ["421", "451", "550", "close", "lost_reply", "slow"] {
                let email = format!("{}.{action}@example.com", step.to_lowercase());
                sink.control(&json!([{"step": step, "action": action, "times": 1, "seconds": 0.3}]));
                let invited = invite(&server, &email).await;
                assert_eq!(
                    (&invited["delivery"], &invited["user"]["delivery"]["state"]),
                    (&json!("queued"), &json!("queued")),
                    "an answer never waits for the relay"
                );
                let (state, error) = expected(step, action);
                delivered(&server, &email, state, error).await;
                // On a slow machine an earlier one would be due again, and meet the next one's fault.
                pass(&server, -60_000).await;
                if state == "failed" {
                    failed.push(email.clone());
                }
                people.push((step, action, email));
            }
        }
        sink.heal();
        pass(&server, A_LONG_TIME).await;
        for (_, _, email) in people.iter().filter(|(_, _, email)| !failed.contains(email)) {
            delivered(&server, email, "sent", None).await;
        }
        // What was given up says so in the audit log, and is not tried again; a resend is a new mail.
        let events = server.ok("list_audit_events", json!({"outcome": "failed", "limit": 100})).await;
        let events = events["events"].as_array().unwrap();
        assert_eq!(events.len(), failed.len());
        assert!(events.iter().all(|event| event["action"] == "mail:failed" && event["code"] == "rejected"), "{events:?}");
        for email in &failed {
            assert!(!by_recipient(&sink).contains_key(email));
            server.ok("resend_invite", json!({"user": email})).await;
            delivered(&server, email, "sent", None).await;
        }
        let by_recipient = by_recipient(&sink);
        let mut ids = BTreeSet::new();
        for (step, action, email) in &people {
            let mails = &by_recipient[email];
            // The one case in which nobody can know: it is kept, and the answer is lost.
            let copies = if (*step, *action) == ("DOT", "lost_reply") { 2 } else { 1 };
            assert_eq!(mails.len(), copies, "{email}");
            assert!(mails.iter().all(|mail| mail.message_id == mails[0].message_id && mail.link() == mails[0].link()), "{email}");
            assert!(ids.insert(mails[0].message_id.clone()), "each mail has a Message-ID of its own");
        }
        assert_eq!(server.ok("list_users", json!({"status": "pending"})).await["total"], people.len());
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_was_deferred_goes_out_by_itself() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        sink.control(&json!([{"step": "RCPT", "action": "451", "times": 1}]));
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "queued", Some("deferred")).await;
        // Five seconds later, without any help.
        delivered(&server, "ana@example.com", "sent", None).await;
        assert_eq!(taken(&sink).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn r_b94_a_relay_that_falls_silent_holds_nothing_up() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        // The bounds on a relay's patience are shortened, nothing else.
        let server = Server::quickstart_with(engine, &through(&sink).with("USHER_FAILPOINTS", "mail.patience=skip")).await;
        for step in STEPS {
            let email = format!("{}@example.com", step.to_lowercase());
            sink.control(&json!([{"step": step, "action": "slow", "seconds": 600}]));
            invite(&server, &email).await;
            delivered(&server, &email, "queued", Some("timeout")).await;
        }
        sink.heal();
        pass(&server, A_LONG_TIME).await;
        for step in STEPS {
            delivered(&server, &format!("{}@example.com", step.to_lowercase()), "sent", None).await;
        }
        let mails = by_recipient(&sink);
        assert!(mails.values().all(|mails| mails.len() == 1) && mails.len() == STEPS.len(), "{mails:?}");
    })
    .await;
}

#[tokio::test]
async fn r_b94_mail_waits_for_a_relay_that_is_not_there() {
    on_both(async |engine| {
        // One that is taken by nobody, one that takes the connection and never greets.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let absent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let absent_port = absent.local_addr().unwrap().port();
        drop(absent);
        let url = |port: u16| format!("smtp://127.0.0.1:{port}");
        let mut server = Server::quickstart_with(engine, &through_url(&url(absent_port))).await;
        let invited = invite(&server, "ana@example.com").await;
        assert_eq!((&invited["changed"], &invited["delivery"]), (&json!(true), &json!("queued")));
        delivered(&server, "ana@example.com", "queued", Some("unreachable")).await;

        server.kill().await;
        let patience = through_url(&url(silent.local_addr().unwrap().port())).with("USHER_FAILPOINTS", "mail.patience=skip");
        server.restart(&patience).await;
        pass(&server, A_LONG_TIME).await;
        delivered(&server, "ana@example.com", "queued", Some("timeout")).await;

        // Nothing else is held up meanwhile, and nobody is invited twice.
        let again = server.refused("invite_user", json!({"email": "Ana@example.com", "first_name": "A", "last_name": "B"})).await;
        assert_eq!(
            (&again["code"], &again["details"]["status"], &again["details"]["next"]),
            (&json!("email_already_in_use"), &json!("pending"), &json!("resend_invite"))
        );
        let listed = server.ok("list_users", json!({"status": "pending"})).await;
        assert_eq!((&listed["total"], &listed["users"][0]["delivery"]["state"]), (&json!(1), &json!("queued")));

        let sink = Sink::start(&[]).await;
        server.kill().await;
        server.restart(&through(&sink)).await;
        server.ok("resend_invite", json!({"user": "ana@example.com"})).await;
        delivered(&server, "ana@example.com", "sent", None).await;
        assert_eq!(taken(&sink).len(), 1, "the first invite's mail ended with its link");
    })
    .await;
}

#[tokio::test]
async fn r_b95_one_bad_recipient_does_not_hold_up_the_next() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        // Both wait for the relay, so that one round of the worker takes them together.
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        for email in ["bad@example.com", "ana@example.com", "bo@example.com"] {
            invite(&server, email).await;
            delivered(&server, email, "queued", Some("deferred")).await;
        }
        let conversations = told(&sink, "EHLO", "");
        sink.control(&json!([{"step": "RCPT", "action": "550", "match": "bad@"}]));
        pass(&server, A_LONG_TIME).await;
        delivered(&server, "bad@example.com", "failed", Some("rejected")).await;
        delivered(&server, "ana@example.com", "sent", None).await;
        delivered(&server, "bo@example.com", "sent", None).await;
        assert_eq!(told(&sink, "RCPT", "bad@"), 1, "it is not tried for ever");
        assert_eq!(told(&sink, "EHLO", "") - conversations, 2, "one after the refusal, and both others in it");
        assert_eq!(delivery(&server, "bad@example.com").await.0, "failed");
    })
    .await;
}

#[tokio::test]
async fn a_relay_that_ends_a_conversation_between_two_mails_gets_the_next_in_another() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        let options = through(&sink).with("USHER_FAILPOINTS", "mail.connect=error@1;mail.mail=error@2");
        let server = Server::quickstart_with(engine, &options).await;
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "queued", Some("cut_off")).await;
        invite(&server, "bo@example.com").await;
        delivered(&server, "bo@example.com", "queued", Some("deferred")).await;
        sink.heal();
        pass(&server, A_LONG_TIME).await;
        for email in ["ana@example.com", "bo@example.com"] {
            delivered(&server, email, "sent", None).await;
        }
        assert_eq!(by_recipient(&sink).len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_is_given_up_after_two_days_says_why() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        sink.control(&json!([{"step": "RCPT", "action": "451"}]));
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "queued", Some("deferred")).await;
        assert!(server.tamper("UPDATE outbox SET created_at = created_at - 172800001, next_at = 0").await);
        delivered(&server, "ana@example.com", "failed", Some("deferred")).await;
        let tries = told(&sink, "RCPT", "ana@");
        pass(&server, A_LONG_TIME).await;
        // Another mail goes out meanwhile: had the worker still had the first, it would have taken it along.
        sink.heal();
        invite(&server, "bo@example.com").await;
        delivered(&server, "bo@example.com", "sent", None).await;
        assert_eq!(told(&sink, "RCPT", "ana@"), tries);
        let events = server.ok("list_audit_events", json!({"outcome": "failed"})).await;
        assert_eq!((&events["events"][0]["code"], &events["events"][0]["actor"]["kind"]), (&json!("deferred"), &json!("system")));
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_cannot_be_built_is_parked_and_the_others_go() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        for email in ["poisoned@example.com", "ana@example.com"] {
            invite(&server, email).await;
            delivered(&server, email, "queued", Some("deferred")).await;
        }
        // Stored by somebody with access to the database; nothing lets it in otherwise.
        assert!(server.tamper("UPDATE users SET last_name = 'X\r\nBcc: evil@example.org' WHERE email LIKE 'poisoned%'").await);
        sink.heal();
        pass(&server, A_LONG_TIME).await;
        delivered(&server, "ana@example.com", "sent", None).await;
        delivered(&server, "poisoned@example.com", "failed", Some("unsendable")).await;
        let mails = taken(&sink);
        assert_eq!(mails.len(), 1);
        assert!(!String::from_utf8_lossy(&mails[0].raw).contains("evil"));
        until("the entry", async || {
            let events = server.ok("list_audit_events", json!({"outcome": "failed"})).await;
            (events["events"][0]["code"] == "unsendable").then_some(())
        })
        .await;
    })
    .await;
}
