//! Who may use whom: our modules, outside libraries, the machine.

use super::{File, Tree, hold, source::Kind};

const LEAVES: &[&str] = &["metric", "secret", "clock", "nearest", "fail_point", "telemetry"];

/// What a top-level module may use besides itself; design.md, section 2.
fn allowed(module: &str) -> Option<Vec<&'static str>> {
    let below_sync = [&["store", "vault", "integrations", "http"], LEAVES].concat();
    let below_app = [&["sync", "connections", "series", "custom", "users"], below_sync.as_slice()].concat();
    Some(match module {
        "metric" | "secret" | "clock" | "nearest" | "fail_point" | "telemetry" => vec![],
        "demo" => vec!["metric"],
        "http" => LEAVES.to_vec(),
        "integrations" => vec!["http", "metric", "secret", "nearest"],
        "users" => [&["store"], LEAVES].concat(),
        "store" | "vault" | "config" => [&["http"], LEAVES].concat(),
        "connections" | "custom" => below_sync,
        "sync" => [&["connections"], below_sync.as_slice()].concat(),
        "series" => [&["connections", "custom"], below_sync.as_slice()].concat(),
        "app" => [&["config"], below_app.as_slice()].concat(),
        "web" => [&["app", "config"], below_app.as_slice()].concat(),
        "cli" => [&["web", "app", "config", "demo"], below_app.as_slice()].concat(),
        "main" => vec!["cli", "app", "config"],
        "lib" => vec![],
        _ => return None,
    })
}

fn dependencies(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.sources() {
        let Some(allowed) = allowed(file.top()) else {
            found.push(file.at(1, format!("{} has no place in the layout; give it one in `allowed`", file.top())));
            continue;
        };
        for path in file.paths() {
            let root = if file.top() == "main" { "dashtray" } else { "crate" };
            let Some(used) = path.segments.get(1).filter(|_| path.starts_with(&[root])) else { continue };
            let is_module = tree.sources().any(|other| other.top() == used.as_str());
            if is_module && used != file.top() && !allowed.contains(&used.as_str()) && file.top() != "lib" {
                let list = if allowed.is_empty() { "none of our modules".to_owned() } else { allowed.join(", ") };
                found.push(file.at(
                    path.line,
                    format!("{} must not use {used}; it may use {list}: hand the value in from above", file.top()),
                ));
            }
        }
    }
    found
}

/// Outside libraries that one module owns.
const OWNERS: &[(&[&str], &[&str])] = &[
    (&["axum"], &["web", "demo"]),
    (&["askama"], &["web"]),
    (&["argon2"], &["users"]),
    (&["subtle"], &["users"]),
    (&["sqlx"], &["store"]),
    (&["reqwest"], &["http"]),
    (&["rustls"], &["http"]),
    (&["aws_lc_rs"], &["http", "demo"]),
    (&["clap"], &["cli"]),
    (&["libc"], &["cli"]),
    (&["rustix"], &["cli"]),
    (&["indicatif"], &["cli"]),
    (&["inquire"], &["cli"]),
    (&["comfy_table"], &["cli"]),
    (&["aes_gcm_siv"], &["vault"]),
    (&["std", "env"], &["config"]),
    (&["jiff", "Timestamp", "now"], &["clock"]),
    (&["Timestamp", "now"], &["clock"]),
    (&["Zoned", "now"], &["clock"]),
    (&["SystemTime", "now"], &["clock"]),
];

fn owners(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.sources() {
        for path in file.paths() {
            for (library, owners) in OWNERS {
                if path.starts_with(library) && !owners.contains(&file.top()) {
                    let library = library.join("::");
                    found.push(
                        file.at(path.line, format!("{library} belongs to {}; ask that module", owners.join(" and "))),
                    );
                }
            }
        }
    }
    found
}

/// Ways out of the process, and of the order in which the host calls.
const IO: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["tokio", "fs"],
    &["tokio", "io"],
    &["tokio", "net"],
    &["tokio", "process"],
    &["tokio", "runtime"],
    &["tokio", "signal"],
    &["tokio", "spawn"],
    &["tokio", "task"],
    &["tokio", "time"],
];

fn integrations_do_no_io(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.sources().filter(|file| file.top() == "integrations") {
        for path in file.paths().iter().filter(|path| IO.iter().any(|way| path.starts_with(way))) {
            let way = path.segments.join("::");
            found.push(file.at(path.line, format!("an integration has no {way}; ask the Context")));
        }
    }
    found
}

fn integrations_stay_apart(tree: &Tree) -> Vec<String> {
    let services = tree.services();
    let mut found = Vec::new();
    for file in tree.sources() {
        let Some(own) = file.service().filter(|own| services.contains(own)) else { continue };
        for path in file.paths().iter().filter(|path| path.starts_with(&["crate", "integrations"])) {
            let Some(other) = path.segments.get(2).filter(|other| services.contains(&other.as_str())) else { continue };
            if other != own {
                found.push(file.at(
                    path.line,
                    format!("{own} must not use {other}; what both need belongs to the contract or to each of them"),
                ));
            }
        }
    }
    found
}

/// Ids that are also words of our sentences: of them only names in code are judged. `example` is the integration
/// that CONTRIBUTING.md walks through.
const ALSO_WORDS: [&str; 1] = ["example"];

fn services_are_named_at_home(tree: &Tree) -> Vec<String> {
    let services = tree.services();
    let mut found = Vec::new();
    for file in tree.sources() {
        let at_home = |id: &str| {
            file.service() == Some(id)
                || file.top() == "demo"
                || file.path == "src/integrations/registry.rs"
                || file.path.ends_with("/tests.rs")
        };
        for id in services.iter().filter(|id| !at_home(id)) {
            for (place, token) in file.production.iter().enumerate() {
                let declares = file.path == "src/integrations/mod.rs"
                    && place > 0
                    && file.production[place - 1].is("mod")
                    && token.is(id);
                // The command line's help is the user's documentation and may give examples.
                let is_help = place > 1 && file.top() == "cli" && file.production[place - 2].is("after_help");
                let judged = token.kind == Kind::Word || !(ALSO_WORDS.contains(id) || is_help);
                if judged && !declares && (names(&token.text, id) || names(&token.text, &id.replace('_', "-"))) {
                    found.push(file.at(
                        token.line,
                        format!("{id} is named outside its folder; say it by what the descriptor declares"),
                    ));
                }
            }
        }
    }
    found
}

/// Whether the text holds the id as a word: `stripe`, `stripe_mrr`, `StripeApi`, but not `stripes`.
pub(super) fn names(text: &str, id: &str) -> bool {
    let lower = text.to_lowercase();
    lower.match_indices(id).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text.get(at + id.len()..).and_then(|rest| rest.chars().next());
        let starts_upper = text[at..].chars().next().is_some_and(char::is_uppercase);
        let joined_before = before.is_some_and(|c| c.is_alphanumeric() && !(starts_upper && c.is_lowercase()));
        !joined_before && !after.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit())
    })
}

fn only_the_command_line_prints(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.sources().filter(|file| file.top() != "cli") {
        for pair in file.production.windows(2).filter(|pair| pair[1].is("!")) {
            if ["print", "println", "eprint", "eprintln"].iter().any(|name| pair[0].is(name)) {
                found
                    .push(file.at(pair[0].line, format!("{}! outside cli; give a value back or log it", pair[0].text)));
            }
        }
    }
    found
}

fn arithmetic_is_not_async(tree: &Tree) -> Vec<String> {
    let in_metrics = |file: &&File| file.service().is_some() && file.path.ends_with("/metrics.rs");
    let mut found = Vec::new();
    for file in tree.sources().filter(in_metrics) {
        for token in file.production.iter().filter(|token| token.is("async") || token.is("await")) {
            found.push(file.at(token.line, "metrics.rs is arithmetic; what waits belongs to api.rs or mod.rs"));
        }
    }
    found
}

fn endpoints_have_no_host(tree: &Tree) -> Vec<String> {
    let in_api = |file: &&File| file.service().is_some() && file.path.ends_with("/api.rs");
    let mut found = Vec::new();
    for file in tree.sources().filter(in_api) {
        for token in file.production.iter().filter(|token| token.kind == Kind::Text && token.text.contains("://")) {
            found.push(file.at(token.line, "api.rs has paths; the host is the descriptor's base_url"));
        }
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    let store = ("src/store/mod.rs", "");
    hold(dependencies, &[("src/http/retry.rs", "use crate::store::Store;"), store]);
    hold(dependencies, &[("src/vault/mod.rs", "use super::{metric::Day, store};"), store]);
    hold(dependencies, &[("src/http/client/mod.rs", "fn f() { super::super::store::open() }"), store]);
    hold(dependencies, &[("src/main.rs", "fn main() { dashtray::store::open() }"), store]);
    hold(dependencies, &[("src/demo/mod.rs", "use crate::{metric::Day, http::Error};"), ("src/http/mod.rs", "")]);
    hold(dependencies, &[("src/stuff.rs", "")]);
}

#[test]
fn an_outside_library_has_one_owner() {
    hold(owners, &[("src/sync/run.rs", "use sqlx::Row;")]);
    hold(owners, &[("src/web/mod.rs", "use std::{env, fs};")]);
    hold(owners, &[("src/cli/user.rs", "use argon2::Argon2;")]);
    hold(owners, &[("src/integrations/x/mod.rs", "fn f() { Timestamp::now(); }")]);
}

#[test]
fn an_integration_does_no_io_of_its_own() {
    hold(integrations_do_no_io, &[("src/integrations/x/mod.rs", "async fn f() { tokio::time::sleep(d).await }")]);
}

#[test]
fn no_integration_uses_another() {
    let peers = [("src/integrations/x/mod.rs", ""), ("src/integrations/y/mod.rs", "use super::x::api;")];
    hold(integrations_stay_apart, &peers);
    let peers = [("src/integrations/x/mod.rs", ""), ("src/integrations/y/mod.rs", "use crate::integrations::x::api;")];
    hold(integrations_stay_apart, &peers);
}

#[test]
fn a_service_is_named_in_its_folder_and_the_registry_alone() {
    let x = ("src/integrations/zap/mod.rs", "");
    for source in
        ["fn f() { is(\"zap_users\") }", "struct ZapClient;", "fn f() { a::zap::b() }", "let s = \"ask zap\";"]
    {
        hold(services_are_named_at_home, &[("src/sync/run.rs", source), x]);
    }
    hold(services_are_named_at_home, &[("src/cli/sync.rs", "#[command(after_help = \"ok\")] fn zap() {}"), x]);
    assert!(!names("zaps and zappers", "zap") && names("ask Zap.", "zap") && names("MY_ZAP_KEY", "zap"));
}

#[test]
fn only_cli_prints() {
    hold(only_the_command_line_prints, &[("src/sync/run.rs", "fn f() { println!(\"x\") }")]);
}

#[test]
fn arithmetic_is_apart_from_the_network() {
    hold(arithmetic_is_not_async, &[("src/integrations/x/metrics.rs", "async fn f() {}")]);
}

#[test]
fn an_endpoint_is_a_path_without_host() {
    hold(endpoints_have_no_host, &[("src/integrations/x/api.rs", "const A: &str = \"https://x.example\";")]);
}
