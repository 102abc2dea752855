//! What is one's own: names, password, sessions, and which account the browser looks at. It needs no permission.
//!
//! Every form carries the person it was drawn for. If the browser has moved on since, nothing is done, and the page says so
//! with what was typed.

use super::{
    Sent,
    clicked::Click,
    done::{self, Done, go_and_say},
    door::{go_to, visits},
    page, said, too_many, too_soon, unavailable,
    views::{
        FieldError, Moment,
        me::{Identity, MePage, Moved, MovedPage, Other, Password, SessionRow},
    },
    visitor::{self, Held, Visitor, opened, with_cookies},
};
use crate::{
    app::SharedApp,
    authn::sso::Asking,
    authz::{
        Reason,
        door::{Via, Which, is_fresh, resets},
    },
    domain::{CredentialId, LinkKind, Role, UserId},
    error::Error,
    http::auth::CallerAddress,
    service::{
        me as own, people, retrying,
        signing_in::{self, Knock},
        sso::{self, Purpose},
    },
    store::{
        sessions::{self, Session},
        sso as sso_rows,
    },
};
use axum::{Extension, extract::State, http::HeaderMap, response::Response};
use std::sync::Arc;
use usher_tools::UpdateUserParams;
use zeroize::Zeroizing;

/// A form of this page; each uses some of it.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct OwnForm {
    #[serde(rename = "as")]
    drawn_for: String,
    first_name: String,
    last_name: String,
    version: Option<i64>,
    current: String,
    password: String,
    #[serde(rename = "do")]
    act: String,
    end: String,
    to: String,
    connect: String,
    issuer: String,
    subject: String,
}

impl std::fmt::Debug for OwnForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnForm").finish_non_exhaustive()
    }
}

async fn show(app: &SharedApp, visitor: &Visitor, names: (&str, &str), done: Option<&str>, errors: &[FieldError<'_>]) -> Response {
    let session = &visitor.now;
    let mut listed = match sessions::of_person(&app.pool, session.person.key, app.clock.now()).await {
        Ok(listed) => listed,
        Err(error) => return unavailable(app, &error.into()),
    };
    listed.retain(|listed| listed.via.goes_on(&session.settings, session.standing.role, session.has_password));
    let texts: Vec<_> =
        listed.iter().map(|listed| (listed.id.to_string(), listed.created_at.to_rfc3339(), listed.created_at.short_utc())).collect();
    let rows: Vec<SessionRow<'_>> = listed
        .iter()
        .zip(&texts)
        .map(|(listed, (id, iso, words))| SessionRow {
            id,
            label: &listed.label,
            way: way(listed.via),
            since: Moment { iso, words },
            waits: listed.waits,
            this: listed.id == session.id,
        })
        .collect();
    let (identities, providers) =
        match (sso_rows::of_person(&app.pool, session.person.key).await, super::sso::providers(app, session.org).await) {
            (Ok(identities), Ok(providers)) => (identities, providers),
            (Err(error), _) => return unavailable(app, &error.into()),
            (_, Err(error)) => return unavailable(app, &error),
        };
    let identities: Vec<Identity> = identities
        .into_iter()
        .map(|identity| Identity {
            connection: identity.connection,
            live: identity.live,
            email: identity.email.unwrap_or_default(),
            issuer: identity.issuer,
            subject: identity.subject,
        })
        .collect();
    let others: Vec<Other> = visitor.others.iter().map(other).collect();
    page(
        app,
        &MePage {
            base: app.public_url.base(),
            id: &session.person.id.to_string(),
            person: &session.full_name(),
            first_name: names.0,
            last_name: names.1,
            version: session.version,
            email: &session.email,
            role: session.standing.role.shown(),
            is_administrator: session.standing.role == Role::Administrator,
            organization: &session.organization,
            mcp_url: &app.public_url.mcp(&session.slug),
            password: what_password(session),
            has_second_factor: session.has_second_factor,
            others: &others,
            sessions: &rows,
            identities: &identities,
            providers: &providers,
            said: done,
            errors,
        },
    )
}

/// An account beside the chosen one.
pub(super) fn other(session: &Session) -> Other {
    Other {
        session: session.id.to_string(),
        organization: session.organization.clone(),
        email: session.email.clone(),
        role: session.standing.role.shown(),
    }
}

fn way(via: Via) -> &'static str {
    match via {
        Via::Password => "by password",
        Via::Link => "by a mailed link",
        Via::Operator => "by a link of the operator",
        Via::Sso => "by single sign-on",
        Via::Invite => "by accepting the invite",
    }
}

/// `GET /me`.
pub async fn me(State(app): State<SharedApp>, headers: HeaderMap) -> Response {
    let just = done::just(&app, &headers, &Done::OF_ONESELF);
    let held = match Held::read(&app, &headers).await {
        // What was done is old by the time that this page opens.
        Ok(Some(held)) if held.chosen.waits_for.is_some() => return done::said(&app, go_to(&app, "/me/second-factor"), just),
        Ok(held) => held,
        Err(error) => return unavailable(&app, &error.into()),
    };
    match held.and_then(|held| Visitor::of(&app, held)) {
        Some(visitor) => {
            let names = (visitor.now.first_name.as_str(), visitor.now.last_name.as_str());
            done::said(&app, show(&app, &visitor, names, just.map(Done::sentence), &[]).await, just)
        }
        None => go_to(&app, "/sign-in"),
    }
}

/// Who sent a form, if the browser still looks at the account that it was drawn for; else the answer.
async fn sender(app: &SharedApp, headers: &HeaderMap, sent: &OwnForm) -> Result<Visitor, Response> {
    let typed: Vec<(&str, &str)> = [("First name", sent.first_name.as_str()), ("Last name", sent.last_name.as_str())]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let held = holder(app, headers, &sent.drawn_for, &typed).await?;
    if held.chosen.waits_for.is_some() {
        return Err(waiting(app, &typed));
    }
    Visitor::of(app, held).ok_or_else(|| moved(app, None, &typed))
}

/// Says that the browser looks at another account now, or at none.
fn moved(app: &SharedApp, now: Option<&Session>, typed: &[(&str, &str)]) -> Response {
    let now = now.map(|now| (now.full_name(), now.organization.as_str()));
    let now = now.as_ref().map_or(Moved::Out, |(person, organization)| Moved::Elsewhere { person, organization });
    page(app, &MovedPage { base: app.public_url.base(), now, typed })
}

/// Says that the account waits for its second factor, with what was typed; where nothing was, the browser is led to what is asked for.
pub(super) fn waiting(app: &SharedApp, typed: &[(&str, &str)]) -> Response {
    if typed.is_empty() {
        return go_to(app, "/me/second-factor");
    }
    page(app, &MovedPage { base: app.public_url.base(), now: Moved::Waits, typed })
}

/// What the browser holds, if it still looks at the account that a form was drawn for, whatever that waits for; else the answer,
/// with what was typed.
pub(super) async fn holder(app: &SharedApp, headers: &HeaderMap, drawn_for: &str, typed: &[(&str, &str)]) -> Result<Held, Response> {
    let held = match Held::read(app, headers).await {
        Ok(Some(held)) => held,
        Ok(None) => return Err(moved(app, None, typed)),
        Err(error) => return Err(unavailable(app, &error.into())),
    };
    if UserId::parse(drawn_for) == Some(held.chosen.person.id) { Ok(held) } else { Err(moved(app, Some(&held.chosen), typed)) }
}

/// `POST /me/name` (B08).
pub async fn name(State(app): State<SharedApp>, headers: HeaderMap, Sent(sent): Sent<OwnForm>) -> Response {
    let mut visitor = match sender(&app, &headers, &sent).await {
        Ok(visitor) => visitor,
        Err(response) => return response,
    };
    let params = UpdateUserParams {
        user: visitor.now.person.id.to_string(),
        first_name: Some(sent.first_name.clone()),
        last_name: Some(sent.last_name.clone()),
        if_version: sent.version,
        ..UpdateUserParams::default()
    };
    let call = visitor.call(&app);
    match retrying(|| people::update(&app, &call, &params)).await {
        Ok(_) => go_and_say(&app, "/me", Done::Name),
        Err(Error::Invalid(invalid)) => {
            let message = said(&invalid);
            let errors = [FieldError { field: invalid.field, message: &message }];
            // What others changed since is not shown here, so the form goes on from what was seen.
            visitor.now.version = sent.version.unwrap_or(visitor.now.version);
            show(&app, &visitor, (&sent.first_name, &sent.last_name), None, &errors).await
        }
        Err(Error::Conflict(_)) => renamed_meanwhile(&app, &headers, &sent).await,
        Err(Error::Unauthenticated) => go_to(&app, "/sign-in"),
        Err(error) => unavailable(&app, &error),
    }
}

/// Somebody changed the account since the form was drawn, such as an Administrator its name: the page says what holds now. Where that
/// is what was typed, a second click comes late.
async fn renamed_meanwhile(app: &SharedApp, headers: &HeaderMap, sent: &OwnForm) -> Response {
    let visitor = match sender(app, headers, sent).await {
        Ok(visitor) => visitor,
        Err(response) => return response,
    };
    let (now, typed) = (&visitor.now, (sent.first_name.as_str(), sent.last_name.as_str()));
    if (now.first_name.as_str(), now.last_name.as_str()) == (typed.0.trim(), typed.1.trim()) {
        return go_and_say(app, "/me", Done::Name);
    }
    let message = format!(
        "Your account was changed meanwhile, and nothing of yours was saved. Your name is “{}” now. Save again to put what you typed in its place.",
        now.full_name()
    );
    show(app, &visitor, typed, None, &[FieldError { field: "name", message: &message }]).await
}

/// What the person of a session has of a password, and whether a mailed link may replace it.
fn what_password(session: &Session) -> Password {
    match session.has_password {
        false => Password::Absent,
        true if resets(&session.settings, session.standing.role, true) => Password::Replaceable,
        true => Password::Kept,
    }
}

/// Has a link mailed to whoever has forgotten the password by which they did not come in: being in is no proof that replaces
/// it, and a link of the operator's least of all. It is asked for as at the door, in this browser.
async fn mail_a_link(app: &SharedApp, caller: CallerAddress, headers: &HeaderMap, visitor: &mut Visitor) -> Response {
    if what_password(&visitor.now) != Password::Replaceable {
        return go_to(app, "/me");
    }
    if let Err(response) = visits(app, caller, headers).await {
        return response;
    }
    let cookie = visitor::marked(app, &mut visitor.browser);
    let knock = Knock {
        email: visitor.now.email.clone(),
        org: Some(visitor.now.org.number),
        kind: LinkKind::Reset,
        mark: visitor.browser.mark.unwrap_or_default(),
        label: visitor.browser.label.clone(),
    };
    match signing_in::knock(app, knock) {
        Ok(()) => with_cookies(go_and_say(app, "/me", Done::LinkMailed), [cookie]),
        Err(Error::RateLimited { retry_after_ms, .. }) => too_many(app, retry_after_ms),
        Err(error) => unavailable(app, &error),
    }
}

/// `POST /me/password`: a new one, or a link for whoever has forgotten the one before.
pub async fn password(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    headers: HeaderMap,
    Sent(mut sent): Sent<OwnForm>,
) -> Response {
    let click =
        Click::of(&app, &["password", &sent.drawn_for, &sent.current, &sent.password, &sent.act], &visitor::browser(&app, &headers));
    match click.first(&app, &app.sign_ins).await {
        Ok(Some(session)) => return with_cookies(go_and_say(&app, "/me", Done::Password), [opened(&app, &session)]),
        Ok(None) => {}
        Err(error) => return unavailable(&app, &error.into()),
    }
    let mut visitor = match sender(&app, &headers, &sent).await {
        Ok(visitor) => visitor,
        Err(response) => return response,
    };
    if sent.act == "mail" {
        return mail_a_link(&app, caller, &headers, &mut visitor).await;
    }
    let current = Zeroizing::new(std::mem::take(&mut sent.current));
    let new = Zeroizing::new(std::mem::take(&mut sent.password));
    let call = visitor.call(&app);
    let doing = {
        let (app, session, browser) = (Arc::clone(&app), visitor.now.clone(), visitor.browser.clone());
        async move { own::change_password(&app, &call, &session, &browser, current, new).await }
    };
    let (field, message) = match click.once(&app, &app.sign_ins, doing).await {
        Ok(session) => return with_cookies(go_and_say(&app, "/me", Done::Password), [opened(&app, &session)]),
        Err(Error::Invalid(invalid)) => ("password", said(&invalid)),
        Err(Error::SignInRefused) if visitor.now.has_password => ("current", "This is not your current password.".to_owned()),
        Err(Error::SignInRefused) => (
            "password",
            "A first password is chosen within 10 minutes of signing in. Sign out, sign in again, and choose it then.".to_owned(),
        ),
        Err(Error::Conflict(message)) => ("current", message.to_owned()),
        Err(Error::RateLimited { budget, retry_after_ms }) => ("current", too_soon(budget, retry_after_ms, "")),
        Err(Error::Unauthenticated) => return go_to(&app, "/sign-in"),
        Err(error) => return unavailable(&app, &error),
    };
    let names = (visitor.now.first_name.as_str(), visitor.now.last_name.as_str());
    show(&app, &visitor, names, None, &[FieldError { field, message: &message }]).await
}

async fn end(app: &SharedApp, visitor: &Visitor, which: Which) -> Result<u64, Error> {
    let call = visitor.call(app);
    retrying(|| own::end_sessions(app, &call, which)).await
}

/// `POST /me/sessions`: one, all others, or all.
pub async fn end_sessions(State(app): State<SharedApp>, headers: HeaderMap, Sent(sent): Sent<OwnForm>) -> Response {
    let visitor = match sender(&app, &headers, &sent).await {
        Ok(visitor) => visitor,
        Err(response) => return response,
    };
    let which = match sent.end.as_str() {
        "all" => Which::All,
        "others" => Which::Others(visitor.now.id),
        // An id that is no session of theirs ends nothing.
        one => match CredentialId::parse(one) {
            Some(id) => Which::One(id),
            None => return go_to(&app, "/me"),
        },
    };
    match end(&app, &visitor, which).await {
        Ok(_) if which == Which::All && visitor.others.is_empty() => with_cookies(go_to(&app, "/sign-in"), [visitor::closed(&app)]),
        Ok(_) => go_and_say(&app, "/me", Done::Sessions),
        Err(Error::Unauthenticated) => go_to(&app, "/sign-in"),
        Err(error) => unavailable(&app, &error),
    }
}

/// `POST /me/identities`: to a provider for one more, or one less.
pub async fn identities(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    headers: HeaderMap,
    Sent(sent): Sent<OwnForm>,
) -> Response {
    let visitor = match sender(&app, &headers, &sent).await {
        Ok(visitor) => visitor,
        Err(response) => return response,
    };
    let session = &visitor.now;
    let names = (session.first_name.as_str(), session.last_name.as_str());
    if let Some(connection) = sent.connect.strip_prefix(super::sso::GO) {
        if !is_fresh(session.proved_at, app.clock.now()) {
            let message = "A sign-in is connected within 10 minutes of signing in. Sign out, sign in again, and connect it then.";
            return show(&app, &visitor, names, None, &[FieldError { field: "identity", message }]).await;
        }
        let purpose = Purpose::Link(session.person.id.as_uuid());
        let asking = Asking { hint: None, another: true };
        return super::sso::set_out(&app, (caller, &headers), session.org, connection, purpose, asking).await;
    }
    match sso::unlink_own(&app, &visitor.call(&app), session, &sent.issuer, &sent.subject).await {
        Ok(true) => go_and_say(&app, "/me", Done::Unlinked),
        Ok(false) => go_to(&app, "/me"),
        Err(Error::Denied(Reason::NotProvedAnew)) => {
            let message = "A sign-in is taken away within 10 minutes of signing in. Sign out, sign in again, and take it away then.";
            show(&app, &visitor, names, None, &[FieldError { field: "identity", message }]).await
        }
        Err(Error::SignInRefused) => {
            let message = "It is the only way in that your organization leaves open. Connect another one first.";
            show(&app, &visitor, names, None, &[FieldError { field: "identity", message }]).await
        }
        Err(Error::Clash { said, hint }) => {
            show(&app, &visitor, names, None, &[FieldError { field: "identity", message: &format!("{said} {hint}") }]).await
        }
        Err(Error::Unauthenticated) => go_to(&app, "/sign-in"),
        Err(error) => unavailable(&app, &error),
    }
}

/// `POST /me/switch`: the browser looks at another of the accounts that it holds (B06).
pub async fn switch(State(app): State<SharedApp>, headers: HeaderMap, Sent(sent): Sent<OwnForm>) -> Response {
    let held = match holder(&app, &headers, &sent.drawn_for, &[]).await {
        Ok(held) => held,
        Err(response) => return response,
    };
    let wanted = CredentialId::parse(&sent.to).filter(|id| held.others.iter().any(|other| other.id == *id));
    let (Some(id), Some(cookie)) = (wanted, held.browser.cookie) else { return go_to(&app, "/me") };
    match sessions::choose(&app.pool, id, cookie, app.clock.now()).await {
        Ok(_) => go_and_say(&app, "/me", Done::Switched),
        Err(error) => unavailable(&app, &error.into()),
    }
}

/// `POST /sign-out`: this account in this browser; the browser's other accounts go on.
pub async fn sign_out(State(app): State<SharedApp>, headers: HeaderMap, Sent(sent): Sent<OwnForm>) -> Response {
    let visitor = match sender(&app, &headers, &sent).await {
        Ok(visitor) => visitor,
        Err(response) => return response,
    };
    match end(&app, &visitor, Which::One(visitor.now.id)).await {
        Ok(_) if visitor.others.is_empty() => with_cookies(go_to(&app, "/sign-in"), [visitor::closed(&app)]),
        Ok(_) => go_to(&app, "/me"),
        Err(Error::Unauthenticated) => go_to(&app, "/sign-in"),
        Err(error) => unavailable(&app, &error),
    }
}
