//! Budgets for mail: how many invites a day, how many mails to one person, and when it goes on.

use super::{Watch, holder, invite};
use crate::common::{Options, Server, on_both};
use serde_json::{Value, json};

const DAY: u64 = 86_400_000;
const MINUTES: u64 = 600_000;

fn person(n: usize) -> Value {
    json!({"email": format!("p{n}@example.com"), "first_name": "Test", "last_name": "Person"})
}

fn limited(error: &Value) -> u64 {
    assert_eq!(error["code"], "rate_limited", "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("retry_after_ms")), "{error}");
    error["retry_after_ms"].as_u64().expect("how long")
}

#[tokio::test]
async fn r_b151_an_inviter_has_a_fifth_and_the_organization_the_whole_of_a_days_invites() {
    on_both(async |engine| {
        let options = Options::arguments(&["--invites-per-day", "15"]);
        let server = Server::quickstart_with(engine, &options).await;
        let second = server.second_node(&options).await;
        let (bo, cy) = {
            // Made with the budget of the Administrator; the days before are over then.
            let bo = holder(&server, "bo@example.com", &["users:invite"]).await;
            let cy = holder(&server, "cy@example.com", &["users:invite"]).await;
            (bo, cy)
        };
        let watch = Watch::on(&server).await;
        watch.run("UPDATE links SET sent_at = sent_at - 86400001").await;
        // Dry runs and refusals cost nothing, also when there are more of them than the budget has.
        for _ in 0..20 {
            let mut dry = person(0);
            dry["dry_run"] = json!(true);
            server.ok("invite_user", dry).await;
            assert_eq!(
                server.refused("invite_user", json!({"email": "bo@example.com", "first_name": "B", "last_name": "L"})).await["code"],
                "email_already_in_use"
            );
        }
        // Three are a fifth of fifteen: per inviter, whichever node and token.
        for n in 0..3 {
            server.ok("invite_user", person(n)).await;
        }
        let other_token = server.token_for("admin@example.com", &[]).await;
        for token in [&server.token, &other_token] {
            for node in [&server, &second] {
                let wait = limited(&node.call(token, "invite_user", person(3)).await.error());
                assert!(wait > DAY - MINUTES && wait <= DAY, "{wait}");
            }
        }
        // A resend is a mail of the same budget; somebody else's share is their own.
        limited(&server.refused("resend_invite", json!({"user": "p0@example.com"})).await);
        let mut next = 3;
        for token in [&bo, &cy] {
            for _ in 0..3 {
                assert_eq!(second.call(token, "invite_user", person(next)).await.structured()["changed"], true);
                next += 1;
            }
            limited(&server.call(token, "invite_user", person(next)).await.error());
        }
        // An invite that says what it is stays what it is.
        assert_eq!(server.refused("invite_user", person(0)).await["code"], "email_already_in_use");
        assert_eq!(server.ok("list_users", json!({"status": "pending"})).await["total"], 9);
        // A day later it goes on, also after a restart.
        watch.run("UPDATE links SET sent_at = sent_at - 86400001").await;
        assert_eq!(server.ok("invite_user", person(next)).await["changed"], true);
    })
    .await;
}

#[tokio::test]
async fn r_b151_the_whole_organization_has_one_budget() {
    on_both(async |engine| {
        let server = Server::quickstart_with(engine, &Options::arguments(&["--invites-per-day", "4"])).await;
        let watch = Watch::on(&server).await;
        let mut tokens = Vec::new();
        for name in ["a", "b", "c", "d", "e"] {
            tokens.push(holder(&server, &format!("{name}@example.com"), &["users:invite"]).await);
            watch.run("UPDATE links SET sent_at = sent_at - 86400001").await;
        }
        // Of four a fifth is one at the least.
        for (n, token) in tokens.iter().enumerate() {
            let answer = server.call(token, "invite_user", person(n)).await;
            if n < 4 {
                assert_eq!(answer.structured()["changed"], true);
            } else {
                limited(&answer.error());
            }
        }
        limited(&server.refused("invite_user", person(9)).await);
    })
    .await;
}

#[tokio::test]
async fn r_b151_one_mailbox_gets_three_mails_in_ten_minutes_and_ten_a_day() {
    on_both(async |engine| {
        let options = Options::arguments(&["--resends", "3/10m,10/d"]);
        let server = Server::quickstart_with(engine, &options).await;
        let second = server.second_node(&options).await;
        let ana = invite(&server, "ana@example.com").await;
        let resend = json!({"user": ana});
        let mut dry = resend.clone();
        dry["dry_run"] = json!(true);
        for _ in 0..15 {
            server.ok("resend_invite", dry.clone()).await;
        }
        for _ in 0..3 {
            assert_eq!(server.ok("resend_invite", resend.clone()).await["changed"], true);
        }
        let bo = holder(&server, "bo@example.com", &["users:invite", "users:deactivate"]).await;
        for (node, token) in [(&server, &server.token), (&second, &server.token), (&server, &bo)] {
            let wait = limited(&node.call(token, "resend_invite", resend.clone()).await.error());
            assert!(wait > MINUTES / 2 && wait <= MINUTES, "{wait}");
            limited(&node.call(token, "resend_invite", dry.clone()).await.error());
        }
        // Withdrawn and invited again is a mail to the same mailbox.
        server.ok("deactivate_user", resend.clone()).await;
        limited(&server.refused("reactivate_user", resend.clone()).await);
        assert_eq!(server.ok("get_user", resend.clone()).await["user"]["status"], "deactivated");
        // Others are not held up.
        invite(&server, "cy@example.com").await;
        server.ok("resend_invite", json!({"user": "cy@example.com"})).await;

        let watch = Watch::on(&server).await;
        let later = "UPDATE links SET sent_at = sent_at - 600001";
        watch.run(later).await;
        let back = server.ok("reactivate_user", resend.clone()).await;
        assert_eq!((&back["user"]["status"], &back["delivery"]), (&json!("pending"), &json!("folder")));
        for n in 4..10 {
            watch.run(later).await;
            assert_eq!(server.ok("resend_invite", resend.clone()).await["changed"], true, "{n}");
        }
        watch.run(later).await;
        let wait = limited(&server.refused("resend_invite", resend.clone()).await);
        assert!(wait > MINUTES && wait < DAY, "{wait}");
        watch.run("UPDATE links SET sent_at = sent_at - 86400000").await;
        server.ok("resend_invite", resend).await;
    })
    .await;
}

#[tokio::test]
async fn r_b151_a_hundred_invites_at_once_are_an_onboarding_and_not_a_flood() {
    on_both(async |engine| {
        // What holds where nothing else is said.
        let server = Server::quickstart_with(engine, &Options::arguments(&["--invites-per-day", "1000"])).await;
        for n in 0..120 {
            assert_eq!(server.ok("invite_user", person(n)).await["changed"], true);
        }
        assert_eq!(server.ok("list_users", json!({"status": "pending"})).await["total"], 120);
    })
    .await;
}
