//! Statements are the budget of a call: each costs a hop to the database.

use super::Watched;
use crate::{common::on_both, signing_in::Browser};
use serde_json::{Value, json};

/// A call that reads: who asks, and the answer in one or two.
const READ: usize = 3;
/// A call that writes, without BEGIN and COMMIT: who asks; the lock; the same again under it; the facts; the change with its
/// search row, links and mail; the entry with its texts; the answer; the head.
const WRITE: usize = 9;

fn calls(ana: &str) -> Vec<(&'static str, Value, usize)> {
    vec![
        ("whoami", json!({}), READ),
        ("list_users", json!({}), READ),
        ("list_users", json!({"query": "ana", "status": "active"}), READ),
        ("list_users", json!({"query": "an", "limit": 100}), READ),
        ("list_users", json!({"access_group": "Support"}), READ),
        ("list_users", json!({"query": "nobody", "access_group": "Support"}), READ),
        ("get_user", json!({"user": ana}), READ),
        ("get_user", json!({"user": "ana@example.com"}), READ),
        ("check_membership", json!({"user": "ana@example.com", "permission": "users:read"}), READ),
        ("list_access_groups", json!({}), READ),
        ("list_access_groups", json!({"access_group": "Support"}), READ),
        ("list_permissions", json!({}), READ),
        ("list_audit_events", json!({}), READ),
        ("list_mcp_tokens", json!({}), READ),
        ("list_mcp_tokens", json!({"user": ana}), READ),
        ("invite_user", json!({"email": "cy@example.com", "first_name": "Cy", "last_name": "Ode"}), WRITE),
        ("resend_invite", json!({"user": "ben@example.com"}), WRITE),
        ("update_user", json!({"user": ana, "first_name": "Anna", "slack_id": "U01"}), WRITE),
        // Whether single sign-on is required, and a password of theirs so a way in beside it.
        ("update_user", json!({"user": ana, "role": "Administrator"}), WRITE + 1),
        ("deactivate_user", json!({"user": "ben@example.com"}), WRITE),
        ("reactivate_user", json!({"user": "ben@example.com"}), WRITE),
        // She is an Administrator by now: the same is asked.
        ("deactivate_user", json!({"user": ana}), WRITE + 1),
        ("reactivate_user", json!({"user": ana}), WRITE + 1),
        ("create_access_group", json!({"name": "Night", "permissions": ["users:read", "users:invite", "audit_log:read"]}), WRITE),
        (
            "update_access_group",
            json!({"access_group": "Night", "description": "At night", "add_permissions": ["users:update", "users:deactivate"]}),
            WRITE,
        ),
        ("delete_access_group", json!({"access_group": "Night"}), WRITE),
        // Both the person and the group are asked before and shown after.
        ("add_to_access_group", json!({"users": [ana], "access_groups": ["Support"]}), WRITE + 1),
        ("remove_from_access_group", json!({"users": [ana], "access_groups": ["Support"]}), WRITE + 1),
        // Whether the address is the caller's own is asked first.
        ("update_user", json!({"user": "ana@example.com", "first_name": "Ana"}), WRITE + 1),
        // The group, the membership, and the key, looked up and kept.
        (
            "invite_user",
            json!({"email": "di@example.com", "first_name": "Di", "last_name": "Ode", "access_groups": ["Support"], "idempotency_key": "k"}),
            WRITE + 4,
        ),
    ]
}

/// Without the background's: the mail worker's and what is gathered and swept.
fn of_calls(mut statements: Vec<String>) -> Vec<String> {
    let background = [
        "FROM outbox b",
        "SELECT 1 FROM outbox",
        "UPDATE outbox SET lease",
        "UPDATE outbox SET state = $2",
        "last_used_at = s.at",
        "last_seen_at = s.at",
        "sent_at = ",
    ];
    statements.retain(|statement| !background.iter().any(|mark| statement.contains(mark)));
    statements
}

#[tokio::test]
async fn calls_keep_to_their_statements() {
    on_both(async |engine| {
        let watched = Watched::start(engine).await;
        let server = &watched.server;
        let invited = server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ode"})).await;
        let ana = invited["user"]["id"].as_str().expect("an id").to_owned();
        for name in ["Support", "Sales"] {
            server.ok("create_access_group", json!({"name": name, "permissions": ["users:read"]})).await;
        }
        server.ok("invite_user", json!({"email": "ben@example.com", "first_name": "Ben", "last_name": "Ode"})).await;
        for (tool, arguments, budget) in calls(&ana) {
            watched.statements();
            server.ok(tool, arguments.clone()).await;
            let statements = of_calls(watched.statements());
            assert!(!statements.is_empty(), "the log tells of {tool}");
            assert!(statements.len() <= budget, "{tool} {arguments} took {}: {statements:#?}", statements.len());
        }
        // Many groups are one statement for a person, not one each.
        let one = json!({"users": [ana], "access_groups": ["Support"]});
        let two = json!({"users": [ana], "access_groups": ["Support", "Sales"]});
        let count = async |tool: &str, arguments: &Value| {
            watched.statements();
            server.ok(tool, arguments.clone()).await;
            of_calls(watched.statements()).len()
        };
        let first = count("add_to_access_group", &one).await;
        server.ok("remove_from_access_group", one).await;
        assert_eq!(count("add_to_access_group", &two).await, first + 2, "the second group is asked before and shown after");
    })
    .await;
}

#[tokio::test]
async fn what_is_ticked_on_a_form_is_looked_up_at_once_however_much_it_is() {
    on_both(async |engine| {
        let watched = Watched::start(engine).await;
        let server = &watched.server;
        server.administrator("boss@example.com").await;
        let mut groups = Vec::new();
        // More than a form offers by itself.
        for n in 0..110 {
            let made = server.ok("create_access_group", json!({"name": format!("Group {n}"), "permissions": []})).await;
            groups.push(made["access_group"]["id"].as_str().expect("an id").to_owned());
        }
        let mut people = Vec::new();
        for n in 0..9 {
            let who = json!({"email": format!("p{n}@example.com"), "first_name": "P", "last_name": "N"});
            people.push(server.ok("invite_user", who).await["user"]["id"].as_str().expect("an id").to_owned());
        }
        let browser = Browser::in_by_password(server, "boss@example.com").await;
        let (add, last) = (format!("/access-groups/{}/add?query=nobody", groups[0]), &groups[101..]);
        let asked = |name: &str, ids: &[String]| ids.iter().fold(String::new(), |all, id| all + "&" + name + "=" + id);
        for (path, name, ids) in [(add.as_str(), "user", &people[..]), ("/users/invite?email=", "access_group", last)] {
            let count = async |ids: &[String]| {
                watched.statements();
                let page = browser.get(&format!("{path}{}", asked(name, ids))).await;
                assert!(page.status == 200 && ids.iter().all(|id| page.html.contains(&format!("value=\"{id}\" checked"))), "{}", page.html);
                of_calls(watched.statements()).len()
            };
            assert_eq!(count(&ids[..1]).await, count(ids).await, "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_that_says_what_a_deactivation_would_end_takes_no_lock() {
    on_both(async |engine| {
        let watched = Watched::start(engine).await;
        let server = &watched.server;
        server.administrator("boss@example.com").await;
        let browser = Browser::in_by_password(server, "boss@example.com").await;
        let invited = server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ode"})).await;
        let ana = invited["user"]["id"].as_str().expect("an id");
        watched.statements();
        let page = browser.get(&format!("/users/{ana}/deactivate")).await;
        assert!(page.status == 200 && page.html.contains("1 invite link"), "{}", page.html);
        for statement in of_calls(watched.statements()) {
            let writes = ["INSERT", "UPDATE", "DELETE"].iter().any(|word| statement.contains(word));
            assert!(!writes, "{statement}");
        }
    })
    .await;
}
