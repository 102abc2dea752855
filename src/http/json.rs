//! A strict look at a request's JSON before anything acts on it: one object, no duplicate keys, not too deep.
//!
//! The protocol library reads leniently; what it would take silently (the second of two equal keys) or answer in
//! plain text (malformed JSON) is answered here as JSON-RPC says.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{collections::HashSet, fmt};

/// Deepest nesting that is read.
const DEPTH: u8 = 32;
/// Most elements that one array or object may have.
const ELEMENTS: usize = 10_000;

/// What the envelope says.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// The JSON-RPC method, where there is one.
    pub(super) method: Option<String>,
}

/// Why a body is no JSON-RPC message.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// Not JSON at all: -32700.
    Parse,
    /// JSON, but not one request object: -32600.
    Request,
    /// A request whose parameters have no shape that its method could read: -32602, with the id that was sent.
    Parameters(Value),
}

/// Looks the body over.
pub(super) fn look(body: &[u8]) -> Result<Envelope, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::Parse)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let strict =
        Strict { depth: 0 }.deserialize(&mut deserializer).map_err(|error| if error.is_data() { Fault::Request } else { Fault::Parse })?;
    deserializer.end().map_err(|_| Fault::Parse)?;
    match strict {
        Seen::Object => {
            let message: Map<String, Value> = serde_json::from_str(text).map_err(|_| Fault::Request)?;
            envelope(&message)
        }
        Seen::Other => Err(Fault::Request),
    }
}

/// What the protocol library would answer in plain text, or as a method that there is not.
fn envelope(message: &Map<String, Value>) -> Result<Envelope, Fault> {
    let answers = message.contains_key("result") || message.contains_key("error");
    let id = match message.get("id") {
        None => None,
        Some(id @ (Value::String(_) | Value::Number(_))) => Some(id),
        Some(_) => return Err(Fault::Request),
    };
    let method = match message.get("method") {
        Some(Value::String(method)) => Some(method.clone()),
        None if answers => None,
        Some(_) | None => return Err(Fault::Request),
    };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(Fault::Request);
    }
    if let (Some(id), Some(method)) = (id, &method)
        && !readable(method, message.get("params"))
    {
        return Err(Fault::Parameters(id.clone()));
    }
    Ok(Envelope { method })
}

/// Whether the parameters are an object, with the members that every call of the method has.
fn readable(method: &str, params: Option<&Value>) -> bool {
    let nothing = Map::new();
    let params = match params {
        None | Some(Value::Null) => &nothing,
        Some(Value::Object(params)) => params,
        Some(_) => return false,
    };
    match method {
        "tools/call" => {
            params.get("name").is_some_and(Value::is_string)
                && params.get("arguments").is_none_or(|arguments| arguments.is_object() || arguments.is_null())
        }
        _ => true,
    }
}

enum Seen {
    Object,
    Other,
}

struct Strict {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON within bounds")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Seen, A::Error> {
        let depth = self.deeper()?;
        let mut elements = 0;
        while sequence.next_element_seed(Self { depth })?.is_some() {
            elements += 1;
            if elements > ELEMENTS {
                return Err(A::Error::custom("too many elements"));
            }
        }
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let depth = self.deeper()?;
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key_seed(Key)? {
            if keys.len() >= ELEMENTS || !keys.insert(key) {
                return Err(A::Error::custom("a key stands twice, or there are too many"));
            }
            map.next_value_seed(Self { depth })?;
        }
        Ok(Seen::Object)
    }
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<u8, E> {
        if self.depth >= DEPTH { Err(E::custom("nested too deep")) } else { Ok(self.depth + 1) }
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_13_odd_json_is_refused() {
        assert_eq!(look(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).unwrap().method.as_deref(), Some("ping"));
        assert_eq!(look(b"{").unwrap_err(), Fault::Parse);
        assert_eq!(look(b"\xff").unwrap_err(), Fault::Parse);
        assert_eq!(look(br#"{"a":1} x"#).unwrap_err(), Fault::Parse);
        assert_eq!(look(b"[]").unwrap_err(), Fault::Request);
        assert_eq!(look(br#"{"a":1,"a":2}"#).unwrap_err(), Fault::Request);
        assert_eq!(look(format!("{}{}", r#"{"a":"#.repeat(40), "1").as_bytes()).unwrap_err(), Fault::Request);
        assert_eq!(look(format!("[{}1]", "1,".repeat(1_000_000)).as_bytes()).unwrap_err(), Fault::Request);
    }

    #[test]
    fn r_b143_what_is_no_request_is_told_apart_from_what_has_no_readable_parameters() {
        let told = |body: &str| look(body.as_bytes()).map(|envelope| envelope.method);
        for body in [
            "{}",
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        ] {
            assert_eq!(told(body), Err(Fault::Request), "{body}");
        }
        for (method, params) in [
            ("ping", "[1]"),
            ("tools/call", r#""x""#),
            ("tools/call", "{}"),
            ("tools/call", r#"{"name":7}"#),
            ("tools/call", r#"{"name":"whoami","arguments":[1]}"#),
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":"a","method":"{method}","params":{params}}}"#);
            assert_eq!(told(&body), Err(Fault::Parameters(Value::from("a"))), "{body}");
        }
        assert_eq!(told(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Ok(None));
        assert_eq!(told(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#), Ok(Some("notifications/cancelled".to_owned())));
        assert_eq!(
            told(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":null}}"#),
            Ok(Some("tools/call".to_owned()))
        );
    }
}
