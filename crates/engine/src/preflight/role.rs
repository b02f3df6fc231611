//! The role may do what the migration needs.

use crossfade_postgres::Param;
use tokio_postgres::types::Type;

use super::{Context, Finding, Outcome, value};
use crate::error::EngineError;

const CHECK: &str = "role";

const MEMBER: &str = "select pg_catalog.pg_has_role($1::text::pg_catalog.name, 'usage')";
const IS_SUPERUSER: &str =
    "select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = $1::text::pg_catalog.name";
const OF_SCHEMA: &str = "select pg_catalog.has_schema_privilege($1::text::pg_catalog.name, $2, $3)";
const MAY_CREATE: &str = "select pg_catalog.has_schema_privilege($1, 'create')";

const LACKS: &str = "select coalesce(pg_catalog.string_agg(pg_catalog.upper(p.name), ', '), '') \
     from pg_catalog.unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as p (name) \
     where not pg_catalog.has_table_privilege($1::text::pg_catalog.name, $2::pg_catalog.oid, p.name)";

/// Membership in the table's owner, CREATE on its schema for both, and the owner's own rights on
/// the table and on what the plan's expressions call.
///
/// The owner needs CREATE too: the target and the functions become the owner's, and the server lets
/// nobody own what he could not have created. The triggers write as the owner, and the target has
/// the table's rights: an owner who has revoked his own could not mirror a single write.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let table = &context.expansion.table;
    let (owner, schema) = (table.owner.as_str(), table.name.schema.as_str());
    let remedy = format!(
        "run what `crossfade grants --owner {owner} --schema {schema}` prints, as a superuser or the owner"
    );
    let owner_may = async |privilege: &'static str| -> Result<bool, EngineError> {
        let params: [Param<'_>; 3] = [
            (&owner, Type::TEXT),
            (&schema, Type::TEXT),
            (&privilege, Type::TEXT),
        ];
        value(context, OF_SCHEMA, &params).await
    };
    let member: bool = value(context, MEMBER, &[(&owner, Type::TEXT)]).await?;
    if !member && value(context, IS_SUPERUSER, &[(&owner, Type::TEXT)]).await? {
        let message = format!(
            "the table belongs to {}, a superuser: a member of that role would be one, too",
            table.owner
        );
        let remedy = format!(
            "give the table to a role with fewer rights (alter table {} owner to ...)",
            table.name
        );
        return Ok(Finding::of(CHECK, Outcome::Fail, message, remedy));
    }
    if !member {
        let message = format!("the role is no member of the table's owner {}", table.owner);
        return Ok(Finding::of(CHECK, Outcome::Fail, message, remedy));
    }
    let may_create: bool = value(context, MAY_CREATE, &[(&schema, Type::TEXT)]).await?;
    if !may_create {
        let message = format!("the role may not create in schema {}", table.name.schema);
        return Ok(Finding::of(CHECK, Outcome::Fail, message, remedy));
    }
    if !owner_may("create").await? {
        let message = format!(
            "the table's owner {} may not create in schema {}",
            table.owner, table.name.schema
        );
        return Ok(Finding::of(CHECK, Outcome::Fail, message, remedy));
    }
    if !owner_may("usage").await? {
        let message = format!(
            "the table's owner {} may not use schema {}: the triggers, which write as the owner, would \
             fail the applications' statements",
            table.owner, table.name.schema
        );
        let remedy = format!(
            "grant usage on schema {} to {}",
            table.name.schema, table.owner
        );
        return Ok(Finding::of(CHECK, Outcome::Fail, message, remedy));
    }
    let lacks: String = value(
        context,
        LACKS,
        &[(&owner, Type::TEXT), (&table.oid, Type::OID)],
    )
    .await?;
    if !lacks.is_empty() {
        let message = format!(
            "the table's owner {} has not {lacks} on it: the triggers, which write as the owner, would \
             fail the applications' statements",
            table.owner
        );
        let remedy = format!("grant {lacks} on {} to {}", table.name, table.owner);
        return Ok(Finding::of(CHECK, Outcome::Fail, message, remedy));
    }
    if let Some(finding) = denied(context) {
        return Ok(finding);
    }
    Ok(Finding::pass(
        CHECK,
        "member of the owner, may create in the schema; the owner may write the table and evaluate the plan",
    ))
}

/// An expression that the owner may not evaluate: each row that the triggers map by it would be
/// recorded as refused.
fn denied(context: &Context<'_>) -> Option<Finding> {
    let expansion = context.expansion;
    let owner = &expansion.table.owner;
    let listed: Vec<String> = (expansion.denied.iter())
        .map(|denied| format!("{}: {}", denied.what, denied.message))
        .collect();
    (!listed.is_empty()).then(|| {
        let message = format!(
            "the table's owner {owner}, as whom the triggers write, may not evaluate {}",
            listed.join("; ")
        );
        let remedy =
            format!("grant {owner} what is missing: execute on the function, usage on the schema");
        Finding::of(CHECK, Outcome::Fail, message, remedy)
    })
}
