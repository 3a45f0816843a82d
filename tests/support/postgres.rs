//! A private PostgreSQL server for this program, from the installed binaries. A machine without them fails loudly:
//! a test that is skipped looks like one that passed.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// For tests: what is written need not be on the disk.
const FORGETFUL: &str =
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB";

/// Starts the server with these settings, says where it is, and waits for the end of its standard input: that comes when the test binary
/// ends, in whatever way, also when it is killed. Then it stops the server and removes everything.
///
/// The server refuses to run as root, so root hands it to the user postgres. Texts are sorted as English: an order
/// that we rely on must not hang on the server's locale.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || bin=$(dirname "$(command -v pg_ctl)" 2>/dev/null)
[ -x "$bin/initdb" ] || { echo "no PostgreSQL server binaries; install the package postgresql"; exit 1; }
dir=$(mktemp -d /tmp/dashtray-pg-XXXXXX) || exit 1
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
fi
cd "$dir"
as "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --no-sync --encoding=UTF8 \
    --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US >"$dir/initdb.log" 2>&1 &&
as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/data/log" -o "-k $dir -c listen_addresses='' $1" \
    start >"$dir/start.log" 2>&1 </dev/null || { cat "$dir"/*.log "$dir/data/log"; rm -rf "$dir"; exit 1; }
echo "ready $dir"
cat >/dev/null
as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1
rm -rf "$dir"
"#;

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    directory: String,
    count: AtomicU32,
    _until_closed: ChildStdin,
}

/// The address of a new, empty database.
pub(crate) async fn new_database() -> String {
    new_database_like("template1").await
}

/// The address of a new database with the content of another, which nobody may have open.
pub(crate) async fn new_database_like(other: &str) -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(FORGETFUL)).new_database_like(other).await
}

impl Server {
    /// The address of a new database with the content of another, which nobody may have open.
    pub(crate) async fn new_database_like(&self, other: &str) -> String {
        let name = format!("test_{}", self.count.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.url("postgres")).await.expect("the private server answers");
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {other}")))
            .execute(&mut connection)
            .await
            .expect("a new database");
        connection.close().await.expect("closing");
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.directory)
    }

    /// Starts one with these settings.
    #[expect(clippy::zombie_processes, reason = "it ends after us")]
    pub(crate) fn start(settings: &str) -> Self {
        let mut script = Command::new("sh")
            .args(["-c", SCRIPT, "sh", settings])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let until_closed = script.stdin.take().expect("piped");
        let mut output = BufReader::new(script.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("output of the script");
        let Some(directory) = line.trim().strip_prefix("ready ") else {
            let _ = output.read_to_string(&mut line);
            panic!("the private PostgreSQL server did not start: {line}");
        };
        Self { directory: directory.to_owned(), count: AtomicU32::new(0), _until_closed: until_closed }
    }
}
