//! Every letter that usher sends, with the facts in it: what it is about is one [`Matter`].
//!
//! A letter has no words of its own. [`words`](super::words) says each matter in a language, with the names of facts where
//! the facts stand; here the facts get in, once, for the text and the HTML part alike, so that both say the same.
//!
//! ```
//! use usher_mcp::{domain::Timestamp, mail::letter::{Letter, Matter}, mail::words::Language};
//!
//! let letter = Letter {
//!     language: Language::English,
//!     from: "usher@larkspur.example",
//!     to_email: "oksana@larkspur.example",
//!     to_first: "Oksana",
//!     to_last: "Petrenko",
//!     organization: "Larkspur Freight",
//!     host: "usher.larkspur.example",
//!     message_id: "1@usher.larkspur.example",
//!     date: Timestamp::from_millis(1_795_615_200_000),
//!     matter: Matter::PasswordChanged { browser: Some("Firefox on Linux"), first: false },
//! };
//! let message = usher_mcp::mail::message::build(&letter, usher_mcp::mail::message::Way::Relay)?;
//! # Ok::<(), usher_mcp::mail::message::MailBuildError>(())
//! ```

use super::words::{Fact, Language};
use crate::domain::{IdentityChange, Role, SecondFactorChange, SsoChange, Timestamp};

/// A mail to one person. Names are stored text, not yet escaped.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    /// Which language it is written in.
    pub language: Language,
    /// The configured sender, `Name <address>` or `address`. Only the address is used: the name that people
    /// see is the organization's.
    pub from: &'a str,
    /// The recipient's address with its domain in ASCII form (R-B97).
    pub to_email: &'a str,
    /// Their first name.
    pub to_first: &'a str,
    /// Their last name.
    pub to_last: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// Host of the public URL.
    pub host: &'a str,
    /// Identity of the mail, the same at every try, with or without `<` and `>` (RFC 5322, 3.6.4).
    pub message_id: &'a str,
    /// When it was queued, which is when the thing happened; from 1970 to 9999.
    pub date: Timestamp,
    /// What it is about.
    pub matter: Matter<'a>,
}

/// Shows what cannot open anything: no link, no name, no address.
impl std::fmt::Debug for Letter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("message_id", &self.message_id).field("date", &self.date).finish_non_exhaustive()
    }
}

/// A link, as a letter carries it.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    /// The whole of it: `http` or `https`, at most [`LINK_MAX`](super::message::LINK_MAX) characters, all of them legal in
    /// a URL.
    pub url: &'a str,
    /// Its end.
    pub until: Timestamp,
}

/// What a letter is about, with its facts. Whatever is `None` is not known, and then not mentioned.
///
/// `browser` is a browser in words, such as `Firefox on Linux`; `by` the full name of whoever did it, or the words for the
/// operator. No letter names a network address.
#[derive(Clone, Copy)]
pub enum Matter<'a> {
    /// Somebody is invited.
    Invite {
        /// Full name of whoever invited.
        inviter: &'a str,
        /// Role to be.
        role: Role,
        /// The link that accepts.
        link: Link<'a>,
        /// Whether another one was sent before.
        again: bool,
    },
    /// A link to sign in with, asked for in a browser.
    SignInLink {
        /// The link, good in that browser alone.
        link: Link<'a>,
        /// Which browser asked.
        browser: Option<&'a str>,
    },
    /// A link to set a new password with, or a first one, asked for in a browser.
    ResetLink {
        /// The link, good in that browser alone.
        link: Link<'a>,
        /// Which browser asked.
        browser: Option<&'a str>,
        /// Whether there is no password yet.
        first: bool,
    },
    /// A link to set a new password with, or a first one, which somebody else asked for.
    StartedReset {
        /// Full name of whoever did, or the words for the operator.
        by: &'a str,
        /// The link, good in any browser.
        link: Link<'a>,
        /// Whether there is no password yet.
        first: bool,
    },
    /// A link that connects an identity of a provider with the account, at its first sign-in.
    LinkIdentity {
        /// What people call the provider, such as its host.
        provider: &'a str,
        /// The link, good in the browser that signed in.
        link: Link<'a>,
        /// Which browser signed in.
        browser: Option<&'a str>,
    },
    /// The password is another one, or there is one for the first time.
    PasswordChanged {
        /// Where it was changed.
        browser: Option<&'a str>,
        /// Whether there was none before.
        first: bool,
    },
    /// An Administrator signed in in a browser that was not seen before.
    NewBrowser {
        /// Which.
        browser: Option<&'a str>,
    },
    /// Somebody is an Administrator from now on; goes to all of them.
    AdministratorMade {
        /// Full name of the new one.
        who: &'a str,
        /// Who made them one.
        by: Option<&'a str>,
    },
    /// Single sign-on is set up otherwise; goes to all Administrators.
    SsoChanged {
        /// In what way.
        change: SsoChange,
        /// What people call the provider, such as its host.
        provider: &'a str,
        /// Who did it.
        by: Option<&'a str>,
    },
    /// Another Administrator may, or may no longer, sign in with a password where single sign-on is required; goes to all.
    BreakGlassChanged {
        /// Full name.
        who: &'a str,
        /// Whether they may from now on.
        may: bool,
        /// Who did it.
        by: Option<&'a str>,
    },
    /// A token of the recipient's ends within days.
    TokenEnding {
        /// What it is called.
        label: &'a str,
        /// When it ends.
        ends: Timestamp,
    },
    /// The second factor is there, gone, or was taken away by somebody else.
    SecondFactorChanged {
        /// In what way.
        change: SecondFactorChange,
        /// Who did it, where it was somebody else.
        by: Option<&'a str>,
        /// Where it was done.
        browser: Option<&'a str>,
    },
    /// Another sign-in at a provider opens the account, or one does so no more.
    IdentityChanged {
        /// In what way.
        change: IdentityChange,
        /// What people call the provider, such as its host.
        provider: &'a str,
    },
    /// A recovery code stood in for the second factor.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
        /// Where it was used.
        browser: Option<&'a str>,
    },
}

/// A fact as the two parts of a mail write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// For the text part, and for sentences.
    pub(super) long: String,
    /// For the narrow columns of the HTML part.
    pub(super) short: String,
    /// Whether somebody chose it: then it stands apart from our words.
    pub(super) chosen: bool,
}

impl Value {
    /// Whether it has a word that no column of a phone holds. Only such a one is broken inside a word: columns that may
    /// break anywhere are drawn as narrow as a letter where another wants the room.
    pub(super) fn breaks(&self) -> bool {
        self.short.split_whitespace().any(|word| word.chars().count() > 16)
    }
}

impl<'a> Letter<'a> {
    /// The link, in the letters that have one.
    pub(super) fn link(&self) -> Option<Link<'a>> {
        match self.matter {
            Matter::Invite { link, .. }
            | Matter::SignInLink { link, .. }
            | Matter::ResetLink { link, .. }
            | Matter::StartedReset { link, .. }
            | Matter::LinkIdentity { link, .. } => Some(link),
            Matter::PasswordChanged { .. }
            | Matter::NewBrowser { .. }
            | Matter::AdministratorMade { .. }
            | Matter::SsoChanged { .. }
            | Matter::BreakGlassChanged { .. }
            | Matter::TokenEnding { .. }
            | Matter::SecondFactorChanged { .. }
            | Matter::IdentityChanged { .. }
            | Matter::RecoveryCodeUsed { .. } => None,
        }
    }

    /// Every text in it, with its name: what is checked before anything is made of it.
    pub(super) fn texts(&self) -> Vec<(&'static str, &'a str)> {
        let mut texts = vec![
            ("from", self.from),
            ("to_email", self.to_email),
            ("to_first", self.to_first),
            ("to_last", self.to_last),
            ("organization", self.organization),
            ("host", self.host),
            ("message_id", self.message_id),
        ];
        texts.extend(self.link().map(|link| ("link", link.url)));
        let (by, browser) = (|by: Option<&'a str>| by.map(|by| ("by", by)), |browser: Option<&'a str>| browser.map(|b| ("browser", b)));
        match self.matter {
            Matter::Invite { inviter, .. } => texts.push(("inviter", inviter)),
            Matter::SignInLink { browser: asked, .. } | Matter::ResetLink { browser: asked, .. } => texts.extend(browser(asked)),
            Matter::StartedReset { by, .. } => texts.push(("by", by)),
            Matter::LinkIdentity { provider, browser: asked, .. } => {
                texts.push(("provider", provider));
                texts.extend(browser(asked));
            }
            Matter::PasswordChanged { browser: used, .. }
            | Matter::NewBrowser { browser: used }
            | Matter::RecoveryCodeUsed { browser: used, .. } => {
                texts.extend(browser(used));
            }
            Matter::AdministratorMade { who, by: whom } | Matter::BreakGlassChanged { who, by: whom, .. } => {
                texts.push(("who", who));
                texts.extend(by(whom));
            }
            Matter::SsoChanged { provider, by: whom, .. } => {
                texts.push(("provider", provider));
                texts.extend(by(whom));
            }
            Matter::TokenEnding { label, .. } => texts.push(("label", label)),
            Matter::IdentityChanged { provider, .. } => texts.push(("provider", provider)),
            Matter::SecondFactorChanged { by: whom, browser: used, .. } => {
                texts.extend(by(whom));
                texts.extend(browser(used));
            }
        }
        texts
    }

    /// A fact in this letter; `None` where it has none of the kind.
    pub(super) fn fact(&self, fact: Fact) -> Option<Value> {
        let chosen = |text: &str| {
            let text = super::message::unlinked(text);
            Value { short: text.clone(), long: text, chosen: true }
        };
        let ours = |text: &str| Value { long: text.to_owned(), short: text.to_owned(), chosen: false };
        let moment = |at: Timestamp| Value { long: self.language.moment(at), short: self.language.short_moment(at), chosen: false };
        let named = |name: &str| self.texts().into_iter().find(|(field, _)| *field == name).map(|(_, text)| chosen(text));
        match fact {
            Fact::First => Some(chosen(self.to_first)),
            Fact::Person => Some(chosen(&format!("{} {}", self.to_first, self.to_last))),
            Fact::Organization => Some(chosen(self.organization)),
            Fact::Email => Some(ours(self.to_email)),
            Fact::Host => Some(ours(self.host)),
            Fact::When => Some(moment(self.date)),
            Fact::Until => self.link().map(|link| moment(link.until)),
            Fact::Inviter => named("inviter"),
            Fact::Provider => named("provider"),
            Fact::Browser => named("browser"),
            Fact::By => named("by"),
            Fact::Who => named("who"),
            Fact::Label => named("label"),
            Fact::Role => {
                if let Matter::Invite { role, .. } = self.matter {
                    Some(ours(self.language.role(role)))
                } else {
                    None
                }
            }
            Fact::Ends => {
                if let Matter::TokenEnding { ends, .. } = self.matter {
                    Some(moment(ends))
                } else {
                    None
                }
            }
            Fact::Left => {
                if let Matter::RecoveryCodeUsed { left, .. } = self.matter {
                    Some(ours(&left.to_string()))
                } else {
                    None
                }
            }
        }
    }
}
