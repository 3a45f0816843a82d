//! C29: one line when a connection goes down and one when it is back, and its state opens and closes by itself.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use dashtray::sync::RunStatus;
use serde_json::Value as Json;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    conformance::{
        front::{Act, Reply},
        machine::{Machine, hurried},
        stand::{Account, Stand},
    },
    support::{app::Process, database::Database},
};

/// Answers to everything, one a run.
const OUTAGES: [&[u16]; 3] = [&[500, 500, 500], &[401, 401], &[503, 401, 500, 404]];

/// Hears what is logged on this thread, from the level of information on.
struct Ear {
    lines: Lines,
    _listening: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Ear {
    fn open() -> Self {
        let lines = Lines::default();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(lines.clone()).json().finish();
        Self { lines, _listening: tracing::subscriber::set_default(subscriber) }
    }

    /// What was said since the last time this was asked, each as level and message. The database's driver speaks of its
    /// own matters; a claim may not be renewed in time where time moves faster than a database works; and each run says
    /// that it ended, however it was.
    fn take(&self) -> Vec<String> {
        let text = std::mem::take(&mut *self.lines.0.lock().unwrap_or_else(PoisonError::into_inner));
        let lines = serde_json::Deserializer::from_slice(&text).into_iter::<Json>().map_while(Result::ok);
        let ours = lines.filter(|line| !line["target"].as_str().unwrap_or_default().starts_with("sqlx"));
        let others = ["a claim could not be renewed", "run ended"];
        let ours = ours.filter(|line| others.iter().all(|other| line["fields"]["message"] != *other));
        ours.map(|line| format!("{} {}", line["level"].as_str().unwrap_or_default(), line["fields"])).collect()
    }
}

/// C29
pub(crate) async fn is_said_once(stand: &Stand) -> Result<(), String> {
    let machine = Machine::new(stand, Account::Busy).await?;
    let database = machine.connected(Database::sqlite().await).await?;
    let process = machine.process(&database).await;
    let ear = Ear::open();
    good_runs(&machine, &process, &ear, &[]).await.map_err(|why| format!("before anything happened: {why}"))?;
    for answers in OUTAGES {
        for (number, status) in answers.iter().enumerate() {
            let status = *status;
            machine.front.rule(move |_| Act::Reply(Reply::json(status, "{}")));
            let run = hurried(machine.sync(&process)).await?;
            let outage = format!("answered with {status}, run {number} of an outage");
            ensure!(run.status == RunStatus::Failed, "{outage}: it ends {}", run.status.name());
            let (state, reason) = state(&process).await?;
            ensure!(["failing", "needs_reconnect"].contains(&state.as_str()), "{outage}: the connection is {state}");
            ensure!(reason.is_some_and(|reason| reason.len() > 10), "{outage}: no reason is given");
            let expected: &[&str] = if number == 0 { &["connection is down"] } else { &[] };
            says(&ear, "WARN", expected).map_err(|why| format!("{outage}: {why}"))?;
            machine.wait_until_due(&process).await?;
        }
        machine.front.behave();
        let back = good_runs(&machine, &process, &ear, &["connection is back"]).await;
        back.map_err(|why| format!("after answers of {answers:?}: {why}"))?;
    }
    process.store.close().await;
    Ok(())
}

/// Two good runs, of which the first says this.
async fn good_runs(machine: &Machine, process: &Process, ear: &Ear, expected: &[&str]) -> Result<(), String> {
    for expected in [expected, &[]] {
        let run = hurried(machine.sync(process)).await?;
        ensure!(run.status == RunStatus::Ok, "a run ends {}: {:?}", run.status.name(), run.error);
        says(ear, "INFO", expected)?;
        let (state, reason) = state(process).await?;
        ensure!(state == "ok" && reason.is_none(), "the connection stays {state}: {reason:?}");
    }
    Ok(())
}

async fn state(process: &Process) -> Result<(String, Option<String>), String> {
    let mut views = process.connections.list("default").await.map_err(|error| error.to_string())?;
    let view = views.pop().ok_or("there is no connection")?;
    Ok((view.state, view.reason))
}

/// Exactly these lines came, each of this level.
fn says(ear: &Ear, level: &str, expected: &[&str]) -> Result<(), String> {
    let said = ear.take();
    let is_right = said.len() == expected.len()
        && said.iter().zip(expected).all(|(line, text)| line.starts_with(level) && line.contains(text));
    ensure!(is_right, "it should say {expected:?}, and says {said:?}");
    Ok(())
}
