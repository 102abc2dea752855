//! The email domains that an organization invites.

use super::{Email, Invalid, email::ascii_domain};
use serde::{Deserialize, Serialize};

const FIELD: &str = "invite_domains";
/// RFC 1035, section 2.3.4, less the final dot.
const DOMAIN_MAX: usize = 253;
/// More are no list that somebody looks after.
const DOMAINS_MAX: usize = 100;

/// One entry of the list: `example.com` is that domain alone, `*.example.com` every domain below it and not itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    /// In ASCII and lower case.
    domain: String,
    below: bool,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Invalid> {
        let (domain, below) = match text.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (text, false),
        };
        let domain = ascii_domain(domain, DOMAIN_MAX).map_err(|_| {
            Invalid::new(FIELD, "`invite_domains` must be complete domain names, joined by commas.")
                .with_hint("The accepted forms are example.com, and *.example.com for everything below it.")
        })?;
        Ok(Self { domain, below })
    }

    fn matches(&self, domain: &str) -> bool {
        if self.below {
            domain.strip_suffix(&self.domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            domain == self.domain
        }
    }

    fn text(&self) -> String {
        if self.below { format!("*.{}", self.domain) } else { self.domain.clone() }
    }
}

/// Which domains an organization invites: sorted, each once, at most 100. An empty list names none and so leaves all of them
/// open.
///
/// ```
/// use usher_mcp::domain::{Email, InviteDomains};
///
/// let domains = InviteDomains::parse("example.com, *.Bücher.example").map_err(|invalid| invalid.message)?;
/// let email = |text| Email::parse(text).map_err(|invalid| invalid.message);
/// assert!(domains.names(&email("ana@EXAMPLE.com")?) && domains.names(&email("ana@shop.xn--bcher-kva.example")?));
/// assert!(!domains.names(&email("ana@mail.example.com")?) && !domains.names(&email("ana@bücher.example")?));
/// # Ok::<(), std::borrow::Cow<'static, str>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct InviteDomains(Vec<Pattern>);

impl TryFrom<Vec<String>> for InviteDomains {
    type Error = Invalid;

    fn try_from(texts: Vec<String>) -> Result<Self, Invalid> {
        Self::parse(&texts.join(","))
    }
}

impl From<InviteDomains> for Vec<String> {
    fn from(domains: InviteDomains) -> Self {
        domains.texts()
    }
}

impl InviteDomains {
    /// Reads domains joined by commas, in any spelling that UTS #46 allows; spaces around them are dropped. An empty text is the
    /// empty list.
    ///
    /// # Errors
    /// Names the accepted forms, or the limit of 100.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let mut patterns = words.take(DOMAINS_MAX + 1).map(Pattern::parse).collect::<Result<Vec<_>, _>>()?;
        if patterns.len() > DOMAINS_MAX {
            return Err(Invalid::new(FIELD, "`invite_domains` may have at most 100 domains."));
        }
        patterns.sort();
        patterns.dedup();
        Ok(Self(patterns))
    }

    /// Whether the list names the domain of this address.
    #[must_use]
    pub fn names(&self, email: &Email) -> bool {
        self.0.iter().any(|pattern| pattern.matches(email.domain()))
    }

    /// Whether nothing is named, so that every domain is as good.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries in words, at most five of them.
    #[must_use]
    pub fn in_words(&self) -> String {
        let shown: Vec<String> = self.0.iter().take(5).map(Pattern::text).collect();
        match self.0.len().saturating_sub(shown.len()) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }

    /// The entries in ASCII form, as they are kept and shown; joined by commas they read back as this list.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(Pattern::text).collect()
    }
}

/// What becomes of an invite to a domain that the list does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherDomains {
    /// It goes out, and its answer says so.
    #[default]
    Warn,
    /// It is refused.
    Refuse,
}

impl OtherDomains {
    /// As kept and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Refuse => "refuse",
        }
    }

    /// From the kept form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Warn, Self::Refuse].into_iter().find(|other| other.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn domains(text: &str) -> InviteDomains {
        InviteDomains::parse(text).unwrap_or_else(|invalid| panic!("{text}: {}", invalid.message))
    }

    fn names(list: &str, email: &str) -> bool {
        domains(list).names(&Email::parse(email).expect(email))
    }

    #[test]
    fn a_domain_is_itself_and_nothing_else() {
        for email in ["ana@example.com", "Ana@EXAMPLE.com", "ana+x@example.com"] {
            assert!(names("example.com", email), "{email}");
        }
        for email in
            ["ana@mail.example.com", "ana@badexample.com", "ana@example.com.evil.example", "ana@example.org", "example.com@evil.example"]
        {
            assert!(!names("example.com", email), "{email}");
        }
    }

    #[test]
    fn only_a_star_names_what_is_below_and_not_the_domain_itself() {
        for email in ["ana@a.example.com", "ana@b.a.EXAMPLE.com"] {
            assert!(names("*.example.com", email), "{email}");
        }
        for email in ["ana@example.com", "ana@badexample.com", "ana@a.badexample.com", "ana@a.example.com.evil.example"] {
            assert!(!names("*.example.com", email), "{email}");
        }
        assert!(names("example.com,*.example.com", "ana@example.com") && names("example.com,*.example.com", "ana@a.example.com"));
    }

    #[test]
    fn r_b08_every_spelling_of_a_domain_is_one() {
        for list in ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "bu\u{308}cher.example", "bücher。example"] {
            assert!(names(list, "ana@bücher.example") && names(list, "ana@xn--bcher-kva.example"), "{list}");
            assert_eq!(domains(list).texts(), ["xn--bcher-kva.example"]);
        }
        // A look-alike is another domain.
        assert!(!names("example.com", "ana@ex\u{0430}mple.com"));
    }

    #[test]
    fn a_list_is_sorted_holds_each_once_and_may_be_empty() {
        assert_eq!(domains(" b.example, A.example ,,*.b.example,a.example").texts(), ["a.example", "b.example", "*.b.example"]);
        assert_eq!(domains("b.example,*.b.example").in_words(), "b.example, *.b.example");
        assert_eq!(domains("a.x.y,b.x.y,c.x.y,d.x.y,e.x.y,f.x.y,g.x.y").in_words(), "a.x.y, b.x.y, c.x.y, d.x.y, e.x.y and 2 more");
        for empty in ["", " ", ",", " , "] {
            assert!(domains(empty).is_empty());
        }
        assert!(!names("", "ana@example.com"), "it names nothing");
    }

    #[test]
    fn what_is_no_domain_is_refused_and_not_repeated() {
        for text in [
            "example",
            "*",
            "*.",
            "*.com",
            "*example.com",
            "a.*.example",
            "**.example.com",
            "@example.com",
            "ana@example.com",
            "https://example.com",
            "example.com/x",
            "127.0.0.1",
            "exa mple.com",
            "-a.example",
            "a..example",
        ] {
            let invalid = InviteDomains::parse(text).expect_err(text);
            assert_eq!(invalid.field, "invite_domains");
            assert!(!invalid.message.contains(text) || text == "example" || text == "*", "never quotes the input: {text}");
            assert!(invalid.hint.is_some());
        }
        let many = |count: usize| (0..count).map(|n| format!("d{n}.example")).collect::<Vec<_>>().join(",");
        assert_eq!(domains(&many(100)).texts().len(), 100);
        assert!(InviteDomains::parse(&many(101)).unwrap_err().message.contains("100"));
    }

    #[test]
    fn what_becomes_of_others_reads_back() {
        for other in [OtherDomains::Warn, OtherDomains::Refuse] {
            assert_eq!(OtherDomains::parse(other.as_str()), Some(other));
        }
        assert_eq!(OtherDomains::parse("allow"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_reads_back(text in any::<String>()) {
            if let Ok(list) = InviteDomains::parse(&text) {
                prop_assert_eq!(InviteDomains::parse(&list.texts().join(",")), Ok(list));
            }
        }
    }
}
