//! What an entry says of who, what, whom and how it ended; and that refusals leave one too.

use crate::common::{Options, PASSWORD, Server, database::Connection, on_both, smtp::Sink, until};
use serde_json::{Value, json};

/// The entries of the whole log, oldest first.
async fn log(server: &Server) -> Vec<Value> {
    let mut events = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let mut arguments = json!({"limit": 100});
        if !cursor.is_null() {
            arguments["cursor"] = cursor;
        }
        let page = server.ok("list_audit_events", arguments).await;
        events.extend(page["events"].as_array().expect("events").iter().cloned());
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            events.reverse();
            return events;
        }
    }
}

async fn newest(server: &Server) -> Value {
    server.ok("list_audit_events", json!({"limit": 1})).await["events"][0].clone()
}

/// Before and after of a field, each time it is named.
fn change<'a>(event: &'a Value, field: &str) -> Vec<(&'a Value, &'a Value)> {
    let changes = event["changes"].as_array().expect("changes");
    changes.iter().filter(|change| change["field"] == field).map(|change| (&change["before"], &change["after"])).collect()
}

/// The refusal of this action, once it is written.
async fn refusal(server: &Server, actor: &str, action: &str, code: &str) -> Value {
    until("the refusal", async || {
        let found = server.ok("list_audit_events", json!({"action": action, "outcome": "refused"})).await;
        let events = found["events"].as_array().expect("events").clone();
        let mut found = events.into_iter().filter(|event| event["code"] == code && event["actor"]["user_id"] == actor);
        let event = found.next()?;
        assert!(found.next().is_none(), "one entry each");
        Some(event)
    })
    .await
}

#[tokio::test]
async fn r_b103_refused_and_failed_attempts_are_recorded_and_never_as_done() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        sink.control(&json!([{"step": "RCPT", "action": "550", "match": "bounce@"}]));
        let relay = format!("smtp://127.0.0.1:{}", sink.port);
        let folder = Options::default();
        let mut server = Server::quickstart_with(engine, &folder).await;
        server.ok("create_access_group", json!({"name": "Inviters", "permissions": ["users:read", "users:invite"]})).await;
        let (bo, token) = server.member("bo@example.com", &["Inviters"]).await;
        let me = server.ok("whoami", json!({})).await["user"]["id"].as_str().expect("an id").to_owned();
        let organization = server.org.clone();
        let other =
            ["org", "create", "--name", "Other", "--admin-email", "o@example.com", "--admin-first-name", "O", "--admin-last-name", "P"];
        let stranger = server.cli(&[&other[..], &["--json"]].concat()).await["user_id"].as_str().expect("an id").to_owned();

        // An Administrator invited by somebody who is none.
        let arguments = json!({"email": "x@example.com", "first_name": "X", "last_name": "Y", "role": "Administrator", "reason": "please"});
        assert_eq!(server.call(&token, "invite_user", arguments).await.error()["code"], "permission_denied");
        let event = refusal(&server, &bo, "users:invite", "permission_denied").await;
        assert_eq!((&event["tool"], &event["surface"], &event["repeated"]), (&json!("invite_user"), &json!("mcp"), &json!(1)));
        assert_eq!(event["actor"]["name"], "Test Person");
        assert_eq!(event["credential"]["kind"], "token");
        assert!(event["request_id"].is_string() && event["changes"] == json!([]), "{event}");

        // The last Administrator.
        assert_eq!(server.refused("deactivate_user", json!({"user": me})).await["code"], "last_administrator");
        let event = refusal(&server, &me, "users:deactivate", "last_administrator").await;
        assert_eq!((&event["target"]["kind"], &event["target"]["id"]), (&json!("user"), &json!(me)));

        // Somebody of another organization.
        assert_eq!(server.refused("deactivate_user", json!({"user": stranger})).await["code"], "user_not_found");
        let event = refusal(&server, &me, "users:deactivate", "user_not_found").await;
        assert_ne!(event["target"]["name"], "O P", "nothing is said of who that is");

        // A token that was ended: no entry of the organization, but an event.
        let list = server.cli(&["token", "list", "--org", &server.org, "--user", "bo@example.com", "--json"]).await;
        server.cli(&["token", "revoke", "--org", &server.org, "--id", list[0]["id"].as_str().expect("an id"), "--json"]).await;
        assert_eq!(server.call(&token, "whoami", json!({})).await.status, 401);
        let connection = Connection::to(&server).await;
        let dead = "SELECT count(*) FROM security_events WHERE kind = 'dead_token'";
        until("the event", async || (connection.number(dead).await == 1).then_some(())).await;

        // A mail that no relay takes.
        server.stop().await;
        server.restart(&Options::arguments(&["--smtp-url", &relay, "--mail-from", "usher@example.com"])).await;
        let invited = server.ok("invite_user", json!({"email": "bounce@example.com", "first_name": "No", "last_name": "Body"})).await;
        let failed = until("the failure", async || {
            server.ok("list_audit_events", json!({"outcome": "failed"})).await["events"].as_array().expect("events").first().cloned()
        })
        .await;
        assert_eq!((&failed["target"]["id"], &failed["code"]), (&invited["user"]["id"], &json!("rejected")), "{failed}");
        assert_eq!(failed["actor"]["kind"], "system");

        // Nothing that was refused or failed is there as done.
        let done: Vec<Value> = log(&server).await.into_iter().filter(|event| event["outcome"] == "done").collect();
        assert!(done.iter().all(|event| event["code"].is_null()));
        assert!(done.iter().all(|event| event["action"] != "users:deactivate"));
        assert_eq!(connection.number("SELECT count(*) FROM users WHERE email = 'x@example.com'").await, 0);
        connection.close().await;
        assert_eq!(server.cli(&["audit", "verify", "--org", &organization, "--json"]).await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn r_b104_an_entry_says_what_was_granted_by_whom_and_by_what() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let me = server.ok("whoami", json!({})).await;
        let group = server.ok("create_access_group", json!({"name": "Support", "permissions": ["users:read"]})).await;
        assert_eq!(change(&newest(&server).await, "permission"), [(&Value::Null, &json!("users:read"))]);

        let invited = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "role": "Administrator",
                             "access_groups": ["Support"], "reason": "Ana joins"});
        let ana = server.ok("invite_user", invited).await["user"]["id"].clone();
        let event = newest(&server).await;
        assert_eq!(event["action"], "users:invite");
        assert_eq!((&event["actor"]["user_id"], &event["actor"]["name"]), (&me["user"]["id"], &json!("First Administrator")));
        assert_eq!((&event["credential"]["kind"], &event["credential"]["id"]), (&json!("token"), &credential(&server).await));
        assert_eq!((&event["surface"], &event["tool"]), (&json!("mcp"), &json!("invite_user")));
        assert_eq!(
            (&event["target"]["kind"], &event["target"]["id"], &event["target"]["name"]),
            (&json!("user"), &ana, &json!("Ana Ruiz"))
        );
        assert_eq!(event["reason"], "Ana joins");
        assert_eq!(change(&event, "role").len(), 1);
        assert!(change(&event, "role")[0].1.as_str().is_some_and(|role| role.eq_ignore_ascii_case("administrator")), "{event}");
        assert_eq!(change(&event, "access_group"), [(&Value::Null, &json!("Support"))]);
        assert_eq!(change(&event, "email"), [(&Value::Null, &json!("ana@example.com"))]);
        let at = event["at"].as_str().expect("a time");
        assert!(at.ends_with('Z') && at.len() == "2026-11-25T04:21:07.123Z".len(), "{at}");

        let link = server.link_to("ana@example.com").await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        let entries = server.ok("list_audit_events", json!({"limit": 2})).await;
        // Joining, and then coming in.
        for (event, action) in entries["events"].as_array().expect("events").iter().zip(["sign_in:invite", "invite:accepted"]) {
            assert_eq!((&event["action"], &event["surface"], &event["actor"]["user_id"]), (&json!(action), &json!("web"), &ana));
        }

        // By whom: two who did the same are told apart.
        let token = server.token_for("ana@example.com", &["--label", "Ana's laptop"]).await;
        let event = newest(&server).await;
        assert_eq!((&event["action"], &event["surface"], &event["actor"]["kind"]), (&json!("token:created"), &json!("cli"), &json!("cli")));
        assert_eq!(event["target"]["name"], "Ana's laptop");
        server.member("bo@example.com", &[]).await;
        let role = |event: &Value| {
            let change = change(event, "role");
            (change[0].0.as_str().expect("a role").to_lowercase(), change[0].1.as_str().expect("a role").to_lowercase())
        };
        server.call(&token, "update_user", json!({"user": "bo@example.com", "role": "Administrator"})).await.structured();
        let event = newest(&server).await;
        assert_eq!((&event["actor"]["user_id"], &event["credential"]["label"]), (&ana, &json!("Ana's laptop")));
        assert_eq!(role(&event), ("user".to_owned(), "administrator".to_owned()));
        server.ok("update_user", json!({"user": "bo@example.com", "role": "User"})).await;
        let event = newest(&server).await;
        assert_eq!(event["actor"]["user_id"], me["user"]["id"]);
        assert_eq!(role(&event), ("administrator".to_owned(), "user".to_owned()));

        let members = json!({"users": ["bo@example.com"], "access_groups": ["Support"]});
        server.ok("add_to_access_group", members.clone()).await;
        let event = newest(&server).await;
        assert_eq!(change(&event, "access_group"), [(&Value::Null, &json!("Support"))]);
        assert_eq!(change(&event, "access_group_id"), [(&Value::Null, &group["access_group"]["id"])]);
        server.ok("remove_from_access_group", members).await;
        assert_eq!(change(&newest(&server).await, "access_group"), [(&json!("Support"), &Value::Null)]);
        let grants = json!({"access_group": "Support", "add_permissions": ["users:invite"], "remove_permissions": ["users:read"]});
        server.ok("update_access_group", grants).await;
        let event = newest(&server).await;
        assert_eq!(change(&event, "permission"), [(&Value::Null, &json!("users:invite")), (&json!("users:read"), &Value::Null)]);
        server.ok("deactivate_user", json!({"user": "bo@example.com"})).await;
        let event = newest(&server).await;
        assert_eq!(change(&event, "status"), [(&json!("active"), &json!("deactivated"))]);
        server.ok("invite_user", json!({"email": "cy@example.com", "first_name": "Cy", "last_name": "Ode"})).await;
        server.ok("resend_invite", json!({"user": "cy@example.com"})).await;
        let event = newest(&server).await;
        assert_eq!((&event["tool"], &event["target"]["name"]), (&json!("resend_invite"), &json!("Cy Ode")));
        let list = server.cli(&["token", "list", "--org", &server.org, "--user", "ana@example.com", "--json"]).await;
        server.cli(&["token", "revoke", "--org", &server.org, "--id", list[0]["id"].as_str().expect("an id"), "--json"]).await;
        assert_eq!(newest(&server).await["action"], "token:revoked");

        let log = log(&server).await;
        let sequences: Vec<i64> = log.iter().map(|event| event["sequence"].as_i64().expect("a number")).collect();
        assert_eq!(sequences, (1..=i64::try_from(log.len()).expect("few")).collect::<Vec<_>>(), "counted without gaps");
        assert!(log.is_sorted_by_key(|event| event["at"].as_str().expect("a time").to_owned()));
    })
    .await;
}

async fn credential(server: &Server) -> Value {
    let list = server.cli(&["token", "list", "--org", &server.org, "--json"]).await;
    let tokens = list.as_array().expect("tokens");
    tokens.iter().find(|token| token["label"] == "quickstart").expect("the first token")["id"].clone()
}

#[tokio::test]
async fn r_b107_old_entries_keep_the_old_names() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (ana, token) = server.administrator("ana@example.com").await;
        let group = async |name: &str| {
            server.call(&token, "create_access_group", json!({"name": name})).await.structured();
        };
        group("First").await;
        server.ok("update_user", json!({"user": ana, "first_name": "Anna", "last_name": "R."})).await;
        group("Second").await;
        server.ok("deactivate_user", json!({"user": ana})).await;
        let found = server.ok("list_audit_events", json!({"user": ana, "limit": 100})).await;
        let events = found["events"].as_array().expect("events");
        let by = |name: &str| {
            let mut found = events.iter().filter(|event| event["target"]["name"] == name && event["actor"]["user_id"] == ana.as_str());
            found.next().unwrap_or_else(|| panic!("{name}: {events:?}"))["actor"]["name"].clone()
        };
        assert_eq!((by("First"), by("Second")), (json!("Test Person"), json!("Anna R.")));
        let target = |action: &str| events.iter().find(|event| event["action"] == action).expect(action)["target"]["name"].clone();
        assert_eq!((target("users:invite"), target("users:deactivate")), (json!("Test Person"), json!("Anna R.")));
        let renamed = events.iter().find(|event| event["action"] == "users:update").expect("the new name");
        assert_eq!(change(renamed, "first_name"), [(&json!("Test"), &json!("Anna"))]);
    })
    .await;
}
