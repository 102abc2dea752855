//! What stands in `examples/` and in the README connects, and so does what quickstart prints.

use crate::common::{Engine, PASSWORD, Server, hosts, on_both};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Where the examples say the server is: quickstart's default.
const ADDRESS: &str = "http://127.0.0.1:8080";

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed(path: &str) -> Value {
    serde_json::from_str(&file(path)).expect(path)
}

/// A server as a host finds it in its configuration.
struct Entry {
    url: String,
    token: String,
}

/// Replaces `${…}` as a host does: by the value under what stands between the braces. An unknown one fails.
fn expanded(text: &str, values: &HashMap<String, String>) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').expect("a closing brace");
        whole = whole + values.get(name).unwrap_or_else(|| panic!("a host would find nothing under {name}")) + rest;
    }
    whole
}

/// The entry `usher` under `key`, with its one header.
fn entry(configuration: &Value, key: &str, values: &HashMap<String, String>) -> Entry {
    let servers = configuration[key].as_object().expect(key);
    assert_eq!(servers.keys().collect::<Vec<_>>(), ["usher"]);
    let headers = servers["usher"]["headers"].as_object().expect("headers");
    assert_eq!(headers.keys().collect::<Vec<_>>(), ["Authorization"]);
    let authorization = expanded(headers["Authorization"].as_str().expect("a text"), values);
    Entry {
        url: expanded(servers["usher"]["url"].as_str().expect("a URL"), values),
        token: authorization.strip_prefix("Bearer ").expect("a bearer").to_owned(),
    }
}

/// Claude Code: variables of its own environment. Without `type` it takes a server for a program to start.
fn claude_code(configuration: &Value, token: &str) -> Entry {
    assert_eq!(configuration["mcpServers"]["usher"]["type"], "http");
    entry(configuration, "mcpServers", &HashMap::from([("USHER_TOKEN".to_owned(), token.to_owned())]))
}

/// Cursor: variables with a prefix.
fn cursor(configuration: &Value, token: &str) -> Entry {
    entry(configuration, "mcpServers", &HashMap::from([("env:USHER_TOKEN".to_owned(), token.to_owned())]))
}

/// VS Code: asks for each input once, and keeps what was typed.
fn vscode(configuration: &Value, token: &str) -> Entry {
    assert_eq!(configuration["servers"]["usher"]["type"], "http");
    let inputs = configuration["inputs"].as_array().expect("inputs");
    let typed = inputs.iter().map(|input| {
        assert_eq!((&input["type"], &input["password"]), (&json!("promptString"), &json!(true)));
        (format!("input:{}", input["id"].as_str().expect("an id")), token.to_owned())
    });
    entry(configuration, "servers", &typed.collect())
}

/// Holds a conversation with exactly this address and token.
async fn connects(found: &Entry, interpreter: &str, program: &str, arguments: &[&str]) {
    let said = hosts::converse_at(&found.url, &found.token, interpreter, program, arguments).await;
    assert_eq!(said["tools"].as_array().map(Vec::len), Some(20), "{program}");
    assert_eq!(said["whoami"]["user"]["email"], "admin@example.com", "{program}");
}

/// Each entry with the client library nearest to its host's own.
async fn all_connect([claude_code, cursor, vscode]: [&Entry; 3]) {
    connects(claude_code, "USHER_TEST_NODE22", "node/client2.mjs", &["auto", "claude@example.com", "Claude", "Code"]).await;
    connects(cursor, "USHER_TEST_NODE22", "node/sdk1.mjs", &["cursor@example.com", "Cursor", "Code"]).await;
    connects(vscode, "USHER_TEST_PY_MCP2", "python/mcp2.py", &["legacy", "vscode@example.com", "Vs", "Code"]).await;
}

#[tokio::test]
async fn every_host_configuration_connects() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let at = |path: &str| -> Value {
            // Only the port differs: every test has its own.
            let text = file(path);
            assert!(text.contains(ADDRESS), "{path}");
            serde_json::from_str(&text.replace(ADDRESS, &server.address())).expect(path)
        };
        let claude_code = claude_code(&at("examples/claude-code/.mcp.json"), &server.token);
        let cursor = cursor(&at("examples/cursor/mcp.json"), &server.token);
        let vscode = vscode(&at("examples/vscode/mcp.json"), &server.token);
        for entry in [&claude_code, &cursor, &vscode] {
            assert_eq!(entry.url, server.mcp_url);
        }
        all_connect([&claude_code, &cursor, &vscode]).await;
    })
    .await;
}

#[tokio::test]
async fn the_inspector_example_lists_the_tools() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let folder = tempfile::TempDir::new().expect("a folder");
        let script = folder.path().join("list-tools");
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/inspector/list-tools"), &script).expect("the script");
        let configuration = file("examples/inspector/mcp.json").replace(ADDRESS, &server.address());
        std::fs::write(folder.path().join("mcp.json"), configuration).expect("the configuration");
        let inspector = format!(
            "{} {}/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
            hosts::variable("USHER_TEST_NODE22"),
            hosts::variable("USHER_TEST_NODE_PREFIX")
        );
        let output = Command::new(script)
            .env("INSPECTOR", inspector)
            .env("USHER_TOKEN", &server.token)
            .env("HOME", folder.path())
            .output()
            .await
            .expect("the script runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(said["tools"].as_array().map(Vec::len), Some(20), "{said}");
    })
    .await;
}

/// `cargo test --no-run` builds the examples with the tests, beside the folder of the test programs, and `tests/run` begins with it.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("this program");
    let program = tests.ancestors().nth(2).expect("the folder of the build").join("examples").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
    let time = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    assert!(time(&program) >= time(&source), "{name} is not built as it is now: `cargo test --no-run` builds it, with the same flags");
    program
}

#[tokio::test]
async fn the_rust_client_takes_somebody_on_and_waits_until_they_joined() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.ok("create_access_group", json!({"name": "Support", "permissions": ["users:read"]})).await;
        let program = example("onboard");
        let onboard = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.args(arguments).env("USHER_URL", &server.mcp_url).env("USHER_TOKEN", &server.token).kill_on_drop(true);
            command
        };
        let waiting = onboard(&["ana@example.com", "Ana", "Ruiz", "Support", "users:read"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let link = server.link_to("ana@example.com").await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        let output = waiting.wait_with_output().await.expect("the example ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).lines().collect::<Vec<_>>(),
            ["ana@example.com is pending; the mail is folder", "ana@example.com has joined as User", "users:read: yes"]
        );

        let again = onboard(&["ana@example.com", "Ana", "Ruiz", "Support", "users:invite"]).output().await.expect("the example runs");
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        let said = String::from_utf8_lossy(&again.stdout).into_owned();
        assert!(said.ends_with("ana@example.com has joined as User\nusers:invite: no\n"), "{said}");

        let refused = onboard(&["bo@example.com", "Bo", "Li", "No such group"]).output().await.expect("the example runs");
        assert!(!refused.status.success());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("access_group_not_found"), "{said}");
    })
    .await;
}

/// `usher quickstart` as a person starts it, and everything it says up to its last line.
async fn said_to_a_person(folder: &Path, database: Option<&str>) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(["quickstart", "--listen", "127.0.0.1:0", "--log", "warn"]).env("USHER_DATA_DIR", folder);
    if let Some(url) = database {
        command.env("USHER_DATABASE_URL", url);
    }
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("usher starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut whole = String::new();
    while let Some(line) = lines.next_line().await.expect("a line") {
        whole = whole + &line + "\n";
        if line.starts_with("Then ask:") {
            return (child, whole);
        }
    }
    panic!("usher ended early: {whole}");
}

/// The JSON that follows the line beginning with `heading`.
fn snippet(said: &str, heading: &str) -> Value {
    let (_, after) = said.split_once(&format!("\n{heading}")).unwrap_or_else(|| panic!("{heading}: {said}"));
    let start = after.find('{').expect("an object");
    let mut values = serde_json::Deserializer::from_str(&after[start..]).into_iter::<Value>();
    values.next().expect("an object").expect("JSON")
}

/// The line after which `claude` knows the server: its address and the value of its header.
fn claude_line(text: &str) -> Entry {
    let line = text.lines().map(str::trim).find(|line| line.starts_with("claude mcp add ")).expect("the line for Claude Code");
    let (url, header) = line
        .strip_prefix("claude mcp add --transport http usher ")
        .and_then(|rest| rest.split_once(" --header "))
        .expect("transport, name, address, header");
    let header = header.trim_matches(['\'', '"']).strip_prefix("Authorization: Bearer ").expect("a bearer");
    Entry { url: url.to_owned(), token: header.to_owned() }
}

#[tokio::test]
async fn what_quickstart_prints_connects_and_has_the_form_of_the_examples() {
    on_both(async |engine| {
        let folder = tempfile::TempDir::new().expect("a folder");
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(crate::common::database::new().await),
        };
        let (_child, said) = said_to_a_person(folder.path(), database.as_deref()).await;
        let url = said.strip_prefix("usher serves ").and_then(|rest| rest.lines().next()).expect("the MCP URL").to_owned();
        let token = said.lines().map(str::trim).find(|line| line.starts_with("usher_pat_")).expect("the token").to_owned();
        let address = url.split("/mcp").next().expect("an address");

        let claude = claude_line(&said);
        assert_eq!((&claude.url, &claude.token), (&url, &token));
        let (for_cursor, for_vscode) = (snippet(&said, "Cursor"), snippet(&said, "VS Code"));
        let as_in_example = |value: &Value, hidden: &str| -> Value {
            serde_json::from_str(&value.to_string().replace(address, ADDRESS).replace(&token, hidden)).expect("JSON")
        };
        assert_eq!(as_in_example(&for_cursor, "${env:USHER_TOKEN}"), parsed("examples/cursor/mcp.json"));
        assert_eq!(as_in_example(&for_vscode, ""), parsed("examples/vscode/mcp.json"));
        assert!(!for_vscode.to_string().contains(&token), "projects share that file");
        all_connect([&claude, &cursor(&for_cursor, &token), &vscode(&for_vscode, &token)]).await;
    })
    .await;
}

/// The fenced blocks of one language in a document.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_readme_shows_the_examples() {
    let readme = file("README.md");
    let shown: Vec<Value> = blocks(&readme, "json").iter().map(|block| serde_json::from_str(block).expect("JSON")).collect();
    for path in ["examples/claude-code/.mcp.json", "examples/cursor/mcp.json", "examples/vscode/mcp.json"] {
        assert!(shown.contains(&parsed(path)), "README.md does not show {path} as it is");
    }
    let claude = claude_line(&readme);
    assert_eq!((claude.url, claude.token), (format!("{ADDRESS}/mcp/my-organization"), "${USHER_TOKEN}".to_owned()));
}

#[test]
fn what_the_documents_point_at_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/performance.md", "examples/README.md"]
    {
        let text = file(document);
        let folder = root.join(document).parent().expect("a folder").to_owned();
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                assert!(folder.join(target).exists(), "{document} points at {target}");
            }
        }
        let named =
            text.split('`').skip(1).step_by(2).filter(|code| ["src/", "tests/", "tools/"].iter().any(|place| code.starts_with(place)));
        for place in named.filter(|code| !code.contains([' ', '{', '*']) && *code == code.to_lowercase()) {
            assert!(root.join(place).exists(), "{document} names {place}");
        }
    }
}
