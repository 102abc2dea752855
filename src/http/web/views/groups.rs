//! Access groups: the list, one of them with what it gives and who is in it, putting people in, and the end of one.

use super::{FieldError, View, error_of, first_wrong, frame::Frame};
use askama::Template;
use http::StatusCode;

/// A group of the list.
#[derive(Debug, Clone)]
pub struct Row {
    /// Id of the group.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// How many people are in it.
    pub members: u64,
    /// How many permissions it gives.
    pub permissions: usize,
}

/// Why a list is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptiness {
    /// It is not.
    None,
    /// No group was made yet.
    Nothing,
    /// None matches the search.
    NoMatch,
}

/// Usual ticks to begin with: a link that sets them.
#[derive(Debug, Clone)]
pub struct Start {
    /// What it is called.
    pub name: &'static str,
    /// Path and query of the form with them.
    pub href: String,
    /// Whether the form shows them now.
    pub chosen: bool,
}

/// `GET /access-groups`: all groups, oldest first, page by page. Status 200.
#[derive(Debug, Template)]
#[template(path = "access_groups.html")]
pub struct GroupsPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The search as typed.
    pub query: &'a str,
    /// The groups of this page.
    pub rows: &'a [Row],
    /// How many there are, in words.
    pub range: &'a str,
    /// Path and query of the first page, where this is another one.
    pub first: Option<&'a str>,
    /// Path and query of the next page, if there is one.
    pub next: Option<&'a str>,
    /// Whether the list is empty, and why.
    pub emptiness: Emptiness,
    /// Forms to begin with, for whoever may make groups; empty for the others.
    pub starts: &'a [Start],
    /// What was just done.
    pub said: Option<&'a str>,
}

impl View for GroupsPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}

/// A permission in its cell of the matrix.
#[derive(Debug, Clone)]
pub struct Tick {
    /// Its name, as the form sends it.
    pub permission: String,
    /// The word in the cell.
    pub action: String,
    /// What it lets somebody do.
    pub about: String,
    /// Whether it is given.
    pub given: bool,
    /// Whether it can be ticked: whoever does not hold it cannot give it.
    pub open: bool,
}

/// A resource and what can be done with it, by column: look, add, change, end, and the rest.
#[derive(Debug, Clone)]
pub struct Line {
    /// What the resource is called.
    pub resource: String,
    /// What it is; empty where nobody said so.
    pub about: &'static str,
    /// The cells of the five columns. One that is empty does not exist.
    pub cells: [Vec<Tick>; 5],
}

/// Resources that belong together.
#[derive(Debug, Clone)]
pub struct Section {
    /// What it is called.
    pub name: &'static str,
    /// Its resources.
    pub lines: Vec<Line>,
}

/// Everything that a group can give, and what it gives.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// The sections.
    pub sections: Vec<Section>,
}

/// The columns of the matrix.
const COLUMNS: [&str; 5] = ["Look", "Add", "Change", "End", "Also"];

impl Matrix {
    fn ticks(&self) -> impl Iterator<Item = &Tick> {
        self.sections.iter().flat_map(|section| &section.lines).flat_map(|line| &line.cells).flatten()
    }

    fn given(&self) -> usize {
        self.ticks().filter(|tick| tick.given).count()
    }

    fn all(&self) -> usize {
        self.ticks().count()
    }

    fn is_open(&self) -> bool {
        self.ticks().all(|tick| tick.open)
    }
}

/// A group's form as typed; what is ticked stands in the matrix.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
}

/// Somebody in a group.
#[derive(Debug, Clone)]
pub struct Member {
    /// Id of the person.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Address of the account.
    pub email: String,
    /// Where they stand, unless they are Active.
    pub standing: Option<&'static str>,
    /// Whether they can be taken out from here.
    pub removable: bool,
}

impl Member {
    fn initials(&self) -> String {
        super::initials(&self.name)
    }

    fn hue(&self) -> &'static str {
        super::hue(&self.id)
    }
}

/// Who is in a group, page by page.
#[derive(Debug, Clone)]
pub struct Members {
    /// The people of this page, for whoever may see people.
    pub rows: Option<Vec<Member>>,
    /// Path and query of the first page, where this is another one.
    pub first: Option<String>,
    /// Path and query of the next page, if there is one.
    pub next: Option<String>,
    /// Where this page begins, as the address says it; empty for the first.
    pub cursor: String,
    /// Path and query of the roster with them alone, for whoever may see it.
    pub roster: Option<String>,
}

/// A group as it is kept.
#[derive(Debug, Clone)]
pub struct Saved {
    /// Id of the group.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many people are in it.
    pub members: u64,
    /// The version that was seen, which a change of it names.
    pub version: i64,
}

impl Saved {
    fn people(&self) -> String {
        people(self.members)
    }
}

fn people(count: u64) -> String {
    if count == 1 { "1 member".to_owned() } else { format!("{count} members") }
}

/// A field that somebody else changed meanwhile.
#[derive(Debug, Clone)]
pub struct Difference {
    /// What the field is called.
    pub field: &'static str,
    /// What stands there now.
    pub now: String,
    /// What was typed.
    pub typed: String,
}

/// What somebody may do with a group beside looking at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a permission of its own")]
pub struct Doable {
    /// Change it, or make it.
    pub save: bool,
    /// Put people in and take them out.
    pub assign: bool,
    /// Invite somebody straight into it.
    pub invite: bool,
    /// End it.
    pub delete: bool,
}

/// `GET /access-groups/new` and `GET /access-groups/{id}`, and the answers to what their form could not do. Status 200, with errors
/// 422, where somebody else was faster 409, where the group is gone 404.
#[derive(Debug, Template)]
#[template(path = "access_group.html")]
pub struct GroupPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The group; none while it is made.
    pub saved: Option<&'a Saved>,
    /// Where whoever leaves the form goes: path below the base.
    pub back: &'a str,
    /// The form as typed.
    pub typed: &'a Typed,
    /// What it gives.
    pub matrix: &'a Matrix,
    /// What the group gives now and whoever looks does not hold, in words.
    pub beyond: Option<&'a str>,
    /// Usual ticks to begin with.
    pub starts: &'a [Start],
    /// What of the chosen ones was left out, in words.
    pub left_out: Option<&'a str>,
    /// Who is in it.
    pub members: Option<&'a Members>,
    /// What they may do.
    pub may: Doable,
    /// What somebody else changed meanwhile.
    pub differences: &'a [Difference],
    /// What was just done.
    pub said: Option<&'a str>,
    /// Whether the group that was to be changed is there no more.
    pub gone: bool,
    /// What was not taken.
    pub errors: &'a [FieldError<'a>],
}

/// The fields of a group's form in their order on the page.
const FIELDS: [&str; 3] = ["name", "description", "permissions"];

impl GroupPage<'_> {
    fn error(&self, field: &str) -> Option<&str> {
        error_of(self.errors, field)
    }

    /// Errors that belong to no field of the form.
    fn other_errors(&self) -> impl Iterator<Item = &FieldError<'_>> {
        self.errors.iter().filter(|error| !self.may.save || !FIELDS.contains(&error.field))
    }

    /// Whether this is the field to start on: the first wrong one, or the name of a group to be.
    fn begins(&self, field: &str) -> bool {
        first_wrong(self.errors, &FIELDS).map_or(field == "name" && self.saved.is_none(), |first| first == field)
    }

    fn title(&self) -> &str {
        self.saved.map_or("Create access group", |saved| saved.name.as_str())
    }

    fn columns() -> [&'static str; 5] {
        COLUMNS
    }
}

impl View for GroupPage<'_> {
    fn status(&self) -> StatusCode {
        if self.gone {
            StatusCode::NOT_FOUND
        } else if !self.differences.is_empty() {
            StatusCode::CONFLICT
        } else if self.errors.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        }
    }
}

/// Somebody who can be put into a group.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Id of the person.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Address of the account.
    pub email: String,
    /// Whether they are ticked.
    pub ticked: bool,
    /// Whether they can be.
    pub open: bool,
    /// Something to know of them first, such as why they cannot.
    pub note: Option<&'static str>,
}

impl Candidate {
    fn called(&self) -> String {
        super::called(&self.id, &self.email)
    }
}

/// Somebody who was not put in.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Full name.
    pub name: String,
    /// Address of the account.
    pub email: String,
    /// Why, as the rest of a sentence.
    pub why: String,
}

/// How people are named to the form that puts them in.
#[derive(Debug, Clone)]
pub enum Picking {
    /// By ticking them in a list.
    List {
        /// The search as typed.
        query: String,
        /// Those who were ticked and are not among those found.
        chosen: Vec<Candidate>,
        /// Those found.
        found: Vec<Candidate>,
        /// How many those are, in words.
        range: String,
    },
    /// By their address: whoever may not see people knows of no others.
    Address(String),
    /// Not at all, and why.
    Closed(String),
}

/// `GET /access-groups/{id}/add`, and the answer to what its form could not do. Status 200, with a refusal 422.
#[derive(Debug, Template)]
#[template(path = "add_people.html")]
pub struct AddPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The group.
    pub group: &'a Saved,
    /// How people are named.
    pub picking: &'a Picking,
    /// What could not be done.
    pub refused: Option<&'a str>,
    /// Because of whom.
    pub whom: &'a [Refused],
    /// How many others there are beside those.
    pub more: usize,
}

impl View for AddPage<'_> {
    fn status(&self) -> StatusCode {
        if self.refused.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// Somebody who would lose what a group gives.
#[derive(Debug, Clone)]
pub struct Loser {
    /// Full name.
    pub name: String,
    /// What ends for them and what stays, as the rest of a sentence.
    pub fate: String,
    /// Whether anything ends for them.
    pub loses: bool,
}

/// `GET /access-groups/{id}/delete`: who loses what, before anything happens. Status 200, with a refusal 422.
#[derive(Debug, Template)]
#[template(path = "delete_group.html")]
pub struct DeletePage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The group.
    pub group: &'a Saved,
    /// What it gives.
    pub permissions: &'a [String],
    /// Some of who is in it, for whoever may see people.
    pub losers: &'a [Loser],
    /// How many others there are.
    pub more: u64,
    /// The reason as typed.
    pub reason: &'a str,
    /// What is wrong with it.
    pub error: Option<&'a str>,
}

impl View for DeletePage<'_> {
    fn status(&self) -> StatusCode {
        if self.error.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}
