//! Access groups: what they give, and who is in them.

use super::{About, Call, Done, WriteOptions, Writing, invalid, parse, same_version, view};
use crate::{
    app::App,
    authz::{
        self, PersonRef, Reason, Visible,
        action::{AssignGroups, CreateAccessGroup, DeleteAccessGroup, GroupFacts, PersonFacts, UnassignGroups, UpdateAccessGroup},
    },
    domain::{GroupId, GroupName, Timestamp, Untrusted, UserId, builtin},
    error::Error,
    store::{
        groups::{self, Remainder, Which},
        people::{self, Found, Who},
    },
};
use std::collections::HashMap;
use usher_tools::{self as contract, Needs};

/// Page size where none is asked for.
const LIMIT: u32 = 25;
/// Longest description, in characters.
const DESCRIPTION: usize = 500;

/// Whether somebody may know of groups at all.
fn knows_groups(call: &Call) -> Result<(), Reason> {
    authz::holds(&call.standing, Needs::Permission(builtin::ACCESS_GROUPS_READ), false)
}

/// Lists groups, oldest first.
pub async fn list(app: &App, call: &Call, params: &contract::ListAccessGroupsParams) -> Result<contract::ListAccessGroupsOutput, Error> {
    knows_groups(call)?;
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

/// The groups with these ids, in their order; one that is gone is left out.
pub async fn of_ids(app: &App, call: &Call, ids: &[GroupId]) -> Result<Vec<contract::AccessGroup>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    knows_groups(call)?;
    let found = groups::of_ids(&app.pool, call.actor.org(), ids).await?;
    Ok(ids.iter().filter_map(|id| found.iter().find(|group| group.id == *id)).map(view::access_group).collect())
}

/// The groups that give a permission.
#[derive(Clone, Debug, Default)]
pub struct Givers {
    /// Names of those that were made first.
    pub names: Vec<String>,
    /// How many more there are.
    pub more: u64,
}

/// Which groups give which permissions, at most `limit` of them named for each, for whoever may know of groups.
pub async fn giving(app: &App, call: &Call, limit: u32) -> Result<HashMap<String, Givers>, Error> {
    knows_groups(call)?;
    let mut giving: HashMap<String, Givers> = HashMap::new();
    for gives in groups::giving(&app.pool, call.actor.org(), i64::from(limit)).await? {
        let givers = giving.entry(gives.permission).or_default();
        givers.names.push(gives.group);
        givers.more = u64::try_from(gives.groups).unwrap_or_default().saturating_sub(givers.names.len() as u64);
    }
    Ok(giving)
}

/// Who is in a group, newest first and at most `limit`, and what would remain to each without it: what whoever deletes it is told
/// before. Nobody is named to whom may not see people.
pub async fn remainders(app: &App, call: &Call, group: &str, limit: i64) -> Result<Vec<Remainder>, Error> {
    knows_groups(call)?;
    let group = groups::find(&app.pool, call.actor.org(), &parse::which(group)).await?.ok_or(Error::GroupNotFound)?;
    match authz::visible(&call.actor, &call.standing, false) {
        Ok(Visible::All) => Ok(groups::remainders(&app.pool, group.key, limit).await?),
        Ok(Visible::Only(_)) | Err(_) => Ok(Vec::new()),
    }
}

/// The groups of a person with what they give and the time since when, in the order they were made, for whoever may know of groups.
pub async fn of_person(app: &App, call: &Call, person: PersonRef) -> Result<Vec<(GroupFacts, Timestamp)>, Error> {
    knows_groups(call)?;
    authz::visible(&call.actor, &call.standing, call.actor.is(person.id))?;
    Ok(groups::of_person(&app.pool, person.key).await?)
}

/// A group that somebody could be put into, or why not as things stand.
#[derive(Debug)]
pub struct Offer {
    /// Which.
    pub group: contract::AccessGroup,
    /// Whether the caller could put the person into it.
    pub may: Result<(), Reason>,
}

/// The groups whose name or description holds `query`, each with whether the caller could put `person` into it; at most
/// `limit`, and how many there are.
pub async fn offers(app: &App, call: &Call, person: &PersonFacts, query: &str, limit: u32) -> Result<(Vec<Offer>, u64), Error> {
    for permission in [builtin::ACCESS_GROUPS_ASSIGN, builtin::ACCESS_GROUPS_READ] {
        if !call.standing.holds(permission) {
            return Err(Reason::Permission(permission).into());
        }
    }
    let page = groups::list(&app.pool, call.actor.org(), &parse::query(Some(query)), None, i64::from(limit)).await?;
    let offer = |group: GroupFacts| {
        let shown = view::access_group(&group);
        let action = AssignGroups { person: person.clone(), groups: vec![group] };
        Offer { group: shown, may: authz::could(&call.actor, &call.standing, &action) }
    };
    Ok((page.groups.into_iter().map(offer).collect(), u64::try_from(page.total).unwrap_or_default()))
}

/// The group a call names, under the lock.
async fn group(writing: &mut Writing<'_>, name: &str) -> Result<GroupFacts, Error> {
    groups::facts(&mut writing.work, &parse::which(name)).await?.ok_or(Error::GroupNotFound)
}

/// The groups a call names, each once; for a repeat those it was about that are still there.
pub(crate) async fn groups_of(writing: &mut Writing<'_>, repeat: Option<&About>, names: &[String]) -> Result<Vec<GroupFacts>, Error> {
    let mut found: Vec<GroupFacts> = Vec::with_capacity(names.len());
    if let Some(about) = repeat {
        for id in &about.access_groups {
            found.extend(groups::facts(&mut writing.work, &Which::Id(*id)).await?);
        }
        return Ok(found);
    }
    for name in names {
        let group = group(writing, name).await?;
        if found.iter().all(|known| known.key != group.key) {
            found.push(group);
        }
    }
    Ok(found)
}

/// A group as it is now, or as it was when it was deleted: then its audit entry tells.
async fn shown(writing: &mut Writing<'_>, id: GroupId) -> Result<contract::AccessGroup, Error> {
    match groups::facts(&mut writing.work, &Which::Id(id)).await? {
        Some(group) => Ok(view::access_group(&group)),
        None => Ok(view::access_group(&groups::deleted(&mut writing.work, id).await?.ok_or(Error::GroupNotFound)?)),
    }
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
        let repeat = writing.repeats().await?.and_then(|about| about.access_groups.first().copied());
        let id = repeat.unwrap_or_else(|| GroupId::new(writing.work.now(), &app.random));
        let action = CreateAccessGroup { id, name: name.clone(), description: description.clone(), permissions: permissions.clone() };
        let changed = repeat.is_none();
        if let Some(proof) = writing.ask(action, repeat.is_some())?
            && !groups::create(&mut writing.work, proof).await?
        {
            return Err(Error::NameTaken);
        }
        let access_group = shown(&mut writing, id).await?;
        let value = contract::CreateAccessGroupOutput { access_group, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, about: About::access_group(id) })
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
    let remove = parse::known_or_not("remove_permissions", &params.remove_permissions)?;
    if name.is_none() && description.is_none() && add.is_empty() && remove.is_empty() {
        return Err(invalid("name", "Nothing to change was given.", "Pass name, description, add_permissions or remove_permissions."));
    }
    let mut writing = Writing::begin::<UpdateAccessGroup>(app, call, false).await?;
    let result = async {
        if let Some(id) = writing.repeats().await?.and_then(|about| about.access_groups.first().copied()) {
            // Asked anew is the permission; what the group holds meanwhile is not this call's doing.
            let access_group = shown(&mut writing, id).await?;
            let value = contract::UpdateAccessGroupOutput { access_group, changed: false, dry_run: call.options.dry_run };
            return Ok(Done { value, changed: false, about: About::access_group(id) });
        }
        let group = group(&mut writing, &params.access_group).await?;
        let (id, version) = (group.id, group.version);
        let then = group.permissions.union(&add).difference(&remove);
        let gives = then != group.permissions;
        let name = name.clone().filter(|name| name.as_str() != group.name);
        let description = description.clone().filter(|text| text.as_str() != group.description);
        let changed = gives || name.is_some() || description.is_some();
        let action = UpdateAccessGroup { group, name, description, permissions: gives.then_some(then) };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        if changed {
            same_version(params.if_version, version)?;
            if !groups::update(&mut writing.work, proof).await? {
                return Err(Error::NameTaken);
            }
        }
        let access_group = shown(&mut writing, id).await?;
        let value = contract::UpdateAccessGroupOutput { access_group, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, about: About::access_group(id) })
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
        let repeat = writing.repeats().await?.and_then(|about| about.access_groups.first().copied());
        let changed = repeat.is_none();
        let (id, access_group) = if let Some(id) = repeat {
            (id, shown(&mut writing, id).await?)
        } else {
            let group = group(&mut writing, &params.access_group).await?;
            let before = (group.id, view::access_group(&group));
            let proof = authz::authorize(&call.actor, &writing.standing, DeleteAccessGroup { group })?;
            groups::delete(&mut writing.work, proof).await?;
            before
        };
        let members_affected = access_group.member_count;
        let value = contract::DeleteAccessGroupOutput { access_group, members_affected, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, about: About::access_group(id) })
    }
    .await;
    writing.finish(result).await
}

/// The people a call names, or its repeat is about, each once.
async fn people_of(writing: &mut Writing<'_>, repeat: Option<&About>, users: &[String]) -> Result<Vec<Found>, Error> {
    let named: Vec<Who> = match repeat {
        Some(about) => about.users.iter().map(|id| Who::Id(*id)).collect(),
        None => users.iter().map(|user| parse::who("users", user)).collect::<Result<_, _>>()?,
    };
    let mut found: Vec<Found> = Vec::with_capacity(named.len());
    for who in named {
        let person = people::facts(&mut writing.work, &who).await?.ok_or(Error::UserNotFound)?;
        if found.iter().all(|known| known.facts.person.key != person.facts.person.key) {
            found.push(person);
        }
    }
    Ok(found)
}

/// Whom and what the call is about, as all of it is afterwards.
async fn after(
    writing: &mut Writing<'_>,
    people: &[Found],
    about: &About,
) -> Result<(Vec<contract::User>, Vec<contract::AccessGroup>), Error> {
    let mut users = Vec::with_capacity(people.len());
    for person in people {
        users.push(super::people::shown(writing, person.facts.person.key).await?);
    }
    let mut access_groups = Vec::with_capacity(about.access_groups.len());
    for id in &about.access_groups {
        access_groups.push(shown(writing, *id).await?);
    }
    Ok((users, access_groups))
}

fn about(people: &[Found], groups: &[GroupFacts]) -> About {
    About {
        users: people.iter().map(|person| person.facts.person.id).collect(),
        access_groups: groups.iter().map(|group| group.id).collect(),
    }
}

/// Puts people into groups, all or nothing (B18).
pub async fn add(app: &App, call: &Call, params: &contract::AddToAccessGroupParams) -> Result<contract::AddToAccessGroupOutput, Error> {
    authz::needs::<AssignGroups>(&call.actor, &call.standing, false)?;
    let mut writing = Writing::begin::<AssignGroups>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?;
        let found = people_of(&mut writing, repeat.as_ref(), &params.users).await?;
        let named = groups_of(&mut writing, repeat.as_ref(), &params.access_groups).await?;
        let actions = found.iter().map(|person| AssignGroups { person: person.facts.clone(), groups: named.clone() });
        // All of them are asked before the first is done.
        let proofs = actions.map(|action| writing.ask(action, repeat.is_some())).collect::<Result<Vec<_>, _>>()?;
        let mut changed = false;
        for proof in proofs.into_iter().flatten() {
            changed |= groups::assign(&mut writing.work, proof).await?;
        }
        let about = repeat.unwrap_or_else(|| about(&found, &named));
        let (users, access_groups) = after(&mut writing, &found, &about).await?;
        let value = contract::AddToAccessGroupOutput { users, access_groups, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, about })
    }
    .await;
    writing.finish(result).await
}

/// Whom of the people that a call names [`add`] refuses, and why: each is asked by the same rule under the lock, and nothing is done.
pub async fn refused(app: &App, call: &Call, params: &contract::AddToAccessGroupParams) -> Result<Vec<(UserId, Error)>, Error> {
    let options = WriteOptions { dry_run: true, ..WriteOptions::default() };
    let call = &Call { options, ..call.clone() };
    let mut writing = Writing::begin::<AssignGroups>(app, call, false).await?;
    let result = async {
        let found = people_of(&mut writing, None, &params.users).await?;
        let named = groups_of(&mut writing, None, &params.access_groups).await?;
        let about = about(&found, &named);
        let mut value = Vec::new();
        for person in found {
            let (id, action) = (person.facts.person.id, AssignGroups { person: person.facts, groups: named.clone() });
            if let Err(error) = writing.ask(action, true) {
                value.push((id, error));
            }
        }
        Ok(Done { value, changed: false, about })
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
        let repeat = writing.repeats().await?;
        let found = people_of(&mut writing, repeat.as_ref(), &params.users).await?;
        let named = groups_of(&mut writing, repeat.as_ref(), &params.access_groups).await?;
        let actions = found.iter().map(|person| UnassignGroups { person: person.facts.clone(), groups: named.clone() });
        // All of them are asked before the first is done.
        let proofs = actions.map(|action| writing.ask(action, repeat.is_some())).collect::<Result<Vec<_>, _>>()?;
        let mut changed = false;
        for proof in proofs.into_iter().flatten() {
            changed |= groups::unassign(&mut writing.work, proof).await?;
        }
        let about = repeat.unwrap_or_else(|| about(&found, &named));
        let (users, access_groups) = after(&mut writing, &found, &about).await?;
        let value = contract::RemoveFromAccessGroupOutput { users, access_groups, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, about })
    }
    .await;
    writing.finish(result).await
}
