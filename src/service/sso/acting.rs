//! Acting on what somebody brought back from a provider: coming in, joining, connecting it to an account of one's own.

use super::{Met, Purpose, footing, keeps_footing, spend};
use crate::{
    app::App,
    authn::session::Browser,
    authz::{
        self, CredentialKind, Org, PersonRef,
        action::{AcceptInvite, Joining},
        door::{Proved, SendLink, Via},
        sso::{LinkIdentity, LinkProof, NewIdentity, UnlinkIdentity},
    },
    domain::{Asked, ConnectionId, Email, LinkId, LinkKind, PersonName, RequestId, Status},
    error::Error,
    keys::sha256,
    service::{
        About, Call, Done, Writing, retrying,
        signing_in::{self, Arrival, Letter, Opened, Shown, come_in, come_in_beside},
    },
    store::{
        door,
        links::{self, Link, LinkState},
        people::{self, Who},
        sessions::Session,
        sso::{self as rows, Linked},
    },
};

pub(super) fn arrival(app: &App, org: Org, person: PersonRef, email_key: &str, connection: ConnectionId) -> Arrival {
    Arrival {
        person,
        org,
        kind: CredentialKind::Identity,
        credential: connection.as_uuid(),
        via: Via::Sso,
        mailbox: app.keyring.mailbox(email_key),
    }
}

/// Comes in by an identity that opens an account; and into every other organization that asks this very issuer by this very
/// client, where the identity opens one, too (B06).
///
/// # Errors
/// [`Error::SignInRefused`] and the like where it opens nothing any more.
pub async fn enter(app: &App, met: &Met, linked: &Linked, browser: &Browser, request_id: RequestId) -> Result<Opened, Error> {
    let (issuer, subject) = (met.back.issuer.as_str(), met.back.subject.as_str());
    let connection = &met.connection;
    let first = arrival(app, connection.org, linked.person, &linked.email_key, connection.id);
    let elsewhere = rows::elsewhere(&app.pool, connection, issuer, subject).await?;
    let shown = Shown::Identity(connection.id, issuer, subject, Some(met.back.journey));
    let opened = come_in(app, &first, browser, request_id, shown, None).await?;
    for (org, other) in elsewhere {
        let there = arrival(app, org, other.person, &other.email_key, other.connection);
        come_in_beside(app, &there, browser, request_id, Shown::Identity(other.connection, issuer, subject, None), &opened).await;
    }
    Ok(opened)
}

/// Accepts the invite that waits for the identity's address, and comes in.
///
/// # Errors
/// Names that do not read, or a link that has ended meanwhile.
pub async fn join(
    app: &App,
    met: &Met,
    link: &Link,
    names: (&str, &str),
    browser: &Browser,
    request_id: RequestId,
) -> Result<Opened, Error> {
    let name = PersonName::parse(names.0, names.1)?;
    let email = Email::parse(&link.email)?;
    let arrival = arrival(app, met.connection.org, link.person, email.key(), met.connection.id);
    let call = arrival.call(request_id);
    retrying(|| accept(app, &call, met, link.id, &name)).await?;
    come_in(app, &arrival, browser, request_id, Shown::Invite, None).await
}

async fn accept(app: &App, call: &Call, met: &Met, link: LinkId, name: &PersonName) -> Result<(), Error> {
    let mut writing = Writing::begin::<AcceptInvite>(app, call, true).await?;
    let result = async {
        spend(&mut writing.work, met.back.journey).await?;
        let link = links::by_id_locked(&mut writing.work, link).await?.ok_or(Error::DeadLink)?;
        let found = people::facts(&mut writing.work, &Who::Id(link.person.id)).await?.ok_or(Error::DeadLink)?;
        let email = Email::parse(&found.email)?;
        let joining = Joining::Identity {
            identity: met.back.identity(),
            connected: rows::is_connected(&mut writing.work, met.connection.id).await?,
            same_address: met.back.address().is_some_and(|address| address.key() == email.key()),
            holds_link: matches!(met.back.purpose, Purpose::Join(_)),
        };
        let action = AcceptInvite {
            person: found.facts.clone(),
            link: link.id,
            expires_at: link.expires_at,
            ended: link.state != LinkState::Live,
            now: writing.work.now(),
            name: name.clone(),
            folded: people::folded(name.first(), name.last(), &email, found.slack_id.as_deref()),
            joining,
        };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        if !people::accept(&mut writing.work, proof, &found).await? {
            return Err(TAKEN);
        }
        Ok(Done { value: (), changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// The identity opens another account.
pub(super) const TAKEN: Error = Error::Conflict("This sign-in opens another account here already.");

/// Mails the account with the identity's address a link that connects both, in this browser.
///
/// # Errors
/// No way to send mail, or the database.
pub async fn ask_mailbox(app: &App, met: &Met, mark: [u8; 32]) -> Result<(), Error> {
    if app.mail.route().is_none() {
        return Err(Error::MailUnavailable);
    }
    let Some(address) = met.back.address() else { return Ok(()) };
    let account = door::account(&app.pool, met.connection.org, address.key()).await?.filter(|account| account.status == Status::Active);
    let Some(account) = account else { return Ok(()) };
    let call = signing_in::machine(app, account.org);
    let detail = serde_json::to_string(&met.back.identity()).map_err(|error| Error::Internal(error.to_string()))?;
    retrying(|| async {
        let known = door::is_known(&app.pool, account.person.key, Some(mark)).await?;
        let asked = Asked { connection: Some(met.connection.id), ..Asked::default() };
        let letter = Letter { kind: LinkKind::Identity, browser: (mark, known), asked, detail: Some(detail.clone()) };
        let mut writing = Writing::begin::<SendLink>(app, &call, false).await?;
        let result = async {
            spend(&mut writing.work, met.back.journey).await?;
            let sent = signing_in::send_link(&mut writing, &call, account.person, &letter).await?;
            // Spent also where the mailbox's budget is: the identity may open the account before the journey's time is over.
            Ok(Done { changed: true, ..sent })
        }
        .await;
        writing.finish(result).await
    })
    .await
}

/// Connects an identity by the link that its account's mailbox got, in the browser that came with it, and comes in.
///
/// # Errors
/// [`Error::DeadLink`] for a link that is not good here and now.
pub async fn by_mailbox(app: &App, seen: &door::Link, token: &str, browser: &Browser, request_id: RequestId) -> Result<Opened, Error> {
    let detail = seen.detail.as_deref().ok_or(Error::DeadLink)?;
    let identity: NewIdentity = serde_json::from_str(detail).map_err(|_| Error::DeadLink)?;
    let arrival = arrival(app, seen.org, seen.person, &seen.email_key, identity.connection);
    let call = arrival.call(request_id);
    retrying(|| async {
        let mut writing = Writing::begin::<LinkIdentity>(app, &call, true).await?;
        let result = async {
            let link = door::by_hash_locked(&mut writing.work, sha256(token.as_bytes())).await?.ok_or(Error::DeadLink)?;
            let proof = LinkProof::Mailbox { link: link.facts, browser: browser.mark, same: link.detail.as_deref() == Some(detail) };
            link_identity(&mut writing, &call, seen.person, &identity, proof).await
        }
        .await;
        writing.finish(result).await
    })
    .await?;
    let shown = Shown::Identity(identity.connection, &identity.issuer, &identity.subject, None);
    come_in(app, &arrival, browser, request_id, shown, None).await
}

async fn link_identity(
    writing: &mut Writing<'_>,
    call: &Call,
    person: PersonRef,
    identity: &NewIdentity,
    proof: LinkProof,
) -> Result<Done<()>, Error> {
    let found = people::facts(&mut writing.work, &Who::Id(person.id)).await?.ok_or(Error::UserNotFound)?;
    let connected = rows::is_connected(&mut writing.work, identity.connection).await?;
    let now = writing.work.now();
    let action = LinkIdentity { person: found.facts, identity: identity.clone(), connected, proof, now };
    let proof = authz::authorize(&call.actor, &writing.standing, action)?;
    if !rows::link(&mut writing.work, proof).await? {
        return Err(TAKEN);
    }
    Ok(Done { value: (), changed: true, about: About::default() })
}

/// Links an identity to the signed-in person's own account, for which it was brought.
///
/// # Errors
/// [`Error::SignInRefused`] without a fresh proof of oneself; [`Error::Conflict`] for one that opens an account already.
pub async fn link_own(app: &App, call: &Call, session: &Session, met: &Met) -> Result<(), Error> {
    let own = met.back.purpose == Purpose::Link(session.person.id.as_uuid()) && met.connection.org == session.org;
    if !own {
        return Err(Error::SignInRefused);
    }
    let identity = met.back.identity();
    retrying(|| async {
        let mut writing = Writing::begin::<LinkIdentity>(app, call, true).await?;
        let proof = LinkProof::Fresh { proved_at: session.proved_at };
        let result = async {
            spend(&mut writing.work, met.back.journey).await?;
            link_identity(&mut writing, call, session.person, &identity, proof).await
        }
        .await;
        writing.finish(result).await
    })
    .await
}

/// Takes an identity away from the signed-in person's own account.
///
/// # Errors
/// `NotProvedAnew` without a fresh proof of oneself; [`Error::SignInRefused`] for the last one where there is no other way in; [`Error::Clash`] for what required single sign-on
/// rests on.
pub async fn unlink_own(app: &App, call: &Call, session: &Session, issuer: &str, subject: &str) -> Result<bool, Error> {
    let person = session.person;
    retrying(|| async {
        let mut writing = Writing::begin::<UnlinkIdentity>(app, call, true).await?;
        let result = async {
            let found = people::facts(&mut writing.work, &Who::Id(person.id)).await?.ok_or(Error::UserNotFound)?;
            let sso_required = door::settings(&mut writing.work).await?.sso_required;
            let others = rows::live_beside(&mut writing.work, person.key, issuer, subject).await?;
            let footing = footing(&mut writing).await?;
            let identity = (issuer.to_owned(), subject.to_owned());
            let proved = Proved { at: Some(session.proved_at), now: writing.work.now() };
            let action = UnlinkIdentity { person: found.facts, identity, sso_required, others, proved };
            let proof = authz::authorize(&call.actor, &writing.standing, action)?;
            let changed = rows::unlink(&mut writing.work, proof).await?;
            keeps_footing(&mut writing, footing).await?;
            Ok(Done { value: changed, changed, about: About::default() })
        }
        .await;
        writing.finish(result).await
    })
    .await
}
