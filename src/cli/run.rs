//! Each command, from its flags to its result.

use super::{
    Audit, Command, FIRST_ORGANIZATION, MailCommand,
    doctor::{self, in_the_clear, sender},
    output, roster, secret, slack, sso,
    welcome::Welcome,
};
use crate::{
    app::{App, Doorbell, GUESSES_PER_MINUTE, KNOWN_VISITS_PER_MINUTE, Limiter, SharedApp, TRADES_PER_MINUTE, VISITS_PER_MINUTE},
    authn::password::Hasher,
    config::{Options, PublicUrl, make_data_dir},
    domain::{Catalogue, Clock, Email, Random, RequestId, Role},
    error::{Error, Reader},
    failpoint::Faults,
    gather::{Evidence, Seen},
    http::server,
    keys::Keyring,
    mail::Mailer,
    outbound::Outbound,
    service::{
        Call,
        audit::checks::Checks,
        mail,
        organizations::{self, FirstAdministrator},
        signing_in,
    },
    slack::Slack,
    stdio::{self, End},
    store::{self, Database, Engine, Grant, MigrationState, audit, credentials, meta, organizations::Organization},
    twice::Twice,
};
use serde_json::json;
use std::{net::SocketAddr, process::ExitCode, sync::Arc};
use tokio::net::TcpListener;
use usher_tools as contract;

pub(super) type Outcome = Result<ExitCode, String>;

pub(super) fn said(app: &App, error: &Error) -> String {
    if let Error::Unavailable(_) | Error::Internal(_) = error {
        tracing::error!(?error, "a command failed");
    }
    let body = error.body(RequestId::new(app.clock.now(), &app.random), Reader::Operator);
    let message = body.message.trim_end_matches('.');
    match body.hint {
        Some(hint) => format!("{message} ({}). {hint}", body.code.as_str()),
        None => format!("{message} ({})", body.code.as_str()),
    }
}

pub(super) fn database_said(database: &Database, error: &store::StoreError) -> String {
    tracing::debug!(?error, "the database");
    let place = database.describe();
    if let (Engine::Postgres, Some((code, message))) = (database.engine(), error.refusal()) {
        let next = match code.as_str() {
            "42501" => ": run this as the database's owner",
            "42704" => ": create the role first",
            "3D000" => ": check that --database-url names the right one, or create the database first",
            "28000" | "28P01" => ": check user and password in --database-url",
            _ => "",
        };
        return format!("{place} refuses ({message}){next}");
    }
    // The innermost cause is the one that the operator can mend.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match database.engine() {
        Engine::Sqlite => format!(
            "{place} cannot be used: check that it is a database of usher's, and that this user may read and write it and its folder ({cause})"
        ),
        Engine::Postgres => format!("{place} does not answer: check that it runs and that --database-url names it ({cause})"),
    }
}

/// Runs one command.
pub(super) async fn run(command: Command, options: Options) -> Outcome {
    match command {
        Command::Quickstart { org, admin_email, admin_first_name, admin_last_name } => {
            let listener = listen(&options).await?;
            let (app, record) = open_for(&options, Some(&listener), Absent::Make).await?;
            let admin = FirstAdministrator { email: &admin_email, first: &admin_first_name, last: &admin_last_name };
            let made = make_absent(&app, &org, admin).await?;
            serve(app, listener, &options, made, record).await
        }
        Command::Serve => {
            let listener = listen(&options).await?;
            let (app, record) = open_for(&options, Some(&listener), Absent::MakeFile).await?;
            serve(app, listener, &options, None, record).await
        }
        Command::Migrate { serving_role } => {
            let database = options.database()?;
            make_data_dir(&options.data_dir).map_err(|error| format!("{} cannot be made: {error}", options.data_dir.display()))?;
            store::migrate(&database).await.map_err(|error| database_said(&database, &error))?;
            if let Some(role) = serving_role {
                grant(&database, &role).await?;
            }
            output::result(options.json, &json!({"ok": true}), "The schema is up to date.")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor => doctor::run(&options).await,
        Command::Stdio => over_stdio(&options).await,
        Command::Tools => {
            let catalogue = contract::catalogue();
            let words: Vec<String> = catalogue.iter().map(|tool| format!("{:24} {}", tool.name, tool.title)).collect();
            output::result(options.json, &json!(catalogue), &words.join("\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Org(command) => roster::org(command, &options).await,
        Command::User(command) => roster::user(command, &options).await,
        Command::Token(command) => roster::token(command, &options).await,
        Command::Sso(command) => sso::run(command, &options).await,
        Command::Slack(command) => slack::run(command, &options).await,
        Command::SignInLink(of) => {
            let app = open(&options, Absent::Refuse).await?;
            let call = on_the_host(&app, &of.org).await?;
            let (url, expires_at) = signing_in::operator_link(&app, &call, &of.user).await.map_err(|error| said(&app, &error))?;
            let value = json!({"url": url.as_str(), "expires_at": expires_at.to_rfc3339()});
            output::result(
                options.json,
                &value,
                &format!("{}\nIt signs in once, in any browser, until {}.", url.as_str(), expires_at.words_utc()),
            )?;
            app.pool.close().await;
            Ok(ExitCode::SUCCESS)
        }
        Command::Audit(Audit::Verify { org }) => {
            // Without the keyring: a copy of the database can be verified where its keys are not.
            let (_, pool) = open_database(&options, Absent::Refuse).await?;
            let organization = organization_in(&pool, &org).await?;
            let verdict = audit::verify(&pool, organization.org).await.map_err(|error| error.to_string())?;
            let ok = verdict.first_bad.is_none();
            let words = match verdict.first_bad {
                None => format!("Unbroken: {} entries.", verdict.entries),
                Some(bad) if bad > verdict.entries => format!("Broken: entry {bad} is missing, and whatever came after it."),
                Some(bad) => format!("Broken at entry {bad} of {}.", verdict.entries),
            };
            let value = json!({"ok": ok, "entries": verdict.entries, "head": verdict.head, "first_bad": verdict.first_bad});
            output::result(options.json, &value, &words)?;
            Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Mail(MailCommand::Test { to }) => {
            let app = open(&options, Absent::Refuse).await?;
            let sent = app.mail.test(&app, &to).await?;
            output::result(options.json, &json!({"delivery": sent}), &format!("Sent ({sent})."))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Mail(MailCommand::Bounced { message_id, to, org }) => {
            let app = open(&options, Absent::Refuse).await?;
            bounced(&app, &options, message_id.as_deref(), to.as_deref(), org.as_deref()).await
        }
    }
}

/// Speaks MCP over standard input and output as the person whose token stands in the environment.
async fn over_stdio(options: &Options) -> Outcome {
    let token = secret::given("token", None, "USHER_TOKEN")?
        .ok_or("USHER_TOKEN is not set: give a personal MCP token in it, or the name of a file with one in USHER_TOKEN_FILE")?;
    let app = open(options, Absent::Refuse).await?;
    let interruption = interruption()?;
    match stdio::serve(app, &token, interruption).await {
        End::Closed => Ok(ExitCode::SUCCESS),
        End::ShutOut => Err("the token in USHER_TOKEN lets nobody in, or not any more: make another on the page /me/tools".to_owned()),
    }
}

async fn bounced(app: &App, options: &Options, message_id: Option<&str>, to: Option<&str>, org: Option<&str>) -> Outcome {
    let bounce = match (message_id, to) {
        (Some(id), _) => mail::Bounce::message_id(id),
        (None, to) => Email::parse(to.unwrap_or_default()).map(mail::Bounce::To).map_err(Error::from),
    }
    .map_err(|error| said(app, &error))?;
    if let Some(slug) = org {
        organization(app, slug).await?;
    }
    let mut mails = mail::find(app, &bounce).await.map_err(|error| said(app, &error))?;
    mails.retain(|mail| org.is_none_or(|slug| mail.slug == slug));
    if mails.is_empty() {
        let wrong = if message_id.is_some() { "the Message-ID" } else { "the address" };
        let also = if org.is_some() { ", and --org" } else { "" };
        return Err(format!("no such mail has left: check {wrong}{also}"));
    }
    let (mut values, mut words) = (Vec::new(), Vec::new());
    for found in mails {
        let call = Call::on_the_host(app, found.org);
        let (user, changed) = mail::bounced(app, &call, found.id).await.map_err(|error| said(app, &error))?;
        values.push(json!({"org": found.slug, "mail_id": found.id.to_string(), "user_id": user.to_string(), "changed": changed}));
        words.push(format!("{}: {}", found.slug, if changed { "noted as bounced." } else { "known to have failed." }));
    }
    output::result(options.json, &json!({"mails": values}), &words.join("\n"))?;
    app.pool.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn grant(database: &Database, role: &str) -> Result<(), String> {
    match store::grant(database, role).await.map_err(|error| database_said(database, &error))? {
        Grant::Given => Ok(()),
        Grant::Owner => Err(
            "the schema is up to date, but --serving-role names the owner of the tables or a role that may act as the owner, so it could change the audit log's past: make a role of its own (CREATE ROLE usher_serving LOGIN), name that one, and serve as it"
                .to_owned(),
        ),
        Grant::Nobody => Err(
            "the schema is up to date, but there is no such role as --serving-role names: make it first (CREATE ROLE … LOGIN), or check how it is written"
                .to_owned(),
        ),
    }
}

async fn listen(options: &Options) -> Result<TcpListener, String> {
    TcpListener::bind(&options.listen)
        .await
        .map_err(|error| format!("{} cannot be listened on ({error}): pass another --listen, or port 0 for a free one", options.listen))
}

/// What a command does where the database is not there, or has no tables of usher's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// Says so: it would have nothing to work on, and most likely looks in the wrong place.
    Refuse,
    /// Makes a SQLite file. On PostgreSQL that is for `usher migrate`, as the owner.
    MakeFile,
    /// Makes it on either engine.
    Make,
}

pub(super) fn closed(place: &str) -> String {
    format!("this role may not read usher's tables in {place}: run `usher migrate --serving-role ROLE` with its name as their owner first")
}

/// Makes the data folder, and brings the schema up to date as far as this command may; the refusal says who may.
async fn prepare(options: &Options, database: &Database, absent: Absent) -> Result<(), String> {
    let place = database.describe();
    let state = store::migration_state(database).await.map_err(|error| database_said(database, &error))?;
    let migrates = match (state, database.engine(), absent) {
        (MigrationState::Ready, _, _) => false,
        (MigrationState::Closed, _, _) => return Err(closed(&place)),
        (MigrationState::Empty, _, Absent::Refuse) => {
            return Err(format!(
                "there is nothing of usher's in the {place}: name the right place with --data-dir or --database-url; `usher quickstart` makes a new one, `usher migrate` its tables alone"
            ));
        }
        (MigrationState::Empty, Engine::Postgres, Absent::MakeFile) => {
            return Err(format!("there is nothing of usher's in the {place}: run `usher migrate` as its owner first"));
        }
        (MigrationState::Old, Engine::Postgres, Absent::Refuse | Absent::MakeFile) => {
            return Err("the database's schema is older than this version: run `usher migrate` as its owner first".to_owned());
        }
        (MigrationState::Empty, Engine::Sqlite, Absent::MakeFile | Absent::Make)
        | (MigrationState::Old, Engine::Sqlite, _)
        | (MigrationState::Empty | MigrationState::Old, Engine::Postgres, Absent::Make) => true,
    };
    make_data_dir(&options.data_dir).map_err(|error| format!("{} cannot be made: {error}", options.data_dir.display()))?;
    if migrates { store::migrate(database).await.map_err(|error| database_said(database, &error)) } else { Ok(()) }
}

/// The permissions there are: the built-in ones, and those of `permissions.json` in the data folder.
pub(super) fn catalogue(options: &Options) -> Result<Catalogue, String> {
    let extended = options.data_dir.join("permissions.json");
    match std::fs::read_to_string(&extended) {
        Ok(text) => Catalogue::extended(&text).map_err(|invalid| {
            let words = format!("{}: {} {}", extended.display(), invalid.message, invalid.hint.unwrap_or_default());
            words.trim_end().to_owned()
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Catalogue::builtin()),
        Err(error) => Err(format!("{} cannot be read: {error}", extended.display())),
    }
}

async fn open_database(options: &Options, absent: Absent) -> Result<(Database, store::Pool), String> {
    let database = options.database()?;
    prepare(options, &database, absent).await?;
    let pool = database.open(Faults::from_env()).await.map_err(|error| database_said(&database, &error))?;
    Ok((database, pool))
}

/// Opens the database, the keyring and everything else.
pub(super) async fn open(options: &Options, absent: Absent) -> Result<SharedApp, String> {
    open_for(options, None, absent).await.map(|(app, _)| app)
}

/// The same for a server that listens there, with what to record of its public URL once nothing keeps it from serving.
async fn open_for(options: &Options, listener: Option<&TcpListener>, absent: Absent) -> Result<(SharedApp, Option<&'static str>), String> {
    let (database, pool) = open_database(options, absent).await?;
    let random = Random::os();
    let clock = Clock::system();
    let fail = |error: store::StoreError| database_said(&database, &error);
    let keyring = keyring(options, &pool, &random, fail).await?;
    let (public_url, record) = public_url(options, &pool, listener, fail).await?;
    if listener.is_some() && !public_url.is_loopback() {
        // Mails of a made-up sender would be lost, and each with an invite.
        sender(options)?;
    }
    let mail = Mailer::new(options.smtp_url.as_deref(), options.mail_from.as_deref(), options.mail_dir(), public_url.is_loopback())?;
    let outbound = Outbound::new(&options.outbound_allow, options.outbound_ca.as_deref())?;
    let slack = Slack::new(&options.slack_url)?;
    let limits = options.limits()?;
    let catalogue = catalogue(options)?;
    let app = App {
        pool,
        keyring,
        calls: Limiter::new(limits.calls_per_minute, &clock),
        guesses: Limiter::new(GUESSES_PER_MINUTE, &clock),
        // Who lifts the limit on calls measures, or tries out.
        visits: Limiter::new(if limits.calls_per_minute == 0 { 0 } else { VISITS_PER_MINUTE }, &clock),
        known_visits: Limiter::new(VISITS_PER_MINUTE, &clock),
        known_neighbours: Limiter::new(KNOWN_VISITS_PER_MINUTE, &clock),
        trades: Limiter::new(TRADES_PER_MINUTE, &clock),
        returns: Twice::default(),
        sign_ins: Twice::default(),
        set_up: Twice::default(),
        doorbell: Doorbell::default(),
        trusted_proxies: options.trusted_proxies.clone(),
        clock,
        random,
        limits,
        catalogue,
        public_url,
        mail,
        outbound,
        slack,
        hasher: Hasher::default(),
        seen: Seen::default(),
        evidence: Evidence::default(),
        checks: Checks::default(),
    };
    Ok((Arc::new(app), record))
}

async fn keyring(
    options: &Options,
    pool: &store::Pool,
    random: &Random,
    fail: impl Fn(store::StoreError) -> String,
) -> Result<Keyring, String> {
    let path = options.key_file();
    let known = meta::get(pool, meta::KEYRING).await.map_err(&fail)?;
    let keyring = match known {
        Some(_) => Keyring::read(&path),
        None => Keyring::create_or_read(&path, random),
    }
    .map_err(|error| error.to_string())?;
    let stands = match known {
        Some(known) => known,
        None => meta::set_once(pool, meta::KEYRING, keyring.fingerprint()).await.map_err(&fail)?,
    };
    if stands == keyring.fingerprint() {
        Ok(keyring)
    } else {
        Err(crate::keys::KeyringError::Foreign(path.display().to_string()).to_string())
    }
}

/// The recorded public URL; a given one comes first, and where there is none or only a derived one, the listener's. Whether
/// it is to be recorded, as derived (`1`) or given (`0`).
async fn public_url(
    options: &Options,
    pool: &store::Pool,
    listener: Option<&TcpListener>,
    fail: impl Fn(store::StoreError) -> String,
) -> Result<(PublicUrl, Option<&'static str>), String> {
    let recorded = meta::get(pool, meta::PUBLIC_URL).await.map_err(&fail)?;
    let derived = meta::get(pool, meta::PUBLIC_URL_DERIVED).await.map_err(&fail)?.as_deref() != Some("0");
    let own = listener.and_then(|listener| listener.local_addr().ok()).map(|address| format!("http://{address}"));
    let (text, record) = match (&options.public_url, recorded, own) {
        (Some(given), _, _) => (given.clone(), listener.is_some().then_some("0")),
        (None, Some(recorded), _) if !derived => (recorded, None),
        (None, _, Some(own)) => (own, Some("1")),
        (None, Some(recorded), None) => (recorded, None),
        (None, None, None) => ("http://127.0.0.1:8080".to_owned(), None),
    };
    let url = PublicUrl::parse(&text)
        .map_err(|invalid| format!("--public-url: {} {}", invalid.message, invalid.hint.unwrap_or_default()).trim_end().to_owned())?;
    Ok((url, record))
}

/// What quickstart made, or found.
struct Made {
    organization: Organization,
    /// The first time: a token, and a link that signs its Administrator in.
    secrets: Option<(String, String)>,
}

async fn make_absent(app: &SharedApp, name: &str, admin: FirstAdministrator<'_>) -> Result<Option<Made>, String> {
    let found = async || {
        let first = store::organizations::first(&app.pool).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(first.map(|organization| Made { organization, secrets: None }))
    };
    if let Some(found) = found().await? {
        if name != FIRST_ORGANIZATION && name != found.organization.name {
            tracing::warn!(
                "there is an organization already, so --org makes none: usher org create makes another, usher org rename names {} anew",
                found.organization.slug
            );
        }
        if credentials::list(&app.pool, found.organization.org, None).await.map_err(|error| error.to_string())?.is_empty() {
            tracing::warn!("nobody has a token yet: usher token create --org {} --user EMAIL", found.organization.slug);
        }
        return Ok(Some(found));
    }
    let made = organizations::create_first(app, name, admin, "quickstart").await.map_err(|error| said(app, &error))?;
    // Where there is none another first start was faster.
    let Some((organization, token)) = made else { return found().await };
    let call = Call::on_the_host(app, organization.org);
    let (url, _) = signing_in::operator_link(app, &call, admin.email).await.map_err(|error| said(app, &error))?;
    Ok(Some(Made { organization, secrets: Some((token.token, url.to_string())) }))
}

async fn first_administrator(app: &App, organization: &Organization) -> Option<String> {
    let filter = store::people::Filter { role: Some(Role::Administrator), ..Default::default() };
    let page = store::people::list(&app.pool, organization.org, &filter, organization.people, None, 100, app.clock.now()).await.ok()?;
    page.people.last().map(|person| person.email.clone())
}

/// What serves, but hardly as it was meant.
fn warn_of_oddities(options: &Options, url: &PublicUrl, listen: SocketAddr) {
    if url.is_loopback() && url.port() != listen.port() {
        tracing::warn!(public_url = url.as_str(), %listen, "mails and snippets name the recorded public URL, not this listener; --public-url changes it");
    }
    if !url.is_https() && !url.is_loopback() {
        tracing::warn!("{}", in_the_clear(url));
    }
    if let Err(problem) = sender(options) {
        tracing::warn!("{problem}");
    }
}

async fn serve(app: SharedApp, listener: TcpListener, options: &Options, made: Option<Made>, record: Option<&'static str>) -> Outcome {
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let (organization, secrets) = match made {
        Some(made) => (Some(made.organization), made.secrets),
        None => (store::organizations::only(&app.pool).await.map_err(|error| error.to_string())?, None),
    };
    let (token, sign_in_url) = secrets.unzip();
    let admin = match &organization {
        Some(organization) => first_administrator(&app, organization).await,
        None => None,
    };
    let organizations =
        organization.is_some() || store::organizations::first(&app.pool).await.map_err(|error| error.to_string())?.is_some();
    let slug = organization.map(|organization| organization.slug);
    let mcp_url = match &slug {
        Some(slug) => app.public_url.mcp(slug),
        None => format!("{}/mcp", app.public_url.as_str()),
    };
    let value = json!({
        "listen": address.to_string(),
        "public_url": app.public_url.as_str(),
        "mcp_url": mcp_url,
        "org": slug,
        "admin_email": admin,
        "token": token,
        "sign_in_url": sign_in_url,
        "mail_dir": options.mail_dir().display().to_string(),
        "data_dir": options.data_dir.display().to_string(),
    });
    let mail = match app.mail.route() {
        Some(contract::DeliveryRoute::Queued) => "Mail goes to the relay.".to_owned(),
        Some(contract::DeliveryRoute::Folder) => format!("Mails lie in {}", options.mail_dir().display()),
        None => "No mail can leave: inviting is refused until --smtp-url is set.".to_owned(),
    };
    if app.mail.route().is_none() {
        tracing::warn!("no mail can leave: inviting is refused until --smtp-url is set");
    }
    let words = Welcome { mcp_url: &mcp_url, token: token.as_deref(), sign_in_url: sign_in_url.as_deref(), mail, organizations }.words();
    warn_of_oddities(options, &app.public_url, address);
    // All before the line is printed: whoever reads it is answered, and may end this process in an orderly way.
    let routes = server::router(Arc::clone(&app));
    let interruption = interruption()?;
    if let Some(derived) = record {
        let database = options.database()?;
        for (name, value) in [(meta::PUBLIC_URL, app.public_url.as_str()), (meta::PUBLIC_URL_DERIVED, derived)] {
            meta::set(&app.pool, name, value).await.map_err(|error| database_said(&database, &error))?;
        }
    }
    output::result(options.json, &value, &words)?;
    server::serve(app, routes, listener, interruption).await;
    Ok(ExitCode::SUCCESS)
}

/// Listens for Ctrl-C and SIGTERM from now on; the future ends with the first of them.
#[cfg(unix)]
fn interruption() -> Result<impl Future<Output = ()> + Send + 'static, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| format!("signals cannot be listened for: {error}"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    })
}

/// Listens for Ctrl-C.
#[cfg(not(unix))]
fn interruption() -> Result<impl Future<Output = ()> + Send + 'static, String> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

pub(super) async fn organization(app: &App, slug: &str) -> Result<Organization, String> {
    organization_in(&app.pool, slug).await
}

/// A call of whoever has the host, on an organization.
pub(super) async fn on_the_host(app: &App, slug: &str) -> Result<Call, String> {
    Ok(Call::on_the_host(app, organization(app, slug).await?.org))
}

async fn organization_in(pool: &store::Pool, slug: &str) -> Result<Organization, String> {
    store::organizations::by_slug(pool, slug)
        .await
        .map_err(|error| error.to_string())?
        .ok_or_else(|| "there is no such organization: `usher org list` shows all slugs".to_owned())
}
