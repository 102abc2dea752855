//! By what programs act as people: who sees it, and that what is ended is dead at the very next call.

use super::{Watch, holder, token_of, unchanged, with};
use crate::common::{Options, Server, on_both};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The credentials on a page.
fn listed(page: &Value) -> &[Value] {
    page["credentials"].as_array().expect("credentials")
}

/// What these credentials say under one name.
fn of<'a>(page: &'a Value, name: &str) -> Vec<&'a str> {
    listed(page).iter().map(|credential| credential[name].as_str().expect(name)).collect()
}

/// The status of the next call with a token.
async fn status(server: &Server, token: &str) -> u16 {
    server.call(token, "whoami", json!({})).await.status
}

#[tokio::test]
async fn b25_requirement_9_tokens_are_listed_page_by_page_and_never_their_secrets() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        let (ana, first) = server.member("ana@example.com", &[]).await;
        let second = server.token_for("ana@example.com", &["--label", "laptop", "--read-only"]).await;
        let (_, bo) = server.member("bo@example.com", &[]).await;
        // Newest first, in pages that hold each of them once.
        let mut seen = Vec::new();
        let mut arguments = json!({"limit": 1});
        for page in 1..=4 {
            let found = server.ok("list_mcp_tokens", arguments.clone()).await;
            assert_eq!((listed(&found).len(), found["next_cursor"].is_null()), (1, page == 4), "{found}");
            for secret in [&first, &second, &bo, &server.token] {
                assert!(!found.to_string().contains(secret.as_str()) && !found.to_string().contains("usher_pat_"), "{found}");
            }
            seen.push(listed(&found)[0].clone());
            arguments["cursor"] = found["next_cursor"].clone();
        }
        let emails: Vec<&str> = seen.iter().map(|one| one["email"].as_str().expect("an address")).collect();
        assert_eq!(emails, ["bo@example.com", "ana@example.com", "ana@example.com", "admin@example.com"]);
        assert_eq!(
            (&seen[1]["kind"], &seen[1]["label"], &seen[1]["scopes"], &seen[1]["user_id"], &seen[1]["client"], &seen[1]["ended_at"]),
            (&json!("token"), &json!("laptop"), &json!(["read"]), &json!(ana), &Value::Null, &Value::Null)
        );
        assert_eq!(seen[2]["scopes"], json!(["read", "write"]));
        let all = server.ok("list_mcp_tokens", json!({"limit": 100})).await;
        assert_eq!(of(&all, "id").into_iter().collect::<BTreeSet<_>>().len(), 4);

        // A cursor belongs to its list and its caller.
        let cursor = server.ok("list_mcp_tokens", json!({"limit": 1})).await["next_cursor"].clone();
        assert_eq!(server.refused("list_mcp_tokens", json!({"user": ana, "cursor": cursor})).await["field"], "cursor");
        assert_eq!(server.call(&bo, "list_mcp_tokens", json!({"cursor": cursor})).await.error()["field"], "cursor");
        assert_eq!(server.refused("list_mcp_tokens", json!({"limit": 101})).await["field"], "limit");

        // Whoever may see tokens, but not people, learns no addresses.
        let reader = holder(&server, "reader@example.com", &["mcp_tokens:read"]).await;
        let found = server.call(&reader, "list_mcp_tokens", json!({})).await.structured();
        assert_eq!(listed(&found).len(), 5);
        assert!(listed(&found).iter().all(|one| one["email"].is_null() || one["email"] == "reader@example.com"), "{found}");
        assert_eq!(of(&server.call(&reader, "list_mcp_tokens", json!({"user": ana})).await.structured(), "user_id"), [&ana, &ana]);

        // What ended is listed no more.
        server.ok("deactivate_user", json!({"user": ana})).await;
        assert_eq!(listed(&server.ok("list_mcp_tokens", json!({"user": ana})).await).len(), 0);
        assert_eq!(listed(&server.ok("list_mcp_tokens", json!({})).await).len(), 3);

        // Uses are gathered, and written at the latest when the server ends.
        server.stop().await;
        server.restart(&Options::default()).await;
        let found = server.ok("list_mcp_tokens", json!({"user": "admin@example.com"})).await;
        assert!(listed(&found)[0]["last_used_at"].is_string(), "{found}");
    })
    .await;
}

#[tokio::test]
async fn ones_own_tokens_are_seen_and_ended_without_any_permission() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (ana, first) = server.member("ana@example.com", &[]).await;
        let second = server.token_for("ana@example.com", &["--label", "laptop"]).await;
        server.member("bo@example.com", &[]).await;
        for arguments in [json!({}), json!({"user": ana}), json!({"user": " Ana@Example.com "})] {
            let found = server.call(&first, "list_mcp_tokens", arguments.clone()).await.structured();
            assert_eq!(of(&found, "email"), ["ana@example.com"; 2], "{arguments}");
        }
        let theirs = token_of(&server, "bo@example.com").await;
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything_but_evidence().await;
        let random = "01a21220-0000-7000-8000-000000000000";
        for (tool, arguments) in [
            ("list_mcp_tokens", json!({"user": "bo@example.com"})),
            ("list_mcp_tokens", json!({"user": "nobody@example.com"})),
            ("revoke_mcp_token", json!({"id": theirs})),
            ("revoke_mcp_token", json!({"id": random})),
            ("revoke_mcp_token", json!({"id": "no id at all"})),
            ("end_ai_access", json!({"user": "bo@example.com"})),
            ("end_ai_access", json!({"user": random})),
            ("end_ai_access", json!({"user": "nobody at all"})),
        ] {
            let refused = server.call(&first, tool, arguments.clone()).await.error();
            let needed = if tool == "list_mcp_tokens" { "mcp_tokens:read" } else { "mcp_tokens:revoke" };
            assert_eq!(refused["details"], json!({"permission": needed}), "{tool} {arguments}: {refused}");
        }
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");

        let found = server.call(&first, "list_mcp_tokens", json!({"limit": 1})).await.structured();
        let laptop = json!({"id": listed(&found)[0]["id"]});
        let dry = server.call(&first, "revoke_mcp_token", with(&laptop, "dry_run", json!(true))).await.structured();
        assert_eq!((&dry["changed"], &dry["dry_run"], status(&server, &second).await), (&json!(true), &json!(true), 200));
        assert!(dry["credential"]["ended_at"].is_string(), "{dry}");
        let ended = server.call(&first, "revoke_mcp_token", laptop.clone()).await.structured();
        assert_eq!((&ended["changed"], &ended["credential"]["label"]), (&json!(true), &json!("laptop")), "{ended}");
        assert_eq!((status(&server, &second).await, status(&server, &first).await), (401, 200));
        let again = server.call(&first, "revoke_mcp_token", laptop).await.structured();
        assert_eq!((&again["changed"], &again["credential"]["ended_at"]), (&json!(false), &ended["credential"]["ended_at"]));

        // Everything by which programs act as oneself, this very token included.
        let dry = server.call(&first, "end_ai_access", json!({"user": "ana@example.com", "dry_run": true})).await.structured();
        assert_eq!((&dry["ended"], status(&server, &first).await), (&json!({"mcp_tokens": 1, "oauth_grants": 0}), 200));
        let ended = server.call(&first, "end_ai_access", json!({"user": ana})).await.structured();
        assert_eq!((&ended["ended"]["mcp_tokens"], &ended["changed"]), (&json!(1), &json!(true)));
        assert_eq!(status(&server, &first).await, 401);
        assert_eq!(server.ok("get_user", json!({"user": ana})).await["user"]["status"], "active");
    })
    .await;
}

#[tokio::test]
async fn b26_what_is_ended_for_somebody_else_is_dead_at_the_next_call_and_stands_in_the_log() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (ana, first) = server.member("ana@example.com", &[]).await;
        let second = server.token_for("ana@example.com", &["--label", "laptop"]).await;
        let helper = holder(&server, "helper@example.com", &["mcp_tokens:read", "mcp_tokens:revoke"]).await;
        let newest = token_of(&server, "ana@example.com").await;
        // A secret is no id, and is not said again.
        let secret = server.call(&helper, "revoke_mcp_token", json!({"id": second})).await.error();
        assert!(secret["field"] == "id" && !secret.to_string().contains(&second), "{secret}");
        assert_eq!(status(&server, &second).await, 200);
        let unknown = server.call(&helper, "revoke_mcp_token", json!({"id": ana})).await.error();
        assert_eq!((&unknown["code"], &unknown["field"]), (&json!("invalid_argument"), &json!("id")), "{unknown}");
        assert!(unknown["hint"].as_str().is_some_and(|hint| hint.contains("list_mcp_tokens")), "{unknown}");

        let arguments = json!({"id": newest, "reason": "lost laptop", "idempotency_key": "k"});
        let ended = server.call(&helper, "revoke_mcp_token", arguments.clone()).await.structured();
        assert_eq!((&ended["changed"], &ended["credential"]["email"]), (&json!(true), &Value::Null), "{ended}");
        assert_eq!((status(&server, &second).await, status(&server, &first).await), (401, 200));
        let again = server.call(&helper, "revoke_mcp_token", arguments).await.structured();
        assert_eq!((&again["changed"], &again["credential"]["ended_at"]), (&json!(false), &ended["credential"]["ended_at"]));
        let event = server.ok("list_audit_events", json!({"action": "token:revoked", "outcome": "done"})).await["events"][0].clone();
        assert_eq!(
            (&event["tool"], &event["target"]["id"], &event["target"]["name"], &event["reason"]),
            (&json!("revoke_mcp_token"), &json!(newest), &json!("laptop"), &json!("lost laptop"))
        );

        // Only Administrators touch Administrators.
        let boss = token_of(&server, "admin@example.com").await;
        for (tool, arguments) in [("revoke_mcp_token", json!({"id": boss})), ("end_ai_access", json!({"user": "admin@example.com"}))] {
            let refused = server.call(&helper, tool, arguments).await.error();
            assert_eq!((&refused["code"], &refused["details"]), (&json!("permission_denied"), &json!({"role": "Administrator"})), "{tool}");
        }
        let arguments = json!({"user": "ana@example.com", "idempotency_key": "k"});
        let ended = server.call(&helper, "end_ai_access", arguments.clone()).await.structured();
        assert_eq!((&ended["ended"], &ended["changed"]), (&json!({"mcp_tokens": 1, "oauth_grants": 0}), &json!(true)));
        assert_eq!(status(&server, &first).await, 401);
        // A repeat under its key never acts, whatever she made meanwhile; without one it ends that, too.
        let third = server.token_for("ana@example.com", &[]).await;
        let again = server.call(&helper, "end_ai_access", arguments).await.structured();
        assert_eq!((&again["ended"]["mcp_tokens"], &again["changed"], status(&server, &third).await), (&json!(0), &json!(false), 200));
        server.ok("end_ai_access", json!({"user": ana})).await;
        assert_eq!(status(&server, &third).await, 401);
        assert_eq!(server.ok("end_ai_access", json!({"user": ana})).await["changed"], false);
        let event = server.ok("list_audit_events", json!({"action": "ai_access:ended", "outcome": "done"})).await["events"][0].clone();
        assert_eq!((&event["tool"], &event["target"]["id"]), (&json!("end_ai_access"), &json!(ana)), "{event}");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}
