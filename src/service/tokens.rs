//! Personal MCP tokens: made by their owners on a page of theirs, or on the host; ended by them and by whoever may.

use super::{
    About, Call, Done, Writing, limits, parse,
    people::{names_oneself, person},
};
use crate::{
    app::App,
    authn::credential,
    authz::{
        self, Actor, Standing, Visible,
        door::Proved,
        tokens::{CreateToken, EndAiAccess, RevokeToken},
    },
    domain::{CredentialId, DAY, Invalid, Settings, Status, TOKEN_DAYS, Timestamp, Untrusted, UserId, builtin},
    error::Error,
    keys::sha256,
    store::{
        Work,
        credentials::{self, Place, Token},
        door, organizations,
        people::{self, Who},
    },
};
use usher_tools::Needs;

/// A new token; its text is shown once and kept nowhere.
#[derive(Debug)]
pub struct NewToken {
    /// The secret.
    pub token: String,
    /// Its id.
    pub id: CredentialId,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Characters of what a token is called, at most.
pub const MAX_LABEL: usize = 100;
/// How many tokens of one person are shown.
const SHOWN: i64 = 100;

/// What a token is to be, as somebody asks for it.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// What it is called.
    pub label: &'a str,
    /// After how many days it ends; without any it lives as long as is usual there.
    pub days: Option<u32>,
    /// Whether it only reads.
    pub read_only: bool,
    /// When whoever asks was last proved; none on the host.
    pub proved_at: Option<Timestamp>,
}

/// Makes a token for an Active person of an organization that is not suspended: one's own, or anybody's on the host.
///
/// `None` for a form that comes a second time: it has made its token, whose text nobody has any more. Errors:
/// [`authz::Reason::NotProvedAnew`] where whoever asks was not proved lately.
pub async fn create(app: &App, call: &Call, user: &str, asked: &Asked<'_>) -> Result<Option<NewToken>, Error> {
    let who = parse::who("user", user)?;
    let label = parse::line("label", asked.label, MAX_LABEL)?;
    if label.is_empty() {
        return Err(super::invalid(
            "label",
            "A token needs a name, by which it is known later.",
            "Say where it will live, such as a laptop.",
        ));
    }
    let mut writing = Writing::begin::<CreateToken>(app, call, false).await?;
    let wanted = Wanted { who, label, days: asked.days, write: !asked.read_only, proved_at: asked.proved_at };
    let result = async {
        if writing.repeats().await?.is_some() {
            return Ok(Done { value: None, changed: false, about: About::default() });
        }
        limits::one_more_token(&mut writing).await?;
        let made = issue(app, &mut writing.work, &call.actor, &writing.standing, wanted).await?;
        Ok(Done { value: Some(made), changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// How many days a token lives, within what its organization decided.
fn days(wanted: Option<u32>, settings: &Settings) -> Result<u32, Error> {
    let days = wanted.unwrap_or_else(|| settings.usual_token_days());
    let most = settings.most_token_days.min(*TOKEN_DAYS.end());
    if (*TOKEN_DAYS.start()..=most).contains(&days) {
        return Ok(days);
    }
    let refused = Invalid::new("expires_in_days", format!("A token lives 1 to {most} days here."));
    Err(refused.with_hint(format!("Pass a number of days from 1 to {most}.")).into())
}

/// A token to be made.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) who: Who,
    pub(super) label: Untrusted,
    /// As long as is usual where none is said.
    pub(super) days: Option<u32>,
    pub(super) write: bool,
    pub(super) proved_at: Option<Timestamp>,
}

/// Makes a token within a unit of work.
pub(super) async fn issue(app: &App, work: &mut Work, actor: &Actor, standing: &Standing, wanted: Wanted) -> Result<NewToken, Error> {
    let found = people::facts(work, &wanted.who).await?.ok_or(Error::UserNotFound)?;
    let (_, suspended) = organizations::now(work).await?;
    if suspended {
        return Err(Error::Clash {
            said: "This organization is suspended: its tokens let nobody in.",
            hint: "Let people in again with `usher org resume`, then make the token.",
        });
    }
    let days = days(wanted.days, &door::settings(work).await?)?;
    let locator = organizations::locator(work).await?;
    let token = credential::new_token(&locator, &app.random);
    let now = work.now();
    let id = CredentialId::new(now, &app.random);
    let expires_at = now.plus(i64::from(days) * DAY);
    let (hash, status) = (sha256(token.as_bytes()), found.facts.status);
    let action = CreateToken {
        person: found.facts,
        id,
        label: wanted.label,
        hash,
        write: wanted.write,
        expires_at,
        proved: Proved { at: wanted.proved_at, now },
    };
    let proof = authz::authorize(actor, standing, action).map_err(|reason| match status {
        Status::Active => reason.into(),
        Status::Pending | Status::Deactivated => Error::Clash {
            said: "Only an Active person can have a token.",
            hint: "Let them accept their invite first; `usher user reactivate` lets a deactivated person back in.",
        },
    })?;
    credentials::create(work, proof).await?;
    Ok(NewToken { token, id, expires_at })
}

/// All tokens of the organization, or of one person in it; newest first.
pub async fn list(app: &App, call: &Call, user: Option<&str>) -> Result<Vec<Token>, Error> {
    authz::holds(&call.standing, Needs::Permission(builtin::MCP_TOKENS_READ), false)?;
    let org = call.actor.org();
    let key = match user {
        None => None,
        Some(text) => {
            let who = parse::who("user", text)?;
            Some(people::find(&app.pool, org, &who, Visible::All).await?.ok_or(Error::UserNotFound)?.key)
        }
    };
    Ok(credentials::list(&app.pool, org, key).await?)
}

/// The tokens of one person that work now, newest first: one's own, or anybody's for whoever may know of them.
pub async fn live_of(app: &App, call: &Call, user: UserId) -> Result<Vec<Token>, Error> {
    let own = call.actor.is(user);
    authz::holds(&call.standing, Needs::PermissionUnlessSelf(builtin::MCP_TOKENS_READ), own)?;
    let key = match call.actor.user().filter(|_| own) {
        Some(person) => person.key,
        None => people::find(&app.pool, call.actor.org(), &Who::Id(user), Visible::All).await?.ok_or(Error::UserNotFound)?.key,
    };
    Ok(credentials::page(&app.pool, call.actor.org(), Some(key), Place::BEFORE_ALL, app.clock.now(), SHOWN).await?)
}

/// A token, and whether it was this call that ended it.
#[derive(Debug)]
pub struct Revoked {
    /// The token, ended.
    pub token: Token,
    /// Whether it worked until now.
    pub changed: bool,
}

/// Ends a token. Whose it is decides whether it needs a permission, so that is looked at first; what can be no token's id is
/// nobody's.
pub async fn revoke(app: &App, call: &Call, id: &str) -> Result<Revoked, Error> {
    let Some(id) = CredentialId::parse(id.trim()) else {
        authz::needs::<RevokeToken>(&call.actor, &call.standing, false)?;
        return Err(Error::CredentialNotFound);
    };
    let owner = credentials::owner(&app.pool, call.actor.org(), id).await?;
    let own = owner.is_some_and(|owner| call.actor.is(owner));
    let mut writing = Writing::begin::<RevokeToken>(app, call, own).await?;
    let result = async {
        let repeat = writing.repeats().await?.is_some();
        let token = credentials::find(&mut writing.work, id).await?.ok_or(Error::CredentialNotFound)?;
        let about = About::user(token.user);
        let action = RevokeToken { id, user: token.user, role: token.role, label: token.label.clone() };
        let changed = match writing.ask(action, repeat)? {
            Some(proof) => credentials::revoke(&mut writing.work, proof).await?,
            None => false,
        };
        let revoked_at = token.revoked_at.or_else(|| changed.then(|| writing.work.now()));
        Ok(Done { value: Revoked { token: Token { revoked_at, ..token }, changed }, changed, about })
    }
    .await;
    writing.finish(result).await
}

/// Ends everything by which programs act as a person, who stays as they are; how many tokens were alive.
pub async fn end_all(app: &App, call: &Call, who: &Who) -> Result<u64, Error> {
    let own = names_oneself(app, call, who).await?;
    let mut writing = Writing::begin::<EndAiAccess>(app, call, own).await?;
    let result = async {
        let repeat = writing.repeats().await?;
        let found = person(&mut writing, repeat.as_ref(), who).await?;
        let about = About::user(found.facts.person.id);
        let ended = match writing.ask(EndAiAccess { person: found.facts }, repeat.is_some())? {
            Some(proof) => credentials::end_tokens(&mut writing.work, proof).await?,
            None => 0,
        };
        Ok(Done { value: ended, changed: ended > 0, about })
    }
    .await;
    writing.finish(result).await
}
