//! What is done to an organization itself: making it, changing it, deciding how its people get in, and putting its first steps away.

use super::{Action, Actor, Reason, Standing, Target, door::Proved};
use crate::domain::{Email, PersonName, Settings, Untrusted, UserId, builtin};
use usher_tools::Needs;

/// Making an organization and its first Administrator on the host (B14).
#[derive(Clone, Debug)]
pub struct CreateOrganization {
    /// Id of the person to be.
    pub id: UserId,
    /// Their address.
    pub email: Email,
    /// Their names.
    pub name: PersonName,
}

impl Action for CreateOrganization {
    const NAME: &'static str = "organization:created";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        Target::User { id: self.id, name: self.name.full() }
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }
}

/// Another name of an organization.
#[derive(Clone, Debug)]
pub struct RenameOrganization {
    /// The name before.
    pub before: String,
    /// The name from now on.
    pub name: Untrusted,
}

impl Action for RenameOrganization {
    const NAME: &'static str = "organization:changed";
    const NEEDS: Needs = Needs::Permission(builtin::SETTINGS_UPDATE);

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }
}

/// Suspending or resuming an organization on the host.
#[derive(Clone, Debug)]
pub struct SuspendOrganization {
    /// Whether nobody gets in from now on.
    pub suspend: bool,
}

impl Action for SuspendOrganization {
    const NAME: &'static str = "organization:changed";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        // Nobody of the organization could take it back.
        if actor.user().is_none() { Ok(()) } else { Err(Reason::WayClosed) }
    }
}

/// Other decisions of an organization about how its people get in.
#[derive(Clone, Debug)]
pub struct ChangeSettings {
    /// What it decided before.
    pub before: Settings,
    /// What it decides from now on.
    pub after: Settings,
    /// When whoever decides was last proved.
    pub proved: Proved,
}

impl Action for ChangeSettings {
    const NAME: &'static str = builtin::SETTINGS_UPDATE;
    // They decide who gets in.
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }

    fn possible(&self, actor: &Actor) -> Result<(), Reason> {
        self.proved.anew(actor)
    }
}

/// Whether somebody sees an organization's settings, never its secrets. Whoever may change some sees them, too.
///
/// # Errors
/// The permission that is missing.
pub fn sees_settings(standing: &Standing) -> Result<(), Reason> {
    let sees = [builtin::SETTINGS_READ, builtin::SETTINGS_UPDATE].into_iter().any(|permission| standing.holds(permission));
    if sees { Ok(()) } else { Err(Reason::Permission(builtin::SETTINGS_READ)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authz::{CredentialKind, Org, PersonRef, Scopes, Surface, authorize, door::FRESH},
        domain::{OrgId, PermissionSet, Random, Role, Timestamp},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn org() -> Org {
        Org { number: 1, id: OrgId::new(NOW, &Random::seeded(4)) }
    }

    fn person() -> Actor {
        let person = PersonRef { key: 1, id: UserId::new(NOW, &Random::seeded(3)) };
        Actor::person(org(), person, (CredentialKind::Session, uuid::Uuid::nil()), Scopes { write: true }, Surface::Web, None)
    }

    fn holding(role: Role, permissions: &str) -> Standing {
        Standing { role, permissions: PermissionSet::parse_joined(permissions) }
    }

    #[test]
    fn what_decides_who_gets_in_is_an_administrators_who_was_proved_lately() {
        let asked = |standing: &Standing, ago: i64| {
            let proved = Proved { at: Some(NOW.plus(-ago)), now: NOW };
            authorize(&person(), standing, ChangeSettings { before: Settings::default(), after: Settings::default(), proved }).map(drop)
        };
        let administrator = holding(Role::Administrator, "");
        assert_eq!(asked(&administrator, FRESH), Ok(()));
        assert_eq!(asked(&administrator, FRESH + 1), Err(Reason::NotProvedAnew));
        assert_eq!(asked(&holding(Role::User, "settings:update"), 0), Err(Reason::Administrator));
    }

    #[test]
    fn a_name_decides_nothing_and_is_changed_by_whoever_changes_settings() {
        let asked = |permissions: &str| {
            let name = Untrusted::parse_name("name", "New", 100).expect("a name");
            authorize(&person(), &holding(Role::User, permissions), RenameOrganization { before: "Old".to_owned(), name }).map(drop)
        };
        assert_eq!(asked("settings:update"), Ok(()));
        assert_eq!(asked("settings:read"), Err(Reason::Permission(builtin::SETTINGS_UPDATE)));
        for (permissions, sees) in [("settings:read", true), ("settings:update", true), ("users:read", false)] {
            assert_eq!(sees_settings(&holding(Role::User, permissions)).is_ok(), sees, "{permissions}");
        }
    }

    #[test]
    fn only_the_host_suspends() {
        let asked = |actor: &Actor| authorize(actor, &Standing::above_roles(), SuspendOrganization { suspend: true }).map(drop);
        assert_eq!(asked(&Actor::operator_on_the_host(org())), Ok(()));
        assert_eq!(asked(&person()), Err(Reason::WayClosed));
    }
}

/// The list of first steps is put away, for all Administrators.
#[derive(Clone, Debug)]
pub struct HideSteps {
    /// What the organization decides, the list put away.
    pub settings: Settings,
}

impl Action for HideSteps {
    const NAME: &'static str = builtin::SETTINGS_UPDATE;
    // The list is theirs alone.
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }
}
