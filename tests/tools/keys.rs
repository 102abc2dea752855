//! Idempotency keys: a repeat never acts, whatever became of what the call was about.

use super::{Watch, group, holder, invite, newer_link, unchanged, with};
use crate::common::{Server, on_both};
use serde_json::{Value, json};

/// `arguments` under this key.
fn keyed(key: &str, arguments: &Value) -> Value {
    let mut arguments = arguments.clone();
    arguments["idempotency_key"] = json!(key);
    arguments
}

#[tokio::test]
async fn a_repeat_of_every_write_changes_nothing_and_sends_nothing() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let watch = Watch::on(&server).await;
        let calls = [
            ("create_access_group", json!({"name": "Support", "permissions": ["users:read"]})),
            ("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "access_groups": ["Support"], "reason": "new"})),
            ("resend_invite", json!({"user": "ana@example.com"})),
            ("update_user", json!({"user": "ana@example.com", "first_name": "Anna"})),
            ("update_access_group", json!({"access_group": "Support", "add_permissions": ["billing:read"]})),
            ("add_to_access_group", json!({"users": ["admin@example.com"], "access_groups": ["Support"]})),
            ("remove_from_access_group", json!({"users": ["admin@example.com"], "access_groups": ["Support"]})),
            ("deactivate_user", json!({"user": "ana@example.com"})),
            ("reactivate_user", json!({"user": "ana@example.com"})),
            ("delete_access_group", json!({"access_group": "Support"})),
        ];
        for (tool, arguments) in &calls {
            let first = server.ok(tool, keyed("k", arguments)).await;
            assert_eq!(first["changed"], true, "{tool}");
            watch.mailed().await;
            let before = watch.everything_but_keys().await;
            for _ in 0..2 {
                let again = server.ok(tool, keyed("k", arguments)).await;
                assert_eq!(again["changed"], false, "{tool}");
                for object in ["user", "access_group"] {
                    assert_eq!(again[object]["id"], first[object]["id"], "{tool}");
                }
                assert_eq!(again["members_affected"], first["members_affected"], "{tool}");
                assert!(again.get("delivery").is_none_or(Value::is_null), "no mail was ordered: {again}");
            }
            let dry = server.ok(tool, keyed("k", &with(arguments, "dry_run", json!(true)))).await;
            assert_eq!((&dry["changed"], &dry["dry_run"]), (&json!(false), &json!(true)), "{tool}");
            unchanged(&before, &watch.everything_but_keys().await, tool);
        }
        let mails = server.mails().len();
        // All over again, now that nothing is as it was: the group is gone, the person Pending by another invite.
        let before = watch.everything_but_keys().await;
        for (tool, arguments) in &calls {
            assert_eq!(server.ok(tool, keyed("k", arguments)).await["changed"], false, "{tool}");
        }
        unchanged(&before, &watch.everything_but_keys().await, "repeats change nothing");
        assert_eq!(server.mails().len(), mails);
    })
    .await;
}

#[tokio::test]
async fn a_key_stands_for_its_arguments_its_tool_and_its_credential() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let person = |email: &str| json!({"email": email, "first_name": "Test", "last_name": "Person"});
        server.ok("invite_user", keyed("one", &person("ana@example.com"))).await;
        for other in [person("bo@example.com"), json!({"email": "ana@example.com", "first_name": "Other", "last_name": "Person"})] {
            let refused = server.refused("invite_user", keyed("one", &other)).await;
            assert_eq!(refused["code"], "conflict");
            assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("a key of its own")), "{refused}");
        }
        // The order in which a client writes its arguments is no difference.
        let turned: Value =
            serde_json::from_str(r#"{"last_name":"Person","idempotency_key":"one","first_name":"Test","email":"ana@example.com"}"#)
                .expect("JSON");
        assert_eq!(server.ok("invite_user", turned).await["changed"], false);
        // Nor is another spelling of the same: a default that is said, null, white space.
        for (name, value) in
            [("role", json!("user")), ("role", Value::Null), ("access_groups", json!("")), ("email", json!(" ana@example.com "))]
        {
            let again = server.ok("invite_user", keyed("one", &with(&person("ana@example.com"), name, value))).await;
            assert_eq!(again["changed"], false, "{name}");
        }
        // Another tool, and another token of the same person, have keys of their own.
        assert_eq!(
            server.ok("update_user", keyed("one", &json!({"user": "ana@example.com", "first_name": "Anna"}))).await["changed"],
            true
        );
        let second = server.token_for("admin@example.com", &[]).await;
        let taken = server.call(&second, "invite_user", keyed("one", &person("ana@example.com"))).await.error();
        assert_eq!(taken["code"], "email_already_in_use");
        assert_eq!(server.call(&second, "invite_user", keyed("one", &person("bo@example.com"))).await.structured()["changed"], true);
        // Another organization's are out of reach by their nature: its tokens are others.
        assert_eq!(server.ok("list_users", json!({})).await["total"], 3);
        for key in ["é".repeat(129), "a\0b".to_owned()] {
            assert_eq!(server.refused("invite_user", keyed(&key, &person("cy@example.com"))).await["field"], "idempotency_key");
        }
        assert_eq!(server.ok("invite_user", keyed(&"é".repeat(128), &person("cy@example.com"))).await["changed"], true);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_kept_when_nothing_changed_but_not_for_refusals_and_dry_runs() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let ana = invite(&server, "ana@example.com").await;
        // Already so: kept. What others change meanwhile is not undone by the repeat.
        let rename = keyed("kept", &json!({"user": ana, "first_name": "Test"}));
        assert_eq!(server.ok("update_user", rename.clone()).await["changed"], false);
        server.ok("update_user", json!({"user": ana, "first_name": "Bea"})).await;
        let again = server.ok("update_user", rename).await;
        assert_eq!((&again["changed"], &again["user"]["first_name"]), (&json!(false), &json!("Bea")));

        let add = keyed("refused", &json!({"users": [ana], "access_groups": ["Support"]}));
        assert_eq!(server.refused("add_to_access_group", add.clone()).await["code"], "access_group_not_found");
        group(&server, "Support", &[]).await;
        let mut dry = add.clone();
        dry["dry_run"] = json!(true);
        assert_eq!(server.ok("add_to_access_group", dry).await["changed"], true);
        assert_eq!(server.ok("add_to_access_group", add.clone()).await["changed"], true);
        server.ok("remove_from_access_group", json!({"users": [ana], "access_groups": ["Support"]})).await;
        let again = server.ok("add_to_access_group", add).await;
        assert_eq!((&again["changed"], &again["users"][0]["access_groups"]), (&json!(false), &json!([])));

        // After 24 hours it is forgotten.
        let watch = Watch::on(&server).await;
        let leave = keyed("day", &json!({"user": ana}));
        assert_eq!(server.ok("deactivate_user", leave.clone()).await["changed"], true);
        server.ok("reactivate_user", json!({"user": ana})).await;
        watch.run("UPDATE idempotency_keys SET created_at = created_at - 86395000").await;
        assert_eq!(server.ok("deactivate_user", leave.clone()).await["changed"], false);
        watch.run("UPDATE idempotency_keys SET created_at = created_at - 86400001").await;
        assert_eq!(server.ok("deactivate_user", leave).await["changed"], true);
    })
    .await;
}

#[tokio::test]
async fn a_repeat_is_authorized_anew() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let manager =
            holder(&server, "manager@example.com", &["users:invite", "access_groups:assign", "users:read", "access_groups:update"]).await;
        let ana = invite(&server, "ana@example.com").await;
        group(&server, "Readers", &["users:read"]).await;
        let calls = [
            ("resend_invite", json!({"user": ana}), "users:invite"),
            ("add_to_access_group", json!({"users": [ana], "access_groups": ["Readers"]}), "access_groups:assign"),
            ("update_access_group", json!({"access_group": "Readers", "description": "They read"}), "access_groups:update"),
        ];
        for (tool, arguments, _) in &calls {
            assert_eq!(server.call(&manager, tool, keyed("k", arguments)).await.structured()["changed"], true, "{tool}");
        }
        // The ceiling is asked again: what Ana holds meanwhile is above the manager.
        server.ok("update_access_group", json!({"access_group": "Readers", "add_permissions": ["billing:read"]})).await;
        for (tool, arguments, _) in &calls[..2] {
            let refused = server.call(&manager, tool, keyed("k", arguments)).await.error();
            assert_eq!(
                (&refused["code"], &refused["details"]["missing"]),
                (&json!("escalation_forbidden"), &json!(["billing:read"])),
                "{tool}"
            );
        }
        server.ok("update_access_group", json!({"access_group": "Readers", "remove_permissions": ["billing:read"]})).await;
        assert_eq!(server.call(&manager, "resend_invite", keyed("k", &calls[0].1)).await.structured()["changed"], false);
        server.ok("remove_from_access_group", json!({"users": ["manager@example.com"], "access_groups": ["manager"]})).await;
        for (tool, arguments, permission) in &calls {
            let refused = server.call(&manager, tool, keyed("k", arguments)).await.error();
            assert_eq!(refused["details"], json!({"permission": permission}), "{tool}");
        }
        server.ok("deactivate_user", json!({"user": "manager@example.com"})).await;
        assert_eq!(server.call(&manager, "resend_invite", keyed("k", &calls[0].1)).await.status, 401);
        // What the state of things would refuse by now is no matter to a repeat: it never acts.
        let resend = keyed("mine", &json!({"user": ana}));
        let old = server.link_to("ana@example.com").await;
        assert_eq!(server.ok("resend_invite", resend.clone()).await["changed"], true);
        let link = newer_link(&server, "ana@example.com", &old).await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", crate::common::PASSWORD).await.status(), 200);
        let again = server.ok("resend_invite", resend).await;
        assert_eq!((&again["changed"], &again["user"]["status"]), (&json!(false), &json!("active")));
    })
    .await;
}

#[tokio::test]
async fn twenty_at_once_under_one_key_are_one() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let arguments = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "idempotency_key": "k"});
            calls.spawn(server.request(&server.token, "invite_user", &arguments));
        }
        let answers: Vec<Value> = calls.join_all().await.iter().map(crate::common::Answer::structured).collect();
        assert_eq!(answers.iter().filter(|answer| answer["changed"] == true).count(), 1);
        assert!(answers.iter().all(|answer| answer["user"]["id"] == answers[0]["user"]["id"]));
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        assert_eq!(server.mails().len(), 1);
        assert_eq!(watch.number("SELECT count(*) AS n FROM links WHERE kind = 'invite'").await, 1);
    })
    .await;
}
