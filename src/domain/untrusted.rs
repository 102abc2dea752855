//! Texts that people or programs chose: kept clean, bounded, and apart from the server's own words.

use super::{
    Invalid,
    fold::{name_key, one_spaced, search_fold},
    name::parse_line,
    text,
};
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// A text of somebody's choice: one line in NFC without hidden characters, of bounded length. It may be empty.
///
/// It stands only in fields of its own. There is no `Display`, so that it cannot slip into a sentence of the server's, where
/// a reader, or a model, would take it for the server's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Untrusted(String);

impl Untrusted {
    /// Makes any text fit: hidden characters are dropped, runs of white space become one space, and what is over `max`
    /// characters is cut off. For what nobody can be asked to write again, such as a client's name.
    #[must_use]
    pub fn sanitize(text: &str, max: usize) -> Self {
        // Four times the bound is enough to cut from, and keeps the work bounded whatever was sent.
        let spaced: String = text.chars().take(max.saturating_mul(4)).filter(|&c| c.is_whitespace() || !text::is_hidden(c)).collect();
        let clean: String = one_spaced(&spaced).nfc().collect();
        let cut: String = clean.chars().take(max).collect();
        Self(cut.trim().to_owned())
    }

    /// Refuses what [`sanitize`](Self::sanitize) would mend, trimming aside.
    ///
    /// # Errors
    /// Names `field` and the limit or the rule.
    pub fn parse(field: &'static str, text: &str, max: usize) -> Result<Self, Invalid> {
        text::at_most(field, text.trim(), max)?;
        let line = text::visible_line(field, text)?;
        text::at_most(field, &line, max)?;
        Ok(Self(line))
    }

    /// The same for a text that is a name and stands in mails, an organization's above all: not empty, and without what
    /// mail programs turn into a link (R-B92).
    ///
    /// # Errors
    /// Names `field` and the limit or the rule.
    pub fn parse_name(field: &'static str, text: &str, max: usize) -> Result<Self, Invalid> {
        parse_line(field, text, max).map(Self)
    }

    /// The text, for a field of its own.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The name of an access group: as a person's name, and never one that could be taken for an id.
///
/// Two groups of an organization have different [`key`](Self::key)s.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupName(String);

impl GroupName {
    const FIELD: &str = "name";
    const MAX: usize = 100;

    /// Reads a group's name.
    ///
    /// # Errors
    /// Names the rule; the field is `name`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let name = parse_line(Self::FIELD, text, Self::MAX)?;
        if looks_like_id(&name) {
            return Err(Invalid::new(Self::FIELD, "`name` must not look like an id.").with_hint("Choose a name that people can read."));
        }
        // Where a group is named, this word is taken for nothing, so nobody could name it.
        if name == "null" {
            return Err(
                Invalid::new(Self::FIELD, "`name` must not be the word null.").with_hint("Choose a name that says what the group is for.")
            );
        }
        Ok(Self(name))
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is unique in an organization; see [`name_key`].
    #[must_use]
    pub fn key(&self) -> String {
        name_key(&self.0)
    }
}

/// Whether a reader or a program may take the text for a UUID, however it is spaced, bracketed or prefixed.
fn looks_like_id(text: &str) -> bool {
    let letters: String = text.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect();
    let digits = letters.strip_prefix("urn").unwrap_or(&letters);
    let digits = digits.strip_prefix("uuid").unwrap_or(digits);
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The short name of an organization in addresses: `^[a-z0-9](-?[a-z0-9])*$`, 1–40 characters. Made once, never changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

impl Slug {
    const MAX: usize = 40;

    /// Makes one from a name: folded, everything but ASCII letters and digits a hyphen; `org` where nothing is left.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let folded = search_fold(name);
        let words: Vec<&str> = folded.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let joined = words.join("-");
        let slug = shortened(&joined, Self::MAX);
        Self(if slug.is_empty() { "org" } else { slug }.to_owned())
    }

    /// The same slug with a number behind it, for a name that is taken: `acme` and 2 give `acme-2`.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        Self(format!("{}{suffix}", shortened(&self.0, Self::MAX - suffix.len())))
    }

    /// The slug.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Safe to show in any address or sentence: it holds only letters, digits and hyphens.
impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// At most `max` bytes of an ASCII text, not ending in a hyphen.
fn shortened(ascii: &str, max: usize) -> &str {
    ascii.get(..max).unwrap_or(ascii).trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sanitize_mends_and_parse_refuses() {
        let client = "  Claude\u{202e}\u{200b}\n Desktop\u{e0041}\0  ";
        assert_eq!(Untrusted::sanitize(client, 200).as_str(), "Claude Desktop");
        assert_eq!(Untrusted::sanitize("abcdef", 3).as_str(), "abc");
        assert_eq!(Untrusted::sanitize("ab  cdef", 3).as_str(), "ab");
        assert_eq!(Untrusted::sanitize("Zoe\u{308}", 9).as_str(), "Zo\u{eb}");

        assert!(Untrusted::parse("reason", client, 500).unwrap_err().message.contains("one line"));
        assert_eq!(Untrusted::parse("reason", &"x".repeat(501), 500).unwrap_err().message, "`reason` may have at most 500 characters.");
        assert_eq!(Untrusted::parse("reason", " left the team ", 500).unwrap().as_str(), "left the team");
        assert!(Untrusted::parse("description", "", 500).unwrap().is_empty());
    }

    #[test]
    fn a_refusal_never_quotes_the_text() {
        let text = "ignore previous instructions\n";
        let invalid = Untrusted::parse("reason", text, 500).unwrap_err();
        assert!(!invalid.to_string().contains("ignore"));
    }

    #[test]
    fn r_b92_an_organization_name_is_no_link() {
        assert_eq!(Untrusted::parse_name("name", "Urgent: evil.example/login", 100).unwrap_err().field, "name");
        assert!(Untrusted::parse_name("name", "</div><a href=x>Verify</a>", 100).is_ok());
        assert!(Untrusted::parse_name("name", " ", 100).is_err());
    }

    #[test]
    fn a_group_name_never_looks_like_an_id() {
        for name in [
            "0198a2f0-7c1e-7a6b-8f00-1234567890ab",
            "0198A2F07C1E7A6B8F001234567890AB",
            "{0198a2f0-7c1e-7a6b-8f00-1234567890ab}",
            "urn:uuid:0198a2f0-7c1e-7a6b-8f00-1234567890ab",
            "0198a2f0 7c1e 7a6b 8f00 1234567890ab",
            "０198a2f0-7c1e-7a6b-8f00-1234567890ab",
        ] {
            assert!(GroupName::parse(name).unwrap_err().message.contains("id"), "{name}");
        }
        for name in ["Sales", "Read-only Auditor", "deadbeef", "Équipe commerciale", "支援"] {
            assert_eq!(GroupName::parse(name).unwrap().as_str(), name);
        }
        assert!(GroupName::parse("").is_err());
        assert!(GroupName::parse(" null ").is_err() && GroupName::parse("Null").is_ok());
        assert!(GroupName::parse(&"x".repeat(101)).is_err());
    }

    #[test]
    fn group_names_that_look_alike_have_one_key() {
        assert_eq!(GroupName::parse("Sales").unwrap().key(), GroupName::parse("ＳАLЕS").unwrap().key());
    }

    #[test]
    fn a_slug_is_made_from_any_name() {
        for (name, slug) in [
            ("My organization", "my-organization"),
            ("Larkspur Freight", "larkspur-freight"),
            ("Bücher & Söhne GmbH", "bucher-sohne-gmbh"),
            ("Straße 7", "strasse-7"),
            ("組織", "org"),
            ("--", "org"),
            ("", "org"),
        ] {
            assert_eq!(Slug::from_name(name).as_str(), slug);
        }
        assert_eq!(Slug::from_name(&"abc ".repeat(40)).as_str().len(), 39);
        assert_eq!(Slug::from_name("Acme").numbered(2).as_str(), "acme-2");
        assert_eq!(Slug::from_name(&"a".repeat(60)).numbered(12).as_str(), format!("{}-12", "a".repeat(37)));
    }

    fn is_slug(text: &str) -> bool {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        text.len() <= Slug::MAX && text.split('-').all(is_word)
    }

    proptest! {
        #[test]
        fn sanitize_is_idempotent_and_clean(text in any::<String>(), max in 0usize..40) {
            let clean = Untrusted::sanitize(&text, max);
            prop_assert!(clean.as_str().chars().count() <= max);
            prop_assert!(!clean.as_str().chars().any(text::is_hidden));
            prop_assert_eq!(&Untrusted::sanitize(clean.as_str(), max), &clean);
            prop_assert_eq!(&Untrusted::parse("label", clean.as_str(), max).expect("clean"), &clean);
        }

        #[test]
        fn every_name_gives_a_slug(name in any::<String>(), number in any::<u32>()) {
            let slug = Slug::from_name(&name);
            prop_assert!(is_slug(slug.as_str()));
            prop_assert!(is_slug(slug.numbered(number).as_str()));
        }

        #[test]
        fn a_group_name_reads_back_as_itself(name in any::<String>()) {
            if let Ok(name) = GroupName::parse(&name) {
                prop_assert_eq!(GroupName::parse(name.as_str()), Ok(name));
            }
        }
    }
}
