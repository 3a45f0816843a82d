//! From bytes to typed answers.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

use super::{Error, json_path::path_to};

/// Decodes JSON. The error names path and position, never any value of the body.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| explain(headers, body, &error))
}

fn explain(headers: &HeaderMap, body: &[u8], error: &serde_json::Error) -> Error {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.trim_start().to_ascii_lowercase().starts_with("text/html") {
        return Error::invalid_response("answered with a web page instead of JSON; check the address");
    }
    if body.trim_ascii().is_empty() {
        return Error::invalid_response("answered with nothing where JSON was expected");
    }
    let position = format!("line {} column {}", error.line(), error.column());
    if error.is_eof() {
        return Error::invalid_response("the JSON ends too early").context("position", position);
    }
    if error.is_syntax() {
        return Error::invalid_response("the answer is not JSON").context("position", position);
    }
    let path = path_to(body, error.line(), error.column());
    let error = Error::invalid_response(format!("the JSON is not as documented{}", expectation(&error.to_string())));
    let error = if path.is_empty() { error } else { error.context("path", path) };
    error.context("position", position)
}

/// The part of a decoder's sentence that comes from our types. What it found comes from the body and is left out.
fn expectation(sentence: &str) -> String {
    let sentence = sentence.rsplit_once(" at line ").map_or(sentence, |(before, _)| before);
    if sentence.starts_with("missing field `") {
        return format!(": {sentence}");
    }
    match sentence.rsplit_once(", expected ") {
        Some((_, expected)) => format!(": expected {expected}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::metric::FailureKind;

    #[derive(Debug, Deserialize)]
    struct Page {
        #[expect(dead_code, reason = "only decoded")]
        data: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    struct Item {
        #[expect(dead_code, reason = "only decoded")]
        amount: i64,
    }

    fn failure(content_type: &str, body: &str) -> String {
        let headers = [(CONTENT_TYPE, content_type.parse().unwrap())].into_iter().collect();
        let error = json::<Page>(&headers, body.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), FailureKind::InvalidResponse);
        error.to_string()
    }

    #[test]
    fn names_path_and_position_and_nothing_of_the_body() {
        let json = "application/json";
        for (body, expected) in [
            (
                r#"{"data":[{"amount":1},{"amount":"hunter2, expected fun"}]}"#,
                "the JSON is not as documented: expected i64, path: data[1].amount, position: line 1 column 55",
            ),
            (
                r#"{"data":[{"hunter2":1}]}"#,
                "the JSON is not as documented: missing field `amount`, path: data[0], position: line 1 column 22",
            ),
            (
                "{\"data\": [\n  {\"amount\": 1, \"a\\\"b\": {\"c\": [[], {}]}},\n  {\"x\": [1, 2], \"amount\": 1.5, \"y\": 2}]}",
                "the JSON is not as documented: expected i64, path: data[1].amount, position: line 3 column 29",
            ),
            (
                r#"{"data":[{"amount":{"hunter2":1}}]}"#,
                "the JSON is not as documented: expected i64, path: data[0].amount, position: line 1 column 19",
            ),
            (
                r#"{"data":{}}"#,
                "the JSON is not as documented: expected a sequence, path: data, position: line 1 column 8",
            ),
            (
                r#"{"a":[{"b":{}}],"c":null}"#,
                "the JSON is not as documented: missing field `data`, position: line 1 column 25",
            ),
            (r#"{"data":[{"amount":1}"#, "the JSON ends too early, position: line 1 column 21"),
            (r#"{"data":[]} hunter2"#, "the answer is not JSON, position: line 1 column 13"),
            ("hunter2", "the answer is not JSON, position: line 1 column 1"),
            (" \n", "answered with nothing where JSON was expected"),
            ("", "answered with nothing where JSON was expected"),
        ] {
            assert_eq!(failure(json, body), expected);
        }
        let page = "answered with a web page instead of JSON; check the address";
        assert_eq!(failure("text/html; charset=utf-8", "<html>hunter2"), page);
        assert_eq!(failure("Text/HTML", ""), page);
    }
}
