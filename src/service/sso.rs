//! Identity providers of organizations: connecting them (`connecting`), and coming in through them.
//!
//! A browser goes to the provider ([`begin`]) and comes back ([`come_back`]). What it came back with is looked at
//! ([`meet`]), and only a form of the person's own acts on it: [`enter`], [`join`], [`ask_mailbox`], [`link_own`]. Between the
//! steps the browser carries everything itself, sealed; each step looks at the database anew, and the acting ones again under
//! the lock.

mod acting;
mod connecting;

pub use acting::{ask_mailbox, by_mailbox, enter, join, link_own, unlink_own};
pub use connecting::{NewConnection, Required, connect, connections, outlook, relink, remove, require, test};
pub(super) use connecting::{footing, keeps_footing, would_keep_footing};

use self::{
    acting::{TAKEN, arrival},
    connecting::named,
};
use super::signing_in;
use crate::{
    app::App,
    authn::{
        link,
        sso::{self, Asking, Fault, Flow, Identity, Issuer, Provider, Returned, Secret},
    },
    authz::{
        Action as _, Org, PersonRef,
        action::AcceptInvite,
        sso::{LinkIdentity, NewIdentity},
    },
    domain::{ConnectionId, Email, LinkId, MINUTE, RequestId, Status, UserId},
    error::{Budget, Error},
    gather::Named,
    keys::{Cell, hex, sha256},
    store::{
        Work, door,
        links::{self, Link, LinkState},
        organizations::{self, Organization},
        sso::{self as rows, Connection, Linked},
    },
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long somebody may take at the provider, and on our page afterwards, in milliseconds.
const PATIENCE: i64 = 10 * MINUTE;

/// Why nobody came in through a provider.
#[derive(Debug)]
pub enum Failed {
    /// It is the provider's, or the connection's.
    Provider(Fault),
    /// It is ours.
    Ours(Error),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Provider(fault)
    }
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Ours(error.into())
    }
}

/// Where the provider with this issuer sends this organization's browsers back to: the address that is registered there.
///
/// Each organization has one of its own for each issuer. So the address alone tells which provider was asked, also where a
/// provider does not say in its answer who it is, and no provider is ever shown another one's code (RFC 9700, section
/// 4.4.2). It follows from slug and issuer only: it can be registered before there is a connection, and stays when the
/// client id changes or the connection is made anew.
#[must_use]
pub fn redirect_uri(app: &App, slug: &str, issuer: &str) -> String {
    format!("{}/sign-in/sso/callback/{}", app.public_url.as_str(), callback_key(slug, issuer))
}

/// The last segment of that address: the slug, a hyphen, and the first 8 bytes of the SHA-256 of the issuer as it was
/// connected, in hexadecimal. Those have a fixed length, so two organizations never share one. An issuer for several tenants
/// counts as it is written, without any tenant.
fn callback_key(slug: &str, issuer: &str) -> String {
    format!("{slug}-{}", hex(&sha256(issuer.as_bytes())[..8]))
}

fn cell(org: i64, row: &str) -> Cell<'_> {
    Cell { org, table: "sso_connections", row, column: "client_secret" }
}

/// The provider of a connection, its secret unsealed.
fn provider(app: &App, connection: &Connection) -> Result<Provider, Error> {
    let broken = || Error::Internal("a connection's row does not read: add it anew".to_owned());
    let tenants: Vec<String> = connection.tenants.iter().flat_map(|tenants| tenants.split(',')).map(str::to_owned).collect();
    let issuer = Issuer::parse(&connection.issuer, &tenants).map_err(|_| broken())?;
    let row = rows::row_of(connection.id);
    let secret = app.keyring.open_cell(&cell(connection.org.number, &row), &connection.sealed_secret).ok_or_else(broken)?;
    let secret = Secret::new(String::from_utf8(secret.to_vec()).map_err(|_| broken())?);
    Provider::new(issuer, &connection.client_id, secret, connection.trusts_unverified_email).map_err(|_| broken())
}

// ---- going there and coming back ----

/// What for somebody goes to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// To come in.
    Enter,
    /// To accept the invite with this id, whose link they hold.
    Join(Uuid),
    /// To link an identity to their own account, signed in as this person.
    Link(Uuid),
}

/// What a browser carries to the provider and back.
#[derive(Serialize, Deserialize)]
struct Underway {
    org: i64,
    connection: Uuid,
    purpose: Purpose,
    flow: Flow,
    /// SHA-256 of the browser's mark: a cookie that somebody planted in another browser is good for nothing there.
    mark: [u8; 32],
    until: i64,
}

/// What a browser carries from the provider to our page: who it came back as.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Back {
    org: i64,
    connection: Uuid,
    /// What for.
    pub purpose: Purpose,
    issuer: String,
    subject: String,
    /// The address that the provider gave.
    pub email: Option<String>,
    email_verified: bool,
    /// The provider's suggestion.
    pub first_name: Option<String>,
    /// The provider's suggestion.
    pub last_name: Option<String>,
    /// SHA-256 of the journey's state.
    journey: [u8; 32],
    mark: [u8; 32],
    until: i64,
}

const UNDERWAY: &[u8] = b"sso under way";
const BACK: &[u8] = b"sso back";

fn sealed<T: Serialize>(app: &App, context: &[u8], value: &T) -> Result<String, Error> {
    let text = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(app.keyring.seal(&app.random, context, &text))
}

fn unsealed<T: for<'a> Deserialize<'a>>(app: &App, context: &[u8], text: &str) -> Option<T> {
    serde_json::from_slice(&app.keyring.open(context, text)?).ok()
}

/// Where to send the browser, and what it carries there and back.
#[derive(Debug)]
pub struct Begun {
    /// The provider's page.
    pub url: url::Url,
    /// A short name of this journey, from its state: what it carries is kept under it.
    pub journey: String,
    /// What it carries, sealed.
    pub luggage: String,
}

/// The short name of a journey: nothing of its state shows in it.
#[must_use]
pub fn journey(state: &str) -> String {
    hex(&sha256(state.as_bytes())[..8])
}

/// Sends somebody to a connection of this organization's.
///
/// # Errors
/// No such connection here, or a provider that does not answer.
pub async fn begin(app: &App, org: Org, connection: &str, purpose: Purpose, asking: Asking<'_>, mark: [u8; 32]) -> Result<Begun, Failed> {
    let connection = named(rows::connections(&app.pool, org).await?, Some(connection))?;
    let organization = organizations::by_number(&app.pool, org.number).await?.ok_or(Fault::State)?;
    let redirect_uri = redirect_uri(app, &organization.slug, &connection.issuer);
    let (url, flow) = sso::begin(&app.outbound, &app.random, &provider(app, &connection)?, &redirect_uri, asking).await?;
    let state = url.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| state.into_owned()).unwrap_or_default();
    let until = app.clock.now().plus(PATIENCE).as_millis();
    let underway = Underway { org: org.number, connection: connection.id.as_uuid(), purpose, flow, mark, until };
    Ok(Begun { url, journey: journey(&state), luggage: sealed(app, UNDERWAY, &underway)? })
}

/// The organization under a number from a sealed value, and its connection, if both are still there.
async fn still_there(app: &App, org: i64, connection: Uuid) -> Result<Option<(Organization, Connection)>, Error> {
    let organization = organizations::by_number(&app.pool, org).await?;
    let Some(organization) = organization.filter(|organization| organization.suspended_at.is_none()) else { return Ok(None) };
    let all = rows::connections(&app.pool, organization.org).await?;
    let live = all.into_iter().find(|live| live.id.as_uuid() == connection);
    Ok(live.map(|live| (organization, live)))
}

/// Whether a browser carries back already what this journey brought: then nothing is traded a second time.
#[must_use]
pub fn is_back(app: &App, journey: &str, luggage: &str, mark: Option<[u8; 32]>) -> bool {
    let back = unsealed::<Back>(app, BACK, luggage);
    back.is_some_and(|back| mark == Some(back.mark) && journey == hex(&back.journey[..8]))
}

/// Trades what the provider sent along for who it is; what the browser then carries to our page, sealed. `key` is the last
/// segment of the address that it came back at.
///
/// # Errors
/// [`Fault::State`] for a browser that began nothing, or took too long; [`Fault::Issuer`] for one that comes back at another
/// connection's address, of which no provider hears anything; else what the provider did wrong.
pub async fn come_back(app: &App, key: &str, luggage: &str, returned: &Returned, mark: Option<[u8; 32]>) -> Result<String, Failed> {
    let underway: Underway = unsealed(app, UNDERWAY, luggage).ok_or(Fault::State)?;
    if app.clock.now().as_millis() > underway.until || mark != Some(underway.mark) {
        return Err(Fault::State.into());
    }
    // One journey brings one code; whoever sends more would have us knock at the provider for nothing.
    app.trades
        .check(&sha256(luggage.as_bytes()))
        .map_err(|retry_after_ms| Error::RateLimited { budget: Budget::SignIn, retry_after_ms })?;
    let (organization, connection) = still_there(app, underway.org, underway.connection).await?.ok_or(Fault::State)?;
    if key != callback_key(&organization.slug, &connection.issuer) {
        return Err(Fault::Issuer.into());
    }
    let provider = provider(app, &connection)?;
    let redirect_uri = redirect_uri(app, &organization.slug, &connection.issuer);
    let identity = sso::finish(&app.outbound, &app.clock, &provider, &redirect_uri, &underway.flow, returned).await?;
    let Identity { issuer, subject, email, email_verified, first_name, last_name } = identity;
    let back = Back {
        org: underway.org,
        connection: underway.connection,
        purpose: underway.purpose,
        issuer,
        subject,
        email: email.map(|email| email.typed().to_owned()),
        email_verified,
        first_name,
        last_name,
        journey: sha256(returned.state.as_deref().unwrap_or_default().as_bytes()),
        mark: underway.mark,
        until: app.clock.now().plus(PATIENCE).as_millis(),
    };
    Ok(sealed(app, BACK, &back)?)
}

/// Who stands before our page, and what they could do there.
#[derive(Debug)]
pub enum Meeting {
    /// The identity opens this account.
    Enter(Box<Linked>),
    /// An invite waits for this address.
    Join(Box<Link>),
    /// The invite for this address has ended.
    InviteEnded(Box<Link>),
    /// The invite is for another address.
    OtherAddress(Box<Link>),
    /// An Active account has this address, and no identity like this one: its mailbox decides.
    Mailbox(String),
    /// The identity can be linked to the signed-in person's own account.
    Link,
    /// The identity opens the signed-in person's own account already.
    Connected,
    /// The account is deactivated; with the identity's own account, where it opens one.
    Deactivated(PersonRef, Option<Box<Linked>>),
    /// The identity opens this account already, and not the one it was brought for.
    Taken(Box<Linked>),
    /// The provider does not say that the address is the person's.
    Unverified,
    /// Nobody was invited with this address.
    Stranger,
}

/// Somebody who came back, and what was found of them.
#[derive(Debug)]
pub struct Met {
    /// What they carry.
    pub back: Back,
    /// Through which connection.
    pub connection: Connection,
    /// The organization's slug.
    pub slug: String,
    /// Its name.
    pub organization: String,
    /// What they could do.
    pub meeting: Meeting,
    /// Whether the journey has opened something before: then it opens nothing more.
    pub spent: bool,
}

impl Met {
    /// Whose account the journey opened, or connected, where it has done so.
    #[must_use]
    pub fn opened(&self) -> Option<UserId> {
        if !self.spent {
            return None;
        }
        match &self.meeting {
            Meeting::Enter(linked) => Some(linked.person.id),
            Meeting::Connected => match self.back.purpose {
                Purpose::Link(person) => Some(UserId::from_uuid(person)),
                Purpose::Enter | Purpose::Join(_) => None,
            },
            Meeting::Join(_)
            | Meeting::InviteEnded(_)
            | Meeting::OtherAddress(_)
            | Meeting::Mailbox(_)
            | Meeting::Link
            | Meeting::Deactivated(..)
            | Meeting::Taken(_)
            | Meeting::Unverified
            | Meeting::Stranger => None,
        }
    }
}

impl Back {
    fn address(&self) -> Option<Email> {
        self.email.as_deref().filter(|_| self.email_verified).and_then(|email| Email::parse(email).ok())
    }

    fn identity(&self) -> NewIdentity {
        NewIdentity {
            connection: ConnectionId::from_uuid(self.connection),
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            email: self.email.clone(),
        }
    }
}

/// Looks who came back. Changes nothing.
///
/// # Errors
/// [`Fault::State`] for what is no luggage of ours, or too old.
pub async fn meet(app: &App, luggage: &str, mark: Option<[u8; 32]>) -> Result<Met, Failed> {
    let back: Back = unsealed(app, BACK, luggage).ok_or(Fault::State)?;
    if app.clock.now().as_millis() > back.until || mark != Some(back.mark) {
        return Err(Fault::State.into());
    }
    let (organization, connection) = still_there(app, back.org, back.connection).await?.ok_or(Fault::State)?;
    let meeting = meeting(app, &connection, &back).await?;
    // Asked last, so that what a journey itself has changed is never shown as something it could still do.
    let spent = rows::is_spent(&app.pool, organization.org, back.journey).await?;
    Ok(Met { back, connection, slug: organization.slug, organization: organization.name, meeting, spent })
}

/// Spends a journey inside the write that it is brought for: it works once, like a link.
pub(super) async fn spend(work: &mut Work, journey: [u8; 32]) -> Result<(), Error> {
    if rows::spend(work, journey).await? { Ok(()) } else { Err(Error::DeadLink) }
}

/// The invite that somebody went to the provider for. One that was sent again meanwhile gives way to the newest.
async fn invite_of(app: &App, id: Uuid) -> Result<Option<Link>, Error> {
    let now = app.clock.now();
    let Some(link) = links::by_id(&app.pool, LinkId::from_uuid(id), now).await? else { return Ok(None) };
    Ok(match link.state {
        LinkState::Superseded => links::newest_of(&app.pool, link.person.key, now).await?,
        LinkState::Live | LinkState::Expired | LinkState::Withdrawn | LinkState::Used | LinkState::Suspended => Some(link),
    })
}

async fn meeting(app: &App, connection: &Connection, back: &Back) -> Result<Meeting, Failed> {
    let (org, now) = (connection.org, app.clock.now());
    if let Some(linked) = rows::linked(&app.pool, org, &back.issuer, &back.subject).await? {
        let own = match back.purpose {
            Purpose::Enter => true,
            Purpose::Join(id) => invite_of(app, id).await?.is_some_and(|invite| invite.person == linked.person),
            Purpose::Link(person) => linked.person.id.as_uuid() == person,
        };
        return Ok(match (linked.status, back.purpose) {
            (Status::Deactivated, _) => Meeting::Deactivated(linked.person, Some(Box::new(linked))),
            (Status::Active, Purpose::Link(_)) if own => Meeting::Connected,
            // Whoever has joined by it comes in by it, also where they set out to join.
            (Status::Active, Purpose::Enter | Purpose::Join(_)) if own => Meeting::Enter(Box::new(linked)),
            (Status::Active | Status::Pending, _) => Meeting::Taken(Box::new(linked)),
        });
    }
    if let Purpose::Link(_) = back.purpose {
        return Ok(Meeting::Link);
    }
    let Some(address) = back.address() else { return Ok(Meeting::Unverified) };
    let account = door::account(&app.pool, org, address.key()).await?;
    let invite = match back.purpose {
        Purpose::Join(id) => invite_of(app, id).await?,
        Purpose::Enter | Purpose::Link(_) => match &account {
            Some(account) if account.status == Status::Pending => links::newest_of(&app.pool, account.person.key, now).await?,
            Some(_) | None => None,
        },
    };
    if let Some(invite) = invite.filter(|invite| invite.org == org) {
        let invited = Email::parse(&invite.email)?;
        if invited.key() != address.key() {
            return Ok(Meeting::OtherAddress(Box::new(invite)));
        }
        match invite.state {
            LinkState::Live => return Ok(Meeting::Join(Box::new(invite))),
            LinkState::Expired | LinkState::Superseded | LinkState::Withdrawn | LinkState::Suspended => {
                return Ok(Meeting::InviteEnded(Box::new(invite)));
            }
            // Its person is here, by another way: what their account is now decides.
            LinkState::Used => {}
        }
    }
    Ok(match account {
        Some(account) => match account.status {
            Status::Active => Meeting::Mailbox(address.typed().to_owned()),
            Status::Deactivated => Meeting::Deactivated(account.person, None),
            Status::Pending => Meeting::Stranger,
        },
        None => Meeting::Stranger,
    })
}

/// Notes that somebody came back and gets no further (R-B55, R-B59): in the organization's log where it is about one of its
/// people, else among the strangers, with the caller's address as it is kept of those.
pub fn turned_away(app: &App, met: &Met, address: Option<[u8; 32]>, request_id: RequestId) {
    let now = app.clock.now();
    let by_identity = |linked: &Linked| {
        let call = arrival(app, met.connection.org, linked.person, &linked.email_key, met.connection.id).call(request_id);
        (call.actor, format!("{} {}", linked.first_name, linked.last_name))
    };
    let by_invite = |invite: &Link| (link::actor(invite), format!("{} {}", invite.first_name, invite.last_name));
    let by_nobody = || (signing_in::machine(app, met.connection.org).actor, String::new());
    let (person, (actor, name), error) = match &met.meeting {
        Meeting::Deactivated(person, None) => (*person, by_nobody(), Error::UserDeactivated),
        Meeting::Deactivated(person, Some(linked)) => (*person, by_identity(linked), Error::UserDeactivated),
        Meeting::Taken(linked) => (linked.person, by_identity(linked), TAKEN),
        Meeting::OtherAddress(invite) => (invite.person, by_invite(invite), Error::SignInRefused),
        Meeting::InviteEnded(invite) => (invite.person, by_invite(invite), Error::DeadLink),
        Meeting::Unverified => return app.evidence.stranger(now, "sso_unverified", "web", address),
        Meeting::Stranger => return app.evidence.stranger(now, "sso_uninvited", "web", address),
        Meeting::Enter(_) | Meeting::Join(_) | Meeting::Mailbox(_) | Meeting::Link | Meeting::Connected => return,
    };
    let action = match met.back.purpose {
        Purpose::Enter => "sign_in:sso",
        Purpose::Join(_) => AcceptInvite::NAME,
        Purpose::Link(_) => LinkIdentity::NAME,
    };
    let code = error.code().as_str();
    // The only name in the entry is the actor's own, which is at hand: which entry was the last does not matter.
    app.evidence.refused(now, &actor, &name, action, None, Named::User(person.id), code, request_id, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_organizations_and_no_two_issuers_have_one_address() {
        let issuers =
            ["https://accounts.google.com", "https://accounts.google.com/", "https://login.microsoftonline.com/organizations/v2.0"];
        let keys: Vec<_> = ["acme", "acme-2", "acm"].iter().flat_map(|slug| issuers.map(|issuer| callback_key(slug, issuer))).collect();
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len(), "{keys:?}");
        // What is registered somewhere must not change with a release.
        assert_eq!(keys[0], "acme-89a8000a68d759c6");
    }
}
