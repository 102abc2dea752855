//! The published files are what the code says. `UPDATE_CONTRACTS=1 cargo test -p usher-tools` writes them anew, so that
//! every change of the contract shows in a review.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use usher_tools::{Descriptor, Needs, catalogue, prompts::PromptName};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts")
}

fn updating() -> bool {
    std::env::var_os("UPDATE_CONTRACTS").is_some_and(|value| value == "1")
}

/// Compares a published file with what it should hold, or writes it.
fn published(path: &Path, wanted: &str) {
    if updating() {
        assert!(fs::write(path, wanted).is_ok(), "{} cannot be written", path.display());
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{} is missing or differs: review the change and run with UPDATE_CONTRACTS=1", path.display());
}

fn file_name(tool: &Descriptor) -> String {
    format!("{}.json", tool.name)
}

#[test]
fn every_tool_has_its_contract_file() {
    if updating() {
        assert!(fs::create_dir_all(folder()).is_ok());
    }
    for tool in catalogue() {
        let Ok(text) = serde_json::to_string_pretty(&tool) else { panic!("{} does not serialize", tool.name) };
        published(&folder().join(file_name(&tool)), &format!("{text}\n"));
    }
}

#[test]
fn every_contract_file_has_its_tool() {
    let wanted: BTreeSet<String> = catalogue().iter().map(file_name).collect();
    let found: BTreeSet<String> =
        fs::read_dir(folder()).into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    // While the files are being written, some may not be there yet.
    assert!(if updating() { found.is_subset(&wanted) } else { found == wanted }, "{found:?} instead of {wanted:?}");
}

#[test]
fn the_readme_is_the_catalogue() {
    published(&Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"), &readme());
}

/// The arguments that every write takes; told once.
const WRITE_ARGUMENTS: [&str; 3] = ["dry_run", "reason", "idempotency_key"];

fn readme() -> String {
    let mut text = String::from(
        "# usher-tools\n\n\
         The MCP contract of usher: what a client can see, and nothing else. This page is generated from the code;\n\
         `contracts/` holds one file per tool with its schemas.\n\n\
         A person is a `user`: an id or an email. An access group is an id or a name. Times are RFC 3339 in UTC. Unknown\n\
         arguments are refused. What is left out may also be `null` or an empty string.\n\n\
         Every write also takes `dry_run` (same checks, nothing kept), `reason` (at most 500 characters, for the audit log)\n\
         and `idempotency_key` (at most 128 characters; within 24 hours a repeat never acts twice), and answers `changed`.\n\n\
         | tool | needs | effect | arguments | result |\n|---|---|---|---|---|\n",
    );
    let tools = catalogue();
    for tool in &tools {
        let arguments = arguments(tool).map(|(name, _, required)| argument_name(name, required)).collect::<Vec<_>>();
        let result = results(tool).map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>();
        let _ = writeln!(
            text,
            "| [`{0}`](#{0}) | {1} | {2} | {3} | {4} |",
            tool.name,
            needs(tool.needs),
            effect(tool),
            arguments.join(", "),
            result.join(", ")
        );
    }
    let _ = write!(text, "\n{}\n", prompts());
    for tool in &tools {
        let _ = write!(text, "\n## {}\n\n**{}.** {}\n", tool.name, tool.title, tool.description);
        for (place, (name, schema, required)) in arguments(tool).enumerate() {
            if place == 0 {
                text.push_str("\n| argument | form | meaning |\n|---|---|---|\n");
            }
            let _ = writeln!(
                text,
                "| {} | {} | {} |",
                argument_name(name, required),
                form(schema),
                schema.get("description").and_then(Value::as_str).unwrap_or_default()
            );
        }
    }
    text
}

/// What a person can pick in their AI tool.
fn prompts() -> String {
    let mut text = String::from(
        "Prompts are tasks to pick in an AI tool; each is listed for whoever may call its tool, and says only what they may do.\n\n\
         | prompt | tool | arguments | what it does |\n|---|---|---|---|\n",
    );
    for prompt in PromptName::ALL.iter().map(|name| name.prompt()) {
        let arguments: Vec<String> = prompt.arguments.iter().map(|argument| argument_name(argument.name, argument.required)).collect();
        let _ = writeln!(text, "| `{}` | `{}` | {} | {} |", prompt.name, prompt.tool, arguments.join(", "), prompt.description);
    }
    text.trim_end().to_owned()
}

fn argument_name(name: &str, required: bool) -> String {
    if required { format!("**`{name}`**") } else { format!("`{name}`") }
}

/// Required arguments in their own order, then the others by name.
fn arguments(tool: &Descriptor) -> impl Iterator<Item = (&str, &Map<String, Value>, bool)> {
    let required: Vec<&str> =
        tool.input_schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let optional: Vec<&str> = properties(&tool.input_schema)
        .map(|(name, _)| name)
        .filter(|name| !required.contains(name))
        .filter(|name| tool.effect.read_only() || !WRITE_ARGUMENTS.contains(name))
        .collect();
    let required = required.into_iter().map(|name| (name, true));
    required.chain(optional.into_iter().map(|name| (name, false))).filter_map(|(name, required)| {
        let (name, schema) = properties(&tool.input_schema).find(|(known, _)| *known == name)?;
        Some((name, schema, required))
    })
}

fn results(tool: &Descriptor) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
    properties(&tool.output_schema).filter(|(name, _)| !["changed", "dry_run"].contains(name))
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, schema)| Some((name.as_str(), schema.as_object()?)))
}

fn needs(needs: Needs) -> String {
    match needs {
        Needs::Nothing => "nothing".to_owned(),
        Needs::Permission(permission) => format!("`{permission}`"),
        Needs::PermissionUnlessSelf(permission) => format!("`{permission}`; oneself: nothing"),
        Needs::Administrator => "Administrator".to_owned(),
    }
}

fn effect(tool: &Descriptor) -> String {
    if tool.effect.read_only() {
        return "read".to_owned();
    }
    let mut words = vec![if tool.effect.destructive() { "destructive" } else { "write" }];
    words.extend(tool.effect.idempotent().then_some("idempotent"));
    words.extend(tool.effect.open_world().then_some("open world"));
    words.join(", ")
}

/// A form in a few words: `string, at most 200`, `1 to 100 strings`, `pending, active or deactivated`.
fn form(schema: &Map<String, Value>) -> String {
    let words: Vec<&str> = schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some((last, others)) = words.split_last() {
        return format!("{} or {last}", others.join(", "));
    }
    let bounds = |min: &str, max: &str| match (schema.get(min), schema.get(max)) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        (Some(min), None) => format!(", at least {min}"),
        (None, Some(max)) => format!(", at most {max}"),
        (None, None) => String::new(),
    };
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => format!("string{}", bounds("minLength", "maxLength")),
        Some("integer") => format!("integer{}", bounds("minimum", "maximum")),
        Some("array") => format!("array of strings{}", bounds("minItems", "maxItems")),
        other => other.unwrap_or_default().to_owned(),
    }
}
