//! A server is put aside, and comes back.
//!
//! **aside**: *image* (its record, made by whoever accepted, is there), *devices* (the changes of them that were accepted
//! before are made), *stop*, *export*, *upload*, *shelved*; if it leaves its host: *guest* (it goes), *ports* and *volumes*
//! (they stay the server's, on no host), *offloaded*. **here**: a server that is still on its host starts again. **back**: one
//! that left is built again, from the image of its disk. Both wait for changes of *devices*, too.

pub mod aside;
pub mod back;
pub mod here;

use compute_model::{Server, TaskState};

use crate::records;

/// Task states of a server while one of these workflows holds it.
const TASKS: &[TaskState] = &[
    TaskState::Shelving,
    TaskState::ShelvingImagePendingUpload,
    TaskState::ShelvingImageUploading,
    TaskState::ShelvingOffloading,
    TaskState::Unshelving,
];

fn holds(server: &Server, epoch: i64) -> bool {
    records::holds(server, epoch, TASKS)
}
