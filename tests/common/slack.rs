//! A stand-in for Slack's Web API, on this machine: it answers as docs.slack.dev says of `auth.test`, `users.lookupByEmail`,
//! rate limits and errors, and does what a test orders it to.

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// What the next look-up is answered, whoever asks.
#[derive(Clone, Debug)]
pub enum Order {
    /// 429 with this in `Retry-After`.
    Limited(&'static str),
    /// 200 and `"ok": false` with this error.
    Error(&'static str),
    /// Another status, with a page of HTML.
    Status(u16),
    /// 200 with this body.
    Body(String),
    /// No answer until the test lets go.
    Silence(Arc<tokio::sync::Notify>),
}

/// A workspace, as its bot token opens it.
#[derive(Clone, Debug, Default)]
struct Workspace {
    team_id: String,
    team: String,
    scopes: String,
    /// What is answered to every call.
    error: Option<&'static str>,
    members: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Inner {
    workspaces: BTreeMap<String, Workspace>,
    orders: VecDeque<Order>,
    asked: Vec<(String, String)>,
}

/// The stand-in; it ends with this value.
pub struct Slack {
    pub url: String,
    inner: Arc<Mutex<Inner>>,
    served: JoinHandle<()>,
}

impl Drop for Slack {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Slack {
    /// One without any workspace.
    pub async fn start() -> Self {
        let inner = Arc::new(Mutex::new(Inner::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/api/", listener.local_addr().expect("an address"));
        let routes = Router::new().route("/api/{method}", post(answer)).with_state(Arc::clone(&inner));
        let served = tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { url, inner, served }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A workspace that this token opens, with the scopes that are needed.
    pub fn workspace(&self, token: &str, team_id: &str, team: &str) {
        let (team_id, team) = (team_id.to_owned(), team.to_owned());
        let workspace = Workspace { team_id, team, scopes: "chat:write,users:read,users:read.email".to_owned(), ..Workspace::default() };
        self.inner().workspaces.insert(token.to_owned(), workspace);
    }

    /// Somebody in the workspace that this token opens.
    pub fn member(&self, token: &str, email: &str, id: &str) {
        let mut inner = self.inner();
        inner.workspaces.get_mut(token).expect("a workspace").members.insert(email.to_owned(), id.to_owned());
    }

    /// What the token may do.
    pub fn scopes(&self, token: &str, scopes: &str) {
        scopes.clone_into(&mut self.inner().workspaces.get_mut(token).expect("a workspace").scopes);
    }

    /// What every call with this token is answered, if not as it should be.
    pub fn error(&self, token: &str, error: Option<&'static str>) {
        self.inner().workspaces.get_mut(token).expect("a workspace").error = error;
    }

    /// The next look-ups are answered so, in this order.
    pub fn order(&self, orders: &[Order]) {
        self.inner().orders.extend(orders.iter().cloned());
    }

    /// Who was looked up so far: token and address.
    pub fn asked(&self) -> Vec<(String, String)> {
        self.inner().asked.clone()
    }

    /// How often this address was looked up.
    pub fn asked_of(&self, email: &str) -> usize {
        self.inner().asked.iter().filter(|(_, asked)| asked == email).count()
    }
}

fn said(value: &Value) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], value.to_string()).into_response()
}

fn wrong(error: &str) -> Response {
    said(&match error {
        "missing_scope" => json!({"ok": false, "error": error, "needed": "users:read.email", "provided": "chat:write"}),
        _ => json!({"ok": false, "error": error}),
    })
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, Path(method): Path<String>, headers: HeaderMap, body: String) -> Response {
    let header = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let Some(token) = header(header::AUTHORIZATION).strip_prefix("Bearer ").map(str::to_owned) else { return wrong("not_authed") };
    let (order, workspace, email) = {
        let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
        let email = url::form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "email").map(|(_, value)| value.into_owned());
        let mut order = None;
        if method == "users.lookupByEmail" {
            if !header(header::CONTENT_TYPE).starts_with("application/x-www-form-urlencoded") {
                return wrong("invalid_post_type");
            }
            inner.asked.push((token.clone(), email.clone().unwrap_or_default()));
            order = inner.orders.pop_front();
        }
        (order, inner.workspaces.get(&token).cloned(), email)
    };
    match order {
        Some(Order::Limited(after)) => {
            let body = json!({"ok": false, "error": "ratelimited"}).to_string();
            return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, after)], body).into_response();
        }
        Some(Order::Error(error)) => return wrong(error),
        Some(Order::Status(status)) => {
            return (StatusCode::from_u16(status).expect("a status"), "<!doctype html><title>Oops</title>").into_response();
        }
        Some(Order::Body(body)) => return (StatusCode::OK, body).into_response(),
        Some(Order::Silence(until)) => until.notified().await,
        None => {}
    }
    let Some(workspace) = workspace else { return wrong("invalid_auth") };
    if let Some(error) = workspace.error {
        return wrong(error);
    }
    let mut response = match method.as_str() {
        "auth.test" => said(&json!({"ok": true, "url": "https://acme.slack.com/", "team": workspace.team, "user": "usher",
            "team_id": workspace.team_id, "user_id": "U0BOT0001", "bot_id": "B0BOT0001", "is_enterprise_install": false})),
        "users.lookupByEmail" if !workspace.scopes.contains("users:read.email") => wrong("missing_scope"),
        "users.lookupByEmail" => match email.as_deref().and_then(|email| workspace.members.get(email)) {
            Some(id) => said(&json!({"ok": true, "user": {"id": id, "team_id": workspace.team_id, "name": "spengler", "deleted": false,
                "color": "9f69e7", "real_name": "Egon Spengler", "tz": "America/Los_Angeles", "tz_offset": -25200,
                "profile": {"real_name": "Egon Spengler", "display_name": "spengler", "email": email, "team": workspace.team_id},
                "is_admin": true, "is_owner": false, "is_restricted": false, "is_bot": false, "updated": 1_502_138_686}})),
            None => wrong("users_not_found"),
        },
        _ => wrong("unknown_method"),
    };
    response.headers_mut().insert("x-oauth-scopes", workspace.scopes.parse().expect("scopes"));
    response
}
