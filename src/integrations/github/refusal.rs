//! What it means that something of a repository is not to be had.

use serde::{Deserialize, Serialize};

use super::{
    api,
    metrics::Reading,
    repositories::{Found, Repository},
};
use crate::{
    integrations::{Context, Error, Why},
    metric::FailureKind,
};

/// Why a repository's reading gave nothing.
pub(super) enum Missing {
    /// It could not be had, so the total cannot either.
    Why(Why),
    /// The repository has no such thing, so the total is whole without it.
    Absent(String),
}

/// The same where another try would be answered the same, until somebody changes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Lack {
    /// The repository has no such thing.
    Absent(String),
    /// It is not to be had.
    Unsupported(String),
    /// It is refused, or not found.
    Failed(FailureKind, String),
}

impl Lack {
    /// What is to be remembered of a failure; nothing of one that may pass.
    pub(super) fn of(why: &Why) -> Option<Self> {
        match why {
            Why::Unsupported(reason) => Some(Self::Unsupported(reason.clone())),
            Why::Failed(error) if matches!(error.kind(), FailureKind::Forbidden | FailureKind::NotFound) => {
                Some(Self::Failed(error.kind(), error.to_string()))
            }
            Why::Failed(_) | Why::BeyondRetention => None,
        }
    }

    /// As the reason of a gap.
    pub(super) fn why(&self) -> Why {
        match self {
            Self::Absent(reason) | Self::Unsupported(reason) => Why::Unsupported(reason.clone()),
            Self::Failed(kind, message) => Why::Failed(Error::new(*kind, message.clone())),
        }
    }
}

impl Missing {
    /// What is to be remembered of it.
    pub(super) fn lack(&self) -> Option<Lack> {
        match self {
            Self::Why(why) => Lack::of(why),
            Self::Absent(reason) => Some(Lack::Absent(reason.clone())),
        }
    }
}

impl From<Lack> for Missing {
    fn from(lack: Lack) -> Self {
        match lack {
            Lack::Absent(reason) => Self::Absent(reason),
            lack => Self::Why(lack.why()),
        }
    }
}

/// What an error of a reading says about one repository. Gives it back where nothing else of the run can succeed either.
pub(super) async fn missing(
    ctx: &Context,
    error: Error,
    reading: Reading,
    repository: &Repository,
    found: &Found,
) -> Result<Missing, Error> {
    let name = &repository.name;
    if error.kind() == FailureKind::Unauthorized {
        // Without a token GitHub answers 401 where a token is needed. With a refused one it does so everywhere.
        api::repository(&ctx.http, &found.full_name).await?;
        return Ok(Missing::Why(Why::Unsupported(format!(
            "{name}: this needs a token with the permission {}",
            reading.permission()
        ))));
    }
    if error.is_connection_wide() {
        return Err(error);
    }
    Ok(match error.status() {
        Some(410) if reading == Reading::Issues => Missing::Absent(switched_off(name)),
        _ => Missing::Why(why(error, reading, name)),
    })
}

/// What an error says about one repository, where nothing special holds for the reading.
pub(super) fn why(error: Error, reading: Reading, name: &str) -> Why {
    match (error.kind(), error.status()) {
        (_, Some(451)) => Why::Unsupported(format!("{name}: GitHub blocks it for legal reasons")),
        (FailureKind::Forbidden, _) => Why::Failed(Error::new(FailureKind::Forbidden, refusal(&error, reading, name))),
        _ => Why::Failed(error.context("repository", name)),
    }
}

/// The sentence for a repository without issues.
pub(super) fn switched_off(name: &str) -> String {
    format!("{name}: issues are switched off in this repository")
}

/// The sentence for a missing permission, or a single sign-on that is due.
pub(super) fn refusal(error: &Error, reading: Reading, name: &str) -> String {
    if let Some(link) = error.link() {
        return format!("{name}: its organisation asks for single sign-on; authorise the token for it at {link}");
    }
    let said = error.provider_message().map(|said| format!(" (GitHub: {said})")).unwrap_or_default();
    format!("{name}: the token lacks the permission {}{said}", reading.permission())
}
