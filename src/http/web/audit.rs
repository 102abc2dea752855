//! The audit log in the browser: what happened, the state of its chain, and taking it out.
//!
//! Every filter stands in the address, so that a list can be kept, sent, and gone back to.

mod export;

pub use export::export;

use super::{
    address,
    door::go_to,
    frame::frame,
    page,
    signed_in::{Drawn, Fields, Try, Typed},
    views::{
        audit::{
            Chart, Count, days,
            page::{AuditPage, Chain, Choices, Found},
            words::ACTIONS,
        },
        frame::Place,
        grouped,
        users::Choice,
        when::When,
    },
    visitor::Visitor,
};
use crate::{
    app::SharedApp,
    domain::{DAY, Timestamp, builtin},
    error::Error,
    service::{
        Call,
        audit::{self, Narrowed, Start, checks},
    },
};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use usher_tools::{self as contract, bounds};

/// Entries on a page.
const LIMIT: u32 = 50;
/// Days that are drawn where the address names none.
const DRAWN: i64 = 30;
/// Days that are drawn at most.
const DRAWN_AT_MOST: i64 = 92;
/// Characters of a hash that are shown: enough to compare with what was noted elsewhere.
const HEAD: usize = 16;

/// What the log is narrowed to, as the address says it. What is none of the values of a filter narrows nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    user: String,
    action: String,
    surface: String,
    client: String,
    outcome: String,
    from: String,
    to: String,
    cursor: String,
    newer: String,
}

impl Asked {
    fn surface(&self) -> Option<contract::Surface> {
        contract::Surface::parse(&self.surface)
    }

    fn outcome(&self) -> Option<contract::Outcome> {
        contract::Outcome::parse(&self.outcome)
    }

    /// The first day, and the last one, both within; each as its number.
    fn dates(&self) -> (Option<i64>, Option<i64>) {
        (day(&self.from), day(&self.to))
    }

    fn filters(&self) -> [(&'static str, &str); 7] {
        [
            ("user", &self.user),
            ("action", &self.action),
            ("surface", &self.surface),
            ("client", &self.client),
            ("outcome", &self.outcome),
            ("from", &self.from),
            ("to", &self.to),
        ]
    }

    /// The filters that hold.
    fn kept(&self) -> Vec<(&'static str, String)> {
        self.filters().into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.to_owned())).collect()
    }

    /// Whether all of it is within what the tool of the same list takes.
    fn fits(&self) -> bool {
        let texts = [
            (&self.user, bounds::USER),
            (&self.action, bounds::ACTION),
            (&self.client, bounds::CLIENT),
            (&self.cursor, bounds::CURSOR),
            (&self.newer, bounds::CURSOR),
        ];
        texts.into_iter().all(|(text, most)| super::users::fits(text, most))
    }

    /// Without what narrows nothing.
    fn cleaned(mut self) -> Self {
        for text in [&mut self.user, &mut self.action, &mut self.client] {
            *text = text.trim().to_owned();
        }
        let (surface, outcome, (from, to)) = (self.surface().is_some(), self.outcome().is_some(), self.dates());
        for (text, known) in
            [(&mut self.surface, surface), (&mut self.outcome, outcome), (&mut self.from, from.is_some()), (&mut self.to, to.is_some())]
        {
            if !known {
                text.clear();
            }
        }
        self
    }

    /// The log's address with some filters otherwise, from its newest entry on.
    fn with(&self, others: &[(&str, &str)]) -> String {
        self.at(others, None)
    }

    /// The same from a cursor on.
    fn at(&self, others: &[(&str, &str)], cursor: Option<(&str, &str)>) -> String {
        let kept = self.filters().into_iter().map(|(name, held)| {
            let other = others.iter().find(|(other, _)| *other == name);
            (name, other.map_or(held, |(_, value)| *value))
        });
        address(Place::Audit.path(), kept.chain(cursor))
    }

    /// As the tool of the same list is asked.
    fn params(&self) -> contract::ListAuditEventsParams {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (from, to) = self.dates();
        let begins = |day: i64| Timestamp::from_millis(day.saturating_mul(DAY)).to_rfc3339();
        contract::ListAuditEventsParams {
            user: text(&self.user),
            action: text(&self.action),
            surface: self.surface(),
            client: text(&self.client),
            outcome: self.outcome(),
            from: from.map(begins),
            to: to.map(|last| begins(last.saturating_add(1))),
            limit: Some(LIMIT),
            cursor: None,
        }
    }
}

/// The number of a day such as `2026-11-25`, counted from 1 January 1970 in UTC.
fn day(text: &str) -> Option<i64> {
    let midnight = Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).filter(|_| text.len() == "2026-11-25".len())?;
    Some(midnight.as_millis().div_euclid(DAY))
}

/// A day's number as an address says it.
fn date(day: i64) -> String {
    Timestamp::from_millis(day.saturating_mul(DAY)).to_rfc3339().chars().take("2026-11-25".len()).collect()
}

fn today(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(DAY)
}

/// `1 entry`, `18,204 entries`.
fn entries(number: i64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(number)) }
}

fn actions(asked: &Asked) -> Vec<Choices> {
    let choice = |name: &str, value: &str| Choice {
        name: name.to_owned(),
        href: asked.with(&[("action", value)]),
        count: None,
        chosen: asked.action == value,
    };
    let mut sections = vec![Choices { title: "", choices: vec![choice("any", "")] }];
    sections.extend(
        ACTIONS
            .iter()
            .map(|(title, actions)| Choices { title, choices: actions.iter().map(|(value, name)| choice(name, value)).collect() }),
    );
    let known = sections.iter().flat_map(|section| &section.choices).any(|choice| choice.chosen);
    if !known && let Some(first) = sections.first_mut() {
        first.choices.push(choice(&asked.action, &asked.action));
    }
    sections
}

const fn surface(surface: contract::Surface) -> &'static str {
    match surface {
        contract::Surface::Web => "Web",
        contract::Surface::Mcp => "MCP",
        contract::Surface::Api => "API",
        contract::Surface::Cli => "Command line",
        contract::Surface::System => "usher itself",
    }
}

const fn outcome(outcome: contract::Outcome) -> &'static str {
    match outcome {
        contract::Outcome::Done => "Done",
        contract::Outcome::Refused => "Refused",
        contract::Outcome::Failed => "Failed",
    }
}

/// The values of a filter, and none of them first.
fn choices(asked: &Asked, filter: &str, now: &str, values: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<Choice> {
    std::iter::once(("", "any"))
        .chain(values)
        .map(|(value, name)| Choice {
            name: name.to_owned(),
            href: asked.with(&[(filter, value)]),
            count: None,
            chosen: now.eq_ignore_ascii_case(value),
        })
        .collect()
}

fn times(asked: &Asked, now: Timestamp) -> Vec<Choice> {
    let choice = |name: &str, from: &str| Choice {
        name: name.to_owned(),
        href: asked.with(&[("from", from), ("to", "")]),
        count: None,
        chosen: asked.to.is_empty() && asked.from == from,
    };
    let since = |days: i64| date(today(now) - days + 1);
    vec![choice("Any time", ""), choice("Today", &since(1)), choice("Last 7 days", &since(7)), choice("Last 30 days", &since(30))]
}

/// The state of the chain; `entries_now` is how many entries it has.
fn chain(state: &checks::State, entries_now: i64, now: Timestamp) -> Chain {
    let found = match &state.last {
        None => Found::Nothing,
        Some((at, found)) => {
            let when = When::new(*at, now);
            match found {
                checks::Found::Damaged => Found::Unread {
                    words: "The log could not be read to its end: the database is damaged. Restore it from a backup.",
                    when,
                },
                checks::Found::Unanswered => Found::Unread { words: "The check could not be finished: the database did not answer.", when },
                checks::Found::Verdict(verdict) => match verdict.first_bad {
                    None => Found::Unbroken { entries: entries(verdict.entries), head: verdict.head.chars().take(HEAD).collect(), when },
                    Some(bad) if bad > verdict.entries => {
                        Found::Broken { words: format!("Broken: entry {} is missing, and whatever came after it.", grouped(bad)), when }
                    }
                    Some(bad) => Found::Broken { words: format!("Broken at entry {}.", grouped(bad)), when },
                },
            }
        }
    };
    Chain { entries: entries(entries_now), found, under_way: state.since.map(|since| When::new(since, now)) }
}

/// The days that are drawn: those of the filter, or the last ones; the newest of them where they are too many.
fn drawn(asked: &Asked, now: Timestamp) -> (i64, i64) {
    let (from, to) = asked.dates();
    let last = to.unwrap_or(i64::MAX).min(today(now));
    let first = from.unwrap_or_else(|| last.saturating_sub(DRAWN - 1));
    (first.max(last.saturating_sub(DRAWN_AT_MOST - 1)), last)
}

async fn chart(app: &SharedApp, call: &Call, narrowed: &Narrowed, asked: &Asked, now: Timestamp) -> Result<Option<Chart>, Error> {
    let (first, last) = drawn(asked, now);
    if first > last {
        return Ok(None);
    }
    let per_day = audit::per_day(app, call, narrowed, first, last).await?;
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let counts: Vec<_> = per_day
        .counts
        .iter()
        .map(|count| Count { day: count.day, people: number(count.people), tools: number(count.tools), refused: number(count.refused) })
        .collect();
    if counts.is_empty() {
        return Ok(None);
    }
    let mut chart = Chart::draw(&counts, first, last, now);
    chart.bound = per_day.whole_since.map(|since| {
        let since = Timestamp::from_millis(since.saturating_mul(DAY)).day_utc(now);
        format!("Only the newest {} entries of these days are counted, which reach back to {since}.", grouped(audit::COUNTED))
    });
    Ok(Some(chart))
}

/// Which entries these are. Without a filter their numbers have no gaps.
fn range(asked: &Asked, events: &[contract::AuditEvent], whole: i64) -> String {
    match (events.first(), events.last()) {
        (Some(first), Some(last)) if asked.kept().is_empty() => {
            format!(
                "Entries {} to {} of {}, newest first",
                grouped(first.sequence),
                grouped(last.sequence),
                grouped(whole.max(first.sequence))
            )
        }
        (Some(_), Some(_)) => {
            let number = i64::try_from(events.len()).unwrap_or(i64::MAX);
            let verb = if number == 1 { "matches" } else { "match" };
            format!("{} on this page {verb}, newest first", entries(number))
        }
        (None, _) | (_, None) => "No entries".to_owned(),
    }
}

async fn show(app: &SharedApp, visitor: &Visitor, asked: Asked) -> Response {
    let tried = Try::to_look(app, visitor);
    match draw(app, visitor, &tried.call, &asked.cleaned()).await {
        Ok(response) => response,
        Err(error) => tried.refused(app, &error),
    }
}

async fn draw(app: &SharedApp, visitor: &Visitor, call: &Call, asked: &Asked) -> Result<Response, Error> {
    audit::may_read(call)?;
    let now = app.clock.now();
    let narrowed = match audit::narrowed(app, call, &asked.params()).await {
        Ok(narrowed) => Some(narrowed),
        // Whoever is not of this organization has no entries in its log.
        Err(Error::UserNotFound | Error::NobodyNamed(_)) => None,
        Err(error) => return Err(error),
    };
    let from = match (asked.cursor.as_str(), asked.newer.as_str()) {
        ("", "") => Start::Newest,
        ("", newer) => Start::Newer(newer),
        (older, _) => Start::Older(older),
    };
    let (found, chart) = match &narrowed {
        None => (audit::Page::default(), None),
        Some(narrowed) => match audit::page(app, call, narrowed, from, LIMIT).await {
            Ok(found) => (found, chart(app, call, narrowed, asked, now).await?),
            // An address that was kept for long: its page is no more, the log is.
            Err(Error::Invalid(invalid)) if invalid.field == "cursor" => return Ok(go_to(app, &asked.with(&[]))),
            Err(error) => return Err(error),
        },
    };
    // Back among the newest, where entries have come since: that is the first page.
    if matches!(from, Start::Newer(_)) && found.newer.is_none() {
        return Ok(go_to(app, &asked.with(&[])));
    }
    let whole = visitor.now.audit_seq;
    let newer = found.newer.as_deref().map(|cursor| asked.at(&[], Some(("newer", cursor))));
    let older = found.older.as_deref().map(|cursor| asked.at(&[], Some(("cursor", cursor))));
    let view = AuditPage {
        frame: &frame(app, visitor, Some(Place::Audit)),
        chain: &chain(&app.checks.state(visitor.now.org), whole, now),
        chart: chart.as_ref(),
        kept: &asked.kept(),
        user: &asked.user,
        client: &asked.client,
        dates: (&asked.from, &asked.to),
        actions: &actions(asked),
        surfaces: &choices(asked, "surface", &asked.surface, contract::Surface::ALL.iter().map(|one| (one.as_str(), surface(*one)))),
        outcomes: &choices(asked, "outcome", &asked.outcome, contract::Outcome::ALL.iter().map(|one| (one.as_str(), outcome(*one)))),
        times: &times(asked, now),
        days: &days(&found.events, now),
        range: &range(asked, &found.events, whole),
        newer: newer.as_deref(),
        older: older.as_deref(),
        may_export: call.standing.holds(builtin::AUDIT_LOG_EXPORT),
    };
    Ok(page(app, &view))
}

/// `GET /audit`.
pub async fn list(State(app): State<SharedApp>, visitor: Visitor, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    if !asked.fits() {
        return go_to(&app, Place::Audit.path());
    }
    show(&app, &visitor, asked).await
}

/// The form that has the chain checked, on a list that was narrowed so.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct VerifyForm {
    #[serde(rename = "as")]
    drawn_for: String,
    #[serde(flatten)]
    asked: Asked,
}

impl Fields for VerifyForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        // It is a button.
        Vec::new()
    }
}

/// `POST /audit/verify`.
pub async fn verify(State(app): State<SharedApp>, drawn: Drawn<VerifyForm>) -> Response {
    let tried = drawn.tries(&app, builtin::AUDIT_LOG_READ, None);
    match checks::check(&app, &tried.call).await {
        Ok(()) if drawn.form.asked.fits() => go_to(&app, &drawn.form.asked.clone().cleaned().with(&[])),
        Ok(()) => go_to(&app, Place::Audit.path()),
        Err(error) => tried.refused(&app, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-25T14:02:00Z";

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339(NOW).unwrap()
    }

    #[test]
    fn an_address_keeps_the_other_filters_and_begins_anew() {
        let asked = Asked { user: "ana@example.com".to_owned(), from: "2026-11-01".to_owned(), cursor: "c".to_owned(), ..Asked::default() };
        assert_eq!(asked.with(&[("outcome", "refused")]), "/audit?user=ana%40example.com&outcome=refused&from=2026-11-01");
        assert_eq!(asked.with(&[("from", ""), ("user", "")]), "/audit");
        assert_eq!(asked.at(&[], Some(("newer", "x"))), "/audit?user=ana%40example.com&from=2026-11-01&newer=x");
    }

    #[test]
    fn days_are_whole_and_what_is_none_narrows_nothing() {
        let asked = Asked { from: "2026-11-01".to_owned(), to: "2026-11-25".to_owned(), ..Asked::default() };
        let params = asked.params();
        assert_eq!(params.from.as_deref(), Some("2026-11-01T00:00:00.000Z"));
        assert_eq!(params.to.as_deref(), Some("2026-11-26T00:00:00.000Z"));
        for wrong in ["", "2026-11-31", "25 Nov", "2026-11-25T00:00:00Z", "+2026-11-25", "2026-1-1"] {
            let asked = Asked { from: wrong.to_owned(), surface: "x".to_owned(), outcome: "MCP".to_owned(), ..Asked::default() };
            assert_eq!(asked.cleaned().kept(), Vec::new(), "{wrong}");
        }
        assert_eq!(date(day("2026-11-25").unwrap()), "2026-11-25");
    }

    #[test]
    fn the_days_that_are_drawn_are_those_asked_for_and_not_too_many() {
        let drawn = |from: &str, to: &str| {
            let (first, last) = drawn(&Asked { from: from.to_owned(), to: to.to_owned(), ..Asked::default() }, now());
            (date(first), date(last))
        };
        let days = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        assert_eq!(drawn("", ""), days("2026-10-27", "2026-11-25"));
        assert_eq!(drawn("2026-11-20", ""), days("2026-11-20", "2026-11-25"));
        assert_eq!(drawn("2020-01-01", ""), days("2026-08-26", "2026-11-25"));
        assert_eq!(drawn("", "2026-03-31"), days("2026-03-02", "2026-03-31"));
        assert_eq!(drawn("2026-03-30", "2099-01-01"), days("2026-08-26", "2026-11-25"));
    }

    #[test]
    fn large_numbers_are_grouped() {
        for (number, words) in [(0, "0"), (999, "999"), (1000, "1,000"), (18_204, "18,204"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), words);
        }
        assert_eq!((entries(1), entries(18_204)), ("1 entry".to_owned(), "18,204 entries".to_owned()));
    }
}
