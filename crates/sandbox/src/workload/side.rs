//! The statements of one logical change on one side: the application's table or the control.

use std::sync::Arc;

use crossfade_plan::{Ident, QualifiedName};

use super::app_table::{AppTable, list};
use super::key::Key;
use super::shape::Shape;

/// A statement and its parameters, all of them sent as text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) parameters: Vec<Option<String>>,
}

impl Sql {
    /// Adds a parameter; returns the expression that stands for it.
    fn bind(&mut self, value: Option<String>, sql_type: &str) -> String {
        self.parameters.push(value);
        format!("${}::text::{sql_type}", self.parameters.len())
    }
}

/// What a column becomes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// This value, or NULL.
    Set(usize, Option<String>),
    /// What it was, or 0, and one more.
    Increment(usize),
}

/// A row to insert. Columns that are not named get their default.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// `None` leaves the key to the table.
    pub(crate) key: Option<Key>,
    pub(crate) values: Vec<(usize, Option<String>)>,
}

/// What an insert does when the key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnConflict {
    Fail,
    Nothing,
    Update,
}

/// How a row is locked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RowLock {
    Wait,
    Nowait,
    SkipLocked,
}

/// A table as statements see it.
#[derive(Debug)]
pub(crate) struct Side {
    table: QualifiedName,
    key_types: Vec<&'static str>,
    types: Vec<&'static str>,
    pub(crate) shape: Shape,
}

/// Both tables.
#[derive(Debug)]
pub(crate) struct Sides {
    pub(crate) app: Side,
    pub(crate) control: Side,
    pub(crate) table: Arc<AppTable>,
}

impl Sides {
    pub(crate) fn new(table: &Arc<AppTable>, shape: Shape) -> Self {
        Self {
            app: Side::new(table, table.name.clone(), shape),
            control: Side::new(table, table.control.clone(), Shape::of(table)),
            table: Arc::clone(table),
        }
    }

    /// Whether both sides show the same row for a key, in columns that mean the same. One
    /// statement, so that both are read by one snapshot.
    pub(crate) fn same_row(&self, key: &Key) -> Sql {
        let mut sql = Sql::default();
        let app = self.app.row_as_text(&mut sql, key, &self.app.shape);
        let control = self.control.row_as_text(&mut sql, key, &self.app.shape);
        sql.text = format!("select ({app}) is not distinct from ({control})");
        sql
    }
}

impl Side {
    fn new(table: &AppTable, name: QualifiedName, shape: Shape) -> Self {
        Self {
            table: name,
            key_types: table
                .key
                .columns()
                .iter()
                .map(|column| column.sql_type)
                .collect(),
            types: table.columns.iter().map(|column| column.sql_type).collect(),
            shape,
        }
    }

    pub(crate) fn insert(&self, rows: &[Row], on_conflict: OnConflict) -> Sql {
        let mut sql = Sql::default();
        let mut names = Vec::new();
        let mut lines = Vec::new();
        for row in rows {
            let mut line = Vec::new();
            names.clear();
            if let Some(key) = &row.key {
                names.extend(self.shape.keys.iter().cloned());
                line.extend(self.bind_key(&mut sql, key));
            }
            for (place, value) in &row.values {
                self.bind_value(&mut sql, *place, value.as_ref(), &mut names, &mut line);
            }
            lines.push(format!("({})", line.join(", ")));
        }
        let columns = list(&names);
        let keys = list(&self.shape.keys);
        let action = match on_conflict {
            OnConflict::Fail => String::new(),
            OnConflict::Nothing => format!(" on conflict ({keys}) do nothing"),
            OnConflict::Update => {
                let set: Vec<String> = names
                    .iter()
                    .filter(|name| !self.shape.keys.contains(name))
                    .map(|name| format!("{name} = excluded.{name}"))
                    .collect();
                format!(" on conflict ({keys}) do update set {}", set.join(", "))
            }
        };
        sql.text = format!(
            "insert into {} ({columns}) values {}{action} {}",
            self.table,
            lines.join(", "),
            self.returning()
        );
        sql
    }

    pub(crate) fn update(&self, keys: &[Key], changes: &[Change]) -> Sql {
        let mut sql = Sql::default();
        let set = self.set(&mut sql, changes);
        let condition = self.keyed(&mut sql, keys);
        let (table, returning) = (&self.table, self.returning());
        sql.text = format!("update {table} set {set} where {condition} {returning}");
        sql
    }

    pub(crate) fn move_key(&self, from: &Key, to: &Key) -> Sql {
        let mut sql = Sql::default();
        let values = self.bind_key(&mut sql, to);
        let keys = self.shape.keys.iter();
        let set: Vec<String> = keys
            .zip(values)
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        let condition = self.keyed(&mut sql, std::slice::from_ref(from));
        let (table, set, returning) = (&self.table, set.join(", "), self.returning());
        sql.text = format!("update {table} set {set} where {condition} {returning}");
        sql
    }

    pub(crate) fn delete(&self, key: &Key) -> Sql {
        let mut sql = Sql::default();
        let condition = self.keyed(&mut sql, std::slice::from_ref(key));
        sql.text = format!(
            "delete from {} where {condition} {}",
            self.table,
            self.returning()
        );
        sql
    }

    /// Updates the row of the first key, which must be locked, and inserts the row.
    pub(crate) fn merge(&self, locked: &Key, changes: &[Change], row: &Row) -> Sql {
        let mut sql = Sql::default();
        let matched = self.bind_key(&mut sql, locked).join(", ");
        let mut names = self.shape.keys.clone();
        let mut line = row
            .key
            .as_ref()
            .map_or_else(Vec::new, |key| self.bind_key(&mut sql, key));
        let inserted = line.join(", ");
        for (place, value) in &row.values {
            self.bind_value(&mut sql, *place, value.as_ref(), &mut names, &mut line);
        }
        let set = self.set(&mut sql, changes);
        let keys = list(&self.shape.keys);
        let on: Vec<String> = self
            .shape
            .keys
            .iter()
            .map(|key| format!("t.{key} = s.{key}"))
            .collect();
        sql.text = format!(
            "merge into {} as t using (values ({matched}), ({inserted})) as s ({keys}) on {} \
             when matched then update set {set} \
             when not matched then insert ({}) values ({})",
            self.table,
            on.join(" and "),
            list(&names),
            line.join(", ")
        );
        sql
    }

    /// Returns the keys of those rows that exist, locked.
    pub(crate) fn lock(&self, keys: &[Key], lock: RowLock) -> Sql {
        let mut sql = Sql::default();
        let condition = self.keyed(&mut sql, keys);
        let clause = match lock {
            RowLock::Wait => "for update",
            RowLock::Nowait => "for update nowait",
            RowLock::SkipLocked => "limit 1 for update skip locked",
        };
        let (table, columns) = (&self.table, self.keys_as_text());
        sql.text = format!("select {columns} from {table} where {condition} {clause}");
        sql
    }

    /// A COPY of keys and of columns that hold the very value on both sides.
    pub(crate) fn copy(&self, places: &[usize]) -> String {
        let mut names = self.shape.keys.clone();
        names.extend(
            places
                .iter()
                .filter_map(|place| self.shape.plain(*place).cloned()),
        );
        format!("copy {} ({}) from stdin", self.table, list(&names))
    }

    pub(crate) fn truncate(&self) -> Sql {
        let text = format!("truncate table {}", self.table);
        Sql {
            text,
            ..Sql::default()
        }
    }

    fn row_as_text(&self, sql: &mut Sql, key: &Key, common: &Shape) -> String {
        let columns: Vec<String> = (0..self.types.len())
            .filter(|place| common.plain(*place).is_some())
            .filter_map(|place| self.shape.plain(place))
            .map(|column| format!("{column}::text"))
            .collect();
        let condition = self.keyed(sql, std::slice::from_ref(key));
        let columns = columns.join(", ");
        format!(
            "select array[{columns}]::text[] from {} where {condition}",
            self.table
        )
    }

    fn bind_key(&self, sql: &mut Sql, key: &Key) -> Vec<String> {
        let values = key.0.iter().zip(&self.key_types);
        values
            .map(|(value, sql_type)| sql.bind(Some(value.clone()), sql_type))
            .collect()
    }

    fn bind_value(
        &self,
        sql: &mut Sql,
        place: usize,
        value: Option<&String>,
        names: &mut Vec<Ident>,
        line: &mut Vec<String>,
    ) {
        for target in &self.shape.columns[place] {
            let value = sql.bind(value.cloned(), self.types[place]);
            names.push(target.column.clone());
            line.push(target.apply(&value));
        }
    }

    fn set(&self, sql: &mut Sql, changes: &[Change]) -> String {
        let mut parts = Vec::new();
        for change in changes {
            match change {
                Change::Set(place, value) => {
                    let (mut names, mut line) = (Vec::new(), Vec::new());
                    self.bind_value(sql, *place, value.as_ref(), &mut names, &mut line);
                    let pairs = names.iter().zip(&line);
                    parts.extend(pairs.map(|(name, value)| format!("{name} = {value}")));
                }
                Change::Increment(place) => parts.extend(
                    self.shape
                        .plain(*place)
                        .map(|name| format!("{name} = coalesce({name}, 0) + 1")),
                ),
            }
        }
        parts.join(", ")
    }

    fn keyed(&self, sql: &mut Sql, keys: &[Key]) -> String {
        let columns = list(&self.shape.keys);
        let rows: Vec<String> = keys
            .iter()
            .map(|key| format!("({})", self.bind_key(sql, key).join(", ")))
            .collect();
        match rows.as_slice() {
            [one] => format!("({columns}) = {one}"),
            _ => format!("({columns}) in ({})", rows.join(", ")),
        }
    }

    /// As text: a change of the key's type then changes no result type of a prepared statement.
    fn returning(&self) -> String {
        format!("returning {}", self.keys_as_text())
    }

    fn keys_as_text(&self) -> String {
        let keys: Vec<String> = self
            .shape
            .keys
            .iter()
            .map(|key| format!("{key}::text"))
            .collect();
        keys.join(", ")
    }
}
