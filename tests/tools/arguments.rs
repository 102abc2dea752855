//! Every argument of every tool: its kind, its bounds, the habits of hosts, and that a refused call says what to mend.

use super::{Watch, exchange, group, invite, unchanged};
use crate::common::{Engine, Server, on_both};
use reqwest::Method;
use serde_json::{Map, Value, json};
use usher_tools::{Descriptor, catalogue};

/// Arguments with which a call of the tool gets as far as its use case.
fn sound(tool: &Descriptor) -> Map<String, Value> {
    let mut arguments = Map::new();
    for name in tool.input_schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let value = match name {
            "user" | "email" => json!("ana@example.com"),
            "users" => json!(["ana@example.com"]),
            "access_groups" => json!(["Support"]),
            _ => json!("Support"),
        };
        arguments.insert(name.to_owned(), value);
    }
    arguments
}

/// What an argument of this form does not take, each with whether a schema or a use case says so.
fn unsound(name: &str, form: &Value, required: bool) -> Vec<Value> {
    let mut wrong = Vec::new();
    let most = form["maxLength"].as_u64().map(|most| usize::try_from(most).expect("a bound"));
    match form["type"].as_str().expect("a type") {
        "string" if form["enum"].is_array() => wrong.extend([json!("Owner"), json!(5), json!(true), json!(["User"]), json!({})]),
        "string" => {
            let most = most.expect("every text has a bound");
            wrong.extend([
                json!("é".repeat(most + 1)),
                json!("x".repeat(20_000)),
                json!("A\0B"),
                json!(5),
                json!(true),
                json!(["x"]),
                json!({"x": 1}),
            ]);
        }
        "integer" => {
            wrong.extend([
                json!("many"),
                json!(1.5),
                json!("1.5"),
                json!(true),
                json!([1]),
                json!(-1),
                json!("9223372036854775808"),
                json!(1e30),
            ]);
            if let Some(most) = form["maximum"].as_i64() {
                wrong.extend([json!(0), json!(most + 1), json!((most + 1).to_string())]);
            }
        }
        "boolean" => wrong.extend([json!("yes"), json!(1), json!(0), json!("1"), json!([])]),
        "array" => {
            let items = usize::try_from(form["maxItems"].as_u64().expect("a bound")).expect("a bound");
            let length = usize::try_from(form["items"]["maxLength"].as_u64().expect("a bound")).expect("a bound");
            wrong.extend([
                json!(vec!["x"; items + 1]),
                json!(["x".repeat(length + 1)]),
                json!([1]),
                json!([null]),
                json!([""]),
                json!(["null"]),
                json!([["x"]]),
            ]);
            wrong.extend([json!({}), json!(7), json!(true), json!("[1,2]"), json!("[\"x\""), json!(["A\0B"])]);
            if form["minItems"].as_u64().is_some() {
                wrong.extend([json!([]), json!("[]")]);
            }
        }
        kind => panic!("{name} is of the unknown kind {kind}"),
    }
    if required {
        wrong.extend([Value::Null, json!(""), json!("   "), json!("null")]);
    }
    wrong
}

#[tokio::test]
async fn r_b146_every_argument_of_every_tool_is_held_to_its_form() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        group(&server, "Support", &["users:read"]).await;
        invite(&server, "ana@example.com").await;
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything().await;
        let mut cases = 0;
        for tool in catalogue() {
            let required: Vec<&str> =
                tool.input_schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            let forms = tool.input_schema["properties"].as_object().expect("properties");
            let names: Vec<&String> = forms.keys().collect();
            let mut unknown = sound(&tool);
            unknown.insert("org_id".to_owned(), json!("x"));
            let refused = server.refused(tool.name, Value::Object(unknown)).await;
            assert_eq!((&refused["code"], &refused["details"]["allowed"]), (&json!("invalid_argument"), &json!(names)), "{}", tool.name);
            for name in &required {
                let mut without = sound(&tool);
                without.remove(*name);
                let refused = server.refused(tool.name, Value::Object(without)).await;
                assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!(name)), "{}", tool.name);
                assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("Required arguments")), "{refused}");
            }
            for (name, form) in forms {
                for wrong in unsound(name, form, required.contains(&name.as_str())) {
                    let mut arguments = sound(&tool);
                    arguments.insert(name.clone(), wrong.clone());
                    let what = || format!("{} {name} = {:.60}", tool.name, wrong.to_string());
                    let answer = server.call(&server.token, tool.name, Value::Object(arguments)).await;
                    assert_eq!((answer.status, &answer.body["result"]["isError"]), (200, &json!(true)), "{}: {}", what(), answer.body);
                    let refused = answer.error();
                    assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!(name)), "{}", what());
                    assert!(refused["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{}", what());
                    if let Some(words) = form["enum"].as_array() {
                        assert_eq!(refused["details"]["allowed"], json!(words), "{}", what());
                    }
                    cases += 1;
                }
            }
        }
        assert!(cases > 500, "{cases}");
        unchanged(&before, &watch.everything().await, "refused for their form, the calls left nothing, not even an entry");
    })
    .await;
}

#[tokio::test]
async fn r_b131_hosts_habits_are_understood_and_change_no_meaning() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for name in ["Sales", "Support"] {
            group(&server, name, &[]).await;
        }
        // Left out, null and empty are one for what is optional; numbers and flags may be texts, words of any case.
        let odd = json!({"query": "", "status": "", "role": null, "access_group": " ", "limit": "10", "cursor": null, "invite_expired": ""});
        assert_eq!(server.ok("list_users", odd).await["total"], 1);
        assert_eq!(server.ok("list_users", json!({"limit": 10.0, "role": "ADMINISTRATOR", "status": " Active "})).await["total"], 1);
        let invited = server
            .ok(
                "invite_user",
                json!({
                    "email": "ana@example.com", "first_name": "Ana", "last_name": "Null", "role": null, "access_groups": "[\"Sales\", \"support\"]",
                    "dry_run": "false", "reason": "", "idempotency_key": null,
                }),
            )
            .await;
        assert_eq!((&invited["user"]["role"], &invited["user"]["last_name"]), (&json!("User"), &json!("Null")));
        assert_eq!(invited["user"]["access_groups"].as_array().map(Vec::len), Some(2));
        assert_eq!(invited["dry_run"], Value::Null);
        for groups in [json!("Sales"), json!("[\"Sales\"]"), json!(["Sales"]), json!(["Sales", "SALES", "sales"])] {
            let added = server.ok("remove_from_access_group", json!({"users": "ana@example.com", "access_groups": groups, "dry_run": "TRUE"})).await;
            assert_eq!((&added["changed"], &added["dry_run"]), (&json!(true), &json!(true)));
            assert_eq!(added["users"][0]["access_groups"].as_array().map(Vec::len), Some(1), "{groups}");
        }
        // Nothing stands for everybody or for oneself, above all where it would hurt.
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything_but_evidence().await;
        for tool in ["get_user", "check_membership", "deactivate_user", "reactivate_user", "resend_invite", "update_user"] {
            for nothing in [json!("null"), json!(""), Value::Null, json!("me"), json!("self"), json!("*"), json!("%"), json!("all"), json!("undefined")] {
                let refused = server.refused(tool, json!({"user": nothing, "first_name": "X"}).as_object().map_or_else(Value::default, |all| {
                    let mut all = all.clone();
                    if tool != "update_user" {
                        all.remove("first_name");
                    }
                    Value::Object(all)
                })).await;
                assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("user")), "{tool} {nothing}");
            }
        }
        for nothing in [json!("null"), json!(""), Value::Null] {
            assert_eq!(server.refused("delete_access_group", json!({"access_group": nothing})).await["code"], "invalid_argument");
            let renamed = server.refused("update_access_group", json!({"access_group": "Sales", "name": nothing})).await;
            assert_eq!((&renamed["code"], &renamed["field"]), (&json!("invalid_argument"), &json!("name")), "a name by which nobody can name it");
        }
        for (users, groups) in [(json!(["ana@example.com", ""]), json!(["Sales"])), (json!([]), json!(["Sales"])), (json!("[]"), json!("Sales")), (json!(["ana@example.com"]), json!([null]))] {
            let refused = server.refused("add_to_access_group", json!({"users": users, "access_groups": groups})).await;
            assert_eq!(refused["code"], "invalid_argument");
        }
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");
    })
    .await;
}

#[tokio::test]
async fn r_b146_what_a_model_got_wrong_is_told_to_it() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart(Engine::Sqlite).await;
    let whole = json!({"email": "x@example.com", "first_name": "X", "last_name": "Y"});
    let with = |name: &str, value: Value| {
        let mut arguments = whole.clone();
        arguments[name] = value;
        arguments
    };
    for (tool, arguments, field, says) in [
        ("invite_user", json!({}), "email", "required"),
        ("invite_user", with("email", json!(5)), "email", "string"),
        ("invite_user", with("email", json!("x")), "email", "@"),
        ("invite_user", with("role", json!("Owner")), "role", "Administrator, User"),
        ("list_users", json!({"limit": "many"}), "limit", "whole number"),
        ("list_users", json!({"limit": 500}), "limit", "at most 100"),
        ("list_users", json!({"status": "invited"}), "status", "pending, active, deactivated"),
        ("list_audit_events", json!({"from": "yesterday"}), "from", "time"),
        ("get_user", json!({"user": "Ana Ruiz"}), "user", "id"),
        ("update_user", json!({"user": "admin@example.com"}), "first_name", "Nothing to change"),
        ("update_access_group", json!({"access_group": "x"}), "name", "Nothing to change"),
        ("update_user", json!({"user": "admin@example.com", "slack_id": "@ana"}), "slack_id", "letters and digits"),
        ("create_access_group", json!({"name": "x", "permissions": ["users:reed"]}), "permissions", "no such permission"),
        ("list_permissions", json!({"resource": "user"}), "resource", "no such resource"),
    ] {
        let refused = server.refused(tool, arguments).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!(field)), "{tool}");
        let message = refused["message"].as_str().expect("a sentence");
        assert!(message.contains(says), "{tool} {field}: {message}");
        assert!(refused["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{tool} {field}");
    }
    let near = server.refused("create_access_group", json!({"name": "x", "permissions": ["users:reed"]})).await;
    assert!(near["hint"].as_str().is_some_and(|hint| hint.contains("users:read")), "{near}");
}

#[tokio::test]
async fn r_b89_nul_surrogates_and_a_megabyte_are_refused_and_leave_nothing() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let watch = Watch::on(&server).await;
        let before = watch.everything().await;
        let body = |first: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"invite_user","arguments":{{"email":"a@example.com","first_name":"{first}","last_name":"B"}}}}}}"#
            )
        };
        let send = async |first: &str| exchange(&server, Method::POST, Some(&server.token), &[], &body(first)).await;
        let nul = send(r"A\u0000B").await;
        assert_eq!((nul.status, &nul.json()["result"]["isError"]), (200, &json!(true)));
        assert!(nul.text.contains("first_name"));
        // Half a surrogate pair is no text at all: such a body is not JSON for anybody who reads UTF-8.
        for half in [r"\ud800", r"\udc00x", r"\ud800\ud800"] {
            let answer = send(half).await;
            assert_eq!((answer.status, answer.code()), (400, json!(-32700)), "{half}");
        }
        assert_eq!(send(&"a".repeat(1_000_000)).await.status, 413);
        assert_eq!(send(&"a".repeat(200_000)).await.status, 200);
        unchanged(&before, &watch.everything().await, "a refused call changes nothing");
        assert!(send(r"\ud83d\ude00").await.json()["result"]["structuredContent"]["changed"] == true);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn r_b142_refusals_of_the_rules_are_tool_results_with_a_next_step() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (_, ana) = server.member("ana@example.com", &[]).await;
        invite(&server, "bo@example.com").await;
        let admin = server.token.clone();
        for (token, tool, arguments, code) in [
            (&admin, "invite_user", json!({"email": "bo@example.com", "first_name": "B", "last_name": "L"}), "email_already_in_use"),
            (&admin, "deactivate_user", json!({"user": "admin@example.com"}), "last_administrator"),
            (&admin, "get_user", json!({"user": "00000000-0000-4000-8000-000000000000"}), "user_not_found"),
            (&admin, "delete_access_group", json!({"access_group": "No such"}), "access_group_not_found"),
            (&admin, "resend_invite", json!({"user": "ana@example.com"}), "invite_not_pending"),
            (&admin, "invite_user", json!({"email": "bad", "first_name": "B", "last_name": "L"}), "invalid_argument"),
            (&ana, "list_users", json!({}), "permission_denied"),
        ] {
            let answer = server.call(token, tool, arguments).await;
            assert_eq!(answer.status, 200);
            assert!(answer.body["error"].is_null() && answer.body["result"]["structuredContent"].is_null());
            let error = answer.error();
            assert_eq!(error["code"], code);
            let keys: Vec<&String> = error.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["code", "details", "field", "hint", "message", "request_id", "retry_after_ms"], "{code}");
            assert!(error["hint"].as_str().is_some_and(|hint| hint.len() > 10), "{error}");
            let text = error.to_string();
            for inside in ["SELECT", "sqlx", "src/", "usher.db", "constraint", "panicked"] {
                assert!(!text.contains(inside), "{text}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_one_lacks_comes_before_what_is_wrong_with_the_arguments_unless_they_name_oneself() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (id, una) = server.member("una@example.com", &[]).await;
        for (tool, permission) in [("get_user", "users:read"), ("check_membership", "users:read"), ("update_user", "users:update")] {
            let code = async |arguments: Value| {
                let refused = server.call(&una, tool, arguments).await.error();
                (refused["code"].clone(), refused["details"]["permission"].clone())
            };
            let other = [
                json!({"user": "bogus"}),
                json!({"user": "bogus", "first_name": "X"}),
                json!({"user": "admin@example.com", "foo": 1}),
                json!({"user": ""}),
                json!({"foo": 1}),
            ];
            for arguments in other {
                // A right argument of another tool is a wrong one here.
                assert_eq!(code(arguments.clone()).await, (json!("permission_denied"), json!(permission)), "{tool} {arguments}");
            }
            for own in [&id, "una@example.com", " UNA@example.com"] {
                assert_eq!(code(json!({"user": own, "foo": 1})).await.0, "invalid_argument", "{tool} {own}");
            }
        }
        let wrong = server.call(&server.token, "get_user", json!({"user": "bogus"})).await.error();
        assert_eq!((&wrong["code"], &wrong["field"]), (&json!("invalid_argument"), &json!("user")));
    })
    .await;
}
