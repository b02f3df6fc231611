//! One direction of dual-write: its functions and triggers, to create and to drop.

use crossfade_plan::execution::DualWriteNames;
use crossfade_plan::mapping::{Image, KeyColumn, Mapping, SessionDependence, Totality, Value};
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::rule;

use crate::refusal::Refusals;
use crate::{row_function, sql, truncate_function};

/// The two sides, the names, and whose the functions are.
#[derive(Debug, Clone, Copy)]
pub struct Direction<'a> {
    /// `mapping.source` is the table that fires the triggers.
    pub mapping: &'a Mapping,
    /// Names of functions and triggers.
    pub names: &'a DualWriteNames,
    /// The table's owner, whose functions they are: the application's rights don't reach the
    /// mirror, and its own write would fail.
    pub owner: &'a Ident,
    /// What becomes of a row that the mirror refuses.
    pub refusals: &'a Refusals,
    /// Whether the mirror has, or will have before the triggers are dropped, constraints that the
    /// written side doesn't have.
    pub mirror: MirrorConstraints,
    /// Whose values the mirror holds.
    pub values: MirrorValues,
    /// Whether an index of the mirror may run operators that are not PostgreSQL's own.
    pub foreign_classes: bool,
    /// Whether a trigger's NEW is all that the row is.
    pub new_row: NewRow,
}

/// Whether a trigger's NEW is all that the written row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewRow {
    /// It is.
    Whole,
    /// The table has columns that are computed when they are read, or an access method that need not
    /// have the system columns of a heap.
    Lacking,
}

/// Whose values the mirror holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorValues {
    /// Only what was made of the written side: each write makes it anew.
    Made,
    /// Values that were there before the written side was made of them: see [`crate::kept`].
    Original,
}

/// How the mirror's constraints compare with those of the written side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorConstraints {
    /// What the written side accepts, the mirror accepts.
    NotStricter,
    /// The mirror may refuse a row that the written side accepted.
    Stricter,
}

impl Direction<'_> {
    /// Whether a row that the written side accepted can be refused by the mapping or the mirror.
    pub fn can_refuse(&self) -> bool {
        self.mirror == MirrorConstraints::Stricter
            || self.mapping.forward_totality() == Totality::Partial
    }

    /// Whether the row function may have to record a row: one that is refused, or that loses what the
    /// mirror alone has of it.
    pub fn records(&self) -> bool {
        self.can_refuse() || self.values == MirrorValues::Original
    }

    /// The statements that create both functions, owned by the table's owner and callable by
    /// nobody else.
    pub fn create_functions(&self) -> Vec<String> {
        let row = (
            &self.names.row_function,
            row_function::body(self),
            self.path_matters(),
        );
        let truncate = (
            &self.names.truncate_function,
            truncate_function::body(self),
            true,
        );
        [row, truncate]
            .into_iter()
            .flat_map(|(name, body, path_matters)| {
                let security = if rule::holds("dual-write/security-definer") {
                    " security definer"
                } else {
                    ""
                };
                let path = if path_matters && rule::holds("dual-write/pinned-path") {
                    " set search_path = pg_catalog, pg_temp"
                } else {
                    ""
                };
                let mut statements = vec![
                    format!(
                        "create function {name}() returns trigger language plpgsql volatile{security}\
                         {path}{}{}{} as {}",
                        index_only(),
                        self.pinned_settings(),
                        self.pinned_syntax(),
                        sql::dollar_quoted(&body)
                    ),
                    format!("alter function {name}() owner to {}", self.owner),
                ];
                if rule::holds("dual-write/nobody-calls") {
                    statements.push(revoke_from_all(name));
                }
                statements
            })
            .collect()
    }

    /// The statements that create both triggers.
    ///
    /// ENABLE ALWAYS, since sessions that apply replicated changes skip ordinary triggers.
    pub fn create_triggers(&self) -> Vec<String> {
        let table = &self.mapping.source;
        let names = self.names;
        let mut statements = vec![format!(
            "create trigger {} after insert or update or delete on {table} \
             for each row execute function {}()",
            names.row_trigger, names.row_function
        )];
        if rule::holds("dual-write/truncate") {
            statements.push(format!(
                "create trigger {} after truncate on {table} \
                 for each statement execute function {}()",
                names.truncate_trigger, names.truncate_function
            ));
        }
        if rule::holds("dual-write/enable-always") {
            statements.push(format!(
                "alter table {table} enable always trigger {}",
                names.row_trigger
            ));
            if rule::holds("dual-write/truncate") {
                statements.push(format!(
                    "alter table {table} enable always trigger {}",
                    names.truncate_trigger
                ));
            }
        }
        statements
    }

    /// The statements that drop both triggers, if they are there.
    pub fn drop_triggers(&self) -> Vec<String> {
        [&self.names.row_trigger, &self.names.truncate_trigger]
            .into_iter()
            .map(|trigger| {
                format!(
                    "drop trigger if exists {trigger} on {}",
                    self.mapping.source
                )
            })
            .collect()
    }

    /// The statements that drop both functions, if they are there.
    pub fn drop_functions(&self) -> Vec<String> {
        [&self.names.row_function, &self.names.truncate_function]
            .into_iter()
            .map(|function| format!("drop function if exists {function}()"))
            .collect()
    }

    /// Whether anything that the row function runs may look for a name in the `search_path`: an
    /// expression, a cast, a type or an operator class that is not PostgreSQL's own, the table's own
    /// code (which makes the mirror one that may refuse). Where nothing does, the function sets none: setting and
    /// resetting it is an eighth of the mirroring's cost, and has the application's own next
    /// statement resolve its path again.
    fn path_matters(&self) -> bool {
        let foreign = |schema: &Ident| schema.as_str() != "pg_catalog";
        let of_the_key = self.mapping.key.iter().any(|key| {
            foreign(&key.source_equality.schema) || foreign(&key.target_equality.schema)
        });
        self.records()
            || self.foreign_classes
            || of_the_key
            || self.mapping.forward.iter().any(|image| {
                is_dependent(image)
                    || matches!(image.value, Value::Expression(_))
                    || foreign(&image.base_type.schema)
            })
    }

    /// Settings that change how values read as text: where values are cast or computed, they are
    /// those of the chunk and of the comparison, whatever the application's session has.
    fn pinned_settings(&self) -> &'static str {
        let of_the_key = self.records() && !self.mapping.key.iter().all(reads_alike);
        let reads_text = of_the_key || self.mapping.forward.iter().any(is_dependent);
        if !reads_text || !rule::holds("dual-write/pinned-settings") {
            ""
        } else {
            " set timezone = 'UTC' set datestyle = 'ISO, MDY' set intervalstyle = 'postgres' \
             set extra_float_digits = '1' set bytea_output = 'hex' set lc_monetary = 'C'"
        }
    }

    /// The function is compiled in each session of the application's: where it holds a user's
    /// expression, that must be read as it was when the plan was made.
    fn pinned_syntax(&self) -> &'static str {
        let written =
            |image: &Image| is_dependent(image) && matches!(image.value, Value::Expression(_));
        if self.mapping.forward.iter().any(written) && rule::holds("dual-write/pinned-syntax") {
            SYNTAX
        } else {
            ""
        }
    }
}

/// Takes the right to execute from everybody but the owner: from PUBLIC, which has it from the
/// start, and from whom default privileges have given it. Who may execute a function may make it
/// the trigger of a table of his own, and would have it empty the mirror.
fn revoke_from_all(function: &QualifiedName) -> String {
    let signature = format!("{function}()");
    let acl = format!(
        "select coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) as acl, p.proowner as owner \
         from pg_catalog.pg_proc as p where p.oid = {}::pg_catalog.regprocedure",
        sql::literal(&signature)
    );
    sql::revoke_from_others(&format!("function {signature}"), &acl)
}

/// Settings that change what the text of an expression means, or what its functions make of a value
/// (`to_char` with `D` or `TMMonth`).
const SYNTAX: &str = " set standard_conforming_strings = on set transform_null_equals = off \
     set array_nulls = on set xmloption = content set xmlbinary = base64 \
     set lc_numeric = 'C' set lc_time = 'C'";

/// Whether the value depends on the session's settings. (Six of them cost a write of one row about a
/// tenth of what the mirroring costs.)
fn is_dependent(image: &Image) -> bool {
    image.session == SessionDependence::Dependent
}

/// Whether a key column's text, as which a refused row's key is recorded, is the same in each
/// session.
fn reads_alike(key: &KeyColumn) -> bool {
    let words = ["smallint", "integer", "bigint", "uuid", "text"];
    words.contains(&key.source_type.as_str()) || key.source_type.starts_with("character varying")
}

/// Keeps cached plans of the function off sequential scans. A session that plans while the mirror
/// holds one analyzed page finds a scan the cheapest, and would go on scanning as the mirror grows.
/// (The setting costs less than can be measured beside the upsert.)
fn index_only() -> &'static str {
    if rule::holds("dual-write/index-only") {
        " set enable_seqscan = off"
    } else {
        ""
    }
}
