//! Providers whose clock is hours before or after ours.

use std::sync::atomic::{AtomicUsize, Ordering};

use dashtray::http::ResetForm;
use jiff::SignedDuration;

use super::Undisturbed;
use crate::{
    conformance::{
        checks::{kills::same, patience::http_date},
        front::{Act, Reply},
        machine::{Machine, hurried},
        stand::{Account, Stand},
    },
    support::summary::tell,
};

const HOURS: [i64; 4] = [-26, -3, 3, 26];
/// What it asks to wait by its own clock.
const ASKED_SECS: i64 = 40;

pub(crate) async fn differ(stand: &Stand) -> Result<(), String> {
    let machine = Machine::new(stand, Account::Busy).await?;
    let undisturbed = Undisturbed::of(&machine).await?;
    let half = undisturbed.asked.len() / 2;
    for hours in HOURS {
        // A limit until a date, and a window that is used up until an instant.
        for is_limit in [true, false] {
            let case = format!("its clock is {hours} hours off, {}", if is_limit { "429" } else { "nothing left" });
            set(stand, &machine, hours, half, is_limit);
            let database = undisturbed.base.as_it_lies();
            let process = machine.process(&database).await;
            let run = hurried(machine.sync(&process)).await?;
            process.store.close().await;
            let is_said = is_limit || stand.integration.descriptor().limits.headers.is_some();
            let (least, most) = if is_said { (ASKED_SECS, ASKED_SECS + 20) } else { (0, 20) };
            let waited = (run.waited_ms / 1000) as i64;
            ensure!(
                (least..=most).contains(&waited),
                "{case}: it waited {waited} s, the run ends {}",
                run.status.name()
            );
            same(&undisturbed.figures, &database.figures().await).map_err(|why| format!("{case}: {why}"))?;
            machine.front.take();
        }
    }
    let id = &stand.integration.descriptor().id;
    tell(format_args!("{id}: a provider's clock off by {HOURS:?} hours, twice each; waits as asked, same figures"));
    Ok(())
}

/// Every answer tells the provider's time; the one in the middle asks to wait.
fn set(stand: &Stand, machine: &Machine, hours: i64, half: usize, is_limit: bool) {
    let (clock, count) = (machine.clock, AtomicUsize::new(0));
    let headers = stand.integration.descriptor().limits.headers.clone();
    machine.front.rule(move |asked| {
        let theirs = clock.now() + SignedDuration::from_hours(hours);
        let until = theirs + SignedDuration::from_secs(ASKED_SECS);
        let is_middle = count.fetch_add(1, Ordering::Relaxed) == half;
        if is_middle && is_limit {
            let reply = Reply::json(429, "{}").header("date", http_date(theirs));
            return Act::Reply(reply.header("retry-after", http_date(until)));
        }
        let headers = headers.clone().filter(|_| is_middle);
        let tell = move |reply: &mut Reply| {
            let mut told = reply.clone().header("date", http_date(theirs));
            if let Some(names) = headers {
                let reset = match names.reset_form {
                    ResetForm::EpochSeconds => until.as_second().to_string(),
                    ResetForm::EpochMillis => until.as_millisecond().to_string(),
                    ResetForm::DeltaSeconds => ASKED_SECS.to_string(),
                };
                told = told.header(&names.remaining, 0).header(&names.reset, reset);
            }
            *reply = told;
        };
        Act::Edit(asked.target(), Box::new(tell))
    });
}
