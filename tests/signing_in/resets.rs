//! Resets of passwords that somebody else starts: an Administrator on a page, or the operator on the host. Neither sees nor sets
//! a password (requirement 48).

use super::{
    Browser, Seen, deactivate, drawn_for,
    factors::{id_of, link, refusals_of},
    refused, second_organization, with_ana,
};
use crate::{
    common::{Engine, PASSWORD, Server, database::Connection, on_both, until},
    dashboard::key_of,
};
use serde_json::json;
use usher_mcp::domain::{Clock, HOUR, Timestamp};

const PLACE: &str = "/settings/passwords";
const NEW: &str = "nine quiet herons read the tide";
const ANA: &str = "ana@example.com";
const BOSS: &str = "boss@example.com";

/// A server with Ana and with an Administrator, whose browser is open.
async fn with_boss(engine: Engine) -> (Server, Browser) {
    let server = with_ana(engine).await;
    server.administrator(BOSS).await;
    let boss = Browser::in_by_password(&server, BOSS).await;
    (server, boss)
}

/// Starts a reset, as whoever the browser looks at.
async fn start(browser: &Browser, id: &str) -> Seen {
    let drawn = drawn_for(&browser.me().await.expect("in"));
    browser.post(&format!("{PLACE}/{id}"), &[("as", &drawn)]).await
}

fn mailed(seen: &Seen) -> bool {
    (seen.status, seen.location.as_deref()) == (303, Some(PLACE))
}

/// Opens a link and sends its form.
async fn choose(browser: &Browser, link: &str, email: &str, password: &str) -> Seen {
    let moved = browser.get(link).await;
    assert_eq!(moved.status, 303, "{}", moved.html);
    browser.post(&moved.location.expect("a place"), &[("email", email), ("password", password), ("do", "go")]).await
}

/// The page of a link.
async fn opened(browser: &Browser, link: &str) -> String {
    let place = browser.get(link).await.location.expect("a place");
    browser.get(&place).await.html
}

/// The newest mail to this address, without line ends.
fn newest_mail(server: &Server, email: &str) -> String {
    let mut mails = server.mails().into_iter().filter(|mail| mail.contains(&format!("<{email}>")));
    mails.next_back().expect("a mail").replace("\r\n ", " ").replace("\r\n", " ")
}

#[tokio::test]
async fn requirement_48_an_administrator_starts_a_reset_and_its_person_alone_chooses_the_password() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        server.ok("update_user", json!({"user": BOSS, "first_name": "Mirela", "last_name": "Vasquez"})).await;
        let ana = Browser::in_by_password(&server, ANA).await;
        let id = id_of(&server, ANA).await;
        let page = boss.me().await.expect("in");
        assert!(page.contains("href=\"/settings/passwords\"") && !ana.me().await.expect("in").contains(PLACE));
        let list = boss.get(PLACE).await;
        assert!(list.status == 200 && list.html.contains("ana<wbr>@example.com"), "{}", list.html);
        let found = boss.post(PLACE, &[("as", &drawn_for(&list.html)), ("email", " ANA@example.com ")]).await;
        assert_eq!(found.location, Some(format!("{PLACE}/{id}")));
        let confirm = boss.get(&format!("{PLACE}/{id}")).await;
        assert!(confirm.status == 200 && confirm.html.contains("for 60 minutes") && !confirm.html.contains("type=\"password\""));
        assert!(confirm.html.contains("href=\"/settings\" aria-current=\"page\""), "it stands in the dashboard: {}", confirm.html);
        assert_eq!(server.links_to(ANA).len(), 1, "looking sends nothing");
        let before = Clock::system().now();
        assert!(mailed(&boss.post(&format!("{PLACE}/{id}"), &[("as", &drawn_for(&confirm.html))]).await));
        let link = server.newest_link_to(ANA, 2).await;
        let mail = newest_mail(&server, ANA);
        for said in [
            "Subject: Mirela Vasquez started a reset of your password at My organization",
            "Nobody but you sees your password",
            "Not expected? Do not open it",
            "in any browser",
        ] {
            assert!(mail.contains(said), "{said}: {mail}");
        }
        // Whatever is sent, until she chooses the old password holds, and her sessions go on.
        assert!(ana.me().await.is_some());
        let events = server.ok("list_audit_events", json!({"action": "password:reset_started"})).await;
        let event = &events["events"][0];
        assert_eq!((&event["surface"], &event["outcome"], &event["target"]["id"]), (&json!("web"), &json!("done"), &json!(id)), "{events}");
        assert_eq!((&event["actor"]["name"], event["tool"].is_null()), (&json!("Mirela Vasquez"), true), "{events}");
        let until_then = event["changes"][0]["after"].as_str().and_then(Timestamp::parse_rfc3339).expect("an end");
        assert!((before.plus(HOUR)..=Clock::system().now().plus(HOUR)).contains(&until_then), "{events}");
        let connection = Connection::to(&server).await;
        let rows = connection.rows("SELECT kind, detail FROM links WHERE kind = 'started_reset'").await;
        assert_eq!((rows.len(), rows[0]["detail"].as_deref()), (1, None));
        connection.close().await;

        // In any browser, by whoever knows to which address it came; a wrong one and a weak password burn nothing.
        let fresh = Browser::of(&server);
        let other = choose(&fresh, &link, "boss@example.com", NEW).await;
        assert!(other.status == 422 && other.html.contains("not the address that the link was mailed to"), "{}", other.html);
        let weak = choose(&fresh, &link, ANA, "short").await;
        assert!(weak.status == 422 && weak.html.contains("fewer than 15 characters") && weak.html.contains("value=\"ana@example.com\""));
        assert!(ana.me().await.is_some());
        let done = choose(&fresh, &link, " Ana@Example.com", NEW).await;
        assert_eq!((done.status, done.location.as_deref()), (303, Some("/")), "{}", done.html);
        assert!(fresh.me().await.is_some() && ana.me().await.is_none(), "all other sessions end");
        assert!(refused(&ana.by_password(&server.org, ANA, PASSWORD).await));
        assert_eq!(ana.by_password(&server.org, ANA, NEW).await.status, 303);
        assert_eq!(Browser::of(&server).get(&link).await.status, 410, "it works once");
        until("the notice", async || {
            let told = |mail: &String| mail.replace("\r\n ", " ").contains("Subject: Your password at My organization was changed");
            server.mails().iter().any(told).then_some(())
        })
        .await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_second_factor_is_asked_for_after_a_reset_that_somebody_else_started() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        Browser::in_by_password(&server, ANA).await.enrol("/me/second-factor", Clock::system().now()).await;
        assert!(mailed(&start(&boss, &id_of(&server, ANA).await).await));
        let link = server.newest_link_to(ANA, 2).await;
        let fresh = Browser::of(&server);
        assert_eq!(choose(&fresh, &link, ANA, NEW).await.status, 303);
        assert_eq!(fresh.get("/me").await.location.as_deref(), Some("/me/second-factor"));
        assert!(fresh.get("/me/second-factor").await.html.contains("One more step"));
    })
    .await;
}

#[tokio::test]
async fn a_reset_that_is_pressed_twice_is_one_mail_whose_link_opens() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let place = format!("{PLACE}/{}", id_of(&server, ANA).await);
        let page = boss.get(&place).await.html;
        let form = [("as", drawn_for(&page)), ("key", key_of(&page))];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert!(mailed(&boss.post(&place, &form).await) && mailed(&boss.post(&place, &form).await));
        let link = server.newest_link_to(ANA, 2).await;
        assert_eq!(choose(&Browser::of(&server), &link, ANA, NEW).await.status, 303);
        assert_eq!(server.links_to(ANA).len(), 2, "the invite and one reset");
    })
    .await;
}

#[tokio::test]
async fn whoever_has_no_password_is_told_that_a_first_one_is_added() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let (ana, admin) = (id_of(&server, ANA).await, id_of(&server, "admin@example.com").await);
        let said = async |id: &str| boss.get(&format!("{PLACE}/{id}")).await.html;
        let (of_ana, of_admin) = (said(&ana).await, said(&admin).await);
        assert!(of_ana.contains("choose a new password?") && of_ana.contains("Theirs stays as it is"), "{of_ana}");
        assert!(of_admin.contains("choose a first password?") && of_admin.contains("They have none yet"), "{of_admin}");
        assert!(!of_admin.contains("Theirs stays as it is"), "{of_admin}");
        assert!(mailed(&start(&boss, &admin).await));
        let link = server.link_to("admin@example.com").await;
        let mail = newest_mail(&server, "admin@example.com");
        assert!(mail.contains("had a link to choose a password at My organization sent to you"), "{mail}");
        assert!(mail.contains("You have no password there yet") && !mail.contains("your password"), "{mail}");
        let page = opened(&Browser::of(&server), &link).await;
        assert!(page.contains("<h1 id=\"h\">Choose a password</h1>") && page.contains("You have none yet"), "{page}");
        assert!(!page.to_lowercase().contains("new password"), "{page}");
        // Asked for at the door it is no other.
        let door = Browser::of(&server);
        let path = format!("/sign-in/{}", server.org);
        assert_eq!(door.post(&path, &[("email", "admin@example.com"), ("do", "reset")]).await.status, 200);
        let own = server.newest_link_to("admin@example.com", 2).await;
        let mail = newest_mail(&server, "admin@example.com");
        assert!(mail.contains("Subject: Your link to choose a password at My organization"), "{mail}");
        assert!(mail.contains("You have no password there yet") && !mail.to_lowercase().contains("new password"), "{mail}");
        let page = opened(&door, &own).await;
        assert!(page.contains("<h1 id=\"h\">Choose a password</h1>") && !page.to_lowercase().contains("new password"), "{page}");
        assert_eq!(choose(&Browser::of(&server), &link, "admin@example.com", NEW).await.status, 303);
        until("the news", async || {
            // Of the browser in which that was another mail tells, later or sooner.
            let told = "Subject: You have a password at My organization from now on";
            server.mails().iter().any(|mail| mail.replace("\r\n ", " ").contains(told)).then_some(())
        })
        .await;
        // From then on there is one.
        assert!(said(&admin).await.contains("choose a new password?"));
        assert_eq!(door.post(&path, &[("email", "admin@example.com"), ("do", "reset")]).await.status, 200);
        let page = opened(&door, &server.newest_link_to("admin@example.com", 3).await).await;
        assert!(page.contains("<h1 id=\"h\">Choose a new password</h1>"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn only_the_newest_link_of_a_reset_works_few_are_mailed_and_a_deactivation_ends_it() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let id = id_of(&server, ANA).await;
        let mut links = Vec::new();
        for n in 2..5 {
            assert!(mailed(&start(&boss, &id).await));
            links.push(server.newest_link_to(ANA, n).await);
        }
        for old in &links[..2] {
            let seen = Browser::of(&server).get(old).await;
            assert!(seen.status == 410 && seen.html.contains("a newer link was sent"), "{}", seen.html);
        }
        // Three in ten minutes; the newest goes on working, and the door's own links have a budget of theirs.
        let late = start(&boss, &id).await;
        assert!(late.status == 422 && late.html.contains("The newest link works until it is used, or an hour old; wait"), "{}", late.html);
        // The operator is not stopped by what Administrators used up, and has as many.
        let on_the_host = ["user", "reset-password", "--org", &server.org, "--user", ANA];
        let by_the_operator = async |from: usize| {
            let mut link = String::new();
            for n in from..from + 3 {
                server.cli(&[&on_the_host[..], &["--json"]].concat()).await;
                link = server.newest_link_to(ANA, n).await;
            }
            let words = server.cli_refused(&on_the_host).await;
            assert!(words.contains("rate_limited"), "{words}");
            link
        };
        let newest = by_the_operator(5).await;
        assert_eq!(start(&boss, &id).await.status, 422);
        let door = Browser::of(&server);
        assert_eq!(door.post(&format!("/sign-in/{}", server.org), &[("email", ANA), ("do", "reset")]).await.status, 200);
        let at_the_door = server.newest_link_to(ANA, 8).await;
        assert_eq!(Browser::of(&server).get(&newest).await.status, 303);
        // A password that is chosen otherwise ends it, and the one of the door.
        let ana = Browser::in_by_password(&server, ANA).await;
        let drawn = drawn_for(&ana.me().await.expect("in"));
        assert_eq!(ana.post("/me/password", &[("as", &drawn), ("current", PASSWORD), ("password", NEW)]).await.status, 303);
        assert_eq!((door.get(&newest).await.status, door.get(&at_the_door).await.status), (410, 410));
        // Of a deactivated person none works, and none is sent.
        assert!(server.tamper("UPDATE links SET sent_at = sent_at - 700000 WHERE kind = 'started_reset'").await);
        // Nor are Administrators by the operator.
        by_the_operator(9).await;
        assert!(mailed(&start(&boss, &id).await));
        let last = server.newest_link_to(ANA, 12).await;
        let open = Browser::of(&server).get(&last).await;
        assert_eq!(open.status, 303);
        deactivate(&server, ANA).await;
        let shut = Browser::of(&server).get(&last).await;
        assert!(shut.status == 410 && shut.html.contains("lets nobody in this way"), "{}", shut.html);
        server.ok("reactivate_user", json!({"user": ANA})).await;
        assert_eq!(Browser::of(&server).get(&last).await.status, 410, "it stays dead");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn nobody_but_another_administrator_starts_a_reset_and_what_was_tried_is_noted() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        server.member("bo@example.com", &[]).await;
        second_organization(&server).await;
        let (ana_id, boss_id) = (id_of(&server, ANA).await, id_of(&server, BOSS).await);
        let at_ana = format!("{PLACE}/{ana_id}");
        let (stranger, bo) = (Browser::of(&server), Browser::in_by_password(&server, "bo@example.com").await);
        for path in [PLACE, at_ana.as_str()] {
            assert_eq!(stranger.get(path).await.location.as_deref(), Some("/sign-in"), "{path}");
            let seen = bo.get(path).await;
            assert!(seen.status == 404 && !seen.html.contains("ana<wbr>"), "{path} {}", seen.html);
        }
        assert_eq!(start(&bo, &ana_id).await.status, 404);
        let drawn = drawn_for(&bo.me().await.expect("in"));
        for email in [ANA, "nobody@example.com"] {
            assert_eq!(bo.post(PLACE, &[("as", &drawn), ("email", email)]).await.status, 404, "{email}");
        }
        let of = |code: &str, id: &str| ["password:reset_started", code, id].map(str::to_owned);
        let denied = |id| of("permission_denied", id);
        // One for each form, and none for what was only looked at.
        let noted =
            until("the evidence", async || Some(refusals_of(&server, "bo@example.com").await).filter(|noted| noted.len() >= 3)).await;
        assert!(noted.len() == 3 && noted.contains(&denied(&ana_id)), "{noted:?}");
        // One's own is asked for on one's own page.
        assert_eq!(start(&boss, &boss_id).await.location.as_deref(), Some("/me"));
        for drawn in [ana_id.as_str(), ""] {
            assert_eq!(boss.post(&at_ana, &[("as", drawn)]).await.status, 409);
        }
        for nobody in ["01990b1c-7e1a-7000-8000-000000000001", "nonsense"] {
            assert_eq!(start(&boss, nobody).await.status, 404, "{nobody}");
        }
        let drawn = drawn_for(&boss.me().await.expect("in"));
        for (typed, said) in [("nobody@example.com", "Nobody of your organization has this address"), ("no address", "")] {
            let seen = boss.post(PLACE, &[("as", &drawn), ("email", typed)]).await;
            assert!(seen.status == 422 && seen.html.contains(said) && seen.html.contains(&format!("value=\"{typed}\"")), "{}", seen.html);
        }
        // An Administrator of another organization knows of nobody here.
        let other = Browser::of(&server);
        let made = server.cli(&["sign-in-link", "--org", "second", "--user", ANA, "--json"]).await;
        let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
        assert_eq!(other.open(&format!("{}/link/{token}", server.address())).await.status, 303);
        assert_eq!((other.get(&at_ana).await.status, start(&other, &ana_id).await.status), (404, 404));
        // An open browser that was left alone starts nothing.
        assert!(server.tamper("UPDATE credentials SET proved_at = proved_at - 601000 WHERE kind = 'session'").await);
        let stale = start(&boss, &ana_id).await;
        assert!(stale.status == 422 && stale.html.contains("within 10 minutes of signing in"), "{}", stale.html);
        until("the evidence", async || refusals_of(&server, BOSS).await.contains(&denied(&ana_id)).then_some(())).await;
        // Nor somebody who is an Administrator no more.
        let fresh = Browser::in_by_password(&server, BOSS).await;
        server.ok("update_user", json!({"user": BOSS, "role": "User"})).await;
        assert_eq!((fresh.get(PLACE).await.status, start(&fresh, &ana_id).await.status), (404, 404));
        let connection = Connection::to(&server).await;
        assert_eq!(connection.number("SELECT count(*) FROM links WHERE kind = 'started_reset'").await, 0);
        connection.close().await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_reset_of_somebody_whom_no_password_lets_in_is_refused_with_what_to_do_instead() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        server.member("gone@example.com", &[]).await;
        deactivate(&server, "gone@example.com").await;
        server.ok("invite_user", json!({"email": "new@example.com", "first_name": "N", "last_name": "N"})).await;
        let refused = async |email: &str, words: &str, code: &str, on_the_host: &str| {
            let id = id_of(&server, email).await;
            let shown = boss.get(&format!("{PLACE}/{id}")).await;
            let offers = shown.html.contains(&format!("action=\"{PLACE}/{id}\""));
            assert!(shown.status == 200 && shown.html.contains(words) && !offers, "{email}: {}", shown.html);
            let tried = start(&boss, &id).await;
            assert!(tried.status == 422 && tried.html.contains(words), "{email}: {}", tried.html);
            let said = server.cli_refused(&["user", "reset-password", "--org", &server.org, "--user", email]).await;
            assert!(said.contains(code) && said.contains(on_the_host), "{email}: {said}");
            let of = ["password:reset_started", code, &id].map(str::to_owned);
            until("the evidence", async || refusals_of(&server, BOSS).await.contains(&of).then_some(())).await;
        };
        refused("new@example.com", "They have not joined yet", "invite_not_pending", "Let them accept their invite first").await;
        refused("gone@example.com", "Reactivate them first", "user_deactivated", "`usher user reactivate` lets them back in").await;
        // Where single sign-on is required a User has no way in by password.
        let required = "UPDATE organizations SET settings = '{\"sso_required\": true}' WHERE slug = ";
        assert!(server.tamper(&format!("{required}'{}'", server.org)).await);
        refused(ANA, "Single sign-on is required here", "conflict", "They sign in with the provider").await;
        assert!(boss.get(PLACE).await.html.contains(">Single sign-on<"));
        // And an Administrator has one where they have a password: for the day on which the provider fails.
        refused("admin@example.com", "Single sign-on is required here", "conflict", "They sign in with the provider").await;
        server.cli(&["user", "reset-password", "--org", &server.org, "--user", BOSS, "--json"]).await;
        let link = server.newest_link_to(BOSS, 2).await;
        assert_eq!(choose(&Browser::of(&server), &link, BOSS, NEW).await.status, 303);
        let said = server.cli_refused(&["user", "reset-password", "--org", &server.org, "--user", "nobody@example.com"]).await;
        assert!(said.contains("`usher user list` shows everybody"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn the_operator_starts_a_reset_on_the_host_and_is_shown_no_link() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let id = id_of(&server, ANA).await;
        let started = server.cli(&["user", "reset-password", "--org", &server.org, "--user", ANA, "--json"]).await;
        let link = server.newest_link_to(ANA, 2).await;
        let expires_at = started["expires_at"].as_str().expect("an end").to_owned();
        assert_eq!(started, json!({"user_id": id, "delivery": "folder", "expires_at": expires_at}));
        let token = link.rsplit('/').next().expect("a token");
        assert!(
            newest_mail(&server, ANA).contains("Subject: The operator of this server started a reset of your password at My organization")
        );
        let events = server.ok("list_audit_events", json!({"action": "password:reset_started"})).await;
        let event = &events["events"][0];
        assert_eq!((&event["surface"], &event["actor"]["kind"], &event["target"]["id"]), (&json!("cli"), &json!("cli"), &json!(id)));
        assert!(!events.to_string().contains(token) && !started.to_string().contains(token));
        server.cli(&["user", "reset-password", "--org", &server.org, "--user", ANA, "--json"]).await;
        let newest = server.newest_link_to(ANA, 3).await;
        assert_eq!(choose(&Browser::of(&server), &newest, ANA, NEW).await.status, 303);
        assert_eq!(Browser::of(&server).by_password(&server.org, ANA, NEW).await.status, 303);
        // Nobody signs in to a suspended organization, so no link into it is made.
        server.cli(&["org", "suspend", "--org", &server.org, "--json"]).await;
        for command in [["user", "reset-password"].as_slice(), &["sign-in-link"]] {
            let said = server.cli_refused(&[command, &["--org", &server.org, "--user", ANA]].concat()).await;
            assert!(said.contains("This organization is suspended") && said.contains("`usher org resume`"), "{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn requirement_47_whoever_came_in_without_the_password_has_a_link_mailed_instead_of_leaving_it_out() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        assert_eq!(ana.open(&link(&server, ANA).await).await.status, 303);
        let page = ana.me().await.expect("in");
        assert!(page.contains("by a link of the operator") && page.contains("Forgotten it? Have a link mailed"), "{page}");
        let drawn = drawn_for(&page);
        // Being in replaces no password.
        for current in ["", "not the password at all"] {
            let seen = ana.post("/me/password", &[("as", &drawn), ("current", current), ("password", NEW)]).await;
            assert!(seen.status == 422 && seen.html.contains("not your current password"), "{}", seen.html);
        }
        let asked = ana.post("/me/password", &[("as", &drawn), ("do", "mail")]).await;
        assert_eq!(asked.location.as_deref(), Some("/me"), "{}", asked.html);
        assert!(ana.me().await.is_some_and(|page| page.contains("on its way to your mailbox")));
        let link = server.newest_link_to(ANA, 2).await;
        assert_eq!(Browser::of(&server).get(&link).await.status, 403, "good in the browser that asked");
        let place = ana.get(&link).await.location.expect("a place");
        assert_eq!(ana.post(&place, &[("password", NEW), ("do", "go")]).await.location.as_deref(), Some("/"));
        assert!(ana.me().await.is_some());
        assert_eq!(Browser::of(&server).by_password(&server.org, ANA, NEW).await.status, 303);
        // Whoever has none chooses a first one there, and is offered no such mail.
        let admin = Browser::of(&server);
        assert_eq!(admin.open(&self::link(&server, "admin@example.com").await).await.status, 303);
        let page = admin.me().await.expect("in");
        assert!(page.contains("Choose a password") && !page.contains("Forgotten it?"), "{page}");
        assert_eq!(admin.post("/me/password", &[("as", &drawn_for(&page)), ("do", "mail")]).await.location.as_deref(), Some("/me"));
    })
    .await;
}

#[tokio::test]
async fn a_reset_in_ones_own_browser_is_no_news_of_a_new_one() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let news = || server.mails().iter().filter(|mail| mail.contains("A new browser signed in as you")).count();
        until("the news of this one", async || (news() == 1).then_some(())).await;
        let door = format!("/sign-in/{}", server.org);
        assert_eq!(boss.post(&door, &[("email", BOSS), ("do", "reset")]).await.status, 200);
        assert_eq!(choose(&boss, &server.newest_link_to(BOSS, 2).await, "", NEW).await.status, 303);
        assert!(boss.me().await.is_some());
        until("the mail", async || server.mails().iter().any(|mail| mail.contains("was changed")).then_some(())).await;
        assert_eq!(Browser::of(&server).by_password(&server.org, BOSS, NEW).await.status, 303);
        until("the news of another one", async || (news() > 1).then_some(())).await;
        assert_eq!(news(), 2);
    })
    .await;
}

#[tokio::test]
async fn whoever_holds_a_reset_and_guesses_its_address_ends_it_and_learns_nothing_from_the_right_one() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let start = async |mails: usize| {
            server.cli(&["user", "reset-password", "--org", &server.org, "--user", ANA, "--json"]).await;
            server.newest_link_to(ANA, mails).await
        };
        let link = start(2).await;
        for n in 0..10 {
            let seen = choose(&Browser::of(&server), &link, &format!("a{n}@example.com"), NEW).await;
            assert!(seen.status == 422 && seen.html.contains("not the address that the link was mailed to"), "{n}: {}", seen.html);
        }
        let form = [("email", ANA), ("password", NEW), ("do", "go")];
        for seen in [Browser::of(&server).post(&link, &form).await, Browser::of(&server).get(&link).await] {
            assert!(seen.status == 410 && seen.html.contains("Too many wrong addresses"), "{}", seen.html);
            assert!(!seen.html.contains("Test Person"), "{}", seen.html);
        }
        assert!(refused(&Browser::of(&server).by_password(&server.org, ANA, NEW).await), "nothing was changed");
        let connection = Connection::to(&server).await;
        // The first of a minute; how many more there were is known once that is over.
        let noted = "SELECT count(*) FROM security_events WHERE kind = 'wrong_address'";
        until("the evidence", async || (connection.number(noted).await > 0).then_some(())).await;
        connection.close().await;
        // A few slips are no harm, and a right address is none.
        let link = start(3).await;
        for (email, password) in [("a@example.com", NEW), ("anna@example.com", NEW), (ANA, "short")] {
            assert_eq!(choose(&Browser::of(&server), &link, email, password).await.status, 422);
        }
        let connection = Connection::to(&server).await;
        assert_eq!(connection.number("SELECT max(guesses) FROM links WHERE guesses < 10").await, 2);
        connection.close().await;
        assert_eq!(choose(&Browser::of(&server), &link, ANA, NEW).await.status, 303);
        assert_eq!(Browser::of(&server).by_password(&server.org, ANA, NEW).await.status, 303);
    })
    .await;
}
