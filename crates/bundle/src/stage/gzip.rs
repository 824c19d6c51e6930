//! One gzip member, deflated on several threads.
//!
//! The data is cut into blocks of 1 MiB that know nothing of each other. Each is deflated by libdeflate, its final
//! mark is cleared, and it is closed with an empty stored block, which ends on a byte boundary; so the blocks can be
//! put behind one another as a single member. The bytes depend on the data and the level, never on the number of threads.
//!
//! Concatenated members would be simpler and are legal too, but decoders that stop after the first one, and call it a
//! success, are many; nobody knows what EC2 runs.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Scope, ScopedJoinHandle};

use libdeflater::{CompressionLvl, Compressor};

use super::walk::{LastBlock, Walker};

/// How much is deflated at a time. Smaller blocks forget more often what they have seen: 1 MiB costs 0.2 % of size.
pub(crate) const BLOCK: usize = 1 << 20;

/// RFC 1952, section 2.3: no name, no time, no flags; made on an unknown system, since it does not matter.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// What is behind every block but the last: an empty stored block's two lengths.
pub(crate) const MARKER: [u8; 4] = [0, 0, 0xff, 0xff];

/// No more than this many bytes come out for `len` bytes that go in, whatever they are.
pub(crate) fn bound(len: u64) -> u64 {
    // Stored, a block costs 5 bytes in each 5,000 at the worst; then the end of each block, the header and the trailer.
    len + (len / 5_000 + 1) * 5 + (len / BLOCK as u64 + 1) * 64 + 18
}

/// How hard to compress, 1 to 12: libdeflate's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

impl Level {
    /// Level 1: the fastest, a bundle about a tenth larger.
    pub const FAST: Level = Level(1);
    /// Level 6: smaller than gzip's level 9 and many times as fast.
    pub const DEFAULT: Level = Level(6);
    /// Level 12: a few hundredths smaller, an order of magnitude slower.
    pub const BEST: Level = Level(12);

    /// The level of that number, if it is from 1 to 12.
    pub fn new(level: u8) -> Option<Level> {
        (1..=12).contains(&level).then_some(Level(level))
    }
}

impl Default for Level {
    fn default() -> Level {
        Level::DEFAULT
    }
}

/// Large buffers that were used and will be again. The static binary's allocator gives such back to the kernel at once
/// and takes the next one page by page, which costs a tenth of the time at level 1.
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

/// Writes what it is given to `W` as one gzip member.
///
/// It has to be [finished](Gzip::finish); dropped without, it ends its threads and the member stays without an end.
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
    /// Of the data.
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
        // Blocks go round the workers and are collected in the same order: no queue has to be sorted. Two blocks that
        // wait before each worker and two behind it keep it busy while another has a hard one.
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

    /// Ends the member and gives back what it was written to.
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
            // A worker ends early only after the collector did, and that knows why.
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
        // A full block waits for the next byte: only then is it known not to be the last one.
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
    io::Error::other("the compression was given up")
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
    /// A whole block of zeros, deflated: images are full of them, and this is 50 times as fast.
    zeros: Option<Vec<u8>>,
}

impl Deflater {
    pub(crate) fn new(level: Level) -> Deflater {
        // `Level` holds libdeflate's own range, so the fallback is never taken.
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
    // The empty block's type is three zero bits; they fit in what the last byte has left, or need another.
    let whole = (last.end + 3).div_ceil(8);
    stream.resize(whole, 0);
    stream.extend_from_slice(&MARKER);
}
