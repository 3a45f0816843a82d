//! For whom a connection asks, and which projects it measures.

use crate::integrations::{Error, Settings, is_name, quotable};

/// So many projects can be named in one request.
const MOST_PROJECTS: usize = 50;

/// The settings `team` and `projects`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    /// The team; without one it is asked for the token's own account.
    pub(super) team: Option<Team>,
    /// Names or ids of projects, each once; none means all.
    pub(super) projects: Vec<String>,
}

/// A team as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Team {
    /// `team_…`
    Id(String),
    /// Its name in addresses.
    Slug(String),
}

impl Team {
    /// As it was given.
    pub(super) fn text(&self) -> &str {
        let (Self::Id(text) | Self::Slug(text)) = self;
        text
    }
}

impl Measured {
    /// Reads the settings.
    pub(super) fn parse(settings: &Settings) -> Result<Self, Error> {
        let team = match settings.text("team") {
            None => None,
            Some(text) if !is_name(text) => {
                return Err(Error::invalid_settings(format!(
                    "team: \"{}\" is no team; give its name as in vercel.com/NAME, or its id (team_…)",
                    quotable(text)
                )));
            }
            Some(text) if text.starts_with("team_") => Some(Team::Id(text.to_owned())),
            Some(text) => Some(Team::Slug(text.to_owned())),
        };
        let projects = settings.list("projects").to_vec();
        if let Some(wrong) = projects.iter().find(|name| !is_name(name)) {
            let wrong = quotable(wrong);
            return Err(Error::invalid_settings(format!(
                "projects: \"{wrong}\" is no project; give its name as in vercel.com/TEAM/NAME, or its id (prj_…)"
            )));
        }
        if projects.len() > MOST_PROJECTS {
            return Err(Error::invalid_settings(format!(
                "projects: {} are too many, {MOST_PROJECTS} can be named; leave it empty to measure all",
                projects.len()
            )));
        }
        Ok(Self { team, projects })
    }
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
    fn a_team_is_known_by_its_id_or_by_its_name() {
        let team = |text: &str| parse(serde_json::json!({ "team": text })).unwrap().team;
        assert_eq!(team("team_a1"), Some(Team::Id("team_a1".to_owned())));
        assert_eq!(team("acme"), Some(Team::Slug("acme".to_owned())));
        assert_eq!(team(""), None);
        assert!(parse(serde_json::json!({ "team": "acme/site" })).unwrap_err().contains("vercel.com/NAME"));
    }

    #[test]
    fn what_is_no_name_is_refused_and_so_are_too_many() {
        for bad in ["a b", "../x", "a/b", "ä"] {
            assert!(parse(serde_json::json!({ "projects": [bad] })).unwrap_err().contains("is no project"), "{bad}");
        }
        let many: Vec<String> = (0..51).map(|n| format!("p{n}")).collect();
        assert!(parse(serde_json::json!({ "projects": many })).unwrap_err().contains("51 are too many"));
        assert_eq!(parse(serde_json::json!({ "projects": "a, b,a" })).unwrap().projects, ["a", "b"]);
    }
}
