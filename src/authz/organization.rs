//! What is done to an organization itself: making it, changing it, and deciding how its people get in.

use super::{Action, Actor, Reason, Standing, Target};
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

/// Renaming, suspending or resuming an organization on the host.
#[derive(Clone, Debug)]
pub struct ChangeOrganization {
    /// The name before.
    pub name: String,
    /// A new name.
    pub rename: Option<Untrusted>,
    /// Whether nobody gets in from now on.
    pub suspend: Option<bool>,
}

impl Action for ChangeOrganization {
    const NAME: &'static str = "organization:changed";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }
}

/// Other decisions of an organization about how its people get in.
#[derive(Clone, Debug)]
pub struct ChangeSettings {
    /// What it decided before.
    pub before: Settings,
    /// What it decides from now on.
    pub after: Settings,
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
}
