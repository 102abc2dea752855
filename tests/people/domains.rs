//! The email domains that an organization invites.

use crate::common::{Server, on_both};
use serde_json::json;

async fn set(server: &Server, arguments: &[&str]) -> bool {
    let said = server.cli(&[&["org", "set", "--org", &server.org, "--json"], arguments].concat()).await;
    said["changed"].as_bool().expect("an answer")
}

fn person(email: &str) -> serde_json::Value {
    json!({"email": email, "first_name": "Test", "last_name": "Person"})
}

#[tokio::test]
async fn an_invite_to_another_domain_is_warned_of_or_refused() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        assert_eq!(server.ok("invite_user", person("first@anywhere.example")).await["warnings"], json!([]));
        assert!(set(&server, &["--invite-domains", "Example.com,*.bücher.example"]).await);
        assert!(!set(&server, &["--invite-domains", "*.xn--bcher-kva.example,example.com"]).await, "the same list");
        for email in ["ana@example.com", "ana@EXAMPLE.com.", "ana@shop.bücher.example"] {
            let dry = json!({"email": email.trim_end_matches('.'), "first_name": "T", "last_name": "P", "dry_run": true});
            assert_eq!(server.ok("invite_user", dry).await["warnings"], json!([]), "{email}");
        }
        let warned = server.ok("invite_user", person("bob@mail.example.com")).await;
        let warning = warned["warnings"][0].as_str().expect("a warning");
        assert!(warning.contains("example.com, *.xn--bcher-kva.example") && warned["user"]["status"] == "pending", "{warning}");

        assert!(set(&server, &["--other-domains", "refuse"]).await);
        for email in ["cleo@mail.example.com", "cleo@bücher.example", "cleo@example.com.evil.example"] {
            for dry_run in [true, false] {
                let arguments = json!({"email": email, "first_name": "T", "last_name": "P", "dry_run": dry_run});
                let refused = server.refused("invite_user", arguments).await;
                assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("email")));
                assert!(refused["message"].as_str().is_some_and(|words| words.contains("example.com, *.xn--bcher-kva.example")));
                assert!(!refused.to_string().contains("cleo"), "it quotes nobody");
            }
        }
        // Who is here already is told so; whoever was invited before is asked again, and joins.
        assert_eq!(server.refused("invite_user", person("bob@mail.example.com")).await["code"], "email_already_in_use");
        server.ok("resend_invite", json!({"user": "bob@mail.example.com"})).await;
        assert_eq!(server.ok("invite_user", person("ana@example.com")).await["changed"], true);

        let listed = server.cli(&["org", "list", "--json"]).await;
        assert_eq!(listed[0]["invite_domains"], json!(["example.com", "*.xn--bcher-kva.example"]));
        assert_eq!(listed[0]["other_domains"], "refuse");
        assert!(set(&server, &["--invite-domains", ""]).await);
        assert_eq!(server.ok("invite_user", person("dan@anywhere.example")).await["warnings"], json!([]));

        let events = server.ok("list_audit_events", json!({"action": "settings:update"})).await;
        let changes: Vec<_> = events["events"].as_array().expect("events").iter().rev().map(|event| &event["changes"]).collect();
        assert_eq!(changes.len(), 3);
        assert_eq!(events["events"][0]["actor"]["kind"], "cli");
        assert_eq!(changes[0], &json!([{"field": "invite_domains", "before": "", "after": "example.com,*.xn--bcher-kva.example"}]));
        assert_eq!(changes[1], &json!([{"field": "other_domains", "before": "warn", "after": "refuse"}]));
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_list_that_is_none_changes_nothing() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for (arguments, part) in [
            (vec!["--invite-domains", "example.com,no domain"], "complete domain names"),
            (vec!["--invite-domains", "*.com"], "complete domain names"),
            (vec!["--other-domains", "perhaps"], "possible values: warn, refuse"),
            // Nothing to refuse: it says what to name, and all that could be set where nothing was.
            (vec!["--other-domains", "refuse"], "Name those that are invited beside it"),
            (vec![], "--invite-domains"),
            (vec![], "--magic-links"),
        ] {
            let words = server.cli_refused(&[&["org", "set", "--org", &server.org], &arguments[..]].concat()).await;
            assert!(words.contains(part), "{words}");
        }
        let listed = server.cli(&["org", "list", "--json"]).await;
        assert_eq!((&listed[0]["invite_domains"], &listed[0]["other_domains"]), (&json!([]), &json!("warn")));
    })
    .await;
}
