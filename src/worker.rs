//! What the workers of the outbox have in common, whatever they carry: mail, or questions to Slack.
//!
//! Each has its own channel of the outbox and its own loop, so that neither waits for what the other talks to. A worker
//! holds a lease on what it carries and renews it while the other side takes its time, notes the fate of each before it
//! begins the next, and starts none whose lease is no longer its own. The lease is short, so that a node that dies holds
//! its rows up for seconds.

use crate::{
    app::App,
    authz::{self, Actor, Org, Standing, SystemTask, action::GiveUp},
    domain::{Channel, HOUR, OutboxId, RequestId, SECOND, Timestamp, UserId},
    store::{
        Context, StoreError, Work,
        outbox::{self, Fate, Lease, Wanted},
    },
};
use std::{future::Future, pin::pin, time::Duration};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a worker that says nothing keeps its rows.
pub const LEASE: i64 = 20 * SECOND;
/// How often a worker that is busy says that it still has them.
const RENEWAL: Duration = Duration::from_secs(5);
/// How many rows one round takes.
pub const ROUND: i64 = 32;
/// How long the first wait before another try is; each further one is twice as long, up to an hour.
const FIRST_WAIT: i64 = 5 * SECOND;
/// How long what is under way may still take when the server is told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How often noting a fate is tried: what is not noted is carried again.
const NOTES: u64 = 5;

/// How a worker is woken and ended.
#[derive(Debug, Default)]
pub struct Bell {
    due: Notify,
    closing: CancellationToken,
}

impl Bell {
    /// Tells the worker that something was committed for it.
    pub fn wake(&self) {
        self.due.notify_one();
    }

    /// Tells the worker to end: what is under way gets a few seconds, the rest waits for the next start.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Whether it was told to end.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Waits until there may be work.
    pub async fn wait(&self) {
        // Other nodes' rows and retries have no voice here: look every second.
        drop(timeout(Duration::from_secs(1), self.due.notified()).await);
    }
}

/// What every row of the outbox is, whatever it wants carried.
#[derive(Clone, Debug)]
pub struct Errand {
    /// Which row.
    pub id: OutboxId,
    /// Of which organization.
    pub org: Org,
    /// About whom.
    pub user: UserId,
    /// Their full name.
    pub name: String,
    /// How often it was tried before.
    pub attempts: i64,
    /// Since when it could leave.
    pub open_since: Timestamp,
}

/// What became of a try.
#[derive(Debug)]
pub enum Verdict {
    /// To be noted.
    Fate(Fate),
    /// Noted already, in the transaction that wrote what came of it.
    Noted,
    /// Not tried at all: it stays as it is, for a later round.
    Left,
    /// It is tried no more; the code says why.
    GiveUp(&'static str),
}

impl Errand {
    /// Another try later, or none where it has been tried for long enough.
    #[must_use]
    pub fn again(&self, now: Timestamp, code: &'static str) -> Verdict {
        if now.since(self.open_since) > outbox::GIVE_UP_AFTER {
            return Verdict::GiveUp(code);
        }
        Verdict::Fate(Fate::Again(now.plus(wait_after(self.attempts)), code))
    }
}

fn wait_after(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 10)).unwrap_or_default();
    FIRST_WAIT.saturating_mul(2i64.pow(doublings)).min(HOUR)
}

/// Takes the rows of one round to where they belong.
pub trait Carrier {
    /// A row with everything that carrying it needs.
    type Due: Sync;
    /// Whose rows they are.
    const CHANNEL: Channel;

    /// What every row is.
    fn errand(due: &Self::Due) -> Errand;
    /// Carries one.
    fn carry(&mut self, due: &Self::Due) -> impl Future<Output = Verdict> + Send;
}

/// One round: carries what was leased, notes what became of it. How many were leased.
pub async fn round<C: Carrier>(app: &App, bell: &Bell, carrier: &mut C, leased: (Lease, Vec<C::Due>)) -> Result<usize, StoreError> {
    let (mut lease, rows) = leased;
    let mut laid_down = Vec::new();
    for due in &rows {
        if bell.is_closing() {
            break;
        }
        let errand = C::errand(due);
        match lease.wants(&app.pool, errand.id, app.clock.now()).await? {
            Wanted::Yes => {}
            Wanted::NoLonger => {
                noted(app, &mut lease, &[(errand.id, Fate::Superseded)]).await?;
                continue;
            }
            Wanted::NotNow | Wanted::NotOurs => continue,
        }
        let Some(verdict) = Box::pin(holding(app, bell, &mut lease, carrier.carry(due))).await else { break };
        match verdict {
            // Laid down again it would be the same file, so these may wait for each other.
            Verdict::Fate(Fate::Folder) => laid_down.push((errand.id, Fate::Folder)),
            Verdict::Fate(fate) => noted(app, &mut lease, &[(errand.id, fate)]).await?,
            Verdict::Noted => lease.forget(errand.id),
            Verdict::Left => {}
            Verdict::GiveUp(code) => {
                // It must not keep those behind it waiting; what could not be noted is tried once the lease has run out.
                if let Err(error) = give_up(app, C::CHANNEL, &errand, code).await {
                    tracing::warn!(row = %errand.id, %error, "that something is given up could not be noted");
                }
                lease.forget(errand.id);
            }
        }
    }
    noted(app, &mut lease, &laid_down).await?;
    lease.release(&app.pool).await?;
    Ok(rows.len())
}

/// Runs `work` and renews the lease meanwhile; `None` where the server has to stop and the work would not end in time.
async fn holding<T>(app: &App, bell: &Bell, lease: &mut Lease, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            () = bell.closing.cancelled() => return timeout(GRACE, work).await.ok(),
            () = sleep(RENEWAL) => {
                if let Err(error) = lease.renew(&app.pool, app.clock.now(), LEASE).await {
                    tracing::warn!(%error, "a lease on rows of the outbox could not be renewed");
                }
            }
        }
    }
}

async fn noted(app: &App, lease: &mut Lease, fates: &[(OutboxId, Fate)]) -> Result<(), StoreError> {
    if fates.is_empty() {
        return Ok(());
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match lease.settle(&app.pool, fates, app.clock.now()).await {
            Err(error) if tries < NOTES => {
                tracing::warn!(%error, "what became of a row of the outbox could not be noted; it is tried again");
                sleep(Duration::from_millis(50 * tries * tries)).await;
            }
            done => return done,
        }
    }
}

async fn give_up(app: &App, channel: Channel, errand: &Errand, code: &'static str) -> Result<(), StoreError> {
    let actor = Actor::system(errand.org, task(channel));
    let action = GiveUp { channel, user: errand.user, name: errand.name.clone() };
    let Ok(proof) = authz::authorize(&actor, &Standing::above_roles(), action) else {
        return Err(StoreError::Corrupt("machine work was refused".to_owned()));
    };
    let mut work = begin(app, errand.org).await?;
    match outbox::give_up(&mut work, proof, errand.id, code).await {
        Ok(()) => work.commit().await,
        Err(error) => {
            work.rollback().await?;
            Err(error)
        }
    }
}

/// Under which name a channel's worker acts.
#[must_use]
pub const fn task(channel: Channel) -> SystemTask {
    match channel {
        Channel::Mail => SystemTask::Mail,
        Channel::Slack => SystemTask::Slack,
    }
}

/// A worker's own unit of work.
pub async fn begin(app: &App, org: Org) -> Result<Work, StoreError> {
    let context = Context { request_id: RequestId::new(app.clock.now(), &app.random), tool: None, reason: None };
    Work::begin(&app.pool, org, context, &app.clock, &app.random).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_five_seconds_to_an_hour() {
        let waits: Vec<i64> = (0..12).map(|attempts| wait_after(attempts) / SECOND).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!((wait_after(-1), wait_after(i64::MAX)), (FIRST_WAIT, HOUR));
    }
}
