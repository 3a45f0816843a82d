//! Rust text as words, texts and marks: enough to find paths, without comments and without test code.

/// One word, text or mark of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, keyword or number.
    Word,
    /// What stands between the quotes of a literal.
    Text,
    /// `::` or any other single character.
    Mark,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

/// Cuts Rust into tokens and drops comments.
pub(crate) fn lex(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    while at < chars.len() {
        let start = at;
        let mut found = None;
        if starts(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            at = after_block_comment(&chars, at);
        } else if let Some((open, hashes)) = raw_string(&chars, at) {
            let close: String = std::iter::once('"').chain("#".repeat(hashes).chars()).collect();
            at = open;
            while at < chars.len() && !starts(at, &close) {
                at += 1;
            }
            found = Some((Kind::Text, chars[open..at].iter().collect()));
            at += close.len();
        } else if chars[at] == '"' || starts(at, "b\"") || starts(at, "c\"") {
            let open = if chars[at] == '"' { at + 1 } else { at + 2 };
            at = open;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at = at.min(chars.len());
            found = Some((Kind::Text, chars[open..at].iter().collect()));
            at += 1;
        } else if let Some(end) = char_literal(&chars, at) {
            at = end;
        } else if chars[at].is_alphanumeric() || chars[at] == '_' {
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            found = Some((Kind::Word, chars[start..at].iter().collect::<String>()));
        } else if starts(at, "::") {
            at += 2;
            found = Some((Kind::Mark, "::".to_owned()));
        } else {
            at += 1;
            found = (!chars[start].is_whitespace()).then(|| (Kind::Mark, chars[start].to_string()));
        }
        at = at.min(chars.len());
        tokens.extend(found.map(|(kind, text)| Token { line, kind, text }));
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn after_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Where the content of `r"…"` or `r#"…"#` starts, and its number of hashes.
fn raw_string(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let after_r = match (chars[at], chars.get(at + 1)) {
        ('r', _) => at + 1,
        ('b' | 'c', Some('r')) => at + 2,
        _ => return None,
    };
    if at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') {
        return None;
    }
    let hashes = chars[after_r..].iter().take_while(|c| **c == '#').count();
    (chars.get(after_r + hashes) == Some(&'"')).then_some((after_r + hashes + 1, hashes))
}

/// The end of `'x'` or `'\n'`; `None` for a lifetime.
fn char_literal(chars: &[char], at: usize) -> Option<usize> {
    if chars[at] != '\'' {
        return None;
    }
    if chars.get(at + 1) == Some(&'\\') {
        let close = chars[at + 3..].iter().position(|c| *c == '\'')?;
        return Some(at + 3 + close + 1);
    }
    (chars.get(at + 2) == Some(&'\'')).then_some(at + 3)
}

/// Drops items under `#[cfg(test)]`; gives what is left and the names of test modules that lie in files of their own.
pub(crate) fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut modules, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        if !is_cfg_test(&tokens[at..]) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let start = at;
        while tokens.get(at).is_some_and(|token| token.is("#")) {
            at = after_group(tokens, at + 1);
        }
        while at < tokens.len() && !tokens[at].is(";") && !tokens[at].is("{") {
            at += 1;
        }
        if tokens.get(at).is_some_and(|token| token.is(";")) {
            let name = tokens[start..at].windows(2).find(|pair| pair[0].is("mod")).map(|pair| pair[1].text.clone());
            modules.extend(name);
            at += 1;
        } else {
            at = after_group(tokens, at);
        }
    }
    (kept, modules)
}

fn is_cfg_test(tokens: &[Token]) -> bool {
    let is = |words: &[&str]| words.iter().enumerate().all(|(i, w)| tokens.get(i).is_some_and(|t| t.is(w)));
    is(&["#", "[", "cfg", "(", "test"]) || is(&["#", "[", "cfg", "(", "all", "(", "test"])
}

/// The place behind the group of brackets that opens at `at`.
fn after_group(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_i32;
    while at < tokens.len() {
        if ["(", "[", "{"].iter().any(|open| tokens[at].is(open)) {
            depth += 1;
        } else if [")", "]", "}"].iter().any(|close| tokens[at].is(close)) {
            depth -= 1;
        }
        at += 1;
        if depth <= 0 {
            break;
        }
    }
    at
}

/// A path with its segments, `{…}` spread out: `use std::{env, fs}` gives `std env` and `std fs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
}

impl Path {
    pub(crate) fn starts_with(&self, prefix: &[&str]) -> bool {
        prefix.iter().enumerate().all(|(i, wanted)| self.segments.get(i).is_some_and(|segment| segment == wanted))
    }
}

/// All paths of a file. Those of `crate`, `super` and `self` are made absolute: they begin with `crate`.
pub(crate) fn paths(tokens: &[Token], module: &[String]) -> Vec<Path> {
    let (mut found, mut at) = (Vec::new(), 0);
    // Inline modules that are open here, each with the depth of its brace.
    let (mut inline, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
    while at < tokens.len() {
        let token = &tokens[at];
        if token.is("{") {
            depth += 1;
            if at >= 2 && tokens[at - 2].is("mod") {
                inline.push((tokens[at - 1].text.clone(), depth));
            }
        } else if token.is("}") {
            inline.retain(|(_, opened)| *opened < depth);
            depth = depth.saturating_sub(1);
        }
        let leads = tokens.get(at + 1).is_some_and(|next| next.is("::")) || (at > 0 && tokens[at - 1].is("use"));
        if token.kind != Kind::Word || !leads {
            at += 1;
            continue;
        }
        let mut relative = Vec::new();
        at = tree(tokens, at, &[], &mut relative).max(at + 1);
        let names = inline.iter().map(|(name, _)| name.clone());
        let here: Vec<String> = module.iter().cloned().chain(names).collect();
        found.extend(relative.into_iter().map(|path| absolute(path, &here)));
    }
    found
}

fn tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Path>) -> usize {
    let mut segments = prefix.to_vec();
    let Some(line) = tokens.get(at).map(|token| token.line) else { return at };
    loop {
        match tokens.get(at) {
            Some(token) if token.is("{") && !segments.is_empty() => {
                at += 1;
                while tokens.get(at).is_some_and(|token| !token.is("}")) {
                    let before = at;
                    at = tree(tokens, at, &segments, found);
                    // Over `as name`, commas and what else does not belong to a path.
                    while tokens.get(at).is_some_and(|token| !token.is(",") && !token.is("}")) {
                        at += 1;
                    }
                    if tokens.get(at).is_some_and(|token| token.is(",")) || at == before {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some(token) if token.kind == Kind::Word || token.is("*") => {
                segments.push(token.text.clone());
                at += 1;
            }
            _ => break,
        }
        if !tokens.get(at).is_some_and(|token| token.is("::")) {
            break;
        }
        at += 1;
    }
    found.push(Path { line, segments });
    at
}

fn absolute(path: Path, here: &[String]) -> Path {
    let up = path.segments.iter().take_while(|segment| *segment == "super" || *segment == "self").count();
    if up == 0 {
        return path;
    }
    let supers = path.segments[..up].iter().filter(|segment| *segment == "super").count();
    let base = &here[..here.len().saturating_sub(supers)];
    let root = std::iter::once("crate".to_owned());
    let segments = root.chain(base.iter().cloned()).chain(path.segments[up..].iter().cloned()).collect();
    Path { line: path.line, segments }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str, module: &[&str]) -> Vec<String> {
        let module: Vec<String> = module.iter().map(|part| (*part).to_owned()).collect();
        paths(&without_tests(&lex(source)).0, &module).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn paths_are_spread_and_made_absolute() {
        assert_eq!(
            found("use crate::{a::{b, c as d}, e}; fn f() { super::super::x(1) }", &["http", "page"]),
            ["crate::a::b", "crate::a::c", "crate::e", "crate::x"]
        );
        assert_eq!(found("mod inner { use super::x; }", &["http"]), ["crate::http::x"]);
        assert_eq!(found("fn f(x: &'a str) -> std::io::Result<char> { 'x' }", &[]), ["std::io::Result"]);
    }

    #[test]
    fn comments_texts_and_tests_hold_no_paths() {
        let source = "// crate::a::b\n/* crate::a /* x */ crate::b */ let s = \"crate::a\\\"b\"; let r = r#\"a::b\"c\"#; \
                      #[cfg(test)] #[expect(x)] mod tests { use crate::z::q; } fn f() { g::h() }";
        assert_eq!(found(source, &[]), ["g::h"]);
        let (_, modules) = without_tests(&lex("#[cfg(test)] pub(crate) mod testing; mod other;"));
        assert_eq!(modules, ["testing"]);
    }

    #[test]
    fn lines_are_counted_through_texts_and_comments() {
        let tokens = lex("/* a\nb */ \"c\nd\" x");
        assert_eq!(tokens.last().map(|token| (token.line, token.text.as_str())), Some((3, "x")));
    }
}
