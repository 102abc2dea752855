//! Links of every kind, held to the same promises: what scanners do to them, how long they live, on which node they are used.

mod clocks;
mod forms;
mod nodes;
mod scanners;
mod secrets;
mod strangers;

use crate::{
    common::{
        Engine, Options, PASSWORD, Server,
        database::Connection,
        inside::Inside,
        oidc::{self, Idp},
        until,
    },
    sso::{self, Seen, get, post},
};
use reqwest::Client;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;
use usher_mcp::{
    app::App,
    domain::{Clock, HOUR, INVITE_LIFETIME, MINUTE, Timestamp},
    mail,
    service::{Call, passwords, signing_in},
    store::organizations,
};

/// Every kind of link that somebody is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An invite, accepted with a password.
    Invite,
    /// An invite, accepted through the organization's provider.
    Provider,
    /// To sign in.
    SignIn,
    /// To choose a new password.
    Reset,
    /// To choose a new password, started by somebody else.
    StartedReset,
    /// To sign in, carried by the operator.
    Operator,
    /// To connect a provider's account to one's own.
    Identity,
}

impl Kind {
    const ALL: [Self; 7] = [Self::Invite, Self::Provider, Self::SignIn, Self::Reset, Self::StartedReset, Self::Operator, Self::Identity];

    /// Whether it is good only in the browser that asked for it.
    const fn is_bound(self) -> bool {
        match self {
            Self::SignIn | Self::Reset | Self::Identity => true,
            Self::Invite | Self::Provider | Self::StartedReset | Self::Operator => false,
        }
    }

    /// Whether whoever gets it is still to join.
    const fn joins(self) -> bool {
        match self {
            Self::Invite | Self::Provider => true,
            Self::SignIn | Self::Reset | Self::StartedReset | Self::Operator | Self::Identity => false,
        }
    }

    const fn needs_a_provider(self) -> bool {
        match self {
            Self::Provider | Self::Identity => true,
            Self::Invite | Self::SignIn | Self::Reset | Self::StartedReset | Self::Operator => false,
        }
    }

    /// How long it is good, in milliseconds.
    const fn lifetime(self) -> i64 {
        match self {
            Self::Invite | Self::Provider => INVITE_LIFETIME,
            Self::SignIn | Self::Reset | Self::Operator | Self::Identity => 10 * MINUTE,
            Self::StartedReset => HOUR,
        }
    }

    /// What its use is called in the audit log.
    const fn action(self) -> &'static str {
        match self {
            Self::Invite | Self::Provider => "invite:accepted",
            Self::SignIn => "sign_in:link",
            Self::Reset | Self::StartedReset => "password:set",
            Self::Operator => "sign_in:operator_link",
            Self::Identity => "identity:linked",
        }
    }
}

/// Somebody whom the provider knows, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Person {
    /// At the provider.
    login: &'static str,
    email: &'static str,
}

const ANA: Person = Person { login: "ana", email: "ana@example.com" };
const KIM: Person = Person { login: "kim", email: "kim.vale@example.com" };

/// What a reset makes the password.
const NEW: &str = "nine quiet herons read the tide";

/// A server on which Ana and Kim can be given links of one kind.
struct World {
    kind: Kind,
    server: Server,
    /// The provider, where the kind needs one, and its connection.
    provider: Option<Arc<(Idp, String)>>,
    /// In place of the server, which has ended: one whose clock the test holds. Its provider says what it is told.
    timed: Option<(Inside, Clock)>,
}

impl World {
    async fn of(kind: Kind, engine: Engine) -> Self {
        Self::with(kind, engine, &Options::default(), async |server| (sso::provider_for(server).await, Idp::SECRET)).await
    }

    /// One whose clock the test holds.
    async fn timed(kind: Kind, engine: Engine, options: &Options, now: Timestamp) -> Self {
        let mut world = Self::with(kind, engine, options, async |_| (Idp::liar().await, "secret")).await;
        world.server.stop().await;
        let clock = Clock::manual(now);
        world.timed = Some((Inside::beside(&world.server, clock.clone()).await, clock));
        world
    }

    async fn with(kind: Kind, engine: Engine, options: &Options, provider: impl AsyncFn(&Server) -> (Idp, &'static str)) -> Self {
        let mut options = options.clone();
        options.arguments.extend(sso::ALLOWED.map(str::to_owned));
        let server = Server::quickstart_with(engine, &options).await;
        if !kind.joins() {
            for person in [ANA, KIM] {
                server.member(person.email, &[]).await;
            }
        }
        let provider = if kind.needs_a_provider() {
            let (idp, secret) = provider(&server).await;
            let connection = sso::connect(&server, &server.org, &idp.issuer, secret).await;
            Some(Arc::new((idp, connection)))
        } else {
            None
        };
        Self { kind, server, provider, timed: None }
    }

    /// One more node of it, under the same public URL.
    async fn second(&self) -> Self {
        let address = self.address();
        let mut options = Options::arguments(&["--public-url", &address]);
        options.arguments.extend(sso::ALLOWED.map(str::to_owned));
        Self { kind: self.kind, server: self.server.second_node(&options).await, provider: self.provider.clone(), timed: None }
    }

    fn clock(&self) -> &Clock {
        &self.timed.as_ref().expect("a clock of the test's").1
    }

    /// Where a browser goes.
    fn address(&self) -> String {
        self.timed.as_ref().map_or_else(|| self.server.address(), |(node, _)| node.address().to_owned())
    }

    /// The same address at the server that runs.
    fn here(&self, link: &str) -> String {
        let link = Url::parse(link).expect("a URL");
        format!("{}{}", self.address(), link.path())
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        match &self.timed {
            Some((node, _)) => node.call(tool, &arguments).await.structured(),
            None => self.server.ok(tool, arguments).await,
        }
    }

    /// Has a link given to somebody who asks in this browser. A second invite is a resend.
    async fn ask(&self, browser: &Client, person: Person) -> String {
        let (server, email) = (&self.server, person.email);
        let so_far = server.links_to(email);
        let door = format!("{}/sign-in/{}", self.address(), server.org);
        match self.kind {
            Kind::Invite | Kind::Provider if !so_far.is_empty() => drop(self.call("resend_invite", json!({"user": email})).await),
            Kind::Invite | Kind::Provider => {
                drop(self.call("invite_user", json!({"email": email, "first_name": "Test", "last_name": "Person"})).await);
            }
            Kind::SignIn => {
                let place = format!("{}/sign-in", self.address());
                assert_eq!(post(browser, &place, &[("email", email), ("do", "link")]).await.status, 200);
            }
            Kind::Reset => assert_eq!(post(browser, &door, &[("email", email), ("do", "reset")]).await.status, 200),
            Kind::StartedReset => self.start_reset(email).await,
            Kind::Operator => return self.operators_link(email).await,
            Kind::Identity => {
                let back = self.through_the_provider(browser, &door, person).await;
                assert_eq!((back.status, back.heading()), (200, "Is this account yours?"), "{}", back.html);
                assert_eq!(post(browser, &back.place, &[("do", "go")]).await.status, 200);
            }
        }
        if let Some((node, _)) = &self.timed {
            if matches!(self.kind, Kind::SignIn | Kind::Reset) {
                let knock = node.app.doorbell.next().expect("it was asked for");
                signing_in::answer(&node.app, &knock).await.expect("a mail");
            }
            mail::round(&node.app).await.expect("a round");
        }
        // By what is new, and not by time: a clock may have gone back.
        let link = until("the mail", async || server.links_to(email).into_iter().find(|link| !so_far.contains(link))).await;
        // It lies in the folder before that is noted.
        let connection = Connection::to(server).await;
        let waiting = "SELECT count(*) FROM outbox WHERE state = 'queued' AND link_id IS NOT NULL";
        until("the note", async || (connection.number(waiting).await == 0).then_some(())).await;
        connection.close().await;
        self.here(&link)
    }

    async fn operators_link(&self, email: &str) -> String {
        let Some((app, call)) = self.on_the_host().await else {
            let made = self.server.cli(&["sign-in-link", "--org", &self.server.org, "--user", email, "--json"]).await;
            return self.here(made["url"].as_str().expect("a link"));
        };
        let (link, _) = signing_in::operator_link(app, &call, email).await.expect("a link");
        self.here(&link)
    }

    async fn start_reset(&self, email: &str) {
        let Some((app, call)) = self.on_the_host().await else {
            drop(self.server.cli(&["user", "reset-password", "--org", &self.server.org, "--user", email, "--json"]).await);
            return;
        };
        passwords::start_reset(app, &call, email, None).await.expect("a mail");
    }

    /// The operator's call, on a node whose clock the test holds.
    async fn on_the_host(&self) -> Option<(&App, Call)> {
        let (node, _) = self.timed.as_ref()?;
        let organization = organizations::by_slug(&node.app.pool, &self.server.org).await.expect("an answer").expect("an organization");
        Some((&node.app, Call::on_the_host(&node.app, organization.org)))
    }

    /// To the provider from a page of ours, and back as this person.
    async fn through_the_provider(&self, browser: &Client, place: &str, person: Person) -> Seen {
        let (idp, connection) = self.provider.as_deref().expect("a provider");
        let Some((_, clock)) = &self.timed else {
            let out = post(browser, place, &[("do", &format!("sso:{connection}"))]).await;
            // Whoever was there before has signed out there.
            let back = oidc::sign_in(&oidc::browser(), &out.onward(), person.login).await;
            return get(browser, back.as_str()).await;
        };
        let now = clock.now().as_millis() / 1000;
        let order = json!({"claims": {"sub": person.login, "email": person.email, "iat": now, "exp": now + 600}});
        sso::via_liar(browser, place, &self.address(), (idp, connection), &order).await
    }

    /// Presses the button of the page on which a link's form stands; what came of it.
    async fn press(&self, browser: &Client, place: &str, person: Person) -> Seen {
        let names = [("first_name", "Test"), ("last_name", "Person")];
        match self.kind {
            Kind::Invite => post(browser, place, &[names[0], names[1], ("password", PASSWORD), ("do", "join")]).await,
            Kind::Provider => {
                let back = self.through_the_provider(browser, place, person).await;
                post(browser, &back.place, &[names[0], names[1], ("do", "go")]).await
            }
            Kind::SignIn | Kind::Operator | Kind::Identity => post(browser, place, &[("do", "go")]).await,
            Kind::Reset => post(browser, place, &[("password", NEW), ("do", "go")]).await,
            Kind::StartedReset => post(browser, place, &[("email", person.email), ("password", NEW), ("do", "go")]).await,
        }
    }

    /// Opens a link and presses its button, as its person does; what came of it.
    async fn follow(&self, browser: &Client, link: &str, person: Person) -> Seen {
        let shown = get(browser, link).await;
        assert_eq!(shown.status, 200, "{:?}: {}", self.kind, shown.html);
        self.press(browser, &shown.place, person).await
    }

    /// Whether this person is who the browser looks at.
    async fn is_in(&self, browser: &Client, person: Person) -> bool {
        let (local, domain) = person.email.split_once('@').expect("an address");
        let seen = Seen::of(browser.get(format!("{}/me", self.address())).send().await.expect("a page")).await;
        seen.status == 200 && seen.html.contains(&format!("{local}<wbr>@{domain}"))
    }

    /// How often a link of this person's was used, as the log says.
    async fn uses(&self, person: Person) -> usize {
        let events = self.call("list_audit_events", json!({"user": person.email, "action": self.kind.action(), "limit": 100})).await;
        events["events"].as_array().expect("events").iter().filter(|event| event["outcome"] == "done").count()
    }

    /// Lets so many milliseconds go by for all live links.
    async fn age(&self, ms: i64) {
        let sql = format!("UPDATE links SET sent_at = sent_at - {ms}, expires_at = expires_at - {ms} WHERE ended_at IS NULL");
        assert!(self.server.tamper(&sql).await);
    }

    /// Every row but the bounded notes on strangers.
    async fn digest(&self) -> String {
        let connection = Connection::to(&self.server).await;
        let digest = connection.digest(&["security_events"]).await;
        connection.close().await;
        digest
    }

    async fn status(&self, person: Person) -> String {
        let found = self.call("get_user", json!({"user": person.email})).await;
        found["user"]["status"].as_str().expect("a status").to_owned()
    }
}

/// A browser's memory that goes nowhere by itself.
fn browser() -> Client {
    oidc::browser()
}
