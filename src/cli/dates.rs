//! The dates of `get` and `sync`.

use jiff::Timestamp;

use super::failure::Failure;
use crate::metric::{Day, Zone};

/// From one day to another, both inclusive.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct Dates {
    /// First day, such as 2026-03-01
    #[arg(long, value_name = "DATE")]
    pub(super) from: Option<Day>,
    /// Last day, itself included [default: today]
    #[arg(long, value_name = "DATE")]
    pub(super) to: Option<Day>,
}

impl Dates {
    /// Refuses what cannot be meant.
    pub(super) fn check(self, now: Timestamp) -> Result<(), Failure> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            let message = format!("the dates are reversed: {from} is after {to}; swap --from and --to");
            return Err(Failure::usage("invalid_dates", message));
        }
        // The connection's zone is not known here: a date counts as future only once it is so everywhere on earth.
        let latest =
            "Pacific/Kiritimati".parse().map_or_else(|_| Day::of(now, &Zone::utc()).next(), |zone| Day::of(now, &zone));
        match self.from {
            Some(from) if from > latest => Err(Failure::usage(
                "invalid_dates",
                format!("--from {from} is in the future; nothing is known of it yet"),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: Option<&str>, to: Option<&str>) -> Result<(), String> {
        let day = |text: &str| text.parse().unwrap();
        let dates = Dates { from: from.map(day), to: to.map(day) };
        dates.check("2026-03-31T12:00:00Z".parse().unwrap()).map_err(|failure| failure.message)
    }

    #[test]
    fn reversed_dates_and_a_start_in_the_future_are_refused() {
        assert!(check(Some("2026-03-02"), Some("2026-03-01")).unwrap_err().contains("reversed"));
        assert!(check(Some("2026-04-02"), None).unwrap_err().contains("in the future"));
        assert_eq!(check(Some("2026-03-31"), Some("2026-05-01")), Ok(()));
        assert_eq!(check(Some("2026-04-01"), None), Ok(()), "it is tomorrow already in Kiritimati");
        assert_eq!(check(None, None), Ok(()));
    }
}
