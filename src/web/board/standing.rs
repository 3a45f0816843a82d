//! How a connection stands, in words, and the one thing that helps.

use crate::connections::ConnectionView;

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Help {
    Nothing,
    Reconnect,
    Resume,
    Sync,
}

impl Help {
    /// The word that the template goes by.
    pub(in crate::web) fn word(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Reconnect => "reconnect",
            Self::Resume => "resume",
            Self::Sync => "sync",
        }
    }
}

/// Tone, title, what it means, and what helps.
pub(in crate::web) fn standing(view: &ConnectionView, service: &str) -> (&'static str, &'static str, String, Help) {
    let never = view.last_synced_at.is_none();
    match view.state.as_str() {
        "paused" => {
            ("info", "Paused", "Nothing is read until it goes on. What was read stays.".to_owned(), Help::Resume)
        }
        // A run after it was given new access says whether that helped.
        _ if view.syncing => {
            ("info", "Reading now", format!("{service} is being read, newest days first."), Help::Nothing)
        }
        "ok" if never => ("info", "Waiting for its first sync", "It begins in a moment.".to_owned(), Help::Nothing),
        "ok" => ("good", "Working", "Everything that was asked for was read.".to_owned(), Help::Nothing),
        "degraded" => ("warn", "Some numbers are missing", "The rest is read as ever.".to_owned(), Help::Nothing),
        "rate_limited" => (
            "warn",
            "Asked to wait",
            format!("{service} takes no more calls for now. It goes on by itself."),
            Help::Nothing,
        ),
        "needs_reconnect" => {
            let sentence =
                format!("{service} does not accept what it was connected with any more. What was read stays.");
            ("bad", "Needs to be reconnected", sentence, Help::Reconnect)
        }
        "credentials_unreadable" => {
            let sentence = "The key that it was connected with cannot be opened here. What was read stays.".to_owned();
            ("bad", "Locked", sentence, Help::Reconnect)
        }
        _ => ("bad", "Not working", "It is tried again by itself. What was read stays.".to_owned(), Help::Sync),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(state: &str) -> ConnectionView {
        ConnectionView {
            connection_id: uuid::Uuid::nil(),
            integration_id: "zap".to_owned(),
            name: "zap".to_owned(),
            state: state.to_owned(),
            reason: None,
            until: None,
            syncing: false,
            last_synced_at: Some(jiff::Timestamp::UNIX_EPOCH),
            next_sync_at: None,
            corrected: None,
        }
    }

    #[test]
    fn only_what_a_new_key_can_help_asks_for_one() {
        for (state, help) in [
            ("ok", Help::Nothing),
            ("degraded", Help::Nothing),
            ("rate_limited", Help::Nothing),
            ("failing", Help::Sync),
            ("paused", Help::Resume),
            ("needs_reconnect", Help::Reconnect),
            ("credentials_unreadable", Help::Reconnect),
        ] {
            assert_eq!(standing(&view(state), "Zap").3, help, "{state}");
        }
        assert_eq!(standing(&ConnectionView { syncing: true, ..view("failing") }, "Zap").1, "Reading now");
        assert_eq!(standing(&ConnectionView { last_synced_at: None, ..view("ok") }, "Zap").0, "info");
    }
}
