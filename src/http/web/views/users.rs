//! The roster, and inviting somebody into it.

use super::{FieldError, View, error_of, frame::Frame, when::When};
use askama::Template;
use http::StatusCode;

/// One value of a filter: a link to the list narrowed to it.
#[derive(Debug, Clone)]
pub struct Choice {
    /// What it is called.
    pub name: String,
    /// Path and query of the list with it.
    pub href: String,
    /// How many people it has, where that is known.
    pub count: Option<u64>,
    /// Whether the list is narrowed to it now.
    pub chosen: bool,
}

/// Where somebody stands, as a shape and a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Joined.
    Active,
    /// Invited, and the link is good.
    Pending,
    /// Invited, and the link's seven days are over.
    Expired,
    /// Shut out.
    Deactivated,
}

/// One person of the roster.
#[derive(Debug, Clone)]
pub struct Row {
    /// Id of the person.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Address of the account.
    pub email: String,
    /// Slack ID, where one is known.
    pub slack_id: Option<String>,
    /// Whether they are an Administrator.
    pub is_administrator: bool,
    /// Where they stand.
    pub standing: Standing,
    /// Whether a new invite can be sent to them from here.
    pub may_resend: bool,
    /// When they were invited first.
    pub created: Option<When>,
    /// When they were last seen, if ever.
    pub last_seen: Option<When>,
}

impl Row {
    fn initials(&self) -> String {
        super::initials(&self.name)
    }

    fn hue(&self) -> &'static str {
        super::hue(&self.id)
    }
}

/// Why a list is empty, or nearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptiness {
    /// It is not.
    None,
    /// Nobody is here but the one who looks.
    FirstOne,
    /// Nobody matches the filters or the search.
    NoMatch,
    /// Nobody among those who were looked at for this page; there are others.
    Further,
}

/// Which way a column is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sorted {
    /// From its beginning.
    Ascending,
    /// From its end.
    Descending,
}

/// The heading of a column that sorts.
#[derive(Debug, Clone)]
pub struct Heading {
    /// What the column is called.
    pub name: &'static str,
    /// Path and query of the list in its order, or in the other direction of it.
    pub href: String,
    /// Which way the list is sorted by it, if it is.
    pub sorted: Option<Sorted>,
}

/// Whom a search finds in the whole roster.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// Their name, if it is one person.
    pub name: Option<String>,
    /// Path and query of the list that only the search narrows.
    pub href: String,
}

/// What was just done.
#[derive(Debug, Clone)]
pub struct Toast {
    /// The name of whom it was done to, and how a sentence that begins with it ends; nobody where they are not known.
    pub somebody: Option<(String, &'static str)>,
    /// What follows from it.
    pub sentence: String,
}

/// Where was looked when nobody was found.
#[derive(Debug, Clone)]
pub struct NarrowedTo {
    /// Such as `Pending Administrators`; nothing where only a search narrows.
    pub only: Option<String>,
    /// Name of the access group.
    pub group: Option<String>,
    /// When they were last seen, as the end of a sentence.
    pub unseen: Option<&'static str>,
    /// How many the whole roster holds, such as `312 people`.
    pub whole: String,
    /// Who matches the search elsewhere.
    pub elsewhere: Option<Elsewhere>,
}

/// `GET /users`: everybody, newest invite first unless another order is asked for, page by page (B01). Status 200.
#[derive(Debug, Template)]
#[template(path = "users.html")]
pub struct UsersPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The search as typed.
    pub query: &'a str,
    /// The other filters in force, as the search form carries them: name and value.
    pub kept: &'a [(&'static str, String)],
    /// All that the address says of the list, for forms that come back to it or take it away.
    pub words: &'a str,
    /// Path and query of this very page.
    pub place: &'a str,
    /// The status filter.
    pub statuses: &'a [Choice],
    /// The role filter.
    pub roles: &'a [Choice],
    /// The filter by access group; empty where the person may not know of groups.
    pub groups: &'a [Choice],
    /// Whether there are more groups than the menu offers.
    pub more_groups: bool,
    /// The filter by when they were last seen.
    pub unseen: &'a [Choice],
    /// The orders, for where no headings are.
    pub orders: &'a [Choice],
    /// The order in force, in words.
    pub order: &'a str,
    /// Heading of the names.
    pub name: Heading,
    /// Heading of the addresses.
    pub email: Heading,
    /// Heading of the dates of the invites.
    pub created: Heading,
    /// Heading of when they were last seen.
    pub last_seen: Heading,
    /// Whether any filter or search is on.
    pub narrowed: bool,
    /// Where was looked, for when nobody matches.
    pub narrowed_to: &'a NarrowedTo,
    /// The people of this page.
    pub rows: &'a [Row],
    /// How many there are, in words.
    pub range: &'a str,
    /// Path and query of the page before, if there is one.
    pub previous: Option<&'a str>,
    /// Path and query of the next page, if there is one.
    pub next: Option<&'a str>,
    /// Whether the list is empty, and why.
    pub emptiness: Emptiness,
    /// Whether they may invite.
    pub may_invite: bool,
    /// What was just done.
    pub said: Option<&'a Toast>,
    /// What could not be done.
    pub refused: Option<&'a str>,
}

impl UsersPage<'_> {
    fn role(&self) -> &str {
        chosen(self.roles)
    }

    fn group(&self) -> &str {
        chosen(self.groups)
    }

    fn seen(&self) -> &str {
        chosen(self.unseen)
    }
}

/// Name of the value that holds; the first one is that of no filter.
fn chosen(choices: &[Choice]) -> &str {
    choices.iter().find(|choice| choice.chosen).or(choices.first()).map_or("any", |choice| choice.name.as_str())
}

impl View for UsersPage<'_> {
    fn status(&self) -> StatusCode {
        if self.refused.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// An access group that can be ticked.
#[derive(Debug, Clone)]
pub struct GroupChoice {
    /// Id of the group.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many people are in it.
    pub members: u64,
    /// Whether it is ticked.
    pub ticked: bool,
}

impl GroupChoice {
    fn called(&self) -> String {
        super::called(&self.id, &self.name)
    }
}

/// The inviting form as typed.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// Address.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Whether Administrator is chosen; User is the default (B02).
    pub administrator: bool,
}

/// Somebody who holds the address already (B07).
#[derive(Debug, Clone)]
pub struct Holder {
    /// Where they stand, and what can be done, as the rest of a sentence.
    pub state: &'static str,
    /// Path of their page, for whoever may see it.
    pub page: Option<String>,
    /// Whether a new invite can be sent to them from here.
    pub may_resend: bool,
}

/// `GET /users/invite`, and the answer to what its form could not do. Status 200, with errors 422.
#[derive(Debug, Template)]
#[template(path = "invite.html")]
pub struct InvitePage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The form as typed.
    pub typed: &'a Typed,
    /// The groups that can be chosen; empty where the person may not assign any.
    pub groups: &'a [GroupChoice],
    /// Whether there are more groups than that.
    pub more_groups: bool,
    /// Whether they may choose Administrator.
    pub may_make_administrators: bool,
    /// What one more Administrator is answered, where there are many already (B05).
    pub many: Option<&'a str>,
    /// Where whoever leaves the form goes: path below the base.
    pub back: &'a str,
    /// What was just done.
    pub said: Option<&'a str>,
    /// Who has the address already.
    pub holder: Option<&'a Holder>,
    /// What was not taken.
    pub errors: &'a [FieldError<'a>],
}

/// The fields of the inviting form in their order on the page.
const FIELDS: [&str; 5] = ["email", "first_name", "last_name", "role", "access_groups"];

impl InvitePage<'_> {
    fn error(&self, field: &str) -> Option<&str> {
        error_of(self.errors, field)
    }

    /// Whether the form has this field: that of groups only where there are some to choose.
    fn has(&self, field: &str) -> bool {
        FIELDS.contains(&field) && (field != "access_groups" || !self.groups.is_empty())
    }

    /// Errors that belong to no field of the form.
    fn other_errors(&self) -> impl Iterator<Item = &FieldError<'_>> {
        self.errors.iter().filter(|error| !self.has(error.field))
    }

    /// Whether this is the field to start on: the first wrong one, or the first of all.
    fn begins(&self, field: &str) -> bool {
        let wrong = |name: &&str| self.error(name).is_some() || (*name == "email" && self.holder.is_some());
        FIELDS.iter().find(|name| wrong(name)).map_or(field == "email", |first| *first == field)
    }
}

impl View for InvitePage<'_> {
    fn status(&self) -> StatusCode {
        if self.errors.is_empty() && self.holder.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// Somebody to ask for access.
#[derive(Debug, Clone)]
pub struct Contact {
    /// Id of the person.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Address of the account.
    pub email: String,
}

impl Contact {
    fn initials(&self) -> String {
        super::initials(&self.name)
    }

    fn hue(&self) -> &'static str {
        super::hue(&self.id)
    }
}

/// What whoever has no permission finds after signing in: an empty sidebar, and why (B04). Status 200.
#[derive(Debug, Template)]
#[template(path = "no_access.html")]
pub struct NoAccessPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// Whether they hold any permission: then it is one that no page here is for.
    pub holds: bool,
    /// Names of the access groups that the person is in.
    pub groups: &'a [String],
    /// The Administrators, some of them where there are many.
    pub contacts: &'a [Contact],
}

impl View for NoAccessPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}
