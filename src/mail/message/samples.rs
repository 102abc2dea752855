//! One letter of every kind, for the tests beside the builder and for those in a browser. The module that takes this in
//! brings the types.

use super::{IdentityChange, Language, Letter, Link, Matter, Role, SecondFactorChange, SsoChange, Timestamp};

/// The end of the link: Wednesday 2 December 2026, 14:00 UTC.
pub(super) const UNTIL: Timestamp = Timestamp::from_millis(1_796_220_000_000);
const DATE: Timestamp = Timestamp::from_millis(1_795_615_200_000);

/// A letter to Oksana about this.
pub(super) fn about(matter: Matter<'static>) -> Letter<'static> {
    Letter {
        language: Language::English,
        from: "usher <usher@larkspur.example>",
        to_email: "oksana.petrenko@larkspur.example",
        to_first: "Oksana",
        to_last: "Petrenko",
        organization: "Larkspur Freight",
        host: "usher.larkspur.example",
        message_id: "<01990b1c7e1a.1@usher.larkspur.example>",
        date: DATE,
        matter,
    }
}

/// Every letter, with `name` wherever somebody chose a text of its matter and `url` as its link.
pub(super) fn letters(name: &'static str, url: &'static str) -> Vec<Letter<'static>> {
    let link = Link { url, until: UNTIL };
    let (by, browser) = (Some(name), Some(name));
    let sso = [SsoChange::Connected, SsoChange::Changed, SsoChange::Removed, SsoChange::Required, SsoChange::NotRequired];
    let factor = [SecondFactorChange::Added, SecondFactorChange::Removed, SecondFactorChange::Reset];
    let mut matters = vec![
        Matter::Invite { inviter: name, role: Role::User, link, again: false },
        Matter::Invite { inviter: name, role: Role::Administrator, link, again: true },
        Matter::SignInLink { link, browser },
        Matter::ResetLink { link, browser, first: false },
        Matter::ResetLink { link, browser, first: true },
        Matter::StartedReset { by: name, link, first: false },
        Matter::StartedReset { by: name, link, first: true },
        Matter::LinkIdentity { provider: name, link, browser },
        Matter::PasswordChanged { browser, first: false },
        Matter::PasswordChanged { browser, first: true },
        Matter::NewBrowser { browser },
        Matter::AdministratorMade { who: name, by },
        Matter::BreakGlassChanged { who: name, may: true, by },
        Matter::BreakGlassChanged { who: name, may: false, by },
        Matter::TokenEnding { label: name, ends: UNTIL },
        Matter::RecoveryCodeUsed { left: 7, browser },
        Matter::IdentityChanged { change: IdentityChange::Linked, provider: name },
        Matter::IdentityChanged { change: IdentityChange::Unlinked, provider: name },
    ];
    matters.extend(sso.map(|change| Matter::SsoChanged { change, provider: name, by }));
    matters.extend(factor.map(|change| Matter::SecondFactorChanged { change, by, browser }));
    matters.into_iter().map(about).collect()
}
