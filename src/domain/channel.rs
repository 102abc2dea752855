//! Whose worker takes a row of the outbox.

/// What a row of the outbox wants, and so whose worker takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A mail to its person.
    Mail,
    /// A question to Slack about its person.
    Slack,
}

impl Channel {
    /// The word in a row.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Slack => "slack",
        }
    }
}
