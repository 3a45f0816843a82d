//! The program itself, as somebody sees it who never saw the code: the real binary against the simulated company, judged
//! by design.md section 9.

mod backup;
mod canary;
mod crash;
mod database;
mod doctor;
mod input;
mod kills;
mod numbers;
mod permission;
mod provider;
mod refusals;
mod sandbox;
mod serve;
mod several;
mod sign_in;
mod users;
mod walk;
mod watching;

use serde_json::Value as Json;

/// The keys of an object, in order of the alphabet.
#[track_caller]
fn keys(object: &Json) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Words of a sentence, as keys that are to be there.
#[track_caller]
fn has_keys(object: &Json, expected: &str) {
    let mut expected: Vec<&str> = expected.split_whitespace().collect();
    expected.sort_unstable();
    assert_eq!(keys(object), expected);
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_else(|| panic!("a text, not {json}"))
}

/// How a metric fared in a run: its outcome and the sentence.
fn outcome<'a>(run: &'a Json, metric_id: &str) -> (&'a str, &'a Json) {
    let found = list(&run["metrics"]).iter().find(|metric| metric["metric_id"] == metric_id);
    let metric = found.unwrap_or_else(|| panic!("{metric_id} is in the run"));
    (text(&metric["outcome"]), &metric["error"])
}
