//! Callers without a live credential: a row for the first of a kind in a minute, one more for its repeats.
//!
//! At most [`PER_MINUTE`] rows belong to one minute; who finds no room is counted in one more kind, `more`.

use super::minute;
use crate::domain::Timestamp;
use std::collections::HashMap;

/// Rows of a minute.
pub const PER_MINUTE: usize = 1000;
/// Each kind has two rows at most.
const KINDS: usize = PER_MINUTE / 2;
/// Rows that wait for a database that takes none; above, they become one.
const WAITING: usize = 10 * PER_MINUTE;

/// What a stranger did, where, and the keyed hash of their address.
pub(super) type Deed = (&'static str, &'static str, Option<[u8; 32]>);
/// Of those who find no room.
const MORE: Deed = ("more", "any", None);

/// What becomes one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) deed: Deed,
    /// When the first of that minute was.
    pub(super) at: Timestamp,
    pub(super) count: i64,
}

/// The strangers of one node.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    minute: i64,
    /// When first, and how many more since.
    seen: HashMap<Deed, (Timestamp, i64)>,
    ready: Vec<Counted>,
}

impl Strangers {
    /// Counts one.
    pub(super) fn count(&mut self, now: Timestamp, deed: Deed) {
        self.turn(now);
        if let Some((_, more)) = self.seen.get_mut(&deed) {
            *more += 1;
        } else if self.seen.len() < KINDS - 1 {
            self.first(now, deed);
        } else if let Some((_, more)) = self.seen.get_mut(&MORE) {
            *more += 1;
        } else {
            self.first(now, MORE);
        }
    }

    fn first(&mut self, at: Timestamp, deed: Deed) {
        self.ready.push(Counted { deed, at, count: 1 });
        self.seen.insert(deed, (at, 0));
    }

    fn turn(&mut self, now: Timestamp) {
        let minute = minute(now);
        if minute != self.minute {
            self.minute = minute;
            self.close();
        }
    }

    fn close(&mut self) {
        let repeats = self.seen.drain().filter(|(_, (_, more))| *more > 0);
        self.ready.extend(repeats.map(|(deed, (at, more))| Counted { deed, at, count: more }));
    }

    /// The rows that are due; with `all`, at shutdown, also those of the minute under way.
    pub(super) fn take(&mut self, now: Timestamp, all: bool) -> Vec<Counted> {
        self.turn(now);
        if all {
            self.close();
        }
        std::mem::take(&mut self.ready)
    }

    /// What was taken and not written.
    pub(super) fn put_back(&mut self, mut taken: Vec<Counted>) {
        taken.append(&mut self.ready);
        if taken.len() > WAITING {
            let joined =
                taken.into_iter().reduce(|sum, next| Counted { deed: MORE, at: sum.at.min(next.at), count: sum.count + next.count });
            taken = joined.into_iter().collect();
        }
        self.ready = taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MINUTE;

    #[test]
    fn a_thousand_rows_hold_any_number_of_strangers() {
        let mut strangers = Strangers::default();
        let now = Timestamp::from_millis(10 * MINUTE);
        for round in 0..3u8 {
            for n in 0..2000u16 {
                let mut address = [0; 32];
                address[..2].copy_from_slice(&n.to_be_bytes());
                strangers.count(now.plus(i64::from(round)), ("dead_token", "mcp", Some(address)));
            }
        }
        let mut rows = strangers.take(now, false);
        rows.extend(strangers.take(now, true));
        assert_eq!(rows.len(), PER_MINUTE);
        assert_eq!(rows.iter().map(|row| row.count).sum::<i64>(), 6000);
        assert_eq!(rows.iter().filter(|row| row.deed == MORE).map(|row| row.count).collect::<Vec<_>>(), [1, 3 * 1501 - 1]);
    }

    #[test]
    fn what_is_never_written_stays_bounded_and_counted() {
        let mut strangers = Strangers::default();
        let mut now = Timestamp::from_millis(0);
        for n in 0..40_000u32 {
            let mut address = [0; 32];
            address[..4].copy_from_slice(&n.to_be_bytes());
            now = now.plus(100);
            strangers.count(now, ("dead_token", "mcp", Some(address)));
            if n % 10 == 0 {
                let taken = strangers.take(now, false);
                strangers.put_back(taken);
            }
        }
        let rows = strangers.take(now, true);
        assert!(rows.len() <= WAITING + PER_MINUTE, "{}", rows.len());
        assert_eq!(rows.iter().map(|row| row.count).sum::<i64>(), 40_000);
    }
}
