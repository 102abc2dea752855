//! What a suspended organization has queued waits, and leaves once it is resumed where it still means something.

use super::{Taken, delivered, invite, notices::joined, pass, read, server_and_sink, taken};
use crate::{
    common::{Server, database::Connection, inside::Inside, on_both, until},
    signing_in::{Browser, second_organization},
};
use serde_json::json;
use usher_mcp::{
    domain::{Clock, DAY},
    store::{
        notices,
        outbox::{self, Wanted},
    },
};

async fn turn(server: &Server, word: &str) {
    server.cli(&["org", word, "--org", &server.org, "--json"]).await;
}

#[tokio::test]
async fn what_a_suspended_organization_has_queued_leaves_once_it_is_resumed() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        joined(&server, &sink, "ana@example.com", "User").await;
        let second = second_organization(&server).await;
        for label in ["ending", "ended"] {
            server.token_for("ana@example.com", &["--label", label, "--expires-in-days", "8"]).await;
        }
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        for email in ["bo@example.com", "late@example.com"] {
            invite(&server, email).await;
            delivered(&server, email, "queued", Some("deferred")).await;
        }
        server.ok("update_user", json!({"user": "ana@example.com", "role": "Administrator"})).await;
        let node = Inside::silent(&server, Clock::system()).await;
        let soon = node.app.clock.now().plus(2 * DAY);
        assert_eq!(notices::of_ending_tokens(&node.app.pool, soon, &node.app.random).await.expect("told"), 2);
        node.stop().await;
        turn(&server, "suspend").await;
        let before = taken(&sink).len();
        sink.heal();
        pass(&server, 3 * DAY).await;
        assert!(server.tamper(&format!("UPDATE outbox SET created_at = created_at - {} WHERE state = 'queued'", 3 * DAY)).await);
        // The newest of all is another organization's, and the only one that leaves.
        let asked = Browser::of(&server).post(&format!("/sign-in/{second}"), &[("email", "ana@example.com"), ("do", "link")]).await;
        assert_eq!(asked.status, 200);
        let since = || taken(&sink).split_off(before);
        until("the other's mail", async || (!since().is_empty()).then_some(())).await;
        let subject = |mail: &Taken| read(mail)["subject"].as_str().expect("a subject").to_owned();
        assert_eq!(since().iter().map(subject).collect::<Vec<_>>(), ["Your link to sign in to Second"]);
        let connection = Connection::to(&server).await;
        assert_eq!(connection.number("SELECT count(*) FROM outbox WHERE state = 'queued'").await, 6);
        // Meanwhile an invite expires, and a token ends.
        let expired = "UPDATE links SET expires_at = 1 WHERE user_key = (SELECT key FROM users WHERE email = 'late@example.com')";
        assert!(server.tamper(expired).await);
        assert!(server.tamper("UPDATE credentials SET expires_at = created_at + 1 WHERE label = 'ended'").await);
        // What waited for days is tried for as long as what is queued now.
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        turn(&server, "resume").await;
        let queued = "SELECT count(*) FROM outbox WHERE state = 'queued'";
        let untried = format!("{queued} AND attempts = 0");
        until("a first try of four", async || {
            (connection.number(&untried).await == 0 && connection.number(queued).await == 4).then_some(())
        })
        .await;
        sink.heal();
        pass(&server, DAY / 2).await;
        until("an empty queue", async || (connection.number(queued).await == 0).then_some(())).await;
        connection.close().await;
        let mut told: Vec<_> = since().iter().skip(1).map(|mail| (mail.to[0].clone(), subject(mail))).collect();
        told.sort();
        let made = "ana Person is now an Administrator of My organization";
        let expected = [
            ("admin@example.com", made),
            ("ana@example.com", "A token of yours at My organization ends soon"),
            ("ana@example.com", made),
            ("bo@example.com", "First Administrator invited you to My organization"),
        ];
        assert_eq!(told, expected.map(|(to, subject)| (to.to_owned(), subject.to_owned())));
        server.verified().await;
    })
    .await;
}

#[tokio::test]
async fn a_token_whose_last_week_begins_while_its_organization_is_suspended_is_told_of_once_it_is_resumed() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        joined(&server, &sink, "ana@example.com", "User").await;
        for label in ["ending", "ended"] {
            server.token_for("ana@example.com", &["--label", label, "--expires-in-days", "8"]).await;
        }
        let node = Inside::silent(&server, Clock::system()).await;
        let look = async |days: i64| {
            let then = node.app.clock.now().plus(days * DAY);
            notices::of_ending_tokens(&node.app.pool, then, &node.app.random).await.expect("told")
        };
        turn(&server, "suspend").await;
        let before = taken(&sink).len();
        assert_eq!((look(2).await, look(3).await), (2, 0), "noted once");
        pass(&server, 3 * DAY).await;
        assert!(server.tamper("UPDATE credentials SET expires_at = created_at + 1 WHERE label = 'ended'").await);
        // A mail of the host's own organization shows that the worker has gone by what waits.
        let second = second_organization(&server).await;
        assert_eq!(
            Browser::of(&server).post(&format!("/sign-in/{second}"), &[("email", "ana@example.com"), ("do", "link")]).await.status,
            200
        );
        until("the other's mail", async || (taken(&sink).len() > before).then_some(())).await;
        assert_eq!(taken(&sink).len(), before + 1, "nothing of the suspended one");
        turn(&server, "resume").await;
        let connection = Connection::to(&server).await;
        let queued = "SELECT count(*) FROM outbox WHERE state = 'queued'";
        until("an empty queue", async || (connection.number(queued).await == 0).then_some(())).await;
        connection.close().await;
        let told: Vec<_> = taken(&sink).split_off(before + 1).iter().map(|mail| (mail.to[0].clone(), read(mail))).collect();
        assert_eq!(told.len(), 1, "and nothing of the token that has ended");
        assert_eq!(
            (told[0].0.as_str(), &told[0].1["subject"]),
            ("ana@example.com", &json!("A token of yours at My organization ends soon"))
        );
        assert!(told[0].1["text"].as_str().is_some_and(|text| text.contains("ending")), "{}", told[0].1);
        assert_eq!(look(4).await, 0);
        node.stop().await;
        server.verified().await;
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_a_worker_holds_already_waits_too() {
    on_both(async |engine| {
        let (mut server, sink) = server_and_sink(engine).await;
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "queued", Some("deferred")).await;
        server.stop().await;
        let node = Inside::silent(&server, Clock::system()).await;
        let (pool, now) = (&node.app.pool, node.app.clock.now().plus(DAY));
        let (lease, due) = outbox::lease(pool, now, DAY, 10).await.expect("a lease");
        turn(&server, "suspend").await;
        assert_eq!(lease.wants(pool, due[0].id, now).await.expect("an answer"), Wanted::NotNow);
        turn(&server, "resume").await;
        assert_eq!(lease.wants(pool, due[0].id, now).await.expect("an answer"), Wanted::Yes);
        node.stop().await;
    })
    .await;
}
