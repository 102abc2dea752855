//! Slack's ids, why somebody is looked up there, and what ends looking up.

use super::{Invalid, Untrusted};

/// Who a person is in Slack: a member's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlackId(Untrusted);

impl SlackId {
    const MAX: usize = usher_tools::bounds::SLACK_ID as usize;

    /// Reads one that somebody wrote: letters and digits.
    ///
    /// # Errors
    /// Names the rule; the field is `slack_id`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = Untrusted::parse("slack_id", text, Self::MAX)?;
        if !text.is_empty() && text.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self(text));
        }
        Err(Invalid::new("slack_id", "A Slack ID has letters and digits only.")
            .with_hint("Pass the member id from the person's Slack profile, such as U012AB3CD, or none to clear it."))
    }

    /// Takes one that Slack answered, where it is a member's: `U` or `W`, then capital letters and digits.
    #[must_use]
    pub fn of_member(text: &str) -> Option<Self> {
        is_slack_id(text, &['U', 'W']).then(|| Self(Untrusted::sanitize(text, Self::MAX)))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Whether a text is an id as Slack gives them out, of one of these kinds.
fn is_slack_id(text: &str, kinds: &[char]) -> bool {
    (3..=SlackId::MAX).contains(&text.len())
        && text.starts_with(kinds)
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The workspace that a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its id, such as `T012AB3C4`; an enterprise's begins with `E`.
    pub id: String,
    /// Its name, as its people chose it.
    pub name: Untrusted,
}

impl Workspace {
    /// What Slack answered, where it reads as a workspace.
    #[must_use]
    pub fn answered(id: &str, name: &str) -> Option<Self> {
        is_slack_id(id, &['T', 'E']).then(|| Self { id: id.to_owned(), name: Untrusted::sanitize(name, 100) })
    }
}

/// Who decided what a person's Slack ID is, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlackBy {
    /// Somebody, by hand.
    Hand,
    /// A look-up.
    LookUp,
}

impl SlackBy {
    /// The word in a row.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::LookUp => "lookup",
        }
    }

    /// Reads exactly that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hand, Self::LookUp].into_iter().find(|by| by.as_str() == text)
    }
}

/// Why somebody is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// They were invited, or joined.
    Joining,
    /// Somebody asked for it.
    Asked,
}

impl LookUp {
    /// The word in a row.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "slack_joining",
            Self::Asked => "slack_asked",
        }
    }

    /// Reads exactly that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Joining, Self::Asked].into_iter().find(|why| why.as_str() == text)
    }
}

/// Why Slack does not answer an organization's token any more. Nothing is asked by it until another is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlackStop {
    /// It is none that Slack knows, or it does not take it from this machine.
    InvalidAuth,
    /// It was revoked, or the app was taken out of the workspace.
    TokenRevoked,
    /// It was one that ends by itself.
    TokenExpired,
    /// The account or the workspace behind it is gone.
    AccountInactive,
    /// It may not read addresses.
    MissingScope,
    /// The workspace's administrators, or its enterprise's, do not let it in.
    AccessDenied,
}

impl SlackStop {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::InvalidAuth, Self::TokenRevoked, Self::TokenExpired, Self::AccountInactive, Self::MissingScope, Self::AccessDenied];

    /// A stable code: Slack's own word for the first that it stands for.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidAuth => "invalid_auth",
            Self::TokenRevoked => "token_revoked",
            Self::TokenExpired => "token_expired",
            Self::AccountInactive => "account_inactive",
            Self::MissingScope => "missing_scope",
            Self::AccessDenied => "access_denied",
        }
    }

    /// Reads exactly that code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stop| stop.as_str() == text)
    }

    /// From the error that Slack answered; `None` for one that passes, or says nothing of the token.
    #[must_use]
    pub fn answered(error: &str) -> Option<Self> {
        match error {
            "invalid_auth" | "not_authed" => Some(Self::InvalidAuth),
            "token_revoked" => Some(Self::TokenRevoked),
            "token_expired" => Some(Self::TokenExpired),
            "account_inactive" => Some(Self::AccountInactive),
            "missing_scope" | "not_allowed_token_type" | "no_permission" => Some(Self::MissingScope),
            "access_denied" | "ekm_access_denied" | "enterprise_is_restricted" | "org_login_required" | "team_access_not_granted" => {
                Some(Self::AccessDenied)
            }
            _ => None,
        }
    }

    /// What is wrong and what to do next, for the operator; `connect` and the organization's slug complete it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::InvalidAuth => {
                "Slack does not know the token, or does not take it from this machine's address: copy the bot token from the app's page (OAuth & Permissions)"
            }
            Self::TokenRevoked => "the token was revoked, or the app was taken out of the workspace: install the app again",
            Self::TokenExpired => "the token has ended: switch token rotation off for the app and install it again",
            Self::AccountInactive => "the bot's account or its workspace is deactivated: have the workspace's owner install the app again",
            Self::MissingScope => {
                "the token may not look people up: give the app the bot scope users:read.email, which brings users:read, and install it again"
            }
            Self::AccessDenied => "the workspace, or its enterprise, keeps the app out: have its administrators approve the app",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_members_id_is_taken_from_slack() {
        for right in ["U012AB3CD", "W012A3CDE", "U02"] {
            assert_eq!(SlackId::of_member(right).unwrap().as_str(), right);
        }
        let long = format!("U{}", "1".repeat(32));
        for wrong in ["", "U", "u012ab3cd", "T012AB3C4", "U012 AB3", "U012\u{202e}", "USLACKBOT\n", "<U012AB3CD>", long.as_str()] {
            assert_eq!(SlackId::of_member(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn by_hand_it_is_letters_and_digits() {
        assert_eq!(SlackId::parse(" U024be7LH ").unwrap().as_str(), "U024be7LH");
        for wrong in ["@ana", "U1-2", "Ü1", "U1 2", ""] {
            assert_eq!(SlackId::parse(wrong).unwrap_err().field, "slack_id", "{wrong:?}");
        }
    }

    #[test]
    fn a_workspace_has_an_id_and_a_clean_name() {
        let acme = Workspace::answered("T012AB3C4", "Acme\u{202e}\n Inc").unwrap();
        assert_eq!((acme.id.as_str(), acme.name.as_str()), ("T012AB3C4", "Acme Inc"));
        assert_eq!(Workspace::answered("U012AB3C4", "Acme"), None);
    }

    #[test]
    fn every_reason_reads_back_and_says_what_to_do() {
        for stop in SlackStop::ALL {
            assert_eq!(SlackStop::parse(stop.as_str()), Some(stop));
            assert_eq!(SlackStop::answered(stop.as_str()), Some(stop));
            assert!(stop.words().contains(": "), "{stop:?}");
        }
        assert_eq!(SlackStop::answered("users_not_found"), None);
        for why in [LookUp::Joining, LookUp::Asked] {
            assert_eq!(LookUp::parse(why.as_str()), Some(why));
        }
        for by in [SlackBy::Hand, SlackBy::LookUp] {
            assert_eq!(SlackBy::parse(by.as_str()), Some(by));
        }
    }
}
