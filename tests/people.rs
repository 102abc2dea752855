//! People through their whole life: addresses, names, invites, roles, leaving and coming back.

mod addresses;
mod domains;
mod names;
mod roles;

use crate::{
    common::{PASSWORD, Server, on_both, until},
    tools::{Watch, group, holder, invite, newer_link, unchanged},
};
use serde_json::{Value, json};

async fn person(server: &Server, user: &str) -> Value {
    server.ok("get_user", json!({"user": user})).await["user"].clone()
}

#[tokio::test]
async fn b28_check_membership_says_where_everybody_stands() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        group(&server, "Readers", &["users:read", "billing:read"]).await;
        let (ana, own) = server.member("ana@example.com", &["Readers"]).await;
        let pending = invite(&server, "pia@example.com").await;
        let gone = invite(&server, "gone@example.com").await;
        server.ok("add_to_access_group", json!({"users": [pending, gone], "access_groups": ["Readers"]})).await;
        server.ok("deactivate_user", json!({"user": gone})).await;
        let ask = async |user: &str, permission: Option<&str>| {
            let mut said = server.ok("check_membership", json!({"user": user, "permission": permission})).await;
            said.as_object_mut().expect("an object").remove("changed");
            said
        };
        let admin = person(&server, "admin@example.com").await["id"].clone();
        for (user, member, status, role, id, allowed) in [
            ("ANA@example.com", true, "active", json!("User"), json!(ana), true),
            ("pia@example.com", false, "pending", json!("User"), json!(pending), false),
            ("gone@example.com", false, "deactivated", json!("User"), json!(gone), false),
            ("nobody@example.com", false, "none", Value::Null, Value::Null, false),
            ("01a21220-0000-7000-8000-000000000000", false, "none", Value::Null, Value::Null, false),
            ("admin@example.com", true, "active", json!("Administrator"), admin, true),
        ] {
            let plain = json!({"member": member, "status": status, "role": role, "user_id": id, "allowed": null});
            assert_eq!(ask(user, None).await, plain, "{user}");
            let mut with = plain.clone();
            with["allowed"] = json!(allowed);
            assert_eq!(ask(user, Some("billing:read")).await, with, "{user}");
        }
        assert_eq!(ask("ana@example.com", Some("billing:update")).await["allowed"], false);
        assert_eq!(server.refused("check_membership", json!({"user": ana, "permission": "billing:sell"})).await["field"], "permission");
        // Of oneself one may always ask; of others with users:read, and else everybody is the same to one.
        assert_eq!(server.call(&own, "check_membership", json!({"user": "gone@example.com"})).await.structured()["status"], "deactivated");
        let (_, plain) = server.member("plain@example.com", &[]).await;
        let mine =
            server.call(&plain, "check_membership", json!({"user": "PLAIN@example.com", "permission": "users:read"})).await.structured();
        assert_eq!((&mine["member"], &mine["allowed"]), (&json!(true), &json!(false)));
        let mut refusals = Vec::new();
        for other in ["ana@example.com", "nobody@example.com", &ana, "01a21220-0000-7000-8000-000000000000"] {
            let mut refused = server.call(&plain, "check_membership", json!({"user": other})).await.error();
            refused["request_id"] = Value::Null;
            refusals.push(refused.to_string());
        }
        refusals.dedup();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert!(refusals[0].contains("users:read"));
    })
    .await;
}

#[tokio::test]
async fn r_b34_r_b35_inviting_who_was_shut_out_names_the_way_back() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (ana, token) = server.member("ana@example.com", &[]).await;
        let withdrawn = invite(&server, "pia@example.com").await;
        for user in [&ana, &withdrawn] {
            server.ok("deactivate_user", json!({"user": user})).await;
        }
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let (before, mails) = (watch.everything_but_evidence().await, server.mails().len());
        for (email, id) in [("Ana@Example.com", &ana), ("pia@example.com", &withdrawn)] {
            let again = json!({"email": email, "first_name": "X", "last_name": "Y", "role": "Administrator"});
            let refused = server.refused("invite_user", again).await;
            assert_eq!(refused["code"], "email_already_in_use");
            assert_eq!(refused["details"], json!({"user_id": id, "status": "deactivated", "next": "reactivate_user"}));
            assert_eq!(
                (&refused["field"], refused["hint"].as_str().is_some_and(|hint| hint.contains("reactivate_user"))),
                (&json!("email"), true)
            );
        }
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");
        assert_eq!(server.mails().len(), mails);
        // The way back is the one that is named.
        let back = server.ok("reactivate_user", json!({"user": ana})).await;
        assert_eq!((&back["user"]["status"], &back["user"]["role"], &back["delivery"]), (&json!("active"), &json!("User"), &Value::Null));
        assert_eq!(server.call(&token, "whoami", json!({})).await.status, 401, "what was ended stays ended");
        let fresh = server.token_for("ana@example.com", &[]).await;
        assert_eq!(server.call(&fresh, "whoami", json!({})).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn r_b37_who_never_joined_comes_back_by_a_new_link_and_the_old_ones_stay_dead() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        group(&server, "Sales", &[]).await;
        let id = invite(&server, "pia@example.com").await;
        server.ok("add_to_access_group", json!({"users": [id], "access_groups": ["Sales"]})).await;
        let created = person(&server, &id).await["created_at"].clone();
        let first = server.link(1).await;
        let ended = server.ok("deactivate_user", json!({"user": "pia@example.com"})).await;
        assert_eq!((&ended["user"]["status"], &ended["ended"]["links"]), (&json!("deactivated"), &json!(1)));
        assert_eq!(server.http.get(&first).send().await.unwrap().status(), 410);
        assert_eq!(server.accept(&first, "P", "A", PASSWORD).await.status(), 410);

        let back = server.ok("reactivate_user", json!({"user": "pia@example.com"})).await;
        let user = &back["user"];
        assert_eq!(
            (&user["status"], &user["id"], &back["delivery"], &back["changed"]),
            (&json!("pending"), &json!(id), &json!("folder"), &json!(true))
        );
        assert_eq!((&user["created_at"], &user["deactivated_at"]), (&created, &Value::Null));
        assert_eq!(user["access_groups"][0]["name"], "Sales");
        let second = server.link(2).await;
        assert_ne!(first, second);
        assert_eq!(server.accept(&first, "P", "A", PASSWORD).await.status(), 410);
        assert_eq!(server.accept(&second, "Pia", "A", PASSWORD).await.status(), 200);
        assert_eq!(person(&server, &id).await["status"], "active");
        // Having joined, she comes back without a mail from now on.
        server.ok("deactivate_user", json!({"user": id})).await;
        assert_eq!(server.accept(&second, "P", "A", PASSWORD).await.status(), 410);
        assert_eq!(server.ok("reactivate_user", json!({"user": id})).await["delivery"], Value::Null);
        assert_eq!(server.mails().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn r_b38_an_address_is_never_edited_and_the_way_round_kills_the_mistyped_link() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let wrong = invite(&server, "anna@example.com").await;
        let refused = server.refused("update_user", json!({"user": wrong, "email": "ana@example.com"})).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("email")), "{refused}");
        let hint = refused["hint"].as_str().expect("a hint");
        assert!(hint.contains("deactivate_user") && hint.contains("invite_user"), "{hint}");
        let described = usher_tools::catalogue().into_iter().find(|tool| tool.name == "update_user").expect("a tool").description;
        assert!(described.contains("An email is never edited: deactivate the pending person and invite the right address"));
        let link = server.link(1).await;
        server.ok("deactivate_user", json!({"user": wrong})).await;
        invite(&server, "ana@example.com").await;
        assert_eq!(server.accept(&link, "A", "R", PASSWORD).await.status(), 410);
        let mails = until("the second mail", async || Some(server.mails()).filter(|mails| mails.len() == 2)).await;
        assert!(mails[1].contains("ana@example.com") && !mails[1].contains("anna@example.com"));
        // The refused try of the dead link is written beside the answers, sooner or later.
        let events = server.ok("list_audit_events", json!({"user": wrong})).await;
        let done = events["events"].as_array().expect("events").iter().find(|event| event["outcome"] == "done").expect("one");
        assert_eq!(done["action"], "users:deactivate");
    })
    .await;
}

#[tokio::test]
async fn r_b31_b11_an_expired_invite_shows_itself_and_a_resend_renews_the_same_person() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for name in ["Sales", "Support"] {
            group(&server, name, &[]).await;
        }
        let invited = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz", "access_groups": ["Sales", "Support"]});
        let id = server.ok("invite_user", invited.clone()).await["user"]["id"].as_str().expect("an id").to_owned();
        invite(&server, "bo@example.com").await;
        let before = person(&server, &id).await;
        let old = server.link(1).await;
        let watch = Watch::on(&server).await;
        // Seven days and one millisecond later.
        watch.run("UPDATE links SET sent_at = sent_at - 604800001, expires_at = expires_at - 604800001 WHERE user_key = (SELECT min(key) FROM users WHERE email_key = 'ana@example.com')").await;
        let expired = person(&server, &id).await;
        assert_eq!((&expired["invite_expired"], &expired["status"], &expired["created_at"]), (&json!(true), &json!("pending"), &before["created_at"]));
        let found = async |filter: Value| -> Vec<String> {
            let listed = server.ok("list_users", filter).await;
            assert_eq!((&listed["total"], &listed["total_is_exact"]), (&json!(listed["users"].as_array().map(Vec::len)), &json!(true)));
            listed["users"].as_array().expect("users").iter().map(|user| user["email"].as_str().expect("an email").to_owned()).collect()
        };
        assert_eq!(found(json!({"invite_expired": true})).await, ["ana@example.com"]);
        assert_eq!(found(json!({"invite_expired": true, "status": "active"})).await, Vec::<String>::new());
        assert_eq!(found(json!({"invite_expired": false})).await, ["bo@example.com", "admin@example.com"]);
        assert_eq!(found(json!({"invite_expired": "true", "query": "ana", "access_group": "sales"})).await, ["ana@example.com"]);
        assert_eq!(server.accept(&old, "A", "R", PASSWORD).await.status(), 410);
        let again = server.refused("invite_user", invited).await;
        assert_eq!(again["details"], json!({"user_id": id, "status": "pending", "next": "resend_invite"}));

        let renewed = server.ok("resend_invite", json!({"user": id})).await["user"].clone();
        assert_eq!((&renewed["id"], &renewed["invite_expired"], &renewed["created_at"]), (&json!(id), &json!(false), &before["created_at"]));
        assert_eq!(renewed["access_groups"], before["access_groups"]);
        assert_eq!(found(json!({"invite_expired": true})).await, Vec::<String>::new());
        assert_eq!(found(json!({"query": "ana@"})).await, ["ana@example.com"]);
        let link = newer_link(&server, "ana@example.com", &old).await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        let active = server.refused("resend_invite", json!({"user": id})).await;
        assert_eq!(active["code"], "invite_not_pending");
        assert!(active["message"].as_str().is_some_and(|message| message.contains("already active")));
    })
    .await;
}

#[tokio::test]
async fn the_order_of_refusal_is_the_one_that_is_promised() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (_, plain) = server.member("plain@example.com", &[]).await;
        group(&server, "Billing", &["billing:update"]).await;
        let deactivator = holder(&server, "leaver@example.com", &["users:deactivate"]).await;
        let inviter = holder(&server, "inviter@example.com", &["users:invite", "access_groups:assign"]).await;
        let read_only = server.token_for("admin@example.com", &["--read-only"]).await;
        let nobody = "01a21220-0000-7000-8000-000000000000";
        server.ok("invite_user", json!({"email": "boss@example.com", "first_name": "B", "last_name": "O", "role": "Administrator", "access_groups": ["Billing"]})).await;
        for (token, tool, arguments, code, details) in [
            // Scope before everything else, whatever the rest of the call.
            (&read_only, "deactivate_user", json!({}), "permission_denied", json!({"scope": "write"})),
            (&read_only, "invite_user", json!({"email": "x", "no": 1}), "permission_denied", json!({"scope": "write"})),
            // The tool's own permission before the form and the existence of what is named.
            (&plain, "deactivate_user", json!({}), "permission_denied", json!({"permission": "users:deactivate"})),
            (&plain, "deactivate_user", json!({"user": nobody, "reason": "two\nlines"}), "permission_denied", json!({"permission": "users:deactivate"})),
            (&deactivator, "deactivate_user", json!({"user": nobody, "reason": "two\nlines"}), "invalid_argument", Value::Null),
            (&plain, "deactivate_user", json!({"user": nobody}), "permission_denied", json!({"permission": "users:deactivate"})),
            (&plain, "deactivate_user", json!({"user": "admin@example.com"}), "permission_denied", json!({"permission": "users:deactivate"})),
            (&plain, "deactivate_user", json!({"user": "plain@example.com"}), "permission_denied", json!({"permission": "users:deactivate"})),
            (&plain, "update_user", json!({"user": nobody, "first_name": "X"}), "permission_denied", json!({"permission": "users:update"})),
            (&plain, "update_user", json!({"user": "plain@example.com", "role": "User"}), "permission_denied", json!({"role": "Administrator"})),
            // Existence before the target's rank, rank before the ceiling, the ceiling before the state.
            (&deactivator, "deactivate_user", json!({"user": nobody}), "user_not_found", Value::Null),
            (&deactivator, "deactivate_user", json!({"user": "admin@example.com"}), "permission_denied", json!({"role": "Administrator"})),
            (&inviter, "resend_invite", json!({"user": "boss@example.com"}), "permission_denied", json!({"role": "Administrator"})),
            (&inviter, "add_to_access_group", json!({"users": ["boss@example.com"], "access_groups": ["No such"]}), "access_group_not_found", Value::Null),
            (&inviter, "add_to_access_group", json!({"users": ["boss@example.com"], "access_groups": ["Billing"]}), "permission_denied", json!({"role": "Administrator"})),
            (&inviter, "resend_invite", json!({"user": "leaver@example.com"}), "escalation_forbidden", json!({"missing": ["users:deactivate"]})),
            // Where both hold, the last Administrator is the reason.
            (&server.token, "deactivate_user", json!({"user": "admin@example.com"}), "last_administrator", Value::Null),
            (&deactivator, "deactivate_user", json!({"user": "leaver@example.com"}), "self_deactivation", Value::Null),
        ] {
            let refused = server.call(token, tool, arguments.clone()).await.error();
            assert_eq!((&refused["code"], &refused["details"]), (&json!(code), &details), "{tool} {arguments}");
        }
    })
    .await;
}
