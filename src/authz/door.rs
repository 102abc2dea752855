//! Who comes in, and by which way: the rules of signing in, of what is one's own, and of links for it.
//!
//! Whoever signs in holds no session yet. What they have shown (a password, a link, an identity at a provider) makes them
//! an actor for this one act; that it still counts is a fact, read under the lock.

use super::{Action, Actor, Reason, Standing, Target, action::PersonFacts};
use crate::domain::{CredentialId, LinkId, LinkKind, Role, SecondFactorFor, Settings, Timestamp};
use usher_tools::Needs;
use uuid::Uuid;

/// By which way somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// By password.
    Password,
    /// By a mailed link, in the browser that asked for it.
    Link,
    /// By a link of the operator's.
    Operator,
    /// Through the organization's provider.
    Sso,
    /// By accepting an invite with a password.
    Invite,
}

impl Via {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Password, Self::Link, Self::Operator, Self::Sso, Self::Invite];

    /// The word that a row holds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Link => "link",
            Self::Operator => "operator",
            Self::Sso => "sso",
            Self::Invite => "invite",
        }
    }

    /// Reads exactly the word that a row holds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|via| via.as_str() == text)
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Password => "sign_in:password",
            Self::Link => "sign_in:link",
            Self::Operator => "sign_in:operator_link",
            Self::Sso => "sign_in:sso",
            Self::Invite => "sign_in:invite",
        }
    }

    /// Whether an organization with these settings lets somebody of this role in by this way. Where SSO is required an
    /// Administrator with a password is the way in when the provider is broken.
    #[must_use]
    pub fn is_open(self, settings: &Settings, role: Role) -> bool {
        match self {
            Self::Sso | Self::Operator => true,
            Self::Password | Self::Invite => {
                !settings.sso_required
                    || match role {
                        Role::Administrator => true,
                        Role::User => false,
                    }
            }
            Self::Link => settings.magic_links && !settings.sso_required,
        }
    }

    /// Whether a session that began so goes on, as its person and organization are now. Where SSO is required only those go on
    /// that began with the provider or on the host, and those of whoever a password lets in beside it.
    #[must_use]
    pub fn goes_on(self, settings: &Settings, role: Role, has_password: bool) -> bool {
        match self {
            Self::Sso | Self::Operator => true,
            Self::Password | Self::Link | Self::Invite => keeps_password(settings, role, has_password),
        }
    }
}

/// Whether somebody's password is a way in, or may become one: where SSO is required, that of an Administrator who has one already.
fn keeps_password(settings: &Settings, role: Role, has_password: bool) -> bool {
    Via::Password.is_open(settings, role) && (has_password || !settings.sso_required)
}

/// Whether a mailed link may lead to a new password. Where SSO is required it replaces one that is there and makes none: else
/// every Administrator's mailbox would open what the provider is to guard.
#[must_use]
pub fn resets(settings: &Settings, role: Role, has_password: bool) -> bool {
    keeps_password(settings, role, has_password)
}

/// Whether somebody of this role must show a second factor even if they have set none up.
#[must_use]
pub fn demands_second_factor(settings: &Settings, role: Role) -> bool {
    match (settings.second_factor, role) {
        (SecondFactorFor::Nobody, _) | (SecondFactorFor::Administrators, Role::User) => false,
        (SecondFactorFor::Administrators, Role::Administrator) | (SecondFactorFor::Everybody, _) => true,
    }
}

/// What is still asked of a session before it opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitsFor {
    /// A code of the second factor.
    SecondFactor,
    /// Setting a second factor up, which the organization demands.
    Enrolment,
}

impl WaitsFor {
    /// Everything that can be asked.
    pub const ALL: [Self; 2] = [Self::SecondFactor, Self::Enrolment];

    /// The word that a row holds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecondFactor => "second_factor",
            Self::Enrolment => "enrolment",
        }
    }

    /// Reads exactly the word that a row holds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wait| wait.as_str() == text)
    }
}

/// A link as a rule sees it, under the lock.
#[derive(Clone, Debug)]
pub struct LinkFacts {
    /// Which.
    pub id: LinkId,
    /// For what.
    pub kind: LinkKind,
    /// Whether it was ended before.
    pub ended: bool,
    /// Its end.
    pub expires_at: Timestamp,
    /// The browser that asked, by SHA-256 of its mark.
    pub browser: Option<[u8; 32]>,
}

impl LinkFacts {
    /// Whether it opens its door now, in this browser. Good at exactly its end, dead one millisecond later (requirement 49).
    #[must_use]
    pub fn opens(&self, now: Timestamp, browser: Option<[u8; 32]>) -> bool {
        self.is_for(browser) && !self.ended && now <= self.expires_at
    }

    /// Whether this browser is the one that it works in, if it works in one alone.
    #[must_use]
    pub fn is_for(&self, browser: Option<[u8; 32]>) -> bool {
        !self.kind.is_bound_to_a_browser() || (self.browser.is_some() && self.browser == browser)
    }
}

/// What somebody has shown at the door.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The password that the row's hash belongs to: unchanged since it was compared.
    Password {
        /// Whether the row still holds the hash that was compared.
        unchanged: bool,
    },
    /// A link.
    Link {
        /// As it is under the lock.
        link: LinkFacts,
        /// The browser that shows it, by SHA-256 of its mark.
        browser: Option<[u8; 32]>,
    },
    /// A mailbox: a link was used, a moment ago in this browser, for another account with the same address.
    Mailbox {
        /// Whether this account has the address that the link was mailed to.
        same_address: bool,
    },
    /// An identity at this organization's own provider.
    Identity {
        /// Whether the identity is linked to this very account, under the lock.
        linked: bool,
    },
    /// An invite, accepted just now.
    Invite,
}

/// Somebody comes in: one more session of a browser.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Who.
    pub person: PersonFacts,
    /// By which way.
    pub via: Via,
    /// By which connection or link.
    pub via_id: Option<Uuid>,
    /// What they have shown.
    pub proof: Proof,
    /// What the organization decides.
    pub settings: Settings,
    /// Id of the session to be.
    pub session: CredentialId,
    /// The browser in words of ours, such as `Firefox on Linux`.
    pub label: String,
    /// SHA-256 of the browser's new cookie.
    pub browser: [u8; 32],
    /// SHA-256 of the cookie before, whose other sessions move to the new one.
    pub moved_from: Option<[u8; 32]>,
    /// SHA-256 of the browser's mark, by which it is known again.
    pub mark: Option<[u8; 32]>,
    /// Keyed hash of the person's address, under which wrong passwords are counted.
    pub mailbox: [u8; 32],
    /// What is asked for before the session opens anything.
    pub waits_for: Option<WaitsFor>,
    /// Whether its person is told by mail, where the browser was not there before.
    pub tells: bool,
    /// The password's hash with today's parameters, where it had older ones.
    pub rehash: Option<String>,
    /// Now, under the lock.
    pub now: Timestamp,
}

impl Action for SignIn {
    const NAME: &'static str = "sign_in";
    const NEEDS: Needs = Needs::Nothing;

    fn name(&self) -> &'static str {
        self.via.action()
    }

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        // A proof is of one person; it opens no other's door.
        self.person.own(actor)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        self.person.active()?;
        let (shown, matching) = match &self.proof {
            Proof::Password { unchanged } => (*unchanged, self.via == Via::Password),
            Proof::Link { link, browser } => {
                let matching = match link.kind {
                    LinkKind::SignIn => self.via == Via::Link,
                    LinkKind::Operator => self.via == Via::Operator,
                    LinkKind::Identity => self.via == Via::Sso,
                    LinkKind::Invite | LinkKind::Reset | LinkKind::StartedReset => false,
                };
                if !link.opens(self.now, *browser) {
                    return Err(Reason::DeadLink);
                }
                (true, matching)
            }
            Proof::Mailbox { same_address } => (*same_address, self.via == Via::Link),
            Proof::Identity { linked } => (*linked, self.via == Via::Sso),
            Proof::Invite => (true, matches!(self.via, Via::Invite | Via::Sso)),
        };
        if shown && matching && self.via.is_open(&self.settings, self.person.role) { Ok(()) } else { Err(Reason::WayClosed) }
    }
}

/// Which of one's own sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(CredentialId),
    /// All but this one.
    Others(CredentialId),
    /// All.
    All,
}

impl Which {
    /// Whether browsers and links that could open another end with them.
    #[must_use]
    pub const fn is_more_than_one(self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Others(_) | Self::All => true,
        }
    }
}

/// The end of sessions of one's own.
#[derive(Clone, Debug)]
pub struct EndSessions {
    /// Whose.
    pub person: PersonFacts,
    /// Which.
    pub which: Which,
}

impl Action for EndSessions {
    const NAME: &'static str = "session:ended";
    const NEEDS: Needs = Needs::Nothing;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        self.person.own(actor)
    }
}

/// By what somebody may choose a new password.
#[derive(Clone, Debug)]
pub enum PasswordProof {
    /// The password before, unchanged since it was compared (requirement 47).
    Current {
        /// Whether the row still holds the hash that was compared.
        unchanged: bool,
    },
    /// There was none, and the person was proved a moment ago.
    First {
        /// Whether the row still holds none.
        none: bool,
        /// When they were last proved.
        proved_at: Timestamp,
    },
    /// A reset link.
    Link {
        /// As it is under the lock.
        link: LinkFacts,
        /// The browser that shows it.
        browser: Option<[u8; 32]>,
        /// Whether there is a password that it replaces.
        replaces: bool,
    },
}

/// How long a proof is fresh, in milliseconds.
pub const FRESH: i64 = 10 * crate::domain::MINUTE;

/// How far a proof may lie ahead of the clock, in milliseconds: as far as nodes that serve together disagree at most.
pub const AHEAD: i64 = 2 * crate::domain::SECOND;

/// Whether a proof of then is fresh now. One that lies ahead is none: the clock went back since, and nobody knows how old it is.
#[must_use]
pub fn is_fresh(proved_at: Timestamp, now: Timestamp) -> bool {
    (-AHEAD..=FRESH).contains(&now.since(proved_at))
}

/// When whoever acts was last proved: a person who finds an open browser must not decide with it who gets in.
#[derive(Clone, Copy, Debug)]
pub struct Proved {
    /// When a person was; none on the host, which proves nobody and needs to prove nobody.
    pub at: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

impl Proved {
    /// Whether that is not longer ago than [`FRESH`].
    ///
    /// # Errors
    /// [`Reason::NotProvedAnew`].
    pub fn anew(self, actor: &Actor) -> Result<(), Reason> {
        let fresh = actor.user().is_none() || self.at.is_some_and(|at| is_fresh(at, self.now));
        if fresh { Ok(()) } else { Err(Reason::NotProvedAnew) }
    }
}

/// A new password. All other sessions end.
#[derive(Clone, Debug)]
pub struct SetPassword {
    /// Whose.
    pub person: PersonFacts,
    /// By what.
    pub proof: PasswordProof,
    /// What the organization decides.
    pub settings: Settings,
    /// PHC string of the new one.
    pub password_hash: String,
    /// The session that goes on, and SHA-256 of its browser's new cookie.
    pub keep: Option<(CredentialId, [u8; 32])>,
    /// Keyed hash of the person's address, under which wrong passwords are counted.
    pub mailbox: [u8; 32],
    /// The browser in words of ours, such as `Firefox on Linux`.
    pub browser: String,
    /// Now, under the lock.
    pub now: Timestamp,
}

impl Action for SetPassword {
    const NAME: &'static str = "password:set";
    const NEEDS: Needs = Needs::Nothing;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        self.person.own(actor)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        self.person.active()?;
        let shown = match &self.proof {
            PasswordProof::Current { unchanged } => *unchanged,
            // Also where SSO is required: an Administrator who came in as it demands makes themselves one who gets in without it.
            PasswordProof::First { none, proved_at } => *none && is_fresh(*proved_at, self.now),
            PasswordProof::Link { link, browser, replaces } => {
                if !link.kind.is_for_a_password() || !link.opens(self.now, *browser) {
                    return Err(Reason::DeadLink);
                }
                resets(&self.settings, self.person.role, *replaces)
            }
        };
        if shown && Via::Password.is_open(&self.settings, self.person.role) { Ok(()) } else { Err(Reason::WayClosed) }
    }
}

/// A link for somebody who asked at the door, or for whom the operator asks on the host.
#[derive(Clone, Debug)]
pub struct SendLink {
    /// For whom.
    pub person: PersonFacts,
    /// For what.
    pub kind: LinkKind,
    /// Whether they have a password.
    pub has_password: bool,
    /// What the organization decides.
    pub settings: Settings,
}

impl Action for SendLink {
    const NAME: &'static str = "link:made";
    const NEEDS: Needs = Needs::Administrator;

    fn name(&self) -> &'static str {
        match self.kind {
            LinkKind::SignIn => "sign_in:link_sent",
            LinkKind::Reset => "password:reset_sent",
            LinkKind::Identity => "identity:link_sent",
            LinkKind::Operator => "sign_in:operator_link_made",
            LinkKind::Invite | LinkKind::StartedReset => Self::NAME,
        }
    }

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        self.person.active()?;
        let open = match self.kind {
            LinkKind::SignIn => Via::Link.is_open(&self.settings, self.person.role),
            LinkKind::Reset => resets(&self.settings, self.person.role, self.has_password),
            LinkKind::Identity | LinkKind::Operator => true,
            // Each of these has a rule of its own.
            LinkKind::Invite | LinkKind::StartedReset => false,
        };
        if open { Ok(()) } else { Err(Reason::WayClosed) }
    }
}

/// A reset of somebody's password that somebody else starts: a link to their own mailbox, good in any browser. Nobody but its
/// person sees or sets a password (requirement 48).
#[derive(Clone, Debug)]
pub struct StartReset {
    /// Whose.
    pub person: PersonFacts,
    /// Whether they have a password.
    pub has_password: bool,
    /// What the organization decides.
    pub settings: Settings,
    /// When whoever asks was last proved.
    pub proved: Proved,
}

impl Action for StartReset {
    const NAME: &'static str = "password:reset_started";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        // One's own is asked for on one's own page, and its link is good in one's own browser alone.
        if actor.is(self.person.person.id) { Err(Reason::WayClosed) } else { Ok(()) }
    }

    fn possible(&self, actor: &Actor) -> Result<(), Reason> {
        self.person.active()?;
        // Whoever finds an open browser must not send mails in its Administrator's name.
        if !resets(&self.settings, self.person.role, self.has_password) {
            return Err(Reason::WayClosed);
        }
        self.proved.anew(actor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authz::{CredentialKind, Org, PersonRef, Scopes, Surface, authorize},
        domain::{OrgId, PermissionSet, Random, Status, UserId},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn actor(of: &PersonFacts) -> Actor {
        let org = Org { number: 1, id: OrgId::new(NOW, &Random::seeded(4)) };
        Actor::person(org, of.person, (CredentialKind::Link, Uuid::nil()), Scopes { write: true }, Surface::Web, None)
    }

    fn link(kind: LinkKind) -> LinkFacts {
        LinkFacts { id: LinkId::new(NOW, &Random::seeded(5)), kind, ended: false, expires_at: NOW.plus(1), browser: Some([1; 32]) }
    }

    fn sign_in(person: PersonFacts, via: Via, proof: Proof) -> SignIn {
        SignIn {
            person,
            via,
            via_id: None,
            proof,
            settings: Settings::default(),
            session: CredentialId::new(NOW, &Random::seeded(6)),
            label: "Firefox on Linux".to_owned(),
            browser: [2; 32],
            moved_from: None,
            mark: Some([1; 32]),
            mailbox: [3; 32],
            waits_for: None,
            tells: false,
            rehash: None,
            now: NOW,
        }
    }

    fn asked(action: SignIn) -> Result<(), Reason> {
        let actor = actor(&action.person);
        let nothing = Standing::nothing();
        authorize(&actor, &nothing, action).map(drop)
    }

    #[test]
    fn only_an_active_person_comes_in() {
        for (status, expected) in
            [(Status::Active, Ok(())), (Status::Pending, Err(Reason::NotPending)), (Status::Deactivated, Err(Reason::Deactivated))]
        {
            let action = sign_in(PersonFacts::of_ana(status, Role::User), Via::Password, Proof::Password { unchanged: true });
            assert_eq!(asked(action), expected, "{status:?}");
        }
    }

    #[test]
    fn a_mailed_link_opens_only_in_the_browser_that_asked_and_only_in_time() {
        let tried = |browser: Option<[u8; 32]>, ended: bool, expires_at: Timestamp, kind: LinkKind, via: Via| {
            let link = LinkFacts { ended, expires_at, ..link(kind) };
            asked(sign_in(PersonFacts::of_ana(Status::Active, Role::User), via, Proof::Link { link, browser }))
        };
        assert_eq!(tried(Some([1; 32]), false, NOW, LinkKind::SignIn, Via::Link), Ok(()), "good at exactly its end");
        assert_eq!(tried(Some([1; 32]), false, NOW.plus(-1), LinkKind::SignIn, Via::Link), Err(Reason::DeadLink));
        assert_eq!(tried(Some([2; 32]), false, NOW.plus(1), LinkKind::SignIn, Via::Link), Err(Reason::DeadLink));
        assert_eq!(tried(None, false, NOW.plus(1), LinkKind::SignIn, Via::Link), Err(Reason::DeadLink));
        assert_eq!(tried(Some([1; 32]), true, NOW.plus(1), LinkKind::SignIn, Via::Link), Err(Reason::DeadLink));
        assert_eq!(tried(None, false, NOW.plus(1), LinkKind::Operator, Via::Operator), Ok(()), "the operator's opens in any");
        for kind in [LinkKind::Reset, LinkKind::StartedReset] {
            assert_eq!(tried(Some([1; 32]), false, NOW.plus(1), kind, Via::Link), Err(Reason::WayClosed), "each kind has its door");
        }
    }

    #[test]
    fn where_sso_is_required_only_an_administrator_has_a_password_left() {
        let settings = Settings { sso_required: true, ..Settings::default() };
        for (via, role, open) in [
            (Via::Password, Role::User, false),
            (Via::Password, Role::Administrator, true),
            (Via::Link, Role::Administrator, false),
            (Via::Sso, Role::User, true),
            (Via::Operator, Role::User, true),
        ] {
            assert_eq!(via.is_open(&settings, role), open, "{via:?} {role:?}");
        }
        assert!(!Via::Link.is_open(&Settings { magic_links: false, ..Settings::default() }, Role::User));
    }

    #[test]
    fn where_sso_is_required_a_session_goes_on_that_began_with_it_or_whose_person_has_a_password_left() {
        let required = Settings { sso_required: true, ..Settings::default() };
        for via in Via::ALL {
            let began_with_it = matches!(via, Via::Sso | Via::Operator);
            for (role, has_password) in [(Role::User, true), (Role::User, false), (Role::Administrator, false)] {
                assert_eq!(via.goes_on(&required, role, has_password), began_with_it, "{via:?} {role:?} {has_password}");
                assert!(via.goes_on(&Settings { magic_links: false, ..Settings::default() }, role, has_password), "{via:?} {role:?}");
            }
            assert!(via.goes_on(&required, Role::Administrator, true), "{via:?}");
        }
    }

    #[test]
    fn a_proof_opens_nobody_elses_door() {
        let action = sign_in(PersonFacts::of_ana(Status::Active, Role::User), Via::Password, Proof::Password { unchanged: true });
        let stranger = Actor { person: Some(PersonRef { key: 2, id: UserId::new(NOW, &Random::seeded(9)) }), ..actor(&action.person) };
        let nothing = Standing { role: Role::Administrator, permissions: PermissionSet::default() };
        assert_eq!(authorize(&stranger, &nothing, action).map(drop), Err(Reason::WayClosed));
    }

    #[test]
    fn where_sso_is_required_a_mailed_link_replaces_a_password_and_makes_none() {
        use Role::{Administrator, User};
        let settings = |sso_required| Settings { sso_required, ..Settings::default() };
        for (required, role, has_password, expected) in [
            (false, User, false, true),
            (false, User, true, true),
            (false, Administrator, false, true),
            (true, Administrator, true, true),
            (true, Administrator, false, false),
            (true, User, true, false),
            (true, User, false, false),
        ] {
            assert_eq!(resets(&settings(required), role, has_password), expected, "{required} {role:?} {has_password}");
        }
    }

    #[test]
    fn requirement_48_only_another_administrator_starts_a_reset_for_an_active_person_whom_a_password_lets_in() {
        use Role::{Administrator, User};
        let asked = |role, status, own: bool, ago: Option<i64>, settings: &Settings| {
            let person = PersonFacts::of_ana(status, User);
            let mut actor = actor(&person);
            if !own {
                actor.person = Some(PersonRef { key: 2, id: UserId::new(NOW, &Random::seeded(9)) });
            }
            let standing = Standing { role, permissions: PermissionSet::default() };
            let proved = Proved { at: ago.map(|ago| NOW.plus(-ago)), now: NOW };
            let action = StartReset { person, has_password: true, settings: settings.clone(), proved };
            authorize(&actor, &standing, action).map(drop)
        };
        let (open, closed) = (Settings::default(), Settings { sso_required: true, ..Settings::default() });
        for (role, status, own, ago, settings, expected) in [
            (Administrator, Status::Active, false, Some(FRESH), &open, Ok(())),
            (User, Status::Active, false, Some(0), &open, Err(Reason::Administrator)),
            (Administrator, Status::Active, true, Some(0), &open, Err(Reason::WayClosed)),
            (Administrator, Status::Active, false, Some(FRESH + 1), &open, Err(Reason::NotProvedAnew)),
            (Administrator, Status::Active, false, None, &open, Err(Reason::NotProvedAnew)),
            (Administrator, Status::Pending, false, Some(0), &open, Err(Reason::NotPending)),
            (Administrator, Status::Deactivated, false, Some(0), &open, Err(Reason::Deactivated)),
            (Administrator, Status::Active, false, Some(0), &closed, Err(Reason::WayClosed)),
        ] {
            assert_eq!(asked(role, status, own, ago, settings), expected, "{role:?} {status:?} {own} {ago:?} {}", settings.sso_required);
        }
        let person = PersonFacts::of_ana(Status::Active, Administrator);
        let host = Actor::operator_on_the_host(Org { number: 1, id: OrgId::new(NOW, &Random::seeded(4)) });
        let action = StartReset { person, has_password: true, settings: closed, proved: Proved { at: None, now: NOW } };
        assert_eq!(authorize(&host, &Standing::above_roles(), action).map(drop), Ok(()), "a break-glass Administrator, from the host");
    }

    #[test]
    fn a_first_password_needs_a_fresh_proof() {
        let set = |proof| SetPassword {
            person: PersonFacts::of_ana(Status::Active, Role::User),
            proof,
            settings: Settings::default(),
            password_hash: String::new(),
            keep: None,
            mailbox: [3; 32],
            browser: "Firefox on Linux".to_owned(),
            now: NOW,
        };
        let asked = |proof| {
            let action = set(proof);
            action.possible(&actor(&action.person))
        };
        assert_eq!(asked(PasswordProof::First { none: true, proved_at: NOW.plus(-FRESH) }), Ok(()));
        assert_eq!(asked(PasswordProof::First { none: true, proved_at: NOW.plus(-FRESH - 1) }), Err(Reason::WayClosed));
        assert_eq!(asked(PasswordProof::First { none: true, proved_at: NOW.plus(AHEAD) }), Ok(()), "another node's clock");
        assert_eq!(
            asked(PasswordProof::First { none: true, proved_at: NOW.plus(AHEAD + 1) }),
            Err(Reason::WayClosed),
            "a clock that went back"
        );
        assert_eq!(asked(PasswordProof::First { none: false, proved_at: NOW }), Err(Reason::WayClosed));
        assert_eq!(asked(PasswordProof::Current { unchanged: false }), Err(Reason::WayClosed));
        assert_eq!(
            asked(PasswordProof::Link { link: link(LinkKind::SignIn), browser: Some([1; 32]), replaces: true }),
            Err(Reason::DeadLink)
        );
        assert_eq!(asked(PasswordProof::Link { link: link(LinkKind::Reset), browser: Some([1; 32]), replaces: false }), Ok(()));
        assert_eq!(
            asked(PasswordProof::Link { link: link(LinkKind::Reset), browser: Some([2; 32]), replaces: true }),
            Err(Reason::DeadLink)
        );
        assert_eq!(asked(PasswordProof::Link { link: link(LinkKind::StartedReset), browser: None, replaces: false }), Ok(()));
    }
}
