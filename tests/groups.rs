//! Access groups: their names, what they may be given by whom, and many people at once.

use crate::{
    common::{Server, on_both},
    tools::{Watch, group, holder, invite, unchanged},
};
use serde_json::{Value, json};

fn member_names(user: &Value) -> Vec<&str> {
    user["access_groups"].as_array().expect("groups").iter().map(|group| group["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn a_groups_name_is_one_whatever_its_case_width_or_letters_that_only_look_alike() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let sales = group(&server, "Sales", &[]).await;
        let care = group(&server, "Customer Care", &[]).await;
        for twin in ["sales", "SALES", " Sales ", "Ｓａｌｅｓ", "Ѕаlеѕ", "ＳАLЕS"] {
            assert_eq!(server.refused("create_access_group", json!({"name": twin})).await["code"], "name_taken", "{twin}");
            assert_eq!(
                server.refused("update_access_group", json!({"access_group": care, "name": twin})).await["code"],
                "name_taken",
                "{twin}"
            );
            // Whoever writes it so means it.
            assert_eq!(
                server.ok("list_access_groups", json!({"access_group": twin})).await["access_groups"][0]["id"],
                json!(sales),
                "{twin}"
            );
        }
        assert_eq!(server.refused("create_access_group", json!({"name": "Customer   care"})).await["field"], "name");
        for id in [
            "0198a2f0-7c1e-7a6b-8f00-1234567890ab",
            "0198A2F07C1E7A6B8F001234567890AB",
            "{0198a2f0-7c1e-7a6b-8f00-1234567890ab}",
            "urn:uuid:0198a2f0-7c1e-7a6b-8f00-1234567890ab",
            "０198a2f0-7c1e-7a6b-8f00-1234567890ab",
        ] {
            for (tool, arguments) in
                [("create_access_group", json!({"name": id})), ("update_access_group", json!({"access_group": care, "name": id}))]
            {
                let refused = server.refused(tool, arguments).await;
                assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("name")), "{id}");
            }
        }
        // Its own name in another spelling is no twin of itself.
        let renamed = server.ok("update_access_group", json!({"access_group": "sales", "name": "SALES"})).await;
        assert_eq!(
            (&renamed["changed"], &renamed["access_group"]["name"], &renamed["access_group"]["id"]),
            (&json!(true), &json!("SALES"), &json!(sales))
        );
        // A name is free again when its group is gone.
        server.ok("delete_access_group", json!({"access_group": sales})).await;
        assert_ne!(group(&server, "Sales", &[]).await, sales);
        let mut calls = tokio::task::JoinSet::new();
        for n in 0..10 {
            let name = if n % 2 == 0 { "Night shift" } else { "NIGHT SHIFT" };
            calls.spawn(server.request(&server.token, "create_access_group", &json!({"name": name})));
        }
        assert_eq!(calls.join_all().await.iter().filter(|answer| answer.body["result"]["isError"] != true).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn r_b61_who_manages_people_makes_no_administrator() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let manager = holder(&server, "manager@example.com", &["users:read", "users:invite", "users:update", "access_groups:assign"]).await;
        server.member("friend@example.com", &[]).await;
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything_but_evidence().await;
        let administrator = json!({"role": "Administrator"});
        for (tool, arguments) in [
            ("invite_user", json!({"email": "new@example.com", "first_name": "X", "last_name": "Y", "role": "Administrator"})),
            ("update_user", json!({"user": "manager@example.com", "role": "Administrator"})),
            ("update_user", json!({"user": "friend@example.com", "role": "Administrator"})),
            ("update_user", json!({"user": "friend@example.com", "role": "User"})),
            ("update_user", json!({"user": "admin@example.com", "role": "User"})),
            ("update_user", json!({"user": "admin@example.com", "first_name": "X"})),
        ] {
            let refused = server.call(&manager, tool, arguments.clone()).await.error();
            assert_eq!((&refused["code"], &refused["details"]), (&json!("permission_denied"), &administrator), "{tool} {arguments}");
        }
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");
        crate::common::until("the refusals are told", async || {
            let told = server
                .ok("list_audit_events", json!({"outcome": "refused", "user": "manager@example.com", "action": "users:update"}))
                .await;
            (told["events"].as_array().is_some_and(|events| events.len() >= 3)).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn r_b62_r_b65_requirement_60_nobody_gives_what_they_do_not_hold() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let own = ["users:read", "users:invite", "access_groups:assign", "access_groups:create", "access_groups:update"];
        let manager = holder(&server, "manager@example.com", &own).await;
        server.member("friend@example.com", &[]).await;
        let support = group(&server, "Support", &["users:read"]).await;
        group(&server, "Billing", &["users:read", "billing:update", "billing:read"]).await;
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything_but_evidence().await;
        let missing = json!({"missing": ["billing:read", "billing:update"]});
        let person = |groups: Value| json!({"email": "new@example.com", "first_name": "X", "last_name": "Y", "access_groups": groups});
        for (tool, arguments) in [
            ("add_to_access_group", json!({"users": ["manager@example.com"], "access_groups": ["Billing"]})),
            ("add_to_access_group", json!({"users": ["friend@example.com"], "access_groups": ["Billing"]})),
            ("add_to_access_group", json!({"users": ["friend@example.com"], "access_groups": ["Support", "Billing"]})),
            ("invite_user", person(json!(["Billing"]))),
            ("invite_user", person(json!(["Support", "Billing"]))),
            ("create_access_group", json!({"name": "New", "permissions": ["users:read", "billing:update", "billing:read"]})),
            ("update_access_group", json!({"access_group": "Support", "add_permissions": ["billing:update", "billing:read"]})),
            // A group that holds more than oneself is not made stronger by oneself either.
            ("update_access_group", json!({"access_group": "Billing", "add_permissions": ["users:invite"]})),
        ] {
            let refused = server.call(&manager, tool, arguments.clone()).await.error();
            assert_eq!((&refused["code"], &refused["details"]), (&json!("escalation_forbidden"), &missing), "{tool} {arguments}");
        }
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");

        // What one holds one gives, and taking away has no ceiling.
        let added = server
            .call(&manager, "add_to_access_group", json!({"users": ["friend@example.com"], "access_groups": [support]}))
            .await
            .structured();
        assert_eq!(member_names(&added["users"][0]), ["Support"]);
        assert_eq!(server.call(&manager, "invite_user", person(json!(["Support"]))).await.structured()["changed"], true);
        server.ok("add_to_access_group", json!({"users": ["friend@example.com"], "access_groups": ["Billing"]})).await;
        // The person would hold more than the manager: neither one more group for them…
        let refused = server
            .call(&manager, "add_to_access_group", json!({"users": ["friend@example.com"], "access_groups": ["manager"]}))
            .await
            .error();
        assert_eq!(refused["details"], missing);
        // …but out of it, and out of what the group gives, they are taken.
        let weaker = server
            .call(&manager, "update_access_group", json!({"access_group": "Billing", "remove_permissions": ["billing:update"]}))
            .await;
        assert_eq!(weaker.structured()["access_group"]["permissions"], json!(["billing:read", "users:read"]));
        let out =
            server.call(&manager, "remove_from_access_group", json!({"users": ["friend@example.com"], "access_groups": ["Billing"]})).await;
        assert_eq!(member_names(&out.structured()["users"][0]), ["Support"]);
        // Without groups an invite needs no more than inviting; with groups it needs assigning as well.
        let inviter = holder(&server, "inviter@example.com", &["users:invite", "users:read"]).await;
        let refused = server
            .call(
                &inviter,
                "invite_user",
                json!({"email": "n2@example.com", "first_name": "X", "last_name": "Y", "access_groups": ["Support"]}),
            )
            .await;
        assert_eq!(refused.error()["details"], json!({"permission": "access_groups:assign"}));
        let alone = server.call(&inviter, "invite_user", json!({"email": "n2@example.com", "first_name": "X", "last_name": "Y"})).await;
        assert_eq!(alone.structured()["user"]["role"], "User");
    })
    .await;
}

#[tokio::test]
async fn r_b64_r_b47_who_is_stronger_is_out_of_reach() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let manager = holder(
            &server,
            "manager@example.com",
            &["users:read", "users:invite", "users:update", "users:deactivate", "access_groups:assign"],
        )
        .await;
        group(&server, "Billing", &["billing:update"]).await;
        let boss = json!({"email": "boss@example.com", "first_name": "B", "last_name": "O", "role": "Administrator"});
        server.ok("invite_user", boss).await;
        let strong = json!({"email": "strong@example.com", "first_name": "S", "last_name": "T", "access_groups": ["Billing"]});
        server.ok("invite_user", strong).await;
        server
            .ok("invite_user", json!({"email": "gone@example.com", "first_name": "G", "last_name": "O", "access_groups": ["Billing"]}))
            .await;
        server.ok("deactivate_user", json!({"user": "gone@example.com"})).await;
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything_but_evidence().await;
        for administrator in ["admin@example.com", "boss@example.com"] {
            for (tool, arguments) in [
                ("resend_invite", json!({"user": administrator})),
                ("update_user", json!({"user": administrator, "first_name": "X"})),
                ("update_user", json!({"user": administrator, "slack_id": "U1"})),
                ("deactivate_user", json!({"user": administrator})),
                ("reactivate_user", json!({"user": administrator})),
                ("add_to_access_group", json!({"users": [administrator], "access_groups": ["manager"]})),
                ("remove_from_access_group", json!({"users": [administrator], "access_groups": ["manager"]})),
            ] {
                let refused = server.call(&manager, tool, arguments).await.error();
                assert_eq!(
                    (&refused["code"], &refused["details"]),
                    (&json!("permission_denied"), &json!({"role": "Administrator"})),
                    "{tool} {administrator}"
                );
            }
        }
        // An invite opens what the person holds: its mail, too, is giving.
        for (tool, user) in [("resend_invite", "strong@example.com"), ("reactivate_user", "gone@example.com")] {
            let refused = server.call(&manager, tool, json!({"user": user})).await.error();
            assert_eq!(
                (&refused["code"], &refused["details"]),
                (&json!("escalation_forbidden"), &json!({"missing": ["billing:update"]})),
                "{tool}"
            );
        }
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");
        // Taking away has no ceiling: somebody stronger, who is no Administrator, can be shut out and renamed.
        assert_eq!(
            server.call(&manager, "update_user", json!({"user": "strong@example.com", "last_name": "X"})).await.structured()["changed"],
            true
        );
        assert_eq!(server.call(&manager, "deactivate_user", json!({"user": "strong@example.com"})).await.structured()["ended"]["links"], 1);
        // Nor does anybody at the tools make a token for somebody else: only the host does.
        let tools = server.tools(&server.token).await;
        assert!(tools.iter().all(|tool| !tool.contains("create_mcp") && !tool.contains("password")), "{tools:?}");
    })
    .await;
}

#[tokio::test]
async fn r_b67_many_people_into_many_groups_all_or_nothing_and_again_without_harm() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for name in ["Sales", "Support"] {
            group(&server, name, &["users:read"]).await;
        }
        let mut people = Vec::new();
        for n in 0..100 {
            people.push(invite(&server, &format!("p{n}@example.com")).await);
        }
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let before = watch.everything_but_evidence().await;
        let nobody = "01a21220-0000-7000-8000-000000000000";
        for bad in [nobody, "nobody@example.com"] {
            for place in [0, 50, 99] {
                let mut users = people.clone();
                bad.clone_into(&mut users[place]);
                let refused = server.refused("add_to_access_group", json!({"users": users, "access_groups": ["Sales", "Support"]})).await;
                assert_eq!(refused["code"], "user_not_found");
            }
        }
        let refused = server.refused("add_to_access_group", json!({"users": people, "access_groups": ["Sales", "No such"]})).await;
        assert_eq!(refused["code"], "access_group_not_found");
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");

        let some = server.ok("add_to_access_group", json!({"users": people[..3], "access_groups": ["Sales"]})).await;
        assert_eq!((&some["changed"], &some["access_groups"][0]["member_count"]), (&json!(true), &json!(3)));
        // Who is in already is no obstacle: the rest go in, and the answer says how all of it is now.
        let whole = json!({"users": people, "access_groups": ["Sales", "Support"]});
        let all = server.ok("add_to_access_group", whole.clone()).await;
        assert_eq!(all["users"].as_array().map(Vec::len), Some(100));
        assert!(all["users"].as_array().expect("users").iter().all(|user| member_names(user) == ["Sales", "Support"]));
        assert!(all["access_groups"].as_array().expect("groups").iter().all(|group| group["member_count"] == 100));
        assert_eq!(server.ok("add_to_access_group", whole.clone()).await["changed"], false);
        // The same person twice is that person once.
        let twice = server
            .ok("remove_from_access_group", json!({"users": [people[0], "P0@example.com", people[0]], "access_groups": ["Sales", "sales"]}))
            .await;
        assert_eq!((twice["users"].as_array().map(Vec::len), twice["access_groups"].as_array().map(Vec::len)), (Some(1), Some(1)));
        assert_eq!(twice["access_groups"][0]["member_count"], 99);
        let out = server.ok("remove_from_access_group", whole.clone()).await;
        assert!(out["access_groups"].as_array().expect("groups").iter().all(|group| group["member_count"] == 0));
        assert_eq!(server.ok("remove_from_access_group", whole).await["changed"], false);
    })
    .await;
}

#[tokio::test]
async fn what_a_group_gives_holds_from_the_next_call_on_and_ends_with_it() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let id = group(&server, "Support", &[]).await;
        let (_, ana) = server.member("ana@example.com", &["Support"]).await;
        let may = async || server.call(&ana, "list_users", json!({})).await.body["result"]["isError"] != true;
        assert!(!may().await);
        server.ok("update_access_group", json!({"access_group": id, "add_permissions": ["users:read", "users:read"]})).await;
        assert!(may().await);
        // Adding and taking away the same thing is taking it away.
        server
            .ok("update_access_group", json!({"access_group": id, "add_permissions": ["users:read"], "remove_permissions": ["users:read"]}))
            .await;
        assert!(!may().await);
        server.ok("update_access_group", json!({"access_group": id, "add_permissions": ["users:read"]})).await;
        assert!(may().await);
        let dry = server.ok("delete_access_group", json!({"access_group": "support", "dry_run": true})).await;
        assert_eq!(dry["members_affected"], 1);
        assert!(may().await);
        let gone = server.ok("delete_access_group", json!({"access_group": "support"})).await;
        assert_eq!((&gone["members_affected"], &gone["access_group"]["id"], &gone["changed"]), (&json!(1), &json!(id), &json!(true)));
        assert!(!may().await);
        assert_eq!(server.ok("get_user", json!({"user": "ana@example.com"})).await["user"]["access_groups"], json!([]));
        assert_eq!(server.ok("list_access_groups", json!({})).await["total"], 0);
        let watch = Watch::on(&server).await;
        assert_eq!(watch.number("SELECT (SELECT count(*) FROM group_members) + (SELECT count(*) FROM group_permissions) AS n").await, 0);
    })
    .await;
}

#[tokio::test]
async fn b05_the_usual_shapes_are_groups_and_permissions_alone() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let catalogue = server.ok("list_permissions", json!({})).await["permissions"].as_array().expect("permissions").clone();
        let names: Vec<&str> = catalogue.iter().map(|permission| permission["name"].as_str().expect("a name")).collect();
        for built_in in [
            "users:read",
            "users:invite",
            "users:update",
            "users:deactivate",
            "access_groups:read",
            "access_groups:create",
            "access_groups:update",
            "access_groups:delete",
            "access_groups:assign",
            "audit_log:read",
            "audit_log:export",
            "mcp_tokens:read",
            "mcp_tokens:revoke",
            "settings:read",
            "settings:update",
        ] {
            assert!(names.contains(&built_in), "{built_in}");
        }
        // By resource, in the same order; an unknown one is said to be none.
        let users = server.ok("list_permissions", json!({"resource": " users "})).await;
        assert_eq!(
            users["permissions"],
            json!(
                catalogue
                    .iter()
                    .filter(|permission| permission["name"].as_str().is_some_and(|name| name.starts_with("users:")))
                    .collect::<Vec<_>>()
            )
        );
        assert_eq!(server.refused("list_permissions", json!({"resource": "users:read"})).await["field"], "resource");
        // A read-only auditor: reads and exports, nothing else; who manages connectors but not billing.
        let reading: Vec<&str> = names.iter().copied().filter(|name| name.ends_with(":read") || name.ends_with(":export")).collect();
        let auditor = holder(&server, "auditor@example.com", &reading).await;
        let tools = server.tools(&auditor).await;
        assert!(["list_users", "list_access_groups", "list_audit_events"].iter().all(|tool| tools.contains(&(*tool).to_owned())));
        for tool in ["invite_user", "deactivate_user", "create_access_group", "update_access_group", "add_to_access_group"] {
            assert!(!tools.contains(&tool.to_owned()), "{tool}");
        }
        let connecting: Vec<&str> = names.iter().copied().filter(|name| name.starts_with("connectors:")).collect();
        holder(&server, "connector@example.com", &connecting).await;
        for (permission, allowed) in [("connectors:update", true), ("billing:update", false), ("billing:read", false)] {
            let said = server.ok("check_membership", json!({"user": "connector@example.com", "permission": permission})).await;
            assert_eq!(said["allowed"], allowed, "{permission}");
        }
        // Unknown permissions are nobody's to give.
        for unknown in ["users:*", "*", "users", "admin", "users:read ; x", "USERS:READ"] {
            let refused = server.refused("create_access_group", json!({"name": "X", "permissions": [unknown]})).await;
            assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("permissions")), "{unknown}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_administrators_groups_count_from_the_day_of_the_demotion() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        group(&server, "Readers", &["users:read"]).await;
        let (id, second) = server.administrator("second@example.com").await;
        server.ok("add_to_access_group", json!({"users": [id], "access_groups": ["Readers"]})).await;
        let held = server.call(&second, "whoami", json!({})).await.structured()["permissions"].as_array().map(Vec::len);
        assert!(held > Some(20));
        server.ok("update_user", json!({"user": id, "role": "User"})).await;
        assert_eq!(server.call(&second, "whoami", json!({})).await.structured()["permissions"], json!(["users:read"]));
        assert_eq!(server.call(&second, "list_users", json!({})).await.status, 200);
    })
    .await;
}
