//! One person of the roster: who they are, what they may, and what can be done about it.

use super::{
    View,
    audit::{Day, Mark, Part, Via},
    frame::Frame,
    users::Standing,
    when::{Until, When},
};
use askama::Template;
use http::StatusCode;

/// A part of a person's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Names, role, state.
    Details,
    /// What they are in, and what that gives.
    Groups,
    /// What they did, and what was done to them.
    Activity,
    /// By what programs act as them.
    Tools,
}

impl Tab {
    /// Every part, in its order.
    pub const ALL: [Self; 4] = [Self::Details, Self::Groups, Self::Activity, Self::Tools];

    /// What stands behind a person's address.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Details => "",
            Self::Groups => "/access-groups",
            Self::Activity => "/activity",
            Self::Tools => "/ai-tools",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Details => "Details",
            Self::Groups => "Access Groups",
            Self::Activity => "Activity",
            Self::Tools => "AI tools",
        }
    }
}

/// Whose page it is, and which part of it.
#[derive(Debug, Clone)]
pub struct Who {
    /// Id of the person.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Address of the account.
    pub email: String,
    /// Where they stand.
    pub standing: Standing,
    /// Whether they are an Administrator.
    pub is_administrator: bool,
    /// The parts that are open to who looks.
    pub tabs: Vec<Tab>,
    /// Which one this is.
    pub here: Tab,
    /// What was just done to them.
    pub said: Option<Said>,
    /// What could not be done.
    pub refused: Option<String>,
}

/// What was just done to somebody: the end of a sentence that begins with their name, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// After the name.
    pub result: &'static str,
    /// A sentence of its own.
    pub rest: &'static str,
}

impl Who {
    fn initials(&self) -> String {
        super::initials(&self.name)
    }

    fn hue(&self) -> &'static str {
        super::hue(&self.id)
    }

    fn is_off(&self) -> bool {
        self.standing == Standing::Deactivated
    }

    /// 200, or that something was refused.
    fn status(&self) -> StatusCode {
        if self.refused.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// A field of the form: what it holds, what stands in its place by now, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Field {
    /// As stored, or as typed.
    pub value: String,
    /// What somebody else has put there meanwhile, where that is not the same.
    pub now: Option<String>,
    /// What is wrong.
    pub error: Option<String>,
}

/// The field of a person's role.
#[derive(Debug, Clone, Default)]
pub struct RoleField {
    /// Whether Administrator is chosen.
    pub administrator: bool,
    /// What somebody else has made of them meanwhile, where that is not the same.
    pub now: Option<&'static str>,
    /// What is wrong.
    pub error: Option<String>,
    /// Why it cannot be changed.
    pub locked: Option<String>,
    /// What one more Administrator is answered, where there are many already (B05).
    pub many: Option<String>,
}

/// What stood about a person when a form was drawn, which it carries: so what its sender left alone is told from what they changed.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Seen {
    /// First name.
    #[serde(rename = "seen_first_name")]
    pub first_name: String,
    /// Last name.
    #[serde(rename = "seen_last_name")]
    pub last_name: String,
    /// `administrator` or `user`.
    #[serde(rename = "seen_role")]
    pub role: String,
    /// Slack ID; empty for none.
    #[serde(rename = "seen_slack_id")]
    pub slack_id: String,
}

/// What can be changed about a person.
#[derive(Debug, Clone)]
pub struct Form {
    /// The version that was seen: who has changed it since is not overwritten.
    pub version: i64,
    /// What was seen; none where the form before did not say.
    pub seen: Option<Seen>,
    /// First name.
    pub first_name: Field,
    /// Last name.
    pub last_name: Field,
    /// Role.
    pub role: RoleField,
    /// Slack ID; none where the person may not change it.
    pub slack: Option<Field>,
    /// By whom the Slack ID was found or set, in words.
    pub slack_hint: &'static str,
    /// Whether somebody else changed the person meanwhile, so that nothing was saved.
    pub conflict: bool,
}

impl Form {
    fn fields(&self) -> [(&'static str, Option<&String>); 4] {
        let slack = self.slack.as_ref().and_then(|field| field.error.as_ref());
        [
            ("first_name", self.first_name.error.as_ref()),
            ("last_name", self.last_name.error.as_ref()),
            ("role", self.role.error.as_ref()),
            ("slack_id", slack),
        ]
    }

    fn is_wrong(&self) -> bool {
        self.fields().iter().any(|(_, error)| error.is_some())
    }

    /// Whether this is the field to start on: the first wrong one.
    fn begins(&self, field: &str) -> bool {
        self.fields().iter().find(|(_, error)| error.is_some()).is_some_and(|(name, _)| *name == field)
    }

    /// Whether what was typed differs from what somebody else has put there.
    fn differs(&self) -> bool {
        let slack = self.slack.as_ref().and_then(|field| field.now.as_ref());
        self.first_name.now.is_some() || self.last_name.now.is_some() || self.role.now.is_some() || slack.is_some()
    }
}

/// What can be done about where somebody stands, and otherwise why not.
pub type May = Result<(), String>;

/// The invite of somebody who has not joined.
#[derive(Debug, Clone)]
pub struct Invite {
    /// When the newest one was sent.
    pub sent: Option<When>,
    /// When its link ends, or ended.
    pub until: Option<Until>,
    /// Whether it has ended.
    pub expired: bool,
    /// What became of its mail.
    pub delivery: Delivery,
    /// Whether a new one can be sent.
    pub resend: May,
    /// Whether it can be withdrawn.
    pub withdraw: May,
}

/// What became of a mail.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// In a word.
    pub state: &'static str,
    /// Its shape: one of the classes of `.st`.
    pub class: &'static str,
    /// In a sentence: what happens next, or why it failed.
    pub words: String,
}

/// Where somebody stands, and what can be done about it.
#[derive(Debug, Clone)]
pub enum Account {
    /// They have joined.
    Active(May),
    /// They are shut out.
    Deactivated(May),
    /// They are invited.
    Pending(Box<Invite>),
}

/// Something that stands about a person.
#[derive(Debug, Clone)]
pub struct Fact {
    /// What it is called.
    pub name: &'static str,
    /// When it was.
    pub when: Option<When>,
    /// What it says where it is no moment.
    pub words: Option<String>,
    /// Who did it, by the name of that time.
    pub by: Option<String>,
}

/// `GET /users/{id}`, and the answer to what its form could not save. Status 200, with errors 422, after somebody else's change 409.
#[derive(Debug, Template)]
#[template(path = "person.html")]
pub struct PersonPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// Whose page it is.
    pub who: &'a Who,
    /// What can be changed; else why nothing can, if that is to be said.
    pub form: Result<&'a Form, Option<String>>,
    /// Slack ID, for who sees no form.
    pub slack_id: Option<&'a str>,
    /// Where they stand.
    pub account: &'a Account,
    /// What else stands about them.
    pub facts: &'a [Fact],
}

impl View for PersonPage<'_> {
    fn status(&self) -> StatusCode {
        match &self.form {
            Ok(form) if form.conflict => StatusCode::CONFLICT,
            Ok(form) if form.is_wrong() => StatusCode::UNPROCESSABLE_ENTITY,
            Ok(_) | Err(_) => self.who.status(),
        }
    }
}

/// A page on which something is done to a person that takes a second thought: what ends, what stays, and the way out first.
/// Status 200, where it could not be done 422.
#[derive(Debug, Template)]
#[template(path = "person_confirm.html")]
pub struct ConfirmPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// Whom it is about.
    pub name: &'a str,
    /// Where the form goes: path below the base.
    pub action: &'a str,
    /// Where who does not want to goes: path below the base.
    pub back: &'a str,
    /// The question, before the name.
    pub question: &'a str,
    /// What ends.
    pub ends: &'a [String],
    /// What stays, or comes.
    pub keeps: &'a [String],
    /// What comes later.
    pub later: &'a str,
    /// What to think of first.
    pub warning: Option<&'a str>,
    /// The way out.
    pub keep: &'a str,
    /// The action, before the name.
    pub act: &'a str,
    /// Whether the action takes something away.
    pub is_danger: bool,
    /// The reason as typed, and what is wrong with it.
    pub reason: &'a Field,
    /// Whether it can be done.
    pub possible: bool,
    /// Why it cannot be, or was not.
    pub why: Option<&'a str>,
    /// Whether it was tried.
    pub tried: bool,
}

impl View for ConfirmPage<'_> {
    fn status(&self) -> StatusCode {
        if self.tried { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
    }
}

/// A group that somebody is in.
#[derive(Debug, Clone)]
pub struct Membership {
    /// Id of the group.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many permissions it gives and how many people are in it, in words; none for who may not know.
    pub size: Option<String>,
    /// Since when.
    pub since: Option<When>,
}

/// A permission, and the groups that it comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub permission: String,
    /// Names of the groups.
    pub groups: Vec<String>,
}

/// What somebody may do with one kind of thing.
#[derive(Debug, Clone)]
pub struct Resource {
    /// What it is called.
    pub name: String,
    /// The permissions.
    pub sources: Vec<Source>,
}

/// `GET /users/{id}/access-groups` (B18). Status 200; where something could not be done 422.
#[derive(Debug, Template)]
#[template(path = "person_groups.html")]
pub struct GroupsPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// Whose page it is.
    pub who: &'a Who,
    /// The groups they are in.
    pub groups: &'a [Membership],
    /// Whether the person may be put into others.
    pub may_add: bool,
    /// Why not, if that is to be said.
    pub why_not: Option<&'a str>,
    /// Whether they may be taken out.
    pub may_remove: bool,
    /// What that gives; none for who may not know of groups.
    pub permissions: Option<&'a [Resource]>,
}

impl GroupsPage<'_> {
    fn count(&self) -> usize {
        self.permissions.unwrap_or_default().iter().map(|resource| resource.sources.len()).sum()
    }
}

impl View for GroupsPage<'_> {
    fn status(&self) -> StatusCode {
        self.who.status()
    }
}

/// A group that can be ticked, or why it cannot be.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Id of the group.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How many permissions it gives.
    pub permissions: usize,
    /// Whether it is ticked.
    pub ticked: bool,
    /// Whether the person is in it already.
    pub is_in: bool,
    /// What who gives it lacks themselves, or another reason, in words.
    pub why_not: Option<String>,
}

/// `GET /users/{id}/access-groups/add`, and the answer to what could not be done. Status 200, with an error 422.
#[derive(Debug, Template)]
#[template(path = "person_add_groups.html")]
pub struct AddGroupsPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// Id of the person.
    pub id: &'a str,
    /// Their full name.
    pub name: &'a str,
    /// The search for groups, as typed.
    pub query: &'a str,
    /// Whether there is anything to search: more than are shown, or a search that is on.
    pub searches: bool,
    /// The groups that were ticked before and are not among those found.
    pub chosen: &'a [Offer],
    /// The groups.
    pub offers: &'a [Offer],
    /// How many there are, in words, where not all are shown.
    pub range: Option<&'a str>,
    /// What could not be done.
    pub error: Option<&'a str>,
}

impl Offer {
    fn called(&self) -> String {
        super::called(&self.id, &self.name)
    }
}

impl AddGroupsPage<'_> {
    fn has_any(&self) -> bool {
        !self.chosen.is_empty() || self.offers.iter().any(|offer| offer.why_not.is_none() && !offer.is_in)
    }
}

impl View for AddGroupsPage<'_> {
    fn status(&self) -> StatusCode {
        if self.error.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// `GET /users/{id}/activity`: what they did, and what was done to them. Status 200.
#[derive(Debug, Template)]
#[template(path = "person_activity.html")]
pub struct ActivityPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// Whose page it is.
    pub who: &'a Who,
    /// The entries of this part, by day.
    pub days: &'a [Day],
    /// Path and query of the same in the whole log.
    pub log: &'a str,
    /// Path of the newest entries, where these are others.
    pub first: Option<&'a str>,
    /// Path and query of the older ones, if there are any.
    pub older: Option<&'a str>,
}

impl View for ActivityPage<'_> {
    fn status(&self) -> StatusCode {
        self.who.status()
    }
}

/// What a token is good for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It works.
    Works,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

/// A personal MCP token.
#[derive(Debug, Clone)]
pub struct Token {
    /// Id of the token.
    pub id: String,
    /// What it is called.
    pub label: String,
    /// What the program calls itself that used it last.
    pub client: Option<String>,
    /// Whether it may change anything.
    pub writes: bool,
    /// What it is good for.
    pub state: TokenState,
    /// When it was made.
    pub made: When,
    /// When it was used last.
    pub used: Option<When>,
    /// When it ends, or ended.
    pub ends: Until,
}

/// `GET /users/{id}/ai-tools`: by what programs act as the person (B25). Status 200; where something could not be done 422.
#[derive(Debug, Template)]
#[template(path = "person_tools.html")]
pub struct ToolsPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// Whose page it is.
    pub who: &'a Who,
    /// How many tokens work, in words.
    pub count: &'a str,
    /// Whether any does.
    pub works: bool,
    /// The tokens, newest first.
    pub tokens: &'a [Token],
    /// Whether they can be ended.
    pub may_end: bool,
    /// Why not, if that is to be said.
    pub why_not: Option<&'a str>,
}

impl View for ToolsPage<'_> {
    fn status(&self) -> StatusCode {
        self.who.status()
    }
}
