//! Judging a document by a schema: as much of JSON Schema as ours use.

use serde_json::Value as Json;

/// What does not fit, each with its place.
pub(crate) fn faults(value: &Json, schema: &Json, document: &Json, place: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        return faults(value, schema, document, place);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let each: Vec<_> = any.iter().map(|one| faults(value, one, document, place)).collect();
        return if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() };
    }
    let mut found = Vec::new();
    let types: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|one| is_of(value, one)) {
        found.push(format!("{place} is {value}, not {}", types.join(" or ")));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{place} is {value}, none of {words:?}"));
    }
    if let (Some(entries), false) = (value.as_array(), schema["items"].is_null()) {
        for (number, entry) in entries.iter().enumerate() {
            found.extend(faults(entry, &schema["items"], document, &format!("{place}[{number}]")));
        }
    }
    let Some(fields) = value.as_object() else { return found };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        if !fields.contains_key(name) {
            found.push(format!("{place}.{name} is missing"));
        }
    }
    for (name, field) in fields {
        let place = format!("{place}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Json::Null, Json::Bool(false)) => found.push(format!("{place} is unknown")),
            (Json::Null, Json::Null | Json::Bool(true)) => {}
            (Json::Null, any) => found.extend(faults(field, any, document, &place)),
            (known, _) => found.extend(faults(field, known, document, &place)),
        }
    }
    found
}

fn is_of(value: &Json, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schemas have no {other}"),
    }
}
