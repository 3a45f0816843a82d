//! Where in a JSON document something is wrong.

/// Characters of a path that are kept.
const LONGEST: usize = 200;
/// Levels that a path shows. What lies deeper is counted and not remembered.
const DEEPEST: usize = 64;

/// A step of the path to a value: which entry of a list, or which field, once it is named.
enum Step {
    Entry(usize),
    Field(Option<String>),
}

/// The path to what ends at a position of JSON that can be read so far, which is where a decoder stopped. It could tell
/// the path itself, if each type were compiled a second time for that.
pub(crate) fn path_to(json: &[u8], line: usize, column: usize) -> String {
    let lines_before = json.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len);
    let end = lines_before.sum::<usize>().saturating_add(column).min(json.len());
    let (mut steps, mut deeper, mut at): (Vec<Step>, usize, usize) = (Vec::new(), 0, 0);
    while let Some(byte) = json.get(at).filter(|_| at < end) {
        match byte {
            b'{' | b'[' if steps.len() < DEEPEST => {
                steps.push(if *byte == b'{' { Step::Field(None) } else { Step::Entry(0) });
            }
            b'{' | b'[' => deeper += 1,
            b'}' | b']' if deeper > 0 => deeper -= 1,
            b'}' | b']' => drop(steps.pop()),
            b',' if deeper == 0 => match steps.last_mut() {
                Some(Step::Entry(entry)) => *entry += 1,
                Some(Step::Field(name)) => *name = None,
                None => {}
            },
            b'"' => {
                let text = string(json.get(at..).unwrap_or_default());
                at += text.len() + 1;
                if let (0, Some(Step::Field(name @ None))) = (deeper, steps.last_mut()) {
                    *name = Some(String::from_utf8_lossy(text.get(..LONGEST).unwrap_or(text)).into_owned());
                }
            }
            _ => {}
        }
        at += 1;
    }
    shown(&steps)
}

/// What stands between the quotes of a string.
fn string(json: &[u8]) -> &[u8] {
    let mut is_escaped = false;
    let is_end = |byte: &u8| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    };
    let text = json.get(1..).unwrap_or_default();
    text.get(..text.iter().position(is_end).unwrap_or(text.len())).unwrap_or_default()
}

fn shown(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Entry(entry) => path.push_str(&format!("[{entry}]")),
            Step::Field(None) => {}
            Step::Field(Some(name)) => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(name);
            }
        }
    }
    path.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        // The object, and lists in it.
        assert_eq!(path_to(deep.as_bytes(), 1, deep.len()), format!("x{}", "[0]".repeat(DEEPEST - 1)));
        let after = format!("{deep}{},\"data\":1}}", "]".repeat(100_000));
        assert_eq!(path_to(after.as_bytes(), 1, after.len() - 1), "data");
        let long = format!("{{\"{}\":1}}", "é".repeat(1000));
        assert_eq!(path_to(long.as_bytes(), 1, long.len() - 1).chars().count(), LONGEST / 2);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(json in "[\\[\\]{}\":,\\\\a1é \n]{0,80}", line in 0_usize..4, column in 0_usize..120) {
            path_to(json.as_bytes(), line, column);
        }
    }
}
