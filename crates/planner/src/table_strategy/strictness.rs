//! Whether one side may refuse a row that the other side took.
//!
//! What a mirror refuses must not fail the application's statement, so its function gets an
//! exception block, which costs a subtransaction for each row. It goes without only where nothing
//! that the mirror evaluates or keeps can fail: that has to be proved, and what is not known
//! counts as able to fail.

use crossfade_dual_write::MirrorConstraints;
use crossfade_plan::Ident;
use crossfade_plan::mapping::{Image, Totality, Value};
use crossfade_postgres::catalog::{Column, Index, KeyValue, Storage, TypeKind};
use crossfade_postgres::rule;
use squawk_lexer::TokenKind;

use super::blueprint::Blueprint;
use crate::casts;
use crate::column_type::ColumnType;
use crate::index_definition::IndexDefinition;
use crate::target::{AddedIndex, AddedKey, TargetColumn};
use crate::tokens;

impl Blueprint<'_> {
    /// Whether the target may refuse what the source accepts.
    pub(super) fn forward_mirror(&self) -> MirrorConstraints {
        let target = self.target;
        let not_null = target.columns.iter().any(|column| {
            let was = column.carries.is_some_and(|old| old.not_null);
            column.not_null && (!was || self.is_computed(&column.name))
        });
        let default = target.columns.iter().any(|column| {
            column.carries.is_none()
                && column.image.is_none()
                && left_out_can_fail(&column.column_type, column.default.as_deref())
        });
        let checks = self.survivors.checks.iter().any(|check| {
            let columns = &check.constraint.columns;
            columns.iter().any(|column| !self.copied(column))
        });
        let carried = self.secondary_indexes().iter().any(|index| {
            index.carries.is_some_and(|old| {
                let apart = |column| self.kept_apart(column);
                (old.unique && !old.columns.iter().all(apart))
                    || (old.columns.iter())
                        .any(|column| self.grows(column) || self.is_made_anew(column))
            })
        });
        self.verdict(
            not_null
                || default
                || checks
                || !target.checks.is_empty()
                || carried
                || !self.rows_fit()
                || target
                    .indexes
                    .iter()
                    .any(|index| self.added_can_fail(index)),
        )
    }

    /// Whether the old side may refuse what the new side accepts, once the swap has dropped what
    /// it drops: its indexes stay, since a rollback could not build them in time.
    pub(super) fn reverse_mirror(&self) -> MirrorConstraints {
        let source = self.target.source;
        let indexes = source.indexes.iter().any(|index| {
            let survives = |one: &IndexDefinition<'_>| one.name == index.name;
            let survives = self.survivors.indexes.iter().any(survives);
            let as_it_is = index.columns.iter().all(|column| self.copied_back(column));
            index.name != self.key.name
                && !(survives && as_it_is)
                && (index.unique || !self.holds_anything(index))
        });
        let columns = source.columns.iter().any(|column| {
            let left_out = !self.target.back.contains_key(&column.name);
            if column.generated.is_some() {
                !self.generated(&column.name)
            } else {
                let default = column.default.as_deref();
                left_out && left_out_can_fail(&ColumnType::of(column), default)
            }
        });
        self.verdict(indexes || columns || !self.rows_fit_back())
    }

    /// Whether a row of the source fits on a page of the target: it is no larger, or it can't be large.
    fn rows_fit(&self) -> bool {
        let columns = &self.target.columns;
        let as_it_is = |image: &Image| matches!(image.value, Value::Column(_));
        let copied = (columns.iter()).all(|column| {
            column.carries.is_some()
                && (self.mapping.forward_image(&column.name)).is_none_or(as_it_is)
        });
        let small = |column: &TargetColumn<'_>| {
            let storage = column.carries.filter(|_| !column.retyped);
            is_small(&column.column_type, storage.map(|old| old.storage))
        };
        copied || (columns.len() <= COLUMNS_THAT_FIT && columns.iter().all(small))
    }

    /// The same of a row of the target on a page of the source.
    fn rows_fit_back(&self) -> bool {
        let columns = &self.target.source.columns;
        let copied = (columns.iter()).all(|column| self.copied_back(&column.name));
        let small = |column: &Column| is_small(&ColumnType::of(column), Some(column.storage));
        copied || (columns.len() <= COLUMNS_THAT_FIT && columns.iter().all(small))
    }

    fn verdict(&self, can_fail: bool) -> MirrorConstraints {
        // A row may be refused only because another session writes it there.
        let context =
            rule::holds("planner/context-refuses") && !self.target.context_dependences().is_empty();
        if (can_fail && rule::holds("planner/proved-mirror")) || context {
            MirrorConstraints::Stricter
        } else {
            MirrorConstraints::NotStricter
        }
    }

    /// Whether an index on long values, on an expression or with a condition may refuse a row of
    /// the target: btree takes no key above a third of a page.
    fn added_can_fail(&self, index: &AddedIndex) -> bool {
        let of_fixed_size = |name: &Ident| {
            let column = self.target.column(name);
            column.is_some_and(|column| is_of_fixed_size(&column.column_type))
        };
        let key = index.key.iter().all(|part| match part {
            AddedKey::Column(name) => of_fixed_size(name),
            AddedKey::Expression(..) => false,
        });
        index.unique
            || index.predicate.is_some()
            || !key
            || !index.include.iter().all(of_fixed_size)
    }

    /// Whether an index of the source takes any row.
    fn holds_anything(&self, index: &Index) -> bool {
        let source = self.target.source;
        let plain = index.key.iter().all(|part| match part.value {
            KeyValue::Column(_) => true,
            KeyValue::Expression(_) => false,
        });
        let of_fixed_size = |column: &Column| is_of_fixed_size(&ColumnType::of(column));
        plain
            && index.predicate.is_none()
            && (index.columns.iter()).all(|name| source.column(name).is_some_and(of_fixed_size))
    }

    /// Whether values of a column of the source may become too long for an index on the target.
    fn grows(&self, source: &Ident) -> bool {
        let long = |column_type: &ColumnType| !is_of_fixed_size(column_type);
        self.target.columns.iter().any(|column| {
            column.retyped
                && long(&column.column_type)
                && column
                    .carries
                    .is_some_and(|old| old.name == *source && long(&ColumnType::of(old)))
        })
    }

    /// Whether an expression gives a column of the source its values in the target: an index over it
    /// was never asked to take them.
    fn is_made_anew(&self, source: &Ident) -> bool {
        self.target.columns.iter().any(|column| {
            let made = |image: &Image| matches!(image.value, Value::Expression(_));
            column.carries.is_some_and(|old| old.name == *source)
                && self.mapping.forward_image(&column.name).is_some_and(made)
        })
    }

    fn is_computed(&self, target: &Ident) -> bool {
        self.mapping
            .forward_image(target)
            .is_none_or(|image| matches!(image.value, Value::Expression(_)))
    }

    /// Whether a column of the source is in the target as it is.
    fn copied(&self, source: &Ident) -> bool {
        self.mapping
            .forward
            .iter()
            .any(|image| matches!(&image.value, Value::Column(column) if column == source))
            || self.generated(source)
    }

    /// Whether different values of a column of the source are different in the target.
    fn kept_apart(&self, source: &Ident) -> bool {
        self.copied(source)
            || self.target.columns.iter().any(|column| {
                let cast = matches!(
                    column.image.as_ref().map(|image| &image.value),
                    Some(Value::Cast(_))
                );
                column.carries.is_some_and(|old| {
                    old.name == *source
                        && cast
                        && casts::keeps_apart(&ColumnType::of(old), &column.column_type)
                })
            })
    }

    /// Whether a column of the source gets back what is in the target as it is.
    pub(super) fn copied_back(&self, source: &Ident) -> bool {
        self.generated(source)
            || self.mapping.reverse.iter().any(|image| {
                image.column == *source
                    && image.totality == Totality::Total
                    && matches!(image.value, Value::Column(_))
            })
    }

    /// A generated column is made of copied ones, or it would not have been carried over.
    fn generated(&self, source: &Ident) -> bool {
        self.target.columns.iter().any(|column| {
            column.generated.is_some() && column.carries.is_some_and(|old| old.name == *source)
        })
    }
}

/// So many columns of at most 32 bytes fit on a page of 8 kB, whatever is in them.
const COLUMNS_THAT_FIT: usize = 200;

/// Whether a value takes no more than 32 bytes of its row, its alignment included: it has no more, or
/// it can be put out of line.
fn is_small(column_type: &ColumnType, storage: Option<Storage>) -> bool {
    const LONG: [&str; 7] = [
        "text", "varchar", "bpchar", "bytea", "json", "jsonb", "numeric",
    ];
    let put_out_of_line = match storage {
        Some(storage) => storage != Storage::Plain,
        None => (column_type.builtin()).is_some_and(|name| LONG.contains(&name)),
    };
    put_out_of_line || is_of_fixed_size(column_type) || column_type.kind == TypeKind::Enum
}

/// Whether a value of the type has a length that no value exceeds, well below what an index takes.
fn is_of_fixed_size(column_type: &ColumnType) -> bool {
    matches!(
        column_type.builtin(),
        Some(
            "bool"
                | "int2"
                | "int4"
                | "int8"
                | "float4"
                | "float8"
                | "date"
                | "time"
                | "timetz"
                | "timestamp"
                | "timestamptz"
                | "interval"
                | "uuid"
                | "oid"
                | "money"
                | "macaddr"
                | "macaddr8"
                | "inet"
                | "cidr"
        )
    )
}

/// Whether a row in which a column is left out may be refused for it: by its default, or by a
/// domain, which takes no NULL or not this default.
fn left_out_can_fail(column_type: &ColumnType, default: Option<&str>) -> bool {
    column_type.domain.is_some() || default.is_some_and(|default| !cannot_fail(default))
}

/// Whether an expression is a literal, which the server has read when it was written, or one of
/// the calls that always give a value.
fn cannot_fail(expression: &str) -> bool {
    const CALLS: [&str; 12] = [
        "now()",
        "pg_catalog.now()",
        "transaction_timestamp()",
        "statement_timestamp()",
        "clock_timestamp()",
        "gen_random_uuid()",
        "pg_catalog.gen_random_uuid()",
        "current_timestamp",
        "current_date",
        "localtimestamp",
        "current_user",
        "session_user",
    ];
    const WORDS: [&str; 3] = ["true", "false", "null"];
    if CALLS
        .iter()
        .any(|call| expression.trim().eq_ignore_ascii_case(call))
    {
        return true;
    }
    let (mut literals, mut colons) = (0, 0);
    for token in tokens::of(expression) {
        let in_cast = colons == 2;
        let is_word = |word: &str| token.text.eq_ignore_ascii_case(word);
        match token.kind {
            TokenKind::OpenParen | TokenKind::CloseParen => {}
            TokenKind::Minus if literals == 0 => {}
            // `'{}'::jsonb`, as the server prints it; a number in it is a modifier.
            TokenKind::Colon if literals == 1 && colons < 2 => colons += 1,
            TokenKind::Ident
            | TokenKind::Literal { .. }
            | TokenKind::Comma
            | TokenKind::OpenBracket
            | TokenKind::CloseBracket
                if in_cast => {}
            TokenKind::Literal { .. } if colons == 0 => literals += 1,
            TokenKind::Ident if WORDS.iter().any(|word| is_word(word)) => literals += 1,
            _ => return false,
        }
    }
    literals == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_once_cannot_fail() {
        for default in [
            "0",
            "-1.5",
            "'new'",
            "null",
            "TRUE",
            "now()",
            " '{}' -- none",
            "'{}'::jsonb",
            "(-1)",
            "('-1'::integer)",
            "'a'::character varying(3)",
            "'{}'::text[]",
        ] {
            assert!(cannot_fail(default), "{default}");
        }
        for default in [
            "current_setting('app.tenant')::integer",
            "nextval('numbers')",
            "1 / 0",
            "'a' || 'b'",
            "public.now()",
            "coalesce(1)",
            "'a'::public.short",
            "",
        ] {
            assert!(!cannot_fail(default), "{default}");
        }
    }
}
