//! Second clicks on what lets its browser in: nothing is used up without anybody coming in by it.

use super::{
    Browser, Seen, drawn_for,
    own::session_in,
    second_factor::{PLACE, copied, now, secret_on, steps_pass, with_factor},
    with_ana,
};
use crate::common::{PASSWORD, Server, on_both};

const ANOTHER: &str = "seven green ladders lean on the moon";

/// Two clicks on the same button: what came of each.
async fn twice(browser: &Browser, path: &str, form: &[(&str, &str)]) -> [Seen; 2] {
    tokio::join!(browser.post(path, form), browser.post(path, form)).into()
}

/// Both lead here, and hold the one session that was opened.
fn in_once(seen: &[Seen; 2], place: &str) {
    for one in seen {
        assert_eq!((one.status, one.location.as_deref()), (303, Some(place)), "{}", one.html);
        assert_eq!(session_in(one), session_in(&seen[0]));
    }
}

/// The page of a link, in a browser that opens it.
async fn page_of(browser: &Browser, link: &str) -> String {
    let place = browser.get(link).await.location.expect("a place");
    assert_eq!(browser.get(&place).await.status, 200);
    place
}

async fn sign_ins(server: &Server, way: &str) -> usize {
    let asked = serde_json::json!({"action": format!("sign_in:{way}"), "outcome": "done", "limit": 100});
    server.ok("list_audit_events", asked).await["events"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn whoever_clicks_twice_on_a_link_is_in_by_it() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let made = server.cli(&["sign-in-link", "--org", &server.org, "--user", "ana@example.com", "--json"]).await;
        let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
        let ana = Browser::of(&server);
        let place = page_of(&ana, &format!("/link/{token}")).await;
        in_once(&twice(&ana, &place, &[("do", "go")]).await, "/");
        assert!(ana.me().await.is_some());
        assert_eq!(sign_ins(&server, "operator_link").await, 1);
        // A mailed one, which was asked for by two clicks, too: either mail opens.
        let ana = Browser::of(&server);
        assert_eq!(ana.get("/sign-in").await.status, 200);
        for seen in twice(&ana, "/sign-in", &[("email", "ana@example.com"), ("do", "link")]).await {
            assert_eq!(seen.status, 200, "{}", seen.html);
        }
        for mail in [2, 3] {
            let place = page_of(&ana, &server.newest_link_to("ana@example.com", mail).await).await;
            if mail == 3 {
                in_once(&twice(&ana, &place, &[("do", "go")]).await, "/");
            }
        }
        assert_eq!(sign_ins(&server, "link").await, 1);
        // A new password.
        let ana = Browser::of(&server);
        let door = format!("/sign-in/{}", server.org);
        ana.post(&door, &[("email", "ana@example.com"), ("do", "reset")]).await;
        let place = page_of(&ana, &server.newest_link_to("ana@example.com", 4).await).await;
        in_once(&twice(&ana, &place, &[("password", ANOTHER), ("do", "go")]).await, "/");
        assert!(ana.me().await.is_some());
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn whoever_clicks_twice_on_a_new_password_has_it() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let drawn = drawn_for(&ana.me().await.expect("in"));
        let form = [("as", drawn.as_str()), ("current", PASSWORD), ("password", ANOTHER)];
        in_once(&twice(&ana, "/me/password", &form).await, "/me");
        assert!(ana.me().await.is_some());
        assert_eq!(Browser::of(&server).by_password(&server.org, "ana@example.com", ANOTHER).await.status, 303);
    })
    .await;
}

#[tokio::test]
async fn whoever_clicks_twice_on_a_code_has_used_one_and_sees_the_recovery_codes() {
    on_both(async |engine| {
        let (server, secret, codes) = with_factor(engine).await;
        for code in [secret.code(now()), codes[0].clone()] {
            let ana = Browser::in_by_password(&server, "ana@example.com").await;
            let drawn = drawn_for(&ana.get(PLACE).await.html);
            in_once(&twice(&ana, PLACE, &[("as", &drawn), ("do", "pass"), ("code", &code)]).await, "/");
            assert!(ana.me().await.is_some_and(|page| page.contains("Test Person")));
            steps_pass(&server).await;
        }
        let connection = crate::common::database::Connection::to(&server).await;
        assert_eq!(connection.number("SELECT count(*) FROM sign_in_tries WHERE failures > 0").await, 0, "none counts as a wrong one");
        connection.close().await;
        // Setting one up: the first answer is lost, and the codes are shown in the second.
        server.member("bo@example.com", &[]).await;
        let bo = Browser::in_by_password(&server, "bo@example.com").await;
        let begun = bo.factor(PLACE, "begin", "").await;
        let (drawn, code) = (drawn_for(&begun.html), secret_on(&begun.html).code(now()));
        let [first, second] = twice(&bo, PLACE, &[("as", &drawn), ("do", "confirm"), ("code", &code)]).await;
        assert_eq!((first.status, second.status), (200, 200), "{} {}", first.html, second.html);
        let shown = copied(&second.html, "Recovery codes");
        assert!(shown.lines().count() == 10 && shown == copied(&first.html, "Recovery codes"));
        assert!(bo.me().await.is_some());
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}
