//! `/docs/api`: what the API can do, drawn from the OpenAPI document and nothing else.

use askama::Template;
use axum::{extract::State, response::Html};
use serde_json::Value;

use crate::{
    app::App,
    web::{
        Error,
        api::openapi,
        auth::Viewer,
        frame::{Bars, Frame, Section, framed, render},
    },
};

#[derive(Template)]
#[template(path = "docs.html")]
struct Docs {
    frame: Frame,
    bars: Bars,
    introduction: Vec<Words>,
    address: String,
    per_hour: u32,
    operations: Vec<Operation>,
    forms: Vec<Form>,
}

/// A part of a sentence: plain, or code.
struct Words {
    is_code: bool,
    text: String,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Vec<Words>,
    parameters: Vec<Field>,
    /// The form of the body, where it takes one.
    takes: Option<String>,
    request: String,
    gives: Option<String>,
    response: String,
    refusals: Vec<(String, String)>,
}

struct Form {
    name: String,
    about: Vec<Words>,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    /// The form that it leads to.
    form: Option<String>,
    is_required: bool,
    about: Vec<Words>,
}

pub(super) async fn show(State(app): State<App>, viewer: Viewer) -> Result<Html<String>, Error> {
    let document = openapi::shown();
    let (frame, bars) = framed(&viewer, Section::Settings, "API");
    let address = match &app.config.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{}", app.config.listen),
    };
    let mut operations = Vec::new();
    for (path, methods) in object(&document["paths"]) {
        operations.extend(object(methods).map(|(method, operation)| self::operation(path, method, operation)));
    }
    let schemas = object(&document["components"]["schemas"]);
    let forms = schemas.filter(|(_, schema)| schema["properties"].is_object()).map(|(name, schema)| Form {
        name: name.clone(),
        about: words(text(&schema["description"])),
        fields: fields(schema),
    });
    render(&Docs {
        frame,
        bars,
        introduction: words(text(&document["info"]["description"])),
        address,
        per_hour: app.config.api_requests_per_hour,
        operations,
        forms: forms.collect(),
    })
}

fn operation(path: &str, method: &str, operation: &Value) -> Operation {
    let body = &operation["requestBody"]["content"]["application/json"];
    let responses = || object(&operation["responses"]);
    let is_done = |(status, _): &(&String, &Value)| status.starts_with('2');
    let done = responses().find(is_done).map(|(_, response)| &response["content"]["application/json"]);
    let data = done.map(|content| &content["schema"]["properties"]["data"]);
    let listed = |data: &Value| object(&data["properties"]).find_map(|(_, field)| referred(&field["items"]));
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(|one| Field {
        name: text(&one["name"]).to_owned(),
        kind: kind(&one["schema"]),
        form: None,
        is_required: one["required"] == true,
        about: words(text(&one["description"])),
    });
    Operation {
        id: text(&operation["operationId"]).to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]).to_owned(),
        about: words(text(&operation["description"])),
        parameters: parameters.collect(),
        takes: referred(&body["schema"]),
        request: pretty(&body["example"]),
        gives: data.and_then(|data| referred(data).or_else(|| listed(data))),
        response: done.map(|content| pretty(&content["example"])).unwrap_or_default(),
        refusals: responses()
            .filter(|one| !is_done(one))
            .map(|(status, response)| (status.clone(), text(&response["description"]).to_owned()))
            .collect(),
    }
}

fn fields(schema: &Value) -> Vec<Field> {
    let required = |name: &String| schema["required"].as_array().is_some_and(|all| all.contains(&name.as_str().into()));
    let field = |(name, field): (&String, &Value)| Field {
        name: name.clone(),
        kind: kind(field),
        form: form_of(field),
        is_required: required(name),
        about: words(text(&field["description"])),
    };
    object(&schema["properties"]).map(field).collect()
}

/// The form that a field leads to: its own, that of its entries, or that of one of several.
fn form_of(field: &Value) -> Option<String> {
    let any = || field["anyOf"].as_array().into_iter().flatten().find_map(referred);
    referred(field).or_else(|| referred(&field["items"])).or_else(any)
}

fn referred(schema: &Value) -> Option<String> {
    Some(schema["$ref"].as_str()?.rsplit('/').next()?.to_owned())
}

/// What a value is, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = referred(schema) {
        return name;
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(|word| word.as_str().unwrap_or("null")).collect::<Vec<_>>().join(" / ");
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let plain = match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    match (plain.as_str(), schema["format"].as_str()) {
        ("array", _) => format!("list of {}", kind(&schema["items"])),
        (_, Some(format)) => plain.replace("string", format),
        _ => plain,
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn pretty(value: &Value) -> String {
    if value.is_null() { String::new() } else { serde_json::to_string_pretty(value).unwrap_or_default() }
}

/// Every second part is between backticks.
fn words(text: &str) -> Vec<Words> {
    let parts = text.split('`').enumerate();
    let words = parts.map(|(at, part)| Words { is_code: at % 2 == 1, text: part.to_owned() });
    words.filter(|words| !words.text.is_empty()).collect()
}
