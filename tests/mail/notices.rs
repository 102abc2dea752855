//! What people are told of after it happened: each event sends its mail to whom it concerns, once.

use super::{A_LONG_TIME, Taken, by_recipient, delivered, invite, pass, read, server_and_sink, taken, through};
use crate::{
    common::{Options, PASSWORD, Server, database::Connection, inside::Inside, on_both, smtp::Sink, until},
    signing_in::{Browser, drawn_for},
};
use serde_json::{Value, json};
use usher_mcp::{
    domain::{Clock, DAY},
    store::notices,
};

/// Invites somebody in this role, and lets them join.
pub(super) async fn joined(server: &Server, sink: &Sink, email: &str, role: &str) {
    let first = email.split('@').next().expect("a name");
    server.ok("invite_user", json!({"email": email, "first_name": first, "last_name": "Person", "role": role})).await;
    delivered(server, email, "sent", None).await;
    let link = by_recipient(sink)[email].last().expect("an invite").link();
    assert_eq!(server.accept(&link, first, "Person", PASSWORD).await.status(), 200);
}

/// Waits until nothing is queued any more; what the relay took so far, as (recipient, subject) in order of time.
async fn told(server: &Server, sink: &Sink) -> Vec<(String, String)> {
    let connection = Connection::to(server).await;
    until("an empty queue", async || (connection.number("SELECT count(*) FROM outbox WHERE state = 'queued'").await == 0).then_some(()))
        .await;
    connection.close().await;
    let mut told: Vec<_> = notices_of(sink).iter().map(|(mail, said)| (mail.to[0].clone(), text(&said["subject"]))).collect();
    told.sort();
    told
}

/// Every mail but invites.
fn notices_of(sink: &Sink) -> Vec<(Taken, Value)> {
    let mails = taken(sink).into_iter().map(|mail| (mail.clone(), read(&mail)));
    mails.filter(|(_, said)| !text(&said["subject"]).contains(" invited you to ")).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The mails that these people should have, in order.
fn each(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all: Vec<_> = expected.iter().map(|(to, subject)| ((*to).to_owned(), (*subject).to_owned())).collect();
    all.sort();
    all
}

/// A notice has no link, says who sent it, and both of its parts say these things.
fn says(said: &Value, things: &[&str]) {
    let mut headers: Vec<String> = said["headers"].as_array().expect("names").iter().map(text).collect();
    headers.retain(|header| header == "Auto-Submitted" || header == "Message-ID");
    assert_eq!(headers.len(), 2);
    assert_eq!((&said["defects"], &said["loads"]), (&json!([]), &json!([])));
    for part in [text(&said["text"]), text(&said["visible"])] {
        let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
        for thing in things {
            assert!(part.contains(thing), "{thing} is missing in {part}");
        }
        assert!(!part.contains("://") && part.contains("by usher at"), "{part}");
        assert!(!part.contains("127.0.0.1:"), "no address of whoever did it");
    }
}

const CHANGED: &str = "Your password at My organization was changed";
const NEW_BROWSER: &str = "A new browser signed in as you at My organization";

#[tokio::test]
async fn requirement_47_a_changed_password_is_told_once_with_the_browser_it_was_changed_in() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        joined(&server, &sink, "ana@example.com", "User").await;
        let ana = Browser::of(&server);
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        let drawn = drawn_for(&ana.me().await.expect("she is in"));
        let second = "nine quiet herons read the tide";
        for (current, status) in [("not the password at all", 422), (PASSWORD, 303)] {
            let form = [("as", drawn.as_str()), ("current", current), ("password", second)];
            assert_eq!(ana.post("/me/password", &form).await.status, status);
        }
        assert_eq!(told(&server, &sink).await, each(&[("ana@example.com", CHANGED)]));
        says(&notices_of(&sink)[0].1, &["Hello ana", "Firefox on Linux", "If it was not you", " UTC"]);
        // And by a link, whose own mail names the browser that asked.
        let door = format!("/sign-in/{}", server.org);
        assert_eq!(ana.post(&door, &[("email", "ana@example.com"), ("do", "reset")]).await.status, 200);
        let asked = "Your link to choose a new password at My organization";
        until("the link", async || notices_of(&sink).iter().any(|(_, said)| said["subject"] == asked).then_some(())).await;
        let (mail, said) = notices_of(&sink).pop().expect("the link's mail");
        assert!(text(&said["text"]).contains("Firefox on Linux") && mail.link().len() <= 120);
        let place = ana.get(&mail.link()).await.location.expect("a place");
        let form = [("password", "seven lost maps cross the bay"), ("do", "go")];
        assert_eq!(ana.post(&place, &form).await.status, 303);
        let all = [("ana@example.com", CHANGED), ("ana@example.com", asked), ("ana@example.com", CHANGED)];
        assert_eq!(told(&server, &sink).await, each(&all));
        server.verified().await;
    })
    .await;
}

#[tokio::test]
async fn an_administrator_is_told_of_a_browser_that_was_not_there_before() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        joined(&server, &sink, "ana@example.com", "User").await;
        let (one, other, anas) = (Browser::of(&server), Browser::of(&server), Browser::of(&server));
        let enter = async |browser: &Browser| {
            let made = server.cli(&["sign-in-link", "--org", &server.org, "--user", "admin@example.com", "--json"]).await;
            let token = made["url"].as_str().expect("a link").rsplit('/').next().expect("a token").to_owned();
            assert_eq!(browser.open(&format!("{}/link/{token}", server.address())).await.status, 303);
        };
        enter(&one).await;
        assert_eq!(told(&server, &sink).await, each(&[("admin@example.com", NEW_BROWSER)]));
        says(&notices_of(&sink)[0].1, &["Firefox on Linux", "Sign out everywhere", "another Administrator of My organization", " UTC"]);
        // The same browser again, and anybody who is no Administrator: nothing new.
        enter(&one).await;
        assert_eq!(anas.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        assert_eq!(told(&server, &sink).await.len(), 1);
        enter(&other).await;
        assert_eq!(told(&server, &sink).await, each(&[("admin@example.com", NEW_BROWSER), ("admin@example.com", NEW_BROWSER)]));
    })
    .await;
}

#[tokio::test]
async fn a_browser_that_has_the_password_and_no_code_is_not_in_and_one_that_has_both_is_news_once() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        let boss = "boss@example.com";
        joined(&server, &sink, boss, "Administrator").await;
        let news =
            async || told(&server, &sink).await.into_iter().filter(|mail| *mail == (boss.to_owned(), NEW_BROWSER.to_owned())).count();
        let enter = async |browser: &Browser| assert_eq!(browser.by_password(&server.org, boss, PASSWORD).await.status, 303);
        let own = Browser::of(&server);
        enter(&own).await;
        let (_, codes) = own.enrol("/me/second-factor", Clock::system().now()).await;
        let before = news().await;
        let half = Browser::of(&server);
        enter(&half).await;
        assert_eq!(news().await, before, "nobody signed in");
        half.factor("/me/second-factor", "pass", &codes[0]).await;
        assert_eq!(news().await, before + 1);
    })
    .await;
}

#[tokio::test]
async fn whoever_signs_in_in_ever_new_browsers_fills_no_mailbox_and_the_log_has_them_all() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        let boss = "boss@example.com";
        joined(&server, &sink, boss, "Administrator").await;
        let news =
            async || told(&server, &sink).await.into_iter().filter(|mail| *mail == (boss.to_owned(), NEW_BROWSER.to_owned())).count();
        // Each throws its cookies away.
        let enter = async || assert_eq!(Browser::of(&server).by_password(&server.org, boss, PASSWORD).await.status, 303);
        for _ in 0..5 {
            enter().await;
        }
        assert_eq!(news().await, 3, "as many as links that are asked for");
        says(&notices_of(&sink).pop().expect("a mail").1, &["After several such mails in a row no further one is sent for a while"]);
        for later in 1..=8 {
            assert!(server.tamper("UPDATE outbox SET created_at = created_at - 600000 WHERE letter = 'new_browser'").await);
            enter().await;
            assert_eq!(news().await, (3 + later).min(10), "and as many in a day");
        }
        let events = server.ok("list_audit_events", json!({"user": boss, "action": "sign_in:password", "limit": 100})).await;
        assert_eq!(events["events"].as_array().map(Vec::len), Some(13), "{events}");
    })
    .await;
}

#[tokio::test]
async fn every_administrator_is_told_of_a_new_one_however_they_became_one() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        let (admin, ana, bob, cleo) = ("admin@example.com", "ana@example.com", "bob@example.com", "cleo@example.com");
        let made = |name: &str| format!("{name} Person is now an Administrator of My organization");
        for email in [ana, bob] {
            joined(&server, &sink, email, "User").await;
        }
        let promote = json!({"user": ana, "role": "Administrator"});
        // Nothing happens in a dry run; made an Administrator before they join, somebody is none yet.
        server.ok("update_user", json!({"user": ana, "role": "Administrator", "dry_run": true})).await;
        invite(&server, cleo).await;
        delivered(&server, cleo, "sent", None).await;
        server.ok("update_user", json!({"user": cleo, "role": "Administrator"})).await;
        assert_eq!(told(&server, &sink).await, []);
        // By a tool, once; the one who became it is told too.
        for _ in 0..2 {
            server.ok("update_user", promote.clone()).await;
        }
        let mut expected = vec![(admin, made("ana")), (ana, made("ana"))];
        // By the invite.
        let link = by_recipient(&sink)[cleo][0].link();
        assert_eq!(server.accept(&link, "cleo", "Person", PASSWORD).await.status(), 200);
        expected.extend([admin, ana, cleo].map(|to| (to, made("cleo"))));
        // On the host; a deactivated Administrator is none, and is one again when they come back.
        // What still waited for them would not leave.
        told(&server, &sink).await;
        server.ok("deactivate_user", json!({"user": cleo})).await;
        server.cli(&["user", "promote", "--org", &server.org, "--user", bob, "--json"]).await;
        expected.extend([admin, ana, bob].map(|to| (to, made("bob"))));
        server.ok("reactivate_user", json!({"user": cleo})).await;
        expected.extend([admin, ana, bob, cleo].map(|to| (to, made("cleo"))));
        // What still waited for them would not leave.
        told(&server, &sink).await;
        server.ok("update_user", json!({"user": bob, "role": "User"})).await;
        let expected: Vec<(&str, &str)> = expected.iter().map(|(to, subject)| (*to, subject.as_str())).collect();
        assert_eq!(told(&server, &sink).await, each(&expected));
        for (mail, said) in notices_of(&sink) {
            let by = if text(&said["subject"]).starts_with("bob") { "The operator of this server" } else { "First Administrator" };
            says(&said, &[by, "Sent to every Administrator of My organization", "give the role User back"]);
            assert_eq!(mail.to.len(), 1);
        }
        // What waits names people by id alone.
        let connection = Connection::to(&server).await;
        let details = connection.rows("SELECT coalesce(detail, '') AS detail FROM outbox").await;
        connection.close().await;
        for row in details {
            let detail = row["detail"].clone().unwrap_or_default();
            assert!(!["Person", "Administrator", "example.com", "usher_"].iter().any(|name| detail.contains(name)), "{detail}");
        }
        server.verified().await;
    })
    .await;
}

#[tokio::test]
async fn each_change_of_a_second_factor_is_told_to_its_person() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        let place = "/me/second-factor";
        joined(&server, &sink, "ana@example.com", "User").await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        // A secret that no code has confirmed counts for nothing, and is no news.
        assert_eq!(ana.factor(place, "begin", "").await.status, 200);
        assert_eq!(told(&server, &sink).await, []);
        let (secret, codes) = ana.enrol(place, Clock::system().now()).await;
        let added = ("ana@example.com", "A second factor was added to your account at My organization");
        assert_eq!(told(&server, &sink).await, each(&[added]));
        says(&notices_of(&sink)[0].1, &["Hello ana", "Firefox on Linux", "Keep the recovery codes", "tell an Administrator", " UTC"]);
        // A code of the app's is no news, nor is a wrong one; a recovery code is.
        assert!(server.tamper("UPDATE second_factors SET last_step = 0").await);
        let later = Browser::in_by_password(&server, "ana@example.com").await;
        assert_eq!(later.factor(place, "pass", "aaaa-bbbb-cccc-dddd").await.status, 422);
        assert_eq!(later.factor(place, "pass", &secret.code(Clock::system().now())).await.status, 303);
        assert_eq!(told(&server, &sink).await, each(&[added]));
        let third = Browser::in_by_password(&server, "ana@example.com").await;
        assert_eq!(third.factor(place, "pass", &codes[0]).await.status, 303);
        let used = ("ana@example.com", "A recovery code opened your account at My organization");
        assert_eq!(told(&server, &sink).await, each(&[added, used]));
        says(&notices_of(&sink)[1].1, &["Codes left 9", "Firefox on Linux", "set up another one", " UTC"]);
        // Taken away by its person, and by the host.
        assert_eq!(third.factor(place, "remove", &codes[1]).await.status, 303);
        let removed = ("ana@example.com", "The second factor of your account at My organization was removed");
        assert_eq!(told(&server, &sink).await, each(&[added, used, removed]));
        says(&notices_of(&sink)[2].1, &["Firefox on Linux", "you sign in without a code", " UTC"]);
        third.enrol(place, Clock::system().now()).await;
        for _ in 0..2 {
            server.cli(&["user", "reset-second-factor", "--org", &server.org, "--user", "ana@example.com", "--json"]).await;
        }
        let reset = ("ana@example.com", "The second factor of your account at My organization was reset");
        assert_eq!(told(&server, &sink).await, each(&[added, used, removed, added, reset]));
        says(&notices_of(&sink)[4].1, &["The operator of this server", "set up a new second factor", " UTC"]);
        server.verified().await;
    })
    .await;
}

#[tokio::test]
async fn the_owner_of_a_token_is_told_a_week_before_its_end_once_whatever_number_of_nodes_look() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        for email in ["ana@example.com", "gone@example.com"] {
            joined(&server, &sink, email, "User").await;
        }
        for (label, email, days) in [
            ("first", "ana@example.com", "8"),
            ("second", "ana@example.com", "11"),
            ("later", "ana@example.com", "60"),
            ("short", "ana@example.com", "7"),
            ("of nobody", "gone@example.com", "8"),
        ] {
            server.token_for(email, &["--label", label, "--expires-in-days", days]).await;
        }
        let ended = server
            .cli(&[
                "token",
                "create",
                "--org",
                &server.org,
                "--user",
                "ana@example.com",
                "--label",
                "ended",
                "--expires-in-days",
                "8",
                "--json",
            ])
            .await;
        server.cli(&["token", "revoke", "--org", &server.org, "--id", ended["id"].as_str().expect("an id"), "--json"]).await;
        server.ok("deactivate_user", json!({"user": "gone@example.com"})).await;
        let clock = Clock::manual(Clock::system().now());
        let nodes = [Inside::silent(&server, clock.clone()).await, Inside::silent(&server, clock.clone()).await];
        let look = async || {
            let [one, two] = &nodes;
            let told = tokio::join!(
                notices::of_ending_tokens(&one.app.pool, clock.now(), &one.app.random),
                notices::of_ending_tokens(&two.app.pool, clock.now(), &two.app.random)
            );
            told.0.expect("one node") + told.1.expect("the other")
        };
        assert_eq!(look().await, 0, "a token that lives for a week is told of by nobody");
        clock.advance(2 * DAY);
        assert_eq!((look().await, look().await), (1, 0));
        clock.advance(3 * DAY);
        assert_eq!((look().await, look().await), (1, 0));
        clock.set(Clock::system().now());
        assert_eq!(look().await, 0, "a clock set back tells nobody again");
        let subject = ("ana@example.com", "A token of yours at My organization ends soon");
        // A row of the future is due once its time has come.
        pass(&server, 6 * DAY).await;
        assert_eq!(told(&server, &sink).await, each(&[subject, subject]));
        let mails = notices_of(&sink);
        for label in ["first", "second"] {
            assert!(mails.iter().any(|(_, said)| text(&said["text"]).contains(label)), "{label}");
        }
        says(&mails[0].1, &["If you do not know this token", " UTC"]);
        let [one, two] = nodes;
        one.stop().await;
        two.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_more_and_what_is_no_news_any_more_is_not_told() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        joined(&server, &sink, "ana@example.com", "User").await;
        let made =
            server.cli(&["token", "create", "--org", &server.org, "--user", "ana@example.com", "--expires-in-days", "8", "--json"]).await;
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        let node = Inside::silent(&server, Clock::system()).await;
        let now = node.app.clock.now().plus(2 * DAY);
        assert_eq!(notices::of_ending_tokens(&node.app.pool, now, &node.app.random).await.expect("told"), 1);
        node.stop().await;
        server.cli(&["token", "revoke", "--org", &server.org, "--id", made["id"].as_str().expect("an id"), "--json"]).await;
        sink.heal();
        pass(&server, 3 * DAY).await;
        assert_eq!(told(&server, &sink).await, []);
        // A server that could send nothing for days tells nothing of those days once it can.
        let mut server = server;
        server.stop().await;
        let silent = Options::arguments(&["--public-url", "https://usher.example.com"]);
        server.restart(&silent).await;
        server.cli(&["user", "promote", "--org", &server.org, "--user", "ana@example.com", "--json"]).await;
        let ago = 3 * DAY;
        assert!(server.tamper(&format!("UPDATE outbox SET created_at = created_at - {ago} WHERE state = 'queued'")).await);
        server.stop().await;
        server.restart(&through(&sink)).await;
        assert_eq!(told(&server, &sink).await, []);
        let connection = Connection::to(&server).await;
        assert_eq!(connection.number("SELECT count(*) FROM outbox WHERE state = 'superseded' AND letter <> 'invite'").await, 3);
        connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_waited_is_not_told_to_whoever_was_deactivated_or_is_no_administrator_any_more() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        let people = ["ana@example.com", "bo@example.com", "cleo@example.com", "dan@example.com"];
        for (email, role) in people.into_iter().zip(["Administrator", "Administrator", "User", "User"]) {
            joined(&server, &sink, email, role).await;
        }
        let before = told(&server, &sink).await.len();
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        // Of others, to every Administrator; and of one's own, to a person.
        server.ok("update_user", json!({"user": "cleo@example.com", "role": "Administrator"})).await;
        let browser = Browser::in_by_password(&server, "dan@example.com").await;
        let drawn = drawn_for(&browser.me().await.expect("in"));
        let form = [("as", drawn.as_str()), ("current", PASSWORD), ("password", "nine quiet herons read the tide")];
        assert_eq!(browser.post("/me/password", &form).await.status, 303);
        let connection = Connection::to(&server).await;
        let queued = "SELECT count(*) FROM outbox WHERE state = 'queued'";
        assert_eq!(connection.number(queued).await, 5, "four Administrators and Dan");
        // On a slow machine one would be due again, and Bo's be dropped, before they are counted.
        pass(&server, -60_000).await;
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        server.ok("update_user", json!({"user": "bo@example.com", "role": "User"})).await;
        server.ok("deactivate_user", json!({"user": "dan@example.com"})).await;
        assert_eq!(connection.number(queued).await, 3, "what a deactivated person would have got is withdrawn at once");
        connection.close().await;
        sink.heal();
        pass(&server, A_LONG_TIME).await;
        let subject = "cleo Person is now an Administrator of My organization";
        let after = told(&server, &sink).await;
        assert_eq!(after.len(), before + 2, "{after:?}");
        for email in ["admin@example.com", "cleo@example.com"] {
            assert!(after.contains(&(email.to_owned(), subject.to_owned())), "{email}: {after:?}");
        }
        server.verified().await;
    })
    .await;
}

#[tokio::test]
async fn a_letter_of_a_newer_version_waits_for_a_node_that_knows_it() {
    on_both(async |engine| {
        let (mut server, sink) = server_and_sink(engine).await;
        joined(&server, &sink, "ana@example.com", "User").await;
        sink.control(&json!([{"step": "EHLO", "action": "421"}]));
        server.ok("update_user", json!({"user": "ana@example.com", "role": "Administrator"})).await;
        // A worker that has a row has read its letter: none has one while the letter becomes another.
        server.stop().await;
        let rename = |from: &str, to: &str| format!("UPDATE outbox SET letter = '{to}' WHERE letter = '{from}'");
        assert!(server.tamper(&rename("administrator_made", "of_tomorrow")).await);
        sink.heal();
        server.restart(&through(&sink)).await;
        // It waits at every try, and nothing waits for it.
        let connection = Connection::to(&server).await;
        let waiting = "SELECT count(*) FROM outbox WHERE state = 'queued' AND error = 'unknown_letter' AND attempts >= ";
        for (tries, email) in [(2, "bo@example.com"), (3, "cleo@example.com")] {
            pass(&server, A_LONG_TIME).await;
            until("both wait", async || (connection.number(&format!("{waiting}{tries}")).await == 2).then_some(())).await;
            invite(&server, email).await;
            delivered(&server, email, "sent", None).await;
        }
        connection.close().await;
        server.stop().await;
        assert!(server.tamper(&rename("of_tomorrow", "administrator_made")).await);
        server.restart(&through(&sink)).await;
        pass(&server, A_LONG_TIME).await;
        let subject = "ana Person is now an Administrator of My organization";
        assert_eq!(told(&server, &sink).await, each(&[("admin@example.com", subject), ("ana@example.com", subject)]));
        server.verified().await;
    })
    .await;
}
