//! A small image that unfolds into a full disk: OSSA-2013-012, 2013-029, 2013-037, 2016-012.

use serde_json::json;
use testing::TestCloud;

/// A qcow2 file of 256 KiB whose disk has this size in bytes.
fn thin(size: u64) -> Vec<u8> {
    let clusters_of_l2 = size.div_ceil(1 << 29).max(1);
    let mut bytes = vec![0_u8; 4 << 16];
    bytes[..4].copy_from_slice(b"QFI\xfb");
    bytes[4..8].copy_from_slice(&2_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&16_u32.to_be_bytes());
    bytes[24..32].copy_from_slice(&size.to_be_bytes());
    let tables = u32::try_from(clusters_of_l2).unwrap_or(u32::MAX);
    bytes[36..40].copy_from_slice(&tables.to_be_bytes());
    bytes[40..48].copy_from_slice(&(1_u64 << 16).to_be_bytes());
    bytes[48..56].copy_from_slice(&(2_u64 << 16).to_be_bytes());
    bytes[56..60].copy_from_slice(&1_u32.to_be_bytes());
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_larger_than_its_flavor_is_refused_by_what_it_unfolds_to() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let flavor = cloud.tiny().await; // with a disk of 1 GiB
    for (gib, fits) in [(1, true), (2, false), (100, false)] {
        let image = demo.image("qcow2", thin(gib << 30)).await;
        let server = json!({"server": {"name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none"}});
        let asked = demo.asks_for_server(&server).await;
        let refused = match asked.status.as_u16() {
            400 => true,
            202 => {
                let server = demo.made(&asked.body);
                let settled = testing::until("it settles", || async {
                    let shown = server.show().await;
                    (shown["status"] != "BUILD" && shown["OS-EXT-STS:task_state"].is_null())
                        .then_some(shown)
                })
                .await;
                server.delete().await.vanishes().await;
                settled["status"] == "ERROR"
            }
            other => panic!("{other}: {}", asked.text),
        };
        assert_eq!(refused, !fits, "{gib} GiB on a flavor with 1 GiB");
    }
    cloud.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_would_fill_the_memory_are_refused_at_the_upload() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let mut bomb = thin(1 << 30);
    bomb[36..40].copy_from_slice(&u32::MAX.to_be_bytes());
    let (answer, _) = demo.upload("qcow2", bomb).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    let (answer, _) = demo.upload("qcow2", thin(1 << 62)).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    cloud.audit().await;
}
