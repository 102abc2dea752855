//! Links for signing in and for new passwords: asked for at the door, or made on the host.

use crate::{
    app::App,
    authn::link,
    authz::{
        self, Actor, PersonRef, Standing, SystemTask,
        door::{SendLink, Via, resets},
    },
    domain::{Asked, DAY, Email, LinkId, LinkKind, MINUTE, OutboxId, SECOND, Status, Timestamp},
    error::{Budget, Error},
    keys::sha256,
    service::{About, Call, Done, Writing, parse, retrying},
    store::{
        door::{self, Account, AskedFrom, Link, NewLink},
        organizations,
        people::{self, Who},
    },
};
use zeroize::Zeroizing;

/// Links to one mailbox, from browsers that its person never used: how many within how long, of whatever organization. A browser that
/// opened the account before has as many of its own.
pub(in crate::service) const LINK_BUDGET: [(i64, i64); 2] = [(3, 10 * MINUTE), (10, DAY)];
/// Links to one account from all browsers that opened it before: they are its person's, but for whoever can make browsers known.
const KNOWN_BUDGET: (i64, i64) = (30, DAY);

/// Somebody asked for a link.
#[derive(Clone)]
pub struct Knock {
    /// The address as typed.
    pub email: String,
    /// In which organization; none for all of them.
    pub org: Option<i64>,
    /// For what: signing in or a new password.
    pub kind: LinkKind,
    /// SHA-256 of the mark of the browser that asked.
    pub mark: [u8; 32],
    /// That browser in words of ours.
    pub label: String,
}

impl std::fmt::Debug for Knock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Knock").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Notes that somebody asked for a link; the answer to them is the same whatever becomes of it.
///
/// Errors: [`Error::MailUnavailable`] where no mail leaves this server, to whomever; [`Error::RateLimited`] where too many wait.
pub fn knock(app: &App, knock: Knock) -> Result<(), Error> {
    if app.mail.route().is_none() {
        return Err(Error::MailUnavailable);
    }
    if app.doorbell.ring(knock) { Ok(()) } else { Err(Error::RateLimited { budget: Budget::SignIn, retry_after_ms: SECOND }) }
}

/// Looks who lives behind the address, and mails the first of them that may come in this way one link.
pub async fn answer(app: &App, knock: &Knock) -> Result<(), Error> {
    let Ok(email) = Email::parse(&knock.email) else { return Ok(()) };
    let accounts = door::accounts(&app.pool, email.key(), knock.mark).await?;
    let wanted = accounts.iter().find(|account| {
        let open = match knock.kind {
            LinkKind::Reset => resets(&account.settings, account.role, account.password_hash.is_some()),
            LinkKind::SignIn | LinkKind::Identity | LinkKind::Operator | LinkKind::Invite | LinkKind::StartedReset => {
                Via::Link.is_open(&account.settings, account.role)
            }
        };
        let active = match account.status {
            Status::Active => true,
            Status::Pending | Status::Deactivated => false,
        };
        active && open && knock.org.is_none_or(|org| org == account.org.number)
    });
    let Some(account) = wanted else { return Ok(()) };
    if app.mail.route().is_none() {
        return Err(Error::MailUnavailable);
    }
    let call = machine(app, account.org);
    // Known to the account that is mailed: who lets whom into another organization is that one's affair.
    let known = door::is_known(&app.pool, account.person.key, Some(knock.mark)).await?;
    retrying(|| mail_link(app, &call, account, knock, known)).await
}

async fn mail_link(app: &App, call: &Call, account: &Account, knock: &Knock, known: bool) -> Result<(), Error> {
    let mut writing = Writing::begin::<SendLink>(app, call, false).await?;
    let asked = Asked { browser: Some(knock.label.clone()), ..Asked::default() };
    let letter = Letter { kind: knock.kind, browser: (knock.mark, known), asked, detail: None };
    let result = send_link(&mut writing, call, account.person, &letter).await;
    writing.finish(result).await
}

/// What a link for somebody is about.
pub(in crate::service) struct Letter {
    pub(in crate::service) kind: LinkKind,
    /// SHA-256 of the mark of the browser that asked, and whether the person has signed in from it before.
    pub(in crate::service) browser: ([u8; 32], bool),
    /// What the mail says beside it.
    pub(in crate::service) asked: Asked,
    /// What it is about beside its person, as JSON.
    pub(in crate::service) detail: Option<String>,
}

/// Mails somebody a link, as far as the budget of their mailbox goes.
pub(in crate::service) async fn send_link(
    writing: &mut Writing<'_>,
    call: &Call,
    person: PersonRef,
    letter: &Letter,
) -> Result<Done<()>, Error> {
    let nothing = Done { value: (), changed: false, about: About::default() };
    let (key, (mark, known)) = (person.key, letter.browser);
    let budgets: Vec<_> = if known {
        let own = LINK_BUDGET.map(|budget| (AskedFrom::Known(mark), budget));
        own.into_iter().chain([(AskedFrom::AnyKnown, KNOWN_BUDGET)]).collect()
    } else {
        LINK_BUDGET.map(|budget| (AskedFrom::Stranger, budget)).into()
    };
    for (by, (limit, window)) in budgets {
        let since = writing.work.now().plus(-window);
        if door::sent_to(&mut writing.work, key, by, since, limit).await? >= limit {
            // The links that are out go on working.
            return Ok(nothing);
        }
    }
    let Some(found) = people::facts(&mut writing.work, &Who::Id(person.id)).await? else { return Ok(nothing) };
    let settings = door::settings(&mut writing.work).await?;
    let has_password = door::password_hash(&mut writing.work, key).await?.is_some();
    let action = SendLink { person: found.facts, kind: letter.kind, has_password, settings };
    let Ok(proof) = authz::authorize(&call.actor, &writing.standing, action) else { return Ok(nothing) };
    let (mut new, _) = new_link(writing, key, letter.kind, Some(letter.browser), Some(letter.asked.clone())).await?;
    new.detail.clone_from(&letter.detail);
    door::send(&mut writing.work, proof, &new).await?;
    writing.mails();
    Ok(Done { value: (), changed: true, about: About::default() })
}

/// Draws the next link of a kind up, with its token.
pub(in crate::service) async fn new_link(
    writing: &mut Writing<'_>,
    user_key: i64,
    kind: LinkKind,
    browser: Option<([u8; 32], bool)>,
    mailed: Option<Asked>,
) -> Result<(NewLink, Zeroizing<String>), Error> {
    let now = writing.work.now();
    let id = LinkId::new(now, &writing.app.random);
    let generation = door::next_generation(&mut writing.work, user_key, kind).await?;
    let locator = organizations::locator(&mut writing.work).await?;
    let token = Zeroizing::new(writing.app.keyring.link_token(kind, &locator, id, generation));
    let link = NewLink {
        id,
        generation,
        hash: sha256(token.as_bytes()),
        browser: browser.map(|(mark, _)| mark),
        known: browser.is_some_and(|(_, known)| known),
        detail: None,
        mail: mailed.map(|asked| (OutboxId::new(now, &writing.app.random), asked)),
    };
    Ok((link, token))
}

pub(in crate::service) fn machine(app: &App, org: authz::Org) -> Call {
    Call::numbered(app, Actor::system(org, SystemTask::SignIn), Standing::above_roles())
}

/// Nobody signs in to a suspended organization: a link into it would open nothing, and who made it would wait for nothing.
pub(in crate::service) async fn not_suspended(writing: &mut Writing<'_>) -> Result<(), Error> {
    let (_, suspended) = organizations::now(&mut writing.work).await?;
    if suspended {
        return Err(Error::Clash {
            said: "This organization is suspended, and nobody signs in to it.",
            hint: "Let people in again with `usher org resume`, then make the link.",
        });
    }
    Ok(())
}

/// A link that the operator carries to somebody: any browser, one use, ten minutes.
pub async fn operator_link(app: &App, call: &Call, user: &str) -> Result<(Zeroizing<String>, Timestamp), Error> {
    let who = parse::who("user", user)?;
    let mut writing = Writing::begin::<SendLink>(app, call, false).await?;
    let result = async {
        let found = people::facts(&mut writing.work, &who).await?.ok_or(Error::UserNotFound)?;
        not_suspended(&mut writing).await?;
        let settings = door::settings(&mut writing.work).await?;
        let key = found.facts.person.key;
        let has_password = door::password_hash(&mut writing.work, key).await?.is_some();
        let action = SendLink { person: found.facts, kind: LinkKind::Operator, has_password, settings };
        let proof =
            authz::authorize(&call.actor, &writing.standing, action).map_err(|_| Error::Conflict("Only an Active person can sign in."))?;
        let (new, token) = new_link(&mut writing, key, LinkKind::Operator, None, None).await?;
        let expires_at = door::send(&mut writing.work, proof, &new).await?;
        let url = Zeroizing::new(format!("{}/link/{}", app.public_url.as_str(), token.as_str()));
        Ok(Done { value: (url, expires_at), changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// The link behind a token as it is now; `None` for what never was one.
pub async fn look(app: &App, token: &str) -> Result<Option<Link>, Error> {
    if !link::is_well_formed(token) {
        return Ok(None);
    }
    Ok(door::by_hash(&app.pool, sha256(token.as_bytes()), app.clock.now()).await?)
}
