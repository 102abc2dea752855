//! What becomes of mail after the relay took it, as the operator learns of it.

use super::{About, Call, Done, Writing, invalid};
use crate::{
    app::App,
    authz::{self, action::GiveUp},
    domain::{Channel, Email, OutboxId, UserId},
    error::Error,
    store::outbox::{self, Sent, SentState},
};

/// Which mail came back.
#[derive(Clone, Debug)]
pub enum Bounce {
    /// The one with this id, of which its Message-ID is made.
    Mail(OutboxId),
    /// In each organization the newest one that left for this address.
    To(Email),
}

impl Bounce {
    /// Reads a Message-ID as a bounce names it, with or without its angle brackets.
    pub fn message_id(text: &str) -> Result<Self, Error> {
        let left = text.trim().trim_start_matches('<').split('@').next().unwrap_or_default();
        OutboxId::parse(left).map(Self::Mail).ok_or_else(|| {
            invalid(
                "message_id",
                "This is no Message-ID of usher's.",
                "Pass the Message-ID of the mail that came back, or its recipient with --to.",
            )
        })
    }
}

/// The mails that a bounce is about, in all organizations.
pub async fn find(app: &App, bounce: &Bounce) -> Result<Vec<Sent>, Error> {
    Ok(match bounce {
        Bounce::Mail(id) => outbox::sent(&app.pool, *id).await?.into_iter().collect(),
        Bounce::To(email) => outbox::last_sent_to(&app.pool, email.key()).await?,
    })
}

/// A mail that the relay had taken came back: it counts as failed, with the code `bounced`. `false` where that was known.
pub async fn bounced(app: &App, call: &Call, id: OutboxId) -> Result<(UserId, bool), Error> {
    let mut writing = Writing::begin::<GiveUp>(app, call, false).await?;
    let result = async {
        let mail = outbox::facts(&mut writing.work, id)
            .await?
            .ok_or_else(|| invalid("message_id", "No mail of this organization has this Message-ID.", "Check it, and --org."))?;
        let (user, about) = (mail.user, About::user(mail.user));
        match mail.state {
            SentState::Sent => {}
            SentState::Failed => return Ok(Done { value: (user, false), changed: false, about }),
            SentState::NotSent => {
                return Err(Error::Conflict("This mail has not left by a relay, so it cannot have come back."));
            }
        }
        let proof = authz::authorize(&call.actor, &writing.standing, GiveUp { channel: Channel::Mail, user, name: mail.name })?;
        outbox::bounced(&mut writing.work, proof, id).await?;
        Ok(Done { value: (user, true), changed: true, about })
    }
    .await;
    writing.finish(result).await
}
