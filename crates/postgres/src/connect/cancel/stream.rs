//! A stream that ends when the other side says so.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::rule;

/// A stream, with or without TLS.
#[derive(Debug)]
pub(super) struct Stream<S> {
    inner: S,
    /// Whether its shutdown waits for the other side's instead.
    lingers: bool,
}

impl<S> Stream<S> {
    pub(super) fn new(inner: S) -> Self {
        let lingers = false;
        Self { inner, lingers }
    }

    pub(super) fn lingering(inner: S) -> Self {
        let lingers = rule::holds("postgres/cancel-lingers");
        Self { inner, lingers }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.lingers {
            return Pin::new(&mut self.inner).poll_shutdown(context);
        }
        loop {
            let mut space = [0; 64];
            let mut buffer = ReadBuf::new(&mut space);
            let read = Pin::new(&mut self.inner).poll_read(context, &mut buffer);
            match std::task::ready!(read) {
                // Nobody has anything to say to a cancel request.
                Ok(()) if !buffer.filled().is_empty() => {}
                // However it ended, the other side has ended it.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        // A matter of authentication, of which a cancel request has none.
        ChannelBinding::none()
    }
}

/// Takes a stream that leads nowhere for one with TLS.
pub(super) struct Plain;

impl TlsConnect<Stream<DuplexStream>> for Plain {
    type Stream = Stream<DuplexStream>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Stream, Infallible>>;

    fn connect(self, stream: Stream<DuplexStream>) -> Self::Future {
        ready(Ok(stream))
    }
}

/// TLS by another client, on a stream that lingers: it would end by itself otherwise.
pub(super) struct Secured<T>(pub(super) T);

impl<S, T> TlsConnect<S> for Secured<T>
where
    T: TlsConnect<S>,
    T::Future: Send + 'static,
{
    type Stream = Stream<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, T::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = self.0.connect(stream);
        Box::pin(async move { connecting.await.map(Stream::lingering) })
    }
}
