//! Mail leaves by the outbox worker: rendered when it goes, sent by SMTP or laid into the mail folder.
//!
//! What is committed is sent at least once, and in the ordinary case once: a worker holds a lease on what it sends and
//! renews it while a relay takes its time, notes the fate of each mail before it begins the next, and starts none whose
//! lease is no longer its own. The lease is short, so that a node that dies holds its mails up for seconds. A mail that is
//! sent twice after all carries the same Message-ID and the same link.

pub mod message;
pub mod relay;

use crate::{
    app::App,
    authz::{self, Actor, Standing, SystemTask, action::GiveUpMail},
    domain::{DAY, Email, HOUR, LinkKind, OutboxId, RequestId, SECOND},
    failpoint::{Fault, Faults},
    store::{
        Context, StoreError, Work,
        outbox::{self, Due, Fate, Lease},
    },
};
use lettre::Message;
use message::{InviteMail, Way};
use relay::{Refusal, Relay, Session};
use std::{future::Future, io::Write as _, path::PathBuf, pin::pin, time::Duration};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use usher_tools::DeliveryRoute;

/// How long a worker that says nothing keeps its mails.
const LEASE: i64 = 20 * SECOND;
/// How often a worker that is busy says that it still has them.
const RENEWAL: Duration = Duration::from_secs(5);
/// How many mails one round takes.
const ROUND: i64 = 32;
/// After which time a mail that nobody took is given up.
const GIVE_UP_AFTER: i64 = 2 * DAY;
/// How long the first wait before another try is; each further one is twice as long, up to an hour.
const FIRST_WAIT: i64 = 5 * SECOND;
/// How long a mail under way may still take when the server is told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How often noting a fate is tried: a mail whose fate is not noted is sent again.
const NOTES: u64 = 5;

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
    due: Notify,
    closing: CancellationToken,
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
        Ok(Self { transport, from, due: Notify::new(), closing: CancellationToken::new() })
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

    /// Tells the worker that a mail was committed.
    pub fn wake(&self) {
        self.due.notify_one();
    }

    /// Tells the worker to end: the mail under way gets a few seconds, the others wait for the next start.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Waits until there may be work.
    pub async fn wait(&self) {
        // Other nodes' mails and retries have no voice here: look every second.
        drop(timeout(Duration::from_secs(1), self.due.notified()).await);
    }
}

/// One round of the worker: leases what is due, sends it, notes what became of it. How many were leased.
pub async fn round(app: &App) -> Result<usize, StoreError> {
    if app.mail.route().is_none() || app.mail.closing.is_cancelled() {
        return Ok(0);
    }
    let (mut lease, mails) = outbox::lease(&app.pool, app.clock.now(), LEASE, ROUND).await?;
    let mut carrier = Carrier { app, session: None, down: None };
    let mut laid_down = Vec::new();
    for due in &mails {
        if app.mail.closing.is_cancelled() {
            break;
        }
        match lease.wants(&app.pool, due.id, app.clock.now()).await? {
            outbox::Wanted::Yes => {}
            outbox::Wanted::NoLonger => {
                noted(app, &mut lease, &[(due.id, Fate::Superseded)]).await?;
                continue;
            }
            outbox::Wanted::NotOurs => continue,
        }
        let Some(verdict) = Box::pin(holding(app, &mut lease, carrier.carry(due))).await else { break };
        match verdict {
            // Laid down again it would be the same file, so these may wait for each other.
            Verdict::Fate(Fate::Folder) => laid_down.push((due.id, Fate::Folder)),
            Verdict::Fate(fate) => noted(app, &mut lease, &[(due.id, fate)]).await?,
            Verdict::GiveUp(code) => {
                // It must not keep those behind it waiting; what could not be noted is tried once the lease has run out.
                if let Err(error) = give_up(app, due, code).await {
                    tracing::warn!(mail = %due.id, %error, "that a mail is given up could not be noted");
                }
                lease.forget(due.id);
            }
        }
    }
    noted(app, &mut lease, &laid_down).await?;
    if let Some(session) = carrier.session {
        session.close().await;
    }
    lease.release(&app.pool).await?;
    Ok(mails.len())
}

/// Runs `work` and renews the lease meanwhile; `None` where the server has to stop and the work would not end in time.
async fn holding<T>(app: &App, lease: &mut Lease, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            () = app.mail.closing.cancelled() => return timeout(GRACE, work).await.ok(),
            () = sleep(RENEWAL) => {
                if let Err(error) = lease.renew(&app.pool, app.clock.now(), LEASE).await {
                    tracing::warn!(%error, "a lease on mail could not be renewed");
                }
            }
        }
    }
}

async fn noted(app: &App, lease: &mut Lease, fates: &[(OutboxId, Fate)]) -> Result<(), StoreError> {
    if fates.is_empty() {
        return Ok(());
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match lease.settle(&app.pool, fates, app.clock.now()).await {
            Err(error) if tries < NOTES => {
                tracing::warn!(%error, "what became of a mail could not be noted; it is tried again");
                sleep(Duration::from_millis(50 * tries * tries)).await;
            }
            done => return done,
        }
    }
}

enum Verdict {
    Fate(Fate),
    GiveUp(&'static str),
}

/// Takes the mails of one round to the relay or to the folder.
struct Carrier<'a> {
    app: &'a App,
    /// The conversation that the last mail left open.
    session: Option<Session<'a>>,
    /// Why the relay takes no mail at all at present.
    down: Option<&'static str>,
}

impl Carrier<'_> {
    async fn carry(&mut self, due: &Due) -> Verdict {
        let app = self.app;
        let Some(message) = render(app, due) else { return Verdict::GiveUp("unsendable") };
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
            Verdict::Fate(_) => "tried again",
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

/// Another try later, or none where it has been tried for long enough.
fn again(app: &App, due: &Due, code: &'static str) -> Verdict {
    let now = app.clock.now();
    if now.since(due.created_at) > GIVE_UP_AFTER {
        return Verdict::GiveUp(code);
    }
    Verdict::Fate(Fate::Again(now.plus(wait_after(due.attempts)), code))
}

fn wait_after(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 10)).unwrap_or_default();
    FIRST_WAIT.saturating_mul(2i64.pow(doublings)).min(HOUR)
}

/// The same at every try. An IPv6 address has letters that no plain Message-ID has (RFC 5322, 3.6.4); the left part is unique
/// by itself.
fn message_id(id: OutboxId, host: &str) -> String {
    format!("<{id}@{}>", host.replace(['[', ']', ':'], "-").trim_matches('-'))
}

fn render(app: &App, due: &Due) -> Option<Message> {
    let email = Email::parse(&due.email).ok()?;
    let host = app.public_url.host();
    let token = |link: &outbox::DueLink| app.keyring.link_token(link.kind, &due.locator, link.id, link.generation);
    let built = match &due.link {
        Some(link) if link.kind == LinkKind::Invite => message::build(
            &InviteMail {
                from: &app.mail.from,
                to_email: &email.ascii(),
                to_first: &due.first_name,
                to_last: &due.last_name,
                inviter: due.inviter.as_deref().unwrap_or("The operator of this server"),
                organization: &due.organization,
                role: due.role.shown(),
                link: &format!("{}/invite/{}", app.public_url.as_str(), token(link)),
                until_words: &link.expires_at.words_utc(),
                until_short: &link.expires_at.short_utc(),
                host,
                message_id: &message_id(due.id, host),
                date_ms: due.created_at.as_millis(),
            },
            app.mail.way(),
        ),
        Some(link) => {
            let (subject, what) = match link.kind {
                LinkKind::Reset => ("Choose a new password", "Choose a new password, in the browser in which you asked for it:"),
                LinkKind::Identity => ("Connect your sign-in", "Connect your sign-in, in the browser in which you signed in:"),
                LinkKind::SignIn | LinkKind::Operator | LinkKind::Invite => {
                    ("Your link to sign in", "Sign in, in the browser in which you asked for it:")
                }
            };
            let text = format!(
                "{what}\n\n{}/link/{}\n\nIt works once, until {}.\nYou did not ask for it? Then do nothing: nobody gets in without this link.\n",
                app.public_url.as_str(),
                token(link),
                link.expires_at.words_utc(),
            );
            message::plain(
                app.mail.way(),
                &app.mail.from,
                &email.ascii(),
                subject,
                &text,
                &message_id(due.id, host),
                due.created_at.as_millis(),
            )
        }
        None => {
            let text = format!(
                "The password of your account at {host} was changed on {}, and all other browsers were signed out.\n\nThat was not you? Ask for a new password at {}/sign-in, and tell an Administrator.\n",
                due.created_at.words_utc(),
                app.public_url.as_str(),
            );
            message::plain(
                app.mail.way(),
                &app.mail.from,
                &email.ascii(),
                "Your password was changed",
                &text,
                &message_id(due.id, host),
                due.created_at.as_millis(),
            )
        }
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_five_seconds_to_an_hour() {
        let waits: Vec<i64> = (0..12).map(|attempts| wait_after(attempts) / SECOND).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!((wait_after(-1), wait_after(i64::MAX)), (FIRST_WAIT, HOUR));
    }
}
