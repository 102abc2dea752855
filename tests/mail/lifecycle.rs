//! Mail beside what happens to people, processes and nodes.

use super::{A_LONG_TIME, by_recipient, delivered, invite, make_due, pass, server_and_sink, taken, through, told};
use crate::common::{Engine, Server, database::Connection, on_both, smtp::Sink, until};
use serde_json::json;
use std::collections::BTreeSet;

/// States of a person's mails, oldest first.
async fn states(server: &Server) -> Vec<String> {
    let connection = Connection::to(server).await;
    let rows = connection.rows("SELECT state FROM outbox ORDER BY created_at, id").await;
    connection.close().await;
    rows.into_iter().filter_map(|mut row| row.remove("state").flatten()).collect()
}

/// Waits until the relay is in the middle of this step.
async fn under_way(sink: &Sink, step: &str) {
    until(step, async || (told(sink, step, "") > 0).then_some(())).await;
}

#[tokio::test]
async fn mail_of_an_ended_link_is_dropped() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        for email in ["resent@example.com", "withdrawn@example.com", "expired@example.com"] {
            invite(&server, email).await;
            delivered(&server, email, "queued", Some("deferred")).await;
        }
        server.ok("resend_invite", json!({"user": "resent@example.com"})).await;
        let gone = server.ok("deactivate_user", json!({"user": "withdrawn@example.com"})).await;
        assert_eq!(gone["user"]["delivery"]["state"], "superseded");
        let sql = "UPDATE links SET expires_at = 1 WHERE user_key = (SELECT key FROM users WHERE email = 'expired@example.com')";
        assert!(server.tamper(sql).await);
        assert_eq!(states(&server).await, ["superseded", "superseded", "queued", "queued"]);
        sink.heal();
        pass(&server, A_LONG_TIME).await;
        delivered(&server, "resent@example.com", "sent", None).await;
        delivered(&server, "expired@example.com", "superseded", None).await;
        let mails = by_recipient(&sink);
        assert_eq!(mails.keys().collect::<Vec<_>>(), ["resent@example.com"]);
        assert_eq!(mails["resent@example.com"].len(), 1);
        assert_eq!(server.http.get(mails["resent@example.com"][0].link()).send().await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_link_that_ends_while_its_mail_is_under_way_is_dead_when_it_arrives() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        sink.control(&json!([{"step": "DATA", "action": "slow", "seconds": 1, "times": 1}]));
        invite(&server, "ana@example.com").await;
        under_way(&sink, "DATA").await;
        let resent = server.ok("resend_invite", json!({"user": "ana@example.com"})).await;
        assert_eq!(resent["user"]["delivery"]["state"], "queued");
        delivered(&server, "ana@example.com", "sent", None).await;
        until("both", async || (taken(&sink).len() == 2).then_some(())).await;
        assert_eq!(states(&server).await, ["superseded", "sent"], "the first stays what it became");
        let mails = taken(&sink);
        assert_ne!(mails[0].message_id, mails[1].message_id);
        assert_eq!(server.http.get(mails[0].link()).send().await.unwrap().status(), 410);
        assert_eq!(server.http.get(mails[1].link()).send().await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test]
async fn queued_mail_outlives_its_server() {
    on_both(async |engine| {
        let (mut server, sink) = server_and_sink(engine).await;
        sink.control(&json!([{"step": "MAIL", "action": "451"}]));
        for n in 0..5 {
            let email = format!("p{n}@example.com");
            invite(&server, &email).await;
            delivered(&server, &email, "queued", Some("deferred")).await;
        }
        server.kill().await;
        sink.heal();
        server.restart(&through(&sink)).await;
        pass(&server, A_LONG_TIME).await;
        for n in 0..5 {
            delivered(&server, &format!("p{n}@example.com"), "sent", None).await;
        }
        assert!(by_recipient(&sink).values().all(|mails| mails.len() == 1));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_dies_at_any_step_sends_the_mail_afterwards() {
    on_both(async |engine| {
        let (mut server, sink) = server_and_sink(engine).await;
        let points = ["mail.connect", "mail.mail", "mail.rcpt", "mail.data", "mail.dot"];
        for point in points {
            server.kill().await;
            server.restart(&through(&sink).with("USHER_FAILPOINTS", &format!("{point}=abort"))).await;
            let email = format!("{}@example.com", point.trim_start_matches("mail."));
            // It may die before the answer is out: then the invite holds all the same, or was never made.
            let call = server.request(&server.token, "invite_user", &json!({"email": email, "first_name": "A", "last_name": "B"}));
            drop(tokio::spawn(call).await);
            until("its death", async || server.http.get(format!("{}/healthz", server.address())).send().await.err()).await;
            server.restart(&through(&sink)).await;
            pass(&server, A_LONG_TIME).await;
            delivered(&server, &email, "sent", None).await;
        }
        let mails = by_recipient(&sink);
        assert_eq!(mails.len(), points.len());
        assert!(mails.values().all(|mails| mails.len() == 1), "none had reached the relay");
    })
    .await;
}

#[tokio::test]
async fn a_server_killed_before_the_relays_last_word_sends_the_same_mail_again() {
    on_both(async |engine| {
        let (mut server, sink) = server_and_sink(engine).await;
        // The relay keeps the mail, and its answer reaches nobody.
        sink.control(&json!([{"step": "DOT", "action": "slow", "seconds": 1, "times": 1}]));
        invite(&server, "ana@example.com").await;
        under_way(&sink, "DOT").await;
        server.kill().await;
        server.restart(&through(&sink)).await;
        pass(&server, A_LONG_TIME).await;
        delivered(&server, "ana@example.com", "sent", None).await;
        let ids: BTreeSet<_> = taken(&sink).into_iter().map(|mail| (mail.message_id.clone(), mail.link())).collect();
        assert_eq!(ids.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn two_nodes_send_each_mail_once() {
    on_both(async |engine| {
        let (first, sink) = server_and_sink(engine).await;
        let second = first.second_node(&through(&sink)).await;
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        let mut calls = tokio::task::JoinSet::new();
        for n in 0..40 {
            let node = if n % 2 == 0 { &first } else { &second };
            let arguments = json!({"email": format!("p{n}@example.com"), "first_name": "Test", "last_name": "Person"});
            calls.spawn(node.request(&node.token, "invite_user", &arguments));
        }
        for answer in calls.join_all().await {
            answer.structured();
        }
        sink.heal();
        // At this moment either node may hold some of them, and goes on to send those.
        make_due(&first).await;
        for n in 0..40 {
            delivered(&first, &format!("p{n}@example.com"), "sent", None).await;
        }
        let mails = by_recipient(&sink);
        assert_eq!(mails.len(), 40);
        assert!(mails.values().all(|mails| mails.len() == 1));
    })
    .await;
}

#[tokio::test]
async fn a_dead_nodes_mail_is_taken_over_within_seconds() {
    on_both(async |engine| {
        let (mut first, sink) = server_and_sink(engine).await;
        let second = first.second_node(&through(&sink)).await;
        // Only the first has reason to look at once; the second must leave it alone while the lease is kept.
        sink.control(&json!([{"step": "DATA", "action": "slow", "seconds": 3, "times": 1}]));
        invite(&first, "ana@example.com").await;
        under_way(&sink, "DATA").await;
        first.kill().await;
        // Once in real time, up to the end of the lease; once with that time passed at a stroke.
        if engine == Engine::Sqlite {
            pass(&second, 20_000).await;
        }
        delivered(&second, "ana@example.com", "sent", None).await;
        let ids: BTreeSet<_> = taken(&sink).into_iter().map(|mail| mail.message_id).collect();
        assert_eq!(ids.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_node_keeps_its_lease_while_a_relay_takes_its_time() {
    let (first, sink) = {
        drop(rustls::crypto::ring::default_provider().install_default());
        server_and_sink(Engine::Sqlite).await
    };
    sink.control(&json!([{"step": "DOT", "action": "slow", "seconds": 7, "times": 1}]));
    invite(&first, "ana@example.com").await;
    under_way(&sink, "DOT").await;
    let connection = Connection::to(&first).await;
    let lease = async || connection.number("SELECT coalesce(max(lease_until), 0) AS until FROM outbox").await;
    let at_first = lease().await;
    assert!(at_first > 0);
    until("the renewal", async || (lease().await > at_first).then_some(())).await;
    delivered(&first, "ana@example.com", "sent", None).await;
    assert_eq!(taken(&sink).len(), 1);
    connection.close().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_does_not_wait_for_a_silent_relay() {
    on_both(async |engine| {
        let (mut server, sink) = server_and_sink(engine).await;
        sink.control(&json!([{"step": "RCPT", "action": "slow", "seconds": 600}]));
        invite(&server, "ana@example.com").await;
        under_way(&sink, "RCPT").await;
        let stopped = tokio::time::timeout(std::time::Duration::from_secs(20), server.stop()).await;
        assert!(stopped.is_ok(), "it stops");
        sink.heal();
        server.restart(&through(&sink)).await;
        // No lease is left behind: the next start sends it at once.
        delivered(&server, "ana@example.com", "sent", None).await;
        assert_eq!(taken(&sink).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn r_b34_and_r_b35_a_deactivated_person_gets_no_mail() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "sent", None).await;
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        let arguments = json!({"email": "ANA@example.com", "first_name": "A", "last_name": "R", "role": "Administrator"});
        let refused = server.refused("invite_user", arguments).await;
        assert_eq!(
            (&refused["code"], &refused["details"]["status"], &refused["details"]["next"]),
            (&json!("email_already_in_use"), &json!("deactivated"), &json!("reactivate_user"))
        );
        assert_eq!(server.refused("resend_invite", json!({"user": "ana@example.com"})).await["code"], "user_deactivated");
        let user = server.ok("get_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(user["user"]["role"], "User");
        // Reactivated before they ever joined they are invited anew, by a new mail.
        let back = server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;
        assert_eq!((&back["user"]["status"], &back["delivery"]), (&json!("pending"), &json!("queued")));
        delivered(&server, "ana@example.com", "sent", None).await;
        let mails = taken(&sink);
        assert_eq!(mails.len(), 2);
        assert_eq!(server.http.get(mails[0].link()).send().await.unwrap().status(), 410);
        assert_eq!(server.http.get(mails[1].link()).send().await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test]
async fn r_b38_a_mistyped_address_is_withdrawn_and_the_right_one_invited() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        invite(&server, "anna@example.com").await;
        delivered(&server, "anna@example.com", "sent", None).await;
        let unknown = server.refused("update_user", json!({"user": "anna@example.com", "email": "ana@example.com"})).await;
        assert_eq!(unknown["code"], "invalid_argument", "an address is never edited");
        server.ok("deactivate_user", json!({"user": "anna@example.com"})).await;
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "sent", None).await;
        let mails = by_recipient(&sink);
        assert_eq!((mails["anna@example.com"].len(), mails["ana@example.com"].len()), (1, 1));
        let old = mails["anna@example.com"][0].link();
        for answer in [server.http.get(&old).send().await.unwrap(), server.accept(&old, "A", "R", crate::common::PASSWORD).await] {
            assert_eq!(answer.status(), 410);
        }
        assert_eq!(server.ok("get_user", json!({"user": "ana@example.com"})).await["user"]["status"], "pending");
    })
    .await;
}
