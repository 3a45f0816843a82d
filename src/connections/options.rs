//! The settings that every connection takes, whatever its integration.

use serde_json::{Map, Value as Json};

use crate::{
    integrations::{Descriptor, FieldError, Settings, ZonePolicy, unknown_key},
    metric::{Zone, exact},
};

/// Ten years: each day of each metric has a row of its own.
pub(crate) const LONGEST_HISTORY_DAYS: i32 = 3653;
/// Keys of the host's own settings.
const ZONE: &str = "zone";
const SYNC_INTERVAL: &str = "sync_interval";
const MAX_QUOTA_SHARE: &str = "max_quota_share";
const HISTORY_DAYS: &str = "history_days";

/// The host's settings of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostSettings {
    pub(super) zone: Option<Zone>,
    /// Minutes.
    pub(super) sync_interval: Option<i64>,
    pub(super) max_quota_share_permille: u32,
    /// Days that a new connection reads, today among them.
    pub(super) history_days: Option<i32>,
}

/// Parts what the user gave into the host's settings and the integration's. All errors are reported at once.
pub(super) fn parse(
    descriptor: &Descriptor,
    given: &Map<String, Json>,
) -> Result<(HostSettings, Settings), Vec<FieldError>> {
    let mut rest = given.clone();
    let mut take = |key: &str| rest.shift_remove(key).map(|value| plain(&value)).filter(|text| !text.is_empty());
    let (zone, interval, share) = (take(ZONE), take(SYNC_INTERVAL), take(MAX_QUOTA_SHARE));
    let history = take(HISTORY_DAYS);
    let mut errors = Vec::new();
    let mut note = |key: &str, message: String| errors.push(FieldError::new(key, message));

    let zone = zone.and_then(|name| match name.parse::<Zone>() {
        Ok(_) if matches!(descriptor.zone, ZonePolicy::Utc | ZonePolicy::Account) => {
            note(ZONE, format!("{} counts its days in its own zone; leave this out", descriptor.name));
            None
        }
        Ok(zone) => Some(zone),
        Err(error) => {
            note(ZONE, error.to_string());
            None
        }
    });
    let sync_interval = interval.and_then(|text| match text.parse::<i64>() {
        Ok(minutes @ 1..=10_080) => Some(minutes),
        _ => {
            note(SYNC_INTERVAL, "give minutes, a whole number from 1 to 10080".to_owned());
            None
        }
    });
    let history_days = history.and_then(|text| match text.parse::<i32>() {
        Ok(days @ 1..=LONGEST_HISTORY_DAYS) => Some(days),
        _ => {
            note(HISTORY_DAYS, format!("give days, a whole number from 1 to {LONGEST_HISTORY_DAYS}"));
            None
        }
    });
    let share = share.map_or(Some(1000), |text| permille(&text));
    if share.is_none() {
        note(MAX_QUOTA_SHARE, "give a share above 0 and up to 1, such as 0.5".to_owned());
    }
    // What is nobody's key is refused here, where the host's own keys are known as well.
    let known = descriptor.settings.iter().map(|field| field.key.as_str()).chain([
        ZONE,
        SYNC_INTERVAL,
        MAX_QUOTA_SHARE,
        HISTORY_DAYS,
    ]);
    let strange: Vec<String> = rest.keys().filter(|key| known.clone().all(|known| known != *key)).cloned().collect();
    for key in &strange {
        rest.shift_remove(key);
        errors.push(unknown_key(key, known.clone()));
    }
    let settings = Settings::parse(&descriptor.settings, &rest).map_err(|more| errors.extend(more)).ok();
    match (settings, share, errors.is_empty()) {
        (Some(settings), Some(max_quota_share_permille), true) => {
            Ok((HostSettings { zone, sync_interval, max_quota_share_permille, history_days }, settings))
        }
        _ => Err(errors),
    }
}

/// Why a key of the host's may not change once a connection is made; `None` for one that may.
pub(super) fn frozen(key: &str) -> Option<&'static str> {
    match key {
        ZONE => Some("is frozen when a connection is made, since its days are cut by it; connect again to change it"),
        HISTORY_DAYS => Some("is for new connections; `dashtray sync --from DATE` reads further back"),
        _ => None,
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.trim().to_owned(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

fn permille(text: &str) -> Option<u32> {
    let share = exact::parse_decimal(text)?;
    let permille = u32::try_from(exact::round_scaled(&share, 3)?).ok()?;
    (1..=1000).contains(&permille).then_some(permille)
}
