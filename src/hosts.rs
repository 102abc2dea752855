//! What to paste into which AI tool so that it connects. What quickstart prints and what the pages show is this text, and the tests
//! hold `examples/` and the README to it.

use serde_json::{Value, json};

/// One tool that takes a token, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// What it is called.
    pub name: &'static str,
    /// Two letters for its mark.
    pub mark: &'static str,
    /// Where the text goes.
    pub place: &'static str,
    /// What happens then that nobody would expect.
    pub then: Option<&'static str>,
    /// What to paste.
    pub text: String,
}

/// How a text names the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// By itself, for a text that is seen once.
    Itself(&'a str),
    /// By the variable [`VARIABLE`], for a text that is kept.
    Variable,
}

/// The variable in which configurations look for the token.
pub const VARIABLE: &str = "USHER_TOKEN";

impl Token<'_> {
    /// The header, where a variable stands between a dollar sign with this prefix and braces.
    fn header(self, prefix: &str) -> String {
        match self {
            Self::Itself(token) => format!("Bearer {token}"),
            Self::Variable => format!("Bearer ${{{prefix}{VARIABLE}}}"),
        }
    }
}

/// The line for a terminal after which Claude Code knows the server.
fn claude_code(mcp_url: &str, token: Token<'_>) -> String {
    format!("claude mcp add --transport http usher {mcp_url} --header 'Authorization: {}'", token.header(""))
}

/// What stands in Cursor's `mcp.json`.
fn cursor(mcp_url: &str, token: Token<'_>) -> Value {
    json!({"mcpServers": {"usher": {"url": mcp_url, "headers": {"Authorization": token.header("env:")}}}})
}

/// What stands in VS Code's `mcp.json`, a file that projects share: it asks for the token, and keeps it elsewhere.
fn vscode(mcp_url: &str) -> Value {
    json!({
        "inputs": [{"type": "promptString", "id": "usher-token", "description": "usher token", "password": true}],
        "servers": {"usher": {"type": "http", "url": mcp_url, "headers": {"Authorization": "Bearer ${input:usher-token}"}}},
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Every tool that takes a token, for this MCP URL.
#[must_use]
pub fn all(mcp_url: &str, token: Token<'_>) -> [Host; 3] {
    [
        Host { name: "Claude Code", mark: "Cl", place: "a terminal", then: None, text: claude_code(mcp_url, token) },
        Host { name: "Cursor", mark: "Cu", place: "~/.cursor/mcp.json", then: None, text: pretty(&cursor(mcp_url, token)) },
        Host {
            name: "VS Code",
            mark: "VS",
            place: ".vscode/mcp.json",
            then: Some("it asks for the token"),
            text: pretty(&vscode(mcp_url)),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://usher.example.com/mcp/larkspur";

    #[test]
    fn a_text_that_is_kept_holds_no_token() {
        let [claude, cursor, vscode] = all(URL, Token::Variable).map(|host| host.text);
        assert!(claude.ends_with(" --header 'Authorization: Bearer ${USHER_TOKEN}'"), "{claude}");
        assert!(cursor.contains("\"Bearer ${env:USHER_TOKEN}\""), "{cursor}");
        assert!(vscode.contains("\"Bearer ${input:usher-token}\""), "{vscode}");
    }

    #[test]
    fn projects_share_the_file_of_vs_code_so_the_token_never_stands_in_it() {
        let [claude, cursor, vscode] = all(URL, Token::Itself("usher_pat_x")).map(|host| host.text);
        assert!(claude.contains("usher_pat_x") && cursor.contains("usher_pat_x") && !vscode.contains("usher_pat_x"));
        assert!([claude, cursor, vscode].iter().all(|text| text.contains(URL)));
    }
}
