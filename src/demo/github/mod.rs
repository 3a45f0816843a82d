//! The GitHub emulator.
use super::server::{Incoming, Reply, Site};
/// t
#[derive(Debug, Clone)]
pub struct GithubToken { /// t
 pub token: String }
impl GithubToken { pub fn full(t:&str)->Self{Self{token:t.into()}} pub fn read_only(t:&str)->Self{Self{token:t.into()}} pub fn installation(t:&str)->Self{Self{token:t.into()}} }
#[derive(Debug, Default)]
pub(super) struct Emulator;
impl Emulator { pub(super) fn answer(&self, _s:&Site,_r:&Incoming)->Reply{ Reply::compact(404,&serde_json::json!({})) } }
