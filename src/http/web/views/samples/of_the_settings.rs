//! The pages of the settings.

use super::super::{
    frame::{Frame, Place},
    render,
    settings::{
        Connected, DisconnectPage, InvitationsPage, Listed, NewProvider, OrganizationPage, PermissionsPage, ProviderPage,
        RemoveProviderPage, Save, Section, SigningInPage, SlackPage, SlackState, SsoPage, TokensPage, Top, Trouble, Workspace,
    },
};
use super::{HOSTILE, LONG_ADDRESS, Page, frame, moment};

const MAY: Save = Save { may: true, note: None };
const STALE: Save = Save {
    may: true,
    note: Some("You signed in longer than 10 minutes ago: sign in again in another tab of this browser before you save here."),
};
const MAY_NOT: Save = Save { may: false, note: Some("Only Administrators change this.") };

/// What went wrong with a form of the settings.
fn trouble(field: &'static str) -> Trouble {
    Trouble { field, message: format!("This is not so: {HOSTILE}."), conflict: field == "form" }
}

fn top<'a>(here: Section, said: Option<&'a str>, trouble: Option<&'a Trouble>) -> Top<'a> {
    Top { here, said, trouble }
}

/// The pages of the settings on which an organization decides, named.
fn deciding(frame: &Frame) -> Vec<(String, Page)> {
    let limits = [("Invites a day", "1000, of which 200 by one person".to_owned(), "--invites-per-day")];
    let organization = |save, said, trouble: Option<&Trouble>| {
        let (name, seen, slug, mcp_url) = (HOSTILE, HOSTILE, "larkspur-freight", "https://usher.larkspur.example/mcp/larkspur-freight");
        render(&OrganizationPage { frame, top: top(Section::Organization, said, trouble), save, name, seen, slug, mcp_url })
    };
    let signing_in = |save: Save, trouble: Option<&Trouble>| {
        render(&SigningInPage {
            frame,
            top: top(Section::SigningIn, None, trouble),
            save,
            seen: "{}",
            second_factor: "administrators",
            magic_links: save.may,
            links: HOSTILE,
            has_none: true,
            may_reset: save.may,
        })
    };
    let invitations = |save, trouble: Option<&Trouble>| {
        render(&InvitationsPage {
            frame,
            top: top(Section::Invitations, None, trouble),
            save,
            seen: "{}",
            domains: HOSTILE,
            refuses: true,
            most_administrators: "3",
            administrators: Some(1),
            limits: &limits,
        })
    };
    let tokens = |save, trouble: Option<&Trouble>| {
        render(&TokensPage { frame, top: top(Section::Tokens, None, trouble), save, seen: "{}", days: "30", usual: 30 })
    };
    let listed = |name: &str, privileged, groups: &[&str]| Listed {
        name: name.to_owned(),
        description: HOSTILE.to_owned(),
        privileged,
        source: "usher",
        groups: groups.iter().map(ToString::to_string).collect(),
        more_groups: if groups.is_empty() { 0 } else { 83 },
    };
    let permissions = [listed("users:read", false, &[HOSTILE, "Support"]), listed("settings:update", true, &[])];
    let catalogue = |knows_groups| {
        render(&PermissionsPage { frame, top: top(Section::Permissions, None, None), permissions: &permissions, knows_groups })
    };
    [
        ("organization", organization(MAY, Some("It is saved."), None)),
        ("organization-wrong", organization(MAY, None, Some(&trouble("name")))),
        ("organization-conflict", organization(MAY, None, Some(&trouble("form")))),
        ("organization-read", organization(MAY_NOT, None, None)),
        ("sign_in", signing_in(STALE, None)),
        ("sign_in-conflict", signing_in(MAY, Some(&trouble("form")))),
        ("sign_in-read", signing_in(MAY_NOT, None)),
        ("invitations", invitations(MAY, None)),
        ("invitations-domains", invitations(MAY, Some(&trouble("invite_domains")))),
        ("invitations-other", invitations(STALE, Some(&trouble("other_domains")))),
        ("invitations-most", invitations(STALE, Some(&trouble("most_administrators")))),
        ("invitations-read", invitations(MAY_NOT, None)),
        ("tokens", tokens(MAY, None)),
        ("tokens-wrong", tokens(MAY, Some(&trouble("most_token_days")))),
        ("tokens-read", tokens(MAY_NOT, None)),
        ("permissions", catalogue(true)),
        ("permissions-alone", catalogue(false)),
    ]
    .map(|(name, page)| (format!("settings_{name}"), page))
    .to_vec()
}

/// The pages of the settings about others' services, named.
fn connecting(frame: &Frame) -> Vec<(String, Page)> {
    let connection = Connected {
        id: "01990b1c-7e1a-7000-8000-000000000001".to_owned(),
        name: HOSTILE.to_owned(),
        issuer: "https://login.microsoftonline.com/organizations/v2.0".to_owned(),
        tenants: "72f988bf-86f1-41af-91ab-2d7cd011db47".to_owned(),
        client_id: HOSTILE.to_owned(),
        trusts_unverified_email: true,
        redirect_uri: "https://usher.larkspur.example/sign-in/sso/callback/larkspur-freight-89a8000a68d759c6".to_owned(),
        since: moment(),
    };
    let connections = [connection.clone(), connection.clone()];
    let typed =
        NewProvider { preset: "other".to_owned(), issuer: HOSTILE.to_owned(), client_id: HOSTILE.to_owned(), ..NewProvider::default() };
    let sso = |save, connections: &[Connected], required: bool, address: Option<&str>, trouble: Option<&Trouble>| {
        let first = if required { vec![] } else { vec![LONG_ADDRESS.to_owned(), HOSTILE.to_owned()] };
        let (proven, break_glass, not_linked, first) = (required, required, if required { 0 } else { 3 }, &first);
        let (top, typed) = (top(Section::Sso, None, trouble), &typed);
        render(&SsoPage { frame, top, save, connections, required, proven, break_glass, not_linked, first, typed, address })
    };
    let provider = |save, required: bool, trouble: Option<&Trouble>| {
        let (top, connection) = (top(Section::Sso, Some("The provider answers as itself."), trouble), &connection);
        render(&ProviderPage { frame, top, save, connection, seen: "0123", client_id: HOSTILE, required })
    };
    let removal = |required: bool, trouble: Option<&Trouble>| {
        render(&RemoveProviderPage { frame, top: top(Section::Sso, None, trouble), connection: &connection, last: required, required })
    };
    let workspace = |state, waiting| Workspace { id: "T012AB3C4".to_owned(), name: HOSTILE.to_owned(), since: moment(), state, waiting };
    let slack = |save, workspace: Option<&Workspace>, trouble: Option<&Trouble>| {
        render(&SlackPage { frame, top: top(Section::Slack, None, trouble), save, workspace, seen: "0123" })
    };
    let refused = SlackState::Refused(Some(moment()), "the token was revoked: install the app again");
    let working = workspace(SlackState::Working, 0);
    [
        ("sso", sso(MAY, &[], false, None, None)),
        ("sso-address", sso(MAY, &connections, false, Some("https://usher.larkspur.example/sign-in/sso/callback/x"), None)),
        ("sso-required", sso(STALE, &connections, true, None, Some(&trouble("form")))),
        ("sso-wrong", sso(MAY, &[], false, None, Some(&trouble("client_secret")))),
        ("sso-read", sso(MAY_NOT, &connections, false, None, None)),
        ("provider", provider(MAY, true, None)),
        ("provider-wrong", provider(STALE, false, Some(&trouble("client_id")))),
        ("provider-read", provider(MAY_NOT, false, None)),
        ("provider_remove", removal(false, None)),
        ("provider_remove-refused", removal(true, Some(&trouble("remove")))),
        ("slack", slack(MAY, None, None)),
        ("slack-wrong", slack(MAY, None, Some(&trouble("token")))),
        ("slack-working", slack(MAY, Some(&working), None)),
        ("slack-held", slack(MAY, Some(&workspace(SlackState::Held(moment()), 1)), None)),
        ("slack-refused", slack(MAY, Some(&workspace(refused, 2)), None)),
        ("slack-read", slack(MAY_NOT, Some(&working), None)),
        ("slack_disconnect", render(&DisconnectPage { frame, top: top(Section::Slack, None, None), workspace: &working })),
    ]
    .map(|(name, page)| (format!("settings_{name}"), page))
    .to_vec()
}

/// All of them, named.
pub(super) fn every() -> Vec<(String, Page)> {
    let mut frame = frame(&Place::ALL);
    frame.here = Some(Place::Settings);
    deciding(&frame).into_iter().chain(connecting(&frame)).collect()
}
