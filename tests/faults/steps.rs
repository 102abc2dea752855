//! Every step of every write fails once, and nothing is ever half done.

use super::{assert_generic, person, quiet, refusal};
use crate::{
    common::{Answer, PASSWORD, Server, database::Connection, inside::Inside, invariants, on_both},
    signing_in::{Browser, drawn_for},
};
use serde_json::{Value, json};
use tokio::process::Command;
use usher_mcp::{
    domain::{Clock, HOUR, Timestamp},
    failpoint::Fault,
};

/// A server that has made `group` and ended, and a node in its place.
async fn in_its_place(engine: crate::common::Engine) -> (Server, Inside) {
    let mut server = Server::quickstart_with(engine, &quiet()).await;
    server.ok("create_access_group", json!({"name": "Support", "permissions": ["users:read"]})).await;
    server.stop().await;
    let node = Inside::beside(&server, Clock::system()).await;
    (server, node)
}

async fn digest(server: &Server) -> String {
    let connection = Connection::to(server).await;
    let digest = connection.digest(&[]).await;
    connection.close().await;
    digest
}

/// What is done to somebody, one call after the other, each under a key of its own.
fn scenario(email: &str) -> Vec<(&'static str, Value)> {
    let keyed = |tool: &str, mut arguments: Value| {
        arguments["idempotency_key"] = json!(format!("{tool} {email}"));
        arguments
    };
    let user = || json!({"user": email});
    [
        ("invite_user", json!({"email": email, "first_name": "Ana", "last_name": "Ruiz"})),
        ("resend_invite", user()),
        ("add_to_access_group", json!({"users": [email], "access_groups": ["Support"]})),
        ("update_user", json!({"user": email, "first_name": "Anna", "role": "Administrator"})),
        ("deactivate_user", user()),
        ("reactivate_user", user()),
    ]
    .into_iter()
    .map(|(tool, arguments)| (tool, keyed(tool, arguments)))
    .collect()
}

/// That nothing happened, and that the answer says no more than that.
fn assert_unavailable(answer: &Answer, when: &str) {
    if answer.status == 503 {
        // The caller could not even be recognised.
        assert_eq!(answer.body["error"], "unavailable", "{when}: {}", answer.body);
        return;
    }
    let error = refusal(answer).unwrap_or_else(|| panic!("{when}: {}", answer.body));
    assert_generic(&error);
}

#[tokio::test]
async fn whichever_step_fails_a_write_is_there_wholly_or_not_at_all() {
    on_both(async |engine| {
        let (server, node) = in_its_place(engine).await;
        for (n, (point, fault, may_hold)) in [
            ("store.begin", Fault::Error, false),
            ("store.lock", Fault::Error, false),
            ("store.statement", Fault::Error, false),
            ("store.statement", Fault::Lost, false),
            ("store.audit", Fault::Error, false),
            ("store.commit", Fault::Error, false),
            ("store.batch", Fault::Error, false),
            // The answer is lost, not the write.
            ("store.commit", Fault::Lost, true),
            ("store.committed", Fault::Lost, true),
            ("store.batch", Fault::Lost, true),
        ]
        .into_iter()
        .enumerate()
        {
            let mut failures = 0;
            for (tool, arguments) in scenario(&format!("ana{n}@example.com")) {
                let before = digest(&server).await;
                for pass in 1.. {
                    let when = format!("{engine:?}, {tool}, {point}={fault:?}@{pass}");
                    let passed = node.faults().hits(point);
                    node.faults().set(point, fault, Some(pass));
                    let answer = node.call(tool, &arguments).await;
                    node.faults().clear();
                    if node.faults().hits(point) < passed + pass {
                        assert_eq!(answer.structured()["changed"], true, "{when}");
                        break;
                    }
                    failures += 1;
                    assert_unavailable(&answer, &when);
                    if digest(&server).await != before {
                        assert!(may_hold, "{when}: something holds of what was said not to");
                        let repeated = node.call(tool, &arguments).await.structured();
                        assert_eq!(repeated["changed"], false, "{when}: a repeat never acts twice");
                        break;
                    }
                    assert!(!may_hold, "{when}: it was durable already");
                }
                invariants::hold(&server, &format!("{engine:?}, {tool}, {point}={fault:?}")).await;
                let repeated = node.call(tool, &arguments).await.structured();
                assert_eq!(repeated["changed"], false, "a repeat under the same key");
            }
            let everywhere = engine == crate::common::Engine::Sqlite || point != "store.batch";
            assert!(!everywhere || failures >= 6, "{engine:?}, {point}={fault:?} was met {failures} times");
            assert_eq!(server.verified().await["ok"], true);
        }
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_was_lost_with_the_commit_does_not_say_that_nothing_changed() {
    on_both(async |engine| {
        let (_server, node) = in_its_place(engine).await;
        node.faults().set("store.committed", Fault::Lost, Some(1));
        let error = node.call("invite_user", &person("ana@example.com")).await.error();
        assert_eq!(error["code"], "unavailable");
        assert!(!error["message"].as_str().expect("a message").contains("nothing was changed"), "{engine:?}: {error}");
        node.stop().await;
    })
    .await;
}

#[tokio::test]
async fn requirement_67_what_cannot_be_audited_does_not_happen() {
    on_both(async |engine| {
        let mut server = Server::quickstart_with(engine, &quiet()).await;
        for name in ["Support", "Sales"] {
            server.ok("create_access_group", json!({"name": name})).await;
        }
        for email in ["pending@example.com", "gone@example.com", "joins@example.com"] {
            server.ok("invite_user", json!({"email": email, "first_name": "Ana", "last_name": "Ruiz", "access_groups": ["Sales"]})).await;
        }
        server.ok("deactivate_user", json!({"user": "gone@example.com"})).await;
        let link = server.link_to("joins@example.com").await;
        let token = server.ok("list_mcp_tokens", json!({})).await["credentials"][0]["id"].clone();
        super::at_rest(&server).await;
        server.stop().await;
        let node = Inside::beside(&server, Clock::system()).await;
        let before = digest(&server).await;

        node.faults().set("store.audit", Fault::Error, None);
        let calls = [
            ("invite_user", json!({"email": "new@example.com", "first_name": "Ana", "last_name": "Ruiz"})),
            ("resend_invite", json!({"user": "pending@example.com"})),
            ("update_user", json!({"user": "pending@example.com", "first_name": "Anna"})),
            ("deactivate_user", json!({"user": "pending@example.com"})),
            ("reactivate_user", json!({"user": "gone@example.com"})),
            ("end_ai_access", json!({"user": "admin@example.com"})),
            ("revoke_mcp_token", json!({"id": token})),
            ("create_access_group", json!({"name": "Finance"})),
            ("update_access_group", json!({"access_group": "Support", "name": "Helpers", "add_permissions": ["users:read"]})),
            ("delete_access_group", json!({"access_group": "Support"})),
            ("add_to_access_group", json!({"users": ["pending@example.com"], "access_groups": ["Support"]})),
            ("remove_from_access_group", json!({"users": ["pending@example.com"], "access_groups": ["Sales"]})),
        ];
        for tool in usher_tools::catalogue().into_iter().filter(|tool| !tool.effect.read_only()) {
            let (_, arguments) = calls.iter().find(|(name, _)| *name == tool.name).unwrap_or_else(|| panic!("no call for {}", tool.name));
            let error = node.call(tool.name, arguments).await.error();
            assert_generic(&error);
            assert_eq!(digest(&server).await, before, "{engine:?}, {}", tool.name);
        }
        // Joining, and what the operator does on the host.
        let page = link.replace(link.split("/invite/").next().expect("an address"), node.address());
        let joined = server.accept(&page, "Ana", "Ruiz", crate::common::PASSWORD).await;
        assert!(joined.status().is_server_error(), "{}", joined.status());
        assert_eq!(digest(&server).await, before, "{engine:?}, joining");
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.args(["token", "create", "--org", &server.org, "--user", "admin@example.com"]);
        command.env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_FAILPOINTS", "store.audit=error");
        if let Some(url) = server.database_url() {
            command.env("USHER_DATABASE_URL", url);
        }
        assert!(!command.output().await.expect("usher runs").status.success());
        assert_eq!(digest(&server).await, before, "{engine:?}, on the host");

        // With the log back all of it goes through.
        node.faults().clear();
        for (tool, arguments) in &calls[..1] {
            assert_eq!(node.call(tool, arguments).await.structured()["changed"], true);
        }
        assert_eq!(server.accept(&page, "Ana", "Ruiz", crate::common::PASSWORD).await.status(), 200);
        invariants::hold(&server, "once the log is back").await;
        node.stop().await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

async fn notices(server: &Server) -> i64 {
    let connection = Connection::to(server).await;
    let count = connection.number("SELECT count(*) FROM outbox WHERE channel = 'mail' AND link_id IS NULL").await;
    connection.close().await;
    count
}

#[tokio::test]
async fn an_audit_entry_that_fails_takes_its_notice_with_it() {
    on_both(async |engine| {
        let mut server = Server::quickstart_with(engine, &quiet()).await;
        server.member("ana@example.com", &[]).await;
        super::at_rest(&server).await;
        server.stop().await;
        let node = Inside::beside(&server, Clock::system()).await;
        let ana = Browser::at(node.address());
        assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
        let drawn = drawn_for(&ana.me().await.expect("she is in"));
        let change = [("as", drawn.as_str()), ("current", PASSWORD), ("password", "nine quiet herons read the tide")];
        let promote = json!({"user": "ana@example.com", "role": "Administrator"});
        let before = notices(&server).await;

        node.faults().set("store.audit", Fault::Error, None);
        assert_generic(&node.call("update_user", &promote).await.error());
        assert!(ana.post("/me/password", &change).await.status >= 500);
        assert_eq!(notices(&server).await, before, "{engine:?}: nobody is told of what did not happen");

        node.faults().clear();
        assert_eq!(node.call("update_user", &promote).await.structured()["changed"], true);
        assert_eq!(notices(&server).await, before + 2, "{engine:?}: both Administrators");
        assert_eq!(ana.post("/me/password", &change).await.status, 303);
        assert_eq!(notices(&server).await, before + 3, "{engine:?}: its owner");
        node.stop().await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn r_b109_transactions_that_meet_are_run_again_a_bounded_number_of_times() {
    on_both(async |engine| {
        let (server, node) = in_its_place(engine).await;
        let connection = Connection::to(&server).await;
        let counts = "SELECT (SELECT count(*) FROM audit_log) * 10000 + (SELECT count(*) FROM outbox) * 100 + (SELECT count(*) FROM users)";
        let start = connection.number(counts).await;
        // Met once: the call goes through, with one person, one mail and one entry.
        node.faults().set("store.conflict", Fault::Error, Some(1));
        assert_eq!(node.call("invite_user", &person("ana@example.com")).await.structured()["changed"], true);
        assert_eq!(connection.number(counts).await, start + 10101, "{engine:?}");
        // Met every time: it gives up, and says when to come back.
        let passed = node.faults().hits("store.conflict");
        node.faults().set("store.conflict", Fault::Error, None);
        let error = node.call("invite_user", &person("bo@example.com")).await.error();
        assert_eq!(error["code"], "unavailable");
        assert!(error["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{error}");
        assert_generic(&error);
        let tries = node.faults().hits("store.conflict") - passed;
        assert!((2..20).contains(&tries), "{tries} tries");
        assert_eq!(connection.number(counts).await, start + 10101, "{engine:?}");
        connection.close().await;
        node.stop().await;
        invariants::hold(&server, "after conflicts").await;
    })
    .await;
}

#[tokio::test]
async fn audit_time_never_goes_back_with_the_clock() {
    on_both(async |engine| {
        let mut server = Server::quickstart_with(engine, &quiet()).await;
        server.stop().await;
        let connection = Connection::to(&server).await;
        let last = "SELECT at FROM audit_log ORDER BY seq DESC LIMIT 1";
        let start = connection.number(last).await;
        let clock = Clock::manual(Timestamp::from_millis(start + HOUR));
        let node = Inside::beside(&server, clock.clone()).await;
        let rename = async |name: &str| {
            let changed = node.call("update_user", &json!({"user": "admin@example.com", "first_name": name})).await;
            assert_eq!(changed.structured()["changed"], true);
            connection.number(last).await
        };
        assert_eq!(rename("Ana").await, start + HOUR);
        clock.advance(-HOUR / 2);
        assert_eq!(rename("Bo").await, start + HOUR, "{engine:?}: the clock was set back");
        clock.advance(HOUR);
        assert_eq!(rename("Cy").await, start + HOUR + HOUR / 2, "{engine:?}: and goes on");
        connection.close().await;
        node.stop().await;
        invariants::hold(&server, "after the clock went back").await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn requirement_70_a_mistake_of_ours_is_an_answer_and_the_process_lives() {
    on_both(async |engine| {
        let mut server = Server::quickstart_with(engine, &quiet()).await;
        server.stop().await;
        let node = Inside::beside(&server, Clock::system()).await;
        let broken = |point: &str, nth| node.faults().set(point, Fault::Panic, Some(nth));
        // Before it is known who calls.
        broken("store.statement", 1);
        let answer = node.call("whoami", &json!({})).await;
        assert_eq!((answer.status, &answer.body["error"]), (500, &json!("internal")), "{engine:?}");
        assert!(answer.body["request_id"].is_string(), "{}", answer.body);
        // In the tool, in the middle of its write.
        broken("store.audit", 1);
        let error = node.call("invite_user", &person("ana@example.com")).await.error();
        assert_eq!(error["code"], "internal");
        assert_generic(&error);
        // On a page.
        broken("store.statement", 1);
        let page = reqwest::get(format!("{}/sign-in/{}", node.address(), server.org)).await.expect("an answer");
        let (status, html) = (page.status().as_u16(), page.text().await.expect("a body"));
        assert!(status == 500 && html.contains("<h1") && !html.contains("failpoint"), "{status} {html}");
        // Nothing is left of it, and it goes on.
        assert_eq!(node.call("invite_user", &person("ana@example.com")).await.structured()["changed"], true, "{engine:?}");
        node.stop().await;
        invariants::hold(&server, "after panics").await;
    })
    .await;
}
