//! By password, at one organization's door.

use super::{Browser, deactivate, drawn_for, own::session_in, refused, with_ana};
use crate::common::{Options, PASSWORD, Server, database::Connection, inside::Inside, on_both, two_nodes, until};
use serde_json::json;
use usher_mcp::{
    domain::{Clock, DAY, HOUR},
    http::server,
    keys::{hex, sha256},
};

#[tokio::test]
async fn b16_a_password_signs_in_and_everything_ends_with_a_deactivation() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        assert!(ana.me().await.is_none());
        let door = ana.get(&format!("/sign-in/{}", server.org)).await;
        assert!(door.status == 200 && door.html.contains("type=\"password\"") && door.html.contains("Email me a sign-in link"));
        let seen = ana.by_password(&server.org, " ANA@example.com ", PASSWORD).await;
        assert_eq!((seen.status, seen.location.as_deref()), (303, Some("/")));
        let session = seen.cookies.iter().find(|cookie| cookie.starts_with("usher_session=")).expect("a session");
        for part in ["HttpOnly", "SameSite=Lax", "Path=/;"] {
            assert!(session.contains(part), "{session}");
        }
        let page = ana.me().await.expect("she is in");
        assert!(page.contains("Test Person") && page.contains("Firefox on Linux") && page.contains("by password"), "{page}");
        let events = server.ok("list_audit_events", json!({"action": "sign_in:password"})).await;
        assert_eq!((&events["events"][0]["outcome"], &events["events"][0]["surface"]), (&json!("done"), &json!("web")));
        let ended = deactivate(&server, "ana@example.com").await;
        // Joining signed her in, too.
        assert_eq!(ended["ended"]["sessions"], 2, "{ended}");
        assert!(ana.me().await.is_none(), "the very next request");
        assert!(refused(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await));
        server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;
        assert!(ana.me().await.is_none(), "old sessions stay dead");
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn requirement_69_tries_that_fail_are_in_the_organizations_log() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let wrong = [("current", "not the password at all"), ("password", "another long enough one")];
        let page = ana.me().await.expect("she is in");
        let form = [("as", drawn_for(&page)), ("current", wrong[0].1.to_owned()), ("password", wrong[1].1.to_owned())];
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(ana.post("/me/password", &form).await.status, 422);
        for email in ["ana@example.com", "nobody@example.com"] {
            assert!(refused(&Browser::of(&server).by_password(&server.org, email, "not the password at all").await), "{email}");
        }
        let failed = until("both", async || {
            let events = server.ok("list_audit_events", json!({"user": "ana@example.com", "outcome": "refused"})).await;
            let events = events["events"].as_array().expect("events").clone();
            (events.len() == 2).then_some(events)
        })
        .await;
        let said: Vec<_> = failed.iter().map(|event| (event["action"].clone(), event["actor"]["kind"].clone())).collect();
        assert!(said.contains(&(json!("sign_in:password"), json!("system"))), "who it was is not known: {said:?}");
        assert!(said.contains(&(json!("password:set"), json!("user"))), "{said:?}");
        let all = server.ok("list_audit_events", json!({"outcome": "refused"})).await;
        assert_eq!(all["events"].as_array().map(Vec::len), Some(2), "nobody's address is in no organization's log");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn requirement_45_known_unknown_pending_and_deactivated_are_told_the_same() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        server.member("gone@example.com", &[]).await;
        deactivate(&server, "gone@example.com").await;
        server.ok("invite_user", json!({"email": "pending@example.com", "first_name": "P", "last_name": "P"})).await;
        let mut pages = Vec::new();
        for email in ["ana@example.com", "nobody@example.com", "pending@example.com", "gone@example.com"] {
            let browser = Browser::of(&server);
            let wrong = browser.by_password(&server.org, email, "not the password at all").await;
            assert!(refused(&wrong), "{email}");
            let asked = browser.post("/sign-in", &[("email", email), ("do", "link")]).await;
            let reset = browser.post(&format!("/sign-in/{}", server.org), &[("email", email), ("do", "reset")]).await;
            let names = |seen: &super::Seen| {
                seen.cookies.iter().map(|cookie| cookie.split('=').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
            };
            let said = |seen: &super::Seen| (seen.status, seen.location.clone(), names(seen), seen.html.replace(email, "ADDRESS"));
            pages.push([said(&wrong), said(&asked), said(&reset)]);
        }
        assert!(pages.iter().all(|page| *page == pages[0]), "{pages:#?}");
    })
    .await;
}

#[tokio::test]
async fn requirement_46_wrong_passwords_slow_strangers_down_and_not_the_browser_that_was_here_before() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        for email in ["ana@example.com", "nobody@example.com"] {
            let stranger = Browser::of(&server);
            for _ in 0..5 {
                assert!(refused(&stranger.by_password(&server.org, email, "not the password at all").await));
            }
            let waits = stranger.by_password(&server.org, email, PASSWORD).await;
            assert!(
                waits.status == 429 && waits.html.contains("Wait 1 second, or have a link sent to you."),
                "{} {}",
                waits.status,
                waits.html
            );
        }
        let again = ana.by_password(&server.org, "ana@example.com", PASSWORD).await;
        assert_eq!(again.status, 303, "her own browser has tries that strangers cannot use up");
        // A hundred in a row: the password alone opens nothing for strangers, however right it is.
        assert!(server.tamper("UPDATE sign_in_tries SET failures = 100, failed_at = failed_at - 3600000 WHERE failures >= 5").await);
        let stranger = Browser::of(&server);
        assert!(refused(&stranger.by_password(&server.org, "ana@example.com", PASSWORD).await));
        // Another way in lets the password open again, after the wait that strangers made.
        assert_eq!(stranger.by_link(&server, "ana@example.com", 2).await.status, 303);
        let other = Browser::of(&server);
        assert_eq!(other.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 429);
        assert!(server.tamper("UPDATE sign_in_tries SET failed_at = 0 WHERE failures > 90").await);
        assert_eq!(other.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
    })
    .await;
}

#[tokio::test]
async fn nobody_sees_from_outside_that_somebody_came_in() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let emails = ["ana@example.com", "nobody@example.com"];
        for email in emails {
            let stranger = Browser::of(&server);
            for _ in 0..6 {
                let seen = stranger.by_password(&server.org, email, "not the password at all").await;
                assert!(refused(&seen) || seen.status == 429, "{}", seen.html);
            }
        }
        // She comes in, by a link in a browser of her own; it is as if she had not.
        assert_eq!(Browser::of(&server).by_link(&server, "ana@example.com", 2).await.status, 303);
        assert!(server.tamper("UPDATE sign_in_tries SET failures = 8, failed_at = failed_at - 3600000 WHERE length(browser) = 0").await);
        for email in emails {
            let stranger = Browser::of(&server);
            assert!(refused(&stranger.by_password(&server.org, email, "not the password at all").await), "{email}");
            assert_eq!(stranger.by_password(&server.org, email, "not the password at all").await.status, 429, "{email}");
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_hundred_tries_a_known_address_is_told_what_an_unknown_one_is_for_ever() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let clock = Clock::manual(Clock::system().now());
        let node = Inside::beside(&server, clock.clone()).await;
        let emails = ["ana@example.com", "nobody@example.com"];
        // What three tries in a row are told: the status, and how long to wait.
        let told = async |email: &str| {
            let stranger = Browser::at(node.address());
            let mut told = Vec::new();
            for _ in 0..3 {
                let form = [("email", email), ("password", "not the password at all"), ("do", "password")];
                let answer = stranger.send(&format!("/sign-in/{}", server.org), &form).await;
                let wait = answer.headers().get("retry-after").map(|wait| wait.to_str().expect("a number").to_owned());
                told.push((answer.status().as_u16(), wait));
            }
            told
        };
        for email in emails {
            told(email).await;
        }
        // Ninety-nine, and one more for each.
        assert!(server.tamper("UPDATE sign_in_tries SET failures = 99, failed_at = failed_at - 3600000").await);
        for email in emails {
            assert_eq!(told(email).await[1..], [(429, Some("900".to_owned())), (429, Some("900".to_owned()))], "{email}");
        }
        let connection = Connection::to(&server).await;
        assert_eq!(connection.number("SELECT count(*) FROM sign_in_tries WHERE used_up = 1").await, 2);
        clock.advance(HOUR);
        assert!(refused(&Browser::at(node.address()).by_password(&server.org, emails[0], PASSWORD).await), "used up");
        assert!(refused(&Browser::at(node.address()).by_password(&server.org, emails[1], PASSWORD).await));
        // She comes in by another way; a day later, and so on, nobody sees it.
        assert_eq!(Browser::of(&server).open(&super::factors::link(&server, emails[0]).await).await.status, 303);
        assert_eq!(connection.number("SELECT count(*) FROM sign_in_tries WHERE used_up = 1").await, 1);
        for hours in [1, 24, 5 * 24, 9 * 24, 9 * 24 + 12, 10 * 24, 40 * 24] {
            clock.advance(hours * HOUR);
            assert_eq!(told(emails[0]).await, told(emails[1]).await, "{hours} hours later");
        }
        // One more in vain was enough to use it up again; for her alone the right one opens after she came in by another way.
        assert_eq!(Browser::of(&server).open(&super::factors::link(&server, emails[0]).await).await.status, 303);
        clock.advance(11 * DAY);
        assert_eq!(Browser::at(node.address()).by_password(&server.org, emails[0], PASSWORD).await.status, 303);
        assert_eq!(told(emails[0]).await, told(emails[1]).await, "nor that somebody came in by it");
        connection.close().await;
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn whoever_clicks_twice_with_the_right_password_is_in() {
    on_both(async |engine| {
        let [server, node] = two_nodes(engine, &Options::default()).await;
        server.member("ana@example.com", &[]).await;
        let connection = Connection::to(&server).await;
        let came = async || {
            let events = server.ok("list_audit_events", json!({"action": "sign_in:password", "outcome": "done", "limit": 100})).await;
            events["events"].as_array().map_or(0, Vec::len)
        };
        let door = format!("/sign-in/{}", server.org);
        for tries in [0, 5, 8] {
            // As many wrong ones by strangers, and the wait after them is over.
            let stranger = Browser::of(&server);
            assert!(tries == 0 || refused(&stranger.by_password(&server.org, "ana@example.com", "not the password at all").await));
            let sql = format!("UPDATE sign_in_tries SET failures = {tries}, failed_at = failed_at - 3600000");
            assert!(tries == 0 || server.tamper(&sql).await);
            let counted = async || {
                let rows = connection.rows("SELECT failures, failed_at FROM sign_in_tries WHERE length(browser) = 0").await;
                rows.into_iter().map(|row| (row["failures"].clone(), row["failed_at"].clone())).collect::<Vec<_>>()
            };
            let (sessions, before) = (came().await, counted().await);
            let ana = Browser::of(&server);
            assert_eq!(ana.get(&door).await.status, 200);
            let click = async || ana.by_password(&server.org, "ana@example.com", PASSWORD).await;
            let (first, second) = tokio::join!(click(), click());
            for seen in [&first, &second] {
                assert_eq!((seen.status, seen.location.as_deref()), (303, Some("/")), "{tries}: {}", seen.html);
                assert_eq!(session_in(seen), session_in(&first), "the one session");
            }
            assert!(ana.me().await.is_some());
            assert_eq!((came().await, counted().await), (sessions + 1, before), "{tries}: once, and it is no try in vain");
            // One after the other, in other browsers and on the other node: nobody has to wait for whoever was right.
            for at in [&server, &node] {
                let other = Browser::of(at);
                assert_eq!(other.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303, "{tries}");
            }
        }
        // Whoever is out by then comes in anew.
        let ana = Browser::of(&server);
        assert_eq!(ana.get(&door).await.status, 200);
        for _ in 0..2 {
            assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
            let page = ana.me().await.expect("in");
            assert_eq!(ana.post("/sign-out", &[("as", &drawn_for(&page))]).await.status, 303);
            assert!(ana.me().await.is_none());
        }
        connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn strangers_at_an_address_use_up_nobodys_way_in_from_a_browser_that_was_here() {
    on_both(async |engine| {
        let limited = Options::arguments(&["--calls-per-minute", "1200"]);
        let server = Server::quickstart_with(engine, &limited).await;
        server.member("ana@example.com", &[]).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let stranger = Browser::of(&server);
        let door = format!("/sign-in/{}", server.org);
        let mut turned_away = false;
        for n in 0..40 {
            let email = format!("nobody{n}@example.com");
            turned_away |= stranger.post(&door, &[("email", &email), ("do", "link")]).await.status == 429;
        }
        assert!(turned_away, "all of them have one address");
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        assert_eq!(Browser::of(&server).by_password(&server.org, "ana@example.com", PASSWORD).await.status, 429);
    })
    .await;
}

#[tokio::test]
async fn however_many_known_browsers_one_address_has_they_share_a_bound() {
    on_both(async |engine| {
        let server = Server::quickstart_with(engine, &Options::arguments(&["--calls-per-minute", "1200"])).await;
        let marks: Vec<_> = (0..30).map(|n| format!("{n:043}")).collect();
        for mark in &marks {
            let digest = hex(&sha256(mark.as_bytes()));
            let binary = if server.database_url().is_some() { format!("decode('{digest}', 'hex')") } else { format!("X'{digest}'") };
            let row = format!("SELECT key, {binary}, 1, {} FROM users", Clock::system().now().as_millis());
            assert!(server.tamper(&format!("INSERT INTO known_browsers (user_key, browser, first_at, last_at) {row}")).await);
        }
        // Setting out to a provider that there is not: a visit, and nothing more.
        let door = format!("{}/sign-in/{}", server.address(), server.org);
        let http = reqwest::Client::new();
        let visit = async |mark: &str| {
            let form = [("do", "sso:01900000-0000-7000-8000-000000000000")];
            let request = http.post(&door).header("cookie", format!("usher_browser={mark}")).form(&form);
            request.send().await.expect("an answer").status().as_u16() != 429
        };
        while visit("").await {}
        let mut let_in = 0;
        for mark in &marks {
            for _ in 0..30 {
                let_in += u32::from(visit(mark).await);
            }
        }
        // Each by itself would have had all of its thirty.
        assert!((300..600).contains(&let_in), "{let_in}");
    })
    .await;
}

#[tokio::test]
async fn whoever_ends_all_sessions_has_no_other_known_browser_left() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let known = async || {
            let connection = Connection::to(&server).await;
            let known = connection.number("SELECT count(*) FROM known_browsers").await;
            connection.close().await;
            known
        };
        let thief = Browser::in_by_password(&server, "ana@example.com").await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let before = known().await;
        let page = ana.me().await.expect("she is in");
        assert_eq!(ana.post("/me/sessions", &[("as", &drawn_for(&page)), ("end", "others")]).await.status, 303);
        assert!(thief.me().await.is_none());
        assert!(before >= 2 && known().await == 1, "hers alone: {before}");
    })
    .await;
}

#[tokio::test]
async fn whoever_was_deactivated_comes_back_in_a_browser_that_nobody_knows() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        server.administrator("boss@example.com").await;
        let connection = Connection::to(&server).await;
        let known = async |email: &str| {
            let sql = format!("SELECT count(*) FROM known_browsers k JOIN users u ON u.key = k.user_key WHERE u.email = '{email}'");
            connection.number(&sql).await
        };
        Browser::in_by_password(&server, "boss@example.com").await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let of_the_boss = known("boss@example.com").await;
        assert!(known("ana@example.com").await > 0 && of_the_boss > 0);
        deactivate(&server, "ana@example.com").await;
        assert_eq!((known("ana@example.com").await, known("boss@example.com").await), (0, of_the_boss), "nobody else's");
        server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(known("ana@example.com").await, 0);
        // It has no tries of its own any more: strangers have used up everybody's.
        let stranger = Browser::of(&server);
        for _ in 0..5 {
            assert!(refused(&stranger.by_password(&server.org, "ana@example.com", "not the password at all").await));
        }
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 429);
        connection.close().await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_types_is_answered_alike_on_both_databases() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let browser = Browser::of(&server);
        assert_eq!(browser.get("/sign-in/a%00b").await.status, 404);
        let elsewhere = browser.post("/sign-in", &[("do", "organization"), ("organization", "my\0org")]).await;
        assert_ne!(elsewhere.status, 503, "{}", elsewhere.html);
        assert!(refused(&browser.by_password(&server.org, "a\0b@example.com", PASSWORD).await));
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let page = ana.me().await.expect("she is in");
        let gone = ana.post("/me/identities", &[("as", &drawn_for(&page)), ("issuer", "a\0"), ("subject", "b\0")]).await;
        assert!(gone.status < 500, "{}", gone.html);
    })
    .await;
}

#[tokio::test]
async fn a_try_that_a_busy_server_does_not_look_at_is_not_counted() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let node = Inside::beside(&server, Clock::system()).await;
        let mut places = Vec::new();
        while let Ok(place) = node.app.hasher.place() {
            places.push(place);
        }
        let ana = Browser::at(node.address());
        for _ in 0..10 {
            let busy = ana.by_password(&server.org, "ana@example.com", PASSWORD).await;
            assert!(busy.status == 429 && busy.html.contains("The server is busy. Wait 1 second, then try again."), "{}", busy.html);
        }
        drop(places);
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn requirement_44_an_older_hash_opens_and_is_made_anew() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let old = {
            use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
            let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).expect("parameters"));
            hasher.hash_password(PASSWORD.as_bytes()).expect("a hash").to_string()
        };
        assert!(server.tamper(&format!("UPDATE users SET password_hash = '{old}' WHERE email = 'ana@example.com'")).await);
        assert_eq!(Browser::of(&server).by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        let connection = Connection::to(&server).await;
        let row = connection.rows("SELECT password_hash FROM users WHERE email = 'ana@example.com'").await.remove(0);
        connection.close().await;
        assert!(row["password_hash"].as_deref().is_some_and(|hash| hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")), "{row:?}");
        assert_eq!(Browser::of(&server).by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
    })
    .await;
}

#[tokio::test]
async fn two_nodes_share_sessions_and_tries() {
    on_both(async |engine| {
        let [one, two] = two_nodes(engine, &Options::default()).await;
        one.member("ana@example.com", &[]).await;
        let ana = Browser::of(&one);
        assert_eq!(ana.by_password(&one.org, "ana@example.com", PASSWORD).await.status, 303);
        let there = ana.get(&format!("{}/me", two.address())).await;
        assert_eq!(there.status, 200);
        let stranger = Browser::of(&one);
        for node in [&one, &two, &one, &two, &one] {
            let place = format!("{}/sign-in/{}", node.address(), one.org);
            let form = [("email", "ana@example.com"), ("password", "not the password at all"), ("do", "password")];
            assert!(refused(&stranger.post(&place, &form).await));
        }
        assert_eq!(
            stranger
                .post(
                    &format!("{}/sign-in/{}", two.address(), one.org),
                    &[("email", "ana@example.com"), ("password", PASSWORD), ("do", "password")]
                )
                .await
                .status,
            429
        );
        deactivate(&one, "ana@example.com").await;
        assert_eq!(ana.get(&format!("{}/me", two.address())).await.status, 303, "out on the other node, too");
    })
    .await;
}

#[tokio::test]
async fn a_right_password_leaves_the_waits_of_strangers_as_they_were() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let clock = Clock::manual(Clock::system().now());
        let node = Inside::beside(&server, clock.clone()).await;
        let emails = ["ana@example.com", "nobody@example.com"];
        let tries = async |email: &str| {
            let stranger = Browser::at(node.address());
            let mut told = Vec::new();
            for _ in 0..2 {
                told.push(stranger.by_password(&server.org, email, "not the password at all").await.status);
            }
            told
        };
        for email in emails {
            tries(email).await;
        }
        assert!(server.tamper("UPDATE sign_in_tries SET failures = 8").await);
        // She comes in from a new browser nine tenths of a day later; six tenths after that nobody sees it.
        clock.advance(DAY / 10 * 9);
        assert_eq!(Browser::at(node.address()).by_password(&server.org, emails[0], PASSWORD).await.status, 303);
        clock.advance(DAY / 10 * 6);
        assert_eq!(tries(emails[0]).await, tries(emails[1]).await);
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn browsers_are_forgotten_after_as_long_as_they_keep_their_mark() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        let node = Inside::silent(&server, Clock::system()).await;
        let connection = Connection::to(&server).await;
        let known = "SELECT count(*) FROM known_browsers";
        let before = connection.number(known).await;
        for (days, left) in [(399, before), (2, 0)] {
            assert!(server.tamper(&format!("UPDATE known_browsers SET last_at = last_at - {}", days * DAY)).await);
            server::sweep(&node.app).await.expect("a round");
            assert_eq!(connection.number(known).await, left, "{days}");
        }
        assert!(before > 0);
        connection.close().await;
    })
    .await;
}
