//! Checks of the audit chains that somebody asked for in a browser: one at a time for an organization, few at once on a node.
//!
//! What the last one found is kept by this node alone and only until it ends: it decides nothing, and whoever wants to be sure
//! asks again, or runs `usher audit verify` elsewhere.

use super::{Call, may_read};
use crate::{
    app::SharedApp,
    authz::Org,
    domain::Timestamp,
    error::Error,
    store::{
        StoreError,
        audit::{self, Verdict},
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Chains that are walked at once; more wait, so that pages still find a connection.
const AT_ONCE: usize = 2;
/// How long whoever asks waits for the end. Most logs are walked by then; of others the page says that it is under way.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The log was read to its end.
    Verdict(Verdict),
    /// The database is damaged, so that it cannot be.
    Damaged,
    /// The database did not answer.
    Unanswered,
}

/// What is known of an organization's chain.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// When the last check began, and what it found.
    pub last: Option<(Timestamp, Found)>,
    /// Since when one is under way.
    pub since: Option<Timestamp>,
}

/// The checks of this node.
#[derive(Debug)]
pub struct Checks {
    /// By the organization's number.
    of: Mutex<HashMap<i64, State>>,
    room: Semaphore,
}

impl Default for Checks {
    fn default() -> Self {
        Self { of: Mutex::default(), room: Semaphore::new(AT_ONCE) }
    }
}

impl Checks {
    fn locked(&self) -> MutexGuard<'_, HashMap<i64, State>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of this organization's chain.
    #[must_use]
    pub fn state(&self, org: Org) -> State {
        self.locked().get(&org.number).cloned().unwrap_or_default()
    }
}

/// The one check of an organization that is under way; it is none any more once this is gone, however it ends.
struct Turn {
    app: SharedApp,
    org: Org,
    since: Timestamp,
}

impl Turn {
    /// `None` where somebody else's is under way.
    fn take(app: &SharedApp, org: Org) -> Option<Self> {
        let since = app.clock.now();
        let mut all = app.checks.locked();
        let state = all.entry(org.number).or_default();
        if state.since.is_some() {
            return None;
        }
        state.since = Some(since);
        drop(all);
        Some(Self { app: Arc::clone(app), org, since })
    }

    async fn walk(self) {
        let Ok(_room) = self.app.checks.room.acquire().await else { return };
        let found = match audit::verify(&self.app.pool, self.org).await {
            Ok(verdict) => Found::Verdict(verdict),
            Err(error) => {
                tracing::error!(%error, "an audit log could not be checked");
                match error {
                    StoreError::Damaged(_) | StoreError::Corrupt(_) => Found::Damaged,
                    StoreError::Retry(_)
                    | StoreError::Unique(_)
                    | StoreError::Unavailable(_)
                    | StoreError::Commit(_)
                    | StoreError::Unanswered(_)
                    | StoreError::Injected => Found::Unanswered,
                }
            }
        };
        self.app.checks.locked().entry(self.org.number).or_default().last = Some((self.since, found));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(state) = self.app.checks.locked().get_mut(&self.org.number) {
            state.since = None;
        }
    }
}

/// Checks the whole chain of the caller's organization, as `usher audit verify` does. Returns once it is over, or after a moment
/// while it goes on; [`Checks::state`] says what was found.
///
/// # Errors
/// Without `audit_log:read` none begins.
pub async fn check(app: &SharedApp, call: &Call) -> Result<(), Error> {
    may_read(call)?;
    if let Some(turn) = Turn::take(app, call.actor.org()) {
        // In a task of its own: it goes on when whoever asked does not wait for it.
        let walk = tokio::spawn(turn.walk());
        drop(tokio::time::timeout(PATIENCE, walk).await);
    }
    Ok(())
}
