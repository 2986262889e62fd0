//! Bodies of types, QoS specs, quotas, services and clusters.

use microversion::{Version, Versioned};
use rest::accepted::Fate;
use rest::bodies::Body;

use super::whole;
use crate::api::words::Specs;
use crate::api::{
    clusters, default_types, qos, quota_classes, quotas, services, type_access, type_specs, types,
};

pub const ALL: &[&Body] = &[
    &Body {
        calls: &["POST /types"],
        shape: types::CreateType::SHAPE,
        honoured: &[
            "volume_type.name",
            "volume_type.description",
            "volume_type.os-volume-type-access:is_public",
        ],
        others: &[("volume_type.extra_specs", TEXTS)],
        open: &[],
    },
    &whole(
        &["PUT /types/{id}"],
        types::UpdateType::SHAPE,
        &[
            "volume_type.name",
            "volume_type.description",
            "volume_type.is_public",
        ],
    ),
    &whole(
        &["POST /types/{id}/action addProjectAccess"],
        type_access::AddAccess::SHAPE,
        &["addProjectAccess.project"],
    ),
    &whole(
        &["POST /types/{id}/action removeProjectAccess"],
        type_access::RemoveAccess::SHAPE,
        &["removeProjectAccess.project"],
    ),
    &Body {
        calls: &["POST /types/{type_id}/extra_specs"],
        shape: type_specs::CreateSpecs::SHAPE,
        honoured: &[],
        others: &[("extra_specs", TEXTS)],
        open: &[],
    },
    &Body {
        calls: &["PUT /types/{type_id}/extra_specs/{key}"],
        shape: Specs::SHAPE,
        honoured: &[],
        others: &[("*", TEXTS)],
        open: &[],
    },
    &Body {
        calls: &["PUT /default-types/{project_id}"],
        shape: default_types::SetDefault::SHAPE,
        honoured: &["default_type.volume_type"],
        others: &[],
        open: &[("*", Version::MAX, "as in Cinder")],
    },
    &Body {
        calls: &["POST /qos-specs"],
        shape: qos::QosBody::SHAPE,
        honoured: &["qos_specs.name", "qos_specs.consumer"],
        others: &[("qos_specs", QOS)],
        open: &[],
    },
    &Body {
        calls: &["PUT /qos-specs/{id}"],
        shape: qos::QosBody::SHAPE,
        honoured: &["qos_specs.consumer"],
        others: &[("qos_specs", QOS)],
        open: &[],
    },
    &whole(
        &["PUT /qos-specs/{id}/delete_keys"],
        qos::Keys::SHAPE,
        &["keys"],
    ),
    &Body {
        calls: &["PUT /os-quota-sets/{project_id}"],
        shape: quotas::UpdateQuota::SHAPE,
        honoured: &[],
        others: &[
            ("quota_set", LIMITS),
            (
                "quota_set.tenant_id",
                Fate::Hint("the path names the project, as in Cinder"),
            ),
        ],
        open: &[],
    },
    &Body {
        calls: &["PUT /os-quota-class-sets/{class}"],
        shape: quota_classes::UpdateClass::SHAPE,
        honoured: &[],
        others: &[("quota_class_set", LIMITS)],
        open: &[],
    },
    &Body {
        calls: &["PUT /clusters/enable"],
        shape: clusters::Enable::SHAPE,
        honoured: &["name"],
        others: &[("binary", NO_CLUSTER)],
        open: &[],
    },
    &Body {
        calls: &["PUT /clusters/disable"],
        shape: clusters::Disable::SHAPE,
        honoured: &["name"],
        others: &[("binary", NO_CLUSTER), ("disabled_reason", NO_CLUSTER)],
        open: &[],
    },
    &Body {
        calls: &["POST /workers/cleanup"],
        shape: clusters::Cleanup::SHAPE,
        honoured: &["resource_type", "resource_id"],
        others: &[
            ("cluster_name", CLEAN),
            ("host", CLEAN),
            ("service_id", CLEAN),
            ("binary", CLEAN),
            ("is_up", CLEAN),
            ("disabled", CLEAN),
        ],
        open: &[],
    },
    &Body {
        calls: &["PUT /os-services/enable", "PUT /os-services/disable"],
        shape: services::Switched::SHAPE,
        honoured: &["host", "service", "binary"],
        others: &[("cluster", HOSTS)],
        open: &[],
    },
    &Body {
        calls: &["PUT /os-services/disable-log-reason"],
        shape: services::Resting::SHAPE,
        honoured: &["host", "service", "binary", "disabled_reason"],
        others: &[("cluster", HOSTS)],
        open: &[],
    },
    &Body {
        calls: &["PUT /os-services/freeze", "PUT /os-services/thaw"],
        shape: services::Frozen::SHAPE,
        honoured: &["host"],
        others: &[("cluster", NONE_FOUND)],
        open: &[],
    },
    &Body {
        calls: &[
            "PUT /os-services/failover_host",
            "PUT /os-services/failover",
        ],
        shape: services::FailedOver::SHAPE,
        honoured: &["host"],
        others: &[
            (
                "backend_id",
                Fate::Hint("no back end has copies: the call is refused with 400 whatever it says"),
            ),
            ("cluster", NONE_FOUND),
        ],
        open: &[],
    },
];

const TEXTS: Fate = Fate::Within("texts; `null`, which Cinder keeps, is refused with 400");
const QOS: Fate =
    Fate::Within("texts; those that hosts do not know are kept and shown, as in Cinder");
const LIMITS: Fate = Fate::Within("what is limited; other names are refused with 400");
const NO_CLUSTER: Fate =
    Fate::Hint("there are no clusters: the call is answered 404 whatever it says");
const CLEAN: Fate =
    Fate::Hint("the journal continues all work: nothing is left to be cleaned up anywhere");
const NONE_FOUND: Fate = Fate::Within(
    "from 3.26 on: there are no clusters, none is found; before, not looked at, as in Cinder",
);
const HOSTS: Fate = Fate::Hint("services belong to hosts; Cinder does not look at it either");
