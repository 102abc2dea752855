//! The router, the background work, and an orderly end.

use super::{
    auth,
    connections::{self, Patience},
    web,
};
use crate::{
    app::{App, SharedApp},
    domain::{DAY, RequestId},
    gather, mail,
    mcp::Usher,
    service::signing_in,
    slack,
    store::{self, StoreError, evidence},
    worker::Bell,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::catch_panic::CatchPanicLayer;

/// Milliseconds by which a node's clock may differ from its database's.
pub const CLOCK_SKEW_MS: i64 = 2000;
/// How long `/readyz` waits for the database: whoever asks is asking whether to go elsewhere.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// All routes.
pub fn router(app: SharedApp) -> Router {
    let service = {
        let usher = Usher::new(Arc::clone(&app));
        StreamableHttpService::new(
            move || Ok(usher.clone()),
            Arc::new(NeverSessionManager::default()),
            // Host and Origin are checked in front of every route, and the body before the library sees it.
            StreamableHttpServerConfig::default()
                .with_legacy_session_mode(false)
                .with_json_response(true)
                .with_sse_keep_alive(None)
                .disable_allowed_hosts()
                .disable_allowed_origins(),
        )
    };
    let mcp = Router::new()
        .route_service("/mcp", service.clone())
        .route_service("/mcp/{organization}", service)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), auth::mcp))
        // Programs ask here, so they are told in JSON.
        .route("/mcp/", any(nothing_here))
        .route("/mcp/{organization}/", any(nothing_here))
        .route("/mcp/{organization}/{*path}", any(nothing_here));
    let base = app.public_url.base().to_owned();
    let host = Arc::clone(&app);
    let pages = Router::new()
        .route("/", get(web::index))
        .route("/invite/{token}", get(web::invite).post(web::accept))
        .route("/sign-in", get(web::door::sign_in).post(web::door::ask))
        .route("/sign-in/{organization}", get(web::door::sign_in_to).post(web::door::enter))
        .route("/sign-in/sso/callback/{key}", get(web::sso::callback))
        .route("/sign-in/sso/{journey}", get(web::sso::show).post(web::sso::act))
        .route("/link/{token}", get(web::door::link).post(web::door::open))
        .route("/sign-out", web::leads_to("/me").post(web::me::sign_out))
        .route("/me", get(web::me::me))
        .route("/me/name", web::leads_to("/me").post(web::me::name))
        .route("/me/password", web::leads_to("/me").post(web::me::password))
        .route("/me/second-factor", get(web::second_factor::look).post(web::second_factor::act))
        .route("/settings/passwords", get(web::passwords::list).post(web::passwords::find))
        .route("/settings/passwords/{id}", get(web::passwords::look).post(web::passwords::reset))
        .route("/settings/second-factor", get(web::factors::list))
        .route("/settings/second-factor/{id}", get(web::factors::look).post(web::factors::reset))
        .route("/settings", get(web::settings::organization).post(web::settings::rename))
        .route("/settings/sign-in", get(web::settings::signing_in).post(web::settings::set_signing_in))
        .route("/settings/invitations", get(web::settings::invitations).post(web::settings::set_invitations))
        .route("/settings/ai-tools", get(web::settings::tokens).post(web::settings::set_tokens))
        .route("/settings/permissions", get(web::settings::permissions))
        .route("/settings/sso", get(web::settings::sso::list).post(web::settings::sso::act))
        .route("/settings/sso/{id}", get(web::settings::sso::look).post(web::settings::sso::change))
        .route("/settings/sso/{id}/remove", get(web::settings::sso::ask_removal).post(web::settings::sso::remove))
        .route("/settings/slack", get(web::settings::slack::look).post(web::settings::slack::act))
        .route("/settings/slack/disconnect", get(web::settings::slack::ask_disconnection).post(web::settings::slack::disconnect))
        .route("/start", get(web::start::look).post(web::start::hide))
        .route("/theme", web::leads_to("/").post(web::theme::choose))
        .route("/me/tools", get(web::tools::list))
        .route("/me/tools/new", get(web::tools::form).post(web::tools::create))
        .route("/me/tools/{id}/revoke", get(web::tools::look).post(web::tools::revoke))
        .route("/users", get(web::users::list))
        .route("/users/invite", get(web::inviting::form).post(web::inviting::invite))
        .route("/users/export", web::leads_to("/users").post(web::users::export))
        .route("/users/{id}/resend", get(web::inviting::back).post(web::inviting::resend))
        .route("/access-groups", get(web::groups::list))
        .route("/access-groups/new", get(web::groups::editing::form).post(web::groups::editing::create))
        .route("/access-groups/{id}", get(web::groups::editing::look).post(web::groups::editing::save))
        .route("/access-groups/{id}/add", get(web::groups::members::pick).post(web::groups::members::add))
        .route("/access-groups/{id}/remove", get(web::groups::members::back).post(web::groups::members::remove))
        .route("/access-groups/{id}/delete", get(web::groups::deleting::look).post(web::groups::deleting::delete))
        .route("/audit", get(web::audit::list))
        .route("/audit/verify", web::leads_to("/audit").post(web::audit::verify))
        .route("/audit/export", web::leads_to("/audit").post(web::audit::export))
        .route("/users/{id}", get(web::person::look).post(web::person::save))
        .route("/users/{id}/deactivate", get(web::person::standing::ask).post(web::person::standing::deactivate))
        .route("/users/{id}/reactivate", get(web::person::standing::ask_back).post(web::person::standing::reactivate))
        .route("/users/{id}/access-groups", get(web::person::access::list).post(web::person::access::remove))
        .route("/users/{id}/activity", get(web::person::activity::list))
        .route("/users/{id}/ai-tools", get(web::person::tools::list).post(web::person::tools::revoke))
        .route("/users/{id}/ai-tools/end", get(web::person::tools::ask).post(web::person::tools::end))
        .route("/users/{id}/access-groups/add", get(web::person::access::choose).post(web::person::access::add))
        .route("/me/sessions", web::leads_to("/me").post(web::me::end_sessions))
        .route("/me/identities", web::leads_to("/me").post(web::me::identities))
        .route("/me/switch", web::leads_to("/me").post(web::me::switch))
        .route("/assets/{name}", get(web::asset))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/.well-known", any(nothing_here))
        .route("/.well-known/", any(nothing_here))
        .route("/.well-known/{*path}", any(nothing_here))
        .fallback(web::not_found)
        .method_not_allowed_fallback(web::method_not_allowed)
        .layer(CatchPanicLayer::custom(move |_| web::panicked(&host)))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), web::visitor::same_site))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), web::theme::follow));
    let routes = pages.merge(mcp);
    // A proxy may keep the public URL's path or strip it: both reach the same routes. Nesting leaves the slash at its end out.
    let routes = if base.is_empty() {
        routes
    } else {
        Router::new().nest(&base, routes.clone()).route(&format!("{base}/"), get(web::index)).merge(routes)
    };
    let routes = routes.with_state(Arc::clone(&app));
    let host = Arc::clone(&app);
    routes.layer(middleware::from_fn_with_state(app, auth::gate)).layer(CatchPanicLayer::custom(move |_| panicked(&host)))
}

/// 500, with the number under which the log says more.
fn panicked(app: &App) -> Response {
    let request_id = RequestId::new(app.clock.now(), &app.random);
    tracing::error!(%request_id, "a request panicked");
    let message =
        "Something went wrong here. Look whether it was done before you try again; if it stays, tell your operator the request id.";
    auth::numbered(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, request_id)
}

async fn healthz() -> &'static str {
    "ok"
}

/// Whether this node's clock is its database's, up to [`CLOCK_SKEW_MS`].
async fn clocks_agree(app: &App) -> Result<bool, StoreError> {
    Ok(app.pool.clock_skew(&app.clock).await? <= CLOCK_SKEW_MS)
}

/// Whether this node may be sent requests: its database answers, and their clocks agree.
async fn readyz(State(app): State<SharedApp>) -> Response {
    let state = match tokio::time::timeout(READY_WITHIN, clocks_agree(&app)).await {
        Ok(Ok(true)) => "ready",
        Ok(Ok(false)) => "clock_skew",
        Ok(Err(_)) | Err(_) => "database_unavailable",
    };
    let status = if state == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], serde_json::json!({"state": state}).to_string()).into_response()
}

async fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], r#"{"error":"not_found"}"#).into_response()
}

/// One round of mail. None while the clocks disagree: a node that is ahead takes live links for expired and drops their mail,
/// and its leases stand in the way of the others.
pub async fn mail_round(app: &SharedApp) -> Result<usize, StoreError> {
    if clocks_agree(app).await? { mail::round(app).await } else { Ok(0) }
}

/// One round of looking people up in Slack, on the same condition.
pub async fn slack_round(app: &SharedApp) -> Result<usize, StoreError> {
    if clocks_agree(app).await? { slack::round(app).await } else { Ok(0) }
}

/// Runs the rounds of one worker of the outbox until the end.
async fn rounds(
    app: SharedApp,
    stop: CancellationToken,
    bell: fn(&App) -> &Bell,
    round: impl AsyncFn(&SharedApp) -> Result<usize, StoreError>,
) {
    while !stop.is_cancelled() {
        match round(&app).await {
            Ok(handled) if handled > 0 => {}
            Ok(_) => tokio::select! { () = bell(&app).wait() => {}, () = stop.cancelled() => {} },
            Err(error) => {
                tracing::warn!(%error, "a round of the outbox failed");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// Marks what has run out and takes away what is older than its time. Nothing while the clocks disagree: a node that is ahead
/// would end what everybody else still lives by, for good.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    if !clocks_agree(app).await? {
        tracing::warn!("this node's clock is not the database's, so it sweeps nothing and sends no mail: set both machines by NTP");
        return Ok(());
    }
    let now = app.clock.now();
    evidence::end_expired(&app.pool, now).await?;
    evidence::sweep(&app.pool, now.plus(-90 * DAY), now.plus(-DAY)).await?;
    store::notices::of_ending_tokens(&app.pool, now, &app.random).await?;
    store::door::sweep(&app.pool, now.plus(-signing_in::TRIES_KEPT), now.plus(-signing_in::BROWSERS_KEPT)).await?;
    store::sso::sweep(&app.pool, now.plus(-DAY)).await
}

/// How long a request for a link waits at most before it is looked at, in milliseconds.
const BEFORE_THE_DOOR: u32 = 1000;

/// Looks at requests for links, in the order in which they came; with `stop` at those that wait, and then at none.
///
/// Not at once, and nobody knows when: what is found at a known address takes the database's one writer for a moment, and whoever asked
/// must not see from their own next write whether it did.
async fn doorkeeper(app: SharedApp, stop: CancellationToken) {
    loop {
        tokio::select! { () = app.doorbell.rung() => {}, () = stop.cancelled() => {} }
        let pause = u32::from_le_bytes(app.random.bytes()) % BEFORE_THE_DOOR;
        tokio::select! { () = tokio::time::sleep(Duration::from_millis(pause.into())) => {}, () = stop.cancelled() => {} }
        while let Some(knock) = app.doorbell.next() {
            if let Err(error) = signing_in::answer(&app, &knock).await {
                tracing::warn!(%error, ?knock, "a link that was asked for could not be sent; whoever asked has to ask again");
            }
        }
        if stop.is_cancelled() {
            break;
        }
    }
}

/// What runs beside the requests: mail, gathered evidence, sweeping. Ends with `stop`, after writing what was gathered.
async fn background(app: SharedApp, stop: CancellationToken, tasks: TaskTracker) {
    // Each in its own task, so that neither waits for what the other talks to.
    tasks.spawn(rounds(Arc::clone(&app), stop.clone(), |app| &app.mail.bell, mail_round));
    tasks.spawn(rounds(Arc::clone(&app), stop.clone(), |app| &app.slack.bell, slack_round));
    tasks.spawn(doorkeeper(Arc::clone(&app), stop.clone()));
    gather::keep_writing(app, stop, each_minute).await;
}

/// What is looked after once a minute.
async fn each_minute(app: &SharedApp) {
    app.calls.sweep();
    app.guesses.sweep();
    app.visits.sweep();
    app.known_visits.sweep();
    app.known_neighbours.sweep();
    app.trades.sweep();
    gather::warn(sweep(app).await);
}

/// How long calls in flight are waited for at the end. A statement of theirs ends sooner than whoever only sends half a
/// request, and that one must not keep the process from ending.
const LAST_CALLS: Duration = Duration::from_secs(10);

/// Serves these routes until `stop` ends; calls in flight finish first, up to [`LAST_CALLS`], and what was gathered is written.
pub async fn serve(app: SharedApp, routes: Router, listener: TcpListener, stop: impl Future<Output = ()>) {
    let token = CancellationToken::new();
    let tasks = TaskTracker::new();
    tasks.spawn(background(Arc::clone(&app), token.clone(), tasks.clone()));
    let stopping = CancellationToken::new();
    let too_late = async {
        stop.await;
        stopping.cancel();
        tokio::time::sleep(LAST_CALLS).await;
    };
    tokio::select! { () = connections::serve(listener, routes, Patience::SERVING, stopping.clone()) => {}, () = too_late => {} }
    token.cancel();
    // A relay or a Slack that does not answer must not hold the end up.
    app.mail.bell.close();
    app.slack.bell.close();
    tasks.close();
    tasks.wait().await;
    app.slack.under_way.close();
    app.slack.under_way.wait().await;
    app.pool.close().await;
}
