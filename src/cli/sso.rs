//! `usher sso`: identity providers of organizations.

use super::{
    output,
    run::{Absent, Outcome, on_the_host, open, organization, said},
    secret,
};
use crate::{
    app::App,
    authn::sso::{GOOGLE, Issuer, Secret},
    config::Options,
    domain::Invalid,
    service::sso::{self, Failed, NewConnection},
    store::sso as rows,
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::{path::PathBuf, process::ExitCode};

/// A provider whose issuer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Preset {
    /// Google accounts and Workspace.
    Google,
    /// One tenant of Microsoft Entra ID; several with --tenants.
    Microsoft,
    /// Any OpenID Connect provider, by --issuer.
    Other,
}

/// Where the secret of a registration comes from: never from the command line, which others on the machine can read.
#[derive(Args, Debug)]
pub(super) struct Registration {
    /// The client id that the provider gave out.
    #[arg(long)]
    client_id: String,
    /// A file with the client secret in its first line. Without it: `USHER_SSO_CLIENT_SECRET_FILE`, `USHER_SSO_CLIENT_SECRET`, else
    /// the first line of standard input; a terminal is asked for it, and does not show it.
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
}

impl Registration {
    fn secret(&self) -> Result<Secret, String> {
        let text = secret::read("client secret", self.client_secret_file.as_deref(), "USHER_SSO_CLIENT_SECRET")?;
        Ok(Secret::new(text.to_string()))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Sso {
    /// Say which redirect address must be registered at a provider, connected or not yet. Each organization has one of its own
    /// at each provider, and keeps it.
    RedirectAddress(Chosen),
    /// Connect a provider. Register this server there first, with the address that `usher sso redirect-address` says.
    Add {
        #[command(flatten)]
        chosen: Chosen,
        /// What people read on the button.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        registration: Registration,
        /// Let an address count that the provider says nothing of. Only for an issuer that is your own, such as one tenant of
        /// Microsoft, which never calls an address verified.
        #[arg(long)]
        trust_unverified_email: bool,
    },
    /// List connections, without their secrets.
    List {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
    },
    /// Ask the provider whether it is there and is the one that was connected.
    Test(OfConnection),
    /// End a connection. Who is signed in stays so until their session ends. While single sign-on is required, an Administrator
    /// must have signed in through another connection first.
    Remove(OfConnection),
    /// Put another client id and secret in place, at the same provider. Whom the provider names anew for it confirms once by a
    /// link to their mailbox. While single sign-on is required, another client id needs `usher sso require --off` first, unless an
    /// Administrator has signed in through another connection; another secret does not.
    Relink {
        #[command(flatten)]
        of: OfConnection,
        #[command(flatten)]
        registration: Registration,
    },
    /// Let people sign in through the provider only; lists who is not linked yet. Sessions that came in another way end, except
    /// those of Administrators who have a password, the way in when the provider fails.
    Require {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
        /// Let the other ways open again.
        #[arg(long)]
        off: bool,
    },
}

/// A provider for an organization.
#[derive(Args, Debug)]
pub(super) struct Chosen {
    /// Slug of the organization.
    #[arg(long)]
    org: String,
    /// Which provider.
    #[arg(long)]
    preset: Preset,
    /// The provider's issuer, letter by letter; with --preset other.
    #[arg(long)]
    issuer: Option<String>,
    /// Your Directory (tenant) ID; with --preset microsoft.
    #[arg(long)]
    tenant: Option<String>,
    /// Several tenants, each of which may sign in; with --preset microsoft.
    #[arg(long, value_delimiter = ',', value_name = "ID,…")]
    tenants: Vec<String>,
}

impl Chosen {
    /// Its issuer, and what its button says.
    fn issuer(&self) -> Result<(Issuer, &'static str), String> {
        issuer(self.preset, self.issuer.as_deref(), self.tenant.as_deref(), &self.tenants)
    }
}

#[derive(Args, Debug)]
pub(super) struct OfConnection {
    /// Slug of the organization.
    #[arg(long)]
    org: String,
    /// Id of the connection; not needed where there is one.
    #[arg(long)]
    connection: Option<String>,
}

fn read(invalid: &Invalid) -> String {
    match &invalid.hint {
        Some(hint) => format!("{} {hint}", invalid.message),
        None => invalid.message.clone().into_owned(),
    }
}

fn failed(app: &App, failed: &Failed) -> String {
    match failed {
        Failed::Provider(fault) => format!("{fault} ({})", fault.as_str()),
        Failed::Ours(error) => said(app, error),
    }
}

/// The issuer of a preset, and what its button says.
fn issuer(preset: Preset, issuer: Option<&str>, tenant: Option<&str>, tenants: &[String]) -> Result<(Issuer, &'static str), String> {
    let wrong = |words: &str| Err(words.to_owned());
    match (preset, issuer, tenant) {
        (Preset::Google, None, None) if tenants.is_empty() => Ok((Issuer::parse(GOOGLE, &[]).map_err(|invalid| read(&invalid))?, "Google")),
        (Preset::Microsoft, None, Some(tenant)) => Ok((Issuer::microsoft(tenant, tenants).map_err(|invalid| read(&invalid))?, "Microsoft")),
        (Preset::Microsoft, None, None) if !tenants.is_empty() => {
            Ok((Issuer::microsoft("organizations", tenants).map_err(|invalid| read(&invalid))?, "Microsoft"))
        }
        (Preset::Other, Some(issuer), None) => Ok((Issuer::parse(issuer, tenants).map_err(|invalid| read(&invalid))?, "single sign-on")),
        (Preset::Google, Some(_), _) => wrong("--preset google takes no --issuer: leave it out"),
        (Preset::Google, None, Some(_)) => wrong("--preset google takes no --tenant: leave it out"),
        (Preset::Google, None, None) => wrong("--preset google takes no --tenants: leave it out"),
        (Preset::Microsoft, Some(_), _) => wrong("--preset microsoft takes no --issuer: leave it out"),
        (Preset::Microsoft, None, None) => {
            wrong("--preset microsoft needs --tenant with your Directory (tenant) ID, or --tenants with several")
        }
        (Preset::Other, None, _) => wrong("--preset other needs --issuer, as the provider writes its own"),
        (Preset::Other, Some(_), Some(_)) => wrong("--preset other takes no --tenant: leave it out"),
    }
}

/// Runs one of them.
pub(super) async fn run(command: Sso, options: &Options) -> Outcome {
    let app = open(options, Absent::Refuse).await?;
    match command {
        Sso::RedirectAddress(chosen) => {
            let organization = organization(&app, &chosen.org).await?;
            let (issuer, _) = chosen.issuer()?;
            let redirect = sso::redirect_uri(&app, &organization.slug, issuer.as_str());
            output::result(options.json, &json!({"issuer": issuer.as_str(), "redirect_uri": redirect}), &redirect)?;
        }
        Sso::Add { chosen, name, registration, trust_unverified_email } => {
            let call = on_the_host(&app, &chosen.org).await?;
            let (issuer, usual) = chosen.issuer()?;
            let new = NewConnection {
                name: name.unwrap_or_else(|| usual.to_owned()),
                issuer: issuer.clone(),
                client_id: registration.client_id.clone(),
                client_secret: registration.secret()?,
                trusts_unverified_email: trust_unverified_email,
            };
            let id = sso::connect(&app, &call, &new, None).await.map_err(|error| failed(&app, &error))?;
            let redirect = sso::redirect_uri(&app, &chosen.org, issuer.as_str());
            let value = json!({"id": id.to_string(), "issuer": issuer.as_str(), "redirect_uri": redirect});
            let words = format!("Connected. Its redirect address must be registered at the provider:\n{redirect}");
            output::result(options.json, &value, &words)?;
        }
        Sso::List { org } => {
            let organization = organization(&app, &org).await?;
            let all = rows::connections(&app.pool, organization.org).await.map_err(|error| error.to_string())?;
            let value: Vec<_> = all
                .iter()
                .map(|c| {
                    json!({"id": c.id.to_string(), "name": c.name, "issuer": c.issuer, "tenants": c.tenants, "client_id": c.client_id,
                           "redirect_uri": sso::redirect_uri(&app, &organization.slug, &c.issuer),
                           "trusts_unverified_email": c.trusts_unverified_email, "created_at": c.created_at.to_rfc3339()})
                })
                .collect();
            let words: Vec<String> = all
                .iter()
                .map(|c| format!("{} {:24} {}\n    {}", c.id, c.name, c.issuer, sso::redirect_uri(&app, &organization.slug, &c.issuer)))
                .collect();
            output::result(options.json, &json!(value), &words.join("\n"))?;
        }
        Sso::Test(of) => {
            let call = on_the_host(&app, &of.org).await?;
            let found = sso::test(&app, &call, of.connection.as_deref()).await.map_err(|error| failed(&app, &error))?;
            let redirect = sso::redirect_uri(&app, &of.org, &found.issuer);
            let value = json!({"ok": true, "id": found.id.to_string(), "issuer": found.issuer, "redirect_uri": redirect});
            let words = format!(
                "The provider answers as itself. Sign in once to try the registration, too; its redirect address there must be:\n{redirect}"
            );
            output::result(options.json, &value, &words)?;
        }
        Sso::Remove(of) => {
            let call = on_the_host(&app, &of.org).await?;
            let id = sso::remove(&app, &call, of.connection.as_deref(), None).await.map_err(|error| said(&app, &error))?;
            output::result(options.json, &json!({"id": id.to_string()}), "Removed.")?;
        }
        Sso::Relink { of, registration } => {
            let call = on_the_host(&app, &of.org).await?;
            let id = sso::relink(&app, &call, of.connection.as_deref(), (&registration.client_id, &registration.secret()?), None, None)
                .await
                .map_err(|error| failed(&app, &error))?;
            output::result(options.json, &json!({"id": id.to_string()}), "Changed. Whom the provider names anew confirms once by mail.")?;
        }
        Sso::Require { org, off } => {
            let call = on_the_host(&app, &org).await?;
            let required = sso::require(&app, &call, !off, None).await.map_err(|error| said(&app, &error))?;
            let (missing, ended) = (required.not_linked, required.sessions_ended);
            let value: Vec<_> = missing.iter().map(|(id, email)| json!({"user_id": id.to_string(), "email": email})).collect();
            let emails: Vec<&str> = missing.iter().map(|(_, email)| email.as_str()).collect();
            let words = match (off, emails.as_slice()) {
                (true, _) => "The other ways are open again.".to_owned(),
                (false, []) => format!("Required. Sessions that ended, because they came in another way: {ended}. Everybody is linked."),
                (false, emails) => format!(
                    "Required. Sessions that ended, because they came in another way: {ended}. Not linked yet, and so by their first sign-in there:\n{}",
                    emails.join("\n")
                ),
            };
            output::result(options.json, &json!({"required": !off, "not_linked": value, "sessions_ended": ended}), &words)?;
        }
    }
    app.pool.close().await;
    Ok(ExitCode::SUCCESS)
}
