//! Connections, and how long a client may take over a request. Answers take as long as they take.

use super::auth::plain;
use axum::{
    Extension, Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::Response,
    serve::Listener,
};
use bytes::Bytes;
use hyper::{
    body::{Body as _, Frame, SizeHint},
    server::conn::http1,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Layer as _;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the beginning of a connection, or from the answer before, to the end of the next request's head.
    pub(super) head: Duration,
    /// From when the body is first waited for to its end.
    pub(super) body: Duration,
}

impl Patience {
    /// What a server has. A connection at rest is one whose next head has not begun, and the proxies in front keep theirs for a
    /// minute: it must be they who end it, or a request of theirs meets a closed door.
    pub(super) const SERVING: Self = Self { head: Duration::from_secs(75), body: Duration::from_secs(30) };
}

/// Serves these routes until `stop`; then requests that have begun are finished.
pub(super) async fn serve(mut listener: TcpListener, routes: Router, patience: Patience, stop: CancellationToken) {
    let routes = routes.layer(middleware::from_fn_with_state(patience, in_time));
    let connections = TaskTracker::new();
    loop {
        let (stream, peer) = tokio::select! { accepted = Listener::accept(&mut listener) => accepted, () = stop.cancelled() => break };
        connections.spawn(connection(stream, peer, routes.clone(), patience, stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, routes: Router, patience: Patience, stop: CancellationToken) {
    let service = TowerToHyperService::new(Extension(ConnectInfo(peer)).layer(routes));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.head);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended");
    }
}

/// Answers 408 where the body does not come in time.
async fn in_time(State(patience): State<Patience>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let late = Arc::new(AtomicBool::new(false));
    let timed = |body| Body::new(Timed { body, within: patience.body, end: None, late: Arc::clone(&late) });
    let response = next.run(request.map(timed)).await;
    // Whoever read the body took it for broken.
    if late.load(Ordering::Relaxed) { too_slow() } else { response }
}

fn too_slow() -> Response {
    let message = "The request did not come in time. Send it again, all of it at once.";
    let mut response = plain(StatusCode::REQUEST_TIMEOUT, "too_slow", message);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A body that ends as broken where it is waited for too long.
struct Timed {
    body: Body,
    within: Duration,
    /// When it is too late; set when it is first waited for.
    end: Option<Pin<Box<Sleep>>>,
    late: Arc<AtomicBool>,
}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            return frame;
        }
        let within = self.within;
        ready!(self.end.get_or_insert_with(|| Box::pin(sleep(within))).as_mut().poll(context));
        self.late.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::{get, post};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::Notify,
    };

    const PATIENCE: Patience = Patience { head: Duration::from_millis(50), body: Duration::from_millis(50) };

    /// Sends this, and then nothing.
    async fn sent(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Everything up to the end of the connection.
    async fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn half_a_request_ends_its_connection_and_a_long_answer_does_not() {
        let asked = Arc::new(Notify::new());
        let enough = Arc::new(Notify::new());
        let (told, waits) = (Arc::clone(&asked), Arc::clone(&enough));
        let long = move || async move {
            told.notify_one();
            waits.notified().await;
            "here at last"
        };
        let [long_answer, form] = ["/long", "/form"];
        let routes = Router::new().route(long_answer, get(long)).route(form, post(|body: Bytes| async move { body }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, routes, PATIENCE, stop.clone()));

        let long = sent(address, "GET /long HTTP/1.1\r\nhost: a\r\n\r\n").await;
        asked.notified().await;
        for half in ["", "P", "POST /form HTTP/1.1\r\n", "POST /form HTTP/1.1\r\nhost: a\r\nx-slow: so"] {
            assert_eq!(answer(sent(address, half).await).await, "", "{half}");
        }
        for half in ["content-length: 4\r\n\r\nabc", "content-length: 4\r\n\r\n", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
            let said = answer(sent(address, &format!("POST /form HTTP/1.1\r\nhost: a\r\n{half}")).await).await;
            assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("\r\nconnection: close\r\n"), "{half}: {said}");
            assert!(said.ends_with(r#""message":"The request did not come in time. Send it again, all of it at once."}"#), "{said}");
        }
        // Whoever was answered once gets no longer for the next.
        let whole = "POST /form HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
        for then in ["", "GET /lo"] {
            let said = answer(sent(address, &format!("{whole}{then}")).await).await;
            assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("\r\n\r\nabc"), "{then}: {said}");
        }
        // All the while nothing was asked of the one who waits.
        stop.cancel();
        enough.notify_one();
        let said = answer(long).await;
        assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("here at last"), "{said}");
        serving.await.unwrap();
    }
}
