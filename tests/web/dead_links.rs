//! Links that open nothing any more: each says why, and to whom it may be said.

use super::{DAY, SECOND, age, browser, filled, heading, invite, invited, open, send, stranger, user};
use crate::common::{PASSWORD, Server, database::Connection, inside::Inside, on_both, until};
use serde_json::json;
use usher_mcp::domain::{Clock, Timestamp};

/// What a holder of the mail may learn from a dead link, and what not (R-B70).
fn discreet(html: &str) {
    assert!(html.contains("<bdi>My organization</bdi>"), "{html}");
    for secret in ["ana", "Ana", "Ruiz", "example.com", "First Administrator", "<form", "User"] {
        assert!(!html.contains(secret), "{secret} in {html}");
    }
}

/// Opened and answered, the link is dead in the same words, and nothing comes of it.
async fn dead(server: &Server, link: &str, title: &str) -> String {
    let connection = Connection::to(server).await;
    // The attempt itself is noted; a mail may still be on its way into the folder's book.
    let but = ["audit_log", "audit_values", "org_heads", "security_events", "credentials", "outbox"];
    let before = connection.digest(&but).await;
    let human = browser();
    let (status, _, page) = open(&human, link).await;
    assert_eq!((status, heading(&page).as_str()), (410, title));
    discreet(&page);
    let (status, answer) = send(&human, link, &filled("Eve", "Eve", "a wholly different pass phrase")).await;
    assert_eq!((status, answer.as_str()), (410, page.as_str()), "the same words to whoever sends the form");
    assert_eq!(connection.digest(&but).await, before);
    connection.close().await;
    page
}

/// Waits for the entry of a refused attempt to join; repeats are counted and close with their minute.
async fn attempted(server: &Server, email: &str) {
    let id = user(server, email).await["id"].clone();
    until("the refused attempt", async || {
        let events = server.ok("list_audit_events", json!({"action": "invite:accepted", "outcome": "refused"})).await;
        let event = events["events"][0].clone();
        (event["target"]["id"] == id && event["surface"] == "web").then_some(())
    })
    .await;
}

#[tokio::test]
async fn r_b22_expiry_comes_before_the_form() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        age(&server, "ana@example.com", 7 * DAY - 30 * SECOND).await;
        let human = browser();
        let (status, place, html) = open(&human, &link).await;
        assert_eq!(status, 200);
        assert!(html.contains("name=\"password\""));
        // The form stands open; meanwhile the link runs out.
        age(&server, "ana@example.com", 31 * SECOND).await;
        let (status, answer) = send(&human, &place, &filled("Eve", "Eve", PASSWORD)).await;
        assert_eq!((status, heading(&answer).as_str()), (410, "This invite has expired"));
        let page = dead(&server, &link, "This invite has expired").await;
        assert_eq!(page, answer);
        assert!(page.contains("Ask the person who invited you, or an Administrator, to resend the invite."), "{page}");
        let ana = user(&server, "ana@example.com").await;
        assert_eq!(
            (&ana["status"], &ana["invite_expired"], &ana["first_name"]),
            (&json!("pending"), &json!(true), &json!("Ana")),
            "expired, and still pending"
        );
        attempted(&server, "ana@example.com").await;
    })
    .await;
}

#[tokio::test]
async fn r_b22_a_second_before_seven_days_the_link_opens_and_a_second_after_it_does_not() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let said = user(&server, "ana@example.com").await;
        let sent: jiff::Timestamp = said["invite_sent_at"].as_str().unwrap().parse().unwrap();
        // A node whose clock the test holds.
        let clock = Clock::manual(Timestamp::from_millis(sent.as_millisecond()));
        let node = Inside::beside(&server, clock.clone()).await;
        let at = |after: i64| clock.set(Timestamp::from_millis(sent.as_millisecond() + after));
        let link = format!("{}/invite/{}", node.address(), link.rsplit('/').next().unwrap());
        let human = browser();
        at(7 * DAY - SECOND);
        let (status, place, _) = open(&human, &link).await;
        assert_eq!(status, 200);
        at(7 * DAY + SECOND);
        for (status, page) in [send(&human, &place, &filled("Ana", "Ruiz", PASSWORD)).await, {
            let (status, _, page) = open(&human, &link).await;
            (status, page)
        }] {
            assert_eq!((status, heading(&page).as_str()), (410, "This invite has expired"));
        }
        at(7 * DAY - SECOND);
        assert_eq!(send(&human, &place, &filled("Ana", "Ruiz", PASSWORD)).await.0, 200);
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn r_b28_a_resend_kills_every_earlier_link() {
    on_both(async |engine| {
        let (server, first) = invited(engine).await;
        server.ok("resend_invite", json!({"user": "ana@example.com"})).await;
        let second = server.link(2).await;
        server.ok("resend_invite", json!({"user": "ana@example.com"})).await;
        let third = server.link(3).await;
        for old in [&first, &second] {
            let page = dead(&server, old, "A newer invite was sent").await;
            assert!(page.contains("Look for the newest email from usher"), "{page}");
        }
        assert_eq!(server.accept(&third, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        for old in [&first, &second] {
            dead(&server, old, "A newer invite was sent").await;
        }
        dead(&server, &third, "You have already joined").await;
        attempted(&server, "ana@example.com").await;
    })
    .await;
}

#[tokio::test]
async fn r_b29_and_r_b31_a_resend_gives_seven_new_days_to_the_same_person() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for group in ["Sales", "Support"] {
            server.ok("create_access_group", json!({"name": group})).await;
        }
        for (email, first, second) in [("late@example.com", 8 * DAY, 7 * DAY - 60 * SECOND), ("early@example.com", 3 * DAY, 6 * DAY)] {
            let arguments = json!({"email": email, "first_name": "Ana", "last_name": "Ruiz", "access_groups": ["Sales", "Support"]});
            let invited = server.ok("invite_user", arguments.clone()).await["user"].clone();
            let old = server.link_to(email).await;
            age(&server, email, first).await;
            let waiting = user(&server, email).await;
            assert_eq!(waiting["invite_expired"], first > 7 * DAY, "{waiting}");
            let again = server.refused("invite_user", arguments).await;
            assert_eq!((&again["code"], &again["details"]["next"]), (&json!("email_already_in_use"), &json!("resend_invite")));
            let resent = server.ok("resend_invite", json!({"user": email})).await["user"].clone();
            assert_eq!((&resent["id"], &resent["created_at"]), (&invited["id"], &invited["created_at"]), "one person, created once");
            assert_eq!((&resent["status"], &resent["invite_expired"]), (&json!("pending"), &json!(false)));
            assert_eq!(resent["access_groups"].as_array().map(Vec::len), Some(2));
            let instant = |name: &str| resent[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
            assert_eq!(instant("invite_expires_at") - instant("invite_sent_at"), 7 * DAY);
            let new = until("the new mail", async || Some(server.link_to(email).await).filter(|link| *link != old)).await;
            age(&server, email, second).await;
            dead_titled(&old, "A newer invite was sent").await;
            assert_eq!(server.accept(&new, "Ana", "Ruiz", PASSWORD).await.status(), 200);
            let joined = user(&server, email).await;
            assert_eq!((&joined["status"], &joined["id"]), (&json!("active"), &invited["id"]));
            assert_eq!(joined["access_groups"].as_array().map(Vec::len), Some(2), "groups chosen before stay");
            assert_eq!(server.refused("resend_invite", json!({"user": email})).await["code"], "invite_not_pending");
        }
    })
    .await;
}

async fn dead_titled(link: &str, title: &str) {
    let (status, _, page) = open(&browser(), link).await;
    assert_eq!((status, heading(&page).as_str()), (410, title));
}

#[tokio::test]
async fn what_became_of_an_invite_after_it_ran_out_is_said() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        // Marked as expired, as a node does once a minute, and not yet.
        for (email, marked) in [("ana@example.com", true), ("bo@example.com", false)] {
            let first = invite(&server, email).await;
            let run_out = async || {
                age(&server, email, 8 * DAY).await;
                if marked {
                    let sql = "UPDATE links SET ended_at = expires_at, ended_as = 'expired' WHERE ended_at IS NULL AND expires_at <";
                    assert!(server.tamper(&format!("{sql} (SELECT max(at) FROM audit_log)")).await);
                }
            };
            run_out().await;
            dead_titled(&first, "This invite has expired").await;
            server.ok("resend_invite", json!({"user": email})).await;
            dead_titled(&first, "A newer invite was sent").await;
            let second = until("the new mail", async || Some(server.link_to(email).await).filter(|link| *link != first)).await;
            run_out().await;
            dead_titled(&second, "This invite has expired").await;
            server.ok("deactivate_user", json!({"user": email})).await;
            dead_titled(&second, "This invite was withdrawn").await;
            dead_titled(&first, "A newer invite was sent").await;
            server.ok("reactivate_user", json!({"user": email})).await;
            dead_titled(&second, "A newer invite was sent").await;
            let third = until("the newest", async || Some(server.link_to(email).await).filter(|link| *link != second)).await;
            assert_eq!(server.accept(&third, "Ana", "Ruiz", PASSWORD).await.status(), 200);
            for old in [&first, &second] {
                dead_titled(old, "A newer invite was sent").await;
            }
            // Shut out later, they had an account all the same.
            server.ok("deactivate_user", json!({"user": email})).await;
            dead_titled(&second, "A newer invite was sent").await;
            dead_titled(&third, "You have already joined").await;
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_comes_back_to_the_page_is_told_where_they_stand() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let human = browser();
        let (_, place, _) = open(&human, &link).await;
        assert_eq!(send(&human, &place, &filled("Ana", "Ruiz", PASSWORD)).await.0, 200);
        // Loaded again, sent again, opened in a second tab.
        let (status, _, page) = open(&human, &place).await;
        assert_eq!((status, heading(&page).as_str()), (410, "You have already joined"));
        discreet(&page);
        let (status, again) = send(&human, &place, &filled("Ana", "Ruiz", PASSWORD)).await;
        assert_eq!((status, again), (410, page.clone()));
        assert_eq!(open(&human, &link).await.2, page);
        // Without the cookie, which ends after half an hour: one page whatever the id, and no guess is counted, for there is none.
        let unknown = format!("{}/invite/01890a5d-ac96-774b-bcce-b302099a8057", server.address());
        let mut pages = Vec::new();
        for at in [&place, &unknown] {
            for _ in 0..30 {
                let (status, _, html) = open(&browser(), at).await;
                assert_eq!((status, heading(&html).as_str()), (404, "Open the link in your email again"));
                pages.push(html);
            }
            let (status, html) = send(&stranger(), at, &filled("Eve", "Eve", PASSWORD)).await;
            assert_eq!(status, 404);
            pages.push(html);
        }
        assert!(pages.windows(2).all(|pair| pair[0] == pair[1]), "the same bytes for all");
        assert!(!pages[0].contains("My organization") && !pages[0].contains("Ana"));
    })
    .await;
}

#[tokio::test]
async fn r_b32_the_link_of_somebody_active_changes_no_password() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        let page = dead(&server, &link, "You have already joined").await;
        assert!(page.contains("It was not you? Tell an Administrator now"), "{page}");
        attempted(&server, "ana@example.com").await;
        assert_eq!(user(&server, "ana@example.com").await["first_name"], "Ana");
    })
    .await;
}

#[tokio::test]
async fn requirement_52_a_withdrawn_invite_is_dead_and_says_so() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let human = browser();
        let (_, place, _) = open(&human, &link).await;
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        // Also for the form that stands open.
        let (status, html) = send(&human, &place, &filled("Ana", "Ruiz", PASSWORD)).await;
        assert_eq!((status, heading(&html).as_str()), (410, "This invite was withdrawn"));
        dead(&server, &link, "This invite was withdrawn").await;
        attempted(&server, "ana@example.com").await;
        assert_eq!(user(&server, "ana@example.com").await["status"], "deactivated");
        // Reactivated they get a new one; the old stays dead.
        server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;
        let newer = server.link(2).await;
        dead(&server, &link, "This invite was withdrawn").await;
        assert_eq!(server.accept(&newer, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        // Deactivated and back once more, neither opens anything.
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        dead(&server, &newer, "You have already joined").await;
        server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;
        dead(&server, &newer, "You have already joined").await;
    })
    .await;
}

#[tokio::test]
async fn a_suspended_organizations_link_waits() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        server.cli(&["org", "suspend", "--org", &server.org, "--json"]).await;
        dead(&server, &link, "This organization is suspended").await;
        server.cli(&["org", "resume", "--org", &server.org, "--json"]).await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
    })
    .await;
}

#[tokio::test]
async fn r_b70_what_never_was_a_link_is_one_page() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let other = server
            .cli(&[
                "org",
                "create",
                "--name",
                "Other",
                "--admin-email",
                "o@example.com",
                "--admin-first-name",
                "O",
                "--admin-last-name",
                "P",
                "--json",
            ])
            .await;
        assert!(other["org"].is_string());
        let moved = stranger().get(&link).send().await.unwrap();
        let place = moved.headers()["location"].to_str().unwrap().to_owned();
        let token = link.rsplit('/').next().unwrap();
        let swapped = format!("{}{}", if token.starts_with("000000") { "111111" } else { "000000" }, &token[6..]);
        let mut pages = Vec::new();
        for path in ["/invite/x".to_owned(), format!("/invite/{}", "0".repeat(49)), format!("/invite/{swapped}")] {
            let response = stranger().get(format!("{}{path}", server.address())).send().await.unwrap();
            assert_eq!(response.status(), 404, "{path}");
            let headers: Vec<_> =
                response.headers().iter().filter(|(name, _)| *name != "date").map(|(n, v)| format!("{n}: {v:?}")).collect();
            pages.push((headers, response.text().await.unwrap()));
        }
        assert!(pages.windows(2).all(|pair| pair[0] == pair[1]), "the same bytes for all");
        assert!(!pages[0].1.contains("My organization") && !pages[0].1.contains("Ana"));
        // The page of a live invite without its cookie, and of one that there never was.
        let mut left_alone = Vec::new();
        for path in [place.as_str(), "/invite/01890a5d-ac96-774b-bcce-b302099a8057"] {
            left_alone.push(open(&stranger(), &format!("{}{path}", server.address())).await);
        }
        assert_eq!((left_alone[0].0, &left_alone[0].2), (404, &left_alone[1].2));
        assert_ne!(left_alone[0].2, pages[0].1);
        // Another invite's cookie opens this one no more than none does.
        let second = invite(&server, "bo@example.com").await;
        let moved = stranger().get(&second).send().await.unwrap();
        let foreign = moved.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let (_, value) = foreign.split_once('=').unwrap();
        let id = place.rsplit('/').next().unwrap().replace('-', "");
        for cookie in [foreign.clone(), format!("usher_invite_{id}={value}")] {
            let at = format!("{}{place}", server.address());
            assert_eq!(stranger().get(&at).header("cookie", &cookie).send().await.unwrap().status(), 404);
        }
        // And a form sent there with it joins nobody whose page it was not.
        let at = format!("{}{place}", server.address());
        let forged = stranger().post(&at).header("cookie", format!("usher_invite_{id}={value}")).form(&filled("A", "R", PASSWORD));
        assert_eq!(forged.send().await.unwrap().status(), 404);
        for email in ["ana@example.com", "bo@example.com"] {
            assert_eq!(user(&server, email).await["status"], "pending");
        }
    })
    .await;
}
