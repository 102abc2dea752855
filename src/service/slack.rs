//! Connecting an organization to its Slack workspace, looking people up there, and what is written of the answers.

use super::{About, Call, Done, Writing, parse, same_as_seen};
use crate::{
    app::App,
    authz::{
        self, Actor, Reason, Standing,
        organization::sees_settings,
        slack::{AskSlack, ConnectSlack, DisconnectSlack, FoundInSlack, StopSlack},
    },
    domain::{Channel, ConnectionId, Email, LookUp, SlackBy, SlackId, SlackStop, Workspace},
    error::Error,
    keys::Cell,
    slack::api::{self, Refusal, Token},
    store::{
        StoreError, Work, organizations,
        people::{self, Who},
        slack::{self as rows, Connection, DueLookUp},
    },
    worker,
};

/// Why something about Slack did not happen.
#[derive(Debug)]
pub enum Failed {
    /// It is Slack's, or the token's.
    Slack(Refusal),
    /// It is ours.
    Ours(Error),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Slack(refusal)
    }
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Ours(error.into())
    }
}

const OTHER_WORKSPACE: Error = Error::Clash {
    said: "Another workspace is connected, whose ids mean nothing in this one.",
    hint: "Run `usher slack disconnect` first.",
};
const NOT_CONNECTED: Error = Error::Clash { said: "No Slack workspace is connected.", hint: "Run `usher slack connect` first." };

fn cell(org: i64, row: &str) -> Cell<'_> {
    Cell { org, table: "slack_connections", row, column: "token" }
}

/// The token of a connection, unsealed.
#[must_use]
pub fn token(app: &App, connection: &Connection) -> Option<Token> {
    let row = connection.facts.id.to_string();
    let token = app.keyring.open_cell(&cell(connection.org.number, &row), &connection.facts.sealed_token)?;
    Token::parse(std::str::from_utf8(&token).ok()?).ok()
}

/// Connects a workspace, or puts another token in place for the one that is connected; who waits to be looked up is looked up.
///
/// # Errors
/// A token that Slack does not take, or that belongs to another workspace than the one that is connected; [`Error::Conflict`]
/// where somebody put another token in place since `seen`, what [`Connection::registration`] said of the one that was seen.
pub async fn connect(app: &App, call: &Call, token: &Token, seen: Option<&str>) -> Result<Workspace, Failed> {
    authz::needs::<ConnectSlack>(&call.actor, &call.standing, false)?;
    let workspace = api::whose(&app.outbound, &app.slack.url, token).await?;
    let org = call.actor.org();
    let mut writing = Writing::begin::<ConnectSlack>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?.is_some();
        let connection = rows::connection_locked(&mut writing.work).await?;
        if repeat {
            let now = connection.as_ref().and_then(|connection| self::token(app, connection));
            same_as_seen(Some(token.expose()), &now.as_ref().map_or("", Token::expose))?;
            return Ok(Done { value: (), changed: false, about: About::default() });
        }
        let registration = connection.as_ref().map(Connection::registration).unwrap_or_default();
        let before = connection.map(|connection| connection.facts);
        let id = before.as_ref().map_or_else(|| ConnectionId::new(writing.work.now(), &app.random), |before| before.id);
        let sealed_token = app.keyring.seal_cell(&app.random, &cell(org.number, &id.to_string()), token.expose().as_bytes());
        let action = ConnectSlack { id, workspace: workspace.clone(), sealed_token, before };
        let proof = authz::authorize(&call.actor, &writing.standing, action).map_err(|reason| match reason {
            Reason::WayClosed => OTHER_WORKSPACE,
            other => other.into(),
        })?;
        same_as_seen(seen, &registration.as_str())?;
        rows::connect(&mut writing.work, proof).await?;
        Ok(Done { value: (), changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await?;
    app.slack.bell.wake();
    Ok(workspace)
}

/// What is known of a connection, and what Slack says of its token now.
#[derive(Debug)]
pub struct Tested {
    /// What is kept.
    pub connection: Connection,
    /// How many people wait to be looked up.
    pub waiting: i64,
    /// What Slack says.
    pub answer: Result<Workspace, Refusal>,
}

/// The connection of an organization, if it has one, and how many people wait to be looked up, for whoever sees its settings.
///
/// # Errors
/// What no holder of `settings:read` is answered.
pub async fn state(app: &App, call: &Call) -> Result<Option<(Connection, i64)>, Error> {
    sees_settings(&call.standing)?;
    let org = call.actor.org();
    let Some(connection) = rows::connection(&app.pool, org).await? else { return Ok(None) };
    Ok(Some((connection, rows::waiting(&app.pool, org).await?)))
}

/// Asks Slack whose token the organization's is. Changes nothing.
///
/// # Errors
/// Where no workspace is connected, or the token cannot be opened; what nobody without `settings:update` is answered.
pub async fn test(app: &App, call: &Call) -> Result<Tested, Error> {
    authz::needs::<ConnectSlack>(&call.actor, &call.standing, false)?;
    let org = call.actor.org();
    let connection = rows::connection(&app.pool, org).await?.ok_or(NOT_CONNECTED)?;
    let token = token(app, &connection)
        .ok_or_else(|| Error::Internal("the token for Slack cannot be opened: run `usher slack connect` again".to_owned()))?;
    let answer = api::whose(&app.outbound, &app.slack.url, &token).await;
    Ok(Tested { waiting: rows::waiting(&app.pool, org).await?, connection, answer })
}

/// Ends the connection: its token is forgotten. Slack IDs that people have stay.
///
/// # Errors
/// Where no workspace is connected; for the same call again where one was connected since, which stays.
pub async fn disconnect(app: &App, call: &Call) -> Result<Workspace, Error> {
    let mut writing = Writing::begin::<DisconnectSlack>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?.is_some();
        let connection = rows::connection_locked(&mut writing.work).await?.ok_or(NOT_CONNECTED)?.facts;
        if repeat {
            return Err(Error::Conflict("Slack was connected again since."));
        }
        let workspace = connection.workspace.clone();
        let proof = authz::authorize(&call.actor, &writing.standing, DisconnectSlack { connection })?;
        rows::disconnect(&mut writing.work, proof).await?;
        Ok(Done { value: workspace, changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// Lets one person be looked up, or everybody who has no Slack ID, also where it was cleared by hand, or one that was looked up
/// in another workspace. How many wait for it.
///
/// # Errors
/// Where no workspace is connected, Slack takes its token no longer or the organization is suspended, and for somebody whose Slack ID was set by hand.
pub async fn ask(app: &App, call: &Call, user: Option<&str>) -> Result<u64, Error> {
    let who = user.map(|user| parse::who("user", user)).transpose()?;
    let mut writing = Writing::begin::<AskSlack>(app, call, false).await?;
    let result = async {
        if writing.repeats().await?.is_some() {
            return Ok(Done { value: 0, changed: false, about: About::default() });
        }
        let connection = rows::connection_locked(&mut writing.work).await?.ok_or(NOT_CONNECTED)?;
        if connection.facts.stopped.is_some() {
            return Err(Error::Clash { said: "Slack does not take the token any more.", hint: "`usher slack test` says what to do." });
        }
        if organizations::now(&mut writing.work).await?.1 {
            return Err(Error::Conflict("This organization is suspended, and nobody of it is looked up: run `usher org resume` first."));
        }
        let person = match &who {
            Some(who) => Some(people::facts(&mut writing.work, who).await?.ok_or(Error::UserNotFound)?),
            None => None,
        };
        let by_hand = person.as_ref().is_some_and(|found| found.slack_id.is_some() && found.slack_by != Some(SlackBy::LookUp));
        let action = AskSlack { person: person.map(|found| found.facts), by_hand };
        let proof = authz::authorize(&call.actor, &writing.standing, action).map_err(|reason| match reason {
            Reason::WayClosed => Error::Conflict("Their Slack ID was set by hand, and stays: clear it first."),
            other => other.into(),
        })?;
        let queued = rows::ask(&mut writing.work, proof).await?;
        Ok(Done { value: queued, changed: true, about: About::default() })
    }
    .await;
    let queued = writing.finish(result).await?;
    app.slack.bell.wake();
    Ok(queued)
}

// ---- what the worker writes ----

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It is the person's Slack ID from now on.
    Written,
    /// It was so before.
    Known,
    /// The person, or the connection, is no more; or somebody decided otherwise by hand.
    Unwanted,
}

/// A machine's unit of work over `found` facts: committed where something was written.
async fn finish<T>(work: Work, result: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(Some(done)) => work.commit().await.map(|()| Some(done)),
        Ok(None) => work.rollback().await.map(|()| None),
        Err(error) => {
            work.rollback().await?;
            Err(error)
        }
    }
}

/// Writes what Slack answered, if it is still wanted.
///
/// # Errors
/// The database.
pub async fn found(app: &App, due: &DueLookUp, why: LookUp, asked: &Connection, slack_id: SlackId) -> Result<Answered, StoreError> {
    let actor = Actor::system(due.org, worker::task(Channel::Slack));
    let mut work = worker::begin(app, due.org).await?;
    let mut answered = Answered::Unwanted;
    let result = async {
        let Some(found) = people::facts(&mut work, &Who::Id(due.user)).await? else { return Ok(None) };
        let Ok(email) = Email::parse(&found.email) else { return Ok(None) };
        let connection = rows::connection_locked(&mut work).await?;
        let known = found.slack_id.as_deref() == Some(slack_id.as_str());
        let action = FoundInSlack {
            folded: people::folded(&found.first_name, &found.last_name, &email, Some(slack_id.as_str())),
            person: found.facts.clone(),
            slack_id,
            why,
            has_one: found.slack_id.is_some(),
            decided: found.slack_by,
            connected: connection.is_some_and(|connection| connection.facts.id == asked.facts.id),
        };
        let Ok(proof) = authz::authorize(&actor, &Standing::above_roles(), action) else { return Ok(None) };
        if known {
            answered = Answered::Known;
            return Ok(None);
        }
        answered = Answered::Written;
        rows::found(&mut work, proof, &found, due.id).await.map(Some)
    }
    .await;
    finish(work, result).await?;
    Ok(answered)
}

/// Notes that Slack takes a connection's token no longer, unless another has been put in its place.
///
/// # Errors
/// The database.
pub async fn stopped(app: &App, asked: &Connection, stop: SlackStop) -> Result<(), StoreError> {
    let actor = Actor::system(asked.org, worker::task(Channel::Slack));
    let mut work = worker::begin(app, asked.org).await?;
    let result = async {
        let Some(connection) = rows::connection_locked(&mut work).await? else { return Ok(None) };
        let action = StopSlack { connection: connection.facts, refused_token: asked.facts.sealed_token.clone(), stop };
        match authz::authorize(&actor, &Standing::above_roles(), action) {
            Ok(proof) => rows::stop(&mut work, proof).await.map(Some),
            Err(_) => Ok(None),
        }
    }
    .await;
    finish(work, result).await?;
    Ok(())
}
