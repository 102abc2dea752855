//! Opening an invite is no answer to it, and leaves its secret in no address.

use super::{browser, filled, header, heading, invited, open, stranger};
use crate::common::{PASSWORD, on_both};

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
