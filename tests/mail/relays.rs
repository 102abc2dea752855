//! Kinds of relay, what the operator is told, and what holds without one.

use super::{A_LONG_TIME, FROM, delivered, invite, pass, taken, through_url};
use crate::common::{Engine, Options, Server, database, on_both, smtp::Sink};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

/// A command beside the server, its output and whether it went well.
pub(super) async fn said(server: &Server, arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(arguments).env("USHER_DATA_DIR", server.data_dir.path()).envs(environment.iter().copied());
    if let Some(url) = server.database_url() {
        command.env("USHER_DATABASE_URL", url);
    }
    let output = command.output().await.expect("usher runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// The tests here don't depend on the database.
async fn sqlite(options: &Options) -> Server {
    drop(rustls::crypto::ring::default_provider().install_default());
    Server::quickstart_with(Engine::Sqlite, options).await
}

#[tokio::test]
async fn tls_is_used_as_asked_and_only_with_a_certificate_that_holds() {
    for (tls, url) in [("starttls", "smtp://localhost:PORT?tls=required"), ("implicit", "smtps://127.0.0.1:PORT")] {
        let sink = Sink::start(&["--tls", tls]).await;
        let ca = sink.ca.clone().expect("an authority");
        let url = url.replace("PORT", &sink.port.to_string());
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let mut server = sqlite(&through_url(&url).logged_to(&log)).await;
        invite(&server, "ana@example.com").await;
        delivered(&server, "ana@example.com", "queued", Some("tls")).await;
        assert!(taken(&sink).is_empty());
        let said_so = std::fs::read_to_string(&log).unwrap();
        assert!(said_so.contains("the mail relay cannot be used") && said_so.contains("usher mail test"), "{said_so}");
        let test = ["mail", "test", "--to", "ana@example.com", "--smtp-url", url.as_str(), "--mail-from", FROM];
        let (ok, words) = said(&server, &test, &[]).await;
        assert!(!ok && words.contains("(tls)") && words.contains("certificate"), "{words}");
        let (ok, words) = said(&server, &test, &[("SSL_CERT_FILE", &ca)]).await;
        assert!(ok && words.contains("Sent"), "{words}");
        server.kill().await;
        server.restart(&through_url(&url).with("SSL_CERT_FILE", &ca)).await;
        pass(&server, A_LONG_TIME).await;
        delivered(&server, "ana@example.com", "sent", None).await;
        let mails = taken(&sink);
        assert_eq!(mails.len(), 2);
        assert!(mails.iter().all(|mail| mail.whole["tls"] == true));
    }
}

#[tokio::test]
async fn a_relay_that_wants_tls_gets_no_mail_in_the_clear() {
    let sink = Sink::start(&["--tls", "starttls"]).await;
    let ca = sink.ca.clone().expect("an authority");
    let mut server = sqlite(&through_url(&format!("smtp://127.0.0.1:{}", sink.port))).await;
    invite(&server, "ana@example.com").await;
    // It refuses everybody, so nobody's mail is given up for it.
    delivered(&server, "ana@example.com", "queued", Some("login_refused")).await;
    server.kill().await;
    let url = format!("smtp://127.0.0.1:{}?tls=opportunistic", sink.port);
    server.restart(&through_url(&url).with("SSL_CERT_FILE", &ca)).await;
    pass(&server, A_LONG_TIME).await;
    delivered(&server, "ana@example.com", "sent", None).await;
    assert_eq!(taken(&sink)[0].whole["tls"], true);
    // And a relay without TLS gets none where it was demanded.
    let plain = Sink::start(&[]).await;
    server.kill().await;
    server.restart(&through_url(&format!("smtp://127.0.0.1:{}?tls=required", plain.port))).await;
    invite(&server, "bo@example.com").await;
    delivered(&server, "bo@example.com", "queued", Some("tls")).await;
    assert!(taken(&plain).is_empty());
}

#[tokio::test]
async fn a_wrong_password_shows_and_gives_no_mail_up() {
    on_both(async |engine| {
        let sink = Sink::start(&["--auth", "ana@sender.example:sesame/öffne+dich"]).await;
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let url = |password: &str| format!("smtp://ana%40sender.example:{password}@127.0.0.1:{}", sink.port);
        let wrong = through_url(&url("not%20the%20password")).with("USHER_LOG", "trace").logged_to(&log);
        let mut server = Server::quickstart_with(engine, &wrong).await;
        for email in ["ana@example.com", "bo@example.com"] {
            invite(&server, email).await;
            delivered(&server, email, "queued", Some("login_refused")).await;
        }
        let (ok, words) =
            said(&server, &["mail", "test", "--to", "a@example.com"], &[("USHER_SMTP_URL", &url("not%20the%20password"))]).await;
        assert!(!ok && words.contains("logging in failed with 535"), "{words}");
        server.stop().await;
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(log.contains("logging in") && log.contains("535") && log.contains("login_refused"), "{log}");
        for text in [&log, &words] {
            assert!(
                !text.contains("not the password") && !text.contains("not%20the") && !text.contains("bm90IHRoZSBwYXNzd29yZA"),
                "{text}"
            );
        }
        server.restart(&through_url(&url("sesame%2F%C3%B6ffne+dich"))).await;
        pass(&server, A_LONG_TIME).await;
        for email in ["ana@example.com", "bo@example.com"] {
            delivered(&server, email, "sent", None).await;
        }
        assert!(taken(&sink).iter().all(|mail| mail.whole["authenticated"] == true));
    })
    .await;
}

#[tokio::test]
async fn mail_test_says_what_the_relay_says() {
    let sink = Sink::start(&[]).await;
    let server = sqlite(&Options::default()).await;
    let url = format!("smtp://127.0.0.1:{}", sink.port);
    let test = |to: &'static str| ["mail", "test", "--to", to, "--mail-from", "Larkspur Freight <usher@sender.example>"];
    let relay = [("USHER_SMTP_URL", url.as_str())];
    let (ok, words) = said(&server, &test("ana@bücher.example"), &relay).await;
    assert!(ok, "{words}");
    let mails = taken(&sink);
    assert_eq!((mails.len(), mails[0].to[0].as_str()), (1, "ana@xn--bcher-kva.example"));
    assert_eq!(mails[0].whole["envelope_from"], FROM);

    sink.control(&json!([{"step": "RCPT", "action": "550"}]));
    let (ok, words) = said(&server, &test("ana@example.com"), &relay).await;
    assert!(
        !ok && words.contains("RCPT failed with 550") && words.contains("refused by the test") && words.contains(&sink.port.to_string())
    );
    sink.control(&json!([{"step": "EHLO", "action": "421"}]));
    let (ok, words) = said(&server, &test("ana@example.com"), &relay).await;
    assert!(!ok && words.contains("connecting failed with 421"), "{words}");

    // Without a relay on loopback it lies in the folder, and says so.
    let (ok, words) = said(&server, &["mail", "test", "--to", "ana@example.com", "--json"], &[]).await;
    assert!(ok && words.contains(r#"{"delivery":"folder"}"#), "{words}");
    let (ok, words) = said(&server, &["mail", "test", "--to", "nobody"], &relay).await;
    assert!(!ok && words.contains("email"), "{words}");
    for (name, value, names) in [
        ("USHER_SMTP_URL", "smtp://127.0.0.1:1?tls=maybe", "--smtp-url"),
        ("USHER_SMTP_URL", "mail.example", "--smtp-url"),
        ("USHER_MAIL_FROM", "nobody", "--mail-from"),
        ("USHER_MAIL_FROM", "a@b.example, c@d.example", "--mail-from"),
    ] {
        let (ok, words) = said(&server, &["mail", "test", "--to", "ana@example.com"], &[(name, value)]).await;
        assert!(!ok && words.contains(names), "{value}: {words}");
    }
}

#[tokio::test]
async fn r_b26_without_a_relay_and_off_loopback_nobody_is_invited_and_nothing_changes() {
    on_both(async |engine| {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let mut server = Server::quickstart(engine).await;
        invite(&server, "pending@example.com").await;
        server.link_to("pending@example.com").await;
        invite(&server, "gone@example.com").await;
        server.link_to("gone@example.com").await;
        server.ok("deactivate_user", json!({"user": "gone@example.com"})).await;
        let laid = server.mails().len();
        server.stop().await;
        let public = Options::arguments(&["--public-url", "https://usher.larkspur.example"]).with("USHER_LOG", "trace").logged_to(&log);
        server.restart(&public).await;
        let connection = database::Connection::to(&server).await;
        // A use of the token is noted once a minute, a refusal within a second.
        let but = ["credentials", "users", "audit_log", "audit_values", "org_heads", "meta", "security_events"];
        let before = connection.digest(&but).await;
        let people = || async { server.ok("list_users", json!({})).await["users"].clone() };
        let roster = people().await;
        for (tool, arguments) in [
            ("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})),
            ("resend_invite", json!({"user": "pending@example.com"})),
            ("reactivate_user", json!({"user": "gone@example.com"})),
        ] {
            let refused = server.refused(tool, arguments.clone()).await;
            assert_eq!(refused["code"], "mail_unavailable", "{tool}");
            assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("--smtp-url")), "{refused}");
            let mut dry = arguments;
            dry["dry_run"] = json!(true);
            assert_eq!(server.refused(tool, dry).await["code"], "mail_unavailable", "{tool} dry");
        }
        assert_eq!(connection.digest(&but).await, before);
        assert_eq!(people().await, roster);
        connection.close().await;
        let (ok, words) = said(&server, &["mail", "test", "--to", "ana@example.com"], &[]).await;
        assert!(!ok && words.contains("--smtp-url"), "{words}");
        assert_eq!(server.mails().len(), laid, "nothing goes into a folder that nobody looks at");
        server.stop().await;
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(log.contains("no mail can leave") && !log.contains("/invite/"), "{log}");
    })
    .await;
}

#[tokio::test]
async fn links_name_the_public_url_whatever_a_request_says() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        let url = format!("smtp://127.0.0.1:{}", sink.port);
        for (public, id_right) in [
            ("https://usher.larkspur.example", "@usher.larkspur.example>"),
            ("https://larkspur.example/usher", "@larkspur.example>"),
            ("http://[::1]:8080", "@1>"),
            ("https://[2001:db8::7]", "@2001-db8--7>"),
        ] {
            let options = Options::arguments(&["--public-url", public, "--smtp-url", &url, "--mail-from", FROM]);
            let server = Server::quickstart_with(engine, &options).await;
            let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "invite_user",
                "arguments": {"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"}}});
            let endpoint = format!("{}/mcp", server.address());
            let answer = server
                .http
                .post(&endpoint)
                .bearer_auth(&server.token)
                .header("x-forwarded-host", "evil.example")
                .header("forwarded", "host=evil.example;proto=http")
                .header("content-type", "application/json")
                .header("accept", "*/*")
                .body(message.to_string())
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 200);
            delivered(&server, "ana@example.com", "sent", None).await;
            let mail = taken(&sink).pop().unwrap();
            assert!(mail.link().starts_with(&format!("{public}/invite/")), "{}", mail.link());
            assert!(mail.link().len() <= 120);
            assert!(mail.message_id.ends_with(id_right), "{}", mail.message_id);
            assert!(!String::from_utf8_lossy(&mail.raw).contains("evil"));
        }
    })
    .await;
}
