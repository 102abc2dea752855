//! Personal MCP tokens, made and ended on the host.

use super::{About, Call, Done, Writing, parse};
use crate::{
    app::App,
    authn::credential,
    authz::{
        self, Actor, Standing, Visible,
        action::{CreateToken, RevokeToken},
    },
    domain::{CredentialId, DAY, Invalid, Settings, TOKEN_DAYS, Timestamp, Untrusted},
    error::Error,
    keys::sha256,
    store::{
        Work,
        credentials::{self, Token},
        door, organizations,
        people::{self, Who},
    },
};

/// A new token; its text is shown once and kept nowhere.
#[derive(Debug)]
pub struct NewToken {
    /// The secret.
    pub token: String,
    /// Its id.
    pub id: CredentialId,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Makes a token for an Active person of an organization that is not suspended. Without `days` it lives as long as is usual there.
pub async fn create(app: &App, call: &Call, user: &str, label: &str, days: Option<u32>, read_only: bool) -> Result<NewToken, Error> {
    let who = parse::who("user", user)?;
    let label = parse::line("label", label, 100)?;
    let mut writing = Writing::begin::<CreateToken>(app, call, false).await?;
    let wanted = Wanted { who, label, days, write: !read_only };
    let result = issue(app, &mut writing.work, &call.actor, &writing.standing, wanted).await;
    writing.finish(result.map(|value| Done { value, changed: true, about: About::default() })).await
}

/// How many days a token lives, within what its organization decided.
fn days(wanted: Option<u32>, settings: &Settings) -> Result<u32, Error> {
    let days = wanted.unwrap_or_else(|| settings.usual_token_days());
    let most = settings.most_token_days.min(*TOKEN_DAYS.end());
    if (*TOKEN_DAYS.start()..=most).contains(&days) {
        return Ok(days);
    }
    let refused = Invalid::new("expires_in_days", format!("A token lives 1 to {most} days here."));
    Err(refused.with_hint(format!("Pass a number of days from 1 to {most}.")).into())
}

/// A token to be made.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) who: Who,
    pub(super) label: Untrusted,
    /// As long as is usual where none is said.
    pub(super) days: Option<u32>,
    pub(super) write: bool,
}

/// Makes a token within a unit of work.
pub(super) async fn issue(app: &App, work: &mut Work, actor: &Actor, standing: &Standing, wanted: Wanted) -> Result<NewToken, Error> {
    let found = people::facts(work, &wanted.who).await?.ok_or(Error::UserNotFound)?;
    let (_, suspended) = organizations::now(work).await?;
    if suspended {
        return Err(Error::Clash {
            said: "This organization is suspended: its tokens let nobody in.",
            hint: "Let people in again with `usher org resume`, then make the token.",
        });
    }
    let days = days(wanted.days, &door::settings(work).await?)?;
    let locator = organizations::locator(work).await?;
    let token = credential::new_token(&locator, &app.random);
    let now = work.now();
    let id = CredentialId::new(now, &app.random);
    let expires_at = now.plus(i64::from(days) * DAY);
    let hash = sha256(token.as_bytes());
    let action = CreateToken { person: found.facts, id, label: wanted.label, hash, write: wanted.write, expires_at };
    let proof = authz::authorize(actor, standing, action).map_err(|_| Error::Clash {
        said: "Only an Active person can have a token.",
        hint: "Let them accept their invite first; `usher user reactivate` lets a deactivated person back in.",
    })?;
    credentials::create(work, proof).await?;
    Ok(NewToken { token, id, expires_at })
}

/// All tokens of the organization, or of one person in it; newest first.
pub async fn list(app: &App, call: &Call, user: Option<&str>) -> Result<Vec<Token>, Error> {
    let org = call.actor.org();
    let key = match user {
        None => None,
        Some(text) => {
            let who = parse::who("user", text)?;
            Some(people::find(&app.pool, org, &who, Visible::All).await?.ok_or(Error::UserNotFound)?.key)
        }
    };
    Ok(credentials::list(&app.pool, org, key).await?)
}

/// Ends a token; `false` when it had ended before.
pub async fn revoke(app: &App, call: &Call, id: &str) -> Result<bool, Error> {
    let id = CredentialId::parse(id.trim())
        .ok_or_else(|| super::invalid("id", "This is not a token's id.", "Pass the id that `usher token list` shows."))?;
    let mut writing = Writing::begin::<RevokeToken>(app, call, false).await?;
    let result = async {
        let (user, label) = credentials::facts(&mut writing.work, id)
            .await?
            .ok_or_else(|| super::invalid("id", "There is no such token in this organization.", "`usher token list` shows all."))?;
        let proof = authz::authorize(&call.actor, &writing.standing, RevokeToken { id, user, label })?;
        let changed = credentials::revoke(&mut writing.work, proof).await?;
        Ok(Done { value: changed, changed, about: About::default() })
    }
    .await;
    writing.finish(result).await
}
