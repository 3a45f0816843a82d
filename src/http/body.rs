//! Reading an answer's body within its limits.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use flate2::write::MultiGzDecoder;
use reqwest::{Response, header::CONTENT_ENCODING};

use super::trouble::Trouble;

/// Reads and decompresses a body. Stops at once when it passes a limit, on the wire or decompressed.
pub(super) async fn read(
    response: &mut Response,
    wire_limit: u64,
    decoded_limit: u64,
    counted: &AtomicU64,
) -> Result<Vec<u8>, Trouble> {
    let announced = response.content_length().unwrap_or(0);
    if announced > wire_limit {
        return Err(Trouble::TooLarge { limit: wire_limit });
    }
    let mut sink = Sink::new(response, announced, decoded_limit)?;
    let mut wire: u64 = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| Trouble::of(&error))? {
        let length = chunk.len() as u64;
        counted.fetch_add(length, Ordering::Relaxed);
        wire += length;
        if wire > wire_limit {
            return Err(Trouble::TooLarge { limit: wire_limit });
        }
        sink.write(&chunk)?;
    }
    if wire == 0 { Ok(Vec::new()) } else { sink.finish() }
}

enum Sink {
    Plain(Capped),
    Gzip(Box<MultiGzDecoder<Capped>>),
}

impl Sink {
    fn new(response: &Response, announced: u64, limit: u64) -> Result<Self, Trouble> {
        let encoding = response.headers().get(CONTENT_ENCODING).map_or(Ok(""), |value| value.to_str());
        match encoding.map(|name| name.trim().to_ascii_lowercase()).as_deref() {
            Ok("" | "identity") => Ok(Self::Plain(Capped::new(announced, limit))),
            Ok("gzip" | "x-gzip") => {
                Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Capped::new(announced.saturating_mul(4), limit)))))
            }
            _ => Err(Trouble::Garbled),
        }
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), Trouble> {
        let (written, capped) = match self {
            Self::Plain(capped) => (capped.write_all(chunk), &*capped),
            Self::Gzip(decoder) => (decoder.write_all(chunk), decoder.get_ref()),
        };
        match written {
            Ok(()) => Ok(()),
            Err(_) if capped.is_full => Err(Trouble::TooLarge { limit: capped.limit }),
            Err(_) => Err(Trouble::Garbled),
        }
    }

    fn finish(self) -> Result<Vec<u8>, Trouble> {
        match self {
            Self::Plain(capped) => Ok(capped.bytes),
            Self::Gzip(mut decoder) => {
                let finished = decoder.try_finish();
                let capped = std::mem::replace(decoder.get_mut(), Capped::new(0, 0));
                match finished {
                    Ok(()) => Ok(capped.bytes),
                    Err(_) if capped.is_full => Err(Trouble::TooLarge { limit: capped.limit }),
                    // All that was sent was good gzip; its end is missing.
                    Err(_) => Err(Trouble::Cut),
                }
            }
        }
    }
}

/// A buffer that takes no more than its limit.
struct Capped {
    bytes: Vec<u8>,
    limit: u64,
    is_full: bool,
}

impl Capped {
    fn new(expected: u64, limit: u64) -> Self {
        // What a server announces is no reason to take memory before anything has come.
        let capacity = expected.min(limit).min(1 << 20);
        Self { bytes: Vec::with_capacity(usize::try_from(capacity).unwrap_or(0)), limit, is_full: false }
    }
}

impl Write for Capped {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.is_full || (self.bytes.len() + piece.len()) as u64 > self.limit {
            self.is_full = true;
            return Err(io::Error::other("the answer is too large"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
