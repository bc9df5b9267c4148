//! Ctrl-C, and SIGTERM.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Whether the demo was told to end.
#[derive(Clone)]
pub struct Interrupt {
    once: CancellationToken,
    twice: CancellationToken,
}

impl Interrupt {
    /// Listens from now on, in a task of its own.
    pub fn listen() -> anyhow::Result<Self> {
        let mut interrupt =
            signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
        let mut terminate =
            signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
        let told = Self {
            once: CancellationToken::new(),
            twice: CancellationToken::new(),
        };
        let telling = told.clone();
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            telling.once.cancel();
            either(&mut interrupt, &mut terminate).await;
            telling.twice.cancel();
        });
        Ok(told)
    }

    /// Waits until it is told to end.
    pub async fn once(&self) {
        self.once.cancelled().await;
    }

    /// Waits until it is told to end a second time, so that cleaning up is given up.
    pub async fn twice(&self) {
        self.twice.cancelled().await;
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
