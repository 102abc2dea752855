//! The tools as a client meets them: the protocol, the schemas, the arguments, and what all writes share.

mod arguments;
mod audit;
mod budgets;
mod contract;
mod keys;
mod organizations;
mod prompts;
mod protocol;
mod tokens;
mod writes;

use crate::common::{Server, database::Connection, until};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

/// One HTTP exchange as it was.
pub struct Exchange {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Exchange {
    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    /// One header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The code of a JSON-RPC error.
    pub fn code(&self) -> Value {
        self.json()["error"]["code"].clone()
    }
}

/// Sends a request to the MCP URL as it is: nothing is added but the token, if any, and a JSON content type.
pub async fn exchange(server: &Server, method: Method, token: Option<&str>, headers: &[(&str, &str)], body: &str) -> Exchange {
    exchange_at(server, &server.mcp_url, method, token, headers, body).await
}

/// The same to another address of the server.
pub async fn exchange_at(
    server: &Server,
    url: &str,
    method: Method,
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: &str,
) -> Exchange {
    let mut request = server.http.request(method, url).header("content-type", "application/json").body(body.to_owned());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Exchange { status, headers, text: response.text().await.expect("a body") }
}

/// A JSON-RPC request as the Administrator, in the era of `initialize`.
pub async fn rpc(server: &Server, method: &str, params: Value) -> Exchange {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    exchange(server, Method::POST, Some(&server.token), &[("accept", "application/json, text/event-stream")], &body.to_string()).await
}

/// The database seen from outside, to show that a call changed nothing.
pub struct Watch(Connection);

impl Watch {
    /// Of a server's database.
    pub async fn on(server: &Server) -> Self {
        Self(Connection::to(server).await)
    }

    /// A statement of somebody who got hold of the database; it must be let through.
    pub async fn run(&self, sql: &str) {
        assert!(self.0.run(sql).await, "{sql}");
    }

    /// One number.
    pub async fn number(&self, sql: &str) -> i64 {
        self.0.number(sql).await
    }

    /// Waits until every mail has gone its way.
    pub async fn mailed(&self) {
        until("the mail queue is empty", async || {
            (self.number("SELECT count(*) AS n FROM outbox WHERE state = 'queued'").await == 0).then_some(())
        })
        .await;
    }

    /// Everything there is but when a credential or person was last seen, which follows by itself within a minute.
    pub async fn everything(&self) -> String {
        self.whole(&[], &["last_used_at", "last_seen_at", "client"]).await
    }

    /// The same without the idempotency keys themselves.
    pub async fn everything_but_keys(&self) -> String {
        self.whole(&["idempotency_keys"], &["last_used_at", "last_seen_at", "client"]).await
    }

    /// The same without the evidence of refusals, which follows within a second.
    pub async fn everything_but_evidence(&self) -> String {
        self.whole(
            &["audit_log", "audit_values", "security_events"],
            &["last_used_at", "last_seen_at", "client", "audit_seq", "audit_hash", "audit_at"],
        )
        .await
    }

    async fn whole(&self, tables: &[&str], columns: &[&str]) -> String {
        let mut whole = String::new();
        for table in self.0.tables().await {
            if tables.contains(&table.as_str()) {
                continue;
            }
            let rows = self.0.rows(&format!("SELECT * FROM {table}")).await;
            let mut lines: Vec<String> = rows
                .into_iter()
                .map(|mut row| {
                    row.retain(|column, _| !columns.contains(&column.as_str()));
                    format!("{row:?}")
                })
                .collect();
            lines.sort();
            whole = whole + &table + "\n" + &lines.join("\n") + "\n";
        }
        whole
    }
}

/// Arguments with one more, or another.
pub fn with(arguments: &Value, name: &str, value: Value) -> Value {
    let mut arguments = arguments.clone();
    arguments[name] = value;
    arguments
}

/// Fails with the lines by which two looks at the database differ.
pub fn unchanged(before: &str, after: &str, what: &str) {
    let apart = |one: &str, other: &str| {
        one.lines().filter(|line| !other.lines().any(|twin| twin == *line)).map(|line| format!("{line:.400}")).collect::<Vec<_>>()
    };
    assert!(before == after, "{what}\nbefore: {:#?}\nafter: {:#?}", apart(before, after), apart(after, before));
}

/// The link in the newest mail to this address, once it is another than `old`.
pub async fn newer_link(server: &Server, email: &str, old: &str) -> String {
    until("a newer link", async || Some(server.link_to(email).await).filter(|link| link != old)).await
}

/// Invites somebody by these names as the Administrator; their id.
pub async fn invite(server: &Server, email: &str) -> String {
    let invited = server.ok("invite_user", json!({"email": email, "first_name": "Test", "last_name": "Person"})).await;
    invited["user"]["id"].as_str().expect("an id").to_owned()
}

/// Makes a group with these permissions as the Administrator; its id.
pub async fn group(server: &Server, name: &str, permissions: &[&str]) -> String {
    let made = server.ok("create_access_group", json!({"name": name, "permissions": permissions})).await;
    made["access_group"]["id"].as_str().expect("an id").to_owned()
}

/// The id of the newest token of somebody, as the Administrator sees it.
pub async fn token_of(server: &Server, email: &str) -> String {
    let listed = server.ok("list_mcp_tokens", json!({"user": email, "limit": 1})).await;
    listed["credentials"][0]["id"].as_str().expect("an id").to_owned()
}

/// A person in no group but a new one of these permissions; their token.
pub async fn holder(server: &Server, email: &str, permissions: &[&str]) -> String {
    let name = email.split('@').next().expect("a name");
    group(server, name, permissions).await;
    server.member(email, &[name]).await.1
}
