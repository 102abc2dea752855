//! Real MCP clients, as `tests/run` installed them; an absent one fails.

use super::Server;
use serde_json::Value;
use std::path::PathBuf;
use tokio::process::Command;

/// What `tests/run` says of a client.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: tests/run installs the clients and sets it"))
}

/// Runs one client program against the server; what it says of its conversation.
pub async fn converse(server: &Server, interpreter: &str, program: &str, arguments: &[&str]) -> Value {
    converse_at(&server.mcp_url, &server.token, interpreter, program, arguments).await
}

/// The same with an address and a token from elsewhere, such as a host's configuration.
pub async fn converse_at(url: &str, token: &str, interpreter: &str, program: &str, arguments: &[&str]) -> Value {
    said(client(interpreter, program).args(arguments).env("USHER_URL", url).env("USHER_TOKEN", token)).await
}

/// The same with a program that starts `usher stdio` itself, as the Administrator.
pub async fn over_stdio(server: &Server, program: &str, mode: &str, arguments: &[&str]) -> Value {
    let mut command = client("USHER_TEST_PY_MCP2", program);
    command.args([mode, env!("CARGO_BIN_EXE_usher")]).args(arguments);
    command.env("USHER_TOKEN", &server.token).env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_LOG", "warn");
    if let Some(url) = server.database_url() {
        command.env("USHER_DATABASE_URL", url);
    }
    said(&mut command).await
}

/// Runs a program that needs no server; what it says.
pub async fn alone(interpreter: &str, program: &str, arguments: &[&str]) -> Value {
    said(client(interpreter, program).args(arguments)).await
}

fn client(interpreter: &str, program: &str) -> Command {
    let mut command = Command::new(variable(interpreter));
    command.arg(PathBuf::from(variable("USHER_TEST_HOSTS")).join(program));
    command
}

async fn said(command: &mut Command) -> Value {
    let output = command.output().await.expect("the client runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one object")
}

/// Runs a wrapper script with the MCP URL and the token; what it says on stderr.
pub async fn script(server: &Server, name: &str) -> String {
    let program = PathBuf::from(variable("USHER_TEST_HOSTS")).join(name);
    let output = Command::new(program).args([&server.mcp_url, &server.token]).output().await.expect("the script runs");
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stderr).into_owned()
}
