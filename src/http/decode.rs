//! From bytes to typed answers.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

use super::Error;

/// Characters of a path that are shown.
const LONGEST_PATH: usize = 200;

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
    let path: String = path_to(body, error.line(), error.column()).chars().take(LONGEST_PATH).collect();
    let error = Error::invalid_response(format!("the JSON is not as documented{}", expectation(&error.to_string())));
    let error = if path.is_empty() { error } else { error.context("path", path) };
    error.context("position", position)
}

/// A step of the path to a value: which entry of a list, or which field, once it is named.
enum Step {
    Entry(usize),
    Field(Option<String>),
}

/// The path to what ends at a position of JSON that can be read so far. The decoder could tell it, if each type were
/// compiled a second time for that.
fn path_to(json: &[u8], line: usize, column: usize) -> String {
    let lines_before = json.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len);
    let end = lines_before.sum::<usize>().saturating_add(column).min(json.len());
    let (mut steps, mut path, mut at): (Vec<Step>, String, usize) = (Vec::new(), String::new(), 0);
    // Some positions are before what is wrong and not behind it.
    let mut comes_value = true;
    while let Some(byte) = json.get(at).filter(|_| at < end) {
        let rest = json.get(at..).unwrap_or_default();
        comes_value = match byte {
            b':' | b'[' => true,
            b',' => matches!(steps.last(), Some(Step::Entry(_))),
            _ => comes_value && byte.is_ascii_whitespace(),
        };
        match byte {
            b'{' | b'[' => {
                path = shown(&steps);
                steps.push(if *byte == b'{' { Step::Field(None) } else { Step::Entry(0) });
            }
            b'}' | b']' => {
                steps.pop();
                if at + 1 == end {
                    path = shown(&steps);
                }
            }
            b',' => match steps.last_mut() {
                Some(Step::Entry(entry)) => *entry += 1,
                Some(Step::Field(name)) => *name = None,
                None => {}
            },
            b'"' => {
                let text = string(rest);
                at += text.len() + 1;
                match steps.last_mut() {
                    Some(Step::Field(name @ None)) => *name = Some(String::from_utf8_lossy(text).into_owned()),
                    _ => path = shown(&steps),
                }
            }
            b':' | b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => {
                path = shown(&steps);
                let is_over = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                at += rest.iter().position(is_over).unwrap_or(rest.len()).saturating_sub(1);
            }
        }
        at += 1;
    }
    if comes_value { shown(&steps) } else { path }
}

/// What stands between the quotes of a string.
fn string(json: &[u8]) -> &[u8] {
    let mut is_escaped = false;
    let is_end = |byte: &u8| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    };
    let text = json.get(1..).unwrap_or_default();
    text.get(..text.iter().position(is_end).unwrap_or(text.len())).unwrap_or_default()
}

fn shown(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Entry(entry) => path.push_str(&format!("[{entry}]")),
            Step::Field(name) => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(name.as_deref().unwrap_or_default());
            }
        }
    }
    path
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
