//! Forms that are not the person's own: from another site, or drawn for another account than the one the browser looks at.

use super::{ANA, KIM, Kind, NEW, World, browser};
use crate::{
    common::{PASSWORD, on_both},
    signing_in::{drawn_for, second_organization},
    sso::{Seen, get, me, post},
};
use reqwest::Client;
use serde_json::json;
use std::{collections::BTreeSet, path::Path};

/// The routes of the router that take more than GET, as its source names them.
fn changing_routes() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut routers = Vec::new();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains(".route(\"")) {
                routers.push(path);
            }
        }
    }
    assert_eq!(routers, [source.join("http/server.rs")], "routes are told in one place");
    let text = std::fs::read_to_string(&routers[0]).expect("the router");
    let mut found = BTreeSet::new();
    for route in text.split(".route").skip(1) {
        let path = route.split('"').nth(1).expect("a path");
        if route.starts_with("_service") || ["post(", "any(", "put(", "delete(", "patch("].iter().any(|method| route.contains(method)) {
            found.insert(path.to_owned());
        }
    }
    found
}

/// A form that does something when its own person sends it from a page of ours.
struct Row {
    route: &'static str,
    path: String,
    form: Vec<(&'static str, String)>,
    /// The status when it is done.
    done: u16,
}

impl Row {
    fn new(route: &'static str, path: String, form: &[(&'static str, &str)], done: u16) -> Self {
        Self { route, path, form: form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), done }
    }

    /// The same at the address of something that is there.
    fn at(mut self, path: &str) -> Self {
        self.path = self.path.replace(self.route, path);
        self
    }

    /// Whether it is drawn for the account that the browser looks at.
    fn is_drawn_for_an_account(&self) -> bool {
        self.form.iter().any(|(name, _)| *name == "as")
    }

    async fn send(&self, browser: &Client, headers: &[(&str, &str)], form: &[(&'static str, String)]) -> Seen {
        let request = headers.iter().fold(browser.post(&self.path), |request, (name, value)| request.header(*name, *value));
        Seen::of(request.form(form).send().await.expect("an answer")).await
    }
}

/// Ana's browser, in at two organizations, and a form of hers for every route. Those that end something come last.
#[expect(clippy::too_many_lines, reason = "one row per route")]
async fn hers(world: &World) -> (Client, Vec<Row>) {
    let (server, address) = (&world.server, world.address());
    second_organization(server).await;
    server.ok("update_user", json!({"user": ANA.email, "role": "Administrator"})).await;
    let factor = "INSERT INTO second_factors (user_key, secret, created_at, confirmed_at)
                  SELECT key, 'x', created_at, created_at FROM users WHERE email_key = 'admin@example.com'";
    assert!(server.tamper(factor).await);
    let other = server.ok("whoami", json!({})).await["user"]["id"].as_str().expect("an id").to_owned();
    let made = async |email| {
        let token = server.cli(&["token", "create", "--org", &server.org, "--user", email, "--json"]).await;
        token["id"].as_str().expect("an id").to_owned()
    };
    let (token, of_another) = (made(ANA.email).await, made("admin@example.com").await);
    let browser = browser();
    let connection = &world.provider.as_ref().expect("a provider").1;
    let out = format!("sso:{connection}");
    let invited = server.ok("invite_user", json!({"email": "new@example.com", "first_name": "N", "last_name": "N"})).await;
    let pending = invited["user"]["id"].as_str().expect("an id").to_owned();
    let made = server.ok("create_access_group", json!({"name": "Old"})).await;
    let in_group = made["access_group"]["id"].as_str().expect("an id").to_owned();
    let group = format!("/access-groups/{in_group}");
    let invite = get(&browser, &server.link_to("new@example.com").await).await;
    let door = format!("{address}/sign-in/{}", server.org);
    let journey = world.through_the_provider(&browser, &door, KIM).await;
    assert_eq!(journey.heading(), "Is this account yours?", "{}", journey.html);
    assert_eq!(post(&browser, &format!("{address}/sign-in"), &[("email", ANA.email), ("do", "link")]).await.status, 200);
    let link = server.newest_link_to(ANA.email, 2).await;
    let shown = get(&browser, &link).await;
    post(&browser, &shown.place, &[("do", "go")]).await;
    let made = server.cli(&["sign-in-link", "--org", &server.org, "--user", KIM.email, "--json"]).await;
    let link = get(&browser, &world.here(made["url"].as_str().expect("a link"))).await;
    let page = me(&browser, server).await.expect("she is in");
    let drawn = drawn_for(&page);
    let to = page.split("name=\"to\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a switch").to_owned();
    let own = |route: &'static str, form: &[(&'static str, &str)], done| {
        let mut row = Row::new(route, format!("{address}{route}"), form, done);
        row.form.push(("as", drawn.clone()));
        row
    };
    let about = |route: &'static str, form: &[(&'static str, &str)]| {
        let mut row = own(route, form, 303);
        row.path = format!("{address}{}", route.replace("{id}", &pending));
        row
    };
    let rows = vec![
        Row::new("/invite/{token}", invite.place, &[("do", &out)], 200),
        Row::new("/sign-in", format!("{address}/sign-in"), &[("email", KIM.email), ("do", "link")], 200),
        Row::new("/sign-in/sso/{journey}", journey.place, &[("do", "go")], 200),
        own("/me/name", &[("first_name", "Zoë"), ("last_name", "Typed")], 303),
        own("/me/identities", &[("connect", &out)], 200),
        own("/me/second-factor", &[("do", "begin")], 200),
        own("/me/password", &[("do", "mail")], 303),
        own("/settings/passwords", &[("email", KIM.email)], 303),
        {
            let mut row = own("/settings/passwords/{id}", &[], 303);
            row.path = format!("{address}/settings/passwords/{other}");
            row
        },
        {
            let mut row = own("/settings/second-factor/{id}", &[], 303);
            row.path = format!("{address}/settings/second-factor/{other}");
            row
        },
        own("/settings", &[("name", "Typed"), ("seen", "My organization")], 303),
        own("/settings/sign-in", &[("seen", "{}"), ("second_factor", "nobody"), ("magic_links", "on")], 303),
        own("/settings/invitations", &[("seen", "{}"), ("other_domains", "warn"), ("most_administrators", "9")], 303),
        own("/settings/ai-tools", &[("seen", "{}"), ("most_token_days", "90")], 303),
        own("/settings/sso", &[("do", "open")], 303),
        {
            let mut row = own("/settings/sso/{id}", &[("do", "test")], 303);
            row.path = format!("{address}/settings/sso/{connection}");
            row
        },
        {
            let mut row = own("/settings/sso/{id}/remove", &[], 303);
            row.path = format!("{address}/settings/sso/{connection}/remove");
            row
        },
        own("/settings/slack/disconnect", &[], 303),
        // Slack is asked nothing with what is no token.
        own("/settings/slack", &[("token", "none")], 422),
        own("/start", &[], 303),
        Row::new("/theme", format!("{address}/theme"), &[("theme", "dark")], 303),
        own("/me/tools/new", &[("label", "laptop"), ("expires_in_days", "30")], 200),
        {
            let mut row = own("/me/tools/{id}/revoke", &[], 303);
            row.path = format!("{address}/me/tools/{token}/revoke");
            row
        },
        own("/users/export", &[("list", "status=pending")], 200),
        own("/users/invite", &[("email", "typed@example.com"), ("first_name", "Zoë"), ("last_name", "Typed"), ("do", "invite")], 303),
        about("/users/{id}", &[("version", "1"), ("first_name", "N"), ("last_name", "Other")]),
        about("/users/{id}/access-groups/add", &[("access_group", &in_group)]),
        about("/users/{id}/access-groups", &[("access_group", &in_group)]),
        {
            let mut row = own("/users/{id}/ai-tools", &[("token", &of_another)], 303);
            row.path = format!("{address}/users/{other}/ai-tools");
            row
        },
        about("/users/{id}/ai-tools/end", &[]),
        about("/users/{id}/deactivate", &[]),
        about("/users/{id}/reactivate", &[]),
        {
            let mut row = own("/users/{id}/resend", &[], 303);
            row.path = format!("{address}/users/{pending}/resend");
            row
        },
        own("/access-groups/new", &[("name", "Typed"), ("description", "Zoë")], 303),
        own("/access-groups/{id}", &[("name", "Typed too"), ("description", "Zoë"), ("version", "1")], 303).at(&group),
        own("/access-groups/{id}/add", &[("user", &pending), ("do", "add")], 303).at(&format!("{group}/add")),
        own("/access-groups/{id}/remove", &[("user", &pending)], 303).at(&format!("{group}/remove")),
        own("/access-groups/{id}/delete", &[("reason", "Typed")], 303).at(&format!("{group}/delete")),
        own("/audit/verify", &[], 303),
        own("/audit/export", &[("format", "csv")], 200),
        own("/me/sessions", &[("end", "others")], 303),
        own("/me/password", &[("current", PASSWORD), ("password", NEW)], 303),
        own("/me/switch", &[("to", &to)], 303),
        // The browser looks at the other account then, for whom this one was not drawn.
        own("/sign-out", &[], 409),
        Row::new("/link/{token}", link.place, &[("do", "go")], 303),
        Row::new("/sign-in/{organization}", door, &[("email", ANA.email), ("password", NEW), ("do", "password")], 303),
    ];
    (browser, rows)
}

/// Routes that take no form and know nobody by a cookie.
const FOR_PROGRAMS: [&str; 8] = [
    "/mcp",
    "/mcp/{organization}",
    "/mcp/",
    "/mcp/{organization}/",
    "/mcp/{organization}/{*path}",
    "/.well-known",
    "/.well-known/",
    "/.well-known/{*path}",
];

#[tokio::test]
async fn requirement_64_no_route_that_changes_anything_takes_another_sites_form() {
    on_both(async |engine| {
        let world = World::of(Kind::Identity, engine).await;
        let (browser, rows) = hers(&world).await;
        let told: BTreeSet<String> = rows.iter().map(|row| row.route).chain(FOR_PROGRAMS).map(str::to_owned).collect();
        assert_eq!(changing_routes(), told, "every route that changes something has its row here");

        let address = world.address();
        let before = world.digest().await;
        let elsewhere: [&[(&str, &str)]; 9] = [
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", &address), ("sec-fetch-site", "cross-site")],
            &[("origin", "http://127.0.0.1:1"), ("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
        ];
        for row in &rows {
            for headers in elsewhere {
                let seen = row.send(&browser, headers, &row.form).await;
                assert_eq!(seen.status, 403, "{} {headers:?}: {}", row.route, seen.html);
                assert_eq!(seen.heading(), "This form came from another site", "{} {headers:?}", row.route);
                assert_eq!(seen.cookies, Vec::<String>::new(), "{} {headers:?}", row.route);
            }
        }
        // What is for programs turns foreign origins away, and a browser's cookies are no credential there.
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}).to_string();
        for route in FOR_PROGRAMS {
            let place = format!("{address}{}", route.replace("{organization}", &world.server.org).replace("{*path}", "x"));
            let request = || browser.post(&place).header("content-type", "application/json").header("accept", "*/*").body(call.clone());
            for origin in ["https://evil.example", "null"] {
                assert_eq!(request().header("origin", origin).send().await.expect("an answer").status(), 403, "{route} {origin}");
            }
            let unknown = if matches!(route, "/mcp" | "/mcp/{organization}") { 401 } else { 404 };
            assert_eq!(request().send().await.expect("an answer").status(), unknown, "{route}");
        }
        assert_eq!(world.digest().await, before, "nothing changed");

        // Each of the forms is one that works.
        for row in &rows {
            let seen = row.send(&browser, &[("origin", &address), ("sec-fetch-site", "same-origin")], &row.form).await;
            assert_eq!(seen.status, row.done, "{}: {}", row.route, seen.html);
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_that_was_drawn_for_another_account_does_nothing_and_says_so_with_what_was_typed() {
    on_both(async |engine| {
        let world = World::of(Kind::Identity, engine).await;
        let (browser, rows) = hers(&world).await;
        let own: Vec<&Row> = rows.iter().filter(|row| row.is_drawn_for_an_account()).collect();
        for row in &rows {
            let places = ["/access-groups", "/audit", "/me", "/settings", "/sign-out", "/start", "/users"];
            let is_own = places.into_iter().any(|own| row.route.starts_with(own));
            assert_eq!(row.is_drawn_for_an_account(), is_own, "{} says whose it is", row.route);
        }
        let kim = world.call("get_user", json!({"user": KIM.email})).await["user"]["id"].as_str().expect("an id").to_owned();
        let page = me(&browser, &world.server).await.expect("she is in");
        let to = page.split("name=\"to\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a switch").to_owned();
        let drawn = drawn_for(&page);
        let switch = async |from: &str, to: &str| {
            let place = format!("{}/me/switch", world.address());
            assert_eq!(post(&browser, &place, &[("as", from), ("to", to)]).await.status, 303);
        };
        let refused = async |row: &Row, drawn: Option<&str>| {
            let mut form: Vec<_> = row.form.iter().filter(|(name, _)| *name != "as").cloned().collect();
            form.extend(drawn.map(|drawn| ("as", drawn.to_owned())));
            let seen = row.send(&browser, &[], &form).await;
            assert_eq!((seen.status, seen.heading()), (409, "This browser has moved on"), "{} {drawn:?}: {}", row.route, seen.html);
            assert!(seen.html.contains("Nothing was done with it"), "{}", seen.html);
            assert!(!seen.html.contains(PASSWORD) && !seen.html.contains(NEW), "no password is shown again");
            if ["/me/name", "/users/invite", "/access-groups/new"].contains(&row.route) {
                assert!(seen.html.contains("Zoë") && seen.html.contains("Typed"), "{}", seen.html);
            }
        };
        let before = world.digest().await;
        // Another person's, nobody's, and without a name at all.
        for row in &own {
            for drawn in [Some(kim.as_str()), Some("nobody"), Some(""), None] {
                refused(row, drawn).await;
            }
        }
        assert_eq!(world.digest().await, before, "nothing changed");
        // Her own, of the organization that the browser looks at no more.
        switch(&drawn, &to).await;
        let before = world.digest().await;
        for row in &own {
            refused(row, Some(&drawn)).await;
        }
        assert_eq!(world.digest().await, before, "nothing changed");
    })
    .await;
}

#[tokio::test]
async fn what_somebody_brought_from_the_provider_is_connected_to_nobody_else() {
    on_both(async |engine| {
        let world = World::of(Kind::Identity, engine).await;
        let browser = browser();
        let door = format!("{}/sign-in/{}", world.address(), world.server.org);
        let by_password = async |email| {
            assert_eq!(post(&browser, &door, &[("email", email), ("password", PASSWORD), ("do", "password")]).await.status, 303);
        };
        by_password(ANA.email).await;
        let drawn = drawn_for(&me(&browser, &world.server).await.expect("she is in"));
        let connect = format!("sso:{}", world.provider.as_ref().expect("a provider").1);
        let place = format!("{}/me/identities", world.address());
        let out = post(&browser, &place, &[("as", &drawn), ("connect", &connect)]).await;
        let back = crate::common::oidc::sign_in(&crate::common::oidc::browser(), &out.onward(), "eve").await;
        let shown = get(&browser, back.as_str()).await;
        assert_eq!(shown.heading(), "Connect your sign-in", "{}", shown.html);
        // Meanwhile Kim signs in beside her, and is who the browser looks at.
        by_password(KIM.email).await;
        let before = world.digest().await;
        let late = post(&browser, &shown.place, &[("do", "go")]).await;
        assert!(late.status == 403 && late.html.contains("by the person who began it"), "{}", late.html);
        assert_eq!(world.digest().await, before);
    })
    .await;
}

#[tokio::test]
async fn a_form_of_an_account_that_is_signed_in_no_more_does_nothing_and_keeps_what_was_typed() {
    on_both(async |engine| {
        let world = World::of(Kind::Identity, engine).await;
        let (browser, rows) = hers(&world).await;
        let drawn = drawn_for(&me(&browser, &world.server).await.expect("she is in"));
        // All accounts of the browser end, on another one's order.
        assert!(world.server.tamper("UPDATE credentials SET revoked_at = created_at WHERE kind = 'session'").await);
        let before = world.digest().await;
        for row in rows.iter().filter(|row| row.is_drawn_for_an_account()) {
            let seen = row.send(&browser, &[], &row.form).await;
            assert_eq!((seen.status, seen.heading()), (409, "You are signed out"), "{}: {}", row.route, seen.html);
            assert!(seen.html.contains("Nothing was done with it") && seen.html.contains("href=\"/sign-in\""), "{}", seen.html);
            assert!(!seen.html.contains(PASSWORD) && !seen.html.contains(NEW) && !seen.html.contains(&drawn));
            assert!(
                !["/me/name", "/users/invite"].contains(&row.route) || (seen.html.contains("Zoë") && seen.html.contains("Typed")),
                "{}",
                seen.html
            );
        }
        assert_eq!(world.digest().await, before, "nothing changed");
    })
    .await;
}
