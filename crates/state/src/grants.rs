//! The privileges of the role that migrates: no more than it needs.

use crossfade_plan::Ident;
use postgres_protocol::escape::escape_literal;

/// Whose statistics the role sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatisticsAccess {
    /// Those of all sessions: pacing by replica lag and load needs them.
    All,
    /// Its own alone.
    OwnOnly,
}

/// A role of least privilege for the tables of one owner in one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// The role that migrates; made where there is none.
    pub role: Ident,
    /// The role that owns the tables.
    pub owner: Ident,
    /// The schema of the tables.
    pub schema: Ident,
    /// The schema of the state; made where there is none.
    pub state_schema: Ident,
    /// Whose statistics the role sees.
    pub statistics: StatisticsAccess,
}

impl Grants {
    /// The statements, for a superuser in the database of the tables. Running them again is
    /// harmless.
    pub fn statements(&self) -> Vec<String> {
        self.commented()
            .into_iter()
            .map(|(_, statement)| statement)
            .collect()
    }

    /// The statements as a script for psql, each with what it is for.
    pub fn script(&self) -> String {
        let head = "-- To be run by a superuser, in the database of the tables.\n".to_owned();
        let parts = self.commented().into_iter();
        let parts = parts.map(|(comment, statement)| format!("\n-- {comment}\n{statement};\n"));
        std::iter::once(head).chain(parts).collect()
    }

    fn commented(&self) -> Vec<(&'static str, String)> {
        let Self {
            role,
            owner,
            schema,
            state_schema,
            statistics,
        } = self;
        let name = escape_literal(role.as_str());
        let make = format!(
            "begin
    if not exists (select from pg_catalog.pg_roles where rolname = {name}) then
        create role {role} login;
    end if;
    execute pg_catalog.format('grant connect on database %I to %I',
        pg_catalog.current_database(), {name});
end"
        );
        let mut statements = vec![
            (
                "The role. It has no password yet: \\password, or a certificate.",
                format!("do {}", dollar_quoted(&make)),
            ),
            (
                "What it makes belongs to the owner of the tables, by whose rights it works.",
                format!("grant {owner} to {role}"),
            ),
            (
                "Target tables and trigger functions are made beside the tables.",
                format!("grant usage, create on schema {schema} to {owner}"),
            ),
            (
                "The state of migrations has a schema of its own.",
                format!("create schema if not exists {state_schema} authorization {role}"),
            ),
        ];
        if *statistics == StatisticsAccess::All {
            statements.push((
                "Pacing by replica lag and load looks at the statistics of all sessions.",
                format!("grant pg_read_all_stats to {role}"),
            ));
        }
        statements
    }
}

/// Quotes the body of a `do`, whatever names are in it.
fn dollar_quoted(body: &str) -> String {
    let mut tag = "$crossfade$".to_owned();
    while body.contains(&tag) {
        tag.insert(1, '_');
    }
    format!("{tag}\n{body}\n{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_the_quotes() {
        let ident = |name| Ident::new(name).expect("a name");
        let grants = Grants {
            role: ident("$crossfade$'\""),
            owner: ident("owner"),
            schema: ident("public"),
            state_schema: ident("crossfade"),
            statistics: StatisticsAccess::OwnOnly,
        };
        let statements = grants.statements();
        let make = &statements[0];
        assert!(make.starts_with("do $_crossfade$\n"), "{make}");
        assert!(make.ends_with("\n$_crossfade$"), "{make}");
        assert!(make.contains("rolname = '$crossfade$''\"'"), "{make}");
        assert!(
            make.contains("create role \"$crossfade$'\"\"\" login"),
            "{make}"
        );
        assert!(!grants.script().contains("pg_read_all_stats"));
    }
}
