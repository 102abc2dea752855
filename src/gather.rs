//! What is gathered in memory and written a moment later, outside the call that caused it: uses of
//! credentials, refusals, callers without a credential. All of it bounded; none of it decides anything.

use crate::{
    app::App,
    authz::{Actor, Org, Stamp, Target},
    domain::{CredentialId, GroupId, MINUTE, RequestId, Timestamp, UserId},
    store::{
        Context, StoreError, Work, credentials,
        credentials::Alive,
        evidence::{self, RefusedAction, SecurityEvent},
        people::{self, Who},
    },
};
use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere must not silence the evidence; the data is counters.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Uses of credentials, exact to a minute, and the client that each last said `initialize` with.
#[derive(Debug, Default)]
pub struct Seen {
    used: Mutex<HashMap<CredentialId, (i64, Timestamp)>>,
    clients: Mutex<HashMap<CredentialId, String>>,
}

/// How many clients are remembered in memory; more are read back from their rows.
const CLIENTS: usize = 10_000;

impl Seen {
    /// Notes a call that went through.
    pub fn used(&self, alive: &Alive, now: Timestamp) {
        if alive.last_used_at.is_some_and(|last| now < last.plus(MINUTE)) {
            return;
        }
        locked(&self.used).entry(alive.id).or_insert((alive.person.key, now)).1 = now;
    }

    /// The client of a credential's last `initialize` on this node.
    pub fn client(&self, id: CredentialId) -> Option<String> {
        locked(&self.clients).get(&id).cloned()
    }

    /// Notes it; `true` when it is news.
    pub fn initialized(&self, id: CredentialId, client: &str) -> bool {
        let mut clients = locked(&self.clients);
        if clients.get(&id).is_some_and(|known| known == client) {
            return false;
        }
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(id, client.to_owned());
        true
    }

    /// Writes what was gathered.
    pub async fn flush(&self, app: &App) -> Result<(), StoreError> {
        let used: Vec<_> = locked(&self.used).drain().map(|(id, (key, at))| (id, key, at)).collect();
        credentials::mark_used(&app.pool, &used).await
    }
}

/// What a refused call named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// Nothing in particular.
    Nothing,
    /// A person, by id.
    User(UserId),
    /// A person, by the folded key of an address.
    Email(String),
    /// An access group, by id.
    Group(GroupId),
}

/// The first of something in a minute is written at once; repeats are counted and close as one.
#[derive(Debug)]
struct Minutes<K, V> {
    minute: i64,
    entries: HashMap<K, (V, i64)>,
    ready: Vec<(V, i64)>,
}

impl<K: Eq + Hash, V: Clone> Minutes<K, V> {
    fn new() -> Self {
        Self { minute: 0, entries: HashMap::new(), ready: Vec::new() }
    }

    /// Ends the minute that is over.
    fn turn(&mut self, now: Timestamp) -> bool {
        let minute = now.as_millis().div_euclid(MINUTE);
        if minute == self.minute {
            return false;
        }
        self.minute = minute;
        self.close();
        true
    }

    fn close(&mut self) {
        let repeats = self.entries.drain().filter(|(_, (_, count))| *count > 0).map(|(_, (value, count))| (value, count));
        self.ready.extend(repeats);
    }

    /// Counts one. `first` is made ready at once; `keep` says whether there is still room for a new key.
    fn count(&mut self, key: K, value: V, keep: bool) -> Counted {
        match self.entries.get_mut(&key) {
            Some((_, repeats)) => {
                *repeats += 1;
                if *repeats == 1 { Counted::FirstRepeat } else { Counted::Repeat }
            }
            None if keep => {
                self.ready.push((value.clone(), 1));
                self.entries.insert(key, (value, 0));
                Counted::First
            }
            None => Counted::Full,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    First,
    FirstRepeat,
    Repeat,
    Full,
}

/// One refusal as gathered.
#[derive(Clone, Debug)]
struct Refusal {
    actor: Actor,
    actor_name: String,
    action: &'static str,
    tool: Option<&'static str>,
    named: Named,
    code: &'static str,
    request_id: RequestId,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RefusalKey {
    org: i64,
    actor: Option<UserId>,
    /// `None` for the one line that holds what exceeded the actor's share.
    what: Option<(&'static str, Named, &'static str)>,
}

/// Entries of one organization in a minute, for refusals.
pub const REFUSALS_PER_ORGANIZATION: u32 = 60;
/// Of which one actor may cause so many.
pub const REFUSALS_PER_ACTOR: u32 = 20;
/// Rows of `security_events` in a minute.
pub const EVENTS_PER_MINUTE: u32 = 1000;

#[derive(Debug)]
struct Refusals {
    minutes: Minutes<RefusalKey, Refusal>,
    per_org: HashMap<i64, u32>,
    per_actor: HashMap<(i64, Option<UserId>), u32>,
}

/// What a stranger did, where, and the keyed hash of their address.
type Deed = (&'static str, &'static str, Option<[u8; 32]>);

#[derive(Debug)]
struct Events {
    minutes: Minutes<Deed, (Deed, Timestamp)>,
    rows: u32,
}

/// Refusals and credential-less callers of this node.
#[derive(Debug)]
pub struct Evidence {
    refusals: Mutex<Refusals>,
    events: Mutex<Events>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            refusals: Mutex::new(Refusals { minutes: Minutes::new(), per_org: HashMap::new(), per_actor: HashMap::new() }),
            events: Mutex::new(Events { minutes: Minutes::new(), rows: 0 }),
        }
    }
}

impl Evidence {
    /// Notes that a live actor was refused.
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
    ) {
        let mut refusals = locked(&self.refusals);
        let Refusals { minutes, per_org, per_actor } = &mut *refusals;
        if minutes.turn(now) {
            per_org.clear();
            per_actor.clear();
        }
        let (org, person) = (actor.org.number, actor.person.map(|person| person.id));
        let in_org = per_org.entry(org).or_default();
        let by_actor = per_actor.entry((org, person)).or_default();
        // A key takes two entries at most: its first, and its repeats. The actor's last two are kept for what is
        // over their share, the organization's last ones for nobody.
        let room = *in_org + 2 <= REFUSALS_PER_ORGANIZATION;
        let own_room = *by_actor + 4 <= REFUSALS_PER_ACTOR;
        let key = RefusalKey { org, actor: person, what: Some((action, named.clone(), code)) };
        let refusal = Refusal { actor: actor.clone(), actor_name: actor_name.to_owned(), action, tool, named, code, request_id };
        let counted = match minutes.count(key, refusal.clone(), room && own_room) {
            Counted::Full => {
                let key = RefusalKey { org, actor: person, what: None };
                let rest = Refusal { named: Named::Nothing, ..refusal };
                minutes.count(key, rest, room)
            }
            counted => counted,
        };
        match counted {
            // Both of a key's entries are reserved with its first.
            Counted::First => {
                *in_org += 2;
                *by_actor += 2;
            }
            Counted::FirstRepeat | Counted::Repeat | Counted::Full => {}
        }
    }

    /// Notes a caller without a live credential.
    pub fn stranger(&self, now: Timestamp, kind: &'static str, surface: &'static str, address: Option<[u8; 32]>) {
        let mut events = locked(&self.events);
        if events.minutes.turn(now) {
            events.rows = 0;
        }
        let room = events.rows + 4 <= EVENTS_PER_MINUTE;
        let counted = match events.minutes.count((kind, surface, address), ((kind, surface, address), now), room) {
            Counted::Full => events.minutes.count(("more", surface, None), (("more", surface, None), now), true),
            counted => counted,
        };
        if counted == Counted::First {
            events.rows += 2;
        }
    }

    /// Writes what is ready; with `all` also the repeats of the minute that is not over, at shutdown.
    pub async fn flush(&self, app: &App, all: bool) -> Result<(), StoreError> {
        let now = app.clock.now();
        let events: Vec<SecurityEvent> = {
            let mut events = locked(&self.events);
            if events.minutes.turn(now) {
                events.rows = 0;
            }
            if all {
                events.minutes.close();
            }
            std::mem::take(&mut events.minutes.ready)
                .into_iter()
                .map(|(((kind, surface, address), at), count)| SecurityEvent {
                    id: crate::domain::EntryId::new(at, &app.random).as_uuid(),
                    at,
                    kind,
                    surface,
                    address,
                    count,
                })
                .collect()
        };
        evidence::security_events(&app.pool, &events).await?;
        let ready = {
            let mut refusals = locked(&self.refusals);
            let Refusals { minutes, per_org, per_actor } = &mut *refusals;
            if minutes.turn(now) {
                per_org.clear();
                per_actor.clear();
            }
            if all {
                minutes.close();
            }
            std::mem::take(&mut minutes.ready)
        };
        let mut by_org: HashMap<i64, Vec<(Refusal, i64)>> = HashMap::new();
        for (refusal, count) in ready {
            by_org.entry(refusal.actor.org.number).or_default().push((refusal, count));
        }
        for refusals in by_org.into_values() {
            write(app, refusals).await?;
        }
        Ok(())
    }
}

async fn write(app: &App, refusals: Vec<(Refusal, i64)>) -> Result<(), StoreError> {
    let Some(org) = refusals.first().map(|(refusal, _)| refusal.actor.org) else { return Ok(()) };
    let mut entries = Vec::with_capacity(refusals.len());
    for (refusal, count) in refusals {
        entries.push((target(app, org, &refusal.named).await?, refusal, count));
    }
    for (target, refusal, count) in entries {
        let context = Context { request_id: refusal.request_id, tool: refusal.tool, reason: None };
        let mut work = Work::begin(&app.pool, org, context, &app.clock, &app.random).await?;
        let actor = &refusal.actor;
        let stamp = Stamp {
            kind: actor.kind,
            person: actor.person.map(|person| person.id),
            credential: actor.credential,
            surface: actor.surface,
            client: actor.client.clone(),
            org,
            action: refusal.action,
            target,
        };
        let refused = RefusedAction { stamp, actor_name: Some(refusal.actor_name), code: refusal.code, count };
        match evidence::refused(&mut work, refused).await {
            Ok(()) => work.commit().await?,
            Err(error) => {
                work.rollback().await?;
                return Err(error);
            }
        }
    }
    Ok(())
}

/// What the refused call named, as far as this organization knows it: an address becomes the id behind it.
async fn target(app: &App, org: Org, named: &Named) -> Result<Target, StoreError> {
    let who = match named {
        Named::Nothing => return Ok(Target::Organization),
        Named::Group(id) => {
            let found = crate::store::groups::find(&app.pool, org, &crate::store::groups::Which::Id(*id)).await?;
            return Ok(Target::AccessGroup { id: *id, name: found.map(|group| group.name).unwrap_or_default() });
        }
        Named::User(id) => Who::Id(*id),
        Named::Email(key) => Who::EmailKey(key.clone()),
    };
    let found = people::find(&app.pool, org, &who, crate::authz::Visible::All).await?;
    Ok(match (found, named) {
        (Some(person), _) => Target::User { id: person.id, name: person.full_name() },
        (None, Named::User(id)) => Target::User { id: *id, name: String::new() },
        (None, Named::Nothing | Named::Email(_) | Named::Group(_)) => Target::Organization,
    })
}

/// A keyed hash of a caller's address.
#[must_use]
pub fn hashed(app: &App, address: Option<IpAddr>) -> Option<[u8; 32]> {
    address.map(|address| app.keyring.address(address))
}
