//! Dynamic registration (RFC 7591), for clients that have neither an id here nor a document of their own.
//!
//! Anybody may register, so what is registered proves nothing: the name is what the client says of itself, and no secret is
//! given out, because one that anybody gets tells nobody from another. What a client asks for beside that is answered with what it
//! gets (section 3.2.1).

use super::document::{NAME, redirect_uris};
use crate::domain::{ClientId, RedirectUri, Timestamp, Untrusted};
use serde::Deserialize;
use serde_json::{Value, json};

/// Bytes of a registration at most.
pub const MOST: usize = 16 * 1024;
/// What a client is called that does not say.
const NAMELESS: &str = "An AI tool without a name";

/// A client as it registers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// What it calls itself.
    pub name: Untrusted,
    /// Where codes may be sent: 1 to [`REDIRECT_URIS`](super::document::REDIRECT_URIS).
    pub redirect_uris: Vec<RedirectUri>,
}

/// Why a registration is refused (RFC 7591, section 3.2.2). The words hold nothing of what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A redirect URI is none that is accepted, with why.
    RedirectUri(String),
    /// Something else is, with what.
    Metadata(&'static str),
}

impl Refusal {
    /// The body of the answer, which is a 400.
    #[must_use]
    pub fn body(&self) -> Value {
        match self {
            Self::RedirectUri(why) => json!({"error": "invalid_redirect_uri", "error_description": why}),
            Self::Metadata(why) => json!({"error": "invalid_client_metadata", "error_description": why}),
        }
    }
}

/// What of a registration is read; other members are ignored (section 2).
#[derive(Debug, Deserialize)]
struct Asked {
    redirect_uris: Option<Vec<String>>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
}

impl Registration {
    /// Reads the body of a request (requirement 37).
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > MOST {
            return Err(Refusal::Metadata("A registration has at most 16 KiB."));
        }
        let asked: Asked = serde_json::from_slice(body)
            .map_err(|_| Refusal::Metadata("This is not a JSON object with the metadata of a client (RFC 7591, section 2)."))?;
        // A secret is asked for by everybody whose library does so by default; keys are asked for by those who mean it.
        match asked.token_endpoint_auth_method.as_deref() {
            None | Some("none" | "client_secret_basic" | "client_secret_post") => {}
            Some(_) => return Err(Refusal::Metadata("Clients register here as public ones: token_endpoint_auth_method is none.")),
        }
        let has = |list: &Option<Vec<String>>, entry: &str| list.as_ref().is_none_or(|list| list.iter().any(|one| one == entry));
        if !has(&asked.grant_types, "authorization_code") || !has(&asked.response_types, "code") {
            return Err(Refusal::Metadata(
                "Only authorization codes are given here: grant_types has authorization_code, response_types code.",
            ));
        }
        let redirect_uris = redirect_uris(&asked.redirect_uris.unwrap_or_default()).map_err(|invalid| {
            let hint = invalid.hint.unwrap_or_default();
            Refusal::RedirectUri(format!("{} {hint}", invalid.message).trim_end().to_owned())
        })?;
        let name = Untrusted::sanitize(asked.client_name.as_deref().unwrap_or_default(), NAME);
        let name = if name.is_empty() { Untrusted::sanitize(NAMELESS, NAME) } else { name };
        Ok(Self { name, redirect_uris })
    }

    /// The body of the answer, which is a 201 (section 3.2.1): what was registered, as it was.
    #[must_use]
    pub fn answer(&self, id: &ClientId, now: Timestamp) -> Value {
        let uris: Vec<&str> = self.redirect_uris.iter().map(RedirectUri::as_str).collect();
        json!({
            "client_id": id.as_str(),
            "client_id_issued_at": now.as_millis() / 1000,
            "client_name": self.name.as_str(),
            "redirect_uris": uris,
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": "read write",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::document::REDIRECT_URIS, *};
    use crate::domain::Random;

    fn read(body: &Value) -> Result<Registration, Refusal> {
        Registration::read(body.to_string().as_bytes())
    }

    #[test]
    fn requirement_37_a_client_registers_as_a_public_one_whatever_it_asks_for() {
        let uris = ["http://localhost:8787/callback", "cursor://anysphere.cursor-mcp/oauth/callback"];
        for method in [json!(null), json!("none"), json!("client_secret_basic"), json!("client_secret_post")] {
            let asked = json!({
                "client_name": "Cursor\n", "redirect_uris": uris, "token_endpoint_auth_method": method, "application_type": "native",
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "scope": "everything",
                "software_id": {"any": "thing"},
            });
            let made = read(&asked).unwrap();
            let id = ClientId::new(&Random::seeded(1));
            let answer = made.answer(&id, Timestamp::from_millis(1_764_000_000_123));
            assert_eq!(
                answer,
                json!({
                    "client_id": id.as_str(), "client_id_issued_at": 1_764_000_000, "client_name": "Cursor", "redirect_uris": uris,
                    "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
                    "response_types": ["code"], "scope": "read write",
                })
            );
            assert!(!answer.to_string().contains("secret"));
        }
        let nameless = read(&json!({"redirect_uris": ["https://a.example/cb"], "client_name": "\u{202e} "})).unwrap();
        assert_eq!(nameless.name.as_str(), NAMELESS);
        assert_eq!(read(&json!({"redirect_uris": uris, "client_name": "x".repeat(900)})).unwrap().name.as_str().len(), NAME);
    }

    #[test]
    fn requirement_37_what_is_registered_is_bounded_and_of_an_accepted_form() {
        let many = vec!["https://a.example/cb"; REDIRECT_URIS + 1];
        for uris in [
            json!(null),
            json!([]),
            json!(many),
            json!(["https://a.example/cb", "javascript:alert(1)"]),
            json!(["http://a.example/cb"]),
            json!(["https://a.example/cb#x"]),
            json!(["a.example/cb"]),
        ] {
            let refused = read(&json!({"redirect_uris": uris})).unwrap_err();
            assert_eq!(refused.body()["error"], "invalid_redirect_uri", "{uris}");
            assert!(!refused.body().to_string().contains("a.example") && !refused.body().to_string().contains("alert"), "{refused:?}");
        }
        for (name, value) in [
            ("redirect_uris", json!("https://a.example/cb")),
            ("redirect_uris", json!([7])),
            ("client_name", json!(["x"])),
            ("token_endpoint_auth_method", json!("private_key_jwt")),
            ("token_endpoint_auth_method", json!("tls_client_auth")),
            ("grant_types", json!(["password"])),
            ("grant_types", json!(["client_credentials", "refresh_token"])),
            ("response_types", json!(["token"])),
            ("client_name", json!("x".repeat(MOST))),
        ] {
            let mut asked = json!({"redirect_uris": ["https://a.example/cb"]});
            asked[name] = value.clone();
            assert_eq!(read(&asked).unwrap_err().body()["error"], "invalid_client_metadata", "{name}");
        }
        for body in ["", "[]", "{", "7", "\u{0}"] {
            assert_eq!(Registration::read(body.as_bytes()).unwrap_err().body()["error"], "invalid_client_metadata", "{body}");
        }
    }
}
