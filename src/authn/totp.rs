//! The second factor: codes that an app makes from a shared secret and the time (RFC 6238), and recovery codes for the day
//! on which the app is gone.
//!
//! Six digits, 30 seconds, HMAC-SHA-1: what every app can. A code counts one step early or late, and says which step it is
//! of, so that whoever keeps the last step that was used takes no code twice.
//!
//! ```
//! use usher_mcp::{authn::totp::Secret, domain::Timestamp};
//! let secret = Secret::from_bytes(b"12345678901234567890").unwrap();
//! assert_eq!(secret.step_of("287082", Timestamp::from_millis(59_000)), Some(1));
//! assert_eq!(secret.step_of("287083", Timestamp::from_millis(59_000)), None);
//! ```

use crate::{
    domain::{Random, SECOND, Timestamp},
    keys::sha256,
};
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

/// Bytes of a secret: what RFC 4226, section 4, recommends.
const SECRET: usize = 20;
/// Random bytes of a recovery code: 80 bits, so that its SHA-256 gives nothing away.
const RECOVERY: usize = 10;
/// Characters of a recovery code, without its dashes.
const RECOVERY_CHARS: usize = 16;
/// How many recovery codes somebody gets.
pub const RECOVERY_CODES: usize = 10;
/// Characters of an organization's name that the app is told: a QR code that holds more is hard to read for a camera.
const ISSUER_CHARS: usize = 32;

/// The secret that server and app share. `Debug` does not show it.
pub struct Secret(totp_rs::Secret);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A new one.
    #[must_use]
    pub fn new(random: &Random) -> Self {
        Self(totp_rs::Secret::new_stack(random.bytes::<SECRET>()))
    }

    /// From what [`Self::as_bytes`] said; `None` for another number of bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(totp_rs::Secret::new_stack).map(Self)
    }

    /// The 20 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// For typing: base 32 in groups of four.
    #[must_use]
    pub fn in_groups(&self) -> Zeroizing<String> {
        in_groups(&Zeroizing::new(self.0.to_base32()), " ")
    }

    /// For scanning and copying: the `otpauth` address that apps take, with the organization's name (its first 32
    /// characters) and the account's address.
    #[must_use]
    pub fn address(&self, organization: &str, email: &str) -> Zeroizing<String> {
        // A colon would end the organization's name.
        let plain = |text: &str, chars: usize| text.chars().take(chars).map(|c| if c == ':' { ' ' } else { c }).collect::<String>();
        let totp = Builder::new()
            .with_secret(self.0.clone())
            .with_issuer(Some(plain(organization, ISSUER_CHARS)))
            .with_account_name(plain(email, email.len()))
            .build_noncompliant();
        // It fails for an empty address or one with a colon only.
        Zeroizing::new(totp.to_url().unwrap_or_default())
    }

    /// The step of which this is the code: the one at `now`, the one before or the one after.
    #[must_use]
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let step = self.totp().check(code, seconds(now))?;
        i64::try_from(step).ok()
    }

    /// The code at a moment, as an app shows it.
    #[must_use]
    pub fn code(&self, at: Timestamp) -> String {
        self.totp().generate(seconds(at)).to_string()
    }

    fn totp(&self) -> Totp {
        // The builder's defaults are SHA-1, six digits, 30 seconds, one step early or late.
        Builder::new().with_secret(self.0.clone()).build_noncompliant()
    }
}

/// Seconds since 1970; before that it is the first one.
fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis() / SECOND).unwrap_or_default()
}

fn in_groups(text: &str, between: &str) -> Zeroizing<String> {
    let letters: Vec<char> = text.chars().collect();
    Zeroizing::new(letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(between))
}

/// A new recovery code, such as `abcd-2345-efgh-67ij`.
#[must_use]
pub fn recovery_code(random: &Random) -> Zeroizing<String> {
    let text = Zeroizing::new(totp_rs::Secret::new(Box::new(random.bytes::<RECOVERY>())).to_base32().to_lowercase());
    in_groups(&text, "-")
}

/// What somebody typed into the field for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Six digits of the app's.
    Code(String),
    /// A recovery code, by the SHA-256 that its row holds.
    Recovery([u8; 32]),
}

impl Typed {
    /// Reads what was typed, with or without the gaps and dashes between groups; `None` for what is no code of either kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // More than any code needs, gaps included, is not looked at.
        let letters: Zeroizing<String> =
            Zeroizing::new(text.chars().take(64).filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_lowercase()).collect());
        if letters.len() == 6 && letters.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Code(letters.to_string()));
        }
        let is_recovery = letters.len() == RECOVERY_CHARS && letters.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        is_recovery.then(|| Self::Recovery(sha256(letters.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: [(i64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * SECOND)
    }

    #[test]
    fn the_vectors_of_rfc_6238() {
        // Appendix B, SHA-1; the last six of its eight digits.
        let secret = Secret::from_bytes(b"12345678901234567890").unwrap();
        for (seconds, code) in SECONDS {
            assert_eq!(secret.code(at(seconds)), code);
            assert_eq!(secret.step_of(code, at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_counts_one_step_early_and_late_and_no_more() {
        let secret = Secret::new(&Random::seeded(1));
        let now = at(1_764_000_000);
        for (steps, counts) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let code = secret.code(now.plus(steps * 30 * SECOND));
            assert_eq!(secret.step_of(&code, now), counts.then_some(58_800_000 + steps), "{steps}");
        }
        assert_eq!(secret.step_of("", now), None);
        assert_eq!(secret.step_of("+12345", now), None);
    }

    #[test]
    fn the_secret_is_told_in_groups_and_as_an_address() {
        let secret = Secret::from_bytes(b"12345678901234567890").unwrap();
        assert_eq!(secret.in_groups().as_str(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(
            secret.address("Larkspur: Freight", "ana@example.com").as_str(),
            "otpauth://totp/Larkspur%20%20Freight:ana%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Larkspur%20%20Freight"
        );
        assert!(Secret::from_bytes(b"short").is_none());
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn what_is_typed_is_read_with_and_without_gaps() {
        assert_eq!(Typed::parse(" 287 082 "), Some(Typed::Code("287082".to_owned())));
        let random = Random::seeded(2);
        let code = recovery_code(&random);
        assert_eq!(code.len(), 19);
        assert_ne!(code, recovery_code(&random));
        let read = Typed::parse(&code);
        assert!(matches!(read, Some(Typed::Recovery(_))));
        assert_eq!(read, Typed::parse(&code.to_uppercase().replace('-', " ")));
        for wrong in ["", "28708", "2870829", "abcd-2345-efgh-67i8", "é".repeat(16).as_str()] {
            assert_eq!(Typed::parse(wrong), None, "{wrong}");
        }
    }
}
