//! Documents and files for running Dashtray name what there is.

use super::{Tree, hold};

/// What people follow to the letter.
fn is_read(path: &str) -> bool {
    (path.starts_with("docs/") && path.ends_with(".md")) || path.starts_with("deploy/") || path == "README.md"
}

/// Keys of the configuration, each also a variable.
fn keys(tree: &Tree) -> Vec<&str> {
    let example = tree.file("config.example.toml").map_or("", |file| file.text.as_str());
    example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, _)| key)
        .collect()
}

/// Variables that are no keys: what names the file itself, and what `http`'s clients are.
fn is_no_key(name: &str) -> bool {
    // `DASHTRAY_` alone is the prefix; the two are what the API's documents call theirs.
    ["", "CONFIG", "KEY", "URL"].contains(&name)
        || ["_CLIENT_ID", "_CLIENT_SECRET"].iter().any(|end| name.contains(end))
}

fn variables_exist(tree: &Tree) -> Vec<String> {
    let keys = keys(tree);
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| is_read(&file.path)) {
        for (number, line) in file.text.lines().enumerate() {
            for rest in line.split("DASHTRAY_").skip(1) {
                let name = rest.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).next().unwrap_or_default();
                if !is_no_key(name) && !keys.contains(&name.to_lowercase().as_str()) {
                    found.push(file.at(number + 1, format!("DASHTRAY_{name} is no variable of config.example.toml")));
                }
            }
        }
    }
    found
}

fn links_lead_somewhere(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md") && !file.path.contains("/fixtures/")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (number, line) in file.text.lines().enumerate() {
            for rest in line.split("](").skip(1) {
                let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
                if target.is_empty() || target.contains("://") || target.starts_with('/') {
                    continue;
                }
                let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
                for part in target.split('/') {
                    match part {
                        ".." => drop(parts.pop()),
                        "." => {}
                        part => parts.push(part),
                    }
                }
                let path = parts.join("/");
                if !tree.files.iter().any(|one| one.path == path || one.path.starts_with(&format!("{path}/"))) {
                    found.push(file.at(number + 1, format!("{target} leads nowhere")));
                }
            }
        }
    }
    found
}

/// What proxies and health checks ask for, as the samples name it.
fn samples_name_routes(tree: &Tree) -> Vec<String> {
    let routes: String =
        tree.sources().filter(|file| file.path.starts_with("src/web/")).map(|file| file.text.as_str()).collect();
    let mut found = Vec::new();
    for route in ["/live", "/metrics", "/readyz", "/healthz"] {
        let named = tree.files.iter().find(|file| is_read(&file.path) && file.text.contains(route));
        if let Some(file) = named.filter(|_| !routes.contains(&format!(".route(\"{route}\""))) {
            found.push(format!("{} names {route}, which is no route", file.path));
        }
    }
    found
}

#[test]
fn variables_in_documents_and_samples_exist() {
    hold(variables_exist, &[("docs/x.md", "set DASHTRAY_NO_SUCH_THING=1")]);
}

#[test]
fn links_in_documents_lead_somewhere() {
    hold(links_lead_somewhere, &[("docs/x.md", "see [that](../nowhere.md#x)")]);
}

#[test]
fn addresses_in_samples_are_routes() {
    hold(samples_name_routes, &[("deploy/nginx.conf", "location /live {"), ("src/web/mod.rs", "fn x() {}")]);
}
