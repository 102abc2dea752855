//! People: inviting, listing, changing, deactivating.

use super::{About, Call, Done, Writing, groups::groups_of, invalid, limits, parse, same_version, sso, view};
use crate::{
    app::App,
    authz::{
        self, Reason,
        action::{
            Administrators, AssignGroups, DeactivateUser, InviteUser, PersonFacts, ReactivateUser, ResendInvite, UnassignGroups, UpdateUser,
        },
        sso::Footing,
        tokens::EndAiAccess,
    },
    domain::{
        Email, Invalid, LinkId, LinkKind, OtherDomains, OutboxId, PersonName, Role, Settings, SlackBy, SlackId, Status, UserId, builtin,
    },
    error::Error,
    keys::sha256,
    store::{
        door, groups, links,
        people::{self, Filter, Found, Person, Who},
    },
};
use usher_tools::{self as contract, Needs};

/// Page size where none is asked for.
const LIMIT: u32 = 25;
/// So many Administrators are usually enough (B05).
pub const ENOUGH_ADMINISTRATORS: i64 = 3;

/// Lists people, newest first.
pub async fn list(
    app: &App,
    call: &Call,
    people_in_all: i64,
    params: &contract::ListUsersParams,
) -> Result<contract::ListUsersOutput, Error> {
    authz::visible(&call.actor, &call.standing, false)?;
    let now = app.clock.now();
    let org = call.actor.org();
    let group = match &params.access_group {
        Some(name) => Some(groups::find(&app.pool, org, &parse::which(name)).await?.ok_or(Error::GroupNotFound)?.key),
        None => None,
    };
    let filter = Filter {
        query: parse::query(params.query.as_deref()),
        status: params.status.map(Status::from),
        role: params.role.map(Role::from),
        group,
        invite_expired: params.invite_expired,
    };
    let words = serde_json::json!([filter.query, params.status, params.role, group, params.invite_expired]).to_string();
    let before = parse::cursor(app, &call.actor, "list_users", &words, params.cursor.as_deref())?;
    let limit = i64::from(params.limit.unwrap_or(LIMIT));
    let page = people::list(&app.pool, org, &filter, people_in_all, before, limit, now).await?;
    Ok(contract::ListUsersOutput {
        users: page.people.into_iter().map(|person| view::user(person, now)).collect(),
        total: u64::try_from(page.total).unwrap_or_default(),
        total_is_exact: page.total_is_exact,
        next_cursor: parse::next_cursor(app, &call.actor, "list_users", &words, page.next),
    })
}

/// How many people there are, by status and role, for whoever may list them.
pub async fn counts(app: &App, call: &Call) -> Result<people::Counts, Error> {
    authz::visible(&call.actor, &call.standing, false)?;
    Ok(people::counts(&app.pool, call.actor.org()).await?)
}

/// Somebody to ask for access: no more than how to reach them.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Which person.
    pub id: UserId,
    /// Full name.
    pub name: String,
    /// Address of the account.
    pub email: String,
}

/// Whom somebody without access may ask for some: Administrators who are Active, newest first, at most `limit`.
pub async fn administrators(app: &App, call: &Call, limit: i64) -> Result<Vec<Contact>, Error> {
    authz::whom_to_ask(&call.actor)?;
    let filter = Filter { status: Some(Status::Active), role: Some(Role::Administrator), ..Filter::default() };
    let page = people::list(&app.pool, call.actor.org(), &filter, 0, None, limit, app.clock.now()).await?;
    Ok(page.people.into_iter().map(|person| Contact { id: person.id, name: person.full_name(), email: person.email }).collect())
}

/// The caller's own address, by its folded key: asked only when an address is named and the caller lacks the permission.
async fn own_email_key(app: &App, call: &Call, who: &Who) -> Result<Option<String>, Error> {
    let (Who::EmailKey(_), Some(me)) = (who, call.actor.user()) else { return Ok(None) };
    let own = people::find(&app.pool, call.actor.org(), &Who::Id(me.id), authz::Visible::Only(me)).await?;
    Ok(own.and_then(|person| Email::parse(&person.email).ok()).map(|email| email.key().to_owned()))
}

/// Whether `who` is the caller.
pub(crate) async fn names_oneself(app: &App, call: &Call, who: &Who) -> Result<bool, Error> {
    let own = own_email_key(app, call, who).await?;
    Ok(parse::is_own(&call.actor, who, own.as_deref()))
}

/// Whether a text names the caller.
pub async fn is_oneself(app: &App, call: &Call, text: &str) -> Result<bool, Error> {
    match parse::who("user", text) {
        Ok(who) => names_oneself(app, call, &who).await,
        Err(_) => Ok(false),
    }
}

/// The person a call names whose tool asks nothing of who names themselves. What can be nobody at all is not oneself: who
/// lacks the permission learns that first.
pub(crate) fn named_unless_self(needed: Result<(), Reason>, text: &str) -> Result<Who, Error> {
    parse::who("user", text).map_err(|invalid| needed.err().map_or(invalid, Error::from))
}

/// Reads one person.
pub async fn get(app: &App, call: &Call, params: &contract::GetUserParams) -> Result<contract::GetUserOutput, Error> {
    let who = named_unless_self(authz::visible(&call.actor, &call.standing, false).map(drop), &params.user)?;
    let person = seen(app, call, &who).await?.ok_or(Error::UserNotFound)?;
    Ok(contract::GetUserOutput { user: view::user(person, app.clock.now()) })
}

/// The people with these ids, in their order, for whoever may see everybody; whoever is gone is left out.
pub async fn of_ids(app: &App, call: &Call, ids: &[UserId]) -> Result<Vec<contract::User>, Error> {
    authz::holds(&call.standing, Needs::Permission(builtin::USERS_READ), false)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (mut found, now) = (people::of_ids(&app.pool, call.actor.org(), ids).await?, app.clock.now());
    found.sort_unstable_by_key(|person| ids.iter().position(|id| *id == person.id));
    Ok(found.into_iter().map(|person| view::user(person, now)).collect())
}

/// What the caller could do to a person as things stand: what a page offers, and why not. Whoever then acts is asked again.
#[derive(Debug)]
pub struct Powers {
    /// Change names.
    pub rename: Result<(), Reason>,
    /// Change the Slack ID.
    pub slack: Result<(), Reason>,
    /// Give the other role.
    pub role: Result<(), Reason>,
    /// End all access, or withdraw the invite.
    pub deactivate: Result<(), Reason>,
    /// Let them back in.
    pub reactivate: Result<(), Reason>,
    /// Send the invite again.
    pub resend: Result<(), Reason>,
    /// Put them into access groups: into none in particular, for each group has its own ceiling.
    pub assign: Result<(), Reason>,
    /// Take them out of access groups.
    pub unassign: Result<(), Reason>,
    /// End what programs act as them by.
    pub end_ai_access: Result<(), Reason>,
}

/// A person, and what the caller could do to them.
#[derive(Debug)]
pub struct Looked {
    /// The person.
    pub user: contract::User,
    /// What rules see of them.
    pub facts: PersonFacts,
    /// Who decided their Slack ID.
    pub slack_by: Option<SlackBy>,
    /// How many active Administrators there are.
    pub active_administrators: i64,
    /// What the caller could do.
    pub may: Powers,
}

/// Looks at one person of the roster, for whoever may see it, in an organization that has decided this.
pub async fn look(app: &App, call: &Call, id: UserId, settings: &Settings) -> Result<Looked, Error> {
    let visible = authz::visible(&call.actor, &call.standing, false)?;
    let org = call.actor.org();
    let person = people::find(&app.pool, org, &Who::Id(id), visible).await?.ok_or(Error::UserNotFound)?;
    let found = people::facts_now(&app.pool, org, id).await?.ok_or(Error::UserNotFound)?;
    let counts = people::counts(&app.pool, org).await?;
    let of = |status| counts.of(Some(status), Some(Role::Administrator));
    let active_administrators = of(Status::Active);
    let administrators = Administrators { count: active_administrators + of(Status::Pending), most: settings.most_administrators };
    let may = powers(call, &found, active_administrators, administrators);
    let user = view::user(person, app.clock.now());
    Ok(Looked { user, facts: found.facts, slack_by: found.slack_by, active_administrators, may })
}

fn powers(call: &Call, found: &Found, active_administrators: i64, administrators: Administrators) -> Powers {
    fn could<A: authz::Action>(call: &Call, action: &A) -> Result<(), Reason> {
        authz::could(&call.actor, &call.standing, action)
    }
    let person = || found.facts.clone();
    let update = |slack_id, role| {
        let (name, folded) = (None, String::new());
        could(call, &UpdateUser { person: person(), name, role, slack_id, folded, active_administrators, administrators })
    };
    let other_role = match found.facts.role {
        Role::Administrator => Role::User,
        Role::User => Role::Administrator,
    };
    Powers {
        rename: update(None, None),
        slack: update(Some(None), None),
        role: update(None, Some(other_role)),
        deactivate: could(call, &DeactivateUser { person: person(), active_administrators }),
        reactivate: could(call, &ReactivateUser { person: person(), had_joined: found.had_joined, administrators }),
        resend: could(call, &ResendInvite { person: person() }),
        assign: could(call, &AssignGroups { person: person(), groups: Vec::new() }),
        unassign: could(call, &UnassignGroups { person: person(), groups: Vec::new() }),
        end_ai_access: could(call, &EndAiAccess { person: person() }),
    }
}

/// A person as far as the caller may know of them.
pub(crate) async fn seen(app: &App, call: &Call, who: &Who) -> Result<Option<Person>, Error> {
    let own = !call.standing.holds(crate::domain::builtin::USERS_READ) && names_oneself(app, call, who).await?;
    let visible = authz::visible(&call.actor, &call.standing, own)?;
    Ok(people::find(&app.pool, call.actor.org(), who, visible).await?)
}

/// The person a call names, or its repeat is about, under the lock.
pub(crate) async fn person(writing: &mut Writing<'_>, repeat: Option<&About>, who: &Who) -> Result<Found, Error> {
    let found = match repeat {
        Some(about) => people::facts(&mut writing.work, &about.who()?).await?,
        None => people::facts(&mut writing.work, who).await?,
    };
    found.ok_or(Error::UserNotFound)
}

async fn shown_by_id(writing: &mut Writing<'_>, id: UserId) -> Result<contract::User, Error> {
    let found = people::facts(&mut writing.work, &Who::Id(id)).await?.ok_or(Error::UserNotFound)?;
    shown(writing, found.facts.person.key).await
}

/// A person as they are now.
pub(crate) async fn shown(writing: &mut Writing<'_>, key: i64) -> Result<contract::User, Error> {
    let person = people::show(&mut writing.work, key).await?;
    Ok(view::user(person, writing.work.now()))
}

/// The next generation of somebody's invite; its token is derived, hashed, and forgotten.
async fn new_link(writing: &mut Writing<'_>, generation: i64) -> Result<links::NewLink, Error> {
    let now = writing.work.now();
    let id = LinkId::new(now, &writing.app.random);
    let locator = crate::store::organizations::locator(&mut writing.work).await?;
    Ok(links::NewLink {
        id,
        generation,
        hash: sha256(writing.app.keyring.link_token(LinkKind::Invite, &locator, id, generation).as_bytes()),
        mail: OutboxId::new(now, &writing.app.random),
    })
}

/// What to say of one more Administrator, who is `status` now. Pending ones count for nothing but for the one being made.
fn many_administrators(writing: &Writing<'_>, status: Status) -> Vec<String> {
    let this_one = match status {
        Status::Pending | Status::Deactivated => 1,
        Status::Active => 0,
    };
    if writing.work.active_administrators() + this_one > ENOUGH_ADMINISTRATORS {
        vec!["With this one the organization has more than three Administrators. Two or three are usually enough: consider the role User with an access group.".to_owned()]
    } else {
        Vec::new()
    }
}

/// How many Administrators there are, and may be where somebody becomes one.
async fn administrators_beside(writing: &mut Writing<'_>, then: Option<Role>) -> Result<Administrators, Error> {
    let most = match then {
        Some(Role::Administrator) => door::settings(&mut writing.work).await?.most_administrators,
        Some(Role::User) | None => None,
    };
    Ok(Administrators { count: writing.work.administrators(), most })
}

fn other_domain(settings: &Settings) -> String {
    format!(
        "The domain of this address is not among those that this organization invites ({}): check that it is the person you mean. deactivate_user takes the invite back.",
        settings.invite_domains.in_words()
    )
}

fn domain_refused(settings: &Settings) -> Error {
    let message = format!("This organization invites only addresses of these domains: {}.", settings.invite_domains.in_words());
    Error::Invalid(
        Invalid::new("email", message)
            .with_hint("Invite an address of one of them; an Administrator adds a domain on the page /settings/invitations."),
    )
}

/// Invites somebody: a Pending person, a link good for seven days, and its mail, in one transaction.
pub async fn invite(app: &App, call: &Call, params: &contract::InviteUserParams) -> Result<contract::InviteUserOutput, Error> {
    authz::needs::<InviteUser>(&call.actor, &call.standing, false)?;
    let email = Email::parse(&params.email)?;
    if email.lookalike() {
        return Err(invalid(
            "email",
            "The domain mixes letters of several scripts, as look-alike addresses do.",
            "Ask the person for their address in writing and type it anew; whose domain really mixes scripts is invited at another address.",
        ));
    }
    let name = PersonName::parse(&params.first_name, &params.last_name)?;
    let role = params.role.map_or(Role::User, Role::from);
    let mut writing = Writing::begin::<InviteUser>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?;
        InviteUser::asks(&writing.standing, !params.access_groups.is_empty(), role)?;
        let groups = groups_of(&mut writing, repeat.as_ref(), &params.access_groups).await?;
        let id = match repeat.as_ref().and_then(|about| about.users.first()) {
            Some(id) => *id,
            None => UserId::new(writing.work.now(), &app.random),
        };
        let about = About { users: vec![id], access_groups: groups.iter().map(|group| group.id).collect() };
        let administrators = administrators_beside(&mut writing, Some(role)).await?;
        let action = InviteUser { id, email: email.clone(), name: name.clone(), role, groups: groups.clone(), administrators };
        let asked = match writing.ask(action, repeat.is_some()) {
            // Who is here already is told so first.
            Err(full @ Error::Denied(Reason::EnoughAdministrators { .. })) => {
                return Err(taken(&mut writing, &email).await?.unwrap_or(full));
            }
            asked => asked?,
        };
        let Some(proof) = asked else {
            let user = shown_by_id(&mut writing, id).await?;
            let value =
                contract::InviteUserOutput { user, delivery: None, warnings: Vec::new(), changed: false, dry_run: call.options.dry_run };
            return Ok(Done { value, changed: false, about: repeat.unwrap_or(about) });
        };
        let settings = door::settings(&mut writing.work).await?;
        let mut warnings = Vec::new();
        if !settings.invites(&email) {
            match settings.other_domains {
                OtherDomains::Warn => warnings.push(other_domain(&settings)),
                OtherDomains::Refuse => return Err(taken(&mut writing, &email).await?.unwrap_or_else(|| domain_refused(&settings))),
            }
        }
        let Some(delivery) = app.mail.route() else {
            // Without a way to send mail nobody can be invited; but who is here already is told so first.
            return Err(taken(&mut writing, &email).await?.unwrap_or(Error::MailUnavailable));
        };
        if let Err(over) = limits::one_more_invite(&mut writing).await {
            // A repeated invite is told what it is, also where the budget is used up.
            return Err(taken(&mut writing, &email).await?.unwrap_or(over));
        }
        let link = new_link(&mut writing, 1).await?;
        let Some(key) = people::invite(&mut writing.work, proof, &link).await? else {
            return Err(taken(&mut writing, &email).await?.unwrap_or_else(|| Error::Internal("an address is taken by nobody".to_owned())));
        };
        writing.mails();
        match role {
            Role::Administrator => warnings.extend(many_administrators(&writing, Status::Pending)),
            Role::User => {}
        }
        let now = writing.work.now();
        let person = Person {
            key,
            id,
            email: email.typed().to_owned(),
            first_name: name.first().to_owned(),
            last_name: name.last().to_owned(),
            role,
            status: Status::Pending,
            slack_id: None,
            created_at: now,
            activated_at: None,
            deactivated_at: None,
            last_seen_at: None,
            version: 1,
            invite_sent_at: Some(now),
            invite_expires_at: Some(now.plus(crate::domain::INVITE_LIFETIME)),
            delivery: Some((contract::DeliveryState::Queued.as_str().to_owned(), None)),
            groups: groups.into_iter().map(|group| (group.id, group.name)).collect(),
        };
        let value = contract::InviteUserOutput {
            user: view::user(person, now),
            delivery: Some(delivery),
            warnings,
            changed: true,
            dry_run: call.options.dry_run,
        };
        Ok(Done { value, changed: true, about })
    }
    .await;
    writing.finish(result).await
}

/// The refusal that names who holds an address, if somebody does.
async fn taken(writing: &mut Writing<'_>, email: &Email) -> Result<Option<Error>, Error> {
    let holder = people::holder(&mut writing.work, email.key()).await?;
    Ok(holder.map(|(user, status, _)| Error::EmailInUse { user, status }))
}

/// Sends a new link; every earlier one ends.
pub async fn resend(app: &App, call: &Call, params: &contract::ResendInviteParams) -> Result<contract::ResendInviteOutput, Error> {
    authz::needs::<ResendInvite>(&call.actor, &call.standing, false)?;
    let who = parse::who("user", &params.user)?;
    let mut writing = Writing::begin::<ResendInvite>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?;
        let found = person(&mut writing, repeat.as_ref(), &who).await?;
        let (key, about) = (found.facts.person.key, About::user(found.facts.person.id));
        let generation = found.facts.invite_generation + 1;
        let action = ResendInvite { person: found.facts };
        let Some(proof) = writing.ask(action, repeat.is_some())? else {
            let user = shown(&mut writing, key).await?;
            let value = contract::ResendInviteOutput { user, delivery: None, changed: false, dry_run: call.options.dry_run };
            return Ok(Done { value, changed: false, about });
        };
        let delivery = app.mail.route().ok_or(Error::MailUnavailable)?;
        limits::one_more_resend(&mut writing, key).await?;
        limits::one_more_invite(&mut writing).await?;
        let link = new_link(&mut writing, generation).await?;
        people::resend(&mut writing.work, proof, &link).await?;
        writing.mails();
        let user = shown(&mut writing, key).await?;
        let value = contract::ResendInviteOutput { user, delivery: Some(delivery), changed: true, dry_run: call.options.dry_run };
        Ok(Done { value, changed: true, about })
    }
    .await;
    writing.finish(result).await
}

/// What required single sign-on rests on, where it may rest on this person.
async fn footing_on(writing: &mut Writing<'_>, person: &PersonFacts) -> Result<Option<Footing>, Error> {
    match person.role {
        Role::Administrator => sso::footing(writing).await,
        Role::User => Ok(None),
    }
}

/// Changes names, Slack ID or role.
pub async fn update(app: &App, call: &Call, params: &contract::UpdateUserParams) -> Result<contract::UpdateUserOutput, Error> {
    authz::scope(&call.actor, true)?;
    let who = named_unless_self(authz::needs::<UpdateUser>(&call.actor, &call.standing, false), &params.user)?;
    let own = names_oneself(app, call, &who).await?;
    authz::needs::<UpdateUser>(&call.actor, &call.standing, own)?;
    let first = params.first_name.as_deref().map(PersonName::parse_first).transpose()?;
    let last = params.last_name.as_deref().map(PersonName::parse_last).transpose()?;
    let slack_id = match contract::Change::of(params.slack_id.as_deref()) {
        contract::Change::Keep => None,
        contract::Change::Clear => Some(None),
        contract::Change::Set(text) => Some(Some(SlackId::parse(text)?)),
    };
    let role = params.role.map(Role::from);
    if first.is_none() && last.is_none() && slack_id.is_none() && role.is_none() {
        return Err(invalid("first_name", "Nothing to change was given.", "Pass first_name, last_name, slack_id or role."));
    }
    let mut writing = Writing::begin::<UpdateUser>(app, call, own).await?;
    let result = async {
        let repeat = writing.repeats().await?;
        UpdateUser::asks(&writing.standing, role)?;
        let found = person(&mut writing, repeat.as_ref(), &who).await?;
        let (key, about) = (found.facts.person.key, About::user(found.facts.person.id));
        let name = PersonName::new(
            first.clone().map_or_else(|| PersonName::parse_first(&found.first_name), Ok)?,
            last.clone().map_or_else(|| PersonName::parse_last(&found.last_name), Ok)?,
        );
        let slack_now = slack_id.as_ref().map_or(found.slack_id.as_deref(), |new| new.as_ref().map(SlackId::as_str));
        // Who says what a look-up found, or that there is none, decides it: no look-up changes it any more.
        let decides = slack_id.is_some() && found.slack_by != Some(SlackBy::Hand);
        let changed = repeat.is_none()
            && (role.is_some_and(|role| role != found.facts.role)
                || decides
                || slack_now != found.slack_id.as_deref()
                || name.first() != found.first_name
                || name.last() != found.last_name);
        let folded = people::folded(name.first(), name.last(), &Email::parse(&found.email)?, slack_now);
        let active_administrators = people::active_administrators(&mut writing.work).await?;
        // What is asked for needs its right also where it would change nothing.
        let action = UpdateUser {
            person: found.facts.clone(),
            name: (first.is_some() || last.is_some()).then_some(name),
            role,
            slack_id: slack_id.clone(),
            folded,
            active_administrators,
            administrators: administrators_beside(&mut writing, role).await?,
        };
        let mut warnings = Vec::new();
        if let Some(proof) = writing.ask(action, repeat.is_some())?
            && changed
        {
            same_version(params.if_version, found.facts.version)?;
            let footing = if role == Some(Role::User) { footing_on(&mut writing, &found.facts).await? } else { None };
            people::update(&mut writing.work, proof, &found).await?;
            sso::keeps_footing(&mut writing, footing).await?;
            if role.is_some_and(|role| role != found.facts.role) {
                writing.mails();
            }
            if role == Some(Role::Administrator) && found.facts.role == Role::User {
                warnings = many_administrators(&writing, found.facts.status);
            }
        }
        let user = shown(&mut writing, key).await?;
        let value = contract::UpdateUserOutput { user, warnings, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, about })
    }
    .await;
    writing.finish(result).await
}

/// What that would end as things stand, without a lock: whoever then does it is asked and told again.
///
/// # Errors
/// Why it would be refused now.
pub async fn would_end(app: &App, call: &Call, id: UserId, settings: &Settings) -> Result<contract::Ended, Error> {
    authz::needs::<DeactivateUser>(&call.actor, &call.standing, false)?;
    let org = call.actor.org();
    let person = people::facts_now(&app.pool, org, id).await?.ok_or(Error::UserNotFound)?.facts;
    let active_administrators = people::counts(&app.pool, org).await?.of(Some(Status::Active), Some(Role::Administrator));
    let (key, role) = (person.person.key, person.role);
    authz::could(&call.actor, &call.standing, &DeactivateUser { person, active_administrators })?;
    if settings.sso_required && role == Role::Administrator {
        sso::would_keep_footing(app, org, key).await?;
    }
    let ended = people::would_end(&app.pool, key, app.clock.now()).await?;
    Ok(contract::Ended { sessions: ended.sessions, mcp_tokens: ended.mcp_tokens, oauth_grants: 0, links: ended.links })
}

/// Ends all access of a person at once. On a Pending person it withdraws the invite.
pub async fn deactivate(app: &App, call: &Call, params: &contract::DeactivateUserParams) -> Result<contract::DeactivateUserOutput, Error> {
    authz::needs::<DeactivateUser>(&call.actor, &call.standing, false)?;
    let who = parse::who("user", &params.user)?;
    let mut writing = Writing::begin::<DeactivateUser>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?;
        let found = person(&mut writing, repeat.as_ref(), &who).await?;
        let (key, about) = (found.facts.person.key, About::user(found.facts.person.id));
        let changed = repeat.is_none()
            && match found.facts.status {
                Status::Pending | Status::Active => true,
                Status::Deactivated => false,
            };
        let active_administrators = people::active_administrators(&mut writing.work).await?;
        let footing = footing_on(&mut writing, &found.facts).await?;
        let action = DeactivateUser { person: found.facts, active_administrators };
        let mut ended = people::Ended::default();
        if let Some(proof) = writing.ask(action, repeat.is_some())?
            && changed
        {
            ended = people::deactivate(&mut writing.work, proof).await?;
            sso::keeps_footing(&mut writing, footing).await?;
            writing.mails();
        }
        let user = shown(&mut writing, key).await?;
        let value = contract::DeactivateUserOutput {
            user,
            ended: contract::Ended { sessions: ended.sessions, mcp_tokens: ended.mcp_tokens, oauth_grants: 0, links: ended.links },
            changed,
            dry_run: call.options.dry_run,
        };
        Ok(Done { value, changed, about })
    }
    .await;
    writing.finish(result).await
}

/// Lets a person back in: Active where they had joined, else Pending with a new invite. Old credentials stay dead.
pub async fn reactivate(app: &App, call: &Call, params: &contract::ReactivateUserParams) -> Result<contract::ReactivateUserOutput, Error> {
    authz::needs::<ReactivateUser>(&call.actor, &call.standing, false)?;
    let who = parse::who("user", &params.user)?;
    let mut writing = Writing::begin::<ReactivateUser>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?;
        let found = person(&mut writing, repeat.as_ref(), &who).await?;
        let (key, role, about) = (found.facts.person.key, found.facts.role, About::user(found.facts.person.id));
        let changed = repeat.is_none()
            && match found.facts.status {
                Status::Pending | Status::Active => false,
                Status::Deactivated => true,
            };
        let (had_joined, generation) = (found.had_joined, found.facts.invite_generation + 1);
        let administrators = administrators_beside(&mut writing, Some(role)).await?;
        let action = ReactivateUser { person: found.facts, had_joined, administrators };
        let mut delivery = None;
        let mut warnings = Vec::new();
        if let Some(proof) = writing.ask(action, repeat.is_some())?
            && changed
        {
            let link = if had_joined {
                None
            } else {
                delivery = Some(app.mail.route().ok_or(Error::MailUnavailable)?);
                limits::one_more_resend(&mut writing, key).await?;
                limits::one_more_invite(&mut writing).await?;
                writing.mails();
                Some(new_link(&mut writing, generation).await?)
            };
            people::reactivate(&mut writing.work, proof, link.as_ref()).await?;
            if role == Role::Administrator {
                warnings = many_administrators(&writing, if had_joined { Status::Active } else { Status::Pending });
                writing.mails();
            }
        }
        let user = shown(&mut writing, key).await?;
        let value = contract::ReactivateUserOutput { user, delivery, warnings, changed, dry_run: call.options.dry_run };
        Ok(Done { value, changed, about })
    }
    .await;
    writing.finish(result).await
}
