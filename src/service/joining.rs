//! Joining by an invite: looking changes nothing, accepting makes the person Active with a password.

use super::{Call, Done, Writing};
use crate::{
    app::App,
    authn::{link, password},
    authz::{
        self, Standing,
        action::{AcceptInvite, Joining},
    },
    domain::{PersonName, RequestId},
    error::Error,
    keys::sha256,
    store::{
        links::{self, Link},
        people::{self, Who},
        sso,
    },
};
use zeroize::Zeroizing;

/// The link behind a token as it is now; `None` for what never was one.
pub async fn look(app: &App, token: &str) -> Result<Option<Link>, Error> {
    if !link::is_well_formed(token) {
        return Ok(None);
    }
    Ok(links::by_hash(&app.pool, sha256(token.as_bytes()), app.clock.now()).await?)
}

/// What the form of the accepting page says.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// First name, perhaps corrected (B08).
    pub first_name: String,
    /// Last name, perhaps corrected.
    pub last_name: String,
    /// The new password.
    pub password: Zeroizing<String>,
}

/// Accepts: the password is checked and hashed before the transaction, the link is looked at again inside it.
pub async fn accept(app: &App, token: &str, request_id: RequestId, form: &Acceptance) -> Result<Link, Error> {
    let seen = look(app, token).await?.ok_or(Error::DeadLink)?;
    let call = Call::new(link::actor(&seen), Standing::nothing(), request_id);
    let result = match seen.state {
        links::LinkState::Live => accept_live(app, token, &seen, &call, form).await,
        links::LinkState::Expired
        | links::LinkState::Superseded
        | links::LinkState::Withdrawn
        | links::LinkState::Used
        | links::LinkState::Suspended => Err(Error::DeadLink),
    };
    // Whoever holds a dead link and sends the form has more than looked (R-B32).
    if let Err(error @ Error::DeadLink) = &result {
        let named = crate::gather::Named::User(seen.person.id);
        let name = format!("{} {}", seen.first_name, seen.last_name);
        // Whoever it is about is the actor, whose name is at hand: which entry was the last does not matter.
        app.evidence.refused(app.clock.now(), &call.actor, &name, "invite:accepted", None, named, error.code().as_str(), request_id, 0);
    }
    result
}

async fn accept_live(app: &App, token: &str, seen: &Link, call: &Call, form: &Acceptance) -> Result<Link, Error> {
    let name = PersonName::parse(&form.first_name, &form.last_name)?;
    // Also as they were invited: a corrected name is no better a secret than the one before it.
    let known = [name.first(), name.last(), &seen.first_name, &seen.last_name, &seen.email, &seen.organization];
    password::check(&form.password, &known)?;
    let password_hash = app.hasher.hash(form.password.clone()).await?;
    let mut writing = Writing::begin::<AcceptInvite>(app, call, true).await?;
    let result = async {
        let link = links::by_hash_locked(&mut writing.work, sha256(token.as_bytes())).await?.ok_or(Error::DeadLink)?;
        let found = people::facts(&mut writing.work, &Who::Id(link.person.id)).await?.ok_or(Error::DeadLink)?;
        let email = crate::domain::Email::parse(&found.email)?;
        let action = AcceptInvite {
            person: found.facts.clone(),
            link: link.id,
            expires_at: link.expires_at,
            ended: link.state != links::LinkState::Live,
            now: writing.work.now(),
            name: name.clone(),
            folded: people::folded(name.first(), name.last(), &email, found.slack_id.as_deref()),
            joining: Joining::Password {
                hash: password_hash.clone(),
                connected: !sso::connections_locked(&mut writing.work).await?.is_empty(),
            },
        };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        // A password is nobody else's, so this always goes through.
        people::accept(&mut writing.work, proof, &found).await?;
        writing.mails();
        Ok(Done { value: link, changed: true, about: super::About::default() })
    }
    .await;
    writing.finish(result).await
}
