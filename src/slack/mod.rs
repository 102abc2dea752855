//! Slack: people's ids there, looked up by address through the outbox.
//!
//! An invite or an acceptance writes that its person is to be looked up, in its own transaction; a worker asks Slack
//! afterwards. So no invite waits for Slack or fails by it. One organization's token asks for its own people only, and
//! where Slack wants to be left alone, takes its time, or takes a token no longer, that organization's queue waits and no other.

pub mod api;

use crate::{
    app::{App, SharedApp},
    authz::slack::may_be_found,
    domain::{Channel, Email},
    service::slack::{self as service, Answered},
    store::{
        StoreError,
        outbox::Fate,
        slack::{self as rows, Connection, DueLookUp},
    },
    worker::{self, Bell, Errand, LEASE, Verdict},
};
use api::Refusal;
use std::sync::Arc;
use tokio_util::task::TaskTracker;
use url::Url;

/// The way to Slack.
#[derive(Debug)]
pub struct Slack {
    /// Where its Web API is.
    pub url: Url,
    /// How the worker is woken and ended.
    pub bell: Bell,
    /// What is being asked at present, for each organization by itself.
    pub under_way: TaskTracker,
}

/// For how many organizations this node asks at once.
const AT_ONCE: i64 = 16;

impl Slack {
    /// From the operator's setting.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(url: &str) -> Result<Self, String> {
        Ok(Self { url: api::parse_url(url)?, bell: Bell::default(), under_way: TaskTracker::new() })
    }
}

/// One round of the worker: leases who is to be looked up, and lets each organization's few be asked for by themselves, so that
/// none waits for the answers to another. How many were leased.
pub async fn round(app: &SharedApp) -> Result<usize, StoreError> {
    let free = AT_ONCE.saturating_sub(i64::try_from(app.slack.under_way.len()).unwrap_or(AT_ONCE));
    if app.slack.bell.is_closing() || free == 0 {
        return Ok(0);
    }
    let mut handled = 0;
    for (lease, due) in rows::lease(&app.pool, app.clock.now(), LEASE, free).await? {
        handled += due.len();
        let app = Arc::clone(app);
        app.slack.under_way.clone().spawn(async move {
            let mut carrier = Carrier { app: &app, down: None };
            if let Err(error) = worker::round(&app, &app.slack.bell, &mut carrier, (lease, due)).await {
                tracing::warn!(%error, "looking an organization's people up failed; it is tried again once their lease has run out");
            }
            // There may be more of its people.
            app.slack.bell.wake();
        });
    }
    Ok(handled)
}

/// Takes the questions of one organization to Slack.
struct Carrier<'a> {
    app: &'a App,
    /// Why Slack cannot be reached at present.
    down: Option<&'static str>,
}

impl worker::Carrier for Carrier<'_> {
    type Due = DueLookUp;
    const CHANNEL: Channel = Channel::Slack;

    fn errand(due: &DueLookUp) -> Errand {
        Errand { id: due.id, org: due.org, user: due.user, name: due.name.clone(), attempts: due.attempts, open_since: due.open_since }
    }

    async fn carry(&mut self, due: &DueLookUp) -> Verdict {
        let app = self.app;
        if let Some(code) = self.down {
            return Self::again(app, due, code);
        }
        match self.look_up(due).await {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::warn!(row = %due.id, %error, "what Slack answered could not be written; it is asked again");
                Self::again(app, due, "unavailable")
            }
        }
    }
}

impl Carrier<'_> {
    async fn look_up(&mut self, due: &DueLookUp) -> Result<Verdict, StoreError> {
        let app = self.app;
        // As it is now: this row may have waited for the answers to others.
        let Some(connection) = rows::connection(&app.pool, due.org).await? else { return Ok(Verdict::Fate(Fate::Superseded)) };
        let held = connection.held_until.is_some_and(|until| until > app.clock.now());
        if held || connection.facts.stopped.is_some() {
            return Ok(Verdict::Left);
        }
        // A newer node wrote it, and can ask it.
        let Some(why) = due.why else { return Ok(Self::again(app, due, "unknown_letter")) };
        let now = rows::now(&app.pool, due).await?;
        // Slack need not hear of who is gone, nor of whom the answer would not be written.
        if may_be_found(now.status, now.has_one, now.decided, why).is_err() {
            return Ok(Verdict::Fate(Fate::Superseded));
        }
        let Ok(email) = Email::parse(&due.email) else { return Ok(Verdict::Fate(Fate::Superseded)) };
        let Some(token) = service::token(app, &connection) else {
            tracing::error!(organization = %due.org.id, "the token for Slack cannot be opened: run `usher slack connect` again");
            return Ok(Self::again(app, due, "unsealed"));
        };
        let answer = api::look_up(&app.outbound, &app.slack.url, &token, &email.ascii()).await;
        if app.pool.faults().hit("slack.answered").is_some() {
            return Ok(Self::again(app, due, "unanswered"));
        }
        match answer {
            Ok(None) => Ok(Verdict::Fate(Fate::Nobody)),
            Ok(Some(slack_id)) => match service::found(app, due, why, &connection, slack_id).await? {
                Answered::Written => Ok(Verdict::Noted),
                Answered::Known => Ok(Verdict::Fate(Fate::Sent)),
                Answered::Unwanted => Ok(Verdict::Fate(Fate::Superseded)),
            },
            Err(refusal) => self.refused(due, &connection, refusal).await,
        }
    }

    fn again(app: &App, due: &DueLookUp, code: &'static str) -> Verdict {
        <Self as worker::Carrier>::errand(due).again(app.clock.now(), code)
    }

    async fn refused(&mut self, due: &DueLookUp, connection: &Connection, refusal: Refusal) -> Result<Verdict, StoreError> {
        let app = self.app;
        let (organization, code) = (due.org.id, refusal.as_str());
        match refusal {
            Refusal::Later(pause) => {
                rows::hold(&app.pool, connection, app.clock.now().plus(pause)).await?;
                tracing::info!(%organization, pause_ms = pause, "Slack wants to be left alone; its look-ups wait");
                Ok(Verdict::Left)
            }
            Refusal::Stop(stop) => {
                service::stopped(app, connection, stop).await?;
                tracing::warn!(%organization, code, "Slack takes this organization's token no longer; `usher slack test` says what to do");
                Ok(Verdict::Left)
            }
            Refusal::Call(_) | Refusal::Trouble => {
                if refusal.is_of_every_question() {
                    self.down = Some(code);
                }
                tracing::warn!(row = %due.id, %organization, code, "Slack could not be asked; it is tried again");
                Ok(Self::again(app, due, code))
            }
        }
    }
}
