//! Rules that hold for every tool and every schema, whatever tools come.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use usher_tools::{Effect, ErrorCode, Needs, catalogue};

/// Every schema of every tool, with the tool's name and which of the two it is.
fn schemas() -> Vec<(String, Map<String, Value>)> {
    catalogue()
        .into_iter()
        .flat_map(|tool| [(format!("{} input", tool.name), tool.input_schema), (format!("{} output", tool.name), tool.output_schema)])
        .collect()
}

/// Calls `judge` with a schema and every schema inside it.
fn walk(place: &str, schema: &Map<String, Value>, judge: &mut dyn FnMut(&str, &Map<String, Value>)) {
    // What may be null in a result is exactly two branches of one type each, the second one null.
    if let Some(branches) = schema.get("anyOf") {
        assert!(place.contains('.') || place.contains('['), "{place} has a combinator at its top");
        assert!(!place.contains(" input"), "{place} may be null");
        assert!(schema.keys().all(|key| ["anyOf", "description"].contains(&key.as_str())), "{place} has more than anyOf");
        let [Value::Object(branch), null] = branches.as_array().map(Vec::as_slice).unwrap_or_default() else {
            panic!("{place} has other branches than a type and null")
        };
        assert_eq!(null, &serde_json::json!({"type": "null"}), "{place}");
        return walk(place, branch, judge);
    }
    judge(place, schema);
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let Value::Object(property) = property else { panic!("{place}.{name} is no object") };
        walk(&format!("{place}.{name}"), property, judge);
    }
    if let Some(items) = schema.get("items") {
        let Value::Object(items) = items else { panic!("{place}[] is no object") };
        walk(&format!("{place}[]"), items, judge);
    }
}

fn has_type(schema: &Map<String, Value>, wanted: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == wanted,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    }
}

#[test]
fn r_b128_schemas_are_flat_and_plain() {
    const PLAIN: [&str; 14] = [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "description",
        "default",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
    ];
    for (place, schema) in schemas() {
        assert_eq!(schema.get("type"), Some(&Value::from("object")), "{place}");
        walk(&place, &schema, &mut |place, schema| {
            assert!(schema.get("type").is_some_and(Value::is_string), "{place} has no single type");
            for key in schema.keys() {
                assert!(PLAIN.contains(&key.as_str()), "{place} has {key}");
            }
        });
    }
}

#[test]
fn r_b130_properties_is_an_object_and_required_an_array() {
    for (place, schema) in schemas() {
        walk(&place, &schema, &mut |place, schema| {
            if has_type(schema, "object") {
                assert!(schema.get("properties").is_some_and(Value::is_object), "{place}");
            }
            if let Some(required) = schema.get("required") {
                let Value::Array(required) = required else { panic!("{place}: required is no array") };
                for name in required.iter().filter_map(Value::as_str) {
                    assert!(schema["properties"].get(name).is_some(), "{place} requires {name} and does not have it");
                }
            }
        });
    }
}

#[test]
fn s21_inputs_are_closed_and_bounded() {
    for tool in catalogue() {
        walk(tool.name, &tool.input_schema, &mut |place, schema| {
            if has_type(schema, "object") {
                assert_eq!(schema.get("additionalProperties"), Some(&Value::Bool(false)), "{place}");
            }
            if has_type(schema, "string") {
                assert!(schema.contains_key("maxLength") || schema.contains_key("enum"), "{place} has no bound");
            }
            if has_type(schema, "array") {
                assert!(schema.contains_key("maxItems") && schema.contains_key("items"), "{place} has no bound");
            }
            assert!(schema.get("type").is_some_and(Value::is_string), "{place} has no plain type");
        });
    }
}

#[test]
fn r_b134_every_property_is_described() {
    for (place, schema) in schemas() {
        walk(&place, &schema, &mut |place, schema| {
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let described = property.get("description").and_then(Value::as_str).is_some_and(|text| text.len() > 8);
                assert!(described, "{place}.{name} has no description");
            }
        });
    }
}

#[test]
fn descriptions_are_for_clients() {
    for (place, schema) in schemas() {
        walk(&place, &schema, &mut |place, schema| {
            let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
            for ours in ["(B", "R-B", "RFC 5", "[`", "crate::"] {
                assert!(!text.contains(ours), "{place} speaks to developers: {text}");
            }
        });
    }
}

#[test]
fn results_hold_every_key_and_null_where_there_is_nothing() {
    for tool in catalogue() {
        walk(tool.name, &tool.output_schema, &mut |place, schema| {
            let required: Vec<&str> =
                schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
            for name in schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name) {
                let may_be_left_out = ["dry_run", "warnings"].contains(&name.as_str());
                assert!(may_be_left_out || required.contains(&name.as_str()), "{place}.{name} may be missing");
            }
        });
    }
}

#[test]
fn every_write_takes_the_three_options_and_answers_changed() {
    for tool in catalogue() {
        let write = !tool.effect.read_only();
        for option in ["dry_run", "reason", "idempotency_key"] {
            assert_eq!(tool.input_schema["properties"].get(option).is_some(), write, "{}: {option}", tool.name);
        }
        for result in ["changed", "dry_run"] {
            assert_eq!(tool.output_schema["properties"].get(result).is_some(), write, "{}: {result}", tool.name);
        }
    }
}

#[test]
fn r_b133_names_fit_every_host() {
    let tools = catalogue();
    assert!(tools.len() <= 25);
    let names: BTreeSet<&str> = tools.iter().map(|tool| tool.name).collect();
    assert_eq!(names.len(), tools.len());
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    for tool in &tools {
        assert!(tool.name.len() <= 30 && plain(tool.name), "{}", tool.name);
        assert!(!tool.title.is_empty() && tool.description.len() > 40, "{}", tool.name);
        walk(tool.name, &tool.input_schema, &mut |place, schema| {
            for (name, _) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                assert!(name.len() <= 64 && plain(name), "{place}.{name}");
            }
        });
    }
}

#[test]
fn descriptions_name_only_what_exists() {
    let tools = catalogue();
    let mut known: BTreeSet<String> = tools.iter().map(|tool| tool.name.to_owned()).collect();
    known.extend(ErrorCode::ALL.iter().map(|code| code.as_str().to_owned()));
    for (place, schema) in schemas() {
        walk(&place, &schema, &mut |_, schema| {
            known.extend(schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.clone()));
        });
    }
    for tool in &tools {
        let words = tool.description.split(|c: char| !(c.is_ascii_lowercase() || c == '_' || c == ':'));
        for word in words.filter(|word| word.contains('_') && !word.contains(':')) {
            assert!(known.contains(word), "{} names {word}", tool.name);
        }
        let need = match tool.needs {
            Needs::Permission(permission) | Needs::PermissionUnlessSelf(permission) => permission,
            Needs::Nothing => "Needs nothing",
            Needs::Administrator => "Needs an Administrator",
        };
        assert!(tool.description.contains(need), "{} does not say what it needs", tool.name);
    }
}

#[test]
fn r_b148_the_four_hints_are_derived_from_the_effect() {
    let read = Effect::Read.annotations();
    assert!(read.read_only_hint && !read.destructive_hint && read.idempotent_hint && !read.open_world_hint);
    let words = |name: &str| {
        let tools = catalogue();
        let Some(tool) = tools.iter().find(|tool| tool.name == name) else { panic!("no {name}") };
        let hints = tool.annotations();
        [hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint]
    };
    assert_eq!(words("list_users"), [true, false, true, false]);
    assert_eq!(words("invite_user"), [false, false, false, true]);
    assert_eq!(words("resend_invite"), [false, false, false, true]);
    assert_eq!(words("update_user"), [false, true, false, false]);
    assert_eq!(words("deactivate_user"), [false, true, true, false]);
    assert_eq!(words("end_ai_access"), [false, true, true, false]);
    assert_eq!(words("revoke_mcp_token"), [false, true, true, false]);
    assert_eq!(words("delete_access_group"), [false, true, false, false]);
    assert_eq!(words("add_to_access_group"), [false, false, true, false]);
    assert_eq!(words("remove_from_access_group"), [false, true, true, false]);
}

#[test]
fn the_order_is_fixed() {
    let names: Vec<&str> = catalogue().iter().map(|tool| tool.name).collect();
    assert_eq!(
        names,
        [
            "whoami",
            "list_users",
            "get_user",
            "check_membership",
            "invite_user",
            "resend_invite",
            "update_user",
            "deactivate_user",
            "reactivate_user",
            "end_ai_access",
            "list_access_groups",
            "create_access_group",
            "update_access_group",
            "delete_access_group",
            "add_to_access_group",
            "remove_from_access_group",
            "list_permissions",
            "list_audit_events",
            "list_mcp_tokens",
            "revoke_mcp_token",
        ]
    );
}
