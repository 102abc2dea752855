//! The pages of the settings: one form and one save for each topic. No secret is ever shown back.

use super::{View, frame::Frame, when::When};
use askama::Template;
use http::StatusCode;

/// A topic, with a page of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What it is called.
    Organization,
    /// What is asked of whoever signs in.
    SigningIn,
    /// Its identity providers.
    Sso,
    /// Its Slack workspace.
    Slack,
    /// Whom it invites, and how many Administrators it has.
    Invitations,
    /// How long personal tokens live.
    Tokens,
    /// What can be given to people.
    Permissions,
}

impl Section {
    /// Every topic, in the order of the pages.
    pub const ALL: [Self; 7] =
        [Self::Organization, Self::SigningIn, Self::Sso, Self::Slack, Self::Invitations, Self::Tokens, Self::Permissions];

    /// Path below the base.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Organization => "/settings",
            Self::SigningIn => "/settings/sign-in",
            Self::Sso => "/settings/sso",
            Self::Slack => "/settings/slack",
            Self::Invitations => "/settings/invitations",
            Self::Tokens => "/settings/ai-tools",
            Self::Permissions => "/settings/permissions",
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Organization => "Organization",
            Self::SigningIn => "Signing in",
            Self::Sso => "Single sign-on",
            Self::Slack => "Slack",
            Self::Invitations => "Invitations and limits",
            Self::Tokens => "AI tools",
            Self::Permissions => "Permission catalogue",
        }
    }
}

/// Why something was not saved.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// Name of the field as posted; any other name stands above the form.
    pub field: &'static str,
    /// What is wrong and what to do; never what was typed.
    pub message: String,
    /// Whether somebody else saved meanwhile.
    pub conflict: bool,
}

/// What every page of the settings has beside its frame.
#[derive(Debug, Clone, Copy)]
pub struct Top<'a> {
    /// The topic.
    pub here: Section,
    /// What was just done.
    pub said: Option<&'a str>,
    /// Why it was not.
    pub trouble: Option<&'a Trouble>,
}

impl Top<'_> {
    /// That of a page which belongs to a topic, and says by itself what was done or not.
    #[must_use]
    pub fn of(here: Section) -> Self {
        Self { here, said: None, trouble: None }
    }

    pub(super) fn error(&self, field: &str) -> Option<&str> {
        self.trouble.filter(|trouble| trouble.field == field).map(|trouble| trouble.message.as_str())
    }

    /// Status of the page: 200, 409 where somebody else saved meanwhile, else 422.
    fn status(&self) -> StatusCode {
        match self.trouble {
            None => StatusCode::OK,
            Some(trouble) if trouble.conflict => StatusCode::CONFLICT,
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// Whether the person who looks may save.
#[derive(Debug, Clone, Copy)]
pub struct Save {
    /// Whether they may.
    pub may: bool,
    /// Why not, or not yet.
    pub note: Option<&'static str>,
}

/// `GET /settings`: what the organization is called.
#[derive(Debug, Template)]
#[template(path = "settings_organization.html")]
pub struct OrganizationPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// Whether it can be saved.
    pub save: Save,
    /// The name as typed.
    pub name: &'a str,
    /// The name as it is.
    pub seen: &'a str,
    /// The slug.
    pub slug: &'a str,
    /// Where AI tools connect.
    pub mcp_url: &'a str,
}

/// A choice with what it means.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// The value.
    pub value: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// What it means.
    pub means: &'static str,
}

/// `GET /settings/sign-in`: what is asked of whoever signs in.
#[derive(Debug, Template)]
#[template(path = "settings_sign_in.html")]
pub struct SigningInPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// Whether it can be saved.
    pub save: Save,
    /// The settings as they are, which the form carries.
    pub seen: &'a str,
    /// Who must show a second factor, as typed.
    pub second_factor: &'a str,
    /// Whether a mailed link signs in, as typed.
    pub magic_links: bool,
    /// What becomes of mailed links, in a sentence.
    pub links: &'a str,
    /// Whether the person who looks has no second factor themselves.
    pub has_none: bool,
    /// Whether they may reset those of others, and passwords.
    pub may_reset: bool,
}

impl SigningInPage<'_> {
    const CHOICES: [Choice; 3] = [
        Choice { value: "nobody", name: "Nobody must", means: "Whoever has set one up is asked for it." },
        Choice {
            value: "administrators",
            name: "Administrators must",
            means: "They set one up at their next click, before anything else.",
        },
        Choice { value: "everybody", name: "Everybody must", means: "So does everybody." },
    ];
}

/// `GET /settings/invitations`: whom the organization invites, and how many Administrators it has.
#[derive(Debug, Template)]
#[template(path = "settings_invitations.html")]
pub struct InvitationsPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// Whether it can be saved.
    pub save: Save,
    /// The settings as they are, which the form carries.
    pub seen: &'a str,
    /// The domains as typed.
    pub domains: &'a str,
    /// Whether others are refused, as typed.
    pub refuses: bool,
    /// The bound as typed; empty for none.
    pub most_administrators: &'a str,
    /// How many Administrators there are, for whoever may know.
    pub administrators: Option<i64>,
    /// What whoever runs the server decided: what it is, how much, by which flag.
    pub limits: &'a [(&'static str, String, &'static str)],
}

/// `GET /settings/ai-tools`: how long personal tokens live.
#[derive(Debug, Template)]
#[template(path = "settings_tokens.html")]
pub struct TokensPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// Whether it can be saved.
    pub save: Save,
    /// The settings as they are, which the form carries.
    pub seen: &'a str,
    /// Most days of a token, as typed.
    pub days: &'a str,
    /// Days where its maker says nothing.
    pub usual: u32,
}

/// A connection to a provider.
#[derive(Debug, Clone)]
pub struct Connected {
    /// Id of the connection.
    pub id: String,
    /// What people read on the button.
    pub name: String,
    /// The issuer.
    pub issuer: String,
    /// The tenants that count there; empty where the issuer is one tenant's own.
    pub tenants: String,
    /// The registration at the provider.
    pub client_id: String,
    /// Whether an address counts that the provider does not call verified.
    pub trusts_unverified_email: bool,
    /// What must be registered there.
    pub redirect_uri: String,
    /// Since when.
    pub since: When,
}

/// A new connection as typed, without its secret.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct NewProvider {
    /// `google`, `microsoft` or `other`.
    pub preset: String,
    /// The issuer, of any other provider.
    pub issuer: String,
    /// The tenants, of Microsoft.
    pub tenants: String,
    /// What people read on the button.
    pub name: String,
    /// The registration at the provider.
    pub client_id: String,
    /// Whether an address counts that the provider does not call verified.
    pub trust_unverified_email: Option<String>,
}

impl NewProvider {
    const PRESETS: [Choice; 3] = [
        Choice { value: "google", name: "Google", means: "Google accounts and Workspace." },
        Choice { value: "microsoft", name: "Microsoft", means: "Entra ID, of the tenants that you name below." },
        Choice { value: "other", name: "Any other OpenID Connect provider", means: "By its issuer, as it writes it itself." },
    ];

    fn chosen(&self) -> &str {
        if self.preset.is_empty() { "google" } else { &self.preset }
    }
}

/// `GET /settings/sso`: the identity providers, and whether they are the only way in.
#[derive(Debug, Template)]
#[template(path = "settings_sso.html")]
pub struct SsoPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// Whether it can be saved.
    pub save: Save,
    /// The connections.
    pub connections: &'a [Connected],
    /// Whether they are the only way in.
    pub required: bool,
    /// Whether an Administrator came in through a connection as it is now.
    pub proven: bool,
    /// Whether one has a password for the day on which the provider is broken.
    pub break_glass: bool,
    /// Active people whom no connection opens yet.
    pub not_linked: i64,
    /// Addresses of the first of them, where they may be seen.
    pub first: &'a [String],
    /// A new connection as typed.
    pub typed: &'a NewProvider,
    /// What must be registered at the provider that was typed, if that was asked.
    pub address: Option<&'a str>,
}

impl SsoPage<'_> {
    /// How many of those who are not linked are not named.
    fn unnamed(&self) -> i64 {
        self.not_linked.saturating_sub(i64::try_from(self.first.len()).unwrap_or(i64::MAX))
    }
}

/// `GET /settings/sso/{id}`: one connection.
#[derive(Debug, Template)]
#[template(path = "settings_provider.html")]
pub struct ProviderPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// Whether it can be saved.
    pub save: Save,
    /// The connection.
    pub connection: &'a Connected,
    /// Which registration it is, which the form carries.
    pub seen: &'a str,
    /// The client id as typed.
    pub client_id: &'a str,
    /// Whether single sign-on is required.
    pub required: bool,
}

/// `GET /settings/sso/{id}/remove`: what ends with a connection.
#[derive(Debug, Template)]
#[template(path = "settings_provider_remove.html")]
pub struct RemoveProviderPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// The connection.
    pub connection: &'a Connected,
    /// Whether it is the only one.
    pub last: bool,
    /// Whether single sign-on is required.
    pub required: bool,
}

/// How a connection to Slack fares.
#[derive(Debug, Clone)]
pub enum SlackState {
    /// It works.
    Working,
    /// Slack wants to be left alone until then.
    Held(When),
    /// Slack takes the token no longer: since when, and why with what to do.
    Refused(Option<When>, &'static str),
}

/// A connected workspace.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: When,
    /// How it fares.
    pub state: SlackState,
    /// How many people wait to be looked up.
    pub waiting: i64,
}

/// `GET /settings/slack`.
#[derive(Debug, Template)]
#[template(path = "settings_slack.html")]
pub struct SlackPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// Whether it can be saved.
    pub save: Save,
    /// The workspace, if one is connected.
    pub workspace: Option<&'a Workspace>,
    /// Which token it is, which the form carries.
    pub seen: &'a str,
}

/// `GET /settings/slack/disconnect`: what ends with the connection.
#[derive(Debug, Template)]
#[template(path = "settings_slack_disconnect.html")]
pub struct DisconnectPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// The workspace.
    pub workspace: &'a Workspace,
}

/// A permission of the catalogue.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it lets a person do.
    pub description: String,
    /// Whether it gives power over people, access, audit or settings.
    pub privileged: bool,
    /// Whose it is.
    pub source: &'static str,
    /// Names of the access groups that give it, for whoever may know of them.
    pub groups: Vec<String>,
    /// How many more give it than are named.
    pub more_groups: u64,
}

/// `GET /settings/permissions`: what can be given to people.
#[derive(Debug, Template)]
#[template(path = "settings_permissions.html")]
pub struct PermissionsPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// The catalogue.
    pub permissions: &'a [Listed],
    /// Whether the person who looks may know of access groups.
    pub knows_groups: bool,
}

macro_rules! status_of_top {
    ($($page:ident),*) => {
        $(impl View for $page<'_> {
            fn status(&self) -> StatusCode {
                self.top.status()
            }
        })*
    };
}

status_of_top!(
    OrganizationPage,
    SigningInPage,
    InvitationsPage,
    TokensPage,
    SsoPage,
    ProviderPage,
    RemoveProviderPage,
    SlackPage,
    DisconnectPage,
    PermissionsPage
);
