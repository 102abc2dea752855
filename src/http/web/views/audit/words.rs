//! The sentence of each action, done and refused.

use super::{At, Detail, Line, Mark, Part, Via, Words};
use crate::{
    domain::{Timestamp, builtin},
    http::web::views::{capitalized, hue, initials},
};
use std::borrow::Cow;
use usher_tools::{ActorKind, AuditChange, AuditEvent, ErrorCode, Outcome, Surface};

/// An entry as a line; `at` is when it was written.
#[must_use]
pub fn line(event: &AuditEvent, at: Timestamp) -> Line {
    Line {
        sequence: event.sequence,
        at: At::new(at),
        mark: mark(event),
        via: via(event),
        sentence: sentence(event),
        no: !is_done(event),
        why: reason(event).into_iter().chain(why(event)).collect(),
        details: details(event, at),
    }
}

/// The actions by which a log can be narrowed, under headings: each by its name in the log, and in words.
pub const ACTIONS: [(&str, &[(&str, &str)]); 7] = [
    (
        "People",
        &[
            (builtin::USERS_INVITE, "Invites"),
            ("invite:accepted", "Joining"),
            (builtin::USERS_UPDATE, "Names, roles and Slack IDs"),
            (builtin::USERS_DEACTIVATE, "Deactivating and reactivating"),
            (builtin::USERS_READ, "Reading the roster"),
            ("users:exported", "Roster taken away as a file"),
        ],
    ),
    (
        "Access groups",
        &[
            (builtin::ACCESS_GROUPS_CREATE, "New access groups"),
            (builtin::ACCESS_GROUPS_UPDATE, "Changes of access groups"),
            (builtin::ACCESS_GROUPS_DELETE, "Deleted access groups"),
            (builtin::ACCESS_GROUPS_ASSIGN, "Who is in access groups"),
            (builtin::ACCESS_GROUPS_READ, "Reading access groups"),
        ],
    ),
    (
        "Signing in",
        &[
            ("sign_in:password", "By password"),
            ("sign_in:link", "By mailed link"),
            ("sign_in:link_sent", "Mailed links"),
            ("sign_in:sso", "Through single sign-on"),
            ("sign_in:invite", "After joining"),
            ("sign_in:operator_link", "By a link from the host"),
            ("sign_in:operator_link_made", "Links made on the host"),
            ("session:ended", "Ended sessions"),
            ("identity:linked", "Linked identities"),
            ("identity:link_sent", "Mails that confirm identities"),
            ("identity:unlinked", "Unlinked identities"),
        ],
    ),
    (
        "Passwords and second factors",
        &[
            ("password:set", "New passwords"),
            ("password:reset_sent", "Mailed resets"),
            ("password:reset_started", "Resets started for somebody"),
            ("second_factor:begun", "Second factors begun"),
            ("second_factor:confirmed", "Second factors set up"),
            ("second_factor:passed", "Codes shown"),
            ("second_factor:removed", "Second factors removed"),
            ("second_factor:reset", "Second factors reset"),
        ],
    ),
    (
        "Tokens and AI tools",
        &[
            ("token:created", "New tokens"),
            ("token:revoked", "Ended tokens"),
            ("ai_access:ended", "Ended AI access"),
            (builtin::MCP_TOKENS_READ, "Reading tokens of others"),
            (builtin::MCP_TOKENS_REVOKE, "Ending tokens of others"),
        ],
    ),
    (
        "Organization",
        &[
            (builtin::SETTINGS_UPDATE, "Settings"),
            (builtin::SETTINGS_READ, "Reading settings"),
            ("organization:created", "Its making"),
            ("organization:changed", "Its name, suspending and resuming"),
            ("sso:connected", "Identity providers connected"),
            ("sso:relinked", "Identity providers renewed"),
            ("sso:removed", "Identity providers disconnected"),
            ("sso:required", "Single sign-on required or not"),
            ("slack:asked", "Look-ups in Slack"),
            ("slack:found", "People found in Slack"),
            ("slack:failed", "Look-ups given up"),
            ("slack:stopped", "Tokens that Slack refused"),
            ("mail:failed", "Mails given up"),
        ],
    ),
    (
        "Audit log",
        &[
            (builtin::AUDIT_LOG_EXPORT, "Exports"),
            (builtin::AUDIT_LOG_READ, "Reading it"),
            ("refused:several", "Refusals counted together"),
        ],
    ),
];

const ERASED: &str = "a person whose data was erased";

fn name(text: &str) -> Words {
    Words::of(Part::Name(text.to_owned()))
}

fn code(text: &str) -> Words {
    Words::of(Part::Code(text.to_owned()))
}

fn is_done(event: &AuditEvent) -> bool {
    match event.outcome {
        Outcome::Done => true,
        Outcome::Refused | Outcome::Failed => false,
    }
}

/// Whether nobody is known: the server acts for whoever stands at the door.
fn is_at_the_door(event: &AuditEvent) -> bool {
    event.actor.kind == ActorKind::System
        && event.outcome == Outcome::Refused
        && ["sign_in:", "invite:", "identity:"].iter().any(|ways| event.action.starts_with(ways))
}

fn mark(event: &AuditEvent) -> Mark {
    match (event.actor.kind, &event.actor.name) {
        (ActorKind::User, Some(name)) => {
            Mark::Person { initials: initials(name), hue: hue(event.actor.user_id.as_deref().unwrap_or_default()) }
        }
        (ActorKind::User, None) => Mark::Unknown,
        (ActorKind::Cli, _) => Mark::Program(">_"),
        (ActorKind::System, _) if is_at_the_door(event) => Mark::Unknown,
        (ActorKind::System, _) => Mark::Program("us"),
    }
}

/// Who acted, as a sentence begins with them.
fn actor(event: &AuditEvent) -> Words {
    Words::of(match (event.actor.kind, &event.actor.name) {
        (ActorKind::User, Some(name)) => Part::Name(name.clone()),
        (ActorKind::User, None) => Part::Erased("A person whose data was erased"),
        (ActorKind::Cli, _) => Part::Actor("The operator of this server"),
        (ActorKind::System, _) if is_at_the_door(event) => Part::Actor("Somebody at the door"),
        (ActorKind::System, _) if event.outcome == Outcome::Refused => Part::Actor("Several people"),
        (ActorKind::System, _) => Part::Actor("usher"),
    })
}

fn via(event: &AuditEvent) -> Option<Via> {
    match (&event.client, event.surface) {
        (Some(client), Surface::Web | Surface::Mcp | Surface::Api | Surface::Cli | Surface::System) => {
            let name = client.name.clone()?;
            Some(if client.verified { Via::Verified(name) } else { Via::Claimed(name) })
        }
        (None, Surface::Mcp) => Some(Via::Unnamed("an AI tool")),
        (None, Surface::Api) => Some(Via::Unnamed("the API")),
        (None, Surface::Web | Surface::Cli | Surface::System) => None,
    }
}

/// What changed, by the names of its fields.
fn changed<'a>(event: &'a AuditEvent, field: &'a str) -> impl Iterator<Item = &'a AuditChange> {
    event.changes.iter().filter(move |change| change.field == field)
}

fn after<'a>(event: &'a AuditEvent, field: &'a str) -> Option<&'a str> {
    changed(event, field).find_map(|change| change.after.as_deref())
}

fn before<'a>(event: &'a AuditEvent, field: &'a str) -> Option<&'a str> {
    changed(event, field).find_map(|change| change.before.as_deref())
}

fn has(event: &AuditEvent, field: &str) -> bool {
    changed(event, field).next().is_some()
}

fn all_after(event: &AuditEvent, field: &str) -> Vec<String> {
    changed(event, field).filter_map(|change| change.after.clone()).collect()
}

fn all_before(event: &AuditEvent, field: &str) -> Vec<String> {
    changed(event, field).filter_map(|change| change.before.clone()).collect()
}

/// `1 member`, `2 members`.
fn count(number: &str, one: &str) -> String {
    if number == "1" { format!("1 {one}") } else { format!("{number} {one}s") }
}

fn is_about(event: &AuditEvent, kind: &str) -> bool {
    event.target.as_ref().is_some_and(|target| target.kind == kind)
}

fn target_name(event: &AuditEvent) -> Option<&str> {
    event.target.as_ref()?.name.as_deref()
}

fn is_about_themselves(event: &AuditEvent) -> bool {
    let target = event.target.as_ref().filter(|target| target.kind == "user").and_then(|target| target.id.as_deref());
    target.is_some() && target == event.actor.user_id.as_deref()
}

/// The person that it is about. A refusal may have named nobody, or somebody whose name then is not known.
fn person(event: &AuditEvent) -> Words {
    if is_about_themselves(event) {
        return Words::text("themselves");
    }
    match (target_name(event), event.outcome) {
        (Some(text), _) if is_about(event, "user") => name(text),
        (None, Outcome::Done | Outcome::Failed) if is_about(event, "user") => Words::of(Part::Erased(ERASED)),
        (Some(_) | None, Outcome::Done | Outcome::Refused | Outcome::Failed) => Words::text("somebody"),
    }
}

fn group(event: &AuditEvent) -> Words {
    match target_name(event) {
        Some(text) if is_about(event, "access_group") => Words::text("the access group").then(name(text)),
        Some(_) | None => Words::text("an access group"),
    }
}

fn token(event: &AuditEvent) -> Words {
    match target_name(event) {
        Some(text) if is_about(event, "credential") => Words::text("the token").then(name(text)),
        Some(_) | None => Words::text("a token"),
    }
}

fn names(texts: &[String]) -> Words {
    Words::list(texts.iter().map(|text| name(text)).collect())
}

/// Permissions by name, or how many they are.
fn permissions(names: &[String]) -> Words {
    const NAMED: usize = 3;
    if names.len() > NAMED {
        return Words::text(format!("{} permissions", names.len()));
    }
    Words::list(names.iter().map(|name| code(name)).collect())
}

/// Who did what, or was refused what.
pub(super) fn sentence(event: &AuditEvent) -> Words {
    let actor = actor(event);
    match event.outcome {
        Outcome::Done | Outcome::Failed => actor.then(done(event).unwrap_or_else(|| unknown("did", event))),
        Outcome::Refused => {
            let was = if matches!(actor.parts().next(), Some(Part::Actor("Several people"))) { "were" } else { "was" };
            let tried = tried(event).unwrap_or_else(|| unknown("do", event));
            let often = (event.repeated > 1).then(|| format!(", {} times", event.repeated));
            let refused = actor.and(format!("{was} refused:")).then(tried);
            often.into_iter().fold(refused, Words::and)
        }
    }
}

/// An action of a later version.
fn unknown(verb: &'static str, event: &AuditEvent) -> Words {
    Words::text(verb).and("something that this version has no words for:").then(code(&event.action))
}

/// What somebody did, after their name.
fn done(event: &AuditEvent) -> Option<Words> {
    let own = is_about_themselves(event);
    Some(match event.action.as_str() {
        builtin::USERS_INVITE if has(event, "invite_generation") => Words::text("sent").then(person(event)).and("a new invite"),
        builtin::USERS_INVITE => invited(event),
        builtin::USERS_UPDATE => updated(event),
        builtin::USERS_DEACTIVATE => switched(event),
        builtin::ACCESS_GROUPS_CREATE => Words::text("made").then(group(event)),
        builtin::ACCESS_GROUPS_UPDATE => regrouped(event),
        builtin::ACCESS_GROUPS_DELETE => {
            let members = before(event, "members").map(|members| format!(", which had {}", count(members, "member")));
            members.into_iter().fold(Words::text("deleted").then(group(event)), Words::and)
        }
        builtin::ACCESS_GROUPS_ASSIGN => moved(event),
        builtin::AUDIT_LOG_EXPORT => {
            let form = match after(event, "format") {
                Some("csv") => " as CSV",
                Some("jsonl") => " as JSON Lines",
                Some(_) | None => "",
            };
            Words::text(format!("exported the audit log{form}"))
        }
        builtin::SETTINGS_UPDATE => settings(event),
        "users:exported" => Words::text("took the roster away as a file"),
        "invite:accepted" => joined(event),
        "sign_in" => Words::text("signed in"),
        "sign_in:password" => Words::text("signed in with a password"),
        "sign_in:link" => Words::text("signed in with a mailed link"),
        "sign_in:operator_link" => Words::text("signed in with a link that was made on the host"),
        "sign_in:sso" => Words::text("signed in through single sign-on"),
        "sign_in:invite" => Words::text("was signed in after joining"),
        "sign_in:link_sent" => Words::text("mailed").then(person(event)).and("a link to sign in"),
        "sign_in:operator_link_made" => Words::text("made a link to sign in for").then(person(event)),
        "link:made" => Words::text("made a link for").then(person(event)),
        "session:ended" => {
            let ended = after(event, "sessions_ended").map_or_else(|| "sessions".to_owned(), |ended| count(ended, "session"));
            Words::text(format!("ended {ended} of their own"))
        }
        "password:set" => Words::text("chose a new password"),
        "password:reset_sent" => Words::text("mailed").then(person(event)).and("a link to choose a new password"),
        "password:reset_started" => Words::text("started a password reset for").then(person(event)),
        "identity:link_sent" => Words::text("mailed").then(person(event)).and("a link to confirm a way to sign in"),
        "identity:linked" => Words::text("linked a sign-in at the identity provider to their account"),
        "identity:unlinked" => Words::text("took a sign-in at the identity provider off their account"),
        "second_factor:begun" => Words::text("began to set up a second factor"),
        "second_factor:confirmed" => Words::text("set up a second factor"),
        "second_factor:passed" if after(event, "shown") == Some("recovery_code") => Words::text("used a recovery code as second factor"),
        "second_factor:passed" => Words::text("showed a code of their second factor"),
        "second_factor:removed" => Words::text("took their own second factor away"),
        "second_factor:reset" if own => Words::text("took their own second factor away"),
        "second_factor:reset" => Words::text("reset the second factor of").then(person(event)),
        "token:created" => Words::text("made").then(token(event)),
        "token:revoked" => Words::text("ended").then(token(event)),
        "ai_access:ended" if own => Words::text("ended all AI access of their own"),
        "ai_access:ended" => Words::text("ended all AI access of").then(person(event)),
        "organization:created" => Words::text("made the organization, with").then(person(event)).and("as its first Administrator"),
        "organization:changed" => reorganized(event),
        "sso:connected" => Words::text("connected the identity provider").then(named(after(event, "name"))),
        "sso:relinked" => Words::text("renewed the registration at the identity provider"),
        "sso:removed" => Words::text("disconnected the identity provider").then(named(before(event, "name"))),
        "sso:required" if after(event, "sso_required") == Some("true") => Words::text("made single sign-on the only way in"),
        "sso:required" => Words::text("let people sign in without single sign-on again"),
        "slack:asked" if is_about(event, "user") => Words::text("had").then(person(event)).and("looked up in Slack"),
        "slack:asked" => {
            let people = after(event, "look_ups").map_or_else(
                || "everybody".to_owned(),
                |people| if people == "1" { "1 person".to_owned() } else { format!("{people} people") },
            );
            Words::text(format!("had {people} looked up in Slack"))
        }
        "slack:found" => Words::text("found").then(person(event)).and("in Slack"),
        "slack:stopped" => Words::text("stopped asking Slack, which does not take the token any more"),
        "slack:failed" => Words::text("could not look up").then(person(event)).and("in Slack"),
        "mail:failed" if event.actor.kind == ActorKind::System => Words::text("could not deliver a mail to").then(person(event)),
        "mail:failed" => Words::text("noted that a mail came back from").then(person(event)),
        _ => return None,
    })
}

fn named(text: Option<&str>) -> Words {
    text.map(name).unwrap_or_default()
}

fn invited(event: &AuditEvent) -> Words {
    let mut words = Words::text("invited").then(person(event));
    if let Some(role) = after(event, "role") {
        words = words.and(format!("as {role}"));
    }
    let groups = all_after(event, "access_group");
    if groups.is_empty() { words } else { words.and("and added them to").then(names(&groups)) }
}

/// The person's name after it was changed, from what it was and the part that changed.
fn new_name(event: &AuditEvent) -> Option<String> {
    let mut full = target_name(event)?.to_owned();
    for change in changed(event, "first_name") {
        let rest = full.strip_prefix(change.before.as_deref()?)?.to_owned();
        full = format!("{}{rest}", change.after.as_deref()?);
    }
    for change in changed(event, "last_name") {
        let rest = full.strip_suffix(change.before.as_deref()?)?.to_owned();
        full = format!("{rest}{}", change.after.as_deref()?);
    }
    Some(full)
}

fn updated(event: &AuditEvent) -> Words {
    let mut deeds: Vec<Words> = Vec::new();
    let whom = |deeds: &[Words]| if deeds.is_empty() { person(event) } else { Words::text("them") };
    if has(event, "first_name") || has(event, "last_name") {
        let own = is_about_themselves(event);
        let renamed = if own { Words::text("changed their own name") } else { Words::text("renamed").then(person(event)) };
        deeds.push(match new_name(event) {
            Some(new) => renamed.and("to").then(name(&new)),
            None => renamed,
        });
    }
    match after(event, "role") {
        Some("Administrator") => deeds.push(Words::text("made").then(whom(&deeds)).and("an Administrator")),
        Some(role) => deeds.push(Words::text("made").then(whom(&deeds)).and(format!("a {role}"))),
        None => {}
    }
    if has(event, "slack_id") {
        let is_gone = before(event, "slack_id").is_some() && after(event, "slack_id").is_none();
        let verb = if is_gone { "removed the Slack ID of" } else { "set the Slack ID of" };
        deeds.push(Words::text(verb).then(whom(&deeds)));
    }
    if has(event, "slack_id_by") {
        deeds.push(Words::text("confirmed the Slack ID of").then(whom(&deeds)).and("by hand"));
    }
    if deeds.is_empty() { Words::text("changed").then(person(event)) } else { Words::list(deeds) }
}

fn switched(event: &AuditEvent) -> Words {
    match (before(event, "status"), after(event, "status")) {
        (Some("pending"), Some("deactivated")) => Words::text("withdrew the invite of").then(person(event)),
        (_, Some("pending")) => Words::text("reactivated").then(person(event)).and("and sent them a new invite"),
        (_, Some("active")) => Words::text("reactivated").then(person(event)),
        _ => Words::text("deactivated").then(person(event)),
    }
}

fn regrouped(event: &AuditEvent) -> Words {
    let mut deeds: Vec<Words> = Vec::new();
    let which = |deeds: &[Words]| if deeds.is_empty() { group(event) } else { Words::text("it") };
    if let Some(new) = after(event, "name") {
        deeds.push(Words::text("renamed").then(group(event)).and("to").then(name(new)));
    }
    if has(event, "description") {
        deeds.push(Words::text("described").then(which(&deeds)).and("anew"));
    }
    let (given, taken) = (all_after(event, "permission"), all_before(event, "permission"));
    if !given.is_empty() {
        deeds.push(Words::text("gave").then(which(&deeds)).then(permissions(&given)));
    }
    if !taken.is_empty() {
        deeds.push(Words::text("took").then(permissions(&taken)).and("from").then(which(&deeds)));
    }
    if deeds.is_empty() { Words::text("changed").then(group(event)) } else { Words::list(deeds) }
}

fn moved(event: &AuditEvent) -> Words {
    let (into, out_of) = (all_after(event, "access_group"), all_before(event, "access_group"));
    if into.is_empty() {
        Words::text("took").then(person(event)).and("out of").then(names(&out_of))
    } else {
        Words::text("added").then(person(event)).and("to").then(names(&into))
    }
}

fn settings(event: &AuditEvent) -> Words {
    if has(event, "slack_workspace") {
        return match (before(event, "slack_workspace"), after(event, "slack_workspace")) {
            (Some(_), None) => Words::text("disconnected Slack"),
            (Some(_), Some(_)) => Words::text("renewed the connection to Slack"),
            (None, _) => Words::text("connected Slack"),
        };
    }
    let fields: Vec<_> = event.changes.iter().map(|change| Words::text(field(&change.field))).collect();
    let changed = Words::text("changed the settings");
    if fields.is_empty() { changed } else { changed.and(":").then(Words::list(fields)) }
}

fn joined(event: &AuditEvent) -> Words {
    let by = if has(event, "connection_id") { "joined through single sign-on" } else { "opened the invite and set a password" };
    match new_name(event).filter(|_| has(event, "first_name") || has(event, "last_name")) {
        Some(new) => Words::text(by).and(", and corrected their name to").then(name(&new)),
        None => Words::text(by),
    }
}

fn reorganized(event: &AuditEvent) -> Words {
    match (after(event, "suspended"), after(event, "name")) {
        (Some("true"), _) => Words::text("suspended the organization"),
        (Some(_), _) => Words::text("resumed the organization"),
        (None, Some(new)) => Words::text("renamed the organization to").then(name(new)),
        (None, None) => Words::text("changed the organization"),
    }
}

/// What somebody at the door tried, and as whom where that is known.
fn as_whom(event: &AuditEvent, tried: &'static str) -> Words {
    match target_name(event) {
        Some(text) if is_about(event, "user") && !is_about_themselves(event) => Words::text(tried).and("as").then(name(text)),
        Some(_) | None => Words::text(tried),
    }
}

/// What somebody was refused, after "was refused:".
fn tried(event: &AuditEvent) -> Option<Words> {
    Some(match (event.action.as_str(), event.tool.as_deref()) {
        (builtin::USERS_READ, Some("get_user")) => Words::text("look up").then(person(event)),
        (builtin::USERS_READ, Some("check_membership")) => Words::text("look up whether").then(person(event)).and("is a member"),
        (builtin::USERS_READ, _) => Words::text("read the roster"),
        (builtin::USERS_INVITE, Some("resend_invite")) => Words::text("send").then(person(event)).and("a new invite"),
        (builtin::USERS_INVITE, _) => Words::text("invite").then(person(event)),
        (builtin::USERS_UPDATE, _) => Words::text("change").then(person(event)),
        (builtin::USERS_DEACTIVATE, Some("deactivate_user")) => Words::text("deactivate").then(person(event)),
        (builtin::USERS_DEACTIVATE, Some("reactivate_user")) => Words::text("reactivate").then(person(event)),
        (builtin::USERS_DEACTIVATE, _) => Words::text("deactivate or reactivate").then(person(event)),
        (builtin::ACCESS_GROUPS_READ, _) => Words::text("see access groups"),
        (builtin::ACCESS_GROUPS_CREATE, _) => Words::text("make an access group"),
        (builtin::ACCESS_GROUPS_UPDATE, _) => Words::text("change").then(group(event)),
        (builtin::ACCESS_GROUPS_DELETE, _) => Words::text("delete").then(group(event)),
        (builtin::ACCESS_GROUPS_ASSIGN, Some("add_to_access_group")) => Words::text("add").then(person(event)).and("to an access group"),
        (builtin::ACCESS_GROUPS_ASSIGN, Some("remove_from_access_group")) => {
            Words::text("take").then(person(event)).and("out of an access group")
        }
        (builtin::ACCESS_GROUPS_ASSIGN, _) => Words::text("change the access groups of").then(person(event)),
        (builtin::AUDIT_LOG_READ, _) => Words::text("read the audit log"),
        (builtin::AUDIT_LOG_EXPORT, _) => Words::text("export the audit log"),
        (builtin::MCP_TOKENS_READ, _) => Words::text("see the tokens and AI tools of others"),
        (builtin::MCP_TOKENS_REVOKE | "token:revoked", _) => Words::text("end").then(token(event)),
        (builtin::SETTINGS_READ, _) => Words::text("see the settings"),
        (builtin::SETTINGS_UPDATE, _) => Words::text("change the settings"),
        ("users:exported", _) => Words::text("take the roster away as a file"),
        ("invite:accepted", _) => Words::text("join with an invite"),
        ("sign_in:password", _) => as_whom(event, "sign in with a password"),
        ("sign_in" | "sign_in:link" | "sign_in:operator_link" | "sign_in:invite", _) => as_whom(event, "sign in"),
        ("sign_in:sso", _) => as_whom(event, "sign in through single sign-on"),
        ("sign_in:link_sent" | "sign_in:operator_link_made", _) => Words::text("make a link to sign in for").then(person(event)),
        ("link:made", _) => Words::text("make a link for").then(person(event)),
        ("session:ended", _) => Words::text("end sessions"),
        ("password:set", _) => Words::text("choose a new password"),
        ("password:reset_sent" | "password:reset_started", _) => Words::text("start a password reset for").then(person(event)),
        ("identity:link_sent" | "identity:linked", _) => Words::text("link a sign-in at the identity provider to an account"),
        ("identity:unlinked", _) => Words::text("take a sign-in at the identity provider off an account"),
        ("second_factor:begun" | "second_factor:confirmed", _) => Words::text("set up a second factor"),
        ("second_factor:passed", _) => Words::text("show a code of a second factor"),
        ("second_factor:removed", _) => Words::text("take their own second factor away"),
        ("second_factor:reset", _) => Words::text("reset the second factor of").then(person(event)),
        ("token:created", _) => Words::text("make a token"),
        ("ai_access:ended", _) => Words::text("end all AI access of").then(person(event)),
        ("organization:created", _) => Words::text("make an organization"),
        ("organization:changed", _) => Words::text("change the organization"),
        ("sso:connected", _) => Words::text("connect an identity provider"),
        ("sso:relinked", _) => Words::text("renew the registration at the identity provider"),
        ("sso:removed", _) => Words::text("disconnect the identity provider"),
        ("sso:required", _) => Words::text("decide whether single sign-on is the only way in"),
        ("slack:asked" | "slack:found" | "slack:failed", _) => Words::text("look people up in Slack"),
        ("slack:stopped", _) => Words::text("stop asking Slack"),
        ("mail:failed", _) => Words::text("note that a mail came back"),
        ("refused:several", _) => Words::text("several things that found no room as entries of their own"),
        _ => return None,
    })
}

/// The reason that the caller gave, as theirs.
fn reason(event: &AuditEvent) -> Option<Words> {
    let reason = event.reason.as_ref()?;
    let by = match via(event) {
        Some(Via::Verified(client) | Via::Claimed(client)) => name(&client),
        Some(Via::Unnamed(_)) => Words::text("The AI tool"),
        None => actor(event),
    };
    Some(by.and("gives this reason:").then(Words::of(Part::Quote(reason.clone()))))
}

/// Why it did not happen.
fn why(event: &AuditEvent) -> Option<Words> {
    let said = event.code.as_deref();
    match event.outcome {
        Outcome::Done => None,
        Outcome::Failed => said.map(|said| Words::text("It was given up with").then(code(said)).and(".")),
        Outcome::Refused => {
            let words = match said.and_then(ErrorCode::parse) {
                Some(known) => Words::text(refusal(known, event)),
                None => said.map(|said| code(said).and(".")).unwrap_or_default(),
            };
            Some(words.and("Nothing changed."))
        }
    }
}

/// What a code says to somebody who reads about it later.
fn refusal(code: ErrorCode, event: &AuditEvent) -> &'static str {
    match code {
        ErrorCode::PermissionDenied if builtin::ALL.contains(&event.action.as_str()) => {
            "Neither their role nor their access groups allow it, or they had signed in too long before, or their credential may only read."
        }
        ErrorCode::PermissionDenied => "What they showed did not suffice, or the organization does not allow it.",
        ErrorCode::EscalationForbidden => "It would have given more than they hold themselves.",
        ErrorCode::LastAdministrator => "It would have left no active Administrator.",
        ErrorCode::SelfDeactivation => "Nobody deactivates themselves.",
        ErrorCode::InviteNotPending => "There was no invite that waited.",
        ErrorCode::UserDeactivated => "The person was deactivated.",
        ErrorCode::EmailAlreadyInUse => "The address had an account here already.",
        ErrorCode::UserNotFound => "There was no such person in this organization.",
        ErrorCode::AccessGroupNotFound => "There was no such access group in this organization.",
        ErrorCode::NameTaken => "An access group had this name already.",
        ErrorCode::ConfirmationRequired => "It needed somebody’s approval.",
        ErrorCode::Conflict => "Something stood in the way: what the organization has decided, or what somebody had changed meanwhile.",
        ErrorCode::MailUnavailable => "This server had no way to send mail.",
        ErrorCode::InvalidArgument => "What was asked was not of an accepted form.",
        ErrorCode::RateLimited => "It was too much in too short a time.",
        ErrorCode::Unavailable | ErrorCode::Internal => "The server could not answer.",
    }
}

/// What a person calls a field.
fn field(name: &str) -> Cow<'static, str> {
    Cow::Borrowed(match name {
        "access_group" => "access group",
        "access_group_id" => "id of the access group",
        "client_id" => "client id at the provider",
        "connection_id" => "id of the connection",
        "expires_at" => "good until",
        "first_name" => "first name",
        "invite_domains" => "domains that are invited",
        "invite_generation" => "number of the invite",
        "last_name" => "last name",
        "links_ended" => "links ended",
        "look_ups" => "people looked up",
        "magic_links" => "signing in by mailed link",
        "mcp_tokens_ended" => "tokens ended",
        "only_access_group" => "only members of",
        "only_role" => "only this role",
        "only_status" => "only this status",
        "only_unseen" => "only not seen since",
        "other_domains" => "invites to other domains",
        "second_factor" => "who must have a second factor",
        "session_id" => "id of the session",
        "sessions_ended" => "sessions ended",
        "slack_id" => "Slack ID",
        "slack_id_by" => "Slack ID set by",
        "slack_token" => "token for Slack",
        "slack_workspace" => "Slack workspace",
        "sso_required" => "only single sign-on",
        "subject" => "subject at the provider",
        "trusts_unverified_email" => "trusts unverified addresses",
        "user_id" => "person",
        other => return Cow::Owned(other.replace('_', " ")),
    })
}

fn change(change: &AuditChange) -> Words {
    let value = |text: &str| Words::of(Part::Name(text.to_owned()));
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => value(before).and("→").then(value(after)),
        (None, Some(after)) => value(after),
        (Some(before), None) => value(before).and("→ –"),
        (None, None) => Words::of(Part::Erased("erased")),
    }
}

const fn surface(surface: Surface) -> &'static str {
    match surface {
        Surface::Web => "Web pages",
        Surface::Mcp => "MCP",
        Surface::Api => "HTTP API",
        Surface::Cli => "Command line on the host",
        Surface::System => "usher itself",
    }
}

fn credential(kind: &str) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        "token" => "Token",
        "invite_link" => "Link of an invite",
        "session" => "Session of a browser",
        "password" => "Password",
        "link" => "Mailed link",
        "identity" => "Identity at the provider",
        other => return Cow::Owned(capitalized(&other.replace('_', " "))),
    })
}

/// What is shown on demand.
fn details(event: &AuditEvent, at: Timestamp) -> Vec<Detail> {
    let mut details = Vec::new();
    let mut say = |name: &str, words: Words| details.push(Detail { name: capitalized(name), words });
    let action = code(&event.action);
    say(
        "Action",
        match &event.tool {
            Some(tool) => action.and(", tool").then(code(tool)),
            None => action,
        },
    );
    let outcome = match event.outcome {
        Outcome::Done => "Done",
        Outcome::Refused => "Refused",
        Outcome::Failed => "Failed",
    };
    say(
        "Outcome",
        match &event.code {
            Some(said) => Words::text(outcome).and(",").then(code(said)),
            None => Words::text(outcome),
        },
    );
    for changed in &event.changes {
        say(&field(&changed.field), change(changed));
    }
    say("Surface", Words::text(surface(event.surface)));
    match via(event) {
        Some(Via::Verified(client)) => say("Client", name(&client).and(", verified")),
        Some(Via::Claimed(client)) => say("Client", Words::text("Calls itself").then(Words::of(Part::Quote(client))).and(", unverified")),
        Some(Via::Unnamed(_)) | None => {}
    }
    if let Some(held) = &event.credential {
        let kind = Words::text(credential(&held.kind));
        let kind = held.label.as_deref().filter(|label| !label.is_empty()).map(name).into_iter().fold(kind, Words::then);
        say("Credential", kind.then(code(&held.id)));
    }
    if let Some(id) = &event.actor.user_id {
        say("Done by", code(id));
    }
    if let Some((target, id)) = event.target.as_ref().and_then(|target| Some((target, target.id.as_ref()?))) {
        say("About", Words::text(target.kind.replace('_', " ")).then(code(id)));
    }
    if let Some(id) = &event.request_id {
        say("Request", code(id));
    }
    say("Entry", Words::text(format!("#{}", event.sequence)).then(code(&event.id)));
    say("Time", Words::text(at.to_rfc3339()));
    details
}
