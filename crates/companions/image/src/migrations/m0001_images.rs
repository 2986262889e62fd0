//! Images with properties, tags and members; tasks.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// The first step.
pub struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0001_images"
    }
}

/// Length of an id.
const ID: u32 = 36;

fn text(name: &str, length: u32) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
        .string_len(length)
        .to_owned()
}

/// A column whose values differ by case on MariaDB too, whose default collation ignores it.
fn exact(engine: DatabaseBackend, name: &str) -> ColumnDef {
    let mut column = text(name, 255);
    if engine == DatabaseBackend::MySql {
        column.custom(Alias::new(
            "varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        ));
    }
    column.not_null().to_owned()
}

/// A moment to the microsecond; MariaDB's `timestamp` would keep seconds and end in 2038.
fn moment(engine: DatabaseBackend, name: &str) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    if engine == DatabaseBackend::MySql {
        column.custom(Alias::new("datetime(6)"));
    } else {
        column.timestamp_with_time_zone();
    }
    column
}

fn table(name: &str) -> TableCreateStatement {
    Table::create()
        .table(Alias::new(name))
        .if_not_exists()
        .to_owned()
}

/// Rows of `from` go with their image.
fn of_image(from: &str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{from}_image"))
        .from(Alias::new(from), Alias::new("image_id"))
        .to(Alias::new("images"), Alias::new("id"))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

fn images(engine: DatabaseBackend) -> TableCreateStatement {
    let number = |name: &str| ColumnDef::new(Alias::new(name)).big_integer().to_owned();
    let flag = |name: &str| {
        ColumnDef::new(Alias::new(name))
            .boolean()
            .not_null()
            .to_owned()
    };
    table("images")
        .col(text("id", ID).not_null().primary_key())
        .col(text("name", 255))
        .col(text("status", 16).not_null())
        .col(text("visibility", 16).not_null())
        .col(text("owner", 255))
        .col(text("disk_format", 32))
        .col(text("container_format", 32))
        .col(number("size"))
        .col(number("virtual_size"))
        .col(number("min_disk").not_null())
        .col(number("min_ram").not_null())
        .col(flag("protected"))
        .col(flag("os_hidden"))
        .col(text("checksum", 32))
        .col(text("os_hash_algo", 64))
        .col(text("os_hash_value", 128))
        .col(text("data", ID))
        .col(moment(engine, "created_at").not_null())
        .col(moment(engine, "updated_at").not_null())
        .to_owned()
}

/// A table of what belongs to images, told apart by image and `key`.
fn belongings(engine: DatabaseBackend, name: &str, key: &str) -> TableCreateStatement {
    table(name)
        .col(text("image_id", ID).not_null())
        .col(exact(engine, key))
        .primary_key(
            Index::create()
                .col(Alias::new("image_id"))
                .col(Alias::new(key)),
        )
        .foreign_key(&mut of_image(name))
        .to_owned()
}

fn tasks(engine: DatabaseBackend) -> TableCreateStatement {
    let long = |name: &str| {
        ColumnDef::new(Alias::new(name))
            .text()
            .not_null()
            .to_owned()
    };
    table("tasks")
        .col(text("id", ID).not_null().primary_key())
        .col(text("kind", 32).not_null())
        .col(text("status", 16).not_null())
        .col(text("owner", 255))
        .col(text("image_id", ID).not_null())
        .col(text("user_id", 64).not_null())
        .col(text("request_id", 64).not_null())
        .col(long("input"))
        .col(long("message"))
        .col(moment(engine, "created_at").not_null())
        .col(moment(engine, "updated_at").not_null())
        .col(moment(engine, "expires_at"))
        .to_owned()
}

/// What lists and lookups go by.
const INDEXES: [(&str, &[&str]); 5] = [
    ("images", &["created_at", "id"]),
    ("images", &["owner"]),
    ("images", &["name"]),
    ("image_members", &["member"]),
    ("tasks", &["image_id"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let engine = manager.get_database_backend();
        manager.create_table(images(engine)).await?;
        let mut properties = belongings(engine, "image_properties", "name");
        properties.col(ColumnDef::new(Alias::new("value")).text().not_null());
        manager.create_table(properties).await?;
        manager
            .create_table(belongings(engine, "image_tags", "value"))
            .await?;
        let mut members = belongings(engine, "image_members", "member");
        members
            .col(text("status", 16).not_null())
            .col(moment(engine, "created_at").not_null())
            .col(moment(engine, "updated_at").not_null());
        manager.create_table(members).await?;
        manager.create_table(tasks(engine)).await?;
        for (table, columns) in INDEXES {
            let mut index = Index::create();
            index
                .name(format!("ix_{table}_{}", columns.join("_")))
                .table(Alias::new(table));
            for column in columns {
                index.col(Alias::new(*column));
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [
            "tasks",
            "image_members",
            "image_tags",
            "image_properties",
            "images",
        ] {
            manager
                .drop_table(Table::drop().table(Alias::new(name)).to_owned())
                .await?;
        }
        Ok(())
    }
}
