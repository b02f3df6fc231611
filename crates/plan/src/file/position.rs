//! Where the values of a plan file stand in its text.
//!
//! The domain types carry no positions. A second reading of the same text keeps them in a tree of
//! its own, in which a [`PlanPath`] finds them: for the checks here, and for every later one that
//! names a path (the planner's, against the catalog).

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

/// A place in the text of a plan file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// First byte.
    pub offset: usize,
    /// Number of bytes; 0 for a place between two bytes.
    pub len: usize,
}

impl Position {
    /// The start of the text.
    pub(super) const START: Self = Self {
        line: 1,
        column: 1,
        offset: 0,
        len: 0,
    };

    /// The bytes from first to last.
    pub fn span(&self) -> Range<usize> {
        self.offset..self.offset + self.len
    }

    /// Takes the parser's location in `text`. An unknown one is the start of the text.
    pub(super) fn new(location: Location, text: &str) -> Self {
        let (Ok(line), Ok(column)) = (
            usize::try_from(location.line()),
            usize::try_from(location.column()),
        ) else {
            return Self::START;
        };
        if line == 0 || column == 0 {
            return Self::START;
        }
        let bytes = |count: Option<u64>| count.and_then(|count| usize::try_from(count).ok());
        let offset = bytes(location.span().byte_offset()).unwrap_or_else(|| {
            let start = text
                .split_inclusive('\n')
                .take(line - 1)
                .map(str::len)
                .sum::<usize>();
            let before = text[start..].chars().take(column - 1).map(char::len_utf8);
            start + before.sum::<usize>()
        });
        let offset = offset.min(text.len());
        let len = bytes(location.span().byte_len())
            .unwrap_or(0)
            .min(text.len() - offset);
        // A block scalar's span runs into the next line; a label must not.
        let found = text.get(offset..offset + len).unwrap_or_default();
        Self {
            line,
            column,
            offset,
            len: found.trim_end().len(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// The way from the top of a plan file to a value, such as `operations[1].change_type.column`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PlanPath(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Segment {
    Key(String),
    Item(usize),
}

impl PlanPath {
    /// The path of a key at the top.
    pub fn top(key: &str) -> Self {
        Self::default().key(key)
    }

    /// One step on, to a key of a map.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Segment::Key(key.to_owned()));
        self
    }

    /// One step on, to an item of a list, counted from 0.
    #[must_use]
    pub fn item(mut self, index: usize) -> Self {
        self.0.push(Segment::Item(index));
        self
    }
}

impl fmt::Display for PlanPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if index == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Item(item) => write!(f, "[{item}]")?,
            }
        }
        Ok(())
    }
}

/// The positions of all values of one plan file.
#[derive(Debug, Clone)]
pub struct Positions {
    root: Node,
    /// The text, for the byte offsets that the parser leaves out.
    text: String,
}

impl Positions {
    pub(super) fn new(root: Node, text: &str) -> Self {
        Self {
            root,
            text: text.to_owned(),
        }
    }

    /// The first operation that is not a map with one key. Asked for before the operations are
    /// read, because the reader would stop where the next one begins.
    pub(super) fn operation_without_one_key(&self) -> Option<PlanPath> {
        let Value::Map(entries) = &self.root.value else {
            return None;
        };
        let operations = entries.iter().find(|entry| entry.key == "operations")?;
        let Value::List(items) = &operations.value.value else {
            return None;
        };
        let has_one_key = |node: &Node| matches!(&node.value, Value::Map(keys) if keys.len() == 1);
        let index = items.iter().position(|item| !has_one_key(item))?;
        Some(PlanPath::top("operations").item(index))
    }

    /// Where the value at `path` stands: the value itself when it is a scalar, else the key that
    /// leads to it. A value that the file leaves out has the position of what would hold it.
    pub fn find(&self, path: &PlanPath) -> Position {
        let mut node = &self.root;
        let mut location = node.at;
        for segment in &path.0 {
            let next = match (segment, &node.value) {
                (Segment::Key(key), Value::Map(entries)) => {
                    entries.iter().find(|entry| entry.key == *key).map(|entry| {
                        let is_scalar = matches!(entry.value.value, Value::Scalar);
                        (
                            &entry.value,
                            if is_scalar { entry.value.at } else { entry.at },
                        )
                    })
                }
                (Segment::Item(index), Value::List(items)) => {
                    items.get(*index).map(|item| (item, item.at))
                }
                _ => None,
            };
            match next {
                Some(next) => (node, location) = next,
                None => break,
            }
        }
        Position::new(location, &self.text)
    }
}

/// A value with its location and nothing else of it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    at: Location,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    Scalar,
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
struct Entry {
    key: String,
    at: Location,
    value: Node,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned {
            value, referenced, ..
        } = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            at: referenced,
            value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let value = access.next_value()?;
            entries.push(Entry {
                key: key.value,
                at: key.referenced,
                value,
            });
        }
        Ok(Value::Map(entries))
    }
}
