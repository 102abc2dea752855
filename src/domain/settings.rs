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

impl Settings {
    /// From a row; `None` for what is no such JSON.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
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
