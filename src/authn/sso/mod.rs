//! Signing in through an identity provider: the OpenID Connect protocol for one connection, without any database.
//!
//! [`begin`] says where to send the browser, and gives a [`Flow`] that this very browser must bring back; [`finish`] trades
//! what the provider sent along for an [`Identity`]. Authorization code flow, with PKCE, state and nonce. The provider's
//! document and keys are read anew at each sign-in, so that new keys count at once and nothing of an authority is kept.
//!
//! An identity is a pair of issuer and subject. Its address is a claim, worth something only where
//! [`Identity::email_verified`] says so, and then to the one organization that connected the provider.

mod provider;
mod token;

pub use provider::{GOOGLE, Issuer, Provider, Secret};

use crate::{
    domain::{Clock, Email, Random},
    outbound::{self, Outbound},
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, net::IpAddr};
use token::{Claims, Expected, Keys};
use url::{Host, Url};

/// Longest answer of a provider, in bytes: Microsoft's keys are the longest known, with less than a tenth of it.
const MAX_ANSWER: usize = 256 * 1024;

/// What a client id and secret are encoded as, before they become user and password (RFC 6749, section 2.3.1).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a sign-in through a provider came to nothing. The words are the operator's; nothing that the other side sent is in
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A call to the provider failed.
    #[error("the provider: {0}")]
    Call(#[from] outbound::Fault),
    /// Its document is another issuer's, or lacks what the code flow needs.
    #[error("the provider's document is not this issuer's, or does not offer the code flow: check the issuer, letter by letter")]
    Document,
    /// The person, or a rule of the provider's, said no.
    #[error("the provider did not let this person through")]
    Declined,
    /// The provider does not take the request.
    #[error("the provider refuses the request: check the registration of this server, its redirect address above all")]
    Request,
    /// The client id or secret is not the provider's.
    #[error("the provider does not know the client id, or the secret is wrong or has run out")]
    Client,
    /// The code is used up or too old.
    #[error("the provider's code was used already, or too late")]
    Code,
    /// The browser did not begin this sign-in.
    #[error("the answer belongs to no sign-in that this browser began")]
    State,
    /// The token, or the answer, is another issuer's.
    #[error("the answer is not from the provider that was asked")]
    Issuer,
    /// Not a token, or not one with what it must hold.
    #[error("the ID token cannot be read, or lacks what it must hold")]
    Token,
    /// `none`, a shared secret, or an unknown way to sign.
    #[error("the ID token is not signed in a way that proves who signed")]
    Algorithm,
    /// Signed with a key that the provider does not list.
    #[error("the ID token's key is not among the provider's")]
    UnknownKey,
    /// The signature is not that key's.
    #[error("the ID token's signature is wrong")]
    Signature,
    /// For somebody else.
    #[error("the ID token was made for another client")]
    Audience,
    /// Too old.
    #[error("the ID token has expired: compare the clocks of both servers")]
    Expired,
    /// Not yet.
    #[error("the ID token is from the future: compare the clocks of both servers")]
    Future,
    /// Of another sign-in.
    #[error("the ID token belongs to another sign-in")]
    Nonce,
    /// Its endpoint speaks of somebody else than its token.
    #[error("the provider's userinfo endpoint answered for another person")]
    Subject,
}

impl Fault {
    /// A stable word for logs, entries and results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call(fault) => fault.as_str(),
            Self::Document => "document",
            Self::Declined => "declined",
            Self::Request => "request_refused",
            Self::Client => "client_refused",
            Self::Code => "code_refused",
            Self::State => "state",
            Self::Issuer => "issuer",
            Self::Token => "token",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::Future => "future",
            Self::Nonce => "nonce",
            Self::Subject => "subject",
        }
    }
}

/// What the browser that began must bring back. `Debug` shows nothing of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Flow {
    state: String,
    nonce: String,
    verifier: String,
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flow")
    }
}

impl Flow {
    fn new(random: &Random) -> Self {
        let [state, nonce, verifier] = [(); 3].map(|()| BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<32>()));
        Self { state, nonce, verifier }
    }

    /// What the verifier must hash to (RFC 7636, section 4.2).
    fn challenge(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }
}

/// How the provider should ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asking<'a> {
    /// The address that is expected: the provider may fill it in.
    pub hint: Option<&'a Email>,
    /// Whether to ask again who it is, after somebody else came back.
    pub another: bool,
}

/// What the provider sent along with the browser.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Returned {
    /// The code to be traded.
    pub code: Option<String>,
    /// What [`begin`] sent.
    pub state: Option<String>,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Who the provider says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The issuer, as the token names it: for a multi-tenant provider with the tenant in it.
    pub issuer: String,
    /// The person, for this issuer; never reused.
    pub subject: String,
    /// The address, where there is one.
    pub email: Option<Email>,
    /// Whether the address counts as the person's.
    pub email_verified: bool,
    /// A suggestion.
    pub first_name: Option<String>,
    /// A suggestion.
    pub last_name: Option<String>,
}

/// The provider's description of itself, as far as it is used (OpenID Connect Discovery, section 3).
#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    prompt_values_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Document {
    async fn read(outbound: &Outbound, provider: &Provider) -> Result<Self, Fault> {
        let url = provider.issuer.document().ok_or(outbound::Fault::Address)?;
        let document: Self = outbound.send(outbound.get(&url), MAX_ANSWER).await?.json()?;
        if document.issuer != provider.issuer.described() || !is_for_browsers(&document.authorization_endpoint) {
            return Err(Fault::Document);
        }
        Ok(document)
    }

    /// Whether the client may show its secret as a password; the other way is as a field of the form.
    fn takes_password(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"))
    }
}

/// Whether a browser may be sent there: `https`, or this machine.
fn is_for_browsers(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => crate::config::is_loopback_name(name),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

/// Whether the provider can be used, as far as that shows without a person: its document is this issuer's, and its keys can
/// be read.
///
/// # Errors
/// See [`Fault`].
pub async fn test(outbound: &Outbound, provider: &Provider) -> Result<(), Fault> {
    let document = Document::read(outbound, provider).await?;
    outbound.check(&document.token_endpoint)?;
    let _: Keys = outbound.send(outbound.get(&document.jwks_uri), MAX_ANSWER).await?.json()?;
    Ok(())
}

/// Where to send the browser, and what it must bring back.
///
/// # Errors
/// Where the provider does not answer, or not as itself.
pub async fn begin(
    outbound: &Outbound,
    random: &Random,
    provider: &Provider,
    redirect_uri: &str,
    asking: Asking<'_>,
) -> Result<(Url, Flow), Fault> {
    let document = Document::read(outbound, provider).await?;
    let flow = Flow::new(random);
    let mut url = document.authorization_endpoint;
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", "openid email profile")
        .append_pair("state", &flow.state)
        .append_pair("nonce", &flow.nonce)
        .append_pair("code_challenge", &flow.challenge())
        .append_pair("code_challenge_method", "S256");
    if let Some(hint) = asking.hint {
        query.append_pair("login_hint", hint.typed());
    }
    if asking.another {
        // Where a provider lists nothing, only these two are known to let people choose; `login` is known everywhere.
        let choosing = match &document.prompt_values_supported {
            Some(values) => values.iter().any(|value| value == "select_account"),
            None => provider.issuer.lets_people_choose(),
        };
        query.append_pair("prompt", if choosing { "select_account" } else { "login" });
    }
    drop(query);
    Ok((url, flow))
}

/// Trades what the provider sent along for who it is.
///
/// # Errors
/// See [`Fault`].
pub async fn finish(
    outbound: &Outbound,
    clock: &Clock,
    provider: &Provider,
    redirect_uri: &str,
    flow: &Flow,
    returned: &Returned,
) -> Result<Identity, Fault> {
    // Compared by hash, so that the time tells nothing of it.
    if Sha256::digest(returned.state.as_deref().unwrap_or_default()) != Sha256::digest(&flow.state) {
        return Err(Fault::State);
    }
    let document = Document::read(outbound, provider).await?;
    // RFC 9207: whose answer it is, so that one provider's code is never shown to another.
    let is_from = |iss: &str| {
        iss == document.issuer || provider.issuer.tenants().iter().any(|tenant| provider.issuer.admits(iss, Some(&tenant.to_string())))
    };
    match returned.iss.as_deref() {
        Some(iss) if !is_from(iss) => return Err(Fault::Issuer),
        None if document.authorization_response_iss_parameter_supported => return Err(Fault::Issuer),
        Some(_) | None => {}
    }
    let code = match (&returned.code, returned.error.as_deref()) {
        (Some(code), None) => code,
        (_, Some("access_denied" | "login_required" | "interaction_required" | "account_selection_required" | "consent_required")) => {
            return Err(Fault::Declined);
        }
        (_, Some(_)) | (None, None) => return Err(Fault::Request),
    };
    let tokens = trade(outbound, provider, &document, redirect_uri, flow, code).await?;
    let keys: Keys = outbound.send(outbound.get(&document.jwks_uri), MAX_ANSWER).await?.json()?;
    let expected = Expected { provider, nonce: &flow.nonce, now: clock.now() };
    let claims = token::verify(&tokens.id_token, &keys, &expected)?;
    let more = match (&document.userinfo_endpoint, &tokens.access_token) {
        (Some(endpoint), Some(access)) if !claims.has_email() => Some(userinfo(outbound, endpoint, access, claims.subject()?).await?),
        _ => None,
    };
    // An address and whether it is verified come from one and the same answer.
    let about = more.as_ref().unwrap_or(&claims);
    let email = about.email();
    Ok(Identity {
        issuer: claims.issuer(),
        subject: claims.subject()?.to_owned(),
        email_verified: email.is_some() && about.email_verified(provider.trusts_unverified_email),
        email,
        first_name: about.first_name().or_else(|| claims.first_name()),
        last_name: about.last_name().or_else(|| claims.last_name()),
    })
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

/// The token request (OpenID Connect Core, section 3.1.3).
async fn trade(
    outbound: &Outbound,
    provider: &Provider,
    document: &Document,
    redirect_uri: &str,
    flow: &Flow,
    code: &str,
) -> Result<Tokens, Fault> {
    let mut form =
        vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri), ("code_verifier", &flow.verifier)];
    let mut request = outbound.post(&document.token_endpoint).header(ACCEPT, "application/json");
    let (id, secret) = (provider.client_id.as_str(), provider.client_secret.expose());
    if document.takes_password() {
        let pair = format!("{}:{}", utf8_percent_encode(id, FORM), utf8_percent_encode(secret, FORM));
        request = request.header(AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(pair)));
    } else {
        form.extend([("client_id", id), ("client_secret", secret)]);
    }
    let reply = outbound.send(request.form(&form), MAX_ANSWER).await?;
    if !matches!(reply.status, 400 | 401) {
        return Ok(reply.json()?);
    }
    let refusal: Refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
    Err(match refusal.error.as_str() {
        "invalid_grant" => Fault::Code,
        "invalid_client" | "unauthorized_client" => Fault::Client,
        _ if reply.status == 401 => Fault::Client,
        _ => Fault::Request,
    })
}

#[derive(Default, Deserialize)]
struct Refusal {
    error: String,
}

/// What a provider says only here (OpenID Connect Core, section 5.3), of the person whom the token names.
async fn userinfo(outbound: &Outbound, endpoint: &Url, access: &str, subject: &str) -> Result<Claims, Fault> {
    let request = outbound.get(endpoint).bearer_auth(access).header(ACCEPT, "application/json");
    let claims: Claims = outbound.send(request, MAX_ANSWER).await?.json()?;
    if claims.subject()? == subject { Ok(claims) } else { Err(Fault::Subject) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_unguessable_and_its_challenge_is_s256() {
        let (a, b) = (Flow::new(&Random::seeded(1)), Flow::new(&Random::seeded(2)));
        assert!(a.state != b.state && a.state != a.nonce && a.nonce != a.verifier);
        assert_eq!(a.verifier.len(), 43, "RFC 7636 asks for 43 to 128 characters");
        // RFC 7636, appendix B.
        let flow = Flow { verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(), ..a };
        assert_eq!(flow.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(format!("{flow:?}"), "Flow");
    }

    #[test]
    fn a_browser_is_sent_to_https_or_this_machine() {
        for (url, fine) in [
            ("https://idp.example/auth", true),
            ("http://127.0.0.1:9000/auth", true),
            ("http://localhost/auth", true),
            ("http://idp.example/auth", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
        ] {
            assert_eq!(is_for_browsers(&Url::parse(url).unwrap()), fine, "{url}");
        }
    }
}
