//! Forms that were drawn before somebody else saved: whatever stands in their way first, nothing is overwritten unseen.

use super::{
    group,
    groups::{Form, form, send, with},
    invited, with_boss,
};
use crate::{
    common::{Engine, Server, on_both},
    signing_in::{Browser, Seen},
};
use serde_json::{Value, json};

/// Two Administrators, each with a browser.
async fn two(engine: Engine) -> (Server, Browser, Browser) {
    let (server, boss) = with_boss(engine).await;
    server.administrator("second@example.com").await;
    let second = Browser::in_by_password(&server, "second@example.com").await;
    (server, boss, second)
}

fn value<'a>(form: &'a Form, name: &str) -> &'a str {
    form.iter().find(|(field, _)| field == name).map_or_else(|| panic!("{name} in {form:?}"), |(_, value)| value)
}

fn says(seen: &Seen, status: u16, words: &str) {
    assert!(seen.status == status && seen.html.contains(words), "{words}: {} {}", seen.status, seen.html);
}

#[tokio::test]
async fn a_field_that_is_wrong_first_hides_nobodys_change() {
    on_both(async |engine| {
        let (server, boss, second) = two(engine).await;
        let ana = format!("/users/{}", invited(&server, "ana@example.com", "Ana", "Ruiz").await);
        let support = format!("/access-groups/{}", group(&server, "Support", &["users:read"]).await);
        for (path, theirs, wrong, mended) in [
            (ana.as_str(), ("last_name", "Nunez"), ("first_name", ""), "Anna"),
            (&support, ("description", "At night"), ("name", ""), "Helpers"),
            ("/settings", ("name", "Quayside"), ("name", ""), "Larkspur"),
            ("/settings/invitations", ("invite_domains", "example.com"), ("most_administrators", "abc"), "5"),
            ("/settings/ai-tools", ("most_token_days", "50"), ("most_token_days", "abc"), "30"),
        ] {
            let (mine, other) = (form(&boss.get(path).await.html, path), form(&second.get(path).await.html, path));
            assert_eq!(send(&second, path, &with(&other, theirs.0, theirs.1)).await.status, 303, "{path}");
            let refused = send(&boss, path, &with(&mine, wrong.0, wrong.1)).await;
            assert_eq!(refused.status, 422, "{path}: {}", refused.html);
            let late = send(&boss, path, &with(&form(&refused.html, path), wrong.0, mended)).await;
            assert_eq!(late.status, 409, "{path}: {:?} {}", late.location, late.html);
            // Whoever has seen both decides.
            assert_eq!(send(&boss, path, &form(&late.html, path)).await.status, 303, "{path}");
        }
        assert_eq!(server.cli(&["org", "list", "--json"]).await[0]["name"], "Larkspur");
        let user = server.ok("get_user", json!({"user": "ana@example.com"})).await["user"].clone();
        assert_eq!((&user["first_name"], &user["last_name"]), (&json!("Anna"), &json!("Nunez")));
    })
    .await;
}

#[tokio::test]
async fn b08_ones_own_name_is_not_put_back_over_an_administrators() {
    on_both(async |engine| {
        let (server, _, second) = two(engine).await;
        let mine = form(&second.get("/me").await.html, "/me/name");
        server.ok("update_user", json!({"user": "second@example.com", "last_name": "Renamed"})).await;
        let refused = send(&second, "/me/name", &with(&mine, "first_name", "")).await;
        assert_eq!(refused.status, 422, "{}", refused.html);
        let late = send(&second, "/me/name", &with(&form(&refused.html, "/me/name"), "first_name", "Zoe")).await;
        says(&late, 409, "Your name is “Test Renamed” now.");
        let user = async || server.ok("get_user", json!({"user": "second@example.com"})).await["user"].clone();
        assert_eq!(user().await["last_name"], "Renamed");
        let again = form(&late.html, "/me/name");
        assert_eq!((value(&again, "first_name"), value(&again, "last_name")), ("Zoe", "Person"), "what was typed stays");
        // A second click is no conflict.
        for _ in 0..2 {
            assert_eq!(send(&second, "/me/name", &again).await.status, 303);
        }
        assert_eq!(user().await["last_name"], "Person");
    })
    .await;
}

#[tokio::test]
async fn what_somebody_left_alone_is_not_put_back_over_another_ones_change() {
    on_both(async |engine| {
        let (server, boss, second) = two(engine).await;
        let id = invited(&server, "ana@example.com", "Ana", "Ruiz").await;
        let at = format!("/users/{id}");
        let (mine, other) = (form(&boss.get(&at).await.html, &at), form(&second.get(&at).await.html, &at));
        let theirs = with(&with(&other, "role", "administrator"), "slack_id", "U07K3M9QX2B");
        assert_eq!(send(&second, &at, &theirs).await.status, 303);
        let late = send(&boss, &at, &with(&mine, "first_name", "Anna")).await;
        says(&late, 409, "what you left alone is as it is now");
        let shown = form(&late.html, &at);
        let held = ["first_name", "last_name", "role", "slack_id"].map(|name| value(&shown, name));
        assert_eq!(held, ["Anna", "Ruiz", "administrator", "U07K3M9QX2B"]);
        assert_eq!(send(&boss, &at, &shown).await.status, 303);
        let user = server.ok("get_user", json!({"user": id})).await["user"].clone();
        let held = ["first_name", "role", "slack_id"].map(|name| &user[name]);
        assert_eq!(held, [&json!("Anna"), &json!("Administrator"), &Value::from("U07K3M9QX2B")]);
    })
    .await;
}
