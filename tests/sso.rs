//! Signing in through an identity provider.

mod lies;
mod protocol;

use crate::common::oidc::{self, Idp};
use reqwest::Client;
use serde_json::Value;
use url::Url;
use usher_mcp::{
    authn::sso::{self, Asking, Fault, Flow, Identity, Issuer, Provider, Returned, Secret},
    domain::{Clock, Random},
    outbound::Outbound,
};

/// Where providers send people back to, in tests without a server.
const REDIRECT: &str = "http://127.0.0.1:8080/sign-in/sso/callback";

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
