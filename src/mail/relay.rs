//! One conversation with the operator's relay (RFC 5321), step by step.
//!
//! The library's own transport would take all steps at once. They are taken one by one for three reasons. Each is bounded
//! in time, and not only the connecting: a relay that falls silent holds no other mail up for ever. After a step that failed
//! or took too long nothing more is said on that connection, so that a late answer is never taken for the answer to the
//! next mail. And a refusal knows its step, without which a relay that turns everybody away (a wrong password) could not be
//! told from one that does not want this mail.
//!
//! Failpoints: `mail.connect`, `mail.starttls`, `mail.login`, `mail.mail`, `mail.rcpt`, `mail.data`, `mail.dot` stand at the steps,
//! `mail.folder` at the mail folder, and `mail.patience=skip` shortens the time that a relay gets for a step.

use crate::failpoint::{Fault, Faults};
use lettre::{
    Message,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Tls, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use percent_encoding::percent_decode_str;
use std::{borrow::Cow, error::Error as _, fmt, future::Future, time::Duration};
use tokio::time::timeout;
use url::Url;

/// How long a step may take. A relay that scans what it is given answers late to the end of a mail; to give up before it
/// does means to send the mail again.
const STEP: Duration = Duration::from_secs(30);
const END_OF_MAIL: Duration = Duration::from_mins(2);
/// The same under the failpoint `mail.patience=skip`.
const IMPATIENT: Duration = Duration::from_millis(700);
/// How long a goodbye may take: nothing depends on it.
const GOODBYE: Duration = Duration::from_secs(1);
/// How much of what a relay says is passed on to the operator, in characters.
const SAID_MAX: usize = 300;

/// Where mail goes, and as whom.
pub struct Relay {
    host: String,
    port: u16,
    tls: Tls,
    account: Option<Credentials>,
    name: ClientId,
}

/// Shows no account.
impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// `HOST:PORT`, for the operator.
impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

impl Relay {
    /// Reads `smtp://HOST[:PORT]`, the same with `?tls=required` or `?tls=opportunistic` for STARTTLS, or `smtps://HOST[:PORT]`
    /// for TLS from the first byte; each with `USER:PASSWORD@` where the relay wants an account. The trusted authorities are
    /// the system's, or those of `SSL_CERT_FILE`.
    ///
    /// Errors: a sentence for the operator, which repeats nothing of the address.
    pub fn parse(address: &str) -> Result<Self, String> {
        let form = || {
            "--smtp-url is not an address of a relay: give smtp://HOST:PORT, smtp://HOST:PORT?tls=required or smtps://HOST, with USER:PASSWORD@ before the host where it wants an account"
                .to_owned()
        };
        let url = Url::parse(address.trim()).map_err(|_| form())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(form)?.trim_matches(['[', ']']).to_owned();
        // A parameter that is not known is no parameter to pass over: a mistyped `tls` would send passwords in the clear.
        let mut wanted = None;
        for (name, value) in url.query_pairs() {
            match (name.as_ref(), wanted.is_some()) {
                ("tls", false) => wanted = Some(value.into_owned()),
                (_, _) => return Err(form()),
            }
        }
        let parameters = || TlsParameters::new(host.clone()).map_err(|error| format!("TLS cannot be used with --smtp-url: {error}"));
        let (standard, tls) = match (url.scheme(), wanted.as_deref()) {
            ("smtp", None | Some("none")) => (25, Tls::None),
            ("smtp", Some("opportunistic")) => (587, Tls::Opportunistic(parameters()?)),
            ("smtp", Some("required")) => (587, Tls::Required(parameters()?)),
            ("smtps", None | Some("required")) => (465, Tls::Wrapper(parameters()?)),
            (_, _) => return Err(form()),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(form());
        }
        let account = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None) => return Err(form()),
            (user, Some(password)) => {
                Some(Credentials::new(percent_decoded(user).ok_or_else(form)?, percent_decoded(password).ok_or_else(form)?))
            }
        };
        Ok(Self { host, port: url.port().unwrap_or(standard), tls, account, name: ClientId::default() })
    }

    /// Connects, agrees on TLS and logs in, as far as the address asks for it.
    pub async fn open<'a>(&self, faults: &'a Faults) -> Result<Session<'a>, Refusal> {
        let (implicit, demanded, offered) = match &self.tls {
            Tls::None => (None, None, None),
            Tls::Wrapper(parameters) => (Some(parameters.clone()), None, None),
            Tls::Required(parameters) => (None, Some(parameters), None),
            Tls::Opportunistic(parameters) => (None, None, Some(parameters)),
        };
        let place = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(place, Some(STEP), &self.name, implicit, None);
        let mut line = taken(faults, Step::Connect, connecting).await?;
        if let Some(parameters) = demanded.or_else(|| offered.filter(|_| line.can_starttls())) {
            taken(faults, Step::StartTls, line.starttls(parameters.clone(), &self.name)).await?;
        }
        if let Some(account) = &self.account {
            taken(faults, Step::LogIn, line.auth(DEFAULT_MECHANISMS, account)).await?;
        }
        Ok(Session { line, faults })
    }
}

/// `None` where the bytes are no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

/// An open conversation, ready for the next mail.
pub struct Session<'a> {
    line: AsyncSmtpConnection,
    faults: &'a Faults,
}

impl Session<'_> {
    /// Hands one mail over. The conversation goes on only where all went well.
    pub async fn send(mut self, message: &Message) -> Result<Self, Refusal> {
        match self.hand_over(message).await {
            Ok(()) => Ok(self),
            Err(refusal) => {
                // An answer that came in full leaves the line in step: then there is time for a goodbye.
                if refusal.status.is_some_and(|status| status != 421) {
                    self.close().await;
                }
                Err(refusal)
            }
        }
    }

    async fn hand_over(&mut self, message: &Message) -> Result<(), Refusal> {
        let (line, faults) = (&mut self.line, self.faults);
        let envelope = message.envelope();
        taken(faults, Step::Mail, line.command(Mail::new(envelope.from().cloned(), Vec::new()))).await?;
        for recipient in envelope.to() {
            taken(faults, Step::Rcpt, line.command(Rcpt::new(recipient.clone(), Vec::new()))).await?;
        }
        taken(faults, Step::Data, line.command(Data)).await?;
        taken(faults, Step::End, line.message(&message.formatted())).await?;
        Ok(())
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        drop(timeout(GOODBYE, self.line.abort()).await);
    }
}

/// Where in the conversation something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The connection, the relay's greeting, EHLO.
    Connect,
    /// STARTTLS and the EHLO after it.
    StartTls,
    /// AUTH.
    LogIn,
    /// MAIL, the sender.
    Mail,
    /// RCPT, the recipient.
    Rcpt,
    /// DATA, the announcement of the text.
    Data,
    /// The text up to its final dot, and the answer to it.
    End,
}

impl Step {
    /// As the log and the operator are told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::StartTls => "STARTTLS",
            Self::LogIn => "logging in",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::End => "the end of the mail",
        }
    }

    /// The failpoint that stands here.
    const fn failpoint(self) -> &'static str {
        match self {
            Self::Connect => "mail.connect",
            Self::StartTls => "mail.starttls",
            Self::LogIn => "mail.login",
            Self::Mail => "mail.mail",
            Self::Rcpt => "mail.rcpt",
            Self::Data => "mail.data",
            Self::End => "mail.dot",
        }
    }

    const fn limit(self) -> Duration {
        match self {
            Self::Connect | Self::StartTls | Self::LogIn | Self::Mail | Self::Rcpt | Self::Data => STEP,
            Self::End => END_OF_MAIL,
        }
    }
}

/// Why a step was not taken.
#[derive(Debug)]
pub struct Refusal {
    /// Which step.
    pub step: Step,
    /// Why, as `delivery.error` says it.
    pub code: &'static str,
    /// The relay's answer, where it gave one.
    pub status: Option<u16>,
    /// In words, with what the relay said: for the operator who asks, never for the log, because a filter may quote the
    /// very link that it does not like.
    said: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.step.as_str())?;
        if let Some(status) = self.status {
            write!(f, " with {status}")?;
        }
        write!(f, ": {}", self.said)
    }
}

impl Refusal {
    fn new(step: Step, code: &'static str, said: &str) -> Self {
        Self { step, code, status: None, said: said.to_owned() }
    }

    /// Reads what the library reports.
    fn of(step: Step, error: &Error) -> Self {
        let status = error.status().and_then(|status| status.to_string().parse().ok());
        let code = if matches!(status, Some(530 | 534 | 535 | 538)) {
            // Whenever it is said: the account or TLS is missing or wrong (RFC 4954, 6; RFC 3207, 4).
            "login_refused"
        } else if status.is_some() {
            match (error.is_permanent(), step) {
                (false, _) => "deferred",
                (true, Step::LogIn) => "login_refused",
                // MAIL names the sender alone, and that is every mail's.
                (true, Step::Connect | Step::StartTls | Step::Mail) => "refused",
                (true, Step::Rcpt | Step::Data | Step::End) => "rejected",
            }
        } else if error.is_timeout() {
            "timeout"
        } else if is_of_tls(error) || step == Step::StartTls {
            "tls"
        } else {
            match step {
                Step::Connect | Step::StartTls => "unreachable",
                // The relay offers no way to log in that a client knows.
                Step::LogIn if error.is_client() => "login_refused",
                Step::LogIn | Step::Mail | Step::Rcpt | Step::Data | Step::End => "cut_off",
            }
        };
        let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let said = words.chars().take(SAID_MAX).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        Self { step, code, status, said }
    }

    /// Whether it says something about the relay, or about how it is set up, and nothing about this one mail.
    #[must_use]
    pub fn is_of_every_mail(&self) -> bool {
        let before_any = match self.step {
            Step::Connect | Step::StartTls | Step::LogIn => true,
            Step::Mail | Step::Rcpt | Step::Data | Step::End => false,
        };
        before_any || matches!(self.code, "login_refused" | "refused")
    }

    /// Whether trying this mail again is of no use (RFC 5321, 4.2.1: 5yz).
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.code == "rejected"
    }

    /// Whether the relay ended a conversation before it heard of this mail: some allow only so many mails in one.
    #[must_use]
    pub fn ended_between_mails(&self) -> bool {
        self.step == Step::Mail && (self.status == Some(421) || self.code == "cut_off")
    }
}

/// Whether the reason is a certificate or another disagreement about TLS, however deep it lies.
fn is_of_tls(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        let inside = found.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if found.is::<rustls::Error>() || inside.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) {
            return true;
        }
        cause = found.source();
    }
    error.is_tls()
}

/// Takes a step within its time.
async fn taken<T>(faults: &Faults, step: Step, work: impl Future<Output = Result<T, Error>>) -> Result<T, Refusal> {
    let injected = || Refusal::new(step, "cut_off", "failpoint");
    let fault = faults.hit(step.failpoint());
    if fault == Some(Fault::Error) {
        return Err(injected());
    }
    let limit = if faults.hit("mail.patience") == Some(Fault::Skip) { IMPATIENT } else { step.limit() };
    let done = match timeout(limit, work).await {
        Ok(done) => done.map_err(|error| Refusal::of(step, &error))?,
        Err(_) => return Err(Refusal::new(step, "timeout", "the relay did not answer in time")),
    };
    if fault == Some(Fault::Lost) { Err(injected()) } else { Ok(done) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_relays_read_as_documented() {
        drop(rustls::crypto::ring::default_provider().install_default());
        for (address, place, encrypted, account) in [
            ("smtp://mail.example", "mail.example:25", false, None),
            ("smtp://127.0.0.1:2525/", "127.0.0.1:2525", false, None),
            ("smtp://[::1]:2525", "[::1]:2525", false, None),
            ("smtp://mail.example?tls=required", "mail.example:587", true, None),
            ("smtp://mail.example:25?tls=opportunistic", "mail.example:25", true, None),
            ("smtps://mail.example", "mail.example:465", true, None),
            ("smtps://ana%40x.example:p%3Aw+%25@mail.example", "mail.example:465", true, Some(("ana@x.example", "p:w+%"))),
            ("smtp://u:100%@mail.example", "mail.example:25", false, Some(("u", "100%"))),
        ] {
            let relay = Relay::parse(address).unwrap_or_else(|error| panic!("{address}: {error}"));
            assert_eq!(relay.to_string(), place);
            assert_eq!(!matches!(relay.tls, Tls::None), encrypted, "{address}");
            let expected = account.map(|(user, password)| Credentials::new(user.to_owned(), password.to_owned()));
            assert_eq!(relay.account, expected, "{address}");
            assert!(!format!("{relay:?} {relay}").contains("p:w"), "no password in any output");
        }
    }

    #[test]
    fn a_mistyped_relay_is_refused_without_being_repeated() {
        for address in [
            "",
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example?starttls=secret",
            "smtp://mail.example?tls=secret",
            "smtp://mail.example?tls=required&tls=none",
            "smtps://mail.example?tls=none",
            "smtp://secret@mail.example",
            "smtp://:secret@mail.example",
            "smtp://u:%ff%fesecret@mail.example",
            "smtp://mail.example/secret",
            "smtp://mail.example#secret",
        ] {
            let error = Relay::parse(address).expect_err(address);
            assert!(error.contains("--smtp-url") && !error.contains("secret"), "{address}: {error}");
        }
    }
}
