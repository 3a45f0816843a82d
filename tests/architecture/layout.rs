//! Which files there are, what they are called, how long they are, and marks that none may hold.

use std::collections::{BTreeMap, BTreeSet};

use super::{Tree, hold};

/// What each integration's folder holds, besides `fixtures/`.
const FIXED: [&str; 6] = ["mod.rs", "api.rs", "metrics.rs", "tests.rs", "guide.md", "icon.svg"];

fn integrations_have_the_same_files(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for service in tree.services() {
        let folder = format!("src/integrations/{service}");
        // Long tests are a folder, as any long module.
        let exists = |name: &str| tree.file(&format!("{folder}/{name}")).is_some();
        let is_there = |name: &str| exists(name) || (name == "tests.rs" && exists("tests/mod.rs"));
        for name in FIXED.iter().filter(|name| !is_there(name)) {
            found.push(format!("{folder}/{name} is missing; every integration has it, see scripts/template"));
        }
        let fixtures = format!("{folder}/fixtures/");
        if !tree.files.iter().any(|file| file.path.starts_with(&fixtures)) {
            found.push(format!("{fixtures} is missing or empty; put a recorded answer there, without secrets"));
        }
        if tree.file(&format!("{folder}/icon.svg")).is_some_and(|icon| icon.text.len() > 4096) {
            found.push(format!("{folder}/icon.svg has more than 4 kB; simplify it"));
        }
    }
    found
}

fn registry_is_complete_and_sorted(tree: &Tree) -> Vec<String> {
    let path = "src/integrations/registry.rs";
    let Some(file) = tree.file(path) else { return vec![format!("{path} is missing")] };
    let start = file.production.windows(2).position(|pair| pair[0].is("fn") && pair[1].is("builtin")).unwrap_or(0);
    let body: Vec<&str> = file.production[start..].iter().map(|token| token.text.as_str()).collect();
    let end = body.iter().position(|text| *text == "}").unwrap_or(body.len());
    let starts = body[..end].windows(4).enumerate().filter(|(_, words)| *words == ["Arc", "::", "new", "("]);
    // The module is the last part of the path but one.
    let entries: Vec<&str> = starts
        .filter_map(|(at, _)| body[at + 4..end].split(|text| *text == ")").next()?.rsplit(|text| *text == "::").nth(1))
        .filter_map(|part| part.last().copied())
        .collect();
    let mut found = Vec::new();
    if !entries.is_sorted() {
        found.push(format!("{path}: sort the entries of builtin() by id: {}", entries.join(", ")));
    }
    let entries: BTreeSet<&str> = entries.into_iter().collect();
    let services: BTreeSet<&str> = tree.services().into_iter().collect();
    for service in services.difference(&entries) {
        found.push(format!("{path}: {service} has a folder and no line in builtin(); add Arc::new({service}::…)"));
    }
    for entry in entries.difference(&services) {
        found.push(format!("{path}: {entry} has a line in builtin() and no folder with a mod.rs"));
    }
    found
}

/// Lines that a file of Rust may have; think of splitting at 300.
const LONGEST: usize = 500;

fn files_are_short(tree: &Tree) -> Vec<String> {
    let rust = tree.files.iter().filter(|file| file.path.ends_with(".rs") && !file.path.contains("/generated/"));
    rust.filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LONGEST).then(|| format!("{} has {lines} lines, {LONGEST} are the most; split it by ideas", file.path))
    })
    .collect()
}

/// Names that say nothing. A thing that fits nowhere shows that a module is missing.
const EMPTY_NAMES: [&str; 10] =
    ["util", "utils", "common", "helper", "helpers", "misc", "manager", "managers", "service", "services"];

fn names_say_something(tree: &Tree) -> Vec<String> {
    let rust = tree.files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.filter(|file| {
        let stem = file.path.strip_suffix(".rs").unwrap_or(&file.path);
        stem.split(['/', '_']).any(|part| EMPTY_NAMES.contains(&part))
    })
    .map(|file| format!("{}: the name says nothing; call it by what it holds", file.path))
    .collect()
}

fn migrations_have_the_same_names(tree: &Tree) -> Vec<String> {
    let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in &tree.files {
        if let Some((folder, name)) = file.path.strip_prefix("migrations/").and_then(|rest| rest.split_once('/')) {
            folders.entry(folder).or_default().insert(name);
        }
    }
    let all: BTreeSet<&str> = folders.values().flatten().copied().collect();
    let mut found = Vec::new();
    if folders.len() != 2 {
        found.push(format!("migrations/ has {} folders; it needs one for each of the two databases", folders.len()));
    }
    for (folder, names) in &folders {
        for name in all.difference(names) {
            found.push(format!("migrations/{folder}/{name} is missing; both databases have the same steps"));
        }
    }
    found
}

/// Marks of unfinished work. Written apart, or this file would hold them.
const UNFINISHED: [&str; 5] = [
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("HA", "CK"),
];

fn nothing_is_left_unfinished(tree: &Tree) -> Vec<String> {
    lines_with(tree, |_| true, &UNFINISHED, "finish it, or write an issue and delete the mark")
}

/// Places on one machine, and hosts of package registries.
const MACHINE: [&str; 8] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("registry.npm", "js.org"),
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("deb.deb", "ian.org"),
];

fn no_machine_is_named(tree: &Tree) -> Vec<String> {
    let mut found = lines_with(tree, |_| true, &MACHINE, "name no place on one machine and no registry");
    let ours = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    if let Some(lock) = tree.file("Cargo.lock") {
        let foreign = lock.text.lines().filter(|line| line.starts_with("source = ") && *line != ours);
        found.extend(foreign.map(|line| format!("Cargo.lock: {line}: take the crate from crates.io")));
    }
    found
}

fn lines_with(tree: &Tree, judged: fn(&str) -> bool, marks: &[&str], advice: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| judged(&file.path)) {
        for (number, line) in file.text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| holds(line, mark)) {
                found.push(file.at(number + 1, format!("{mark}: {advice}")));
            }
        }
    }
    found
}

/// Whether the mark stands on its own: not inside a longer word, and a path not inside a longer one or an address.
fn holds(line: &str, mark: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + mark.len()..].chars().next();
        let inside = before.is_some_and(|c| word(c) || (mark.starts_with('/') && "./}-".contains(c)));
        let goes_on = mark.ends_with(char::is_alphanumeric) && after.is_some_and(word);
        !inside && !goes_on
    })
}

#[test]
fn every_integration_has_the_same_files() {
    hold(integrations_have_the_same_files, &[("src/integrations/x/mod.rs", "")]);
}

#[test]
fn the_registry_is_complete_and_sorted() {
    let line = |body: &str| format!("fn builtin() -> Vec<Arc<dyn I>> {{ vec![{body}] }}");
    let folders = [("src/integrations/x/mod.rs", ""), ("src/integrations/y/mod.rs", "")];
    for body in ["Arc::new(x::X)", "Arc::new(y::Y), Arc::new(x::X)", "Arc::new(x::X), Arc::new(y::Y), Arc::new(z::Z)"] {
        let registry = line(body);
        let files = [("src/integrations/registry.rs", registry.as_str()), folders[0], folders[1]];
        hold(registry_is_complete_and_sorted, &files);
    }
}

#[test]
fn no_file_is_long() {
    hold(files_are_short, &[("src/x.rs", &"\n".repeat(LONGEST + 1))]);
}

#[test]
fn every_name_says_something() {
    hold(names_say_something, &[("src/http/util.rs", "")]);
    hold(names_say_something, &[("tests/test_helpers/mod.rs", "")]);
}

#[test]
fn both_databases_have_the_same_migrations() {
    hold(
        migrations_have_the_same_names,
        &[("migrations/sqlite/0001_a.sql", ""), ("migrations/postgres/0002_b.sql", "")],
    );
}

#[test]
fn no_work_is_left_unfinished() {
    for mark in UNFINISHED {
        hold(nothing_is_left_unfinished, &[("src/x.rs", &format!("// {mark} later"))]);
    }
}

#[test]
fn no_committed_file_names_a_machine() {
    for mark in MACHINE {
        hold(no_machine_is_named, &[("README.md", &format!("see {mark} x"))]);
    }
    hold(no_machine_is_named, &[("Cargo.lock", "source = \"git+https://example.com/x\"")]);
}
