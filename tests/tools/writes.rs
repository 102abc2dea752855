//! What all writes share: dry runs, reasons, versions, and that what already holds changes nothing.

use super::{Watch, group, holder, invite, unchanged, with};
use crate::common::{Server, on_both};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use usher_tools::catalogue;

/// Without what is new or later in every answer: ids, times, and the mark of a dry run itself.
fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept =
                object.iter().filter(|(name, _)| !["id", "request_id", "dry_run"].contains(&name.as_str()) && !name.ends_with("_at"));
            Value::Object(kept.map(|(name, value)| (name.clone(), stripped(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(stripped).collect()),
        other => other.clone(),
    }
}

/// One write of each kind, in an order in which each changes something. Bo has this token and another one.
fn writes(token: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("revoke_mcp_token", json!({"id": token})),
        ("end_ai_access", json!({"user": "bo@example.com"})),
        ("create_access_group", json!({"name": "Support", "description": "First line", "permissions": ["users:read", "billing:read"]})),
        ("create_access_group", json!({"name": "Sales"})),
        ("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "access_groups": ["Sales"]})),
        ("resend_invite", json!({"user": "ana@example.com"})),
        ("update_user", json!({"user": "ana@example.com", "first_name": "Anna", "role": "Administrator", "slack_id": "U1"})),
        ("update_user", json!({"user": "ana@example.com", "slack_id": "none", "role": "User"})),
        (
            "update_access_group",
            json!({"access_group": "Sales", "name": "Field sales", "description": "Out", "add_permissions": ["customers:read"]}),
        ),
        ("update_access_group", json!({"access_group": "Field sales", "description": "none", "remove_permissions": ["customers:read"]})),
        ("add_to_access_group", json!({"users": ["ana@example.com", "bo@example.com"], "access_groups": ["Support", "Field sales"]})),
        ("remove_from_access_group", json!({"users": ["ana@example.com", "bo@example.com"], "access_groups": ["Support"]})),
        ("deactivate_user", json!({"user": "ana@example.com"})),
        ("deactivate_user", json!({"user": "bo@example.com"})),
        ("reactivate_user", json!({"user": "ana@example.com"})),
        ("reactivate_user", json!({"user": "bo@example.com"})),
        ("delete_access_group", json!({"access_group": "Field sales"})),
    ]
}

/// Bo with two tokens; the id of one.
async fn with_bo(server: &Server) -> String {
    server.member("bo@example.com", &[]).await;
    server.token_for("bo@example.com", &[]).await;
    let tokens = server.ok("list_mcp_tokens", json!({"user": "bo@example.com"})).await;
    tokens["credentials"][0]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_leaves_nothing() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let token = with_bo(&server).await;
        let watch = Watch::on(&server).await;
        let (mut tried, mut would_be) = (BTreeSet::new(), Vec::new());
        for (tool, arguments) in writes(&token) {
            tried.insert(tool);
            watch.mailed().await;
            let (before, mails) = (watch.everything().await, server.mails().len());
            let keyed = with(&with(&arguments, "dry_run", json!(true)), "idempotency_key", json!("once"));
            let dry = server.ok(tool, keyed).await;
            assert_eq!(dry["dry_run"], true, "{tool}");
            unchanged(&before, &watch.everything().await, tool);
            for (made, reader) in [("user", "get_user"), ("access_group", "list_access_groups")] {
                if let Some(id) = dry[made]["id"].as_str().filter(|_| ["invite_user", "create_access_group"].contains(&tool)) {
                    would_be.push((reader, json!({(made): id})));
                }
            }
            let done = server.ok(tool, arguments.clone()).await;
            assert_eq!((&done["changed"], &done["dry_run"]), (&json!(true), &Value::Null), "{tool}");
            assert_eq!(stripped(&dry), stripped(&done), "{tool}");
            watch.mailed().await;
            let sends = match tool {
                "invite_user" | "resend_invite" => 1,
                "reactivate_user" => usize::from(arguments["user"] == "ana@example.com"),
                _ => 0,
            };
            assert_eq!(server.mails().len(), mails + sends, "{tool}");
        }
        let all: BTreeSet<&str> = catalogue().iter().filter(|tool| !tool.effect.read_only()).map(|tool| tool.name).collect();
        assert_eq!(tried, all, "a new write needs a line in `writes`");
        assert_eq!(watch.number("SELECT count(*) AS n FROM idempotency_keys").await, 0);
        assert_eq!(would_be.len(), 3);
        for (reader, arguments) in would_be {
            let refused = server.refused(reader, arguments).await;
            assert!(refused["code"].as_str().is_some_and(|code| code.ends_with("_not_found")), "{refused}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_is_refused_and_warned_as_the_call_itself() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (_, bo) = server.member("bo@example.com", &[]).await;
        let gone = invite(&server, "gone@example.com").await;
        server.ok("deactivate_user", json!({"user": gone})).await;
        group(&server, "Support", &["billing:read"]).await;
        group(&server, "Sales", &[]).await;
        let helper = holder(&server, "helper@example.com", &["users:invite", "access_groups:assign", "access_groups:create"]).await;
        let read_only = server.token_for("admin@example.com", &["--read-only"]).await;
        let admin = server.token.clone();
        let person = |email: &str| json!({"email": email, "first_name": "X", "last_name": "Y"});
        let cases = [
            (&admin, "invite_user", person("bo@example.com"), "email_already_in_use"),
            (&admin, "invite_user", with(&person("new@example.com"), "access_groups", json!(["No such"])), "access_group_not_found"),
            (&helper, "invite_user", with(&person("new@example.com"), "role", json!("Administrator")), "permission_denied"),
            (&helper, "invite_user", with(&person("new@example.com"), "access_groups", json!(["Support"])), "escalation_forbidden"),
            (&admin, "resend_invite", json!({"user": "bo@example.com"}), "invite_not_pending"),
            (&admin, "resend_invite", json!({"user": "gone@example.com"}), "user_deactivated"),
            (&admin, "update_user", json!({"user": "admin@example.com", "role": "User"}), "last_administrator"),
            (&admin, "update_user", json!({"user": "bo@example.com", "first_name": "B", "if_version": 99}), "conflict"),
            (&bo, "update_user", json!({"user": "bo@example.com", "role": "Administrator"}), "permission_denied"),
            (&admin, "deactivate_user", json!({"user": "admin@example.com"}), "last_administrator"),
            (&admin, "reactivate_user", json!({"user": "nobody@example.com"}), "user_not_found"),
            (&helper, "create_access_group", json!({"name": "New", "permissions": ["billing:read"]}), "escalation_forbidden"),
            (&admin, "create_access_group", json!({"name": "SUPPORT"}), "name_taken"),
            (&admin, "update_access_group", json!({"access_group": "Sales", "name": "Support"}), "name_taken"),
            (&admin, "delete_access_group", json!({"access_group": "No such"}), "access_group_not_found"),
            (
                &helper,
                "add_to_access_group",
                json!({"users": ["bo@example.com"], "access_groups": ["Sales", "Support"]}),
                "escalation_forbidden",
            ),
            (
                &helper,
                "remove_from_access_group",
                json!({"users": ["bo@example.com", "admin@example.com"], "access_groups": ["Sales"]}),
                "permission_denied",
            ),
            (&helper, "end_ai_access", json!({"user": "bo@example.com"}), "permission_denied"),
            (&admin, "revoke_mcp_token", json!({"id": "01900000-0000-7000-8000-000000000000"}), "invalid_argument"),
            (&read_only, "deactivate_user", json!({"user": "bo@example.com"}), "permission_denied"),
            (&bo, "delete_access_group", json!({"access_group": "Sales"}), "permission_denied"),
        ];
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything_but_evidence().await;
        let mut tried = BTreeSet::new();
        for (token, tool, arguments, code) in cases {
            tried.insert(tool);
            let real = server.call(token, tool, arguments.clone()).await.error();
            let dry = server.call(token, tool, with(&arguments, "dry_run", json!(true))).await.error();
            assert_eq!(real["code"], code, "{tool} {arguments}: {real}");
            assert_eq!(stripped(&dry), stripped(&real), "{tool} {arguments}");
        }
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");
        assert_eq!(tried.len(), catalogue().iter().filter(|tool| !tool.effect.read_only()).count());

        for email in ["second@example.com", "third@example.com"] {
            assert_eq!(server.ok("invite_user", with(&person(email), "role", json!("Administrator"))).await["warnings"], json!([]));
            // Who has not joined counts for nothing.
            let link = server.link_to(email).await;
            assert_eq!(server.accept(&link, "Second", "Third", crate::common::PASSWORD).await.status(), 200);
        }
        for (tool, arguments) in [
            ("invite_user", with(&person("fourth@example.com"), "role", json!("Administrator"))),
            ("update_user", json!({"user": "bo@example.com", "role": "Administrator"})),
        ] {
            let dry = server.ok(tool, with(&arguments, "dry_run", json!(true))).await;
            let done = server.ok(tool, arguments).await;
            assert_eq!(dry["warnings"].as_array().map(Vec::len), Some(1), "{tool}");
            assert_eq!(dry["warnings"], done["warnings"], "{tool}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_already_holds_changes_nothing_and_is_no_entry() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.member("bo@example.com", &[]).await;
        invite(&server, "gone@example.com").await;
        server.ok("deactivate_user", json!({"user": "gone@example.com"})).await;
        server.ok("create_access_group", json!({"name": "Support", "description": "First", "permissions": ["users:read"]})).await;
        server.ok("add_to_access_group", json!({"users": ["bo@example.com"], "access_groups": ["Support"]})).await;
        group(&server, "Sales", &[]).await;
        // That somebody has no Slack ID holds once it was decided.
        server.ok("update_user", json!({"user": "bo@example.com", "slack_id": "none"})).await;
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything().await;
        for (tool, arguments) in [
            (
                "update_user",
                json!({"user": "bo@example.com", "first_name": "Test", "last_name": " Person ", "role": "User", "slack_id": "none"}),
            ),
            ("deactivate_user", json!({"user": "gone@example.com"})),
            ("reactivate_user", json!({"user": "bo@example.com"})),
            (
                "update_access_group",
                json!({"access_group": "support", "name": "Support", "description": "First", "add_permissions": ["users:read"]}),
            ),
            ("update_access_group", json!({"access_group": "Support", "remove_permissions": ["billing:read"]})),
            ("update_access_group", json!({"access_group": "Sales", "description": "none"})),
            ("add_to_access_group", json!({"users": ["bo@example.com"], "access_groups": ["Support"]})),
            ("remove_from_access_group", json!({"users": ["bo@example.com", "gone@example.com"], "access_groups": ["Sales"]})),
        ] {
            for reason in [json!(null), json!("again")] {
                let answer = server.ok(tool, with(&arguments, "reason", reason)).await;
                assert_eq!(answer["changed"], false, "{tool} {arguments}");
            }
        }
        assert_eq!(
            server.ok("deactivate_user", json!({"user": "gone@example.com"})).await["ended"],
            json!({"sessions": 0, "mcp_tokens": 0, "oauth_grants": 0, "links": 0})
        );
        assert_eq!(server.ok("reactivate_user", json!({"user": "bo@example.com"})).await["delivery"], Value::Null);
        unchanged(&before, &watch.everything().await, "a refused call changes nothing");
    })
    .await;
}

#[tokio::test]
async fn every_write_keeps_its_reason_in_the_audit_log() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let token = with_bo(&server).await;
        for (n, (tool, arguments)) in writes(&token).into_iter().enumerate() {
            let reason = format!("ticket {n}: <b>„Ж“</b>");
            server.ok(tool, with(&arguments, "reason", json!(format!("  {reason} ")))).await;
            let event = server.ok("list_audit_events", json!({"limit": 1})).await["events"][0].clone();
            assert_eq!((&event["tool"], &event["reason"], &event["outcome"]), (&json!(tool), &json!(reason), &json!("done")));
        }
        let longest = "é".repeat(500);
        for (n, (tool, arguments)) in writes(&token).into_iter().enumerate() {
            for wrong in [json!(format!("{longest}x")), json!("two\nlines"), json!("hidden\u{200b}"), json!("\u{202e}turned"), json!(7)] {
                let refused = server.refused(tool, with(&arguments, "reason", wrong)).await;
                assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("reason")), "{n} {tool}");
            }
        }
        server.ok("update_user", json!({"user": "bo@example.com", "first_name": "Bo", "reason": longest})).await;
        assert_eq!(server.ok("list_audit_events", json!({"limit": 1})).await["events"][0]["reason"], json!(longest));
    })
    .await;
}

#[tokio::test]
async fn if_version_holds_a_write_to_what_was_read() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let id = invite(&server, "ana@example.com").await;
        let first = server.ok("get_user", json!({"user": id})).await["user"]["version"].clone();
        let renamed = server.ok("update_user", json!({"user": id, "first_name": "Anna", "if_version": first})).await;
        let second = renamed["user"]["version"].clone();
        assert!(second.as_i64() > first.as_i64());
        let stale = server.refused("update_user", json!({"user": id, "first_name": "Bea", "if_version": first})).await;
        assert_eq!(stale["code"], "conflict");
        assert_eq!(server.ok("get_user", json!({"user": id})).await["user"]["first_name"], "Anna");
        assert_eq!(server.ok("update_user", json!({"user": id, "first_name": "Bea", "if_version": second})).await["changed"], true);

        group(&server, "Support", &[]).await;
        let first = server.ok("list_access_groups", json!({})).await["access_groups"][0]["version"].clone();
        let changed = server
            .ok("update_access_group", json!({"access_group": "Support", "add_permissions": ["users:read"], "if_version": first}))
            .await;
        assert!(changed["access_group"]["version"].as_i64() > first.as_i64());
        let stale = server.refused("update_access_group", json!({"access_group": "Support", "name": "Care", "if_version": first})).await;
        assert_eq!(stale["code"], "conflict");

        // A person has changed once a group of theirs is gone, not when it goes by another name; a group not by its members.
        let version = async || server.ok("get_user", json!({"user": id})).await["user"]["version"].as_i64().expect("a number");
        let groups = async || server.ok("list_access_groups", json!({})).await["access_groups"][0]["version"].clone();
        let before = (version().await, groups().await);
        server.ok("add_to_access_group", json!({"users": [id], "access_groups": ["Support"]})).await;
        assert_eq!((version().await, groups().await), (before.0 + 1, before.1));
        server.ok("update_access_group", json!({"access_group": "Support", "name": "Care"})).await;
        assert_eq!(version().await, before.0 + 1);
        let admin = server.ok("whoami", json!({})).await["user"]["version"].clone();
        server.ok("delete_access_group", json!({"access_group": "Care"})).await;
        assert_eq!(version().await, before.0 + 2);
        assert_eq!(server.ok("whoami", json!({})).await["user"]["version"], admin, "who was not in it has not changed");
        let stale = server.refused("update_user", json!({"user": id, "first_name": "Cea", "if_version": before.0 + 1})).await;
        assert_eq!(stale["code"], "conflict");

        // Two who read the same: one of them is told.
        let seen = server.ok("get_user", json!({"user": id})).await["user"]["version"].clone();
        let mut calls = tokio::task::JoinSet::new();
        for name in ["One", "Two", "Three", "Four"] {
            calls.spawn(server.request(&server.token, "update_user", &json!({"user": id, "first_name": name, "if_version": seen})));
        }
        let answers = calls.join_all().await;
        let won = answers.iter().filter(|answer| answer.body["result"]["isError"] != true).count();
        let told = answers.iter().filter(|answer| answer.body["result"]["isError"] == true && answer.error()["code"] == "conflict").count();
        assert_eq!((won, told), (1, 3));
    })
    .await;
}
