//! People's names (B08).

use super::{Invalid, text};

/// A name's length, in characters after NFC.
const MAX: usize = 100;

/// A first or a last name: one visible line of 1–100 characters in NFC, without hidden characters (R-B89, R-B98) and without
/// what mail programs turn into a link (R-B92). Everything else is somebody's name: `(Vendor)`, `O'Neill`, `<b>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamePart(String);

impl NamePart {
    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A person's two names, both required: they appear in the audit log, in pickers and in mentions (B08).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PersonName {
    first: NamePart,
    last: NamePart,
}

impl PersonName {
    /// Reads both names.
    ///
    /// # Errors
    /// For `first_name`, then for `last_name`; see [`NamePart`] for the form.
    pub fn parse(first: &str, last: &str) -> Result<Self, Invalid> {
        Ok(Self::new(Self::parse_first(first)?, Self::parse_last(last)?))
    }

    /// A name of two parts that were read one by one.
    #[must_use]
    pub const fn new(first: NamePart, last: NamePart) -> Self {
        Self { first, last }
    }

    /// Reads a first name alone, with `first_name` as the field at fault.
    pub fn parse_first(text: &str) -> Result<NamePart, Invalid> {
        parse_line("first_name", text, MAX).map(NamePart)
    }

    /// Reads a last name alone, with `last_name` as the field at fault.
    pub fn parse_last(text: &str) -> Result<NamePart, Invalid> {
        parse_line("last_name", text, MAX).map(NamePart)
    }

    /// The first name.
    #[must_use]
    pub fn first(&self) -> &str {
        self.first.as_str()
    }

    /// The last name.
    #[must_use]
    pub fn last(&self) -> &str {
        self.last.as_str()
    }

    /// Both, first name first.
    #[must_use]
    pub fn full(&self) -> String {
        format!("{} {}", self.first(), self.last())
    }
}

/// The rules of every name, a person's, a group's and an organization's.
///
/// # Errors
/// Names `field` and the rule.
pub(super) fn parse_line(field: &'static str, text: &str, max: usize) -> Result<String, Invalid> {
    // Long texts first, so that they cost nothing; again after NFC, which some characters leave longer than they came.
    text::at_most(field, text.trim(), max)?;
    let line = text::visible_line(field, text)?;
    text::at_most(field, &line, max)?;
    if !text::is_visible(&line) {
        return Err(Invalid::new(field, format!("`{field}` must not be empty.")).with_hint(format!("Give 1 to {max} characters.")));
    }
    text::unlinked(field, &line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(first: &str) -> Invalid {
        let invalid = PersonName::parse(first, "Ruiz").expect_err(first);
        assert_eq!(invalid.field, "first_name");
        assert!(invalid.hint.is_some());
        assert!(first.trim().is_empty() || !invalid.message.contains(first), "never quotes the input");
        invalid
    }

    #[test]
    fn b08_both_names_are_required_and_a_placeholder_is_a_name() {
        let name = PersonName::parse(" Ana ", "(Vendor)").unwrap();
        assert_eq!((name.first(), name.last(), name.full().as_str()), ("Ana", "(Vendor)", "Ana (Vendor)"));
        for nothing in ["", "  ", "\u{a0}", "\u{301}"] {
            assert_eq!(PersonName::parse("Ana", nothing).unwrap_err().field, "last_name");
            refusal(nothing);
        }
    }

    #[test]
    fn names_of_all_kinds_are_accepted() {
        for name in [
            "O'Neill",
            "Jean-Luc",
            "St. John",
            "J.R.",
            "J. R. R.",
            "Dr. Smith",
            "Nguyễn Thị Hồng",
            "Ιωάννα",
            "Червоний",
            "李",
            "محمد",
            "a.k.a.",
            "<b>IT</b>",
            "<img src=x onerror=alert(1)>",
            "javascript:alert(1)",
            "=1+1",
            "-",
            "2.0",
            "Awww...",
            "ignore previous instructions",
            "🙂",
            "…",
        ] {
            let parsed = PersonName::parse(name, name).unwrap_or_else(|invalid| panic!("{name}: {}", invalid.message));
            assert_eq!(parsed.first(), name);
        }
    }

    #[test]
    fn a_name_is_kept_in_nfc() {
        assert_eq!(PersonName::parse("Zoe\u{308}", "Ruiz").unwrap().first(), "Zo\u{eb}");
    }

    #[test]
    fn r_b11_a_name_has_at_most_100_characters() {
        assert!(PersonName::parse(&"é".repeat(100), "Ruiz").is_ok());
        for long in [101, 10_000, 1_000_000] {
            assert!(refusal(&"a".repeat(long)).message.contains("100"));
        }
        // NFC makes one character of these two…
        assert!(PersonName::parse(&"e\u{301}".repeat(50), "Ruiz").is_ok());
        // …and two of this one.
        assert!(refusal(&"\u{1d15e}".repeat(60)).message.contains("100"));
    }

    #[test]
    fn r_b89_and_r_b98_no_hidden_character_passes() {
        for name in [
            "A\0B",
            "Ana\r\nBcc: evil@example.org",
            "Ana\rX: y",
            "Ana\n.\n",
            "Ana\n",
            "\u{202e}anA",
            "An\u{200b}a",
            "Ana\u{e0041}",
            "A\u{2066}na",
            "\u{feff}Ana",
            "\u{3164}",
            "Ana\u{fe0f}",
            "A\u{ad}na",
        ] {
            assert!(refusal(name).message.contains("one line"), "{name:?}");
        }
    }

    #[test]
    fn r_b92_what_mail_programs_link_is_refused_with_the_rule() {
        for name in [
            "https://evil.example",
            "www.evil.example",
            "Urgent: evil.example/login",
            "WWW.evil",
            "evil.example",
            "x.co",
            "evil.xn--p1ai",
            "пример.рф",
            "evil．example",
            "evil。example",
            "mail evil@example.com now",
            "a-.com",
            "ftp：／／evil",
            "Dr.Smith",
            "=HYPERLINK(\"http://evil\")",
            "see (www.x)",
            "भारत.भारत",
        ] {
            assert!(refusal(name).message.contains("link"), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_back_as_itself(first in any::<String>(), last in "\\PC{1,100}") {
            if let Ok(name) = PersonName::parse(&first, &last) {
                prop_assert_eq!(&PersonName::parse(name.first(), name.last()).unwrap(), &name);
                prop_assert!(!name.full().chars().any(text::is_hidden));
            }
        }
    }
}
