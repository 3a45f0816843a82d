//! Which property a connection measures.

use crate::integrations::{Error, Settings, quotable};

/// The setting's key.
pub(super) const PROPERTY: &str = "property";

/// The number of the property, or what is wrong with what was given.
pub(super) fn property(settings: &Settings) -> Result<&str, Error> {
    let given = settings.text(PROPERTY).unwrap_or_default();
    let number = given.strip_prefix("properties/").unwrap_or(given);
    let is_number = (1..=20).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { Ok(number) } else { Err(Error::invalid_settings(format!("property: {}", mistake(given)))) }
}

/// What is asked for, by what was given in its place.
fn mistake(given: &str) -> String {
    const WHERE: &str = "the property's number stands in Google Analytics under Admin, Property details";
    let starts = |prefix: &str| given.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if given.is_empty() {
        return format!("give the number of a property; {WHERE}");
    }
    let what = match () {
        () if starts("G-") => "a measurement id, which names a web stream and not the property",
        () if starts("UA-") => {
            "of Universal Analytics, which Google has switched off; connect the Google Analytics 4 property"
        }
        () if starts("GT-") || starts("GTM-") || starts("AW-") => "the id of a tag",
        () if starts("accounts/") => "an account, which holds properties",
        () => "not the number of a property",
    };
    format!("\"{}\" is {what}; {WHERE}", quotable(given))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::integrations::google_analytics::descriptor::descriptor;

    fn parsed(given: &str) -> Result<String, String> {
        let given = json!({ PROPERTY: given }).as_object().cloned().unwrap();
        let settings = Settings::parse(&descriptor().settings, &given).unwrap();
        property(&settings).map(str::to_owned).map_err(|error| error.to_string())
    }

    #[test]
    fn takes_a_number_and_explains_everything_else() {
        for number in ["341528790", "properties/341528790", " 341528790 "] {
            assert_eq!(parsed(number).as_deref(), Ok("341528790"));
        }
        for (given, said) in [
            ("", "give the number"),
            ("G-4KX2ABCD90", "\"G-4KX2ABCD90\" is a measurement id"),
            ("g-4kx2abcd90", "a measurement id"),
            ("UA-1234567-1", "of Universal Analytics"),
            ("GTM-ABC123", "the id of a tag"),
            ("accounts/12", "an account"),
            ("www.example.com", "not the number"),
            ("-12", "not the number"),
            ("١٢", "not the number"),
            ("341528790341528790341528790", "not the number"),
        ] {
            let error = parsed(given).unwrap_err();
            assert!(error.contains(said) && error.contains("Property details"), "{given}: {error}");
        }
    }
}
