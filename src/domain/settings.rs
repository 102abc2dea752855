//! What an organization decides about how its people get in, and what its Administrators are shown first.

use super::{Email, InviteDomains, OtherDomains};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// How many Administrators an organization can decide to have at most.
pub const MOST_ADMINISTRATORS: RangeInclusive<u32> = 1..=1000;
/// How many days a personal token can live.
pub const TOKEN_DAYS: RangeInclusive<u32> = 1..=365;
/// Days that a personal token lives where nothing else is said, and the organization allows as many.
const USUAL_TOKEN_DAYS: u32 = 90;

/// Who must show a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactorFor {
    /// Whoever has set one up.
    #[default]
    Nobody,
    /// Administrators must have one.
    Administrators,
    /// Everybody must.
    Everybody,
}

/// An organization's settings, as its row holds them in JSON. What is not there has its default; what this version does
/// not know stays as it is, for a newer node may have written it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Whether a mailed link signs in.
    pub magic_links: bool,
    /// Whether people sign in through the organization's provider only.
    pub sso_required: bool,
    /// Who must show a second factor.
    pub second_factor: SecondFactorFor,
    /// Which email domains it invites; none named means all.
    pub invite_domains: InviteDomains,
    /// What becomes of an invite to another one.
    pub other_domains: OtherDomains,
    /// How many Administrators there may be, Pending ones included; any number where none is said.
    pub most_administrators: Option<u32>,
    /// Most days that a personal token lives.
    pub most_token_days: u32,
    /// Whether its Administrators have put the list of first steps away.
    pub steps_hidden: bool,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            magic_links: true,
            sso_required: false,
            second_factor: SecondFactorFor::default(),
            invite_domains: InviteDomains::default(),
            other_domains: OtherDomains::default(),
            most_administrators: None,
            most_token_days: *TOKEN_DAYS.end(),
            steps_hidden: false,
            others: Map::new(),
        }
    }
}

impl SecondFactorFor {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Nobody, Self::Administrators, Self::Everybody];

    /// The word that a row and the command line use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Administrators => "administrators",
            Self::Everybody => "everybody",
        }
    }

    /// Reads exactly that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == text)
    }
}

impl Settings {
    /// From a row; `None` for what is no such JSON.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether an invite goes to a domain that the organization names, or names none.
    #[must_use]
    pub fn invites(&self, email: &Email) -> bool {
        self.invite_domains.is_empty() || self.invite_domains.names(email)
    }

    /// Days that a personal token lives where its maker says nothing.
    #[must_use]
    pub fn usual_token_days(&self) -> u32 {
        USUAL_TOKEN_DAYS.min(self.most_token_days)
    }

    /// As a row holds them.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_reads_back() {
        for choice in SecondFactorFor::ALL {
            assert_eq!(SecondFactorFor::parse(choice.as_str()), Some(choice));
            let settings = Settings { second_factor: choice, ..Settings::default() };
            assert!(settings.to_text().contains(&format!("\"second_factor\":\"{}\"", choice.as_str())));
        }
    }

    #[test]
    fn an_empty_row_has_the_defaults_and_what_is_unknown_stays() {
        assert_eq!(Settings::parse("{}"), Some(Settings::default()));
        assert!(Settings::default().magic_links);
        assert_eq!((Settings::default().most_token_days, Settings::default().usual_token_days()), (365, 90));
        let newer = Settings::parse(r#"{"magic_links":false,"of_tomorrow":[1]}"#).unwrap();
        assert!(!newer.magic_links);
        assert_eq!(Settings::parse(&newer.to_text()), Some(newer.clone()));
        assert!(newer.to_text().contains("of_tomorrow"));
        assert_eq!(Settings::parse("no"), None);
    }

    #[test]
    fn domains_stand_in_the_row_as_they_are_shown() {
        let settings = Settings {
            invite_domains: InviteDomains::parse("*.b.example,Bücher.example").unwrap(),
            other_domains: OtherDomains::Refuse,
            ..Settings::default()
        };
        assert!(settings.to_text().contains(r#""invite_domains":["*.b.example","xn--bcher-kva.example"],"other_domains":"refuse""#));
        assert_eq!(Settings::parse(&settings.to_text()), Some(settings.clone()));
        let email = |text| Email::parse(text).unwrap();
        assert!(settings.invites(&email("a@bücher.example")) && !settings.invites(&email("a@b.example")));
        assert!(Settings::default().invites(&email("a@b.example")));
    }
}
