//! What is one's own: names, password, sessions. It needs no permission.

use super::{Browser, drawn_for, refused, second_organization, with_ana};
use crate::common::{PASSWORD, Server, database::Connection, inside::Inside, on_both};
use serde_json::json;
use usher_mcp::domain::{Clock, DAY, HOUR};

/// The value of the session's cookie that an answer sets.
pub(super) fn session_in(seen: &super::Seen) -> String {
    let cookie = seen.cookies.iter().find(|cookie| cookie.starts_with("usher_session=")).expect("a session");
    cookie.split(';').next().unwrap_or_default().to_owned()
}

async fn in_as_ana(server: &Server) -> (Browser, String) {
    let ana = Browser::of(server);
    assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
    let drawn = drawn_for(&ana.me().await.expect("she is in"));
    (ana, drawn)
}

#[tokio::test]
async fn b08_ones_own_name_needs_no_permission_and_nothing_typed_is_lost() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (ana, drawn) = in_as_ana(&server).await;
        assert_eq!(ana.post("/me/name", &[("as", &drawn), ("first_name", "Zoë"), ("last_name", "Núñez")]).await.status, 303);
        assert!(ana.me().await.is_some_and(|page| page.contains("Zoë Núñez")));
        let wrong = ana.post("/me/name", &[("as", &drawn), ("first_name", ""), ("last_name", "Kept")]).await;
        assert!(wrong.status == 422 && wrong.html.contains("value=\"Kept\""), "{}", wrong.html);
        for form in [vec![("first_name", "No")], vec![("as", "nobody"), ("first_name", "No")]] {
            assert_eq!(ana.post("/me/name", &form).await.status, 409, "a form says whose it is");
        }
        let person = server.ok("get_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(person["user"]["first_name"], "Zoë");
    })
    .await;
}

#[tokio::test]
async fn what_was_done_is_said_once_in_the_browser_that_did_it_and_by_no_link() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (ana, drawn) = in_as_ana(&server).await;
        let (other, _) = in_as_ana(&server).await;
        let says = async |browser: &Browser, path: &str| browser.get(path).await.html.contains("role=\"status\"");
        for link in ["/me?done=password", "/me?done=name", "/me?usher_done=name", "/settings/second-factor?done=reset"] {
            assert!(!says(&ana, link).await, "{link}");
        }
        let done = ana.post("/me/name", &[("as", &drawn), ("first_name", "Zoë"), ("last_name", "Núñez")]).await;
        assert_eq!((done.status, done.location.as_deref()), (303, Some("/me")));
        let cookie = done.cookies.iter().find(|cookie| cookie.starts_with("usher_done=")).expect("a word for the next page");
        assert!(cookie.contains("HttpOnly") && cookie.contains("Max-Age=60") && cookie.contains("SameSite=Lax"), "{cookie}");
        assert!(!says(&other, "/me").await, "another browser of the same person");
        assert!(ana.get("/me").await.html.contains("Your name is saved."));
        assert!(!says(&ana, "/me").await, "a second look");
        // What was refused leaves no word.
        assert_eq!(ana.post("/me/name", &[("as", &drawn), ("first_name", ""), ("last_name", "")]).await.status, 422);
        assert!(!says(&ana, "/me").await);
    })
    .await;
}

#[tokio::test]
async fn requirement_47_a_new_password_needs_the_old_one_and_ends_all_other_sessions() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (ana, drawn) = in_as_ana(&server).await;
        let (other, _) = in_as_ana(&server).await;
        let new = "nine quiet herons read the tide";
        let form = |current: &'static str, password: &'static str| {
            [("as", drawn.clone()), ("current", current.to_owned()), ("password", password.to_owned())]
        };
        let send = async |form: [(&str, String); 3]| {
            let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            ana.post("/me/password", &form).await
        };
        let wrong = send(form("not the password at all", new)).await;
        assert!(wrong.status == 422 && wrong.html.contains("This is not your current password"), "{}", wrong.html);
        let weak = send(form(PASSWORD, "short")).await;
        assert!(weak.status == 422 && weak.html.contains("fewer than 15 characters"), "{}", weak.html);
        assert!(other.me().await.is_some());
        assert_eq!(send(form(PASSWORD, new)).await.status, 303);
        assert!(ana.me().await.is_some() && other.me().await.is_none());
        assert!(refused(&other.by_password(&server.org, "ana@example.com", PASSWORD).await));
        assert_eq!(other.by_password(&server.org, "ana@example.com", new).await.status, 303);
    })
    .await;
}

#[tokio::test]
async fn requirement_46_the_current_password_is_guessed_no_faster_whatever_mark_is_sent_along() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        let session = session_in(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await);
        let drawn = drawn_for(&ana.me().await.expect("she is in"));
        let copy = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let guess = async |mark: usize, current: &str| {
            let form = [("as", drawn.as_str()), ("current", current), ("password", "nine quiet herons read the tide")];
            let request = copy.post(format!("{}/me/password", server.address())).form(&form);
            let request = request.header("cookie", format!("{session}; usher_browser={mark:043}"));
            super::Seen::of(request.send().await.expect("an answer")).await
        };
        for mark in 0..5 {
            assert!(guess(mark, "not the password at all").await.html.contains("This is not your current password"), "{mark}");
        }
        let waits = guess(6, PASSWORD).await;
        assert!(waits.status == 422 && waits.html.contains("Too many tries in a row. Wait 1 second."), "{}", waits.html);
        assert!(server.tamper("UPDATE sign_in_tries SET failures = 100, failed_at = 0").await);
        let locked = guess(7, PASSWORD).await;
        assert!(locked.status == 422 && locked.html.contains("Too many wrong passwords in a row"), "{}", locked.html);
        // Who signs in anew has another session, and another count.
        let (anew, _) = in_as_ana(&server).await;
        let form = [("as", drawn.as_str()), ("current", PASSWORD), ("password", "nine quiet herons read the tide")];
        assert_eq!(anew.post("/me/password", &form).await.status, 303);
    })
    .await;
}

#[tokio::test]
async fn requirement_62_a_new_password_gives_the_session_a_new_value_and_ends_reset_links() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        let before = session_in(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await);
        let door = format!("/sign-in/{}", server.org);
        assert_eq!(ana.post(&door, &[("email", "ana@example.com"), ("do", "reset")]).await.status, 200);
        let link = server.newest_link_to("ana@example.com", 2).await;
        assert_eq!(ana.get(&link).await.status, 303, "it is good");
        let drawn = drawn_for(&ana.me().await.expect("she is in"));
        let new = "nine quiet herons read the tide";
        let changed = ana.post("/me/password", &[("as", &drawn), ("current", PASSWORD), ("password", new)]).await;
        assert_eq!(changed.status, 303, "{}", changed.html);
        assert_ne!(session_in(&changed), before);
        assert!(ana.me().await.is_some() && Browser::of(&server).me_with(&before).await.is_none());
        let dead = ana.get(&link).await;
        assert!(dead.status == 410 && dead.html.contains("A new password was chosen since"), "{}", dead.html);
        assert_eq!(ana.post(&link, &[("password", "twelve calm herons mend nets"), ("do", "go")]).await.status, 410);
        assert_eq!(Browser::of(&server).by_password(&server.org, "ana@example.com", new).await.status, 303);
    })
    .await;
}

#[tokio::test]
async fn requirement_62_a_session_has_a_new_value_at_each_sign_in_and_ends_by_itself() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        let value =
            |seen: &super::Seen| seen.cookies.iter().find(|cookie| cookie.starts_with("usher_session=")).cloned().expect("a session");
        let first = value(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await);
        let second = value(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await);
        assert_ne!(first, second);
        let with_the_old_one =
            server.http.get(format!("{}/me", server.address())).header("cookie", first.split(';').next().unwrap_or_default());
        assert!(with_the_old_one.send().await.expect("an answer").url().path().ends_with("/sign-in"), "the value before opens nothing");
        // A value from before the sign-in, planted by somebody, does not come alive by it.
        for (column, back) in [("last_used_at", 3_600_000), ("expires_at", 86_400_000)] {
            assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
            assert!(ana.me().await.is_some());
            let sql =
                format!("UPDATE credentials SET {column} = {column} - {back}, created_at = created_at - {back} WHERE kind = 'session'");
            assert!(server.tamper(&sql).await);
            assert!(ana.me().await.is_none(), "{column}");
        }
    })
    .await;
}

/// The operator's link for Ana in another organization.
pub(super) async fn link_into(server: &Server, org: &str) -> String {
    let made = server.cli(&["sign-in-link", "--org", org, "--user", "ana@example.com", "--json"]).await;
    let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
    format!("{}/link/{token}", server.address())
}

#[tokio::test]
async fn one_ends_ones_own_sessions_and_nobody_elses() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        server.member("bob@example.com", &[]).await;
        let (ana, drawn) = in_as_ana(&server).await;
        let (second, _) = in_as_ana(&server).await;
        let bob = Browser::of(&server);
        assert_eq!(bob.by_password(&server.org, "bob@example.com", PASSWORD).await.status, 303);
        let connection = Connection::to(&server).await;
        let column = if server.database_url().is_some() { "c.id::text" } else { "hex(c.id)" };
        let bobs = connection
            .rows(&format!(
                "SELECT {column} AS id FROM credentials c JOIN users u ON u.key = c.user_key WHERE u.email = 'bob@example.com' AND c.kind = 'session'"
            ))
            .await;
        connection.close().await;
        for row in bobs {
            let id = row["id"].clone().expect("an id");
            let id = uuid::Uuid::parse_str(&id).expect("an id").to_string();
            assert_eq!(ana.post("/me/sessions", &[("as", &drawn), ("end", &id)]).await.status, 303);
        }
        assert!(bob.me().await.is_some(), "another's session is none of hers");
        assert_eq!(ana.post("/me/sessions", &[("as", &drawn), ("end", "others")]).await.status, 303);
        assert!(ana.me().await.is_some() && second.me().await.is_none());
        assert_eq!(ana.post("/sign-out", &[("as", &drawn)]).await.location.as_deref(), Some("/sign-in"));
        assert!(ana.me().await.is_none() && bob.me().await.is_some());
        let (ana, drawn) = in_as_ana(&server).await;
        let (second, _) = in_as_ana(&server).await;
        assert_eq!(ana.post("/me/sessions", &[("as", &drawn), ("end", "all")]).await.status, 303);
        assert!(ana.me().await.is_none() && second.me().await.is_none() && bob.me().await.is_some());
    })
    .await;
}

#[tokio::test]
async fn r_b58_a_promotion_shows_in_an_open_browser_with_the_next_page() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (ana, _) = in_as_ana(&server).await;
        for role in ["Administrator", "User"] {
            server.ok("update_user", json!({"user": "ana@example.com", "role": role})).await;
            let page = ana.me().await.expect("she is in");
            assert!(page.contains(&format!("{role} at <bdi>My organization</bdi>")), "{page}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_goes_back_shows_what_was_chosen_last_and_keeps_no_proof_fresh() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let second = second_organization(&server).await;
        let link = link_into(&server, &second).await;
        let clock = Clock::manual(Clock::system().now());
        let node = Inside::beside(&server, clock.clone()).await;
        let ana = Browser::at(node.address());
        assert_eq!(ana.open(&link).await.status, 303);
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        let switch = async || {
            let page = ana.me().await.expect("in");
            let to = page.split("name=\"to\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a switch").to_owned();
            assert_eq!(ana.post("/me/switch", &[("as", &drawn_for(&page)), ("to", &to)]).await.status, 303);
        };
        let right = clock.now();
        clock.advance(HOUR / 2);
        switch().await;
        switch().await;
        clock.set(right);
        let looks_at = async |name: &str| ana.me().await.is_some_and(|page| page.contains(&format!(" at <bdi>{name}</bdi>")));
        assert!(looks_at("My organization").await);
        // Proved half an hour ahead: nobody knows how long ago that is.
        let place = "/me/second-factor";
        assert!(server.tamper("UPDATE credentials SET proved_at = proved_at + 1800000 WHERE kind = 'session'").await);
        assert_eq!(ana.factor(place, "begin", "").await.status, 422);
        for name in ["Second", "My organization", "Second"] {
            switch().await;
            assert!(looks_at(name).await, "{name}");
        }
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        assert!(looks_at("My organization").await, "who signs in is looked at");
        assert_eq!(ana.factor(place, "begin", "").await.status, 200);
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_made_while_the_clock_was_ahead_opens_nothing_once_it_is_right() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let clock = Clock::manual(Clock::system().now());
        let node = Inside::beside(&server, clock.clone()).await;
        let right = clock.now();
        clock.advance(20 * DAY);
        let ana = Browser::at(node.address());
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        assert!(ana.me().await.is_some());
        clock.set(right);
        assert!(ana.me().await.is_none());
        node.stop().await;
        // Nor does a link that would have lived for ten minutes.
        let link = link_into(&server, &server.org).await;
        let later = 20 * DAY;
        let ahead = format!("UPDATE links SET sent_at = sent_at + {later}, expires_at = expires_at + {later} WHERE kind = 'operator'");
        assert!(server.tamper(&ahead).await);
        assert_eq!(Browser::of(&server).get(&link).await.status, 410);
    })
    .await;
}

#[tokio::test]
async fn a_demotion_where_sso_is_required_ends_what_began_without_it_for_good() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for email in ["boss@example.com", "other@example.com"] {
            server.administrator(email).await;
        }
        let boss = Browser::in_by_password(&server, "boss@example.com").await;
        assert!(server.tamper("UPDATE organizations SET settings = '{\"sso_required\": true}'").await);
        assert!(boss.me().await.is_some(), "for the day on which the provider fails");
        for role in ["User", "Administrator"] {
            server.ok("update_user", json!({"user": "boss@example.com", "role": role})).await;
            assert!(boss.me().await.is_none(), "{role}");
        }
        assert!(Browser::in_by_password(&server, "boss@example.com").await.me().await.is_some());
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}
