//! How much is done at a time.

/// The number of parts in transfer at a time.
pub(crate) const IN_FLIGHT: usize = 8;

/// The default number of worker threads: the number of cores, but at most 24.
///
/// SHA-1 is one long chain: with more compressors than this it is what all wait for, and each costs memory.
pub fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(24))
}
