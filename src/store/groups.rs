//! Access groups, their permissions and their members.

use super::{
    audit::{self, Change, Entry, Said},
    people::group_said,
    sql::{Engine, Pool, Row, StoreError, Tx},
    work::Work,
};
use crate::{
    authz::{
        Action, Authorized, Org,
        action::{AssignGroups, CreateAccessGroup, DeleteAccessGroup, GroupFacts, UnassignGroups, UpdateAccessGroup},
    },
    domain::{GroupId, PermissionSet, Role, Status, Timestamp, search_fold},
};

/// By what a group is named in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By id.
    Id(GroupId),
    /// By the folded key of its name.
    NameKey(String),
}

/// A page of groups, oldest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its groups.
    pub groups: Vec<GroupFacts>,
    /// Where the next page begins.
    pub next: Option<i64>,
    /// How many there are in all.
    pub total: i64,
}

macro_rules! group_columns {
    () => {
        "g.key, g.id, g.name, (SELECT string_agg(p.permission, ' ') FROM group_permissions p WHERE p.group_key = g.key),
         g.members, g.version, g.description"
    };
}

fn read(row: &Row) -> Result<GroupFacts, StoreError> {
    let mut c = row.columns();
    Ok(GroupFacts {
        key: c.take()?,
        id: GroupId::from_uuid(c.take()?),
        name: c.take()?,
        permissions: PermissionSet::parse_joined(c.take::<Option<String>>()?.as_deref().unwrap_or_default()),
        members: c.take()?,
        version: c.take()?,
        description: c.take()?,
    })
}

// Placeholders: $1 above which key, $2 below which key, $3 search text, $4 organization, $5 limit.
macro_rules! counted {
    ($find:literal) => {
        concat!("(SELECT count(*) FROM access_groups t WHERE t.org = $4 AND ($3 = '' OR ", $find, "(t.folded, $3) > 0))")
    };
}
/// (page, total): the page's rows carry the total in their last column; the second statement asks for it alone.
macro_rules! list_statement {
    ($find:literal) => {
        (
            concat!(
                "SELECT ",
                group_columns!(),
                ", ",
                counted!($find),
                " FROM access_groups g WHERE g.key > $1 AND g.key < $2 AND ($3 = '' OR ",
                $find,
                "(g.folded, $3) > 0) ORDER BY g.key LIMIT $5"
            ),
            concat!("SELECT ", counted!($find)),
        )
    };
}

/// Groups above `after`, those whose name or description holds the folded `query`.
pub async fn list(pool: &Pool, org: Org, query: &str, after: Option<i64>, limit: i64) -> Result<Page, StoreError> {
    let low = org.number << 32;
    let (page, total) = match pool.engine() {
        Engine::Sqlite => list_statement!("instr"),
        Engine::Postgres => list_statement!("strpos"),
    };
    let bind =
        |sql: &'static str| pool.query(sql).bind(after.unwrap_or(low)).bind(low + (1 << 32)).bind(query).bind(org.number).bind(limit + 1);
    let rows = bind(page).all().await?;
    let total = match (rows.first(), after) {
        (Some(row), _) => row.get(7)?,
        (None, None) => 0,
        // The rest was deleted while somebody turned the page.
        (None, Some(_)) => bind(total).one().await?.get(0)?,
    };
    let mut groups = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = groups.len() > wanted;
    groups.truncate(wanted);
    let next = if more { groups.last().map(|group| group.key) } else { None };
    Ok(Page { groups, next, total })
}

/// One group, outside any transaction.
pub async fn find(pool: &Pool, org: Org, which: &Which) -> Result<Option<GroupFacts>, StoreError> {
    let query = match which {
        Which::Id(id) => pool
            .query(concat!("SELECT ", group_columns!(), " FROM access_groups g WHERE g.org = $1 AND g.id = $2"))
            .bind(org.number)
            .bind(id.as_uuid()),
        Which::NameKey(key) => pool
            .query(concat!("SELECT ", group_columns!(), " FROM access_groups g WHERE g.org = $1 AND g.name_key = $2"))
            .bind(org.number)
            .bind(key.clone()),
    };
    query.optional().await?.map(|row| read(&row)).transpose()
}

/// The groups with these ids that there are, in the order they were made.
pub async fn of_ids(pool: &Pool, org: Org, ids: &[GroupId]) -> Result<Vec<GroupFacts>, StoreError> {
    let sql = pool.engine().either(
        concat!(
            "SELECT ",
            group_columns!(),
            " FROM access_groups g WHERE g.org = $1 AND g.id IN (SELECT unhex(value, '-') FROM json_each($2)) ORDER BY g.key"
        ),
        concat!(
            "SELECT ",
            group_columns!(),
            " FROM access_groups g WHERE g.org = $1 AND g.id = ANY(ARRAY(SELECT value::uuid FROM json_array_elements_text($2::json))) ORDER BY g.key"
        ),
    );
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows = pool.query(sql).bind(org.number).bind(serde_json::json!(ids).to_string()).all().await?;
    rows.iter().map(read).collect()
}

/// A permission, and a group that gives it; how many do.
#[derive(Clone, Debug)]
pub struct Gives {
    /// The permission.
    pub permission: String,
    /// The group's name.
    pub group: String,
    /// How many groups give the permission.
    pub groups: i64,
}

/// Which groups give which permissions: at most `limit` for each, those that were made first.
pub async fn giving(pool: &Pool, org: Org, limit: i64) -> Result<Vec<Gives>, StoreError> {
    let low = org.number << 32;
    let sql = "SELECT p.permission, g.name, p.number
                 FROM (SELECT group_key, permission, row_number() OVER (PARTITION BY permission ORDER BY group_key) AS place,
                              count(*) OVER (PARTITION BY permission) AS number
                         FROM group_permissions WHERE group_key > $1 AND group_key < $2) p
                 JOIN access_groups g ON g.key = p.group_key WHERE p.place <= $3 ORDER BY g.key";
    let rows = pool.query(sql).bind(low).bind(low + (1 << 32)).bind(limit).all().await?;
    rows.iter().map(|row| Ok(Gives { permission: row.get(0)?, group: row.get(1)?, groups: row.get(2)? })).collect()
}

/// The groups of a person, in the order they were made, with the time since when.
pub async fn of_person(pool: &Pool, user: i64) -> Result<Vec<(GroupFacts, Timestamp)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        group_columns!(),
        ", m.added_at FROM group_members m JOIN access_groups g ON g.key = m.group_key WHERE m.user_key = $1 ORDER BY g.key"
    );
    let rows = pool.query(sql).bind(user).all().await?;
    rows.iter().map(|row| Ok((read(row)?, Timestamp::from_millis(row.get(7)?)))).collect()
}

/// One group under the lock.
pub async fn facts(work: &mut Work, which: &Which) -> Result<Option<GroupFacts>, StoreError> {
    let org = work.org.number;
    let query = match which {
        Which::Id(id) => work
            .tx
            .query(concat!("SELECT ", group_columns!(), " FROM access_groups g WHERE g.org = $1 AND g.id = $2"))
            .bind(org)
            .bind(id.as_uuid()),
        Which::NameKey(key) => work
            .tx
            .query(concat!("SELECT ", group_columns!(), " FROM access_groups g WHERE g.org = $1 AND g.name_key = $2"))
            .bind(org)
            .bind(key.clone()),
    };
    query.optional().await?.map(|row| read(&row)).transpose()
}

/// Somebody in a group, and what they would hold without it.
#[derive(Clone, Debug)]
pub struct Remainder {
    /// Full name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Status.
    pub status: Status,
    /// What their other groups give them.
    pub permissions: PermissionSet,
}

/// Who is in the group with this key, newest first and at most `limit`, and what would remain to each.
pub async fn remainders(pool: &Pool, group: i64, limit: i64) -> Result<Vec<Remainder>, StoreError> {
    let rows = pool
        .query(
            "SELECT u.first_name, u.last_name, u.role, u.status,
                    (SELECT string_agg(p.permission, ' ') FROM group_members o JOIN group_permissions p ON p.group_key = o.group_key
                      WHERE o.user_key = u.key AND o.group_key <> m.group_key)
               FROM group_members m JOIN users u ON u.key = m.user_key
              WHERE m.group_key = $1 ORDER BY u.key DESC LIMIT $2",
        )
        .bind(group)
        .bind(limit)
        .all()
        .await?;
    rows.iter().map(read_remainder).collect()
}

fn read_remainder(row: &Row) -> Result<Remainder, StoreError> {
    let mut c = row.columns();
    Ok(Remainder {
        name: c.full_name()?,
        role: c.parse(Role::parse)?,
        status: c.parse(Status::parse)?,
        permissions: PermissionSet::parse_joined(c.take::<Option<String>>()?.as_deref().unwrap_or_default()),
    })
}

fn folded(name: &str, description: &str) -> String {
    format!("{}\n{}", search_fold(name), search_fold(description))
}

/// Makes a group. `false` when the name is taken.
pub async fn create(work: &mut Work, proof: Authorized<CreateAccessGroup>) -> Result<bool, StoreError> {
    let (action, stamp) = proof.into_parts();
    let key = (work.org.number << 32) | (work.head.group_seq + 1);
    let (name, description) = (action.name.as_str(), action.description.as_str());
    let inserted = work
        .tx
        .query(
            "INSERT INTO access_groups (key, id, org, name, name_key, folded, description, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (org, name_key) DO NOTHING",
        )
        .bind(key)
        .bind(action.id.as_uuid())
        .bind(work.org.number)
        .bind(name)
        .bind(action.name.key())
        .bind(folded(name, description))
        .bind(description)
        .bind(work.now)
        .execute()
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    work.head.group_seq += 1;
    work.head.access_groups += 1;
    let mut changes = vec![Change::set("name", group_said(name))];
    if !description.is_empty() {
        changes.push(Change::set("description", group_said(description)));
    }
    let permissions: Vec<String> = action.permissions.iter().map(|permission| permission.as_str().to_owned()).collect();
    grant(&mut work.tx, key, &permissions).await?;
    changes.extend(permissions.into_iter().map(|name| Change::set("permission", Said::Plain(name))));
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(true)
}

async fn grant(tx: &mut Tx, group: i64, permissions: &[String]) -> Result<(), StoreError> {
    let sql = tx.engine().either(
        "INSERT INTO group_permissions (group_key, permission) SELECT $1, value FROM json_each($2) WHERE true ON CONFLICT DO NOTHING",
        "INSERT INTO group_permissions (group_key, permission) SELECT $1, value FROM json_array_elements_text($2::json) ON CONFLICT DO NOTHING",
    );
    named(tx, sql, group, permissions).await
}

async fn revoke(tx: &mut Tx, group: i64, permissions: &[String]) -> Result<(), StoreError> {
    let sql = tx.engine().either(
        "DELETE FROM group_permissions WHERE group_key = $1 AND permission IN (SELECT value FROM json_each($2))",
        "DELETE FROM group_permissions WHERE group_key = $1 AND permission IN (SELECT value FROM json_array_elements_text($2::json))",
    );
    named(tx, sql, group, permissions).await
}

async fn named(tx: &mut Tx, sql: &'static str, group: i64, permissions: &[String]) -> Result<(), StoreError> {
    if !permissions.is_empty() {
        tx.query(sql).bind(group).bind(serde_json::json!(permissions).to_string()).execute().await?;
    }
    Ok(())
}

/// Writes a group's new name, description or permissions. `false` when the name is taken.
pub async fn update(work: &mut Work, proof: Authorized<UpdateAccessGroup>) -> Result<bool, StoreError> {
    let (action, stamp) = proof.into_parts();
    let group = &action.group;
    let name = action.name.as_ref().map_or(group.name.as_str(), |name| name.as_str());
    let description = action.description.as_ref().map_or(group.description.as_str(), |text| text.as_str());
    let name_key = crate::domain::name_key(name);
    let updated = work
        .tx
        .query(
            "UPDATE access_groups SET name = $2, name_key = $3, folded = $4, description = $5, version = version + 1
              WHERE key = $1 AND NOT EXISTS (SELECT 1 FROM access_groups t WHERE t.org = $6 AND t.name_key = $3 AND t.key <> $1)",
        )
        .bind(group.key)
        .bind(name)
        .bind(name_key)
        .bind(folded(name, description))
        .bind(description)
        .bind(work.org.number)
        .execute()
        .await?;
    if updated == 0 {
        return Ok(false);
    }
    let mut changes = Vec::new();
    for (field, before, after) in [("name", group.name.as_str(), name), ("description", group.description.as_str(), description)] {
        if before != after {
            changes.push(Change { field, before: group_said(before), after: group_said(after) });
        }
    }
    let (added, removed) = (action.added(), action.removed());
    grant(&mut work.tx, group.key, &added).await?;
    changes.extend(added.into_iter().map(|name| Change { field: "permission", before: Said::Nothing, after: Said::Plain(name) }));
    revoke(&mut work.tx, group.key, &removed).await?;
    changes.extend(removed.into_iter().map(|name| Change { field: "permission", before: Said::Plain(name), after: Said::Nothing }));
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(true)
}

/// Ends a group.
pub async fn delete(work: &mut Work, proof: Authorized<DeleteAccessGroup>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let group = &action.group;
    // Whoever is in it changes as if they were taken out one by one.
    let sql = work.tx.engine().either(
        "UPDATE users SET version = version + 1 WHERE key IN (SELECT user_key FROM group_members WHERE group_key = $1);
         DELETE FROM access_groups WHERE key = $1",
        "WITH changed AS (
           UPDATE users SET version = version + 1 WHERE key IN (SELECT user_key FROM group_members WHERE group_key = $1))
         DELETE FROM access_groups WHERE key = $1",
    );
    work.tx.query(sql).bind(group.key).execute().await?;
    work.head.access_groups -= 1;
    // The entry keeps what an answer needs once the group is gone: see `deleted`.
    let mut changes = vec![
        Change { field: "version", before: Said::Plain(group.version.to_string()), after: Said::Nothing },
        Change { field: "name", before: group_said(&group.name), after: Said::Nothing },
        Change { field: "description", before: group_said(&group.description), after: Said::Nothing },
        Change { field: "members", before: Said::Plain(group.members.to_string()), after: Said::Plain("0".to_owned()) },
    ];
    for permission in &group.permissions {
        changes.push(Change { field: "permission", before: Said::Plain(permission.as_str().to_owned()), after: Said::Nothing });
    }
    audit::append(work, Entry::done(stamp, changes)).await
}

/// A group that is gone, as it was when it was deleted.
pub async fn deleted(work: &mut Work, id: GroupId) -> Result<Option<GroupFacts>, StoreError> {
    let Some(event) = audit::last_done(work, id.as_uuid(), DeleteAccessGroup::NAME).await? else { return Ok(None) };
    let before = |field: &str| event.changes.iter().filter(|change| change.0 == field).find_map(|change| change.1.clone());
    let number = |field: &str| before(field).and_then(|text| text.parse().ok()).unwrap_or_default();
    let permissions: Vec<String> =
        event.changes.iter().filter(|change| change.0 == "permission").filter_map(|change| change.1.clone()).collect();
    Ok(Some(GroupFacts {
        key: 0,
        id,
        name: before("name").unwrap_or_default(),
        permissions: PermissionSet::parse_joined(&permissions.join(" ")),
        members: number("members"),
        version: number("version"),
        description: before("description").unwrap_or_default(),
    }))
}

// Placeholders: $1 person, $2 groups, $3 now, $4 by how much the person's version grows. Answers the groups that changed.
// SQLite counts before it writes, for a statement cannot read what another one returned.
const ENTER_SQLITE: &str = "UPDATE users SET version = version + $4 WHERE key = $1 AND EXISTS (SELECT 1 FROM json_each($2) j
      WHERE NOT EXISTS (SELECT 1 FROM group_members m WHERE m.user_key = $1 AND m.group_key = j.value));
    UPDATE access_groups SET members = members + 1 WHERE key IN (SELECT value FROM json_each($2))
      AND NOT EXISTS (SELECT 1 FROM group_members m WHERE m.user_key = $1 AND m.group_key = access_groups.key);
    INSERT INTO group_members (user_key, group_key, added_at) SELECT $1, value, $3 FROM json_each($2) WHERE true
      ON CONFLICT DO NOTHING RETURNING group_key";
const ENTER_POSTGRES: &str = "WITH entered AS (INSERT INTO group_members (user_key, group_key, added_at) SELECT $1, k, $3 FROM unnest($2) k
      ON CONFLICT DO NOTHING RETURNING group_key),
    counted AS (UPDATE access_groups SET members = members + 1 WHERE key IN (SELECT group_key FROM entered)),
    person AS (UPDATE users SET version = version + $4 WHERE key = $1 AND EXISTS (SELECT 1 FROM entered))
    SELECT group_key FROM entered";
const LEAVE_SQLITE: &str = "UPDATE users SET version = version + $4 WHERE key = $1 AND EXISTS (SELECT 1 FROM group_members m
      WHERE m.user_key = $1 AND m.group_key IN (SELECT value FROM json_each($2)));
    UPDATE access_groups SET members = members - 1 WHERE key IN (SELECT value FROM json_each($2))
      AND EXISTS (SELECT 1 FROM group_members m WHERE m.user_key = $1 AND m.group_key = access_groups.key);
    DELETE FROM group_members WHERE user_key = $1 AND group_key IN (SELECT value FROM json_each($2)) RETURNING group_key";
const LEAVE_POSTGRES: &str = "WITH gone AS (DELETE FROM group_members WHERE user_key = $1 AND group_key = ANY($2) RETURNING group_key),
    counted AS (UPDATE access_groups SET members = members - 1 WHERE key IN (SELECT group_key FROM gone)),
    person AS (UPDATE users SET version = version + $4 WHERE key = $1 AND EXISTS (SELECT 1 FROM gone))
    SELECT group_key FROM gone";

async fn move_person(work: &mut Work, sql: &'static str, user: i64, groups: &[GroupFacts], version: i64) -> Result<Vec<i64>, StoreError> {
    let keys: Vec<i64> = groups.iter().map(|group| group.key).collect();
    let now = work.now;
    work.tx.query(sql).bind(user).bind(keys).bind(now).bind(version).all().await?.iter().map(|row| row.get(0)).collect()
}

/// Puts a person into groups; the keys of those they were not in. Their version grows by `version`.
pub(super) async fn enter(work: &mut Work, user: i64, groups: &[GroupFacts], version: i64) -> Result<Vec<i64>, StoreError> {
    let sql = work.tx.engine().either(ENTER_SQLITE, ENTER_POSTGRES);
    move_person(work, sql, user, groups, version).await
}

/// Puts one person into groups; `true` when that changed anything.
pub async fn assign(work: &mut Work, proof: Authorized<AssignGroups>) -> Result<bool, StoreError> {
    let (action, stamp) = proof.into_parts();
    let entered = enter(work, action.person.person.key, &action.groups, 1).await?;
    let mut changes = Vec::new();
    for group in action.groups.iter().filter(|group| entered.contains(&group.key)) {
        changes.push(Change::set("access_group", group_said(&group.name)));
        changes.push(Change::set("access_group_id", Said::Plain(group.id.to_string())));
    }
    moved(work, stamp, changes).await
}

/// Takes one person out of groups; `true` when that changed anything.
pub async fn unassign(work: &mut Work, proof: Authorized<UnassignGroups>) -> Result<bool, StoreError> {
    let (action, stamp) = proof.into_parts();
    let sql = work.tx.engine().either(LEAVE_SQLITE, LEAVE_POSTGRES);
    let left = move_person(work, sql, action.person.person.key, &action.groups, 1).await?;
    let mut changes = Vec::new();
    for group in action.groups.iter().filter(|group| left.contains(&group.key)) {
        changes.push(Change { field: "access_group", before: group_said(&group.name), after: Said::Nothing });
        changes.push(Change { field: "access_group_id", before: Said::Plain(group.id.to_string()), after: Said::Nothing });
    }
    moved(work, stamp, changes).await
}

async fn moved(work: &mut Work, stamp: crate::authz::Stamp, changes: Vec<Change>) -> Result<bool, StoreError> {
    if changes.is_empty() {
        return Ok(false);
    }
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(true)
}
