//! Reading credentials and settings: from a file, from stdin, or field by field at a terminal. Never from arguments,
//! which other users of the machine can see.

use std::{collections::BTreeMap, io::Read, path::Path};

use inquire::{InquireError, Password, PasswordDisplayMode, Select, Text};
use serde_json::{Map, Value as Json};
use zeroize::Zeroizing;

use super::{
    failure::Failure,
    output::{self, Output},
};
use crate::{
    integrations::{CredentialField, Descriptor, FieldKind, SettingField, SettingKind},
    nearest::nearest,
    secret::Secret,
};

/// More than any credentials are long.
const LARGEST_FILE: u64 = 1 << 20;

/// What a connection is made of.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) credentials: BTreeMap<String, Secret>,
    pub(super) settings: Map<String, Json>,
}

/// Reads a file (`-`: stdin), or asks at the terminal, or says why neither is possible.
pub(super) fn read(file: Option<&Path>, descriptor: &Descriptor, ask_settings: bool) -> Result<Given, Failure> {
    match file {
        Some(path) => parse(&read_file(path)?, &path.display().to_string()),
        None if output::is_interactive() => ask(descriptor, ask_settings).map_err(from_prompt),
        None => Err(Failure::usage(
            "credentials_missing",
            "there is no terminal to ask at; give --credentials FILE, or - for stdin, with \
             {\"credentials\":{…},\"settings\":{…}}",
        )),
    }
}

/// Settings alone, for a connection that is made by a sign-in. Without a file there are none: `dashtray set` knows them.
pub(super) fn read_settings(file: Option<&Path>, descriptor: &Descriptor) -> Result<Map<String, Json>, Failure> {
    let given = match file {
        Some(_) => read(file, descriptor, true)?,
        None => Given::default(),
    };
    match given.credentials.is_empty() {
        true => Ok(given.settings),
        false => Err(Failure::usage(
            "bad_credentials_file",
            "a sign-in takes no credentials; leave them out, or leave --oauth out",
        )),
    }
}

/// Settings after a sentence that says what is wrong with those that were given. `None` where there is nobody to ask, or
/// nothing is answered.
pub(super) fn choose_settings(why: &str, descriptor: &Descriptor) -> Result<Option<Map<String, Json>>, Failure> {
    if !output::is_interactive() {
        return Ok(None);
    }
    Output::new(false).note(why);
    let settings = ask_for_settings(descriptor).map_err(from_prompt)?;
    Ok((!settings.is_empty()).then_some(settings))
}

/// A password: from a file, from stdin, or asked for twice.
pub(super) fn read_password(file: Option<&Path>) -> Result<Secret, Failure> {
    match file {
        Some(path) => Ok(Secret::new(read_file(path)?.trim_end_matches(['\r', '\n']))),
        None if output::is_interactive() => {
            let prompt = Password::new("Password").with_display_mode(PasswordDisplayMode::Masked);
            prompt.prompt().map(Secret::new).map_err(from_prompt)
        }
        None => Err(Failure::usage(
            "password_missing",
            "there is no terminal to ask at; give --password FILE, or - for stdin",
        )),
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == "-" {
        std::io::stdin().lock().take(LARGEST_FILE + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_string(&mut text))
    };
    let unreadable = |why: &str| Failure::usage("bad_credentials_file", format!("{} {why}", path.display()));
    match read {
        Err(error) => Err(unreadable(&format!("cannot be read: {error}"))),
        Ok(bytes) if bytes as u64 > LARGEST_FILE => Err(unreadable("is larger than 1 MB; that is no credentials file")),
        Ok(_) => Ok(text),
    }
}

/// Reads `{"credentials":{…},"settings":{…}}`. No message repeats a value: what is wrong may be the secret itself.
fn parse(text: &str, name: &str) -> Result<Given, Failure> {
    let bad = |what: String| Failure::usage("bad_credentials_file", format!("{name}: {what}"));
    let json: Json = serde_json::from_str(text)
        .map_err(|error| bad(format!("this is not JSON (line {}, column {})", error.line(), error.column())))?;
    let Json::Object(object) = json else {
        return Err(bad("this must be an object, {\"credentials\":{…},\"settings\":{…}}".to_owned()));
    };
    let mut given = Given::default();
    for (key, value) in object {
        let Json::Object(fields) = value else {
            return Err(match key.as_str() {
                "credentials" | "settings" => bad(format!("\"{key}\" must be an object")),
                _ => bad(unknown_key(&key)),
            });
        };
        match key.as_str() {
            "settings" => given.settings = fields,
            "credentials" => {
                for (field, value) in fields {
                    let secret = match value {
                        Json::String(text) => Secret::new(text),
                        // A service account is a JSON document; people paste it as it is.
                        Json::Object(_) => Secret::new(value.to_string()),
                        Json::Null => continue,
                        _ => return Err(bad(format!("the credential \"{}\" must be a text", shown(&field)))),
                    };
                    given.credentials.insert(field, secret);
                }
            }
            _ => return Err(bad(unknown_key(&key))),
        }
    }
    Ok(given)
}

fn unknown_key(key: &str) -> String {
    match nearest(key, ["credentials", "settings"].into_iter()) {
        Some(meant) => format!("there is no \"{}\" here; did you mean \"{meant}\"?", shown(key)),
        None => format!(
            "there is no \"{}\" here; only \"credentials\" and \"settings\", as {{\"credentials\":{{…}},\"settings\":{{…}}}}; \
             a key file goes inside, under the name of its field",
            shown(key)
        ),
    }
}

fn shown(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn ask(descriptor: &Descriptor, ask_settings: bool) -> Result<Given, InquireError> {
    let mut given = Given::default();
    for field in &descriptor.credentials {
        let answer = Zeroizing::new(ask_credential(field)?);
        if !answer.trim().is_empty() {
            given.credentials.insert(field.key.clone(), Secret::new(answer.trim()));
        }
    }
    if ask_settings {
        given.settings = ask_for_settings(descriptor)?;
    }
    Ok(given)
}

/// What has a default keeps it; `dashtray set` changes it.
fn ask_for_settings(descriptor: &Descriptor) -> Result<Map<String, Json>, InquireError> {
    let mut settings = Map::new();
    for field in descriptor.settings.iter().filter(|field| field.default.is_none()) {
        let answer = ask_setting(field)?;
        if !answer.trim().is_empty() {
            settings.insert(field.key.clone(), Json::from(answer.trim()));
        }
    }
    Ok(settings)
}

fn ask_credential(field: &CredentialField) -> Result<String, InquireError> {
    let label = if field.required { field.label.clone() } else { format!("{} (optional)", field.label) };
    let link = field.link.as_ref().map(|link| format!(" {link}")).unwrap_or_default();
    let help = format!("{}{link}", field.help_text);
    match field.kind {
        FieldKind::Password => Password::new(&label)
            .with_display_mode(PasswordDisplayMode::Masked)
            .without_confirmation()
            .with_help_message(&help)
            .prompt(),
        FieldKind::Text | FieldKind::Url => {
            Text::new(&label).with_placeholder(&field.placeholder).with_help_message(&help).prompt()
        }
    }
}

fn ask_setting(field: &SettingField) -> Result<String, InquireError> {
    let label = format!("{} (may be left empty)", field.label);
    match &field.kind {
        SettingKind::Choice { values } => {
            let labels: Vec<&str> = values.iter().map(|choice| choice.label.as_str()).collect();
            let chosen =
                Select::new(&field.label, labels).with_help_message(&field.help_text).raw_prompt_skippable()?;
            Ok(chosen
                .and_then(|chosen| values.get(chosen.index))
                .map(|choice| choice.value.clone())
                .unwrap_or_default())
        }
        _ => Text::new(&label).with_help_message(&field.help_text).prompt(),
    }
}

fn from_prompt(error: InquireError) -> Failure {
    match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Failure::failed("cancelled", "cancelled; nothing was saved")
        }
        other => Failure::failed("io", format!("the terminal cannot be used: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let failure = parse(text, "file").unwrap_err();
        assert_eq!(failure.exit, 2);
        assert!(!failure.message.contains("c4n4ry"), "{}", failure.message);
        failure.message
    }

    #[test]
    fn reads_credentials_and_settings() {
        let given =
            parse(r#"{"credentials":{"api_key":"sk","sa":{"a":1}},"settings":{"list":["a"]}}"#, "file").unwrap();
        assert_eq!(given.credentials.get("api_key").unwrap().expose(), "sk");
        assert_eq!(given.credentials.get("sa").unwrap().expose(), r#"{"a":1}"#);
        assert_eq!(given.settings.get("list"), Some(&serde_json::json!(["a"])));
    }

    #[test]
    fn what_is_wrong_is_said_and_never_quoted() {
        assert!(refused("sk_c4n4ry").contains("not JSON (line 1, column 1)"));
        assert!(refused(r#"{"credentials":{"k":"c4n4ry"}"#).contains("not JSON"));
        assert!(refused(r#""c4n4ry""#).contains("must be an object"));
        assert!(refused(r#"{"credentials":"c4n4ry"}"#).contains("\"credentials\" must be an object"));
        assert!(refused(r#"{"credentials":{"k":["c4n4ry"]}}"#).contains("the credential \"k\" must be a text"));
        assert!(refused(r#"{"credential":{}}"#).contains("did you mean \"credentials\""));
        assert!(refused(r#"{"api_key":"c4n4ry"}"#).contains("only \"credentials\" and \"settings\""));
    }

    #[test]
    fn a_file_that_is_not_there_or_never_ends_is_refused() {
        assert!(read_file(Path::new("/nowhere.json")).unwrap_err().message.contains("/nowhere.json cannot be read"));
        assert!(read_file(Path::new("/dev/zero")).unwrap_err().message.contains("larger than 1 MB"));
    }
}
