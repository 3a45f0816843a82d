use proptest::prelude::*;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads with a file in a fresh directory, which also is the data directory.
fn load_with(file: &str, variables: &[(&str, &str)], flags: Flags) -> Result<Loaded, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, file).unwrap();
    load(&Flags { config: flags.config.clone().or(Some(path)), ..flags }, &environment(variables))
}

fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    let message = load_with(file, variables, Flags::default()).unwrap_err().to_string();
    message.split_once("config.toml").map_or(message.clone(), |(_, rest)| format!("config.toml{rest}"))
}

fn origin<'a>(loaded: &'a Loaded, key: &str) -> &'a Origin {
    &loaded.entries.iter().find(|entry| entry.key == key).unwrap().origin
}

#[test]
fn every_key_of_the_example_has_a_comment_and_a_place_in_the_config() {
    let mut commented = false;
    for line in DEFAULTS.lines() {
        assert!(!line.contains(" = ") || commented || line.starts_with('#'), "{line} has no comment");
        commented = line.starts_with('#');
    }
    let loaded = load_with("", &[], Flags::default()).unwrap();
    assert_eq!(loaded.config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.config.database_url.expose(), "sqlite:./data/dashtray.db");
    assert_eq!(loaded.config.workers, 4);
    assert_eq!(
        loaded.entries.len(),
        DEFAULTS.lines().filter(|line| !line.starts_with('#') && line.contains('=')).count()
    );
    assert!(loaded.entries.iter().all(|entry| entry.origin == Origin::Default));
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let flags = Flags { listen: Some("127.0.0.1:4".to_owned()), ..Flags::default() };
    let variables = [("DASHTRAY_LISTEN", "127.0.0.1:3"), ("DASHTRAY_WORKERS", "3"), ("DASHTRAY_LOG_FORMAT", "")];
    let loaded = load_with("listen = '127.0.0.1:2'\nworkers = 2\nlog_format = 'json'", &variables, flags).unwrap();
    assert_eq!(loaded.config.listen.port(), 4);
    assert_eq!(loaded.config.workers, 3);
    assert_eq!(loaded.config.log_format, LogFormat::Json);
    assert_eq!(origin(&loaded, "listen"), &Origin::Flag("--listen"));
    assert_eq!(origin(&loaded, "workers"), &Origin::Environment("DASHTRAY_WORKERS".to_owned()));
    assert!(matches!(origin(&loaded, "log_format"), Origin::File(path) if Some(path) == loaded.file.as_ref()));
}

#[test]
fn the_file_is_looked_for_in_the_data_directory_that_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.toml"), "workers = 9").unwrap();
    let flags = Flags { data_dir: Some(directory.path().to_owned()), ..Flags::default() };
    assert_eq!(load(&flags, &BTreeMap::new()).unwrap().config.workers, 9);
    let flags = Flags { config: Some(directory.path().join("other.toml")), ..Flags::default() };
    assert!(load(&flags, &BTreeMap::new()).unwrap_err().to_string().contains("other.toml cannot be read"));
}

#[test]
fn unknown_keys_are_named_with_the_nearest() {
    assert_eq!(refused("worker = 1", &[]), "config.toml: there is no setting \"worker\"; did you mean workers?");
    assert_eq!(refused("[zzz]\na = 1", &[]), "config.toml: \"zzz\" must be a text, a number, true or false");
    let loaded = load_with("", &[("DASHTRAY_WORKER", "1"), ("OTHER", "x")], Flags::default()).unwrap();
    assert_eq!(
        loaded.warnings,
        ["the variable DASHTRAY_WORKER is not known and is ignored; did you mean DASHTRAY_WORKERS?"]
    );
}

#[test]
fn a_value_of_the_wrong_form_is_refused_with_its_origin() {
    let cases = [
        ("workers", "0", "\"0\" is not a whole number from 1 to 256"),
        ("listen", "8080", "\"8080\" is not an address with a port, such as 127.0.0.1:8080"),
        ("allow_private_hosts", "yes", "\"yes\" is not true or false"),
        (
            "trusted_proxies",
            "::1, proxy",
            "\"::1, proxy\" is not a list of addresses and networks such as 127.0.0.1, 10.0.0.0/8, ::1",
        ),
        (
            "public_url",
            "ftp://x",
            "\"ftp://x\" is not an address such as https://metrics.example.com or https://example.com/metrics",
        ),
        ("read_timeout_secs", "-1", "\"-1\" is not a number of seconds from 1 to 3600"),
    ];
    for (key, value, expected) in cases {
        let name = format!("{PREFIX}{}", key.to_uppercase());
        assert_eq!(refused("", &[(&name, value)]), format!("{key} (environment {name}): {expected}"));
    }
}

#[test]
fn a_broken_file_is_refused_without_quoting_it() {
    let message = refused("# one\nmaster_key = c4n4ry\n", &[]);
    assert!(message.starts_with("config.toml, line 2: "), "{message}");
    assert!(!message.contains("c4n4ry"), "{message}");
}

#[test]
fn the_public_address_may_have_a_path_of_plain_names() {
    let path = |url: &str| {
        let loaded = load_with("", &[("DASHTRAY_PUBLIC_URL", url)], Flags::default());
        loaded.map(|loaded| loaded.config.base_path().to_owned())
    };
    for (url, expected) in [
        ("", ""),
        ("https://m.example.com", ""),
        ("https://m.example.com/", ""),
        ("https://example.com/dashtray", "/dashtray"),
        ("http://10.0.0.5:8080/a/b_c-1.x~/", "/a/b_c-1.x~"),
    ] {
        assert_eq!(path(url).as_deref(), Ok(expected), "{url}");
    }
    for wrong in [
        "https://a/b?c",
        "https://a/b#c",
        "https://me:x@a/",
        "https://a//b",
        "https://a/{b}",
        "https://a/%3Cb",
        "ftp://a",
    ] {
        assert!(path(wrong).is_err_and(|error| error.to_string().contains("is not an address such as")), "{wrong}");
    }
}

#[test]
fn secrets_never_print() {
    let variables = [("DASHTRAY_MASTER_KEY", "c4n4ry"), ("DASHTRAY_DATABASE_URL", "postgres://me:c4n4ry@db/x")];
    let loaded = load_with("", &variables, Flags::default()).unwrap();
    assert_eq!(loaded.config.master_key.as_ref().unwrap().expose(), "c4n4ry");
    let printed = format!("{loaded:?}{}", serde_json::to_string(&loaded.entries).unwrap());
    assert!(!printed.contains("c4n4ry"), "{printed}");
    assert!(printed.contains("postgres://me:***@db/x"), "{printed}");
    for url in ["postgres://db/x?password=c4n4ry", "host=db password=c4n4ry"] {
        let loaded = load_with("", &[("DASHTRAY_DATABASE_URL", url)], Flags::default()).unwrap();
        assert!(!format!("{loaded:?}").contains("c4n4ry"), "{url}");
    }
}

#[test]
fn a_secret_may_stand_in_a_file_and_the_higher_layer_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("url");
    std::fs::write(&path, "postgres://me:c4n4ry@db/x\n").unwrap();
    let path = path.display().to_string();
    let variables = [("DASHTRAY_DATABASE_URL_FILE", path.as_str())];
    let loaded = load_with("database_url = 'sqlite:/x.db'", &variables, Flags::default()).unwrap();
    assert_eq!(loaded.config.database_url.expose(), "postgres://me:c4n4ry@db/x");

    let flags = Flags { database_url: Some(Secret::new("sqlite:/y.db")), ..Flags::default() };
    let loaded = load_with("", &variables, flags).unwrap();
    assert_eq!(loaded.config.database_url.expose(), "sqlite:/y.db");

    let both = [("DASHTRAY_MASTER_KEY", "c4n4ry"), ("DASHTRAY_MASTER_KEY_FILE", "/key")];
    let message = refused("", &both);
    assert!(message.starts_with("master_key and master_key_file are both given"), "{message}");
    assert!(!message.contains("c4n4ry"), "{message}");
}

#[test]
fn providers_are_replaced_by_loopback_addresses_alone() {
    let name = "DASHTRAY_PROVIDER_URL_GOOGLE_ANALYTICS";
    for good in ["http://127.0.0.1:9105", "https://localhost:1/", "http://[::1]:9"] {
        let loaded = load_with("", &[(name, good)], Flags::default()).unwrap();
        assert!(loaded.config.provider_urls.contains_key("google-analytics"), "{good}");
    }
    for bad in ["http://10.0.0.1", "https://api.stripe.com", "ftp://127.0.0.1", "127.0.0.1:9", "http://127.0.0.1/v1"] {
        assert!(refused("", &[(name, bad)]).contains("loopback"), "{bad}");
    }
}

#[test]
fn the_clock_is_frozen_only_for_a_sandbox() {
    let now = ("DASHTRAY_NOW", "2026-03-31T12:00:00Z");
    let alone = load_with("", &[now], Flags::default()).unwrap();
    assert_eq!(alone.config.now, None);
    assert!(alone.warnings.first().unwrap().starts_with("DASHTRAY_NOW is ignored"));
    let sandbox = ("DASHTRAY_PROVIDER_URL_STRIPE", "http://127.0.0.1:1");
    let both = load_with("", &[now, sandbox], Flags::default()).unwrap();
    assert_eq!(both.config.clock().now().to_string(), "2026-03-31T12:00:00Z");
    assert!(refused("", &[("DASHTRAY_NOW", "noon"), sandbox]).contains("is not a time"));
}

#[test]
fn oauth_clients_come_from_variables_and_files_and_are_never_printed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "s3cret-canary\n").unwrap();
    let file = file.display().to_string();
    let (id, secret) = ("DASHTRAY_ACME_VISITS_CLIENT_ID", "DASHTRAY_ACME_VISITS_CLIENT_SECRET");
    let with_file = format!("{secret}_FILE");
    let loaded = load_with("", &[(id, "an-id"), (&with_file, &file)], Flags::default()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let client = &loaded.config.oauth_clients["acme-visits"];
    assert_eq!((client.id.as_str(), client.secret.as_ref().unwrap().expose()), ("an-id", "s3cret-canary"));
    assert!(!format!("{:?} {:?}", loaded.config, loaded.entries).contains("canary"));
    assert_eq!(origin(&loaded, "client_id_acme-visits"), &Origin::Environment(id.to_owned()));
    assert!(refused("", &[(secret, "x")]).contains("DASHTRAY_ACME_VISITS_CLIENT_ID is not"));
    assert!(refused("", &[(id, "x"), (secret, "x"), (&with_file, &file)]).contains("keep one of them"));
    assert!(refused("", &[(id, "x"), (&with_file, "/does/not/exist")]).contains("cannot be read"));
}

proptest! {
    #[test]
    fn no_value_is_too_strange(text in any::<String>(), like in "[0-9a-z:/.,\\[\\]@ -]{0,40}", which in any::<prop::sample::Index>()) {
        let keys: Vec<&str> = DEFAULTS.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key.trim_start_matches("# ")).collect();
        let name = format!("{PREFIX}{}", which.get(&keys).to_uppercase());
        for value in [text.replace('\0', ""), like] {
            if let Err(error) = load(&Flags::default(), &environment(&[(&name, &value)])) {
                prop_assert!(error.to_string().len() < 700, "{}", error);
            }
        }
    }

    #[test]
    fn no_file_is_too_strange(text in any::<String>(), like in "[a-z_]{1,12} = [\"0-9a-z{}\\[\\]=\\n]{0,30}") {
        for text in [text, like] {
            let _ = layers::read_toml(&text, "config.toml", &Origin::Default);
        }
    }
}
