//! Roles: few Administrators, never none, and nobody is kept in a role that was taken.

use super::person;
use crate::{
    common::{Server, on_both},
    tools::{Watch, group, unchanged},
};
use serde_json::{Value, json};

#[tokio::test]
async fn b05_the_fourth_administrator_is_said_to_be_many_and_never_refused() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for n in 2..=5 {
            server.member(&format!("p{n}@example.com"), &[]).await;
        }
        let promote =
            async |n: usize| server.ok("update_user", json!({"user": format!("p{n}@example.com"), "role": "Administrator"})).await;
        for n in 2..=3 {
            let answer = promote(n).await;
            assert_eq!((&answer["changed"], answer.get("warnings")), (&json!(true), None), "{n}");
        }
        let fourth = promote(4).await;
        assert_eq!((&fourth["changed"], fourth["warnings"].as_array().map(Vec::len)), (&json!(true), Some(1)));
        assert!(fourth["warnings"][0].as_str().is_some_and(|warning| warning.contains("Two or three")));
        assert_eq!(promote(4).await.get("warnings"), None, "nothing was made this time");
        let invited = server
            .ok("invite_user", json!({"email": "p6@example.com", "first_name": "X", "last_name": "Y", "role": "Administrator"}))
            .await;
        assert_eq!(invited["warnings"].as_array().map(Vec::len), Some(1));
        let user = server.ok("invite_user", json!({"email": "p7@example.com", "first_name": "X", "last_name": "Y"})).await;
        assert_eq!(user["warnings"], json!([]));
        server.ok("deactivate_user", json!({"user": "p4@example.com"})).await;
        let back = server.ok("reactivate_user", json!({"user": "p4@example.com"})).await;
        assert_eq!(back["warnings"].as_array().map(Vec::len), Some(1));
    })
    .await;
}

#[tokio::test]
async fn b05_who_has_not_joined_is_no_administrator_yet() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let invite = async |n: usize| {
            let person = json!({"email": format!("p{n}@example.com"), "first_name": "X", "last_name": "Y", "role": "Administrator"});
            server.ok("invite_user", person).await["warnings"].clone()
        };
        // One is active: with any one of these there are two.
        for n in 1..=5 {
            assert_eq!(invite(n).await, json!([]), "{n}");
        }
        for n in 6..=7 {
            server.administrator(&format!("p{n}@example.com")).await;
        }
        assert_eq!(invite(8).await.as_array().map(Vec::len), Some(1), "the fourth");
    })
    .await;
}

#[tokio::test]
async fn r_b44_r_b46_b22_the_last_administrator_stays_on_every_way() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let own = "admin@example.com";
        let pending = json!({"email": "pia@example.com", "first_name": "P", "last_name": "A", "role": "Administrator"});
        server.ok("invite_user", pending).await;
        let (_, second) = server.administrator("second@example.com").await;
        // Of two, each may step down while the other is there, but nobody shuts themselves out.
        assert_eq!(server.refused("deactivate_user", json!({"user": own})).await["code"], "self_deactivation");
        let down = server.call(&second, "update_user", json!({"user": "second@example.com", "role": "User"})).await.structured();
        assert_eq!((&down["changed"], &down["user"]["role"]), (&json!(true), &json!("User")));
        assert_eq!(server.call(&second, "list_users", json!({})).await.error()["code"], "permission_denied");

        // Pending and deactivated Administrators are none to count on.
        server.ok("update_user", json!({"user": "second@example.com", "role": "Administrator"})).await;
        server.ok("deactivate_user", json!({"user": "second@example.com"})).await;
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything_but_evidence().await;
        for (tool, arguments) in [("deactivate_user", json!({"user": own})), ("update_user", json!({"user": own, "role": "User"}))] {
            for dry_run in [false, true] {
                let mut arguments = arguments.clone();
                arguments["dry_run"] = json!(dry_run);
                let refused = server.refused(tool, arguments).await;
                assert_eq!(refused["code"], "last_administrator", "{tool}");
                assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("Promote somebody else first")), "{refused}");
            }
        }
        // With the name in the same call, all of it is refused.
        assert_eq!(
            server.refused("update_user", json!({"user": own, "first_name": "X", "role": "User"})).await["code"],
            "last_administrator"
        );
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");
        assert_eq!(person(&server, own).await["first_name"], "First");
        // Those who are not active can go: nobody loses their last say by it.
        for tool in ["update_user", "deactivate_user"] {
            for user in ["pia@example.com", "second@example.com"] {
                let mut arguments = json!({"user": user});
                if tool == "update_user" {
                    arguments["role"] = json!("User");
                }
                server.ok(tool, arguments).await;
            }
        }
        // Recovery stands on the host, and is told.
        server.cli(&["user", "promote", "--org", &server.org, "--user", "second@example.com", "--json"]).await;
        let told = server.ok("list_audit_events", json!({"surface": "cli", "user": "second@example.com"})).await;
        assert!(told["events"].as_array().is_some_and(|events| events.iter().any(|event| event["action"] == "users:update")), "{told}");
    })
    .await;
}

#[tokio::test]
async fn r_b58_b23_a_role_holds_from_the_next_call_on_with_the_same_token() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        group(&server, "Readers", &["users:read"]).await;
        let (id, token) = server.member("ana@example.com", &[]).await;
        let tools = async || server.tools(&token).await.len();
        let lists = async || server.call(&token, "list_users", json!({})).await.body["result"]["isError"] != true;
        for _ in 0..3 {
            assert_eq!((tools().await, lists().await), (8, false));
            server.ok("update_user", json!({"user": id, "role": "Administrator"})).await;
            assert_eq!((tools().await, lists().await), (20, true));
            let whoami = server.call(&token, "whoami", json!({})).await.structured();
            assert_eq!(whoami["user"]["role"], "Administrator");
            server.ok("update_user", json!({"user": id, "role": "User"})).await;
            assert_eq!((tools().await, lists().await), (8, false));
            server.ok("add_to_access_group", json!({"users": [id], "access_groups": ["Readers"]})).await;
            assert_eq!((tools().await, lists().await), (9, true));
            server.ok("remove_from_access_group", json!({"users": [id], "access_groups": ["Readers"]})).await;
        }
    })
    .await;
}

#[tokio::test]
async fn whoami_tells_a_caller_what_they_are_and_may() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        group(&server, "Readers", &["users:read", "audit_log:read"]).await;
        let (id, token) = server.member("ana@example.com", &["Readers"]).await;
        let read_only = server.token_for("ana@example.com", &["--read-only", "--label", "Notes app", "--expires-in-days", "7"]).await;
        let whole = server.call(&token, "whoami", json!({})).await.structured();
        assert_eq!((&whole["user"]["id"], &whole["permissions"]), (&json!(id), &json!(["audit_log:read", "users:read"])));
        assert_eq!((&whole["organization"]["slug"], &whole["organization"]["name"]), (&json!(server.org), &json!("My organization")));
        assert_eq!(
            (&whole["credential"]["kind"], &whole["credential"]["scopes"], &whole["credential"]["client"]),
            (&json!("token"), &json!(["read", "write"]), &Value::Null)
        );
        let narrow = server.call(&read_only, "whoami", json!({})).await.structured();
        assert_eq!((&narrow["credential"]["scopes"], &narrow["credential"]["label"]), (&json!(["read"]), &json!("Notes app")));
        assert!(narrow["credential"]["expires_at"].as_str() < whole["credential"]["expires_at"].as_str());
        let refused = server.call(&read_only, "update_user", json!({"user": id, "first_name": "X"})).await.error();
        assert_eq!((&refused["code"], &refused["details"]), (&json!("permission_denied"), &json!({"scope": "write"})));
        for secret in [&token, &read_only] {
            assert!(!whole.to_string().contains(secret.as_str()) && !narrow.to_string().contains(secret.as_str()));
        }
    })
    .await;
}
