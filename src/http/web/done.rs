//! What was just done, on the page that comes after it: said once, and only in the browser that did it.
//!
//! The word travels in a cookie and not in the address, where anybody's link could hold it. `Sec-Fetch-Site` would not do instead:
//! browsers leave it out over plain HTTP (Fetch Metadata, section 2).

use super::{
    door::go_to,
    visitor::{cookie, full_name, set, with_cookies},
};
use crate::{app::SharedApp, domain::UserId};
use axum::{
    http::{HeaderMap, HeaderValue},
    response::Response,
};

const COOKIE: &str = "usher_done";
/// Seconds in which the next page is asked for; after that it is no news.
const SECONDS: i64 = 60;

/// Something that a form of ours did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Name,
    Password,
    Sessions,
    Joined,
    Linked,
    Unlinked,
    Switched,
    LinkMailed,
    FactorRemoved,
    ResetMailed,
    FactorReset,
    NoFactorLeft,
    Invited,
    InvitedElsewhere,
    Resent,
    GroupMade,
    GroupSaved,
    GroupGone,
    PeopleIn,
    PersonOut,
    OldForm,
    SettingsSaved,
    SettingsAsBefore,
    ProviderConnected,
    ProviderAnswers,
    ProviderChanged,
    ProviderRemoved,
    SsoRequired,
    SsoOpen,
    SlackConnected,
    SlackAnswers,
    SlackAsked,
    SlackEnded,
    StepsHidden,
    TokenRevoked,
    Changed,
    Deactivated,
    Withdrawn,
    Reactivated,
    InvitedAgain,
    SentAgain,
    IntoGroups,
    OutOfGroup,
    OneTokenLess,
    AiAccessEnded,
    MovedOn,
}

impl Done {
    /// What the page of one's own says.
    pub(super) const OF_ONESELF: [Self; 9] = [
        Self::Name,
        Self::Password,
        Self::LinkMailed,
        Self::Sessions,
        Self::Joined,
        Self::Linked,
        Self::Unlinked,
        Self::Switched,
        Self::FactorRemoved,
    ];
    /// What the list of people whose passwords can be reset says.
    pub(super) const OF_PASSWORDS: [Self; 1] = [Self::ResetMailed];
    /// What the list of second factors says.
    pub(super) const OF_FACTORS: [Self; 2] = [Self::FactorReset, Self::NoFactorLeft];

    /// What the roster says.
    pub(super) const OF_PEOPLE: [Self; 4] = [Self::Invited, Self::InvitedElsewhere, Self::Resent, Self::StepsHidden];
    /// What the page of one's AI tools says.
    pub(super) const OF_TOOLS: [Self; 1] = [Self::TokenRevoked];

    /// What the pages of access groups say.
    pub(super) const OF_GROUPS: [Self; 6] =
        [Self::GroupMade, Self::GroupSaved, Self::GroupGone, Self::PeopleIn, Self::PersonOut, Self::OldForm];
    /// What the settings say.
    pub(super) const OF_SETTINGS: [Self; 12] = [
        Self::SettingsSaved,
        Self::SettingsAsBefore,
        Self::ProviderConnected,
        Self::ProviderAnswers,
        Self::ProviderChanged,
        Self::ProviderRemoved,
        Self::SsoRequired,
        Self::SsoOpen,
        Self::SlackConnected,
        Self::SlackAnswers,
        Self::SlackAsked,
        Self::SlackEnded,
    ];

    /// What the page of a person says of them.
    pub(super) const ABOUT_SOMEBODY: [Self; 11] = [
        Self::Changed,
        Self::Deactivated,
        Self::Withdrawn,
        Self::Reactivated,
        Self::InvitedAgain,
        Self::SentAgain,
        Self::IntoGroups,
        Self::OutOfGroup,
        Self::OneTokenLess,
        Self::AiAccessEnded,
        Self::MovedOn,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Password => "password",
            Self::Sessions => "sessions",
            Self::Joined => "joined",
            Self::Linked => "linked",
            Self::Unlinked => "unlinked",
            Self::Switched => "switched",
            Self::LinkMailed => "link_mailed",
            Self::FactorRemoved => "factor_removed",
            Self::ResetMailed => "reset_mailed",
            Self::FactorReset => "factor_reset",
            Self::NoFactorLeft => "no_factor_left",
            Self::Invited => "invited",
            Self::InvitedElsewhere => "invited_elsewhere",
            Self::Resent => "resent",
            Self::GroupMade => "group_made",
            Self::GroupSaved => "group_saved",
            Self::GroupGone => "group_gone",
            Self::PeopleIn => "people_in",
            Self::PersonOut => "person_out",
            Self::OldForm => "old_form",
            Self::SettingsSaved => "settings_saved",
            Self::SettingsAsBefore => "settings_as_before",
            Self::ProviderConnected => "provider_connected",
            Self::ProviderAnswers => "provider_answers",
            Self::ProviderChanged => "provider_changed",
            Self::ProviderRemoved => "provider_removed",
            Self::SsoRequired => "sso_required",
            Self::SsoOpen => "sso_open",
            Self::SlackConnected => "slack_connected",
            Self::SlackAnswers => "slack_answers",
            Self::SlackAsked => "slack_asked",
            Self::SlackEnded => "slack_ended",
            Self::StepsHidden => "steps_hidden",
            Self::TokenRevoked => "token_revoked",
            Self::Changed => "changed",
            Self::Deactivated => "deactivated",
            Self::Withdrawn => "withdrawn",
            Self::Reactivated => "reactivated",
            Self::InvitedAgain => "invited_again",
            Self::SentAgain => "sent_again",
            Self::IntoGroups => "into_groups",
            Self::OutOfGroup => "out_of_group",
            Self::OneTokenLess => "one_token_less",
            Self::AiAccessEnded => "ai_access_ended",
            Self::MovedOn => "moved_on",
        }
    }

    /// What the page says.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Name => "Your name is saved. Past entries of the audit log keep the old one.",
            Self::Password => "Your password is saved, and all other sessions have ended.",
            Self::Sessions => "Those sessions have ended.",
            Self::Joined => "You are in. Check your name below; it is yours to correct.",
            Self::Linked => "That sign-in opens your account from now on.",
            Self::Unlinked => "That sign-in opens your account no more.",
            Self::Switched => "You look at another account now.",
            Self::LinkMailed => {
                "A link to choose a new password is on its way to your mailbox. It works for 10 minutes, once, and only in this browser. After several in a row no further one is sent for a while."
            }
            Self::ResetMailed => "A mail with the link is on its way to them. An earlier one opens nothing any more.",
            Self::FactorRemoved => "Your second factor is gone, and all other sessions have ended.",
            Self::FactorReset => "The second factor is gone, and all sessions of its person have ended. A mail tells them.",
            Self::NoFactorLeft => "They have no second factor any more; nothing was changed.",
            Self::Invited => "They are invited, and Pending until they open the link in their mail. It works for 7 days.",
            Self::InvitedElsewhere => {
                "They are invited. The domain of their address is not among those that your organization invites: check that it is the person you mean."
            }
            Self::Resent => "A new invite is on its way. The links of earlier ones open nothing any more.",
            Self::GroupMade => {
                "The group is there, and nobody is in it yet. Put people in; what it gives holds on their very next request."
            }
            Self::GroupSaved => "The group is saved. It holds for everybody in it on their very next request.",
            Self::GroupGone => "The group is gone, and with it what it gave. All accounts and other groups stay.",
            Self::PeopleIn => "They are in the group. What it gives holds on their very next request.",
            Self::PersonOut => "They are out of the group. What it gave them has ended.",
            Self::OldForm => "Nothing was done: this form was sent before, and the group has changed since. This is how it stands.",
            Self::SettingsSaved => "It is saved, and holds from the next request on.",
            Self::SettingsAsBefore => "It was so before; nothing was changed.",
            Self::ProviderConnected => {
                "The provider is connected. Register its redirect address there, then sign in through it once yourself."
            }
            Self::ProviderAnswers => "The provider answers as itself. Sign in once to try the registration, too.",
            Self::ProviderChanged => "The registration is saved. Whom the provider names anew confirms once by mail.",
            Self::ProviderRemoved => "The connection has ended, and its secret is forgotten.",
            Self::SsoRequired => "Single sign-on is required. Sessions that came in another way have ended.",
            Self::SsoOpen => "The other ways in are open again.",
            Self::SlackConnected => "Slack is connected. Who is here already is looked up once you choose it.",
            Self::SlackAnswers => "Slack takes the token.",
            Self::SlackAsked => "Everybody without a Slack ID is looked up, as fast as Slack allows.",
            Self::SlackEnded => "Slack is disconnected, and its token forgotten.",
            Self::StepsHidden => "The next steps are put away, for all Administrators.",
            Self::TokenRevoked => "That token is revoked. Whatever used it is answered 401 from its next call on.",
            Self::Changed => "What is new holds on the very next request; the audit log keeps what was before.",
            Self::Deactivated => "All their access has ended. Their groups and their entries in the audit log stay.",
            Self::Withdrawn => "The link in their mail opens nothing any more. You can reactivate them with a new one.",
            Self::Reactivated => "They sign in anew and connect their tools anew: nothing from before works again.",
            Self::InvitedAgain => "A mail with a new link is on its way to them. It works for 7 days.",
            Self::SentAgain => "It works for 7 days. The links of earlier ones open nothing any more.",
            Self::IntoGroups => "What these give holds on their very next request.",
            Self::OutOfGroup => "What it gave is gone on their very next request.",
            Self::OneTokenLess => "Its next call gets 401 Unauthorized.",
            Self::AiAccessEnded => "The next call of each token gets 401 Unauthorized. They can still sign in.",
            Self::MovedOn => "Nothing was done: this form was sent before, and somebody else did otherwise since. This is how it stands.",
        }
    }

    /// The end of a sentence that begins with the name of whom it was done to; none where it is about nobody in particular.
    pub(super) const fn result(self) -> Option<&'static str> {
        match self {
            Self::Changed => Some("is saved."),
            Self::Deactivated => Some("is deactivated."),
            Self::Withdrawn => Some("is invited no more."),
            Self::Reactivated => Some("is active again."),
            Self::InvitedAgain => Some("is invited again."),
            Self::SentAgain => Some("is sent a new invite."),
            Self::IntoGroups => Some("is in the chosen access groups."),
            Self::OutOfGroup => Some("is in that access group no more."),
            Self::OneTokenLess => Some("has a token less."),
            Self::AiAccessEnded => Some("has no AI tool connected."),
            Self::MovedOn => Some("was changed meanwhile."),
            Self::Name
            | Self::Password
            | Self::Sessions
            | Self::Joined
            | Self::Linked
            | Self::Unlinked
            | Self::Switched
            | Self::LinkMailed
            | Self::FactorRemoved
            | Self::ResetMailed
            | Self::FactorReset
            | Self::NoFactorLeft
            | Self::Invited
            | Self::InvitedElsewhere
            | Self::Resent
            | Self::GroupMade
            | Self::GroupSaved
            | Self::GroupGone
            | Self::PeopleIn
            | Self::PersonOut
            | Self::OldForm
            | Self::SettingsSaved
            | Self::SettingsAsBefore
            | Self::ProviderConnected
            | Self::ProviderAnswers
            | Self::ProviderChanged
            | Self::ProviderRemoved
            | Self::SsoRequired
            | Self::SsoOpen
            | Self::SlackConnected
            | Self::SlackAnswers
            | Self::SlackAsked
            | Self::SlackEnded
            | Self::StepsHidden
            | Self::TokenRevoked => None,
        }
    }

    /// The cookie that tells the next page.
    fn cookie(self, app: &SharedApp) -> Option<HeaderValue> {
        set(app, COOKIE, self.word(), SECONDS)
    }
}

/// Sends the browser on to the page that says what was done.
pub(super) fn go_and_say(app: &SharedApp, path: &str, done: Done) -> Response {
    with_cookies(go_to(app, path), [done.cookie(app)])
}

/// The same where the page is about somebody. The cookie holds their id alone: the page names them if its visitor may see them.
pub(super) fn go_and_say_of(app: &SharedApp, path: &str, done: Done, of: UserId) -> Response {
    with_cookies(go_to(app, path), [set(app, COOKIE, &format!("{}.{of}", done.word()), SECONDS)])
}

/// What a list of people has to say, of what it can say, and of whom.
pub(super) fn just_somebody(app: &SharedApp, headers: &HeaderMap, sayable: &[Done]) -> Option<(Done, Option<UserId>)> {
    let said = cookie(headers, &full_name(app, COOKIE))?;
    let (word, id) = said.split_once('.').unwrap_or((said, ""));
    sayable.iter().copied().find(|done| done.word() == word).map(|done| (done, UserId::parse(id)))
}

/// What the page about somebody has to say, of what it can say: only what was done to them.
pub(super) fn just_of(app: &SharedApp, headers: &HeaderMap, sayable: &[Done], of: UserId) -> Option<Done> {
    let (word, id) = cookie(headers, &full_name(app, COOKIE))?.split_once('.')?;
    sayable.iter().copied().find(|done| done.word() == word).filter(|_| UserId::parse(id) == Some(of))
}

/// What a page has to say, of what it can say.
pub(super) fn just(app: &SharedApp, headers: &HeaderMap, sayable: &[Done]) -> Option<Done> {
    let word = cookie(headers, &full_name(app, COOKIE))?;
    sayable.iter().copied().find(|done| done.word() == word)
}

/// The page that says it, which takes the word away.
pub(super) fn said(app: &SharedApp, page: Response, done: Option<Done>) -> Response {
    let gone = done.and_then(|_| set(app, COOKIE, "", 0));
    with_cookies(page, [gone])
}
