//! Prompts: tasks that a person picks in their AI tool instead of writing them out. Their words are the server's; what they
//! say depends on what the caller may do.

use crate::bounds;

words! {
    /// Which prompt.
    pub enum PromptName {
        /// Somebody joins.
        OnboardTeammate = "onboard_teammate",
        /// Somebody leaves.
        OffboardTeammate = "offboard_teammate",
    }
}

/// A prompt as a client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt {
    /// The name on the wire.
    pub name: &'static str,
    /// The name that a host shows to a person.
    pub title: &'static str,
    /// What it has a model do. Fixed text.
    pub description: &'static str,
    /// The tool without which it is of no use: it is listed for whoever may call that one.
    pub tool: &'static str,
    /// What it can be told.
    pub arguments: &'static [PromptArgument],
}

/// An argument of a prompt: one line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptArgument {
    /// The name on the wire.
    pub name: &'static str,
    /// What it says.
    pub description: &'static str,
    /// Whether the prompt cannot do without.
    pub required: bool,
    /// Characters at most.
    pub max: u32,
}

impl PromptName {
    /// All there is to say of it.
    #[must_use]
    pub const fn prompt(self) -> Prompt {
        match self {
            Self::OnboardTeammate => Prompt {
                name: self.as_str(),
                title: "Onboard a teammate",
                description: "Invites somebody step by step: checks whether they are here already, finds the access groups that fit, shows what would happen, and invites them once you agree.",
                tool: "invite_user",
                arguments: &[
                    PromptArgument { name: "email", description: "Their email address.", required: true, max: bounds::EMAIL },
                    PromptArgument { name: "first_name", description: "Their first name.", required: false, max: bounds::PERSON_NAME },
                    PromptArgument { name: "last_name", description: "Their last name.", required: false, max: bounds::PERSON_NAME },
                    PromptArgument {
                        name: "work",
                        description: "What they will do, in your own words, such as first-line support.",
                        required: false,
                        max: bounds::DESCRIPTION,
                    },
                ],
            },
            Self::OffboardTeammate => Prompt {
                name: self.as_str(),
                title: "Offboard a teammate",
                description: "Ends somebody's access step by step: makes sure who is meant, shows what would end, ends it once you agree, and gives you a receipt of what ended.",
                tool: "deactivate_user",
                arguments: &[
                    PromptArgument { name: "user", description: "Who leaves: an email or an id.", required: true, max: bounds::USER },
                    PromptArgument {
                        name: "reason",
                        description: "Why, in one line; it is kept in the audit log.",
                        required: false,
                        max: bounds::REASON,
                    },
                ],
            },
        }
    }
}
