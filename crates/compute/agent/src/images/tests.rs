//! The cache against an image service of the test, on a real folder.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Path as Segment, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use clients::Login;
use hypervisor::{ImageRef, Keep, RootDisk, ServerSpec};
use hypervisor_fake::{FakeDriver, FakeSettings};
use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::settings::Budget;

/// Images by id: how long their record says they are, and their data.
#[derive(Clone, Default)]
struct Glance(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    images: BTreeMap<String, (usize, Vec<u8>)>,
    downloads: Vec<String>,
}

impl Glance {
    fn add(&self, id: &str, bytes: usize) {
        let data = (bytes, vec![7; bytes]);
        self.0.lock().unwrap().images.insert(id.to_owned(), data);
    }

    fn downloads(&self, id: &str) -> usize {
        let store = self.0.lock().unwrap();
        store.downloads.iter().filter(|one| *one == id).count()
    }

    fn service(&self) -> Service {
        async fn show(State(glance): State<Glance>, Segment(id): Segment<String>) -> Response {
            let (size, _) = glance.0.lock().unwrap().images[&id].clone();
            axum::Json(json!({"id": id, "status": "active", "size": size})).into_response()
        }
        async fn file(State(glance): State<Glance>, Segment(id): Segment<String>) -> Response {
            let mut store = glance.0.lock().unwrap();
            store.downloads.push(id.clone());
            store.images[&id].1.clone().into_response()
        }
        let router = Router::new()
            .route("/v2/images/{id}", get(show))
            .route("/v2/images/{id}/file", get(file))
            .with_state(self.clone());
        Service::in_process("image", router)
    }
}

fn session() -> Session {
    async fn token() -> Response {
        let body = json!({"token": {"expires_at": "2999-01-01T00:00:00Z"}});
        ([("x-subject-token", "t")], axum::Json(body)).into_response()
    }
    let router = Router::new().route("/v3/auth/tokens", post(token));
    let login = Login {
        user: "nova".to_owned(),
        password: SecretString::from("p"),
        project: "service".to_owned(),
        domain: "Default".to_owned(),
    };
    Session::new(Service::in_process("identity", router), login)
}

struct Site {
    glance: Glance,
    driver: FakeDriver,
    settings: Settings,
    _dir: tempfile::TempDir,
}

impl Site {
    /// A host whose cache has a budget of so many bytes.
    fn new(budget: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            image_cache: dir.path().join("image-cache"),
            ..Settings::of("cloud", "host".parse().unwrap(), "node")
        };
        settings.cache.budget = Budget::Bytes(budget);
        settings.cache.keep_free = 0;
        Site {
            glance: Glance::default(),
            driver: FakeDriver::open(FakeSettings::default()).unwrap(),
            settings,
            _dir: dir,
        }
    }

    fn cache(&self) -> ImageCache {
        let driver: Arc<dyn Driver> = Arc::new(self.driver.clone());
        ImageCache::new(self.glance.service(), session(), &driver, &self.settings)
    }

    fn has(&self, id: &str) -> bool {
        self.settings.image_cache.join(id).exists()
    }

    /// Its last use was so long ago.
    fn age(&self, id: &str, seconds: u64) {
        let file = std::fs::File::open(self.settings.image_cache.join(id)).unwrap();
        let at = SystemTime::now() - Duration::from_secs(seconds);
        file.set_modified(at).unwrap();
    }

    /// A server of this host whose disk is on the cached file.
    async fn server(&self, id: &str) -> ServerSpec {
        let mut spec = ServerSpec::minimal("0d7b1a2c-6a3e-4f0e-9f41-000000000001", "user");
        spec.root_disk = Some(RootDisk {
            size_gb: 1,
            image: Some(ImageRef {
                id: id.to_owned(),
                path: self.settings.image_cache.join(id),
                format: ImageFormat::Raw,
                virtual_size: 1,
            }),
        });
        self.driver.ensure_running(&spec).await.unwrap();
        spec
    }
}

fn image(id: &str, properties: &[(&str, &str)]) -> ServerImage {
    let properties = properties.iter();
    let properties = properties.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ServerImage {
        id: id.to_owned(),
        name: id.to_owned(),
        disk_format: "raw".to_owned(),
        container_format: "bare".to_owned(),
        min_ram: 0,
        min_disk: 0,
        size: 0,
        virtual_size: None,
        properties: properties.collect(),
    }
}

async fn get_image(cache: &ImageCache, id: &str) -> Result<(Ready, Vec<Hold>), Failure> {
    ready(cache, &image(id, &[]), u64::MAX).await
}

#[tokio::test]
async fn room_is_made_by_what_was_not_used_for_longest_and_nobody_needs() {
    let site = Site::new(3000);
    for id in ["a", "b", "c", "d", "e"] {
        site.glance.add(id, 1000);
    }
    let cache = site.cache();
    for (id, age) in [("a", 50), ("b", 30), ("c", 40)] {
        drop(get_image(&cache, id).await.unwrap());
        site.age(id, age);
    }
    let spec = site.server("a").await;
    drop(get_image(&cache, "d").await.unwrap());
    assert!(site.has("a"), "a server's disk is on it");
    assert!(site.has("b") && !site.has("c"), "c was not used for longer");
    // Whoever is about to use one keeps it, also while no server has it yet.
    let (_, _holds) = get_image(&cache, "b").await.unwrap();
    site.age("b", 100);
    drop(get_image(&cache, "e").await.unwrap());
    assert!(site.has("a") && site.has("b") && !site.has("d"));
    assert_eq!(site.glance.downloads("b"), 1);
    // The server is gone: its image may go too.
    site.driver
        .ensure_gone(&spec.id, 1, Keep::Nothing)
        .await
        .unwrap();
    site.age("a", 200);
    drop(get_image(&cache, "c").await.unwrap());
    assert!(!site.has("a") && site.has("b"));
}

#[tokio::test]
async fn an_image_for_which_no_room_can_be_made_is_not_fetched() {
    let site = Site::new(1500);
    site.glance.add("a", 1000);
    site.glance.add("b", 1000);
    let mut cache = site.cache();
    drop(get_image(&cache, "a").await.unwrap());
    site.server("a").await;
    let refused = get_image(&cache, "b").await.err().unwrap();
    assert_eq!(
        refused.code,
        code::HOST_FAILED,
        "another host may have room"
    );
    assert!(
        refused.message.contains("no room for 1000 bytes"),
        "{refused:?}"
    );
    assert_eq!(site.glance.downloads("b"), 0);
    // Not by its budget but by its disk.
    cache.settings.budget = Budget::Percent(100);
    cache.settings.keep_free = u64::MAX;
    let refused = get_image(&cache, "b").await.err().unwrap();
    assert!(
        refused.message.contains("0 are free on the disk"),
        "{refused:?}"
    );
    assert!(site.has("a") && !site.has("b"));
}

#[tokio::test]
async fn fetches_at_once_do_not_pass_the_budget_together() {
    let site = Site::new(2500);
    let cache = site.cache();
    let ids = ["a", "b", "c", "d"];
    for id in ids {
        site.glance.add(id, 1000);
    }
    // Each holds what it got.
    let all = ids.map(|id| get_image(&cache, id));
    let results = futures::future::join_all(all).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
    assert_eq!(ids.iter().filter(|id| site.has(id)).count(), 2);
}

#[tokio::test]
async fn kernels_and_ramdisks_are_bounded_before_they_are_fetched() {
    let mut site = Site::new(1 << 20);
    site.settings.cache.max_kernel = 100;
    site.settings.cache.max_ramdisk = 200;
    for (id, bytes) in [
        ("disk", 1000),
        ("kernel", 100),
        ("large", 101),
        ("ramdisk", 200),
        ("huge", 201),
    ] {
        site.glance.add(id, bytes);
    }
    let cache = site.cache();
    let ask = |properties: &'static [(&'static str, &'static str)]| {
        let (image, cache) = (image("disk", properties), &cache);
        async move { ready(cache, &image, u64::MAX).await }
    };
    ask(&[("kernel_id", "kernel"), ("ramdisk_id", "ramdisk")])
        .await
        .unwrap();
    for wrong in [
        &[("kernel_id", "large")][..],
        &[("kernel_id", "kernel"), ("ramdisk_id", "huge")],
        // One that is here already as a disk is no smaller for that.
        &[("kernel_id", "disk")],
    ] {
        let refused = ask(wrong).await.err().unwrap();
        assert_eq!(refused.code, code::BAD_REQUEST);
        assert!(refused.message.contains("larger than the"), "{refused:?}");
    }
    assert_eq!(
        site.glance.downloads("large") + site.glance.downloads("huge"),
        0
    );
}

#[tokio::test]
async fn a_kernel_beside_a_volume_is_fetched_without_the_disk_of_its_image() {
    let site = Site::new(1 << 20);
    site.glance.add("kernel", 10);
    let cache = site.cache();
    let image = image("gone", &[("kernel_id", "kernel"), ("ramdisk_id", "")]);
    let mut holds = Vec::new();
    let boot = boot_files(&cache, &image, &mut holds).await.unwrap();
    assert!(boot.kernel.unwrap().is_file());
    assert_eq!((boot.ramdisk, holds.len()), (None, 1));
}

#[tokio::test]
async fn data_that_is_longer_than_its_record_says_is_cut_off() {
    let site = Site::new(1 << 20);
    site.glance.add("a", 1000);
    site.glance.0.lock().unwrap().images.get_mut("a").unwrap().0 = 999;
    let cache = site.cache();
    let refused = get_image(&cache, "a").await.err().unwrap();
    assert!(refused.message.contains("digest"), "{refused:?}");
    assert_eq!(
        std::fs::read_dir(&site.settings.image_cache)
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn what_nobody_used_for_long_goes_and_what_was_half_fetched_at_the_start() {
    let mut site = Site::new(1 << 20);
    site.settings.cache.unused_age = Duration::from_secs(100);
    std::fs::create_dir(&site.settings.image_cache).unwrap();
    std::fs::write(site.settings.image_cache.join("x.part"), b"half").unwrap();
    for id in ["old", "young", "needed", "held"] {
        site.glance.add(id, 10);
    }
    let cache = site.cache();
    assert!(!site.has("x.part"));
    // A second host of this process must not take the fetches of the first for left ones.
    std::fs::write(site.settings.image_cache.join("y.part"), b"half").unwrap();
    let _second = site.cache();
    assert!(site.has("y.part"));
    for id in ["old", "young", "needed"] {
        drop(get_image(&cache, id).await.unwrap());
    }
    let (_, _holds) = get_image(&cache, "held").await.unwrap();
    for id in ["old", "needed", "held"] {
        site.age(id, 101);
    }
    site.server("needed").await;
    cache.tidy().await;
    assert!(!site.has("old"));
    assert!(site.has("young") && site.has("needed") && site.has("held"));
}
