//! Personal MCP tokens: who gets one, and who ends one.
//!
//! A token acts as its owner, for months and beside any second factor. So nobody makes one for somebody else, whatever their role;
//! only whoever has the host does.

use super::{
    Action, Actor, CredentialKind, Reason, Standing, Target,
    action::{PersonFacts, only_administrators_touch_administrators},
    door::Proved,
};
use crate::domain::{CredentialId, Role, Timestamp, Untrusted, UserId, builtin};
use usher_tools::Needs;

/// A new personal token.
#[derive(Clone, Debug)]
pub struct CreateToken {
    /// Whose.
    pub person: PersonFacts,
    /// Id of the token to be.
    pub id: CredentialId,
    /// What it is called.
    pub label: Untrusted,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// Whether it may change anything.
    pub write: bool,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When whoever asks was last proved.
    pub proved: Proved,
}

impl Action for CreateToken {
    const NAME: &'static str = "token:created";
    const NEEDS: Needs = Needs::Nothing;

    fn target(&self) -> Target {
        Target::Credential { id: self.id, user: self.person.person.id, label: self.label.as_str().to_owned() }
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        if actor.user().is_none() {
            return Ok(());
        }
        self.person.own(actor)?;
        match actor.credential {
            Some((CredentialKind::Session, _)) => Ok(()),
            // A token that makes tokens would outlive its own end, and a session that waits has not shown who it is.
            Some((
                CredentialKind::Token
                | CredentialKind::WaitingSession
                | CredentialKind::InviteLink
                | CredentialKind::Password
                | CredentialKind::Link
                | CredentialKind::Identity,
                _,
            ))
            | None => Err(Reason::WayClosed),
        }
    }

    fn possible(&self, actor: &Actor) -> Result<(), Reason> {
        self.person.active()?;
        // Whoever finds an open browser must not take a key away that works long after it is shut.
        self.proved.anew(actor)
    }
}

/// The end of one token: one's own, or somebody else's.
#[derive(Clone, Debug)]
pub struct RevokeToken {
    /// Which.
    pub id: CredentialId,
    /// Whose.
    pub user: UserId,
    /// Their role.
    pub role: Role,
    /// What it is called.
    pub label: String,
}

impl Action for RevokeToken {
    const NAME: &'static str = "token:revoked";
    const NEEDS: Needs = Needs::PermissionUnlessSelf(builtin::MCP_TOKENS_REVOKE);

    fn target(&self) -> Target {
        Target::Credential { id: self.id, user: self.user, label: self.label.clone() }
    }

    fn is_own(&self, actor: &Actor) -> bool {
        actor.is(self.user)
    }

    fn permits(&self, actor: &Actor, standing: &Standing) -> Result<(), Reason> {
        if self.is_own(actor) { Ok(()) } else { only_administrators_touch_administrators(standing, self.role) }
    }
}

/// The end of everything by which programs act as a person, who stays as they are.
#[derive(Clone, Debug)]
pub struct EndAiAccess {
    /// Whose.
    pub person: PersonFacts,
}

impl Action for EndAiAccess {
    const NAME: &'static str = "ai_access:ended";
    const NEEDS: Needs = Needs::PermissionUnlessSelf(builtin::MCP_TOKENS_REVOKE);

    fn target(&self) -> Target {
        self.person.target()
    }

    fn is_own(&self, actor: &Actor) -> bool {
        actor.is(self.person.person.id)
    }

    fn permits(&self, actor: &Actor, standing: &Standing) -> Result<(), Reason> {
        if self.is_own(actor) { Ok(()) } else { only_administrators_touch_administrators(standing, self.person.role) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authz::{Org, PersonRef, Scopes, Surface, authorize, door::FRESH},
        domain::{OrgId, PermissionSet, Random, Status},
    };
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn org() -> Org {
        Org { number: 1, id: OrgId::new(NOW, &Random::seeded(4)) }
    }

    fn actor(person: PersonRef, kind: CredentialKind) -> Actor {
        Actor::person(org(), person, (kind, Uuid::nil()), Scopes { write: true }, Surface::Web, None)
    }

    fn somebody_else() -> PersonRef {
        PersonRef { key: 2, id: UserId::new(NOW, &Random::seeded(9)) }
    }

    fn token(status: Status, ago: Option<i64>) -> CreateToken {
        CreateToken {
            person: PersonFacts::of_ana(status, Role::User),
            id: CredentialId::new(NOW, &Random::seeded(6)),
            label: Untrusted::parse("label", "laptop", 100).unwrap(),
            hash: [1; 32],
            write: true,
            expires_at: NOW.plus(1),
            proved: Proved { at: ago.map(|ago| NOW.plus(-ago)), now: NOW },
        }
    }

    #[test]
    fn one_makes_ones_own_token_in_a_browser_and_right_after_a_proof() {
        use CredentialKind::{Identity, InviteLink, Link, Password, Session, Token, WaitingSession};
        let asked = |kind, own: bool, role, status, ago| {
            let action = token(status, ago);
            let person = if own { action.person.person } else { somebody_else() };
            authorize(&actor(person, kind), &Standing { role, permissions: PermissionSet::default() }, action).map(drop)
        };
        let (user, boss, closed) = (Role::User, Role::Administrator, Err(Reason::WayClosed));
        assert_eq!(asked(Session, true, user, Status::Active, Some(FRESH)), Ok(()));
        assert_eq!(asked(Session, true, user, Status::Active, Some(FRESH + 1)), Err(Reason::NotProvedAnew));
        assert_eq!(asked(Session, true, user, Status::Active, None), Err(Reason::NotProvedAnew));
        assert_eq!(asked(Session, false, boss, Status::Active, Some(0)), closed, "nobody for somebody else");
        assert_eq!(asked(Session, true, user, Status::Deactivated, Some(0)), Err(Reason::Deactivated));
        for kind in [Token, WaitingSession, InviteLink, Password, Link, Identity] {
            assert_eq!(asked(kind, true, boss, Status::Active, Some(0)), closed, "{kind:?}");
        }
        let host = Actor::operator_on_the_host(org());
        assert_eq!(authorize(&host, &Standing::above_roles(), token(Status::Active, None)).map(drop), Ok(()));
        let pending = authorize(&host, &Standing::above_roles(), token(Status::Pending, None)).map(drop);
        assert_eq!(pending, Err(Reason::NotPending), "who has not joined has none");
    }

    #[test]
    fn one_ends_ones_own_token_and_only_administrators_end_those_of_administrators() {
        let permission = || PermissionSet::parse_joined(builtin::MCP_TOKENS_REVOKE);
        let asked = |own: bool, role, permissions, owner| {
            let ana = PersonFacts::of_ana(Status::Active, owner).person;
            let action = RevokeToken { id: CredentialId::new(NOW, &Random::seeded(6)), user: ana.id, role: owner, label: "x".to_owned() };
            let person = if own { ana } else { somebody_else() };
            authorize(&actor(person, CredentialKind::Token), &Standing { role, permissions }, action).map(drop)
        };
        let (user, boss) = (Role::User, Role::Administrator);
        assert_eq!(asked(true, user, PermissionSet::default(), user), Ok(()));
        assert_eq!(asked(true, boss, PermissionSet::default(), boss), Ok(()));
        assert_eq!(asked(false, user, PermissionSet::default(), user), Err(Reason::Permission(builtin::MCP_TOKENS_REVOKE)));
        assert_eq!(asked(false, user, permission(), user), Ok(()));
        assert_eq!(asked(false, user, permission(), boss), Err(Reason::Administrator));
        assert_eq!(asked(false, boss, PermissionSet::default(), boss), Ok(()));
    }
}
