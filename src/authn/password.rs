//! Passwords: long, not guessable, hashed by argon2id.
//!
//! NIST SP 800-63B-4 and OWASP: at least 15 characters, up to 256 bytes, any character, no composition rule,
//! nothing cut off; what is common, repeats itself or names the person or organization is refused with a reason.
//!
//! A password is kept and compared in Unicode's form NFC (NIST SP 800-63B-4, 3.1.1.2): one keyboard types `é` as one
//! character, another as two.

use crate::{
    domain::{Invalid, search_fold},
    error::{Budget, Error},
};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};
use unicode_normalization::UnicodeNormalization;
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

/// What many people's passwords are made of, folded and without spaces: they carry a password as little as one's own name.
const COMMON: [&str; 30] = [
    "usher",
    "password",
    "passwort",
    "passphrase",
    "welcome",
    "letmein",
    "changeme",
    "iloveyou",
    "trustnoone",
    "administrator",
    "admin",
    "qwertyuiop",
    "qwerty",
    "qwertz",
    "azerty",
    "asdfghjkl",
    "zxcvbnm",
    "q1w2e3r4t5y6",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "abc123",
    "correcthorsebatterystaple",
    "tobeornottobethatisthequestion",
    "thequickbrownfoxjumpsoverthelazydog",
    "loremipsumdolorsitametconsecteturadipiscingelit",
    "maytheforcebewithyou",
    "allyourbasearebelongtous",
    "openthepodbaydoorshal",
    "ihaveadream",
    "onceuponatime",
];
/// Shortest word, in bytes of UTF-8, that is looked for inside a password: two Latin letters stand in most of them.
const SHORTEST_WORD: usize = 3;

/// A password as it is kept and compared. Bounded by the caller: a form has at most 64 KiB.
fn composed(password: &str) -> Zeroizing<String> {
    // Room for the whole, so that no part of it stays behind where a string had to grow.
    let mut whole = Zeroizing::new(String::with_capacity(password.len().saturating_mul(3)));
    whole.extend(password.nfc());
    whole
}

/// Checks a new password against the rules. `context` is what everybody knows about its owner: names, address,
/// organization, as they stand; they are taken apart here.
///
/// # Errors
/// For the field `password`: which rule, and what to do.
pub fn check(password: &str, context: &[&str]) -> Result<(), Invalid> {
    let password = composed(password);
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
    if !is_hard(&password, context) || is_made_of_the_known(&password, context) {
        return Err(refuse(
            "This password is easy to guess: it is common, repeats itself, or is made of your name or organization.",
            "A sentence of four or more unrelated words is good; pasting from a password manager is better.",
        ));
    }
    Ok(())
}

/// How good a new password is, in words: why it would be refused, or how hard it is to guess.
#[must_use]
pub fn in_words(password: &str, context: &[&str]) -> String {
    match check(password, context) {
        Err(refused) => refused.on_a_page("Password"),
        Ok(()) if zxcvbn::zxcvbn(password, context).score() >= zxcvbn::Score::Four => "Strong: very hard to guess.".to_owned(),
        Ok(()) => "Good: hard to guess. One more unrelated word makes it strong.".to_owned(),
    }
}

fn is_hard(password: &str, context: &[&str]) -> bool {
    zxcvbn::zxcvbn(password, context).score() >= zxcvbn::Score::Three
}

/// Letters and digits alone: spaces and signs between words are the first thing that a guesser varies.
fn joined(folded: &str) -> String {
    folded.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The letters that digits and signs stand for in `P4$$w0rd`.
fn unmasked(folded: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        _ => c,
    };
    folded.chars().map(letter).collect()
}

/// Whether, without what everybody knows and what many use, too little is left. The score above does not see this: it
/// takes each further word for a further secret, however well known the words are.
fn is_made_of_the_known(password: &str, context: &[&str]) -> bool {
    let folded: Vec<String> = context.iter().map(|text| search_fold(text)).collect();
    let parts = folded.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric())).map(str::to_owned);
    let mut known: Vec<String> = folded.iter().map(|text| joined(text)).chain(parts).chain(COMMON.map(str::to_owned)).collect();
    known.retain(|word| word.len() >= SHORTEST_WORD);
    // A long one first, so that no shorter one tears it.
    known.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let password = search_fold(password);
    [joined(&password), joined(&unmasked(&password))].into_iter().any(|whole| {
        let left = known.iter().fold(whole.clone(), |left, word| left.replace(word.as_str(), ""));
        (left.len() < whole.len() && !is_hard(&left, &[])) || is_a_short_block_again_and_again(&whole)
    })
}

/// A block that is repeated is worth no more than once, and must then be long enough by itself.
fn is_a_short_block_again_and_again(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    (1..MIN_CHARS.min(letters.len() / 2 + 1)).any(|block| letters[block..] == letters[..letters.len() - block])
}

/// What comparing a password with a hash says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the hash has other parameters than today's, and should be made anew (requirement 44).
    pub outdated: bool,
}

fn busy() -> Error {
    Error::RateLimited { budget: Budget::Hashing, retry_after_ms: 1000 }
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
    /// A place in the queue, for whoever must know before they count a try that it will be compared.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where there is none.
    pub fn place(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.queued.try_acquire().map_err(|_| busy())
    }

    /// Compares a password with a hash, on the hash's own parameters. Where there is none the work is the same, and nothing
    /// matches: nobody learns from the time it takes whether there is an account (requirement 45).
    pub async fn verify(&self, _place: SemaphorePermit<'_>, password: Zeroizing<String>, hash: Option<String>) -> Result<Verdict, Error> {
        let _turn = self.running.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(move || {
            let against = hash.as_deref().unwrap_or(NOBODYS);
            let parsed = PasswordHash::new(against).map_err(|_| Error::Internal("a stored password hash cannot be read".to_owned()))?;
            let equal = Argon2::default().verify_password(composed(&password).as_bytes(), &parsed).is_ok();
            let outdated = !against.starts_with(TODAYS);
            Ok(Verdict { matches: equal && hash.is_some(), outdated })
        })
        .await
        .map_err(|error| Error::Internal(error.to_string()))?
    }

    /// The PHC string of a password in NFC: argon2id, m = 19,456 KiB, t = 2, p = 1 (OWASP).
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, Error> {
        let _place = self.place()?;
        let _turn = self.running.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(move || {
            let params = Params::new(19_456, 2, 1, None).map_err(|error| Error::Internal(error.to_string()))?;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password(composed(&password).as_bytes())
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

    /// One that the meter lets through.
    const PASSPHRASE: &str = "seven brave otters paint fences";

    #[test]
    fn requirement_43_length_and_context() {
        assert!(check("short", &[]).is_err());
        assert!(check(PASSPHRASE, &[]).is_ok());
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
        let verdict = hasher.verify(hasher.place().unwrap(), said("correct horse battery staple"), Some(old)).await.unwrap();
        assert_eq!(verdict, Verdict { matches: true, outdated: true });
        let new = hasher.hash(said("correct horse battery staple")).await.unwrap();
        let verdict = |text: &str, hash: Option<&str>| hasher.verify(hasher.place().unwrap(), said(text), hash.map(str::to_owned));
        assert_eq!(verdict("correct horse battery staple", Some(&new)).await.unwrap(), Verdict { matches: true, outdated: false });
        assert_eq!(verdict("correct horse battery staples", Some(&new)).await.unwrap(), Verdict { matches: false, outdated: false });
        assert!(!verdict("correct horse battery staple", None).await.unwrap().matches, "nobody's hash opens nothing");
    }

    #[tokio::test]
    async fn requirement_44_owasp_parameters() {
        let hash = Hasher::default().hash(Zeroizing::new(PASSPHRASE.to_owned())).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }

    /// Oksana Petrenko of Larkspur Freight, and of an organization that nobody named yet.
    const OKSANA: [&str; 4] = ["Oksana", "Petrenko", "oksana.petrenko@larkspur.example", "Larkspur Freight"];
    const NOBODY: [&str; 4] = ["Oksana", "Petrenko", "oksana.petrenko@larkspur.example", "My organization"];

    #[test]
    fn requirement_43_what_everybody_knows_is_no_password() {
        for password in [
            "Petrenko Oksana Petrenko",
            "Oksana Petrenko 1",
            "Oksana-Petrenko-2026",
            "oksanapetrenkooksana",
            "petrenko_oksana_usher",
            "0k5ana P3trenk0 2026",
            "oksana.petrenko@larkspur.example1",
            "larkspur larkspur larkspur",
            "Larkspur Freight 2026!",
            "password password1 password2",
            "P@ssw0rd! P4$$w0rd!",
            "Welcome to Larkspur 1",
            "correct horse battery staple",
            "Correct-Horse-Battery-Staple-1",
            "to be or not to be that is the question",
            "q1w2e3r4t5y6u7i8",
            &"q1w2e3r4t5y6".repeat(21),
            &"otter ".repeat(5),
        ] {
            assert!(check(password, &OKSANA).is_err(), "{password}");
        }
        for password in ["My organization usher", "my-organization 2026!", "MyOrganization Oksana 1"] {
            assert!(check(password, &NOBODY).is_err(), "{password}");
        }
        // A known word does no harm to a password that holds without it, nor do digits or another writing.
        for password in [
            PASSPHRASE,
            "Oksana likes seven brave otters",
            "larkspur wilts beside nine otters",
            "83920174658203947561",
            "Tq8#mZ!v4Lp$w9Xk",
            "пять слов без смысла подряд",
            "七匹の勇敢なカワウソが柵を塗る朝",
        ] {
            assert!(check(password, &OKSANA).is_ok(), "{password}");
        }
    }

    #[test]
    fn two_letters_of_a_short_name_stand_in_every_other_word() {
        assert!(check("the delightful lilies lie still", &["Li", "Le", "li@le.example", "St"]).is_ok());
    }

    #[tokio::test]
    async fn a_password_is_the_same_from_every_keyboard() {
        use argon2::{PasswordHash, PasswordVerifier};
        let composed = "sieben tapfere Fischötter";
        let apart = "sieben tapfere Fischo\u{308}tter";
        let hash = Hasher::default().hash(Zeroizing::new(apart.to_owned())).await.unwrap();
        assert!(Argon2::default().verify_password(composed.as_bytes(), &PasswordHash::new(&hash).unwrap()).is_ok());
        // Characters are counted as they are kept.
        assert!(check(&"o\u{308}".repeat(14), &[]).unwrap_err().message.contains("fewer than 15"));
    }
}
