//! Email addresses.
//!
//! An address has four faces: as the administrator **typed** it, for the table; its **key**, under which it is unique in
//! its organization; its **ASCII** form, for the mail server; its **readable** form, for people who search.
//!
//! What is folded is what no mail system tells apart in practice: the case of ASCII letters, and the spellings that UTS #46
//! gives a domain. Dots and plus tags are the mail provider's business (R-B05). Letters outside ASCII never reach the key's
//! local part, because a case rule can turn them into somebody else's address (R-B07).

use super::{Invalid, text};
use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46, verify_dns_length},
};
use std::borrow::Cow;
use unicode_security::{MixedScript, skeleton};

const FIELD: &str = "email";
/// RFC 5321, section 4.5.3.1.1, in octets.
const LOCAL_MAX: usize = 64;
/// RFC 5321, section 4.5.3.1.3: a path of 256 octets, less its angle brackets.
const TOTAL_MAX: usize = 254;
/// What a domain label may hold besides letters and digits: a hyphen inside.
const HYPHENS: Hyphens = Hyphens::CheckFirstLast;

/// A valid email address: a dot-atom local part (RFC 5322, section 3.2.3) of at most 64 characters and a domain name of at
/// least two labels, at most 254 characters together, as typed and in ASCII.
///
/// Two addresses are equal when they were typed alike; one mailbox is what has one [`key`](Self::key).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email {
    typed: String,
    /// Where the typed form's `@` stands.
    at: usize,
    /// The domain in ASCII, lower case.
    domain: String,
    key: String,
}

impl Email {
    /// Reads an address as a person types it; spaces around it are dropped, and it is kept in NFC.
    ///
    /// # Errors
    /// One sentence per rule: hidden characters and line breaks (R-B98), quoted local parts and address literals (R-B10),
    /// letters outside ASCII before the `@` (R-B07, R-B97), lengths (R-B11), and domains that UTS #46 does not allow.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // Before anything else is done with it: a long text costs only its first characters.
        text::at_most(FIELD, text.trim(), TOTAL_MAX)?;
        let typed = text::visible_line(FIELD, text)?;
        text::at_most(FIELD, &typed, TOTAL_MAX)?;
        let text = text.trim();
        if text.is_empty() {
            return Err(refused("`email` must not be empty."));
        }
        if text.contains('"') {
            return Err(refused("`email` must not have a quoted part before the @: this server takes plain addresses only."));
        }
        let Some(at) = text.rfind('@') else {
            return Err(refused("`email` must have an @ between mailbox and domain."));
        };
        // The local part as it was sent: NFC alone turns the Kelvin sign into a K, and so into somebody else (R-B07). What
        // is ASCII is the same in NFC, so that the `@` stands at one place in both.
        let (local, domain) = (&text[..at], &text[at + 1..]);
        check_local(local)?;
        let domain = ascii_domain(domain, TOTAL_MAX - 1 - local.len())?;
        let key = format!("{}@{domain}", local.to_ascii_lowercase());
        Ok(Self { typed, at, domain, key })
    }

    /// As the administrator spelled it, trimmed and in NFC; for showing.
    #[must_use]
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// What is unique in an organization (B07): lower case, the domain in ASCII. Itself an address with this key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The domain in ASCII and lower case: what an organization's list of domains is compared with.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The local part as typed, with the domain in ASCII: for the mail server, so that no SMTPUTF8 is needed (R-B08, R-B97),
    /// and beside a look-alike domain, so that a reader sees what it is (R-B13).
    #[must_use]
    pub fn ascii(&self) -> String {
        format!("{}@{}", self.local(), self.domain)
    }

    /// The local part as typed, with the domain in Unicode: for people, and for search.
    #[must_use]
    pub fn readable(&self) -> String {
        format!("{}@{}", self.local(), unicode_domain(&self.domain))
    }

    /// For somebody who may not be the one it belongs to: the first letter and the domain, enough to know one's own by.
    #[must_use]
    pub fn masked(&self) -> String {
        let first: String = self.local().chars().take(1).collect();
        format!("{first}…@{}", unicode_domain(&self.domain))
    }

    /// Whether the domain may look like another one (R-B13): a label mixes scripts, or is written in letters of another
    /// script that all look like Latin ones under an ASCII top-level domain. A label of one script that reads as itself
    /// passes (`почта.рф`), as does every ASCII domain.
    #[must_use]
    pub fn lookalike(&self) -> bool {
        let domain = unicode_domain(&self.domain);
        let under_ascii = domain.rsplit('.').next().is_some_and(str::is_ascii);
        domain.split('.').filter(|label| !label.is_ascii()).any(|label| !label.is_single_script() || (under_ascii && poses_as_latin(label)))
    }

    fn local(&self) -> &str {
        &self.typed[..self.at]
    }
}

fn refused(message: &'static str) -> Invalid {
    Invalid::new(FIELD, message).with_hint("The accepted form is ana@example.com.")
}

fn check_local(local: &str) -> Result<(), Invalid> {
    if !local.is_ascii() {
        return Err(refused(
            "`email` may have only ASCII letters before the @: others cannot be delivered to everywhere, and can be taken for somebody else's.",
        ));
    }
    if local.is_empty() {
        return Err(refused("`email` must have a mailbox name before the @."));
    }
    if local.len() > LOCAL_MAX {
        return Err(refused("`email` may have at most 64 characters before the @."));
    }
    if local.contains('@') {
        return Err(refused("`email` must have exactly one @."));
    }
    if !local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext)) {
        return Err(refused("`email` may have letters, digits, single dots inside, and any of !#$%&'*+/=?^_`{|}~- before the @."));
    }
    Ok(())
}

/// RFC 5322, section 3.2.3.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

/// The domain in ASCII and lower case, at most `max` octets of it.
pub(super) fn ascii_domain(domain: &str, max: usize) -> Result<String, Invalid> {
    if domain.starts_with('[') {
        return Err(refused("`email` must have a domain name after the @, not an address in brackets."));
    }
    // The mapping comes before every other look at the domain, so that all its spellings are one (R-B08).
    let no_domain = || {
        refused(
            "`email` must have a valid domain name after the @: labels of letters, digits and inner hyphens, each at most 63 characters in ASCII form, joined by dots.",
        )
    };
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, HYPHENS, DnsLength::Ignore).map_err(|_| no_domain())?;
    if ascii.len() > max {
        return Err(refused("`email` may have at most 254 characters, counted with its domain in ASCII (xn--) form."));
    }
    // Empty labels and labels of more than 63 octets (RFC 1035, section 2.3.4).
    if !verify_dns_length(&ascii, false) {
        return Err(no_domain());
    }
    // An xn-- label may decode to a joiner; written out it is refused, and there is one rule for all spellings.
    if unicode_domain(&ascii).chars().any(text::is_hidden) {
        return Err(refused("`email` must have a domain name without invisible characters."));
    }
    match ascii.rsplit_once('.') {
        None => Err(refused("`email` must have a complete domain name after the @, with a dot in it.")),
        // No top-level domain is a number, but the last part of an IP address is (RFC 3696, section 2).
        Some((_, top)) if top.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(refused("`email` must have a domain name after the @, not an IP address."))
        }
        Some(_) => Ok(ascii.into_owned()),
    }
}

fn unicode_domain(ascii: &str) -> Cow<'_, str> {
    Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, HYPHENS).0
}

fn poses_as_latin(label: &str) -> bool {
    label.chars().filter(|c| c.is_alphabetic()).all(|c| !c.is_ascii()) && skeleton(label).all(|c| c.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap_or_else(|invalid| panic!("{text}: {}", invalid.message))
    }

    fn refusal(text: &str) -> String {
        let invalid = Email::parse(text).expect_err(text);
        assert_eq!(invalid.field, "email");
        assert!(invalid.hint.is_some());
        assert!(text.trim().is_empty() || !invalid.message.contains(text), "never quotes the input");
        invalid.message.into_owned()
    }

    #[test]
    fn r_b01_case_variants_are_one_mailbox_and_the_spelling_is_kept() {
        let typed = email(" Ana.Ruiz@Example.COM ");
        assert_eq!(typed.typed(), "Ana.Ruiz@Example.COM");
        assert_eq!(typed.key(), "ana.ruiz@example.com");
        assert_eq!(typed.key(), email("ana.ruiz@example.com").key());
        assert_eq!(typed.ascii(), "Ana.Ruiz@example.com");
    }

    #[test]
    fn r_b02_directory_casing_has_the_invited_key() {
        assert_eq!(email("Kim.Vale@example.com").key(), email("kim.vale@example.com").key());
    }

    #[test]
    fn r_b04_a_plus_sign_stays() {
        assert_eq!(email("ana+ops@example.com").key(), "ana+ops@example.com");
    }

    #[test]
    fn r_b05_dots_and_plus_tags_are_not_folded() {
        let keys = ["a.b@example.com", "ab@example.com", "ab+x@example.com"].map(|text| email(text).key().to_owned());
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }

    #[test]
    fn r_b07_kelvin_sign_never_reaches_kim() {
        // U+212A becomes K in NFC already, so that the check must come before.
        for text in ["\u{212A}im@example.com", "k\u{131}m@example.com", "ｋim@example.com", "K\u{130}M@example.com"] {
            assert!(refusal(text).contains("ASCII"), "{text}");
        }
    }

    #[test]
    fn r_b08_an_idn_and_its_punycode_are_one_key() {
        for text in [
            "ana@bücher.example",
            "ana@xn--bcher-kva.example",
            "ANA@BÜCHER.example",
            "ana@bu\u{308}cher.example",
            "ana@XN--BCHER-KVA.EXAMPLE",
            "ana@bücher。example",
        ] {
            let email = email(text);
            assert_eq!(email.key(), "ana@xn--bcher-kva.example", "{text}");
            assert!(email.readable().ends_with("@bücher.example"));
            assert!(email.ascii().ends_with("@xn--bcher-kva.example"));
        }
        assert_eq!(email("ANA@BÜCHER.example").ascii(), "ANA@xn--bcher-kva.example");
    }

    #[test]
    fn r_b10_legal_ascii_local_parts_are_accepted() {
        for text in [
            "pat.o'neill@example.com",
            "x_y-z@sub.example.co.uk",
            "1@example.com",
            "ana@example.technology",
            "!#$%&'*+/=?^_`{|}~-@example.com",
        ] {
            assert_eq!(email(text).typed(), text);
            assert_eq!(email(text).ascii(), text);
        }
        assert!(refusal("ana@[192.0.2.1]").contains("brackets"));
        assert!(refusal("\"a b\"@example.com").contains("quoted"));
    }

    #[test]
    fn r_b11_limits_are_field_errors_that_name_the_limit() {
        let label = "d".repeat(63);
        // 64 + 1 + 189 = 254
        let domain = format!("{label}.{label}.{}", "d".repeat(61));
        let fits = format!("{}@{domain}", "l".repeat(64));
        assert_eq!(fits.len(), 254);
        assert_eq!(email(&fits).key(), fits);
        assert!(refusal(&format!("{}@example.com", "l".repeat(65))).contains("64"));
        assert!(refusal(&format!("{fits}d")).contains("254"));
        assert!(refusal(&"a".repeat(10_000)).contains("254"));
        // As typed it fits, in ASCII it does not.
        let long_in_ascii = format!("{}@{}example", "l".repeat(64), "ü.".repeat(40));
        assert!(refusal(&long_in_ascii).contains("254"));
        // One label of 64.
        assert!(refusal(&format!("a@{}.example", "d".repeat(64))).contains("63"));
    }

    #[test]
    fn r_b13_a_mixed_script_domain_is_a_lookalike_and_a_single_script_one_is_not() {
        for text in ["ana@ex\u{430}mple.com", "ana@xn--exmple-4nf.com", "ana@example.xn--cm-jlc", "ana@аррӏе.com"] {
            assert!(email(text).lookalike(), "{text}");
        }
        for text in [
            "ana@почта.рф",
            "ana@почта.com",
            "ana@example.com",
            "ana@bücher.example",
            "ana@例え.jp",
            "ana@東京タワー.jp",
            "ana@хор.рф",
            "ana@한국.kr",
        ] {
            assert!(!email(text).lookalike(), "{text}");
        }
        assert!(email("ana@ex\u{430}mple.com").ascii().contains("xn--"));
    }

    #[test]
    fn r_b97_a_local_part_outside_ascii_is_refused_with_the_reason() {
        assert!(refusal("añá@example.com").contains("ASCII"));
    }

    #[test]
    fn r_b98_no_control_character_passes() {
        for text in [
            "ana@example.com\r\nRCPT TO:<evil@example.org>",
            "ana@example.com\n",
            "ana\r@example.com",
            "ana@example.com\0",
            "a\tb@example.com",
            "ana@exam\u{200b}ple.com",
            "ana@exam\u{ad}ple.com",
            "ana\u{202e}@example.com",
            "ana@example.com\u{85}",
            "ana@example.com\u{2028}",
        ] {
            assert!(refusal(text).contains("one line"), "{text:?}");
        }
    }

    #[test]
    fn r_b59_a_masked_address_shows_one_letter_of_its_local_part() {
        assert_eq!(email("ana.ruiz@example.com").masked(), "a…@example.com");
        assert_eq!(email("a@xn--mnchen-3ya.example").masked(), "a…@münchen.example");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "   ",
            "ana",
            "@example.com",
            "ana@",
            "ana@example",
            "ana@@example.com",
            "a@b@example.com",
            "ana.@example.com",
            ".ana@example.com",
            "a..b@example.com",
            "a b@example.com",
            "ana@-example.com",
            "ana@example-.com",
            "ana@exa mple.com",
            "ana@ex_ample.com",
            "ana@example..com",
            "ana@example.com.",
            "ana@.example.com",
            "ana@192.0.2.1",
            "<ana@example.com>",
            "Ana <ana@example.com>",
            "mailto:ana@example.com",
            "ana@example.com,bo@example.com",
            "ana@xn--a.example",
            "ana@example.com>",
            "ana@ex%ample.com",
        ] {
            refusal(text);
        }
    }

    fn addresses() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[a-zA-Z0-9.+'_-]{1,12}@[a-zA-Z0-9üßéЖ例\u{308}\u{430}-]{1,10}[.。．][a-zé]{2,5}",
            "\\PC{0,10}@\\PC{1,20}\\.[a-z]{2}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn parse_never_panics_and_the_key_is_stable(text in addresses()) {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.key().is_ascii() && email.key().len() <= 254);
                prop_assert!(email.ascii().is_ascii());
                for face in [email.key(), email.typed(), &email.ascii()] {
                    let again = Email::parse(face).expect("each face is an address");
                    prop_assert_eq!(again.key(), email.key());
                }
                let again = Email::parse(email.typed()).expect("checked above");
                prop_assert_eq!(&again, &email);
                prop_assert!(!email.readable().chars().any(text::is_hidden));
                let _ = email.lookalike();
            }
        }
    }
}
