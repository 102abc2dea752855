//! The real binary, started on a free port with a database of its own.

pub mod hosts;

use serde_json::{Value, json};
use std::{
    future::Future,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// The two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Runs a test on SQLite and on PostgreSQL; a missing PostgreSQL fails it.
pub async fn on_both(test: impl AsyncFn(Engine)) {
    drop(rustls::crypto::ring::default_provider().install_default());
    test(Engine::Sqlite).await;
    test(Engine::Postgres).await;
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

async fn new_database() -> String {
    let admin = std::env::var("USHER_TEST_POSTGRES_URL").expect("USHER_TEST_POSTGRES_URL names a PostgreSQL: tests/run starts one");
    let name = format!("usher_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    let (base, _) = admin.rsplit_once('/').expect("an address with a database");
    let pool = sqlx::PgPool::connect(&admin).await.expect("PostgreSQL answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.expect("a new database");
    pool.close().await;
    format!("{base}/{name}")
}

/// A running server; it ends with this value.
pub struct Server {
    pub http: reqwest::Client,
    pub mcp_url: String,
    pub token: String,
    pub data_dir: TempDir,
    database: Option<String>,
    mail_dir: String,
    _child: Child,
}

/// A tool call's answer.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The result of a call that must have gone through.
    pub fn structured(&self) -> Value {
        assert_ne!(self.body["result"]["isError"], true, "{}", self.body);
        let structured = self.body["result"]["structuredContent"].clone();
        let text: Value = serde_json::from_str(self.body["result"]["content"][0]["text"].as_str().expect("text")).expect("JSON");
        assert_eq!(structured, text, "text and structured content say the same");
        structured
    }

    /// The error body of a call that must have been refused.
    pub fn error(&self) -> Value {
        assert_eq!(self.body["result"]["isError"], true, "{}", self.body);
        assert!(self.body["result"]["structuredContent"].is_null());
        serde_json::from_str(self.body["result"]["content"][0]["text"].as_str().expect("text")).expect("JSON")
    }
}

impl Server {
    /// `usher quickstart --json` with limits off.
    pub async fn quickstart(engine: Engine) -> Self {
        let data_dir = TempDir::new().expect("a folder");
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(new_database().await),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command
            .args([
                "quickstart",
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--resends",
                "0",
                "--invites-per-day",
                "0",
                "--calls-per-minute",
                "0",
            ])
            .env("USHER_DATA_DIR", data_dir.path())
            .env("USHER_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(url) = &database {
            command.env("USHER_DATABASE_URL", url);
        }
        let mut child = command.spawn().expect("usher starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = lines.next_line().await.expect("a line").expect("quickstart says where it is");
        let said: Value = serde_json::from_str(&line).expect("one line of JSON");
        Self {
            http: reqwest::Client::builder().cookie_store(true).build().expect("a client"),
            mcp_url: said["mcp_url"].as_str().expect("mcp_url").to_owned(),
            token: said["token"].as_str().expect("token").to_owned(),
            mail_dir: said["mail_dir"].as_str().expect("mail_dir").to_owned(),
            data_dir,
            database,
            _child: child,
        }
    }

    fn post(&self, token: &str, message: &Value) -> reqwest::RequestBuilder {
        self.http
            .post(&self.mcp_url)
            .bearer_auth(token)
            .header("content-type", "application/json")
            .header("accept", "*/*")
            .body(message.to_string())
    }

    /// A tool call that owns everything it needs.
    pub fn request(&self, token: &str, tool: &str, arguments: &Value) -> impl Future<Output = Answer> + Send + 'static + use<> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
        let request = self.post(token, &message);
        async move {
            let response = request.send().await.expect("an answer");
            let status = response.status().as_u16();
            let text = response.text().await.expect("a body");
            Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
        }
    }

    /// Calls a tool with a token.
    pub async fn call(&self, token: &str, tool: &str, arguments: Value) -> Answer {
        self.request(token, tool, &arguments).await
    }

    /// Calls a tool as the Administrator; it must go through.
    pub async fn ok(&self, tool: &str, arguments: Value) -> Value {
        self.call(&self.token, tool, arguments).await.structured()
    }

    /// Calls a tool as the Administrator; it must be refused.
    pub async fn refused(&self, tool: &str, arguments: Value) -> Value {
        self.call(&self.token, tool, arguments).await.error()
    }

    /// Names in `tools/list`.
    pub async fn tools(&self, token: &str) -> Vec<String> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let body: Value =
            serde_json::from_str(&self.post(token, &message).send().await.expect("an answer").text().await.expect("a body")).expect("JSON");
        body["result"]["tools"].as_array().expect("tools").iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// The link of the `n`-th mail, once it lies in the folder.
    pub async fn link(&self, n: usize) -> String {
        for _ in 0..500 {
            let mut mails: Vec<_> = std::fs::read_dir(&self.mail_dir)
                .map(|folder| {
                    folder.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "eml")).collect()
                })
                .unwrap_or_default();
            mails.sort();
            if mails.len() >= n {
                let mail = std::fs::read_to_string(&mails[n - 1]).expect("a mail");
                let link = mail.lines().map(str::trim).find(|line| line.starts_with("http://") && line.contains("/invite/"));
                return link.expect("the link stands in the text part").to_owned();
            }
            // Polls a condition: the mail worker's file.
            drop(tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await);
        }
        panic!("mail {n} did not come");
    }

    /// Opens the link and sends the form.
    pub async fn accept(&self, link: &str, first: &str, last: &str, password: &str) -> reqwest::Response {
        let opened = self.http.get(link).send().await.expect("a page");
        let place = opened.url().clone();
        self.http
            .post(place)
            .form(&[("first_name", first), ("last_name", last), ("password", password), ("do", "join")])
            .send()
            .await
            .expect("an answer")
    }

    /// Runs one statement on the database itself, as somebody who got hold of it; whether it was let through.
    pub async fn tamper(&self, sql: &'static str) -> bool {
        if let Some(url) = &self.database {
            let pool = sqlx::PgPool::connect(url).await.expect("PostgreSQL answers");
            let done = sqlx::query(sql).execute(&pool).await.is_ok();
            pool.close().await;
            done
        } else {
            let file = format!("sqlite://{}", self.data_dir.path().join("usher.db").display());
            let pool = sqlx::SqlitePool::connect(&file).await.expect("SQLite opens");
            let done = sqlx::query(sql).execute(&pool).await.is_ok();
            pool.close().await;
            done
        }
    }

    /// A command beside the running server; its line of JSON.
    pub async fn cli(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.args(arguments).env("USHER_DATA_DIR", self.data_dir.path()).env("USHER_LOG", "warn");
        if let Some(url) = &self.database {
            command.env("USHER_DATABASE_URL", url);
        }
        let output = command.output().await.expect("usher runs");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }
}
