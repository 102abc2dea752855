//! Connections to Slack, and who waits to be looked up there.
//!
//! An organization has one connection at most; with its row the sealed token goes. Who is to be looked up is a row of the
//! outbox, written in the transaction of the invite or the acceptance, and only where there is a connection.

use super::{
    audit::{self, Change, Entry, Outcome, Said},
    outbox::{self, Fate, Lease, open_since},
    people::{self, Found, group_said},
    sql::{Pool, Row, StoreError},
    work::Work,
};
use crate::{
    authz::{
        Authorized, Org,
        slack::{AskSlack, ConnectSlack, DisconnectSlack, FoundInSlack, SlackFacts, StopSlack},
    },
    domain::{Channel, ConnectionId, LookUp, OrgId, OutboxId, SlackBy, SlackStop, Status, Timestamp, UserId, Workspace},
    keys::mark,
};

/// An organization's connection. `Debug` shows its token sealed only.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Of which organization.
    pub org: Org,
    /// What a rule sees.
    pub facts: SlackFacts,
    /// Since when this workspace is connected, by whatever token.
    pub created_at: Timestamp,
    /// Until when Slack asked to be left alone.
    pub held_until: Option<Timestamp>,
    /// Since when Slack takes the token no longer, if so.
    pub stopped_at: Option<Timestamp>,
}

impl Connection {
    /// The token in a short text that is another one once it is; it opens nothing.
    #[must_use]
    pub fn registration(&self) -> String {
        mark(&self.facts.sealed_token)
    }
}

const CONNECTION: &str =
    "SELECT o.number, o.id, s.id, s.team_id, s.team_name, s.token, s.created_at, s.held_until, s.stopped_at, s.stopped_as
   FROM slack_connections s JOIN organizations o ON o.number = s.org WHERE s.org = $1";

fn read(row: &Row) -> Result<Connection, StoreError> {
    let mut c = row.columns();
    let org = Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) };
    let id = ConnectionId::from_uuid(c.take()?);
    let (team_id, team_name): (String, String) = (c.take()?, c.take()?);
    let workspace =
        Workspace::answered(&team_id, &team_name).ok_or_else(|| StoreError::Corrupt("the workspace of a connection".to_owned()))?;
    let sealed_token = c.take()?;
    let (created_at, held_until, stopped_at) = (c.time()?, c.maybe_time()?, c.maybe_time()?);
    let stopped = c.take::<Option<String>>()?;
    // A code of a newer version is one all the same.
    let stopped = stopped.map(|code| SlackStop::parse(&code).unwrap_or(SlackStop::AccessDenied));
    Ok(Connection { org, facts: SlackFacts { id, workspace, sealed_token, stopped }, created_at, held_until, stopped_at })
}

/// The organization's connection, if it has one.
pub async fn connection(pool: &Pool, org: Org) -> Result<Option<Connection>, StoreError> {
    pool.query(CONNECTION).bind(org.number).optional().await?.map(|row| read(&row)).transpose()
}

/// The same under the lock.
pub async fn connection_locked(work: &mut Work) -> Result<Option<Connection>, StoreError> {
    let org = work.org.number;
    work.tx.query(CONNECTION).bind(org).optional().await?.map(|row| read(&row)).transpose()
}

/// How many people of the organization wait to be looked up.
pub async fn waiting(pool: &Pool, org: Org) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM outbox WHERE channel = 'slack' AND state = 'queued' AND org = $1";
    pool.query(sql).bind(org.number).one().await?.get(0)
}

/// Every connection that Slack takes no longer: the organization's slug and why. And how many there are in all.
pub async fn stopped(pool: &Pool) -> Result<(Vec<(String, SlackStop)>, usize), StoreError> {
    let rows = pool
        .query("SELECT o.slug, s.stopped_as FROM slack_connections s JOIN organizations o ON o.number = s.org ORDER BY o.slug")
        .all()
        .await?;
    let mut stopped = Vec::new();
    for row in &rows {
        if let Some(code) = row.get::<Option<String>>(1)? {
            stopped.push((row.get(0)?, SlackStop::parse(&code).unwrap_or(SlackStop::AccessDenied)));
        }
    }
    Ok((stopped, rows.len()))
}

/// Stores a connection, or another token for it; what Slack said of the one before is forgotten.
pub async fn connect(work: &mut Work, proof: Authorized<ConnectSlack>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let (org, now) = (work.org.number, work.now);
    work.tx
        .query(
            "INSERT INTO slack_connections (org, id, team_id, team_name, token, created_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (org) DO UPDATE SET id = excluded.id, team_id = excluded.team_id, team_name = excluded.team_name,
                token = excluded.token, held_until = NULL, stopped_at = NULL, stopped_as = NULL",
        )
        .bind(org)
        .bind(action.id.as_uuid())
        .bind(action.workspace.id.as_str())
        .bind(action.workspace.name.as_str())
        .bind(action.sealed_token.as_str())
        .bind(now)
        .execute()
        .await?;
    let before = action.before.as_ref().map_or(Said::Nothing, |before| workspace(&before.workspace));
    let changes = vec![
        Change { field: "slack_workspace", before, after: workspace(&action.workspace) },
        Change::set("slack_token", Said::Plain("set".to_owned())),
    ];
    audit::append(work, Entry::done(stamp, changes)).await
}

fn workspace(workspace: &Workspace) -> Said {
    group_said(&format!("{} {}", workspace.id, workspace.name.as_str()))
}

/// Ends a connection: its token is forgotten, and nobody waits to be looked up any more.
pub async fn disconnect(work: &mut Work, proof: Authorized<DisconnectSlack>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let (org, now) = (work.org.number, work.now);
    work.tx.query("DELETE FROM slack_connections WHERE org = $1").bind(org).execute().await?;
    let drop = "UPDATE outbox SET state = 'superseded', lease_until = NULL, done_at = $2
                 WHERE channel = 'slack' AND state = 'queued' AND org = $1";
    work.tx.query(drop).bind(org).bind(now).execute().await?;
    let changes = vec![Change { field: "slack_workspace", before: workspace(&action.connection.workspace), after: Said::Nothing }];
    audit::append(work, Entry::done(stamp, changes)).await
}

/// What queues somebody who was just invited: they have no Slack ID and nobody waits for one.
/// Placeholders: $2 organization, $3 person, $7 now, $10 the row.
macro_rules! look_up_invited {
    () => {
        "INSERT INTO outbox (id, org, user_key, state, next_at, created_at, letter, channel)
         SELECT $10, $2, $3, 'queued', $7, $7, 'slack_joining', 'slack' FROM slack_connections WHERE org = $2"
    };
}
pub(super) use look_up_invited;

/// Queues somebody who joined, where they have no Slack ID and nobody cleared it.
pub(super) async fn look_up_joined(work: &mut Work, user_key: i64) -> Result<(), StoreError> {
    let id = OutboxId::new(work.now, &work.random);
    let now = work.now;
    work.tx
        .query(
            "INSERT INTO outbox (id, org, user_key, state, next_at, created_at, letter, channel)
             SELECT $1, u.org, u.key, 'queued', $3, $3, $4, 'slack' FROM users u JOIN slack_connections s ON s.org = u.org
              WHERE u.key = $2 AND u.slack_id IS NULL AND coalesce(u.slack_by, '') <> 'hand'
             ON CONFLICT (user_key) WHERE channel = 'slack' AND state = 'queued' DO NOTHING",
        )
        .bind(id.as_uuid())
        .bind(user_key)
        .bind(now)
        .bind(LookUp::Joining.as_str())
        .execute()
        .await?;
    Ok(())
}

/// Queues one person, or everybody who is not deactivated and has no Slack ID, or one that was looked up in another workspace; who waits already is asked for at once, and
/// anew where Slack is being asked. How many.
pub async fn ask(work: &mut Work, proof: Authorized<AskSlack>) -> Result<u64, StoreError> {
    let (action, stamp) = proof.into_parts();
    let (org, now) = (work.org.number, work.now);
    let keys = if let Some(person) = &action.person {
        vec![person.person.key]
    } else {
        // What a look-up found before this workspace was connected is of another one.
        let sql = "SELECT key FROM users WHERE org = $1 AND status <> 'deactivated' AND (slack_id IS NULL OR (slack_by = 'lookup' AND key NOT IN (
                     SELECT b.user_key FROM outbox b JOIN slack_connections s ON s.org = b.org
                      WHERE b.org = $1 AND b.channel = 'slack' AND b.state = 'sent' AND b.done_at >= s.created_at))) ORDER BY key";
        let rows = work.tx.query(sql).bind(org).all().await?;
        rows.iter().map(|row| row.get(0)).collect::<Result<Vec<i64>, _>>()?
    };
    let rows: Vec<_> = keys.iter().map(|key| (OutboxId::new(now, &work.random).as_uuid().simple().to_string(), key)).collect();
    // One statement, however many they are. A row that is under way becomes another one: what comes of the question before is
    // not noted on it.
    macro_rules! asked {
        ($people:literal) => {
            concat!(
                "INSERT INTO outbox (id, org, user_key, state, next_at, created_at, letter, channel) SELECT ",
                $people,
                " ON CONFLICT (user_key) WHERE channel = 'slack' AND state = 'queued' DO UPDATE SET id = excluded.id, letter = excluded.letter,
                    next_at = excluded.next_at, created_at = excluded.created_at, attempts = 0, error = NULL, lease_until = NULL"
            )
        };
    }
    let sql = work.tx.engine().either(
        asked!("unhex(value ->> 0), $2, value ->> 1, 'queued', $3, $3, $4, 'slack' FROM json_each($1) WHERE TRUE"),
        asked!("(value ->> 0)::uuid, $2, (value ->> 1)::bigint, 'queued', $3, $3, $4, 'slack' FROM json_array_elements($1::json)"),
    );
    let query = work.tx.query(sql).bind(serde_json::json!(rows).to_string()).bind(org).bind(now);
    let queued = query.bind(LookUp::Asked.as_str()).execute().await?;
    audit::append(work, Entry::done(stamp, vec![Change::set("look_ups", Said::Plain(queued.to_string()))])).await?;
    Ok(queued)
}

/// Somebody who is to be looked up. `Debug` shows no token.
#[derive(Clone, Debug)]
pub struct DueLookUp {
    /// Which row.
    pub id: OutboxId,
    /// Of which organization.
    pub org: Org,
    /// Who.
    pub user: UserId,
    /// Full name now.
    pub name: String,
    /// Address as typed.
    pub email: String,
    /// Why; `None` for a reason that a newer version wrote.
    pub why: Option<LookUp>,
    /// How often it was tried before.
    pub attempts: i64,
    /// Since when it could leave.
    pub open_since: Timestamp,
}

/// Leases who is due to be looked up, of organizations whose Slack may be asked now: the few of each organization by themselves.
pub async fn lease(pool: &Pool, now: Timestamp, lease: i64, limit: i64) -> Result<Vec<(Lease, Vec<DueLookUp>)>, StoreError> {
    let Some((mut tx, lease)) = outbox::take(pool, Channel::Slack, now, lease, limit).await? else { return Ok(Vec::new()) };
    let mut leased = Vec::with_capacity(lease.held().len());
    for id in lease.held() {
        let row = tx
            .query(concat!(
                "SELECT o.number, o.id, u.id, u.first_name, u.last_name, u.email, b.letter, b.attempts, ",
                open_since!(),
                " FROM outbox b JOIN users u ON u.key = b.user_key JOIN organizations o ON o.number = b.org WHERE b.id = $1"
            ))
            .bind(id.as_uuid())
            .one()
            .await?;
        let mut c = row.columns();
        leased.push(DueLookUp {
            id: *id,
            org: Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) },
            user: UserId::from_uuid(c.take()?),
            name: {
                let (first, last): (String, String) = (c.take()?, c.take()?);
                format!("{first} {last}")
            },
            email: c.take()?,
            why: LookUp::parse(&c.take::<String>()?),
            attempts: c.take()?,
            open_since: c.time()?,
        });
    }
    tx.commit().await?;
    leased.sort_by_key(|due| (due.org.number, due.open_since, due.id.as_uuid()));
    let of_one = leased.chunk_by(|one, next| one.org.number == next.org.number);
    Ok(of_one.map(|due| (lease.on(due.iter().map(|due| due.id).collect()), due.to_vec())).collect())
}

/// What decides whether somebody is asked for, as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Their status.
    pub status: Status,
    /// Whether they have a Slack ID.
    pub has_one: bool,
    /// Who decided so.
    pub decided: Option<SlackBy>,
}

/// Reads it right before asking: what was leased with others may have waited for their answers.
pub async fn now(pool: &Pool, due: &DueLookUp) -> Result<Now, StoreError> {
    let sql = "SELECT status, slack_id, slack_by FROM users WHERE org = $1 AND id = $2";
    let row = pool.query(sql).bind(due.org.number).bind(due.user.as_uuid()).one().await?;
    let mut c = row.columns();
    Ok(Now {
        status: c.parse(Status::parse)?,
        has_one: c.take::<Option<String>>()?.is_some(),
        decided: c.take::<Option<String>>()?.as_deref().and_then(SlackBy::parse),
    })
}

/// Slack wants to be left alone by this organization until then: all of its queue waits.
pub async fn hold(pool: &Pool, connection: &Connection, until: Timestamp) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    tx.query("UPDATE slack_connections SET held_until = $3 WHERE org = $1 AND id = $2 AND coalesce(held_until, 0) < $3")
        .bind(connection.org.number)
        .bind(connection.facts.id.as_uuid())
        .bind(until)
        .execute()
        .await?;
    tx.commit().await
}

/// Marks a connection as one that Slack takes no longer.
pub async fn stop(work: &mut Work, proof: Authorized<StopSlack>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let (org, now) = (work.org.number, work.now);
    let code = action.stop.as_str();
    let sql = "UPDATE slack_connections SET stopped_at = $2, stopped_as = $3 WHERE org = $1";
    work.tx.query(sql).bind(org).bind(now).bind(code).execute().await?;
    let change = Change {
        field: "slack_workspace",
        before: workspace(&action.connection.workspace),
        after: workspace(&action.connection.workspace),
    };
    let mut entry = Entry::done(stamp, vec![change]);
    entry.outcome = Outcome::Failed;
    entry.code = Some(code);
    audit::append(work, entry).await
}

/// Writes a person's Slack ID as it was found, and that they were looked up, in one.
pub async fn found(work: &mut Work, proof: Authorized<FoundInSlack>, before: &Found, row: OutboxId) -> Result<(), StoreError> {
    let now = work.now;
    outbox::note(&mut work.tx, row, Fate::Sent, now).await?;
    people::found_in_slack(work, proof, before).await
}
