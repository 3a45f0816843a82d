//! What a refusal of Google means, and what to do about it.

use crate::{
    integrations::{Context, Error},
    metric::FailureKind,
};

/// One of the two APIs, by the name and the service that Google knows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Api {
    /// Reports.
    Data,
    /// Which properties there are.
    Admin,
}

impl Api {
    fn name(self) -> &'static str {
        match self {
            Self::Data => "Google Analytics Data API",
            Self::Admin => "Google Analytics Admin API",
        }
    }

    /// Where it is switched on.
    fn page(self) -> &'static str {
        match self {
            Self::Data => "https://console.cloud.google.com/apis/library/analyticsdata.googleapis.com",
            Self::Admin => "https://console.cloud.google.com/apis/library/analyticsadmin.googleapis.com",
        }
    }
}

/// The error in words that say what to do; other errors than refusals stay as they are.
pub(super) fn explain(ctx: &Context, error: Error, api: Api, property: &str) -> Error {
    if error.kind() != FailureKind::Forbidden {
        return error;
    }
    let said = error.provider_message().unwrap_or_default().to_owned();
    let says = |text: &str| said.to_lowercase().contains(text);
    let (sentence, link) = if says("has not been used in project") || says("is disabled") {
        let sentence = format!(
            "the {} is switched off in the Google Cloud project of these credentials; enable it there, wait a few \
             minutes and try again",
            api.name()
        );
        (sentence, Some(api.page()))
    } else if says("authentication scopes") {
        let sentence =
            "the sign-in does not include Google Analytics; reconnect and leave the box ticked for seeing its data";
        (sentence.to_owned(), None)
    } else {
        (no_role(ctx, property), None)
    };
    let explained = Error::new(FailureKind::Forbidden, sentence).with_provider_message(&said);
    let explained = error.status().into_iter().fold(explained, Error::with_status);
    link.into_iter().fold(explained, |error, link| error.with_link(link.to_owned()))
}

fn no_role(ctx: &Context, property: &str) -> String {
    let who = ctx.http.service_account().unwrap_or_else(|| "the Google account that signed in".to_owned());
    format!(
        "these credentials have no role on the property {property}; in Google Analytics, under Admin, Property access \
         management, add {who} as Viewer"
    )
}

/// Why a metric is missing that the role hides.
pub(super) fn hidden(property: &str) -> Error {
    Error::new(
        FailureKind::Forbidden,
        format!(
            "the role on the property {property} hides revenue; in Google Analytics, under Admin, Property access \
             management, take the restriction \"No Revenue Metrics\" off it"
        ),
    )
}
