//! Options that the sections of several services have.

use crate::Opt;

/// Where a service's tables are.
pub const CONNECTION: Opt = Opt::secret(
    "connection",
    "",
    "Its database; a file of the state folder when empty.",
);

/// Policy files: each service reads one of its own, by [`Reader::existing_file`](crate::Reader::existing_file).
pub const POLICY_FILE: Opt = Opt::path(
    "policy_file",
    "",
    "Rules of this service that replace the defaults (`policy.yaml` or JSON). Read again on SIGHUP.",
);
