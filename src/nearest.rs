//! What a mistyped name was probably meant to be.

/// The known name that is most like a mistyped one, if any is alike at all. `-`, `_` and case count as the same.
pub fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if typed.chars().count() > 100 {
        return None;
    }
    let typed = typed.to_lowercase().replace('_', "-");
    known
        .map(|name| (strsim::jaro_winkler(&typed, &name.to_lowercase().replace('_', "-")), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_where_nothing_is_alike() {
        let known = ["stripe_mrr", "stripe_arr", "github_stars"];
        let meant = |typed: &str| nearest(typed, known.into_iter());
        assert_eq!(meant("stripe-mmr"), Some("stripe_mrr"));
        assert_eq!(meant("Github_Star"), Some("github_stars"));
        assert_eq!(meant("zzz"), None);
        assert_eq!(meant(&"x".repeat(200)), None);
    }
}
