//! The second factor's one address: a code where a session waits for it, setting one up, taking it away.
//!
//! GET shows what can be done and no secret; a secret stands only in the answer to the POST that made it, and recovery codes
//! only in the answer to the code that confirmed it.

use super::{
    Sent,
    clicked::Click,
    done::{Done, go_and_say},
    door::go_to,
    me::{holder, other},
    page, said, unavailable,
    views::second_factor::{CodePage, Drawing, FactorPage, RecoveryCodesPage, Refusal, SetUpPage},
    visitor::{self, Held, opened, with_cookies},
};
use crate::{
    app::SharedApp,
    authz::door::{WaitsFor, Which, demands_second_factor},
    error::Error,
    gather,
    http::auth::{CallerAddress, in_words, retry_after_seconds},
    service::{
        me as own, retrying,
        second_factor::{self, Confirmed, SetUp},
    },
    store::{self, StoreError},
};
use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use qrcodegen::{QrCode, QrCodeEcc};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Modules of white around a QR code (ISO/IEC 18004).
const QUIET: i32 = 4;
/// What a wrong code is answered.
const WRONG: &str = "This code does not count: it is wrong, too old, or was used before. Wait for the next one.";

/// A form of the second factor.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct FactorForm {
    #[serde(rename = "as")]
    drawn_for: String,
    code: String,
    #[serde(rename = "do")]
    act: String,
}

impl std::fmt::Debug for FactorForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FactorForm").field("act", &self.act).finish_non_exhaustive()
    }
}

/// The address for a camera, as the modules of a QR code; `None` where it holds too much for one.
fn drawing(address: &str) -> Option<Drawing> {
    let code = QrCode::encode_text(address, QrCodeEcc::Medium).ok()?;
    let mut runs = Vec::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size()).take_while(|x| code.get_module(*x, y)).fold(0, |run, _| run + 1);
            if run > 0 {
                runs.push(format!("M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET));
            }
            x += run + 1;
        }
    }
    Some(Drawing { size: code.size() + 2 * QUIET, path: runs.concat() })
}

/// The page that goes with what a browser's chosen account waits for.
async fn show(app: &SharedApp, held: &Held, refusal: Option<Refusal<'_>>) -> Response {
    let (base, session) = (app.public_url.base(), &held.chosen);
    let (id, person) = (session.person.id.to_string(), session.full_name());
    let others: Vec<_> = held.others.iter().map(other).collect();
    let codes_left = match session.waits_for {
        Some(WaitsFor::SecondFactor) => {
            let view = CodePage { base, id: &id, person: &person, organization: &session.organization, others: &others, refusal };
            return page(app, &view);
        }
        Some(WaitsFor::Enrolment) | None if !session.has_second_factor => None,
        Some(WaitsFor::Enrolment) | None => match store::second_factor::codes_left(&app.pool, session.person.key).await {
            Ok(left) => Some(left),
            Err(error) => return unavailable(app, &error.into()),
        },
    };
    page(
        app,
        &FactorPage {
            base,
            id: &id,
            person: &person,
            organization: &session.organization,
            codes_left,
            demanded: demands_second_factor(&session.settings, session.standing.role),
            waits: session.waits_for.is_some(),
            others: &others,
            refusal,
        },
    )
}

fn show_secret(app: &SharedApp, held: &Held, secret: &SetUp, refusal: Option<Refusal<'_>>) -> Response {
    let session = &held.chosen;
    page(
        app,
        &SetUpPage {
            base: app.public_url.base(),
            id: &session.person.id.to_string(),
            email: &session.email,
            organization: &session.organization,
            groups: &secret.groups,
            address: &secret.address,
            drawing: drawing(&secret.address),
            refusal,
        },
    )
}

/// `GET /me/second-factor`.
pub async fn look(State(app): State<SharedApp>, headers: HeaderMap) -> Response {
    match Held::read(&app, &headers).await {
        Ok(Some(held)) => show(&app, &held, None).await,
        Ok(None) => go_to(&app, "/sign-in"),
        Err(error) => unavailable(&app, &error.into()),
    }
}

/// `POST /me/second-factor`.
pub async fn act(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    headers: HeaderMap,
    Sent(mut sent): Sent<FactorForm>,
) -> Response {
    let code = Zeroizing::new(std::mem::take(&mut sent.code));
    let click = Click::of(&app, &["second factor", &sent.act, &sent.drawn_for, &code], &visitor::browser(&app, &headers));
    match before(&app, click).await {
        Ok(None) => {}
        Ok(Some(response)) => return response,
        Err(error) => return unavailable(&app, &error.into()),
    }
    let held = match holder(&app, &headers, &sent.drawn_for, &[]).await {
        Ok(held) => held,
        Err(response) => return response,
    };
    match sent.act.as_str() {
        "begin" => begin(&app, &held).await,
        "confirm" => confirm(&app, &held, code, caller, click).await,
        "remove" => remove(&app, &held, &code, caller).await,
        "leave" => leave(&app, &held).await,
        _ => pass(&app, &held, code, caller, click).await,
    }
}

async fn begin(app: &SharedApp, held: &Held) -> Response {
    match second_factor::begin(app, &held.chosen).await {
        Ok(secret) => show_secret(app, held, &secret, None),
        Err(Error::SignInRefused) => {
            let message = "A second factor is set up within 10 minutes of signing in. Sign out, sign in again, and begin then.";
            show(app, held, Some(Refusal { message, waits: false })).await
        }
        Err(error) => shut(app, &error),
    }
}

/// What came of the first of two clicks. The recovery codes are shown to the second one, too: the first one's answer is lost.
async fn before(app: &SharedApp, click: Click) -> Result<Option<Response>, StoreError> {
    if let Some(session) = click.first(app, &app.sign_ins).await? {
        return Ok(Some(with_cookies(go_to(app, "/"), [opened(app, &session)])));
    }
    Ok(click.first(app, &app.set_up).await?.map(|confirmed| recovery_codes(app, &confirmed)))
}

fn recovery_codes(app: &SharedApp, confirmed: &Confirmed) -> Response {
    let codes = Zeroizing::new(confirmed.recovery_codes.iter().map(|code| code.as_str()).collect::<Vec<_>>().join("\n"));
    let (email, organization) = (&confirmed.email, &confirmed.organization);
    let view = RecoveryCodesPage { base: app.public_url.base(), email, organization, codes: &codes };
    with_cookies(page(app, &view), [opened(app, &confirmed.opened)])
}

async fn confirm(app: &SharedApp, held: &Held, code: Zeroizing<String>, caller: CallerAddress, click: Click) -> Response {
    let session = &held.chosen;
    let doing = {
        let (app, session, browser) = (Arc::clone(app), session.clone(), held.browser.clone());
        async move { second_factor::confirm(&app, &session, &browser, &code).await }
    };
    let error = match click.once(app, &app.set_up, doing).await {
        Ok(confirmed) => return recovery_codes(app, &confirmed),
        Err(error) => error,
    };
    match second_factor::pending(app, session).await {
        Ok(Some(secret)) => refused(app, &error, caller, async |refusal| show_secret(app, held, &secret, Some(refusal))).await,
        Ok(None) => {
            let message = "Setting it up took too long, or it is done already. Begin again.";
            show(app, held, Some(Refusal { message, waits: false })).await
        }
        Err(error) => unavailable(app, &error),
    }
}

async fn pass(app: &SharedApp, held: &Held, code: Zeroizing<String>, caller: CallerAddress, click: Click) -> Response {
    let doing = {
        let (app, session, browser) = (Arc::clone(app), held.chosen.clone(), held.browser.clone());
        async move { second_factor::pass(&app, &session, &browser, &code).await }
    };
    match click.once(app, &app.sign_ins, doing).await {
        Ok(session) => with_cookies(go_to(app, "/"), [opened(app, &session)]),
        Err(error) => refused(app, &error, caller, async |refusal| show(app, held, Some(refusal)).await).await,
    }
}

async fn remove(app: &SharedApp, held: &Held, code: &str, caller: CallerAddress) -> Response {
    match second_factor::remove(app, &held.chosen, &held.browser, code).await {
        Ok(session) => with_cookies(go_and_say(app, "/me", Done::FactorRemoved), [opened(app, &session)]),
        Err(error) => refused(app, &error, caller, async |refusal| show(app, held, Some(refusal)).await).await,
    }
}

/// Out of an account that still waits: it ends in this browser, and the browser's other accounts go on.
async fn leave(app: &SharedApp, held: &Held) -> Response {
    let call = second_factor::call(app, &held.chosen);
    match retrying(|| own::end_sessions(app, &call, Which::One(held.chosen.id))).await {
        Ok(_) if held.others.is_empty() => with_cookies(go_to(app, "/sign-in"), [visitor::closed(app)]),
        Ok(_) => go_to(app, "/me"),
        Err(error) => shut(app, &error),
    }
}

/// Says why a code was not taken, on the page that `draw` draws.
async fn refused(app: &SharedApp, error: &Error, caller: CallerAddress, draw: impl AsyncFnOnce(Refusal<'_>) -> Response) -> Response {
    match error {
        Error::SignInRefused => {
            app.evidence.stranger(app.clock.now(), "wrong_code", "web", gather::hashed(app, caller.0));
            draw(Refusal { message: WRONG, waits: false }).await
        }
        Error::Invalid(invalid) => draw(Refusal { message: &said(invalid), waits: false }).await,
        Error::Conflict(message) => draw(Refusal { message, waits: false }).await,
        Error::RateLimited { retry_after_ms, .. } => {
            let seconds = retry_after_seconds(*retry_after_ms);
            let words = format!("Too many wrong codes in a row. Wait {}.", in_words(seconds));
            let mut response = draw(Refusal { message: &words, waits: true }).await;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        other => shut(app, other),
    }
}

/// The session ended meanwhile, or something does not answer.
fn shut(app: &SharedApp, error: &Error) -> Response {
    match error {
        Error::Unauthenticated | Error::UserDeactivated | Error::InviteNotPending(_) => go_to(app, "/sign-in"),
        other => unavailable(app, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_has_its_quiet_zone_and_every_dark_module() {
        let address = "otpauth://totp/Larkspur:ana%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Larkspur";
        let drawing = drawing(address).unwrap();
        let code = QrCode::encode_text(address, QrCodeEcc::Medium).unwrap();
        assert_eq!(drawing.size, code.size() + 8);
        // The top left finder: seven dark modules, then the rest of its row.
        assert!(drawing.path.starts_with("M4 4h7v1h-7z"), "{}", drawing.path);
        let drawn: i32 = drawing.path.split('h').skip(1).step_by(2).filter_map(|run| run.split('v').next()?.parse::<i32>().ok()).sum();
        let dark = (0..code.size()).flat_map(|y| (0..code.size()).map(move |x| (x, y))).filter(|(x, y)| code.get_module(*x, *y)).count();
        assert_eq!(usize::try_from(drawn).unwrap(), dark);
        assert!(super::drawing(&"x".repeat(4000)).is_none());
    }
}
