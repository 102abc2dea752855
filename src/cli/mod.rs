//! The command line on the host: the same use cases, as the operator.

mod doctor;
mod output;
mod roster;
mod run;
mod secret;
mod slack;
mod sso;
mod welcome;

use crate::{config::Options, domain::SecondFactorFor};
use clap::{
    ArgGroup, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use std::{ffi::OsStr, process::ExitCode};

/// What the first organization is called where nobody says.
const FIRST_ORGANIZATION: &str = "My organization";

const ABOUT: &str = "usher keeps an organization's roster, and lets AI tools manage it as the person who asked.";

const AFTER_HELP: &str = "\
Begin with `usher quickstart`. Then, beside the running server:
  usher token create --org my-organization --user ana@example.com    a teammate's token
  usher user promote --org my-organization --user ana@example.com    one more Administrator
  usher audit verify --org my-organization                           whether the audit log is whole
  usher doctor                                                       what wants mending

Every option above has a variable, of which an empty one is not set, and may stand before or after the command; what a
command alone takes stands after it, and has none. The addresses of database and relay hold passwords:
USHER_DATABASE_URL_FILE and USHER_SMTP_URL_FILE name files to read them from. Results go to stdout, logs to stderr.
`usher COMMAND --help` says more.";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "usher", version, about = ABOUT, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make what is absent (database, keys, organization, first Administrator, token), then serve.
    ///
    /// Prints the MCP URL, a token and a link that signs the first Administrator in (both the first time only), and what to paste
    /// into Claude Code, Cursor and VS Code. Run again it makes nothing new, and serves.
    Quickstart {
        /// Name of the organization.
        #[arg(long, default_value = FIRST_ORGANIZATION)]
        org: String,
        /// Address of the first Administrator.
        #[arg(long, default_value = "admin@example.com")]
        admin_email: String,
        /// Their first name.
        #[arg(long, default_value = "First")]
        admin_first_name: String,
        /// Their last name.
        #[arg(long, default_value = "Administrator")]
        admin_last_name: String,
    },
    /// Serve. SQLite is migrated by itself; an old PostgreSQL schema is refused.
    ///
    /// Several nodes may serve one PostgreSQL: they need the same key file, and clocks within two seconds.
    Serve,
    /// Bring the database's schema to this version, as its owner.
    ///
    /// On PostgreSQL give --serving-role and serve as that role: it can add to the audit log and not change it.
    Migrate {
        /// PostgreSQL role that will serve; it gets what it needs and no more.
        #[arg(long)]
        serving_role: Option<String>,
    },
    /// Check configuration, database, keys, mail and clock, and say what to do for each; changes nothing.
    ///
    /// The exit code is 1 when something wants mending.
    Doctor,
    /// Speak MCP over standard input and output, for AI tools that start their servers themselves.
    ///
    /// The token stands in `USHER_TOKEN`, or in the file that `USHER_TOKEN_FILE` names. It works on the same database as a server
    /// does, and needs one beside it for mails and pages.
    Stdio,
    /// List the MCP tools; with --json their whole contract.
    Tools,
    /// Make, list, rename, set up, suspend and resume organizations.
    #[command(subcommand)]
    Org(Org),
    /// List people, promote, reactivate, reset a password or a second factor: the way back in when no Administrator is left who could.
    #[command(subcommand)]
    User(User),
    /// Make, list and revoke personal MCP tokens.
    #[command(subcommand)]
    Token(Token),
    /// Make a link that signs somebody in: any browser, once, within 10 minutes.
    ///
    /// Whoever holds it comes in as that person, so hand it over in a safe way. It is an entry of the audit log.
    SignInLink(OfUser),
    /// Let people of an organization sign in through its identity provider: Google, Microsoft, any OpenID Connect provider.
    #[command(subcommand)]
    Sso(sso::Sso),
    /// Connect an organization's Slack workspace, and look its people up there.
    #[command(subcommand)]
    Slack(slack::Slack),
    /// Verify the audit log.
    #[command(subcommand)]
    Audit(Audit),
    /// Try out how mail leaves, and say what came back.
    #[command(subcommand)]
    Mail(MailCommand),
}

#[derive(Debug, Subcommand)]
enum Org {
    /// Make an organization with its first Administrator.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        /// Address of the first Administrator.
        #[arg(long)]
        admin_email: String,
        /// Their first name.
        #[arg(long)]
        admin_first_name: String,
        /// Their last name.
        #[arg(long)]
        admin_last_name: String,
    },
    /// List organizations.
    List,
    /// Give an organization another name; its slug stays.
    Rename {
        /// Slug.
        #[arg(long)]
        org: String,
        /// New name.
        #[arg(long)]
        name: String,
    },
    /// Change what an organization decides about who is invited and how people get in; what is not given stays.
    ///
    /// Of domains, `example.com` is that domain alone, `*.example.com` everything below it. Empty, every domain is invited.
    #[command(group = ArgGroup::new("setting").required(true).multiple(true))]
    Set {
        /// Slug.
        #[arg(long)]
        org: String,
        /// Email domains that it invites, joined by commas.
        #[arg(long, group = "setting")]
        invite_domains: Option<String>,
        /// Whether an invite to another domain goes out with a warning, or is refused.
        #[arg(long, group = "setting", value_parser = ["warn", "refuse"])]
        other_domains: Option<String>,
        /// Who must show a second factor: nobody (only whoever has set one up), administrators, everybody.
        #[arg(long, group = "setting", value_parser = PossibleValuesParser::new(SecondFactorFor::ALL.map(SecondFactorFor::as_str)))]
        second_factor: Option<String>,
        /// Whether a mailed link signs in. Off, nobody is mailed one: people sign in by password or through a provider. A forgotten password
        /// is replaced by mail all the same.
        #[arg(long, group = "setting", value_parser = PossibleValuesParser::new(["on", "off"]).map(|word| word == "on"))]
        magic_links: Option<bool>,
        /// How many Administrators there may be, Pending ones included: 1 to 1000, or `any`. Who is one stays one; no further one is made.
        #[arg(long, group = "setting", value_name = "N|any")]
        most_administrators: Option<AtMost>,
        /// Most days that a personal token lives: 1 to 365. Tokens that are there keep their end.
        #[arg(long, group = "setting", value_name = "N")]
        most_token_days: Option<u32>,
    },
    /// Let nobody in until `resume`.
    Suspend {
        /// Slug.
        #[arg(long)]
        org: String,
    },
    /// Let people in again.
    Resume {
        /// Slug.
        #[arg(long)]
        org: String,
    },
}

#[derive(Args, Debug)]
struct OfUser {
    /// Slug of the organization.
    #[arg(long)]
    org: String,
    /// Address or id of the person.
    #[arg(long)]
    user: String,
}

#[derive(Debug, Subcommand)]
enum User {
    /// List people, newest first.
    List {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
        /// Only this person: an address or an id.
        #[arg(long)]
        user: Option<String>,
    },
    /// Make somebody an Administrator.
    Promote(OfUser),
    /// Let a deactivated person back in.
    Reactivate(OfUser),
    /// Mail somebody a link to choose a new password: to their own address, any browser, once, within 60 minutes.
    ///
    /// It is an entry of the audit log. Nobody but they see the link or the password, and the password before holds until they
    /// choose another. An earlier link of the kind opens nothing any more.
    ResetPassword(OfUser),
    /// Take away the second factor of somebody whose app and recovery codes are gone. All their sessions end.
    ResetSecondFactor(OfUser),
}

/// A bound, or none.
#[derive(Clone, Copy, Debug)]
enum AtMost {
    /// Any number.
    Any,
    /// So many.
    Number(u32),
}

impl AtMost {
    fn number(self) -> Option<u32> {
        match self {
            Self::Any => None,
            Self::Number(number) => Some(number),
        }
    }
}

impl std::str::FromStr for AtMost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "any" {
            return Ok(Self::Any);
        }
        text.parse().map(Self::Number).map_err(|_| "give a number, or any")
    }
}

#[derive(Debug, Subcommand)]
enum Token {
    /// Make a token for an Active person. It is shown once, and acts as them.
    Create {
        #[command(flatten)]
        of: OfUser,
        /// What it is called.
        #[arg(long, default_value = "made on the host")]
        label: String,
        /// Days until it ends, at most 365, or what the organization decided [default: 90, or that].
        #[arg(long)]
        expires_in_days: Option<u32>,
        /// Only tools that read.
        #[arg(long)]
        read_only: bool,
    },
    /// List tokens, without their secrets.
    List {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
        /// Only this person's.
        #[arg(long)]
        user: Option<String>,
    },
    /// End a token.
    Revoke {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
        /// Id of the token.
        #[arg(long)]
        id: String,
    },
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Walk the whole chain; exit code 1 and the first bad entry where it is broken.
    Verify {
        /// Slug of the organization.
        #[arg(long)]
        org: String,
    },
}

#[derive(Debug, Subcommand)]
enum MailCommand {
    /// Send one test mail by the configured way.
    Test {
        /// To whom.
        #[arg(long)]
        to: String,
    },
    /// Note that a mail came back after the relay had taken it: its delivery becomes `failed`, with the code `bounced`.
    ///
    /// A relay that accepts a mail and later cannot deliver it answers to the sender's address; usher does not read that
    /// mailbox. Whoever does, a person or a filter, passes on here what came back.
    Bounced {
        /// Message-ID of the mail that came back.
        #[arg(long, required_unless_present = "to", conflicts_with = "to")]
        message_id: Option<String>,
        /// Its recipient instead: then it is the newest mail to them in each organization.
        #[arg(long)]
        to: Option<String>,
        /// Only this organization's; its slug.
        #[arg(long)]
        org: Option<String>,
    },
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    // An empty variable is one that is not set: that is how compose files and unit files leave one out.
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let command = Cli::command().mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(None) } else { arg });
    let cli = match Cli::from_arg_matches(&command.get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let options = match cli.options.with_secret_files() {
        Ok(options) => options,
        Err(message) => return output::fail(&message),
    };
    if let Err(message) = output::init_log(&options) {
        return output::fail(&message);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&format!("the runtime cannot start: {error}")),
    };
    match runtime.block_on(run::run(cli.command, options)) {
        Ok(code) => code,
        Err(message) => output::fail(&message),
    }
}
