//! Mail leaves by the outbox worker: rendered when it goes, sent by SMTP or laid into the mail folder.

pub mod message;

use crate::{
    app::App,
    authz::{self, Actor, Standing, SystemTask, action::GiveUpMail},
    domain::{DAY, Email, HOUR, MINUTE, OutboxId, RequestId, SECOND},
    store::{
        Context, StoreError, Work,
        outbox::{self, Due, Fate},
    },
};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use message::InviteMail;
use std::{path::PathBuf, time::Duration};
use tokio::sync::Notify;
use usher_tools::DeliveryRoute;

/// How long a worker may hold a mail.
const LEASE: i64 = 2 * MINUTE;
/// How many mails one round takes.
const ROUND: i64 = 32;
/// After which time a mail that nobody took is given up.
const GIVE_UP_AFTER: i64 = 2 * DAY;

/// The way mail goes.
#[derive(Debug)]
pub enum Transport {
    /// To a relay.
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    /// Into a folder on this machine.
    Folder(PathBuf),
    /// Nowhere: the public URL is not loopback and no relay is set.
    None,
}

/// How this server sends mail.
#[derive(Debug)]
pub struct Mailer {
    transport: Transport,
    from: String,
    due: Notify,
}

impl Mailer {
    /// From the operator's settings; `loopback` says whether only this machine can follow our links.
    pub fn new(smtp_url: Option<&str>, from: Option<&str>, folder: PathBuf, loopback: bool) -> Result<Self, String> {
        let transport = match smtp_url {
            Some(url) => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| {
                    "--smtp-url is not an address of a relay: give smtp://HOST:PORT, smtp://HOST:PORT?tls=required or smtps://HOST"
                        .to_owned()
                })?;
                Transport::Smtp(Box::new(builder.timeout(Some(Duration::from_secs(20))).build()))
            }
            None if loopback => Transport::Folder(folder),
            None => Transport::None,
        };
        Ok(Self { transport, from: from.unwrap_or("usher@localhost.localdomain").to_owned(), due: Notify::new() })
    }

    /// What an invite's answer says of its mail; `None` where none could leave.
    #[must_use]
    pub fn route(&self) -> Option<DeliveryRoute> {
        match self.transport {
            Transport::Smtp(_) => Some(DeliveryRoute::Queued),
            Transport::Folder(_) => Some(DeliveryRoute::Folder),
            Transport::None => None,
        }
    }

    /// Sends one test mail at once, past the outbox; the word says by which way.
    pub async fn test(&self, app: &App, to: &str) -> Result<&'static str, String> {
        let to = Email::parse(to).map_err(|invalid| invalid.message.into_owned())?;
        let mailbox = |text: &str| text.parse::<lettre::message::Mailbox>().map_err(|_| "--mail-from is not an address".to_owned());
        let message = Message::builder()
            .from(mailbox(&self.from)?)
            .to(mailbox(&to.ascii())?)
            .subject("A test of usher's mail")
            .body(format!("Mail from usher at {} arrives.\n", app.public_url.authority()))
            .map_err(|error| error.to_string())?;
        match &self.transport {
            Transport::Smtp(relay) => {
                relay.send(message).await.map_err(|error| format!("the relay did not take it: {error}"))?;
                Ok("sent")
            }
            Transport::Folder(folder) => {
                let id = OutboxId::new(app.clock.now(), &app.random);
                lay_down(folder, id, &message).map_err(|error| format!("{} cannot be written: {error}", folder.display()))?;
                Ok("folder")
            }
            Transport::None => Err("no mail can leave: set --smtp-url and --mail-from".to_owned()),
        }
    }

    /// Whether mail could leave now, without sending any: the relay greets, or the folder may be written. What was found, or
    /// what to do.
    pub async fn check(&self) -> Result<String, String> {
        if self.from.parse::<lettre::message::Mailbox>().is_err() {
            return Err("--mail-from is not an address: give usher@YOUR-DOMAIN or Name <usher@YOUR-DOMAIN>".to_owned());
        }
        match &self.transport {
            Transport::Smtp(relay) => match relay.test_connection().await {
                Ok(true) => Ok("the relay answers; `usher mail test --to YOU` sends one".to_owned()),
                Ok(false) => Err("the relay hung up: check --smtp-url".to_owned()),
                Err(error) => {
                    Err(format!("the relay does not answer as it should ({error}): check --smtp-url, and that this machine may reach it"))
                }
            },
            Transport::Folder(folder) => match std::fs::metadata(folder) {
                Ok(found) if !found.is_dir() || found.permissions().readonly() => {
                    Err(format!("{} is no folder that can be written: name another with --mail-dir", folder.display()))
                }
                // It is made with the first mail.
                Ok(_) | Err(_) => Ok(format!("lies in {}; only this machine can follow its links", folder.display())),
            },
            Transport::None => Err("none can leave, so inviting is refused: set --smtp-url and --mail-from".to_owned()),
        }
    }

    /// Tells the worker that a mail was committed.
    pub fn wake(&self) {
        self.due.notify_one();
    }

    /// Waits until there may be work.
    pub async fn wait(&self) {
        // Other nodes' mails and retries have no voice here: look every second.
        drop(tokio::time::timeout(Duration::from_secs(1), self.due.notified()).await);
    }
}

/// One round of the worker: leases what is due, sends it, notes what became of it. How many were handled.
pub async fn round(app: &App) -> Result<usize, StoreError> {
    if app.mail.route().is_none() {
        return Ok(0);
    }
    let leased = outbox::lease(&app.pool, app.clock.now(), LEASE, ROUND).await?;
    let mut fates = Vec::with_capacity(leased.len());
    let handled = leased.len();
    for due in leased {
        match send(app, &due).await? {
            Verdict::Fate(fate) => fates.push((due.id, fate)),
            Verdict::GiveUp(code) => give_up(app, &due, code).await?,
        }
    }
    if !fates.is_empty() {
        outbox::settle(&app.pool, &fates, app.clock.now()).await?;
    }
    Ok(handled)
}

enum Verdict {
    Fate(Fate),
    GiveUp(&'static str),
}

async fn send(app: &App, due: &Due) -> Result<Verdict, StoreError> {
    if !outbox::still_wanted(&app.pool, due.id, app.clock.now()).await? {
        return Ok(Verdict::Fate(Fate::Superseded));
    }
    let Some(message) = render(app, due) else { return Ok(Verdict::GiveUp("unsendable")) };
    Ok(match &app.mail.transport {
        Transport::Smtp(relay) => match relay.send(message).await {
            Ok(_) => Verdict::Fate(Fate::Sent),
            Err(error) if error.is_permanent() => Verdict::GiveUp("rejected"),
            Err(error) => {
                let code = if error.is_timeout() {
                    "timeout"
                } else if error.is_transient() {
                    "deferred"
                } else if error.is_tls() {
                    "tls"
                } else {
                    "unreachable"
                };
                again(app, due, code)
            }
        },
        Transport::Folder(folder) => match lay_down(folder, due.id, &message) {
            Ok(()) => Verdict::Fate(Fate::Folder),
            Err(_) => again(app, due, "folder"),
        },
        Transport::None => again(app, due, "no_transport"),
    })
}

fn again(app: &App, due: &Due, code: &'static str) -> Verdict {
    let now = app.clock.now();
    if now.since(due.created_at) > GIVE_UP_AFTER {
        return Verdict::GiveUp(code);
    }
    let doublings = u32::try_from(due.attempts.clamp(0, 7)).unwrap_or_default();
    let wait = (30 * SECOND).saturating_mul(i64::from(2u32.pow(doublings))).min(HOUR);
    Verdict::Fate(Fate::Again(now.plus(wait), code))
}

fn render(app: &App, due: &Due) -> Option<Message> {
    let token = app.keyring.link_token(&due.locator, due.link, due.generation);
    let email = Email::parse(&due.email).ok()?;
    let host = app.public_url.host();
    let built = message::build(&InviteMail {
        from: &app.mail.from,
        to_email: &email.ascii(),
        to_first: &due.first_name,
        to_last: &due.last_name,
        inviter: due.inviter.as_deref().unwrap_or("The operator of this server"),
        organization: &due.organization,
        role: usher_tools::Role::from(due.role).as_str(),
        link: &format!("{}/invite/{token}", app.public_url.as_str()),
        until_words: &due.expires_at.words_utc(),
        until_short: &due.expires_at.short_utc(),
        host,
        message_id: &format!("<{}@{host}>", due.id),
        date_ms: due.created_at.as_millis(),
    });
    match built {
        Ok(message) => Some(message),
        Err(error) => {
            tracing::error!(mail = %due.id, %error, "a mail cannot be built");
            None
        }
    }
}

/// Written whole under another name first, so that nobody reads half a mail; the same name at every try.
fn lay_down(folder: &std::path::Path, id: OutboxId, message: &Message) -> std::io::Result<()> {
    crate::config::make_data_dir(folder)?;
    let draft = folder.join(format!(".{id}"));
    std::fs::write(&draft, message.formatted())?;
    std::fs::rename(draft, folder.join(format!("{id}.eml")))
}

async fn give_up(app: &App, due: &Due, code: &'static str) -> Result<(), StoreError> {
    let actor = Actor::system(due.org, SystemTask::Mail);
    let action = GiveUpMail { user: due.user, name: format!("{} {}", due.first_name, due.last_name) };
    let Ok(proof) = authz::authorize(&actor, &Standing::above_roles(), action) else {
        return Err(StoreError::Corrupt("machine work was refused".to_owned()));
    };
    let context = Context { request_id: RequestId::new(app.clock.now(), &app.random), tool: None, reason: None };
    let mut work = Work::begin(&app.pool, due.org, context, &app.clock, &app.random).await?;
    match outbox::give_up(&mut work, proof, due.id, code).await {
        Ok(()) => work.commit().await,
        Err(error) => {
            work.rollback().await?;
            Err(error)
        }
    }
}
