//! The same in Chromium, from the door to one's own page and back.

use super::{second_organization, with_ana};
use crate::common::{PASSWORD, hosts::variable, on_both};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

#[tokio::test]
async fn a_person_signs_in_in_a_real_browser() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        second_organization(&server).await;
        let mut browser = Command::new(variable("USHER_TEST_NODE22"))
            .arg(PathBuf::from(variable("USHER_TEST_HOSTS")).join("browser/sign_in.mjs"))
            .args([&server.address(), &server.org, "ana@example.com", PASSWORD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the browser starts");
        let mut said = BufReader::new(browser.stdout.take().expect("its words")).lines();
        assert_eq!(said.next_line().await.expect("a line").as_deref(), Some("asked"));
        let link = server.newest_link_to("ana@example.com", 2).await;
        let mut hears = browser.stdin.take().expect("its ear");
        hears.write_all(format!("{link}\n").as_bytes()).await.expect("it hears");
        let seen: Value = serde_json::from_str(&said.next_line().await.expect("a line").expect("what it saw")).expect("JSON");
        assert!(browser.wait().await.expect("an end").success());

        let headings = json!({"sign-in": "Sign in", "sent": "Look into your mailbox", "link": "Sign in", "me": "Test Person",
            "used": "This link was used", "refused": "Sign in to My organization"});
        assert_eq!(seen["headings"], headings);
        let token = link.rsplit('/').next().expect("a token");
        assert!(!seen["link"]["url"].as_str().expect("a place").contains(token), "the token has left the address bar");
        let text = |page: &str| seen[page]["text"].as_str().unwrap_or_default().to_owned();
        for part in ["Switch to\u{a0}Second", "Chrome on Linux, by a mailed link", "Sign out everywhere"] {
            assert!(text("me").replace(['\n', '\u{a0}'], " ").contains(&part.replace('\u{a0}', " ")), "{part}: {}", text("me"));
        }
        assert_eq!(seen["me"]["cookies"], "", "no script can read a cookie");
        assert!(text("refused").contains("do not open a door here"));
        assert_eq!(seen["refused"]["fields"]["email"]["value"], "ana@example.com", "what was typed is kept");
        assert_eq!(seen["refused"]["fields"]["password"]["value"], "");
        let start = format!("{}/", server.address());
        assert_eq!([&seen["start"]["url"], &seen["back"]["url"]], [start.as_str(), start.as_str()], "Enter signs in, as the button does");
        assert_eq!(seen["wide"], json!({}), "nothing has to be scrolled sideways");
        for request in seen["requests"].as_array().expect("requests") {
            let url = request["url"].as_str().expect("an address");
            assert!(url.starts_with(&format!("{}/", server.address())) || url == "about:blank", "{url}");
            // Pages with a form tell this server alone where they stand, and no address that stays holds a token.
            let referer = request["referer"].as_str().unwrap_or_default();
            assert!(referer.is_empty() || (referer.starts_with(&server.address()) && !referer.contains(token)), "{request}");
        }
        let complaints = seen["complaints"].as_array().expect("complaints");
        let ours: Vec<_> =
            complaints.iter().filter(|text| !["422", "410"].iter().any(|status| text.to_string().contains(status))).collect();
        assert!(ours.is_empty(), "{ours:?}");
    })
    .await;
}
