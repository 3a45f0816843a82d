//! Guides must not outlive the code: what they name exists, and what they quote stands there.

use std::path::Path;

use dashtray::integrations::{Registry, guide};

use super::{Tree, hold};

/// Where paths start that a guide may name.
const ROOTS: [&str; 7] = ["src/", "tests/", "scripts/", "migrations/", "benches/", "templates/", "static/"];

fn named_paths_exist(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for guide in tree.files.iter().filter(|file| file.path.ends_with(".md") && !file.path.contains('/')) {
        for (number, line) in guide.text.lines().enumerate() {
            // Every second part is between backticks; only its first word can be a path.
            for quoted in line.split('`').skip(1).step_by(2) {
                let path = quoted.split([' ', '#']).next().unwrap_or_default();
                let is_path = ROOTS.iter().any(|root| path.starts_with(root)) && !path.contains(['*', '<', '{', '…']);
                let folder = format!("{}/", path.trim_end_matches('/'));
                let exists = tree.files.iter().any(|file| file.path == path || file.path.starts_with(&folder));
                if is_path && !exists {
                    found.push(guide.at(number + 1, format!("{path} does not exist; say where it went")));
                }
            }
        }
    }
    found
}

/// A document that says what a test proves names a test that there is.
fn named_tests_exist(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for guide in tree.files.iter().filter(|file| file.path.starts_with("docs/") && file.path.ends_with(".md")) {
        for (number, line) in guide.text.lines().enumerate() {
            // A name of that many words is a sentence, and a sentence is a test; but for what is counted for Prometheus.
            for name in line.split('`').skip(1).step_by(2).filter(|name| name.split('_').count() > 4) {
                let is_name =
                    name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !name.starts_with("dashtray_");
                let is_there = tree.files.iter().any(|file| file.text.contains(&format!("fn {name}(")));
                if is_name && !is_there {
                    found.push(guide.at(number + 1, format!("there is no test {name}; say what proves it now")));
                }
            }
        }
    }
    found
}

/// The walk of CONTRIBUTING.md quotes what `scripts/new-integration example` writes.
fn the_walk_quotes_the_template(tree: &Tree) -> Vec<String> {
    let Some(guide) = tree.file("CONTRIBUTING.md") else { return vec!["CONTRIBUTING.md is missing".to_owned()] };
    let template = tree.files.iter().filter(|file| file.path.starts_with("scripts/template/"));
    let mut written: String = template.map(|file| file.text.as_str()).collect();
    for (placeholder, text) in
        [("__ID__", "example"), ("__FOLDER__", "example"), ("__TYPE__", "Example"), ("__TITLE__", "Example")]
    {
        written = written.replace(placeholder, text);
    }
    written.push_str("pub mod example;\nArc::new(super::example::Example),\n");
    let lines: Vec<&str> = written.lines().map(str::trim).collect();
    let mut found = Vec::new();
    let mut is_rust = false;
    for (number, line) in guide.text.lines().enumerate() {
        if line.starts_with("```") {
            is_rust = line == "```rust";
            continue;
        }
        // A remark behind the code is the guide's own, and … stands for what is left out.
        let code = line.split("  //").next().unwrap_or_default().trim();
        if is_rust && !code.contains('…') && !lines.contains(&code) {
            found.push(guide.at(number + 1, format!("the template has no line \"{code}\"; quote what is there")));
        }
    }
    found
}

#[test]
fn a_guide_names_only_what_exists() {
    hold(named_paths_exist, &[("README.md", "see `src/gone.rs` for more"), ("src/here.rs", "")]);
}

#[test]
fn a_document_names_only_tests_that_exist() {
    hold(
        named_tests_exist,
        &[("docs/x.md", "proved by `a_test_that_is_gone_by_now`"), ("tests/x.rs", "fn other() {}")],
    );
}

#[test]
fn the_walk_of_contributing_is_the_template() {
    let guide = ("CONTRIBUTING.md", "```rust\nlet old = 1;\n```");
    hold(the_walk_quotes_the_template, &[guide, ("scripts/template/mod.rs", "let new = 1;")]);
}

/// `DASHTRAY_WRITE_GUIDES=1 cargo test --test all architecture::guides` writes the tables instead.
#[test]
fn the_tables_of_the_guides_are_what_the_descriptors_say() {
    #[expect(clippy::disallowed_methods, reason = "a wish of who runs the test, not a setting of the program")]
    let is_writing = std::env::var_os("DASHTRAY_WRITE_GUIDES").is_some();
    let mut stale = Vec::new();
    for descriptor in Registry::builtin().descriptors() {
        let path = format!("src/integrations/{}/guide.md", descriptor.id.replace('-', "_"));
        match guide::written(&descriptor) {
            Err(problem) => stale.push(format!("{path}: {problem}")),
            Ok(written) if written == descriptor.guide => {}
            Ok(written) if is_writing => {
                std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), written).unwrap();
            }
            Ok(_) => stale.push(format!("{path}: its tables are not what the descriptor says")),
        }
    }
    let command = "DASHTRAY_WRITE_GUIDES=1 cargo test --test all architecture::guides";
    assert!(stale.is_empty(), "{}\nwrite them anew: {command}\n", stale.join("\n"));
}
