//! What is gathered in memory and written a moment later, outside the call that caused it: uses of
//! credentials, refusals, callers without a credential. All of it bounded; none of it decides anything.

mod refusals;
mod strangers;

pub use refusals::{PER_ACTOR, PER_ORGANIZATION};
pub use strangers::PER_MINUTE;

use crate::{
    app::{App, SharedApp},
    authz::{Actor, Org, Stamp, Target},
    domain::{CredentialId, EntryId, GroupId, MINUTE, RequestId, Timestamp, UserId},
    store::{
        Context, Pool, StoreError, Work, audit, credentials,
        evidence::{self, RefusedAction, SecurityEvent},
        groups::{self, Which},
        people::{self, Who},
    },
};
use refusals::{Book, Counted, Refusal};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use strangers::Strangers;
use tokio_util::sync::CancellationToken;

/// How often refusals are written, and after how many of these the uses of credentials.
const ROUNDS: (Duration, u32) = (Duration::from_millis(500), 120);

/// Writes refusals soon and uses within a minute, and does `each_minute` besides, until `stop`; then writes all of it.
pub async fn keep_writing(app: SharedApp, stop: CancellationToken, each_minute: impl AsyncFn(&SharedApp)) {
    let (pause, a_minute) = ROUNDS;
    let mut rounds = 0u32;
    let mut pauses = tokio::time::interval(pause);
    loop {
        tokio::select! { _ = pauses.tick() => {}, () = stop.cancelled() => break }
        rounds = rounds.wrapping_add(1);
        warn(app.evidence.flush(&app, false).await);
        if rounds.is_multiple_of(a_minute) {
            warn(app.seen.flush(&app).await);
            each_minute(&app).await;
        }
    }
    warn(app.evidence.flush(&app, true).await);
    warn(app.seen.flush(&app).await);
}

/// Tells the operator of background work that failed.
pub fn warn<T>(result: Result<T, StoreError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "background work failed; it is tried again");
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere must not silence the evidence; the data is counters.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Uses of credentials, exact to a minute, and the clients whose names are on their way into a credential's row.
#[derive(Debug, Default)]
pub struct Seen {
    used: Mutex<HashMap<CredentialId, (i64, Timestamp)>>,
    clients: Mutex<HashMap<CredentialId, String>>,
}

impl Seen {
    /// Notes a call that went through by a credential of the person with this key, last used as its row says.
    pub fn used(&self, id: CredentialId, person: i64, last_used_at: Option<Timestamp>, now: Timestamp) {
        if last_used_at.is_some_and(|last| now < last.plus(MINUTE)) {
            return;
        }
        locked(&self.used).entry(id).or_insert((person, now)).1 = now;
    }

    /// The clients that are being written. Asked before a credential's row is read: what was still under way then is newer
    /// than the row, and everything else is in it.
    pub fn clients(&self) -> HashMap<CredentialId, String> {
        locked(&self.clients).clone()
    }

    /// Notes the client of an `initialize` until it is written; `true` where nobody writes for this credential yet, and
    /// [`Self::write_client`] must be called.
    pub fn initialized(&self, id: CredentialId, client: &str) -> bool {
        locked(&self.clients).insert(id, client.to_owned()).is_none()
    }

    /// Writes the client that was noted, and whichever is noted meanwhile, in their order.
    pub async fn write_client(&self, pool: &Pool, id: CredentialId) {
        loop {
            let Some(client) = locked(&self.clients).get(&id).cloned() else { return };
            if let Err(error) = credentials::remember_client(pool, id, &client).await {
                tracing::warn!(%error, "a client's name was not kept");
            }
            let mut clients = locked(&self.clients);
            if clients.get(&id) == Some(&client) {
                clients.remove(&id);
                return;
            }
        }
    }

    /// Writes what was gathered; what can't be written is kept for the next time.
    pub async fn flush(&self, app: &App) -> Result<(), StoreError> {
        let used: Vec<_> = locked(&self.used).drain().map(|(id, (key, at))| (id, key, at)).collect();
        let written = credentials::mark_used(&app.pool, &used).await;
        if written.is_err() {
            let mut since = locked(&self.used);
            for (id, key, at) in used {
                since.entry(id).or_insert((key, at));
            }
        }
        written
    }
}

/// What a refused call named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// Nothing in particular.
    Nothing,
    /// Something of this kind, by what is no id.
    Kind(&'static str),
    /// A person, by id.
    User(UserId),
    /// A person, by the folded key of an address.
    Email(String),
    /// An access group, by id.
    Group(GroupId),
}

/// Refusals and credential-less callers of this node.
#[derive(Debug, Default)]
pub struct Evidence {
    refusals: Mutex<HashMap<i64, Book>>,
    strangers: Mutex<Strangers>,
}

impl Evidence {
    /// Notes that a live actor was refused, or somebody at the door on whose behalf the server acts; `as_of` is the number of the organization's last entry then, or of one before it.
    #[expect(clippy::too_many_arguments, reason = "one call site per surface; a struct would only rename the arguments")]
    pub fn refused(
        &self,
        now: Timestamp,
        actor: &Actor,
        actor_name: &str,
        action: &'static str,
        tool: Option<&'static str>,
        named: Named,
        code: &'static str,
        request_id: RequestId,
        as_of: i64,
    ) {
        let (actor_name, code) = (actor.user().map(|_| actor_name.to_owned()), Some(code));
        let refusal = Refusal { actor: actor.clone(), actor_name, action, tool, named, code, request_id, as_of };
        locked(&self.refusals).entry(actor.org.number).or_default().count(minute(now), refusal);
    }

    /// Notes a caller without a live credential.
    pub fn stranger(&self, now: Timestamp, kind: &'static str, surface: &'static str, address: Option<[u8; 32]>) {
        locked(&self.strangers).count(now, (kind, surface, address));
    }

    /// Writes what is due; with `all`, at shutdown, everything. What can't be written now is kept, and tried again with
    /// the next call; at shutdown there is none, so it is tried again at once.
    pub async fn flush(&self, app: &App, all: bool) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let strangers = self.flush_strangers(app, all).await;
            let refusals = self.flush_refusals(app, all).await;
            tries += 1;
            match strangers.and(refusals) {
                Err(_) if all && tries < LAST_TRIES => tokio::time::sleep(Duration::from_millis(50 * tries)).await,
                done => return done,
            }
        }
    }

    async fn flush_strangers(&self, app: &App, all: bool) -> Result<(), StoreError> {
        let taken = locked(&self.strangers).take(app.clock.now(), all);
        let events: Vec<SecurityEvent> = taken
            .iter()
            .map(|counted| {
                let (kind, surface, address) = counted.deed;
                let id = EntryId::new(counted.at, &app.random).as_uuid();
                SecurityEvent { id, at: counted.at, kind, surface, address, count: counted.count }
            })
            .collect();
        let written = evidence::security_events(&app.pool, &events).await;
        if written.is_err() {
            locked(&self.strangers).put_back(taken);
        }
        written
    }

    /// One transaction per organization; one that fails keeps no other waiting.
    async fn flush_refusals(&self, app: &App, all: bool) -> Result<(), StoreError> {
        let now = minute(app.clock.now());
        let organizations: Vec<i64> = {
            let mut books = locked(&self.refusals);
            books.retain(|_, book| !book.is_blank(now));
            books.keys().copied().collect()
        };
        let mut done = Ok(());
        for number in organizations {
            let mut minute_of_entries = now;
            loop {
                let taken = locked(&self.refusals).get_mut(&number).map(|book| book.take(minute_of_entries, all)).unwrap_or_default();
                let written = write(app, &taken, minute_of_entries).await;
                let later = match written {
                    Ok(None) => break,
                    Ok(Some(later)) => Some(later),
                    Err(error) => {
                        done = Err(error);
                        None
                    }
                };
                if let Some(book) = locked(&self.refusals).get_mut(&number) {
                    book.put_back(taken);
                }
                match later {
                    Some(later) => minute_of_entries = later,
                    None => break,
                }
            }
        }
        done
    }
}

/// How often what is left is tried to be written at shutdown.
const LAST_TRIES: u64 = 5;

fn minute(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(MINUTE)
}

/// Writes entries of one organization that were taken for this minute; where the wait for the lock took them into a
/// later one, whose room they have to share, nothing is written and that minute is the answer.
async fn write(app: &App, taken: &[Counted], minute_of_entries: i64) -> Result<Option<i64>, StoreError> {
    let Some(first) = taken.first() else { return Ok(None) };
    let org = first.refusal.actor.org;
    let mut refused = Vec::with_capacity(taken.len());
    for Counted { refusal, count } in taken {
        let stamp = Stamp::of(&refusal.actor, refusal.action, target(app, org, refusal).await?);
        let context = Context { request_id: refusal.request_id, tool: refusal.tool, reason: None };
        refused.push(RefusedAction { stamp, context, actor_name: refusal.actor_name.clone(), code: refusal.code, count: *count });
    }
    let context = Context { request_id: first.refusal.request_id, tool: None, reason: None };
    let mut work = Work::begin(&app.pool, org, context, &app.clock, &app.random).await?;
    let now = minute(work.now());
    if now > minute_of_entries {
        work.rollback().await?;
        return Ok(Some(now));
    }
    for refused in refused {
        if let Err(error) = evidence::refused(&mut work, refused).await {
            work.rollback().await?;
            return Err(error);
        }
    }
    work.commit().await?;
    Ok(None)
}

/// What the refused call named, as far as this organization knew it then: an address becomes the id behind it, and the name
/// is left out where it may be a later one.
async fn target(app: &App, org: Org, refusal: &Refusal) -> Result<Target, StoreError> {
    let who = match &refusal.named {
        Named::Nothing => return Ok(Target::Organization),
        Named::Kind(kind) => return Ok(Target::Unknown(kind)),
        Named::Group(id) => {
            let found = groups::find(&app.pool, org, &Which::Id(*id)).await?;
            let done = audit::done_to(&app.pool, org, id.as_uuid()).await?;
            let name = found.filter(|_| done.is_some_and(|(_, last)| last <= refusal.as_of)).map(|group| group.name);
            return Ok(Target::AccessGroup { id: *id, name: name.unwrap_or_default() });
        }
        Named::User(id) => Who::Id(*id),
        Named::Email(key) => Who::EmailKey(key.clone()),
    };
    let Some(person) = people::find(&app.pool, org, &who, crate::authz::Visible::All).await? else {
        return Ok(match who {
            Who::Id(id) => Target::User { id, name: String::new() },
            Who::EmailKey(_) => Target::Unknown("user"),
        });
    };
    // Read after the name, so that a change between the two is seen.
    let done = audit::done_to(&app.pool, org, person.id.as_uuid()).await?;
    let (was_here, is_as_then) = done.map_or((false, false), |(first, last)| (first <= refusal.as_of, last <= refusal.as_of));
    let name = match &refusal.actor_name {
        Some(own) if refusal.actor.is(person.id) => own.clone(),
        Some(_) | None if is_as_then => person.full_name(),
        Some(_) | None => String::new(),
    };
    Ok(match who {
        Who::EmailKey(_) if !was_here && !refusal.actor.is(person.id) => Target::Unknown("user"),
        Who::EmailKey(_) | Who::Id(_) => Target::User { id: person.id, name },
    })
}

/// A keyed hash of a caller's address.
#[must_use]
pub fn hashed(app: &App, address: Option<IpAddr>) -> Option<[u8; 32]> {
    address.map(|address| app.keyring.address(address))
}
