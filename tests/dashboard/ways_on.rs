//! Where a form leads whose sender may no longer do, or see, what it was about.

use super::{
    group,
    groups::{form, send, with},
    with_boss,
};
use crate::{
    common::on_both,
    signing_in::{Browser, Seen, drawn_for},
};
use serde_json::{Value, json};

fn says(seen: &Seen, status: u16, words: &str) {
    assert!(seen.status == status && seen.html.contains(words), "{words}: {} {}", seen.status, seen.html);
}

#[tokio::test]
async fn whoever_ends_what_let_them_look_is_led_to_where_they_may_be() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let own = server.ok("get_user", json!({"user": "boss@example.com"})).await["user"]["id"].as_str().expect("an id").to_owned();
        let at = format!("/users/{own}");
        let less = with(&form(&boss.get(&at).await.html, &at), "role", "user");
        assert_eq!(send(&boss, &at, &less).await.location.as_deref(), Some("/"));
        assert_eq!(boss.get("/").await.status, 200, "the page that says whom to ask");
        let looks = group(&server, "Looks", &["users:read", "access_groups:assign"]).await;
        let (id, _) = server.member("kim@example.com", &["Looks"]).await;
        let kim = Browser::in_by_password(&server, "kim@example.com").await;
        let at = format!("/users/{id}/access-groups");
        let drawn = drawn_for(&kim.get(&at).await.html);
        assert_eq!(kim.post(&at, &[("as", &drawn), ("access_group", &looks)]).await.location.as_deref(), Some("/"));
        // And whatever goes wrong, there is a way on.
        for path in ["/users", "/nothing", "/users/export/nothing"] {
            says(&kim.get(path).await, 404, "<a class=\"btn\" href=\"/\">Start page</a>");
        }
    })
    .await;
}

#[tokio::test]
async fn a_bound_of_administrators_that_was_set_meanwhile_is_said_beside_the_role() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let (id, _) = server.member("ana@example.com", &[]).await;
        let at = format!("/users/{id}");
        let typed = with(&with(&form(&boss.get(&at).await.html, &at), "role", "administrator"), "last_name", "Kept");
        server.cli(&["org", "set", "--org", &server.org, "--most-administrators", "2", "--json"]).await;
        let seen = send(&boss, &at, &typed).await;
        says(&seen, 422, "2 Administrators at most");
        says(&seen, 422, "id=\"role-e\"");
        says(&seen, 422, "value=\"Kept\"");
    })
    .await;
}

#[tokio::test]
async fn a_reason_that_is_not_taken_ends_no_ai_access_and_stays_in_its_field() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let (id, token) = server.member("ana@example.com", &[]).await;
        let at = format!("/users/{id}/ai-tools/end");
        let asked = form(&boss.get(&at).await.html, &at);
        for wrong in ["left the team \u{2764}\u{fe0f}", &"x".repeat(501)] {
            let seen = send(&boss, &at, &with(&asked, "reason", wrong)).await;
            says(&seen, 422, "id=\"why-e\"");
            says(&seen, 422, &format!("name=\"reason\" maxlength=\"500\" autocomplete=\"off\" dir=\"auto\" value=\"{wrong}\""));
            says(&seen, 422, "<span>End AI access of");
            assert!(!seen.html.contains("no such token"), "{}", seen.html);
        }
        assert_eq!(server.call(&token, "whoami", json!({})).await.status, 200);
        assert_eq!(send(&boss, &at, &with(&asked, "reason", "left the team")).await.status, 303);
        assert_eq!(server.call(&token, "whoami", json!({})).await.status, 401);
        let entry: Value = server.ok("list_audit_events", json!({"outcome": "done", "limit": 1})).await["events"][0].clone();
        assert_eq!(entry["reason"], "left the team", "{entry}");
    })
    .await;
}
