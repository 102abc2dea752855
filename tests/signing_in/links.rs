//! By a mailed link, in the browser that asked; by the operator's link, in any.

use super::{Browser, deactivate, own::link_into, second_organization, with_ana};
use crate::common::{Options, PASSWORD, Server, database::Connection, inside::Inside, on_both, until};
use serde_json::json;
use usher_mcp::{domain::Clock, failpoint::Fault};

#[tokio::test]
async fn b16_a_mailed_link_signs_in_once_and_only_where_it_was_asked_for() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (ana, thief) = (Browser::of(&server), Browser::of(&server));
        assert_eq!(ana.post("/sign-in", &[("email", "ana@example.com"), ("do", "link")]).await.status, 200);
        let link = server.newest_link_to("ana@example.com", 2).await;
        assert!(link.len() <= 120);
        // A scanner opens it, and presses everything.
        let connection = Connection::to(&server).await;
        // The mail lies in the folder before that is noted.
        let waiting = "SELECT count(*) FROM outbox WHERE state = 'queued'";
        until("the note", async || (connection.number(waiting).await == 0).then_some(())).await;
        let before = connection.digest(&["security_events"]).await;
        for _ in 0..3 {
            let seen = thief.get(&link).await;
            assert!(seen.status == 403 && seen.html.contains("Open this link in the other browser"), "{}", seen.html);
            assert_eq!(thief.post(&link, &[("do", "go")]).await.status, 403);
        }
        let moved = ana.get(&link).await;
        let place = moved.location.expect("a place without the token");
        assert!(moved.status == 303 && !place.contains(link.rsplit('/').next().expect("a token")), "{place}");
        let shown = ana.get(&place).await;
        assert!(shown.status == 200 && shown.html.contains("Nothing happens until you choose Sign in"), "{}", shown.html);
        assert_eq!(connection.digest(&["security_events"]).await, before, "GET changes nothing, and the wrong browser neither");
        connection.close().await;
        assert_eq!(ana.post(&place, &[("do", "go")]).await.location.as_deref(), Some("/"));
        assert!(ana.me().await.is_some_and(|page| page.contains("by a mailed link")));
        let again = ana.post(&link, &[("do", "go")]).await;
        assert!(again.status == 410 && again.html.contains("This link was used"), "{}", again.html);
    })
    .await;
}

#[tokio::test]
async fn nobody_is_mailed_who_may_not_come_in() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        server.ok("invite_user", json!({"email": "pending@example.com", "first_name": "P", "last_name": "P"})).await;
        server.member("gone@example.com", &[]).await;
        deactivate(&server, "gone@example.com").await;
        let mails = server.mails().len();
        let browser = Browser::of(&server);
        for email in ["pending@example.com", "gone@example.com", "nobody@example.com", "no address"] {
            assert_eq!(browser.post("/sign-in", &[("email", email), ("do", "link")]).await.status, 200);
        }
        // They are looked at in order: once hers has come, nothing else comes.
        assert_eq!(browser.post("/sign-in", &[("email", "ana@example.com"), ("do", "link")]).await.status, 200);
        server.newest_link_to("ana@example.com", 2).await;
        assert_eq!(server.mails().len(), mails + 1);
        assert_eq!(browser.post("/sign-in", &[("email", "  "), ("do", "link")]).await.status, 422);
    })
    .await;
}

#[tokio::test]
async fn a_strangers_requests_are_bounded_and_leave_the_live_links_alive() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        assert_eq!(ana.by_link(&server, "ana@example.com", 2).await.status, 303);
        let stranger = Browser::of(&server);
        for n in 0..5 {
            assert_eq!(stranger.post("/sign-in", &[("email", "ana@example.com"), ("do", "link")]).await.status, 200, "{n}");
        }
        // Her own browser has a budget of its own. Once its mail is there, all before it were looked at.
        assert_eq!(ana.post("/sign-in", &[("email", "ana@example.com"), ("do", "link")]).await.status, 200);
        // Invite, first link, and of the stranger's five two more: three from unknown browsers within ten minutes.
        let link = server.newest_link_to("ana@example.com", 5).await;
        assert_eq!(ana.open(&link).await.status, 303);
        let connection = Connection::to(&server).await;
        let sent = connection.number("SELECT count(*) FROM links WHERE kind = 'sign_in' AND known = 0").await;
        let alive = connection.number("SELECT count(*) FROM links WHERE kind = 'sign_in' AND ended_at IS NULL").await;
        connection.close().await;
        assert_eq!((sent, alive), (3, 2));
    })
    .await;
}

#[tokio::test]
async fn a_reset_link_sets_a_new_password_ends_all_sessions_and_tells_of_it() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (before, ana) = (Browser::of(&server), Browser::of(&server));
        assert_eq!(before.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        let door = format!("/sign-in/{}", server.org);
        assert_eq!(ana.post(&door, &[("email", "ana@example.com"), ("do", "reset")]).await.status, 200);
        let link = server.newest_link_to("ana@example.com", 2).await;
        let place = ana.get(&link).await.location.expect("a place");
        let weak = ana.post(&place, &[("password", "short"), ("do", "go")]).await;
        assert!(weak.status == 422 && weak.html.contains("fewer than 15 characters"), "{}", weak.html);
        let new = "nine quiet herons read the tide";
        let seen = ana.post(&place, &[("password", new), ("do", "go")]).await;
        assert_eq!((seen.status, seen.location.as_deref()), (303, Some("/")));
        assert!(ana.me().await.is_some() && before.me().await.is_none());
        assert!(super::refused(&before.by_password(&server.org, "ana@example.com", PASSWORD).await));
        assert_eq!(before.by_password(&server.org, "ana@example.com", new).await.status, 303);
        assert_eq!(ana.post(&place, &[("password", new), ("do", "go")]).await.status, 410, "once");
        crate::common::until("the notice", async || {
            server.mails().iter().any(|mail| mail.contains("Subject: Your password at My organization was changed")).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn requirement_46_a_reset_opens_the_account_whatever_strangers_tried() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let door = format!("/sign-in/{}", server.org);
        let mut passwords = ["nine quiet herons read the tide", "twelve calm herons mend nets"].into_iter();
        for (n, tampering) in [(2, None), (3, Some("UPDATE sign_in_tries SET failures = 100, failed_at = 0"))] {
            let stranger = Browser::of(&server);
            for _ in 0..5 {
                assert!(super::refused(&stranger.by_password(&server.org, "ana@example.com", "not the password at all").await));
            }
            if let Some(sql) = tampering {
                assert!(server.tamper(sql).await);
            }
            let ana = Browser::of(&server);
            assert_eq!(ana.post(&door, &[("email", "ana@example.com"), ("do", "reset")]).await.status, 200);
            let place = ana.get(&server.newest_link_to("ana@example.com", n).await).await.location.expect("a place");
            let new = passwords.next().expect("a password");
            let seen = ana.post(&place, &[("password", new), ("do", "go")]).await;
            assert_eq!((seen.status, seen.location.as_deref()), (303, Some("/")), "{}", seen.html);
            assert!(ana.me().await.is_some());
            // Elsewhere it opens once the wait is over that strangers made.
            assert!(server.tamper("UPDATE sign_in_tries SET failed_at = 0").await);
            assert_eq!(Browser::of(&server).by_password(&server.org, "ana@example.com", new).await.status, 303);
        }
    })
    .await;
}

#[tokio::test]
async fn an_organization_switches_mailed_links_off() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        let door = format!("/sign-in/{}", server.org);
        assert_eq!(ana.post("/sign-in", &[("email", "ana@example.com"), ("do", "link")]).await.status, 200);
        let link = server.newest_link_to("ana@example.com", 2).await;
        let set =
            async |word: &str| server.cli(&["org", "set", "--org", &server.org, "--magic-links", word, "--json"]).await["changed"] == true;
        assert!(set("off").await && !set("off").await);
        assert!(!ana.get(&door).await.html.contains("Email me a sign-in link"));
        let place = ana.get(&link).await.location.expect("a place");
        let seen = ana.post(&place, &[("do", "go")]).await;
        assert!(seen.status == 410 && ana.me().await.is_none(), "{}", seen.html);
        for path in ["/sign-in", &door] {
            assert_eq!(ana.post(path, &[("email", "ana@example.com"), ("do", "link")]).await.status, 200, "always the same");
        }
        // They are looked at in order: once the other kind has come, nothing else comes.
        assert_eq!(ana.post(&door, &[("email", "ana@example.com"), ("do", "reset")]).await.status, 200);
        let reset = server.newest_link_to("ana@example.com", 3).await;
        let connection = Connection::to(&server).await;
        assert_eq!(connection.number("SELECT count(*) FROM links WHERE kind = 'sign_in'").await, 1);
        // A forgotten password is replaced all the same, and signs in; and so does a link of the operator's.
        let place = ana.get(&reset).await.location.expect("a place");
        let chosen = ana.post(&place, &[("password", "nine quiet herons read the tide"), ("do", "go")]).await;
        assert!(chosen.status == 303 && ana.me().await.is_some(), "{}", chosen.html);
        assert_eq!(Browser::of(&server).open(&super::factors::link(&server, "ana@example.com").await).await.status, 303);
        // What another organization mails to the same address opens that one alone.
        let second = second_organization(&server).await;
        let other = Browser::of(&server);
        assert_eq!(other.by_link(&server, "ana@example.com", 4).await.status, 303);
        let page = other.me().await.expect("in");
        assert!(page.contains("at <bdi>Second</bdi>") && !page.contains("My organization"), "{page}");
        assert_ne!(second, server.org);
        connection.close().await;
        let events = server.ok("list_audit_events", json!({"action": "settings:update"})).await;
        let change = &events["events"][0]["changes"][0];
        assert_eq!(
            (&change["field"], &change["before"], &change["after"]),
            (&json!("magic_links"), &json!("on"), &json!("off")),
            "{events}"
        );
        assert!(set("on").await);
        assert!(ana.get(&door).await.html.contains("Email me a sign-in link"));
        assert_eq!(ana.by_link(&server, "ana@example.com", 5).await.status, 303);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn what_fails_beside_takes_nothing_from_the_browser() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        second_organization(&server).await;
        let node = Inside::beside(&server, Clock::system()).await;
        let ana = Browser::at(node.address());
        let there = server.address();
        assert_eq!(ana.post(&format!("{there}/sign-in"), &[("email", "ana@example.com"), ("do", "link")]).await.status, 200);
        let link = server.newest_link_to("ana@example.com", 2).await.replace(&there, node.address());
        let place = ana.get(&link).await.location.expect("a place");
        node.faults().set("store.audit", Fault::Error, Some(2));
        let seen = ana.post(&place, &[("do", "go")]).await;
        assert_eq!(seen.status, 303, "{}", seen.html);
        let page = ana.get(&format!("{there}/me")).await;
        assert!(page.status == 200 && !page.html.contains("Switch to"), "the first account is open, the other is not");
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_new_password_that_is_saved_and_does_not_sign_in_is_said_to_be_saved() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let node = Inside::beside(&server, Clock::system()).await;
        let ana = Browser::at(node.address());
        let (there, door) = (server.address(), format!("/sign-in/{}", server.org));
        assert_eq!(ana.post(&format!("{there}{door}"), &[("email", "ana@example.com"), ("do", "reset")]).await.status, 200);
        let link = server.newest_link_to("ana@example.com", 2).await.replace(&there, node.address());
        let place = ana.get(&link).await.location.expect("a place");
        node.faults().set("store.audit", Fault::Error, Some(2));
        let new = "nine quiet herons read the tide";
        let seen = ana.post(&place, &[("password", new), ("do", "go")]).await;
        assert!(seen.html.contains("Your password is saved. Sign in with it."), "{} {}", seen.status, seen.html);
        assert_eq!(ana.by_password(&server.org, "ana@example.com", new).await.status, 303);
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn r_b151_one_mailbox_has_one_budget_whatever_organizations_it_is_in() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let second = second_organization(&server).await;
        let ana = Browser::of(&server);
        assert_eq!(ana.by_link(&server, "ana@example.com", 2).await.status, 303);
        let stranger = Browser::of(&server);
        for org in [&server.org, &second, &server.org, &second, &second] {
            let door = format!("/sign-in/{org}");
            assert_eq!(stranger.post(&door, &[("email", "ana@example.com"), ("do", "link")]).await.status, 200);
        }
        assert_eq!(ana.post("/sign-in", &[("email", "ana@example.com"), ("do", "link")]).await.status, 200);
        server.newest_link_to("ana@example.com", 5).await;
        let connection = Connection::to(&server).await;
        let sent = connection.number("SELECT count(*) FROM links WHERE kind = 'sign_in' AND known = 0").await;
        connection.close().await;
        assert_eq!(sent, 3);
    })
    .await;
}

#[tokio::test]
async fn where_no_mail_leaves_the_server_the_door_says_so_to_everybody() {
    on_both(async |engine| {
        let server = Server::quickstart_with(engine, &Options::arguments(&["--public-url", "https://larkspur.example"])).await;
        let browser = Browser::of(&server);
        for email in ["admin@example.com", "nobody@example.com"] {
            for (place, act) in [("/sign-in".to_owned(), "link"), (format!("/sign-in/{}", server.org), "reset")] {
                let seen = browser.post(&place, &[("email", email), ("do", act)]).await;
                assert!(seen.html.contains("This server cannot send mail at present."), "{}", seen.html);
                assert!(seen.html.contains(&format!("value=\"{email}\"")), "what was typed stays: {}", seen.html);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_operators_link_opens_any_browser_once() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let made = server.cli(&["sign-in-link", "--org", &server.org, "--user", "admin@example.com", "--json"]).await;
        let url = made["url"].as_str().expect("a link");
        assert!(made["expires_at"].is_string());
        let admin = Browser::of(&server);
        let token = url.rsplit('/').next().expect("a token");
        // The command derived its address from the recorded public URL.
        let link = format!("{}/link/{token}", server.address());
        assert_eq!(admin.open(&link).await.location.as_deref(), Some("/"));
        assert!(admin.me().await.is_some_and(|page| page.contains("by a link of the operator")));
        assert_eq!(Browser::of(&server).get(&link).await.status, 410);
        let events = server.ok("list_audit_events", json!({"action": "sign_in:operator_link_made"})).await;
        assert_eq!(events["events"][0]["actor"]["kind"], "cli");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn b06_a_mailbox_opens_every_organization_and_deactivation_in_one_leaves_the_other() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let second = second_organization(&server).await;
        let ana = Browser::of(&server);
        assert_eq!(ana.by_link(&server, "ana@example.com", 2).await.status, 303);
        let page = ana.me().await.expect("she is in");
        assert!(page.contains("Switch to <bdi>Second</bdi>"), "{page}");
        let other = page.split("name=\"to\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a switch").to_owned();
        let drawn = super::drawn_for(&page);
        assert_eq!(ana.post("/me/switch", &[("as", &drawn), ("to", &other)]).await.status, 303);
        let page = ana.me().await.expect("she is in");
        assert!(page.contains(&format!("/mcp/{second}")) && page.contains("Administrator at <bdi>Second</bdi>"), "{page}");
        // A form that was drawn for the first account does nothing now.
        let late = ana.post("/me/name", &[("as", &drawn), ("first_name", "Zoe"), ("last_name", "Late")]).await;
        assert!(late.status == 409 && late.html.contains("Zoe") && late.html.contains("Nothing was done with it"), "{}", late.html);
        deactivate(&server, "ana@example.com").await;
        let page = ana.me().await.expect("the other organization goes on");
        assert!(page.contains("Second") && !page.contains("Switch to"), "{page}");
        // A password of one organization opens no other.
        assert!(super::refused(&Browser::of(&server).by_password(&second, "ana@example.com", PASSWORD).await));
    })
    .await;
}

#[tokio::test]
async fn r_b07_no_case_rule_opens_the_door_to_somebody_elses_mailbox() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.member("kim@example.com", &[]).await;
        let (browser, mails) = (Browser::of(&server), server.mails().len());
        for alike in ["\u{212A}im@example.com", "k\u{0131}m@example.com", "KIM@EXAMPLE.COM\u{200B}"] {
            assert!(super::refused(&browser.by_password(&server.org, alike, PASSWORD).await), "{alike}");
            for (place, act) in [("/sign-in".to_owned(), "link"), (format!("/sign-in/{}", server.org), "reset")] {
                assert_eq!(browser.post(&place, &[("email", alike), ("do", act)]).await.status, 200, "{alike}");
            }
        }
        // They are looked at in order: once her own has come, nothing else comes. It goes to the address that she was invited with.
        assert_eq!(browser.post("/sign-in", &[("email", "KIM@Example.com"), ("do", "link")]).await.status, 200);
        assert_eq!(browser.open(&server.newest_link_to("kim@example.com", 2).await).await.status, 303);
        assert!(browser.me().await.is_some());
        assert_eq!(server.mails().len(), mails + 1);
        assert_eq!(server.links_to("kim@example.com").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn whoever_makes_a_browser_known_in_another_organization_shuts_out_none_that_is_known_here() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let second = second_organization(&server).await;
        let (ana, eve) = (Browser::of(&server), Browser::of(&server));
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        // Eve is in as Ana there, and there alone.
        assert_eq!(eve.open(&link_into(&server, &second).await).await.status, 303);
        let (here, there) = (format!("/sign-in/{}", server.org), format!("/sign-in/{second}"));
        let link = [("email", "ana@example.com"), ("do", "link")];
        for place in [&there, &there, &there, &there, &here, &here, &here, &here] {
            assert_eq!(eve.post(place, &link).await.status, 200);
        }
        assert_eq!(ana.post(&here, &link).await.status, 200);
        // Invite, three from the browser that is known there, three of a stranger here, and her own.
        let own = server.newest_link_to("ana@example.com", 8).await;
        assert_eq!(ana.open(&own).await.status, 303);
        let connection = Connection::to(&server).await;
        let known = connection.number("SELECT count(*) FROM links WHERE kind = 'sign_in' AND known = 1").await;
        let marks = connection.number("SELECT count(DISTINCT browser) FROM links WHERE kind = 'sign_in' AND known = 1").await;
        connection.close().await;
        assert_eq!((known, marks), (4, 2));
    })
    .await;
}

#[tokio::test]
async fn without_an_organization_a_link_leads_to_the_account_that_the_browser_looked_at_last() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let second = second_organization(&server).await;
        let ana = Browser::of(&server);
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        assert_eq!(ana.open(&link_into(&server, &second).await).await.status, 303);
        let link = [("email", "ana@example.com"), ("do", "link")];
        // The mail after so many, opened in this browser: where it leads first.
        let leads = async |browser: &Browser, mails: usize| {
            assert_eq!(browser.post("/sign-in", &link).await.status, 200);
            assert_eq!(browser.open(&server.newest_link_to("ana@example.com", mails).await).await.status, 303);
            let page = browser.me().await.expect("in");
            ["My organization", "Second"].into_iter().find(|name| page.contains(&format!(" at <bdi>{name}</bdi>"))).expect("one").to_owned()
        };
        assert_eq!(leads(&ana, 2).await, "Second");
        // Elsewhere the oldest, but for one that only its organization's own provider ever opened.
        assert_eq!(leads(&Browser::of(&server), 3).await, "My organization");
        assert!(server.tamper("UPDATE users SET mailbox_read_at = NULL WHERE password_hash IS NOT NULL").await);
        assert_eq!(leads(&Browser::of(&server), 4).await, "Second");
    })
    .await;
}

#[tokio::test]
async fn a_link_that_is_out_ends_with_all_other_sessions_and_with_a_new_password() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let new = "nine quiet herons read the tide";
        let door = format!("/sign-in/{}", server.org);
        // Whoever read her mailbox a moment ago.
        let reader = Browser::of(&server);
        for (mails, act, place, form) in [
            (2, "link", "/me/sessions", vec![("end", "others")]),
            (3, "reset", "/me/sessions", vec![("end", "others")]),
            (4, "link", "/me/password", vec![("current", PASSWORD), ("password", new)]),
        ] {
            assert_eq!(reader.post(&door, &[("email", "ana@example.com"), ("do", act)]).await.status, 200);
            let link = server.newest_link_to("ana@example.com", mails).await;
            let drawn = super::drawn_for(&ana.me().await.expect("in"));
            let form: Vec<_> = [("as", drawn.as_str())].into_iter().chain(form).collect();
            assert_eq!(ana.post(place, &form).await.status, 303);
            let seen = reader.get(&link).await;
            assert!(seen.status == 410 && seen.html.contains("all sessions were ended"), "{act} {place}: {}", seen.html);
        }
        assert!(reader.me().await.is_none() && ana.me().await.is_some());
    })
    .await;
}
