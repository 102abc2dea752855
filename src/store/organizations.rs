//! Organizations and their head rows.

use super::{
    audit::{self, Change, Entry, Said},
    door,
    people::{self, group_said, theirs},
    sql::{Engine, Pool, Row, StoreError},
    work::{Context, Work},
};
use crate::{
    authz::{
        Authorized, Org,
        organization::{ChangeSettings, CreateOrganization, HideSteps, RenameOrganization, SuspendOrganization},
    },
    domain::{Clock, OrgId, Random, Role, Settings, Slug, Status, Timestamp},
};

/// An organization as the host's commands show it.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Number and id.
    pub org: Org,
    /// Part of its MCP URL; never changes.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// First characters of its secrets.
    pub locator: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when nobody gets in, if so.
    pub suspended_at: Option<Timestamp>,
    /// What it decides about signing in.
    pub settings: Settings,
    /// How many people it has.
    pub people: i64,
}

macro_rules! organization_sql {
    ($tail:literal) => {
        concat!(
            "SELECT o.number, o.id, o.slug, o.name, o.locator, o.created_at, o.suspended_at, o.settings,
                    h.pending_administrators + h.pending_users + h.active_administrators + h.active_users
                      + h.deactivated_administrators + h.deactivated_users
               FROM organizations o JOIN org_heads h ON h.org = o.number ",
            $tail
        )
    };
}

fn read(row: &Row) -> Result<Organization, StoreError> {
    let mut c = row.columns();
    Ok(Organization {
        org: Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) },
        slug: c.take()?,
        name: c.take()?,
        locator: c.take()?,
        created_at: c.time()?,
        suspended_at: c.maybe_time()?,
        settings: c.parse(Settings::parse)?,
        people: c.take()?,
    })
}

/// All of them, oldest first.
pub async fn list(pool: &Pool) -> Result<Vec<Organization>, StoreError> {
    pool.query(organization_sql!("ORDER BY o.number")).all().await?.iter().map(read).collect()
}

/// The one with this slug.
pub async fn by_slug(pool: &Pool, slug: &str) -> Result<Option<Organization>, StoreError> {
    pool.query(organization_sql!("WHERE o.slug = $1")).bind(slug).optional().await?.map(|row| read(&row)).transpose()
}

/// The one with this number.
pub async fn by_number(pool: &Pool, number: i64) -> Result<Option<Organization>, StoreError> {
    pool.query(organization_sql!("WHERE o.number = $1")).bind(number).optional().await?.map(|row| read(&row)).transpose()
}

/// The oldest one, if there is any.
pub async fn first(pool: &Pool) -> Result<Option<Organization>, StoreError> {
    pool.query(organization_sql!("ORDER BY o.number LIMIT 1")).optional().await?.map(|row| read(&row)).transpose()
}

/// The only one there is, if there is exactly one.
pub async fn only(pool: &Pool) -> Result<Option<Organization>, StoreError> {
    let rows = pool.query(organization_sql!("ORDER BY o.number LIMIT 2")).all().await?;
    match rows.as_slice() {
        [row] => read(row).map(Some),
        _ => Ok(None),
    }
}

/// The first characters of the secrets of the organization whose lock `work` holds.
pub async fn locator(work: &mut Work) -> Result<String, StoreError> {
    let org = work.org.number;
    work.tx.query("SELECT locator FROM organizations WHERE number = $1").bind(org).one().await?.get(0)
}

/// Name of the organization whose lock `work` holds, and whether it is suspended.
pub async fn now(work: &mut Work) -> Result<(String, bool), StoreError> {
    let org = work.org.number;
    let row = work.tx.query("SELECT name, suspended_at FROM organizations WHERE number = $1").bind(org).one().await?;
    let mut c = row.columns();
    Ok((c.take()?, c.maybe_time()?.is_some()))
}

/// A new organization's unguessed parts.
#[derive(Clone, Debug)]
pub struct NewOrganization {
    /// Its id.
    pub id: OrgId,
    /// Wanted slug; a number is added where it is taken.
    pub slug: Slug,
    /// Its name.
    pub name: String,
    /// First characters of its secrets.
    pub locator: String,
}

/// Makes the rows of an organization and hands out the unit of work that holds its lock: nothing is
/// committed before its first Administrator is in it. `None` where it was to be the only one and there is one already.
pub async fn begin(
    pool: &Pool,
    new: &NewOrganization,
    only: bool,
    context: Context,
    clock: &Clock,
    random: &Random,
) -> Result<Option<(Work, Organization)>, StoreError> {
    // The organization's row must be there before its head can be locked: two short transactions would
    // leave an empty organization behind a crash, so both are one, on the connection of the work itself.
    let now = clock.now();
    let mut tx = pool.begin().await?;
    // One after the other, so that of several first starts at once one makes the organization. SQLite has one writer anyhow.
    if tx.engine() == Engine::Postgres {
        tx.query("LOCK TABLE organizations IN SHARE ROW EXCLUSIVE MODE").execute().await?;
    }
    if only && tx.query("SELECT 1 FROM organizations LIMIT 1").optional().await?.is_some() {
        tx.rollback().await?;
        return Ok(None);
    }
    let mut slug = new.slug.clone();
    let mut number = None;
    for attempt in 2..1000 {
        let row = tx
            .query(
                "INSERT INTO organizations (id, slug, name, locator, created_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (slug) DO NOTHING RETURNING number",
            )
            .bind(new.id.as_uuid())
            .bind(slug.as_str())
            .bind(new.name.as_str())
            .bind(new.locator.as_str())
            .bind(now)
            .optional()
            .await?;
        if let Some(row) = row {
            number = Some(row.get::<i64>(0)?);
            break;
        }
        slug = new.slug.numbered(attempt);
    }
    let number = number.ok_or_else(|| StoreError::Corrupt("no free slug".to_owned()))?;
    tx.query("INSERT INTO org_heads (org, audit_hash) VALUES ($1, $2)").bind(number).bind([0u8; 32]).execute().await?;
    let org = Org { number, id: new.id };
    let slug = slug.to_string();
    let organization = Organization {
        org,
        slug,
        name: new.name.clone(),
        locator: new.locator.clone(),
        created_at: now,
        suspended_at: None,
        settings: Settings::default(),
        people: 0,
    };
    let work = Work::with_new_head(tx, org, context, now, random);
    Ok(Some((work, organization)))
}

/// Puts the first Administrator in, Active from the start (B14).
pub async fn found(work: &mut Work, proof: Authorized<CreateOrganization>, organization: &str) -> Result<i64, StoreError> {
    let (action, stamp) = proof.into_parts();
    let name = (action.name.first(), action.name.last());
    let key = people::insert(work, action.id, &action.email, name, Role::Administrator, Status::Active)
        .await?
        .ok_or_else(|| StoreError::Corrupt("a new organization has people".to_owned()))?;
    let changes = vec![
        Change::set("organization", group_said(organization)),
        Change::set("email", theirs(action.id, action.email.typed())),
        Change::set("role", Said::Plain(Role::Administrator.shown().to_owned())),
        Change::set("status", Said::Plain(Status::Active.as_str().to_owned())),
    ];
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(key)
}

/// Gives another name.
pub async fn rename(work: &mut Work, proof: Authorized<RenameOrganization>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let number = work.org.number;
    work.tx.query("UPDATE organizations SET name = $2 WHERE number = $1").bind(number).bind(action.name.as_str()).execute().await?;
    let changes = vec![Change { field: "name", before: group_said(&action.before), after: group_said(action.name.as_str()) }];
    audit::append(work, Entry::done(stamp, changes)).await
}

/// Suspends or resumes.
pub async fn suspend(work: &mut Work, proof: Authorized<SuspendOrganization>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let (number, now) = (work.org.number, work.now);
    let (suspended_at, resumed_at) = if action.suspend { (Some(now), None) } else { (None, Some(now)) };
    work.tx
        .query("UPDATE organizations SET suspended_at = $2, resumed_at = $3 WHERE number = $1")
        .bind(number)
        .bind(suspended_at)
        .bind(resumed_at)
        .execute()
        .await?;
    audit::append(work, Entry::done(stamp, vec![Change::set("suspended", Said::Plain(action.suspend.to_string()))])).await
}

/// Writes other settings; what changed stands in the audit log.
pub async fn set(work: &mut Work, proof: Authorized<ChangeSettings>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let (before, after) = (&action.before, &action.after);
    door::write_settings(work, after.clone()).await?;
    let mut changes = Vec::new();
    if before.invite_domains != after.invite_domains {
        let said = |settings: &Settings| group_said(&settings.invite_domains.texts().join(","));
        changes.push(Change { field: "invite_domains", before: said(before), after: said(after) });
    }
    if before.other_domains != after.other_domains {
        changes.push(Change::plain("other_domains", before.other_domains.as_str(), after.other_domains.as_str()));
    }
    if before.second_factor != after.second_factor {
        changes.push(Change::plain("second_factor", before.second_factor.as_str(), after.second_factor.as_str()));
    }
    if before.magic_links != after.magic_links {
        let word = |settings: &Settings| if settings.magic_links { "on" } else { "off" };
        changes.push(Change::plain("magic_links", word(before), word(after)));
    }
    if before.most_administrators != after.most_administrators {
        let said = |settings: &Settings| settings.most_administrators.map_or_else(|| "any".to_owned(), |most| most.to_string());
        changes.push(Change::plain("most_administrators", said(before), said(after)));
    }
    if before.most_token_days != after.most_token_days {
        changes.push(Change::plain("most_token_days", before.most_token_days.to_string(), after.most_token_days.to_string()));
    }
    audit::append(work, Entry::done(stamp, changes)).await
}

/// Puts the list of first steps away.
pub async fn hide_steps(work: &mut Work, proof: Authorized<HideSteps>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    door::write_settings(work, action.settings).await?;
    audit::append(work, Entry::done(stamp, vec![Change::plain("first_steps", "shown", "hidden")])).await
}
