//! A connection that can be ended in the ways that connections end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const CLOSE: u8 = 1;
const RESET: u8 = 2;

/// A connection, for the protocol and for those who may end it.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Shared>);

struct Shared {
    stream: TcpStream,
    ending: AtomicU8,
    ended: Notify,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Shared { stream, ending: AtomicU8::new(0), ended: Notify::new() }))
    }

    /// Ends the connection now: whoever serves it drops it.
    pub(crate) fn end(&self, reset: bool) {
        if reset {
            // Without lingering, closing is a reset. If that fails, the connection is closed anyway.
            let _ = self.0.stream.set_zero_linger();
        }
        self.0.ended.notify_one();
    }

    /// Ends the connection once everything that was written is on its way.
    pub(crate) fn end_when_flushed(&self, reset: bool) {
        self.0.ending.store(if reset { RESET } else { CLOSE }, Ordering::Release);
    }

    /// Waits until somebody has ended the connection.
    pub(crate) async fn ended(&self) {
        self.0.ended.notified().await;
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.stream.poll_read_ready(cx))?;
            match self.0.stream.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.stream.poll_write_ready(cx))?;
            match self.0.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.ending.load(Ordering::Acquire) {
            0 => {}
            ending => self.end(ending == RESET),
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Dropping the connection is what closes it.
        Poll::Ready(Ok(()))
    }
}
