//! Databases that are full, read only, locked, newer or damaged, and keys that do not fit: a sentence that says what to
//! do, status 1, and nothing lost.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use dashtray::demo::{GITHUB_TOKEN, STRIPE_KEY};
use serde_json::{Value as Json, json};
use sqlx::{Connection, SqliteConnection};

use super::{
    list,
    sandbox::{Ended, NEW_KEY, OLD_KEY, Sandbox, stripe_file},
    text,
};

/// A sandbox whose stripe connection has been read.
async fn read_before() -> (Sandbox, Json) {
    let sandbox = Sandbox::new().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    sandbox.sync("stripe", 0).await;
    let before = sandbox.json("get stripe_revenue").await;
    (sandbox, before)
}

/// A second connection, small.
fn one_repository() -> Json {
    json!({"credentials": {"token": GITHUB_TOKEN}, "settings": {"repositories": ["fernwerk/ideas"]}})
}

/// Each command ends with 1 and these words.
async fn each_says(sandbox: &Sandbox, commands: &[&str], words: &[&str]) {
    for command in commands {
        let sentence = sandbox.failed(command, 1).await;
        assert!(sentence.starts_with("database: "), "{command}: {sentence}");
        for word in words {
            assert!(sentence.contains(word), "{command}: {sentence} says {word}");
        }
    }
}

/// A shell in a mount namespace of its own: what it mounts is seen by nobody else and goes with it.
async fn in_own_mounts(sandbox: &Sandbox, script: &str) {
    let rights = if is_root() { "-m" } else { "-rm" };
    let mut command = sandbox.command_of(Path::new("unshare"), &[rights, "sh", "-eu", "-c", script]);
    let output = command.env("DASHTRAY", env!("CARGO_BIN_EXE_dashtray")).output().await.unwrap();
    assert!(output.status.success(), "this test needs mount namespaces (unshare {rights}): {output:?}");
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// How a command of the script ended that wrote `NAME.out`, `NAME.err` and `NAME.status`.
fn ended(sandbox: &Sandbox, name: &str) -> Ended {
    let read = |kind: &str| fs::read(sandbox.path(&format!("{name}.{kind}"))).unwrap();
    let status: i32 = String::from_utf8(read("status")).unwrap().trim().parse().unwrap();
    let status = std::os::unix::process::ExitStatusExt::from_raw(status << 8);
    Ended::of(name, std::process::Output { status, stdout: read("out"), stderr: read("err") })
}

/// Runs a command and keeps how it ended.
const KEEP: &str = r#"keep() { name=$1; shift; status=0; "$DASHTRAY" "$@" >"$name.out" 2>"$name.err" || status=$?; echo $status >"$name.status"; }"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_what_was_read_before_stays() {
    let sandbox = Sandbox::new().await;
    sandbox.connect("github", &one_repository()).await;
    sandbox.sync("github", 0).await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let before = sandbox.json("get github_commits").await;
    fs::rename(sandbox.data(), sandbox.path("saved")).unwrap();
    // A file system that has room for what is there, its shared memory, and little more.
    let script = format!(
        r#"{KEEP}
        mkdir data after
        size=$(du -sk saved | cut -f1)
        mount -t tmpfs -o size=$((size + 250))k tmpfs data
        cp -a saved/. data
        keep sync sync stripe --json
        keep get get github_commits --json
        cp -a data/. after"#
    );
    in_own_mounts(&sandbox, &script).await;
    let failed = ended(&sandbox, "sync");
    let said = if failed.status == 1 && failed.stdout.contains("\"runs\"") { &failed.stdout } else { &failed.error(1) };
    assert!(said.contains("the disk is full; free some space and try again"), "{failed:?}");
    assert_eq!(ended(&sandbox, "get").json(0), before, "reading goes on");

    // There is room again.
    fs::remove_dir(sandbox.data()).unwrap();
    fs::rename(sandbox.path("after"), sandbox.data()).unwrap();
    sandbox.database().execute("UPDATE connections SET lease_until = 0 WHERE lease_until IS NOT NULL").await;
    sandbox.sync("stripe", 0).await;
    let (undisturbed, revenue) = read_before().await;
    assert_eq!(values(&sandbox.json("get stripe_revenue").await), values(&revenue));
    assert_eq!(
        values(&sandbox.json("get stripe_mrr").await),
        values(&undisturbed.json("get stripe_mrr").await),
        "nothing is half written"
    );
    assert_eq!(sandbox.json("get github_commits").await, before);
}

fn values(view: &Json) -> Vec<&Json> {
    list(&view["series"]).iter().flat_map(|series| list(&series["points"])).map(|point| &point["value"]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_file_system_is_said() {
    let (sandbox, before) = read_before().await;
    sandbox.file("github.json", one_repository().to_string());
    let script = format!(
        "{KEEP}\n mount --bind data data; mount -o remount,bind,ro data\n keep sync sync --json; keep set set stripe \
         past_due=exclude --json; keep connect connect github --credentials github.json --json"
    );
    in_own_mounts(&sandbox, &script).await;
    for command in ["sync", "set", "connect"] {
        let sentence = ended(&sandbox, command).error(1);
        // Where nothing was left open SQLite cannot even begin.
        let words =
            ["the database is read only; make its file", "check that its directory exists and that dashtray may write"];
        assert!(words.iter().any(|words| sentence.contains(words)), "{command}: {sentence}");
    }
    assert_eq!(sandbox.json("get stripe_revenue").await, before);
    sandbox.sync("stripe", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_be_written_is_said() {
    let (sandbox, before) = read_before().await;
    let mode = |name: &str, mode: u32| fs::set_permissions(sandbox.path(name), Permissions::from_mode(mode)).unwrap();
    mode("data/dashtray.db", 0o444);
    mode("data", 0o555);
    // Modes do not bind root, unless it gives up that privilege.
    let binary = env!("CARGO_BIN_EXE_dashtray");
    let drop = ["--inh-caps=-dac_override,-dac_read_search", "--bounding-set=-dac_override,-dac_read_search", binary];
    let sync = ["sync", "--json"];
    let mut command = if is_root() {
        sandbox.command_of(Path::new("setpriv"), &[&drop[..], &sync[..]].concat())
    } else {
        sandbox.command_of(Path::new(binary), &sync)
    };
    let sentence = Ended::of("sync", command.output().await.unwrap()).error(1);
    assert!(sentence.contains("writable") || sentence.contains("write"), "{sentence}");
    mode("data", 0o755);
    mode("data/dashtray.db", 0o600);
    assert_eq!(sandbox.json("get stripe_revenue").await, before);
    sandbox.sync("stripe", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_program_holds_is_said_and_works_again_later() {
    let (sandbox, before) = read_before().await;
    let mut other = SqliteConnection::connect(&sandbox.database().url).await.unwrap();
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let words = ["locked by another program", "try again"];
    tokio::join!(
        each_says(&sandbox, &["sync"], &words),
        each_says(&sandbox, &["pause stripe"], &words),
        each_says(&sandbox, &["project shop"], &words)
    );
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(sandbox.json("get stripe_revenue").await, before);
    assert_eq!(sandbox.json("connections").await["connections"][0]["state"], "ok", "not paused by halves");
    sandbox.sync("stripe", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused_and_left_alone() {
    let (sandbox, before) = read_before().await;
    let database = sandbox.database();
    database
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9000, 'from the future', true, x'00', 0)",
        )
        .await;
    let rows = database.row_counts().await;
    let words = ["schema 9000", "install", "restore a backup"];
    each_says(&sandbox, &["sync", "get stripe_mrr", "disconnect stripe", "serve --listen 127.0.0.1:0"], &words).await;
    assert_eq!(database.row_counts().await, rows);
    database.execute("DELETE FROM _sqlx_migrations WHERE version = 9000").await;
    assert_eq!(sandbox.json("get stripe_revenue").await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_said_and_left_as_it_is() {
    let (sandbox, _) = read_before().await;
    // Else what is damaged would come back from the log.
    sandbox.database().execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let file = sandbox.data().join("dashtray.db");
    let words = ["the database file is damaged", "backup"];
    let whole = fs::read(&file).unwrap();
    let garbage = vec![0x5a; whole.len()];
    fs::write(&file, &garbage).unwrap();
    each_says(&sandbox, &["sync", "get stripe_mrr", "connections"], &words).await;
    assert_eq!(fs::read(&file).unwrap(), garbage);
    // Everything but the first page, which holds the schema.
    let broken = [&whole[..4096], &garbage[4096..]].concat();
    fs::write(&file, &broken).unwrap();
    each_says(&sandbox, &["get stripe_mrr"], &words).await;
    assert!(!sandbox.data().join("dashtray.db.before-9000").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_master_key_locks_its_credentials_and_nothing_else() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("DASHTRAY_MASTER_KEY", OLD_KEY);
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    sandbox.sync("stripe", 0).await;
    let before = sandbox.json("get stripe_revenue").await;

    sandbox.set("DASHTRAY_MASTER_KEY", NEW_KEY);
    let asked = sandbox.emulators.count("stripe");
    let sentence = sandbox.refused("test stripe", 1).await;
    assert!(sentence.starts_with("credentials_unreadable: "), "{sentence}");
    for word in ["\"Stripe\"", "the key it was sealed with", "nothing was changed"] {
        assert!(sentence.contains(word), "{sentence} says {word}");
    }
    sandbox.connect("github", &one_repository()).await;
    let all = sandbox.run("sync --json").await.json(1);
    let statuses: Vec<&str> = list(&all["runs"]).iter().map(|run| text(&run["status"])).collect();
    assert_eq!(statuses, ["failed", "ok"], "the other connection goes on: {all}");
    let view = sandbox.json("connections").await;
    assert_eq!(view["connections"][0]["state"], "credentials_unreadable");
    assert!(text(&view["connections"][0]["reason"]).contains("key"), "{view}");
    assert_eq!(sandbox.json("get stripe_revenue").await, before, "old values are there");
    sandbox.json("explain stripe_mrr").await;
    sandbox.run("keys rotate").await;
    assert_eq!(sandbox.emulators.count("stripe"), asked);

    sandbox.set("DASHTRAY_MASTER_KEY", &format!("{NEW_KEY},{OLD_KEY}"));
    sandbox.json("sync").await;
    assert_eq!(sandbox.json("connections").await["connections"][0]["state"], "ok", "nothing was overwritten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_key_file_is_not_replaced() {
    let (sandbox, before) = read_before().await;
    let file = sandbox.data().join("master.key");
    let key = fs::read(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_file(&file).unwrap();
    let shown = sandbox.run("get stripe_revenue --json").await;
    assert_eq!(shown.json(0), before);
    assert!(shown.stderr.contains("master.key is missing") && shown.stderr.contains("put the file back"), "{shown:?}");
    sandbox.failed("test stripe", 1).await;
    assert!(!file.exists(), "a new key would hide that the old one is lost");
    fs::write(&file, key).unwrap();
    assert_eq!(sandbox.json("test stripe").await["success"], json!(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_that_cannot_be_is_named() {
    let sandbox = Sandbox::new().await;
    sandbox.file("a-file", "");
    for place in ["a-file", "a-file/below"] {
        let sentence = sandbox.refused(&format!("connections --data-dir {place}"), 1).await;
        assert!(sentence.contains("a-file") && sentence.contains("--data-dir"), "{sentence}");
    }
    let sentence = sandbox.refused("connections --database-url mysql://me:hunter2@localhost/x", 1).await;
    assert!(
        sentence.contains("sqlite:") && sentence.contains("postgres://") && !sentence.contains("hunter2"),
        "{sentence}"
    );
}
