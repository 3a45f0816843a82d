//! The rules of the tree, read from its text. Each rule is one function that gives the violations it finds; its test
//! holds it against the tree and shows on a made-up file that it can fail.

mod dependencies;
mod deployment;
mod guides;
mod layout;
mod licences;
mod pages;
mod source;

use std::{path::PathBuf, sync::OnceLock};

use source::{Path, Token};

/// The files of the tree, or made-up ones.
pub(crate) struct Tree {
    files: Vec<File>,
}

/// One file by its path from the root, with `/`.
pub(crate) struct File {
    path: String,
    text: String,
    /// Of Rust: all of it.
    tokens: Vec<Token>,
    /// Of Rust under `src`: without tests. Empty where the whole file is one.
    production: Vec<Token>,
    /// Of Rust under `src`: the module's path, `["http", "retry"]`.
    module: Vec<String>,
}

impl Tree {
    /// Reads the repository once.
    fn real() -> &'static Self {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(|| {
            let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
            let mut found = Vec::new();
            read(&root, "", &mut found);
            Self::of(found)
        })
    }

    fn of(mut files: Vec<(String, String)>) -> Self {
        files.sort();
        let mut files: Vec<File> = files.into_iter().map(|(path, text)| File::new(path, text)).collect();
        // A module that is declared for tests alone is a test with all files below it.
        let mut tests: Vec<Vec<String>> = Vec::new();
        for file in files.iter().filter(|file| file.is_source()) {
            let (_, modules) = source::without_tests(&file.tokens);
            tests.extend(modules.into_iter().map(|name| [file.module.clone(), vec![name]].concat()));
        }
        for file in &mut files {
            if tests.iter().any(|test| file.module.starts_with(test)) {
                file.production.clear();
            }
        }
        Self { files }
    }

    fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_source())
    }

    /// Folders of integrations: those with a `mod.rs`.
    fn services(&self) -> Vec<&str> {
        let paths = self.files.iter().map(|file| file.path.as_str());
        paths
            .filter_map(|path| path.strip_prefix("src/integrations/")?.strip_suffix("/mod.rs"))
            .filter(|name| !name.contains('/'))
            .collect()
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let tokens = if path.ends_with(".rs") { source::lex(&text) } else { Vec::new() };
        let production = if path.starts_with("src/") { source::without_tests(&tokens).0 } else { Vec::new() };
        let inner = path.strip_prefix("src/").and_then(|rest| rest.strip_suffix(".rs")).unwrap_or_default();
        let inner = inner.strip_suffix("/mod").unwrap_or(inner);
        let module = inner.split('/').filter(|part| !part.is_empty() && *part != "lib").map(str::to_owned).collect();
        Self { path, text, tokens, production, module }
    }

    fn is_source(&self) -> bool {
        self.path.starts_with("src/") && self.path.ends_with(".rs")
    }

    /// The top-level module that the file is part of: `http`.
    fn top(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    /// The folder of the integration that the file is part of.
    fn service(&self) -> Option<&str> {
        let (folder, _) = self.path.strip_prefix("src/integrations/")?.split_once('/')?;
        Some(folder)
    }

    fn paths(&self) -> Vec<Path> {
        source::paths(&self.production, &self.module)
    }

    fn at(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// What lies here and is not committed.
const NOT_OURS: [&str; 4] = [".git", "target", "data", "node_modules"];

fn read(root: &std::path::Path, below: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if below.is_empty() && NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            read(root, &path, found);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            found.push((path, text));
        }
    }
}

/// Holds a rule against the tree, and shows that it finds the made-up violation.
#[track_caller]
fn hold(rule: fn(&Tree) -> Vec<String>, violation: &[(&str, &str)]) {
    let made_up = violation.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    assert!(
        !rule(&Tree::of(made_up)).is_empty(),
        "the rule does not find the violation it was made for: {violation:?}"
    );
    let found = rule(Tree::real());
    assert!(found.is_empty(), "{} violation(s) of a rule of the tree:\n{}\n", found.len(), found.join("\n"));
}
