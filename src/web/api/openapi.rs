//! The OpenAPI document: routes, parameters and statuses as the router has them, the forms of what goes in and out from
//! `schemas.json`, an example of each from `examples.json`. `tests/api` holds real answers against both.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::{
    all,
    call::Call,
    params::{Kind, MOST, Param},
    refusal::Refusal,
    reply::Reply,
    route::{Access, Gives, Method, Route, Takes},
};

const PATH: &str = "/api/v1/openapi.json";

pub(super) const ROUTES: [Route; 1] = [Route {
    method: Method::Get,
    path: PATH,
    name: "openapi",
    summary: "This document",
    about: "Needs no key.",
    access: Access::Open,
    params: &[],
    takes: Takes::Nothing,
    gives: Gives::Plain,
    refusals: &[],
    call: |call| Box::pin(show(call)),
}];

async fn show(call: Call) -> Result<Reply, Refusal> {
    let base = call.app.config.base_path();
    if base.is_empty() {
        return Reply::plain(&*DOCUMENT);
    }
    let mut document = DOCUMENT.clone();
    document["servers"] = json!([{"url": base}]);
    Reply::plain(&document)
}

/// The document. A test holds that its parts are JSON.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let part = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    document(part(include_str!("schemas.json")), &part(include_str!("examples.json")))
});

/// The document, for the page that shows it.
pub(in crate::web) fn shown() -> &'static Value {
    &DOCUMENT
}

const INTRODUCTION: &str = "Everything that people can do with Dashtray, for programs. Send a key as `Authorization: Bearer dk_…`; \
    it belongs to one project. Answers are wrapped in `data`. A list says in `next_cursor` where it goes on. Dates are days in \
    the zone of their connection, instants are UTC. Values are exact: counts and bytes are integers, everything else is a \
    decimal text. A refusal has a stable `code`, a sentence and `details`. What is unknown, in the address or in a body, is \
    refused by name.";

fn document(schemas: Value, examples: &Value) -> Value {
    let mut paths = Map::new();
    for route in all() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.name()] = operation(route, &examples[route.name]);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Dashtray",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "All your company's numbers on your own machine",
            "description": INTRODUCTION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "dk_…"}},
        },
    })
}

fn operation(route: &Route, sample: &Value) -> Value {
    let placeholder = route.placeholder().map(|name| {
        json!({
            "name": name, "in": "path", "required": true, "description": "Which one.",
            "schema": {"type": "string", "minLength": 1},
        })
    });
    let parameters: Vec<Value> = placeholder.into_iter().chain(route.params.iter().map(parameter)).collect();
    let mut responses = Map::new();
    responses.insert(route.gives.status().as_str().to_owned(), success(route, &sample["response"]));
    for status in statuses(route) {
        responses.insert(status.to_string(), refused(status));
    }
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "description": description(route),
        "parameters": parameters,
        "responses": responses,
        "security": if route.access == Access::Open { json!([]) } else { json!([{"key": []}]) },
    });
    if let Takes::Json(schema) | Takes::MaybeJson(schema) = route.takes {
        operation["requestBody"] = json!({
            "required": matches!(route.takes, Takes::Json(_)),
            "content": {"application/json": content(reference(schema), &sample["request"])},
        });
    }
    operation
}

fn description(route: &Route) -> String {
    let scope = match route.access {
        Access::Write => "Needs a key with the scope `write`.",
        Access::Read | Access::Open => "",
    };
    format!("{} {scope}", route.about).trim().to_owned()
}

fn parameter(param: &Param) -> Value {
    let schema = match param.kind {
        Kind::Text | Kind::Cursor => json!({"type": "string", "maxLength": 500}),
        Kind::Currency => json!({"type": "string", "pattern": "^[A-Za-z]{3}$"}),
        Kind::Day => json!({"type": "string", "format": "date"}),
        Kind::OneOf(words) => json!({"type": "string", "enum": words, "default": words.first()}),
        Kind::Limit => json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": 100}),
        Kind::Offset => json!({"type": "integer", "minimum": 0, "maximum": 1_000_000_000, "default": 0}),
    };
    json!({"name": param.name, "in": "query", "required": false, "description": param.about, "schema": schema})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn wrapped(data: &Value) -> Value {
    json!({
        "type": "object", "required": ["data"], "additionalProperties": false, "properties": {"data": data},
    })
}

fn listed(name: &str, entry: &str) -> Value {
    let data = json!({
        "type": "object", "required": [name], "additionalProperties": false,
        "properties": {name: {"type": "array", "items": reference(entry)}},
    });
    json!({
        "type": "object", "required": ["data", "next_cursor"], "additionalProperties": false,
        "properties": {
            "data": data,
            "next_cursor": {"type": ["string", "null"], "description": "Where the list goes on; null at its end."},
        },
    })
}

fn content(schema: Value, sample: &Value) -> Value {
    if sample.is_null() { json!({"schema": schema}) } else { json!({"schema": schema, "example": sample}) }
}

fn success(route: &Route, sample: &Value) -> Value {
    let schema = match route.gives {
        Gives::Data(schema) | Gives::Made(schema) => wrapped(&reference(schema)),
        Gives::List(name, entry) => listed(name, entry),
        Gives::Rows => wrapped(&json!({
            "type": "object", "required": ["points"], "additionalProperties": false,
            "properties": {"points": {"type": "array", "items": reference("Row")}},
        })),
        Gives::Plain => json!({"type": "object"}),
    };
    let mut types = Map::new();
    types.insert("application/json".to_owned(), content(schema, sample));
    if route.gives == Gives::Rows {
        types.insert("text/csv".to_owned(), json!({"schema": {"type": "string"}}));
    }
    let mut headers = limits(route);
    if route.method == Method::Get && route.gives != Gives::Rows {
        let tag = "Names the content: sent back as If-None-Match it saves an answer that is known (304).";
        headers.insert("ETag".to_owned(), json!({"description": tag, "schema": {"type": "string"}}));
    }
    json!({"description": "Done.", "headers": headers, "content": types})
}

fn limits(route: &Route) -> Map<String, Value> {
    let said = [
        ("X-RateLimit-Limit", "Requests of an hour."),
        ("X-RateLimit-Remaining", "Those that are left, about."),
        ("X-RateLimit-Reset", "When the next hour begins, in seconds since 1970."),
    ];
    let headers = said.into_iter().filter(|_| route.access != Access::Open);
    let header = |about: &str| json!({"description": about, "schema": {"type": "integer"}});
    headers.map(|(name, about)| (name.to_owned(), header(about))).collect()
}

/// The refusals that a route may give: its own, and those that follow from what it takes.
fn statuses(route: &Route) -> Vec<u16> {
    let mut statuses = vec![400];
    if route.access != Access::Open {
        statuses.extend([401, 429, 500, 503]);
    }
    if route.access == Access::Write {
        statuses.push(403);
    }
    let is_list = route.params.iter().any(|param| param.kind == Kind::Cursor);
    if route.placeholder().is_some() || is_list {
        statuses.push(404);
    }
    if route.takes != Takes::Nothing {
        statuses.extend([413, 415]);
    }
    if route.method == Method::Get && route.gives != Gives::Rows {
        statuses.push(304);
    }
    statuses.extend(route.refusals);
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn refused(status: u16) -> Value {
    let why = match status {
        304 => return json!({"description": "What is known already, by its ETag, has not changed."}),
        400 => "The request is not understood: a parameter, or the form of the body.",
        401 => "There is no key, or it opens nothing.",
        403 => "The key may not do this.",
        404 => "There is no such thing in this project.",
        409 => "Something stands in the way: a name, an account, or what was defined before.",
        413 => "The body is too large.",
        415 => "The body is not sent as JSON.",
        422 => "The body is understood, and what it says cannot be.",
        429 => "The requests of this hour are used up. Retry-After says when to try again.",
        500 => "A fault in Dashtray.",
        502 => "The provider did not answer, or not in its own terms.",
        _ => "The database or the provider cannot be asked now.",
    };
    json!({"description": why, "content": {"application/json": {"schema": reference("Error")}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_there_with_an_example() {
        let document = shown();
        for route in all() {
            let operation = &document["paths"][route.path][route.method.name()];
            assert_eq!(operation["operationId"], route.name);
            let response = &operation["responses"][route.gives.status().as_str()]["content"]["application/json"];
            assert!(route.gives == Gives::Plain || !response["example"].is_null(), "{} has no example", route.name);
            let body = &operation["requestBody"]["content"]["application/json"];
            assert!(route.takes == Takes::Nothing || !body["example"].is_null(), "{} has no example", route.name);
        }
        let routes: Vec<&str> = all().map(|route| route.name).collect();
        let examples: Value = serde_json::from_str(include_str!("examples.json")).unwrap();
        let strange = examples.as_object().unwrap().keys().find(|name| !routes.contains(&name.as_str()));
        assert_eq!(strange, None);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = shown();
        let text = document.to_string();
        let named: Vec<&str> =
            text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in &named {
            assert!(schemas.contains_key(*name), "there is no schema {name}");
        }
        for name in schemas.keys() {
            assert!(named.contains(&name.as_str()), "{name} is not used");
        }
    }
}
