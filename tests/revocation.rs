//! A deactivated person's very next call is 401, and every other change of what somebody may do holds as soon:
//! no node remembers anybody.

use crate::common::{Answer, Options, PASSWORD, Server, database::Connection, on_both, rounds, two_nodes};
use reqwest::Method;
use serde_json::{Value, json};

const DEAD: &str = r#"Bearer realm="usher", error="invalid_token""#;

/// One request to the MCP endpoint, as written.
async fn request(node: &Server, method: Method, path: &str, token: &str, message: &Value) -> reqwest::Response {
    let mut request = node
        .http
        .request(method, format!("{}{path}", node.address()))
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream");
    if !message.is_null() {
        request = request.header("content-type", "application/json").body(message.to_string());
    }
    request.send().await.expect("an answer")
}

/// All of an answer that a caller sees, but the date.
async fn seen(response: reqwest::Response) -> String {
    let status = response.status();
    let mut headers: Vec<String> =
        response.headers().iter().filter(|(name, _)| *name != "date").map(|(name, value)| format!("{name}: {value:?}")).collect();
    headers.sort();
    format!("{status}\n{}\n\n{}", headers.join("\n"), response.text().await.expect("a body"))
}

/// The same call on both nodes at once.
async fn on_each(nodes: &[Server; 2], token: &str, tool: &str, arguments: &Value) -> [Answer; 2] {
    let (first, second) = tokio::join!(nodes[0].request(token, tool, arguments), nodes[1].request(token, tool, arguments));
    [first, second]
}

async fn whoami(nodes: &[Server; 2], token: &str) -> [u16; 2] {
    on_each(nodes, token, "whoami", &json!({})).await.map(|answer| answer.status)
}

/// Sets the rows of ended tokens back, so that a test can repeat itself without a process for each new token.
async fn revive(database: &Connection) {
    assert!(database.run("UPDATE credentials SET revoked_at = NULL WHERE revoked_at IS NOT NULL").await);
}

/// One more organization: its slug, and its Administrator's token.
async fn other_organization(node: &Server, email: &str) -> (String, String) {
    let names = ["--admin-first-name", "Ana", "--admin-last-name", "Ruiz", "--json"];
    let made = node.cli(&[&["org", "create", "--name", "Other", "--admin-email", email], &names[..]].concat()).await;
    let slug = made["org"].as_str().expect("a slug").to_owned();
    let token = node.cli(&["token", "create", "--org", &slug, "--user", email, "--json"]).await;
    (slug, token["token"].as_str().expect("a token").to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b26_next_call_is_401() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let database = Connection::to(&nodes[0]).await;
        let (id, token) = nodes[0].member("una@example.com", &[]).await;
        for round in 0..rounds(200, 5000) {
            // Warm on both, so that anything a node remembered would be there.
            assert_eq!(whoami(&nodes, &token).await, [200, 200], "round {round}");
            let ended = nodes[round % 2].call(&nodes[0].token, "deactivate_user", json!({"user": id})).await;
            assert_eq!(ended.structured()["ended"]["mcp_tokens"], 1);
            assert_eq!(whoami(&nodes, &token).await, [401, 401], "round {round}");
            nodes[0].ok("reactivate_user", json!({"user": id})).await;
            revive(&database).await;
        }
        database.close().await;
        assert_eq!(nodes[0].verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn r_b53_a_token_warm_on_both_nodes_is_refused_by_the_other_one() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let (id, token) = nodes[0].member("una@example.com", &[]).await;
        for _ in 0..10 {
            assert_eq!(whoami(&nodes, &token).await, [200, 200]);
        }
        nodes[0].ok("deactivate_user", json!({"user": id})).await;
        assert_eq!(nodes[1].call(&token, "whoami", json!({})).await.status, 401);
        assert_eq!(nodes[0].call(&token, "whoami", json!({})).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn r_b49_every_token_and_every_method_is_401_after_deactivation() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let database = Connection::to(&nodes[0]).await;
        let (id, token) = nodes[0].member("una@example.com", &[]).await;
        let second = nodes[0].token_for("una@example.com", &["--read-only"]).await;
        let ended = nodes[0].ok("deactivate_user", json!({"user": id})).await;
        assert_eq!(ended["ended"]["mcp_tokens"], 2);
        let last_seen = "SELECT coalesce(last_seen_at, 0) FROM users WHERE email_key = 'una@example.com'";
        let joined = database.number(last_seen).await;
        let message = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
        let requests = [
            (Method::POST, message("initialize", hello)),
            (Method::POST, message("tools/list", json!({}))),
            (Method::POST, message("tools/call", json!({"name": "whoami", "arguments": {}}))),
            (Method::POST, message("ping", json!({}))),
            (Method::POST, json!("no message at all")),
            (Method::GET, Value::Null),
            (Method::DELETE, Value::Null),
        ];
        let mut answers = Vec::new();
        for node in &nodes {
            for token in [&token, &second] {
                for path in ["/mcp", "/mcp/my-organization"] {
                    for (method, message) in &requests {
                        let answer = request(node, method.clone(), path, token, message).await;
                        assert_eq!(answer.status(), 401, "{method} {path} {message}");
                        assert_eq!(answer.headers()["www-authenticate"], DEAD);
                        answers.push(seen(answer).await);
                    }
                }
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        // What was gathered is written at the end: nothing of these calls is.
        let [mut first, mut second] = nodes;
        first.stop().await;
        second.stop().await;
        // Una never called while alive; the Administrator did.
        assert_eq!(database.number("SELECT count(*) FROM credentials WHERE kind = 'token' AND last_used_at IS NOT NULL").await, 1);
        assert_eq!(database.number(last_seen).await, joined);
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn requirement_2_all_dead_tokens_are_answered_alike() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let database = Connection::to(&nodes[0]).await;
        let (deactivated, of_deactivated) = nodes[0].member("deactivated@example.com", &[]).await;
        let (reactivated, of_reactivated) = nodes[0].member("reactivated@example.com", &[]).await;
        let (_, expired) = nodes[0].member("expired@example.com", &[]).await;
        let (_, revoked) = nodes[0].member("revoked@example.com", &[]).await;
        let (_, pending) = nodes[0].member("pending@example.com", &[]).await;
        for token in [&of_deactivated, &of_reactivated, &expired, &revoked, &pending] {
            assert_eq!(whoami(&nodes, token).await, [200, 200]);
        }
        nodes[0].ok("deactivate_user", json!({"user": deactivated})).await;
        nodes[0].ok("deactivate_user", json!({"user": reactivated})).await;
        nodes[1].ok("reactivate_user", json!({"user": reactivated})).await;
        let of = |email: &str| format!("user_key = (SELECT key FROM users WHERE email_key = '{email}')");
        assert!(database.run(&format!("UPDATE credentials SET expires_at = created_at WHERE {}", of("expired@example.com"))).await);
        assert!(database.run("UPDATE users SET status = 'pending' WHERE email_key = 'pending@example.com'").await);
        let listed = nodes[0].cli(&["token", "list", "--org", &nodes[0].org, "--user", "revoked@example.com", "--json"]).await;
        let ended =
            nodes[0].cli(&["token", "revoke", "--org", &nodes[0].org, "--id", listed[0]["id"].as_str().expect("an id"), "--json"]).await;
        assert_eq!(ended["changed"], true);
        let (_, foreign) = other_organization(&nodes[0], "o@example.com").await;
        let mut unknown = of_deactivated.clone();
        unknown.replace_range(20..21, if &unknown[20..21] == "a" { "b" } else { "a" });
        let dead = [&of_deactivated, &of_reactivated, &expired, &revoked, &pending, &foreign, &unknown, &"nonsense".to_owned()];
        let mut answers = Vec::new();
        for node in &nodes {
            for token in dead {
                let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
                let answer = seen(request(node, Method::POST, "/mcp/my-organization", token, &list).await).await;
                assert!(answer.starts_with("401"), "{answer}");
                answers.push(answer);
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_token_that_ends_ends_on_both_nodes_and_for_good() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let (id, first) = nodes[0].member("una@example.com", &[]).await;
        let second = nodes[0].token_for("una@example.com", &[]).await;
        let tokens = nodes[0].cli(&["token", "list", "--org", &nodes[0].org, "--user", "una@example.com", "--json"]).await;
        assert_eq!(tokens.as_array().map(Vec::len), Some(2));
        // The newest stands first.
        let newest = tokens[0]["id"].as_str().expect("an id");
        nodes[0].cli(&["token", "revoke", "--org", &nodes[0].org, "--id", newest, "--json"]).await;
        assert_eq!((whoami(&nodes, &second).await, whoami(&nodes, &first).await), ([401, 401], [200, 200]));
        nodes[1].ok("deactivate_user", json!({"user": id})).await;
        assert_eq!(whoami(&nodes, &first).await, [401, 401]);
        assert_eq!(nodes[0].ok("reactivate_user", json!({"user": id})).await["user"]["status"], "active");
        assert_eq!((whoami(&nodes, &second).await, whoami(&nodes, &first).await), ([401, 401], [401, 401]));
        assert_eq!(whoami(&nodes, &nodes[0].token_for("una@example.com", &[]).await).await, [200, 200]);
    })
    .await;
}

#[tokio::test]
async fn a_suspended_organization_lets_nobody_in_until_it_is_resumed() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let (_, token) = nodes[0].member("una@example.com", &[]).await;
        nodes[0].cli(&["org", "suspend", "--org", &nodes[0].org, "--json"]).await;
        assert_eq!((whoami(&nodes, &token).await, whoami(&nodes, &nodes[0].token).await), ([401, 401], [401, 401]));
        nodes[0].cli(&["org", "resume", "--org", &nodes[0].org, "--json"]).await;
        assert_eq!((whoami(&nodes, &token).await, whoami(&nodes, &nodes[0].token).await), ([200, 200], [200, 200]));
    })
    .await;
}

#[tokio::test]
async fn r_b56_a_person_deactivated_here_goes_on_there() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let (id, here) = nodes[0].member("ana@example.com", &[]).await;
        let (other, there) = other_organization(&nodes[0], "ana@example.com").await;
        nodes[0].ok("deactivate_user", json!({"user": id})).await;
        let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        for node in &nodes {
            for (path, token, status) in [
                ("/mcp".to_owned(), here.as_str(), 401),
                (format!("/mcp/{}", nodes[0].org), here.as_str(), 401),
                ("/mcp".to_owned(), there.as_str(), 200),
                (format!("/mcp/{other}"), there.as_str(), 200),
                (format!("/mcp/{}", nodes[0].org), there.as_str(), 401),
            ] {
                assert_eq!(request(node, Method::POST, &path, token, &list).await.status(), status, "{path}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r_b52_a_form_opened_before_the_withdrawal_is_refused_after_it() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        nodes[0].ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let link = nodes[0].link(1).await;
        let form = nodes[0].http.get(&link).send().await.expect("a page");
        assert_eq!(form.status(), 200);
        let withdrawn = nodes[1].ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(withdrawn["ended"]["links"], 1);
        // The cookie that the form came with is still held.
        let fields = [("first_name", "Ana"), ("last_name", "Ruiz"), ("password", PASSWORD), ("do", "join")];
        let sent = nodes[0].http.post(form.url().clone()).form(&fields).send().await.expect("a page");
        assert_eq!(sent.status(), 410);
        assert!(sent.text().await.expect("a page").contains("This invite was withdrawn"));
        assert_eq!(nodes[0].ok("get_user", json!({"user": "ana@example.com"})).await["user"]["status"], "deactivated");
    })
    .await;
}

/// What `list_users` says to a token on each node: `done`, or the code of the refusal.
async fn may_list(nodes: &[Server; 2], token: &str) -> [String; 2] {
    on_each(nodes, token, "list_users", &json!({})).await.map(|answer| {
        if answer.body["result"]["isError"] == true {
            answer.error()["code"].as_str().expect("a code").to_owned()
        } else {
            "done".to_owned()
        }
    })
}

#[tokio::test]
async fn b23_every_change_of_rights_holds_on_the_next_call_on_both_nodes() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let (id, token) = nodes[0].member("una@example.com", &[]).await;
        nodes[0].ok("create_access_group", json!({"name": "Readers", "permissions": ["users:read"]})).await;
        let group = json!({"users": [id], "access_groups": ["Readers"]});
        let refused = ["permission_denied", "permission_denied"];
        let done = ["done", "done"];
        let steps = [
            ("update_user", json!({"user": id, "role": "Administrator"}), done),
            ("update_user", json!({"user": id, "role": "User"}), refused),
            ("add_to_access_group", group.clone(), done),
            ("update_access_group", json!({"access_group": "Readers", "remove_permissions": ["users:read"]}), refused),
            ("update_access_group", json!({"access_group": "Readers", "add_permissions": ["users:read"]}), done),
            ("remove_from_access_group", group.clone(), refused),
            ("add_to_access_group", group, done),
            ("delete_access_group", json!({"access_group": "Readers"}), refused),
        ];
        assert_eq!(may_list(&nodes, &token).await, refused);
        for (n, (tool, arguments, expected)) in steps.into_iter().enumerate() {
            let changed = nodes[n % 2].call(&nodes[0].token, tool, arguments.clone()).await;
            assert_eq!(changed.structured()["changed"], true, "{tool} {arguments}");
            assert_eq!(may_list(&nodes, &token).await, expected, "{tool} {arguments}");
            for node in &nodes {
                assert_eq!(node.tools(&token).await.contains(&"list_users".to_owned()), expected == done, "{tool} {arguments}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r_b58_a_promotion_needs_no_new_token() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let (id, token) = nodes[0].member("una@example.com", &[]).await;
        let before = nodes[1].tools(&token).await;
        nodes[0].ok("update_user", json!({"user": id, "role": "Administrator"})).await;
        let after = nodes[1].tools(&token).await;
        assert!(before.len() < after.len() && before.iter().all(|tool| after.contains(tool)), "{before:?} {after:?}");
        let invited = nodes[1]
            .call(&token, "invite_user", json!({"email": "x@example.com", "first_name": "X", "last_name": "Y", "role": "Administrator"}))
            .await;
        assert_eq!(invited.structured()["user"]["role"], "Administrator");
        assert_eq!(nodes[1].call(&token, "whoami", json!({})).await.structured()["user"]["role"], "Administrator");
    })
    .await;
}

#[tokio::test]
async fn r_b44_the_last_administrator_stays_on_every_path() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let me = server.ok("whoami", json!({})).await["user"]["id"].clone();
        // Pending and deactivated Administrators don't count.
        server
            .ok("invite_user", json!({"email": "pending@example.com", "first_name": "P", "last_name": "Q", "role": "Administrator"}))
            .await;
        let (gone, _) = server.administrator("gone@example.com").await;
        server.ok("deactivate_user", json!({"user": gone})).await;
        let mut said = Vec::new();
        for who in [me.clone(), json!("admin@example.com"), json!(" ADMIN@example.com")] {
            for dry_run in [true, false] {
                let refused = [
                    server.refused("deactivate_user", json!({"user": who, "dry_run": dry_run})).await,
                    server.refused("update_user", json!({"user": who, "role": "User", "dry_run": dry_run})).await,
                ];
                for error in refused {
                    assert_eq!(error["code"], "last_administrator");
                    said.push(error["message"].clone());
                }
            }
        }
        said.dedup();
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(server.ok("whoami", json!({})).await["user"]["role"], "Administrator");
    })
    .await;
}

#[tokio::test]
async fn r_b46_nobody_deactivates_themselves() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (_, bo) = server.administrator("bo@example.com").await;
        for who in ["bo@example.com", "BO@example.com"] {
            let error = server.call(&bo, "deactivate_user", json!({"user": who})).await.error();
            assert_eq!(error["code"], "self_deactivation");
        }
        // Demoting oneself is allowed while another is active; the next call is a User's.
        let demoted = server.call(&bo, "update_user", json!({"user": "bo@example.com", "role": "User"})).await.structured();
        assert_eq!(demoted["user"]["role"], "User");
        assert_eq!(server.call(&bo, "list_users", json!({})).await.error()["code"], "permission_denied");
    })
    .await;
}

#[tokio::test]
async fn r_b47_only_administrators_touch_administrators() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let permissions = json!(["users:read", "users:invite", "users:update", "users:deactivate", "access_groups:assign"]);
        server.ok("create_access_group", json!({"name": "Helpers", "permissions": permissions})).await;
        let (_, helper) = server.member("helper@example.com", &["Helpers"]).await;
        let (active, _) = server.administrator("bo@example.com").await;
        let pending = server
            .ok("invite_user", json!({"email": "pending@example.com", "first_name": "P", "last_name": "Q", "role": "Administrator"}))
            .await["user"]["id"]
            .clone();
        let (gone, _) = server.administrator("gone@example.com").await;
        server.ok("deactivate_user", json!({"user": gone})).await;
        let calls = [
            ("update_user", json!({"user": active, "first_name": "Eve"})),
            ("update_user", json!({"user": active, "slack_id": "U1"})),
            ("update_user", json!({"user": active, "role": "User"})),
            ("update_user", json!({"user": "helper@example.com", "role": "Administrator"})),
            ("deactivate_user", json!({"user": active})),
            ("deactivate_user", json!({"user": pending})),
            ("resend_invite", json!({"user": pending})),
            ("reactivate_user", json!({"user": gone})),
            ("invite_user", json!({"email": "new@example.com", "first_name": "N", "last_name": "M", "role": "Administrator"})),
        ];
        let database = Connection::to(&server).await;
        let evidence = ["audit_log", "audit_values", "org_heads", "security_events"];
        let before = database.digest(&evidence).await;
        for (tool, arguments) in calls {
            let error = server.call(&helper, tool, arguments.clone()).await.error();
            assert_eq!(
                (&error["code"], &error["details"]),
                (&json!("permission_denied"), &json!({"role": "Administrator"})),
                "{tool} {arguments}"
            );
        }
        assert_eq!(database.digest(&evidence).await, before);
        database.close().await;
    })
    .await;
}
