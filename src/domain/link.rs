//! What a mailed link is for.

use super::{HOUR, INVITE_LIFETIME, MINUTE};

/// The kinds of links. A link's token is derived from its kind too, so that one kind never opens another's door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// Joining an organization (B10).
    Invite,
    /// Signing in, in the browser that asked.
    SignIn,
    /// Choosing a new password, in the browser that asked.
    Reset,
    /// Choosing a new password, in any browser: an Administrator, or the operator on the host, started it for its person.
    StartedReset,
    /// Connecting an SSO identity to an account, in the browser that signed in with it.
    Identity,
    /// Signing in from any browser: made by the operator on the host.
    Operator,
}

impl LinkKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Invite, Self::SignIn, Self::Reset, Self::StartedReset, Self::Identity, Self::Operator];

    /// The word that a row holds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::SignIn => "sign_in",
            Self::Reset => "reset",
            Self::StartedReset => "started_reset",
            Self::Identity => "identity",
            Self::Operator => "operator",
        }
    }

    /// Reads exactly the word that a row holds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// How long it is good, in milliseconds. Whoever asks at the door waits for the mail with the page open; a reset that
    /// somebody else started is mailed to a person who may be on the telephone, in another room or behind a slow gateway, and
    /// an hour is enough for them and little for whoever finds the mail later.
    #[must_use]
    pub const fn lifetime(self) -> i64 {
        match self {
            Self::Invite => INVITE_LIFETIME,
            Self::SignIn | Self::Reset | Self::Identity | Self::Operator => 10 * MINUTE,
            Self::StartedReset => HOUR,
        }
    }

    /// Whether it opens anything only in the browser that asked for it.
    #[must_use]
    pub const fn is_bound_to_a_browser(self) -> bool {
        match self {
            Self::SignIn | Self::Reset | Self::Identity => true,
            Self::Invite | Self::StartedReset | Self::Operator => false,
        }
    }

    /// Whether it leads to a new password.
    #[must_use]
    pub const fn is_for_a_password(self) -> bool {
        match self {
            Self::Reset | Self::StartedReset => true,
            Self::Invite | Self::SignIn | Self::Identity | Self::Operator => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_reads_back_and_only_what_a_browser_asked_for_is_bound_to_it() {
        for kind in LinkKind::ALL {
            assert_eq!(LinkKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(LinkKind::parse("Invite"), None);
        assert_eq!(LinkKind::ALL.map(LinkKind::is_bound_to_a_browser), [false, true, true, false, true, false]);
        assert_eq!((LinkKind::SignIn.lifetime(), LinkKind::StartedReset.lifetime()), (600_000, 3_600_000));
    }
}
