//! The small form of the drill that `make bench` runs: one crash, one graceful stop, one freeze, with a short lease.

use std::time::Duration;

use pim_harness::{
    drill::{Blow, Drill},
    kill_points::Program,
    load::Load,
};

const LOAD: Load = Load {
    groups: 2,
    of_each_kind: 5,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_killed_stopped_or_frozen_loses_doubles_and_disturbs_nothing() {
    let times = [
        ("--lease-duration", "8"),
        ("--renew-deadline", "6"),
        ("--retry-period", "1"),
    ];
    let outcome = Drill {
        name: "drill",
        blows: vec![Blow::Freeze, Blow::Stop, Blow::Kill],
        load: LOAD,
        pause: Duration::from_millis(50),
        program: Program::Binary(env!("CARGO_BIN_EXE_pim-operator").into()),
        args: times
            .into_iter()
            .flat_map(|(option, value)| [option.to_owned(), value.to_owned()])
            .collect(),
    }
    .run()
    .await
    .unwrap();
    assert_eq!(
        (outcome.lost, outcome.doubled, outcome.by_non_leaders),
        (0, 0, 0),
        "{outcome:?}"
    );
    assert_eq!(outcome.terms, 4, "{outcome:?}");
    for failover in &outcome.failovers {
        let most = match failover.blow {
            // Far below the lease, also on a machine that is busy.
            Blow::Stop => Duration::from_secs(5),
            Blow::Kill | Blow::Freeze => Duration::from_secs(24),
        };
        assert!(failover.first_write < most, "{failover:?}");
    }
}
