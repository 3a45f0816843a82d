//! Reading series and receipts.

mod view;

pub use view::{Number, PointView, ReceiptView, SeriesView};
