//! What Slack may answer instead, and that no invite, acceptance or mail suffers by it.

use super::{
    TEAM, TOKEN, asked_of_ana, at_rest, connect, done, found, invite, joined_up, log_of, look_ups, options, pass, refused, towards, user,
};
use crate::common::{
    Options, PASSWORD, Server,
    database::Connection,
    on_both,
    slack::{Order, Slack},
    until,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Longer than any wait between two tries.
const A_LONG_TIME: i64 = 2 * 3_600_000;

/// Waits until somebody's look-up waits for another try, for this reason.
async fn waits(server: &Server, email: &str, code: &str) {
    let connection = Connection::to(server).await;
    let entry = (email.to_owned(), "queued".to_owned(), Some(code.to_owned()));
    until(&format!("{entry:?}"), async || look_ups(&connection).await.contains(&entry).then_some(())).await;
    connection.close().await;
}

/// Somebody can be invited and join, whatever Slack does.
async fn joins(server: &Server, email: &str) {
    invite(server, email).await;
    let link = server.link_to(email).await;
    assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
    assert_eq!(user(server, email).await["status"], "active");
}

/// What the doctor says of Slack.
async fn doctor(server: &Server) -> (bool, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(["doctor", "--json"]).env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_LOG", "warn");
    if let Some(url) = server.database_url() {
        command.env("USHER_DATABASE_URL", url);
    }
    let said: Value = serde_json::from_slice(&command.output().await.expect("usher runs").stdout).expect("JSON");
    let finding = said["checks"].as_array().expect("checks").iter().find(|check| check["check"] == "Slack").expect("Slack").clone();
    (finding["ok"] == true, finding["message"].as_str().expect("words").to_owned())
}

#[tokio::test]
async fn a_rate_limit_holds_the_organizations_whole_queue_for_as_long_as_slack_says() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        for name in ["ana", "bo", "cy"] {
            slack.member(TOKEN, &format!("{name}@example.com"), &format!("U0{}", name.to_uppercase()));
        }
        // By status and header; by an error in an answer that says no time.
        for (round, order) in [Order::Limited("600"), Order::Error("ratelimited")].into_iter().enumerate() {
            let asked = slack.asked().len();
            slack.order(&[order]);
            let name = ["ana", "cy"][round];
            invite(&server, &format!("{name}@example.com")).await;
            let held = until("the hold", async || {
                let held = done(&server, &slack, &["test"]).await;
                held["held_until"].is_string().then_some(held)
            })
            .await;
            assert_eq!((&held["waiting"], slack.asked().len()), (&json!(1), asked + 1));
            if round == 0 {
                // Who comes now waits too; the mail goes, and people join.
                joins(&server, "bo@example.com").await;
                assert_eq!(done(&server, &slack, &["test"]).await["waiting"], 2);
            }
            assert_eq!(slack.asked().len(), asked + 1);
            pass(&server, if round == 0 { 601_000 } else { 31_000 }).await;
            found(&server, &format!("{name}@example.com"), &format!("U0{}", name.to_uppercase())).await;
            at_rest(&server).await;
        }
        found(&server, "bo@example.com", "U0BO").await;
        assert!(at_rest(&server).await.iter().all(|(_, state, error)| state == "sent" && error.is_none()));
    })
    .await;
}

#[tokio::test]
async fn a_token_that_slack_takes_no_longer_stops_the_questions_until_another_is_connected() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        assert_eq!(doctor(&server).await, (true, "connected workspaces: 1".to_owned()));
        for (n, (error, code)) in [
            ("invalid_auth", "invalid_auth"),
            ("token_revoked", "token_revoked"),
            ("account_inactive", "account_inactive"),
            ("missing_scope", "missing_scope"),
            ("org_login_required", "access_denied"),
        ]
        .into_iter()
        .enumerate()
        {
            let (first, second) = (format!("a{n}@example.com"), format!("b{n}@example.com"));
            slack.member(TOKEN, &first, &format!("U0A{n}"));
            slack.member(TOKEN, &second, &format!("U0B{n}"));
            slack.error(TOKEN, Some(error));
            invite(&server, &first).await;
            until(error, async || (!doctor(&server).await.0).then_some(())).await;
            let asked = slack.asked().len();
            // Nobody is asked for any more, and nothing else is harmed.
            joins(&server, &second).await;
            assert_eq!(slack.asked().len(), asked);
            let (_, words) = doctor(&server).await;
            for words in [words, refused(&server, &slack, &["test"]).await] {
                assert!(words.contains(code) && words.contains(&format!("usher slack connect --org {}", server.org)), "{words}");
            }
            assert!(refused(&server, &slack, &["lookup"]).await.contains("usher slack test"));
            let entries = log_of(&server, "slack:stopped").await;
            assert_eq!((entries.len(), &entries[0]["code"], &entries[0]["outcome"]), (n + 1, &json!(code), &json!("failed")));
            // Taken again it goes on once somebody says so; who waited is looked up.
            slack.error(TOKEN, None);
            assert!(refused(&server, &slack, &["test"]).await.contains("takes it again"));
            connect(&server, &slack, &server.org, TOKEN).await;
            found(&server, &first, &format!("U0A{n}")).await;
            found(&server, &second, &format!("U0B{n}")).await;
            assert!(doctor(&server).await.0);
        }
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_late_refusal_of_the_former_token_stops_no_new_one() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        slack.error(TOKEN, Some("token_revoked"));
        let thinking = asked_of_ana(&server, &slack).await;
        slack.workspace("xoxb-another", TEAM, "Acme");
        slack.member("xoxb-another", "ana@example.com", "U012AB3CD");
        connect(&server, &slack, &server.org, "xoxb-another").await;
        thinking.notify_one();
        found(&server, "ana@example.com", "U012AB3CD").await;
        assert_eq!(log_of(&server, "slack:stopped").await.len(), 0);
        assert!(doctor(&server).await.0);
    })
    .await;
}

#[tokio::test]
async fn trouble_and_answers_that_do_not_read_are_tried_again() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        let odd = |id: &str| Order::Body(json!({"ok": true, "user": {"id": id}}).to_string());
        for (n, (order, code)) in [
            (Order::Status(503), "slack_trouble"),
            (Order::Error("internal_error"), "slack_trouble"),
            (Order::Error("an_error_of_tomorrow"), "slack_trouble"),
            (Order::Status(404), "unexpected_answer"),
            (Order::Body("<html>".to_owned()), "unexpected_answer"),
            (Order::Body("{}".to_owned()), "unexpected_answer"),
            (Order::Body(json!({"ok": true}).to_string()), "unexpected_answer"),
            (odd("U0<script>"), "unexpected_answer"),
            (odd("T012AB3C4"), "unexpected_answer"),
            (odd(""), "unexpected_answer"),
            (Order::Body("x".repeat(100_000)), "too_large"),
        ]
        .into_iter()
        .enumerate()
        {
            let email = format!("p{n}@example.com");
            slack.member(TOKEN, &email, &format!("U0P{n}"));
            slack.order(&[order]);
            invite(&server, &email).await;
            waits(&server, &email, code).await;
        }
        pass(&server, A_LONG_TIME).await;
        for n in 0..11 {
            found(&server, &format!("p{n}@example.com"), &format!("U0P{n}")).await;
        }
        // Asked for by hand nobody waits for the next try.
        slack.member(TOKEN, "now@example.com", "U0NOW");
        slack.order(&[Order::Status(503)]);
        invite(&server, "now@example.com").await;
        waits(&server, "now@example.com", "slack_trouble").await;
        assert_eq!(done(&server, &slack, &["lookup", "--user", "now@example.com"]).await["queued"], 1);
        found(&server, "now@example.com", "U0NOW").await;
        // Somebody whom Slack has deactivated is nobody there.
        slack.order(&[Order::Body(json!({"ok": true, "user": {"id": "U0GONE", "deleted": true}}).to_string())]);
        invite(&server, "gone@example.com").await;
        let fates = at_rest(&server).await;
        assert_eq!(fates.last().and_then(|(_, _, code)| code.as_deref()), Some("users_not_found"));
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn what_is_tried_for_two_days_is_given_up_and_says_so() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        slack.error(TOKEN, Some("fatal_error"));
        invite(&server, "ana@example.com").await;
        waits(&server, "ana@example.com", "slack_trouble").await;
        assert!(server.tamper("UPDATE outbox SET created_at = created_at - 200000000 WHERE channel = 'slack'").await);
        pass(&server, A_LONG_TIME).await;
        assert_eq!(at_rest(&server).await, [("ana@example.com".to_owned(), "failed".to_owned(), Some("slack_trouble".to_owned()))]);
        let entries = log_of(&server, "slack:failed").await;
        assert_eq!((entries.len(), &entries[0]["code"], &entries[0]["outcome"]), (1, &json!("slack_trouble"), &json!("failed")));
        // That is no mail of theirs.
        assert_eq!(user(&server, "ana@example.com").await["delivery"]["state"], "folder");
        assert!(server.cli_refused(&["mail", "bounced", "--to", "ana@example.com"]).await.contains("no such mail"));
        // Asked again it is tried again.
        slack.error(TOKEN, None);
        slack.member(TOKEN, "ana@example.com", "U012AB3CD");
        done(&server, &slack, &["lookup", "--user", "ana@example.com"]).await;
        found(&server, "ana@example.com", "U012AB3CD").await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn requirement_71_with_slack_down_people_are_invited_and_join_and_are_looked_up_later() {
    on_both(async |engine| {
        let (mut server, slack) = joined_up(engine).await;
        drop(slack);
        joins(&server, "ana@example.com").await;
        waits(&server, "ana@example.com", "unreachable").await;
        let back = Slack::start().await;
        back.workspace(TOKEN, TEAM, "Acme");
        back.member(TOKEN, "ana@example.com", "U012AB3CD");
        server.stop().await;
        server.restart(&options(&back)).await;
        pass(&server, A_LONG_TIME).await;
        found(&server, "ana@example.com", "U012AB3CD").await;
    })
    .await;
}

#[tokio::test]
async fn a_silent_slack_holds_no_mail_up_and_a_silent_relay_no_look_up() {
    on_both(async |engine| {
        let (mut server, slack) = joined_up(engine).await;
        let never = asked_of_ana(&server, &slack).await;
        joins(&server, "bo@example.com").await;
        assert_eq!(slack.asked().len(), 1, "all this while Slack was silent");
        never.notify_one();
        at_rest(&server).await;
        server.stop().await;

        let relay = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut arguments = towards(&slack);
        arguments.extend(["--smtp-url".to_owned(), format!("smtp://{}", relay.local_addr().expect("an address"))]);
        arguments.extend(["--mail-from".to_owned(), "usher@sender.example".to_owned()]);
        server.restart(&Options { arguments, ..Options::default() }).await;
        slack.member(TOKEN, "cy@example.com", "U0CY");
        invite(&server, "cy@example.com").await;
        drop(relay.accept().await.expect("the mail's connection is there, and never greeted"));
        found(&server, "cy@example.com", "U0CY").await;
    })
    .await;
}

#[tokio::test]
async fn a_node_that_dies_between_answer_and_commit_leaves_nothing_half_done() {
    on_both(async |engine| {
        let (mut server, slack) = joined_up(engine).await;
        server.stop().await;
        server.restart(&options(&slack).with("USHER_FAILPOINTS", "slack.answered=abort@1")).await;
        slack.member(TOKEN, "ana@example.com", "U012AB3CD");
        let arguments = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"});
        // It may die before it answers.
        let call = tokio::spawn(server.request(&server.token, "invite_user", &arguments));
        server.ended().await;
        drop(call.await);
        assert_eq!(slack.asked().len(), 1);
        server.restart(&options(&slack)).await;
        assert_eq!(user(&server, "ana@example.com").await["slack_id"], Value::Null);
        pass(&server, 60_000).await;
        found(&server, "ana@example.com", "U012AB3CD").await;
        assert_eq!((user(&server, "ana@example.com").await["version"].clone(), log_of(&server, "slack:found").await.len()), (json!(2), 1));
        assert_eq!(at_rest(&server).await, [("ana@example.com".to_owned(), "sent".to_owned(), None)]);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn an_answer_whose_commit_fails_is_asked_for_again() {
    on_both(async |engine| {
        let (mut server, slack) = joined_up(engine).await;
        for nth in 3..=6 {
            // Asked on the host, while no server runs. Of the next, starting is a commit or two, the lease one, the answer another.
            let (email, id) = (format!("p{nth}@example.com"), format!("U0P{nth}"));
            invite(&server, &email).await;
            at_rest(&server).await;
            server.stop().await;
            slack.member(TOKEN, &email, &id);
            done(&server, &slack, &["lookup", "--user", &email]).await;
            let plan = format!("store.commit=error@{nth}");
            server.restart(&options(&slack).with("USHER_FAILPOINTS", &plan).with("USHER_LOG", "off")).await;
            until("the question", async || (slack.asked_of(&email) >= 2).then_some(())).await;
            until("the answer", async || {
                pass(&server, 60_000).await;
                (user(&server, &email).await["slack_id"] == id).then_some(())
            })
            .await;
            let fates = at_rest(&server).await;
            assert_eq!(fates.last(), Some(&(email, "sent".to_owned(), None)));
            assert_eq!(log_of(&server, "slack:found").await.len(), nth - 2);
            assert_eq!(server.verified().await["ok"], true);
            server.stop().await;
            server.restart(&options(&slack)).await;
        }
    })
    .await;
}
