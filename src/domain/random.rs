//! Randomness: the operating system's, or a test's own.

use sha2::{Digest, Sha256};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The source of random bytes. Everything unguessable comes from one that it was given.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    Os,
    Seeded { seed: u64, block: Arc<AtomicU64> },
}

impl Random {
    /// The operating system's source, the only one for production.
    #[must_use]
    pub const fn os() -> Self {
        Self(Source::Os)
    }

    /// A source that says the same with the same seed, for tests: whoever knows the seed knows every secret that was made
    /// from it. Copies share one sequence.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded { seed, block: Arc::default() })
    }

    /// Fills `bytes`.
    ///
    /// Ends the process if the operating system has no random bytes to give: a server that goes on would hand out secrets
    /// that can be guessed, and no caller could do better than to stop.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::Os => os_fill(bytes),
            Source::Seeded { seed, block } => {
                for chunk in bytes.chunks_mut(32) {
                    let mut hash = Sha256::new();
                    hash.update(seed.to_be_bytes());
                    hash.update(block.fetch_add(1, Ordering::SeqCst).to_be_bytes());
                    chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
                }
            }
        }
    }

    /// `N` random bytes; ends the process as [`fill`](Self::fill) does.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// Without the seed, from which all that follows could be computed.
impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Os => "Random(os)",
            Source::Seeded { .. } => "Random(seeded)",
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the operating system; all others are given a `Random`")]
fn os_fill(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        tracing::error!(%error, "the operating system has no random bytes; stopping, because secrets could be guessed");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_the_same_again_and_never_the_same_twice() {
        let (a, b) = (Random::seeded(7), Random::seeded(7));
        let first: [u8; 40] = a.bytes();
        assert_eq!(first, b.bytes::<40>());
        assert_ne!(first, a.bytes::<40>());
        assert_ne!(first[..32], Random::seeded(8).bytes::<32>());
    }

    #[test]
    fn copies_share_one_sequence() {
        let random = Random::seeded(7);
        assert_ne!(random.clone().bytes::<16>(), random.bytes::<16>());
    }

    #[test]
    fn the_system_source_does_not_repeat() {
        assert_ne!(Random::os().bytes::<32>(), Random::os().bytes::<32>());
        Random::os().fill(&mut []);
    }

    #[test]
    fn debug_does_not_tell_the_seed() {
        assert_eq!(format!("{:?}", Random::seeded(424_242)), "Random(seeded)");
    }
}
