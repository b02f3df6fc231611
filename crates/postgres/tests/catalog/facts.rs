//! What the server says about types, casts and expressions.

use crossfade_plan::mapping::Volatility;
use crossfade_postgres::catalog::TypeKind;
use crossfade_postgres::catalog::facts::{
    Cast, CastContext, CastMethod, CastVolatility, Expression, Input, Rejection, cast, data_type,
    expression,
};
use crossfade_postgres::{Mode, Transaction};
use crossfade_testkit::Result;

use crate::fixture::{Rich, begin, ident};

async fn ask(
    transaction: &Transaction,
    text: &str,
) -> Result<std::result::Result<Expression, Rejection>> {
    let (id, name, order) = (ident("id")?, ident("näme")?, ident("Order \"x\"")?);
    let inputs = [
        Input {
            name: &id,
            sql_type: "integer",
        },
        Input {
            name: &name,
            sql_type: "character varying(20)",
        },
        Input {
            name: &order,
            sql_type: "\"Shop\".\"Mood\"",
        },
    ];
    Ok(expression(transaction, text, &inputs).await?)
}

#[tokio::test]
async fn expressions_have_a_type_and_a_volatility() -> Result<()> {
    let rich = Rich::create().await?;
    let transaction = begin(&rich.database, Mode::Read).await?;
    let cases = [
        ("id::bigint * 2", "bigint", Volatility::Stable),
        ("näme", "character varying", Volatility::Stable),
        (
            "split_part(näme, ' ', 1) -- a comment",
            "text",
            Volatility::Stable,
        ),
        ("'constant'", "text", Volatility::Stable),
        ("null", "text", Volatility::Stable),
        (
            "\"Order \"\"x\"\"\"",
            "\"Shop\".\"Mood\"",
            Volatility::Stable,
        ),
        ("now()", "timestamp with time zone", Volatility::Stable),
        ("5::\"Shop\".rate", "\"Shop\".rate", Volatility::Stable),
        ("array[id, id]", "integer[]", Volatility::Stable),
        ("src.id", "integer", Volatility::Stable),
        ("random() * id", "double precision", Volatility::Volatile),
        (
            "clock_timestamp()",
            "timestamp with time zone",
            Volatility::Volatile,
        ),
        ("gen_random_uuid()", "uuid", Volatility::Volatile),
        // What another table holds is no matter of the row.
        (
            "(select count(*) from \"Shop\".customers)",
            "bigint",
            Volatility::Volatile,
        ),
        (
            "(select c.id from \"Shop\".customers c where c.id = src.id limit 1)",
            "bigint",
            Volatility::Volatile,
        ),
        ("(select id + 1)", "integer", Volatility::Stable),
        ("lower(näme) || random()", "text", Volatility::Volatile),
    ];
    for (text, sql_type, volatility) in cases {
        let found = ask(&transaction, text)
            .await?
            .map_err(|refused| format!("{text}: {refused:?}"))?;
        assert_eq!(
            (found.sql_type.as_str(), found.volatility),
            (sql_type, volatility),
            "{text}"
        );
    }
    transaction.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn what_is_no_expression_is_refused_with_its_place() -> Result<()> {
    let rich = Rich::create().await?;
    let transaction = begin(&rich.database, Mode::Read).await?;
    let cases = [
        ("id + wrong", "42703", Some(6)),
        ("näme || wrong", "42703", Some(9)),
        ("id +", "42601", Some(5)),
        ("", "42601", Some(1)),
        ("id, id", "42804", None),
        ("id), (id", "42601", None),
        ("src.*", "42804", None),
        ("(id, id)", "42804", None),
        ("count(*)", "42803", Some(1)),
        ("max(id)", "42803", Some(1)),
        ("row_number() over ()", "42P20", Some(1)),
        ("generate_series(1, 3)", "0A000", Some(1)),
        ("id + $1", "08P01", None),
        ("touch()", "42883", Some(1)),
        ("id = 'x'", "22P02", Some(6)),
        ("id::nothing", "42704", Some(5)),
    ];
    for (text, sqlstate, position) in cases {
        let Err(refused) = ask(&transaction, text).await? else {
            return Err(format!("taken: {text}").into());
        };
        assert_eq!(refused.sqlstate, sqlstate, "{text}: {refused:?}");
        if let Some(position) = position {
            assert_eq!(refused.position, Some(position), "{text}: {refused:?}");
        }
    }
    let Err(refused) = ask(&transaction, "idd").await? else {
        return Err("taken".into());
    };
    assert!(refused.message.contains("idd"));
    assert!(refused.hint.is_some_and(|hint| hint.contains("id")));
    // Neither a refusal nor a taken expression leaves the transaction broken.
    assert!(ask(&transaction, "id").await?.is_ok());
    transaction.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn nothing_is_evaluated() -> Result<()> {
    let rich = Rich::create().await?;
    rich.admin
        .run(
            "create sequence public.touched; grant usage on sequence public.touched to public;
             create function public.boom() returns int language plpgsql
             as 'begin perform nextval(''public.touched''); raise exception ''evaluated''; end'",
        )
        .await?;
    let transaction = begin(&rich.database, Mode::Write).await?;
    let found = ask(&transaction, "public.boom()").await?;
    assert_eq!(
        found.map(|found| found.volatility),
        Ok(Volatility::Volatile)
    );
    transaction.rollback().await?;
    let called: bool = rich
        .admin
        .query_one_value("select is_called from public.touched")
        .await?;
    assert!(!called);
    Ok(())
}

#[tokio::test]
async fn types_are_read_as_the_server_reads_them() -> Result<()> {
    let rich = Rich::create().await?;
    let transaction = begin(&rich.database, Mode::Read).await?;
    let cases = [
        ("bigint", "bigint", TypeKind::Base, true),
        ("varchar(10)", "character varying(10)", TypeKind::Base, true),
        ("numeric(10, 2)", "numeric(10,2)", TypeKind::Base, true),
        (
            "timestamptz(3)",
            "timestamp(3) with time zone",
            TypeKind::Base,
            true,
        ),
        (
            "varchar(5)[]",
            "character varying(5)[]",
            TypeKind::Array,
            true,
        ),
        ("jsonb", "jsonb", TypeKind::Base, true),
        ("json", "json", TypeKind::Base, false),
        (
            "\"Shop\".\"Mood\"",
            "\"Shop\".\"Mood\"",
            TypeKind::Enum,
            true,
        ),
        (
            "\"Shop\".percent",
            "\"Shop\".percent",
            TypeKind::Domain,
            true,
        ),
        ("\"Shop\".rate", "\"Shop\".rate", TypeKind::Domain, true),
        ("\"Shop\".label", "\"Shop\".label", TypeKind::Domain, true),
        (
            "int4multirange",
            "int4multirange",
            TypeKind::Multirange,
            true,
        ),
    ];
    for (text, sql_type, kind, comparable) in cases {
        let found = data_type(&transaction, text)
            .await?
            .map_err(|refused| format!("{text}: {refused:?}"))?;
        let seen = (
            found.sql_type.as_str(),
            found.type_kind,
            found.equality.is_some(),
        );
        assert_eq!(seen, (sql_type, kind, comparable), "{text}");
    }
    for (text, sqlstate) in [
        ("nothing", "42704"),
        ("int) as w, (1", "42601"),
        ("varchar(0)", "22023"),
    ] {
        let Err(refused) = data_type(&transaction, text).await? else {
            return Err(format!("taken: {text}").into());
        };
        assert_eq!(refused.sqlstate, sqlstate, "{text}: {refused:?}");
    }
    transaction.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn casts() -> Result<()> {
    use CastContext::{Assignment, Explicit, Implicit};
    use CastMethod::{Binary, Function, InOut};
    use CastVolatility::{Immutable, Stable};
    let rich = Rich::create().await?;
    let transaction = begin(&rich.database, Mode::Read).await?;
    let oid = async |text: &str| -> Result<u32> {
        let found = data_type(&transaction, text).await?;
        Ok(found
            .map_err(|refused| format!("{text}: {refused:?}"))?
            .type_oid)
    };
    let cases = [
        ("integer", "bigint", Some((Implicit, Function, Immutable))),
        ("bigint", "integer", Some((Assignment, Function, Immutable))),
        ("varchar", "text", Some((Implicit, Binary, Immutable))),
        ("integer", "integer", Some((Implicit, Binary, Immutable))),
        (
            "timestamp",
            "timestamptz",
            Some((Implicit, Function, Stable)),
        ),
        ("json", "jsonb", Some((Assignment, InOut, Immutable))),
        ("text", "uuid", Some((Explicit, InOut, Immutable))),
        ("timestamptz", "text", Some((Assignment, InOut, Stable))),
        (
            "integer[]",
            "bigint[]",
            Some((Implicit, Function, Immutable)),
        ),
        (
            "\"Shop\".rate",
            "numeric",
            Some((Implicit, Binary, Immutable)),
        ),
        (
            "\"Shop\".\"Mood\"",
            "text",
            Some((Assignment, InOut, Stable)),
        ),
        ("uuid", "integer", None),
        ("integer", "boolean", Some((Explicit, Function, Immutable))),
        ("point", "integer[]", None),
    ];
    for (from, to, expected) in cases {
        let found = cast(&transaction, oid(from).await?, oid(to).await?).await?;
        let expected = expected.map(|(context, method, volatility)| Cast {
            context,
            method,
            volatility,
        });
        assert_eq!(found, expected, "{from} to {to}");
    }
    transaction.rollback().await?;
    Ok(())
}
