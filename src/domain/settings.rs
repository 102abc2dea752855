//! What an organization decides about how its people get in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    /// What a newer version wrote.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { magic_links: true, sso_required: false, second_factor: SecondFactorFor::default(), others: Map::new() }
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

    /// What is other in `after`: the field, its value here and there, as words for the log.
    #[must_use]
    pub fn changes(&self, after: &Self) -> Vec<(&'static str, String, String)> {
        [("second_factor", self.second_factor.as_str().to_owned(), after.second_factor.as_str().to_owned())]
            .into_iter()
            .filter(|(_, before, after)| before != after)
            .collect()
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
    fn a_choice_reads_back_and_a_change_is_told() {
        for choice in SecondFactorFor::ALL {
            assert_eq!(SecondFactorFor::parse(choice.as_str()), Some(choice));
            let settings = Settings { second_factor: choice, ..Settings::default() };
            assert!(settings.to_text().contains(&format!("\"second_factor\":\"{}\"", choice.as_str())));
        }
        let everybody = Settings { second_factor: SecondFactorFor::Everybody, ..Settings::default() };
        let change = ("second_factor", "nobody".to_owned(), "everybody".to_owned());
        assert_eq!(Settings::default().changes(&everybody), [change]);
        assert!(everybody.changes(&everybody).is_empty());
    }

    #[test]
    fn an_empty_row_has_the_defaults_and_what_is_unknown_stays() {
        assert_eq!(Settings::parse("{}"), Some(Settings::default()));
        assert!(Settings::default().magic_links);
        let newer = Settings::parse(r#"{"magic_links":false,"of_tomorrow":[1]}"#).unwrap();
        assert!(!newer.magic_links);
        assert_eq!(Settings::parse(&newer.to_text()), Some(newer.clone()));
        assert!(newer.to_text().contains("of_tomorrow"));
        assert_eq!(Settings::parse("no"), None);
    }
}
