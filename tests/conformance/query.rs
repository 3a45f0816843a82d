//! What a POST asks for in its JSON body, as a query, so that rules read and change it like any other.

use serde_json::{Map, Value as Json};

/// The fields of a JSON object as a query, those of objects in it, and of objects in a list, under all names. A value stands
/// as its JSON.
pub(crate) fn query_of(body: &Map<String, Json>) -> String {
    let mut pairs = Vec::new();
    for (key, value) in body {
        flatten(key.clone(), value, &mut pairs);
    }
    let written = pairs.iter().map(|(key, value)| format!("{key}={}", escaped(&value.to_string())));
    written.collect::<Vec<_>>().join("&")
}

fn flatten<'a>(name: String, value: &'a Json, pairs: &mut Vec<(String, &'a Json)>) {
    match value {
        Json::Object(inner) if !inner.is_empty() => {
            inner.iter().for_each(|(key, value)| flatten(format!("{name}.{key}"), value, pairs));
        }
        Json::Array(list) if !list.is_empty() && list.iter().all(Json::is_object) => {
            list.iter().enumerate().for_each(|(at, value)| flatten(format!("{name}.{at}"), value, pairs));
        }
        value => pairs.push((name, value)),
    }
}

/// The body that such a query was made of.
pub(crate) fn body_of(query: &str) -> Vec<u8> {
    let mut body = Json::Null;
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let mut place = &mut body;
        for name in key.split('.') {
            place = match name.parse::<usize>() {
                Ok(at) => {
                    let list = place.as_array_mut().map(std::mem::take).unwrap_or_default();
                    let missing = (at + 1).saturating_sub(list.len());
                    *place = list.into_iter().chain(std::iter::repeat_n(Json::Null, missing)).collect();
                    &mut place[at]
                }
                Err(_) => &mut place[name],
            };
        }
        *place = serde_json::from_str(&value).unwrap_or(Json::Null);
    }
    body.to_string().into_bytes()
}

fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn what_a_body_asks_for_reads_like_a_query_and_back() {
    let body = serde_json::json!({ "site": "a&b=c", "dates": ["2026-01-01", "2026-01-02"], "filters": [["is", "x", ["ä"]]],
        "include": {}, "pagination": { "limit": 10000, "offset": 3 },
        "requests": [{ "limit": "25000" }, { "limit": "5", "metrics": [{ "name": "sessions" }] }] });
    let query = query_of(body.as_object().unwrap());
    assert!(query.contains("&pagination.limit=10000&pagination.offset=3"), "{query}");
    assert!(query.contains("&requests.0.limit=%2225000%22&requests.1.limit"), "{query}");
    assert_eq!(serde_json::from_slice::<Json>(&body_of(&query)).unwrap(), body);
}
