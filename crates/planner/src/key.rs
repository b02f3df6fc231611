//! The key: which unique index of the source finds a row, and whether it stays a key in the target.

use crossfade_plan::Ident;
use crossfade_plan::file::{Operation, PlanFile, PlanPath};
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_plan::mapping::{KeyColumn, Value};
use crossfade_postgres::catalog::{Index, Table};

use crate::casts;
use crate::column_type::ColumnType;
use crate::error::{PlanError, PlanErrorKind};
use crate::target::TargetTable;

/// The index that finds rows.
pub(crate) fn choose<'a>(file: &PlanFile, source: &'a Table) -> Result<&'a Index, PlanError> {
    let chosen = match &file.backfill.key {
        Some(name) => {
            let path = PlanPath::top("backfill").key("key");
            let Some(index) = source.index(name.ident()) else {
                let message = format!("{} has no index {}", source.name, name.ident());
                return Err(PlanError::new(PlanErrorKind::Key, path, message));
            };
            if let Some(fault) = fault(index, source) {
                let message = format!("index {} can't be the key: {fault}", index.name);
                return Err(PlanError::new(PlanErrorKind::Key, path, message).help(
                    "name a unique index without expressions and condition, on NOT NULL columns",
                ));
            }
            Some(index)
        }
        None => match source.primary_key() {
            Some(primary) => Some(primary),
            // Indexes come in the order of their names.
            None => source
                .indexes
                .iter()
                .find(|index| fault(index, source).is_none()),
        },
    };
    let path = PlanPath::top("table");
    let Some(index) = chosen else {
        let message = format!(
            "{} has no primary key, and no unique index on NOT NULL columns",
            source.name
        );
        return Err(PlanError::new(PlanErrorKind::Key, path, message).help(
            "without a key no row can be found again: add a primary key, or make the columns of a \
             unique index NOT NULL",
        ));
    };
    if let Some(fault) = fault(index, source) {
        let message = format!("the primary key {} can't be used: {fault}", index.name);
        return Err(PlanError::new(PlanErrorKind::Key, path, message)
            .help("make it immediate, or name another unique index in backfill.key"));
    }
    Ok(index)
}

/// Why an index does not find each row at any time.
fn fault(index: &Index, source: &Table) -> Option<&'static str> {
    let nullable = |name: &Ident| source.column(name).is_none_or(|column| !column.not_null);
    let generated = |name: &Ident| {
        source
            .column(name)
            .is_some_and(|column| column.generated.is_some())
    };
    let Some(columns) = index.key_columns() else {
        return Some("it has an expression");
    };
    if !index.unique {
        Some("it is not unique")
    } else if !index.valid || !index.ready {
        Some("it is not valid")
    } else if !index.immediate {
        Some("it is deferrable, and two rows may bear one key within a statement")
    } else if index.predicate.is_some() {
        Some("it has a condition, and some rows are not in it")
    } else if columns.iter().any(|column| nullable(column)) {
        Some("a column of it may be NULL")
    } else if columns.iter().any(|column| generated(column)) {
        Some("a column of it is generated")
    } else if index.key.iter().any(|part| part.equality.is_none()) {
        Some("its operator class has no equality")
    } else {
        None
    }
}

/// The key's columns on both sides; notes what would make two keys one.
pub(crate) fn columns(
    index: &Index,
    file: &PlanFile,
    target: &mut TargetTable<'_>,
) -> Vec<KeyColumn> {
    let mut key = Vec::new();
    for part in &index.key {
        let crossfade_postgres::catalog::KeyValue::Column(name) = &part.value else {
            continue;
        };
        let Some(source) = target.source.column(name) else {
            continue;
        };
        let Some(column) = target
            .columns
            .iter()
            .find(|now| now.carries.is_some_and(|old| old.name == *name))
        else {
            target.refuse(
                PlanErrorKind::Key,
                remover(file, name),
                format!("column {name} is part of the key {}", index.name),
                "the key's columns can be renamed, and their types widened; another key is not supported yet",
            );
            continue;
        };
        let (path, now) = (column.path.clone(), column.name.clone());
        let new_type = column.column_type.clone();
        let injective = match column.image.as_ref().map(|image| &image.value) {
            Some(Value::Column(_)) => true,
            Some(Value::Cast(_)) => casts::keeps_apart(&ColumnType::of(source), &new_type),
            Some(Value::Expression(_)) | None => false,
        };
        if !injective {
            target.refuse(
                PlanErrorKind::Key,
                path,
                format!("column {name} is part of the key {}, and two keys may become one", index.name),
                format!(
                    "a key's column takes a cast that keeps all values apart ({} to a wider type of its \
                     kind, or to text), without up",
                    source.sql_type
                ),
            );
            continue;
        }
        if matches!(
            target.back.get(name).map(|back| &back.value),
            Some(Value::Expression(_))
        ) {
            target.refuse(
                PlanErrorKind::Key,
                path,
                format!(
                    "column {name} is part of the key {}: its way back is a cast",
                    index.name
                ),
                "leave down out",
            );
            continue;
        }
        let equality = if column_keeps_operators(part.opclass_default, target, &now) {
            new_type.equality.clone()
        } else {
            part.equality.clone()
        };
        let (Some(source_equality), Some(target_equality)) = (part.equality.clone(), equality)
        else {
            target.refuse(
                PlanErrorKind::Key,
                path,
                format!(
                    "type {} has no equality that an index can use",
                    new_type.sql_type
                ),
                "choose another type",
            );
            continue;
        };
        key.push(KeyColumn {
            source: name.clone(),
            target: now,
            source_equality,
            target_equality,
            source_type: source.sql_type.clone(),
            target_type: new_type.sql_type,
        });
    }
    if !index.primary {
        target.warn(
            HazardId::NoPrimaryKey,
            Severity::Info,
            format!("index {}", index.name),
            "it stands in for a primary key",
            "keep it as it is until the migration is contracted",
        );
    }
    key
}

/// Whether the target's index compares by the new type's own operators.
fn column_keeps_operators(opclass_default: bool, target: &TargetTable<'_>, column: &Ident) -> bool {
    opclass_default && target.column(column).is_some_and(|column| column.retyped)
}

/// The operation that takes a column away.
fn remover(file: &PlanFile, column: &Ident) -> PlanPath {
    let found = file
        .operations
        .iter()
        .enumerate()
        .find_map(|(index, operation)| {
            let key = match operation {
                Operation::DropColumn(op) if op.column.ident() == column => "column",
                Operation::SplitColumn(op) if op.column.ident() == column => "column",
                Operation::MergeColumns(op)
                    if op.columns.iter().any(|one| one.ident() == column) =>
                {
                    "columns"
                }
                _ => return None,
            };
            Some(file.operation_path(index, key))
        });
    found.unwrap_or_else(|| PlanPath::top("operations"))
}
