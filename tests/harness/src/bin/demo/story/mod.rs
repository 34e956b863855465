//! The steps, in the order in which they are told. Each goes on from where the last one ended.

mod behind;
mod entra;
mod manifests;
mod policies;
mod roles;
mod time;

use std::time::Instant;

use futures::future::BoxFuture;

use crate::{
    failure::Failure,
    stage::{Stage, clock},
};

/// The sentence of an object's `Ready` condition, for `kubectl get -o`.
const MESSAGE: &str = r#"jsonpath={.status.conditions[?(@.type=="Ready")].message}"#;

/// What happens in a step.
type Act = for<'a> fn(&'a mut Stage) -> BoxFuture<'a, Result<(), Failure>>;

const STORY: [(&str, Act); 15] = [
    ("A tenant is connected", |stage| {
        Box::pin(manifests::tenant(stage))
    }),
    (
        "Three grants are applied, and no boundary allows them: nothing is granted",
        |stage| Box::pin(manifests::no_boundary(stage)),
    ),
    (
        "A boundary is applied, and with it the grants are made",
        |stage| Box::pin(manifests::three_grants(stage)),
    ),
    (
        "A bad manifest is refused, with a sentence that says what to write",
        |stage| Box::pin(manifests::refused(stage)),
    ),
    (
        "A permanent grant: the group's PIM policy forbids it, which is said before Graph is asked",
        |stage| Box::pin(policies::rejects(stage)),
    ),
    (
        "A PimPolicy that allows it is applied, and the grant is made",
        |stage| Box::pin(policies::declared(stage)),
    ),
    (
        "A rule is loosened in the portal: it is put back, and an event says what it was",
        |stage| Box::pin(policies::sabotaged(stage)),
    ),
    (
        "A directory role for one administrative unit; a role that rules the tenant is refused",
        |stage| Box::pin(roles::granted(stage)),
    ),
    (
        "Windows: Alice's 90 days become 120; Bob's four hours pass, and are not given again",
        |stage| Box::pin(windows(stage)),
    ),
    (
        "In Entra, an activation is left alone, and a removed grant comes back with its old end",
        |stage| Box::pin(in_entra(stage)),
    ),
    (
        "A grant for later is Scheduled; the day comes, and it is in force",
        |stage| Box::pin(later(stage)),
    ),
    (
        "A grant made by hand: Observe only reports it, Manage takes it over",
        |stage| Box::pin(by_hand(stage)),
    ),
    (
        "The operator is killed and started again: not one write",
        |stage| Box::pin(behind::restart(stage)),
    ),
    (
        "Months pass: Erin's lease is extended, what had an end has ended",
        |stage| Box::pin(time::renews(stage)),
    ),
    (
        "Manifests are deleted, access is revoked; all that was said fits Microsoft's description of Graph",
        |stage| Box::pin(end(stage)),
    ),
];

async fn windows(stage: &mut Stage) -> Result<(), Failure> {
    manifests::window_edited(stage).await?;
    time::lapses(stage).await
}

async fn in_entra(stage: &mut Stage) -> Result<(), Failure> {
    behind::activation(stage).await?;
    behind::removal(stage).await
}

async fn later(stage: &mut Stage) -> Result<(), Failure> {
    time::scheduled(stage).await?;
    time::starts(stage).await
}

async fn by_hand(stage: &mut Stage) -> Result<(), Failure> {
    behind::observed(stage).await?;
    behind::managed(stage).await
}

async fn end(stage: &mut Stage) -> Result<(), Failure> {
    manifests::deleted(stage).await?;
    behind::shapes(stage)
}

/// Tells the story; the number of steps when all passed.
pub async fn tell(stage: &mut Stage) -> Result<usize, Failure> {
    let begun = Instant::now();
    for (index, (title, act)) in STORY.iter().enumerate() {
        let step = Instant::now();
        stage.screen.heading(index + 1, title, &clock(stage.now()));
        act(stage).await?;
        stage.screen.passed(step.elapsed());
    }
    stage.screen.prose(&format!(
        "\nThe story took {:.0} s; in it passed the time until {}.",
        begun.elapsed().as_secs_f64(),
        clock(stage.now()),
    ));
    Ok(STORY.len())
}
