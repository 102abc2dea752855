//! Signing in through an identity provider.

mod attacks;
mod browser;
mod commands;
mod entering;
mod joining;
mod lies;
mod own;
mod protocol;

use crate::common::{
    Engine, Options, Server,
    oidc::{self, Idp},
};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use url::Url;
use usher_mcp::{
    authn::sso::{self, Asking, Fault, Flow, Identity, Issuer, Provider, Returned, Secret},
    domain::{Clock, Random},
    outbound::Outbound,
};

/// Where providers send people back to, in tests without a server.
const REDIRECT: &str = "http://127.0.0.1:8080/sign-in/sso/callback/acme-0123456789abcdef";

/// The way out, with this machine allowed.
fn outbound() -> Outbound {
    Outbound::new(&["127.0.0.0/8".parse().expect("a block")], None).expect("a client")
}

fn connected(issuer: &str, secret: &str) -> Provider {
    let issuer = Issuer::parse(issuer, &[]).expect("an issuer");
    Provider::new(issuer, Idp::CLIENT, Secret::new(secret.to_owned()), false).expect("a provider")
}

async fn begin(provider: &Provider) -> (Url, Flow) {
    sso::begin(&outbound(), &Random::os(), provider, REDIRECT, Asking::default()).await.expect("the provider answers")
}

async fn finish(provider: &Provider, flow: &Flow, returned: &Returned) -> Result<Identity, Fault> {
    sso::finish(&outbound(), &Clock::system(), provider, REDIRECT, flow, returned).await
}

fn returned(url: &Url) -> Returned {
    serde_json::from_value(oidc::query(url)).expect("what a provider sends along")
}

/// The whole way of one person through a real provider.
async fn through(provider: &Provider, browser: &Client, person: &str) -> Result<Identity, Fault> {
    let (url, flow) = begin(provider).await;
    let back = oidc::sign_in(browser, url.as_str(), person).await;
    finish(provider, &flow, &returned(&back)).await
}

fn parameter(url: &Url, name: &str) -> Value {
    oidc::query(url)[name].clone()
}

/// What lets a server, and a command beside it, call providers on this machine.
pub const ALLOWED: [&str; 2] = ["--outbound-allow", "127.0.0.0/8"];

/// A server that may call providers on this machine.
pub async fn server(engine: Engine) -> Server {
    Server::quickstart_with(engine, &Options::arguments(&ALLOWED)).await
}

/// A real provider that knows a server from the moment on at which the server is connected to it.
pub async fn provider_for(_: &Server) -> Idp {
    Idp::real(REDIRECT, &[]).await
}

/// The address that an organization's people come back to from a provider, as the command says it beforehand.
async fn redirect_address(server: &Server, org: &str, issuer: &str) -> String {
    let mut command = vec!["sso", "redirect-address", "--json", "--org", org, "--preset", "other", "--issuer", issuer];
    command.extend(ALLOWED);
    server.cli(&command).await["redirect_uri"].as_str().expect("an address").to_owned()
}

/// Registers the server at a provider; one that lies takes any address.
async fn register(server: &Server, org: &str, issuer: &str) {
    let registration = server.http.post(format!("{issuer}/redirect-address")).body(redirect_address(server, org, issuer).await);
    registration.send().await.expect("a provider");
}

/// Registers the server at a provider, and connects an organization to it; the connection's id.
pub async fn connect(server: &Server, org: &str, issuer: &str, secret: &str) -> String {
    register(server, org, issuer).await;
    let file = server.data_dir.path().join("secret");
    std::fs::write(&file, format!("{secret}\n")).expect("a file");
    let file = file.display().to_string();
    let mut command = vec!["sso", "add", "--json", "--org", org, "--preset", "other", "--issuer", issuer, "--client-id", Idp::CLIENT];
    command.extend(["--client-secret-file", &file, "--name", "Example Login"]);
    command.extend(ALLOWED);
    server.cli(&command).await["id"].as_str().expect("an id").to_owned()
}

/// A server whose one organization is connected to a provider of its own.
async fn joined_up(engine: Engine) -> (Server, Idp, String) {
    let server = server(engine).await;
    let idp = provider_for(&server).await;
    let connection = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
    (server, idp, connection)
}

async fn invite(server: &Server, email: &str) -> String {
    server.ok("invite_user", json!({"email": email, "first_name": "Ana", "last_name": "Ruiz"})).await;
    server.link_to(email).await
}

async fn status(server: &Server, email: &str) -> Value {
    server.ok("get_user", json!({"user": email})).await["user"]["status"].clone()
}

/// A page as a browser got it.
pub struct Seen {
    pub status: u16,
    pub place: String,
    pub html: String,
    refresh: Option<String>,
    pub location: Option<String>,
    pub cookies: Vec<String>,
}

impl Seen {
    pub async fn of(response: Response) -> Self {
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        let (refresh, location) = (header("refresh"), header("location"));
        let (status, place) = (response.status().as_u16(), response.url().to_string());
        let cookies = response.headers().get_all("set-cookie").iter().map(|value| value.to_str().expect("text").to_owned()).collect();
        Self { status, place, refresh, location, cookies, html: response.text().await.expect("a body") }
    }

    /// The page's heading.
    pub fn heading(&self) -> &str {
        self.html.split("<h1 id=\"h\">").nth(1).and_then(|rest| rest.split("</h1>").next()).unwrap_or_default()
    }

    /// Where a page of ours sends the browser, to a provider.
    pub fn onward(&self) -> String {
        self.refresh.as_deref().and_then(|refresh| refresh.strip_prefix("0; url=")).unwrap_or_else(|| panic!("{}", self.html)).to_owned()
    }
}

/// Gets a page, and goes where it is sent on this server.
pub async fn get(browser: &Client, place: &str) -> Seen {
    let mut seen = Seen::of(browser.get(place).send().await.expect("a page")).await;
    while let Some(location) = seen.location.clone() {
        let next = Url::parse(&seen.place).expect("a URL").join(&location).expect("a URL");
        seen = Seen::of(browser.get(next).send().await.expect("a page")).await;
    }
    seen
}

pub async fn post(browser: &Client, place: &str, form: &[(&str, &str)]) -> Seen {
    Seen::of(browser.post(place).form(form).send().await.expect("an answer")).await
}

/// Sends the browser to a provider from a page of ours, lets this person sign in there, and comes back.
pub async fn via(browser: &Client, place: &str, connection: &str, person: &str) -> Seen {
    let out = post(browser, place, &[("do", &format!("sso:{connection}"))]).await;
    let back = oidc::sign_in(browser, &out.onward(), person).await;
    get(browser, back.as_str()).await
}

/// The same with a provider that says what it is told; it brings people back to this address of ours.
pub async fn via_liar(browser: &Client, place: &str, address: &str, (idp, connection): (&Idp, &str), order: &Value) -> Seen {
    idp.order(&json!({})).await;
    let out = post(browser, place, &[("do", &format!("sso:{connection}"))]).await;
    let url = out.onward().parse().expect("a URL");
    let (state, nonce) = (parameter(&url, "state"), parameter(&url, "nonce"));
    idp.order(order).await;
    let (state, nonce) = (state.as_str().expect("a state"), nonce.as_str().expect("a nonce"));
    let registered: Url = parameter(&url, "redirect_uri").as_str().and_then(|uri| uri.parse().ok()).expect("a URL");
    get(browser, &format!("{address}{}?code=c.{nonce}&state={state}", registered.path())).await
}

/// To the door of an organization, to its provider, and back.
pub async fn through_the_door(browser: &Client, server: &Server, connection: &str, person: &str) -> Seen {
    sign_in_at(browser, server, &server.org, connection, person).await
}

/// To the door of any organization of the server's.
pub async fn sign_in_at(browser: &Client, server: &Server, org: &str, connection: &str, person: &str) -> Seen {
    via(browser, &format!("{}/sign-in/{org}", server.address()), connection, person).await
}

/// Who the browser is here, if anybody.
pub async fn me(browser: &Client, server: &Server) -> Option<String> {
    let seen = Seen::of(browser.get(format!("{}/me", server.address())).send().await.expect("a page")).await;
    (seen.status == 200).then_some(seen.html)
}

/// What the audit log says of somebody, newest first: action and outcome.
async fn log_of(server: &Server, email: &str) -> Vec<(String, String)> {
    let events = server.ok("list_audit_events", json!({"user": email, "limit": 100})).await;
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    events["events"].as_array().expect("events").iter().map(|event| (text(event, "action"), text(event, "outcome"))).collect()
}
