//! Organizations, people and tokens from the host's command line.

use super::{
    AtMost, Org, Token, User, output,
    run::{Absent, Outcome, on_the_host, open, organization, said},
};
use crate::{
    app::App,
    config::Options,
    domain::{InviteDomains, OtherDomains, SecondFactorFor, Timestamp},
    service::{
        Call,
        organizations::{self, FirstAdministrator},
        passwords, people, second_factor, tokens,
    },
    store,
};
use serde_json::json;
use std::process::ExitCode;
use usher_tools as contract;

pub(super) async fn org(command: Org, options: &Options) -> Outcome {
    let absent = match command {
        Org::Create { .. } => Absent::MakeFile,
        Org::List | Org::Rename { .. } | Org::Set { .. } | Org::Suspend { .. } | Org::Resume { .. } => Absent::Refuse,
    };
    let app = open(options, absent).await?;
    match command {
        Org::Create { name, admin_email, admin_first_name, admin_last_name } => {
            let admin = FirstAdministrator { email: &admin_email, first: &admin_first_name, last: &admin_last_name };
            let (organization, user) = organizations::create(&app, &name, admin).await.map_err(|error| said(&app, &error))?;
            let value = json!({"org": organization.slug, "admin_email": admin_email.trim(), "user_id": user.to_string()});
            output::result(options.json, &value, &format!("Made {}. Its MCP URL ends in /mcp/{}", organization.name, organization.slug))?;
        }
        Org::List => {
            let all = store::organizations::list(&app.pool).await.map_err(|error| error.to_string())?;
            let value: Vec<_> = all
                .iter()
                .map(|o| {
                    json!({"org": o.slug, "name": o.name, "people": o.people, "suspended": o.suspended_at.is_some(),
                           "invite_domains": o.settings.invite_domains, "other_domains": o.settings.other_domains,
                           "second_factor": o.settings.second_factor, "sso_required": o.settings.sso_required,
                           "magic_links": o.settings.magic_links, "most_administrators": o.settings.most_administrators,
                           "most_token_days": o.settings.most_token_days})
                })
                .collect();
            let words: Vec<String> = all
                .iter()
                .map(|o| {
                    let people = if o.people == 1 { "1 person".to_owned() } else { format!("{} people", o.people) };
                    let state = if o.suspended_at.is_some() { ", suspended" } else { "" };
                    format!("{:24} {} ({people}{state})", o.slug, o.name)
                })
                .collect();
            output::result(options.json, &json!(value), &words.join("\n"))?;
        }
        Org::Rename { org, name } => {
            let call = on_the_host(&app, &org).await?;
            changed(options, &org, organizations::rename(&app, &call, &name, None).await.map_err(|error| said(&app, &error))?)?;
        }
        Org::Set { org, invite_domains, other_domains, second_factor, magic_links, most_administrators, most_token_days } => {
            let call = on_the_host(&app, &org).await?;
            let new = organizations::NewSettings {
                invite_domains: invite_domains
                    .as_deref()
                    .map(InviteDomains::parse)
                    .transpose()
                    .map_err(|invalid| said(&app, &invalid.into()))?,
                other_domains: other_domains.as_deref().and_then(OtherDomains::parse),
                second_factor: second_factor.as_deref().and_then(SecondFactorFor::parse),
                magic_links,
                most_administrators: most_administrators.map(AtMost::number),
                most_token_days,
            };
            changed(options, &org, organizations::set(&app, &call, &new, None, None).await.map_err(|error| said(&app, &error))?)?;
        }
        Org::Suspend { org } => suspend(&app, options, &org, true).await?,
        Org::Resume { org } => suspend(&app, options, &org, false).await?,
    }
    app.pool.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn suspend(app: &App, options: &Options, slug: &str, suspend: bool) -> Result<(), String> {
    let call = on_the_host(app, slug).await?;
    changed(options, slug, organizations::suspend(app, &call, suspend).await.map_err(|error| said(app, &error))?)
}

fn changed(options: &Options, slug: &str, changed: bool) -> Result<(), String> {
    output::result(options.json, &json!({"org": slug, "changed": changed}), if changed { "Done." } else { "It was so before." })
}

pub(super) async fn user(command: User, options: &Options) -> Outcome {
    let app = open(options, Absent::Refuse).await?;
    match command {
        User::List { org, user } => {
            let organization = organization(&app, &org).await?;
            let call = Call::on_the_host(&app, organization.org);
            let mut params = contract::ListUsersParams { limit: Some(100), ..Default::default() };
            let mut users = Vec::new();
            if let Some(user) = user {
                let params = contract::GetUserParams { user };
                users.push(people::get(&app, &call, &params).await.map_err(|error| said(&app, &error))?.user);
            } else {
                loop {
                    let page = people::list(&app, &call, organization.people, &params).await.map_err(|error| said(&app, &error))?;
                    users.extend(page.users);
                    match page.next_cursor {
                        Some(next) => params.cursor = Some(next),
                        None => break,
                    }
                }
            }
            let words: Vec<String> = users
                .iter()
                .map(|u| {
                    format!(
                        "{:32} {:28} {:14} {}",
                        u.email,
                        format!("{} {}", u.first_name, u.last_name),
                        u.role.as_str(),
                        u.status.as_str()
                    )
                })
                .collect();
            output::result(options.json, &json!(users), &words.join("\n"))?;
        }
        User::Promote(of) => {
            let call = on_the_host(&app, &of.org).await?;
            let params = contract::UpdateUserParams { user: of.user, role: Some(contract::Role::Administrator), ..Default::default() };
            let done = people::update(&app, &call, &params).await.map_err(|error| said(&app, &error))?;
            output::result(options.json, &json!(done), if done.changed { "Promoted." } else { "They were an Administrator before." })?;
        }
        User::Reactivate(of) => {
            let call = on_the_host(&app, &of.org).await?;
            let params = contract::ReactivateUserParams { user: of.user, ..Default::default() };
            let done = people::reactivate(&app, &call, &params).await.map_err(|error| said(&app, &error))?;
            output::result(options.json, &json!(done), if done.changed { "Reactivated." } else { "They were not deactivated." })?;
        }
        User::ResetPassword(of) => {
            let call = on_the_host(&app, &of.org).await?;
            let started = passwords::start_reset(&app, &call, &of.user, None).await.map_err(|error| said(&app, &error))?;
            // Only a form can come twice.
            if let Some(started) = started {
                let (user, until) = (started.user.to_string(), started.expires_at);
                let value = json!({"user_id": user, "delivery": started.delivery, "expires_at": until.to_rfc3339()});
                output::result(options.json, &value, &format!("A link is mailed to them; it works until {}.", until.short_utc()))?;
            }
        }
        User::ResetSecondFactor(of) => {
            let call = on_the_host(&app, &of.org).await?;
            let changed = second_factor::reset(&app, &call, &of.user, None).await.map_err(|error| said(&app, &error))?;
            let words = if changed { "Taken away; all their sessions have ended." } else { "They have none." };
            output::result(options.json, &json!({"changed": changed}), words)?;
        }
    }
    app.pool.close().await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn token(command: Token, options: &Options) -> Outcome {
    let app = open(options, Absent::Refuse).await?;
    match command {
        Token::Create { of, label, expires_in_days, read_only } => {
            let call = on_the_host(&app, &of.org).await?;
            let asked = tokens::Asked { label: &label, days: expires_in_days, read_only, proved_at: None };
            let made = tokens::create(&app, &call, &of.user, &asked).await.map_err(|error| said(&app, &error))?;
            let Some(made) = made else { return Err("this token was made before".to_owned()) };
            let value = json!({"token": made.token, "id": made.id.to_string(), "expires_at": made.expires_at.to_rfc3339()});
            output::result(options.json, &value, &made.token)?;
        }
        Token::List { org, user } => {
            let call = on_the_host(&app, &org).await?;
            let all = tokens::list(&app, &call, user.as_deref()).await.map_err(|error| said(&app, &error))?;
            let value: Vec<_> = all
                .iter()
                .map(|t| {
                    json!({"id": t.id.to_string(), "user_id": t.user.to_string(), "email": t.email, "label": t.label,
                           "scopes": t.scopes.as_str(), "created_at": t.created_at.to_rfc3339(), "expires_at": t.expires_at.to_rfc3339(),
                           "last_used_at": t.last_used_at.map(Timestamp::to_rfc3339), "revoked_at": t.revoked_at.map(Timestamp::to_rfc3339)})
                })
                .collect();
            let words: Vec<String> =
                all.iter().map(|t| format!("{} {:32} {:32} {}", t.id, t.email, token_state(t, app.clock.now()), t.label)).collect();
            output::result(options.json, &json!(value), &words.join("\n"))?;
        }
        Token::Revoke { org, id } => {
            let call = on_the_host(&app, &org).await?;
            let changed = tokens::revoke(&app, &call, &id).await.map_err(|error| said(&app, &error))?.changed;
            output::result(options.json, &json!({"id": id, "changed": changed}), if changed { "Ended." } else { "It had ended before." })?;
        }
    }
    app.pool.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What a token is good for, in words.
fn token_state(token: &store::credentials::Token, now: Timestamp) -> String {
    if let Some(revoked) = token.revoked_at {
        return format!("ended {}", revoked.short_utc());
    }
    if token.expires_at <= now {
        return format!("expired {}", token.expires_at.short_utc());
    }
    let read_only = if token.scopes.write { "" } else { "read-only, " };
    format!("{read_only}until {}", token.expires_at.short_utc())
}
