//! The audit log in words: each entry as one line that says who did what to whom, through which program, and how it ended.
//!
//! Whatever a person or a program wrote stays apart from our own words ([`Part`]), so that a template shows it as data. Names are
//! those of the time; where one was erased, the line says so in its place.

mod chart;
pub mod page;
pub mod words;

pub use chart::{Chart, Count};
pub use words::line;

use crate::domain::{DAY, Timestamp};
use std::{borrow::Cow, fmt};
use usher_tools::AuditEvent;

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Words of ours.
    Text(Cow<'static, str>),
    /// Whoever acts and is no person of the organization, in words of ours.
    Actor(&'static str),
    /// A name as of then.
    Name(String),
    /// In place of a name that was erased, in words of ours.
    Erased(&'static str),
    /// An id, a code, a name out of a fixed set.
    Code(String),
    /// Somebody's own words.
    Quote(String),
}

impl Part {
    /// Whether it follows what stands before it without a space.
    #[must_use]
    pub fn is_close(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with([',', '.', ':', ';']))
    }
}

/// A sentence, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(Vec<Part>);

impl Words {
    /// Words of ours.
    #[must_use]
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Part::Text(text.into()))
    }

    /// One part.
    #[must_use]
    pub fn of(part: Part) -> Self {
        Self(vec![part])
    }

    /// These, and more words of ours after them.
    #[must_use]
    pub fn and(self, text: impl Into<Cow<'static, str>>) -> Self {
        self.then(Self::text(text))
    }

    /// These, and others after them.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Several of a kind: `a`, `a and b`, `a, b and c`.
    #[must_use]
    pub fn list(several: Vec<Self>) -> Self {
        let last = several.len().saturating_sub(1);
        several.into_iter().enumerate().fold(Self::default(), |list, (n, one)| match n {
            0 => one,
            n if n == last => list.and("and").then(one),
            _ => list.and(",").then(one),
        })
    }

    /// The parts in their order.
    pub fn parts(&self) -> std::slice::Iter<'_, Part> {
        self.0.iter()
    }
}

/// As plain text.
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.0.iter().enumerate() {
            if n > 0 && !part.is_close() {
                f.write_str(" ")?;
            }
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Actor(text) | Part::Erased(text) => f.write_str(text)?,
                Part::Name(text) | Part::Code(text) => f.write_str(text)?,
                Part::Quote(text) => write!(f, "“{text}”")?,
            }
        }
        Ok(())
    }
}

/// The round or square sign of whoever acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// A person.
    Person {
        /// First letters of their name then.
        initials: String,
        /// Colour class.
        hue: &'static str,
    },
    /// Somebody who is not known, or not any more.
    Unknown,
    /// The server itself, or whoever has a shell on its host.
    Program(&'static str),
}

/// Through which program somebody acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// A program that proved its name.
    Verified(String),
    /// A program that calls itself so.
    Claimed(String),
    /// One that said no name, in words of ours.
    Unnamed(&'static str),
}

impl Via {
    /// The letters of its sign.
    #[must_use]
    pub fn letters(&self) -> String {
        let name = match self {
            Self::Verified(name) | Self::Claimed(name) => name.as_str(),
            Self::Unnamed(_) => "",
        };
        let mut letters = name.chars().filter(|letter| letter.is_alphanumeric());
        match letters.next() {
            Some(first) => first.to_uppercase().chain(letters.next()).collect(),
            None => "?".to_owned(),
        }
    }
}

/// A fact that is shown on demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub words: Words,
}

/// When an entry was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// RFC 3339 with `Z`, for programs.
    pub iso: String,
    /// Date, time and zone, for who points at it.
    pub exact: String,
    /// The time of day in UTC, such as `14:00`.
    pub clock: String,
}

impl At {
    fn new(at: Timestamp) -> Self {
        Self { iso: at.to_rfc3339(), exact: at.short_utc(), clock: at.clock_utc() }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place in the chain.
    pub sequence: i64,
    /// When.
    pub at: At,
    /// Who.
    pub mark: Mark,
    /// Through which program, if one.
    pub via: Option<Via>,
    /// Who did what to whom.
    pub sentence: Words,
    /// Whether it was refused or failed.
    pub no: bool,
    /// The reason that was given, and why it was refused.
    pub why: Vec<Words>,
    /// The rest.
    pub details: Vec<Detail>,
}

/// The entries of one day in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// `Today, Wednesday 25 November`.
    pub heading: String,
    /// Its entries, in the order in which they came.
    pub lines: Vec<Line>,
}

fn number(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(DAY)
}

fn heading(at: Timestamp, now: Timestamp) -> String {
    let day = at.weekday_utc(now);
    match number(now) - number(at) {
        0 => format!("Today, {day}"),
        1 => format!("Yesterday, {day}"),
        _ => day,
    }
}

/// Entries by day, as seen from `now`.
#[must_use]
pub fn days(events: &[AuditEvent], now: Timestamp) -> Vec<Day> {
    let at = |event: &AuditEvent| Timestamp::parse_rfc3339(&event.at).unwrap_or(now);
    events
        .chunk_by(|one, next| number(at(one)) == number(at(next)))
        .filter_map(|day| day.first().map(|first| (day, at(first))))
        .map(|(day, first)| Day { heading: heading(first, now), lines: day.iter().map(|event| line(event, at(event))).collect() })
        .collect()
}

#[cfg(test)]
mod tests;
