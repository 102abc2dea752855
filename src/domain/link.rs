//! What a mailed link is for.

use super::{INVITE_LIFETIME, MINUTE};

/// The kinds of links. A link's token is derived from its kind too, so that one kind never opens another's door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// Joining an organization (B10).
    Invite,
    /// Signing in, in the browser that asked.
    SignIn,
    /// Choosing a new password, in the browser that asked.
    Reset,
    /// Connecting an SSO identity to an account, in the browser that signed in with it.
    Identity,
    /// Signing in from any browser: made by the operator on the host.
    Operator,
}

impl LinkKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Invite, Self::SignIn, Self::Reset, Self::Identity, Self::Operator];

    /// The word that a row holds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::SignIn => "sign_in",
            Self::Reset => "reset",
            Self::Identity => "identity",
            Self::Operator => "operator",
        }
    }

    /// Reads exactly the word that a row holds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// How long it is good, in milliseconds.
    #[must_use]
    pub const fn lifetime(self) -> i64 {
        match self {
            Self::Invite => INVITE_LIFETIME,
            Self::SignIn | Self::Reset | Self::Identity | Self::Operator => 10 * MINUTE,
        }
    }

    /// Whether it opens anything only in the browser that asked for it.
    #[must_use]
    pub const fn is_bound_to_a_browser(self) -> bool {
        match self {
            Self::SignIn | Self::Reset | Self::Identity => true,
            Self::Invite | Self::Operator => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_reads_back_and_only_mailed_ones_are_bound_to_the_browser_that_asked() {
        for kind in LinkKind::ALL {
            assert_eq!(LinkKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(LinkKind::parse("Invite"), None);
        assert_eq!(LinkKind::ALL.map(LinkKind::is_bound_to_a_browser), [false, true, true, true, false]);
        assert_eq!(LinkKind::SignIn.lifetime(), 600_000);
    }
}
