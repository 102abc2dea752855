//! What every page has, and the pages that belong to nobody.

use super::{browser, filled, header, heading, invite, open, stranger};
use crate::common::{Engine, Options, PASSWORD, Server, on_both, until};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The headers of every page (requirement 63), and that it loads nothing from elsewhere.
async fn sound(response: Response, base: &str) -> String {
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(header(&response, name), Some(value), "{name} of {}", response.url());
    }
    assert_eq!(header(&response, "server"), None);
    let html = response.text().await.expect("a body");
    let mut rest = html.as_str();
    while let Some(at) = ["href=\"", "src=\"", "action=\""].iter().filter_map(|name| rest.find(name).map(|at| at + name.len())).min() {
        rest = &rest[at..];
        let address = &rest[..rest.find('"').expect("its end")];
        assert!(address.starts_with('#') || address.starts_with(&format!("{base}/")) && !address.starts_with("//"), "{address}");
    }
    for never in ["<script", " style=", " onload", " onclick", "javascript:", "<iframe", "<img", "@import"] {
        assert!(!html.contains(never), "{never} in {html}");
    }
    html
}

#[tokio::test]
async fn requirement_63_every_page_has_its_headers_and_loads_nothing_from_elsewhere() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let address = server.address();
        let [joining, leaving] = [invite(&server, "ana@example.com").await, invite(&server, "bo@example.com").await];
        let human = browser();
        let (_, place, _) = open(&human, &joining).await;
        for (path, status, title) in [
            ("/", 200, "This is usher, an MCP server"),
            ("/no/such/page", 404, "There is nothing at this address"),
            ("/invite/x", 404, "This link opens nothing"),
            ("/invite/", 404, "There is nothing at this address"),
            ("/invite/01890a5d-ac96-774b-bcce-b302099a8057", 404, "Open the link in your email again"),
            ("/assets/none.css", 404, "There is nothing at this address"),
            ("/assets/%ff", 404, "There is nothing at this address"),
        ] {
            let response = human.get(format!("{address}{path}")).send().await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(heading(&sound(response, "").await), title, "{path}");
        }
        for (method, path) in
            [(Method::POST, "/"), (Method::DELETE, "/invite/x"), (Method::PUT, "/assets/style.css"), (Method::POST, "/healthz")]
        {
            let response = human.request(method, format!("{address}{path}")).send().await.unwrap();
            assert_eq!(response.status(), 405, "{path}");
            assert_eq!(heading(&sound(response, "").await), "This address does not work that way");
        }
        sound(human.get(&place).send().await.unwrap(), "").await;
        let cross = human.post(&place).header("sec-fetch-site", "cross-site").form(&filled("E", "E", PASSWORD)).send().await.unwrap();
        assert_eq!(cross.status(), 403);
        assert_eq!(heading(&sound(cross, "").await), "This form came from another site");
        for (password, status) in [("too short", 422), (PASSWORD, 200), (PASSWORD, 410)] {
            let response =
                human.post(if status == 410 { &joining } else { &place }).form(&filled("Ana", "Ruiz", password)).send().await.unwrap();
            assert_eq!(response.status(), status);
            sound(response, "").await;
        }
        server.ok("deactivate_user", json!({"user": "bo@example.com"})).await;
        let gone = human.get(&leaving).send().await.unwrap();
        assert_eq!(gone.status(), 410);
        sound(gone, "").await;
    })
    .await;
}

#[tokio::test]
async fn the_index_says_what_this_server_is_and_names_nobody() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (status, _, html) = open(&browser(), &format!("{}/", server.address())).await;
        assert_eq!(status, 200);
        assert!(html.contains("an MCP server") && html.contains("/mcp/{organization}"), "{html}");
        assert!(!html.contains("My organization") && !html.contains("my-organization") && !html.contains("admin@"));
    })
    .await;
}

#[tokio::test]
async fn what_machines_ask_for_answers_as_machines_expect() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let get = async |path: &str| stranger().get(format!("{}{path}", server.address())).send().await.unwrap();
        for path in ["/.well-known/x", "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"] {
            let response = get(path).await;
            assert_eq!((response.status().as_u16(), header(&response, "content-type")), (404, Some("application/json")), "{path}");
            assert_eq!(response.json::<Value>().await.unwrap()["error"], "not_found");
        }
        let health = get("/healthz").await;
        assert_eq!((health.status().as_u16(), health.text().await.unwrap().as_str()), (200, "ok"));
        let ready = get("/readyz").await;
        assert_eq!((ready.status().as_u16(), header(&ready, "content-type")), (200, Some("application/json")));
        assert_eq!(ready.json::<Value>().await.unwrap()["state"], "ready");
        for (path, kind) in [("/assets/style.css", "text/css; charset=utf-8"), ("/assets/icon.svg", "image/svg+xml")] {
            let asset = get(path).await;
            assert_eq!((asset.status().as_u16(), header(&asset, "content-type")), (200, Some(kind)));
            assert_eq!(header(&asset, "x-content-type-options"), Some("nosniff"));
            let tag = header(&asset, "etag").expect("a tag").to_owned();
            for (had, status) in [(tag.clone(), 304), (format!("\"x\", W/{tag}"), 304), ("*".to_owned(), 304), ("\"x\"".to_owned(), 200)] {
                let again = stranger().get(format!("{}{path}", server.address())).header("if-none-match", &had).send().await.unwrap();
                assert_eq!((again.status().as_u16(), header(&again, "etag")), (status, Some(tag.as_str())), "{had}");
                assert_eq!(again.bytes().await.unwrap().is_empty(), status == 304);
            }
            let body = asset.text().await.unwrap();
            assert!(!body.replace("http://www.w3.org/2000/svg", "").contains("://"), "nothing from elsewhere");
        }
    })
    .await;
}

#[tokio::test]
async fn behind_tls_and_below_a_path_cookies_and_links_fit() {
    on_both(async |engine| {
        let sink = crate::common::smtp::Sink::start(&[]).await;
        let url = format!("smtp://127.0.0.1:{}", sink.port);
        let options = Options::arguments(&[
            "--public-url",
            "https://larkspur.example/usher",
            "--smtp-url",
            &url,
            "--mail-from",
            "usher@sender.example",
        ]);
        let mut server = Server::quickstart_with(engine, &options).await;
        // Reached as a proxy in front would reach it.
        server.mcp_url = format!("{}/mcp/{}", server.address(), server.org);
        server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let raw = until("the mail", async || sink.mails().pop()).await["raw"].as_str().unwrap().to_owned();
        let mail = String::from_utf8(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, raw).unwrap()).unwrap();
        let link = mail.lines().map(str::trim).find(|line| line.contains("/invite/")).unwrap().to_owned();
        let path = link.strip_prefix("https://larkspur.example").unwrap();
        // A proxy may keep the path or strip it.
        for path in [path, path.strip_prefix("/usher").unwrap()] {
            let moved = stranger().get(format!("{}{path}", server.address())).header("host", "larkspur.example").send().await.unwrap();
            assert_eq!(moved.status(), 303, "{path}");
            let place = header(&moved, "location").unwrap().to_owned();
            assert!(place.starts_with("/usher/invite/"), "{place}");
            let cookie = header(&moved, "set-cookie").unwrap().to_owned();
            assert!(cookie.contains(&format!("Path={place};")) && cookie.ends_with("; Secure"), "{cookie}");
            let page = stranger()
                .get(format!("{}{place}", server.address()))
                .header("cookie", cookie.split(';').next().unwrap())
                .send()
                .await
                .unwrap();
            // Of this host alone: what else stands below it is not ours to bind to TLS.
            assert_eq!(header(&page, "strict-transport-security"), Some("max-age=63072000"));
            let html = sound(page, "/usher").await;
            assert!(html.contains(&format!("action=\"{place}\"")), "{html}");
            let style = stranger().get(format!("{}/usher/assets/style.css", server.address())).send().await.unwrap();
            assert_eq!(style.status(), 200);
        }
        // Only the public origin may post.
        let wrong =
            stranger().post(format!("{}{path}", server.address())).header("origin", server.address()).form(&filled("E", "E", PASSWORD));
        assert_eq!(wrong.send().await.unwrap().status(), 403);
        let own = stranger().post(format!("{}{path}", server.address())).header("origin", "https://larkspur.example");
        assert_eq!(own.form(&filled("Ana", "Ruiz", PASSWORD)).send().await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_name_is_text_on_every_page() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart(Engine::Sqlite).await;
    let hostile = "<script>alert(1)</script>";
    server.cli(&["org", "rename", "--org", &server.org, "--name", "\"><b>x</b>", "--json"]).await;
    server.ok("update_user", json!({"user": "admin@example.com", "first_name": hostile, "last_name": "' onload=1"})).await;
    server
        .ok(
            "invite_user",
            json!({"email": "o'neill+$(id)@example.com".replace("$(id)", "$id"), "first_name": hostile, "last_name": "\"><i>"}),
        )
        .await;
    let link = server.link(1).await;
    let human = browser();
    let (_, place, html) = open(&human, &link).await;
    let joined = human.post(&place).form(&filled(hostile, "\"><i>", PASSWORD)).send().await.unwrap().text().await.unwrap();
    let (_, _, dead) = open(&human, &link).await;
    for page in [html, joined, dead] {
        for markup in ["<script", "<b>x", "\"><i>", "' onload"] {
            assert!(!page.contains(markup), "{markup} in {page}");
        }
    }
}

/// The number on a page of an error.
fn number(html: &str) -> Option<String> {
    html.split("this number: <code>").nth(1).and_then(|rest| rest.split_once('<')).map(|(number, _)| number.to_owned())
}

#[tokio::test]
async fn the_number_on_a_page_is_in_the_log_and_stands_only_where_there_is_something_to_find() {
    on_both(async |engine| {
        let folder = tempfile::TempDir::new().unwrap();
        let log = folder.path().join("log");
        let server = Server::quickstart_with(engine, &Options::default().logged_to(&log)).await;
        let link = invite(&server, "ana@example.com").await;
        for (path, status) in [("/no/such/page", 404), ("/assets/none.css", 404)] {
            let (found, _, html) = open(&browser(), &format!("{}{path}", server.address())).await;
            assert_eq!((found, number(&html)), (status, None), "{html}");
        }
        let crossing = stranger().post(&link).header("sec-fetch-site", "cross-site").send().await.unwrap();
        assert_eq!((crossing.status().as_u16(), number(&crossing.text().await.unwrap())), (403, None));
        // The database is there, and what the page needs is not.
        assert!(server.tamper("ALTER TABLE links RENAME TO links_put_away").await);
        let mut numbers = std::collections::BTreeSet::new();
        for request in [stranger().get(&link), stranger().post(&link).form(&filled("Ana", "Ruiz", PASSWORD))] {
            let broken = request.send().await.unwrap();
            assert!(broken.status().is_server_error(), "{}", broken.status());
            numbers.insert(number(&sound(broken, "").await).expect("a number"));
        }
        assert_eq!(numbers.len(), 2, "each request has its own");
        let said = std::fs::read_to_string(&log).unwrap();
        for number in numbers {
            let lines: Vec<&str> = said.lines().filter(|line| line.contains(&number)).collect();
            assert!(lines.len() == 1 && lines[0].contains("ERROR") && lines[0].contains("links"), "{number}: {lines:?}\n{said}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_foreign_host_gets_a_page_and_one_line_of_the_log_however_often_it_asks() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = tempfile::TempDir::new().unwrap();
    let log = folder.path().join("log");
    let server = Server::quickstart_with(Engine::Sqlite, &Options::default().logged_to(&log)).await;
    for _ in 0..20 {
        let refused = stranger().get(format!("{}/", server.address())).header("host", "evil.example").send().await.unwrap();
        assert_eq!(refused.status(), 403);
        assert_eq!(heading(&sound(refused, "").await), "This server has another name");
    }
    for path in ["/mcp", "/healthz", "/.well-known/x"] {
        let refused = stranger().get(format!("{}{path}", server.address())).header("host", "evil.example").send().await.unwrap();
        assert_eq!((refused.status().as_u16(), header(&refused, "content-type")), (403, Some("application/json")), "{path}");
        assert_eq!(refused.json::<Value>().await.unwrap()["error"], "forbidden_host");
    }
    let said = std::fs::read_to_string(&log).unwrap();
    assert_eq!(said.lines().filter(|line| line.contains("foreign host") && line.contains("--public-url")).count(), 1, "{said}");
}

#[tokio::test]
async fn r_b101_a_page_says_the_zone_and_the_same_instant_as_the_tool() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart_with(Engine::Sqlite, &Options::default().with("TZ", "America/Los_Angeles")).await;
    let link = invite(&server, "ana@example.com").await;
    let shown = async || open(&browser(), &link).await.2;
    let until = super::user(&server, "ana@example.com").await["invite_expires_at"].as_str().unwrap().to_owned();
    let words = until.parse::<jiff::Timestamp>().unwrap().strftime("%-d %b %Y, %H:%M UTC").to_string();
    assert!(shown().await.contains(&format!("<time datetime=\"{until}\">{words}</time>")), "{words}");
    server.ok("resend_invite", json!({"user": "ana@example.com"})).await;
    let dead = shown().await;
    let moments: Vec<&str> = dead.split("<time ").skip(1).filter_map(|rest| rest.split("</time>").next()).collect();
    assert!(!moments.is_empty() && moments.iter().all(|moment| moment.ends_with(" UTC") && moment.contains("Z\">")), "{moments:?}");
}
