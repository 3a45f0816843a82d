//! What has to hold at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::{
    database::Database,
    programs::{Cluster, Program},
    traffic::Pushed,
    world::World,
};

/// After the last kill everything is read to its end within this: a lease, and what is left to read.
const SETTLED_WITHIN: Duration = Duration::from_secs(600);
/// Memory of the second half may be this much above that of the first.
const FLAT: f64 = 1.25;
/// Counts the last half hour by the provider's own clock, which goes on: no two runs come to the same.
const OF_THE_MOMENT: &str = "ga_realtime_users";
const CALM: &str =
    "SELECT concat_ws(' ', connection_id, project_id, integration_id, state, reason, lease_owner) FROM connections
     WHERE connection_id > 0 AND EXISTS (SELECT 1 FROM credentials s WHERE s.project_id = connections.project_id
         AND s.connection_id = connections.connection_id)";

/// What was found.
#[derive(Default)]
pub(crate) struct Verdict {
    failures: Vec<String>,
    notes: Vec<String>,
    warnings: BTreeMap<String, usize>,
}

impl Verdict {
    pub(crate) fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(what());
        }
    }

    fn note(&mut self, what: String) {
        self.notes.push(what);
    }

    /// Counts the warnings and errors of a log, by their first words.
    pub(crate) fn note_log(&mut self, log: &str) {
        for line in log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")) {
            let said = line.split_once(": ").map_or(line, |(_, said)| said);
            *self.warnings.entry(said.chars().take(90).collect()).or_default() += 1;
        }
    }

    pub(crate) fn tell(self, kills: usize, world: &World) -> ExitCode {
        println!("\n{kills} kills, {} requests that went wrong", world.faults());
        self.notes.iter().for_each(|note| println!("{note}"));
        let mut warnings: Vec<_> = self.warnings.into_iter().collect();
        warnings.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        warnings.iter().take(12).for_each(|(said, count)| println!("logged {count} times: {said}"));
        self.failures.iter().for_each(|failure| println!("FAILED: {failure}"));
        println!(
            "{}",
            if self.failures.is_empty() { "nothing lost, nothing doubled, nothing stuck" } else { "NOT MET" }
        );
        ExitCode::from(u8::from(!self.failures.is_empty()))
    }
}

/// By integration, all figures that one undisturbed run comes to.
pub(crate) async fn undisturbed(world: &World, directory: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let directory = directory.join("undisturbed");
    std::fs::create_dir_all(&directory).unwrap();
    let database = Database::postgres().await;
    let program = Program::new(&directory, &database.url);
    program.connect(world, crate::world::TEAMS, "alone").await;
    for _ in 0..2 {
        program.run(world, &["sync", "--project", "alone"]).await.unwrap();
        world.forget_asked();
    }
    by_connection(&database).await.into_iter().map(|((integration, _), figures)| (integration, figures)).collect()
}

/// Waits until every connection has been read whole, and nothing is left that nobody works on.
pub(crate) async fn settle(verdict: &mut Verdict, database: &Database, world: &World) {
    let begun = Instant::now();
    // Whatever is due then is read without a fault.
    database.execute("UPDATE connections SET due_at = 0, last_synced_at = NULL").await;
    let open = format!("{CALM} AND (state <> 'ok' OR lease_owner IS NOT NULL OR last_synced_at IS NULL)");
    loop {
        world.forget_asked();
        let left = database.texts(&open).await;
        if left.is_empty() {
            break;
        }
        if begun.elapsed() > SETTLED_WITHIN {
            verdict.check(false, || format!("after {SETTLED_WITHIN:?} these are not read: {left:#?}"));
            break;
        }
        // Who has failed waits longer and longer; here somebody presses the button.
        database.execute("UPDATE connections SET due_at = 0 WHERE lease_owner IS NULL AND state <> 'ok'").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    verdict.note(format!("settled {:.0} s after the last fault", begun.elapsed().as_secs_f64()));
    let stuck = database.texts("SELECT run_id::text FROM runs WHERE status IS NULL").await;
    verdict.check(stuck.is_empty(), || format!("no run is left open: {stuck:?}"));
    let runs = "SELECT concat_ws(' ', COUNT(*), status, CASE WHEN error->>'message' LIKE 'interrupted%' THEN 'interrupted' END)
         FROM runs GROUP BY status, error->>'message' LIKE 'interrupted%' ORDER BY COUNT(*) DESC";
    let runs = runs.replace("error->>", "error::json->>");
    let kinds = database.texts(&runs).await;
    verdict.note(format!("runs: {}", kinds.join(", ")));
}

/// Every connection has the numbers that an undisturbed run comes to: none is missing, none is other, none is too many.
pub(crate) async fn numbers(verdict: &mut Verdict, database: &Database, expected: &BTreeMap<String, BTreeSet<String>>) {
    let found = by_connection(database).await;
    let mut count = 0;
    for ((integration, connection), figures) in &found {
        let Some(expected) = expected.get(integration) else { continue };
        count += figures.len();
        let differs: Vec<&String> = expected.symmetric_difference(figures).take(4).collect();
        verdict.check(differs.is_empty(), || format!("{integration}, connection {connection} differs: {differs:#?}"));
    }
    verdict.note(format!("{} connections, {count} figures compared", found.len()));
}

/// What was pushed and acknowledged is there, once.
pub(crate) async fn pushes(verdict: &mut Verdict, database: &Database, pushed: &Pushed) {
    let rows = database
        .texts(
            "SELECT concat_ws(' ', metric_id, to_char(DATE '1970-01-01' + day::int, 'YYYY-MM-DD'), value) FROM points
             JOIN series USING (project_id, series_id) WHERE metric_id LIKE 'soak%' AND value IS NOT NULL",
        )
        .await;
    let found: BTreeSet<String> = rows.iter().cloned().collect();
    let expected: BTreeSet<String> =
        pushed.values.iter().map(|((id, date), value)| format!("{id} {date} {value}")).collect();
    let differs: Vec<&String> = expected.symmetric_difference(&found).take(6).collect();
    verdict.check(differs.is_empty() && rows.len() == expected.len(), || format!("pushed values differ: {differs:#?}"));
    verdict.note(format!("{} batches pushed, {} tries more than that", pushed.batches, pushed.retried));
    verdict.note(format!("pages by status (0: the process was gone): {:?}", pushed.pages));
    let faults: u64 = pushed.pages.iter().filter(|(status, _)| **status >= 500).map(|(_, count)| count).sum();
    verdict.check(faults == 0, || format!("{faults} pages were answered with a fault"));
}

/// The most that any process took in each half, once the start is over.
pub(crate) fn memory(verdict: &mut Verdict, seen: &[(Duration, Vec<f64>)]) {
    let most = |part: &[(Duration, Vec<f64>)]| part.iter().flat_map(|(_, each)| each).copied().fold(0.0, f64::max);
    let (_, warm) = seen.split_at(seen.len() / 5);
    let (first, second) = warm.split_at(warm.len() / 2);
    let (first, second) = (most(first), most(second));
    verdict.note(format!("most memory of a process: {first:.1} MiB in the first half, {second:.1} MiB in the second"));
    verdict.check(second <= first * FLAT, || format!("memory is not flat: {first:.1} MiB, then {second:.1} MiB"));
}

/// A backup that was taken in the middle comes back, and what is read with it is the same.
pub(crate) async fn backup(
    verdict: &mut Verdict,
    file: Option<PathBuf>,
    cluster: &Cluster,
    world: &World,
    live: &Database,
) {
    let Some(file) = file else {
        return verdict.note("backup: not tried, this program has no `dashtray backup`".to_owned());
    };
    let restored = Database::postgres().await;
    let directory = cluster.directory().join("restored");
    std::fs::create_dir_all(&directory).unwrap();
    let program = Program::new(&directory, &restored.url);
    if let Err(error) = program.run(world, &["restore", file.to_str().unwrap()]).await {
        return verdict.check(false, || format!("a backup comes back: {error}"));
    }
    let projects = restored.texts("SELECT slug FROM projects WHERE slug LIKE 'team-%'").await;
    for project in &projects {
        if let Err(error) = program.run(world, &["sync", "--project", project]).await {
            verdict.check(false, || format!("what came back is read on: {error}"));
        }
        world.forget_asked();
    }
    let (live, restored) = (by_connection(live).await, by_connection(&restored).await);
    let synced = restored.iter().filter(|((integration, _), _)| integration != "custom");
    for ((integration, connection), figures) in synced {
        let same = live.get(&(integration.clone(), connection.clone())) == Some(figures);
        verdict.check(same, || format!("{integration}, connection {connection} of the backup differs"));
    }
    verdict.note(format!("backup: {} teams came back and were read on, equal", projects.len()));
}

/// By integration and connection, what was made of the provider's answers. Ids are those of one database and are left out.
async fn by_connection(database: &Database) -> BTreeMap<(String, String), BTreeSet<String>> {
    let ids = "SELECT concat_ws(' ', project_id, connection_id, integration_id) FROM connections";
    let integrations: BTreeMap<String, String> = database
        .texts(ids)
        .await
        .iter()
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(key, integration)| (key.to_owned(), integration.to_owned()))
        .collect();
    let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for line in database.figures().await.iter().filter(|line| !line.contains(OF_THE_MOMENT)) {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (kind, project, connection, rest) = (word(), word(), word(), word());
        let key = format!("{project} {connection}");
        let integration = integrations.get(&key).cloned().unwrap_or_default();
        found.entry((integration, key)).or_default().insert(format!("{kind} {rest}"));
    }
    found
}
