//! Reading arguments: lenient about how a host spells a value, strict about what it means (R-B131, R-B146).
//!
//! Hosts send `null` or `""` for what they leave out, numbers and flags as strings, lists as JSON text, one string
//! where a list is wanted, and the text `null` where their model had nothing to say. All of these are understood where
//! only one meaning is possible. Where an argument is required, nothing stands for "all" or "myself": `""`, `null`
//! and the text `null` are refused. So is every argument that the tool does not know.
//!
//! Arguments are checked against the published schema itself, bounds included, so that a call which the schema allows
//! is never refused for its shape (R-B134). Refusals name the argument, the problem and the accepted form, and never
//! quote what was sent.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use serde_json::{Map, Value, json};

use crate::{ErrorBody, ErrorCode, Tool, schema};

/// Reads the arguments of a tool.
///
/// # Errors
/// `invalid_argument` for an unknown or missing argument, a value of the wrong kind, or one out of bounds; with the
/// argument's name as `field` (none where it is unknown, because that name is the caller's own text, unless it is one of
/// [`Tool::NEVER`]), the accepted form or the other way as `hint`, and the allowed values or argument names as `details.allowed`.
#[expect(clippy::result_large_err, reason = "the body is handed on once, to the answer")]
pub fn read_params<T: Tool>(arguments: Map<String, Value>) -> Result<T::Params, ErrorBody> {
    let schema = published::<T>();
    if let Some((name, way)) = T::NEVER.iter().find(|(name, _)| arguments.contains_key(*name)) {
        return Err(Problem { hint: Some((*way).to_owned()), ..Problem::with(name, "cannot be changed") }.into_body());
    }
    let arguments = normalize(&schema, arguments).map_err(Problem::into_body)?;
    serde_json::from_value(Value::Object(arguments)).map_err(|_| {
        // What passes the schema has the shape of the type. If the two ever differ, serde's own sentence would quote
        // the caller, so that it is dropped.
        ErrorBody::new(ErrorCode::InvalidArgument, "The arguments do not have the form that this tool accepts.")
            .with_hint(accepted_names(&schema))
    })
}

/// Whether the tool cannot be called without this argument.
#[must_use]
pub fn requires<T: Tool>(name: &str) -> bool {
    words_of(published::<T>().get("required")).any(|required| required == name)
}

/// What a call asks for, in one spelling whatever the host's: text trimmed, and what was left out as its default. How it is
/// asked for (`dry_run`, `idempotency_key`) is no part of it. As JSON, for comparing.
#[must_use]
pub fn asked<T: Tool>(params: &T::Params) -> String {
    let mut asked = Map::new();
    for (name, form) in published::<T>().get("properties").and_then(Value::as_object).into_iter().flatten() {
        asked.extend(form.get("default").map(|default| (name.clone(), default.clone())));
    }
    if let Ok(Value::Object(given)) = serde_json::to_value(params) {
        asked.extend(given.into_iter().map(|(name, value)| (name, trimmed(value))));
    }
    asked.remove("dry_run");
    asked.remove("idempotency_key");
    Value::Object(asked).to_string()
}

fn trimmed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::from(text.trim()),
        Value::Array(items) => items.into_iter().map(trimmed).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value,
    }
}

/// The input schemas, built once per tool: they never change, and a call should not pay for them.
static PUBLISHED: LazyLock<RwLock<HashMap<TypeId, Schema>>> = LazyLock::new(RwLock::default);

type Schema = Arc<Map<String, Value>>;

fn published<T: Tool>() -> Schema {
    let id = TypeId::of::<T::Params>();
    let known = PUBLISHED.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    known.unwrap_or_else(|| {
        let built = Arc::new(schema::input::<T::Params>());
        Arc::clone(PUBLISHED.write().unwrap_or_else(PoisonError::into_inner).entry(id).or_insert(built))
    })
}

/// Why arguments are refused.
struct Problem {
    field: Option<String>,
    message: String,
    hint: Option<String>,
    allowed: Option<Vec<String>>,
}

impl Problem {
    /// The argument `name` is at fault; `complaint` ends a sentence that begins with the name.
    fn with(name: &str, complaint: impl AsRef<str>) -> Self {
        Self { field: Some(name.to_owned()), message: format!("`{name}` {}.", complaint.as_ref()), hint: None, allowed: None }
    }

    fn into_body(self) -> ErrorBody {
        ErrorBody {
            field: self.field,
            hint: self.hint,
            details: self.allowed.map(|allowed| json!({ "allowed": allowed })),
            ..ErrorBody::new(ErrorCode::InvalidArgument, self.message)
        }
    }
}

/// Brings arguments into the exact form that the schema describes, and leaves out what counts as not given.
fn normalize(schema: &Map<String, Value>, mut arguments: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let unknown = arguments.keys().filter(|name| property(schema, name).is_none()).count();
    if unknown > 0 {
        return Err(Problem {
            field: None,
            message: if unknown == 1 {
                "One argument is not known to this tool.".to_owned()
            } else {
                format!("{unknown} arguments are not known to this tool.")
            },
            hint: Some(accepted_names(schema)),
            allowed: Some(names(schema)),
        });
    }
    let mut normal = Map::new();
    // Required arguments first, in their own order: a caller learns of what is missing before details of the rest.
    let required = required(schema);
    let optional = names(schema).into_iter().filter(|name| !required.contains(name));
    for name in required.iter().cloned().chain(optional) {
        let Some(form) = property(schema, &name) else {
            continue;
        };
        let argument = Argument { name: &name, form, required: required.contains(&name) };
        match argument.read(arguments.remove(&name)) {
            Ok(Some(value)) => {
                normal.insert(name, value);
            }
            Ok(None) if argument.required => {
                return Err(Problem {
                    hint: Some(format!("Required arguments: {}. {}", required.join(", "), argument.accepted())),
                    ..Problem::with(&name, "is required")
                });
            }
            Ok(None) => {}
            Err(problem) => {
                return Err(Problem { hint: Some(argument.accepted()), ..problem });
            }
        }
    }
    Ok(normal)
}

fn property<'a>(schema: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    schema.get("properties")?.get(name)?.as_object()
}

fn names(schema: &Map<String, Value>) -> Vec<String> {
    schema.get("properties").and_then(Value::as_object).map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

fn required(schema: &Map<String, Value>) -> Vec<String> {
    words_of(schema.get("required")).map(str::to_owned).collect()
}

fn words_of(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn accepted_names(schema: &Map<String, Value>) -> String {
    let names = names(schema);
    if names.is_empty() { "This tool takes no arguments.".to_owned() } else { format!("Accepted arguments: {}.", names.join(", ")) }
}

/// The kinds of values that the schemas know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Word,
    Integer,
    Flag,
    List,
}

fn kind(form: &Map<String, Value>) -> Option<Kind> {
    match form.get("type")?.as_str()? {
        "string" if form.contains_key("enum") => Some(Kind::Word),
        "string" => Some(Kind::Text),
        "integer" => Some(Kind::Integer),
        "boolean" => Some(Kind::Flag),
        "array" => Some(Kind::List),
        _ => None,
    }
}

/// One argument and the form that its schema gives it.
struct Argument<'a> {
    name: &'a str,
    form: &'a Map<String, Value>,
    required: bool,
}

impl Argument<'_> {
    /// The value in its exact form; `None` where it counts as not given.
    fn read(&self, value: Option<Value>) -> Result<Option<Value>, Problem> {
        let Some(value) = value else { return Ok(None) };
        if value.is_null() {
            return Ok(None);
        }
        if value.as_str().is_some_and(|text| text.trim().is_empty()) {
            return if self.required { Err(self.problem("must not be empty")) } else { Ok(None) };
        }
        match kind(self.form) {
            Some(Kind::Text) => self.text(value).map(Some),
            Some(Kind::Word) => self.word(&value).map(Some),
            Some(Kind::Integer) => self.integer(&value).map(Some),
            Some(Kind::Flag) => self.flag(&value).map(Some),
            Some(Kind::List) => self.list(value).map(Some),
            // No schema of this crate has another kind; serde judges it.
            None => Ok(Some(value)),
        }
    }

    fn text(&self, value: Value) -> Result<Value, Problem> {
        let Value::String(text) = value else {
            return Err(self.problem("must be a string"));
        };
        if self.required && is_word_null(&text) {
            return Err(self.problem("must not be the word null: nothing stands for everybody or for yourself"));
        }
        self.check_text(&text, self.form, "")?;
        Ok(Value::String(text))
    }

    /// Bounds of a text, of the argument itself or (`what` says so) of an item of it.
    fn check_text(&self, text: &str, form: &Map<String, Value>, what: &str) -> Result<(), Problem> {
        if let Some(max) = bound(form, "maxLength")
            && !at_most(text, max)
        {
            return Err(self.problem(format!("{what}is longer than {max} characters")));
        }
        // JSON may carry U+0000, PostgreSQL cannot keep it, and nobody means it (R-B89).
        if text.contains('\0') {
            return Err(self.problem(format!("{what}must not contain the character U+0000")));
        }
        Ok(())
    }

    fn word(&self, value: &Value) -> Result<Value, Problem> {
        let known = || words_of(self.form.get("enum"));
        value.as_str().and_then(|text| known().find(|word| word.eq_ignore_ascii_case(text.trim()))).map(Value::from).ok_or_else(|| {
            let allowed: Vec<String> = known().map(str::to_owned).collect();
            let complaint = format!("must be one of: {}", allowed.join(", "));
            Problem { allowed: Some(allowed), ..self.problem(complaint) }
        })
    }

    fn integer(&self, value: &Value) -> Result<Value, Problem> {
        let number = match value {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let min = self.form.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN);
        let max = self.form.get("maximum").and_then(Value::as_i64).unwrap_or(i64::MAX);
        match number {
            Some(number) if (min..=max).contains(&number) => Ok(Value::from(number)),
            Some(number) if number < min => Err(self.problem(format!("must be at least {min}"))),
            Some(_) => Err(self.problem(format!("must be at most {max}"))),
            None => Err(self.problem("must be a whole number within the accepted range")),
        }
    }

    fn flag(&self, value: &Value) -> Result<Value, Problem> {
        match value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            Value::String(_) | Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
        .map(Value::Bool)
        .ok_or_else(|| self.problem("must be true or false"))
    }

    fn list(&self, value: Value) -> Result<Value, Problem> {
        let items = match value {
            Value::Array(items) => items,
            // A text that begins like a list is one, or a mistake; a name that begins so can be sent inside a list.
            Value::String(text) if text.trim_start().starts_with('[') => {
                serde_json::from_str(&text).map_err(|_| self.problem("begins like a JSON array but is none"))?
            }
            Value::String(text) => vec![Value::String(text)],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                return Err(self.problem("must be an array of strings"));
            }
        };
        let max = bound(self.form, "maxItems").unwrap_or(usize::MAX);
        if items.len() > max {
            return Err(self.problem(format!("has more than {max} items")));
        }
        if items.len() < bound(self.form, "minItems").unwrap_or(0) {
            return Err(self.problem("must have at least one item"));
        }
        let nothing = Map::new();
        let form = self.form.get("items").and_then(Value::as_object).unwrap_or(&nothing);
        for (item, place) in items.iter().zip(1_usize..) {
            let Value::String(text) = item else {
                return Err(self.problem(format!("item {place} must be a string")));
            };
            // An item that names nothing is never skipped: what remains would mean something else.
            if text.trim().is_empty() || is_word_null(text) {
                return Err(self.problem(format!("item {place} must not be empty or the word null")));
            }
            self.check_text(text, form, &format!("item {place} "))?;
        }
        Ok(Value::Array(items))
    }

    fn problem(&self, complaint: impl AsRef<str>) -> Problem {
        Problem::with(self.name, complaint)
    }

    /// The accepted form in one or two sentences, for the hint.
    fn accepted(&self) -> String {
        let form = match kind(self.form) {
            Some(Kind::Text) => format!("a string{}", span(self.form, "minLength", "maxLength", "characters")),
            Some(Kind::Word) => format!("one of {}", words_of(self.form.get("enum")).collect::<Vec<_>>().join(", ")),
            Some(Kind::Integer) => format!("a whole number{}", span(self.form, "minimum", "maximum", "")),
            Some(Kind::Flag) => "true or false".to_owned(),
            Some(Kind::List) => {
                let nothing = Map::new();
                let items = self.form.get("items").and_then(Value::as_object).unwrap_or(&nothing);
                format!(
                    "an array{}, each a string{}",
                    span(self.form, "minItems", "maxItems", "items"),
                    span(items, "minLength", "maxLength", "characters")
                )
            }
            None => "what the schema says".to_owned(),
        };
        let description = self.form.get("description").and_then(Value::as_str).unwrap_or_default();
        format!("Accepted for {}: {form}. {description}", self.name).trim_end().to_owned()
    }
}

/// ` of 1 to 100 items`, as far as the schema has bounds.
fn span(form: &Map<String, Value>, min: &str, max: &str, unit: &str) -> String {
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    match (bound(form, min), bound(form, max)) {
        (Some(min), Some(max)) => format!(" of {min} to {max}{unit}"),
        (Some(min), None) => format!(" of at least {min}{unit}"),
        (None, Some(max)) => format!(" of at most {max}{unit}"),
        (None, None) => String::new(),
    }
}

fn bound(form: &Map<String, Value>, name: &str) -> Option<usize> {
    form.get(name).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok())
}

/// Whether a text has at most so many characters, without counting a huge one to its end.
fn at_most(text: &str, max: usize) -> bool {
    text.chars().nth(max).is_none()
}

/// The word that hosts send when their model had nothing to say. Only in lower case: `Null` is a family name.
fn is_word_null(text: &str) -> bool {
    text.trim() == "null"
}

/// `10.0` is an integer to JSON Schema.
fn whole(number: f64) -> Option<i64> {
    if number.fract() == 0.0 { format!("{number:.0}").parse().ok() } else { None }
}
