//! Everything that the steps are made from.

use crossfade_dual_write::{Direction, MirrorConstraints, MirrorValues, NewRow, Refusals};
use crossfade_plan::execution::DualWriteNames;
use crossfade_plan::file::PlanFile;
use crossfade_plan::mapping::{Mapping, Value};
use crossfade_plan::objects::Objects;
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::{
    Column, Constraint, ConstraintKind, Generated, GeneratedKind, IndexKey,
};
use crossfade_postgres::rule;

use crate::index_definition::IndexDefinition;
use crate::names;
use crate::survivors::Survivors;
use crate::target::{TargetColumn, TargetTable};

/// What was decided, once.
pub(crate) struct Blueprint<'a> {
    pub(crate) file: &'a PlanFile,
    pub(crate) target: &'a TargetTable<'a>,
    pub(crate) survivors: &'a Survivors<'a>,
    /// The key's index.
    pub(crate) key: &'a IndexDefinition<'a>,
    pub(crate) mapping: &'a Mapping,
    /// `mapping` from the new side, under the names after the swap.
    pub(crate) reversed: &'a Mapping,
    pub(crate) objects: &'a Objects,
    pub(crate) records: &'a Records,
}

/// Where the trigger functions record what the mirror refuses.
pub(crate) struct Records {
    pub(crate) row_error: QualifiedName,
    pub(crate) reverse_loss: QualifiedName,
    forward: Refusals,
    reverse: Refusals,
}

impl Records {
    /// The tables of the state schema.
    pub(crate) fn of(file: &PlanFile, state_schema: &Ident) -> Self {
        let table = |name| QualifiedName::new(state_schema.clone(), names::constant(name));
        let (row_error, reverse_loss) = (table("row_error"), table("reverse_loss"));
        let migration = &file.name;
        Self {
            forward: Refusals::RowErrors {
                table: row_error.clone(),
                migration: migration.clone(),
            },
            reverse: Refusals::Losses {
                table: reverse_loss.clone(),
                migration: migration.clone(),
            },
            row_error,
            reverse_loss,
        }
    }
}

impl<'a> Blueprint<'a> {
    /// The source, and after the swap the target.
    pub(crate) fn name(&self) -> &QualifiedName {
        &self.target.source.name
    }

    /// Dual-write before the swap.
    pub(crate) fn forward(&self) -> Direction<'_> {
        self.direction(
            self.mapping,
            &self.objects.forward,
            &self.records.forward,
            (self.forward_mirror(), MirrorValues::Made),
        )
    }

    /// Dual-write after the swap.
    pub(crate) fn reverse(&self) -> Direction<'_> {
        self.direction(
            self.reversed,
            &self.objects.reverse,
            &self.records.reverse,
            (self.reverse_mirror(), self.old_values()),
        )
    }

    fn direction<'b>(
        &'b self,
        mapping: &'b Mapping,
        names: &'b DualWriteNames,
        refusals: &'b Refusals,
        (mirror, values): (MirrorConstraints, MirrorValues),
    ) -> Direction<'b> {
        Direction {
            mapping,
            names,
            owner: &self.target.source.owner,
            refusals,
            mirror,
            values,
            foreign_classes: self.foreign_classes(),
            new_row: self.new_row(),
        }
    }

    /// Whether NEW is all that the row is, on either side. (An expression reads no more: the server has
    /// taken it over the columns alone.)
    fn new_row(&self) -> NewRow {
        let source = self.target.source;
        let is_heap =
            (source.storage.access_method.as_ref()).is_some_and(|method| method.as_str() == "heap");
        let is_virtual = |generated: &Option<Generated>| {
            (generated.as_ref()).is_some_and(|one| one.kind == GeneratedKind::Virtual)
        };
        let any_virtual = (source.columns.iter()).any(|column| is_virtual(&column.generated))
            || (self.target.columns.iter()).any(|column| is_virtual(&column.generated));
        if is_heap && !any_virtual {
            NewRow::Whole
        } else {
            NewRow::Lacking
        }
    }

    /// Whether the old side has values that the new one does not give again: those of columns that
    /// were dropped, and those that a way back need not give exactly.
    fn old_values(&self) -> MirrorValues {
        let exact = |column: &Column| {
            let back = (self.mapping.reverse.iter()).find(|image| image.column == column.name);
            back.is_some_and(|image| image.undoes(&self.mapping.forward))
        };
        let source = self.target.source;
        if (source.columns.iter()).all(|column| column.generated.is_some() || exact(column)) {
            MirrorValues::Made
        } else {
            MirrorValues::Original
        }
    }

    /// Whether an index of either side, now or after the backfill, may run anybody's operators.
    fn foreign_classes(&self) -> bool {
        let foreign = |key: &IndexKey| key.opclass.schema.as_str() != "pg_catalog";
        (self.target.source.indexes.iter()).any(|index| index.key.iter().any(foreign))
            || (self.target.indexes.iter()).any(|index| index.method.as_str() != "btree")
    }

    /// Indexes of the target other than the key's, survivors first.
    pub(crate) fn secondary_indexes(&self) -> Vec<IndexDefinition<'a>> {
        let survivors = self
            .survivors
            .indexes
            .iter()
            .filter(|index| index.name != self.key.name);
        survivors
            .cloned()
            .chain(self.target.indexes.iter().map(IndexDefinition::added))
            .collect()
    }

    /// Columns that get NOT NULL after the backfill; the key's have it from the start.
    pub(crate) fn not_null_columns(&self) -> Vec<&'a Ident> {
        self.target
            .columns
            .iter()
            .filter(|column| column.not_null && !self.is_not_null_at_once(column))
            .map(|column| &column.name)
            .collect()
    }

    /// Whether a column of the target is NOT NULL from the moment on that it is there: an identity has to
    /// be, and a unique index or constraint does not make its columns so.
    pub(crate) fn is_not_null_at_once(&self, column: &TargetColumn<'_>) -> bool {
        self.is_key(&column.name) || column.identity.is_some()
    }

    /// Whether a column of the target is part of the key.
    pub(crate) fn is_key(&self, column: &Ident) -> bool {
        self.mapping.is_key(column)
    }

    /// CHECKs of the source that a row of the target may break.
    pub(crate) fn loosened_checks(&self) -> Vec<&'a Constraint> {
        if !rule::holds("cutover/loosen-mirror") {
            return Vec::new();
        }
        let source = self.target.source;
        source
            .constraints
            .iter()
            .filter(|constraint| constraint.kind == ConstraintKind::Check)
            .filter(|constraint| {
                constraint
                    .columns
                    .iter()
                    .any(|column| !self.copied_back(column))
            })
            .collect()
    }

    /// NOT NULL columns of the source for which a row of the target may have no value.
    pub(crate) fn loosened_columns(&self) -> Vec<&'a Ident> {
        if !rule::holds("cutover/loosen-mirror") {
            return Vec::new();
        }
        let source = self.target.source;
        source
            .columns
            .iter()
            .filter(|column| {
                column.not_null && column.generated.is_none() && column.identity.is_none()
            })
            .filter(
                |column| match self.target.back.get(&column.name).map(|back| &back.value) {
                    Some(Value::Column(_) | Value::Cast(_)) => false,
                    Some(Value::Expression(_)) => true,
                    None => column.default.is_none(),
                },
            )
            .map(|column| &column.name)
            .collect()
    }
}
