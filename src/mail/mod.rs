//! Mail leaves by the outbox worker: rendered when it goes, sent by SMTP or laid into the mail folder.
//!
//! What is committed is sent at least once, and in the ordinary case once (`worker.rs`). A mail that is sent twice after all
//! carries the same Message-ID and the same link.

pub mod letter;
pub mod message;
pub mod relay;
pub mod words;

use crate::{
    app::App,
    domain::{By, Channel, Email, LinkKind, Notice, OutboxId},
    failpoint::{Fault, Faults},
    store::{
        StoreError,
        notices::Named,
        outbox::{self, Content, Due, DueLink, Fate},
    },
    worker::{self, Bell, Errand, LEASE, ROUND, Verdict},
};
use letter::{Letter, Link, Matter};
use lettre::Message;
use message::Way;
use relay::{Refusal, Relay, Session};
use std::{io::Write as _, path::PathBuf};
use usher_tools::DeliveryRoute;
use words::Language;

/// The way mail goes.
#[derive(Debug)]
pub enum Transport {
    /// To a relay.
    Smtp(Box<Relay>),
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
    /// How its worker is woken and ended.
    pub bell: Bell,
}

impl Mailer {
    /// From the operator's settings; `loopback` says whether only this machine can follow our links.
    pub fn new(smtp_url: Option<&str>, from: Option<&str>, folder: PathBuf, loopback: bool) -> Result<Self, String> {
        let transport = match smtp_url {
            Some(url) => Transport::Smtp(Box::new(Relay::parse(url)?)),
            None if loopback => Transport::Folder(folder),
            None => Transport::None,
        };
        let from = from.unwrap_or("usher@localhost.localdomain").to_owned();
        // Later it would cost every invite its mail.
        message::sender(&from).map_err(|_| "--mail-from is not an address: give ADDRESS or NAME <ADDRESS>, in ASCII".to_owned())?;
        Ok(Self { transport, from, bell: Bell::default() })
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

    fn way(&self) -> Way {
        match self.transport {
            Transport::Folder(_) => Way::Folder,
            Transport::Smtp(_) | Transport::None => Way::Relay,
        }
    }

    /// Sends one test mail at once, past the outbox; the word says by which way.
    ///
    /// Errors: sentences for the operator, with what the relay said.
    pub async fn test(&self, app: &App, to: &str) -> Result<&'static str, String> {
        let to = Email::parse(to).map_err(|invalid| invalid.message.into_owned())?;
        let to = to.ascii().parse().map_err(|_| "the recipient is not an address that mail programs take".to_owned())?;
        let from = message::sender(&self.from).map_err(|error| error.to_string())?;
        let id = OutboxId::new(app.clock.now(), &app.random);
        let message = Message::builder()
            .message_id(Some(message_id(id, app.public_url.host())))
            .from(lettre::message::Mailbox::new(Some("usher".to_owned()), from))
            .to(lettre::message::Mailbox::new(None, to))
            .subject("A test of usher's mail")
            .body(format!("Mail from usher at {} arrives.\n", app.public_url.authority()))
            .map_err(|error| error.to_string())?;
        match &self.transport {
            Transport::Smtp(relay) => {
                let refused = |refusal: Refusal| format!("the relay {relay} did not take it: {refusal} ({})", refusal.code);
                let session = relay.open(app.pool.faults()).await.map_err(refused)?;
                session.send(&message).await.map_err(refused)?.close().await;
                Ok("sent")
            }
            Transport::Folder(folder) => {
                lay_down(folder, id, &message).map_err(|error| format!("{} cannot be written: {error}", folder.display()))?;
                Ok("folder")
            }
            Transport::None => Err("no mail can leave: set --smtp-url and --mail-from".to_owned()),
        }
    }

    /// Whether mail could leave now, without sending any: the relay greets, or the folder may be written. What was found, or
    /// what to do.
    pub async fn check(&self) -> Result<String, String> {
        match &self.transport {
            Transport::Smtp(relay) => match relay.open(&Faults::default()).await {
                Ok(session) => {
                    session.close().await;
                    Ok(format!("the relay {relay} answers; `usher mail test --to YOU` sends one"))
                }
                Err(refusal) => Err(format!(
                    "the relay does not answer as it should ({relay}: {refusal}): check --smtp-url, and that this machine may reach it"
                )),
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
}

/// One round of the worker: leases what is due, sends it, notes what became of it. How many were leased.
pub async fn round(app: &App) -> Result<usize, StoreError> {
    if app.mail.route().is_none() || app.mail.bell.is_closing() {
        return Ok(0);
    }
    let leased = outbox::lease(&app.pool, app.clock.now(), LEASE, ROUND).await?;
    let mut carrier = Carrier { app, session: None, down: None };
    let handled = worker::round(app, &app.mail.bell, &mut carrier, leased).await?;
    if let Some(session) = carrier.session {
        session.close().await;
    }
    Ok(handled)
}

/// Takes the mails of one round to the relay or to the folder.
struct Carrier<'a> {
    app: &'a App,
    /// The conversation that the last mail left open.
    session: Option<Session<'a>>,
    /// Why the relay takes no mail at all at present.
    down: Option<&'static str>,
}

impl worker::Carrier for Carrier<'_> {
    type Due = Due;
    const CHANNEL: Channel = Channel::Mail;

    fn errand(due: &Due) -> Errand {
        errand(due)
    }

    async fn carry(&mut self, due: &Due) -> Verdict {
        let app = self.app;
        let message = match render(app, due) {
            Rendered::Message(message) => message,
            Rendered::Gone => return Verdict::Fate(Fate::Superseded),
            Rendered::Unknown => return again(app, due, "unknown_letter"),
            Rendered::Broken => return Verdict::GiveUp("unsendable"),
        };
        match &app.mail.transport {
            Transport::Smtp(relay) => match self.down {
                Some(code) => again(app, due, code),
                None => match self.hand_over(relay, &message).await {
                    Ok(()) => Verdict::Fate(Fate::Sent),
                    Err(refusal) => self.refused(due, &refusal),
                },
            },
            Transport::Folder(folder) => {
                let fault = app.pool.faults().hit("mail.folder");
                let laid =
                    if fault == Some(Fault::Error) { Err(std::io::ErrorKind::Other.into()) } else { lay_down(folder, due.id, &message) };
                match laid {
                    Ok(()) => Verdict::Fate(Fate::Folder),
                    Err(error) => {
                        tracing::warn!(mail = %due.id, %error, "a mail could not be written into the mail folder; it is tried again");
                        again(app, due, "folder")
                    }
                }
            }
            Transport::None => again(app, due, "no_transport"),
        }
    }
}

impl Carrier<'_> {
    async fn hand_over(&mut self, relay: &Relay, message: &Message) -> Result<(), Refusal> {
        let faults = self.app.pool.faults();
        if let Some(session) = self.session.take() {
            match session.send(message).await {
                Ok(session) => {
                    self.session = Some(session);
                    return Ok(());
                }
                // The relay has had enough mails in one conversation; that says nothing of this one.
                Err(refusal) if refusal.ended_between_mails() => {}
                Err(refusal) => return Err(refusal),
            }
        }
        self.session = Some(relay.open(faults).await?.send(message).await?);
        Ok(())
    }

    fn refused(&mut self, due: &Due, refusal: &Refusal) -> Verdict {
        let verdict = if refusal.is_final() { Verdict::GiveUp(refusal.code) } else { again(self.app, due, refusal.code) };
        let next = match verdict {
            Verdict::GiveUp(_) => "given up",
            Verdict::Fate(_) | Verdict::Noted | Verdict::Left => "tried again",
        };
        let (step, code, status) = (refusal.step.as_str(), refusal.code, refusal.status);
        if refusal.is_of_every_mail() {
            self.down = Some(code);
            tracing::warn!(step, code, status, "the mail relay cannot be used; mail waits. `usher mail test` shows what it says");
        } else {
            tracing::warn!(mail = %due.id, step, code, status, next, "the mail relay did not take a mail");
        }
        verdict
    }
}

fn errand(due: &Due) -> Errand {
    Errand {
        id: due.id,
        org: due.org,
        user: due.user,
        name: format!("{} {}", due.first_name, due.last_name),
        attempts: due.attempts,
        open_since: due.open_since,
    }
}

fn again(app: &App, due: &Due, code: &'static str) -> Verdict {
    errand(due).again(app.clock.now(), code)
}

/// The same at every try. An IPv6 address has letters that no plain Message-ID has (RFC 5322, 3.6.4); the left part is unique
/// by itself.
fn message_id(id: OutboxId, host: &str) -> String {
    format!("<{id}@{}>", host.replace(['[', ']', ':'], "-").trim_matches('-'))
}

/// What became of a row of the outbox on its way to a message.
enum Rendered {
    Message(Message),
    /// What it tells of is no more.
    Gone,
    /// A newer node wrote it, and can send it.
    Unknown,
    /// It never will be a message.
    Broken,
}

fn render(app: &App, due: &Due) -> Rendered {
    let language = Language::default();
    let url = match &due.content {
        Content::Link { link, .. } => link_url(app, due, link),
        Content::Notice(..) => String::new(),
        Content::Gone => return Rendered::Gone,
        Content::Unknown => return Rendered::Unknown,
    };
    let Ok(email) = Email::parse(&due.email) else { return Rendered::Broken };
    let host = app.public_url.host();
    let built = matter(due, &url, language).map(|matter| {
        let letter = Letter {
            language,
            from: &app.mail.from,
            to_email: &email.ascii(),
            to_first: &due.first_name,
            to_last: &due.last_name,
            organization: &due.organization,
            host,
            message_id: &message_id(due.id, host),
            date: due.created_at,
            matter,
        };
        message::build(&letter, app.mail.way())
    });
    match built {
        Some(Ok(message)) => Rendered::Message(message),
        Some(Err(error)) => {
            tracing::error!(mail = %due.id, %error, "a mail cannot be built");
            Rendered::Broken
        }
        None => Rendered::Gone,
    }
}

/// Derived anew at every try; the database holds no link.
fn link_url(app: &App, due: &Due, link: &DueLink) -> String {
    let page = match link.kind {
        LinkKind::Invite => "invite",
        LinkKind::SignIn | LinkKind::Reset | LinkKind::StartedReset | LinkKind::Identity | LinkKind::Operator => "link",
    };
    let token = app.keyring.link_token(link.kind, &due.locator, link.id, link.generation);
    format!("{}/{page}/{token}", app.public_url.as_str())
}

/// What a mail is about, in the letters' own terms; `None` where it has lost its subject.
fn matter<'a>(due: &'a Due, url: &'a str, language: Language) -> Option<Matter<'a>> {
    let nameless = language.nameless();
    let called = |by: &By, name: Option<&'a str>| match by {
        By::Person(_) => name,
        By::Operator => Some(nameless.operator),
        By::Usher => Some(nameless.usher),
    };
    let by = |by: &By, named: &'a Named| called(by, named.by.as_deref());
    Some(match &due.content {
        Content::Link { link, browser, provider, by: whom } => {
            let carried = Link { url, until: link.expires_at };
            let browser = browser.as_deref();
            match link.kind {
                LinkKind::Invite => Matter::Invite {
                    inviter: due.inviter.as_deref().unwrap_or(nameless.operator),
                    role: due.role,
                    link: carried,
                    again: link.generation > 1,
                },
                LinkKind::SignIn | LinkKind::Operator => Matter::SignInLink { link: carried, browser },
                LinkKind::Reset => Matter::ResetLink { link: carried, browser, first: !due.has_password },
                LinkKind::StartedReset => {
                    // Without a name nobody could ask back, and should not press the button.
                    let by = whom.as_ref().and_then(|(by, name)| called(by, name.as_deref()))?;
                    Matter::StartedReset { by, link: carried, first: !due.has_password }
                }
                LinkKind::Identity => {
                    Matter::LinkIdentity { provider: provider.as_deref().unwrap_or(nameless.provider), link: carried, browser }
                }
            }
        }
        Content::Notice(notice, named) => match notice {
            Notice::PasswordChanged { browser, first } => Matter::PasswordChanged { browser: browser.as_deref(), first: *first },
            Notice::NewBrowser { browser } => Matter::NewBrowser { browser: browser.as_deref() },
            Notice::AdministratorMade { by: whom, .. } => Matter::AdministratorMade { who: named.who.as_deref()?, by: by(whom, named) },
            Notice::SsoChanged { change, by: whom, .. } => Matter::SsoChanged {
                change: *change,
                provider: named.provider.as_deref().unwrap_or(nameless.provider),
                by: by(whom, named),
            },
            Notice::BreakGlassChanged { may, by: whom, .. } => {
                Matter::BreakGlassChanged { who: named.who.as_deref()?, may: *may, by: by(whom, named) }
            }
            Notice::TokenEnding { .. } => {
                let (label, ends) = named.token.as_ref()?;
                Matter::TokenEnding { label, ends: *ends }
            }
            Notice::SecondFactorChanged { change, by: whom, browser } => Matter::SecondFactorChanged {
                change: *change,
                by: whom.as_ref().and_then(|whom| by(whom, named)),
                browser: browser.as_deref(),
            },
            Notice::IdentityChanged { change, .. } => {
                Matter::IdentityChanged { change: *change, provider: named.provider.as_deref().unwrap_or(nameless.provider) }
            }
            Notice::RecoveryCodeUsed { left, browser } => Matter::RecoveryCodeUsed { left: *left, browser: browser.as_deref() },
        },
        Content::Gone | Content::Unknown => return None,
    })
}

/// Written whole under another name first, so that nobody reads half a mail; the same name at every try.
fn lay_down(folder: &std::path::Path, id: OutboxId, message: &Message) -> std::io::Result<()> {
    crate::config::make_data_dir(folder)?;
    let draft = folder.join(format!(".{id}"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The link in it lets whoever reads it in.
        options.mode(0o600);
    }
    options.open(&draft)?.write_all(&message.formatted())?;
    std::fs::rename(draft, folder.join(format!("{id}.eml")))
}
