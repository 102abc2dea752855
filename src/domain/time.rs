//! Time: Unix milliseconds inside, RFC 3339 and calendar words with their zone at the border (R-B101).

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// A second in milliseconds.
pub const SECOND: i64 = 1_000;
/// A minute in milliseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// An hour in milliseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// 24 hours in milliseconds, whatever a calendar says about the day.
pub const DAY: i64 = 24 * HOUR;
/// How long an invite is good from the moment it was sent: 604,800 s, in every zone and on every date (B10, R-B100).
pub const INVITE_LIFETIME: i64 = 7 * DAY;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds after the epoch, as a row holds them.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The moment `span` milliseconds later (earlier where negative), at most the last one that can be written.
    #[must_use]
    pub const fn plus(self, span: i64) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// Milliseconds from `earlier` to this moment; negative where this one comes first.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 in UTC, always with milliseconds: `2026-11-25T04:21:07.123Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        format!("{:.3}", self.calendar())
    }

    /// Reads RFC 3339: date, `T`, time with seconds, and `Z` or an offset. What is finer than a millisecond is dropped.
    /// `None` for every other form, for one without a zone above all: nobody could say which moment it means.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        if !has_rfc3339_shape(text.as_bytes()) {
            return None;
        }
        let moment: jiff::Timestamp = text.parse().ok()?;
        // Rounded down on both sides of the epoch, so that order is kept.
        i64::try_from(moment.as_nanosecond().div_euclid(1_000_000)).ok().map(Self)
    }

    /// For mails: `Wednesday 2 December 2026, 14:00 UTC`.
    #[must_use]
    pub fn words_utc(self) -> String {
        self.in_words("%A %-d %B %Y, %H:%M UTC")
    }

    /// For tables: `2 Dec 2026, 14:00 UTC`.
    #[must_use]
    pub fn short_utc(self) -> String {
        self.in_words("%-d %b %Y, %H:%M UTC")
    }

    /// For what lies more than a week back: `16 Nov`, with the year where it is not that of `now`.
    #[must_use]
    pub fn day_utc(self, now: Self) -> String {
        let year = |at: Self| at.in_words("%Y");
        self.in_words(if year(self) == year(now) { "%-d %b" } else { "%-d %b %Y" })
    }

    /// For a day's heading: `Wednesday 25 November`, with the year where it is not that of `now`.
    #[must_use]
    pub fn weekday_utc(self, now: Self) -> String {
        let year = |at: Self| at.in_words("%Y");
        self.in_words(if year(self) == year(now) { "%A %-d %B" } else { "%A %-d %B %Y" })
    }

    /// The time of day: `14:00`.
    #[must_use]
    pub fn clock_utc(self) -> String {
        self.in_words("%H:%M")
    }

    fn in_words(self, format: &str) -> String {
        jiff::tz::Offset::UTC.to_datetime(self.calendar()).strftime(format).to_string()
    }

    /// The moment in the calendar's range of years −9999 to 9999; one outside becomes the nearest inside.
    fn calendar(self) -> jiff::Timestamp {
        let nearest = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(nearest)
    }
}

/// Whether the text is laid out as RFC 3339, section 5.6 says; the calendar's reader, which also takes other forms of
/// ISO 8601, then decides whether such a day exists.
fn has_rfc3339_shape(text: &[u8]) -> bool {
    fn follows(text: &[u8], layout: &[u8]) -> bool {
        text.len() == layout.len()
            && text.iter().zip(layout).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => byte.eq_ignore_ascii_case(&b'T'),
                other => byte == other,
            })
    }
    let Some((date_time, mut rest)) = text.split_at_checked(19) else {
        return false;
    };
    if !follows(date_time, b"0000-00-00T00:00:00") {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return false;
        }
        rest = &fraction[digits..];
    }
    rest.eq_ignore_ascii_case(b"Z") || follows(rest, b"+00:00") || follows(rest, b"-00:00")
}

/// The source of the time: the system's, or a test's own.
///
/// Everything that asks for the time asks a clock it was given; nothing else reads the system's.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Hands>),
}

/// A test's own time, and how much of it passed rather than being put.
#[derive(Debug)]
struct Hands {
    time: AtomicI64,
    passed: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands until it is moved; its copies move with it.
    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Hands { time: AtomicI64::new(now.0), passed: AtomicI64::new(0) })))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(hands) => Timestamp(hands.time.load(Ordering::SeqCst)),
        }
    }

    /// Milliseconds that have passed since some start, evenly and never back, whatever the clock is put to meanwhile: for
    /// what counts so many a minute. One that was put ahead and back would have closed the door for as long.
    #[must_use]
    pub fn passed(&self) -> i64 {
        match &self.0 {
            Source::System => system_passed(),
            Source::Manual(hands) => hands.passed.load(Ordering::SeqCst),
        }
    }

    /// Puts a manual clock to this time, without any passing; the system's stays as it is.
    pub fn set(&self, now: Timestamp) {
        match &self.0 {
            Source::System => {}
            Source::Manual(hands) => hands.time.store(now.0, Ordering::SeqCst),
        }
    }

    /// Lets so many milliseconds pass on a manual clock; where negative, puts it back. The system's stays as it is.
    pub fn advance(&self, span: i64) {
        match &self.0 {
            Source::System => {}
            Source::Manual(hands) => {
                hands.time.fetch_add(span, Ordering::SeqCst);
                hands.passed.fetch_add(span.max(0), Ordering::SeqCst);
            }
        }
    }
}

fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock; all others are given a `Clock`")]
fn system_passed() -> i64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    millis(START.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock; all others are given a `Clock`")]
fn system_now() -> Timestamp {
    // A machine whose clock stands before 1970 has a negative time, and is not a reason to stop.
    Timestamp(match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => -millis(before.duration()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn r_b100_an_invite_lives_604_800_seconds_whatever_the_calendar_does() {
        assert_eq!(INVITE_LIFETIME, 604_800 * SECOND);
        for (sent, ends) in [
            ("2026-03-28T23:30:00.000Z", "2026-04-04T23:30:00.000Z"), // Europe's clocks change in between
            ("2026-10-31T23:30:00.000Z", "2026-11-07T23:30:00.000Z"), // those of the US do
            ("2028-02-29T11:00:00.001Z", "2028-03-07T11:00:00.001Z"),
            ("2026-12-31T23:59:59.999Z", "2027-01-07T23:59:59.999Z"),
        ] {
            assert_eq!(at(sent).plus(INVITE_LIFETIME).to_rfc3339(), ends);
        }
    }

    #[test]
    fn r_b101_every_written_time_says_its_zone() {
        let moment = at("2026-12-02T14:00:00Z");
        assert_eq!(moment.to_rfc3339(), "2026-12-02T14:00:00.000Z");
        assert_eq!(moment.words_utc(), "Wednesday 2 December 2026, 14:00 UTC");
        assert_eq!(moment.short_utc(), "2 Dec 2026, 14:00 UTC");
    }

    #[test]
    fn an_offset_names_the_same_moment() {
        assert_eq!(at("2026-11-25T06:21:07.123+02:00"), at("2026-11-25t04:21:07.123z"));
        assert_eq!(at("2026-11-24T20:21:07.123999-08:00").to_rfc3339(), "2026-11-25T04:21:07.123Z");
        assert_eq!(at("1969-12-31T23:59:59.9995Z").as_millis(), -1);
    }

    #[test]
    fn a_time_without_zone_or_of_another_form_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-25",
            "2026-11-25T04:21:07",
            "2026-11-25 04:21:07Z",
            "2026-11-25T04:21Z",
            "2026-11-25T04:21:07.Z",
            "2026-11-25T04:21:07+02",
            "2026-11-25T04:21:07Z[UTC]",
            "2026-02-30T00:00:00Z",
            "2026-11-25T24:00:00Z",
            "20261125T042107Z",
            "2026-11-25T04:21:07Z\n",
            "+002026-11-25T04:21:07Z",
            "２026-11-25T04:21:07Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn the_ends_of_time_are_written_without_fault() {
        for end in [i64::MIN, i64::MAX] {
            let end = Timestamp::from_millis(end);
            assert!(end.to_rfc3339().ends_with('Z'));
            assert!(end.words_utc().ends_with("UTC"));
            assert_eq!(end.plus(end.as_millis().signum()), end);
        }
    }

    #[test]
    fn only_a_manual_clock_moves_and_its_copies_with_it() {
        let clock = Clock::manual(Timestamp::from_millis(5));
        let copy = clock.clone();
        clock.advance(DAY);
        assert_eq!(copy.now(), Timestamp::from_millis(5 + DAY));
        copy.set(Timestamp::from_millis(1));
        assert_eq!(clock.now().as_millis(), 1);

        let system = Clock::system();
        system.set(Timestamp::from_millis(0));
        system.advance(-1_000 * DAY);
        assert!(system.now() > at("2026-01-01T00:00:00Z"));
    }

    proptest! {
        #[test]
        fn rfc3339_round_trip(millis in -62_135_596_800_000i64..253_402_207_200_000) {
            let moment = Timestamp::from_millis(millis);
            let text = moment.to_rfc3339();
            prop_assert_eq!(text.len(), 24);
            prop_assert_eq!(Timestamp::parse_rfc3339(&text), Some(moment));
        }

        #[test]
        fn written_times_sort_as_the_moments_do(a in 0i64..253_402_207_200_000, b in 0i64..253_402_207_200_000) {
            let (a, b) = (Timestamp::from_millis(a), Timestamp::from_millis(b));
            prop_assert_eq!(a.cmp(&b), a.to_rfc3339().cmp(&b.to_rfc3339()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = Timestamp::parse_rfc3339(&text);
        }
    }
}
