//! NOT NULL is a constraint with a name since PostgreSQL 18. A table that takes another one's place
//! takes these names as well; before that version there are none, and nothing is said of them.

use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::{Constraint, ConstraintKind, Table};

use super::blueprint::Blueprint;
use super::create_table::comment;
use crate::names;

/// Makes a column of a table NOT NULL, which a valid CHECK has proved.
pub(super) fn set(table: &QualifiedName, column: &Ident, name: Option<&Ident>) -> String {
    match name {
        Some(name) => format!("alter table {table} add constraint {name} not null {column}"),
        None => format!("alter table {table} alter column {column} set not null"),
    }
}

/// The constraint that makes a column of the source NOT NULL.
pub(super) fn of<'a>(source: &'a Table, column: &Ident) -> Option<&'a Constraint> {
    let mut named = (source.constraints.iter()).filter(|one| one.kind == ConstraintKind::NotNull);
    named.find(|one| one.columns == [column.clone()])
}

/// Its comment, on a table that has a constraint of the same name.
pub(super) fn comment_on(table: &QualifiedName, constraint: &Constraint) -> Option<String> {
    let object = format!("{} on {table}", constraint.name);
    comment("constraint", &object, constraint.comment.as_deref())
}

impl<'a> Blueprint<'a> {
    /// The name of the constraint that makes a column of the target NOT NULL: the one that it bears on
    /// the source, or what PostgreSQL would call it there.
    pub(super) fn not_null_name(&self, column: &Ident) -> Option<Ident> {
        if let Some(carried) = self.carried_not_null(column) {
            return Some(carried.name.clone());
        }
        let source = self.target.source;
        let mut constraints = source.constraints.iter();
        let has_names = constraints.any(|one| one.kind == ConstraintKind::NotNull);
        let name = names::not_null(&source.name.name, column);
        let is_free = source.constraints.iter().all(|one| one.name != name);
        (has_names && is_free).then_some(name)
    }

    /// The comment that the constraint of a column bears on the source, for the target.
    pub(super) fn not_null_comment(&self, column: &Ident) -> Option<String> {
        comment_on(&self.objects.target, self.carried_not_null(column)?)
    }

    fn carried_not_null(&self, column: &Ident) -> Option<&'a Constraint> {
        let carries = self.target.column(column)?.carries?;
        of(self.target.source, &carries.name)
    }
}
