//! Joining: what is taken, what is refused and how, and whose account it becomes.

use super::{browser, filled, heading, invite, invited, open, send, stranger, user};
use crate::common::{PASSWORD, Server, database::Connection, on_both};
use argon2::{Argon2, PasswordHash, PasswordVerifier};
use serde_json::json;

/// The stored form of somebody's password.
async fn stored(server: &Server, email: &str) -> Option<String> {
    let connection = Connection::to(server).await;
    let mut rows = connection.rows(&format!("SELECT password_hash FROM users WHERE email = '{email}'")).await;
    connection.close().await;
    rows.remove(0).remove("password_hash").flatten()
}

fn opens(hash: &str, password: &str) -> bool {
    Argon2::default().verify_password(password.as_bytes(), &PasswordHash::new(hash).expect("a PHC string")).is_ok()
}

#[tokio::test]
async fn b08_and_b10_joining_sets_the_password_and_names_can_be_corrected() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let human = browser();
        let (_, place, html) = open(&human, &link).await;
        for part in [
            r#"name="first_name""#,
            r#"value="Ana""#,
            r#"name="last_name""#,
            r#"value="Ruiz""#,
            r#"<input class="in" id="np" name="password" type="password" autocomplete="new-password""#,
            "ana<wbr>@example.com",
            "UTC",
        ] {
            assert!(html.contains(part), "{part} is missing in {html}");
        }
        let (status, html) = send(&human, &place, &filled("  Zoe\u{308} ", "Ruiz-Núñez", PASSWORD)).await;
        assert_eq!((status, heading(&html).as_str()), (200, "You are in"));
        assert!(html.contains(&format!("/mcp/{}", server.org)) && html.contains("href=\"/me/tools\""), "{html}");
        assert!(!html.contains(PASSWORD));
        let ana = user(&server, "ana@example.com").await;
        assert_eq!((&ana["status"], &ana["first_name"], &ana["last_name"]), (&json!("active"), &json!("Zoë"), &json!("Ruiz-Núñez")));
        assert!(ana["activated_at"].is_string());
        let hash = stored(&server, "ana@example.com").await.expect("a password");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && opens(&hash, PASSWORD));
        let events = server.ok("list_audit_events", json!({"action": "invite:accepted"})).await;
        let event = &events["events"][0];
        assert_eq!((&event["outcome"], &event["surface"]), (&json!("done"), &json!("web")));
        assert_eq!((&event["actor"]["user_id"], &event["target"]["id"]), (&ana["id"], &ana["id"]));
        // Names in older entries stay those of their time (B24).
        let invite = server.ok("list_audit_events", json!({"action": "users:invite"})).await;
        assert_eq!(invite["events"][0]["target"]["name"], "Ana Ruiz");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn requirement_43_a_refused_password_is_explained_and_nothing_typed_is_lost() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let connection = Connection::to(&server).await;
        let before = connection.digest(&[]).await;
        let human = browser();
        let (_, place, _) = open(&human, &link).await;
        for (password, words) in [
            ("", "fewer than 15 characters"),
            ("fourteen chars", "fewer than 15 characters"),
            ("ñöñöñöñöñöñöñö", "fewer than 15 characters"),
            ("passwordpassword", "easy to guess"),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", "easy to guess"),
            ("ana@example.com", "easy to guess"),
            ("My organization", "easy to guess"),
            ("123456789012345", "easy to guess"),
            ("Anna \"A\" <b> Ruiz 1", "easy to guess"),
            ("Ana Ruiz example", "easy to guess"),
            ("My organization usher", "easy to guess"),
            ("correct horse battery staple", "easy to guess"),
            (&"seven brave otters paint fences ".repeat(9), "longer than 256 bytes"),
            (&"ö".repeat(129), "longer than 256 bytes"),
        ] {
            let (status, html) = send(&human, &place, &filled("Anna \"A\" <b>", "Ruiz & Söhne", password)).await;
            assert_eq!(status, 422, "{password}");
            assert!(html.contains(words), "{password}: {html}");
            assert!(html.contains("aria-invalid=\"true\" aria-describedby=\"np-e\" autofocus"));
            let escaped = ["Anna &#34;A&#34; &#60;b&#62;", "Ruiz &#38; Söhne"];
            assert!(escaped.iter().all(|name| html.contains(&format!("value=\"{name}\""))), "typed names are kept: {html}");
            assert!(password.is_empty() || password.starts_with("My ") || password.contains('@') || !html.contains(password));
            assert!(html.contains(r#"name="password" type="password" autocomplete="new-password" minlength="15" required aria"#));
        }
        // A name that is none is said beside its field, in a person's words; the password is not kept.
        for (first, last, field, words) in [
            ("", "Ruiz", "fn", "First name must not be empty. Give 1 to 100 characters."),
            ("Ana", "   ", "ln", "Last name must not be empty."),
            ("A\nBcc: x", "Ruiz", "fn", "First name must be one line"),
            ("www.evil.example", "Ruiz", "fn", "First name must not contain what mail programs turn into a link: “://”, “www.”,"),
            ("Ana", &"a".repeat(101), "ln", "Last name may have at most 100 characters."),
        ] {
            let (status, html) = send(&human, &place, &filled(first, last, PASSWORD)).await;
            assert_eq!(status, 422, "{first:?} {last:?}");
            assert!(html.contains(words) && !html.contains('`'), "{words} is missing in {html}");
            assert!(html.contains(&format!("aria-describedby=\"{field}-e\" autofocus")) && !html.contains(PASSWORD), "{html}");
        }
        // Shown on request, and only then; that is no answer either.
        let mut show = filled("Anna", "Ruiz", "too <short>");
        show[3].1 = "show".to_owned();
        let (status, html) = send(&human, &place, &show).await;
        assert_eq!(status, 200);
        assert!(html.contains("type=\"text\"") && html.contains("value=\"too &#60;short&#62;\"") && html.contains("value=\"Anna\""));
        assert_eq!(connection.digest(&[]).await, before, "none of it changed anything");
        connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn requirement_43_every_character_of_a_password_counts() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let long = format!("{}é", "seven brave otters paint fences ".repeat(8).get(..254).unwrap());
        assert_eq!(long.len(), 256);
        for (n, password) in [
            "  seven brave otters paint  ",
            "пять слов без смысла подряд",
            "七匹の勇敢なカワウソが柵を塗る朝",
            "otter 🦦 paints 🎨 the fence 🚧",
            "tab\tand % and + and & and = too",
            long.as_str(),
        ]
        .into_iter()
        .enumerate()
        {
            let email = format!("p{n}@example.com");
            let link = invite(&server, &email).await;
            let human = browser();
            let (_, place, _) = open(&human, &link).await;
            assert_eq!(send(&human, &place, &filled("Ana", "Ruiz", password)).await.0, 200, "{password}");
            let hash = stored(&server, &email).await.expect("a password");
            assert!(opens(&hash, password), "{password}");
            assert!(!opens(&hash, password.trim()) || password.trim() == password, "spaces count");
            let mut shorter = password.to_owned();
            shorter.pop();
            assert!(!opens(&hash, &shorter), "the last character counts");
        }
    })
    .await;
}

#[tokio::test]
async fn r_b20_two_invites_in_one_browser_never_mix() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let arguments = json!({"email": "a@example.com", "first_name": "A", "last_name": "First", "role": "Administrator"});
        server.ok("invite_user", arguments).await;
        server.ok("invite_user", json!({"email": "b@example.com", "first_name": "B", "last_name": "Second"})).await;
        let (first, second) = (server.link_to("a@example.com").await, server.link_to("b@example.com").await);
        let one = browser();
        let (_, first_place, _) = open(&one, &first).await;
        let (_, second_place, html) = open(&one, &second).await;
        assert!(html.contains("b<wbr>@example.com") && !html.contains("a<wbr>@example.com"));
        assert_eq!(send(&one, &second_place, &filled("B", "Second", PASSWORD)).await.0, 200);
        let (a, b) = (user(&server, "a@example.com").await, user(&server, "b@example.com").await);
        assert_eq!((&a["status"], &a["role"]), (&json!("pending"), &json!("Administrator")));
        assert_eq!((&b["status"], &b["role"]), (&json!("active"), &json!("User")));
        // The first form still stands open, and is still the first invite's.
        let other = "six quiet herons fold the maps";
        assert_eq!(send(&one, &first_place, &filled("A", "First", other)).await.0, 200);
        assert_eq!(user(&server, "a@example.com").await["status"], "active");
        assert!(opens(&stored(&server, "a@example.com").await.unwrap(), other));
        assert!(opens(&stored(&server, "b@example.com").await.unwrap(), PASSWORD));
    })
    .await;
}

#[tokio::test]
async fn r_b59_a_forwarded_link_joins_nobody_but_the_invited_address() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let human = browser();
        let (_, place, _) = open(&human, &link).await;
        let mut form = filled("Ana", "Ruiz", PASSWORD);
        for (name, value) in [("username", "eve@example.org"), ("email", "eve@example.org"), ("role", "Administrator"), ("org", "2")] {
            form.push((name.to_owned(), value.to_owned()));
        }
        let (status, html) = send(&human, &place, &form).await;
        assert_eq!(status, 200);
        assert!(!html.contains("eve@"));
        let ana = user(&server, "ana@example.com").await;
        assert_eq!((&ana["status"], &ana["role"]), (&json!("active"), &json!("User")));
        assert_eq!(server.refused("get_user", json!({"user": "eve@example.org"})).await["code"], "user_not_found");
        assert_eq!(server.ok("list_users", json!({})).await["total"], 2);
    })
    .await;
}

#[tokio::test]
async fn requirement_64_another_sites_form_is_refused() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let connection = Connection::to(&server).await;
        let human = browser();
        let (_, place, _) = open(&human, &link).await;
        let before = connection.digest(&[]).await;
        for headers in [
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![("sec-fetch-site", "cross-site"), ("origin", "http://localhost:1")],
            vec![("origin", "https://evil.example")],
            vec![("origin", "null")],
            vec![("origin", "null"), ("sec-fetch-site", "cross-site")],
            vec![("origin", "null"), ("sec-fetch-site", "same-site")],
            vec![("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
        ] {
            // With the cookie, and with the secret itself.
            for address in [&place, &link] {
                let mut request = human.post(address).form(&filled("Eve", "Eve", PASSWORD));
                for (name, value) in &headers {
                    request = request.header(*name, *value);
                }
                let refused = request.send().await.unwrap();
                assert_eq!(refused.status(), 403, "{headers:?}");
                assert_eq!(heading(&refused.text().await.unwrap()), "This form came from another site", "{headers:?}");
            }
        }
        assert_eq!(connection.digest(&[]).await, before);
        connection.close().await;
        // Without the cookie the address of the page opens nothing.
        let (status, html) = send(&stranger(), &place, &filled("Eve", "Eve", PASSWORD)).await;
        assert_eq!((status, heading(&html).as_str()), (404, "Open the link in your email again"));
        // As browsers send it where they are set to name no origin, or where they are too old to say whose site it is.
        let own = human.post(&place).form(&filled("Ana", "Ruiz", PASSWORD)).header("sec-fetch-site", "same-origin");
        assert_eq!(own.header("origin", "null").send().await.unwrap().status(), 200);
        let link = invite(&server, "bo@example.com").await;
        let (_, place, _) = open(&human, &link).await;
        let own = human.post(&place).form(&filled("Bo", "Ruiz", PASSWORD)).header("origin", server.address());
        assert_eq!(own.send().await.unwrap().status(), 200);
        let mcp = human.post(&server.mcp_url).bearer_auth(&server.token).body("{}").header("sec-fetch-site", "same-origin");
        let refused = mcp.header("origin", "null").send().await.unwrap();
        assert_eq!(refused.status(), 403, "MCP has no forms");
        assert_eq!(refused.json::<serde_json::Value>().await.unwrap()["error"], "forbidden_origin", "and no pages");
    })
    .await;
}

#[tokio::test]
async fn a_form_that_cannot_be_read_gets_a_page_that_says_so() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let human = browser();
        let (_, place, _) = open(&human, &link).await;
        let form = "application/x-www-form-urlencoded";
        for (kind, body, status, words) in [
            (form, "first_name=a&first_name=b&last_name=c&password=d".to_owned(), 400, "could not be read"),
            (form, format!("password={}", "x".repeat(70_000)), 413, "too much"),
            ("application/json", r#"{"first_name": "a"}"#.to_owned(), 415, "forms only"),
            ("text/plain", "first_name=a".to_owned(), 415, "forms only"),
        ] {
            let response = human.post(&place).header("content-type", kind).body(body).send().await.unwrap();
            assert_eq!(response.status(), status);
            let html = response.text().await.unwrap();
            assert!(html.contains(words) && html.contains("Nothing was changed."), "{html}");
        }
        assert_eq!(user(&server, "ana@example.com").await["status"], "pending");
        assert_eq!(send(&human, &place, &filled("Ana", "Ruiz", PASSWORD)).await.0, 200);
    })
    .await;
}

#[tokio::test]
async fn r_b40_of_two_browsers_the_later_one_hears_that_somebody_joined() {
    on_both(async |engine| {
        let (server, link) = invited(engine).await;
        let [one, other] = [browser(), browser()];
        let (_, place, _) = open(&one, &link).await;
        assert_eq!(open(&other, &link).await.1, place);
        let (mine, theirs) = (filled("Ana", "Ruiz", PASSWORD), filled("Eve", "Eve", "six quiet herons fold the maps"));
        let answers = tokio::join!(send(&one, &place, &mine), send(&other, &place, &theirs));
        let (lost, first) = if answers.0.0 == 200 { (answers.1, "Ana") } else { (answers.0, "Eve") };
        assert_eq!((lost.0, heading(&lost.1).as_str()), (410, "You have already joined"));
        assert_eq!(user(&server, "ana@example.com").await["first_name"], first);
    })
    .await;
}
