//! What the service refuses, and how a refusal looks on the wire: Neutron's type names and messages, since clients
//! (Nova among them) decide by the type.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rest::Refused;
use serde_json::json;
use sql::sea_orm::DbErr;
use sql::{AsConflict, SqlError};

use crate::words::Ethertype;

/// The result of everything that serves a request.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

/// A refusal or failure of one request.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A body or query that makes no sense; `0` is the whole message.
    #[error("{0}")]
    BadRequest(String),
    #[error("Invalid input for {attribute}. Reason: {reason}.")]
    InvalidAttribute { attribute: String, reason: String },
    #[error("Invalid input for operation: {0}.")]
    InvalidInput(String),
    #[error("The resource could not be found.")]
    NoSuchRoute,
    #[error("The method is not allowed for this resource.")]
    NoSuchMethod,
    /// An object that is not there or not visible to the caller; `kind` as in [`kinds`].
    #[error("{} {id} could not be found.", kind.0)]
    NotFound { kind: &'static Kind, id: String },
    #[error("rule:{0} is disallowed by policy")]
    Forbidden(String),
    /// A port on a network that is not the caller's (the project is named) and not shared with it.
    #[error("Tenant {0} not allowed to create port on this network")]
    NotYourNetwork(String),
    #[error("Constraint failed: resource {id} is at revision {found}.")]
    WrongRevision { id: String, found: i64 },
    #[error("Quota exceeded for resources: {0:?}.")]
    OverQuota(Vec<String>),

    #[error(
        "Unable to complete operation on network {0}. There are one or more ports still in use on the network."
    )]
    NetworkInUse(String),
    #[error("MTU of {network} is not valid, subnet requires a minimum of {least}.")]
    SubnetMtu { network: String, least: i32 },
    #[error("Unable to complete operation on subnet {id}: {reason}.")]
    SubnetInUse { id: String, reason: String },
    #[error(
        "Unable to reconfigure sharing settings for network {0}. Multiple tenants are using it."
    )]
    InvalidSharedSetting(String),
    #[error("No more IP addresses available on network {0}.")]
    IpAddressGenerationFailure(String),
    #[error("IP address {ip} already allocated in subnet {subnet}.")]
    IpAddressAlreadyAllocated { ip: String, subnet: String },
    #[error("IP address {0} is not a valid IP for the specified subnet.")]
    InvalidIpForSubnet(String),
    #[error("IP address {0} is not a valid IP for any of the subnets on the specified network.")]
    InvalidIpForNetwork(String),
    #[error("Unable to complete operation for network {network}. The mac address {mac} is in use.")]
    MacAddressInUse { network: String, mac: String },
    #[error(
        "Unable to complete operation on port {port} for network {network}. Port already has an attached device {device}."
    )]
    PortInUse {
        port: String,
        network: String,
        device: String,
    },
    #[error("Port {id} cannot be deleted directly via the port API: {reason}.")]
    ServicePortInUse { id: String, reason: String },
    #[error("Gateway ip {ip} conflicts with allocation pool {pool}.")]
    GatewayConflict { ip: String, pool: String },
    #[error("Current gateway ip {ip} already in use by port {port}. Unable to update.")]
    GatewayIpInUse { ip: String, port: String },
    #[error("Found overlapping allocation pools: {0} for subnet {1}.")]
    OverlappingPools(String, String),
    #[error("The allocation pool {0} is not valid.")]
    InvalidPool(String),
    #[error("The allocation pool {0} spans beyond the subnet cidr {1}.")]
    PoolOutOfBounds(String, String),
    /// A subnet of an external network that would take something away from the host; `by` says what.
    #[error(
        "The range {range} of an external network becomes a route of this host, and it overlaps {by}. Choose another range."
    )]
    OverlapsHost { range: String, by: String },
    #[error("Network type '{0}' is not supported by this host's data plane.")]
    NetworkType(String),

    #[error("Security Group {0} in use.")]
    SecurityGroupInUse(String),
    #[error("Insufficient rights for removing default security group.")]
    CannotRemoveDefault,
    #[error("Updating default security group not allowed.")]
    CannotUpdateDefault,
    #[error("Default security group already exists.")]
    DefaultAlreadyExists,
    #[error("Security group rule already exists. Rule id is {0}.")]
    RuleExists(String),
    #[error(
        "Security group rule protocol {0} not supported. Only protocol values of names and integer representations [0 to 255] are supported."
    )]
    RuleProtocol(String),
    #[error("For TCP/UDP protocols, port_range_min must be <= port_range_max.")]
    RulePortRange,
    #[error("Invalid value for port {0}: {1} must be between 1 and 65535.")]
    RulePort(i64, &'static str),
    #[error("Invalid value for port {0}.")]
    RulePortValue(String),
    #[error(
        "Security group rule for ethertype '{0}' not supported. Allowed values are ['IPv4', 'IPv6']."
    )]
    RuleEthertypeUnknown(String),
    #[error("Invalid CIDR {0} given as IP prefix.")]
    InvalidCidr(String),
    #[error("Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.")]
    RuleIcmp {
        field: &'static str,
        attribute: &'static str,
        value: i64,
    },
    #[error(
        "ICMP code (port-range-max) {0} is provided but ICMP type (port-range-min) is missing."
    )]
    RuleIcmpType(i64),
    #[error("Must also specify protocol if port range is given.")]
    RuleProtocolRequired,
    #[error("Only remote_ip_prefix or remote_group_id may be provided.")]
    RuleRemotes,
    #[error("Conflicting value ethertype {0} for CIDR {1}.")]
    RuleEthertype(Ethertype, String),
    #[error("Invalid ethertype {0} for protocol {1}.")]
    RuleEthertypeProtocol(Ethertype, String),
    #[error("Port Security must be enabled in order to have allowed address pairs on a port.")]
    PairsNeedPortSecurity,
    #[error(
        "Port security must be enabled and port must have an IP address in order to use security groups."
    )]
    GroupsNeedPortSecurity,
    #[error(
        "Port has security group associated. Cannot disable port security or IP address until security group is removed."
    )]
    PortHasGroups,
    #[error("Request contains duplicate address pair: mac_address {0} ip_address {1}.")]
    DuplicatePair(String, String),

    #[error("Router {id} {reason}.")]
    RouterInUse { id: String, reason: String },
    #[error(
        "Router interface for subnet {subnet} on router {router} cannot be deleted, as it is required by one or more floating IPs."
    )]
    RouterInterfaceInUseByFloatingIp { router: String, subnet: String },
    #[error(
        "Router interface for subnet {subnet} on router {router} cannot be deleted, as it is required by one or more routes."
    )]
    RouterInterfaceInUseByRoute { router: String, subnet: String },
    #[error(
        "Gateway cannot be updated for router {0}, since a gateway to external network {1} is required by one or more floating IPs."
    )]
    GatewayInUseByFloatingIp(String, String),
    #[error("Router {0} does not have an interface with id {1}.")]
    RouterInterfaceNotFound(String, String),
    #[error("Router {0} has no interface on subnet {1}.")]
    RouterInterfaceNotFoundForSubnet(String, String),
    #[error("Invalid format for routes: {routes}, {reason}.")]
    InvalidRoutes { routes: String, reason: String },
    #[error("Bad router request: {0}.")]
    BadRouter(String),
    #[error(
        "External network {net} is not reachable from subnet {subnet}. Therefore, cannot associate Port {port} with a Floating IP."
    )]
    NoExternalGateway {
        net: String,
        subnet: String,
        port: String,
    },
    #[error(
        "Cannot associate floating IP {ip} ({id}) with port {port} using fixed IP {fixed}, as that fixed IP already has a floating IP on external network {net}."
    )]
    FixedIpInUse {
        ip: String,
        id: String,
        port: String,
        fixed: String,
        net: String,
    },
    #[error("Bad floatingip request: {0}.")]
    BadFloatingIp(String),
    #[error("Bad port_forwarding request: {0}.")]
    BadForwarding(String),
    #[error("Port Forwarding filter {0} is not supported.")]
    ForwardingFilter(String),
    #[error("Floating IP {0} in use by Port Forwarding resources.")]
    FloatingIpForwards(String),
    #[error(
        "Cannot create port forwarding to floating IP {ip} ({id}) with port {port} using fixed IP {fixed}, as that port already has a binding floating IP."
    )]
    PortHasFloatingIp {
        ip: String,
        id: String,
        port: String,
        fixed: String,
    },
    #[error(
        "External network {0} cannot be updated to be made non-external, since it has existing gateway ports."
    )]
    ExternalInUse(String),

    #[error("Subnet pool {0} has existing allocations.")]
    SubnetPoolInUse(String),
    #[error("Insufficient prefix space to allocate subnet size /{0}.")]
    PoolExhausted(i32),
    #[error("Illegal prefix bounds: {0}.")]
    PrefixBounds(String),
    #[error("Cannot allocate requested subnet from the available set of prefixes.")]
    PoolCannotAllocate,
    #[error("Unable to allocate subnet with prefix length {0}, minimum allowed prefix is {1}.")]
    PoolPrefixShort(i32, i32),
    #[error("Unable to allocate subnet with prefix length {0}, maximum allowed prefix is {1}.")]
    PoolPrefixLong(i32, i32),
    #[error("Illegal update to prefixes: {0}.")]
    PoolPrefixUpdate(String),
    #[error(
        "Illegal subnetpool update : subnetpool {pool} cannot be updated when associated with shared address scope {scope}."
    )]
    PoolOfScope { pool: String, scope: String },
    #[error(
        "Failed to associate address scope: subnetpools within an address scope must have unique prefixes."
    )]
    ScopePrefixConflict,
    #[error(
        "Illegal subnetpool association: subnetpool {pool} cannot associate with address scope {scope} because subnetpool ip_version is not {version}."
    )]
    ScopeVersion {
        pool: String,
        scope: String,
        version: i32,
    },
    #[error("Per-tenant subnet pool prefix quota exceeded.")]
    PoolQuota,
    #[error("Address scope {0} in use: one or more subnet pools are associated with it.")]
    AddressScopeInUse(String),
    #[error("An RBAC policy already exists with those values.")]
    DuplicateRbac,
    #[error("RBAC policy on object {0} cannot be removed because other objects depend on it: {1}.")]
    RbacInUse(String, String),
    #[error("Binding for port {0} on host {1} already exists.")]
    BindingExists(String, String),
    #[error("Binding for port {0} on host {1} is already active.")]
    BindingActive(String, String),
    #[error("Deployment error: {0}.")]
    AutoAllocation(String),
    #[error("{0}")]
    NotBuilt(String),

    /// A row changed between reading and writing: the transaction is tried again.
    #[error("The object was changed by another request.")]
    Stale,
    #[error("Request Failed: internal server error while processing your request.")]
    Database(#[from] SqlError),
    /// Something stored cannot be read back.
    #[error("Request Failed: internal server error while processing your request.")]
    Broken(String),
}

/// A kind of object as errors name it: how it reads in a message, and Neutron's exception type.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind(pub &'static str, pub &'static str);

/// The kinds that can be missing.
pub mod kinds {
    use super::Kind;
    pub static NETWORK: Kind = Kind("Network", "NetworkNotFound");
    pub static SUBNET: Kind = Kind("Subnet", "SubnetNotFound");
    pub static PORT: Kind = Kind("Port", "PortNotFound");
    pub static SECURITY_GROUP: Kind = Kind("Security group", "SecurityGroupNotFound");
    pub static RULE: Kind = Kind("Security group rule", "SecurityGroupRuleNotFound");
    pub static ROUTER: Kind = Kind("Router", "RouterNotFound");
    pub static FLOATINGIP: Kind = Kind("Floating IP", "FloatingIPNotFound");
    pub static FORWARDING: Kind = Kind("Port Forwarding", "PortForwardingNotFound");
    pub static SUBNETPOOL: Kind = Kind("Subnet pool", "SubnetPoolNotFound");
    pub static ADDRESS_SCOPE: Kind = Kind("Address scope", "AddressScopeNotFound");
    pub static RBAC: Kind = Kind("RBAC policy", "RbacPolicyNotFound");
    pub static AGENT: Kind = Kind("Agent", "AgentNotFound");
    pub static EXTENSION: Kind = Kind("Extension", "ExtensionNotFound");
    pub static BINDING: Kind = Kind("Binding for port", "PortBindingNotFound");
    pub static TAG: Kind = Kind("Tag", "TagNotFound");
    pub static ZONE: Kind = Kind("AvailabilityZone", "AvailabilityZoneNotFound");
}

/// An object of this kind and id is not there.
pub fn missing(kind: &'static Kind, id: impl Into<String>) -> Fault {
    Fault::NotFound {
        kind,
        id: id.into(),
    }
}

/// The value of an attribute cannot be accepted.
pub fn invalid(attribute: &str, reason: impl Into<String>) -> Fault {
    Fault::InvalidAttribute {
        attribute: attribute.to_owned(),
        reason: reason.into(),
    }
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        Fault::Database(SqlError::from(error))
    }
}

/// What the frame refuses, in Neutron's words.
impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoPath | Refused::NotInVersion | Refused::Gone => Fault::NoSuchRoute,
            Refused::NoVerb(_) => Fault::NoSuchMethod,
            Refused::NotBuilt(_) => Fault::NotBuilt(refused.to_string()),
            Refused::Malformed(_) => {
                Fault::BadRequest("Unable to find a JSON object in request body".to_owned())
            }
            refused => Fault::BadRequest(refused.to_string()),
        }
    }
}

impl AsConflict for Fault {
    fn as_conflict(&self) -> bool {
        match self {
            Fault::Stale => true,
            Fault::Database(error) => error.is_conflict(),
            _ => false,
        }
    }
}

impl Fault {
    /// Whether a unique key was broken: somebody else made the same row first.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Fault::Database(error) if error.is_duplicate())
    }

    /// The status and the type that clients see.
    pub fn wire(&self) -> (StatusCode, &'static str) {
        use Fault as F;
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        const CONFLICT: StatusCode = StatusCode::CONFLICT;
        const MISSING: StatusCode = StatusCode::NOT_FOUND;
        match self {
            F::BadRequest(_) => (BAD, "HTTPBadRequest"),
            F::InvalidAttribute { .. } => (BAD, "HTTPBadRequest"),
            F::InvalidInput(_) => (BAD, "InvalidInput"),
            F::NoSuchRoute => (MISSING, "HTTPNotFound"),
            F::NoSuchMethod => (StatusCode::METHOD_NOT_ALLOWED, "HTTPMethodNotAllowed"),
            F::NotFound { kind, .. } => (MISSING, kind.1),
            F::Forbidden(_) => (StatusCode::FORBIDDEN, "PolicyNotAuthorized"),
            F::NotYourNetwork(_) => (StatusCode::FORBIDDEN, "HTTPForbidden"),
            F::WrongRevision { .. } => (
                StatusCode::PRECONDITION_FAILED,
                "RevisionNumberConstraintFailed",
            ),
            F::OverQuota(_) => (CONFLICT, "OverQuota"),
            F::NetworkInUse(_) => (CONFLICT, "NetworkInUse"),
            F::SubnetMtu { .. } => (CONFLICT, "NetworkMTUSubnetConflict"),
            F::SubnetInUse { .. } => (CONFLICT, "SubnetInUse"),
            F::InvalidSharedSetting(_) => (CONFLICT, "InvalidSharedSetting"),
            F::IpAddressGenerationFailure(_) => (CONFLICT, "IpAddressGenerationFailure"),
            F::IpAddressAlreadyAllocated { .. } => (CONFLICT, "IpAddressAlreadyAllocated"),
            F::InvalidIpForSubnet(_) => (BAD, "InvalidIpForSubnet"),
            F::InvalidIpForNetwork(_) => (BAD, "InvalidIpForNetwork"),
            F::MacAddressInUse { .. } => (CONFLICT, "MacAddressInUse"),
            F::PortInUse { .. } => (CONFLICT, "PortInUse"),
            F::ServicePortInUse { .. } => (CONFLICT, "ServicePortInUse"),
            F::GatewayConflict { .. } => (CONFLICT, "GatewayConflictWithAllocationPools"),
            F::GatewayIpInUse { .. } => (CONFLICT, "GatewayIpInUse"),
            F::OverlappingPools(..) => (CONFLICT, "OverlappingAllocationPools"),
            F::InvalidPool(_) => (BAD, "InvalidAllocationPool"),
            F::PoolOutOfBounds(..) => (BAD, "OutOfBoundsAllocationPool"),
            F::OverlapsHost { .. } => (CONFLICT, "SubnetOverlapsHost"),
            F::NetworkType(_) => (BAD, "InvalidInput"),
            F::SecurityGroupInUse(_) => (CONFLICT, "SecurityGroupInUse"),
            F::CannotRemoveDefault => (CONFLICT, "SecurityGroupCannotRemoveDefault"),
            F::CannotUpdateDefault => (CONFLICT, "SecurityGroupCannotUpdateDefault"),
            F::DefaultAlreadyExists => (CONFLICT, "SecurityGroupDefaultAlreadyExists"),
            F::RuleExists(_) => (CONFLICT, "SecurityGroupRuleExists"),
            F::RuleProtocol(_) => (BAD, "SecurityGroupRuleInvalidProtocol"),
            F::RulePortRange => (BAD, "SecurityGroupInvalidPortRange"),
            F::RulePort(..) | F::RulePortValue(_) => (BAD, "SecurityGroupInvalidPortValue"),
            F::RuleEthertypeUnknown(_) => (BAD, "SecurityGroupRuleInvalidEtherType"),
            F::InvalidCidr(_) => (BAD, "InvalidCIDR"),
            F::RuleIcmp { .. } => (BAD, "SecurityGroupInvalidIcmpValue"),
            F::RuleIcmpType(_) => (BAD, "SecurityGroupMissingIcmpType"),
            F::RuleProtocolRequired => (BAD, "SecurityGroupProtocolRequiredWithPorts"),
            F::RuleRemotes => (BAD, "SecurityGroupMultipleRemoteEntites"),
            F::RuleEthertype(..) => (BAD, "SecurityGroupRuleParameterConflict"),
            F::RuleEthertypeProtocol(..) => (BAD, "SecurityGroupEthertypeConflictWithProtocol"),
            F::PairsNeedPortSecurity => (CONFLICT, "AddressPairAndPortSecurityRequired"),
            F::GroupsNeedPortSecurity => (BAD, "PortSecurityAndIPRequiredForSecurityGroups"),
            F::PortHasGroups => (CONFLICT, "PortSecurityPortHasSecurityGroup"),
            F::DuplicatePair(..) => (BAD, "DuplicateAddressPairInRequest"),
            F::RouterInUse { .. } => (CONFLICT, "RouterInUse"),
            F::RouterInterfaceInUseByFloatingIp { .. } => {
                (CONFLICT, "RouterInterfaceInUseByFloatingIP")
            }
            F::RouterInterfaceInUseByRoute { .. } => (CONFLICT, "RouterInterfaceInUseByRoute"),
            F::GatewayInUseByFloatingIp(..) => (CONFLICT, "RouterExternalGatewayInUseByFloatingIp"),
            F::RouterInterfaceNotFound(..) => (MISSING, "RouterInterfaceNotFound"),
            F::RouterInterfaceNotFoundForSubnet(..) => {
                (MISSING, "RouterInterfaceNotFoundForSubnet")
            }
            F::InvalidRoutes { .. } => (BAD, "InvalidRoutes"),
            F::BadRouter(_) => (BAD, "BadRequest"),
            F::NoExternalGateway { .. } => (MISSING, "ExternalGatewayForFloatingIPNotFound"),
            F::FixedIpInUse { .. } => (CONFLICT, "FloatingIPPortAlreadyAssociated"),
            F::BadFloatingIp(_) | F::BadForwarding(_) => (BAD, "BadRequest"),
            F::ForwardingFilter(_) => (BAD, "PortForwardingNotSupportFilterField"),
            F::FloatingIpForwards(_) => (CONFLICT, "FipInUseByPortForwarding"),
            F::PortHasFloatingIp { .. } => (CONFLICT, "PortHasBindingFloatingIP"),
            F::ExternalInUse(_) => (CONFLICT, "ExternalNetworkInUse"),
            F::SubnetPoolInUse(_) => (CONFLICT, "SubnetPoolInUse"),
            F::PoolExhausted(_) => (StatusCode::SERVICE_UNAVAILABLE, "SubnetAllocationError"),
            F::PrefixBounds(_) => (BAD, "IllegalSubnetPoolPrefixBounds"),
            F::PoolCannotAllocate => (StatusCode::SERVICE_UNAVAILABLE, "SubnetAllocationError"),
            F::PoolPrefixShort(..) => (BAD, "MinPrefixSubnetAllocationError"),
            F::PoolPrefixLong(..) => (BAD, "MaxPrefixSubnetAllocationError"),
            F::PoolPrefixUpdate(_) => (BAD, "IllegalSubnetPoolPrefixUpdate"),
            F::PoolOfScope { .. } => (BAD, "IllegalSubnetPoolUpdate"),
            F::ScopePrefixConflict => (CONFLICT, "AddressScopePrefixConflict"),
            F::ScopeVersion { .. } => (BAD, "IllegalSubnetPoolIpVersionAssociationToAddressScope"),
            F::PoolQuota => (CONFLICT, "SubnetPoolQuotaExceeded"),
            F::AddressScopeInUse(_) => (CONFLICT, "AddressScopeInUse"),
            F::DuplicateRbac => (CONFLICT, "DuplicateRbacPolicy"),
            F::RbacInUse(..) => (CONFLICT, "RbacPolicyInUse"),
            F::BindingExists(..) => (CONFLICT, "PortBindingAlreadyExists"),
            F::BindingActive(..) => (CONFLICT, "PortBindingAlreadyActive"),
            F::AutoAllocation(_) => (CONFLICT, "AutoAllocationFailure"),
            F::NotBuilt(_) => (StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
            F::Stale => (CONFLICT, "HTTPConflict"),
            F::Database(error) if error.is_full() => {
                (StatusCode::SERVICE_UNAVAILABLE, "HTTPServiceUnavailable")
            }
            F::Database(_) | F::Broken(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "HTTPInternalServerError")
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, kind) = self.wire();
        match &self {
            Fault::Database(error) => {
                tracing::error!(error = %Chain(error), "a request failed at the database");
            }
            Fault::Broken(what) => tracing::error!(what, "something stored cannot be read"),
            _ => {}
        }
        let message = match &self {
            Fault::Database(error) if error.is_full() => sql::NO_ROOM.to_owned(),
            other => other.to_string(),
        };
        let body = json!({"NeutronError": {"type": kind, "message": message, "detail": ""}});
        web::body::json(status, &body)
    }
}

/// An error with its causes, for the log.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
