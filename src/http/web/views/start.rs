//! What makes an organization useful, step by step.

use super::{View, frame::Frame, settings::Section};
pub use crate::domain::Step;
use askama::Template;
use http::StatusCode;

impl Step {
    fn title(self) -> &'static str {
        match self {
            Self::Invite => "Invite somebody",
            Self::Group => "Make an access group",
            Self::Tool => "Connect an AI tool",
            Self::Provider => "Connect single sign-on",
        }
    }

    /// What there is to do.
    fn open(self) -> &'static str {
        match self {
            Self::Invite => "They get an email with a link that works for 7 days, and start as a User without any access.",
            Self::Group => "A group says what its members may see and do. Whoever is in none has no access at all.",
            Self::Tool => {
                "Make a token, paste it and your MCP URL into Claude Code, Cursor or VS Code, then say: “Who is still pending?” This is ticked off within a minute of its first call."
            }
            Self::Provider => "Google, Microsoft or any OpenID Connect provider. Until then people set a password when they join.",
        }
    }

    /// What holds once it is done.
    fn done(self) -> &'static str {
        match self {
            Self::Invite => "You are not alone here any more.",
            Self::Group => "There is one to put people into.",
            Self::Tool => "It has called with a token of yours.",
            Self::Provider => "People sign in through your provider.",
        }
    }

    fn button(self) -> &'static str {
        match self {
            Self::Invite => "Invite somebody",
            Self::Group => "Make a group",
            Self::Tool => "Connect an AI tool",
            Self::Provider => "Connect a provider",
        }
    }

    /// Path below the base of where it is done.
    fn path(self) -> &'static str {
        match self {
            Self::Invite => "/users/invite",
            Self::Group => "/access-groups",
            Self::Tool => "/me/tools",
            Self::Provider => Section::Sso.path(),
        }
    }
}

/// A step as the page shows it.
#[derive(Debug, Clone, Copy)]
struct Row {
    number: usize,
    step: Step,
    is_done: bool,
    /// The one to do next: there is exactly one.
    is_next: bool,
}

/// `GET /start`: the first steps of an organization, those that are done ticked off. Status 200.
#[derive(Debug, Template)]
#[template(path = "start.html")]
pub struct StartPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// First name of who looks.
    pub first_name: &'a str,
    /// Host name of the public URL.
    pub host: &'a str,
    /// What becomes of mail, as the rest of a sentence.
    pub mail: &'a str,
    /// The steps that are done.
    pub done: &'a [Step],
}

impl StartPage<'_> {
    fn rows(&self) -> Vec<Row> {
        let next = Step::ALL.into_iter().find(|step| !self.done.contains(step));
        let row = |(number, step)| Row { number, step, is_done: self.done.contains(&step), is_next: next == Some(step) };
        (1..).zip(Step::ALL).map(row).collect()
    }
}

impl View for StartPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}
