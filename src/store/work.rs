//! One unit of work: a write transaction that holds its organization's lock.
//!
//! One writer per organization at a time makes three things simple: the last-administrator rule, the
//! audit chain, and uniqueness. The lock is the organization's head row. It is taken first, and facts are
//! read in later statements: in one statement PostgreSQL would hand out rows as they were before the wait.

use super::sql::{Engine, Pool, StoreError, Tx};
use crate::{
    authz::{Actor, ActorKind, Org, Standing},
    domain::{Random, RequestId, Role, Settings, Status, Timestamp},
    failpoint::Fault,
};
use tokio::sync::OwnedSemaphorePermit;

/// What of a call the audit entries repeat.
#[derive(Clone, Debug)]
pub struct Context {
    /// Which request.
    pub request_id: RequestId,
    /// Which tool, if one.
    pub tool: Option<&'static str>,
    /// Why, in the caller's words.
    pub reason: Option<String>,
}

/// The organization's head row as read under the lock.
#[derive(Clone, Debug)]
pub(in crate::store) struct Head {
    pub(in crate::store) audit_seq: i64,
    pub(in crate::store) audit_hash: Vec<u8>,
    pub(in crate::store) audit_at: i64,
    pub(in crate::store) user_seq: i64,
    pub(in crate::store) group_seq: i64,
    /// People by status (Pending, Active, Deactivated) and role (Administrator, User).
    pub(in crate::store) people: [[i64; 2]; 3],
    pub(in crate::store) access_groups: i64,
}

fn slot(status: Status, role: Role) -> (usize, usize) {
    let row = match status {
        Status::Pending => 0,
        Status::Active => 1,
        Status::Deactivated => 2,
    };
    let column = match role {
        Role::Administrator => 0,
        Role::User => 1,
    };
    (row, column)
}

impl Head {
    /// One more person of this status and role.
    pub(in crate::store) fn enter(&mut self, status: Status, role: Role) {
        let (row, column) = slot(status, role);
        self.people[row][column] += 1;
    }

    /// One fewer.
    pub(in crate::store) fn leave(&mut self, status: Status, role: Role) {
        let (row, column) = slot(status, role);
        self.people[row][column] -= 1;
    }
}

/// A write transaction under the lock of one organization.
#[must_use = "a unit of work that is neither committed nor rolled back did nothing"]
pub struct Work {
    pub(in crate::store) tx: Tx,
    pub(in crate::store) head: Head,
    pub(in crate::store) org: Org,
    pub(in crate::store) now: Timestamp,
    pub(in crate::store) random: Random,
    pub(in crate::store) context: Context,
    pub(in crate::store) actor_name: Option<String>,
    pub(in crate::store) entries: Vec<uuid::Uuid>,
    /// What the organization decides, once it was asked for: under the lock only this very work changes it.
    pub(in crate::store) settings: Option<Settings>,
    changed: bool,
    /// Held to the end; nobody asks for it.
    _turn: Option<OwnedSemaphorePermit>,
}

const LOCK_SQLITE: &str = "SELECT audit_seq, audit_hash, audit_at, user_seq, group_seq,
       pending_administrators, pending_users, active_administrators, active_users,
       deactivated_administrators, deactivated_users, access_groups
  FROM org_heads WHERE org = $1";
const LOCK_POSTGRES: &str = "SELECT audit_seq, audit_hash, audit_at, user_seq, group_seq,
       pending_administrators, pending_users, active_administrators, active_users,
       deactivated_administrators, deactivated_users, access_groups
  FROM org_heads WHERE org = $1 FOR NO KEY UPDATE";

impl Work {
    /// Opens a transaction and takes the organization's lock. `clock` is read after the wait.
    pub async fn begin(pool: &Pool, org: Org, context: Context, clock: &crate::domain::Clock, random: &Random) -> Result<Self, StoreError> {
        let turn = pool.turn(org.number).await;
        let mut tx = pool.begin().await?;
        let fault = tx.faults().hit("store.lock");
        // `skip` leaves the lock out on both engines, to show that the races are lost without it.
        let sql = match (tx.engine(), fault) {
            (_, Some(Fault::Error | Fault::Lost | Fault::Abort | Fault::Panic)) => return Err(StoreError::Injected),
            (Engine::Sqlite, _) | (Engine::Postgres, Some(Fault::Skip)) => LOCK_SQLITE,
            (Engine::Postgres, None) => LOCK_POSTGRES,
        };
        let row = tx.query(sql).bind(org.number).one().await?;
        let mut c = row.columns();
        let head = Head {
            audit_seq: c.take()?,
            audit_hash: c.take()?,
            audit_at: c.take()?,
            user_seq: c.take()?,
            group_seq: c.take()?,
            people: [[c.take()?, c.take()?], [c.take()?, c.take()?], [c.take()?, c.take()?]],
            access_groups: c.take()?,
        };
        // Never the log's time, which does not go back: one entry of a clock that was ahead would hold everything up.
        let now = clock.now();
        Ok(Self { _turn: turn, ..Self::over(tx, head, org, context, now, random) })
    }

    /// A unit of work over an organization that `tx` itself has just made.
    pub(in crate::store) fn with_new_head(tx: Tx, org: Org, context: Context, now: Timestamp, random: &Random) -> Self {
        let head =
            Head { audit_seq: 0, audit_hash: vec![0; 32], audit_at: 0, user_seq: 0, group_seq: 0, people: [[0; 2]; 3], access_groups: 0 };
        Self { changed: true, ..Self::over(tx, head, org, context, now, random) }
    }

    fn over(tx: Tx, head: Head, org: Org, context: Context, now: Timestamp, random: &Random) -> Self {
        Self {
            tx,
            head,
            org,
            now,
            random: random.clone(),
            context,
            actor_name: None,
            entries: Vec::new(),
            settings: None,
            changed: false,
            _turn: None,
        }
    }

    /// The moment of this unit of work.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The random source.
    #[must_use]
    pub fn random(&self) -> &Random {
        &self.random
    }

    /// The ids of the audit entries written so far.
    #[must_use]
    pub fn entries(&self) -> &[uuid::Uuid] {
        &self.entries
    }

    /// How many active Administrators there are.
    #[must_use]
    pub fn active_administrators(&self) -> i64 {
        let (row, column) = slot(Status::Active, Role::Administrator);
        self.head.people[row][column]
    }

    /// How many Administrators are Active or Pending.
    #[must_use]
    pub fn administrators(&self) -> i64 {
        let (row, column) = slot(Status::Pending, Role::Administrator);
        self.head.people[row][column] + self.active_administrators()
    }

    pub(in crate::store) fn touch_head(&mut self) {
        self.changed = true;
    }

    /// What the actor may do at this moment, and that their credential is still alive; `None` when it is dead.
    pub async fn standing(&mut self, actor: &Actor) -> Result<Option<Standing>, StoreError> {
        match actor.kind {
            ActorKind::Cli | ActorKind::System(_) => Ok(Some(Standing::above_roles())),
            ActorKind::User => match actor.credential {
                Some((
                    kind @ (crate::authz::CredentialKind::Token
                    | crate::authz::CredentialKind::Session
                    | crate::authz::CredentialKind::WaitingSession),
                    id,
                )) => {
                    let waiting = kind == crate::authz::CredentialKind::WaitingSession;
                    let Some(found) = super::credentials::standing(&mut self.tx, id, self.now, waiting).await? else { return Ok(None) };
                    self.actor_name = Some(found.name);
                    Ok(Some(found.standing))
                }
                // Whoever joins or signs in holds nothing but what they showed, which the action looks at itself.
                Some((
                    crate::authz::CredentialKind::InviteLink
                    | crate::authz::CredentialKind::Password
                    | crate::authz::CredentialKind::Link
                    | crate::authz::CredentialKind::Identity,
                    _,
                )) => Ok(Some(Standing::nothing())),
                None => Ok(None),
            },
        }
    }

    /// Makes all of it durable.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if self.changed {
            let head = &self.head;
            self.tx
                .query(
                    "UPDATE org_heads SET audit_seq = $2, audit_hash = $3, audit_at = $4, user_seq = $5, group_seq = $6,
                            pending_administrators = $7, pending_users = $8, active_administrators = $9, active_users = $10,
                            deactivated_administrators = $11, deactivated_users = $12, access_groups = $13
                      WHERE org = $1",
                )
                .bind(self.org.number)
                .bind(head.audit_seq)
                .bind(head.audit_hash.clone())
                .bind(head.audit_at)
                .bind(head.user_seq)
                .bind(head.group_seq)
                .bind(head.people[0][0])
                .bind(head.people[0][1])
                .bind(head.people[1][0])
                .bind(head.people[1][1])
                .bind(head.people[2][0])
                .bind(head.people[2][1])
                .bind(head.access_groups)
                .execute()
                .await?;
        }
        self.tx.commit().await
    }

    /// Takes all of it back: a refusal, a dry run, or a write that already held.
    pub async fn rollback(self) -> Result<(), StoreError> {
        self.tx.rollback().await
    }
}
