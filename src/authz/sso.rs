//! Who connects an organization to a provider, and how an identity there comes to open an account here.
//!
//! A provider must not take over an account that it did not open: an identity is linked by an invite, by its person after
//! fresh proof, or by a link to the account's own mailbox. Its address alone links nothing.

use super::{
    Action, Actor, Reason, Standing, Target,
    action::PersonFacts,
    door::{LinkFacts, Proved, is_fresh},
};
use crate::domain::{ConnectionId, LinkKind, Timestamp, Untrusted};
use serde::{Deserialize, Serialize};
use usher_tools::Needs;

/// A connection as a rule sees it, under the lock.
#[derive(Clone, Debug)]
pub struct ConnectionFacts {
    /// Which.
    pub id: ConnectionId,
    /// What people read on the button.
    pub name: String,
    /// The registration at the provider.
    pub client_id: String,
}

/// A new connection to a provider.
#[derive(Clone, Debug)]
pub struct ConnectProvider {
    /// Id of the connection to be.
    pub id: ConnectionId,
    /// What people read on the button.
    pub name: Untrusted,
    /// The issuer, byte by byte.
    pub issuer: String,
    /// The tenants that count there, separated by commas.
    pub tenants: Option<String>,
    /// The registration at the provider.
    pub client_id: String,
    /// Its secret, sealed for this very row.
    pub sealed_secret: String,
    /// Whether an address counts that the provider does not call verified.
    pub trusts_unverified_email: bool,
    /// When whoever decides was last proved.
    pub proved: Proved,
}

impl Action for ConnectProvider {
    const NAME: &'static str = "sso:connected";
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

/// Another registration at the same provider, or another secret.
#[derive(Clone, Debug)]
pub struct ChangeProvider {
    /// Which.
    pub connection: ConnectionFacts,
    /// The registration from now on.
    pub client_id: String,
    /// Its secret, sealed for this very row.
    pub sealed_secret: String,
    /// When whoever decides was last proved.
    pub proved: Proved,
}

impl Action for ChangeProvider {
    const NAME: &'static str = "sso:relinked";
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

/// The end of a connection. Its identities stay known, and open nothing.
#[derive(Clone, Debug)]
pub struct RemoveProvider {
    /// Which.
    pub connection: ConnectionFacts,
    /// Whether people sign in through a provider only.
    pub sso_required: bool,
    /// How many others there are.
    pub others: usize,
    /// When whoever decides was last proved.
    pub proved: Proved,
}

impl Action for RemoveProvider {
    const NAME: &'static str = "sso:removed";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }

    fn possible(&self, actor: &Actor) -> Result<(), Reason> {
        self.proved.anew(actor)?;
        // The last way in stays.
        if self.sso_required && self.others == 0 { Err(Reason::WayClosed) } else { Ok(()) }
    }
}

/// What required single sign-on rests on: without the first nobody may get in, without the second nobody does on the day on
/// which the provider is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footing {
    /// Whether an active Administrator came in through a live connection, as it is registered now.
    pub proven: bool,
    /// Whether an active Administrator has a password.
    pub break_glass: bool,
}

impl Footing {
    /// Whether people can be held to the provider.
    #[must_use]
    pub fn holds(self) -> bool {
        self.proven && self.break_glass
    }

    /// The same after a write that must not take away what was there.
    ///
    /// # Errors
    /// What is gone by it.
    pub fn keeps(self, after: Self) -> Result<(), Lost> {
        if self.proven && !after.proven {
            Err(Lost::Proven)
        } else if self.break_glass && !after.break_glass {
            Err(Lost::BreakGlass)
        } else {
            Ok(())
        }
    }
}

/// A part of the [`Footing`] that a write would take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nobody would have come in through the provider.
    Proven,
    /// Nobody would come in without it.
    BreakGlass,
}

/// Whether people sign in through the provider only.
#[derive(Clone, Debug)]
pub struct RequireSso {
    /// From now on.
    pub required: bool,
    /// What it would rest on.
    pub footing: Footing,
    /// The connection that was there first, if there is one: what the Administrators are told of.
    pub connection: Option<ConnectionId>,
    /// When whoever decides was last proved.
    pub proved: Proved,
}

impl Action for RequireSso {
    const NAME: &'static str = "sso:required";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }

    fn possible(&self, actor: &Actor) -> Result<(), Reason> {
        self.proved.anew(actor)?;
        if !self.required || self.footing.holds() { Ok(()) } else { Err(Reason::WayClosed) }
    }
}

/// An identity at a provider of the organization's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewIdentity {
    /// By which connection.
    #[serde(with = "connection")]
    pub connection: ConnectionId,
    /// The issuer, as the token named it.
    pub issuer: String,
    /// Who, for that issuer.
    pub subject: String,
    /// The address that the provider gave, folded; only ever shown.
    pub email: Option<String>,
}

mod connection {
    use crate::domain::ConnectionId;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &ConnectionId, to: S) -> Result<S::Ok, S::Error> {
        id.as_uuid().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ConnectionId, D::Error> {
        uuid::Uuid::deserialize(from).map(ConnectionId::from_uuid)
    }
}

/// By what an identity is linked outside of an invite.
#[derive(Clone, Debug)]
pub enum LinkProof {
    /// Its person is signed in, and was proved a moment ago.
    Fresh {
        /// When they were last proved.
        proved_at: Timestamp,
    },
    /// A link to the account's own mailbox, opened in the browser that came with the identity.
    Mailbox {
        /// As it is under the lock.
        link: LinkFacts,
        /// The browser that shows it.
        browser: Option<[u8; 32]>,
        /// Whether the link was made for this very identity.
        same: bool,
    },
}

/// From now on an identity opens this account.
#[derive(Clone, Debug)]
pub struct LinkIdentity {
    /// Whose account.
    pub person: PersonFacts,
    /// Which identity.
    pub identity: NewIdentity,
    /// Whether its connection is still one of this organization's.
    pub connected: bool,
    /// By what.
    pub proof: LinkProof,
    /// Now, under the lock.
    pub now: Timestamp,
}

impl Action for LinkIdentity {
    const NAME: &'static str = "identity:linked";
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
            LinkProof::Fresh { proved_at } => is_fresh(*proved_at, self.now),
            LinkProof::Mailbox { link, browser, same } => {
                if link.kind != LinkKind::Identity || !link.opens(self.now, *browser) {
                    return Err(Reason::DeadLink);
                }
                *same
            }
        };
        if shown && self.connected { Ok(()) } else { Err(Reason::WayClosed) }
    }
}

/// From now on an identity opens this account no more.
#[derive(Clone, Debug)]
pub struct UnlinkIdentity {
    /// Whose account.
    pub person: PersonFacts,
    /// Issuer and subject.
    pub identity: (String, String),
    /// Whether people sign in through a provider only.
    pub sso_required: bool,
    /// How many other identities at live connections open the account.
    pub others: usize,
    /// When its person was last proved: whoever finds an open browser must not close a door of its owner's.
    pub proved: Proved,
}

impl Action for UnlinkIdentity {
    const NAME: &'static str = "identity:unlinked";
    const NEEDS: Needs = Needs::Nothing;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, _: &Standing) -> Result<(), Reason> {
        self.person.own(actor)
    }

    fn possible(&self, actor: &Actor) -> Result<(), Reason> {
        self.proved.anew(actor)?;
        // Where SSO is required there is no other way in.
        if self.sso_required && self.others == 0 { Err(Reason::WayClosed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authz::{CredentialKind, Org, Scopes, Surface, authorize, door::FRESH},
        domain::{LinkId, OrgId, Random, Role, Status},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn linking(status: Status, proof: LinkProof) -> LinkIdentity {
        let random = Random::seeded(3);
        LinkIdentity {
            person: PersonFacts::of_ana(status, Role::User),
            identity: NewIdentity {
                connection: ConnectionId::new(NOW, &random),
                issuer: "https://idp.example".to_owned(),
                subject: "ana".to_owned(),
                email: None,
            },
            connected: true,
            proof,
            now: NOW,
        }
    }

    fn mailbox(kind: LinkKind, browser: [u8; 32], same: bool) -> LinkProof {
        let link = LinkFacts { id: LinkId::new(NOW, &Random::seeded(5)), kind, ended: false, expires_at: NOW, browser: Some([1; 32]) };
        LinkProof::Mailbox { link, browser: Some(browser), same }
    }

    fn asked(action: LinkIdentity) -> Result<(), Reason> {
        let org = Org { number: 1, id: OrgId::new(NOW, &Random::seeded(4)) };
        let credential = (CredentialKind::Identity, action.identity.connection.as_uuid());
        let actor = Actor::person(org, action.person.person, credential, Scopes { write: true }, Surface::Web, None);
        authorize(&actor, &Standing::nothing(), action).map(drop)
    }

    #[test]
    fn an_identity_is_linked_by_fresh_proof_or_the_accounts_own_mailbox_and_never_by_itself() {
        let fresh = |ago: i64| LinkProof::Fresh { proved_at: NOW.plus(-ago) };
        assert_eq!(asked(linking(Status::Active, fresh(FRESH))), Ok(()));
        assert_eq!(asked(linking(Status::Active, fresh(FRESH + 1))), Err(Reason::WayClosed));
        assert_eq!(asked(linking(Status::Active, mailbox(LinkKind::Identity, [1; 32], true))), Ok(()));
        assert_eq!(asked(linking(Status::Active, mailbox(LinkKind::Identity, [1; 32], false))), Err(Reason::WayClosed));
        assert_eq!(asked(linking(Status::Active, mailbox(LinkKind::Identity, [2; 32], true))), Err(Reason::DeadLink));
        assert_eq!(asked(linking(Status::Active, mailbox(LinkKind::SignIn, [1; 32], true))), Err(Reason::DeadLink));
        assert_eq!(asked(linking(Status::Deactivated, fresh(0))), Err(Reason::Deactivated));
        assert_eq!(asked(linking(Status::Pending, fresh(0))), Err(Reason::NotPending));
        assert_eq!(asked(LinkIdentity { connected: false, ..linking(Status::Active, fresh(0)) }), Err(Reason::WayClosed));
    }

    #[test]
    fn sso_is_required_only_once_an_administrator_came_in_by_it_and_another_way_is_left() {
        let org = Org { number: 1, id: OrgId::new(NOW, &Random::seeded(4)) };
        let asked = |required, proven, break_glass| {
            let proved = Proved { at: None, now: NOW };
            let action = RequireSso { required, connection: None, footing: Footing { proven, break_glass }, proved };
            authorize(&Actor::operator_on_the_host(org), &Standing::above_roles(), action).map(drop)
        };
        assert_eq!(asked(true, true, true), Ok(()));
        assert_eq!(asked(false, false, false), Ok(()));
        for (proven, break_glass) in [(false, true), (true, false), (false, false)] {
            assert_eq!(asked(true, proven, break_glass), Err(Reason::WayClosed));
        }
    }

    #[test]
    fn what_required_sso_rests_on_is_not_taken_away_and_what_was_gone_before_stands_in_nobodys_way() {
        let footing = |proven, break_glass| Footing { proven, break_glass };
        let both = footing(true, true);
        assert_eq!(both.keeps(both), Ok(()));
        assert_eq!(both.keeps(footing(false, true)), Err(Lost::Proven));
        assert_eq!(both.keeps(footing(true, false)), Err(Lost::BreakGlass));
        assert_eq!(footing(false, false).keeps(footing(false, false)), Ok(()));
        assert_eq!(footing(false, true).keeps(both), Ok(()));
    }
}
