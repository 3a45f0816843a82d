//! Connecting, testing, pausing and removing connections: used by page, API and command line alike.

mod view;

pub use view::{AccountView, ConnectedView, ConnectionView, ErrorView, TestView};
