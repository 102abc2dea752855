//! Two organizations on one server: nothing of one is visible, named or changed from the other.

use super::{Watch, exchange, exchange_at, group, holder, invite, unchanged};
use crate::common::{Server, on_both, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use usher_tools::catalogue;

/// A second organization with an Administrator of this address; its slug and their token.
async fn another(server: &Server, email: &str) -> (String, String) {
    let made = server
        .cli(&[
            "org",
            "create",
            "--name",
            "Larkspur Freight",
            "--admin-email",
            email,
            "--admin-first-name",
            "Lou",
            "--admin-last-name",
            "Lark",
            "--json",
        ])
        .await;
    let slug = made["org"].as_str().expect("a slug").to_owned();
    let token = server.cli(&["token", "create", "--org", &slug, "--user", email, "--json"]).await;
    (slug, token["token"].as_str().expect("a token").to_owned())
}

/// A call at `/mcp`, where the token alone says which organization.
async fn call(server: &Server, token: &str, tool: &str, arguments: &Value) -> Value {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    let url = format!("{}/mcp", server.address());
    exchange_at(server, &url, Method::POST, Some(token), &[], &message.to_string()).await.json()["result"].clone()
}

async fn theirs(server: &Server, token: &str, tool: &str, arguments: Value) -> Value {
    let result = call(server, token, tool, &arguments).await;
    assert_ne!(result["isError"], true, "{tool} {arguments}: {result}");
    result["structuredContent"].clone()
}

/// Without the one thing in which two equal refusals differ.
fn but_request_id(mut error: Value) -> String {
    error["request_id"] = Value::Null;
    error.to_string()
}

#[tokio::test]
async fn r_b71_requirement_58_what_is_another_organizations_is_as_what_never_was() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (_, lou) = another(&server, "lou@larkspur.example").await;
        let made = theirs(&server, &lou, "create_access_group", json!({"name": "Pilots", "permissions": ["users:read"]})).await;
        let person = json!({"email": "pia@larkspur.example", "first_name": "Pia", "last_name": "Lark", "access_groups": ["Pilots"]});
        let pia = theirs(&server, &lou, "invite_user", person).await["user"]["id"].clone();
        let pilots = made["access_group"]["id"].clone();
        let own = invite(&server, "ana@example.com").await;
        let support = group(&server, "Support", &[]).await;
        let random = "01a21220-0000-7000-8000-000000000000";

        // Every argument of every tool that names a person or a group, with each of their names for theirs.
        let mut named = BTreeSet::new();
        for tool in catalogue() {
            for argument in tool.input_schema["properties"].as_object().expect("properties").keys() {
                if ["user", "users", "access_group", "access_groups"].contains(&argument.as_str()) {
                    named.insert((tool.name, argument.clone()));
                }
            }
        }
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything_but_evidence().await;
        let entries = watch
            .number("SELECT count(*) AS n FROM audit_log a JOIN organizations o ON o.number = a.org WHERE o.slug = 'larkspur-freight'")
            .await;
        let mut tried = BTreeSet::new();
        let mut ask = async |tool: &'static str, argument: &str, value: Value, arguments: Value| {
            tried.insert((tool, argument.to_owned()));
            let with = |name: Value| {
                let mut arguments = arguments.clone();
                arguments[argument] = if value.is_array() { json!([support_or(argument, &own, &support), name]) } else { name };
                arguments
            };
            let (theirs, nobody) = match argument {
                "user" | "users" => (vec![pia.clone(), json!("pia@larkspur.example")], vec![json!(random), json!("nobody@example.com")]),
                _ => (vec![pilots.clone(), json!("Pilots")], vec![json!(random), json!("No such group")]),
            };
            for (foreign, nobody) in theirs.into_iter().zip(nobody) {
                if tool == "check_membership" {
                    let (one, other) = (server.ok(tool, with(foreign)).await, server.ok(tool, with(nobody)).await);
                    assert_eq!((&one, &one["status"]), (&other, &json!("none")));
                    continue;
                }
                let (one, other) = (server.refused(tool, with(foreign)).await, server.refused(tool, with(nobody)).await);
                assert!(one["code"].as_str().is_some_and(|code| code.ends_with("_not_found")), "{tool}: {one}");
                assert_eq!(but_request_id(one), but_request_id(other), "{tool} {argument}");
            }
        };
        for tool in [
            "get_user",
            "check_membership",
            "resend_invite",
            "deactivate_user",
            "reactivate_user",
            "end_ai_access",
            "list_audit_events",
            "list_mcp_tokens",
        ] {
            ask(tool, "user", json!(""), json!({})).await;
        }
        ask("update_user", "user", json!(""), json!({"first_name": "X"})).await;
        for tool in ["add_to_access_group", "remove_from_access_group"] {
            ask(tool, "users", json!([]), json!({"access_groups": [support]})).await;
            ask(tool, "access_groups", json!([]), json!({"users": [own]})).await;
        }
        ask("invite_user", "access_groups", json!([]), json!({"email": "new@example.com", "first_name": "X", "last_name": "Y"})).await;
        for tool in ["list_users", "list_access_groups", "delete_access_group"] {
            ask(tool, "access_group", json!(""), json!({})).await;
        }
        ask("update_access_group", "access_group", json!(""), json!({"name": "Y"})).await;
        assert_eq!(tried, named, "a new argument that names somebody needs a call here");

        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");
        let now = watch
            .number("SELECT count(*) AS n FROM audit_log a JOIN organizations o ON o.number = a.org WHERE o.slug = 'larkspur-freight'")
            .await;
        assert_eq!(now, entries, "nothing of it is told to the other organization");
        until("it is told at home", async || {
            let found = server.ok("list_audit_events", json!({"outcome": "refused", "action": "users:deactivate"})).await;
            (found["events"][0]["code"] == "user_not_found").then_some(())
        })
        .await;
        // Lists, searches and the log know nothing of each other.
        assert_eq!(server.ok("list_users", json!({"query": "lark"})).await["total"], 0);
        assert_eq!(theirs(&server, &lou, "list_users", json!({})).await["total"], 2);
        assert_eq!(theirs(&server, &lou, "list_users", json!({"query": "ana"})).await["total"], 0);
        assert!(!server.ok("list_audit_events", json!({"limit": 100})).await.to_string().contains("Pia"));
        // A name of theirs is free here, and a cursor of theirs is none.
        assert_eq!(server.ok("create_access_group", json!({"name": "Pilots"})).await["changed"], true);
        let cursor = theirs(&server, &lou, "list_users", json!({"limit": 1})).await["next_cursor"].clone();
        assert_eq!(server.refused("list_users", json!({"limit": 1, "cursor": cursor})).await["field"], "cursor");
    })
    .await;
}

/// The sound one beside which the foreign one stands in a list.
fn support_or<'a>(argument: &str, own: &'a str, support: &'a str) -> &'a str {
    if argument == "users" { own } else { support }
}

#[tokio::test]
async fn r_b73_b06_one_address_in_two_organizations_is_two_people() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (slug, lou) = another(&server, "lou@larkspur.example").await;
        let there =
            theirs(&server, &lou, "invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let link = server.link_to("ana@example.com").await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", crate::common::PASSWORD).await.status(), 200);
        let token = server.cli(&["token", "create", "--org", &slug, "--user", "ana@example.com", "--json"]).await;
        let token = token["token"].as_str().expect("a token").to_owned();
        let state = async || theirs(&server, &lou, "get_user", json!({"user": "ana@example.com"})).await["user"].clone();
        let before = state().await;

        // Here she is new, and nothing tells that she is known elsewhere.
        let fresh = server.ok("invite_user", json!({"email": "bo@example.com", "first_name": "X", "last_name": "Y"})).await;
        let here = server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "X", "last_name": "Y"})).await;
        let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&here), keys(&fresh));
        assert_eq!((&here["user"]["status"], &here["warnings"]), (&json!("pending"), &json!([])));
        assert_ne!(here["user"]["id"], there["user"]["id"]);
        server.ok("update_user", json!({"user": "ana@example.com", "first_name": "Eve", "role": "Administrator", "slack_id": "U1"})).await;
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(state().await, before);
        let whoami = theirs(&server, &token, "whoami", json!({})).await;
        assert_eq!((&whoami["user"]["first_name"], &whoami["organization"]["slug"]), (&json!("Ana"), &json!(slug)));
        // And the other way round.
        theirs(&server, &lou, "deactivate_user", json!({"user": "ana@example.com"})).await;
        server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(server.ok("get_user", json!({"user": "ana@example.com"})).await["user"]["status"], "pending");
    })
    .await;
}

#[tokio::test]
async fn b06_whoami_names_the_organization_that_the_token_opens_and_no_other() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        // The same address there: whoever runs one organization must not learn of the other.
        let (slug, lou) = another(&server, "admin@example.com").await;
        let here = server.ok("whoami", json!({})).await;
        assert_eq!(here["organizations"], json!([here["organization"]]));
        let there = theirs(&server, &lou, "whoami", json!({})).await;
        assert_eq!((&there["organizations"], &there["organization"]["slug"]), (&json!([there["organization"]]), &json!(slug)));
    })
    .await;
}

#[tokio::test]
async fn r_b74_requirement_61_the_token_alone_says_which_organization() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (slug, lou) = another(&server, "lou@larkspur.example").await;
        let whoami = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}).to_string();
        for (name, value) in [
            ("x-org-id", slug.as_str()),
            ("x-organization", slug.as_str()),
            ("x-tenant-id", slug.as_str()),
            ("x-forwarded-host", "larkspur.example"),
            ("x-original-url", "/mcp/larkspur-freight"),
            ("cookie", "org=larkspur-freight; organization=larkspur-freight"),
            ("referer", "http://localhost/mcp/larkspur-freight"),
        ] {
            let answer = exchange(&server, Method::POST, Some(&server.token), &[(name, value)], &whoami).await;
            assert_eq!(answer.json()["result"]["structuredContent"]["organization"]["slug"], server.org.as_str(), "{name}");
        }
        for argument in ["org", "org_id", "organization", "organization_id", "tenant"] {
            assert_eq!(server.refused("list_users", json!({(argument): slug})).await["code"], "invalid_argument", "{argument}");
        }
        let place = |slug: &str| format!("{}/mcp/{slug}", server.address());
        let query = format!("{}?org={slug}", server.mcp_url);
        let answer = exchange_at(&server, &query, Method::POST, Some(&server.token), &[], &whoami).await;
        assert_eq!(answer.json()["result"]["structuredContent"]["organization"]["slug"], server.org.as_str());
        // The other one's URL is closed to it, in the very words in which it is closed to a token that never was.
        for (token, url) in [(&server.token, place(&slug)), (&lou, place(&server.org)), (&lou, place("no-such"))] {
            let foreign = exchange_at(&server, &url, Method::POST, Some(token), &[], &whoami).await;
            let unknown = exchange_at(&server, &url, Method::POST, Some("usher_pat_x"), &[], &whoami).await;
            assert_eq!(
                (foreign.status, foreign.header("www-authenticate"), &foreign.text),
                (401, unknown.header("www-authenticate"), &unknown.text)
            );
        }
        let at_home = exchange_at(&server, &place(&slug), Method::POST, Some(&lou), &[], &whoami).await;
        assert_eq!(at_home.json()["result"]["structuredContent"]["organization"]["slug"], slug.as_str());
        // A suspended organization's tokens are dead, the other's live on.
        server.cli(&["org", "suspend", "--org", &slug, "--json"]).await;
        assert_eq!(exchange_at(&server, &place(&slug), Method::POST, Some(&lou), &[], &whoami).await.status, 401);
        assert_eq!(server.call(&server.token, "whoami", json!({})).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn requirement_16_a_cursor_is_its_callers_its_lists_and_its_filters() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let reader = holder(&server, "reader@example.com", &["users:read", "access_groups:read"]).await;
        for n in 0..4 {
            invite(&server, &format!("p{n}@example.com")).await;
            group(&server, &format!("Group {n}"), &[]).await;
        }
        for (list, other, filters) in [
            ("list_users", "list_access_groups", json!({"status": "pending"})),
            ("list_access_groups", "list_users", json!({"query": "group"})),
        ] {
            let first = server.ok(list, json!({"limit": 2})).await;
            let cursor = first["next_cursor"].clone();
            let text = cursor.as_str().expect("a cursor");
            assert!(text.len() <= 512 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{text}");
            // Another size of page goes on where the last one ended.
            assert_ne!(server.ok(list, json!({"limit": 1, "cursor": cursor})).await, first);
            let mut with_filters = filters.clone();
            with_filters["cursor"] = cursor.clone();
            let cut = &text[..text.len() - 1];
            let turned: String = text.chars().rev().collect();
            for arguments in [with_filters, json!({"cursor": cut}), json!({"cursor": turned}), json!({"cursor": "AAAA"})] {
                assert_eq!(server.refused(list, arguments).await["field"], "cursor", "{list}");
            }
            assert_eq!(server.refused(other, json!({"cursor": cursor})).await["field"], "cursor");
            assert_eq!(server.call(&reader, list, json!({"cursor": cursor})).await.error()["field"], "cursor");
        }
    })
    .await;
}
