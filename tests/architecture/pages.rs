//! What pages are made of: nothing inline, nothing from elsewhere, nothing of one service, and the files of others as
//! they came.

use sha2::{Digest as _, Sha256};

use super::{File, Tree, dependencies::names, hold};

const VENDORS: [&str; 2] = ["static/vendor/", "tests/browser/vendor/"];

fn ours(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files.iter().filter(|file| {
        file.path.starts_with("templates/") || (file.path.starts_with("static/") && !file.path.starts_with(VENDORS[0]))
    })
}

/// The policy of the pages would not run it; the browser would only complain.
fn nothing_is_inline(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in ours(tree).filter(|file| file.path.ends_with(".html")) {
        for (number, line) in file.text.lines().enumerate() {
            let handler =
                line.split([' ', '"']).any(|word| word.starts_with("on") && word.ends_with('=') && word.len() > 4);
            let script = line.contains("<script") && !line.contains(" src=");
            if handler || script || line.contains("style=\"") || line.contains("<style") || line.contains("javascript:")
            {
                found.push(file.at(number + 1, "inline script or style; put it into app.js or app.css"));
            }
        }
    }
    found
}

fn nothing_comes_from_elsewhere(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in ours(tree) {
        for (number, line) in file.text.lines().enumerate() {
            let line = line.replace("http://www.w3.org/2000/svg", "");
            let loads = ["src=\"", "href=\"", "url(", "import "].iter().any(|way| {
                line.split(way).skip(1).any(|rest| rest.trim_start_matches(['"', '\'']).starts_with("http"))
            });
            if loads {
                found.push(file.at(number + 1, "loaded from another host; nothing is"));
            }
        }
    }
    found
}

/// A new service needs no change in a page.
fn no_page_knows_a_service(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in ours(tree) {
        for (number, line) in file.text.lines().enumerate() {
            for id in tree.services().into_iter().filter(|id| names(line, id) || names(line, &id.replace('_', "-"))) {
                found.push(file.at(number + 1, format!("{id} is named; draw it from the descriptor")));
            }
        }
    }
    found
}

/// What a template loads is compiled in: `frame.asset("app.css")` and `("app.css", include_str!(…))`.
fn assets_exist(tree: &Tree) -> Vec<String> {
    let list = tree.file("src/web/assets.rs").map_or("", |file| file.text.as_str());
    let mut found = Vec::new();
    for file in ours(tree).filter(|file| file.path.ends_with(".html")) {
        for name in file.text.split("asset(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            if !list.contains(&format!("(\"{name}\", include_str!")) {
                found.push(file.at(1, format!("{name} is not in FILES of src/web/assets.rs")));
            }
        }
    }
    found
}

fn files_of_others_are_what_they_were(tree: &Tree) -> Vec<String> {
    VENDORS.iter().flat_map(|folder| judge_vendor(tree, folder)).collect()
}

fn judge_vendor(tree: &Tree, folder: &str) -> Vec<String> {
    let manifest = format!("{folder}manifest.txt");
    let rows = tree.file(&manifest).map_or("", |file| file.text.as_str()).lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Vec<&str>> = rows.map(|line| line.split_whitespace().collect()).collect();
    let mut found = Vec::new();
    for row in &rows {
        let [name, _package, _version, _licence, sha256] = row.as_slice() else {
            found.push(format!("{manifest}: file package version licence sha256, and not: {}", row.join(" ")));
            continue;
        };
        let Some(file) = tree.file(&format!("{folder}{name}")) else {
            found.push(format!("{manifest}: there is no {name}"));
            continue;
        };
        let digest: String = Sha256::digest(file.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != *sha256 {
            found.push(format!("{}: it is not the file that {manifest} speaks of", file.path));
        }
    }
    for file in tree.files.iter().filter(|file| file.path.starts_with(folder) && file.path != manifest) {
        if !rows.iter().any(|row| row.first().is_some_and(|name| file.path == format!("{folder}{name}"))) {
            found.push(format!("{}: {manifest} does not say where it is from", file.path));
        }
    }
    found
}

#[test]
fn pages_hold_nothing_inline() {
    for line in
        ["<script>x()</script>", "<p style=\"color:red\">", "<a onclick=\"x()\">", "<a href=\"javascript:x()\">"]
    {
        hold(nothing_is_inline, &[("templates/x.html", line)]);
    }
}

#[test]
fn pages_load_nothing_from_elsewhere() {
    hold(nothing_comes_from_elsewhere, &[("templates/x.html", "<script src=\"https://cdn.example.com/x.js\">")]);
    hold(nothing_comes_from_elsewhere, &[("static/x.css", "@font-face { src: url('https://x.example/f') }")]);
}

#[test]
fn pages_are_drawn_from_descriptors() {
    let service = ("src/integrations/zap/mod.rs", "");
    hold(no_page_knows_a_service, &[("templates/x.html", "<h1>Zap</h1>"), service]);
    hold(no_page_knows_a_service, &[("static/app.css", ".zap { }"), service]);
}

#[test]
fn what_pages_load_is_compiled_in() {
    hold(assets_exist, &[("templates/x.html", "{{ frame.asset(\"gone.css\") }}")]);
}

#[test]
fn vendored_files_have_the_hashes_of_their_packages() {
    hold(files_of_others_are_what_they_were, &[("static/vendor/x.js", "x")]);
    hold(
        files_of_others_are_what_they_were,
        &[("static/vendor/manifest.txt", "x.js x 1.0 MIT 00"), ("static/vendor/x.js", "x")],
    );
}
