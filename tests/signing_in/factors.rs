//! Second factors of others: an Administrator sees who has one, and resets it.

use super::{Browser, Seen, drawn_for, second_organization, with_ana};
use crate::{
    common::{Engine, Server, database::Connection, hosts, on_both, until},
    search::{
        roster::{Person, filler},
        seed,
    },
};
use serde_json::json;
use usher_mcp::domain::Clock;

const PLACE: &str = "/settings/second-factor";
const OWN: &str = "/me/second-factor";

pub async fn id_of(server: &Server, email: &str) -> String {
    server.ok("get_user", json!({"user": email})).await["user"]["id"].as_str().expect("an id").to_owned()
}

pub async fn link(server: &Server, email: &str) -> String {
    let made = server.cli(&["sign-in-link", "--org", &server.org, "--user", email, "--json"]).await;
    let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
    format!("{}/link/{token}", server.address())
}

async fn has_one(server: &Server) -> bool {
    let connection = Connection::to(server).await;
    let count = connection.number("SELECT count(*) FROM second_factors").await;
    connection.close().await;
    count > 0
}

/// The refusals in the log that this person caused: action, code and target.
pub async fn refusals_of(server: &Server, email: &str) -> Vec<[String; 3]> {
    let events = server.ok("list_audit_events", json!({"outcome": "refused", "limit": 100})).await;
    let id = id_of(server, email).await;
    let words = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let events = events["events"].as_array().expect("events").iter();
    events
        .filter(|event| event["actor"]["user_id"] == id.as_str() && event["surface"] == "web")
        .map(|event| [words(&event["action"]), words(&event["code"]), words(&event["target"]["id"])])
        .collect()
}

/// A server with Ana, whose second factor is set up, in a browser that is open; and an Administrator's browser.
async fn with_both(engine: Engine) -> (Server, Browser, Browser) {
    let server = with_ana(engine).await;
    server.administrator("boss@example.com").await;
    let ana = Browser::in_by_password(&server, "ana@example.com").await;
    ana.enrol(OWN, Clock::system().now()).await;
    let boss = Browser::in_by_password(&server, "boss@example.com").await;
    (server, ana, boss)
}

/// Resets somebody's, as whoever the browser looks at.
async fn reset(browser: &Browser, id: &str) -> Seen {
    let drawn = drawn_for(&browser.me().await.expect("in"));
    browser.post(&format!("{PLACE}/{id}"), &[("as", &drawn)]).await
}

#[tokio::test]
async fn an_administrator_resets_somebodys_second_factor() {
    on_both(async |engine| {
        let (server, ana, boss) = with_both(engine).await;
        let id = id_of(&server, "ana@example.com").await;
        assert!(boss.me().await.is_some_and(|page| page.contains("href=\"/settings/second-factor\"")));
        let list = boss.get(PLACE).await;
        assert!(list.status == 200 && list.html.contains("ana<wbr>@example.com") && list.html.contains("on since"), "{}", list.html);
        let main = list.html.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).expect("a page");
        assert!(!main.contains("boss<wbr>") && !list.html.contains("Lacking"), "none is demanded: {}", list.html);
        let confirm = boss.get(&format!("{PLACE}/{id}")).await;
        assert!(confirm.status == 200 && confirm.html.contains("every session of theirs ends"), "{}", confirm.html);
        assert!(confirm.html.contains("href=\"/settings\" aria-current=\"page\""), "it stands in the dashboard: {}", confirm.html);
        assert!(ana.me().await.is_some() && has_one(&server).await, "looking changes nothing");
        let done = boss.post(&format!("{PLACE}/{id}"), &[("as", &drawn_for(&confirm.html))]).await;
        assert_eq!(done.location.as_deref(), Some(PLACE), "{}", done.html);
        assert!(boss.get(PLACE).await.html.contains("The second factor is gone"));
        assert!(ana.me().await.is_none() && !has_one(&server).await);
        assert!(Browser::in_by_password(&server, "ana@example.com").await.me().await.is_some(), "without a code");
        // A second time there is nothing left to reset.
        assert_eq!(boss.get(&format!("{PLACE}/{id}")).await.status, 404);
        assert_eq!(reset(&boss, &id).await.status, 404);
        let events = server.ok("list_audit_events", json!({"action": "second_factor:reset"})).await;
        let event = &events["events"][0];
        assert_eq!((&event["surface"], &event["target"]["id"], &event["outcome"]), (&json!("web"), &json!(id), &json!("done")));
        let boss_id = id_of(&server, "boss@example.com").await;
        assert_eq!((&event["actor"]["user_id"], events["events"].as_array().map(Vec::len)), (&json!(boss_id), Some(1)), "{events}");
        until("the mail", async || {
            let told = |mail: &String| {
                let mail = mail.replace("\r\n ", " ");
                mail.contains("<ana@example.com>")
                    && mail.contains("Subject: The second factor of your account at My organization was reset")
            };
            server.mails().iter().any(told).then_some(())
        })
        .await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn nobody_else_sees_or_resets_a_second_factor() {
    on_both(async |engine| {
        let (server, ana, boss) = with_both(engine).await;
        server.member("bo@example.com", &[]).await;
        second_organization(&server).await;
        let (ana_id, boss_id) = (id_of(&server, "ana@example.com").await, id_of(&server, "boss@example.com").await);
        let at_ana = format!("{PLACE}/{ana_id}");
        // A stranger is sent to the door; a User is told what is told of an address where nothing is.
        let (stranger, bo) = (Browser::of(&server), Browser::in_by_password(&server, "bo@example.com").await);
        for path in [PLACE, at_ana.as_str()] {
            assert_eq!(stranger.get(path).await.location.as_deref(), Some("/sign-in"), "{path}");
            let seen = bo.get(path).await;
            assert!(seen.status == 404 && !seen.html.contains("ana<wbr>"), "{path} {}", seen.html);
        }
        assert!(bo.me().await.is_some_and(|page| !page.contains(PLACE)));
        assert_eq!(stranger.post(&at_ana, &[("as", &ana_id)]).await.status, 409, "whoever sent it is signed out");
        assert_eq!(reset(&bo, &ana_id).await.status, 404);
        // What a live account tries is evidence, as a tool call is; what it looked at before is none, for a link makes a browser look.
        let of = |id: &str| ["second_factor:reset", "permission_denied", id].map(str::to_owned);
        let noted =
            until("the evidence", async || Some(refusals_of(&server, "bo@example.com").await).filter(|noted| !noted.is_empty())).await;
        assert_eq!(noted, [of(&ana_id)]);
        // Nobody resets their own: it ends with a code, on a page of its own.
        server.ok("update_user", json!({"user": "ana@example.com", "role": "Administrator"})).await;
        for seen in [ana.get(&at_ana).await, reset(&ana, &ana_id).await] {
            assert_eq!(seen.location.as_deref(), Some(OWN));
        }
        // A form that was drawn for somebody else does nothing, nor one for nobody.
        for drawn in [boss_id.as_str(), ""] {
            assert_eq!(ana.post(&at_ana, &[("as", drawn)]).await.status, 409);
        }
        for nobody in ["01990b1c-7e1a-7000-8000-000000000001", "nonsense", boss_id.as_str()] {
            assert_eq!(reset(&ana, nobody).await.status, 404, "{nobody}");
        }
        // An Administrator of another organization knows of nobody here.
        let other = Browser::of(&server);
        let made = server.cli(&["sign-in-link", "--org", "second", "--user", "ana@example.com", "--json"]).await;
        let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
        assert_eq!(other.open(&format!("{}/link/{token}", server.address())).await.status, 303);
        assert!(other.get(PLACE).await.html.contains("Nobody has a second factor yet"));
        assert_eq!((other.get(&at_ana).await.status, reset(&other, &ana_id).await.status), (404, 404));
        // An open browser that was left alone resets nothing.
        assert!(server.tamper("UPDATE credentials SET proved_at = proved_at - 601000 WHERE kind = 'session'").await);
        let stale = reset(&boss, &ana_id).await;
        assert!(stale.status == 422 && stale.html.contains("within 10 minutes of signing in"), "{}", stale.html);
        let noted = async || refusals_of(&server, "boss@example.com").await.contains(&of(&ana_id)).then_some(());
        until("the evidence", noted).await;
        // Nor one that still has to show a code itself.
        server.cli(&["org", "set", "--org", &server.org, "--second-factor", "administrators", "--json"]).await;
        assert_eq!(boss.get(PLACE).await.location.as_deref(), Some(OWN));
        assert_eq!(boss.post(&at_ana, &[("as", &boss_id)]).await.location.as_deref(), Some(OWN));
        assert!(has_one(&server).await && ana.me().await.is_some());
        // Nor somebody who is an Administrator no more.
        server.cli(&["org", "set", "--org", &server.org, "--second-factor", "nobody", "--json"]).await;
        let fresh = Browser::in_by_password(&server, "boss@example.com").await;
        server.ok("update_user", json!({"user": "boss@example.com", "role": "User"})).await;
        assert_eq!((fresh.get(PLACE).await.status, reset(&fresh, &ana_id).await.status), (404, 404));
        assert!(has_one(&server).await);
    })
    .await;
}

#[tokio::test]
async fn who_lacks_one_that_is_demanded_is_listed_page_by_page() {
    on_both(async |engine| {
        let (server, _, boss) = with_both(engine).await;
        let connection = Connection::to(&server).await;
        let org = seed::number(&connection, &server.org).await;
        let many: Vec<_> = (0..100).map(|n| Person { status: "active", ..filler(n) }).collect();
        seed::people(&connection, org, &many).await;
        let active = connection.number("SELECT count(*) FROM users WHERE status = 'active'").await;
        connection.close().await;
        boss.enrol(OWN, Clock::system().now()).await;
        server.cli(&["org", "set", "--org", &server.org, "--second-factor", "everybody", "--json"]).await;
        let (mut place, mut lacking, mut resets, mut pages) = (PLACE.to_owned(), 0, 0, 0);
        loop {
            let page = boss.get(&place).await;
            assert!(page.status == 200 && page.html.contains("Everybody must have one"), "{}", page.html);
            lacking += page.html.matches(">Lacking<").count();
            resets += page.html.matches(">Reset<").count();
            pages += 1;
            let next = page.html.split("href=\"").find_map(|rest| rest.split('"').next().filter(|place| place.contains("?after=")));
            let Some(next) = next else { break };
            next.clone_into(&mut place);
        }
        // All but Ana, who has one, and the Administrator who looks.
        assert_eq!((i64::try_from(lacking).expect("few"), resets), (active - 2, 1));
        assert!(pages > 1);
        assert!(boss.get("/settings/second-factor?after=nonsense").await.html.contains("First Administrator"), "from the beginning");
        server.cli(&["org", "set", "--org", &server.org, "--second-factor", "administrators", "--json"]).await;
        let page = boss.get(PLACE).await.html;
        assert!(page.contains("Administrators must have one") && !page.contains(", User; none yet"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn a_second_factor_and_a_password_are_reset_in_a_real_browser() {
    let (server, ana, _) = with_both(Engine::Sqlite).await;
    let boss = "boss@example.com";
    server.cli(&["user", "reset-password", "--org", &server.org, "--user", boss, "--json"]).await;
    let (link, reset) = (link(&server, "admin@example.com").await, server.newest_link_to(boss, 2).await);
    let seen = hosts::alone("USHER_TEST_NODE22", "browser/settings.mjs", &[&link, &reset, boss]).await;
    let heading = |page: &str| seen["pages"][page]["heading"].as_str().unwrap_or_default().to_owned();
    let says = |page: &str, words: &str| seen["pages"][page]["text"].as_str().is_some_and(|text| text.contains(words));
    for (page, expected) in [
        ("factors", "Second factors at My organization"),
        ("reset", "Reset the second factor of Test Person?"),
        ("passwords", "Passwords at My organization"),
        ("start", "Mail Test Person a link to choose a new password?"),
        ("choose", "Choose a new password"),
        ("me", "Test Person"),
    ] {
        assert_eq!(heading(page), expected, "{seen}");
    }
    for (page, words) in [
        ("done", "A mail tells them"),
        ("nobody", "Nobody of your organization has this address"),
        ("mailed", "A mail with the link is on its way"),
        ("other address", "This is not the address that the link was mailed to"),
        ("me", "by password"),
    ] {
        assert!(says(page, words), "{page}: {seen}");
    }
    assert!(!says("choose", boss), "it says to nobody whose address it asks for: {seen}");
    assert_eq!((&seen["axe"], &seen["wide"]), (&json!([]), &json!({})));
    // That a page says 422 is no complaint.
    let complaints = seen["complaints"].as_array().expect("a list");
    assert!(complaints.iter().all(|complaint| complaint.to_string().contains("422")), "{complaints:?}");
    assert!(ana.me().await.is_none());
}
