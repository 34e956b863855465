use pim_operator::graph::{GraphClient, Listing, ScheduleKind};
use pim_simulator::{BatchSupport, Behaviour, Simulator};

use super::setup::{PAYMENTS_OPS, client, simulator};

/// Reads 2 × 15 lists at the same time.
async fn read_many(client: &GraphClient) {
    let reads = (0..15).flat_map(|_| {
        [ScheduleKind::Eligibility, ScheduleKind::Assignment].map(|kind| {
            let client = client.clone();
            async move { client.schedules(kind, Listing::Group(PAYMENTS_OPS)).await }
        })
    });
    for list in futures::future::join_all(reads).await {
        list.unwrap();
    }
}

fn counts(simulator: &Simulator) -> (u64, u64) {
    let counts = simulator.traffic().counts();
    (counts.graph_calls, counts.http_round_trips)
}

#[tokio::test]
async fn reads_that_are_due_together_share_round_trips() {
    let simulator = simulator("batch", Behaviour::default()).await;
    read_many(&client(&simulator)).await;
    assert_eq!(counts(&simulator), (30, 2));
}

#[tokio::test]
async fn a_service_that_refuses_batches_is_read_one_by_one() {
    for (name, batch) in [
        ("batch-refused-whole", BatchSupport::RefusedWhole),
        ("batch-refused-per-item", BatchSupport::RefusedPerItem),
    ] {
        let behaviour = Behaviour {
            batch,
            ..Behaviour::default()
        };
        let simulator = simulator(name, behaviour).await;
        let client = client(&simulator);
        read_many(&client).await;
        assert!(client.batch_refused(), "{name}");
        let before = simulator.traffic().mark();
        read_many(&client).await;
        let counts = simulator.traffic().counts_since(&before);
        assert_eq!((counts.graph_calls, counts.http_round_trips), (30, 30));
    }
}

#[tokio::test]
async fn every_page_is_read() {
    let behaviour = Behaviour {
        pim_page_size: Some(1),
        ..Behaviour::default()
    };
    let simulator = simulator("pages", behaviour).await;
    let members = "68e55cce-0000-4000-8000-000000000002";
    let rows = client(&simulator)
        .schedules(ScheduleKind::Assignment, Listing::Group(members))
        .await
        .unwrap();
    // Two members and an owner from outside PIM.
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.created_using.is_none()));
}
