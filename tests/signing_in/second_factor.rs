//! The second factor: set up, asked for, used once, taken away.

use super::{
    Browser, Seen, deactivate, drawn_for,
    own::{link_into, session_in},
    second_organization, with_ana,
};
use crate::common::{Engine, Options, PASSWORD, Server, database::Connection, inside::Inside, on_both, two_nodes};
use serde_json::json;
use usher_mcp::{
    authn::totp::Secret,
    domain::{Clock, Timestamp},
};

pub const PLACE: &str = "/me/second-factor";
/// One step of the codes, in milliseconds.
const STEP: i64 = 30_000;

/// What stands between the tags of the `code` element with this label.
pub fn copied(html: &str, label: &str) -> String {
    let from = html.split(&format!("aria-label=\"{label}\">")).nth(1).unwrap_or_else(|| panic!("{label}: {html}"));
    from.split("</code>").next().expect("an end").to_owned()
}

/// The secret on a page.
pub fn secret_on(html: &str) -> Secret {
    let typed = copied(html, "Key").replace(' ', "");
    Secret::from_bytes(totp_rs::Secret::try_from_base32(typed).expect("base 32").as_bytes()).expect("20 bytes")
}

pub fn now() -> Timestamp {
    Clock::system().now()
}

fn wrong(seen: &Seen) -> bool {
    seen.status == 422 && seen.html.contains("This code does not count")
}

fn passed(seen: &Seen) -> bool {
    (seen.status, seen.location.as_deref()) == (303, Some("/"))
}

impl Browser {
    /// Does something on the page of the second factor, as whoever it is drawn for now.
    pub async fn factor(&self, place: &str, act: &str, code: &str) -> Seen {
        let page = self.get(place).await;
        assert_eq!(page.status, 200, "{:?}", page.location);
        self.post(place, &[("as", &drawn_for(&page.html)), ("do", act), ("code", code)]).await
    }

    /// Whether nothing opens but the page of the second factor.
    async fn waits(&self) -> bool {
        let seen = self.get("/me").await;
        seen.status == 303 && seen.location.as_deref() == Some(PLACE)
    }

    pub async fn in_by_password(server: &Server, email: &str) -> Self {
        let browser = Self::of(server);
        let seen = browser.by_password(&server.org, email, PASSWORD).await;
        assert!(passed(&seen), "{} {:?} {}", seen.status, seen.location, seen.html);
        browser
    }

    /// Sets a second factor up with the code of this moment: its secret, and the recovery codes.
    pub async fn enrol(&self, place: &str, at: Timestamp) -> (Secret, Vec<String>) {
        let begun = self.factor(place, "begin", "").await;
        assert_eq!(begun.status, 200, "{}", begun.html);
        let secret = secret_on(&begun.html);
        let confirmed = self.post(place, &[("as", &drawn_for(&begun.html)), ("do", "confirm"), ("code", &secret.code(at))]).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.html);
        (secret, copied(&confirmed.html, "Recovery codes").lines().map(str::to_owned).collect())
    }
}

/// Lets all steps that were used be long ago.
pub async fn steps_pass(server: &Server) {
    assert!(server.tamper("UPDATE second_factors SET last_step = 0").await);
}

/// A server with Ana, whose second factor is set up; no browser is signed in.
pub async fn with_factor(engine: Engine) -> (Server, Secret, Vec<String>) {
    let server = with_ana(engine).await;
    let (secret, codes) = Browser::in_by_password(&server, "ana@example.com").await.enrol(PLACE, now()).await;
    steps_pass(&server).await;
    (server, secret, codes)
}

async fn demand(server: &Server, who: &str) -> bool {
    server.cli(&["org", "set", "--org", &server.org, "--second-factor", who, "--json"]).await["changed"] == true
}

#[tokio::test]
async fn a_second_factor_counts_once_a_code_confirms_it_and_is_then_asked_for() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (ana, other) =
            (Browser::in_by_password(&server, "ana@example.com").await, Browser::in_by_password(&server, "ana@example.com").await);
        let page = ana.get(PLACE).await;
        assert!(page.status == 200 && page.html.contains("Set up a second factor") && !page.html.contains("otpauth"), "{}", page.html);
        let begun = ana.factor(PLACE, "begin", "").await;
        let secret = secret_on(&begun.html);
        let address = copied(&begun.html, "Address for the app");
        assert!(address.starts_with("otpauth://totp/My%20organization:ana%40example.com?secret="), "{address}");
        assert!(begun.html.contains("<svg role=\"img\"") && begun.html.contains("<path fill=\"#000\" d=\"M4 4h7v1h-7z"), "{}", begun.html);
        // Not yet: nothing has confirmed it.
        assert!(Browser::in_by_password(&server, "ana@example.com").await.me().await.is_some());
        let refused = ana.factor(PLACE, "confirm", &secret.code(now().plus(-100 * STEP))).await;
        assert!(wrong(&refused) && copied(&refused.html, "Address for the app") == address, "{}", refused.html);
        let no_code = ana.factor(PLACE, "confirm", "12345").await;
        assert!(no_code.status == 422 && no_code.html.contains("This is no code"), "{}", no_code.html);
        assert!(other.me().await.is_some());
        let code = secret.code(now());
        let confirmed = ana.factor(PLACE, "confirm", &code).await;
        assert_eq!((confirmed.status, copied(&confirmed.html, "Recovery codes").lines().count()), (200, 10), "{}", confirmed.html);
        assert!(ana.me().await.is_some_and(|page| page.contains("Manage it")) && other.me().await.is_none(), "all other sessions end");
        // From now on a password is half of it.
        let late = Browser::in_by_password(&server, "ana@example.com").await;
        assert!(late.waits().await);
        let asked = late.get(PLACE).await;
        assert!(asked.html.contains("One more step") && !asked.html.contains("otpauth"), "{}", asked.html);
        assert!(wrong(&late.factor(PLACE, "pass", &code).await), "the code that confirmed it was used");
        assert!(late.waits().await);
        let before = session_in(&late.by_password(&server.org, "ana@example.com", PASSWORD).await);
        let done = late.factor(PLACE, "pass", &secret.code(now().plus(STEP))).await;
        assert!(passed(&done), "{}", done.html);
        assert!(late.me().await.is_some_and(|page| page.contains("Test Person")));
        assert_ne!(session_in(&done), before);
        let with_the_old_one = server.http.get(format!("{}/me", server.address())).header("cookie", before);
        assert!(with_the_old_one.send().await.expect("an answer").url().path().ends_with("/sign-in"), "the value before opens nothing");
        for action in ["begun", "confirmed", "passed"] {
            let events = server.ok("list_audit_events", json!({"action": format!("second_factor:{action}"), "outcome": "done"})).await;
            let event = &events["events"][0];
            assert_eq!((&event["outcome"], &event["actor"]["name"]), (&json!("done"), &json!("Test Person")), "{action} {events}");
        }
        let connection = Connection::to(&server).await;
        let sealed = connection.rows("SELECT secret FROM second_factors").await.remove(0)["secret"].clone().expect("a secret");
        connection.close().await;
        assert!(sealed.starts_with("1.") && sealed.len() > 80, "{sealed}");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_session_that_waits_opens_nothing() {
    on_both(async |engine| {
        let (server, secret, _) = with_factor(engine).await;
        let (open, waiting) = (Browser::of(&server), Browser::in_by_password(&server, "ana@example.com").await);
        let drawn = drawn_for(&waiting.get(PLACE).await.html);
        for (path, form) in [
            ("/me/password", vec![("current", PASSWORD), ("password", "nine quiet herons read the tide")]),
            ("/me/sessions", vec![("end", "all")]),
            ("/sign-out", vec![]),
        ] {
            let form: Vec<_> = form.into_iter().chain([("as", drawn.as_str())]).collect();
            assert_eq!(waiting.post(path, &form).await.location.as_deref(), Some(PLACE), "{path}");
        }
        // What was typed is not lost, but for secrets.
        let kept = waiting.post("/me/name", &[("as", &drawn), ("first_name", "Zoe"), ("last_name", "Gone")]).await;
        assert_eq!(kept.status, 409, "{}", kept.html);
        for said in ["One more step first", "<bdi>Zoe</bdi>", "<bdi>Gone</bdi>", "href=\"/me/second-factor\""] {
            assert!(kept.html.contains(said), "{said}: {}", kept.html);
        }
        // A form of somebody else tells nothing of that.
        let other = waiting.post("/me/name", &[("as", "nobody"), ("first_name", "Zoe"), ("last_name", "Gone")]).await;
        assert!(other.status == 409 && other.html.contains("This browser has moved on") && other.html.contains("Zoe"), "{}", other.html);
        // Nor a secret of its own in place of the one that is asked for.
        for act in ["begin", "confirm"] {
            let seen = waiting.factor(PLACE, act, &secret.code(now().plus(-100 * STEP))).await;
            assert!(seen.status == 422 && !seen.html.contains("otpauth"), "{act} {}", seen.html);
        }
        assert!(wrong(&waiting.factor(PLACE, "remove", &secret.code(now().plus(-100 * STEP))).await));
        assert!(waiting.waits().await);
        let person = server.ok("get_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(person["user"]["first_name"], "Test");
        // Its person sees it among their sessions, and it ends where somebody leaves it.
        assert!(passed(&open.by_password(&server.org, "ana@example.com", PASSWORD).await));
        assert!(passed(&open.factor(PLACE, "pass", &secret.code(now())).await));
        assert!(open.me().await.is_some_and(|page| page.contains("it waits for a code")));
        assert_eq!(waiting.factor(PLACE, "leave", "").await.location.as_deref(), Some("/sign-in"));
        assert_eq!(waiting.get(PLACE).await.location.as_deref(), Some("/sign-in"));
    })
    .await;
}

#[tokio::test]
async fn whichever_way_somebody_comes_in_the_code_is_asked_for() {
    on_both(async |engine| {
        let (server, secret, _) = with_factor(engine).await;
        let by_link = Browser::of(&server);
        assert!(passed(&by_link.by_link(&server, "ana@example.com", 2).await));
        let made = server.cli(&["sign-in-link", "--org", &server.org, "--user", "ana@example.com", "--json"]).await;
        let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
        let by_operator = Browser::of(&server);
        assert!(passed(&by_operator.open(&format!("{}/link/{token}", server.address())).await));
        for browser in [by_link, by_operator] {
            assert!(browser.waits().await);
            steps_pass(&server).await;
            assert!(passed(&browser.factor(PLACE, "pass", &secret.code(now())).await));
            assert!(browser.me().await.is_some());
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_of_the_step_before_works_once_and_none_that_is_older() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        // The middle of a step, so that what is early or late is so by whole steps.
        let clock = Clock::manual(Timestamp::from_millis(now().as_millis() / STEP * STEP + STEP / 2));
        let node = Inside::beside(&server, clock.clone()).await;
        let place = format!("{}{PLACE}", node.address());
        let ana = Browser::at(node.address());
        let sign_in = async || assert!(passed(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await));
        sign_in().await;
        let (secret, _) = ana.enrol(&place, clock.now()).await;
        clock.advance(10 * STEP);
        for (step, counts) in [(-2, false), (2, false), (-1, true), (-1, false), (0, true), (-1, false), (0, false), (1, true), (1, false)]
        {
            sign_in().await;
            let seen = ana.factor(&place, "pass", &secret.code(clock.now().plus(step * STEP))).await;
            assert_eq!((passed(&seen), wrong(&seen)), (counts, !counts), "{step}: {}", seen.html);
            assert!(server.tamper("DELETE FROM sign_in_tries").await);
        }
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn wrong_codes_wait_longer_and_longer_on_all_nodes_and_in_the_end_none_is_taken() {
    on_both(async |engine| {
        let (server, secret, codes) = with_factor(engine).await;
        let clock = Clock::manual(now());
        let nodes = [Inside::beside(&server, clock.clone()).await, Inside::beside(&server, clock.clone()).await];
        let ana = Browser::at(nodes[0].address());
        assert!(passed(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await));
        let places = nodes.each_ref().map(|node| format!("{}{PLACE}", node.address()));
        let old = secret.code(clock.now().plus(-100 * STEP));
        for n in 0..5 {
            assert!(wrong(&ana.factor(&places[n % 2], "pass", &old).await), "{n}");
        }
        for place in &places {
            let waits = ana.factor(place, "pass", &secret.code(clock.now())).await;
            assert!(waits.status == 429 && waits.html.contains("Wait 1 second."), "{} {}", waits.status, waits.html);
        }
        clock.advance(1000);
        assert!(wrong(&ana.factor(&places[0], "pass", &old).await));
        clock.advance(1999);
        assert_eq!(ana.factor(&places[1], "pass", &secret.code(clock.now())).await.status, 429);
        clock.advance(1);
        assert!(passed(&ana.factor(&places[1], "pass", &secret.code(clock.now())).await), "a right code forgives them");
        steps_pass(&server).await;
        assert!(passed(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await));
        assert!(wrong(&ana.factor(&places[0], "pass", &old).await));
        assert!(passed(&ana.factor(&places[0], "pass", &secret.code(clock.now())).await));
        // Recovery codes wait, too, each session by itself.
        assert!(passed(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await));
        for n in 0..5 {
            assert!(wrong(&ana.factor(&places[n % 2], "pass", "aaaa-bbbb-cccc-dddd").await), "{n}");
        }
        assert_eq!(ana.factor(&places[1], "pass", &codes[0]).await.status, 429);
        clock.advance(1000);
        assert!(passed(&ana.factor(&places[1], "pass", &codes[0]).await));
        // A hundred in a row: somebody guesses.
        steps_pass(&server).await;
        assert!(passed(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await));
        assert!(wrong(&ana.factor(&places[0], "pass", &old).await));
        assert!(server.tamper("UPDATE sign_in_tries SET failures = 100, failed_at = 0").await);
        let seen = ana.factor(&places[0], "pass", &secret.code(clock.now())).await;
        assert!(seen.status == 422 && seen.html.contains("not taken here any more"), "{}", seen.html);
        assert!(passed(&ana.factor(&places[0], "pass", &codes[1]).await), "a recovery code is another way");
        for node in nodes {
            node.stop().await;
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_has_the_password_alone_uses_up_no_code_of_anybody_else() {
    on_both(async |engine| {
        let (server, secret, codes) = with_factor(engine).await;
        let enter = async || Browser::in_by_password(&server, "ana@example.com").await;
        let ana = enter().await;
        assert!(passed(&ana.factor(PLACE, "pass", &secret.code(now())).await));
        let thief = enter().await;
        let old = secret.code(now().plus(-100 * STEP));
        for n in 0..5 {
            assert!(wrong(&thief.factor(PLACE, "pass", &old).await), "{n}");
        }
        assert_eq!(thief.factor(PLACE, "pass", &old).await.status, 429);
        assert!(server.tamper("UPDATE sign_in_tries SET failures = 100, failed_at = 0").await);
        steps_pass(&server).await;
        let seen = thief.factor(PLACE, "pass", &secret.code(now())).await;
        assert!(seen.status == 422 && seen.html.contains("not taken here any more"), "{}", seen.html);
        // Her own browser, in the session that is open and in a new one.
        assert!(passed(&ana.factor(PLACE, "pass", &secret.code(now())).await));
        steps_pass(&server).await;
        assert!(passed(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await));
        assert!(passed(&ana.factor(PLACE, "pass", &secret.code(now())).await));
        steps_pass(&server).await;
        assert_eq!(thief.factor(PLACE, "pass", &secret.code(now())).await.status, 422, "that forgives no stranger");
        // And a new browser, by a recovery code.
        let other = enter().await;
        assert!(passed(&other.factor(PLACE, "pass", &codes[0]).await));
        let next = enter().await;
        assert!(passed(&next.factor(PLACE, "pass", &secret.code(now())).await), "a recovery code forgives all");
    })
    .await;
}

#[tokio::test]
async fn a_browser_is_known_once_it_has_shown_all_that_is_asked_for() {
    on_both(async |engine| {
        let (server, secret, _) = with_factor(engine).await;
        let number = async |sql: &str| {
            let connection = Connection::to(&server).await;
            let number = connection.number(sql).await;
            connection.close().await;
            number
        };
        let known = async || {
            number("SELECT count(*) FROM known_browsers k JOIN users u ON u.key = k.user_key WHERE u.email = 'ana@example.com'").await
        };
        assert_eq!(known().await, 1, "the one that set it up, and none from before it");
        let browser = Browser::in_by_password(&server, "ana@example.com").await;
        assert!(browser.waits().await);
        assert_eq!(known().await, 1);
        assert_eq!(browser.post("/sign-in", &[("email", "ana@example.com"), ("do", "link")]).await.status, 200);
        server.newest_link_to("ana@example.com", 2).await;
        assert_eq!(number("SELECT count(*) FROM links WHERE known = 1").await, 0, "it has the budget of strangers");
        assert!(passed(&browser.factor(PLACE, "pass", &secret.code(now())).await));
        assert_eq!(known().await, 2);
    })
    .await;
}

#[tokio::test]
async fn requirement_62_a_removed_second_factor_gives_the_session_a_new_value() {
    on_both(async |engine| {
        let (server, secret, _) = with_factor(engine).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let before = session_in(&ana.factor(PLACE, "pass", &secret.code(now())).await);
        steps_pass(&server).await;
        let removed = ana.factor(PLACE, "remove", &secret.code(now())).await;
        assert_ne!(session_in(&removed), before);
        assert!(ana.me().await.is_some() && Browser::of(&server).me_with(&before).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn each_recovery_code_works_once() {
    on_both(async |engine| {
        let (server, _, codes) = with_factor(engine).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        assert!(passed(&ana.factor(PLACE, "pass", &codes[3].to_uppercase().replace('-', " ")).await));
        assert!(ana.get(PLACE).await.html.contains("Recovery codes left: 9"));
        let again = Browser::in_by_password(&server, "ana@example.com").await;
        assert!(wrong(&again.factor(PLACE, "pass", &codes[3]).await));
        assert!(wrong(&again.factor(PLACE, "pass", "aaaa-bbbb-cccc-dddd").await));
        assert!(passed(&again.factor(PLACE, "pass", &codes[4]).await));
        let events = server.ok("list_audit_events", json!({"action": "second_factor:passed"})).await.to_string();
        assert!(events.contains("recovery_code") && !events.contains(&codes[4]), "{events}");
    })
    .await;
}

#[tokio::test]
async fn what_is_demanded_of_administrators_is_asked_of_them_at_once() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        server.administrator("boss@example.com").await;
        let (boss, ana) =
            (Browser::in_by_password(&server, "boss@example.com").await, Browser::in_by_password(&server, "ana@example.com").await);
        let drawn = drawn_for(&boss.me().await.expect("in"));
        assert!(demand(&server, "administrators").await && !demand(&server, "administrators").await);
        assert!(boss.waits().await && ana.me().await.is_some());
        // What was typed meanwhile is not lost, whichever page it was typed on.
        for (path, field, typed) in [("/me/name", "first_name", "Zoë"), ("/users/invite", "email", "new@example.com")] {
            let kept = boss.post(path, &[("as", &drawn), (field, typed)]).await;
            assert!(kept.status == 409 && kept.html.contains(&format!("<bdi>{typed}</bdi>")), "{path}: {} {}", kept.status, kept.html);
        }
        assert_eq!(boss.post("/start", &[("as", &drawn)]).await.location.as_deref(), Some(PLACE), "where nothing was");
        let page = boss.get(PLACE).await;
        assert!(page.html.contains("asks you for one") && !page.html.contains("Back to your page"), "{}", page.html);
        let (secret, _) = boss.enrol(PLACE, now()).await;
        assert!(boss.me().await.is_some());
        // Whoever is made one is asked as well, and whoever comes in anew.
        server.ok("update_user", json!({"user": "ana@example.com", "role": "Administrator"})).await;
        assert!(ana.waits().await);
        let late = Browser::in_by_password(&server, "ana@example.com").await;
        assert!(late.waits().await && late.get(PLACE).await.html.contains("Set up a second factor"));
        assert!(demand(&server, "nobody").await);
        assert!(ana.me().await.is_some() && late.me().await.is_some());
        let again = Browser::in_by_password(&server, "boss@example.com").await;
        assert!(again.waits().await, "whoever has one is asked for it in any case");
        assert!(passed(&again.factor(PLACE, "pass", &secret.code(now().plus(STEP))).await));
        let events = server.ok("list_audit_events", json!({"action": "settings:update"})).await;
        assert_eq!(events["events"].as_array().map(Vec::len), Some(2), "{events}");
    })
    .await;
}

#[tokio::test]
async fn who_joins_where_one_is_demanded_of_everybody_sets_one_up_first() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        assert!(demand(&server, "everybody").await);
        server.ok("invite_user", json!({"email": "new@example.com", "first_name": "Nia", "last_name": "New"})).await;
        let link = server.link_to("new@example.com").await;
        let nia = Browser::of(&server);
        let place = nia.get(&link).await.location.expect("a place");
        let joined = nia.post(&place, &[("first_name", "Nia"), ("last_name", "New"), ("password", PASSWORD), ("do", "join")]).await;
        assert!(joined.status == 200 && joined.html.contains("You are in"), "{}", joined.html);
        assert!(nia.waits().await);
        nia.enrol(PLACE, now()).await;
        assert!(nia.me().await.is_some_and(|page| page.contains("Nia New")));
    })
    .await;
}

#[tokio::test]
async fn the_host_resets_one_and_all_sessions_end() {
    on_both(async |engine| {
        let (server, secret, codes) = with_factor(engine).await;
        let (open, waiting) =
            (Browser::in_by_password(&server, "ana@example.com").await, Browser::in_by_password(&server, "ana@example.com").await);
        assert!(passed(&open.factor(PLACE, "pass", &secret.code(now())).await));
        let reset = ["user", "reset-second-factor", "--org", &server.org, "--user", "ana@example.com", "--json"];
        assert_eq!(server.cli(&reset).await, json!({"changed": true}));
        assert!(open.me().await.is_none() && waiting.me().await.is_none());
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        assert!(ana.me().await.is_some_and(|page| page.contains("Set it up")));
        assert_eq!(server.cli(&reset).await, json!({"changed": false}));
        let events = server.ok("list_audit_events", json!({"action": "second_factor:reset"})).await;
        assert_eq!(
            (&events["events"][0]["actor"]["kind"], events["events"].as_array().map(Vec::len)),
            (&json!("cli"), Some(1)),
            "{events}"
        );
        // A new one has nothing of the old.
        ana.enrol(PLACE, now()).await;
        let late = Browser::in_by_password(&server, "ana@example.com").await;
        assert!(wrong(&late.factor(PLACE, "pass", &secret.code(now().plus(STEP))).await));
        assert!(wrong(&late.factor(PLACE, "pass", &codes[0]).await));
    })
    .await;
}

#[tokio::test]
async fn who_is_deactivated_passes_no_more() {
    on_both(async |engine| {
        let (server, secret, _) = with_factor(engine).await;
        let waiting = Browser::in_by_password(&server, "ana@example.com").await;
        let drawn = drawn_for(&waiting.get(PLACE).await.html);
        deactivate(&server, "ana@example.com").await;
        let seen = waiting.post(PLACE, &[("as", &drawn), ("do", "pass"), ("code", &secret.code(now()))]).await;
        assert!(seen.status == 409 && seen.html.contains("You are signed out"), "{}", seen.html);
        server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;
        assert!(waiting.me().await.is_none(), "old sessions stay dead");
        let back = Browser::in_by_password(&server, "ana@example.com").await;
        assert!(back.waits().await, "what protected the account still does");
        assert!(passed(&back.factor(PLACE, "pass", &secret.code(now())).await));
    })
    .await;
}

#[tokio::test]
async fn taking_it_away_needs_a_code_and_where_one_is_demanded_the_next_is_set_up_first() {
    on_both(async |engine| {
        let (server, secret, codes) = with_factor(engine).await;
        let (ana, other) =
            (Browser::in_by_password(&server, "ana@example.com").await, Browser::in_by_password(&server, "ana@example.com").await);
        let code = secret.code(now());
        assert!(passed(&ana.factor(PLACE, "pass", &code).await));
        assert!(wrong(&ana.factor(PLACE, "remove", &code).await), "a fresh one");
        assert!(demand(&server, "everybody").await);
        assert_eq!(ana.factor(PLACE, "remove", &codes[0]).await.location.as_deref(), Some("/me"));
        assert!(ana.waits().await && other.me().await.is_none());
        let (next, _) = ana.enrol(PLACE, now()).await;
        assert!(ana.me().await.is_some_and(|page| !page.contains("is gone")), "that was before");
        assert!(demand(&server, "nobody").await);
        assert_eq!(ana.factor(PLACE, "remove", &next.code(now().plus(STEP))).await.status, 303);
        let page = ana.get("/me").await;
        assert!(page.html.contains("Your second factor is gone") && page.html.contains("Set it up"), "{}", page.html);
        assert!(Browser::in_by_password(&server, "ana@example.com").await.me().await.is_some());
    })
    .await;
}

#[tokio::test]
async fn setting_one_up_needs_a_fresh_proof_and_is_over_within_ten_minutes() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let begun = ana.factor(PLACE, "begin", "").await;
        let secret = secret_on(&begun.html);
        assert!(server.tamper("UPDATE second_factors SET created_at = created_at - 601000").await);
        let late = ana.factor(PLACE, "confirm", &secret.code(now())).await;
        assert!(late.status == 422 && late.html.contains("Begin again") && !late.html.contains("otpauth"), "{}", late.html);
        assert!(server.tamper("UPDATE credentials SET proved_at = proved_at - 601000 WHERE kind = 'session'").await);
        let stale = ana.factor(PLACE, "begin", "").await;
        assert!(stale.status == 422 && stale.html.contains("within 10 minutes of signing in"), "{}", stale.html);
        assert!(passed(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await));
        ana.enrol(PLACE, now()).await;
    })
    .await;
}

#[tokio::test]
async fn two_nodes_take_one_code_once() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let server = &nodes[0];
        server.member("ana@example.com", &[]).await;
        let (secret, codes) = Browser::in_by_password(server, "ana@example.com").await.enrol(PLACE, now()).await;
        for recovery in &codes[..2] {
            for code in [None, Some(recovery)] {
                steps_pass(server).await;
                let browsers =
                    [Browser::in_by_password(server, "ana@example.com").await, Browser::in_by_password(server, "ana@example.com").await];
                let drawn = drawn_for(&browsers[0].get(PLACE).await.html);
                let code = code.cloned().unwrap_or_else(|| secret.code(now()));
                let form = [("as", drawn.as_str()), ("do", "pass"), ("code", code.as_str())];
                let places = nodes.each_ref().map(|node| format!("{}{PLACE}", node.address()));
                let (one, two) = tokio::join!(browsers[0].post(&places[0], &form), browsers[1].post(&places[1], &form));
                assert_eq!(usize::from(passed(&one)) + usize::from(passed(&two)), 1, "{} {}", one.status, two.status);
                assert_eq!(usize::from(wrong(&one)) + usize::from(wrong(&two)), 1);
            }
        }
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn b06_an_account_that_waits_stands_beside_one_that_is_open() {
    on_both(async |engine| {
        let (server, secret, _) = with_factor(engine).await;
        let second = second_organization(&server).await;
        let ana = Browser::of(&server);
        // The link came from the organization that asks for a code; the mailbox opened the other one.
        assert!(passed(&ana.by_link(&server, "ana@example.com", 2).await));
        assert!(ana.waits().await);
        let page = ana.get(PLACE).await.html;
        assert!(page.contains("Go to <bdi>Second</bdi> instead"), "{page}");
        let to =
            |page: &str| page.split("name=\"to\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a switch").to_owned();
        assert_eq!(ana.post("/me/switch", &[("as", &drawn_for(&page)), ("to", &to(&page))]).await.status, 303);
        let open = ana.me().await.expect("the other is open");
        assert!(open.contains(&format!("/mcp/{second}")), "{open}");
        // A form that was drawn for the account that waits does nothing now.
        let code = secret.code(now());
        assert_eq!(ana.post(PLACE, &[("as", &drawn_for(&page)), ("do", "pass"), ("code", &code)]).await.status, 409);
        assert_eq!(ana.post("/me/switch", &[("as", &drawn_for(&open)), ("to", &to(&open))]).await.status, 303);
        assert!(ana.waits().await);
        assert!(passed(&ana.factor(PLACE, "pass", &code).await));
        assert!(ana.me().await.is_some_and(|page| page.contains("Switch to <bdi>Second</bdi>")));
    })
    .await;
}

#[tokio::test]
async fn b06_a_form_of_an_account_does_nothing_while_the_browser_looks_at_another_that_waits() {
    on_both(async |engine| {
        let (server, _, _) = with_factor(engine).await;
        let second = second_organization(&server).await;
        let ana = Browser::of(&server);
        assert!(passed(&ana.open(&link_into(&server, &second).await).await));
        let open = ana.me().await.expect("in");
        // In another tab she signs in where a code is asked for.
        assert!(passed(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await));
        assert!(ana.waits().await);
        let late = ana.post("/me/name", &[("as", &drawn_for(&open)), ("first_name", "Zoe"), ("last_name", "Late")]).await;
        assert!(late.status == 409 && late.html.contains("Zoe") && late.html.contains("Nothing was done with it"), "{}", late.html);
    })
    .await;
}

#[tokio::test]
async fn wrong_codes_of_long_ago_do_not_come_back() {
    on_both(async |engine| {
        let (server, secret, _) = with_factor(engine).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let old = secret.code(now().plus(-100 * STEP));
        assert!(wrong(&ana.factor(PLACE, "pass", &old).await));
        for before in [60, 99] {
            let ten_days_ago = format!("UPDATE sign_in_tries SET failures = {before}, failed_at = failed_at - 864000000");
            assert!(server.tamper(&ten_days_ago).await);
            for _ in 0..2 {
                let seen = ana.factor(PLACE, "pass", &old).await;
                assert!(wrong(&seen), "{before}: {} {}", seen.status, seen.html);
            }
        }
        assert!(passed(&ana.factor(PLACE, "pass", &secret.code(now())).await));
    })
    .await;
}
