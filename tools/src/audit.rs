//! The audit log: who did what to whom, through which program, and how it ended. Names stay as they were (B24).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClientRef, Effect, Needs, Tool, bounds};

words! {
    /// The way by which an actor reached the product.
    pub enum Surface {
        /// The web pages.
        Web = "web",
        /// An MCP tool.
        Mcp = "mcp",
        /// The HTTP API.
        Api = "api",
        /// The command line on the host.
        Cli = "cli",
        /// The server itself.
        System = "system",
    }
}

words! {
    /// What kind of actor it was.
    pub enum ActorKind {
        /// A person.
        User = "user",
        /// Somebody at the command line on the host.
        Cli = "cli",
        /// The server itself, in a named task.
        System = "system",
    }
}

words! {
    /// How an action ended.
    pub enum Outcome {
        /// It happened.
        Done = "done",
        /// It was not allowed.
        Refused = "refused",
        /// It was allowed and went wrong.
        Failed = "failed",
    }
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditActor {
    /// The person's id; null for cli and system.
    pub user_id: Option<String>,
    /// The name at that time; null when erased.
    pub name: Option<String>,
    /// What kind of actor it was.
    pub kind: ActorKind,
}

/// The credential with which an actor acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditCredential {
    /// The credential's id; not a secret.
    pub id: String,
    /// What kind of credential it is.
    pub kind: String,
    /// The label at that time; null when erased or never given.
    pub label: Option<String>,
}

/// What was acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditTarget {
    /// What kind of thing it is, such as user or `access_group`.
    pub kind: String,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// Its name at that time; null when erased.
    pub name: Option<String>,
}

/// One field before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditChange {
    /// The field's name.
    pub field: String,
    /// What it was; null when there was nothing or it was erased.
    pub before: Option<String>,
    /// What it became; null when there is nothing or it was erased.
    pub after: Option<String>,
}

/// An entry of the audit log. Names are those of its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEvent {
    /// The entry's id.
    pub id: String,
    /// Its place in the organization's chain, counted without gaps.
    pub sequence: i64,
    /// When it happened.
    pub at: String,
    /// Who acted.
    pub actor: AuditActor,
    /// With which credential; null without one.
    pub credential: Option<AuditCredential>,
    /// Through which program; null where unknown.
    pub client: Option<ClientRef>,
    /// By which way.
    pub surface: Surface,
    /// By which tool; null where none was called.
    pub tool: Option<String>,
    /// The permission that the action is named after, or such as `invite:accepted`, `token:created`.
    pub action: String,
    /// What was acted on; null where nothing in particular was.
    pub target: Option<AuditTarget>,
    /// How it ended.
    pub outcome: Outcome,
    /// The error code of a refusal or failure.
    pub code: Option<String>,
    /// The reason that the caller gave.
    pub reason: Option<String>,
    /// What changed, field by field.
    pub changes: Vec<AuditChange>,
    /// How many equal refusals this entry stands for; 1 for a single event.
    pub repeated: u64,
    /// Names the request in the server's log.
    pub request_id: Option<String>,
}

/// `list_audit_events`: the audit log, newest first, page by page.
#[derive(Debug, Clone, Copy)]
pub struct ListAuditEvents;

impl Tool for ListAuditEvents {
    const NAME: &'static str = "list_audit_events";
    const TITLE: &'static str = "List audit events";
    const DESCRIPTION: &'static str = "Lists entries of the audit log, newest first, with filters that all must hold, page by page: pass next_cursor as cursor, with the same filters, until it is null. Shows who did what to whom, through which program, what changed and what was refused; names are those of the time. Needs audit_log:read. Answers events and next_cursor.";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Needs = Needs::Permission("audit_log:read");
    type Params = ListAuditEventsParams;
    type Output = ListAuditEventsOutput;
}

/// Arguments of [`ListAuditEvents`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAuditEventsParams {
    /// Only entries by or about this person: an id or an email.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::USER))]
    pub user: Option<String>,
    /// Only this action, such as `users:invite` or `invite:accepted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::ACTION))]
    pub action: Option<String>,
    /// Only what came this way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surface: Option<Surface>,
    /// Only what came through the program of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CLIENT))]
    pub client: Option<String>,
    /// Only what ended this way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Only from this time on, RFC 3339, such as 2026-11-25T00:00:00Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::TIME))]
    pub from: Option<String>,
    /// Only before this time, RFC 3339, such as 2026-11-26T00:00:00Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::TIME))]
    pub to: Option<String>,
    /// Entries on a page, 1 to 100; 25 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = bounds::PAGE), extend("default" = bounds::DEFAULT_PAGE))]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CURSOR))]
    pub cursor: Option<String>,
}

/// Result of [`ListAuditEvents`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListAuditEventsOutput {
    /// The entries on this page, newest first.
    pub events: Vec<AuditEvent>,
    /// Gives the next page; null on the last one.
    pub next_cursor: Option<String>,
}
