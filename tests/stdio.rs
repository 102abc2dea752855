//! `usher stdio`: the same server over standard input and output, for as long as its token is alive.

use crate::common::{Server, hosts, on_both, until};
use serde_json::{Value, json};
use std::process::{ExitStatus, Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A bridge under way, as its host sees it.
struct Bridge {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Bridge {
    /// Beside a running server, with this token, if any.
    fn start(server: &Server, token: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.arg("stdio").env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_LOG", "warn");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        if let Some(url) = server.database_url() {
            command.env("USHER_DATABASE_URL", url);
        }
        if let Some(token) = token {
            command.env("USHER_TOKEN", token);
        }
        let mut child = command.spawn().expect("usher starts");
        let output = BufReader::new(child.stdout.take().expect("stdout")).lines();
        Self { input: child.stdin.take().expect("stdin"), output, child }
    }

    async fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.expect("it reads");
    }

    /// The next line, which must be JSON-RPC; nothing once there is none any more.
    async fn hear(&mut self) -> Option<Value> {
        let line = self.output.next_line().await.expect("a line")?;
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert_eq!(said["jsonrpc"], "2.0", "{line}");
        Some(said)
    }

    /// A request and its answer.
    async fn ask(&mut self, id: i64, method: &str, params: Value) -> Value {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()).await;
        let said = self.hear().await.expect("an answer");
        assert_eq!(said["id"], id, "{said}");
        said
    }

    async fn call(&mut self, id: i64, tool: &str, arguments: Value) -> Value {
        self.ask(id, "tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Closes its input and waits for its end: how it ended, what else it said, and its words on stderr.
    async fn ended(self) -> (ExitStatus, Vec<String>, String) {
        let Self { mut child, input, mut output } = self;
        drop(input);
        let mut rest = Vec::new();
        while let Some(line) = output.next_line().await.expect("a line") {
            rest.push(line);
        }
        let mut words = String::new();
        child.stderr.take().expect("stderr").read_to_string(&mut words).await.expect("text");
        (child.wait().await.expect("it ends"), rest, words)
    }
}

const META: &str = "io.modelcontextprotocol";

/// What each request of the stateless era says of itself.
fn modern() -> Value {
    json!({
        (format!("{META}/protocolVersion")): "2026-07-28",
        (format!("{META}/clientCapabilities")): {},
        (format!("{META}/clientInfo")): {"name": "a desktop host", "version": "1"},
    })
}

#[tokio::test]
async fn requirement_17_stdio_speaks_json_rpc_alone_and_stops_at_the_message_after_a_deactivation() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (ana, token) = server.member("ana@example.com", &[]).await;
        let mut bridge = Bridge::start(&server, Some(&token));
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a desktop host", "version": "1"}});
        let said = bridge.ask(1, "initialize", hello).await;
        assert_eq!(said["result"]["protocolVersion"], "2025-11-25", "{said}");
        // To what asks nothing, nothing is said.
        bridge.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        bridge.say("").await;
        let tools = bridge.ask(2, "tools/list", json!({})).await;
        assert!(tools["result"]["tools"].as_array().is_some_and(|tools| tools.iter().any(|tool| tool["name"] == "whoami")), "{tools}");
        let said = bridge.call(3, "whoami", json!({})).await;
        assert_eq!(said["result"]["structuredContent"]["user"]["email"], "ana@example.com", "{said}");
        // The other era, by the same pipe.
        let said = bridge.ask(4, "tools/call", json!({"name": "whoami", "arguments": {}, "_meta": modern()})).await;
        let client = &said["result"]["structuredContent"]["credential"]["client"];
        assert_eq!((&said["result"]["resultType"], &client["name"]), (&json!("complete"), &json!("a desktop host")), "{said}");
        // What is no message.
        for (line, code) in [("no JSON", -32700), ("[]", -32600), (r#"{"jsonrpc":"2.0","id":5,"method":"no/such"}"#, -32601)] {
            bridge.say(line).await;
            assert_eq!(bridge.hear().await.expect("an answer")["error"]["code"], code, "{line}");
        }
        bridge.say(&format!(r#"{{"jsonrpc":"2.0","id":6,"method":"ping","params":{{"x":"{}"}}}}"#, "x".repeat(300_000))).await;
        assert_eq!(bridge.hear().await.expect("an answer")["error"]["code"], 413);
        // What is refused is evidence, as over HTTP.
        let refused = bridge.call(7, "invite_user", json!({"email": "bo@example.com", "first_name": "Bo", "last_name": "Li"})).await;
        assert_eq!(refused["result"]["isError"], true, "{refused}");
        until("the entry", async || {
            let found = server.ok("list_audit_events", json!({"user": ana, "outcome": "refused"})).await;
            (found["events"][0]["surface"] == "mcp").then_some(())
        })
        .await;
        // As many at once as a host likes, each answered once.
        for id in 100..140 {
            bridge.say(&json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string()).await;
        }
        let mut ids = Vec::new();
        for _ in 100..140 {
            ids.push(bridge.hear().await.expect("an answer")["id"].as_i64().expect("an id"));
        }
        ids.sort_unstable();
        assert_eq!(ids, (100..140).collect::<Vec<i64>>());

        server.ok("deactivate_user", json!({"user": ana})).await;
        let said = bridge.call(8, "whoami", json!({})).await;
        assert_eq!((&said["error"]["code"], &said["result"]), (&json!(401), &Value::Null), "{said}");
        // It has ended although its input is still open.
        assert_eq!(bridge.hear().await, None);
        let (status, rest, words) = bridge.ended().await;
        assert!(!status.success() && rest.is_empty() && words.contains("USHER_TOKEN"), "{words}");
        assert!(!words.contains(&token), "{words}");
    })
    .await;
}

#[tokio::test]
async fn requirement_17_stdio_takes_its_identity_from_the_environment_alone() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (status, rest, words) = Bridge::start(&server, None).ended().await;
        assert!(!status.success() && rest.is_empty() && words.contains("USHER_TOKEN is not set"), "{words}");
        let mut bridge = Bridge::start(&server, Some("usher_pat_nonsense"));
        let said = bridge.ask(1, "tools/list", json!({})).await;
        assert_eq!(said["error"]["code"], 401, "{said}");
        assert!(!bridge.ended().await.0.success());
        // Whoever closes the input has what was asked before, and an orderly end.
        let mut bridge = Bridge::start(&server, Some(&server.token));
        bridge.say(r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#).await;
        let (status, rest, words) = bridge.ended().await;
        assert!(status.success() && rest.len() == 1 && words.is_empty(), "{words}");
        assert!(rest[0].contains(r#""id":9"#), "{}", rest[0]);
    })
    .await;
}

#[tokio::test]
async fn a_real_client_of_both_eras_holds_its_conversation_over_stdio() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for (mode, protocol) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
            let email = format!("{mode}@example.com");
            let said = hosts::over_stdio(&server, "python/stdio2.py", mode, &[&email, "Ana", "Ruiz"]).await;
            assert_eq!(said["protocol"], protocol, "{said}");
            assert_eq!(said["tools"].as_array().map(Vec::len), Some(20), "{mode}");
            assert_eq!(said["whoami"]["user"]["email"], "admin@example.com", "{mode}");
            // The server beside it sends what was ordered here.
            server.link_to(&email).await;
        }
    })
    .await;
}
