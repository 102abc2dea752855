//! `usher slack`: organizations' Slack workspaces.

use super::{
    output,
    run::{Absent, Outcome, on_the_host, open, said},
    secret,
};
use crate::{
    app::App,
    config::Options,
    domain::Timestamp,
    service::slack::{self, Failed},
    slack::api::{Refusal, Token},
};
use clap::Subcommand;
use serde_json::json;
use std::{path::PathBuf, process::ExitCode};

#[derive(Debug, Subcommand)]
pub(super) enum Slack {
    /// Connect a workspace, or put a new token in place. Slack is asked for its name first.
    ///
    /// Make an app at api.slack.com/apps with the bot scopes users:read and users:read.email, install it in the workspace, and
    /// pass its bot token, which begins with xoxb-.
    Connect {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
        /// A file with the bot token in its first line. Without it: `USHER_SLACK_TOKEN_FILE`, `USHER_SLACK_TOKEN`, else the first line
        /// of standard input; a terminal is asked for it, and does not show it.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// Ask Slack whether it takes the token, and say who waits to be looked up.
    Test {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
    },
    /// Look up everybody who has no Slack ID, or one person. A running server asks Slack.
    ///
    /// Who was looked up before this workspace was connected is looked up again. Whom Slack does not know here keeps the former ID:
    /// clear it by hand.
    Lookup {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
        /// Address or id of the one person.
        #[arg(long)]
        user: Option<String>,
    },
    /// Forget the token. Slack IDs that people have stay; once another workspace is connected, `lookup` looks them up there.
    Disconnect {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
    },
}

fn refused(refusal: &Refusal, org: &str) -> String {
    let next = match refusal {
        Refusal::Stop(_) => format!(", then run `usher slack connect --org {org}` with its token"),
        Refusal::Later(_) | Refusal::Call(_) | Refusal::Trouble => String::new(),
    };
    format!("{refusal}{next} ({})", refusal.as_str())
}

fn failed(app: &App, failed: &Failed, org: &str) -> String {
    match failed {
        Failed::Slack(refusal) => refused(refusal, org),
        Failed::Ours(error) => said(app, error),
    }
}

/// Runs one of them.
pub(super) async fn run(command: Slack, options: &Options) -> Outcome {
    let app = open(options, Absent::Refuse).await?;
    match command {
        Slack::Connect { org, token_file } => {
            let call = on_the_host(&app, &org).await?;
            let text = secret::read("Slack token", token_file.as_deref(), "USHER_SLACK_TOKEN")?;
            let token = Token::parse(&text)?;
            let workspace = slack::connect(&app, &call, &token, None).await.map_err(|error| failed(&app, &error, &org))?;
            let value = json!({"org": org, "workspace_id": workspace.id, "workspace": workspace.name.as_str()});
            let words = format!(
                "Connected to the workspace {} ({}). `usher slack lookup --org {org}` looks up who is here already, and again who was looked up in another workspace.",
                workspace.id,
                workspace.name.as_str()
            );
            output::result(options.json, &value, &words)?;
        }
        Slack::Test { org } => {
            let tested = slack::test(&app, &on_the_host(&app, &org).await?).await.map_err(|error| said(&app, &error))?;
            let facts = &tested.connection.facts;
            if let Err(refusal) = tested.answer {
                return Err(refused(&refusal, &org));
            }
            if let Some(stop) = facts.stopped {
                // It is taken again; the stop ends where somebody says so.
                return Err(format!(
                    "Slack refused the token before ({}) and takes it again: run `usher slack connect --org {org}` with it, and look-ups go on",
                    stop.as_str()
                ));
            }
            let held_until = tested.connection.held_until.filter(|until| *until > app.clock.now());
            let value = json!({"ok": true, "org": org, "workspace_id": facts.workspace.id, "workspace": facts.workspace.name.as_str(),
                               "created_at": tested.connection.created_at.to_rfc3339(), "waiting": tested.waiting,
                               "held_until": held_until.map(Timestamp::to_rfc3339)});
            let held = held_until.map(|until| format!(" Slack wants to be left alone until {}.", until.words_utc())).unwrap_or_default();
            let words = format!(
                "Slack takes the token of the workspace {}. Waiting to be looked up: {}.{held}",
                facts.workspace.id, tested.waiting
            );
            output::result(options.json, &value, &words)?;
        }
        Slack::Lookup { org, user } => {
            let call = on_the_host(&app, &org).await?;
            let queued = slack::ask(&app, &call, user.as_deref()).await.map_err(|error| said(&app, &error))?;
            output::result(
                options.json,
                &json!({"org": org, "queued": queued}),
                &format!("To be looked up: {queued}. A running server asks Slack."),
            )?;
        }
        Slack::Disconnect { org } => {
            let call = on_the_host(&app, &org).await?;
            let workspace = slack::disconnect(&app, &call).await.map_err(|error| said(&app, &error))?;
            let words = format!(
                "Disconnected; the token is forgotten. Slack IDs that people have stay: once another workspace is connected, `usher slack lookup --org {org}` looks up there whom a look-up found here."
            );
            output::result(options.json, &json!({"org": org, "workspace_id": workspace.id}), &words)?;
        }
    }
    app.pool.close().await;
    Ok(ExitCode::SUCCESS)
}
