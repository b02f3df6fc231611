//! The mapping: what a row of one side is on the other, and whether it can be refused there.

use std::collections::{BTreeMap, BTreeSet};

use crossfade_dual_write::{kept, sql};
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_plan::mapping::{Image, KeyColumn, Mapping, Rewrite, Totality, Value, Volatility};
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::Identity;

use crate::casts;
use crate::column_type::ColumnType;
use crate::questions::{Over, Question};
use crate::target::TargetTable;
use crate::{references, session, totality};

/// Whether each expression gives the same value twice.
pub(crate) type Volatilities = BTreeMap<Question, Volatility>;

/// Puts both directions together.
pub(crate) fn mapping(
    key: Vec<KeyColumn>,
    table: QualifiedName,
    target: &mut TargetTable<'_>,
    volatilities: &Volatilities,
) -> Mapping {
    let forward = forward(&key, target, volatilities);
    let reverse = reverse(&key, target, volatilities);
    let mapping = Mapping {
        source: target.source.name.clone(),
        target: table,
        key,
        deferrable_key: false,
        forward,
        reverse,
    };
    inexact_ways_back(target, &mapping);
    unique_on_the_way_back(target, &mapping);
    mapping
}

fn forward(
    key: &[KeyColumn],
    target: &mut TargetTable<'_>,
    volatilities: &Volatilities,
) -> Vec<Image> {
    let mut images = Vec::new();
    let columns_of_source: Vec<_> = (target.source.columns.iter())
        .map(|column| (column.name.clone(), ColumnType::of(column)))
        .collect();
    for column in &target.columns {
        let Some(image) = &column.image else { continue };
        let old = match &image.value {
            Value::Column(name) | Value::Cast(name) => target.source.column(name),
            Value::Expression(text) => bare(text).and_then(|name| target.source.column(&name)),
        };
        let old = old.map(ColumnType::of);
        images.push(make(
            &column.name,
            &column.column_type,
            old.as_ref(),
            &image.value,
            Over::Source,
            volatilities,
            column.identity == Some(Identity::Always),
            key.iter().any(|key| key.target == column.name),
            &columns_of_source,
        ));
    }
    for image in images
        .iter()
        .filter(|image| image.volatility == Volatility::Volatile)
    {
        target.warn(
            HazardId::VolatileExpression,
            Severity::Warning,
            format!("column {}", image.column),
            "its expression gives another value each time: it is made once, when the row is copied, and \
             compared only for presence",
            "use an expression that depends on the row alone, if the value must follow the row",
        );
    }
    images
}

fn reverse(
    key: &[KeyColumn],
    target: &mut TargetTable<'_>,
    volatilities: &Volatilities,
) -> Vec<Image> {
    let mut images = Vec::new();
    let mut lossy = Vec::new();
    let columns_of_target: Vec<_> = (target.columns.iter())
        .map(|column| (column.name.clone(), column.column_type.clone()))
        .collect();
    for column in &target.source.columns {
        let Some(back) = target.back.get(&column.name) else {
            continue;
        };
        let now = match &back.value {
            Value::Column(name) | Value::Cast(name) => target.column(name),
            Value::Expression(text) => bare(text).and_then(|name| target.column(&name)),
        };
        let image = make(
            &column.name,
            &ColumnType::of(column),
            now.map(|now| &now.column_type),
            &back.value,
            Over::Target,
            volatilities,
            column.identity == Some(Identity::Always),
            key.iter().any(|key| key.source == column.name),
            &columns_of_target,
        );
        if image.totality == Totality::Partial && matches!(image.value, Value::Cast(_)) {
            lossy.push((column.name.clone(), column.sql_type.clone()));
        }
        images.push(image);
    }
    for (name, sql_type) in lossy {
        target.warn(
            HazardId::LossyReverse,
            Severity::Warning,
            format!("column {name}"),
            format!(
                "a value written after the cutover that does not fit {sql_type} is not held by the old side: \
                 the write succeeds, and the way back loses that row"
            ),
            "contract, or roll back, before such values are written",
        );
    }
    images
}

/// Says of which columns the way back does not give what was there before: an expression is not
/// known to be the inverse, and a cast that may fail may as well round or cut off.
fn inexact_ways_back(target: &mut TargetTable<'_>, mapping: &Mapping) {
    let back = mapping.reversed(mapping.source.clone(), mapping.target.clone());
    let kept = kept(&back);
    for image in &back.forward {
        if image.undoes(&back.reverse) {
            continue;
        }
        let group = kept
            .iter()
            .find(|group| group.columns.contains(&image.column));
        let told = match group {
            Some(group) if group.stands_for.is_empty() => {
                "after the cutover, rows that are there keep their old value, and rows that are added get what \
                 the way back makes"
                    .to_owned()
            }
            Some(group) => format!(
                "after the cutover, a row of which {} is written gets on the old side what the way back makes of \
                 it: where that is not the old value, a rollback brings the other one. Other rows keep theirs",
                names(&group.stands_for)
            ),
            None => "after the cutover, a row that is written gets on the old side what the way back makes of its \
                     new columns, whichever of them was written: where that is not the old value, a rollback brings \
                     the other one. Untouched rows keep theirs"
                .to_owned(),
        };
        target.warn(
            HazardId::LossyReverse,
            Severity::Warning,
            format!("column {}", image.column),
            told,
            "see that the way back gives each old value again, or contract before such rows are written",
        );
    }
}

/// Says which unique indexes the old side keeps over values that the way back makes: two new rows that
/// have nothing to do with each other may be equal there.
fn unique_on_the_way_back(target: &mut TargetTable<'_>, mapping: &Mapping) {
    let source = target.source;
    let back = |name: &Ident| (mapping.reverse.iter()).find(|image| image.column == *name);
    let is_null = |name: &Ident| {
        back(name).is_none() && (source.column(name)).is_some_and(|one| one.default.is_none())
    };
    // Different values stay different where either way gives the other's value again.
    let stays_different = |image: &Image| {
        let given_back = |there: &Image| there.undoes(&mapping.reverse);
        let there = match &image.value {
            Value::Column(name) | Value::Cast(name) => mapping.forward_image(name),
            Value::Expression(_) => None,
        };
        image.undoes(&mapping.forward) || there.is_some_and(given_back)
    };
    let made = |name: &Ident| {
        let in_key = mapping.key.iter().any(|key| key.source == *name);
        !in_key && !back(name).is_some_and(stays_different)
    };
    for index in source.indexes.iter().filter(|index| index.unique) {
        let never_equal = !index.nulls_not_distinct && index.columns.iter().any(is_null);
        if never_equal || !index.columns.iter().any(made) {
            continue;
        }
        target.warn(
            HazardId::UniqueStricter,
            Severity::Warning,
            format!("index {} of the old side", index.name),
            "after the cutover it is over what the way back makes of the new rows: writers of rows that are equal \
             there wait for each other, and two that write the same two in another order may get 40P01; a row \
             that it refuses is recorded as a loss",
            "see that the way back gives different rows different values there, or contract soon",
        );
    }
}

/// Several names in a sentence.
fn names(columns: &BTreeSet<Ident>) -> String {
    let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
    columns.join(" or ")
}

/// The other side's columns that a value may depend on. What bears a column's name within an
/// expression counts as that column, and the whole row as all of them.
fn reads(value: &Value, columns: &[(Ident, ColumnType)]) -> Vec<Ident> {
    match value {
        Value::Column(name) | Value::Cast(name) => vec![name.clone()],
        Value::Expression(text) => {
            let whole_row = references::mentions(text, sql::SOURCE_ALIAS);
            let may_be = |name: &Ident| whole_row || references::mentions(text, name.as_str());
            let names = columns.iter().map(|(name, _)| name);
            names.filter(|name| may_be(name)).cloned().collect()
        }
    }
}

/// The name that an expression consists of.
fn bare(text: &str) -> Option<Ident> {
    Ident::parse(text).ok()
}

#[expect(
    clippy::too_many_arguments,
    reason = "one place where an image is made of its facts"
)]
fn make(
    column: &Ident,
    to: &ColumnType,
    from: Option<&ColumnType>,
    value: &Value,
    over: Over,
    volatilities: &Volatilities,
    always_generated: bool,
    in_key: bool,
    others: &[(Ident, ColumnType)],
) -> Image {
    let volatility = match value {
        Value::Expression(text) => {
            let question = Question {
                over,
                text: text.clone(),
            };
            volatilities
                .get(&question)
                .copied()
                .unwrap_or(Volatility::Volatile)
        }
        Value::Column(_) | Value::Cast(_) => Volatility::Stable,
    };
    let totality = match (value, from) {
        // An expression that is a column's name is like the column.
        (_, Some(from)) => casts::totality(from, to),
        (Value::Expression(text), None) if totality::cannot_fail(text, to, others) => {
            Totality::Total
        }
        (_, None) => Totality::Partial,
    };
    let never = always_generated
        || volatility == Volatility::Volatile
        || (in_key && to.equality_is_identity());
    Image {
        column: column.clone(),
        sql_type: to.sql_type.clone(),
        base_type: to.name.clone(),
        value: value.clone(),
        reads: reads(value, others),
        session: session::of(value, from, to, others),
        totality,
        volatility,
        rewrite: if never {
            Rewrite::Never
        } else {
            Rewrite::Always
        },
    }
}
