//! Who connects an organization to Slack, and when what Slack answered is written. Slack lets nobody in, so that it is set up by
//! whoever changes settings.
//!
//! A look-up never gets in the way of a person's own decision: what was set by hand stays, and what was cleared by hand is
//! looked up only where somebody asks for it.

use super::{Action, Actor, ActorKind, Reason, Standing, SystemTask, Target, action::PersonFacts};
use crate::domain::{ConnectionId, LookUp, SlackBy, SlackId, SlackStop, Status, Workspace, builtin};
use usher_tools::Needs;

/// A connection to Slack as a rule sees it, under the lock.
#[derive(Clone, Debug)]
pub struct SlackFacts {
    /// Which.
    pub id: ConnectionId,
    /// Of which workspace.
    pub workspace: Workspace,
    /// Its token, sealed for this very row.
    pub sealed_token: String,
    /// Why Slack takes it no longer.
    pub stopped: Option<SlackStop>,
}

/// A workspace, or another token for the one that is connected.
#[derive(Clone, Debug)]
pub struct ConnectSlack {
    /// Id of the connection.
    pub id: ConnectionId,
    /// The workspace that the token belongs to.
    pub workspace: Workspace,
    /// The token, sealed for this very row.
    pub sealed_token: String,
    /// What is connected now.
    pub before: Option<SlackFacts>,
}

impl Action for ConnectSlack {
    const NAME: &'static str = builtin::SETTINGS_UPDATE;
    const NEEDS: Needs = Needs::Permission(builtin::SETTINGS_UPDATE);

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        // Ids of one workspace mean nothing in another.
        match &self.before {
            Some(before) if before.workspace.id != self.workspace.id => Err(Reason::WayClosed),
            Some(_) | None => Ok(()),
        }
    }
}

/// The end of a connection: its token is forgotten, and who waits to be looked up waits no longer.
#[derive(Clone, Debug)]
pub struct DisconnectSlack {
    /// Which.
    pub connection: SlackFacts,
}

impl Action for DisconnectSlack {
    const NAME: &'static str = builtin::SETTINGS_UPDATE;
    const NEEDS: Needs = Needs::Permission(builtin::SETTINGS_UPDATE);

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }
}

/// Looking up one person, or everybody who has no Slack ID of this workspace.
#[derive(Clone, Debug)]
pub struct AskSlack {
    /// Whom, if not everybody.
    pub person: Option<PersonFacts>,
    /// Whether their Slack ID was set by hand.
    pub by_hand: bool,
}

impl Action for AskSlack {
    const NAME: &'static str = "slack:asked";
    const NEEDS: Needs = Needs::Permission(builtin::SETTINGS_UPDATE);

    fn target(&self) -> Target {
        self.person.as_ref().map_or(Target::Organization, PersonFacts::target)
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        match self.person.as_ref().map(|person| person.status) {
            Some(Status::Deactivated) => return Err(Reason::Deactivated),
            Some(Status::Pending | Status::Active) | None => {}
        }
        if self.by_hand { Err(Reason::WayClosed) } else { Ok(()) }
    }
}

/// Only the server writes what Slack answered.
fn by_the_server(actor: &Actor) -> Result<(), Reason> {
    match actor.kind {
        ActorKind::System(SystemTask::Slack) => Ok(()),
        ActorKind::System(_) | ActorKind::User | ActorKind::Cli => Err(Reason::Administrator),
    }
}

/// Whether what Slack would answer may become a person's Slack ID. `decided` says who decided what it is now.
///
/// # Errors
/// For whoever is deactivated, and where somebody decided by hand.
pub fn may_be_found(status: Status, has_one: bool, decided: Option<SlackBy>, why: LookUp) -> Result<(), Reason> {
    match status {
        Status::Pending | Status::Active => {}
        Status::Deactivated => return Err(Reason::Deactivated),
    }
    let open = match decided {
        Some(SlackBy::LookUp) => true,
        Some(SlackBy::Hand) => !has_one && why == LookUp::Asked,
        // One that is there was written by an older version, which looked nobody up.
        None => !has_one,
    };
    if open { Ok(()) } else { Err(Reason::WayClosed) }
}

/// What Slack answered becomes a person's Slack ID.
#[derive(Clone, Debug)]
pub struct FoundInSlack {
    /// Who.
    pub person: PersonFacts,
    /// Their id there.
    pub slack_id: SlackId,
    /// Why they were looked up.
    pub why: LookUp,
    /// Whether they have a Slack ID now.
    pub has_one: bool,
    /// Who decided so.
    pub decided: Option<SlackBy>,
    /// Whether the connection that was asked by is still the organization's.
    pub connected: bool,
    /// The search text that follows from the id.
    pub folded: String,
}

impl Action for FoundInSlack {
    const NAME: &'static str = "slack:found";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        by_the_server(actor)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        may_be_found(self.person.status, self.has_one, self.decided, self.why)?;
        if self.connected { Ok(()) } else { Err(Reason::WayClosed) }
    }
}

/// Slack takes a connection's token no longer; nothing is asked by it from now on.
#[derive(Clone, Debug)]
pub struct StopSlack {
    /// Which connection.
    pub connection: SlackFacts,
    /// The token that Slack refused, sealed; another may have been put in its place since.
    pub refused_token: String,
    /// Why.
    pub stop: SlackStop,
}

impl Action for StopSlack {
    const NAME: &'static str = "slack:stopped";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        by_the_server(actor)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        let same = self.connection.sealed_token == self.refused_token;
        if same && self.connection.stopped.is_none() { Ok(()) } else { Err(Reason::WayClosed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authz::{Org, authorize},
        domain::{OrgId, PermissionSet, Random, Role, Timestamp},
    };

    fn org() -> Org {
        Org { number: 1, id: OrgId::new(Timestamp::from_millis(1_764_000_000_000), &Random::seeded(4)) }
    }

    fn found(status: Status, has_one: bool, decided: Option<SlackBy>, why: LookUp, connected: bool) -> FoundInSlack {
        let slack_id = SlackId::of_member("U012AB3CD").unwrap();
        FoundInSlack { person: PersonFacts::of_ana(status, Role::User), slack_id, why, has_one, decided, connected, folded: String::new() }
    }

    fn by(task: SystemTask, action: FoundInSlack) -> Result<(), Reason> {
        authorize(&Actor::system(org(), task), &Standing::above_roles(), action).map(drop)
    }

    fn workspace(id: &str) -> Workspace {
        Workspace::answered(id, "Acme").unwrap()
    }

    fn facts(id: ConnectionId, stopped: Option<SlackStop>) -> SlackFacts {
        SlackFacts { id, workspace: workspace("T012AB3C4"), sealed_token: "1.sealed".to_owned(), stopped }
    }

    #[test]
    fn whoever_changes_settings_connects_one_workspace_and_no_other_beside_it() {
        let id = ConnectionId::new(Timestamp::from_millis(1_764_000_000_000), &Random::seeded(5));
        let asked = |standing: &Standing, team: &str, before: Option<SlackFacts>| {
            let action = ConnectSlack { id, workspace: workspace(team), sealed_token: "1.other".to_owned(), before };
            authorize(&Actor::operator_on_the_host(org()), standing, action).map(drop)
        };
        assert_eq!(asked(&Standing::above_roles(), "T012AB3C4", None), Ok(()));
        assert_eq!(asked(&Standing::above_roles(), "T012AB3C4", Some(facts(id, Some(SlackStop::InvalidAuth)))), Ok(()));
        assert_eq!(asked(&Standing::above_roles(), "T0OTHER", Some(facts(id, None))), Err(Reason::WayClosed));
        let holder = Standing { role: Role::User, permissions: PermissionSet::parse_joined("settings:update") };
        assert_eq!(asked(&holder, "T012AB3C4", None), Ok(()));
        assert_eq!(asked(&Standing::nothing(), "T012AB3C4", None), Err(Reason::Permission(builtin::SETTINGS_UPDATE)));
    }

    #[test]
    fn a_refusal_stops_the_token_that_was_refused_and_only_once() {
        let id = ConnectionId::new(Timestamp::from_millis(1_764_000_000_000), &Random::seeded(5));
        let asked = |token: &str, stopped| {
            let action = StopSlack { connection: facts(id, stopped), refused_token: token.to_owned(), stop: SlackStop::TokenRevoked };
            authorize(&Actor::system(org(), SystemTask::Slack), &Standing::above_roles(), action).map(drop)
        };
        assert_eq!(asked("1.sealed", None), Ok(()));
        assert_eq!(asked("1.former", None), Err(Reason::WayClosed));
        assert_eq!(asked("1.sealed", Some(SlackStop::TokenRevoked)), Err(Reason::WayClosed));
    }

    #[test]
    fn what_was_decided_by_hand_stays_and_what_was_cleared_is_looked_up_only_where_asked() {
        use LookUp::{Asked, Joining};
        for (has_one, decided, why, expected) in [
            (false, None, Joining, true),
            (false, None, Asked, true),
            (false, Some(SlackBy::LookUp), Joining, true),
            (true, Some(SlackBy::LookUp), Joining, true),
            (true, Some(SlackBy::LookUp), Asked, true),
            (true, Some(SlackBy::Hand), Joining, false),
            (true, Some(SlackBy::Hand), Asked, false),
            (true, None, Asked, false),
            (false, Some(SlackBy::Hand), Joining, false),
            (false, Some(SlackBy::Hand), Asked, true),
        ] {
            let result = by(SystemTask::Slack, found(Status::Active, has_one, decided, why, true));
            assert_eq!(result.is_ok(), expected, "{has_one} {decided:?} {why:?}");
        }
    }

    #[test]
    fn only_the_server_writes_an_answer_and_only_of_people_and_connections_that_are_still_there() {
        let fine = || found(Status::Pending, false, None, LookUp::Joining, true);
        assert_eq!(by(SystemTask::Slack, fine()), Ok(()));
        assert_eq!(by(SystemTask::Mail, fine()), Err(Reason::Administrator));
        let host = authorize(&Actor::operator_on_the_host(org()), &Standing::above_roles(), fine()).map(drop);
        assert_eq!(host, Err(Reason::Administrator));
        assert_eq!(by(SystemTask::Slack, found(Status::Deactivated, false, None, LookUp::Asked, true)), Err(Reason::Deactivated));
        assert_eq!(by(SystemTask::Slack, found(Status::Active, false, None, LookUp::Asked, false)), Err(Reason::WayClosed));
    }
}
