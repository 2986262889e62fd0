//! What one tenant leaves, the next one reads: OSSA-2012-020, 2014-001, 2014-003.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use testing::{TestCloud, until};

/// Every file and folder below.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_with_data_of_users_are_open_to_nobody_else() {
    let cloud = TestCloud::start().await;
    for folder in ["db", "image-cache", "images", "keys", "run", "servers"] {
        let path = cloud.state_path().join(folder);
        let mode = std::fs::metadata(&path)
            .expect("a folder")
            .permissions()
            .mode();
        // Guests' users may pass through `servers` and the cache to what is theirs, but list and read nothing there.
        assert_eq!(mode & 0o066, 0, "{folder}: {mode:o}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_deleted_server_or_image_stays_in_the_folder() {
    let cloud = TestCloud::start().await;
    let demo = cloud.demo().await;
    let image = demo.image("raw", b"canary of an image".repeat(1000)).await;
    let flavor = cloud.tiny().await;
    let wanted = serde_json::json!({
        "name": "s", "flavorRef": flavor, "imageRef": image, "networks": "none", "config_drive": true,
    });
    let server = cloud.boot_with(&demo, wanted).await;
    server.reaches("ACTIVE").await;
    server.delete().await.vanishes().await;
    demo.delete(&format!("/image/v2/images/{image}"))
        .await
        .expect(204);
    until("all files of both are gone", || async {
        let left: Vec<PathBuf> = ["images", "servers"]
            .iter()
            .flat_map(|folder| below(&cloud.state_path().join(folder)))
            .filter(|path| {
                let path = path.display().to_string();
                path.contains(&server.id) || path.contains(&image)
            })
            .collect();
        left.is_empty().then_some(())
    })
    .await;
    cloud.audit().await;
}
