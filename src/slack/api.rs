//! Slack's Web API, as far as it is needed: whose token it is, and who somebody is by their address.
//!
//! Slack answers most refusals with status 200 and `"ok": false`, and asks to be left alone with 429 and `Retry-After`
//! (docs.slack.dev, Web API). Texts of an answer are somebody else's: only what reads as an id is taken, and an error counts
//! by the codes that are known here.

use crate::{
    domain::{SECOND, SlackId, SlackStop, Workspace},
    outbound::{Fault, Outbound, Reply},
};
use reqwest::header::RETRY_AFTER;
use serde::{Deserialize, de::DeserializeOwned};
use std::fmt;
use url::Url;
use zeroize::Zeroizing;

/// Where Slack's Web API is.
pub const SLACK_URL: &str = "https://slack.com/api/";
/// Longest answer that is read, in bytes; a user object has about two thousand.
const MAX_ANSWER: usize = 64 * 1024;
/// The scope that looking up by address needs.
const SCOPE: &str = "users:read.email";
/// How long Slack is left alone where it does not say how long.
const PAUSE: i64 = 30 * SECOND;
/// How long it may ask for at most.
const LONGEST_PAUSE: i64 = 3600 * SECOND;

/// An organization's bot token. `Debug` does not show it.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Reads a bot token.
    ///
    /// # Errors
    /// A sentence for the operator, which never quotes it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.starts_with("xoxe.") {
            return Err(
                "this token ends by itself after hours: switch token rotation off for the app, install it again, and pass the token that begins with xoxb-",
            );
        }
        let readable = text.len() <= 512 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if text.starts_with("xoxb-") && readable {
            return Ok(Self(Zeroizing::new(text.to_owned())));
        }
        Err("this is no bot token: pass the one that begins with xoxb-, from the app's page OAuth & Permissions")
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why Slack gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It wants to be left alone for so many milliseconds.
    #[error("Slack wants to be left alone for a while: try again in a minute")]
    Later(i64),
    /// It does not take the token.
    #[error("{}", .0.words())]
    Stop(SlackStop),
    /// It could not be asked.
    #[error("{0}")]
    Call(#[from] Fault),
    /// It has trouble of its own, or answered with a code that says nothing of the token.
    #[error("Slack could not answer: try again later")]
    Trouble,
}

impl Refusal {
    /// A stable word for logs, rows and results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Later(_) => "rate_limited",
            Self::Stop(stop) => stop.as_str(),
            Self::Call(fault) => fault.as_str(),
            Self::Trouble => "slack_trouble",
        }
    }

    /// Whether it concerns every question, whoever asks: Slack cannot be reached.
    #[must_use]
    pub const fn is_of_every_question(self) -> bool {
        match self {
            Self::Call(Fault::Address | Fault::Refused | Fault::Unreachable | Fault::Slow | Fault::Tls) => true,
            Self::Call(Fault::Large | Fault::Unexpected) | Self::Later(_) | Self::Stop(_) | Self::Trouble => false,
        }
    }
}

/// Reads the address of Slack's Web API; a slash at its end may be missing.
///
/// # Errors
/// A sentence for the operator.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let wrong = || "--slack-url takes https://HOST/PATH/, without user, query and fragment".to_owned();
    let text = text.trim();
    let url = Url::parse(&format!("{}/", text.trim_end_matches('/'))).map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    // Plain http is for this machine; the guarded client sees to that.
    if plain && matches!(url.scheme(), "https" | "http") && url.host().is_some() { Ok(url) } else { Err(wrong()) }
}

/// The two fields that every answer has.
#[derive(Deserialize)]
struct Outcome {
    ok: bool,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Whose {
    team_id: String,
    #[serde(default)]
    team: String,
}

#[derive(Deserialize)]
struct Found {
    user: Member,
}

#[derive(Deserialize)]
struct Member {
    id: String,
    #[serde(default)]
    deleted: bool,
}

/// Whose token it is, and that it may look people up (`auth.test`).
///
/// # Errors
/// See [`Refusal`].
pub async fn whose(outbound: &Outbound, base: &Url, token: &Token) -> Result<Workspace, Refusal> {
    let reply = ask(outbound, base, "auth.test", token, &[]).await?;
    let whose: Whose = read(&reply)?;
    // Slack names a token's scopes beside every answer.
    let scopes = reply.headers.get("x-oauth-scopes").and_then(|scopes| scopes.to_str().ok());
    if scopes.is_some_and(|scopes| !scopes.split(',').any(|scope| scope.trim() == SCOPE)) {
        return Err(Refusal::Stop(SlackStop::MissingScope));
    }
    Workspace::answered(&whose.team_id, &whose.team).ok_or(Refusal::Call(Fault::Unexpected))
}

/// Who has this address in the token's workspace, if anybody (`users.lookupByEmail`).
///
/// # Errors
/// See [`Refusal`].
pub async fn look_up(outbound: &Outbound, base: &Url, token: &Token, email: &str) -> Result<Option<SlackId>, Refusal> {
    // As a form: an address has no place in a URL.
    let reply = ask(outbound, base, "users.lookupByEmail", token, &[("email", email)]).await?;
    let outcome: Outcome = read(&reply)?;
    if !outcome.ok {
        return Ok(None);
    }
    let found: Found = read(&reply)?;
    if found.user.deleted {
        return Ok(None);
    }
    SlackId::of_member(&found.user.id).map(Some).ok_or(Refusal::Call(Fault::Unexpected))
}

/// Asks, and sorts the refusals out; what is left is an answer, of which `users_not_found` is one.
async fn ask(outbound: &Outbound, base: &Url, method: &str, token: &Token, form: &[(&str, &str)]) -> Result<Reply, Refusal> {
    let url = base.join(method).map_err(|_| Fault::Address)?;
    let reply = outbound.send(outbound.post(&url).bearer_auth(token.expose()).form(form), MAX_ANSWER).await?;
    match reply.status {
        429 => return Err(Refusal::Later(pause(&reply))),
        500.. => return Err(Refusal::Trouble),
        _ => {}
    }
    let outcome: Outcome = read(&reply)?;
    if outcome.ok || outcome.error == "users_not_found" {
        return Ok(reply);
    }
    Err(match SlackStop::answered(&outcome.error) {
        Some(stop) => Refusal::Stop(stop),
        None if matches!(outcome.error.as_str(), "ratelimited" | "rate_limited") => Refusal::Later(pause(&reply)),
        None => Refusal::Trouble,
    })
}

fn read<T: DeserializeOwned>(reply: &Reply) -> Result<T, Refusal> {
    Ok(reply.json()?)
}

/// For how many milliseconds Slack wants to be left alone: `Retry-After`, in seconds.
fn pause(reply: &Reply) -> i64 {
    let said = reply.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
    said.map_or(PAUSE, |seconds| seconds.saturating_mul(SECOND).clamp(SECOND, LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_token_is_read_and_never_shown() {
        let token = Token::parse(" xoxb-1-2-abcDEF\n").unwrap();
        assert_eq!((token.expose(), format!("{token:?}").as_str()), ("xoxb-1-2-abcDEF", "Token"));
        for wrong in ["", "xoxp-1-2", "xoxe.xoxb-1-2", "xoxb-1 2", "Bearer xoxb-1", "xoxb-1\u{e9}"] {
            let said = Token::parse(wrong).unwrap_err();
            assert!(said.contains("xoxb-") && (wrong.is_empty() || !said.contains(wrong)), "{wrong}: {said}");
        }
    }

    #[test]
    fn slacks_address_has_a_slash_at_its_end() {
        assert_eq!(parse_url("https://slack.com/api").unwrap().as_str(), SLACK_URL);
        assert_eq!(parse_url(SLACK_URL).unwrap().as_str(), SLACK_URL);
        for wrong in ["slack.com/api", "ftp://slack.com/", "https://a:b@slack.com/", "https://slack.com/api?x=1", ""] {
            assert!(parse_url(wrong).is_err(), "{wrong}");
        }
    }
}
