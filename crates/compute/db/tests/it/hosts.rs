//! Who reported when.

use chrono::{TimeDelta, Utc};
use compute_db::hosts;

#[tokio::test]
async fn a_host_is_heard_of_beside_the_last_report_of_anybody() {
    for db in super::databases().await {
        let nobody = hosts::heard(db.read(), "a").await.expect("heard");
        assert_eq!((nobody.service, nobody.newest), (None, None));
        let now = sql::micros(Utc::now());
        let earlier = now - TimeDelta::seconds(90);
        let reports = [
            ("b", "nova-scheduler", now),
            ("a", hosts::COMPUTE, earlier),
            ("b", hosts::COMPUTE, earlier),
        ];
        for (host, binary, at) in reports {
            let tx = db.begin().await.expect("begin");
            hosts::seen(&tx, host, binary, at).await.expect("seen");
            tx.commit().await.expect("commit");
        }
        let heard = hosts::heard(db.read(), "a").await.expect("heard");
        assert_eq!(heard.newest, Some(now));
        let service = heard.service.expect("its agent reported");
        assert_eq!(
            (service.host.as_str(), service.last_seen),
            ("a", Some(earlier))
        );
    }
}
