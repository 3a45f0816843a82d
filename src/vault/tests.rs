use std::{fs, os::unix::fs::PermissionsExt};

use proptest::prelude::*;

use super::*;
use crate::secret::Secret;

const OLD: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222222222222222222222222222";

fn vault(text: &str) -> Vault {
    Vault::load(&VaultKeys::Text(Secret::new(text))).unwrap()
}

fn own_file(path: &std::path::Path, may_create: bool) -> VaultKeys {
    VaultKeys::OwnFile { path: path.to_owned(), may_create }
}

#[test]
fn what_is_sealed_opens_for_its_label_alone() {
    let vault = vault(OLD);
    let sealed = vault.seal("connection-1:credentials", b"sk_live_abc").unwrap();
    assert_eq!(vault.open("connection-1:credentials", &sealed).unwrap().as_slice(), b"sk_live_abc");
    for label in ["connection-2:credentials", "connection-1:grant", "connection-1:credentials ", ""] {
        assert_eq!(vault.open(label, &sealed).unwrap_err(), Error::Corrupt, "{label}");
    }
    assert!(!sealed.body.windows(11).any(|window| window == b"sk_live_abc"));
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let vault = vault(OLD);
    let sealed = vault.seal("label", b"secret").unwrap();
    for bit in 0..sealed.wrapped_key.len() * 8 {
        let mut bad = sealed.clone();
        bad.wrapped_key[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(vault.open("label", &bad).unwrap_err(), Error::Corrupt);
    }
    for bit in 0..sealed.body.len() * 8 {
        let mut bad = sealed.clone();
        bad.body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(vault.open("label", &bad).unwrap_err(), Error::Corrupt);
    }
    for length in 0..sealed.body.len() {
        let short = Sealed { body: sealed.body[..length].to_vec(), ..sealed.clone() };
        assert_eq!(vault.open("label", &short).unwrap_err(), Error::Corrupt);
    }
}

#[test]
fn layers_of_two_seals_do_not_mix() {
    let vault = vault(OLD);
    let (one, two) = (vault.seal("label", b"one").unwrap(), vault.seal("label", b"two").unwrap());
    assert_ne!(one.body, vault.seal("label", b"one").unwrap().body);
    let mixed = Sealed { body: two.body, ..one };
    assert_eq!(vault.open("label", &mixed).unwrap_err(), Error::Corrupt);
}

#[test]
fn another_master_key_is_a_wrong_key_and_not_damage() {
    let sealed = vault(OLD).seal("label", b"secret").unwrap();
    assert_eq!(vault(NEW).open("label", &sealed).unwrap_err(), Error::WrongKey);
    assert_eq!(vault(NEW).rewrap("label", &sealed).unwrap_err(), Error::WrongKey);
    // A row that only claims to be of the key that is here.
    let renamed = Sealed { key_id: vault(NEW).key_id().unwrap_or_default().to_owned(), ..sealed };
    assert_eq!(vault(NEW).open("label", &renamed).unwrap_err(), Error::Corrupt);
}

#[test]
fn a_rotation_can_be_interrupted_and_resumed() {
    let old = vault(OLD);
    let mut rows: Vec<Sealed> = (0..4_u8).map(|n| old.seal(&format!("row {n}"), &[n]).unwrap()).collect();
    let both = vault(&format!("{NEW},{OLD}"));
    let rotate = |rows: &mut [Sealed], until: usize| {
        let mut rewrapped = 0;
        for (n, row) in rows.iter_mut().enumerate().take(until) {
            if let Some(new) = both.rewrap(&format!("row {n}"), row).unwrap() {
                assert_eq!(new.body, row.body, "the body stays as it is");
                *row = new;
                rewrapped += 1;
            }
        }
        rewrapped
    };
    assert_eq!(rotate(&mut rows, 2), 2);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(both.open(&format!("row {n}"), row).unwrap().as_slice(), [n as u8]);
    }
    assert_eq!(rotate(&mut rows, 4), 2);
    assert_eq!(rotate(&mut rows, 4), 0);
    let new = vault(NEW);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(new.open(&format!("row {n}"), row).unwrap().as_slice(), [n as u8]);
    }
}

#[test]
fn keys_are_read_as_hex_and_as_base64() {
    let id = vault(OLD).key_id().unwrap_or_default().to_owned();
    assert_eq!(id.len(), 8);
    for same in [
        "ERERERERERERERERERERERERERERERERERERERERERE=",
        "ERERERERERERERERERERERERERERERERERERERERERE",
        " 1111111111111111111111111111111111111111111111111111111111111111\n",
    ] {
        assert_eq!(vault(same).key_id().unwrap_or_default(), id, "{same}");
    }
}

#[test]
fn a_key_of_another_form_says_what_is_expected_and_shows_nothing() {
    for (bad, found) in [
        ("", "no key"),
        ("cafe", "a key of 2 bytes"),
        ("11111111111111111111111111111111", "a key of 16 bytes"),
        ("correct horse battery staple", "text that is neither"),
        (&format!("{OLD},short!"), "text that is neither"),
    ] {
        let error = Vault::load(&VaultKeys::Text(Secret::new(bad))).unwrap_err().to_string();
        assert!(error.starts_with(&format!("DASHTRAY_MASTER_KEY holds {found}")), "{error}");
        assert!(error.contains("64 hexadecimal digits or as base64; make one with: openssl rand -hex 32"), "{error}");
        assert!(bad.is_empty() || !error.contains(bad), "{error}");
    }
}

#[test]
fn the_first_start_makes_a_private_key_file_and_the_next_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    let sealed = Vault::load(&own_file(&path, true)).unwrap().seal("label", b"secret").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
    let again = Vault::load(&own_file(&path, false)).unwrap();
    assert_eq!(again.open("label", &sealed).unwrap().as_slice(), b"secret");
    let elsewhere = Vault::load(&VaultKeys::File(path)).unwrap();
    assert_eq!(elsewhere.key_id().unwrap_or_default(), again.key_id().unwrap_or_default());
}

#[test]
fn processes_that_start_together_end_with_one_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    let ids: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| Vault::load(&own_file(&path, true)).unwrap().key_id().unwrap_or_default().to_owned())
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn a_lost_key_file_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    let error = Vault::load(&own_file(&path, false)).unwrap_err();
    assert!(matches!(error, KeyError::Missing(_)), "{error}");
    assert!(error.to_string().contains("put the file back"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_malformed_key_file_is_an_error_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    for content in ["", "not a key"] {
        fs::write(&path, content).unwrap();
        let error = Vault::load(&own_file(&path, true)).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains("master.key"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn debug_shows_ids_alone() {
    let keys = VaultKeys::Text(Secret::new(OLD));
    let vault = Vault::load(&keys).unwrap();
    let text = format!("{keys:?} {vault:?}");
    assert!(!text.contains("1111"), "{text}");
    assert!(text.contains(vault.key_id().unwrap_or_default()), "{text}");
}

proptest! {
    #[test]
    fn no_key_is_too_strange_and_none_is_repeated(text in any::<String>(), like in "[0-9a-fA-F,\n]{50,80}") {
        for text in [text, like] {
            if let Err(error) = Vault::load(&VaultKeys::Text(Secret::new(text.as_str()))) {
                let said = error.to_string();
                prop_assert!(text.len() < 12 || !said.contains(&text), "{}", said);
            }
        }
    }

    #[test]
    fn nothing_opens_that_was_not_sealed(wrapped_key in prop::collection::vec(any::<u8>(), 0..80),
        body in prop::collection::vec(any::<u8>(), 0..80)) {
        let vault = vault(OLD);
        let key_id = vault.key_id().unwrap().to_owned();
        prop_assert_eq!(vault.open("x", &Sealed { key_id, wrapped_key, body }).unwrap_err(), Error::Corrupt);
    }
}
