//! Access groups: what they give, and who is in them.

use super::{Call, Done, Writing, invalid, parse, people::named_groups, same_version, subject_id, view};
use crate::{
    app::App,
    authz::{
        self, Reason,
        action::{AssignGroups, CreateAccessGroup, DeleteAccessGroup, GroupFacts, UnassignGroups, UpdateAccessGroup},
    },
    domain::{GroupId, GroupName, PermissionSet, Untrusted, builtin},
    error::Error,
    store::{
        groups::{self, Which},
        people::{self, Found},
    },
};
use usher_tools as contract;

/// Page size where none is asked for.
const LIMIT: u32 = 25;
/// Longest description, in characters.
const DESCRIPTION: usize = 500;

/// Lists groups, oldest first.
pub async fn list(app: &App, call: &Call, params: &contract::ListAccessGroupsParams) -> Result<contract::ListAccessGroupsOutput, Error> {
    if !call.standing.holds(builtin::ACCESS_GROUPS_READ) {
        return Err(Reason::Permission(builtin::ACCESS_GROUPS_READ).into());
    }
    let org = call.actor.org();
    if let Some(name) = &params.access_group {
        let group = groups::find(&app.pool, org, &parse::which(name)).await?.ok_or(Error::GroupNotFound)?;
        return Ok(contract::ListAccessGroupsOutput { access_groups: vec![view::access_group(&group)], total: 1, next_cursor: None });
    }
    let query = parse::query(params.query.as_deref());
    let after = parse::cursor(app, &call.actor, "list_access_groups", &query, params.cursor.as_deref())?;
    let page = groups::list(&app.pool, org, &query, after, i64::from(params.limit.unwrap_or(LIMIT))).await?;
    Ok(contract::ListAccessGroupsOutput {
        access_groups: page.groups.iter().map(view::access_group).collect(),
        total: u64::try_from(page.total).unwrap_or_default(),
        next_cursor: parse::next_cursor(app, &call.actor, "list_access_groups", &query, page.next),
    })
}

async fn shown(writing: &mut Writing<'_>, id: GroupId) -> Result<contract::AccessGroup, Error> {
    let group = groups::facts(&mut writing.work, &Which::Id(id)).await?.ok_or(Error::GroupNotFound)?;
    Ok(view::access_group(&group))
}

/// Makes a group.
pub async fn create(
    app: &App,
    call: &Call,
    params: &contract::CreateAccessGroupParams,
) -> Result<contract::CreateAccessGroupOutput, Error> {
    authz::needs::<CreateAccessGroup>(&call.actor, &call.standing, false)?;
    let name = GroupName::parse(&params.name)?;
    let description = parse::line("description", params.description.as_deref().unwrap_or_default(), DESCRIPTION)?;
    let permissions = parse::permissions(app, "permissions", &params.permissions)?;
    let mut writing = Writing::begin::<CreateAccessGroup>(app, call, false).await?;
    let result = async {
        if let Some(subject) = writing.replayed().await? {
            let access_group = shown(&mut writing, GroupId::from_uuid(subject_id(&subject)?)).await?;
            let value = contract::CreateAccessGroupOutput { access_group, changed: false, dry_run: call.options.dry_run };
            return Ok(Done { value, changed: false, subject });
        }
        let id = GroupId::new(writing.work.now(), &app.random);
        let action = CreateAccessGroup { id, name: name.clone(), description: description.clone(), permissions: permissions.clone() };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        if !groups::create(&mut writing.work, proof).await? {
            return Err(Error::NameTaken);
        }
        let access_group = shown(&mut writing, id).await?;
        let value = contract::CreateAccessGroupOutput { access_group, changed: true, dry_run: call.options.dry_run };
        Ok(Done { value, changed: true, subject: id.to_string() })
    }
    .await;
    writing.finish(result).await
}

/// Changes a group's name, description or permissions.
pub async fn update(
    app: &App,
    call: &Call,
    params: &contract::UpdateAccessGroupParams,
) -> Result<contract::UpdateAccessGroupOutput, Error> {
    authz::needs::<UpdateAccessGroup>(&call.actor, &call.standing, false)?;
    let name = params.name.as_deref().map(GroupName::parse).transpose()?;
    let description = match contract::Change::of(params.description.as_deref()) {
        contract::Change::Keep => None,
        contract::Change::Clear => Some(Untrusted::parse("description", "", DESCRIPTION)?),
        contract::Change::Set(text) => Some(parse::line("description", text, DESCRIPTION)?),
    };
    let add = parse::permissions(app, "add_permissions", &params.add_permissions)?;
    // What the catalogue no longer knows can still be taken away.
    let remove = PermissionSet::parse_joined(&params.remove_permissions.join(" "));
    if name.is_none() && description.is_none() && add.is_empty() && remove.is_empty() {
        return Err(invalid("name", "Nothing to change was given.", "Pass name, description, add_permissions or remove_permissions."));
    }
    let mut writing = Writing::begin::<UpdateAccessGroup>(app, call, false).await?;
    let result = async {
        let group = groups::facts(&mut writing.work, &parse::which(&params.access_group)).await?.ok_or(Error::GroupNotFound)?;
        let (id, version) = (group.id, group.version);
        let then = group.permissions.union(&add).difference(&remove);
        let gives = then != group.permissions;
        let name = name.clone().filter(|name| name.as_str() != group.name);
        let description = description.clone().filter(|text| text.as_str() != group.description);
        let would_change = gives || name.is_some() || description.is_some();
        let action = UpdateAccessGroup { group, name, description, permissions: gives.then_some(then) };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        let changed = writing.replayed().await?.is_none() && would_change;
        if changed {
            same_version(params.if_version, version)?;
            if !groups::update(&mut writing.work, proof).await? {
                return Err(Error::NameTaken);
            }
        } else {
            drop(proof);
        }
        let access_group = shown(&mut writing, id).await?;
        let value = contract::UpdateAccessGroupOutput { access_group, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, subject: id.to_string() })
    }
    .await;
    writing.finish(result).await
}

/// Ends a group; its members lose what it gave.
pub async fn delete(
    app: &App,
    call: &Call,
    params: &contract::DeleteAccessGroupParams,
) -> Result<contract::DeleteAccessGroupOutput, Error> {
    authz::needs::<DeleteAccessGroup>(&call.actor, &call.standing, false)?;
    let mut writing = Writing::begin::<DeleteAccessGroup>(app, call, false).await?;
    let result = async {
        if let Some(subject) = writing.replayed().await? {
            // The group is gone; the key's row keeps what it was.
            let access_group: contract::AccessGroup =
                serde_json::from_str(&subject).map_err(|_| Error::Internal("idempotency subject".to_owned()))?;
            let members_affected = access_group.member_count;
            let value = contract::DeleteAccessGroupOutput { access_group, members_affected, changed: false, dry_run: call.options.dry_run };
            return Ok(Done { value, changed: false, subject });
        }
        let group = groups::facts(&mut writing.work, &parse::which(&params.access_group)).await?.ok_or(Error::GroupNotFound)?;
        let access_group = view::access_group(&group);
        let proof = authz::authorize(&call.actor, &writing.standing, DeleteAccessGroup { group })?;
        groups::delete(&mut writing.work, proof).await?;
        let subject = serde_json::to_string(&access_group).unwrap_or_default();
        let members_affected = access_group.member_count;
        let value = contract::DeleteAccessGroupOutput { access_group, members_affected, changed: true, dry_run: call.options.dry_run };
        Ok(Done { value, changed: true, subject })
    }
    .await;
    writing.finish(result).await
}

/// The people and groups a call names, each once, under the lock: all of them, or none of the call.
async fn named(writing: &mut Writing<'_>, users: &[String], names: &[String]) -> Result<(Vec<Found>, Vec<GroupFacts>), Error> {
    let mut found: Vec<Found> = Vec::with_capacity(users.len());
    for user in users {
        let who = parse::who("users", user)?;
        let person = people::facts(&mut writing.work, &who).await?.ok_or(Error::UserNotFound)?;
        if found.iter().all(|known| known.facts.person.key != person.facts.person.key) {
            found.push(person);
        }
    }
    Ok((found, named_groups(writing, names).await?))
}

async fn after(
    writing: &mut Writing<'_>,
    people: &[Found],
    groups: &[GroupFacts],
) -> Result<(Vec<contract::User>, Vec<contract::AccessGroup>), Error> {
    let now = writing.work.now();
    let mut users = Vec::with_capacity(people.len());
    for person in people {
        users.push(view::user(people::show(&mut writing.work, person.facts.person.key).await?, now));
    }
    let mut shown_groups = Vec::with_capacity(groups.len());
    for group in groups {
        shown_groups.push(shown(writing, group.id).await?);
    }
    Ok((users, shown_groups))
}

/// Puts people into groups, all or nothing (B18).
pub async fn add(app: &App, call: &Call, params: &contract::AddToAccessGroupParams) -> Result<contract::AddToAccessGroupOutput, Error> {
    authz::needs::<AssignGroups>(&call.actor, &call.standing, false)?;
    let mut writing = Writing::begin::<AssignGroups>(app, call, false).await?;
    let result = async {
        let (found, groups) = named(&mut writing, &params.users, &params.access_groups).await?;
        let replayed = writing.replayed().await?.is_some();
        let mut proofs = Vec::with_capacity(found.len());
        for person in &found {
            let action = AssignGroups { person: person.facts.clone(), groups: groups.clone() };
            proofs.push(authz::authorize(&call.actor, &writing.standing, action)?);
        }
        let mut changed = false;
        if !replayed {
            for proof in proofs {
                changed |= crate::store::groups::assign(&mut writing.work, proof).await?;
            }
        }
        let (users, access_groups) = after(&mut writing, &found, &groups).await?;
        let value = contract::AddToAccessGroupOutput { users, access_groups, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, subject: String::new() })
    }
    .await;
    writing.finish(result).await
}

/// Takes people out of groups, all or nothing.
pub async fn remove(
    app: &App,
    call: &Call,
    params: &contract::RemoveFromAccessGroupParams,
) -> Result<contract::RemoveFromAccessGroupOutput, Error> {
    authz::needs::<UnassignGroups>(&call.actor, &call.standing, false)?;
    let mut writing = Writing::begin::<UnassignGroups>(app, call, false).await?;
    let result = async {
        let (found, groups) = named(&mut writing, &params.users, &params.access_groups).await?;
        let replayed = writing.replayed().await?.is_some();
        let mut proofs = Vec::with_capacity(found.len());
        for person in &found {
            let action = UnassignGroups { person: person.facts.clone(), groups: groups.clone() };
            proofs.push(authz::authorize(&call.actor, &writing.standing, action)?);
        }
        let mut changed = false;
        if !replayed {
            for proof in proofs {
                changed |= crate::store::groups::unassign(&mut writing.work, proof).await?;
            }
        }
        let (users, access_groups) = after(&mut writing, &found, &groups).await?;
        let value = contract::RemoveFromAccessGroupOutput { users, access_groups, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, subject: String::new() })
    }
    .await;
    writing.finish(result).await
}
