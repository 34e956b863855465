use tokio::time::{Instant, advance};

use super::*;
use crate::graph::NoObserver;

fn limiter(max_concurrency: usize, requests_per_second: u32) -> Arc<Limiter> {
    let limits = Limits {
        max_concurrency,
        requests_per_second,
    };
    Limiter::new(limits, Duration::from_secs(30), Arc::new(NoObserver)).unwrap()
}

fn headers(retry_after: Option<u64>, throttle_percentage: Option<f32>) -> AnswerHeaders {
    AnswerHeaders {
        retry_after: retry_after.map(Duration::from_secs),
        throttle_percentage,
        ..AnswerHeaders::default()
    }
}

/// Slots that can be had without waiting.
async fn free_slots(limiter: &Arc<Limiter>, priority: Priority) -> usize {
    let mut slots = Vec::new();
    while let Ok(slot) =
        tokio::time::timeout(Duration::from_millis(1), limiter.enter(priority)).await
    {
        slots.push(slot.unwrap());
    }
    slots.len()
}

async fn time_to_spend(limiter: &Arc<Limiter>, priority: Priority, calls: u32) -> Duration {
    let started = Instant::now();
    let slot = limiter.enter(priority).await.unwrap();
    slot.spend(calls).await.unwrap();
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn no_more_exchanges_than_allowed_run_at_once() {
    let limiter = limiter(8, 100);
    assert_eq!(free_slots(&limiter, Priority::Interactive).await, 8);
}

#[tokio::test(start_paused = true)]
async fn background_calls_leave_room_for_interactive_ones() {
    let limiter = limiter(8, 100);
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(limiter.enter(Priority::Background).await.unwrap());
    }
    assert_eq!(free_slots(&limiter, Priority::Background).await, 0);
    assert_eq!(free_slots(&limiter, Priority::Interactive).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_one_still_serves_both_priorities() {
    let limiter = limiter(1, 1);
    for priority in [Priority::Background, Priority::Interactive] {
        assert_eq!(free_slots(&limiter, priority).await, 1);
        time_to_spend(&limiter, priority, 20).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_counts_every_call_of_a_batch() {
    let limiter = limiter(8, 10);
    assert_eq!(
        time_to_spend(&limiter, Priority::Interactive, 10).await,
        Duration::ZERO
    );
    let waited = time_to_spend(&limiter, Priority::Interactive, 10).await;
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    assert!(waited <= Duration::from_millis(1100), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn background_calls_leave_a_part_of_the_rate() {
    let limiter = limiter(8, 10);
    time_to_spend(&limiter, Priority::Background, 8).await;
    assert_eq!(
        time_to_spend(&limiter, Priority::Interactive, 2).await,
        Duration::ZERO
    );
    assert!(time_to_spend(&limiter, Priority::Background, 1).await > Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_back_everyone_even_those_who_are_inside() {
    let limiter = limiter(8, 100);
    let inside = limiter.enter(Priority::Background).await.unwrap();
    limiter.learn(429, &headers(Some(7), None));
    let started = Instant::now();
    inside.spend(1).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn the_longer_of_two_pauses_counts() {
    let limiter = limiter(8, 100);
    limiter.learn(429, &headers(Some(7), None));
    limiter.learn(429, &headers(Some(1), None));
    let waited = time_to_spend(&limiter, Priority::Interactive, 1).await;
    assert!(waited >= Duration::from_secs(7), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_429_without_a_pause_gets_a_short_one() {
    let limiter = limiter(8, 100);
    limiter.learn(429, &headers(None, None));
    let waited = time_to_spend(&limiter, Priority::Interactive, 1).await;
    assert!(waited >= DEFAULT_PAUSE, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_beyond_patience_is_an_error_at_once() {
    let limiter = limiter(8, 100);
    limiter.learn(503, &headers(Some(31), None));
    let closed = limiter.enter(Priority::Interactive).await.err().unwrap();
    assert_eq!(closed.remaining, Duration::from_secs(31));
    advance(Duration::from_secs(2)).await;
    limiter.enter(Priority::Interactive).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_nearly_used_quota_halves_the_pace_for_a_while() {
    let limiter = limiter(8, 10);
    limiter.learn(200, &headers(None, Some(0.79)));
    assert_eq!(free_slots(&limiter, Priority::Interactive).await, 8);
    limiter.learn(200, &headers(None, Some(0.8)));
    assert_eq!(free_slots(&limiter, Priority::Interactive).await, 4);
    assert_eq!(
        time_to_spend(&limiter, Priority::Interactive, 5).await,
        Duration::ZERO
    );
    assert!(time_to_spend(&limiter, Priority::Interactive, 1).await > Duration::ZERO);
    advance(SLOW_FOR).await;
    assert_eq!(free_slots(&limiter, Priority::Interactive).await, 8);
}
