//! Client ID metadata documents: a client's id is an address, and at that address it describes itself
//! (draft-ietf-oauth-client-id-metadata-document).
//!
//! The address comes from whoever opens the page of a consent, so it is fetched as every address of somebody else's is
//! ([`Outbound`]): public ones only, checked where they are dialled, without following redirects, and here with less time and
//! fewer bytes. A document counts only as a whole: one wrong member, and the client is unknown. Only what counted may be kept, and
//! for a bounded time.

use crate::{
    domain::{ClientId, DAY, Invalid, MINUTE, RedirectUri, SECOND, Untrusted},
    outbound::{Fault, Outbound, Reply},
};
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use serde::Deserialize;
use std::time::Duration;

/// Bytes of a document at most (section 6.6 of the draft).
const MOST: usize = 5 * 1024;
/// How long fetching one may take in all.
const WITHIN: Duration = Duration::from_secs(5);
/// Characters of a client's name that are kept.
pub const NAME: usize = 100;
/// Redirect URIs that one client may have.
pub const REDIRECT_URIS: usize = 10;
/// How long a copy is good where the document's host does not say; at least and at most, whatever it says. In milliseconds.
const FRESH: (i64, i64, i64) = (5 * MINUTE, 60 * MINUTE, DAY);

/// A client as its document describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What it calls itself; where it does not, the host of its address.
    pub name: Untrusted,
    /// Where codes may be sent; at least one.
    pub redirect_uris: Vec<RedirectUri>,
    /// How many milliseconds this may be used before it is fetched anew.
    pub fresh_for: i64,
}

/// Why a client is not known by its document. The words are for a page, and hold nothing of what the other side sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The id is no address.
    #[error("The client's id is not the address of a document.")]
    NoAddress,
    /// It could not be fetched.
    #[error("The client's document could not be fetched: {0}.")]
    Fetched(#[from] Fault),
    /// Another type than JSON, or JSON of another form.
    #[error("The client's document is not JSON that describes a client.")]
    Form,
    /// It says that it describes another client.
    #[error("The client's document describes another client.")]
    AnotherClient,
    /// A redirect URI is missing, one too many, or none that is accepted.
    #[error("The client's document names no place, or a forbidden one, to send people back to.")]
    RedirectUris,
    /// It can only authenticate in a way that there is not here.
    #[error("The client's document asks for a way of authentication that this server does not have.")]
    Authentication,
    /// It does not use codes.
    #[error("The client's document does not ask for authorization codes.")]
    Grants,
}

/// What of a document is read; other members are the client's own business.
#[derive(Debug, Deserialize)]
struct Document {
    client_id: String,
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_secret: Option<serde::de::IgnoredAny>,
    client_secret_expires_at: Option<serde::de::IgnoredAny>,
}

/// Fetches and reads the document of a client (requirement 36).
///
/// # Errors
/// See [`Unfit`]; none of them is to be kept.
pub async fn fetch(outbound: &Outbound, id: &ClientId) -> Result<Described, Unfit> {
    let url = id.document().ok_or(Unfit::NoAddress)?;
    let request = outbound.get(&url).header(ACCEPT, "application/json");
    let reply = outbound.clone().within(WITHIN).send(request, MOST).await?;
    read(id, &reply)
}

fn read(id: &ClientId, reply: &Reply) -> Result<Described, Unfit> {
    if reply.status != 200 {
        return Err(Unfit::Fetched(Fault::Unexpected));
    }
    if !is_json(&reply.headers) {
        return Err(Unfit::Form);
    }
    let document: Document = serde_json::from_slice(&reply.body).map_err(|_| Unfit::Form)?;
    // Compared as texts (section 3 of the draft, RFC 3986 6.2.1).
    if document.client_id != id.as_str() {
        return Err(Unfit::AnotherClient);
    }
    if document.client_secret.is_some() || document.client_secret_expires_at.is_some() || !is_public(&document) {
        return Err(Unfit::Authentication);
    }
    if !has(document.grant_types.as_deref(), "authorization_code") || !has(document.response_types.as_deref(), "code") {
        return Err(Unfit::Grants);
    }
    let redirect_uris = redirect_uris(&document.redirect_uris).map_err(|_| Unfit::RedirectUris)?;
    Ok(Described { name: name(id, document.client_name.as_deref()), redirect_uris, fresh_for: fresh_for(&reply.headers) })
}

/// Whether it is JSON by what its host says. What people upload to a host often comes as text.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Whether it gets along without a secret and without a key: a document is public, so there is no secret, and what a client prefers
/// beside `none` it only does where a server offers it.
fn is_public(document: &Document) -> bool {
    match &document.token_endpoint_auth_methods_supported {
        Some(methods) => methods.iter().any(|method| method == "none"),
        None => document.token_endpoint_auth_method.as_deref().is_none_or(|method| method == "none"),
    }
}

/// Whether a list has this entry; without one it has what is usual, and that is among it.
fn has(list: Option<&[String]>, entry: &str) -> bool {
    list.is_none_or(|list| list.iter().any(|one| one == entry))
}

/// Reads a client's redirect URIs: 1 to [`REDIRECT_URIS`], each of an accepted form.
pub(super) fn redirect_uris(texts: &[String]) -> Result<Vec<RedirectUri>, Invalid> {
    if !(1..=REDIRECT_URIS).contains(&texts.len()) {
        return Err(Invalid::new("redirect_uris", format!("`redirect_uris` has 1 to {REDIRECT_URIS} entries.")));
    }
    texts.iter().map(|text| RedirectUri::parse(text)).collect()
}

fn name(id: &ClientId, said: Option<&str>) -> Untrusted {
    let name = Untrusted::sanitize(said.unwrap_or_default(), NAME);
    if !name.is_empty() {
        return name;
    }
    let url = id.document();
    Untrusted::sanitize(url.as_ref().and_then(url::Url::host_str).unwrap_or_default(), NAME)
}

/// How long a copy is good: as its host says by `max-age`, within bounds; at the least where it wants none kept.
fn fresh_for(headers: &HeaderMap) -> i64 {
    let (least, usual, most) = FRESH;
    let said = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    let mut fresh = usual;
    for directive in said.split(',').map(|directive| directive.trim().to_ascii_lowercase()) {
        if directive == "no-store" || directive == "no-cache" {
            return least;
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            fresh = seconds.parse::<i64>().map_or(least, |seconds| seconds.saturating_mul(SECOND));
        }
    }
    fresh.clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ID: &str = "https://app.example.com/oauth/client.json";

    fn id() -> ClientId {
        ClientId::parse(ID).unwrap()
    }

    fn document() -> Value {
        json!({"client_id": ID, "client_name": "Claude", "redirect_uris": ["https://app.example.com/cb", "http://127.0.0.1/cb"]})
    }

    fn reply(status: u16, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(reqwest::header::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        Reply { status, headers: all, body: body.to_string().into_bytes() }
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    fn with(name: &str, value: Value) -> Result<Described, Unfit> {
        let mut document = document();
        document[name] = value;
        read(&id(), &reply(200, &[JSON], &document))
    }

    #[test]
    fn requirement_36_a_document_says_who_its_client_is() {
        let read = read(&id(), &reply(200, &[JSON], &document())).unwrap();
        assert_eq!((read.name.as_str(), read.redirect_uris.len(), read.fresh_for), ("Claude", 2, 60 * MINUTE));
        // What a large host publishes: it prefers a key, and gets along without.
        let mut document = document();
        document["token_endpoint_auth_method"] = json!("private_key_jwt");
        document["token_endpoint_auth_methods_supported"] = json!(["none", "private_key_jwt"]);
        document["grant_types"] = json!(["authorization_code", "refresh_token"]);
        document["response_types"] = json!(["code"]);
        document["logo_uri"] = json!("http://169.254.169.254/logo");
        assert!(super::read(&id(), &reply(200, &[("content-type", "application/cimd+json; charset=utf-8")], &document)).is_ok());
        for (said, kept) in [(json!(null), "app.example.com"), (json!(" "), "app.example.com"), (json!("A\u{202e}\nB"), "A B")] {
            assert_eq!(with("client_name", said).unwrap().name.as_str(), kept);
        }
        assert_eq!(with("client_name", json!("x".repeat(500))).unwrap().name.as_str().len(), NAME);
    }

    #[test]
    fn requirement_36_a_document_counts_as_a_whole_or_not_at_all() {
        for (name, value, unfit) in [
            ("client_id", json!("https://app.example.com/oauth/client.json#"), Unfit::AnotherClient),
            ("client_id", json!("https://APP.example.com/oauth/client.json"), Unfit::AnotherClient),
            ("client_id", json!("https://app.example.com:443/oauth/client.json"), Unfit::AnotherClient),
            ("client_id", json!(format!("{ID} ")), Unfit::AnotherClient),
            ("client_id", json!(null), Unfit::Form),
            ("client_id", json!([ID]), Unfit::Form),
            ("redirect_uris", json!([]), Unfit::RedirectUris),
            ("redirect_uris", json!(null), Unfit::Form),
            ("redirect_uris", json!("https://app.example.com/cb"), Unfit::Form),
            ("redirect_uris", json!(vec!["https://app.example.com/cb"; REDIRECT_URIS + 1]), Unfit::RedirectUris),
            ("redirect_uris", json!(["https://app.example.com/cb", "javascript:alert(1)"]), Unfit::RedirectUris),
            ("redirect_uris", json!(["http://app.example.com/cb"]), Unfit::RedirectUris),
            ("token_endpoint_auth_method", json!("client_secret_basic"), Unfit::Authentication),
            ("token_endpoint_auth_method", json!("client_secret_post"), Unfit::Authentication),
            ("token_endpoint_auth_method", json!("private_key_jwt"), Unfit::Authentication),
            ("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]), Unfit::Authentication),
            ("client_secret", json!("x"), Unfit::Authentication),
            ("client_secret_expires_at", json!(0), Unfit::Authentication),
            ("grant_types", json!(["refresh_token"]), Unfit::Grants),
            ("grant_types", json!([]), Unfit::Grants),
            ("response_types", json!(["token"]), Unfit::Grants),
        ] {
            assert_eq!(with(name, value.clone()), Err(unfit), "{name} {value}");
        }
        for (status, kind) in [(301, "application/json"), (404, "application/json"), (204, "application/json"), (203, "application/json")] {
            let read = read(&id(), &reply(status, &[("content-type", kind)], &document()));
            assert_eq!(read, Err(Unfit::Fetched(Fault::Unexpected)), "{status}");
        }
        for kind in ["text/html", "text/plain", "application/jsonp", "json", ""] {
            assert_eq!(read(&id(), &reply(200, &[("content-type", kind)], &document())), Err(Unfit::Form), "{kind}");
        }
        assert_eq!(read(&id(), &reply(200, &[], &document())), Err(Unfit::Form));
        for body in ["", "[]", "{", "null", r#"{"client_id":"a","client_id":"b","redirect_uris":[]}"#] {
            let reply = Reply { status: 200, headers: reply(200, &[JSON], &Value::Null).headers, body: body.as_bytes().to_vec() };
            assert_eq!(read(&id(), &reply), Err(Unfit::Form), "{body}");
        }
    }

    #[test]
    fn requirement_36_a_copy_is_kept_within_bounds() {
        let (least, usual, most) = FRESH;
        for (said, kept) in [
            (&[][..], usual),
            (&["max-age=600"], 600 * SECOND),
            (&["public, Max-Age=7200"], 7200 * SECOND),
            (&["max-age=1"], least),
            (&["max-age=-1"], least),
            (&["max-age=99999999999999999999"], least),
            (&["max-age=31536000, immutable"], most),
            (&["max-age=9223372036854775807"], most),
            (&["max-age=600", "no-store"], least),
            (&["no-cache"], least),
            (&["private"], usual),
        ] {
            let headers: Vec<_> = said.iter().map(|value| ("cache-control", *value)).collect();
            assert_eq!(fresh_for(&reply(200, &headers, &Value::Null).headers), kept, "{said:?}");
        }
    }
}
