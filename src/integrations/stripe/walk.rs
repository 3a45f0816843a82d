//! Where a walk over a whole list stands, so that one that was cut short goes on and gives the same numbers.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub(super) use super::codec::{decode, encode};

use crate::{
    integrations::{Batch, Context, Error},
    metric::{Day, FailureKind, Period},
};

/// The checkpoint of a stream that is walked whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Walk<S> {
    /// Raised with each walk; records of an older one are dropped when the walk ends.
    pub(super) generation: u64,
    /// The last entry that was read.
    pub(super) cursor: Option<String>,
    /// What was added up so far.
    pub(super) sums: S,
    is_done: bool,
    /// The run's instant, in seconds since 1970.
    at: i64,
    /// A walk goes on only on its day and for the same days: its values are those of an instant.
    day: Day,
    period: Period,
    /// Nothing was read since it was taken up again.
    #[serde(skip)]
    is_resumed: bool,
}

impl<S: Default + Serialize + DeserializeOwned> Walk<S> {
    /// The generation of a walk that this very run has finished already.
    pub(super) async fn finished(ctx: &Context, stream: &str) -> Result<Option<u64>, Error> {
        let last: Option<Self> = ctx.checkpoint(stream).await?.map(|bytes| decode(&bytes)).transpose()?;
        Ok(last.filter(|last| last.is_done && last.at == ctx.now.as_second()).map(|last| last.generation))
    }

    /// Goes on where the last walk was cut short, else begins a new one.
    pub(super) async fn resume(ctx: &Context, stream: &str, period: Period) -> Result<Self, Error> {
        let last: Option<Self> = ctx.checkpoint(stream).await?.map(|bytes| decode(&bytes)).transpose()?;
        Ok(match last {
            Some(last) if !last.is_done && last.day == ctx.today() && last.period == period => {
                Self { is_resumed: last.cursor.is_some(), ..last }
            }
            last => Self {
                generation: last.map_or(1, |last| last.generation.saturating_add(1)),
                cursor: None,
                sums: S::default(),
                is_done: false,
                at: ctx.now.as_second(),
                day: ctx.today(),
                period,
                is_resumed: false,
            },
        })
    }

    /// Begins again where the entry to go on from is refused, as it is once it was deleted. Whether there is a reason.
    pub(super) fn begin_again(&mut self, error: &Error) -> bool {
        let refused = matches!(error.kind(), FailureKind::Rejected | FailureKind::NotFound);
        if !refused || !self.is_resumed {
            return false;
        }
        self.generation = self.generation.saturating_add(1);
        self.cursor = None;
        self.sums = S::default();
        self.is_resumed = false;
        true
    }

    /// Adds where the walk stands to a batch.
    pub(super) fn note(&mut self, stream: &str, batch: Batch) -> Result<Batch, Error> {
        self.is_resumed = false;
        Ok(batch.checkpoint(stream, encode(self)?))
    }

    /// The same at the end of the walk.
    pub(super) fn note_end(mut self, stream: &str, at: i64, batch: Batch) -> Result<Batch, Error> {
        self.is_done = true;
        self.at = at;
        self.cursor = None;
        self.sums = S::default();
        self.note(stream, batch)
    }
}
