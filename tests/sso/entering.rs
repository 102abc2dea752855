//! Coming in through the organization's provider, and not coming in.

use super::{Seen, connect, get, invite, joined_up, log_of, me, post, redirect_address, status, through_the_door};
use crate::common::{
    Engine, Options, Server,
    database::Connection,
    oidc::{Idp, browser, sign_in},
    on_both, until,
};
use reqwest::Client;
use serde_json::json;

/// Ana, who joined by password before there was a provider.
async fn with_ana(engine: Engine) -> (Server, Idp, String) {
    let server = super::server(engine).await;
    server.member("ana@example.com", &[]).await;
    let idp = super::provider_for(&server).await;
    let connection = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
    (server, idp, connection)
}

/// Asks for the link to Ana's own mailbox.
async fn asked(browser: &Client, server: &Server, connection: &str, mails: usize) -> String {
    let back = through_the_door(browser, server, connection, "ana").await;
    assert_eq!((back.status, back.heading()), (200, "Is this account yours?"), "{}", back.html);
    let sent = post(browser, &back.place, &[("do", "go")]).await;
    assert_eq!(sent.heading(), "Look into your mailbox");
    server.newest_link_to("ana@example.com", mails).await
}

#[tokio::test]
async fn an_address_alone_links_nothing_and_its_own_mailbox_decides() {
    on_both(async |engine| {
        let (server, _idp, connection) = with_ana(engine).await;
        let browser = browser();
        let link = asked(&browser, &server, &connection, 2).await;
        assert!(me(&browser, &server).await.is_none());
        // Another browser, a scanner's too, gets nowhere with the link.
        let other = super::oidc::browser();
        assert_eq!(get(&other, &link).await.status, 403);
        let shown = get(&browser, &link).await;
        assert_eq!((shown.status, shown.heading()), (200, "Connect your sign-in"), "{}", shown.html);
        assert!(me(&browser, &server).await.is_none());
        assert_eq!(post(&browser, &shown.place, &[("do", "go")]).await.location.as_deref(), Some("/"));
        assert!(me(&browser, &server).await.unwrap().contains("Example Login"));
        assert_eq!(get(&browser, &link).await.status, 410, "it works once");
        let log = log_of(&server, "ana@example.com").await;
        for action in ["identity:link_sent", "identity:linked", "sign_in:sso"] {
            assert!(log.contains(&(action.to_owned(), "done".to_owned())), "{log:?}");
        }
        // Now the identity itself opens the account.
        let back = through_the_door(&other, &server, &connection, "ana").await;
        assert_eq!(back.heading(), "Sign in");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn r_b55_somebody_deactivated_is_told_so_and_nothing_changes() {
    on_both(async |engine| {
        let (server, _idp, connection) = joined_up(engine).await;
        invite(&server, "ana@example.com").await;
        let browser = browser();
        let back = through_the_door(&browser, &server, &connection, "ana").await;
        post(&browser, &back.place, &[("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")]).await;
        let ready = through_the_door(&browser, &server, &connection, "ana").await;
        assert_eq!(ready.heading(), "Sign in");

        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        assert!(me(&browser, &server).await.is_none(), "her session ended with it");
        // The page that stood open, a new way through the provider, and the mailbox of an account that was never linked.
        let late = post(&browser, &ready.place, &[("do", "go")]).await;
        assert_eq!((late.status, late.heading()), (403, "Your account is deactivated"), "{}", late.html);
        let again = through_the_door(&browser, &server, &connection, "ana").await;
        assert_eq!((again.status, again.heading()), (403, "Your account is deactivated"), "{}", again.html);
        assert!(me(&browser, &server).await.is_none());
        assert_eq!(status(&server, "ana@example.com").await, "deactivated");
        assert_eq!(server.ok("list_users", json!({"query": "ana@"})).await["total"], 1);
        let refused = ("sign_in:sso".to_owned(), "refused".to_owned());
        until("the refusal", async || log_of(&server, "ana@example.com").await.contains(&refused).then_some(())).await;
    })
    .await;
}

#[tokio::test]
async fn a_way_back_works_once_and_only_in_the_browser_that_set_out() {
    let (server, idp, connection) = joined_up(Engine::Sqlite).await;
    invite(&server, "ana@example.com").await;
    let door = format!("{}/sign-in/{}", server.address(), server.org);
    let value = format!("sso:{connection}");
    let browser = browser();
    let out = post(&browser, &door, &[("do", &value)]).await;
    let back = sign_in(&browser, &out.onward(), "ana").await;
    assert!(back.as_str().starts_with(&format!("{}?", redirect_address(&server, &server.org, &idp.issuer).await)), "{back}");

    let thief = get(&super::oidc::browser(), back.as_str()).await;
    assert_eq!((thief.status, thief.heading()), (403, "This sign-in belongs to another page"), "{}", thief.html);
    // Not even with the journey's cookie planted in it: a browser is known by a cookie that nobody else can set.
    let planted = out.cookies.iter().find(|cookie| cookie.starts_with("usher_sso_")).expect("a cookie");
    let planted = planted.split(';').next().expect("a pair");
    let other = super::oidc::browser();
    get(&other, &door).await;
    let seen = Seen::of(other.get(back.clone()).header("cookie", planted).send().await.expect("a page")).await;
    assert_eq!((seen.status, seen.heading()), (403, "This sign-in belongs to another page"), "{}", seen.html);
    let met = get(&browser, back.as_str()).await;
    assert_eq!(met.heading(), "You are invited");
    // A reload leads to the same page, and nothing is asked of the provider: it takes no code twice.
    let reloaded = get(&browser, back.as_str()).await;
    assert_eq!((reloaded.status, &reloaded.place), (200, &met.place), "{}", reloaded.html);
    // A journey's page without its cookie is nobody's.
    assert_eq!(get(&super::oidc::browser(), &met.place).await.status, 403);

    // Two journeys in one browser do not mix.
    let [first, second] = [post(&browser, &door, &[("do", &value)]).await, post(&browser, &door, &[("do", &value)]).await];
    let (a, b) = (sign_in(&browser, &first.onward(), "ana").await, sign_in(&browser, &second.onward(), "ana").await);
    assert_eq!(get(&browser, b.as_str()).await.status, 200);
    assert_eq!(get(&browser, a.as_str()).await.status, 200);

    // Whoever turns back at the provider is told so.
    let third = post(&browser, &door, &[("do", &value)]).await;
    let state = super::parameter(&third.onward().parse().unwrap(), "state");
    let iss = super::parameter(&a, "iss");
    let (state, iss) = (state.as_str().unwrap(), iss.as_str().unwrap());
    let address = redirect_address(&server, &server.org, &idp.issuer).await;
    let declined = get(&browser, &format!("{address}?error=access_denied&state={state}&iss={iss}")).await;
    assert_eq!(declined.heading(), "You did not come through", "{}", declined.html);
    assert_eq!(status(&server, "ana@example.com").await, "pending");
}

#[tokio::test]
async fn a_provider_that_is_down_or_lies_lets_nobody_in_and_harms_nothing_else() {
    let server = super::server(Engine::Sqlite).await;
    let idp = Idp::liar().await;
    let connection = connect(&server, &server.org, &idp.issuer, "secret").await;
    invite(&server, "ana@example.com").await;
    let door = format!("{}/sign-in/{}", server.address(), server.org);
    let value = format!("sso:{connection}");
    let browser = browser();
    for order in [
        json!({"sign": "none"}),
        json!({"sign": "secret"}),
        json!({"claims": {"aud": "another"}}),
        json!({"claims": {"exp": 1}}),
        json!({"claims": {"nonce": "replayed"}}),
        json!({"claims": {"iss": "https://elsewhere.example"}}),
        json!({"at": "token", "does": "500"}),
        json!({"at": "keys", "does": "huge"}),
    ] {
        let seen = super::via_liar(&browser, &door, &server.address(), (&idp, &connection), &order).await;
        assert!(matches!(seen.status, 403 | 502), "{order}: {}", seen.html);
        assert!(me(&browser, &server).await.is_none());
    }
    idp.order(&json!({"at": "document", "does": "500"})).await;
    let out: Seen = post(&browser, &door, &[("do", &value)]).await;
    assert_eq!((out.status, out.heading()), (502, "Single sign-on does not work at present"), "{}", out.html);
    drop(idp);
    assert_eq!(post(&browser, &door, &[("do", &value)]).await.status, 502);
    assert_eq!(status(&server, "ana@example.com").await, "pending");
    assert_eq!(get(&browser, &door).await.status, 200);
}

/// The first cookie of an answer whose name begins so, as a browser sends it.
fn pair<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let cookie = seen.cookies.iter().find(|cookie| cookie.starts_with(name)).expect("a cookie");
    cookie.split(';').next().expect("a pair")
}

/// Rows of the bounded notes on strangers, by kind.
async fn strangers(server: &Server, kind: &str) -> usize {
    let connection = Connection::to(server).await;
    let rows = connection.rows(&format!("SELECT kind FROM security_events WHERE kind = '{kind}'")).await;
    connection.close().await;
    rows.len()
}

#[tokio::test]
async fn what_a_browser_carries_back_opens_its_door_once_on_every_node() {
    on_both(async |engine| {
        let (server, _idp, connection) = joined_up(engine).await;
        let node = server.second_node(&Options::arguments(&super::ALLOWED)).await;
        invite(&server, "ana@example.com").await;
        let door = format!("{}/sign-in/{}", server.address(), server.org);
        let set_out = [("do", format!("sso:{connection}"))];
        let set_out: Vec<_> = set_out.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let names = [("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")];
        let came = async |name: &str, done: &str| {
            log_of(&server, "ana@example.com").await.iter().filter(|(action, outcome)| action == name && outcome == done).count()
        };

        // First she joins, then she comes in; whoever got hold of both cookies comes after her.
        for sessions in [1, 2] {
            let browser = browser();
            let out = post(&browser, &door, &set_out).await;
            let back = sign_in(&browser, &out.onward(), "ana").await;
            let returned = Seen::of(browser.get(back).send().await.expect("an answer")).await;
            let cookies = format!("{}; {}", pair(&out, "usher_browser="), pair(&returned, "usher_sso_"));
            let path = returned.location.clone().expect("a place");
            let pressed = format!("{}{path}", server.address());
            // Whoever has joined looks at their name first; whoever comes in begins where everybody does.
            let onward = if sessions == 1 { "/me" } else { "/" };
            assert_eq!(post(&browser, &pressed, &names).await.location.as_deref(), Some(onward));
            let page = me(&browser, &server).await.expect("she is in");
            assert_eq!(page.contains("You are in."), sessions == 1);
            // Pressed twice, the button leads to whom it let in.
            assert_eq!(post(&browser, &pressed, &names).await.location.as_deref(), Some("/me"));
            assert!(server.tamper("UPDATE credentials SET revoked_at = 1 WHERE kind = 'session'").await);
            for node in [&server, &node] {
                let thief = super::oidc::browser();
                let request = thief.post(format!("{}{path}", node.address())).header("cookie", &cookies).form(&names);
                let again = Seen::of(request.send().await.expect("an answer")).await;
                assert_eq!((again.status, again.location.as_deref()), (303, Some("/me")), "{}", again.html);
                assert!(!again.cookies.iter().any(|cookie| cookie.starts_with("usher_session=")), "{:?}", again.cookies);
                let request = thief.get(format!("{}{path}", node.address())).header("cookie", &cookies);
                let shown = Seen::of(request.send().await.expect("an answer")).await;
                assert_eq!((shown.status, shown.heading()), (403, "This sign-in was used"), "{}", shown.html);
            }
            assert_eq!(came("sign_in:sso", "done").await, sessions);
        }
        assert_eq!(came("invite:accepted", "done").await, 1);

        // At the same moment, on both nodes: one of them opens it.
        let browser = browser();
        let ready = through_the_door(&browser, &server, &connection, "ana").await;
        let beside = ready.place.replace(&server.address(), &node.address());
        let (one, other) = tokio::join!(post(&browser, &ready.place, &names), post(&browser, &beside, &names));
        let mut places = [one.location.as_deref(), other.location.as_deref()];
        places.sort_unstable();
        assert_eq!(places, [Some("/"), Some("/me")], "{} {}", one.html, other.html);
        assert_eq!(came("sign_in:sso", "done").await, 3);
        assert!(me(&browser, &server).await.is_some());
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_way_back_that_is_loaded_twice_leads_where_the_first_one_led() {
    on_both(async |engine| {
        let (server, idp, connection) = joined_up(engine).await;
        let node = server.second_node(&Options::arguments(&super::ALLOWED)).await;
        invite(&server, "ana@example.com").await;
        let door = format!("{}/sign-in/{}", server.address(), server.org);
        let set_out = format!("sso:{connection}");
        let names = [("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")];
        let mut codes = Vec::new();
        for onward in ["/me", "/"] {
            let browser = browser();
            let out = post(&browser, &door, &[("do", &set_out)]).await;
            let back = sign_in(&browser, &out.onward(), "ana").await;
            codes.push(super::parameter(&back, "code"));
            let once = async || Seen::of(browser.get(back.clone()).send().await.expect("an answer")).await;
            // At once, as a browser does that reloads: what it carried is the same, and the first answer is lost.
            let carried = format!("{}; {}", pair(&out, "usher_browser="), pair(&out, "usher_sso_"));
            let lost = async || {
                let request = super::oidc::browser().get(back.clone()).header("cookie", &carried);
                Seen::of(request.send().await.expect("an answer")).await
            };
            let (first, second) = tokio::join!(lost(), lost());
            let third = once().await;
            for seen in [&first, &second, &third] {
                assert_eq!((seen.status, &seen.location), (303, &first.location), "{}", seen.html);
                assert_eq!(pair(seen, "usher_sso_"), pair(&first, "usher_sso_"), "one and the same");
            }
            assert!(once().await.cookies.is_empty(), "it is back");
            let place = format!("{}{}", server.address(), third.location.expect("a place"));
            assert_eq!(get(&browser, &place).await.status, 200);
            assert_eq!(post(&browser, &place, &names).await.location.as_deref(), Some(onward));
            // Whoever is in is led on, on each node, and nothing is done a second time.
            for at in [back.to_string(), back.to_string().replace(&server.address(), &node.address())] {
                let again = get(&browser, &at).await;
                assert!(again.status == 200 && again.place.ends_with("/me"), "{} {}", again.place, again.html);
            }
            // And nobody else.
            assert_eq!(get(&super::oidc::browser(), back.as_str()).await.status, 403);
        }
        assert_ne!(codes[0], codes[1]);
        let log = log_of(&server, "ana@example.com").await;
        let done = |name: &str| log.iter().filter(|(action, outcome)| action == name && outcome == "done").count();
        assert_eq!((done("invite:accepted"), done("sign_in:sso")), (1, 2), "{log:?}");
        // On a node that knows nothing of the first one, what that brought is not taken away.
        let browser = browser();
        let out = post(&browser, &door, &[("do", &set_out)]).await;
        let back = sign_in(&browser, &out.onward(), "ana").await;
        let carried = format!("{}; {}", pair(&out, "usher_browser="), pair(&out, "usher_sso_"));
        assert_eq!(Seen::of(browser.get(back.clone()).send().await.expect("an answer")).await.status, 303);
        let there = back.to_string().replace(&server.address(), &node.address());
        let late = Seen::of(super::oidc::browser().get(there).header("cookie", &carried).send().await.expect("an answer")).await;
        assert_eq!((late.status, late.heading(), late.cookies.len()), (403, "This sign-in was used", 0), "{}", late.html);
        assert_eq!(get(&browser, back.as_str()).await.heading(), "Sign in");
        drop(idp);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_link_to_the_mailbox_is_asked_for_once_however_often_the_button_is_pressed() {
    on_both(async |engine| {
        let (server, _idp, connection) = with_ana(engine).await;
        let browser = browser();
        let back = through_the_door(&browser, &server, &connection, "ana").await;
        for _ in 0..2 {
            assert_eq!(post(&browser, &back.place, &[("do", "go")]).await.heading(), "Look into your mailbox");
        }
        let shown = get(&browser, &server.newest_link_to("ana@example.com", 2).await).await;
        post(&browser, &shown.place, &[("do", "go")]).await;
        let log = log_of(&server, "ana@example.com").await;
        assert_eq!(log.iter().filter(|(action, _)| action == "identity:link_sent").count(), 1, "{log:?}");
        // The identity opens the account now; the journey that asked does not.
        let again = post(&browser, &back.place, &[("do", "go")]).await;
        assert_eq!(again.location.as_deref(), Some("/me"));
        assert_eq!(log_of(&server, "ana@example.com").await.len(), log.len());
    })
    .await;
}

#[tokio::test]
async fn r_b55_whoever_gets_no_further_leaves_a_trace() {
    on_both(async |engine| {
        let (server, _idp, connection) = with_ana(engine).await;
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        // By the address alone, which no identity opens yet.
        let seen = through_the_door(&browser(), &server, &connection, "ana").await;
        assert_eq!(seen.heading(), "Your account is deactivated", "{}", seen.html);
        let refused = ("sign_in:sso".to_owned(), "refused".to_owned());
        until("the refusal", async || log_of(&server, "ana@example.com").await.contains(&refused).then_some(())).await;
        for (person, kind) in [("bo", "sso_unverified"), ("eve", "sso_uninvited")] {
            assert_eq!(through_the_door(&browser(), &server, &connection, person).await.status, 403);
            until(kind, async || (strangers(&server, kind).await > 0).then_some(())).await;
        }
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_way_back_that_nobody_began_costs_the_log_nothing() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let server = Server::quickstart_with(Engine::Sqlite, &Options::arguments(&super::ALLOWED).logged_to(log.path())).await;
    for n in 0..20 {
        let place = format!("{}/sign-in/sso/callback/x-{n}?code=c&state={n}", server.address());
        assert_eq!(get(&browser(), &place).await.status, 403);
    }
    assert_eq!(std::fs::read_to_string(log.path()).expect("a log").matches("provider").count(), 0);
}

#[tokio::test]
async fn of_two_links_that_would_connect_one_sign_in_the_second_ends_and_stays_ended() {
    on_both(async |engine| {
        let (server, idp, connection) = with_ana(engine).await;
        let browser = browser();
        let first = asked(&browser, &server, &connection, 2).await;
        let second = asked(&browser, &server, &connection, 3).await;
        let (shown, waiting) = (get(&browser, &first).await, get(&browser, &second).await);
        assert_eq!(post(&browser, &shown.place, &[("do", "go")]).await.location.as_deref(), Some("/"));
        let dead = async |when: &str| {
            for seen in [get(&browser, &second).await, post(&browser, &waiting.place, &[("do", "go")]).await] {
                assert!(seen.status == 410 && seen.html.contains("connected or taken away since"), "{when}: {} {}", seen.status, seen.html);
            }
        };
        dead("connected").await;
        let form = [("issuer", idp.issuer.as_str()), ("subject", "ana")];
        let gone = super::own::own(&browser, &server, "/me/identities", &form).await;
        assert_eq!(gone.location.as_deref(), Some("/me"), "{}", gone.html);
        dead("taken away").await;
        let back = through_the_door(&super::oidc::browser(), &server, &connection, "ana").await;
        assert_eq!(back.heading(), "Is this account yours?", "what was taken away stays so");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}
