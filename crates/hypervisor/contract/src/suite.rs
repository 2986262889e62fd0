//! (the contract suite follows)
