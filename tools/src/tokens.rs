//! By what AI tools and other programs act as people: seeing it, and ending it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClientRef, Effect, Needs, Tool, bounds};

words! {
    /// By what a program acts as a person.
    pub enum CredentialKind {
        /// A personal MCP token, which its owner pasted somewhere.
        Token = "token",
        /// A connection that its owner consented to in the browser.
        OAuth = "oauth",
    }
}

/// Something by which programs act as a person; never its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Credential {
    /// Its id; not a secret.
    pub id: String,
    /// token: a personal MCP token; oauth: an AI tool that its owner connected in the browser.
    pub kind: CredentialKind,
    /// What its owner called it; null where it has no name of its own.
    pub label: Option<String>,
    /// The program that uses it, where known.
    pub client: Option<ClientRef>,
    /// Its scopes: read, or read and write.
    pub scopes: Vec<String>,
    /// Whose it is: the id of the person as whom it acts.
    pub user_id: String,
    /// That person's email; null where the caller may not see other people.
    pub email: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ends by itself.
    pub expires_at: String,
    /// When it was last used, to the minute; null where it never was.
    pub last_used_at: Option<String>,
    /// When it was ended; null while it works.
    pub ended_at: Option<String>,
}

/// How much of what programs act by was ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AiAccessEnded {
    /// MCP tokens.
    pub mcp_tokens: u64,
    /// Grants to AI hosts.
    pub oauth_grants: u64,
}

/// `end_ai_access`: ends everything by which programs act as a person.
#[derive(Debug, Clone, Copy)]
pub struct EndAiAccess;

impl Tool for EndAiAccess {
    const NAME: &'static str = "end_ai_access";
    const TITLE: &'static str = "End AI access";
    const DESCRIPTION: &'static str = "Ends at once everything by which AI tools and other programs act as one person: their MCP tokens and connected clients. The person stays active, can still sign in and can connect a tool anew; to shut somebody out use deactivate_user, to end a single token or connection revoke_mcp_token. Needs mcp_tokens:revoke; for yourself nothing, and then this very connection ends too; for an Administrator an Administrator. Answers ended, the number of each.";
    const EFFECT: Effect = Effect::Write { destructive: true, idempotent: true, open_world: false };
    const NEEDS: Needs = Needs::PermissionUnlessSelf("mcp_tokens:revoke");
    type Params = EndAiAccessParams;
    type Output = EndAiAccessOutput;
}

write_params! {
    /// Arguments of [`EndAiAccess`].
    pub struct EndAiAccessParams {
        /// The one person whose AI access ends: an id or an email.
        #[schemars(length(min = 1, max = bounds::USER))]
        pub user: String,
    }
}

/// Result of [`EndAiAccess`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndAiAccessOutput {
    /// How much of each was ended.
    pub ended: AiAccessEnded,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}

/// `list_mcp_tokens`: by what programs act as people now, page by page.
#[derive(Debug, Clone, Copy)]
pub struct ListMcpTokens;

impl Tool for ListMcpTokens {
    const NAME: &'static str = "list_mcp_tokens";
    const TITLE: &'static str = "List MCP tokens";
    const DESCRIPTION: &'static str = "Lists the MCP tokens and connected clients by which AI tools and other programs can act as people now, newest first, never their secrets, page by page: pass next_cursor as cursor, with the same user, until it is null. Needs mcp_tokens:read; for yourself nothing. Without user it lists those of everybody, or, where you lack the permission, your own. Answers credentials and next_cursor. End one with revoke_mcp_token, all of one person's with end_ai_access.";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Needs = Needs::PermissionUnlessSelf("mcp_tokens:read");
    type Params = ListMcpTokensParams;
    type Output = ListMcpTokensOutput;
}

/// Arguments of [`ListMcpTokens`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListMcpTokensParams {
    /// Only this person's: an id or an email.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::USER))]
    pub user: Option<String>,
    /// Tokens and connections on a page, 1 to 100; 25 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = bounds::PAGE), extend("default" = bounds::DEFAULT_PAGE))]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CURSOR))]
    pub cursor: Option<String>,
}

/// Result of [`ListMcpTokens`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListMcpTokensOutput {
    /// The tokens and connections on this page; all of them work now.
    pub credentials: Vec<Credential>,
    /// Gives the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// `revoke_mcp_token`: ends one token or connection.
#[derive(Debug, Clone, Copy)]
pub struct RevokeMcpToken;

impl Tool for RevokeMcpToken {
    const NAME: &'static str = "revoke_mcp_token";
    const TITLE: &'static str = "Revoke MCP token";
    const DESCRIPTION: &'static str = "Ends one MCP token or connected client at once: its next call is not let in any more. It cannot be undone; its owner can make a new one. Needs mcp_tokens:revoke; for your own nothing; for an Administrator's an Administrator. Answers credential. Find the id with list_mcp_tokens; to end all of one person's use end_ai_access.";
    const EFFECT: Effect = Effect::Write { destructive: true, idempotent: true, open_world: false };
    const NEEDS: Needs = Needs::PermissionUnlessSelf("mcp_tokens:revoke");
    type Params = RevokeMcpTokenParams;
    type Output = RevokeMcpTokenOutput;
}

write_params! {
    /// Arguments of [`RevokeMcpToken`].
    pub struct RevokeMcpTokenParams {
        /// The id of the token or connection; never its secret.
        #[schemars(length(min = 1, max = bounds::CREDENTIAL))]
        pub id: String,
    }
}

/// Result of [`RevokeMcpToken`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevokeMcpTokenOutput {
    /// What was ended.
    pub credential: Credential,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}
