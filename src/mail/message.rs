//! The invite as an email: one recipient, one link, one plain and one HTML part that say the same.
//!
//! The builder is the last line of defence. Names were checked when they were given, but what is stored may be
//! older than the checks, so a control character anywhere refuses the mail (R-B98), and [`unlinked`] keeps mail
//! programs from making links of names (R-B92). The HTML part loads nothing and escapes everything (R-B91).

use std::time::{Duration, SystemTime};

use askama::Template;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, Date, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

/// Longest link, in characters: what common mail programs keep in one piece when they wrap (R-B17).
pub const LINK_MAX: usize = 120;

/// Longest line of a message without its CRLF (RFC 5322, 2.1.1).
const LINE_MAX: usize = 998;

/// First instant that an HTTP date, and so the `Date` header, cannot name: the year 10000.
const DATE_END_MS: u64 = 253_402_300_800_000;

/// What the way of a mail takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A relay: seven bits, for eight are an extension that not each one on the way has (RFC 6152).
    Relay,
    /// A file: whoever opens it finds the link in one piece, whatever letters the names have.
    Folder,
}

/// What an invite says. Names are stored text, not yet escaped.
#[derive(Clone, Copy)]
pub struct InviteMail<'a> {
    /// The configured sender, `Name <address>` or `address`. Only the address is used: the name that people
    /// see is the organization's.
    pub from: &'a str,
    /// The invited address with its domain in ASCII form (R-B97).
    pub to_email: &'a str,
    /// First name as invited.
    pub to_first: &'a str,
    /// Last name as invited.
    pub to_last: &'a str,
    /// Full name of whoever invited.
    pub inviter: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// `Administrator` or `User`.
    pub role: &'a str,
    /// The whole link: `http` or `https`, at most [`LINK_MAX`] characters, all of them legal in a URL.
    pub link: &'a str,
    /// End of the link in full, such as `Wednesday 2 December 2026, 14:00 UTC` (R-B101).
    pub until_words: &'a str,
    /// End of the link in short, such as `2 Dec 2026, 14:00 UTC`.
    pub until_short: &'a str,
    /// Host of the public URL, without its port.
    pub host: &'a str,
    /// Identity of the mail, the same at every try, with or without `<` and `>` (RFC 5322, 3.6.4).
    pub message_id: &'a str,
    /// Date of the mail in Unix milliseconds, from 1970 to 9999.
    pub date_ms: i64,
}

/// Shows what cannot open anything: no link, no name, no address.
impl std::fmt::Debug for InviteMail<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InviteMail").field("message_id", &self.message_id).field("date_ms", &self.date_ms).finish_non_exhaustive()
    }
}

/// Why an invite cannot become a mail. No text repeats what a field holds.
#[derive(Debug, thiserror::Error)]
pub enum MailBuildError {
    /// A line break or another control character, which could begin a header of its own.
    #[error("{0} holds a line break or another control character")]
    Control(&'static str),
    /// Not one plain address in ASCII form.
    #[error("{0} is not one address in ASCII form")]
    Address(&'static str),
    /// Not an address that a browser opens, or too long.
    #[error("link is not an http or https URL of at most {LINK_MAX} characters")]
    Link,
    /// Not `left@right`.
    #[error("message_id is not of the form left@right")]
    MessageId,
    /// Before 1970 or after 9999.
    #[error("date_ms lies outside the years 1970 to 9999")]
    Date,
    /// A part is not text that mail can carry.
    #[error("a part of the mail cannot be encoded")]
    Encode,
    /// A template failed.
    #[error("a part of the mail cannot be rendered")]
    Render(#[from] askama::Error),
    /// The parts do not make a message.
    #[error("the parts do not make a message")]
    Assemble(#[from] lettre::error::Error),
}

/// `Auto-Submitted: auto-generated`, so that vacation programs stay silent (RFC 3834, 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The words of both parts, with names already [`unlinked`].
#[derive(Template)]
#[template(path = "invite_mail.txt", escape = "none")]
struct TextPart<'a> {
    first: &'a str,
    person: &'a str,
    inviter: &'a str,
    organization: &'a str,
    role: &'a str,
    email: &'a str,
    link: &'a str,
    until_words: &'a str,
    host: &'a str,
}

#[derive(Template)]
#[template(path = "invite_mail.html")]
struct HtmlPart<'a> {
    first: &'a str,
    person: &'a str,
    inviter: &'a str,
    organization: &'a str,
    role: &'a str,
    email: &'a str,
    link: &'a str,
    until_words: &'a str,
    until_short: &'a str,
    host: &'a str,
}

/// Makes the message.
///
/// `From` is `{organization} via usher`, the subject `{inviter} invited you to {organization}`. `To` holds the
/// one recipient, and so does the envelope. Both parts hold the same whole link. `Message-ID` and `Date` are as
/// given, so that a retry is recognized as the same mail.
///
/// Errors: [`MailBuildError`]. All of them are final; trying again changes nothing.
pub fn build(mail: &InviteMail, way: Way) -> Result<Message, MailBuildError> {
    refuse_controls(mail)?;
    check_link(mail.link)?;

    let from = sender(mail.from)?;
    let to = plain_address("to_email", mail.to_email)?;
    let first = unlinked(mail.to_first);
    let person = unlinked(&format!("{} {}", mail.to_first, mail.to_last));
    let inviter = unlinked(mail.inviter);
    let organization = unlinked(mail.organization);

    let text = TextPart {
        first: &first,
        person: &person,
        inviter: &inviter,
        organization: &organization,
        role: mail.role,
        email: mail.to_email,
        link: mail.link,
        until_words: mail.until_words,
        host: mail.host,
    }
    .render()?;
    let html = HtmlPart {
        first: &first,
        person: &person,
        inviter: &inviter,
        organization: &organization,
        role: mail.role,
        email: mail.to_email,
        link: mail.link,
        until_words: mail.until_words,
        until_short: mail.until_short,
        host: mail.host,
    }
    .render()?;

    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, text_body(text, way)?))
        .singlepart(part(ContentType::TEXT_HTML, quoted_printable(html)?));

    let message = Message::builder()
        // Given, not read back from the headers: nobody's name has a say in where the mail goes.
        .envelope(Envelope::new(Some(from.clone()), vec![to.clone()])?)
        .from(Mailbox::new(Some(format!("{organization} via usher")), from))
        .to(Mailbox::new(Some(person), to))
        .subject(format!("{inviter} invited you to {organization}"))
        .header(date(mail.date_ms)?)
        .message_id(Some(message_id(mail.message_id)?))
        .header(AutoSubmitted)
        .multipart(parts)?;
    Ok(message)
}

/// A mail of one plain text, without a name that anybody chose.
///
/// Errors: [`MailBuildError`]. All of them are final; trying again changes nothing.
pub fn plain(way: Way, from: &str, to: &str, subject: &str, text: &str, id: &str, date_ms: i64) -> Result<Message, MailBuildError> {
    let (from, to) = (sender(from)?, plain_address("to_email", to)?);
    Ok(Message::builder()
        .envelope(Envelope::new(Some(from.clone()), vec![to.clone()])?)
        .from(Mailbox::new(Some("usher".to_owned()), from))
        .to(Mailbox::new(None, to))
        .subject(subject)
        .header(date(date_ms)?)
        .message_id(Some(message_id(id)?))
        .header(AutoSubmitted)
        .singlepart(part(ContentType::TEXT_PLAIN, text_body(text.to_owned(), way)?))?)
}

/// The one rule against names that become links (R-B92): a word joiner (U+2060, no width, no break) follows
/// each `.`, `:`, `/`, `@` and `=`, and each full stop that browsers take for a dot in a host name (UTS 46), that
/// has no space after it and does not end the text.
///
/// So `evil.example`, `https://…`, `www.…` and `a@b` are no longer what mail programs look for, and a name that
/// imitates an encoded word (`=?…?=`, RFC 2047) is no longer one, while `St. John` stays as it is. The rule
/// holds for every name in the subject, the headers and both parts.
fn unlinked(name: &str) -> String {
    const JOINER: char = '\u{2060}';
    let mut out = String::with_capacity(name.len());
    let mut rest = name.chars().peekable();
    while let Some(letter) = rest.next() {
        out.push(letter);
        let joins = matches!(letter, '.' | ':' | '/' | '@' | '=' | '\u{3002}' | '\u{FF0E}' | '\u{FF61}');
        if joins && rest.peek().is_some_and(|next| !next.is_whitespace() && *next != JOINER) {
            out.push(JOINER);
        }
    }
    out
}

/// Refuses what could break out of a header or a line: controls (CR, LF and NUL among them) and the two line
/// separators of Unicode (R-B98).
fn refuse_controls(mail: &InviteMail) -> Result<(), MailBuildError> {
    let fields = [
        ("from", mail.from),
        ("to_email", mail.to_email),
        ("to_first", mail.to_first),
        ("to_last", mail.to_last),
        ("inviter", mail.inviter),
        ("organization", mail.organization),
        ("role", mail.role),
        ("link", mail.link),
        ("until_words", mail.until_words),
        ("until_short", mail.until_short),
        ("host", mail.host),
        ("message_id", mail.message_id),
    ];
    let breaks = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    match fields.into_iter().find(|(_, text)| text.contains(breaks)) {
        Some((field, _)) => Err(MailBuildError::Control(field)),
        None => Ok(()),
    }
}

/// Only the characters of RFC 3986: the same bytes stand in the text, in the HTML and behind the button.
fn check_link(link: &str) -> Result<(), MailBuildError> {
    let after_scheme = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://")).ok_or(MailBuildError::Link)?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$()*+,;=%".contains(&byte);
    if after_scheme.is_empty() || link.len() > LINK_MAX || !after_scheme.bytes().all(legal) {
        return Err(MailBuildError::Link);
    }
    Ok(())
}

/// Address of the configured sender, with or without a name around it.
pub fn sender(from: &str) -> Result<Address, MailBuildError> {
    let trimmed = from.trim();
    let address = match trimmed.rsplit_once('<') {
        Some((_, tail)) => tail.strip_suffix('>').ok_or(MailBuildError::Address("from"))?,
        None => trimmed,
    };
    plain_address("from", address)
}

/// One address in ASCII. Anything else would need SMTPUTF8 of every relay on the way (R-B97).
fn plain_address(field: &'static str, text: &str) -> Result<Address, MailBuildError> {
    if !text.is_ascii() {
        return Err(MailBuildError::Address(field));
    }
    text.parse().map_err(|_| MailBuildError::Address(field))
}

/// `<left@right>` of RFC 5322, without its quoted and obsolete forms.
fn message_id(given: &str) -> Result<String, MailBuildError> {
    let bare = given.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(given);
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let word = |part: &str| !part.is_empty() && part.bytes().all(legal);
    match bare.split_once('@') {
        Some((left, right)) if word(left) && word(right) && bare.len() <= 250 => Ok(format!("<{bare}>")),
        Some(_) | None => Err(MailBuildError::MessageId),
    }
}

/// The `Date` header. The range is checked here because the conversion behind it panics outside.
fn date(ms: i64) -> Result<Date, MailBuildError> {
    u64::try_from(ms)
        .ok()
        .filter(|ms| *ms < DATE_END_MS)
        .and_then(|ms| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms)))
        .map(Date::new)
        .ok_or(MailBuildError::Date)
}

/// A text goes as it is where its way takes it; any other is quoted-printable, like the HTML.
fn text_body(text: String, way: Way) -> Result<Body, MailBuildError> {
    let encoding = if text.is_ascii() { ContentTransferEncoding::SevenBit } else { ContentTransferEncoding::EightBit };
    let takes_it = text.is_ascii() || way == Way::Folder;
    if takes_it && text.lines().all(|line| line.len() <= LINE_MAX) {
        // Given as encoded, because the ordinary way breaks lines at 76 characters already. What 7bit and 8bit ask for
        // (RFC 2045, 2.7 and 2.8) holds: bounded lines, no NUL, no CR or LF but in CRLF.
        let lines: Vec<u8> = text.lines().flat_map(|line| [line, "\r\n"]).flat_map(str::bytes).collect();
        Ok(Body::dangerous_pre_encoded(lines, encoding))
    } else {
        quoted_printable(text)
    }
}

fn quoted_printable(text: String) -> Result<Body, MailBuildError> {
    Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable).map_err(|_| MailBuildError::Encode)
}

fn part(kind: ContentType, body: Body) -> SinglePart {
    SinglePart::builder().header(kind).body(body)
}

#[cfg(test)]
mod tests;
