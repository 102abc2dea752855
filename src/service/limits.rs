//! Budgets for mail: invites per organization and inviter, resends, started resets and news of a browser per recipient; and how many
//! tokens work at a time. Counted in the database, under the lock, so that they survive a restart and hold over nodes and surfaces (R-B151).

use super::{Writing, signing_in::LINK_BUDGET};
use crate::{
    domain::{DAY, Role},
    error::{Budget, Error},
    store::{
        credentials,
        links::{self, Sent, Starter},
        notices,
    },
};

/// Tokens of one person that work at a time, of those that they make themselves.
const TOKENS: i64 = 50;

/// How many of an organization's invites of a day one person may send.
#[must_use]
pub fn own_share(invites_per_day: i64) -> i64 {
    (invites_per_day / 5).max(1)
}

/// One more invite mail of this organization and inviter.
pub(crate) async fn one_more_invite(writing: &mut Writing<'_>) -> Result<(), Error> {
    let limit = writing.app.limits.invites_per_day;
    if limit == 0 {
        return Ok(());
    }
    let since = writing.work.now().plus(-DAY);
    let sent = links::sent_by_organization(&mut writing.work, since, limit).await?;
    within(Budget::Invites, sent, limit, DAY, writing)?;
    if let Some(inviter) = writing.call.actor.user() {
        let own = own_share(limit);
        let sent = links::sent_by_inviter(&mut writing.work, inviter.key, since, own).await?;
        within(Budget::OwnInvites, sent, own, DAY, writing)?;
    }
    Ok(())
}

/// One more mail to a person who has been sent one before.
pub(crate) async fn one_more_resend(writing: &mut Writing<'_>, user_key: i64) -> Result<(), Error> {
    for (limit, window) in writing.app.limits.resends.clone() {
        let since = writing.work.now().plus(-window);
        let sent = links::resent_to(&mut writing.work, user_key, since, limit).await?;
        within(Budget::Resends, sent, limit, window, writing)?;
    }
    Ok(())
}

/// One more mail by which somebody else starts a reset for a person: as many as their mailbox gets of links that are asked for
/// at the door. What is asked for there, by Administrators and on the host is counted apart, so that nobody uses up another's.
pub(crate) async fn one_more_reset(writing: &mut Writing<'_>, user_key: i64) -> Result<(), Error> {
    let by = if writing.call.actor.user().is_some() { Starter::Administrators } else { Starter::Operator };
    for (limit, window) in LINK_BUDGET {
        let since = writing.work.now().plus(-window);
        let sent = links::resets_started_for(&mut writing.work, user_key, by, since, limit).await?;
        within(Budget::Resets, sent, limit, window, writing)?;
    }
    Ok(())
}

/// Whether somebody is told of one more browser that was not there before: an Administrator, as often as their mailbox gets links that
/// are asked for. Whoever has the password makes a new browser with each sign-in; the audit log holds them all.
pub(crate) async fn tells_of_a_new_browser(writing: &mut Writing<'_>, role: Role, user_key: i64) -> Result<bool, Error> {
    match role {
        Role::Administrator => {}
        Role::User => return Ok(false),
    }
    for (limit, window) in LINK_BUDGET {
        let since = writing.work.now().plus(-window);
        if notices::new_browsers_told(&mut writing.work, user_key, since, limit).await? >= limit {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One more token that somebody makes for themselves. What is made on the host is counted there, and not bounded.
pub(crate) async fn one_more_token(writing: &mut Writing<'_>) -> Result<(), Error> {
    let Some(person) = writing.call.actor.user() else { return Ok(()) };
    if credentials::count_live(&mut writing.work, person.key, TOKENS).await? < TOKENS {
        return Ok(());
    }
    Err(Error::Clash { said: "Fifty tokens of yours work already.", hint: "Revoke one that is not used any more, then make the new one." })
}

fn within(budget: Budget, sent: Sent, limit: i64, window: i64, writing: &Writing<'_>) -> Result<(), Error> {
    if sent.count < limit {
        return Ok(());
    }
    let free_again = sent.oldest.map_or(window, |oldest| oldest.plus(window).as_millis() - writing.work.now().as_millis());
    Err(Error::RateLimited { budget, retry_after_ms: free_again.max(1) })
}
