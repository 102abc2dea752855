//! The ID token: signature first, then every claim that says for whom, from whom and until when.
//!
//! The text of a claim about the person may be of any form, and what cannot be used counts as absent: a provider that fills
//! in `email` with a list does not lock anybody out, and makes nobody somebody else.

use super::{Fault, provider::Provider};
use crate::domain::{Email, MINUTE, PersonName, Timestamp, Untrusted};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// By how much the provider's clock and this server's may differ, in milliseconds.
const LEEWAY: i64 = 2 * MINUTE;
/// How old a token may be that the provider has just handed out, in milliseconds. (Microsoft dates its tokens five minutes
/// back.)
const MAX_AGE: i64 = 15 * MINUTE;
/// Longest subject, in bytes (OpenID Connect Core, section 2).
const MAX_SUBJECT: usize = 255;

/// A way to sign. Only those with a public key: a secret that this server shares with the provider proves nothing about who
/// signed, and `none` is no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// What an algorithm needs of a key.
enum Verifier {
    Rsa(&'static RsaParameters),
    /// With the key's curve, and the length of a coordinate in bytes.
    Curve(&'static dyn VerificationAlgorithm, &'static str, usize),
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    fn verifier(self) -> Verifier {
        match self {
            Self::Rs256 => Verifier::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Verifier::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Verifier::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Verifier::Rsa(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Verifier::Rsa(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Verifier::Rsa(&RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Verifier::Curve(&ECDSA_P256_SHA256_FIXED, "P-256", 32),
            Self::Es384 => Verifier::Curve(&ECDSA_P384_SHA384_FIXED, "P-384", 48),
            Self::EdDsa => Verifier::Curve(&ED25519, "Ed25519", 32),
        }
    }
}

/// A provider's keys (RFC 7517). One that does not read is none of ours.
#[derive(Debug, Deserialize)]
pub(super) struct Keys {
    keys: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Key {
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    issuer: Option<String>,
}

impl Key {
    /// Whether the key is meant for this signature at all; the token alone does not decide it.
    fn fits(&self, header: &Header, algorithm: Algorithm) -> bool {
        let curve = match algorithm.verifier() {
            Verifier::Rsa(_) => None,
            Verifier::Curve(_, curve, _) => Some(curve),
        };
        (header.kid.is_none() || header.kid == self.kid)
            && self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.alg.as_deref().is_none_or(|name| Algorithm::parse(name) == Some(algorithm))
            && self.crv.as_deref() == curve
    }

    fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let part = |text: &Option<String>| BASE64.decode(text.as_deref()?).ok();
        let verified = match algorithm.verifier() {
            Verifier::Rsa(parameters) => part(&self.n).zip(part(&self.e)).map(|(n, e)| {
                // Some providers write the sign's zero byte in front.
                let n = n.strip_prefix(&[0]).unwrap_or(&n);
                RsaPublicKeyComponents { n, e: &e }.verify(parameters, signed, signature)
            }),
            Verifier::Curve(curve, "Ed25519", _) => part(&self.x).map(|x| UnparsedPublicKey::new(curve, x).verify(signed, signature)),
            Verifier::Curve(curve, _, length) => part(&self.x).zip(part(&self.y)).map(|(x, y)| {
                // An uncompressed point (SEC 1, section 2.3.3).
                let point = if x.len() == length && y.len() == length { [&[4], &x[..], &y[..]].concat() } else { Vec::new() };
                UnparsedPublicKey::new(curve, point).verify(signed, signature)
            }),
        };
        verified.is_some_and(|verified| verified.is_ok())
    }
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
    cty: Option<Value>,
}

/// What the provider said of a person, in a token or at its userinfo endpoint.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Claims(Map<String, Value>);

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) provider: &'a Provider,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// Verifies a token; see the module.
pub(super) fn verify(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Claims, Fault> {
    let mut parts = token.split('.');
    let (Some(head), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(Fault::Token);
    };
    let signed = &token[..head.len() + 1 + payload.len()];
    let decode = |part: &str| BASE64.decode(part).map_err(|_| Fault::Token);
    let header: Header = serde_json::from_slice(&decode(head)?).map_err(|_| Fault::Token)?;
    let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| Fault::Token)?;
    let signature = decode(signature)?;
    // Nothing critical is understood here, nothing is nested, and another kind of token is not this one (RFC 8725, 3.11).
    let is_plain = header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("application/jwt"));
    if header.crit.is_some() || header.cty.is_some() || !is_plain {
        return Err(Fault::Token);
    }
    let algorithm = Algorithm::parse(&header.alg).ok_or(Fault::Algorithm)?;
    let fitting: Vec<Key> =
        keys.keys.iter().filter_map(|key| Key::deserialize(key).ok()).filter(|key| key.fits(&header, algorithm)).collect();
    if fitting.is_empty() {
        return Err(Fault::UnknownKey);
    }
    let key = fitting.iter().find(|key| key.verifies(algorithm, signed.as_bytes(), &signature)).ok_or(Fault::Signature)?;
    claims.check(key, expected)?;
    Ok(claims)
}

impl Claims {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A moment in seconds, fractions allowed (RFC 7519, section 2).
    fn moment(&self, name: &str) -> Result<Option<Timestamp>, Fault> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        // Before the year 10000: what is larger is no time, and must not overflow into one.
        let seconds = value.as_f64().filter(|seconds| (0.0..253_402_300_800.0).contains(seconds)).ok_or(Fault::Token)?;
        #[expect(clippy::cast_possible_truncation, reason = "within the range above")]
        Ok(Some(Timestamp::from_millis((seconds * 1000.0) as i64)))
    }

    /// OpenID Connect Core, section 3.1.3.7, in its order.
    fn check(&self, key: &Key, expected: &Expected<'_>) -> Result<(), Fault> {
        let Expected { provider, nonce, now } = expected;
        let (issuer, tenant) = (self.text("iss").ok_or(Fault::Issuer)?, self.text("tid"));
        if !provider.issuer.admits(issuer, tenant) {
            return Err(Fault::Issuer);
        }
        if key.issuer.as_deref().is_some_and(|named| !super::Issuer::key_signs(named, issuer, tenant)) {
            return Err(Fault::Issuer);
        }
        let audiences: Vec<&str> = match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().map(|one| one.as_str().unwrap_or_default()).collect(),
            _ => Vec::new(),
        };
        // With another audience in it, that one holds the token too and could pass it on as its own.
        if audiences != [provider.client_id.as_str()] {
            return Err(Fault::Audience);
        }
        if self.0.get("azp").is_some_and(|azp| azp.as_str() != Some(&provider.client_id)) {
            return Err(Fault::Audience);
        }
        let expires = self.moment("exp")?.ok_or(Fault::Token)?;
        let issued = self.moment("iat")?.ok_or(Fault::Token)?;
        if expires.plus(LEEWAY) <= *now || issued.plus(MAX_AGE + LEEWAY) <= *now {
            return Err(Fault::Expired);
        }
        if issued > now.plus(LEEWAY) || self.moment("nbf")?.is_some_and(|from| from > now.plus(LEEWAY)) {
            return Err(Fault::Future);
        }
        if self.text("nonce") != Some(nonce) {
            return Err(Fault::Nonce);
        }
        self.subject().map(drop)
    }

    /// The issuer of a token that was verified.
    pub(super) fn issuer(&self) -> String {
        self.text("iss").unwrap_or_default().to_owned()
    }

    /// Who it is, for this issuer.
    pub(super) fn subject(&self) -> Result<&str, Fault> {
        self.text("sub").filter(|sub| (1..=MAX_SUBJECT).contains(&sub.len()) && !sub.contains('\0')).ok_or(Fault::Token)
    }

    /// Whether the provider said anything about an address.
    pub(super) fn has_email(&self) -> bool {
        self.0.contains_key("email")
    }

    /// The address, where it is one.
    pub(super) fn email(&self) -> Option<Email> {
        Email::parse(self.text("email")?).ok()
    }

    /// Whether the provider says that the address is the person's. Only `true` is true (R-B113), and where the connection
    /// trusts its issuer about addresses, also silence and the text `true`. Microsoft's `email` is what any administrator
    /// typed in; there `xms_edov` says whether the address's domain is the tenant's own.
    pub(super) fn email_verified(&self, trusted: bool) -> bool {
        match self.0.get("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            Some(Value::String(text)) => trusted && text == "true",
            Some(_) => false,
            None => trusted || self.0.get("xms_edov") == Some(&Value::Bool(true)),
        }
    }

    /// A name as a suggestion, where it can be one (R-B118).
    pub(super) fn first_name(&self) -> Option<String> {
        self.name("given_name", |text| PersonName::parse_first(text).is_ok())
    }

    /// The same for the last name.
    pub(super) fn last_name(&self) -> Option<String> {
        self.name("family_name", |text| PersonName::parse_last(text).is_ok())
    }

    fn name(&self, claim: &str, is_name: impl Fn(&str) -> bool) -> Option<String> {
        let text = Untrusted::sanitize(self.text(claim)?, 100);
        is_name(text.as_str()).then(|| text.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn claims(value: &Value) -> Claims {
        Claims::deserialize(value).unwrap()
    }

    #[test]
    fn only_true_verifies_an_address() {
        for (value, verified, where_trusted) in [
            (json!({"email_verified": true}), true, true),
            (json!({"xms_edov": true}), true, true),
            (json!({}), false, true),
            (json!({"xms_edov": "true"}), false, true),
            (json!({"email_verified": false}), false, false),
            (json!({"email_verified": false, "xms_edov": true}), false, false),
            (json!({"email_verified": "true"}), false, true),
            (json!({"email_verified": "false"}), false, false),
            (json!({"email_verified": 1}), false, false),
            (json!({"email_verified": null}), false, false),
            (json!({"email_verified": [true]}), false, false),
        ] {
            assert_eq!([false, true].map(|trusted| claims(&value).email_verified(trusted)), [verified, where_trusted], "{value}");
        }
    }

    #[test]
    fn what_a_provider_says_of_a_person_passes_the_same_readers_as_everything() {
        let odd = claims(&json!({"email": ["ana@example.com"], "given_name": "An\u{202e}a\r\nBcc: x", "family_name": 7}));
        assert!(odd.email().is_none() && odd.has_email() && odd.last_name().is_none());
        assert_eq!(odd.first_name().as_deref(), Some("Ana Bcc: x"));
        assert!(claims(&json!({"email": "ana@example.com\r\nBcc: x@example.com"})).email().is_none());
        assert!(claims(&json!({"given_name": "www.example.com"})).first_name().is_none(), "no link in a name");
        assert_eq!(claims(&json!({"family_name": "x".repeat(10_000)})).last_name().unwrap().len(), 100);
    }

    #[test]
    fn a_moment_is_a_number_of_seconds() {
        let moment = |value: Value| claims(&json!({"exp": value})).moment("exp");
        assert_eq!(moment(json!(1.5)).unwrap(), Some(Timestamp::from_millis(1500)));
        for wrong in [json!("1"), json!(-1), json!(1e300), json!(null), json!([1])] {
            assert!(moment(wrong.clone()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_refused_in_words(token in "\\PC{0,80}|[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}", key in any::<[u8; 8]>()) {
            let issuer = super::super::Issuer::parse("https://idp.example", &[]).unwrap();
            let provider = Provider::new(issuer, "client", super::super::Secret::new("secret".into()), false).unwrap();
            let expected = Expected { provider: &provider, nonce: "n", now: Timestamp::from_millis(0) };
            let keys = Keys { keys: vec![json!({"kty": "RSA", "n": BASE64.encode(key), "e": "AQAB"}), json!(7)] };
            prop_assert!(verify(&token, &keys, &expected).is_err());
        }
    }
}
