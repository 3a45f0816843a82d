//! Which site a connection measures, and which of its goals.

use crate::integrations::{Error, Settings, quotable};

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    /// The site as Plausible knows it: a domain, perhaps with a path.
    pub(super) site: String,
    /// Goals by their names; empty for all of them.
    pub(super) goals: Vec<String>,
}

impl Measured {
    /// Reads the settings `site_id` and `goals`. `None` where no site is named.
    pub(super) fn parse(settings: &Settings) -> Result<Option<Self>, Error> {
        let Some(site) = settings.text("site_id").map(str::trim).filter(|site| !site.is_empty()) else {
            return Ok(None);
        };
        // People copy addresses; Plausible knows the domain alone.
        if site.contains("://") || site.ends_with('/') || site.contains(char::is_whitespace) || site.len() > 250 {
            let bare = site.split_once("://").map_or(site, |(_, rest)| rest).trim_end_matches('/');
            let shown = quotable(bare);
            return Err(Error::invalid_settings(format!(
                "site_id: give the domain as Plausible lists it, without https:// and slash, such as {shown}"
            )));
        }
        let mut goals: Vec<String> = Vec::new();
        for goal in settings.list("goals") {
            if !goals.contains(goal) {
                goals.push(goal.clone());
            }
        }
        Ok(Some(Self { site: site.to_owned(), goals }))
    }

    /// The same, where nothing can be read without a site.
    pub(super) fn required(settings: &Settings) -> Result<Self, Error> {
        Self::parse(settings)?.ok_or_else(|| Error::invalid_settings("site_id: give the site's domain"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: serde_json::Value) -> Result<Option<Measured>, String> {
        let fields = &super::super::descriptor::descriptor().settings;
        let settings = Settings::parse(fields, json.as_object().unwrap()).unwrap();
        Measured::parse(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_in_place_of_a_domain_is_refused_with_the_domain() {
        for given in ["https://fern.example/", "http://fern.example", "fern.example/"] {
            let error = parse(serde_json::json!({ "site_id": given })).unwrap_err();
            assert!(error.ends_with("such as fern.example"), "{given}: {error}");
        }
        let site = |json| parse(json).unwrap().map(|measured| measured.site);
        assert_eq!(site(serde_json::json!({ "site_id": "fern.example/blog" })).as_deref(), Some("fern.example/blog"));
        assert_eq!(site(serde_json::json!({})), None);
    }

    #[test]
    fn a_goal_named_twice_is_asked_for_once() {
        let measured =
            parse(serde_json::json!({ "site_id": "fern.example", "goals": ["Sign-up", "Visit /x", "Sign-up"] }));
        assert_eq!(measured.unwrap().unwrap().goals, ["Sign-up", "Visit /x"]);
    }
}
