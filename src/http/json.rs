//! A strict look at a request's JSON before anything acts on it: one object, no duplicate keys, not too deep.
//!
//! The protocol library reads leniently; what it would take silently (the second of two equal keys) or answer in
//! plain text (malformed JSON) is answered here as JSON-RPC says.

use rmcp::model::{CallToolRequestParams, ErrorData, GetPromptRequestParams, InitializeRequestParams, PaginatedRequestParams, RequestId};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Deepest nesting that is read.
const DEPTH: u8 = 32;
/// Most elements that one array or object may have.
const ELEMENTS: usize = 10_000;

/// Where a request of the stateless protocol names its revision.
const REVISION: &str = "/_meta/io.modelcontextprotocol~1protocolVersion";

/// What the envelope says.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// The JSON-RPC method, where there is one.
    method: Option<String>,
    /// Whether it wants an answer.
    id: bool,
}

impl Envelope {
    /// Whether it is a tool call, whose answer can be a tool's.
    pub(super) fn calls_a_tool(&self) -> bool {
        self.id && self.method.as_deref() == Some("tools/call")
    }
}

/// Why a body is no JSON-RPC message.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// Not JSON, or JSON with text or numbers that nothing here could hold: -32700.
    Parse,
    /// JSON, but not one request object: -32600.
    Request,
    /// A message whose parameters have no shape that its method could read: -32602, with the id that was sent.
    Parameters(Value),
}

/// Looks the body over.
pub(super) fn look(body: &[u8]) -> Result<Envelope, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::Parse)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let message =
        Strict { depth: 0 }.deserialize(&mut deserializer).map_err(|error| if error.is_data() { Fault::Request } else { Fault::Parse })?;
    deserializer.end().map_err(|_| Fault::Parse)?;
    match message {
        Value::Object(message) => envelope(&message),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(Fault::Request),
    }
}

/// What the protocol library would answer in plain text, or as a method that there is not.
fn envelope(message: &Map<String, Value>) -> Result<Envelope, Fault> {
    let id = message.get("id");
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") || !id.is_none_or(is::<RequestId>) {
        return Err(Fault::Request);
    }
    let method = match (message.get("method"), message.get("result"), message.get("error")) {
        (Some(Value::String(method)), None, None) => Some(method.clone()),
        (None, Some(_), None) if id.is_some() => None,
        (None, None, Some(error)) if is::<ErrorData>(error) => None,
        (_, _, _) => return Err(Fault::Request),
    };
    if let Some(method) = &method
        && !readable(method, id.is_some(), message.get("params"))
    {
        return Err(Fault::Parameters(id.cloned().unwrap_or_default()));
    }
    Ok(Envelope { method, id: id.is_some() })
}

/// Whether the library reads `value` as a `T`: what it does not, it would answer in plain text, or as a method that there is not.
fn is<T: DeserializeOwned>(value: &Value) -> bool {
    T::deserialize(value).is_ok()
}

/// Whether the parameters are an object, with the members that the method's own have.
fn readable(method: &str, is_request: bool, params: Option<&Value>) -> bool {
    let nothing = Value::Object(Map::new());
    let params = match params {
        None | Some(Value::Null) => &nothing,
        Some(params @ Value::Object(_)) => params,
        Some(_) => return false,
    };
    if !params.get("_meta").is_none_or(|meta| meta.is_object() || meta.is_null()) {
        return false;
    }
    match method {
        _ if !is_request => true,
        // The revision that each request names itself has no such method, which the library says.
        "initialize" => params.pointer(REVISION).is_some() || is::<InitializeRequestParams>(params),
        "tools/list" | "prompts/list" => is::<PaginatedRequestParams>(params),
        "prompts/get" => is::<GetPromptRequestParams>(params),
        "tools/call" => is::<CallToolRequestParams>(params),
        _ => true,
    }
}

/// Reads a value as `serde_json` does, within bounds.
struct Strict {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON within bounds")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(Self { depth })? {
            if elements.len() >= ELEMENTS {
                return Err(A::Error::custom("too many elements"));
            }
            elements.push(element);
        }
        Ok(elements.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if members.len() >= ELEMENTS || members.contains_key(&key) {
                return Err(A::Error::custom("a key stands twice, or there are too many"));
            }
            let value = map.next_value_seed(Self { depth })?;
            members.insert(key, value);
        }
        Ok(members.into())
    }
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<u8, E> {
        if self.depth >= DEPTH { Err(E::custom("nested too deep")) } else { Ok(self.depth + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_13_odd_json_is_refused() {
        assert_eq!(look(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).unwrap().method.as_deref(), Some("ping"));
        assert_eq!(look(br#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#).unwrap_err(), Fault::Parse);
        assert_eq!(look(br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":1e999}}"#).unwrap_err(), Fault::Parse);
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
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":{"code":1,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":5}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
        ] {
            assert_eq!(told(body), Err(Fault::Request), "{body}");
        }
        for (method, params) in [
            ("ping", "[1]"),
            ("tools/call", r#""x""#),
            ("tools/call", "{}"),
            ("tools/call", r#"{"name":7}"#),
            ("tools/call", r#"{"name":"whoami","arguments":[1]}"#),
            ("tools/call", r#"{"name":"whoami","inputResponses":5}"#),
            ("tools/call", r#"{"name":"whoami","requestState":5}"#),
            ("tools/list", r#"{"cursor":5}"#),
            ("prompts/list", r#"{"cursor":5}"#),
            ("prompts/get", "{}"),
            ("prompts/get", r#"{"name":"onboard_teammate","arguments":[]}"#),
            ("ping", r#"{"_meta":5}"#),
            ("tools/list", r#"{"_meta":[]}"#),
            ("initialize", "null"),
            ("initialize", "{}"),
            ("initialize", r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x"}}"#),
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":"a","method":"{method}","params":{params}}}"#);
            assert_eq!(told(&body), Err(Fault::Parameters(Value::from("a"))), "{body}");
        }
        assert_eq!(told(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Ok(None));
        assert_eq!(told(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#), Ok(Some("notifications/cancelled".to_owned())));
        assert_eq!(
            told(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":[1]}"#),
            Err(Fault::Parameters(Value::Null)),
            "a notification has no id"
        );
        assert_eq!(
            told(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":null}}"#),
            Ok(Some("tools/call".to_owned()))
        );
    }
}
