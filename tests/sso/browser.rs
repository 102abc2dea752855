//! The same in Chromium, from the mail to the page of one's own.

use super::{invite, joined_up, status};
use crate::common::{Engine, hosts};
use serde_json::{Value, json};

#[tokio::test]
async fn a_person_joins_through_a_provider_in_a_real_browser() {
    let (server, idp, _) = joined_up(Engine::Sqlite).await;
    let link = invite(&server, "ana@example.com").await;
    let token = link.rsplit('/').next().unwrap().to_owned();
    let door = format!("{}/sign-in/{}", server.address(), server.org);
    let seen = hosts::converse(&server, "USHER_TEST_NODE22", "browser/sso.mjs", &[&link, &door, "ana"]).await;
    let text = |page: &str, part: &str| seen[page][part].as_str().unwrap_or_default().to_owned();

    assert_eq!(text("invite", "heading"), "First Administrator invited you to My organization");
    assert!(text("invite", "text").contains("Join with Example Login"));
    assert_eq!(text("back", "heading"), "You are invited");
    assert_eq!(
        (&seen["back"]["fields"]["first_name"]["value"], &seen["back"]["fields"]["last_name"]["value"]),
        (&json!("Ana"), &json!("Ruiz"))
    );
    assert!(text("back", "text").contains("Anna Provider"));
    assert!(!text("back", "url").contains('?'), "no secret in the address: {}", text("back", "url"));
    assert_eq!(text("back", "cookies").split("; ").filter(|cookie| cookie.contains("usher")).count(), 0, "no script can read them");
    let journeys = seen["cookies"].as_array().unwrap().iter().filter(|cookie| cookie["name"].as_str().unwrap().starts_with("usher_sso_"));
    for cookie in journeys {
        assert_eq!((&cookie["path"], &cookie["httpOnly"], &cookie["sameSite"]), (&json!("/sign-in/sso"), &json!(true), &json!("Lax")));
    }
    assert_eq!(text("joined", "heading"), "Ana Lena Ruiz");
    assert!(text("joined", "text").contains("You are in."));
    assert!(text("door", "text").contains("Sign in with Example Login"));
    assert_eq!(text("again", "heading"), "Sign in");
    assert_eq!(text("in", "heading"), "You are in, and have no access yet");
    assert!(text("in", "text").contains("Ana Lena Ruiz"));
    assert_eq!(status(&server, "ana@example.com").await, "active");

    // No policy was broken, and the provider was told no secret: the address that a form stood at has an id in it.
    let complaints = seen["complaints"].to_string();
    assert!(!complaints.contains("ContentSecurityPolicy") && !complaints.contains("Content Security Policy"), "{complaints}");
    for request in seen["requests"].as_array().unwrap() {
        let url = request["url"].as_str().unwrap();
        assert!(url.starts_with(&server.address()) || url.starts_with(&idp.issuer), "{url}");
        let told = request["referer"].as_str().unwrap_or_default();
        assert!(!told.contains(&token), "{request}");
    }
    for (page, widths) in seen["wide"].as_object().unwrap() {
        assert!(widths.as_object().unwrap().values().all(|wide| *wide == Value::Bool(false)), "{page} {widths}");
    }
}
