//! What a person reads once the server answers: where it is, and what to paste where.

use serde_json::{Value, json};

/// What the words are about.
pub(super) struct Welcome<'a> {
    /// Where hosts connect.
    pub(super) mcp_url: &'a str,
    /// The token, the first time.
    pub(super) token: Option<&'a str>,
    /// A link that signs the first Administrator in, the first time.
    pub(super) sign_in_url: Option<&'a str>,
    /// How mail leaves: a sentence.
    pub(super) mail: String,
    /// Whether there is anybody who could connect.
    pub(super) organizations: bool,
}

/// What stands in Cursor's `mcp.json`.
fn cursor(mcp_url: &str, token: &str) -> Value {
    json!({"mcpServers": {"usher": {"url": mcp_url, "headers": {"Authorization": format!("Bearer {token}")}}}})
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

impl Welcome<'_> {
    /// The words.
    pub(super) fn words(&self) -> String {
        let Self { mcp_url, mail, .. } = self;
        let Some(token) = self.token else {
            let next = if self.organizations {
                "A person's token: usher token create --org SLUG --user EMAIL"
            } else {
                "There is no organization yet: usher org create --help"
            };
            return format!("usher serves {mcp_url}\n{mail}\n{next}");
        };
        let sign_in = self
            .sign_in_url
            .map(|url| format!("\n\nYour page in a browser; this link signs you in once, within 10 minutes:\n\n  {url}"))
            .unwrap_or_default();
        let (cursor, vscode) = (pretty(&cursor(mcp_url, token)), pretty(&vscode(mcp_url)));
        format!(
            "usher serves {mcp_url}
{mail}

Your token, shown this once:

  {token}{sign_in}

Claude Code, in a terminal:

  claude mcp add --transport http usher {mcp_url} --header 'Authorization: Bearer {token}'

Cursor, in ~/.cursor/mcp.json:

{cursor}

VS Code, in .vscode/mcp.json; it asks for the token:

{vscode}

Then ask: \"Invite Ana Ruiz, ana@example.com, as a User.\" Ctrl-C ends the server; `usher serve` starts it again."
        )
    }
}
