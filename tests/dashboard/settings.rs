//! The settings as an Administrator uses them, and what others find instead.

use super::{group, invite, invited, with_boss};
use crate::{
    common::{
        Engine, Options, Server,
        oidc::Idp,
        on_both,
        slack::{Order, Slack},
        until,
    },
    signing_in::{Browser, Seen, drawn_for},
    sso::ALLOWED,
};
use serde_json::{Value, json};

/// A value that a page put into a form.
fn value<'a>(page: &'a str, name: &str) -> &'a str {
    page.split(&format!("name=\"{name}\" value=\"")).nth(1).and_then(|rest| rest.split('"').next()).expect("a value")
}

/// What the form of a page was drawn with.
async fn seen(browser: &Browser, path: &str) -> String {
    value(&browser.get(path).await.html, "seen").replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&")
}

/// Sends a form of a page, with what every form of that page carries.
async fn save(browser: &Browser, path: &str, form: &[(&str, &str)]) -> Seen {
    let page = browser.get(path).await.html;
    let (drawn, key) = (drawn_for(&page), value(&page, "key").to_owned());
    browser.post(path, &[&[("as", drawn.as_str()), ("key", &key)], form].concat()).await
}

/// Sends a form that was drawn before, and it is done.
async fn post(browser: &Browser, path: &str, form: &[(&'static str, String)]) {
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let done = browser.post(path, &form).await;
    assert_eq!(done.status, 303, "{path}: {}", done.html);
}

/// The same, and it is done.
async fn saved(browser: &Browser, path: &str, form: &[(&str, &str)]) -> String {
    let done = save(browser, path, form).await;
    assert_eq!(done.status, 303, "{path} {form:?}: {}", done.html);
    browser.get(&done.location.expect("a place")).await.html
}

/// Whether it was refused, and says why.
fn says(seen: &Seen, status: u16, words: &str) {
    assert!(seen.status == status && seen.html.contains(words), "{words}: {} {}", seen.status, seen.html);
}

/// The browser of a member with these permissions.
async fn holding(server: &Server, email: &str, permissions: &[&str]) -> Browser {
    let name = email.split('@').next().expect("a name");
    group(server, name, permissions).await;
    server.member(email, &[name]).await;
    Browser::in_by_password(server, email).await
}

async fn organization(server: &Server) -> Value {
    server.cli(&["org", "list", "--json"]).await[0].clone()
}

/// Every session was proved longer than ten minutes ago.
async fn left_alone(server: &Server) {
    assert!(server.tamper("UPDATE credentials SET proved_at = proved_at - 601000 WHERE kind = 'session'").await);
}

const PAGES: [&str; 7] = [
    "/settings",
    "/settings/sign-in",
    "/settings/sso",
    "/settings/slack",
    "/settings/invitations",
    "/settings/ai-tools",
    "/settings/permissions",
];

#[tokio::test]
async fn whoever_changes_settings_gives_another_name_and_overwrites_nobodys() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let page = boss.get("/settings").await.html;
        assert!(page.contains("name=\"name\" value=\"My organization\"") && page.contains("aria-current=\"page\""), "{page}");
        assert!(page.contains(&format!("value=\"{}\" readonly", server.org)), "{page}");
        let page = saved(&boss, "/settings", &[("seen", "My organization"), ("name", " Larkspur <b> ")]).await;
        assert!(page.contains("It is saved") && page.contains("name=\"name\" value=\"Larkspur &#60;b&#62;\""), "{page}");
        assert!(boss.get("/users").await.html.contains("<bdi>Larkspur &#60;b&#62;</bdi>"));
        assert_eq!(organization(&server).await["name"], "Larkspur <b>");
        let event = server.ok("list_audit_events", json!({"action": "organization:changed"})).await["events"][0].clone();
        assert_eq!((&event["surface"], &event["actor"]["name"]), (&json!("web"), &json!("Test Person")), "{event}");
        // What cannot be saved stands beside its field, and what was typed stays.
        says(&save(&boss, "/settings", &[("seen", "Larkspur <b>"), ("name", " ")]).await, 422, "id=\"name-n\"");
        assert!(saved(&boss, "/settings", &[("seen", "x"), ("name", "Larkspur <b>")]).await.contains("It was so before"));
        // Somebody else was faster.
        let late = save(&boss, "/settings", &[("seen", "My organization"), ("name", "Quayside")]).await;
        says(&late, 409, "The name is “Larkspur &#60;b&#62;” now. Save again to put what you typed in its place.</p>");
        assert!(late.html.contains("value=\"Quayside\""), "{}", late.html);
        assert_eq!(organization(&server).await["name"], "Larkspur <b>");
        let again = [("seen", value(&late.html, "seen")), ("name", "Quayside")]
            .map(|(name, value)| (name, value.replace("&#60;", "<").replace("&#62;", ">")));
        saved(&boss, "/settings", &[("seen", &again[0].1), ("name", &again[1].1)]).await;
        assert_eq!(organization(&server).await["name"], "Quayside");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn settings_that_come_again_after_somebody_decided_otherwise_say_what_holds() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let org = server.org.as_str();
        for (path, fields, otherwise, holds) in [
            ("/settings", vec![("name", "One")], ["rename", "--org", org, "--name", "Two"].as_slice(), "The name is “Two” now."),
            (
                "/settings/ai-tools",
                vec![("most_token_days", "30")],
                &["set", "--org", org, "--most-token-days", "50"],
                "Somebody else saved meanwhile, and nothing of yours was.",
            ),
        ] {
            let page = boss.get(path).await.html;
            let (drawn, key, seen) = (drawn_for(&page), value(&page, "key").to_owned(), seen(&boss, path).await);
            let form = [vec![("as", drawn.as_str()), ("key", &key), ("seen", &seen)], fields].concat();
            for click in ["the first", "the second"] {
                assert_eq!(boss.post(path, &form).await.status, 303, "{path}: {click}");
                says(&boss.get(path).await, 200, "It is saved, and holds");
            }
            server.cli(&[&["org"], otherwise, &["--json"]].concat()).await;
            says(&boss.post(path, &form).await, 409, holds);
        }
    })
    .await;
}

#[tokio::test]
async fn who_may_not_sees_no_settings_and_who_may_look_changes_none() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let none = holding(&server, "none@example.com", &["users:read"]).await;
        let reads = holding(&server, "reads@example.com", &["settings:read"]).await;
        let changes = holding(&server, "changes@example.com", &["settings:update"]).await;
        let drawn = async |browser: &Browser| drawn_for(&browser.get("/me").await.html);
        assert!(!none.get("/users").await.html.contains("href=\"/settings\""));
        assert_eq!(reads.get("/").await.location.as_deref(), Some("/settings"), "where they start");
        for path in PAGES {
            assert_eq!(boss.get(path).await.status, 200, "{path}");
            let seen = none.get(path).await;
            assert!(seen.status == 404 && seen.html.contains("There is nothing at this address"), "{path}");
            let page = reads.get(path).await;
            assert_eq!(page.status, 200, "{path}");
            let main = page.html.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).expect("a page");
            assert!(!main.contains("<button"), "nothing to press: {path} {main}");
            assert_eq!(Browser::of(&server).get(path).await.location.as_deref(), Some("/sign-in"), "{path}");
        }
        for path in ["/settings/sso/x/remove", "/settings/slack/disconnect"] {
            assert_eq!((none.get(path).await.status, reads.get(path).await.status), (404, 404), "{path}");
        }
        let forms: [(&str, &[(&str, &str)]); 9] = [
            ("/settings", &[("seen", "My organization"), ("name", "Mine")]),
            ("/settings/slack", &[("token", "xoxb-1-a")]),
            ("/settings/slack/disconnect", &[]),
            ("/settings/sign-in", &[("seen", "{}"), ("second_factor", "everybody")]),
            ("/settings/invitations", &[("seen", "{}"), ("most_administrators", "1")]),
            ("/settings/ai-tools", &[("seen", "{}"), ("most_token_days", "1")]),
            ("/settings/sso", &[("preset", "google"), ("client_id", "x"), ("client_secret", "y")]),
            ("/settings/sso", &[("do", "require")]),
            ("/settings/sso/x/remove", &[]),
        ];
        let before = organization(&server).await;
        for browser in [&none, &reads] {
            let drawn = drawn(browser).await;
            for (path, form) in forms {
                assert_eq!(browser.post(path, &[&[("as", drawn.as_str())], form].concat()).await.status, 404, "{path}");
            }
        }
        // What decides who gets in is the Administrators' alone.
        let theirs = drawn(&changes).await;
        for (path, form) in &forms[3..] {
            assert_eq!(changes.post(path, &[&[("as", theirs.as_str())], *form].concat()).await.status, 404, "{path}");
        }
        assert_eq!(organization(&server).await, before);
        saved(&changes, "/settings", &[("seen", "My organization"), ("name", "Ours")]).await;
        assert_eq!(organization(&server).await["name"], "Ours");
        let refused = async || {
            let events = server.ok("list_audit_events", json!({"outcome": "refused", "user": "reads@example.com", "limit": 100})).await;
            let actions: Vec<_> =
                events["events"].as_array()?.iter().filter_map(|event| event["action"].as_str()).map(str::to_owned).collect();
            ["organization:changed", "settings:update", "sso:connected", "sso:required", "sso:removed"]
                .into_iter()
                .all(|action| actions.iter().any(|noted| noted == action))
                .then_some(())
        };
        until("the evidence", refused).await;
    })
    .await;
}

#[tokio::test]
async fn whom_the_organization_invites_is_decided_by_administrators_who_came_in_lately() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let at = "/settings/invitations";
        let typed = [("invite_domains", "Example.com, *.example.org"), ("other_domains", "refuse"), ("most_administrators", "5")];
        let form = |seen: &str| -> Vec<(&'static str, String)> {
            typed.iter().map(|(name, value)| (*name, (*value).to_owned())).chain([("seen", seen.to_owned())]).collect()
        };
        let send = async |form: &[(&'static str, String)]| {
            let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            save(&boss, at, &form).await
        };
        let page = boss.get(at).await.html;
        assert!(
            page.contains("There are 2 now") && page.contains("--invites-per-day") && page.contains("value=\"warn\" checked"),
            "{page}"
        );
        let first = seen(&boss, at).await;
        assert_eq!(send(&form(&first)).await.status, 303);
        let page = boss.get(at).await.html;
        assert!(page.contains("value=\"*.example.org, example.com\"") || page.contains("value=\"example.com, *.example.org\""), "{page}");
        assert!(page.contains("value=\"refuse\" checked") && page.contains("It is saved"), "{page}");
        let known = organization(&server).await;
        assert_eq!((&known["other_domains"], &known["most_administrators"]), (&json!("refuse"), &json!(5)), "{known}");
        let refused = server.refused("invite_user", json!({"email": "eve@elsewhere.example", "first_name": "E", "last_name": "V"})).await;
        assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("/settings/invitations")), "{refused}");
        // Somebody else decided meanwhile: nothing is overwritten, and what holds is said.
        let mut other = form(&first);
        other[0].1 = "quayside.example".to_owned();
        let late = send(&other).await;
        says(&late, 409, "others are refused, and there may be 5 Administrators");
        assert!(late.html.contains("value=\"quayside.example\"") && late.html.contains("Not saved"), "{}", late.html);
        assert_eq!(organization(&server).await, known);
        // What is wrong stands beside its field.
        let now = seen(&boss, at).await;
        for (field, wrong, words) in [
            (0, "no domain", "Email domains must be complete domain names"),
            (2, "0", "1 to 1000 Administrators"),
            (2, "many", "1 to 1000 Administrators"),
            (0, "", "No domain is named yet"),
        ] {
            let mut form = form(&now);
            form[field].1 = wrong.to_owned();
            says(&send(&form).await, 422, words);
        }
        // An open browser that was left alone decides nothing.
        left_alone(&server).await;
        assert!(boss.get(at).await.html.contains("longer than 10 minutes ago"));
        let mut open = form(&now);
        open[0].1 = "evil.example".to_owned();
        let stale = send(&open).await;
        says(&stale, 422, "within 10 minutes of signing in");
        assert!(stale.html.contains("value=\"evil.example\""), "{}", stale.html);
        assert_eq!(organization(&server).await, known);
    })
    .await;
}

#[tokio::test]
async fn a_second_factor_is_demanded_from_the_next_click_on() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let at = "/settings/sign-in";
        let page = boss.get(at).await.html;
        assert!(page.contains("value=\"nobody\" checked") && page.contains("You have no second factor yourself"), "{page}");
        assert!(page.contains("href=\"/settings/second-factor\"") && page.contains("href=\"/settings/passwords\""), "{page}");
        let was = seen(&boss, at).await;
        let page = saved(&boss, at, &[("seen", &was), ("second_factor", "nobody")]).await;
        assert!(page.contains("It is saved"), "{page}");
        assert_eq!(organization(&server).await["magic_links"], false);
        let late = save(&boss, at, &[("seen", &was), ("second_factor", "everybody"), ("magic_links", "on")]).await;
        says(&late, 409, "Nobody must have a second factor, and no mailed link signs in.");
        assert!(late.html.contains("value=\"everybody\" checked"), "what was chosen stays: {}", late.html);
        let now = seen(&boss, at).await;
        let done = save(&boss, at, &[("seen", &now), ("second_factor", "administrators"), ("magic_links", "on")]).await;
        assert_eq!(done.status, 303, "{}", done.html);
        assert_eq!(organization(&server).await["second_factor"], "administrators");
        assert_eq!(boss.get("/settings").await.location.as_deref(), Some("/me/second-factor"));
    })
    .await;
}

#[tokio::test]
async fn there_are_no_more_administrators_than_the_organization_decided() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let set = async |most: &str| server.cli(&["org", "set", "--org", &server.org, "--most-administrators", most, "--json"]).await;
        assert_eq!(set("3").await["changed"], true);
        let third = json!({"email": "third@example.com", "first_name": "T", "last_name": "D", "role": "Administrator"});
        server.ok("invite_user", third.clone()).await;
        // A Pending one counts. Who is here already is told so first.
        assert_eq!(server.refused("invite_user", third).await["code"], "email_already_in_use");
        let mut fourth = json!({"email": "fourth@example.com", "first_name": "F", "last_name": "H", "role": "Administrator"});
        let refused = server.refused("invite_user", fourth.clone()).await;
        assert_eq!((&refused["code"], &refused["details"]["most_administrators"]), (&json!("conflict"), &json!(3)), "{refused}");
        let form = [("email", "fourth@example.com"), ("first_name", "F"), ("last_name", "H"), ("role", "administrator"), ("do", "invite")];
        let seen = invite(&boss, &form).await;
        says(&seen, 422, "3 Administrators at most");
        fourth["role"] = json!("User");
        server.ok("invite_user", fourth).await;
        let promote = json!({"user": "fourth@example.com", "role": "Administrator"});
        assert_eq!(server.refused("update_user", promote.clone()).await["code"], "conflict");
        let refused = server.cli_refused(&["user", "promote", "--org", &server.org, "--user", "fourth@example.com"]).await;
        assert!(refused.contains("--most-administrators"), "{refused}");
        // Whoever goes makes room, and does not come back into a full one.
        server.ok("deactivate_user", json!({"user": "third@example.com"})).await;
        server.ok("update_user", promote).await;
        assert_eq!(server.refused("reactivate_user", json!({"user": "third@example.com"})).await["code"], "conflict");
        // A bound below what there is takes nothing away.
        set("1").await;
        assert_eq!(server.ok("update_user", json!({"user": "boss@example.com", "first_name": "Bo"})).await["changed"], true);
        assert_eq!(server.ok("update_user", json!({"user": "boss@example.com", "role": "Administrator"})).await["changed"], false);
        set("any").await;
        server.ok("reactivate_user", json!({"user": "third@example.com"})).await;
        for (most, words) in [("0", "1 to 1000"), ("x", "any")] {
            let said = server.cli_refused(&["org", "set", "--org", &server.org, "--most-administrators", most]).await;
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_token_lives_no_longer_than_the_organization_decided() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let at = "/settings/ai-tools";
        let was = seen(&boss, at).await;
        for wrong in ["0", "366", "soon", ""] {
            says(&save(&boss, at, &[("seen", &was), ("most_token_days", wrong)]).await, 422, "1 to 365 days");
        }
        let page = saved(&boss, at, &[("seen", &was), ("most_token_days", "30")]).await;
        assert!(page.contains("a token lives 30 days"), "{page}");
        let create = |days: Option<&'static str>| {
            let mut command = vec!["token", "create", "--user", "boss@example.com", "--org", &server.org, "--json"];
            command.extend(days.into_iter().flat_map(|days| ["--expires-in-days", days]));
            command
        };
        let refused = server.cli_refused(&create(Some("31"))).await;
        assert!(refused.contains("1 to 30 days"), "{refused}");
        let end = async |days| server.cli(&create(days)).await["expires_at"].as_str().expect("a time")[..10].to_owned();
        assert_eq!(end(None).await, end(Some("30")).await, "as long as is allowed where nothing is said");
        server.cli(&["org", "set", "--org", &server.org, "--most-token-days", "365", "--json"]).await;
        assert_eq!(end(None).await, end(Some("90")).await);
        says(&save(&boss, at, &[("seen", &was), ("most_token_days", "20")]).await, 303, "");
    })
    .await;
}

#[tokio::test]
async fn the_permission_catalogue_says_what_each_gives_and_who_gives_it() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        group(&server, "Support & Co", &["users:read", "customers:read"]).await;
        let page = boss.get("/settings/permissions").await.html;
        let row = |name: &str| {
            page.split(&format!("<th scope=\"row\" class=\"mono\">{name}</th>")).nth(1).and_then(|rest| rest.split("</tr>").next())
        };
        let text = |name: &str| row(name).unwrap_or_else(|| panic!("{name}")).to_owned();
        assert!(text("users:read").contains("<bdi>Support &#38; Co</bdi>") && text("users:read").contains("Plain"), "{page}");
        assert!(text("settings:update").contains("Privileged") && text("settings:update").contains("no group"), "{page}");
        assert!(text("customers:read").contains("The product") && text("users:invite").contains("<td>usher</td>"), "{page}");
        // However many groups there are, none is left out; of many that give the same so many are named.
        for n in 0..101 {
            group(&server, &format!("More {n}"), &["customers:read"]).await;
        }
        group(&server, "The last", &["billing:update"]).await;
        let page = boss.get("/settings/permissions").await.html;
        let row =
            |name: &str| page.split(&format!("<th scope=\"row\" class=\"mono\">{name}</th>")).nth(1).expect("a row").split("</tr>").next();
        assert!(row("billing:update").expect("a row").contains("<td><bdi>The last</bdi></td>"), "{page}");
        assert!(row("customers:read").expect("a row").contains("<bdi>More 18</bdi> and 82 more</td>"), "{page}");
        // Who may not know of groups is told of none.
        let reads = holding(&server, "reads@example.com", &["settings:read"]).await;
        let page = reads.get("/settings/permissions").await.html;
        assert!(page.contains("settings:update") && !page.contains("Support &#38; Co") && !page.contains("Given by"), "{page}");
    })
    .await;
}

/// A server that may call providers on this machine, and the browser of an Administrator.
async fn with_boss_and(engine: Engine, options: &Options) -> (Server, Browser) {
    let server = Server::quickstart_with(engine, options).await;
    server.administrator("boss@example.com").await;
    let boss = Browser::in_by_password(&server, "boss@example.com").await;
    (server, boss)
}

#[tokio::test]
async fn a_provider_is_connected_required_and_removed_in_the_browser() {
    on_both(async |engine| {
        let (server, boss) = with_boss_and(engine, &Options::arguments(&ALLOWED)).await;
        let idp = Idp::real("http://127.0.0.1:8080/sign-in/sso/callback/x", &[]).await;
        let looker = holding(&server, "looker@example.com", &["settings:read"]).await;
        let at = "/settings/sso";
        let of_idp = [("preset", "other"), ("issuer", idp.issuer.as_str()), ("client_id", Idp::CLIENT), ("name", "Our <b> login")];
        assert!(boss.get(at).await.html.contains("No provider is connected"));
        let address = save(&boss, at, &[&[("do", "address")], &of_idp[..]].concat()).await;
        says(&address, 200, &format!("/sign-in/sso/callback/{}-", server.org));
        assert!(address.html.contains("value=\"Our &#60;b&#62; login\""), "what was typed stays: {}", address.html);
        let connect = |issuer: &'static str, secret: &'static str| {
            vec![("do", "connect"), ("preset", "other"), ("issuer", issuer), ("client_id", Idp::CLIENT), ("client_secret", secret)]
        };
        for (issuer, secret, words) in [
            ("nonsense", "s3cret-one", "id=\"issuer-n\""),
            ("http://127.0.0.1:1", "s3cret-one", "the provider was asked first"),
            ("http://127.0.0.1:1", "", "id=\"client_secret-n\""),
        ] {
            let refused = save(&boss, at, &connect(issuer, secret)).await;
            says(&refused, 422, words);
            assert!(refused.html.contains(&format!("value=\"{issuer}\"")) && !refused.html.contains("s3cret"), "{}", refused.html);
        }
        let tenant = save(&boss, at, &[("preset", "microsoft"), ("client_id", "x"), ("client_secret", "y")]).await;
        says(&tenant, 422, "id=\"tenants-n\"");

        // A second click connects nothing a second time.
        let page = boss.get(at).await.html;
        let (drawn, key) = (drawn_for(&page), value(&page, "key").to_owned());
        let common = [("as", drawn.as_str()), ("key", key.as_str()), ("do", "connect"), ("client_secret", Idp::SECRET)];
        let form = [&common[..], &of_idp[..]].concat();
        let one = boss.post(at, &form).await.location.expect("connected");
        assert_eq!(boss.post(at, &form).await.location.as_deref(), Some(one.as_str()));
        let listed = server.cli(&["sso", "list", "--org", &server.org, "--json"]).await;
        assert_eq!((listed.as_array().map(Vec::len), &listed[0]["name"]), (Some(1), &json!("Our <b> login")), "{listed}");
        let page = boss.get(&one).await.html;
        assert!(page.contains("Register its redirect address") && page.contains(&idp.issuer) && !page.contains(Idp::SECRET), "{page}");
        assert!(saved(&boss, &one, &[("do", "test")]).await.contains("answers as itself"));

        let page = boss.get(at).await.html;
        assert!(page.contains("3 people who are Active are not linked yet") && page.contains("<li><bdi>boss<wbr>@example.com</bdi></li>"), "{page}");
        let looker = looker.get(at).await.html;
        assert!(looker.contains("3 people who are Active are not linked") && !looker.contains("boss<wbr>"), "{looker}");

        // Another registration, unless somebody else was faster.
        let was = seen(&boss, &one).await;
        let relink = [("do", "relink"), ("seen", was.as_str()), ("client_id", "other"), ("client_secret", "s3cret-two")];
        assert!(saved(&boss, &one, &relink).await.contains("The registration is saved"));
        let late = save(&boss, &one, &[("do", "relink"), ("seen", &was), ("client_id", "third"), ("client_secret", "s3cret-three")]).await;
        says(&late, 409, "The client ID is “other” now.");
        assert!(late.html.contains("value=\"third\"") && !late.html.contains("s3cret"), "{}", late.html);

        // It is required once it rests on something, and then it stays.
        let require = async || save(&boss, at, &[("do", "require")]).await;
        says(&require().await, 422, "No active Administrator has signed in through a connection yet");
        let came_in = "INSERT INTO sso_identities (org, issuer, subject, connection_id, user_key, linked_at, last_used_at)
                       SELECT u.org, c.issuer, 'boss', c.id, u.key, 1, 1 FROM users u, sso_connections c WHERE u.email_key = 'boss@example.com'";
        assert!(server.tamper(came_in).await);
        let removal = format!("{one}/remove");
        assert_eq!(require().await.status, 303);
        assert!(boss.get(at).await.html.contains("Single sign-on is required"));
        assert_eq!(organization(&server).await["sso_required"], true);
        assert!(boss.get(&removal).await.html.contains("The last connection stays"));
        says(&save(&boss, &removal, &[]).await, 422, "this is its last connection. End the requirement first");
        assert!(saved(&boss, at, &[("do", "open")]).await.contains("The other ways in are open again"));

        // An open browser that was left alone decides nothing, and asks no provider anything.
        left_alone(&server).await;
        for form in [connect("http://127.0.0.1:1", "s3cret"), vec![("do", "require")]] {
            says(&save(&boss, at, &form).await, 422, "within 10 minutes of signing in");
        }
        says(&save(&boss, &removal, &[]).await, 422, "within 10 minutes of signing in");
        let boss = Browser::in_by_password(&server, "boss@example.com").await;
        assert!(boss.get(&removal).await.html.contains("Its client secret is forgotten"));
        let page = saved(&boss, &removal, &[]).await;
        assert!(page.contains("The connection has ended") && page.contains("No provider is connected"), "{page}");
        assert_eq!((boss.get(&one).await.status, boss.get("/settings/sso/nonsense").await.status), (404, 404));
        for action in ["sso:connected", "sso:relinked", "sso:required", "sso:removed"] {
            let events = server.ok("list_audit_events", json!({"action": action, "outcome": "done"})).await;
            assert_eq!(events["events"][0]["surface"], "web", "{action}: {events}");
            assert!(!events.to_string().contains("s3cret") && !events.to_string().contains(Idp::SECRET));
        }
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

const TOKEN: &str = "xoxb-2345678901-abcDEFghiJKL";
const OTHER: &str = "xoxb-2345678901-another1";

#[tokio::test]
async fn slack_is_connected_in_the_browser_which_says_what_works_when_it_does_not() {
    on_both(async |engine| {
        let slack = Slack::start().await;
        slack.workspace(TOKEN, "T012AB3C4", "Acme <b>");
        slack.workspace(OTHER, "T012AB3C4", "Acme <b>");
        slack.workspace("xoxb-1-elsewhere", "T0OTHER", "Elsewhere");
        let options = Options::arguments(&["--outbound-allow", "127.0.0.0/8", "--slack-url", &slack.url]);
        let (server, _) = with_boss_and(engine, &options).await;
        // Slack lets nobody in: whoever changes settings connects it.
        let kim = holding(&server, "kim@example.com", &["settings:update"]).await;
        let at = "/settings/slack";
        assert!(kim.get(at).await.html.contains("No workspace is connected"));
        for (token, words) in [("nonsense-token", "This is no bot token"), ("xoxb-1-unknown", "Slack does not know the token")] {
            let refused = save(&kim, at, &[("do", "connect"), ("token", token)]).await;
            says(&refused, 422, words);
            assert!(refused.html.contains("id=\"token-n\"") && !refused.html.contains(token), "{}", refused.html);
        }
        let connect = async |token: &str| {
            let seen = seen(&kim, at).await;
            save(&kim, at, &[("do", "connect"), ("token", token), ("seen", &seen)]).await
        };
        assert_eq!(connect(TOKEN).await.status, 303);
        let page = kim.get(at).await.html;
        assert!(page.contains("Working") && page.contains("<bdi>Acme &#60;b&#62;</bdi>") && !page.contains(TOKEN), "{page}");
        assert!(saved(&kim, at, &[("do", "test")]).await.contains("Slack takes the token"));
        says(&connect("xoxb-1-elsewhere").await, 422, "Disconnect that one first.");
        // Two at once: the later one is told.
        let late = save(&kim, at, &[("do", "connect"), ("token", OTHER), ("seen", "")]).await;
        says(&late, 409, "Somebody else saved meanwhile");

        slack.order(&[Order::Limited("120")]);
        invited(&server, "ana@example.com", "Ana", "Ruiz").await;
        let shows = async |words: &str| {
            until(words, async || kim.get(at).await.html.contains(words).then_some(())).await;
            kim.get(at).await.html
        };
        let page = shows("Slack wants to be left alone until").await;
        assert!(page.contains("1 person waits to be looked up") && page.contains("Invites and signing in work as before"), "{page}");
        // Its token is revoked: since when, why, and what still works.
        slack.error(TOKEN, Some("token_revoked"));
        assert!(server.tamper("UPDATE slack_connections SET held_until = NULL").await);
        assert!(server.tamper("UPDATE outbox SET next_at = created_at WHERE channel = 'slack'").await);
        let page = shows("Slack refuses the token since").await;
        assert!(page.contains("the token was revoked") && page.contains("Invites and signing in work as before"), "{page}");
        says(&save(&kim, at, &[("do", "test")]).await, 422, "then save its token here");
        says(&save(&kim, at, &[("do", "lookup")]).await, 422, "Slack does not take the token any more");
        assert_eq!(connect(OTHER).await.status, 303);
        assert!(shows("Working").await.contains("Working"));
        slack.member(OTHER, "kim@example.com", "U0KIM0001");
        assert!(saved(&kim, at, &[("do", "lookup")]).await.contains("looked up"));
        let id =
            async || (server.ok("get_user", json!({"user": "kim@example.com"})).await["user"]["slack_id"] == "U0KIM0001").then_some(());
        until("the Slack ID", id).await;

        // A second click asks nothing anew, and a reload ends no connection that was made since.
        let again = async |path: &str, at: &str, act: &str| -> Vec<(&'static str, String)> {
            let page = kim.get(path).await.html;
            let form = vec![("as", drawn_for(&page)), ("key", value(&page, "key").to_owned()), ("do", act.to_owned())];
            post(&kim, at, &form).await;
            form
        };
        let newest = async || server.ok("list_audit_events", json!({"outcome": "done", "limit": 1})).await["events"][0]["sequence"].clone();
        let form = again(at, at, "lookup").await;
        let before = newest().await;
        post(&kim, at, &form).await;
        assert_eq!(newest().await, before);
        let end = "/settings/slack/disconnect";
        let form = again(end, end, "").await;
        assert_eq!(connect(OTHER).await.status, 303);
        post(&kim, end, &form).await;
        assert!(kim.get(at).await.html.contains("Working"), "it stays");
        assert!(kim.get("/settings/slack/disconnect").await.html.contains("Slack IDs that people have stay"));
        let page = saved(&kim, "/settings/slack/disconnect", &[]).await;
        assert!(page.contains("Slack is disconnected") && page.contains("No workspace is connected"), "{page}");
        id().await.expect("it stays");
        assert_eq!(kim.get("/settings/slack/disconnect").await.status, 404);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}
