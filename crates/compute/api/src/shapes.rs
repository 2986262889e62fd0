//! Every view and request of the API, for checks that walk over all of them.

use microversion::Shape;

/// The tables of all views and requests.
pub const ALL: &[&Shape] = &[];
