//! What people are told of by mail after it happened.
//!
//! A notice waits in the outbox as the kind of letter and its facts in JSON. It names people, tokens and connections by id
//! alone: their names are looked up when the mail leaves, so that an erased person stands in no row that waits.

use super::{ConnectionId, CredentialId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person of the organization.
    Person(UserId),
    /// Whoever has a shell on the host.
    Operator,
    /// The server itself.
    Usher,
}

/// What happened to an organization's single sign-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SsoChange {
    /// A provider was connected.
    Connected,
    /// A connection's settings changed.
    Changed,
    /// A connection was removed.
    Removed,
    /// From now on it is the only way in.
    Required,
    /// From now on there are other ways in.
    NotRequired,
}

/// What happened to a person's second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactorChange {
    /// It was added.
    Added,
    /// The person removed it.
    Removed,
    /// Somebody else took it away, so that a new one can be set up.
    Reset,
}

/// What happened to a sign-in at a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityChange {
    /// From now on it opens the account.
    Linked,
    /// It opens the account no more.
    Unlinked,
}

/// Something that happened, and whose mail says so. Browsers are in words of ours, such as `Firefox on Linux`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Notice {
    /// The password is another one.
    PasswordChanged {
        /// Where it was changed.
        browser: Option<String>,
        /// Whether there was none before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        first: bool,
    },
    /// An Administrator signed in in a browser that was not seen before.
    NewBrowser {
        /// Which.
        browser: Option<String>,
    },
    /// Somebody is an Administrator from now on.
    AdministratorMade {
        /// Who.
        who: UserId,
        /// By whom.
        by: By,
    },
    /// Single sign-on is set up otherwise.
    SsoChanged {
        /// In what way.
        change: SsoChange,
        /// Which connection.
        connection: ConnectionId,
        /// By whom.
        by: By,
    },
    /// Another Administrator may, or may no longer, sign in with a password where single sign-on is required.
    BreakGlassChanged {
        /// Who.
        who: UserId,
        /// Whether they may from now on.
        may: bool,
        /// By whom.
        by: By,
    },
    /// A token of the recipient's ends within days.
    TokenEnding {
        /// Which.
        token: CredentialId,
    },
    /// The second factor is there, gone, or was taken away by somebody else.
    SecondFactorChanged {
        /// In what way.
        change: SecondFactorChange,
        /// By whom, where it was somebody else.
        by: Option<By>,
        /// Where it was done.
        browser: Option<String>,
    },
    /// A recovery code stood in for the second factor.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
        /// Where it was used.
        browser: Option<String>,
    },
    /// Another sign-in at a provider opens the account, or one does so no more.
    IdentityChanged {
        /// In what way.
        change: IdentityChange,
        /// The provider's connection, where there is one still.
        connection: Option<ConnectionId>,
    },
}

/// What a mail with a link says beside it, as its row holds it in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Which browser asked.
    pub browser: Option<String>,
    /// At which connection's provider somebody signed in.
    pub connection: Option<ConnectionId>,
    /// Who asked, where it was somebody else than its recipient.
    pub by: Option<By>,
}

impl Asked {
    /// As a row holds it.
    #[must_use]
    pub fn detail(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// From a row; what is not there is not known.
    #[must_use]
    pub fn parse(detail: Option<&str>) -> Self {
        detail.and_then(|detail| serde_json::from_str(detail).ok()).unwrap_or_default()
    }
}

/// The name of the column that says which letter it is, and of the tag in JSON.
const LETTER: &str = "letter";

impl Notice {
    /// The word of the letter, as a row holds it.
    #[must_use]
    pub const fn letter(&self) -> &'static str {
        match self {
            Self::PasswordChanged { .. } => "password_changed",
            Self::NewBrowser { .. } => "new_browser",
            Self::AdministratorMade { .. } => "administrator_made",
            Self::SsoChanged { .. } => "sso_changed",
            Self::BreakGlassChanged { .. } => "break_glass_changed",
            Self::TokenEnding { .. } => "token_ending",
            Self::SecondFactorChanged { .. } => "second_factor_changed",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::IdentityChanged { .. } => "identity_changed",
        }
    }

    /// Whether it tells of others, and so goes to Administrators alone.
    #[must_use]
    pub const fn is_for_administrators(&self) -> bool {
        match self {
            Self::AdministratorMade { .. } | Self::SsoChanged { .. } | Self::BreakGlassChanged { .. } => true,
            Self::PasswordChanged { .. }
            | Self::NewBrowser { .. }
            | Self::TokenEnding { .. }
            | Self::SecondFactorChanged { .. }
            | Self::RecoveryCodeUsed { .. }
            | Self::IdentityChanged { .. } => false,
        }
    }

    /// Its facts in JSON, as a row holds them beside the word.
    #[must_use]
    pub fn detail(&self) -> String {
        let mut facts = serde_json::to_value(self).unwrap_or_default();
        if let Some(facts) = facts.as_object_mut() {
            facts.remove(LETTER);
        }
        facts.to_string()
    }

    /// From a row; `None` for what no version has written.
    #[must_use]
    pub fn parse(letter: &str, detail: Option<&str>) -> Option<Self> {
        let mut facts: Map<String, Value> = serde_json::from_str(detail.unwrap_or("{}")).ok()?;
        facts.insert(LETTER.to_owned(), letter.into());
        serde_json::from_value(Value::Object(facts)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Random, Timestamp};

    #[test]
    fn every_notice_reads_back_from_its_row() {
        let random = Random::seeded(5);
        let now = Timestamp::from_millis(1_764_000_000_000);
        let (who, by) = (UserId::new(now, &random), By::Person(UserId::new(now, &random)));
        let browser = Some("Firefox on Linux".to_owned());
        for notice in [
            Notice::PasswordChanged { browser: None, first: false },
            Notice::PasswordChanged { browser: browser.clone(), first: true },
            Notice::NewBrowser { browser: browser.clone() },
            Notice::AdministratorMade { who, by },
            Notice::AdministratorMade { who, by: By::Operator },
            Notice::SsoChanged { change: SsoChange::NotRequired, connection: ConnectionId::new(now, &random), by: By::Usher },
            Notice::BreakGlassChanged { who, may: true, by },
            Notice::TokenEnding { token: CredentialId::new(now, &random) },
            Notice::SecondFactorChanged { change: SecondFactorChange::Reset, by: Some(by), browser: browser.clone() },
            Notice::RecoveryCodeUsed { left: 3, browser },
            Notice::IdentityChanged { change: IdentityChange::Linked, connection: Some(ConnectionId::new(now, &random)) },
            Notice::IdentityChanged { change: IdentityChange::Unlinked, connection: None },
        ] {
            assert_eq!(Notice::parse(notice.letter(), Some(&notice.detail())), Some(notice.clone()));
            assert!(!notice.detail().contains("letter"));
        }
    }

    #[test]
    fn what_a_link_was_asked_with_reads_back() {
        let asked = Asked { browser: Some("Firefox on Linux".to_owned()), connection: None, by: Some(By::Operator) };
        assert_eq!(Asked::parse(Some(&asked.detail())), asked);
        assert_eq!((Asked::parse(None), Asked::parse(Some("no"))), (Asked::default(), Asked::default()));
    }

    #[test]
    fn a_row_without_facts_and_an_unknown_one_are_told_apart() {
        assert_eq!(Notice::parse("password_changed", None), Some(Notice::PasswordChanged { browser: None, first: false }));
        for (letter, detail) in
            [("of_tomorrow", None), ("administrator_made", None), ("token_ending", Some("no")), ("new_browser", Some("[]"))]
        {
            assert_eq!(Notice::parse(letter, detail), None, "{letter}");
        }
    }
}
