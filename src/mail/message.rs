//! A letter as an email: one recipient, at most one link, one plain and one HTML part that say the same.
//!
//! The builder is the last line of defence. Names were checked when they were given, but what is stored may be
//! older than the checks, so a control character anywhere refuses the mail (R-B98), and [`unlinked`] keeps mail
//! programs from making links of names (R-B92). The HTML part loads nothing and escapes everything (R-B91).

use super::{
    letter::Letter,
    words::{Fact, LinkWords, Shared, Words},
};
use crate::domain::Timestamp;
use askama::Template;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, Date, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use std::time::{Duration, SystemTime};

/// Longest link, in characters: what common mail programs keep in one piece when they wrap (R-B17).
pub const LINK_MAX: usize = 120;

/// Longest line of a message without its CRLF (RFC 5322, 2.1.1).
const LINE_MAX: usize = 998;

/// Where the text part breaks its lines, as readers of plain text expect.
const WRAP_AT: usize = 72;

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

/// Why a letter cannot become a mail. No text repeats what a field holds.
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
    #[error("date lies outside the years 1970 to 9999")]
    Date,
    /// A sentence names a fact that the letter does not have.
    #[error("the words of the letter ask for `{0}`, which it does not have")]
    Words(String),
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

/// A stretch of a sentence: our words, or what somebody chose, already [`unlinked`].
struct Piece {
    text: String,
    chosen: bool,
}

/// A sentence with its facts in it.
struct Line(Vec<Piece>);

impl Line {
    /// Puts the letter's facts where `sentence` names them. What a fact holds is never read as a sentence.
    fn of(letter: &Letter, sentence: &str) -> Result<Self, MailBuildError> {
        let mut pieces = Vec::new();
        let mut rest = sentence;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            let value = Fact::named(name).and_then(|fact| letter.fact(fact)).ok_or_else(|| MailBuildError::Words(name.to_owned()))?;
            pieces.push(Piece { text: before.to_owned(), chosen: false });
            pieces.push(Piece { text: value.long, chosen: value.chosen });
            rest = tail;
        }
        pieces.push(Piece { text: rest.to_owned(), chosen: false });
        Ok(Self(pieces))
    }

    fn plain(&self) -> String {
        self.0.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// A fact in a row of its own.
struct Row {
    label: &'static str,
    value: super::letter::Value,
}

/// The link and the words around it.
struct Button<'a> {
    url: &'a str,
    words: LinkWords,
}

/// The HTML part: the ticket, and the stub that its facts stand on.
#[derive(Template)]
#[template(path = "letter.html")]
struct HtmlPart<'a> {
    tag: &'static str,
    title: Line,
    preview: Line,
    greeting: Line,
    paragraphs: Vec<Line>,
    button: Option<Button<'a>>,
    paste: &'static str,
    /// Two or three in a line: more do not fit a phone.
    stub: Vec<&'a [Row]>,
    foot: Option<Line>,
    sent: Line,
}

/// The text part.
#[derive(Template)]
#[template(path = "letter.txt", escape = "none")]
struct TextPart<'a> {
    greeting: String,
    title: String,
    paragraphs: Vec<String>,
    button: Option<Button<'a>>,
    rows: Vec<String>,
    foot: Option<String>,
    sent: String,
}

/// Makes the message.
///
/// `From` is `{organization} via usher`. `To` holds the one recipient, and so does the envelope. Both parts hold the same
/// whole link, where there is one. `Message-ID` and `Date` are as given, so that a retry is recognized as the same mail.
///
/// Errors: [`MailBuildError`]. All of them are final; trying again changes nothing.
pub fn build(letter: &Letter, way: Way) -> Result<Message, MailBuildError> {
    refuse_controls(letter)?;
    if let Some(link) = letter.link() {
        check_link(link.url)?;
    }
    let from = sender(letter.from)?;
    let to = plain_address("to_email", letter.to_email)?;
    let (words, shared) = (letter.language.words(letter), letter.language.shared());
    let named = |sentence: &str| Line::of(letter, sentence).map(|line| line.plain());

    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, text_body(text_part(letter, &words, &shared)?, way)?))
        .singlepart(part(ContentType::TEXT_HTML, quoted_printable(html_part(letter, &words, &shared)?)?));

    let message = Message::builder()
        // Given, not read back from the headers: nobody's name has a say in where the mail goes.
        .envelope(Envelope::new(Some(from.clone()), vec![to.clone()])?)
        .from(Mailbox::new(Some(named(shared.sender)?), from))
        .to(Mailbox::new(Some(named("{person}")?), to))
        .subject(named(words.subject)?)
        .header(date(letter.date)?)
        .message_id(Some(message_id(letter.message_id)?))
        .header(AutoSubmitted)
        .multipart(parts)?;
    Ok(message)
}

fn rows(letter: &Letter, words: &Words) -> Vec<Row> {
    words.rows.iter().filter_map(|(label, fact)| letter.fact(*fact).map(|value| Row { label, value })).collect()
}

fn button<'a>(letter: &Letter<'a>, words: &Words) -> Option<Button<'a>> {
    letter.link().zip(words.link).map(|(link, words)| Button { url: link.url, words })
}

fn html_part(letter: &Letter, words: &Words, shared: &Shared) -> Result<String, MailBuildError> {
    let rows = rows(letter, words);
    let line = |sentence: &&str| Line::of(letter, sentence);
    let page = HtmlPart {
        tag: shared.tag,
        title: line(&words.title)?,
        preview: line(&words.preview)?,
        greeting: line(&shared.greeting)?,
        paragraphs: words.paragraphs.iter().map(line).collect::<Result<_, _>>()?,
        button: button(letter, words),
        paste: shared.paste,
        stub: rows.chunks(if rows.len() == 4 { 2 } else { 3 }).collect(),
        foot: words.foot.as_ref().map(line).transpose()?,
        sent: line(&words.sent)?,
    };
    Ok(page.render()?)
}

fn text_part(letter: &Letter, words: &Words, shared: &Shared) -> Result<String, MailBuildError> {
    let rows = rows(letter, words);
    let widest = rows.iter().map(|row| row.label.chars().count()).max().unwrap_or_default();
    let line = |sentence: &&str| Line::of(letter, sentence).map(|line| wrapped(&line.plain()));
    let title = Line::of(letter, words.title)?.plain();
    let page = TextPart {
        greeting: line(&shared.greeting)?,
        // A headline that is no question ends as a sentence does.
        title: wrapped(&if title.ends_with(['?', '.']) { title } else { format!("{title}.") }),
        paragraphs: words.paragraphs.iter().map(line).collect::<Result<_, _>>()?,
        button: button(letter, words),
        rows: rows.iter().map(|row| format!("  {:widest$}  {}", row.label, row.value.long)).collect(),
        foot: words.foot.as_ref().map(line).transpose()?,
        sent: line(&words.sent)?,
    };
    Ok(page.render()?)
}

/// Lines of at most [`WRAP_AT`] characters, broken at spaces; breaks that stand stay.
fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (nth, line) in text.split('\n').enumerate() {
        if nth > 0 {
            out.push('\n');
        }
        let mut width = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if width > 0 && width + 1 + length > WRAP_AT {
                out.push('\n');
                width = 0;
            } else if width > 0 {
                out.push(' ');
                width += 1;
            }
            out.push_str(word);
            width += length;
        }
    }
    out
}

/// The one rule against names that become links (R-B92): a word joiner (U+2060, no width, no break) follows
/// each `.`, `:`, `/`, `@` and `=`, and each full stop that browsers take for a dot in a host name (UTS 46), that
/// has no space after it and does not end the text.
///
/// So `evil.example`, `https://…`, `www.…` and `a@b` are no longer what mail programs look for, and a name that
/// imitates an encoded word (`=?…?=`, RFC 2047) is no longer one, while `St. John` stays as it is. The rule
/// holds for every name in the subject, the headers and both parts.
pub(super) fn unlinked(name: &str) -> String {
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
fn refuse_controls(letter: &Letter) -> Result<(), MailBuildError> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    match letter.texts().into_iter().find(|(_, text)| text.contains(breaks)) {
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
fn date(at: Timestamp) -> Result<Date, MailBuildError> {
    u64::try_from(at.as_millis())
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
