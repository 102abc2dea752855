//! Mail gateways open every link, rewrite it and cut it short; none of that is an answer.

use super::{SECOND, age, browser, filled, header, heading, invite, invited, open, send, stranger, user};
use crate::common::{PASSWORD, database::Connection, on_both};
use reqwest::Method;

#[tokio::test]
async fn r_b14_get_and_head_never_consume_the_link() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let connection = Connection::to(&server).await;
        let before = connection.digest(&[]).await;
        let scanner = stranger();
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/156.0 Safari/537.36";
        for n in 0..20 {
            let method = if n % 4 == 0 { Method::HEAD } else { Method::GET };
            let address = if n % 3 == 0 { format!("{link}?follow=true&utm_source=x") } else { link.clone() };
            let first = scanner.request(method.clone(), &address).header("user-agent", agent).send().await.unwrap();
            assert_eq!(first.status(), 303);
            // Some follow, with the cookie and without.
            let place = format!("{}{}", server.address(), header(&first, "location").unwrap());
            let cookie = header(&first, "set-cookie").unwrap().split(';').next().unwrap().to_owned();
            assert_eq!(scanner.request(method.clone(), &place).header("cookie", cookie).send().await.unwrap().status(), 200);
            if n < 3 {
                assert_eq!(scanner.request(method, &place).send().await.unwrap().status(), 404);
            }
            for safe in [Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH] {
                assert_eq!(scanner.request(safe, &link).send().await.unwrap().status(), 405);
            }
        }
        assert_eq!(connection.digest(&["security_events"]).await, without_events(&before));
        connection.close().await;
        // Minutes later comes the human.
        age(&server, "ana@example.com", 4 * 60 * SECOND).await;
        let human = browser();
        let (_, place, _) = open(&human, &link).await;
        assert_eq!(send(&human, &place, &filled("Ana", "Ruiz", PASSWORD)).await.0, 200);
        assert_eq!(user(&server, "ana@example.com").await["status"], "active");
    })
    .await;
}

/// The digest without the bounded notes on strangers.
fn without_events(digest: &str) -> String {
    let (head, tail) = digest.split_once("security_events\n").expect("the table");
    let rest = tail.split_once("sign_in_tries\n").map(|(_, rest)| format!("sign_in_tries\n{rest}")).expect("the next table");
    head.to_owned() + &rest
}

#[tokio::test]
async fn requirement_50_the_link_moves_to_an_address_without_a_secret() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let token = link.rsplit('/').next().unwrap().to_owned();
        let moved = stranger().get(&link).send().await.unwrap();
        assert_eq!(moved.status(), 303);
        assert_eq!(header(&moved, "referrer-policy"), Some("no-referrer"));
        assert_eq!(header(&moved, "cache-control"), Some("no-store"));
        let place = header(&moved, "location").unwrap().to_owned();
        let id = place.strip_prefix("/invite/").unwrap().to_owned();
        assert!(!place.contains(&token[6..]) && id.len() == 36, "{place}");
        let cookies: Vec<_> = moved.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies.len(), 1, "no session is handed to whoever looks");
        let cookie = cookies[0].to_str().unwrap();
        assert!(cookie.starts_with(&format!("usher_invite_{}=", id.replace('-', ""))), "{cookie}");
        let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
        assert_eq!(attributes, [&format!("Path=/invite/{id}"), "Max-Age=1800", "HttpOnly", "SameSite=Lax"]);
        assert!(moved.text().await.unwrap().is_empty());

        let human = browser();
        let (status, at, html) = open(&human, &link).await;
        assert_eq!((status, at.as_str()), (200, format!("{}{place}", server.address()).as_str()));
        assert!(!html.contains(&token) && !html.contains(&token[6..]), "the token stands in no page");
        assert_eq!(heading(&html), "First Administrator invited you to My organization");
        // Headers that a client makes up move nothing (requirement 53).
        let request = stranger().get(&link).header("x-forwarded-host", "evil.example").header("x-forwarded-proto", "https");
        assert_eq!(header(&request.send().await.unwrap(), "location"), Some(place.as_str()));
        assert_eq!(stranger().get(&link).header("host", "evil.example").send().await.unwrap().status(), 403);
        // Joined, the cookie stays for its half hour: it opens nothing any more, and says so.
        let response = human.post(&at).form(&filled("Ana", "Ruiz", PASSWORD)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let set: Vec<_> = response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        assert!(set.iter().all(|cookie| !cookie.starts_with("usher_invite_") && !cookie.contains(&token[6..])), "{set:?}");
        assert!(!response.text().await.unwrap().contains(&token[6..]));
    })
    .await;
}

#[tokio::test]
async fn r_b16_a_damaged_copy_burns_nothing() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let address = server.address();
        let encoded = link.replace(':', "%3A").replace('/', "%2F");
        let cut = |n: usize| link[..link.len() - n].to_owned();
        let damaged = [
            cut(1),
            cut(2),
            cut(3),
            cut(4),
            cut(5),
            format!("{link}%3D"),
            format!("{link}."),
            format!("{link}>"),
            format!("{link}%20"),
            format!("{link}&utm_source=x"),
            link.to_uppercase().replacen("HTTP", "http", 1).replace("/INVITE/", "/invite/"),
            format!("{address}/invite/{encoded}"),
            format!("{address}/invite/%00"),
            format!("{address}/invite/%ff%fe"),
            format!("{address}/invite/x?url={encoded}"),
        ];
        for copy in &damaged {
            let response = stranger().get(copy).send().await.unwrap();
            let status = response.status();
            let html = response.text().await.unwrap();
            assert!(matches!(status.as_u16(), 404 | 410), "{copy}: {status}");
            assert!(html.contains("</html>"), "{copy} has a page: {html}");
            assert!(!html.contains("panicked") && !html.contains("Ana"), "{copy}: {html}");
        }
        let (status, _, html) = open(&browser(), &format!("{address}/invite/x")).await;
        assert_eq!((status, heading(&html).as_str()), (404, "This link opens nothing"));
        // What a rewriter adds behind a question mark is passed over.
        let human = browser();
        let (status, place, _) = open(&human, &format!("{link}?utm_source=x&token=y#part")).await;
        assert_eq!(status, 200);
        assert_eq!(send(&human, &place, &filled("Ana", "Ruiz", PASSWORD)).await.0, 200);
        assert_eq!(user(&server, "ana@example.com").await["status"], "active");
    })
    .await;
}

#[tokio::test]
async fn r_b19_failed_tries_do_not_destroy_the_pending_person() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let (head, last) = link.split_at(link.len() - 1);
        let wrong = format!("{head}{}", if last == "a" { "b" } else { "a" });
        let mut statuses = Vec::new();
        for _ in 0..50 {
            statuses.push(send(&stranger(), &wrong, &filled("Ana", "Ruiz", PASSWORD)).await.0);
        }
        assert!(statuses.iter().all(|status| matches!(status, 404 | 429)), "{statuses:?}");
        assert_eq!(statuses.last(), Some(&429), "guessing is slowed down");
        let slowed = stranger().get(&wrong).send().await.unwrap();
        assert!(header(&slowed, "retry-after").and_then(|seconds| seconds.parse::<u32>().ok()).is_some_and(|seconds| seconds > 0));
        assert!(slowed.text().await.unwrap().contains("Too many tries"));
        // Whoever holds a real link is not slowed down by it.
        let human = browser();
        let (status, place, _) = open(&human, &link).await;
        assert_eq!(status, 200);
        for _ in 0..50 {
            assert_eq!(send(&human, &place, &filled("Ana", "Ruiz", "too short")).await.0, 422);
        }
        assert_eq!(user(&server, "ana@example.com").await["status"], "pending");
        server.ok("resend_invite", serde_json::json!({"user": "ana@example.com"})).await;
        let newer = server.link(2).await;
        let (_, place, _) = open(&human, &newer).await;
        assert_eq!(send(&human, &place, &filled("Ana", "Ruiz", PASSWORD)).await.0, 200);
        assert_eq!(user(&server, "ana@example.com").await["status"], "active");
        // And other invites were not touched.
        assert_eq!(open(&human, &invite(&server, "bo@example.com").await).await.0, 200);
    })
    .await;
}
