//! What pages answer to whom, and to bad input: asked over HTTP, as whoever means harm would.

mod access;
mod catalogue;
mod guessing;
mod visitor;
