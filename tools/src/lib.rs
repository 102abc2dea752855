//! The contract of usher: what an MCP client can see of its tools, and nothing else.
//!
//! One unit struct per tool implements [`Tool`] and so carries everything a client is told: name, title, description,
//! effect, need, and the types of its arguments and its result. The schemas are made from those types, and
//! [`read_params`] checks arguments against the very schema that was published, so that the two cannot drift apart.
//!
//! ```
//! use usher_tools::{InviteUser, Role, read_params};
//!
//! let arguments = serde_json::json!({
//!     "email": "ana.ruiz@example.com", "first_name": "Ana", "last_name": "Ruiz",
//!     "role": "user", "access_groups": "Support", "reason": null,
//! });
//! let serde_json::Value::Object(arguments) = arguments else { unreachable!() };
//! let params = read_params::<InviteUser>(arguments).map_err(|refusal| refusal.message)?;
//! assert_eq!(params.role, Some(Role::User));
//! assert_eq!(params.access_groups, ["Support"]);
//! # Ok::<(), String>(())
//! ```
//!
//! The contract of each tool is also published as `contracts/<tool>.json`; a test fails when a file is missing or
//! differs.

#[macro_use]
mod words;
#[macro_use]
mod write;

pub mod access;
pub mod audit;
pub mod bounds;
pub mod error;
pub mod groups;
pub mod lenient;
pub mod people;
pub mod prompts;
mod schema;
pub mod tokens;

pub use access::*;
pub use audit::*;
pub use error::{ErrorBody, ErrorCode};
pub use groups::*;
pub use lenient::{asked, read_params, requires};
pub use people::*;
pub use tokens::*;
pub use write::{Change, WriteOptions, WriteParams};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// One tool as a client sees it. A tool without one of these does not compile.
pub trait Tool {
    /// The name on the wire: at most 30 characters of `[a-z_]`, because hosts put a prefix before it (R-B133).
    const NAME: &'static str;
    /// The name that a host shows to a person.
    const TITLE: &'static str;
    /// What the tool does, needs and answers, for a model. Fixed text: nothing that a person or program wrote.
    const DESCRIPTION: &'static str;
    /// What a call may do to the organization; the annotations are derived from it.
    const EFFECT: Effect;
    /// What the caller needs at the least. The check stands at the call; this is what a listing goes by.
    const NEEDS: Needs;
    /// Arguments that callers look for here and that this tool never takes, each with the way that there is instead.
    const NEVER: &'static [(&'static str, &'static str)] = &[];
    /// The arguments. Read with [`read_params`].
    type Params: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// The result of a call that was not refused.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
}

/// What a call may do to the organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// May change something.
    Write {
        /// Takes something away from somebody, or may do so.
        destructive: bool,
        /// The same call again is welcome and has no further effect.
        idempotent: bool,
        /// Reaches beyond the organization's own data: sends mail.
        open_world: bool,
    },
}

impl Effect {
    /// Nothing is changed: such a tool is within the scope `read`.
    #[must_use]
    pub const fn read_only(self) -> bool {
        match self {
            Self::Read => true,
            Self::Write { .. } => false,
        }
    }

    /// Something may be taken away.
    #[must_use]
    pub const fn destructive(self) -> bool {
        match self {
            Self::Read => false,
            Self::Write { destructive, .. } => destructive,
        }
    }

    /// The same call again has no further effect. True of every read.
    #[must_use]
    pub const fn idempotent(self) -> bool {
        match self {
            Self::Read => true,
            Self::Write { idempotent, .. } => idempotent,
        }
    }

    /// Something outside the organization's data is reached.
    #[must_use]
    pub const fn open_world(self) -> bool {
        match self {
            Self::Read => false,
            Self::Write { open_world, .. } => open_world,
        }
    }

    /// The four hints of MCP, all set: their defaults are pessimistic and would make every read look dangerous (R-B148).
    #[must_use]
    pub const fn annotations(self) -> Annotations {
        Annotations {
            read_only_hint: self.read_only(),
            destructive_hint: self.destructive(),
            idempotent_hint: self.idempotent(),
            open_world_hint: self.open_world(),
        }
    }
}

/// The tool annotations of MCP, without the title, which stands at the tool itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the four hints are four booleans in MCP")]
pub struct Annotations {
    /// The tool changes nothing.
    pub read_only_hint: bool,
    /// The tool may take something away.
    pub destructive_hint: bool,
    /// Repeating a call has no further effect.
    pub idempotent_hint: bool,
    /// The tool reaches beyond the organization's own data.
    pub open_world_hint: bool,
}

/// What a caller needs at the least to call a tool. Serialized as `{}`, `{"permission", "unless_self"}` or `{"role"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Needs {
    /// A live credential is enough.
    Nothing,
    /// The named permission.
    Permission(&'static str),
    /// The named permission, except where the target is the caller; such a tool is listed for everybody.
    PermissionUnlessSelf(&'static str),
    /// The role Administrator.
    Administrator,
}

impl Serialize for Needs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Nothing => {}
            Self::Permission(permission) => {
                map.serialize_entry("permission", permission)?;
                map.serialize_entry("unless_self", &false)?;
            }
            Self::PermissionUnlessSelf(permission) => {
                map.serialize_entry("permission", permission)?;
                map.serialize_entry("unless_self", &true)?;
            }
            Self::Administrator => map.serialize_entry("role", Role::Administrator.as_str())?,
        }
        map.end()
    }
}

/// A tool as a value: what `tools/list` is made from. Serialized it is the content of the tool's contract file.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptor {
    /// [`Tool::NAME`].
    pub name: &'static str,
    /// [`Tool::TITLE`].
    pub title: &'static str,
    /// [`Tool::DESCRIPTION`].
    pub description: &'static str,
    /// [`Tool::EFFECT`].
    pub effect: Effect,
    /// [`Tool::NEEDS`].
    pub needs: Needs,
    /// The schema of [`Tool::Params`]: one object, everything inlined, closed and bounded (R-B128, R-B130, R-B134).
    pub input_schema: Map<String, Value>,
    /// The schema of [`Tool::Output`]: one object, everything inlined; what may be null is present and null.
    pub output_schema: Map<String, Value>,
}

impl Descriptor {
    /// The four hints, derived from the effect.
    #[must_use]
    pub const fn annotations(&self) -> Annotations {
        self.effect.annotations()
    }
}

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(7))?;
        map.serialize_entry("name", self.name)?;
        map.serialize_entry("title", self.title)?;
        map.serialize_entry("description", self.description)?;
        map.serialize_entry("annotations", &self.annotations())?;
        map.serialize_entry("needs", &self.needs)?;
        map.serialize_entry("inputSchema", &self.input_schema)?;
        map.serialize_entry("outputSchema", &self.output_schema)?;
        map.end()
    }
}

/// Describes one tool. The schemas are built anew at each call: keep the result.
#[must_use]
pub fn descriptor<T: Tool>() -> Descriptor {
    Descriptor {
        name: T::NAME,
        title: T::TITLE,
        description: T::DESCRIPTION,
        effect: T::EFFECT,
        needs: T::NEEDS,
        input_schema: schema::input::<T::Params>(),
        output_schema: schema::output::<T::Output>(),
    }
}

/// Calls a macro with the list of all tools, in the order of the catalogue.
///
/// Whoever must treat every tool alike expands from here, so that a new tool is either handled or does not compile.
///
/// ```
/// macro_rules! names {
///     ($($tool:ty),+ $(,)?) => { [$(<$tool as usher_tools::Tool>::NAME),+] };
/// }
/// assert_eq!(usher_tools::for_each_tool!(names)[0], "whoami");
/// ```
#[macro_export]
macro_rules! for_each_tool {
    ($callback:ident) => {
        $callback!(
            $crate::WhoAmI,
            $crate::ListUsers,
            $crate::GetUser,
            $crate::CheckMembership,
            $crate::InviteUser,
            $crate::ResendInvite,
            $crate::UpdateUser,
            $crate::DeactivateUser,
            $crate::ReactivateUser,
            $crate::EndAiAccess,
            $crate::ListAccessGroups,
            $crate::CreateAccessGroup,
            $crate::UpdateAccessGroup,
            $crate::DeleteAccessGroup,
            $crate::AddToAccessGroup,
            $crate::RemoveFromAccessGroup,
            $crate::ListPermissions,
            $crate::ListAuditEvents,
            $crate::ListMcpTokens,
            $crate::RevokeMcpToken,
        )
    };
}

macro_rules! descriptors {
    ($($tool:ty),+ $(,)?) => { vec![$(descriptor::<$tool>()),+] };
}

/// Every tool, in the fixed order in which clients see them.
#[must_use]
pub fn catalogue() -> Vec<Descriptor> {
    for_each_tool!(descriptors)
}

/// For `skip_serializing_if`: a flag is on the wire only where it is set.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !*flag
}
