//! Passwords: long, not guessable, hashed by argon2id.
//!
//! NIST SP 800-63B-4 and OWASP: at least 15 characters, up to 256 bytes, any character, no composition rule,
//! nothing cut off; what is common or names the person or organization is refused with a reason.

use crate::{
    domain::Invalid,
    error::{Budget, Error},
};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use std::sync::Arc;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Shortest password, in characters.
pub const MIN_CHARS: usize = 15;
/// Longest password, in bytes.
pub const MAX_BYTES: usize = 256;
/// How a hash of today's parameters begins.
const TODAYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// A hash of today's parameters that belongs to nobody: of random bytes that nobody kept.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$Yj8jv9cQ1Xl0Jb0m0Yp3Wg$3m1m3h0cVb1bqkQ4Q0S8m9YtWwq0bA7m3a9l5o2sO7w";
/// Hashes that may wait at once before callers are told to come back.
const QUEUE: usize = 64;

/// Checks a new password against the rules; `context` holds what must not carry it (names, address, organization).
pub fn check(password: &str, context: &[&str]) -> Result<(), Invalid> {
    let refuse =
        |message: &'static str, hint: &'static str| Invalid { field: "password", message: message.into(), hint: Some(hint.into()) };
    if password.chars().count() < MIN_CHARS {
        return Err(refuse(
            "The password has fewer than 15 characters.",
            "A sentence of four or more words is good; pasting from a password manager is better.",
        ));
    }
    if password.len() > MAX_BYTES {
        return Err(refuse("The password is longer than 256 bytes.", "Use a shorter one."));
    }
    let guess = zxcvbn::zxcvbn(password, context);
    if guess.score() < zxcvbn::Score::Three {
        return Err(refuse(
            "This password is easy to guess: it is common, repeats itself, or is made of your name or organization.",
            "A sentence of four or more unrelated words is good; pasting from a password manager is better.",
        ));
    }
    Ok(())
}

/// What comparing a password with a hash says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the hash has other parameters than today's, and should be made anew (requirement 44).
    pub outdated: bool,
}

/// Hashes passwords away from the runtime, as many at once as there are cores; the rest queue, with a bound.
#[derive(Clone, Debug)]
pub struct Hasher {
    running: Arc<Semaphore>,
    queued: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { running: Arc::new(Semaphore::new(cores)), queued: Arc::new(Semaphore::new(QUEUE)) }
    }
}

impl Hasher {
    /// Compares a password with a hash, on the hash's own parameters. Where there is none the work is the same, and nothing
    /// matches: nobody learns from the time it takes whether there is an account (requirement 45).
    pub async fn verify(&self, password: Zeroizing<String>, hash: Option<String>) -> Result<Verdict, Error> {
        let busy = || Error::RateLimited { budget: Budget::Hashing, retry_after_ms: 1000 };
        let _place = self.queued.try_acquire().map_err(|_| busy())?;
        let _turn = self.running.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(move || {
            let against = hash.as_deref().unwrap_or(NOBODYS);
            let parsed = PasswordHash::new(against).map_err(|_| Error::Internal("a stored password hash cannot be read".to_owned()))?;
            let equal = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
            let outdated = !against.starts_with(TODAYS);
            Ok(Verdict { matches: equal && hash.is_some(), outdated })
        })
        .await
        .map_err(|error| Error::Internal(error.to_string()))?
    }

    /// The PHC string of a password: argon2id, m = 19,456 KiB, t = 2, p = 1 (OWASP).
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, Error> {
        let busy = || Error::RateLimited { budget: Budget::Hashing, retry_after_ms: 1000 };
        let _place = self.queued.try_acquire().map_err(|_| busy())?;
        let _turn = self.running.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(move || {
            let params = Params::new(19_456, 2, 1, None).map_err(|error| Error::Internal(error.to_string()))?;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|error| Error::Internal(error.to_string()))
        })
        .await
        .map_err(|error| Error::Internal(error.to_string()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_43_length_and_context() {
        assert!(check("short", &[]).is_err());
        assert!(check("correct horse battery staple", &[]).is_ok());
        assert!(check("aaaaaaaaaaaaaaaaaaaa", &[]).is_err());
        assert!(check("passwordpassword", &[]).is_err());
        assert!(check("Larkspur Freight", &["Larkspur Freight"]).is_err());
        assert!(check(&"ü ber lang ".repeat(30), &[]).is_err());
        assert!(check("пять слов без смысла подряд", &[]).is_ok());
    }

    #[tokio::test]
    async fn requirement_44_a_hash_of_older_parameters_still_opens_and_is_made_anew() {
        let hasher = Hasher::default();
        let said = |text: &str| Zeroizing::new(text.to_owned());
        let old = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
        let old = old.hash_password(b"correct horse battery staple").unwrap().to_string();
        let verdict = hasher.verify(said("correct horse battery staple"), Some(old)).await.unwrap();
        assert_eq!(verdict, Verdict { matches: true, outdated: true });
        let new = hasher.hash(said("correct horse battery staple")).await.unwrap();
        let verdict = |text: &str, hash: Option<&str>| hasher.verify(said(text), hash.map(str::to_owned));
        assert_eq!(verdict("correct horse battery staple", Some(&new)).await.unwrap(), Verdict { matches: true, outdated: false });
        assert_eq!(verdict("correct horse battery staples", Some(&new)).await.unwrap(), Verdict { matches: false, outdated: false });
        assert!(!verdict("correct horse battery staple", None).await.unwrap().matches, "nobody's hash opens nothing");
    }

    #[tokio::test]
    async fn requirement_44_owasp_parameters() {
        let hash = Hasher::default().hash(Zeroizing::new("correct horse battery staple".to_owned())).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }
}
