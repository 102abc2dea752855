//! The second factor: who may set one up, use it, and take it away.
//!
//! What is typed is compared outside the lock; that it still counts (the same secret, a later step than the last one used, a
//! recovery code that was not used) is a fact, read under the lock.

use super::{
    Action, Actor, CredentialKind, Reason, Standing, Target,
    action::PersonFacts,
    door::{Proved, WaitsFor, is_fresh},
};
use crate::domain::{CredentialId, Timestamp};
use usher_tools::Needs;

/// What is asked of a session at this moment: what it has waited for since it began, and what the organization has come to
/// demand since. `has_one` says whether its person has a second factor that counts.
#[must_use]
pub fn asked_for(noted: Option<WaitsFor>, has_one: bool, demanded: bool) -> Option<WaitsFor> {
    match (noted, has_one) {
        (Some(WaitsFor::SecondFactor), _) | (Some(WaitsFor::Enrolment), true) => Some(WaitsFor::SecondFactor),
        (Some(WaitsFor::Enrolment) | None, false) => demanded.then_some(WaitsFor::Enrolment),
        (None, true) => None,
    }
}

/// A second factor as a rule sees it, under the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactorFacts {
    /// When its secret was made.
    pub created_at: Timestamp,
    /// Whether a code has confirmed it: before that it counts for nothing.
    pub confirmed: bool,
    /// The last step whose code was used.
    pub last_step: i64,
}

/// What somebody has typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorProof {
    /// A code of the app's.
    Code {
        /// The step that it is of, if of any in the window.
        step: Option<i64>,
    },
    /// A recovery code.
    Recovery {
        /// SHA-256 of it.
        hash: [u8; 32],
        /// Whether it is one of the person's, and was never used.
        unused: bool,
    },
}

impl FactorProof {
    /// Whether it opens anything: each code once, and none that is older than one that was used.
    #[must_use]
    pub fn counts(&self, factor: &FactorFacts) -> bool {
        match self {
            Self::Code { step } => step.is_some_and(|step| step > factor.last_step),
            Self::Recovery { unused, .. } => factor.confirmed && *unused,
        }
    }
}

/// The person is in, and what they show counts.
fn shown(person: &PersonFacts, counts: bool) -> Result<(), Reason> {
    person.active()?;
    if counts { Ok(()) } else { Err(Reason::WayClosed) }
}

/// A new secret for one's own app. It counts for nothing before a code confirms it.
#[derive(Clone, Debug)]
pub struct EnrolSecondFactor {
    /// Whose.
    pub person: PersonFacts,
    /// Whether they have one that counts: it is taken away first, with a code.
    pub has_one: bool,
    /// When they were last proved: whoever finds an open browser must not make its account theirs.
    pub proved_at: Timestamp,
    /// The secret, sealed for its cell.
    pub sealed: String,
    /// Now, under the lock.
    pub now: Timestamp,
}

impl Action for EnrolSecondFactor {
    const NAME: &'static str = "second_factor:begun";
    const NEEDS: Needs = Needs::Nothing;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        self.person.own(actor)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        shown(&self.person, !self.has_one && is_fresh(self.proved_at, self.now))
    }
}

/// The first code of a new secret: from now on it counts. All other sessions end.
#[derive(Clone, Debug)]
pub struct ConfirmSecondFactor {
    /// Whose.
    pub person: PersonFacts,
    /// As it is under the lock.
    pub factor: FactorFacts,
    /// What was typed.
    pub proof: FactorProof,
    /// SHA-256 of each recovery code.
    pub recovery_codes: Vec<[u8; 32]>,
    /// The session that goes on.
    pub session: CredentialId,
    /// SHA-256 of its browser's new cookie.
    pub browser: [u8; 32],
    /// The browser in words of ours, such as `Firefox on Linux`.
    pub label: String,
    /// Now, under the lock.
    pub now: Timestamp,
}

impl ConfirmSecondFactor {
    /// Whether a secret may still be confirmed: somebody who comes to an open browser later must find none.
    #[must_use]
    pub fn is_in_time(factor: &FactorFacts, now: Timestamp) -> bool {
        !factor.confirmed && is_fresh(factor.created_at, now)
    }
}

impl Action for ConfirmSecondFactor {
    const NAME: &'static str = "second_factor:confirmed";
    const NEEDS: Needs = Needs::Nothing;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        self.person.own(actor)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        shown(&self.person, Self::is_in_time(&self.factor, self.now) && self.proof.counts(&self.factor))
    }
}

/// A code where one is asked for: at signing in, or again before something weighty.
#[derive(Clone, Debug)]
pub struct PassSecondFactor {
    /// Whose.
    pub person: PersonFacts,
    /// As it is under the lock.
    pub factor: FactorFacts,
    /// What was typed.
    pub proof: FactorProof,
    /// The session that it opens, or proves anew.
    pub session: CredentialId,
    /// SHA-256 of its browser's new cookie.
    pub browser: [u8; 32],
    /// The browser in words of ours, such as `Firefox on Linux`.
    pub label: String,
    /// Whether its person is told by mail, where the browser was not there before.
    pub tells: bool,
}

impl Action for PassSecondFactor {
    const NAME: &'static str = "second_factor:passed";
    const NEEDS: Needs = Needs::Nothing;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        self.person.own(actor)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        shown(&self.person, self.factor.confirmed && self.proof.counts(&self.factor))
    }
}

/// The end of one's own second factor. All other sessions end; where the organization demands one, this one waits for the next.
#[derive(Clone, Debug)]
pub struct RemoveSecondFactor {
    /// Whose.
    pub person: PersonFacts,
    /// As it is under the lock.
    pub factor: FactorFacts,
    /// What was typed.
    pub proof: FactorProof,
    /// The session that goes on.
    pub session: CredentialId,
    /// Its browser in words of ours, such as `Firefox on Linux`.
    pub label: String,
    /// SHA-256 of its browser's new cookie.
    pub browser: [u8; 32],
}

impl Action for RemoveSecondFactor {
    const NAME: &'static str = "second_factor:removed";
    const NEEDS: Needs = Needs::Nothing;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        // Whoever still waits shows a code first, and comes in by it.
        match actor.credential {
            Some((CredentialKind::WaitingSession, _)) => Err(Reason::WayClosed),
            Some(_) | None => self.person.own(actor),
        }
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        shown(&self.person, self.factor.confirmed && self.proof.counts(&self.factor))
    }
}

/// The end of somebody's second factor, whose app and codes are gone. All their sessions end.
#[derive(Clone, Debug)]
pub struct ResetSecondFactor {
    /// Whose.
    pub person: PersonFacts,
    /// When whoever asks was last proved.
    pub proved: Proved,
}

impl Action for ResetSecondFactor {
    const NAME: &'static str = "second_factor:reset";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        // One's own ends with a code: otherwise a stolen session would need no second factor to be rid of it.
        if actor.is(self.person.person.id) { Err(Reason::WayClosed) } else { Ok(()) }
    }

    fn possible(&self, actor: &Actor) -> Result<(), Reason> {
        // Whoever finds an open browser must not open the way to somebody else's account with it.
        self.proved.anew(actor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authz::{Org, PersonRef, Scopes, Surface, authorize, door::FRESH},
        domain::{HOUR, OrgId, PermissionSet, Random, Role, Status, UserId},
    };
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn actor(id: UserId) -> Actor {
        let org = Org { number: 1, id: OrgId::new(NOW, &Random::seeded(4)) };
        let credential = (CredentialKind::WaitingSession, Uuid::nil());
        Actor::person(org, PersonRef { key: 1, id }, credential, Scopes { write: true }, Surface::Web, None)
    }

    fn standing(role: Role) -> Standing {
        Standing { role, permissions: PermissionSet::default() }
    }

    const CONFIRMED: FactorFacts = FactorFacts { created_at: NOW, confirmed: true, last_step: 10 };

    fn pass(status: Status, factor: FactorFacts, proof: FactorProof) -> Result<(), Reason> {
        let person = PersonFacts::of_ana(status, Role::User);
        let actor = actor(person.person.id);
        let session = CredentialId::new(NOW, &Random::seeded(6));
        authorize(
            &actor,
            &standing(Role::User),
            PassSecondFactor { person, factor, proof, session, browser: [1; 32], label: String::new(), tells: false },
        )
        .map(drop)
    }

    #[test]
    fn a_code_counts_once_and_none_before_it_any_more() {
        for (step, expected) in [(None, false), (Some(9), false), (Some(10), false), (Some(11), true)] {
            let expected = if expected { Ok(()) } else { Err(Reason::WayClosed) };
            assert_eq!(pass(Status::Active, CONFIRMED, FactorProof::Code { step }), expected, "{step:?}");
        }
        for (unused, expected) in [(true, Ok(())), (false, Err(Reason::WayClosed))] {
            assert_eq!(pass(Status::Active, CONFIRMED, FactorProof::Recovery { hash: [0; 32], unused }), expected);
        }
        let code = FactorProof::Code { step: Some(11) };
        assert_eq!(pass(Status::Active, FactorFacts { confirmed: false, ..CONFIRMED }, code), Err(Reason::WayClosed));
        assert_eq!(pass(Status::Deactivated, CONFIRMED, code), Err(Reason::Deactivated));
    }

    #[test]
    fn a_session_that_waits_takes_nothing_away() {
        let person = PersonFacts::of_ana(Status::Active, Role::User);
        let waiting = actor(person.person.id);
        let open = Actor { credential: Some((CredentialKind::Session, Uuid::nil())), ..waiting.clone() };
        let session = CredentialId::new(NOW, &Random::seeded(6));
        let action = RemoveSecondFactor {
            person,
            factor: CONFIRMED,
            proof: FactorProof::Code { step: Some(11) },
            session,
            label: String::new(),
            browser: [1; 32],
        };
        assert_eq!(authorize(&waiting, &standing(Role::User), action.clone()).map(drop), Err(Reason::WayClosed));
        assert_eq!(authorize(&open, &standing(Role::User), action).map(drop), Ok(()));
    }

    #[test]
    fn what_a_session_is_asked_for() {
        use WaitsFor::{Enrolment, SecondFactor};
        for (noted, has_one, demanded, expected) in [
            (None, false, false, None),
            (None, false, true, Some(Enrolment)),
            (None, true, true, None),
            (Some(Enrolment), false, true, Some(Enrolment)),
            (Some(Enrolment), false, false, None),
            (Some(Enrolment), true, true, Some(SecondFactor)),
            (Some(SecondFactor), true, false, Some(SecondFactor)),
            (Some(SecondFactor), false, false, Some(SecondFactor)),
        ] {
            assert_eq!(asked_for(noted, has_one, demanded), expected, "{noted:?} {has_one} {demanded}");
        }
    }

    #[test]
    fn setting_up_needs_a_fresh_proof_and_no_other_factor() {
        let asked = |has_one: bool, ago: i64| {
            let person = PersonFacts::of_ana(Status::Active, Role::User);
            let actor = actor(person.person.id);
            let action = EnrolSecondFactor { person, has_one, proved_at: NOW.plus(-ago), sealed: String::new(), now: NOW };
            authorize(&actor, &standing(Role::User), action).map(drop)
        };
        assert_eq!(asked(false, FRESH), Ok(()));
        assert_eq!(asked(false, FRESH + 1), Err(Reason::WayClosed));
        assert_eq!(asked(true, 0), Err(Reason::WayClosed), "a waiting session sets up no second one");
    }

    #[test]
    fn a_secret_is_confirmed_within_ten_minutes_by_a_code_of_its_own() {
        let fresh = FactorFacts { created_at: NOW.plus(-FRESH), confirmed: false, last_step: 0 };
        assert!(ConfirmSecondFactor::is_in_time(&fresh, NOW));
        assert!(!ConfirmSecondFactor::is_in_time(&fresh, NOW.plus(1)));
        let ahead = FactorFacts { created_at: NOW.plus(HOUR), ..fresh };
        assert!(!ConfirmSecondFactor::is_in_time(&ahead, NOW), "the clock went back since");
        assert!(!ConfirmSecondFactor::is_in_time(&CONFIRMED, NOW));
        assert!(!FactorProof::Recovery { hash: [0; 32], unused: true }.counts(&fresh));
    }

    #[test]
    fn only_another_administrator_resets() {
        let asked = |id: Option<UserId>, role: Role, proved_at: Option<Timestamp>| {
            let person = PersonFacts::of_ana(Status::Active, Role::User);
            let actor = actor(id.unwrap_or(person.person.id));
            authorize(&actor, &standing(role), ResetSecondFactor { person, proved: Proved { at: proved_at, now: NOW } }).map(drop)
        };
        let other = UserId::new(NOW, &Random::seeded(9));
        assert_eq!(asked(Some(other), Role::Administrator, Some(NOW.plus(-FRESH))), Ok(()));
        assert_eq!(asked(Some(other), Role::Administrator, Some(NOW.plus(-FRESH - 1))), Err(Reason::NotProvedAnew));
        assert_eq!(asked(Some(other), Role::Administrator, None), Err(Reason::NotProvedAnew));
        assert_eq!(asked(Some(other), Role::User, Some(NOW)), Err(Reason::Administrator));
        assert_eq!(asked(None, Role::Administrator, Some(NOW)), Err(Reason::WayClosed));
        let person = PersonFacts::of_ana(Status::Active, Role::User);
        let host = Actor::operator_on_the_host(Org { number: 1, id: OrgId::new(NOW, &Random::seeded(4)) });
        let action = ResetSecondFactor { person, proved: Proved { at: None, now: NOW } };
        assert_eq!(authorize(&host, &Standing::above_roles(), action).map(drop), Ok(()));
    }
}
