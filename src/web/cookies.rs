//! The two cookies: who is signed in, and light or dark.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::{config::Config, secret::Secret, users::SESSION_DAYS};

/// Whether people reach Dashtray over TLS alone, as far as the operator says.
pub(super) fn is_secure(config: &Config) -> bool {
    config.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
}

/// The prefix makes browsers refuse what another host of the domain sets; where a host is shared with others under their
/// own paths, what was set without TLS.
fn session_name(config: &Config) -> &'static str {
    match (is_secure(config), config.base_path()) {
        (true, "") => "__Host-dashtray",
        (true, _) => "__Secure-dashtray",
        (false, _) => "dashtray",
    }
}

/// What the session cookie holds.
pub(super) fn session(headers: &HeaderMap, config: &Config) -> Option<Secret> {
    value(headers, session_name(config)).filter(|token| !token.is_empty()).map(Secret::new)
}

/// Signs a browser in.
pub(super) fn set_session(token: &Secret, config: &Config) -> Option<HeaderValue> {
    let days = 60 * 60 * 24 * SESSION_DAYS;
    header_value(&format!("{}={}; Max-Age={days}; HttpOnly", session_name(config), token.expose()), config)
}

/// Signs a browser out.
pub(super) fn clear_session(config: &Config) -> Option<HeaderValue> {
    header_value(&format!("{}=; Max-Age=0; HttpOnly", session_name(config)), config)
}

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// The word in the cookie, in forms and on the page.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Anything else is as the system says.
    pub(super) fn of(word: &str) -> Self {
        [Self::Light, Self::Dark].into_iter().find(|theme| theme.name() == word).unwrap_or_default()
    }

    /// What a browser has chosen.
    pub(super) fn chosen(headers: &HeaderMap) -> Self {
        value(headers, "theme").map_or(Self::System, Self::of)
    }

    /// Keeps the choice. Scripts may change it too: it is no secret.
    pub(super) fn cookie(self, config: &Config) -> Option<HeaderValue> {
        header_value(&format!("theme={}; Max-Age=31536000", self.name()), config)
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';')).find_map(|one| one.trim().strip_prefix(name)?.strip_prefix('='))
}

fn header_value(cookie: &str, config: &Config) -> Option<HeaderValue> {
    let secure = if is_secure(config) { "; Secure" } else { "" };
    let path = if config.base_path().is_empty() { "/" } else { config.base_path() };
    let mut value = HeaderValue::from_str(&format!("{cookie}; Path={path}; SameSite=Lax{secure}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Flags;

    fn config(public_url: &str) -> Config {
        let mut config = Config::load(&Flags::default()).unwrap().config;
        config.public_url = public_url.parse().ok();
        config
    }

    #[test]
    fn the_session_is_out_of_reach_of_scripts_and_other_sites() {
        let plain = set_session(&Secret::new("t"), &config("")).unwrap();
        assert_eq!(plain, "dashtray=t; Max-Age=2592000; HttpOnly; Path=/; SameSite=Lax");
        let secure = set_session(&Secret::new("t"), &config("https://m.example.com")).unwrap();
        assert_eq!(secure, "__Host-dashtray=t; Max-Age=2592000; HttpOnly; Path=/; SameSite=Lax; Secure");
        let under = set_session(&Secret::new("t"), &config("https://example.com/m/")).unwrap();
        assert_eq!(under, "__Secure-dashtray=t; Max-Age=2592000; HttpOnly; Path=/m; SameSite=Lax; Secure");
    }

    proptest! {
        #[test]
        fn no_line_of_cookies_is_too_strange(line in prop::collection::vec(32_u8..=255, 0..80), token in "[a-f0-9]{64}") {
            let config = config("");
            let Ok(strange) = HeaderValue::from_bytes(&line) else { return Ok(()) };
            let alone = HeaderMap::from_iter([(header::COOKIE, strange.clone())]);
            let _ = (session(&alone, &config), Theme::chosen(&alone));
            let ours = HeaderValue::from_str(&format!("a=b; dashtray={token}")).unwrap();
            let both = HeaderMap::from_iter([(header::COOKIE, ours), (header::COOKIE, strange)]);
            prop_assert_eq!(session(&both, &config), Some(Secret::new(token)), "the first of several counts");
        }
    }

    #[test]
    fn one_cookie_of_several_is_read_by_its_whole_name() {
        let headers = HeaderMap::from_iter([(
            header::COOKIE,
            HeaderValue::from_static("xdashtray=a; dashtrayx=b; theme=dark; dashtray=c"),
        )]);
        assert_eq!(session(&headers, &config("")), Some(Secret::new("c")));
        assert_eq!(Theme::chosen(&headers), Theme::Dark);
        assert_eq!(Theme::of("<script>"), Theme::System);
    }
}
