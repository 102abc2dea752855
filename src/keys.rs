//! The keyring: one root secret, one derived key per use.
//!
//! The file is made once, together with the database, exclusively and synced; the database keeps its
//! fingerprint. Every later start compares: a node with another keyring would derive other links, so it
//! refuses to start and says what to copy.

use crate::domain::{LinkId, LinkKind, Random};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::{
    fs::OpenOptions,
    io::{ErrorKind, Read, Write},
    path::Path,
};
use zeroize::Zeroizing;

/// First line of a key file.
const HEADER: &str = "usher-keyring-1";

type HmacSha256 = Hmac<Sha256>;

/// What a derived key is for; one HKDF label each.
#[derive(Clone, Copy)]
enum Use {
    Links,
    Cursors,
    Digests,
    Addresses,
    Cells,
    Fingerprint,
}

impl Use {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Links => b"usher links 1",
            Self::Cursors => b"usher cursors 1",
            Self::Digests => b"usher digests 1",
            Self::Addresses => b"usher addresses 1",
            Self::Cells => b"usher cells 1",
            Self::Fingerprint => b"usher fingerprint 1",
        }
    }
}

/// The derived keys of one installation. `Debug` shows none of them.
pub struct Keyring {
    links: Zeroizing<[u8; 32]>,
    digests: Zeroizing<[u8; 32]>,
    addresses: Zeroizing<[u8; 32]>,
    cursors: XChaCha20Poly1305,
    cells: XChaCha20Poly1305,
    fingerprint: String,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// Why a keyring can't be had; sentences for the operator.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// No file where one must be.
    #[error(
        "the key file {0} is missing: copy it from the node that made this database (it never changes), or give its place with --key-file"
    )]
    Missing(String),
    /// Not a key file.
    #[error("{0} is not a key file of usher: restore it from a backup")]
    Malformed(String),
    /// Another installation's.
    #[error("the key file {0} belongs to another database: copy the one of the node that made this database")]
    Foreign(String),
    /// Others can read it.
    #[error("the key file {0} can be read by others: run chmod 600 on it")]
    Exposed(String),
    /// The operating system said no.
    #[error("the key file {0} cannot be used: {1}")]
    Io(String, std::io::Error),
}

impl Keyring {
    /// Derives everything from a root secret.
    #[must_use]
    pub fn from_root(root: &[u8; 32]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, root);
        let derive = |which: Use| {
            let mut key = Zeroizing::new([0u8; 32]);
            // 32 bytes are within what HKDF-SHA-256 can expand to (255 × 32), so this cannot fail.
            if hkdf.expand(which.label(), key.as_mut()).is_err() {
                std::process::abort();
            }
            key
        };
        let fingerprint = hex(&derive(Use::Fingerprint)[..16]);
        Self {
            links: derive(Use::Links),
            digests: derive(Use::Digests),
            addresses: derive(Use::Addresses),
            cursors: XChaCha20Poly1305::new((&*derive(Use::Cursors)).into()),
            cells: XChaCha20Poly1305::new((&*derive(Use::Cells)).into()),
            fingerprint,
        }
    }

    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Self, KeyringError> {
        let name = path.display().to_string();
        let mut text = Zeroizing::new(String::new());
        let mut file = match OpenOptions::new().read(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(KeyringError::Missing(name)),
            Err(error) => return Err(KeyringError::Io(name, error)),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().map_err(|error| KeyringError::Io(name.clone(), error))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(KeyringError::Exposed(name));
            }
        }
        file.read_to_string(&mut text).map_err(|error| KeyringError::Io(name.clone(), error))?;
        let root = parse(&text).ok_or(KeyringError::Malformed(name))?;
        Ok(Self::from_root(&root))
    }

    /// Makes a key file where there is none; one that is there already is used. Two processes at once end
    /// with the same one.
    pub fn create_or_read(path: &Path, random: &Random) -> Result<Self, KeyringError> {
        let name = path.display().to_string();
        let io = |error| KeyringError::Io(name.clone(), error);
        if path.exists() {
            return Self::read(path);
        }
        let root = Zeroizing::new(random.bytes::<32>());
        let digits = Zeroizing::new(hex(root.as_slice()));
        let text = Zeroizing::new(format!("{HEADER}\n{}\n", *digits));
        // Written whole under another name, then linked into place: nobody ever reads half a file. A name of this start's own:
        // process ids come again, in a container above all, and what a start that died has left must not stop the next.
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{:016x}", u64::from_be_bytes(random.bytes())));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let linked = options
            .open(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::hard_link(&draft, path));
        drop(std::fs::remove_file(&draft));
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io(error)),
        }
        if let Some(folder) = path.parent().and_then(|folder| std::fs::File::open(folder).ok()) {
            drop(folder.sync_all());
        }
        Self::read(path)
    }

    /// What the database keeps, to know its keyring again: derived, and useless for anything else.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The token of a link: the organization's locator, then HMAC-SHA-256(link key, kind ‖ id ‖ generation)
    /// in base 62. Derived, never stored.
    #[must_use]
    pub fn link_token(&self, kind: LinkKind, locator: &str, link: LinkId, generation: i64) -> String {
        let mut mac = keyed(&self.links);
        mac.update(kind.as_str().as_bytes());
        mac.update(link.as_uuid().as_bytes());
        mac.update(&generation.to_be_bytes());
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        format!("{locator}{}", crate::authn::credential::base62(&bytes))
    }

    /// Seals bytes for a caller's keeping, bound to `context` (who may bring them back).
    #[must_use]
    pub fn seal(&self, random: &Random, context: &[u8], bytes: &[u8]) -> String {
        seal(&self.cursors, random, context, bytes)
    }

    /// Opens what [`Self::seal`] sealed under the same context.
    #[must_use]
    pub fn open(&self, context: &[u8], text: &str) -> Option<Vec<u8>> {
        open(&self.cursors, context, text)
    }

    /// Seals what a row keeps, bound to that very cell: nobody who can write the table moves it to another row.
    #[must_use]
    pub fn seal_cell(&self, random: &Random, cell: &Cell<'_>, secret: &[u8]) -> String {
        format!("{KEY_ID}{}", seal(&self.cells, random, &cell.context(), secret))
    }

    /// Opens what [`Self::seal_cell`] sealed for the same cell.
    #[must_use]
    pub fn open_cell(&self, cell: &Cell<'_>, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.cells, &cell.context(), text.strip_prefix(KEY_ID)?).map(Zeroizing::new)
    }

    /// A keyed digest of a call's arguments, so that the table of idempotency keys tells nothing of them.
    #[must_use]
    pub fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = keyed(&self.digests);
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }

    /// A keyed hash of a mail address's folded key, for counting what is asked of it whether anybody has it or not.
    #[must_use]
    pub fn mailbox(&self, email_key: &str) -> [u8; 32] {
        let mut mac = keyed(&self.addresses);
        mac.update(b"mailbox ");
        mac.update(email_key.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// A keyed hash of a network address.
    #[must_use]
    pub fn address(&self, address: std::net::IpAddr) -> [u8; 32] {
        let mut mac = keyed(&self.addresses);
        mac.update(address.to_string().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Before every sealed cell: which key sealed it, so that a later one can stand beside it.
const KEY_ID: &str = "1.";

/// Where a sealed value lies.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// The organization's number.
    pub org: i64,
    /// The table.
    pub table: &'a str,
    /// The row's key as text.
    pub row: &'a str,
    /// The column.
    pub column: &'a str,
}

impl Cell<'_> {
    fn context(&self) -> Vec<u8> {
        // No part can hold the separator, so that two cells never have one context.
        [self.org.to_string().as_str(), self.table, self.row, self.column].join("\0").into_bytes()
    }
}

fn seal(key: &XChaCha20Poly1305, random: &Random, context: &[u8], bytes: &[u8]) -> String {
    let nonce: [u8; 24] = random.bytes();
    let sealed = key.encrypt(&XNonce::from(nonce), Payload { msg: bytes, aad: context }).unwrap_or_default();
    base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, [&nonce[..], &sealed].concat())
}

fn open(key: &XChaCha20Poly1305, context: &[u8], text: &str) -> Option<Vec<u8>> {
    let bytes = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, text).ok()?;
    let (nonce, sealed) = bytes.split_at_checked(24)?;
    let nonce: [u8; 24] = nonce.try_into().ok()?;
    key.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: context }).ok()
}

fn keyed(key: &[u8; 32]) -> HmacSha256 {
    // HMAC pads a shorter key with zeros to its block (RFC 2104, section 2).
    let mut block = Zeroizing::new([0u8; 64]);
    block[..32].copy_from_slice(key);
    <HmacSha256 as hmac::KeyInit>::new((&*block).into())
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256, the stored form of every bearer secret.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A short text that tells one value from another, and says nothing of either.
#[must_use]
pub fn mark(text: &str) -> String {
    hex(&sha256(text.as_bytes())[..8])
}

fn parse(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut lines = text.lines();
    if lines.next()? != HEADER {
        return None;
    }
    let digits = lines.next()?.as_bytes();
    let mut root = Zeroizing::new([0u8; 32]);
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in root.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_first_start_that_died_left_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(folder.path().join(format!("keys.{}", std::process::id())), "half a").unwrap();
        let made = Keyring::create_or_read(&path, &Random::os()).unwrap();
        assert_eq!(Keyring::create_or_read(&path, &Random::os()).unwrap().fingerprint(), made.fingerprint());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no draft of its own is left");
    }
}
