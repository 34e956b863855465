//! The simulator's virtual time, as the operator's clock.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use pim_operator::controller::clock::Clock;
use pim_simulator::VirtualClock;
use tokio::sync::watch;

/// The clock of a simulator in the same process.
#[derive(Clone)]
pub struct SharedClock(pub VirtualClock);

impl Clock for SharedClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'static, ()> {
        let clock = self.0.clone();
        Box::pin(async move {
            let mut jumps = clock.subscribe();
            while clock.now() < instant {
                let rest = (instant - clock.now()).to_std().unwrap_or_default();
                // A frozen clock does not move by itself, so a look now and then costs nothing and misses nothing.
                let nap = rest.clamp(Duration::from_millis(1), Duration::from_secs(1));
                tokio::select! {
                    () = tokio::time::sleep(nap) => {}
                    jumped = jumps.changed() => if jumped.is_err() { tokio::time::sleep(nap).await },
                }
            }
        })
    }
}

/// The clock of a simulator in another process: how far it is ahead of ours, asked for ten times a second.
#[derive(Clone)]
pub struct RemoteClock {
    ahead: Arc<Mutex<TimeDelta>>,
    jumps: watch::Receiver<()>,
}

impl RemoteClock {
    /// Follows the simulator at a URL, on a thread of its own.
    ///
    /// # Errors
    /// When the simulator does not answer at first.
    pub fn follow(simulator: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let url = format!("{}/_simulator/clock", simulator.trim_end_matches('/'));
        let (sender, jumps) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = reqwest::Client::new();
        let ahead = Arc::new(Mutex::new(runtime.block_on(ask(&client, &url))?));
        let shared = Arc::clone(&ahead);
        std::thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    // An unanswered question leaves the clock as it was: the simulator may be going away.
                    if let Ok(now_ahead) = ask(&client, &url).await {
                        let mut ahead = shared.lock().unwrap_or_else(PoisonError::into_inner);
                        let jumped = (*ahead - now_ahead).abs() > TimeDelta::seconds(1);
                        *ahead = now_ahead;
                        drop(ahead);
                        if jumped {
                            sender.send_replace(());
                        }
                    }
                }
            });
        });
        Ok(Self { ahead, jumps })
    }
}

async fn ask(
    client: &reqwest::Client,
    url: &str,
) -> Result<TimeDelta, Box<dyn std::error::Error + Send + Sync>> {
    let answer: serde_json::Value = client
        .get(url)
        .timeout(Duration::from_secs(5))
        .send()
        .await?
        .json()
        .await?;
    let now: DateTime<Utc> = serde_json::from_value(answer["now"].clone())?;
    Ok(now - Utc::now())
}

impl Clock for RemoteClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, instant: DateTime<Utc>) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            let mut jumps = clock.jumps.clone();
            while clock.now() < instant {
                let rest = (instant - clock.now()).to_std().unwrap_or_default();
                tokio::select! {
                    () = tokio::time::sleep(rest.clamp(Duration::from_millis(1), Duration::from_secs(1))) => {}
                    _ = jumps.changed() => {}
                }
            }
        })
    }
}
