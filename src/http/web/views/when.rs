//! When something was, as a person reads it.

use crate::domain::{DAY, HOUR, MINUTE, Timestamp};

/// A moment in the past on a page of the dashboard: how long ago within a week, then its date; the exact time beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// RFC 3339 with `Z`, for programs.
    pub iso: String,
    /// Date, time and zone, for who points at it.
    pub exact: String,
    /// `2 minutes ago`, `Yesterday`, `16 Nov`.
    pub words: String,
}

impl When {
    /// `at` as seen from `now`.
    #[must_use]
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { iso: at.to_rfc3339(), exact: at.short_utc(), words: words(at, now) }
    }

    /// The same for what the contract wrote; `None` for what it did not.
    #[must_use]
    pub fn read(text: &str, now: Timestamp) -> Option<Self> {
        Timestamp::parse_rfc3339(text).map(|at| Self::new(at, now))
    }

    /// Its words in the middle of a sentence: `just now`.
    #[must_use]
    pub fn within(&self) -> String {
        let mut chars = self.words.chars();
        chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
    }
}

/// A moment that lies ahead, or a deadline that is over: its exact time, and beside it how long there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    /// RFC 3339 with `Z`, for programs.
    pub iso: String,
    /// Date, time and zone.
    pub exact: String,
    /// `in 3 days`, or how long ago, for who points at it.
    pub words: String,
}

impl Until {
    /// `at` as seen from `now`.
    #[must_use]
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        let left = |count: i64, unit: &str| if count == 1 { format!("in 1 {unit}") } else { format!("in {count} {unit}s") };
        let words = match at.since(now) {
            ..0 => When::new(at, now).within(),
            0..MINUTE => "in a moment".to_owned(),
            span @ MINUTE..HOUR => left(span / MINUTE, "minute"),
            span @ HOUR..DAY => left(span / HOUR, "hour"),
            span => left(span / DAY, "day"),
        };
        Self { iso: at.to_rfc3339(), exact: at.short_utc(), words }
    }

    /// The same for what the contract wrote; `None` for what it did not.
    #[must_use]
    pub fn read(text: &str, now: Timestamp) -> Option<Self> {
        Timestamp::parse_rfc3339(text).map(|at| Self::new(at, now))
    }
}

fn words(at: Timestamp, now: Timestamp) -> String {
    let ago = |count: i64, unit: &str| if count == 1 { format!("1 {unit} ago") } else { format!("{count} {unit}s ago") };
    match now.since(at) {
        // A clock that was put back makes the past the future.
        ..MINUTE => "Just now".to_owned(),
        span @ MINUTE..HOUR => ago(span / MINUTE, "minute"),
        span @ HOUR..DAY => ago(span / HOUR, "hour"),
        // By the calendar, in UTC as the exact time beside it.
        span if span < 7 * DAY => match now.as_millis().div_euclid(DAY) - at.as_millis().div_euclid(DAY) {
            1 => "Yesterday".to_owned(),
            days => ago(days, "day"),
        },
        _ => at.day_utc(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SECOND;

    #[test]
    fn within_a_week_it_says_how_long_ago_then_which_day() {
        let now = Timestamp::parse_rfc3339("2026-11-25T14:02:00Z").unwrap();
        let said = |span: i64| When::new(now.plus(-span), now).words;
        assert_eq!(said(-5 * SECOND), "Just now");
        assert_eq!(said(59 * SECOND), "Just now");
        assert_eq!(said(MINUTE), "1 minute ago");
        assert_eq!(said(2 * MINUTE), "2 minutes ago");
        assert_eq!(said(3 * HOUR), "3 hours ago");
        assert_eq!(said(DAY), "Yesterday");
        assert_eq!(said(2 * DAY - 1), "2 days ago");
        assert_eq!(said(6 * DAY), "6 days ago");
        assert_eq!(said(7 * DAY), "18 Nov");
        assert_eq!(said(400 * DAY), "21 Oct 2025");
        assert_eq!(When::new(now, now).exact, "25 Nov 2026, 14:02 UTC");
        assert_eq!(When::read("no time", now), None);
        assert_eq!([0, DAY, 7 * DAY].map(|span| When::new(now.plus(-span), now).within()), ["just now", "yesterday", "18 Nov"]);
    }

    #[test]
    fn what_lies_ahead_has_its_exact_time_and_how_long_there_is() {
        let now = Timestamp::parse_rfc3339("2026-11-25T14:02:00Z").unwrap();
        let said = |span: i64| Until::new(now.plus(span), now).words;
        assert_eq!(said(30 * SECOND), "in a moment");
        assert_eq!(said(MINUTE), "in 1 minute");
        assert_eq!(said(5 * HOUR), "in 5 hours");
        assert_eq!(said(7 * DAY), "in 7 days");
        assert_eq!(said(-2 * HOUR), "2 hours ago");
        assert_eq!(Until::new(now.plus(DAY), now).exact, "26 Nov 2026, 14:02 UTC");
        assert_eq!(Until::read("no time", now), None);
    }
}
