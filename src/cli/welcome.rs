//! What a person reads once the server answers: where it is, and what to paste where.

use crate::hosts::{self, Host, Token};

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

/// What goes where, with a heading.
fn paragraph(host: &Host) -> String {
    let Host { name, place, text, .. } = host;
    let then = host.then.map(|then| format!("; {then}")).unwrap_or_default();
    // A command is set apart, as one's own text is; what is a file stands as it will stand there.
    let margin = if text.contains('\n') { "" } else { "  " };
    format!("{name}, in {place}{then}:\n\n{margin}{text}\n\n")
}

impl Welcome<'_> {
    /// The words.
    pub(super) fn words(&self) -> String {
        let Self { mcp_url, mail, .. } = self;
        let Some(token) = self.token else {
            let next = if self.organizations {
                "A person's token: on their own page, or usher token create --org SLUG --user EMAIL"
            } else {
                "There is no organization yet: usher org create --help"
            };
            return format!("usher serves {mcp_url}\n{mail}\n{next}");
        };
        let sign_in = self
            .sign_in_url
            .map(|url| format!("\n\nYour page in a browser; this link signs you in once, within 10 minutes:\n\n  {url}"))
            .unwrap_or_default();
        let hosts: String = hosts::all(mcp_url, Token::Itself(token)).iter().map(paragraph).collect();
        format!(
            "usher serves {mcp_url}
{mail}

Your token, shown this once:

  {token}{sign_in}

{hosts}Then ask: \"Invite Ana Ruiz, ana@example.com, as a User.\" Ctrl-C ends the server; `usher serve` starts it again."
        )
    }
}
