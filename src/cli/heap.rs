//! How the program's heap grows. The one place with unsafe code: there is no other way to tell the C library.

/// Lets all threads share one heap; call it before there is a second thread.
///
/// The GNU C library gives each thread an arena of its own, of which none gives back what it once held. A sync's memory
/// goes from thread to thread (socket, decoding, database), so that each arena grows as large as its own busiest moment:
/// a quarter of the process. Elsewhere than on Linux with that library this does nothing.
pub fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a call into the C library")]
    // SAFETY: mallopt takes two integers and may be called at any time. What it does not know it refuses.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
