//! What one running server holds: the database, the keys, the clock, the limits. No authority.

use crate::{
    authn::password::Hasher,
    config::{Limits, PublicUrl},
    domain::{Catalogue, Clock, CredentialId, Random},
    gather::{Evidence, Seen},
    keys::Keyring,
    mail::Mailer,
    outbound::Outbound,
    service::{
        audit::checks::Checks,
        second_factor::Confirmed,
        signing_in::{Knock, Opened},
    },
    slack::Slack,
    store::Pool,
    twice::Twice,
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as GovernorClock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::keyed::DashMapStateStore,
};
use ipnet::IpNet;
use std::{
    collections::VecDeque,
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Notify;

/// The parts every use case may need; shared by all surfaces of one process.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub pool: Pool,
    /// The derived keys.
    pub keyring: Keyring,
    /// The only clock.
    pub clock: Clock,
    /// The only random source.
    pub random: Random,
    /// How much of what.
    pub limits: Limits,
    /// The permissions there are.
    pub catalogue: Catalogue,
    /// Where this server is reached.
    pub public_url: PublicUrl,
    /// How mail leaves.
    pub mail: Mailer,
    /// The way to every address that somebody else chose.
    pub outbound: Outbound,
    /// The way to Slack.
    pub slack: Slack,
    /// Password hashing, bounded.
    pub hasher: Hasher,
    /// Uses of credentials, gathered.
    pub seen: Seen,
    /// Refusals, gathered.
    pub evidence: Evidence,
    /// Checks of the audit chains, under way and over.
    pub checks: Checks,
    /// Calls per credential.
    pub calls: Limiter<CredentialId>,
    /// Unknown invite links per address.
    pub guesses: Limiter<IpAddr>,
    /// Passwords and requests for links per address.
    pub visits: Limiter<IpAddr>,
    /// Visits to the door of browsers that were here before, by their mark, once their address has used up its own.
    pub known_visits: Limiter<[u8; 32]>,
    /// The same of all such browsers of one address: whoever has an account makes as many of them as they like.
    pub known_neighbours: Limiter<IpAddr>,
    /// Codes of identity providers per sign-in under way.
    pub trades: Limiter<[u8; 32]>,
    /// Who came back from a provider a moment ago, sealed for the browser that carries it, by what it came back with.
    pub returns: Twice<String>,
    /// Sessions that were opened by password a moment ago, by the form and its browser.
    pub sign_ins: Twice<Opened>,
    /// Second factors that were set up a moment ago, with the recovery codes that a second click would lose.
    pub set_up: Twice<Confirmed>,
    /// Requests for links that wait to be looked at.
    pub doorbell: Doorbell,
    /// Proxies that are believed about whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
}

/// Unknown links that one address may open in a minute. Nobody guesses 256 bits; this keeps the log quiet.
pub const GUESSES_PER_MINUTE: u32 = 20;

/// Passwords that one address may try, and links that it may ask for, in a minute.
pub const VISITS_PER_MINUTE: u32 = 30;

/// Passwords and links of all browsers at one address that were here before, in a minute.
pub const KNOWN_VISITS_PER_MINUTE: u32 = 10 * VISITS_PER_MINUTE;

/// Codes that one sign-in under way may bring back from its provider in a minute; there is one.
pub const TRADES_PER_MINUTE: u32 = 3;

/// Requests for links that wait at once; what comes on top is told to come back.
const KNOCKS: usize = 1024;

/// Requests for links, looked at after they were answered: the answer must not take its time from what is found.
#[derive(Debug, Default)]
pub struct Doorbell {
    waiting: Mutex<VecDeque<Knock>>,
    rung: Notify,
}

impl Doorbell {
    /// Notes one; `false` when too many wait.
    pub fn ring(&self, knock: Knock) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= KNOCKS {
            return false;
        }
        waiting.push_back(knock);
        self.rung.notify_one();
        true
    }

    /// Waits until one was noted since the last time.
    pub async fn rung(&self) {
        self.rung.notified().await;
    }

    /// The next one, if any waits.
    pub fn next(&self) -> Option<Knock> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// So many per minute and key, on this node: a bucket of that many, refilled evenly.
#[derive(Debug)]
pub struct Limiter<K: Hash + Eq + Clone>(Option<(Buckets<K>, LimiterClock)>);

type Buckets<K> = RateLimiter<K, DashMapStateStore<K>, LimiterClock, NoOpMiddleware<Nanos>>;

/// governor's view of the server's own clock, so that tests move both together: of the time that passed, which does not
/// jump when the machine's clock is put right.
#[derive(Clone, Debug)]
pub struct LimiterClock(Clock);

impl GovernorClock for LimiterClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(u64::try_from(self.0.passed()).unwrap_or_default().saturating_mul(1_000_000))
    }
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// At most `per_minute`; 0 is no limit.
    #[must_use]
    pub fn new(per_minute: u32, clock: &Clock) -> Self {
        Self(NonZeroU32::new(per_minute).map(|limit| {
            let clock = LimiterClock(clock.clone());
            (RateLimiter::new(Quota::per_minute(limit), DashMapStateStore::default(), clock.clone()), clock)
        }))
    }

    /// Counts one; when it is one too many, after how many milliseconds to come back.
    pub fn check(&self, key: &K) -> Result<(), i64> {
        let Some((limiter, clock)) = &self.0 else { return Ok(()) };
        limiter.check_key(key).map_err(|not_until| {
            let now = clock.now();
            let wait = not_until.earliest_possible().duration_since(now);
            i64::try_from(wait.as_u64().div_ceil(1_000_000)).unwrap_or(i64::MAX)
        })
    }

    /// Forgets who has not come for a while.
    pub fn sweep(&self) {
        if let Some((limiter, _)) = &self.0 {
            limiter.retain_recent();
        }
    }
}

/// What every surface carries around.
pub type SharedApp = Arc<App>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DAY, SECOND, Timestamp};

    #[test]
    fn a_clock_that_was_ahead_closes_no_door_when_it_is_put_right() {
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let limiter = Limiter::new(2, &clock);
        let right = clock.now();
        clock.set(right.plus(DAY));
        assert_eq!((limiter.check(&1), limiter.check(&1)), (Ok(()), Ok(())));
        clock.set(right);
        let wait = limiter.check(&1).unwrap_err();
        assert!((1..=30 * SECOND).contains(&wait), "{wait}");
        clock.advance(wait);
        assert_eq!(limiter.check(&1), Ok(()));
    }
}
