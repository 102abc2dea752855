//! The main job, start to end, and what a caller without rights sees.

mod facts;

use crate::common::{Engine, Options, Server, hosts, on_both};
use serde_json::json;

#[tokio::test]
async fn b09_to_b26_from_invite_to_401() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let me = server.ok("whoami", json!({})).await;
        assert_eq!(me["user"]["role"], "Administrator");
        assert_eq!(me["user"]["status"], "active");

        let group = server.ok("create_access_group", json!({"name": "Support", "permissions": ["users:read"]})).await;
        assert_eq!(group["changed"], true);
        let invited = server
            .ok(
                "invite_user",
                json!({"email": "Ana.Ruiz@Example.COM", "first_name": "Ana", "last_name": "(Vendor)", "access_groups": ["support"]}),
            )
            .await;
        assert_eq!(invited["user"]["status"], "pending");
        assert_eq!(invited["user"]["role"], "User");
        assert_eq!(invited["delivery"], "folder");
        assert_eq!(invited["user"]["access_groups"][0]["name"], "Support");

        let again = server.refused("invite_user", json!({"email": "ana.ruiz@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        assert_eq!(again["code"], "email_already_in_use");
        assert_eq!(again["details"]["next"], "resend_invite");
        assert_eq!(again["details"]["user_id"], invited["user"]["id"]);

        let link = server.link(1).await;
        assert!(link.len() <= 120, "{}", link.len());
        let resent = server.ok("resend_invite", json!({"user": "ana.ruiz@example.com"})).await;
        assert_eq!(resent["changed"], true);
        let newer = server.link(2).await;
        assert_ne!(link, newer);
        let superseded = server.http.get(&link).send().await.unwrap();
        assert_eq!(superseded.status(), 410);

        // Scanners look; nothing changes.
        for _ in 0..3 {
            assert_eq!(server.http.get(&newer).send().await.unwrap().status(), 200);
        }
        let weak = server.accept(&newer, "Ana", "Ruiz", "password").await;
        assert_eq!(weak.status(), 422);
        let joined = server.accept(&newer, "Ana", "Ruiz", "seven brave otters paint fences").await;
        assert_eq!(joined.status(), 200);
        let twice = server.accept(&newer, "Ana", "Ruiz", "seven brave otters paint fences").await;
        assert_eq!(twice.status(), 410);
        let ana = server.ok("get_user", json!({"user": "ana.ruiz@example.com"})).await;
        assert_eq!(ana["user"]["status"], "active");
        assert_eq!(ana["user"]["last_name"], "Ruiz");
        assert_eq!(ana["user"]["email"], "Ana.Ruiz@Example.COM");

        let token = server.cli(&["token", "create", "--org", "my-organization", "--user", "ana.ruiz@example.com", "--json"]).await;
        let token = token["token"].as_str().unwrap().to_owned();
        let hers = server.call(&token, "list_users", json!({"query": "ruiz"})).await;
        assert_eq!(hers.status, 200);
        assert_eq!(hers.structured()["total"], 1);
        let refused = server.call(&token, "deactivate_user", json!({"user": "admin@example.com"})).await;
        assert_eq!(refused.error()["code"], "permission_denied");
        assert_eq!(refused.error()["details"]["permission"], "users:deactivate");

        let last = server.refused("deactivate_user", json!({"user": "admin@example.com"})).await;
        assert_eq!(last["code"], "last_administrator");
        let dry = server.ok("deactivate_user", json!({"user": "ana.ruiz@example.com", "dry_run": true})).await;
        assert_eq!(dry["dry_run"], true);
        assert_eq!(server.call(&token, "whoami", json!({})).await.status, 200);
        let ended = server.ok("deactivate_user", json!({"user": "ana.ruiz@example.com", "reason": "left today"})).await;
        assert_eq!(ended["ended"]["mcp_tokens"], 1);
        assert_eq!(server.call(&token, "whoami", json!({})).await.status, 401);

        let events = server.ok("list_audit_events", json!({"action": "users:deactivate", "outcome": "done"})).await;
        assert_eq!(events["events"][0]["reason"], "left today");
        assert_eq!(events["events"][0]["target"]["name"], "Ana Ruiz");
        let verdict = server.cli(&["audit", "verify", "--org", "my-organization", "--json"]).await;
        assert_eq!(verdict["ok"], true, "{verdict}");
    })
    .await;
}

#[tokio::test]
async fn bad_tokens_are_indistinguishable_and_foreign_hosts_are_turned_away() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let none = server.http.post(&server.mcp_url).body("{}").send().await.unwrap();
        assert_eq!(none.status(), 401);
        assert_eq!(none.headers()["www-authenticate"], r#"Bearer realm="usher""#);
        let mut answers = Vec::new();
        for token in ["x", "usher_pat_0000000000000000000000000000000000000000000000000000000"] {
            let answer = server.http.post(&server.mcp_url).bearer_auth(token).body("{}").send().await.unwrap();
            assert_eq!(answer.status(), 401);
            answers.push((answer.headers()["www-authenticate"].clone(), answer.text().await.unwrap()));
        }
        assert_eq!(answers[0], answers[1]);
        let foreign = server.http.post(&server.mcp_url).header("host", "evil.example").body("{}").send().await.unwrap();
        assert_eq!(foreign.status(), 403);
        let origin = server.http.post(&server.mcp_url).header("origin", "null").body("{}").send().await.unwrap();
        assert_eq!(origin.status(), 403);
        let malformed = server.http.post(&server.mcp_url).bearer_auth(&server.token).body("{").send().await.unwrap();
        assert_eq!(malformed.status(), 400);
        assert!(malformed.text().await.unwrap().contains("-32700"));
    })
    .await;
}

#[tokio::test]
async fn b04_a_user_without_groups_sees_only_what_is_their_own() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.ok("invite_user", json!({"email": "bo@example.com", "first_name": "Bo", "last_name": "Li"})).await;
        let link = server.link(1).await;
        assert_eq!(server.accept(&link, "Bo", "Li", "seven brave otters paint fences").await.status(), 200);
        let token = server.cli(&["token", "create", "--org", "my-organization", "--user", "bo@example.com", "--json"]).await;
        let token = token["token"].as_str().unwrap().to_owned();
        let tools = server.tools(&token).await;
        let own = ["whoami", "get_user", "check_membership", "update_user", "end_ai_access", "list_permissions", "list_mcp_tokens"];
        assert_eq!(tools, [&own[..], &["revoke_mcp_token"]].concat());
        let existing = server.call(&token, "get_user", json!({"user": "admin@example.com"})).await.error();
        let missing = server.call(&token, "get_user", json!({"user": "nobody@example.com"})).await.error();
        assert_eq!(existing["code"], "permission_denied");
        assert_eq!((&existing["code"], &existing["message"]), (&missing["code"], &missing["message"]));
        assert_eq!(server.call(&token, "get_user", json!({"user": "bo@example.com"})).await.structured()["user"]["first_name"], "Bo");
        let renamed = server.call(&token, "update_user", json!({"user": "BO@example.com", "first_name": "Boris"})).await;
        assert_eq!(renamed.structured()["user"]["first_name"], "Boris");
        let role = server.call(&token, "update_user", json!({"user": "bo@example.com", "role": "Administrator"})).await;
        assert_eq!(role.error()["details"]["role"], "Administrator");
    })
    .await;
}

#[tokio::test]
async fn r_b01_fifty_invites_of_one_address_make_one_person() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let arguments = json!({"email": "x@example.com", "first_name": "X", "last_name": "Y"});
            calls.spawn(server.request(&server.token, "invite_user", &arguments));
        }
        let answers = calls.join_all().await;
        let won = answers.iter().filter(|answer| answer.body["result"]["isError"] != true).count();
        assert_eq!(won, 1);
        let total = server.ok("list_users", json!({"status": "pending"})).await;
        assert_eq!(total["total"], 1);
        if engine == Engine::Sqlite {
            assert!(server.data_dir.path().join("usher.db").exists());
        }
    })
    .await;
}

#[tokio::test]
async fn real_clients_of_every_kind_hold_the_same_conversation() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (modern, old) = ("2026-07-28", "2025-11-25");
        let clients = [
            ("USHER_TEST_PY_MCP2", "python/mcp2.py", "auto", modern),
            ("USHER_TEST_PY_MCP2", "python/mcp2.py", "legacy", old),
            ("USHER_TEST_PY_MCP1", "python/mcp1.py", "", old),
            ("USHER_TEST_PY_FASTMCP", "python/fastmcp4.py", "", modern),
            ("USHER_TEST_NODE22", "node/client2.mjs", "auto", modern),
            ("USHER_TEST_NODE22", "node/client2.mjs", "legacy", old),
            ("USHER_TEST_NODE22", "node/sdk1.mjs", "", old),
        ];
        for (n, (interpreter, program, mode, protocol)) in clients.into_iter().enumerate() {
            let email = format!("person{n}@example.com");
            let mut arguments = vec![email.as_str(), "Ana", "Ruiz"];
            if !mode.is_empty() {
                arguments.insert(0, mode);
            }
            let said = hosts::converse(&server, interpreter, program, &arguments).await;
            assert_eq!(said["protocol"], protocol, "{program} {mode}");
            assert_eq!(said["duplicate"]["code"], "email_already_in_use", "{program} {mode}");
            assert_eq!(said["bad_arguments"]["code"], "invalid_argument", "{program} {mode}");
            assert_eq!(said["tools"].as_array().map(Vec::len), Some(20), "{program} {mode}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_conformance_suite_finds_what_is_expected() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart(Engine::Sqlite).await;
    hosts::script(&server, "conformance").await;
}

#[tokio::test]
async fn the_strictest_host_finds_nothing_to_warn_of() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart(Engine::Sqlite).await;
    let said = hosts::script(&server, "inspector").await;
    assert!(!said.contains("Warning: tool"), "{said}");
}

#[tokio::test]
async fn a_repeat_under_one_key_never_acts_and_follows_ids_not_names() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let made =
            server.ok("create_access_group", json!({"name": "Support", "permissions": ["users:read"], "idempotency_key": "c"})).await;
        let id = made["access_group"]["id"].clone();
        let ana = server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        let add = json!({"users": ["ana@example.com"], "access_groups": ["Support"], "idempotency_key": "a"});
        assert_eq!(server.ok("add_to_access_group", add.clone()).await["changed"], true);
        let rename = json!({"access_group": "Support", "name": "Care", "idempotency_key": "u"});
        assert_eq!(server.ok("update_access_group", rename.clone()).await["changed"], true);

        // The name means nothing now, or another group: the repeats are about the first one all the same.
        server.ok("create_access_group", json!({"name": "Support"})).await;
        for (tool, arguments) in [("add_to_access_group", add.clone()), ("update_access_group", rename.clone())] {
            let again = server.ok(tool, arguments).await;
            assert_eq!(again["changed"], false, "{tool}");
            let group = if tool == "add_to_access_group" { &again["access_groups"][0] } else { &again["access_group"] };
            assert_eq!((&group["id"], &group["name"]), (&id, &json!("Care")), "{tool}");
        }

        let before = server.ok("list_access_groups", json!({"access_group": "Care"})).await["access_groups"][0].clone();
        let delete = json!({"access_group": "Care", "idempotency_key": "d"});
        let gone = server.ok("delete_access_group", delete.clone()).await;
        assert_eq!((&gone["access_group"], &gone["members_affected"]), (&before, &json!(1)));
        for (tool, arguments) in [("delete_access_group", delete), ("update_access_group", rename)] {
            let again = server.ok(tool, arguments).await;
            assert_eq!((&again["changed"], &again["access_group"]), (&json!(false), &before), "{tool}");
        }
        let again = server.ok("add_to_access_group", add).await;
        assert_eq!((&again["access_groups"][0], &again["users"][0]["access_groups"]), (&before, &json!([])));

        let leave = json!({"user": "ana@example.com", "idempotency_key": "x"});
        assert_eq!(server.ok("deactivate_user", leave.clone()).await["changed"], true);
        server.ok("reactivate_user", json!({"user": "ana@example.com"})).await;
        let again = server.ok("deactivate_user", leave.clone()).await;
        assert_eq!(
            (&again["changed"], &again["user"]["status"], &again["user"]["id"]),
            (&json!(false), &json!("pending"), &ana["user"]["id"])
        );
        // A dry run of a keyed call is the same call; other arguments are not.
        let mut dry = leave.clone();
        dry["dry_run"] = json!(true);
        assert_eq!(server.ok("deactivate_user", dry).await["changed"], false);
        let other = server.refused("deactivate_user", json!({"user": ana["user"]["id"], "idempotency_key": "x"})).await;
        assert_eq!(other["code"], "conflict");
    })
    .await;
}

#[tokio::test]
async fn who_tries_many_unknown_links_is_told_to_wait_and_nobody_else() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart_with(Engine::Sqlite, &Options::arguments(&["--trusted-proxies", "127.0.0.0/8"])).await;
    let unknown = format!("{}/invite/{}", server.address(), "a".repeat(49));
    let get = async |client: &str| {
        let answer = server.http.get(&unknown).header("x-forwarded-for", format!("6.6.6.6, {client}")).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("retry-after"))
    };
    for _ in 0..20 {
        assert_eq!(get("198.51.100.1").await, (404, false));
    }
    assert_eq!(get("198.51.100.1").await, (429, true));
    assert_eq!(get("198.51.100.2").await, (404, false));
    // A neighbour in the same IPv6 network is the same subscriber.
    for host in 0..20 {
        assert_eq!(get(&format!("2001:db8:0:1::{host}")).await, (404, false));
    }
    assert_eq!(get("2001:db8:0:1::ffff").await.0, 429);
    assert_eq!(get("2001:db8:0:2::1").await.0, 404);
    // A live link still opens for whoever shares the address.
    server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
    let link = server.link(1).await;
    let answer = server.http.get(&link).header("x-forwarded-for", "198.51.100.1").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn what_a_page_cannot_read_gets_a_page_that_says_so() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart(Engine::Sqlite).await;
    let place = format!("{}/invite/{}", server.address(), "a".repeat(49));
    let post = server.http.post(&place);
    let not_a_form = post.header("content-type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(not_a_form.status(), 415);
    let too_large = server.http.post(&place).form(&[("first_name", "a".repeat(70_000))]).send().await.unwrap();
    assert_eq!(too_large.status(), 413);
    let wrong_method = server.http.put(&place).send().await.unwrap();
    assert_eq!(wrong_method.status(), 405);
    for answer in [not_a_form, too_large, wrong_method] {
        assert!(answer.text().await.unwrap().contains("<h1"));
    }
}
