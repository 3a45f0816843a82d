//! The one error of everything that goes over the network, and of integrations.

use std::fmt;

use jiff::Timestamp;

use crate::metric::FailureKind;

/// What went wrong (kind), whether to try again (retry), what was tried (message and context), and what the provider
/// itself said, cut and redacted. Display is one line without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    kind: FailureKind,
    retry: Retry,
    message: String,
    status: Option<u16>,
    provider_message: Option<String>,
    link: Option<String>,
    context: Vec<(&'static str, String)>,
    offer: Option<Offer>,
}

/// What could be given for a setting that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The setting's key.
    pub setting: String,
    /// The values, each with what people call it.
    pub values: Vec<(String, String)>,
}

/// Whether the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not before somebody changes something.
    Never,
    /// Yes, at our own pace.
    BackOff,
    /// Yes, and not before this instant: the provider said so.
    At(Timestamp),
}

/// Longest part of a provider's message that is shown.
const PROVIDER_MESSAGE_CHARS: usize = 300;

impl Error {
    /// An error of a kind; its retry is what the kind suggests.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            FailureKind::Unavailable | FailureKind::RateLimited => Retry::BackOff,
            _ => Retry::Never,
        };
        Self(Box::new(Inner {
            kind,
            retry,
            message: message.into(),
            status: None,
            provider_message: None,
            link: None,
            context: Vec::new(),
            offer: None,
        }))
    }

    /// A setting is missing or wrong.
    pub fn invalid_settings(message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidSettings, message)
    }

    /// The answer cannot be understood. Name the JSON path, never the body.
    pub fn invalid_response(message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidResponse, message)
    }

    /// A configured thing is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FailureKind::NotFound, message)
    }

    /// A fault of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, message)
    }

    /// The provider asks to wait until an instant.
    pub fn rate_limited(until: Timestamp, message: impl Into<String>) -> Self {
        Self::new(FailureKind::RateLimited, message).with_retry(Retry::At(until))
    }

    /// The same with another retry.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// The same with the HTTP status that led to it.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// The same with what the provider said. It is cut to 300 characters and control characters are dropped; the
    /// caller has taken every secret out.
    #[must_use]
    pub fn with_provider_message(mut self, said: &str) -> Self {
        let cut = cut(said);
        self.0.provider_message = (!cut.is_empty()).then_some(cut);
        self
    }

    /// The same with the link under which the user can mend it. The caller has seen to it that it holds no secret.
    #[must_use]
    pub fn with_link(mut self, link: String) -> Self {
        self.0.link = Some(link);
        self
    }

    /// The same with one more fact about what was tried.
    #[must_use]
    pub fn context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// The same with values that could be given for a setting. Without any it stays as it is.
    #[must_use]
    pub fn with_offer(mut self, setting: &str, values: impl IntoIterator<Item = (String, String)>) -> Self {
        let offer = Offer { setting: setting.to_owned(), values: values.into_iter().collect() };
        self.0.offer = (!offer.values.is_empty()).then_some(offer);
        self
    }

    /// The same as a wait that the provider asked for.
    pub(super) fn into_rate_limited(mut self, until: Timestamp) -> Self {
        self.0.kind = FailureKind::RateLimited;
        self.with_retry(Retry::At(until))
    }

    /// What it is.
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// Whether to try again.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// When the provider allows the next try.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self.0.retry {
            Retry::At(at) => Some(at),
            _ => None,
        }
    }

    /// What was tried, without context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// What the provider said, cut and redacted.
    pub fn provider_message(&self) -> Option<&str> {
        self.0.provider_message.as_deref()
    }

    /// The link under which the user can mend it, where the provider named one.
    pub fn link(&self) -> Option<&str> {
        self.0.link.as_deref()
    }

    /// What could be given for the setting that is wrong, where the account says.
    pub fn offer(&self) -> Option<&Offer> {
        self.0.offer.as_ref()
    }

    /// Whether it concerns the whole connection, so that nothing else of the run can succeed either.
    pub fn is_connection_wide(&self) -> bool {
        matches!(self.kind(), FailureKind::Unauthorized | FailureKind::RateLimited)
    }
}

/// What a provider said, as long as it is shown.
pub(super) fn cut(said: &str) -> String {
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = said.chars().filter(|c| !c.is_control()).take(PROVIDER_MESSAGE_CHARS).collect();
    if said.chars().count() > PROVIDER_MESSAGE_CHARS {
        cut.push('…');
    }
    cut
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(said) = &self.0.provider_message {
            write!(f, ": {said}")?;
        }
        if let Some(status) = self.0.status {
            write!(f, " (HTTP {status})")?;
        }
        if let Some(link) = &self.0.link {
            write!(f, ", see {link}")?;
        }
        if let Retry::At(at) = self.0.retry {
            // Whole seconds are enough for people; programs read `retry_at`.
            let at = at.round(jiff::Unit::Second).unwrap_or(at);
            write!(f, ", not before {at}")?;
        }
        for (key, value) in &self.0.context {
            write!(f, ", {key}: {value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_on_one_line() {
        let error = Error::new(FailureKind::Forbidden, "reading charges was refused")
            .with_status(403)
            .with_provider_message("The provided key\ndoes not have\u{7} access")
            .context("endpoint", "/v1/charges");
        assert_eq!(
            error.to_string(),
            "reading charges was refused: The provided key does not have access (HTTP 403), endpoint: /v1/charges"
        );
    }

    #[test]
    fn cuts_what_the_provider_said() {
        let error = Error::invalid_response("x").with_provider_message(&"é".repeat(1000));
        assert_eq!(error.provider_message().unwrap().chars().count(), PROVIDER_MESSAGE_CHARS + 1);
    }
}
