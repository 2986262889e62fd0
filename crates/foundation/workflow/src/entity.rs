//! The tables: a row per workflow, a row per step that ended, and a row per signal that waits.

use sql::sea_orm::{self, entity::prelude::*};

/// Which way a workflow goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Direction {
    #[sea_orm(string_value = "forward")]
    Forward,
    #[sea_orm(string_value = "undo")]
    Undo,
}

/// How far a workflow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Status {
    /// In work, or waiting for a runner.
    #[sea_orm(string_value = "running")]
    Running,
    /// Every step ran.
    #[sea_orm(string_value = "done")]
    Done,
    /// Failed or cancelled, and everything was undone.
    #[sea_orm(string_value = "undone")]
    Undone,
    /// Needs an operator; see [`crate::resume`].
    #[sea_orm(string_value = "stuck")]
    Stuck,
    /// An operator gave it up where it was stuck; see [`crate::abandon`]. What it made is left as it is.
    #[sea_orm(string_value = "abandoned")]
    Abandoned,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Outcome {
    #[sea_orm(string_value = "done")]
    Done,
    /// The step asked to go back to an earlier one.
    #[sea_orm(string_value = "back")]
    Back,
    #[sea_orm(string_value = "retry")]
    Retry,
    #[sea_orm(string_value = "failed")]
    Failed,
    #[sea_orm(string_value = "undone")]
    Undone,
    #[sea_orm(string_value = "undo failed")]
    UndoFailed,
}

pub mod workflow {
    //! A workflow: the journal's row.
    use super::{Direction, Status};
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        pub version: i32,
        pub subject: String,
        #[sea_orm(column_type = "Text")]
        pub state: String,
        pub direction: Direction,
        /// The step to do next; empty when it is the turn of the workflow's ending.
        pub position: String,
        /// While undoing for an alternative: the step to undo last and to run again.
        pub back_to: Option<String>,
        pub status: Status,
        /// Steps in the history so far.
        pub seq: i32,
        /// The runner that holds the lease; empty when nobody does.
        pub owner: String,
        pub epoch: i64,
        /// End of the lease; without an owner, the earliest moment for a sweep to take it.
        pub lease_until: ChronoDateTimeUtc,
        pub attempts: i32,
        pub cancel: bool,
        /// The step from which there is no way back, once it was reached.
        pub forward_from: Option<String>,
        /// A signal came that no step has looked at yet.
        pub signalled: bool,
        /// Why it is undone or stuck, or what the last attempt complained of: JSON.
        #[sea_orm(column_type = "Text", nullable)]
        pub error: Option<String>,
        pub created_at: ChronoDateTimeUtc,
        pub updated_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod step {
    //! The history: a row per attempt at a step, written when it ends.
    use super::Outcome;
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_step")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub workflow_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i32,
        pub name: String,
        pub outcome: Outcome,
        pub started_at: ChronoDateTimeUtc,
        pub ended_at: ChronoDateTimeUtc,
        #[sea_orm(column_type = "Text", nullable)]
        pub error: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod signal {
    //! What others said to a workflow and no step has taken yet.
    use sql::sea_orm::{self, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_signal")]
    pub struct Model {
        /// In the order in which they came.
        #[sea_orm(primary_key)]
        pub id: i64,
        pub workflow_id: String,
        pub name: String,
        /// JSON.
        #[sea_orm(column_type = "Text")]
        pub payload: String,
        pub created_at: ChronoDateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
