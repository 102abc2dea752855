//! The real binary, started on a free port with a database of its own.

pub mod copies;
pub mod database;
pub mod documents;
pub mod hosts;
pub mod inside;
pub mod invariants;
pub mod oidc;
pub mod slack;
pub mod smtp;

use serde_json::{Value, json};
use std::{future::Future, process::Stdio, sync::Arc, time::Duration};
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

/// A running server; it ends with this value.
pub struct Server {
    pub http: reqwest::Client,
    pub mcp_url: String,
    pub token: String,
    pub data_dir: Arc<TempDir>,
    pub engine: Engine,
    /// The slug of the organization that quickstart made.
    pub org: String,
    /// The link that it printed.
    pub sign_in_url: Option<String>,
    database: Option<String>,
    mail_dir: String,
    child: Child,
}

/// How a server is started, where a test wants it otherwise.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// More arguments, after the usual ones.
    pub arguments: Vec<String>,
    /// More environment.
    pub environment: Vec<(String, String)>,
    /// File that gets the log, behind what stands there.
    pub log: Option<std::path::PathBuf>,
    /// A program that becomes the server: its arguments end with the server's.
    pub under: Vec<String>,
    /// Where it listens; a free port if it does not matter.
    pub listen: Option<String>,
}

impl Options {
    /// With these arguments.
    pub fn arguments(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(ToString::to_string).collect(), ..Self::default() }
    }

    /// And the log into this file.
    #[must_use]
    pub fn logged_to(mut self, file: &std::path::Path) -> Self {
        self.log = Some(file.to_owned());
        self
    }

    /// And this variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
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

/// A password that the meter lets through.
pub const PASSWORD: &str = "seven brave otters paint fences";

impl Server {
    /// `usher quickstart --json` with limits off.
    pub async fn quickstart(engine: Engine) -> Self {
        Self::quickstart_with(engine, &Options::default()).await
    }

    /// The same with more arguments or environment.
    pub async fn quickstart_with(engine: Engine, options: &Options) -> Self {
        let data_dir = Arc::new(TempDir::new().expect("a folder"));
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(database::new().await),
        };
        Self::start("quickstart", engine, data_dir, database, options).await
    }

    /// One more `usher serve` process on the same database and keyring, with the same token.
    pub async fn second_node(&self, options: &Options) -> Self {
        let mut node = Self::start("serve", self.engine, Arc::clone(&self.data_dir), self.database.clone(), options).await;
        node.token.clone_from(&self.token);
        node
    }

    async fn start(command: &str, engine: Engine, data_dir: Arc<TempDir>, database: Option<String>, options: &Options) -> Self {
        // Whichever test comes first in this process.
        drop(rustls::crypto::ring::default_provider().install_default());
        let binary = [env!("CARGO_BIN_EXE_usher").to_owned()];
        let mut words = options.under.iter().chain(&binary);
        let mut program = Command::new(words.next().expect("a program"));
        program
            .args(words)
            .args([command, "--json", "--listen", options.listen.as_deref().unwrap_or("127.0.0.1:0")])
            // Limits are off by variables, so that a flag of the test's own says otherwise.
            .envs([("USHER_RESENDS", "0"), ("USHER_INVITES_PER_DAY", "0"), ("USHER_CALLS_PER_MINUTE", "0")])
            .args(&options.arguments)
            .env("USHER_DATA_DIR", data_dir.path())
            .env("USHER_LOG", "warn")
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(url) = &database {
            program.env("USHER_DATABASE_URL", url);
        }
        if let Some(file) = &options.log {
            let log = std::fs::OpenOptions::new().append(true).create(true).open(file).expect("a log file");
            program.stderr(Stdio::from(log));
        }
        let mut child = program.spawn().expect("usher starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = lines.next_line().await.expect("a line").expect("usher says where it is");
        let said: Value = serde_json::from_str(&line).expect("one line of JSON");
        // The public URL may be another node's; the address that was bound is this one's.
        let org = said["org"].as_str().unwrap_or_default().to_owned();
        let listen = said["listen"].as_str().expect("listen");
        Self {
            http: reqwest::Client::builder().cookie_store(true).build().expect("a client"),
            mcp_url: if org.is_empty() { format!("http://{listen}/mcp") } else { format!("http://{listen}/mcp/{org}") },
            token: said["token"].as_str().unwrap_or_default().to_owned(),
            mail_dir: said["mail_dir"].as_str().unwrap_or_default().to_owned(),
            data_dir,
            engine,
            org,
            sign_in_url: said["sign_in_url"].as_str().map(str::to_owned),
            database,
            child,
        }
    }

    /// `http://HOST:PORT` as bound.
    pub fn address(&self) -> String {
        self.mcp_url.split("/mcp").next().expect("an address").to_owned()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it dies");
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) {
        self.child.wait().await.expect("it ends");
    }

    /// SIGTERM, and waits for its orderly end: calls in flight finish, what was gathered is written.
    pub async fn stop(&mut self) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs");
        assert!(sent.success());
        assert!(self.child.wait().await.expect("it ends").success());
    }

    /// Starts it anew on the same database, with a new port and the same token.
    pub async fn restart(&mut self, options: &Options) {
        let node = self.second_node(options).await;
        *self = node;
    }

    /// Invites somebody, lets them join with [`PASSWORD`], makes a token for them: their id and token.
    pub async fn member(&self, email: &str, access_groups: &[&str]) -> (String, String) {
        self.member_of("User", email, access_groups).await
    }

    /// The same as an Administrator.
    pub async fn administrator(&self, email: &str) -> (String, String) {
        self.member_of("Administrator", email, &[]).await
    }

    async fn member_of(&self, role: &str, email: &str, access_groups: &[&str]) -> (String, String) {
        let invited = self
            .ok(
                "invite_user",
                json!({"email": email, "first_name": "Test", "last_name": "Person", "role": role, "access_groups": access_groups}),
            )
            .await;
        let link = self.link_to(email).await;
        assert_eq!(self.accept(&link, "Test", "Person", PASSWORD).await.status(), 200);
        (invited["user"]["id"].as_str().expect("an id").to_owned(), self.token_for(email, &[]).await)
    }

    /// A token made on the host.
    pub async fn token_for(&self, email: &str, more: &[&str]) -> String {
        let mut arguments = vec!["token", "create", "--org", &self.org, "--user", email, "--json"];
        arguments.extend(more);
        self.cli(&arguments).await["token"].as_str().expect("a token").to_owned()
    }

    /// Whether the audit chain verifies.
    pub async fn verified(&self) -> Value {
        self.cli(&["audit", "verify", "--org", &self.org, "--json"]).await
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

    /// The mails in the folder, oldest first.
    pub fn mails(&self) -> Vec<String> {
        let mut files: Vec<_> = std::fs::read_dir(&self.mail_dir)
            .map(|folder| folder.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "eml")).collect())
            .unwrap_or_default();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).expect("a mail")).collect()
    }

    /// The link of the `n`-th mail, once it lies in the folder.
    pub async fn link(&self, n: usize) -> String {
        until("the mail", async || self.mails().get(n - 1).map(|mail| link_in(mail).expect("the link stands in the text part"))).await
    }

    /// The links in the mails to this address that lie in the folder, oldest first. A notice has none.
    pub fn links_to(&self, email: &str) -> Vec<String> {
        let to = format!("<{email}>");
        let is_theirs = |mail: &&String| mail.lines().any(|line| line.starts_with("To:") && (line.contains(&to) || line.contains(email)));
        self.mails().iter().filter(is_theirs).filter_map(|mail| link_in(mail)).collect()
    }

    /// The link in the newest mail to this address, once one lies in the folder.
    pub async fn link_to(&self, email: &str) -> String {
        self.newest_link_to(email, 1).await
    }

    /// The link in the newest mail to this address, once so many with a link lie in the folder.
    pub async fn newest_link_to(&self, email: &str, mails: usize) -> String {
        until("the mails", async || {
            let mut theirs = self.links_to(email);
            if theirs.len() >= mails { theirs.pop() } else { None }
        })
        .await
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

    /// A command beside the running server; its line of JSON.
    pub async fn cli(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).await;
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// A command that must have been refused; its words on stderr.
    pub async fn cli_refused(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).await;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.stdout.is_empty(), "{words}{}", String::from_utf8_lossy(&output.stdout));
        words
    }

    async fn command(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.args(arguments).env("USHER_DATA_DIR", self.data_dir.path()).env("USHER_LOG", "warn");
        if let Some(url) = &self.database {
            command.env("USHER_DATABASE_URL", url);
        }
        command.output().await.expect("usher runs")
    }
}

fn link_in(mail: &str) -> Option<String> {
    let is_link = |line: &&str| line.starts_with("http") && (line.contains("/invite/") || line.contains("/link/"));
    mail.lines().map(str::trim).find(is_link).map(str::to_owned)
}

/// Polls until there is something; fails after half a minute.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = look().await {
            return found;
        }
        drop(tokio::time::timeout(Duration::from_millis(10), std::future::pending::<()>()).await);
    }
    panic!("{what}: not within half a minute");
}

/// Two processes on one database, each with these options: the first is quickstart's.
pub async fn two_nodes(engine: Engine, options: &Options) -> [Server; 2] {
    let first = Server::quickstart_with(engine, options).await;
    let second = first.second_node(options).await;
    [first, second]
}

/// How often a test repeats itself: `usual`, or `long` under `tests/run --long`.
pub fn rounds(usual: usize, long: usize) -> usize {
    if std::env::var_os("USHER_TEST_LONG").is_some() { long } else { usual }
}
