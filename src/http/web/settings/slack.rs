//! The Slack workspace in the browser: its token, how it fares, and its end.

use super::{carried, for_setting_up, framed, just, may_look, may_try, trouble, trouble_or_conflict};
use crate::{
    app::SharedApp,
    authz::{
        Action as _,
        slack::{AskSlack, ConnectSlack, DisconnectSlack},
    },
    error::Error,
    http::web::{
        done::{self, Done, go_and_say},
        fault, page,
        signed_in::{Bare, Drawn, Fields, Try, Typed},
        views::{
            Fault, capitalized,
            settings::{DisconnectPage, Section, SlackPage, SlackState, Top, Trouble, Workspace},
            when::When,
        },
        visitor::Visitor,
    },
    service::{
        retrying,
        slack::{self, Failed},
    },
    slack::api::{Refusal, Token},
    store::slack::Connection,
};
use axum::{extract::State, http::HeaderMap, response::Response};
use zeroize::Zeroizing;

/// The forms of that page.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct SlackForm {
    #[serde(rename = "as")]
    drawn_for: String,
    #[serde(rename = "do")]
    act: String,
    seen: String,
    token: String,
}

impl Fields for SlackForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        // A token is a secret, and the rest are buttons.
        Vec::new()
    }
}

impl std::fmt::Debug for SlackForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlackForm").field("act", &self.act).finish_non_exhaustive()
    }
}

fn shown(app: &SharedApp, connection: &Connection, waiting: i64) -> Workspace {
    let (now, facts) = (app.clock.now(), &connection.facts);
    let state = match (facts.stopped, connection.held_until.filter(|until| *until > now)) {
        (Some(stop), _) => SlackState::Refused(connection.stopped_at.map(|since| When::new(since, now)), stop.words()),
        (None, Some(until)) => SlackState::Held(When::new(until, now)),
        (None, None) => SlackState::Working,
    };
    let (id, name) = (facts.workspace.id.clone(), facts.workspace.name.as_str().to_owned());
    Workspace { id, name, since: When::new(connection.created_at, now), state, waiting }
}

async fn draw(app: &SharedApp, visitor: &Visitor, sent: Option<&SlackForm>, just: Option<Done>, trouble: Option<&Trouble>) -> Response {
    let tried = Try::to_look(app, visitor);
    let state = match slack::state(app, &tried.call).await {
        Ok(state) => state,
        Err(error) => return tried.refused(app, &error),
    };
    let workspace = state.as_ref().map(|(connection, waiting)| shown(app, connection, *waiting));
    let view = SlackPage {
        frame: &framed(app, visitor),
        top: Top { here: Section::Slack, said: just.map(Done::sentence), trouble },
        save: for_setting_up(app, visitor),
        workspace: workspace.as_ref(),
        seen: &carried(
            // Only the form of the token carries what it was drawn with.
            sent.filter(|sent| !["test", "lookup"].contains(&sent.act.as_str())).map(|sent| sent.seen.as_str()),
            &state.map(|(connection, _)| connection.registration()).unwrap_or_default(),
            trouble,
        ),
    };
    done::said(app, page(app, &view), just)
}

/// `GET /settings/slack`.
pub async fn look(State(app): State<SharedApp>, visitor: Visitor, headers: HeaderMap) -> Response {
    match may_look(&app, &visitor) {
        Ok(()) => draw(&app, &visitor, None, just(&app, &headers), None).await,
        Err(response) => response,
    }
}

/// What Slack, or a token, lacks, as a sentence for the page.
fn refused(field: &'static str, words: &str) -> Trouble {
    Trouble { field, message: format!("{}.", capitalized(words)), conflict: false }
}

/// `POST /settings/slack`: another token, a question whether Slack takes the one that is there, or a look-up of everybody.
pub async fn act(State(app): State<SharedApp>, mut drawn: Drawn<SlackForm>) -> Response {
    let token = Zeroizing::new(std::mem::take(&mut drawn.form.token));
    let visitor = &drawn.visitor;
    let done = match drawn.form.act.as_str() {
        "test" => test(&app, visitor).await,
        "lookup" => look_up(&app, &drawn).await,
        _ => connect(&app, &drawn, &token).await,
    };
    match done {
        Ok(Ok(done)) => go_and_say(&app, Section::Slack.path(), done),
        Ok(Err(trouble)) => draw(&app, visitor, Some(&drawn.form), None, Some(&trouble)).await,
        Err(response) => *response,
    }
}

/// What was done, or why not where that can be mended on the page; else the answer.
type Outcome = Result<Result<Done, Trouble>, Box<Response>>;

fn mendable(app: &SharedApp, tried: &Try<'_>, error: &Error, trouble: Option<Trouble>) -> Outcome {
    match trouble {
        Some(trouble) => {
            tried.note(app, error);
            Ok(Err(trouble))
        }
        None => Err(Box::new(tried.refused(app, error))),
    }
}

async fn connect(app: &SharedApp, drawn: &Drawn<SlackForm>, token: &str) -> Outcome {
    let tried = drawn.tries(app, ConnectSlack::NAME, None);
    may_try::<ConnectSlack>(app, &tried).map_err(Box::new)?;
    let token = match Token::parse(token) {
        Ok(token) => token,
        Err(words) => return Ok(Err(refused("token", words))),
    };
    match slack::connect(app, &tried.call, &token, Some(&drawn.form.seen)).await {
        Ok(_) => Ok(Ok(Done::SlackConnected)),
        Err(Failed::Slack(refusal)) => Ok(Err(refused("token", &refusal.to_string()))),
        Err(Failed::Ours(error @ Error::Clash { .. })) => {
            let other =
                trouble(&error).map(|trouble| Trouble { message: format!("{} Disconnect that one first.", trouble.message), ..trouble });
            mendable(app, &tried, &error, other)
        }
        Err(Failed::Ours(error)) => mendable(
            app,
            &tried,
            &error,
            trouble_or_conflict(&error, "Another token is in place now. Type yours again and save, to put it in its place."),
        ),
    }
}

async fn test(app: &SharedApp, visitor: &Visitor) -> Outcome {
    let tried = Try::to_look(app, visitor);
    match slack::test(app, &tried.call).await {
        Ok(tested) => Ok(match (tested.answer, tested.connection.facts.stopped) {
            (Ok(_), None) => Ok(Done::SlackAnswers),
            // The stop ends where somebody says so.
            (Ok(_), Some(_)) => Err(refused("form", "Slack refused the token before and takes it again: save it anew, and look-ups go on")),
            (Err(refusal @ Refusal::Stop(_)), _) => Err(refused("form", &format!("{refusal}, then save its token here"))),
            (Err(refusal @ (Refusal::Later(_) | Refusal::Call(_) | Refusal::Trouble)), _) => Err(refused("form", &refusal.to_string())),
        }),
        Err(error) => mendable(app, &tried, &error, with_way_out(&error)),
    }
}

/// What stands in the way has a way out of its own here.
fn with_way_out(error: &Error) -> Option<Trouble> {
    let found = trouble(error)?;
    let is_clash = matches!(error, Error::Clash { .. });
    Some(if is_clash { Trouble { message: format!("{} Save a token that it takes here first.", found.message), ..found } } else { found })
}

async fn look_up(app: &SharedApp, drawn: &Drawn<SlackForm>) -> Outcome {
    let tried = drawn.tries(app, AskSlack::NAME, None);
    match retrying(|| slack::ask(app, &tried.call, None)).await {
        Ok(_) => Ok(Ok(Done::SlackAsked)),
        Err(error) => mendable(app, &tried, &error, with_way_out(&error)),
    }
}

/// The connected workspace, for whoever may end the connection; else the answer.
async fn connected(app: &SharedApp, tried: &Try<'_>) -> Result<Workspace, Response> {
    may_try::<DisconnectSlack>(app, tried)?;
    let state = slack::state(app, &tried.call).await.map_err(|error| tried.refused(app, &error))?;
    state.map(|(connection, waiting)| shown(app, &connection, waiting)).ok_or_else(|| fault(app, Fault::NotFound))
}

/// `GET /settings/slack/disconnect`: what would end.
pub async fn ask_disconnection(State(app): State<SharedApp>, visitor: Visitor) -> Response {
    match connected(&app, &Try::to_look(&app, &visitor)).await {
        Ok(workspace) => {
            let top = Top::of(Section::Slack);
            page(&app, &DisconnectPage { frame: &framed(&app, &visitor), top, workspace: &workspace })
        }
        Err(response) => response,
    }
}

/// `POST /settings/slack/disconnect`.
pub async fn disconnect(State(app): State<SharedApp>, drawn: Drawn<Bare>) -> Response {
    let tried = drawn.tries(&app, DisconnectSlack::NAME, None);
    match retrying(|| slack::disconnect(&app, &tried.call)).await {
        Ok(_) => go_and_say(&app, Section::Slack.path(), Done::SlackEnded),
        // Somebody else has ended it meanwhile: that is what was wanted.
        Err(error @ Error::Clash { .. }) => {
            tried.note(&app, &error);
            go_and_say(&app, Section::Slack.path(), Done::SlackEnded)
        }
        // The same form again, from a reload: what was connected since is none of its business.
        Err(error @ Error::Conflict(_)) => {
            tried.note(&app, &error);
            go_and_say(&app, Section::Slack.path(), Done::SettingsAsBefore)
        }
        Err(error) => tried.refused(&app, &error),
    }
}
