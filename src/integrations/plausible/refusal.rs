//! What it means that Plausible refuses, in sentences with the next step.

use crate::{integrations::Error, metric::FailureKind};

/// The error with what its cause may be. Plausible answers a wrong key and a site without access alike.
pub(super) fn explained(error: Error, site: &str) -> Error {
    let message = match (error.kind(), error.status()) {
        (FailureKind::Unauthorized, _) => format!(
            "Plausible refused this, and says alike for both causes: either the key is wrong or was deleted, or there is no \
             site {site} that it may see. Check the key, and that site_id is the domain as Plausible lists it, in the team \
             that the key was made in"
        ),
        (FailureKind::PlanRequired, _) => format!(
            "the plan of whoever made the key does not include the Stats API (in the cloud it takes Business), or the site \
             {site} is locked; change the plan, then try again"
        ),
        (FailureKind::NotFound, Some(404)) => {
            "there is no Stats API at this address; check base_url: where Plausible is installed under a path, the path \
             belongs to it"
                .to_owned()
        }
        (FailureKind::InvalidResponse, Some(300..=399)) => format!(
            "{}; check base_url: it is the address at which Plausible itself answers",
            error.message()
        ),
        _ => return error,
    };
    let mut explained = Error::new(error.kind(), message).with_retry(error.retry());
    if let Some(status) = error.status() {
        explained = explained.with_status(status);
    }
    match error.provider_message() {
        Some(said) => explained.with_provider_message(said),
        None => explained,
    }
}

/// Which of some goals a refusal says there is not.
pub(super) fn unknown_goal<'a>(error: &Error, goals: &'a [String]) -> Option<&'a String> {
    let said = error.provider_message().filter(|_| error.kind() == FailureKind::Rejected)?;
    goals.iter().find(|goal| said.contains(&format!("`{goal}`")))
}

/// The sentence for goals that there are not.
pub(super) fn no_such_goals(names: &[String]) -> Error {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let (list, is_one) = (quoted.join(", "), names.len() == 1);
    Error::not_found(format!(
        "the site has no {} {list} (any more): look up {} in the site's settings under Goals, and set goals to it; what is \
         known of the old name stays",
        if is_one { "goal" } else { "goals" },
        if is_one { "its name" } else { "their names" },
    ))
}

/// Whether a refusal says that the money of goals is not to be had.
pub(super) fn is_without_revenue(error: &Error) -> bool {
    let says = |said: &str| said.to_lowercase().contains("revenue");
    error.kind() == FailureKind::Rejected && error.provider_message().is_some_and(says)
}

/// The sentence for that.
pub(super) const WITHOUT_REVENUE: &str =
    "the plan or edition of this Plausible does not tell the revenue of goals; in the cloud it takes Business";
