//! Between the domain's words and the contract's.
//!
//! Two types on purpose: what a row holds and what a client reads change for different reasons. The matches are
//! exhaustive, so that a value added on one side does not compile without the other.

use super::{PermissionInfo, Role, Status};

/// Declares both directions between two enums with the same values.
macro_rules! same_values {
    ($($ours:ty = $theirs:ty { $($value:ident),+ })+) => {
        $(
            impl From<$ours> for $theirs {
                fn from(value: $ours) -> Self {
                    match value { $(<$ours>::$value => Self::$value),+ }
                }
            }

            impl From<$theirs> for $ours {
                fn from(value: $theirs) -> Self {
                    match value { $(<$theirs>::$value => Self::$value),+ }
                }
            }
        )+
    };
}

same_values! {
    Role = usher_tools::Role { Administrator, User }
    Status = usher_tools::Status { Pending, Active, Deactivated }
}

/// Everybody who has an account stands somewhere; the contract's further word is for those who have none.
impl From<Status> for usher_tools::MembershipStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Active => Self::Active,
            Status::Deactivated => Self::Deactivated,
        }
    }
}

impl From<&PermissionInfo> for usher_tools::PermissionInfo {
    fn from(info: &PermissionInfo) -> Self {
        Self { name: info.name.clone(), description: info.description.clone(), privileged: info.privileged }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_way_there_and_back() {
        for role in Role::ALL {
            assert_eq!(Role::from(usher_tools::Role::from(role)), role);
        }
        for status in Status::ALL {
            assert_eq!(Status::from(usher_tools::Status::from(status)), status);
            assert_eq!(usher_tools::MembershipStatus::from(status).as_str(), status.as_str());
        }
    }
}
