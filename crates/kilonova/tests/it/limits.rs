//! What the process asks of the machine.

use crate::process::Process;

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_may_open_as_many_files_as_the_machine_allows() {
    let mut cloud = Process::start("").await;
    let (now, most) = cloud.open_files();
    assert_eq!(now, most);
    cloud.stop().await;
}
