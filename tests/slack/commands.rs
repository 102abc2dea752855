//! `usher slack` on the host.

use super::{TEAM, TOKEN, connect, done, joined_up, log_of, options, refused, towards, usher};
use crate::common::{Engine, Server, database::Connection, hosts, on_both, slack::Slack};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;

/// The token as the database holds it.
async fn kept(server: &Server) -> Option<String> {
    let connection = Connection::to(server).await;
    let rows = connection.rows("SELECT token FROM slack_connections").await;
    connection.close().await;
    rows.first().and_then(|row| row["token"].clone())
}

#[tokio::test]
async fn a_workspace_is_connected_tested_and_disconnected_and_its_token_is_forgotten() {
    on_both(async |engine| {
        let slack = Slack::start().await;
        slack.workspace(TOKEN, TEAM, "Acme\u{202e} Inc");
        let server = Server::quickstart_with(engine, &options(&slack)).await;
        assert!(refused(&server, &slack, &["test"]).await.contains("usher slack connect"));
        let connected = connect(&server, &slack, &server.org, TOKEN).await;
        assert_eq!(connected, json!({"org": server.org, "workspace_id": TEAM, "workspace": "Acme Inc"}));
        let tested = done(&server, &slack, &["test"]).await;
        assert_eq!((&tested["ok"], &tested["workspace_id"], &tested["waiting"]), (&json!(true), &json!(TEAM), &json!(0)));
        let sealed = kept(&server).await.expect("a row");
        assert!(sealed.starts_with("1.") && !sealed.contains(TOKEN), "{sealed}");
        // Another token of the same workspace takes its place.
        slack.workspace("xoxb-another", TEAM, "Acme Inc");
        connect(&server, &slack, &server.org, "xoxb-another").await;
        assert_ne!(kept(&server).await.expect("a row"), sealed);

        assert_eq!(done(&server, &slack, &["disconnect"]).await["workspace_id"], TEAM);
        assert_eq!(kept(&server).await, None);
        assert!(refused(&server, &slack, &["disconnect"]).await.contains("usher slack connect"));
        let entries = log_of(&server, "settings:update").await;
        assert_eq!(entries.len(), 3);
        for entry in &entries {
            let said = entry.to_string();
            assert!(said.contains(TEAM) && said.contains("cli") && !said.contains("xoxb"), "{said}");
        }
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn what_opens_no_workspace_is_not_kept_and_the_words_say_why() {
    let (server, slack) = joined_up(Engine::Sqlite).await;
    let before = kept(&server).await;
    slack.workspace("xoxb-poor", TEAM, "Acme");
    slack.scopes("xoxb-poor", "chat:write");
    slack.workspace("xoxb-other", "T0OTHER", "Other");
    slack.workspace("xoxb-gone", TEAM, "Acme");
    slack.error("xoxb-gone", Some("account_inactive"));
    slack.workspace("xoxb-odd", "<script>", "Acme");
    for (token, words) in [
        ("xoxb-unknown", "invalid_auth"),
        ("xoxb-gone", "account_inactive"),
        ("xoxb-poor", "users:read.email"),
        ("xoxb-other", "usher slack disconnect"),
        ("xoxb-odd", "unexpected_answer"),
        ("xoxp-a-users-token", "begins with xoxb-"),
        ("xoxe.xoxb-1-rotated", "token rotation"),
        ("", "begins with xoxb-"),
    ] {
        let file = server.data_dir.path().join("token");
        std::fs::write(&file, token).unwrap();
        let said = refused(&server, &slack, &["connect", "--token-file", &file.display().to_string()]).await;
        assert!(said.contains(words), "{token}: {said}");
        assert!(token.is_empty() || !said.contains(token), "{said}");
    }
    assert_eq!(kept(&server).await, before);
    // Somebody else's address is not asked.
    for (url, words) in
        [("https://10.0.0.1/api/", "--outbound-allow"), ("nonsense", "--slack-url"), ("http://127.0.0.1:1/", "cannot be reached")]
    {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_usher"));
        command.args(["slack", "connect", "--org", &server.org, "--slack-url", url, "--outbound-allow", "127.0.0.0/8"]);
        command.env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_LOG", "warn").env("USHER_SLACK_TOKEN", TOKEN);
        let output = command.output().await.expect("usher runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words) && !said.contains(TOKEN), "{url}: {said}");
    }
    assert!(!usher(&server, &slack, "no-such-organization", &["test"]).await.status.success());
}

/// A command at a terminal, where this line is typed.
async fn at_a_terminal(server: &Server, slack: &Slack, line: &str, words: &[&str]) -> Value {
    let mut command = tokio::process::Command::new(hosts::variable("USHER_TEST_PY_MCP2"));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/terminal.py")).args([line, env!("CARGO_BIN_EXE_usher")]);
    command.args(words).args(["--org", &server.org, "--json"]).args(towards(slack));
    command.env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_LOG", "warn");
    let output = command.output().await.expect("it runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn a_terminal_is_asked_for_a_secret_and_does_not_show_it() {
    let (server, slack) = joined_up(Engine::Sqlite).await;
    let said = at_a_terminal(&server, &slack, TOKEN, &["slack", "connect"]).await;
    assert_eq!(
        (&said["code"], &said["stderr"]),
        (&json!(0), &json!("Paste the Slack token and press Enter; it is not shown.\n")),
        "{said}"
    );
    assert_eq!(said["showed"].as_str().map(str::trim), Some(""), "{said}");
    let connected: Value = serde_json::from_str(said["stdout"].as_str().expect("words")).expect("JSON alone");
    assert_eq!(connected["workspace_id"], TEAM);
    // What comes through a pipe is read without a word.
    let mut piped = tokio::process::Command::new(env!("CARGO_BIN_EXE_usher"));
    piped.args(["slack", "connect", "--org", &server.org, "--json"]).args(towards(&slack));
    piped.env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_LOG", "warn");
    let streams = (Stdio::piped(), Stdio::piped(), Stdio::piped());
    let mut child = piped.stdin(streams.0).stdout(streams.1).stderr(streams.2).spawn().expect("it starts");
    child.stdin.take().expect("its ear").write_all(format!("{TOKEN}\n").as_bytes()).await.expect("it hears");
    let output = child.wait_with_output().await.expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    // The same for a provider's, which is at an address where nobody answers.
    let add = ["sso", "add", "--preset", "other", "--issuer", "http://127.0.0.1:1", "--client-id", "usher"];
    let said = at_a_terminal(&server, &slack, "the-secret-itself", &add).await;
    let words = said["stderr"].as_str().expect("words");
    assert!(words.starts_with("Paste the client secret and press Enter") && words.contains("cannot be reached"), "{said}");
    assert!(!said.to_string().contains("the-secret-itself"), "{said}");
}
