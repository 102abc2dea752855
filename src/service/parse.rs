//! From what a caller wrote to domain values, alike for every surface.

use super::invalid;
use crate::{
    app::App,
    authz::Actor,
    domain::{Email, GroupId, Permission, PermissionSet, Timestamp, Untrusted, UserId, name_key, search_fold},
    error::Error,
    gather::Named,
    store::{groups::Which, people::Who},
};
use serde::{Serialize, de::DeserializeOwned};

/// A person: an id or an address. Whatever can be neither names nobody.
pub fn who(field: &'static str, text: &str) -> Result<Who, Error> {
    let text = text.trim();
    if let Some(id) = UserId::parse(text) {
        return Ok(Who::Id(id));
    }
    match Email::parse(text) {
        Ok(email) => Ok(Who::EmailKey(email.key().to_owned())),
        Err(_) => Err(Error::NobodyNamed(field)),
    }
}

/// What a refusal's evidence says was named.
#[must_use]
pub fn named_who(who: &Who) -> Named {
    match who {
        Who::Id(id) => Named::User(*id),
        Who::EmailKey(key) => Named::Email(key.clone()),
    }
}

/// The same from the raw argument, for refusals that come before parsing.
#[must_use]
pub fn named(text: &str) -> Named {
    who("user", text).map_or(Named::Kind("user"), |who| named_who(&who))
}

/// The same for an access group; a name alone is not evidence.
#[must_use]
pub fn named_group(text: &str) -> Named {
    GroupId::parse(text.trim()).map_or(Named::Kind("access_group"), Named::Group)
}

/// Whether `who` is the caller, without any look-up. `own_email` is the caller's own key where it is known.
#[must_use]
pub fn is_own(actor: &Actor, who: &Who, own_email_key: Option<&str>) -> bool {
    match who {
        Who::Id(id) => actor.is(*id),
        Who::EmailKey(key) => own_email_key.is_some_and(|own| own == key),
    }
}

/// A group: an id or a name.
#[must_use]
pub fn which(text: &str) -> Which {
    let text = text.trim();
    GroupId::parse(text).map_or_else(|| Which::NameKey(name_key(text)), Which::Id)
}

/// Permissions of the catalogue.
pub fn permissions(app: &App, field: &'static str, names: &[String]) -> Result<PermissionSet, Error> {
    let mut set = Vec::with_capacity(names.len());
    for name in names {
        set.push(permission(app, field, name)?);
    }
    Ok(set.into_iter().collect())
}

/// Permissions to take away: of the catalogue, or well-formed names that it has forgotten meanwhile.
pub fn known_or_not(field: &'static str, names: &[String]) -> Result<PermissionSet, Error> {
    names
        .iter()
        .map(|name| {
            Permission::parse(name.trim()).map_err(|_| {
                invalid(field, "This is not the name of a permission.", "Names are written resource:action; list_permissions lists all.")
            })
        })
        .collect()
}

/// One permission of the catalogue.
pub fn permission(app: &App, field: &'static str, name: &str) -> Result<Permission, Error> {
    let name = name.trim();
    match Permission::parse(name) {
        Ok(permission) if app.catalogue.contains(permission.as_str()) => Ok(permission),
        Ok(_) | Err(_) => {
            let hint = match app.catalogue.nearest(name) {
                Some(near) => format!("The nearest one there is: {near}. list_permissions lists all."),
                None => "list_permissions lists all that there are.".to_owned(),
            };
            Err(Error::Invalid(crate::domain::Invalid { field, message: "There is no such permission.".into(), hint: Some(hint.into()) }))
        }
    }
}

/// A description or reason: one clean line.
pub fn line(field: &'static str, text: &str, max: usize) -> Result<Untrusted, Error> {
    Ok(Untrusted::parse(field, text, max)?)
}

/// A search for what nobody has: no folded text holds a control character.
const NOBODY: &str = "\u{1}\u{1}\u{1}";

/// A search text: folded first, escaped later (R-B77). White space asks for nothing in particular; letters of which
/// folding leaves nothing ask for something that nobody has, never for everybody.
#[must_use]
pub fn query(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    let folded = search_fold(text);
    if folded.is_empty() && !text.trim().is_empty() { NOBODY.to_owned() } else { folded }
}

/// A time in RFC 3339.
pub fn time(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, Error> {
    text.map(|text| {
        Timestamp::parse_rfc3339(text.trim()).ok_or_else(|| invalid(field, "This is not a time.", "Write it as 2026-11-25T14:00:00Z."))
    })
    .transpose()
}

/// Bytes that bind a cursor to a list: its tool, its filters, its caller and their organization.
fn cursor_context(actor: &Actor, tool: &str, filter: &str) -> Vec<u8> {
    let person = actor.user().map(|person| person.id.as_uuid());
    serde_json::json!([tool, filter, actor.org().id.as_uuid(), person]).to_string().into_bytes()
}

/// Reads a cursor back; one of another list, caller or organization is none (requirement 16).
pub fn cursor(app: &App, actor: &Actor, tool: &str, filter: &str, text: Option<&str>) -> Result<Option<i64>, Error> {
    opened(app, actor, tool, filter, text, |bytes| bytes.try_into().ok().map(i64::from_be_bytes))
}

fn opened<T>(
    app: &App,
    actor: &Actor,
    tool: &str,
    filter: &str,
    text: Option<&str>,
    read: impl FnOnce(Vec<u8>) -> Option<T>,
) -> Result<Option<T>, Error> {
    let Some(text) = text else { return Ok(None) };
    app.keyring.open(&cursor_context(actor, tool, filter), text.trim()).and_then(read).map(Some).ok_or_else(|| {
        invalid(
            "cursor",
            "This cursor does not belong to this list.",
            "Pass next_cursor unchanged, with the same filters; or begin again without a cursor.",
        )
    })
}

/// The same for a list whose cursors say more than a key.
pub fn mark<T: DeserializeOwned>(app: &App, actor: &Actor, list: &str, filter: &str, text: Option<&str>) -> Result<Option<T>, Error> {
    opened(app, actor, list, filter, text, |bytes| serde_json::from_slice(&bytes).ok())
}

/// Seals what [`mark`] reads.
#[must_use]
pub fn seal_mark<T: Serialize>(app: &App, actor: &Actor, list: &str, filter: &str, mark: Option<&T>) -> Option<String> {
    let bytes = serde_json::to_vec(mark?).ok()?;
    Some(app.keyring.seal(&app.random, &cursor_context(actor, list, filter), &bytes))
}

/// Seals where a list goes on.
#[must_use]
pub fn next_cursor(app: &App, actor: &Actor, tool: &str, filter: &str, next: Option<i64>) -> Option<String> {
    next.map(|next| app.keyring.seal(&app.random, &cursor_context(actor, tool, filter), &next.to_be_bytes()))
}
