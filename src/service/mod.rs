//! One function per use case. MCP tools, pages and commands are thin fronts on these.
//!
//! Each reads as a recipe: parse, begin (lock), facts, authorize, write, finish. [`Writing`] holds what all
//! writes share: the permission asked before anything else, dry runs, idempotency keys, and that whatever
//! was read inside the transaction is answered only once it is durable.

pub mod access;
pub mod ai_access;
pub mod audit;
pub mod groups;
pub mod joining;
pub mod limits;
pub mod mail;
pub mod me;
pub mod organizations;
pub mod parse;
pub mod passwords;
pub mod people;
pub mod roster;
pub mod second_factor;
pub mod signing_in;
pub mod slack;
pub mod sso;
pub mod tokens;
pub mod view;

use crate::{
    app::App,
    authz::{self, Action, Actor, Authorized, Standing},
    domain::{GroupId, Invalid, RequestId, Untrusted, UserId},
    error::Error,
    store::{
        Context, Work,
        idempotency::{self, Once},
        people::Who,
    },
};

/// How a unit of work may be run again: the database's own conflicts, a bounded number of times, in one place.
const TRIES: u32 = 5;

/// Runs a use case again when two transactions met in a way that the database can't order
/// (serialization failure, deadlock).
pub async fn retrying<T, F>(mut run: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut tries = 0;
    loop {
        match run().await {
            Err(error) if error.is_retryable() && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_millis(u64::from(tries) * 7)).await;
            }
            other => return other,
        }
    }
}

/// The three arguments of every write.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Run the same code, then take everything back.
    pub dry_run: bool,
    /// Why, for the audit log.
    pub reason: Option<Untrusted>,
    /// By what a repeat of this write is known.
    pub once: Option<Once>,
}

/// One call of a use case, whichever surface it came from.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who acts.
    pub actor: Actor,
    /// What they could do when this request was authenticated. Reads decide on it; writes ask again under the lock.
    pub standing: Standing,
    /// Which request.
    pub request_id: RequestId,
    /// Which tool.
    pub tool: Option<&'static str>,
    /// A write's options.
    pub options: WriteOptions,
}

impl Call {
    /// A call without a tool, and without options.
    #[must_use]
    pub fn new(actor: Actor, standing: Standing, request_id: RequestId) -> Self {
        Self { actor, standing, request_id, tool: None, options: WriteOptions::default() }
    }

    /// The same under a number of its own.
    #[must_use]
    pub fn numbered(app: &App, actor: Actor, standing: Standing) -> Self {
        Self::new(actor, standing, RequestId::new(app.clock.now(), &app.random))
    }

    /// A call of the operator on the host.
    #[must_use]
    pub fn on_the_host(app: &App, org: authz::Org) -> Self {
        Self::numbered(app, Actor::operator_on_the_host(org), Standing::above_roles())
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            request_id: self.request_id,
            tool: self.tool,
            reason: self.options.reason.as_ref().map(|reason| reason.as_str().to_owned()),
        }
    }
}

/// A write that is under way.
pub(crate) struct Writing<'a> {
    pub(crate) app: &'a App,
    call: &'a Call,
    pub(crate) work: Work,
    /// Read under the lock.
    pub(crate) standing: Standing,
    mails: bool,
}

/// What a use case did.
pub(crate) struct Done<T> {
    /// The answer.
    pub(crate) value: T,
    /// Whether anything is other than before.
    pub(crate) changed: bool,
    /// What a repeat under the same idempotency key is about.
    pub(crate) about: About,
}

/// Whom and what a call was about, by id: all that an idempotency key's row keeps of it. A repeat is answered from
/// these, because the names it was called with may have become somebody else's since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) users: Vec<UserId>,
    pub(crate) access_groups: Vec<GroupId>,
}

impl About {
    pub(crate) fn user(id: UserId) -> Self {
        Self { users: vec![id], access_groups: Vec::new() }
    }

    pub(crate) fn access_group(id: GroupId) -> Self {
        Self { users: Vec::new(), access_groups: vec![id] }
    }

    /// As the row keeps it: `user:ID` and `access_group:ID`, separated by spaces.
    fn to_text(&self) -> String {
        let users = self.users.iter().map(|id| format!("user:{id}"));
        users.chain(self.access_groups.iter().map(|id| format!("access_group:{id}"))).collect::<Vec<_>>().join(" ")
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let mut about = Self::default();
        for word in text.split_whitespace() {
            let known = match word.split_once(':') {
                Some(("user", id)) => UserId::parse(id).map(|id| about.users.push(id)),
                Some(("access_group", id)) => GroupId::parse(id).map(|id| about.access_groups.push(id)),
                Some(_) | None => None,
            };
            known.ok_or_else(|| Error::Internal("an idempotency key's row does not say what it is about".to_owned()))?;
        }
        Ok(about)
    }

    /// The person a repeat is about.
    pub(crate) fn who(&self) -> Result<Who, Error> {
        let id = self.users.first().ok_or_else(|| Error::Internal("an idempotency key's row names no person".to_owned()))?;
        Ok(Who::Id(*id))
    }
}

impl<'a> Writing<'a> {
    /// Asks for the tool's own permission (before any look-up, and before taking the lock, so that a flood of
    /// refused calls holds nobody up), takes the lock, and asks again there.
    pub(crate) async fn begin<A: Action>(app: &'a App, call: &'a Call, own: bool) -> Result<Self, Error> {
        authz::needs::<A>(&call.actor, &call.standing, own)?;
        let mut work = Work::begin(&app.pool, call.actor.org(), call.context(), &app.clock, &app.random).await?;
        let standing = match work.standing(&call.actor).await {
            Ok(Some(standing)) => standing,
            Ok(None) => {
                work.rollback().await?;
                return Err(Error::Unauthenticated);
            }
            Err(error) => {
                work.rollback().await?;
                return Err(error.into());
            }
        };
        if let Err(reason) = authz::needs::<A>(&call.actor, &standing, own) {
            work.rollback().await?;
            return Err(reason.into());
        }
        Ok(Self { app, call, work, standing, mails: false })
    }

    /// What this call's idempotency key stood for before, if it did: asked before any look-up.
    pub(crate) async fn repeats(&mut self) -> Result<Option<About>, Error> {
        let (Some(once), Some(credential)) = (&self.call.options.once, self.call.actor.credential_id()) else { return Ok(None) };
        let Some(known) = idempotency::recall(&mut self.work, credential.as_uuid(), once).await? else { return Ok(None) };
        if known.digest != once.digest {
            return Err(Error::Clash {
                said: "This idempotency_key was used with other arguments.",
                hint: "Give each call a key of its own; repeat a key only with the same arguments.",
            });
        }
        About::parse(&known.subject).map(Some)
    }

    /// Asks for the power to do `action`. A repeat is asked whether it still may, and gets no proof, for it never acts.
    pub(crate) fn ask<A: Action>(&self, action: A, repeat: bool) -> Result<Option<Authorized<A>>, Error> {
        let actor = &self.call.actor;
        if repeat {
            authz::again(actor, &self.standing, &action)?;
            return Ok(None);
        }
        Ok(Some(authz::authorize(actor, &self.standing, action)?))
    }

    /// Once this commits there is mail to send.
    pub(crate) fn mails(&mut self) {
        self.mails = true;
    }

    /// Commits what was done; takes back a refusal, a dry run, or a write that already held.
    pub(crate) async fn finish<T>(mut self, result: Result<Done<T>, Error>) -> Result<T, Error> {
        let done = match result {
            Ok(done) => done,
            Err(error) => {
                self.work.rollback().await?;
                return Err(error);
            }
        };
        if self.call.options.dry_run {
            self.work.rollback().await?;
            return Ok(done.value);
        }
        let remembered = match self.remember(&done.about.to_text()).await {
            Ok(remembered) => remembered,
            Err(error) => {
                self.work.rollback().await?;
                return Err(error);
            }
        };
        if done.changed || remembered {
            self.work.commit().await?;
        } else {
            self.work.rollback().await?;
        }
        if self.mails && done.changed {
            self.app.mail.bell.wake();
            // Who is invited or joins may be looked up.
            self.app.slack.bell.wake();
        }
        Ok(done.value)
    }

    async fn remember(&mut self, subject: &str) -> Result<bool, Error> {
        let (Some(once), Some(credential)) = (&self.call.options.once, self.call.actor.credential_id()) else { return Ok(false) };
        idempotency::remember(&mut self.work, credential.as_uuid(), once, subject).await?;
        Ok(true)
    }
}

/// Somebody changed it since the caller read it.
pub(crate) fn same_version(wanted: Option<i64>, version: i64) -> Result<(), Error> {
    match wanted {
        Some(wanted) if wanted != version => {
            Err(Error::Conflict("Somebody changed this since you read it: if_version is not its version now."))
        }
        Some(_) | None => Ok(()),
    }
}

/// Somebody changed it since it was shown to whoever decides: a form's way of saying the same.
pub(crate) fn same_as_seen<T: PartialEq>(seen: Option<T>, now: &T) -> Result<(), Error> {
    match seen {
        Some(seen) if seen != *now => Err(Error::Conflict("Somebody changed this since you saw it.")),
        Some(_) | None => Ok(()),
    }
}

/// A refusal of one argument.
pub(crate) fn invalid(field: &'static str, message: &'static str, hint: &'static str) -> Error {
    Error::Invalid(Invalid { field, message: message.into(), hint: Some(hint.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_was_about_reads_back() {
        let random = crate::domain::Random::seeded(7);
        let now = crate::domain::Timestamp::from_millis(1_764_000_000_000);
        let about =
            About { users: vec![UserId::new(now, &random), UserId::new(now, &random)], access_groups: vec![GroupId::new(now, &random)] };
        assert_eq!(About::parse(&about.to_text()).unwrap(), about);
        assert_eq!(About::parse("").unwrap(), About::default());
        assert!(About::parse("user:ana@example.com").is_err());
    }
}
