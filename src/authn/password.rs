//! Passwords: long, not guessable, hashed by argon2id.
//!
//! NIST SP 800-63B-4 and OWASP: at least 15 characters, up to 256 bytes, any character, no composition rule,
//! nothing cut off; what is common or names the person or organization is refused with a reason.

use crate::{
    domain::Invalid,
    error::{Budget, Error},
};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use std::sync::Arc;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Shortest password, in characters.
pub const MIN_CHARS: usize = 15;
/// Longest password, in bytes.
pub const MAX_BYTES: usize = 256;
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
    async fn requirement_44_owasp_parameters() {
        let hash = Hasher::default().hash(Zeroizing::new("correct horse battery staple".to_owned())).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }
}
