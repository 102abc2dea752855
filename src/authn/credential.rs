//! Personal MCP tokens: `usher_pat_<locator><base62><crc>`.
//!
//! A fixed prefix and a checksum let secret scanners find a leaked one; 256 bits from the operating
//! system's source make it unguessable; the database knows its SHA-256 only. Whether it is alive, and whose
//! it is, is asked anew on every request, in one statement.

use crate::{
    app::App,
    authz::{Actor, CredentialKind, Standing, Surface},
    domain::Random,
    keys::sha256,
    store::{
        StoreError,
        credentials::{self, Alive},
    },
};

/// What every personal token begins with.
pub const PREFIX: &str = "usher_pat_";
/// Characters of an organization's locator.
pub const LOCATOR: usize = 6;
/// Characters of 256 bits in base 62.
const BODY: usize = 43;
/// Characters of the checksum.
const CRC: usize = 6;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 256 bits as 43 digits of base 62, most significant first.
#[must_use]
pub fn base62(bytes: &[u8; 32]) -> String {
    let mut number = *bytes;
    let mut digits = [0u8; BODY];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = (rest << 8) | u32::from(*byte);
            // A quotient of (rest·256 + byte) / 62 with rest < 62 fits a byte.
            *byte = u8::try_from(value / 62).unwrap_or_default();
            rest = value % 62;
        }
        *digit = DIGITS[rest as usize];
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// A random locator.
#[must_use]
pub fn locator(random: &Random) -> String {
    base62(&random.bytes())[BODY - LOCATOR..].to_owned()
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CRC];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// A new token's text. Shown once; only its hash is kept.
#[must_use]
pub fn new_token(locator: &str, random: &Random) -> String {
    let body = format!("{PREFIX}{locator}{}", base62(&random.bytes()));
    let crc = checksum(&body);
    format!("{body}{crc}")
}

/// Whether a text has the form of a token, checksum included: a mistyped or foreign one needs no look-up.
#[must_use]
pub fn is_well_formed(token: &str) -> bool {
    token.len() == PREFIX.len() + LOCATOR + BODY + CRC
        && token.starts_with(PREFIX)
        && token.bytes().skip(PREFIX.len()).all(|byte| byte.is_ascii_alphanumeric())
        && token.split_at_checked(token.len() - CRC).is_some_and(|(body, crc)| checksum(body) == crc)
}

/// A live credential: who calls, what they may do now, and what `whoami` shows.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who acts.
    pub actor: Actor,
    /// Role and permissions as of this request.
    pub standing: Standing,
    /// The credential's row.
    pub alive: Alive,
}

/// Finds the live credential behind a bearer token. Malformed, unknown, expired and revoked ones, and those of
/// people who are not Active or of a suspended organization, are all the same `None`.
pub async fn authenticate(app: &App, token: &str) -> Result<Option<Caller>, StoreError> {
    let under_way = app.seen.clients();
    // A malformed one is looked up all the same: the four answers take the same time (requirement 2).
    let alive = credentials::authenticate(&app.pool, sha256(token.as_bytes()), app.clock.now()).await?;
    let Some(alive) = alive.filter(|_| is_well_formed(token)) else { return Ok(None) };
    let client = under_way.get(&alive.id).or(alive.client.as_ref()).cloned();
    let actor = Actor::person(alive.org, alive.person, (CredentialKind::Token, alive.id.as_uuid()), alive.scopes, Surface::Mcp, client);
    Ok(Some(Caller { actor, standing: alive.standing.clone(), alive }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_prefix_locator_256_bits_and_checksum() {
        let random = Random::seeded(1);
        let token = new_token(&locator(&random), &random);
        assert!(is_well_formed(&token), "{token}");
        assert_eq!(token.len(), 65);
        let mut other = token.clone();
        other.replace_range(20..21, if &token[20..21] == "a" { "b" } else { "a" });
        assert!(!is_well_formed(&other), "a changed letter breaks the checksum");
        assert!(!is_well_formed(""));
        assert!(!is_well_formed("usher_pat_"));
        assert!(!is_well_formed(&"é".repeat(32)));
    }

    #[test]
    fn base62_keeps_the_whole_number() {
        assert_eq!(base62(&[0; 32]), "0".repeat(43));
        let mut one = [0; 32];
        one[31] = 61;
        assert!(base62(&one).ends_with("0z"));
        assert_ne!(base62(&[255; 32]), base62(&[254; 32]));
    }
}
