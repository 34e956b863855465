//! Sync waves are not needed: an estate that is applied back to front, all at once, comes to rest in the same state.

use kube::{Api, api::DeleteParams};
use pim_operator::api::tenant::EntraTenant;

use crate::{
    reasons::{Shape, seen},
    recorder::Recorder,
    sets::{Set, empty_bed, folder},
    tools::kubectl_ok,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_estate_that_is_applied_back_to_front_settles_without_waves() {
    let bed = empty_bed("order").await;
    let tenants: Api<EntraTenant> = Api::all(bed.client.clone());
    tenants
        .delete(&bed.tenant, &DeleteParams::default())
        .await
        .unwrap();
    let mut set = Set::on(&bed, folder("config/story"));
    let rank = |kind: &str| match kind {
        "EntraTenant" => 3,
        "GrantBoundary" => 2,
        "PimPolicy" => 1,
        _ => 0,
    };
    set.objects
        .sort_by_key(|object| rank(object["kind"].as_str().unwrap()));
    assert_ne!(set.objects[0]["kind"], "EntraTenant");
    set.make_namespaces(&bed).await;
    // It runs before anything is there, as in a cluster that is set up by one sync.
    let operator = set.start_operator(&bed);
    let recorder = Recorder::of(&bed, &set.namespaces);
    for object in &set.objects {
        let one = object.to_string();
        kubectl_ok(&["apply", "--server-side", "-f", "-"], &one).await;
    }
    let stored = set.until_at_rest(&bed).await;
    for object in &stored {
        let name = object["metadata"]["name"].as_str().unwrap();
        let state = seen(object).map(|(shape, reason)| (shape, reason.as_str()));
        match (object["kind"].as_str().unwrap(), name) {
            ("GrantBoundary", _) => assert_eq!(state, None),
            // The story asks for what no boundary can give, and watches a grant that is too long for its boundary.
            (_, "dave-global") => assert_eq!(state, Some((Shape::Stuck, "DenyListed"))),
            (_, "dave") => assert_eq!(state, Some((Shape::Stuck, "BoundaryDenied"))),
            _ => assert!(
                matches!(state, Some((Shape::Done, _))),
                "{name}: {state:?}: {object:#}"
            ),
        }
    }
    operator.stop().await;
    recorder.judge().await;
}
