//! Connecting providers to an organization, ending that, and requiring single sign-on.

use super::{Failed, cell, provider};
use crate::{
    app::App,
    authn::sso::{self, Issuer, Provider, Secret},
    authz::{
        self, Action, Org, Reason,
        door::Proved,
        organization::sees_settings,
        sso::{ChangeProvider, ConnectProvider, Footing, Lost, RemoveProvider, RequireSso},
    },
    domain::{ConnectionId, Timestamp, Untrusted, UserId, builtin},
    error::Error,
    service::{About, Call, Done, Writing, same_as_seen},
    store::{
        door,
        sso::{self as rows, Connection},
    },
};

fn seal(app: &App, org: Org, id: ConnectionId, secret: &str) -> String {
    app.keyring.seal_cell(&app.random, &cell(org.number, &rows::row_of(id)), secret.as_bytes())
}

/// Asked before a provider is: whether whoever decides may, and was proved lately. The write asks again.
fn may_ask<A: Action>(app: &App, call: &Call, proved_at: Option<Timestamp>) -> Result<(), Error> {
    authz::needs::<A>(&call.actor, &call.standing, false)?;
    Ok(Proved { at: proved_at, now: app.clock.now() }.anew(&call.actor)?)
}

/// A connection to be.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// What people read on the button.
    pub name: String,
    /// Who signs.
    pub issuer: Issuer,
    /// The registration at the provider.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Whether an address counts that the provider does not call verified.
    pub trusts_unverified_email: bool,
}

/// Connects a provider, after it was seen to answer as itself. `proved_at` is when whoever decides was last proved; the host
/// proves nobody.
///
/// # Errors
/// A value that does not read, a provider that does not answer, or [`Reason::NotProvedAnew`].
pub async fn connect(app: &App, call: &Call, new: &NewConnection, proved_at: Option<Timestamp>) -> Result<ConnectionId, Failed> {
    may_ask::<ConnectProvider>(app, call, proved_at)?;
    let name = Untrusted::parse_name("name", &new.name, 40)?;
    let provider = Provider::new(new.issuer.clone(), &new.client_id, new.client_secret.clone(), new.trusts_unverified_email)?;
    sso::test(&app.outbound, &provider).await?;
    let org = call.actor.org();
    let mut writing = Writing::begin::<ConnectProvider>(app, call, false).await?;
    let result = async {
        // What a second click would connect is what the first did.
        if writing.repeats().await?.is_some()
            && let Some(newest) = rows::connections_locked(&mut writing.work).await?.pop()
        {
            return Ok(Done { value: newest.id, changed: false, about: About::default() });
        }
        let id = ConnectionId::new(writing.work.now(), &app.random);
        let tenants: Vec<String> = new.issuer.tenants().iter().map(ToString::to_string).collect();
        let action = ConnectProvider {
            id,
            name: name.clone(),
            issuer: new.issuer.as_str().to_owned(),
            tenants: (!tenants.is_empty()).then(|| tenants.join(",")),
            client_id: new.client_id.clone(),
            sealed_secret: seal(app, org, id, new.client_secret.expose()),
            trusts_unverified_email: new.trusts_unverified_email,
            proved: Proved { at: proved_at, now: writing.work.now() },
        };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        rows::connect(&mut writing.work, proof).await?;
        writing.mails();
        Ok(Done { value: id, changed: true, about: About::default() })
    }
    .await;
    Ok(writing.finish(result).await?)
}

const NOT_CONNECTED: Error =
    Error::Clash { said: "There is no such connection, or several and none was named.", hint: "`usher sso list` shows their ids." };

/// The connection that a command or a form names, or the only one.
pub(super) fn named(connections: Vec<Connection>, id: Option<&str>) -> Result<Connection, Error> {
    let wanted = id.map(|id| ConnectionId::parse(id.trim()));
    let count = connections.len();
    let mut found = connections.into_iter().filter(|connection| match wanted {
        None => count == 1,
        Some(id) => id == Some(connection.id),
    });
    found.next().ok_or(NOT_CONNECTED)
}

/// The connections of an organization, for whoever sees its settings, oldest first.
///
/// # Errors
/// What no holder of `settings:read` is answered.
pub async fn connections(app: &App, call: &Call) -> Result<Vec<Connection>, Error> {
    sees_settings(&call.standing)?;
    Ok(rows::connections(&app.pool, call.actor.org()).await?)
}

/// What requiring single sign-on rests on, or would rest on.
#[derive(Debug)]
pub struct Outlook {
    /// Who keeps it.
    pub footing: Footing,
    /// How many Active people no connection opens yet.
    pub not_linked: i64,
    /// The first of their addresses, for who may see people.
    pub first: Vec<String>,
}

/// How many people who are not linked yet are named.
const NAMED: i64 = 100;

/// What single sign-on looks like for whoever sees the settings.
///
/// # Errors
/// As [`connections`].
pub async fn outlook(app: &App, call: &Call) -> Result<Outlook, Error> {
    sees_settings(&call.standing)?;
    let org = call.actor.org();
    let (footing, not_linked) = (rows::footing_now(&app.pool, org).await?, rows::count_not_linked(&app.pool, org).await?);
    let named = if call.standing.holds(builtin::USERS_READ) { rows::not_linked(&app.pool, org, NAMED).await? } else { Vec::new() };
    Ok(Outlook { footing, not_linked, first: named.into_iter().map(|(_, email)| email).collect() })
}

/// Whether a connection's provider answers as itself.
///
/// # Errors
/// No such connection, or what is wrong with it; what no Administrator is answered.
pub async fn test(app: &App, call: &Call, id: Option<&str>) -> Result<Connection, Failed> {
    authz::needs::<ChangeProvider>(&call.actor, &call.standing, false)?;
    let connection = named(rows::connections(&app.pool, call.actor.org()).await?, id)?;
    sso::test(&app.outbound, &provider(app, &connection)?).await?;
    Ok(connection)
}

/// What required single sign-on rests on, before a write that may take it away; `None` where it is not required.
pub(in crate::service) async fn footing(writing: &mut Writing<'_>) -> Result<Option<Footing>, Error> {
    let required = door::settings(&mut writing.work).await?.sso_required;
    Ok(if required { Some(rows::footing(&mut writing.work).await?) } else { None })
}

/// Refuses a write, after it was made and before it holds, that took away what required single sign-on rests on.
///
/// # Errors
/// [`Error::Clash`], with the way out.
pub(in crate::service) async fn keeps_footing(writing: &mut Writing<'_>, before: Option<Footing>) -> Result<(), Error> {
    let Some(before) = before else { return Ok(()) };
    kept(before, rows::footing(&mut writing.work).await?)
}

/// Refuses what would take away, as things stand, what required single sign-on rests on: the deactivation of a person.
///
/// # Errors
/// As [`keeps_footing`].
pub(in crate::service) async fn would_keep_footing(app: &App, org: Org, without: i64) -> Result<(), Error> {
    kept(rows::footing_now(&app.pool, org).await?, rows::footing_without(&app.pool, org, without).await?)
}

fn kept(before: Footing, after: Footing) -> Result<(), Error> {
    before.keeps(after).map_err(|lost| match lost {
        Lost::Proven => Error::Clash {
            said: "Single sign-on is required here, and no active Administrator would be left who signed in through it as it then is.",
            hint: "Let another Administrator sign in through a connection that stays, or have whoever runs this server end the requirement with `usher sso require --off`; it can be set again later.",
        },
        Lost::BreakGlass => Error::Clash {
            said: "Single sign-on is required here, and no active Administrator would be left with a password, the way in when the provider fails.",
            hint: "Let another Administrator set a password on their own page, or have whoever runs this server end the requirement with `usher sso require --off`; it can be set again later.",
        },
    })
}

/// Puts another registration at the same provider in place of a connection's. Where the provider names people anew for it,
/// each of them confirms by a link to their mailbox at their next sign-in.
///
/// # Errors
/// No such connection, a provider that does not answer, or another client while SSO is required and nobody came in by another
/// connection; [`Error::Conflict`] where somebody put another registration in place since `seen`, the one that whoever decides
/// saw; [`Reason::NotProvedAnew`].
pub async fn relink(
    app: &App,
    call: &Call,
    id: Option<&str>,
    (client_id, client_secret): (&str, &Secret),
    seen: Option<&str>,
    proved_at: Option<Timestamp>,
) -> Result<ConnectionId, Failed> {
    may_ask::<ChangeProvider>(app, call, proved_at)?;
    let org = call.actor.org();
    let before = named(rows::connections(&app.pool, org).await?, id)?;
    let issuer = provider(app, &before)?.issuer().clone();
    let after = Provider::new(issuer, client_id, client_secret.clone(), before.trusts_unverified_email)?;
    sso::test(&app.outbound, &after).await?;
    let mut writing = Writing::begin::<ChangeProvider>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?.is_some();
        let connection = named(rows::connections_locked(&mut writing.work).await?, Some(&before.id.to_string()))?;
        if repeat {
            same_as_seen(Some(true), &provider(app, &connection)?.is_registered_as(&after))?;
            return Ok(Done { value: before.id, changed: false, about: About::default() });
        }
        let sealed_secret = seal(app, org, connection.id, client_secret.expose());
        let proved = Proved { at: proved_at, now: writing.work.now() };
        let action = ChangeProvider { connection: connection.facts(), client_id: client_id.to_owned(), sealed_secret, proved };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        same_as_seen(seen, &connection.registration().as_str())?;
        let footing = footing(&mut writing).await?;
        rows::change(&mut writing.work, proof).await?;
        keeps_footing(&mut writing, footing).await?;
        writing.mails();
        Ok(Done { value: connection.id, changed: true, about: About::default() })
    }
    .await;
    Ok(writing.finish(result).await?)
}

const LAST_CONNECTION: Error = Error::Clash {
    said: "Single sign-on is required here, and this is its last connection.",
    hint: "Run `usher sso require --off` first.",
};

/// Ends a connection.
///
/// # Errors
/// No such connection, or while SSO is required the last one, or the one by which the Administrators came in;
/// [`Reason::NotProvedAnew`].
pub async fn remove(app: &App, call: &Call, id: Option<&str>, proved_at: Option<Timestamp>) -> Result<ConnectionId, Error> {
    let mut writing = Writing::begin::<RemoveProvider>(app, call, false).await?;
    let result = async {
        if let (Some(_), Some(id)) = (writing.repeats().await?, id.and_then(ConnectionId::parse)) {
            return Ok(Done { value: id, changed: false, about: About::default() });
        }
        let all = rows::connections_locked(&mut writing.work).await?;
        let others = all.len().saturating_sub(1);
        let connection = named(all, id)?;
        let sso_required = door::settings(&mut writing.work).await?.sso_required;
        let proved = Proved { at: proved_at, now: writing.work.now() };
        let action = RemoveProvider { connection: connection.facts(), sso_required, others, proved };
        let proof = authz::authorize(&call.actor, &writing.standing, action).map_err(|reason| match reason {
            Reason::WayClosed => LAST_CONNECTION,
            other => other.into(),
        })?;
        let footing = footing(&mut writing).await?;
        rows::remove(&mut writing.work, proof).await?;
        keeps_footing(&mut writing, footing).await?;
        writing.mails();
        Ok(Done { value: connection.id, changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// Why single sign-on cannot be required yet.
fn no_footing(footing: Footing) -> Error {
    Error::Conflict(if footing.proven {
        "No active Administrator has a password, the way in when the provider is broken: let one set it on their own page first."
    } else {
        "No active Administrator has signed in through a connection yet: let one do so first."
    })
}

/// What requiring single sign-on came to.
#[derive(Debug)]
pub struct Required {
    /// Active people whom no identity opens yet: id and address.
    pub not_linked: Vec<(UserId, String)>,
    /// How many live sessions ended, because the way they came in by is closed.
    pub sessions_ended: u64,
}

/// Decides whether people sign in through a provider only. Sessions that came in by another way end with that, except those of
/// Administrators who have a password.
///
/// # Errors
/// While no Administrator came in through it, or none has a password for the day on which it is broken; [`Reason::NotProvedAnew`].
pub async fn require(app: &App, call: &Call, required: bool, proved_at: Option<Timestamp>) -> Result<Required, Error> {
    let mut writing = Writing::begin::<RequireSso>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?.is_some();
        let settings = door::settings(&mut writing.work).await?;
        if repeat {
            same_as_seen(Some(required), &settings.sso_required)?;
            return Ok(Done { value: 0, changed: false, about: About::default() });
        }
        let footing = rows::footing(&mut writing.work).await?;
        let connection = rows::connections_locked(&mut writing.work).await?.first().map(|connection| connection.id);
        let changed = settings.sso_required != required;
        let proved = Proved { at: proved_at, now: writing.work.now() };
        let action = RequireSso { required, footing, connection, proved };
        let proof = authz::authorize(&call.actor, &writing.standing, action).map_err(|reason| match reason {
            Reason::WayClosed => no_footing(footing),
            other => other.into(),
        })?;
        let ended = if changed { rows::require(&mut writing.work, proof, settings).await? } else { 0 };
        writing.mails();
        Ok(Done { value: ended, changed, about: About::default() })
    }
    .await;
    let sessions_ended = writing.finish(result).await?;
    Ok(Required { not_linked: rows::not_linked(&app.pool, call.actor.org(), i64::MAX).await?, sessions_ended })
}
