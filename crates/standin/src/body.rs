//! The body of a request, which can still be read when the service wants no more of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::id::held;

/// The greatest length of a form, a document or a list of rules.
const FORM: usize = 1 << 20;

/// A body that several read in turn.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<State>>);

struct State {
    body: Incoming,
    /// Someone has read from it, so a client that waits for `100 Continue` has got it.
    asked: bool,
}

impl Shared {
    pub(crate) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(State { body, asked: false })))
    }

    /// Reads so many bytes.
    pub(crate) async fn skip(mut self, length: u64) {
        let mut read = 0;
        while read < length {
            let Some(Ok(frame)) = self.frame().await else { return };
            read += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
    }

    /// Reads what is left, so that the client gets the answer before it sees that the connection is closed.
    pub(crate) async fn drain(self, parts: &Parts) {
        // A client that asks first has sent nothing yet, and is not to start now.
        if held(&self.0).asked || !parts.headers.contains_key(EXPECT) {
            self.skip(u64::MAX).await;
        }
    }

    /// The whole body; `None` if it is too long, or ends early.
    pub(crate) async fn whole(self) -> Option<Bytes> {
        Some(Limited::new(self, FORM).collect().await.ok()?.to_bytes())
    }
}

impl Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut state = held(&self.0);
        state.asked = true;
        Pin::new(&mut state.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        held(&self.0).body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        held(&self.0).body.size_hint()
    }
}
