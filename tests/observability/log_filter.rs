//! The level of the log, changed in a running process.

use pim_operator::api::group_grant::GroupEligibility;

use crate::{
    program::{Program, scratch},
    support::{bed, eligible},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_log_follows_its_filter_file_and_a_bad_filter_changes_nothing() {
    let bed = bed("log_filter", |_| {}).await;
    let file = scratch(&format!("{}.filter", bed.namespace));
    std::fs::write(&file, "warn\n").unwrap();
    let path = file.to_str().unwrap();
    let program = Program::start(
        &bed,
        &["--log-filter", "debug", "--log-filter-file", path],
        &[],
    );
    bed.until_tenant("Connected").await;
    eligible("quiet").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("quiet", "Provisioned")
        .await;
    assert_eq!(program.log(), "", "the file goes before the argument");

    std::fs::write(&file, "info,pim_operator=debug\n").unwrap();
    program
        .until_logged(&bed, "the log filter has changed")
        .await;
    eligible("loud").user("bob@contoso.com").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("loud", "Provisioned")
        .await;
    program.until_logged(&bed, "graph call").await;

    std::fs::write(&file, "pim_operator=deafening\n").unwrap();
    program
        .until_logged(
            &bed,
            "must be such as `info` or `info,pim_operator=debug`, and stays as it is",
        )
        .await;
    let before = program.log().matches("status written").count();
    eligible("still-loud")
        .user("carol@contoso.com")
        .apply(&bed)
        .await;
    bed.eventually("further lines of the level before", || async {
        program.log().matches("status written").count() > before
    })
    .await;

    std::fs::remove_file(&file).unwrap();
    program.until_logged(&bed, "cannot be read").await;
    let (_, log) = program.stop().await;
    assert!(
        log.contains("stopping once the passes in hand are finished"),
        "{log}"
    );
}
