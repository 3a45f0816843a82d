//! C31: killed at every step of a renewal, the next process is authorised, or says in words what is open.

use dashtray::demo::authorization::Fault;

use super::{acme::Acme, *};
use crate::support::database::{Database, on_both};

on_both! {
    killed_at_every_step_the_next_process_goes_on,
    killed_with_the_answer_in_hand_the_open_state_is_reported,
}

async fn killed_at_every_step_the_next_process_goes_on(db: Database) {
    checks::killed_at_every_step_the_next_process_goes_on(db, &*Acme::start().await).await;
}

async fn killed_with_the_answer_in_hand_the_open_state_is_reported(db: Database) {
    checks::killed_with_the_answer_in_hand_the_open_state_is_reported(db, &*Acme::start().await).await;
}

/// The same without a death: the answer was lost on the way.
#[tokio::test]
async fn an_answer_that_was_lost_is_reported_as_such() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    acme.auth.change(|rules| rules.rotates = true);
    let process = signed_in(&db, &acme).await;
    acme.auth.end_access();
    acme.auth.fail(&[Fault::Lost, Fault::Status(500)]);
    let (kind, _) = failure(&process).await;
    assert_eq!(kind, "unavailable", "a fault says nothing of a grant");
    let (kind, message) = failure(&process).await;
    assert_eq!(kind, "unauthorized");
    assert!(message.contains("ended before its answer was kept"), "{message}");
}
