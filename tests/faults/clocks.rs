//! A clock that is wrong: on a node beside others, or on the one that there was yesterday.

use super::quiet;
use crate::common::{Server, database::Connection, inside::Inside, invariants, on_both};
use serde_json::json;
use usher_mcp::{
    domain::{Clock, DAY, MINUTE, Timestamp},
    http::server,
};

#[tokio::test]
async fn a_node_whose_clock_is_ahead_ends_nothing_and_sends_nothing() {
    on_both(async |engine| {
        let mut server = Server::quickstart_with(engine, &quiet()).await;
        server
            .ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "idempotency_key": "ana"}))
            .await;
        server.link(1).await;
        let connection = Connection::to(&server).await;
        let start = connection.number("SELECT at FROM audit_log ORDER BY seq DESC LIMIT 1").await;
        // One more mail, which nobody sends before the node that is ahead looks.
        server.stop().await;
        let clock = Clock::manual(Timestamp::from_millis(start));
        let writer = Inside::beside(&server, clock).await;
        let invited = json!({"email": "ben@example.com", "first_name": "Ben", "last_name": "Ode"});
        assert_eq!(writer.call("invite_user", &invited).await.structured()["changed"], true);
        writer.stop().await;

        let before = connection.digest(&[]).await;
        for ahead in [100 * DAY, MINUTE, -MINUTE] {
            let node = Inside::silent(&server, Clock::manual(Timestamp::from_millis(start + ahead))).await;
            server::sweep(&node.app).await.expect("a round");
            assert_eq!(server::mail_round(&node.app).await.expect("a round"), 0);
            node.stop().await;
            assert_eq!(connection.digest(&[]).await, before, "{engine:?}, {ahead} ms ahead");
        }
        // One whose clock is right does both.
        let run_out = "UPDATE links SET expires_at = sent_at WHERE id = (SELECT link_id FROM outbox WHERE state <> 'queued')";
        assert!(connection.run(run_out).await);
        let node = Inside::silent(&server, Clock::system()).await;
        server::sweep(&node.app).await.expect("a round");
        assert_eq!(connection.number("SELECT count(*) FROM links WHERE ended_as = 'expired'").await, 1, "{engine:?}");
        assert_eq!(server::mail_round(&node.app).await.expect("a round"), 1, "{engine:?}");
        node.stop().await;
        connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_entry_of_a_clock_that_was_ahead_holds_nobody_up() {
    on_both(async |engine| {
        let server = Server::quickstart_with(engine, &quiet()).await;
        let short = server.token_for("admin@example.com", &["--expires-in-days", "1"]).await;
        let connection = Connection::to(&server).await;
        let last = "SELECT at FROM audit_log ORDER BY seq DESC LIMIT 1";
        let ahead = connection.number(last).await + 3 * DAY;
        let node = Inside::beside(&server, Clock::manual(Timestamp::from_millis(ahead))).await;
        let renamed = node.call("update_user", &json!({"user": "admin@example.com", "first_name": "Ada"})).await;
        assert_eq!(renamed.structured()["changed"], true);
        node.stop().await;
        assert_eq!(connection.number(last).await, ahead);

        // A token that lives writes, mail leaves now, and the link ends seven days from now.
        let invited = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"});
        let invited = server.call(&short, "invite_user", invited).await;
        assert_eq!(invited.status, 200, "{engine:?}");
        assert_eq!(invited.structured()["changed"], true);
        server.link_to("ana@example.com").await;
        let late = format!("SELECT count(*) FROM links WHERE sent_at >= {ahead} OR expires_at >= {ahead} + 604800000");
        assert_eq!(connection.number(&late).await, 0, "{engine:?}");
        // Time in the log stands still until the clock has caught up.
        assert_eq!(connection.number(last).await, ahead, "{engine:?}");
        connection.close().await;
        invariants::hold(&server, "after a clock that was ahead").await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn what_has_ended_stays_ended_when_the_clock_goes_back() {
    on_both(async |engine| {
        let mut server = Server::quickstart_with(engine, &quiet()).await;
        server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        server.link(1).await;
        server.stop().await;
        let connection = Connection::to(&server).await;
        for table in ["credentials", "links"] {
            assert!(connection.run(&format!("UPDATE {table} SET expires_at = 1000")).await);
        }
        let node = Inside::beside(&server, Clock::system()).await;
        server::sweep(&node.app).await.expect("a round");
        node.stop().await;
        let node = Inside::beside(&server, Clock::manual(Timestamp::from_millis(0))).await;
        assert_eq!(node.call("whoami", &json!({})).await.status, 401, "{engine:?}");
        let live = "SELECT count(*) FROM links WHERE ended_at IS NULL";
        assert_eq!(connection.number(live).await, 0, "{engine:?}");
        node.stop().await;
        connection.close().await;
    })
    .await;
}
