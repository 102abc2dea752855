//! Activity per day as a drawing, and the same as a table for whoever does not see it.

use crate::domain::{DAY, Timestamp};

/// How many entries a day has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Days since 1 January 1970 in UTC.
    pub day: i64,
    /// By people in pages and on the host, and by the server itself.
    pub people: u64,
    /// Through AI tools and other programs.
    pub tools: u64,
    /// Refused, whoever tried.
    pub refused: u64,
}

impl Count {
    const fn whole(self) -> u64 {
        self.people + self.tools + self.refused
    }
}

/// One part of a day's bar, in the units of the drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// `p`, `t` or `d`.
    pub class: &'static str,
    /// Left edge.
    pub x: String,
    /// Upper edge.
    pub y: String,
    /// Width.
    pub width: String,
    /// Height.
    pub height: String,
}

/// A word beside the drawing: a number at its height, or a day below its bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where it stands.
    pub at: String,
    /// What it says.
    pub words: String,
}

/// A day in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `Wednesday 25 November`.
    pub day: String,
    /// How many.
    pub count: Count,
}

/// The drawing, and what stands in its place for whoever does not see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// From which day to which.
    pub title: String,
    /// The whole in one sentence.
    pub description: String,
    /// The bars from left to right, each from below to above.
    pub bars: Vec<Bar>,
    /// The lines across.
    pub heights: Vec<Mark>,
    /// Days below some of the bars.
    pub days: Vec<Mark>,
    /// Newest day first.
    pub rows: Vec<Row>,
    /// What is not counted, if anything.
    pub bound: Option<String>,
}

/// Left edge of the bars, the right one, the line below them, and how high they reach.
const LEFT: f64 = 36.0;
const RIGHT: f64 = 920.0;
const FLOOR: f64 = 96.5;
const HIGH: f64 = 88.0;
/// How much of a day's width its bar takes.
const FILLED: f64 = 0.62;
/// How many days are named.
const NAMED: usize = 6;

/// A whole number up to 2⁵³ is exact; a day has fewer entries.
#[expect(clippy::cast_precision_loss, reason = "numbers of entries and of days, for a drawing")]
const fn real(number: u64) -> f64 {
    number as f64
}

fn units(number: f64) -> String {
    format!("{number:.1}")
}

/// The next number that is round and even: 2, 4, 6, 8, 10, 20, 40 and so on.
fn round_up(most: u64) -> u64 {
    let mut step = 2;
    while step * 5 < most {
        step *= 10;
    }
    most.div_ceil(step).max(1) * step
}

fn at(day: i64) -> Timestamp {
    Timestamp::from_millis(day.saturating_mul(DAY))
}

/// The days of a drawing: those that were counted, and between them those on which nothing was.
fn filled(counts: &[Count], first: i64, last: i64) -> Vec<Count> {
    let of = |day| counts.iter().find(|count| count.day == day).copied().unwrap_or(Count { day, ..Count::default() });
    (first..=last).map(of).collect()
}

impl Chart {
    /// Draws the days from `first` to `last`, both within, as seen from `now`.
    #[must_use]
    pub fn draw(counts: &[Count], first: i64, last: i64, now: Timestamp) -> Self {
        let days = filled(counts, first, last);
        let top = round_up(days.iter().map(|count| count.whole()).max().unwrap_or_default());
        let step = (RIGHT - LEFT) / real(days.len().max(1) as u64);
        let mut bars = Vec::new();
        let mut named = Vec::new();
        let gap = days.len().div_ceil(NAMED).max(1);
        for (n, count) in days.iter().enumerate() {
            let x = LEFT + step * real(n as u64) + step * (1.0 - FILLED) / 2.0;
            let mut floor = FLOOR;
            for (class, number) in [("p", count.people), ("t", count.tools), ("d", count.refused)] {
                if number == 0 {
                    continue;
                }
                let height = HIGH * real(number) / real(top);
                floor -= height;
                bars.push(Bar { class, x: units(x), y: units(floor), width: units(step * FILLED), height: units(height.max(0.6)) });
            }
            if (days.len() - 1 - n).is_multiple_of(gap) {
                named.push(Mark { at: units(x + step * FILLED / 2.0), words: at(count.day).day_utc(now) });
            }
        }
        let heights =
            [0, top / 2, top].map(|number| Mark { at: units(FLOOR - HIGH * real(number) / real(top)), words: number.to_string() });
        let sum = |of: fn(&Count) -> u64| days.iter().map(of).sum::<u64>();
        let (people, tools, refused) = (sum(|count| count.people), sum(|count| count.tools), sum(|count| count.refused));
        let whole = people + tools + refused;
        Self {
            title: format!("Activity per day, {} to {}", at(first).day_utc(now), at(last).day_utc(now)),
            description: format!(
                "{whole} entries, {} on the day with the most: {people} by people and usher itself, {tools} through AI tools, {refused} refused.",
                days.iter().map(|count| count.whole()).max().unwrap_or_default()
            ),
            bars,
            heights: heights.to_vec(),
            days: named,
            rows: days.iter().rev().map(|count| Row { day: at(count.day).weekday_utc(now), count: *count }).collect(),
            bound: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> i64 {
        Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).unwrap().as_millis() / DAY
    }

    #[test]
    fn every_day_has_its_place_and_what_it_holds_stacks_up() {
        let (first, last) = (day("2026-10-27"), day("2026-11-25"));
        let now = at(last);
        let counts = [Count { day: first, people: 3, tools: 5, refused: 1 }, Count { day: last, people: 0, tools: 0, refused: 2 }];
        let chart = Chart::draw(&counts, first, last, now);
        assert_eq!(chart.title, "Activity per day, 27 Oct to 25 Nov");
        assert_eq!(
            chart.description,
            "11 entries, 9 on the day with the most: 3 by people and usher itself, 5 through AI tools, 3 refused."
        );
        let drawn: Vec<_> = chart.bars.iter().map(|bar| (bar.class, bar.y.as_str(), bar.height.as_str())).collect();
        assert_eq!(drawn, [("p", "70.1", "26.4"), ("t", "26.1", "44.0"), ("d", "17.3", "8.8"), ("d", "78.9", "17.6")]);
        assert_eq!(chart.heights.iter().map(|mark| mark.words.as_str()).collect::<Vec<_>>(), ["0", "5", "10"]);
        assert_eq!(chart.days.iter().map(|mark| mark.words.as_str()).collect::<Vec<_>>().last(), Some(&"25 Nov"));
        assert_eq!((chart.days.len(), chart.rows.len(), chart.rows[0].day.as_str()), (6, 30, "Wednesday 25 November"));
        assert!(chart.bars.iter().all(|bar| bar.x.parse::<f64>().unwrap() + bar.width.parse::<f64>().unwrap() <= RIGHT));
    }

    #[test]
    fn the_highest_line_is_round_and_its_half_is_whole() {
        for (most, line) in [(0, 2), (1, 2), (2, 2), (9, 10), (11, 20), (99, 100), (101, 200), (1999, 2000), (8001, 10_000)] {
            assert_eq!(round_up(most), line, "{most}");
            assert_eq!(line % 2, 0);
        }
    }

    #[test]
    fn one_day_and_nothing_at_all_are_drawn_too() {
        let today = day("2026-11-25");
        let chart = Chart::draw(&[], today, today, at(today));
        assert_eq!((chart.bars.len(), chart.rows.len(), chart.days.len()), (0, 1, 1));
        assert_eq!(Chart::draw(&[], today, today - 1, at(today)).rows.len(), 0);
    }
}
