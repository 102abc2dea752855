//! Connecting providers to an organization, ending that, and requiring single sign-on.

use super::{Failed, cell, provider};
use crate::{
    app::App,
    authn::sso::{self, Issuer, Provider, Secret},
    authz::{
        self, Org,
        sso::{ChangeProvider, ConnectProvider, Footing, Lost, RemoveProvider, RequireSso},
    },
    domain::{ConnectionId, Untrusted, UserId},
    error::Error,
    service::{About, Call, Done, Writing},
    store::{
        door,
        sso::{self as rows, Connection},
    },
};

fn seal(app: &App, org: Org, id: ConnectionId, secret: &str) -> String {
    app.keyring.seal_cell(&app.random, &cell(org.number, &rows::row_of(id)), secret.as_bytes())
}

/// A connection to be.
#[derive(Debug)]
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

/// Connects a provider, after it was seen to answer as itself.
///
/// # Errors
/// A value that does not read, or a provider that does not answer.
pub async fn connect(app: &App, call: &Call, new: NewConnection) -> Result<ConnectionId, Failed> {
    let name = Untrusted::parse_name("name", &new.name, 40)?;
    let provider = Provider::new(new.issuer.clone(), &new.client_id, new.client_secret.clone(), new.trusts_unverified_email)?;
    sso::test(&app.outbound, &provider).await?;
    let org = call.actor.org();
    let mut writing = Writing::begin::<ConnectProvider>(app, call, false).await?;
    let result = async {
        let id = ConnectionId::new(writing.work.now(), &app.random);
        let tenants: Vec<String> = new.issuer.tenants().iter().map(ToString::to_string).collect();
        let action = ConnectProvider {
            id,
            name,
            issuer: new.issuer.as_str().to_owned(),
            tenants: (!tenants.is_empty()).then(|| tenants.join(",")),
            client_id: new.client_id.clone(),
            sealed_secret: seal(app, org, id, new.client_secret.expose()),
            trusts_unverified_email: new.trusts_unverified_email,
        };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        rows::connect(&mut writing.work, proof).await?;
        writing.mails();
        Ok(Done { value: id, changed: true, about: About::default() })
    }
    .await;
    Ok(writing.finish(result).await?)
}

/// The connection that a command or a form names, or the only one.
pub(super) fn named(connections: Vec<Connection>, id: Option<&str>) -> Result<Connection, Error> {
    let wanted = id.map(|id| ConnectionId::parse(id.trim()));
    let count = connections.len();
    let mut found = connections.into_iter().filter(|connection| match wanted {
        None => count == 1,
        Some(id) => id == Some(connection.id),
    });
    found.next().ok_or(Error::Conflict("There is no such connection, or several and none was named: `usher sso list` shows their ids."))
}

/// Whether a connection's provider answers as itself.
///
/// # Errors
/// No such connection, or what is wrong with it.
pub async fn test(app: &App, org: Org, id: Option<&str>) -> Result<Connection, Failed> {
    let connection = named(rows::connections(&app.pool, org).await?, id)?;
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
    before.keeps(rows::footing(&mut writing.work).await?).map_err(|lost| match lost {
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
/// connection.
pub async fn relink(app: &App, call: &Call, id: Option<&str>, client_id: &str, client_secret: Secret) -> Result<ConnectionId, Failed> {
    let org = call.actor.org();
    let before = named(rows::connections(&app.pool, org).await?, id)?;
    let issuer = provider(app, &before)?.issuer().clone();
    let after = Provider::new(issuer, client_id, client_secret.clone(), before.trusts_unverified_email)?;
    sso::test(&app.outbound, &after).await?;
    let mut writing = Writing::begin::<ChangeProvider>(app, call, false).await?;
    let result = async {
        let connection = named(rows::connections_locked(&mut writing.work).await?, Some(&before.id.to_string()))?;
        let sealed_secret = seal(app, org, connection.id, client_secret.expose());
        let action = ChangeProvider { connection: connection.facts(), client_id: client_id.to_owned(), sealed_secret };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        let footing = footing(&mut writing).await?;
        rows::change(&mut writing.work, proof).await?;
        keeps_footing(&mut writing, footing).await?;
        writing.mails();
        Ok(Done { value: connection.id, changed: true, about: About::default() })
    }
    .await;
    Ok(writing.finish(result).await?)
}

/// Ends a connection.
///
/// # Errors
/// No such connection, or while SSO is required the last one, or the one by which the Administrators came in.
pub async fn remove(app: &App, call: &Call, id: Option<&str>) -> Result<ConnectionId, Error> {
    let mut writing = Writing::begin::<RemoveProvider>(app, call, false).await?;
    let result = async {
        let all = rows::connections_locked(&mut writing.work).await?;
        let others = all.len().saturating_sub(1);
        let connection = named(all, id)?;
        let sso_required = door::settings(&mut writing.work).await?.sso_required;
        let action = RemoveProvider { connection: connection.facts(), sso_required, others };
        let proof = authz::authorize(&call.actor, &writing.standing, action)
            .map_err(|_| Error::Conflict("SSO is required, and this is its last connection: run `usher sso require --off` first."))?;
        let footing = footing(&mut writing).await?;
        rows::remove(&mut writing.work, proof).await?;
        keeps_footing(&mut writing, footing).await?;
        writing.mails();
        Ok(Done { value: connection.id, changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
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
/// While no Administrator came in through it, or none has a password for the day on which it is broken.
pub async fn require(app: &App, call: &Call, required: bool) -> Result<Required, Error> {
    let mut writing = Writing::begin::<RequireSso>(app, call, false).await?;
    let result = async {
        let settings = door::settings(&mut writing.work).await?;
        let footing = rows::footing(&mut writing.work).await?;
        let connection = rows::connections_locked(&mut writing.work).await?.first().map(|connection| connection.id);
        let changed = settings.sso_required != required;
        let proof = authz::authorize(&call.actor, &writing.standing, RequireSso { required, footing, connection }).map_err(|_| {
            Error::Conflict(if footing.proven {
                "No active Administrator has a password, the way in when the provider is broken: let one set it on their own page first."
            } else {
                "No active Administrator has signed in through a connection yet: let one do so first."
            })
        })?;
        let ended = if changed { rows::require(&mut writing.work, proof, settings).await? } else { 0 };
        writing.mails();
        Ok(Done { value: ended, changed, about: About::default() })
    }
    .await;
    let sessions_ended = writing.finish(result).await?;
    Ok(Required { not_linked: rows::not_linked(&app.pool, call.actor.org()).await?, sessions_ended })
}
