//! What the program is made of: licences that it may have, crates that it may not.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value as Json;

/// What cargo says, of this machine's target: of others nothing may have been downloaded.
fn cargo(arguments: &[&str]) -> String {
    let asked = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    String::from_utf8(asked.stdout).unwrap()
}

fn host() -> String {
    let asked = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(asked.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn denied() -> toml::Table {
    include_str!("../../deny.toml").parse().unwrap()
}

/// Whether one of the alternatives is all allowed: `MIT OR (Apache-2.0 AND ISC)`. An old `/` is an OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let verdict = either(&mut rest, allowed);
    verdict && rest.is_empty()
}

fn either(rest: &mut &[&str], allowed: &BTreeSet<&str>) -> bool {
    let mut verdict = both(rest, allowed);
    while let ["OR", after @ ..] = rest {
        *rest = after;
        verdict |= both(rest, allowed);
    }
    verdict
}

fn both(rest: &mut &[&str], allowed: &BTreeSet<&str>) -> bool {
    let mut verdict = one(rest, allowed);
    while let ["AND", after @ ..] = rest {
        *rest = after;
        verdict &= one(rest, allowed);
    }
    verdict
}

fn one(rest: &mut &[&str], allowed: &BTreeSet<&str>) -> bool {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let verdict = either(rest, allowed);
            *rest = rest.strip_prefix(&[")"]).expect("a bracket that is closed");
            verdict
        }
        // An exception only ever allows more, and is to be listed all the same.
        [name, "WITH", exception, after @ ..] => {
            *rest = after;
            allowed.contains(format!("{name} WITH {exception}").as_str())
        }
        [name, after @ ..] => {
            *rest = after;
            allowed.contains(name)
        }
        [] => false,
    }
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let denied = denied();
    let allowed: BTreeSet<&str> =
        denied["licenses"]["allow"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("Unlicense/MIT", true),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("(MIT AND GPL-3.0-only) OR GPL-2.0-only", false),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
    let metadata = cargo(&["metadata", "--format-version", "1", "--filter-platform", &host()]);
    let metadata: Json = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 200, "{}", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or_default(), &allowed))
        .map(|package| format!("{}: {}", package["name"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "not allowed in deny.toml: {}", refused.join(", "));
}

#[test]
fn no_dependency_is_banned() {
    let denied = denied();
    let banned: Vec<&str> =
        denied["bans"]["deny"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    let tree = cargo(&["tree", "--all-features", "--edges", "all", "--prefix", "none", "--format", "{p}"]);
    let used: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(used.contains("rustls") && used.contains("aws-lc-rs"), "{used:?}");
    let found: Vec<&&str> = banned.iter().filter(|name| used.contains(**name)).collect();
    assert!(found.is_empty(), "banned in deny.toml: {found:?}; `cargo tree --invert NAME` says who brings it");
}
