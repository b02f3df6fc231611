//! What is proved to have a value for every row has one for the worst of rows; what has not is not
//! taken for proved.

use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::mapping::Totality;
use crossfade_testkit::Result;

use crate::fixture::Fixture;

/// All of them in all combinations: what is at the ends of the types, and what is not there.
const SCHEMA: &str = "
    create table public.things (
        id bigint generated always as identity primary key,
        small smallint, number integer, big bigint, flag boolean,
        name text, \"Other Name\" text, code varchar(20), sorted text collate \"C\",
        fixed character(3), folded text collate public.folded, at timestamptz);
    insert into public.things (small, number, big, flag, name, \"Other Name\", code, sorted)
        select n, n, n, n > 0, t, t, left(t, 20), t
        from (values (null), (0), (1), (-1), (32767), (-32768)) as numbers (n),
            (values (null), (''), (' '), ('a b'), (E'\\t\\n'), ('żółw  𝄞𝄞'), (repeat('ж ', 5000))) as texts (t);
    insert into public.things (number, big) values
        (2147483647, 9223372036854775807), (-2147483648, -9223372036854775808);";

const PROVED: [(&str, &str); 36] = [
    ("number / 10", "integer"),
    ("small / 10", "integer"),
    ("big / 1000", "bigint"),
    ("(number % 7)::bigint", "bigint"),
    ("number::bigint", "bigint"),
    ("cast(small as integer) / 3", "bigint"),
    ("length(name) + 1000000", "integer"),
    ("strpos(name, ' ') - 1", "integer"),
    ("position(' ' in name)", "integer"),
    ("split_part(name, ' ', 1)", "text"),
    ("split_part(code, ' ', -1)", "character varying"),
    ("substr(name, length(split_part(name, ' ', 1)) + 2)", "text"),
    ("substr(name, number, 1000000)", "text"),
    ("substring(name from 2 for 3)", "text"),
    ("left(name, -3)", "text"),
    ("right(name, 3)", "text"),
    ("btrim(name) || ltrim(name, ' ')", "text"),
    ("trim(name)", "text"),
    ("name || ' ' || \"Other Name\"", "text"),
    (
        "coalesce(name, '') || '-' || coalesce(code, 'it''s')",
        "text",
    ),
    ("nullif(split_part(name, ' ', 2), '')", "text"),
    ("coalesce(number, small, 0)", "integer"),
    ("coalesce(small, big)", "bigint"),
    ("name is null or not flag", "boolean"),
    ("number > small and big <> 5", "boolean"),
    ("name = 'a b'", "boolean"),
    ("NAME < \"Other Name\" -- said twice", "boolean"),
    ("sorted || sorted", "text"),
    ("number::text || name", "text"),
    ("flag::text", "text"),
    ("case when name = 'paid' then 1 else 0 end", "integer"),
    ("case when number > 3 then small end", "integer"),
    (
        "case when flag then 'yes' when not flag then name end",
        "text",
    ),
    ("null", "text"),
    ("'new'", "text"),
    ("0", "bigint"),
];

const NOT_PROVED: [(&str, &str); 37] = [
    ("10 / number", "integer"),
    ("number / 0", "integer"),
    ("number / -1", "integer"),
    ("number / small", "integer"),
    ("number % 0", "integer"),
    ("number + 1", "integer"),
    ("-number", "integer"),
    ("length(name) * 10", "integer"),
    ("length(name) + number", "integer"),
    ("length(name) + 2000000000", "integer"),
    ("number / 3000000000", "bigint"),
    ("big / 10", "integer"),
    ("big::integer", "integer"),
    ("number", "smallint"),
    ("number / 10", "smallint"),
    ("coalesce(number, big)", "integer"),
    ("split_part(name, ' ', 0)", "text"),
    ("split_part(name, ' ', number)", "text"),
    ("substr(name, 1, -1)", "text"),
    ("substr(name, 1, number)", "text"),
    ("left(name, 3)", "character varying(10)"),
    ("name::integer", "integer"),
    ("name || fixed", "text"),
    ("name || sorted", "text"),
    ("nullif(name, sorted)", "text"),
    ("split_part(folded, ' ', 1)", "text"),
    ("substring(name from '[')", "text"),
    ("name ~ '['", "boolean"),
    ("repeat(name, 1000000)", "text"),
    ("replace(name, ' ', '\\')", "text"),
    ("lower(name)", "text"),
    ("case number when 1 then 2 end", "integer"),
    ("number between 1 and 2", "boolean"),
    ("1.5 > number", "boolean"),
    ("public.mine(number)", "integer"),
    ("(select 1)", "integer"),
    ("extract(year from at)::integer", "integer"),
];

const FIXTURES: &str = "
    create collation public.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create function public.mine(integer) returns integer immutable language sql as 'select $1';";

async fn plan(fixture: &Fixture, expression: &str, to: &str) -> Result<ExecutionPlan> {
    let up = serde_json::to_string(expression)?;
    fixture
        .sound_plan(&format!(
            "name: m\ntable: things\noperations:\n  - add_column: {{ name: made, type: \"{to}\", up: {up} }}\n"
        ))
        .await
        .map_err(|error| format!("{expression}: {error}").into())
}

fn is_proved(plan: &ExecutionPlan) -> bool {
    let made = (plan.mapping.forward.iter()).find(|image| image.column.as_str() == "made");
    made.is_some_and(|image| image.totality == Totality::Total)
}

#[tokio::test]
async fn what_is_proved_has_a_value_for_the_worst_of_rows() -> Result<()> {
    let fixture = Fixture::new(&format!("{FIXTURES} {SCHEMA}")).await?;
    fixture
        .observer
        .run(
            "create table public.made (i2 smallint, i4 integer, i8 bigint, b boolean, t text, v varchar); \
             set search_path = pg_catalog, pg_temp",
        )
        .await?;
    for (expression, to) in PROVED {
        assert!(
            is_proved(&plan(&fixture, expression, to).await?),
            "{expression}"
        );
        let column = match to {
            "integer" => "i4",
            "bigint" => "i8",
            "boolean" => "b",
            "text" => "t",
            _ => "v",
        };
        let made = format!(
            "insert into public.made ({column}) select (\n{expression}\n) from public.things as src"
        );
        let made = fixture.observer.run(&made).await;
        made.map_err(|error| format!("{expression}: {error}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_proved_is_not_taken_for_it() -> Result<()> {
    let fixture = Fixture::new(&format!("{FIXTURES} {SCHEMA}")).await?;
    for (expression, to) in NOT_PROVED {
        assert!(
            !is_proved(&plan(&fixture, expression, to).await?),
            "{expression}"
        );
    }
    Ok(())
}
