//! Where in a JSON document something is wrong.

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
    let (mut steps, mut path, mut at): (Vec<Step>, String, usize) = (Vec::new(), String::new(), 0);
    // Some positions are before what is wrong and not behind it.
    let mut comes_value = true;
    while let Some(byte) = json.get(at).filter(|_| at < end) {
        let rest = json.get(at..).unwrap_or_default();
        comes_value = match byte {
            b':' | b'[' => true,
            b',' => matches!(steps.last(), Some(Step::Entry(_))),
            _ => comes_value && byte.is_ascii_whitespace(),
        };
        match byte {
            b'{' | b'[' => {
                path = shown(&steps);
                steps.push(if *byte == b'{' { Step::Field(None) } else { Step::Entry(0) });
            }
            b'}' | b']' => {
                steps.pop();
                if at + 1 == end {
                    path = shown(&steps);
                }
            }
            b',' => match steps.last_mut() {
                Some(Step::Entry(entry)) => *entry += 1,
                Some(Step::Field(name)) => *name = None,
                None => {}
            },
            b'"' => {
                let text = string(rest);
                at += text.len() + 1;
                if let Some(Step::Field(name @ None)) = steps.last_mut() {
                    *name = Some(String::from_utf8_lossy(text).into_owned());
                }
                path = shown(&steps);
            }
            b':' | b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => {
                path = shown(&steps);
                let is_over = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                at += rest.iter().position(is_over).unwrap_or(rest.len()).saturating_sub(1);
            }
        }
        at += 1;
    }
    if comes_value { shown(&steps) } else { path }
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
            Step::Field(name) => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(name.as_deref().unwrap_or_default());
            }
        }
    }
    path
}
