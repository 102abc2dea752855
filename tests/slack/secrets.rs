//! The token opens a workspace. It stands nowhere in clear.

use super::{TEAM, TOKEN, at_rest, connect, done, found, invite, options, pass};
use crate::common::{
    Server,
    copies::{Copies, kept, spellings},
    on_both,
    slack::{Order, Slack},
    until,
};
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

/// A whole life of a connection, with everything that goes wrong.
async fn live(server: &Server, slack: &Slack) -> Vec<serde_json::Value> {
    let mut results = vec![connect(server, slack, &server.org, TOKEN).await, done(server, slack, &["test"]).await];
    slack.member(TOKEN, "ana@example.com", "U012AB3CD");
    slack.order(&[Order::Limited("30"), Order::Status(503), Order::Error("internal_error"), Order::Body("no".to_owned())]);
    results.push(invite(server, "ana@example.com").await);
    until("five questions", async || {
        pass(server, 7_200_000).await;
        (slack.asked().len() >= 5).then_some(())
    })
    .await;
    found(server, "ana@example.com", "U012AB3CD").await;
    slack.error(TOKEN, Some("token_revoked"));
    results.push(invite(server, "bo@example.com").await);
    until("the stop", async || (super::log_of(server, "slack:stopped").await.len() == 1).then_some(())).await;
    slack.error(TOKEN, None);
    results.push(connect(server, slack, &server.org, TOKEN).await);
    at_rest(server).await;
    results.push(server.ok("list_audit_events", json!({"limit": 100})).await);
    results.push(server.ok("list_users", json!({"limit": 100})).await);
    results
}

#[tokio::test]
async fn the_token_stands_in_no_log_entry_result_or_copy_of_the_database() {
    on_both(async |engine| {
        let slack = Slack::start().await;
        slack.workspace(TOKEN, TEAM, "Acme");
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().join("log");
        let traced = options(&slack).with("USHER_LOG", "trace,rmcp=trace").logged_to(&log);
        let mut server = Server::quickstart_with(engine, &traced).await;
        let mut copies = Copies::beginning(&server).await;
        let results = live(&server, &slack).await;
        copies.take(&server, "connected").await;
        done(&server, &slack, &["disconnect"]).await;
        copies.take(&server, "disconnected").await;
        server.stop().await;
        let log = std::fs::read(&log).expect("a log");
        let said = String::from_utf8_lossy(&log);
        assert!(said.contains("DEBUG") && said.contains("Slack takes this organization's token no longer"), "the log is on");
        drop(said);
        copies.places.insert("the log".into(), log);
        copies.places.insert("the results".into(), results.iter().flat_map(|result| result.to_string().into_bytes()).collect());
        // Its secret part alone opens as much.
        let secret = TOKEN.rsplit('-').next().expect("a part").as_bytes();
        let forms = [vec![secret.to_vec()], spellings(TOKEN.as_bytes()), spellings(secret)].concat();
        assert_eq!(kept(&copies.places, &forms), Vec::<String>::new());
        // The search finds what is there.
        copies.places.insert(Path::new("a file").to_owned(), TOKEN.as_bytes().to_vec());
        assert_eq!(kept(&copies.places, &forms).len(), 1);
    })
    .await;
}
