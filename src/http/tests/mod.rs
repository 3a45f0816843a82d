//! The whole pipeline over real sockets.

mod answers;
mod provider;
