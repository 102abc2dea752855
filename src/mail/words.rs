//! What the letters say: all words of all mails, by language.
//!
//! A language is one function with one arm per [`Matter`]. A second one is a second such function, and the compiler asks
//! for every letter in it; nothing is looked up by a key that could be missing. Sentences name facts in braces
//! (`{inviter}`), so that each language puts them where its grammar wants them. Plain `format!` would not do: a name is set
//! apart from our words in HTML (`<bdi>`), and the text part shows it as it is.

use super::letter::{Letter, Matter};
use crate::domain::{IdentityChange, Role, SecondFactorChange, SsoChange, Timestamp};

/// The language of a letter. There is one so far: nothing in the product says yet what somebody reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
}

/// A fact that a sentence or a row of a letter may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// The recipient's first name.
    First,
    /// Their whole name.
    Person,
    /// Their address.
    Email,
    /// The organization's name.
    Organization,
    /// The host of this server.
    Host,
    /// When it happened.
    When,
    /// Whoever invited.
    Inviter,
    /// Role to be.
    Role,
    /// The link's end.
    Until,
    /// A browser in words.
    Browser,
    /// An identity provider.
    Provider,
    /// Whoever did it.
    By,
    /// Whom it was done to.
    Who,
    /// A token's name.
    Label,
    /// A token's end.
    Ends,
    /// How many recovery codes are left.
    Left,
}

impl Fact {
    /// The fact that a sentence names so.
    pub(super) fn named(name: &str) -> Option<Self> {
        let facts = [
            ("first", Self::First),
            ("person", Self::Person),
            ("email", Self::Email),
            ("organization", Self::Organization),
            ("host", Self::Host),
            ("when", Self::When),
            ("inviter", Self::Inviter),
            ("role", Self::Role),
            ("until", Self::Until),
            ("browser", Self::Browser),
            ("provider", Self::Provider),
            ("by", Self::By),
            ("who", Self::Who),
            ("label", Self::Label),
            ("ends", Self::Ends),
            ("left", Self::Left),
        ];
        facts.into_iter().find(|(known, _)| *known == name).map(|(_, fact)| fact)
    }
}

/// One letter's words. A sentence ends with its full stop, except subject, title, `ask` and `sent`, which get what their
/// place asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// The subject.
    pub(super) subject: &'static str,
    /// What happened: the headline of the HTML part, the first sentence of the text part.
    pub(super) title: &'static str,
    /// What a list of mails shows beside the subject.
    pub(super) preview: &'static str,
    /// What it means, and what to do if it was not you.
    pub(super) paragraphs: &'static [&'static str],
    /// Around the link, in the letters that have one.
    pub(super) link: Option<LinkWords>,
    /// The facts in rows, with their labels; one that is not known is left out.
    pub(super) rows: &'static [(&'static str, Fact)],
    /// In small print below the link's letters: for whom the link is, and what to do if it was not expected.
    pub(super) foot: Option<&'static str>,
    /// Why this was sent and by whom, in two lines.
    pub(super) sent: &'static str,
}

/// The words around a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkWords {
    /// What to do with it.
    pub(super) ask: &'static str,
    /// On the button.
    pub(super) button: &'static str,
    /// What does not happen by opening it.
    pub(super) after: &'static str,
}

/// The words that all letters share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    /// BCP 47 tag.
    pub(super) tag: &'static str,
    /// The name people see as the sender.
    pub(super) sender: &'static str,
    /// The first line.
    pub(super) greeting: &'static str,
    /// Before the link in full, below the button.
    pub(super) paste: &'static str,
}

/// Words for those who have no name here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nameless {
    /// Whoever has a shell on the host.
    pub(super) operator: &'static str,
    /// The server itself.
    pub(super) usher: &'static str,
    /// An identity provider.
    pub(super) provider: &'static str,
}

impl Language {
    /// The words of one letter.
    pub(super) fn words(self, letter: &Letter) -> Words {
        match self {
            Self::English => english(&letter.matter),
        }
    }

    /// The words that all letters share.
    pub(super) fn shared(self) -> Shared {
        match self {
            Self::English => Shared {
                tag: "en",
                sender: "{organization} via usher",
                greeting: "Hello {first},",
                paste: "Button not working? Paste this address into your browser:",
            },
        }
    }

    /// A moment in full, with its zone (R-B101).
    pub(super) fn moment(self, at: Timestamp) -> String {
        match self {
            Self::English => at.words_utc(),
        }
    }

    /// A moment in short, with its zone.
    pub(super) fn short_moment(self, at: Timestamp) -> String {
        match self {
            Self::English => at.short_utc(),
        }
    }

    /// Whoever has a shell on the host, and the server itself; a provider without a name.
    pub(super) fn nameless(self) -> Nameless {
        match self {
            Self::English => Nameless { operator: "The operator of this server", usher: "usher itself", provider: "your provider" },
        }
    }

    /// A role.
    pub(super) fn role(self, role: Role) -> &'static str {
        match self {
            Self::English => role.shown(),
        }
    }
}

/// For everything that a person did not ask for.
const SENT_TO_THE_OWNER: &str = "Sent because it concerns your account at {organization},\nby usher at {host}";
const SENT_TO_ADMINISTRATORS: &str = "Sent to every Administrator of {organization},\nby usher at {host}";
const SENT_TO_WHOM_IT_WAS_ASKED_FOR: &str = "Sent because somebody who looks after {organization} asked for it,\nby usher at {host}";
const STARTED_ROWS: &[(&str, Fact)] = &[("For", Fact::Person), ("Asked for by", Fact::By), ("Until", Fact::Until)];
const WHEN_AND_WHERE: &[(&str, Fact)] = &[("When", Fact::When), ("In", Fact::Browser)];
const WHEN_BY_AND_WHERE: &[(&str, Fact)] = &[("When", Fact::When), ("By", Fact::By), ("In", Fact::Browser)];
const LINK_ROWS: &[(&str, Fact)] = &[("For", Fact::Person), ("Asked in", Fact::Browser), ("Until", Fact::Until)];
const SSO_ROWS: &[(&str, Fact)] = &[("Provider", Fact::Provider), ("By", Fact::By), ("When", Fact::When)];
const WHO_ROWS: &[(&str, Fact)] = &[("Who", Fact::Who), ("By", Fact::By), ("When", Fact::When)];
const CHECK_SSO: &str = "If nobody of you meant this, look in the audit log for who did it, and undo it together: whoever decides on single sign-on decides who gets in.";

#[expect(clippy::too_many_lines, reason = "one arm per letter, and nothing but words")]
fn english(matter: &Matter) -> Words {
    match matter {
        Matter::Invite { again, .. } => Words {
            subject: "{inviter} invited you to {organization}",
            title: "{inviter} invited you to {organization}",
            preview: "Open the invite to join as {role}. The link works until {until}.",
            paragraphs: if *again {
                &["This invite takes the place of every earlier one: their links open nothing any more."]
            } else {
                &[]
            },
            link: Some(LinkWords {
                ask: "Open this page, check the name that stands there, and join",
                button: "Open the invite",
                after: "Nothing happens before you choose Join.",
            }),
            rows: &[("Admits", Fact::Person), ("As", Fact::Role), ("Until", Fact::Until)],
            foot: Some(
                "The link is for {email} alone: please do not forward it. Not expected? Ignore this email; no account is opened without you.",
            ),
            sent: "Sent once, because {inviter} asked for it,\nby usher at {host}",
        },
        Matter::SignInLink { .. } => Words {
            subject: "Your link to sign in to {organization}",
            title: "Sign in to {organization}",
            preview: "It works once, for 10 minutes, in the browser in which you asked for it.",
            paragraphs: &["The link works once, for 10 minutes, and only in the browser in which you asked for it."],
            link: Some(LinkWords {
                ask: "Open this page in that browser, and sign in",
                button: "Open the sign-in page",
                after: "Nothing happens before you choose Sign in.",
            }),
            rows: LINK_ROWS,
            foot: Some(
                "The link is for {email} alone: please do not forward it. You did not ask for it? Ignore this email; nobody got in, and in any other browser the link opens nothing.",
            ),
            sent: "Sent because somebody gave this address at the sign-in page,\nby usher at {host}",
        },
        Matter::ResetLink { first: false, .. } => Words {
            subject: "Your link to choose a new password at {organization}",
            title: "Choose a new password at {organization}",
            preview: "It works once, for 10 minutes, in the browser in which you asked for it.",
            paragraphs: &["The link works once, for 10 minutes, and only in the browser in which you asked for it."],
            link: Some(LinkWords {
                ask: "Open this page in that browser, and choose a new password",
                button: "Choose a new password",
                after: "Your password stays as it is before you choose Save password.",
            }),
            rows: LINK_ROWS,
            foot: Some(
                "The link is for {email} alone: please do not forward it. You did not ask for it? Ignore this email; your password stays as it is, and in any other browser the link opens nothing.",
            ),
            sent: "Sent because somebody gave this address at the sign-in page,\nby usher at {host}",
        },
        Matter::ResetLink { first: true, .. } => Words {
            subject: "Your link to choose a password at {organization}",
            title: "Choose a password at {organization}",
            preview: "It works once, for 10 minutes, in the browser in which you asked for it.",
            paragraphs: &[
                "You have no password there yet. The link adds one to the ways in which you sign in. It works once, for 10 minutes, and only in the browser in which you asked for it.",
            ],
            link: Some(LinkWords {
                ask: "Open this page in that browser, and choose a password",
                button: "Choose a password",
                after: "Without Save password there is none, as before.",
            }),
            rows: LINK_ROWS,
            foot: Some(
                "The link is for {email} alone: please do not forward it. You did not ask for it? Ignore this email; nothing changes then, and in any other browser the link opens nothing.",
            ),
            sent: "Sent because somebody gave this address at the sign-in page,\nby usher at {host}",
        },
        Matter::StartedReset { first: false, .. } => Words {
            subject: "{by} started a reset of your password at {organization}",
            title: "{by} started a reset of your password at {organization}",
            preview: "The link works once, until {until}. Not expected? Read on.",
            paragraphs: &[
                "The link works once, for 60 minutes, in any browser; a newer one takes its place. Nobody but you sees your password, neither the present one nor the new: do not tell it to anybody who asks.",
            ],
            link: Some(LinkWords {
                ask: "Open this page, and choose a new password",
                button: "Choose a new password",
                after: "Your password stays as it is before you choose Save password.",
            }),
            rows: STARTED_ROWS,
            foot: Some(
                "The link is for {email} alone: please do not forward it. Not expected? Do not open it; your password stays as it is. Ask whoever is named above, in another way than by this email, and if they know nothing of it tell an Administrator of {organization} at once.",
            ),
            sent: SENT_TO_WHOM_IT_WAS_ASKED_FOR,
        },
        Matter::StartedReset { first: true, .. } => Words {
            subject: "{by} had a link to choose a password at {organization} sent to you",
            title: "{by} had a link to choose a password at {organization} sent to you",
            preview: "The link works once, until {until}. Not expected? Read on.",
            paragraphs: &[
                "You have no password there yet. The link adds one to the ways in which you sign in. It works once, for 60 minutes, in any browser; a newer one takes its place. Nobody but you will see the password: do not tell it to anybody who asks.",
            ],
            link: Some(LinkWords {
                ask: "Open this page, and choose a password",
                button: "Choose a password",
                after: "Without Save password there is none, as before.",
            }),
            rows: STARTED_ROWS,
            foot: Some(
                "The link is for {email} alone: please do not forward it. Not expected? Do not open it; nothing changes then. Ask whoever is named above, in another way than by this email, and if they know nothing of it tell an Administrator of {organization} at once.",
            ),
            sent: SENT_TO_WHOM_IT_WAS_ASKED_FOR,
        },
        Matter::LinkIdentity { .. } => Words {
            subject: "Connect {provider} with your account at {organization}",
            title: "Is it you who signs in to {organization} with {provider}?",
            preview: "Connect it within 10 minutes, in the browser in which you signed in.",
            paragraphs: &[
                "Somebody signed in with {provider} and this address, for the first time. Once you connect the two, {provider} opens your account at {organization}. The link works once, for 10 minutes, and only in the browser that signed in.",
            ],
            link: Some(LinkWords {
                ask: "Open this page in that browser, and connect",
                button: "Open the page",
                after: "Nothing is connected before you choose Connect.",
            }),
            rows: &[("For", Fact::Person), ("Provider", Fact::Provider), ("Signed in with", Fact::Browser), ("Until", Fact::Until)],
            foot: Some(
                "The link is for {email} alone: please do not forward it. It was not you? Do not open it, and tell an Administrator of {organization}: somebody has an identity with your address.",
            ),
            sent: "Sent because somebody signed in with this address,\nby usher at {host}",
        },
        Matter::PasswordChanged { first: false, .. } => Words {
            subject: "Your password at {organization} was changed",
            title: "Your password at {organization} was changed",
            preview: "On {when}. If it was not you, read on.",
            paragraphs: &[
                "Every other browser in which you were signed in is signed out. From now on the new password holds.",
                "If it was not you, somebody else has your account: ask for a link to choose a new password at the sign-in page, and tell an Administrator of {organization} at once. Somebody may also be reading your mail.",
            ],
            link: None,
            rows: WHEN_AND_WHERE,
            foot: None,
            sent: SENT_TO_THE_OWNER,
        },
        Matter::PasswordChanged { first: true, .. } => Words {
            subject: "You have a password at {organization} from now on",
            title: "You have a password at {organization} from now on",
            preview: "On {when}. If it was not you, read on.",
            paragraphs: &[
                "Every other browser in which you were signed in is signed out. From now on the password opens your account, too.",
                "If it was not you, somebody else has your account: ask for a link to choose a new password at the sign-in page, and tell an Administrator of {organization} at once. Somebody may also be reading your mail.",
            ],
            link: None,
            rows: WHEN_AND_WHERE,
            foot: None,
            sent: SENT_TO_THE_OWNER,
        },
        Matter::NewBrowser { .. } => Words {
            subject: "A new browser signed in as you at {organization}",
            title: "A new browser signed in as you at {organization}",
            preview: "On {when}. If it was not you, read on.",
            paragraphs: &[
                "You are an Administrator, so you are told whenever a browser signs in as you that has not done so before. After several such mails in a row no further one is sent for a while; the audit log has every sign-in.",
                "If it was not you, sign in, open the page under your name, choose Sign out everywhere, and a new password; then tell another Administrator of {organization}.",
            ],
            link: None,
            rows: WHEN_AND_WHERE,
            foot: None,
            sent: SENT_TO_THE_OWNER,
        },
        Matter::AdministratorMade { .. } => Words {
            subject: "{who} is now an Administrator of {organization}",
            title: "{who} is now an Administrator of {organization}",
            preview: "Since {when}. If nobody of you meant this, read on.",
            paragraphs: &[
                "Administrators invite and deactivate everybody, give roles and access, and change the settings.",
                "If nobody of you meant this, give the role User back at once, and look in the audit log for who did it.",
            ],
            link: None,
            rows: WHO_ROWS,
            foot: None,
            sent: SENT_TO_ADMINISTRATORS,
        },
        Matter::SsoChanged { change, .. } => {
            let (subject, meaning): (&str, &[&str]) = match change {
                SsoChange::Connected => (
                    "Single sign-on with {provider} was connected to {organization}",
                    &[
                        "People whose accounts are linked sign in with {provider} from now on, and those who are invited join with it.",
                        CHECK_SSO,
                    ],
                ),
                SsoChange::Changed => (
                    "Single sign-on with {provider} was changed at {organization}",
                    &["The settings of the connection are other ones than before.", CHECK_SSO],
                ),
                SsoChange::Removed => (
                    "Single sign-on with {provider} was removed from {organization}",
                    &["Nobody signs in with {provider} any more.", CHECK_SSO],
                ),
                SsoChange::Required => (
                    "Single sign-on is now required at {organization}",
                    &[
                        "From now on {provider} is the only way in, except for Administrators who have a password: it opens their account when the provider fails.",
                        CHECK_SSO,
                    ],
                ),
                SsoChange::NotRequired => (
                    "Single sign-on is no longer required at {organization}",
                    &["From now on there are other ways in beside {provider}, such as passwords and links by mail.", CHECK_SSO],
                ),
            };
            Words {
                subject,
                title: subject,
                preview: "On {when}. If nobody of you meant this, read on.",
                paragraphs: meaning,
                link: None,
                rows: SSO_ROWS,
                foot: None,
                sent: SENT_TO_ADMINISTRATORS,
            }
        }
        Matter::BreakGlassChanged { may, .. } => {
            let (subject, meaning): (&str, &[&str]) = if *may {
                (
                    "{who} is now a break-glass Administrator of {organization}",
                    &[
                        "They may sign in with a password also where single sign-on is required, for the day on which the provider is down.",
                        CHECK_SSO,
                    ],
                )
            } else {
                (
                    "{who} is no longer a break-glass Administrator of {organization}",
                    &["Where single sign-on is required they sign in with the provider, like everybody.", CHECK_SSO],
                )
            };
            Words {
                subject,
                title: subject,
                preview: "On {when}. If nobody of you meant this, read on.",
                paragraphs: meaning,
                link: None,
                rows: WHO_ROWS,
                foot: None,
                sent: SENT_TO_ADMINISTRATORS,
            }
        }
        Matter::TokenEnding { .. } => Words {
            subject: "A token of yours at {organization} ends soon",
            title: "A token of yours at {organization} ends soon",
            preview: "It ends on {ends}; the AI tool that uses it then gets no answer any more.",
            paragraphs: &[
                "The AI tool that uses it gets no answer any more from then on. If you still need it, sign in to usher at {host}, make a new token on the page for AI tools, and put it in the place of this one. If you do not, there is nothing to do.",
                "If you do not know this token, tell an Administrator of {organization}: they can see what was done with it.",
            ],
            link: None,
            rows: &[("Token", Fact::Label), ("Ends", Fact::Ends)],
            foot: None,
            sent: SENT_TO_THE_OWNER,
        },
        Matter::SecondFactorChanged { change, .. } => {
            let (subject, meaning): (&str, &[&str]) = match change {
                SecondFactorChange::Added => (
                    "A second factor was added to your account at {organization}",
                    &[
                        "From now on you also give a code from your authenticator app when you sign in. Keep the recovery codes where you find them without your phone.",
                        "If it was not you, somebody else has your account: tell an Administrator of {organization} at once. They can reset the second factor.",
                    ],
                ),
                SecondFactorChange::Removed => (
                    "The second factor of your account at {organization} was removed",
                    &[
                        "From now on you sign in without a code.",
                        "If it was not you, somebody else has your account: choose a new password on the page under your name, then Sign out everywhere, and tell an Administrator of {organization} at once.",
                    ],
                ),
                SecondFactorChange::Reset => (
                    "The second factor of your account at {organization} was reset",
                    &[
                        "Your authenticator app and your recovery codes hold no more. Sign in and set up a new second factor on the page under your name.",
                        "If you did not ask for this, tell another Administrator of {organization} at once: without it your account is easier to take.",
                    ],
                ),
            };
            Words {
                subject,
                title: subject,
                preview: "On {when}. If it was not you, read on.",
                paragraphs: meaning,
                link: None,
                rows: WHEN_BY_AND_WHERE,
                foot: None,
                sent: SENT_TO_THE_OWNER,
            }
        }
        Matter::IdentityChanged { change, .. } => {
            let (subject, meaning): (&str, &[&str]) = match change {
                IdentityChange::Linked => (
                    "Another sign-in opens your account at {organization}",
                    &[
                        "Your account with {provider} is connected: whoever signs in with it there is you here.",
                        "If it was not you, disconnect it on the page under your name, then Sign out everywhere, and tell an Administrator of {organization} at once.",
                    ],
                ),
                IdentityChange::Unlinked => (
                    "A sign-in no longer opens your account at {organization}",
                    &[
                        "An account with {provider} was disconnected: signing in with it there does not open your account here any more.",
                        "If it was not you, somebody else was in your account: Sign out everywhere on the page under your name, and tell an Administrator of {organization} at once.",
                    ],
                ),
            };
            Words {
                subject,
                title: subject,
                preview: "On {when}. If it was not you, read on.",
                paragraphs: meaning,
                link: None,
                rows: &[("Provider", Fact::Provider), ("When", Fact::When)],
                foot: None,
                sent: SENT_TO_THE_OWNER,
            }
        }
        Matter::RecoveryCodeUsed { .. } => Words {
            subject: "A recovery code opened your account at {organization}",
            title: "A recovery code opened your account at {organization}",
            preview: "On {when}. If it was not you, read on.",
            paragraphs: &[
                "It stood in for your authenticator app and works no more. Before you run out of them, take the second factor away on the page under your name, and set up another one: it brings new codes.",
                "If it was not you, somebody has your password and your recovery codes: choose a new password on the page under your name, then Sign out everywhere, set up another second factor, and tell an Administrator of {organization} at once.",
            ],
            link: None,
            rows: &[("When", Fact::When), ("In", Fact::Browser), ("Codes left", Fact::Left)],
            foot: None,
            sent: SENT_TO_THE_OWNER,
        },
    }
}
