//! `list_audit_events`: what an entry says, filters, pages, and names as of the event.

use super::{Watch, group, holder, invite, newer_link, rpc};
use crate::{
    common::{Options, Server, database::Connection, on_both, two_nodes, until},
    search::seed,
};
use serde_json::{Value, json};

/// All entries that match, page by page.
async fn all(server: &Server, filter: &Value, limit: u32) -> Vec<Value> {
    let mut events = Vec::new();
    let mut arguments = filter.clone();
    arguments["limit"] = json!(limit);
    loop {
        let page = server.ok("list_audit_events", arguments.clone()).await;
        let new = page["events"].as_array().expect("events").clone();
        assert!(new.len() <= usize::try_from(limit).expect("few"));
        events.extend(new);
        if page["next_cursor"].is_null() {
            return events;
        }
        arguments["cursor"] = page["next_cursor"].clone();
    }
}

fn sequences(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["sequence"].as_i64().expect("a number")).collect()
}

#[tokio::test]
async fn r_b104_an_entry_says_who_did_what_to_whom_by_what_and_what_changed() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "Some Host", "version": "1"}});
        rpc(&server, "initialize", hello).await;
        let admin = server.ok("whoami", json!({})).await;
        let support = group(&server, "Support", &["users:read"]).await;
        let invited = server
            .ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "role": "Administrator", "access_groups": ["Support"], "reason": "r"}))
            .await;
        let ana = invited["user"]["id"].clone();
        server.ok("update_user", json!({"user": ana, "role": "User"})).await;
        server.ok("remove_from_access_group", json!({"users": [ana], "access_groups": ["Support"]})).await;
        server.ok("add_to_access_group", json!({"users": [ana], "access_groups": ["Support"]})).await;
        server.ok("update_access_group", json!({"access_group": "Support", "add_permissions": ["billing:read"], "remove_permissions": ["users:read"]})).await;
        let old = server.link_to("ana@example.com").await;
        server.ok("resend_invite", json!({"user": ana})).await;
        let link = newer_link(&server, "ana@example.com", &old).await;
        assert_eq!(server.accept(&link, "Anna", "Ruiz", crate::common::PASSWORD).await.status(), 200);
        let token = server.cli(&["token", "create", "--org", &server.org, "--user", "ana@example.com", "--label", "laptop", "--json"]).await;
        server.cli(&["token", "revoke", "--org", &server.org, "--id", token["id"].as_str().expect("an id"), "--json"]).await;
        server.ok("deactivate_user", json!({"user": ana})).await;
        server.ok("reactivate_user", json!({"user": ana})).await;

        let events = all(&server, &json!({"user": "ana@example.com"}), 100).await;
        let told: Vec<_> = events.iter().rev().map(|event| (event["action"].as_str().expect("an action"), event["tool"].as_str(), event["surface"].as_str().expect("a surface"))).collect();
        assert_eq!(
            told,
            [
                ("users:invite", Some("invite_user"), "mcp"),
                ("users:update", Some("update_user"), "mcp"),
                ("access_groups:assign", Some("remove_from_access_group"), "mcp"),
                ("access_groups:assign", Some("add_to_access_group"), "mcp"),
                ("users:invite", Some("resend_invite"), "mcp"),
                ("invite:accepted", None, "web"),
                ("sign_in:invite", None, "web"),
                ("users:deactivate", Some("deactivate_user"), "mcp"),
                ("users:deactivate", Some("reactivate_user"), "mcp"),
            ]
        );
        let event = |n: usize| &events[events.len() - 1 - n];
        let invite = event(0);
        assert_eq!(invite["actor"], json!({"user_id": admin["user"]["id"], "name": "First Administrator", "kind": "user"}));
        assert_eq!(invite["target"], json!({"kind": "user", "id": ana, "name": "Ana Ruiz"}));
        assert_eq!((&invite["client"], &invite["reason"], &invite["outcome"], &invite["code"]), (&json!({"name": "Some Host", "verified": false}), &json!("r"), &json!("done"), &Value::Null));
        assert_eq!(invite["credential"]["kind"], "token");
        assert!(invite["credential"]["id"].is_string() && invite["request_id"].is_string() && invite["repeated"] == 1);
        let at = invite["at"].as_str().expect("a time");
        assert!(at.ends_with('Z') && at.contains('.'), "{at}");
        let change = |n: usize, field: &str| {
            let changes = event(n)["changes"].as_array().expect("changes").clone();
            changes.into_iter().find(|change| change["field"] == field).unwrap_or_else(|| panic!("no {field}: {}", event(n)))
        };
        assert_eq!(change(0, "role")["after"], "Administrator");
        assert_eq!((&change(1, "role")["before"], &change(1, "role")["after"]), (&json!("Administrator"), &json!("User")));
        for n in [0, 2, 3] {
            assert!(event(n)["changes"].to_string().contains("Support"), "{}", event(n));
        }
        assert_eq!((&event(5)["actor"]["user_id"], &event(5)["actor"]["kind"]), (&ana, &json!("user")));
        let group_events = all(&server, &json!({"action": "access_groups:update"}), 100).await;
        let told = group_events[0]["changes"].to_string();
        assert!(told.contains("billing:read") && told.contains("users:read"), "{told}");
        assert_eq!((&group_events[0]["target"]["id"], &group_events[0]["target"]["name"]), (&json!(support), &json!("Support")));
        for action in ["token:created", "token:revoked"] {
            let found = all(&server, &json!({"action": action, "surface": "cli"}), 100).await;
            assert_eq!(found[0]["actor"]["kind"], "cli");
            assert!(found[0].to_string().contains(token["id"].as_str().expect("an id")) && !found[0].to_string().contains("usher_pat_"));
        }
        // No gap and no step back, in number and in time.
        let everything = all(&server, &json!({}), 7).await;
        let numbers = sequences(&everything);
        assert!(numbers.windows(2).all(|pair| pair[0] == pair[1] + 1) && numbers.last() == Some(&1), "{numbers:?}");
        assert!(everything.windows(2).all(|pair| pair[0]["at"].as_str() >= pair[1]["at"].as_str()));
        assert_eq!(server.verified().await["entries"], json!(everything.len()));
    })
    .await;
}

#[tokio::test]
async fn filters_hold_together_and_pages_have_neither_gap_nor_twin() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let reader = holder(&server, "reader@example.com", &["audit_log:read", "users:invite"]).await;
        for n in 0..7 {
            invite(&server, &format!("p{n}@example.com")).await;
        }
        let denied = server.call(&reader, "deactivate_user", json!({"user": "admin@example.com"})).await.error();
        assert_eq!(denied["code"], "permission_denied");
        let refused = until("the refusal is told", async || {
            let found = all(&server, &json!({"outcome": "refused"}), 100).await;
            (!found.is_empty()).then_some(found)
        })
        .await;
        assert_eq!(
            (refused.len(), &refused[0]["code"], &refused[0]["action"], &refused[0]["tool"]),
            (1, &json!("permission_denied"), &json!("users:deactivate"), &json!("deactivate_user"))
        );
        assert_eq!(refused[0]["actor"]["name"], "Test Person");

        let everything = all(&server, &json!({}), 100).await;
        for limit in [1, 3, 100] {
            assert_eq!(sequences(&all(&server, &json!({}), limit).await), sequences(&everything));
        }
        let matching = |keep: &dyn Fn(&Value) -> bool| -> Vec<i64> {
            sequences(&everything.iter().filter(|event| keep(event)).cloned().collect::<Vec<_>>())
        };
        let invites = matching(&|event| event["action"] == "users:invite");
        assert_eq!(sequences(&all(&server, &json!({"action": "users:invite"}), 2).await), invites);
        let cli = matching(&|event| event["surface"] == "cli");
        assert_eq!(sequences(&all(&server, &json!({"surface": "CLI"}), 2).await), cli);
        assert!(!cli.is_empty());
        let id = server.ok("get_user", json!({"user": "reader@example.com"})).await["user"]["id"].clone();
        let about = matching(&|event| event["actor"]["user_id"] == id || event["target"]["id"] == id);
        for user in [json!("READER@example.com"), id.clone()] {
            assert_eq!(sequences(&all(&server, &json!({"user": user}), 2).await), about);
        }
        assert!(about.len() >= 3, "invited, accepted, refused: {about:?}");
        let both = matching(&|event| event["action"] == "users:invite" && event["target"]["id"] == id);
        assert_eq!(
            sequences(&all(&server, &json!({"user": id, "action": "users:invite", "surface": "mcp", "outcome": "done"}), 1).await),
            both
        );
        assert_eq!(both.len(), 1);

        // From is within, to is not: two halves are the whole.
        let middle = everything[everything.len() / 2]["at"].clone();
        let (late, early) = (all(&server, &json!({"from": middle}), 3).await, all(&server, &json!({"to": middle}), 3).await);
        assert_eq!([sequences(&late), sequences(&early)].concat(), sequences(&everything));
        assert!(late.iter().any(|event| event["at"] == middle));
        for nothing in [
            json!({"from": "2999-01-01T00:00:00Z"}),
            json!({"to": "2000-01-01T00:00:00+02:00"}),
            json!({"action": "no:such"}),
            json!({"client": "No such host"}),
        ] {
            assert_eq!(all(&server, &nothing, 100).await, Vec::<Value>::new(), "{nothing}");
        }
        for unknown in [json!("nobody@example.com"), json!("00000000-0000-4000-8000-000000000000")] {
            assert_eq!(server.refused("list_audit_events", json!({"user": unknown})).await["code"], "user_not_found");
        }
        // A cursor goes on with its own filters, for its own caller, in its own list.
        let page = server.ok("list_audit_events", json!({"limit": 1})).await;
        let cursor = page["next_cursor"].clone();
        for arguments in [
            json!({"cursor": cursor, "action": "users:invite"}),
            json!({"cursor": "x"}),
            json!({"cursor": format!("{}x", cursor.as_str().expect("a cursor"))}),
        ] {
            assert_eq!(server.refused("list_audit_events", arguments).await["field"], "cursor");
        }
        assert_eq!(server.call(&reader, "list_audit_events", json!({"cursor": cursor})).await.error()["field"], "cursor");
        assert_eq!(server.refused("list_users", json!({"cursor": cursor})).await["field"], "cursor");
    })
    .await;
}

#[tokio::test]
async fn the_client_filter_finds_what_came_through_that_program() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let before = invite(&server, "before@example.com").await;
        for client in ["Some Host", "Other\u{200b} Host"] {
            let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": client, "version": "1"}});
            rpc(&server, "initialize", hello).await;
            invite(&server, &format!("{}@example.com", client.split(|c: char| !c.is_ascii_alphabetic()).next().expect("a word"))).await;
        }
        for (client, email) in [("Some Host", "some@example.com"), ("Other Host", "other@example.com")] {
            let found = all(&server, &json!({"client": client}), 100).await;
            assert_eq!(found.len(), 1, "{client}");
            let id = server.ok("get_user", json!({"user": email})).await["user"]["id"].clone();
            assert_eq!((&found[0]["target"]["id"], &found[0]["client"]["name"]), (&id, &json!(client)));
        }
        assert_eq!(all(&server, &json!({"user": before}), 100).await[0]["client"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn the_client_is_that_of_the_tokens_last_initialize_on_whichever_node() {
    on_both(async |engine| {
        let nodes = two_nodes(engine, &Options::default()).await;
        let hello =
            |client: &str| json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": client, "version": "1"}});
        let client = async |node: &Server| node.ok("whoami", json!({})).await["credential"]["client"]["name"].clone();
        for (node, name) in [(0, "One"), (1, "Two"), (0, "One"), (0, "Three"), (1, "Two")] {
            rpc(&nodes[node], "initialize", hello(name)).await;
            assert_eq!(client(&nodes[node]).await, name, "at once where it was said");
            until("and soon elsewhere", async || (client(&nodes[1 - node]).await == name).then_some(())).await;
            assert_eq!(client(&nodes[node]).await, name);
        }
    })
    .await;
}

#[tokio::test]
async fn b24_r_b107_names_are_those_of_the_event_and_a_person_is_found_by_id_through_all_of_them() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        group(&server, "Inviters", &["users:invite", "users:update"]).await;
        let (id, ana) = server.member("ana@example.com", &["Inviters"]).await;
        let person = |email: &str| json!({"email": email, "first_name": "X", "last_name": "Y"});
        server.call(&ana, "invite_user", person("one@example.com")).await.structured();
        server.call(&ana, "update_user", json!({"user": id, "first_name": "Anna", "last_name": "R."})).await.structured();
        server.call(&ana, "invite_user", person("two@example.com")).await.structured();
        server.ok("update_access_group", json!({"access_group": "Inviters", "name": "Greeters"})).await;
        server.ok("deactivate_user", json!({"user": id})).await;
        let events = all(&server, &json!({"user": id}), 2).await;
        let by_her: Vec<_> = events
            .iter()
            .rev()
            .filter(|event| event["actor"]["user_id"] == json!(id) && event["surface"] == "mcp")
            .map(|event| (event["tool"].as_str().expect("a tool"), event["actor"]["name"].as_str().expect("a name")))
            .collect();
        assert_eq!(by_her, [("invite_user", "Test Person"), ("update_user", "Test Person"), ("invite_user", "Anna R.")]);
        let done_to_her: Vec<_> = events
            .iter()
            .rev()
            .filter(|event| event["target"]["id"] == json!(id))
            .map(|event| event["target"]["name"].as_str().expect("a name"))
            .collect();
        assert_eq!(done_to_her.first(), Some(&"Test Person"));
        assert_eq!(done_to_her.last(), Some(&"Anna R."));
        let groups: Vec<_> = all(&server, &json!({}), 100)
            .await
            .into_iter()
            .filter(|event| event["target"]["kind"] == "access_group")
            .map(|event| event["target"]["name"].clone())
            .collect();
        assert_eq!(groups, [json!("Inviters"), json!("Inviters")]);
        let watch = Watch::on(&server).await;
        assert_eq!(watch.number("SELECT count(*) AS n FROM users").await, 4);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn what_few_entries_hold_together_is_found_behind_many_that_hold_a_part_of_it() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let connection = Connection::to(&server).await;
        for (count, what) in [
            (1, ["users:update", "api", "failed"]),
            (2, ["users:update", "cli", "failed"]),
            (1500, ["users:update", "api", "done"]),
            (1500, ["users:invite", "mcp", "failed"]),
            (1, ["users:update", "api", "failed"]),
            (1200, ["users:update", "api", "done"]),
            (1200, ["users:invite", "mcp", "failed"]),
        ] {
            seed::entries(&connection, 1, count, "NULL", what).await;
        }
        connection.close().await;
        let first = server.ok("list_audit_events", json!({"outcome": "failed", "surface": "cli"})).await["events"][1]["sequence"].clone();
        let first = first.as_i64().expect("a number") - 1;
        for filter in [
            json!({"surface": "api", "outcome": "failed"}),
            json!({"surface": "api", "outcome": "failed", "action": "users:update"}),
            json!({"surface": "api", "outcome": "failed", "from": "2020-01-01T00:00:00Z"}),
        ] {
            for limit in [1, 25] {
                assert_eq!(sequences(&all(&server, &filter, limit).await), [first + 3003, first], "{filter}");
            }
        }
        let three = json!({"action": "users:update", "outcome": "failed"});
        assert_eq!(sequences(&all(&server, &three, 2).await), [first + 3003, first + 2, first + 1, first]);
        let nobody = server.ok("list_audit_events", json!({"surface": "mcp", "outcome": "done", "action": "users:update"})).await;
        assert_eq!((&nobody["events"], &nobody["next_cursor"]), (&json!([]), &Value::Null));
    })
    .await;
}
