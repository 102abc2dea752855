//! The first hour: from the link that quickstart prints to an organization that is of use.

use super::{group, invited};
use crate::{
    common::{Engine, Options, Server, on_both},
    signing_in::{Browser, Seen, drawn_for},
};
use serde_json::json;

/// A server, and the browser of its first Administrator.
pub async fn with_first(engine: Engine) -> (Server, Browser) {
    let server = Server::quickstart(engine).await;
    let browser = first_browser(&server).await;
    (server, browser)
}

/// One more browser of the first Administrator.
pub async fn first_browser(server: &Server) -> Browser {
    let made = server.cli(&["sign-in-link", "--org", &server.org, "--user", "admin@example.com", "--json"]).await;
    let browser = Browser::of(server);
    browser.open(made["url"].as_str().expect("a link")).await;
    browser
}

/// The steps of the page, each as its title and its state.
fn steps(seen: &Seen) -> Vec<(String, &'static str)> {
    assert_eq!(seen.status, 200, "{}", seen.html);
    let list = seen.html.split("<ol class=\"steps\">").nth(1).and_then(|rest| rest.split("</ol>").next()).expect("steps");
    let step = |item: &str| {
        let title = item.split("<h2>").nth(1).and_then(|rest| rest.split('<').next()).expect("a title").to_owned();
        let lit = item.starts_with(" class=\"next\"");
        assert_eq!(item.contains("btn primary"), lit, "the lit one has the page's one main button: {item}");
        (
            title,
            if item.starts_with(" class=\"done\"") {
                "done"
            } else if lit {
                "lit"
            } else {
                "open"
            },
        )
    };
    list.split("<li").skip(1).map(step).collect()
}

const TITLES: [&str; 4] = ["Invite somebody", "Make an access group", "Connect an AI tool", "Connect single sign-on"];

fn states(seen: &Seen) -> Vec<&'static str> {
    let (titles, states): (Vec<_>, Vec<_>) = steps(seen).into_iter().unzip();
    assert_eq!(titles, TITLES);
    states
}

#[tokio::test]
async fn the_link_that_quickstart_prints_leads_to_the_first_steps_and_they_are_ticked_off() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let link = server.sign_in_url.as_deref().expect("quickstart prints a link, the first time");
        let browser = Browser::of(&server);
        assert_eq!(browser.open(link).await.location.as_deref(), Some("/"));
        assert_eq!(Browser::of(&server).get(link).await.status, 410, "it works once");

        // Whoever is alone begins with the steps; none is done, for nobody has called with the token yet.
        assert_eq!(browser.get("/").await.location.as_deref(), Some("/start"));
        let page = browser.get("/start").await;
        assert_eq!(states(&page), ["lit", "open", "open", "open"]);
        assert!(page.html.contains("Welcome, <bdi>First</bdi>. <bdi>My organization</bdi> is open."), "{}", page.html);
        assert!(page.html.contains("0 of 4 done") && page.html.contains("mails lie in a folder"), "{}", page.html);
        assert!(page.html.contains("aria-current=\"page\"") && page.html.contains("<span class=\"n\">4 left</span>"), "{}", page.html);
        assert_eq!(server.second_node(&Options::default()).await.sign_in_url, None, "only the first time");
        let events = server.ok("list_audit_events", json!({"action": "sign_in:operator_link_made"})).await;
        assert_eq!(events["events"][0]["surface"], "cli", "{events}");

        // In any order: what is done stays, and the first that is left is lit.
        assert!(server.tamper("UPDATE credentials SET last_used_at = created_at WHERE kind = 'token'").await);
        assert_eq!(states(&browser.get("/start").await), ["lit", "open", "done", "open"]);
        group(&server, "Support", &["users:read"]).await;
        assert_eq!(states(&browser.get("/start").await), ["lit", "done", "done", "open"]);
        invited(&server, "ana@example.com", "Ana", "Ruiz").await;
        let page = browser.get("/start").await;
        assert_eq!(states(&page), ["done", "done", "done", "lit"]);
        assert!(page.html.contains("3 of 4 done") && page.html.contains("<span class=\"n\">1 left</span>"), "{}", page.html);
        // Whoever is not alone any more begins with the roster, and finds what is left beside it.
        assert_eq!(browser.get("/").await.location.as_deref(), Some("/users"));
        assert!(browser.get("/users").await.html.contains("href=\"/start\""));
        // The page disappears once all is done.
        let connection = "INSERT INTO sso_connections (id, org, name, issuer, client_id, client_secret, created_at)
                          SELECT id, number, 'x', 'https://idp.example', 'x', 'x', created_at FROM organizations";
        assert!(server.tamper(connection).await);
        assert_eq!(browser.get("/start").await.location.as_deref(), Some("/"));
        assert!(!browser.get("/users").await.html.contains("href=\"/start\""));
    })
    .await;
}

#[tokio::test]
async fn the_first_steps_are_for_administrators_and_one_puts_them_away_for_all() {
    on_both(async |engine| {
        let (server, first) = with_first(engine).await;
        server.member("ana@example.com", &[]).await;
        server.administrator("boss@example.com").await;
        let (ana, boss) =
            (Browser::in_by_password(&server, "ana@example.com").await, Browser::in_by_password(&server, "boss@example.com").await);
        assert_eq!(ana.get("/start").await.status, 404);
        assert!(!ana.get("/").await.html.contains("Next steps"));
        let drawn = drawn_for(&ana.get("/").await.html);
        assert_eq!(ana.post("/start", &[("as", &drawn)]).await.status, 404);
        assert_eq!(boss.get("/start").await.status, 200, "an Administrator who came later sees them, too");
        let hidden = boss.post("/start", &[("as", &drawn_for(&boss.get("/start").await.html))]).await;
        assert_eq!((hidden.status, hidden.location.as_deref()), (303, Some("/users")), "{}", hidden.html);
        assert!(boss.get("/users").await.html.contains("The next steps are put away"));
        for browser in [&first, &boss] {
            assert_eq!(browser.get("/start").await.location.as_deref(), Some("/"));
            assert!(!browser.get("/users").await.html.contains("Next steps"));
        }
        let events = server.ok("list_audit_events", json!({"action": "settings:update", "outcome": "done"})).await["events"].clone();
        let said = json!([{"field": "first_steps", "before": "shown", "after": "hidden"}]);
        assert_eq!((&events[0]["surface"], &events[0]["changes"]), (&json!("web"), &said), "{events}");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_page_follows_the_colours_that_its_browser_chose() {
    on_both(async |engine| {
        let (server, first) = with_first(engine).await;
        let forced = |seen: &Seen| {
            let html = seen.html.split("<html lang=\"en\"").nth(1).and_then(|rest| rest.split('>').next()).expect("a page");
            html.trim().to_owned()
        };
        assert_eq!(forced(&first.get("/users").await), "", "as the system has it");
        let dark = first.post_from("/users?query=a", "/theme", &[("theme", "dark")]).await;
        assert_eq!((dark.status, dark.location.as_deref()), (303, Some("/users?query=a")), "back to where they were");
        assert!(dark.cookies[0].starts_with("usher_theme=dark; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax"), "{:?}", dark.cookies);
        for place in ["/users", "/me", "/sign-in", "/nothing/here"] {
            assert_eq!(forced(&first.get(place).await), "data-theme=\"dark\"", "{place}");
        }
        let menu = first.get("/users").await.html;
        assert!(menu.contains("<button name=\"theme\" value=\"dark\" aria-current=\"true\">"), "{menu}");
        assert_eq!(forced(&Browser::of(&server).get("/sign-in").await), "", "another browser is left alone");
        assert_eq!(first.post("/theme", &[("theme", "light")]).await.location.as_deref(), Some("/"));
        assert_eq!(forced(&first.get("/users").await), "data-theme=\"light\"");
        first.post("/theme", &[("theme", "system")]).await;
        assert_eq!(forced(&first.get("/users").await), "");
    })
    .await;
}
