//! MCP over standard input and output, for hosts that start their servers themselves.
//!
//! A thin bridge and no second server: each line becomes one request to the routes that serve HTTP, with the token from
//! the environment. So the credential is looked up anew for each message, and limits, checks and traces are the same. Nothing but
//! JSON-RPC is written out, and the first message that finds the token dead is the last one that is read.

use crate::{app::SharedApp, gather, http::server};
use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, Uri, header},
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::{
    io::{BufRead, Read as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Bytes of a line that are read; the routes refuse what is longer than any request of theirs, and this much is enough to see.
const MAX_LINE: usize = 1024 * 1024;
/// Messages that are under way at once; the next one waits.
const AT_ONCE: usize = 16;
/// How long whoever reads our output may keep us from ending.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Where HTTP says which revision a message is of.
const REVISION: &str = "mcp-protocol-version";

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing more comes in, or somebody asked for it.
    Closed,
    /// The token lets nobody in, or not any more.
    ShutOut,
}

/// Passes lines to the routes and answers back, until the input ends, `stop` does, or the token is dead. What was gathered is
/// written then, and the database closed.
pub async fn serve(app: SharedApp, token: &str, stop: impl Future<Output = ()>) -> End {
    // No token has characters that no header has.
    let Ok(authorization) = HeaderValue::from_str(&format!("Bearer {token}")) else {
        app.pool.close().await;
        return End::ShutOut;
    };
    let (out, written) = writer();
    let bridge = Arc::new(Bridge { routes: server::router(Arc::clone(&app)), authorization, revision: Mutex::default(), out });
    let stopped = CancellationToken::new();
    // What is swept, the server beside it sweeps.
    let gathering = tokio::spawn(gather::keep_writing(Arc::clone(&app), stopped.clone(), async |_| {}));
    let end = pass_all(&bridge, stop).await;
    stopped.cancel();
    drop(gathering.await);
    // What is still to be written ends with whatever could write more.
    drop(bridge);
    drop(tokio::time::timeout(LAST_LINES, written).await);
    app.pool.close().await;
    end
}

async fn pass_all(bridge: &Arc<Bridge>, stop: impl Future<Output = ()>) -> End {
    let mut lines = reader();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let shut_out = CancellationToken::new();
    let mut under_way = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let line = tokio::select! {
            () = shut_out.cancelled() => break,
            () = &mut stop => break,
            line = lines.recv() => line,
        };
        let Some(line) = line else { break };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let (bridge, shut_out) = (Arc::clone(bridge), shut_out.clone());
        under_way.spawn(async move {
            if bridge.pass(line).await == Passed::ShutOut {
                shut_out.cancel();
            }
            drop(place);
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
    if shut_out.is_cancelled() { End::ShutOut } else { End::Closed }
}

/// Whether messages may still be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    Answered,
    ShutOut,
}

struct Bridge {
    routes: Router,
    authorization: HeaderValue,
    /// What `initialize` agreed on; a message that names its own revision needs none.
    revision: Mutex<Option<HeaderValue>>,
    out: mpsc::Sender<String>,
}

impl Bridge {
    async fn pass(&self, line: Vec<u8>) -> Passed {
        // Only for what the headers say again and for whom the answer is: the routes look the line over themselves.
        let message: Value = serde_json::from_slice(&line).unwrap_or_default();
        let response = match self.routes.clone().oneshot(self.request(&message, line)).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        self.agree(&message, &said);
        if let Some(answer) = answer(&message, status, said) {
            // Whoever closed our output does not want to read it.
            drop(self.out.send(answer.to_string()).await);
        }
        if status == StatusCode::UNAUTHORIZED { Passed::ShutOut } else { Passed::Answered }
    }

    fn request(&self, message: &Value, line: Vec<u8>) -> Request<Body> {
        let value = |pointer: &str| HeaderValue::from_str(message.pointer(pointer)?.as_str()?).ok();
        let mut request = Request::new(Body::from(line));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/mcp");
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(revision) = value("/params/_meta/io.modelcontextprotocol~1protocolVersion") {
            headers.insert(REVISION, revision);
            // Where HTTP says again what a message of that revision is about.
            for (name, at) in [("mcp-method", "/method"), ("mcp-name", "/params/name")] {
                if let Some(value) = value(at) {
                    headers.insert(name, value);
                }
            }
        } else if message["method"] != "initialize"
            && let Some(revision) = self.revision.lock().unwrap_or_else(PoisonError::into_inner).clone()
        {
            headers.insert(REVISION, revision);
        }
        request
    }

    fn agree(&self, message: &Value, said: &Value) {
        let agreed = said["result"]["protocolVersion"].as_str().and_then(|revision| HeaderValue::from_str(revision).ok());
        if message["method"] == "initialize" && agreed.is_some() {
            *self.revision.lock().unwrap_or_else(PoisonError::into_inner) = agreed;
        }
    }
}

/// What is written for an answer of the routes. What HTTP says by a status is an error under its number; to a notification
/// there is nothing to say.
fn answer(message: &Value, status: StatusCode, said: Value) -> Option<Value> {
    if said["jsonrpc"] == "2.0" {
        return Some(said);
    }
    let is_notification = message.get("method").is_some() && message.get("id").is_none();
    if status.is_success() || is_notification {
        return None;
    }
    let id = message.get("id").filter(|id| id.is_string() || id.is_number());
    let text = said["message"].as_str().or(status.canonical_reason()).unwrap_or("refused");
    Some(json!({"jsonrpc": "2.0", "id": id, "error": {"code": status.as_u16(), "message": text}}))
}

/// Lines of standard input. A thread of its own, because nothing else can leave a read that waits behind at the end.
fn reader() -> mpsc::Receiver<Vec<u8>> {
    let (lines, read) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        while let Ok(Some(line)) = line(&mut input) {
            if !line.trim_ascii().is_empty() && lines.blocking_send(line).is_err() {
                break;
            }
        }
    });
    read
}

/// The next line without its end, as much of it as may be; nothing at the end of the input.
fn line(input: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    if input.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

/// Where lines are written to standard output one after the other, and what ends once the last one is.
fn writer() -> (mpsc::Sender<String>, oneshot::Receiver<()>) {
    let (out, mut lines) = mpsc::channel::<String>(AT_ONCE);
    let (done, written) = oneshot::channel();
    std::thread::spawn(move || {
        let mut output = std::io::stdout().lock();
        while let Some(line) = lines.blocking_recv() {
            if writeln!(output, "{line}").and_then(|()| output.flush()).is_err() {
                break;
            }
        }
        // Who does not wait for it need not know.
        let _ended = done.send(());
    });
    (out, written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_by_one_and_never_without_a_bound() {
        let long = format!("{}\nnext\nlast", "x".repeat(3 * MAX_LINE));
        let mut input = std::io::BufReader::new(long.as_bytes());
        let lengths: Vec<usize> = std::iter::from_fn(|| line(&mut input).unwrap()).map(|line| line.len()).collect();
        assert_eq!(lengths, [MAX_LINE, 4, 4]);
        assert_eq!(line(&mut &b""[..]).unwrap(), None);
        assert_eq!(line(&mut &b"\na"[..]).unwrap(), Some(Vec::new()));
    }

    #[test]
    fn requirement_17_only_json_rpc_is_answered_and_only_to_whoever_asked() {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
        let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let said = json!({"error": "invalid_token", "message": "This token is not valid."});
        let dead = answer(&request, StatusCode::UNAUTHORIZED, said.clone()).unwrap();
        assert_eq!((&dead["id"], &dead["error"]["code"], &dead["jsonrpc"]), (&json!(7), &json!(401), &json!("2.0")));
        assert_eq!(answer(&notification, StatusCode::UNAUTHORIZED, said.clone()), None);
        assert_eq!(answer(&notification, StatusCode::ACCEPTED, Value::Null), None);
        assert_eq!(answer(&Value::Null, StatusCode::PAYLOAD_TOO_LARGE, said).unwrap()["id"], Value::Null);
        let result = json!({"jsonrpc": "2.0", "id": 7, "result": {}});
        assert_eq!(answer(&request, StatusCode::OK, result.clone()), Some(result));
    }
}
