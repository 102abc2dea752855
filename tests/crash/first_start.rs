//! The very first start dies half way, and the next one finishes it.

use crate::common::{Engine, database, on_both};
use serde_json::{Value, json};
use std::{path::Path, process::Stdio};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Where everything is that a first start makes.
struct Place {
    folder: TempDir,
    database: Option<String>,
}

impl Place {
    fn usher(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        let folder: &Path = self.folder.path();
        command.args(arguments).args(["--json", "--listen", "127.0.0.1:0"]).env("USHER_DATA_DIR", folder).env("USHER_LOG", "off");
        if let Some(url) = &self.database {
            command.env("USHER_DATABASE_URL", url);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command
    }

    /// `usher quickstart`: the process and what it says, unless it dies before that.
    async fn quickstart(&self, plan: &str) -> Option<(Child, Value)> {
        let mut child = self.usher(&["quickstart"]).env("USHER_FAILPOINTS", plan).spawn().expect("usher starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = lines.next_line().await.expect("a line or none")?;
        Some((child, serde_json::from_str(&line).expect("one line of JSON")))
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.usher(arguments).output().await.expect("usher runs");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?} says nothing"))
    }
}

#[tokio::test]
async fn a_first_start_that_dies_half_way_is_finished_by_the_next() {
    let stride = if std::env::var_os("USHER_TEST_LONG").is_some() { 1 } else { 6 };
    on_both(async |engine| {
        let mut deaths = 0;
        for n in (1..).step_by(stride) {
            let database = match engine {
                Engine::Sqlite => None,
                Engine::Postgres => Some(database::new().await),
            };
            let place = Place { folder: TempDir::new().expect("a folder"), database };
            let survived = place.quickstart(&format!("store.statement=abort@{n}")).await;
            if survived.is_some() {
                break;
            }
            deaths += 1;
            let when = format!("{engine:?}, died at statement {n}");
            let (mut child, said) = place.quickstart("").await.unwrap_or_else(|| panic!("{when}: the next start comes up"));
            assert_eq!((&said["org"], &said["admin_email"]), (&json!("my-organization"), &json!("admin@example.com")), "{when}");
            let organizations = place.json(&["org", "list"]).await;
            assert_eq!(organizations.as_array().map(Vec::len), Some(1), "{when}");
            assert_eq!(organizations[0]["people"], 1, "{when}");
            // The organization and its token are made together. Where the first start died before it could show them, another
            // token is made on the host.
            let token = if let Value::String(token) = &said["token"] {
                token.clone()
            } else {
                let made = place.json(&["token", "create", "--org", "my-organization", "--user", "admin@example.com"]).await;
                made["token"].as_str().expect("a token").to_owned()
            };
            let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}});
            let request = reqwest::Client::new().post(said["mcp_url"].as_str().expect("a URL")).bearer_auth(token);
            let request = request.header("content-type", "application/json").header("accept", "*/*").body(call.to_string());
            let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
            let user = &answer["result"]["structuredContent"]["user"];
            assert_eq!((&user["role"], &user["status"]), (&json!("Administrator"), &json!("active")), "{when}: {answer}");
            assert_eq!(place.json(&["audit", "verify", "--org", "my-organization"]).await["ok"], true, "{when}");
            child.kill().await.expect("it dies");
        }
        assert!(deaths * stride > 20, "{engine:?}: a first start has many statements");
    })
    .await;
}
