//! One gzip member, deflated on several threads.
//!
//! The data is cut into blocks of 1 MiB that do not depend on each other. libdeflate deflates each; its final mark is
//! cleared, and an empty stored block closes it, which ends on a byte boundary. So the blocks can be concatenated to a
//! single member. The bytes depend on the data and the level, never on the number of threads.
//!
//! Concatenated members would be simpler and are legal too, but many decoders stop after the first one and report
//! success, and EC2's decoder is unknown.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Scope, ScopedJoinHandle};

use libdeflater::{CompressionLvl, Compressor};

use super::walk::{LastBlock, Walker};

/// The bytes of a block. Independent blocks cannot refer to earlier data: at 1 MiB that costs 0.2 % of size.
pub(crate) const BLOCK: usize = 1 << 20;

/// The header of the member (RFC 1952, section 2.3): no name, no time, no flags, an unknown system.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The marker after every block but the last: the two lengths of an empty stored block.
pub(crate) const MARKER: [u8; 4] = [0, 0, 0xff, 0xff];

/// Returns the greatest length of the member for `len` bytes, whatever they are.
pub(crate) fn bound(len: u64) -> u64 {
    // Stored data costs at most 5 bytes for each 5,000; then the end of each block, the header and the trailer.
    len + (len / 5_000 + 1) * 5 + (len / BLOCK as u64 + 1) * 64 + 18
}

/// A level of compression, 1 to 12: those of libdeflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

impl Level {
    /// Level 1: the fastest; the bundle is about a tenth larger.
    pub const FAST: Level = Level(1);
    /// Level 6: smaller than gzip's level 9, and many times as fast.
    pub const DEFAULT: Level = Level(6);
    /// Level 12: a few per cent smaller, an order of magnitude slower.
    pub const BEST: Level = Level(12);

    /// Returns the level of that number, if it is from 1 to 12.
    pub fn new(level: u8) -> Option<Level> {
        (1..=12).contains(&level).then_some(Level(level))
    }
}

impl Default for Level {
    fn default() -> Level {
        Level::DEFAULT
    }
}

/// A pool of large buffers to use again. The static binary's allocator returns them to the kernel at once and gets the
/// next one page by page, which costs a tenth of the time at level 1.
#[derive(Clone, Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    fn take(&self) -> Vec<u8> {
        let used = self.0.lock().ok().and_then(|mut used| used.pop());
        used.unwrap_or_else(|| Vec::with_capacity(bound(BLOCK as u64) as usize))
    }

    fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        if let Ok(mut used) = self.0.lock() {
            used.push(buffer);
        }
    }
}

/// Compresses its input and writes it to `W` as one gzip member.
///
/// It has to be [finished](Gzip::finish). A drop without that ends its threads and leaves the member without an end.
pub(crate) struct Gzip<'scope, W> {
    block: Vec<u8>,
    pool: Pool,
    workers: Vec<SyncSender<Job>>,
    next: usize,
    collector: Option<ScopedJoinHandle<'scope, io::Result<W>>>,
}

struct Job {
    data: Vec<u8>,
    last: bool,
}

struct Deflated {
    bytes: Vec<u8>,
    crc: crc32fast::Hasher,
    /// The length of the data.
    len: usize,
    last: bool,
}

impl<'scope, W: Write + Send + 'scope> Gzip<'scope, W> {
    /// Starts `jobs` threads that deflate and one that writes to `inner`.
    pub(crate) fn new<'env>(
        scope: &'scope Scope<'scope, 'env>,
        jobs: usize,
        level: Level,
        inner: W,
    ) -> Self {
        // Blocks are given to the workers in turn and collected in the same order, so that no queue has to be sorted.
        // Two blocks that wait before each worker and two after it keep it busy while another has a hard one.
        let pool = Pool::default();
        let (workers, outputs): (Vec<_>, Vec<_>) = (0..jobs.max(1))
            .map(|_| {
                let (to_worker, jobs) = sync_channel(2);
                let (to_collector, output) = sync_channel(2);
                let pool = pool.clone();
                scope.spawn(move || work(level, pool, &jobs, &to_collector));
                (to_worker, output)
            })
            .unzip();
        let used = pool.clone();
        let collector = scope.spawn(move || collect(&outputs, &used, inner));
        Gzip { block: pool.take(), pool, workers, next: 0, collector: Some(collector) }
    }

    /// Ends the member and returns the next stage.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.submit(true)?;
        self.join()
    }

    fn submit(&mut self, last: bool) -> io::Result<()> {
        let next = if last { Vec::new() } else { self.pool.take() };
        let data = std::mem::replace(&mut self.block, next);
        let worker = self.next % self.workers.len();
        self.next += 1;
        match self.workers[worker].send(Job { data, last }) {
            Ok(()) => Ok(()),
            // A worker ends early only after the collector did, which has the reason.
            Err(_) => Err(self.join().err().unwrap_or_else(lost)),
        }
    }

    fn join(&mut self) -> io::Result<W> {
        self.workers.clear();
        let collector = self.collector.take().ok_or_else(lost)?;
        collector.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl<'scope, W: Write + Send + 'scope> Write for Gzip<'scope, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.collector.is_none() {
            return Err(lost());
        }
        // A full block waits for the next byte, which shows that it is not the last one.
        if self.block.len() == BLOCK && !data.is_empty() {
            self.submit(false)?;
        }
        let taken = data.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lost() -> io::Error {
    io::Error::other("the compression was stopped")
}

fn work(level: Level, pool: Pool, jobs: &Receiver<Job>, output: &SyncSender<io::Result<Deflated>>) {
    let mut deflater = Deflater::new(level);
    for Job { data, last } in jobs {
        let (mut crc, len, mut bytes) = (crc32fast::Hasher::new(), data.len(), pool.take());
        crc.update(&data);
        let deflated = deflater.deflate(&data, last, &mut bytes);
        let deflated = deflated.map(|()| Deflated { bytes, crc, len, last });
        pool.give(data);
        if output.send(deflated).is_err() {
            return;
        }
    }
}

fn collect<W: Write>(
    outputs: &[Receiver<io::Result<Deflated>>],
    pool: &Pool,
    mut inner: W,
) -> io::Result<W> {
    inner.write_all(&HEADER)?;
    let mut crc = crc32fast::Hasher::new();
    let mut len = 0u32;
    for output in outputs.iter().cycle() {
        let block = output.recv().map_err(|_| lost())??;
        inner.write_all(&block.bytes)?;
        len = len.wrapping_add(block.len as u32);
        crc.combine(&block.crc);
        pool.give(block.bytes);
        if block.last {
            break;
        }
    }
    inner.write_all(&crc.finalize().to_le_bytes())?;
    inner.write_all(&len.to_le_bytes())?;
    Ok(inner)
}

/// Deflates blocks, one after another.
pub(crate) struct Deflater {
    compressor: Compressor,
    walker: Walker,
    scratch: Vec<u8>,
    /// A whole block of zeros, deflated. Images have many of them, and this is 50 times as fast.
    zeros: Option<Vec<u8>>,
}

impl Deflater {
    pub(crate) fn new(level: Level) -> Deflater {
        // `Level` has libdeflate's own range, so that the fallback is never used.
        let level = CompressionLvl::new(i32::from(level.0)).unwrap_or_default();
        let mut compressor = Compressor::new(level);
        let scratch = vec![0; compressor.deflate_compress_bound(BLOCK)];
        Deflater { compressor, walker: Walker::new(), scratch, zeros: None }
    }

    /// Deflates `block` into `stream`, which is empty, with an open end unless it is the `last` of its stream.
    pub(crate) fn deflate(
        &mut self,
        block: &[u8],
        last: bool,
        stream: &mut Vec<u8>,
    ) -> io::Result<()> {
        let is_zeros = block.len() == BLOCK && block.iter().all(|&byte| byte == 0);
        if let (true, false, Some(zeros)) = (is_zeros, last, &self.zeros) {
            stream.extend_from_slice(zeros);
            return Ok(());
        }
        let len = self
            .compressor
            .deflate_compress(block, &mut self.scratch)
            .map_err(|_| io::Error::other("the compressor's own bound was too small"))?;
        stream.extend_from_slice(&self.scratch[..len]);
        if !last {
            let end = self.walker.last_block(stream, block).ok_or_else(|| {
                io::Error::other("the compressor made a stream that cannot be followed")
            })?;
            open_end(stream, end);
            if is_zeros {
                self.zeros = Some(stream.clone());
            }
        }
        Ok(())
    }
}

/// Clears the final mark of the last block, and closes the stream with an empty stored block instead.
pub(crate) fn open_end(stream: &mut Vec<u8>, last: LastBlock) {
    stream[last.start / 8] &= !(1 << (last.start % 8));
    // The head of the empty block is three zero bits. They fit into the rest of the last byte, or need another one.
    let whole = (last.end + 3).div_ceil(8);
    stream.resize(whole, 0);
    stream.extend_from_slice(&MARKER);
}
