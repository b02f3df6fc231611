//! The role may do what the migration needs.

use tokio_postgres::types::Type;

use super::{Context, Finding, Outcome, value};
use crate::error::EngineError;

const CHECK: &str = "role";

const MEMBER: &str = "select pg_catalog.pg_has_role($1::text::pg_catalog.name, 'usage')";
const CREATES: &str =
    "select pg_catalog.has_schema_privilege($1::text::pg_catalog.name, $2, 'create')";
const MAY_CREATE: &str = "select pg_catalog.has_schema_privilege($1, 'create')";

/// Membership in the table's owner, and CREATE on its schema for both.
///
/// The owner needs it too: the target and the functions become the owner's, and the server lets
/// nobody own what he could not have created.
pub(super) async fn check(context: &Context<'_>) -> Result<Finding, EngineError> {
    let table = &context.expansion.table;
    let (owner, schema) = (table.owner.as_str(), table.name.schema.as_str());
    let remedy = format!(
        "run what `crossfade grants --owner {owner} --schema {schema}` prints, as a superuser or the owner"
    );
    let member: bool = value(context, MEMBER, &[(&owner, Type::TEXT)]).await?;
    if !member {
        let message = format!("the role is no member of the table's owner {}", table.owner);
        return Ok(Finding::of(CHECK, Outcome::Fail, message, remedy));
    }
    let may_create: bool = value(context, MAY_CREATE, &[(&schema, Type::TEXT)]).await?;
    if !may_create {
        let message = format!("the role may not create in schema {}", table.name.schema);
        return Ok(Finding::of(CHECK, Outcome::Fail, message, remedy));
    }
    let owner_may: bool = value(
        context,
        CREATES,
        &[(&owner, Type::TEXT), (&schema, Type::TEXT)],
    )
    .await?;
    if !owner_may {
        let message = format!(
            "the table's owner {} may not create in schema {}",
            table.owner, table.name.schema
        );
        return Ok(Finding::of(CHECK, Outcome::Fail, message, remedy));
    }
    Ok(Finding::pass(
        CHECK,
        "member of the owner, may create in the schema",
    ))
}
