//! Changes of a person: names, role, Slack ID, and what they are found by.

use super::{
    super::{
        audit::{self, Change, Entry, Said},
        notices, search, sessions,
        sql::StoreError,
        work::Work,
    },
    Found, theirs,
};
use crate::{
    authz::{
        Authorized,
        action::{PersonFacts, UpdateUser},
        slack::FoundInSlack,
    },
    domain::{Role, SlackBy, SlackId, Status, UserId},
};

macro_rules! rename {
    () => {
        "UPDATE users SET folded = $3, first_name = $4, last_name = $5, slack_id = $6, slack_by = $7, role = $8, version = version + 1
          WHERE key = $1"
    };
}

/// What a person's row says from now on.
struct Rewritten<'a> {
    first: &'a str,
    last: &'a str,
    slack_id: Option<&'a str>,
    slack_by: Option<SlackBy>,
    role: Role,
    folded: &'a str,
}

/// Writes a person's row anew, and what they are found by where that changes.
async fn rewrite(work: &mut Work, person: &PersonFacts, new: &Rewritten<'_>) -> Result<(), StoreError> {
    let (sqlite, postgres) = if new.folded == person.folded {
        (rename!(), rename!())
    } else {
        (search::replacing!(sqlite, rename!()), search::replacing!(postgres, rename!()))
    };
    let (engine, org) = (work.tx.engine(), work.org.number);
    work.tx
        .query(engine.either(sqlite, postgres))
        .bind(person.person.key)
        .bind(search::replaced(engine, org, &person.folded, new.folded))
        .bind(new.folded)
        .bind(new.first)
        .bind(new.last)
        .bind(new.slack_id)
        .bind(new.slack_by.map(SlackBy::as_str))
        .bind(new.role)
        .execute()
        .await?;
    Ok(())
}

/// Another Slack ID, or none, as the log says it.
fn slack_id_change(id: UserId, before: Option<&str>, after: Option<&str>) -> Change {
    let said = |text: Option<&str>| text.map_or(Said::Nothing, |text| theirs(id, text));
    Change { field: "slack_id", before: said(before), after: said(after) }
}

/// Writes the Slack ID that a look-up found.
pub(in crate::store) async fn found_in_slack(work: &mut Work, proof: Authorized<FoundInSlack>, before: &Found) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let slack_id = Some(action.slack_id.as_str());
    let new = Rewritten {
        first: &before.first_name,
        last: &before.last_name,
        slack_id,
        slack_by: Some(SlackBy::LookUp),
        role: action.person.role,
        folded: &action.folded,
    };
    rewrite(work, &action.person, &new).await?;
    let change = slack_id_change(action.person.person.id, before.slack_id.as_deref(), slack_id);
    audit::append(work, Entry::done(stamp, vec![change])).await
}

/// Writes new names, Slack ID or role.
pub async fn update(work: &mut Work, proof: Authorized<UpdateUser>, before: &Found) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let id = action.person.person.id;
    let mut changes = Vec::new();
    let (mut first, mut last) = (before.first_name.clone(), before.last_name.clone());
    if let Some(name) = &action.name {
        for (field, before, after) in [("first_name", &mut first, name.first()), ("last_name", &mut last, name.last())] {
            if before != after {
                changes.push(Change { field, before: theirs(id, before.clone()), after: theirs(id, after) });
                after.clone_into(before);
            }
        }
    }
    let (slack_id, slack_by) = match &action.slack_id {
        Some(after) => {
            let after = after.as_ref().map(SlackId::as_str);
            if after != before.slack_id.as_deref() {
                changes.push(slack_id_change(id, before.slack_id.as_deref(), after));
            } else if before.slack_by != Some(SlackBy::Hand) {
                // The value stays; that no look-up changes it any more is the change.
                let by = before.slack_by.map_or(Said::Nothing, |by| Said::Plain(by.as_str().to_owned()));
                changes.push(Change { field: "slack_id_by", before: by, after: Said::Plain(SlackBy::Hand.as_str().to_owned()) });
            }
            (after, Some(SlackBy::Hand))
        }
        None => (before.slack_id.as_deref(), before.slack_by),
    };
    let role = action.role.unwrap_or(action.person.role);
    // Somebody who has not joined is none yet; accepting the invite makes them one.
    let made_one = role == Role::Administrator && role != action.person.role && action.person.status == Status::Active;
    let by = notices::by(&stamp);
    let mut broke_glass = None;
    if role != action.person.role {
        broke_glass = notices::breaks_glass(work, action.person.person.key).await?;
        changes.push(Change::plain("role", action.person.role.shown(), role.shown()));
        work.head.leave(action.person.status, action.person.role);
        work.head.enter(action.person.status, role);
        let ended = sessions::end_shut(work, action.person.person.key).await?;
        if ended > 0 {
            changes.push(Change::set("sessions_ended", Said::Plain(ended.to_string())));
        }
    }
    let new = Rewritten { first: &first, last: &last, slack_id, slack_by, role, folded: &action.folded };
    rewrite(work, &action.person, &new).await?;
    if made_one {
        notices::administrator_made(work, id, by).await?;
    }
    notices::break_glass(work, action.person.person, broke_glass, by).await?;
    audit::append(work, Entry::done(stamp, changes)).await
}
