//! Addresses: which are one mailbox, which are not, and which are none.

use super::person;
use crate::{
    common::{PASSWORD, Server, on_both},
    tools::{Watch, unchanged},
};
use serde_json::{Value, json};

fn to(email: &str) -> Value {
    json!({"email": email, "first_name": "Test", "last_name": "Person"})
}

#[tokio::test]
async fn r_b01_r_b05_r_b08_one_mailbox_is_one_person_and_another_mailbox_another() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let mut people = 1;
        for (first, twins) in [
            (
                "Ana.Ruiz@Example.COM",
                vec!["ana.ruiz@example.com", "ANA.RUIZ@EXAMPLE.COM", "  Ana.Ruiz@example.com  ", "ana.ruiz@Ｅxample.com"],
            ),
            ("a.b@example.com", vec!["A.B@example.com"]),
            ("ab@example.com", vec![]),
            ("ab+x@example.com", vec!["AB+X@EXAMPLE.com"]),
            (
                "ana@bücher.example",
                vec![
                    "ana@xn--bcher-kva.example",
                    "ANA@BÜCHER.example",
                    "ana@bu\u{308}cher.example",
                    "ana@XN--BCHER-KVA.EXAMPLE",
                    "ana@bücher。example",
                ],
            ),
        ] {
            let invited = server.ok("invite_user", to(first)).await;
            people += 1;
            assert_eq!(invited["user"]["email"], first, "the spelling of whoever invited is kept");
            for twin in twins {
                let refused = server.refused("invite_user", to(twin)).await;
                assert_eq!(refused["code"], "email_already_in_use", "{twin}");
                assert_eq!(refused["details"]["user_id"], invited["user"]["id"], "{twin}");
                // Whoever names the twin means that person.
                assert_eq!(person(&server, twin).await["id"], invited["user"]["id"], "{twin}");
            }
        }
        let listed = server.ok("list_users", json!({})).await;
        assert_eq!(listed["total"], people);
        Watch::on(&server).await.mailed().await;
        assert_eq!(server.mails().len(), people - 1);
        // The mail server is given what it can read, people search for what they read.
        let link = server.link_to("ana@xn--bcher-kva.example").await;
        assert_eq!(server.accept(&link, "Ana", "B", PASSWORD).await.status(), 200);
        for query in ["bücher", "bucher", "xn--bcher", "ana@bücher.example"] {
            let found = server.ok("list_users", json!({"query": query})).await;
            let wanted = if query == "xn--bcher" { 0..=1 } else { 1..=1 };
            assert!(found["total"].as_u64().is_some_and(|total| wanted.contains(&total)), "{query}: {found}");
        }
        // Accepting one of those that look alike is about that one alone.
        let link = server.link_to("ab@example.com").await;
        assert_eq!(server.accept(&link, "A", "B", PASSWORD).await.status(), 200);
        for (email, status) in [("ab@example.com", "active"), ("a.b@example.com", "pending"), ("ab+x@example.com", "pending")] {
            assert_eq!(person(&server, email).await["status"], status, "{email}");
        }
    })
    .await;
}

#[tokio::test]
async fn r_b04_a_plus_sign_survives_mail_page_and_search() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let id = server.ok("invite_user", to("ana+ops@example.com")).await["user"]["id"].clone();
        server.ok("invite_user", to("ana.ops@example.com")).await;
        let link = server.link_to("ana+ops@example.com").await;
        assert!(!link.contains("ana"), "the link holds nothing but its token");
        let page = server.http.get(&link).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("You join as <b><bdi>ana+ops<wbr>@example.com</bdi></b>"), "as a person sees it: {page}");
        assert_eq!(server.accept(&link, "Ana", "Ops", PASSWORD).await.status(), 200);
        let found = server.ok("list_users", json!({"query": "ana+ops@example.com"})).await;
        assert_eq!((&found["total"], &found["users"][0]["id"], &found["users"][0]["status"]), (&json!(1), &id, &json!("active")));
    })
    .await;
}

#[tokio::test]
async fn r_b07_no_case_rule_reaches_somebody_elses_mailbox() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.member("kim@example.com", &[]).await;
        let watch = Watch::on(&server).await;
        watch.mailed().await;
        let (before, mails) = (watch.everything_but_evidence().await, server.mails().len());
        for alike in ["\u{212A}im@example.com", "k\u{131}m@example.com", "K\u{130}M@example.com", "ｋim@example.com"] {
            let refused = server.refused("invite_user", to(alike)).await;
            assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("email")), "{alike}");
            for tool in ["get_user", "check_membership", "resend_invite", "deactivate_user", "reactivate_user"] {
                let refused = server.refused(tool, json!({"user": alike})).await;
                assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("user")), "{tool} {alike}");
            }
        }
        unchanged(&before, &watch.everything_but_evidence().await, "a refused call changes nothing");
        assert_eq!(server.mails().len(), mails);
        // A domain's letters do fold, as domains do: this one is example.com.
        assert_eq!(server.refused("invite_user", to("kim@e\u{ff58}ample.com")).await["code"], "email_already_in_use");
    })
    .await;
}

#[tokio::test]
async fn r_b10_r_b11_what_is_an_address_is_taken_and_what_is_none_is_told_why() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let name = "O'Neill & <b>Sons";
        assert_eq!(server.cli(&["org", "rename", "--org", &server.org, "--name", name, "--json"]).await["changed"], true);
        let label = "d".repeat(63);
        let longest = format!("{}@{label}.{label}.{}", "l".repeat(64), "d".repeat(61));
        assert_eq!(longest.len(), 254);
        for email in [
            "pat.o'neill@example.com",
            "x_y-z@sub.example.co.uk",
            "1@example.com",
            "ana@example.technology",
            "!#$%&*/=?^`{|}~@example.com",
            longest.as_str(),
        ] {
            assert_eq!(server.ok("invite_user", to(email)).await["user"]["email"], email);
            assert_eq!(person(&server, email).await["status"], "pending", "{email}");
            assert!(server.link_to(email).await.contains("/invite/"), "{email}");
        }
        let mail = server.mails().into_iter().find(|mail| mail.contains("o'neill")).expect("his mail");
        assert!(!mail.contains("o''neill"), "{mail}");
        // A subject is text: nothing in it is escaped.
        let subject = format!("Subject: First Administrator invited you to {name}");
        assert!(mail.replace("\r\n ", " ").lines().any(|line| line == subject), "{mail}");
        let over = |local: usize, rest: usize| format!("{}@{}example.com", "l".repeat(local), "d.".repeat(rest));
        for (email, says) in [
            ("ana@[192.0.2.1]".to_owned(), "brackets"),
            ("\"a b\"@example.com".to_owned(), "quoted"),
            (over(65, 0), "64"),
            (format!("{longest}d"), "254"),
            ("a".repeat(10_000), "320"),
            (format!("{}@example.com", "a".repeat(300)), "254"),
            ("ana@localhost".to_owned(), "dot"),
            ("ana@192.0.2.1".to_owned(), "IP address"),
            ("ana@example.com\r\nRCPT TO:<evil@example.org>".to_owned(), "one line"),
            ("ana@example.com,bo@example.com".to_owned(), "@"),
            ("Ana <ana@example.com>".to_owned(), "@"),
            ("mailto:ana@example.com".to_owned(), "@"),
        ] {
            let refused = server.refused("invite_user", to(&email)).await;
            assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("email")), "{email}");
            assert!(refused["message"].as_str().is_some_and(|message| message.contains(says)), "{email:.40}: {refused}");
        }
        let name = |first: String, last: String| json!({"email": "n@example.com", "first_name": first, "last_name": last});
        for (first, last, field) in [
            ("a".repeat(101), "b".to_owned(), "first_name"),
            ("a".to_owned(), "b".repeat(10_000), "last_name"),
            ("\u{1d15e}".repeat(60), "b".to_owned(), "first_name"),
        ] {
            let refused = server.refused("invite_user", name(first, last)).await;
            assert_eq!(refused["field"], field);
            assert!(refused["message"].as_str().is_some_and(|message| message.contains("100")), "{refused}");
        }
        assert_eq!(server.ok("invite_user", name("é".repeat(100), "ж".repeat(100))).await["changed"], true);
        assert_eq!(server.ok("list_users", json!({})).await["total"], 8);
    })
    .await;
}

#[tokio::test]
async fn r_b13_a_domain_that_poses_as_another_is_refused_and_an_honest_one_is_not() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for email in ["ana@ex\u{430}mple.com", "ana@xn--exmple-4nf.com", "ana@аррӏе.com"] {
            let mut arguments = to(email);
            arguments["role"] = json!("Administrator");
            let refused = server.refused("invite_user", arguments).await;
            assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("email")), "{email}");
            assert!(refused["message"].as_str().is_some_and(|message| message.contains("look-alike")), "{refused}");
        }
        for email in ["ana@почта.рф", "ana@例え.jp", "ana@bücher.example"] {
            let invited = server.ok("invite_user", to(email)).await;
            assert_eq!((&invited["user"]["email"], &invited["warnings"]), (&json!(email), &json!([])));
        }
    })
    .await;
}
