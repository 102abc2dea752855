//! Who may knock (Host, Origin), and who is let in (bearer → actor, or 401).

use super::{
    json::{self, Fault},
    web,
};
use crate::{
    app::SharedApp,
    authn::credential,
    config::is_loopback_name,
    domain::{MINUTE, RequestId},
    gather,
    mcp::Incoming,
};
use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use ipnet::IpNet;
use serde_json::Value;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

/// Largest MCP request.
const MAX_BODY: usize = 256 * 1024;
/// How much of a larger one is read before the connection just ends.
const MAX_READ: usize = 4 * 1024 * 1024;

/// The header's value, when it stands exactly once and is text.
fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => {
            (host, port.parse().ok())
        }
        Some(_) | None => (authority, None),
    }
}

/// The public URL's host, and loopback names with any port.
fn host_is_ours(app: &SharedApp, authority: &str) -> bool {
    let (host, port) = split_port(authority);
    if is_loopback_name(host) {
        return true;
    }
    host.eq_ignore_ascii_case(app.public_url.host()) && port.is_none_or(|port| port == app.public_url.port())
}

/// The public origin; loopback ones with any port where the public URL is loopback.
fn origin_is_ours(app: &SharedApp, origin: &str) -> bool {
    if origin.eq_ignore_ascii_case(&app.public_url.origin()) {
        return true;
    }
    app.public_url.is_loopback()
        && origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .is_some_and(|authority| is_loopback_name(split_port(authority).0))
}

/// Pages with a form let browsers say where it comes from. Where somebody's browser is set to keep silent, it sends the
/// origin `null`, and whose page it was then stands in a header that no page and no script can set (Fetch Metadata, section 2).
fn is_form_of_our_page(app: &SharedApp, request: &Request) -> bool {
    is_page(app, request) && request.headers().get("sec-fetch-site").is_some_and(|site| site == "same-origin")
}

/// Whether a person would read the answer: these are the addresses that only programs ask for.
fn is_page(app: &SharedApp, request: &Request) -> bool {
    let path = request.uri().path();
    let path = path.strip_prefix(app.public_url.base()).unwrap_or(path);
    !["/mcp", "/healthz", "/readyz", "/.well-known"]
        .into_iter()
        .any(|place| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// 403, in words for a person or for a program.
fn forbidden(app: &SharedApp, request: &Request, page: web::views::Fault, error: &str, message: &str) -> Response {
    if is_page(app, request) { web::fault(app, page) } else { plain(StatusCode::FORBIDDEN, error, message) }
}

/// When a foreign host was last told of, in Unix milliseconds: whoever can send requests must not fill the log with them.
static TOLD_OF_A_FOREIGN_HOST: AtomicI64 = AtomicI64::new(0);

fn tell_of_a_foreign_host(app: &SharedApp) {
    let now = app.clock.now().as_millis();
    let last = TOLD_OF_A_FOREIGN_HOST.load(Ordering::Relaxed);
    let due = now - last >= MINUTE;
    if due && TOLD_OF_A_FOREIGN_HOST.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        tracing::warn!("a request named a foreign host; --public-url says which one is this server's. Told once a minute at most");
    }
}

fn plain(status: StatusCode, error: &str, message: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], serde_json::json!({"error": error, "message": message}).to_string())
        .into_response()
}

/// Turns foreign Host and Origin headers away (DNS rebinding; MCP transport, section "Security Warning").
pub async fn gate(State(app): State<SharedApp>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let address = CallerAddress(caller_address(&app.trusted_proxies, peer, request.headers()));
    request.extensions_mut().insert(address);
    let headers = request.headers();
    let host = single(headers, &header::HOST).map(str::to_owned).or_else(|| request.uri().authority().map(ToString::to_string));
    if !host.is_some_and(|host| host_is_ours(&app, &host)) {
        tell_of_a_foreign_host(&app);
        return forbidden(
            &app,
            &request,
            web::views::Fault::ForeignHost,
            "forbidden_host",
            "This server does not answer to that host name. Its operator sets it with --public-url.",
        );
    }
    let origin = single(headers, &header::ORIGIN);
    if headers.contains_key(header::ORIGIN)
        && !origin.is_some_and(|origin| origin_is_ours(&app, origin))
        && !(origin == Some("null") && is_form_of_our_page(&app, &request))
    {
        let message = "Requests from that origin are not accepted.";
        return forbidden(&app, &request, web::views::Fault::CrossSite, "forbidden_origin", message);
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// 401. With a dead token `error="invalid_token"`, without any none (RFC 6750, section 3.1). Nothing else differs.
fn unauthorized(shown: bool) -> Response {
    let challenge = if shown { r#"Bearer realm="usher", error="invalid_token""# } else { r#"Bearer realm="usher""# };
    let mut response = plain(
        StatusCode::UNAUTHORIZED,
        if shown { "invalid_token" } else { "unauthorized" },
        if shown {
            "This token is not valid. Ask an Administrator for a new one."
        } else {
            "Send a personal MCP token as: Authorization: Bearer usher_pat_…"
        },
    );
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The whole body, or nothing where it is too large. A larger one is read on for a while all the same: who is still
/// sending when the connection ends never hears why.
async fn collected(mut body: Body) -> Option<bytes::Bytes> {
    let mut whole = bytes::BytesMut::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length <= MAX_BODY {
            whole.extend_from_slice(&data);
        } else if length > MAX_READ {
            return None;
        }
    }
    (length <= MAX_BODY).then(|| whole.freeze())
}

fn rpc_error(id: &Value, code: i32, message: &str) -> Response {
    let body = serde_json::json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Whoever calls, by network address: the peer, or whom a trusted proxy speaks for.
#[derive(Clone, Copy, Debug)]
pub struct CallerAddress(pub Option<IpAddr>);

/// The peer; where that is a trusted proxy, the nearest address in `X-Forwarded-For` that is none (requirement 65):
/// everything to the left of it may be made up.
fn caller_address(trusted: &[IpNet], peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|block| block.contains(&address.to_canonical()));
    let peer = peer?;
    if !is_trusted(peer) {
        return Some(peer);
    }
    let said = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    let mut nearest = peer;
    for hop in said.rsplit(',') {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    Some(nearest.to_canonical())
}

/// Lets live credentials into `/mcp`, with everything the tool call needs; looks the body over before anything acts on it.
pub async fn mcp(State(app): State<SharedApp>, mut request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let Some(authorization) = authorization else { return unauthorized(false) };
    let token = authorization
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let from = gather::hashed(&app, request.extensions().get::<CallerAddress>().and_then(|caller| caller.0));
    let dead = |app: &SharedApp| {
        app.evidence.stranger(app.clock.now(), "dead_token", "mcp", from);
        unauthorized(true)
    };
    let Some(token) = token.filter(|token| !token.is_empty()) else { return dead(&app) };
    let caller = match credential::authenticate(&app, token).await {
        Ok(Some(caller)) => caller,
        Ok(None) => return dead(&app),
        Err(error) => {
            tracing::error!(%error, "authentication failed");
            let mut response =
                plain(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The database did not answer in time. Try again in a moment.");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return response;
        }
    };
    // A token of another organization is the same 401 as an unknown one.
    let wanted = request.uri().path().strip_prefix("/mcp/").map(str::to_owned);
    if wanted.is_some_and(|slug| slug != caller.alive.slug) {
        return dead(&app);
    }
    if request.headers().get(header::ACCEPT).is_none_or(|accept| accept.as_bytes().windows(3).any(|part| part == b"*/*"))
        || !request.headers().get(header::ACCEPT).is_some_and(|accept| accept.to_str().is_ok_and(|text| text.contains("text/event-stream")))
    {
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
    let request_id = RequestId::new(app.clock.now(), &app.random);
    let limited = app.calls.check(&caller.alive.id).err();
    let (mut parts, body) = request.into_parts();
    let mut bytes = bytes::Bytes::new();
    if parts.method == Method::POST {
        bytes = match collected(body).await {
            Some(bytes) => bytes,
            None => return plain(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "A request has at most 256 KiB."),
        };
        let envelope = match json::look(&bytes) {
            Ok(envelope) => envelope,
            Err(Fault::Parse) => return rpc_error(&Value::Null, -32700, "Parse error: the body is not JSON."),
            Err(Fault::Request) => {
                let message = "Invalid request: one JSON-RPC 2.0 object, without duplicate keys, nested at most 32 deep.";
                return rpc_error(&Value::Null, -32600, message);
            }
            Err(Fault::Parameters(id)) => {
                return rpc_error(
                    &id,
                    -32602,
                    "Invalid params: an object, with what the method needs; `arguments` of a tool are an object too.",
                );
            }
        };
        if let Some(wait) = limited
            && envelope.method.as_deref() != Some("tools/call")
        {
            return too_many(wait);
        }
    } else if let Some(wait) = limited {
        return too_many(wait);
    }
    let died = Arc::new(AtomicBool::new(false));
    parts.extensions.insert(Arc::new(Incoming { caller, request_id, limited, dead: Arc::clone(&died) }));
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    if died.load(Ordering::Acquire) { dead(&app) } else { response }
}

fn too_many(wait: i64) -> Response {
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests with this credential.");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds(wait)));
    response
}

/// A wait in milliseconds as `Retry-After` says it: whole seconds, rounded up.
pub(super) fn retry_after_seconds(wait: i64) -> u64 {
    u64::try_from(wait).unwrap_or_default().div_ceil(1000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_65_only_a_trusted_proxy_speaks_for_others() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        let from = |peer: &str, said: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in said {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            caller_address(&trusted, Some(peer.parse().unwrap()), &headers).unwrap().to_string()
        };
        assert_eq!(from("203.0.113.9", &["198.51.100.1"]), "203.0.113.9", "a stranger speaks for nobody");
        assert_eq!(from("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(from("127.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.7"]), "198.51.100.1", "what a client made up stands left");
        assert_eq!(from("127.0.0.1", &["6.6.6.6", "198.51.100.1"]), "198.51.100.1", "also in a header of its own");
        assert_eq!(from("127.0.0.1", &["nonsense"]), "127.0.0.1");
        assert_eq!(from("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(from("::ffff:127.0.0.1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(caller_address(&trusted, None, &HeaderMap::new()), None);
    }
}
