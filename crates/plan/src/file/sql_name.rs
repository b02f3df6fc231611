//! Names in a plan file, written as SQL writes them.

use std::{fmt, ops::Deref};

use super::scalar::{Scalar, scalar_schema, scalar_serde};
use crate::{Ident, QualifiedName};

const QUOTING: &str =
    "in a plan file a quoted name stands in single quotes as well, such as '\"Order Id\"'";

/// A column, index or constraint in a plan file, with SQL's own rule: an unquoted name is folded
/// to lower case, and a name that needs quotes is quoted (`column: '"Order Id"'`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlName(Ident);

impl SqlName {
    /// The identifier.
    pub fn ident(&self) -> &Ident {
        &self.0
    }
}

impl Deref for SqlName {
    type Target = Ident;

    fn deref(&self) -> &Ident {
        &self.0
    }
}

impl From<Ident> for SqlName {
    fn from(ident: Ident) -> Self {
        Self(ident)
    }
}

impl From<SqlName> for Ident {
    fn from(name: SqlName) -> Self {
        name.0
    }
}

impl fmt::Display for SqlName {
    /// As a person would write it: quoted only where SQL needs the quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(&self.0, f)
    }
}

impl Scalar for SqlName {
    const EXPECTED: &'static str = "a name";

    fn from_text(text: &str) -> Result<Self, String> {
        Ident::parse(text)
            .map(Self)
            .map_err(|error| refused(text, &error))
    }

    fn from_number(number: u64) -> Result<Self, String> {
        Self::from_text(&number.to_string())
    }
}

/// A table in a plan file: `orders`, `sales.orders`, `'shop."Order Item"'`; without a schema, `public`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlTable(QualifiedName);

impl Deref for SqlTable {
    type Target = QualifiedName;

    fn deref(&self) -> &QualifiedName {
        &self.0
    }
}

impl From<QualifiedName> for SqlTable {
    fn from(name: QualifiedName) -> Self {
        Self(name)
    }
}

impl fmt::Display for SqlTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(&self.0.schema, f)?;
        f.write_str(".")?;
        write_name(&self.0.name, f)
    }
}

impl Scalar for SqlTable {
    const EXPECTED: &'static str = "a table name";

    fn from_text(text: &str) -> Result<Self, String> {
        QualifiedName::parse(text)
            .map(Self)
            .map_err(|error| refused(text, &error))
    }

    fn from_number(number: u64) -> Result<Self, String> {
        Self::from_text(&number.to_string())
    }
}

fn write_name(ident: &Ident, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match Ident::parse(ident.as_str()) {
        Ok(read) if read == *ident => f.write_str(ident.as_str()),
        _ => fmt::Display::fmt(ident, f),
    }
}

fn refused(text: &str, error: &crate::NameError) -> String {
    match error {
        crate::NameError::NeedsQuotes { .. } => {
            format!("{text:?} is no SQL name: {error}; {QUOTING}")
        }
        _ => format!("{text:?} is no SQL name: {error}"),
    }
}

scalar_serde!(SqlName);
scalar_serde!(SqlTable);
scalar_schema!(SqlName, "Name", {
    "type": "string",
    "description": "A SQL name: folded to lower case unless double-quoted, as in '\"Order Id\"'.",
    "minLength": 1
});
scalar_schema!(SqlTable, "Table", {
    "type": "string",
    "description": "NAME or SCHEMA.NAME, as SQL writes it: 'shop.\"Order Item\"'. Without a schema, public.",
    "minLength": 1
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_name_reads_back_as_itself() {
        for name in [
            "id", "Order Id", "a.b", "q\"q", " pad ", "größe", "ID", "1st",
        ] {
            let ident = SqlName(Ident::new(name).expect(name));
            assert_eq!(
                SqlName::from_text(&ident.to_string()),
                Ok(ident.clone()),
                "{ident}"
            );
        }
        let table = SqlTable::from_text("shop.\"Order Item\"").expect("a table");
        assert_eq!(table.to_string(), "shop.\"Order Item\"");
        assert_eq!(
            SqlTable::from_text("Orders").expect("a table").to_string(),
            "public.orders"
        );
    }
}
