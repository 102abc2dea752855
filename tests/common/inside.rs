//! A node inside the test's own process, whose failpoints and clock the test holds. Everything else is as in the binary.

use super::{Answer, Server};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use usher_mcp::{
    app::{App, Limiter, SharedApp},
    authn::{credential, password::Hasher},
    config::{Limits, PublicUrl},
    domain::{Catalogue, Clock, Random, RequestId},
    failpoint::Faults,
    gather::{Evidence, Seen},
    http::server,
    keys::Keyring,
    mail::Mailer,
    outbound::Outbound,
    service::{Call, WriteOptions, audit::checks::Checks},
    slack::{Slack, api::SLACK_URL},
    store::Database,
    twice::Twice,
};

/// The node; it ends with this value.
pub struct Inside {
    pub app: SharedApp,
    url: String,
    token: String,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<std::io::Result<()>>>,
}

impl Inside {
    /// One more node on a server's database and keyring, which need not run. Nothing happens in it by itself.
    pub async fn beside(server: &Server, clock: Clock) -> Self {
        let mut node = Self::silent(server, clock).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        node.url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel::<()>();
        let app = Arc::clone(&node.app);
        let routes = server::router(app).into_make_service_with_connect_info::<SocketAddr>();
        node.served =
            Some(tokio::spawn(async move { axum::serve(listener, routes).with_graceful_shutdown(async { drop(stopped.await) }).await }));
        node.stop = Some(stop);
        node
    }

    /// The same without HTTP.
    pub async fn silent(server: &Server, clock: Clock) -> Self {
        let folder = server.data_dir.path();
        let database = Database::parse(server.database_url(), folder).expect("a database");
        let app = Arc::new(App {
            pool: database.open(Faults::default()).await.expect("the database opens"),
            keyring: Keyring::read(&folder.join("keys")).expect("the keyring"),
            calls: Limiter::new(0, &clock),
            guesses: Limiter::new(0, &clock),
            visits: Limiter::new(0, &clock),
            known_visits: Limiter::new(0, &clock),
            known_neighbours: Limiter::new(0, &clock),
            trades: Limiter::new(0, &clock),
            returns: Twice::default(),
            sign_ins: Twice::default(),
            set_up: Twice::default(),
            doorbell: usher_mcp::app::Doorbell::default(),
            trusted_proxies: Vec::new(),
            clock,
            random: Random::os(),
            limits: Limits::none(),
            catalogue: Catalogue::builtin(),
            public_url: PublicUrl::parse(&server.address()).expect("a URL"),
            mail: Mailer::new(None, None, folder.join("mail"), true).expect("a mail folder"),
            outbound: Outbound::new(&["127.0.0.0/8".parse().expect("a block")], None).expect("a client"),
            slack: Slack::new(SLACK_URL).expect("an address"),
            hasher: Hasher::default(),
            seen: Seen::default(),
            evidence: Evidence::default(),
            checks: Checks::default(),
        });
        Self { app, url: String::new(), token: server.token.clone(), http: reqwest::Client::new(), stop: None, served: None }
    }

    /// `http://HOST:PORT`.
    pub fn address(&self) -> &str {
        self.url.trim_end_matches("/mcp")
    }

    /// Its failpoints.
    pub fn faults(&self) -> &Faults {
        self.app.pool.faults()
    }

    /// Calls a tool as the Administrator.
    pub async fn call(&self, tool: &str, arguments: &Value) -> Answer {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
        let request = self.http.post(&self.url).bearer_auth(&self.token).header("content-type", "application/json");
        let response = request.header("accept", "*/*").body(message.to_string()).send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// What a use case is given for a call of the Administrator.
    pub async fn as_administrator(&self, tool: &'static str) -> Call {
        let caller = credential::authenticate(&self.app, &self.token).await.expect("an answer").expect("a live token");
        Call {
            actor: caller.actor,
            standing: caller.standing,
            request_id: RequestId::new(self.app.clock.now(), &self.app.random),
            tool: Some(tool),
            options: WriteOptions::default(),
        }
    }

    /// Ends it in order.
    pub async fn stop(mut self) {
        if let (Some(stop), Some(served)) = (self.stop.take(), self.served.take()) {
            stop.send(()).expect("it serves");
            served.await.expect("no panic").expect("an orderly end");
        }
        self.app.pool.close().await;
    }
}
