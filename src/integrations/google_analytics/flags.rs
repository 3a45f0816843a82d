//! What Google says of how sure the figures of a report are.

use super::api::Metadata;
use crate::metric::{Quality, Sample};

/// Where a report is not exact, and why. Kept with every figure of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// Made of so many events out of so many.
    sampled: Option<(String, String)>,
    /// Rows of few people are withheld.
    thresholded: bool,
    /// Some rows went into one that is called (other).
    other_row: bool,
    /// Days are cut in this zone now, and were in another when the connection was made.
    zone: Option<String>,
}

impl Flags {
    /// Reads a report's metadata, for a connection whose days are cut in `zone`.
    pub(super) fn of(metadata: &Metadata, zone: &str) -> Self {
        let sampled = metadata.sampling_metadatas.first();
        Self {
            sampled: sampled.map(|said| (said.samples_read_count.clone(), said.sampling_space_size.clone())),
            thresholded: metadata.subject_to_thresholding,
            other_row: metadata.data_loss_from_other_row,
            zone: metadata.time_zone.clone().filter(|now| now != zone),
        }
    }

    /// Whether there is none.
    pub(super) fn is_exact(&self) -> bool {
        *self == Self::default()
    }

    /// Puts them on a figure.
    pub(super) fn mark(&self, sample: Sample, is_fitted: bool) -> Sample {
        if self.is_exact() && !is_fitted {
            return sample;
        }
        let mut sample = sample.with_quality(Quality::Estimated);
        if let Some((read, of)) = &self.sampled {
            sample = sample.with("events_read", read.as_str()).with("events_in_all", of.as_str());
        }
        if self.thresholded {
            sample = sample.with("thresholded", true);
        }
        if self.other_row {
            sample = sample.with("other_row", true);
        }
        match &self.zone {
            Some(zone) => sample.with("zone", zone.as_str()),
            None => sample,
        }
    }
}
