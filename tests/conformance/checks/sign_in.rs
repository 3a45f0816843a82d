//! C30 to C36: sign-ins whose access renews itself. A service without one says so and refuses to begin one.

use dashtray::{
    clock::Clock,
    connections::{Error, SignInFor, SignInRequest},
};
use serde_json::Map;

use crate::{
    conformance::stand::{SITES, Stand},
    oauth::{Site, checks},
    support::{app::Process, database::Database},
};

type Checked = Result<(), String>;

/// C30
pub(crate) async fn refreshes_once(stand: &Stand) -> Checked {
    holds(stand, checks::a_hundred_callers_make_one_refresh).await
}

/// C31
pub(crate) async fn survives_kills(stand: &Stand) -> Checked {
    holds(stand, checks::killed_at_every_step_the_next_process_goes_on).await?;
    holds(stand, checks::killed_with_the_answer_in_hand_the_open_state_is_reported).await
}

/// C32
pub(crate) async fn shares_its_grant(stand: &Stand) -> Checked {
    holds(stand, checks::two_processes_share_one_grant).await
}

/// C33
pub(crate) async fn keeps_refresh_tokens(stand: &Stand) -> Checked {
    holds(stand, checks::a_new_refresh_token_is_kept_and_an_old_one_stays_where_none_comes).await
}

/// C34
pub(crate) async fn survives_bad_answers(stand: &Stand) -> Checked {
    holds(stand, checks::no_answer_of_an_endpoint_loses_a_grant).await
}

/// C35
pub(crate) async fn sees_expiry(stand: &Stand) -> Checked {
    holds(stand, checks::access_that_is_over_is_renewed).await
}

/// C36
pub(crate) async fn keeps_to_the_standards(stand: &Stand) -> Checked {
    holds(stand, checks::the_address_of_a_sign_in_is_the_standards).await?;
    holds(stand, checks::a_state_counts_once).await
}

/// Holds a check against the service's own sign-in.
async fn holds(stand: &Stand, check: impl AsyncFn(Database, &Site)) -> Checked {
    let descriptor = stand.integration.descriptor();
    if descriptor.auth.oauth().is_none() {
        ensure!(descriptor.auth_type() == "api_key", "it has no sign-in and is said to have one");
        return refuses(stand).await;
    }
    let site = SITES.iter().find(|(id, _)| *id == descriptor.id);
    let (_, start) =
        site.ok_or("it has a sign-in and no emulator of it; add one to SITES in tests/conformance/stand")?;
    check(Database::sqlite().await, &start().await).await;
    Ok(())
}

async fn refuses(stand: &Stand) -> Checked {
    let clock = Clock::ticking_from(stand.now);
    let key = crate::support::app::MASTER_KEY;
    let process = Process::start_with(&Database::sqlite().await, vec![stand.integration.clone()], clock, key).await;
    let purpose = SignInFor::Connect {
        integration_id: stand.integration.descriptor().id.clone(),
        name: None,
        settings: Map::new(),
    };
    let redirect_uri = "http://127.0.0.1:8573/oauth/callback".to_owned();
    let request = SignInRequest { project: "default".to_owned(), redirect_uri, purpose };
    let begun = process.connections.begin_sign_in(request).await;
    ensure!(matches!(begun, Err(Error::NoSignIn { .. })), "it begins a sign-in that it does not have: {begun:?}");
    Ok(())
}
