//! Ending and giving back somebody's access: GET says on a page of its own what that means, only its POST does it (B20).

use super::{
    super::{
        done::{Done, go_and_say_of},
        door::go_to,
        inviting, page, said,
        signed_in::{Drawn, Fields, Try, Typed, named},
        views::person::{ConfirmPage, Field},
        visitor::Visitor,
    },
    found, framed, place, why,
};
use crate::{
    app::SharedApp,
    authz::{
        Action as _, Reason,
        action::{DeactivateUser, ReactivateUser},
    },
    domain::UserId,
    error::Error,
    service::{
        Call, parse,
        people::{self, Looked},
        retrying,
    },
};
use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use usher_tools::{self as contract, bounds};

/// The form: at most why.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ReasonForm {
    #[serde(rename = "as")]
    drawn_for: String,
    pub(super) reason: String,
}

impl Fields for ReasonForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        vec![("Reason", self.reason.clone())]
    }
}

/// Puts the reason into a call; none where nothing was typed.
pub(super) fn give_reason(call: &mut Call, typed: &str) -> Result<(), Error> {
    let reason = parse::line("reason", typed, bounds::REASON as usize)?;
    call.options.reason = Some(reason).filter(|reason| !reason.is_empty());
    Ok(())
}

/// What a confirmation says beside what ends and stays.
struct Words {
    question: &'static str,
    keep: &'static str,
    act: &'static str,
    later: &'static str,
    is_danger: bool,
}

const DEACTIVATE: Words = Words {
    question: "Deactivate",
    keep: "Keep active",
    act: "Deactivate",
    later: "You can reactivate them later. Nothing revives by itself then: they sign in anew and connect their tools anew.",
    is_danger: true,
};
const WITHDRAW: Words = Words {
    question: "Withdraw the invite of",
    keep: "Keep invite",
    act: "Withdraw invite of",
    later: "They stay on the roster as Deactivated. Reactivating them sends a new invite.",
    is_danger: true,
};
const REACTIVATE: Words = Words {
    question: "Reactivate",
    keep: "Keep deactivated",
    act: "Reactivate",
    later: "Nothing revives by itself: they sign in anew and connect their tools anew.",
    is_danger: false,
};
const INVITE_AGAIN: Words = Words {
    question: "Reactivate",
    keep: "Keep deactivated",
    act: "Reactivate",
    later: "They never joined, so they are Pending until they open the new link.",
    is_danger: false,
};

/// Why something was not done, and what was typed as its reason.
#[derive(Default)]
pub(super) struct Trouble<'a> {
    pub(super) why: Option<&'a str>,
    pub(super) reason: Field,
    /// Whether it was tried; else somebody only looks.
    pub(super) tried: bool,
    /// Whether it can be done by trying again.
    pub(super) possible: bool,
    /// What to think of before it is done.
    pub(super) warning: Option<String>,
}

fn confirm(
    app: &SharedApp,
    tried: &Try<'_>,
    user: &contract::User,
    words: &Words,
    (ends, keeps): (&[String], &[String]),
    trouble: &Trouble<'_>,
) -> Response {
    let back = place(&user.id);
    let path = if words.is_danger { "deactivate" } else { "reactivate" };
    let view = ConfirmPage {
        frame: &framed(app, tried),
        name: &user.full_name(),
        action: &format!("{back}/{path}"),
        back: &back,
        question: words.question,
        ends,
        keeps,
        later: words.later,
        warning: trouble.warning.as_deref().filter(|_| trouble.possible),
        keep: words.keep,
        act: words.act,
        is_danger: words.is_danger,
        reason: &trouble.reason,
        possible: trouble.possible,
        why: trouble.why,
        tried: trouble.tried,
    };
    page(app, &view)
}

fn counted(count: u64, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    }
}

/// What a deactivation would end, in words.
fn ends(user: &contract::User, ended: &contract::Ended) -> Vec<String> {
    let pending = user.activated_at.is_none();
    let several: [Option<String>; 3] = [
        counted(ended.sessions, "browser session", "browser sessions"),
        counted(ended.mcp_tokens, "MCP token; its next call gets 401 Unauthorized", "MCP tokens; their next call gets 401 Unauthorized"),
        if pending {
            counted(ended.links, "invite link", "invite links")
        } else {
            counted(ended.links, "mailed link that still works", "mailed links that still work")
        },
    ];
    let several: Vec<String> = several.into_iter().flatten().collect();
    match (several.is_empty(), pending) {
        (false, _) => several,
        (true, true) => vec!["Their place in the organization; no link of theirs works any more".to_owned()],
        (true, false) => vec!["Signing in; no session, token or link of theirs works now".to_owned()],
    }
}

fn groups(user: &contract::User, then: &str) -> String {
    match user.access_groups.len() {
        0 => format!("They are in no access group{then}"),
        1 => format!("Their access group{then}"),
        count => format!("Their {count} access groups{then}"),
    }
}

async fn draw_deactivation(app: &SharedApp, tried: &Try<'_>, user: &contract::User, trouble: &Trouble<'_>) -> Response {
    let words = if user.activated_at.is_none() { &WITHDRAW } else { &DEACTIVATE };
    let mut ended = contract::Ended::default();
    if trouble.possible {
        let would = match UserId::parse(&user.id) {
            Some(id) => people::would_end(app, &tried.call, id, &tried.visitor.now.settings).await,
            None => Err(Error::UserNotFound),
        };
        match would {
            Ok(would) => ended = would,
            Err(error) => {
                return match impossible(&error) {
                    Some(why) => {
                        let trouble = Trouble { why: Some(&why), possible: false, ..Trouble::default() };
                        confirm(app, tried, user, words, (&[], &[]), &trouble)
                    }
                    None => tried.refused(app, &error),
                };
            }
        }
    }
    let ends = if trouble.possible { ends(user, &ended) } else { Vec::new() };
    let mut keeps = vec!["Their entries in the audit log".to_owned()];
    if !user.access_groups.is_empty() {
        keeps.insert(0, groups(user, ", for the day you reactivate them"));
    }
    confirm(app, tried, user, words, (&ends, if trouble.possible { &keeps } else { &[] }), trouble)
}

/// Why something is not done whoever tries it again: nothing where that is not for this page to say.
fn impossible(error: &Error) -> Option<String> {
    match error {
        Error::Denied(Reason::Permission(_) | Reason::Scope) => None,
        Error::Denied(reason) => Some(why(reason)),
        Error::Clash { said, hint } => Some(format!("{said} {hint}")),
        other => inviting::passing(other),
    }
}

/// What stands in the way before anything is tried: the answer where that is for nobody to know.
fn before(may: &Result<(), Reason>) -> Result<Option<String>, Error> {
    match may {
        Ok(()) => Ok(None),
        Err(Reason::Permission(permission)) => Err(Reason::Permission(permission).into()),
        Err(reason) => Ok(Some(why(reason))),
    }
}

/// `GET /users/{id}/deactivate`: what it would end.
pub async fn ask(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, visitor: Visitor) -> Response {
    let tried = Try::to_look(&app, &visitor);
    let (id, Looked { user, may, .. }) = match found(&app, &tried, named(segment)).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let why = match before(&may.deactivate) {
        Ok(why) => why,
        Err(error) => return tried.refused(&app, &error),
    };
    if user.status == contract::Status::Deactivated {
        return go_to(&app, &place(id));
    }
    let trouble = Trouble { why: why.as_deref(), possible: why.is_none(), ..Trouble::default() };
    draw_deactivation(&app, &tried, &user, &trouble).await
}

/// `POST /users/{id}/deactivate`: ends all access at once; of who has not joined, the invite.
pub async fn deactivate(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<ReasonForm>) -> Response {
    let asked = named(segment);
    let mut tried = drawn.tries(&app, DeactivateUser::NAME, asked);
    let (id, Looked { user, .. }) = match found(&app, &tried, asked).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let params = contract::DeactivateUserParams { user: user.id.clone(), ..Default::default() };
    let done = match give_reason(&mut tried.call, &drawn.form.reason) {
        Ok(()) => retrying(|| people::deactivate(&app, &tried.call, &params)).await.map(|done| done.user),
        Err(error) => Err(error),
    };
    match done {
        Ok(now) => {
            let done = match (now.status, user.activated_at.is_none()) {
                (contract::Status::Deactivated, true) => Done::Withdrawn,
                (contract::Status::Deactivated, false) => Done::Deactivated,
                (contract::Status::Active | contract::Status::Pending, _) => Done::MovedOn,
            };
            go_and_say_of(&app, &place(id), done, id)
        }
        Err(error) => match trouble(&error, &drawn.form) {
            Some((message, reason, possible)) => {
                tried.note(&app, &error);
                let trouble = Trouble { why: message.as_deref(), reason, tried: true, possible, warning: None };
                draw_deactivation(&app, &tried, &user, &trouble).await
            }
            None => tried.refused(&app, &error),
        },
    }
}

/// What the page says of a refusal: why, the field of the reason, and whether trying again can help.
pub(super) fn trouble(error: &Error, form: &ReasonForm) -> Option<(Option<String>, Field, bool)> {
    let typed = |error| Field { value: form.reason.clone(), now: None, error };
    match error {
        Error::Invalid(invalid) if invalid.field == "reason" => Some((None, typed(Some(said(invalid))), true)),
        Error::RateLimited { .. } => Some((inviting::passing(error), typed(None), true)),
        other => Some((Some(impossible(other)?), typed(None), false)),
    }
}

fn draw_reactivation(app: &SharedApp, tried: &Try<'_>, user: &contract::User, trouble: &Trouble<'_>) -> Response {
    let joined = user.activated_at.is_some();
    let mut keeps = Vec::new();
    if joined {
        keeps.push("They can sign in again at once, and connect AI tools".to_owned());
    } else {
        keeps.push("They get an email with a new link that works for 7 days".to_owned());
    }
    if user.role == contract::Role::Administrator {
        keeps.push("They are an Administrator, with everything".to_owned());
    } else {
        keeps.push(groups(
            user,
            if user.access_groups.is_empty() { ", and may do nothing until they are" } else { " hold again, with what they give now" },
        ));
    }
    let words = if joined { &REACTIVATE } else { &INVITE_AGAIN };
    confirm(app, tried, user, words, (&[], if trouble.possible { &keeps } else { &[] }), trouble)
}

/// What one more Administrator is answered, where there are many already (B05).
fn one_more(tried: &Try<'_>, user: &contract::User, administrators: i64) -> Option<String> {
    let is_one = user.role == contract::Role::Administrator;
    is_one.then(|| inviting::many(&tried.visitor.now.organization, administrators)).flatten()
}

/// `GET /users/{id}/reactivate`: what they would have.
pub async fn ask_back(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, visitor: Visitor) -> Response {
    let tried = Try::to_look(&app, &visitor);
    let (id, Looked { user, may, active_administrators, .. }) = match found(&app, &tried, named(segment)).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let why = match before(&may.reactivate) {
        Ok(why) => why,
        Err(error) => return tried.refused(&app, &error),
    };
    if user.status != contract::Status::Deactivated {
        return go_to(&app, &place(id));
    }
    let warning = one_more(&tried, &user, active_administrators);
    let trouble = Trouble { why: why.as_deref(), possible: why.is_none(), warning, ..Trouble::default() };
    draw_reactivation(&app, &tried, &user, &trouble)
}

/// `POST /users/{id}/reactivate`: lets them back in; who never joined gets a new invite.
pub async fn reactivate(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<ReasonForm>) -> Response {
    let asked = named(segment);
    let mut tried = drawn.tries(&app, ReactivateUser::NAME, asked);
    let (id, Looked { user, active_administrators, .. }) = match found(&app, &tried, asked).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let params = contract::ReactivateUserParams { user: user.id.clone(), ..Default::default() };
    let done = match give_reason(&mut tried.call, &drawn.form.reason) {
        Ok(()) => retrying(|| people::reactivate(&app, &tried.call, &params)).await.map(|done| done.user),
        Err(error) => Err(error),
    };
    match done {
        Ok(now) => {
            let done = match now.status {
                contract::Status::Pending => Done::InvitedAgain,
                contract::Status::Active => Done::Reactivated,
                contract::Status::Deactivated => Done::MovedOn,
            };
            go_and_say_of(&app, &place(id), done, id)
        }
        Err(error) => match trouble(&error, &drawn.form) {
            Some((message, reason, possible)) => {
                tried.note(&app, &error);
                let warning = one_more(&tried, &user, active_administrators);
                draw_reactivation(&app, &tried, &user, &Trouble { why: message.as_deref(), reason, tried: true, possible, warning })
            }
            None => tried.refused(&app, &error),
        },
    }
}
