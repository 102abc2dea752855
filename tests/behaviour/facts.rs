//! Facts of the product that stand in one sentence, each met by one test.

use crate::common::{Server, on_both};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn invite(server: &Server, email: &str) -> Value {
    server.ok("invite_user", json!({"email": email, "first_name": "Ana", "last_name": "Ruiz"})).await["user"].clone()
}

/// Names of somebody's access groups.
async fn groups_of(server: &Server, email: &str) -> BTreeSet<String> {
    let user = server.ok("get_user", json!({"user": email})).await["user"].clone();
    let groups = user["access_groups"].as_array().expect("groups").iter();
    groups.map(|group| group["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn b03_an_administrator_has_everything_and_no_group_narrows_it() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.ok("create_access_group", json!({"name": "Readers", "permissions": ["users:read"]})).await;
        let (_, free) = server.administrator("free@example.com").await;
        let (_, grouped) = server.administrator("grouped@example.com").await;
        server.ok("add_to_access_group", json!({"users": ["grouped@example.com"], "access_groups": ["Readers"]})).await;
        let every = usher_tools::catalogue().len();
        for (nth, token) in [&free, &grouped].into_iter().enumerate() {
            assert_eq!(server.tools(token).await.len(), every);
            let all = server.call(token, "list_permissions", json!({})).await.structured();
            for permission in all["permissions"].as_array().expect("permissions") {
                let asked =
                    json!({"user": if nth == 0 { "free@example.com" } else { "grouped@example.com" }, "permission": permission["name"]});
                let held = server.call(token, "check_membership", asked).await.structured();
                assert_eq!(held["allowed"], true, "{permission}");
            }
            let group = json!({"name": format!("Of {nth}"), "permissions": ["users:deactivate"]});
            assert_eq!(server.call(token, "create_access_group", group).await.structured()["changed"], true);
        }
    })
    .await;
}

#[tokio::test]
async fn b07_an_email_is_unique_within_its_organization_and_the_refusal_says_what_to_do() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let pending = invite(&server, "pending@example.com").await;
        let (active, _) = server.member("active@example.com", &[]).await;
        let (gone, _) = server.member("gone@example.com", &[]).await;
        server.ok("deactivate_user", json!({"user": gone})).await;
        let pending = pending["id"].as_str().expect("an id");
        for (email, id, status, next) in [
            ("PENDING@example.com", pending, "pending", "resend_invite"),
            ("active@Example.com", active.as_str(), "active", "get_user"),
            ("gone@example.com", gone.as_str(), "deactivated", "reactivate_user"),
        ] {
            let refused = server.refused("invite_user", json!({"email": email, "first_name": "Bo", "last_name": "Li"})).await;
            assert_eq!((&refused["code"], &refused["field"]), (&json!("email_already_in_use"), &json!("email")));
            assert!(refused["message"].as_str().is_some_and(|words| words.starts_with("Email already in use")), "{refused}");
            assert_eq!(refused["details"], json!({"user_id": id, "status": status, "next": next}));
        }
    })
    .await;
}

#[tokio::test]
async fn b15_a_new_organization_shows_only_the_person_it_began_with() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let listed = server.ok("list_users", json!({})).await;
        let emails: Vec<_> = listed["users"].as_array().expect("people").iter().map(|user| &user["email"]).collect();
        assert_eq!((emails, &listed["total"]), (vec![&json!("admin@example.com")], &json!(1)));
    })
    .await;
}

#[tokio::test]
async fn b17_names_and_role_are_edited_and_access_is_switched_off_and_on() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.member("ana@example.com", &[]).await;
        let edits = json!({"user": "ana@example.com", "first_name": "Anna", "last_name": "Ruíz", "role": "Administrator"});
        let edited = server.ok("update_user", edits).await["user"].clone();
        assert_eq!(
            (&edited["first_name"], &edited["last_name"], &edited["role"]),
            (&json!("Anna"), &json!("Ruíz"), &json!("Administrator"))
        );
        for (tool, status) in [("deactivate_user", "deactivated"), ("reactivate_user", "active")] {
            assert_eq!(server.ok(tool, json!({"user": "ana@example.com"})).await["changed"], true);
            assert_eq!(server.ok("get_user", json!({"user": "ana@example.com"})).await["user"]["status"], status);
        }
    })
    .await;
}

#[tokio::test]
async fn b18_one_action_assigns_several_groups_and_a_persons_page_lists_them() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        invite(&server, "ana@example.com").await;
        for name in ["Sales", "Support", "Finance"] {
            server.ok("create_access_group", json!({"name": name, "permissions": ["users:read"]})).await;
        }
        let several = json!({"users": ["ana@example.com"], "access_groups": ["Sales", "Support"]});
        assert_eq!(server.ok("add_to_access_group", several).await["changed"], true);
        assert_eq!(groups_of(&server, "ana@example.com").await, ["Sales", "Support"].map(str::to_owned).into());
    })
    .await;
}

#[tokio::test]
async fn b25_everybody_has_tokens_of_their_own_and_every_call_runs_as_their_owner() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.ok("create_access_group", json!({"name": "Readers", "permissions": ["users:read"]})).await;
        let (ana, hers) = server.member("ana@example.com", &["Readers"]).await;
        let (bo, his) = server.member("bo@example.com", &[]).await;
        let second = server.token_for("ana@example.com", &["--label", "editor"]).await;
        for (token, owner, reads) in [(&hers, &ana, true), (&second, &ana, true), (&his, &bo, false)] {
            let me = server.call(token, "whoami", json!({})).await.structured();
            assert_eq!(&me["user"]["id"], owner);
            assert_eq!(server.tools(token).await.contains(&"list_users".to_owned()), reads);
        }
        // What one ends of theirs ends nothing of the other's.
        server.ok("deactivate_user", json!({"user": bo})).await;
        let status = async |token: &str| server.call(token, "whoami", json!({})).await.status;
        assert_eq!((status(&hers).await, status(&second).await, status(&his).await), (200, 200, 401));
    })
    .await;
}
