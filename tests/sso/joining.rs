//! Accepting an invite through the organization's provider.

use super::{get, invite, joined_up, log_of, me, post, status, through_the_door, via};
use crate::common::{
    Engine, PASSWORD, Server,
    database::Connection,
    oidc::{Idp, browser},
    on_both, until,
};
use reqwest::Client;
use serde_json::{Value, json};

/// How many people are known to read their mailbox.
async fn reading(server: &Server) -> i64 {
    let connection = Connection::to(server).await;
    let reading = connection.number("SELECT count(*) FROM users WHERE mailbox_read_at IS NOT NULL").await;
    connection.close().await;
    reading
}

#[tokio::test]
async fn b10_an_invite_leads_to_the_organizations_provider_and_joins_only_after_it() {
    on_both(async |engine| {
        let (server, _idp, connection) = joined_up(engine).await;
        let link = invite(&server, "ana@example.com").await;
        let browser = browser();
        let opened = get(&browser, &link).await;
        assert!(
            opened.html.contains("Join with <bdi>Example Login</bdi>") && !opened.html.contains("type=\"password\""),
            "{}",
            opened.html
        );

        let back = via(&browser, &opened.place, &connection, "ana").await;
        assert_eq!((back.status, back.heading()), (200, "You are invited"), "{}", back.html);
        assert!(!back.place.contains("code=") && !back.place.contains("state="), "no secret in the address: {}", back.place);
        // The invited names stand in the form; the provider's are a suggestion (B08).
        assert!(back.html.contains("value=\"Ana\"") && back.html.contains("value=\"Ruiz\"") && back.html.contains("Anna Provider"));
        // Looking changes nothing, however often.
        assert_eq!(get(&browser, &back.place).await.status, 200);
        assert_eq!(status(&server, "ana@example.com").await, "pending");
        assert!(me(&browser, &server).await.is_none());

        let wrong = post(&browser, &back.place, &[("do", "go"), ("first_name", ""), ("last_name", "Ruiz")]).await;
        assert_eq!(wrong.status, 422, "{}", wrong.html);
        let joined = post(&browser, &back.place, &[("do", "go"), ("first_name", "Ana Lena"), ("last_name", "Ruiz")]).await;
        assert_eq!((joined.status, joined.location.as_deref()), (303, Some("/me")), "{}", joined.html);
        assert!(me(&browser, &server).await.unwrap().contains("Ana Lena Ruiz"));
        let user = server.ok("get_user", json!({"user": "ana@example.com"})).await["user"].clone();
        assert_eq!((&user["status"], &user["first_name"]), (&json!("active"), &json!("Ana Lena")));
        assert_eq!(user["email"], "ana@example.com");
        let log = log_of(&server, "ana@example.com").await;
        for action in ["invite:accepted", "sign_in:sso"] {
            assert!(log.contains(&(action.to_owned(), "done".to_owned())), "{log:?}");
        }

        // Whoever had the link reads the mailbox that it went to.
        assert_eq!(reading(&server).await, 1);

        // From then on the identity opens the account, in any browser; the link is used up.
        let elsewhere = super::oidc::browser();
        let back = through_the_door(&elsewhere, &server, &connection, "ana").await;
        assert_eq!((back.status, back.heading()), (200, "Sign in"), "{}", back.html);
        assert!(me(&elsewhere, &server).await.is_none(), "nothing before the button");
        assert_eq!(post(&elsewhere, &back.place, &[("do", "go")]).await.location.as_deref(), Some("/"));
        assert!(me(&elsewhere, &server).await.unwrap().contains("Ana Lena"));
        assert!(get(&super::oidc::browser(), &link).await.html.contains("You have already joined"));
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn another_address_does_not_open_an_invite_and_leaves_it_as_it_was() {
    on_both(async |engine| {
        let (server, _idp, connection) = joined_up(engine).await;
        let link = invite(&server, "ana@example.com").await;
        let browser = browser();
        let place = get(&browser, &link).await.place;
        let back = via(&browser, &place, &connection, "eve").await;
        assert_eq!((back.status, back.heading()), (403, "Another address"), "{}", back.html);
        // Whoever holds a forwarded link is not told whose it is, and it is in the log that they came (R-B59).
        assert!(back.html.contains("a…@example.com") && back.html.contains("eve@elsewhere.example"), "{}", back.html);
        assert!(!back.html.contains("ana@example.com"), "{}", back.html);
        let refused = ("invite:accepted".to_owned(), "refused".to_owned());
        until("the attempt", async || log_of(&server, "ana@example.com").await.contains(&refused).then_some(())).await;
        // A form made by hand does nothing either.
        assert_eq!(post(&browser, &back.place, &[("do", "go"), ("first_name", "E"), ("last_name", "E")]).await.status, 403);
        assert_eq!(status(&server, "ana@example.com").await, "pending");
        // The way on: another account of the provider's, which is asked for.
        let again = post(&browser, &back.place, &[("do", "again")]).await;
        let onward = again.onward();
        assert!(onward.contains("prompt=login") && onward.contains("login_hint=ana%40example.com"), "{onward}");
        let back = get(&browser, super::oidc::sign_in(&browser, &onward, "ana").await.as_str()).await;
        let joined = post(&browser, &back.place, &[("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")]).await;
        assert_eq!(joined.location.as_deref(), Some("/me"), "{}", joined.html);
        assert_eq!(status(&server, "ana@example.com").await, "active");
    })
    .await;
}

#[tokio::test]
async fn r_b113_an_address_that_is_not_verified_joins_nothing() {
    let (server, _idp, connection) = joined_up(Engine::Sqlite).await;
    for (person, email) in
        [("bo", "bo@example.com"), ("cy", "cy@example.com"), ("nobody", "nobody@example.com"), ("odd", "odd@example.com")]
    {
        let link = invite(&server, email).await;
        let browser = browser();
        let place = get(&browser, &link).await.place;
        let back = via(&browser, &place, &connection, person).await;
        assert_eq!((back.status, back.heading()), (403, "Your address is not verified"), "{person}: {}", back.html);
        assert_eq!(through_the_door(&browser, &server, &connection, person).await.status, 403);
        assert_eq!(status(&server, email).await, "pending");
    }
}

/// A server whose organization is connected to a provider that says what it is told.
async fn with_a_liar(engine: Engine) -> (Server, Idp, String) {
    let server = super::server(engine).await;
    let idp = Idp::liar().await;
    let connection = super::connect(&server, &server.org, &idp.issuer, "secret").await;
    (server, idp, connection)
}

/// Comes back from the liar to the organization's door, as these claims say.
async fn claims(browser: &Client, (server, idp, connection): &(Server, Idp, String), claims: Value) -> super::Seen {
    let door = format!("{}/sign-in/{}", server.address(), server.org);
    super::via_liar(browser, &door, &server.address(), (idp, connection), &json!({"claims": claims})).await
}

#[tokio::test]
async fn r_b113_nothing_but_true_makes_an_address_count() {
    on_both(async |engine| {
        let world = with_a_liar(engine).await;
        let arguments = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "role": "Administrator"});
        world.0.ok("invite_user", arguments).await;
        for said in [json!(false), Value::Null, json!("true"), json!("false"), json!(1)] {
            let browser = browser();
            let back = claims(&browser, &world, json!({"email_verified": said})).await;
            assert_eq!((back.status, back.heading()), (403, "Your address is not verified"), "{said}: {}", back.html);
            post(&browser, &back.place, &[("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")]).await;
            assert_eq!(status(&world.0, "ana@example.com").await, "pending", "{said}");
            assert!(me(&browser, &world.0).await.is_none(), "{said}");
        }
        let browser = browser();
        let back = claims(&browser, &world, json!({"email_verified": true})).await;
        assert_eq!(back.heading(), "You are invited", "{}", back.html);
    })
    .await;
}

#[tokio::test]
async fn r_b118_what_a_provider_says_of_somebody_is_a_suggestion_within_our_rules() {
    on_both(async |engine| {
        let world = with_a_liar(engine).await;
        let server = &world.0;
        server.ok("invite_user", json!({"email": "kim@example.com", "first_name": "Kim", "last_name": "Vale"})).await;
        invite(server, "ana@example.com").await;
        let (browser, long) = (browser(), "A".repeat(101));
        let mut back = None;
        for odd in [
            json!({"given_name": "Anna\r\nBcc: eve@evil.example", "family_name": "Ruiz"}),
            json!({"given_name": "<img src=x onerror=alert(1)>", "family_name": "<b>Ruiz</b>"}),
            json!({"given_name": "Anna\u{202e}evil", "family_name": "Ru\u{0}iz"}),
            json!({"given_name": null, "family_name": null}),
            json!({"given_name": ["Anna"], "family_name": 7}),
            json!({"given_name": "A".repeat(2000), "family_name": "Ruiz"}),
            json!({"picture": "p".repeat(10_240)}),
        ] {
            let seen = claims(&browser, &world, odd.clone()).await;
            assert_eq!((seen.status, seen.heading()), (200, "You are invited"), "{odd}: {}", seen.html);
            assert!(seen.html.contains("value=\"Ana\"") && seen.html.contains("value=\"Ruiz\""), "{odd}: the invited names stand there");
            for evil in ["<img", "<b>Ruiz", "\u{202e}", "\0", "\r", "Anna\nBcc", long.as_str()] {
                assert!(!seen.html.contains(evil), "{odd}: {evil:?} in {}", seen.html);
            }
            back = Some(seen);
        }
        for address in [json!(["ana@example.com"]), json!("ana@example.com\r\nRCPT TO:<eve@evil.example>"), json!(7), Value::Null] {
            let seen = claims(&super::oidc::browser(), &world, json!({"email": address})).await;
            assert_eq!((seen.status, seen.heading()), (403, "Your address is not verified"), "{address}: {}", seen.html);
        }
        let form = [("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")];
        let joined = post(&browser, &back.expect("she came back").place, &form).await;
        assert_eq!(joined.location.as_deref(), Some("/me"), "{}", joined.html);
        // Later the provider gives her another member's address, verified or not, and other names: hers stay.
        for verified in [true, false] {
            let said = json!({"email": "kim@example.com", "email_verified": verified, "given_name": "Kim", "family_name": "Vale"});
            let back = claims(&browser, &world, said).await;
            assert_eq!(back.heading(), "Sign in", "{}", back.html);
            assert_eq!(post(&browser, &back.place, &[("do", "go")]).await.location.as_deref(), Some("/"));
            let user = server.ok("get_user", json!({"user": "ana@example.com"})).await["user"].clone();
            assert_eq!((&user["first_name"], &user["last_name"], &user["status"]), (&json!("Ana"), &json!("Ruiz"), &json!("active")));
            assert_eq!(status(server, "kim@example.com").await, "pending");
        }
        assert_eq!(server.ok("list_users", json!({})).await["total"], 3);
    })
    .await;
}

#[tokio::test]
async fn r_b02_r_b116_the_door_joins_too_where_an_invite_waits_whatever_the_case_of_the_address() {
    on_both(async |engine| {
        let (server, _idp, connection) = joined_up(engine).await;
        let link = invite(&server, "kim.vale@example.com").await;
        // Opening the invite, and stopping at the provider, changes nothing.
        let stopped = browser();
        let place = get(&stopped, &link).await.place;
        let out = post(&stopped, &place, &[("do", &format!("sso:{connection}"))]).await;
        assert!(out.onward().starts_with("http"));
        assert_eq!(status(&server, "kim.vale@example.com").await, "pending");
        // The door works the next day, without the link.
        let browser = browser();
        let back = through_the_door(&browser, &server, &connection, "kim").await;
        assert_eq!((back.status, back.heading()), (200, "You are invited"), "{}", back.html);
        assert_eq!(status(&server, "kim.vale@example.com").await, "pending");
        let joined = post(&browser, &back.place, &[("do", "go"), ("first_name", "Kim"), ("last_name", "Vale")]).await;
        assert_eq!(joined.location.as_deref(), Some("/me"), "{}", joined.html);
        let users = server.ok("list_users", json!({"query": "kim.vale"})).await;
        assert_eq!((&users["total"], &users["users"][0]["email"]), (&json!(1), &json!("kim.vale@example.com")));
        assert_eq!(users["users"][0]["status"], "active");
        assert_eq!(reading(&server).await, 0, "nobody has shown that they read it");
    })
    .await;
}

#[tokio::test]
async fn an_invite_that_has_ended_says_so_at_the_door() {
    on_both(async |engine| {
        let (server, _idp, connection) = joined_up(engine).await;
        invite(&server, "ana@example.com").await;
        let age = "UPDATE links SET sent_at = sent_at - 604801000, expires_at = expires_at - 604801000 WHERE ended_at IS NULL";
        assert!(server.tamper(age).await);
        let browser = browser();
        let back = through_the_door(&browser, &server, &connection, "ana").await;
        assert_eq!((back.status, back.heading()), (410, "This invite has expired"), "{}", back.html);
        post(&browser, &back.place, &[("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")]).await;
        assert_eq!(status(&server, "ana@example.com").await, "pending");
        // A stranger to the organization is told just that.
        let stranger = through_the_door(&super::oidc::browser(), &server, &connection, "eve").await;
        assert_eq!((stranger.status, stranger.heading()), (403, "You are not invited"), "{}", stranger.html);
    })
    .await;
}

#[tokio::test]
async fn an_invite_that_changed_while_its_person_was_at_the_provider_is_what_it_is_now() {
    on_both(async |engine| {
        let (server, _idp, connection) = joined_up(engine).await;
        let link = invite(&server, "ana@example.com").await;
        let out_from = async |link: &str| {
            let browser = browser();
            let place = get(&browser, link).await.place;
            let out = post(&browser, &place, &[("do", &format!("sso:{connection}"))]).await;
            (browser, out.onward())
        };
        let (taken_back, onward) = out_from(&link).await;
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        let back = get(&taken_back, super::oidc::sign_in(&taken_back, &onward, "ana").await.as_str()).await;
        assert_eq!((back.status, back.heading()), (410, "This invite was withdrawn"), "{}", back.html);
        server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;

        // One that was sent again waits for the same address.
        let link = server.newest_link_to("ana@example.com", 2).await;
        let (browser, onward) = out_from(&link).await;
        server.ok("resend_invite", json!({"user": "ana@example.com"})).await;
        let back = get(&browser, super::oidc::sign_in(&browser, &onward, "ana").await.as_str()).await;
        assert_eq!((back.status, back.heading()), (200, "You are invited"), "{}", back.html);
        let names = [("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")];
        assert_eq!(post(&browser, &back.place, &names).await.location.as_deref(), Some("/me"));

        // Whoever set out to join in another window, and has joined meanwhile, comes in.
        let (server, _idp, connection) = joined_up(engine).await;
        let link = invite(&server, "ana@example.com").await;
        let (one, other) = (browser, super::oidc::browser());
        let places = [get(&one, &link).await.place, get(&other, &link).await.place];
        let first = via(&one, &places[0], &connection, "ana").await;
        let second = via(&other, &places[1], &connection, "ana").await;
        assert_eq!((first.heading(), second.heading()), ("You are invited", "You are invited"));
        assert_eq!(post(&one, &first.place, &names).await.location.as_deref(), Some("/me"));
        assert_eq!(post(&other, &second.place, &names).await.location.as_deref(), Some("/"));
        assert!(me(&other, &server).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_password_does_not_join_where_a_provider_does() {
    on_both(async |engine: Engine| {
        let (server, _idp, _): (Server, _, _) = joined_up(engine).await;
        let link = invite(&server, "ana@example.com").await;
        let answer = server.accept(&link, "Ana", "Ruiz", PASSWORD).await;
        assert!(answer.text().await.unwrap().contains("Join with"));
        assert_eq!(status(&server, "ana@example.com").await, "pending");
    })
    .await;
}
