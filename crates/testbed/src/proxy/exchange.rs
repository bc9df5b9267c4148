//! One request and its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::rule::{Course, Facts, Faults, ProxyEffect};
use super::upstream::Upstream;

/// The connection is to be cut. As the error of a service or body it makes the server do so.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the proxy cut the connection")]
pub(crate) struct Cut;

/// What an answer consists of.
pub(crate) type AnswerBody = Either<Full<Bytes>, Frames>;

/// What all exchanges of a proxy share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) upstream: Upstream,
    pub(crate) rules: watch::Sender<Faults>,
    /// The end of the proxy.
    pub(crate) end: CancellationToken,
}

impl Shared {
    /// Changes the rules without waking those who wait for other rules.
    fn quietly<T: Default>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        let mut outcome = T::default();
        self.rules.send_if_modified(|rules| {
            outcome = change(rules);
            false
        });
        outcome
    }

    fn note(&self, facts: &Facts, course: Course) {
        self.quietly(|rules| rules.note_course(facts, course));
    }
}

/// A request that has been read whole, so that it can be sent later, twice or without its client.
struct Exchange {
    shared: Arc<Shared>,
    facts: Facts,
    head: request::Parts,
    body: Bytes,
}

/// Answers a request, or has its connection cut.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let facts = Facts {
        number: shared.quietly(Faults::number),
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
    };
    let effect = shared.quietly(|rules| rules.apply(&facts));
    let end = shared.end.clone();
    let exchange = Exchange {
        shared,
        facts,
        head,
        body,
    };
    // In a task of its own, as what is on its way arrives also if the client does not wait for it.
    let performed =
        tokio::spawn(async move { end.run_until_cancelled(exchange.perform(effect)).await });
    performed.await.ok().flatten().unwrap_or(Err(Cut))
}

impl Exchange {
    async fn perform(self, effect: Option<ProxyEffect>) -> Result<Response<AnswerBody>, Cut> {
        let mut most = None;
        match effect {
            Some(ProxyEffect::DropBefore) => return Err(Cut),
            Some(ProxyEffect::ForwardThenCut) => {
                self.forward().await?;
                return Err(Cut);
            }
            Some(ProxyEffect::Answer {
                status,
                headers,
                body,
            }) => return made(status, &headers, body),
            Some(ProxyEffect::Delay(time)) => sleep(time).await,
            Some(ProxyEffect::Duplicate) => drop(self.forward().await?),
            Some(ProxyEffect::Truncate(bytes)) => most = Some(bytes),
            Some(ProxyEffect::Hold | ProxyEffect::Swallow | ProxyEffect::CutStream) | None => {}
        }
        let (head, body) = self.forward().await?.into_parts();
        // Room for one frame: a client that does not read is felt by the server.
        let (sender, frames) = mpsc::channel(1);
        tokio::spawn(self.pass_on(body, most, sender));
        Ok(Response::from_parts(
            head,
            Either::Right(Frames { frames, cut: false }),
        ))
    }

    async fn forward(&self) -> Result<Response<Incoming>, Cut> {
        let request = Request::from_parts(self.head.clone(), Full::new(self.body.clone()));
        self.shared.upstream.send(request).await.map_err(|_| Cut)
    }

    /// Passes the answer's body on until its end, the client's or the proxy's.
    async fn pass_on(
        self,
        body: Incoming,
        most: Option<usize>,
        sender: mpsc::Sender<Result<Frame<Bytes>, Cut>>,
    ) {
        let flowing = async {
            if self.flow(body, most, &sender).await.is_err() {
                // A client that is gone needs no cut.
                let _ = sender.send(Err(Cut)).await;
            }
        };
        tokio::select! {
            () = flowing => {}
            () = sender.closed() => {}
            () = self.shared.end.cancelled() => {}
        }
    }

    async fn flow(
        &self,
        mut body: Incoming,
        most: Option<usize>,
        sender: &mpsc::Sender<Result<Frame<Bytes>, Cut>>,
    ) -> Result<(), Cut> {
        let mut left = most.unwrap_or(usize::MAX);
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame.transpose().map_err(|_| Cut)?,
                () = self.course_where(|course| course == Course::Cut) => None,
            };
            if !self.may_pass().await? {
                continue;
            }
            let Some(frame) = frame else { return Ok(()) };
            let frame = frame.map_data(|data| data.slice(..data.len().min(left)));
            left -= frame.data_ref().map_or(0, Bytes::len);
            sender.send(Ok(frame)).await.map_err(|_| Cut)?;
            if left == 0 {
                return Err(Cut);
            }
        }
    }

    /// Waits while the answer is held. What has arrived is lost if this gives false.
    async fn may_pass(&self) -> Result<bool, Cut> {
        if self.course() == Course::Held {
            self.shared.note(&self.facts, Course::Held);
            self.course_where(|course| course != Course::Held).await;
        }
        let course = self.course();
        self.shared.note(&self.facts, course);
        match course {
            Course::Cut => Err(Cut),
            Course::Swallowed => Ok(false),
            Course::Flows | Course::Held => Ok(true),
        }
    }

    fn course(&self) -> Course {
        self.shared.rules.borrow().course(&self.facts)
    }

    async fn course_where(&self, wanted: impl Fn(Course) -> bool) {
        let mut rules = self.shared.rules.subscribe();
        // Fails only without a sender, and `self` has one.
        let _ = rules
            .wait_for(|rules| wanted(rules.course(&self.facts)))
            .await;
    }
}

fn made(
    status: u16,
    headers: &[(String, String)],
    body: String,
) -> Result<Response<AnswerBody>, Cut> {
    let status = StatusCode::from_u16(status).map_err(|_| Cut)?;
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    answer.body(Either::Left(Full::from(body))).map_err(|_| Cut)
}

/// The body of an answer, as it arrives.
#[derive(Debug)]
pub(crate) struct Frames {
    frames: mpsc::Receiver<Result<Frame<Bytes>, Cut>>,
    cut: bool,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        if this.cut {
            return Poll::Ready(Some(Err(Cut)));
        }
        match ready!(this.frames.poll_recv(context)) {
            Some(Err(Cut)) => {
                // The server writes out what it has when there is nothing more for now; after an
                // error it does not.
                this.cut = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            other => Poll::Ready(other),
        }
    }
}
