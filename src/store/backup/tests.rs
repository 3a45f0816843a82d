//! The last line of a backup, whatever stands there.

use proptest::prelude::*;

use super::*;

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        program: "1.2.3".to_owned(),
        schema: 12,
        made_at: "2026-11-23T03:00:00Z".parse().unwrap(),
        database: "postgres".to_owned(),
        key_ids: vec!["0a1b2c3d".to_owned()],
        rows: BTreeMap::from([("points".to_owned(), 5)]),
        bytes: 8192,
        sha256: "00".to_owned(),
    }
}

#[test]
fn the_last_line_is_found_behind_any_database() {
    let line = manifest().line().unwrap();
    for before in ["", "x", "\n", "SQLite\n\n{\"dashtray_backup\":1}"] {
        let found = Manifest::parse_end(format!("{before}{line}").as_bytes());
        assert_eq!(found, Some((manifest(), line.len() as u64)), "{before:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(end in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(Manifest::parse_end(&end), None);
    }

    #[test]
    fn no_change_of_a_line_is_too_strange(at in 0..200_usize, byte in any::<u8>()) {
        let mut line = manifest().line().unwrap().into_bytes();
        let at = at % line.len();
        line[at] = byte;
        if let Some((found, _)) = Manifest::parse_end(&line) {
            prop_assert!(found == manifest() || line != manifest().line().unwrap().into_bytes());
        }
    }
}
