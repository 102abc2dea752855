//! At invite, at acceptance, on demand; and what is never written.

use super::{TOKEN, asked_of_ana, at_rest, connect, done, found, invite, joined_up, log_of, look_ups, options, pass, refused, user};
use crate::{
    common::{
        Engine, PASSWORD, Server,
        database::Connection,
        oidc::{self, Idp},
        on_both,
        slack::{Order, Slack},
        until,
    },
    sso,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;

async fn people(server: &Server, query: &str) -> Value {
    server.ok("list_users", json!({"query": query})).await["total"].clone()
}

#[tokio::test]
async fn b13_an_invited_person_is_looked_up_and_found_by_their_slack_id() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        slack.member(TOKEN, "ana@example.com", "U012AB3CD");
        let invited = invite(&server, "ana@example.com").await;
        assert_eq!(invited["slack_id"], Value::Null, "no invite waits for Slack");
        found(&server, "ana@example.com", "U012AB3CD").await;
        assert_eq!(slack.asked(), [(TOKEN.to_owned(), "ana@example.com".to_owned())]);
        let ana = user(&server, "ana@example.com").await;
        assert_eq!((&ana["version"], &ana["status"]), (&json!(2), &json!("pending")));
        assert_eq!(people(&server, "u012ab3cd").await, 1);
        // It is an entry like any other change's, by the server itself.
        let entries = log_of(&server, "slack:found").await;
        assert_eq!(entries.len(), 1);
        assert_eq!((&entries[0]["target"]["id"], &entries[0]["surface"]), (&ana["id"], &json!("system")), "{}", entries[0]);
        assert!(entries[0].to_string().contains("U012AB3CD"));
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn somebody_who_is_in_slack_only_later_is_looked_up_again_when_they_join() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        invite(&server, "ana@example.com").await;
        let nobody = ("ana@example.com".to_owned(), "sent".to_owned(), Some("users_not_found".to_owned()));
        assert_eq!(at_rest(&server).await, std::slice::from_ref(&nobody), "nobody is an answer, and no fault");
        slack.member(TOKEN, "ana@example.com", "U012AB3CD");
        let link = server.link_to("ana@example.com").await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        found(&server, "ana@example.com", "U012AB3CD").await;
        let sent = ("ana@example.com".to_owned(), "sent".to_owned(), None);
        assert_eq!(at_rest(&server).await, [nobody, sent]);
        // Who has one is not looked up when they join.
        slack.member(TOKEN, "bo@example.com", "U0BO");
        invite(&server, "bo@example.com").await;
        found(&server, "bo@example.com", "U0BO").await;
        let link = server.link_to("bo@example.com").await;
        assert_eq!(server.accept(&link, "Bo", "Ode", PASSWORD).await.status(), 200);
        at_rest(&server).await;
        assert_eq!(slack.asked_of("bo@example.com"), 1);
    })
    .await;
}

#[tokio::test]
async fn who_joins_through_the_organizations_provider_is_looked_up_too() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        let idp = Idp::real(&format!("{}/sign-in/sso/callback", server.address()), &[]).await;
        let provider = sso::connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
        invite(&server, "ana@example.com").await;
        at_rest(&server).await;
        slack.member(TOKEN, "ana@example.com", "U012AB3CD");
        let browser = oidc::browser();
        let opened = sso::get(&browser, &server.link_to("ana@example.com").await).await;
        let back = sso::via(&browser, &opened.place, &provider, "ana").await;
        let joined = sso::post(&browser, &back.place, &[("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")]).await;
        assert_eq!(joined.status, 303);
        found(&server, "ana@example.com", "U012AB3CD").await;
        assert_eq!(user(&server, "ana@example.com").await["status"], "active");
    })
    .await;
}

#[tokio::test]
async fn on_demand_one_person_or_everybody_without_a_slack_id_is_looked_up() {
    on_both(async |engine| {
        let slack = Slack::start().await;
        let server = Server::quickstart_with(engine, &options(&slack)).await;
        for name in ["ana", "bo", "cy", "gone"] {
            invite(&server, &format!("{name}@example.com")).await;
        }
        server.ok("update_user", json!({"user": "cy@example.com", "slack_id": "U0HAND"})).await;
        server.ok("deactivate_user", json!({"user": "gone@example.com"})).await;
        assert!(refused(&server, &slack, &["lookup"]).await.contains("usher slack connect"));
        slack.workspace(TOKEN, super::TEAM, "Acme");
        for name in ["ana", "bo", "cy", "gone", "admin"] {
            slack.member(TOKEN, &format!("{name}@example.com"), &format!("U0{}", name.to_uppercase()));
        }
        connect(&server, &slack, &server.org, TOKEN).await;
        assert_eq!(at_rest(&server).await, [], "connecting asks for nobody by itself");

        assert_eq!(done(&server, &slack, &["lookup", "--user", "ana@example.com"]).await["queued"], 1);
        found(&server, "ana@example.com", "U0ANA").await;
        assert_eq!(at_rest(&server).await.len(), 1);
        // Everybody else who has none: Bo and the Administrator.
        assert_eq!(done(&server, &slack, &["lookup"]).await["queued"], 2);
        found(&server, "bo@example.com", "U0BO").await;
        found(&server, "admin@example.com", "U0ADMIN").await;
        assert_eq!(user(&server, "cy@example.com").await["slack_id"], "U0HAND");
        assert_eq!(slack.asked().len(), 3);
        assert_eq!(done(&server, &slack, &["lookup"]).await["queued"], 0);
        assert_eq!(log_of(&server, "slack:asked").await.len(), 3);

        assert!(refused(&server, &slack, &["lookup", "--user", "cy@example.com"]).await.contains("set by hand"));
        assert!(refused(&server, &slack, &["lookup", "--user", "gone@example.com"]).await.contains("user_deactivated"));
        assert!(refused(&server, &slack, &["lookup", "--user", "nobody@example.com"]).await.contains("user_not_found"));
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn what_was_set_by_hand_is_never_overwritten_and_what_was_cleared_is_looked_up_only_on_demand() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        slack.member(TOKEN, "ana@example.com", "U012AB3CD");
        // While Slack still thinks, somebody writes it down.
        let thinking = asked_of_ana(&server, &slack).await;
        server.ok("update_user", json!({"user": "ana@example.com", "slack_id": "U0HAND"})).await;
        thinking.notify_one();
        let unwanted = ("ana@example.com".to_owned(), "superseded".to_owned(), None);
        assert_eq!(at_rest(&server).await, [unwanted]);
        assert_eq!(user(&server, "ana@example.com").await["slack_id"], "U0HAND");
        // Cleared by hand it stays so when they join.
        server.ok("update_user", json!({"user": "ana@example.com", "slack_id": "none"})).await;
        let link = server.link_to("ana@example.com").await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        assert_eq!((at_rest(&server).await.len(), slack.asked().len()), (1, 1));
        assert_eq!(user(&server, "ana@example.com").await["slack_id"], Value::Null);
        // Until somebody asks. Then it is a look-up's, and another look-up may change it.
        done(&server, &slack, &["lookup", "--user", "ana@example.com"]).await;
        found(&server, "ana@example.com", "U012AB3CD").await;
        slack.member(TOKEN, "ana@example.com", "U0XQZ77");
        done(&server, &slack, &["lookup", "--user", "ana@example.com"]).await;
        found(&server, "ana@example.com", "U0XQZ77").await;
        assert_eq!(
            (people(&server, "u012ab3cd").await, people(&server, "12AB3").await),
            (json!(0), json!(0)),
            "the former id leaves no trace"
        );
        assert_eq!((people(&server, "u0xqz77").await, people(&server, "XQZ").await), (json!(1), json!(1)));
        // The same answer again changes nothing.
        let before = user(&server, "ana@example.com").await["version"].clone();
        done(&server, &slack, &["lookup", "--user", "ana@example.com"]).await;
        at_rest(&server).await;
        assert_eq!(user(&server, "ana@example.com").await["version"], before);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn what_is_decided_by_hand_stays_also_where_it_says_what_stands_there() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        slack.member(TOKEN, "ana@example.com", "U0FOUND");
        invite(&server, "ana@example.com").await;
        found(&server, "ana@example.com", "U0FOUND").await;
        let says = async |email: &str, id: &str| server.ok("update_user", json!({"user": email, "slack_id": id})).await["changed"].clone();
        assert_eq!((says("ana@example.com", "U0FOUND").await, says("ana@example.com", "U0FOUND").await), (json!(true), json!(false)));
        assert!(refused(&server, &slack, &["lookup", "--user", "ana@example.com"]).await.contains("set by hand"));
        // The log says what was decided, and of what nothing changed.
        let entry = log_of(&server, "users:update").await[0].clone();
        assert_eq!(entry["changes"].as_array().map(Vec::len), Some(1), "{entry}");
        assert_eq!(entry["changes"][0], json!({"field": "slack_id_by", "before": "lookup", "after": "hand"}));

        // Nobody there by this address; and it is to stay so.
        invite(&server, "bo@example.com").await;
        at_rest(&server).await;
        assert_eq!((says("bo@example.com", "none").await, says("bo@example.com", "none").await), (json!(true), json!(false)));
        slack.member(TOKEN, "bo@example.com", "U0UNWANTED");
        let link = server.link_to("bo@example.com").await;
        assert_eq!(server.accept(&link, "Bo", "Ode", PASSWORD).await.status(), 200);
        at_rest(&server).await;
        assert_eq!((user(&server, "bo@example.com").await["slack_id"].clone(), slack.asked_of("bo@example.com")), (Value::Null, 1));
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_written_for_somebody_who_was_deactivated_or_whose_connection_was_ended_meanwhile() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        for (email, id) in [("ana@example.com", "U0ANA"), ("bo@example.com", "U0BO"), ("cy@example.com", "U0CY")] {
            slack.member(TOKEN, email, id);
        }
        let thinking = Arc::new(Notify::new());
        slack.order(&[Order::Silence(Arc::clone(&thinking)), Order::Silence(Arc::clone(&thinking))]);
        invite(&server, "ana@example.com").await;
        until("the question", async || (slack.asked().len() == 1).then_some(())).await;
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        thinking.notify_one();
        assert_eq!(at_rest(&server).await, [("ana@example.com".to_owned(), "superseded".to_owned(), None)]);

        invite(&server, "bo@example.com").await;
        until("the question", async || (slack.asked().len() == 2).then_some(())).await;
        invite(&server, "cy@example.com").await;
        done(&server, &slack, &["disconnect"]).await;
        let states: Vec<_> = at_rest(&server).await.into_iter().map(|(_, state, _)| state).collect();
        assert_eq!(states, ["superseded"; 3], "nobody waits for a connection that was ended");
        // The same workspace again is another connection: the answer by the former one is nobody's.
        connect(&server, &slack, &server.org, TOKEN).await;
        thinking.notify_one();
        done(&server, &slack, &["lookup", "--user", "cy@example.com"]).await;
        found(&server, "cy@example.com", "U0CY").await;
        for email in ["ana@example.com", "bo@example.com"] {
            assert_eq!(user(&server, email).await["slack_id"], Value::Null, "{email}");
        }
        assert_eq!(log_of(&server, "slack:found").await.len(), 1);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn who_was_deactivated_while_they_waited_is_not_asked_for() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        slack.order(&[Order::Limited("600")]);
        for name in ["ana", "bo"] {
            slack.member(TOKEN, &format!("{name}@example.com"), &format!("U0{}", name.to_uppercase()));
            invite(&server, &format!("{name}@example.com")).await;
        }
        until("the hold", async || done(&server, &slack, &["test"]).await["held_until"].is_string().then_some(())).await;
        let asked = slack.asked_of("ana@example.com");
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        pass(&server, 601_000).await;
        found(&server, "bo@example.com", "U0BO").await;
        assert_eq!(at_rest(&server).await[0], ("ana@example.com".to_owned(), "superseded".to_owned(), None));
        assert_eq!(slack.asked_of("ana@example.com"), asked);
    })
    .await;
}

/// A second organization with one person, ana@example.com: its slug.
async fn another_organization(server: &Server) -> String {
    let mut words = vec!["org", "create", "--json", "--name", "Bolt", "--admin-email", "ana@example.com"];
    words.extend(["--admin-first-name", "Ana", "--admin-last-name", "Ode"]);
    server.cli(&words).await["org"].as_str().expect("a slug").to_owned()
}

#[tokio::test]
async fn however_many_one_organization_asks_for_and_however_long_slack_takes_another_is_asked_for_meanwhile() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        let (other, theirs) = (another_organization(&server).await, "xoxb-9-zzz");
        slack.workspace(theirs, "T0BOLT", "Bolt");
        slack.member(theirs, "ana@example.com", "U0ATBOLT");
        connect(&server, &slack, &other, theirs).await;
        done(&server, &slack, &["disconnect"]).await;
        for n in 0..12 {
            invite(&server, &format!("p{n}@example.com")).await;
        }
        connect(&server, &slack, &server.org, TOKEN).await;
        // The first answer does not come before the other's person was found.
        let thinking = Arc::new(Notify::new());
        slack.order(&[Order::Silence(Arc::clone(&thinking))]);
        assert_eq!(done(&server, &slack, &["lookup"]).await["queued"], 13);
        until("the question", async || (!slack.asked().is_empty()).then_some(())).await;
        let connection = Connection::to(&server).await;
        let held = "SELECT count(*) AS n FROM outbox WHERE channel = 'slack' AND state = 'queued' AND lease_until IS NOT NULL";
        assert!(connection.number(held).await <= 4, "a few at a time");
        assert!(super::usher(&server, &slack, &other, &["lookup"]).await.status.success());
        until("the other's", async || {
            (connection.number("SELECT count(*) AS n FROM users WHERE slack_id = 'U0ATBOLT'").await == 1).then_some(())
        })
        .await;
        let tokens: Vec<_> = slack.asked().into_iter().map(|(token, _)| token).collect();
        assert_eq!(tokens, [TOKEN, theirs], "the first of the many, and the other's one");
        connection.close().await;
        thinking.notify_one();
        assert!(at_rest(&server).await.iter().all(|(_, state, _)| state == "sent"));
        assert_eq!(slack.asked().len(), 14);
    })
    .await;
}

/// Three people who wait to be looked up together, and the first of whom Slack thinks about until it is let go: the address of
/// the first, and those of the others.
async fn three_at_once(server: &Server, slack: &Slack) -> (Arc<Notify>, String, [String; 2]) {
    done(server, slack, &["disconnect"]).await;
    server.ok("update_user", json!({"user": "admin@example.com", "slack_id": "U0ADMIN"})).await;
    let mut waiting = vec![];
    for name in ["ana", "bo", "cy"] {
        let email = format!("{name}@example.com");
        invite(server, &email).await;
        waiting.push(email);
    }
    connect(server, slack, &server.org, TOKEN).await;
    for email in &waiting {
        slack.member(TOKEN, email, "U0FOUND");
    }
    let thinking = Arc::new(Notify::new());
    slack.order(&[Order::Silence(Arc::clone(&thinking))]);
    assert_eq!(done(server, slack, &["lookup"]).await["queued"], 3);
    let first = until("the question", async || slack.asked().pop()).await.1;
    waiting.retain(|email| *email != first);
    (thinking, first, waiting.try_into().expect("two others"))
}

#[tokio::test]
async fn who_was_deactivated_or_given_an_id_while_slack_answered_for_another_is_not_asked_for() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        let (thinking, first, [gone, by_hand]) = three_at_once(&server, &slack).await;
        server.ok("deactivate_user", json!({"user": gone})).await;
        server.ok("update_user", json!({"user": by_hand, "slack_id": "U0HAND"})).await;
        thinking.notify_one();
        let mut fates = at_rest(&server).await;
        fates.sort();
        let mut expected = [(first.clone(), "sent"), (gone, "superseded"), (by_hand, "superseded")];
        expected.sort();
        assert_eq!(fates, expected.map(|(email, state)| (email, state.to_owned(), None)));
        assert_eq!(slack.asked(), [(TOKEN.to_owned(), first)]);
    })
    .await;
}

#[tokio::test]
async fn of_a_suspended_organization_nobody_is_asked_for_until_it_is_resumed() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        let (thinking, first, others) = three_at_once(&server, &slack).await;
        server.cli(&["org", "suspend", "--org", &server.org, "--json"]).await;
        assert!(refused(&server, &slack, &["lookup"]).await.contains("usher org resume"));
        thinking.notify_one();
        // Those that were leased with the first are laid back.
        let connection = Connection::to(&server).await;
        let laid_back = "SELECT count(*) AS n FROM outbox WHERE channel = 'slack' AND state = 'queued' AND lease_until IS NULL";
        until("the others", async || (connection.number(laid_back).await == 2).then_some(())).await;
        assert_eq!(slack.asked(), [(TOKEN.to_owned(), first)]);
        // Another organization's are asked for meanwhile, so that the worker has looked.
        let (other, theirs) = (another_organization(&server).await, "xoxb-9-zzz");
        slack.workspace(theirs, "T0BOLT", "Bolt");
        connect(&server, &slack, &other, theirs).await;
        assert!(super::usher(&server, &slack, &other, &["lookup"]).await.status.success());
        until("the other's", async || (slack.asked().len() == 2).then_some(())).await;
        assert_eq!(slack.asked()[1].0, theirs);
        server.cli(&["org", "resume", "--org", &server.org, "--json"]).await;
        for email in others {
            found(&server, &email, "U0FOUND").await;
        }
        connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_for_while_slack_still_thinks_about_the_same_person_is_asked() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        slack.member(TOKEN, "ana@example.com", "U012AB3CD");
        let thinking = asked_of_ana(&server, &slack).await;
        for id in ["U0HAND", "none"] {
            server.ok("update_user", json!({"user": "ana@example.com", "slack_id": id})).await;
        }
        assert_eq!(done(&server, &slack, &["lookup", "--user", "ana@example.com"]).await["queued"], 1);
        // The answer to the first is not wanted any more, and settles nothing.
        thinking.notify_one();
        found(&server, "ana@example.com", "U012AB3CD").await;
        assert_eq!(at_rest(&server).await, [("ana@example.com".to_owned(), "sent".to_owned(), None)]);
        assert_eq!(slack.asked().len(), 2);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn in_another_workspace_whom_a_look_up_had_found_is_looked_up_again_and_who_was_set_by_hand_is_not() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        slack.member(TOKEN, "ana@example.com", "U0OLD");
        invite(&server, "ana@example.com").await;
        found(&server, "ana@example.com", "U0OLD").await;
        for (email, id) in [("bo@example.com", "U0HAND"), ("admin@example.com", "U0ADMIN")] {
            if email.starts_with("bo") {
                invite(&server, email).await;
            }
            server.ok("update_user", json!({"user": email, "slack_id": id})).await;
        }
        at_rest(&server).await;
        // Another token of the same workspace is no other workspace.
        slack.workspace("xoxb-renewed", super::TEAM, "Acme");
        connect(&server, &slack, &server.org, "xoxb-renewed").await;
        assert_eq!(done(&server, &slack, &["lookup"]).await["queued"], 0);

        done(&server, &slack, &["disconnect"]).await;
        slack.workspace("xoxb-new", "T0NEW", "New");
        slack.member("xoxb-new", "ana@example.com", "U0NEW");
        connect(&server, &slack, &server.org, "xoxb-new").await;
        assert_eq!(done(&server, &slack, &["lookup"]).await["queued"], 1);
        found(&server, "ana@example.com", "U0NEW").await;
        at_rest(&server).await;
        assert_eq!(done(&server, &slack, &["lookup"]).await["queued"], 0, "once found here, it is this one's");
        assert_eq!(user(&server, "bo@example.com").await["slack_id"], "U0HAND");
        let entry = log_of(&server, "slack:found").await[0].to_string();
        assert!(entry.contains("U0OLD") && entry.contains("U0NEW"), "{entry}");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn two_organizations_with_two_tokens_never_mix() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        let (other, theirs) = (&another_organization(&server).await, "xoxb-9-zzz");
        slack.workspace(theirs, "T0BOLT", "Bolt");
        slack.member(TOKEN, "ana@example.com", "U0ATACME");
        slack.member(theirs, "ana@example.com", "U0ATBOLT");
        connect(&server, &slack, other, theirs).await;
        // One is told to wait; the other does not.
        slack.order(&[Order::Limited("30")]);
        invite(&server, "ana@example.com").await;
        until("the question", async || (slack.asked().len() == 1).then_some(())).await;
        assert!(super::usher(&server, &slack, other, &["lookup"]).await.status.success());
        let connection = Connection::to(&server).await;
        let there = "SELECT slack_id FROM users WHERE org <> 1 AND slack_id IS NOT NULL";
        let row = until("the other's", async || connection.rows(there).await.pop()).await;
        assert_eq!(row["slack_id"].as_deref(), Some("U0ATBOLT"));
        assert_eq!(user(&server, "ana@example.com").await["slack_id"], Value::Null);
        pass(&server, 60_000).await;
        found(&server, "ana@example.com", "U0ATACME").await;
        let tokens: Vec<_> = slack.asked().into_iter().map(|(token, _)| token).collect();
        assert_eq!(tokens, [TOKEN, theirs, TOKEN]);
        connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_and_a_refused_invite_ask_for_nobody() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "dry_run": true})).await;
        server.refused("invite_user", json!({"email": "admin@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let connection = Connection::to(&server).await;
        assert_eq!(look_ups(&connection).await, []);
        connection.close().await;
        assert_eq!(slack.asked(), []);
    })
    .await;
}

#[tokio::test]
async fn where_nothing_is_connected_nobody_is_to_be_looked_up() {
    let slack = Slack::start().await;
    let server = Server::quickstart_with(Engine::Sqlite, &options(&slack)).await;
    server.member("ana@example.com", &[]).await;
    assert_eq!((at_rest(&server).await, slack.asked()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn two_nodes_share_the_queue_and_ask_for_everybody_once() {
    on_both(async |engine| {
        let (server, slack) = joined_up(engine).await;
        let node = server.second_node(&options(&slack)).await;
        let emails: Vec<String> = (0..24).map(|n| format!("p{n}@example.com")).collect();
        for (n, email) in emails.iter().enumerate() {
            slack.member(TOKEN, email, &format!("U0P{n}"));
            let through = if n % 2 == 0 { &server } else { &node };
            let arguments = json!({"email": email, "first_name": "Ana", "last_name": "Ruiz"});
            through.call(&server.token, "invite_user", arguments).await.structured();
        }
        let fates = at_rest(&server).await;
        assert!(fates.len() == emails.len() && fates.iter().all(|(_, state, error)| state == "sent" && error.is_none()), "{fates:?}");
        for (n, email) in emails.iter().enumerate() {
            assert_eq!((user(&server, email).await["slack_id"].clone(), slack.asked_of(email)), (json!(format!("U0P{n}")), 1));
        }
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}
