//! Who may knock (Host, Origin), and who is let in (bearer → actor, or 401).

use super::{
    json::{self, Envelope, Fault},
    web,
};
use crate::{
    app::SharedApp,
    authn::credential,
    config::is_loopback_name,
    domain::{MINUTE, RequestId},
    gather,
    keys::sha256,
    mcp::{Incoming, TurnedAway},
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
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
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

/// Host and port of `HOST` or `HOST:PORT`; nothing where the port is none.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some(_) if authority.ends_with(']') => Some((authority, None)),
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok().map(|port| (host, Some(port))),
        Some(_) => None,
        None => Some((authority, None)),
    }
}

/// The public URL's host, and loopback names with any port.
fn host_is_ours(app: &SharedApp, authority: &str) -> bool {
    let Some((host, port)) = split_port(authority) else { return false };
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
            .and_then(split_port)
            .is_some_and(|(host, _)| is_loopback_name(host))
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

pub(super) fn plain(status: StatusCode, error: &str, message: &str) -> Response {
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
        let Some(address) = spoken_for(hop.trim()) else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    Some(nearest.to_canonical())
}

/// An address as proxies write it: some with the port it came from.
fn spoken_for(hop: &str) -> Option<IpAddr> {
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// What stands behind the scheme `Bearer`; nothing for another scheme, which is no token at all (RFC 6750, section 3.1).
fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, token) = authorization.as_bytes().split_at_checked("bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && token.first().is_none_or(|byte| *byte == b' ');
    is_bearer.then(|| std::str::from_utf8(token).unwrap_or_default().trim())
}

/// The body with what it says, or the answer that it is nothing to act on.
async fn looked_over(body: Body) -> Result<(bytes::Bytes, Envelope), Response> {
    let Some(bytes) = collected(body).await else {
        return Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "A request has at most 256 KiB."));
    };
    match json::look(&bytes) {
        Ok(envelope) => Ok((bytes, envelope)),
        Err(Fault::Parse) => Err(rpc_error(&Value::Null, -32700, "Parse error: the body is not JSON that this server reads.")),
        Err(Fault::Request) => {
            let message = "Invalid request: one JSON-RPC 2.0 object, without duplicate keys, nested at most 32 deep.";
            Err(rpc_error(&Value::Null, -32600, message))
        }
        Err(Fault::Parameters(id)) => {
            let message = "Invalid params: an object, with what the method needs; `arguments` of a tool are an object too.";
            Err(rpc_error(&id, -32602, message))
        }
    }
}

/// What the protocol library refuses in plain text, said in JSON (R-B140).
fn in_json(mut response: Response, sent_json: bool) -> Response {
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !status.is_client_error() || is_json {
        return response;
    }
    let mut said = match status {
        // It says so of a body that it cannot read, too.
        StatusCode::UNSUPPORTED_MEDIA_TYPE if sent_json => {
            rpc_error(&Value::Null, -32600, "Invalid request: this is no message that MCP knows.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => plain(status, "unsupported_media_type", "Send JSON, with Content-Type: application/json."),
        StatusCode::METHOD_NOT_ALLOWED => plain(status, "method_not_allowed", "Send MCP requests with POST."),
        _ => plain(
            status,
            "bad_request",
            "The MCP headers do not fit: MCP-Protocol-Version names a revision that this server does not speak.",
        ),
    };
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        said.headers_mut().insert(header::ALLOW, allow);
    }
    said
}

/// Lets live credentials into `/mcp`, with everything the tool call needs; looks the body over before anything acts on it.
pub async fn mcp(State(app): State<SharedApp>, mut request: Request, next: Next) -> Response {
    let mut said = request.headers().get_all(header::AUTHORIZATION).iter();
    let authorization = said.next().cloned();
    if said.next().is_some() {
        // Which of them counts would depend on who reads: a proxy in front may have looked at the other.
        return plain(StatusCode::BAD_REQUEST, "bad_request", "Send one Authorization header.");
    }
    let Some(token) = authorization.as_ref().and_then(bearer) else { return unauthorized(false) };
    let address = request.extensions().get::<CallerAddress>().and_then(|caller| caller.0);
    let from = gather::hashed(&app, address);
    let place = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), web::visitor::neighbourhood);
    // Looked up by the same hash; here it is needed only where somebody is turned away.
    let rests = |app: &SharedApp| app.pool.bearer_rests(sha256(token.as_bytes()));
    let told = |app: &SharedApp| {
        app.evidence.stranger(app.clock.now(), "dead_token", "mcp", from);
        unauthorized(true)
    };
    // Without a look-up there is no turn to wait for, and rests would pile up faster than they end.
    if token.is_empty() {
        return told(&app);
    }
    let dead = async |app: &SharedApp| {
        app.pool.stranger_rested(place).await;
        told(app)
    };
    let request_id = RequestId::new(app.clock.now(), &app.random);
    let behind = app.pool.behind_strangers(place).await;
    let looked_up = credential::authenticate(&app, token).await;
    drop(behind);
    let caller = match looked_up {
        Ok(Some(caller)) => caller,
        Ok(None) => return dead(&app).await,
        Err(error) => {
            tracing::error!(%request_id, %error, "authentication failed");
            return unavailable(request_id);
        }
    };
    // A token of another organization is the same 401 as an unknown one.
    let wanted = request.uri().path().strip_prefix("/mcp/").map(str::to_owned);
    if wanted.is_some_and(|slug| slug != caller.alive.slug) {
        return dead(&app).await;
    }
    // Every answer is JSON, whatever was asked for (R-B140); the library insists on both names.
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let limited = app.calls.check(&caller.alive.id).err();
    if limited.is_some() {
        rests(&app);
    }
    let (mut parts, body) = request.into_parts();
    let looked = if parts.method == Method::POST { looked_over(body).await } else { Ok(Default::default()) };
    // Over the limit only a tool call has an answer of its own.
    let bytes = match (looked, limited) {
        (Ok((bytes, envelope)), Some(_)) if envelope.calls_a_tool() => bytes,
        (Ok(_) | Err(_), Some(wait)) => return too_many(wait),
        (Ok((bytes, _)), None) => bytes,
        (Err(refusal), None) => return refusal,
    };
    let sent_json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let turned_away = Arc::new(OnceLock::new());
    parts.extensions.insert(Arc::new(Incoming { caller, request_id, limited, turned_away: Arc::clone(&turned_away) }));
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    match turned_away.get() {
        Some(TurnedAway::Dead) => return dead(&app).await,
        Some(TurnedAway::Refused) => rests(&app),
        None => {}
    }
    match limited {
        Some(wait) if response.status() != StatusCode::OK => too_many(wait),
        Some(_) | None => in_json(response, sent_json),
    }
}

/// A fault that is not the caller's, with the number under which the log says more.
pub(super) fn numbered(status: StatusCode, error: &str, message: &str, request_id: RequestId) -> Response {
    let body = serde_json::json!({"error": error, "message": message, "request_id": request_id.to_string()});
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn unavailable(request_id: RequestId) -> Response {
    let message = "The database did not answer in time. Try again in a moment.";
    let mut response = numbered(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message, request_id);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn too_many(wait: i64) -> Response {
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests with this credential.");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds(wait)));
    response
}

/// A wait in seconds, in words.
pub(super) fn in_words(seconds: u64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        0..120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// A wait in milliseconds as `Retry-After` says it: whole seconds, rounded up.
pub(super) fn retry_after_seconds(wait: i64) -> u64 {
    u64::try_from(wait).unwrap_or_default().div_ceil(1000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_reads_as_people_say_it() {
        assert_eq!(
            [0, 1, 2, 119, 120, 121, 900].map(in_words).join(", "),
            "0 seconds, 1 second, 2 seconds, 119 seconds, 2 minutes, 3 minutes, 15 minutes"
        );
    }

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
        assert_eq!(from("127.0.0.1", &["203.0.113.9:51234"]), "203.0.113.9");
        assert_eq!(from("127.0.0.1", &["[2001:db8::1]:51234"]), "2001:db8::1");
        assert_eq!(from("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(from("::ffff:127.0.0.1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(caller_address(&trusted, None, &HeaderMap::new()), None);
    }
}
