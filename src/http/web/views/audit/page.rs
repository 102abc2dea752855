//! The page of the audit log.

use super::{Day, Mark, Part, Via, chart::Chart};
use crate::http::web::views::{View, frame::Frame, users::Choice, when::When};
use askama::Template;
use http::StatusCode;

/// Values of a filter under one heading.
#[derive(Debug, Clone)]
pub struct Choices {
    /// What they have in common.
    pub title: &'static str,
    /// The values.
    pub choices: Vec<Choice>,
}

/// What the last check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// There was none by this server.
    Nothing,
    /// It says what was written into it.
    Unbroken {
        /// How many entries it had, in words.
        entries: String,
        /// The newest entry's hash, shortened.
        head: String,
        /// When.
        when: When,
    },
    /// It does not.
    Broken {
        /// From where on.
        words: String,
        /// When.
        when: When,
    },
    /// It could not be read to its end.
    Unread {
        /// Why.
        words: &'static str,
        /// When.
        when: When,
    },
}

/// The state of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// How many entries there are now, in words.
    pub entries: String,
    /// What the last check found.
    pub found: Found,
    /// Since when one is under way.
    pub under_way: Option<When>,
}

/// `GET /audit`: what happened, newest first, page by page. Status 200.
#[derive(Debug, Template)]
#[template(path = "audit.html")]
pub struct AuditPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The state of the chain.
    pub chain: &'a Chain,
    /// Activity per day; none where nothing happened.
    pub chart: Option<&'a Chart>,
    /// The filters in force, as forms carry them: name and value.
    pub kept: &'a [(&'static str, String)],
    /// The person whose entries are shown, as typed.
    pub user: &'a str,
    /// The program whose entries are shown, as typed.
    pub client: &'a str,
    /// First and last day that is shown, such as `2026-11-25`; empty where there is none.
    pub dates: (&'a str, &'a str),
    /// The filter by action.
    pub actions: &'a [Choices],
    /// The filter by surface.
    pub surfaces: &'a [Choice],
    /// The filter by outcome.
    pub outcomes: &'a [Choice],
    /// The filter by time.
    pub times: &'a [Choice],
    /// The entries of this page.
    pub days: &'a [Day],
    /// Which these are, in words.
    pub range: &'a str,
    /// Path and query of the page with newer entries, if there is one.
    pub newer: Option<&'a str>,
    /// Path and query of the page with older ones, if there is one.
    pub older: Option<&'a str>,
    /// Whether they may export.
    pub may_export: bool,
}

impl AuditPage<'_> {
    /// The filters beside those of a form's own fields.
    fn beside<'b>(&'b self, own: &'b [&'b str]) -> impl Iterator<Item = &'b (&'static str, String)> {
        self.kept.iter().filter(move |(name, _)| !own.contains(name))
    }

    fn action(&self) -> &str {
        let choices = self.actions.iter().flat_map(|section| &section.choices);
        choices.into_iter().find(|choice| choice.chosen).map_or("any", |choice| choice.name.as_str())
    }

    fn surface(&self) -> &str {
        chosen(self.surfaces, "any")
    }

    fn outcome(&self) -> &str {
        chosen(self.outcomes, "any")
    }

    fn time(&self) -> &str {
        chosen(self.times, "Chosen days")
    }
}

/// Name of the value that holds; `otherwise` where none of them does.
fn chosen<'a>(choices: &'a [Choice], otherwise: &'a str) -> &'a str {
    choices.iter().find(|choice| choice.chosen).map_or(otherwise, |choice| choice.name.as_str())
}

impl View for AuditPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}
