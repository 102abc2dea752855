//! From types to the schemas that every host understands: JSON Schema 2020-12, reduced to its plainest form.
//!
//! Hosts have dropped tools, or whole lists, over `$ref`, top-level combinators, a missing `properties`, numeric
//! formats and nullable inputs (R-B128, R-B130, R-B134). What is left here is `type`, `properties`, `required`, `items`,
//! `enum`, bounds and descriptions, and in results `anyOf` for what may be null.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

/// The schema of a tool's arguments: closed, and an optional argument has a plain type.
pub(crate) fn input<P: JsonSchema>() -> Map<String, Value> {
    let mut schema = root::<P>(settings().for_deserialize());
    for property in properties_mut(&mut schema) {
        if let Some(Value::Array(types)) = property.get("type")
            && let Some(plain) = types.iter().find(|kind| kind.as_str() != Some("null")).cloned()
        {
            property.insert("type".to_owned(), plain);
        }
        // In an `enum`, too, leaving an argument out is said by leaving it out.
        if let Some(Value::Array(values)) = property.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
    }
    schema
}

/// The schema of a tool's result, as it is written: what may be null is required and nullable.
pub(crate) fn output<O: JsonSchema>() -> Map<String, Value> {
    let mut schema = root::<O>(settings().for_serialize());
    spell_out_null(&mut schema);
    schema
}

/// Writes what may be null as two branches of one type each: a list of types is legal, but strict hosts drop it.
fn spell_out_null(schema: &mut Map<String, Value>) {
    for property in properties_mut(schema) {
        spell_out_null(property);
    }
    if let Some(Value::Object(items)) = schema.get_mut("items") {
        spell_out_null(items);
    }
    let Some(Value::Array(types)) = schema.get("type") else { return };
    let Some(plain) = types.iter().find(|kind| kind.as_str() != Some("null")).cloned() else { return };
    let mut branch = std::mem::take(schema);
    if let Some(description) = branch.remove("description") {
        schema.insert("description".to_owned(), description);
    }
    branch.insert("type".to_owned(), plain);
    if let Some(Value::Array(values)) = branch.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    schema.insert("anyOf".to_owned(), serde_json::json!([branch, {"type": "null"}]));
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    })
}

fn root<T: JsonSchema>(settings: SchemaSettings) -> Map<String, Value> {
    let mut value = SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value();
    let mut schema = value.as_object_mut().map(std::mem::take).unwrap_or_default();
    tidy(&mut schema);
    // The tool itself has a title and a description.
    schema.remove("description");
    schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    schema
}

/// Takes away what hosts stumble over and what says nothing, here and in every schema below.
fn tidy(schema: &mut Map<String, Value>) {
    schema.remove("title");
    schema.remove("format");
    if schema.get("default").is_some_and(|default| default.is_null() || default.as_array().is_some_and(Vec::is_empty)) {
        schema.remove("default");
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    for property in properties_mut(schema) {
        tidy(property);
    }
    if let Some(Value::Object(items)) = schema.get_mut("items") {
        tidy(items);
    }
}

fn properties_mut(schema: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    schema
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|properties| properties.iter_mut())
        .filter_map(|(_, property)| property.as_object_mut())
}
