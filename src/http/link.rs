//! The `Link` header of RFC 8288.

use url::Url;

/// The first URL that a `Link` header gives for a relation, resolved against the URL of the answer.
pub(super) fn find(header: &str, relation: &str, base: &Url) -> Option<Url> {
    let mut rest = header;
    loop {
        let (before, after) = rest.split_once('<')?;
        if before.contains(|c: char| !c.is_ascii_whitespace() && c != ',') {
            return None;
        }
        let (target, mut parameters) = after.split_once('>')?;
        let mut is_wanted = None;
        loop {
            let trimmed = parameters.trim_start();
            let Some(parameter) = trimmed.strip_prefix(';') else {
                rest = trimmed;
                break;
            };
            let (name, value, left) = split_parameter(parameter);
            // Only the first `rel` counts; it may name several relations.
            if name.eq_ignore_ascii_case("rel") && is_wanted.is_none() {
                is_wanted = Some(value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(relation)));
            }
            parameters = left;
        }
        if is_wanted == Some(true) {
            return base.join(target.trim()).ok();
        }
    }
}

/// Name, value and the rest. A quoted value may hold commas, semicolons and escaped quotes.
fn split_parameter(text: &str) -> (&str, String, &str) {
    let end_of_name = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end_of_name);
    let Some(value) = rest.strip_prefix('=').map(str::trim_start) else { return (name.trim(), String::new(), rest) };
    let Some(quoted) = value.strip_prefix('"') else {
        let (bare, rest) = value.split_at(value.find([';', ',']).unwrap_or(value.len()));
        return (name.trim(), bare.trim().to_owned(), rest);
    };
    let mut unquoted = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (name.trim(), unquoted, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => unquoted.extend(chars.next().map(|(_, escaped)| escaped)),
            other => unquoted.push(other),
        }
    }
    (name.trim(), unquoted, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(header: &str) -> Option<String> {
        find(header, "next", &"https://api.acme.example/v1/things?page=1".parse().unwrap()).map(String::from)
    }

    #[test]
    fn finds_the_relation_among_several() {
        let header = r#"<https://a.example/1>; rel="prev", <https://a.example/3>; rel="next", <https://a.example/9>; rel="last""#;
        assert_eq!(next(header).as_deref(), Some("https://a.example/3"));
        let spread = r#"<https://a.example/a,b;c>; title="x, <y>; rel=\"next\""; REL=prev , </v1/things?page=3> ;rel = "last NEXT""#;
        assert_eq!(next(spread).as_deref(), Some("https://api.acme.example/v1/things?page=3"));
        assert_eq!(next("<?page=2>; rel=next").as_deref(), Some("https://api.acme.example/v1/things?page=2"));
        assert_eq!(next("<?page=2>; rel=next; rel=prev").as_deref(), Some("https://api.acme.example/v1/things?page=2"));
    }

    #[test]
    fn says_nothing_where_the_header_says_nothing() {
        for header in
            ["", "<a>", "<a>; rel=prev", "<a>; rel=nextish", "<a; rel=next", "junk <a>; rel=next", "<a>; rel=\"next"]
        {
            let expected = (header == "<a>; rel=\"next").then(|| "https://api.acme.example/v1/a".to_owned());
            assert_eq!(next(header), expected, "{header}");
        }
        assert_eq!(next("<a>; rel=prev; rel=next"), None);
    }
}
