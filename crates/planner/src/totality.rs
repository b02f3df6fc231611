//! Whether an expression has a value for every row, whatever is in it.
//!
//! Each mirrored write of what may fail runs in a subtransaction of its own: they cost time, and a
//! transaction with more than 64 of them slows down every snapshot on the server. So what can be
//! shown not to fail is worth finding. Only what is proved counts: the commonest ways to cut, join and
//! choose values, over columns of integers, text and truth values.
//!
//! Names in an expression are PostgreSQL's own unless they bear a schema, since it is evaluated under
//! `search_path = pg_catalog, pg_temp`; and the server has accepted it before anybody asks here.

use crossfade_plan::Ident;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, ObjectNamePart, UnaryOperator, Value,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::column_type::ColumnType;

/// In bytes. What is longer is not looked at: trees are walked and dropped by recursion.
const LONGEST: usize = 2000;

/// No literal is larger, so that a [`Kind::Count`] and a literal make an `int4`.
const LARGEST_NUMBER: i64 = 1_000_000;

/// What is known of a value besides its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An integer of so many bytes.
    Integer(u8),
    /// An `int4` from 0 to 2^30: a length or a place in a text, of which none is longer.
    Count,
    /// An integer literal, of at most [`LARGEST_NUMBER`] either way.
    Number(i64),
    /// `text`, or what is `text` to operators and functions.
    Text,
    /// A string literal, whose type is that of what it meets.
    Literal,
    Boolean,
    Null,
}

use Kind::{Boolean, Count, Integer, Literal, Null, Number, Text};

/// Whether `expression` over `columns` has a value for every row, which a column of type `to` takes.
pub(crate) fn cannot_fail(
    expression: &str,
    to: &ColumnType,
    columns: &[(Ident, ColumnType)],
) -> bool {
    let prover = Prover { columns };
    expression.len() <= LONGEST
        && prover.one_collation(expression)
        && parse(expression)
            .and_then(|tree| prover.kind(&tree))
            .is_some_and(|kind| holds(to, kind))
}

fn parse(expression: &str) -> Option<Expr> {
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(expression)
        .ok()?;
    let tree = parser.parse_expr().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(tree)
}

/// Whether a column of type `to` takes every value of the kind.
fn holds(to: &ColumnType, kind: Kind) -> bool {
    match (to.builtin(), kind) {
        (Some("int8"), Integer(_) | Count | Number(_))
        | (Some("int4"), Integer(2 | 4) | Count | Number(_))
        | (Some("int2"), Integer(2))
        | (Some("text"), Text | Literal)
        | (Some("bool"), Boolean)
        | (Some("int2" | "int4" | "int8" | "text" | "bool"), Null) => true,
        (Some("varchar"), Text | Literal | Null) => to.modifier().is_empty(),
        _ => false,
    }
}

/// What both are, where one value stands for either: in CASE, in `coalesce`.
fn either(one: Kind, other: Kind) -> Option<Kind> {
    match (one, other) {
        (Null, kind) | (kind, Null) => Some(kind),
        (Text | Literal, Text | Literal) => Some(Text),
        (Boolean, Boolean) => Some(Boolean),
        _ => Some(Integer(bytes(one)?.max(bytes(other)?))),
    }
}

/// The size of an integer, as PostgreSQL types it.
fn bytes(kind: Kind) -> Option<u8> {
    match kind {
        Integer(bytes) => Some(bytes),
        Count | Number(_) => Some(4),
        Text | Literal | Boolean | Null => None,
    }
}

/// Whether the comparison operators take the two. The type of a literal is that of the other side; one
/// that meets an integer need not be one.
fn comparable(one: Kind, other: Kind) -> bool {
    matches!(
        (one, other),
        (Text, Text | Literal) | (Literal, Text) | (Boolean, Boolean)
    ) || (bytes(one).is_some() && bytes(other).is_some())
}

struct Prover<'a> {
    columns: &'a [(Ident, ColumnType)],
}

impl Prover<'_> {
    /// Whether all text that the expression may read sorts in one way, by its bytes: two collations
    /// that meet are an error when the row comes, and others can't be searched in.
    fn one_collation(&self, expression: &str) -> bool {
        let mut texts = (self.columns.iter())
            .filter(|(name, column_type)| {
                column_type.is_text() && crate::references::mentions(expression, name.as_str())
            })
            .map(|(_, column_type)| column_type);
        texts.next().is_none_or(|first| {
            first.deterministic && texts.all(|text| text.collation == first.collation)
        })
    }

    /// What is known of the value, if it has one for every row.
    fn kind(&self, tree: &Expr) -> Option<Kind> {
        match tree {
            Expr::Nested(inner) => self.kind(inner),
            Expr::Identifier(name) => self.column(name),
            Expr::Value(value) => literal(&value.value),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => match self.kind(expr)? {
                Number(number) => Some(Number(-number)),
                _ => None,
            },
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => (self.kind(expr)? == Boolean).then_some(Boolean),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                self.kind(inner)?;
                Some(Boolean)
            }
            Expr::BinaryOp { left, op, right } => operator(op, self.kind(left)?, self.kind(right)?),
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                format: None,
            } => cast(self.kind(expr)?, data_type),
            Expr::Case {
                operand: None,
                conditions,
                else_result,
                ..
            } => self.case(conditions, else_result.as_deref()),
            Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                ..
            } => {
                let mut arguments = vec![self.kind(expr)?, self.kind(from)?];
                if let Some(length) = substring_for {
                    arguments.push(self.kind(length)?);
                }
                function("substr", &arguments)
            }
            Expr::Position { expr, r#in } => {
                function("strpos", &[self.kind(r#in)?, self.kind(expr)?])
            }
            Expr::Trim {
                trim_what: None,
                trim_characters: None,
                expr,
                ..
            } => function("btrim", &[self.kind(expr)?]),
            Expr::Function(call) => self.call(call),
            _ => None,
        }
    }

    fn column(&self, name: &sqlparser::ast::Ident) -> Option<Kind> {
        let name = if name.quote_style.is_some() {
            name.value.clone()
        } else if name.value.is_ascii() {
            name.value.to_ascii_lowercase()
        } else {
            return None;
        };
        let (_, column_type) = (self.columns.iter()).find(|(column, _)| column.as_str() == name)?;
        match column_type.builtin()? {
            "int2" => Some(Integer(2)),
            "int4" => Some(Integer(4)),
            "int8" => Some(Integer(8)),
            "text" | "varchar" => Some(Text),
            "bool" => Some(Boolean),
            _ => None,
        }
    }

    fn case(&self, whens: &[CaseWhen], otherwise: Option<&Expr>) -> Option<Kind> {
        let mut result = match otherwise {
            Some(tree) => self.kind(tree)?,
            None => Null,
        };
        for when in whens {
            if self.kind(&when.condition)? != Boolean {
                return None;
            }
            result = either(result, self.kind(&when.result)?)?;
        }
        Some(result)
    }

    fn call(&self, call: &Function) -> Option<Kind> {
        let [ObjectNamePart::Identifier(name)] = &call.name.0[..] else {
            return None;
        };
        let FunctionArguments::List(list) = &call.args else {
            return None;
        };
        let plain = matches!(call.parameters, FunctionArguments::None)
            && !call.uses_odbc_syntax
            && call.within_group.is_empty()
            && call.filter.is_none()
            && call.null_treatment.is_none()
            && call.over.is_none()
            && list.duplicate_treatment.is_none()
            && list.clauses.is_empty();
        if !plain || name.quote_style.is_some() {
            return None;
        }
        let arguments: Option<Vec<Kind>> = (list.args.iter())
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => self.kind(tree),
                _ => None,
            })
            .collect();
        function(&name.value.to_ascii_lowercase(), &arguments?)
    }
}

fn literal(value: &Value) -> Option<Kind> {
    match value {
        Value::Number(digits, false) => {
            let number = digits.parse().ok()?;
            (number <= LARGEST_NUMBER).then_some(Number(number))
        }
        // What a backslash means depends on a setting.
        Value::SingleQuotedString(text) if !text.contains('\\') => Some(Literal),
        Value::Boolean(_) => Some(Boolean),
        Value::Null => Some(Null),
        _ => None,
    }
}

fn operator(operator: &BinaryOperator, left: Kind, right: Kind) -> Option<Kind> {
    match (operator, left, right) {
        (BinaryOperator::And | BinaryOperator::Or, Boolean, Boolean) => Some(Boolean),
        (
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq,
            ..,
        ) if comparable(left, right) => Some(Boolean),
        (BinaryOperator::StringConcat, Text, Text | Literal)
        | (BinaryOperator::StringConcat, Literal, Text) => Some(Text),
        // The least number divided by -1 is too large; and there is no remainder of 0.
        (BinaryOperator::Divide | BinaryOperator::Modulo, Integer(_) | Count, Number(1..)) => {
            Some(Integer(bytes(left)?.max(4)))
        }
        (BinaryOperator::Plus | BinaryOperator::Minus, Count, Number(_))
        | (BinaryOperator::Plus, Number(_), Count) => Some(Integer(4)),
        _ => None,
    }
}

fn cast(kind: Kind, to: &DataType) -> Option<Kind> {
    match (to, kind) {
        (_, Null) => None,
        (DataType::Text, _) => Some(Text),
        (DataType::BigInt(None) | DataType::Int8(None), _) if bytes(kind).is_some() => {
            Some(Integer(8))
        }
        (DataType::Integer(None) | DataType::Int(None) | DataType::Int4(None), _)
            if bytes(kind).is_some_and(|bytes| bytes <= 4) =>
        {
            Some(Integer(4))
        }
        _ => None,
    }
}

/// PostgreSQL's own function of the name. What a text needs is less than what it is made of, or the
/// sum: none asks for more room than its arguments had, or fails for what is in them.
fn function(name: &str, arguments: &[Kind]) -> Option<Kind> {
    match (name, arguments) {
        ("length" | "char_length" | "character_length" | "octet_length", [Text])
        | ("strpos", [Text, Text | Literal]) => Some(Count),
        ("split_part", [Text, Text | Literal, Number(number)]) if *number != 0 => Some(Text),
        (
            "substr",
            [Text, Integer(2 | 4) | Count | Number(_)]
            | [
                Text,
                Integer(2 | 4) | Count | Number(_),
                Number(0..) | Count,
            ],
        )
        | ("left" | "right", [Text, Number(_)])
        | ("btrim" | "ltrim" | "rtrim", [Text] | [Text, Text | Literal]) => Some(Text),
        ("nullif", [one, other]) if comparable(*one, *other) && *one != Literal => Some(*one),
        ("coalesce", [first, others @ ..]) => {
            (others.iter()).try_fold(*first, |so_far, one| either(so_far, *one))
        }
        _ => None,
    }
}
