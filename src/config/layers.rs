//! Where values come from: the file, the environment and the flags, laid over each other.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{Error, Flags, Origin, PREFIX, PROVIDER_URL, SECRETS, clients, cut};
use crate::nearest::nearest;

/// Values by key, each with its origin. An empty value counts as not given.
pub(super) type Layer = BTreeMap<String, (String, Origin)>;

pub(super) fn read_toml(text: &str, name: &str, origin: &Origin) -> Result<Layer, Error> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // Not the error's own text: it quotes the line, which may hold a secret.
        let line = error.span().map_or(1, |span| 1 + text.get(..span.start).unwrap_or("").matches('\n').count());
        Error(format!("{name}, line {line}: {}", error.message()))
    })?;
    let mut layer = Layer::new();
    for (key, value) in table {
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(yes) => yes.to_string(),
            _ => return Err(Error(format!("{name}: \"{}\" must be a text, a number, true or false", cut(&key)))),
        };
        layer.insert(key, (value, origin.clone()));
    }
    Ok(layer)
}

pub(super) fn from_environment(
    environment: &BTreeMap<String, String>,
    known: &Layer,
    warnings: &mut Vec<String>,
) -> Layer {
    let mut layer = Layer::new();
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let key = rest.to_lowercase();
        let other = ["CONFIG", "NOW"].contains(&rest) || rest.starts_with(PROVIDER_URL) || rest.starts_with("TEST_");
        let other = other || clients::is_of_client(rest);
        #[cfg(debug_assertions)]
        let other = other || name == super::sandbox::FAIL_AT;
        if known.contains_key(&key) && rest == key.to_uppercase() {
            layer.insert(key, (value.clone(), Origin::Environment(name.clone())));
        } else if !other {
            let hint = did_you_mean(&key, known, |key| format!("{PREFIX}{}", key.to_uppercase()));
            warnings.push(format!("the variable {} is not known and is ignored{hint}", cut(name)));
        }
    }
    layer
}

pub(super) fn from_flags(flags: &Flags) -> Layer {
    let data_dir = flags.data_dir.as_ref().map(|path| path.display().to_string());
    let database_url = flags.database_url.as_ref().map(|url| url.expose().to_owned());
    let given = [
        ("listen", "--listen", flags.listen.clone()),
        ("data_dir", "--data-dir", data_dir),
        ("database_url", "--database-url", database_url),
    ];
    let present = given.into_iter().filter_map(|(key, flag, value)| Some((key, flag, value?)));
    present.map(|(key, flag, value)| (key.to_owned(), (value, Origin::Flag(flag)))).collect()
}

/// The file that was named, which must be there, or else the first of the usual ones.
pub(super) fn find_file(
    flags: &Flags,
    environment: &BTreeMap<String, String>,
    data_dir: &Path,
) -> Result<Option<(PathBuf, String)>, Error> {
    let variable = environment.get("DASHTRAY_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let named = flags.config.clone().or(variable);
    let must_exist = named.is_some();
    let candidates = named.map_or_else(|| vec!["config.toml".into(), data_dir.join("config.toml")], |path| vec![path]);
    for path in candidates {
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some((path, text))),
            // A data directory that is a file is not the business of this.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) && !must_exist => {}
            Err(error) => return Err(Error(format!("the configuration {} cannot be read: {error}", path.display()))),
        }
    }
    Ok(None)
}

/// Puts a layer over the values. A secret and its file exclude each other: the higher layer decides which holds.
pub(super) fn overlay(values: &mut Layer, layer: Layer) -> Result<(), Error> {
    let layer: Layer = layer.into_iter().filter(|(_, (value, _))| !value.is_empty()).collect();
    for secret in SECRETS {
        let file = format!("{secret}_file");
        match (layer.get(secret), layer.get(&file)) {
            (None, None) => continue,
            (Some((_, one)), Some((_, two))) => {
                let sources = if one == two { one.to_string() } else { format!("{one} and {two}") };
                return Err(Error(format!("{secret} and {file} are both given ({sources}); keep one of them")));
            }
            _ => {}
        }
        for key in [secret, &file] {
            values.insert(key.to_owned(), (String::new(), Origin::Default));
        }
    }
    values.extend(layer);
    Ok(())
}

pub(super) fn did_you_mean(key: &str, known: &Layer, shown: impl Fn(&str) -> String) -> String {
    match nearest(key, known.keys().map(String::as_str)) {
        Some(name) => format!("; did you mean {}?", shown(name)),
        None => "; `dashtray config` lists them all".to_owned(),
    }
}
