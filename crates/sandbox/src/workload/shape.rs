//! How one version of the application sees its table: which columns it writes, and what into.

use crossfade_plan::{Ident, NameError};

use super::app_table::AppTable;

/// Where the value stands in an expression.
const PLACEHOLDER: &str = "{}";

/// Why a shape can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The table has no such column.
    #[error("the table has no column {0:?}")]
    UnknownColumn(String),
    /// An expression does not use the value.
    #[error("the expression {0:?} has no {{}} where the value goes")]
    NoPlaceholder(String),
    /// A new column's name is none.
    #[error("a column has no valid name")]
    Name(#[source] NameError),
}

/// The application's table as one version of the application uses it.
///
/// Before the cutover of a migration, and for the control table always, that is
/// [`Shape::of`]. The application does not know when a cutover happens: up to it and
/// beyond, it may only use what both sides have, see [`Shape::without`].
#[derive(Clone, Debug)]
pub struct Shape {
    pub(crate) keys: Vec<Ident>,
    names: Vec<Ident>,
    /// For each column of the table, the columns that are written instead; none when this
    /// version leaves it alone.
    pub(crate) columns: Vec<Vec<Target>>,
}

/// A column that is written, and the expression of the value.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) column: Ident,
    expression: String,
}

impl Target {
    fn plain(column: Ident) -> Self {
        let expression = PLACEHOLDER.to_owned();
        Self { column, expression }
    }

    /// The expression for a value, itself an expression.
    pub(crate) fn apply(&self, value: &str) -> String {
        self.expression.replace(PLACEHOLDER, value)
    }
}

impl Shape {
    /// The table as it is described.
    pub fn of(table: &AppTable) -> Self {
        let names: Vec<Ident> = table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        Self {
            keys: table.key_columns().to_vec(),
            columns: names
                .iter()
                .map(|name| vec![Target::plain(name.clone())])
                .collect(),
            names,
        }
    }

    /// The same, with a column that this version neither reads nor writes. The control table
    /// gets no change of it either.
    pub fn without(mut self, column: &str) -> Result<Self, ShapeError> {
        let place = self.place(column)?;
        self.columns[place] = Vec::new();
        Ok(self)
    }

    /// The same, with a column (of the key or not) under another name.
    pub fn renamed(mut self, column: &str, to: &str) -> Result<Self, ShapeError> {
        let to = Ident::new(to).map_err(ShapeError::Name)?;
        if let Some(key) = self.keys.iter_mut().find(|key| key.as_str() == column) {
            *key = to;
        } else {
            let place = self.place(column)?;
            self.columns[place] = vec![Target::plain(to)];
        }
        Ok(self)
    }

    /// The same, with other columns in the place of one: each with an SQL expression in which
    /// `{}` stands for the value that the old version would have written, such as
    /// `("first", "pg_catalog.split_part({}, ' ', 1)")`.
    pub fn mapped(mut self, column: &str, to: &[(&str, &str)]) -> Result<Self, ShapeError> {
        let place = self.place(column)?;
        let target = |(name, expression): &(&str, &str)| {
            if !expression.contains(PLACEHOLDER) {
                return Err(ShapeError::NoPlaceholder((*expression).to_owned()));
            }
            Ok(Target {
                column: Ident::new(*name).map_err(ShapeError::Name)?,
                expression: (*expression).to_owned(),
            })
        };
        self.columns[place] = to.iter().map(target).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// The column that holds the very value of a column of the table, if there is one.
    pub(crate) fn plain(&self, place: usize) -> Option<&Ident> {
        match self.columns[place].as_slice() {
            [one] if one.expression == PLACEHOLDER => Some(&one.column),
            _ => None,
        }
    }

    fn place(&self, column: &str) -> Result<usize, ShapeError> {
        let mut names = self.names.iter();
        names
            .position(|name| name.as_str() == column)
            .ok_or_else(|| ShapeError::UnknownColumn(column.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_says_where_a_value_goes() {
        let table = AppTable::leads().expect("leads");
        let shape = Shape::of(&table)
            .mapped(
                "name",
                &[("first", "split({}, 1)"), ("last", "split({}, 2)")],
            )
            .and_then(|shape| shape.without("note"))
            .and_then(|shape| shape.renamed("score", "points"))
            .and_then(|shape| shape.renamed("id", "lead_id"))
            .expect("columns that exist");
        let written: Vec<_> = shape.columns[0]
            .iter()
            .map(|target| target.apply("$1"))
            .collect();
        assert_eq!(written, ["split($1, 1)", "split($1, 2)"]);
        assert!(shape.plain(0).is_none() && shape.columns[4].is_empty());
        assert_eq!(shape.plain(2).map(Ident::as_str), Some("points"));
        assert_eq!(shape.keys[0].as_str(), "lead_id");
    }

    #[test]
    fn what_does_not_fit_the_table_is_refused() {
        let shape = Shape::of(&AppTable::leads().expect("leads"));
        let unknown = shape.clone().without("nmae");
        assert!(matches!(unknown, Err(ShapeError::UnknownColumn(name)) if name == "nmae"));
        let constant = shape.mapped("name", &[("first", "'x'")]);
        assert!(matches!(constant, Err(ShapeError::NoPlaceholder(_))));
    }
}
