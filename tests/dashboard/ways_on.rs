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

#[tokio::test]
async fn whoever_is_signed_out_in_mid_edit_is_shown_everything_that_they_decided() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let support = group(&server, "Support & Co", &["users:read"]).await;
        let (ana, _) = server.member("ana@example.com", &[]).await;
        let person = format!("/users/{ana}");
        let (members, groups) = (format!("/access-groups/{support}/add"), format!("{person}/access-groups/add"));
        let out = Browser::of(&server);
        for (path, decided, words) in [
            (
                "/access-groups/new",
                &[("permission", "users:read"), ("name", "Night")] as &[(&str, &str)],
                &["Night", "users:read"] as &[&str],
            ),
            (
                "/users/invite",
                &[("email", "x@example.com"), ("role", "administrator"), ("access_group", &support)],
                &["Administrator", "Support &#38; Co"],
            ),
            (&person, &[("role", "administrator"), ("slack_id", "U07K3M9QX2B")], &["Administrator", "U07K3M9QX2B"]),
            (&members, &[("user", &ana), ("do", "add")], &["ana@example.com"]),
            (&groups, &[("access_group", &support)], &["Support &#38; Co"]),
            (
                "/settings/sign-in",
                &[("second_factor", "everybody"), ("magic_links", "on")],
                &["Everybody must have a second factor", "sign in"],
            ),
            ("/settings/invitations", &[("other_domains", "refuse"), ("most_administrators", "7")], &["is refused", "7"]),
            ("/settings/sso", &[("preset", "microsoft"), ("trust_unverified_email", "on")], &["Microsoft", "count"]),
            ("/me/tools/new", &[("label", "laptop"), ("scope", "write")], &["laptop", "Read and write"]),
        ] {
            let mut typed = form(&boss.get(path).await.html, path);
            for (name, value) in decided {
                typed = with(&typed, name, value);
            }
            let seen = send(&out, path, &typed).await;
            says(&seen, 409, "You are signed out");
            for words in words {
                says(&seen, 409, &format!("<bdi>{words}</bdi>"));
            }
            assert!(!seen.html.contains(&support) && !seen.html.contains(&ana), "{path}: no id says anything to anybody: {}", seen.html);
        }
    })
    .await;
}

#[tokio::test]
async fn ticks_stay_when_groups_are_searched_for() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let (support, night) = (group(&server, "Support", &["users:read"]).await, group(&server, "Night", &[]).await);
        let (ana, _) = server.member("ana@example.com", &[]).await;
        let at = format!("/users/{ana}/access-groups/add");
        // The search stands there once there are more groups than a page shows, or one is on.
        let drawn = form(&boss.get(&format!("{at}?query=supp")).await.html, &at);
        let sought = send(&boss, &at, &with(&with(&with(&drawn, "access_group", &support), "query", "night"), "do", "search")).await;
        let place = sought.location.expect("a place");
        assert_eq!(place, format!("{at}?query=night&access_group={support}"));
        let both = form(&boss.get(&place).await.html, &at);
        assert!(both.iter().any(|(name, value)| name == "access_group" && *value == support), "{both:?}");
        let mut both = with(&both, "do", "add");
        both.push(("access_group".to_owned(), night));
        assert_eq!(send(&boss, &at, &both).await.status, 303);
        let held = server.ok("get_user", json!({"user": ana})).await["user"]["access_groups"].as_array().map(Vec::len);
        assert_eq!(held, Some(2));
    })
    .await;
}

#[tokio::test]
async fn every_address_of_a_form_leads_back_to_its_page() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let id = group(&server, "Support", &[]).await;
        let group = format!("/access-groups/{id}");
        for (path, to) in [
            ("/me/name", "/me"),
            ("/me/password", "/me"),
            ("/me/sessions", "/me"),
            ("/me/identities", "/me"),
            ("/me/switch", "/me"),
            ("/sign-out", "/me"),
            ("/theme", "/"),
            ("/users/export", "/users"),
            ("/audit/verify", "/audit"),
            ("/audit/export", "/audit"),
            (&format!("{group}/remove"), &group),
            ("/access-groups/none/remove", "/access-groups"),
        ] {
            let seen = boss.get(path).await;
            assert_eq!((seen.status, seen.location.as_deref()), (303, Some(to)), "{path}");
        }
        assert!(boss.me().await.is_some(), "looking ends nothing");
    })
    .await;
}

#[tokio::test]
async fn b05_one_more_administrator_by_reactivating_is_warned_of() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let (fourth, _) = server.administrator("fourth@example.com").await;
        server.ok("deactivate_user", json!({"user": "fourth@example.com"})).await;
        let asked = async || boss.get(&format!("/users/{fourth}/reactivate")).await;
        assert!(!asked().await.html.contains("already has"), "two are no reason");
        server.administrator("third@example.com").await;
        says(&asked().await, 200, "My organization already has 3 Administrators.");
    })
    .await;
}

#[tokio::test]
async fn a_menu_is_no_longer_than_the_window_and_says_where_the_others_are() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        for n in 0..101 {
            group(&server, &format!("Group {n}"), &[]).await;
        }
        says(&boss.get("/users").await, 200, "Only the first 100 stand here. For another one, open it among the access groups");
        says(&boss.get("/assets/style.css").await, 200, ".menu:popover-open { max-height:");
    })
    .await;
}
