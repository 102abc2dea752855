//! Refusals as evidence: bounded in number, complete in count.
//!
//! The first (actor, action, tool, target, code) in a minute is an entry of its own, written within a second; its repeats
//! are one more when the minute is over. An organization gets at most [`PER_ORGANIZATION`] such entries in a minute,
//! [`PER_ACTOR`] of them by one actor. What finds no room is counted all the same: into one entry of that actor, or,
//! where too many share the organization's room, into one of the server's own.
//!
//! A [`Book`] is that rule without clock and database: refusals and minutes go in, entries come out.

use super::Named;
use crate::{
    authz::{Actor, SystemTask},
    domain::{RequestId, UserId},
};

/// Entries of one organization in a minute.
pub const PER_ORGANIZATION: usize = 60;
/// Of which one actor may cause so many.
pub const PER_ACTOR: usize = 20;
/// The action of an entry that holds refusals of several.
const SEVERAL: &str = "refused:several";

/// One refusal as gathered.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) actor: Actor,
    pub(super) actor_name: Option<String>,
    pub(super) action: &'static str,
    pub(super) tool: Option<&'static str>,
    pub(super) named: Named,
    pub(super) code: Option<&'static str>,
    pub(super) request_id: RequestId,
    /// Number of the organization's last entry then, or of one before it.
    pub(super) as_of: i64,
}

impl Refusal {
    /// Whose room it takes; the server's own is nobody's.
    fn author(&self) -> Option<UserId> {
        self.actor.user().map(|person| person.id)
    }

    /// Whether `other` is this one again.
    fn is_like(&self, other: &Self) -> bool {
        self.author() == other.author()
            && self.action == other.action
            && self.tool == other.tool
            && self.code == other.code
            && self.named == other.named
    }

    /// The server's own word for what people did, where they have no room.
    fn of_nobody(self) -> Self {
        Self { actor: Actor::system(self.actor.org(), SystemTask::Evidence), actor_name: None, ..self }
    }

    /// What this and `other` have in common.
    fn and(self, other: &Self) -> Self {
        let mut both = if self.author() == other.author() { self } else { self.of_nobody() };
        if both.action != other.action {
            both.action = SEVERAL;
        }
        both.tool = both.tool.filter(|_| both.tool == other.tool);
        both.code = both.code.filter(|_| both.code == other.code);
        if both.named != other.named {
            both.named = Named::Nothing;
        }
        both
    }
}

/// What becomes one entry.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) refusal: Refusal,
    pub(super) count: i64,
}

/// One kind of refusal in the minute under way, or the rest of them.
#[derive(Debug)]
struct Line {
    refusal: Refusal,
    /// Whether it has its first entry.
    begun: bool,
    /// How many are in no entry yet.
    open: i64,
    /// Whether it holds what got no line of its own.
    rest: bool,
}

/// The refusals of one organization on one node.
#[derive(Debug, Default)]
pub(super) struct Book {
    minute: i64,
    lines: Vec<Line>,
    /// Of minutes that are over, and what could not be written.
    over: Vec<Counted>,
    /// By whom the entries of this minute are.
    written: Vec<Option<UserId>>,
}

impl Book {
    /// Counts one refusal. Time never goes back here, as it does not in the audit log.
    pub(super) fn count(&mut self, minute: i64, refusal: Refusal) {
        self.turn(minute);
        if let Some(line) = self.lines.iter_mut().find(|line| !line.rest && line.refusal.is_like(&refusal)) {
            line.open += 1;
            return;
        }
        let author = refusal.author();
        let lines = self.lines.iter().filter(|line| !line.rest).count();
        let own = self.lines.iter().filter(|line| !line.rest && line.refusal.author() == author).count();
        // The last entry of everybody is kept for what has none of its own.
        let room = lines < PER_ORGANIZATION - 1 && own < PER_ACTOR - 1;
        if room {
            self.lines.push(Line { refusal, begun: false, open: 1, rest: false });
            return;
        }
        let refusal = if own == 0 { refusal.of_nobody() } else { refusal };
        match self.lines.iter_mut().find(|line| line.rest && line.refusal.author() == refusal.author()) {
            Some(line) => {
                line.open += 1;
                line.refusal = line.refusal.clone().and(&refusal);
            }
            None => self.lines.push(Line { refusal, begun: true, open: 1, rest: true }),
        }
    }

    /// Ends the minute that is over. Its repeats take half of the next one's room at most, so that something new is
    /// still an entry at once.
    fn turn(&mut self, minute: i64) {
        if minute <= self.minute {
            return;
        }
        self.minute = minute;
        self.written.clear();
        let repeats = self.lines.drain(..).filter(|line| line.open > 0);
        self.over.extend(repeats.map(|line| Counted { refusal: line.refusal, count: line.open }));
        squeeze(&mut self.over, PER_ORGANIZATION / 2, |_| PER_ACTOR / 2);
    }

    /// What may be written in `minute`; with `all`, at shutdown, everything there is, in the room that is left.
    pub(super) fn take(&mut self, minute: i64, all: bool) -> Vec<Counted> {
        self.turn(minute);
        let mut taken = Vec::new();
        if all {
            taken.append(&mut self.over);
            let open = self.lines.drain(..).filter(|line| line.open > 0);
            taken.extend(open.map(|line| Counted { refusal: line.refusal, count: line.open }));
            let by = |author: Option<UserId>| PER_ACTOR.saturating_sub(written_by(&self.written, author));
            squeeze(&mut taken, PER_ORGANIZATION.saturating_sub(self.written.len()), by);
            self.written.extend(taken.iter().map(|counted| counted.refusal.author()));
            return taken;
        }
        for counted in std::mem::take(&mut self.over) {
            if self.has_room(&counted.refusal) {
                self.written.push(counted.refusal.author());
                taken.push(counted);
            } else {
                self.over.push(counted);
            }
        }
        for n in 0..self.lines.len() {
            if !self.lines[n].begun && self.has_room(&self.lines[n].refusal) {
                let line = &mut self.lines[n];
                line.begun = true;
                line.open -= 1;
                self.written.push(line.refusal.author());
                taken.push(Counted { refusal: line.refusal.clone(), count: 1 });
            }
        }
        taken
    }

    /// Whether one more entry leaves the one that shutdown may need.
    fn has_room(&self, refusal: &Refusal) -> bool {
        self.written.len() < PER_ORGANIZATION - 1 && written_by(&self.written, refusal.author()) < PER_ACTOR - 1
    }

    /// What was taken and not written.
    pub(super) fn put_back(&mut self, taken: Vec<Counted>) {
        for counted in &taken {
            if let Some(n) = self.written.iter().position(|author| *author == counted.refusal.author()) {
                self.written.swap_remove(n);
            }
        }
        self.over.extend(taken);
    }

    /// Whether it may be forgotten in `minute`.
    pub(super) fn is_blank(&self, minute: i64) -> bool {
        self.lines.is_empty() && self.over.is_empty() && self.minute < minute
    }
}

fn written_by(written: &[Option<UserId>], author: Option<UserId>) -> usize {
    written.iter().filter(|by| **by == author).count()
}

/// Makes one of the last ones where there are more than `room`; nobody's own are more than `own_room` says.
fn squeeze(list: &mut Vec<Counted>, room: usize, own_room: impl Fn(Option<UserId>) -> usize) {
    let mut rest = std::mem::take(list);
    while let Some(author) = rest.first().map(|counted| counted.refusal.author()) {
        let (mut own, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|counted| counted.refusal.author() == author);
        join_last(&mut own, own_room(author));
        list.append(&mut own);
        rest = others;
    }
    join_last(list, room);
}

fn join_last(list: &mut Vec<Counted>, room: usize) {
    let room = room.max(1);
    if list.len() <= room {
        return;
    }
    let joined = list
        .split_off(room - 1)
        .into_iter()
        .reduce(|joined, next| Counted { refusal: joined.refusal.and(&next.refusal), count: joined.count + next.count });
    list.extend(joined);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authz::{CredentialKind, Org, PersonRef, Scopes, Surface},
        domain::OrgId,
    };
    use proptest::prelude::*;
    use std::collections::HashMap;
    use uuid::Uuid;

    fn refusal(actor: u8, action: &'static str, target: u8) -> Refusal {
        let org = Org { number: 1, id: OrgId::from_uuid(Uuid::from_u128(1)) };
        let id = UserId::from_uuid(Uuid::from_u128(100 + u128::from(actor)));
        let person = PersonRef { key: i64::from(actor), id };
        let credential = (CredentialKind::Token, Uuid::from_u128(u128::from(actor)));
        Refusal {
            actor: Actor::person(org, person, credential, Scopes { write: true }, Surface::Mcp, None),
            actor_name: Some("Ana Ruiz".to_owned()),
            action,
            tool: None,
            named: Named::Email(format!("{target}@example.com")),
            code: Some("permission_denied"),
            request_id: RequestId::from_uuid(Uuid::from_u128(7)),
            as_of: 0,
        }
    }

    #[test]
    fn the_first_of_a_minute_is_an_entry_and_its_repeats_are_one_more() {
        let mut book = Book::default();
        for _ in 0..25 {
            book.count(5, refusal(1, "users:invite", 1));
        }
        let first = book.take(5, false);
        assert_eq!(first.iter().map(|counted| counted.count).collect::<Vec<_>>(), [1]);
        assert!(book.take(5, false).is_empty());
        let repeats = book.take(6, false);
        assert_eq!(repeats.iter().map(|counted| counted.count).collect::<Vec<_>>(), [24]);
        assert!(book.take(6, true).is_empty());
        assert!(book.is_blank(7) && !book.is_blank(6));
    }

    #[test]
    fn nineteen_of_one_actor_are_entries_of_their_own_and_the_rest_is_one() {
        let mut book = Book::default();
        for target in 0..200 {
            book.count(5, refusal(1, "users:invite", target));
        }
        assert_eq!(book.take(5, false).len(), 19);
        let rest = book.take(5, true);
        assert_eq!(rest.len(), 1);
        assert_eq!((rest[0].count, rest[0].refusal.action, rest[0].refusal.code), (181, "users:invite", Some("permission_denied")));
        assert_eq!(rest[0].refusal.named, Named::Nothing);
        assert!(rest[0].refusal.actor.user().is_some());
    }

    #[test]
    fn who_finds_no_room_at_all_is_counted_by_the_server() {
        let mut book = Book::default();
        for actor in 0..10 {
            for target in 0..19 {
                book.count(5, refusal(actor, if actor < 9 { "users:invite" } else { "users:update" }, target));
            }
        }
        assert_eq!(book.take(5, false).len(), 59);
        let rest = book.take(5, true);
        assert_eq!(rest.len(), 1);
        assert_eq!((rest[0].count, rest[0].refusal.action, rest[0].refusal.actor.user()), (190 - 59, SEVERAL, None));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Refused(u8, bool, u8),
        Written,
        Failed,
        Minutes(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            200 => (0u8..8, any::<bool>(), 0u8..40).prop_map(|(actor, action, target)| Step::Refused(actor, action, target)),
            8 => Just(Step::Written),
            2 => Just(Step::Failed),
            3 => (1i64..3).prop_map(Step::Minutes),
        ]
    }

    proptest! {
        #[test]
        fn no_minute_holds_more_than_its_bounds_and_nothing_is_lost_count_of(steps in prop::collection::vec(step(), 0..2000)) {
            let mut book = Book::default();
            let (mut minute, mut refused, mut counted) = (1, 0, 0);
            let mut written: HashMap<(i64, Option<UserId>), usize> = HashMap::new();
            let mut in_all: HashMap<i64, usize> = HashMap::new();
            let mut write = |minute: i64, taken: Vec<Counted>| {
                for entry in taken {
                    counted += entry.count;
                    *written.entry((minute, entry.refusal.author())).or_default() += 1;
                    *in_all.entry(minute).or_default() += 1;
                }
            };
            for step in steps {
                match step {
                    Step::Refused(actor, action, target) => {
                        refused += 1;
                        book.count(minute, refusal(actor, if action { "users:invite" } else { "users:update" }, target));
                    }
                    Step::Written => write(minute, book.take(minute, false)),
                    Step::Failed => {
                        let taken = book.take(minute, false);
                        book.put_back(taken);
                    }
                    Step::Minutes(passed) => minute += passed,
                }
            }
            write(minute, book.take(minute, true));
            prop_assert_eq!(counted, refused);
            prop_assert!(written.values().all(|entries| *entries <= PER_ACTOR), "{:?}", written);
            prop_assert!(in_all.values().all(|entries| *entries <= PER_ORGANIZATION), "{:?}", in_all);
        }
    }
}
