//! The same in Chromium, as a person uses it.

use crate::common::{Options, PASSWORD, Server, hosts, on_both, smtp::Sink, until};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use std::{collections::BTreeSet, path::Path};
use usher_mcp::{
    domain::Timestamp,
    hosts as snippets,
    http::web::views::{
        ASSETS, AcceptPage, DeadLink, DeadLinkPage, ErrorPage, Fault, FieldError, IndexPage, JoinedPage, Moment, NewPassword,
        OpenAgainPage, Page, TooManyTriesPage, UnknownLinkPage, audit, door, factors, frame, groups, me, passwords, person, render,
        second_factor, settings, sso, start, tools, users, when,
    },
};

#[path = "../../src/http/web/views/samples.rs"]
mod samples;

#[tokio::test]
async fn every_page_is_clean_in_light_and_dark_wide_and_on_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    for asset in ASSETS {
        std::fs::write(folder.path().join(asset.path.trim_start_matches('/')), asset.body).unwrap();
    }
    let mut drawn = BTreeSet::new();
    for (name, page) in samples::every() {
        std::fs::write(folder.path().join(format!("{name}.html")), page.html).unwrap();
        drawn.insert(name.split('-').next().unwrap().to_owned());
    }
    let templates = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/web/templates")).unwrap();
    let templates = templates.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    // Those are parts of the others.
    let templates: BTreeSet<_> = templates
        .filter(|name| !["door", "frame", "log", "macros", "person_frame", "settings", "settings_macros"].contains(&name.as_str()))
        .collect();
    assert_eq!(drawn, templates, "each page has a sample");
    let seen = hosts::alone("USHER_TEST_NODE22", "browser/pages.mjs", &[folder.path().to_str().unwrap()]).await;
    let clean = json!({"axe": [], "complaints": [], "wide": false});
    let others: Vec<_> = seen.as_object().unwrap().iter().filter(|(_, page)| **page != clean).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[tokio::test]
async fn a_person_joins_in_a_real_browser() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for (email, first) in [("ana@example.com", "Ana"), ("bo@example.com", "Bo")] {
            server.ok("invite_user", json!({"email": email, "first_name": first, "last_name": "Ruiz"})).await;
        }
        let (link, other) = (server.link_to("ana@example.com").await, server.link_to("bo@example.com").await);
        let token = link.rsplit('/').next().unwrap();
        let seen = hosts::converse(&server, "USHER_TEST_NODE22", "browser/invite.mjs", &[&link, &other, PASSWORD]).await;
        let text = |page: &str, part: &str| seen[page][part].as_str().unwrap_or_default().to_owned();

        assert_eq!(text("form", "heading"), "First Administrator invited you to My organization");
        assert!(!text("form", "url").contains(token) && text("form", "text").contains("ana@example.com"));
        assert_eq!(seen["form"]["fields"]["password"], json!({"value": "", "type": "password"}));
        assert_eq!(text("form", "cookies"), "", "no script can read the cookie");
        let id = text("form", "url").rsplit('/').next().unwrap().to_owned();
        let cookie = json!({"name": format!("usher_invite_{}", id.replace('-', "")), "path": format!("/invite/{id}"),
            "httpOnly": true, "sameSite": "Lax", "secure": false});
        assert_eq!(seen["cookies"], json!([cookie]));

        // Another site can neither frame the form nor send it.
        assert!(seen["framed"].is_string());
        assert_eq!(seen["forged"]["status"], 403);
        assert!(text("other", "text").contains("bo@example.com"));

        assert!(text("refused", "text").contains("fewer than 15 characters"));
        assert_eq!(seen["refused"]["fields"]["first_name"]["value"], "Anna Lena");
        assert_eq!(seen["refused"]["fields"]["password"], json!({"value": "", "type": "password"}));
        assert_eq!(seen["shown"]["fields"]["password"], json!({"value": PASSWORD, "type": "text"}));
        assert_eq!(text("joined", "heading"), "You are in");
        assert_eq!(text("joined", "url"), text("form", "url"), "no secret in the address to the end");
        let left = seen["left"].as_array().unwrap();
        assert!(left.contains(&cookie) && left.iter().all(|other| other["httpOnly"] == true), "{left:?}");
        let mut names: Vec<_> = left.iter().map(|other| other["name"].as_str().unwrap_or_default()).collect();
        names.sort_unstable();
        assert!(matches!(names[..], ["usher_browser", _, _, "usher_session"]), "each invite keeps its own: {names:?}");
        assert_eq!(text("used", "heading"), "You have already joined");
        assert_eq!(text("back", "heading"), "You have already joined", "whoever comes back hears it, too");
        assert_eq!(text("index", "heading"), "You are in, and have no access yet");
        assert_eq!(text("unknown", "heading"), "This link opens nothing");
        assert_eq!(text("nothing", "heading"), "There is nothing at this address");

        // Nothing was asked of anybody else, the address with the secret was told to nobody, and no policy was broken.
        for request in seen["requests"].as_array().unwrap() {
            let url = request["url"].as_str().unwrap();
            assert!(url.starts_with(&format!("{}/", server.address())) || url == "about:blank", "{url}");
            let referer = request["referer"].as_str().unwrap_or_default();
            let ours = [text("form", "url"), format!("{}/", server.address())];
            assert!(referer.is_empty() || ours.iter().any(|place| place == referer), "{request}");
            let is_link = url.contains(token);
            assert!(!is_link || request["kind"] == "Document", "only the link itself holds the secret");
        }
        let complaints: Vec<_> =
            seen["complaints"].as_array().unwrap().iter().filter(|text| !text.to_string().contains("status of 422")).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        // Nothing has to be scrolled sideways, on a telephone or on a wide screen.
        for (page, widths) in seen["wide"].as_object().unwrap() {
            assert_eq!(widths, &json!({"360": false, "1600": false}), "{page}");
        }
        let ana = server.ok("get_user", json!({"user": "ana@example.com"})).await;
        assert_eq!((&ana["user"]["status"], &ana["user"]["first_name"]), (&json!("active"), &json!("Anna Lena")));
        let bo = server.ok("get_user", json!({"user": "bo@example.com"})).await;
        assert_eq!((&bo["user"]["status"], &bo["user"]["first_name"]), (&json!("pending"), &json!("Bo")));
    })
    .await;
}

#[tokio::test]
async fn a_person_joins_over_plain_http_on_another_machine() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        let relay = format!("smtp://127.0.0.1:{}", sink.port);
        // Browsers send no Sec-Fetch-Site there, for the address is not trustworthy (Fetch Metadata, section 2).
        let options =
            Options::arguments(&["--public-url", "http://usher.test", "--smtp-url", &relay, "--mail-from", "usher@sender.example"]);
        let server = Server::quickstart_with(engine, &options).await;
        server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let raw = until("the mail", async || sink.mails().pop()).await["raw"].as_str().unwrap().to_owned();
        let mail = String::from_utf8(BASE64_STANDARD.decode(raw).unwrap()).unwrap();
        let link = mail.lines().map(str::trim).find(|line| line.contains("/invite/")).unwrap();
        let port = server.address().rsplit(':').next().unwrap().to_owned();
        let seen = hosts::converse(&server, "USHER_TEST_NODE22", "browser/plain.mjs", &[link, &port, PASSWORD]).await;
        assert_eq!(seen["form"]["heading"], "First Administrator invited you to My organization");
        // Another site's form is refused there as well, on a page for people.
        assert_eq!((&seen["forged"]["status"], &seen["forged"]["heading"]), (&json!(403), &json!("This form came from another site")));
        assert_eq!(seen["joined"]["heading"], "You are in", "{seen}");
        assert!(seen["metadata"].as_array().is_some_and(Vec::is_empty), "there was no Sec-Fetch-Site: {}", seen["metadata"]);
        assert_eq!(server.ok("get_user", json!({"user": "ana@example.com"})).await["user"]["status"], "active");
    })
    .await;
}
