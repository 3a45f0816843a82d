//! The JSON API, asked over HTTP as a program would.

mod export;
mod gone;
mod input;
mod keys;
mod limits;
mod moving;
pub(crate) mod program;
mod push;
mod resources;
mod schema;
