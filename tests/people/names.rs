//! Names: everybody's own, never markup, never a link, never more than a line.

use super::person;
use crate::{
    common::{PASSWORD, Server, on_both, until},
    tools::{Watch, group, unchanged},
};
use serde_json::json;

#[tokio::test]
async fn r_b88_a_name_is_data_wherever_it_stands() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for (n, name) in
            ["<img src=x onerror=alert(1)>", "\"><svg/onload=1>", "javascript:alert(1)", "'-alert(1)-'", "{{7*7}}", "${7*7}", "&amp;&lt;"]
                .into_iter()
                .enumerate()
        {
            let email = format!("p{n}@example.com");
            let invited = server.ok("invite_user", json!({"email": email, "first_name": name, "last_name": name})).await;
            assert_eq!((&invited["user"]["first_name"], &invited["user"]["last_name"]), (&json!(name), &json!(name)), "kept as it is");
            let mail = until("the mail", async || server.mails().into_iter().nth(n)).await;
            // As a mail program reads it: the quoted-printable line ends and equals signs undone.
            let mail = mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
            let link =
                mail.lines().map(str::trim).find(|line| line.starts_with("http") && line.contains("/invite/")).expect("a link").to_owned();
            let response = server.http.get(&link).send().await.unwrap();
            let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
            assert!(!policy.contains("unsafe") && policy.contains("default-src 'none'"), "{policy}");
            let page = response.text().await.unwrap();
            if name.contains('<') {
                assert!(!page.contains(name), "{name} stands raw in the page");
                let html = mail.split("text/html").nth(1).expect("an HTML part");
                assert!(!html.contains(name), "{name} stands raw in the mail");
            }
            // The page gives the name back as a value that can be corrected, and the person keeps it or not.
            assert_eq!(server.accept(&link, name, "Corrected", PASSWORD).await.status(), 200);
            let kept = person(&server, &email).await;
            assert_eq!((&kept["first_name"], &kept["last_name"]), (&json!(name), &json!("Corrected")));
            let event = server.ok("list_audit_events", json!({"user": email, "action": "users:invite"})).await["events"][0].clone();
            assert_eq!(event["target"]["name"], json!(format!("{name} {name}")));
        }
    })
    .await;
}

#[tokio::test]
async fn b08_r_b98_r_b92_both_names_are_one_plain_line_and_no_link() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let fine =
            ["O'Neill", "(Vendor)", "Jean-Luc", "St. John", "J.R.", "Nguyễn Thị Hồng", "Червоний", "李", "محمد", "=1+1", "-", "Null", "🙂"];
        for (n, name) in fine.into_iter().enumerate() {
            let invited = server
                .ok("invite_user", json!({"email": format!("p{n}@example.com"), "first_name": name, "last_name": format!("  {name} ")}))
                .await;
            assert_eq!((&invited["user"]["first_name"], &invited["user"]["last_name"]), (&json!(name), &json!(name)));
        }
        let composed = server.ok("invite_user", json!({"email": "zoe@example.com", "first_name": "Zoe\u{308}", "last_name": "N"})).await;
        assert_eq!(composed["user"]["first_name"], "Zo\u{eb}");
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let (before, mails) = (watch.everything_but_evidence().await, server.mails().len());
        for name in [
            "Ana\r\nBcc: evil@example.org",
            "Ana\rX: y",
            "Ana\n.\n",
            "Ana\n",
            "\u{202e}anA",
            "An\u{200b}a",
            "Ana\u{e0041}",
            "A\u{2066}na",
            "\u{feff}Ana",
            "\u{3164}",
            "\u{301}",
            "https://evil.example",
            "www.evil.example",
            "Urgent: evil.example/login",
            "evil。example",
        ] {
            for (field, first, last) in [("first_name", name, "Ruiz"), ("last_name", "Ana", name)] {
                for (tool, arguments) in [
                    ("invite_user", json!({"email": "new@example.com", "first_name": first, "last_name": last})),
                    ("update_user", json!({"user": "zoe@example.com", (field): name})),
                ] {
                    let refused = server.refused(tool, arguments).await;
                    assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!(field)), "{tool} {name:?}");
                }
            }
            let refused = server.refused("create_access_group", json!({"name": name})).await;
            assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("name")), "{name:?}");
        }
        for text in ["two\nlines", "\u{202e}turned", "hidden\u{200b}"] {
            assert_eq!(
                server.refused("create_access_group", json!({"name": "X", "description": text})).await["field"],
                "description",
                "{text:?}"
            );
        }
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");
        assert_eq!(server.mails().len(), mails);
    })
    .await;
}

#[tokio::test]
async fn names_and_slack_ids_are_edited_cleared_and_found() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        group(&server, "Updaters", &["users:update"]).await;
        let (id, own) = server.member("ana@example.com", &["Updaters"]).await;
        let (_, plain) = server.member("plain@example.com", &[]).await;
        let changed = server.ok("update_user", json!({"user": id, "first_name": "Núñez", "slack_id": "U024BE7LH"})).await;
        assert_eq!((&changed["user"]["slack_id"], &changed["user"]["last_name"]), (&json!("U024BE7LH"), &json!("Person")));
        for query in ["nunez", "NÚÑEZ person", "person nunez", "u024be", "ana@example"] {
            assert_eq!(server.ok("list_users", json!({"query": query})).await["total"], 1, "{query}");
        }
        assert_eq!(
            server.ok("list_users", json!({"query": "test"})).await["users"][0]["email"],
            "plain@example.com",
            "the old name is no longer found"
        );
        for wrong in ["U 1", "<@U1>", "U1\n", "é", "u-1"] {
            assert_eq!(server.refused("update_user", json!({"user": id, "slack_id": wrong})).await["field"], "slack_id", "{wrong:?}");
        }
        // Left out, null and empty leave it; the word takes it away.
        for nothing in [json!(null), json!("")] {
            let kept = server.ok("update_user", json!({"user": id, "first_name": "Ana", "slack_id": nothing})).await;
            assert_eq!(kept["user"]["slack_id"], "U024BE7LH");
        }
        assert_eq!(server.ok("update_user", json!({"user": id, "slack_id": "None"})).await["user"]["slack_id"], json!(null));
        // One's own name is one's own; the Slack ID is the organization's.
        assert_eq!(
            server.call(&plain, "update_user", json!({"user": "plain@example.com", "first_name": "P"})).await.structured()["changed"],
            true
        );
        let refused = server.call(&plain, "update_user", json!({"user": "plain@example.com", "slack_id": "U1"})).await.error();
        assert_eq!(refused["details"], json!({"permission": "users:update"}));
        assert_eq!(
            server.call(&own, "update_user", json!({"user": "plain@example.com", "slack_id": "U1"})).await.structured()["changed"],
            true
        );
        until("the refusal is told", async || {
            let told = server.ok("list_audit_events", json!({"outcome": "refused"})).await;
            (told["events"][0]["target"]["name"] == "P Person").then_some(())
        })
        .await;
    })
    .await;
}
