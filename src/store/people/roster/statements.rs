//! The statements of the roster: who is found by what has a filter, and how an order is walked.
//!
//! `$1` organization, `$2` status, `$3` role, `$4` group, `$5` and `$6` first and last moment of having been seen, `$7` search text,
//! `$8` phrase or grams, `$9` first key of the organization; and from a mark on: `$10` and `$11` what the mark is sorted by (among
//! keys, where the organization's end in that direction) and its key, `$12` how many to look at, `$13` how many to find.

use super::{By, Driver, Sort, Source};
use crate::store::sql::Engine;

macro_rules! name {
    () => {
        "substr(u.folded, 1, 64)"
    };
}
macro_rules! seen {
    () => {
        "coalesce(u.last_seen_at, 0)"
    };
}
macro_rules! narrowed {
    ($position:literal) => {
        concat!(
            " AND ($2 IS NULL OR u.status = $2) AND ($3 IS NULL OR u.role = $3)
              AND ($4 IS NULL OR EXISTS (SELECT 1 FROM group_members gm WHERE gm.user_key = u.key AND gm.group_key = $4))
              AND ($5 IS NULL OR ",
            seen!(),
            " BETWEEN $5 AND $6) AND ($7 = '' OR ",
            $position,
            "(u.folded, $7) > 0) "
        )
    };
}
macro_rules! of_status {
    ($status:literal) => {
        concat!("u.status = '", $status, "' AND ($2 IS NULL OR $2 = '", $status, "')")
    };
}

// What has the keys of those who fit a filter: where they stand (`from`), which they are within the organization (`holds`), the key;
// and where its own order is that of the keys, which they are (`only`) without a bound, for an index takes but one on either side.
macro_rules! everybody {
    (from) => {
        "users s"
    };
    (holds) => {
        "s.key > $9 AND s.key < $9 + 4294967296"
    };
    (key) => {
        "s.key"
    };
}
macro_rules! by_status {
    (from) => {
        "users s"
    };
    (holds) => {
        "s.status = $2 AND s.key > $9 AND s.key < $9 + 4294967296"
    };
    (key) => {
        "s.key"
    };
}
macro_rules! by_role {
    (from) => {
        "users s"
    };
    (only) => {
        "s.role = $3"
    };
    (holds) => {
        "s.role = $3 AND s.key > $9 AND s.key < $9 + 4294967296"
    };
    (key) => {
        "s.key"
    };
}
macro_rules! by_group {
    (from) => {
        "group_members s"
    };
    (only) => {
        "s.group_key = $4"
    };
    (holds) => {
        "s.group_key = $4"
    };
    (key) => {
        "s.user_key"
    };
}
macro_rules! by_phrase {
    (from) => {
        "users_fts f"
    };
    (only) => {
        "users_fts MATCH $8"
    };
    (holds) => {
        "users_fts MATCH $8 AND f.rowid > $9 AND f.rowid < $9 + 4294967296"
    };
    (key) => {
        "f.rowid"
    };
}
/// Their grams are the organization's own.
macro_rules! by_grams {
    (from) => {
        "users_grams s"
    };
    (holds) => {
        "s.grams @> $8"
    };
    (key) => {
        "s.key"
    };
}
/// For one or two letters, which SQLite's index has not: the newest people, one by one.
macro_rules! newest {
    (from) => {
        "(SELECT n.key AS key FROM (SELECT k.key AS key, k.folded AS folded FROM users k WHERE k.key > $9 AND k.key < $9 + 4294967296
                                     ORDER BY k.key DESC LIMIT 10000) n WHERE instr(n.folded, $7) > 0) s"
    };
    (holds) => {
        "true"
    };
    (key) => {
        "s.key"
    };
}
/// Of one status by when they were last seen.
macro_rules! unseen_of {
    ($status:literal) => {
        concat!("SELECT u.key AS key FROM users u WHERE u.org = $1 AND ", of_status!($status), " AND ", seen!(), " BETWEEN $5 AND $6")
    };
    ($status:literal, few) => {
        // In that order, so that the index is walked and not the table.
        concat!("SELECT * FROM (", unseen_of!($status), " ORDER BY ", seen!(), ", u.key LIMIT 1001) one")
    };
}
macro_rules! unseen {
    (from) => {
        concat!("(", unseen_of!("pending"), " UNION ALL ", unseen_of!("active"), " UNION ALL ", unseen_of!("deactivated"), ") s")
    };
    (holds) => {
        "true"
    };
    (key) => {
        "s.key"
    };
}
macro_rules! few_unseen {
    (from) => {
        concat!(
            "(",
            unseen_of!("pending", few),
            " UNION ALL ",
            unseen_of!("active", few),
            " UNION ALL ",
            unseen_of!("deactivated", few),
            ") s"
        )
    };
    (holds) => {
        "true"
    };
    (key) => {
        "s.key"
    };
}

/// Each of a source whom all filters leave, with what they are sorted by. One by one, so that no plan goes through the table for
/// those who are many.
macro_rules! each {
    (sqlite, $shows:expr, $by:expr, $source:ident, $holds:ident) => {
        concat!(
            "SELECT ",
            $shows,
            " FROM ",
            $source!(from),
            " CROSS JOIN users u WHERE ",
            $source!($holds),
            " AND u.key = ",
            $source!(key),
            narrowed!("instr")
        )
    };
    (postgres, $shows:expr, $by:expr, $source:ident, $holds:ident) => {
        concat!(
            "SELECT ",
            $shows,
            " FROM ",
            $source!(from),
            " CROSS JOIN LATERAL (SELECT u.key, ",
            $by,
            " AS worth FROM users u WHERE u.key = ",
            $source!(key),
            narrowed!("strpos"),
            " LIMIT 1) u WHERE ",
            $source!($holds)
        )
    };
}

/// Up to 1001 candidates of a source, and who of them all filters leave: the candidates' number and how many are left of all first,
/// counted to 1001, then they themselves, where no candidate was left out.
macro_rules! few {
    ($engine:tt, $position:literal, $source:ident, $counted:expr) => {
        concat!(
            "WITH candidate AS MATERIALIZED (SELECT ",
            $source!(key),
            " AS key FROM ",
            $source!(from),
            " WHERE ",
            $source!(holds),
            " LIMIT 1001),
             hit AS MATERIALIZED (SELECT u.key, ",
            name!(),
            " AS name, u.email_key, ",
            seen!(),
            " AS seen FROM candidate JOIN users u ON u.key = candidate.key WHERE u.key > $9",
            narrowed!($position),
            ")
             SELECT (SELECT count(*) FROM candidate), '', '', CASE WHEN (SELECT count(*) FROM candidate) <= 1000 THEN (SELECT count(*) FROM hit) ELSE ",
            $counted,
            " END
             UNION ALL SELECT hit.key, hit.name, hit.email_key, hit.seen FROM hit WHERE (SELECT count(*) FROM candidate) <= 1000"
        )
    };
    ($engine:tt, $position:literal, $source:ident) => {
        few!(
            $engine,
            $position,
            $source,
            concat!("(SELECT count(*) FROM (", each!($engine, "1", "1", $source, holds), " LIMIT 1001) counted)")
        )
    };
}
macro_rules! few_on_both {
    ($source:ident) => {
        (few!(sqlite, "instr", $source), few!(postgres, "strpos", $source))
    };
}

impl Source {
    /// The statement that finds few.
    pub(super) fn statement(self, engine: Engine) -> &'static str {
        let (sqlite, postgres) = match self {
            Self::Everybody => few_on_both!(everybody),
            Self::Status => few_on_both!(by_status),
            Self::Role => few_on_both!(by_role),
            Self::Group => few_on_both!(by_group),
            Self::Text => (few!(sqlite, "instr", by_phrase), few!(postgres, "strpos", by_grams)),
            // One or two letters have their grams on PostgreSQL.
            Self::Newest => (few!(sqlite, "instr", newest), few!(postgres, "strpos", by_grams)),
            Self::Unseen => (
                few!(sqlite, "instr", few_unseen, "(SELECT count(*) FROM hit)"),
                few!(postgres, "strpos", few_unseen, "(SELECT count(*) FROM hit)"),
            ),
        };
        engine.either(sqlite, postgres)
    }
}

/// All of a source whom the filters leave after the mark, the first $13 of them: 0, key, what they are sorted by.
macro_rules! all_by {
    (sqlite, $source:ident, $by:expr, $after:literal, $direction:literal) => {
        concat!(
            each!(sqlite, concat!("CAST(0 AS BIGINT) AS kind, u.key AS key, ", $by, " AS worth"), $by, $source, holds),
            " AND (",
            $by,
            ", u.key) ",
            $after,
            " ($10, $11) ORDER BY ",
            $by,
            " ",
            $direction,
            ", u.key ",
            $direction,
            " LIMIT $13"
        )
    };
    (postgres, $source:ident, $by:expr, $after:literal, $direction:literal) => {
        concat!(
            each!(postgres, "CAST(0 AS BIGINT) AS kind, u.key, u.worth", $by, $source, holds),
            " AND (u.worth, u.key) ",
            $after,
            " ($10, $11) ORDER BY u.worth ",
            $direction,
            ", u.key ",
            $direction,
            " LIMIT $13"
        )
    };
}
/// The same by key.
macro_rules! all_by_key {
    ($engine:tt, $source:ident, $holds:ident, $key:expr, rising) => {
        concat!(
            each!($engine, "CAST(0 AS BIGINT) AS kind, u.key, u.key AS worth", "u.key", $source, $holds),
            " AND ",
            $key,
            " > $11 AND ",
            $key,
            " < $10 ORDER BY ",
            $key,
            " LIMIT $13"
        )
    };
    ($engine:tt, $source:ident, $holds:ident, $key:expr, falling) => {
        concat!(
            each!($engine, "CAST(0 AS BIGINT) AS kind, u.key, u.key AS worth", "u.key", $source, $holds),
            " AND ",
            $key,
            " > $10 AND ",
            $key,
            " < $11 ORDER BY ",
            $key,
            " DESC LIMIT $13"
        )
    };
}
macro_rules! collated {
    (sqlite, $by:expr) => {
        $by
    };
    (postgres, $by:expr) => {
        concat!($by, " COLLATE \"C\"")
    };
}
/// The same in an order: by key out of the source's own order, which goes no further than the page, or else of all.
macro_rules! in_order {
    ($sort:expr, $engine:tt, $source:ident, own) => {
        in_order!($sort, $engine, $source, only, $source!(key))
    };
    ($sort:expr, $engine:tt, $source:ident) => {
        in_order!($sort, $engine, $source, holds, "u.key")
    };
    ($sort:expr, $engine:tt, $source:ident, $holds:ident, $key:expr) => {
        match ($sort.by, $sort.descending) {
            (By::Created, false) => all_by_key!($engine, $source, $holds, $key, rising),
            (By::Created, true) => all_by_key!($engine, $source, $holds, $key, falling),
            (By::Name, false) => all_by!($engine, $source, collated!($engine, name!()), ">", "ASC"),
            (By::Name, true) => all_by!($engine, $source, collated!($engine, name!()), "<", "DESC"),
            (By::Email, false) => all_by!($engine, $source, collated!($engine, "u.email_key"), ">", "ASC"),
            (By::Email, true) => all_by!($engine, $source, collated!($engine, "u.email_key"), "<", "DESC"),
            (By::LastSeen, false) => all_by!($engine, $source, seen!(), ">", "ASC"),
            (By::LastSeen, true) => all_by!($engine, $source, seen!(), "<", "DESC"),
        }
    };
}

impl Driver {
    /// The statement that finds all in this order.
    pub(super) fn statement(self, sort: Sort, engine: Engine) -> &'static str {
        let (sqlite, postgres) = match self {
            Self::Group => (in_order!(sort, sqlite, by_group, own), in_order!(sort, postgres, by_group, own)),
            Self::Text => (in_order!(sort, sqlite, by_phrase, own), in_order!(sort, postgres, by_grams)),
            Self::Role => (in_order!(sort, sqlite, by_role, own), in_order!(sort, postgres, by_role, own)),
            Self::Unseen => (in_order!(sort, sqlite, unseen), in_order!(sort, postgres, unseen)),
        };
        engine.either(sqlite, postgres)
    }

    /// Whether it stands in this order by itself, so that a page goes no further than to its end.
    pub(super) fn stands_in(self, sort: Sort, engine: Engine) -> bool {
        match (sort.by, self) {
            (By::Created, Self::Group | Self::Role) => true,
            // GIN has no order.
            (By::Created, Self::Text) => engine == Engine::Sqlite,
            (By::Created, Self::Unseen) | (By::Name | By::Email | By::LastSeen, _) => false,
        }
    }
}

/// The people of one status after the mark, on SQLite: those who are sorted by the same, then the others. With one condition for both
/// it would begin at the first who is sorted by the same, and all who are invited were last seen never.
macro_rules! after {
    ($by:expr, $status:literal, $after:literal, $direction:literal) => {
        concat!(
            "SELECT * FROM (SELECT u.key AS key, ",
            $by,
            " AS worth FROM users u WHERE u.org = $1 AND ",
            of_status!($status),
            " AND ",
            $by,
            " = $10 AND u.key ",
            $after,
            " $11 ORDER BY u.key ",
            $direction,
            " LIMIT $12) alike UNION ALL SELECT * FROM (SELECT u.key AS key, ",
            $by,
            " AS worth FROM users u WHERE u.org = $1 AND ",
            of_status!($status),
            " AND ",
            $by,
            " ",
            $after,
            " $10 ORDER BY ",
            $by,
            " ",
            $direction,
            ", u.key ",
            $direction,
            " LIMIT $12) further"
        )
    };
}
/// The same on PostgreSQL, which compares rows in its index. Of two conditions the first would have it walk the keys.
macro_rules! beyond {
    ($by:expr, $status:literal, $after:literal, $direction:literal) => {
        concat!(
            "SELECT * FROM (SELECT u.key AS key, ",
            $by,
            " AS worth FROM users u WHERE u.org = $1 AND ",
            of_status!($status),
            " AND (",
            $by,
            ", u.key) ",
            $after,
            " ($10, $11) ORDER BY ",
            $by,
            " ",
            $direction,
            ", u.key ",
            $direction,
            " LIMIT $12) further"
        )
    };
}
/// The same by key; $10 is the end of the organization's.
macro_rules! after_key {
    ($by:expr, $status:literal, ">", $direction:literal) => {
        after_key!(between $status, ">", "<", $direction)
    };
    ($by:expr, $status:literal, "<", $direction:literal) => {
        after_key!(between $status, "<", ">", $direction)
    };
    (between $status:literal, $after:literal, $before:literal, $direction:literal) => {
        concat!(
            "SELECT * FROM (SELECT u.key AS key, u.key AS worth FROM users u WHERE ",
            of_status!($status),
            " AND u.key ",
            $after,
            " $11 AND u.key ",
            $before,
            " $10 ORDER BY u.key ",
            $direction,
            " LIMIT $12) further"
        )
    };
}
/// Whom the filters leave of the next $12 people: 0, key, what they are sorted by. Then where looking ended, if it did not end
/// with the last of all: 1 and the same.
macro_rules! walk {
    ($position:literal, $direction:literal, $end:literal, $pending:expr, $active:expr, $deactivated:expr) => {
        concat!(
            "WITH near AS MATERIALIZED (SELECT key, worth FROM (",
            $pending,
            " UNION ALL ",
            $active,
            " UNION ALL ",
            $deactivated,
            ") n ORDER BY worth ",
            $direction,
            ", key ",
            $direction,
            " LIMIT $12)
             SELECT CAST(0 AS BIGINT) AS kind, h.key AS key, h.worth AS worth FROM (SELECT near.key, near.worth FROM near JOIN users u ON u.key = near.key WHERE u.key > $9",
            narrowed!($position),
            "ORDER BY near.worth ",
            $direction,
            ", near.key ",
            $direction,
            " LIMIT $13) h
             UNION ALL SELECT CAST(1 AS BIGINT), e.key, e.worth FROM (SELECT key, worth FROM near ORDER BY worth ",
            $end,
            ", key ",
            $end,
            " LIMIT 1) e WHERE (SELECT count(*) FROM near) >= $12
             ORDER BY kind, worth ",
            $direction,
            ", key ",
            $direction
        )
    };
    ($position:literal, $beyond:ident, rising, $by:expr) => {
        walk!(
            $position,
            "ASC",
            "DESC",
            $beyond!($by, "pending", ">", "ASC"),
            $beyond!($by, "active", ">", "ASC"),
            $beyond!($by, "deactivated", ">", "ASC")
        )
    };
    ($position:literal, $beyond:ident, falling, $by:expr) => {
        walk!(
            $position,
            "DESC",
            "ASC",
            $beyond!($by, "pending", "<", "DESC"),
            $beyond!($by, "active", "<", "DESC"),
            $beyond!($by, "deactivated", "<", "DESC")
        )
    };
}

impl Sort {
    /// The statement that walks this order.
    pub(super) fn walk(self, engine: Engine) -> &'static str {
        macro_rules! on_both {
            ($towards:ident, $by:expr) => {
                (walk!("instr", after, $towards, $by), walk!("strpos", beyond, $towards, collated!(postgres, $by)))
            };
        }
        let (sqlite, postgres) = match (self.by, self.descending) {
            (By::Created, false) => (walk!("instr", after_key, rising, "u.key"), walk!("strpos", after_key, rising, "u.key")),
            (By::Created, true) => (walk!("instr", after_key, falling, "u.key"), walk!("strpos", after_key, falling, "u.key")),
            (By::Name, false) => on_both!(rising, name!()),
            (By::Name, true) => on_both!(falling, name!()),
            (By::Email, false) => on_both!(rising, "u.email_key"),
            (By::Email, true) => on_both!(falling, "u.email_key"),
            (By::LastSeen, false) => (walk!("instr", after, rising, seen!()), walk!("strpos", beyond, rising, seen!())),
            (By::LastSeen, true) => (walk!("instr", after, falling, seen!()), walk!("strpos", beyond, falling, seen!())),
        };
        engine.either(sqlite, postgres)
    }
}
