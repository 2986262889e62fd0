//! Policies about sharing, as users make them. What they mean is in [`crate::db::sharing`].

use sql::sea_orm::{ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel};

use crate::attributes::Attrs;
use crate::core::Cx;
use crate::db::sharing::{EVERYBODY, makes_uplink, of_object, reaches};
use crate::db::store::{self, Tx};
use crate::fault::{Fault, Result, kinds, missing};
use crate::sharing::{free_of_use, owner_of};
use crate::tables::{address_scopes, networks, rbac_policies, subnetpools};
use crate::views::{self, View};
use crate::words::{Access, Shareable, Word};

/// The policies that the caller sees: its own and those for it.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.is_admin() {
        return Condition::all();
    }
    Condition::any()
        .add(rbac_policies::Column::ProjectId.eq(cx.project()))
        .add(rbac_policies::Column::TargetProject.eq(cx.project()))
}

/// Makes a policy.
pub async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<rbac_policies::Model> {
    let kind = attrs.text("object_type");
    let object_type = Shareable::read(&kind)
        .ok_or_else(|| Fault::InvalidInput(format!("'{kind}' is not a valid RBAC object type")))?;
    let word = attrs.text("action");
    let actions: &[Access] = match object_type {
        Shareable::Network => &[Access::Shared, Access::External],
        Shareable::SecurityGroup | Shareable::SubnetPool | Shareable::AddressScope => {
            &[Access::Shared]
        }
    };
    let action = Access::read(&word).filter(|action| actions.contains(action));
    let action = action.ok_or_else(|| {
        let valid: Vec<&str> = actions.iter().map(|action| action.word()).collect();
        Fault::InvalidInput(format!(
            "Invalid action '{word}' for object type '{kind}'. Valid actions: {valid:?}"
        ))
    })?;
    let row = rbac_policies::Model {
        id: store::new_id(),
        project_id: attrs.text("project_id"),
        object_type,
        object_id: attrs.text("object_id"),
        action,
        target_project: attrs.text("target_tenant"),
        uplink: cx.is_admin(),
    };
    let owner = owner_of(tx, row.object_type, &row.object_id).await?;
    let same = of_object(tx, &row.object_id).await?;
    if !cx.is_admin() && owner != cx.project() {
        let shared = same.iter().any(|policy| reaches(policy, cx.project()));
        return Err(match cx.sees_all() || shared || is_open(tx, &row).await? {
            true => Fault::InvalidInput(
                "Only admins can manipulate policies on objects they do not own".to_owned(),
            ),
            false => missing(&kinds::RBAC, row.object_id),
        });
    }
    if same
        .iter()
        .any(|p| p.action == row.action && p.target_project == row.target_project)
    {
        return Err(Fault::DuplicateRbac);
    }
    match row.object_type {
        // The network's ranges may take nothing from the host that becomes its way out.
        Shareable::Network if makes_uplink(&row) && !same.iter().any(makes_uplink) => {
            cx.core.host.admit_network(tx, &row.object_id).await?;
        }
        Shareable::SubnetPool => scope_is_open(tx, &row).await?,
        Shareable::Network | Shareable::SecurityGroup | Shareable::AddressScope => {}
    }
    store::insert(tx, row.clone()).await?;
    revise(tx, &row).await?;
    Ok(row)
}

/// Whether everybody may use the object without a policy.
async fn is_open(tx: &Tx, row: &rbac_policies::Model) -> Result<bool> {
    let id = row.object_id.as_str();
    Ok(match row.object_type {
        Shareable::Network | Shareable::SecurityGroup => false,
        Shareable::SubnetPool => {
            let pool = store::get::<subnetpools::Entity>(tx, &kinds::SUBNETPOOL, id);
            pool.await?.shared
        }
        Shareable::AddressScope => {
            let scope = store::get::<address_scopes::Entity>(tx, &kinds::ADDRESS_SCOPE, id);
            scope.await?.shared
        }
    })
}

/// Refuses to share a pool with a project that may not use the pool's address scope.
async fn scope_is_open(tx: &Tx, row: &rbac_policies::Model) -> Result<()> {
    let pool = store::get::<subnetpools::Entity>(tx, &kinds::SUBNETPOOL, &row.object_id).await?;
    let Some(id) = pool.address_scope_id else {
        return Ok(());
    };
    let scope = store::get::<address_scopes::Entity>(tx, &kinds::ADDRESS_SCOPE, &id).await?;
    let target = row.target_project.as_str();
    let given = of_object(tx, &id).await?;
    let open = scope.shared || given.iter().any(|policy| reaches(policy, target));
    if open || scope.project_id == target {
        return Ok(());
    }
    Err(Fault::InvalidInput(format!(
        "Failed to create RBAC policy on object {} because target project doesn't have access to associated address \
         scope",
        row.object_id
    )))
}

/// A policy of a network counts as a change of that.
async fn revise(tx: &Tx, row: &rbac_policies::Model) -> Result<()> {
    match row.object_type {
        Shareable::Network => store::revise::<networks::Model>(tx, &row.object_id).await,
        Shareable::SecurityGroup | Shareable::SubnetPool | Shareable::AddressScope => Ok(()),
    }
}

/// Changes whom a policy is for.
pub async fn update(
    tx: &Tx,
    mut row: rbac_policies::Model,
    attrs: &Attrs,
) -> Result<rbac_policies::Model> {
    let target = attrs.text("target_tenant");
    if attrs.has("target_tenant") && target != row.target_project {
        let all = of_object(tx, &row.object_id).await?;
        let same = |other: &rbac_policies::Model| {
            other.action == row.action && other.target_project == target
        };
        if all.iter().any(same) {
            return Err(Fault::DuplicateRbac);
        }
        if row.object_type == Shareable::SubnetPool {
            let then = rbac_policies::Model {
                target_project: target.clone(),
                ..row.clone()
            };
            scope_is_open(tx, &then).await?;
        }
        let widened = target == EVERYBODY && row.action == Access::Shared;
        if !widened {
            // Whom it is for then, it still reaches.
            let mut then = all.clone();
            then.push(rbac_policies::Model {
                id: String::new(),
                target_project: target.clone(),
                ..row.clone()
            });
            loosed(tx, &row, &then).await?;
        }
        row.target_project = target;
        let values = row.clone().into_active_model().reset_all();
        rbac_policies::Entity::update(values).exec(tx).await?;
        revise(tx, &row).await?;
    }
    Ok(row)
}

/// Removes a policy that nobody depends on.
pub async fn delete(tx: &Tx, row: &rbac_policies::Model) -> Result<()> {
    loosed(tx, row, &of_object(tx, &row.object_id).await?).await?;
    store::delete::<rbac_policies::Entity>(tx, &row.id).await?;
    revise(tx, row).await
}

/// As [`free_of_use`], with the refusal that policies have.
async fn loosed(tx: &Tx, row: &rbac_policies::Model, all: &[rbac_policies::Model]) -> Result<()> {
    if row.action == Access::External && row.target_project == EVERYBODY {
        let network = store::find::<networks::Entity>(tx, &row.object_id).await?;
        if network.is_some_and(|network| network.is_default) {
            let why = "it is the default external network".to_owned();
            return Err(Fault::RbacInUse(row.object_id.clone(), why));
        }
    }
    match free_of_use(tx, row, all).await {
        Err(error @ (Fault::InvalidSharedSetting(_) | Fault::ExternalInUse(_))) => {
            Err(Fault::RbacInUse(row.object_id.clone(), error.to_string()))
        }
        other => other,
    }
}

/// A policy as shown.
pub fn show(row: rbac_policies::Model) -> View {
    let mut view = views::owned(&row.id, &row.project_id);
    views::fill(
        &mut view,
        serde_json::json!({
            "object_type": row.object_type, "object_id": row.object_id,
            "action": row.action, "target_tenant": row.target_project,
        }),
    );
    view
}
