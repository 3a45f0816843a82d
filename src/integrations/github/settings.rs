//! Which repositories a connection measures.

use crate::integrations::{Error, Settings, is_name, quotable};

/// The two ways to say it; exactly one is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Measured {
    /// These, as `owner/name`, each once.
    Repositories(Vec<String>),
    /// Those of a user or an organisation.
    Owner(String),
}

impl Measured {
    /// Reads the settings `repositories` and `owner`.
    pub(super) fn parse(settings: &Settings) -> Result<Self, Error> {
        let repositories = settings.list("repositories");
        match (repositories, settings.text("owner")) {
            ([], None) => Err(Error::invalid_settings(
                "give either repositories (such as octocat/hello-world) or owner (a user or an organisation)",
            )),
            ([], Some(owner)) if is_name(owner) => Ok(Self::Owner(owner.to_owned())),
            ([], Some(owner)) => Err(Error::invalid_settings(format!(
                "owner: \"{}\" is not the name of a user or an organisation; write it as in github.com/NAME",
                quotable(owner)
            ))),
            (_, Some(_)) => Err(Error::invalid_settings("give either repositories or owner, not both")),
            (list, None) => distinct(list).map(Self::Repositories),
        }
    }
}

/// GitHub's names do not depend on case, so `Octo/Hello` and `octo/hello` would be counted twice.
fn distinct(list: &[String]) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::with_capacity(list.len());
    for name in list {
        let is_repository = name.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name));
        if !is_repository {
            return Err(Error::invalid_settings(format!(
                "repositories: \"{}\" is not a repository; write it as owner/name, such as octocat/hello-world",
                quotable(name)
            )));
        }
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.clone());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: serde_json::Value) -> Result<Measured, String> {
        let fields = &super::super::descriptor::descriptor().settings;
        let settings = Settings::parse(fields, json.as_object().unwrap()).unwrap();
        Measured::parse(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn exactly_one_way_to_name_repositories_is_taken() {
        let both = serde_json::json!({"repositories": ["a/b"], "owner": "a"});
        assert_eq!(parse(both).unwrap_err(), "give either repositories or owner, not both");
        let none = parse(serde_json::json!({})).unwrap_err();
        assert!(none.contains("repositories") && none.contains("owner"), "{none}");
        assert_eq!(parse(serde_json::json!({"owner": "octo"})), Ok(Measured::Owner("octo".to_owned())));
    }

    #[test]
    fn a_repository_named_twice_counts_once() {
        let names = parse(serde_json::json!({"repositories": "Octo/Hello, octo/hello,octo/other"}));
        assert_eq!(names, Ok(Measured::Repositories(vec!["Octo/Hello".to_owned(), "octo/other".to_owned()])));
    }

    #[test]
    fn what_could_leave_its_path_is_refused() {
        for bad in ["octo", "octo/", "/x", "octo/a/b", "../user", "octo/..", "octo/a?b", "octo/a b", "octo/ä"] {
            assert!(parse(serde_json::json!({"repositories": [bad]})).unwrap_err().contains("owner/name"), "{bad}");
        }
        assert!(parse(serde_json::json!({"owner": "octo/x"})).is_err());
    }
}
